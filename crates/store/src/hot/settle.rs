//! Settle: an attempt becomes an outcome, and its hold a charge and a release, exactly once.

use std::collections::BTreeSet;

use deadpool_postgres::Transaction;
use domain::{AccountId, AttemptId, Disposition, EventKind, QuickSendId, Rials, Timestamp};
use tokio_postgres::types::ToSql;

use super::tally::{self, Called, End};
use super::{Answer, Lanes, Moves, Verb, first_of};
use crate::ladder::{self, Ladder};
use crate::postgres::Lane;
use crate::quick_send::vote_to_code;
use crate::sqlite::Connection;
use crate::value::values;
use crate::{Db, Result, Row, event, sqlite};

/// How an attempt ended and what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    /// Which attempt.
    pub attempt: AttemptId,
    /// What it means to the business.
    pub disposition: Disposition,
    /// What is charged; cut to 0..=hold. The rest of the hold is released.
    pub charge: Rials,
    /// What the call reported.
    pub facts: Facts,
    /// Its story.
    pub ladder: Option<Ladder>,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// What is kept of a call beside its disposition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Why it ended, in the engine's words.
    pub cause: String,
    /// The final SIP code.
    pub sip_code: Option<u16>,
    /// The Q.850 cause.
    pub q850: Option<u8>,
    /// How much of the clip was sent while the call was up.
    pub heard_ms: u32,
    /// The first key pressed, 0 to 9; `None` for no vote.
    pub vote: Option<u8>,
    /// All keys pressed, in their order, by their names; empty when none was, or none was asked
    /// for.
    pub keys: String,
    /// When the INVITE was sent.
    pub invite_at: Option<Timestamp>,
    /// When it rang.
    pub ringing_at: Option<Timestamp>,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
    /// When the first sample of the clip was sent.
    pub first_audio_at: Option<Timestamp>,
    /// How the sound fared, when it was answered.
    pub quality: Option<Quality>,
}

/// What was counted of a call's sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quality {
    /// Packets sent.
    pub sent: u32,
    /// Packets received.
    pub received: u32,
    /// Packets lost on the way to us. `None`: not known, since sound was left to the kernel.
    pub lost: Option<u32>,
    /// Interarrival jitter on the way to us, microseconds. `None`: not known, as `lost`.
    pub jitter_us: Option<u32>,
    /// Packets of ours that the peer lost, by its last report.
    pub peer_lost: Option<u32>,
    /// The jitter of ours that it saw, microseconds.
    pub peer_jitter_us: Option<u32>,
    /// The round trip, microseconds.
    pub round_trip_us: Option<u32>,
}

impl Facts {
    /// The keys as they are stored.
    fn keys(&self) -> Option<&str> {
        Some(&*self.keys).filter(|keys| !keys.is_empty())
    }

    /// The quality in the order of its columns.
    fn quality(&self) -> [Option<u32>; 7] {
        let Some(quality) = &self.quality else { return [None; 7] };
        [
            Some(quality.sent),
            Some(quality.received),
            quality.lost,
            quality.jitter_us,
            quality.peer_lost,
            quality.peer_jitter_us,
            quality.round_trip_us,
        ]
    }
}

/// What settling did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettleResult {
    /// The outcome was written and the money moved.
    Settled,
    /// The attempt had ended before; nothing was changed.
    AlreadySettled,
    /// There is no such attempt.
    Unknown,
}

impl Db {
    /// Settles a batch. Answers stand in the order of the elements.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`]; then nothing was settled. Settling again is safe.
    pub async fn settle(&self, elements: Vec<Settle>) -> Result<Vec<SettleResult>> {
        self.run::<SettleVerb>(elements).await
    }
}

/// The verb that ends attempts.
pub(crate) struct SettleVerb;

impl Verb for SettleVerb {
    type Element = Settle;
    type Answer = SettleResult;
    const NAME: &'static str = "settle";

