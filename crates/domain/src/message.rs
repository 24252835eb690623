//! A voice message: a clip with an approval state, and the limits of what may become one.

use crate::{AccountId, MessageId, Timestamp};

/// Whether a message may be played to people. The numbers are the vendor's `Confirmed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// Waits for a member of staff to listen to it.
    Waiting,
    /// May be sent.
    Approved,
    /// May not be sent.
    Rejected,
    /// Waits for approval by telephone.
    WaitingByPhone,
}

impl Approval {
    /// The vendor's number, which the store keeps too.
    pub fn code(self) -> i64 {
        match self {
            Self::Waiting => 0,
            Self::Approved => 1,
            Self::Rejected => 2,
            Self::WaitingByPhone => 3,
        }
    }

    /// Reads a number made by [`Self::code`].
    pub fn from_code(code: i64) -> Option<Self> {
        [Self::Waiting, Self::Approved, Self::Rejected, Self::WaitingByPhone]
            .into_iter()
            .find(|approval| approval.code() == code)
    }
}

/// A stored voice message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its identity.
    pub id: MessageId,
    /// Whose it is.
    pub account: AccountId,
    /// The customer's title for it.
    pub title: String,
    /// Whether it may be sent.
    pub approval: Approval,
    /// How long it plays.
    pub length_ms: u32,
    /// The name of the audio in the blob store.
    pub blob: String,
    /// Whether the customer asked to keep it in the gallery.
    pub persistent: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The longest title, in characters.
pub const TITLE_CHARS_MAX: usize = 200;
/// The longest text that may be spoken, in characters (avanak-api §2.4).
pub const TEXT_CHARS_MAX: usize = 1000;
/// The shortest message, in milliseconds (avanak-api §2.4: under 3 s is too short).
pub const LENGTH_MS_MIN: u32 = 3_000;
/// The longest message, in milliseconds.
pub const LENGTH_MS_MAX: u32 = 600_000;
