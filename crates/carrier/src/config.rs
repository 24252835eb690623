//! How a carrier is set up, and the bounds of what it keeps.

use std::net::{IpAddr, SocketAddr};

use sip::digest::Algorithm;

/// How a carrier is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address at which SIP reaches us; a real one, not `0.0.0.0`.
    pub sip: SocketAddr,
    /// The address that our descriptions name for RTP; `0.0.0.0` would mean hold.
    pub media_address: IpAddr,
    /// The ports that the shell has bound for RTP. A call takes one; its place in this list is
    /// its [`crate::PortSlot`]. No call is answered when all are taken.
    pub media_ports: Vec<u16>,
    /// Makes tags and nonces unguessable and decides which datagrams are lost. The same secret
    /// and the same inputs give the same outputs.
    pub secret: [u8; 32],
    /// Whether what each call heard is kept and handed over at its end.
    pub record: bool,
    /// What every caller must know, whatever the number; `None` lets everybody in.
    pub require_auth: Option<Auth>,
    /// When audio is sent back.
    pub send_audio: SendAudio,
    /// The bounds.
    pub limits: Limits,
}

impl Config {
    /// A carrier that lets everybody in and records what it hears.
    pub fn new(sip: SocketAddr, media_ports: Vec<u16>, secret: [u8; 32]) -> Self {
        Self {
            sip,
            media_address: sip.ip(),
            media_ports,
            secret,
            record: true,
            require_auth: None,
            send_audio: SendAudio::WhenNeeded,
            limits: Limits::default(),
        }
    }
}

/// Who may call.
#[derive(Clone, PartialEq, Eq)]
pub struct Auth {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: String,
    /// The only algorithm to offer; `None` offers all that we know, the strongest first.
    pub algorithm: Option<Algorithm>,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Default for Auth {
    /// The documented credentials of the sandbox.
    fn default() -> Self {
        let word = || crate::numbers::SANDBOX_CREDENTIAL.to_owned();
        Self { user: word(), password: word(), algorithm: None }
    }
}

/// When audio is sent back. A packet each 20 ms costs about as much as the call's own audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SendAudio {
    /// Only for numbers with early media or a key press.
    #[default]
    WhenNeeded,
    /// Silence on every answered call, as a telephone does.
    Always,
}

/// The bounds of a carrier. Full means refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls at once, whatever their state.
    pub calls: usize,
    /// How long one call may ring, milliseconds (RFC 3261 §16.6 gives timer C three minutes).
    pub ringing_ms: u64,
    /// How long one call may last after the answer, milliseconds.
    pub call_ms: u64,
    /// How long an answered call may bring no packet before it is taken for dead, milliseconds.
    pub silence_ms: u64,
    /// How much of one call is recorded, milliseconds.
    pub recorded_ms: u64,
    /// How much audio all running calls together keep, bytes.
    pub recorded_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 8_000,
            ringing_ms: 180_000,
            call_ms: 3_600_000,
            silence_ms: 60_000,
            recorded_ms: 600_000,
            recorded_bytes: 256 * 1024 * 1024,
        }
    }
}