    fn sqlite(connection: &Connection<'_>, elements: &[Settle]) -> Result<Vec<SettleResult>> {
        let (mut moves, mut ends) = (Moves::default(), Vec::new());
        let results: Result<Vec<SettleResult>> = elements
            .iter()
            .map(|element| settle_on_sqlite(connection, element, &mut moves, &mut ends))
            .collect();
        moves.sqlite(connection)?;
        tally::on_sqlite(connection, &ends)?;
        results
    }

    async fn postgres(tx: &Transaction<'_>, elements: &[Settle]) -> Answer<Vec<SettleResult>> {
        let ids: Vec<i64> = elements.iter().map(|element| element.attempt.quick_send.0).collect();
        let wanted = super::lock_accounts_of(tx, &ids).await?;
        let first = first_of(elements.iter().map(|element| element.attempt));
        let chosen: Vec<&Settle> = elements
            .iter()
            .zip(&first)
            .filter_map(|(element, first)| first.then_some(element))
            .collect();
        let settled = move_to_outcome(tx, &chosen).await?;
        tally::on_postgres(tx, &settled.iter().copied().collect::<Vec<_>>()).await?;
        if wanted {
            tell_of_settled(tx, &chosen, &settled).await?;
        }
        let ended = ended_attempts(tx, &ids).await?;
        let answer = |(element, first): (&Settle, &bool)| {
            let key = (element.attempt.quick_send.0, i64::from(element.attempt.n));
            if *first && settled.contains(&key) {
                SettleResult::Settled
            } else if ended.contains(&key) {
                SettleResult::AlreadySettled
            } else {
                SettleResult::Unknown
            }
        };
        Ok(elements.iter().zip(&first).map(answer).collect())
    }

    fn lane(lanes: &Lanes) -> &Lane<Self> {
        &lanes.settle
    }
}

fn settle_on_sqlite(
    connection: &Connection<'_>,
    element: &Settle,
    moves: &mut Moves,
    ends: &mut Vec<End>,
) -> Result<SettleResult> {
    let AttemptId { quick_send, n } = element.attempt;
    let sql = "DELETE FROM attempt WHERE quick_send_id = $1 AND n = $2
               RETURNING trunk, started_at_us";
    let open = sqlite::query(connection, sql, values![quick_send, n])?;
    let Some(open) = open.first() else {
        let sql = "SELECT n FROM outcome WHERE quick_send_id = $1 AND n = $2";
        let ended = !sqlite::query(connection, sql, values![quick_send, n])?.is_empty();
        return Ok(if ended { SettleResult::AlreadySettled } else { SettleResult::Unknown });
    };
    let send = send_on_sqlite(connection, quick_send)?;
    let hold: Rials = send.get("hold_rials")?;
    let charge = cut(element.charge, hold);
    let account: AccountId = send.get("account_id")?;
    let sql = "INSERT INTO outcome (quick_send_id, n, disposition, cause, trunk, sip_code, q850,
                                    heard_ms, charge_rials, release_rials, vote, started_at_us,
                                    invite_at_us, ringing_at_us, answered_at_us,
                                    first_audio_at_us, ended_at_us, rtp_sent, rtp_received,
                                    rtp_lost, rtp_jitter_us, peer_lost, peer_jitter_us,
                                    round_trip_us, keys, account_id)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
                       $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)";
    let facts = &element.facts;
    let [sent, received, lost, jitter, peer_lost, peer_jitter, round_trip] = facts.quality();
    let values = values![
        quick_send,
        n,
        element.disposition.code(),
        &facts.cause,
        &open.get::<String>("trunk")?,
        facts.sip_code,
        facts.q850,
        facts.heard_ms,
        charge,
        hold.0 - charge.0,
        vote_to_code(facts.vote),
        open.get::<Timestamp>("started_at_us")?,
        facts.invite_at,
        facts.ringing_at,
        facts.answered_at,
        facts.first_audio_at,
        element.ended_at,
        sent,
        received,
        lost,
        jitter,
        peer_lost,
        peer_jitter,
        round_trip,
        facts.keys(),
        (charge > Rials::ZERO).then_some(account),
    ];
    sqlite::execute(connection, sql, values)?;
    tell_on_sqlite(connection, element.attempt, element.ladder.as_ref())?;
    let (how, at) = (element.disposition, element.ended_at);
    moves.add(account, (charge, hold), (quick_send, at));
    ends.extend(end_of(&send, (how, &element.facts.cause), charge, at)?);
    Ok(SettleResult::Settled)
}

