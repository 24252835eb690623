//! The program: sockets, files, threads, configuration, command line, telemetry. It joins the
//! parts and decides nothing that another crate could decide.
//!
//! A library only so that `bench/` can measure its parts; the product is the binary.

pub mod address;
mod announcements;
pub mod backlog;
pub mod blob;
mod callbacks;
mod chain;
pub mod cli;
pub mod clock;
pub mod config;
#[cfg(test)]
mod config_docs;
mod desk;
mod detection;
pub mod echo_test;
mod exports;
pub mod flight_recorder;
mod gateways;
pub mod lock;
mod measuring;
pub mod memory;
mod month_close;
pub mod node_loop;
mod open_files;
mod outbound;
pub mod phones;
mod probe;
mod recordings;
mod refusals;
mod registrations;
mod registry;
mod resolver;
pub mod sandbox;
pub mod shard;
pub mod sms;
mod speaking_ahead;
pub mod streams;
pub mod telemetry;
mod tidying;
pub mod trunks;
pub mod tts;
pub mod udp;
mod webhooks;

/// What we call ourselves in User-Agent and Server.
pub const USER_AGENT: &str = concat!("Avanak/", env!("CARGO_PKG_VERSION"));
