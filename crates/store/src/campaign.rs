//! Campaigns as their owners and nodes see them. Taking numbers in, feeding the line and counting
//! what ended are in `hot`.
//!
//! Whoever changes a campaign locks its account first ([`lock`]), as every verb that moves money
//! does: so none of them waits for another in a circle.

use std::collections::BTreeMap;

use domain::campaign::State;
use domain::campaign::admission::{CallPrices, Plan, Zones};
use domain::campaign::failing::Recent;
use domain::campaign::forecast::History;
use domain::campaign::numbers::CompactNumber;
use domain::campaign::retry::RetryPolicy;
use domain::dialer::pacing::{Pace, Slots};
use domain::{
    AccountId, CampaignId, Disposition, MessageClass, MessageId, RecipientId, Rials, TariffId,
    Timestamp,
};

use crate::class::key;
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

mod schedule;

pub use schedule::schedules;

/// A campaign as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Campaign {
    /// Its identity.
    pub id: CampaignId,
    /// Who pays.
    pub account: AccountId,
    /// Whether that is a sandbox, whose calls reach nobody.
    pub is_sandbox: bool,
    /// What is played.
    pub message: MessageId,
    /// Whether that is a template, filled for each recipient.
    pub is_personal: bool,
    /// The follow-up that is written after its calls.
    pub follow_up: Option<i64>,
    /// Where it stands.
    pub state: State,
    /// How it is called.
    pub plan: Plan,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last started.
    pub started_at: Option<Timestamp>,
    /// What was fixed at its start: how long it plays and what a call holds.
    pub snapshot: Snapshot,
    /// Its recipients.
    pub recipients: Zones,
    /// How many of them have stepped into the line.
    pub cursor: u32,
    /// How many of these stand in line or are in a call.
    pub open: u32,
    /// How many wait to be called again.
    pub retrying: u32,
    /// What open calls hold.
    pub held: Rials,
    /// What was charged.
    pub charged: Rials,
    /// How many of its calls ended lately, and how many of these failed.
    pub recent: Recent,
    /// Before when its next recipient may not be called, if it has a pace.
    pub pace_due: Timestamp,
}

/// What a start fixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// The prices; `None` before the first start.
    pub tariff: Option<TariffId>,
    /// How long the message plays.
    pub clip_ms: u32,
    /// What a call holds in each zone.
    pub holds: CallPrices,
}

/// A campaign to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCampaign {
    /// Who pays.
    pub account: AccountId,
    /// What is played.
    pub message: MessageId,
    /// How it is called.
    pub plan: Plan,
    /// Now.
    pub created_at: Timestamp,
}

impl Campaign {
    /// How often its recipients are called.
    pub fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy {
            max_tries: self.plan.max_tries,
            delay_ms: delay_ms(&self.plan),
            ends_at: self.plan.schedule.ends_at,
        }
    }

    /// The times of its next calls, by its pace.
    pub fn slots(&self, now: Timestamp) -> Slots {
        let pace = self.plan.calls_per_minute;
        let pace = pace.map(|per_minute| Pace { campaign: self.id, per_minute });
        pace.map_or(Slots::at_once(now), |pace| pace.slots(self.pace_due, now))
    }

    /// How many recipients have not stepped into the line yet.
    pub fn uncalled(&self) -> u32 {
        self.recipients.total().saturating_sub(self.cursor)
    }
}

/// The columns of a campaign, which [`campaign`] reads, and more of them, and where from. In parts,
/// which the test of all statements cannot prepare: each of these is run by a test of campaigns.
macro_rules! select_campaign {
    ($rest:literal) => {
        select_campaign!("", $rest)
    };
    ($more:literal, $rest:expr) => {
        concat!(
            "SELECT",
            " id, account_id, title, message_id, state, created_at_us, starts_at_us,
                    ends_at_us, from_minute, to_minute, max_tries, retry_delay_ms, vote_at_us,
                    record_ms, server_id, priority, max_cost_rials, started_at_us, tariff_id,
                    clip_ms, internal_hold_rials, external_hold_rials, internal_total,
                    external_total, cursor_n, open_count, retrying, held_rials, charged_rials,
                    message_class, opt_out_key, recent_ended, recent_failed, follow_up_id,
                    calls_per_minute, pace_due_us,
                    (SELECT t.id FROM message t
                     WHERE t.id = message_id AND t.template IS NOT NULL) AS template_id,
                    (SELECT o.sandbox_of FROM account o WHERE o.id = account_id) AS sandbox_of",
            $more,
            " FROM campaign ",
            $rest
        )
    };
}

