//! Calls to the support line: a caller waits, is offered to be called back, and is called back in
//! the order in which the callers came (C14, C15, A09 to A12). When what has to happen is the rule
//! of `callback`; here is what may follow what.

use super::callback::Policy;
use crate::calendar::working_time::Timetable;
use crate::{PhoneNumber, Timestamp};

/// Longest note, bytes.
pub const NOTE_MAX: usize = 2000;
/// The most steps of one call.
pub const STEPS_MAX: usize = 200;
/// A conversation that is not noted for so long is none, microseconds.
const TALK_US: i64 = 2 * 3_600_000_000;
/// Who took a callback and says nothing for so long has given it back, microseconds.
const DIALING_US: i64 = 10 * 60_000_000;

/// After a callback came to nothing by our doing, the next try waits for so long, times how often
/// that happened, microseconds: who waits behind it is served meanwhile.
const RETURNED_US: i64 = 60_000_000;
/// How often that counts.
const RETURNED_MAX: u32 = 10;

/// What came of calling somebody back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attempt {
    /// The customer spoke with an expert.
    Connected,
    /// Nobody answered, or the number was busy or off.
    NoAnswer,
    /// A machine answered: nobody pressed a key.
    Voicemail,
    /// Somebody else answered, who does not know of it.
    WrongNumber,
}

impl Attempt {
    /// Every one.
    pub const ALL: [Self; 4] =
        [Self::Connected, Self::NoAnswer, Self::Voicemail, Self::WrongNumber];

    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::NoAnswer => "no_answer",
            Self::Voicemail => "voicemail",
            Self::WrongNumber => "wrong_number",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|attempt| attempt.word() == word)
    }
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The offer to call back begins to play.
    Offered,
    /// An expert answers.
    Answered,
    /// The caller is gone.
    Left,
    /// The caller wants to be called back.
    Registered,
    /// The caller wants that, and is to be called back already for an earlier call.
    Doubled(i64),
    /// An expert calls back.
    Dialing,
    /// The customer answered that, and talks with the expert.
    Talking,
    /// What came of it.
    Attempted(Attempt),
    /// The expert is gone, and another one calls back instead.
    HandedTo(String),
    /// Nothing came of it, and that was not the customer's doing: no trunk took the call, or the
    /// expert did not. It is owed as before.
    Returned,
    /// It is not to be called back any more, as the customer says.
    Withdrawn,
}

impl Step {
    /// The word under which it is kept and shown.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Answered => "answered",
            Self::Left => "left",
            Self::Registered => "registered",
            Self::Doubled(_) => "doubled",
            Self::Dialing => "dialing",
            Self::Talking => "talking",
            Self::Attempted(_) => "attempted",
            Self::HandedTo(_) => "handed_to",
            Self::Returned => "returned",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// The caller waits on the line.
    Waiting,
    /// An expert answered.
    Answered,
    /// The caller is gone.
    Left,
    /// It is called back for an earlier call.
    Doubled,
    /// It is to be called back.
    Registered,
    /// An expert calls back now.
    Dialing,
    /// The customer was called back.
    Connected,
    /// It was tried as often as it is, and nobody answered.
    Unreachable,
    /// The number was another's.
    WrongNumber,
    /// The customer needs no call any more.
    Withdrawn,
}

impl State {
    /// The word under which it is shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Answered => "answered",
            Self::Left => "left",
            Self::Doubled => "doubled",
            Self::Registered => "registered",
            Self::Dialing => "dialing",
            Self::Connected => "connected",
            Self::Unreachable => "unreachable",
            Self::WrongNumber => "wrong_number",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether somebody is still to be called back.
    pub fn is_owed(self) -> bool {
        matches!(self, Self::Registered | Self::Dialing)
    }

    /// Whether nothing follows any more.
    pub fn is_over(self) -> bool {
        self != Self::Waiting && !self.is_owed()
    }
}

