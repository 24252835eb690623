//! What was seen of the covered paths becomes intervals of their state, and these become outages:
//! as it comes, whoever was away meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use domain::agreement::measurement::{Observed, Rules, Sample};
use domain::agreement::scope::{CoveredPath, Scope};
use domain::agreement::state_interval::{
    Derived, MINUTE_US, PathState, RequestMinute, Step, changes_from, evidence_from, judge,
    reconcile, replaced, still_fails,
};
use domain::calendar::day::Day;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{Account, AccountId, Timestamp, VantageId};
use store::Tx;
use store::chain::Fact;
use store::interval as kept;

use crate::account::never_refused;
use crate::availability::{may_be_frozen, touch};
use crate::dialing::Asker;
use crate::{App, Failure, evidence_day};

/// The most samples, intervals and minutes that one judgement reads: weeks of an outage.
const READ_MAX: u32 = 1_000_000;
/// The most intervals, and the most minutes with failures, that are shown.
const SHOWN_MAX: u32 = 10_000;
/// Different customers that are counted in a minute; more prove nothing more.
const CUSTOMERS_MAX: usize = 16;
/// Minutes of requests that wait to be written down; then the oldest are lost.
const WAITING_MAX: usize = 240;

/// Customers' requests of the last minutes, in memory until they are written down.
#[derive(Default)]
pub(crate) struct Requests {
    minutes: Mutex<BTreeMap<(Timestamp, CoveredPath), Counted>>,
}

#[derive(Default, Clone)]
struct Counted {
    served: u64,
    failed: u64,
    customers: BTreeSet<AccountId>,
    failed_at: Option<(Timestamp, Timestamp)>,
    /// Whose calls were broken.
    broken_off: BTreeSet<AccountId>,
}

impl Counted {
    /// Whether its failures say anything. In most minutes some call among many is broken by its
    /// trunk, and one customer's fortune is not everybody's: calls fail when those of several
    /// customers do, and no fewer than are placed.
    fn fails(&self) -> bool {
        self.broken_off.is_empty() || (self.broken_off.len() > 1 && self.failed >= self.served)
    }
}

impl Requests {
    fn count(&self, path: CoveredPath, at: Timestamp, count: impl FnOnce(&mut Counted)) {
        let minute = Timestamp(at.0 - at.0.rem_euclid(MINUTE_US));
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        count(minutes.entry((minute, path)).or_default());
        while minutes.len() > WAITING_MAX {
            minutes.pop_first();
        }
    }

    fn serve(&self, path: CoveredPath, customer: AccountId, at: Timestamp) {
        self.count(path, at, |counted| {
            counted.served += 1;
            if counted.customers.len() < CUSTOMERS_MAX {
                counted.customers.insert(customer);
            }
        });
    }

    fn fail(&self, path: CoveredPath, at: Timestamp) {
        self.count(path, at, |counted| {
            counted.failed += 1;
            // Calls end in any order.
            let (first, last) = counted.failed_at.unwrap_or((at, at));
            counted.failed_at = Some((first.min(at), last.max(at)));
        });
    }

    fn break_off(&self, path: CoveredPath, customer: AccountId, at: Timestamp) {
        self.fail(path, at);
        self.count(path, at, |counted| {
            if counted.broken_off.len() < CUSTOMERS_MAX {
                counted.broken_off.insert(customer);
            }
        });
    }

    /// Takes out the minutes that began before a moment.
    fn take(&self, before: Timestamp) -> Vec<(CoveredPath, RequestMinute)> {
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        let later = minutes.split_off(&(before, CoveredPath::ALL[0]));
        let taken = std::mem::replace(&mut *minutes, later);
        let minute = |((from, path), counted): ((Timestamp, CoveredPath), Counted)| {
            let customers = u32::try_from(counted.customers.len()).unwrap_or(u32::MAX);
            let fails = counted.fails();
            let Counted { served, failed, failed_at, .. } = counted;
            let (failed, failed_at) = if fails { (failed, failed_at) } else { (0, None) };
            (path, RequestMinute { from, served, customers, failed, failed_at })
        };
        taken.into_iter().map(minute).collect()
    }
}

