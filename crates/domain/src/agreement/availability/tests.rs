//! The vectors of the agreement's checks for availability, the invariants I01 to I05, and a naive
//! reading of the rules, instant by instant, that the sweep has to equal.

use proptest::prelude::*;

use super::*;
use crate::Timestamp;
use crate::agreement::parameter::Parameters;
use crate::agreement::scope::CoveredPath;
use crate::agreement::statement::Inputs;
use crate::calendar::date_time::Written;
use crate::calendar::month::PersianMonth;

const SECOND_US: i64 = 1_000_000;

fn at(text: &str) -> Timestamp {
    let written = Written::parse(text).unwrap();
    written.at_second(written.second().unwrap()).unwrap()
}

fn span(from: &str, to: &str) -> Span {
    Span::new(at(from), at(to)).unwrap()
}

fn month(text: &str) -> PersianMonth {
    PersianMonth::parse(text).unwrap()
}

fn whole(month: PersianMonth) -> Span {
    Span::new(month.start(), month.end()).unwrap()
}

fn seen(seen: Seen, paths: &str, scope: &str, span: Span) -> Evidence {
    let (paths, scope) = (Paths::parse(paths).unwrap(), Scope::parse(scope).unwrap());
    Evidence { seen, paths, scope, span }
}

fn up(span: Span) -> Evidence {
    seen(Seen::Up, "all", "everyone", span)
}

fn down(span: Span) -> Evidence {
    seen(Seen::Down, "all", "everyone", span)
}

/// Long before and after every month that is looked at.
fn always() -> Span {
    span("1404/01/01 00:00", "1407/01/01 00:00")
}

/// Everything was seen to work, but for what `evidence` says.
fn watched(mut evidence: Vec<Evidence>, windows: Vec<Window>) -> Facts {
    evidence.push(up(always()));
    Facts { evidence, windows, excluded: Vec::new() }
}

fn member(account: i64, group: &str) -> Standing {
    let mut standing = Standing::full(Some(AccountId(account)), always());
    standing.memberships = vec![(Group::parse(group).unwrap(), always())];
    standing
}

fn seconds(totals: Totals) -> [i64; 4] {
    [totals.covered_us(), totals.planned_us, totals.down_us, totals.unknown_us]
        .map(|us| us / SECOND_US)
}

fn shown(month: PersianMonth, totals: Totals, terms: Terms) -> (String, Verdict) {
    let figures = Figures::of(month, totals, terms).unwrap();
    let measured = figures.measured.map_or("none".to_owned(), |measured| measured.to_string());
    (format!("{} {measured} {}", figures.low, figures.high), figures.verdict(terms))
}

/// What of `month` a subscriber with full access had.
fn had(text: &str, facts: &Facts) -> (Totals, String, Verdict) {
    let month = month(text);
    let standing = Standing::full(Some(AccountId(1)), always());
    let totals = sweep(whole(month), &standing, facts).totals();
    let (figures, verdict) = shown(month, totals, Terms::of_the_agreement());
    (totals, figures, verdict)
}

fn aban() -> Facts {
    let silent = span("1405/08/25 03:00", "1405/08/25 03:30");
    let watched = |from, to| up(Span::new(from, to).unwrap());
    Facts {
        evidence: vec![
            watched(always().from, silent.from),
            watched(silent.to, always().to),
            down(span("1405/08/10 10:00", "1405/08/10 11:30")),
            seen(Seen::Down, "api", "cohort:1", span("1405/08/10 11:00", "1405/08/10 12:00")),
            down(span("1405/08/20 02:00", "1405/08/20 04:40")),
        ],
        windows: vec![Window {
            paths: Paths::ALL,
            scope: Scope::everyone(),
            span: span("1405/08/20 02:00", "1405/08/20 04:00"),
        }],
        excluded: Vec::new(),
    }
}

/// T040, T042, T064.
#[test]
fn who_shares_an_outage_is_judged_by_it_and_the_platform_by_what_all_share() {
    let (aban, month) = (aban(), month("1405-08"));
    let totals_of = |standing: &Standing| sweep(whole(month), standing, &aban).totals();
    let terms = Terms::of_the_agreement();
    let inside = totals_of(&member(1, "cohort:1"));
    assert_eq!(seconds(inside), [2_592_000, 7_200, 9_600, 1_800]);
    let told = shown(month, inside, terms);
    assert_eq!(told, ("99.558 99.628 99.628".to_owned(), Verdict::Undetermined));
    let outside = totals_of(&member(2, "cohort:2"));
    assert_eq!(seconds(outside), [2_592_000, 7_200, 7_800, 1_800]);
    let told = shown(month, outside, terms);
    assert_eq!(told, ("99.628 99.698 99.698".to_owned(), Verdict::Met));
    assert_eq!(totals_of(&Standing::full(None, always())), outside);
    let figures = Figures::of(month, inside, terms).unwrap();
    assert_eq!(figures.verdict_without_evidence(terms), Verdict::Breached);
}

