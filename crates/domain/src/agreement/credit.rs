//! Credits: what is owed to a subscriber, from its proposal to the discount on an invoice. Every
//! rial moves by a posting between two books, and what was posted is not edited (A26, I08, I09).

use std::collections::BTreeMap;

use super::claim::Track;
use super::scope::Paths;
use crate::calendar::month::PersianMonth;
use crate::{AccountId, Rials};

/// What there is at most one credit for (I09). A revision of the statement brings the difference,
/// as a credit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CreditKey {
    /// Whose.
    pub account: AccountId,
    /// For which of its subscriptions.
    pub subscription: i64,
    /// For which month.
    pub month: PersianMonth,
    /// For which part of the service.
    pub paths: Paths,
    /// On which ground.
    pub track: Track,
    /// By which revision of the statement, from 0; of what a claim was granted
    /// [`CreditKey::of_claim`].
    pub revision: u32,
}

/// That a claim had a credit before, in what it has for a revision.
const ANOTHER: u32 = 1 << 31;

impl CreditKey {
    /// What a claim's credit has for a revision: the number of the claim, of which there may be
    /// several for a month; and whether it has one already, of before an appeal. `None` beyond what
    /// there is room for.
    pub fn of_claim(claim: i64, is_another: bool) -> Option<u32> {
        let claim = u32::try_from(claim).ok().filter(|claim| claim & ANOTHER == 0)?;
        Some(if is_another { claim | ANOTHER } else { claim })
    }

    /// The claim that was granted it; `None` for what a month pays back by itself.
    pub fn claim(&self) -> Option<i64> {
        claim_of(self.track, self.revision)
    }

    /// The revision of the statement that it follows; `None` for what a claim was granted.
    pub fn statement_revision(&self) -> Option<u32> {
        (self.track == Track::Availability).then_some(self.revision)
    }
}

/// The claim that was granted a credit of this track, by what that has for a revision; `None` for
/// what a month pays back by itself.
pub fn claim_of(track: Track, revision: u32) -> Option<i64> {
    (track != Track::Availability).then_some(i64::from(revision & !ANOTHER))
}

/// Where a credit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It was computed, and may still be looked at.
    Proposed,
    /// It waits for the committee.
    Held,
    /// It was given up, with a reason.
    Waived,
    /// It is owed.
    Posted,
    /// There is no next invoice: the committee decides how it is paid (T148).
    WithCommittee,
    /// Nothing of it is owed any more.
    Closed,
    /// It was wrong, and what was left of it was taken back.
    Reversed,
}

impl State {
    /// The word under which it is shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Held => "held",
            Self::Waived => "waived",
            Self::Posted => "posted",
            Self::WithCommittee => "with_committee",
            Self::Closed => "closed",
            Self::Reversed => "reversed",
        }
    }
}

/// What was done to a credit, as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// [`Credit::hold`].
    Hold,
    /// [`Credit::waive`].
    Waive,
    /// [`Credit::post`].
    Post,
    /// [`Credit::apply`], to this invoice, so much.
    Apply(DiscountLine),
    /// [`Credit::restore`], from this invoice.
    Restore(i64),
    /// [`Credit::hand_over`].
    HandOver,
    /// [`Credit::pay_out`].
    PayOut,
    /// [`Credit::reverse`].
    Reverse,
}

impl Move {
    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hold => "held",
            Self::Waive => "waived",
            Self::Post => "posted",
            Self::Apply(_) => "applied",
            Self::Restore(_) => "restored",
            Self::HandOver => "handed_over",
            Self::PayOut => "paid_out",
            Self::Reverse => "reversed",
        }
    }

    /// Reads such a word; `line` is what goes with a move to or from an invoice.
    pub fn parse(word: &str, line: Option<DiscountLine>) -> Option<Self> {
        Some(match (word, line) {
            ("held", None) => Self::Hold,
            ("waived", None) => Self::Waive,
            ("posted", None) => Self::Post,
            ("applied", Some(line)) => Self::Apply(line),
            ("restored", Some(line)) => Self::Restore(line.invoice),
            ("handed_over", None) => Self::HandOver,
            ("paid_out", None) => Self::PayOut,
            ("reversed", None) => Self::Reverse,
            _ => return None,
        })
    }
}

