//! Requests that came with an idempotency key: what was asked, done and answered under it.

use domain::{AccountId, CampaignId, Timestamp};

use crate::value::values;
use crate::{Queries, Result, Tx};

/// A request as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRequest {
    /// Whose it is.
    pub account: AccountId,
    /// SHA-256 of its key.
    pub key_hash: [u8; 32],
    /// SHA-256 of its body.
    pub body_hash: [u8; 32],
    /// Now.
    pub asked_at: Timestamp,
}

/// What was done under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// To what: the identity of a thing whose kind the request names.
    pub subject: i64,
    /// What was answered, as long as it is kept.
    pub answer: Option<Answer>,
}

/// An answer as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its HTTP status.
    pub status: u16,
    /// Its text.
    pub body: Vec<u8>,
}

/// Takes the key for this body, unless it is taken. `false`: it is taken for another body. The
/// same body may take it any number of times.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] without such an account.
pub async fn claim(tx: &mut Tx, new: &NewRequest) -> Result<bool> {
    let sql = "INSERT INTO request (account_id, key_hash, body_hash, asked_at_us)
               VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    let (key, body) = (&new.key_hash[..], &new.body_hash[..]);
    tx.execute(sql, values![new.account, key, body, new.asked_at]).await?;
    let sql = "SELECT account_id AS id FROM request
               WHERE account_id = $1 AND key_hash = $2 AND body_hash = $3";
    Ok(tx.query_opt(sql, values![new.account, key, body]).await?.is_some())
}

/// The campaign that was made under the key.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn campaign(
    reads: &mut impl Queries,
    account: AccountId,
    key_hash: &[u8; 32],
) -> Result<Option<CampaignId>> {
    let sql = "SELECT account_id AS id, campaign_id FROM request
               WHERE account_id = $1 AND key_hash = $2";
    let row = reads.query_opt(sql, values![account, &key_hash[..]]).await?;
    Ok(row.map(|row| row.get("campaign_id")).transpose()?.flatten())
}

/// Notes the campaign that is made under the key. `false`: another one was.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn set_campaign(
    tx: &mut Tx,
    account: AccountId,
    key_hash: &[u8; 32],
    campaign: CampaignId,
) -> Result<bool> {
    let sql = "UPDATE request SET campaign_id = $3
               WHERE account_id = $1 AND key_hash = $2 AND campaign_id IS NULL";
    Ok(tx.execute(sql, values![account, &key_hash[..], campaign]).await? == 1)
}

/// What was done under the key, if it was.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn done(
    reads: &mut impl Queries,
    account: AccountId,
    key_hash: &[u8; 32],
) -> Result<Option<Done>> {
    let sql = "SELECT r.account_id AS id, r.subject AS subject, a.status AS status, a.body AS body
               FROM request r LEFT JOIN request_answer a
                    ON a.account_id = r.account_id AND a.key_hash = r.key_hash
               WHERE r.account_id = $1 AND r.key_hash = $2 AND r.done_at_us IS NOT NULL";
    let row = reads.query_opt(sql, values![account, &key_hash[..]]).await?;
    let Some(row) = row else { return Ok(None) };
    let status: Option<u16> = row.get("status")?;
    let body: Option<Vec<u8>> = row.get("body")?;
    let answer = status.zip(body).map(|(status, body)| Answer { status, body });
    Ok(Some(Done { subject: row.get("subject")?, answer }))
}

/// Notes, in the transaction that does it, that what was asked under the key is done. `false`: it
/// was done already, or nobody asked for it.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn set_done(
    tx: &mut Tx,
    account: AccountId,
    key_hash: &[u8; 32],
    (subject, now): (i64, Timestamp),
) -> Result<bool> {
    let sql = "UPDATE request SET done_at_us = $3, subject = $4
               WHERE account_id = $1 AND key_hash = $2 AND done_at_us IS NULL";
    Ok(tx.execute(sql, values![account, &key_hash[..], now, subject]).await? == 1)
}

/// Takes [`set_done`] back, since what was done is taken back.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn set_undone(tx: &mut Tx, account: AccountId, key_hash: &[u8; 32]) -> Result<()> {
    let sql = "UPDATE request SET done_at_us = NULL, subject = NULL
               WHERE account_id = $1 AND key_hash = $2";
    tx.execute(sql, values![account, &key_hash[..]]).await.map(drop)
}

/// Keeps what is answered to what was done. Does nothing when an answer is kept already.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn keep_answer(
    tx: &mut Tx,
    account: AccountId,
    key_hash: &[u8; 32],
    (answer, now): (&Answer, Timestamp),
) -> Result<()> {
    let sql = "INSERT INTO request_answer (account_id, key_hash, status, body, kept_at_us)
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    let Answer { status, body } = answer;
    let values = values![account, &key_hash[..], *status, body.as_slice(), now];
    tx.execute(sql, values).await.map(drop)
}

/// Forgets answers that were kept before a moment: at most `limit`; how many that were.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn forget_answers(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64> {
    let sql = "DELETE FROM request_answer
               WHERE (account_id, key_hash) IN (SELECT account_id, key_hash FROM request_answer
                                                WHERE kept_at_us < $1 LIMIT $2)";
    tx.execute(sql, values![before, limit]).await
}
