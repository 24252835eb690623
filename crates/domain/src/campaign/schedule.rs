//! When a campaign may call: from its first day to its last, each day within its hours.

use crate::Timestamp;
use crate::calendar::calling_window::CallingWindow;
use crate::calendar::date_time::{DAY_SECONDS, Written};
use crate::calendar::in_tehran;

/// The days and hours of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// The first moment.
    pub starts_at: Timestamp,
    /// The moment after the last.
    pub ends_at: Timestamp,
    /// The hours of each day.
    pub daily: CallingWindow,
}

/// Why two written moments make no schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleRefusal {
    /// One of them is none.
    NotWritten,
    /// The last day is before the first.
    EndsBeforeItStarts,
    /// The hour at which each day ends is not after the one at which it starts.
    HoursEndBeforeTheyStart,
}

impl Schedule {
    /// From one written moment to another: their days are the first and the last, and their times
    /// the hours of each day (avanak-api §3.2: the vendor asks for day and time apart). Without a
    /// time, the day is whole.
    ///
    /// # Errors
    /// The first [`ScheduleRefusal`] that applies.
    pub fn between(start: &str, end: &str) -> Result<Self, ScheduleRefusal> {
        let written = |text| Written::parse(text).ok_or(ScheduleRefusal::NotWritten);
        let (start, end) = (written(start)?, written(end)?);
        if start.is_after(&end) {
            return Err(ScheduleRefusal::EndsBeforeItStarts);
        }
        let from = start.second().unwrap_or(0);
        let to = end.second().unwrap_or(DAY_SECONDS);
        if from >= to {
            return Err(ScheduleRefusal::HoursEndBeforeTheyStart);
        }
        let minute = |second: u32| u16::try_from(second).ok();
        let daily = minute(from / 60)
            .zip(minute(to.div_ceil(60)))
            .and_then(|(from, to)| CallingWindow::new(from, to))
            .expect("a day has 1440 minutes, and the end is after the start");
        let moment =
            |day: Written, second| day.at_second(second).ok_or(ScheduleRefusal::NotWritten);
        Ok(Self { starts_at: moment(start, from)?, ends_at: moment(end, to)?, daily })
    }

    /// The first moment from `now` on at which it may call within the operator's hours; `None` when
    /// there is none any more.
    pub fn opens_at(&self, operator: CallingWindow, now: Timestamp) -> Option<Timestamp> {
        let hours = self.daily.within(operator)?;
        let opens = hours.opens_at(now.max(self.starts_at));
        (opens < self.ends_at).then_some(opens)
    }

    /// When calling must end that may go on now: the end of today's hours, of the operator's, or of
    /// the campaign. `None` while it may not call.
    pub fn open_until(&self, operator: CallingWindow, now: Timestamp) -> Option<Timestamp> {
        let within = self.starts_at <= now && now < self.ends_at;
        let hours = self.daily.within(operator)?;
        if !within || !hours.allows(now) {
            return None;
        }
        let midnight = in_tehran(now).start_of_day().ok()?.timestamp().as_microsecond();
        let closes = Timestamp(midnight).plus_ms(i64::from(hours.to_minute()) * 60_000);
        Some(closes.min(self.ends_at))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schedule(start: &str, end: &str) -> Schedule {
        Schedule::between(start, end).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        let written = Written::parse(text).unwrap();
        written.at_second(written.second().unwrap()).unwrap()
    }

    #[test]
    fn calls_are_placed_on_each_day_within_its_hours() {
        let schedule = schedule("2026-11-22 09:00:00", "2026-11-24 21:00:00");
        let open = |text| schedule.open_until(CallingWindow::ALWAYS, at(text));
        assert_eq!(open("2026-11-22 08:59:59"), None);
        assert_eq!(open("2026-11-22 09:00:00"), Some(at("2026-11-22 21:00:00")));
        assert_eq!(open("2026-11-22 21:00:00"), None);
        assert_eq!(open("2026-11-23 03:00:00"), None);
        assert_eq!(open("2026-11-24 20:59:59"), Some(at("2026-11-24 21:00:00")));
        assert_eq!(open("2026-11-25 10:00:00"), None);
    }

    #[test]
    fn the_operators_hours_count_too() {
        let schedule = schedule("2026-11-22", "2026-11-24");
        let operator = CallingWindow::parse("07:00-23:00").unwrap();
        assert_eq!(schedule.open_until(operator, at("2026-11-23 06:59:00")), None);
        let closes = schedule.open_until(operator, at("2026-11-23 07:00:00"));
        assert_eq!(closes, Some(at("2026-11-23 23:00:00")));
        let morning = self::schedule("2026-11-22 05:00", "2026-11-24 06:00");
        assert_eq!(morning.open_until(operator, at("2026-11-23 05:30:00")), None);
    }

    #[test]
    fn the_next_opening_is_within_both_hours_and_the_days() {
        let schedule = schedule("2026-11-22 09:00", "2026-11-23 21:00");
        let operator = CallingWindow::parse("10:00-23:00").unwrap();
        let opens = |text| schedule.opens_at(operator, at(text));
        assert_eq!(opens("2026-11-20 12:00:00"), Some(at("2026-11-22 10:00:00")));
        assert_eq!(opens("2026-11-22 12:00:00"), Some(at("2026-11-22 12:00:00")));
        assert_eq!(opens("2026-11-22 21:00:00"), Some(at("2026-11-23 10:00:00")));
        assert_eq!(opens("2026-11-23 21:00:00"), None);
        let never = CallingWindow::parse("00:00-08:00").unwrap();
        assert_eq!(schedule.opens_at(never, at("2026-11-22 12:00:00")), None);
    }

    #[test]
    fn what_is_no_schedule_has_its_reason() {
        use ScheduleRefusal as R;
        for (start, end, why) in [
            ("", "2026-11-24", R::NotWritten),
            ("2026-11-24", "soon", R::NotWritten),
            ("2026-11-24 08:00", "2026-11-23 09:00", R::EndsBeforeItStarts),
            ("2026-11-22 09:00", "2026-11-24 09:00", R::HoursEndBeforeTheyStart),
            ("2026-11-22 22:00", "2026-11-23 06:00", R::HoursEndBeforeTheyStart),
        ] {
            assert_eq!(Schedule::between(start, end), Err(why), "{start} {end}");
        }
        assert!(Schedule::between("1405/09/01 08:00", "2026-11-22 08:01").is_ok());
    }

    proptest! {
        /// Whatever the hours: calling that may go on ends later, on the same day, within both.
        #[test]
        fn calling_never_goes_on_beyond_the_hours(
            from in 0_u16..1440, length in 1_u16..1440, open in 0_u16..1440, span in 1_u16..1440,
            second in -200_000_i64..400_000,
        ) {
            let hours = |from: u16, length: u16| {
                CallingWindow::new(from, (from + length).min(1440)).unwrap()
            };
            let (daily, operator) = (hours(from, length), hours(open, span));
            let (starts_at, ends_at) = (at("2026-11-22 10:00"), at("2026-11-24 17:30"));
            let schedule = Schedule { starts_at, ends_at, daily };
            let now = starts_at.plus_ms(second * 1000);
            match schedule.open_until(operator, now) {
                None => prop_assert!(
                    now < starts_at || now >= ends_at
                        || !daily.allows(now) || !operator.allows(now)
                ),
                Some(closes) => {
                    prop_assert!(now < closes && closes <= ends_at);
                    let last = closes.plus_us(-1);
                    prop_assert!(daily.allows(last) && operator.allows(last));
                    prop_assert!(daily.allows(now) && operator.allows(now));
                }
            }
        }
    }
}
