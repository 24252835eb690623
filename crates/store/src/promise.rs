//! What the promises of speed are judged by: every send with its times, and declared periods.

use domain::agreement::delivery::{AbnormalPeriod, Withdrawn};
use domain::calendar::span::Span;
use domain::class::MessageClass;
use domain::{AccountId, CampaignId, Disposition, QuickSendId, RecipientId, Timestamp};

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A send, how it began and how its last attempt went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timed {
    /// Which.
    pub id: QuickSendId,
    /// Of which class.
    pub class: MessageClass,
    /// The campaign whose it is, if it is one's.
    pub campaign: Option<CampaignId>,
    /// When it was taken.
    pub accepted_at: Timestamp,
    /// When its first attempt began.
    pub started_at: Option<Timestamp>,
    /// How it ended, and why.
    pub ended: Option<(Disposition, String, Timestamp)>,
    /// When it rang.
    pub ringing_at: Option<Timestamp>,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
    /// When the first sound left.
    pub first_audio_at: Option<Timestamp>,
}

/// The sends before `before`, the newest first: at most `limit`. Not those of sandboxes, which say
/// nothing of the service.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn page(reads: &mut impl Queries, before: QuickSendId, limit: u32) -> Result<Vec<Timed>> {
    let sql = "SELECT q.id, q.message_class, q.recipient_id, q.accepted_at_us,
                      (SELECT MIN(f.started_at_us) FROM outcome f WHERE f.quick_send_id = q.id)
                          AS first_started_at_us,
                      a.started_at_us AS open_started_at_us, o.disposition, o.cause,
                      o.ringing_at_us, o.answered_at_us, o.first_audio_at_us, o.ended_at_us
               FROM quick_send q
               JOIN account c ON c.id = q.account_id AND c.sandbox_of IS NULL
               LEFT JOIN attempt a ON a.quick_send_id = q.id
               LEFT JOIN outcome o ON o.quick_send_id = q.id
                    AND o.n = (SELECT MAX(l.n) FROM outcome l WHERE l.quick_send_id = q.id)
               WHERE q.id < $1 ORDER BY q.id DESC LIMIT $2";
    reads.query(sql, values![before, limit]).await?.iter().map(timed).collect()
}

/// The paces of campaigns that did not end before a moment: how many calls a minute each lets
/// through, of those that have a pace. At most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn paces(
    reads: &mut impl Queries,
    ends_after: Timestamp,
    limit: u32,
) -> Result<Vec<(CampaignId, u32)>> {
    let sql = "SELECT id, calls_per_minute FROM campaign
               WHERE calls_per_minute IS NOT NULL AND ends_at_us >= $1 ORDER BY id DESC LIMIT $2";
    let pace = |row: &Row| Ok((row.get("id")?, row.get("calls_per_minute")?));
    reads.query(sql, values![ends_after, limit]).await?.iter().map(pace).collect()
}

/// The sends of an account that were taken in a time, but for its campaigns', in order after this
/// place: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn of_account(
    reads: &mut impl Queries,
    account: AccountId,
    time: Span,
    (after_at, after): (Timestamp, QuickSendId),
    limit: u32,
) -> Result<Vec<Timed>> {
    let sql = "SELECT q.id, q.message_class, q.recipient_id, q.accepted_at_us,
                      (SELECT MIN(f.started_at_us) FROM outcome f WHERE f.quick_send_id = q.id)
                          AS first_started_at_us,
                      a.started_at_us AS open_started_at_us, o.disposition, o.cause,
                      o.ringing_at_us, o.answered_at_us, o.first_audio_at_us, o.ended_at_us
               FROM quick_send q
               LEFT JOIN attempt a ON a.quick_send_id = q.id
               LEFT JOIN outcome o ON o.quick_send_id = q.id
                    AND o.n = (SELECT MAX(l.n) FROM outcome l WHERE l.quick_send_id = q.id)
               WHERE q.account_id = $1 AND q.recipient_id IS NULL
                     AND q.accepted_at_us >= $2 AND q.accepted_at_us < $3
                     AND q.accepted_at_us >= $4 AND (q.accepted_at_us > $4 OR q.id > $5)
               ORDER BY q.accepted_at_us, q.id LIMIT $6";
    let values = values![account, time.from, time.to, after_at, after, limit];
    reads.query(sql, values).await?.iter().map(timed).collect()
}

