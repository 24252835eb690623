//! Tally: what ended calls mean to their campaigns, counted in the commit that ends them. So the
//! counts of a campaign are those of its rows at any moment. And which of them an SMS follows.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use deadpool_postgres::Transaction;
use domain::campaign::State;
use domain::campaign::failing::Recent;
use domain::campaign::retry::{RetryPolicy, Tried};
use domain::dialer::disposition::CANCELLED;
use domain::{CampaignId, Disposition, RecipientId, Rials, Timestamp};

use super::Answer;
use crate::sms::{Followed, follow_on_postgres, follow_on_sqlite};
use crate::sqlite::Connection;
use crate::value::values;
use crate::{Result, sqlite};

/// A call that ended and means something beside its outcome.
pub(super) struct End {
    /// The send.
    pub(super) send: i64,
    /// Whether an SMS may follow it.
    pub(super) is_followed: bool,
    /// Whose call of a campaign it was, if it was of one.
    pub(super) recipient: Option<Called>,
    pub(super) disposition: Disposition,
    pub(super) cause: String,
    pub(super) ended_at: Timestamp,
    pub(super) hold: Rials,
    pub(super) charge: Rials,
}

/// Whose call of a campaign it was.
#[derive(Clone, Copy)]
pub(super) struct Called {
    /// The recipient, packed.
    pub(super) id: i64,
    /// The how many-th call.
    pub(super) try_n: i64,
}

/// What decides whether a recipient is called again.
struct Rules {
    state: State,
    policy: RetryPolicy,
}

/// What the ends of a batch change.
#[derive(Default)]
struct Changes {
    /// (campaign, disposition) → recipients that were called for the last time.
    results: BTreeMap<(i64, i64), i64>,
    again: Vec<Again>,
    campaigns: BTreeMap<i64, Sums>,
    followed: Vec<Followed>,
}

/// A recipient that is called again.
struct Again {
    recipient: i64,
    campaign: i64,
    due_at: i64,
    try_n: i64,
    disposition: i64,
}

#[derive(Default)]
struct Sums {
    ended: i64,
    again: i64,
    hold: i64,
    charge: i64,
    recent: Recent,
}

impl Called {
    fn campaign(self) -> i64 {
        RecipientId::unpack(self.id).campaign.0
    }
}

impl End {
    /// Whose call it was, and what has come of all calls to them, when it was the first one.
    fn alone(&self) -> Option<(i64, Tried)> {
        let first = self.recipient.filter(|called| called.try_n == 1)?;
        Some((first.id, Tried::default().and(self.disposition, &self.cause)))
    }

    /// What may follow it, if it was the last call.
    fn followed(&self) -> Option<Followed> {
        let (send, end, at) = (self.send, self.disposition.code(), self.ended_at);
        // Who hung up for the customer is written to no more than who was not called.
        (self.is_followed && self.cause != CANCELLED).then_some(Followed { send, end, at })
    }
}

/// The recipients that were called, and their campaigns.
fn called(ends: &[End]) -> impl Iterator<Item = Called> {
    ends.iter().filter_map(|end| end.recipient)
}

impl Changes {
    /// Decides about each end. `tried` counts all that has ended for a recipient.
    fn of(ends: &[End], rules: &BTreeMap<i64, Rules>, tried: &BTreeMap<i64, Tried>) -> Self {
        let mut changes = Self::default();
        for end in ends {
            let Some(called) = end.recipient else {
                changes.followed.extend(end.followed());
                continue;
            };
            let campaign = called.campaign();
            let Some(rules) = rules.get(&campaign) else { continue };
            let tried = tried.get(&called.id).copied().unwrap_or_default();
            let again_at = rules.policy.again_at(end.disposition, &end.cause, tried, end.ended_at);
            let sums = changes.campaigns.entry(campaign).or_default();
            sums.ended += 1;
            sums.hold = sums.hold.saturating_add(end.hold.0);
            sums.charge = sums.charge.saturating_add(end.charge.0);
            sums.recent = sums.recent.and(end.disposition, &end.cause, tried);
            if let Some(at) = again_at.filter(|_| !rules.state.is_over()) {
                sums.again += 1;
                changes.again.push(Again {
                    recipient: called.id,
                    campaign,
                    due_at: at.0,
                    try_n: called.try_n + 1,
                    disposition: end.disposition.code(),
                });
            } else {
                let key = (campaign, end.disposition.code());
                *changes.results.entry(key).or_default() += 1;
                changes.followed.extend(end.followed());
            }
        }
        changes
    }
}

