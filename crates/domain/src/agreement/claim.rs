//! Claims for a failure of support, or against a figure: who may make one, who decides it, and
//! what a decision has to say (C17, A27 to A29).

use crate::calendar::day::Day;
use crate::calendar::month::PersianMonth;
use crate::calendar::span::Span;
use crate::calendar::working_time::{DayCount, Timetable};
use crate::{Rials, Timestamp};

/// The most days after its filing in which a claim waits for evidence.
const ASKED_DAYS_MAX: u32 = 1000;
/// The fewest members that any committee may have; an agreement may ask for more.
pub const MEMBERS_MIN: usize = 3;
/// Longest reason, bytes.
pub const TEXT_MAX: usize = 4000;

/// What a claim is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Track {
    /// A failure of telephone or tickets (C17).
    Support,
    /// A figure of availability that the customer does not believe (C29).
    Availability,
    /// Anything else.
    Other,
}

impl Track {
    const WORDS: [(Self, &'static str); 3] =
        [(Self::Support, "support"), (Self::Availability, "availability"), (Self::Other, "other")];

    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(track, _)| *track == self);
        found.expect("every track has its line, as a test says").1
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, known)| *known == word).map(|(track, _)| *track)
    }
}

/// What the claimant was when the event happened (L28).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimant {
    /// The identity was proven.
    pub verified: bool,
    /// The subscription was paid.
    pub paid: bool,
}

/// Why a claim is not taken, or a step of it is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The identity was not proven (C18).
    Unverified,
    /// The subscription was not paid when it happened (C19).
    Unpaid,
    /// It is later than so many months after that of the event (A28); only the committee can take
    /// it.
    Late(u16),
    /// The event lies in the future.
    NotYet,
    /// It does not follow where the claim stands.
    WrongState,
    /// Fewer members than so many, an even number, or one kind of member is missing (A29).
    Committee(usize),
    /// This member handled the case, or decided it before (A29, I16).
    Partial(String),
    /// This member has left, and decides nothing any more; another one sits instead.
    Gone(String),
    /// This one has not left, or does not sit.
    Stays(String),
    /// A manager and his deputy, of whom one speaks for the other; this is the deputy.
    SameVoice(String),
    /// Not a vote of each member, or one of somebody else.
    Votes,
    /// A decision against the majority of the votes.
    Majority,
    /// What is granted needs an amount and a method (C17).
    AmountAndMethod,
    /// A reason is missing, or longer than [`TEXT_MAX`].
    Reasons,
}

/// The last moment at which a claim for something may be made: the end of so many Persian months
/// after its own, as the agreement says that held when it happened.
pub fn claimable_until(event_at: Timestamp, months: u16) -> Timestamp {
    PersianMonth::of(event_at).plus(months).end()
}

/// Whether a claim is taken. A late one is only with the committee's reason.
///
/// # Errors
/// The clause that it fails.
pub fn admit(
    claimant: Claimant,
    (event_at, months): (Timestamp, u16),
    filed_at: Timestamp,
    late_reason: Option<&str>,
) -> Result<(), Refusal> {
    if filed_at < event_at {
        Err(Refusal::NotYet)
    } else if !claimant.verified {
        Err(Refusal::Unverified)
    } else if !claimant.paid {
        Err(Refusal::Unpaid)
    } else if filed_at >= claimable_until(event_at, months)
        && late_reason.is_none_or(|text| !is_said(text))
    {
        Err(Refusal::Late(months))
    } else {
        Ok(())
    }
}

/// By when a complete claim is decided: so many counted days later. When the customer was asked for
/// evidence meanwhile, each counted day that lies wholly in such a time is one day more. `None`
/// when there are no such days.
pub fn decision_due(
    complete_at: Timestamp,
    asked: &[Span],
    days: (u32, DayCount),
    business: &Timetable,
) -> Option<Timestamp> {
    business.due(complete_at, |business| decided_by(complete_at, asked, days, business))
}

fn decided_by(
    complete_at: Timestamp,
    asked: &[Span],
    (days, count): (u32, DayCount),
    business: &Timetable,
) -> Option<Timestamp> {
    let lies_within =
        |day: Day| asked.iter().any(|time| time.from <= day.start() && day.end() <= time.to);
    let first = Day::of(complete_at);
    let last = asked.iter().map(|time| time.to).max().map_or(first, Day::of);
    let mut more = 0;
    let mut day = first;
    for _ in 0..ASKED_DAYS_MAX {
        if day > last {
            break;
        }
        more += u32::from(business.counts(day, count) && lies_within(day));
        day = day.next();
    }
    business.days_after(first, days + more, count)
}

