//! Migrations: forward only, one text for both engines, run by refinery.

/// What migrating did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// How many migrations were run just now.
    pub count: usize,
    /// The version of the schema afterwards.
    pub version: u32,
}
