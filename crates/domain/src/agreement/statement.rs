//! A subscriber's month: what it is computed from, in a form that can be kept and computed again,
//! and how it becomes final (I07, I18).

use std::fmt::Write as _;

use super::availability::{
    Evidence, Facts, Figures, Seen, Standing, Timeline, Totals, Verdict, Window, sweep,
};
use super::compensation::Measured;
use super::parameter::Parameters;
use super::scope::{Paths, Scope};
use crate::Timestamp;
use crate::calendar::day::Day;
use crate::calendar::month::PersianMonth;
use crate::calendar::span::{self, Span};
use crate::calendar::working_time::Timetable;

/// Longest reason of a revision, bytes.
pub const REASON_MAX: usize = 2000;

/// Which figure decides what a month pays back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Figure {
    /// What is unknown counts as up, as long as evidence may come: even so it is a breach.
    High,
    /// The time for evidence has passed, so what is unknown counts as down.
    Low,
}

impl Figure {
    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Low => "low",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::High, Self::Low].into_iter().find(|figure| figure.word() == word)
    }
}

/// How final a month is. It only ever goes on from here to there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It has not ended.
    Open,
    /// It has ended, and evidence may still come.
    Provisional,
    /// It was written down, and never changes.
    Frozen,
    /// It was revised so many times, each signed, beside what was frozen.
    Revised(u32),
}

/// Where a month stands; `revision` is the last one written down, 0 for the frozen statement.
pub fn state(month: PersianMonth, now: Timestamp, revision: Option<u32>) -> State {
    match revision {
        Some(0) => State::Frozen,
        Some(revision) => State::Revised(revision),
        None if now < month.end() => State::Open,
        None => State::Provisional,
    }
}

/// When a month is frozen, by the agreement that held at its start: until then evidence may come.
pub fn frozen_at(month: PersianMonth, parameters: &Parameters) -> Timestamp {
    month.end().plus_us(parameters.freeze_us())
}

/// Until when evidence can still decide a month. `None` when there are no such days.
pub fn evidence_until(
    month: PersianMonth,
    parameters: &Parameters,
    business: &Timetable,
) -> Option<Timestamp> {
    evidence_days_after(frozen_at(month, parameters), parameters, business)
}

/// When the days are over that evidence of a month has, counted from a moment. A frozen month that
/// something touches later has as many to be looked at. `None` when there are no such days.
pub fn evidence_days_after(
    at: Timestamp,
    parameters: &Parameters,
    business: &Timetable,
) -> Option<Timestamp> {
    let (days, count) = (parameters.evidence_days(), parameters.day_count());
    business.due(at, |business| business.days_after(Day::of(at), days, count))
}

/// The verdict that stands: when the time for evidence has passed, what is unknown counts against
/// who measures.
pub fn standing_verdict(figures: &Figures, parameters: &Parameters, in_time: bool) -> Verdict {
    let terms = parameters.terms();
    if in_time { figures.verdict(terms) } else { figures.verdict_without_evidence(terms) }
}

/// All that a subscriber's month is computed from. Two with the same inputs have the same month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    /// The month.
    pub month: PersianMonth,
    /// The number of the agreement that held at its start.
    pub version: u32,
    /// What that says.
    pub parameters: Parameters,
    /// The part of the month that is looked at: from its start until now, or its end.
    pub within: Span,
    coverage: Vec<Span>,
    parts: Vec<Part>,
}

/// A stretch of something, for some paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    layer: Layer,
    paths: Paths,
    span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Entitled,
    Up,
    Down,
    Window,
    /// As [`Self::Excused`], of months that were written down when it counted as a window.
    Excluded,
    Excused,
}

impl Layer {
    const ALL: [Self; 6] =
        [Self::Entitled, Self::Up, Self::Down, Self::Window, Self::Excluded, Self::Excused];

    /// The word under which it is kept.
    fn word(self) -> &'static str {
        match self {
            Self::Entitled => "entitled",
            Self::Up => "up",
            Self::Down => "down",
            Self::Window => "window",
            Self::Excluded => "excluded",
            Self::Excused => "excused",
        }
    }

    /// The word under which it is shown: what it is, whenever it was written down.
    fn shown(self) -> &'static str {
        if self == Self::Excused { Self::Excluded.word() } else { self.word() }
    }
}

