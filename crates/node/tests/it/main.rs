//! A node with a real database and hand-fed engine events: what is dialled, when, and what becomes
//! of it.
#![expect(clippy::unwrap_used, reason = "a test ends where its assumption fails")]

mod campaigns;
mod capacity;
mod company;
mod dialling;
mod failover;
mod fixture;
mod opt_out;
mod orphans;
mod recovering;
mod secure_calls;
mod settling;
mod stories;
mod support_line;
mod trunks;
