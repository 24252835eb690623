//! Follow-ups by SMS and each SMS on its way. Its row comes in the commit that ends the call which
//! it follows (`hot`); who changes it afterwards has locked its account first, as every verb that
//! moves money does.

use std::collections::BTreeSet;

use deadpool_postgres::Transaction;
use domain::sms::FollowUp;
use domain::{
    AccountId, CampaignId, Disposition, MessageClass, QuickSendId, RecipientId, Rials, Timestamp,
};

use crate::sqlite::Connection;
use crate::value::values;
use crate::{Queries, Result, Row, Tx, sqlite};

/// A follow-up to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFollowUp {
    /// Who pays.
    pub account: AccountId,
    /// What is written, and after which ends.
    pub follow_up: FollowUp,
    /// What one costs.
    pub price: Rials,
    /// Now.
    pub created_at: Timestamp,
}

/// A follow-up that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its identity.
    pub id: i64,
    /// The text.
    pub text: String,
    /// The ends after which it is written.
    pub after: BTreeSet<Disposition>,
    /// What one costs.
    pub price: Rials,
}

/// Where an SMS stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is tried, or tried again.
    Due,
    /// A service has taken it.
    Sent,
    /// It has failed for good.
    Failed,
}

impl State {
    /// The stored word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Sent => "sent",
            Self::Failed => "failed",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Due, Self::Sent, Self::Failed].into_iter().find(|state| state.word() == word)
    }
}

/// An SMS as its customer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sms {
    /// Its identity.
    pub id: i64,
    /// The call that it follows.
    pub send: QuickSendId,
    /// The recipient of a campaign, if the call was for one.
    pub recipient: Option<RecipientId>,
    /// To whom, national form.
    pub number: String,
    /// What is written.
    pub text: String,
    /// Where it stands.
    pub state: State,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried next, while it is due.
    pub due_at: Timestamp,
    /// What it cost.
    pub charge: Rials,
    /// Who has taken it.
    pub provider: Option<String>,
    /// That service's own name for it.
    pub provider_id: Option<String>,
    /// What was wrong the last time.
    pub problem: Option<String>,
    /// When the call ended.
    pub created_at: Timestamp,
    /// When it was taken, or has failed.
    pub ended_at: Option<Timestamp>,
}

/// An SMS that is to be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Its identity.
    pub id: i64,
    /// Who pays.
    pub account: AccountId,
    /// Whether that is a sandbox: it reaches nobody.
    pub sandbox: bool,
    /// To whom, national form.
    pub number: String,
    /// What kind of message it is.
    pub class: MessageClass,
    /// What is written.
    pub text: String,
    /// What it costs.
    pub price: Rials,
    /// How often it was tried.
    pub tries: u32,
    /// When for the first time, if it was.
    pub first_tried_at: Option<Timestamp>,
    /// When the call ended.
    pub created_at: Timestamp,
}

/// Keeps a follow-up.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] without such an account.
pub async fn insert(tx: &mut Tx, new: &NewFollowUp) -> Result<i64> {
    let sql = "INSERT INTO follow_up (account_id, text, after_ends, price_rials, created_at_us)
               VALUES ($1, $2, $3, $4, $5) RETURNING id";
    let codes = new.follow_up.after().iter().map(|end| format!("{},", end.code()));
    let after = format!(",{}", codes.collect::<String>());
    let text = new.follow_up.text();
    let values = values![new.account, text, after, new.price, new.created_at];
    tx.query_one(sql, values).await?.get("id")
}

/// Forgets a follow-up that no send has.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn delete(tx: &mut Tx, follow_up: i64) -> Result<()> {
    let sql = "DELETE FROM follow_up WHERE id = $1";
    tx.execute(sql, values![follow_up]).await.map(drop)
}

