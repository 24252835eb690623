//! Remote help: an expert looks at the customer's screen, with a program that was agreed on, at a
//! time that was agreed on, and only while the customer consents (C16, C21, T102).

use crate::Timestamp;

/// Longest name of a program, bytes.
pub const TOOL_MAX: usize = 60;
/// Longest purpose, reason or outcome, bytes.
pub const TEXT_MAX: usize = 4000;
/// The most steps of one session.
pub const STEPS_MAX: usize = 100;
/// How early a session may begin before the time that was agreed on, microseconds.
const EARLY_US: i64 = 15 * 60_000_000;
/// How long after the time that was agreed on the consent is good, microseconds.
const CONSENT_US: i64 = 24 * 3_600_000_000;
/// Programs whose names are known, however they are written.
const KNOWN: [&str; 3] = ["AnyDesk", "RustDesk", "TeamViewer"];

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// We ask for it.
    Requested,
    /// Time and program are agreed on.
    Agreed,
    /// The customer consents.
    Consented,
    /// The expert sees the screen.
    Running,
    /// It is over.
    Ended,
    /// It is noted what came of it.
    Noted,
    /// The customer does not want it.
    Declined,
    /// The customer was not there.
    Missed,
    /// We do not need it any more.
    Cancelled,
}

/// What happens to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Both sides agree on this time and this program; again is another time.
    Agreed(Timestamp, String),
    /// The customer consents.
    Consented,
    /// The customer does not want it.
    Declined,
    /// The expert begins.
    Started,
    /// The customer takes the consent back; what runs is over.
    Withdrawn,
    /// The expert ends it.
    Ended,
    /// What came of it.
    Noted,
    /// The customer was not there.
    Missed,
    /// We do not need it any more.
    Cancelled,
    /// Its expert is gone, and another one helps instead. The customer consented to let the first
    /// one in, and is asked anew; what ran is over.
    HandedTo(String),
}

/// Why a step is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It does not follow where the session stands: without consent, nothing starts.
    WrongState,
    /// It is the customer's alone to consent, decline and take back; the rest is ours.
    WrongSide,
    /// The program is not named.
    Tool,
    /// The time that is agreed on has passed, has not come, or was more than a day ago.
    Time,
    /// It is earlier than the step before it.
    OutOfOrder,
    /// It had [`STEPS_MAX`] steps.
    TooMany,
}

/// A session, as its steps have left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteSession {
    /// Where it stands.
    pub state: State,
    /// Until when, and with which program, once that is agreed on.
    pub agreed: Option<(Timestamp, String)>,
    /// When the customer consented; `None` when that was taken back.
    pub consented_at: Option<Timestamp>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    last_at: Timestamp,
    steps: usize,
}

impl State {
    /// The word under which it is shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Agreed => "agreed",
            Self::Consented => "consented",
            Self::Running => "running",
            Self::Ended => "ended",
            Self::Noted => "noted",
            Self::Declined => "declined",
            Self::Missed => "missed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing follows any more.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Noted | Self::Declined | Self::Missed | Self::Cancelled)
    }
}

impl Step {
    /// The word under which it is kept and shown.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Agreed(..) => "agreed",
            Self::Consented => "consented",
            Self::Declined => "declined",
            Self::Started => "started",
            Self::Withdrawn => "withdrawn",
            Self::Ended => "ended",
            Self::Noted => "noted",
            Self::Missed => "missed",
            Self::Cancelled => "cancelled",
            Self::HandedTo(_) => "handed_to",
        }
    }

    /// Whether only the customer may take it (`Some(true)`), only we, or either.
    fn of_customer(&self) -> Option<bool> {
        match self {
            Self::Agreed(..) => None,
            Self::Consented | Self::Declined | Self::Withdrawn => Some(true),
            _ => Some(false),
        }
    }
}

impl RemoteSession {
    /// A session that we ask for.
    pub fn requested(at: Timestamp) -> Self {
        Self {
            state: State::Requested,
            agreed: None,
            consented_at: None,
            started_at: None,
            ended_at: None,
            last_at: at,
            steps: 1,
        }
    }

