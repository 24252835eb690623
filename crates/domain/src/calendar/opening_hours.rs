//! The hours of each type of day. A day has a type, and the type has windows: an off day is not a
//! closed day, it has hours of its own (agreement, definition 3 and "support").

use std::fmt;

use super::calling_window::CallingWindow;
use super::day::{Day, Weekday};
use super::working_time::DayCount;
use crate::Timestamp;
use crate::class::{hours_text, read_windows};

/// What a calendar is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CalendarKind {
    /// What "business days" are counted by (definition 3 of the agreement).
    Business,
    /// When telephone and tickets are answered.
    Support,
    /// When advertisements may be called out.
    SendingAdvertising,
    /// When messages of service may be called out.
    SendingService,
}

impl CalendarKind {
    /// Those whose hours the operator writes down; when messages are called out is a matter of
    /// their classes.
    pub const OF_THE_DESK: [Self; 2] = [Self::Business, Self::Support];

    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Business => "business",
            Self::Support => "support",
            Self::SendingAdvertising => "sending_advertising",
            Self::SendingService => "sending_service",
        }
    }

    /// Reads the word of one whose hours the operator writes down.
    pub fn parse(word: &str) -> Option<Self> {
        Self::OF_THE_DESK.into_iter().find(|kind| kind.word() == word)
    }
}

/// The type of a day, which decides its windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DayType {
    /// Any day that is not off.
    Ordinary,
    /// A weekly day of rest or a public holiday, once even if both.
    Off,
}

/// One version of a calendar: from its first day on, until the next version's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpeningHours {
    number: u32,
    valid_from: Day,
    rest_days: Vec<Weekday>,
    ordinary: Vec<CallingWindow>,
    off: Vec<CallingWindow>,
}

/// Why something is no version of a calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoursRefusal {
    /// No day ever opens.
    NeverOpen,
    /// Windows of one type of day overlap.
    Overlap(DayType),
    /// More windows in a day than anybody works in.
    TooMany(DayType),
    /// It begins sooner than a day after it is written down: what is due then could be missed by
    /// that.
    TooSoon,
    /// It begins more than [`AHEAD_DAYS_MAX`] days ahead: a year that was mistyped, mostly.
    TooFar,
    /// A version begins that day, or later.
    NotAfter(Day),
    /// There are so many versions that no more are kept.
    Full,
    /// There is no such version that was written down and stands.
    Unknown,
}

/// The most windows of a day.
const WINDOWS_MAX: usize = 12;
/// The most versions of a calendar.
const VERSIONS_MAX: usize = 200;
/// So long before its first day a version is written down, microseconds. What is due by the old and
/// by the new hours is due after it then, and was known a day before: so no change of hours creates
/// a miss.
const NOTICE_US: i64 = 86_400_000_000;
/// A version begins so many days ahead at most.
pub const AHEAD_DAYS_MAX: i64 = 400;

impl OpeningHours {
    /// A version: its number, its first day, the weekly days of rest, and the windows of ordinary
    /// and of off days. Windows that touch are one.
    ///
    /// # Errors
    /// The first [`HoursRefusal`] that applies.
    pub fn new(
        number: u32,
        valid_from: Day,
        rest_days: &[Weekday],
        ordinary: &[CallingWindow],
        off: &[CallingWindow],
    ) -> Result<Self, HoursRefusal> {
        let ordinary = in_order(DayType::Ordinary, ordinary)?;
        let off = in_order(DayType::Off, off)?;
        let mut rest_days = rest_days.to_vec();
        rest_days.sort_unstable();
        rest_days.dedup();
        let open = (rest_days.len() < 7 && !ordinary.is_empty())
            || (!rest_days.is_empty() && !off.is_empty());
        if !open {
            return Err(HoursRefusal::NeverOpen);
        }
        Ok(Self { number, valid_from, rest_days, ordinary, off })
    }

