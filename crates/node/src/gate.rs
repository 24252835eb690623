//! The gate: how many calls there may be. It counts the channels and the pace of each trunk and
//! the numbers in a live call, in memory. Whoever holds a [`Room`] may place one call; dropping it
//! gives the room back, so capacity cannot leak. It never decides whether a call is allowed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use app::dialing::{Company, NodeStamp, PHONES, ReadyJob};
use app::ports::{Dispatch, Reservation};
use domain::dialer::health::{Condition, Entry, Health, TrunkFailure};
use domain::dialer::pacing::Lane;
use domain::dialer::route::trunks_for;
use domain::{Callee, Destination, Timestamp};

use crate::config::{NodeConfig, Trunk};
use crate::dialer::{Waiting, lane};
use crate::moment::Moment;

mod line;

use line::Line;

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
    /// The registered phones stand first, then the trunks.
    lines: Vec<Line>,
    /// With whom this node shares trunks; it takes nothing of them before the others know of it.
    company: Option<Company>,
    /// The ways that calls were found to have: each a list of lines, to be tried in turn.
    routes: Vec<Vec<usize>>,
    busy: BTreeMap<Callee, Busy>,
    /// Numbers left alone for a while after a call, by the steady clock.
    resting: BTreeMap<Callee, Timestamp>,
    rest_us: i64,
    /// Routes for which somebody waits, and the first lane that does: nobody of it or a later one
    /// may pass ahead of them.
    waited_for: BTreeMap<usize, Lane>,
    inbox: Vec<Arrival>,
    /// Something was accepted that the inbox had no room for.
    overflowed: bool,
}

/// What `accepted` brought.
pub(crate) struct Arrival {
    pub(crate) job: ReadyJob,
    pub(crate) reservation: Option<Reservation>,
}

/// The position of the registered phones among the lines.
const PHONES_LINE: usize = 0;

/// What is asked of a route.
pub(crate) struct Wanted<'a> {
    /// Whom to call.
    pub(crate) destination: &'a Destination,
    /// The regional server that is to call, if one is asked for.
    pub(crate) server: Option<u32>,
    /// Whether it is a call of a sandbox.
    pub(crate) sandbox: bool,
    /// Trunks that have failed this send before.
    pub(crate) without: &'a [String],
}

impl<'a> Wanted<'a> {
    /// A send that no trunk has failed yet.
    pub(crate) fn of(destination: &'a Destination, server: Option<u32>, sandbox: bool) -> Self {
        Self { destination, server, sandbox, without: &[] }
    }

    /// The first leg of a job.
    pub(crate) fn of_job(job: &'a ReadyJob) -> Self {
        Self::of(&job.destination, job.server, job.sandbox)
    }
}

struct Busy {
    class: u8,
    line: Option<usize>,
    /// An INVITE may have been sent: the start is used up and the number rests afterwards.
    dialled: bool,
    /// The trunk failed it before anything could ring: nothing has to rest.
    failed: bool,
    /// As what it took its trunk; [`Entry::Usual`] once the trunk was judged by it.
    entry: Entry,
}

/// Room for one call. Dropping it gives back the channel and the number, and the start too unless
/// an INVITE was sent.
pub(crate) struct Room {
    gate: Gate,
    callee: Callee,
    /// The name of the trunk that was chosen, as attempts are recorded with.
    pub(crate) trunk: String,
    /// The room of the second leg of a secure call.
    pub(crate) second: Option<Box<Room>>,
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
    /// There would be room for the first leg of a secure call, and there is none for the second.
    Second,
    /// Every channel of its lines is taken, or they are not well.
    Channels,
    /// A start may be possible at this moment of the steady clock, by the pace of its lines or
    /// since a quarantine is over.
    Until(Timestamp),
    /// No line takes it.
    NoRoute,
}

impl NoRoom {
    /// A start is possible at `at`, if not sooner.
    fn or_at(self, at: Timestamp) -> Self {
        match self {
            Self::Until(sooner) => Self::Until(sooner.min(at)),
            _ => Self::Until(at),
        }
    }
}

