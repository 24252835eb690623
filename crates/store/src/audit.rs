//! Audit: whether money and states add up. For tests, the nightly job and `doctor`.

use crate::{Db, Result};

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audit {
    /// Everything that does not add up; empty when all is well.
    pub violations: Vec<Violation>,
}

/// One thing that does not add up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which rule is broken.
    pub rule: &'static str,
    /// What breaks it, such as `account 7`.
    pub subject: String,
    /// What should be there.
    pub expected: i64,
    /// What is there.
    pub found: i64,
}

impl Audit {
    /// Whether everything adds up.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

impl Db {
    /// Checks the whole database on one consistent view of it. Reads everything: minutes on a
    /// large one.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn audit(&self) -> Result<Audit> {
        unimplemented!()
    }
}
