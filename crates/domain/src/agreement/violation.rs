//! The ledger of what either side did not keep (C11): one form, one rule of evidence for both, and
//! nothing is ever deleted from it.

use std::collections::BTreeMap;

use crate::calendar::span::Span;

/// Counts below this are shown as "fewer than 5" where everybody can read them.
pub const SMALL_COUNT: u64 = 5;
/// The most pieces of evidence of one entry.
pub const EVIDENCE_MAX: usize = 100;

/// Whose duty it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// Ours.
    Provider,
    /// The subscriber's.
    Customer,
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
}

impl Clause {
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
    /// Whether an entry may go from here to there.
    pub fn may_become(self, next: Self) -> bool {
        use Status as S;
        matches!(
            (self, next),
            (S::Recorded, S::Notified | S::Reversed)
                | (S::Notified, S::Accepted | S::Disputed | S::Reversed)
                | (S::Disputed, S::Upheld | S::Reversed)
                | (S::Accepted | S::Upheld, S::Done | S::Reversed)
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
    /// Nothing proves it, or more than [`EVIDENCE_MAX`] pieces do.
    Evidence,
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
        let proven = evidence.iter().all(|piece| !piece.trim().is_empty());
        if !proven || !(1..=EVIDENCE_MAX).contains(&evidence.len()) {
            return Err(Refusal::Evidence);
        }
        Ok(Self { clause, version, span, evidence, statuses: vec![Status::Recorded] })
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

/// How many entries of each clause stand, for everybody to read; `None` where it is fewer than
/// [`SMALL_COUNT`], so that nobody is recognised.
pub fn public_counts<'a>(
    entries: impl IntoIterator<Item = &'a Violation>,
) -> BTreeMap<(Party, Clause), Option<u64>> {
    let mut counts: BTreeMap<(Party, Clause), u64> = BTreeMap::new();
    for entry in entries {
        if entry.status() != Status::Reversed {
            *counts.entry((entry.party(), entry.clause)).or_insert(0) += 1;
        }
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
            for evidence in [Vec::new(), vec![" ".to_owned()], vec!["x".to_owned(); 101]] {
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
        assert!(public_counts([&entry]).is_empty());
    }

    /// T178.
    #[test]
    fn small_counts_are_not_told_to_everybody() {
        let mut entries = vec![entry(Clause::Triage); 5];
        entries.extend(vec![entry(Clause::Payment); 4]);
        let counts = public_counts(&entries);
        assert_eq!(counts[&(Party::Provider, Clause::Triage)], Some(5));
        assert_eq!(counts[&(Party::Customer, Clause::Payment)], None);
    }
}
