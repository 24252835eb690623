//! The INVITE server transaction (RFC 3261 §17.2.1, RFC 6026 §7.1): timers G, H, I, L, and the
//! repeats of the 200 (RFC 3261 §13.3.1.4), which have no letter.

use std::time::{Duration, Instant};

use super::Expired;
use super::timer::{PATIENCE, T1, T2, T4, lingering};
use crate::transport::Transport;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No final response yet. Unless its owner is quicker, 100 is sent at `trying_at`.
    Proceeding { trying_at: Option<Instant> },
    /// Refused: G repeats the response, but not over a connection; H gives up waiting for the
    /// ACK.
    Completed { g_at: Option<Instant>, g: Duration, h_at: Instant },
    /// Refused and acknowledged: I absorbs repeats of the ACK.
    Confirmed { i_at: Instant },
    /// Answered: the 200 is repeated until the dialog sees the ACK, L absorbs INVITEs.
    Accepted { repeat: Option<(Instant, Duration)>, l_at: Instant },
}

/// The state of one INVITE we received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInvite {
    state: State,
    transport: Transport,
}

/// How long the owner may take before 100 is sent for it (§17.2.1).
const TRYING: Duration = Duration::from_millis(200);

impl ServerInvite {
    /// The INVITE has just come.
    pub fn new(now: Instant, transport: Transport) -> Self {
        Self { state: State::Proceeding { trying_at: Some(now + TRYING) }, transport }
    }

    /// A response has just been sent.
    pub fn responded(&mut self, now: Instant, code: u16) {
        let State::Proceeding { trying_at } = &mut self.state else { return };
        if code < 200 {
            *trying_at = None;
            return;
        }
        let (at, end) = (now + T1, now + PATIENCE);
        let unreliable = !self.transport.is_reliable();
        self.state = if code < 300 {
            State::Accepted { repeat: Some((at, T1)), l_at: end }
        } else {
            State::Completed { g_at: unreliable.then_some(at), g: T1, h_at: end }
        };
    }

    /// Whether no final response was sent.
    pub fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    /// Whether a 2xx was sent: an ACK is then the dialog's affair.
    pub fn is_accepted(&self) -> bool {
        matches!(self.state, State::Accepted { .. })
    }

    /// The INVITE came again: whether the last response is sent again. After a 200 it is not,
    /// that has repeats of its own.
    pub fn repeats_to_invite(&self) -> bool {
        matches!(self.state, State::Proceeding { .. } | State::Completed { .. })
    }

    /// The ACK to a refusal came.
    pub fn acknowledged_refusal(&mut self, now: Instant) {
        if let State::Completed { .. } = self.state {
            self.state = State::Confirmed { i_at: lingering(now, self.transport, T4) };
        }
    }

    /// The ACK to the 200 came, or the dialog is over: the 200 is not repeated any more.
    pub fn acknowledged(&mut self) {
        if let State::Accepted { repeat, .. } = &mut self.state {
            *repeat = None;
        }
    }

    /// Whether it is only kept to absorb repeats, for a while.
    pub fn lingers(&self) -> bool {
        match self.state {
            State::Confirmed { .. } => !self.transport.is_reliable(),
            State::Accepted { repeat, .. } => repeat.is_none(),
            State::Proceeding { .. } | State::Completed { .. } => false,
        }
    }

    /// Runs what is due. `Unacknowledged` and `Over` end the transaction.
    pub fn expire(&mut self, now: Instant) -> Expired {
        match &mut self.state {
            State::Proceeding { trying_at } => match trying_at.take_if(|at| *at <= now) {
                Some(_) => Expired::Trying,
                None => Expired::Nothing,
            },
            State::Completed { h_at, .. } if *h_at <= now => Expired::Over,
            State::Accepted { repeat: Some(_), l_at } if *l_at <= now => Expired::Unacknowledged,
            State::Accepted { repeat: None, l_at } if *l_at <= now => Expired::Over,
            State::Confirmed { i_at } if *i_at <= now => Expired::Over,
            State::Completed { g_at: Some(at), g: interval, .. }
            | State::Accepted { repeat: Some((at, interval)), .. }
                if *at <= now =>
            {
                *interval = (*interval * 2).min(T2);
                *at = now + *interval;
                Expired::Resend
            }
            _ => Expired::Nothing,
        }
    }

    /// When to call [`ServerInvite::expire`].
    pub fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Proceeding { trying_at } => trying_at,
            State::Completed { g_at, h_at, .. } => Some(g_at.map_or(h_at, |at| at.min(h_at))),
            State::Confirmed { i_at } => Some(i_at),
            State::Accepted { repeat, l_at } => Some(repeat.map_or(l_at, |(at, _)| at.min(l_at))),
        }
    }
}
