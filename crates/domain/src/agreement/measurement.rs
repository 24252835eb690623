//! From samples of a covered path to what was seen of it: when it was up, when it was down, and
//! when one place alone saw it fail. What no sample says stays unknown.

use crate::calendar::span::{self, Span};
use crate::{Timestamp, VantageId};

/// A look at a path from one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// From where.
    pub vantage: VantageId,
    /// When, by the clock of who collects them all.
    pub at: Timestamp,
    /// By how much the clock over there is ahead of ours, microseconds.
    pub clock_offset_us: i64,
    /// Whether the path worked.
    pub worked: bool,
}

/// When a failure is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// So many places have to see it at once.
    pub quorum: usize,
    /// How far a confirmed failure is dated back to the first failing sample, microseconds.
    pub window_us: i64,
    /// So many failing samples of one place are enough while requests of customers fail, too.
    pub in_a_row: usize,
    /// After so long without a sample nothing is known since the last one, microseconds.
    pub fresh_us: i64,
    /// Samples of a clock that is further off than this prove nothing, microseconds.
    pub clock_offset_max_us: i64,
}

impl Rules {
    /// Two places within a minute; samples each 30 seconds, three of which may be missing.
    pub fn usual() -> Self {
        Self {
            quorum: 2,
            window_us: 60_000_000,
            in_a_row: 3,
            fresh_us: 90_000_000,
            clock_offset_max_us: 5_000_000,
        }
    }
}

/// What samples come to. Spans of a kind are in order and do not touch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// When some place saw it work.
    pub up: Vec<Span>,
    /// When it was down; this beats `up`.
    pub down: Vec<Span>,
    /// When one place saw it fail, confirmed or not.
    pub suspect: Vec<Span>,
    /// Samples that were put aside, because their clock was off.
    pub quarantined: usize,
}

/// Failing samples of one place that follow each other, until the first success.
struct Run {
    span: Span,
    failures: usize,
}

/// Judges samples, in any order and however often they came. `failed_requests` are the moments at
/// which requests of customers failed for a fault of ours.
pub fn observe(samples: &[Sample], failed_requests: &[Timestamp], rules: Rules) -> Observed {
    let off = |sample: &&Sample| sample.clock_offset_us.abs() > rules.clock_offset_max_us;
    let mut sound: Vec<Sample> = samples.iter().filter(|sample| !off(sample)).copied().collect();
    let quarantined = samples.len() - sound.len();
    // Of two answers of one place at one moment the failure counts.
    sound.sort_unstable_by_key(|sample| (sample.vantage, sample.at, sample.worked));
    sound.dedup_by_key(|sample| (sample.vantage, sample.at));
    let (mut up, mut runs) = (Vec::new(), Vec::new());
    for of_place in sound.chunk_by(|one, two| one.vantage == two.vantage) {
        look(of_place, rules.fresh_us, &mut up, &mut runs);
    }
    let mut down = confirmed_by_places(&runs, rules);
    let by_customers = |run: &&Run| {
        run.failures >= rules.in_a_row && failed_requests.iter().any(|at| run.span.contains(*at))
    };
    down.extend(runs.iter().filter(by_customers).map(|run| run.span));
    let suspect = span::union(runs.iter().map(|run| run.span).collect());
    Observed { up: span::union(up), down: span::union(down), suspect, quarantined }
}

/// What one place saw: from each sample until the next one, if that came in time.
fn look(samples: &[Sample], fresh_us: i64, up: &mut Vec<Span>, runs: &mut Vec<Run>) {
    let mut run: Option<Run> = None;
    for two in samples.windows(2) {
        let fresh = two[1].at.us_since(two[0].at) <= fresh_us;
        let span = Span::new(two[0].at, two[1].at).filter(|_| fresh);
        match (span, two[0].worked) {
            (Some(span), true) => up.push(span),
            (Some(span), false) => match &mut run {
                Some(run) => {
                    run.span.to = span.to;
                    run.failures += 1;
                }
                None => run = Some(Run { span, failures: 1 }),
            },
            (None, _) => {}
        }
        if !fresh || two[1].worked {
            runs.extend(run.take());
        }
    }
    runs.extend(run);
}