/// A request of a customer was answered, be it with a refusal. What a sandbox asks is no evidence.
pub fn served(app: &App, account: &Account, path: CoveredPath) {
    if !account.is_sandbox() {
        app.requests().serve(path, account.id, app.now());
    }
}

/// A request failed for a fault of ours.
pub fn failed(app: &App, path: CoveredPath) {
    app.requests().fail(path, app.now());
}

/// A call for a customer, tried at that moment, was placed or broken.
pub(crate) fn called(app: &App, asker: Asker, placed: bool, tried_at: Timestamp) {
    let Asker { account, path } = asker;
    if placed {
        app.requests().serve(path, account, tried_at);
    } else {
        app.requests().break_off(path, account, tried_at);
    }
}

/// Writes down what customers' requests came to in the minutes that are over; at the end, in all.
/// What cannot be written is lost, which proves nothing either way.
///
/// # Errors
/// The database failed.
pub async fn keep_requests(app: &App, node: &str, at_end: bool) -> Result<(), Failure> {
    let now = app.now();
    let before = if at_end { Timestamp(i64::MAX) } else { now.plus_us(-MINUTE_US + 1) };
    let minutes = app.requests().take(before);
    if minutes.is_empty() {
        return Ok(());
    }
    let mut first: BTreeMap<CoveredPath, Timestamp> = BTreeMap::new();
    for (path, minute) in &minutes {
        let earliest = first.entry(*path).or_insert(minute.from);
        *earliest = minute.from.min(*earliest);
    }
    let written = app.write(async |tx| {
        for (path, minute) in &minutes {
            kept::add_requests(tx, *path, node, minute).await?;
        }
        Ok(are_new(tx, &first).await?)
    });
    written.await.map_err(never_refused)
}

/// Notes since when something new was seen of paths; always in the same order, so that two who do
/// it never wait for each other.
pub(crate) async fn are_new(
    tx: &mut Tx,
    first: &BTreeMap<CoveredPath, Timestamp>,
) -> Result<(), store::Error> {
    for (path, from) in first {
        kept::is_new(tx, *path, *from).await?;
    }
    Ok(())
}

/// Judges whatever came since it was judged last, and ends outages of which nothing is heard any
/// more. Any node may do it, also at the same time.
///
/// # Errors
/// The database failed; what was judged stays.
pub async fn judge_new(app: &App) -> Result<(), Failure> {
    for path in kept::waiting(&mut app.read().await?).await? {
        let rules = app.settings().measurement.rules(path);
        let now = app.now();
        let judged = app.write(async |tx| Ok(judge_path(tx, path, rules, now).await?));
        judged.await.map_err(never_refused)?;
    }
    Ok(())
}

async fn judge_path(
    tx: &mut Tx,
    path: CoveredPath,
    rules: Rules,
    now: Timestamp,
) -> Result<(), Failure> {
    let lasts_from = now.plus_us(-rules.fresh_us);
    let Some(new_from) = kept::begin(tx, path, now).await? else {
        return end_silent(tx, path, lasts_from, now).await;
    };
    let since = |from| Span { from, to: Timestamp(i64::MAX) };
    let near = kept::intervals(tx, path, since(new_from.plus_us(-rules.fresh_us)), READ_MAX);
    let from = changes_from(&near.await?, new_from, rules);
    let old = kept::intervals(tx, path, since(from), READ_MAX).await?;
    let read = since(evidence_from(from, rules));
    let samples: Vec<Sample> = store::measurement::plain_samples(tx, path, read, READ_MAX).await?;
    let minutes = kept::requests(tx, path, read, READ_MAX).await?;
    let is_full = |count: usize| u32::try_from(count).is_ok_and(|count| count >= READ_MAX);
    if is_full(samples.len()) || is_full(minutes.len()) {
        return Err(Failure::of("judging a path: there are too many samples"));
    }
    let new = replaced(&old, from, &judge(&samples, &minutes, rules));
    kept::replace(tx, path, &old, &new).await?;
    late(tx, path, (&old, &new), (from, now)).await?;
    let down: Vec<Span> = new.down.iter().filter(|span| span.to > from).copied().collect();
    let known = kept::derived(tx, path, from).await?;
    let fails = still_fails(&samples, now, rules);
    let lasts_from = if fails { lasts_from } else { Timestamp(i64::MAX) };
    for step in reconcile(&down, &known, lasts_from) {
        take(tx, path, step, &samples, now).await?;
    }
    Ok(kept::is_judged(tx, path).await?)
}

