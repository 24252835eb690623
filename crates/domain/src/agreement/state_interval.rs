//! From all that was seen of a path to intervals of its state, bit by bit: what comes late changes
//! what was judged before, and nothing that it cannot touch. And from intervals to outages, which
//! are opened, moved and closed again without an outage ever being there twice.

use std::collections::BTreeMap;

use super::measurement::{Observed, Rules, Sample, observe};
use crate::calendar::span::{self, Span};
use crate::{Timestamp, VantageId};

/// What is kept of a path: one word for each kind of interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathState {
    /// Some place saw it work, or several customers did.
    Up,
    /// It was down; this beats up.
    Down,
    /// One place saw it fail, confirmed or not.
    Suspect,
}

impl PathState {
    /// Every state. What none of them covers is unknown.
    pub const ALL: [Self; 3] = [Self::Up, Self::Down, Self::Suspect];

    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Suspect => "suspect",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

impl Observed {
    /// The intervals of a state.
    pub fn of(&self, state: PathState) -> &[Span] {
        match state {
            PathState::Up => &self.up,
            PathState::Down => &self.down,
            PathState::Suspect => &self.suspect,
        }
    }

    /// The intervals of a state, to be changed.
    pub fn of_mut(&mut self, state: PathState) -> &mut Vec<Span> {
        match state {
            PathState::Up => &mut self.up,
            PathState::Down => &mut self.down,
            PathState::Suspect => &mut self.suspect,
        }
    }
}

/// What customers' own requests came to in a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestMinute {
    /// When it began.
    pub from: Timestamp,
    /// Requests that were served, refusals included: those are an answer, too.
    pub served: u64,
    /// Different customers that were served; more than some are not counted.
    pub customers: u32,
    /// Requests that failed for a fault of ours.
    pub failed: u64,
    /// When the first and the last of these failed.
    pub failed_at: Option<(Timestamp, Timestamp)>,
}

/// A minute, microseconds.
pub const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;
/// With fewer customers in a minute its requests are told with others (T178).
const CUSTOMERS_MIN: u32 = 5;
/// So long after its end an hour is told, when every node has written its minutes down: what was
/// told must not grow by what one customer asked.
const SETTLED_US: i64 = HOUR_US;

/// What everybody may be told of customers' requests on a day. Nobody is known by it, nor by how it
/// grows from one look to the next: a running day grows by whole hours, and in them by minutes in
/// which many asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldRequests {
    /// Up to which moment of the day requests are told.
    pub until: Timestamp,
    /// The minutes in which many customers were served.
    pub minutes: Vec<RequestMinute>,
    /// All other minutes together, once the whole day is told.
    pub of_few: Option<OfFew>,
}

/// Minutes in which few customers were served, together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfFew {
    /// How many minutes.
    pub minutes: usize,
    /// Requests that were served.
    pub served: u64,
    /// Requests that failed for a fault of ours.
    pub failed: u64,
}

impl ToldRequests {
    /// What may be told, at `now`, of the minutes of a day.
    pub fn of(minutes: &[RequestMinute], day: Span, now: Timestamp) -> Self {
        let hours = now.plus_us(-SETTLED_US).us_since(day.from).div_euclid(HOUR_US);
        let until = day.from.plus_us(hours.max(0).saturating_mul(HOUR_US)).min(day.to);
        let told = minutes.iter().filter(|one| one.from < until);
        let (many, few): (Vec<RequestMinute>, Vec<RequestMinute>) =
            told.partition(|one| one.customers >= CUSTOMERS_MIN);
        let of_few = (until == day.to).then(|| OfFew {
            minutes: few.len(),
            served: few.iter().map(|one| one.served).sum(),
            failed: few.iter().map(|one| one.failed).sum(),
        });
        Self { until, minutes: many, of_few }
    }

    /// All that are told to have been served.
    pub fn served(&self) -> u64 {
        self.minutes.iter().map(|one| one.served).chain(self.of_few.map(|few| few.served)).sum()
    }

    /// All that are told to have failed.
    pub fn failed(&self) -> u64 {
        self.minutes.iter().map(|one| one.failed).chain(self.of_few.map(|few| few.failed)).sum()
    }
}