/// Why a step is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It does not follow where the call stands.
    WrongState,
    /// The line is closed (T126).
    Closed,
    /// It is too soon after the last try.
    TooSoon,
    /// It is earlier than the step before it.
    OutOfOrder,
    /// It had [`STEPS_MAX`] steps.
    TooMany,
    /// Not a number of Iran that is called back, or none is known (T115, T116).
    Number,
}

/// A callback that is owed: its `n`-th try, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owed {
    /// Which try.
    pub n: u32,
    /// Since when it is owed.
    pub since: Timestamp,
    /// How its caller is called back.
    pub policy: Policy,
}

impl Owed {
    /// By when it has to be made: a further try as if it had been asked for when the last one
    /// failed. `None` when the line never opens again.
    pub fn due(self, support: &Timetable) -> Option<Timestamp> {
        self.policy.due(self.since, support)
    }

    /// From when on it may be made.
    pub fn from(self) -> Timestamp {
        if self.n == 1 { self.since } else { self.since.plus_us(self.policy.retry_us()) }
    }
}

/// A call, as its steps have left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupportCall {
    /// How its caller is called back, as the agreement said when he came.
    pub policy: Policy,
    /// When the caller came.
    pub joined_at: Timestamp,
    /// When the first offer began to play.
    pub offered_at: Option<Timestamp>,
    /// When the caller was answered, gone, or had registered.
    pub left_at: Option<Timestamp>,
    /// When each try to call back failed.
    pub failed_at: Vec<Timestamp>,
    /// Where it stands.
    pub state: State,
    owed: Option<Owed>,
    dialing_since: Option<Timestamp>,
    /// Whether the customer answered.
    is_talking: bool,
    /// How often the present try was given back, and until when it waits after that.
    returned: (u32, Option<Timestamp>),
    last_at: Timestamp,
    steps: usize,
}

impl SupportCall {
    /// Somebody who calls, while the line is open: see [`in_hours`].
    pub fn joined(at: Timestamp, policy: Policy) -> Self {
        Self {
            policy,
            joined_at: at,
            offered_at: None,
            left_at: None,
            failed_at: Vec::new(),
            state: State::Waiting,
            owed: None,
            dialing_since: None,
            is_talking: false,
            returned: (0, None),
            last_at: at,
            steps: 1,
        }
    }

    /// Takes a step, which may be taken at that hour: see [`in_hours`].
    ///
    /// # Errors
    /// Why it is refused; nothing has changed then.
    pub fn take(&mut self, step: &Step, at: Timestamp) -> Result<(), Refusal> {
        if at < self.last_at {
            return Err(Refusal::OutOfOrder);
        }
        // Whoever leaves the line, or need not be called back, does so however long the story is.
        let repeats = matches!(step, Step::Offered | Step::Dialing | Step::Talking);
        if self.steps >= STEPS_MAX && repeats {
            return Err(Refusal::TooMany);
        }
        match (self.state, step) {
            (State::Waiting, Step::Offered) => {
                self.offered_at.get_or_insert(at);
            }
            (State::Waiting, Step::Answered) => self.leave(State::Answered, at),
            (State::Waiting, Step::Left) => self.leave(State::Left, at),
            (State::Waiting, Step::Doubled(_)) => self.leave(State::Doubled, at),
            (State::Waiting, Step::Registered) => {
                self.leave(State::Registered, at);
                self.owed = Some(Owed { n: 1, since: at, policy: self.policy });
            }
            (State::Registered | State::Dialing, Step::Dialing) => self.dial(at)?,
            (State::Dialing, Step::Talking) => self.is_talking = true,
            (State::Dialing, Step::HandedTo(_)) => {
                self.dialing_since = Some(at);
                self.is_talking = false;
            }
            (State::Dialing, Step::Attempted(attempt)) => self.attempted(*attempt, at),
            (State::Dialing, Step::Returned) => {
                let (owed, times) = (self.owed, (self.returned.0 + 1).min(RETURNED_MAX));
                self.end(State::Registered);
                self.owed = owed;
                self.returned = (times, Some(at.plus_us(RETURNED_US * i64::from(times))));
            }
            (State::Registered | State::Dialing, Step::Withdrawn) => self.end(State::Withdrawn),
            _ => return Err(Refusal::WrongState),
        }
        self.last_at = at;
        self.steps += 1;
        Ok(())
    }

