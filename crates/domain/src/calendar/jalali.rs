//! Dates as people in Iran write them.

use icu_calendar::cal::Persian;
use icu_calendar::types::Month;
use icu_calendar::{Date, Iso};
use jiff::civil;

use super::day::Day;
use super::in_tehran;
use crate::Timestamp;

/// The Jalali date in Tehran at that moment, as `1405/09/01` in ASCII digits.
pub fn jalali_date(at: Timestamp) -> String {
    Day::of(at).to_string()
}

/// Year, month and day of the Persian calendar on a Gregorian day.
pub(super) fn of_gregorian(day: civil::Date) -> (i32, u8, u8) {
    let iso = Date::<Iso>::try_new_iso(
        i32::from(day.year()),
        day.month().unsigned_abs(),
        day.day().unsigned_abs(),
    )
    .expect("a civil date of jiff is a date");
    let persian = iso.to_calendar(Persian::new());
    (persian.era_year().year, persian.month().ordinal, persian.day_of_month().0)
}

/// The Gregorian day of a Persian date; `None` when that calendar has no such day.
pub(super) fn to_gregorian(year: i16, month: u8, day: u8) -> Option<civil::Date> {
    let month = Month::new(month);
    let date = Date::try_new(i32::from(year).into(), month, day, Persian::new()).ok()?;
    let iso = date.to_calendar(Iso);
    let year = i16::try_from(iso.year().extended_year()).ok()?;
    let month = i8::try_from(iso.month().ordinal).ok()?;
    civil::Date::new(year, month, i8::try_from(iso.day_of_month().0).ok()?).ok()
}

/// Whether the Persian calendar has such a day.
pub fn is_day(year: i16, month: u8, day: u8) -> bool {
    to_gregorian(year, month, day).is_some()
}

/// The Gregorian date and time in Tehran, as the vendor writes it: `2026-11-22 14:45:30`.
pub fn gregorian_date_time(at: Timestamp) -> String {
    in_tehran(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The time of day in Tehran: `14:45`.
pub fn clock_time(at: Timestamp) -> String {
    in_tehran(at).strftime("%H:%M").to_string()
}

/// The moment in Tehran as RFC 3339 writes it, to the second: `2026-11-22T14:45:30+03:30`.
pub fn rfc3339(at: Timestamp) -> String {
    in_tehran(at).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_tehran() {
        // 2026-11-22 00:15 in Tehran, still the 21st in Greenwich.
        let at = Timestamp(1_795_293_900_000_000);
        assert_eq!(gregorian_date_time(at), "2026-11-22 00:15:00");
        assert_eq!(rfc3339(at), "2026-11-22T00:15:00+03:30");
        assert_eq!(jalali_date(at), "1405/09/01");
    }

    #[test]
    fn the_last_day_of_a_leap_year_exists() {
        assert_eq!(jalali_date(Timestamp(1_742_459_400_000_000)), "1403/12/30");
    }
}