/// Notes whose frozen months are touched by what came late: everybody's in which the path was up or
/// down otherwise than was known.
async fn late(
    tx: &mut Tx,
    path: CoveredPath,
    (old, new): (&Observed, &Observed),
    (from, now): (Timestamp, Timestamp),
) -> Result<(), Failure> {
    attest_days(tx, path, (old, new), (from, now));
    // Nothing of this month is frozen, so that mostly nobody is asked.
    if from >= PersianMonth::of(now).start() {
        return Ok(());
    }
    for month in may_be_frozen(tx, from, now).await? {
        let time = Span { from: month.start(), to: month.end() };
        let part = |spans: &[Span]| -> Vec<Span> {
            spans.iter().filter_map(|span| span.within(time)).collect()
        };
        let differs = part(&old.up) != part(&new.up) || part(&old.down) != part(&new.down);
        if differs {
            let because = format!("samples and requests of {} came late", path.word());
            touch(tx, time, &Scope::everyone(), &because, now).await?;
        }
    }
    Ok(())
}

/// Attests the days before this one of which the intervals are others by now (I17).
fn attest_days(
    tx: &mut Tx,
    path: CoveredPath,
    (old, new): (&Observed, &Observed),
    (from, now): (Timestamp, Timestamp),
) {
    let changed = evidence_day::between(from, Day::of(now).start()).filter(|day| {
        let time = Span { from: *day, to: Day::of(*day).end() };
        PathState::ALL.iter().any(|state| {
            let part = |spans: &[Span]| -> Vec<Span> {
                spans.iter().filter_map(|span| span.within(time)).collect()
            };
            part(old.of(*state)) != part(new.of(*state))
        })
    });
    evidence_day::attest(tx, changed.map(|day| Fact::Intervals(path, day)), now);
}

/// Outages of which nothing was heard for too long are over with their last sample.
async fn end_silent(
    tx: &mut Tx,
    path: CoveredPath,
    lasts_from: Timestamp,
    now: Timestamp,
) -> Result<(), Failure> {
    let known = kept::derived(tx, path, Timestamp(i64::MIN)).await?;
    let silent = |one: &&Derived| one.lasts && one.measured.to < lasts_from;
    for one in known.iter().filter(silent) {
        kept::move_outage(tx, one.id, one.measured, false, now).await?;
    }
    Ok(())
}

async fn take(
    tx: &mut Tx,
    path: CoveredPath,
    step: Step,
    samples: &[Sample],
    now: Timestamp,
) -> Result<(), Failure> {
    match step {
        Step::Open(span, lasts) => {
            let failing = samples.iter().filter(|one| !one.worked && span.contains(one.at));
            let places: BTreeSet<VantageId> = failing.map(|one| one.vantage).collect();
            let places: Vec<String> = places.iter().map(ToString::to_string).collect();
            let cause = format!("{} did not work", path.word());
            let evidence = format!("failing samples of vantage points {}", places.join(", "));
            let texts = (cause.as_str(), evidence.as_str());
            let id = kept::open_outage(tx, path, (span, lasts), texts, now).await?;
            tracing::warn!(outage = id, path = path.word(), "an outage was seen");
        }
        Step::Measured(id, span, lasts) => {
            kept::move_outage(tx, id, span, lasts, now).await?;
            if !lasts {
                let seconds = span.length_us() / 1_000_000;
                tracing::warn!(outage = id, path = path.word(), seconds, "an outage is over");
            }
        }
        Step::Gone(id) => {
            kept::drop_outage(tx, id, now).await?;
            tracing::warn!(outage = id, path = path.word(), "an outage was none");
        }
    }
    Ok(())
}

