//! Who is not to be called: lists whose every change is kept, so that what was decided by a version
//! of them can be judged by it. Looking somebody up before a call is in `hot`.

use domain::opt_out::OptOutList;
use domain::{AccountId, MessageClass, Timestamp};

use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A list: the country's, the operator's, or an account's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListId {
    /// What it keeps away.
    pub list: OptOutList,
    /// Whose it is; the account 0 on the lists that are no account's.
    pub account: AccountId,
}

/// A number on a list, or that was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptOut {
    /// The number, in national form.
    pub number: String,
    /// On which list.
    pub of: ListId,
    /// When it came there, and by which version of the lists.
    pub added: (Timestamp, i64),
    /// How it came there.
    pub source: String,
    /// When it left, and by which version of the lists.
    pub removed: Option<(Timestamp, i64)>,
}

/// Begins a change of the lists: until the transaction ends, nobody else changes them. Tells the
/// version that the change makes.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn begin_change(tx: &mut Tx) -> Result<i64> {
    let sql = "UPDATE opt_out_version SET version = version + 1 WHERE id = 1 RETURNING version";
    tx.query_one(sql, values![]).await?.get("version")
}

/// Puts a number on a list. `false`: it is there already.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn add(
    tx: &mut Tx,
    of: ListId,
    number: &str,
    source: &str,
    (at, version): (Timestamp, i64),
) -> Result<bool> {
    let sql = "SELECT added_version FROM opt_out
               WHERE number = $1 AND list = $2 AND account_id = $3
                 AND (removed_version IS NULL OR added_version = $4)";
    let values = values![number, of.list.word(), of.account, version];
    if tx.query_opt(sql, values).await?.is_some() {
        return Ok(false);
    }
    let sql = "INSERT INTO opt_out (number, list, account_id, added_version, added_at_us, source)
               VALUES ($1, $2, $3, $4, $5, $6)";
    let values = values![number, of.list.word(), of.account, version, at, source];
    tx.execute(sql, values).await.map(|added| added == 1)
}

/// Takes a number off a list. `false`: it is not there.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn remove(
    tx: &mut Tx,
    of: ListId,
    number: &str,
    (at, version): (Timestamp, i64),
) -> Result<bool> {
    let sql = "UPDATE opt_out SET removed_version = $4, removed_at_us = $5
               WHERE number = $1 AND list = $2 AND account_id = $3 AND removed_version IS NULL";
    let values = values![number, of.list.word(), of.account, version, at];
    Ok(tx.execute(sql, values).await? > 0)
}

/// The numbers on a list after `after`, in their order: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(
    reads: &mut impl Queries,
    of: ListId,
    after: &str,
    limit: u32,
) -> Result<Vec<OptOut>> {
    let sql = "SELECT number, list, account_id, added_version, added_at_us, source,
                      removed_version, removed_at_us
               FROM opt_out
               WHERE list = $1 AND account_id = $2 AND number > $3 AND removed_version IS NULL
               ORDER BY number LIMIT $4";
    let values = values![of.list.word(), of.account, after, limit];
    reads.query(sql, values).await?.iter().map(opt_out).collect()
}

/// The lists that a number is on now: those of all, and the account's own.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn lists_of(
    reads: &mut impl Queries,
    number: &str,
    account: AccountId,
) -> Result<Vec<OptOutList>> {
    let sql = "SELECT number, list FROM opt_out
               WHERE number = $1 AND removed_version IS NULL
                 AND (account_id = $2 OR list <> 'account')";
    let rows = reads.query(sql, values![number, account]).await?;
    rows.iter().map(|row| row.parse("list", OptOutList::from_word)).collect()
}

/// Whether there ever was a list.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn is_any(reads: &mut impl Queries) -> Result<bool> {
    let sql = "SELECT version FROM opt_out_version WHERE id = 1";
    let row = reads.query_opt(sql, values![]).await?;
    Ok(row.map(|row| row.get::<i64>("version")).transpose()?.is_some_and(|version| version > 0))
}

