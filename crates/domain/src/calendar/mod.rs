//! The calendar: Jalali dates and Tehran time. The only place that knows either.

pub mod calling_window;
pub mod date_time;
pub mod day;
pub mod holiday;
pub mod jalali;
pub mod month;
pub mod opening_hours;
pub mod span;
pub mod working_time;

use jiff::tz::TimeZone;

use crate::Timestamp;

/// Tehran's time zone from the bundled database: no daylight saving since 1402, but history has it.
pub(crate) fn tehran() -> TimeZone {
    TimeZone::get("Asia/Tehran").expect("the bundled time zone database has Tehran")
}

/// The moment as Tehran's clock shows it.
pub(crate) fn in_tehran(at: Timestamp) -> jiff::Zoned {
    let instant = jiff::Timestamp::from_microsecond(at.0).unwrap_or(if at.0 < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    });
    instant.to_zoned(tehran())
}
