//! The vectors of the agreement's checks for calendars and working time, and brute force.

use proptest::prelude::*;

use super::*;
use crate::calendar::date_time::Written;
use crate::calendar::day::due_text;
use crate::calendar::holiday::{Holiday, HolidayBasis, HolidayStatus};
use crate::calendar::opening_hours::CalendarKind;

const MINUTE_US: i64 = 60_000_000;

fn timetable(kind: CalendarKind) -> Timetable {
    Timetable::new(vec![OpeningHours::of_the_agreement(kind)], Holidays::shipped()).unwrap()
}

fn at(text: &str) -> Timestamp {
    let written = Written::parse(text).unwrap();
    written.at_second(written.second().unwrap()).unwrap()
}

fn due(at: Option<Timestamp>) -> String {
    due_text(at.unwrap())
}

/// T020 to T025: support +10 and +30 minutes, and the fix by either reading of a business day.
#[test]
fn clocks_run_as_the_vectors_say() {
    let (support, business) = (timetable(CalendarKind::Support), timetable(CalendarKind::Business));
    for (start, ten, thirty, every_day, ordinary) in [
        (
            "1405/09/05 23:50",
            "1405/09/05 24:00",
            "1405/09/06 10:20",
            "1405/09/08 21:00",
            "1405/09/09 21:00",
        ),
        (
            "1404/12/28 23:50",
            "1404/12/28 24:00",
            "1404/12/29 10:20",
            "1405/01/02 17:00",
            "1405/01/08 21:00",
        ),
        (
            "1405/09/07 14:20",
            "1405/09/07 14:55",
            "1405/09/07 15:15",
            "1405/09/10 21:00",
            "1405/09/10 21:00",
        ),
        (
            "1405/09/08 23:59",
            "1405/09/09 08:39",
            "1405/09/09 08:59",
            "1405/09/11 21:00",
            "1405/09/11 21:00",
        ),
    ] {
        let from = at(start);
        assert_eq!(due(support.add_us(from, 10 * MINUTE_US)), ten, "{start}");
        assert_eq!(due(support.add_us(from, 30 * MINUTE_US)), thirty, "{start}");
        let fix = |count| due(business.days_after(Day::of(from), 3, count));
        assert_eq!(fix(DayCount::EveryDay), every_day, "{start}");
        assert_eq!(fix(DayCount::OrdinaryDays), ordinary, "{start}");
    }
}

/// T027 and T028.
#[test]
fn support_is_open_as_the_agreement_says() {
    let support = timetable(CalendarKind::Support);
    let minutes = |from, to| support.open_us(at(from), at(to)) / MINUTE_US;
    assert_eq!(minutes("1405/09/05 23:50", "1405/09/06 10:05"), 15);
    assert_eq!(minutes("1405/09/07 13:00", "1405/09/07 15:00"), 75);
    let open = |time: &str| support.is_open(at(&format!("1405/09/07 {time}")));
    assert!(open("13:59:59") && !open("14:00:00") && !open("14:44:59"));
    assert!(open("14:45:00") && open("23:59:59") && !open("00:00:00"));
    let opens = support.next_open(at("1405/09/05 24:00")).unwrap();
    assert_eq!(opens.from, at("1405/09/06 10:00"));
}

/// The hours of Farvardin 1405 as sla-requirements §1.1 counts them.
#[test]
fn a_month_has_its_hours() {
    let (from, to) = (at("1405/01/01 00:00"), at("1405/02/01 00:00"));
    let minutes = |kind| timetable(kind).open_us(from, to) / MINUTE_US;
    assert_eq!(minutes(CalendarKind::Business), 327 * 60);
    assert_eq!(minutes(CalendarKind::Support), 418 * 60 + 45);
}

#[test]
fn versions_follow_each_other_by_day() {
    let first = OpeningHours::of_the_agreement(CalendarKind::Business);
    let all_day = [crate::calendar::calling_window::CallingWindow::ALWAYS];
    let from = Day::jalali(1405, 9, 10).unwrap();
    let second = OpeningHours::new(2, from, &[], &all_day, &[]).unwrap();
    let both = Timetable::new(vec![second.clone(), first], Holidays::shipped()).unwrap();
    assert!(!both.is_open(at("1405/09/09 22:00")) && both.is_open(at("1405/09/10 22:00")));
    assert_eq!(both.version_on(from).number(), 2);
    assert_eq!(both.version_on(Day::jalali(1399, 1, 1).unwrap()).number(), 1);
    assert_eq!(Timetable::new(vec![second.clone(), second], Holidays::default()), None);
    assert_eq!(Timetable::new(vec![], Holidays::default()), None);
}

