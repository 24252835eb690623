//! A day in Tehran: the one unit in which people, holidays and deadlines count.

use std::fmt;

use jiff::civil;

use super::{in_tehran, jalali, tehran};
use crate::Timestamp;

/// A civil day in Tehran. Days are ordered, and each begins where the one before it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(civil::Date);

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the days of the week")]
pub enum Weekday {
    Saturday,
    Sunday,
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
}

impl Weekday {
    /// Every day of the week, in its order.
    pub const ALL: [Self; 7] = [
        Self::Saturday,
        Self::Sunday,
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
    ];

    /// The word under which it is kept and shown to the operator.
    pub fn word(self) -> &'static str {
        match self {
            Self::Saturday => "saturday",
            Self::Sunday => "sunday",
            Self::Monday => "monday",
            Self::Tuesday => "tuesday",
            Self::Wednesday => "wednesday",
            Self::Thursday => "thursday",
            Self::Friday => "friday",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|day| day.word() == word)
    }
}

impl Day {
    /// The day that holds this moment.
    pub fn of(at: Timestamp) -> Self {
        Self(in_tehran(at).date())
    }

    /// The day of the Persian calendar; `None` when there is no such day: 1404 has no 30 Esfand.
    pub fn jalali(year: i16, month: u8, day: u8) -> Option<Self> {
        jalali::to_gregorian(year, month, day).map(Self)
    }

    /// The day of the Gregorian calendar, or `None` when there is no such day.
    pub fn gregorian(year: i16, month: u8, day: u8) -> Option<Self> {
        let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
        civil::Date::new(year, month, day).ok().map(Self)
    }

    /// Reads a day however people write it, Persian or Gregorian; `None` when it is none, or when
    /// a time was written with it.
    pub fn parse(text: &str) -> Option<Self> {
        let written = super::date_time::Written::parse(text)?;
        written.second().is_none().then(|| Self(written.day()))
    }

    /// Year, month and day of the Persian calendar.
    pub fn to_jalali(self) -> (i32, u8, u8) {
        jalali::of_gregorian(self.0)
    }

    /// The first moment of the day. In the spring of 1401 and before, a day could begin at 01:00.
    pub fn start(self) -> Timestamp {
        let midnight =
            self.0.to_zoned(tehran()).expect("days of the calendar are far from its ends");
        Timestamp(midnight.timestamp().as_microsecond())
    }

    /// The moment after the last of the day.
    pub fn end(self) -> Timestamp {
        self.next().start()
    }

    /// The moment when Tehran's clock shows this minute of the day; 24 × 60 is the day's end.
    pub fn at_minute(self, minute: u16) -> Timestamp {
        if minute >= super::calling_window::DAY_MINUTES {
            return self.end();
        }
        let part = |number: u16| i8::try_from(number).expect("parts of a clock are small");
        let time = civil::time(part(minute / 60), part(minute % 60), 0, 0);
        let zoned = self.0.to_datetime(time).to_zoned(tehran());
        let zoned = zoned.expect("days of the calendar are far from its ends");
        Timestamp(zoned.timestamp().as_microsecond())
    }

    /// The day after this one.
    #[must_use]
    pub fn next(self) -> Self {
        self.plus(1)
    }

    /// The day so many days later, or earlier; the ends of the calendar hold it.
    #[must_use]
    pub fn plus(self, days: i32) -> Self {
        Self(self.0.saturating_add(jiff::Span::new().days(days)))
    }

    /// The day of the week.
    pub fn weekday(self) -> Weekday {
        match self.0.weekday() {
            civil::Weekday::Saturday => Weekday::Saturday,
            civil::Weekday::Sunday => Weekday::Sunday,
            civil::Weekday::Monday => Weekday::Monday,
            civil::Weekday::Tuesday => Weekday::Tuesday,
            civil::Weekday::Wednesday => Weekday::Wednesday,
            civil::Weekday::Thursday => Weekday::Thursday,
            civil::Weekday::Friday => Weekday::Friday,
        }
    }
}

/// The Persian date in ASCII digits: `1405/09/01`.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.to_jalali();
        write!(f, "{year:04}/{month:02}/{day:02}")
    }
}

/// When something is due, for people: `1405/09/05 24:00` rather than the midnight of the next day.
pub fn due_text(at: Timestamp) -> String {
    let day = Day::of(at);
    if day.start() == at {
        return format!("{} 24:00", day.plus(-1));
    }
    format!("{day} {}", jalali::clock_time(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_without_midnight_begins_when_its_clock_does() {
        let day = Day::gregorian(2022, 3, 22).unwrap();
        assert_eq!(day.to_jalali(), (1401, 1, 2));
        assert_eq!(day.end().us_since(day.start()), 23 * 3_600_000_000);
        assert_eq!(day.at_minute(0), day.start());
    }

    #[test]
    fn what_is_due_at_the_end_of_a_day_is_due_that_day() {
        let day = Day::jalali(1405, 9, 5).unwrap();
        assert_eq!(due_text(day.end()), "1405/09/05 24:00");
        assert_eq!(due_text(day.at_minute(14 * 60 + 45)), "1405/09/05 14:45");
        assert_eq!(day.weekday(), Weekday::Thursday);
    }

    /// T002.
    #[test]
    fn a_day_that_is_none_is_refused_and_not_moved() {
        assert_eq!(Day::jalali(1404, 12, 30), None);
        assert_eq!(Day::parse("1404/12/30"), None);
        assert_eq!(Day::parse("1403/12/30").map(|day| day.to_string()).unwrap(), "1403/12/30");
        assert_eq!(Day::parse("1403/12/30 10:00"), None);
    }
}
