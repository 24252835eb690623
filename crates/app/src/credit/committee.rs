//! Credits that no invoice takes any more: the committee decides how they are paid (A26, T148).

use domain::Timestamp;
use domain::agreement::credit::Move;
use domain::billing::subscription::State as Subscribed;
use domain::calendar::month::PersianMonth;
use store::credit::{By, Kept};
use store::{Queries, Tx};

use super::{BATCH, keep, lost, or_lost};
use crate::agreement::Held;
use crate::violation::MACHINE;
use crate::{App, Failure};

/// Why the committee has a credit: no invoice comes any more, or none came.
const OVER: &str = "the subscription is over";
/// See [`OVER`].
pub(crate) const NOT_IN_TIME: &str = "no invoice took it in time";

/// Gives to the committee what no invoice can take any more: of subscriptions that are over, and
/// what was carried for as long as the agreement says, while no invoice was made (A26, T148). The
/// answer is how much was.
///
/// # Errors
/// The database failed.
pub async fn hand_over_due(app: &App) -> std::result::Result<u64, Failure> {
    let now = app.now();
    let this = PersianMonth::of(now);
    let (mut after, mut handed) = (0, 0);
    loop {
        let mut reads = app.read().await?;
        let held = Held::read(&mut reads).await?;
        let found = store::credit::carried(&mut reads, this, after, BATCH).await?;
        let Some(last) = found.last() else { return Ok(handed) };
        after = last.id;
        let mut due = Vec::new();
        for kept in &found {
            if no_invoice_takes(&mut reads, &held, kept, this).await?.is_some() {
                due.push(kept.id);
            }
        }
        drop(reads);
        for id in due {
            let tried = app.write(async |tx| {
                let Some(mut kept) = store::credit::find(tx, id).await? else { return Ok(0) };
                let Some(reason) = no_invoice_takes(tx, &held, &kept, this).await? else {
                    return Ok(0);
                };
                if kept.credit.hand_over().is_err() {
                    return Ok(0);
                }
                let by = By { at: now, actor: MACHINE, reason };
                keep(tx, &mut kept, Move::HandOver, None, by).await.map_err(lost)?;
                Ok(1)
            });
            handed += or_lost(tried.await)?;
        }
    }
}

/// Why no invoice takes a credit any more; `None` when one may.
async fn no_invoice_takes(
    reads: &mut impl Queries,
    held: &Held,
    kept: &Kept,
    this: PersianMonth,
) -> std::result::Result<Option<&'static str>, Failure> {
    let months = held.at(kept.new.key.month.start()).draft.parameters.carried_months();
    if !kept.credit.is_carried_to(this, months) {
        return Ok(Some(NOT_IN_TIME));
    }
    let subscription = store::subscription::find(reads, kept.new.key.subscription).await?;
    let is_over = subscription.is_none_or(|one| one.state() == Subscribed::Ended);
    Ok(is_over.then_some(OVER))
}

/// The credits that the committee has: how they are paid is its to decide (T148). Those after a
/// number, in order.
///
/// # Errors
/// The database failed.
pub async fn with_committee(
    app: &App,
    after: i64,
    limit: u32,
) -> std::result::Result<Vec<Kept>, Failure> {
    Ok(store::credit::handed_over(&mut app.read().await?, after, limit).await?)
}

/// Gives what is owed to a subscription that is over to the committee.
pub(crate) async fn hand_over(tx: &mut Tx, subscription: i64, now: Timestamp) -> store::Result<()> {
    let by = By { at: now, actor: MACHINE, reason: OVER };
    for mut kept in store::credit::of_subscription(tx, subscription).await? {
        if kept.credit.hand_over().is_ok() {
            keep(tx, &mut kept, Move::HandOver, None, by).await?;
        }
    }
    Ok(())
}
