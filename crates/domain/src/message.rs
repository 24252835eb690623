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
    /// Waits until its customer was called about it: a member of staff has listened and asks that.
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
    /// When a member of staff decided about it; `None`: nobody of staff has, and a message that is
    /// approved all the same is so by its account's own permission.
    pub decided_at: Option<Timestamp>,
    /// Why it may not be sent, in the words of who listened to it.
    pub refused_because: Option<String>,
    /// How long it plays.
    pub length_ms: u32,
    /// The name of the audio in the blob store.
    pub blob: String,
    /// Whether the customer asked to keep it in the gallery.
    pub persistent: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Message {
    /// Whether it may be sent. `by_staff`: the policy of its class asks that a member of staff has
    /// approved it; an account that approves its own messages does not satisfy that.
    pub fn may_be_sent(&self, by_staff: bool) -> bool {
        self.approval == Approval::Approved && (!by_staff || self.decided_at.is_some())
    }
}

/// What a member of staff decides about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may be sent.
    Approve,
    /// It may not be sent.
    Refuse(Reason),
    /// Its customer is to be called first; until then it may not be sent.
    AskByPhone,
}

/// Why a message was refused, for its customer to read: some words, of bounded length, on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(String);

impl Reason {
    /// Takes a reason as it was typed. `None`: it says nothing, or more than [`REASON_CHARS_MAX`].
    pub fn new(typed: &str) -> Option<Self> {
        let line = typed.split_whitespace().collect::<Vec<_>>().join(" ");
        let fits = !line.is_empty()
            && !line.chars().any(char::is_control)
            && line.chars().nth(REASON_CHARS_MAX).is_none();
        fits.then_some(Self(line))
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Decision {
    /// The state that the message has then.
    pub fn approval(&self) -> Approval {
        match self {
            Self::Approve => Approval::Approved,
            Self::Refuse(_) => Approval::Rejected,
            Self::AskByPhone => Approval::WaitingByPhone,
        }
    }

    /// Whether it ends the waiting.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::AskByPhone)
    }

    /// Why it was refused, if it was.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Approve | Self::AskByPhone => None,
            Self::Refuse(reason) => Some(reason),
        }
    }
}

/// The longest reason, in characters.
pub const REASON_CHARS_MAX: usize = 500;
/// The longest title, in characters.
pub const TITLE_CHARS_MAX: usize = 200;
/// The longest text that may be spoken, in characters (avanak-api §2.4).
pub const TEXT_CHARS_MAX: usize = 1000;
/// The shortest message, in milliseconds (avanak-api §2.4: under 3 s is too short).
pub const LENGTH_MS_MIN: u32 = 3_000;
/// The longest message, in milliseconds.
pub const LENGTH_MS_MAX: u32 = 600_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a customer always reads why, on one line that fits.
    #[test]
    fn a_reason_says_something_on_one_line() {
        let kept = |typed: &str| Reason::new(typed).map(|reason| reason.as_str().to_owned());
        assert_eq!(kept(" تبلیغ \n است ").as_deref(), Some("تبلیغ است"));
        let longest = "ن".repeat(REASON_CHARS_MAX);
        assert_eq!(kept(&longest), Some(longest.clone()));
        for nothing in ["", " \t\n", "a\u{1b}[2J", &format!("{longest}ن")] {
            assert_eq!(kept(nothing), None, "{nothing:?}");
        }
    }
}
