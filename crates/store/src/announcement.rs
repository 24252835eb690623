//! What everybody is told, and its way to each place: an outbox, filled in the transaction that
//! announces.

use domain::agreement::maintenance::Channel;
use domain::announcement::{Audience, Text};
use domain::{AccountId, Timestamp};

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// How many that wait are looked at until there is one that is worth telling.
const LOOKED_AT: u32 = 10;

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAnnouncement {
    /// What.
    pub text: Text,
    /// Who tells it.
    pub author: String,
    /// Whom.
    pub audience: Audience,
    /// Of which maintenance it is the notice, and of which version.
    pub maintenance: Option<(i64, usize)>,
    /// Now.
    pub made_at: Timestamp,
    /// Until when it is worth telling.
    pub until: Timestamp,
}

/// Something that was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Its number.
    pub id: i64,
    /// What was told.
    pub new: NewAnnouncement,
    /// When it was taken back.
    pub withdrawn_at: Option<Timestamp>,
}

/// The way of an announcement to one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its number.
    pub id: i64,
    /// The announcement.
    pub announcement: i64,
    /// The place: a channel of the configuration, or the first page.
    pub channel: String,
    /// What of a notice's completeness it proves, if anything.
    pub proves: Option<Channel>,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried next; `None`: it is not any more.
    pub next_at: Option<Timestamp>,
    /// When it was told there.
    pub delivered_at: Option<Timestamp>,
    /// What the place calls it; until it is told there, what its tries leave for the next one.
    pub reference: Option<String>,
    /// The SHA-256 of what was told.
    pub content_hash: Option<Vec<u8>>,
    /// When it was noted that the place shows it no more, or not as it was told.
    pub gone_at: Option<Timestamp>,
    /// What went wrong last.
    pub error: Option<String>,
}

/// Adds something to tell, in these places; each of them may prove something.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert(
    tx: &mut Tx,
    new: &NewAnnouncement,
    places: &[(String, Option<Channel>)],
) -> Result<i64> {
    let sql = "INSERT INTO announcement (title, body, author, maintenance_id, version, made_at_us,
                                         until_us, audience)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id";
    // What everybody is told was sealed without a word for that.
    let audience = Some(new.audience).filter(|one| *one != Audience::Public).map(Audience::word);
    let version = new.maintenance.map(|(_, n)| i64::try_from(n).unwrap_or(i64::MAX));
    let values = values![
        &new.text.title,
        &new.text.body,
        &new.author,
        new.maintenance.map(|(id, _)| id),
        version,
        new.made_at,
        new.until,
        audience
    ];
    let id = tx.query_one(sql, values).await?.get("id")?;
    for (channel, proves) in places {
        let sql = "INSERT INTO announcement_delivery (announcement_id, channel, proves, tries,
                                                      next_at_us)
                   VALUES ($1, $2, $3, 0, $4)";
        let proves = proves.map(Channel::word);
        tx.execute(sql, values![id, channel, proves, new.made_at]).await?;
    }
    chain::attest(tx, Fact::Announcement(id), &new.author, new.made_at);
    Ok(id)
}

/// Takes something back. `false`: there is none of that number that stands.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn withdraw(tx: &mut Tx, id: i64, actor: &str, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE announcement SET withdrawn_at_us = $2
               WHERE id = $1 AND withdrawn_at_us IS NULL";
    let withdrawn = tx.execute(sql, values![id, at]).await? == 1;
    if withdrawn {
        drop_waiting(tx, id).await?;
        chain::attest(tx, Fact::Announcement(id), actor, at);
    }
    Ok(withdrawn)
}

/// What was not told yet of an announcement is not told any more.
async fn drop_waiting(tx: &mut Tx, id: i64) -> Result<()> {
    let sql = "UPDATE announcement_delivery SET next_at_us = NULL WHERE announcement_id = $1";
    tx.execute(sql, values![id]).await?;
    Ok(())
}

/// The notices of a maintenance that stand are over, since there is a newer one.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn supersede(tx: &mut Tx, maintenance: i64, actor: &str, at: Timestamp) -> Result<()> {
    let sql = "SELECT id FROM announcement
               WHERE maintenance_id = $1 AND withdrawn_at_us IS NULL ORDER BY id";
    for row in tx.query(sql, values![maintenance]).await? {
        withdraw(tx, row.get("id")?, actor, at).await?;
    }
    Ok(())
}

