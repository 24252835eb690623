//! What hostile bytes must not do, as one function for each way in.
//!
//! A target takes any bytes and panics when something that must hold does not. libFuzzer drives
//! the targets (`cargo x fuzz`); `cargo test` replays their corpora without it. A target never
//! depends on the time, a socket or a random number: the same bytes do the same thing again.

mod endpoint;
mod engine_input;
mod message;
mod peer;
mod sdp;
mod sound;
mod tape;

pub use endpoint::sip_endpoint;
pub use engine_input::engine_input;
pub use message::{sip_message, sip_uri};
pub use sdp::sdp;
pub use sound::rtp;

/// A target's name and the target.
pub type Target = (&'static str, fn(&[u8]));

/// Every target. The name is that of its program and of its folder below `corpus`.
pub const TARGETS: &[Target] = &[
    ("sip_message", sip_message),
    ("sip_uri", sip_uri),
    ("sdp", sdp),
    ("rtp", rtp),
    ("sip_endpoint", sip_endpoint),
    ("engine_input", engine_input),
];