/// When so many places at once saw it fail, dated back to the first of their failing samples.
fn confirmed_by_places(runs: &[Run], rules: Rules) -> Vec<Span> {
    let quorum = i64::try_from(rules.quorum.max(1)).expect("a quorum is small");
    let edges = |run: &Run| [(run.span.from, 1), (run.span.to, -1)];
    let mut edges: Vec<(Timestamp, i64)> = runs.iter().flat_map(edges).collect();
    // An end comes before a beginning at the same moment: the spans are half-open.
    edges.sort_unstable();
    let (mut failing, mut since) = (0, None);
    let mut down = Vec::new();
    for (at, by) in edges {
        failing += by;
        if failing >= quorum {
            since = since.or(Some(at));
        } else if let Some(core) = since.take().and_then(|since| Span::new(since, at)) {
            let overlaps = runs.iter().filter(|run| run.span.within(core).is_some());
            let first = overlaps.map(|run| run.span.from).min().unwrap_or(core.from);
            let from = first.max(core.from.plus_us(-rules.window_us));
            down.push(Span { from, ..core });
        }
    }
    down
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn second(n: i64) -> Timestamp {
        Timestamp(n * 1_000_000)
    }

    fn span(from: i64, to: i64) -> Span {
        Span::new(second(from), second(to)).unwrap()
    }

    /// A sample each 30 seconds for ten minutes, failing in these spans of seconds.
    fn place(vantage: i64, failing: &[(i64, i64)]) -> Vec<Sample> {
        let sample = |n: i64| {
            let at = n * 30;
            let worked = !failing.iter().any(|(from, to)| (*from..*to).contains(&at));
            let vantage = VantageId(vantage);
            Sample { vantage, at: second(at), clock_offset_us: 0, worked }
        };
        (0..=20).map(sample).collect()
    }

    fn judge(places: &[Vec<Sample>]) -> Observed {
        observe(&places.concat(), &[], Rules::usual())
    }

    /// T056: a place that is cut off sees everything fail, or sends nothing.
    #[test]
    fn one_place_of_three_is_no_outage_and_leaves_nothing_unknown() {
        let failing = judge(&[place(1, &[(0, 999)]), place(2, &[]), place(3, &[])]);
        assert_eq!((failing.down, failing.up), (Vec::new(), vec![span(0, 600)]));
        assert_eq!(failing.suspect, [span(0, 600)]);
        let silent = judge(&[place(2, &[]), place(3, &[])]);
        assert_eq!((silent.down, silent.up), (Vec::new(), vec![span(0, 600)]));
    }

    #[test]
    fn a_failure_of_two_places_counts_from_its_first_sample_to_the_first_success() {
        let places = [place(1, &[(120, 240)]), place(2, &[(150, 300)]), place(3, &[])];
        assert_eq!(judge(&places).down, [span(120, 240)]);
        // Of three that fail, two still do after the first success.
        let places = [place(1, &[(120, 240)]), place(2, &[(120, 300)]), place(3, &[(120, 360)])];
        assert_eq!(judge(&places).down, [span(120, 300)]);
        // What one place saw alone long before is not dated back to.
        let places = [place(1, &[(30, 330)]), place(2, &[(300, 360)]), place(3, &[])];
        assert_eq!(judge(&places).down, [span(240, 330)]);
    }

    /// T060.
    #[test]
    fn a_flap_counts_only_when_it_is_confirmed() {
        let alone = place(1, &[(120, 180)]);
        assert_eq!(judge(&[alone.clone(), place(2, &[])]).down, []);
        assert_eq!(judge(&[alone.clone(), place(2, &[(120, 150)])]).down, [span(120, 150)]);
        let requests = [second(130)];
        let twice = observe(&alone, &requests, Rules::usual());
        assert_eq!(twice.down, [], "two failures of one place are not three");
        let thrice = observe(&place(1, &[(120, 210)]), &requests, Rules::usual());
        assert_eq!(thrice.down, [span(120, 210)]);
        let content = observe(&place(1, &[(120, 210)]), &[second(90)], Rules::usual());
        assert_eq!(content.down, [], "no customer felt it");
    }

    /// T058.
    #[test]
    fn a_clock_that_is_off_proves_nothing() {
        let mut off = place(1, &[(0, 999)]);
        for (sample, offset) in off.iter_mut().zip([420_i64, -10_800, 6, 420].iter().cycle()) {
            sample.clock_offset_us = offset * 1_000_000;
        }
        let judged = judge(&[off, place(2, &[(0, 999)]), place(3, &[])]);
        assert_eq!((judged.quarantined, judged.down), (21, Vec::new()));
    }

    /// Silence turns everything since the last sample into unknown.
    #[test]
    fn silence_is_unknown_since_the_last_sample() {
        let mut samples = place(1, &[]);
        samples.retain(|sample| !(second(150)..second(300)).contains(&sample.at));
        let judged = observe(&samples, &[], Rules::usual());
        assert_eq!(judged.up, [span(0, 120), span(300, 600)]);
        samples.retain(|sample| sample.at != second(60));
        assert_eq!(observe(&samples, &[], Rules::usual()).up, judged.up);
        assert_eq!(observe(&[], &[second(1)], Rules::usual()), Observed::default());
    }

    fn any_samples() -> impl Strategy<Value = Vec<Sample>> {
        let sample = (1..4_i64, 0..600_i64, prop::bool::ANY, -6..6_i64);
        prop::collection::vec(sample, 0..60).prop_map(|samples| {
            let sample = |(vantage, at, worked, offset)| Sample {
                vantage: VantageId(vantage),
                at: second(at),
                clock_offset_us: offset * 1_000_000,
                worked,
            };
            samples.into_iter().map(sample).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Late, twice, out of order: the same; and what is down was suspected by somebody.
        #[test]
        fn the_order_of_arrival_changes_nothing(samples in any_samples()) {
            let judged = observe(&samples, &[], Rules::usual());
            let mut twice: Vec<Sample> = samples.iter().rev().copied().collect();
            twice.extend(samples.iter().filter(|sample| sample.clock_offset_us.abs() <= 5_000_000));
            prop_assert_eq!(&observe(&twice, &[], Rules::usual()), &judged);
            for spans in [&judged.up, &judged.down, &judged.suspect] {
                prop_assert!(spans.iter().all(|span| span.from < span.to));
                prop_assert!(spans.windows(2).all(|two| two[0].to < two[1].from));
            }
            for down in &judged.down {
                prop_assert!(judged.suspect.iter().any(|span| span.within(*down).is_some()));
            }
        }
    }
}
