//! Whom outages of prefixes and trunks touch, found from sends: which outages are to be looked at,
//! the sends around them, and who was found.

use domain::agreement::scope::{Group, Scope};
use domain::calendar::span::Span;
use domain::{AccountId, QuickSendId, Timestamp};

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// An outage of a prefix or trunk for which calls are to be looked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsearched {
    /// Its number.
    pub id: i64,
    /// For whom it is.
    pub scope: Scope,
    /// Since when it was.
    pub from: Timestamp,
    /// Until when; `None` while it lasts.
    pub to: Option<Timestamp>,
    /// Until when calls were looked through for good; `None` before the first look.
    pub looked_until: Option<Timestamp>,
}

/// The outages of prefixes and trunks that stand, were not over before `since`, and for whose whole
/// time calls were not looked through: at most `limit`, those first that wait longest.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn unsearched(
    reads: &mut impl Queries,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<Unsearched>> {
    let sql = "SELECT id, scope, from_us, to_us, attempts_until_us FROM outage
               WHERE reversed_at_us IS NULL
                     AND (scope LIKE '%prefix:%' OR scope LIKE '%trunk:%')
                     AND (to_us IS NULL OR to_us > $1)
                     AND (attempts_until_us IS NULL OR to_us IS NULL
                          OR attempts_until_us < to_us)
               ORDER BY COALESCE(attempts_until_us, from_us), id LIMIT $2";
    let unsearched = |row: &Row| {
        Ok(Unsearched {
            id: row.get("id")?,
            scope: row.parse("scope", Scope::parse)?,
            from: row.get("from_us")?,
            to: row.get("to_us")?,
            looked_until: row.get("attempts_until_us")?,
        })
    };
    reads.query(sql, values![since, limit]).await?.iter().map(unsearched).collect()
}

/// Notes until when calls were looked through for an outage, unless it was changed meanwhile.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn searched(tx: &mut Tx, outage: &Unsearched, until: Timestamp) -> Result<()> {
    let sql = "UPDATE outage SET attempts_until_us = $2
               WHERE id = $1 AND from_us = $3
                     AND (to_us = $4 OR (to_us IS NULL AND CAST($4 AS BIGINT) IS NULL))";
    tx.execute(sql, values![outage.id, until, outage.from, outage.to]).await?;
    Ok(())
}

/// The last end of the outages of a group that stand and began at this moment; one that lasts ends
/// `now`. They share who is in the group since then.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn latest_end(
    reads: &mut impl Queries,
    group: Group,
    (from, now): (Timestamp, Timestamp),
) -> Result<Option<Timestamp>> {
    let sql = "SELECT scope, to_us FROM outage WHERE from_us = $1 AND reversed_at_us IS NULL
               ORDER BY id LIMIT 1000";
    let mut latest = None;
    for row in reads.query(sql, values![from]).await? {
        let to: Option<Timestamp> = row.get("to_us")?;
        if row.parse("scope", Scope::parse)?.groups().contains(&group) {
            latest = latest.max(Some(to.unwrap_or(now)));
        }
    }
    Ok(latest)
}

/// A send and a trunk by which it was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempted {
    /// Which.
    pub id: QuickSendId,
    /// Whose.
    pub account: AccountId,
    /// Whether that is a sandbox, which reaches nobody.
    pub sandbox: bool,
    /// Whom it is to call: a number, or an extension.
    pub destination: String,
    /// When it was taken.
    pub accepted_at: Timestamp,
    /// The trunk of an attempt that ended.
    pub ended_by: Option<String>,
    /// The trunk of one that is open.
    pub open_by: Option<String>,
}

