//! The policy of a class: one version of what the operator allows it.

use super::MessageClass;
use crate::calendar::calling_window::CallingWindow;
use crate::calendar::day::{Day, Weekday};
use crate::calendar::opening_hours::{DayType, OpeningHours};
use crate::campaign::retry::{DELAY_MINUTES_MAX, TRIES_MAX};
use crate::{PhoneNumber, PolicyId, Timestamp};

/// The most calls to a number in a day that a policy may name.
const DAILY_CAP_MAX: u32 = 1_000;
/// The scheduling classes that sends to single numbers may have.
const PRIORITIES: std::ops::RangeInclusive<u8> = 0..=1;
/// The word for off days that have no hours.
const NONE: &str = "none";

/// What one class may do, from a moment on. A version never changes once it is stored: what was
/// decided by it can be judged by it later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Which version.
    pub id: PolicyId,
    /// Of which class.
    pub class: MessageClass,
    /// From when on it holds.
    pub effective_from: Timestamp,
    /// Whether messages of the class are taken and called at all.
    pub allowed: bool,
    /// Whether only accounts with a document, which may call at any hour, may send them.
    pub needs_document: bool,
    /// Whether staff must have approved a message, also of accounts that approve their own.
    pub needs_approval: bool,
    /// When they may be called, by Tehran's clock; a day off has hours of its own.
    pub hours: OpeningHours,
    /// The most sends of the class to one number in a day, whoever sends them.
    pub daily_cap: Option<u32>,
    /// The most tries at each recipient of a campaign.
    pub tries_max: u32,
    /// The shortest pause between two of them, minutes.
    pub retry_minutes: u32,
    /// The number shown to callees in place of the trunk's own.
    pub caller_id: Option<String>,
    /// The key by which callees opt out during the call, if there is one.
    pub opt_out_key: Option<char>,
    /// The scheduling class of sends to single numbers: 0 goes before 1.
    pub priority: u8,
}

/// Why something is no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyRefusal {
    /// The hours are none, overlap or are too many.
    WrongHours,
    /// The cap is zero or too large.
    WrongCap,
    /// The tries are zero or more than a campaign may have.
    WrongTries,
    /// The pause between tries is longer than a campaign may have.
    WrongPause,
    /// The caller's number is no telephone number.
    WrongCallerId,
    /// The key is none of a telephone.
    WrongKey,
    /// Not 0 or 1.
    WrongPriority,
}

impl Policy {
    /// Judges what an operator has asked for.
    ///
    /// # Errors
    /// The first [`PolicyRefusal`] that applies.
    pub fn check(&self) -> Result<(), PolicyRefusal> {
        if self.daily_cap.is_some_and(|cap| cap == 0 || cap > DAILY_CAP_MAX) {
            return Err(PolicyRefusal::WrongCap);
        }
        if !(1..=TRIES_MAX).contains(&self.tries_max) {
            return Err(PolicyRefusal::WrongTries);
        }
        if self.retry_minutes > DELAY_MINUTES_MAX {
            return Err(PolicyRefusal::WrongPause);
        }
        let no_number = |text: &String| PhoneNumber::parse(text).is_none();
        if self.caller_id.as_ref().is_some_and(no_number) {
            return Err(PolicyRefusal::WrongCallerId);
        }
        if self.opt_out_key.is_some_and(|key| !is_key(key)) {
            return Err(PolicyRefusal::WrongKey);
        }
        if !PRIORITIES.contains(&self.priority) {
            return Err(PolicyRefusal::WrongPriority);
        }
        Ok(())
    }

    /// The hours of two written lists of windows, as [`hours_text`] writes them: of ordinary days,
    /// and of Fridays and public holidays. A list may be `none`.
    ///
    /// # Errors
    /// [`PolicyRefusal::WrongHours`].
    pub fn read_hours(ordinary: &str, off: &str) -> Result<OpeningHours, PolicyRefusal> {
        let wrong = PolicyRefusal::WrongHours;
        let (ordinary, off) =
            (read_windows(ordinary).ok_or(wrong)?, read_windows(off).ok_or(wrong)?);
        let from = Day::jalali(1400, 1, 1).expect("every year has a first day");
        OpeningHours::new(1, from, &[Weekday::Friday], &ordinary, &off).map_err(|_| wrong)
    }
}

/// Whether a telephone has such a key.
pub(crate) fn is_key(key: char) -> bool {
    key.is_ascii_digit() || key == '*' || key == '#'
}

/// The hours of a type of day as they are kept and shown: `09:30-14:00,16:30-22:00`, or `none`.
pub fn hours_text(hours: &OpeningHours, day_type: DayType) -> String {
    let minute = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let shown = |window: &CallingWindow| {
        format!("{}-{}", minute(window.from_minute()), minute(window.to_minute()))
    };
    let windows = hours.windows(day_type);
    if windows.is_empty() {
        return NONE.to_owned();
    }
    windows.iter().map(shown).collect::<Vec<_>>().join(",")
}

/// Reads such a text; `None` when a part of it is no window.
pub fn read_windows(text: &str) -> Option<Vec<CallingWindow>> {
    if text.trim() == NONE {
        return Some(Vec::new());
    }
    text.split(',').map(CallingWindow::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy {
            id: PolicyId(1),
            class: MessageClass::Advertising,
            effective_from: Timestamp(0),
            allowed: true,
            needs_document: false,
            needs_approval: true,
            hours: Policy::read_hours("09:30-14:00,16:30-22:00", "none").unwrap(),
            daily_cap: Some(2),
            tries_max: 3,
            retry_minutes: 0,
            caller_id: Some(String::from("02191000000")),
            opt_out_key: Some('9'),
            priority: 1,
        }
    }

    #[test]
    fn hours_are_shown_as_they_are_read() {
        let hours = policy().hours;
        assert_eq!(hours_text(&hours, DayType::Ordinary), "09:30-14:00,16:30-22:00");
        assert_eq!(hours_text(&hours, DayType::Off), "none");
        for (ordinary, off) in [("none", "none"), ("7-23", "none"), ("", "none"), ("none", "x")] {
            let refused = Policy::read_hours(ordinary, off);
            assert_eq!(refused, Err(PolicyRefusal::WrongHours), "{ordinary} {off}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        use PolicyRefusal as R;
        assert_eq!(policy().check(), Ok(()));
        for (bad, why) in [
            (Policy { daily_cap: Some(0), ..policy() }, R::WrongCap),
            (Policy { daily_cap: Some(1_001), ..policy() }, R::WrongCap),
            (Policy { tries_max: 0, ..policy() }, R::WrongTries),
            (Policy { tries_max: 11, ..policy() }, R::WrongTries),
            (Policy { retry_minutes: DELAY_MINUTES_MAX + 1, ..policy() }, R::WrongPause),
            (Policy { caller_id: Some(String::from("hello")), ..policy() }, R::WrongCallerId),
            (Policy { opt_out_key: Some('a'), ..policy() }, R::WrongKey),
            (Policy { priority: 2, ..policy() }, R::WrongPriority),
        ] {
            assert_eq!(bad.check(), Err(why));
        }
    }
}