#[test]
fn a_calendar_that_opens_too_rarely_has_no_deadline() {
    let all_day = [crate::calendar::calling_window::CallingWindow::ALWAYS];
    let from = Day::jalali(1400, 1, 1).unwrap();
    let friday = crate::calendar::day::Weekday::Friday;
    let fridays = OpeningHours::new(1, from, &[friday], &[], &all_day).unwrap();
    let fridays = Timetable::new(vec![fridays], Holidays::default()).unwrap();
    let start = Day::jalali(1405, 9, 1).unwrap();
    assert_eq!(fridays.days_after(start, 3, DayCount::OrdinaryDays), None);
    assert_eq!(due(fridays.days_after(start, 1, DayCount::EveryDay)), "1405/09/06 24:00");
    assert_eq!(fridays.add_us(start.start(), i64::MAX), None);
}

/// T011: confirming a day moves a deadline that lies ahead, and one that is near never to a miss.
#[test]
fn a_correction_never_creates_a_miss() {
    let mut holidays = Holidays::shipped();
    let business = |holidays: &Holidays| {
        let hours = OpeningHours::of_the_agreement(CalendarKind::Business);
        Timetable::new(vec![hours], holidays.clone()).unwrap()
    };
    let start = Day::parse("2027-03-08").unwrap();
    let before = business(&holidays);
    assert!(before.may_move(start, start.plus(3)));
    // T011: until the day itself; what is due by now, or counts no such day, moves no more.
    let moves = |since: &str, due: &str, now: &str| {
        let at = |day| Day::parse(day).unwrap().start();
        before.due_may_move(at(since), Some(at(due)), at(now))
    };
    assert!(moves("2027-03-08", "2027-03-12", "2027-03-08"));
    assert!(!moves("2027-03-04", "2027-03-09", "2027-03-04"), "it ends with the day before");
    assert!(!moves("2027-03-08", "2027-03-12", "2027-03-12"));
    assert!(!moves("2027-03-08", "2027-03-20", "2027-03-13"), "those days are over");
    let before = before.days_after(start, 3, DayCount::EveryDay).unwrap();
    assert_eq!(due_text(before), "1405/12/20 17:00");
    for day in ["2027-03-10", "2027-03-11"] {
        let day = Day::parse(day).unwrap();
        let known = Holiday::clone(holidays.on(day)[0]);
        holidays.put(Holiday { status: HolidayStatus::Withdrawn, ..known.clone() });
        let moved = HolidayStatus::Confirmed;
        let basis = HolidayBasis::Operator;
        holidays.put(Holiday { day: day.plus(-1), status: moved, basis, ..known });
    }
    let after = business(&holidays).days_after(start, 3, DayCount::EveryDay).unwrap();
    assert_eq!(due_text(after), "1405/12/20 21:00");
    let corrected = |hours: i64| {
        let published_at = before.plus_ms(-hours * 3_600_000);
        (
            CorrectedDue { before, after, published_at }.decisive(),
            CorrectedDue { before: after, after: before, published_at }.decisive(),
        )
    };
    assert_eq!(corrected(24), (after, before));
    assert_eq!(corrected(23), (after, after));
}

fn closure(day: &str, status: HolidayStatus) -> Holiday {
    let (day, name) = (Day::parse(day).unwrap(), String::from("تعطیلی سراسری"));
    Holiday { day, name, name_en: String::new(), status, basis: HolidayBasis::Decree }
}

fn with(kind: CalendarKind, entered: &[(&str, Holiday)]) -> Timetable {
    let entered = entered.iter().map(|(moment, holiday)| (at(moment), holiday.clone()));
    let hours = OpeningHours::of_the_agreement(kind);
    Timetable::new(vec![hours], Holidays::shipped_with(entered)).unwrap()
}

/// Goal: the part of a day that has passed stays as it was known; what is entered after a day says
/// nothing about it any more.
#[test]
fn a_correction_takes_back_no_time() {
    let (tuesday, confirmed) = ("1405/09/10", HolidayStatus::Confirmed);
    let spans = |table: &Timetable| -> Vec<String> {
        let open = table.open_on(Day::parse(tuesday).unwrap());
        open.map(|span| format!("{} {}", &due_text(span.from)[11..], &due_text(span.to)[11..]))
            .collect()
    };
    let ordinary = ["08:30 14:00", "14:45 24:00"];
    assert_eq!(spans(&with(CalendarKind::Support, &[])), ordinary);
    let off = ["10:00 14:00", "14:45 22:00"];
    let ahead = with(CalendarKind::Support, &[("1405/09/09 12:00", closure(tuesday, confirmed))]);
    assert_eq!(spans(&ahead), off);
    let at_nine = [("1405/09/10 09:00", closure(tuesday, confirmed))];
    let at_nine = with(CalendarKind::Support, &at_nine);
    assert_eq!(spans(&at_nine), ["08:30 09:00", "10:00 14:00", "14:45 22:00"]);
    // Whoever came at nine the minute before was within the hours, whatever was entered then.
    assert!(at_nine.is_open(at("1405/09/10 08:59")) && !at_nine.is_open(at("1405/09/10 09:00")));
    let at_noon = with(CalendarKind::Support, &[("1405/09/10 12:00", closure(tuesday, confirmed))]);
    assert_eq!(spans(&at_noon), ["08:30 14:00", "14:45 22:00"], "one window, though it changed");
    let late = with(CalendarKind::Support, &[("1405/09/11 00:00", closure(tuesday, confirmed))]);
    assert_eq!(spans(&late), ordinary);
    let withdrawn = [
        ("1405/09/09 12:00", closure(tuesday, confirmed)),
        ("1405/09/10 12:00", closure(tuesday, HolidayStatus::Withdrawn)),
    ];
    assert_eq!(spans(&with(CalendarKind::Support, &withdrawn)), ["10:00 14:00", "14:45 24:00"]);
}