/// A send before all that were taken at `at` or later, as far as numbers follow times: asked for by
/// halves, some forty times.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn before(reads: &mut impl Queries, at: Timestamp) -> Result<QuickSendId> {
    let last = "SELECT id FROM quick_send ORDER BY id DESC LIMIT 1";
    let Some(last) = reads.query_opt(last, values![]).await? else { return Ok(QuickSendId(0)) };
    let sql = "SELECT id, accepted_at_us FROM quick_send WHERE id > $1 ORDER BY id LIMIT 1";
    // Whatever is up to `low` was taken before, whatever is after `high` at that time or later.
    let (mut low, mut high) = (0, last.get::<QuickSendId>("id")?.0);
    while low < high {
        let middle = low + (high - low) / 2;
        let next = reads.query_opt(sql, values![middle]).await?;
        let Some(row) = next else { return Ok(QuickSendId(low)) };
        let (id, accepted_at): (QuickSendId, Timestamp) =
            (row.get("id")?, row.get("accepted_at_us")?);
        if accepted_at < at {
            low = id.0;
        } else {
            high = middle;
        }
    }
    Ok(QuickSendId(low))
}

/// The sends after `after` with the trunks by which they were tried, the oldest first, each once
/// for each of its attempts: those of at most `limit` sends.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn attempts(
    reads: &mut impl Queries,
    after: QuickSendId,
    limit: u32,
) -> Result<Vec<Attempted>> {
    let sql = "SELECT q.id AS id, q.account_id AS account_id, c.sandbox_of AS sandbox_of,
                      q.destination AS destination, q.accepted_at_us AS accepted_at_us,
                      o.trunk AS ended_by, a.trunk AS open_by
               FROM (SELECT id, account_id, destination, accepted_at_us FROM quick_send
                     WHERE id > $1 ORDER BY id LIMIT $2) q
               JOIN account c ON c.id = q.account_id
               LEFT JOIN outcome o ON o.quick_send_id = q.id
               LEFT JOIN attempt a ON a.quick_send_id = q.id
               ORDER BY q.id";
    let attempted = |row: &Row| {
        let sandbox_of: Option<AccountId> = row.get("sandbox_of")?;
        Ok(Attempted {
            id: row.get("id")?,
            account: row.get("account_id")?,
            sandbox: sandbox_of.is_some(),
            destination: row.get("destination")?,
            accepted_at: row.get("accepted_at_us")?,
            ended_by: row.get("ended_by")?,
            open_by: row.get("open_by")?,
        })
    };
    reads.query(sql, values![after, limit]).await?.iter().map(attempted).collect()
}

/// Who was found of an outage, after an account of a group: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn found(
    reads: &mut impl Queries,
    outage: i64,
    (group, account): (Group, AccountId),
    limit: u32,
) -> Result<Vec<AccountId>> {
    let sql = "SELECT account_id FROM group_member
               WHERE outage_id = $1 AND group_name = $2 AND account_id > $3
               ORDER BY account_id LIMIT $4";
    let values = values![outage, &group.to_string(), account, limit];
    reads.query(sql, values).await?.iter().map(|row| row.get("account_id")).collect()
}

/// That an account was found to be in a group at another time than was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Whether it was not found of that outage before.
    pub is_new: bool,
    /// All of the time in which that changed something.
    pub time: Span,
    /// The outages of which other members are kept than before.
    pub of: Vec<i64>,
}

/// Puts an account into a group for the time of an outage, because calls of its were to go there.
/// What was found before of the same outage follows its time; outages that began at the same moment
/// share one row, which lasts as long as the longest; what a person said of that very moment stays.
/// `None`: it was in the group then.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn join_found(
    tx: &mut Tx,
    (group, account): (Group, AccountId),
    time: Span,
    outage: i64,
) -> Result<Option<Joined>> {
    let name = group.to_string();
    let sql = "SELECT from_us, to_us FROM group_member
               WHERE group_name = $1 AND account_id = $2 AND outage_id = $3";
    let own = tx.query_opt(sql, values![&name, account, outage]).await?;
    let sql = "SELECT to_us, outage_id FROM group_member
               WHERE group_name = $1 AND account_id = $2 AND from_us = $3";
    let there = tx.query_opt(sql, values![&name, account, time.from]).await?;
    let there: Option<(Option<Timestamp>, Option<i64>)> = match there {
        Some(row) => Some((row.get("to_us")?, row.get("outage_id")?)),
        None => None,
    };
    match (own, there) {
        (_, Some((_, None))) => Ok(None),
        (_, Some((to, Some(of)))) if of != outage => {
            let Some(to) = to.filter(|to| *to < time.to) else { return Ok(None) };
            let sql = "UPDATE group_member SET to_us = $4
                       WHERE group_name = $1 AND account_id = $2 AND from_us = $3";
            tx.execute(sql, values![&name, account, time.from, time.to]).await?;
            let time = Span { from: to, to: time.to };
            Ok(Some(Joined { is_new: false, time, of: vec![of] }))
        }
        (Some(own), _) => {
            let was = Span { from: own.get("from_us")?, to: own.get("to_us")? };
            move_found(tx, (group, account), (was, time), outage).await
        }
        (None, _) => {
            let joined = insert_found(tx, (&name, account), time, outage).await?;
            Ok(joined.then(|| Joined { is_new: true, time, of: vec![outage] }))
        }
    }
}

