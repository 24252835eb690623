//! Phones: what the registrar knows. Passwords never come here, only digest hashes (RFC 7616).

use domain::{AccountId, Extension, PhoneId, Timestamp};

use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A phone to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPhone {
    /// Whose it is.
    pub account: AccountId,
    /// The short number it is called by, unique in the account.
    pub extension: Extension,
    /// The name it registers with, unique on the platform.
    pub username: String,
    /// `MD5(username:realm:password)`, hex.
    pub ha1_md5: String,
    /// `SHA-256(username:realm:password)`, hex.
    pub ha1_sha256: String,
    /// A contact that the operator fixed: the phone need not register.
    pub fixed_contact: Option<String>,
}

/// A phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phone {
    /// Its identity.
    pub id: PhoneId,
    /// Whose it is.
    pub account: AccountId,
    /// The short number it is called by.
    pub extension: Extension,
    /// The name it registers with.
    pub username: String,
    /// `MD5(username:realm:password)`, hex.
    pub ha1_md5: String,
    /// `SHA-256(username:realm:password)`, hex.
    pub ha1_sha256: String,
    /// A contact that the operator fixed.
    pub fixed_contact: Option<String>,
    /// Where it registered last; check [`Binding::until`].
    pub binding: Option<Binding>,
}

/// A registration (RFC 3261 section 10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The contact URI that it gave.
    pub contact: String,
    /// The address the REGISTER came from, where requests are sent.
    pub address: String,
    /// When it ends.
    pub until: Timestamp,
}

/// Adds a phone.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when there is no such account or the
/// extension or user name is taken.
pub async fn insert(tx: &mut Tx, new: &NewPhone) -> Result<PhoneId> {
    let sql = "INSERT INTO phone (account_id, extension, username, ha1_md5, ha1_sha256,
                                  fixed_contact)
               VALUES ($1, $2, $3, $4, $5, $6) RETURNING id";
    let values = values![
        new.account,
        new.extension.as_str(),
        &new.username,
        &new.ha1_md5,
        &new.ha1_sha256,
        new.fixed_contact.as_deref(),
    ];
    tx.query_one(sql, values).await?.get("id")
}

/// The account's phone with this short number.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find_by_extension(
    reads: &mut impl Queries,
    account: AccountId,
    extension: &Extension,
) -> Result<Option<Phone>> {
    let sql = "SELECT id, account_id, extension, username, ha1_md5, ha1_sha256, fixed_contact,
                      bound_contact, bound_address, bound_until_us
               FROM phone WHERE account_id = $1 AND extension = $2";
    let row = reads.query_opt(sql, values![account, extension.as_str()]).await?;
    row.as_ref().map(phone).transpose()
}

/// The phone that registers with this name.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find_by_username(reads: &mut impl Queries, username: &str) -> Result<Option<Phone>> {
    let sql = "SELECT id, account_id, extension, username, ha1_md5, ha1_sha256, fixed_contact,
                      bound_contact, bound_address, bound_until_us
               FROM phone WHERE username = $1";
    reads.query_opt(sql, values![username]).await?.as_ref().map(phone).transpose()
}

/// The account's phones by id.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(reads: &mut impl Queries, account: AccountId) -> Result<Vec<Phone>> {
    let sql = "SELECT id, account_id, extension, username, ha1_md5, ha1_sha256, fixed_contact,
                      bound_contact, bound_address, bound_until_us
               FROM phone WHERE account_id = $1 ORDER BY id";
    reads.query(sql, values![account]).await?.iter().map(phone).collect()
}

/// Every phone of the platform by id, for the registrar.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn all(reads: &mut impl Queries) -> Result<Vec<Phone>> {
    let sql = "SELECT id, account_id, extension, username, ha1_md5, ha1_sha256, fixed_contact,
                      bound_contact, bound_address, bound_until_us
               FROM phone ORDER BY id";
    reads.query(sql, values![]).await?.iter().map(phone).collect()
}

/// Notes where the phone can be reached. `false`: there is no such phone.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn bind(tx: &mut Tx, id: PhoneId, binding: &Binding) -> Result<bool> {
    let sql = "UPDATE phone SET bound_contact = $2, bound_address = $3, bound_until_us = $4
               WHERE id = $1";
    let values = values![id, &binding.contact, &binding.address, binding.until];
    Ok(tx.execute(sql, values).await? == 1)
}

/// Forgets where the phone was. `false`: there is no such phone, or it was not registered.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn unbind(tx: &mut Tx, id: PhoneId) -> Result<bool> {
    let sql = "UPDATE phone SET bound_contact = NULL, bound_address = NULL, bound_until_us = NULL
               WHERE id = $1 AND bound_contact IS NOT NULL";
    Ok(tx.execute(sql, values![id]).await? == 1)
}

fn phone(row: &Row) -> Result<Phone> {
    let binding = match row.get::<Option<String>>("bound_contact")? {
        Some(contact) => Some(Binding {
            contact,
            address: row.get("bound_address")?,
            until: row.get("bound_until_us")?,
        }),
        None => None,
    };
    Ok(Phone {
        id: row.get("id")?,
        account: row.get("account_id")?,
        extension: row.parse("extension", Extension::parse)?,
        username: row.get("username")?,
        ha1_md5: row.get("ha1_md5")?,
        ha1_sha256: row.get("ha1_sha256")?,
        fixed_contact: row.get("fixed_contact")?,
        binding,
    })
}
