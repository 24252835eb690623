//! Lease: from the queue to an open attempt. What it returns, and only that, may be dialled.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use domain::dialer::pacing::Pace;
use domain::{
    AccountId, AttemptId, Destination, MessageClass, MessageId, NodeId, QuickSendId, RecipientId,
    Rials, TariffId, Timestamp, Zone,
};

use deadpool_postgres::Transaction;

use super::permit::{self, Bar, Permit, PostgresGate, SqliteGate};
use super::tally::{self, End};
use super::unattempted::{Ending, end_on_postgres, end_on_sqlite};
use super::{Answer, Lanes, Moves, first_of};
use crate::class::key;
use crate::postgres::Lane;
use crate::quick_send::{second, zone_from_str};
use crate::sqlite::Connection;
use crate::value::values;
use crate::{Db, Queries as _, Result, Row, sqlite};

/// The most attempts of one send: the number must fit in eight bits ([`AttemptId::pack`]).
pub(crate) const ATTEMPTS_MAX: i64 = 255;

/// A node and the epoch it runs under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeStamp {
    /// The node.
    pub node: NodeId,
    /// Grows each time a process takes the node; an older one is fenced off.
    pub epoch: i64,
}

/// Who dials a send that is leased while it is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseStamp {
    /// The node that will dial.
    pub node: NodeStamp,
    /// The trunk it will use.
    pub trunk: String,
    /// When the attempt starts.
    pub at: Timestamp,
    /// What allows it.
    pub permit: Permit,
    /// Whom it reaches: [`domain::Callee::key`]. While another attempt reaches them, it is not
    /// recorded.
    pub callee: String,
    /// Whom its second leg reaches, in a secure call.
    pub second_callee: Option<String>,
}

impl LeaseStamp {
    /// Everybody whom it reaches.
    fn callees(&self) -> impl Iterator<Item = &String> {
        iter::once(&self.callee).chain(&self.second_callee)
    }
}

/// What became of a send that was to be leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leased {
    /// This attempt is recorded, and may be dialled.
    Attempt(AttemptId),
    /// It is not in the queue any more, or the node may not lease.
    Gone,
    /// Whom it reaches is in another call, of whichever node: it waits on.
    Engaged,
    /// It was barred, and has ended without a charge.
    Barred(Bar),
}

impl Leased {
    /// The attempt, if there is one.
    pub fn attempt(self) -> Option<AttemptId> {
        match self {
            Self::Attempt(attempt) => Some(attempt),
            Self::Gone | Self::Engaged | Self::Barred(_) => None,
        }
    }
}

/// A send that waits for its turn, with all that dialling it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyJob {
    /// Which send.
    pub quick_send: QuickSendId,
    /// Who pays.
    pub account: AccountId,
    /// Whether that is a sandbox: the call reaches nobody.
    pub sandbox: bool,
    /// Scheduling class.
    pub class: u8,
    /// What kind of message it carries.
    pub message_class: MessageClass,
    /// The key by which its callee opts out.
    pub opt_out_key: Option<char>,
    /// From when on it may be called.
    pub due_at: Timestamp,
    /// Whom to call.
    pub destination: Destination,
    /// Who is rung after that and talks with the first one, in a secure call.
    pub second: Option<Destination>,
    /// What is played.
    pub message: MessageId,
    /// The name of its audio in the blob store; of a personal message, those of its parts with
    /// `+` between them, and nothing when it cannot be spoken.
    pub blob: String,
    /// How long it plays; in a secure call, how long both may talk.
    pub clip_ms: u32,
    /// Whether the first key pressed is kept.
    pub vote: bool,
    /// How long the callee is recorded after the message, milliseconds, at most.
    pub record_ms: Option<u32>,
    /// The regional server that the client asked for.
    pub server: Option<u32>,
    /// How many trunks failed it before.
    pub trunks_failed: u32,
    /// The prices to charge by.
    pub tariff: TariffId,
    /// The price zone to charge by.
    pub zone: Zone,
    /// What is reserved for it.
    pub hold: Rials,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it is too late to start the call.
    pub expires_at: Timestamp,
    /// The pace of its campaign, if that has one.
    pub pace: Option<Pace>,
    /// Whether it was withdrawn: it is not to be called.
    pub withdrawn: bool,
}

