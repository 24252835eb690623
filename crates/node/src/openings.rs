//! Whether waiting jobs may be called now by the policy of their class, found out once for all jobs
//! that are alike in a step.

use std::collections::BTreeMap;
use std::sync::Arc;

use app::class::Rules;
use app::dialing::ReadyJob;
use domain::class::Opening;
use domain::{Destination, MessageClass, Timestamp};

/// How long a job steps back at the most whose class may not call, milliseconds: a policy may be
/// changed meanwhile, and a permission given, which is not known yet when its first send comes in
/// the same second.
const STEP_BACK_MS: i64 = 10_000;
/// How long it steps back while no rule is known, milliseconds.
const UNKNOWN_MS: i64 = 1_000;

/// The answers of one step.
pub(crate) struct Openings {
    rules: Option<Arc<Rules>>,
    people: bool,
    now: Timestamp,
    known: BTreeMap<(MessageClass, bool, bool), Opening>,
}

impl Openings {
    /// Nothing is known yet; `people`: the trunks reach some.
    pub(crate) fn new(rules: Option<Arc<Rules>>, people: bool, now: Timestamp) -> Self {
        Self { rules, people, now, known: BTreeMap::new() }
    }

    /// Whether a call of this job reaches a person.
    pub(crate) fn person(&self, job: &ReadyJob) -> bool {
        self.people && matches!(job.destination, Destination::Number(_))
    }

    /// Until when a job has to step back; `None` when it may be called now.
    pub(crate) fn closed_until(&mut self, job: &ReadyJob) -> Option<Timestamp> {
        let latest = self.now.plus_ms(STEP_BACK_MS);
        match self.opening(job) {
            None => Some(self.now.plus_ms(UNKNOWN_MS)),
            Some(Opening::Open { .. }) => None,
            Some(Opening::Closed { opens_at }) => {
                Some(opens_at.map_or(latest, |at| at.min(latest)))
            }
        }
    }

    /// When a job has to be dialled by that is to be called now; that is over already when it
    /// may not be called.
    pub(crate) fn dial_by(&mut self, job: &ReadyJob) -> Timestamp {
        match self.opening(job) {
            Some(Opening::Open { until, .. }) => until.min(job.expires_at),
            Some(Opening::Closed { .. }) | None => self.now,
        }
    }

    /// `None`: no rule is known.
    fn opening(&mut self, job: &ReadyJob) -> Option<Opening> {
        let rules = self.rules.as_ref()?;
        let key = (job.message_class, rules.any_hour(job.account), self.person(job));
        let opening = || rules.opening(job, key.2, self.now);
        Some(*self.known.entry(key).or_insert_with(opening))
    }
}