/// What ending a send needs to know of it.
pub(super) fn send_on_sqlite(connection: &Connection<'_>, quick_send: QuickSendId) -> Result<Row> {
    let sql = "SELECT id, account_id, hold_rials, recipient_id, try_n, follow_up_id
               FROM quick_send WHERE id = $1";
    let rows = sqlite::query(connection, sql, values![quick_send])?;
    rows.into_iter().next().ok_or_else(|| missing_send(quick_send))
}

/// The end of a send of a campaign, or of one that an SMS may follow; `None` when it is neither.
pub(super) fn end_of(
    send: &Row,
    (disposition, cause): (Disposition, &str),
    charge: Rials,
    ended_at: Timestamp,
) -> Result<Option<End>> {
    let is_followed = send.get::<Option<i64>>("follow_up_id")?.is_some();
    let (id, try_n): (Option<i64>, Option<i64>) = (send.get("recipient_id")?, send.get("try_n")?);
    let recipient = id.zip(try_n).map(|(id, try_n)| Called { id, try_n });
    if recipient.is_none() && !is_followed {
        return Ok(None);
    }
    let (send, hold) = (send.get("id")?, send.get("hold_rials")?);
    let cause = cause.to_owned();
    Ok(Some(End { send, is_followed, recipient, disposition, cause, ended_at, hold, charge }))
}

/// Keeps the story of an attempt that has just got its outcome.
pub(super) fn tell_on_sqlite(
    connection: &Connection<'_>,
    attempt: AttemptId,
    ladder: Option<&Ladder>,
) -> Result<()> {
    let Some(Ladder { server, began_at, rungs }) = ladder else { return Ok(()) };
    let sql = "INSERT INTO ladder (attempt, server, began_at_us, rungs)
               VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    let values = values![ladder::key(attempt), server.as_deref(), *began_at, rungs.as_slice()];
    sqlite::execute(connection, sql, values)?;
    Ok(())
}

/// An attempt or a place in the queue without its send.
fn missing_send(quick_send: QuickSendId) -> crate::Error {
    crate::Error::Corrupt {
        table: String::from("quick_send"),
        column: String::from("id"),
        id: quick_send.0,
    }
}

/// What is charged when `charge` is asked for: nobody pays more than was held.
fn cut(charge: Rials, hold: Rials) -> Rials {
    if charge > hold || charge < Rials::ZERO {
        tracing::error!(charge = charge.0, hold = hold.0, "a charge outside of its hold is cut");
    }
    charge.clamp(Rials::ZERO, hold)
}