/// T045: what began before the month counts from its first moment.
#[test]
fn an_outage_over_the_end_of_a_month_is_shared_by_both() {
    let facts = watched(vec![down(span("1405/07/30 23:30", "1405/08/01 00:45"))], Vec::new());
    let (totals, figures, verdict) = had("1405-07", &facts);
    assert_eq!((seconds(totals)[2], &figures[..6], verdict), (1_800, "99.930", Verdict::Met));
    let (totals, figures, verdict) = had("1405-08", &facts);
    assert_eq!((seconds(totals)[2], &figures[..6], verdict), (2_700, "99.895", Verdict::Met));
}

/// T047, T084: only real downtime is planned.
#[test]
fn a_window_excludes_what_was_down_in_it_and_nothing_else() {
    let window = |from, to| {
        let (paths, scope) = (Paths::ALL, Scope::everyone());
        vec![Window { paths, scope, span: span(from, to) }]
    };
    let three_hours = window("1405/08/20 02:00", "1405/08/20 05:00");
    let hour = down(span("1405/08/20 03:00", "1405/08/20 04:00"));
    let (totals, figures, verdict) = had("1405-08", &watched(vec![hour], three_hours.clone()));
    assert_eq!(seconds(totals), [2_592_000, 3_600, 0, 0]);
    assert_eq!((figures.as_str(), verdict), ("100.000 100.000 100.000", Verdict::Met));
    let (totals, ..) = had("1405-08", &watched(Vec::new(), three_hours));
    assert_eq!(seconds(totals), [2_592_000, 0, 0, 0]);
}

/// T048, and the extreme of it: nothing is up by default.
#[test]
fn silence_is_never_a_promise_met() {
    let silent = span("1405/08/05 00:00", "1405/08/10 00:00");
    let parts = [(always().from, silent.from), (silent.to, always().to)];
    let evidence = parts.map(|(from, to)| up(Span::new(from, to).unwrap())).to_vec();
    let (totals, figures, verdict) = had("1405-08", &Facts { evidence, ..Facts::default() });
    assert_eq!(seconds(totals), [2_592_000, 0, 0, 432_000]);
    assert_eq!((figures.as_str(), verdict), ("83.333 100.000 100.000", Verdict::Undetermined));
    let (_, figures, verdict) = had("1405-08", &Facts::default());
    assert_eq!((figures.as_str(), verdict), ("0.000 none 100.000", Verdict::Undetermined));
}

/// T049.
#[test]
fn a_figure_is_cut_and_the_threshold_is_not_enough() {
    let missed = |down_us: i64| {
        let up_us = 2_592_000 * SECOND_US - down_us;
        let totals = Totals { down_us, up_us, ..Totals::default() };
        let (figures, verdict) = shown(month("1405-08"), totals, Terms::of_the_agreement());
        (figures[..6].to_owned(), verdict)
    };
    assert_eq!(missed(10_886_000_000), ("99.580".to_owned(), Verdict::Met));
    assert_eq!(missed(10_886_400_000), ("99.580".to_owned(), Verdict::Breached));
    assert_eq!(missed(10_887_000_000), ("99.579".to_owned(), Verdict::Breached));
}

