//! The calls of an endpoint: what is kept of one, from either side.

use std::time::Instant;

use super::reliable::{Early, Reliable};
use super::{Failure, LastWord, LegId, Party, Reason};
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
    /// Our re-INVITE or UPDATE that is under way or put off.
    pub(super) change: Option<Box<Change>>,
    /// When the session must be refreshed, and by whom.
    pub(super) timer: Option<SessionTimer>,
    /// What the next 200 to an INVITE or UPDATE says of the session timer.
    pub(super) granted: Option<Granted>,
    /// Set when our provisional responses to an incoming call are reliable.
    pub(super) reliable: Option<Box<Reliable>>,
    /// What we last described, which a refresh by re-INVITE repeats.
    pub(super) described: Box<[u8]>,
    /// We placed the call, so the Call-ID is ours.
    pub(super) placed: bool,
    /// The peer takes UPDATE.
    pub(super) takes_update: bool,
    /// The INVITE held an offer.
    pub(super) offered: bool,
    /// The owner hung up, but our 200 must be acknowledged before we may say so (§15).
    pub(super) hang_up_after_ack: Option<Why>,
    /// The abandoned call this leg ends; it has no other owner.
    pub(super) abandoned: Option<Former>,
}

/// Of which abandoned call a leg is, and what the peer said of it.
#[derive(Clone, Copy)]
pub(super) struct Former {
    /// The token of the call.
    pub(super) token: u64,
    /// What the peer said of this leg.
    pub(super) word: LastWord,
    /// What it said shows that this was the INVITE in force, so that no other one is: the next one
    /// goes out only once the one before is answered.
    pub(super) in_force: bool,
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
            change: None,
            timer: None,
            granted: None,
            reliable: None,
            described: Box::default(),
            placed: false,
            takes_update: false,
            offered: true,
            hang_up_after_ack: None,
            abandoned: None,
        }
    }

    /// Whether it is one of this abandoned call.
    pub(super) fn is_of_former(&self, token: u64) -> bool {
        self.abandoned.is_some_and(|former| former.token == token)
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
    /// How often the INVITE was sent anew, with credentials or another session interval.
    pub(super) tries: u8,
    /// The Min-SE of a 422 (RFC 4028 §7.3), in seconds; 0 before one.
    pub(super) min_se_s: u32,
    /// The early dialogs with reliable provisional responses.
    pub(super) earlies: Vec<Early>,
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
    /// Whether it holds an offer, which the ACK answers.
    pub(super) offers: bool,
}

/// An offer within the call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reoffer {
    pub(super) transaction: Key,
    pub(super) cseq: u32,
    pub(super) carrier: Carrier,
    /// Whether it holds an offer, or leaves that to our 200.
    pub(super) offered: bool,
}

/// What an offer within a call came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// A re-INVITE, whose 200 needs an ACK.
    Invite,
    Update,
    /// The PRACK of a reliable provisional response, or an UPDATE after it: the call is not
    /// answered yet (RFC 3262 §5, RFC 3311 §5.2).
    Early,
}

/// A re-INVITE or UPDATE of ours.
pub(super) struct Change {
    /// The owner's offer; `None` when only the session is refreshed.
    pub(super) offer: Option<Box<[u8]>>,
    /// An offer that came while a refresh was under way and is to follow it.
    pub(super) next: Option<Box<[u8]>>,
    pub(super) by_update: bool,
    pub(super) answers: Answers,
    pub(super) tries: u8,
    /// Set while it waits for a better moment.
    pub(super) put_off: Option<Handle>,
}

/// The session timer of an answered call (RFC 4028).
#[derive(Debug, Clone, Copy)]
pub(super) struct SessionTimer {
    pub(super) interval_s: u32,
    /// Whether we refresh.
    pub(super) ours: bool,
    /// When the call is hung up unless it was refreshed (§10).
    pub(super) ends_at: Instant,
    pub(super) armed: Handle,
}

/// What a 200 of ours says of the session timer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Granted {
    pub(super) interval_s: u32,
    /// Whether the peer, who sent the request, refreshes.
    pub(super) by_peer: bool,
    /// Whether the peer knows the extension.
    pub(super) supported: bool,
}
