//! Accounts: who may send and what they have to spend.

use domain::access::{AccountAccess, Allowed, TokenState};
use domain::{Account, AccountId, Rials, Timestamp, TokenId, UserName};

use crate::entry::{self, EntryKind, NewEntry};
use crate::value::values;
use crate::{Error, Queries, Result, Row, Tx};

/// An account to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// The customer's name.
    pub name: String,
    /// The customer's own mobile, in national form.
    pub mobile: String,
    /// Credit to start with; becomes an entry. Not negative.
    pub opening_credit: Rials,
    /// When the subscription ends; `None` for a permanent panel.
    pub expires_at: Option<Timestamp>,
    /// Whether its messages are approved without being listened to.
    pub approves_own_messages: bool,
    /// Whether it may record callees.
    pub records_callees: bool,
    /// Now.
    pub created_at: Timestamp,
    /// The account whose sandbox it is.
    pub sandbox_of: Option<AccountId>,
}

/// Whoever shows a known token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenHolder {
    /// The token.
    pub token: TokenId,
    /// Whether the token itself is good.
    pub state: TokenState,
    /// The account behind it.
    pub account: Account,
    /// What that account may do with the web services.
    pub access: AccountAccess,
}

/// Whoever has a user name.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginHolder {
    /// What the password is proven against, as a PHC string.
    pub password_hash: String,
    /// The account.
    pub account: Account,
    /// What that account may do with the web services.
    pub access: AccountAccess,
}

/// Creates an account, with an entry for its opening credit.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Conflict`] for a negative credit.
pub async fn create(tx: &mut Tx, new: &NewAccount) -> Result<AccountId> {
    if new.opening_credit < Rials::ZERO {
        return Err(Error::Conflict("an opening credit cannot be negative".into()));
    }
    let own_approval = new.approves_own_messages.then_some(new.created_at);
    let sql = "INSERT INTO account (name, mobile, balance_rials, reserved_rials, expires_at_us,
                                    disabled_at_us, self_approval_at_us, created_at_us,
                                    recording_permitted_at_us, sandbox_of)
               VALUES ($1, $2, 0, 0, $3, NULL, $4, $5, $6, $7) RETURNING id";
    let recording = new.records_callees.then_some(new.created_at);
    let values = values![
        &new.name,
        &new.mobile,
        new.expires_at,
        own_approval,
        new.created_at,
        recording,
        new.sandbox_of,
    ];
    let id: AccountId = tx.query_one(sql, values).await?.get("id")?;
    if new.opening_credit > Rials::ZERO {
        let credit = NewEntry {
            account: id,
            kind: EntryKind::Credit,
            amount: new.opening_credit,
            at: new.created_at,
            reference: None,
            note: String::from("opening credit"),
        };
        entry::post(tx, &credit).await?;
    }
    Ok(id)
}

/// The account `id`.
///
/// # Errors
/// [`Error::Unavailable`] and [`Error::Corrupt`].
pub async fn find(reads: &mut impl Queries, id: AccountId) -> Result<Option<Account>> {
    let sql = "SELECT id, name, mobile, balance_rials, reserved_rials, debt_limit_rials,
                      expires_at_us, disabled_at_us, self_approval_at_us,
                      recording_permitted_at_us,
                      secure_calls_at_us, regions_at_us, sandbox_of
               FROM account WHERE id = $1";
    reads.query_opt(sql, values![id]).await?.as_ref().map(account).transpose()
}

/// Locks the account until the transaction ends: of two who ask at once, one comes after the other.
/// `false`: there is none.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn lock(tx: &mut Tx, id: AccountId) -> Result<bool> {
    let sql = "UPDATE account SET reserved_rials = reserved_rials WHERE id = $1";
    Ok(tx.execute(sql, values![id]).await? == 1)
}

/// Locks the account until the transaction ends, and tells which one is its sandbox, if one is.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn lock_for_sandbox(tx: &mut Tx, id: AccountId) -> Result<Option<AccountId>> {
    lock(tx, id).await?;
    let sql = "SELECT id FROM account WHERE sandbox_of = $1";
    tx.query_opt(sql, values![id]).await?.map(|row| row.get("id")).transpose()
}

/// Accounts by id, from the one after `after` on.
///
/// # Errors
/// [`Error::Unavailable`] and [`Error::Corrupt`].
pub async fn list(reads: &mut impl Queries, after: AccountId, limit: u32) -> Result<Vec<Account>> {
    let sql = "SELECT id, name, mobile, balance_rials, reserved_rials, debt_limit_rials,
                      expires_at_us, disabled_at_us, self_approval_at_us,
                      recording_permitted_at_us,
                      secure_calls_at_us, regions_at_us, sandbox_of
               FROM account WHERE id > $1 ORDER BY id LIMIT $2";
    reads.query(sql, values![after, limit]).await?.iter().map(account).collect()
}

