//! Exports: what customers asked for, who is at it, and where the file is.

use domain::export::{Kind, State, Style};
use domain::{
    AccountId, CampaignId, Disposition, ExportId, MessageId, QuickSendId, RecipientId, Rials,
    Timestamp,
};

use crate::value::values;
use crate::{Queries, Result, Row, Tx, recording};

/// An export to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewExport {
    /// Whose it is.
    pub account: AccountId,
    /// What is in it.
    pub what: What,
    /// How it is written.
    pub style: Style,
    /// Now.
    pub created_at: Timestamp,
}

/// What is in an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The numbers of a campaign.
    CampaignNumbers(CampaignId),
    /// Sends that were accepted from a moment until before another.
    Messages(Timestamp, Timestamp),
    /// What changed the balance from a moment until before another.
    Statement(Timestamp, Timestamp),
}

impl What {
    /// Its kind.
    pub fn kind(self) -> Kind {
        match self {
            Self::CampaignNumbers(_) => Kind::CampaignNumbers,
            Self::Messages(..) => Kind::Messages,
            Self::Statement(..) => Kind::Statement,
        }
    }
}

/// An export as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Its identity.
    pub id: ExportId,
    /// Whose it is.
    pub account: AccountId,
    /// What is in it.
    pub what: What,
    /// How it is written.
    pub style: Style,
    /// Where it stands.
    pub state: State,
    /// How often writing it was begun.
    pub tries: u32,
    /// Until when it is left to whoever writes it.
    pub claimed_until: Option<Timestamp>,
    /// Its lines, without the headings.
    pub rows: u64,
    /// Its length.
    pub bytes: u64,
    /// What its parts are called.
    pub blob: Option<String>,
    /// Why it could not be written.
    pub error: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was ready, or was given up.
    pub ended_at: Option<Timestamp>,
    /// Until when it can be fetched.
    pub expires_at: Option<Timestamp>,
}

/// A send as a line of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its identity.
    pub id: QuickSendId,
    /// Whom it calls.
    pub destination: String,
    /// What it plays.
    pub message: MessageId,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The campaign that it is of.
    pub campaign: Option<CampaignId>,
    /// Whether a call is open.
    pub is_open: bool,
    /// How long the callee is to be recorded at most, if at all, milliseconds.
    pub record_ms: Option<u32>,
    /// Where that recording stands, if it was begun.
    pub recording: Option<recording::State>,
    /// How it ended, if it has.
    pub end: Option<SentEnd>,
}

/// How a send ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentEnd {
    /// What it means.
    pub disposition: Disposition,
    /// Why, in the engine's words.
    pub cause: String,
    /// The final SIP code.
    pub sip_code: Option<u16>,
    /// How much was heard.
    pub heard_ms: u32,
    /// What was charged.
    pub charge: Rials,
    /// The first key pressed.
    pub vote: Option<u8>,
    /// All keys pressed, in their order, by their names.
    pub keys: String,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
    /// When it ended.
    pub at: Timestamp,
}

/// A place in a statement: the moment, the source and the number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The moment.
    pub at: Timestamp,
    /// 0 for entries, 1 for calls, 2 for SMS, 3 for refunds.
    pub source: i64,
    /// Its number there.
    pub n: i64,
}

/// What is read of an export. In parts, as in `campaign`: each is run by a test of exports.
macro_rules! select_export {
    ($rest:literal) => {
        concat!(
            "SELECT",
            " id, account_id, kind, subject, from_us, to_us, bom, jalali, state, tries,
              claimed_until_us, row_count, byte_count, blob, error, created_at_us, ended_at_us,
              expires_at_us FROM export ",
            $rest
        )
    };
}

/// Keeps an export, unless so many of the account's are open.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert(tx: &mut Tx, new: &NewExport, max: u32) -> Result<Option<ExportId>> {
    // The account is locked: two at once are counted one after the other.
    let sql = "UPDATE account SET event_count = event_count WHERE id = $1";
    tx.execute(sql, values![new.account]).await?;
    let (subject, from, to) = match new.what {
        What::CampaignNumbers(id) => (Some(id.0), None, None),
        What::Messages(from, to) | What::Statement(from, to) => (None, Some(from), Some(to)),
    };
    let sql = "INSERT INTO export (account_id, kind, subject, from_us, to_us, bom, jalali, state,
                                   tries, row_count, byte_count, created_at_us)
               SELECT id, $2, $3, $4, $5, $6, $7, 'waiting', 0, 0, 0, $8 FROM account
               WHERE id = $1 AND (SELECT COUNT(*) FROM export e
                                  WHERE e.account_id = $1
                                    AND e.state IN ('waiting', 'writing')) < $9
               RETURNING id";
    let values = values![
        new.account,
        new.what.kind().word(),
        subject,
        from,
        to,
        i64::from(new.style.bom),
        i64::from(new.style.jalali),
        new.created_at,
        max,
    ];
    tx.query_opt(sql, values).await?.map(|row| row.get("id")).transpose()
}

