//! Steps that are only added: what was done to a ticket, a report or a session.

use domain::Timestamp;
use domain::agreement::ticket::Side;

use crate::{Result, Row};

/// A step that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken<S> {
    /// Which; `None` for the first, with which it began.
    pub step: Option<S>,
    /// By which side.
    pub side: Side,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: String,
    /// What was said; may be empty.
    pub said: String,
}

impl<S> Taken<S> {
    /// A step of a row: `first` is the word of the first one, and `step` reads those of the others.
    pub(crate) fn read(row: &Row, first: &str, step: impl Fn(&str) -> Option<S>) -> Result<Self> {
        let read = |word: &str| if word == first { Some(None) } else { step(word).map(Some) };
        Ok(Self {
            step: row.parse("step", read)?,
            side: row.parse("side", Side::parse)?,
            at: row.get("at_us")?,
            actor: row.get("actor")?,
            said: row.get("said")?,
        })
    }
}

/// How many steps there are, as it is kept.
pub(crate) fn count<T>(steps: &[T]) -> i64 {
    i64::try_from(steps.len()).unwrap_or(i64::MAX)
}
