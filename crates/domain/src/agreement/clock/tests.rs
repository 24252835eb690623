//! The vectors of the agreement's checks for clocks, and their invariants on random events.

use proptest::prelude::*;

use super::*;
use crate::calendar::date_time::Written;
use crate::calendar::day::due_text;
use crate::calendar::holiday::Holidays;
use crate::calendar::opening_hours::{CalendarKind, OpeningHours};

const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;

fn timetable(kind: CalendarKind) -> Timetable {
    Timetable::new(vec![OpeningHours::of_the_agreement(kind)], Holidays::shipped()).unwrap()
}

fn at(text: &str) -> Timestamp {
    let written = Written::parse(text).unwrap();
    written.at_second(written.second().unwrap()).unwrap()
}

fn event(text: &str, change: Change) -> Event {
    Event { at: at(text), actor: "expert".to_owned(), change }
}

fn unreachable(tried: &[&str]) -> Change {
    Change::Paused(PauseReason::Unreachable(tried.iter().map(|text| at(text)).collect()))
}

fn asked(until: &str) -> Change {
    Change::Paused(PauseReason::AskedUntil(at(until)))
}

fn due(clock: &Clock, calendar: &Timetable) -> String {
    due_text(clock.due(calendar).unwrap())
}

const FIX: Change = Change::Started(Goal::Days(FIX_DAYS, DayCount::EveryDay));
const TRIAGE: Change = Change::Started(Goal::Real(TRIAGE_US));
const ANSWER: Change = Change::Started(Goal::Open(HOUR_US));

/// T020 to T025, T030: triage on the wall, and a fix that starts with the result or with its due.
#[test]
fn a_fix_never_starts_later_than_the_result_was_due() {
    let business = timetable(CalendarKind::Business);
    let fix = |start: Timestamp, count| {
        let goal = Goal::Days(FIX_DAYS, count);
        let change = Change::Started(goal);
        let event = Event { at: start, actor: "expert".to_owned(), change };
        due(&Clock::fold(&[event], &business).unwrap(), &business)
    };
    for (reported, triage_due, late_result) in [
        ("1405/09/05 23:50", "1405/09/06 23:50", "1405/09/09 21:00"),
        ("1404/12/28 23:50", "1404/12/29 23:50", "1405/01/03 17:00"),
    ] {
        let triage = Clock::fold(&[event(reported, TRIAGE)], &business).unwrap();
        assert_eq!(due(&triage, &business), triage_due);
        let never = fix_start(at(triage_due), None);
        assert_eq!(fix(never, DayCount::EveryDay), late_result);
        assert_eq!(fix_start(at(triage_due), Some(at("1405/12/01 10:00"))), never);
    }
    let result = fix_start(at("1405/09/07 23:50"), Some(at("1405/09/07 12:00")));
    assert_eq!(fix(result, DayCount::EveryDay), "1405/09/10 21:00");
    let reported = fix_start(at("1405/09/06 23:50"), Some(at("1405/09/05 23:50")));
    assert_eq!(fix(reported, DayCount::EveryDay), "1405/09/08 21:00");
    assert_eq!(fix(reported, DayCount::OrdinaryDays), "1405/09/09 21:00");
}

/// T094.
#[test]
fn a_second_decides_between_met_and_missed() {
    let support = timetable(CalendarKind::Support);
    let told = |text| {
        let events = [event("1405/09/05 23:50", TRIAGE), event(text, Change::Met)];
        let clock = Clock::fold(&events, &support).unwrap();
        clock.state(at("1405/10/01 00:00"), &support)
    };
    assert_eq!(told("1405/09/06 23:49:59"), State::Met);
    assert_eq!(told("1405/09/06 23:50:00"), State::Met);
    assert_eq!(told("1405/09/06 23:50:01"), State::Missed);
    let open = Clock::fold(&[event("1405/09/05 23:50", TRIAGE)], &support).unwrap();
    let missed = open.missed_at(at("1405/09/20 00:00"), &support);
    assert_eq!(missed, Some(at("1405/09/06 23:50")));
}

