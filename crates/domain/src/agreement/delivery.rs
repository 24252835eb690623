//! The promise that a quick send is delivered in less than 15 seconds on average (C24, A13 to A16).
//!
//! What the provider answers for is the time until it rings and the time from the answer to the
//! first sound; how long a callee lets it ring is not. A send that was never tried counts with its
//! age, so that what is worst does not drop out.

use std::collections::BTreeMap;

use crate::Timestamp;
use crate::calendar::span::Span;

/// Below this the mean has to stay, microseconds (N8).
pub const MEAN_LIMIT_US: i64 = 15_000_000;

/// Why a send is no sample of the normal state (A15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exclusion {
    /// It was given outside the hours in which it may be called.
    OutsideHours,
    /// Its own customer held it back, or had no money for it.
    CustomersOwn,
    /// Maintenance was under way, told in time.
    Maintenance,
    /// More was given than is promised to be carried.
    Overload,
    /// A period that was declared abnormal, and published as such.
    Declared,
}

impl Exclusion {
    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::OutsideHours => "outside hours",
            Self::CustomersOwn => "customer's own",
            Self::Maintenance => "maintenance",
            Self::Overload => "overload",
            Self::Declared => "declared abnormal",
        }
    }
}

/// The first attempt of a quick send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When the customer was told that it is taken.
    pub accepted_at: Timestamp,
    /// When it rang, or the network said why it does not; `None` while neither has happened.
    pub reached_at: Option<Timestamp>,
    /// When it was answered and when the first sound left.
    pub heard: Option<(Timestamp, Timestamp)>,
    /// Why it is no sample of the normal state.
    pub exclusion: Option<Exclusion>,
}

impl Sample {
    /// What the provider answers for, microseconds; the age at `now` for what was never tried.
    pub fn attributable_us(&self, now: Timestamp) -> i64 {
        let until_reached = self.reached_at.unwrap_or(now).us_since(self.accepted_at).max(0);
        let until_heard = self.heard.map_or(0, |(answered, audio)| audio.us_since(answered).max(0));
        until_reached.saturating_add(until_heard)
    }

    /// Why it does not count, also for one of these declared periods.
    pub fn exclusion_with(&self, abnormal: &[AbnormalPeriod]) -> Option<Exclusion> {
        let is_in = |period: &AbnormalPeriod| {
            period.withdrawn.is_none() && period.span.contains(self.accepted_at)
        };
        self.exclusion.or_else(|| abnormal.iter().any(is_in).then_some(Exclusion::Declared))
    }

    /// From the acceptance until the first sound, the callee's ringing too, microseconds.
    pub fn raw_us(&self) -> Option<i64> {
        self.heard.map(|(_, audio)| audio.us_since(self.accepted_at).max(0))
    }
}

/// The longest time that is declared not to be normal at once, microseconds: the longest month.
/// What lasts longer is declared again, with its reason.
pub const ABNORMAL_MAX_US: i64 = 31 * 86_400_000_000;

/// A time that was declared not to be normal. It is published with all of this, also once it was
/// taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbnormalPeriod {
    /// Its number.
    pub id: i64,
    /// When it was.
    pub span: Span,
    /// Why, in the words of who declared it.
    pub reason: String,
    /// Who declared it.
    pub author: String,
    /// When it was declared: mostly afterwards, which is to be seen.
    pub declared_at: Timestamp,
    /// That it was taken back: from then on it takes no samples.
    pub withdrawn: Option<Withdrawn>,
}

/// That somebody took back that a time was not normal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawn {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub because: String,
}

/// Why a time cannot be declared not to have been normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undeclarable {
    /// It has not begun.
    Future,
    /// It is longer than [`ABNORMAL_MAX_US`].
    Long,
}

/// Whether a time may be declared at `now` not to be normal (A15, T198): one that has begun, and is
/// no longer than the longest month, so that no word of today decides about years to come.
///
/// # Errors
/// Why not.
pub fn may_be_declared(span: Span, now: Timestamp) -> Result<(), Undeclarable> {
    if span.from > now {
        Err(Undeclarable::Future)
    } else if span.to.us_since(span.from) > ABNORMAL_MAX_US {
        Err(Undeclarable::Long)
    } else {
        Ok(())
    }
}

