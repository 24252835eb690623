//! Frozen months whose figures may be others by now: whoever changes an outage or brings evidence
//! late notes in the same commit whom it touches, and one who signs revises them all.

use std::collections::BTreeSet;

use domain::agreement::scope::Scope;
use domain::agreement::statement::REASON_MAX;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Timestamp};
use store::Tx;
pub use store::month_statement::{Touched, TouchedMonth};

use super::due::before;
use super::{BATCH, MONTHS_BACK_MAX, MonthRefusal, revise_in};
use crate::{App, Error, Failure, Result};

/// Most of a list.
pub const PAGE_MAX: u32 = 1000;

/// What revising came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Revised {
    /// Months of accounts that were written down anew.
    pub revised: u64,
    /// Those that came to what they were.
    pub unchanged: u64,
}

/// Notes, with what changes it, that something of a time is known otherwise for a scope: each
/// account in it whose month was frozen, and the platform where it concerns everybody, is to be
/// looked at by who revises.
pub(crate) async fn touch(
    tx: &mut Tx,
    span: Span,
    scope: &Scope,
    because: &str,
    now: Timestamp,
) -> store::Result<()> {
    for month in may_be_frozen(tx, span.from, now).await? {
        let of_month = Span { from: month.start(), to: month.end() };
        if let Some(part) = span.within(of_month) {
            store::month_statement::touch(tx, month, (scope, part), (because, now)).await?;
        }
    }
    Ok(())
}

/// The months of which statements may be there and that were not over before a moment: the frozen
/// ones; and one that is being frozen, or whose freeze was broken off, has some.
pub(crate) async fn may_be_frozen(
    tx: &mut Tx,
    since: Timestamp,
    now: Timestamp,
) -> store::Result<BTreeSet<PersianMonth>> {
    let mut months = store::month_statement::platform_months(tx).await?;
    let mut month = PersianMonth::of(now);
    for _ in 0..MONTHS_BACK_MAX {
        month = before(month);
        if month.end() <= since {
            break;
        }
        months.insert(month);
    }
    Ok(months)
}

/// The frozen months that something touched since they were written down.
///
/// # Errors
/// The database failed.
pub async fn touched_months(app: &App) -> std::result::Result<Vec<TouchedMonth>, Failure> {
    Ok(store::month_statement::touched_months(&mut app.read().await?).await?)
}

/// The accounts of a month that something touched, after one of them: the platform is number 0.
///
/// # Errors
/// The database failed.
pub async fn touched(
    app: &App,
    month: PersianMonth,
    after: AccountId,
    limit: u32,
) -> std::result::Result<Vec<Touched>, Failure> {
    let mut reads = app.read().await?;
    let limit = limit.min(PAGE_MAX);
    Ok(store::month_statement::touched(&mut reads, month, after, limit).await?)
}

/// Writes the frozen month down anew for everybody whom something touched, each in a transaction of
/// its own and beside what was there; what comes to the same is only taken off the list. Killed in
/// between, or done by two at once, it is asked for again and goes on with those that are left.
///
/// # Errors
/// Refused when nobody signs; the first that failed, after all others: it stays on the list.
pub async fn revise_touched(
    app: &App,
    month: PersianMonth,
    reason: &str,
    signer: &str,
) -> Result<Revised, MonthRefusal> {
    let signs = |text: &str| !text.trim().is_empty() && text.len() <= REASON_MAX;
    if !signs(reason) || !signs(signer) {
        return Err(Error::Refused(MonthRefusal::Unsigned));
    }
    let (mut after, mut done, mut failed) = (AccountId(-1), Revised::default(), None);
    loop {
        let mut reads = app.read().await?;
        let page = store::month_statement::touched(&mut reads, month, after, BATCH).await?;
        drop(reads);
        let Some(last) = page.last() else { break };
        after = last.number;
        for one in &page {
            match revise_one(app, month, one, (reason, signer)).await {
                Ok(Some(true)) => done.revised += 1,
                Ok(Some(false)) => done.unchanged += 1,
                // It was touched again, somebody else revises it just now, or it is not all frozen.
                Ok(None) => {}
                Err(failure) => {
                    let what = format!("revising {month} of {}", one.number);
                    failed.get_or_insert(Failure::because(what, failure));
                }
            }
        }
    }
    failed.map_or(Ok(done), |failure| Err(Error::Failed(failure)))
}

/// Revises one month that was touched: whether something had to be written; `None` when it stays on
/// the list.
async fn revise_one(
    app: &App,
    month: PersianMonth,
    one: &Touched,
    (reason, signer): (&str, &str),
) -> std::result::Result<Option<bool>, Failure> {
    let now = app.now();
    let whose = Some(one.number).filter(|number| number.0 != 0);
    // Who reads the revision reads also what made it necessary, as far as there is room.
    let full = format!("{reason} ({})", one.because);
    let reason = if full.len() <= REASON_MAX { &full } else { reason };
    let done = app.write(async |tx| {
        if !store::month_statement::take_touched(tx, month, one).await? {
            return Err(Error::Refused(MonthRefusal::Meanwhile));
        }
        if store::month_statement::of_month(tx, None, month).await?.is_empty() {
            // It is being frozen just now, or that was broken off: it is revised once it is.
            return Err(Error::Refused(MonthRefusal::NotFrozen));
        }
        match revise_in(tx, (whose, month), (reason, signer), (None, now)).await {
            Ok(_) => Ok(true),
            Err(Error::Refused(MonthRefusal::Unchanged | MonthRefusal::NotFrozen)) => Ok(false),
            Err(error) => Err(error),
        }
    });
    match done.await {
        Ok(written) => Ok(Some(written)),
        Err(Error::Refused(MonthRefusal::NotFrozen | MonthRefusal::Meanwhile)) => Ok(None),
        Err(Error::Refused(refusal)) => Err(Failure::of(format!("{refusal:?}"))),
        Err(Error::Failed(failure)) => Err(failure),
    }
}
