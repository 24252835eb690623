//! The non-INVITE client transaction (RFC 3261 §17.1.2): timers E, F, K.

use std::time::{Duration, Instant};

use super::timer::{PATIENCE, T1, T2, T4, lingering};
use super::{Expired, Heard};
use crate::transport::Transport;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// E repeats the request at 0.5, 1, 2, 4, 4 … s, after a 1xx every 4 s, and never over a
    /// connection; F gives up.
    Waiting { e_at: Option<Instant>, e: Duration, f_at: Instant },
    /// Answered: K absorbs repeats.
    Completed { k_at: Instant },
}

/// The state of one request we sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    state: State,
    transport: Transport,
    heard: bool,
}

impl Client {
    /// The request has just been sent.
    pub fn new(now: Instant, transport: Transport) -> Self {
        let e_at = (!transport.is_reliable()).then(|| now + T1);
        let state = State::Waiting { e_at, e: T1, f_at: now + PATIENCE };
        Self { state, transport, heard: false }
    }

    /// A response of any code came.
    pub fn heard(&mut self, now: Instant, code: u16) -> Heard {
        self.heard = true;
        match &mut self.state {
            State::Waiting { e, .. } if code < 200 => {
                *e = T2;
                Heard::Provisional
            }
            State::Waiting { .. } => {
                self.state = State::Completed { k_at: lingering(now, self.transport, T4) };
                Heard::Final
            }
            State::Completed { .. } => Heard::Absorbed,
        }
    }

    /// Whether the final response has not come.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    /// Whether nothing has been heard yet.
    pub fn is_calling(&self) -> bool {
        !self.heard
    }

    /// Whether it is only kept to absorb repeats, for a while.
    pub fn lingers(&self) -> bool {
        matches!(self.state, State::Completed { .. }) && !self.transport.is_reliable()
    }

    /// Runs what is due. `TimedOut` and `Over` end the transaction.
    pub fn expire(&mut self, now: Instant) -> Expired {
        match &mut self.state {
            State::Waiting { f_at, .. } if *f_at <= now => Expired::TimedOut,
            State::Waiting { e_at: Some(e_at), e, .. } if *e_at <= now => {
                *e = (*e * 2).min(T2);
                *e_at = now + *e;
                Expired::Resend
            }
            State::Completed { k_at } if *k_at <= now => Expired::Over,
            _ => Expired::Nothing,
        }
    }

    /// When to call [`Client::expire`].
    pub fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { e_at, f_at, .. } => Some(e_at.map_or(f_at, |at| at.min(f_at))),
            State::Completed { k_at } => Some(k_at),
        }
    }
}