/// The account's export `id`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(
    reads: &mut impl Queries,
    account: AccountId,
    id: ExportId,
) -> Result<Option<Export>> {
    let sql = select_export!("WHERE account_id = $1 AND id = $2");
    reads.query_opt(sql, values![account, id]).await?.as_ref().map(export).transpose()
}

/// The account's exports before `before`, the newest first: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(
    reads: &mut impl Queries,
    account: AccountId,
    before: ExportId,
    limit: u32,
) -> Result<Vec<Export>> {
    let sql = select_export!("WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
    reads.query(sql, values![account, before, limit]).await?.iter().map(export).collect()
}

/// The export to be written next: of those that nobody is at the oldest, but of accounts for which
/// one is being written only when there is no other.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn next(reads: &mut impl Queries, now: Timestamp) -> Result<Option<Export>> {
    let sql = select_export!(
        "WHERE state IN ('waiting', 'writing')
           AND (claimed_until_us IS NULL OR claimed_until_us <= $1)
         ORDER BY (SELECT COUNT(*) FROM export o
                   WHERE o.account_id = export.account_id AND o.claimed_until_us > $1), id
         LIMIT 1"
    );
    // Not a look-up by key: the reader of SQLite runs it elsewhere.
    reads.query(sql, values![now]).await?.first().map(export).transpose()
}

/// Takes an export to write it. `None`: somebody else has.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn claim(tx: &mut Tx, seen: &Export, until: Timestamp) -> Result<Option<Export>> {
    let sql = "UPDATE export SET state = 'writing', tries = tries + 1, claimed_until_us = $3
               WHERE id = $1 AND tries = $2 AND state IN ('waiting', 'writing')";
    if tx.execute(sql, values![seen.id, seen.tries, until]).await? == 0 {
        return Ok(None);
    }
    let (tries, claimed_until) = (seen.tries + 1, Some(until));
    Ok(Some(Export { state: State::Writing, tries, claimed_until, ..seen.clone() }))
}

/// Keeps a claim for longer. `false`: somebody else has taken it.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn renew(tx: &mut Tx, claimed: &Export, until: Timestamp) -> Result<bool> {
    let sql = "UPDATE export SET claimed_until_us = $3
               WHERE id = $1 AND tries = $2 AND state = 'writing'";
    Ok(tx.execute(sql, values![claimed.id, claimed.tries, until]).await? == 1)
}

/// A file as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// What its parts are called.
    pub blob: String,
    /// Its lines, without the headings.
    pub rows: u64,
    /// Its length.
    pub bytes: u64,
}

/// Makes a written export ready. `false`: somebody else has taken it.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn ready(
    tx: &mut Tx,
    claimed: &Export,
    written: &Written,
    (now, expires_at): (Timestamp, Timestamp),
) -> Result<bool> {
    let sql = "UPDATE export SET state = 'ready', claimed_until_us = NULL, blob = $3,
                                 row_count = $4, byte_count = $5, ended_at_us = $6,
                                 expires_at_us = $7
               WHERE id = $1 AND tries = $2 AND state = 'writing'";
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let (rows, bytes) = (count(written.rows), count(written.bytes));
    let values = values![claimed.id, claimed.tries, &written.blob, rows, bytes, now, expires_at];
    Ok(tx.execute(sql, values).await? == 1)
}

/// Gives an export up, or, with `again`, leaves it to be tried once more then.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn failed(
    tx: &mut Tx,
    claimed: &Export,
    (error, now): (&str, Timestamp),
    again: Option<Timestamp>,
) -> Result<()> {
    let state = if again.is_some() { State::Waiting } else { State::Failed };
    let ended_at = again.is_none().then_some(now);
    let sql = "UPDATE export SET state = $3, claimed_until_us = $4, error = $5, ended_at_us = $6
               WHERE id = $1 AND tries = $2 AND state = 'writing'";
    let values = values![claimed.id, claimed.tries, state.word(), again, error, ended_at];
    tx.execute(sql, values).await.map(drop)
}

/// Exports whose files are kept no longer: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn over(reads: &mut impl Queries, now: Timestamp, limit: u32) -> Result<Vec<Export>> {
    let sql = select_export!(
        "WHERE blob IS NOT NULL AND expires_at_us <= $1 ORDER BY expires_at_us LIMIT $2"
    );
    reads.query(sql, values![now, limit]).await?.iter().map(export).collect()
}

/// Says that an export's file is gone.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn expired(tx: &mut Tx, id: ExportId) -> Result<()> {
    let sql = "UPDATE export SET state = 'expired', blob = NULL WHERE id = $1";
    tx.execute(sql, values![id]).await.map(drop)
}