/// What a month came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Stretch by stretch.
    pub timeline: Timeline,
    /// How long each class held.
    pub totals: Totals,
    /// The figures; `None` when nothing was promised.
    pub figures: Option<Figures>,
    /// The verdict; `None` when nothing was promised.
    pub verdict: Option<Verdict>,
}

impl Inputs {
    /// Gathers what concerns a subscriber: the parts of the facts that it felt. `None` before the
    /// month has begun.
    pub fn gather(
        month: PersianMonth,
        now: Timestamp,
        (version, parameters): (u32, &Parameters),
        standing: &Standing,
        facts: &Facts,
    ) -> Option<Self> {
        let within = Span::new(month.start(), month.end().min(now))?;
        let clip = |spans: Vec<Span>| spans.into_iter().filter_map(|span| span.within(within));
        let mut parts = Vec::new();
        let mut put = |layer, paths, spans| {
            parts.extend(clip(spans).map(|span| Part { layer, paths, span }));
        };
        for (paths, span) in &standing.entitlements {
            put(Layer::Entitled, *paths, vec![*span]);
        }
        for Evidence { seen, paths, scope, span } in &facts.evidence {
            let layer = if *seen == Seen::Up { Layer::Up } else { Layer::Down };
            put(layer, *paths, standing.within(scope, *span));
        }
        for (layer, windows) in [(Layer::Window, &facts.windows), (Layer::Excused, &facts.excluded)]
        {
            for Window { paths, scope, span } in windows {
                put(layer, *paths, standing.within(scope, *span));
            }
        }
        parts.sort_unstable();
        let parts = merged(&parts);
        let coverage = span::union(clip(standing.coverage.clone()).collect());
        Some(Self { month, version, parameters: parameters.clone(), within, coverage, parts })
    }

    /// Computes the month.
    pub fn judge(&self) -> Judged {
        let of = |layer| self.parts.iter().filter(move |part| part.layer == layer);
        let standing = Standing {
            account: None,
            coverage: self.coverage.clone(),
            entitlements: of(Layer::Entitled).map(|part| (part.paths, part.span)).collect(),
            memberships: Vec::new(),
        };
        let seen = |layer, seen| {
            of(layer).map(move |Part { paths, span, .. }| Evidence {
                seen,
                paths: *paths,
                scope: Scope::everyone(),
                span: *span,
            })
        };
        let window =
            |part: &Part| Window { paths: part.paths, scope: Scope::everyone(), span: part.span };
        let facts = Facts {
            evidence: seen(Layer::Up, Seen::Up).chain(seen(Layer::Down, Seen::Down)).collect(),
            windows: of(Layer::Window).chain(of(Layer::Excluded)).map(window).collect(),
            excluded: of(Layer::Excused).map(window).collect(),
        };
        let timeline = sweep(self.within, &standing, &facts);
        let totals = timeline.totals();
        let terms = self.parameters.terms();
        let figures = Figures::of(self.month, totals, terms);
        let verdict = figures.map(|figures| figures.verdict(terms));
        Judged { timeline, totals, figures, verdict }
    }

    /// What of it concerns a subscription that gives these paths, and was in force then.
    #[must_use]
    pub fn narrowed(&self, paths: Paths, coverage: &[Span]) -> Self {
        let parts = self.parts.iter().map(|part| Part { paths: part.paths.within(paths), ..*part });
        let mut parts: Vec<Part> = parts.filter(|part| !part.paths.is_empty()).collect();
        parts.sort_unstable();
        let both = self
            .coverage
            .iter()
            .flat_map(|mine| coverage.iter().filter_map(move |theirs| mine.within(*theirs)));
        let coverage = span::union(both.collect());
        Self { parts: merged(&parts), coverage, ..self.clone() }
    }

    /// The same of a subscription whose plan changed: it gives these paths, each set in a time of
    /// its own.
    #[must_use]
    pub fn narrowed_by(&self, pieces: &[(Paths, Span)], coverage: &[Span]) -> Self {
        let mut all = self.narrowed(Paths::NONE, coverage);
        for (paths, time) in pieces {
            let of = self.narrowed(*paths, coverage).parts;
            all.parts.extend(
                of.into_iter()
                    .filter_map(|part| Some(Part { span: part.span.within(*time)?, ..part })),
            );
        }
        all.parts.sort_unstable();
        all.parts = merged(&all.parts);
        all
    }

