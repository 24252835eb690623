//! A reported error: what it is found to be, whose it is, and how it ends (C26, C27, A32, A33). Its
//! clocks are made from its steps whenever they are asked for (I11).

use crate::Timestamp;
use crate::calendar::span::Span;
use crate::calendar::working_time::DayCount;

mod clocks;

/// How long after it ended an error that comes back is the same one, microseconds.
const REOPEN_US: i64 = 7 * 86_400_000_000;
/// The shortest time in which a customer may be asked to give something, microseconds.
pub const ASKED_MIN_US: i64 = 4 * 3_600_000_000;
/// Longest reason or evidence, bytes.
pub const TEXT_MAX: usize = 4000;
/// Longest title, bytes.
pub const TITLE_MAX: usize = 300;
/// The most steps of one report.
pub const STEPS_MAX: usize = 300;

/// Who brings an error up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A customer.
    Customer,
    /// One of us.
    Staff,
    /// A vantage point.
    Probe,
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whose {
    /// Ours.
    Ours,
    /// The customer's own.
    Customer,
    /// Somebody else's.
    ThirdParty,
}

/// What triage found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It is not our fault, for this reason.
    NotOurs(Whose, String),
    /// It was a question.
    Question,
    /// A fault of ours, fixed in business days.
    Minor,
    /// It needs changes to the programs, for which a date is announced.
    Structural,
    /// Access was lost: it belongs to availability, to the outage of this number (A32). 0: it was
    /// found before outages had to be named.
    Outage(i64),
    /// It is known already and fixed with the report of this number (T097).
    DuplicateOf(i64),
    /// It is known already and needs the structural work of the report of this number, whose dates
    /// and delivery are its own, too (T097).
    SameWorkAs(i64),
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// Somebody saw that it is not: it never was fixed.
    NotVerified(String),
    /// A date, or another one that the customer has not agreed to.
    Committed(Timestamp),
    /// Another date that the customer is asked to agree to.
    Proposed(Timestamp),
    /// The customer agrees to it.
    Agreed,
    /// It is delivered, with this evidence of its tests.
    Delivered(String),
    /// The customer took it.
    Accepted,
    /// It failed the customer's tests: it was not delivered.
    Rejected(String),
    /// It came back, or the customer does not believe what it was found to be.
    Reopened,
    /// The customer cannot be reached, as is proven (C20).
    Paused,
    /// The customer was reached.
    Resumed,
    /// The customer is asked to make something available by then (C21).
    Asked(Timestamp),
    /// The customer did.
    Provided,
    /// It is given to an expert of this name.
    Assigned(String),
}

/// Why a step is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It does not follow where the report stands.
    WrongState,
    /// A reason or evidence is missing, or longer than [`TEXT_MAX`].
    NoText,
    /// The date is not after the moment it is announced, or earlier than the one before it; or
    /// sooner than [`ASKED_MIN_US`].
    Date,
    /// It came back too late, and is a new report.
    TooLate,
    /// It is earlier than the step before it.
    OutOfOrder,
    /// A report is no duplicate of itself.
    Itself,
    /// What is not ours is somebody else's.
    Whose,
    /// It had [`STEPS_MAX`] steps.
    TooMany,
}

/// What is promised about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// That the result is told (N10).
    Triage,
    /// That a fault of ours is fixed, or a date for it announced (N11, A33).
    Fix,
    /// That what was announced is delivered (N12).
    Delivery,
}

/// What the agreement says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The time for triage, microseconds.
    pub triage_us: i64,
    /// The business days for a fix.
    pub fix_days: u32,
    /// Which days are.
    pub count: DayCount,
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
    /// A date that the customer is asked to agree to.
    pub proposal: Option<Timestamp>,
    /// When the customer was told that it is fixed, or took what was delivered.
    pub done_at: Option<Timestamp>,
    /// When somebody had made sure that it is fixed.
    pub verified_at: Option<Timestamp>,
    /// When it was delivered last, unless that was rejected.
    pub delivered_at: Option<Timestamp>,
    /// By when the customer was asked to make something available, and has not.
    pub asked_until: Option<Timestamp>,
    /// Since when the customer cannot be reached.
    pub paused_since: Option<Timestamp>,
    /// The expert who has it.
    pub holder: Option<String>,
    /// How often it came back, and once more.
    pub cycle: u32,
    /// Where it stands.
    pub state: State,
    /// When its customer could not be reached.
    unreached: Vec<Span>,
    /// When its customer had not given what it was asked for.
    ungiven: Vec<Span>,
    last_at: Timestamp,
    steps: usize,
}

impl Source {
    /// Every source.
    const ALL: [Self; 3] = [Self::Customer, Self::Staff, Self::Probe];

    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Staff => "staff",
            Self::Probe => "probe",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.word() == word)
    }
}

