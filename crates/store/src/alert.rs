//! Alerts: what the operator has to be told of, while it holds and afterwards.

use domain::Timestamp;

use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Its name: at most one of a name holds.
    pub name: String,
    /// What it is about, as it was when it began.
    pub detail: String,
    /// Since when it holds.
    pub began_at: Timestamp,
    /// Until when it held; `None` while it does.
    pub ended_at: Option<Timestamp>,
}

/// Begins an alert. `false`: one of the name holds.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn begin(tx: &mut Tx, name: &str, detail: &str, at: Timestamp) -> Result<bool> {
    let sql = "INSERT INTO alert (name, detail, began_at_us) VALUES ($1, $2, $3)
               ON CONFLICT DO NOTHING";
    Ok(tx.execute(sql, values![name, detail, at]).await? == 1)
}

/// Ends the alert of a name. `false`: none holds.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn end(tx: &mut Tx, name: &str, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE alert SET ended_at_us = $2 WHERE name = $1 AND ended_at_us IS NULL";
    Ok(tx.execute(sql, values![name, at]).await? == 1)
}

/// The alerts that hold, or held since a moment, the latest first; at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn since(reads: &mut impl Queries, at: Timestamp, limit: u32) -> Result<Vec<Alert>> {
    let sql = "SELECT name, detail, began_at_us, ended_at_us FROM alert
               WHERE ended_at_us IS NULL OR ended_at_us > $1
               ORDER BY began_at_us DESC, id DESC LIMIT $2";
    let alert = |row: &Row| {
        Ok(Alert {
            name: row.get("name")?,
            detail: row.get("detail")?,
            began_at: row.get("began_at_us")?,
            ended_at: row.get("ended_at_us")?,
        })
    };
    reads.query(sql, values![at, limit]).await?.iter().map(alert).collect()
}