/// The account's follow-up of a campaign.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn of_campaign(
    reads: &mut impl Queries,
    account: AccountId,
    campaign: CampaignId,
) -> Result<Option<Kept>> {
    let sql = "SELECT f.id AS id, f.text AS text, f.after_ends AS after_ends,
                      f.price_rials AS price_rials
               FROM campaign c JOIN follow_up f ON f.id = c.follow_up_id
               WHERE c.id = $2 AND c.account_id = $1";
    let Some(row) = reads.query_opt(sql, values![account, campaign]).await? else {
        return Ok(None);
    };
    let ends = |text: &str| -> Option<BTreeSet<Disposition>> {
        let codes = text.split(',').filter(|code| !code.is_empty());
        codes.map(|code| Disposition::from_code(code.parse().ok()?)).collect()
    };
    let kept = Kept {
        id: row.get("id")?,
        text: row.get("text")?,
        after: row.parse("after_ends", ends)?,
        price: row.get("price_rials")?,
    };
    Ok(Some(kept))
}

/// What an SMS of a follow-up costs; `None` when there is no such one.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn price(reads: &mut impl Queries, follow_up: i64) -> Result<Option<Rials>> {
    let sql = "SELECT id, price_rials FROM follow_up WHERE id = $1";
    let row = reads.query_opt(sql, values![follow_up]).await?;
    row.map(|row| row.get("price_rials")).transpose()
}

/// How many SMS of a follow-up cost something, or will.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn written(reads: &mut impl Queries, follow_up: i64) -> Result<u64> {
    let sql = "SELECT COUNT(*) AS sms FROM sms
               WHERE follow_up_id = $1 AND state IN ('due', 'sent')";
    let sms: i64 = reads.query_one(sql, values![follow_up]).await?.get("sms")?;
    Ok(u64::try_from(sms).unwrap_or(0))
}

/// How many SMS of a follow-up there are in each state. It counts them all, so ask for one alone.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn counts(reads: &mut impl Queries, follow_up: i64) -> Result<Vec<(State, u32)>> {
    let sql = "SELECT state, COUNT(*) AS sms FROM sms WHERE follow_up_id = $1
               GROUP BY state ORDER BY state";
    let rows = reads.query(sql, values![follow_up]).await?;
    rows.iter().map(|row| Ok((row.parse("state", State::from_word)?, row.get("sms")?))).collect()
}

/// The columns of an SMS, which [`sms`] reads, and which of the account's. In parts, as in
/// `campaign`: each of these is run by a test of SMS.
macro_rules! select_sms {
    ($which:literal) => {
        concat!(
            "SELECT",
            " s.id AS id, s.quick_send_id AS quick_send_id, q.recipient_id AS recipient_id,
                    s.number AS number, f.text AS text, s.state AS state, s.tries AS tries,
                    s.due_at_us AS due_at_us, s.charge_rials AS charge_rials,
                    s.provider AS provider, s.provider_id AS provider_id, s.problem AS problem,
                    s.created_at_us AS created_at_us, s.ended_at_us AS ended_at_us
             FROM sms s
             JOIN follow_up f ON f.id = s.follow_up_id
             JOIN quick_send q ON q.id = s.quick_send_id
             WHERE s.account_id = $1 AND ",
            $which
        )
    };
}

/// The account's SMS, the newest first: at most `limit` that are older than `before`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(
    reads: &mut impl Queries,
    account: AccountId,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Sms>> {
    let sql = select_sms!("s.id < $2 ORDER BY s.id DESC LIMIT $3");
    let before = before.unwrap_or(i64::MAX);
    reads.query(sql, values![account, before, limit]).await?.iter().map(sms).collect()
}

/// The account's SMS `id`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(reads: &mut impl Queries, account: AccountId, id: i64) -> Result<Option<Sms>> {
    let sql = select_sms!("s.id = $2");
    reads.query_opt(sql, values![account, id]).await?.as_ref().map(sms).transpose()
}