impl Db {
    /// Takes sends out of the queue and records an attempt for each, or ends what is barred. All of
    /// them are [`Leased::Gone`] when the stamp is stale or the node's lease ended before the
    /// attempt would start.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`]; then nothing was leased.
    pub async fn lease(&self, elements: Vec<(QuickSendId, LeaseStamp)>) -> Result<Vec<Leased>> {
        let lease = |(quick_send, stamp)| Lease { quick_send, stamp };
        self.run::<Verb>(elements.into_iter().map(lease).collect()).await
    }

    /// Waiting sends in the order of (due, id), from the one after `after` on.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
    pub async fn load_ready(
        &self,
        after_due: Timestamp,
        after_id: QuickSendId,
        limit: u32,
    ) -> Result<Vec<ReadyJob>> {
        let sql = "SELECT q.id AS id, q.account_id AS account_id, r.class AS class,
                          r.due_at_us AS due_at_us, q.destination AS destination,
                          q.message_id AS message_id, q.clip_ms AS clip_ms,
                          CASE WHEN m.template IS NULL THEN m.blob
                               ELSE COALESCE((SELECT p.sound FROM personal p
                                              WHERE p.recipient_id = q.recipient_id), '')
                          END AS blob,
                          q.vote_at_us AS vote_at_us, q.tariff_id AS tariff_id, q.zone AS zone,
                          q.hold_rials AS hold_rials, q.accepted_at_us AS accepted_at_us,
                          q.expires_at_us AS expires_at_us, q.record_ms AS record_ms,
                          q.server_id AS server_id, q.second_destination AS second_destination,
                          q.message_class AS message_class, q.opt_out_key AS opt_out_key,
                          (SELECT c.sandbox_of FROM account c WHERE c.id = q.account_id)
                              AS sandbox_of,
                          r.cancelled_at_us AS cancelled_at_us, q.recipient_id AS recipient_id,
                          (SELECT c.calls_per_minute FROM campaign c
                           WHERE c.id = q.recipient_id / 16777216) AS calls_per_minute,
                          (SELECT COUNT(*) FROM outcome o
                           WHERE o.quick_send_id = q.id AND o.disposition IS NULL
                             AND o.cause <> 'not_sent') AS trunks_failed
                   FROM ready r
                   JOIN quick_send q ON q.id = r.quick_send_id
                   JOIN message m ON m.id = q.message_id
                   WHERE (r.due_at_us, r.quick_send_id) > ($1, $2)
                   ORDER BY r.due_at_us, r.quick_send_id LIMIT $3";
        let rows = self.read().await?.query(sql, values![after_due, after_id, limit]).await?;
        rows.iter().map(ready_job).collect()
    }
}

fn ready_job(row: &Row) -> Result<ReadyJob> {
    let vote: Option<Timestamp> = row.get("vote_at_us")?;
    Ok(ReadyJob {
        quick_send: row.get("id")?,
        account: row.get("account_id")?,
        sandbox: row.get::<Option<AccountId>>("sandbox_of")?.is_some(),
        class: row.get("class")?,
        message_class: row.decode("message_class", MessageClass::from_code)?,
        opt_out_key: row.parse_opt("opt_out_key", key)?,
        due_at: row.get("due_at_us")?,
        destination: row.parse("destination", Destination::parse)?,
        second: row.parse_opt("second_destination", second)?,
        message: row.get("message_id")?,
        blob: row.get("blob")?,
        clip_ms: row.get("clip_ms")?,
        vote: vote.is_some(),
        record_ms: row.get("record_ms")?,
        server: row.get("server_id")?,
        trunks_failed: row.get("trunks_failed")?,
        tariff: row.get("tariff_id")?,
        zone: row.parse("zone", zone_from_str)?,
        hold: row.get("hold_rials")?,
        accepted_at: row.get("accepted_at_us")?,
        expires_at: row.get("expires_at_us")?,
        pace: pace(row)?,
        withdrawn: row.get::<Option<Timestamp>>("cancelled_at_us")?.is_some(),
    })
}

