//! Requests that came with an idempotency key: what was asked under it.

use domain::{AccountId, Timestamp};

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
