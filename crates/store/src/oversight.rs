//! What the manager who oversees the agreement is told of, each thing once.

use domain::{AccountId, Timestamp};

use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// Something that the manager is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its number.
    pub id: i64,
    /// What it is told of once.
    pub reference: String,
    /// That a clock comes near its end (`near`), has missed it (`missed`), or that something is in
    /// the ledger of violations (`entered`).
    pub kind: String,
    /// What of: a clock of the board, or the clause of an entry.
    pub subject: String,
    /// The number of that.
    pub item: i64,
    /// Whose it is; `None` for the platform.
    pub account: Option<AccountId>,
    /// Who has it.
    pub holder: Option<String>,
    /// When it was due.
    pub due: Option<Timestamp>,
    /// When it was noted.
    pub noted_at: Timestamp,
    /// Who oversaw then, and so was told; empty when nobody did.
    pub told: String,
    /// When it was said to be seen, and by whom.
    pub seen: Option<(Timestamp, String)>,
}

/// Notes something, once under its reference. `false`: it is noted already.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn note(tx: &mut Tx, new: &Notice) -> Result<bool> {
    let sql = "INSERT INTO oversight_notice (reference, kind, subject, item, account_id, holder,
                                             due_us, noted_at_us, told)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
               ON CONFLICT (reference) DO NOTHING";
    let Notice { reference, kind, subject, item, account, holder, due, noted_at, told, .. } = new;
    let holder = holder.as_deref();
    let values = values![reference, kind, subject, *item, *account, holder, *due, *noted_at, told];
    Ok(tx.execute(sql, values).await? == 1)
}

/// Whether something is noted under a reference.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn is_noted(reads: &mut impl Queries, reference: &str) -> Result<bool> {
    let sql = "SELECT id FROM oversight_notice WHERE reference = $1";
    Ok(reads.query_opt(sql, values![reference]).await?.is_some())
}

/// The entries of the ledger of violations that are not noted, by number: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn entries(reads: &mut impl Queries, at: Timestamp, limit: u32) -> Result<Vec<Notice>> {
    let sql = "SELECT v.id AS id, v.account_id AS account_id, v.clause AS clause,
                      v.from_us AS from_us
               FROM violation v
               WHERE v.id > COALESCE((SELECT MAX(item) FROM oversight_notice
                                      WHERE kind = 'entered'), 0)
               ORDER BY v.id LIMIT $1";
    let notice = |row: &Row| {
        let item: i64 = row.get("id")?;
        Ok(Notice {
            id: 0,
            reference: format!("violation:{item}"),
            kind: "entered".to_owned(),
            subject: row.get("clause")?,
            item,
            account: row.get("account_id")?,
            holder: None,
            due: row.get("from_us")?,
            noted_at: at,
            told: String::new(),
            seen: None,
        })
    };
    reads.query(sql, values![limit]).await?.iter().map(notice).collect()
}

/// What was noted after a number, in order: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn after(reads: &mut impl Queries, id: i64, limit: u32) -> Result<Vec<Notice>> {
    let sql = "SELECT id, reference, kind, subject, item, account_id, holder, due_us, noted_at_us,
                      told, seen_at_us, seen_by
               FROM oversight_notice WHERE id > $1 ORDER BY id LIMIT $2";
    let notice = |row: &Row| {
        let seen: (Option<Timestamp>, Option<String>) =
            (row.get("seen_at_us")?, row.get("seen_by")?);
        Ok(Notice {
            id: row.get("id")?,
            reference: row.get("reference")?,
            kind: row.get("kind")?,
            subject: row.get("subject")?,
            item: row.get("item")?,
            account: row.get("account_id")?,
            holder: row.get("holder")?,
            due: row.get("due_us")?,
            noted_at: row.get("noted_at_us")?,
            told: row.get("told")?,
            seen: seen.0.zip(seen.1),
        })
    };
    reads.query(sql, values![id, limit]).await?.iter().map(notice).collect()
}

/// Says that everything up to a number was seen. The answer is how much was not before.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn see(tx: &mut Tx, up_to: i64, (at, by): (Timestamp, &str)) -> Result<u64> {
    let sql = "UPDATE oversight_notice SET seen_at_us = $2, seen_by = $3
               WHERE id <= $1 AND seen_at_us IS NULL";
    tx.execute(sql, values![up_to, at, by]).await
}
