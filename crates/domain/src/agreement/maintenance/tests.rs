//! The vectors of the agreement's checks for maintenance, I06, and a naive reading of the rules.

use proptest::prelude::*;

use super::*;
use crate::calendar::date_time::Written;

const HOUR_US: i64 = 3_600_000_000;

fn at(text: &str) -> Timestamp {
    let written = Written::parse(text).unwrap();
    written.at_second(written.second().unwrap()).unwrap()
}

/// A Saturday, 02:00 until 04:00.
fn night() -> Span {
    Span::new(at("1405/09/07 02:00"), at("1405/09/07 04:00")).unwrap()
}

fn plan(span: Span) -> Window {
    Window { paths: Paths::ALL, scope: Scope::everyone(), span }
}

fn version(saved_at: Timestamp, plan: Window) -> Version {
    Version { saved_at, plan: Some(plan) }
}

fn proof(version: usize, channel: Channel, published_at: Timestamp) -> Proof {
    Proof { version, channel, paths: Paths::ALL, published_at, withdrawn_at: None }
}

fn both(version: usize, at: Timestamp) -> Vec<Proof> {
    Channel::ALL.map(|channel| proof(version, channel, at)).to_vec()
}

/// The window of that night, saved and told so long before.
fn told(page_us: i64, social_us: Option<i64>) -> Maintenance {
    let before = |us: i64| night().from.plus_us(-us);
    let mut proofs = vec![proof(0, Channel::FirstPage, before(page_us))];
    proofs.extend(social_us.map(|us| proof(0, Channel::Social, before(us))));
    let saved_at = before(page_us.max(social_us.unwrap_or(0)));
    let versions = vec![version(saved_at, plan(night()))];
    Maintenance { versions, proofs, verified_at: None }
}

fn valid_us(maintenance: &Maintenance) -> i64 {
    maintenance.valid(LEAD_US).iter().map(|window| window.span.length_us()).sum()
}

/// T070, T071, T072, T073, T087.
#[test]
fn a_window_is_planned_when_both_channels_had_it_48_hours_before() {
    assert_eq!(told(48 * HOUR_US, Some(48 * HOUR_US)).valid(LEAD_US), [plan(night())]);
    let second_late = told(48 * HOUR_US - 1_000_000, Some(48 * HOUR_US - 1_000_000));
    assert_eq!(second_late.valid(LEAD_US), []);
    assert_eq!(told(50 * HOUR_US, Some(47 * HOUR_US)).valid(LEAD_US), []);
    assert_eq!(told(47 * HOUR_US, Some(50 * HOUR_US)).valid(LEAD_US), []);
    assert_eq!(told(50 * HOUR_US, None).valid(LEAD_US), []);
    let during = night().from.plus_us(HOUR_US);
    assert_eq!(second_late.state(during, LEAD_US), State::Unplanned);
}

/// T071, T073.
#[test]
fn an_editor_is_told_what_counts_before_it_is_saved() {
    let save = |saved_at: &str, has_social, confirmed| {
        let next = version(at(saved_at), plan(night()));
        Maintenance::default().save(next, has_social, LEAD_US, confirmed)
    };
    let in_time = Judgement { lead_us: 48 * HOUR_US, counted_us: 0 };
    assert_eq!(save("1405/09/05 02:00:00", true, false), Ok(in_time));
    let late = Judgement { lead_us: 48 * HOUR_US - 1_000_000, counted_us: 2 * HOUR_US };
    assert_eq!(save("1405/09/05 02:00:01", true, false), Err(Refusal::Unconfirmed(late)));
    assert_eq!(save("1405/09/05 02:00:01", true, true), Ok(late));
    assert_eq!(save("1405/09/05 02:00:00", false, true), Err(Refusal::NoSocialChannel));
    assert_eq!(save("1405/09/07 02:00:01", true, true), Err(Refusal::Past));
}

/// T074: what overruns is in no window; extending it in time needs notice.
#[test]
fn an_extension_while_it_runs_is_not_planned() {
    let mut running = told(50 * HOUR_US, Some(50 * HOUR_US));
    let longer = Span { to: night().to.plus_us(40 * 60_000_000), ..night() };
    let next = version(night().from.plus_us(HOUR_US), plan(longer));
    let judged = running.judge(&next, true, LEAD_US).unwrap();
    assert_eq!(judged, Judgement { lead_us: -HOUR_US, counted_us: 40 * 60_000_000 });
    let told_at = next.saved_at;
    assert!(running.save(next, true, LEAD_US, true).is_ok());
    running.proofs.extend(both(1, told_at));
    assert_eq!(valid_us(&running), 2 * HOUR_US);
}

