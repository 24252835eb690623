//! Who a customer is, proven by steps that the operator chooses (C18): a national code that is one,
//! a mobile number by a code that our own engine speaks, documents that a person looks at, and an
//! answer of the registry. What the registry does not answer is never the customer's fault (T180).

use crate::Timestamp;
use crate::calendar::day::Day;

/// Longest name of a person or company, bytes.
pub const NAME_MAX: usize = 150;
/// Longest reason of staff, bytes.
pub const TEXT_MAX: usize = 2000;
/// The most documents of one case until it is handed in, and again after each time that a person
/// returns it.
pub const DOCUMENTS_MAX: usize = 6;
/// After so many steps of one case nothing more is asked or given; what ends it goes on.
pub const STEPS_MAX: usize = 100;
/// The most cases that an account begins within [`ATTEMPTS_US`].
pub const ATTEMPTS_MAX: i64 = 5;
/// Within which time they are counted, microseconds: 30 days.
pub const ATTEMPTS_US: i64 = 30 * 86_400_000_000;
/// The pauses between questions to the registry that does not answer, milliseconds; then a person
/// goes on.
const PAUSES_MS: [i64; 3] = [5_000, 60_000, 600_000];
/// Nobody alive was born before this Persian year.
const BORN_FROM: i32 = 1_280;

/// The national code of a person: ten digits, the last of which proves the others.
#[derive(Clone, PartialEq, Eq)]
pub struct NationalCode(String);

/// The national id of a company: eleven digits, the last of which proves the others.
#[derive(Clone, PartialEq, Eq)]
pub struct CompanyId(String);

impl NationalCode {
    /// Reads ten digits of any script. Eight or nine, of which zeros were lost, are taken as well.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = digits(text)?;
        if !(8..=10).contains(&digits.len()) {
            return None;
        }
        let digits = [vec![0; 10 - digits.len()], digits].concat();
        // They prove themselves, and are nobody's.
        if digits.iter().all(|digit| *digit == digits[0]) {
            return None;
        }
        let sum: u32 = digits[..9].iter().zip((2..=10).rev()).map(|(digit, n)| digit * n).sum();
        let rest = sum % 11;
        let proof = if rest < 2 { rest } else { 11 - rest };
        (proof == digits[9]).then(|| Self(text_of(&digits)))
    }

    /// All of it: for the registry and for who reviews, never for a log.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// With its middle hidden: `001*****89`.
    pub fn masked(&self) -> String {
        format!("{}*****{}", &self.0[..3], &self.0[8..])
    }
}

impl CompanyId {
    /// Reads eleven digits of any script.
    pub fn parse(text: &str) -> Option<Self> {
        const WEIGHTS: [u32; 10] = [29, 27, 23, 19, 17, 29, 27, 23, 19, 17];
        let digits = digits(text).filter(|digits| digits.len() == 11)?;
        let added = digits[9] + 2;
        let sum: u32 = digits[..10].iter().zip(WEIGHTS).map(|(digit, n)| (digit + added) * n).sum();
        let is_one = digits[..10].iter().any(|digit| *digit != digits[0]);
        (is_one && sum % 11 % 10 == digits[10]).then(|| Self(text_of(&digits)))
    }

    /// All of it; the ids of companies are public.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// What is shown by mistake shows nobody.
impl std::fmt::Debug for NationalCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.masked())
    }
}

impl std::fmt::Debug for CompanyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn digits(text: &str) -> Option<Vec<u32>> {
    let digit = |c: char| match c {
        '0'..='9' => c.to_digit(10),
        '۰'..='۹' => Some(u32::from(c) - u32::from('۰')),
        '٠'..='٩' => Some(u32::from(c) - u32::from('٠')),
        _ => None,
    };
    let text = text.trim();
    let bounded = text.len() <= 44;
    bounded.then(|| text.chars().filter(|c| *c != '-').map(digit).collect::<Option<Vec<_>>>())?
}

fn text_of(digits: &[u32]) -> String {
    digits.iter().filter_map(|digit| char::from_digit(*digit, 10)).collect()
}

