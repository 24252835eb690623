//! A node: its state, and the step that moves it. The other files of this crate say how each part
//! decides; this one says in which order they are asked.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use app::dialing::{self, Failed, NodeStamp, PutBack, Untried};
use app::{App, Failure};
use domain::{AccountId, AttemptId, PhoneNumber, QuickSendId, Timestamp};
use engine::{CallKey, Command};

use crate::campaign_paces::CampaignPaces;
use crate::clips::Clips;
use crate::config::NodeConfig;
use crate::dialer::{Waiting, WaitingLine};
use crate::failover::Tried;
use crate::gate::{Gate, Room};
use crate::heartbeat::Heartbeat;
use crate::live::{Call, Stage};
use crate::moment::Moment;
use crate::recorder::{Recorder, SlotFile};
use crate::servers::Marks;
use crate::settle::Settlements;
use crate::shard::shard_of;
use crate::trunk_watch::TrunkWatch;
use crate::under_way::{Kind, UnderWay};
use crate::work::{Task, Work};

/// The longest a node sleeps, microseconds: the gate must be told the time.
const SLEEP_MAX_US: i64 = 1_000_000;

/// How often old stories of attempts are looked for, milliseconds.
pub(crate) const FORGETTING_MS: i64 = 15 * 60 * 1000;

/// One node.
pub struct Node {
    pub(crate) app: Arc<App>,
    pub(crate) gate: Gate,
    pub(crate) config: NodeConfig,
    pub(crate) stamp: NodeStamp,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) line: WaitingLine,
    pub(crate) clips: Clips,
    pub(crate) marks: Marks,
    pub(crate) calls: BTreeMap<CallKey, Call>,
    /// Prepared calls in the order in which they may be dialled.
    pub(crate) to_dial: VecDeque<CallKey>,
    /// Calls of a killed process that are being ended, by when they are looked at next.
    pub(crate) abandoned: BTreeSet<(Timestamp, CallKey)>,
    pub(crate) settlements: Settlements,
    /// Attempts whose sends go back to the queue.
    pub(crate) returns: Vec<Return>,
    /// The trunks that failed a send that waits for another one.
    pub(crate) tried: Tried,
    pub(crate) watch: TrunkWatch,
    /// Callees who opted out, not written down yet.
    pub(crate) opt_outs: Vec<OptOut>,
    /// Sends whose time is over, and why they were not called.
    pub(crate) expired: BTreeMap<QuickSendId, Untried>,
    /// Chosen for the next lease.
    pub(crate) chosen: Vec<(Waiting, Room)>,
    pub(crate) under_way: UnderWay,
    pub(crate) reading: Reading,
    /// When campaigns are looked after next, by the steady clock.
    pub(crate) feed_at: Timestamp,
    /// Calls that have ended since then.
    pub(crate) ended_since_fed: u32,
    /// When it is looked for what was withdrawn next, by the steady clock.
    pub(crate) cancelling_at: Timestamp,
    pub(crate) reconciling: Reconciling,
    /// When stories of attempts are forgotten next, by the steady clock.
    pub(crate) forgets_at: Timestamp,
    pub(crate) commands: Vec<(usize, Command)>,
    pub(crate) released: Vec<Released>,
    /// Preparations to order in the next step.
    pub(crate) preparations: VecDeque<Task>,
    /// Which of the routes with waiting jobs had the first choice the last time.
    pub(crate) first_route: usize,
    /// When each of the routes chooses of campaigns next, by the steady clock.
    pub(crate) campaign_turns: BTreeMap<usize, Timestamp>,
    pub(crate) campaign_paces: CampaignPaces,
    pub(crate) draining: bool,
    pub(crate) stats: NodeStats,
}

/// A callee who opted out by a key.
#[derive(Debug, Clone)]
pub(crate) struct OptOut {
    pub(crate) call: CallKey,
    pub(crate) account: AccountId,
    pub(crate) number: PhoneNumber,
    pub(crate) attempt: AttemptId,
}

/// An attempt whose send goes back to the queue.
#[derive(Debug, Clone)]
pub(crate) struct Return {
    /// The shard that may have a record of it.
    pub(crate) shard: usize,
    pub(crate) back: PutBack,
}

impl Return {
    /// Nothing was sent. From `due` on it may be called again.
    pub(crate) fn unsent(attempt: AttemptId, shard: usize, due: Timestamp) -> Self {
        let failure = Failed::default();
        let back = PutBack { attempt, ended_at: due, due_at: due, failure, ladder: None };
        Self { shard, back }
    }
}

/// How far the table of waiting sends has been read.
pub(crate) struct Reading {
    pub(crate) after: (Timestamp, QuickSendId),
    pub(crate) next_at: Timestamp,
}