/// Makes a campaign without recipients, as a draft.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] without such an account or message.
pub async fn insert(tx: &mut Tx, new: &NewCampaign) -> Result<CampaignId> {
    let sql = "INSERT INTO campaign (account_id, title, message_id, state, created_at_us,
                                     starts_at_us, ends_at_us, from_minute, to_minute, max_tries,
                                     retry_delay_ms, vote_at_us, record_ms, server_id, priority,
                                     max_cost_rials, clip_ms, internal_hold_rials,
                                     external_hold_rials, internal_total, external_total,
                                     cursor_n, open_count, retrying, held_rials, charged_rials,
                                     message_class, opt_out_key, calls_per_minute)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
                       0, 0, 0, 0, 0, 0, 0, 0, 0, 0, $17, $18, $19)
               RETURNING id";
    let plan = &new.plan;
    let values = values![
        new.account,
        &plan.title,
        new.message,
        State::Draft.word(),
        new.created_at,
        plan.schedule.starts_at,
        plan.schedule.ends_at,
        u32::from(plan.schedule.daily.from_minute()),
        u32::from(plan.schedule.daily.to_minute()),
        plan.max_tries,
        delay_ms(plan),
        plan.vote.then_some(new.created_at),
        plan.record_ms,
        plan.server,
        plan.priority,
        plan.max_cost,
        plan.class.code(),
        plan.opt_out_key.map(String::from),
        plan.calls_per_minute,
    ];
    let id = tx.query_one(sql, values).await?.get("id")?;
    schedule::log(tx, id, &plan.schedule, new.created_at).await?;
    Ok(id)
}

/// The account's campaign `id`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(
    reads: &mut impl Queries,
    account: AccountId,
    id: CampaignId,
) -> Result<Option<Campaign>> {
    let sql = select_campaign!("WHERE id = $2 AND account_id = $1");
    reads.query_opt(sql, values![account, id]).await?.as_ref().map(campaign).transpose()
}

/// Sets what is written after the calls of a campaign.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn set_follow_up(tx: &mut Tx, id: CampaignId, follow_up: i64) -> Result<()> {
    let sql = "UPDATE campaign SET follow_up_id = $2 WHERE id = $1";
    tx.execute(sql, values![id, follow_up]).await.map(drop)
}

/// Sets the pace of a campaign, or lifts it. Its next call waits for what an older, slower one has
/// given away no longer than the new one asks.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn set_pace(
    tx: &mut Tx,
    id: CampaignId,
    per_minute: Option<u32>,
    now: Timestamp,
) -> Result<()> {
    let pace = per_minute.map(|per_minute| Pace { campaign: id, per_minute });
    let due = pace.map_or(now, |pace| pace.slots(now, now).after(1).first);
    let sql = "UPDATE campaign
               SET calls_per_minute = $2,
                   pace_due_us = CASE WHEN pace_due_us < $3 THEN pace_due_us ELSE $3 END
               WHERE id = $1";
    tx.execute(sql, values![id, per_minute, due]).await.map(drop)
}

/// Whose campaign `id` is, for nodes and the operator's tools.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn owner(reads: &mut impl Queries, id: CampaignId) -> Result<Option<AccountId>> {
    let sql = "SELECT id, account_id FROM campaign WHERE id = $1";
    let row = reads.query_opt(sql, values![id]).await?;
    row.map(|row| row.get("account_id")).transpose()
}

/// Campaigns, the newest first: at most `limit` that are older than `before`, of one account or of
/// all.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(
    reads: &mut impl Queries,
    account: Option<AccountId>,
    before: Option<CampaignId>,
    limit: u32,
) -> Result<Vec<Campaign>> {
    let before = before.unwrap_or(CampaignId(i64::MAX));
    let rows = if let Some(account) = account {
        let sql = select_campaign!("WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
        reads.query(sql, values![account, before, limit]).await?
    } else {
        let sql = select_campaign!("WHERE id < $1 ORDER BY id DESC LIMIT $2");
        reads.query(sql, values![before, limit]).await?
    };
    rows.iter().map(campaign).collect()
}

/// Campaigns that a node has to look after: those that run, those that do not and still have
/// recipients in line or calls, and those that are over and have recipients to be counted.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn at_work(reads: &mut impl Queries, limit: u32) -> Result<Vec<Campaign>> {
    let sql = select_campaign!(
        "WHERE state = 'running' OR open_count > 0
               OR (retrying > 0 AND state IN ('finished', 'cancelled'))
         ORDER BY id LIMIT $1"
    );
    reads.query(sql, values![limit]).await?.iter().map(campaign).collect()
}

