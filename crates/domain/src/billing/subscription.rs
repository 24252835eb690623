//! Subscriptions: what a customer pays for by the month, and whether it is in force (C18, C19).
//! Months are those of the Persian calendar, and an invoice is always for whole months.

use crate::agreement::scope::Paths;
use crate::calendar::month::PersianMonth;
use crate::calendar::span::{self, Span};
use crate::{Rials, Timestamp};

/// Longest name of a plan, bytes.
pub const NAME_MAX: usize = 200;
/// The most months that one invoice is for.
pub const MONTHS_MAX: u16 = 24;
/// The highest price of a plan.
pub const PRICE_MAX: Rials = Rials(1_000_000_000_000);
/// All of it, in hundredths of a percent.
pub const WHOLE_BP: u32 = 10_000;
/// The most days until an invoice is due, and after that until service stops.
pub const DAYS_MAX: u32 = 365;
const DAY_US: i64 = 86_400_000_000;

/// What can be subscribed to. A plan never changes: another price is another plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What it is called.
    pub name: String,
    /// Which parts of the service it gives.
    pub paths: Paths,
    /// For how many months each invoice is.
    pub months: u16,
    /// What such an invoice costs before discounts and tax.
    pub price: Rials,
    /// The tax on what is left of that, hundredths of a percent.
    pub tax_bp: u32,
    /// How many days after it was issued an invoice is due.
    pub due_days: u32,
    /// How many days after that the service stops.
    pub grace_days: u32,
}

/// Why something is no plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanRefusal {
    /// Its name is missing or longer than [`NAME_MAX`].
    Name,
    /// It gives no part of the service.
    Paths,
    /// For no months, or more than [`MONTHS_MAX`].
    Months,
    /// Its price is negative or above [`PRICE_MAX`].
    Price,
    /// The tax is more than there is.
    Tax,
    /// A time is longer than [`DAYS_MAX`].
    Days,
}

impl Plan {
    /// Whether it can be offered.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn validate(&self) -> Result<(), PlanRefusal> {
        if self.name.trim().is_empty() || self.name.len() > NAME_MAX || self.name.contains('\0') {
            Err(PlanRefusal::Name)
        } else if self.paths.is_empty() {
            Err(PlanRefusal::Paths)
        } else if !(1..=MONTHS_MAX).contains(&self.months) {
            Err(PlanRefusal::Months)
        } else if self.price < Rials::ZERO || self.price > PRICE_MAX {
            Err(PlanRefusal::Price)
        } else if self.tax_bp > WHOLE_BP {
            Err(PlanRefusal::Tax)
        } else if self.due_days.max(self.grace_days) > DAYS_MAX {
            Err(PlanRefusal::Days)
        } else {
            Ok(())
        }
    }

    /// Whether an invoice begins with this month, for who began with `first`.
    pub fn bills(&self, first: PersianMonth, month: PersianMonth) -> bool {
        let since = first.until(month);
        since >= 0 && since % i32::from(self.months) == 0
    }

    /// When an invoice is due.
    pub fn due_at(&self, issued_at: Timestamp) -> Timestamp {
        issued_at.plus_us(i64::from(self.due_days) * DAY_US)
    }

    /// When the service stops if an invoice that is due at this moment is not paid.
    pub fn stops_at(&self, due_at: Timestamp) -> Timestamp {
        due_at.plus_us(i64::from(self.grace_days) * DAY_US)
    }
}

/// Where a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It is in force, and nothing was to be paid yet.
    Trial,
    /// It is in force.
    Active,
    /// An invoice is overdue.
    PastDue,
    /// The service stopped because of that.
    Suspended,
    /// It is over.
    Ended,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Trial, Self::Active, Self::PastDue, Self::Suspended, Self::Ended];

    /// The word under which it is kept and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Trial => "trial",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Suspended => "suspended",
            Self::Ended => "ended",
        }
    }

    /// Reads such a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether it may go from here to there.
    pub fn may_become(self, next: Self) -> bool {
        use State as S;
        matches!(
            (self, next),
            (S::Trial | S::Suspended, S::Active | S::Ended)
                | (S::Active, S::PastDue | S::Ended)
                | (S::PastDue, S::Active | S::Suspended | S::Ended)
        )
    }

    /// Whether something is promised in it: what is not paid in time is not covered (C19).
    pub fn is_covered(self) -> bool {
        matches!(self, Self::Trial | Self::Active)
    }

    /// Whether invoices are made in it.
    pub fn is_billed(self) -> bool {
        matches!(self, Self::Trial | Self::Active | Self::PastDue)
    }
}

