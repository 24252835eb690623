//! The world: virtual time, one process of ours at a time, one carrier, and what happens between
//! them. It carries out the plan of a seed and asks the watcher after every happening.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use domain::Timestamp;
use engine::{CallKey, Cause, Command, Event, Input};
use node::{Caps, Done, Moment, NodeConfig, Trunk, Work};

use crate::campaigns::Asked;
use crate::customers::{CARRIER_SIP, Customers};
use crate::dice::Dice;
use crate::far_ends::{Came, FarEnds, RESERVE_SIP};
use crate::finale;
use crate::invariants::{Breach, Witness};
use crate::netem::{Datagram, Netem};
use crate::ports::{MemoryBlobs, MemoryFile, WallClock};
use crate::process::{Ground, OUR_RTP, OUR_SIP, Process, ended_call, rtp_address};
use crate::script::{Action, Plan, SECOND, SOUTH_PREFIX, Sabotage};
use crate::totals::Totals;

/// 2026-11-22 06:00 UTC, when every world begins.
const START: Timestamp = Timestamp(1_795_327_200_000_000);
/// How long after the last action everything must have ended: a send may wait for ten minutes and
/// may then ring, play and be settled; the wall clock may have been set back by as much again.
const PATIENCE_US: i64 = 2 * 3_600 * SECOND;
/// How long the world goes on after everything has ended, so that late datagrams show.
const AFTERMATH_US: i64 = 200 * SECOND;

/// A seed that broke an invariant.
#[derive(Debug)]
pub struct Failed {
    /// Which invariant, and what broke it.
    pub breach: Breach,
    /// What happened before, oldest line first.
    pub story: Vec<String>,
}

/// Something that happens at its time.
pub(crate) enum Happening {
    /// A datagram arrives.
    Arrival(Datagram),
    /// A command reaches the shard of the process with that life.
    Command(u32, Command),
    /// The database or blob store does some work; its answer comes at the moment given.
    Work(u32, i64, Work),
    Done(u32, Done),
    Events(u32, Vec<Event>),
    Action(Action),
    Restart,
}

/// The world.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) ground: Ground,
    pub(crate) process: Option<Process>,
    pub(crate) far_ends: FarEnds,
    pub(crate) heard: Vec<carrier::Heard>,
    pub(crate) customers: Customers,
    pub(crate) campaigns: Vec<Asked>,
    pub(crate) witness: Witness,
    netem: Netem,
    pub(crate) dice: Dice,
    pub(crate) now: i64,
    wall_offset: i64,
    agenda: BTreeMap<(i64, u64), Happening>,
    sequence: u64,
    /// Commands and events keep their order on their ways.
    last_command: i64,
    last_events: i64,
    pub(crate) life: u32,
    pub(crate) boots: u32,
    pub(crate) database_back: i64,
    pub(crate) kills_left: u32,
    pub(crate) old_slots: Vec<u8>,
    /// The flight recorder of the host that does not run us now.
    pub(crate) other_slots: Vec<u8>,
    ended: u32,
    pub(crate) totals: Totals,
}

/// Runs a plan to its end.
///
/// # Errors
/// The outer one: the simulation itself could not go on. The inner one: an invariant broke.
pub async fn run(plan: Plan, verbose: bool) -> Result<Result<Totals, Box<Failed>>> {
    let mut world = World::new(plan, verbose).await?;
    world.live().await?;
    if world.witness.breach().is_none() {
        finale::check(&mut world).await?;
    }
    let story = world.witness.story();
    world.totals.calls = world.witness.calls() as u64;
    world.totals.virtual_us = world.now.unsigned_abs();
    world.ground.db.close().await;
    Ok(match world.witness.breach() {
        None => Ok(world.totals),
        Some(breach) => Err(Box::new(Failed { breach: breach.clone(), story })),
    })
}