    /// The figure that says how much a breach comes to; `None` when it is none, or not yet. Once
    /// the time for evidence has passed the low figure stands, also where the high one is a breach:
    /// what was unknown and turns out to be down makes nothing of it less (I10).
    pub fn breach(&self, in_time: bool) -> Option<Figure> {
        let Judged { totals, figures, .. } = self.judge();
        match figures?.verdict(self.parameters.terms()) {
            Verdict::Breached if in_time || totals.unknown_us == 0 => Some(Figure::High),
            Verdict::Breached | Verdict::Undetermined if !in_time => Some(Figure::Low),
            _ => None,
        }
    }

    /// What a schedule reckons with, by a figure; `None` when nothing was promised.
    pub fn measured(&self, figure: Figure) -> Option<Measured> {
        let Judged { totals, figures, .. } = self.judge();
        let figures = figures?;
        let (availability, down_us) = match figure {
            Figure::High => (figures.high, totals.down_us),
            Figure::Low => (figures.low, totals.down_us + totals.unknown_us),
        };
        let allowed_us = Figures::allowed_us(self.month, totals, self.parameters.terms());
        let excess_us = (down_us - allowed_us).max(0);
        Some(Measured { availability, down_us, excess_us, month: self.month })
    }

    /// When anything was promised.
    pub fn covered(&self) -> &[Span] {
        &self.coverage
    }

    /// The parts that it is computed from, each with what it is: what was promised (`entitled`),
    /// what was seen (`up`, `down`), what was announced in time to be away (`window`), and what was
    /// down from a cause that the agreement excludes (`excluded`).
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, Paths, Span)> {
        self.parts.iter().map(|part| (part.layer.shown(), part.paths, part.span))
    }

    /// The form that is kept, and over which the checksum is made.
    pub fn to_text(&self) -> String {
        let mut text = format!("month {}\nagreement {}\n", self.month, self.version);
        let mut line = |word: &str, paths: &dyn std::fmt::Display, span: Span| {
            writeln!(text, "{word} {paths} {} {}", span.from.0, span.to.0)
                .expect("a string takes it");
        };
        line("within", &"-", self.within);
        for span in &self.coverage {
            line("covered", &"-", *span);
        }
        for Part { layer, paths, span } in &self.parts {
            line(layer.word(), paths, *span);
        }
        text + &self.parameters.to_text()
    }

    /// Reads what [`Self::to_text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().peekable();
        let month = PersianMonth::parse(lines.next()?.strip_prefix("month ")?)?;
        let version = lines.next()?.strip_prefix("agreement ")?.parse().ok()?;
        let (mut within, mut coverage, mut parts) = (None, Vec::new(), Vec::new());
        while let Some(line) = lines.next_if(|line| !line.contains(" = ")) {
            let mut words = line.split(' ');
            let (word, paths) = (words.next()?, words.next()?);
            let mut moment = || words.next()?.parse().ok().map(Timestamp);
            let span = Span::new(moment()?, moment()?)?;
            match word {
                "within" => within = Some(span),
                "covered" => coverage.push(span),
                _ => {
                    let layer = Layer::ALL.into_iter().find(|layer| layer.word() == word)?;
                    parts.push(Part { layer, paths: Paths::parse(paths)?, span });
                }
            }
        }
        let rest: Vec<&str> = lines.collect();
        let parameters = Parameters::parse(&rest.join("\n"))?;
        Some(Self { month, version, parameters, within: within?, coverage, parts })
    }
}

