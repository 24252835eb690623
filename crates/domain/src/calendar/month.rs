//! A month of the Persian calendar in Tehran: what availability, promises and money are counted by.

use std::fmt;

use super::day::Day;
use crate::Timestamp;

/// A month of the Persian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersianMonth {
    year: i16,
    month: u8,
}

/// The years that are counted by: long before the service began, and long after.
const YEARS: std::ops::RangeInclusive<i16> = 1300..=1600;

impl PersianMonth {
    /// A month by its year and number, from 1; `None` when there is no such month.
    pub fn new(year: i16, month: u8) -> Option<Self> {
        (YEARS.contains(&year) && (1..=12).contains(&month)).then_some(Self { year, month })
    }

    /// Reads `1405-08` or `1405/8`, in digits of any script.
    pub fn parse(text: &str) -> Option<Self> {
        let day = Day::parse(&format!("{}/1", text.trim()))?;
        let (year, month, _) = day.to_jalali();
        let same = Self::new(i16::try_from(year).ok()?, month)?;
        (same.first_day() == day).then_some(same)
    }

    /// The month that holds this moment; the first or last that is counted by, if it lies outside.
    pub fn of(at: Timestamp) -> Self {
        let (year, month, _) = Day::of(at).to_jalali();
        let year = i16::try_from(year).unwrap_or(i16::MAX);
        match (year < *YEARS.start(), year > *YEARS.end()) {
            (true, _) => Self { year: *YEARS.start(), month: 1 },
            (_, true) => Self { year: *YEARS.end(), month: 12 },
            _ => Self { year, month },
        }
    }

    /// Its year.
    pub fn year(self) -> i16 {
        self.year
    }

    /// Its number in the year, from 1.
    pub fn number(self) -> u8 {
        self.month
    }

    /// Its first day.
    pub fn first_day(self) -> Day {
        Day::jalali(self.year, self.month, 1).expect("every month has a first day")
    }

    /// The month after it.
    #[must_use]
    pub fn next(self) -> Self {
        self.plus(1)
    }

    /// The month so many months later.
    #[must_use]
    pub fn plus(self, months: u16) -> Self {
        let past = u16::from(self.month - 1) + months % 12;
        let years = i16::try_from(months / 12 + past / 12).expect("a twelfth of a u16 fits");
        let month = u8::try_from(past % 12 + 1).expect("a month is at most 12");
        Self { year: self.year + years, month }
    }

    /// How many months later `other` is; negative when it is earlier.
    pub fn until(self, other: Self) -> i32 {
        let number = |month: Self| i32::from(month.year) * 12 + i32::from(month.month);
        number(other) - number(self)
    }

    /// The first moment.
    pub fn start(self) -> Timestamp {
        self.first_day().start()
    }

    /// The moment after the last: the start of the next month.
    pub fn end(self) -> Timestamp {
        self.next().start()
    }

    /// Its real length, microseconds: clocks that were changed in it count as they were.
    pub fn length_us(self) -> i64 {
        self.end().us_since(self.start())
    }
}

/// `1405-08`.
impl fmt::Display for PersianMonth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(text: &str) -> PersianMonth {
        PersianMonth::parse(text).unwrap()
    }

    /// T001.
    #[test]
    fn leap_years_are_the_official_ones() {
        let leap = |year: &i16| Day::jalali(*year, 12, 30).is_some();
        let years: Vec<i16> = (1391..=1420).filter(leap).collect();
        assert_eq!(years, [1391, 1395, 1399, 1403, 1408, 1412, 1416, 1420]);
    }

    /// T003 and T004; the last two had a change of clocks.
    #[test]
    fn a_month_is_as_long_as_it_was() {
        let seconds = |text| month(text).length_us() / 1_000_000;
        assert_eq!(month("1405-08").start(), Timestamp(1_792_701_000_000_000));
        assert_eq!(month("۱۴۰۵/۸").end(), Timestamp(1_795_293_000_000_000));
        assert_eq!(seconds("1405-08"), 2_592_000);
        assert_eq!(seconds("1404-12"), 2_505_600);
        assert_eq!(seconds("1405-01"), 2_678_400);
        assert_eq!(seconds("1401-01"), 2_674_800);
        assert_eq!(seconds("1401-06"), 2_682_000);
    }

    #[test]
    fn months_follow_each_other() {
        assert_eq!(month("1405-12").next(), month("1406-01"));
        assert_eq!(month("1405-08").plus(17), month("1407-01"));
        assert_eq!(PersianMonth::of(month("1405-08").end()), month("1405-09"));
        assert_eq!(PersianMonth::of(month("1405-08").end().plus_us(-1)), month("1405-08"));
        assert_eq!(month("1405-08").to_string(), "1405-08");
        assert_eq!(month("1405-08").until(month("1407-01")), 17);
        assert_eq!(month("1405-08").until(month("1405-07")), -1);
    }

    #[test]
    fn what_is_no_month_is_refused() {
        for text in ["", "1405", "1405-13", "1405-0", "2026-08", "1405-08-02", "-1405-1"] {
            assert_eq!(PersianMonth::parse(text), None, "{text}");
        }
    }
}
