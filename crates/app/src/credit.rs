//! Credits: proposed from months that are breached, owed after they could be looked at, and taken
//! off invoices. All of it can be done again, or on two nodes at once, and is done once.

mod committee;

use domain::agreement::availability::Verdict;
use domain::agreement::claim::Track;
use domain::agreement::compensation::Measured;
use domain::agreement::credit::{Correction, CreditKey, Move, Refusal, State, correction};
use domain::agreement::scope::Paths;
use domain::agreement::statement::{Figure, Inputs};
use domain::billing::plan_change::pieces;
use domain::billing::subscription::{State as Subscribed, coverage};
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Rials, Timestamp};
use sha2::{Digest as _, Sha256};
use store::Tx;
use store::credit::{Basis, By, NewCredit};
pub use store::credit::{Kept, Moved};
use store::month_statement::MonthStatement;
use store::subscription::Subscription;

pub(crate) use self::committee::{NOT_IN_TIME, hand_over};
pub use self::committee::{hand_over_due, with_committee};
use crate::agreement::Held;
use crate::availability::months_back;
use crate::compensation::{But, Published, asked_for, left_of_month};
use crate::violation::{self, MACHINE};
use crate::{App, Error, Failure, Result};

/// Longest name or reason, bytes.
pub const TEXT_MAX: usize = 2000;
/// Statements or credits that are read at once.
const BATCH: u32 = 200;

/// Why nothing was done to a credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreditRefusal {
    /// There is no credit of that number.
    NoSuchCredit,
    /// The rules of credits speak against it.
    Rule(Refusal),
    /// A text is missing or too long.
    Text(&'static str),
    /// Something else happened to it at this moment.
    Meanwhile,
}

/// What staff does to a credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Leaves it to the committee whether it is owed.
    Hold,
    /// Owes it now.
    Post,
    /// Gives it up.
    Waive,
    /// Takes back what is left of it.
    Reverse,
    /// Has paid it out, as the committee decided.
    PayOut,
}

/// Another node did it at this moment.
pub(crate) struct Lost;

/// A failure of the store in what the machine does; a conflict only says that another was first.
pub(crate) fn lost(error: store::Error) -> Error<Lost> {
    match error {
        store::Error::Conflict(_) => Error::Refused(Lost),
        error => error.into(),
    }
}

/// What came of a try, where to lose to another node is as good.
pub(crate) fn or_lost<T: Default>(tried: Result<T, Lost>) -> std::result::Result<T, Failure> {
    match tried {
        Ok(value) => Ok(value),
        Err(Error::Refused(Lost)) => Ok(T::default()),
        Err(Error::Failed(failure)) => Err(failure),
    }
}

/// Proposes what breached months pay back, and follows their revisions: of every month that is
/// frozen by itself. The answer is how many credits were proposed.
///
/// # Errors
/// The database failed.
pub async fn propose_due(app: &App) -> std::result::Result<u64, Failure> {
    let mut proposed = 0;
    for month in months_back(app.now()) {
        let mut after = AccountId(0);
        loop {
            let mut reads = app.read().await?;
            let statements =
                store::month_statement::to_credit(&mut reads, month, after, BATCH).await?;
            drop(reads);
            let Some(last) = statements.last() else { break };
            after = last.number();
            proposed += propose_of(app, month, &statements).await?;
        }
    }
    Ok(proposed)
}

/// Proposes what these statements of a month pay back, each as long as it is the last of its
/// account: they were read before, and another node may have gone on meanwhile. The answer is how
/// many credits were proposed.
///
/// # Errors
/// The database failed.
pub async fn propose_of(
    app: &App,
    month: PersianMonth,
    statements: &[MonthStatement],
) -> std::result::Result<u64, Failure> {
    let now = app.now();
    let mut reads = app.read().await?;
    let (held, published) = (Held::read(&mut reads).await?, Published::read(&mut reads).await?);
    drop(reads);
    let in_time = violation::in_time(&held, month, now)?;
    let mut proposed = 0;
    for statement in statements {
        let verdict = violation::standing(&held, statement, now)?;
        let rules = Rules { now, in_time, verdict, published: &published };
        if rules.waits(month) {
            continue;
        }
        let tried = app.write(async |tx| rules.follow(tx, statement).await).await;
        proposed += or_lost(tried)?;
    }
    Ok(proposed)
}

/// What a month pays back for a subscription, what that is computed from, and the text of it.
type Computed = (Rials, Basis, String);

/// What decides the credits of a month.
struct Rules<'a> {
    now: Timestamp,
    in_time: bool,
    verdict: Option<Verdict>,
    published: &'a Published,
}