/// What is to be sent at `now`, what waits longest first: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn due(reads: &mut impl Queries, now: Timestamp, limit: u32) -> Result<Vec<Due>> {
    let sql = "SELECT s.id AS id, s.account_id AS account_id, a.sandbox_of AS sandbox_of,
                      s.number AS number, s.message_class AS message_class, f.text AS text,
                      f.price_rials AS price_rials, s.tries AS tries,
                      s.first_tried_at_us AS first_tried_at_us, s.created_at_us AS created_at_us
               FROM sms s
               JOIN follow_up f ON f.id = s.follow_up_id
               JOIN account a ON a.id = s.account_id
               WHERE s.state = 'due' AND s.due_at_us <= $1
               ORDER BY s.due_at_us LIMIT $2";
    let rows = reads.query(sql, values![now, limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(Due {
                id: row.get("id")?,
                account: row.get("account_id")?,
                sandbox: row.get::<Option<AccountId>>("sandbox_of")?.is_some(),
                number: row.get("number")?,
                class: row.decode("message_class", MessageClass::from_code)?,
                text: row.get("text")?,
                price: row.get("price_rials")?,
                tries: row.get("tries")?,
                first_tried_at: row.get("first_tried_at_us")?,
                created_at: row.get("created_at_us")?,
            })
        })
        .collect()
}

/// What taking an SMS to send it came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is ours until the time that was named; its price is reserved.
    Ours,
    /// Somebody else has it, or it is due no more.
    Gone,
    /// What may be spent does not cover it; nothing was changed.
    InsufficientCredit,
}

/// Takes an SMS that is due at `now`, counts a try, and reserves its price unless an earlier try
/// has. Nobody else gets it before `until`: then it may have been lost with us, and is sent again.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn take(tx: &mut Tx, due: &Due, now: Timestamp, until: Timestamp) -> Result<Taken> {
    lock(tx, due.account).await?;
    let sql = "UPDATE sms SET tries = tries + 1, due_at_us = $3,
                              first_tried_at_us = COALESCE(first_tried_at_us, $2)
               WHERE id = $1 AND state = 'due' AND due_at_us <= $2 RETURNING id, hold_rials";
    let Some(row) = tx.query_opt(sql, values![due.id, now, until]).await? else {
        return Ok(Taken::Gone);
    };
    if row.get::<Rials>("hold_rials")? == due.price {
        return Ok(Taken::Ours);
    }
    let sql = "UPDATE account SET reserved_rials = reserved_rials + $2
               WHERE id = $1 AND disabled_at_us IS NULL
                 AND balance_rials + debt_limit_rials - reserved_rials >= $2";
    if tx.execute(sql, values![due.account, due.price]).await? == 0 {
        return Ok(Taken::InsufficientCredit);
    }
    let sql = "UPDATE sms SET hold_rials = $2 WHERE id = $1";
    tx.execute(sql, values![due.id, due.price]).await?;
    Ok(Taken::Ours)
}

/// Notes that a service has taken it: what was reserved is charged. `false`: it had ended before.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn sent(
    tx: &mut Tx,
    due: &Due,
    (provider, provider_id): (&str, &str),
    at: Timestamp,
) -> Result<bool> {
    lock(tx, due.account).await?;
    let sql = "UPDATE sms SET state = 'sent', charge_rials = hold_rials, hold_rials = 0,
                              provider = $2, provider_id = $3, problem = NULL, ended_at_us = $4
               WHERE id = $1 AND state = 'due' RETURNING id, charge_rials";
    let row = tx.query_opt(sql, values![due.id, provider, provider_id, at]).await?;
    let Some(row) = row else { return Ok(false) };
    let sql = "UPDATE account SET balance_rials = balance_rials - $2,
                                  reserved_rials = reserved_rials - $2
               WHERE id = $1";
    tx.execute(sql, values![due.account, row.get::<Rials>("charge_rials")?]).await?;
    Ok(true)
}

/// Puts it off until then, with what was wrong, if anything was; what is reserved stays so.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn put_off(
    tx: &mut Tx,
    due: &Due,
    until: Timestamp,
    problem: Option<&str>,
) -> Result<()> {
    let sql = "UPDATE sms SET due_at_us = $2, problem = COALESCE($3, problem)
               WHERE id = $1 AND state = 'due'";
    tx.execute(sql, values![due.id, until, problem]).await.map(drop)
}

