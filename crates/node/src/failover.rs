//! From a trunk that failed to the next one. The attempt is closed without a charge, its hold
//! stays, and the send goes back to its place in the line, where it waits for another trunk of its
//! route: so the next INVITE has an attempt, a lease and a flight record of its own, and whatever
//! happens in between, nobody is called twice (docs/decisions/0033).

use std::collections::BTreeMap;

use app::dialing::{EndedCall, OpenAttempt, PutBack};
use domain::dialer::route::TRUNKS_MAX;
use domain::{Destination, QuickSendId, Timestamp};
use engine::{CallKey, Outcome};

use crate::gate::Wanted;
use crate::live::{Stage, Terms};
use crate::moment::Moment;
use crate::node::{Node, Return};
use crate::settle::{Judgement, failed, judgement};
use crate::spec;

/// Sends of which it is remembered who failed them. What is forgotten may be tried by the same
/// trunk again; how often is counted in the database.
const TRIED_MAX: usize = 50_000;

/// The trunks that failed a send, while it waits for another one.
#[derive(Debug, Default)]
pub(crate) struct Tried(BTreeMap<QuickSendId, Vec<String>>);

impl Tried {
    pub(crate) fn add(&mut self, send: QuickSendId, trunk: &str) {
        if self.0.len() >= TRIED_MAX {
            self.0.pop_first();
        }
        self.0.entry(send).or_default().push(trunk.to_owned());
    }

    pub(crate) fn of(&self, send: QuickSendId) -> &[String] {
        self.0.get(&send).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn forget(&mut self, send: QuickSendId) {
        self.0.remove(&send);
    }
}

impl Return {
    /// A trunk failed it; it keeps its place in the line.
    pub(crate) fn failed(ended: &EndedCall, shard: usize, due_at: Timestamp) -> Self {
        let (attempt, ended_at) = (ended.attempt, ended.ended_at);
        let ladder = ended.ladder.clone();
        Self { shard, back: PutBack { attempt, ended_at, due_at, failure: failed(ended), ladder } }
    }
}

impl Node {
    /// Judges the trunk of a call that ended, and lets another one try when it has failed, or the
    /// same with another of its servers. Tells whether one will.
    pub(crate) fn fail_over(
        &mut self,
        now: Moment,
        key: CallKey,
        outcome: &Outcome,
        ended: &EndedCall,
    ) -> bool {
        let Some(call) = self.calls.get(&key) else { return false };
        let Stage::Placed { started, .. } = call.stage else { return false };
        let lives;
        let heard = self.gate.was_heard_after(&call.callee, started.steady);
        match judgement(outcome, heard) {
            Judgement::Unknown => return false,
            Judgement::Served => {
                self.gate.served(&call.callee, now);
                return false;
            }
            Judgement::Failed(failure) => {
                self.watch.look();
                // A trunk has failed when all of its servers have.
                let known = spec::trunk(&self.config, &call.trunk);
                lives = known.is_some_and(|trunk| self.marks.has_another(trunk, now.steady));
                if !lives {
                    self.gate.failed(&call.callee, failure, now);
                }
            }
        }
        let send = call.attempt.quick_send;
        let mut tried = self.tried.of(send).to_vec();
        if !lives {
            tried.push(call.trunk.clone());
        }
        if !self.has_another(&call.destination, &call.terms, &tried, now) {
            return false;
        }
        tracing::debug!(send = send.0, trunk = call.trunk, "another trunk is to carry it");
        if !lives {
            self.tried.add(send, &call.trunk);
        }
        self.returns.push(Return::failed(ended, call.shard, call.terms.due_at));
        self.calls.remove(&key);
        true
    }

    /// Whether another trunk may try what an earlier process left open.
    pub(crate) fn another_may_try(&self, open: &OpenAttempt, now: Moment) -> bool {
        let tried = [open.trunk.clone()];
        self.has_another(&open.destination, &Terms::of_open(open), &tried, now)
    }

    fn has_another(
        &self,
        destination: &Destination,
        terms: &Terms,
        tried: &[String],
        now: Moment,
    ) -> bool {
        let Terms { server, sandbox, .. } = *terms;
        let wanted = Wanted { destination, server, sandbox, without: tried };
        matches!(destination, Destination::Number(_))
            && terms.trunks_failed + 1 < TRUNKS_MAX
            && now.wall < terms.expires_at
            && self.gate.route_for(&wanted).is_some()
    }
}
