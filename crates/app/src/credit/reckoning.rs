//! What the statement of a month pays back for each subscription, and the credits that follow.

use domain::agreement::availability::Verdict;
use domain::agreement::claim::Track;
use domain::agreement::compensation::Measured;
use domain::agreement::credit::{Correction, CreditKey, Move, correction};
use domain::agreement::scope::Paths;
use domain::agreement::statement::{Figure, Inputs};
use domain::billing::plan_change::pieces;
use domain::billing::subscription::coverage;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{Rials, Timestamp};
use sha2::{Digest as _, Sha256};
use store::Tx;
use store::credit::{Basis, By, Kept, Moved, NewCredit};
use store::month_statement::{MonthStatement, Terms};
use store::subscription::Subscription;

use super::{Lost, take};
use crate::compensation::{But, Published, asked_for, left_of_month};
use crate::violation::MACHINE;
use crate::{Error, Failure, Result};

/// What a month pays back for a subscription, what that is computed from, and the text of it.
type Computed = (Rials, Basis, String);

/// What decides the credits of a month.
pub(super) struct Rules<'a> {
    pub(super) now: Timestamp,
    pub(super) in_time: bool,
    pub(super) verdict: Option<Verdict>,
    pub(super) published: &'a Published,
}

impl Rules<'_> {
    /// Whether nothing follows yet: evidence may decide it, or there is no schedule, and no number
    /// is invented.
    pub(super) fn waits(&self, month: PersianMonth) -> bool {
        match self.verdict {
            Some(Verdict::Undetermined) => true,
            Some(Verdict::Breached) => self.published.in_force(month).is_none(),
            _ => false,
        }
    }

    /// Makes the credits of an account what its statement says, unless there is a newer one. Two
    /// who do it at once come one after the other, and the second sees what the first did. It is
    /// noted under what that was: once the time for evidence is over, or another schedule is in
    /// force, the same statement is looked at again.
    pub(super) async fn follow(
        &self,
        tx: &mut Tx,
        statement: &MonthStatement,
    ) -> Result<u64, Lost> {
        let Some(account) = statement.account else { return Ok(0) };
        store::account::lock(tx, account).await?;
        let written = store::month_statement::of_month(tx, Some(account), statement.month).await?;
        if written.last().map(|last| last.revision) != Some(statement.revision) {
            return Ok(0);
        }
        let text = store::month_statement::inputs(tx, &statement.digest).await?;
        let inputs = text.as_deref().and_then(Inputs::parse);
        let inputs = inputs.ok_or(Failure::of("reading what a month was computed from"))?;
        let subscriptions = store::subscription::of_accounts(tx, account, account).await?;
        let asked = asked_for_by(&written);
        let (mut revision, mut proposed) = (statement.revision, 0);
        for (subscription, computed) in self.reckon(&inputs, &subscriptions) {
            let (amount, basis) = match computed {
                Some((amount, basis, text)) => {
                    store::month_statement::keep_inputs(tx, &basis.digest, &text).await?;
                    (amount, Some(basis))
                }
                None => (Rials::ZERO, None),
            };
            let of = (statement, asked, &mut revision);
            proposed += self.correct(tx, of, subscription, amount, basis).await?;
        }
        let terms = Terms { schedule: self.schedule(statement.month), is_late: !self.in_time };
        let of = (account, statement.month);
        store::month_statement::note_reckoned(tx, of, revision, terms).await?;
        Ok(proposed)
    }

    /// What a month pays back for each of these subscriptions of an account, and what that is
    /// computed from; `None` for those that it pays nothing for.
    fn reckon<'s>(
        &self,
        inputs: &Inputs,
        subscriptions: &'s [Subscription],
    ) -> Vec<(&'s Subscription, Option<Computed>)> {
        let breached = self.verdict == Some(Verdict::Breached);
        let of = |one| (one, breached.then(|| self.computed(inputs, one)).flatten());
        subscriptions.iter().map(of).collect()
    }

    /// What a month that was breached pays back for a subscription.
    fn computed(&self, inputs: &Inputs, subscription: &Subscription) -> Option<Computed> {
        let (schedule, rules) = self.published.in_force(inputs.month)?;
        let price = asked_for(subscription, inputs.month)?;
        let own = narrowed(inputs, subscription);
        let amount = |measured: &Measured| rules.draft().amount(price, measured);
        let (amount, of, figure) = better(inputs, &own, self.in_time, amount)?;
        let text = of.to_text();
        let digest = Sha256::digest(&text).to_vec();
        Some((amount, Basis { price, schedule, digest, figure }, text))
    }

    /// The number of the schedule in force for a month; 0 for none.
    fn schedule(&self, month: PersianMonth) -> u32 {
        self.published.in_force(month).map_or(0, |(number, _)| number)
    }

    /// Writes the statement down once more, as it is: a credit is one for each revision (I09), and
    /// the same statement pays more than it did. The answer is the revision.
    async fn write_again(
        &self,
        tx: &mut Tx,
        statement: &MonthStatement,
        paid_by: Option<u32>,
    ) -> Result<u32, Lost> {
        let schedule = self.schedule(statement.month);
        let reason = if paid_by == Some(schedule) {
            "the time for evidence is over, so what is unknown counts".to_owned()
        } else {
            format!("schedule {schedule} pays more")
        };
        let revised = MonthStatement {
            revision: statement.revision + 1,
            made_at: self.now,
            signed: Some((reason, MACHINE.to_owned())),
            ..statement.clone()
        };
        if store::month_statement::insert(tx, &revised).await? {
            Ok(revised.revision)
        } else {
            Err(Error::Refused(Lost))
        }
    }

    /// Brings what the month paid back so far to this amount, only by opposites. What was made
    /// since a person `asked` for it is only raised, and not where staff has refused it since.
    async fn correct(
        &self,
        tx: &mut Tx,
        (statement, asked, revision): (&MonthStatement, &MonthStatement, &mut u32),
        subscription: &Subscription,
        computed: Rials,
        basis: Option<Basis>,
    ) -> Result<u64, Lost> {
        let (account, but) = (subscription.account, But::Automatic(subscription.id));
        let left = left_of_month(tx, self.published, (account, statement.month), but).await?;
        let schedule = self.published.in_force(statement.month).map(|(_, rules)| rules.draft());
        let amount = match left {
            Some(left) if left < computed => schedule.map_or(left, |rules| rules.at_least(left)),
            _ => computed,
        };
        let mut earlier = store::credit::of_subscription(tx, subscription.id).await?;
        earlier.retain(|kept| {
            let key = kept.new.key;
            (key.month, key.track) == (statement.month, Track::Availability)
        });
        let Correction { take_back, propose } =
            correction(earlier.iter().map(|kept| &kept.credit), amount);
        let is_again = earlier.iter().any(|kept| kept.new.key.revision >= asked.revision);
        let is_refused = earlier.iter().any(|kept| refusal(kept, asked).is_some());
        if is_again && (take_back || is_refused) {
            return Ok(0);
        }
        let of_it = |kept: &&Kept| kept.new.key.revision == statement.revision;
        let before = earlier.iter().find(of_it);
        let paid_by = before.map(|kept| kept.new.basis.as_ref().map(|basis| basis.schedule));
        let reason = format!("revision {} of the month", statement.revision);
        let by = By { at: self.now, actor: MACHINE, reason: &reason };
        for kept in earlier.iter_mut().filter(|_| take_back) {
            take(tx, kept, by).await?;
        }
        let refused = earlier.iter().map(|kept| refused_by_staff(kept, asked)).sum::<i64>();
        let propose = Rials((propose.0 - refused).max(0));
        if propose == Rials::ZERO {
            return Ok(0);
        }
        if let Some(paid_by) = paid_by.filter(|_| *revision == statement.revision) {
            *revision = self.write_again(tx, statement, paid_by).await?;
        }
        let review_hours = schedule.map_or(0, |rules| rules.review_hours);
        let new = NewCredit {
            key: CreditKey {
                account: subscription.account,
                subscription: subscription.id,
                month: statement.month,
                paths: subscription.plan_of(statement.month).plan.paths,
                track: Track::Availability,
                revision: *revision,
            },
            amount: propose,
            computed,
            basis,
            proposed_at: self.now,
            owed_from: self.now.plus_us(i64::from(review_hours) * 3_600_000_000),
        };
        Ok(u64::from(store::credit::insert(tx, &new).await?.is_some()))
    }
}

