//! The loop that drives the node: events and answers in, commands and requests out. The node
//! decides; this file only carries.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use domain::Timestamp;
use domain::dialer::health::Condition;
use engine::Event;
use node::{Done, Gate, Moment, Node, NodeStats, Steps};
use tokio::sync::{Notify, mpsc, watch};

use crate::backlog::CommandBacklog;
use crate::clock::Clocks;
use crate::phones::PhoneEvents;
use crate::registrations::Registrations;
use crate::shard::{self, Reported, ShardCommand, Shards};
use crate::trunks::InUse;

/// Answers that may wait unread; the node never has more requests under way.
const ANSWERS: usize = 65_536;
/// How often the node's figures are published, in microseconds.
const FIGURES_EVERY_US: i64 = 1_000_000;
/// How long registrars have to hear that we leave, in microseconds.
const LEAVE_TIME_US: i64 = 2_000_000;
/// The longest sleep: the shards' health is looked at this often, too.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// What the loop stands on.
pub struct Parts {
    /// The node, started.
    pub node: Node,
    /// Its gate, for the figures.
    pub gate: Gate,
    /// Both clocks.
    pub clocks: Clocks,
    /// The threads with the calls.
    pub shards: Shards,
    /// What they report.
    pub events: mpsc::Receiver<Reported>,
    /// Where registrations go.
    pub phones: PhoneEvents,
    /// Rung by the gate.
    pub wake: Arc<Notify>,
    /// Told whether the node leads.
    pub leads: Arc<AtomicBool>,
    /// Our registrations with trunks.
    pub registrations: Registrations,
    /// Commands from elsewhere in the program, for the engine.
    pub orders: mpsc::Receiver<engine::Command>,
    /// All trunks, whenever the operator has changed one.
    pub trunks: mpsc::Receiver<InUse>,
}

/// The running loop.
pub struct NodeLoop {
    parts: Parts,
    answers: (mpsc::Sender<Done>, mpsc::Receiver<Done>),
    backlog: CommandBacklog,
    figures_due: Timestamp,
    /// What was counted when counters were told last.
    counted: NodeStats,
}

impl NodeLoop {
    /// A loop over its parts.
    pub fn new(parts: Parts) -> Self {
        let figures_due = parts.clocks.now().steady;
        let backlog = CommandBacklog::new(parts.shards.count());
        let (answers, counted) = (mpsc::channel(ANSWERS), NodeStats::default());
        Self { parts, answers, backlog, figures_due, counted }
    }