/// T076, T080.
#[test]
fn a_start_that_is_moved_needs_notice_and_a_shorter_window_keeps_it() {
    let day = 24 * HOUR_US;
    let moved = Span::new(night().from.plus_us(day), night().to.plus_us(day)).unwrap();
    let mut maintenance = told(50 * HOUR_US, Some(50 * HOUR_US));
    let told_at = moved.from.plus_us(-28 * HOUR_US);
    maintenance.versions.push(version(told_at, plan(moved)));
    maintenance.proofs.extend(both(1, told_at));
    assert_eq!(maintenance.valid(LEAD_US), []);

    let mut maintenance = told(50 * HOUR_US, Some(50 * HOUR_US));
    let shorter = Span { from: night().from.plus_us(HOUR_US), ..night() };
    maintenance.versions.push(version(night().from.plus_us(-HOUR_US), plan(shorter)));
    assert_eq!(maintenance.valid(LEAD_US), [plan(shorter)]);
    assert_eq!(maintenance.state(night().from, LEAD_US), State::Noticed);

    let mut withdrawn = told(50 * HOUR_US, Some(50 * HOUR_US));
    withdrawn.proofs[0].withdrawn_at = Some(night().from.plus_us(-5 * HOUR_US));
    assert_eq!(withdrawn.valid(LEAD_US), []);
    withdrawn.proofs[0].withdrawn_at = Some(night().from);
    assert_eq!(withdrawn.valid(LEAD_US), [plan(night())]);
}

/// T078, T086: what was not named, or for others, is not planned; a deleted post was seen.
#[test]
fn a_wider_window_is_planned_for_what_the_notice_named() {
    let mut maintenance = told(50 * HOUR_US, Some(50 * HOUR_US));
    let campaigns = Paths::of(&[CoveredPath::Campaign]);
    maintenance.proofs[0].paths = campaigns;
    maintenance.proofs[1].withdrawn_at = Some(night().from.plus_us(-HOUR_US));
    let narrow = Window { paths: campaigns, ..plan(night()) };
    assert_eq!(maintenance.valid(LEAD_US), std::slice::from_ref(&narrow));

    let of_two = Window { scope: Scope::parse("cohort:1,cohort:2").unwrap(), ..plan(night()) };
    let one = Window { scope: Scope::parse("cohort:1").unwrap(), ..plan(night()) };
    let mut maintenance = told(50 * HOUR_US, Some(50 * HOUR_US));
    maintenance.versions[0].plan = Some(one.clone());
    let late = night().from.plus_us(-40 * HOUR_US);
    maintenance.versions.push(version(late, of_two));
    maintenance.proofs.extend(both(1, late));
    assert_eq!(maintenance.valid(LEAD_US), [one]);
}

/// T082.
#[test]
fn what_was_cancelled_is_not_planned() {
    let mut maintenance = told(50 * HOUR_US, Some(50 * HOUR_US));
    let cancel = |saved_at| Version { saved_at, plan: None };
    let late = maintenance.judge(&cancel(night().from), true, LEAD_US);
    assert_eq!(late, Err(Refusal::Begun));
    let early = cancel(night().from.plus_us(-HOUR_US));
    assert!(maintenance.save(early.clone(), true, LEAD_US, false).is_ok());
    assert_eq!(maintenance.valid(LEAD_US), []);
    assert_eq!(maintenance.state(night().from, LEAD_US), State::Cancelled);
    assert_eq!(maintenance.judge(&early, true, LEAD_US), Err(Refusal::Closed));
    let none = Maintenance::default().judge(&early, true, LEAD_US);
    assert_eq!(none, Err(Refusal::Unknown));
}

#[test]
fn a_window_that_makes_no_sense_is_refused() {
    let judge = |plan| {
        let saved_at = night().from.plus_us(-50 * HOUR_US);
        Maintenance::default().judge(&version(saved_at, plan), true, LEAD_US)
    };
    let nothing = Window { paths: Paths::NONE, ..plan(night()) };
    assert_eq!(judge(nothing), Err(Refusal::NoPath));
    let weeks = Span { to: night().from.plus_us(LENGTH_MAX_US + 1), ..night() };
    assert_eq!(judge(plan(weeks)), Err(Refusal::TooLong));
    let mut over = told(50 * HOUR_US, Some(50 * HOUR_US));
    assert_eq!(over.state(night().to, LEAD_US), State::Verifying);
    over.verified_at = Some(night().to);
    assert_eq!(over.state(night().to, LEAD_US), State::Completed);
    let next = version(night().to, plan(night()));
    assert_eq!(over.judge(&next, true, LEAD_US), Err(Refusal::Closed));
}

