//! The binary against the world: real SIP peers, real clients, kill -9. One test binary.

mod baresip;
mod far_end;
mod kill;
mod operator;
mod platform;
mod python_client;
mod sandbox;
mod sipp;
