//! What an owner asks of an endpoint.

use std::net::SocketAddr;
use std::time::Duration;

use crate::dialog::DialogSnapshot;
use crate::digest::Credentials;
use crate::message::{Headers, Method, NameAddr, Uri};

/// A call, from either side, for as long as it lives. Never reused within one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(pub u64);

/// A request of ours outside of dialogs. Never reused within one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A request of a peer that waits for our reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerRequest(pub(crate) u64);

/// Why a command was not begun. Nothing was sent and nothing is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// [`crate::Limits::legs`] are alive.
    Legs,
    /// [`crate::Limits::transactions`] are alive.
    Transactions,
    /// The given branch, or the given Call-ID and local tag, is in use by another call.
    Taken,
}

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Legs => "too many calls are alive",
            Self::Transactions => "too many transactions are alive",
            Self::Taken => "another call uses this branch or Call-ID and tag",
        })
    }
}

impl std::error::Error for Full {}

/// A call to place.
#[derive(Debug, Clone)]
pub struct Invite {
    /// Where the requests go, by the transport that `request_uri` names, UDP if it names none.
    pub destination: SocketAddr,
    /// Whom to call.
    pub request_uri: Uri,
    /// Who calls; a tag parameter is ignored, see `local_tag`.
    pub from: NameAddr,
    /// The To field, as a rule the Request-URI.
    pub to: NameAddr,
    /// The Call-ID, unique in the world and without white space. Chosen by the caller so that it
    /// can be written down before the call begins.
    pub call_id: String,
    /// The From tag; made by the endpoint when `None`.
    pub local_tag: Option<String>,
    /// The Via branch of the first INVITE, with its `z9hG4bK`; made by the endpoint when `None`.
    /// A repeat (with credentials, or with a longer session interval) uses `{branch}.2`, a later
    /// one `.3`, the last `.4`.
    pub branch: Option<String>,
    /// The user part of our Contact; may be empty.
    pub contact_user: String,
    /// What to answer a 401 or 407 with.
    pub credentials: Option<Credentials>,
    /// The offer.
    pub sdp: Vec<u8>,
    /// Fields to add, such as P-Asserted-Identity. Not checked against those the endpoint sets.
    pub headers: Headers,
    /// How long to wait for a final response before the call is cancelled with
    /// [`super::Failure::NoAnswer`]; at most an hour.
    pub ring_timeout: Duration,
    /// Send later requests of the dialog to `destination` instead of the peer's Contact or route:
    /// right for phones behind NAT, whose Contact names an address nobody can reach.
    pub symmetric: bool,
}

/// A request outside of dialogs: OPTIONS, REGISTER.
#[derive(Debug, Clone)]
pub struct OutOfDialog {
    /// The method; not INVITE, ACK, CANCEL or BYE.
    pub method: Method,
    /// Where the request goes, by the transport that `uri` names, UDP if it names none.
    pub destination: SocketAddr,
    /// The Request-URI.
    pub uri: Uri,
    /// The From address; the endpoint adds a tag.
    pub from: NameAddr,
    /// The To address.
    pub to: NameAddr,
    /// The Call-ID; made by the endpoint when `None`. REGISTER refreshes reuse theirs.
    pub call_id: Option<String>,
    /// The sequence number; a repeat with credentials uses the next one. REGISTER refreshes count
    /// on from the last.
    pub cseq: u32,
    /// Fields to add (Contact, Expires, Content-Type, …).
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// What to answer a 401 or 407 with.
    pub credentials: Option<Credentials>,
}

/// Our reply to an [`super::Event::Request`].
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// The status code, 200 to 699.
    pub code: u16,
    /// The reason phrase; the standard one when empty.
    pub reason: String,
    /// Fields to add.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the response is kept for 32 s, for repeats of a request outside of calls (timer
    /// J). A reply that changed nothing needs no memory: a repeat is answered like the first.
    /// Replies within calls are always kept.
    pub keep: bool,
}

/// Why we hang up, for the peer's records (RFC 3326).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// The Q.850 cause: 16 normal clearing, 102 recovery on timer expiry.
    pub q850: u8,
}

/// A call of a former life of this program that must be ended although nothing is known of it
/// but what was written down.
#[derive(Debug, Clone)]
pub struct Abandoned {
    /// Comes back in [`super::Event::AbandonDone`].
    pub token: u64,
    /// How far the call had come.
    pub stage: Stage,
    /// For a 401 or 407 to its BYE.
    pub credentials: Option<Credentials>,
}

/// How far an abandoned call had come.
#[derive(Debug, Clone)]
pub enum Stage {
    /// The INVITE may have been sent, no answer was seen: it is cancelled, and should a 200 come
    /// after all, acknowledged and hung up.
    Calling {
        /// As in [`Invite`].
        destination: SocketAddr,
        /// As in [`Invite`].
        symmetric: bool,
        /// As in [`Invite`].
        request_uri: Uri,
        /// As in [`Invite`].
        from: NameAddr,
        /// As in [`Invite`].
        to: NameAddr,
        /// As in [`Invite`].
        call_id: String,
        /// The From tag the INVITE had.
        local_tag: String,
        /// The Via branch the first INVITE had.
        branch: String,
        /// How many INVITEs may have been sent: more than one where it was asked for credentials
        /// or another session interval (the second has branch `{branch}.2` and CSeq 2). At most 4.
        tries: u8,
    },
    /// The call had been answered: it is hung up.
    Answered(DialogSnapshot),
}
