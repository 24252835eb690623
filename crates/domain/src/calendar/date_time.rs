//! Days and clock times as people write them: Gregorian or Jalali, digits of any script, with or
//! without a time. What is read means Tehran's clock.

use jiff::civil;

use super::{jalali, tehran};
use crate::Timestamp;

/// Longest text that is looked at.
const TEXT_MAX: usize = 64;
/// Years below this one are Jalali: 1700 is 2321 there, and nobody dials in the Gregorian 1699.
const JALALI_BEFORE: i16 = 1700;
/// The seconds of a day.
pub const DAY_SECONDS: u32 = 24 * 60 * 60;

/// A day in Tehran and, if one was written, a time of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    day: civil::Date,
    second: Option<u32>,
}

impl Written {
    /// Reads `2026-11-22 14:45:30`, `2026/11/22T14:45`, `1405/09/01`, `11/22/2026 2:45:30 PM` and
    /// their like. A time zone is not read: clients write Tehran's clock.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > TEXT_MAX {
            return None;
        }
        let text: String = text.trim().chars().map(plain).collect();
        let (day, time) = match text.split_once([' ', 'T', 't']) {
            Some((day, time)) if !time.trim().is_empty() => (day, Some(time.trim())),
            Some((day, _)) => (day, None),
            None => (text.as_str(), None),
        };
        let second = time.map(second_of_day).transpose_option()?;
        Some(Self { day: read_day(day)?, second })
    }

    /// The second of the day, from 0 to [`DAY_SECONDS`], if a time was written.
    pub fn second(&self) -> Option<u32> {
        self.second
    }

    /// The day.
    pub(super) fn day(&self) -> civil::Date {
        self.day
    }

    /// The moment `second` seconds after that day began in Tehran.
    pub fn at_second(&self, second: u32) -> Option<Timestamp> {
        let midnight = self.day.to_zoned(tehran()).ok()?;
        Some(Timestamp(midnight.timestamp().as_microsecond()).plus_ms(i64::from(second) * 1000))
    }

    /// Whether this day is a later one.
    pub fn is_after(&self, other: &Self) -> bool {
        self.day > other.day
    }
}

/// A span of time as it is written: from a moment until before another, where a day without a time
/// is meant whole; and when its first day began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The first moment.
    pub from: Timestamp,
    /// The moment after the last.
    pub to: Timestamp,
    /// Midnight of the first day.
    pub midnight: Timestamp,
}

impl Period {
    /// Reads both ends. `None` when one is no moment, or the end is not after the start.
    pub fn parse(start: &str, end: &str) -> Option<Self> {
        let (start, end) = (Written::parse(start)?, Written::parse(end)?);
        let midnight = start.at_second(0)?;
        let from = start.at_second(start.second.unwrap_or(0))?;
        // The second that is written belongs to it.
        let to = end.at_second(end.second.map_or(DAY_SECONDS, |second| second + 1))?;
        (from < to).then_some(Self { from, to, midnight })
    }
}

/// Turns "written, and cannot be read" into nothing at all.
trait TransposeOption<T> {
    #[expect(clippy::option_option, reason = "not written and not readable are two things")]
    fn transpose_option(self) -> Option<Option<T>>;
}

impl<T> TransposeOption<T> for Option<Option<T>> {
    fn transpose_option(self) -> Option<Option<T>> {
        match self {
            None => Some(None),
            Some(None) => None,
            Some(Some(value)) => Some(Some(value)),
        }
    }
}

/// Digits of all scripts as ASCII ones, and `-` for what stands between the parts of a day.
fn plain(c: char) -> char {
    match c {
        '۰'..='۹' => digit(c, '۰'),
        '٠'..='٩' => digit(c, '٠'),
        '/' | '.' => '-',
        other => other,
    }
}

fn digit(c: char, zero: char) -> char {
    char::from_digit(u32::from(c) - u32::from(zero), 10).expect("the pattern admits ten digits")
}