impl Rules<'_> {
    /// Whether nothing follows yet: evidence may decide it, or there is no schedule, and no number
    /// is invented.
    fn waits(&self, month: PersianMonth) -> bool {
        match self.verdict {
            Some(Verdict::Undetermined) => true,
            Some(Verdict::Breached) => self.published.in_force(month).is_none(),
            _ => false,
        }
    }

    /// Makes the credits of an account what its statement says, unless there is a newer one. Two
    /// who do it at once come one after the other, and the second sees what the first did.
    async fn follow(&self, tx: &mut Tx, statement: &MonthStatement) -> Result<u64, Lost> {
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
        let mut proposed = 0;
        for (subscription, computed) in self.reckon(&inputs, &subscriptions) {
            let (amount, basis) = match computed {
                Some((amount, basis, text)) => {
                    store::month_statement::keep_inputs(tx, &basis.digest, &text).await?;
                    (amount, Some(basis))
                }
                None => (Rials::ZERO, None),
            };
            proposed += self.correct(tx, statement, subscription, amount, basis).await?;
        }
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

    /// Brings what the month paid back so far to this amount, only by opposites.
    async fn correct(
        &self,
        tx: &mut Tx,
        statement: &MonthStatement,
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
        let reason = format!("revision {} of the month", statement.revision);
        let by = By { at: self.now, actor: MACHINE, reason: &reason };
        for kept in earlier.iter_mut().filter(|_| take_back) {
            take(tx, kept, by).await?;
        }
        let refused = earlier.iter().map(|kept| refused_by_staff(kept, statement)).sum::<i64>();
        let propose = Rials((propose.0 - refused).max(0));
        if propose == Rials::ZERO {
            return Ok(0);
        }
        let review_hours = schedule.map_or(0, |rules| rules.review_hours);
        let new = NewCredit {
            key: CreditKey {
                account: subscription.account,
                subscription: subscription.id,
                month: statement.month,
                paths: subscription.plan_of(statement.month).plan.paths,
                track: Track::Availability,
                revision: statement.revision,
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

/// How much of a credit staff waived or reversed, so that this statement does not bring it back: it
/// was written down before that, or by the machine. Whoever signs a revision after it asks for all
/// of it again (I09).
fn refused_by_staff(kept: &Kept, statement: &MonthStatement) -> i64 {
    let by_staff = |moved: &&Moved| {
        matches!(moved.done, Move::Waive | Move::Reverse) && moved.actor != MACHINE
    };
    let signer = statement.signed.as_ref().map_or(MACHINE, |(_, signer)| signer.as_str());
    let holds = |moved: &Moved| signer == MACHINE || moved.at >= statement.made_at;
    match kept.moves.iter().rev().find(by_staff) {
        Some(moved) if holds(moved) => kept.credit.amount().0 - kept.credit.given().0,
        _ => 0,
    }
}

/// Takes a credit back, as far as it was not given.
pub(crate) async fn take(tx: &mut Tx, kept: &mut Kept, by: By<'_>) -> Result<(), Lost> {
    let (done, posting) = match kept.credit.state() {
        State::Proposed | State::Held => (Move::Waive, kept.credit.waive(by.reason).map(|()| None)),
        State::Posted | State::WithCommittee => {
            (Move::Reverse, kept.credit.reverse(by.reason).map(Some))
        }
        State::Waived | State::Closed | State::Reversed => return Ok(()),
    };
    let posting = posting.expect("it follows where the credit stands, with a reason");
    keep(tx, kept, done, posting, by).await.map_err(lost)
}

/// Keeps a move that the credit has made.
pub(crate) async fn keep(
    tx: &mut Tx,
    kept: &mut Kept,
    done: Move,
    posting: Option<domain::agreement::credit::Posting>,
    by: By<'_>,
) -> store::Result<()> {
    store::credit::insert_move(tx, kept.id, kept.moves.len(), done, posting, by).await?;
    kept.moves.push(Moved {
        done,
        posting: posting.map(|one| (one.debit.to_string(), one.credit.to_string(), one.amount)),
        at: by.at,
        actor: by.actor.to_owned(),
        reason: by.reason.to_owned(),
    });
    Ok(())
}

/// Owes what was proposed and could be looked at for long enough. The answer is how much was.
///
/// # Errors
/// The database failed.
pub async fn post_due(app: &App) -> std::result::Result<u64, Failure> {
    let now = app.now();
    let (mut after, mut posted) = (0, 0);
    loop {
        let due = store::credit::due(&mut app.read().await?, now, after, BATCH).await?;
        let Some(last) = due.last() else { return Ok(posted) };
        after = *last;
        for id in due {
            let by = By { at: now, actor: MACHINE, reason: "" };
            let tried = app.write(async |tx| {
                let Some(mut kept) = store::credit::find(tx, id).await? else { return Ok(0) };
                let Ok(posting) = kept.credit.post() else { return Ok(0) };
                keep(tx, &mut kept, Move::Post, Some(posting), by).await.map_err(lost)?;
                let subscription = kept.new.key.subscription;
                let found = store::subscription::find(tx, subscription).await?;
                if found.is_some_and(|subscription| subscription.state() == Subscribed::Ended) {
                    hand_over(tx, subscription, now).await.map_err(lost)?;
                }
                Ok(1)
            });
            posted += or_lost(tried.await)?;
        }
    }
}

/// Does something to a credit, by staff.
///
/// # Errors
/// Refused as [`CreditRefusal`] says.
pub async fn change(
    app: &App,
    id: i64,
    step: Step,
    actor: &str,
    reason: &str,
) -> Result<Kept, CreditRefusal> {
    said(actor, "name")?;
    said(reason, "reason")?;
    let by = By { at: app.now(), actor, reason };
    app.write(async |tx| {
        let none = || Error::Refused(CreditRefusal::NoSuchCredit);
        let account = store::credit::find(tx, id).await?.ok_or_else(none)?.new.key.account;
        // Who adds up what a month pays back sees all of it, before or after.
        store::account::lock(tx, account).await?;
        let mut kept = store::credit::find(tx, id).await?.ok_or_else(none)?;
        let credit = &mut kept.credit;
        let (done, moved) = match step {
            Step::Hold => (Move::Hold, credit.hold().map(|()| None)),
            Step::Post => (Move::Post, credit.post().map(Some)),
            Step::Waive => (Move::Waive, credit.waive(reason).map(|()| None)),
            Step::Reverse => (Move::Reverse, credit.reverse(reason).map(Some)),
            Step::PayOut => (Move::PayOut, credit.pay_out().map(Some)),
        };
        let posting = moved.map_err(|rule| Error::Refused(CreditRefusal::Rule(rule)))?;
        match keep(tx, &mut kept, done, posting, by).await {
            Err(store::Error::Conflict(_)) => Err(Error::Refused(CreditRefusal::Meanwhile)),
            moved => {
                moved?;
                let CreditKey { month, track, .. } = kept.new.key;
                if matches!(step, Step::Waive | Step::Reverse) && track != Track::Availability {
                    reckon_anew(tx, (account, month), by).await?;
                }
                Ok(kept)
            }
        }
    })
    .await
}

/// A grant was taken back, wholly or in part. What the total of its month had taken from the credit
/// that the month pays by itself is paid again: whoever did it signs a revision of the month, and
/// that brings the difference as a credit of its own (I09), as any revision does. Where staff
/// waived or reversed a credit of the month, nothing is raised by itself. The account is locked.
pub(crate) async fn reckon_anew(
    tx: &mut Tx,
    (account, month): (AccountId, PersianMonth),
    by: By<'_>,
) -> std::result::Result<(), Failure> {
    let written = store::month_statement::of_month(tx, Some(account), month).await?;
    let (Some(last), published) = (written.last(), Published::read(tx).await?) else {
        return Ok(());
    };
    let Some((_, schedule)) = published.in_force(month) else { return Ok(()) };
    let mut credits = store::credit::of_month(tx, account, month).await?;
    credits.retain(|kept| kept.new.key.track == Track::Availability);
    credits.sort_by_key(|kept| kept.new.key.subscription);
    // A revision proposes for the whole account: it would bring back what staff waived.
    if credits.iter().any(|kept| kept.credit.state() == State::Waived) {
        return Ok(());
    }
    let mut is_raised = false;
    for of in credits.chunk_by(|one, two| one.new.key.subscription == two.new.key.subscription) {
        let newest = of.iter().max_by_key(|kept| kept.id).expect("a chunk is never empty");
        let reversed = |moved: &Moved| moved.done == Move::Reverse && moved.actor != MACHINE;
        let by_staff = of.iter().any(|kept| kept.moves.iter().any(reversed));
        if by_staff || newest.credit.state() == State::Reversed {
            return Ok(());
        }
        let but = But::Automatic(newest.new.key.subscription);
        let left = left_of_month(tx, &published, (account, month), but).await?;
        let Some(left) = left else { continue };
        let amount = schedule.draft().at_least(left).min(newest.new.computed);
        is_raised |= correction(of.iter().map(|kept| &kept.credit), amount).propose > Rials::ZERO;
    }
    if is_raised {
        let reason = "a grant was taken back, so the total leaves more".to_owned();
        let revised = MonthStatement {
            revision: last.revision + 1,
            made_at: by.at,
            signed: Some((reason, by.actor.to_owned())),
            ..last.clone()
        };
        // Whoever revises it at this moment has it reckoned anew as well.
        store::month_statement::insert(tx, &revised).await?;
    }
    Ok(())
}

/// The credit of this number.
///
/// # Errors
/// The database failed.
pub async fn find(app: &App, id: i64) -> std::result::Result<Option<Kept>, Failure> {
    Ok(store::credit::find(&mut app.read().await?, id).await?)
}

/// The credits of an account, or of everybody, before a number: the newest first.
///
/// # Errors
/// The database failed.
pub async fn list(
    app: &App,
    account: Option<AccountId>,
    before: Option<i64>,
    limit: u32,
) -> std::result::Result<Vec<Kept>, Failure> {
    Ok(store::credit::list(&mut app.read().await?, account, before, limit).await?)
}

/// Computes a credit anew from what is kept: the inputs, and what they come to. `None` when it was
/// decided and not computed.
///
/// # Errors
/// The database failed, or it does not compute to what it is any more, so that something was
/// tampered with.
pub async fn reckoned(
    app: &App,
    kept: &Kept,
) -> std::result::Result<Option<(Inputs, Measured)>, Failure> {
    let Some(basis) = &kept.new.basis else { return Ok(None) };
    let bent = || Failure::of(format!("computing credit {} anew: it does not agree", kept.id));
    let mut reads = app.read().await?;
    let text = store::month_statement::inputs(&mut reads, &basis.digest).await?;
    let same = |text: &String| Sha256::digest(text).as_slice() == basis.digest;
    let inputs = text.filter(same).as_deref().and_then(Inputs::parse).ok_or_else(bent)?;
    let schedules = store::compensation::list(&mut reads).await?;
    let schedule = schedules.iter().find(|schedule| schedule.number == basis.schedule);
    let measured = inputs.measured(basis.figure).ok_or_else(bent)?;
    let amount = schedule.map(|schedule| schedule.draft.amount(basis.price, &measured));
    let agrees = amount == Some(kept.new.computed) && inputs.month == kept.new.key.month;
    if agrees { Ok(Some((inputs, measured))) } else { Err(bent()) }
}

/// Whether a credit is computed from all that its subscriber missed in the month, as the statement
/// has it: not from what one of several
/// subscriptions missed alone.
///
/// # Errors
/// The database failed.
pub async fn is_of_whole_month(app: &App, kept: &Kept) -> std::result::Result<bool, Failure> {
    let Some(basis) = &kept.new.basis else { return Ok(false) };
    let CreditKey { account, month, .. } = kept.new.key;
    let mut reads = app.read().await?;
    let written = store::month_statement::of_month(&mut reads, Some(account), month).await?;
    Ok(written.iter().any(|statement| statement.digest == basis.digest))
}

/// Breached months that pay nothing back by themselves, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unpaid {
    /// No schedule says how much, so that there is no number (T140).
    pub awaiting_schedule: Vec<PersianMonth>,
    /// Nothing was asked for them: there was no subscription, or it was free or on trial.
    pub nothing_asked_for: Vec<PersianMonth>,
}

/// The breached months of an account that pay nothing back, of those that are looked at.
///
/// # Errors
/// The database failed.
pub async fn unpaid(app: &App, account: AccountId) -> std::result::Result<Unpaid, Failure> {
    let now = app.now();
    let mut reads = app.read().await?;
    let (held, published) = (Held::read(&mut reads).await?, Published::read(&mut reads).await?);
    let subscriptions = store::subscription::of_accounts(&mut reads, account, account).await?;
    let mut unpaid = Unpaid::default();
    for month in months_back(now) {
        let written = store::month_statement::of_month(&mut reads, Some(account), month).await?;
        let Some(last) = written.last() else { continue };
        if violation::standing(&held, last, now)? != Some(Verdict::Breached) {
            continue;
        }
        let time = Span { from: month.start(), to: month.end() };
        let mut covered = subscriptions.iter();
        if published.in_force(month).is_none() {
            unpaid.awaiting_schedule.push(month);
        } else if covered.all(|one| {
            coverage(&one.history(), time).is_empty() || asked_for(one, month) == Some(Rials::ZERO)
        }) {
            unpaid.nothing_asked_for.push(month);
        }
    }
    Ok(unpaid)
}

fn said(text: &str, what: &'static str) -> Result<(), CreditRefusal> {
    if !crate::error::is_said(text, TEXT_MAX) {
        return Err(Error::Refused(CreditRefusal::Text(what)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use domain::agreement::availability::{Evidence, Facts, Seen, Standing};
    use domain::agreement::compensation::Draft;
    use domain::agreement::parameter::Parameters;
    use domain::agreement::scope::Scope;

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