/// A name as it is kept: in a line, with the Persian letters for Arabic ones that look alike, and
/// single spaces.
pub fn name(text: &str) -> Option<String> {
    let letter = |c: char| match c {
        'ي' | 'ى' => 'ی',
        'ك' => 'ک',
        other => other,
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let name: String = words.join(" ").chars().map(letter).collect();
    let bad = |c: char| {
        c.is_control() || c.is_ascii_digit() || matches!(c, '\u{202a}'..='\u{202e}' | '<' | '>')
    };
    let has_letters = name.chars().filter(|c| c.is_alphabetic()).count() >= 2;
    (has_letters && name.len() <= NAME_MAX && !name.contains(bad)).then_some(name)
}

/// A day on which somebody may have been born, as the Persian calendar has it.
pub fn birth_day(text: &str, now: Timestamp) -> Option<Day> {
    let day = Day::parse(text)?;
    (day.to_jalali().0 >= BORN_FROM && day.end() <= now).then_some(day)
}

/// When the registry is asked again that did not answer so many times, milliseconds later; `None`:
/// not any more.
pub fn ask_again_ms(times: u32) -> Option<i64> {
    PAUSES_MS.get(usize::try_from(times.checked_sub(1)?).ok()?).copied()
}

/// A way of proving something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proof {
    /// The mobile number, by a code that is spoken there.
    Mobile,
    /// Documents that a person looks at.
    Document,
    /// The registry's answer about number, name and day of birth.
    Registry,
}

impl Proof {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::Mobile, Self::Document, Self::Registry];

    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mobile => "mobile",
            Self::Document => "document",
            Self::Registry => "registry",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|proof| proof.word() == word)
    }
}

/// Reads the ways that are asked for, with commas between them; none may be there twice.
pub fn proofs(text: &str) -> Option<Vec<Proof>> {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    let mut proofs = words.map(Proof::parse).collect::<Option<Vec<_>>>()?;
    let count = proofs.len();
    proofs.sort_unstable();
    proofs.dedup();
    (proofs.len() == count).then_some(proofs)
}

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// The customer has things to do.
    Open,
    /// The registry is asked.
    Submitted,
    /// A person has to look at it.
    NeedsManual,
    /// It is proven.
    Verified,
    /// It is not.
    Rejected,
    /// It was proven, and is to be proven anew.
    Expired,
    /// It was proven, and that was taken back.
    Revoked,
    /// The customer does not want it any more.
    Withdrawn,
}

impl State {
    /// The word under which it is shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Submitted => "submitted",
            Self::NeedsManual => "needs_manual",
            Self::Verified => "verified",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether something is still to be done.
    pub fn is_pending(self) -> bool {
        matches!(self, Self::Open | Self::Submitted | Self::NeedsManual)
    }
}

/// Who does something to a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// The customer.
    Customer,
    /// One of us.
    Staff,
    /// The platform, as the registry answered.
    Machine,
}

impl By {
    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Staff => "staff",
            Self::Machine => "machine",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Customer, Self::Staff, Self::Machine].into_iter().find(|by| by.word() == word)
    }
}

/// What happens to a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The right digits of a code were given that was spoken to the mobile number.
    MobileProven,
    /// A document came.
    DocumentAdded,
    /// The customer has done everything.
    Submitted,
    /// The registry says that it is so.
    Matched,
    /// The registry says that it is not so; names are spelled in many ways, so a person looks.
    Differs,
    /// The registry does not answer.
    Silent,
    /// A person wants something else of the customer.
    Returned,
    /// A person, or the registry alone, is sure; until a moment, if there is one.
    Verified(Option<Timestamp>),
    /// A person is not.
    Rejected,
    /// What was proven is not any more.
    Revoked,
    /// The customer does not want it any more.
    Withdrawn,
    /// What says who it was is removed; what was done stays.
    Forgotten,
}