/// A mean and what it hides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// How many samples.
    pub count: usize,
    /// All of them together, microseconds.
    pub sum_us: i128,
    /// Half of them were not slower, microseconds.
    pub p50_us: i64,
    /// 95 of 100 were not slower, microseconds.
    pub p95_us: i64,
    /// 99 of 100 were not slower, microseconds.
    pub p99_us: i64,
}

/// How often each latency occurred, in a bounded room however many there are: below 512
/// microseconds each by itself, above that in steps of at most 0.4 %, of each of which the greatest
/// that occurred is kept. Sum and count are exact.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    steps: BTreeMap<u64, (usize, i64)>,
    count: usize,
    sum_us: i128,
}

/// How many of the highest bits of a latency tell its step.
const STEP_BITS: u32 = 9;

impl Tally {
    /// Counts a latency, microseconds; none is below 0.
    pub fn add(&mut self, us: i64) {
        let us = us.max(0);
        let step = self.steps.entry(step(us)).or_insert((0, us));
        *step = (step.0 + 1, step.1.max(us));
        self.count += 1;
        self.sum_us += i128::from(us);
    }

    /// Counts what another one counted.
    pub fn merge(&mut self, other: &Self) {
        for (step, (count, most)) in &other.steps {
            let mine = self.steps.entry(*step).or_insert((0, *most));
            *mine = (mine.0 + count, mine.1.max(*most));
        }
        self.count += other.count;
        self.sum_us += other.sum_us;
    }

    /// The mean and what it hides; `None` without any sample.
    pub fn latency(&self) -> Option<Latency> {
        // The nearest rank: a value that really occurred.
        let percentile = |percent: usize| {
            let rank = (self.count * percent).div_ceil(100);
            let reached = self.steps.values().scan(0, |passed, (count, most)| {
                *passed += count;
                Some((*passed, *most))
            });
            reached.into_iter().find(|(passed, _)| *passed >= rank).map(|(_, most)| most)
        };
        (self.count > 0).then_some(())?;
        Some(Latency {
            count: self.count,
            sum_us: self.sum_us,
            p50_us: percentile(50)?,
            p95_us: percentile(95)?,
            p99_us: percentile(99)?,
        })
    }
}

/// The step of a latency: greater ones have the same or a later one.
fn step(us: i64) -> u64 {
    let us = us.unsigned_abs();
    let shift = (u64::BITS - us.leading_zeros()).saturating_sub(STEP_BITS);
    (u64::from(shift) << STEP_BITS) + (us >> shift)
}

impl Latency {
    /// `None` without any sample.
    pub fn of(samples_us: impl IntoIterator<Item = i64>) -> Option<Self> {
        let mut tally = Tally::default();
        for us in samples_us {
            tally.add(us);
        }
        tally.latency()
    }

    /// The mean, microseconds, rounded up: what is shown never looks better than it was.
    pub fn mean_us(&self) -> i64 {
        let count = i128::try_from(self.count).expect("a count of what is in memory");
        let up = self.sum_us.div_euclid(count) + i128::from(self.sum_us.rem_euclid(count) > 0);
        i64::try_from(up).expect("a mean is at most its largest sample")
    }
}

/// What an agreement promises of the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promised {
    /// Below this the mean has to stay, microseconds.
    pub mean_us: i64,
    /// More than this share of excluded samples, percent, and the figure does not represent its
    /// month.
    pub excluded_percent: usize,
}

/// What a month of quick sends came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What the provider answers for; it decides. `None` when no sample is left.
    pub attributable: Option<Latency>,
    /// Until the first sound, of those samples that were heard.
    pub raw: Option<Latency>,
    /// How many samples were excluded, and why.
    pub excluded: BTreeMap<Exclusion, usize>,
}

/// What sends came to, as they are summed up one by one: never all of them are there at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliveryTally {
    attributable: Tally,
    raw: Tally,
    excluded: BTreeMap<Exclusion, usize>,
}

impl DeliveryTally {
    /// Counts a sample as it stands at `now`, or why it does not count.
    pub fn add(&mut self, sample: &Sample, exclusion: Option<Exclusion>, now: Timestamp) {
        if let Some(reason) = exclusion {
            *self.excluded.entry(reason).or_insert(0) += 1;
            return;
        }
        self.attributable.add(sample.attributable_us(now));
        if let Some(raw) = sample.raw_us() {
            self.raw.add(raw);
        }
    }

