//! The base intervals of RFC 3261 §17.1.1.1 and the queue of all timers of an endpoint.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::transport::Transport;

/// The estimate of a round trip.
pub const T1: Duration = Duration::from_millis(500);
/// The longest interval between repeats of a non-INVITE request or an INVITE response.
pub const T2: Duration = Duration::from_secs(4);
/// How long a datagram may stay in the network.
pub const T4: Duration = Duration::from_secs(5);
/// 64·T1, the patience of timers B, F, H, J, L and M.
pub const PATIENCE: Duration = Duration::from_secs(32);

/// How much later than that it may go: nobody waits for it.
pub const LINGER_SLACK: Duration = Duration::from_millis(500);

/// Until when a transaction stays to absorb repeats (timers D, I, J, K): over a connection there
/// are none.
pub(super) fn lingering(now: Instant, transport: Transport, time: Duration) -> Instant {
    if transport.is_reliable() { now } else { now + time }
}

/// A set timer, needed to cancel it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Handle(Instant, u64);

impl Handle {
    /// When the timer is due.
    pub fn at(&self) -> Instant {
        self.0
    }
}

/// Timers in order of time, first set first among equals; setting and cancelling are O(log n).
#[derive(Debug)]
pub struct Timers<T> {
    queue: BTreeMap<Handle, T>,
    next: u64,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self { queue: BTreeMap::new(), next: 0 }
    }
}

impl<T> Timers<T> {
    /// Sets a timer.
    pub fn set(&mut self, at: Instant, what: T) -> Handle {
        let handle = Handle(at, self.next);
        self.next += 1;
        self.queue.insert(handle, what);
        handle
    }

    /// Sets a timer that may fire up to `slack` late: together with another one then, where there
    /// is one, since each time to wake up costs more than what is done then.
    pub fn set_about(&mut self, at: Instant, slack: Duration, what: T) -> Handle {
        let shared = self.queue.range(Handle(at, 0)..=Handle(at + slack, u64::MAX)).next();
        let at = shared.map_or(at, |(handle, _)| handle.0);
        self.set(at, what)
    }

    /// Unsets a timer; does nothing when it has fired.
    pub fn cancel(&mut self, handle: Handle) {
        self.queue.remove(&handle);
    }

    /// Takes the earliest timer that is due.
    pub fn pop(&mut self, now: Instant) -> Option<T> {
        let entry = self.queue.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// When the earliest timer is due.
    pub fn next(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|(handle, _)| handle.0)
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether no timer is set.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
