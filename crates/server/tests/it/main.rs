//! The binary against the world: real SIP peers, real clients, kill -9. One test binary.
#![expect(clippy::unwrap_used, reason = "a test ends where its assumption fails")]
#![expect(clippy::print_stderr, reason = "a failed test tells what the peers said")]

mod agreement;
mod baresip;
mod bridge;
mod callbacks;
mod campaigns;
mod commands;
mod compensation;
mod connections;
mod database;
mod demo;
mod digest;
mod failover;
mod far_end;
mod full_disk;
mod garbage;
mod inbound;
mod kamailio;
mod kill;
mod locating;
mod name_server;
mod openapi;
mod operator;
mod outage;
mod platform;
mod probe;
mod python_client;
mod reach;
mod recordings;
mod registrations;
mod rsipstack;
mod samples;
mod sandbox;
mod sandbox_tokens;
mod secure_calls;
mod shards;
mod shutdown;
mod sipp;
mod soap_client;
mod speech;
mod stories;
mod strangers;
mod trunk_check;
mod trunks;
mod webhooks;
