//! Time that counts only while a calendar is open, and deadlines in days.
//!
//! Each moment is judged by what was known of its day then: what is entered later takes no time
//! back and gives none. Days to come are judged by what is known last.
//!
//! "Three business days" is a count of days, never hours spread over opening times (lesson L09).

use std::sync::Arc;

use super::day::Day;
use super::holiday::Holidays;
use super::opening_hours::{DayType, OpeningHours};
use super::span::{Span, union};
use crate::Timestamp;

/// How far ahead an opening is looked for, days.
const DAYS_AHEAD_MAX: u32 = 4000;

/// The versions of one calendar, and the holidays that decide which days are off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timetable {
    versions: Vec<OpeningHours>,
    holidays: Arc<Holidays>,
    /// What was entered about holidays later is not in it.
    known_at: Timestamp,
}

/// Which days count as business days (A05).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DayCount {
    /// Every day that has hours, an off day too: what the agreement's definition 3 says (L1).
    EveryDay,
    /// Ordinary days only: what is customary (L2).
    OrdinaryDays,
}

/// A deadline, and what it was before the calendar was corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorrectedDue {
    /// As it was computed before.
    pub before: Timestamp,
    /// As the corrected calendar has it.
    pub after: Timestamp,
    /// When the correction was published.
    pub published_at: Timestamp,
}

/// A correction that comes later than this before a deadline takes nothing from it, microseconds.
const CORRECTION_LEAD_US: i64 = 24 * 3_600_000_000;

impl CorrectedDue {
    /// The deadline that decides: the corrected one, but the later of both when the correction
    /// came less than 24 hours before either. So a correction alone never makes a miss.
    pub fn decisive(self) -> Timestamp {
        let earlier = self.before.min(self.after);
        let in_time = earlier.us_since(self.published_at) >= CORRECTION_LEAD_US;
        if in_time { self.after } else { self.before.max(self.after) }
    }
}

impl Timetable {
    /// A calendar in its versions. Before the first of them begins, its hours hold too.
    ///
    /// `None` without any version, or with two that begin on one day.
    pub fn new(
        mut versions: Vec<OpeningHours>,
        holidays: impl Into<Arc<Holidays>>,
    ) -> Option<Self> {
        let (holidays, known_at) = (holidays.into(), Timestamp(i64::MAX));
        versions.sort_by_key(OpeningHours::valid_from);
        let twice = versions.windows(2).any(|two| two[0].valid_from() == two[1].valid_from());
        (!versions.is_empty() && !twice).then_some(Self { versions, holidays, known_at })
    }

    /// The version in force on a day.
    pub fn version_on(&self, day: Day) -> &OpeningHours {
        let begun = self.versions.partition_point(|version| version.valid_from() <= day);
        &self.versions[begun.saturating_sub(1)]
    }

    /// The type of a day, by what was known of it before it ended.
    pub fn day_type(&self, day: Day) -> DayType {
        self.day_type_at(day, day.end().plus_us(-1))
    }

    /// The type of a day, by what was known of it at a moment.
    fn day_type_at(&self, day: Day, at: Timestamp) -> DayType {
        let is_holiday = self.holidays.was_holiday(day, at.min(self.known_at));
        self.version_on(day).day_type(day.weekday(), is_holiday)
    }

    /// The holidays that it goes by.
    pub fn holidays(&self) -> &Holidays {
        &self.holidays
    }

    /// When it is open on a day, in order.
    pub fn open_on(&self, day: Day) -> impl Iterator<Item = Span> {
        let on_the_day = Span { from: day.start(), to: day.end() };
        let entered = self.holidays.entered_about(day).filter(|at| on_the_day.contains(*at));
        let mut parts = vec![on_the_day];
        for at in entered {
            let part = parts.last_mut().expect("it begins with the day");
            part.to = at;
            parts.push(Span { from: at, to: day.end() });
        }
        let is_one = parts.len() == 1;
        let open = parts.into_iter().flat_map(|part| self.open_in(day, part));
        // The hours go on where the day changed and they did not.
        if is_one { open.collect() } else { union(open.collect()) }.into_iter()
    }

    /// When it is open in a part of a day in which nothing is entered about that day.
    fn open_in(&self, day: Day, part: Span) -> impl Iterator<Item = Span> {
        let windows = self.version_on(day).windows(self.day_type_at(day, part.from));
        windows.iter().filter_map(move |window| {
            let (from, to) = (window.from_minute(), window.to_minute());
            Span::new(day.at_minute(from), day.at_minute(to))?.within(part)
        })
    }

