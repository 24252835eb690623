//! The turns of a step: take what arrived, choose what is dialled next, dial what is ready, ask
//! the database for the rest.

use std::collections::BTreeSet;

use app::dialing::{self, Asker, EXPIRED, ReadyJob, Start, Untried};
use app::ports::Dispatch as _;
use domain::dialer::disposition::{NO_TRUNK, NOT_SPOKEN, OUTSIDE_HOURS, WITHDRAWN};
use domain::dialer::health::Health;
use domain::dialer::pacing::CAMPAIGN_CLASS;
use domain::{AttemptId, Callee, Destination, Disposition, MessageClass, Status, Timestamp};
use engine::{CallKey, Command};

use crate::config::Trunk;
use crate::dialer::{Waiting, lane};
use crate::gate::{Arrival, Gate, NoRoom, Room, Wanted};
use crate::live::{Call, Second, Stage, Terms, key};
use crate::moment::Moment;
use crate::node::{Node, Return};
use crate::openings::{Openings, UNKNOWN_MS};
use crate::settle::{Unsettled, decided};
use crate::spec;
use crate::under_way::{Kind, UnderWay};
use crate::work::{Task, Work};

/// Waiting sends read at a time.
pub(crate) const PAGE: u32 = 1_000;
/// Requests for clips and contacts under way at once.
const PREPARATIONS_MAX: usize = 8;
/// How long a send waits that could not be prepared, or that the engine had no room for,
/// milliseconds.
pub(crate) const PAUSE_MS: i64 = 5_000;
/// How long a secure call waits whose second leg has no room, milliseconds.
const SECOND_PAUSE_MS: i64 = 500;
/// How long a route that is fast enough gathers calls of campaigns before it leases them, in one
/// commit, microseconds: far below the burst that its pace allows, so that no call is lost
/// (docs/decisions/0076).
const CAMPAIGN_TURN_US: i64 = 20_000;
/// Attempts of one send; a send that never gets as far as an INVITE ends with this one.
const ATTEMPTS_MAX: u16 = 200;

impl Node {
    /// Replaces the trunks: the operator has changed them. Live calls go on undisturbed, also on a
    /// trunk that is there no more; what is not dialled yet finds its way anew.
    pub fn set_trunks(&mut self, now: Moment, trunks: Vec<Trunk>) {
        self.gate.set_trunks(&trunks);
        self.campaign_turns.clear();
        let before = std::mem::replace(&mut self.config.trunks, trunks);
        let same = |name: &str| {
            let of = |trunks: &[Trunk]| trunks.iter().find(|trunk| trunk.name == name).cloned();
            of(&before) == of(&self.config.trunks)
        };
        // What the operator has touched gets a new chance at once.
        for changed in self.config.trunks.iter().filter(|trunk| !same(&trunk.name)) {
            self.gate.tell_of(&changed.name, Health::touched);
        }
        let undialled = self.calls.iter().filter(|(_, call)| {
            let on_a_trunk = matches!(call.destination, Destination::Number(_));
            let undialled = matches!(call.stage, Stage::Preparing { .. } | Stage::Prepared { .. });
            let second = call.second.as_ref().is_some_and(|second| !same(&second.trunk));
            on_a_trunk && undialled && (second || !same(&call.trunk))
        });
        for key in undialled.map(|(key, _)| *key).collect::<Vec<CallKey>>() {
            self.send_back(key, now.wall);
        }
        let (gate, tried) = (self.gate.clone(), &self.tried);
        let route_of = |job: &ReadyJob| route_of(&gate, job, tried.of(job.quick_send));
        self.line.reroute(route_of, |job| second_of(&gate, job));
    }

