//! The ledger of what either side did not keep (C11): one form, one rule of evidence for both, and
//! nothing is ever deleted from it.

use std::collections::BTreeMap;

use crate::calendar::span::Span;

/// Counts below this are shown as "fewer than 5" where everybody can read them.
pub const SMALL_COUNT: u64 = 5;
/// The most pieces of evidence of one entry.
pub const EVIDENCE_MAX: usize = 100;
/// Longest piece of evidence, reason or name, bytes.
pub const TEXT_MAX: usize = 2000;

/// Whose duty it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// Ours.
    Provider,
    /// The subscriber's.
    Customer,
}

impl Party {
    /// The word under which it is shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Customer => "customer",
        }
    }
}

/// A duty of the agreement, by its clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Clause {
    /// The line or the desk was not staffed in its hours (C14).
    Staffing,
    /// The offer to call back came late, or its place was lost (C15).
    CallbackOffer,
    /// A promised callback was not made (C15).
    Callback,
    /// A ticket was left untouched (C17, A10).
    Ticket,
    /// The identity is not proven (C18).
    Identity,
    /// The subscription is not paid (C19).
    Payment,
    /// The customer could not be reached (C20).
    Reachable,
    /// No software for remote help (C21).
    RemoteTool,
    /// Availability of a subscriber (C07) or the platform (C23).
    Availability,
    /// Delivery of quick sends (C24).
    Delivery,
    /// Capacity (C25).
    Capacity,
    /// The result of a report was not told in time (C26).
    Triage,
    /// A fault was not fixed in time (C26).
    Fix,
    /// Structural work was not announced, moved or delivered as promised (C27).
    Commitment,
    /// Maintenance was not announced in time (C28).
    Maintenance,
}

impl Clause {
    /// Every duty, with its number in the specification and the word under which it is kept.
    const WORDS: [(Self, &'static str, &'static str); 15] = [
        (Self::Staffing, "C14", "staffing"),
        (Self::CallbackOffer, "C15", "callback_offer"),
        (Self::Callback, "C15", "callback"),
        (Self::Ticket, "C17", "ticket"),
        (Self::Identity, "C18", "identity"),
        (Self::Payment, "C19", "payment"),
        (Self::Reachable, "C20", "reachable"),
        (Self::RemoteTool, "C21", "remote_tool"),
        (Self::Availability, "C07", "availability"),
        (Self::Delivery, "C24", "delivery"),
        (Self::Capacity, "C25", "capacity"),
        (Self::Triage, "C26", "triage"),
        (Self::Fix, "C26", "fix"),
        (Self::Commitment, "C27", "commitment"),
        (Self::Maintenance, "C28", "maintenance"),
    ];

    fn words(self) -> &'static (Self, &'static str, &'static str) {
        let found = Self::WORDS.iter().find(|(clause, ..)| *clause == self);
        found.expect("every clause has its line, as a test says")
    }

    /// Its number in the specification.
    pub fn number(self) -> &'static str {
        self.words().1
    }

    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        self.words().2
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(.., known)| *known == word).map(|(clause, ..)| *clause)
    }

    /// Every duty.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::WORDS.iter().map(|(clause, ..)| *clause)
    }

    /// Whose duty it is.
    pub fn party(self) -> Party {
        match self {
            Self::Identity | Self::Payment | Self::Reachable | Self::RemoteTool => Party::Customer,
            _ => Party::Provider,
        }
    }
}

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// It was entered.
    Recorded,
    /// Its party was told.
    Notified,
    /// Its party agrees.
    Accepted,
    /// Its party does not.
    Disputed,
    /// It stands after the dispute.
    Upheld,
    /// It was wrong. It stays to be seen.
    Reversed,
    /// It stands, and what follows from it was done.
    Done,
}

impl Status {
    const WORDS: [(Self, &'static str); 7] = [
        (Self::Recorded, "recorded"),
        (Self::Notified, "notified"),
        (Self::Accepted, "accepted"),
        (Self::Disputed, "disputed"),
        (Self::Upheld, "upheld"),
        (Self::Reversed, "reversed"),
        (Self::Done, "done"),
    ];

    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(status, _)| *status == self);
        found.expect("every status has its line, as a test says").1
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, known)| *known == word).map(|(status, _)| *status)
    }

    /// Whether an entry may go from here to there.
    pub fn may_become(self, next: Self) -> bool {
        use Status as S;
        matches!(
            (self, next),
            (S::Recorded, S::Notified | S::Reversed)
                | (S::Notified, S::Accepted | S::Disputed | S::Reversed)
                | (S::Disputed, S::Upheld | S::Reversed)
                | (S::Accepted | S::Upheld, S::Done | S::Reversed)
                | (S::Done, S::Reversed)
        )
    }
}