    /// Whether it is open at that moment.
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.open_on(Day::of(at)).any(|span| span.contains(at))
    }

    /// Open time from that moment on.
    fn open_from(&self, at: Timestamp) -> impl Iterator<Item = Span> {
        let first = Day::of(at);
        let days = (0..DAYS_AHEAD_MAX.cast_signed()).map(move |days| first.plus(days));
        days.flat_map(|day| self.open_on(day))
            .filter(move |span| span.to > at)
            .map(move |span| Span { from: span.from.max(at), ..span })
    }

    /// The part of the opening hours that holds this moment, or the next one that comes.
    pub fn next_open(&self, at: Timestamp) -> Option<Span> {
        self.open_from(at).next()
    }

    /// Open time between two moments, microseconds; nothing when the second is the earlier.
    pub fn open_us(&self, from: Timestamp, to: Timestamp) -> i64 {
        let (first, last) = (Day::of(from), Day::of(to));
        let Some(asked) = Span::new(from, to) else { return 0 };
        let mut open = 0;
        let mut day = first;
        while day <= last {
            open += self
                .open_on(day)
                .filter_map(|span| span.within(asked))
                .map(Span::length_us)
                .sum::<i64>();
            day = day.next();
        }
        open
    }

    /// The moment when so much open time has passed, microseconds. Time that is used up just when
    /// a window ends is due at that end. `None` when it does not open for so long.
    pub fn add_us(&self, at: Timestamp, open_us: i64) -> Option<Timestamp> {
        if open_us <= 0 {
            return Some(at);
        }
        let mut left = open_us;
        for span in self.open_from(at) {
            if left <= span.length_us() {
                return Some(span.from.plus_us(left));
            }
            left -= span.length_us();
        }
        None
    }

    /// When something is due that began at `since`. What was entered about holidays meanwhile moves
    /// it as [`CorrectedDue`] says, one entry after the other: `by` is asked with the calendar as
    /// it was known when it began, and after each of them. `None` when `by` has none at last.
    pub fn due(
        &self,
        since: Timestamp,
        by: impl Fn(&Self) -> Option<Timestamp>,
    ) -> Option<Timestamp> {
        let as_known = |at: Timestamp| Self { known_at: at.min(self.known_at), ..self.clone() };
        let mut due = by(&as_known(since));
        for published_at in self.holidays.entered_after(since) {
            let after = by(&as_known(published_at));
            let corrected = due.zip(after);
            let corrected = corrected
                .map(|(before, after)| CorrectedDue { before, after, published_at }.decisive());
            due = corrected.or(after);
        }
        due
    }

    /// The end of the hours of the `days`-th counted day after the day of `start`, which itself
    /// does not count (A06). A day without hours never counts. `None` when there are too few.
    pub fn days_after(&self, start: Day, days: u32, count: DayCount) -> Option<Timestamp> {
        let mut left = days;
        let mut day = start;
        for _ in 0..DAYS_AHEAD_MAX {
            if left == 0 {
                break;
            }
            day = day.next();
            left -= u32::from(self.counts(day, count));
        }
        (left == 0).then(|| self.open_on(day).last().map(|span| span.to)).flatten()
    }

    /// Whether a day counts as a business day.
    pub fn counts(&self, day: Day, count: DayCount) -> bool {
        let counted = match count {
            DayCount::EveryDay => true,
            DayCount::OrdinaryDays => self.day_type(day) == DayType::Ordinary,
        };
        counted && self.open_on(day).next().is_some()
    }

    /// Whether a deadline to come may still move: the moon decides about a holiday among the days
    /// that it counts and that are not over (T011). What is due by now, or has no deadline, moves
    /// no more.
    pub fn due_may_move(&self, since: Timestamp, due: Option<Timestamp>, now: Timestamp) -> bool {
        // What ends with a day does not count the next one.
        let to_come = due.filter(|due| *due > now);
        to_come.is_some_and(|due| self.may_move(Day::of(since.max(now)), Day::of(due.plus_us(-1))))
    }

    /// Whether the moon may still move a deadline that counts the days from one to another.
    pub fn may_move(&self, from: Day, to: Day) -> bool {
        let mut day = from;
        while day <= to {
            if self.holidays.may_move(day) {
                return true;
            }
            day = day.next();
        }
        false
    }
}

#[cfg(test)]
mod tests;
