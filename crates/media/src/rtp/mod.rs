//! RTP (RFC 3550): packets as bytes, and what each direction of a call must remember.

mod jitter_buffer;
mod packet;
mod reporter;
pub mod rtcp;
mod session;

pub use jitter_buffer::{
    JitterBuffer, JitterCounts, MAX_DELAY, MAX_HELD, MAX_HELD_BYTES, MIN_DELAY, Piece,
};
pub use packet::{HEADER_BYTES, Header, Malformed, Packet};
pub use reporter::{PeerView, Reporter};
pub use session::{Receiver, ReceiverReport, Sender};