/// T031.
#[test]
fn a_pause_without_evidence_is_refused() {
    let support = timetable(CalendarKind::Support);
    let paused = |reason: Change| {
        let events = [event("1405/09/07 12:00", FIX), event("1405/09/07 16:00", reason)];
        Clock::fold(&events, &support).map(|clock| clock.state(at("1405/09/07 16:00"), &support))
    };
    assert_eq!(paused(unreachable(&[])), Err(Refusal::NoEvidence));
    assert_eq!(paused(unreachable(&["1405/09/07 13:00"])), Err(Refusal::NoEvidence));
    let at_once = ["1405/09/07 13:00", "1405/09/07 13:09"];
    assert_eq!(paused(unreachable(&at_once)), Err(Refusal::NoEvidence));
    let at_noon = ["1405/09/07 13:00", "1405/09/07 14:10"];
    assert_eq!(paused(unreachable(&at_noon)), Err(Refusal::NoEvidence), "14:10 is in the break");
    let later = ["1405/09/07 13:00", "1405/09/07 16:01"];
    assert_eq!(paused(unreachable(&later)), Err(Refusal::NoEvidence), "it is not yet 16:01");
    let twice = ["1405/09/07 13:00", "1405/09/07 15:00"];
    assert_eq!(paused(unreachable(&twice)), Ok(State::Paused));
    assert_eq!(paused(asked("1405/09/07 16:01")), Err(Refusal::NoEvidence));
    assert_eq!(paused(asked("1405/09/07 16:00")), Ok(State::Paused));
}

/// T032, T103: a pause gives back open time to the one clock and whole days to the other.
#[test]
fn a_pause_gives_back_what_would_have_counted() {
    let (support, business) = (timetable(CalendarKind::Support), timetable(CalendarKind::Business));
    // A Thursday evening until Saturday: Friday is off and has hours.
    let pause = [
        event("1405/09/05 23:30", asked("1405/09/05 20:00")),
        event("1405/09/07 09:00", Change::Resumed),
    ];
    let events = |start: Change| {
        let mut events = vec![event("1405/09/05 23:00", start)];
        events.extend(pause.clone());
        events
    };
    let answer = Clock::fold(&events(ANSWER), &support).unwrap();
    assert_eq!(due(&answer, &support), "1405/09/07 09:30");
    let fix = Clock::fold(&events(FIX), &business).unwrap();
    assert_eq!(due(&fix, &business), "1405/09/09 21:00", "one day more than without the pause");
    let ordinary = Change::Started(Goal::Days(FIX_DAYS, DayCount::OrdinaryDays));
    let fix = Clock::fold(&events(ordinary), &business).unwrap();
    assert_eq!(due(&fix, &business), "1405/09/09 21:00", "a Friday gives nothing back");
}

/// T033.
#[test]
fn another_goal_keeps_the_pause_and_the_time_used() {
    let support = timetable(CalendarKind::Support);
    let clock = Clock::fold(
        &[
            event("1405/09/07 09:00", ANSWER),
            event("1405/09/07 09:30", asked("1405/09/07 09:00")),
            event("1405/09/07 10:00", Change::GoalChanged(Goal::Open(2 * HOUR_US))),
            event("1405/09/07 11:00", Change::Resumed),
        ],
        &support,
    );
    assert_eq!(due(&clock.unwrap(), &support), "1405/09/07 12:30");
}

#[test]
fn a_miss_stays_whatever_comes_after_it() {
    let business = timetable(CalendarKind::Business);
    let mut clock = Clock::fold(&[event("1405/09/05 10:00", FIX)], &business).unwrap();
    let late = at("1405/09/20 10:00");
    let missed = Some(at("1405/09/08 21:00"));
    for change in [
        event("1405/09/12 10:00", Change::GoalChanged(Goal::Days(30, DayCount::EveryDay))),
        event("1405/09/12 10:00", asked("1405/09/12 09:00")),
        event("1405/09/18 10:00", Change::Resumed),
        event("1405/09/18 10:00", Change::Met),
    ] {
        clock.apply(&change, &business).unwrap();
        assert_eq!((clock.missed_at(late, &business), clock.due(&business)), (missed, missed));
    }
    assert_eq!(clock.state(late, &business), State::Missed);
}

