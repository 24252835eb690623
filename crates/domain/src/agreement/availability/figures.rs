//! What a month comes to: three figures as exact fractions, and a verdict.

use std::cmp::Ordering;
use std::fmt;

use super::Totals;
use crate::calendar::month::PersianMonth;

/// A part of a whole, exactly.
#[derive(Debug, Clone, Copy)]
pub struct Fraction {
    part: i64,
    whole: i64,
}

/// How much 1 is in parts per million.
const MILLION: i128 = 1_000_000;

impl Fraction {
    /// A part of a whole; nothing less than none of it. `None` when there is no whole.
    pub fn new(part: i64, whole: i64) -> Option<Self> {
        (whole > 0).then(|| Self { part: part.clamp(0, whole), whole })
    }

    /// Compares it with parts per million.
    pub fn cmp_ppm(self, ppm: u32) -> Ordering {
        (i128::from(self.part) * MILLION).cmp(&(i128::from(self.whole) * i128::from(ppm)))
    }
}

impl PartialEq for Fraction {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Fraction {}

impl PartialOrd for Fraction {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Fraction {
    fn cmp(&self, other: &Self) -> Ordering {
        let cross = |one: &Self, two: &Self| i128::from(one.part) * i128::from(two.whole);
        cross(self, other).cmp(&cross(other, self))
    }
}

/// Percent with three decimals, cut and never rounded up: `99.579`.
impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousandths = i128::from(self.part) * 100_000 / i128::from(self.whole);
        write!(f, "{}.{:03}", thousandths / 1000, thousandths % 1000)
    }
}

/// How a figure has to stand to the threshold (A02).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Comparison {
    /// Above it: what definition 2 says.
    Above,
    /// At it, or above.
    AtLeast,
}

/// What a month is measured against (A03).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MonthBasis {
    /// As long as it was.
    Actual,
    /// 30 days, whatever its length.
    Fixed30,
}

/// What becomes of planned maintenance (A18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Treatment {
    /// It is taken from the time that was promised and from the time that was there.
    ExcludeBoth,
    /// It counts as if the service had been there.
    CountAsAvailable,
}

/// What a version of the agreement says of availability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The threshold, parts per million.
    pub threshold_ppm: u32,
    /// How a figure has to stand to it.
    pub comparison: Comparison,
    /// What a month is measured against.
    pub basis: MonthBasis,
    /// What becomes of planned maintenance.
    pub treatment: Treatment,
}

impl Terms {
    /// As the first version of the agreement has it: more than 99.58 %.
    pub fn of_the_agreement() -> Self {
        Self {
            threshold_ppm: 995_800,
            comparison: Comparison::Above,
            basis: MonthBasis::Actual,
            treatment: Treatment::ExcludeBoth,
        }
    }

    /// Whether a figure is good enough.
    pub fn accept(&self, figure: Fraction) -> bool {
        let order = figure.cmp_ppm(self.threshold_ppm);
        order.is_gt() || (order.is_eq() && self.comparison == Comparison::AtLeast)
    }
}

/// Availability: at the least, as measured, at the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// As if everything unknown had been down.
    pub low: Fraction,
    /// Of what is known; `None` when nothing is.
    pub measured: Option<Fraction>,
    /// As if everything unknown had been up.
    pub high: Fraction,
}

/// What a month came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Good enough, whatever the unknown was.
    Met,
    /// Not good enough, whatever the unknown was.
    Breached,
    /// The unknown decides. If no evidence comes in time, the low figure stands.
    Undetermined,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 3] = [Self::Met, Self::Breached, Self::Undetermined];

    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Breached => "breached",
            Self::Undetermined => "undetermined",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.word() == word)
    }
}

/// The days that [`MonthBasis::Fixed30`] counts, microseconds.
const DAYS_30_US: i64 = 30 * 86_400_000_000;

impl Figures {
    /// The figures of a month, or of its beginning, that came to these totals; `None` when nothing
    /// was promised in it.
    pub fn of(month: PersianMonth, totals: Totals, terms: Terms) -> Option<Self> {
        let (length, counted) = counted(month, terms);
        // Promised time is stretched or shrunk to 30 days; what was missed is as long as it was.
        let base = promised_us(totals, terms) * counted;
        let (down, unknown) = (totals.down_us * length, totals.unknown_us * length);
        Some(Self {
            low: Fraction::new(base - down - unknown, base)?,
            measured: Fraction::new(base - down - unknown, base - unknown),
            high: Fraction::new(base - down, base)?,
        })
    }

    /// For how long the service may be away of what was promised in these totals, microseconds.
    pub fn allowed_us(month: PersianMonth, totals: Totals, terms: Terms) -> i64 {
        let promised = promised_us(totals, terms);
        let (length, counted) = counted(month, terms);
        let missing = MILLION - i128::from(terms.threshold_ppm);
        let base = i128::from(promised) * i128::from(counted) * missing.max(0);
        i64::try_from(base / (MILLION * i128::from(length))).unwrap_or(i64::MAX)
    }

    /// The verdict: nothing that is unknown makes a promise met.
    pub fn verdict(&self, terms: Terms) -> Verdict {
        match (terms.accept(self.low), terms.accept(self.high)) {
            (true, _) => Verdict::Met,
            (false, true) => Verdict::Undetermined,
            (false, false) => Verdict::Breached,
        }
    }

    /// The verdict when the time for evidence has passed: who measures answers for the silence.
    pub fn verdict_without_evidence(&self, terms: Terms) -> Verdict {
        if terms.accept(self.low) { Verdict::Met } else { Verdict::Breached }
    }
}

/// The time of which a figure is a part, as long as it was.
fn promised_us(totals: Totals, terms: Terms) -> i64 {
    match terms.treatment {
        Treatment::ExcludeBoth => totals.covered_us() - totals.planned_us,
        Treatment::CountAsAvailable => totals.covered_us(),
    }
}

/// The length of a month, and for how long it counts, in lowest terms.
fn counted(month: PersianMonth, terms: Terms) -> (i64, i64) {
    match terms.basis {
        MonthBasis::Actual => (1, 1),
        MonthBasis::Fixed30 => in_lowest_terms(month.length_us(), DAYS_30_US),
    }
}

/// Both divided by all they have in common.
fn in_lowest_terms(one: i64, two: i64) -> (i64, i64) {
    let (mut common, mut rest) = (one, two);
    while rest != 0 {
        (common, rest) = (rest, common % rest);
    }
    (one / common, two / common)
}
