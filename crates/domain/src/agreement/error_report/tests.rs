//! The vectors of the agreement's checks for reported errors, and what holds whatever is tried.

use proptest::prelude::*;

use super::super::clock::{Change, Clock, Goal, State as ClockState};
use super::clocks::event;
use super::*;
use crate::calendar::date_time::Written;
use crate::calendar::day::due_text;
use crate::calendar::holiday::Holidays;
use crate::calendar::opening_hours::{CalendarKind, OpeningHours};
use crate::calendar::working_time::Timetable;

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;
const TERMS: Terms = Terms { triage_us: DAY_US, fix_days: 3, count: DayCount::EveryDay };

fn business() -> Timetable {
    let hours = OpeningHours::of_the_agreement(CalendarKind::Business);
    Timetable::new(vec![hours], Holidays::shipped()).unwrap()
}

fn at(text: &str) -> Timestamp {
    let written = Written::parse(text).unwrap();
    written.at_second(written.second().unwrap()).unwrap()
}

fn day(n: i64) -> Timestamp {
    Timestamp(n * DAY_US)
}

fn found(finding: Finding) -> Result<ErrorReport, Refusal> {
    let mut report = ErrorReport::new(7, day(0));
    report.take(&Step::Found(finding), day(1)).map(|()| report)
}

fn due(report: &ErrorReport, metric: Metric, now: Timestamp) -> String {
    let business = business();
    due_text(report.clock(metric, now, TERMS, &business).unwrap().due(&business).unwrap())
}

fn state(report: &ErrorReport, metric: Metric, now: Timestamp) -> ClockState {
    let business = business();
    report.clock(metric, now, TERMS, &business).unwrap().state(now, &business)
}

/// T095, T097.
#[test]
fn what_is_not_ours_needs_a_reason_and_an_owner() {
    let silent = Finding::NotOurs(Whose::Customer, "  ".to_owned());
    assert_eq!(found(silent), Err(Refusal::NoText));
    let ours = Finding::NotOurs(Whose::Ours, "a reason".to_owned());
    assert_eq!(found(ours), Err(Refusal::Whose));
    let theirs = Finding::NotOurs(Whose::Customer, "the customer's firewall".to_owned());
    let answered = found(theirs).unwrap();
    assert_eq!(answered.state, State::Answered);
    assert_eq!(answered.clock(Metric::Fix, day(9), TERMS, &business()), None);
    assert_eq!(found(Finding::DuplicateOf(7)), Err(Refusal::Itself));
    let duplicate = found(Finding::DuplicateOf(6)).unwrap();
    assert_eq!((duplicate.state, duplicate.result_at), (State::Fixing, Some(day(1))));
    // A known structural fault: the twin awaits a date in its own time, too.
    assert_eq!(found(Finding::SameWorkAs(7)), Err(Refusal::Itself));
    let mut same = found(Finding::SameWorkAs(6)).unwrap();
    assert_eq!(same.state, State::Structural);
    assert_eq!(state(&same, Metric::Fix, day(1)), ClockState::Running);
    assert_eq!(same.take(&Step::Fixed, day(1)), Err(Refusal::WrongState));
    same.take(&Step::Committed(day(9)), day(1)).unwrap();
    assert_eq!(state(&same, Metric::Fix, day(1)), ClockState::Met);
}

/// T020, T021, T094: triage on the wall; a fix from the result, and never later than it was due.
#[test]
fn late_triage_buys_no_time() {
    for (reported, result, triage, fix) in [
        ("1405/09/05 23:50", "1405/09/05 23:55", "1405/09/06 23:50", "1405/09/08 21:00"),
        ("1405/09/05 23:50", "1405/09/07 09:00", "1405/09/06 23:50", "1405/09/09 21:00"),
        ("1404/12/28 23:50", "1405/01/09 09:00", "1404/12/29 23:50", "1405/01/03 17:00"),
    ] {
        let mut report = ErrorReport::new(7, at(reported));
        let result = at(result);
        report.take(&Step::Found(Finding::Minor), result).unwrap();
        assert_eq!(due(&report, Metric::Triage, result), triage);
        assert_eq!(due(&report, Metric::Fix, result), fix);
        let met = result <= at(triage);
        let expected = if met { ClockState::Met } else { ClockState::Missed };
        assert_eq!(state(&report, Metric::Triage, result), expected);
    }
}

