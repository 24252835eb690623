//! Clocks of the desk: a clock is the fold of its events, and its due time a pure function of them
//! and of the calendar (I11). Pauses need evidence, and give back only what would have counted.

use crate::Timestamp;
use crate::calendar::day::Day;
use crate::calendar::span::Span;
use crate::calendar::working_time::{DayCount, Timetable};

/// The time in which a reported error is looked at and the result told, microseconds (N10).
pub const TRIAGE_US: i64 = 24 * 3_600_000_000;
/// The business days in which a fault of ours is fixed (N11).
pub const FIX_DAYS: u32 = 3;
/// The most events of one clock.
pub const EVENTS_MAX: usize = 1000;
/// Attempts to reach a customer count as two when so much time lies between, microseconds.
const ATTEMPTS_APART_US: i64 = 10 * 60_000_000;

/// What a clock counts, and how much of it there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Time on the wall, microseconds.
    Real(i64),
    /// Time in which the calendar is open, microseconds.
    Open(i64),
    /// Days of the calendar that count, after the day of the start (A05, A06).
    Days(u32, DayCount),
}

/// Why a clock stands, with what proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PauseReason {
    /// The customer could not be reached (C20): when it was tried.
    Unreachable(Vec<Timestamp>),
    /// The customer was asked for something and has not given it (C21): by when it should have.
    AskedUntil(Timestamp),
}

/// What happens to a clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It begins to run.
    Started(Goal),
    /// It stands.
    Paused(PauseReason),
    /// It runs again.
    Resumed,
    /// It has another goal; the time that was used stays used.
    GoalChanged(Goal),
    /// What it waits for was done.
    Met,
    /// It is of no interest any more.
    Cancelled,
}

/// Something that happened to a clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub actor: String,
    /// What.
    pub change: Change,
}

/// Why an event cannot follow those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The clock does not run yet, or started already.
    NotStarted,
    /// It has been met or cancelled.
    Over,
    /// It stands already, or does not stand.
    WrongState,
    /// It is earlier than the event before it.
    OutOfOrder,
    /// No sufficient evidence: two attempts at different times within the hours of the calendar,
    /// or a request whose time has passed.
    NoEvidence,
    /// It had [`EVENTS_MAX`] events.
    TooMany,
}

/// Where a clock stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It runs, and there is time left.
    Running,
    /// It stands, and there is time left.
    Paused,
    /// It was done in time.
    Met,
    /// It was not.
    Missed,
    /// It ended without a verdict.
    Cancelled,
}

impl State {
    /// The word under which it is shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Met => "met",
            Self::Missed => "missed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A clock: events that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    goal: Goal,
    started_at: Timestamp,
    pauses: Vec<Span>,
    paused_at: Option<Timestamp>,
    ended: Option<(Timestamp, bool)>,
    missed: Option<Timestamp>,
    last_at: Timestamp,
    events: usize,
}

impl Clock {
    /// Folds events, the first of which starts it.
    ///
    /// # Errors
    /// Why the first event that does not follow does not.
    pub fn fold(events: &[Event], calendar: &Timetable) -> Result<Self, Refusal> {
        let (first, rest) = events.split_first().ok_or(Refusal::NotStarted)?;
        let Change::Started(goal) = first.change else { return Err(Refusal::NotStarted) };
        let mut clock = Self {
            goal,
            started_at: first.at,
            pauses: Vec::new(),
            paused_at: None,
            ended: None,
            missed: None,
            last_at: first.at,
            events: 1,
        };
        rest.iter().try_for_each(|event| clock.apply(event, calendar))?;
        Ok(clock)
    }

    /// Takes one more event.
    ///
    /// # Errors
    /// Why it does not follow; nothing has changed then.
    pub fn apply(&mut self, event: &Event, calendar: &Timetable) -> Result<(), Refusal> {
        if self.ended.is_some() {
            return Err(Refusal::Over);
        }
        if event.at < self.last_at {
            return Err(Refusal::OutOfOrder);
        }
        if self.events >= EVENTS_MAX {
            return Err(Refusal::TooMany);
        }
        let missed = self.missed_at(event.at, calendar);
        match (&event.change, self.paused_at) {
            (Change::Started(_), _) => return Err(Refusal::NotStarted),
            (Change::Paused(reason), None) => {
                if !reason.is_proven(event.at, calendar) {
                    return Err(Refusal::NoEvidence);
                }
                self.paused_at = Some(event.at);
            }
            (Change::Resumed, Some(paused)) => {
                self.pauses.extend(Span::new(paused, event.at));
                self.paused_at = None;
            }
            (Change::Paused(_), Some(_)) | (Change::Resumed, None) => {
                return Err(Refusal::WrongState);
            }
            (Change::GoalChanged(goal), _) => self.goal = *goal,
            (Change::Met, _) => self.ended = Some((event.at, true)),
            (Change::Cancelled, _) => self.ended = Some((event.at, false)),
        }
        self.missed = missed;
        self.last_at = event.at;
        self.events += 1;
        Ok(())
    }