/// When the first recipient of a campaign may be called again who waits for that.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn next_retry(reads: &mut impl Queries, id: CampaignId) -> Result<Option<Timestamp>> {
    let sql = "SELECT due_at_us FROM recipient_retry WHERE campaign_id = $1
               ORDER BY due_at_us LIMIT 1";
    let row = reads.query_opt(sql, values![id]).await?;
    row.map(|row| row.get("due_at_us")).transpose()
}

/// Locks the account and then its campaign until the transaction ends: what the account may spend,
/// and the campaign. `None`: the account has no such campaign.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn lock(
    tx: &mut Tx,
    account: AccountId,
    id: CampaignId,
) -> Result<Option<(Rials, Campaign)>> {
    let sql = "UPDATE account SET reserved_rials = reserved_rials WHERE id = $1
               RETURNING id, balance_rials + debt_limit_rials - reserved_rials AS spendable";
    let Some(funds) = tx.query_opt(sql, values![account]).await? else { return Ok(None) };
    let sql = "UPDATE campaign SET open_count = open_count WHERE id = $1 AND account_id = $2";
    if tx.execute(sql, values![id, account]).await? == 0 {
        return Ok(None);
    }
    let campaign = find(tx, account, id).await?;
    Ok(Some(funds.get("spendable")?).zip(campaign))
}

/// Moves a campaign from one state to another. `false`: it is not in that state.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn set_state(tx: &mut Tx, id: CampaignId, from: State, to: State) -> Result<bool> {
    let sql = "UPDATE campaign SET state = $3 WHERE id = $1 AND state = $2";
    Ok(tx.execute(sql, values![id, from.word(), to.word()]).await? == 1)
}

/// Counts the latest calls of a campaign from zero again.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn forget_recent(tx: &mut Tx, id: CampaignId) -> Result<()> {
    let sql = "UPDATE campaign SET recent_ended = 0, recent_failed = 0 WHERE id = $1";
    tx.execute(sql, values![id]).await.map(drop)
}

/// Starts a campaign with a new snapshot and plan. `false`: it is not in the state `from`.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] without such a tariff.
pub async fn start(
    tx: &mut Tx,
    id: CampaignId,
    from: State,
    plan: &Plan,
    snapshot: &Snapshot,
    at: Timestamp,
) -> Result<bool> {
    let sql = "UPDATE campaign
               SET state = 'running', title = $3, starts_at_us = $4, ends_at_us = $5,
                   from_minute = $6, to_minute = $7, max_tries = $8, retry_delay_ms = $9,
                   server_id = $10, started_at_us = $11, tariff_id = $12, clip_ms = $13,
                   internal_hold_rials = $14, external_hold_rials = $15, max_cost_rials = $16
               WHERE id = $1 AND state = $2";
    let values = values![
        id,
        from.word(),
        &plan.title,
        plan.schedule.starts_at,
        plan.schedule.ends_at,
        u32::from(plan.schedule.daily.from_minute()),
        u32::from(plan.schedule.daily.to_minute()),
        plan.max_tries,
        delay_ms(plan),
        plan.server,
        at,
        snapshot.tariff,
        snapshot.clip_ms,
        snapshot.holds.internal,
        snapshot.holds.external,
        plan.max_cost,
    ];
    let started = tx.execute(sql, values).await? == 1;
    if started {
        schedule::log(tx, id, &plan.schedule, at).await?;
    }
    Ok(started)
}

/// How many recipients of a campaign ended, by disposition.
pub type Results = BTreeMap<Disposition, u32>;

/// Campaigns, each as often as it has results, with the title of its message.
macro_rules! select_with_results {
    ($which:literal) => {
        select_campaign!(
            ", disposition, recipients,
               (SELECT m.title FROM message m WHERE m.id = message_id AND m.deleted_at_us IS NULL)
                   AS message_title",
            concat!("LEFT JOIN campaign_result ON campaign_id = id WHERE ", $which)
        )
    };
}

