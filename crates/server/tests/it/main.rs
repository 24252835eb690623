//! The binary against the world: real SIP peers, real clients, kill -9. One test binary.
#![expect(clippy::unwrap_used, reason = "a test ends where its assumption fails")]
#![expect(clippy::print_stderr, reason = "what a failed test has to show goes to stderr")]

mod baresip;
mod far_end;
mod kill;
mod platform;
mod python_client;
mod sandbox;
mod sipp;
