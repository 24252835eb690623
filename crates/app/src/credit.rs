//! Credits: proposed from months that are breached, owed after they could be looked at, and taken
//! off invoices. All of it can be done again, or on two nodes at once, and is done once.

mod committee;
mod reckoning;

use domain::agreement::availability::Verdict;
use domain::agreement::claim::Track;
use domain::agreement::compensation::Measured;
use domain::agreement::credit::{CreditKey, Move, Refusal, State, correction};
use domain::agreement::statement::Inputs;
use domain::billing::subscription::{State as Subscribed, coverage};
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Rials};
use sha2::{Digest as _, Sha256};
use store::Tx;
use store::credit::By;
pub use store::credit::{Kept, Moved};
use store::month_statement::{MonthStatement, Terms};

pub(crate) use self::committee::{NOT_IN_TIME, hand_over};
pub use self::committee::{hand_over_due, with_committee};
use self::reckoning::Rules;
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
/// What fails of one account keeps no other from its credits; the failure is told at the end.
///
/// # Errors
/// The database failed.
pub async fn propose_due(app: &App) -> std::result::Result<u64, Failure> {
    let (now, mut proposed, mut failed) = (app.now(), 0, None);
    let mut reads = app.read().await?;
    let (held, published) = (Held::read(&mut reads).await?, Published::read(&mut reads).await?);
    drop(reads);
    for month in months_back(now) {
        let terms = Terms {
            schedule: published.in_force(month).map_or(0, |(number, _)| number),
            is_late: !violation::in_time(&held, month, now)?,
        };
        let mut after = AccountId(0);
        loop {
            let mut reads = app.read().await?;
            let of = (month, terms);
            let statements =
                store::month_statement::to_credit(&mut reads, of, after, BATCH).await?;
            drop(reads);
            let Some(last) = statements.last() else { break };
            after = last.number();
            match propose_of(app, month, &statements).await {
                Ok(count) => proposed += count,
                Err(failure) => failed = Some(failure),
            }
        }
    }
    failed.map_or(Ok(proposed), Err)
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
    let (mut proposed, mut failed) = (0, None);
    for statement in statements {
        let verdict = violation::standing(&held, statement, now)?;
        let rules = Rules { now, in_time, verdict, published: &published };
        if rules.waits(month) {
            continue;
        }
        let tried = app.write(async |tx| rules.follow(tx, statement).await).await;
        match or_lost(tried) {
            Ok(count) => proposed += count,
            Err(failure) => failed = Some(failure),
        }
    }
    failed.map_or(Ok(proposed), Err)
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
    // A revision proposes for the whole account: it would bring back what staff waived. The same
    // statement looked at again does not.
    if credits.iter().any(|kept| kept.credit.state() == State::Waived) {
        return Ok(store::month_statement::reckon_anew(tx, account, month).await?);
    }
    let mut is_raised = false;
    for of in credits.chunk_by(|one, two| one.new.key.subscription == two.new.key.subscription) {
        let newest = of.iter().max_by_key(|kept| kept.id).expect("a chunk is never empty");
        let reversed = |moved: &Moved| moved.done == Move::Reverse && moved.actor != MACHINE;
        let by_staff = of.iter().any(|kept| kept.moves.iter().any(reversed));
        if by_staff || newest.credit.state() == State::Reversed {
            return Ok(store::month_statement::reckon_anew(tx, account, month).await?);
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
    } else {
        // A subscription that the total had left nothing has no credit to be raised.
        store::month_statement::reckon_anew(tx, account, month).await?;
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