/// T031, T032, T103: what the customer did not give, from when it should have, gives whole days
/// back to a fix; only that it could not be reached gives time on the wall to triage.
#[test]
fn waiting_for_the_customer_gives_time_back() {
    let mut report = ErrorReport::new(7, at("1405/09/07 12:00"));
    let mut step = |step: Step, text| report.take(&step, at(text));
    step(Step::Paused, "1405/09/07 16:00").unwrap();
    assert_eq!(step(Step::Paused, "1405/09/07 16:00"), Err(Refusal::WrongState));
    step(Step::Resumed, "1405/09/08 10:00").unwrap();
    let late = Step::Asked(at("1405/09/08 13:59"));
    assert_eq!(step(late, "1405/09/08 10:00"), Err(Refusal::Date));
    step(Step::Found(Finding::Minor), "1405/09/08 11:00").unwrap();
    step(Step::Asked(at("1405/09/09 08:00")), "1405/09/08 11:00").unwrap();
    assert_eq!(due(&report, Metric::Triage, at("1405/09/08 11:00")), "1405/09/09 06:00");
    let now = at("1405/09/10 12:00");
    assert_eq!(due(&report, Metric::Fix, now), "1405/09/11 21:00");
    assert_eq!(state(&report, Metric::Fix, now), ClockState::Paused);
    let mut given = report.clone();
    given.take(&Step::Provided, at("1405/09/10 21:30")).unwrap();
    assert_eq!(due(&given, Metric::Fix, at("1405/09/10 21:30")), "1405/09/13 17:00", "two days");
    given.take(&Step::Fixed, at("1405/09/13 16:00")).unwrap();
    given.take(&Step::Verified, at("1405/09/13 16:30")).unwrap();
    assert_eq!(state(&given, Metric::Fix, day(30_000)), ClockState::Met);
    // A part of a day gives nothing back.
    report.take(&Step::Provided, at("1405/09/10 12:00")).unwrap();
    assert_eq!(due(&report, Metric::Fix, now), "1405/09/12 21:00");
}

/// The result is told in its time, whatever the customer was asked for and has not given.
#[test]
fn a_request_lets_no_triage_wait() {
    let mut report = ErrorReport::new(7, at("1405/09/07 12:00"));
    report.take(&Step::Asked(at("1405/09/07 20:00")), at("1405/09/07 13:00")).unwrap();
    let now = at("1405/09/08 12:01");
    assert_eq!(due(&report, Metric::Triage, now), "1405/09/08 12:00");
    assert_eq!(state(&report, Metric::Triage, now), ClockState::Missed);
    report.take(&Step::Provided, now).unwrap();
    report.take(&Step::Found(Finding::Minor), now).unwrap();
    assert_eq!(state(&report, Metric::Triage, now), ClockState::Missed);
}

/// What is found not to be fixed never was, and what is only said to be is not yet.
#[test]
fn a_fix_that_is_none_stops_no_clock() {
    let mut report = found(Finding::Minor).unwrap();
    report.take(&Step::Fixed, day(2)).unwrap();
    assert_eq!(state(&report, Metric::Fix, day(2)), ClockState::Running);
    assert!(report.state.runs());
    assert_eq!(state(&report, Metric::Fix, day(9)), ClockState::Missed);
    let mut sure = report.clone();
    sure.take(&Step::Verified, day(3)).unwrap();
    assert_eq!(state(&sure, Metric::Fix, day(9)), ClockState::Met);
    let silent = Step::NotVerified(String::new());
    assert_eq!(report.take(&silent, day(3)), Err(Refusal::NoText));
    report.take(&Step::NotVerified("it still fails".to_owned()), day(3)).unwrap();
    assert_eq!((report.state, report.done_at), (State::Fixing, None));
    assert_eq!(state(&report, Metric::Fix, day(9)), ClockState::Missed);
}

/// T099.
#[test]
fn a_date_that_comes_late_is_a_miss_and_still_a_date() {
    let mut report = found(Finding::Structural).unwrap();
    report.take(&Step::Committed(day(20)), day(6)).unwrap();
    assert_eq!(report.state, State::Committed);
    assert_eq!(state(&report, Metric::Fix, day(6)), ClockState::Missed);
    assert_eq!(report.moved_late(day(4)), None, "it moved none");
    assert_eq!(report.take(&Step::Proposed(day(19)), day(7)), Err(Refusal::Date));
    assert_eq!(report.take(&Step::Agreed, day(7)), Err(Refusal::WrongState));
    report.take(&Step::Proposed(day(30)), day(7)).unwrap();
    report.take(&Step::Agreed, day(7)).unwrap();
    assert_eq!(report.moved_late(day(6)), None);
    assert_eq!(state(&report, Metric::Delivery, day(30)), ClockState::Running);
    report.take(&Step::Committed(day(40)), day(8)).unwrap();
    assert_eq!(report.moved_late(day(6)), Some(day(8)));
    let later = day(30).plus_us(1);
    assert_eq!(state(&report, Metric::Delivery, later), ClockState::Missed, "it was not agreed to");
    assert_eq!(report.commitments.len(), 3);
}