fn pace(row: &Row) -> Result<Option<Pace>> {
    let Some(per_minute) = row.get("calls_per_minute")? else { return Ok(None) };
    let campaign = RecipientId::unpack(row.get("recipient_id")?).campaign;
    Ok(Some(Pace { campaign, per_minute }))
}

/// One send to lease.
pub(crate) struct Lease {
    quick_send: QuickSendId,
    stamp: LeaseStamp,
}

/// The verb.
pub(crate) struct Verb;

impl super::Verb for Verb {
    type Element = Lease;
    type Answer = Leased;
    const NAME: &'static str = "lease";

    fn sqlite(connection: &Connection<'_>, elements: &[Lease]) -> Result<Vec<Leased>> {
        let gate = SqliteGate::open(connection)?;
        let held = held_nodes(connection, elements)?;
        let (mut moves, mut ends) = (Moves::default(), Vec::new());
        let leased: Result<Vec<Leased>> = elements
            .iter()
            .map(|element| {
                if !holds(&held, &element.stamp) {
                    return Ok(Leased::Gone);
                }
                lease_on_sqlite(connection, &gate, element, &mut moves, &mut ends)
            })
            .collect();
        moves.sqlite(connection)?;
        tally::on_sqlite(connection, &ends)?;
        leased
    }

    async fn postgres(tx: &Transaction<'_>, elements: &[Lease]) -> Answer<Vec<Leased>> {
        if elements.iter().any(|element| element.stamp.second_callee.is_some()) {
            exclude_others(tx).await?;
        }
        let nodes = elements.iter().map(|element| element.stamp.node.node.0).collect();
        let held = lock_nodes(tx, nodes).await?;
        let first = first_of(elements.iter().map(|element| element.quick_send));
        let wanted: Vec<bool> = elements
            .iter()
            .zip(first)
            .map(|(element, first)| first && holds(&held, &element.stamp))
            .collect();
        let chosen = elements.iter().zip(&wanted);
        let chosen: Vec<&Lease> =
            chosen.filter_map(|(element, wanted)| wanted.then_some(element)).collect();
        let mut leased = lease_on_postgres(tx, &chosen).await?;
        let answer = |(element, wanted): (&Lease, &bool)| {
            let leased = if *wanted { leased.remove(&element.quick_send.0) } else { None };
            leased.unwrap_or(Leased::Gone)
        };
        Ok(elements.iter().zip(&wanted).map(answer).collect())
    }

    fn lane(lanes: &Lanes) -> &Lane<Self> {
        &lanes.lease
    }
}

fn lease_on_sqlite(
    connection: &Connection<'_>,
    gate: &SqliteGate<'_, '_>,
    element: &Lease,
    moves: &mut Moves,
    ends: &mut Vec<End>,
) -> Result<Leased> {
    let id = element.quick_send;
    let LeaseStamp { node, trunk, at, permit, callee, second_callee } = &element.stamp;
    if let Some(second) = second_callee
        && is_engaged(connection, second)?
    {
        return left_waiting(connection, id);
    }
    let sql = "DELETE FROM ready
               WHERE quick_send_id = $1
                 AND (SELECT COUNT(*) FROM outcome o WHERE o.quick_send_id = $1) < $2
                 AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.callee = $3)
                 AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.second_callee = $3)
               RETURNING (SELECT COUNT(*) FROM outcome o WHERE o.quick_send_id = $1) AS ended";
    let rows = sqlite::query(connection, sql, values![id, ATTEMPTS_MAX, callee])?;
    let Some(ended) = rows.first().map(|row| row.get::<u16>("ended")).transpose()? else {
        return left_waiting(connection, id);
    };
    let day_sends = match gate.pass(permit, permit.is_capped() && ended == 0)? {
        Ok(day_sends) => day_sends,
        Err(bar) => {
            let ending = Ending::barred(id, bar, (permit.policy, gate.version), *at);
            end_on_sqlite(connection, &ending, moves, ends)?;
            return Ok(Leased::Barred(bar));
        }
    };
    let n = ended + 1;
    let sql = "INSERT INTO attempt (quick_send_id, n, node_id, epoch, trunk, started_at_us,
                                    callee, second_callee)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let second = second_callee.as_deref();
    let values = values![id, n, node.node, node.epoch, trunk, *at, callee, second];
    sqlite::execute(connection, sql, values)?;
    let attempt = AttemptId { quick_send: id, n };
    gate.log(attempt, *at, permit, day_sends)?;
    Ok(Leased::Attempt(attempt))
}