    /// Takes what was accepted since the last step.
    pub(crate) fn take_arrivals(&mut self, now: Moment) {
        let (arrivals, overflowed) = self.gate.arrivals();
        if overflowed {
            self.reading.next_at = now.steady;
        }
        for Arrival { job, reservation } in arrivals {
            match reservation {
                None => self.wait(job),
                Some(reservation) => {
                    if self.line.has_campaigns() {
                        let route = route_of(&self.gate, &job, self.tried.of(job.quick_send));
                        self.line.count_start(route, lane(&job));
                    }
                    let attempt = AttemptId { quick_send: job.quick_send, n: 1 };
                    let trunks = (reservation.trunk.clone(), None);
                    self.hold(now, attempt, &job, trunks, reservation.into_guard());
                }
            }
        }
    }

    /// Puts a job into the waiting line, unless it is in hand already.
    pub(crate) fn wait(&mut self, job: ReadyJob) {
        if self.line.len() >= self.config.waiting_max || self.is_in_hand(job.quick_send) {
            return;
        }
        if let Some(pace) = job.pace {
            self.campaign_paces.learn(pace);
        }
        // Values that could not be spoken: nobody is called to hear half of it.
        let ends = [(job.withdrawn, WITHDRAWN), (job.blob.is_empty(), NOT_SPOKEN)];
        if let Some((_, cause)) = ends.into_iter().find(|(ends, _)| *ends) {
            self.expired.insert(job.quick_send, Untried::of(job.quick_send, cause));
            return;
        }
        let route = route_of(&self.gate, &job, self.tried.of(job.quick_send));
        let callee = Callee::of((job.account, job.sandbox), &job.destination);
        let second = second_of(&self.gate, &job);
        self.line.push(Waiting { job, callee, route, second });
    }

    /// A leased attempt is ours now, on this trunk, and its second leg on that one: prepare it.
    pub(crate) fn hold(
        &mut self,
        now: Moment,
        attempt: AttemptId,
        job: &ReadyJob,
        (trunk, second_trunk): (String, Option<String>),
        room: Box<dyn Send>,
    ) {
        let call = key(attempt);
        self.line.remove(job.quick_send);
        let shard = self.shard_of(call);
        let codecs = spec::codecs(&self.config, &trunk);
        let held = Call {
            attempt,
            shard,
            account: job.account,
            caller_id: self.caller_id_of(job.message_class),
            callee: Callee::of((job.account, job.sandbox), &job.destination),
            destination: job.destination.clone(),
            trunk,
            second: job.second.as_ref().zip(second_trunk).map(|(destination, trunk)| Second {
                callee: Callee::of((job.account, job.sandbox), destination),
                destination: destination.clone(),
                trunk,
            }),
            terms: Terms::of_job(job),
            dial_by: self.openings(now).dial_by(job),
            stage: Stage::Preparing { blob: job.blob.clone(), contact: None },
            cancelled: false,
            room: Some(room),
        };
        self.calls.insert(call, held);
        self.app.live().set(attempt.quick_send, Status::Calling);
        if self.draining || attempt.n >= ATTEMPTS_MAX {
            self.send_back(call, now.wall);
            return;
        }
        // One of two legs at most: an expert who calls a customer back.
        let phone = [Some(&job.destination), job.second.as_ref()].into_iter().flatten();
        let phone = phone.into_iter().find_map(|leg| match leg {
            Destination::Extension(extension) => Some((job.account, extension.clone())),
            Destination::Number(_) => None,
        });
        let at_hand = self.clips.get(&job.blob).is_some_and(|clip| clip.is_encoded(&codecs));
        let blob = (!at_hand).then(|| job.blob.clone());
        if phone.is_some() || blob.is_some() {
            self.preparations.push_back(Task::Prepare { call, blob, codecs, phone });
        } else {
            self.prepared(call, now);
        }
    }