/// When something was promised, of a time: by the states that a subscription had, each since its
/// moment, in order.
pub fn coverage(history: &[(State, Timestamp)], time: Span) -> Vec<Span> {
    held(history, time, State::is_covered)
}

/// Whether invoices were made in any part of a time, by such states.
pub fn was_billed(history: &[(State, Timestamp)], time: Span) -> bool {
    !held(history, time, State::is_billed).is_empty()
}

/// The parts of a time in which such a state held.
fn held(history: &[(State, Timestamp)], time: Span, is_such: impl Fn(State) -> bool) -> Vec<Span> {
    let ends = history.iter().skip(1).map(|(_, at)| *at).chain([Timestamp(i64::MAX)]);
    let spans = history.iter().zip(ends).filter(|((state, _), _)| is_such(*state));
    let within = spans.filter_map(|((_, from), to)| Span::new(*from, to)?.within(time));
    span::union(within.collect())
}

/// Whether nothing was ever asked for, by the states that a subscription had: it ended on trial.
pub fn ended_on_trial(history: &[(State, Timestamp)]) -> bool {
    history.last().is_some_and(|(state, _)| *state == State::Ended)
        && history.iter().all(|(state, _)| matches!(state, State::Trial | State::Ended))
}

/// How a subscription goes on that stopped at a moment for want of money, once all of that is
/// there: it was not in force while any invoice was overdue, and each such time counts once,
/// however many were overdue in it. In between it was, whenever we learned of that (C19).
pub fn resumption(stopped_at: Timestamp, overdue: &[Span]) -> Vec<(State, Timestamp)> {
    let since = Span { from: stopped_at, to: Timestamp(i64::MAX) };
    let overdue = span::union(overdue.iter().filter_map(|one| one.within(since)).collect());
    let (mut steps, mut paid_at) = (Vec::new(), stopped_at);
    for late in overdue {
        if late.from > paid_at {
            steps.extend([(State::Active, paid_at), (State::PastDue, late.from)]);
        }
        paid_at = late.to;
    }
    steps.push((State::Active, paid_at));
    steps
}

