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
/// More than this share of excluded samples, percent, and the figure does not represent the month.
const EXCLUDED_MAX_PERCENT: usize = 10;

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

    /// From the acceptance until the first sound, the callee's ringing too, microseconds.
    pub fn raw_us(&self) -> Option<i64> {
        self.heard.map(|(_, audio)| audio.us_since(self.accepted_at).max(0))
    }
}

/// A time that was declared not to be normal. It is published with all of this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbnormalPeriod {
    /// When it was.
    pub span: Span,
    /// Why, in the words of who declared it.
    pub reason: String,
    /// Who declared it.
    pub author: String,
    /// When it was declared: mostly afterwards, which is to be seen.
    pub declared_at: Timestamp,
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

impl Latency {
    /// `None` without any sample.
    pub fn of(mut samples_us: Vec<i64>) -> Option<Self> {
        samples_us.sort_unstable();
        let count = samples_us.len();
        // The nearest rank: a value that really occurred.
        let percentile = |percent: usize| samples_us.get((count * percent).div_ceil(100) - 1);
        (count > 0).then_some(())?;
        Some(Self {
            count,
            sum_us: samples_us.iter().copied().map(i128::from).sum(),
            p50_us: *percentile(50)?,
            p95_us: *percentile(95)?,
            p99_us: *percentile(99)?,
        })
    }

    /// The mean, microseconds, rounded up: what is shown never looks better than it was.
    pub fn mean_us(&self) -> i64 {
        let count = i128::try_from(self.count).expect("a count of what is in memory");
        let up = self.sum_us.div_euclid(count) + i128::from(self.sum_us.rem_euclid(count) > 0);
        i64::try_from(up).expect("a mean is at most its largest sample")
    }
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

impl Delivery {
    /// Judges samples as they stand at `now`; those accepted in a declared period are excluded.
    pub fn of(samples: &[Sample], abnormal: &[AbnormalPeriod], now: Timestamp) -> Self {
        let declared = |sample: &Sample| {
            abnormal.iter().any(|period| period.span.contains(sample.accepted_at))
        };
        let mut excluded = BTreeMap::new();
        let (mut attributable, mut raw) = (Vec::new(), Vec::new());
        for sample in samples {
            let declared = declared(sample).then_some(Exclusion::Declared);
            if let Some(reason) = sample.exclusion.or(declared) {
                *excluded.entry(reason).or_insert(0) += 1;
            } else {
                attributable.push(sample.attributable_us(now));
                raw.extend(sample.raw_us());
            }
        }
        Self { attributable: Latency::of(attributable), raw: Latency::of(raw), excluded }
    }

    /// Whether the mean stayed below `limit_us`; `None` when nothing was measured.
    pub fn met(&self, limit_us: i64) -> Option<bool> {
        let latency = self.attributable?;
        let count = i128::try_from(latency.count).expect("a count of what is in memory");
        Some(latency.sum_us < i128::from(limit_us) * count)
    }

    /// Whether so few samples were excluded that the figure speaks for the month.
    pub fn is_representative(&self) -> bool {
        let excluded: usize = self.excluded.values().sum();
        let all = excluded + self.attributable.map_or(0, |latency| latency.count);
        excluded * 100 <= all * EXCLUDED_MAX_PERCENT
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
        assert!(of(10).is_representative() && !of(12).is_representative());
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
            declared_at: second(5000),
        };
        let with = Delivery::of(&samples, &[], second(200));
        let without = Delivery::of(&samples, &[declared], second(200));
        assert_eq!(
            (with.met(MEAN_LIMIT_US), without.met(MEAN_LIMIT_US)),
            (Some(false), Some(true))
        );
        assert_eq!(without.excluded, BTreeMap::from([(Exclusion::Declared, 1)]));
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let latency = Latency::of((1..=200).rev().collect()).unwrap();
        assert_eq!((latency.p50_us, latency.p95_us, latency.p99_us), (100, 190, 198));
        let one = Latency::of(vec![7]).unwrap();
        assert_eq!((one.p50_us, one.p99_us, one.mean_us()), (7, 7, 7));
        assert_eq!(Latency::of(Vec::new()), None);
    }
}
