//! The non-INVITE server transaction (RFC 3261 §17.2.2): timer J.

use std::time::Instant;

use super::Expired;
use super::timer::{PATIENCE, lingering};
use crate::transport::Transport;

/// The state of one request we received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    transport: Transport,
    answered: bool,
    /// Timer J once answered. Before that the client's own timer F, which starts no later than
    /// we do: a reply after it would reach nobody.
    end_at: Instant,
}

impl Server {
    /// The request has just come.
    pub fn new(now: Instant, transport: Transport) -> Self {
        Self { transport, answered: false, end_at: now + PATIENCE }
    }

    /// The final response has just been sent.
    pub fn responded(&mut self, now: Instant) {
        self.answered = true;
        self.end_at = lingering(now, self.transport, PATIENCE);
    }

    /// Whether no final response was sent.
    pub fn is_waiting(&self) -> bool {
        !self.answered
    }

    /// Whether it is only kept to absorb repeats, for a while.
    pub fn lingers(&self) -> bool {
        self.answered && !self.transport.is_reliable()
    }

    /// Runs what is due. `Over` ends the transaction.
    pub fn expire(&mut self, now: Instant) -> Expired {
        if self.end_at <= now { Expired::Over } else { Expired::Nothing }
    }

    /// When to call [`Server::expire`].
    pub fn next_timeout(&self) -> Option<Instant> {
        Some(self.end_at)
    }
}
