//! What an account paid for, and whether the books add up.

use domain::{AccountId, Timestamp};

use crate::{App, Failure};

pub use store::entry::StatementLine;

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

/// Everything in the books that does not add up; none when all is well. Reads everything.
///
/// # Errors
/// The database failed.
pub async fn audit(app: &App) -> Result<store::Audit, Failure> {
    Ok(app.hot().audit().await?)
}