    fn leave(&mut self, state: State, at: Timestamp) {
        self.state = state;
        self.left_at = Some(at);
    }

    fn end(&mut self, state: State) {
        self.state = state;
        self.owed = None;
        self.dialing_since = None;
        self.is_talking = false;
        self.returned = (0, None);
    }

    fn dial(&mut self, at: Timestamp) -> Result<(), Refusal> {
        if !self.is_callable(at) {
            return Err(Refusal::TooSoon);
        }
        self.state = State::Dialing;
        self.dialing_since = Some(at);
        self.is_talking = false;
        Ok(())
    }

    fn attempted(&mut self, attempt: Attempt, at: Timestamp) {
        match attempt {
            Attempt::Connected => self.end(State::Connected),
            Attempt::WrongNumber => self.end(State::WrongNumber),
            Attempt::NoAnswer | Attempt::Voicemail => {
                self.failed_at.push(at);
                let failed = u32::try_from(self.failed_at.len()).unwrap_or(u32::MAX);
                if self.policy.next_attempt(at, failed).is_none() {
                    self.end(State::Unreachable);
                } else {
                    self.end(State::Registered);
                    self.owed = Some(Owed { n: failed + 1, since: at, policy: self.policy });
                }
            }
        }
    }

    /// Whether an expert may call back now: it is owed, not too soon, and nobody else does or talks
    /// with the customer.
    pub fn is_callable(&self, now: Timestamp) -> bool {
        let patience = if self.is_talking { TALK_US } else { DIALING_US };
        let given_back = self.dialing_since.is_none_or(|since| now.us_since(since) >= patience);
        let rested = self.returned.1.is_none_or(|until| until <= now);
        self.owed.is_some_and(|owed| owed.from() <= now) && given_back && rested
    }

    /// When the try that is owed was due, if it was not begun by then (T129).
    pub fn missed_at(&self, now: Timestamp, support: &Timetable) -> Option<Timestamp> {
        let dialing = self.dialing_since.filter(|since| now.us_since(*since) < TALK_US);
        self.owed?.due(support).filter(|due| *due < dialing.unwrap_or(now))
    }

    /// Whether an expert calls back now.
    pub fn is_dialing(&self) -> bool {
        self.state == State::Dialing
    }

    /// The try that is owed, if one is.
    pub fn owed(&self) -> Option<Owed> {
        self.owed
    }

    /// When the last step was.
    pub fn last_at(&self) -> Timestamp {
        self.last_at
    }
}

/// Whether a step of a call (or, without one, a caller's coming) is of the hours of the line:
/// nobody joins a closed one, nobody is called back by it (C13), and only a try that was begun
/// within its hours shows that a customer cannot be reached. It is asked when something happens and
/// not again when what was kept is read, for calendars are corrected.
///
/// # Errors
/// When the line is closed.
pub fn in_hours(
    step: Option<(&SupportCall, &Step)>,
    at: Timestamp,
    support: &Timetable,
) -> Result<(), Refusal> {
    let judged_at = match step {
        None | Some((_, Step::Dialing)) => at,
        Some((call, Step::Attempted(Attempt::NoAnswer | Attempt::Voicemail))) => {
            call.dialing_since.unwrap_or(at)
        }
        Some(_) => return Ok(()),
    };
    if support.is_open(judged_at) { Ok(()) } else { Err(Refusal::Closed) }
}

