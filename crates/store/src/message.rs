//! Voice messages. The audio itself is in the blob store; here is only its name.

use domain::message::{Decision, Reason};
use domain::{AccountId, Approval, Message, MessageId, Timestamp};

use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A message to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// Whose it is.
    pub account: AccountId,
    /// The customer's title for it.
    pub title: String,
    /// Whether it may be sent.
    pub approval: Approval,
    /// How long it plays.
    pub length_ms: u32,
    /// The name of the audio in the blob store.
    pub blob: String,
    /// Whether the customer asked to keep it in the gallery.
    pub persistent: bool,
    /// Now.
    pub created_at: Timestamp,
}

/// Keeps a message.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when there is no such account.
pub async fn insert(tx: &mut Tx, new: &NewMessage) -> Result<MessageId> {
    let sql = "INSERT INTO message (account_id, title, approval, length_ms, blob,
                                    persistent_at_us, created_at_us)
               VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id";
    let values = values![
        new.account,
        &new.title,
        new.approval.code(),
        new.length_ms,
        &new.blob,
        new.persistent.then_some(new.created_at),
        new.created_at,
    ];
    tx.query_one(sql, values).await?.get("id")
}

/// The account's message `id`, unless it was deleted.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(
    reads: &mut impl Queries,
    account: AccountId,
    id: MessageId,
) -> Result<Option<Message>> {
    let sql = "SELECT id, account_id, title, approval, length_ms, blob, persistent_at_us,
                      created_at_us, decided_at_us, refused_because
               FROM message WHERE id = $2 AND account_id = $1 AND deleted_at_us IS NULL
                 AND template IS NULL";
    reads.query_opt(sql, values![account, id]).await?.as_ref().map(message).transpose()
}

/// The account's messages, the newest first: at most `limit` that are older than `before`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(
    reads: &mut impl Queries,
    account: AccountId,
    before: Option<MessageId>,
    limit: u32,
) -> Result<Vec<Message>> {
    let sql = "SELECT id, account_id, title, approval, length_ms, blob, persistent_at_us,
                      created_at_us, decided_at_us, refused_because
               FROM message WHERE account_id = $1 AND id < $2 AND deleted_at_us IS NULL
                 AND template IS NULL
               ORDER BY id DESC LIMIT $3";
    let before = before.unwrap_or(MessageId(i64::MAX));
    reads.query(sql, values![account, before, limit]).await?.iter().map(message).collect()
}

/// Which part of an account's gallery is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GalleryPage {
    /// Messages before it.
    pub skip: u32,
    /// Messages in it, at most.
    pub limit: u32,
    /// Without those that the customer asked to keep.
    pub passing_only: bool,
    /// The oldest first.
    pub oldest_first: bool,
}

/// A part of the account's gallery, and how many messages there are in the whole. What was made for
/// one send alone has no title and is not in it.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn gallery(
    reads: &mut impl Queries,
    account: AccountId,
    page: GalleryPage,
) -> Result<(Vec<Message>, u32)> {
    let kept = i64::from(!page.passing_only);
    let sql = "SELECT CAST(COUNT(*) AS BIGINT) AS messages FROM message
               WHERE account_id = $1 AND title <> '' AND deleted_at_us IS NULL
                 AND template IS NULL
                 AND (persistent_at_us IS NULL OR CAST($2 AS BIGINT) = 1)";
    let count = reads.query_one(sql, values![account, kept]).await?.get("messages")?;
    // Two statements rather than a turned sort key: the index gives the order.
    let sql = if page.oldest_first {
        "SELECT id, account_id, title, approval, length_ms, blob, persistent_at_us, created_at_us,
                decided_at_us, refused_because
         FROM message WHERE account_id = $1 AND title <> '' AND deleted_at_us IS NULL
           AND template IS NULL
           AND (persistent_at_us IS NULL OR CAST($4 AS BIGINT) = 1)
         ORDER BY id LIMIT $3 OFFSET $2"
    } else {
        "SELECT id, account_id, title, approval, length_ms, blob, persistent_at_us, created_at_us,
                decided_at_us, refused_because
         FROM message WHERE account_id = $1 AND title <> '' AND deleted_at_us IS NULL
           AND template IS NULL
           AND (persistent_at_us IS NULL OR CAST($4 AS BIGINT) = 1)
         ORDER BY id DESC LIMIT $3 OFFSET $2"
    };
    let rows = reads.query(sql, values![account, page.skip, page.limit, kept]).await?;
    Ok((rows.iter().map(message).collect::<Result<_>>()?, count))
}

