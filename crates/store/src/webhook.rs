//! Customers' addresses that events are posted to, and each event's way there.

use domain::{AccountId, EventId, EventKind, Timestamp, WebhookId};

use crate::event::Event;
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// An address to be kept.
#[derive(Clone, PartialEq, Eq)]
pub struct NewWebhook {
    /// Whose it is.
    pub account: AccountId,
    /// Where events are posted.
    pub url: String,
    /// Names of the kinds that are wanted, with commas; `None` for all.
    pub kinds: Option<String>,
    /// What deliveries are signed with.
    pub secret: Vec<u8>,
    /// Now.
    pub created_at: Timestamp,
}

/// An address as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its identity.
    pub id: WebhookId,
    /// Whose it is.
    pub account: AccountId,
    /// Where events are posted.
    pub url: String,
    /// The kinds that are wanted; `None` for all.
    pub kinds: Option<Vec<EventKind>>,
    /// What deliveries are signed with.
    pub secret: Vec<u8>,
    /// What they are signed with as well, and until when.
    pub former: Option<(Vec<u8>, Timestamp)>,
    /// The number of the last event that was given a delivery, or passed over.
    pub cursor: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it has only failed.
    pub failing_since: Option<Timestamp>,
    /// When and why it was switched off.
    pub disabled: Option<(Timestamp, String)>,
}

impl Webhook {
    /// Whether an event is for it. A test is only for the endpoint that it tests.
    fn wants(&self, event: &Event) -> bool {
        match event.kind {
            EventKind::WebhookTest => event.subject == self.id.0,
            kind => self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind)),
        }
    }
}

/// An event on its way to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// To which.
    pub webhook: WebhookId,
    /// Which event.
    pub event: EventId,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried next, if it is.
    pub next_try_at: Option<Timestamp>,
    /// When it arrived.
    pub delivered_at: Option<Timestamp>,
}

/// What came of one try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Try {
    /// The how many-th it is, from 1.
    pub n: u32,
    /// When it began.
    pub at: Timestamp,
    /// How long it took, milliseconds.
    pub took_ms: u32,
    /// The HTTP status, or why there is none.
    pub answer: std::result::Result<u16, String>,
}

/// The columns that [`webhook`] reads, and where from. In parts, as in `campaign`: each of these is
/// run by a test of webhooks.
macro_rules! select_webhook {
    ($rest:literal) => {
        concat!(
            "SELECT",
            " w.id AS id, w.account_id AS account_id, w.url AS url, w.kinds AS kinds,
                    w.secret AS secret, w.former_secret AS former_secret,
                    w.former_until_us AS former_until_us, w.cursor_n AS cursor_n,
                    w.created_at_us AS created_at_us, w.failing_since_us AS failing_since_us,
                    w.disabled_at_us AS disabled_at_us, w.disabled_reason AS disabled_reason ",
            $rest
        )
    };
}

/// Keeps an address unless the account has `max` already. It gets what is told from now on.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert(tx: &mut Tx, new: &NewWebhook, max: u32) -> Result<Option<WebhookId>> {
    // The account is locked: two at once are counted one after the other.
    let sql = "UPDATE account SET event_count = event_count WHERE id = $1
               RETURNING id, event_count";
    let Some(account) = tx.query_opt(sql, values![new.account]).await? else { return Ok(None) };
    let cursor: i64 = account.get("event_count")?;
    let sql = "INSERT INTO webhook (account_id, url, kinds, secret, cursor_n, created_at_us)
               SELECT id, $2, $3, $4, $5, $6 FROM account
               WHERE id = $1 AND (SELECT COUNT(*) FROM webhook w
                                  WHERE w.account_id = $1 AND w.deleted_at_us IS NULL) < $7
               RETURNING id";
    let values = values![
        new.account,
        &new.url,
        new.kinds.as_ref(),
        new.secret.as_slice(),
        cursor,
        new.created_at,
        max,
    ];
    tx.query_opt(sql, values).await?.map(|row| row.get("id")).transpose()
}

/// The account's addresses, in the order in which they were made.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(reads: &mut impl Queries, account: AccountId) -> Result<Vec<Webhook>> {
    let sql = select_webhook!(
        "FROM webhook w WHERE w.account_id = $1 AND w.deleted_at_us IS NULL ORDER BY w.id"
    );
    reads.query(sql, values![account]).await?.iter().map(webhook).collect()
}

