//! Web-service tokens. Only hashes of the secrets come here.

use domain::access::Allowed;
use domain::{AccountId, Timestamp, TokenId};

use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A token to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// Whose it is.
    pub account: AccountId,
    /// The hash of the secret.
    pub hash: Vec<u8>,
    /// The customer's name for it.
    pub label: String,
    /// Now.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// From where and for which methods it works.
    pub allowed: Allowed,
}

/// A token as its owner may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its identity.
    pub id: TokenId,
    /// The customer's name for it.
    pub label: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it was switched off.
    pub disabled_at: Option<Timestamp>,
    /// When it was last used, roughly.
    pub last_used_at: Option<Timestamp>,
}

/// Creates a token.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when there is no such account or the
/// hash is taken.
pub async fn create(tx: &mut Tx, new: &NewToken) -> Result<TokenId> {
    let sql = "INSERT INTO token (account_id, hash, label, created_at_us, expires_at_us,
                                  allowed_networks, allowed_methods)
               VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id";
    let (networks, methods) = new.allowed.texts();
    let values = values![
        new.account,
        new.hash.as_slice(),
        &new.label,
        new.created_at,
        new.expires_at,
        networks.as_ref(),
        methods.as_ref(),
    ];
    tx.query_one(sql, values).await?.get("id")
}

/// The tokens of an account.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(reads: &mut impl Queries, account: AccountId) -> Result<Vec<Token>> {
    let sql = "SELECT id, label, created_at_us, expires_at_us, disabled_at_us, last_used_at_us
               FROM token WHERE account_id = $1 ORDER BY id";
    reads.query(sql, values![account]).await?.iter().map(token).collect()
}

/// Switches a token of the account off. `false`: there is none, or it was off already.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn disable(tx: &mut Tx, account: AccountId, id: TokenId, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE token SET disabled_at_us = $3
               WHERE account_id = $1 AND id = $2 AND disabled_at_us IS NULL";
    Ok(tx.execute(sql, values![account, id, at]).await? == 1)
}

/// Switches a token of the account on again. `false`: there is none, or it was on.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn enable(tx: &mut Tx, account: AccountId, id: TokenId) -> Result<bool> {
    let sql = "UPDATE token SET disabled_at_us = NULL
               WHERE account_id = $1 AND id = $2 AND disabled_at_us IS NOT NULL";
    Ok(tx.execute(sql, values![account, id]).await? == 1)
}

/// Notes that the token was used.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn touch(tx: &mut Tx, id: TokenId, at: Timestamp) -> Result<()> {
    let sql = "UPDATE token SET last_used_at_us = $2 WHERE id = $1";
    tx.execute(sql, values![id, at]).await?;
    Ok(())
}

fn token(row: &Row) -> Result<Token> {
    Ok(Token {
        id: row.get("id")?,
        label: row.get("label")?,
        created_at: row.get("created_at_us")?,
        expires_at: row.get("expires_at_us")?,
        disabled_at: row.get("disabled_at_us")?,
        last_used_at: row.get("last_used_at_us")?,
    })
}