/// T101.
#[test]
fn a_delivery_needs_the_evidence_of_its_tests() {
    let mut report = found(Finding::Structural).unwrap();
    let evidence = Step::Delivered("https://ci.example/run/7".to_owned());
    assert_eq!(report.take(&evidence, day(2)), Err(Refusal::WrongState));
    report.take(&Step::Committed(day(20)), day(2)).unwrap();
    assert_eq!(report.take(&Step::Delivered(String::new()), day(9)), Err(Refusal::NoText));
    report.take(&evidence, day(9)).unwrap();
    assert_eq!(state(&report, Metric::Delivery, day(30)), ClockState::Met);
    report.take(&Step::Rejected("fails our test".to_owned()), day(10)).unwrap();
    assert_eq!((report.state, report.delivered_at), (State::Committed, None));
    assert_eq!(state(&report, Metric::Delivery, day(30)), ClockState::Missed);
    report.take(&evidence, day(11)).unwrap();
    report.take(&Step::Accepted, day(12)).unwrap();
    assert_eq!((report.state, report.done_at), (State::Accepted, Some(day(12))));
    assert_eq!(state(&report, Metric::Delivery, day(30)), ClockState::Met);
}

#[test]
fn an_error_that_comes_back_within_a_week_is_the_same_one() {
    let mut report = found(Finding::Minor).unwrap();
    report.take(&Step::Fixed, day(3)).unwrap();
    report.take(&Step::Verified, day(3)).unwrap();
    let mut late = report.clone();
    assert_eq!(late.take(&Step::Reopened, day(11)), Err(Refusal::TooLate));
    report.take(&Step::Reopened, day(10)).unwrap();
    assert_eq!((report.cycle, report.state, report.finding), (2, State::Triaging, None));
    assert_eq!(late.take(&Step::Found(Finding::Minor), day(12)), Err(Refusal::WrongState));
    assert_eq!(late.take(&Step::Reopened, day(2)), Err(Refusal::OutOfOrder));
    let mut unbelieved = found(Finding::Question).unwrap();
    unbelieved.take(&Step::Reopened, day(8)).unwrap();
    assert_eq!((unbelieved.cycle, unbelieved.state), (2, State::Triaging));
}

#[test]
fn every_word_is_read_again() {
    for source in Source::ALL {
        assert_eq!(Source::parse(source.word()), Some(source));
    }
    for whose in Whose::ALL {
        assert_eq!(Whose::parse(whose.word()), Some(whose));
    }
}

fn any_step(which: usize, later: Timestamp) -> Step {
    let text = || "because".to_owned();
    let findings = [
        Finding::NotOurs(Whose::ThirdParty, text()),
        Finding::Question,
        Finding::Minor,
        Finding::Structural,
        Finding::Outage(3),
        Finding::DuplicateOf(6),
        Finding::SameWorkAs(6),
    ];
    let steps = [
        Step::Fixed,
        Step::Verified,
        Step::NotVerified(text()),
        Step::Committed(later),
        Step::Proposed(later),
        Step::Agreed,
        Step::Delivered(text()),
        Step::Accepted,
        Step::Rejected(text()),
        Step::Reopened,
        Step::Paused,
        Step::Resumed,
        Step::Asked(later),
        Step::Provided,
    ];
    let findings = findings.into_iter().map(Step::Found);
    findings.chain(steps).nth(which).unwrap()
}

proptest! {
    /// I11: whatever is tried, a clock can be made of it; going through the steps again gives the
    /// same; what is refused changes nothing; a miss that was seen stays, within its cycle, unless
    /// it turns out that nothing was done; and late triage buys no time (A04).
    #[test]
    fn clocks_are_a_pure_function_of_the_steps(
        tried in prop::collection::vec((0..21_usize, 0..40_i64, 1..200_i64), 0..60),
    ) {
        let business = business();
        let mut report = ErrorReport::new(7, day(20_000));
        let (mut now, mut taken) = (day(20_000), Vec::new());
        for (which, hours, ahead) in tried {
            now = now.plus_us(hours * HOUR_US);
            let step = any_step(which, now.plus_us(ahead * HOUR_US));
            let before = report.clone();
            let missed = |report: &ErrorReport, metric| {
                let clock = report.clock(metric, now, TERMS, &business)?;
                clock.missed_at(now, &business)
            };
            match report.take(&step, now) {
                Err(_) => prop_assert_eq!(&report, &before),
                Ok(()) => taken.push((step, now)),
            }
            prop_assert_eq!(report.paused_since.is_some() && !report.state.may_wait(), false);
            if report.cycle == before.cycle {
                for metric in Metric::ALL {
                    if let Some(missed_at) = missed(&before, metric) {
                        prop_assert_eq!(missed(&report, metric), Some(missed_at));
                    }
                }
            }
            if let Some(fix) = report.clock(Metric::Fix, now, TERMS, &business) {
                let triage = report.clock(Metric::Triage, now, TERMS, &business).unwrap();
                let latest = Clock::fold(
                    &[event(triage.due(&business).unwrap(), Change::Started(
                        Goal::Days(TERMS.fix_days, TERMS.count)))],
                    &business,
                ).unwrap();
                if report.pauses(Metric::Fix, now).is_empty() {
                    prop_assert!(fix.due(&business) <= latest.due(&business));
                }
            }
        }
        let mut again = ErrorReport::new(7, day(20_000));
        for (step, at) in &taken {
            again.take(step, *at).unwrap();
        }
        prop_assert_eq!(again, report);
    }
}
