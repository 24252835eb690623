//! The program: sockets, files, threads, configuration, command line, telemetry. It joins the
//! parts and decides nothing that another crate could decide.
//!
//! A library only so that `bench/` can measure its parts; the product is the binary.

pub mod address;
mod announcements;
pub mod backlog;
pub mod blob;
mod callbacks;
mod capacity_test;
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
mod ledger_audit;
pub mod lock;
mod measuring;
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
mod rounds;
pub mod sandbox;
pub mod shard;
pub mod sms;
mod speaking_ahead;
pub mod streams;
pub mod support_line;
pub mod telemetry;
mod tidying;
pub mod trunks;
pub mod tts;
pub mod udp;
mod webhooks;

/// A call is a hundred small allocations, made and freed in the thread of its shard, and the
/// system's allocator takes a seventh of its instructions (docs/decisions/0075).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What we call ourselves in User-Agent and Server.
pub const USER_AGENT: &str = concat!("Avanak/", env!("CARGO_PKG_VERSION"));