/// Judges samples and requests. A minute in which as many different customers were served as places
/// make a quorum, and nobody was failed, shows that the path was up: one customer's fortune is not
/// everybody's. Failed requests confirm what one place saw fail, and alone prove no outage.
pub fn judge(samples: &[Sample], minutes: &[RequestMinute], rules: Rules) -> Observed {
    let failed = minutes.iter().filter_map(|minute| minute.failed_at);
    let moments: Vec<Timestamp> = failed.flat_map(|(first, last)| [first, last]).collect();
    let mut observed = observe(samples, &moments, rules);
    let proves = |minute: &&RequestMinute| {
        minute.failed == 0 && usize::try_from(minute.customers).is_ok_and(|n| n >= rules.quorum)
    };
    let served = minutes.iter().filter(proves);
    let spans = served.filter_map(|minute| Span::new(minute.from, minute.from.plus_us(MINUTE_US)));
    observed.up.extend(spans);
    observed.up = span::union(observed.up);
    observed
}

/// From when on intervals may change when something new was seen at `new_at`. Nothing that lasts
/// over this moment was suspect, so no outage does.
pub fn changes_from(kept: &Observed, new_at: Timestamp, rules: Rules) -> Timestamp {
    let reaches = new_at.plus_us(-rules.fresh_us);
    let touched = kept.suspect.iter().filter(|span| span.to >= reaches).map(|span| span.from);
    touched.fold(reaches, Timestamp::min)
}

/// Since when samples and requests have to be read to judge everything from a moment on.
pub fn evidence_from(from: Timestamp, rules: Rules) -> Timestamp {
    from.plus_us(-rules.fresh_us.max(MINUTE_US))
}

/// What is kept, with everything from a moment on judged anew.
pub fn replaced(kept: &Observed, from: Timestamp, anew: &Observed) -> Observed {
    let mut whole = Observed::default();
    for state in PathState::ALL {
        let before = Span { from: Timestamp(i64::MIN), to: from };
        let after = Span { from, to: Timestamp(i64::MAX) };
        let old = kept.of(state).iter().filter_map(|span| span.within(before));
        let new = anew.of(state).iter().filter_map(|span| span.within(after));
        *whole.of_mut(state) = span::union(old.chain(new).collect());
    }
    whole
}

/// Whether a path still fails: the last that was seen of it, and not too long ago, was failure, for
/// as many places as make a quorum or for all that looked.
pub fn still_fails(samples: &[Sample], now: Timestamp, rules: Rules) -> bool {
    let mut last: BTreeMap<VantageId, Sample> = BTreeMap::new();
    let is_sound = |one: &&Sample| one.clock_offset_us.abs() <= rules.clock_offset_max_us;
    for sample in samples.iter().filter(is_sound) {
        let latest = last.entry(sample.vantage).or_insert(*sample);
        // Of two answers at one moment the failure counts.
        if (sample.at, !sample.worked) > (latest.at, !latest.worked) {
            *latest = *sample;
        }
    }
    last.retain(|_, sample| now.us_since(sample.at) <= rules.fresh_us);
    let failing = last.values().filter(|sample| !sample.worked).count();
    failing >= rules.quorum || (failing > 0 && failing == last.len())
}

/// An outage that was derived from intervals, as it is matched with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Derived {
    /// Its number.
    pub id: i64,
    /// When it was down as measured, whatever a person made of it since.
    pub measured: Span,
    /// Whether it lasts, as measured.
    pub lasts: bool,
    /// Whether a person corrected or reversed it: then the word of the person stands.
    pub by_hand: bool,
}

/// What is to be done so that outages say what intervals say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A new outage; whether it lasts.
    Open(Span, bool),
    /// The outage of this number was measured otherwise.
    Measured(i64, Span, bool),
    /// The outage of this number was none, or is a part of another one.
    Gone(i64),
}

