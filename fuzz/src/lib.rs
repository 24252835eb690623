//! What hostile bytes must not do, as one function for each way in.
//!
//! A target takes any bytes and panics when something that must hold does not. libFuzzer drives
//! the targets (`cargo x fuzz`); `cargo test` replays their corpora without it. A target never
//! depends on the time, a socket or a random number: the same bytes do the same thing again.

mod encryption;
mod endpoint;
mod engine_input;
mod framing;
mod message;
mod order;
mod peer;
mod reports;
mod script;
mod sdp;
mod sound;
mod talker;
mod tape;

pub use encryption::srtp;
pub use endpoint::sip_endpoint;
pub use engine_input::{engine_input, what_happens};
pub use framing::sip_framing;
pub use message::{sip_message, sip_uri};
pub use order::jitter_buffer;
pub use reports::rtcp;
pub use sdp::sdp;
pub use sound::rtp;

/// A target's name and the target.
pub type Target = (&'static str, fn(&[u8]));

/// Every target. The name is that of its program and of its folder below `corpus`.
pub const TARGETS: &[Target] = &[
    ("sip_message", sip_message),
    ("sip_uri", sip_uri),
    ("sip_framing", sip_framing),
    ("sdp", sdp),
    ("rtp", rtp),
    ("rtcp", rtcp),
    ("srtp", srtp),
    ("jitter_buffer", jitter_buffer),
    ("sip_endpoint", sip_endpoint),
    ("engine_input", engine_input),
];