impl World {
    async fn new(plan: Plan, verbose: bool) -> Result<Self> {
        let ground = Ground {
            db: store::Db::open("sqlite::memory:", store::Options::default()).await?,
            clock: WallClock::default(),
            blobs: MemoryBlobs::default(),
            file: MemoryFile::default(),
            config: node_config(&plan),
            calls_max: plan.calls_max(),
        };
        ground.clock.0.store(START.0, Ordering::Relaxed);
        let mut world = Self {
            process: None,
            far_ends: FarEnds::new(plan.seed),
            heard: Vec::new(),
            customers: Customers::default(),
            campaigns: Vec::new(),
            witness: Witness::new(&plan, verbose),
            netem: Netem::new(plan.weather, Dice::new(plan.seed, 2)),
            dice: Dice::new(plan.seed, 3),
            now: 0,
            wall_offset: 0,
            agenda: BTreeMap::new(),
            sequence: 0,
            last_command: 0,
            last_events: 0,
            life: 0,
            boots: 0,
            database_back: 0,
            kills_left: plan.kills,
            old_slots: Vec::new(),
            other_slots: Vec::new(),
            ended: 0,
            totals: Totals::default(),
            ground,
            plan,
        };
        world.restart().await?;
        let process = world.process.as_ref().ok_or_else(|| anyhow!("the first start failed"))?;
        world.customers = Customers::create(&process.app, &world.ground, &world.plan).await?;
        for (at, action) in world.plan.actions.clone() {
            world.plan_at(at, Happening::Action(action));
        }
        Ok(world)
    }

    /// Lets everything happen until nothing is left to do.
    async fn live(&mut self) -> Result<()> {
        let last = self.plan.actions.last().map_or(0, |(at, _)| *at);
        let mut quiet_since = None;
        while self.witness.breach().is_none() {
            self.turn().await?;
            let quiet = self.now > last && self.process.as_ref().is_some_and(Process::is_idle);
            match (quiet, quiet_since) {
                (false, _) => quiet_since = None,
                (true, None) => quiet_since = Some(self.now),
                (true, Some(since)) if self.now - since > AFTERMATH_US => {
                    if self.campaigns_rest().await? {
                        return Ok(());
                    }
                    quiet_since = None;
                }
                (true, Some(_)) => {}
            }
            if self.now > last + PATIENCE_US {
                let detail = finale::what_is_left(self).await?;
                self.witness.broken(self.now, "everything ends", detail);
            }
        }
        Ok(())
    }