impl Gate {
    /// A gate for the trunks of `config`. `wake` is called, without locks held, whenever the node
    /// should take a step.
    pub fn new(config: &NodeConfig, wake: Box<dyn Fn() + Send + Sync>) -> Self {
        let rest_us = config.number_rest_ms.saturating_mul(1000);
        let lines = vec![Line::new(PHONES, config.phones)];
        let mut state = State { lines, rest_us, ..State::default() };
        state.set_trunks(&config.trunks);
        Self(Arc::new(Shared { state: Mutex::new(state), wake }))
    }

    /// Replaces the trunks. Calls that are up keep their channels; routes found before are void.
    pub(crate) fn set_trunks(&self, trunks: &[Trunk]) {
        self.state().set_trunks(trunks);
    }

    /// Channels in use, by the name of the trunk; registered phones count as [`PHONES`].
    pub fn channels_in_use(&self) -> Vec<(String, u32)> {
        let state = self.state();
        let shown = state.lines.iter().filter(|line| line.open || line.in_use > 0);
        shown.map(|line| (line.name.clone(), line.in_use)).collect()
    }

    /// Says who we are while calls may be started, and nothing when they may not.
    pub(crate) fn lead(&self, stamp: Option<NodeStamp>) {
        self.state().stamp = stamp;
    }

    /// Says who uses trunks, too, once they know of this node.
    pub(crate) fn share_with(&self, company: Option<&Company>) {
        self.state().share_with(company);
    }

    /// Tells the time and forgets the numbers that have rested.
    pub(crate) fn tick(&self, now: Moment) {
        let mut state = self.state();
        state.now = Some(now);
        state.resting.retain(|_, until| *until > now.steady);
    }

    /// The route of a call, until the trunks are replaced.
    pub(crate) fn route_for(&self, wanted: &Wanted<'_>) -> Option<usize> {
        self.state().route_for(wanted)
    }

    /// The trunk of the call to this number has brought it to its callee.
    pub(crate) fn served(&self, callee: &Callee, now: Moment) {
        self.state().judge(callee, |health, busy| health.served(now.steady, busy.entry));
    }

    /// The trunk of the call to this number has failed it before anything could ring.
    pub(crate) fn failed(&self, callee: &Callee, failure: TrunkFailure, now: Moment) {
        self.state().judge(callee, |health, busy| {
            health.failed(now.steady, busy.entry, failure);
            busy.failed = true;
        });
    }

    /// Whether anything was heard of the trunk of the call to this number after `since`.
    pub(crate) fn was_heard_after(&self, callee: &Callee, since: Timestamp) -> bool {
        let state = self.state();
        let line = state.busy.get(callee).and_then(|busy| busy.line);
        line.and_then(|line| state.lines.get(line))
            .is_some_and(|line| line.health.was_heard_after(since))
    }

    /// What is known of the health of a trunk changes.
    pub(crate) fn tell_of(&self, trunk: &str, news: impl FnOnce(&mut Health)) {
        let mut state = self.state();
        let line = state.lines.iter_mut().skip(PHONES_LINE + 1).find(|line| line.name == trunk);
        line.map(|line| &mut line.health).map(news).unwrap_or_default();
    }

    /// How each trunk stands: its name, its condition (`None` when it is there no more), and until
    /// when it is quarantined, by the steady clock.
    pub fn conditions(&self, steady: Timestamp) -> Vec<(String, Option<Condition>, Timestamp)> {
        let state = self.state();
        let trunks = state.lines.iter().skip(PHONES_LINE + 1);
        let told = trunks.map(|line| {
            let condition = line.open.then(|| line.health.condition(steady));
            let until = line.health.quarantined_until().unwrap_or(steady);
            (line.name.clone(), condition, until)
        });
        told.collect()
    }

    /// Says for which routes jobs wait, and in which lane the first of them is.
    pub(crate) fn wait_for(&self, routes: BTreeMap<usize, Lane>) {
        self.state().waited_for = routes;
    }

    /// Takes room for a call, as one of this class, on the first line of its route that has some.
    pub(crate) fn take(&self, waiting: &Waiting, class: u8, now: Moment) -> Result<Room, NoRoom> {
        let Waiting { job: _, callee, route, second } = waiting;
        let mut state = self.state();
        let trunk = state.take(callee, *route, class, now.steady)?;
        let room = |callee: &Callee, trunk, second| {
            let (gate, callee) = (self.clone(), callee.clone());
            Room { gate, callee, trunk, second }
        };
        let Some((other, route)) = second else { return Ok(room(callee, trunk, None)) };
        // There is no `Room` of the first leg before both have theirs: dropping one takes the lock
        // and wakes the node, and nothing has come free.
        let Ok(second_trunk) = state.take(other, *route, class, now.steady) else {
            state.give_back(callee);
            return Err(NoRoom::Second);
        };
        let second = room(other, second_trunk, None);
        Ok(room(callee, trunk, Some(Box::new(second))))
    }