    /// Takes a step of the customer's, or of ours.
    ///
    /// # Errors
    /// Why it is refused; nothing has changed then.
    pub fn take(&mut self, step: &Step, customer: bool, at: Timestamp) -> Result<(), Refusal> {
        use State as S;
        if at < self.last_at {
            return Err(Refusal::OutOfOrder);
        }
        if self.steps >= STEPS_MAX {
            return Err(Refusal::TooMany);
        }
        if step.of_customer().is_some_and(|theirs| theirs != customer) {
            return Err(Refusal::WrongSide);
        }
        self.state = match (self.state, step) {
            (S::Requested | S::Agreed | S::Consented, Step::Agreed(time, tool)) => {
                self.agree(*time, tool, at)?;
                S::Agreed
            }
            (S::Agreed, Step::Consented) => {
                self.consented_at = Some(at);
                S::Consented
            }
            (S::Requested | S::Agreed | S::Consented, Step::Declined) => S::Declined,
            (S::Consented, Step::Withdrawn) | (S::Agreed | S::Consented, Step::HandedTo(_)) => {
                self.consented_at = None;
                S::Agreed
            }
            (S::Consented, Step::Started) => {
                self.start(at)?;
                S::Running
            }
            (S::Running, Step::Withdrawn | Step::Ended | Step::HandedTo(_)) => {
                self.ended_at = Some(at);
                S::Ended
            }
            (S::Ended, Step::Noted) => S::Noted,
            (S::Agreed | S::Consented, Step::Missed) => {
                if self.agreed.as_ref().is_some_and(|(time, _)| at < *time) {
                    return Err(Refusal::Time);
                }
                S::Missed
            }
            (S::Requested | S::Agreed | S::Consented, Step::Cancelled) => S::Cancelled,
            (S::Requested | S::Ended, Step::HandedTo(_)) => self.state,
            _ => return Err(Refusal::WrongState),
        };
        self.last_at = at;
        self.steps += 1;
        Ok(())
    }

    /// What is agreed on anew has to be consented to anew.
    fn agree(&mut self, time: Timestamp, tool: &str, at: Timestamp) -> Result<(), Refusal> {
        if tool_name(tool).as_deref() != Ok(tool) {
            return Err(Refusal::Tool);
        }
        if time < at {
            return Err(Refusal::Time);
        }
        self.agreed = Some((time, tool.to_owned()));
        self.consented_at = None;
        Ok(())
    }

    fn start(&mut self, at: Timestamp) -> Result<(), Refusal> {
        let (time, _) = self.agreed.as_ref().ok_or(Refusal::WrongState)?;
        let after = at.us_since(*time);
        if !(-EARLY_US..=CONSENT_US).contains(&after) {
            return Err(Refusal::Time);
        }
        self.started_at = Some(at);
        Ok(())
    }

    /// When the last step was.
    pub fn last_at(&self) -> Timestamp {
        self.last_at
    }
}