/// Compares the times in which a path was down with the outages derived before. Both are of the
/// same time, beyond which no outage reaches. What is down until `lasts_from` or later lasts. Doing
/// it again comes to nothing.
pub fn reconcile(down: &[Span], known: &[Derived], lasts_from: Timestamp) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut left: Vec<&Derived> = known.iter().collect();
    left.sort_by_key(|one| (!one.by_hand, one.measured.from, one.id));
    for span in down {
        let lasts = span.to >= lasts_from;
        let (mut same, rest): (Vec<&Derived>, Vec<&Derived>) =
            left.into_iter().partition(|one| one.measured.within(*span).is_some());
        left = rest;
        if same.is_empty() {
            steps.push(Step::Open(*span, lasts));
            continue;
        }
        let first = same.remove(0);
        if (first.measured, first.lasts) != (*span, lasts) {
            steps.push(Step::Measured(first.id, *span, lasts));
        }
        steps.extend(same.iter().filter(|one| !one.by_hand).map(|one| Step::Gone(one.id)));
    }
    steps.extend(left.iter().filter(|one| !one.by_hand).map(|one| Step::Gone(one.id)));
    steps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: Rules =
        Rules { quorum: 2, window_us: 60, in_a_row: 3, fresh_us: 90, clock_offset_max_us: 5 };

    fn at(n: i64) -> Timestamp {
        Timestamp(n)
    }

    fn span(from: i64, to: i64) -> Span {
        Span::new(at(from), at(to)).unwrap()
    }

    fn minute(n: i64, customers: u32, failed: u64) -> RequestMinute {
        let from = at(n * MINUTE_US);
        let failed_at = (failed > 0).then(|| (from.plus_us(5), from.plus_us(9)));
        RequestMinute { from, served: customers.into(), customers, failed, failed_at }
    }

    #[test]
    fn several_customers_that_are_served_show_that_it_is_up() {
        let up = |minutes: &[RequestMinute]| judge(&[], minutes, RULES).up;
        assert_eq!(up(&[minute(1, 2, 0), minute(2, 5, 0)]), [span(MINUTE_US, 3 * MINUTE_US)]);
        assert_eq!(up(&[minute(1, 1, 0)]), [], "one customer is not everybody");
        assert_eq!(up(&[minute(1, 9, 1)]), [], "somebody was failed");
        assert_eq!(judge(&[], &[minute(1, 0, 3)], RULES), Observed::default());
    }

    /// T178. Goal: whoever looks as often as he likes while a day runs sees whole hours of many,
    /// and not one request of a few; of a day that is over all of it adds up.
    #[test]
    fn a_running_day_grows_by_hours_of_many() {
        let day = span(0, 24 * HOUR_US);
        let minutes = [minute(10, 5, 1), minute(11, 4, 2), minute(70, 1, 0), minute(80, 9, 0)];
        let told = |at_minute: i64| ToldRequests::of(&minutes, day, at(at_minute * MINUTE_US));
        assert_eq!(told(119), ToldRequests { until: at(0), minutes: vec![], of_few: None });
        let hour = told(120);
        assert_eq!((hour.until, &hour.minutes[..]), (at(HOUR_US), &[minutes[0]][..]));
        assert_eq!((hour.served(), hour.failed(), hour.of_few), (5, 1, None));
        for now in 121..180 {
            assert_eq!(told(now), hour);
        }
        assert_eq!((told(180).served(), told(25 * 60 - 1).of_few), (14, None));
        let whole = told(25 * 60);
        let few = OfFew { minutes: 2, served: 5, failed: 2 };
        assert_eq!((whole.of_few, whole.until), (Some(few), day.to));
        assert_eq!((whole.served(), whole.failed()), (19, 3));
        assert_eq!(told(-5).until, day.from);
    }

    #[test]
    fn a_path_fails_until_it_is_seen_to_work() {
        let sample = |place: i64, when: i64, worked: bool| Sample {
            vantage: VantageId(place),
            at: at(when),
            clock_offset_us: 0,
            worked,
        };
        let fails = |samples: &[Sample]| still_fails(samples, at(100), RULES);
        assert!(fails(&[sample(1, 50, false), sample(2, 60, false), sample(3, 70, true)]));
        assert!(!fails(&[sample(1, 50, false), sample(2, 60, false), sample(2, 70, true)]));
        assert!(fails(&[sample(1, 50, false), sample(2, 5, true)]), "the other one is silent");
        assert!(!fails(&[sample(1, 9, false), sample(2, 9, false)]), "both are silent");
        assert!(fails(&[sample(1, 50, false), sample(1, 50, true)]));
        assert!(!fails(&[]));
    }

    fn derived(id: i64, measured: Span, by_hand: bool) -> Derived {
        Derived { id, measured, lasts: false, by_hand }
    }

    #[test]
    fn outages_follow_intervals_and_persons_have_the_last_word() {
        let never = at(1_000);
        assert_eq!(reconcile(&[span(1, 5)], &[], never), [Step::Open(span(1, 5), false)]);
        assert_eq!(reconcile(&[span(1, 5)], &[], at(5)), [Step::Open(span(1, 5), true)]);
        let auto = |id, from, to| derived(id, span(from, to), false);
        assert_eq!(reconcile(&[span(1, 5)], &[auto(7, 1, 5)], never), []);
        let moved = reconcile(&[span(1, 9)], &[auto(7, 3, 5)], never);
        assert_eq!(moved, [Step::Measured(7, span(1, 9), false)]);
        let joined = reconcile(&[span(1, 9)], &[auto(7, 1, 3), auto(8, 5, 9)], never);
        assert_eq!(joined, [Step::Measured(7, span(1, 9), false), Step::Gone(8)]);
        assert_eq!(reconcile(&[], &[auto(7, 1, 3)], never), [Step::Gone(7)]);
        let hand = derived(9, span(2, 4), true);
        let corrected = reconcile(&[span(1, 9)], &[auto(7, 5, 9), hand], never);
        assert_eq!(corrected, [Step::Measured(9, span(1, 9), false), Step::Gone(7)]);
        assert_eq!(reconcile(&[], &[hand], never), []);
    }

    fn any_sample() -> impl Strategy<Value = Sample> {
        (1..4_i64, 0..900_i64, prop::bool::ANY, -6..6_i64).prop_map(|(n, when, worked, offset)| {
            Sample { vantage: VantageId(n), at: at(when), clock_offset_us: offset, worked }
        })
    }

    /// Steps applied to what is known, as a database would.
    fn apply(known: &mut Vec<Derived>, steps: &[Step], last: &mut i64) {
        for step in steps {
            match *step {
                Step::Open(measured, lasts) => {
                    *last += 1;
                    known.push(Derived { id: *last, measured, lasts, by_hand: false });
                }
                Step::Measured(id, measured, lasts) => {
                    let one = known.iter_mut().find(|one| one.id == id).unwrap();
                    (one.measured, one.lasts) = (measured, lasts);
                }
                Step::Gone(id) => known.retain(|one| one.id != id),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// In whatever order and portions samples come, what is kept bit by bit is what all of them
        /// come to at once; and outages are what was down, each once.
        #[test]
        fn bit_by_bit_is_at_once(
            samples in prop::collection::vec(any_sample(), 0..80),
            failed in prop::collection::vec(0..900_i64, 0..4),
            portion in 1..9_usize,
        ) {
            let minutes: Vec<RequestMinute> = failed.iter().map(|when| RequestMinute {
                from: at(*when), served: 0, customers: 0, failed: 1,
                failed_at: Some((at(*when), at(*when))),
            }).collect();
            let (mut kept, mut known, mut last) = (Observed::default(), Vec::new(), 0);
            let mut came: Vec<Sample> = Vec::new();
            for some in samples.chunks(portion) {
                came.extend(some);
                let new_at = some.iter().map(|sample| sample.at).min().unwrap();
                let from = changes_from(&kept, new_at, RULES);
                let since = evidence_from(from, RULES);
                let read: Vec<Sample> =
                    came.iter().filter(|sample| sample.at >= since).copied().collect();
                let anew = judge(&read, &minutes, RULES);
                kept = replaced(&kept, from, &anew);
                // Only what lies within reach is compared, as the store reads it.
                let within = |span: &Span| span.to > from;
                let down: Vec<Span> = kept.down.iter().filter(|s| within(s)).copied().collect();
                let (near, far): (Vec<Derived>, Vec<Derived>) =
                    known.into_iter().partition(|one: &Derived| within(&one.measured));
                known = near;
                let steps = reconcile(&down, &known, at(10_000));
                apply(&mut known, &steps, &mut last);
                prop_assert_eq!(reconcile(&down, &known, at(10_000)), vec![]);
                known.extend(far);
            }
            let whole = judge(&samples, &minutes, RULES);
            for state in PathState::ALL {
                prop_assert_eq!(kept.of(state), whole.of(state), "{}", state.word());
            }
            let mut outages: Vec<Span> = known.iter().map(|one| one.measured).collect();
            outages.sort_unstable();
            prop_assert_eq!(&outages, &whole.down);
        }

        /// Where no sound sample is near, nothing is up.
        #[test]
        fn silence_is_never_up(
            samples in prop::collection::vec(any_sample(), 0..80),
            when in 0..900_i64,
        ) {
            let whole = judge(&samples, &[], RULES);
            let sound = |sample: &&Sample| sample.clock_offset_us.abs() <= 5;
            let near = samples.iter().filter(sound).any(|sample| {
                sample.worked && sample.at <= at(when) && at(when).us_since(sample.at) <= 90
            });
            if !near {
                prop_assert!(whole.up.iter().all(|span| !span.contains(at(when))));
            }
        }
    }
}