    /// When it was missed, if it was by `now`. A miss stays, whatever comes after it.
    pub fn missed_at(&self, now: Timestamp, calendar: &Timetable) -> Option<Timestamp> {
        let looked_at = self.ended.map_or(now, |(at, _)| at);
        let counted_to = self.paused_at.map_or(looked_at, |paused| paused.min(looked_at));
        self.missed.or_else(|| self.due(calendar).filter(|due| *due < counted_to))
    }

    /// When it is due. While it stands: when it would have been, had it gone on; `None` when the
    /// calendar does not open for so long. A calendar that is corrected meanwhile makes no miss.
    pub fn due(&self, calendar: &Timetable) -> Option<Timestamp> {
        if self.missed.is_some() {
            return self.missed;
        }
        calendar.due(self.started_at, |calendar| self.due_by(calendar))
    }

    fn due_by(&self, calendar: &Timetable) -> Option<Timestamp> {
        match self.goal {
            Goal::Real(us) => {
                self.after(us, |from, to| to.us_since(from), |from, us| Some(from.plus_us(us)))
            }
            Goal::Open(us) => self.after(
                us,
                |from, to| calendar.open_us(from, to),
                |from, us| calendar.add_us(from, us),
            ),
            Goal::Days(days, count) => {
                let start = Day::of(self.started_at);
                let given_back: u32 = self
                    .pauses
                    .iter()
                    .map(|pause| whole_days(*pause, calendar, count, start))
                    .sum();
                calendar.days_after(start, days.saturating_add(given_back), count)
            }
        }
    }

    /// Whether what it waits for was done, in time or not, or is of no interest any more.
    pub fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// Where it stands at that moment.
    pub fn state(&self, now: Timestamp, calendar: &Timetable) -> State {
        match (self.ended, self.missed_at(now, calendar)) {
            (Some((_, false)), _) => State::Cancelled,
            (_, Some(_)) => State::Missed,
            (Some((_, true)), None) => State::Met,
            (None, None) if self.paused_at.is_some() => State::Paused,
            (None, None) => State::Running,
        }
    }

    /// Whether somebody should look at it: it was missed, or still runs with at most a quarter of
    /// its time left (T105).
    pub fn is_urgent(&self, now: Timestamp, calendar: &Timetable) -> bool {
        match (self.state(now, calendar), self.due(calendar)) {
            (State::Missed, _) => true,
            (State::Running | State::Paused, Some(due)) => {
                let now = self.paused_at.map_or(now, |paused| paused.min(now));
                let (left, all) = match self.goal {
                    Goal::Real(us) => (due.us_since(now), us),
                    Goal::Open(us) => (calendar.open_us(now, due), us),
                    Goal::Days(..) => (due.us_since(now), due.us_since(self.started_at)),
                };
                left.saturating_mul(4) <= all
            }
            _ => false,
        }
    }

    /// Walks the time in which it ran until so much is used up.
    fn after(
        &self,
        mut left: i64,
        counted: impl Fn(Timestamp, Timestamp) -> i64,
        add: impl Fn(Timestamp, i64) -> Option<Timestamp>,
    ) -> Option<Timestamp> {
        let mut from = self.started_at;
        for pause in &self.pauses {
            let until_pause = counted(from, pause.from);
            if left <= until_pause {
                break;
            }
            left -= until_pause;
            from = pause.to;
        }
        add(from, left)
    }
}

impl PauseReason {
    /// Whether a clock may stand for it at that moment.
    pub fn is_proven(&self, at: Timestamp, calendar: &Timetable) -> bool {
        match self {
            Self::Unreachable(attempts) => {
                let valid =
                    attempts.iter().filter(|tried| **tried <= at && calendar.is_open(**tried));
                let (first, last) = (valid.clone().min(), valid.max());
                first
                    .zip(last)
                    .is_some_and(|(first, last)| last.us_since(*first) >= ATTEMPTS_APART_US)
            }
            Self::AskedUntil(until) => *until <= at,
        }
    }
}

/// The days after `start` that count and whose hours lie in the pause as a whole.
fn whole_days(pause: Span, calendar: &Timetable, count: DayCount, start: Day) -> u32 {
    let mut day = Day::of(pause.from).max(start.next());
    let last = Day::of(pause.to);
    let mut days = 0;
    while day <= last {
        let hours = calendar.open_on(day).fold(None, |hours: Option<Span>, span| {
            Some(hours.map_or(span, |hours| Span { to: span.to, ..hours }))
        });
        let inside = hours.is_some_and(|hours| pause.from <= hours.from && hours.to <= pause.to);
        days += u32::from(inside && calendar.counts(day, count));
        day = day.next();
    }
    days
}

/// When the clock of a fix starts: with the result, and never later than that was due (A04).
pub fn fix_start(triage_due: Timestamp, result_at: Option<Timestamp>) -> Timestamp {
    result_at.map_or(triage_due, |result| result.min(triage_due))
}

#[cfg(test)]
mod tests;
