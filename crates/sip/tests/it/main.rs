//! The SIP core against its own copy over a bad network, against hand-written peers, and against
//! messages nobody should send.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod abandon;
mod admission;
mod bench;
mod change;
mod digest;
mod late;
mod locate;
mod message;
mod pair;
mod peer;
mod races;
mod registration;
mod reliable;
mod scenarios;
mod session_timer;
mod stream;
mod torture;
mod torture_sets;
mod traces;
mod transaction;
