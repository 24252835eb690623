//! Intervals of the state of each covered path, the counts of customers' requests, and the outages
//! that are derived from both.

use domain::Timestamp;
use domain::agreement::measurement::Observed;
use domain::agreement::scope::{CoveredPath, Paths};
use domain::agreement::state_interval::{Derived, PathState, RequestMinute};
use domain::calendar::span::Span;

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// Notes that something new was seen of a path, from this moment on.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn is_new(tx: &mut Tx, path: CoveredPath, from: Timestamp) -> Result<()> {
    let sql = "INSERT INTO measured_path (path, new_from_us) VALUES ($1, $2)
               ON CONFLICT (path) DO UPDATE SET new_from_us =
                   CASE WHEN measured_path.new_from_us < excluded.new_from_us
                        THEN measured_path.new_from_us ELSE excluded.new_from_us END";
    tx.execute(sql, values![path.word(), from]).await?;
    Ok(())
}

/// The paths that have to be judged: something new was seen of them, or an outage lasts.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn waiting(reads: &mut impl Queries) -> Result<Vec<CoveredPath>> {
    let sql = "SELECT path FROM measured_path
               WHERE new_from_us IS NOT NULL
                     OR EXISTS (SELECT 1 FROM outage
                                WHERE outage.measured_path = measured_path.path
                                      AND measured_lasts = 1 AND reversed_at_us IS NULL)
               ORDER BY path";
    let path = |row: &Row| row.parse("path", CoveredPath::parse);
    reads.query(sql, values![]).await?.iter().map(path).collect()
}

/// Locks a path for judging until the transaction ends; since when something new was seen of it.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn begin(tx: &mut Tx, path: CoveredPath, now: Timestamp) -> Result<Option<Timestamp>> {
    let sql = "INSERT INTO measured_path (path, judged_at_us) VALUES ($1, $2)
               ON CONFLICT (path) DO UPDATE SET judged_at_us = excluded.judged_at_us
               RETURNING new_from_us";
    tx.query_one(sql, values![path.word(), now]).await?.get("new_from_us")
}

/// Everything that was seen of a path is judged.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn is_judged(tx: &mut Tx, path: CoveredPath) -> Result<()> {
    let sql = "UPDATE measured_path SET new_from_us = NULL WHERE path = $1";
    tx.execute(sql, values![path.word()]).await?;
    Ok(())
}

/// The intervals of a path that touch a time, whole; at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn intervals(
    reads: &mut impl Queries,
    path: CoveredPath,
    time: Span,
    limit: u32,
) -> Result<Observed> {
    let sql = "SELECT from_us, to_us, state FROM state_interval
               WHERE path = $1 AND to_us >= $2 AND from_us <= $3 ORDER BY from_us LIMIT $4";
    let mut observed = Observed::default();
    for row in reads.query(sql, values![path.word(), time.from, time.to, limit]).await? {
        let state = row.parse("state", PathState::parse)?;
        let span = Span { from: row.get("from_us")?, to: row.get("to_us")? };
        observed.of_mut(state).push(span);
    }
    Ok(observed)
}

/// Puts intervals in place of others of the same path.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when two begin at one moment.
pub async fn replace(tx: &mut Tx, path: CoveredPath, old: &Observed, new: &Observed) -> Result<()> {
    for state in PathState::ALL {
        for span in old.of(state).iter().filter(|span| !new.of(state).contains(span)) {
            let sql = "DELETE FROM state_interval WHERE path = $1 AND state = $2 AND from_us = $3";
            tx.execute(sql, values![path.word(), state.word(), span.from]).await?;
        }
        for span in new.of(state).iter().filter(|span| !old.of(state).contains(span)) {
            let sql = "INSERT INTO state_interval (path, state, from_us, to_us)
                       VALUES ($1, $2, $3, $4)";
            tx.execute(sql, values![path.word(), state.word(), span.from, span.to]).await?;
        }
    }
    Ok(())
}

/// Adds what a node counted in a minute to what it counted before.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn add_requests(
    tx: &mut Tx,
    path: CoveredPath,
    node: &str,
    minute: &RequestMinute,
) -> Result<()> {
    let sql = "INSERT INTO request_minute (path, minute_us, node, served, customers, failed,
                                           first_failed_us, last_failed_us)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
               ON CONFLICT (path, minute_us, node) DO UPDATE SET
                   served = request_minute.served + excluded.served,
                   failed = request_minute.failed + excluded.failed,
                   customers = CASE WHEN excluded.customers > request_minute.customers
                       THEN excluded.customers ELSE request_minute.customers END,
                   first_failed_us =
                       CASE WHEN excluded.first_failed_us < request_minute.first_failed_us
                       THEN excluded.first_failed_us
                       ELSE COALESCE(request_minute.first_failed_us, excluded.first_failed_us) END,
                   last_failed_us =
                       CASE WHEN excluded.last_failed_us < request_minute.last_failed_us
                       THEN request_minute.last_failed_us
                       ELSE COALESCE(excluded.last_failed_us, request_minute.last_failed_us) END";
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let values = values![
        path.word(),
        minute.from,
        node,
        count(minute.served),
        minute.customers,
        count(minute.failed),
        minute.failed_at.map(|(first, _)| first),
        minute.failed_at.map(|(_, last)| last),
    ];
    tx.execute(sql, values).await?;
    Ok(())
}