/// Whether somebody is in a call.
fn is_engaged(connection: &Connection<'_>, callee: &str) -> Result<bool> {
    let sql = "SELECT quick_send_id FROM attempt WHERE callee = $1
               UNION ALL SELECT quick_send_id FROM attempt WHERE second_callee = $1";
    Ok(!sqlite::query(connection, sql, values![callee])?.is_empty())
}

/// What is told of a send that was not taken out of the queue: whether it is there still.
fn left_waiting(connection: &Connection<'_>, id: QuickSendId) -> Result<Leased> {
    let sql = "SELECT quick_send_id FROM ready WHERE quick_send_id = $1";
    let waits = !sqlite::query(connection, sql, values![id])?.is_empty();
    Ok(if waits { Leased::Engaged } else { Leased::Gone })
}

/// The nodes that these elements name: (epoch, until).
fn held_nodes(
    connection: &Connection<'_>,
    elements: &[Lease],
) -> Result<BTreeMap<i64, (i64, i64)>> {
    let nodes: BTreeSet<i64> = elements.iter().map(|element| element.stamp.node.node.0).collect();
    let mut held = BTreeMap::new();
    for node in nodes {
        let sql = "SELECT epoch, until_us FROM node WHERE id = $1";
        for row in sqlite::query(connection, sql, values![node])? {
            held.insert(node, (row.get("epoch")?, row.get("until_us")?));
        }
    }
    Ok(held)
}

/// Leases each of these sends, or ends it: what is not told of is gone.
async fn lease_on_postgres(
    tx: &Transaction<'_>,
    chosen: &[&Lease],
) -> Answer<BTreeMap<i64, Leased>> {
    let permits = || chosen.iter().map(|lease| &lease.stamp.permit);
    let mut gate = PostgresGate::open(tx, permits()).await?;
    let capped: Vec<QuickSendId> = chosen
        .iter()
        .filter(|lease| lease.stamp.permit.is_capped())
        .map(|lease| lease.quick_send)
        .collect();
    // Whatever may be ended moves money, and accounts are locked first.
    let is_out = |lease: &&&Lease| gate.is_opted_out(&lease.stamp.permit);
    let out = chosen.iter().filter(is_out).map(|lease| lease.quick_send);
    let endangered: Vec<i64> = out.chain(capped.iter().copied()).map(|send| send.0).collect();
    let (mut waiting, mut wanted) = (BTreeMap::new(), false);
    if !endangered.is_empty() {
        wanted = super::lock_accounts_of(tx, &endangered).await?;
        gate.lock_counts(tx, permits()).await?;
        waiting = permit::waiting(tx, &capped).await?;
    }
    let (mut passed, mut barred) = (Vec::with_capacity(chosen.len()), Vec::new());
    let mut named = BTreeSet::new();
    for lease in chosen {
        let LeaseStamp { permit, at, .. } = &lease.stamp;
        let attempted = waiting.get(&lease.quick_send.0);
        if permit.is_capped() && attempted.is_none() {
            // It is gone, and must not be counted.
            continue;
        }
        if lease.stamp.callees().any(|callee| named.contains(callee)) {
            // The statement that looks for calls sees none of its own.
            continue;
        }
        match gate.pass(permit, attempted == Some(&false)) {
            Ok(day_sends) => {
                named.extend(lease.stamp.callees());
                passed.push((*lease, day_sends));
            }
            Err(bar) => {
                let by = (permit.policy, gate.version);
                barred.push((bar, Ending::barred(lease.quick_send, bar, by, *at)));
            }
        }
    }
    let attempts = move_to_attempt(tx, &passed, gate.version).await?;
    for (lease, day_sends) in &passed {
        if day_sends.is_some() && !attempts.contains_key(&lease.quick_send.0) {
            gate.give_back(&lease.stamp.permit);
        }
    }
    gate.keep(tx).await?;
    let mut leased: BTreeMap<i64, Leased> = attempts
        .into_iter()
        .map(|(id, n)| (id, Leased::Attempt(AttemptId { quick_send: QuickSendId(id), n })))
        .collect();
    if !barred.is_empty() {
        let (bars, endings): (Vec<Bar>, Vec<Ending>) = barred.into_iter().unzip();
        let ended = end_on_postgres(tx, &endings, wanted).await?;
        let told = endings.iter().zip(bars).map(|(ending, bar)| (ending.quick_send().0, bar));
        leased.extend(
            told.filter(|(id, _)| ended.contains(id)).map(|(id, bar)| (id, Leased::Barred(bar))),
        );
    }
    tell_who_waits(tx, chosen, &mut leased).await?;
    Ok(leased)
}