    /// Takes time forward to the next thing that happens, and lets it happen.
    async fn turn(&mut self) -> Result<()> {
        let next = self.next_time();
        self.now = self.now.max(next);
        self.tell_time();
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= self.now)
        {
            let happening = entry.remove();
            self.happen(happening).await?;
        }
        let instant = self.instant();
        let came = self.far_ends.expire(instant);
        self.take_from_far_ends(came);
        if let Some(process) = &mut self.process
            && process.engine.next_timeout().is_some_and(|at| at <= instant)
        {
            process.engine.handle(instant, Input::Timeout, &mut process.out);
            self.flush_engine();
        }
        self.step_node();
        Ok(())
    }

    fn next_time(&self) -> i64 {
        let planned = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let carrier = self.far_ends.next_timeout().map(since_origin);
        let process = self.process.as_ref();
        let engine = process.and_then(|process| process.engine.next_timeout()).map(since_origin);
        let node =
            process.map(|process| if process.is_woken() { self.now } else { process.wake_at });
        [planned, carrier, engine, node].into_iter().flatten().min().unwrap_or(self.now + SECOND)
    }

    async fn happen(&mut self, happening: Happening) -> Result<()> {
        match happening {
            Happening::Arrival(datagram) => self.arrive(datagram),
            Happening::Command(life, command) if life == self.life => {
                let (instant, late) = (self.instant(), self.records_late());
                if let Some(process) = &mut self.process {
                    process.command(instant, command, late);
                    self.flush_engine();
                }
            }
            Happening::Work(life, answer_at, work) => self.work(life, answer_at, work).await,
            Happening::Done(life, done) if life == self.life => {
                let moment = self.moment();
                if let Some(process) = &mut self.process {
                    process.node.on_done(moment, done);
                    process.wake_at = self.now;
                }
            }
            Happening::Events(life, events) if life == self.life => {
                let moment = self.moment();
                if let Some(process) = &mut self.process {
                    process.node.on_events(moment, 0, events);
                    process.wake_at = self.now;
                }
            }
            Happening::Command(..) | Happening::Done(..) | Happening::Events(..) => {}
            Happening::Action(action) => self.act(action).await?,
            Happening::Restart => self.restart().await?,
        }
        Ok(())
    }

    async fn act(&mut self, action: Action) -> Result<()> {
        match action {
            Action::Submit { customer, clip, number, vote } => {
                let Some(process) = &self.process else { return Ok(()) };
                if self.now < self.database_back {
                    return Ok(());
                }
                let send = self
                    .customers
                    .submit(&process.app, &self.ground, customer, clip, &number, vote)
                    .await;
                let what = send.map_or(String::from("refused"), |send| format!("send {send}"));
                self.witness.tell(self.now, format_args!("{customer} -> {number}: {what}"));
                self.occasion("after accepting");
            }
            Action::Campaign(campaign) => self.make_campaign(&campaign).await?,
            Action::Change(change) => self.change_campaign(change).await,
            Action::StepClock { by_us } => {
                self.wall_offset += by_us;
                self.tell_time();
                self.witness.tell(self.now, format_args!("the clock is set by {by_us} us"));
            }
            Action::DatabaseAway { for_us } => {
                self.database_back = self.now + for_us;
                self.witness.tell(self.now, format_args!("no database for {for_us} us"));
            }
            Action::NetworkSilent { for_us } => {
                self.netem.silent_until = self.now + for_us;
                self.witness.tell(self.now, format_args!("no network for {for_us} us"));
            }
            Action::TrunkTrouble { trouble, for_us } => {
                self.far_ends.trouble(trouble, self.now + for_us);
                self.witness.tell(self.now, format_args!("{trouble:?} for {for_us} us"));
            }
            Action::Garbage { datagrams } => self.garbage(datagrams),
            Action::Kill => self.kill("as planned"),
            Action::Audit => self.audit().await?,
        }
        Ok(())
    }

    /// The ledger must add up at any moment.
    pub(crate) async fn audit(&mut self) -> Result<()> {
        if self.plan.sabotage == Sabotage::TouchMoney {
            let mut tx = self.ground.db.begin().await?;
            tx.execute("UPDATE account SET balance_rials = balance_rials + 1", &[]).await?;
            tx.commit().await?;
        }
        let audit = self.ground.db.audit().await?;
        if !audit.is_clean() {
            let detail = format!("{:?}", audit.violations);
            self.witness.broken(self.now, "the ledger adds up", detail);
        }
        Ok(())
    }

    /// The work of one request. A process that was killed meanwhile may have sent its last request
    /// before that.
    async fn work(&mut self, life: u32, answer_at: i64, work: Work) {
        let alive = life == self.life && self.process.is_some();
        if !alive && self.dice.chance(700) {
            return;
        }
        let name = work.name();
        let done = if self.now < self.database_back {
            work.failed()
        } else if self.dice.chance(self.plan.lost_answers) {
            self.witness.tell(self.now, format_args!("the answer to {name} gets lost"));
            let lost = work.failed();
            work.run().await;
            lost
        } else {
            work.run().await
        };
        if alive {
            self.plan_at(answer_at, Happening::Done(life, done));
            self.occasion(name);
        }
    }

    fn step_node(&mut self) {
        let moment = self.moment();
        let Some(process) = &mut self.process else { return };
        if !process.is_woken() && process.wake_at > self.now {
            return;
        }
        let steps = process.step(moment);
        if steps.fenced {
            self.witness.broken(self.now, "the only process is never fenced", String::new());
        }
        for (_, command) in steps.commands {
            let at = self.last_command.max(self.now + self.dice.between(0, 400));
            self.last_command = at;
            self.sabotage_command(at, &command);
            self.plan_at(at, Happening::Command(self.life, command));
        }
        for work in steps.work {
            let commit_at = self.now + self.dice.between(20, self.plan.commit_us_max);
            let answer_at = commit_at + self.dice.between(10, 500);
            self.plan_at(commit_at, Happening::Work(self.life, answer_at, work));
        }
    }

    fn sabotage_command(&mut self, at: i64, command: &Command) {
        if self.plan.sabotage != Sabotage::CallTwice {
            return;
        }
        if let Command::Start(spec) = command {
            let mut twin = spec.clone();
            twin.call = CallKey(spec.call.0 | 1 << 60);
            twin.call_id = format!("9{}", spec.call_id);
            self.plan_at(at, Happening::Command(self.life, Command::Start(twin)));
        }
    }

    /// Records, sends and reports what the engine brought forth, with occasions to die between.
    fn flush_engine(&mut self) {
        let late = self.records_late();
        let Some(process) = &mut self.process else { return };
        let eventful = !process.out.events.is_empty();
        if !late {
            process.record();
            if eventful && self.occasion("between recording and sending") {
                return;
            }
        }
        self.send_out();
        if eventful && self.occasion("between sending and reporting") {
            return;
        }
        let Some(process) = &mut self.process else { return };
        if late {
            process.record();
        }
        let mut events = std::mem::take(&mut process.out.events);
        process.out.clear();
        events.retain_mut(|event| self.sabotage_event(event));
        if !events.is_empty() {
            let at = self.last_events.max(self.now + self.dice.between(0, 400));
            self.last_events = at;
            self.plan_at(at, Happening::Events(self.life, events));
        }
    }

    fn records_late(&self) -> bool {
        self.plan.sabotage == Sabotage::SendBeforeRecording
    }

    fn sabotage_event(&mut self, event: &mut Event) -> bool {
        if ended_call(event).is_some() {
            self.ended += 1;
        }
        match (self.plan.sabotage, event) {
            (Sabotage::LoseEnds, Event::Ended { .. }) => !self.ended.is_multiple_of(10),
            (Sabotage::ShortenHearing, Event::Ended { outcome, .. }) => {
                outcome.heard_ms = outcome.heard_ms.saturating_sub(5_000);
                true
            }
            (Sabotage::ForgetRinging, Event::Ringing { .. } | Event::EarlyMedia { .. }) => false,
            (Sabotage::ForgetRinging, Event::Ended { outcome, .. }) if !outcome.answered => {
                outcome.timeline.ringing_us = None;
                (outcome.cause, outcome.sip_code, outcome.q850) = (Cause::Failed, Some(500), None);
                true
            }
            _ => true,
        }
    }

    fn send_out(&mut self) {
        let Some(process) = &mut self.process else { return };
        let from: SocketAddr = OUR_SIP.parse().expect("a literal");
        let mut datagrams = VecDeque::new();
        for transmit in process.out.sip.drain(..) {
            self.witness.sent(self.now, transmit.destination, &transmit.bytes);
            let bytes = transmit.bytes.to_vec();
            datagrams.push_back(Datagram::new(from, transmit.destination, bytes));
        }
        for packet in process.out.rtp.drain(..) {
            let bytes = [&packet.header, packet.payload()].concat();
            let from = rtp_address(packet.slot);
            datagrams.push_back(Datagram::new(from, packet.destination, bytes));
        }
        for report in process.out.rtcp.drain(..) {
            let (from, to) = (rtp_address(report.slot), report.destination);
            datagrams.push_back(Datagram::new(from, to, report.bytes));
        }
        for datagram in datagrams {
            self.carry(datagram);
        }
    }

    fn carry(&mut self, datagram: Datagram) {
        for (at, datagram) in self.netem.carry(self.now, datagram) {
            self.plan_at(at, Happening::Arrival(datagram));
        }
    }

    fn arrive(&mut self, datagram: Datagram) {
        let instant = self.instant();
        let (source, to) = (datagram.from, datagram.to);
        let ours: SocketAddr = OUR_SIP.parse().expect("a literal");
        if to.ip() == ours.ip() {
            let Some(process) = &mut self.process else { return };
            if to == ours {
                self.witness.received(self.now, &datagram);
                let input = Input::Sip { source, bytes: &datagram.bytes };
                process.engine.handle(instant, input, &mut process.out);
            } else if let Some(slot) = slot_of(to.port(), &OUR_RTP) {
                let slot = u8::try_from(slot).unwrap_or(u8::MAX);
                let input = Input::Rtp { slot, source, bytes: &datagram.bytes };
                process.engine.handle(instant, input, &mut process.out);
            }
            self.flush_engine();
        } else {
            let came = self.far_ends.arrive(self.now, instant, datagram);
            self.take_from_far_ends(came);
        }
    }

    fn take_from_far_ends(&mut self, came: Came) {
        for datagram in came.datagrams {
            self.witness.rung(self.now, &datagram.bytes);
            self.carry(datagram);
        }
        // What was heard is looked at in calm weather alone.
        if self.plan.is_calm() {
            self.heard.extend(came.heard);
        }
        if let (Some(destination), Some(process)) = (came.unreachable, &mut self.process) {
            let instant = origin() + Duration::from_micros(self.now.unsigned_abs());
            self.witness.unreachable(self.now, destination);
            let input = Input::Undeliverable { destination };
            process.engine.handle(instant, input, &mut process.out);
            self.flush_engine();
        }
    }

    fn garbage(&mut self, datagrams: u32) {
        let stranger: SocketAddr = "198.51.100.9:5060".parse().expect("a literal");
        for n in 0..datagrams {
            let bytes = self.netem.garbage();
            let port = u8::try_from(n % 20).unwrap_or(0);
            let to =
                if n % 2 == 0 { OUR_SIP.parse().expect("a literal") } else { rtp_address(port) };
            let at = self.now + i64::from(n) * 1_000;
            self.plan_at(at, Happening::Arrival(Datagram::new(stranger, to, bytes)));
        }
    }

    pub(crate) fn plan_at(&mut self, at: i64, happening: Happening) {
        self.sequence += 1;
        self.agenda.insert((at, self.sequence), happening);
    }

    fn tell_time(&mut self) {
        let wall = self.moment().wall;
        self.ground.clock.0.store(wall.0, Ordering::Relaxed);
        self.witness.tell_wall(wall);
    }

    pub(crate) fn moment(&self) -> Moment {
        let wall = START.plus_us(self.now + self.wall_offset);
        Moment { wall, steady: Timestamp(self.now) }
    }

    fn instant(&self) -> Instant {
        origin() + Duration::from_micros(self.now.unsigned_abs())
    }
}

