//! One-click verifications: the key to be pressed, and whom to tell which one was.

use domain::{AccountId, QuickSendId, Timestamp};

use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A verification to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVerification {
    /// The client reference of its send.
    pub reference: String,
    /// Whose it is.
    pub account: AccountId,
    /// The key to be pressed.
    pub code: u8,
    /// Whom to tell.
    pub callback_url: String,
    /// Now.
    pub created_at: Timestamp,
}

/// A verification whose call has ended and that is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The client reference of its send.
    pub reference: String,
    /// The send.
    pub send: QuickSendId,
    /// The number that was called.
    pub number: String,
    /// The key to be pressed.
    pub code: u8,
    /// The one that was.
    pub vote: Option<u8>,
    /// Whom to tell.
    pub callback_url: String,
    /// How often that was tried.
    pub tries: u32,
    /// When it was to be told.
    pub next_try_at: Timestamp,
    /// With what it is signed.
    pub secret: Option<String>,
}

/// Keeps a verification.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] without such an account.
pub async fn insert(tx: &mut Tx, new: &NewVerification) -> Result<()> {
    let sql = "INSERT INTO verification (reference, account_id, code, callback_url, tries,
                                         next_try_at_us)
               VALUES ($1, $2, $3, $4, 0, $5)";
    let values = values![
        &new.reference,
        new.account,
        u32::from(new.code),
        &new.callback_url,
        new.created_at,
    ];
    tx.execute(sql, values).await.map(drop)
}

/// Forgets a verification that came to no send.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn delete(tx: &mut Tx, reference: &str) -> Result<()> {
    let sql = "DELETE FROM verification WHERE reference = $1";
    tx.execute(sql, values![reference]).await.map(drop)
}

/// What is to be told at `now`, at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn due(reads: &mut impl Queries, now: Timestamp, limit: u32) -> Result<Vec<Due>> {
    let sql = "SELECT q.id AS send, v.reference AS reference, q.destination AS number,
                      v.code AS code, o.vote AS vote, v.callback_url AS callback_url,
                      v.tries AS tries, v.next_try_at_us AS next_try_at_us,
                      a.callback_secret AS callback_secret
               FROM verification v
               JOIN account a ON a.id = v.account_id
               JOIN quick_send q
                 ON q.account_id = v.account_id AND q.client_reference = v.reference
               JOIN outcome o ON o.quick_send_id = q.id AND o.disposition IS NOT NULL
               WHERE v.next_try_at_us <= $1
               ORDER BY v.next_try_at_us LIMIT $2";
    reads.query(sql, values![now, limit]).await?.iter().map(one_due).collect()
}

/// Puts a verification off until `until`, so that nobody else tells it meanwhile. `false`: somebody
/// else did.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn claim(tx: &mut Tx, due: &Due, until: Timestamp) -> Result<bool> {
    let sql = "UPDATE verification SET next_try_at_us = $3
               WHERE reference = $1 AND next_try_at_us = $2";
    Ok(tx.execute(sql, values![&due.reference, due.next_try_at, until]).await? == 1)
}

/// Writes down what came of telling it, and when it is told again, if it is.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn tried(
    tx: &mut Tx,
    reference: &str,
    answer: &str,
    next_try_at: Option<Timestamp>,
) -> Result<()> {
    let sql = "UPDATE verification SET tries = tries + 1, last_answer = $2, next_try_at_us = $3
               WHERE reference = $1";
    tx.execute(sql, values![reference, answer, next_try_at]).await.map(drop)
}

/// Sets with what callbacks of the account are signed. `false`: there is no such account.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn set_secret(tx: &mut Tx, account: AccountId, secret: &str) -> Result<bool> {
    let sql = "UPDATE account SET callback_secret = $2 WHERE id = $1";
    Ok(tx.execute(sql, values![account, secret]).await? == 1)
}

fn one_due(row: &Row) -> Result<Due> {
    let vote: i64 = row.get("vote")?;
    Ok(Due {
        reference: row.get("reference")?,
        send: row.get("send")?,
        number: row.get("number")?,
        code: row.get("code")?,
        vote: u8::try_from(vote).ok(),
        callback_url: row.get("callback_url")?,
        tries: row.get("tries")?,
        next_try_at: row.get("next_try_at_us")?,
        secret: row.get("callback_secret")?,
    })
}
