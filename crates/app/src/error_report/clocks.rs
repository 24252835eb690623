//! The clocks of reports as they stand, and what they show to be missed.

use domain::Timestamp;
use domain::agreement::clock::State;
use domain::agreement::error_report::{ErrorReport, Metric, Terms};
use domain::agreement::violation::Clause;
use domain::calendar::span::Span;
use store::error_report::Kept;

use crate::agreement::Held;
use crate::violation::{MACHINE, NewViolation};

/// A clock as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// Of what.
    pub metric: Metric,
    /// When it is due.
    pub due: Option<Timestamp>,
    /// Whether the moon may still move that: of what counts business days (T011).
    pub may_move: bool,
    /// Where it stands.
    pub state: State,
    /// Whether somebody should look at it.
    pub is_urgent: bool,
    /// Whether what it waits for was done, in time or not.
    pub is_over: bool,
}

/// By what reports are judged: the agreements that held, with the business calendar.
pub(crate) struct Judge {
    held: Held,
}

impl Judge {
    pub(crate) async fn read(reads: &mut impl store::Queries) -> store::Result<Self> {
        Ok(Self { held: Held::read(reads).await? })
    }

    fn terms(&self, report: &ErrorReport) -> Terms {
        let parameters = &self.held.at(report.reported_at).draft.parameters;
        Terms {
            triage_us: parameters.triage_us(),
            fix_days: parameters.fix_days(),
            count: parameters.day_count(),
        }
    }

    /// The clocks of a report.
    pub(crate) fn clocks(&self, report: &ErrorReport, now: Timestamp) -> Vec<Running> {
        let terms = self.terms(report);
        let running = |metric| {
            let clock = report.clock(metric, now, terms, self.held.business())?;
            let due = clock.due(self.held.business());
            let since = report.reported_at;
            let counts_days = metric == Metric::Fix;
            Some(Running {
                metric,
                due,
                may_move: counts_days && self.held.business().due_may_move(since, due, now),
                state: clock.state(now, self.held.business()),
                is_urgent: clock.is_urgent(now, self.held.business()),
                is_over: clock.is_over(),
            })
        };
        Metric::ALL.into_iter().filter_map(running).collect()
    }

    /// What a report shows to be missed by `until`.
    pub(super) fn misses(&self, kept: &Kept, until: Timestamp) -> Vec<NewViolation> {
        let (report, terms) = (&kept.report, self.terms(&kept.report));
        let mut found = Vec::new();
        for metric in Metric::ALL {
            let clock = report.clock(metric, until, terms, self.held.business());
            let missed = clock.and_then(|clock| clock.missed_at(until, self.held.business()));
            found.extend(missed.map(|due| miss(kept, metric, due, until)));
        }
        let fix = report.clock(Metric::Fix, until, terms, self.held.business());
        let fix_due = fix.and_then(|clock| clock.due(self.held.business()));
        let moved = fix_due.and_then(|due| Some((due, report.moved_late(due)?)));
        if let Some((fix_due, moved_at)) = moved {
            let n = report.commitments.len();
            let moved = NewViolation {
                evidence: vec![
                    format!("error report {}, round {}, date {n}", kept.id, report.cycle),
                    String::from("a date was moved without the customer's consent"),
                ],
                reference: format!("report:{}:{}:moved:{n}", kept.id, report.cycle),
                ..miss(kept, Metric::Delivery, fix_due, moved_at)
            };
            found.push(moved);
        }
        found.extend(not_given(kept, until));
        found
    }
}

/// The entry of a promise that was not kept.
fn miss(kept: &Kept, metric: Metric, due: Timestamp, until: Timestamp) -> NewViolation {
    let (clause, what) = match metric {
        Metric::Triage => (Clause::Triage, "the result was not told"),
        Metric::Fix => {
            (Clause::Fix, "nobody had made sure that it is fixed, nor was a date announced")
        }
        Metric::Delivery => (Clause::Commitment, "what was announced was not delivered"),
    };
    NewViolation {
        account: kept.new.account,
        clause,
        span: Span { from: due, to: until.max(due) },
        evidence: vec![
            format!("error report {}, round {}", kept.id, kept.report.cycle),
            format!("{what} by its time"),
        ],
        reference: format!("report:{}:{}:{}", kept.id, kept.report.cycle, metric.word()),
        actor: MACHINE.to_owned(),
    }
}

/// The entry of a customer who did not make available what was asked for (C21, T103).
fn not_given(kept: &Kept, until: Timestamp) -> Option<NewViolation> {
    let (account, asked_until) = (kept.new.account?, kept.report.asked_until?);
    (asked_until < until).then(|| NewViolation {
        account: Some(account),
        clause: Clause::RemoteTool,
        span: Span { from: asked_until, to: until },
        evidence: vec![
            format!("error report {}", kept.id),
            String::from("what was asked for was not made available by its time"),
        ],
        reference: format!("report:{}:asked:{}", kept.id, asked_until.0),
        actor: MACHINE.to_owned(),
    })
}