/// Whether each path is up at this moment; `None`: it is not known.
///
/// # Errors
/// The database failed.
pub async fn states(app: &App) -> Result<Vec<(CoveredPath, Option<bool>)>, Failure> {
    let now = app.now();
    let mut reads = app.read().await?;
    let mut states = Vec::new();
    for path in CoveredPath::ALL {
        let rules = app.settings().measurement.rules(path);
        // The last look tells of the time until the next one.
        let lately = Span { from: now.plus_us(-rules.fresh_us), to: now };
        let seen = kept::intervals(&mut reads, path, lately, READ_MAX).await?;
        let known = kept::derived(&mut reads, path, lately.from).await?;
        let is_down = known.iter().any(|one| one.lasts);
        let is_up = seen.up.iter().any(|span| span.to >= lately.from);
        let up = (is_down || is_up).then_some(!is_down);
        states.push((path, up));
    }
    Ok(states)
}

/// What one place saw of a path, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Which place.
    pub vantage: VantageId,
    /// Samples that worked.
    pub worked: i64,
    /// Samples that failed.
    pub failed: i64,
}

/// What is known of a path in a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathEvidence {
    /// Which path.
    pub path: CoveredPath,
    /// Its intervals, cut to the time. What none covers is unknown.
    pub intervals: Observed,
    /// What customers' own requests came to, minute by minute.
    pub minutes: Vec<RequestMinute>,
    /// What each place saw.
    pub tallies: Vec<Tally>,
}

impl PathEvidence {
    /// Requests of customers that were served.
    pub fn served(&self) -> u64 {
        self.minutes.iter().map(|minute| minute.served).sum()
    }

    /// Minutes in which requests of customers failed.
    pub fn failing(&self) -> impl Iterator<Item = &RequestMinute> {
        self.minutes.iter().filter(|minute| minute.failed > 0)
    }
}

/// What is known of each path in a time: what a figure of that time opens to.
///
/// # Errors
/// The database failed.
pub async fn evidence(app: &App, time: Span) -> Result<Vec<PathEvidence>, Failure> {
    let mut reads = app.read().await?;
    let mut all = Vec::new();
    for path in CoveredPath::ALL {
        let mut intervals = kept::intervals(&mut reads, path, time, SHOWN_MAX).await?;
        for state in PathState::ALL {
            let cut = intervals.of(state).iter().filter_map(|span| span.within(time)).collect();
            *intervals.of_mut(state) = cut;
        }
        let minutes = kept::requests(&mut reads, path, time, READ_MAX).await?;
        let tallies = store::measurement::tallies(&mut reads, path, time).await?;
        let tally = |(vantage, worked, failed)| Tally { vantage, worked, failed };
        let tallies = tallies.into_iter().map(tally).collect();
        all.push(PathEvidence { path, intervals, minutes, tallies });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_taken_when_they_are_over_and_bounded() {
        let requests = Requests::default();
        for n in 0..400 {
            let at = Timestamp(n * MINUTE_US + 7);
            requests.count(CoveredPath::Api, at, |counted| counted.served += 1);
        }
        let taken = requests.take(Timestamp(390 * MINUTE_US));
        let minutes: Vec<i64> = taken.iter().map(|(_, one)| one.from.0 / MINUTE_US).collect();
        assert_eq!(minutes, (160..390).collect::<Vec<_>>());
        assert_eq!(requests.take(Timestamp(i64::MAX)).len(), 10);
        assert_eq!(requests.take(Timestamp(i64::MAX)), []);
    }
}
