//! Watching the trunks: when each is pinged, what its answers mean to the gate, and telling the
//! operator how they stand, in the log at a bounded rate and in the database when it changes.

use std::collections::BTreeMap;

use app::trunk::TrunkHealth;
use domain::Timestamp;
use domain::dialer::health::{Condition, Health};
use engine::{CallKey, Command, Hop, Standing};

use crate::moment::Moment;
use crate::node::Node;
use crate::spec;

/// How often it is looked at how the trunks stand, microseconds.
const LOOK_EVERY_US: i64 = 1_000_000;
/// How long the log is silent about a trunk after a line, microseconds.
const LOG_EVERY_US: i64 = 10_000_000;

/// What is known of the watched trunks.
#[derive(Debug, Default)]
pub(crate) struct TrunkWatch {
    pings: BTreeMap<String, Pings>,
    /// How many pings there were.
    count: u64,
    seen: BTreeMap<String, Seen>,
    /// When to look again, by the steady clock.
    look_at: Timestamp,
    /// Something changed that the database was not told.
    news: bool,
}

/// The pings of one trunk.
#[derive(Debug)]
struct Pings {
    /// When the next is due, by the steady clock.
    due: Timestamp,
    /// The one that waits for its answer, and the server that was asked.
    asked: Option<(u64, Hop)>,
}

impl Pings {
    /// Whether this ping waits for its answer.
    fn is(&self, ping: u64) -> bool {
        self.asked.is_some_and(|(asked, _)| asked == ping)
    }
}

/// How a trunk stood when it was looked at.
#[derive(Debug)]
struct Seen {
    condition: Condition,
    /// Since when, and until when it is quarantined, by the wall clock.
    since: Timestamp,
    until: Option<Timestamp>,
    /// What the log said last, and when by the steady clock.
    logged: Option<(Condition, Timestamp)>,
}

impl TrunkWatch {
    /// Looks at the trunks in the next step: one of them was judged.
    pub(crate) fn look(&mut self) {
        self.look_at = Timestamp(0);
    }

    /// When the next ping is due, by the steady clock. Looks need no time of their own: the node is
    /// stepped at least once a second.
    pub(crate) fn next_time(&self) -> Option<Timestamp> {
        self.pings.values().map(|pings| pings.due).min()
    }

    /// How the trunks stand, when the database is to be told.
    pub(crate) fn news(&mut self) -> Option<Vec<TrunkHealth>> {
        let seen = |(trunk, seen): (&String, &Seen)| TrunkHealth {
            trunk: trunk.clone(),
            condition: seen.condition,
            since: seen.since,
            until: seen.until,
        };
        std::mem::take(&mut self.news).then(|| self.seen.iter().map(seen).collect())
    }

    /// The database could not be told.
    pub(crate) fn not_told(&mut self) {
        self.news = true;
    }
}

impl Node {
    /// Pings the trunks whose turn it is, and looks how they stand.
    pub(crate) fn watch_trunks(&mut self, now: Moment) {
        if self.draining {
            return;
        }
        self.ping_trunks(now);
        if now.steady >= self.watch.look_at {
            self.watch.look_at = now.steady.plus_us(LOOK_EVERY_US);
            self.look_at_trunks(now);
        }
    }

    fn ping_trunks(&mut self, now: Moment) {
        let Self { config, watch, gate, marks, commands, .. } = self;
        let pinged =
            config.trunks.iter().filter(|trunk| trunk.enabled && trunk.ping_interval_s > 0);
        watch.pings.retain(|name, _| pinged.clone().any(|trunk| trunk.name == *name));
        for trunk in pinged {
            let first = || Pings { due: now.steady, asked: None };
            let pings = watch.pings.entry(trunk.name.clone()).or_insert_with(first);
            if pings.due > now.steady {
                continue;
            }
            if let Some((_, server)) = pings.asked.take() {
                marks.pinged(server, false, now.steady);
                gate.tell_of(&trunk.name, |health| health.pinged(now.steady, false));
                watch.look_at = now.steady;
            }
            watch.count += 1;
            pings.due = now.steady.plus_ms(i64::from(trunk.ping_interval_s) * 1_000);
            let ping = CallKey(watch.count);
            let Some(server) = marks.choose(trunk, ping, now.steady) else { continue };
            pings.asked = Some((watch.count, server));
            let check =
                spec::trunk_check(config.host_for(server.address), trunk, server, watch.count);
            commands.push((0, Command::CheckTrunk(Box::new(check))));
        }
    }

    /// A trunk has answered a ping with this code, or has not.
    pub(crate) fn on_pinged(&mut self, now: Moment, ping: u64, sip_code: Option<u16>) {
        let pinged = self.watch.pings.iter_mut();
        // One whose successor was sent already counted as missed; an answer to it would say that
        // the trunk was there then.
        let Some((trunk, pings)) = pinged.into_iter().find(|(_, pings)| pings.is(ping)) else {
            return;
        };
        let Some((_, server)) = pings.asked.take() else { return };
        let alive = Health::is_alive(sip_code);
        self.marks.pinged(server, alive, now.steady);
        self.gate.tell_of(trunk, |health| health.pinged(now.steady, alive));
        self.watch.look();
    }

    /// Our registration with a trunk stands, or does not.
    pub(crate) fn on_registration(&mut self, trunk: &str, standing: Standing) {
        let stands = match standing {
            Standing::Registered { .. } => true,
            Standing::Refused { .. } => false,
            Standing::Asking => return,
        };
        self.gate.tell_of(trunk, |health| health.registered(stands));
        self.watch.look();
    }

    fn look_at_trunks(&mut self, now: Moment) {
        let mut before = std::mem::take(&mut self.watch.seen);
        let known = before.len();
        for (trunk, condition, until) in self.gate.conditions(now.steady) {
            let Some(condition) = condition else { continue };
            let until = (condition == Condition::Quarantined)
                .then(|| now.wall.plus_us(until.us_since(now.steady)));
            let old = before.remove(&trunk);
            let same = old.as_ref().filter(|old| old.condition == condition);
            let since = same.map_or(now.wall, |same| same.since);
            // The clocks need not agree to the microsecond.
            self.watch.news |= same.is_none();
            let mut logged = old.and_then(|old| old.logged);
            let usual = logged.map_or(Condition::Good, |(said, _)| said);
            let silent = |(_, at): (_, Timestamp)| now.steady < at.plus_us(LOG_EVERY_US);
            if usual != condition && !logged.is_some_and(silent) {
                logged = Some((condition, now.steady));
                log(&trunk, condition);
            }
            self.watch.seen.insert(trunk, Seen { condition, since, until, logged });
        }
        self.watch.news |= self.watch.seen.len() != known;
    }
}

fn log(trunk: &str, condition: Condition) {
    match condition {
        Condition::Good => tracing::info!(trunk, "the trunk takes calls again"),
        Condition::Trying => tracing::info!(trunk, "the next call tries the trunk"),
        Condition::Quarantined | Condition::Silent | Condition::Unregistered => {
            tracing::warn!(trunk, condition = condition.word(), "the trunk takes no calls");
        }
    }
}
