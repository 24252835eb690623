//! Another plan for a subscription that runs: at its next period, or at once, with the rest of the
//! period that runs paid for. Months stay whole, and every amount is a whole rial.

use super::subscription::Plan;
use crate::agreement::compensation::monthly_price;
use crate::calendar::month::PersianMonth;
use crate::calendar::span::Span;
use crate::{Rials, Timestamp};

/// When another plan is to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// From now on. What it costs more for the rest of the period is on the next invoice.
    Now,
    /// When the next invoice would begin.
    NextPeriod,
}

impl When {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Now, Self::NextPeriod];

    /// The word under which it is asked for.
    pub fn word(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::NextPeriod => "next_period",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|when| when.word() == word)
    }
}

/// From when on a subscription has a plan, and which month its periods are counted from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// What it has.
    pub plan: Plan,
    /// From this moment on.
    pub from: Timestamp,
    /// The first month of the first of its periods.
    pub first: PersianMonth,
}

/// Why a plan is not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The subscription has it already by then.
    Same,
    /// At once only a plan can be had that is paid for as many months and costs no less: money that
    /// was paid for a period is not paid back, and what it was paid for is had until its end.
    OnlyNextPeriod,
}

/// What is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// What holds then.
    pub term: Term,
    /// What is asked for the rest of the period, rounded down to the rial.
    pub rest: Rials,
}

/// The term that holds at a moment: of those whose time has come the one that was decided last. So
/// whatever is decided replaces what has not begun. The terms are in the order of decisions, never
/// none; before the first begins it is that.
pub fn term_at(terms: &[Term], at: Timestamp) -> &Term {
    let begun = terms.iter().rfind(|term| term.from <= at);
    begun.unwrap_or_else(|| terms.first().expect("a subscription begins with a plan"))
}

/// What is billed with a month, if a period begins with it.
pub fn billed(terms: &[Term], month: PersianMonth) -> Option<&Term> {
    let term = term_at(terms, month.start());
    term.plan.bills(term.first, month).then_some(term)
}

/// The terms that hold within a time, each with its part of it, in order.
pub fn pieces(terms: &[Term], time: Span) -> Vec<(&Term, Span)> {
    let mut borders: Vec<Timestamp> =
        terms.iter().map(|term| term.from).filter(|from| time.contains(*from)).collect();
    borders.extend([time.from, time.to]);
    borders.sort_unstable();
    let parts = borders.windows(2).filter_map(|two| Span::new(two[0], two[1]));
    parts.map(|part| (term_at(terms, part.from), part)).collect()
}

/// What a month costs: of each term that holds within it, the price of a month for its part of the
/// time, all together rounded up to the rial. A month before the first of a term's periods is on
/// trial: nothing is asked for it, and it costs nothing. `None` for a plan of no months.
pub fn price_of(terms: &[Term], month: PersianMonth) -> Option<Rials> {
    let time = Span { from: month.start(), to: month.end() };
    let part = |(term, part): (&Term, Span)| {
        let is_asked_for = term.first <= month;
        let price = monthly_price(term.plan.price, term.plan.months)?;
        let price = if is_asked_for { price } else { Rials::ZERO };
        Some(i128::from(price.0) * i128::from(part.length_us()))
    };
    let sum: Option<i128> = pieces(terms, time).into_iter().map(part).sum();
    let whole = i128::from(time.length_us());
    let price = sum.map(|sum| sum.div_euclid(whole) + i128::from(sum.rem_euclid(whole) > 0));
    price.and_then(|price| i64::try_from(price).ok()).map(Rials)
}

/// The period of a term that has a moment in it; `None` before its first.
pub fn period(term: &Term, at: Timestamp) -> Option<Span> {
    let since = term.first.until(PersianMonth::of(at));
    let past = u16::try_from(since).ok()?;
    let first = term.first.plus(past - past % term.plan.months);
    Some(Span { from: first.start(), to: first.plus(term.plan.months).start() })
}

/// Decides that a subscription with these terms gets another plan.
///
/// # Errors
/// Refused as [`Refusal`] says.
pub fn decide(terms: &[Term], plan: &Plan, when: When, now: Timestamp) -> Result<Decided, Refusal> {
    let holds = term_at(terms, now);
    let running = period(holds, now);
    let (from, first, rest) = match when {
        When::NextPeriod => {
            let month = running.map_or(holds.first, |running| PersianMonth::of(running.to));
            (month.start(), month, Rials::ZERO)
        }
        When::Now if plan.months != holds.plan.months || plan.price < holds.plan.price => {
            return Err(Refusal::OnlyNextPeriod);
        }
        When::Now => {
            let more = plan.price.0 - holds.plan.price.0;
            (now, holds.first, running.map_or(Rials::ZERO, |running| rest(more, running, now)))
        }
    };
    if term_at(terms, from).plan == *plan {
        return Err(Refusal::Same);
    }
    Ok(Decided { term: Term { plan: plan.clone(), from, first }, rest })
}