/// T052, and A03.
#[test]
fn terms_decide_what_planned_time_and_a_month_are() {
    let hours = |planned: i64, down: i64, all: i64| {
        let hour = 3_600 * SECOND_US;
        let (planned_us, down_us) = (planned * hour, down * hour);
        let up_us = all * hour - planned_us - down_us;
        Totals { planned_us, down_us, up_us, ..Totals::default() }
    };
    let terms = Terms::of_the_agreement();
    let told = |month, totals, terms: Terms| {
        let (figures, verdict) = shown(month, totals, terms);
        (figures[..6].to_owned(), verdict)
    };
    let aban = month("1405-08");
    let missed = told(aban, hours(10, 3, 720), terms);
    assert_eq!(missed, ("99.577".to_owned(), Verdict::Breached));
    let available = Terms { treatment: Treatment::CountAsAvailable, ..terms };
    let met = told(aban, hours(10, 3, 720), available);
    assert_eq!(met, ("99.583".to_owned(), Verdict::Met));
    let fixed = Terms { basis: MonthBasis::Fixed30, ..terms };
    let at_least = Terms { comparison: Comparison::AtLeast, ..fixed };
    let budget = |us| {
        let mut totals = hours(0, 0, 744);
        (totals.down_us, totals.up_us) = (us, totals.up_us - us);
        totals
    };
    let farvardin = month("1405-01");
    assert_eq!(told(farvardin, budget(10_886_400_000), fixed).1, Verdict::Breached);
    assert_eq!(told(farvardin, budget(10_886_400_000), at_least).1, Verdict::Met);
    assert_eq!(told(farvardin, budget(10_886_399_999), fixed).1, Verdict::Met);
    assert_eq!(told(farvardin, hours(0, 744, 744), fixed).0, "0.000 ");
}

/// T054.
#[test]
fn a_trunk_that_fails_is_felt_by_those_who_call_through_it() {
    let lost = span("1405/08/03 10:00", "1405/08/03 14:00");
    let facts = watched(vec![seen(Seen::Down, "quick-send", "prefix:912", lost)], Vec::new());
    let down_s =
        |standing: &Standing| seconds(sweep(whole(month("1405-08")), standing, &facts).totals())[2];
    assert_eq!(down_s(&member(1, "prefix:912")), 14_400);
    assert_eq!(down_s(&member(1, "prefix:901")), 0);
    let mut late = member(1, "prefix:912");
    late.memberships[0].1.from = at("1405/08/03 13:00");
    assert_eq!(down_s(&late), 3_600);
    let mut without = member(1, "prefix:912");
    without.entitlements[0].0 = Paths::of(&[CoveredPath::Panel, CoveredPath::Api]);
    assert_eq!(down_s(&without), 0);
}

/// A21: what an excluded cause alone took away is not held against us, and not planned; what
/// another cause took away at the same time counts, however long the excluded one lasted.
#[test]
fn what_is_ours_counts_though_an_excluded_cause_lies_over_it() {
    let excluded = |from, to| {
        let (paths, scope) = (Paths::ALL, Scope::everyone());
        vec![Window { paths, scope, span: span(from, to) }]
    };
    let of = |evidence, excluded: Vec<Window>, windows| {
        let facts = Facts { excluded, ..watched(evidence, windows) };
        seconds(had("1405-08", &facts).0)
    };
    let storm = excluded("1405/08/03 10:00", "1405/08/03 14:00");
    assert_eq!(of(vec![], storm.clone(), vec![]), [2_592_000, 0, 0, 0]);
    let ours = down(span("1405/08/03 09:00", "1405/08/03 11:00"));
    assert_eq!(of(vec![ours], storm.clone(), vec![]), [2_592_000, 0, 7_200, 0]);
    let within = down(span("1405/08/03 11:00", "1405/08/03 12:00"));
    let window = excluded("1405/08/03 11:00", "1405/08/03 11:30");
    assert_eq!(of(vec![within], storm, window), [2_592_000, 1_800, 1_800, 0]);
    // It says what was the matter, so that the silence about it does not count either.
    let silent = Facts { excluded: vec![always_away()], ..Facts::default() };
    assert_eq!(seconds(had("1405-08", &silent).0), [2_592_000, 0, 0, 0]);
}

fn always_away() -> Window {
    Window { paths: Paths::ALL, scope: Scope::everyone(), span: always() }
}

/// T078.
#[test]
fn what_the_notice_did_not_name_is_down() {
    let night = span("1405/08/20 02:00", "1405/08/20 04:00");
    let campaigns = Window {
        paths: Paths::of(&[CoveredPath::Campaign]),
        scope: Scope::everyone(),
        span: night,
    };
    let (totals, ..) = had("1405-08", &watched(vec![down(night)], vec![campaigns.clone()]));
    assert_eq!(seconds(totals), [2_592_000, 0, 7_200, 0]);
    let announced = seen(Seen::Down, "campaign", "everyone", night);
    let (totals, ..) = had("1405-08", &watched(vec![announced], vec![campaigns]));
    assert_eq!(seconds(totals), [2_592_000, 7_200, 0, 0]);
}