/// The accounts with this mobile, sandboxes apart: at most `limit`.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn of_mobile(
    reads: &mut impl Queries,
    mobile: &str,
    limit: u32,
) -> Result<Vec<AccountId>> {
    let sql = "SELECT id FROM account WHERE mobile = $1 AND sandbox_of IS NULL
               ORDER BY id LIMIT $2";
    reads.query(sql, values![mobile, limit]).await?.iter().map(|row| row.get("id")).collect()
}

/// The token with this hash and its account.
///
/// # Errors
/// [`Error::Unavailable`] and [`Error::Corrupt`].
pub async fn find_by_token(reads: &mut impl Queries, hash: &[u8]) -> Result<Option<TokenHolder>> {
    let sql = "SELECT a.id AS id, a.name AS name, a.mobile AS mobile,
                      a.balance_rials AS balance_rials, a.reserved_rials AS reserved_rials,
                      a.debt_limit_rials AS debt_limit_rials,
                      a.expires_at_us AS expires_at_us, a.disabled_at_us AS disabled_at_us,
                      a.self_approval_at_us AS self_approval_at_us,
                      a.recording_permitted_at_us AS recording_permitted_at_us,
                      a.secure_calls_at_us AS secure_calls_at_us,
                      a.regions_at_us AS regions_at_us, a.sandbox_of AS sandbox_of,
                      a.mobile_unverified_at_us AS mobile_unverified_at_us,
                      a.service_denied_at_us AS service_denied_at_us,
                      a.service_blocked_at_us AS service_blocked_at_us,
                      a.https_only_at_us AS https_only_at_us,
                      a.allowed_networks AS allowed_networks,
                      a.allowed_methods AS allowed_methods, t.id AS token_id,
                      t.expires_at_us AS token_expires_at_us,
                      t.disabled_at_us AS token_disabled_at_us,
                      t.allowed_networks AS token_allowed_networks,
                      t.allowed_methods AS token_allowed_methods
               FROM account a JOIN token t ON t.account_id = a.id WHERE t.hash = $1";
    let Some(row) = reads.query_opt(sql, values![hash]).await? else { return Ok(None) };
    let state = TokenState {
        expires_at: row.get("token_expires_at_us")?,
        disabled_at: row.get("token_disabled_at_us")?,
        allowed: allowed(&row, "token_allowed_networks", "token_allowed_methods")?,
    };
    Ok(Some(TokenHolder {
        token: row.get("token_id")?,
        state,
        account: account(&row)?,
        access: account_access(&row)?,
    }))
}

/// The account with this user name.
///
/// # Errors
/// [`Error::Unavailable`] and [`Error::Corrupt`].
pub async fn find_by_user_name(
    reads: &mut impl Queries,
    name: &UserName,
) -> Result<Option<LoginHolder>> {
    let sql = "SELECT id, name, mobile, balance_rials, reserved_rials, debt_limit_rials,
                      expires_at_us, disabled_at_us, self_approval_at_us,
                      recording_permitted_at_us,
                      secure_calls_at_us, regions_at_us, sandbox_of, mobile_unverified_at_us,
                      service_denied_at_us, service_blocked_at_us,
                      https_only_at_us, allowed_networks, allowed_methods, password_hash
               FROM account WHERE user_name = $1 AND password_hash IS NOT NULL";
    let Some(row) = reads.query_opt(sql, values![name.as_str()]).await? else { return Ok(None) };
    Ok(Some(LoginHolder {
        password_hash: row.get("password_hash")?,
        account: account(&row)?,
        access: account_access(&row)?,
    }))
}

/// The user name of the account `id`, if it has one.
///
/// # Errors
/// [`Error::Unavailable`] and [`Error::Corrupt`].
pub async fn user_name(reads: &mut impl Queries, id: AccountId) -> Result<Option<UserName>> {
    let sql = "SELECT id, user_name FROM account WHERE id = $1 AND user_name IS NOT NULL";
    let row = reads.query_opt(sql, values![id]).await?;
    row.map(|row| row.parse("user_name", UserName::parse)).transpose()
}

/// Gives the account a user name and the hash of a password, or takes both away. `false`: there is
/// no such account.
///
/// # Errors
/// [`Error::Unavailable`]; [`Error::Conflict`] when another account has the name.
pub async fn set_login(
    tx: &mut Tx,
    id: AccountId,
    login: Option<(&UserName, &str)>,
) -> Result<bool> {
    let sql = "UPDATE account SET user_name = $2, password_hash = $3 WHERE id = $1";
    let (name, hash) = login.map(|(name, hash)| (name.as_str(), hash)).unzip();
    Ok(tx.execute(sql, values![id, name, hash]).await? == 1)
}

/// What the account `id` may do with the web services.
///
/// # Errors
/// [`Error::Unavailable`] and [`Error::Corrupt`].
pub async fn access(reads: &mut impl Queries, id: AccountId) -> Result<Option<AccountAccess>> {
    let sql = "SELECT id, mobile_unverified_at_us, service_denied_at_us, service_blocked_at_us,
                      https_only_at_us, allowed_networks, allowed_methods
               FROM account WHERE id = $1";
    reads.query_opt(sql, values![id]).await?.as_ref().map(account_access).transpose()
}