impl Step {
    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::MobileProven => "mobile_proven",
            Self::DocumentAdded => "document_added",
            Self::Submitted => "submitted",
            Self::Matched => "registry_matched",
            Self::Differs => "registry_differs",
            Self::Silent => "registry_silent",
            Self::Returned => "returned",
            Self::Verified(_) => "verified",
            Self::Rejected => "rejected",
            Self::Revoked => "revoked",
            Self::Withdrawn => "withdrawn",
            Self::Forgotten => "forgotten",
        }
    }

    /// Reads such a word; `until` is that of [`Self::Verified`].
    pub fn parse(word: &str, until: Option<Timestamp>) -> Option<Self> {
        let all = [
            Self::MobileProven,
            Self::DocumentAdded,
            Self::Submitted,
            Self::Matched,
            Self::Differs,
            Self::Silent,
            Self::Returned,
            Self::Verified(until),
            Self::Rejected,
            Self::Revoked,
            Self::Withdrawn,
            Self::Forgotten,
        ];
        all.into_iter().find(|step| step.word() == word)
    }

    /// Whether a case can go on and on by it, so that there is an end of it. Each of the others is
    /// taken once after one of these, or once in a case.
    fn goes_on(self) -> bool {
        matches!(self, Self::MobileProven | Self::DocumentAdded | Self::Submitted | Self::Returned)
    }

    /// Who may take it.
    fn of(self) -> &'static [By] {
        match self {
            Self::MobileProven | Self::DocumentAdded | Self::Submitted | Self::Withdrawn => {
                &[By::Customer]
            }
            Self::Matched | Self::Differs | Self::Silent => &[By::Machine],
            Self::Verified(_) => &[By::Staff, By::Machine],
            Self::Returned | Self::Rejected | Self::Revoked | Self::Forgotten => &[By::Staff],
        }
    }
}

/// Why a step is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It does not follow where the case stands.
    WrongState,
    /// It is another's to take.
    WrongSide,
    /// This is not proven yet, and has to be before it is handed in.
    Missing(Proof),
    /// There are [`DOCUMENTS_MAX`] documents.
    TooManyDocuments,
    /// It is earlier than the step before it.
    OutOfOrder,
    /// It had [`STEPS_MAX`] steps.
    TooMany,
}

/// A case, as its steps have left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    state: State,
    asked: Vec<Proof>,
    mobile_proven: bool,
    registry_matched: bool,
    documents: usize,
    /// Of these, those that came since the case was last returned.
    new_documents: usize,
    until: Option<Timestamp>,
    is_forgotten: bool,
    last_at: Timestamp,
    steps: usize,
}

impl Identity {
    /// A case that is begun, with what is asked for at that time.
    pub fn begun(asked: Vec<Proof>, at: Timestamp) -> Self {
        Self {
            state: State::Open,
            asked,
            mobile_proven: false,
            registry_matched: false,
            documents: 0,
            new_documents: 0,
            until: None,
            is_forgotten: false,
            last_at: at,
            steps: 1,
        }
    }

    /// Where it stands.
    pub fn state(&self, now: Timestamp) -> State {
        let over = self.until.is_some_and(|until| until <= now);
        if self.state == State::Verified && over { State::Expired } else { self.state }
    }

    /// Where it was left, whatever the time is.
    pub fn kept_state(&self) -> State {
        self.state
    }

    /// What is asked for.
    pub fn asked(&self) -> &[Proof] {
        &self.asked
    }

    /// Whether this is proven or, of documents, there.
    pub fn has(&self, proof: Proof) -> bool {
        match proof {
            Proof::Mobile => self.mobile_proven,
            Proof::Document => self.documents > 0,
            Proof::Registry => self.registry_matched,
        }
    }

    /// Until when it is verified.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Whether who it was is removed.
    pub fn is_forgotten(&self) -> bool {
        self.is_forgotten
    }

    /// When the last step was.
    pub fn last_at(&self) -> Timestamp {
        self.last_at
    }

    /// Takes a step.
    ///
    /// # Errors
    /// Why it is refused; nothing has changed then.
    pub fn take(&mut self, step: Step, by: By, at: Timestamp) -> Result<(), Refusal> {
        if at < self.last_at {
            return Err(Refusal::OutOfOrder);
        }
        if self.steps >= STEPS_MAX && step.goes_on() {
            return Err(Refusal::TooMany);
        }
        if !step.of().contains(&by) {
            return Err(Refusal::WrongSide);
        }
        self.state = self.after(step, by, at)?;
        match step {
            Step::MobileProven => self.mobile_proven = true,
            Step::DocumentAdded => {
                self.documents += 1;
                self.new_documents += 1;
            }
            Step::Matched => self.registry_matched = true,
            Step::Verified(until) => self.until = until,
            // It is asked anew when it is handed in anew.
            Step::Returned => {
                self.registry_matched = false;
                self.new_documents = 0;
            }
            Step::Forgotten => self.is_forgotten = true,
            _ => {}
        }
        self.last_at = at;
        self.steps += 1;
        Ok(())
    }