/// Where money stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Book {
    /// What compensation cost us.
    Compensation,
    /// What is owed to the subscriber.
    Owed(AccountId),
    /// Discounts on invoices.
    Discounts,
    /// What the committee had paid out.
    Payouts,
}

/// `compensation`, `owed:7`, `discounts`, `payouts`.
impl std::fmt::Display for Book {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Compensation => f.write_str("compensation"),
            Self::Owed(account) => write!(f, "owed:{account}"),
            Self::Discounts => f.write_str("discounts"),
            Self::Payouts => f.write_str("payouts"),
        }
    }
}

/// Money that moves from one book to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// From where.
    pub debit: Book,
    /// To where.
    pub credit: Book,
    /// How much; always more than nothing.
    pub amount: Rials,
}

/// A discount on an invoice, before tax (T159).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiscountLine {
    /// The invoice.
    pub invoice: i64,
    /// How much.
    pub amount: Rials,
}

/// Why a move is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It does not follow where the credit stands.
    WrongState,
    /// It needs a reason.
    NoReason,
    /// The invoice has a discount of this credit already.
    Twice,
    /// No such discount stands.
    NoSuchLine,
    /// A credit is more than nothing.
    Amount,
    /// There is one for this already, of another amount.
    Differs,
}

/// A credit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit {
    key: CreditKey,
    amount: Rials,
    state: State,
    lines: Vec<DiscountLine>,
    left: Rials,
}

impl Credit {
    /// A credit that was computed.
    ///
    /// # Errors
    /// When it is nothing.
    pub fn propose(key: CreditKey, amount: Rials) -> Result<Self, Refusal> {
        if amount <= Rials::ZERO {
            return Err(Refusal::Amount);
        }
        Ok(Self { key, amount, state: State::Proposed, lines: Vec::new(), left: Rials::ZERO })
    }

    /// Does again what was done before; `None` when that cannot have been.
    pub fn again(&mut self, done: Move) -> Option<()> {
        const REASON: &str = "kept";
        match done {
            Move::Hold => self.hold().ok(),
            Move::Waive => self.waive(REASON).ok(),
            Move::Post => self.post().ok().map(drop),
            Move::Apply(DiscountLine { invoice, amount }) => {
                let posting = self.apply(invoice, amount).ok()??;
                (posting.amount == amount).then_some(())
            }
            Move::Restore(invoice) => self.restore(invoice).ok().map(drop),
            Move::HandOver => self.hand_over().ok(),
            Move::PayOut => self.pay_out().ok().map(drop),
            Move::Reverse => self.reverse(REASON).ok().map(drop),
        }
    }

    /// What of it the subscriber has had: as discounts that stand, or paid out.
    pub fn given(&self) -> Rials {
        match self.state {
            State::Proposed | State::Held | State::Waived => Rials::ZERO,
            State::Reversed => Rials(self.lines.iter().map(|line| line.amount.0).sum()),
            State::Posted | State::WithCommittee | State::Closed => {
                Rials(self.amount.0 - self.left.0)
            }
        }
    }

    /// What of it the subscriber may still get.
    pub fn coming(&self) -> Rials {
        match self.state {
            State::Proposed | State::Held => self.amount,
            State::Posted | State::WithCommittee => self.left,
            State::Waived | State::Closed | State::Reversed => Rials::ZERO,
        }
    }

    /// What it is for.
    pub fn key(&self) -> CreditKey {
        self.key
    }