#[test]
fn what_is_not_promised_has_no_figure() {
    let terms = Terms::of_the_agreement();
    let month = month("1405-08");
    let mut standing = Standing::full(Some(AccountId(1)), always());
    standing.coverage = vec![span("1405/08/10 00:00", "1405/08/11 00:00")];
    let facts = watched(Vec::new(), Vec::new());
    let totals = sweep(whole(month), &standing, &facts).totals();
    assert_eq!((seconds(totals)[0], totals.length_us()), (86_400, month.length_us()));
    standing.entitlements.clear();
    let totals = sweep(whole(month), &standing, &facts).totals();
    assert_eq!(totals.not_covered_us, month.length_us());
    assert_eq!(Figures::of(month, totals, terms), None);
}

/// T063, a spot of it: many subscribers and few sweeps, with the same answers.
#[test]
fn subscribers_whom_nothing_tells_apart_are_swept_once() {
    let mut facts = aban();
    let own = span("1405/08/12 00:00", "1405/08/12 01:00");
    facts.evidence.push(seen(Seen::Down, "api", "account:17", own));
    let group = |account: i64| format!("cohort:{}", account % 5 + 1);
    let standings: Vec<Standing> =
        (1..=1000).map(|account| member(account, &group(account))).collect();
    let within = whole(month("1405-08"));
    let mut cohorts = Cohorts::new(within, &facts);
    for standing in &standings {
        assert_eq!(cohorts.totals(standing), sweep(within, standing, &facts).totals());
    }
    assert_eq!(cohorts.sweeps(), 3);
    assert_eq!(totals_of_all(within, &facts, standings.iter()).len(), 1000);
}

/// Stretches into which the random months are cut.
const TICKS: i64 = 48;

fn tick(n: i64) -> Timestamp {
    month("1405-08").start().plus_us(n * (month("1405-08").length_us() / TICKS))
}

fn any_span() -> impl Strategy<Value = Span> {
    // Some begin before the month and end after it.
    (-4..TICKS, 1..14_i64)
        .prop_map(|(from, length)| Span::new(tick(from), tick(from + length)).unwrap())
}

fn any_paths() -> impl Strategy<Value = Paths> {
    prop::sample::subsequence(CoveredPath::ALL.to_vec(), 1..=4).prop_map(|paths| Paths::of(&paths))
}

fn any_group() -> impl Strategy<Value = Group> {
    prop_oneof![
        Just(Group::Everyone),
        (1..4_i64).prop_map(Group::Cohort),
        (1..3_i64).prop_map(|account| Group::Account(AccountId(account))),
    ]
}

fn any_scope() -> impl Strategy<Value = Scope> {
    prop::collection::vec(any_group(), 1..3).prop_map(|groups| Scope::new(groups).unwrap())
}

fn any_outage() -> impl Strategy<Value = Evidence> {
    (any_paths(), any_scope(), any_span()).prop_map(|(paths, scope, span)| Evidence {
        seen: Seen::Down,
        paths,
        scope,
        span,
    })
}

fn any_evidence() -> impl Strategy<Value = Evidence> {
    (any_outage(), prop::bool::weighted(0.6)).prop_map(|(mut evidence, works)| {
        if works {
            evidence.seen = Seen::Up;
            evidence.span.to = evidence.span.to.max(tick(TICKS / 2));
        }
        evidence
    })
}

fn any_window() -> impl Strategy<Value = Window> {
    any_outage().prop_map(|Evidence { paths, scope, span, .. }| Window { paths, scope, span })
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let evidence = prop::collection::vec(any_evidence(), 0..12);
    let windows = prop::collection::vec(any_window(), 0..4);
    // What is excluded, and by how much an outage of ours overlaps it, if one does.
    let excluded = (any_window(), prop::option::weighted(0.5, -6..7_i64));
    let excluded = prop::collection::vec(excluded, 0..4);
    (evidence, windows, excluded).prop_map(|(mut evidence, windows, excluded)| {
        let mut own = Vec::new();
        for (Window { paths, scope, span }, shift) in &excluded {
            let Some(shift) = shift else { continue };
            let moved = |at: Timestamp| at.plus_us(tick(*shift).us_since(tick(0)));
            let span = Span::new(moved(span.from), moved(span.to)).unwrap();
            own.push(Evidence { seen: Seen::Down, paths: *paths, scope: scope.clone(), span });
        }
        evidence.extend(own);
        let excluded = excluded.into_iter().map(|(excluded, _)| excluded).collect();
        Facts { evidence, windows, excluded }
    })
}

