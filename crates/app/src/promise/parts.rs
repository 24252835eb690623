//! What the figures of a month open to (I18): its days, how long its sends took, the minutes that
//! could start enough, and the seconds of tests. A month is judged at most once in a while.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use domain::Timestamp;
use domain::agreement::capacity::Minute;
use domain::agreement::delivery::{AbnormalPeriod, Delivery, DeliveryTally, Sample};
use domain::calendar::day::Day;
use domain::calendar::month::PersianMonth;
use store::Queries;
use store::capacity_test::CapacityTest;
use tokio::sync::Mutex;

use super::{PromiseRefusal, Promises};
use crate::{App, Error, Failure, Result};

/// The months that everybody may have judged: this one and so many before. All sends since one
/// began are read for it.
const MONTHS_BACK: i32 = 13;
/// How long a month that was judged is told to who asks again, microseconds.
pub(super) const FRESH_US: i64 = 3_600_000_000;
const SECOND_US: i64 = 1_000_000;

/// What the figures of a month are the sums of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parts {
    /// Its days in order, as far as sends were taken on them.
    pub days: Vec<Part>,
    /// How many samples of the deciding figure took at most so many whole seconds, and more than
    /// one second less.
    pub distribution: BTreeMap<i64, u64>,
    /// The minutes that could start enough calls, in order.
    pub minutes: Vec<(Timestamp, Minute)>,
    /// Of each test of the load, how many of its calls began in each second of its minute; nothing
    /// of one that is under way or called nobody.
    pub seconds: Vec<Vec<u64>>,
    /// The minutes, counted since 1970, in which more was given than is promised to be carried.
    pub overloaded: BTreeSet<i64>,
}

/// A day's part of the delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which day.
    pub day: Day,
    /// Without the samples of declared periods.
    pub delivery: Delivery,
    /// The same with those samples.
    pub with_declared: Delivery,
}

/// The samples of a month as they are summed up, day by day.
pub(super) struct Sums {
    declared: Vec<AbnormalPeriod>,
    now: Timestamp,
    days: BTreeMap<Day, [DeliveryTally; 2]>,
    distribution: BTreeMap<i64, u64>,
}

impl Sums {
    /// None yet; they will count as they stand at `now`.
    pub(super) fn new(declared: Vec<AbnormalPeriod>, now: Timestamp) -> Self {
        Self { declared, now, days: BTreeMap::new(), distribution: BTreeMap::new() }
    }

    /// Counts a sample.
    pub(super) fn add(&mut self, sample: &Sample) {
        let [without, with] = self.days.entry(Day::of(sample.accepted_at)).or_default();
        let exclusion = sample.exclusion_with(&self.declared);
        without.add(sample, exclusion, self.now);
        with.add(sample, sample.exclusion, self.now);
        if exclusion.is_none() {
            let us = sample.attributable_us(self.now);
            let second = us.saturating_add(SECOND_US - 1) / SECOND_US;
            *self.distribution.entry(second).or_insert(0) += 1;
        }
    }

    /// What all came to, without the samples of declared periods and with them.
    pub(super) fn total(&self) -> [Delivery; 2] {
        [0, 1].map(|which| {
            let mut total = DeliveryTally::default();
            for day in self.days.values() {
                total.merge(&day[which]);
            }
            total.delivery()
        })
    }

    /// What that is the sum of, and the declared periods.
    pub(super) fn into_parts(self) -> (Parts, Vec<AbnormalPeriod>) {
        let days = self.days.iter().map(|(day, [without, with])| Part {
            day: *day,
            delivery: without.delivery(),
            with_declared: with.delivery(),
        });
        let days = days.collect();
        (Parts { days, distribution: self.distribution, ..Parts::default() }, self.declared)
    }
}

/// The calls of a test by the second of its minute.
pub(super) async fn seconds(
    reads: &mut impl Queries,
    test: &CapacityTest,
) -> std::result::Result<Vec<u64>, Failure> {
    let minute = test.end.and_then(|end| Some((end.minute_from?, end.minute.starts)));
    let (Some(campaign), Some((from, count))) = (test.campaign, minute) else {
        return Ok(Vec::new());
    };
    let mut seconds = vec![0; 60];
    let starts = store::capacity_test::starts(reads, campaign).await?;
    // What began after it was written down is not in its count.
    for start in starts.iter().take(usize::try_from(count).unwrap_or(usize::MAX)) {
        let second = usize::try_from(start.us_since(from) / SECOND_US).ok();
        if let Some(of_second) = second.and_then(|second| seconds.get_mut(second)) {
            *of_second += 1;
        }
    }
    Ok(seconds)
}

/// Months as they were judged last.
#[derive(Default)]
pub(crate) struct Judged {
    kept: std::sync::Mutex<BTreeMap<PersianMonth, Arc<Promises>>>,
    /// Held by whom one is judged for.
    judging: Mutex<()>,
}

impl Judged {
    fn kept(&self) -> std::sync::MutexGuard<'_, BTreeMap<PersianMonth, Arc<Promises>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A month, as it was judged within the last hour. It is judged for one who asks at a time: all
/// others get what was judged before, and nobody waits.
///
/// # Errors
/// Refused before it has begun, when it is too long ago, or while another is judged and this one
/// never was.
pub async fn judged(app: &App, month: PersianMonth) -> Result<Arc<Promises>, PromiseRefusal> {
    let now = app.now();
    let is_near = |month: PersianMonth| month.until(PersianMonth::of(now)) <= MONTHS_BACK;
    if !is_near(month) {
        return Err(Error::Refused(PromiseRefusal::LongAgo));
    }
    let is_fresh = |one: &Arc<Promises>| (0..FRESH_US).contains(&now.us_since(one.judged_at));
    let known = || app.judged().kept().get(&month).map(Arc::clone);
    let before = known();
    if let Some(one) = before.clone().filter(is_fresh) {
        return Ok(one);
    }
    let Ok(_judging) = app.judged().judging.try_lock() else {
        return before.ok_or(Error::Refused(PromiseRefusal::Busy));
    };
    // It may have been judged between the two looks.
    if let Some(one) = known().filter(is_fresh) {
        return Ok(one);
    }
    let judged = Arc::new(super::month(app, month).await?);
    let mut kept = app.judged().kept();
    kept.retain(|month, _| is_near(*month));
    kept.insert(month, Arc::clone(&judged));
    Ok(judged)
}