/// Takes what is to be told now and has waited longest, so that nobody else does until a moment.
/// What is over or was taken back is not told any more, and what is for others than the place has
/// by now never is there.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn take_due(
    tx: &mut Tx,
    (channel, audience): (&str, Audience),
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<(Announcement, Delivery)>> {
    let sql = "SELECT announcement_id FROM announcement_delivery
               WHERE channel = $1 AND next_at_us <= $2 ORDER BY next_at_us, announcement_id
               LIMIT $3";
    for row in tx.query(sql, values![channel, now, LOOKED_AT]).await? {
        let id: i64 = row.get("announcement_id")?;
        let found = find(tx, id).await?;
        let Some(found) = found.filter(|one| one.withdrawn_at.is_none() && now < one.new.until)
        else {
            drop_waiting(tx, id).await?;
            continue;
        };
        if found.new.audience != audience {
            let sql = "UPDATE announcement_delivery SET next_at_us = NULL
                       WHERE announcement_id = $1 AND channel = $2";
            tx.execute(sql, values![id, channel]).await?;
            continue;
        }
        let sql = "UPDATE announcement_delivery SET next_at_us = $3, tries = tries + 1
                   WHERE announcement_id = $1 AND channel = $2 AND next_at_us <= $4";
        // Another node may have taken it just now.
        if tx.execute(sql, values![id, channel, until, now]).await? == 0 {
            continue;
        }
        let delivery = deliveries(tx, id).await?.into_iter().find(|one| one.channel == channel);
        return Ok(delivery.map(|delivery| (found, delivery)));
    }
    Ok(None)
}

/// Keeps what a try has come to, for the next one, and that nobody else tries until a moment.
/// `false`: it is over or was taken back meanwhile, and the try ends.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn remember(
    tx: &mut Tx,
    delivery: &Delivery,
    memory: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool> {
    let sql = "UPDATE announcement_delivery SET reference = $2, next_at_us = $3
               WHERE id = $1 AND delivered_at_us IS NULL AND next_at_us IS NOT NULL
                 AND EXISTS (SELECT 1 FROM announcement
                             WHERE announcement.id = announcement_id AND until_us > $4)";
    Ok(tx.execute(sql, values![delivery.id, memory, until, now]).await? == 1)
}

/// Notes that something was told in a place, under this reference. `false`: it was noted before.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn delivered(
    tx: &mut Tx,
    delivery: &Delivery,
    reference: &str,
    content_hash: &[u8],
    at: Timestamp,
) -> Result<bool> {
    let sql = "UPDATE announcement_delivery
               SET delivered_at_us = $2, reference = $3, content_hash = $4, next_at_us = NULL,
                   error = NULL
               WHERE id = $1 AND delivered_at_us IS NULL";
    let values = values![delivery.id, at, reference, content_hash];
    let noted = tx.execute(sql, values).await? == 1;
    if noted {
        chain::attest(tx, Fact::Delivery(delivery.id), chain::MACHINE, at);
    }
    Ok(noted)
}

/// Notes that a place shows something no more that was told there. `false`: it was noted before, or
/// it was never told there.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn gone(tx: &mut Tx, delivery: &Delivery, actor: &str, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE announcement_delivery SET gone_at_us = $2
               WHERE id = $1 AND delivered_at_us IS NOT NULL AND gone_at_us IS NULL";
    let noted = tx.execute(sql, values![delivery.id, at]).await? == 1;
    if noted {
        chain::attest(tx, Fact::Delivery(delivery.id), actor, at);
    }
    Ok(noted)
}

/// Notes that somebody of an account was shown something. What is noted first stays.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn view(tx: &mut Tx, id: i64, account: AccountId, at: Timestamp) -> Result<()> {
    let sql = "INSERT INTO announcement_view (announcement_id, account_id, viewed_at_us)
               VALUES ($1, $2, $3) ON CONFLICT (announcement_id, account_id) DO NOTHING";
    tx.execute(sql, values![id, account, at]).await?;
    Ok(())
}

/// When somebody of an account was first shown something.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn viewed_at(
    reads: &mut impl Queries,
    id: i64,
    account: AccountId,
) -> Result<Option<Timestamp>> {
    let sql = "SELECT viewed_at_us FROM announcement_view
               WHERE announcement_id = $1 AND account_id = $2";
    let row = reads.query_opt(sql, values![id, account]).await?;
    row.map(|row| row.get("viewed_at_us")).transpose()
}

/// The accounts after a number that were shown something, and when first: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn views(
    reads: &mut impl Queries,
    id: i64,
    after: AccountId,
    limit: u32,
) -> Result<Vec<(AccountId, Timestamp)>> {
    let sql = "SELECT account_id, viewed_at_us FROM announcement_view
               WHERE announcement_id = $1 AND account_id > $2 ORDER BY account_id LIMIT $3";
    let rows = reads.query(sql, values![id, after, limit]).await?;
    rows.iter().map(|row| Ok((row.get("account_id")?, row.get("viewed_at_us")?))).collect()
}