/// What requests came to in each minute of a time, all nodes together; at most `limit` minutes.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn requests(
    reads: &mut impl Queries,
    path: CoveredPath,
    time: Span,
    limit: u32,
) -> Result<Vec<RequestMinute>> {
    let sql = "SELECT minute_us, CAST(SUM(served) AS BIGINT) AS served,
                      MAX(customers) AS customers, CAST(SUM(failed) AS BIGINT) AS failed,
                      MIN(first_failed_us) AS first_failed_us,
                      MAX(last_failed_us) AS last_failed_us
               FROM request_minute WHERE path = $1 AND minute_us >= $2 AND minute_us < $3
               GROUP BY minute_us ORDER BY minute_us LIMIT $4";
    let values = values![path.word(), time.from, time.to, limit];
    reads.query(sql, values).await?.iter().map(request_minute).collect()
}

fn request_minute(row: &Row) -> Result<RequestMinute> {
    let count = |count: i64| u64::try_from(count).ok();
    let first: Option<Timestamp> = row.get("first_failed_us")?;
    Ok(RequestMinute {
        from: row.get("minute_us")?,
        served: row.decode("served", count)?,
        customers: row.get("customers")?,
        failed: row.decode("failed", count)?,
        failed_at: first.zip(row.get("last_failed_us")?),
    })
}

/// Forgets counts of before a moment.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn forget_requests(tx: &mut Tx, path: CoveredPath, before: Timestamp) -> Result<u64> {
    let sql = "DELETE FROM request_minute WHERE path = $1 AND minute_us < $2";
    tx.execute(sql, values![path.word(), before]).await
}

/// The outages that were derived for a path and reach beyond a moment.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn derived(
    reads: &mut impl Queries,
    path: CoveredPath,
    from: Timestamp,
) -> Result<Vec<Derived>> {
    let sql = "SELECT id, measured_from_us, measured_to_us, measured_lasts, by_hand_at_us
               FROM outage WHERE measured_path = $1 AND measured_to_us > $2
                     AND (by_hand_at_us IS NOT NULL OR reversed_at_us IS NULL) ORDER BY id";
    let derived = |row: &Row| {
        let by_hand: Option<Timestamp> = row.get("by_hand_at_us")?;
        Ok(Derived {
            id: row.get("id")?,
            measured: Span { from: row.get("measured_from_us")?, to: row.get("measured_to_us")? },
            lasts: row.decode("measured_lasts", |lasts| Some(lasts == 1))?,
            by_hand: by_hand.is_some(),
        })
    };
    reads.query(sql, values![path.word(), from]).await?.iter().map(derived).collect()
}

/// Opens an outage of a path for everyone, as measured; it lasts, or not.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn open_outage(
    tx: &mut Tx,
    path: CoveredPath,
    (measured, lasts): (Span, bool),
    (cause, evidence): (&str, &str),
    at: Timestamp,
) -> Result<i64> {
    let sql = "INSERT INTO outage (paths, scope, from_us, to_us, cause, evidence, recorded_at_us,
                                   measured_path, measured_from_us, measured_to_us, measured_lasts)
               VALUES ($1, 'everyone', $2, $3, $4, $5, $6, $7, $2, $8, $9) RETURNING id";
    let values = values![
        &Paths::of(&[path]).to_string(),
        measured.from,
        (!lasts).then_some(measured.to),
        cause,
        evidence,
        at,
        path.word(),
        measured.to,
        i64::from(lasts),
    ];
    let id = tx.query_one(sql, values).await?.get("id")?;
    chain::attest(tx, Fact::Outage(id), chain::MACHINE, at);
    Ok(id)
}

/// An outage was measured otherwise. What counts of it moves along, unless a person has spoken;
/// what it said before is kept, but for its end's coming.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn move_outage(
    tx: &mut Tx,
    id: i64,
    measured: Span,
    lasts: bool,
    at: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO outage_revision (outage_id, from_us, to_us, revised_at_us, because,
                                            author)
               SELECT id, from_us, to_us, CAST($2 AS BIGINT), 'later samples', 'measurement'
               FROM outage WHERE id = $1 AND by_hand_at_us IS NULL
                     AND (from_us <> $3 OR to_us IS NOT NULL)";
    let revised = tx.execute(sql, values![id, at, measured.from]).await? == 1;
    // While it lasts, it says the same with each sample.
    if revised || !lasts {
        chain::attest(tx, Fact::Outage(id), chain::MACHINE, at);
    }
    let sql = "UPDATE outage SET from_us = $2, to_us = $3
               WHERE id = $1 AND by_hand_at_us IS NULL";
    tx.execute(sql, values![id, measured.from, (!lasts).then_some(measured.to)]).await?;
    let sql = "UPDATE outage SET measured_from_us = $2, measured_to_us = $3, measured_lasts = $4
               WHERE id = $1";
    tx.execute(sql, values![id, measured.from, measured.to, i64::from(lasts)]).await?;
    Ok(())
}

/// A derived outage was none after all.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn drop_outage(tx: &mut Tx, id: i64, at: Timestamp) -> Result<()> {
    let sql = "UPDATE outage SET reversed_at_us = $2, reversed_because = 'later samples'
               WHERE id = $1 AND reversed_at_us IS NULL AND by_hand_at_us IS NULL";
    tx.execute(sql, values![id, at]).await?;
    chain::attest(tx, Fact::Outage(id), chain::MACHINE, at);
    Ok(())
}
