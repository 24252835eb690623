//! This moment, by the two clocks that a node needs. It never asks them itself.

use domain::Timestamp;

/// A moment by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// By the wall clock, which people set and which may jump: for what is stored and shown.
    pub wall: Timestamp,
    /// By a clock that never goes back, microseconds from any origin: for pacing and deadlines.
    pub steady: Timestamp,
}

impl Moment {
    /// The moment `us` microseconds later by both clocks.
    #[must_use]
    pub fn plus_us(self, us: i64) -> Self {
        Self { wall: self.wall.plus_us(us), steady: self.steady.plus_us(us) }
    }
}
