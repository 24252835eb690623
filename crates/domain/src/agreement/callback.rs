//! Callers who wait: when they are offered to be called back, when that has to happen, and when
//! nobody was there to answer (C14, C15, A08 to A12).

use crate::Timestamp;
use crate::calendar::span::{self, Span};
use crate::calendar::working_time::Timetable;

/// How late an offer may begin, microseconds.
pub const OFFER_TOLERANCE_US: i64 = 2 * SECOND_US;
/// How long after an offer the next one is made, microseconds.
pub const OFFER_EVERY_US: i64 = 60 * SECOND_US;
const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;

/// How callers are called back, as the agreement says that held when they came (A12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How often somebody is called back, at most.
    pub attempts: u32,
    /// How long after a failed callback the next one is tried, minutes.
    pub retry_minutes: u32,
    /// Who registered so long before the window ends is called in it, minutes.
    pub same_window_minutes: u32,
    /// Who did not is called within so long of the next window, minutes.
    pub next_window_minutes: u32,
}

impl Policy {
    /// As the first agreement is read.
    pub fn of_the_agreement() -> Self {
        Self { attempts: 3, retry_minutes: 10, same_window_minutes: 15, next_window_minutes: 60 }
    }

    /// By when somebody who registered then is called back: in the same window if enough of it is
    /// left, else in the beginning of the next one. `None` when the line never opens again.
    pub fn due(self, registered_at: Timestamp, support: &Timetable) -> Option<Timestamp> {
        support.due(registered_at, |support| self.due_by(registered_at, support))
    }

    fn due_by(self, registered_at: Timestamp, support: &Timetable) -> Option<Timestamp> {
        let window = support.next_open(registered_at)?;
        let open = window.from == registered_at;
        let same_us = i64::from(self.same_window_minutes) * MINUTE_US;
        if open && window.to.us_since(registered_at) >= same_us {
            return Some(window.to);
        }
        let next = if open { support.next_open(window.to)? } else { window };
        let next_us = i64::from(self.next_window_minutes) * MINUTE_US;
        Some(next.from.plus_us(next_us).min(next.to))
    }

    /// When a callback is tried again after so many; `None` after the last one.
    pub fn next_attempt(self, failed_at: Timestamp, attempts: u32) -> Option<Timestamp> {
        (attempts < self.attempts).then(|| failed_at.plus_us(self.retry_us()))
    }

    /// How long after a failed callback the next one is tried, microseconds.
    pub fn retry_us(self) -> i64 {
        i64::from(self.retry_minutes) * MINUTE_US
    }

    /// As it is kept with a call.
    pub fn to_text(self) -> String {
        let Self { attempts, retry_minutes, same_window_minutes, next_window_minutes } = self;
        format!("{attempts} {retry_minutes} {same_window_minutes} {next_window_minutes}")
    }

    /// Reads what [`Self::to_text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let numbers: Option<Vec<u32>> = text.split(' ').map(|word| word.parse().ok()).collect();
        let [attempts, retry_minutes, same_window_minutes, next_window_minutes] =
            numbers?.try_into().ok()?;
        Some(Self { attempts, retry_minutes, same_window_minutes, next_window_minutes })
    }
}

/// When a caller who joined then is offered to be called back for the first time: after the time
/// that the agreement says (N6, A08), and at once when the window ends before (A11). `None` when
/// the line was closed. A holiday that is entered while the caller waits makes no offer late.
pub fn offer_at(joined_at: Timestamp, after_us: i64, support: &Timetable) -> Option<Timestamp> {
    support.due(joined_at, |support| {
        let window = support.next_open(joined_at).filter(|window| window.from == joined_at)?;
        Some(joined_at.plus_us(after_us).min(window.to))
    })
}

/// What became of the first offer to a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfferVerdict {
    /// It came on time.
    Made,
    /// It was not needed: the caller was answered, or left, before.
    NotNeeded,
    /// It came late or never: a failure of the timed process.
    Missed,
    /// It may still come.
    Open,
}

/// Judges the first offer: `played_at` when it began, `left_at` when the caller was answered or
/// gone.
pub fn offer_verdict(
    offer_at: Timestamp,
    played_at: Option<Timestamp>,
    left_at: Option<Timestamp>,
    now: Timestamp,
) -> OfferVerdict {
    let latest = offer_at.plus_us(OFFER_TOLERANCE_US);
    match (played_at, left_at) {
        (Some(played), _) if played <= latest => OfferVerdict::Made,
        (_, Some(left)) if left <= latest => OfferVerdict::NotNeeded,
        (None, None) if now <= latest => OfferVerdict::Open,
        _ => OfferVerdict::Missed,
    }
}

/// By when a ticket has to be touched: the end of the window after the one it was filed in, or of
/// the next one when the desk was closed (A10). `None` when it never opens again.
pub fn touched_by(filed_at: Timestamp, support: &Timetable) -> Option<Timestamp> {
    support.due(filed_at, |support| end_of_next(filed_at, support))
}

fn end_of_next(filed_at: Timestamp, support: &Timetable) -> Option<Timestamp> {
    let window = support.next_open(filed_at)?;
    if window.from == filed_at && support.is_open(filed_at) {
        return support.next_open(window.to).map(|next| next.to);
    }
    Some(window.to)
}

