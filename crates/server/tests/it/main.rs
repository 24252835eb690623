//! The binary against the world: real SIP peers, real clients, kill -9. One test binary.

mod baresip;
mod commands;
mod far_end;
mod kill;
mod platform;
mod python_client;
mod reach;
mod sandbox;
mod sipp;
