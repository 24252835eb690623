//! Recover: who runs as which node, and what a process that died left open.

use std::collections::BTreeSet;

use deadpool_postgres::Transaction;
use domain::{
    AccountId, AttemptId, Destination, MessageClass, MessageId, NodeId, Rials, TariffId, Timestamp,
    Zone,
};

use super::settle::{Stories, tell_on_sqlite};
use super::{Answer, Lanes, NodeStamp, Verb};
use crate::ladder::Ladder;
use crate::postgres::Lane;
use crate::quick_send::{second, zone_from_str};
use crate::sqlite::Connection;
use crate::value::values;
use crate::{Db, Queries as _, Result, Row, sqlite};

/// An attempt without an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAttempt {
    /// Which attempt.
    pub attempt: AttemptId,
    /// The node that recorded it.
    pub node: NodeId,
    /// The epoch it was recorded under.
    pub epoch: i64,
    /// The trunk it was meant for.
    pub trunk: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When its node was taken by another process for the first time since.
    pub lost_at: Option<Timestamp>,
    /// Who pays.
    pub account: AccountId,
    /// Whether that is a sandbox.
    pub sandbox: bool,
    /// Whom it calls.
    pub destination: Destination,
    /// Who was to be rung after that, in a secure call.
    pub second: Option<Destination>,
    /// What kind of message it carries.
    pub message_class: MessageClass,
    /// The regional server that the client asked for.
    pub server: Option<u32>,
    /// How many trunks failed its send before.
    pub trunks_failed: u32,
    /// What is played.
    pub message: MessageId,
    /// How long it plays.
    pub clip_ms: u32,
    /// The prices to charge by.
    pub tariff: TariffId,
    /// The price zone to charge by.
    pub zone: Zone,
    /// What is reserved for it.
    pub hold: Rials,
    /// When it is too late to start the call.
    pub expires_at: Timestamp,
}

/// An open attempt of another node, whose lease has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The attempt.
    pub open: OpenAttempt,
    /// When its node's lease ended.
    pub lease_until: Timestamp,
}

/// Orphans that are told at a time.
pub const ORPHANS_MAX: u32 = 1_000;

impl Db {
    /// What earlier processes of this node (epochs below the stamp's) left open.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
    pub async fn open_attempts(&self, stamp: NodeStamp) -> Result<Vec<OpenAttempt>> {
        let sql = "SELECT a.quick_send_id AS id, a.n AS n, a.node_id AS node_id, a.epoch AS epoch,
                          a.trunk AS trunk, a.started_at_us AS started_at_us,
                          a.lost_at_us AS lost_at_us, q.account_id AS account_id,
                          (SELECT c.sandbox_of FROM account c WHERE c.id = q.account_id)
                              AS sandbox_of,
                          q.destination AS destination,
                          q.message_id AS message_id, q.clip_ms AS clip_ms,
                          q.tariff_id AS tariff_id, q.zone AS zone, q.hold_rials AS hold_rials,
                          q.expires_at_us AS expires_at_us, q.server_id AS server_id,
                          q.message_class AS message_class,
                          q.second_destination AS second_destination,
                          (SELECT COUNT(*) FROM outcome o
                           WHERE o.quick_send_id = q.id AND o.disposition IS NULL
                             AND o.cause <> 'not_sent') AS trunks_failed
                   FROM attempt a JOIN quick_send q ON q.id = a.quick_send_id
                   WHERE a.node_id = $1 AND a.epoch < $2 ORDER BY a.quick_send_id";
        let rows = self.read().await?.query(sql, values![stamp.node, stamp.epoch]).await?;
        rows.iter().map(open_attempt).collect()
    }

    /// What other nodes than `own`, whose lease ended by `ended_by`, left open: the oldest
    /// [`ORPHANS_MAX`].
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
    pub async fn orphans(&self, own: NodeId, ended_by: Timestamp) -> Result<Vec<Orphan>> {
        let sql = "SELECT a.quick_send_id AS id, a.n AS n, a.node_id AS node_id, a.epoch AS epoch,
                          a.trunk AS trunk, a.started_at_us AS started_at_us,
                          a.lost_at_us AS lost_at_us, q.account_id AS account_id,
                          (SELECT c.sandbox_of FROM account c WHERE c.id = q.account_id)
                              AS sandbox_of,
                          q.destination AS destination,
                          q.message_id AS message_id, q.clip_ms AS clip_ms,
                          q.tariff_id AS tariff_id, q.zone AS zone, q.hold_rials AS hold_rials,
                          q.expires_at_us AS expires_at_us, q.server_id AS server_id,
                          q.message_class AS message_class,
                          q.second_destination AS second_destination,
                          (SELECT COUNT(*) FROM outcome o
                           WHERE o.quick_send_id = q.id AND o.disposition IS NULL
                             AND o.cause <> 'not_sent') AS trunks_failed,
                          n.until_us AS until_us
                   FROM attempt a JOIN quick_send q ON q.id = a.quick_send_id
                   JOIN node n ON n.id = a.node_id
                   WHERE n.until_us <= $2 AND n.id <> $1
                   ORDER BY a.quick_send_id LIMIT $3";
        let values = values![own, ended_by, ORPHANS_MAX];
        let rows = self.read().await?.query(sql, values).await?;
        let orphan =
            |row: &Row| Ok(Orphan { open: open_attempt(row)?, lease_until: row.get("until_us")? });
        rows.iter().map(orphan).collect()
    }