/// Hours of a small world; the lead is 6 of them.
fn hour(n: i64) -> Timestamp {
    Timestamp(n * HOUR_US)
}

fn any_plan() -> impl Strategy<Value = Option<Window>> {
    let paths = prop::sample::subsequence(CoveredPath::ALL.to_vec(), 1..=4);
    let groups =
        prop::sample::subsequence(vec![Group::Everyone, Group::Cohort(1), Group::Cohort(2)], 1..=3);
    let plan = (paths, groups, 6..24_i64, 1..8_i64).prop_map(|(paths, groups, from, length)| {
        let span = Span::new(hour(from), hour(from + length)).unwrap();
        Window { paths: Paths::of(&paths), scope: Scope::new(groups).unwrap(), span }
    });
    prop::option::weighted(0.95, plan)
}

fn any_maintenance() -> impl Strategy<Value = Maintenance> {
    let versions = prop::collection::vec((0..8_i64, any_plan()), 1..5);
    let paths = prop::sample::subsequence(CoveredPath::ALL.to_vec(), 2..=4);
    let channel = prop::sample::select(Channel::ALL.to_vec());
    let withdrawn = prop::option::weighted(0.2, 0..24_i64);
    let proof = (0..5_usize, channel, paths, 0..16_i64, withdrawn);
    (versions, prop::collection::vec(proof, 0..10)).prop_map(|(versions, proofs)| {
        let mut saved = -1;
        let versions = versions.into_iter().map(|(after, plan)| {
            saved += after;
            Version { saved_at: hour(saved), plan }
        });
        let proofs = proofs.into_iter().map(|(version, channel, paths, published, withdrawn)| {
            let paths = Paths::of(&paths);
            let (published_at, withdrawn_at) = (hour(published), withdrawn.map(hour));
            Proof { version, channel, paths, published_at, withdrawn_at }
        });
        let (versions, proofs) = (versions.collect(), proofs.collect());
        Maintenance { versions, proofs, verified_at: None }
    })
}

/// Whether downtime at an instant is planned, by asking every rule for that instant alone.
fn naive(maintenance: &Maintenance, at: Timestamp, path: CoveredPath, group: Group) -> bool {
    let versions = &maintenance.versions;
    let Some(now) = versions.iter().rposition(|version| version.saved_at <= at) else {
        return false;
    };
    let has = |version: &Version| {
        version.plan.as_ref().is_some_and(|plan| {
            let groups = plan.scope.groups();
            plan.span.contains(at)
                && plan.paths.contains(path)
                && (groups.contains(&group) || groups.contains(&Group::Everyone))
        })
    };
    let Some(start) = versions[now].plan.as_ref().map(|plan| plan.span.from) else {
        return false;
    };
    (0..=now).any(|first| {
        let told = |channel| {
            maintenance.proofs.iter().any(|proof| {
                let left = proof.withdrawn_at.is_some_and(|withdrawn| withdrawn < start);
                proof.version == first
                    && proof.channel == channel
                    && proof.paths.contains(path)
                    && proof.published_at <= start.plus_us(-6 * HOUR_US)
                    && !(left && channel == Channel::FirstPage)
            })
        };
        versions[first..=now].iter().all(has) && told(Channel::FirstPage) && told(Channel::Social)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Brute force, and with it I06: no proof later than the start and its lead is of use.
    #[test]
    fn what_is_valid_is_what_asking_at_every_instant_gives(maintenance in any_maintenance()) {
        let valid = maintenance.valid(6 * HOUR_US);
        for n in 0..34 {
            for path in CoveredPath::ALL {
                for group in [Group::Everyone, Group::Cohort(1), Group::Cohort(2)] {
                    let planned = valid.iter().any(|window| {
                        window.span.contains(hour(n))
                            && window.paths.contains(path)
                            && window.scope.covers(group)
                    });
                    let asked = naive(&maintenance, hour(n), path, group);
                    prop_assert_eq!(planned, asked, "{} {:?} {:?}", n, path, group);
                }
            }
        }
    }
}
