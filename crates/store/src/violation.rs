//! The ledger of what either side did not keep. An entry is added once under its reference, and
//! then only gets further statuses.

use domain::agreement::violation::{Clause, Status, Violation};
use domain::calendar::span::Span;
use domain::{AccountId, Timestamp};

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// An entry with everything that it went through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its number.
    pub id: i64,
    /// Whose it is; `None` for the platform, which concerns everybody.
    pub account: Option<AccountId>,
    /// What it is about.
    pub reference: String,
    /// The entry.
    pub violation: Violation,
    /// Its statuses, the first of them first.
    pub steps: Vec<Step>,
}

/// A status that an entry got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub status: Status,
    /// When.
    pub at: Timestamp,
    /// From whom.
    pub actor: String,
    /// Why; may be empty.
    pub reason: String,
}

/// Account 0 of the table is the platform.
const PLATFORM: AccountId = AccountId(0);

/// Enters what was not recorded yet under this reference. `None`: it was.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert(
    tx: &mut Tx,
    account: Option<AccountId>,
    reference: &str,
    violation: &Violation,
    step: &Step,
) -> Result<Option<i64>> {
    let sql = "INSERT INTO violation (account_id, clause, agreement, from_us, to_us, evidence,
                                      reference)
               VALUES ($1, $2, $3, $4, $5, $6, $7)
               ON CONFLICT (reference) DO NOTHING RETURNING id";
    let values = values![
        account.unwrap_or(PLATFORM),
        violation.clause().word(),
        violation.version(),
        violation.span().from,
        violation.span().to,
        &violation.evidence().join("\n"),
        reference
    ];
    let Some(row) = tx.query_opt(sql, values).await? else { return Ok(None) };
    let id = row.get("id")?;
    insert_step(tx, id, 0, step).await?;
    Ok(Some(id))
}

/// Adds the status of this place to an entry.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when it has another one there.
pub async fn insert_step(tx: &mut Tx, id: i64, n: usize, step: &Step) -> Result<()> {
    let sql = "INSERT INTO violation_status (violation_id, n, status, at_us, actor, reason)
               VALUES ($1, $2, $3, $4, $5, $6)";
    let place = i64::try_from(n).unwrap_or(i64::MAX);
    let values = values![id, place, step.status.word(), step.at, &step.actor, &step.reason];
    tx.execute(sql, values).await?;
    chain::attest(tx, Fact::Violation(id, n), &step.actor, step.at);
    Ok(())
}

/// The entry of this number.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(reads: &mut impl Queries, id: i64) -> Result<Option<Kept>> {
    let sql = "SELECT id, account_id, clause, agreement, from_us, to_us, evidence, reference
               FROM violation WHERE id = $1";
    match reads.query_opt(sql, values![id]).await? {
        None => Ok(None),
        Some(row) => Ok(Some(kept(reads, &row).await?)),
    }
}

/// The entry under this reference.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn under(reads: &mut impl Queries, reference: &str) -> Result<Option<Kept>> {
    let sql = "SELECT id, account_id, clause, agreement, from_us, to_us, evidence, reference
               FROM violation WHERE reference = $1";
    match reads.query_opt(sql, values![reference]).await? {
        None => Ok(None),
        Some(row) => Ok(Some(kept(reads, &row).await?)),
    }
}

/// The entries of an account and of the platform before number `before`, the newest first: at most
/// `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn of_account(
    reads: &mut impl Queries,
    account: AccountId,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Kept>> {
    let sql = "SELECT id, account_id, clause, agreement, from_us, to_us, evidence, reference
               FROM violation WHERE account_id IN (0, $1) AND id < $2
               ORDER BY id DESC LIMIT $3";
    let rows = reads.query(sql, values![account, before.unwrap_or(i64::MAX), limit]).await?;
    all_kept(reads, rows).await
}

/// Every entry before number `before`, the newest first: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn all(reads: &mut impl Queries, before: Option<i64>, limit: u32) -> Result<Vec<Kept>> {
    let sql = "SELECT id, account_id, clause, agreement, from_us, to_us, evidence, reference
               FROM violation WHERE id < $1 ORDER BY id DESC LIMIT $2";
    let rows = reads.query(sql, values![before.unwrap_or(i64::MAX), limit]).await?;
    all_kept(reads, rows).await
}

/// The entries of an account for a clause that lie in a time.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn within(
    reads: &mut impl Queries,
    account: Option<AccountId>,
    clause: Clause,
    time: Span,
) -> Result<Vec<Kept>> {
    let sql = "SELECT id, account_id, clause, agreement, from_us, to_us, evidence, reference
               FROM violation
               WHERE account_id = $1 AND clause = $2 AND from_us < $4 AND to_us > $3 ORDER BY id";
    let values = values![account.unwrap_or(PLATFORM), clause.word(), time.from, time.to];
    let rows = reads.query(sql, values).await?;
    all_kept(reads, rows).await
}

/// How many entries of each clause began in a time and stand.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn standing(reads: &mut impl Queries, time: Span) -> Result<Vec<(Clause, u64)>> {
    let sql = "SELECT clause, COUNT(*) AS entries FROM violation v
               WHERE from_us >= $1 AND from_us < $2
                     AND NOT EXISTS (SELECT 1 FROM violation_status s
                                     WHERE s.violation_id = v.id AND s.status = 'reversed')
               GROUP BY clause ORDER BY clause";
    let count = |row: &Row| {
        let entries = row.decode("entries", |count| u64::try_from(count).ok())?;
        Ok((row.parse("clause", Clause::parse)?, entries))
    };
    reads.query(sql, values![time.from, time.to]).await?.iter().map(count).collect()
}

async fn all_kept(reads: &mut impl Queries, rows: Vec<Row>) -> Result<Vec<Kept>> {
    let mut entries = Vec::with_capacity(rows.len());
    for row in &rows {
        entries.push(kept(reads, row).await?);
    }
    Ok(entries)
}

async fn kept(reads: &mut impl Queries, row: &Row) -> Result<Kept> {
    let id: i64 = row.get("id")?;
    let sql = "SELECT violation_id, status, at_us, actor, reason FROM violation_status
               WHERE violation_id = $1 ORDER BY n";
    let rows = reads.query(sql, values![id]).await?;
    let steps = rows.iter().map(step).collect::<Result<Vec<Step>>>()?;
    let history: Vec<Status> = steps.iter().map(|step| step.status).collect();
    let span = Span { from: row.get("from_us")?, to: row.get("to_us")? };
    let clause = row.parse("clause", Clause::parse)?;
    let version = row.get("agreement")?;
    let violation = row.parse("evidence", |text| {
        let evidence = text.split('\n').map(str::to_owned).collect();
        Violation::kept(clause, version, span, evidence, &history)
    })?;
    let account: AccountId = row.get("account_id")?;
    let account = Some(account).filter(|account| *account != PLATFORM);
    Ok(Kept { id, account, reference: row.get("reference")?, violation, steps })
}

fn step(row: &Row) -> Result<Step> {
    Ok(Step {
        status: row.parse("status", Status::parse)?,
        at: row.get("at_us")?,
        actor: row.get("actor")?,
        reason: row.get("reason")?,
    })
}
