//! The log of what was allowed and barred, as the judge reads it. It is written in `hot`.

use std::collections::BTreeMap;

use domain::dialer::disposition::is_lost;
use domain::judge::{CallSpan, Fact, Listed};
use domain::opt_out::OptOutList;
use domain::{CampaignId, Destination, MessageClass, QuickSendId, RecipientId, Timestamp};

use crate::hot::ALLOWED;
use crate::value::values;
use crate::{Queries, Result, Row};

/// What the log has of a campaign: the numbers of its first and last row, and when the first was
/// written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The number of the first row.
    pub first: i64,
    /// The number of the last row.
    pub last: i64,
    /// When the first was written.
    pub from: Timestamp,
}

/// Where the log tells of a campaign; `None` while nothing of it was called.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn stretch(reads: &mut impl Queries, campaign: CampaignId) -> Result<Option<Stretch>> {
    let sql = "SELECT MIN(d.id) AS first, MAX(d.id) AS last, MIN(d.at_us) AS from_us
               FROM quick_send q JOIN decision d ON d.quick_send_id = q.id
               WHERE q.recipient_id > $1 AND q.recipient_id <= $2";
    let (first, last) = RecipientId::range(campaign);
    let row = reads.query_one(sql, values![first, last]).await?;
    let Some(first) = row.get::<Option<i64>>("first")? else { return Ok(None) };
    Ok(Some(Stretch { first, last: row.get("last")?, from: row.get("from_us")? }))
}

/// The number of a row before which none was written from `since` on, found in few steps: rows are
/// numbered about in the order of their times.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn before(reads: &mut impl Queries, since: Timestamp, mut until: i64) -> Result<i64> {
    let sql = "SELECT id, at_us FROM decision WHERE id > $1 ORDER BY id LIMIT 1";
    let mut before = 0;
    while until - before > 1 {
        let middle = before + (until - before) / 2;
        let row = reads.query_opt(sql, values![middle]).await?;
        let at = row.map(|row| row.get::<Timestamp>("at_us")).transpose()?;
        if at.is_some_and(|at| at < since) {
            before = middle;
        } else {
            until = middle;
        }
    }
    Ok(before)
}

/// Rows of the log after the row `after` that were written from `since` on, in their order: at most
/// `limit`, each with its number.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn page(
    reads: &mut impl Queries,
    after: i64,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<(i64, Fact)>> {
    let sql = "SELECT d.id AS id, d.quick_send_id AS quick_send_id, d.n AS n, d.at_us AS at_us,
                      d.verdict AS verdict, d.basis AS basis, d.policy_id AS policy_id,
                      d.opt_out_version AS opt_out_version, q.account_id AS account_id,
                      q.recipient_id AS recipient_id, q.destination AS destination,
                      q.message_class AS message_class, a.n AS open_n,
                      COALESCE(o.trunk, a.trunk) AS trunk, o.cause AS cause,
                      o.invite_at_us AS invite_at_us, o.ended_at_us AS ended_at_us
               FROM decision d
               JOIN quick_send q ON q.id = d.quick_send_id
               LEFT JOIN outcome o ON o.quick_send_id = d.quick_send_id AND o.n = d.n AND d.n > 0
               LEFT JOIN attempt a ON a.quick_send_id = d.quick_send_id AND a.n = d.n
               WHERE d.id > $1 AND d.at_us >= $2 ORDER BY d.id LIMIT $3";
    let rows = reads.query(sql, values![after, since, limit]).await?;
    rows.iter().map(|row| Ok((row.get("id")?, fact(row)?))).collect()
}

/// Every time that a number of these rows (from one to another, both included) ever was on a list,
/// by row.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn listed(
    reads: &mut impl Queries,
    (first, last): (i64, i64),
) -> Result<BTreeMap<i64, Vec<Listed>>> {
    let sql = "SELECT d.id AS id, l.list AS list, l.account_id AS account_id,
                      l.added_at_us AS added_at_us, l.added_version AS added_version,
                      l.removed_at_us AS removed_at_us, l.removed_version AS removed_version
               FROM decision d
               JOIN quick_send q ON q.id = d.quick_send_id
               JOIN opt_out l ON l.number = q.destination OR l.number = q.second_destination
               WHERE d.id >= $1 AND d.id <= $2 AND d.n > 0";
    let mut found: BTreeMap<i64, Vec<Listed>> = BTreeMap::new();
    for row in reads.query(sql, values![first, last]).await? {
        let removed: Option<Timestamp> = row.get("removed_at_us")?;
        let listed = Listed {
            list: row.parse("list", OptOutList::from_word)?,
            account: row.get("account_id")?,
            added: (row.get("added_at_us")?, row.get("added_version")?),
            removed: removed.zip(row.get("removed_version")?),
        };
        found.entry(row.get("id")?).or_default().push(listed);
    }
    Ok(found)
}