    /// The hours that the agreement (or, for sending, the vendor's answers to questions) names, as
    /// version 1 from the first day of 1400.
    pub fn of_the_agreement(kind: CalendarKind) -> Self {
        let (ordinary, off): (&[&str], &[&str]) = match kind {
            CalendarKind::Business => (&["08:30-21:00"], &["10:00-17:00"]),
            CalendarKind::Support => {
                (&["08:30-14:00", "14:45-24:00"], &["10:00-14:00", "14:45-22:00"])
            }
            CalendarKind::SendingAdvertising => {
                (&["09:30-14:00", "16:30-22:00"], &["09:30-14:00", "16:30-22:00"])
            }
            CalendarKind::SendingService => (&["07:00-23:00"], &["07:00-23:00"]),
        };
        let windows = |texts: &[&str]| -> Vec<CallingWindow> {
            let read = |text: &&str| CallingWindow::parse(text).expect("these are windows");
            texts.iter().map(read).collect()
        };
        let from = Day::jalali(1400, 1, 1).expect("every year has a first day");
        Self::new(1, from, &[Weekday::Friday], &windows(ordinary), &windows(off))
            .expect("these hours are in order")
    }

    /// Reads what [`Self::to_string`] wrote: hours without a first day of their own, which are
    /// version 1 from the first day of 1400.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let ordinary = read_windows(parts.next()?.strip_prefix("ordinary ")?)?;
        let off = read_windows(parts.next()?.strip_prefix("off ")?)?;
        let rest_days = read_rest_days(parts.next()?.strip_prefix("rest ")?)?;
        let from = Day::jalali(1400, 1, 1).expect("every year has a first day");
        let ends = parts.next().is_none();
        Self::new(1, from, &rest_days, &ordinary, &off).ok().filter(|_| ends)
    }

    /// The same hours as a version of this number, from a day on.
    #[must_use]
    pub fn beginning(self, number: u32, valid_from: Day) -> Self {
        Self { number, valid_from, ..self }
    }

    /// Whether it may be written down at `now`, after these versions of the same calendar.
    ///
    /// # Errors
    /// Why it may not.
    pub fn may_follow(&self, versions: &[Self], now: Timestamp) -> Result<(), HoursRefusal> {
        if self.valid_from.start() < now.plus_us(NOTICE_US) {
            return Err(HoursRefusal::TooSoon);
        }
        if self.valid_from.start() > now.plus_us(AHEAD_DAYS_MAX * NOTICE_US) {
            return Err(HoursRefusal::TooFar);
        }
        if versions.len() >= VERSIONS_MAX {
            return Err(HoursRefusal::Full);
        }
        let later = versions.iter().map(|version| version.valid_from).max();
        match later.filter(|later| *later >= self.valid_from) {
            Some(later) => Err(HoursRefusal::NotAfter(later)),
            None => Ok(()),
        }
    }

    /// Whether it may be taken back at `now`: it begins a day from now at the earliest, so that it
    /// is known a day before that it does not, as it was that it does.
    ///
    /// # Errors
    /// When it begins sooner.
    pub fn may_be_withdrawn(&self, now: Timestamp) -> Result<(), HoursRefusal> {
        let soon = self.valid_from.start() < now.plus_us(NOTICE_US);
        if soon { Err(HoursRefusal::TooSoon) } else { Ok(()) }
    }

    /// Whether a customer who was promised other hours has at least what these promise. Of the
    /// desk: it is open whenever it was to be. Of business days, with which deadlines end: each day
    /// that was to count does, and none ends later than it was to.
    pub fn keep(&self, kind: CalendarKind, promised: &Self, count: DayCount) -> bool {
        Weekday::ALL.into_iter().all(|weekday| {
            [false, true].into_iter().all(|holiday| {
                let (was, is) =
                    (promised.day_type(weekday, holiday), self.day_type(weekday, holiday));
                let (asked, given) = (promised.windows(was), self.windows(is));
                if kind != CalendarKind::Business {
                    return asked.iter().all(|one| given.iter().any(|more| more.covers(*one)));
                }
                let counts = |hours: &[CallingWindow], day_type| {
                    !hours.is_empty()
                        && (count == DayCount::EveryDay || day_type == DayType::Ordinary)
                };
                let end = |hours: &[CallingWindow]| hours.last().map(|last| last.to_minute());
                !counts(asked, was) || (counts(given, is) && end(given) <= end(asked))
            })
        })
    }

    /// The weekly days of rest, with commas between, or `none`.
    pub fn rest_days_text(&self) -> String {
        let words: Vec<&str> = self.rest_days.iter().map(|day| day.word()).collect();
        if words.is_empty() { NONE.to_owned() } else { words.join(",") }
    }

    /// Its number among the versions of its calendar.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its first day.
    pub fn valid_from(&self) -> Day {
        self.valid_from
    }

    /// The windows of a type of day, in order.
    pub fn windows(&self, day_type: DayType) -> &[CallingWindow] {
        match day_type {
            DayType::Ordinary => &self.ordinary,
            DayType::Off => &self.off,
        }
    }

    /// The type of a day that is a public holiday, or is not.
    pub fn day_type(&self, weekday: Weekday, holiday: bool) -> DayType {
        let off = holiday || self.rest_days.contains(&weekday);
        if off { DayType::Off } else { DayType::Ordinary }
    }
}

