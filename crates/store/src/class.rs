//! The policies of message classes, in versions that never change, and the accounts that may call
//! at any hour. The first migration of them brings the ones that hold from the beginning.

use std::collections::BTreeSet;

use domain::calendar::opening_hours::DayType;
use domain::class::{Policy, hours_text};
use domain::{AccountId, MessageClass, PolicyId, Timestamp};

use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A permission to call at any hour, in force or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoursPermission {
    /// Whose it is.
    pub account: AccountId,
    /// The document that it was given for.
    pub document: String,
    /// From when on it held.
    pub granted_at: Timestamp,
    /// When it ended.
    pub revoked_at: Option<Timestamp>,
}

/// The policies in force at `at`, one for each class.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn in_force(reads: &mut impl Queries, at: Timestamp) -> Result<Vec<Policy>> {
    let sql = "SELECT id, class, effective_from_us, state, document, approval, ordinary_hours,
                      off_hours, daily_cap, tries_max, retry_minutes, caller_id, opt_out_key,
                      priority
               FROM class_policy
               WHERE (class, effective_from_us) IN (
                   SELECT class, MAX(effective_from_us) FROM class_policy
                   WHERE effective_from_us <= $1 GROUP BY class)
               ORDER BY class";
    reads.query(sql, values![at]).await?.iter().map(policy).collect()
}

/// Every version of every policy, in the order in which they were made.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn all(reads: &mut impl Queries) -> Result<Vec<Policy>> {
    let sql = "SELECT id, class, effective_from_us, state, document, approval, ordinary_hours,
                      off_hours, daily_cap, tries_max, retry_minutes, caller_id, opt_out_key,
                      priority
               FROM class_policy ORDER BY id";
    reads.query(sql, values![]).await?.iter().map(policy).collect()
}

/// Adds a version; the `id` of `new` is not looked at. `None`: the class has one from that moment
/// on already.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert(tx: &mut Tx, new: &Policy) -> Result<Option<PolicyId>> {
    let sql = "INSERT INTO class_policy (class, effective_from_us, state, document, approval,
                                         ordinary_hours, off_hours, daily_cap, tries_max,
                                         retry_minutes, caller_id, opt_out_key, priority)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
               ON CONFLICT DO NOTHING RETURNING id";
    let key = new.opt_out_key.map(String::from);
    let values = values![
        new.class.code(),
        new.effective_from,
        if new.allowed { ALLOWED } else { BARRED },
        needed(new.needs_document),
        needed(new.needs_approval),
        &hours_text(&new.hours, DayType::Ordinary),
        &hours_text(&new.hours, DayType::Off),
        new.daily_cap,
        new.tries_max,
        new.retry_minutes,
        new.caller_id.as_deref(),
        key.as_deref(),
        new.priority,
    ];
    tx.query_opt(sql, values).await?.map(|row| row.get("id")).transpose()
}

/// Lets an account call at any hour, by a document. A permission that it had ends.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] without such an account.
pub async fn grant_hours(
    tx: &mut Tx,
    account: AccountId,
    document: &str,
    at: Timestamp,
) -> Result<()> {
    revoke_hours(tx, account, at).await?;
    let sql = "INSERT INTO hours_permission (account_id, document, granted_at_us)
               VALUES ($1, $2, $3)";
    tx.execute(sql, values![account, document, at]).await.map(drop)
}

/// Ends an account's permission to call at any hour. `false`: it had none.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn revoke_hours(tx: &mut Tx, account: AccountId, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE hours_permission SET revoked_at_us = $2
               WHERE account_id = $1 AND revoked_at_us IS NULL";
    Ok(tx.execute(sql, values![account, at]).await? > 0)
}

/// The document by which an account may call at any hour; `None` when it may not.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn hours_document(
    reads: &mut impl Queries,
    account: AccountId,
) -> Result<Option<String>> {
    let sql = "SELECT id, document FROM hours_permission
               WHERE account_id = $1 AND revoked_at_us IS NULL";
    let row = reads.query_opt(sql, values![account]).await?;
    row.map(|row| row.get("document")).transpose()
}

/// The accounts that may call at any hour.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn any_hour_accounts(reads: &mut impl Queries) -> Result<BTreeSet<AccountId>> {
    let sql = "SELECT account_id FROM hours_permission WHERE revoked_at_us IS NULL";
    let rows = reads.query(sql, values![]).await?;
    rows.iter().map(|row| row.get("account_id")).collect()
}

/// Every permission that there ever was, in the order in which they were given.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn permissions(reads: &mut impl Queries) -> Result<Vec<HoursPermission>> {
    let sql = "SELECT id, account_id, document, granted_at_us, revoked_at_us
               FROM hours_permission ORDER BY id";
    let permission = |row: &Row| {
        Ok(HoursPermission {
            account: row.get("account_id")?,
            document: row.get("document")?,
            granted_at: row.get("granted_at_us")?,
            revoked_at: row.get("revoked_at_us")?,
        })
    };
    reads.query(sql, values![]).await?.iter().map(permission).collect()
}

/// Forgets how often numbers were called on days that began before `before`, at most `most` of the
/// counts, the oldest first. Tells how many it forgot.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn forget_daily_calls(tx: &mut Tx, before: Timestamp, most: u32) -> Result<u64> {
    let sql = "DELETE FROM daily_call
               WHERE (day_us, class, number) IN (
                   SELECT day_us, class, number FROM daily_call WHERE day_us < $1
                   ORDER BY day_us, class, number LIMIT $2)";
    tx.execute(sql, values![before, most]).await
}

const ALLOWED: &str = "allowed";
const BARRED: &str = "barred";
const NEEDED: &str = "needed";
const NOT_NEEDED: &str = "not_needed";

fn needed(is: bool) -> &'static str {
    if is { NEEDED } else { NOT_NEEDED }
}

/// Reads one of two words.
fn word(yes: &'static str, no: &'static str) -> impl Fn(&str) -> Option<bool> {
    move |text| (text == yes || text == no).then_some(text == yes)
}

/// A key of a telephone as it is kept.
#[expect(clippy::option_option, reason = "no key and an unreadable one are two things")]
pub(crate) fn key(text: Option<&str>) -> Option<Option<char>> {
    let Some(text) = text else { return Some(None) };
    let mut keys = text.chars();
    keys.next().filter(|_| keys.next().is_none()).map(Some)
}

fn policy(row: &Row) -> Result<Policy> {
    let off: String = row.get("off_hours")?;
    Ok(Policy {
        id: row.get("id")?,
        class: row.decode("class", MessageClass::from_code)?,
        effective_from: row.get("effective_from_us")?,
        allowed: row.parse("state", word(ALLOWED, BARRED))?,
        needs_document: row.parse("document", word(NEEDED, NOT_NEEDED))?,
        needs_approval: row.parse("approval", word(NEEDED, NOT_NEEDED))?,
        hours: row.parse("ordinary_hours", |text| Policy::read_hours(text, &off).ok())?,
        daily_cap: row.get("daily_cap")?,
        tries_max: row.get("tries_max")?,
        retry_minutes: row.get("retry_minutes")?,
        caller_id: row.get("caller_id")?,
        opt_out_key: row.parse_opt("opt_out_key", key)?,
        priority: row.get("priority")?,
    })
}
