//! The calls of an endpoint: what is kept of one, from either side.

use super::{Failure, LegId, Party, Reason};
use crate::dialog::Dialog;
use crate::digest::{Answers, Session};
use crate::message::Headers;
use crate::token::Key;
use crate::transaction::Handle;

/// One call.
pub(super) struct Leg {
    /// The dialog; of a call we place, its beginnings until somebody answers.
    pub(super) dialog: Dialog,
    pub(super) state: State,
    /// The ring timeout.
    pub(super) ring: Option<Handle>,
    pub(super) session: Option<Session>,
    /// Our 200 that waits for its ACK.
    pub(super) unacked: Option<Unacked>,
    /// The peer's offer that waits for our answer.
    pub(super) reoffer: Option<Reoffer>,
    /// The owner hung up, but our 200 must be acknowledged before we may say so (§15).
    pub(super) hang_up_after_ack: Option<Why>,
    /// The token of the abandoned call this leg ends; it has no other owner.
    pub(super) abandoned: Option<u64>,
}

impl Leg {
    pub(super) fn new(dialog: Dialog, state: State) -> Self {
        Self {
            dialog,
            state,
            ring: None,
            session: None,
            unacked: None,
            reoffer: None,
            hang_up_after_ack: None,
            abandoned: None,
        }
    }
}

pub(super) enum State {
    /// We called and wait for a final response.
    Calling(Box<Calling>),
    /// The peer called and waits for ours: the key of its INVITE, and the number that the ACK
    /// will repeat.
    Ringing { invite: Key, cseq: u32 },
    /// Answered.
    Up,
    /// Our BYE waits for its answer.
    Ending(Box<Ending>),
}

/// A call of ours that is not answered yet.
pub(super) struct Calling {
    /// The latest INVITE.
    pub(super) transaction: Key,
    /// The branch of that INVITE, which its CANCEL repeats.
    pub(super) branch: Box<[u8]>,
    /// The branch of the first INVITE.
    pub(super) first_branch: Box<[u8]>,
    pub(super) answers: Answers,
    /// Whether the latest INVITE has had a provisional response: only then a CANCEL may go out.
    pub(super) provisional: bool,
    pub(super) cancel: Option<Why>,
    pub(super) cancel_sent: bool,
    /// The From tag and Q.850 cause of a BYE that overtook its own 200.
    pub(super) early_bye: Option<(Box<[u8]>, Option<u8>)>,
    pub(super) sdp: Vec<u8>,
    pub(super) headers: Headers,
}

/// Why a call is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    Owner(Option<Reason>),
    RingTimeout,
}

impl Why {
    pub(super) fn failure(self) -> Failure {
        match self {
            Self::Owner(_) => Failure::Cancelled,
            Self::RingTimeout => Failure::NoAnswer,
        }
    }

    pub(super) fn reason(self) -> Option<Reason> {
        match self {
            Self::Owner(reason) => reason,
            // Q.850 cause 19: no answer from the user, although alerted.
            Self::RingTimeout => Some(Reason { q850: 19 }),
        }
    }
}

/// A call whose BYE is on its way.
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    pub(super) reason: Option<Reason>,
    pub(super) answers: Answers,
}

/// How the owner will learn of the end.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Ended(Party, Option<u8>),
    Failed(Failure),
    Cancelled,
    /// The owner refused the call itself and needs no event.
    Refused,
}

impl Outcome {
    pub(super) fn event(self, leg: LegId) -> Option<super::Event> {
        match self {
            Self::Ended(by, q850) => Some(super::Event::Ended { leg, by, q850 }),
            Self::Failed(failure) => Some(super::Event::Failed { leg, failure }),
            Self::Cancelled => Some(super::Event::Cancelled { leg }),
            Self::Refused => None,
        }
    }
}

/// A 200 of ours to an INVITE or re-INVITE.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unacked {
    pub(super) transaction: Key,
    pub(super) cseq: u32,
    /// Whether it answered the call, not only a later offer.
    pub(super) first: bool,
}

/// An offer within the call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reoffer {
    pub(super) transaction: Key,
    pub(super) cseq: u32,
    /// Whether it came by INVITE (its 200 needs an ACK) rather than UPDATE.
    pub(super) by_invite: bool,
}
