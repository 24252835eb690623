//! The INVITE client transaction (RFC 3261 §17.1.1, RFC 6026 §7.2): timers A, B, D, M.

use std::time::{Duration, Instant};

use super::timer::{PATIENCE, T1, lingering};
use super::{Expired, Heard};
use crate::transport::Transport;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Sent, nothing heard: A repeats, but not over a connection; B gives up.
    Calling { a_at: Option<Instant>, a: Duration, b_at: Instant },
    /// A 1xx was heard. Patience is unlimited until a CANCEL was sent (§9.1).
    Proceeding { give_up_at: Option<Instant>, late: bool },
    /// Given up, but kept for 64·T1 more: a phone that rings or answers after all must be told that
    /// nobody waits for it.
    GivenUp { until: Instant },
    /// Refused and acknowledged: D absorbs repeats of the response.
    Completed { d_at: Instant },
    /// Answered: M lets repeats and forks of the 200 through.
    Accepted { m_at: Instant },
}

/// The state of one INVITE we sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientInvite {
    state: State,
    transport: Transport,
}

impl ClientInvite {
    /// The INVITE has just been sent.
    pub fn new(now: Instant, transport: Transport) -> Self {
        let a_at = (!transport.is_reliable()).then(|| now + T1);
        Self { state: State::Calling { a_at, a: T1, b_at: now + PATIENCE }, transport }
    }

    /// An INVITE of a former life, whose fate is unknown and which is being cancelled now.
    pub fn resumed(now: Instant, transport: Transport) -> Self {
        let state = State::Proceeding { give_up_at: Some(now + PATIENCE), late: false };
        Self { state, transport }
    }

    /// A response of any code came.
    pub fn heard(&mut self, now: Instant, code: u16) -> Heard {
        match (self.state, code) {
            (State::Calling { .. }, ..200) => {
                self.state = State::Proceeding { give_up_at: None, late: false };
                Heard::Provisional
            }
            (State::GivenUp { .. }, ..200) => {
                self.state = State::Proceeding { give_up_at: Some(now + PATIENCE), late: true };
                Heard::Provisional
            }
            (State::Proceeding { .. }, ..200) => Heard::Provisional,
            (State::Accepted { .. }, 200..300) => Heard::MoreSuccess,
            (State::Completed { .. }, 300..) => Heard::FinalAgain,
            (State::Accepted { .. } | State::Completed { .. }, _) => Heard::Absorbed,
            (_, 200..300) => {
                self.state = State::Accepted { m_at: now + PATIENCE };
                Heard::Final
            }
            _ => {
                self.state = State::Completed { d_at: lingering(now, self.transport, PATIENCE) };
                Heard::Final
            }
        }
    }

    /// A CANCEL was sent, or nobody need be fetched for the answer: without a final response
    /// within 64·T1 the INVITE counts as dead (§9.1).
    pub fn limited(&mut self, now: Instant) {
        if let State::Proceeding { give_up_at, .. } = &mut self.state {
            give_up_at.get_or_insert(now + PATIENCE);
        }
    }

    /// As [`Self::limited`], by a time that may be sooner than what holds.
    pub fn give_up_by(&mut self, by: Instant) {
        if let State::Proceeding { give_up_at, .. } = &mut self.state {
            *give_up_at = Some(give_up_at.map_or(by, |at| at.min(by)));
        }
    }

    /// Whether nothing has been heard yet.
    pub fn is_calling(&self) -> bool {
        matches!(self.state, State::Calling { .. })
    }

    /// Whether it is only kept for what comes late or again, for a while.
    pub fn lingers(&self) -> bool {
        match self.state {
            State::Calling { .. } | State::Proceeding { .. } => false,
            State::Completed { .. } => !self.transport.is_reliable(),
            State::GivenUp { .. } | State::Accepted { .. } => true,
        }
    }

    /// Runs what is due. `TimedOut` comes once and means that nobody waits any more, `Over` ends
    /// the transaction.
    pub fn expire(&mut self, now: Instant) -> Expired {
        match &mut self.state {
            State::Proceeding { give_up_at: Some(at), late: true } if *at <= now => Expired::Over,
            State::Calling { b_at: at, .. } | State::Proceeding { give_up_at: Some(at), .. }
                if *at <= now =>
            {
                self.state = State::GivenUp { until: now + PATIENCE };
                Expired::TimedOut
            }
            State::Calling { a_at: Some(a_at), a, .. } if *a_at <= now => {
                *a *= 2;
                *a_at = now + *a;
                Expired::Resend
            }
            State::GivenUp { until: at }
            | State::Completed { d_at: at }
            | State::Accepted { m_at: at }
                if *at <= now =>
            {
                Expired::Over
            }
            _ => Expired::Nothing,
        }
    }

    /// When to call [`ClientInvite::expire`].
    pub fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Calling { a_at, b_at, .. } => Some(a_at.map_or(b_at, |at| at.min(b_at))),
            State::Proceeding { give_up_at, .. } => give_up_at,
            State::GivenUp { until: at }
            | State::Completed { d_at: at }
            | State::Accepted { m_at: at } => Some(at),
        }
    }
}
