//! What a caller sees of the sandbox carrier: a SIP endpoint as the caller, in virtual time.
#![expect(clippy::unwrap_used, reason = "a test ends where its assumption fails")]

mod by_hand;
mod faults;
mod media_line;
mod numbers;
mod rows;
mod world;
