//! Requests that came with an idempotency key: what was asked under it.

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