    /// Takes room for a call that is there already, whatever the caps say. `None` when the number
    /// is known to be in a call.
    pub(crate) fn occupy(&self, callee: &Callee, trunk: &str) -> Option<Room> {
        let mut state = self.state();
        if state.busy.contains_key(callee) {
            return None;
        }
        let line = state.lines.iter().position(|line| line.name == trunk);
        if let Some(line) = line {
            state.lines[line].in_use += 1;
        }
        let busy = Busy { class: 0, line, dialled: true, failed: false, entry: Entry::Usual };
        state.busy.insert(callee.clone(), busy);
        drop(state);
        let trunk = trunk.to_owned();
        Some(Room { gate: self.clone(), callee: callee.clone(), trunk, second: None })
    }

    /// Takes the INVITE of a call with room on the wire now, or tells when it may leave.
    pub(crate) fn pass(&self, callee: &Callee, now: Moment) -> Result<(), Timestamp> {
        let mut state = self.state();
        let known = state.busy.get(callee).and_then(|busy| Some((busy.class, busy.line?)));
        let Some((class, line)) = known else { return Ok(()) };
        let Some(line) = state.lines.get_mut(line) else { return Ok(()) };
        if line.wire.take(class, now.steady) { Ok(()) } else { Err(line.wire.next_start(class)) }
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
        if self.state().give_back(callee) {
            (self.0.wake)();
        }
    }

    /// A panic elsewhere cannot leave a half-made change, so a poisoned lock is still good.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Gives back what a call has taken. `false`: it has nothing.
    fn give_back(&mut self, callee: &Callee) -> bool {
        let Some(busy) = self.busy.remove(callee) else { return false };
        if let Some(line) = busy.line.and_then(|line| self.lines.get_mut(line)) {
            line.in_use = line.in_use.saturating_sub(1);
            line.health.left(busy.entry);
            if !busy.dialled {
                line.pace.give_back();
            }
        }
        if busy.dialled
            && !busy.failed
            && let Some(now) = self.now
        {
            let until = now.steady.plus_us(self.rest_us);
            self.resting.insert(callee.clone(), until);
        }
        true
    }

    fn set_trunks(&mut self, trunks: &[Trunk]) {
        self.routes.clear();
        self.waited_for.clear();
        for line in &mut self.lines[PHONES_LINE + 1..] {
            line.open = false;
        }
        for trunk in trunks {
            let known = self.lines.iter().position(|line| line.name == trunk.name);
            let line = known.unwrap_or_else(|| self.place_for(trunk));
            self.lines[line].become_trunk(trunk, self.company.as_ref());
        }
    }

    fn share_with(&mut self, company: Option<&Company>) {
        if self.company.as_ref() != company {
            self.company = company.cloned();
            self.lines.iter_mut().for_each(|line| line.take_part(company));
        }
    }

    /// A line for a trunk that has none: in the place of one that is gone and has no call left.
    fn place_for(&mut self, trunk: &Trunk) -> usize {
        let new = Line::new(&trunk.name, trunk.caps);
        if let Some(free) = self.lines.iter().position(|line| !line.open && line.in_use == 0) {
            self.lines[free] = new;
            return free;
        }
        self.lines.push(new);
        self.lines.len() - 1
    }

    /// Lets a call say something of its trunk, after which it does not try it any more.
    fn judge(&mut self, callee: &Callee, what: impl FnOnce(&mut Health, &mut Busy)) {
        let Some(busy) = self.busy.get_mut(callee) else { return };
        // A phone that fails says nothing of the others.
        let line = busy.line.filter(|line| *line != PHONES_LINE);
        if let Some(line) = line.and_then(|line| self.lines.get_mut(line)) {
            what(&mut line.health, busy);
            busy.entry = Entry::Usual;
        }
    }

