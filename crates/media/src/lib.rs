//! SDP, RTP, RTCP, codecs, telephone-event. Sans-IO.
//!
//! This crate reads and writes the bytes of a telephone call's media: what is said in an offer or
//! an answer, and what goes over the wire once both sides agree. It never opens a socket, asks the
//! time or draws a random number: instants, identifiers and seeds are arguments.

pub mod clip;
pub mod codec;
pub mod detect;
pub mod rtp;
pub mod sdp;
pub mod srtp;
pub mod telephone_event;
pub mod wav;

/// Samples per second of every codec spoken here (G.711, RFC 3551 §4.5.14).
pub const SAMPLE_RATE_HZ: u32 = 8_000;
/// Time covered by one packet, milliseconds.
pub const FRAME_MS: u32 = 20;
/// Samples, and with G.711 also bytes, in one packet.
pub const FRAME_SAMPLES: usize = 160;

pub use clip::EncodedClip;
pub use codec::Codec;