fn any_standing() -> impl Strategy<Value = Standing> {
    let spans = || prop::collection::vec(any_span(), 0..3);
    let entitled = prop::collection::vec((any_paths(), any_span()), 0..3);
    let members = prop::collection::vec((any_group(), any_span()), 0..4);
    (prop::option::of(1..3_i64), spans(), entitled, members, prop::bool::weighted(0.6)).prop_map(
        |(account, coverage, entitlements, memberships, full)| {
            let account = account.map(AccountId);
            let mut standing = Standing { account, coverage, entitlements, memberships };
            if full {
                let Standing { coverage, entitlements, .. } = Standing::full(None, always());
                (standing.coverage, standing.entitlements) = (coverage, entitlements);
            }
            standing
        },
    )
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let basis = prop::sample::select(vec![MonthBasis::Actual, MonthBasis::Fixed30]);
    let treatment = prop::sample::select(vec![Treatment::ExcludeBoth, Treatment::CountAsAvailable]);
    (basis, treatment).prop_map(|(basis, treatment)| Terms {
        basis,
        treatment,
        ..Terms::of_the_agreement()
    })
}

/// The class at an instant, by the table of the specification (1.5), row by row, but for the turn
/// of the last two that I03 asks for. A cause that the agreement excludes is real downtime, and so
/// evidence of the path; it is not among the causes of row 2.
fn naive(at: Timestamp, standing: &Standing, facts: &Facts) -> Class {
    let in_scope = |scope: &Scope| {
        scope.groups().iter().any(|group| match group {
            Group::Everyone => true,
            Group::Account(account) if standing.account == Some(*account) => true,
            _ => standing.memberships.iter().any(|(mine, span)| mine == group && span.contains(at)),
        })
    };
    let entitled: Vec<CoveredPath> = CoveredPath::ALL
        .into_iter()
        .filter(|path| {
            standing.entitlements.iter().any(|(of, span)| of.contains(*path) && span.contains(at))
        })
        .collect();
    if entitled.is_empty() || !standing.coverage.iter().any(|span| span.contains(at)) {
        return Class::NotCovered;
    }
    let saw = |path: CoveredPath, what: Seen| {
        facts.evidence.iter().any(|seen| {
            seen.seen == what
                && seen.paths.contains(path)
                && seen.span.contains(at)
                && in_scope(&seen.scope)
        })
    };
    let one_of = |all: &[Window], path: CoveredPath| {
        all.iter().any(|window| {
            window.paths.contains(path) && window.span.contains(at) && in_scope(&window.scope)
        })
    };
    let announced = |path: &&CoveredPath| one_of(&facts.windows, **path);
    let is_counted = |path: &&CoveredPath| saw(**path, Seen::Down);
    let is_down = |path: &&CoveredPath| is_counted(path) || one_of(&facts.excluded, **path);
    let is_unproven = |path: &&CoveredPath| !is_down(path) && !saw(**path, Seen::Up);
    if entitled.iter().any(|path| is_counted(&path) && !announced(&path)) {
        Class::Down
    } else if entitled.iter().any(|path| is_unproven(&path) && !announced(&path)) {
        Class::Unknown
    } else if entitled.iter().filter(announced).any(|path| is_down(&path) || is_unproven(&path)) {
        Class::Planned
    } else {
        Class::Up
    }
}

