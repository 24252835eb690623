//! Refunds: rows that are never changed, each the posting of what was given back.

use domain::{AccountId, QuickSendId, Rials, Timestamp};

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx, account};

/// What was given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Its number.
    pub id: i64,
    /// To whom.
    pub account: AccountId,
    /// Of which send's charge.
    pub quick_send: QuickSendId,
    /// How much.
    pub amount: Rials,
    /// When.
    pub at: Timestamp,
    /// The name under which it was asked for.
    pub reference: String,
    /// Who gave it back.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// What a send was charged, by its call and the SMS after it, and what of that was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charged {
    /// Who paid.
    pub account: AccountId,
    /// What was charged.
    pub charged: Rials,
    /// What was given back.
    pub refunded: Rials,
}

/// Locks the account that has paid for a send, and tells what that was charged. `None`: there is no
/// such send.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn lock(tx: &mut Tx, id: QuickSendId) -> Result<Option<Charged>> {
    let sql = "SELECT id, account_id FROM quick_send WHERE id = $1";
    let Some(send) = tx.query_opt(sql, values![id]).await? else { return Ok(None) };
    let payer: AccountId = send.get("account_id")?;
    account::lock(tx, payer).await?;
    let sql = "SELECT CAST(COALESCE((SELECT SUM(o.charge_rials) FROM outcome o
                                     WHERE o.quick_send_id = $1), 0)
                           + COALESCE((SELECT SUM(s.charge_rials) FROM sms s
                                       WHERE s.quick_send_id = $1), 0) AS BIGINT) AS charged,
                      CAST(COALESCE((SELECT SUM(r.amount_rials) FROM refund r
                                     WHERE r.quick_send_id = $1), 0) AS BIGINT) AS refunded";
    let sums = tx.query_one(sql, values![id]).await?;
    let (charged, refunded) = (sums.get("charged")?, sums.get("refunded")?);
    Ok(Some(Charged { account: payer, charged, refunded }))
}

/// The refund of a name, if there is one.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn by_reference(reads: &mut impl Queries, reference: &str) -> Result<Option<Refund>> {
    let sql = "SELECT id, account_id, quick_send_id, amount_rials, at_us, reference, actor, reason
               FROM refund WHERE reference = $1";
    reads.query_opt(sql, values![reference]).await?.as_ref().map(refund).transpose()
}

/// Gives an amount back to a locked account; the identity of `new` is the row's. `None`: another
/// one has the name.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] past 64 bits.
pub async fn insert(tx: &mut Tx, new: &Refund) -> Result<Option<i64>> {
    let sql = "INSERT INTO refund (account_id, quick_send_id, amount_rials, at_us, reference,
                                   actor, reason)
               VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING id";
    let values = values![
        new.account,
        new.quick_send,
        new.amount,
        new.at,
        &new.reference,
        &new.actor,
        &new.reason,
    ];
    let Some(row) = tx.query_opt(sql, values).await? else { return Ok(None) };
    let id = row.get("id")?;
    let sql = "UPDATE account SET balance_rials = balance_rials + $2 WHERE id = $1";
    tx.execute(sql, values![new.account, new.amount]).await?;
    chain::attest(tx, Fact::Refund(id), &new.actor, new.at);
    Ok(Some(id))
}

fn refund(row: &Row) -> Result<Refund> {
    Ok(Refund {
        id: row.get("id")?,
        account: row.get("account_id")?,
        quick_send: row.get("quick_send_id")?,
        amount: row.get("amount_rials")?,
        at: row.get("at_us")?,
        reference: row.get("reference")?,
        actor: row.get("actor")?,
        reason: row.get("reason")?,
    })
}
