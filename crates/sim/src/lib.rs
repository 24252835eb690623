//! A whole platform in one thread: the real node, engine, use cases and store, a real SIP carrier,
//! and between them a network and a world that misbehave by a seed. Time is virtual. Whatever
//! happens, a handful of invariants must hold; a seed that breaks one is printed and can be run
//! again.
//!
//! Nothing here decides for the platform: the simulation only delivers, delays, loses and kills.

mod campaigns;
mod customers;
mod dice;
mod far_ends;
mod finale;
mod invariants;
mod mortality;
mod netem;
mod ports;
mod process;
mod script;
pub mod soak;
mod totals;
mod wire;
mod world;

pub use invariants::Breach;
pub use script::{Plan, Sabotage};
pub use totals::Totals;
pub use world::{Failed, run};