/// Counts the ends of a batch; their outcomes are written already.
pub(super) fn on_sqlite(connection: &Connection<'_>, ends: &[End]) -> Result<()> {
    let (mut rules, mut tried) = (BTreeMap::new(), BTreeMap::new());
    for end in ends {
        let Some(called) = end.recipient else { continue };
        let campaign = called.campaign();
        if let Entry::Vacant(unknown) = rules.entry(campaign) {
            unknown.insert(rules_on_sqlite(connection, CampaignId(campaign))?);
        }
        let sum = match end.alone() {
            Some((_, sum)) => sum,
            None => tried_on_sqlite(connection, called.id)?,
        };
        tried.insert(called.id, sum);
    }
    let changes = Changes::of(ends, &rules, &tried);
    follow_on_sqlite(connection, &changes.followed)?;
    for again in &changes.again {
        let sql = "INSERT INTO recipient_retry (recipient_id, campaign_id, due_at_us, try_n,
                                                disposition)
                   VALUES ($1, $2, $3, $4, $5)";
        let Again { recipient, campaign, due_at, try_n, disposition } = *again;
        let values = values![recipient, campaign, due_at, try_n, disposition];
        sqlite::execute(connection, sql, values)?;
    }
    for ((campaign, disposition), recipients) in changes.results {
        let sql = "INSERT INTO campaign_result (campaign_id, disposition, recipients)
                   VALUES ($1, $2, $3)
                   ON CONFLICT (campaign_id, disposition)
                   DO UPDATE SET recipients = campaign_result.recipients + excluded.recipients";
        sqlite::execute(connection, sql, values![campaign, disposition, recipients])?;
    }
    for (campaign, sums) in changes.campaigns {
        let sql = "UPDATE campaign SET open_count = open_count - $2, retrying = retrying + $3,
                                       held_rials = held_rials - $4,
                                       charged_rials = charged_rials + $5,
                                       recent_ended = recent_ended + $6,
                                       recent_failed = recent_failed + $7
                   WHERE id = $1";
        let Sums { ended, again, hold, charge, recent } = sums;
        let values = values![campaign, ended, again, hold, charge, recent.ended, recent.failed];
        sqlite::execute(connection, sql, values)?;
    }
    Ok(())
}

fn tried_on_sqlite(connection: &Connection<'_>, recipient: i64) -> Result<Tried> {
    let sql = "SELECT o.disposition AS disposition, o.cause AS cause
               FROM quick_send q JOIN outcome o ON o.quick_send_id = q.id
               WHERE q.recipient_id = $1 AND o.disposition IS NOT NULL";
    let mut sum = Tried::default();
    for row in sqlite::query(connection, sql, values![recipient])? {
        let cause: String = row.get("cause")?;
        sum = sum.and(row.decode("disposition", Disposition::from_code)?, &cause);
    }
    Ok(sum)
}

fn rules_on_sqlite(connection: &Connection<'_>, campaign: CampaignId) -> Result<Rules> {
    let sql = "SELECT id, state, max_tries, retry_delay_ms, ends_at_us FROM campaign WHERE id = $1";
    let rows = sqlite::query(connection, sql, values![campaign])?;
    let row = rows.first().ok_or_else(|| missing(campaign))?;
    let policy = RetryPolicy {
        max_tries: row.get("max_tries")?,
        delay_ms: row.get("retry_delay_ms")?,
        ends_at: row.get("ends_at_us")?,
    };
    Ok(Rules { state: row.parse("state", State::from_word)?, policy })
}