/// Ends attempts, on PostgreSQL: they are locked in one order, then deleted; `ended` decides what
/// moves on accounts.
const END: &str = "WITH s AS (
    SELECT * FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::TEXT[],
                         $5::BIGINT[], $6::BIGINT[], $7::BIGINT[], $8::BIGINT[],
                         $9::BIGINT[], $10::BIGINT[], $11::BIGINT[],
                         $12::BIGINT[], $13::BIGINT[], $14::BIGINT[],
                         $15::BIGINT[], $16::BIGINT[], $17::BIGINT[],
                         $18::BIGINT[], $19::BIGINT[], $20::BIGINT[],
                         $21::BIGINT[], $22::BIGINT[], $23::TEXT[],
                         $24::BYTEA[], $25::TEXT[])
        AS s (quick_send_id, n, disposition, cause, sip_code, q850, heard_ms,
              charge_rials, vote, invite_at_us, ringing_at_us, answered_at_us,
              first_audio_at_us, ended_at_us, rtp_sent, rtp_received, rtp_lost,
              rtp_jitter_us, peer_lost, peer_jitter_us, round_trip_us,
              began_at_us, server, rungs, keys)
), open AS (
    SELECT a.quick_send_id, a.n, a.trunk, a.started_at_us
    FROM attempt a JOIN s ON s.quick_send_id = a.quick_send_id AND s.n = a.n
    ORDER BY a.quick_send_id FOR UPDATE OF a
), closed AS (
    DELETE FROM attempt a USING open
    WHERE a.quick_send_id = open.quick_send_id AND a.n = open.n
    RETURNING a.quick_send_id, a.n, a.trunk, a.started_at_us
), priced AS (
    SELECT s.quick_send_id, s.n, q.hold_rials, q.account_id,
           LEAST(GREATEST(s.charge_rials, 0), q.hold_rials) AS charge_rials
    FROM s JOIN quick_send q ON q.id = s.quick_send_id
), ended AS (
    INSERT INTO outcome (quick_send_id, n, disposition, cause, trunk, sip_code,
                         q850, heard_ms, charge_rials, release_rials, vote,
                         started_at_us, invite_at_us, ringing_at_us,
                         answered_at_us, first_audio_at_us, ended_at_us,
                         rtp_sent, rtp_received, rtp_lost, rtp_jitter_us,
                         peer_lost, peer_jitter_us, round_trip_us, keys,
                         account_id)
    SELECT c.quick_send_id, c.n, s.disposition, s.cause, c.trunk, s.sip_code,
           s.q850, s.heard_ms, p.charge_rials, p.hold_rials - p.charge_rials,
           s.vote, c.started_at_us, s.invite_at_us, s.ringing_at_us,
           s.answered_at_us, s.first_audio_at_us, s.ended_at_us, s.rtp_sent,
           s.rtp_received, s.rtp_lost, s.rtp_jitter_us, s.peer_lost,
           s.peer_jitter_us, s.round_trip_us, s.keys,
           CASE WHEN p.charge_rials > 0 THEN p.account_id END
    FROM closed c
    JOIN s ON s.quick_send_id = c.quick_send_id AND s.n = c.n
    JOIN priced p ON p.quick_send_id = c.quick_send_id AND p.n = c.n
    RETURNING quick_send_id, n, charge_rials, release_rials
), told AS (
    INSERT INTO ladder (attempt, server, began_at_us, rungs)
    SELECT e.quick_send_id * 256 + e.n, s.server, s.began_at_us, s.rungs
    FROM ended e JOIN s ON s.quick_send_id = e.quick_send_id AND s.n = e.n
    WHERE s.rungs IS NOT NULL ON CONFLICT DO NOTHING
), moved AS (
    UPDATE account
    SET balance_rials = balance_rials - m.charge_rials,
        reserved_rials = reserved_rials - m.hold_rials
    FROM (SELECT q.account_id,
                 CAST(SUM(e.charge_rials) AS BIGINT) AS charge_rials,
                 CAST(SUM(e.charge_rials + e.release_rials) AS BIGINT)
                     AS hold_rials
          FROM ended e JOIN quick_send q ON q.id = e.quick_send_id
          GROUP BY q.account_id) AS m
    WHERE account.id = m.account_id
)
SELECT quick_send_id, n FROM ended";

