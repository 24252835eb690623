//! The base intervals of RFC 3261 §17.1.1.1 and the queue of all timers of an endpoint.

use std::collections::{BTreeMap, VecDeque};
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

/// Timers in order of time, first set first among equals. Setting and cancelling are O(log n) for
/// those that must be on time, and O(1) for setting one that may be late.
#[derive(Debug)]
pub struct Timers<T> {
    queue: BTreeMap<Handle, T>,
    /// Those that may be late. There are two lines, since transactions are kept for two spans of
    /// time (T4 and 64·T1), and each is the last of one. A cancelled one is empty, except that the
    /// first of a line never is.
    late: [VecDeque<(Handle, Option<T>)>; 2],
    /// How many of them are set.
    late_set: usize,
    next: u64,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self { queue: BTreeMap::new(), late: Default::default(), late_set: 0, next: 0 }
    }
}

impl<T> Timers<T> {
    /// Sets a timer.
    pub fn set(&mut self, at: Instant, what: T) -> Handle {
        let handle = self.handle(at);
        self.queue.insert(handle, what);
        handle
    }

    /// Sets a timer that may fire up to `slack` late: together with others, since each time to wake
    /// up costs more than what is done then.
    pub fn set_about(&mut self, at: Instant, slack: Duration, what: T) -> Handle {
        if slack.is_zero() {
            return self.set(at, what);
        }
        let lasts = self.late.iter().filter_map(VecDeque::back).map(|(last, _)| last.0);
        let joined = lasts.into_iter().find(|last| (at..=at + slack).contains(last));
        // As late as it may be, so that those that follow can join it.
        let at = joined.unwrap_or(at + slack);
        let handle = self.handle(at);
        let is_last = |line: &&mut VecDeque<(Handle, Option<T>)>| {
            line.back().is_none_or(|(last, _)| last.0 <= at)
        };
        match self.late.iter_mut().find(is_last) {
            Some(line) => {
                line.push_back((handle, Some(what)));
                self.late_set += 1;
            }
            None => {
                self.queue.insert(handle, what);
            }
        }
        handle
    }

    fn handle(&mut self, at: Instant) -> Handle {
        self.next += 1;
        Handle(at, self.next)
    }

    /// Unsets a timer; does nothing when it has fired.
    pub fn cancel(&mut self, handle: Handle) {
        if self.queue.remove(&handle).is_some() {
            return;
        }
        for line in &mut self.late {
            if let Ok(place) = line.binary_search_by_key(&handle, |(set, _)| *set)
                && line[place].1.take().is_some()
            {
                self.late_set -= 1;
                drop_cancelled(line);
            }
        }
    }

    /// Takes the earliest timer that is due.
    pub fn pop(&mut self, now: Instant) -> Option<T> {
        let first = self.first().filter(|first| first.0 <= now)?;
        if let Some(what) = self.queue.remove(&first) {
            return Some(what);
        }
        let is_first = |line: &&mut VecDeque<(Handle, Option<T>)>| {
            line.front().is_some_and(|(set, _)| *set == first)
        };
        let line = self.late.iter_mut().find(is_first)?;
        let (_, what) = line.pop_front()?;
        self.late_set -= 1;
        drop_cancelled(line);
        what
    }

    fn first(&self) -> Option<Handle> {
        let on_time = self.queue.first_key_value().map(|(handle, _)| *handle);
        let late = self.late.iter().filter_map(|line| line.front().map(|(handle, _)| *handle));
        on_time.into_iter().chain(late).min()
    }

    /// When the earliest timer is due.
    pub fn next(&self) -> Option<Instant> {
        self.first().map(|first| first.0)
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        self.queue.len() + self.late_set
    }

    /// Whether no timer is set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Takes the cancelled timers off the front of a line.
fn drop_cancelled<T>(line: &mut VecDeque<(Handle, Option<T>)>) {
    while line.front().is_some_and(|(_, what)| what.is_none()) {
        line.pop_front();
    }
}
