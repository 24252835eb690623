//! Lease: from the queue to an open attempt. What it returns, and only that, may be dialled.

use std::collections::BTreeMap;

use domain::{
    AccountId, AttemptId, Destination, MessageId, NodeId, QuickSendId, Rials, TariffId, Timestamp,
    Zone,
};

use deadpool_postgres::Transaction;
use rusqlite::Connection;

use super::{Answer, Lanes, first_of};
use crate::postgres::Lane;
use crate::quick_send::{second, zone_from_str};
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
}

/// A send that waits for its turn, with all that dialling it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyJob {
    /// Which send.
    pub quick_send: QuickSendId,
    /// Who pays.
    pub account: AccountId,
    /// Scheduling class.
    pub class: u8,
    /// From when on it may be called.
    pub due_at: Timestamp,
    /// Whom to call.
    pub destination: Destination,
    /// Who is rung after that and talks with the first one, in a secure call.
    pub second: Option<Destination>,
    /// What is played.
    pub message: MessageId,
    /// The name of its audio in the blob store.
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
}

impl Db {
    /// Takes sends out of the queue and records an attempt for each (on which trunk, from when).
    /// `None` for those that are not in the queue any more, and for all of them when the stamp is
    /// stale or the node's lease ended before the attempt would start.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`]; then nothing was leased.
    pub async fn lease(
        &self,
        stamp: NodeStamp,
        elements: Vec<(QuickSendId, String, Timestamp)>,
    ) -> Result<Vec<Option<AttemptId>>> {
        let elements = elements
            .into_iter()
            .map(|(quick_send, trunk, at)| Lease {
                quick_send,
                stamp: LeaseStamp { node: stamp, trunk, at },
            })
            .collect();
        self.run::<Verb>(elements).await
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
                          q.message_id AS message_id, m.blob AS blob, q.clip_ms AS clip_ms,
                          q.vote_at_us AS vote_at_us, q.tariff_id AS tariff_id, q.zone AS zone,
                          q.hold_rials AS hold_rials, q.accepted_at_us AS accepted_at_us,
                          q.expires_at_us AS expires_at_us, q.record_ms AS record_ms,
                          q.server_id AS server_id, q.second_destination AS second_destination,
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
        class: row.get("class")?,
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
    })
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
    type Answer = Option<AttemptId>;
    const NAME: &'static str = "lease";

    fn sqlite(connection: &Connection, elements: &[Lease]) -> Result<Vec<Option<AttemptId>>> {
        elements.iter().map(|element| lease_on_sqlite(connection, element)).collect()
    }

    async fn postgres(tx: &Transaction<'_>, elements: &[Lease]) -> Answer<Vec<Option<AttemptId>>> {
        let nodes = elements.iter().map(|element| element.stamp.node.node.0).collect();
        let held = lock_nodes(tx, nodes).await?;
        let first = first_of(elements.iter().map(|element| element.quick_send));
        let wanted: Vec<bool> = elements
            .iter()
            .zip(first)
            .map(|(element, first)| first && holds(&held, &element.stamp))
            .collect();
        let mut attempts = move_to_attempt(tx, elements, &wanted).await?;
        let answer = |(element, wanted): (&Lease, &bool)| {
            let n = if *wanted { attempts.remove(&element.quick_send.0) } else { None };
            n.map(|n| AttemptId { quick_send: element.quick_send, n })
        };
        Ok(elements.iter().zip(&wanted).map(answer).collect())
    }

    fn lane(lanes: &Lanes) -> &Lane<Self> {
        &lanes.lease
    }
}

fn lease_on_sqlite(connection: &Connection, element: &Lease) -> Result<Option<AttemptId>> {
    let (id, stamp) = (element.quick_send, &element.stamp);
    let sql = "DELETE FROM ready
               WHERE quick_send_id = $1
                 AND EXISTS (SELECT 1 FROM node
                             WHERE id = $2 AND epoch = $3 AND until_us > $4)
                 AND (SELECT COUNT(*) FROM outcome o WHERE o.quick_send_id = $1) < $5";
    let values = values![id, stamp.node.node, stamp.node.epoch, stamp.at, ATTEMPTS_MAX];
    if sqlite::execute(connection, sql, values)? == 0 {
        return Ok(None);
    }
    let sql = "INSERT INTO attempt (quick_send_id, n, node_id, epoch, trunk, started_at_us)
               SELECT $1, 1 + COUNT(*), $2, $3, $4, $5 FROM outcome o WHERE o.quick_send_id = $1
               RETURNING n";
    let values = values![id, stamp.node.node, stamp.node.epoch, &stamp.trunk, stamp.at];
    let rows = sqlite::query(connection, sql, values)?;
    let n = rows.first().map(|row| row.get("n")).transpose()?;
    Ok(n.map(|n| AttemptId { quick_send: id, n }))
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

/// Deletes the ready rows that are there still and inserts their attempts: send → n.
async fn move_to_attempt(
    tx: &Transaction<'_>,
    elements: &[Lease],
    wanted: &[bool],
) -> Answer<BTreeMap<i64, u16>> {
    let chosen: Vec<&Lease> = elements
        .iter()
        .zip(wanted)
        .filter_map(|(element, wanted)| wanted.then_some(element))
        .collect();
    let ids: Vec<i64> = chosen.iter().map(|element| element.quick_send.0).collect();
    let nodes: Vec<i64> = chosen.iter().map(|element| element.stamp.node.node.0).collect();
    let epochs: Vec<i64> = chosen.iter().map(|element| element.stamp.node.epoch).collect();
    let trunks: Vec<&str> = chosen.iter().map(|element| element.stamp.trunk.as_str()).collect();
    let starts: Vec<i64> = chosen.iter().map(|element| element.stamp.at.0).collect();
    let sql = "WITH waiting AS (
                   SELECT quick_send_id FROM ready WHERE quick_send_id = ANY($1)
                   ORDER BY quick_send_id FOR UPDATE
               ), taken AS (
                   DELETE FROM ready USING waiting w
                   WHERE ready.quick_send_id = w.quick_send_id
                     AND (SELECT COUNT(*) FROM outcome o
                          WHERE o.quick_send_id = w.quick_send_id) < $6
                   RETURNING ready.quick_send_id
               )
               INSERT INTO attempt (quick_send_id, n, node_id, epoch, trunk, started_at_us)
               SELECT t.quick_send_id,
                      1 + (SELECT COUNT(*) FROM outcome o WHERE o.quick_send_id = t.quick_send_id),
                      l.node_id, l.epoch, l.trunk, l.started_at_us
               FROM taken t
               JOIN UNNEST($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::TEXT[], $5::BIGINT[])
                    AS l (quick_send_id, node_id, epoch, trunk, started_at_us)
                 ON l.quick_send_id = t.quick_send_id
               RETURNING quick_send_id, n";
    let statement = tx.prepare_cached(sql).await?;
    let rows =
        tx.query(&statement, &[&ids, &nodes, &epochs, &trunks, &starts, &ATTEMPTS_MAX]).await?;
    rows.iter()
        .map(|row| {
            let n: i64 = row.try_get(1)?;
            Ok((row.try_get(0)?, u16::try_from(n).expect("at most 256, by the condition")))
        })
        .collect()
}