/// Which side of the committee somebody is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// Knows the systems.
    Technical,
    /// Watches over the agreement.
    Oversight,
}

impl Seat {
    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Technical => "technical",
            Self::Oversight => "oversight",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Technical, Self::Oversight].into_iter().find(|seat| seat.word() == word)
    }
}

/// Somebody of a committee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub name: String,
    /// For which side.
    pub seat: Seat,
}

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it was claimed.
    Accepted,
    /// A part of it.
    Partly,
    /// Nothing of it.
    Rejected,
}

impl Outcome {
    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Partly => "partly",
            Self::Rejected => "rejected",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        let all = [Self::Accepted, Self::Partly, Self::Rejected];
        all.into_iter().find(|outcome| outcome.word() == word)
    }
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What.
    pub outcome: Outcome,
    /// How much.
    pub amount: Option<Rials>,
    /// In what form it is paid.
    pub method: Option<String>,
    /// Why.
    pub reasons: String,
    /// Who voted, and whether for it; who did not dissents.
    pub votes: Vec<(String, bool)>,
    /// When.
    pub at: Timestamp,
}

/// Where a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It was handed in.
    Filed,
    /// It has all that is needed; the time for a decision runs.
    Complete,
    /// A committee has it.
    UnderReview,
    /// The customer was asked for evidence; the time stands.
    EvidenceAsked,
    /// It is decided, and not yet told.
    Decided,
    /// The customer was told.
    Announced,
    /// The customer appealed; other members decide again.
    Appealed,
    /// What was granted was paid, or nothing was.
    Settled,
    /// The customer took it back.
    Withdrawn,
}

impl State {
    /// Every state.
    const ALL: [Self; 9] = [
        Self::Filed,
        Self::Complete,
        Self::UnderReview,
        Self::EvidenceAsked,
        Self::Decided,
        Self::Announced,
        Self::Appealed,
        Self::Settled,
        Self::Withdrawn,
    ];

    /// The word under which a step to it is kept, and under which it is shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Filed => "filed",
            Self::Complete => "complete",
            Self::UnderReview => "under_review",
            Self::EvidenceAsked => "evidence_asked",
            Self::Decided => "decided",
            Self::Announced => "announced",
            Self::Appealed => "appealed",
            Self::Settled => "settled",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A claim, as its steps have left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Those who handled the case, and so cannot decide it.
    pub handled_by: Vec<String>,
    /// Where it stands.
    state: State,
    committee: Vec<Member>,
    decided_by: Vec<String>,
    decisions: Vec<Decision>,
}