impl Whose {
    /// Everybody.
    const ALL: [Self; 3] = [Self::Ours, Self::Customer, Self::ThirdParty];

    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Customer => "customer",
            Self::ThirdParty => "third_party",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|whose| whose.word() == word)
    }
}

impl Finding {
    /// The word under which it is kept and shown.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotOurs(..) => "not_ours",
            Self::Question => "question",
            Self::Minor => "minor",
            Self::Structural => "structural",
            Self::Outage(_) => "outage",
            Self::DuplicateOf(_) => "duplicate",
            Self::SameWorkAs(_) => "structural_duplicate",
        }
    }

    /// Whose fault it is; `None` when there is none.
    pub fn whose(&self) -> Option<Whose> {
        match self {
            Self::NotOurs(whose, _) => Some(*whose),
            Self::Question => None,
            Self::Minor
            | Self::Structural
            | Self::Outage(_)
            | Self::DuplicateOf(_)
            | Self::SameWorkAs(_) => Some(Whose::Ours),
        }
    }

    /// The report that it is the same as.
    pub fn original(&self) -> Option<i64> {
        match self {
            Self::DuplicateOf(original) | Self::SameWorkAs(original) => Some(*original),
            _ => None,
        }
    }

    /// The outage that it was; `None` also of what was found before outages had to be named.
    pub fn outage(&self) -> Option<i64> {
        match self {
            Self::Outage(outage) => Some(*outage).filter(|outage| *outage > 0),
            _ => None,
        }
    }

    /// Whether it needs structural work, for which a date is announced.
    pub(super) fn is_structural(&self) -> bool {
        matches!(self, Self::Structural | Self::SameWorkAs(_))
    }

    /// Whether it has to be fixed in business days, or a date for it announced.
    fn is_fixed(&self) -> bool {
        self.is_structural() || matches!(self, Self::Minor | Self::DuplicateOf(_))
    }
}

impl State {
    /// The word under which it is shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Triaging => "triaging",
            Self::Answered => "answered",
            Self::Fixing => "fixing",
            Self::Fixed => "fixed",
            Self::Verified => "verified",
            Self::Structural => "structural",
            Self::Committed => "committed",
            Self::Delivered => "delivered",
            Self::Accepted => "accepted",
        }
    }

    /// Whether a clock runs for it: that of a fix until somebody made sure of it.
    pub fn runs(self) -> bool {
        self.may_wait() || matches!(self, Self::Fixed | Self::Committed)
    }

    /// Whether it may wait for its customer: afterwards only an agreed date gives time (C27).
    fn may_wait(self) -> bool {
        matches!(self, Self::Triaging | Self::Fixing | Self::Structural)
    }

    fn is_over(self) -> bool {
        matches!(self, Self::Answered | Self::Fixed | Self::Verified | Self::Accepted)
    }
}

impl Step {
    /// The word under which it is kept and shown.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Found(_) => "found",
            Self::Fixed => "fixed",
            Self::Verified => "verified",
            Self::NotVerified(_) => "not_verified",
            Self::Committed(_) => "committed",
            Self::Proposed(_) => "proposed",
            Self::Agreed => "agreed",
            Self::Delivered(_) => "delivered",
            Self::Accepted => "accepted",
            Self::Rejected(_) => "rejected",
            Self::Reopened => "reopened",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Asked(_) => "asked",
            Self::Provided => "provided",
            Self::Assigned(_) => "assigned",
        }
    }
}