/// Forgets exports that ended before a moment and have no file: at most `limit`; how many.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn forget(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64> {
    let sql = "DELETE FROM export
               WHERE id IN (SELECT id FROM export
                            WHERE blob IS NULL AND ended_at_us < $1 LIMIT $2)";
    tx.execute(sql, values![before, limit]).await
}

/// The account's sends accepted from the one after `after` until before `to`, the oldest first: at
/// most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn sent(
    reads: &mut impl Queries,
    account: AccountId,
    after: (Timestamp, QuickSendId),
    to: Timestamp,
    limit: u32,
) -> Result<Vec<Sent>> {
    let sql = "SELECT q.id AS id, q.destination AS destination, q.message_id AS message_id,
                      q.accepted_at_us AS accepted_at_us, q.recipient_id AS recipient_id,
                      a.quick_send_id AS open, o.disposition AS disposition, o.cause AS cause,
                      o.sip_code AS sip_code, o.heard_ms AS heard_ms,
                      o.charge_rials AS charge_rials, o.vote AS vote, o.keys AS keys,
                      o.answered_at_us AS answered_at_us, o.ended_at_us AS ended_at_us,
                      q.record_ms AS record_ms, g.state AS recording_state,
                      g.length_ms AS recording_ms, g.error AS recording_error
               FROM quick_send q
               LEFT JOIN attempt a ON a.quick_send_id = q.id
               LEFT JOIN outcome o ON o.quick_send_id = q.id AND o.disposition IS NOT NULL
               LEFT JOIN recording g ON g.quick_send_id = q.id
               WHERE q.account_id = $1 AND (q.accepted_at_us, q.id) > ($2, $3)
                 AND q.accepted_at_us < $4
               ORDER BY q.accepted_at_us, q.id LIMIT $5";
    let rows = reads.query(sql, values![account, after.0, after.1, to, limit]).await?;
    rows.iter().map(one_sent).collect()
}

fn one_sent(row: &Row) -> Result<Sent> {
    let recipient: Option<i64> = row.get("recipient_id")?;
    let is_over = row.get::<Option<i64>>("disposition")?.is_some();
    let end = || -> Result<SentEnd> {
        let vote: i64 = row.get("vote")?;
        Ok(SentEnd {
            disposition: row.decode("disposition", Disposition::from_code)?,
            cause: row.get("cause")?,
            sip_code: row.get("sip_code")?,
            heard_ms: row.get("heard_ms")?,
            charge: row.get("charge_rials")?,
            vote: u8::try_from(vote).ok(),
            keys: row.get::<Option<String>>("keys")?.unwrap_or_default(),
            answered_at: row.get("answered_at_us")?,
            at: row.get("ended_at_us")?,
        })
    };
    Ok(Sent {
        id: row.get("id")?,
        destination: row.get("destination")?,
        message: row.get("message_id")?,
        accepted_at: row.get("accepted_at_us")?,
        campaign: recipient.map(|packed| RecipientId::unpack(packed).campaign),
        is_open: row.get::<Option<i64>>("open")?.is_some(),
        record_ms: row.get("record_ms")?,
        recording: recording::of_send(row)?,
        end: is_over.then(end).transpose()?,
    })
}

fn export(row: &Row) -> Result<Export> {
    let kind = row.parse("kind", Kind::from_word)?;
    let moment = |name: &'static str| -> Result<Timestamp> {
        Ok(row.get::<Option<Timestamp>>(name)?.unwrap_or(Timestamp(0)))
    };
    let what = match kind {
        Kind::CampaignNumbers => {
            What::CampaignNumbers(CampaignId(row.get::<Option<i64>>("subject")?.unwrap_or(0)))
        }
        Kind::Messages => What::Messages(moment("from_us")?, moment("to_us")?),
        Kind::Statement => What::Statement(moment("from_us")?, moment("to_us")?),
    };
    let count = |name: &'static str| -> Result<u64> {
        Ok(u64::try_from(row.get::<i64>(name)?).unwrap_or(0))
    };
    Ok(Export {
        id: row.get("id")?,
        account: row.get("account_id")?,
        what,
        style: Style { bom: row.get::<i64>("bom")? != 0, jalali: row.get::<i64>("jalali")? != 0 },
        state: row.parse("state", State::from_word)?,
        tries: row.get("tries")?,
        claimed_until: row.get("claimed_until_us")?,
        rows: count("row_count")?,
        bytes: count("byte_count")?,
        blob: row.get("blob")?,
        error: row.get("error")?,
        created_at: row.get("created_at_us")?,
        ended_at: row.get("ended_at_us")?,
        expires_at: row.get("expires_at_us")?,
    })
}