/// The start of the table of waiting sends.
pub(crate) const FROM_START: (Timestamp, QuickSendId) =
    (Timestamp(i64::MIN), QuickSendId(i64::MIN));

/// The search for attempts of this epoch that nobody here knows of, and for those of nodes that
/// are gone.
pub(crate) struct Reconciling {
    pub(crate) next_at: Timestamp,
    /// Those that were unknown the last time.
    pub(crate) unknown: BTreeSet<AttemptId>,
    /// Attempts of nodes that were gone the last time, and when their node's lease had ended.
    pub(crate) orphans: BTreeMap<AttemptId, Timestamp>,
}

impl Reconciling {
    /// The first look is at the start.
    fn new(now: Moment) -> Self {
        Self { next_at: now.steady, unknown: BTreeSet::new(), orphans: BTreeMap::new() }
    }
}

/// What one step asks for.
#[derive(Debug, Default)]
pub struct Steps {
    /// Commands for the engines, by shard, to be handed on in this order.
    pub commands: Vec<(usize, Command)>,
    /// Flight records that are not needed any more.
    pub released: Vec<Released>,
    /// Requests to run, on any task, in any order.
    pub work: Vec<Work>,
    /// When to step again at the latest, by the steady clock.
    pub next_wakeup: Timestamp,
    /// Another process has taken this node's name. Nothing is dialled any more; the process
    /// should end.
    pub fenced: bool,
}

/// A flight record that is not needed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Released {
    /// The shard whose recorder has it.
    pub shard: usize,
    /// Which call's.
    pub call: CallKey,
}

/// What a node has done and has in hand, for metrics and the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeStats {
    /// Sends waiting in memory.
    pub waiting: usize,
    /// Calls in hand, from the lease to the end on the wire.
    pub calls: usize,
    /// Ended calls whose settlement is not durable yet.
    pub unsettled: usize,
    /// Calls given to the engines since the start.
    pub dialled: u64,
    /// Calls settled since the start.
    pub settled: u64,
    /// Sends whose time was over before they could be called, since the start.
    pub expired: u64,
    /// Sends that were barred when their turn came.
    pub barred: u64,
    /// Sends that waited on since whom they reach was in a call of another node, each time.
    pub engaged: u64,
    /// Attempts that went back to the queue because nothing had been sent, since the start.
    pub not_sent: u64,
    /// Attempts that their trunk failed and that another one was to carry, since the start.
    pub failed_over: u64,
    /// Calls of earlier processes that were ended or settled by this one.
    pub recovered: u64,
    /// Requests to the database or the blob store that failed since the start.
    pub failures: u64,
    /// Whether calls may be started now.
    pub leads: bool,
}

impl Node {
    /// Takes the node's name under a new epoch and decides about every call that earlier processes
    /// of this node left open. `recorder` is the flight recorder as it was just opened; it is
    /// split among the shards afterwards.
    ///
    /// # Errors
    /// The database or a flight recorder failed. Nothing was dialled; starting again is safe.
    pub async fn start<F: SlotFile>(
        now: Moment,
        app: Arc<App>,
        gate: Gate,
        config: NodeConfig,
        recorder: &mut Recorder<F>,
    ) -> Result<Self, Failure> {
        let mut heartbeat = Heartbeat::new(now, config.lease_ms);
        let (stamp, company) = dialing::join(&app, &config.name, heartbeat.until(now)).await?;
        heartbeat.meet(company);
        let open = dialing::open_attempts(&app, stamp).await?;
        let mut node = Self {
            clips: Clips::new(config.clip_cache_bytes),
            marks: Marks::default(),
            app,
            gate,
            config,
            stamp,
            heartbeat,
            line: WaitingLine::default(),
            calls: BTreeMap::new(),
            to_dial: VecDeque::new(),
            abandoned: BTreeSet::new(),
            settlements: Settlements::default(),
            returns: Vec::new(),
            tried: Tried::default(),
            watch: TrunkWatch::default(),
            opt_outs: Vec::new(),
            expired: BTreeMap::new(),
            chosen: Vec::new(),
            under_way: UnderWay::default(),
            reading: Reading { after: FROM_START, next_at: now.steady },
            feed_at: now.steady,
            ended_since_fed: 0,
            cancelling_at: now.steady,
            reconciling: Reconciling::new(now),
            forgets_at: now.steady.plus_ms(FORGETTING_MS),
            commands: Vec::new(),
            released: Vec::new(),
            preparations: VecDeque::new(),
            first_route: 0,
            campaign_turns: BTreeMap::new(),
            campaign_paces: CampaignPaces::default(),
            draining: false,
            stats: NodeStats::default(),
        };
        node.gate.tick(now);
        node.recover(now, open, recorder)?;
        Ok(node)
    }