impl fmt::Display for OpeningHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ordinary, off) = (hours_text(self, DayType::Ordinary), hours_text(self, DayType::Off));
        write!(f, "ordinary {ordinary}; off {off}; rest {}", self.rest_days_text())
    }
}

/// No day of rest.
const NONE: &str = "none";

/// Reads weekly days of rest, as they are kept and shown; `None` when one is none.
pub fn read_rest_days(text: &str) -> Option<Vec<Weekday>> {
    if text.trim() == NONE {
        return Some(Vec::new());
    }
    text.split(',').map(|word| Weekday::parse(word.trim())).collect()
}

fn in_order(
    day_type: DayType,
    windows: &[CallingWindow],
) -> Result<Vec<CallingWindow>, HoursRefusal> {
    if windows.len() > WINDOWS_MAX {
        return Err(HoursRefusal::TooMany(day_type));
    }
    let mut windows = windows.to_vec();
    windows.sort_unstable_by_key(|window| window.from_minute());
    let mut joined: Vec<CallingWindow> = Vec::new();
    for window in windows {
        match joined.last_mut() {
            Some(last) if window.from_minute() < last.to_minute() => {
                return Err(HoursRefusal::Overlap(day_type));
            }
            Some(last) if window.from_minute() == last.to_minute() => {
                let whole = CallingWindow::new(last.from_minute(), window.to_minute());
                *last = whole.expect("two parts of a day that touch are a part of it");
            }
            _ => joined.push(window),
        }
    }
    Ok(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(ordinary: &[&str], off: &[&str]) -> Result<OpeningHours, HoursRefusal> {
        let windows = |texts: &[&str]| -> Vec<CallingWindow> {
            texts.iter().map(|text| CallingWindow::parse(text).unwrap()).collect()
        };
        let from = Day::jalali(1405, 1, 1).unwrap();
        OpeningHours::new(2, from, &[Weekday::Friday], &windows(ordinary), &windows(off))
    }

    #[test]
    fn hours_that_contradict_each_other_are_refused() {
        use HoursRefusal as R;
        assert_eq!(hours(&[], &[]), Err(R::NeverOpen));
        let twice = hours(&["08:00-12:00", "11:59-13:00"], &[]);
        assert_eq!(twice, Err(R::Overlap(DayType::Ordinary)));
        assert_eq!(hours(&["08:00-09:00"], &["08:00-09:00"; 13]), Err(R::TooMany(DayType::Off)));
        for kind in CalendarKind::OF_THE_DESK {
            assert_eq!(CalendarKind::parse(kind.word()), Some(kind));
        }
        assert_eq!(CalendarKind::parse("sending_service"), None);
    }

    /// A35. Goal: days of rest and hours are data, in versions that follow each other, each known a
    /// day before it holds.
    #[test]
    fn versions_are_written_down_a_day_before_they_hold() {
        use HoursRefusal as R;
        let first = OpeningHours::of_the_agreement(CalendarKind::Support);
        let from = |text: &str| {
            let windows = [CallingWindow::parse("08:00-16:00").unwrap()];
            let rest = read_rest_days("thursday, friday").unwrap();
            OpeningHours::new(2, Day::parse(text).unwrap(), &rest, &windows, &[]).unwrap()
        };
        let second = from("1405/10/01");
        assert_eq!(second.rest_days_text(), "thursday,friday");
        assert_eq!(second.day_type(Weekday::Thursday, false), DayType::Off);
        assert_eq!(read_rest_days("none"), Some(Vec::new()));
        assert_eq!(read_rest_days("friday,,"), None);
        let start = second.valid_from().start();
        let versions = [first.clone()];
        assert_eq!(second.may_follow(&versions, start.plus_us(-NOTICE_US)), Ok(()));
        let late = start.plus_us(-NOTICE_US + 1);
        assert_eq!(second.may_follow(&versions, late), Err(R::TooSoon));
        let both = [first, second.clone()];
        for text in ["1405/10/01", "1405/09/30"] {
            let refused = from(text).may_follow(&both, start.plus_us(-9 * NOTICE_US));
            assert_eq!(refused, Err(R::NotAfter(second.valid_from())));
        }
        let many = vec![from("1405/10/01"); VERSIONS_MAX];
        assert_eq!(from("1405/10/02").may_follow(&many, start.plus_us(-NOTICE_US)), Err(R::Full));
        assert_eq!(second.may_be_withdrawn(start.plus_us(-NOTICE_US)), Ok(()));
        assert_eq!(second.may_be_withdrawn(late), Err(R::TooSoon));
        // A year that was mistyped would shut out all that come before it.
        let far = from("1450/10/01").may_follow(&versions, start);
        assert_eq!(far, Err(R::TooFar));
        let next = from("1406/10/01").may_follow(&versions, start.plus_us(-NOTICE_US));
        assert_eq!(next, Ok(()));
    }

    /// A35. Goal: what is promised is kept by whatever is open longer; of business days, by
    /// whatever ends no deadline later.
    #[test]
    fn hours_keep_a_promise_or_fall_short_of_it() {
        let of = |text: &str| OpeningHours::parse(text).unwrap();
        let promised = of("ordinary 08:30-14:00,14:45-24:00; off 10:00-14:00; rest friday");
        assert_eq!(of(&promised.to_string()), promised);
        let (support, every) = (CalendarKind::Support, DayCount::EveryDay);
        for (text, keeps) in [
            ("ordinary 08:30-14:00,14:45-24:00; off 10:00-14:00; rest friday", true),
            ("ordinary 08:00-24:00; off 10:00-22:00; rest friday", true),
            ("ordinary 08:30-14:00,14:45-24:00; off 08:00-24:00; rest thursday,friday", true),
            ("ordinary 08:30-24:00; off 10:00-14:00; rest thursday,friday", false),
            ("ordinary 08:30-24:00; off 10:00-14:00; rest none", true),
            ("ordinary 08:30-13:59,14:45-24:00; off 10:00-14:00; rest friday", false),
            ("ordinary 08:30-24:00; off none; rest friday", false),
        ] {
            assert_eq!(of(text).keep(support, &promised, every), keeps, "{text}");
        }
        let business = CalendarKind::Business;
        let promised = of("ordinary 08:30-21:00; off 10:00-17:00; rest friday");
        for (text, keeps, of_ordinary_days) in [
            ("ordinary 08:30-21:00; off 10:00-17:00; rest friday", true, true),
            ("ordinary 10:00-18:00; off 10:00-12:00; rest friday", true, true),
            ("ordinary 08:30-22:00; off 10:00-17:00; rest friday", false, false),
            ("ordinary 08:30-21:00; off none; rest friday", false, true),
            ("ordinary 08:30-21:00; off 10:00-17:00; rest thursday,friday", true, false),
        ] {
            assert_eq!(of(text).keep(business, &promised, every), keeps, "{text}");
            let ordinary = of(text).keep(business, &promised, DayCount::OrdinaryDays);
            assert_eq!(ordinary, of_ordinary_days, "{text}");
        }
        for wrong in ["", "ordinary 08:30-21:00; off none", "ordinary x; off none; rest friday"] {
            assert_eq!(OpeningHours::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn windows_are_kept_in_order_and_those_that_touch_are_one() {
        let hours = hours(&["14:00-24:00", "08:00-14:00"], &[]).unwrap();
        let whole = CallingWindow::parse("08:00-24:00").unwrap();
        assert_eq!(hours.windows(DayType::Ordinary), [whole]);
        assert_eq!(hours.windows(DayType::Off), []);
    }

    #[test]
    fn a_friday_that_is_a_holiday_is_off_once() {
        let support = OpeningHours::of_the_agreement(CalendarKind::Support);
        assert_eq!(support.day_type(Weekday::Friday, true), DayType::Off);
        assert_eq!(support.day_type(Weekday::Friday, false), DayType::Off);
        assert_eq!(support.day_type(Weekday::Thursday, false), DayType::Ordinary);
        assert_eq!(support.day_type(Weekday::Thursday, true), DayType::Off);
    }
}