    /// How much it is.
    pub fn amount(&self) -> Rials {
        self.amount
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// What of it is still owed.
    pub fn left(&self) -> Rials {
        self.left
    }

    /// The discounts that stand.
    pub fn lines(&self) -> &[DiscountLine] {
        &self.lines
    }

    /// Whether the invoice of a month may have it, which is carried for so many months after its
    /// own; else the committee decides.
    pub fn is_carried_to(&self, month: PersianMonth, carried_months: u16) -> bool {
        month <= self.key.month.plus(carried_months)
    }

    fn owed(&self) -> Book {
        Book::Owed(self.key.account)
    }

    /// Leaves it to the committee whether it is owed.
    ///
    /// # Errors
    /// When it is no longer proposed.
    pub fn hold(&mut self) -> Result<(), Refusal> {
        self.go(&[State::Proposed], State::Held)
    }

    /// Gives it up.
    ///
    /// # Errors
    /// Without a reason, or when it is no longer proposed.
    pub fn waive(&mut self, reason: &str) -> Result<(), Refusal> {
        if reason.trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        self.go(&[State::Proposed, State::Held], State::Waived)
    }

    /// Owes it.
    ///
    /// # Errors
    /// When it is neither proposed nor held.
    pub fn post(&mut self) -> Result<Posting, Refusal> {
        self.go(&[State::Proposed, State::Held], State::Posted)?;
        self.left = self.amount;
        Ok(Posting { debit: Book::Compensation, credit: self.owed(), amount: self.amount })
    }

    /// Puts what is left on an invoice as a discount, at most its price; the rest is carried on.
    /// `None` when the invoice takes nothing.
    ///
    /// # Errors
    /// When nothing is owed, or the invoice has it already.
    pub fn apply(&mut self, invoice: i64, price: Rials) -> Result<Option<Posting>, Refusal> {
        if self.state != State::Posted {
            return Err(Refusal::WrongState);
        }
        if self.lines.iter().any(|line| line.invoice == invoice) {
            return Err(Refusal::Twice);
        }
        let amount = self.left.min(price);
        if amount <= Rials::ZERO {
            return Ok(None);
        }
        self.lines.push(DiscountLine { invoice, amount });
        self.take(amount);
        Ok(Some(Posting { debit: self.owed(), credit: Book::Discounts, amount }))
    }

    /// Gives back what an invoice had, because it was voided (T147); of a credit that was reversed,
    /// to us.
    ///
    /// # Errors
    /// When no discount of this credit stands on it.
    pub fn restore(&mut self, invoice: i64) -> Result<Posting, Refusal> {
        let place = self.lines.iter().position(|line| line.invoice == invoice);
        let DiscountLine { amount, .. } = self.lines.remove(place.ok_or(Refusal::NoSuchLine)?);
        if self.state == State::Reversed {
            return Ok(Posting { debit: Book::Discounts, credit: Book::Compensation, amount });
        }
        self.left.0 += amount.0;
        if self.state == State::Closed {
            self.state = State::Posted;
        }
        Ok(Posting { debit: Book::Discounts, credit: self.owed(), amount })
    }

    /// The subscriber left: the committee decides how the rest is paid.
    ///
    /// # Errors
    /// When nothing is owed.
    pub fn hand_over(&mut self) -> Result<(), Refusal> {
        self.go(&[State::Posted], State::WithCommittee)
    }

    /// Pays the rest out, as the committee decided.
    ///
    /// # Errors
    /// When the committee does not have it.
    pub fn pay_out(&mut self) -> Result<Posting, Refusal> {
        self.go(&[State::WithCommittee], State::Closed)?;
        let amount = self.left;
        self.left = Rials::ZERO;
        Ok(Posting { debit: self.owed(), credit: Book::Payouts, amount })
    }

    /// Takes back what is left of it. What an invoice had stays there.
    ///
    /// # Errors
    /// When nothing is owed, or without a reason.
    pub fn reverse(&mut self, reason: &str) -> Result<Posting, Refusal> {
        if reason.trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        self.go(&[State::Posted, State::WithCommittee], State::Reversed)?;
        let amount = self.left;
        self.left = Rials::ZERO;
        Ok(Posting { debit: self.owed(), credit: Book::Compensation, amount })
    }

    fn take(&mut self, amount: Rials) {
        self.left.0 -= amount.0;
        if self.left == Rials::ZERO {
            self.state = State::Closed;
        }
    }

    fn go(&mut self, from: &[State], to: State) -> Result<(), Refusal> {
        if !from.contains(&self.state) {
            return Err(Refusal::WrongState);
        }
        self.state = to;
        Ok(())
    }
}

/// What a revision of a month does to the credits that it had (decision 9: only by opposites).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correction {
    /// Whether what is still coming of the earlier ones is taken back.
    pub take_back: bool,
    /// How much is proposed anew; may be nothing.
    pub propose: Rials,
}