/// A call of a campaign that is not there.
fn missing(campaign: CampaignId) -> crate::Error {
    crate::Error::Corrupt {
        table: String::from("campaign"),
        column: String::from("id"),
        id: campaign.0,
    }
}

/// Counts those of the attempts (send, n) that were of a campaign; their outcomes are written
/// already, and their accounts are locked.
pub(super) async fn on_postgres(tx: &Transaction<'_>, ended: &[(i64, i64)]) -> Answer<()> {
    let ends = ends(tx, ended).await?;
    if ends.is_empty() {
        return Ok(());
    }
    let (mut known, mut sums) = (BTreeMap::new(), BTreeMap::new());
    if called(&ends).next().is_some() {
        known = rules(tx, &ends).await?;
        sums = tried(tx, &ends).await?;
    }
    let changes = Changes::of(&ends, &known, &sums);
    follow_on_postgres(tx, &changes.followed).await?;
    if changes.campaigns.is_empty() {
        return Ok(());
    }
    insert_again(tx, &changes.again).await?;
    add_results(tx, &changes.results).await?;
    let column =
        |of: fn(&Sums) -> i64| -> Vec<i64> { changes.campaigns.values().map(of).collect() };
    let campaigns: Vec<i64> = changes.campaigns.keys().copied().collect();
    let sql = "UPDATE campaign
               SET open_count = open_count - s.ended, retrying = retrying + s.again,
                   held_rials = held_rials - s.hold_rials,
                   charged_rials = charged_rials + s.charge_rials,
                   recent_ended = recent_ended + s.calls,
                   recent_failed = recent_failed + s.failed
               FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[],
                           $6::BIGINT[], $7::BIGINT[])
                    AS s (campaign_id, ended, again, hold_rials, charge_rials, calls, failed)
               WHERE id = s.campaign_id";
    let statement = tx.prepare_cached(sql).await?;
    let (ended, again) = (column(|sums| sums.ended), column(|sums| sums.again));
    let (holds, charges) = (column(|sums| sums.hold), column(|sums| sums.charge));
    let recent_ended = column(|sums| sums.recent.ended.into());
    let recent_failed = column(|sums| sums.recent.failed.into());
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
        [&campaigns, &ended, &again, &holds, &charges, &recent_ended, &recent_failed];
    tx.execute(&statement, &values).await.map(drop)
}

async fn ends(tx: &Transaction<'_>, ended: &[(i64, i64)]) -> Answer<Vec<End>> {
    let (sends, numbers): (Vec<i64>, Vec<i64>) = ended.iter().copied().unzip();
    let sql = "SELECT q.recipient_id, q.try_n, o.disposition, o.ended_at_us, q.hold_rials,
                      o.charge_rials, o.cause, q.id, q.follow_up_id
               FROM UNNEST($1::BIGINT[], $2::BIGINT[]) AS e (quick_send_id, n)
               JOIN quick_send q ON q.id = e.quick_send_id
                    AND (q.recipient_id IS NOT NULL OR q.follow_up_id IS NOT NULL)
               JOIN outcome o ON o.quick_send_id = e.quick_send_id AND o.n = e.n
               WHERE o.disposition IS NOT NULL
               ORDER BY q.id";
    let statement = tx.prepare_cached(sql).await?;
    let rows = tx.query(&statement, &[&sends, &numbers]).await?;
    rows.iter()
        .map(|row| {
            let id: Option<i64> = row.try_get(0)?;
            let try_n: Option<i64> = row.try_get(1)?;
            Ok(End {
                send: row.try_get(7)?,
                is_followed: row.try_get::<_, Option<i64>>(8)?.is_some(),
                recipient: id.zip(try_n).map(|(id, try_n)| Called { id, try_n }),
                disposition: disposition(row.try_get(2)?),
                ended_at: Timestamp(row.try_get(3)?),
                hold: Rials(row.try_get(4)?),
                charge: Rials(row.try_get(5)?),
                cause: row.try_get(6)?,
            })
        })
        .collect()
}