/// The amount of a subscription in a month that was breached, and what it is computed from. The
/// promise is made to the subscriber (C07), so a subscription of which anything was missing is paid
/// back by the figure of all that the subscriber missed, or by its own where that breaches the
/// month alone and pays more (C29). So who misses more never gets less (I10). `None` when nothing
/// of it was missing.
fn better<'i>(
    inputs: &'i Inputs,
    own: &'i Inputs,
    in_time: bool,
    amount: impl Fn(&Measured) -> Rials,
) -> Option<(Rials, &'i Inputs, Figure)> {
    let by = |of: &'i Inputs| {
        let figure = of.breach(in_time)?;
        let missed = own.measured(figure).is_some_and(|measured| measured.down_us > 0);
        missed.then_some((amount(&of.measured(figure)?), of, figure))
    };
    // Of two that are the same, its own.
    [by(inputs), by(own)].into_iter().flatten().max_by_key(|(amount, ..)| *amount)
}

/// What of a subscriber's month concerns one of its subscriptions.
fn narrowed(inputs: &Inputs, subscription: &Subscription) -> Inputs {
    let time = Span { from: inputs.month.start(), to: inputs.month.end() };
    let covered = coverage(&subscription.history(), time);
    let terms = subscription.terms();
    let held = pieces(&terms, time).into_iter();
    let held: Vec<(Paths, Span)> = held.map(|(term, part)| (term.plan.paths, part)).collect();
    match &held[..] {
        [(paths, _)] => inputs.narrowed(*paths, &covered),
        several => inputs.narrowed_by(several, &covered),
    }
}