/// Tells those that still wait, since whom they reach is in a call, from those that are gone.
async fn tell_who_waits(
    tx: &Transaction<'_>,
    chosen: &[&Lease],
    leased: &mut BTreeMap<i64, Leased>,
) -> Answer<()> {
    let left = chosen.iter().map(|lease| lease.quick_send.0);
    let left: Vec<i64> = left.filter(|id| !leased.contains_key(id)).collect();
    if left.is_empty() {
        return Ok(());
    }
    let sql = "SELECT quick_send_id FROM ready WHERE quick_send_id = ANY($1)";
    let statement = tx.prepare_cached(sql).await?;
    for row in tx.query(&statement, &[&left]).await? {
        leased.insert(row.try_get(0)?, Leased::Engaged);
    }
    Ok(())
}

/// Lets nobody else lease until we commit. Each leg of a call is one column of a unique index, and
/// no index keeps the first leg of one call from the second leg of another: who leases a call of
/// two legs looks for both, and what he sees must be all there is. Leases of one leg only share
/// the table, by the locks of their nodes, and wait for nobody.
async fn exclude_others(tx: &Transaction<'_>) -> Answer<()> {
    tx.batch_execute("LOCK TABLE node IN EXCLUSIVE MODE").await
}

/// Nodes by id, locked so that nobody takes one before we commit: (epoch, until).
pub(super) async fn lock_nodes(
    tx: &Transaction<'_>,
    nodes: Vec<i64>,
) -> Answer<BTreeMap<i64, (i64, i64)>> {
    if nodes.is_empty() {
        return Ok(BTreeMap::new());
    }
    let sql = "SELECT id, epoch, until_us FROM node WHERE id = ANY($1) ORDER BY id FOR SHARE";
    let statement = tx.prepare_cached(sql).await?;
    let rows = tx.query(&statement, &[&nodes]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?)))).collect()
}

/// Whether the stamp is the node's current one and its lease lasts until after the start.
pub(super) fn holds(held: &BTreeMap<i64, (i64, i64)>, stamp: &LeaseStamp) -> bool {
    held.get(&stamp.node.node.0)
        .is_some_and(|(epoch, until)| *epoch == stamp.node.epoch && *until > stamp.at.0)
}