/// An entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    clause: Clause,
    version: u32,
    span: Span,
    evidence: Vec<String>,
    statuses: Vec<Status>,
}

/// Why an entry is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing proves it, more than [`EVIDENCE_MAX`] pieces do, or one of them is longer than
    /// [`TEXT_MAX`] or more than a line.
    Evidence,
    /// Who recorded it does not decide what its party disputes (I15, I16).
    Partial,
    /// Its status does not follow from the one it has.
    Status,
}

impl Violation {
    /// An entry: the clause, the version of the agreement that was in force, when it was, and what
    /// proves it (I15).
    ///
    /// # Errors
    /// Without evidence.
    pub fn new(
        clause: Clause,
        version: u32,
        span: Span,
        evidence: Vec<String>,
    ) -> Result<Self, Refusal> {
        let proven = evidence.iter().all(|piece| is_piece(piece));
        if !proven || !(1..=EVIDENCE_MAX).contains(&evidence.len()) {
            return Err(Refusal::Evidence);
        }
        Ok(Self { clause, version, span, evidence, statuses: vec![Status::Recorded] })
    }

    /// An entry as it was kept, with everything that it went through; `None` when that cannot be.
    pub fn kept(
        clause: Clause,
        version: u32,
        span: Span,
        evidence: Vec<String>,
        history: &[Status],
    ) -> Option<Self> {
        let (first, later) = history.split_first()?;
        let mut entry = Self::new(clause, version, span, evidence).ok()?;
        for status in later {
            entry.become_status(*status).ok()?;
        }
        (*first == Status::Recorded).then_some(entry)
    }

    /// Whether an entry stands: it was not found to be wrong.
    pub fn stands(&self) -> bool {
        self.status() != Status::Reversed
    }

    /// Decides what its party disputes, by somebody else than who recorded it.
    ///
    /// # Errors
    /// When it is not disputed, or by the same person.
    pub fn decide(&mut self, stays: bool, recorder: &str, decider: &str) -> Result<(), Refusal> {
        let name = |text: &str| text.trim().to_lowercase();
        if self.status() != Status::Disputed {
            return Err(Refusal::Status);
        }
        if name(recorder) == name(decider) {
            return Err(Refusal::Partial);
        }
        self.become_status(if stays { Status::Upheld } else { Status::Reversed })
    }

    /// Goes to another status; the earlier ones stay to be seen.
    ///
    /// # Errors
    /// When it does not follow.
    pub fn become_status(&mut self, next: Status) -> Result<(), Refusal> {
        if !self.status().may_become(next) {
            return Err(Refusal::Status);
        }
        self.statuses.push(next);
        Ok(())
    }

    /// Whose duty it was.
    pub fn party(&self) -> Party {
        self.clause.party()
    }

    /// Which duty.
    pub fn clause(&self) -> Clause {
        self.clause
    }

    /// Which version of the agreement says so.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// When.
    pub fn span(&self) -> Span {
        self.span
    }

    /// What proves it.
    pub fn evidence(&self) -> &[String] {
        &self.evidence
    }

    /// Where it stands.
    pub fn status(&self) -> Status {
        *self.statuses.last().expect("an entry is recorded first")
    }

    /// Everything it went through, in order.
    pub fn history(&self) -> &[Status] {
        &self.statuses
    }
}

/// Whether a text can be a piece of evidence: one line that says something.
fn is_piece(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= TEXT_MAX && !text.contains(['\n', '\r'])
}