fn naive_totals(standing: &Standing, facts: &Facts) -> Totals {
    let mut totals = Totals::default();
    for n in 0..TICKS {
        totals.add(naive(tick(n), standing, facts), tick(n + 1).us_since(tick(n)));
    }
    totals
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Brute force, I01, I02.
    #[test]
    fn the_sweep_is_what_asking_at_every_instant_gives(
        standing in any_standing(), facts in any_facts(), terms in any_terms(),
    ) {
        let month = month("1405-08");
        let timeline = sweep(whole(month), &standing, &facts);
        let totals = timeline.totals();
        prop_assert_eq!(totals, naive_totals(&standing, &facts));
        prop_assert_eq!(totals.length_us(), month.length_us());
        for (span, class) in timeline.stretches() {
            prop_assert_eq!(naive(span.from, &standing, &facts), *class);
        }
        prop_assert_eq!(Cohorts::new(whole(month), &facts).totals(&standing), totals);
        if let Some(figures) = Figures::of(month, totals, terms) {
            let measured = figures.measured.unwrap_or(figures.low);
            prop_assert!(figures.low <= measured && measured <= figures.high);
            if totals.unknown_us == 0 {
                prop_assert!(figures.low == measured && measured == figures.high);
            }
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// I07, I18: what is kept of a month is read again as it was, and comes to the same.
    #[test]
    fn what_is_kept_of_any_month_computes_to_it(
        standing in any_standing(), facts in any_facts(),
    ) {
        let month = month("1405-08");
        let agreement = (1, &Parameters::first());
        let inputs = Inputs::gather(month, month.end(), agreement, &standing, &facts).unwrap();
        let again = Inputs::parse(&inputs.to_text());
        prop_assert_eq!(again.as_ref(), Some(&inputs));
        let totals = sweep(whole(month), &standing, &facts).totals();
        prop_assert_eq!(again.unwrap().judge().totals, totals);
    }

    /// I03.
    #[test]
    fn an_outage_more_never_raises_a_figure(
        standing in any_standing(), facts in any_facts(), terms in any_terms(),
        outage in any_outage(),
    ) {
        let month = month("1405-08");
        let figures = |facts: &Facts| {
            Figures::of(month, sweep(whole(month), &standing, facts).totals(), terms)
        };
        let mut more = facts.clone();
        more.evidence.push(outage);
        if let (Some(before), Some(after)) = (figures(&facts), figures(&more)) {
            prop_assert!(after.low <= before.low && after.high <= before.high);
            if let (Some(before), Some(after)) = (before.measured, after.measured) {
                prop_assert!(after <= before);
            }
        }
    }

    /// A21, I03: an outage more from a cause that the agreement excludes hides nothing of what was
    /// down from others, and is never worth more than if the service had been there.
    #[test]
    fn an_excluded_cause_hides_no_other(
        standing in any_standing(), facts in any_facts(), terms in any_terms(),
        outage in any_window(),
    ) {
        let month = month("1405-08");
        let totals = |facts: &Facts| sweep(whole(month), &standing, facts).totals();
        let (mut more, mut there) = (facts.clone(), facts.clone());
        let Window { paths, scope, span } = outage.clone();
        more.excluded.push(outage);
        there.evidence.push(Evidence { seen: Seen::Up, paths, scope, span });
        prop_assert_eq!(totals(&more).down_us, totals(&facts).down_us);
        let figures = |facts: &Facts| Figures::of(month, totals(facts), terms);
        if let (Some(before), Some(after)) = (figures(&facts), figures(&more)) {
            prop_assert!(after.high <= before.high);
        }
        if let (Some(there), Some(after)) = (figures(&there), figures(&more)) {
            prop_assert!(after.low <= there.low && after.high <= there.high);
            if let (Some(there), Some(after)) = (there.measured, after.measured) {
                prop_assert!(after <= there);
            }
        }
    }

    /// I04, I05.
    #[test]
    fn order_doubles_and_cuts_change_nothing(
        standing in any_standing(), facts in any_facts(), place in 0..12_usize, cut in 0..TICKS,
    ) {
        let within = whole(month("1405-08"));
        let timeline = sweep(within, &standing, &facts);
        let mut same = facts.clone();
        same.evidence.reverse();
        if let Some(seen) = facts.evidence.get(place) {
            same.evidence.push(seen.clone());
            if seen.span.contains(tick(cut)) && seen.span.from < tick(cut) {
                let of = facts.evidence.len() - 1 - place;
                same.evidence[of].span.to = tick(cut);
                let last = same.evidence.last_mut().unwrap();
                last.span.from = tick(cut);
            }
        }
        prop_assert_eq!(&sweep(within, &standing, &same), &timeline);
        let mut quiet = Facts { windows: Vec::new(), excluded: Vec::new(), ..facts.clone() };
        let down = |Window { paths, scope, span }| {
            Evidence { seen: Seen::Down, paths, scope, span }
        };
        quiet.evidence.extend(facts.excluded.into_iter().map(down));
        let without = sweep(within, &standing, &quiet);
        for (span, class) in timeline.stretches() {
            if *class == Class::Planned {
                let announced = facts.windows.iter();
                let announced = announced.flat_map(|one| standing.within(&one.scope, one.span));
                let announced = span::union(announced.filter_map(|at| at.within(*span)).collect());
                prop_assert_eq!(announced, vec![*span]);
                let touched = without.stretches().iter();
                let touched = touched.filter(|(at, _)| at.within(*span).is_some());
                let lost = |class: Class| matches!(class, Class::Down | Class::Unknown);
                let all_lost = touched.map(|(_, class)| *class).all(lost);
                prop_assert!(all_lost);
            }
        }
    }
}
