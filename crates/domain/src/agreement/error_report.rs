//! A reported error: what it is found to be, whose it is, and how it ends (C26, C27, A32, A33).

use super::clock::fix_start;
use crate::Timestamp;
use crate::calendar::day::Day;
use crate::calendar::working_time::{DayCount, Timetable};

/// How long after it was fixed an error that comes back is the same one, microseconds.
const REOPEN_US: i64 = 7 * 86_400_000_000;
/// Longest reason or evidence, bytes.
pub const TEXT_MAX: usize = 4000;

/// What triage found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It is not our fault, for this reason.
    NotOurs(String),
    /// It was a question.
    Question,
    /// A fault of ours, fixed in business days.
    Minor,
    /// It needs changes to the programs, for which a date is announced.
    Structural,
    /// Access was lost: it belongs to availability.
    Outage,
    /// It is known already: the number of that report.
    DuplicateOf(i64),
}

/// A date that was announced for structural work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commitment {
    /// When it was announced.
    pub announced_at: Timestamp,
    /// The date.
    pub due: Timestamp,
    /// Whether the customer agreed; always false for the first date.
    pub agreed: bool,
}

/// Where a report stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nobody has said yet what it is.
    Triaging,
    /// It ended with its finding.
    Answered,
    /// A fault of ours, being fixed.
    Fixing,
    /// Fixed, and the customer was told.
    Fixed,
    /// Somebody made sure that it is.
    Verified,
    /// Structural; a date is awaited.
    Structural,
    /// A date was announced.
    Committed,
    /// Delivered with the evidence of its tests.
    Delivered,
    /// The customer took it.
    Accepted,
}

/// What happens to a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The customer is told what it is.
    Found(Finding),
    /// It is fixed, and the customer told.
    Fixed,
    /// Somebody made sure that it is.
    Verified,
    /// A date, or another one.
    Committed(Commitment),
    /// It is delivered, with this evidence of its tests.
    Delivered(String),
    /// The customer took it.
    Accepted,
    /// It failed the customer's tests: it was not delivered.
    Rejected(String),
    /// It came back.
    Reopened,
}

/// Why a step is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It does not follow where the report stands.
    WrongState,
    /// A reason or evidence is missing, or longer than [`TEXT_MAX`].
    NoText,
    /// The date is not after the moment it is announced, or earlier than the one before it.
    Date,
    /// It came back too late, and is a new report.
    TooLate,
    /// It is earlier than the step before it.
    OutOfOrder,
    /// A report is no duplicate of itself.
    Itself,
}

/// A report, as its steps have left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorReport {
    /// Its number.
    pub number: i64,
    /// When it was made, or came back.
    pub reported_at: Timestamp,
    /// When the result was told.
    pub result_at: Option<Timestamp>,
    /// What it was found to be.
    pub finding: Option<Finding>,
    /// The dates that were announced, all of them.
    pub commitments: Vec<Commitment>,
    /// When it was fixed, or accepted.
    pub done_at: Option<Timestamp>,
    /// When it was delivered last, unless that was rejected.
    pub delivered_at: Option<Timestamp>,
    /// How often it came back.
    pub cycle: u32,
    /// Where it stands.
    pub state: State,
    last_at: Timestamp,
}

impl ErrorReport {
    /// A report that was just made.
    pub fn new(number: i64, reported_at: Timestamp) -> Self {
        Self {
            number,
            reported_at,
            result_at: None,
            finding: None,
            commitments: Vec::new(),
            done_at: None,
            delivered_at: None,
            cycle: 1,
            state: State::Triaging,
            last_at: reported_at,
        }
    }

    /// Takes a step.
    ///
    /// # Errors
    /// Why it is refused; nothing has changed then.
    pub fn take(&mut self, step: Step, at: Timestamp) -> Result<(), Refusal> {
        if at < self.last_at {
            return Err(Refusal::OutOfOrder);
        }
        self.state = match (self.state, step) {
            (State::Triaging, Step::Found(finding)) => self.found(finding, at)?,
            (State::Fixing, Step::Fixed) => {
                self.done_at = Some(at);
                State::Fixed
            }
            (State::Fixed, Step::Verified) => State::Verified,
            (State::Structural | State::Committed, Step::Committed(commitment)) => {
                self.commit(commitment, at)?
            }
            (State::Committed, Step::Delivered(evidence)) => {
                said(&evidence)?;
                self.delivered_at = Some(at);
                State::Delivered
            }
            (State::Delivered, Step::Accepted) => {
                self.done_at = Some(at);
                State::Accepted
            }
            (State::Delivered, Step::Rejected(reason)) => {
                said(&reason)?;
                self.delivered_at = None;
                State::Committed
            }
            (State::Fixed | State::Verified | State::Accepted, Step::Reopened) => {
                self.reopen(at)?
            }
            _ => return Err(Refusal::WrongState),
        };
        self.last_at = at;
        Ok(())
    }

    fn found(&mut self, finding: Finding, at: Timestamp) -> Result<State, Refusal> {
        let state = match &finding {
            Finding::NotOurs(reason) => {
                said(reason)?;
                State::Answered
            }
            Finding::DuplicateOf(number) if *number == self.number => return Err(Refusal::Itself),
            Finding::Question | Finding::Outage => State::Answered,
            Finding::Minor | Finding::DuplicateOf(_) => State::Fixing,
            Finding::Structural => State::Structural,
        };
        self.finding = Some(finding);
        self.result_at = Some(at);
        Ok(state)
    }