    /// Closes attempts without money, and puts their sends back into the queue. Tells for each
    /// whether it was open.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`]; then nothing was changed. Doing it again is safe.
    pub async fn put_back(&self, elements: Vec<PutBack>) -> Result<Vec<bool>> {
        self.run::<PutBackVerb>(elements).await
    }
}

fn open_attempt(row: &Row) -> Result<OpenAttempt> {
    Ok(OpenAttempt {
        attempt: AttemptId { quick_send: row.get("id")?, n: row.get("n")? },
        node: row.get("node_id")?,
        epoch: row.get("epoch")?,
        trunk: row.get("trunk")?,
        started_at: row.get("started_at_us")?,
        lost_at: row.get("lost_at_us")?,
        account: row.get("account_id")?,
        sandbox: row.get::<Option<AccountId>>("sandbox_of")?.is_some(),
        destination: row.parse("destination", Destination::parse)?,
        second: row.parse_opt("second_destination", second)?,
        message_class: row.decode("message_class", MessageClass::from_code)?,
        server: row.get("server_id")?,
        trunks_failed: row.get("trunks_failed")?,
        message: row.get("message_id")?,
        clip_ms: row.get("clip_ms")?,
        tariff: row.get("tariff_id")?,
        zone: row.parse("zone", zone_from_str)?,
        hold: row.get("hold_rials")?,
        expires_at: row.get("expires_at_us")?,
    })
}

/// An attempt that ended before anything could ring: its send is called again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutBack {
    /// Which attempt.
    pub attempt: AttemptId,
    /// When it ended.
    pub ended_at: Timestamp,
    /// From when on its send may be called again; with a time of the past it keeps its place.
    pub due_at: Timestamp,
    /// How its trunk failed it: the cause is [`NOT_SENT`] when no INVITE was sent.
    pub failure: Failed,
    /// Its story, when there is one.
    pub ladder: Option<Ladder>,
}

/// How a trunk failed an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Why, in the engine's words.
    pub cause: String,
    /// The final SIP code.
    pub sip_code: Option<u16>,
    /// The Q.850 cause.
    pub q850: Option<u8>,
    /// When the INVITE was sent.
    pub invite_at: Option<Timestamp>,
}

/// The cause of an attempt whose INVITE was never sent. It counts as no trunk's failure.
pub const NOT_SENT: &str = "not_sent";

impl Default for Failed {
    /// Nothing was sent.
    fn default() -> Self {
        Self { cause: NOT_SENT.to_owned(), sip_code: None, q850: None, invite_at: None }
    }
}

/// Closes attempts, keeps their stories and puts their sends back, on PostgreSQL.
const PUT_BACK: &str = "WITH back AS (
    SELECT DISTINCT ON (quick_send_id, n) quick_send_id, n, due_at_us,
           ended_at_us, cause, sip_code, q850, invite_at_us, began_at_us,
           server, rungs
    FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[],
                $5::TEXT[], $6::BIGINT[], $7::BIGINT[], $8::BIGINT[],
                $9::BIGINT[], $10::TEXT[], $11::BYTEA[])
         AS b (quick_send_id, n, due_at_us, ended_at_us, cause, sip_code,
               q850, invite_at_us, began_at_us, server, rungs)
    ORDER BY quick_send_id, n, due_at_us
), open AS (
    SELECT a.quick_send_id, a.n, b.due_at_us, b.ended_at_us, b.cause,
           b.sip_code, b.q850, b.invite_at_us, b.began_at_us, b.server,
           b.rungs, a.cancelled_at_us
    FROM attempt a JOIN back b ON b.quick_send_id = a.quick_send_id
                              AND b.n = a.n
    ORDER BY a.quick_send_id FOR UPDATE OF a
), closed AS (
    DELETE FROM attempt a USING open
    WHERE a.quick_send_id = open.quick_send_id AND a.n = open.n
    RETURNING a.quick_send_id, a.n, a.trunk, a.started_at_us, open.due_at_us,
              open.ended_at_us, open.cause, open.sip_code, open.q850,
              open.invite_at_us, open.began_at_us, open.server, open.rungs,
              open.cancelled_at_us
), ended AS (
    INSERT INTO outcome (quick_send_id, n, cause, trunk, sip_code, q850,
                         heard_ms, charge_rials, release_rials, vote,
                         started_at_us, invite_at_us, ended_at_us)
    SELECT quick_send_id, n, cause, trunk, sip_code, q850, 0, 0, 0, -1,
           started_at_us, invite_at_us, ended_at_us
    FROM closed
), told AS (
    INSERT INTO ladder (attempt, server, began_at_us, rungs)
    SELECT quick_send_id * 256 + n, server, began_at_us, rungs
    FROM closed WHERE rungs IS NOT NULL
    ON CONFLICT DO NOTHING
), waiting AS (
    INSERT INTO ready (quick_send_id, class, due_at_us, cancelled_at_us)
    SELECT q.id, q.class, c.due_at_us, c.cancelled_at_us
    FROM closed c JOIN quick_send q ON q.id = c.quick_send_id
)
SELECT quick_send_id, n FROM closed";

