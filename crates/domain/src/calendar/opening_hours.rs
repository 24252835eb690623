//! The hours of each type of day. A day has a type, and the type has windows: an off day is not a
//! closed day, it has hours of its own (agreement, definition 3 and "support").

use super::calling_window::CallingWindow;
use super::day::{Day, Weekday};
use crate::Timestamp;

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
    /// A version begins that day, or later.
    NotAfter(Day),
    /// There are so many versions that no more are kept.
    Full,
}

/// The most windows of a day.
const WINDOWS_MAX: usize = 12;
/// The most versions of a calendar.
const VERSIONS_MAX: usize = 200;
/// So long before its first day a version is written down, microseconds. What is due by the old and
/// by the new hours is due after it then, and was known a day before: so no change of hours creates
/// a miss.
const NOTICE_US: i64 = 86_400_000_000;

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

    /// Whether it may be written down at `now`, after these versions of the same calendar.
    ///
    /// # Errors
    /// Why it may not.
    pub fn may_follow(&self, versions: &[Self], now: Timestamp) -> Result<(), HoursRefusal> {
        if self.valid_from.start() < now.plus_us(NOTICE_US) {
            return Err(HoursRefusal::TooSoon);
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
            let refused = from(text).may_follow(&both, Timestamp(0));
            assert_eq!(refused, Err(R::NotAfter(second.valid_from())));
        }
        let many = vec![from("1405/10/01"); VERSIONS_MAX];
        assert_eq!(from("1405/10/02").may_follow(&many, Timestamp(0)), Err(R::Full));
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