fn timed(row: &Row) -> Result<Timed> {
    let first: Option<Timestamp> = row.get("first_started_at_us")?;
    let open: Option<Timestamp> = row.get("open_started_at_us")?;
    let recipient: Option<i64> = row.get("recipient_id")?;
    let disposition: Option<i64> = row.get("disposition")?;
    let ended = if disposition.is_some() {
        let disposition = row.decode("disposition", Disposition::from_code)?;
        Some((disposition, row.get("cause")?, row.get("ended_at_us")?))
    } else {
        None
    };
    Ok(Timed {
        id: row.get("id")?,
        class: row.decode("message_class", MessageClass::from_code)?,
        campaign: recipient.map(|packed| RecipientId::unpack(packed).campaign),
        accepted_at: row.get("accepted_at_us")?,
        started_at: first.or(open),
        ended,
        ringing_at: row.get("ringing_at_us")?,
        answered_at: row.get("answered_at_us")?,
        first_audio_at: row.get("first_audio_at_us")?,
    })
}

/// Declares a time not to have been normal; its `id` is not looked at, and it is not withdrawn. The
/// answer is its number.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn declare(tx: &mut Tx, period: &AbnormalPeriod) -> Result<i64> {
    let sql = "INSERT INTO abnormal_period (from_us, to_us, reason, author, declared_at_us)
               VALUES ($1, $2, $3, $4, $5) RETURNING id";
    let AbnormalPeriod { span, reason, author, declared_at, .. } = period;
    let values = values![span.from, span.to, reason, author, *declared_at];
    let id = tx.query_one(sql, values).await?.get("id")?;
    chain::attest(tx, Fact::AbnormalPeriod(id), author, *declared_at);
    Ok(id)
}

/// Takes a declared time back. `false`: there is none of that number that stands.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn withdraw(tx: &mut Tx, id: i64, withdrawn: &Withdrawn) -> Result<bool> {
    let sql = "UPDATE abnormal_period
               SET withdrawn_at_us = $2, withdrawn_by = $3, withdrawn_because = $4
               WHERE id = $1 AND withdrawn_at_us IS NULL";
    let Withdrawn { at, by, because } = withdrawn;
    let done = tx.execute(sql, values![id, *at, by, because]).await? == 1;
    if done {
        chain::attest(tx, Fact::AbnormalPeriod(id), by, *at);
    }
    Ok(done)
}

/// The declared time of this number, also one that was taken back.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn period(reads: &mut impl Queries, id: i64) -> Result<Option<AbnormalPeriod>> {
    let sql = "SELECT id, from_us, to_us, reason, author, declared_at_us, withdrawn_at_us,
                      withdrawn_by, withdrawn_because
               FROM abnormal_period WHERE id = $1";
    reads.query_opt(sql, values![id]).await?.as_ref().map(abnormal).transpose()
}

/// The declared times that had a part of this one, in order, also those that were taken back.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn declared(reads: &mut impl Queries, time: Span) -> Result<Vec<AbnormalPeriod>> {
    let sql = "SELECT id, from_us, to_us, reason, author, declared_at_us, withdrawn_at_us,
                      withdrawn_by, withdrawn_because
               FROM abnormal_period WHERE from_us < $2 AND to_us > $1 ORDER BY from_us, id";
    reads.query(sql, values![time.from, time.to]).await?.iter().map(abnormal).collect()
}

fn abnormal(row: &Row) -> Result<AbnormalPeriod> {
    let withdrawn = match row.get("withdrawn_at_us")? {
        None => None,
        Some(at) => {
            let (by, because) = (row.get("withdrawn_by")?, row.get("withdrawn_because")?);
            Some(Withdrawn { at, by, because })
        }
    };
    Ok(AbnormalPeriod {
        id: row.get("id")?,
        span: Span { from: row.get("from_us")?, to: row.get("to_us")? },
        reason: row.get("reason")?,
        author: row.get("author")?,
        declared_at: row.get("declared_at_us")?,
        withdrawn,
    })
}
