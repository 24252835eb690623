//! RTP (RFC 3550): packets as bytes, and what each direction of a call must remember.

mod packet;
mod session;

pub use packet::{HEADER_BYTES, Header, Malformed, Packet};
pub use session::{Receiver, ReceiverReport, Sender};
