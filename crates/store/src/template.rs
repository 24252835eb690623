//! Templates of personal messages, and what is said to each recipient of a campaign that plays one.
//! A template is a row among the messages, so that campaigns and sends refer to it as to any other;
//! whoever looks for a message finds none that is a template.

use domain::{AccountId, CampaignId, MessageId, RecipientId, Timestamp};

use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A template to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTemplate {
    /// Whose it is.
    pub account: AccountId,
    /// The customer's title for it.
    pub title: String,
    /// The template in its one written form.
    pub written: String,
    /// Who speaks its values, as the customer named the voice.
    pub voice: Option<String>,
    /// The longest that it may play to anybody, milliseconds.
    pub longest_ms: u32,
    /// Now.
    pub created_at: Timestamp,
}

/// A template that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its identity among the messages.
    pub id: MessageId,
    /// What was kept.
    pub new: NewTemplate,
}

/// Keeps a template. It is approved: its clips were listened to, and it has no words besides.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when there is no such account.
pub async fn insert(tx: &mut Tx, new: &NewTemplate) -> Result<MessageId> {
    let sql = "INSERT INTO message (account_id, title, approval, length_ms, blob, template, voice,
                                    created_at_us)
               VALUES ($1, $2, $3, $4, '', $5, $6, $7) RETURNING id";
    let values = values![
        new.account,
        &new.title,
        domain::Approval::Approved.code(),
        new.longest_ms,
        &new.written,
        new.voice.as_deref(),
        new.created_at,
    ];
    tx.query_one(sql, values).await?.get("id")
}

/// The account's template `id`, unless it was deleted.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(
    reads: &mut impl Queries,
    account: AccountId,
    id: MessageId,
) -> Result<Option<Kept>> {
    let sql = "SELECT id, account_id, title, length_ms, template, voice, created_at_us
               FROM message WHERE id = $2 AND account_id = $1 AND template IS NOT NULL
                 AND deleted_at_us IS NULL";
    reads.query_opt(sql, values![account, id]).await?.as_ref().map(kept).transpose()
}

/// The account's template `id`, also when it was deleted since: a campaign that was begun with it
/// goes on.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn begun(
    reads: &mut impl Queries,
    account: AccountId,
    id: MessageId,
) -> Result<Option<Kept>> {
    let sql = "SELECT id, account_id, title, length_ms, template, voice, created_at_us
               FROM message WHERE id = $2 AND account_id = $1 AND template IS NOT NULL";
    reads.query_opt(sql, values![account, id]).await?.as_ref().map(kept).transpose()
}

/// Marks the account's template as deleted; nothing new is begun with it. `false`: there is none.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn delete(tx: &mut Tx, account: AccountId, id: MessageId, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE message SET deleted_at_us = $3
               WHERE id = $2 AND account_id = $1 AND deleted_at_us IS NULL
                 AND template IS NOT NULL";
    Ok(tx.execute(sql, values![account, id, at]).await? == 1)
}

/// The account's templates that were not deleted, the newest first: at most `limit` that are older
/// than `before`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(
    reads: &mut impl Queries,
    account: AccountId,
    before: Option<MessageId>,
    limit: u32,
) -> Result<Vec<Kept>> {
    let sql = "SELECT id, account_id, title, length_ms, template, voice, created_at_us
               FROM message WHERE account_id = $1 AND id < $2 AND template IS NOT NULL
                 AND deleted_at_us IS NULL
               ORDER BY id DESC LIMIT $3";
    let before = before.unwrap_or(MessageId(i64::MAX));
    reads.query(sql, values![account, before, limit]).await?.iter().map(kept).collect()
}

/// The audio of the account's message and how long it plays, milliseconds, also when it was deleted
/// since: what was begun with it is played to its end.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn sound(
    reads: &mut impl Queries,
    account: AccountId,
    id: MessageId,
) -> Result<Option<(String, u32)>> {
    let sql = "SELECT id, blob, length_ms FROM message
               WHERE id = $2 AND account_id = $1 AND template IS NULL";
    let row = reads.query_opt(sql, values![account, id]).await?;
    row.map(|row| Ok((row.get("blob")?, row.get("length_ms")?))).transpose()
}