    /// A call has all it needs: it stands in line for the wire.
    pub(crate) fn prepared(&mut self, key: CallKey, now: Moment) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Stage::Preparing { blob, contact } = &call.stage else { return };
        let phone = contact.as_ref().and_then(spec::phone_target);
        let target = match &call.destination {
            Destination::Extension(_) => phone.clone().map(|target| (target, None)),
            Destination::Number(number) => {
                if !spec::may_take(&self.config, &call.trunk) {
                    // It was removed or switched off since this call was chosen for it.
                    return self.send_back(key, now.wall);
                }
                let trunk = spec::trunk(&self.config, &call.trunk);
                trunk.and_then(|trunk| {
                    let server = self.marks.choose(trunk, key, now.steady)?;
                    Some((spec::trunk_target(trunk, server, number), Some(server)))
                })
            }
        };
        let on_trunk = call.second.as_ref().filter(|second| second.is_number());
        if on_trunk.is_some_and(|second| !spec::may_take(&self.config, &second.trunk)) {
            return self.send_back(key, now.wall);
        }
        let second = call.second.as_ref().map(|second| {
            let Destination::Number(number) = &second.destination else { return phone };
            let trunk = spec::trunk(&self.config, &second.trunk)?;
            let server = self.marks.choose(trunk, key, now.steady)?;
            Some(spec::trunk_target(trunk, server, number))
        });
        let Some(second) = second.map_or(Some(None), |target| target.map(Some)) else {
            return self.fail_unsent(key, Disposition::NetworkFailure, "no_address", now);
        };
        match (self.clips.get(blob), target) {
            (Some(clip), Some((target, server))) => {
                call.stage = Stage::Prepared { clip, target, second, server };
                self.to_dial.push_back(key);
            }
            // The clip was pushed out of a cache that is too small for one moment's calls.
            (None, Some(_)) => self.send_back(key, now.wall.plus_ms(PAUSE_MS)),
            (_, None) => self.fail_unsent(key, Disposition::NetworkFailure, "no_address", now),
        }
    }

    /// Ends an attempt that will not be dialled: its send goes back to the queue.
    pub(crate) fn send_back(&mut self, key: CallKey, due: Timestamp) {
        let Some(call) = self.calls.remove(&key) else { return };
        if call.attempt.n >= ATTEMPTS_MAX {
            let ended = decided(
                call.attempt,
                &call.terms,
                Disposition::NetworkFailure,
                "never_sent",
                0,
                due,
            );
            self.settlements.push(Unsettled::new(key, call.shard, ended));
            return;
        }
        self.app.live().remove(call.attempt.quick_send);
        self.returns.push(Return::unsent(call.attempt, call.shard, due));
    }

    /// Ends an attempt that cannot be dialled, for good and without a charge.
    pub(crate) fn fail_unsent(
        &mut self,
        key: CallKey,
        disposition: Disposition,
        cause: &str,
        now: Moment,
    ) {
        let Some(call) = self.calls.remove(&key) else { return };
        let ended = decided(call.attempt, &call.terms, disposition, cause, 0, now.wall);
        self.settlements.push(Unsettled::new(key, call.shard, ended));
    }

    /// Takes out what is too late to be called.
    pub(crate) fn take_expired(&mut self, now: Moment) {
        let expired = self.line.take_expired(now.wall);
        if expired.is_empty() {
            return;
        }
        let mut openings = self.openings(now);
        for (waiting, queued) in expired {
            let job = &waiting.job;
            let cause = if openings.closed_until(job).is_some() {
                OUTSIDE_HOURS
            } else if queued && self.has_no_trunk(&waiting, now) {
                NO_TRUNK
            } else {
                EXPIRED
            };
            let untried = Untried { quick_send: job.quick_send, cause, asker: Asker::of(job) };
            self.expired.insert(job.quick_send, untried);
        }
    }

    /// Whether a quick send that may be called now, and whose number is free, is kept by nothing
    /// but its trunks: none takes the number, is well, or has room, as it was until now. A
    /// campaign's end is its customer's own choice, and says nothing; of a secure call it is not
    /// told whether a trunk or its second number is wanting.
    fn has_no_trunk(&self, waiting: &Waiting, now: Moment) -> bool {
        let may = waiting.job.class < CAMPAIGN_CLASS
            && waiting.second.is_none()
            && dialing::window_open(&self.app, now.wall);
        // Room that was there is given back at once.
        may && !matches!(
            self.gate.take(waiting, waiting.job.class, now),
            Ok(_) | Err(NoRoom::Callee)
        )
    }

    /// The number that a class shows to callees, if it has one.
    pub(crate) fn caller_id_of(&self, class: MessageClass) -> Option<String> {
        app::class::known_rules(&self.app)?.policies.of(class).caller_id.clone()
    }

    fn openings(&self, now: Moment) -> Openings {
        let rules = app::class::known_rules(&self.app);
        Openings::new(rules, self.gate.reaches_people(), now.wall)
    }

    /// Reads the line again when a job waits for newer rules, for whoever does reads these, too.
    fn ask_for_rules(&mut self, now: Moment, until: Timestamp) {
        if until <= now.wall.plus_ms(UNKNOWN_MS) {
            let soon = now.steady.plus_ms(UNKNOWN_MS);
            self.reading.next_at = self.reading.next_at.min(soon);
        }
    }

    /// Chooses what is leased next, as far as there is room. Tells when the pace allows more.
    pub(crate) fn choose(&mut self, now: Moment) -> Option<Timestamp> {
        for callee in self.line.numbers_aside() {
            if self.gate.is_free(&callee) {
                self.line.step_back(&callee);
            }
        }
        let mut next = None;
        let may = !self.under_way.is_paused(Kind::Lease, now.steady)
            && self.may_start(now)
            && dialing::window_open(&self.app, now.wall);
        if may {
            let mut openings = self.openings(now);
            for route in self.routes_in_turn() {
                let at = self.choose_for(route, &mut openings, now);
                next = next.into_iter().chain(at).min();
            }
        }
        self.gate.wait_for(self.line.routes_waited_for());
        next
    }

    /// The routes with waiting jobs, another one first each time: routes may share trunks, and
    /// none of them may live on what the others leave.
    fn routes_in_turn(&mut self) -> Vec<usize> {
        let mut routes: Vec<usize> = self.line.routes_waited_for().into_keys().collect();
        if !routes.is_empty() {
            self.first_route = (self.first_route + 1) % routes.len();
            routes.rotate_left(self.first_route);
        }
        routes
    }

    fn choose_for(
        &mut self,
        route: usize,
        openings: &mut Openings,
        now: Moment,
    ) -> Option<Timestamp> {
        while self.chosen.len() < self.config.batch_max {
            let (waiting, class) = self.line.first(route)?;
            let send = waiting.job.quick_send;
            let turn = self.campaign_turns.get(&route).copied();
            if class >= CAMPAIGN_CLASS
                && let Some(turn) = turn.filter(|turn| now.steady < *turn)
            {
                return Some(turn);
            }
            if let Some(until) = openings.closed_until(&waiting.job) {
                self.line.step_back_until(send, until);
                self.ask_for_rules(now, until);
                continue;
            }
            let pace = waiting.job.pace;
            if let Some(Err(turn)) = pace.map(|pace| self.campaign_paces.ask(pace, now.steady)) {
                let until = now.wall.plus_us(turn.us_since(now.steady));
                self.line.step_back_until(send, until);
                continue;
            }
            match self.gate.take(waiting, class, now) {
                Ok(room) => {
                    if let Some(pace) = pace {
                        self.campaign_paces.started(pace, now.steady);
                    }
                    let waiting = self.line.start(send)?;
                    self.chosen.push((waiting, room));
                }
                Err(NoRoom::Callee) => self.line.step_aside(send),
                // Whoever stands behind it on the first one's route must not wait for the second.
                Err(NoRoom::Second) => {
                    self.line.step_back_until(send, now.wall.plus_ms(SECOND_PAUSE_MS));
                }
                Err(NoRoom::Until(at)) => {
                    if class < CAMPAIGN_CLASS {
                        return Some(at);
                    }
                    let turn = now.steady.plus_us(CAMPAIGN_TURN_US);
                    self.campaign_turns.insert(route, turn);
                    return Some(at.max(turn));
                }
                Err(NoRoom::Channels | NoRoom::NoRoute) => return None,
            }
        }
        None
    }

    /// Dials what is prepared, as far as the pace on the wire allows. Tells when it allows more.
    pub(crate) fn dial(&mut self, now: Moment) -> Option<Timestamp> {
        if !self.heartbeat.allows_dialling(now) {
            return None;
        }
        let mut next = None;
        for key in std::mem::take(&mut self.to_dial) {
            let Some(call) = self.calls.get_mut(&key) else { continue };
            let Stage::Prepared { .. } = call.stage else { continue };
            if call.dial_by <= now.wall {
                self.send_back(key, now.wall);
                continue;
            }
            if let Err(at) = self.gate.pass(&call.callee, now) {
                next = next.into_iter().chain(Some(at)).min();
                self.to_dial.push_back(key);
                continue;
            }
            let placed = Stage::Placed { started: now, server: None };
            let Stage::Prepared { clip, target, second, server } =
                std::mem::replace(&mut call.stage, placed)
            else {
                continue;
            };
            call.stage = Stage::Placed { started: now, server };
            let spec = spec::call_spec(&self.config, call, clip, target, second);
            self.commands.push((call.shard, Command::Start(Box::new(spec))));
            self.stats.dialled += 1;
        }
        next
    }

    /// What is asked of the database now: one request of each kind at a time.
    pub(crate) fn order_work(&mut self, now: Moment) -> Vec<Work> {
        let mut tasks = Vec::new();
        if self.heartbeat.is_due(now) && self.under_way.may_ask(Kind::Renew, now.steady) {
            self.under_way.ask(Kind::Renew);
            self.heartbeat.asked(now);
            let until = self.heartbeat.until(now);
            tasks.push(Task::Renew { stamp: self.stamp, until });
        }
        if !self.heartbeat.is_lost() {
            self.order_changes(now, &mut tasks);
            self.order_reads(now, &mut tasks);
        }
        let work = |task| Work { app: self.app.clone(), asked: now, task };
        tasks.into_iter().map(work).collect()
    }

    fn order_changes(&mut self, now: Moment, tasks: &mut Vec<Task>) {
        let may = |asked: &UnderWay, kind| asked.may_ask(kind, now.steady);
        if !self.chosen.is_empty() && may(&self.under_way, Kind::Lease) {
            self.under_way.ask(Kind::Lease);
            let chosen = std::mem::take(&mut self.chosen);
            let openings = self.openings(now);
            let start = |(waiting, room): &(Waiting, Room)| Start {
                person: openings.person(&waiting.job),
                job: waiting.job.clone(),
                trunk: room.trunk.clone(),
                at: now.wall,
            };
            let starts = chosen.iter().map(start).collect();
            tasks.push(Task::Lease { stamp: self.stamp, starts });
            self.under_way.lease = chosen;
        }
        if may(&self.under_way, Kind::Settle)
            && let Some(calls) = self.settlements.next_batch(now.steady)
        {
            self.under_way.ask(Kind::Settle);
            tasks.push(Task::Settle { calls });
        }
        if !self.expired.is_empty() && may(&self.under_way, Kind::Expire) {
            self.under_way.ask(Kind::Expire);
            let sends = std::mem::take(&mut self.expired).into_values().collect();
            tasks.push(Task::Expire { sends });
        }
        if !self.opt_outs.is_empty() && may(&self.under_way, Kind::OptOut) {
            self.under_way.ask(Kind::OptOut);
            tasks.push(Task::OptOut { pressed: std::mem::take(&mut self.opt_outs) });
        }
        if !self.returns.is_empty() && may(&self.under_way, Kind::PutBack) {
            self.under_way.ask(Kind::PutBack);
            self.under_way.returns = std::mem::take(&mut self.returns);
            let attempts = self.under_way.returns.iter().map(|one| one.back.clone()).collect();
            tasks.push(Task::PutBack { attempts });
        }
        if may(&self.under_way, Kind::TrunkHealth)
            && let Some(seen) = self.watch.news()
        {
            self.under_way.ask(Kind::TrunkHealth);
            tasks.push(Task::TrunkHealth { node: self.config.name.clone(), seen });
        }
    }

    fn order_reads(&mut self, now: Moment, tasks: &mut Vec<Task>) {
        while self.under_way.preparations < PREPARATIONS_MAX
            && let Some(task) = self.preparations.pop_front()
        {
            self.under_way.preparations += 1;
            tasks.push(task);
        }
        let has_room = self.line.len() <= self.config.waiting_max / 2;
        if self.reading.next_at <= now.steady
            && has_room
            && !self.draining
            && self.under_way.may_ask(Kind::Read, now.steady)
        {
            self.under_way.ask(Kind::Read);
            tasks.push(Task::Read { after: self.reading.after, limit: PAGE });
        }
        if self.feed_at <= now.steady
            && has_room
            && !self.draining
            && self.heartbeat.allows_dialling(now)
            && self.under_way.may_ask(Kind::Feed, now.steady)
        {
            self.under_way.ask(Kind::Feed);
            self.ended_since_fed = 0;
            tasks.push(Task::Feed);
        }
        if self.cancelling_at <= now.steady && self.under_way.may_ask(Kind::Cancelled, now.steady) {
            self.under_way.ask(Kind::Cancelled);
            tasks.push(Task::Cancelled { node: self.stamp.node });
        }
        if self.reconciling.next_at <= now.steady
            && self.under_way.may_ask(Kind::Reconcile, now.steady)
        {
            self.under_way.ask(Kind::Reconcile);
            let ended_by = now.wall.plus_ms(-self.config.orphan_after_ms);
            tasks.push(Task::Reconcile { stamp: self.stamp, ended_by });
        }
        if self.forgets_at <= now.steady && self.under_way.may_ask(Kind::Forget, now.steady) {
            self.under_way.ask(Kind::Forget);
            let stories_before = self.config.ladder_keep_ms.map(|ms| now.wall.plus_ms(-ms));
            tasks.push(Task::Forget { stories_before });
        }
    }

    /// Whether a send is leased or about to be.
    pub(crate) fn is_in_hand(&self, send: domain::QuickSendId) -> bool {
        let first = key(AttemptId { quick_send: send, n: 0 });
        let last = key(AttemptId { quick_send: send, n: u16::from(u8::MAX) });
        let chosen = |list: &[(Waiting, Room)]| {
            list.iter().any(|(waiting, _)| waiting.job.quick_send == send)
        };
        self.calls.range(first..=last).next().is_some()
            || chosen(&self.chosen)
            || chosen(&self.under_way.lease)
    }

    /// The attempts that this node knows of in any way.
    pub(crate) fn known_attempts(&self) -> BTreeSet<AttemptId> {
        let returns = self.returns.iter().chain(&self.under_way.returns);
        self.calls
            .values()
            .map(|call| call.attempt)
            .chain(returns.map(|one| one.back.attempt))
            .chain(self.settlements.attempts())
            .collect()
    }
}

/// Whom the second leg of a secure call is to reach, and by which trunks.
fn second_of(gate: &Gate, job: &ReadyJob) -> Option<(Callee, usize)> {
    let destination = job.second.as_ref()?;
    let route =
        gate.route_for(&Wanted::of(destination, job.server, job.sandbox)).unwrap_or(usize::MAX);
    Some((Callee::of((job.account, job.sandbox), destination), route))
}

/// A destination that no trunk takes any more waits until its time is over, or a trunk comes. When
/// only trunks are left that failed it, they are tried once more.
fn route_of(gate: &Gate, job: &ReadyJob, tried: &[String]) -> usize {
    let wanted = Wanted::of_job(job);
    let others = gate.route_for(&Wanted { without: tried, ..wanted });
    others.or_else(|| gate.route_for(&Wanted::of_job(job))).unwrap_or(usize::MAX)
}