/// The statement that a person signed last, or the first one: those after it were written by the
/// machine, and ask for nothing that staff has refused meanwhile.
fn asked_for_by(written: &[MonthStatement]) -> &MonthStatement {
    let by_person = |one: &&MonthStatement| {
        one.signed.as_ref().is_some_and(|(_, signer)| signer.as_str() != MACHINE)
    };
    written.iter().rev().find(by_person).unwrap_or(&written[0])
}

/// The last time that staff waived or reversed a credit, unless a person has asked for it since.
fn refusal<'k>(kept: &'k Kept, asked: &MonthStatement) -> Option<&'k Moved> {
    let by_staff = |moved: &&Moved| {
        matches!(moved.done, Move::Waive | Move::Reverse) && moved.actor != MACHINE
    };
    kept.moves.iter().rev().find(by_staff).filter(|moved| moved.at >= asked.made_at)
}

/// How much of a credit staff waived or reversed, so that this statement does not bring it back.
/// Whoever signs a revision after it asks for all of it again (I09).
fn refused_by_staff(kept: &Kept, asked: &MonthStatement) -> i64 {
    match refusal(kept, asked) {
        Some(_) => kept.credit.amount().0 - kept.credit.given().0,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use domain::AccountId;
    use domain::agreement::availability::{Evidence, Facts, Seen, Standing};
    use domain::agreement::compensation::Draft;
    use domain::agreement::parameter::Parameters;
    use domain::agreement::scope::Scope;
    use proptest::prelude::*;

    use super::*;

    const RISING: [&str; 2] = [
        "shape = percent-by-availability\nborder = lower\ncap_bp = 10000\nleast_rials = 0\n\
         review_hours = 0\nrow = 0 990000 2500\nrow = 990000 995800 1000\n\
         row = 995800 1000000 0\n",
        "shape = multiple-of-excess\nborder = lower\ncap_bp = 10000\nleast_rials = 0\n\
         review_hours = 0\ntimes_hundredths = 1000\n",
    ];

    /// What a month pays back for a subscription of the panel and for one of the API, each away for
    /// so many hours, at once or not.
    fn paid(rules: &Draft, hours: [i64; 2], at_once: bool) -> [Rials; 2] {
        const HOUR_US: i64 = 3_600_000_000;
        let month = PersianMonth::parse("1405-09").unwrap();
        let whole = Span { from: month.start(), to: month.end() };
        let paths = ["panel", "api"].map(|path| Paths::parse(path).unwrap());
        let mut evidence = Vec::new();
        for (place, (paths, hours)) in paths.into_iter().zip(hours).enumerate() {
            let day = if at_once { 3 } else { 3 + i64::try_from(place).unwrap() };
            let from = whole.from.plus_us(day * 24 * HOUR_US);
            let mut see = |seen, from, to| {
                let span = Span::new(from, to)?;
                evidence.push(Evidence { seen, paths, scope: Scope::everyone(), span });
                Some(())
            };
            let to = from.plus_us(hours * HOUR_US);
            see(Seen::Up, whole.from, from);
            see(Seen::Down, from, to);
            see(Seen::Up, to, whole.to);
        }
        let facts = Facts { evidence, windows: Vec::new(), excluded: Vec::new() };
        let entitlements = paths.map(|paths| (paths, whole)).to_vec();
        let standing = Standing { entitlements, ..Standing::full(Some(AccountId(1)), whole) };
        let of = (1, &Parameters::first());
        let inputs = Inputs::gather(month, month.end(), of, &standing, &facts).unwrap();
        paths.map(|paths| {
            let own = inputs.narrowed(paths, &[whole]);
            let amount = |measured: &Measured| rules.amount(Rials(1_000_000), measured);
            better(&inputs, &own, true, amount).map_or(Rials::ZERO, |(amount, ..)| amount)
        })
    }

    proptest! {
        /// I10, C29: whatever is unknown, an hour more that is down, or that is known to be down,
        /// pays neither subscription less; nor does it once the time for evidence is over.
        #[test]
        fn downtime_pays_no_less_whatever_is_unknown(
            seen in proptest::collection::vec([0_u8..4, 0_u8..4], 12),
            (hour, path) in (0_usize..12, 0_usize..2),
            shape in 0_usize..2,
        ) {
            let rules = Draft::parse(RISING[shape], "Maryam").unwrap();
            let mut more = seen.clone();
            more[hour][path] = 0;
            let [soon, late] = [true, false].map(|in_time| paid_by_hours(&rules, &seen, in_time));
            for (in_time, before) in [(true, soon), (false, late)] {
                let after = paid_by_hours(&rules, &more, in_time);
                for path in 0..2 {
                    prop_assert!(after[path] >= before[path], "{before:?} {after:?} {in_time}");
                }
            }
            prop_assert!(soon[0] <= late[0] && soon[1] <= late[1], "{soon:?} {late:?}");
        }
    }

    /// What a month pays back for a subscription of the panel and for one of the API of which so
    /// much was seen hour by hour (0 down, 1 nothing, else up), and that was up after that.
    fn paid_by_hours(rules: &Draft, seen: &[[u8; 2]], in_time: bool) -> [Rials; 2] {
        const HOUR_US: i64 = 3_600_000_000;
        let month = PersianMonth::parse("1405-09").unwrap();
        let whole = Span { from: month.start(), to: month.end() };
        let paths = ["panel", "api"].map(|path| Paths::parse(path).unwrap());
        let mut evidence = Vec::new();
        let mut at = whole.from;
        let scope = Scope::everyone;
        for hour in seen {
            let span = Span { from: at, to: at.plus_us(HOUR_US) };
            for (paths, state) in paths.into_iter().zip(hour) {
                let seen = match state {
                    0 => Seen::Down,
                    1 => continue,
                    _ => Seen::Up,
                };
                evidence.push(Evidence { seen, paths, scope: scope(), span });
            }
            at = span.to;
        }
        let span = Span { from: at, to: whole.to };
        evidence.push(Evidence { seen: Seen::Up, paths: Paths::ALL, scope: scope(), span });
        let facts = Facts { evidence, windows: Vec::new(), excluded: Vec::new() };
        let entitlements = paths.map(|paths| (paths, whole)).to_vec();
        let standing = Standing { entitlements, ..Standing::full(Some(AccountId(1)), whole) };
        let of = (1, &Parameters::first());
        let inputs = Inputs::gather(month, month.end(), of, &standing, &facts).unwrap();
        paths.map(|paths| {
            let own = inputs.narrowed(paths, &[whole]);
            let amount = |measured: &Measured| rules.amount(Rials(1_000_000), measured);
            better(&inputs, &own, in_time, amount).map_or(Rials::ZERO, |(amount, ..)| amount)
        })
    }

    /// I10, C29: whichever subscription is away for longer, neither gets less; which was not away
    /// gets nothing.
    #[test]
    fn more_downtime_never_pays_a_subscription_less() {
        for text in RISING {
            let rules = Draft::parse(text, "Maryam").unwrap();
            for at_once in [false, true] {
                for (panel, api) in (0..9).flat_map(|panel| (0..9).map(move |api| (panel, api))) {
                    let less = paid(&rules, [panel, api], at_once);
                    for more in [[panel + 1, api], [panel, api + 1]] {
                        let of_more = paid(&rules, more, at_once);
                        let falls = less.iter().zip(of_more).any(|(less, more)| more < *less);
                        assert!(!falls, "{panel} {api} {more:?}: {less:?} {of_more:?}");
                    }
                    for (hours, paid) in [panel, api].into_iter().zip(less) {
                        assert!(hours > 0 || paid == Rials::ZERO, "{panel} {api}: {less:?}");
                    }
                }
            }
            let sums = [[2, 2], [2, 6]].map(|hours| paid(&rules, hours, false));
            assert!(sums[0].iter().all(|one| *one > Rials::ZERO), "{sums:?}");
            assert!(sums[1].iter().all(|one| *one > Rials::ZERO), "{sums:?}");
        }
    }
}