/// Notes that it has failed for good, and why: what was reserved is released.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn failed(tx: &mut Tx, due: &Due, problem: &str, at: Timestamp) -> Result<()> {
    lock(tx, due.account).await?;
    let sql = "SELECT id, hold_rials FROM sms WHERE id = $1 AND state = 'due'";
    let Some(row) = tx.query_opt(sql, values![due.id]).await? else { return Ok(()) };
    let sql = "UPDATE sms SET state = 'failed', hold_rials = 0, problem = $2, ended_at_us = $3
               WHERE id = $1 AND state = 'due'";
    tx.execute(sql, values![due.id, problem, at]).await?;
    let sql = "UPDATE account SET reserved_rials = reserved_rials - $2 WHERE id = $1";
    tx.execute(sql, values![due.account, row.get::<Rials>("hold_rials")?]).await.map(drop)
}

async fn lock(tx: &mut Tx, account: AccountId) -> Result<()> {
    let sql = "UPDATE account SET reserved_rials = reserved_rials WHERE id = $1";
    tx.execute(sql, values![account]).await.map(drop)
}

fn sms(row: &Row) -> Result<Sms> {
    Ok(Sms {
        id: row.get("id")?,
        send: row.get("quick_send_id")?,
        recipient: row.get::<Option<i64>>("recipient_id")?.map(RecipientId::unpack),
        number: row.get("number")?,
        text: row.get("text")?,
        state: row.parse("state", State::from_word)?,
        tries: row.get("tries")?,
        due_at: row.get("due_at_us")?,
        charge: row.get("charge_rials")?,
        provider: row.get("provider")?,
        provider_id: row.get("provider_id")?,
        problem: row.get("problem")?,
        created_at: row.get("created_at_us")?,
        ended_at: row.get("ended_at_us")?,
    })
}

/// A call that ended for good, and may be followed by an SMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Followed {
    /// The send.
    pub(crate) send: i64,
    /// The code of its end.
    pub(crate) end: i64,
    /// When.
    pub(crate) at: Timestamp,
}

/// Writes the SMS that follow these calls, to mobiles only.
pub(crate) fn follow_on_sqlite(connection: &Connection<'_>, ended: &[Followed]) -> Result<()> {
    for Followed { send, end, at } in ended {
        let sql = "INSERT INTO sms (account_id, follow_up_id, quick_send_id, number,
                                    message_class, state, due_at_us, tries, hold_rials,
                                    charge_rials, created_at_us)
                   SELECT q.account_id, f.id, q.id, q.destination, q.message_class, 'due', $3, 0,
                          0, 0, $3
                   FROM quick_send q JOIN follow_up f ON f.id = q.follow_up_id
                   WHERE q.id = $1 AND q.destination LIKE '09%'
                     AND f.after_ends LIKE '%,' || CAST($2 AS TEXT) || ',%'
                   ON CONFLICT DO NOTHING";
        sqlite::execute(connection, sql, values![*send, *end, *at])?;
    }
    Ok(())
}

/// The same on PostgreSQL.
pub(crate) async fn follow_on_postgres(
    tx: &Transaction<'_>,
    ended: &[Followed],
) -> std::result::Result<(), tokio_postgres::Error> {
    if ended.is_empty() {
        return Ok(());
    }
    let sends: Vec<i64> = ended.iter().map(|one| one.send).collect();
    let ends: Vec<i64> = ended.iter().map(|one| one.end).collect();
    let times: Vec<i64> = ended.iter().map(|one| one.at.0).collect();
    let sql = "INSERT INTO sms (account_id, follow_up_id, quick_send_id, number, message_class,
                                state, due_at_us, tries, hold_rials, charge_rials, created_at_us)
               SELECT q.account_id, f.id, q.id, q.destination, q.message_class, 'due', e.at_us, 0,
                      0, 0, e.at_us
               FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::BIGINT[])
                    AS e (quick_send_id, disposition, at_us)
               JOIN quick_send q ON q.id = e.quick_send_id
               JOIN follow_up f ON f.id = q.follow_up_id
               WHERE q.destination LIKE '09%'
                 AND f.after_ends LIKE '%,' || CAST(e.disposition AS TEXT) || ',%'
               ORDER BY q.id
               ON CONFLICT DO NOTHING";
    let statement = tx.prepare_cached(sql).await?;
    tx.execute(&statement, &[&sends, &ends, &times]).await.map(drop)
}