/// Where the steady clock of every world stands at 0.
pub(crate) fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "any instant does as the origin")]
    *ORIGIN.get_or_init(Instant::now)
}

/// An instant as the steady clock shows it, rounded up.
fn since_origin(at: Instant) -> i64 {
    let since = at.saturating_duration_since(origin());
    i64::try_from(since.as_nanos().div_ceil(1000)).unwrap_or(i64::MAX)
}

fn slot_of(port: u16, ports: &std::ops::Range<u16>) -> Option<usize> {
    ports.contains(&port).then(|| usize::from(port - ports.start))
}

fn node_config(plan: &Plan) -> NodeConfig {
    let sabotaged = |caps: Caps| match plan.sabotage {
        Sabotage::MoreChannels => Caps { max_channels: caps.max_channels + 1, ..caps },
        Sabotage::FasterPace => Caps { max_cps: caps.max_cps * 2, ..caps },
        _ => caps,
    };
    let credential = carrier::numbers::SANDBOX_CREDENTIAL;
    let trunk = |name: &str, sip: &str, caps: Caps, prefixes: Vec<String>| {
        let address = sip.parse().expect("a literal");
        Trunk {
            credentials: Some(engine::Credentials {
                username: credential.to_owned(),
                password: credential.to_owned(),
            }),
            prefixes,
            ping_interval_s: plan.ping_interval_s,
            ..Trunk::new(name, address, "02100000000", sabotaged(caps))
        }
    };
    NodeConfig {
        trunks: vec![
            trunk("north", CARRIER_SIP, plan.north, Vec::new()),
            trunk("south", CARRIER_SIP, plan.south, vec![SOUTH_PREFIX.to_owned()]),
            Trunk { priority: 1, ..trunk("reserve", RESERVE_SIP, plan.reserve, Vec::new()) },
        ],
        phones: sabotaged(plan.phones),
        ring_timeout_ms: plan.ring_timeout_ms,
        ..NodeConfig::default()
    }
}