/// A campaign, its results, and the title of its message, empty when that was deleted.
pub type WithResults = (Campaign, Results, String);

/// The account's campaign `id` and its results, of one moment: all its counts add up.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn progress(
    reads: &mut impl Queries,
    account: AccountId,
    id: CampaignId,
) -> Result<Option<WithResults>> {
    let sql = select_with_results!("id = $2 AND account_id = $1");
    Ok(with_results(&reads.query(sql, values![account, id]).await?)?.pop())
}

/// The account's campaigns whose first day starts from `from` until before `to`, and their
/// results, the newest first: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn starting(
    reads: &mut impl Queries,
    account: AccountId,
    (from, to): (Timestamp, Timestamp),
    limit: u32,
) -> Result<Vec<WithResults>> {
    let sql = select_with_results!(
        "id IN (SELECT n.id FROM campaign n
                      WHERE n.account_id = $1 AND n.starts_at_us >= $2 AND n.starts_at_us < $3
                      ORDER BY n.id DESC LIMIT $4)
         ORDER BY id DESC"
    );
    with_results(&reads.query(sql, values![account, from, to, limit]).await?)
}

/// Rows of campaigns, each as often as it has results.
fn with_results(rows: &[Row]) -> Result<Vec<WithResults>> {
    let mut told: Vec<WithResults> = Vec::new();
    for row in rows {
        let id: CampaignId = row.get("id")?;
        if told.last().is_none_or(|(last, ..)| last.id != id) {
            let title: Option<String> = row.get("message_title")?;
            told.push((campaign(row)?, Results::new(), title.unwrap_or_default()));
        }
        let (_, results, _) = told.last_mut().expect("one was just put there");
        if let Some(recipients) = row.get("recipients")? {
            results.insert(row.decode("disposition", Disposition::from_code)?, recipients);
        }
    }
    Ok(told)
}

/// The account's campaigns that play a message, from the one with this identity on, in the order
/// of their identities: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn playing(
    reads: &mut impl Queries,
    account: AccountId,
    message: MessageId,
    from: CampaignId,
    limit: u32,
) -> Result<Vec<CampaignId>> {
    let sql = "SELECT id FROM campaign WHERE account_id = $1 AND message_id = $2 AND id >= $3
               ORDER BY id LIMIT $4";
    let rows = reads.query(sql, values![account, message, from, limit]).await?;
    rows.iter().map(|row| row.get("id")).collect()
}

/// What the account was charged for calls of campaigns that stepped into the line from `from` until
/// before `to`.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn cost(
    reads: &mut impl Queries,
    account: AccountId,
    (from, to): (Timestamp, Timestamp),
) -> Result<Rials> {
    let sql = "SELECT CAST(COALESCE(SUM(o.charge_rials), 0) AS BIGINT) AS charge_rials
               FROM quick_send q JOIN outcome o ON o.quick_send_id = q.id
               WHERE q.account_id = $1 AND q.recipient_id IS NOT NULL
                 AND q.accepted_at_us >= $2 AND q.accepted_at_us < $3";
    reads.query_one(sql, values![account, from, to]).await?.get("charge_rials")
}

/// The numbers of a campaign after its `after`-th one, in their order: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn numbers(
    reads: &mut impl Queries,
    id: CampaignId,
    after: u32,
    limit: u32,
) -> Result<Vec<CompactNumber>> {
    let sql = "SELECT id, number FROM recipient WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3";
    let first = RecipientId { campaign: id, n: after }.pack();
    let (_, last) = RecipientId::range(id);
    let rows = reads.query(sql, values![first, last, limit]).await?;
    rows.iter().map(|row| row.parse("number", CompactNumber::parse)).collect()
}

fn delay_ms(plan: &Plan) -> i64 {
    i64::from(plan.minutes_between_tries) * 60_000
}

