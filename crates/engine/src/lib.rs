//! A call: joins sip and media, follows its script, ends with an Outcome. Sans-IO.
//!
//! An [`Engine`] is driven from outside: one [`Input`] and the time go in, [`Outputs`] come out of
//! the same call. One thread owns one engine, its sockets and its calls. The engine knows no
//! business: no prices, no accounts, no reason why a call is placed. It never opens a socket, asks
//! the time, draws a random number or waits.

mod call;
mod clip;
mod counters;
mod demux;
mod derive;
mod engine;
mod enrolment;
mod io;
mod keys;
mod ladder;
mod leg;
pub mod limits;
mod outcome;
mod place;
mod playout;
mod registrar;
mod script;

pub use engine::{Engine, Live};
pub use io::{
    AbandonedCall, Binding, CallKey, CallSpec, Caller, Clip, Command, Credentials, DialogSnapshot,
    EngineConfig, Event, Hop, Input, LastWord, Outputs, PhoneCredential, Recorded, RtcpTransmit,
    RtpTransmit, Srtp, Target, Transmit, Transport, TrunkCheck, TrunkRegistration, TrunkSource,
    record_of,
};
pub use keys::{KeySet, Keys};
pub use ladder::{Ladder, Recovered, Rung, Turn};
pub use limits::Limits;
pub use media::Codec;
pub use media::detect::answering_machine::{Timing, Verdict};
pub use media::detect::progress::{NetworkTone, Progress, TONES_425};
pub use media::rtp::PeerView;
pub use outcome::{Cause, Outcome, Refusal, RtpSummary, Timeline};
pub use script::{
    Bridge, Flaw, Gather, Label, MachineDetection, OnMachine, Play, Record, Script, SecondLeg, Step,
};
pub use sip::digest::Algorithm;
pub use sip::locate::{self, Located};
pub use sip::registration::Standing;
pub use sip::{Party, Signal, Timer, TracedMethod};