/// Deletes the attempts that are open still, inserts their outcomes and moves the money.
async fn move_to_outcome(
    tx: &Transaction<'_>,
    elements: &[&Settle],
) -> Answer<BTreeSet<(i64, i64)>> {
    let statement = tx.prepare_cached(END).await?;
    let rows = tx.query(&statement, &Columns::of(elements).parameters()).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Writes an event for each element that was settled.
async fn tell_of_settled(
    tx: &Transaction<'_>,
    elements: &[&Settle],
    settled: &BTreeSet<(i64, i64)>,
) -> Answer<()> {
    let key = |element: &Settle| (element.attempt.quick_send.0, i64::from(element.attempt.n));
    let ended: Vec<(i64, Timestamp)> = elements
        .iter()
        .filter(|element| settled.contains(&key(element)))
        .map(|element| (element.attempt.quick_send.0, element.ended_at))
        .collect();
    event::on_postgres(tx, EventKind::MessageEnded, &ended).await
}

/// The elements by column, as UNNEST takes them: most of them are numbers.
struct Columns<'a> {
    numbers: [Vec<Option<i64>>; 21],
    causes: Vec<&'a str>,
    stories: Stories<'a>,
    keys: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(elements: &[&'a Settle]) -> Self {
        let mut numbers: [Vec<Option<i64>>; 21] = Default::default();
        for element in elements {
            let facts = &element.facts;
            let time = |at: Option<Timestamp>| at.map(|at| at.0);
            let values = [
                Some(element.attempt.quick_send.0),
                Some(i64::from(element.attempt.n)),
                Some(element.disposition.code()),
                facts.sip_code.map(i64::from),
                facts.q850.map(i64::from),
                Some(i64::from(facts.heard_ms)),
                Some(element.charge.0),
                Some(vote_to_code(facts.vote)),
                time(facts.invite_at),
                time(facts.ringing_at),
                time(facts.answered_at),
                time(facts.first_audio_at),
                Some(element.ended_at.0),
            ];
            let quality = facts.quality().map(|count| count.map(i64::from));
            let began_at = element.ladder.as_ref().map(|ladder| ladder.began_at.0);
            let values = values.into_iter().chain(quality).chain([began_at]);
            for (column, value) in numbers.iter_mut().zip(values) {
                column.push(value);
            }
        }
        let causes = elements.iter().map(|element| element.facts.cause.as_str()).collect();
        let ladders = elements.iter().map(|element| element.ladder.as_ref());
        let keys = elements.iter().map(|element| element.facts.keys()).collect();
        Self { numbers, causes, stories: Stories::of(ladders), keys }
    }

    /// In the order of the statement: the causes come fourth, the stories and keys last.
    fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        let mut parameters: Vec<&(dyn ToSql + Sync)> =
            self.numbers.iter().map(|column| column as &(dyn ToSql + Sync)).collect();
        parameters.insert(3, &self.causes);
        parameters.extend(self.stories.parameters());
        parameters.push(&self.keys);
        parameters
    }
}

/// The stories by column, without the times.
pub(super) struct Stories<'a> {
    servers: Vec<Option<&'a str>>,
    rungs: Vec<Option<&'a [u8]>>,
}

impl<'a> Stories<'a> {
    pub(super) fn of(ladders: impl Iterator<Item = Option<&'a Ladder>>) -> Self {
        let (servers, rungs) = ladders
            .map(|ladder| {
                let server = ladder.and_then(|ladder| ladder.server.as_deref());
                (server, ladder.map(|ladder| ladder.rungs.as_slice()))
            })
            .unzip();
        Self { servers, rungs }
    }

    /// The servers, then the rungs.
    pub(super) fn parameters(&self) -> [&(dyn ToSql + Sync); 2] {
        [&self.servers, &self.rungs]
    }
}

/// The attempts of these sends that have an outcome.
async fn ended_attempts(tx: &Transaction<'_>, sends: &[i64]) -> Answer<BTreeSet<(i64, i64)>> {
    let sql = "SELECT quick_send_id, n FROM outcome WHERE quick_send_id = ANY($1)";
    let statement = tx.prepare_cached(sql).await?;
    let rows = tx.query(&statement, &[&sends]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}