impl Metric {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Triage, Self::Fix, Self::Delivery];

    /// The word under which it is shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Triage => "triage",
            Self::Fix => "fix",
            Self::Delivery => "delivery",
        }
    }
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
            proposal: None,
            done_at: None,
            verified_at: None,
            delivered_at: None,
            asked_until: None,
            paused_since: None,
            holder: None,
            cycle: 1,
            state: State::Triaging,
            unreached: Vec::new(),
            ungiven: Vec::new(),
            last_at: reported_at,
            steps: 1,
        }
    }

    /// Takes a step.
    ///
    /// # Errors
    /// Why it is refused; nothing has changed then.
    pub fn take(&mut self, step: &Step, at: Timestamp) -> Result<(), Refusal> {
        if at < self.last_at {
            return Err(Refusal::OutOfOrder);
        }
        if self.steps >= STEPS_MAX {
            return Err(Refusal::TooMany);
        }
        let next = match (self.state, step) {
            (State::Triaging, Step::Found(finding)) => self.found(finding, at)?,
            (state, Step::Paused | Step::Resumed | Step::Asked(_) | Step::Provided) => {
                self.wait(step, at)?;
                state
            }
            (state, Step::Assigned(name)) => {
                self.holder = Some(name.clone());
                state
            }
            (State::Fixing, Step::Fixed) => {
                self.done_at = Some(at);
                State::Fixed
            }
            (State::Fixed, Step::Verified) => {
                self.verified_at = Some(at);
                State::Verified
            }
            (State::Fixed, Step::NotVerified(reason)) => {
                said(reason)?;
                self.done_at = None;
                State::Fixing
            }
            (State::Structural | State::Committed, Step::Committed(due)) => {
                self.commit(*due, at, false)?
            }
            (State::Committed, Step::Proposed(due)) => {
                self.forward(*due, at)?;
                self.proposal = Some(*due);
                State::Committed
            }
            (State::Committed, Step::Agreed) => {
                self.commit(self.proposal.ok_or(Refusal::WrongState)?, at, true)?
            }
            (State::Committed, Step::Delivered(evidence)) => {
                said(evidence)?;
                self.delivered_at = Some(at);
                State::Delivered
            }
            (State::Delivered, Step::Accepted) => {
                self.done_at = Some(at);
                State::Accepted
            }
            (State::Delivered, Step::Rejected(reason)) => {
                said(reason)?;
                self.delivered_at = None;
                State::Committed
            }
            (state, Step::Reopened) if state.is_over() => self.reopen(at)?,
            _ => return Err(Refusal::WrongState),
        };
        if !next.may_wait() {
            self.reached(at);
            self.provided(at);
        }
        self.state = next;
        self.last_at = at;
        self.steps += 1;
        Ok(())
    }

    fn found(&mut self, finding: &Finding, at: Timestamp) -> Result<State, Refusal> {
        let state = match finding {
            Finding::NotOurs(whose, reason) => {
                said(reason)?;
                if *whose == Whose::Ours {
                    return Err(Refusal::Whose);
                }
                State::Answered
            }
            same if same.original() == Some(self.number) => return Err(Refusal::Itself),
            Finding::Question | Finding::Outage(_) => State::Answered,
            Finding::Minor | Finding::DuplicateOf(_) => State::Fixing,
            Finding::Structural | Finding::SameWorkAs(_) => State::Structural,
        };
        self.finding = Some(finding.clone());
        self.result_at = Some(at);
        // Who was told the result was reached.
        self.reached(at);
        Ok(state)
    }

    fn forward(&self, due: Timestamp, at: Timestamp) -> Result<(), Refusal> {
        let before = self.commitments.last();
        let forward = before.is_none_or(|before| due >= before.due);
        if due <= at || !forward { Err(Refusal::Date) } else { Ok(()) }
    }

    fn commit(&mut self, due: Timestamp, at: Timestamp, agreed: bool) -> Result<State, Refusal> {
        self.forward(due, at)?;
        self.commitments.push(Commitment { announced_at: at, due, agreed });
        self.proposal = None;
        Ok(State::Committed)
    }

    fn reopen(&mut self, at: Timestamp) -> Result<State, Refusal> {
        let ended = self.verified_at.or(self.done_at).or(self.result_at);
        if ended.is_some_and(|ended| at.us_since(ended) > REOPEN_US) {
            return Err(Refusal::TooLate);
        }
        let next = Self::new(self.number, at);
        let (holder, cycle) = (self.holder.take(), self.cycle + 1);
        *self = Self { holder, cycle, steps: self.steps, ..next };
        Ok(State::Triaging)
    }

    /// Steps that change nothing but whether it waits for its customer.
    fn wait(&mut self, step: &Step, at: Timestamp) -> Result<(), Refusal> {
        if !self.state.may_wait() {
            return Err(Refusal::WrongState);
        }
        match step {
            Step::Paused if self.paused_since.is_none() => self.paused_since = Some(at),
            Step::Resumed if self.paused_since.is_some() => self.reached(at),
            Step::Asked(until) if self.asked_until.is_none() => {
                if until.us_since(at) < ASKED_MIN_US {
                    return Err(Refusal::Date);
                }
                self.asked_until = Some(*until);
            }
            Step::Provided if self.asked_until.is_some() => self.provided(at),
            _ => return Err(Refusal::WrongState),
        }
        Ok(())
    }

    fn reached(&mut self, at: Timestamp) {
        let since = self.paused_since.take();
        self.unreached.extend(since.and_then(|since| Span::new(since, at)));
    }

    fn provided(&mut self, at: Timestamp) {
        let until = self.asked_until.take();
        self.ungiven.extend(until.and_then(|until| Span::new(until, at)));
    }

    /// When the last step was.
    pub fn last_at(&self) -> Timestamp {
        self.last_at
    }
}

fn said(text: &str) -> Result<(), Refusal> {
    if text.trim().is_empty() || text.len() > TEXT_MAX { Err(Refusal::NoText) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
