//! The gate: how many calls there may be. It counts the channels and the pace of each trunk and
//! the numbers in a live call, in memory. Whoever holds a [`Room`] may place one call; dropping it
//! gives the room back, so capacity cannot leak. It never decides whether a call is allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use app::dialing::{NodeStamp, PHONES, ReadyJob};
use app::ports::{Dispatch, Reservation};
use domain::dialer::pacing::Gcra;
use domain::dialer::route::trunk_for;
use domain::{AccountId, Destination, Timestamp};

use crate::config::{Caps, NodeConfig};
use crate::moment::Moment;

/// A reservation outside the node's own steps is only made this long after the last step: beyond
/// that, the wall clock says nothing about the pace.
const STEP_IS_RECENT_US: i64 = 2_000_000;
/// Accepted jobs kept for the next step; more are found in the table.
const INBOX_MAX: usize = 50_000;

/// The gate of one node. Cloning it shares it.
#[derive(Clone)]
pub struct Gate(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Wakes the node: something was accepted, or room came free.
    wake: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    /// Who we are, while we may start calls.
    stamp: Option<NodeStamp>,
    now: Option<Moment>,
    lines: Vec<Line>,
    busy: BTreeMap<Callee, Busy>,
    /// Numbers left alone for a while after a call, by the steady clock.
    resting: BTreeMap<Callee, Timestamp>,
    rest_us: i64,
    /// Trunks for which somebody waits: nobody may pass ahead of them.
    waited_for: BTreeSet<usize>,
    inbox: Vec<Arrival>,
    /// Something was accepted that the inbox had no room for.
    overflowed: bool,
}

/// What `accepted` brought.
pub(crate) struct Arrival {
    pub(crate) job: ReadyJob,
    pub(crate) reservation: Option<Reservation>,
}

/// A trunk's counters, or those of the registered phones, which stand last.
struct Line {
    name: String,
    prefixes: Vec<String>,
    caps: Caps,
    in_use: u32,
    /// When calls may be chosen.
    pace: Gcra,
    /// When their INVITEs may leave: the same rate, so that calls which were chosen one by one do
    /// not leave all at once after a slow commit.
    wire: Gcra,
}

/// Who is called: never in two calls at once. A short number means another phone in each account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Callee {
    Number(String),
    Phone(AccountId, String),
}

impl Callee {
    pub(crate) fn of(account: AccountId, destination: &Destination) -> Self {
        match destination {
            Destination::Number(number) => Self::Number(number.national().to_owned()),
            Destination::Extension(short) => Self::Phone(account, short.as_str().to_owned()),
        }
    }
}

struct Busy {
    line: Option<usize>,
    /// An INVITE may have been sent: the start is used up and the number rests afterwards.
    dialled: bool,
}

/// Room for one call. Dropping it gives back the channel and the number, and the start too unless
/// an INVITE was sent.
pub(crate) struct Room {
    gate: Gate,
    callee: Callee,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.gate.give_back(&self.callee);
    }
}

/// Why there is no room now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// The number is in a call, or rests after one.
    Callee,
    /// Every channel of the line is taken.
    Channels,
    /// The line's pace allows the next start at this moment of the steady clock.
    Pace(Timestamp),
    /// No line takes it.
    NoRoute,
}

impl Gate {
    /// A gate for the trunks of `config`. `wake` is called, without locks held, whenever the node
    /// should take a step.
    pub fn new(config: &NodeConfig, wake: Box<dyn Fn() + Send + Sync>) -> Self {
        let line = |name: &str, prefixes: &[String], caps: Caps| Line {
            name: name.to_owned(),
            prefixes: prefixes.to_vec(),
            caps,
            in_use: 0,
            pace: Gcra::new(caps.max_cps),
            wire: Gcra::new(caps.max_cps),
        };
        let mut lines: Vec<Line> = config
            .trunks
            .iter()
            .map(|trunk| line(&trunk.name, &trunk.prefixes, trunk.caps))
            .collect();
        lines.push(line(PHONES, &[], config.phones));
        let rest_us = config.number_rest_ms.saturating_mul(1000);
        let state = State { lines, rest_us, ..State::default() };
        Self(Arc::new(Shared { state: Mutex::new(state), wake }))
    }

    /// Channels in use, by the name of the trunk; registered phones count as [`PHONES`].
    pub fn channels_in_use(&self) -> Vec<(String, u32)> {
        self.state().lines.iter().map(|line| (line.name.clone(), line.in_use)).collect()
    }

    /// Says who we are while calls may be started, and nothing when they may not.
    pub(crate) fn lead(&self, stamp: Option<NodeStamp>) {
        self.state().stamp = stamp;
    }

    /// Tells the time and forgets the numbers that have rested.
    pub(crate) fn tick(&self, now: Moment) {
        let mut state = self.state();
        state.now = Some(now);
        state.resting.retain(|_, until| *until > now.steady);
    }

    /// The name of a line, as attempts are recorded with.
    pub(crate) fn line_name(&self, line: usize) -> Option<String> {
        self.state().lines.get(line).map(|line| line.name.clone())
    }

    /// The line that takes calls to `destination`.
    pub(crate) fn line_for(&self, destination: &Destination) -> Option<usize> {
        self.state().line_for(destination)
    }

    /// Says for which lines jobs wait.
    pub(crate) fn wait_for(&self, lines: BTreeSet<usize>) {
        self.state().waited_for = lines;
    }

    /// Takes room for a call on `line`.
    pub(crate) fn take(&self, callee: &Callee, line: usize, now: Moment) -> Result<Room, NoRoom> {
        self.state().take(callee, line, now.steady)?;
        Ok(Room { gate: self.clone(), callee: callee.clone() })
    }

