//! The dialer's rules: what an attempt means, how fast calls may start, which trunk takes them.

pub mod callee;
pub mod disposition;
pub mod health;
pub mod pacing;
pub mod route;
pub mod share;
pub mod trunk;
