//! What an endpoint tells its owner.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{LegId, RequestId, ServerRequest, Trace};
use crate::dialog::DialogSnapshot;
use crate::message::{Request, Response};
use crate::transport::Transport;

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub destination: SocketAddr,
    /// What carries it. Without a connection to `destination` one is to be opened.
    pub transport: Transport,
    /// The whole message. Shared with the copy that is kept for retransmission.
    pub bytes: std::sync::Arc<[u8]>,
}

/// What one call into an endpoint produced. The caller drains it; the endpoint only appends.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Datagrams to send, in order.
    pub transmits: Vec<Transmit>,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// The messages of calls, in order, once [`super::Endpoint::trace_calls`] asked for them.
    pub traces: Vec<Trace>,
}

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// This endpoint or its owner.
    Us,
    /// The far end.
    Peer,
}

/// Something happened on a leg or a request.
///
/// A leg made by [`super::Endpoint::invite`] ends in exactly one of [`Event::Failed`] (never
/// answered) and [`Event::Ended`] (answered before). A leg that came by [`Event::Incoming`] ends
/// in exactly one of [`Event::Cancelled`], [`Event::Ended`], or silently in the owner's own
/// [`super::Endpoint::reject`]. After its end a [`LegId`] is dead and commands on it do nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A new call came in. Ring, answer, reject it or turn it away; 100 Trying is sent when that
    /// takes more than 200 ms. Then the endpoint has no timer of its own: a call nobody decides
    /// about waits for the peer's CANCEL.
    Incoming {
        /// The new leg.
        leg: LegId,
        /// The INVITE.
        request: Request,
        /// Where the datagram came from.
        source: SocketAddr,
    },
    /// A request that is the owner's affair: answer it with [`super::Endpoint::reply`].
    Request {
        /// What to answer.
        id: ServerRequest,
        /// The leg it belongs to (INFO and the like within a call); `None` outside of dialogs.
        leg: Option<LegId>,
        /// The request.
        request: Request,
        /// Where it came from.
        source: SocketAddr,
        /// What carried it.
        transport: Transport,
    },
    /// A provisional response of 101 to 199 to our INVITE: ringing or early media, never an
    /// answer.
    Provisional {
        /// The leg.
        leg: LegId,
        /// The status code.
        code: u16,
        /// The session description, when one came (early media).
        sdp: Option<Vec<u8>>,
    },
    /// Our INVITE was answered; the ACK is already in the transmits.
    Answered {
        /// The leg.
        leg: LegId,
        /// The answer; `None` when the 200 carried no session description.
        sdp: Option<Vec<u8>>,
        /// What [`super::Endpoint::abandon`] needs should this process die.
        dialog: Arc<DialogSnapshot>,
    },
    /// The peer offers anew (re-INVITE, UPDATE, or PRACK before the answer): answer with
    /// [`super::Endpoint::answer_reoffer`] or refuse with [`super::Endpoint::refuse_reoffer`].
    Reoffer {
        /// The leg.
        leg: LegId,
        /// The offer; `None` when the peer asks us to offer in the 200.
        sdp: Option<Vec<u8>>,
    },
    /// Our offer within the call was answered, or a refresh of ours brought a description with
    /// it. The ACK is already in the transmits.
    OfferAnswered {
        /// The leg.
        leg: LegId,
        /// The answer; `None` when the 200 carried no session description.
        sdp: Option<Vec<u8>>,
    },
    /// Our offer within the call was refused: the call goes on as it was (§14.1).
    OfferRefused {
        /// The leg.
        leg: LegId,
        /// The status code; 491 also when every try crossed an offer of the peer's.
        code: u16,
    },
    /// Our INVITE failed; the leg is gone.
    Failed {
        /// The leg.
        leg: LegId,
        /// Why.
        failure: Failure,
    },
    /// An answered call is over; the leg is gone.
    Ended {
        /// The leg.
        leg: LegId,
        /// Who hung up.
        by: Party,
        /// The Q.850 cause of the BYE's Reason field (RFC 3326), from whichever side sent it.
        q850: Option<u8>,
    },
    /// The peer acknowledged our 200: the call is established. Also after a re-INVITE without
    /// offer, whose ACK brings the answer to ours.
    Acked {
        /// The leg.
        leg: LegId,
        /// The session description in the ACK, when our 200 held the offer.
        sdp: Option<Vec<u8>>,
    },
    /// The peer cancelled its INVITE before we answered (487 has been sent), or never acknowledged
    /// a reliable provisional response (504 has been sent); the leg is gone.
    Cancelled {
        /// The leg.
        leg: LegId,
    },
    /// The end of a request made by [`super::Endpoint::request`].
    Response {
        /// The request.
        id: RequestId,
        /// The final response of any code, or why there is none. A challenge has been answered
        /// once already when credentials were given.
        result: Result<Response, Failure>,
    },
    /// What [`super::Endpoint::abandon`] began is finished: answered or timed out.
    AbandonDone {
        /// The caller's token.
        token: u64,
        /// What the peer said of the call.
        word: LastWord,
    },
}

/// What a peer said of a call of a former life; the later, the more it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LastWord {
    /// Nothing: it was silent or refused, and the call may be up.
    Silent,
    /// That it knows of no such call. It may be up under other names.
    Unknown,
    /// That it has hung up.
    HungUp,
    /// That it has ended unanswered: the INVITE had a final response of 300 or more.
    Unanswered,
}

/// Why there is no call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// A final response of 300 or above.
    Rejected {
        /// The status code.
        code: u16,
        /// The reason phrase, lossily as text.
        phrase: String,
        /// The Q.850 cause of the Reason field (RFC 3326).
        q850: Option<u8>,
        /// Retry-After in seconds.
        retry_after_seconds: Option<u32>,
    },
    /// Nobody answered at all within 64·T1 = 32 s (timers B and F).
    Timeout,
    /// The ring timeout passed and the INVITE was cancelled.
    NoAnswer,
    /// The request could not be sent ([`super::Endpoint::undeliverable`]), or its connection
    /// broke ([`super::Endpoint::disconnected`]).
    Transport,
    /// The owner hung up before the answer.
    Cancelled,
}