/// Sets what the account may do with the web services. `false`: there is no such account.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn set_access(tx: &mut Tx, id: AccountId, access: &AccountAccess) -> Result<bool> {
    let sql = "UPDATE account
               SET mobile_unverified_at_us = $2, service_denied_at_us = $3,
                   service_blocked_at_us = $4, https_only_at_us = $5, allowed_networks = $6,
                   allowed_methods = $7
               WHERE id = $1";
    let (networks, methods) = access.allowed.texts();
    let values = values![
        id,
        access.mobile_unverified_at,
        access.denied_at,
        access.blocked_at,
        access.https_only_at,
        networks.as_ref(),
        methods.as_ref(),
    ];
    Ok(tx.execute(sql, values).await? == 1)
}

/// Switches the account off (or on again with `None`). `false`: there is no such account.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn set_disabled(tx: &mut Tx, id: AccountId, at: Option<Timestamp>) -> Result<bool> {
    let sql = "UPDATE account SET disabled_at_us = $2 WHERE id = $1";
    Ok(tx.execute(sql, values![id, at]).await? == 1)
}

/// Lets the account record callees, or not any more with `None`. `false`: there is no such account.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn set_recording(tx: &mut Tx, id: AccountId, at: Option<Timestamp>) -> Result<bool> {
    let sql = "UPDATE account SET recording_permitted_at_us = $2 WHERE id = $1";
    Ok(tx.execute(sql, values![id, at]).await? == 1)
}

/// Lets the account place secure calls, or not any more with `None`. `false`: there is no such
/// account.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn set_secure_calls(tx: &mut Tx, id: AccountId, at: Option<Timestamp>) -> Result<bool> {
    let sql = "UPDATE account SET secure_calls_at_us = $2 WHERE id = $1";
    Ok(tx.execute(sql, values![id, at]).await? == 1)
}

/// Lets the account call regions of the map of numbers, or not any more with `None`. `false`: there
/// is no such account.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn set_regions(tx: &mut Tx, id: AccountId, at: Option<Timestamp>) -> Result<bool> {
    let sql = "UPDATE account SET regions_at_us = $2 WHERE id = $1";
    Ok(tx.execute(sql, values![id, at]).await? == 1)
}

/// Sets how far what is available may go below zero, and notes how far it is: a debt that is above
/// the limit stays, and nothing is added to it. `false`: there is no such account.
///
/// # Errors
/// [`Error::Unavailable`]; [`Error::Conflict`] for a limit below zero.
pub async fn set_debt_limit(tx: &mut Tx, id: AccountId, limit: Rials) -> Result<bool> {
    let sql = "UPDATE account
               SET debt_limit_rials = $2,
                   debt_before_rials = CASE WHEN reserved_rials > balance_rials
                                            THEN reserved_rials - balance_rials ELSE 0 END
               WHERE id = $1";
    Ok(tx.execute(sql, values![id, limit]).await? == 1)
}

/// Moves the end of the subscription. `false`: there is no such account.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn set_expiry(tx: &mut Tx, id: AccountId, at: Option<Timestamp>) -> Result<bool> {
    let sql = "UPDATE account SET expires_at_us = $2 WHERE id = $1";
    Ok(tx.execute(sql, values![id, at]).await? == 1)
}

fn account_access(row: &Row) -> Result<AccountAccess> {
    Ok(AccountAccess {
        mobile_unverified_at: row.get("mobile_unverified_at_us")?,
        denied_at: row.get("service_denied_at_us")?,
        blocked_at: row.get("service_blocked_at_us")?,
        https_only_at: row.get("https_only_at_us")?,
        allowed: allowed(row, "allowed_networks", "allowed_methods")?,
    })
}

/// Two lists that were kept as texts. Each is read on its own, so that an error names its column.
fn allowed(row: &Row, networks: &str, methods: &str) -> Result<Allowed> {
    let network_list = row.parse_opt(networks, |text| Allowed::from_texts(text, None))?;
    let method_list = row.parse_opt(methods, |text| Allowed::from_texts(None, text))?;
    Ok(network_list.with_methods_of(method_list))
}

fn account(row: &Row) -> Result<Account> {
    let own_approval: Option<Timestamp> = row.get("self_approval_at_us")?;
    let recording: Option<Timestamp> = row.get("recording_permitted_at_us")?;
    let secure_calls: Option<Timestamp> = row.get("secure_calls_at_us")?;
    let regions: Option<Timestamp> = row.get("regions_at_us")?;
    Ok(Account {
        id: row.get("id")?,
        name: row.get("name")?,
        mobile: row.get("mobile")?,
        balance: row.get("balance_rials")?,
        reserved: row.get("reserved_rials")?,
        debt_limit: row.get("debt_limit_rials")?,
        expires_at: row.get("expires_at_us")?,
        disabled_at: row.get("disabled_at_us")?,
        approves_own_messages: own_approval.is_some(),
        records_callees: recording.is_some(),
        places_secure_calls: secure_calls.is_some(),
        calls_regions: regions.is_some(),
        sandbox_of: row.get("sandbox_of")?,
    })
}