/// Moves what was found of an outage. Another outage that began when this one was said to have
/// begun keeps what both had.
async fn move_found(
    tx: &mut Tx,
    (group, account): (Group, AccountId),
    (was, is): (Span, Span),
    outage: i64,
) -> Result<Option<Joined>> {
    if was == is {
        return Ok(None);
    }
    let name = group.to_string();
    let sql = "SELECT id, scope FROM outage
               WHERE from_us = $1 AND id <> $2 AND reversed_at_us IS NULL ORDER BY id LIMIT 1000";
    let mut heir: Option<i64> = None;
    if was.from != is.from {
        for row in tx.query(sql, values![was.from, outage]).await? {
            if row.parse("scope", Scope::parse)?.groups().contains(&group) {
                heir = Some(row.get("id")?);
            }
        }
    }
    if let Some(heir) = heir {
        let sql = "UPDATE group_member SET outage_id = $4
                   WHERE group_name = $1 AND account_id = $2 AND outage_id = $3";
        tx.execute(sql, values![&name, account, outage, heir]).await?;
        insert_found(tx, (&name, account), is, outage).await?;
        return Ok(Some(Joined { is_new: false, time: is, of: vec![outage, heir] }));
    }
    let sql = "UPDATE group_member SET from_us = $4, to_us = $5
               WHERE group_name = $1 AND account_id = $2 AND outage_id = $3";
    tx.execute(sql, values![&name, account, outage, is.from, is.to]).await?;
    Ok(Some(Joined { is_new: false, time: other_part(was, is), of: vec![outage] }))
}

/// Whether that account was not in the group for all of this time by the word of a person. What was
/// found of another outage may yet be found to have been at another time.
async fn insert_found(
    tx: &mut Tx,
    (group, account): (&str, AccountId),
    time: Span,
    outage: i64,
) -> Result<bool> {
    let sql = "INSERT INTO group_member (group_name, account_id, from_us, to_us, outage_id)
               SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), CAST($3 AS BIGINT),
                      CAST($4 AS BIGINT), CAST($5 AS BIGINT)
               WHERE NOT EXISTS (SELECT 1 FROM group_member
                                 WHERE group_name = $1 AND account_id = $2 AND outage_id IS NULL
                                       AND from_us <= $3 AND (to_us IS NULL OR to_us >= $4))
               ON CONFLICT (group_name, account_id, from_us) DO NOTHING";
    Ok(tx.execute(sql, values![group, account, time.from, time.to, outage]).await? == 1)
}

/// All of the time that is in one of these, and not in the other.
fn other_part(was: Span, is: Span) -> Span {
    let hull = Span { from: was.from.min(is.from), to: was.to.max(is.to) };
    if was.from == is.from {
        Span { from: was.to.min(is.to), ..hull }
    } else if was.to == is.to {
        Span { to: was.from.max(is.from), ..hull }
    } else {
        hull
    }
}

/// Attests who was found to be in the groups of an outage, if anybody was.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn attest_found(tx: &mut Tx, outage: i64, at: Timestamp) -> Result<()> {
    let sql = "SELECT outage_id FROM group_member WHERE outage_id = $1 LIMIT 1";
    if tx.query_opt(sql, values![outage]).await?.is_some() {
        chain::attest(tx, Fact::FoundMembers(outage), chain::MACHINE, at);
    }
    Ok(())
}