fn campaign(row: &Row) -> Result<Campaign> {
    let vote: Option<Timestamp> = row.get("vote_at_us")?;
    let minutes = |ms: i64| u32::try_from(ms / 60_000).ok();
    let plan = Plan {
        title: row.get("title")?,
        schedule: schedule::of_row(row)?,
        max_tries: row.get("max_tries")?,
        minutes_between_tries: row.decode("retry_delay_ms", minutes)?,
        vote: vote.is_some(),
        record_ms: row.get("record_ms")?,
        server: row.get("server_id")?,
        priority: row.get("priority")?,
        max_cost: row.get("max_cost_rials")?,
        class: row.decode("message_class", MessageClass::from_code)?,
        opt_out_key: row.parse_opt("opt_out_key", key)?,
        calls_per_minute: row.get("calls_per_minute")?,
    };
    let holds = CallPrices {
        internal: row.get("internal_hold_rials")?,
        external: row.get("external_hold_rials")?,
    };
    let (tariff, clip_ms) = (row.get("tariff_id")?, row.get("clip_ms")?);
    Ok(Campaign {
        id: row.get("id")?,
        account: row.get("account_id")?,
        is_sandbox: row.get::<Option<AccountId>>("sandbox_of")?.is_some(),
        message: row.get("message_id")?,
        is_personal: row.get::<Option<MessageId>>("template_id")?.is_some(),
        follow_up: row.get("follow_up_id")?,
        state: row.parse("state", State::from_word)?,
        plan,
        created_at: row.get("created_at_us")?,
        started_at: row.get("started_at_us")?,
        snapshot: Snapshot { tariff, clip_ms, holds },
        recipients: Zones {
            internal: row.get("internal_total")?,
            external: row.get("external_total")?,
        },
        cursor: row.get("cursor_n")?,
        open: row.get("open_count")?,
        retrying: row.get("retrying")?,
        held: row.get("held_rials")?,
        charged: row.get("charged_rials")?,
        recent: Recent { ended: row.get("recent_ended")?, failed: row.get("recent_failed")? },
        pace_due: row.get("pace_due_us")?,
    })
}

/// How the newest calls of the account ended, or, without one, of all accounts but sandboxes: at
/// most `limit` of them.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn history(
    reads: &mut impl Queries,
    account: Option<AccountId>,
    limit: u32,
) -> Result<History> {
    let of_account = "SELECT COUNT(*) AS calls,
                      CAST(COALESCE(SUM(CASE WHEN charge > 0 THEN 1 ELSE 0 END), 0) AS BIGINT)
                          AS charged,
                      CAST(COALESCE(SUM(CASE WHEN charge > 0 THEN heard ELSE 0 END), 0) AS BIGINT)
                          AS heard_ms,
                      CAST(COALESCE(SUM(CASE WHEN charge > 0 THEN clip ELSE 0 END), 0) AS BIGINT)
                          AS clip_ms
               FROM (SELECT o.charge_rials AS charge, o.heard_ms AS heard, q.clip_ms AS clip
                     FROM quick_send q JOIN outcome o ON o.quick_send_id = q.id
                     WHERE q.account_id = $1 AND o.disposition IS NOT NULL AND o.n > 0
                     ORDER BY q.accepted_at_us DESC, q.id DESC LIMIT $2) AS lately";
    let of_all = "SELECT COUNT(*) AS calls,
                      CAST(COALESCE(SUM(CASE WHEN charge > 0 THEN 1 ELSE 0 END), 0) AS BIGINT)
                          AS charged,
                      CAST(COALESCE(SUM(CASE WHEN charge > 0 THEN heard ELSE 0 END), 0) AS BIGINT)
                          AS heard_ms,
                      CAST(COALESCE(SUM(CASE WHEN charge > 0 THEN clip ELSE 0 END), 0) AS BIGINT)
                          AS clip_ms
               FROM (SELECT o.charge_rials AS charge, o.heard_ms AS heard, q.clip_ms AS clip
                     FROM quick_send q JOIN outcome o ON o.quick_send_id = q.id
                     JOIN account c ON c.id = q.account_id AND c.sandbox_of IS NULL
                     WHERE o.disposition IS NOT NULL AND o.n > 0
                     ORDER BY q.id DESC LIMIT $1) AS lately";
    let rows = match account {
        Some(account) => reads.query(of_account, values![account, limit]).await?,
        None => reads.query(of_all, values![limit]).await?,
    };
    let Some(row) = rows.first() else { return Ok(History::default()) };
    let sum = |name: &'static str| -> Result<u64> {
        Ok(u64::try_from(row.get::<i64>(name)?).unwrap_or(0))
    };
    Ok(History {
        calls: row.get("calls")?,
        charged: row.get("charged")?,
        heard_ms: sum("heard_ms")?,
        clip_ms: sum("clip_ms")?,
    })
}
