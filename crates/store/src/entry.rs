//! Entries: money in and out other than by calls, and the statement of both.

use domain::{AccountId, QuickSendId, Rials, Timestamp};

use crate::value::values;
use crate::{Queries, Result, Tx};

/// What an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// Money that the customer paid in, or that was given.
    Credit,
    /// Speech that was made from text.
    Speech,
}

impl EntryKind {
    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Credit => "credit",
            Self::Speech => "speech",
        }
    }
}

/// An entry to post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// Whose balance changes.
    pub account: AccountId,
    /// What for.
    pub kind: EntryKind,
    /// By how much; negative for what the customer pays for.
    pub amount: Rials,
    /// When.
    pub at: Timestamp,
    /// A key under which it is posted once only.
    pub reference: Option<String>,
    /// Words for the statement.
    pub note: String,
}

/// What posting did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    /// The balance changed.
    Done,
    /// An entry with that reference had been posted before; nothing was changed.
    Repeated,
    /// A negative amount is not covered by what may be spent; nothing was changed.
    InsufficientCredit,
    /// There is no such account; nothing was changed.
    AccountGone,
}

/// One line of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementLine {
    /// When.
    pub at: Timestamp,
    /// The change of the balance.
    pub amount: Rials,
    /// `credit`, `speech`, `call`, `sms` or `refund`.
    pub kind: String,
    /// The send that was charged, for a call, an SMS or a refund.
    pub quick_send: Option<QuickSendId>,
    /// Words: an entry's note, a call's destination, the reason of a refund.
    pub note: String,
}

/// Posts an entry and changes the balance with it.
///
/// # Errors
/// [`crate::Error::Unavailable`], [`crate::Error::Conflict`] past 64 bits.
pub async fn post(tx: &mut Tx, new: &NewEntry) -> Result<Posted> {
    // The balance first: its row lock keeps a second poster of the same reference waiting.
    let sql = "UPDATE account SET balance_rials = balance_rials + $2
               WHERE id = $1
                 AND (CAST($2 AS BIGINT) >= 0
                      OR balance_rials + debt_limit_rials + $2 >= reserved_rials)";
    let changed = tx.execute(sql, values![new.account, new.amount]).await?;
    if changed == 0 {
        return why_not(tx, new).await;
    }
    let sql = "INSERT INTO entry (account_id, kind, amount_rials, at_us, reference, note)
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    let reference = new.reference.as_deref();
    let values = values![new.account, new.kind.as_str(), new.amount, new.at, reference, &new.note];
    if tx.execute(sql, values).await? == 1 {
        return Ok(Posted::Done);
    }
    let sql = "UPDATE account SET balance_rials = balance_rials - $2 WHERE id = $1";
    tx.execute(sql, values![new.account, new.amount]).await?;
    Ok(Posted::Repeated)
}

/// Why the balance did not change.
async fn why_not(tx: &mut Tx, new: &NewEntry) -> Result<Posted> {
    let sql = "SELECT id FROM entry WHERE reference = $1";
    let known = tx.query_opt(sql, values![new.reference.as_deref()]).await?;
    if known.is_some() {
        return Ok(Posted::Repeated);
    }
    let account = crate::account::find(tx, new.account).await?;
    Ok(if account.is_some() { Posted::InsufficientCredit } else { Posted::AccountGone })
}

/// What changed the balance from `from` until before `to`, the newest first.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn statement(
    reads: &mut impl Queries,
    account: AccountId,
    from: Timestamp,
    to: Timestamp,
    limit: u32,
) -> Result<Vec<StatementLine>> {
    let sql = "SELECT at_us, amount_rials, kind, quick_send_id, note FROM (
                   SELECT at_us, amount_rials, kind, CAST(NULL AS BIGINT) AS quick_send_id, note
                   FROM entry
                   WHERE account_id = $1 AND at_us >= $2 AND at_us < $3
                   UNION ALL
                   SELECT o.ended_at_us, -o.charge_rials, 'call', q.id, q.destination
                   FROM quick_send q JOIN outcome o ON o.quick_send_id = q.id
                   WHERE q.account_id = $1 AND o.charge_rials > 0
                     AND o.ended_at_us >= $2 AND o.ended_at_us < $3
                   UNION ALL
                   SELECT ended_at_us, -charge_rials, 'sms', quick_send_id, number
                   FROM sms
                   WHERE account_id = $1 AND charge_rials > 0
                     AND ended_at_us >= $2 AND ended_at_us < $3
                   UNION ALL
                   SELECT at_us, amount_rials, 'refund', quick_send_id, reason
                   FROM refund
                   WHERE account_id = $1 AND at_us >= $2 AND at_us < $3
               ) AS line
               ORDER BY at_us DESC, quick_send_id DESC LIMIT $4";
    let rows = reads.query(sql, values![account, from, to, limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(StatementLine {
                at: row.get("at_us")?,
                amount: row.get("amount_rials")?,
                kind: row.get("kind")?,
                quick_send: row.get("quick_send_id")?,
                note: row.get("note")?,
            })
        })
        .collect()
}
