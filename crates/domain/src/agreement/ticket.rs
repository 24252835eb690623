//! Tickets: what a customer asks of the desk, whose turn it is to say something, and since when
//! (C17, A10, A36). An answer that no person gave ends no turn (T093), nor does a note that the
//! customer does not see.

use super::callback::touched_by;
use crate::calendar::working_time::Timetable;
use crate::{AttemptId, CampaignId, QuickSendId, Timestamp};

/// Longest subject, bytes.
pub const SUBJECT_MAX: usize = 300;
/// Longest thing said, bytes.
pub const TEXT_MAX: usize = 8000;
/// Longest detail of where a ticket was opened, bytes.
pub const DETAIL_MAX: usize = 500;
/// The most steps of one ticket; the last of them closes it.
pub const STEPS_MAX: usize = 1000;
/// The most that is said in one ticket in all, bytes; beyond it, it can only be closed.
pub const TEXTS_MAX: usize = 512 * 1024;
/// The most tickets of an account that are not closed.
pub const OPEN_MAX: i64 = 50;
/// A click that is repeated within so much time opens nothing new, microseconds (T090).
pub const CLICK_US: i64 = 60_000_000;
/// How long after it was closed a ticket can be opened again, microseconds: 30 days.
const REOPEN_US: i64 = 30 * 86_400_000_000;

/// The details that a client may tell of where a ticket was opened (C30).
pub const DETAILS: [&str; 6] = ["client", "error", "locale", "page", "request_id", "workspace"];

/// How a ticket came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// With one click, from what it is about.
    Click,
    /// With a form.
    Form,
    /// By a program.
    Api,
    /// On the telephone.
    Phone,
    /// Staff opened it.
    Staff,
}

impl Channel {
    /// Every channel.
    const ALL: [Self; 5] = [Self::Click, Self::Form, Self::Api, Self::Phone, Self::Staff];

    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::Form => "form",
            Self::Api => "api",
            Self::Phone => "phone",
            Self::Staff => "staff",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.word() == word)
    }
}

/// What of ours a ticket is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum About {
    /// A message.
    Message(QuickSendId),
    /// A campaign.
    Campaign(CampaignId),
    /// One call of a message.
    Call(AttemptId),
}

impl About {
    /// Reads what [`Self::to_string`] wrote: `message:7`, `campaign:3`, `call:7/2`.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.parse().ok().filter(|&id: &i64| id > 0);
        match text.split_once(':')? {
            ("message", id) => Some(Self::Message(QuickSendId(number(id)?))),
            ("campaign", id) => Some(Self::Campaign(CampaignId(number(id)?))),
            ("call", id) => {
                let (send, n) = id.split_once('/')?;
                let n = n.parse().ok().filter(|&n| n > 0)?;
                Some(Self::Call(AttemptId { quick_send: QuickSendId(number(send)?), n }))
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Message(id) => write!(f, "message:{id}"),
            Self::Campaign(id) => write!(f, "campaign:{id}"),
            Self::Call(AttemptId { quick_send, n }) => write!(f, "call:{quick_send}/{n}"),
        }
    }
}

/// Who does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The customer.
    Customer,
    /// One of us.
    Staff,
}

impl Side {
    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Staff => "staff",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Customer, Self::Staff].into_iter().find(|side| side.word() == word)
    }
}

/// What is done to a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The customer writes.
    Written,
    /// A person answers.
    Answered,
    /// A person asks the customer for something, and waits for it.
    Asked,
    /// Something is noted that the customer does not see.
    Noted,
    /// A file is added.
    Attached,
    /// It is given to an expert of this name.
    Assigned(String),
    /// It is closed.
    Closed,
    /// It is opened again.
    Reopened,
    /// It goes on in another ticket of the account's.
    Merged(i64),
    /// Another ticket goes on in this one; it was our turn there since then.
    Absorbed(i64, Option<Timestamp>),
}

impl Step {
    /// The word under which it is kept and shown.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Answered => "answered",
            Self::Asked => "asked",
            Self::Noted => "noted",
            Self::Attached => "attached",
            Self::Assigned(_) => "assigned",
            Self::Closed => "closed",
            Self::Reopened => "reopened",
            Self::Merged(_) => "merged",
            Self::Absorbed(..) => "absorbed",
        }
    }

    /// Whether its customer sees it.
    pub fn is_shown(&self) -> bool {
        !matches!(self, Self::Noted | Self::Absorbed(..))
    }
}

