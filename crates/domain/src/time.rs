//! Moments and lengths of time as integers. Calendars live in `calendar`, clocks in `server`.

/// A moment: microseconds of UTC since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment `ms` milliseconds later, or the last moment there is.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        self.plus_us(ms.saturating_mul(1000))
    }

    /// The moment `us` microseconds later, or the last moment there is.
    #[must_use]
    pub fn plus_us(self, us: i64) -> Self {
        Self(self.0.saturating_add(us))
    }

    /// Microseconds from `earlier` to this moment; negative when this one is the earlier.
    pub fn us_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}
