//! What customers withdraw: a send that waits ends at once, and the attempt of one that is called
//! is marked, for the node that has it to hang up.

use domain::dialer::disposition::WITHDRAWN;
use domain::{
    AccountId, AttemptId, CampaignId, Disposition, EventKind, NodeId, QuickSendId, RecipientId,
    Rials, Timestamp,
};

use crate::value::values;
use crate::{Queries, Result, Tx, account, event};

/// Marked attempts that are told at a time.
pub const MARKED_MAX: u32 = 1_000;

/// What withdrawing a send came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withdrawn {
    /// It waited, and has ended: its hold is released.
    Ended,
    /// It is called, and will be hung up.
    Marked,
    /// It had ended.
    Over,
    /// It is a call of a campaign, which is withdrawn as a whole.
    OfCampaign,
    /// The account has no such send.
    Gone,
}

/// Withdraws a send of the account.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn withdraw(
    tx: &mut Tx,
    payer: AccountId,
    id: QuickSendId,
    now: Timestamp,
) -> Result<Withdrawn> {
    account::lock(tx, payer).await?;
    let sql = "SELECT id, recipient_id, hold_rials FROM quick_send
               WHERE id = $1 AND account_id = $2";
    let Some(send) = tx.query_opt(sql, values![id, payer]).await? else {
        return Ok(Withdrawn::Gone);
    };
    if send.get::<Option<i64>>("recipient_id")?.is_some() {
        return Ok(Withdrawn::OfCampaign);
    }
    // Between the one and the other it may come back into the line, once.
    for _ in 0..2 {
        let sql = "DELETE FROM ready WHERE quick_send_id = $1";
        if tx.execute(sql, values![id]).await? == 1 {
            end(tx, (payer, id), send.get("hold_rials")?, now).await?;
            return Ok(Withdrawn::Ended);
        }
        let sql = "UPDATE attempt SET cancelled_at_us = COALESCE(cancelled_at_us, $2)
                   WHERE quick_send_id = $1";
        if tx.execute(sql, values![id, now]).await? == 1 {
            return Ok(Withdrawn::Marked);
        }
    }
    Ok(Withdrawn::Over)
}

/// Ends a send that was just taken out of the line.
async fn end(
    tx: &mut Tx,
    (payer, id): (AccountId, QuickSendId),
    hold: Rials,
    now: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO outcome (quick_send_id, n, disposition, cause, heard_ms, charge_rials,
                                    release_rials, vote, ended_at_us)
               VALUES ($1, 0, $2, $3, 0, 0, $4, -1, $5)";
    let values = values![id, Disposition::Cancelled.code(), WITHDRAWN, hold, now];
    tx.execute(sql, values).await?;
    let sql = "UPDATE account SET reserved_rials = reserved_rials - $2 WHERE id = $1";
    tx.execute(sql, values![payer, hold]).await?;
    event::tell(tx, payer, EventKind::MessageEnded, id.0, now).await.map(drop)
}

/// Marks the calls of a campaign that is withdrawn; its account is locked, and its line empty.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn mark_calls(tx: &mut Tx, campaign: CampaignId, now: Timestamp) -> Result<u64> {
    let (first, last) = RecipientId::range(campaign);
    let sql = "UPDATE attempt SET cancelled_at_us = $3
               WHERE cancelled_at_us IS NULL AND EXISTS (
                   SELECT 1 FROM quick_send q
                   WHERE q.id = attempt.quick_send_id
                     AND q.recipient_id > $1 AND q.recipient_id <= $2)";
    tx.execute(sql, values![first, last, now]).await
}

/// Attempts of a node that are to be hung up and have not ended, behind one by the ids of their
/// sends: at most [`MARKED_MAX`].
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn marked(
    reads: &mut impl Queries,
    node: NodeId,
    after: QuickSendId,
) -> Result<Vec<AttemptId>> {
    let sql = "SELECT quick_send_id, n FROM attempt
               WHERE cancelled_at_us IS NOT NULL AND quick_send_id > $2 AND node_id = $1
               ORDER BY quick_send_id LIMIT $3";
    let rows = reads.query(sql, values![node, after, MARKED_MAX]).await?;
    rows.iter()
        .map(|row| Ok(AttemptId { quick_send: row.get("quick_send_id")?, n: row.get("n")? }))
        .collect()
}