/// Where a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Nobody has it yet.
    New,
    /// It is our turn.
    Open,
    /// It waits for the customer.
    Waiting,
    /// It is answered.
    Answered,
    /// It is closed.
    Closed,
    /// It goes on in another one.
    Merged,
}

impl State {
    /// Every state.
    const ALL: [Self; 6] =
        [Self::New, Self::Open, Self::Waiting, Self::Answered, Self::Closed, Self::Merged];

    /// The word under which it is shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Open => "open",
            Self::Waiting => "waiting",
            Self::Answered => "answered",
            Self::Closed => "closed",
            Self::Merged => "merged",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether nothing goes on in it any more.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Closed | Self::Merged)
    }
}

/// Why a step is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It does not follow where the ticket stands.
    WrongState,
    /// It is not for this side to do.
    WrongSide,
    /// It was closed too long ago.
    TooLate,
    /// It is earlier than the step before it.
    OutOfOrder,
    /// It had [`STEPS_MAX`] steps, or [`TEXTS_MAX`] were said in it.
    TooMany,
    /// It cannot go on in itself.
    Itself,
}

/// A time in which the customer waits for us: the `n`-th of its ticket, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Which.
    pub n: u32,
    /// Since when.
    pub since: Timestamp,
}

impl Turn {
    /// By when a person has to have said something. `None` when the desk never opens again.
    pub fn due(self, support: &Timetable) -> Option<Timestamp> {
        touched_by(self.since, support)
    }
}

/// A ticket, as its steps have left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    id: i64,
    state: State,
    holder: Option<String>,
    turn: Option<Turn>,
    turns: u32,
    closed_at: Option<Timestamp>,
    last_at: Timestamp,
    steps: usize,
}

impl Ticket {
    /// A ticket that was just opened: whatever the hour, it is our turn (A36).
    pub fn opened(id: i64, at: Timestamp) -> Self {
        Self {
            id,
            state: State::New,
            holder: None,
            turn: Some(Turn { n: 1, since: at }),
            turns: 1,
            closed_at: None,
            last_at: at,
            steps: 1,
        }
    }

    /// Takes a step.
    ///
    /// # Errors
    /// Why it is refused; nothing has changed then.
    pub fn take(&mut self, step: &Step, side: Side, at: Timestamp) -> Result<(), Refusal> {
        if at < self.last_at {
            return Err(Refusal::OutOfOrder);
        }
        if self.steps >= STEPS_MAX || (self.steps + 1 == STEPS_MAX && *step != Step::Closed) {
            return Err(Refusal::TooMany);
        }
        let next = self.after(step, side, at)?;
        if let Step::Assigned(name) = step {
            self.holder = Some(name.clone());
        }
        if next != State::Closed {
            self.closed_at = None;
        } else if self.state != State::Closed {
            self.closed_at = Some(at);
        }
        self.state = next;
        let waits_since = match step {
            Step::Absorbed(_, since) => since.unwrap_or(at),
            _ => at,
        };
        self.turn = match (self.turn, matches!(next, State::New | State::Open)) {
            (_, false) => None,
            (Some(turn), true) => Some(Turn { since: turn.since.min(waits_since), ..turn }),
            (None, true) => {
                self.turns += 1;
                Some(Turn { n: self.turns, since: waits_since })
            }
        };
        self.last_at = at;
        self.steps += 1;
        Ok(())
    }