/// How many entries of each clause stand, for everybody to read; `None` where it is fewer than
/// [`SMALL_COUNT`], so that nobody is recognised.
pub fn public_counts(
    standing: impl IntoIterator<Item = (Clause, u64)>,
) -> BTreeMap<(Party, Clause), Option<u64>> {
    let mut counts: BTreeMap<(Party, Clause), u64> = BTreeMap::new();
    for (clause, count) in standing {
        *counts.entry((clause.party(), clause)).or_insert(0) += count;
    }
    let shown = |(of, count)| (of, Some(count).filter(|count| *count >= SMALL_COUNT));
    counts.into_iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    fn entry(clause: Clause) -> Violation {
        let span = Span::new(Timestamp(1), Timestamp(2)).unwrap();
        Violation::new(clause, 1, span, vec!["outage 7".to_owned()]).unwrap()
    }

    /// I15, T176, T177.
    #[test]
    fn both_sides_need_the_same_evidence() {
        let span = Span::new(Timestamp(1), Timestamp(2)).unwrap();
        for clause in [Clause::Triage, Clause::Payment] {
            let lines = vec!["one\ntwo".to_owned()];
            for evidence in [Vec::new(), vec![" ".to_owned()], vec!["x".to_owned(); 101], lines] {
                assert_eq!(Violation::new(clause, 1, span, evidence), Err(Refusal::Evidence));
            }
        }
        assert_eq!(entry(Clause::Triage).party(), Party::Provider);
        assert_eq!(entry(Clause::Payment).party(), Party::Customer);
    }

    /// T179.
    #[test]
    fn what_was_wrong_is_reversed_and_stays_visible() {
        let mut entry = entry(Clause::Payment);
        for status in [Status::Notified, Status::Disputed, Status::Reversed] {
            entry.become_status(status).unwrap();
        }
        assert_eq!(entry.history().len(), 4);
        assert_eq!(entry.become_status(Status::Upheld), Err(Refusal::Status));
        assert!(!entry.stands());
        let kept = |history: &[Status]| {
            Violation::kept(entry.clause, 1, entry.span, entry.evidence.clone(), history)
        };
        assert_eq!(kept(entry.history()), Some(entry.clone()));
        assert_eq!(kept(&[Status::Recorded, Status::Done]), None);
        assert_eq!(kept(&[Status::Notified]), None);
        assert_eq!(kept(&[]), None);
    }

    /// T178.
    #[test]
    fn small_counts_are_not_told_to_everybody() {
        let standing = [(Clause::Triage, 3), (Clause::Payment, 4), (Clause::Triage, 2)];
        let counts = public_counts(standing);
        assert_eq!(counts[&(Party::Provider, Clause::Triage)], Some(5));
        assert_eq!(counts[&(Party::Customer, Clause::Payment)], None);
    }
    /// I16: who wrote it down is not its judge.
    #[test]
    fn a_dispute_is_decided_by_somebody_else() {
        let mut entry = entry(Clause::Payment);
        entry.become_status(Status::Notified).unwrap();
        assert_eq!(entry.decide(true, "Reza", "Maryam"), Err(Refusal::Status));
        entry.become_status(Status::Disputed).unwrap();
        assert_eq!(entry.decide(true, "Reza", " reza"), Err(Refusal::Partial));
        entry.decide(true, "Reza", "Maryam").unwrap();
        assert_eq!(entry.status(), Status::Upheld);
    }

    #[test]
    fn every_word_is_read_again() {
        let mut clauses = 0;
        for clause in Clause::all() {
            assert_eq!(Clause::parse(clause.word()), Some(clause));
            clauses += 1;
        }
        assert_eq!(clauses, 15);
        for (status, word) in Status::WORDS {
            assert_eq!((Status::parse(word), status.word()), (Some(status), word));
        }
        assert_eq!((Clause::Staffing.number(), Clause::parse("x")), ("C14", None));
    }

    proptest::proptest! {
        /// I15: whatever is tried, an entry begins as recorded, and what is kept of it is read.
        #[test]
        fn whatever_is_tried_the_history_can_be_read(
            moves in proptest::collection::vec(0..7_usize, 0..30),
        ) {
            let mut entry = entry(Clause::Fix);
            for place in moves {
                let before = entry.clone();
                if entry.become_status(Status::WORDS[place].0).is_err() {
                    proptest::prop_assert_eq!(&entry, &before);
                }
            }
            let kept = Violation::kept(
                entry.clause, entry.version, entry.span, entry.evidence.clone(), entry.history(),
            );
            proptest::prop_assert_eq!(kept, Some(entry));
        }
    }
}