    /// Counts what another one counted.
    pub fn merge(&mut self, other: &Self) {
        self.attributable.merge(&other.attributable);
        self.raw.merge(&other.raw);
        for (reason, count) in &other.excluded {
            *self.excluded.entry(*reason).or_insert(0) += count;
        }
    }

    /// What they came to.
    pub fn delivery(&self) -> Delivery {
        Delivery {
            attributable: self.attributable.latency(),
            raw: self.raw.latency(),
            excluded: self.excluded.clone(),
        }
    }
}

impl Delivery {
    /// Judges samples as they stand at `now`; those accepted in a declared period are excluded.
    pub fn of(samples: &[Sample], abnormal: &[AbnormalPeriod], now: Timestamp) -> Self {
        let mut tally = DeliveryTally::default();
        for sample in samples {
            tally.add(sample, sample.exclusion_with(abnormal), now);
        }
        tally.delivery()
    }

    /// Whether the mean stayed below `limit_us`; `None` when nothing was measured.
    pub fn met(&self, limit_us: i64) -> Option<bool> {
        let latency = self.attributable?;
        let count = i128::try_from(latency.count).expect("a count of what is in memory");
        Some(latency.sum_us < i128::from(limit_us) * count)
    }

    /// Whether so few samples were excluded, at most so many percent, that the figure speaks for
    /// the month.
    pub fn is_representative(&self, most_percent: usize) -> bool {
        let excluded: usize = self.excluded.values().sum();
        let all = excluded + self.attributable.map_or(0, |latency| latency.count);
        excluded * 100 <= all * most_percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_US: i64 = 1_000_000;

    fn second(n: i64) -> Timestamp {
        Timestamp(n * SECOND_US)
    }

    /// Rings after `reached_us`, is answered 40 seconds later and heard at once.
    fn sample(reached_us: i64) -> Sample {
        let reached = Timestamp(reached_us);
        let answered = reached.plus_us(40 * SECOND_US);
        Sample {
            accepted_at: Timestamp(0),
            reached_at: Some(reached),
            heard: Some((answered, answered)),
            exclusion: None,
        }
    }

    /// T190, T194.
    #[test]
    fn the_mean_has_to_be_below_15_seconds_whatever_the_callee_does() {
        let met = |us| {
            let delivery = Delivery::of(&vec![sample(us); 1000], &[], second(100));
            assert_eq!(delivery.attributable.unwrap().mean_us(), us);
            assert_eq!(delivery.raw.unwrap().mean_us(), us + 40 * SECOND_US);
            delivery.met(MEAN_LIMIT_US).unwrap()
        };
        assert!(met(14_900_000) && !met(15_000_000));
        let mut one_faster = vec![sample(15_000_000); 999];
        one_faster.push(sample(14_999_999));
        let delivery = Delivery::of(&one_faster, &[], second(100));
        assert_eq!(delivery.met(MEAN_LIMIT_US), Some(true));
        assert_eq!(delivery.attributable.unwrap().mean_us(), 15_000_000);
    }

    #[test]
    fn what_was_never_tried_counts_with_its_age() {
        let waiting = Sample { reached_at: None, heard: None, ..sample(0) };
        assert_eq!(waiting.attributable_us(second(600)), 600 * SECOND_US);
        let busy = Sample { heard: None, ..sample(3 * SECOND_US) };
        assert_eq!((busy.attributable_us(second(600)), busy.raw_us()), (3 * SECOND_US, None));
        let slow = Sample { heard: Some((second(5), second(7))), ..sample(SECOND_US) };
        assert_eq!(slow.attributable_us(second(600)), 3 * SECOND_US);
    }

    /// T192, T193.
    #[test]
    fn what_is_excluded_is_counted_by_its_reason_and_too_much_of_it_is_said() {
        let held = Sample { exclusion: Some(Exclusion::OutsideHours), ..sample(60 * SECOND_US) };
        let of = |excluded: usize| {
            let mut samples = vec![sample(SECOND_US); 100 - excluded];
            samples.extend(vec![held; excluded]);
            Delivery::of(&samples, &[], second(100))
        };
        assert!(of(10).is_representative(10) && !of(12).is_representative(10));
        assert!(of(12).is_representative(12));
        assert_eq!(of(12).excluded, BTreeMap::from([(Exclusion::OutsideHours, 12)]));
        assert_eq!(of(12).attributable.unwrap().mean_us(), SECOND_US);
        assert_eq!(of(100).met(MEAN_LIMIT_US), None);
    }

    /// T198: the figures are there with and without what was declared.
    #[test]
    fn a_declared_period_takes_its_samples_and_nothing_else() {
        let mut late = sample(100 * SECOND_US);
        late.accepted_at = second(50);
        let samples = [sample(SECOND_US), late];
        let declared = AbnormalPeriod {
            span: Span::new(second(40), second(60)).unwrap(),
            reason: "the carrier's exchange burned".to_owned(),
            author: "operator".to_owned(),
            id: 1,
            declared_at: second(5000),
            withdrawn: None,
        };
        let with = Delivery::of(&samples, &[], second(200));
        let without = Delivery::of(&samples, std::slice::from_ref(&declared), second(200));
        assert_eq!(
            (with.met(MEAN_LIMIT_US), without.met(MEAN_LIMIT_US)),
            (Some(false), Some(true))
        );
        assert_eq!(without.excluded, BTreeMap::from([(Exclusion::Declared, 1)]));
        let withdrawn = Withdrawn {
            at: second(6000),
            by: "manager".to_owned(),
            because: "it did not burn".to_owned(),
        };
        let taken_back = AbnormalPeriod { withdrawn: Some(withdrawn), ..declared };
        assert_eq!(Delivery::of(&samples, &[taken_back], second(200)), with);
    }

    /// A15: nobody declares today that years to come will not be normal.
    #[test]
    fn a_declared_period_has_begun_and_is_a_month_at_most() {
        let (now, second_us) = (second(100), SECOND_US);
        let span = |from: Timestamp, us: i64| Span::new(from, from.plus_us(us)).unwrap();
        let declared = |from, us| may_be_declared(span(from, us), now);
        assert_eq!(declared(now, ABNORMAL_MAX_US), Ok(()), "it may go on");
        assert_eq!(declared(now, ABNORMAL_MAX_US + 1), Err(Undeclarable::Long));
        assert_eq!(declared(now.plus_us(1), second_us), Err(Undeclarable::Future));
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let latency = Latency::of((1..=200).rev()).unwrap();
        assert_eq!((latency.p50_us, latency.p95_us, latency.p99_us), (100, 190, 198));
        let one = Latency::of([7]).unwrap();
        assert_eq!((one.p50_us, one.p99_us, one.mean_us()), (7, 7, 7));
        assert_eq!(Latency::of([]), None);
    }

    /// Goal: however many there are and in whatever parts they are summed up, a percentile is a
    /// value that occurred, never faster than the true one and at most 0.4 % slower; the mean is
    /// exact.
    #[test]
    fn many_samples_are_summed_up_in_a_small_room() {
        let mut seed = 7_u64;
        let values: Vec<i64> = (0..100_000)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                i64::try_from((seed >> 20) % (1 << (10 + seed % 24))).unwrap()
            })
            .collect();
        let mut parts = vec![Tally::default(); 7];
        for (n, us) in values.iter().enumerate() {
            parts[n % 7].add(*us);
        }
        let mut whole = Tally::default();
        for part in &parts {
            whole.merge(part);
        }
        assert!(whole.steps.len() < 26 << (STEP_BITS - 1), "{} steps", whole.steps.len());
        let latency = whole.latency().unwrap();
        let mut sorted = values.clone();
        sorted.sort_unstable();
        assert_eq!(latency.sum_us, sorted.iter().copied().map(i128::from).sum::<i128>());
        for (percent, told) in [(50, latency.p50_us), (95, latency.p95_us), (99, latency.p99_us)] {
            let exact = sorted[sorted.len() * percent / 100 - 1];
            assert!(told >= exact && told - exact <= exact / 250, "p{percent} {exact} {told}");
            assert!(sorted.binary_search(&told).is_ok());
        }
        assert_eq!(Latency::of(values), Some(latency));
    }
}