    fn commit(&mut self, commitment: Commitment, at: Timestamp) -> Result<State, Refusal> {
        let before = self.commitments.last();
        let forward = before.is_none_or(|before| commitment.due >= before.due);
        if commitment.due <= at || commitment.announced_at != at || !forward {
            return Err(Refusal::Date);
        }
        let agreed = commitment.agreed && before.is_some();
        self.commitments.push(Commitment { agreed, ..commitment });
        Ok(State::Committed)
    }

    fn reopen(&mut self, at: Timestamp) -> Result<State, Refusal> {
        if self.done_at.is_some_and(|done| at.us_since(done) > REOPEN_US) {
            return Err(Refusal::TooLate);
        }
        let next = Self::new(self.number, at);
        *self = Self { cycle: self.cycle + 1, ..next };
        Ok(State::Triaging)
    }

    /// By when a fault of ours has to be fixed, or a date announced for structural work: business
    /// days after the result, or after it should have been told. `None` when it is not ours.
    pub fn fix_due(&self, days: u32, count: DayCount, business: &Timetable) -> Option<Timestamp> {
        match self.finding {
            Some(Finding::Minor | Finding::DuplicateOf(_) | Finding::Structural) => {
                let start = fix_start(self.reported_at, self.result_at);
                business.days_after(Day::of(start), days, count)
            }
            _ => None,
        }
    }

    /// Whether a date for structural work came too late: the first after the fix was due, or
    /// another one after that without the customer's consent.
    pub fn commitment_missed(&self, fix_due: Timestamp) -> bool {
        self.commitments.iter().any(|date| !date.agreed && date.announced_at > fix_due)
    }
}

fn said(text: &str) -> Result<(), Refusal> {
    if text.trim().is_empty() || text.len() > TEXT_MAX { Err(Refusal::NoText) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_US: i64 = 86_400_000_000;

    fn day(n: i64) -> Timestamp {
        Timestamp(n * DAY_US)
    }

    fn found(finding: Finding) -> Result<ErrorReport, Refusal> {
        let mut report = ErrorReport::new(7, day(0));
        report.take(Step::Found(finding), day(1)).map(|()| report)
    }

    fn date(announced: i64, due: i64, agreed: bool) -> Step {
        let (announced_at, due) = (day(announced), day(due));
        Step::Committed(Commitment { announced_at, due, agreed })
    }

    /// T095, T097.
    #[test]
    fn what_is_not_ours_needs_a_reason() {
        assert_eq!(found(Finding::NotOurs("  ".to_owned())), Err(Refusal::NoText));
        let answered = found(Finding::NotOurs("the customer's firewall".to_owned())).unwrap();
        assert_eq!(answered.state, State::Answered);
        assert_eq!(found(Finding::DuplicateOf(7)), Err(Refusal::Itself));
        let duplicate = found(Finding::DuplicateOf(6)).unwrap();
        assert_eq!((duplicate.state, duplicate.result_at), (State::Fixing, Some(day(1))));
    }

    /// T099.
    #[test]
    fn a_date_that_comes_late_is_a_miss_and_still_a_date() {
        let mut report = found(Finding::Structural).unwrap();
        report.take(date(6, 20, false), day(6)).unwrap();
        assert_eq!(report.state, State::Committed);
        assert!(report.commitment_missed(day(4)) && !report.commitment_missed(day(6)));
        assert_eq!(report.take(date(7, 19, true), day(7)), Err(Refusal::Date));
        report.take(date(7, 30, true), day(7)).unwrap();
        assert!(!report.commitment_missed(day(6)));
        report.take(date(8, 40, false), day(8)).unwrap();
        assert!(report.commitment_missed(day(6)));
        assert_eq!(report.commitments.len(), 3);
    }

    /// T101.
    #[test]
    fn a_delivery_needs_the_evidence_of_its_tests() {
        let mut report = found(Finding::Structural).unwrap();
        let evidence = Step::Delivered("https://ci.example/run/7".to_owned());
        assert_eq!(report.take(evidence.clone(), day(2)), Err(Refusal::WrongState));
        report.take(date(2, 20, false), day(2)).unwrap();
        assert_eq!(report.take(Step::Delivered(String::new()), day(9)), Err(Refusal::NoText));
        report.take(evidence.clone(), day(9)).unwrap();
        report.take(Step::Rejected("fails our test".to_owned()), day(10)).unwrap();
        assert_eq!((report.state, report.delivered_at), (State::Committed, None));
        report.take(evidence, day(11)).unwrap();
        report.take(Step::Accepted, day(12)).unwrap();
        assert_eq!((report.state, report.done_at), (State::Accepted, Some(day(12))));
    }

    #[test]
    fn an_error_that_comes_back_within_a_week_is_the_same_one() {
        let mut report = found(Finding::Minor).unwrap();
        report.take(Step::Fixed, day(3)).unwrap();
        report.take(Step::Verified, day(3)).unwrap();
        let mut late = report.clone();
        assert_eq!(late.take(Step::Reopened, day(11)), Err(Refusal::TooLate));
        report.take(Step::Reopened, day(10)).unwrap();
        assert_eq!((report.cycle, report.state, report.finding), (2, State::Triaging, None));
        assert_eq!(late.take(Step::Found(Finding::Minor), day(12)), Err(Refusal::WrongState));
        assert_eq!(late.take(Step::Reopened, day(2)), Err(Refusal::OutOfOrder));
    }
}