/// A campaign that calls and plays a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Personal {
    /// The campaign.
    pub campaign: CampaignId,
    /// Whose it is.
    pub account: AccountId,
    /// What it plays.
    pub template: MessageId,
    /// How many of its recipients have stepped into the line.
    pub cursor: u32,
}

/// The campaigns that call and play templates: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn calling(reads: &mut impl Queries, limit: u32) -> Result<Vec<Personal>> {
    let sql = "SELECT c.id AS id, c.account_id AS account_id, c.message_id AS message_id,
                      c.cursor_n AS cursor_n
               FROM campaign c
               JOIN message m ON m.id = c.message_id AND m.template IS NOT NULL
               WHERE c.state = 'running' AND c.cursor_n < c.internal_total + c.external_total
               ORDER BY c.id LIMIT $1";
    let rows = reads.query(sql, values![limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(Personal {
                campaign: row.get("id")?,
                account: row.get("account_id")?,
                template: row.get("message_id")?,
                cursor: row.get("cursor_n")?,
            })
        })
        .collect()
}

/// Recipients of a campaign whose values were not spoken yet, among the `ahead` after the
/// `after`-th one, with those values: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn unspoken(
    reads: &mut impl Queries,
    campaign: CampaignId,
    (after, ahead): (u32, u32),
    limit: u32,
) -> Result<Vec<(RecipientId, String)>> {
    let sql = "SELECT recipient_id, given FROM personal
               WHERE recipient_id > $1 AND recipient_id <= $2 AND sound IS NULL
               ORDER BY recipient_id LIMIT $3";
    let first = RecipientId { campaign, n: after }.pack();
    let (_, last) = RecipientId::range(campaign);
    let last = last.min(first + i64::from(ahead));
    let rows = reads.query(sql, values![first, last, limit]).await?;
    rows.iter()
        .map(|row| Ok((RecipientId::unpack(row.get("recipient_id")?), row.get("given")?)))
        .collect()
}

/// Keeps what is played to a recipient: the names of its audio, `None` when its values cannot be
/// spoken, and how long it plays. What is kept already stays.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn set_sound(
    tx: &mut Tx,
    recipient: RecipientId,
    sound: Option<(&str, u32)>,
) -> Result<()> {
    let sql = "UPDATE personal SET sound = $2, length_ms = $3
               WHERE recipient_id = $1 AND sound IS NULL";
    let (names, length_ms) = sound.unzip();
    let values = values![recipient.pack(), names.unwrap_or_default(), length_ms];
    tx.execute(sql, values).await.map(drop)
}

/// What is said to a recipient alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The template.
    pub template: MessageId,
    /// Its values, as they are kept.
    pub given: String,
    /// The names of its audio: `None` before it was spoken, empty when it cannot be.
    pub sound: Option<String>,
}

/// What is said to a recipient of a campaign of the account's; `None` when there is no such
/// recipient, or it hears what all do.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn said(
    reads: &mut impl Queries,
    account: AccountId,
    recipient: RecipientId,
) -> Result<Option<Said>> {
    let sql = "SELECT p.recipient_id AS id, c.message_id AS message_id, p.given AS given,
                      p.sound AS sound
               FROM personal p JOIN campaign c ON c.id = $2
               WHERE p.recipient_id = $3 AND c.account_id = $1";
    let values = values![account, recipient.campaign, recipient.pack()];
    let row = reads.query_opt(sql, values).await?;
    row.map(|row| {
        Ok(Said {
            template: row.get("message_id")?,
            given: row.get("given")?,
            sound: row.get("sound")?,
        })
    })
    .transpose()
}

fn kept(row: &Row) -> Result<Kept> {
    Ok(Kept {
        id: row.get("id")?,
        new: NewTemplate {
            account: row.get("account_id")?,
            title: row.get("title")?,
            written: row.get("template")?,
            voice: row.get("voice")?,
            longest_ms: row.get("length_ms")?,
            created_at: row.get("created_at_us")?,
        },
    })
}
