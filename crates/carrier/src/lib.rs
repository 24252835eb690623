//! The sandbox carrier: a SIP and RTP peer with magic numbers. Sans-IO.
//!
//! It stands where a real trunk would: a developer's server calls it when no trunk is configured,
//! and the simulator runs it in virtual time. Who is called decides what happens (see
//! [`numbers`]). It speaks real SIP through [`sip::Endpoint`] and real RTP through [`media`],
//! never opens a socket, asks the time or draws a random number of its own: the shell binds the
//! sockets, passes datagrams and instants in, and sends what comes out.

mod call;
mod carrier;
mod chance;
mod config;
mod ear;
mod gate;
mod io;
pub mod numbers;
mod ports;
pub mod sounds;
mod voice;
mod wire;

pub use carrier::Carrier;
pub use config::{Auth, Config, Limits, SendAudio};
pub use io::{
    CallId, CallReport, Counters, Ending, Event, Heard, Input, Live, Outputs, PortSlot, RtpOut,
};