/// Most numbers that [`heeded`] is asked about at once.
pub const HEEDED_MAX: usize = 10_000;

/// For each of the numbers (national form, at most [`HEEDED_MAX`]) whether it is on a list that
/// the class obeys when the account sends, and how many sends of the class it got on the day that
/// begins at `day`. A count is kept while the class has a cap.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn heeded(
    reads: &mut impl Queries,
    numbers: &[String],
    account: AccountId,
    (class, day): (MessageClass, Timestamp),
) -> Result<Vec<(bool, u32)>> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    // Both engines take the numbers as one text of eleven digits each, and look each up by the
    // index. To find one in a text takes as long as there are others before it, so the text is cut
    // into blocks of a hundred first.
    let sql = "WITH RECURSIVE place (n) AS (
                   SELECT CAST(0 AS BIGINT)
                   UNION ALL
                   SELECT n + 1 FROM place WHERE n < 99
               ), block (b, text) AS MATERIALIZED (
                   SELECT p.n + 100 * q.n,
                          SUBSTR(CAST($1 AS TEXT),
                                 CAST((p.n + 100 * q.n) * 1100 + 1 AS INTEGER), 1100)
                   FROM place p CROSS JOIN place q
                   WHERE (p.n + 100 * q.n) * 100 < CAST($2 AS BIGINT)
               ), asked (n, number) AS (
                   SELECT b * 100 + n, SUBSTR(text, CAST(n * 11 + 1 AS INTEGER), 11)
                   FROM block CROSS JOIN place WHERE b * 100 + n < CAST($2 AS BIGINT)
               )
               SELECT CAST((
                   SELECT COUNT(*) FROM opt_out o
                   WHERE o.number = a.number AND o.removed_version IS NULL
                     AND ((o.list = 'national' AND CAST($3 AS BIGINT) = 1)
                       OR (o.list = 'operator' AND CAST($4 AS BIGINT) = 1)
                       OR (o.list = 'account' AND CAST($5 AS BIGINT) = 1 AND o.account_id = $6))
               ) AS BIGINT) AS lists, CAST(COALESCE((
                   SELECT d.sends FROM daily_call d
                   WHERE d.day_us = $7 AND d.class = $8 AND d.number = a.number
               ), 0) AS BIGINT) AS sends
               FROM asked a ORDER BY a.n";
    let obeyed = |list| i64::from(class.obeys(list));
    let count = i64::try_from(numbers.len()).unwrap_or(i64::MAX);
    let values = values![
        &numbers.concat(),
        count,
        obeyed(OptOutList::National),
        obeyed(OptOutList::Operator),
        obeyed(OptOutList::Account),
        account,
        day,
        class.code(),
    ];
    let rows = reads.query(sql, values).await?;
    rows.iter().map(|row| Ok((row.get::<i64>("lists")? > 0, row.get("sends")?))).collect()
}

/// Everything that there ever was about a number, in its order.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn history(reads: &mut impl Queries, number: &str) -> Result<Vec<OptOut>> {
    let sql = "SELECT number, list, account_id, added_version, added_at_us, source,
                      removed_version, removed_at_us
               FROM opt_out WHERE number = $1 ORDER BY added_version, list, account_id";
    reads.query(sql, values![number]).await?.iter().map(opt_out).collect()
}

fn opt_out(row: &Row) -> Result<OptOut> {
    let removed: Option<(Timestamp, i64)> =
        row.get::<Option<Timestamp>>("removed_at_us")?.zip(row.get("removed_version")?);
    Ok(OptOut {
        number: row.get("number")?,
        of: ListId {
            list: row.parse("list", OptOutList::from_word)?,
            account: row.get("account_id")?,
        },
        added: (row.get("added_at_us")?, row.get("added_version")?),
        source: row.get("source")?,
        removed,
    })
}