impl Claim {
    /// A claim that was taken.
    pub fn filed(handled_by: Vec<String>) -> Self {
        let (committee, decided_by, decisions) = (Vec::new(), Vec::new(), Vec::new());
        Self { handled_by, state: State::Filed, committee, decided_by, decisions }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Who decides it now; nobody once it is decided.
    pub fn committee(&self) -> &[Member] {
        &self.committee
    }

    /// All decisions, the first one too after an appeal.
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// Goes a step that needs nothing but its turn.
    ///
    /// # Errors
    /// When it does not follow.
    pub fn step(&mut self, next: State) -> Result<(), Refusal> {
        use State as S;
        let follows = matches!(
            (self.state, next),
            (S::Filed, S::Complete | S::Withdrawn)
                | (S::Complete | S::UnderReview | S::EvidenceAsked, S::Withdrawn)
                | (S::UnderReview, S::EvidenceAsked)
                | (S::EvidenceAsked, S::UnderReview)
                | (S::Decided, S::Announced)
                | (S::Announced, S::Settled)
        );
        let appeals =
            self.state == S::Announced && next == S::Appealed && self.decisions.len() == 1;
        if !follows && !appeals {
            return Err(Refusal::WrongState);
        }
        self.state = next;
        Ok(())
    }

    /// Gives it to a committee: at least so many, an odd number, of both sides, none of whom
    /// handled the case or decided it before.
    ///
    /// # Errors
    /// What is wrong with the committee.
    pub fn assign(&mut self, committee: Vec<Member>, least: usize) -> Result<(), Refusal> {
        if !matches!(self.state, State::Complete | State::Appealed) {
            return Err(Refusal::WrongState);
        }
        let partial = committee.iter().find(|member| {
            has_name(&self.handled_by, &member.name) || has_name(&self.decided_by, &member.name)
        });
        if let Some(member) = partial {
            return Err(Refusal::Partial(member.name.clone()));
        }
        let mut names: Vec<String> = committee.iter().map(|member| folded(&member.name)).collect();
        names.sort_unstable();
        names.dedup();
        let both = [Seat::Technical, Seat::Oversight]
            .iter()
            .all(|seat| committee.iter().any(|member| member.seat == *seat));
        if names.len() != committee.len()
            || names.len() < least.max(MEMBERS_MIN)
            || names.len().is_multiple_of(2)
            || !both
        {
            return Err(Refusal::Committee(least.max(MEMBERS_MIN)));
        }
        self.committee = committee;
        self.state = State::UnderReview;
        Ok(())
    }

    /// Who of the committee handled the case: it may turn out, or happen, once it sits.
    pub fn partial(&self) -> Option<&str> {
        let member = self.committee.iter().find(|one| has_name(&self.handled_by, &one.name));
        member.map(|member| member.name.as_str())
    }

    /// Lets another one sit on the same side instead of a member who has left, or is partial.
    ///
    /// # Errors
    /// When it is not under review, the one does not sit, or the other does already, handled the
    /// case or decided it before.
    pub fn replace(&mut self, gone: &str, by: &str) -> Result<(), Refusal> {
        if !matches!(self.state, State::UnderReview | State::EvidenceAsked) {
            return Err(Refusal::WrongState);
        }
        let sits = self.committee.iter().any(|member| folded(&member.name) == folded(by));
        if sits || has_name(&self.handled_by, by) || has_name(&self.decided_by, by) {
            return Err(Refusal::Partial(by.to_owned()));
        }
        let member = self.committee.iter_mut().find(|member| member.name == gone);
        let member = member.ok_or_else(|| Refusal::Stays(gone.to_owned()))?;
        by.clone_into(&mut member.name);
        Ok(())
    }

    /// Decides it.
    ///
    /// # Errors
    /// What the decision lacks.
    pub fn decide(&mut self, decision: Decision) -> Result<(), Refusal> {
        if self.state != State::UnderReview {
            return Err(Refusal::WrongState);
        }
        let mut voters: Vec<&str> = decision.votes.iter().map(|(name, _)| name.as_str()).collect();
        let mut members: Vec<&str> = self.committee.iter().map(|one| one.name.as_str()).collect();
        voters.sort_unstable();
        members.sort_unstable();
        if voters != members {
            return Err(Refusal::Votes);
        }
        let agree = decision.votes.iter().filter(|(_, agrees)| *agrees).count();
        if agree * 2 <= members.len() {
            return Err(Refusal::Majority);
        }
        let granted = decision.outcome != Outcome::Rejected;
        let amount = decision.amount.is_some_and(|amount| amount > Rials::ZERO);
        let method = decision.method.as_deref().is_some_and(is_said);
        if granted && !(amount && method) {
            return Err(Refusal::AmountAndMethod);
        }
        if !is_said(&decision.reasons) {
            return Err(Refusal::Reasons);
        }
        let deciders = self.committee.drain(..).map(|member| member.name);
        self.decided_by.extend(deciders);
        self.decisions.push(decision);
        self.state = State::Decided;
        Ok(())
    }
}

/// Whether each member of a committee speaks for himself, by whom managers' deputies are at this
/// moment: no manager decides together with his own deputy, nor by him what he handled himself
/// (C03).
///
/// # Errors
/// Who speaks for another.
pub fn own_voices(
    committee: &[Member],
    handled_by: &[String],
    deputies: &[(String, String)],
) -> Result<(), Refusal> {
    let sits = |name: &String| committee.iter().any(|member| member.name == *name);
    for (manager, deputy) in deputies.iter().filter(|(_, deputy)| sits(deputy)) {
        if sits(manager) {
            return Err(Refusal::SameVoice(deputy.clone()));
        }
        if has_name(handled_by, manager) {
            return Err(Refusal::Partial(deputy.clone()));
        }
    }
    Ok(())
}

/// Whether a name is among others, however its letters and the spaces around it are written: the
/// records of the desk have it as each typed it.
fn has_name(names: &[String], name: &str) -> bool {
    let name = folded(name);
    names.iter().any(|one| folded(one) == name)
}

fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}

