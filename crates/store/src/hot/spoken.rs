//! Speech that is sent at once: the message that it becomes and the entry that charges for it, as
//! part of the accept. The account itself is changed there, together with the hold.

use deadpool_postgres::Transaction;
use domain::{Approval, MessageId, Rials, Timestamp};

use super::{Accept, Answer, Played};
use crate::entry::EntryKind;
use crate::sqlite::Connection;
use crate::value::values;
use crate::{Result, sqlite};

/// Speech to be sent. It becomes an approved message without a title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// The name of the audio in the blob store.
    pub blob: String,
    /// What the speech costs; charged with the send. Not negative.
    pub price: Rials,
    /// Words for the statement.
    pub note: String,
    /// Whether its message is found by nobody: only the send plays it.
    pub hidden: bool,
}

impl Spoken {
    /// When its message, made at `at`, was deleted, if it is.
    fn deleted_at(&self, at: Timestamp) -> Option<Timestamp> {
        self.hidden.then_some(at)
    }
}

/// Keeps the message of `element` and posts its price.
pub(super) fn insert_on_sqlite(
    connection: &Connection<'_>,
    element: &Accept,
    spoken: &Spoken,
) -> Result<MessageId> {
    let sql = "INSERT INTO message (account_id, title, approval, length_ms, blob, created_at_us,
                                    deleted_at_us)
               VALUES ($1, '', $2, $3, $4, $5, $6)";
    let approval = Approval::Approved.code();
    let (length_ms, at) = (element.clip_ms, element.at);
    let deleted_at = spoken.deleted_at(at);
    let values = values![element.account, approval, length_ms, &spoken.blob, at, deleted_at];
    sqlite::execute(connection, sql, values)?;
    let message = MessageId(connection.last_insert_rowid());
    if spoken.price > Rials::ZERO {
        let sql = "INSERT INTO entry (account_id, kind, amount_rials, at_us, note)
                   VALUES ($1, $2, $3, $4, $5)";
        let (kind, amount) = (EntryKind::Speech.as_str(), Rials(-spoken.price.0));
        let values = values![element.account, kind, amount, element.at, &spoken.note];
        sqlite::execute(connection, sql, values)?;
    }
    Ok(message)
}

/// The message of each element: the one that it names, or the one that its speech becomes.
pub(super) async fn messages(tx: &Transaction<'_>, elements: &[&Accept]) -> Answer<Vec<i64>> {
    let spoken: Vec<(&Accept, &Spoken)> = elements
        .iter()
        .filter_map(|element| match &element.played {
            Played::Spoken(spoken) => Some((*element, spoken)),
            Played::Kept(_) => None,
        })
        .collect();
    let mut made = Vec::new();
    if !spoken.is_empty() {
        made = insert_messages(tx, &spoken).await?;
        insert_entries(tx, &spoken).await?;
    }
    let mut made = made.into_iter();
    let messages = elements.iter().map(|element| match &element.played {
        Played::Kept(message) => message.0,
        Played::Spoken(_) => made.next().expect("one message for each speech"),
    });
    Ok(messages.collect())
}

async fn insert_messages(tx: &Transaction<'_>, spoken: &[(&Accept, &Spoken)]) -> Answer<Vec<i64>> {
    let column = |of: fn(&Accept) -> i64| -> Vec<i64> {
        spoken.iter().map(|(element, _)| of(element)).collect()
    };
    let blobs: Vec<&str> = spoken.iter().map(|(_, spoken)| spoken.blob.as_str()).collect();
    let deleted: Vec<Option<i64>> = spoken
        .iter()
        .map(|(element, spoken)| spoken.deleted_at(element.at).map(|at| at.0))
        .collect();
    // The identities are assigned in the order of the elements.
    let sql = "INSERT INTO message (account_id, title, approval, length_ms, blob, created_at_us,
                                    deleted_at_us)
               SELECT account_id, '', $2, length_ms, blob, created_at_us, deleted_at_us
               FROM UNNEST($1::BIGINT[], $3::BIGINT[], $4::TEXT[], $5::BIGINT[], $6::BIGINT[])
                    WITH ORDINALITY
                    AS s (account_id, length_ms, blob, created_at_us, deleted_at_us, place)
               ORDER BY place RETURNING id";
    let statement = tx.prepare_cached(sql).await?;
    let rows = tx
        .query(
            &statement,
            &[
                &column(|element| element.account.0),
                &Approval::Approved.code(),
                &column(|element| element.clip_ms.into()),
                &blobs,
                &column(|element| element.at.0),
                &deleted,
            ],
        )
        .await?;
    let mut ids: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Answer<_>>()?;
    ids.sort_unstable();
    Ok(ids)
}

async fn insert_entries(tx: &Transaction<'_>, spoken: &[(&Accept, &Spoken)]) -> Answer<()> {
    let (mut accounts, mut amounts) = (Vec::new(), Vec::new());
    let (mut times, mut notes) = (Vec::new(), Vec::new());
    for (element, spoken) in spoken.iter().filter(|(_, spoken)| spoken.price > Rials::ZERO) {
        accounts.push(element.account.0);
        amounts.push(-spoken.price.0);
        times.push(element.at.0);
        notes.push(spoken.note.as_str());
    }
    let sql = "INSERT INTO entry (account_id, kind, amount_rials, at_us, note)
               SELECT account_id, $2, amount_rials, at_us, note
               FROM UNNEST($1::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::TEXT[])
                    AS e (account_id, amount_rials, at_us, note)";
    let statement = tx.prepare_cached(sql).await?;
    let kind = EntryKind::Speech.as_str();
    tx.execute(&statement, &[&accounts, &kind, &amounts, &times, &notes]).await.map(drop)
}
