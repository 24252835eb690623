//! What an account paid for, and whether the books add up.

use domain::calendar::date_time::{DAY_SECONDS, Period};
use domain::{AccountId, Rials, Timestamp};

use crate::{App, Failure};

pub use store::entry::StatementLine;
pub use store::quick_send::DayFigures;

/// A day, microseconds. Tehran's have all been as long since 1402.
const DAY_US: i64 = DAY_SECONDS as i64 * 1_000_000;

/// What changed the account's balance from `from` until before `to`, the newest first.
///
/// # Errors
/// The database failed.
pub async fn statement(
    app: &App,
    account: AccountId,
    from: Timestamp,
    to: Timestamp,
    limit: u32,
) -> Result<Vec<StatementLine>, Failure> {
    Ok(store::entry::statement(&mut app.read().await?, account, from, to, limit).await?)
}

/// What the account's quick sends of each day came to, with the noon of the day.
///
/// # Errors
/// The database failed.
pub async fn quick_send_figures(
    app: &App,
    account: AccountId,
    period: Period,
) -> Result<Vec<(Timestamp, DayFigures)>, Failure> {
    let Period { from, to, midnight } = period;
    let mut reads = app.read().await?;
    let days = store::quick_send::figures(&mut reads, account, from, to, midnight, DAY_US).await?;
    let noon = |day: &DayFigures| midnight.plus_us(i64::from(day.day) * DAY_US + DAY_US / 2);
    Ok(days.into_iter().map(|day| (noon(&day), day)).collect())
}

/// What the account was charged for calls of campaigns that stepped into the line in a period.
///
/// # Errors
/// The database failed.
pub async fn campaign_cost(
    app: &App,
    account: AccountId,
    period: Period,
) -> Result<Rials, Failure> {
    let Period { from, to, .. } = period;
    Ok(store::campaign::cost(&mut app.read().await?, account, (from, to)).await?)
}

/// Everything in the books that does not add up; none when all is well. Reads everything.
///
/// # Errors
/// The database failed.
pub async fn audit(app: &App) -> Result<store::Audit, Failure> {
    Ok(app.hot().audit().await?)
}