    /// Takes room for a call that is there already, whatever the caps say. `None` when the number
    /// is known to be in a call.
    pub(crate) fn occupy(&self, callee: &Callee, line: &str) -> Option<Room> {
        let mut state = self.state();
        if state.busy.contains_key(callee) {
            return None;
        }
        let line = state.lines.iter().position(|known| known.name == line);
        if let Some(line) = line {
            state.lines[line].in_use += 1;
        }
        state.busy.insert(callee.clone(), Busy { line, dialled: true });
        drop(state);
        Some(Room { gate: self.clone(), callee: callee.clone() })
    }

    /// Takes the INVITE of a call with room on the wire now, or tells when it may leave.
    pub(crate) fn pass(&self, callee: &Callee, now: Moment) -> Result<(), Timestamp> {
        let mut state = self.state();
        let line = state.busy.get(callee).and_then(|busy| busy.line);
        let Some(line) = line.and_then(|line| state.lines.get_mut(line)) else { return Ok(()) };
        if line.wire.take(now.steady) { Ok(()) } else { Err(line.wire.next_start()) }
    }

    /// Whether a number is neither in a call nor resting.
    pub(crate) fn is_free(&self, callee: &Callee) -> bool {
        let state = self.state();
        !state.busy.contains_key(callee) && !state.resting.contains_key(callee)
    }

    /// Whether a number is in a call, or about to be.
    pub(crate) fn is_busy(&self, callee: &Callee) -> bool {
        self.state().busy.contains_key(callee)
    }

    /// When the next number has rested, by the steady clock.
    pub(crate) fn next_rested(&self) -> Option<Timestamp> {
        self.state().resting.values().min().copied()
    }

    /// An INVITE may leave for this number now: its start is used up.
    pub(crate) fn dialled(&self, callee: &Callee) {
        if let Some(busy) = self.state().busy.get_mut(callee) {
            busy.dialled = true;
        }
    }

    /// What was accepted since the last time, and whether there was more than could be kept.
    pub(crate) fn arrivals(&self) -> (Vec<Arrival>, bool) {
        let mut state = self.state();
        let overflowed = std::mem::take(&mut state.overflowed);
        (std::mem::take(&mut state.inbox), overflowed)
    }

    fn give_back(&self, callee: &Callee) {
        let mut state = self.state();
        let Some(busy) = state.busy.remove(callee) else { return };
        if let Some(line) = busy.line.and_then(|line| state.lines.get_mut(line)) {
            line.in_use = line.in_use.saturating_sub(1);
            if !busy.dialled {
                line.pace.give_back();
            }
        }
        if busy.dialled
            && let Some(now) = state.now
        {
            let until = now.steady.plus_us(state.rest_us);
            state.resting.insert(callee.clone(), until);
        }
        drop(state);
        (self.0.wake)();
    }

    /// A panic elsewhere cannot leave a half-made change, so a poisoned lock is still good.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn line_for(&self, destination: &Destination) -> Option<usize> {
        let phones = self.lines.len().checked_sub(1)?;
        let Destination::Number(number) = destination else { return Some(phones) };
        let trunks = self.lines[..phones].iter();
        trunk_for(trunks.map(|trunk| trunk.prefixes.iter().map(String::as_str)), number.national())
    }

    fn take(&mut self, callee: &Callee, line: usize, steady: Timestamp) -> Result<(), NoRoom> {
        let rests = self.resting.get(callee).is_some_and(|until| *until > steady);
        if rests || self.busy.contains_key(callee) {
            return Err(NoRoom::Callee);
        }
        let chosen = self.lines.get_mut(line).ok_or(NoRoom::NoRoute)?;
        if chosen.in_use >= chosen.caps.max_channels {
            return Err(NoRoom::Channels);
        }
        if !chosen.pace.take(steady) {
            return Err(NoRoom::Pace(chosen.pace.next_start()));
        }
        chosen.in_use += 1;
        self.busy.insert(callee.clone(), Busy { line: Some(line), dialled: false });
        Ok(())
    }

    /// The steady clock at `wall`, judged by the last step; `None` when that was too long ago or
    /// the wall clock jumped since.
    fn steady_at(&self, wall: Timestamp) -> Option<Timestamp> {
        let last = self.now?;
        let since = wall.us_since(last.wall);
        let plausible = (-STEP_IS_RECENT_US..=STEP_IS_RECENT_US).contains(&since);
        plausible.then(|| last.steady.plus_us(since.max(0)))
    }
}

impl Dispatch for Gate {
    fn routes(&self, destination: &Destination) -> bool {
        self.state().line_for(destination).is_some()
    }

    fn reserve(
        &self,
        account: AccountId,
        destination: &Destination,
        now: Timestamp,
    ) -> Option<Reservation> {
        let mut state = self.state();
        let stamp = state.stamp?;
        let line = state.line_for(destination)?;
        let steady = state.steady_at(now)?;
        if state.waited_for.contains(&line) {
            return None;
        }
        let callee = Callee::of(account, destination);
        state.take(&callee, line, steady).ok()?;
        let trunk = state.lines[line].name.clone();
        drop(state);
        Some(Reservation::new(trunk, stamp, Box::new(Room { gate: self.clone(), callee })))
    }

    fn accepted(&self, job: ReadyJob, reservation: Option<Reservation>) {
        let mut state = self.state();
        // A leased job must reach the node: it is in no table of waiting jobs any more. There are
        // never more of them than channels.
        if reservation.is_some() || state.inbox.len() < INBOX_MAX {
            state.inbox.push(Arrival { job, reservation });
        } else {
            state.overflowed = true;
        }
        drop(state);
        (self.0.wake)();
    }
}