    fn after(&self, step: Step, by: By, at: Timestamp) -> Result<State, Refusal> {
        use State as S;
        Ok(match (self.state, step) {
            (S::Open, Step::MobileProven) if !self.mobile_proven => S::Open,
            (S::Open, Step::DocumentAdded) => {
                if self.new_documents >= DOCUMENTS_MAX {
                    return Err(Refusal::TooManyDocuments);
                }
                S::Open
            }
            (S::Open, Step::Submitted) => self.submitted()?,
            // Who only has to be in the registry is verified by it, in the same commit.
            (S::Submitted, Step::Matched) if self.asked.contains(&Proof::Document) => {
                S::NeedsManual
            }
            (S::Submitted, Step::Matched) => S::Submitted,
            (S::Submitted, Step::Differs | Step::Silent) => S::NeedsManual,
            (S::Submitted, Step::Verified(_)) if by == By::Machine && self.registry_matched => {
                S::Verified
            }
            (S::NeedsManual, Step::Verified(until)) if by == By::Staff => {
                if until.is_some_and(|until| until <= at) {
                    return Err(Refusal::OutOfOrder);
                }
                S::Verified
            }
            (S::NeedsManual, Step::Returned) => S::Open,
            (S::NeedsManual, Step::Rejected) => S::Rejected,
            (S::Verified, Step::Revoked) => S::Revoked,
            (S::Open | S::Submitted | S::NeedsManual, Step::Withdrawn) => S::Withdrawn,
            (state, Step::Forgotten) if self.may_be_forgotten(at) => state,
            _ => return Err(Refusal::WrongState),
        })
    }

    /// What is proven is first taken back, or runs out.
    fn may_be_forgotten(&self, at: Timestamp) -> bool {
        let state = self.state(at);
        !self.is_forgotten && !state.is_pending() && state != State::Verified
    }

