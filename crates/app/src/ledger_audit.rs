//! The audit of the books that runs by itself, once a day: holds are the open attempts, balances
//! the sums of what was posted, nobody owes more than it may, campaigns and credits add up. What it
//! finds is an alert until a later one finds nothing.

use domain::Timestamp;
use domain::calendar::day::Day;

pub use store::ledger_audit::Ended;

use crate::account::never_refused;
use crate::{App, Failure};

/// From this minute of a day on in Tehran it is due: when hardly anybody calls.
const DUE_MINUTE: u16 = 3 * 60;
/// After so long one that has not ended was lost with its node, microseconds.
const LOST_US: i64 = 6 * 3_600_000_000;
/// Violations that are told in words.
const TOLD: usize = 5;

/// Audits the books if that is due and no node has done it: in the night what the day before
/// missed, when nothing ran. `None`: it is not due.
///
/// # Errors
/// The database failed; asking again begins anew, here or on another node. Where not even that
/// could be noted, it is due again after some hours.
pub async fn run_due(app: &App) -> Result<Option<Ended>, Failure> {
    let now = app.now();
    let mut day = Day::of(now);
    if now < day.at_minute(DUE_MINUTE) {
        day = Day::of(day.start().plus_ms(-1));
    }
    let (day, lost) = (day.start(), now.plus_us(-LOST_US));
    let claimed = app.write(async |tx| Ok(store::ledger_audit::claim(tx, day, now, lost).await?));
    if !claimed.await.map_err(never_refused)? {
        return Ok(None);
    }
    let ended = ended(app, day).await;
    if ended.is_err() {
        app.write(async |tx| Ok(store::ledger_audit::give_back(tx, day, now).await?))
            .await
            .map_err(never_refused)?;
    }
    ended.map(Some)
}

/// Goes through the books, and writes down what was found.
async fn ended(app: &App, day: Timestamp) -> Result<Ended, Failure> {
    let found = app.hot().audit().await?.violations;
    let told = found.iter().take(TOLD).map(|one| {
        let (rule, subject) = (&one.rule, &one.subject);
        format!("{subject}: {rule}: {} was expected, {} found", one.expected, one.found)
    });
    let ended = Ended {
        at: app.now(),
        violations: u32::try_from(found.len()).unwrap_or(u32::MAX),
        detail: told.collect::<Vec<String>>().join("; "),
    };
    app.write(async |tx| Ok(store::ledger_audit::end(tx, day, &ended).await?))
        .await
        .map_err(never_refused)?;
    Ok(ended)
}

/// The last audit that came to its end, of whatever node.
///
/// # Errors
/// The database failed.
pub async fn last(app: &App) -> Result<Option<Ended>, Failure> {
    Ok(store::ledger_audit::last(&mut app.read().await?).await?)
}
