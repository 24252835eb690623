//! What somebody is told whose request could not be taken: where people answer, and when (C30,
//! C31, T091). Needs nothing but a clock, since it is told when everything else is away.

use crate::Timestamp;
use crate::announcement::persian;
use crate::calendar::day::due_text;
use crate::calendar::working_time::Timetable;

/// The line of support at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupportLine {
    /// Its number, if the operator has set one.
    pub phone: Option<String>,
    /// Whether it is answered.
    pub is_open: bool,
    /// Until when that holds.
    pub until: Timestamp,
}

impl SupportLine {
    /// How it is at a moment, by the hours of the desk. `None` when it does not open for a year.
    pub fn at(now: Timestamp, hours: &Timetable, phone: Option<&str>) -> Option<Self> {
        let next = hours.next_open(now)?;
        let is_open = next.from <= now;
        let until = if is_open { next.to } else { next.from };
        Some(Self { phone: phone.map(str::to_owned), is_open, until })
    }

    /// For people, in English.
    pub fn in_english(&self) -> String {
        let until = due_text(self.until);
        let hours = if self.is_open {
            format!("is answered until {until}")
        } else {
            format!("is closed and answered from {until} on")
        };
        match &self.phone {
            Some(phone) => format!("Call {phone} if it cannot wait: the line {hours}."),
            None => format!("The line of support {hours}."),
        }
    }

    /// For people, in Persian.
    pub fn in_persian(&self) -> String {
        let until = due_text(self.until);
        let hours = if self.is_open {
            format!("تا {until} پاسخ می‌دهیم")
        } else {
            format!("اکنون بسته است و از {until} پاسخ می‌دهیم")
        };
        persian(&match &self.phone {
            Some(phone) => format!("اگر فوری است با {phone} تماس بگیرید؛ {hours}."),
            None => format!("تلفن پشتیبانی: {hours}."),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::date_time::Written;
    use crate::calendar::holiday::Holidays;
    use crate::calendar::opening_hours::{CalendarKind, OpeningHours};

    fn line(now: &str, phone: Option<&str>) -> SupportLine {
        let hours = OpeningHours::of_the_agreement(CalendarKind::Support);
        let hours = Timetable::new(vec![hours], Holidays::shipped()).unwrap();
        let written = Written::parse(now).unwrap();
        let now = written.at_second(written.second().unwrap_or(0)).unwrap();
        SupportLine::at(now, &hours, phone).unwrap()
    }

    /// T028, T092: a Thursday until midnight, its break, and the night before a Friday.
    #[test]
    fn who_calls_is_told_when_somebody_answers() {
        for (now, said) in [
            (
                "1405/09/05 23:50",
                "Call 02191 if it cannot wait: the line is answered until 1405/09/05 24:00.",
            ),
            (
                "1405/09/05 14:00",
                "Call 02191 if it cannot wait: the line is closed and answered from 1405/09/05 \
                 14:45 on.",
            ),
            (
                "1405/09/06 00:00",
                "Call 02191 if it cannot wait: the line is closed and answered from 1405/09/06 \
                 10:00 on.",
            ),
        ] {
            assert_eq!(line(now, Some("02191")).in_english(), said, "{now}");
        }
        let late = line("1405/09/05 23:50", Some("02191")).in_persian();
        assert_eq!(late, "اگر فوری است با ۰۲۱۹۱ تماس بگیرید؛ تا ۱۴۰۵/۰۹/۰۵ ۲۴:۰۰ پاسخ می‌دهیم.");
        let unset = line("1405/09/06 00:00", None);
        assert_eq!(
            (unset.in_english(), unset.in_persian()),
            (
                "The line of support is closed and answered from 1405/09/06 10:00 on.".to_owned(),
                "تلفن پشتیبانی: اکنون بسته است و از ۱۴۰۵/۰۹/۰۶ ۱۰:۰۰ پاسخ می‌دهیم.".to_owned()
            )
        );
    }
}
