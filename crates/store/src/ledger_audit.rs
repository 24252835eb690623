//! The audits of the books that run by themselves: which days had one, and what it found.

use domain::Timestamp;

use crate::value::values;
use crate::{Queries, Result, Tx};

/// An audit that came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// When it had gone through everything.
    pub at: Timestamp,
    /// How many things did not add up.
    pub violations: u32,
    /// The first of them in words; empty when there is none.
    pub detail: String,
}

/// Takes the audit of a day. `false`: somebody has it, or had it, unless it began before `lost` and
/// never ended.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn claim(tx: &mut Tx, day: Timestamp, at: Timestamp, lost: Timestamp) -> Result<bool> {
    let sql = "INSERT INTO ledger_audit (day_us, began_at_us) VALUES ($1, $2)
               ON CONFLICT (day_us) DO UPDATE SET began_at_us = $2
               WHERE ledger_audit.ended_at_us IS NULL AND ledger_audit.began_at_us < $3";
    Ok(tx.execute(sql, values![day, at, lost]).await? == 1)
}

/// Gives back the audit of a day that was taken at this moment and failed.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn give_back(tx: &mut Tx, day: Timestamp, taken_at: Timestamp) -> Result<()> {
    let sql = "DELETE FROM ledger_audit
               WHERE day_us = $1 AND began_at_us = $2 AND ended_at_us IS NULL";
    tx.execute(sql, values![day, taken_at]).await.map(drop)
}

/// Writes down what the audit of a day found.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn end(tx: &mut Tx, day: Timestamp, ended: &Ended) -> Result<()> {
    let sql = "UPDATE ledger_audit SET ended_at_us = $2, violations = $3, detail = $4
               WHERE day_us = $1";
    let values = values![day, ended.at, ended.violations, ended.detail.as_str()];
    tx.execute(sql, values).await.map(drop)
}

/// The last audit that came to its end.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn last(reads: &mut impl Queries) -> Result<Option<Ended>> {
    let sql = "SELECT ended_at_us, violations, detail FROM ledger_audit
               WHERE ended_at_us IS NOT NULL ORDER BY day_us DESC LIMIT 1";
    let row = reads.query_opt(sql, values![]).await?;
    row.map(|row| {
        Ok(Ended {
            at: row.get("ended_at_us")?,
            violations: row.get("violations")?,
            detail: row.get("detail")?,
        })
    })
    .transpose()
}
