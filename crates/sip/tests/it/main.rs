//! The SIP core against its own copy over a bad network, against hand-written peers, and against
//! messages nobody should send.

mod abandon;
mod digest;
mod message;
mod pair;
mod peer;
mod scenarios;
mod torture;
mod transaction;