/// What has to be done so that a month pays back `amount` in all, or as near as it can come to
/// that: what was given stays given.
pub fn correction<'a>(earlier: impl IntoIterator<Item = &'a Credit>, amount: Rials) -> Correction {
    let (given, coming) = earlier.into_iter().fold((0, 0), |(given, coming), credit| {
        (given + credit.given().0, coming + credit.coming().0)
    });
    let missing = amount.0.max(0) - given - coming;
    if missing >= 0 || coming == 0 {
        return Correction { take_back: false, propose: Rials(missing.max(0)) };
    }
    Correction { take_back: true, propose: Rials((amount.0.max(0) - given).max(0)) }
}

/// Credits by what they are for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Credits(BTreeMap<CreditKey, Credit>);

impl Credits {
    /// Proposes a credit; the one that is there, when it was proposed before (I09).
    ///
    /// # Errors
    /// When it is nothing, or there is one of another amount.
    pub fn propose(&mut self, key: CreditKey, amount: Rials) -> Result<&mut Credit, Refusal> {
        let proposed = Credit::propose(key, amount)?;
        let credit = self.0.entry(key).or_insert(proposed);
        if credit.amount == amount { Ok(credit) } else { Err(Refusal::Differs) }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn month(text: &str) -> PersianMonth {
        PersianMonth::parse(text).unwrap()
    }

    fn key(account: i64, subscription: i64) -> CreditKey {
        CreditKey {
            account: AccountId(account),
            subscription,
            month: month("1405-08"),
            paths: Paths::ALL,
            track: Track::Availability,
            revision: 0,
        }
    }

    fn posted(amount: i64) -> Credit {
        let mut credit = Credit::propose(key(1, 1), Rials(amount)).unwrap();
        credit.post().unwrap();
        credit
    }

    /// A26: at most the invoice, and the rest is carried.
    #[test]
    fn what_an_invoice_does_not_take_is_carried_to_the_next() {
        let mut credit = posted(1500);
        let first = credit.apply(1, Rials(1000)).unwrap().unwrap();
        assert_eq!((first.amount, credit.left()), (Rials(1000), Rials(500)));
        assert_eq!(credit.apply(1, Rials(1000)), Err(Refusal::Twice));
        assert_eq!(credit.apply(2, Rials::ZERO), Ok(None));
        let second = credit.apply(3, Rials(1000)).unwrap().unwrap();
        assert_eq!((second.amount, credit.state()), (Rials(500), State::Closed));
        assert_eq!(credit.apply(4, Rials(1000)), Err(Refusal::WrongState));
    }

    /// T147.
    #[test]
    fn a_voided_invoice_gives_the_credit_back() {
        let mut credit = posted(300);
        credit.apply(1, Rials(1000)).unwrap();
        let back = credit.restore(1).unwrap();
        assert_eq!((back.debit, back.amount), (Book::Discounts, Rials(300)));
        assert_eq!((credit.state(), credit.left()), (State::Posted, Rials(300)));
        assert_eq!(credit.restore(1), Err(Refusal::NoSuchLine));
        assert!(credit.apply(2, Rials(1000)).unwrap().is_some());
    }

    /// T148.
    #[test]
    fn a_credit_without_an_invoice_goes_to_the_committee() {
        let mut late = posted(300);
        assert!(late.apply(1, Rials(100)).unwrap().is_some());
        assert!(
            late.is_carried_to(month("1406-08"), 12) && late.is_carried_to(month("1405-08"), 0)
        );
        assert!(
            !late.is_carried_to(month("1406-09"), 12) && !late.is_carried_to(month("1405-10"), 1)
        );
        late.hand_over().unwrap();
        assert_eq!((late.state(), late.left()), (State::WithCommittee, Rials(200)));
        let mut left = posted(300);
        left.hand_over().unwrap();
        assert_eq!(left.pay_out().unwrap().amount, Rials(300));
        assert_eq!((left.state(), left.left()), (State::Closed, Rials::ZERO));
    }

    /// I09, T061, T151.
    #[test]
    fn a_credit_is_proposed_once() {
        let mut credits = Credits::default();
        credits.propose(key(1, 1), Rials(100)).unwrap().post().unwrap();
        let again = credits.propose(key(1, 1), Rials(100)).unwrap();
        assert_eq!((again.state(), again.post()), (State::Posted, Err(Refusal::WrongState)));
        assert_eq!(credits.propose(key(1, 1), Rials(101)).unwrap_err(), Refusal::Differs);
        let revised = CreditKey { revision: 1, ..key(1, 1) };
        credits.propose(revised, Rials(5)).unwrap();
        credits.propose(key(1, 2), Rials(100)).unwrap();
        assert_eq!((credits.len(), credits.is_empty()), (3, false));
        assert_eq!(Credit::propose(key(1, 1), Rials::ZERO), Err(Refusal::Amount));
    }

    #[test]
    fn what_is_given_up_needs_a_reason() {
        let mut credit = Credit::propose(key(1, 1), Rials(100)).unwrap();
        assert_eq!(credit.waive(" "), Err(Refusal::NoReason));
        credit.hold().unwrap();
        credit.waive("the customer asked for it").unwrap();
        assert_eq!(credit.post(), Err(Refusal::WrongState));
        let mut wrong = posted(100);
        assert_eq!(wrong.reverse(""), Err(Refusal::NoReason));
        wrong.apply(1, Rials(40)).unwrap();
        let rest = wrong.reverse("entered twice").unwrap();
        assert_eq!((rest.credit, rest.amount), (Book::Compensation, Rials(60)));
        let voided = wrong.restore(1).unwrap();
        assert_eq!((voided.credit, voided.amount), (Book::Compensation, Rials(40)));
    }

    /// One move, chosen by two numbers.
    fn play(credit: &mut Credit, choice: u8, invoice: i64) -> Option<Posting> {
        match choice {
            0 | 1 => credit.post().ok(),
            2..=5 => credit.apply(invoice, Rials(invoice * 10)).ok().flatten(),
            6 => credit.restore(invoice).ok(),
            7 => credit.reverse("wrong").ok(),
            8 => credit.pay_out().ok(),
            _ => {
                if invoice == 1 {
                    credit.hand_over().ok();
                }
                None
            }
        }
    }

    /// A revision brings the difference; what it takes back is taken back whole, and what is right
    /// is proposed anew.
    #[test]
    fn a_revision_is_followed_by_opposites() {
        let of = |earlier: &[Credit], amount| {
            let Correction { take_back, propose } = correction(earlier, Rials(amount));
            (take_back, propose.0)
        };
        let applied = || {
            let mut credit = posted(100);
            credit.apply(1, Rials(70)).unwrap();
            credit
        };
        assert_eq!(of(&[], 100), (false, 100));
        assert_eq!(of(&[posted(100)], 100), (false, 0));
        assert_eq!(of(&[posted(100)], 160), (false, 60));
        assert_eq!(of(&[posted(100)], 60), (true, 60));
        assert_eq!(of(&[applied()], 60), (true, 0));
        assert_eq!(of(&[applied()], 80), (true, 10));
        assert_eq!(of(&[posted(100), posted(60)], 0), (true, 0));
    }

    proptest! {
        /// Whatever became of earlier credits, after a correction the month pays back what it
        /// should, or what was given if that is more; and correcting again does nothing.
        #[test]
        fn a_correction_comes_to_the_amount(
            amounts in prop::collection::vec(1..500_i64, 0..5),
            moves in prop::collection::vec((0..5_usize, 0..10_u8, 1..16_i64), 0..40),
            amount in 0..3_000_i64,
        ) {
            let mut credits: Vec<Credit> = amounts.iter().zip(0_i64..).map(|(amount, n)| {
                Credit::propose(key(1, n), Rials(*amount)).unwrap()
            }).collect();
            for (which, choice, invoice) in moves {
                if let Some(credit) = credits.get_mut(which) {
                    play(credit, choice, invoice);
                }
            }
            let correction = correction(&credits, Rials(amount));
            if correction.take_back {
                for credit in &mut credits {
                    match credit.state() {
                        State::Proposed | State::Held => credit.waive("revised").unwrap(),
                        State::Posted | State::WithCommittee => {
                            credit.reverse("revised").unwrap();
                        }
                        State::Waived | State::Closed | State::Reversed => {}
                    }
                }
            }
            if correction.propose > Rials::ZERO {
                credits.push(Credit::propose(key(1, 9), correction.propose).unwrap());
            }
            let given: i64 = credits.iter().map(|credit| credit.given().0).sum();
            let coming: i64 = credits.iter().map(|credit| credit.coming().0).sum();
            prop_assert_eq!(given + coming, amount.max(given));
            let again = super::correction(&credits, Rials(amount));
            prop_assert_eq!(again, Correction { take_back: false, propose: Rials::ZERO });
        }

        /// What is kept of a credit is read as it was.
        #[test]
        fn moves_that_are_done_again_come_to_the_same(
            moves in prop::collection::vec((0..10_u8, 1..16_i64), 0..60),
        ) {
            let mut credit = Credit::propose(key(1, 1), Rials(500)).unwrap();
            let mut again = credit.clone();
            for (choice, invoice) in moves {
                let before = credit.clone();
                let posting = play(&mut credit, choice, invoice);
                let done = match (choice, posting) {
                    _ if credit == before => continue,
                    (0 | 1, _) => Move::Post,
                    (2..=5, Some(Posting { amount, .. })) => {
                        Move::Apply(DiscountLine { invoice, amount })
                    }
                    (6, _) => Move::Restore(invoice),
                    (7, _) => Move::Reverse,
                    (8, _) => Move::PayOut,
                    _ => Move::HandOver,
                };
                let line = match done {
                    Move::Apply(line) => Some(line),
                    Move::Restore(invoice) => Some(DiscountLine { invoice, amount: Rials(1) }),
                    _ => None,
                };
                prop_assert_eq!(Move::parse(done.word(), line), Some(done));
                prop_assert_eq!(again.again(done), Some(()));
                prop_assert_eq!(&again, &credit);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        /// T158, I08: a hundred times a hundred random moves on five credits of two accounts.
        #[test]
        fn books_balance_whatever_is_done(
            amounts in prop::collection::vec(1..500_i64, 5),
            moves in prop::collection::vec((0..5_usize, 0..10_u8, 1..16_i64), 100),
        ) {
            let mut credits: Vec<Credit> = amounts.iter().zip(0_i64..).map(|(amount, n)| {
                Credit::propose(key(n % 2 + 1, n), Rials(*amount)).unwrap()
            }).collect();
            let mut books: BTreeMap<Book, i64> = BTreeMap::new();
            for (which, choice, invoice) in moves {
                let Some(posting) = play(&mut credits[which], choice, invoice) else { continue };
                prop_assert!(posting.amount > Rials::ZERO);
                *books.entry(posting.debit).or_insert(0) -= posting.amount.0;
                *books.entry(posting.credit).or_insert(0) += posting.amount.0;
                prop_assert_eq!(books.values().sum::<i64>(), 0);
                for account in [1, 2] {
                    let of = |credit: &&Credit| credit.key().account == AccountId(account);
                    let left: i64 = credits.iter().filter(of).map(|credit| credit.left().0).sum();
                    let owed = books.get(&Book::Owed(AccountId(account))).copied().unwrap_or(0);
                    prop_assert!(owed >= 0);
                    prop_assert_eq!(owed, left);
                }
            }
            for credit in &credits {
                let lines: i64 = credit.lines().iter().map(|line| line.amount.0).sum();
                prop_assert!(lines + credit.left().0 <= credit.amount().0);
            }
        }
    }
}