/// Parts in order, those of one kind that overlap or touch as one.
fn merged(parts: &[Part]) -> Vec<Part> {
    let same = |one: &Part, two: &Part| (one.layer, one.paths) == (two.layer, two.paths);
    let mut joined = Vec::with_capacity(parts.len());
    for kind in parts.chunk_by(same) {
        let spans = span::union(kind.iter().map(|part| part.span).collect());
        joined.extend(spans.into_iter().map(|span| Part { span, ..kind[0] }));
    }
    joined
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::AccountId;
    use crate::agreement::availability::Class;
    use crate::agreement::scope::{CoveredPath, Group};

    fn month() -> PersianMonth {
        PersianMonth::parse("1405-08").unwrap()
    }

    fn hour(n: i64) -> Timestamp {
        month().start().plus_us(n * 3_600_000_000)
    }

    fn span(from: i64, to: i64) -> Span {
        Span::new(hour(from), hour(to)).unwrap()
    }

    fn facts() -> Facts {
        let seen = |seen, scope: &str, span| Evidence {
            seen,
            paths: Paths::parse("api,panel").unwrap(),
            scope: Scope::parse(scope).unwrap(),
            span,
        };
        Facts {
            evidence: vec![
                Evidence { paths: Paths::ALL, ..seen(Seen::Up, "everyone", span(-9, 900)) },
                seen(Seen::Down, "cohort:1", span(10, 12)),
                seen(Seen::Down, "cohort:1,account:7", span(11, 13)),
            ],
            windows: vec![Window {
                paths: Paths::ALL,
                scope: Scope::everyone(),
                span: span(12, 20),
            }],
            excluded: Vec::new(),
        }
    }

    fn inputs(account: i64, now: Timestamp) -> Inputs {
        let mut standing = Standing::full(Some(AccountId(account)), span(-100, 10_000));
        standing.memberships = vec![(Group::Cohort(account), span(-100, 10_000))];
        let agreement = (1, &Parameters::first());
        Inputs::gather(month(), now, agreement, &standing, &facts()).unwrap()
    }

    /// I07: what is kept computes to the same month.
    #[test]
    fn what_is_kept_is_what_it_was_computed_from() {
        let now = hour(5000);
        for account in [1, 7, 8] {
            let inputs = inputs(account, now);
            let again = Inputs::parse(&inputs.to_text()).unwrap();
            assert_eq!(again, inputs);
            assert_eq!(again.judge(), inputs.judge());
        }
        let hours = |account| inputs(account, now).judge().totals.down_us / 3_600_000_000;
        assert_eq!([1, 7, 8].map(hours), [2, 1, 0]);
        assert_eq!(inputs(1, now).judge().totals.planned_us, 3_600_000_000);
        for wrong in ["", "month 1405-08\nagreement 1\n", "month 1405-13\nagreement 1\n"] {
            assert_eq!(Inputs::parse(wrong), None, "{wrong}");
        }
    }

    /// A21: what was down from an excluded cause is not held against us, and stays to be seen for
    /// what it is; it hides nothing of ours.
    #[test]
    fn what_is_excluded_does_not_count_as_down() {
        let mut facts = facts();
        let (paths, scope) =
            (Paths::parse("api,panel").unwrap(), Scope::parse("cohort:1").unwrap());
        facts.excluded = vec![Window { paths, scope, span: span(10, 12) }];
        let down = facts.evidence.remove(1);
        let mut standing = Standing::full(Some(AccountId(1)), span(-100, 10_000));
        standing.memberships = vec![(Group::Cohort(1), span(-100, 10_000))];
        let parameters = Parameters::first();
        let of = |facts: &Facts| {
            Inputs::gather(month(), hour(5000), (1, &parameters), &standing, facts).unwrap()
        };
        let hours = |inputs: &Inputs| {
            let totals = inputs.judge().totals;
            [totals.down_us, totals.planned_us].map(|us| us / 3_600_000_000)
        };
        let inputs = of(&facts);
        assert_eq!(hours(&inputs), [1, 1], "of ours there is 11 to 13, 12 to 13 in a window");
        assert!(inputs.parts().any(|part| part == ("excluded", paths, span(10, 12))));
        assert_eq!(Inputs::parse(&inputs.to_text()), Some(inputs));
        facts.evidence.push(down);
        assert_eq!(hours(&of(&facts)), [2, 1], "the same time is down from a cause of ours, too");
        // I07: months that were written down when it counted as a window come to what they came to.
        let old = of(&facts).to_text().replace("excused ", "excluded ");
        let old = Inputs::parse(&old).unwrap();
        assert_eq!((hours(&old), old.to_text().contains("excused")), ([0, 3], false));
        assert!(old.parts().any(|part| part == ("excluded", paths, span(10, 12))));
    }

    proptest! {
        /// I18: whatever was seen of a month, and of whoever it is: its numbers are the sums of the
        /// stretches that they open to, which follow each other without a gap; and the text that is
        /// kept of it comes to the same.
        #[test]
        fn every_number_is_the_sum_of_what_it_opens_to(
            evidence in prop::collection::vec(
                (any::<bool>(), 0..4_usize, 0..3_i64, 0..720_i64, 1..90_i64), 0..12),
            windows in prop::collection::vec((0..4_usize, 0..720_i64, 1..20_i64), 0..4),
            covered in (0..300_i64, 300..900_i64),
            account in 1..4_i64,
            now in 1..800_i64,
        ) {
            let path = |n: usize| Paths::of(&[CoveredPath::ALL[n]]);
            let scope = |n: i64| {
                let text = if n == 0 { "everyone".to_owned() } else { format!("account:{n}") };
                Scope::parse(&text).unwrap()
            };
            let facts = Facts {
                evidence: evidence.iter().map(|(up, of, whose, from, hours)| Evidence {
                    seen: if *up { Seen::Up } else { Seen::Down },
                    paths: path(*of),
                    scope: scope(*whose),
                    span: span(*from, from + hours),
                }).collect(),
                windows: windows.iter().map(|(of, from, hours)| Window {
                    paths: path(*of),
                    scope: Scope::everyone(),
                    span: span(*from, from + hours),
                }).collect(),
                excluded: Vec::new(),
            };
            let coverage = span(covered.0, covered.1);
            let standing = Standing {
                coverage: vec![coverage],
                ..Standing::full(Some(AccountId(account)), coverage)
            };
            let parameters = Parameters::first();
            let inputs =
                Inputs::gather(month(), hour(now), (1, &parameters), &standing, &facts).unwrap();
            let judged = inputs.judge();
            let totals = judged.totals;
            let of = |class| -> i64 {
                let stretches = judged.timeline.stretches().iter();
                stretches.filter(|(_, of)| *of == class).map(|(span, _)| span.length_us()).sum()
            };
            prop_assert_eq!(of(Class::NotCovered), totals.not_covered_us);
            prop_assert_eq!(of(Class::Planned), totals.planned_us);
            prop_assert_eq!(of(Class::Down), totals.down_us);
            prop_assert_eq!(of(Class::Unknown), totals.unknown_us);
            prop_assert_eq!(of(Class::Up), totals.up_us);
            let mut at = inputs.within.from;
            for (span, _) in judged.timeline.stretches() {
                prop_assert_eq!(span.from, at);
                at = span.to;
            }
            prop_assert_eq!(at, inputs.within.to);
            let again = Inputs::parse(&inputs.to_text()).expect("it was written so");
            prop_assert_eq!(&again, &inputs);
            prop_assert_eq!(again.judge(), judged);
        }
    }

    /// Those who felt the same have the same inputs, whoever they are.
    #[test]
    fn who_felt_the_same_shares_its_inputs() {
        assert_eq!(inputs(8, hour(5000)), inputs(9, hour(5000)));
        assert_ne!(inputs(8, hour(5000)).to_text(), inputs(7, hour(5000)).to_text());
    }

    #[test]
    fn a_month_that_runs_is_looked_at_until_now() {
        let judged = inputs(1, hour(11)).judge();
        assert_eq!(judged.totals.length_us(), 11 * 3_600_000_000);
        assert_eq!(judged.verdict, Some(Verdict::Breached));
        let standing = Standing::default();
        let parameters = Parameters::first();
        let early = Inputs::gather(month(), hour(0), (1, &parameters), &standing, &facts());
        assert_eq!(early, None);
        let nothing = Inputs::gather(month(), hour(1), (1, &parameters), &standing, &facts());
        let nothing = nothing.unwrap().judge();
        assert_eq!((nothing.figures, nothing.verdict), (None, None));
    }

    /// An undetermined month is decided by its low figure on the tenth business day after it froze.
    #[test]
    fn silence_counts_against_the_provider_in_the_end() {
        use crate::calendar::day::due_text;
        use crate::calendar::holiday::Holidays;
        use crate::calendar::opening_hours::{CalendarKind, OpeningHours};
        let hours = OpeningHours::of_the_agreement(CalendarKind::Business);
        let business = Timetable::new(vec![hours], Holidays::shipped()).unwrap();
        let parameters = Parameters::first();
        let until = evidence_until(month(), &parameters, &business).unwrap();
        assert_eq!(due_text(until), "1405/09/14 21:00");
        let low = Totals { unknown_us: 50, up_us: 50, ..Totals::default() };
        let figures = Figures::of(month(), low, parameters.terms()).unwrap();
        let verdict = |in_time| standing_verdict(&figures, &parameters, in_time);
        assert_eq!((verdict(true), verdict(false)), (Verdict::Undetermined, Verdict::Breached));
    }

    #[test]
    fn a_month_becomes_final_and_never_goes_back() {
        let end = month().end();
        assert_eq!(state(month(), end.plus_us(-1), None), State::Open);
        assert_eq!(state(month(), end, None), State::Provisional);
        assert_eq!(state(month(), end, Some(0)), State::Frozen);
        assert_eq!(state(month(), end, Some(2)), State::Revised(2));
        let mut parameters = Parameters::first();
        assert_eq!(frozen_at(month(), &parameters), end.plus_us(72 * 3_600_000_000));
        parameters.set("availability.freeze_hours", "24").unwrap();
        assert_eq!(frozen_at(month(), &parameters), end.plus_us(24 * 3_600_000_000));
    }

    /// T151: a subscription is judged by the paths that it gives, and by when it was in force.
    #[test]
    fn a_subscription_is_judged_by_what_it_gives() {
        use crate::agreement::scope::CoveredPath;
        let time = Span { from: month().start(), to: month().end() };
        let hours = |from: i64, to: i64| {
            let at = |hour: i64| time.from.plus_us(hour * 3_600_000_000);
            Span { from: at(from), to: at(to) }
        };
        let (api, calls) = (Paths::of(&[CoveredPath::Api]), Paths::of(&[CoveredPath::QuickSend]));
        let seen = |seen, paths, span| Evidence { seen, paths, scope: Scope::everyone(), span };
        let facts = Facts {
            evidence: vec![
                seen(Seen::Up, Paths::ALL, hours(0, 710)),
                seen(Seen::Down, api, hours(100, 104)),
            ],
            ..Facts::default()
        };
        let (standing, parameters) = (Standing::full(None, time), Parameters::first());
        let inputs = Inputs::gather(month(), time.to, (1, &parameters), &standing, &facts).unwrap();
        let narrowed = |paths, span: Span| inputs.narrowed(paths, &[span]);
        let by_api = narrowed(api, time);
        assert_eq!(
            (by_api.breach(true), by_api.breach(false)),
            (Some(Figure::High), Some(Figure::Low))
        );
        let high = by_api.measured(Figure::High).unwrap();
        assert_eq!((high.down_us, high.excess_us), (4 * 3_600_000_000, 3_513_600_000));
        let low = by_api.measured(Figure::Low).unwrap();
        assert_eq!(low.down_us, 14 * 3_600_000_000);
        let by_calls = narrowed(calls, time);
        assert_eq!((by_calls.breach(true), by_calls.breach(false)), (None, Some(Figure::Low)));
        assert_eq!(narrowed(calls, hours(0, 200)).breach(false), None);
        assert_eq!(narrowed(api, hours(104, 700)).breach(false), None);
        let short = narrowed(api, hours(90, 200));
        assert_eq!(short.measured(Figure::High).unwrap().down_us, 4 * 3_600_000_000);
        assert_eq!(Inputs::parse(&short.to_text()), Some(short));
        assert_eq!(narrowed(Paths::NONE, time).breach(false), None);
        let by = |pieces: &[(Paths, Span)]| inputs.narrowed_by(pieces, &[time]);
        assert_eq!(by(&[(api, hours(0, 90)), (api, hours(90, 720))]), by_api);
        // The API was given up, or taken up, in the middle of its outage.
        let (before, after) = (hours(0, 101), Span { from: hours(0, 101).to, to: time.to });
        let down = |pieces: &[(Paths, Span)]| by(pieces).judge().totals.down_us / 3_600_000_000;
        assert_eq!(down(&[(api, before), (calls, after)]), 1);
        assert_eq!(down(&[(calls, before), (api, after)]), 3);
    }
}
