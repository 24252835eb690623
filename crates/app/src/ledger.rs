//! The ledger of an account, as its customer reads it: every rial with what it comes from.

use domain::{AccountId, Timestamp};

use crate::{App, Failure};

pub use store::export::Place;
pub use store::ledger::{Line, Page, Start};

/// A part of the ledger of an account: from a moment until before another, or until now, at most
/// `limit` lines. `None`: there is no such account.
///
/// # Errors
/// The database failed.
pub async fn page(
    app: &App,
    account: AccountId,
    (from, to): (Option<Timestamp>, Option<Timestamp>),
    start: Start,
    limit: u32,
) -> Result<Option<Page>, Failure> {
    // What is posted while we read may have this moment's time.
    let now = app.now().plus_us(1);
    let time = (from.unwrap_or(Timestamp(0)), to.unwrap_or(now));
    Ok(store::ledger::page(&mut app.read().await?, account, time, start, limit).await?)
}
