//! Benchmarks against yardsticks of the same run: what both sides share, and how they are measured.
//!
//! Each binary answers one question of docs/BENCHMARKS.md with a ratio, because the two sides of
//! a ratio suffer alike from whatever else runs on the machine. Nothing here is part of the
//! product, and nothing here may make the product look better than it is: a yardstick gets the
//! best form that we know of.

pub mod arrivals;
pub mod bare;
pub mod caller;
pub mod cores;
pub mod cpu;
pub mod customer;
pub mod database;
pub mod disk;
pub mod far_end;
pub mod line;
pub mod lossy_end;
pub mod pacing;
pub mod platform;
pub mod say;
pub mod sipp;
pub mod stats;
pub mod talkers;
pub mod wal;
