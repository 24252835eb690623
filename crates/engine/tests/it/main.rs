//! What a caller of the engine sees: calls against the sandbox carrier and hand-made peers, over
//! a network in memory and in virtual time.
#![expect(clippy::unwrap_used, reason = "a test ends where its assumption fails")]

mod abandon;
mod allocations;
mod bridges;
mod connections;
mod encrypted;
mod enrolments;
mod fails;
mod hostile;
mod incoming;
mod ladder;
mod latching;
mod listens;
mod media_changes;
mod peer;
mod phones;
mod plays;
mod property;
mod reports;
mod scripts;
mod world;