/// The account's address `id`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(
    reads: &mut impl Queries,
    account: AccountId,
    id: WebhookId,
) -> Result<Option<Webhook>> {
    let sql = select_webhook!(
        "FROM webhook w WHERE w.account_id = $1 AND w.id = $2 AND w.deleted_at_us IS NULL"
    );
    reads.query_opt(sql, values![account, id]).await?.as_ref().map(webhook).transpose()
}

/// Forgets an address and its secrets; what was tried is kept as long as its events. `false`: the
/// account has none like that.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn delete(tx: &mut Tx, account: AccountId, id: WebhookId, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE webhook SET deleted_at_us = $3, url = '', secret = $4, former_secret = NULL
               WHERE account_id = $1 AND id = $2 AND deleted_at_us IS NULL";
    let nothing = [0_u8; 0].as_slice();
    if tx.execute(sql, values![account, id, at, nothing]).await? == 0 {
        return Ok(false);
    }
    let sql = "DELETE FROM delivery WHERE webhook_id = $1 AND next_try_at_us IS NOT NULL";
    tx.execute(sql, values![id]).await?;
    Ok(true)
}

/// Gives an address a new secret; the one before signs as well until then. `false`: the account
/// has none like that.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn rotate(
    tx: &mut Tx,
    account: AccountId,
    id: WebhookId,
    secret: &[u8],
    former_until: Timestamp,
) -> Result<bool> {
    let sql = "UPDATE webhook SET former_secret = secret, former_until_us = $4, secret = $3
               WHERE account_id = $1 AND id = $2 AND deleted_at_us IS NULL";
    Ok(tx.execute(sql, values![account, id, secret, former_until]).await? == 1)
}

/// Switches an address on again, with a clean slate. `false`: the account has none like that which
/// is off.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn enable(tx: &mut Tx, account: AccountId, id: WebhookId) -> Result<bool> {
    let sql = "UPDATE webhook
               SET disabled_at_us = NULL, disabled_reason = NULL, failing_since_us = NULL
               WHERE account_id = $1 AND id = $2 AND deleted_at_us IS NULL
                 AND disabled_at_us IS NOT NULL";
    Ok(tx.execute(sql, values![account, id]).await? == 1)
}

/// Switches an address off. What was on its way for the first time goes back into the log: it is
/// posted once the address is on again. What was before the address is not: somebody asked for it
/// alone. As clocks differ, the last minute before counts as after. `false`: it is off already.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn disable(tx: &mut Tx, id: WebhookId, reason: &str, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE webhook
               SET disabled_at_us = $2, disabled_reason = $3,
                   cursor_n = COALESCE(
                       (SELECT MIN(d.event_n) - 1 FROM delivery d
                        JOIN event e ON e.account_id = webhook.account_id AND e.n = d.event_n
                        WHERE d.webhook_id = $1 AND d.next_try_at_us IS NOT NULL
                          AND d.delivered_at_us IS NULL AND d.event_n <= webhook.cursor_n
                          AND e.at_us >= webhook.created_at_us - 60000000), cursor_n)
               WHERE id = $1 AND disabled_at_us IS NULL AND deleted_at_us IS NULL";
    if tx.execute(sql, values![id, at, reason]).await? == 0 {
        return Ok(false);
    }
    let sql = "DELETE FROM delivery WHERE webhook_id = $1 AND next_try_at_us IS NOT NULL";
    tx.execute(sql, values![id]).await?;
    Ok(true)
}

/// Accounts with addresses that are not deleted: by id, from the one after `after` on.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn owners(
    reads: &mut impl Queries,
    after: AccountId,
    limit: u32,
) -> Result<Vec<AccountId>> {
    let sql = "SELECT DISTINCT account_id FROM webhook
               WHERE account_id > $1 AND deleted_at_us IS NULL ORDER BY account_id LIMIT $2";
    let rows = reads.query(sql, values![after, limit]).await?;
    rows.iter().map(|row| row.get("account_id")).collect()
}

/// Addresses that are on and for which there are events, by id: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn behind(
    reads: &mut impl Queries,
    after: WebhookId,
    limit: u32,
) -> Result<Vec<Webhook>> {
    let sql = select_webhook!(
        "FROM webhook w JOIN account a ON a.id = w.account_id
         WHERE w.id > $1 AND w.disabled_at_us IS NULL AND w.deleted_at_us IS NULL
           AND a.event_count > w.cursor_n
         ORDER BY w.id LIMIT $2"
    );
    reads.query(sql, values![after, limit]).await?.iter().map(webhook).collect()
}