fn is_said(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= TEXT_MAX
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::calendar::day::due_text;
    use crate::calendar::holiday::Holidays;
    use crate::calendar::opening_hours::{CalendarKind, OpeningHours};

    fn day(text: &str) -> Timestamp {
        Day::parse(text).unwrap().start()
    }

    fn committee(names: &str) -> Vec<Member> {
        let seat = |name: &str| {
            let technical = name.starts_with('t');
            if technical { Seat::Technical } else { Seat::Oversight }
        };
        names.split(' ').map(|name| Member { name: name.to_owned(), seat: seat(name) }).collect()
    }

    fn decision(outcome: Outcome, votes: &[(&str, bool)]) -> Decision {
        Decision {
            outcome,
            amount: Some(Rials(100_000)),
            method: Some("discount on the next month".to_owned()),
            reasons: "the line was not staffed".to_owned(),
            votes: votes.iter().map(|(name, agrees)| ((*name).to_owned(), *agrees)).collect(),
            at: day("1405/09/01"),
        }
    }

    fn under_review() -> Claim {
        let mut claim = Claim::filed(vec!["t9".to_owned()]);
        claim.step(State::Complete).unwrap();
        claim.assign(committee("t1 t2 o1"), 3).unwrap();
        claim
    }

    const AGREED: [(&str, bool); 3] = [("t1", true), ("t2", false), ("o1", true)];

    /// T152, A28.
    #[test]
    fn a_claim_is_judged_by_what_held_when_it_happened() {
        let good = Claimant { verified: true, paid: true };
        let (event, in_time) = (day("1405/07/20"), day("1405/09/30"));
        assert_eq!(claimable_until(event, 2), day("1405/10/01"));
        assert_eq!(admit(good, (event, 2), in_time, None), Ok(()));
        let late = day("1405/10/01");
        assert_eq!(admit(good, (event, 2), late, None), Err(Refusal::Late(2)));
        assert_eq!(admit(good, (event, 2), late, Some(" ")), Err(Refusal::Late(2)));
        assert_eq!(admit(good, (event, 2), late, Some("was in hospital")), Ok(()));
        let unverified = Claimant { verified: false, ..good };
        assert_eq!(admit(unverified, (event, 2), in_time, None), Err(Refusal::Unverified));
        let unpaid = Claimant { paid: false, ..good };
        assert_eq!(admit(unpaid, (event, 2), in_time, None), Err(Refusal::Unpaid));
        assert_eq!(admit(good, (in_time, 2), event, None), Err(Refusal::NotYet));
        assert_eq!(
            admit(good, (event, 3), late, None),
            Ok(()),
            "another agreement gives more time"
        );
    }

    /// A29, I16.
    #[test]
    fn a_committee_is_odd_of_both_sides_and_impartial() {
        let assign = |names: &str| {
            let mut claim = Claim::filed(vec!["t9".to_owned()]);
            claim.step(State::Complete).unwrap();
            claim.assign(committee(names), 3)
        };
        for names in ["t1 o1", "t1 t2 o1 o2", "t1 t2 t3", "o1 o2 o3", "t1 t1 o1"] {
            assert_eq!(assign(names), Err(Refusal::Committee(3)), "{names}");
        }
        assert_eq!(assign("t1 t9 o1"), Err(Refusal::Partial("t9".to_owned())));
        assert_eq!(assign("t1 t2 o1"), Ok(()));
        let mut larger = Claim::filed(Vec::new());
        larger.step(State::Complete).unwrap();
        assert_eq!(larger.assign(committee("t1 t2 o1"), 5), Err(Refusal::Committee(5)));
        assert_eq!(larger.assign(committee("t1 t2 t3 o1 o2"), 5), Ok(()));
    }

    /// Goal: who has left is replaced on his side by one who may decide, and by no other.
    #[test]
    fn who_has_left_is_replaced() {
        let mut claim = under_review();
        let partial = |name: &str| Err(Refusal::Partial(name.to_owned()));
        assert_eq!(claim.replace("t3", "t4"), Err(Refusal::Stays("t3".to_owned())));
        assert_eq!(claim.replace("t1", "t2"), partial("t2"));
        assert_eq!(claim.replace("t1", "t9"), partial("t9"), "handled the case");
        claim.replace("t1", "t4").unwrap();
        let seats: Vec<&str> = claim.committee().iter().map(|one| one.name.as_str()).collect();
        assert_eq!(seats, ["t4", "t2", "o1"]);
        assert_eq!(claim.decide(decision(Outcome::Partly, &AGREED)), Err(Refusal::Votes));
        let votes = [("t4", true), ("t2", false), ("o1", true)];
        claim.decide(decision(Outcome::Partly, &votes)).unwrap();
        assert_eq!(claim.replace("t4", "t5"), Err(Refusal::WrongState));
    }

    /// C03: who oversees does not decide twice.
    #[test]
    fn a_manager_and_his_deputy_are_one_voice() {
        let pairs = [("o1".to_owned(), "t1".to_owned())];
        let judge = |names: &str, handled: &[&str]| {
            let handled: Vec<String> = handled.iter().map(|name| (*name).to_owned()).collect();
            own_voices(&committee(names), &handled, &pairs)
        };
        assert_eq!(judge("t1 t2 o1", &[]), Err(Refusal::SameVoice("t1".to_owned())));
        assert_eq!(judge("t1 t2 o2", &["o1"]), Err(Refusal::Partial("t1".to_owned())));
        for (names, handled) in [("t1 t2 o2", "t9"), ("t2 t3 o1", "t9"), ("t2 t3 o2", "o1")] {
            assert_eq!(judge(names, &[handled]), Ok(()), "{names}");
        }
    }

    /// T155.
    #[test]
    fn what_is_granted_has_an_amount_and_a_method() {
        let without = |change: fn(&mut Decision)| {
            let mut decision = decision(Outcome::Partly, &AGREED);
            change(&mut decision);
            under_review().decide(decision)
        };
        assert_eq!(without(|one| one.amount = None), Err(Refusal::AmountAndMethod));
        assert_eq!(without(|one| one.amount = Some(Rials(0))), Err(Refusal::AmountAndMethod));
        assert_eq!(without(|one| one.method = None), Err(Refusal::AmountAndMethod));
        assert_eq!(without(|one| one.reasons.clear()), Err(Refusal::Reasons));
        assert_eq!(without(|one| one.votes[0].1 = false), Err(Refusal::Majority));
        assert_eq!(without(|one| one.votes.truncate(2)), Err(Refusal::Votes));
        let rejected =
            Decision { amount: None, method: None, ..decision(Outcome::Rejected, &AGREED) };
        assert_eq!(under_review().decide(rejected), Ok(()));
    }

    /// T157.
    #[test]
    fn an_appeal_is_decided_once_by_others_and_the_first_decision_stays() {
        let mut claim = under_review();
        claim.decide(decision(Outcome::Partly, &AGREED)).unwrap();
        claim.step(State::Announced).unwrap();
        claim.step(State::Appealed).unwrap();
        assert_eq!(claim.assign(committee("t1 t3 o2"), 3), Err(Refusal::Partial("t1".to_owned())));
        claim.assign(committee("t3 o2 o3"), 3).unwrap();
        let votes = [("t3", true), ("o2", true), ("o3", true)];
        claim.decide(decision(Outcome::Accepted, &votes)).unwrap();
        claim.step(State::Announced).unwrap();
        assert_eq!(claim.step(State::Appealed), Err(Refusal::WrongState));
        claim.step(State::Settled).unwrap();
        assert_eq!(claim.decisions()[0].outcome, Outcome::Partly);
        assert_eq!(claim.decisions().len(), 2);
    }

    /// T156.
    #[test]
    fn a_decision_is_due_on_the_tenth_business_day() {
        let hours = OpeningHours::of_the_agreement(CalendarKind::Business);
        let business = Timetable::new(vec![hours], Holidays::shipped()).unwrap();
        let due = |days| due_text(decision_due(day("1405/09/01"), &[], days, &business).unwrap());
        assert_eq!(due((10, DayCount::EveryDay)), "1405/09/11 21:00");
        assert_eq!(due((10, DayCount::OrdinaryDays)), "1405/09/12 21:00");
        assert_eq!(due((2, DayCount::EveryDay)), "1405/09/03 21:00");
    }

    /// Days in which the customer was asked are added, and no others.
    #[test]
    fn waiting_for_the_customer_moves_the_decision() {
        let hours = OpeningHours::of_the_agreement(CalendarKind::Business);
        let business = Timetable::new(vec![hours], Holidays::shipped()).unwrap();
        let due = |asked: &[(&str, &str)]| {
            let spans: Vec<Span> =
                asked.iter().map(|(from, to)| Span { from: day(from), to: day(to) }).collect();
            let complete = day("1405/09/01");
            let due = decision_due(complete, &spans, (10, DayCount::EveryDay), &business);
            due_text(due.unwrap())
        };
        assert_eq!(due(&[]), "1405/09/11 21:00");
        assert_eq!(due(&[("1405/09/03", "1405/09/05")]), "1405/09/13 17:00");
        assert_eq!(due(&[("1405/08/01", "1405/09/01")]), "1405/09/11 21:00");
    }

    #[test]
    fn every_word_of_a_claim_is_read_again() {
        for state in State::ALL {
            assert_eq!(State::parse(state.word()), Some(state));
        }
        for track in [Track::Support, Track::Availability, Track::Other] {
            assert_eq!(Track::parse(track.word()), Some(track));
        }
        for seat in [Seat::Technical, Seat::Oversight] {
            assert_eq!(Seat::parse(seat.word()), Some(seat));
        }
        for outcome in [Outcome::Accepted, Outcome::Partly, Outcome::Rejected] {
            assert_eq!(Outcome::parse(outcome.word()), Some(outcome));
        }
    }

    proptest! {
        /// I16: whatever is tried, of whom it is asked and in which order: no decision has a vote
        /// of who handled the case or decided it before, each has a majority of an odd number of
        /// both sides, and what is refused changes nothing.
        #[test]
        fn nobody_decides_what_is_their_own(
            handled in prop::collection::vec(0..8_usize, 0..3),
            least in 3..6_usize,
            tried in prop::collection::vec(
                (0..6_u8, prop::collection::vec(0..8_usize, 0..6), any::<u8>()), 0..40),
        ) {
            const NAMES: [&str; 8] = ["t0", "t1", "t2", "t3", "o0", "o1", "o2", "o3"];
            let names = |which: &[usize]| -> Vec<String> {
                which.iter().map(|name| NAMES[*name].to_owned()).collect()
            };
            let handled = names(&handled);
            let mut claim = Claim::filed(handled.clone());
            let mut deciders: Vec<String> = Vec::new();
            for (what, who, dice) in tried {
                let before = claim.clone();
                let sitting = claim.committee().to_vec();
                let done = match what {
                    0 => claim.step(State::Complete),
                    1 => claim.assign(committee(&names(&who).join(" ")), least),
                    2 => {
                        let votes: Vec<(String, bool)> = sitting
                            .iter()
                            .enumerate()
                            .map(|(n, member)| (member.name.clone(), dice >> n & 1 == 1))
                            .collect();
                        claim.decide(Decision { votes, ..decision(Outcome::Partly, &[]) })
                    }
                    3 => claim.step(State::Announced),
                    4 => claim.step(State::Appealed),
                    _ => {
                        let gone = sitting.first().map_or("t0", |member| member.name.as_str());
                        claim.replace(gone, NAMES[usize::from(dice) % 8])
                    }
                };
                if done.is_err() {
                    prop_assert_eq!(&claim, &before);
                    continue;
                }
                for member in claim.committee() {
                    prop_assert!(!handled.contains(&member.name));
                    prop_assert!(!deciders.contains(&member.name));
                }
                if what == 2 {
                    let of = |seat| sitting.iter().filter(|one| one.seat == seat).count();
                    prop_assert!(sitting.len() >= least && sitting.len() % 2 == 1);
                    prop_assert!(of(Seat::Technical) > 0 && of(Seat::Oversight) > 0);
                    let last = claim.decisions().last().expect("it was decided");
                    let agreed = last.votes.iter().filter(|(_, agrees)| *agrees).count();
                    prop_assert!(agreed * 2 > sitting.len());
                    deciders.extend(sitting.into_iter().map(|member| member.name));
                }
            }
        }
    }

    #[test]
    fn steps_out_of_turn_are_refused() {
        let mut claim = Claim::filed(Vec::new());
        for state in [State::UnderReview, State::Decided, State::Announced, State::Settled] {
            assert_eq!(claim.step(state), Err(Refusal::WrongState));
        }
        assert_eq!(claim.assign(committee("t1 t2 o1"), 3), Err(Refusal::WrongState));
        let unread = claim.decide(decision(Outcome::Partly, &AGREED));
        assert_eq!(unread, Err(Refusal::WrongState));
        claim.step(State::Withdrawn).unwrap();
        assert_eq!(claim.step(State::Complete), Err(Refusal::WrongState));
    }
}
