//! SIP as bytes and state: message, transaction, dialog, digest. Sans-IO. Knows no business.
//!
//! [`Endpoint`] is the front door: datagrams and commands go in together with the time, datagrams
//! and [`Event`]s come out. It owns transactions (RFC 3261 §17, RFC 6026), dialogs (§12), digest
//! authentication (RFC 7616, RFC 8760) and their timers, and nothing else: no sockets, no clock,
//! no randomness, no idea what a call is for.

pub mod digest;
pub mod endpoint;
pub mod framing;
pub mod limits;
pub mod locate;
pub mod message;

mod admission;
mod dialog;
pub mod registration;
mod token;
pub mod transaction;
mod transport;

pub use dialog::DialogSnapshot;
pub use digest::Credentials;
pub use endpoint::{
    Abandoned, Config, Counters, Endpoint, Event, Extensions, Failure, Full, Invite, LastWord,
    LegId, Live, OutOfDialog, Outputs, Party, Reason, Reply, RequestId, ServerRequest, Sign,
    Signal, Stage, Timer, Trace, TracedMethod, Transmit,
};
pub use limits::{Limits, MAX_INVITES, Rates};
pub use message::{
    Headers, Malformed, Message, Method, Name, NameAddr, Request, Response, Scheme, Uri,
};
pub use transport::{Hop, Transport};
