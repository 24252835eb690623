//! Versions of the service agreement, from the second on. They are only added and withdrawn.

use domain::agreement::parameter::Parameters;
use domain::agreement::version::{Draft, Version};
use domain::{AccountId, Timestamp};

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A version with the checksum that was made of it when it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The version.
    pub version: Version,
    /// The SHA-256 of its canonical form.
    pub checksum: Vec<u8>,
}

/// That an account accepted a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// Its number.
    pub version: u32,
    /// When.
    pub at: Timestamp,
    /// From which address, if that was known.
    pub address: Option<String>,
}

/// Adds a version.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when the number is taken.
pub async fn insert(tx: &mut Tx, kept: &Kept) -> Result<()> {
    let sql = "INSERT INTO agreement_version (number, body_fa, body_en, parameters,
                                              effective_from_us, published_at_us, checksum)
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let Version { number, draft, published_at, .. } = &kept.version;
    let parameters = draft.parameters.to_text();
    let values = values![
        *number,
        &draft.body_fa,
        &draft.body_en,
        &parameters,
        draft.effective_from,
        *published_at,
        kept.checksum.as_slice()
    ];
    tx.execute(sql, values).await?;
    chain::attest(tx, Fact::Agreement(*number), chain::OPERATOR, *published_at);
    Ok(())
}

/// Takes a version back. `false`: there is no such version, or it was taken back before.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn withdraw(tx: &mut Tx, number: u32, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE agreement_version SET withdrawn_at_us = $2
               WHERE number = $1 AND withdrawn_at_us IS NULL";
    let withdrawn = tx.execute(sql, values![number, at]).await? == 1;
    if withdrawn {
        chain::attest(tx, Fact::Agreement(number), chain::OPERATOR, at);
    }
    Ok(withdrawn)
}

/// Every version that was published, the first of them first.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(reads: &mut impl Queries) -> Result<Vec<Kept>> {
    let sql = "SELECT number, body_fa, body_en, parameters, effective_from_us, published_at_us,
                      checksum, withdrawn_at_us
               FROM agreement_version ORDER BY number";
    reads.query(sql, values![]).await?.iter().map(kept).collect()
}

/// Notes that an account accepted a version. `false`: it did before, which stays as it was.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn accept(tx: &mut Tx, account: AccountId, new: &Acceptance) -> Result<bool> {
    let sql = "INSERT INTO agreement_acceptance (account_id, version, at_us, address)
               VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    let Acceptance { version, at, address } = new;
    let values = values![account, *version, *at, address.as_deref()];
    let is_new = tx.execute(sql, values).await? == 1;
    if is_new {
        let actor = format!("account {account}");
        chain::attest(tx, Fact::Acceptance(account, *version), &actor, *at);
    }
    Ok(is_new)
}

/// What an account accepted, the newest version first: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn acceptances(
    reads: &mut impl Queries,
    account: AccountId,
    limit: u32,
) -> Result<Vec<Acceptance>> {
    let sql = "SELECT version, at_us, address FROM agreement_acceptance
               WHERE account_id = $1 ORDER BY version DESC LIMIT $2";
    let acceptance = |row: &Row| {
        let (version, at) = (row.get("version")?, row.get("at_us")?);
        Ok(Acceptance { version, at, address: row.get("address")? })
    };
    reads.query(sql, values![account, limit]).await?.iter().map(acceptance).collect()
}

fn kept(row: &Row) -> Result<Kept> {
    let draft = Draft {
        body_fa: row.get("body_fa")?,
        body_en: row.get("body_en")?,
        parameters: row.parse("parameters", Parameters::parse)?,
        effective_from: row.get("effective_from_us")?,
    };
    let version = Version {
        number: row.get("number")?,
        draft,
        published_at: row.get("published_at_us")?,
        withdrawn_at: row.get("withdrawn_at_us")?,
    };
    Ok(Kept { version, checksum: row.get("checksum")? })
}
