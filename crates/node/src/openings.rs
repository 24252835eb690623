//! Whether waiting jobs may be called now by the policy of their class, found out once for all jobs
//! that are alike in a step.

use std::collections::BTreeMap;
use std::sync::Arc;

use app::class;
use app::dialing::ReadyJob;
use domain::class::{Opening, Policies};
use domain::{Destination, MessageClass, Timestamp};

/// How long a job steps back at the most whose class may not call, milliseconds: a policy may be
/// changed meanwhile, and a permission given.
const STEP_BACK_MS: i64 = 60_000;
/// How long it steps back while no policy is known, milliseconds.
const UNKNOWN_MS: i64 = 1_000;

/// The answers of one step.
pub(crate) struct Openings {
    policies: Option<Arc<Policies>>,
    people: bool,
    now: Timestamp,
    known: BTreeMap<(MessageClass, bool, bool), Opening>,
}

impl Openings {
    /// Nothing is known yet; `people`: the trunks reach some.
    pub(crate) fn new(policies: Option<Arc<Policies>>, people: bool, now: Timestamp) -> Self {
        Self { policies, people, now, known: BTreeMap::new() }
    }

    /// Whether a call of this job reaches a person.
    pub(crate) fn person(&self, job: &ReadyJob) -> bool {
        self.people && matches!(job.destination, Destination::Number(_))
    }

    /// Until when a job has to step back; `None` when it may be called now.
    pub(crate) fn closed_until(&mut self, job: &ReadyJob) -> Option<Timestamp> {
        let Some(policies) = &self.policies else { return Some(self.now.plus_ms(UNKNOWN_MS)) };
        let key = (job.message_class, job.any_hour, self.person(job));
        let now = self.now;
        let opening =
            *self.known.entry(key).or_insert_with(|| class::opening(policies, job, key.2, now));
        let latest = now.plus_ms(STEP_BACK_MS);
        match opening {
            Opening::Open { .. } => None,
            Opening::Closed { opens_at } => Some(opens_at.map_or(latest, |at| at.min(latest))),
        }
    }
}