/// Gives events that come next a way to the address, as long as fewer than `open_max` are under
/// way. Tells how many events were looked at; none, too, when somebody else was faster.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn advance(
    tx: &mut Tx,
    seen: &Webhook,
    open_max: u32,
    limit: u32,
    now: Timestamp,
) -> Result<usize> {
    let sql = "SELECT CAST(COUNT(*) AS BIGINT) AS id FROM delivery
               WHERE webhook_id = $1 AND next_try_at_us IS NOT NULL";
    let open: u32 = tx.query_one(sql, values![seen.id]).await?.get("id")?;
    let room = open_max.saturating_sub(open).min(limit);
    if room == 0 {
        return Ok(0);
    }
    let events = crate::event::after(tx, seen.account, seen.cursor, room).await?;
    let Some(last) = events.last() else { return Ok(0) };
    let sql = "UPDATE webhook SET cursor_n = $3
               WHERE id = $1 AND cursor_n = $2 AND disabled_at_us IS NULL
                 AND deleted_at_us IS NULL";
    if tx.execute(sql, values![seen.id, seen.cursor, last.id.n]).await? == 0 {
        return Ok(0);
    }
    for event in events.iter().filter(|event| seen.wants(event)) {
        post(tx, seen.id, event.id, now).await?;
    }
    Ok(events.len())
}

/// Lets an event go to an address, unless it is on its way or has arrived.
async fn post(tx: &mut Tx, id: WebhookId, event: EventId, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO delivery (webhook_id, event_n, tries, next_try_at_us)
               VALUES ($1, $2, 0, $3) ON CONFLICT DO NOTHING";
    tx.execute(sql, values![id, event.n, now]).await.map(drop)
}

/// Lets an event go to an address once more, whether it has arrived or not.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn replay(tx: &mut Tx, id: WebhookId, event: EventId, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO delivery (webhook_id, event_n, tries, next_try_at_us)
               VALUES ($1, $2, 0, $3)
               ON CONFLICT (webhook_id, event_n) DO UPDATE SET next_try_at_us = $3";
    tx.execute(sql, values![id, event.n, now]).await.map(drop)
}

/// What is to be posted at `now`: at most `each` to one address, `of_account` to those of one
/// account and `limit` in all, those that wait longest first.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn due(
    reads: &mut impl Queries,
    now: Timestamp,
    (each, of_account): (u32, u32),
    limit: u32,
) -> Result<Vec<Delivery>> {
    let sql = "SELECT webhook_id, event_n, tries, next_try_at_us, delivered_at_us, account_id
               FROM (SELECT d.webhook_id AS webhook_id, d.event_n AS event_n, d.tries AS tries,
                            d.next_try_at_us AS next_try_at_us,
                            d.delivered_at_us AS delivered_at_us, w.account_id AS account_id,
                            ROW_NUMBER() OVER (PARTITION BY w.account_id
                                               ORDER BY d.next_try_at_us, d.event_n) AS place
                     FROM (SELECT webhook_id, event_n, tries, next_try_at_us, delivered_at_us,
                                  ROW_NUMBER() OVER (PARTITION BY webhook_id
                                                     ORDER BY next_try_at_us, event_n) AS place
                           FROM delivery WHERE next_try_at_us <= $1) AS d
                     JOIN webhook w ON w.id = d.webhook_id
                     WHERE d.place <= $2 AND w.deleted_at_us IS NULL) AS e
               WHERE place <= $3 ORDER BY next_try_at_us, event_n LIMIT $4";
    let values = values![now, each, of_account, limit];
    reads.query(sql, values).await?.iter().map(delivery).collect()
}

/// Puts a delivery off until `until`, so that nobody else makes it meanwhile. `false`: somebody
/// else does.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn claim(tx: &mut Tx, due: &Delivery, until: Timestamp) -> Result<bool> {
    let sql = "UPDATE delivery SET next_try_at_us = $4
               WHERE webhook_id = $1 AND event_n = $2 AND next_try_at_us = $3";
    let values = values![due.webhook, due.event.n, due.next_try_at, until];
    Ok(tx.execute(sql, values).await? == 1)
}

/// Writes down what came of a try, and when the next is. `claimed_until` is what it was put off to:
/// whoever took longer than that only leaves the line in the log.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn tried(
    tx: &mut Tx,
    made: &Delivery,
    claimed_until: Timestamp,
    one: &Try,
    next_try_at: Option<Timestamp>,
) -> Result<()> {
    let (status, error) = match &one.answer {
        Ok(status) => (Some(*status), None),
        Err(error) => (None, Some(error.as_str())),
    };
    let sql = "INSERT INTO delivery_try (webhook_id, event_n, n, at_us, took_ms, status, error)
               VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
    let (webhook, event) = (made.webhook, made.event.n);
    let values = values![webhook, event, one.n, one.at, one.took_ms, status, error];
    tx.execute(sql, values).await?;
    let delivered = next_try_at.is_none() && one.arrived();
    let sql = "UPDATE delivery SET tries = $4, next_try_at_us = $5,
                                   delivered_at_us = COALESCE($6, delivered_at_us)
               WHERE webhook_id = $1 AND event_n = $2 AND next_try_at_us = $3";
    let delivered_at = delivered.then_some(one.at);
    let values = values![webhook, event, claimed_until, one.n, next_try_at, delivered_at];
    tx.execute(sql, values).await?;
    Ok(())
}

