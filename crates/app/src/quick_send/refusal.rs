//! Why a text was not sent, and what the refusals of its parts mean for it.

use domain::quick_send::Refusal;

use crate::speech::{RecordingRefusal, ScriptRefusal};

/// Why a text was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextRefusal {
    /// The operator switched quick sends off.
    Disabled,
    /// The account's messages must be listened to before they are sent.
    MustBeApproved,
    /// Not a number that can be called.
    WrongNumber,
    /// The available balance does not cover the speech and the hold.
    InsufficientCredit,
    /// Longer than a text may be.
    TextTooLong,
    /// More sound than a message may have.
    TooLong,
    /// Outside the hours in which calls may be placed.
    TimeNotAllowed,
    /// Nothing that can be spoken.
    NotSpoken,
    /// The number to be spoken is none.
    WrongMobile,
    /// Less sound than a message must have.
    TooShort,
    /// Nothing but spaces.
    EmptyText,
    /// The number was sent to too often within the operator's interval.
    RepeatedTooOften,
    /// The account may not record callees.
    RecordingNotPermitted,
}

impl From<Refusal> for TextRefusal {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Disabled => Self::Disabled,
            Refusal::WrongNumber => Self::WrongNumber,
            Refusal::TimeNotAllowed => Self::TimeNotAllowed,
            // The account's own new message is only missing when it waits for approval.
            Refusal::WrongMessage => Self::MustBeApproved,
            Refusal::InsufficientCredit => Self::InsufficientCredit,
            Refusal::RecordingNotPermitted => Self::RecordingNotPermitted,
        }
    }
}

impl From<ScriptRefusal> for TextRefusal {
    fn from(refusal: ScriptRefusal) -> Self {
        match refusal {
            ScriptRefusal::EmptyText => Self::EmptyText,
            ScriptRefusal::TextTooLong => Self::TextTooLong,
            ScriptRefusal::WrongMobile => Self::WrongMobile,
            ScriptRefusal::NotSpoken => Self::NotSpoken,
        }
    }
}

impl From<RecordingRefusal> for TextRefusal {
    fn from(refusal: RecordingRefusal) -> Self {
        match refusal {
            RecordingRefusal::NotSpoken => Self::NotSpoken,
            RecordingRefusal::TooLong => Self::TooLong,
        }
    }
}
