//! What a call sees of the media crate: bytes of real peers, codec tables, counters.
#![expect(clippy::unwrap_used, reason = "a test ends where its assumption fails")]

mod clip_and_wav;
mod codec;
mod detect;
mod jitter_buffer;
mod rtcp;
mod rtp;
mod sdp;
mod srtp;
mod telephone_event;