impl Try {
    /// Whether the event has arrived: an answer of 2xx.
    pub fn arrived(&self) -> bool {
        self.answer.as_ref().is_ok_and(|status| (200..300).contains(status))
    }
}

/// Notes that an address answered well, or that it failed; tells since when it has only failed.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn note(
    tx: &mut Tx,
    id: WebhookId,
    arrived: bool,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    if arrived {
        let sql = "UPDATE webhook SET failing_since_us = NULL
                   WHERE id = $1 AND failing_since_us IS NOT NULL";
        tx.execute(sql, values![id]).await?;
        return Ok(None);
    }
    let sql = "UPDATE webhook SET failing_since_us = COALESCE(failing_since_us, $2)
               WHERE id = $1 RETURNING id, failing_since_us";
    let row = tx.query_opt(sql, values![id, now]).await?;
    row.map(|row| row.get("failing_since_us")).transpose().map(Option::flatten)
}

/// The deliveries to an address of events before the one with the number `before`, the newest
/// first: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn deliveries(
    reads: &mut impl Queries,
    id: WebhookId,
    before: i64,
    limit: u32,
) -> Result<Vec<Delivery>> {
    let sql = "SELECT d.webhook_id AS webhook_id, d.event_n AS event_n, d.tries AS tries,
                      d.next_try_at_us AS next_try_at_us, d.delivered_at_us AS delivered_at_us,
                      w.account_id AS account_id
               FROM delivery d JOIN webhook w ON w.id = d.webhook_id
               WHERE d.webhook_id = $1 AND d.event_n < $2
               ORDER BY d.event_n DESC LIMIT $3";
    reads.query(sql, values![id, before, limit]).await?.iter().map(delivery).collect()
}

/// The newest tries at a delivery, in their order: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn tries(
    reads: &mut impl Queries,
    id: WebhookId,
    event: EventId,
    limit: u32,
) -> Result<Vec<Try>> {
    let sql = "SELECT n, at_us, took_ms, status, error FROM delivery_try
               WHERE webhook_id = $1 AND event_n = $2 ORDER BY n DESC LIMIT $3";
    let rows = reads.query(sql, values![id, event.n, limit]).await?;
    rows.iter().rev().map(one_try).collect()
}

fn webhook(row: &Row) -> Result<Webhook> {
    let former: Option<Vec<u8>> = row.get("former_secret")?;
    let disabled_at: Option<Timestamp> = row.get("disabled_at_us")?;
    let reason: Option<String> = row.get("disabled_reason")?;
    let kinds = |text: Option<&str>| match text {
        None => Some(None),
        Some(names) => names.split(',').map(EventKind::from_word).collect::<Option<_>>().map(Some),
    };
    Ok(Webhook {
        id: row.get("id")?,
        account: row.get("account_id")?,
        url: row.get("url")?,
        kinds: row.parse_opt("kinds", kinds)?,
        secret: row.get("secret")?,
        former: former.zip(row.get("former_until_us")?),
        cursor: row.get("cursor_n")?,
        created_at: row.get("created_at_us")?,
        failing_since: row.get("failing_since_us")?,
        disabled: disabled_at.map(|at| (at, reason.unwrap_or_default())),
    })
}

fn delivery(row: &Row) -> Result<Delivery> {
    Ok(Delivery {
        webhook: row.get("webhook_id")?,
        event: EventId { account: row.get("account_id")?, n: row.get("event_n")? },
        tries: row.get("tries")?,
        next_try_at: row.get("next_try_at_us")?,
        delivered_at: row.get("delivered_at_us")?,
    })
}

fn one_try(row: &Row) -> Result<Try> {
    let error: Option<String> = row.get("error")?;
    let answer = match row.get::<Option<u16>>("status")? {
        Some(status) => Ok(status),
        None => Err(error.unwrap_or_default()),
    };
    Ok(Try { n: row.get("n")?, at: row.get("at_us")?, took_ms: row.get("took_ms")?, answer })
}