/// The name of a program, as it is kept: in a line.
///
/// # Errors
/// When it is not named.
pub fn tool_name(text: &str) -> Result<String, Refusal> {
    let name = text.trim();
    if name.is_empty() || name.len() > TOOL_MAX || name.contains(char::is_control) {
        return Err(Refusal::Tool);
    }
    let known = KNOWN.iter().find(|known| known.eq_ignore_ascii_case(name));
    Ok(known.map_or_else(|| name.to_owned(), |known| (*known).to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR_US: i64 = 3_600_000_000;

    fn hour(n: i64) -> Timestamp {
        Timestamp(n * HOUR_US)
    }

    fn agreed(n: i64) -> Step {
        Step::Agreed(hour(n), "AnyDesk".to_owned())
    }

    /// T102.
    #[test]
    fn nothing_starts_without_consent() {
        let mut session = RemoteSession::requested(hour(0));
        let mut ours = session.clone();
        assert_eq!(ours.take(&Step::Started, false, hour(1)), Err(Refusal::WrongState));
        let nameless = Step::Agreed(hour(9), " ".to_owned());
        assert_eq!(session.take(&nameless, true, hour(1)), Err(Refusal::Tool));
        assert_eq!(session.take(&agreed(0), true, hour(1)), Err(Refusal::Time));
        session.take(&agreed(9), true, hour(1)).unwrap();
        assert_eq!(session.take(&Step::Started, false, hour(9)), Err(Refusal::WrongState));
        assert_eq!(session.take(&Step::Consented, false, hour(2)), Err(Refusal::WrongSide));
        session.take(&Step::Consented, true, hour(2)).unwrap();
        assert_eq!(session.take(&Step::Started, true, hour(9)), Err(Refusal::WrongSide));
        assert_eq!(session.take(&Step::Started, false, hour(8)), Err(Refusal::Time));
        let mut later = session.clone();
        later.take(&agreed(20), false, hour(3)).unwrap();
        let moved = later.take(&Step::Started, false, hour(20));
        assert_eq!(moved, Err(Refusal::WrongState), "it was agreed on anew");
        session.take(&Step::Started, false, hour(9)).unwrap();
        let mut stopped = session.clone();
        stopped.take(&Step::Withdrawn, true, hour(10)).unwrap();
        assert_eq!((stopped.state, stopped.ended_at), (State::Ended, Some(hour(10))));
        session.take(&Step::Ended, false, hour(10)).unwrap();
        session.take(&Step::Noted, false, hour(11)).unwrap();
        assert_eq!(session.take(&agreed(20), false, hour(12)), Err(Refusal::WrongState));
    }

    #[test]
    fn a_customer_who_is_not_there_or_does_not_want_it_ends_it() {
        let mut session = RemoteSession::requested(hour(0));
        let mut declined = session.clone();
        declined.take(&Step::Declined, true, hour(1)).unwrap();
        assert!(declined.state.is_over());
        session.take(&agreed(9), false, hour(1)).unwrap();
        assert_eq!(session.take(&Step::Missed, false, hour(8)), Err(Refusal::Time));
        session.take(&Step::Missed, false, hour(9)).unwrap();
        assert_eq!(session.state, State::Missed);
    }

    /// Goal: who consented to let one expert in has not consented to another one.
    #[test]
    fn another_expert_needs_another_consent() {
        let to_ali = Step::HandedTo("Ali".to_owned());
        let mut session = RemoteSession::requested(hour(0));
        session.take(&to_ali, false, hour(1)).unwrap();
        assert_eq!(session.state, State::Requested);
        session.take(&agreed(9), false, hour(1)).unwrap();
        session.take(&Step::Consented, true, hour(2)).unwrap();
        assert_eq!(session.take(&to_ali, true, hour(3)), Err(Refusal::WrongSide));
        let mut running = session.clone();
        session.take(&to_ali, false, hour(3)).unwrap();
        assert_eq!((session.state, session.consented_at), (State::Agreed, None));
        assert_eq!(session.take(&Step::Started, false, hour(9)), Err(Refusal::WrongState));
        running.take(&Step::Started, false, hour(9)).unwrap();
        running.take(&to_ali, false, hour(10)).unwrap();
        assert_eq!((running.state, running.ended_at), (State::Ended, Some(hour(10))));
        running.take(&Step::Noted, false, hour(11)).unwrap();
        assert_eq!(running.take(&to_ali, false, hour(12)), Err(Refusal::WrongState));
    }

    #[test]
    fn known_programs_have_one_name() {
        assert_eq!(tool_name(" anydesk ").as_deref(), Ok("AnyDesk"));
        assert_eq!(tool_name("Chrome Remote Desktop").as_deref(), Ok("Chrome Remote Desktop"));
        assert_eq!(tool_name("a\nb"), Err(Refusal::Tool));
    }

    proptest! {
        /// Whatever is tried: it ran only after a consent that stood, and what is refused changes
        /// nothing.
        #[test]
        fn it_never_runs_without_consent(
            tried in prop::collection::vec((0..10_usize, any::<bool>(), 0..30_i64), 0..60),
        ) {
            let mut session = RemoteSession::requested(hour(0));
            let mut now = 0;
            for (which, customer, later) in tried {
                now += later;
                let step = [
                    agreed(now + 2), Step::Consented, Step::Declined, Step::Started,
                    Step::Withdrawn, Step::Ended, Step::Noted, Step::Missed, Step::Cancelled,
                    Step::HandedTo("Ali".to_owned()),
                ][which].clone();
                let before = session.clone();
                match session.take(&step, customer, hour(now)) {
                    Err(_) => prop_assert_eq!(&session, &before),
                    Ok(()) => prop_assert!(!before.state.is_over()),
                }
                if session.started_at != before.started_at {
                    prop_assert!(before.consented_at.is_some() && !customer);
                }
                prop_assert!(session.state != State::Running || session.consented_at.is_some());
            }
        }
    }
}
