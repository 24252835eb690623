//! Dates as people in Iran write them.

use icu_calendar::cal::Persian;
use icu_calendar::{Date, Iso};

use super::in_tehran;
use crate::Timestamp;

/// The Jalali date in Tehran at that moment, as `1405/09/01` in ASCII digits.
pub fn jalali_date(at: Timestamp) -> String {
    let local = in_tehran(at);
    let iso = Date::<Iso>::try_new_iso(
        i32::from(local.year()),
        local.month().unsigned_abs(),
        local.day().unsigned_abs(),
    )
    .expect("a civil date of jiff is a date");
    let persian = iso.to_calendar(Persian::new());
    let year = persian.era_year().year;
    format!("{year:04}/{:02}/{:02}", persian.month().ordinal, persian.day_of_month().0)
}

/// The Gregorian date and time in Tehran, as the vendor writes it: `2026-11-22 14:45:30`.
pub fn gregorian_date_time(at: Timestamp) -> String {
    in_tehran(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_tehran() {
        // 2026-11-22 00:15 in Tehran, still the 21st in Greenwich.
        let at = Timestamp(1_795_293_900_000_000);
        assert_eq!(gregorian_date_time(at), "2026-11-22 00:15:00");
        assert_eq!(jalali_date(at), "1405/09/01");
    }

    #[test]
    fn the_last_day_of_a_leap_year_exists() {
        assert_eq!(jalali_date(Timestamp(1_742_459_400_000_000)), "1403/12/30");
    }
}