/// Attempts that the log does not have, of those that began since it was begun and from `since` on.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn unlogged(
    reads: &mut impl Queries,
    since: Timestamp,
) -> Result<Vec<(Option<CampaignId>, QuickSendId, u16)>> {
    let sql = "SELECT t.quick_send_id AS quick_send_id, t.n AS n, q.recipient_id AS recipient_id
               FROM (SELECT quick_send_id, n, started_at_us FROM outcome WHERE n > 0
                     UNION ALL
                     SELECT quick_send_id, n, started_at_us FROM attempt) AS t
               JOIN quick_send q ON q.id = t.quick_send_id
               LEFT JOIN decision d ON d.quick_send_id = t.quick_send_id AND d.n = t.n
               WHERE d.id IS NULL AND t.started_at_us >= $1
                 AND t.started_at_us >= (SELECT MIN(at_us) FROM decision)
               ORDER BY t.quick_send_id, t.n";
    let rows = reads.query(sql, values![since]).await?;
    rows.iter().map(|row| Ok((campaign(row)?, row.get("quick_send_id")?, row.get("n")?))).collect()
}

/// The same, of one campaign.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn unlogged_of(
    reads: &mut impl Queries,
    campaign: CampaignId,
) -> Result<Vec<(QuickSendId, u16)>> {
    let sql = "SELECT t.quick_send_id AS quick_send_id, t.n AS n
               FROM (SELECT o.quick_send_id AS quick_send_id, o.n AS n, o.started_at_us AS at_us
                     FROM quick_send q JOIN outcome o ON o.quick_send_id = q.id
                     WHERE q.recipient_id > $1 AND q.recipient_id <= $2 AND o.n > 0
                     UNION ALL
                     SELECT a.quick_send_id, a.n, a.started_at_us
                     FROM quick_send q JOIN attempt a ON a.quick_send_id = q.id
                     WHERE q.recipient_id > $1 AND q.recipient_id <= $2) AS t
               LEFT JOIN decision d ON d.quick_send_id = t.quick_send_id AND d.n = t.n
               WHERE d.id IS NULL AND t.at_us >= (SELECT MIN(at_us) FROM decision)
               ORDER BY t.quick_send_id, t.n";
    let (first, last) = RecipientId::range(campaign);
    let rows = reads.query(sql, values![first, last]).await?;
    rows.iter().map(|row| Ok((row.get("quick_send_id")?, row.get("n")?))).collect()
}

fn campaign(row: &Row) -> Result<Option<CampaignId>> {
    let recipient: Option<i64> = row.get("recipient_id")?;
    Ok(recipient.map(|recipient| RecipientId::unpack(recipient).campaign))
}

fn fact(row: &Row) -> Result<Fact> {
    let verdict: String = row.get("verdict")?;
    let destination = row.parse("destination", Destination::parse)?;
    Ok(Fact {
        send: row.get("quick_send_id")?,
        n: row.get("n")?,
        at: row.get("at_us")?,
        barred: (verdict != ALLOWED).then_some(verdict),
        basis: row.get("basis")?,
        policy: row.get("policy_id")?,
        lists: row.get("opt_out_version")?,
        account: row.get("account_id")?,
        campaign: campaign(row)?,
        number: destination.as_str().to_owned(),
        is_public: matches!(destination, Destination::Number(_)),
        class: row.decode("message_class", MessageClass::from_code)?,
        trunk: row.get("trunk")?,
        call: span(row)?,
    })
}

fn span(row: &Row) -> Result<CallSpan> {
    let from: Timestamp = row.get("at_us")?;
    if row.get::<Option<i64>>("open_n")?.is_some() {
        return Ok(CallSpan::Open(from));
    }
    let Some(to) = row.get::<Option<Timestamp>>("ended_at_us")? else { return Ok(CallSpan::None) };
    let (cause, invited): (String, Option<Timestamp>) =
        (row.get("cause")?, row.get("invite_at_us")?);
    // What has no INVITE rang nowhere, unless who knew is gone.
    Ok(match invited {
        Some(from) => CallSpan::Closed(from, to),
        None if is_lost(&cause) => CallSpan::Lost,
        None => CallSpan::None,
    })
}