/// Year first as the services document it, or the American order that a .NET client prints.
fn read_day(text: &str) -> Option<civil::Date> {
    let mut parts = text.split('-');
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (year, month, day) = if first.len() == 4 {
        (first, second, third)
    } else if third.len() == 4 {
        (third, first, second)
    } else {
        return None;
    };
    let (year, month, day) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    if year < JALALI_BEFORE {
        jalali::to_gregorian(year, u8::try_from(month).ok()?, u8::try_from(day).ok()?)
    } else {
        civil::Date::new(year, month, day).ok()
    }
}

/// `14:45:30`, `14:45`, `2:45:30 PM`; fractions of a second are dropped. 24:00 ends the day.
fn second_of_day(text: &str) -> Option<u32> {
    let lower = text.to_ascii_lowercase();
    let (clock, noon) = match (lower.strip_suffix("am"), lower.strip_suffix("pm")) {
        (Some(clock), _) => (clock, Some(false)),
        (_, Some(clock)) => (clock, Some(true)),
        _ => (lower.as_str(), None),
    };
    let clock = clock.trim().split('-').next()?;
    let mut parts = clock.split(':').map(|part| part.parse::<u32>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    let hour = match noon {
        None => hour,
        Some(afternoon) if (1..=12).contains(&hour) => hour % 12 + if afternoon { 12 } else { 0 },
        Some(_) => return None,
    };
    let total =
        hour.checked_mul(3600)?.checked_add(minute.checked_mul(60)?)?.checked_add(second)?;
    let fits = parts.next().is_none() && minute < 60 && second < 60 && total <= DAY_SECONDS;
    fits.then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 14:45:30 in Tehran.
    const AT: Timestamp = Timestamp(1_795_346_130_000_000);

    #[test]
    fn a_moment_is_read_however_it_is_written() {
        for text in [
            "2026-11-22 14:45:30",
            "2026-11-22T14:45:30",
            "2026/11/22 14:45:30.250",
            "۲۰۲۶-۱۱-۲۲ ۱۴:۴۵:۳۰",
            "1405/09/01 14:45:30",
            "۱۴۰۵/۰۹/۰۱ ۱۴:۴۵:۳۰",
            "11/22/2026 2:45:30 PM",
            " 2026-11-22  14:45:30 ",
        ] {
            let written = Written::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(written.at_second(written.second().unwrap()), Some(AT), "{text}");
        }
        let day = Written::parse("2026-11-22").unwrap();
        assert_eq!((day.second(), day.at_second(53_130)), (None, Some(AT)));
        assert_eq!(Written::parse("2026-11-22 24:00").unwrap().second(), Some(DAY_SECONDS));
        assert_eq!(Written::parse("1/2/2026 12:00:00 AM").unwrap().second(), Some(0));
        assert_eq!(Written::parse("1/2/2026 12:00:00 PM").unwrap().second(), Some(43_200));
    }

    #[test]
    fn a_period_has_its_last_second() {
        let period = Period::parse("2026-11-22 14:45:30", "2026-11-22 14:45:30").unwrap();
        assert_eq!((period.from, period.to), (AT, AT.plus_ms(1000)));
        let days = Period::parse("1405/09/01", "1405/09/02").unwrap();
        assert_eq!(days.from, days.midnight);
        assert_eq!(days.to.us_since(days.from), 2 * i64::from(DAY_SECONDS) * 1_000_000);
        assert_eq!(Period::parse("2026-11-22", "2026-11-21"), None);
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "now",
            "2026-11",
            "2026-13-01",
            "2026-02-30",
            "1405/07/31",
            "26-11-22",
            "2026-11-22 25:00",
            "2026-11-22 24:01",
            "2026-11-22 14:60",
            "2026-11-22 14",
            "2026-11-22 0:00 PM",
            "2026-11-22 14:00:00:00",
            "99999999999999999999-1-1",
        ] {
            assert_eq!(Written::parse(text), None, "{text}");
        }
        assert_eq!(Written::parse(&"2".repeat(100_000)), None);
    }
}