/// How the history of a subscription that is over is made up for: wherever no invoice was overdue
/// before it ended, it was in force, whenever we learned of that (C19). It ends again at its end,
/// so that it never stands anywhere else. Nothing is taken away, and nothing is needed twice.
pub fn repair(history: &[(State, Timestamp)], overdue: &[Span]) -> Vec<(State, Timestamp)> {
    let (Some((_, from)), Some((State::Ended, to))) = (history.first(), history.last()) else {
        return Vec::new();
    };
    let Some(time) = Span::new(*from, *to) else { return Vec::new() };
    let mut known = coverage(history, time);
    known.extend(overdue.iter().filter_map(|late| late.within(time)));
    let (mut steps, mut since) = (Vec::new(), time.from);
    for span in span::union(known) {
        if since < span.from {
            steps.extend([(State::Active, since), (State::PastDue, span.from)]);
        }
        since = span.to;
    }
    if since < time.to {
        steps.push((State::Active, since));
    }
    if !steps.is_empty() {
        steps.push((State::Ended, time.to));
    }
    steps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn month(text: &str) -> PersianMonth {
        PersianMonth::parse(text).unwrap()
    }

    fn plan(months: u16) -> Plan {
        Plan {
            name: "basic".to_owned(),
            paths: Paths::ALL,
            months,
            price: Rials(1_000_000),
            tax_bp: 1000,
            due_days: 7,
            grace_days: 10,
        }
    }

    #[test]
    fn what_cannot_be_is_no_plan() {
        let refused = |change: fn(&mut Plan)| {
            let mut plan = plan(1);
            change(&mut plan);
            plan.validate()
        };
        assert_eq!(refused(|_| ()), Ok(()));
        assert_eq!(refused(|plan| plan.name = " ".to_owned()), Err(PlanRefusal::Name));
        assert_eq!(refused(|plan| plan.paths = Paths::NONE), Err(PlanRefusal::Paths));
        assert_eq!(refused(|plan| plan.months = 0), Err(PlanRefusal::Months));
        assert_eq!(refused(|plan| plan.months = 25), Err(PlanRefusal::Months));
        assert_eq!(refused(|plan| plan.price = Rials(-1)), Err(PlanRefusal::Price));
        assert_eq!(refused(|plan| plan.price.0 = PRICE_MAX.0 + 1), Err(PlanRefusal::Price));
        assert_eq!(refused(|plan| plan.tax_bp = 10_001), Err(PlanRefusal::Tax));
        assert_eq!(refused(|plan| plan.grace_days = 366), Err(PlanRefusal::Days));
    }

    #[test]
    fn an_invoice_begins_with_every_so_many_months() {
        let first = month("1405-11");
        let months = |count| {
            let of = plan(count);
            let later = |past: &u16| of.bills(first, first.plus(*past));
            (0..30_u16).filter(later).collect::<Vec<_>>()
        };
        assert_eq!(months(12), [0, 12, 24]);
        assert_eq!(months(1).len(), 30);
        assert!(!plan(1).bills(first, month("1405-10")));
    }

    #[test]
    fn what_is_not_paid_in_time_is_not_covered() {
        use State as S;
        let at = |n: i64| Timestamp(n);
        let history =
            [(S::Trial, at(10)), (S::Active, at(20)), (S::PastDue, at(30)), (S::Active, at(50))];
        let of = |from, to| coverage(&history, Span { from: at(from), to: at(to) });
        let span = |from, to| Span { from: at(from), to: at(to) };
        assert_eq!(of(0, 100), [span(10, 30), span(50, 100)]);
        assert_eq!(of(25, 40), [span(25, 30)]);
        assert_eq!(of(30, 50), []);
        assert_eq!(coverage(&[], span(0, 1)), []);
    }

    proptest! {
        /// Moment by moment: covered is what was before it stopped, and since then whenever no
        /// invoice was overdue.
        #[test]
        fn overdue_times_count_once(
            stopped in 0..30_i64,
            late in prop::collection::vec((0..60_i64, 1..20_i64), 0..6),
        ) {
            let spans: Vec<Span> = late.iter()
                .map(|(from, us)| Span { from: Timestamp(*from), to: Timestamp(from + us) })
                .collect();
            let at = Timestamp(stopped);
            let mut history = vec![(State::Active, Timestamp(-1)), (State::PastDue, at)];
            for (state, at) in resumption(at, &spans) {
                prop_assert!(history.last().unwrap().0.may_become(state));
                history.push((state, at));
            }
            let covered = coverage(&history, Span { from: Timestamp(-1), to: Timestamp(100) });
            for moment in (0..100).map(Timestamp) {
                let is_late = spans.iter().any(|one| one.contains(moment));
                let is_covered = covered.iter().any(|one| one.contains(moment));
                prop_assert_eq!(is_covered, moment < at || !is_late, "{:?}", moment);
            }
        }

        /// Moment by moment: what is over was in force whenever it was, or no invoice was overdue.
        #[test]
        fn what_is_over_is_made_up_for_once(
            ended in 10..60_i64,
            stops in prop::collection::vec((0..30_i64, 1..20_i64), 0..4),
            late in prop::collection::vec((0..60_i64, 1..20_i64), 0..4),
        ) {
            let (at, mut now) = (Timestamp, 1);
            let mut history = vec![(State::Active, at(0))];
            for (before, past_due) in stops {
                history.push((State::PastDue, at(now + before)));
                history.push((State::Active, at(now + before + past_due)));
                now += before + past_due;
            }
            history.retain(|(_, at)| at.0 < ended);
            history.push((State::Ended, at(ended)));
            let spans: Vec<Span> = late.iter()
                .map(|(from, us)| Span { from: at(*from), to: at(from + us) })
                .collect();
            let all = Span { from: at(0), to: at(100) };
            let before = coverage(&history, all);
            history.extend(repair(&history, &spans));
            prop_assert_eq!(history.last(), Some(&(State::Ended, at(ended))));
            let after = coverage(&history, all);
            for moment in (0..100).map(at) {
                let of = |spans: &[Span]| spans.iter().any(|one| one.contains(moment));
                let expected = of(&before) || (moment < at(ended) && !of(&spans));
                prop_assert_eq!(of(&after), expected, "{:?}", moment);
            }
            prop_assert_eq!(repair(&history, &spans), vec![]);
        }

        /// No way leads out of an ended subscription, and every word is read again.
        #[test]
        fn states_only_go_their_ways(moves in prop::collection::vec(0..5_usize, 0..20)) {
            let mut state = State::Trial;
            let mut ended = false;
            for place in moves {
                let next = State::ALL[place];
                prop_assert_eq!(State::parse(next.word()), Some(next));
                if state.may_become(next) {
                    prop_assert!(!ended && next != State::Trial);
                    state = next;
                    ended = state == State::Ended;
                }
            }
        }
    }
}