/// A code that this program wrote.
fn disposition(code: i64) -> Disposition {
    Disposition::from_code(code).expect("outcomes have the codes of dispositions")
}

/// The campaigns' rules, locked in the order that all verbs keep.
async fn rules(tx: &Transaction<'_>, ends: &[End]) -> Answer<BTreeMap<i64, Rules>> {
    let campaigns: Vec<i64> = called(ends).map(Called::campaign).collect();
    let sql = "SELECT id, state, max_tries, retry_delay_ms, ends_at_us FROM campaign
               WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE";
    let statement = tx.prepare_cached(sql).await?;
    let rows = tx.query(&statement, &[&campaigns]).await?;
    rows.iter()
        .map(|row| {
            let tries: i64 = row.try_get(2)?;
            let policy = RetryPolicy {
                max_tries: u32::try_from(tries).unwrap_or(1),
                delay_ms: row.try_get(3)?,
                ends_at: Timestamp(row.try_get(4)?),
            };
            let state = State::from_word(row.try_get(1)?).expect("campaigns have a state's word");
            Ok((row.try_get(0)?, Rules { state, policy }))
        })
        .collect()
}

async fn tried(tx: &Transaction<'_>, ends: &[End]) -> Answer<BTreeMap<i64, Tried>> {
    let mut tried: BTreeMap<i64, Tried> = ends.iter().filter_map(End::alone).collect();
    let again = ends.iter().filter(|end| end.alone().is_none());
    let recipients: Vec<i64> = again.filter_map(|end| Some(end.recipient?.id)).collect();
    if recipients.is_empty() {
        return Ok(tried);
    }
    let sql = "SELECT q.recipient_id, o.disposition, o.cause
               FROM quick_send q JOIN outcome o ON o.quick_send_id = q.id
               WHERE q.recipient_id = ANY($1) AND o.disposition IS NOT NULL";
    let statement = tx.prepare_cached(sql).await?;
    for row in tx.query(&statement, &[&recipients]).await? {
        let sum = tried.entry(row.try_get(0)?).or_default();
        *sum = sum.and(disposition(row.try_get(1)?), row.try_get(2)?);
    }
    Ok(tried)
}

async fn insert_again(tx: &Transaction<'_>, again: &[Again]) -> Answer<()> {
    if again.is_empty() {
        return Ok(());
    }
    let column = |of: fn(&Again) -> i64| -> Vec<i64> { again.iter().map(of).collect() };
    let sql = "INSERT INTO recipient_retry (recipient_id, campaign_id, due_at_us, try_n,
                                            disposition)
               SELECT * FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[],
                                    $5::BIGINT[])";
    let statement = tx.prepare_cached(sql).await?;
    let (recipients, campaigns) = (column(|one| one.recipient), column(|one| one.campaign));
    let (dues, tries) = (column(|one| one.due_at), column(|one| one.try_n));
    let dispositions = column(|one| one.disposition);
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&recipients, &campaigns, &dues, &tries, &dispositions];
    tx.execute(&statement, &values).await.map(drop)
}

async fn add_results(tx: &Transaction<'_>, results: &BTreeMap<(i64, i64), i64>) -> Answer<()> {
    if results.is_empty() {
        return Ok(());
    }
    let (campaigns, dispositions): (Vec<i64>, Vec<i64>) = results.keys().copied().unzip();
    let counts: Vec<i64> = results.values().copied().collect();
    let sql = "INSERT INTO campaign_result (campaign_id, disposition, recipients)
               SELECT * FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::BIGINT[])
               ON CONFLICT (campaign_id, disposition)
               DO UPDATE SET recipients = campaign_result.recipients + excluded.recipients";
    let statement = tx.prepare_cached(sql).await?;
    tx.execute(&statement, &[&campaigns, &dispositions, &counts]).await.map(drop)
}