/// Goal: a deadline by a calendar that is corrected again and again is the corrected one when it
/// was told a day before, and never earlier than it was when it was told later.
#[test]
fn a_deadline_follows_each_correction_that_came_in_time() {
    let start = at("1405/09/08 12:00");
    let due = |entered: &[(&str, Holiday)]| {
        let table = with(CalendarKind::Business, entered);
        let by = |table: &Timetable| table.days_after(Day::of(start), 3, DayCount::EveryDay);
        due_text(table.due(start, by).unwrap())
    };
    let (wednesday, confirmed) = ("1405/09/11", HolidayStatus::Confirmed);
    assert_eq!(due(&[]), "1405/09/11 21:00");
    // What was known when it began is no correction.
    let before = ("1405/09/08 11:00", closure(wednesday, confirmed));
    assert_eq!(due(std::slice::from_ref(&before)), "1405/09/11 17:00");
    assert_eq!(due(&[("1405/09/10 16:00", closure(wednesday, confirmed))]), "1405/09/11 17:00");
    assert_eq!(due(&[("1405/09/10 18:00", closure(wednesday, confirmed))]), "1405/09/11 21:00");
    let withdrawn = closure(wednesday, HolidayStatus::Withdrawn);
    assert_eq!(due(&[before.clone(), ("1405/09/11 16:00", withdrawn)]), "1405/09/11 21:00");
    let next_day = closure("1405/09/12", confirmed);
    assert_eq!(due(&[before, ("1405/09/09 12:00", next_day)]), "1405/09/11 17:00");
}

/// Open minutes counted one by one.
fn naive_minutes(table: &Timetable, from: Timestamp, to: Timestamp) -> i64 {
    let mut open = 0;
    let mut minute = from;
    while minute < to {
        open += i64::from(table.is_open(minute));
        minute = minute.plus_us(MINUTE_US);
    }
    open
}

/// T035, I12: ten thousand starts and goals equal a walk minute by minute. The starts fall into a
/// year with holidays, changes of clocks (1401) and the end of a leap year.
#[test]
fn the_walk_equals_a_count_minute_by_minute() {
    let support = timetable(CalendarKind::Support);
    let first = at("1400/12/01 00:00");
    let minutes = i64::from(60 * 24 * 420);
    let open: Vec<bool> =
        (0..minutes).map(|n| support.is_open(first.plus_us(n * MINUTE_US))).collect();
    let mut before = vec![0_i64];
    for open in &open {
        before.push(before.last().unwrap() + i64::from(*open));
    }
    let mut seed = 0x9e37_79b9_u64;
    let mut random = |below: i64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((seed >> 33) % below.cast_unsigned()).unwrap()
    };
    for _ in 0..10_000 {
        let (start, goal) = (random(60 * 24 * 400), 1 + random(60 * 24 * 7));
        let from = first.plus_us(start * MINUTE_US);
        let due = support.add_us(from, goal * MINUTE_US).unwrap();
        let end = due.us_since(first) / MINUTE_US;
        let (start, end) = (usize::try_from(start).unwrap(), usize::try_from(end).unwrap());
        assert_eq!(before[end] - before[start], goal);
        assert!(open[end - 1], "the last minute counted is an open one");
        assert_eq!(support.open_us(from, due), goal * MINUTE_US);
    }
}

proptest! {
    /// I12: open time is additive wherever it is cut, to the microsecond.
    #[test]
    fn open_time_is_additive(
        start in 0_i64..400 * 86_400_000_000,
        first in 0_i64..20 * 86_400_000_000,
        second in 0_i64..20 * 86_400_000_000,
    ) {
        let support = timetable(CalendarKind::Support);
        let a = at("1401/01/01 10:00").plus_us(start);
        let (b, c) = (a.plus_us(first), a.plus_us(first + second));
        let whole = support.open_us(a, c);
        prop_assert_eq!(whole, support.open_us(a, b) + support.open_us(b, c));
        let due = support.add_us(a, first).unwrap();
        prop_assert_eq!(support.open_us(a, due), first);
    }

    /// Two hours around any moment, minute by minute.
    #[test]
    fn open_time_is_that_of_its_minutes(start in 0_i64..400 * 1440) {
        let support = timetable(CalendarKind::Support);
        let from = at("1401/01/01 10:00").plus_us(start * MINUTE_US);
        let to = from.plus_us(120 * MINUTE_US);
        prop_assert_eq!(support.open_us(from, to), naive_minutes(&support, from, to) * MINUTE_US);
    }
}
