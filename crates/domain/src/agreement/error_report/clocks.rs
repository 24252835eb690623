//! The clocks of a report, made from its steps.

use super::{ErrorReport, Metric, Terms};
use crate::Timestamp;
use crate::agreement::clock::{Change, Clock, Event, Goal, PauseReason, fix_start};
use crate::calendar::span::{self, Span};
use crate::calendar::working_time::Timetable;

impl ErrorReport {
    /// The clock of a promise as it stands at a moment; `None` when nothing is promised (yet).
    pub fn clock(
        &self,
        metric: Metric,
        now: Timestamp,
        terms: Terms,
        business: &Timetable,
    ) -> Option<Clock> {
        let (start, goal, met) = match metric {
            Metric::Triage => (self.reported_at, Goal::Real(terms.triage_us), self.result_at),
            Metric::Fix => {
                let finding = self.finding.as_ref().filter(|finding| finding.is_fixed())?;
                let triage = self.clock(Metric::Triage, now, terms, business)?;
                let start = fix_start(triage.due(business)?, self.result_at);
                let announced = self.commitments.first().map(|first| first.announced_at);
                // Told and made sure of: what is only said to be fixed may not be.
                let met = if finding.is_structural() { announced } else { self.verified_at };
                (start, Goal::Days(terms.fix_days, terms.count), met)
            }
            Metric::Delivery => return self.delivery(business),
        };
        let end = met.unwrap_or(now).max(start);
        let asked = metric != Metric::Triage && self.asked_until.is_some_and(|at| at < now);
        let waits = self.paused_since.is_some() || asked;
        let mut events = vec![event(start, Change::Started(goal))];
        for pause in self
            .pauses(metric, end)
            .into_iter()
            .filter_map(|pause| pause.within(Span { from: start, to: end }))
        {
            // What proved it was judged when the step was taken.
            let reason = PauseReason::AskedUntil(pause.from);
            events.push(event(pause.from, Change::Paused(reason)));
            if pause.to < end || met.is_some() || !waits {
                events.push(event(pause.to, Change::Resumed));
            }
        }
        events.extend(met.map(|met| event(met.max(start), Change::Met)));
        Some(Clock::fold(&events, business).expect("they are made in order"))
    }

    /// What was announced is due; only a date that the customer agreed to moves it (C27).
    fn delivery(&self, business: &Timetable) -> Option<Clock> {
        let first = self.commitments.first()?;
        let goal = |due: Timestamp| Goal::Real(due.us_since(first.announced_at));
        let mut events = vec![event(first.announced_at, Change::Started(goal(first.due)))];
        let agreed = self.commitments.iter().filter(|date| date.agreed);
        let moved =
            agreed.map(|date| event(date.announced_at, Change::GoalChanged(goal(date.due))));
        events.extend(moved);
        events.extend(self.delivered_at.map(|at| event(at, Change::Met)));
        Some(Clock::fold(&events, business).expect("they are made in order"))
    }

    /// When it waited for its customer until a moment, in order. The result is told whatever a
    /// customer was asked for: only that it cannot be reached lets that clock stand.
    pub(super) fn pauses(&self, metric: Metric, until: Timestamp) -> Vec<Span> {
        let mut spans = self.unreached.clone();
        spans.extend(self.paused_since.and_then(|since| Span::new(since, until)));
        if metric != Metric::Triage {
            spans.extend(&self.ungiven);
            spans.extend(self.asked_until.and_then(|since| Span::new(since, until)));
        }
        span::union(spans)
    }

    /// When the last date was announced, if it moved the one before it after the fix was due and
    /// without the customer's consent (C27).
    pub fn moved_late(&self, fix_due: Timestamp) -> Option<Timestamp> {
        let last = self.commitments.last().filter(|_| self.commitments.len() > 1)?;
        (!last.agreed && last.announced_at > fix_due).then_some(last.announced_at)
    }
}

pub(super) fn event(at: Timestamp, change: Change) -> Event {
    Event { at, actor: String::new(), change }
}
