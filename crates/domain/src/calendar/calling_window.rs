//! When calls may be placed, by Tehran's clock.

use super::day::Day;
use super::in_tehran;
use crate::Timestamp;

/// Part of a day, half-open, in minutes from midnight in Tehran. May not cross midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallingWindow {
    from_minute: u16,
    to_minute: u16,
}

/// The minutes of a day.
pub(super) const DAY_MINUTES: u16 = 24 * 60;

impl CallingWindow {
    /// The whole day.
    pub const ALWAYS: Self = Self { from_minute: 0, to_minute: DAY_MINUTES };

    /// From one minute of the day until before another; `None` if that is no part of a day.
    pub fn new(from_minute: u16, to_minute: u16) -> Option<Self> {
        let fits = from_minute < to_minute && to_minute <= DAY_MINUTES;
        fits.then_some(Self { from_minute, to_minute })
    }

    /// The first minute of the day that it allows.
    pub fn from_minute(self) -> u16 {
        self.from_minute
    }

    /// The minute of the day that it ends before.
    pub fn to_minute(self) -> u16 {
        self.to_minute
    }

    /// What both allow; `None` when that is nothing.
    pub fn within(self, other: Self) -> Option<Self> {
        let from = self.from_minute.max(other.from_minute);
        Self::new(from, self.to_minute.min(other.to_minute))
    }

    /// Whether it allows whatever the other does.
    pub fn covers(self, other: Self) -> bool {
        self.within(other) == Some(other)
    }

    /// Reads `07:00-23:00`; `24:00` is the end of the day. `None` if it is not such a window.
    pub fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once('-')?;
        Self::new(minute(from)?, minute(to)?)
    }

    /// Whether calls may be placed at that moment.
    pub fn allows(&self, at: Timestamp) -> bool {
        let local = in_tehran(at);
        let minute =
            u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        (self.from_minute..self.to_minute).contains(&minute)
    }

    /// The first moment from `at` on at which calls may be placed.
    pub fn opens_at(&self, at: Timestamp) -> Timestamp {
        if self.allows(at) {
            return at;
        }
        let today = Day::of(at).at_minute(self.from_minute);
        if today > at { today } else { Day::of(at).next().at_minute(self.from_minute) }
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let total = hour.checked_mul(60)?.checked_add(minute)?;
    (minute < 60 && total <= DAY_MINUTES).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 00:15 in Tehran.
    const QUARTER_PAST_MIDNIGHT: Timestamp = Timestamp(1_795_293_900_000_000);

    #[test]
    fn a_window_is_half_open() {
        let window = CallingWindow::parse("07:00-23:00").unwrap();
        let at = |hour: i64, minute: i64| {
            QUARTER_PAST_MIDNIGHT.plus_ms(((hour * 60 + minute) - 15) * 60_000)
        };
        assert!(!window.allows(at(6, 59)));
        assert!(window.allows(at(7, 0)));
        assert!(window.allows(at(22, 59)));
        assert!(!window.allows(at(23, 0)));
        assert!(CallingWindow::ALWAYS.allows(at(23, 59)));
    }

    #[test]
    fn a_closed_window_opens_today_or_tomorrow() {
        let window = CallingWindow::parse("07:30-23:00").unwrap();
        let at = |minutes: i64| QUARTER_PAST_MIDNIGHT.plus_ms((minutes - 15) * 60_000);
        assert_eq!(window.opens_at(at(0)), at(7 * 60 + 30));
        assert_eq!(window.opens_at(at(7 * 60 + 30)), at(7 * 60 + 30));
        assert_eq!(window.opens_at(at(12 * 60)), at(12 * 60));
        assert_eq!(window.opens_at(at(23 * 60)), at((24 + 7) * 60 + 30));
    }

    #[test]
    fn what_is_not_a_window_is_refused() {
        for text in ["", "7", "07:00", "23:00-07:00", "07:60-08:00", "07:00-24:01", "a-b"] {
            assert_eq!(CallingWindow::parse(text), None, "{text}");
        }
        assert_eq!(CallingWindow::parse("00:00-24:00"), Some(CallingWindow::ALWAYS));
    }
}