/// When the line was open and nobody was there to answer it: failures of support (T125).
pub fn unstaffed(within: Span, support: &Timetable, staffed: Vec<Span>) -> Vec<Span> {
    let staffed = span::union(staffed);
    let mut alone = Vec::new();
    let mut from = within.from;
    while let Some(window) = support.next_open(from).filter(|window| window.from < within.to) {
        let mut since = window.from;
        let until = window.to.min(within.to);
        for there in &staffed {
            alone.extend(Span::new(since, there.from.min(until)));
            since = since.max(there.to);
        }
        alone.extend(Span::new(since, until));
        from = window.to;
    }
    alone
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::date_time::Written;
    use crate::calendar::day::due_text;
    use crate::calendar::holiday::Holidays;
    use crate::calendar::opening_hours::{CalendarKind, OpeningHours};

    const AFTER_US: i64 = 80 * SECOND_US;

    fn support() -> Timetable {
        let hours = OpeningHours::of_the_agreement(CalendarKind::Support);
        Timetable::new(vec![hours], Holidays::shipped()).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        let written = Written::parse(text).unwrap();
        written.at_second(written.second().unwrap()).unwrap()
    }

    /// T110, T111, A11.
    #[test]
    fn an_offer_comes_after_80_seconds() {
        let joined = at("1405/09/07 10:00");
        let offer = offer_at(joined, AFTER_US, &support()).unwrap();
        assert_eq!(offer, at("1405/09/07 10:01:20"));
        let judge = |played: Option<i64>, left: Option<i64>| {
            let after = |seconds: i64| joined.plus_us(seconds * SECOND_US);
            offer_verdict(offer, played.map(after), left.map(after), after(600))
        };
        assert_eq!(judge(Some(82), None), OfferVerdict::Made);
        assert_eq!(judge(Some(83), None), OfferVerdict::Missed);
        assert_eq!(judge(None, Some(79)), OfferVerdict::NotNeeded);
        assert_eq!(judge(None, Some(90)), OfferVerdict::Missed);
        assert_eq!(judge(None, None), OfferVerdict::Missed);
        let early = offer_verdict(offer, None, None, joined);
        assert_eq!(early, OfferVerdict::Open);
        let closing = offer_at(at("1405/09/07 13:59:50"), AFTER_US, &support());
        assert_eq!(closing, Some(at("1405/09/07 14:00")));
        assert_eq!(offer_at(at("1405/09/07 14:00"), AFTER_US, &support()), None);
    }

    /// T121, T129 and A12.
    #[test]
    fn a_callback_is_due_in_this_window_or_early_in_the_next() {
        let policy = Policy::of_the_agreement();
        let due = |text| due_text(policy.due(at(text), &support()).unwrap());
        assert_eq!(due("1405/09/07 10:00"), "1405/09/07 14:00");
        assert_eq!(due("1405/09/07 13:45"), "1405/09/07 14:00");
        assert_eq!(due("1405/09/07 13:45:01"), "1405/09/07 15:45");
        assert_eq!(due("1405/09/05 23:59"), "1405/09/06 11:00");
        assert_eq!(due("1405/09/07 14:10"), "1405/09/07 15:45");
        let failed = at("1405/09/07 10:00");
        assert_eq!(policy.next_attempt(failed, 2), Some(at("1405/09/07 10:10")));
        assert_eq!(policy.next_attempt(failed, 3), None);
        // Another agreement says otherwise, and is kept with each call.
        let other = Policy {
            attempts: 1,
            retry_minutes: 5,
            same_window_minutes: 30,
            next_window_minutes: 20,
        };
        assert_eq!(Policy::parse(&other.to_text()), Some(other));
        assert_eq!(Policy::parse("3 10 15"), None);
        let due = |text| due_text(other.due(at(text), &support()).unwrap());
        assert_eq!(due("1405/09/07 13:45"), "1405/09/07 15:05");
        assert_eq!(other.next_attempt(failed, 1), None);
    }

    #[test]
    fn a_ticket_is_touched_by_the_end_of_the_next_window() {
        let due = |text| due_text(touched_by(at(text), &support()).unwrap());
        assert_eq!(due("1405/09/07 10:00"), "1405/09/07 24:00");
        assert_eq!(due("1405/09/07 14:10"), "1405/09/07 24:00");
        assert_eq!(due("1405/09/05 23:50"), "1405/09/06 14:00");
    }

    /// T125, T126.
    #[test]
    fn hours_without_anybody_are_told_and_those_outside_are_none() {
        let span = |from, to| Span::new(at(from), at(to)).unwrap();
        let day = span("1405/09/07 00:00", "1405/09/07 12:00");
        let there = vec![
            span("1405/09/07 08:00", "1405/09/07 10:30"),
            span("1405/09/07 10:00", "1405/09/07 11:00"),
            span("1405/09/07 11:07", "1405/09/07 13:00"),
        ];
        let alone = unstaffed(day, &support(), there);
        assert_eq!(alone, [span("1405/09/07 11:00", "1405/09/07 11:07")]);
        let nobody = unstaffed(day, &support(), Vec::new());
        assert_eq!(nobody, [span("1405/09/07 08:30", "1405/09/07 12:00")]);
        let opens = support().next_open(at("1405/09/05 24:00")).unwrap();
        assert_eq!(opens.from, at("1405/09/06 10:00"));
    }
}