    fn route_for(&mut self, wanted: &Wanted<'_>) -> Option<usize> {
        let lines = match wanted.destination {
            Destination::Extension(_) => vec![PHONES_LINE],
            Destination::Number(number) => self.lines_for(number.national(), wanted),
        };
        if lines.is_empty() {
            return None;
        }
        let known = self.routes.iter().position(|route| *route == lines);
        Some(known.unwrap_or_else(|| {
            self.routes.push(lines);
            self.routes.len() - 1
        }))
    }

    fn lines_for(&self, national: &str, wanted: &Wanted<'_>) -> Vec<usize> {
        // While no trunk is one of a regional server, asking for one is read past; the sandbox
        // carrier stands for all of them.
        let regional = self.lines.iter().any(|line| line.open && !line.server_ids.is_empty());
        let server = wanted.server.filter(|_| regional && !wanted.sandbox);
        let open: Vec<usize> = (PHONES_LINE + 1..self.lines.len())
            .filter(|line| self.lines[*line].open)
            .filter(|line| self.lines[*line].serves.takes(wanted.sandbox))
            .filter(|line| server.is_none_or(|id| self.lines[*line].server_ids.contains(&id)))
            .collect();
        let prefixes =
            open.iter().map(|line| self.lines[*line].prefixes.iter().map(String::as_str));
        let takes = trunks_for(prefixes, national).into_iter().map(|position| open[position]);
        takes.filter(|line| !wanted.without.contains(&self.lines[*line].name)).collect()
    }

    /// Whether a route has a line in common with one for which somebody of this lane or an
    /// earlier one waits.
    fn is_waited_for(&self, route: usize, lane: Lane) -> bool {
        let lines = |route: usize| self.routes.get(route).map_or(&[][..], Vec::as_slice);
        self.waited_for.iter().filter(|(_, first)| **first <= lane).any(|(other, _)| {
            *other == route || lines(*other).iter().any(|line| lines(route).contains(line))
        })
    }

    fn take(
        &mut self,
        callee: &Callee,
        route: usize,
        class: u8,
        steady: Timestamp,
    ) -> Result<String, NoRoom> {
        let rests = self.resting.get(callee).is_some_and(|until| *until > steady);
        if rests || self.busy.contains_key(callee) {
            return Err(NoRoom::Callee);
        }
        let mut order = self.routes.get(route).cloned().ok_or(NoRoom::NoRoute)?;
        order.sort_by_key(|line| self.lines[*line].turn);
        let mut why = NoRoom::Channels;
        for (position, &line) in order.iter().enumerate() {
            let chosen = &mut self.lines[line];
            match chosen.enter(class, steady) {
                Ok(entry) => {
                    let turn = chosen.turn;
                    chosen.turn = turn.taken(chosen.weight);
                    let trunk = chosen.name.clone();
                    for &skipped in &order[..position] {
                        let skipped = &mut self.lines[skipped];
                        skipped.turn = skipped.turn.passed_over_for(turn);
                    }
                    let line = Some(line);
                    let busy = Busy { class, line, dialled: false, failed: false, entry };
                    self.busy.insert(callee.clone(), busy);
                    return Ok(trunk);
                }
                Err(NoRoom::Until(at)) => why = why.or_at(at),
                Err(_) => {}
            }
        }
        Err(why)
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
    fn routes(&self, destination: &Destination, server: Option<u32>, sandbox: bool) -> bool {
        self.state().route_for(&Wanted::of(destination, server, sandbox)).is_some()
    }

    fn reaches_people(&self) -> bool {
        let state = self.state();
        let mut open = state.lines.iter().skip(PHONES_LINE + 1).filter(|line| line.open).peekable();
        open.peek().is_none() || open.any(|line| !line.sandbox && line.serves.earnest())
    }

    /// A call with two legs needs room for both, which the node's own steps find.
    fn reserve(&self, job: &ReadyJob, now: Timestamp) -> Option<Reservation> {
        if job.second.is_some() {
            return None;
        }
        let mut state = self.state();
        let stamp = state.stamp?;
        let route = state.route_for(&Wanted::of_job(job))?;
        let steady = state.steady_at(now)?;
        if state.is_waited_for(route, lane(job)) {
            return None;
        }
        let callee = Callee::of((job.account, job.sandbox), &job.destination);
        let trunk = state.take(&callee, route, job.class, steady).ok()?;
        drop(state);
        let room = Room { gate: self.clone(), callee, trunk: trunk.clone(), second: None };
        Some(Reservation::new(trunk, stamp, Box::new(room)))
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