/// Notes that something could not be told in a place, and when it is tried again; what is to be
/// kept for that, if it is something new.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn failed(
    tx: &mut Tx,
    delivery: &Delivery,
    error: &str,
    next_at: Option<Timestamp>,
    memory: Option<&str>,
) -> Result<()> {
    let sql = "UPDATE announcement_delivery
               SET error = $2, next_at_us = $3, reference = COALESCE($4, reference)
               WHERE id = $1 AND next_at_us IS NOT NULL";
    tx.execute(sql, values![delivery.id, error, next_at, memory]).await?;
    Ok(())
}

/// What was announced under this number.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(reads: &mut impl Queries, id: i64) -> Result<Option<Announcement>> {
    let sql = "SELECT id, title, body, author, maintenance_id, version, made_at_us, until_us,
                      withdrawn_at_us, audience
               FROM announcement WHERE id = $1";
    reads.query_opt(sql, values![id]).await?.as_ref().map(announcement).transpose()
}

/// What everybody is told at a moment, notices of maintenance before all else, each the newest
/// first: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn standing(
    reads: &mut impl Queries,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Announcement>> {
    let sql = "SELECT id, title, body, author, maintenance_id, version, made_at_us, until_us,
                      withdrawn_at_us, audience
               FROM announcement
               WHERE until_us > $1 AND withdrawn_at_us IS NULL AND audience IS NULL
               ORDER BY CASE WHEN maintenance_id IS NULL THEN 1 ELSE 0 END, id DESC LIMIT $2";
    reads.query(sql, values![now, limit]).await?.iter().map(announcement).collect()
}

/// What everybody was told and was not taken back, the newest first: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn newest(reads: &mut impl Queries, limit: u32) -> Result<Vec<Announcement>> {
    let sql = "SELECT id, title, body, author, maintenance_id, version, made_at_us, until_us,
                      withdrawn_at_us, audience
               FROM announcement WHERE withdrawn_at_us IS NULL AND audience IS NULL
               ORDER BY id DESC LIMIT $1";
    reads.query(sql, values![limit]).await?.iter().map(announcement).collect()
}

/// Everything that was told before a number, or of that what one audience was: the newest first, at
/// most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(
    reads: &mut impl Queries,
    audience: Option<Audience>,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Announcement>> {
    let sql = "SELECT id, title, body, author, maintenance_id, version, made_at_us, until_us,
                      withdrawn_at_us, audience
               FROM announcement
               WHERE id < $1 AND (CAST($3 AS TEXT) = '' OR COALESCE(audience, 'public') = $3)
               ORDER BY id DESC LIMIT $2";
    let audience = audience.map_or("", Audience::word);
    let rows = reads.query(sql, values![before.unwrap_or(i64::MAX), limit, audience]).await?;
    rows.iter().map(announcement).collect()
}

/// The ways of an announcement, by their places.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn deliveries(reads: &mut impl Queries, id: i64) -> Result<Vec<Delivery>> {
    let sql = "SELECT id, announcement_id, channel, proves, tries, next_at_us, delivered_at_us,
                      reference, content_hash, gone_at_us, error
               FROM announcement_delivery WHERE announcement_id = $1 ORDER BY channel";
    let delivery = |row: &Row| {
        Ok(Delivery {
            id: row.get("id")?,
            announcement: row.get("announcement_id")?,
            channel: row.get("channel")?,
            proves: row.parse_opt("proves", |word| match word {
                None => Some(None),
                Some(word) => Channel::parse(word).map(Some),
            })?,
            tries: row.get("tries")?,
            next_at: row.get("next_at_us")?,
            delivered_at: row.get("delivered_at_us")?,
            reference: row.get("reference")?,
            content_hash: row.get("content_hash")?,
            gone_at: row.get("gone_at_us")?,
            error: row.get("error")?,
        })
    };
    reads.query(sql, values![id]).await?.iter().map(delivery).collect()
}

fn announcement(row: &Row) -> Result<Announcement> {
    let maintenance: Option<i64> = row.get("maintenance_id")?;
    let version: Option<u32> = row.get("version")?;
    Ok(Announcement {
        id: row.get("id")?,
        new: NewAnnouncement {
            text: Text { title: row.get("title")?, body: row.get("body")? },
            author: row.get("author")?,
            audience: row.parse_opt("audience", |word| match word {
                None => Some(Audience::Public),
                Some(word) => Audience::parse(word),
            })?,
            maintenance: maintenance.zip(version.and_then(|n| usize::try_from(n).ok())),
            made_at: row.get("made_at_us")?,
            until: row.get("until_us")?,
        },
        withdrawn_at: row.get("withdrawn_at_us")?,
    })
}