/// Marks the account's message as deleted; it cannot be found after that. `false`: there is none.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn delete(tx: &mut Tx, account: AccountId, id: MessageId, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE message SET deleted_at_us = $3
               WHERE id = $2 AND account_id = $1 AND deleted_at_us IS NULL
                 AND template IS NULL";
    Ok(tx.execute(sql, values![account, id, at]).await? == 1)
}

/// A message of any account, unless it was deleted: for who listens to it.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find_of_any(reads: &mut impl Queries, id: MessageId) -> Result<Option<Message>> {
    let sql = "SELECT id, account_id, title, approval, length_ms, blob, persistent_at_us,
                      created_at_us, decided_at_us, refused_because
               FROM message WHERE id = $1 AND deleted_at_us IS NULL AND template IS NULL";
    reads.query_opt(sql, values![id]).await?.as_ref().map(message).transpose()
}

/// Notes that an account's message is to be sent in a class that asks a member of staff to listen.
/// Of one that its account did not approve by itself, or that staff has decided about, nothing is
/// noted.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn want_heard(
    tx: &mut Tx,
    account: AccountId,
    id: MessageId,
    at: Timestamp,
) -> Result<()> {
    let sql = "UPDATE message SET wanted_at_us = $3
               WHERE id = $2 AND account_id = $1 AND approval = 1 AND decided_at_us IS NULL
                 AND wanted_at_us IS NULL AND deleted_at_us IS NULL AND template IS NULL";
    tx.execute(sql, values![account, id, at]).await.map(drop)
}

/// Whether [`want_heard`] would change anything.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn can_be_wanted(
    reads: &mut impl Queries,
    account: AccountId,
    id: MessageId,
) -> Result<bool> {
    let sql = "SELECT id FROM message
               WHERE id = $2 AND account_id = $1 AND approval = 1 AND decided_at_us IS NULL
                 AND wanted_at_us IS NULL AND deleted_at_us IS NULL AND template IS NULL";
    Ok(reads.query_opt(sql, values![account, id]).await?.is_some())
}

/// The messages of all accounts that wait to be listened to, those that their accounts approved by
/// themselves and want in a class that asks for more among them, the oldest first: at most `limit`
/// after `after`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn waiting(
    reads: &mut impl Queries,
    after: MessageId,
    limit: u32,
) -> Result<Vec<Message>> {
    // The conditions are those of two indexes, which have such messages alone.
    let sql = "SELECT id, account_id, title, approval, length_ms, blob, persistent_at_us,
                      created_at_us, decided_at_us, refused_because
               FROM message WHERE id IN (
                   SELECT id FROM (
                       SELECT id FROM message
                       WHERE approval IN (0, 3) AND deleted_at_us IS NULL AND id > $1
                       ORDER BY id LIMIT $2) AS unapproved
                   UNION ALL
                   SELECT id FROM (
                       SELECT id FROM message
                       WHERE wanted_at_us IS NOT NULL AND decided_at_us IS NULL
                         AND deleted_at_us IS NULL AND id > $1
                       ORDER BY id LIMIT $2) AS wanted)
               ORDER BY id LIMIT $2";
    reads.query(sql, values![after, limit]).await?.iter().map(message).collect()
}

/// Decides whether the message may be sent; the last decision counts. `false`: there is no such
/// message.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn decide(
    tx: &mut Tx,
    id: MessageId,
    decision: &Decision,
    at: Timestamp,
) -> Result<bool> {
    let sql = "UPDATE message SET approval = $2, refused_because = $3, decided_at_us = $4
               WHERE id = $1 AND deleted_at_us IS NULL AND template IS NULL";
    let reason = decision.reason().map(Reason::as_str);
    let at = decision.is_final().then_some(at);
    Ok(tx.execute(sql, values![id, decision.approval().code(), reason, at]).await? == 1)
}

fn message(row: &Row) -> Result<Message> {
    let persistent: Option<Timestamp> = row.get("persistent_at_us")?;
    Ok(Message {
        id: row.get("id")?,
        account: row.get("account_id")?,
        title: row.get("title")?,
        approval: row.decode("approval", Approval::from_code)?,
        decided_at: row.get("decided_at_us")?,
        refused_because: row.get("refused_because")?,
        length_ms: row.get("length_ms")?,
        blob: row.get("blob")?,
        persistent: persistent.is_some(),
        created_at: row.get("created_at_us")?,
    })
}
