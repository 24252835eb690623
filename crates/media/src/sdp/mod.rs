//! SDP (RFC 8866) as telephone trunks speak it, and offer/answer over it (RFC 3264).
//!
//! Reading is tolerant, because real trunks leave out `s=`, send twenty-digit session ids and add
//! private lines; what is written is strict. Every list is bounded.

mod crypto;
mod negotiate;
mod parse;
mod print;

use std::net::{IpAddr, SocketAddr};

pub use crypto::CryptoLine;
pub use negotiate::{Negotiated, Protection, Refusal, answer_offer, read_answer};
pub use parse::{MAX_BODY_BYTES, MAX_FORMATS, MAX_LINES, MAX_MEDIA, Malformed};

use crate::Codec;
use crate::srtp::{MasterKey, Suite};

/// The payload type under which we offer telephone-event.
pub const TELEPHONE_EVENT_PAYLOAD_TYPE: u8 = 101;

/// Who may send, seen from the side whose description it stands in (RFC 3264 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Both.
    #[default]
    SendRecv,
    /// Only the side that says so.
    SendOnly,
    /// Only the other side.
    RecvOnly,
    /// Nobody.
    Inactive,
}

impl Direction {
    /// The direction of these two abilities.
    pub fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether the side that says so sends.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the side that says so receives.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same, seen from the other side.
    #[must_use]
    pub fn mirrored(self) -> Self {
        Self::of(self.receives(), self.sends())
    }

    /// What both allow, each seen from the same side.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::of(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// The attribute's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

/// Where media is wanted, as a `c=` line says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// A literal address.
    Address(IpAddr),
    /// A host name, which we do not resolve.
    Name(String),
}

/// A description read from the wire.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    /// The session id of `o=`, digits of any length.
    pub session_id: String,
    /// The version of `o=`: a peer that repeats it has changed nothing.
    pub session_version: String,
    /// The session-level `c=` line.
    pub connection: Option<Connection>,
    /// The session-level direction.
    pub direction: Option<Direction>,
    /// The `m=` lines in their order.
    pub media: Vec<Media>,
}

/// One `m=` line with the lines below it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Media {
    /// `audio`, `video`, `image`, …
    pub kind: String,
    /// The port, 0 when refused.
    pub port: u16,
    /// `RTP/AVP`, `udptl`, …
    pub protocol: String,
    /// The format list, with one space between two.
    pub formats: String,
    /// Its own `c=` line.
    pub connection: Option<Connection>,
    /// Its own direction.
    pub direction: Option<Direction>,
    /// `a=rtpmap` lines.
    pub maps: Vec<Map>,
    /// `a=ptime`, milliseconds. We send 20 ms all the same, which every peer takes.
    pub ptime_ms: Option<u16>,
    /// `a=rtcp-mux`: RTCP may come to the port of RTP (RFC 5761).
    pub rtcp_mux: bool,
    /// `a=rtcp`: where RTCP is wanted otherwise (RFC 3605).
    pub rtcp: Option<(u16, Option<IpAddr>)>,
    /// `a=crypto` lines that we understand.
    pub crypto: Vec<CryptoLine>,
}

/// One `a=rtpmap` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// The payload type that it explains.
    pub payload_type: u8,
    /// The encoding name as written; names compare without case.
    pub encoding: String,
    /// Clock rate, Hz.
    pub clock_rate_hz: u32,
}

/// What we say of ourselves in an offer, and what an answer of ours is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// Our session id, the same through a call.
    pub session_id: u64,
    /// Grows by one with each changed description of a call (RFC 3264 §8).
    pub session_version: u64,
    /// Where we want to receive RTP.
    pub address: SocketAddr,
    /// Codecs in the order of preference.
    pub codecs: Vec<Codec>,
    /// The payload type of telephone-event, `None` not to offer it.
    pub telephone_event: Option<u8>,
    /// What we are willing to do.
    pub direction: Direction,
    /// Whether RTCP may come to our RTP port, on which peers are told so (RFC 5761, RFC 3605).
    pub rtcp_mux: bool,
    /// Our keys, to encrypt with; `None` to speak plain RTP only.
    pub srtp: Option<Box<LocalSrtp>>,
}

/// Our side of SDES (RFC 4568).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSrtp {
    /// Whether plain RTP is refused. Otherwise keys are offered beside plain RTP, and a peer
    /// without them is spoken to in the clear.
    pub required: bool,
    /// What a call has agreed on already: no other suite will do from then on, and nothing in the
    /// clear. Our key stream would begin anew otherwise, and it must never do that twice.
    pub agreed: Option<Suite>,
    /// A key for each of [`Suite::ALL`].
    pub keys: [MasterKey; Suite::ALL.len()],
}

impl LocalSrtp {
    /// What we encrypt with under a suite.
    pub(super) fn key(&self, suite: Suite) -> MasterKey {
        let at = Suite::ALL.iter().position(|known| *known == suite);
        self.keys[at.expect("every suite is in the list")]
    }
}

impl Local {
    /// A two-way description with telephone-event as payload type 101.
    pub fn new(session_id: u64, address: SocketAddr, codecs: &[Codec]) -> Self {
        Self {
            session_id,
            session_version: session_id,
            address,
            codecs: codecs.to_vec(),
            telephone_event: Some(TELEPHONE_EVENT_PAYLOAD_TYPE),
            direction: Direction::SendRecv,
            rtcp_mux: false,
            srtp: None,
        }
    }
}