    /// Runs until `stop` says so, then until the live calls have ended or `drain` is over.
    ///
    /// # Errors
    /// A shard's thread died, or another process took this node's name.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>, drain: Duration) -> Result<()> {
        let mut give_up: Option<Timestamp> = None;
        let mut leave_by = None;
        loop {
            let now = self.parts.clocks.now();
            if give_up.is_none() && *stop.borrow() {
                self.parts.node.drain(now);
                let us = i64::try_from(drain.as_micros()).unwrap_or(i64::MAX);
                give_up = Some(now.steady.plus_us(us));
                let nothing = self.parts.registrations.want(Arc::from([]));
                self.order(nothing);
                leave_by = Some(now.steady.plus_us(LEAVE_TIME_US));
            }
            let left =
                self.parts.registrations.are_gone() || leave_by.is_some_and(|by| now.steady >= by);
            let idle = self.parts.node.is_idle() && left;
            if give_up.is_some_and(|at| idle || now.steady >= at) {
                break;
            }
            if self.parts.shards.has_ended() {
                bail!("a shard's thread has died; the calls it had are settled at the next start");
            }
            // A node whose shards take nothing must not ask for more.
            let mut next = now.steady.plus_us(FIGURES_EVERY_US);
            if !self.backlog.is_full() {
                let steps = self.parts.node.step(now);
                next = steps.next_wakeup;
                self.carry_out(steps)?;
            }
            self.publish(now);
            self.wait(now, give_up.map_or(next, |at| next.min(at)), &mut stop, give_up).await;
        }
        self.parts.leads.store(false, Ordering::Relaxed);
        self.report_left_calls();
        self.parts.shards.stop();
        Ok(())
    }

    fn order(&mut self, command: Option<engine::Command>) {
        if let Some(command) = command {
            self.backlog.push(shard::FIRST, ShardCommand::Engine(command));
            self.send();
        }
    }

    /// Hands over what the shards have room for.
    fn send(&mut self) {
        self.backlog.send(|shard, command| self.parts.shards.send(shard, command));
    }

    fn carry_out(&mut self, steps: Steps) -> Result<()> {
        if steps.fenced {
            bail!("another process has taken this node's name; two must not share one (node.name)");
        }
        for (shard, command) in steps.commands {
            self.backlog.push(shard, ShardCommand::Engine(command));
        }
        for released in steps.released {
            self.backlog.push(released.shard, ShardCommand::Release(released.call));
        }
        self.send();
        for work in steps.work {
            let answers = self.answers.0.clone();
            tokio::spawn(async move {
                // The loop has ended when nobody listens; recovery then finds what is undone.
                let _ = answers.send(work.run().await).await;
            });
        }
        Ok(())
    }

    /// Waits for something to do, and takes all of it.
    async fn wait(
        &mut self,
        now: Moment,
        next: Timestamp,
        stop: &mut watch::Receiver<bool>,
        draining: Option<Timestamp>,
    ) {
        let us = u64::try_from(next.us_since(now.steady)).unwrap_or(0);
        // A shard without room is asked again soon.
        let longest = if self.backlog.is_empty() { SLEEP_MAX } else { Duration::from_millis(1) };
        let parts = &mut self.parts;
        tokio::select! {
            Some(reported) = parts.events.recv() => self.take_events(reported),
            Some(done) = self.answers.1.recv() => parts.node.on_done(parts.clocks.now(), done),
            Some(order) = parts.orders.recv(), if !self.backlog.is_full() => {
                self.backlog.push(shard::FIRST, ShardCommand::Engine(order));
            }
            Some(trunks) = parts.trunks.recv(), if draining.is_none() => {
                self.take_trunks(now, trunks);
            }
            () = parts.wake.notified() => {}
            _ = stop.changed(), if draining.is_none() => {}
            () = tokio::time::sleep(Duration::from_micros(us).min(longest)) => {}
        }
        while let Ok(reported) = self.parts.events.try_recv() {
            self.take_events(reported);
        }
        while let Ok(done) = self.answers.1.try_recv() {
            self.parts.node.on_done(self.parts.clocks.now(), done);
        }
        self.send();
    }

    fn take_trunks(&mut self, now: Moment, told: InUse) {
        self.parts.node.set_trunks(now, told.trunks);
        self.order(Some(engine::Command::SetTrunks(told.sources)));
        let registrations = self.parts.registrations.want(told.registrations);
        self.order(registrations);
    }

    fn take_events(&mut self, reported: Reported) {
        let Reported { shard, events } = reported;
        let Parts { phones, registrations, .. } = &mut self.parts;
        let events: Vec<Event> = events
            .into_iter()
            .filter_map(|event| phones.take(event))
            .filter_map(|event| registrations.take(event))
            .collect();
        let elsewhere = self.parts.registrations.go_on();
        self.order(elsewhere);
        self.parts.node.on_events(self.parts.clocks.now(), shard, events);
    }

    fn publish(&mut self, now: Moment) {
        let stats = self.parts.node.stats();
        self.parts.leads.store(stats.leads, Ordering::Relaxed);
        // Whoever sees that a call has begun or ended finds it counted; what goes up and down is
        // told now and then.
        let counted = NodeStats { waiting: 0, calls: 0, unsettled: 0, leads: false, ..stats };
        let is_due = now.steady >= self.figures_due;
        if is_due || counted != self.counted {
            publish_counts(&counted);
            self.counted = counted;
        }
        if !is_due {
            return;
        }
        self.figures_due = now.steady.plus_us(FIGURES_EVERY_US);
        publish_gauges(&stats);
        for (trunk, in_use) in self.parts.gate.channels_in_use() {
            metrics::gauge!("avanak_trunk_channels_in_use", "trunk" => trunk).set(in_use);
        }
        for (trunk, stands, _) in self.parts.gate.conditions(now.steady) {
            for condition in Condition::ALL {
                let (trunk, word) = (trunk.clone(), condition.word());
                metrics::gauge!("avanak_trunk_condition", "trunk" => trunk, "condition" => word)
                    .set(u8::from(stands == Some(condition)));
            }
        }
        for (shard, live) in self.parts.shards.live_calls().enumerate() {
            metrics::gauge!("avanak_shard_live_calls", "shard" => shard.to_string())
                .set(count(live));
        }
        let live = self.parts.shards.live_calls().sum();
        metrics::gauge!("avanak_engine_live_calls").set(count(live));
    }

    fn report_left_calls(&self) {
        let left = self.parts.node.stats().calls;
        if left > 0 {
            tracing::warn!(
                calls = left,
                "calls are still alive; the next start ends and settles them"
            );
        }
    }
}

fn publish_gauges(stats: &NodeStats) {
    metrics::gauge!("avanak_sends_waiting").set(count(stats.waiting as u64));
    metrics::gauge!("avanak_calls_in_hand").set(count(stats.calls as u64));
    metrics::gauge!("avanak_calls_unsettled").set(count(stats.unsettled as u64));
    metrics::gauge!("avanak_node_leads").set(u8::from(stats.leads));
}

fn publish_counts(stats: &NodeStats) {
    metrics::counter!("avanak_calls_dialled_total").absolute(stats.dialled);
    metrics::counter!("avanak_calls_settled_total").absolute(stats.settled);
    metrics::counter!("avanak_sends_expired_total").absolute(stats.expired);
    metrics::counter!("avanak_sends_barred_total").absolute(stats.barred);
    metrics::counter!("avanak_sends_engaged_total").absolute(stats.engaged);
    metrics::counter!("avanak_attempts_not_sent_total").absolute(stats.not_sent);
    metrics::counter!("avanak_attempts_failed_over_total").absolute(stats.failed_over);
    metrics::counter!("avanak_calls_recovered_total").absolute(stats.recovered);
    metrics::counter!("avanak_node_failures_total").absolute(stats.failures);
}

/// A count as a gauge's value; gauges are floating point.
fn count(value: u64) -> f64 {
    u32::try_from(value).unwrap_or(u32::MAX).into()
}