/// Turns ready rows into attempts, on PostgreSQL. Whoever another transaction has just begun or
/// ended a call to is waited for, in the order of the callees; then he is in a call, and the send
/// stays.
const BEGIN: &str = "WITH l AS (
    SELECT * FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::TEXT[],
                         $5::BIGINT[], $8::TEXT[], $9::BIGINT[], $10::BIGINT[],
                         $11::TEXT[], $12::TEXT[])
        AS l (quick_send_id, node_id, epoch, trunk, started_at_us, basis,
              policy_id, day_sends, callee, second_callee)
), waiting AS (
    SELECT quick_send_id FROM ready WHERE quick_send_id = ANY($1)
    ORDER BY quick_send_id FOR UPDATE
), begun AS (
    INSERT INTO attempt (quick_send_id, n, node_id, epoch, trunk, started_at_us,
                         callee, second_callee)
    SELECT w.quick_send_id,
           1 + (SELECT COUNT(*) FROM outcome o
                WHERE o.quick_send_id = w.quick_send_id),
           l.node_id, l.epoch, l.trunk, l.started_at_us, l.callee,
           l.second_callee
    FROM waiting w JOIN l ON l.quick_send_id = w.quick_send_id
    WHERE (SELECT COUNT(*) FROM outcome o
           WHERE o.quick_send_id = w.quick_send_id) < $6
      AND (SELECT COUNT(*) FROM attempt a WHERE a.second_callee = l.callee) = 0
      AND (SELECT COUNT(*) FROM attempt a WHERE a.callee = l.second_callee) = 0
    ORDER BY l.callee
    ON CONFLICT DO NOTHING
    RETURNING quick_send_id, n
), taken AS (
    DELETE FROM ready USING begun
    WHERE ready.quick_send_id = begun.quick_send_id
), logged AS (
    INSERT INTO decision (quick_send_id, n, at_us, verdict, basis, policy_id,
                          opt_out_version, day_sends)
    SELECT b.quick_send_id, b.n, l.started_at_us, 'allowed', l.basis, l.policy_id,
           $7, l.day_sends
    FROM begun b JOIN l ON l.quick_send_id = b.quick_send_id
)
SELECT quick_send_id, n FROM begun";

/// Turns the ready rows that are there still into attempts, unless whom they reach is in a call,
/// with the log of what allowed them: send → n.
async fn move_to_attempt(
    tx: &Transaction<'_>,
    passed: &[(&Lease, Option<i64>)],
    version: i64,
) -> Answer<BTreeMap<i64, u16>> {
    if passed.is_empty() {
        return Ok(BTreeMap::new());
    }
    let column =
        |of: fn(&Lease) -> i64| -> Vec<i64> { passed.iter().map(|(lease, _)| of(lease)).collect() };
    let trunks: Vec<&str> = passed.iter().map(|(lease, _)| lease.stamp.trunk.as_str()).collect();
    let bases: Vec<&str> =
        passed.iter().map(|(lease, _)| lease.stamp.permit.basis.word()).collect();
    let day_sends: Vec<Option<i64>> = passed.iter().map(|(_, sends)| *sends).collect();
    let callees: Vec<&str> = passed.iter().map(|(lease, _)| lease.stamp.callee.as_str()).collect();
    let seconds: Vec<Option<&str>> =
        passed.iter().map(|(lease, _)| lease.stamp.second_callee.as_deref()).collect();
    let statement = tx.prepare_cached(BEGIN).await?;
    let rows = tx
        .query(
            &statement,
            &[
                &column(|lease| lease.quick_send.0),
                &column(|lease| lease.stamp.node.node.0),
                &column(|lease| lease.stamp.node.epoch),
                &trunks,
                &column(|lease| lease.stamp.at.0),
                &ATTEMPTS_MAX,
                &version,
                &bases,
                &column(|lease| lease.stamp.permit.policy.0),
                &day_sends,
                &callees,
                &seconds,
            ],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let n: i64 = row.try_get(1)?;
            Ok((row.try_get(0)?, u16::try_from(n).expect("at most 256, by the condition")))
        })
        .collect()
}
