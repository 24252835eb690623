//! Files and words in, telephone-ready clips out.
//!
//! A customer's recording, in whatever form a phone, a browser or a studio makes it, becomes a
//! [`Clip`]: 8 kHz, mono, 16-bit, trimmed and levelled ([`telephone_clip`]). A Persian text becomes
//! a [`text::Speakable`], which a speech engine reads as a person would ([`text::normalise()`]).
//!
//! This crate does no I/O and asks no clock: bytes and text come in as arguments, samples and
//! strings go out, and a caller that must stop in time says so through `keep_going`.

mod assemble;
mod clip;
mod decode;
mod level;
mod resample;
pub mod text;
mod trim;
mod wav;

pub use assemble::join;
pub use clip::{Clip, Limits, Refusal, telephone_clip, telephone_clip_while};
pub use wav::WavError;

/// Samples per second of every [`Clip`]: the telephone's rate (G.711).
pub const SAMPLE_RATE: u32 = 8_000;