    /// The state after a step.
    fn after(&self, step: &Step, side: Side, at: Timestamp) -> Result<State, Refusal> {
        use State as S;
        let state = self.state;
        let fits = match step {
            Step::Written => side == Side::Customer,
            Step::Attached | Step::Closed | Step::Reopened => true,
            _ => side == Side::Staff,
        };
        if !fits {
            return Err(Refusal::WrongSide);
        }
        if state == S::Merged || (*step == Step::Reopened) != (state == S::Closed) {
            let noted = *step == Step::Noted && state == S::Closed;
            return if noted { Ok(state) } else { Err(Refusal::WrongState) };
        }
        match step {
            Step::Reopened => {
                let closed = self.closed_at.expect("what is closed was closed");
                if at.us_since(closed) > REOPEN_US { Err(Refusal::TooLate) } else { Ok(S::Open) }
            }
            Step::Merged(other) | Step::Absorbed(other, _) if *other == self.id => {
                Err(Refusal::Itself)
            }
            Step::Answered => Ok(S::Answered),
            Step::Asked => Ok(S::Waiting),
            Step::Closed => Ok(S::Closed),
            Step::Merged(_) => Ok(S::Merged),
            Step::Written | Step::Attached | Step::Absorbed(_, Some(_)) => {
                let ours = side == Side::Customer || matches!(step, Step::Absorbed(..));
                Ok(if ours && state != S::New { S::Open } else { state })
            }
            Step::Assigned(_) => Ok(if state == S::New { S::Open } else { state }),
            Step::Noted | Step::Absorbed(_, None) => Ok(state),
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// The expert who has it.
    pub fn holder(&self) -> Option<&str> {
        self.holder.as_deref()
    }

    /// The time in which the customer waits for us, if it does.
    pub fn turn(&self) -> Option<Turn> {
        self.turn
    }

    /// When the last step was.
    pub fn last_at(&self) -> Timestamp {
        self.last_at
    }
}

/// Which turn a step ended, if it did.
pub fn ended(before: Option<Turn>, after: Option<Turn>) -> Option<Turn> {
    before.filter(|turn| after.is_none_or(|now| now.n != turn.n))
}

/// When a turn was missed that is not over yet, or was over at `until`; `None` when it was not.
pub fn missed_at(turn: Turn, until: Timestamp, support: &Timetable) -> Option<Timestamp> {
    turn.due(support).filter(|due| *due < until)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::calendar::date_time::Written;
    use crate::calendar::day::due_text;
    use crate::calendar::holiday::Holidays;
    use crate::calendar::opening_hours::{CalendarKind, OpeningHours};

    const HOUR_US: i64 = 3_600_000_000;

    fn support() -> Timetable {
        let hours = OpeningHours::of_the_agreement(CalendarKind::Support);
        Timetable::new(vec![hours], Holidays::shipped()).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        let written = Written::parse(text).unwrap();
        written.at_second(written.second().unwrap()).unwrap()
    }

    fn hour(n: i64) -> Timestamp {
        Timestamp(n * HOUR_US)
    }

    /// T092, A10: a request outside the hours is taken, and its clock is that of the next window.
    #[test]
    fn a_ticket_is_due_at_the_end_of_the_next_window() {
        let due =
            |text| due_text(Ticket::opened(1, at(text)).turn().unwrap().due(&support()).unwrap());
        assert_eq!(due("1405/09/05 23:50"), "1405/09/06 14:00");
        assert_eq!(due("1405/09/07 10:00"), "1405/09/07 24:00");
        assert_eq!(due("1405/09/07 03:00"), "1405/09/07 14:00");
        let turn = Turn { n: 1, since: at("1405/09/07 10:00") };
        assert_eq!(missed_at(turn, at("1405/09/08 00:00"), &support()), None);
        let due = at("1405/09/08 00:00");
        assert_eq!(missed_at(turn, due.plus_us(1), &support()), Some(due));
    }

    /// T093: what the customer does not see, or no person said, ends no turn.
    #[test]
    fn only_what_a_person_says_ends_a_turn() {
        let mut ticket = Ticket::opened(1, hour(0));
        let first = ticket.turn();
        for step in [Step::Noted, Step::Assigned("Sara".to_owned()), Step::Attached] {
            ticket.take(&step, Side::Staff, hour(1)).unwrap();
            assert_eq!(ticket.turn(), first, "{step:?}");
        }
        assert_eq!((ticket.state(), ticket.holder()), (State::Open, Some("Sara")));
        ticket.take(&Step::Written, Side::Customer, hour(2)).unwrap();
        assert_eq!(ticket.turn(), first, "it waits since it wrote first");
        ticket.take(&Step::Asked, Side::Staff, hour(3)).unwrap();
        assert_eq!((ticket.state(), ticket.turn()), (State::Waiting, None));
        assert_eq!(ended(first, ticket.turn()), first);
        ticket.take(&Step::Written, Side::Customer, hour(4)).unwrap();
        let second = Turn { n: 2, since: hour(4) };
        assert_eq!((ticket.state(), ticket.turn()), (State::Open, Some(second)));
        ticket.take(&Step::Answered, Side::Staff, hour(5)).unwrap();
        ticket.take(&Step::Closed, Side::Customer, hour(6)).unwrap();
        ticket.take(&Step::Noted, Side::Staff, hour(7)).unwrap();
        let mut late = ticket.clone();
        let after_30_days = hour(6 + 30 * 24);
        assert_eq!(
            late.take(&Step::Reopened, Side::Customer, after_30_days.plus_us(1)),
            Err(Refusal::TooLate)
        );
        assert_eq!(late.take(&Step::Written, Side::Customer, hour(7)), Err(Refusal::WrongState));
        ticket.take(&Step::Reopened, Side::Customer, after_30_days).unwrap();
        assert_eq!((ticket.state(), ticket.turn().unwrap().n), (State::Open, 3));
        assert_eq!(ticket.take(&Step::Asked, Side::Staff, hour(9)), Err(Refusal::OutOfOrder));
        assert_eq!(
            ticket.take(&Step::Noted, Side::Customer, after_30_days),
            Err(Refusal::WrongSide)
        );
    }

    /// The clock of the older one stays.
    #[test]
    fn a_ticket_that_goes_on_in_another_takes_its_clock_along() {
        let mut older = Ticket::opened(1, hour(0));
        older.take(&Step::Answered, Side::Staff, hour(1)).unwrap();
        let mut younger = Ticket::opened(2, hour(2));
        let since = younger.turn().map(|turn| turn.since);
        let merge = |into| Step::Merged(into);
        assert_eq!(younger.take(&merge(2), Side::Staff, hour(3)), Err(Refusal::Itself));
        younger.take(&merge(1), Side::Staff, hour(3)).unwrap();
        older.take(&Step::Absorbed(2, since), Side::Staff, hour(3)).unwrap();
        assert_eq!((younger.state(), younger.turn()), (State::Merged, None));
        assert_eq!(older.turn(), Some(Turn { n: 2, since: hour(2) }));
        assert_eq!(younger.take(&Step::Noted, Side::Staff, hour(4)), Err(Refusal::WrongState));
    }

    #[test]
    fn every_word_is_read_again() {
        for channel in Channel::ALL {
            assert_eq!(Channel::parse(channel.word()), Some(channel));
        }
        for state in State::ALL {
            assert_eq!(State::parse(state.word()), Some(state));
        }
        for text in ["message:7", "campaign:3", "call:7/2"] {
            assert_eq!(About::parse(text).unwrap().to_string(), text);
        }
        for text in ["message:0", "call:7", "call:7/0", "weather:1", "message"] {
            assert_eq!(About::parse(text), None, "{text}");
        }
    }

    proptest! {
        /// Whatever is tried, it is our turn just while a ticket is new or open; turns are numbered
        /// without gaps, none begins in the future, and what is refused changes nothing (I11).
        #[test]
        fn it_is_our_turn_just_while_a_ticket_is_open(
            tried in prop::collection::vec((0..10_usize, any::<bool>(), 0..5_i64), 0..60),
        ) {
            let mut ticket = Ticket::opened(1, hour(0));
            let (mut now, mut taken) = (hour(0), Vec::new());
            for (which, customer, later) in tried {
                now = now.plus_us(later * HOUR_US);
                let since = Some(now.plus_us(-HOUR_US)).filter(|_| customer);
                let step = [
                    Step::Written, Step::Answered, Step::Asked, Step::Noted, Step::Attached,
                    Step::Assigned("Sara".to_owned()), Step::Closed, Step::Reopened,
                    Step::Merged(2), Step::Absorbed(3, since),
                ][which].clone();
                let side = if customer { Side::Customer } else { Side::Staff };
                let before = ticket.clone();
                match ticket.take(&step, side, now) {
                    Err(_) => prop_assert_eq!(&ticket, &before),
                    Ok(()) => taken.push((step, side, now)),
                }
                let ours = matches!(ticket.state(), State::New | State::Open);
                prop_assert_eq!(ticket.turn().is_some(), ours);
                if let Some(turn) = ticket.turn() {
                    prop_assert!(turn.since <= now && turn.n == ticket.turns);
                    prop_assert!(ticket.turns <= before.turns + 1);
                }
            }
            let mut again = Ticket::opened(1, hour(0));
            for (step, side, at) in &taken {
                again.take(step, *side, *at).unwrap();
            }
            prop_assert_eq!(again, ticket);
        }
    }
}