/// A number that somebody wants to be called back at, however it is written (T116, T117): of Iran,
/// and none that costs more than a call does.
///
/// # Errors
/// When it is none.
pub fn callable_number(text: &str) -> Result<PhoneNumber, Refusal> {
    let number = PhoneNumber::parse(text).ok_or(Refusal::Number)?;
    // 0909 numbers are services that the caller pays for.
    if number.national().starts_with("0909") { Err(Refusal::Number) } else { Ok(number) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::calendar::date_time::Written;
    use crate::calendar::day::due_text;
    use crate::calendar::holiday::Holidays;
    use crate::calendar::opening_hours::{CalendarKind, OpeningHours};

    const SECOND_US: i64 = 1_000_000;

    fn support() -> Timetable {
        let hours = OpeningHours::of_the_agreement(CalendarKind::Support);
        Timetable::new(vec![hours], Holidays::shipped()).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        let written = Written::parse(text).unwrap();
        written.at_second(written.second().unwrap()).unwrap()
    }

    fn registered(text: &str) -> SupportCall {
        let mut call = SupportCall::joined(at(text), Policy::of_the_agreement());
        call.take(&Step::Offered, at(text).plus_us(80 * SECOND_US)).unwrap();
        call.take(&Step::Registered, at(text).plus_us(90 * SECOND_US)).unwrap();
        call
    }

    /// T121: three tries, ten minutes apart, in the hours of the line.
    #[test]
    fn a_callback_is_tried_three_times() {
        let support = support();
        let closed = at("1405/09/07 14:10");
        assert_eq!(in_hours(None, closed, &support), Err(Refusal::Closed));
        let mut call = registered("1405/09/07 13:00");
        assert_eq!(due_text(call.owed().unwrap().due(&support).unwrap()), "1405/09/07 14:00");
        let failed = Step::Attempted(Attempt::Voicemail);
        let hours = |call: &SupportCall, step| in_hours(Some((call, step)), closed, &support);
        assert_eq!(hours(&call, &failed), Err(Refusal::Closed));
        assert_eq!(hours(&call, &Step::Dialing), Err(Refusal::Closed), "nobody is called then");
        assert_eq!(hours(&call, &Step::Withdrawn), Ok(()));
        let mut begun = call.clone();
        begun.take(&Step::Dialing, at("1405/09/07 13:59:50")).unwrap();
        assert_eq!(hours(&begun, &failed), Ok(()), "it was tried in time");
        let mut step = |step: &Step, text| call.take(step, at(text));
        assert_eq!(step(&failed, "1405/09/07 13:10"), Err(Refusal::WrongState));
        step(&Step::Dialing, "1405/09/07 13:10").unwrap();
        assert_eq!(step(&Step::Dialing, "1405/09/07 13:11"), Err(Refusal::TooSoon));
        step(&failed, "1405/09/07 13:12").unwrap();
        assert_eq!(step(&Step::Dialing, "1405/09/07 13:21:59"), Err(Refusal::TooSoon));
        step(&Step::Dialing, "1405/09/07 13:22").unwrap();
        step(&failed, "1405/09/07 14:45").unwrap();
        step(&Step::Dialing, "1405/09/07 14:55").unwrap();
        step(&failed, "1405/09/07 14:56").unwrap();
        assert_eq!(step(&Step::Dialing, "1405/09/07 15:30"), Err(Refusal::WrongState));
        assert_eq!((call.state, call.failed_at.len()), (State::Unreachable, 3));
    }

    /// Goal: what came to nothing by our doing is tried again a little later each time, and counts
    /// for nothing against the customer; and the end of a long story is never refused.
    #[test]
    fn what_is_given_back_waits_and_is_no_try() {
        let mut call = registered("1405/09/07 10:00");
        let mut now = at("1405/09/07 10:10");
        for times in 1..=3 {
            call.take(&Step::Dialing, now).unwrap();
            call.take(&Step::Returned, now).unwrap();
            assert_eq!(call.owed().unwrap().n, 1);
            let pause = 60 * SECOND_US * times;
            assert!(!call.is_callable(now.plus_us(pause - 1)));
            now = now.plus_us(pause);
            assert!(call.is_callable(now), "{times}");
        }
        let mut waits = SupportCall::joined(now, Policy::of_the_agreement());
        while waits.take(&Step::Offered, now).is_ok() {}
        assert_eq!(waits.take(&Step::Offered, now), Err(Refusal::TooMany));
        waits.take(&Step::Left, now).unwrap();
    }

    /// A try that is owed after another one has a clock of its own.
    #[test]
    fn each_try_has_its_clock() {
        let support = support();
        let mut call = registered("1405/09/07 13:40");
        call.take(&Step::Dialing, at("1405/09/07 13:50")).unwrap();
        call.take(&Step::Attempted(Attempt::NoAnswer), at("1405/09/07 13:51")).unwrap();
        let owed = call.owed().unwrap();
        assert_eq!((owed.n, due_text(owed.due(&support).unwrap())), (2, "1405/09/07 15:45".into()));
        let mut silent = call.clone();
        silent.take(&Step::Dialing, at("1405/09/07 15:00")).unwrap();
        assert!(!silent.is_callable(at("1405/09/07 15:09:59")));
        assert!(silent.is_callable(at("1405/09/07 15:10")), "who dials and says nothing");
        let mut talking = silent.clone();
        talking.take(&Step::Talking, at("1405/09/07 15:01")).unwrap();
        assert!(!talking.is_callable(at("1405/09/07 15:40")), "the customer talks");
        assert!(talking.is_callable(at("1405/09/07 17:00")), "for hours, and nobody noted it");
        talking.take(&Step::Attempted(Attempt::Connected), at("1405/09/07 15:40")).unwrap();
        assert_eq!(talking.state, State::Connected);
        let late = at("1405/09/07 15:46");
        assert_eq!(call.missed_at(late, &support), owed.due(&support));
        assert_eq!(silent.missed_at(late, &support), None, "they may speak");
        assert_eq!(silent.missed_at(at("1405/09/07 17:00"), &support), owed.due(&support));
        call.take(&Step::Withdrawn, at("1405/09/07 15:00")).unwrap();
        assert_eq!((call.state, call.owed()), (State::Withdrawn, None));
    }

    /// T116, T117.
    #[test]
    fn a_number_is_one_however_it_is_written() {
        let national = |text| callable_number(text).map(|number| number.national().to_owned());
        for text in ["00989121234567", "+98 912 123 4567", "۰۹۱۲۱۲۳۴۵۶۷", "9121234567"] {
            assert_eq!(national(text).as_deref(), Ok("09121234567"), "{text}");
        }
        for text in ["+14155550100", "09092301234", "110", "115", "0912", ""] {
            assert_eq!(national(text), Err(Refusal::Number), "{text}");
        }
    }

    proptest! {
        /// Whatever happens, a try is owed just while somebody is to be called back, there are
        /// three at most, and what is refused changes nothing.
        #[test]
        fn a_try_is_owed_just_while_somebody_waits_for_it(
            tried in prop::collection::vec((0..12_usize, 0..1_500_i64), 0..60),
        ) {
            let mut now = at("1405/09/07 10:00");
            let mut call = SupportCall::joined(now, Policy::of_the_agreement());
            for (which, later_s) in tried {
                now = now.plus_us(later_s * SECOND_US);
                let step = [
                    Step::Offered, Step::Answered, Step::Left, Step::Registered, Step::Dialing,
                    Step::Attempted(Attempt::NoAnswer), Step::Attempted(Attempt::Voicemail),
                    Step::Attempted(Attempt::Connected), Step::Withdrawn, Step::Doubled(7),
                    Step::Talking, Step::Returned,
                ][which].clone();
                let before = call.clone();
                if call.take(&step, now).is_err() {
                    prop_assert_eq!(&call, &before);
                }
                prop_assert_eq!(call.owed().is_some(), call.state.is_owed());
                prop_assert!(call.failed_at.len() <= 3);
                prop_assert!(!before.state.is_over() || call == before);
                prop_assert_eq!(call.left_at.is_some(), call.state != State::Waiting);
                if let Some(owed) = call.owed() {
                    prop_assert_eq!(owed.n as usize, call.failed_at.len() + 1);
                    prop_assert!(owed.since <= now);
                }
            }
        }
    }
}