    fn submitted(&self) -> Result<State, Refusal> {
        let theirs = [Proof::Mobile, Proof::Document];
        let missing = theirs.iter().find(|proof| self.asked.contains(proof) && !self.has(**proof));
        match missing {
            Some(proof) => Err(Refusal::Missing(*proof)),
            None if self.asked.contains(&Proof::Registry) => Ok(State::Submitted),
            None => Ok(State::NeedsManual),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(n: i64) -> Timestamp {
        Timestamp(n)
    }

    #[test]
    fn a_national_code_proves_itself() {
        for (text, kept) in [
            ("0499370899", Some("0499370899")),
            ("۰۴۹۹۳۷۰۸۹۹", Some("0499370899")),
            ("٠٤٩٩٣٧٠٨٩٩", Some("0499370899")),
            ("049-937089-9", Some("0499370899")),
            ("499370899", Some("0499370899")),
            ("0499370898", None),
            ("0790419904", Some("0790419904")),
            ("1111111111", None),
            ("0000000000", None),
            ("049937089", None),
            ("04993708990", None),
            ("0499370 899", None),
            ("", None),
        ] {
            assert_eq!(NationalCode::parse(text).map(|code| code.0).as_deref(), kept, "{text}");
        }
        let code = NationalCode::parse("0499370899").unwrap();
        assert_eq!(format!("{code:?}"), "049*****99");
    }

    #[test]
    fn a_company_id_proves_itself() {
        for (text, is_one) in [
            ("14007650912", true),
            ("10380284790", true),
            ("۱۰۳۸۰۲۸۴۷۹۰", true),
            ("10380284792", false),
            ("09053254010", false),
            ("1038028479", false),
            ("00000000000", false),
        ] {
            assert_eq!(CompanyId::parse(text).is_some(), is_one, "{text}");
        }
    }

    #[test]
    fn names_have_letters_and_persian_ones() {
        assert_eq!(name("  علي   كريمي ").as_deref(), Some("علی کریمی"));
        for bad in ["", " ", "ع", "علی\n2", "علی7", "<b>علی", &"ع".repeat(76)] {
            assert_eq!(name(bad), None, "{bad:?}");
        }
        let now = Day::jalali(1405, 9, 8).unwrap().start();
        let born = birth_day("1370/02/31", now).unwrap();
        assert_eq!(born.to_jalali(), (1370, 2, 31));
        assert_eq!(birth_day("1991-05-21", now), Some(born));
        for none in ["1370/13/01", "1405/09/08", "1200/01/01", "x", ""] {
            assert_eq!(birth_day(none, now), None, "{none}");
        }
    }

    #[test]
    fn proofs_are_a_list_of_words() {
        assert_eq!(proofs("mobile, registry"), Some(vec![Proof::Mobile, Proof::Registry]));
        assert_eq!(proofs(""), Some(Vec::new()));
        assert_eq!(proofs("mobile,mobile"), None);
        assert_eq!(proofs("face"), None);
    }

    #[test]
    fn a_case_is_handed_in_whole_and_seen_by_a_person() {
        let mut case = Identity::begun(vec![Proof::Mobile, Proof::Document], at(0));
        let take = |case: &mut Identity, step, by, now| case.take(step, by, at(now));
        let missing = take(&mut case, Step::Submitted, By::Customer, 1);
        assert_eq!(missing, Err(Refusal::Missing(Proof::Mobile)));
        take(&mut case, Step::MobileProven, By::Customer, 1).unwrap();
        let again = take(&mut case, Step::MobileProven, By::Customer, 1);
        assert_eq!(again, Err(Refusal::WrongState));
        let missing = take(&mut case, Step::Submitted, By::Customer, 2);
        assert_eq!(missing, Err(Refusal::Missing(Proof::Document)));
        for _ in 0..DOCUMENTS_MAX {
            take(&mut case, Step::DocumentAdded, By::Customer, 2).unwrap();
        }
        let full = take(&mut case, Step::DocumentAdded, By::Customer, 2);
        assert_eq!(full, Err(Refusal::TooManyDocuments));
        take(&mut case, Step::Submitted, By::Customer, 3).unwrap();
        assert_eq!(case.state(at(3)), State::NeedsManual);
        let theirs = take(&mut case, Step::Verified(None), By::Customer, 4);
        assert_eq!(theirs, Err(Refusal::WrongSide));
        let by_itself = take(&mut case, Step::Verified(None), By::Machine, 4);
        assert_eq!(by_itself, Err(Refusal::WrongState));
        take(&mut case, Step::Returned, By::Staff, 4).unwrap();
        assert_eq!(take(&mut case, Step::Rejected, By::Staff, 5), Err(Refusal::WrongState));
        take(&mut case, Step::Submitted, By::Customer, 5).unwrap();
        take(&mut case, Step::Verified(Some(at(9))), By::Staff, 6).unwrap();
        assert_eq!((case.state(at(8)), case.state(at(9))), (State::Verified, State::Expired));
        assert_eq!(take(&mut case, Step::Forgotten, By::Staff, 8), Err(Refusal::WrongState));
        let mut over = case.clone();
        take(&mut over, Step::Forgotten, By::Staff, 9).unwrap();
        assert!(over.is_forgotten());
        take(&mut case, Step::Revoked, By::Staff, 8).unwrap();
        take(&mut case, Step::Forgotten, By::Staff, 8).unwrap();
        assert_eq!(case.state(at(99)), State::Revoked);
    }

    /// Whoever was sent away with six documents can bring others; and however long it went on, it
    /// can be ended, and forgotten.
    #[test]
    fn a_case_can_be_returned_and_always_ended() {
        let mut case = Identity::begun(vec![Proof::Document], at(0));
        let add = |case: &mut Identity| case.take(Step::DocumentAdded, By::Customer, at(1));
        let submit = |case: &mut Identity| case.take(Step::Submitted, By::Customer, at(1));
        while case.steps + DOCUMENTS_MAX + 2 < STEPS_MAX {
            (0..DOCUMENTS_MAX).for_each(|_| add(&mut case).unwrap());
            assert_eq!(add(&mut case), Err(Refusal::TooManyDocuments));
            submit(&mut case).unwrap();
            case.take(Step::Returned, By::Staff, at(1)).unwrap();
        }
        while case.steps + 1 < STEPS_MAX {
            add(&mut case).unwrap();
        }
        let mut open = case.clone();
        add(&mut open).unwrap();
        assert_eq!(add(&mut open), Err(Refusal::TooMany));
        assert_eq!(submit(&mut open), Err(Refusal::TooMany));
        submit(&mut case).unwrap();
        assert_eq!(case.take(Step::Returned, By::Staff, at(2)), Err(Refusal::TooMany));
        for (mut case, end, by) in [
            (open, Step::Withdrawn, By::Customer),
            (case.clone(), Step::Withdrawn, By::Customer),
            (case, Step::Rejected, By::Staff),
        ] {
            case.take(end, by, at(2)).unwrap();
            case.take(Step::Forgotten, By::Staff, at(3)).unwrap();
            assert_eq!(case.take(Step::Forgotten, By::Staff, at(4)), Err(Refusal::WrongState));
        }
    }

    #[test]
    fn the_registry_is_asked_a_few_times() {
        let pauses = (0..6).map(ask_again_ms);
        let expected = [None, Some(5_000), Some(60_000), Some(600_000), None, None];
        assert_eq!(pauses.collect::<Vec<_>>(), expected);
    }

    /// T180: a registry that is away makes work for a person, and nothing else.
    #[test]
    fn the_registry_verifies_and_never_rejects() {
        let handed_in = |asked: &[Proof]| {
            let mut case = Identity::begun(asked.to_vec(), at(0));
            if asked.contains(&Proof::Document) {
                case.take(Step::DocumentAdded, By::Customer, at(1)).unwrap();
            }
            case.take(Step::Submitted, By::Customer, at(1)).unwrap();
            case
        };
        let answered = |asked: &[Proof], step| {
            let mut case = handed_in(asked);
            assert_eq!(case.state(at(1)), State::Submitted);
            case.take(step, By::Machine, at(2)).unwrap();
            case
        };
        let mut sure = answered(&[Proof::Registry], Step::Matched);
        sure.take(Step::Verified(None), By::Machine, at(2)).unwrap();
        assert_eq!(sure.state(at(2)), State::Verified);
        let both = answered(&[Proof::Document, Proof::Registry], Step::Matched);
        assert_eq!((both.state(at(2)), both.has(Proof::Registry)), (State::NeedsManual, true));
        for step in [Step::Differs, Step::Silent] {
            assert_eq!(answered(&[Proof::Registry], step).state(at(2)), State::NeedsManual);
        }
        let mut early = handed_in(&[Proof::Registry]);
        assert_eq!(early.take(Step::Verified(None), By::Machine, at(2)), Err(Refusal::WrongState));
        assert_eq!(early.take(Step::Matched, By::Staff, at(2)), Err(Refusal::WrongSide));
    }

    proptest! {
        /// Whatever is tried: what is refused changes nothing, and nobody is verified who has not
        /// handed in what is asked for, and whom neither a person nor the registry saw.
        #[test]
        fn nobody_is_verified_by_chance(
            asked in prop::collection::vec(0..3_usize, 0..4),
            tried in prop::collection::vec((0..12_usize, 0..3_usize), 0..60),
        ) {
            let asked: Vec<Proof> = asked.into_iter().map(|n| Proof::ALL[n]).collect();
            let mut case = Identity::begun(asked.clone(), at(0));
            for (n, (which, by)) in tried.into_iter().enumerate() {
                let now = at(i64::try_from(n).unwrap());
                let step = [
                    Step::MobileProven, Step::DocumentAdded, Step::Submitted, Step::Matched,
                    Step::Differs, Step::Silent, Step::Returned, Step::Verified(None),
                    Step::Rejected, Step::Revoked, Step::Withdrawn, Step::Forgotten,
                ][which];
                let by = [By::Customer, By::Staff, By::Machine][by];
                let before = case.clone();
                if case.take(step, by, now).is_err() {
                    prop_assert_eq!(&case, &before);
                    continue;
                }
                if case.kept_state() == State::Verified {
                    for proof in [Proof::Mobile, Proof::Document] {
                        prop_assert!(!asked.contains(&proof) || case.has(proof));
                    }
                    prop_assert!(by != By::Customer);
                    prop_assert!(by == By::Staff || case.has(Proof::Registry));
                }
            }
        }

        /// Of ten neighbours one proves itself, for every beginning.
        #[test]
        fn one_last_digit_is_right(beginning in 1_u64..999_999_999) {
            let right = (0..10).filter(|last| {
                NationalCode::parse(&format!("{beginning:09}{last}")).is_some()
            });
            prop_assert!(right.count() <= 1);
        }
    }
}
