//! Events: written in the transaction that makes what they tell durable, while the account is
//! locked. So the numbers of an account's events have no gap, and who has read up to one of them
//! has missed none.

use deadpool_postgres::Transaction;
use domain::{AccountId, EventId, EventKind, Timestamp};

use crate::sqlite::Connection;
use crate::value::values;
use crate::{Queries, Result, Row, Tx, sqlite};

/// Events that are forgotten in one transaction.
const FORGOTTEN_MAX: u32 = 5_000;

/// An event as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Whose it is, and its number.
    pub id: EventId,
    /// What it tells.
    pub kind: EventKind,
    /// Of which send, campaign or endpoint; the kind says of which.
    pub subject: i64,
    /// When that was.
    pub at: Timestamp,
    /// Which of the events of its call it is, from 1; `None` for what is told of no call.
    pub n_of_call: Option<i64>,
}

/// Which events an account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// Until when they are written.
    pub until: Option<Timestamp>,
    /// The number of the last one.
    pub last_n: i64,
}

/// Lets events be written for the account until then, unless they are until later already.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn want(tx: &mut Tx, account: AccountId, until: Timestamp) -> Result<()> {
    let sql = "UPDATE account SET events_until_us = $2
               WHERE id = $1 AND COALESCE(events_until_us, 0) < $2";
    tx.execute(sql, values![account, until]).await.map(drop)
}

/// Which events the account has; `None` without such an account.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn log(reads: &mut impl Queries, account: AccountId) -> Result<Option<Log>> {
    let sql = "SELECT id, events_until_us, event_count FROM account WHERE id = $1";
    let row = reads.query_opt(sql, values![account]).await?;
    let log =
        |row: Row| Ok(Log { until: row.get("events_until_us")?, last_n: row.get("event_count")? });
    row.map(log).transpose()
}

/// The account's events after the `after`-th, in their order: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn after(
    reads: &mut impl Queries,
    account: AccountId,
    after: i64,
    limit: u32,
) -> Result<Vec<Event>> {
    let sql = "SELECT e.n AS n, e.account_id AS account_id, e.kind AS kind,
                      e.subject_id AS subject_id, e.at_us AS at_us,
                      CASE WHEN e.kind <= 4 THEN (
                          SELECT CAST(COUNT(*) AS BIGINT) FROM event s
                          WHERE s.account_id = e.account_id AND s.subject_id = e.subject_id
                            AND s.kind <= 4 AND s.n <= e.n) END AS n_of_call
               FROM event e WHERE e.account_id = $1 AND e.n > $2 ORDER BY e.n LIMIT $3";
    reads.query(sql, values![account, after, limit]).await?.iter().map(event).collect()
}

/// An event.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(reads: &mut impl Queries, id: EventId) -> Result<Option<Event>> {
    let sql = "SELECT e.n AS n, e.account_id AS account_id, e.kind AS kind,
                      e.subject_id AS subject_id, e.at_us AS at_us,
                      CASE WHEN e.kind <= 4 THEN (
                          SELECT CAST(COUNT(*) AS BIGINT) FROM event s
                          WHERE s.account_id = e.account_id AND s.subject_id = e.subject_id
                            AND s.kind <= 4 AND s.n <= e.n) END AS n_of_call
               FROM event e WHERE e.account_id = $1 AND e.n = $2";
    reads.query_opt(sql, values![id.account, id.n]).await?.as_ref().map(event).transpose()
}

/// Writes an event, if the account's are wanted.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn tell(
    tx: &mut Tx,
    account: AccountId,
    kind: EventKind,
    subject: i64,
    at: Timestamp,
) -> Result<Option<EventId>> {
    let sql = "UPDATE account SET event_count = event_count + 1
               WHERE id = $1 AND events_until_us > $2 RETURNING id, event_count";
    let Some(row) = tx.query_opt(sql, values![account, at]).await? else { return Ok(None) };
    let id = EventId { account, n: row.get("event_count")? };
    let sql = "INSERT INTO event (account_id, n, kind, subject_id, at_us)
               VALUES ($1, $2, $3, $4, $5)";
    tx.execute(sql, values![account, id.n, kind.code(), subject, at]).await?;
    Ok(Some(id))
}

/// Accounts that have, or had, events: by id, from the one after `after` on.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn accounts(
    reads: &mut impl Queries,
    after: AccountId,
    limit: u32,
) -> Result<Vec<AccountId>> {
    let sql = "SELECT id FROM account WHERE id > $1 AND event_count > 0 ORDER BY id LIMIT $2";
    let rows = reads.query(sql, values![after, limit]).await?;
    rows.iter().map(|row| row.get("id")).collect()
}