    /// Decides what to do now. To be called after the start, after every `on_done` and
    /// `on_events`, whenever the gate wakes, and at `next_wakeup`. It never waits.
    pub fn step(&mut self, now: Moment) -> Steps {
        self.gate.tick(now);
        let leads = self.may_start(now);
        self.gate.share_with(self.heartbeat.company());
        self.gate.lead(leads.then_some(self.stamp));
        self.take_arrivals(now);
        self.line.tick(now.wall);
        self.take_expired(now);
        self.look_after_abandoned(now);
        self.watch_trunks(now);
        let pace_at = self.choose(now);
        let wire_at = self.dial(now);
        let work = self.order_work(now);
        let commands = std::mem::take(&mut self.commands);
        let released = std::mem::take(&mut self.released);
        let next_wakeup = self.next_wakeup(now, pace_at.into_iter().chain(wire_at));
        let fenced = self.heartbeat.is_lost();
        Steps { commands, released, work, next_wakeup, fenced }
    }

    /// Begins a graceful stop: nothing new is leased or dialled, live calls go on. Go on stepping
    /// until [`Self::is_idle`], or stop any time and leave the rest to the next start.
    pub fn drain(&mut self, now: Moment) {
        self.draining = true;
        self.gate.lead(None);
        self.take_arrivals(now);
        let undialled = self.calls.iter().filter(|(_, call)| {
            matches!(call.stage, Stage::Preparing { .. } | Stage::Prepared { .. })
        });
        let undialled: Vec<CallKey> = undialled.map(|(key, _)| *key).collect();
        for key in undialled {
            self.send_back(key, now.wall);
        }
    }

    /// Whether nothing is in hand: no call, no settlement, no request.
    pub fn is_idle(&self) -> bool {
        let asked = &self.under_way;
        self.calls.is_empty()
            && self.settlements.len() == 0
            && self.returns.is_empty()
            && asked.returns.is_empty()
            && asked.lease.is_empty()
            && self.chosen.is_empty()
            && self.opt_outs.is_empty()
            && !asked.is_asked(Kind::OptOut)
    }

    /// What it has done and has in hand.
    pub fn stats(&self) -> NodeStats {
        NodeStats {
            waiting: self.line.len(),
            calls: self.calls.len(),
            unsettled: self.settlements.len(),
            ..self.stats
        }
    }

    /// The node and the epoch it runs under.
    pub fn stamp(&self) -> NodeStamp {
        self.stamp
    }

    /// Whether calls may be started.
    pub(crate) fn may_start(&mut self, now: Moment) -> bool {
        let leads = !self.draining && self.heartbeat.allows_dialling(now);
        self.stats.leads = leads;
        leads
    }

    /// Until when whoever was in a call that ends now is left alone by every node: what the gate
    /// does for this one, an attempt that stays open does for the others, if there are any.
    pub(crate) fn rests_until(&self, now: Moment) -> Timestamp {
        let rest_us = self.config.number_rest_ms.saturating_mul(1000);
        let alone = !self.heartbeat.has_company();
        if alone { now.steady } else { now.steady.plus_us(rest_us) }
    }

    /// The shard of a call that is placed now.
    pub(crate) fn shard_of(&self, call: CallKey) -> usize {
        shard_of(call, self.config.shards)
    }

    /// Notes a failed request; it is repeated after a pause.
    pub(crate) fn failed(&mut self, now: Moment, kind: Kind, failure: &Failure) {
        self.stats.failures += 1;
        if !self.under_way.is_paused(kind, now.steady) {
            let request = format!("{kind:?}");
            tracing::warn!(request, error = failure.chain(), "a request failed, it is repeated");
        }
        self.under_way.failed(kind, now.steady);
    }

    fn next_wakeup(&self, now: Moment, paces: impl Iterator<Item = Timestamp>) -> Timestamp {
        let steady = |wall: Timestamp| now.steady.plus_us(wall.us_since(now.wall).max(0));
        let known = [
            self.heartbeat.next_try(),
            self.reading.next_at,
            self.feed_at,
            self.cancelling_at,
            self.reconciling.next_at,
            self.forgets_at,
        ];
        let latest = now.steady.plus_us(SLEEP_MAX_US);
        known
            .into_iter()
            .chain(paces)
            .chain(self.line.next_time().map(steady))
            .chain(self.watch.next_time())
            .chain(self.settlements.next_time())
            .chain(self.under_way.pauses())
            .chain(self.abandoned.first().map(|(deadline, _)| *deadline))
            .chain(self.line.has_aside().then(|| self.gate.next_rested()).flatten())
            // What is overdue waits for an answer that is under way, and that wakes the node.
            .filter(|time| *time > now.steady)
            .fold(latest, Timestamp::min)
    }
}
