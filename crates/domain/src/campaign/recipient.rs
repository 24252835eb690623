//! Where a recipient of a campaign stands.

use crate::Status;

/// Where a recipient stands. The number is the vendor's `Status` of a campaign number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecipientStatus {
    /// As its last call does; queued while there was none.
    Of(Status),
    /// Waits until it is called again.
    Retrying,
}

impl RecipientStatus {
    /// The vendor's code (avanak-api, decision 3).
    pub fn code(self) -> i64 {
        match self {
            Self::Of(status) => status.code(),
            Self::Retrying => 40,
        }
    }
}