/// The verb that puts sends back.
pub(crate) struct PutBackVerb;

impl Verb for PutBackVerb {
    type Element = PutBack;
    type Answer = bool;
    const NAME: &'static str = "put_back";

    fn sqlite(connection: &Connection<'_>, elements: &[PutBack]) -> Result<Vec<bool>> {
        elements.iter().map(|element| put_back_on_sqlite(connection, element)).collect()
    }

    async fn postgres(tx: &Transaction<'_>, elements: &[PutBack]) -> Answer<Vec<bool>> {
        let column = |of: fn(&PutBack) -> Option<i64>| -> Vec<Option<i64>> {
            elements.iter().map(of).collect()
        };
        let ids: Vec<i64> = elements.iter().map(|element| element.attempt.quick_send.0).collect();
        let numbers: Vec<i64> = elements.iter().map(|element| element.attempt.n.into()).collect();
        let causes: Vec<&str> =
            elements.iter().map(|element| element.failure.cause.as_str()).collect();
        let statement = tx.prepare_cached(PUT_BACK).await?;
        let stories = Stories::of(elements.iter().map(|element| element.ladder.as_ref()));
        let [servers, rungs] = stories.parameters();
        let rows = tx
            .query(
                &statement,
                &[
                    &ids,
                    &numbers,
                    &column(|element| Some(element.due_at.0)),
                    &column(|element| Some(element.ended_at.0)),
                    &causes,
                    &column(|element| element.failure.sip_code.map(i64::from)),
                    &column(|element| element.failure.q850.map(i64::from)),
                    &column(|element| element.failure.invite_at.map(|at| at.0)),
                    &column(|element| element.ladder.as_ref().map(|told| told.began_at.0)),
                    servers,
                    rungs,
                ],
            )
            .await?;
        let mut back: BTreeSet<(i64, i64)> =
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Answer<_>>()?;
        // The first of equal elements is told that it put the send back.
        Ok(ids.into_iter().zip(numbers).map(|key| back.remove(&key)).collect())
    }

    fn lane(lanes: &Lanes) -> &Lane<Self> {
        &lanes.put_back
    }
}

fn put_back_on_sqlite(connection: &Connection<'_>, element: &PutBack) -> Result<bool> {
    let AttemptId { quick_send, n } = element.attempt;
    let failure = &element.failure;
    let sql = "INSERT INTO outcome (quick_send_id, n, cause, trunk, sip_code, q850, heard_ms,
                                    charge_rials, release_rials, vote, started_at_us,
                                    invite_at_us, ended_at_us)
               SELECT quick_send_id, n, $4, trunk, $5, $6, 0, 0, 0, -1, started_at_us, $7, $3
               FROM attempt WHERE quick_send_id = $1 AND n = $2";
    let values = values![
        quick_send,
        n,
        element.ended_at,
        &failure.cause,
        failure.sip_code,
        failure.q850,
        failure.invite_at,
    ];
    if sqlite::execute(connection, sql, values)? == 0 {
        return Ok(false);
    }
    tell_on_sqlite(connection, element.attempt, element.ladder.as_ref())?;
    let sql = "INSERT INTO ready (quick_send_id, class, due_at_us, cancelled_at_us)
               SELECT q.id, q.class, $2, a.cancelled_at_us
               FROM quick_send q JOIN attempt a ON a.quick_send_id = q.id WHERE q.id = $1";
    sqlite::execute(connection, sql, values![quick_send, element.due_at])?;
    let sql = "DELETE FROM attempt WHERE quick_send_id = $1";
    sqlite::execute(connection, sql, values![quick_send])?;
    Ok(true)
}