/// What so much more for a whole period comes to for its rest.
fn rest(more: i64, period: Span, now: Timestamp) -> Rials {
    let left = i128::from(period.to.us_since(now));
    let share = i128::from(more) * left / i128::from(period.length_us());
    Rials(i64::try_from(share).expect("a part of a period costs no more than all of it"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::agreement::scope::Paths;

    fn month(text: &str) -> PersianMonth {
        PersianMonth::parse(text).unwrap()
    }

    fn plan(name: &str, months: u16, price: i64) -> Plan {
        Plan {
            name: name.to_owned(),
            paths: Paths::ALL,
            months,
            price: Rials(price),
            tax_bp: 1000,
            due_days: 7,
            grace_days: 7,
        }
    }

    fn first(plan: Plan) -> Vec<Term> {
        vec![Term { plan, from: Timestamp(0), first: month("1405-09") }]
    }

    /// Half of Azar, which has 30 days, is half of the difference.
    #[test]
    fn a_dearer_plan_is_had_at_once_for_the_rest_of_the_period() {
        let mut terms = first(plan("a", 1, 1_000_000));
        let half = month("1405-09").start().plus_us(15 * 86_400_000_000);
        let dear = plan("b", 1, 1_500_001);
        let decided = decide(&terms, &dear, When::Now, half).unwrap();
        assert_eq!((decided.rest, decided.term.from), (Rials(250_000), half));
        terms.push(decided.term);
        assert_eq!(billed(&terms, month("1405-09")).unwrap().plan.name, "a");
        assert_eq!(billed(&terms, month("1405-10")).unwrap().plan.name, "b");
        assert_eq!(decide(&terms, &dear, When::NextPeriod, half), Err(Refusal::Same));
        // A month is paid back by what was asked for it, whatever is decided in its last minute.
        assert_eq!(price_of(&terms, month("1405-09")), Some(Rials(1_250_001)));
        assert_eq!(price_of(&terms, month("1405-08")), Some(Rials::ZERO), "it was on trial");
        assert_eq!(price_of(&terms, month("1405-10")), Some(Rials(1_500_001)));
        let last = month("1405-09").end().plus_us(-60_000_000);
        let fortune = plan("c", 1, 1_000_000_000);
        let mut late = first(plan("a", 1, 1_000_000));
        late.push(decide(&late, &fortune, When::Now, last).unwrap().term);
        assert_eq!(price_of(&late, month("1405-09")), Some(Rials(1_023_125)));
        let year = first(plan("y", 12, 12_000_001));
        assert_eq!(price_of(&year, month("1405-11")), Some(Rials(1_000_001)));
        let azar = Span { from: month("1405-09").start(), to: month("1405-09").end() };
        let names: Vec<(&str, i64)> = pieces(&terms, azar)
            .into_iter()
            .map(|(term, part)| (&*term.plan.name, part.length_us() / 86_400_000_000))
            .collect();
        assert_eq!(names, [("a", 15), ("b", 15)]);
    }

    #[test]
    fn what_costs_less_or_is_paid_otherwise_waits_for_the_next_period() {
        let terms = first(plan("a", 12, 12_000_000));
        let now = month("1405-11").start().plus_us(7);
        for other in [plan("b", 12, 11_999_999), plan("c", 1, 90_000_000)] {
            assert_eq!(decide(&terms, &other, When::Now, now), Err(Refusal::OnlyNextPeriod));
            let decided = decide(&terms, &other, When::NextPeriod, now).unwrap();
            assert_eq!((decided.rest, decided.term.first), (Rials::ZERO, month("1406-09")));
            let mut changed = terms.clone();
            changed.push(decided.term);
            assert_eq!(billed(&changed, month("1406-08")), None);
            assert_eq!(billed(&changed, month("1406-09")).unwrap().plan, other);
            let again = billed(&changed, month("1406-10")).map(|term| &term.plan);
            assert_eq!(again, (other.months == 1).then_some(&other));
        }
    }

    #[test]
    fn what_is_decided_last_replaces_what_has_not_begun() {
        let mut terms = first(plan("a", 1, 100));
        let now = month("1405-09").start().plus_us(1);
        for name in ["b", "a"] {
            let decided = decide(&terms, &plan(name, 1, 100), When::NextPeriod, now).unwrap();
            terms.push(decided.term);
        }
        assert_eq!(term_at(&terms, month("1406-01").start()).plan.name, "a");
        // Before anything is paid for, nothing is asked for a rest.
        let trial = first(plan("a", 1, 100));
        let early = month("1405-08").start();
        let decided = decide(&trial, &plan("b", 1, 500), When::Now, early).unwrap();
        assert_eq!((decided.rest, decided.term.first), (Rials::ZERO, month("1405-09")));
        let later = decide(&trial, &plan("b", 1, 500), When::NextPeriod, early).unwrap();
        assert_eq!(later.term.from, month("1405-09").start());
    }

    proptest! {
        /// However often a plan gets dearer within a period, all together asks for no more than the
        /// dearest for the time since the first change, and at most a rial less for each change.
        #[test]
        fn rests_add_up(
            steps in prop::collection::vec((0..2_592_000_i64, 0..1_000_000_i64), 1..6),
        ) {
            let mut terms = first(plan("0", 1, 1_000_000));
            let azar = Span { from: month("1405-09").start(), to: month("1405-09").end() };
            let mut moments: Vec<i64> = steps.iter().map(|(at, _)| *at).collect();
            moments.sort_unstable();
            let (mut asked, mut exact) = (0_i128, 0_i128);
            for (n, (second, (_, more))) in moments.into_iter().zip(&steps).enumerate() {
                let now = azar.from.plus_us(second * 1_000_000);
                let price = term_at(&terms, now).plan.price.0 + more;
                let other = plan(&format!("{}", n + 1), 1, price);
                let decided = decide(&terms, &other, When::Now, now).unwrap();
                asked += i128::from(decided.rest.0);
                exact += i128::from(*more) * i128::from(azar.to.us_since(now));
                terms.push(decided.term);
            }
            let whole = i128::from(azar.length_us());
            prop_assert!(asked * whole <= exact);
            prop_assert!((asked + i128::try_from(steps.len()).unwrap()) * whole > exact);
            let names: Vec<Span> = pieces(&terms, azar).into_iter().map(|(_, part)| part).collect();
            prop_assert_eq!(crate::calendar::span::union(names), vec![azar]);
        }
    }
}