/// Forgets events of the account from before `before` and their deliveries, a bounded number.
/// Tells how many; none when all that are old are forgotten.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn forget(tx: &mut Tx, account: AccountId, before: Timestamp) -> Result<u64> {
    let sql = "SELECT n FROM event WHERE account_id = $1 ORDER BY n LIMIT 1";
    let Some(oldest) = tx.query_opt(sql, values![account]).await? else { return Ok(0) };
    let end = oldest.get::<i64>("n")? + i64::from(FORGOTTEN_MAX);
    let sql = "DELETE FROM event WHERE account_id = $1 AND n < $2 AND at_us < $3";
    let forgotten = tx.execute(sql, values![account, end, before]).await?;
    let sql = "DELETE FROM delivery_try
               WHERE webhook_id IN (SELECT id FROM webhook WHERE account_id = $1)
                 AND event_n < $2
                 AND NOT EXISTS (SELECT 1 FROM event e WHERE e.account_id = $1 AND e.n = event_n)";
    tx.execute(sql, values![account, end]).await?;
    let sql = "DELETE FROM delivery
               WHERE webhook_id IN (SELECT id FROM webhook WHERE account_id = $1)
                 AND event_n < $2
                 AND NOT EXISTS (SELECT 1 FROM event e WHERE e.account_id = $1 AND e.n = event_n)";
    tx.execute(sql, values![account, end]).await?;
    Ok(forgotten)
}

/// Writes events of one kind about `subjects` of an account whose events are wanted until `until`:
/// which, and when. Whoever calls this is the only writer.
pub(crate) fn on_sqlite(
    connection: &Connection<'_>,
    (account, until): (AccountId, Timestamp),
    kind: EventKind,
    subjects: &[(i64, Timestamp)],
) -> Result<()> {
    let wanted = || subjects.iter().filter(|(_, at)| *at < until);
    let count = i64::try_from(wanted().count()).expect("a batch is small");
    let sql = "UPDATE account SET event_count = event_count + $2 WHERE id = $1
               RETURNING id, event_count - $2 AS n";
    let rows = sqlite::query(connection, sql, values![account, count])?;
    let Some(before) = rows.first() else { return Ok(()) };
    let first = before.get::<i64>("n")? + 1;
    for (n, (subject, at)) in (first..).zip(wanted()) {
        let sql = "INSERT INTO event (account_id, n, kind, subject_id, at_us)
                   VALUES ($1, $2, $3, $4, $5)";
        sqlite::execute(connection, sql, values![account, n, kind.code(), *subject, *at])?;
    }
    Ok(())
}

/// Writes events of one kind about `sends` (which, and when) for those accounts whose events are
/// wanted. Whoever calls this has locked the accounts.
pub(crate) async fn on_postgres(
    tx: &Transaction<'_>,
    kind: EventKind,
    sends: &[(i64, Timestamp)],
) -> std::result::Result<(), tokio_postgres::Error> {
    let (ids, moments): (Vec<i64>, Vec<i64>) = sends.iter().map(|(id, at)| (*id, at.0)).unzip();
    let sql = "WITH told AS (
                   SELECT q.account_id, q.id, e.at_us,
                          ROW_NUMBER() OVER (PARTITION BY q.account_id ORDER BY e.place) AS place
                   FROM UNNEST($1::BIGINT[], $2::BIGINT[]) WITH ORDINALITY
                        AS e (quick_send_id, at_us, place)
                   JOIN quick_send q ON q.id = e.quick_send_id
                   JOIN account a ON a.id = q.account_id AND a.events_until_us > e.at_us
               ), counted AS (
                   UPDATE account SET event_count = event_count + t.events
                   FROM (SELECT account_id, COUNT(*) AS events FROM told GROUP BY account_id) AS t
                   WHERE account.id = t.account_id
                   RETURNING account.id, account.event_count - t.events AS before
               )
               INSERT INTO event (account_id, n, kind, subject_id, at_us)
               SELECT t.account_id, c.before + t.place, $3, t.id, t.at_us
               FROM told t JOIN counted c ON c.id = t.account_id";
    let statement = tx.prepare_cached(sql).await?;
    tx.execute(&statement, &[&ids, &moments, &kind.code()]).await.map(drop)
}

fn event(row: &Row) -> Result<Event> {
    Ok(Event {
        id: EventId { account: row.get("account_id")?, n: row.get("n")? },
        kind: row.decode("kind", EventKind::from_code)?,
        subject: row.get("subject_id")?,
        at: row.get("at_us")?,
        n_of_call: row.get("n_of_call")?,
    })
}