/// T105: each kind of clock by its own time; what stands keeps its distance.
#[test]
fn a_clock_is_urgent_in_its_last_quarter_and_when_it_was_missed() {
    let (support, business) = (timetable(CalendarKind::Support), timetable(CalendarKind::Business));
    let urgent = |start: Change, now: &str, calendar: &Timetable| {
        let clock = Clock::fold(&[event("1405/09/05 23:30", start)], calendar).unwrap();
        clock.is_urgent(at(now), calendar)
    };
    assert!(!urgent(TRIAGE, "1405/09/06 17:29", &support));
    assert!(urgent(TRIAGE, "1405/09/06 17:30", &support));
    assert!(urgent(TRIAGE, "1405/09/20 00:00", &support));
    // Of an hour of support half is used at midnight; the desk opens at ten.
    assert!(!urgent(ANSWER, "1405/09/06 10:14", &support));
    assert!(urgent(ANSWER, "1405/09/06 10:15", &support));
    assert!(!urgent(FIX, "1405/09/07 23:00", &business));
    assert!(urgent(FIX, "1405/09/08 12:00", &business));
    let paused =
        [event("1405/09/05 23:30", TRIAGE), event("1405/09/06 10:00", asked("1405/09/06 09:00"))];
    let mut clock = Clock::fold(&paused, &support).unwrap();
    assert!(!clock.is_urgent(at("1405/09/30 00:00"), &support));
    clock.apply(&event("1405/09/08 10:00", Change::Met), &support).unwrap();
    assert!(!clock.is_urgent(at("1405/09/30 00:00"), &support));
}

#[test]
fn events_that_cannot_follow_are_refused() {
    let support = timetable(CalendarKind::Support);
    let start = event("1405/09/07 09:00", ANSWER);
    let refused = |events: &[Event]| {
        let mut all = vec![start.clone()];
        all.extend_from_slice(events);
        Clock::fold(&all, &support).unwrap_err()
    };
    let met = event("1405/09/07 09:10", Change::Met);
    let pause = event("1405/09/07 09:10", asked("1405/09/07 09:00"));
    let resumed = event("1405/09/07 09:10", Change::Resumed);
    let early = event("1405/09/07 08:59", Change::Met);
    assert_eq!(Clock::fold(&[], &support), Err(Refusal::NotStarted));
    assert_eq!(Clock::fold(std::slice::from_ref(&met), &support), Err(Refusal::NotStarted));
    assert_eq!(refused(&[met.clone(), met]), Refusal::Over);
    assert_eq!(refused(&[pause.clone(), pause]), Refusal::WrongState);
    assert_eq!(refused(&[resumed]), Refusal::WrongState);
    assert_eq!(refused(&[early]), Refusal::OutOfOrder);
    assert_eq!(refused(std::slice::from_ref(&start)), Refusal::NotStarted);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// A pause never takes time away, time in use equals the goal (I12), and replaying gives the
    /// same (I11).
    #[test]
    fn open_time_in_use_is_the_goal(
        start in 0..20_000_i64, goal in 1..2000_i64,
        pauses in prop::collection::vec((1..600_i64, 1..3000_i64), 0..4),
    ) {
        let support = timetable(CalendarKind::Support);
        let minute = |n: i64| at("1405/01/01 00:00").plus_us(n * MINUTE_US);
        let goal_us = goal * MINUTE_US;
        let put = |at, change| Event { at, actor: String::new(), change };
        let mut now = start;
        let mut events = vec![put(minute(now), Change::Started(Goal::Open(goal_us)))];
        let mut ran = Vec::new();
        for (after, length) in pauses {
            let asked = PauseReason::AskedUntil(minute(now));
            events.push(put(minute(now + after), Change::Paused(asked)));
            ran.push((minute(now), minute(now + after)));
            now += after + length;
            events.push(put(minute(now), Change::Resumed));
        }
        let clock = Clock::fold(&events, &support).unwrap();
        let due = clock.due(&support).unwrap();
        ran.push((minute(now), due.max(minute(now))));
        let used: i64 =
            ran.iter().map(|(from, to)| support.open_us(*from, (*to).min(due))).sum();
        prop_assert_eq!(used, goal_us);
        let unpaused = Clock::fold(&events[..1], &support).unwrap().due(&support).unwrap();
        prop_assert!(unpaused <= due);
        prop_assert_eq!(Clock::fold(&events, &support).unwrap(), clock);
    }
}
