//! Quick sends as their owner sees them. Accepting, leasing and settling are in `hot`.

use domain::{
    AccountId, AttemptId, Destination, Disposition, MessageId, NodeId, QuickSendId, Rials, Status,
    TariffId, Timestamp, Zone,
};

use crate::hot::Quality;
use crate::recording;
use crate::value::values;
use crate::{Queries, Result, Row};

/// A quick send and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuickSend {
    /// Its identity.
    pub id: QuickSendId,
    /// Who pays.
    pub account: AccountId,
    /// Whether that is a sandbox.
    pub sandbox: bool,
    /// What is played.
    pub message: MessageId,
    /// Whom it calls.
    pub destination: Destination,
    /// Who is rung after that and talks with the first one, in a secure call.
    pub second: Option<Destination>,
    /// Whether the first key pressed is kept.
    pub vote: bool,
    /// How long the callee's voice is recorded after the message, milliseconds, if it is.
    pub record_ms: Option<u32>,
    /// Where that recording stands, if it was begun.
    pub recording: Option<recording::State>,
    /// How long the message plays; in a secure call, how long both may talk.
    pub clip_ms: u32,
    /// The prices it is charged by.
    pub tariff: TariffId,
    /// The price zone it is charged by.
    pub zone: Zone,
    /// What was reserved when it was accepted.
    pub hold: Rials,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it is too late to start the call.
    pub expires_at: Timestamp,
    /// Where it stands.
    pub state: State,
}

/// An attempt that came to nothing before anything could ring; the send was called again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Which attempt.
    pub attempt: AttemptId,
    /// The trunk that was to carry it.
    pub trunk: String,
    /// How it failed.
    pub failure: crate::hot::Failed,
    /// When it was recorded.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// Where a quick send stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It waits for its turn.
    Ready {
        /// From when on it may be called.
        due_at: Timestamp,
        /// The attempts that were begun before and came to nothing: no INVITE was sent.
        attempts: u16,
    },
    /// A call is open; how far it got only the node knows.
    Attempt {
        /// Which attempt.
        attempt: AttemptId,
        /// The node that makes it.
        node: NodeId,
        /// The trunk it uses.
        trunk: String,
        /// When it started.
        started_at: Timestamp,
    },
    /// It ended.
    Ended(Ended),
}

/// How a quick send ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The attempt that ended it; `n` is 0 when it was never attempted.
    pub attempt: AttemptId,
    /// What it means to the business.
    pub disposition: Disposition,
    /// The trunk that was used.
    pub trunk: Option<String>,
    /// What was charged.
    pub charge: Rials,
    /// The facts of the call.
    pub facts: crate::hot::Facts,
    /// When the attempt was recorded.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Timestamp,
}

impl State {
    /// The status as far as the store knows it: an open call is `Calling`. A send that went back to
    /// the queue is so, too: a customer's status never goes back.
    pub fn status(&self) -> Status {
        match self {
            Self::Ready { attempts: 0, .. } => Status::Queued,
            Self::Ready { .. } | Self::Attempt { .. } => Status::Calling,
            Self::Ended(ended) => Status::Ended(ended.disposition),
        }
    }
}

/// What the quick sends of a day came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DayFigures {
    /// How many days after the first one.
    pub day: u32,
    /// Sends that were accepted.
    pub sent: u32,
    /// Those of them that were heard, to the end or in part.
    pub heard: u32,
    /// Those of them that ended without being heard.
    pub failed: u32,
    /// What they were charged.
    pub charge: Rials,
}

/// The quick sends of the account from `from` until before `to`, by days that begin at `midnight`
/// and last `day_us`; days without sends are left out. Calls of campaigns are none of them.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn figures(
    reads: &mut impl Queries,
    account: AccountId,
    from: Timestamp,
    to: Timestamp,
    midnight: Timestamp,
    day_us: i64,
) -> Result<Vec<DayFigures>> {
    let sql = "SELECT (q.accepted_at_us - $4) / $5 AS day, CAST(COUNT(*) AS BIGINT) AS sent,
                      CAST(SUM(CASE WHEN o.disposition IN ($6, $7) THEN 1 ELSE 0 END) AS BIGINT)
                          AS heard,
                      CAST(COUNT(o.disposition) AS BIGINT) AS ended,
                      CAST(SUM(COALESCE(o.charge_rials, 0)) AS BIGINT) AS charge_rials
               FROM quick_send q
               LEFT JOIN outcome o ON o.quick_send_id = q.id AND o.disposition IS NOT NULL
               WHERE q.account_id = $1 AND q.accepted_at_us >= $2 AND q.accepted_at_us < $3
                 AND q.recipient_id IS NULL
               GROUP BY (q.accepted_at_us - $4) / $5 ORDER BY day";
    let (delivered, in_part) = (Disposition::Delivered.code(), Disposition::HeardInPart.code());
    let values = values![account, from, to, midnight, day_us, delivered, in_part];
    let day = |row: &Row| {
        let (heard, ended): (u32, u32) = (row.get("heard")?, row.get("ended")?);
        Ok(DayFigures {
            day: row.get("day")?,
            sent: row.get("sent")?,
            heard,
            failed: ended.saturating_sub(heard),
            charge: row.get("charge_rials")?,
        })
    };
    reads.query(sql, values).await?.iter().map(day).collect()
}

/// The account's quick send `id`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(
    reads: &mut impl Queries,
    account: AccountId,
    id: QuickSendId,
) -> Result<Option<QuickSend>> {
    let sql = "SELECT q.id AS id, q.account_id AS account_id,
                      (SELECT c.sandbox_of FROM account c WHERE c.id = q.account_id) AS sandbox_of,
                      q.message_id AS message_id,
                      q.tariff_id AS tariff_id, q.clip_ms AS clip_ms,
                      q.destination AS destination, q.second_destination AS second_destination,
                      q.zone AS zone, q.vote_at_us AS vote_at_us, q.record_ms AS record_ms,
                      g.state AS recording_state, g.length_ms AS recording_ms,
                      g.error AS recording_error,
                      q.hold_rials AS hold_rials, q.accepted_at_us AS accepted_at_us,
                      q.expires_at_us AS expires_at_us, r.due_at_us AS due_at_us,
                      (SELECT MAX(b.n) FROM outcome b WHERE b.quick_send_id = q.id) AS begun_n,
                      a.n AS open_n,
                      a.node_id AS node_id, a.trunk AS open_trunk,
                      a.started_at_us AS open_started_at_us, o.n AS ended_n,
                      o.disposition AS disposition, o.cause AS cause, o.trunk AS trunk,
                      o.sip_code AS sip_code, o.q850 AS q850, o.heard_ms AS heard_ms,
                      o.charge_rials AS charge_rials, o.vote AS vote, o.keys AS keys,
                      o.started_at_us AS started_at_us, o.invite_at_us AS invite_at_us,
                      o.ringing_at_us AS ringing_at_us, o.answered_at_us AS answered_at_us,
                      o.first_audio_at_us AS first_audio_at_us, o.ended_at_us AS ended_at_us,
                      o.rtp_sent AS rtp_sent, o.rtp_received AS rtp_received,
                      o.rtp_lost AS rtp_lost, o.rtp_jitter_us AS rtp_jitter_us,
                      o.peer_lost AS peer_lost, o.peer_jitter_us AS peer_jitter_us,
                      o.round_trip_us AS round_trip_us
               FROM quick_send q
               LEFT JOIN ready r ON r.quick_send_id = q.id
               LEFT JOIN attempt a ON a.quick_send_id = q.id
               LEFT JOIN outcome o ON o.quick_send_id = q.id AND o.disposition IS NOT NULL
               LEFT JOIN recording g ON g.quick_send_id = q.id
               WHERE q.id = $2 AND q.account_id = $1";
    reads.query_opt(sql, values![account, id]).await?.as_ref().map(quick_send).transpose()
}

/// The account's sends that were accepted before the one at `before` (when, and which), the newest
/// first, no more than `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn page(
    reads: &mut impl Queries,
    account: AccountId,
    before: (Timestamp, QuickSendId),
    limit: u32,
) -> Result<Vec<(Timestamp, QuickSendId)>> {
    let sql = "SELECT id, accepted_at_us FROM quick_send
               WHERE account_id = $1 AND (accepted_at_us, id) < ($2, $3)
               ORDER BY accepted_at_us DESC, id DESC LIMIT $4";
    let rows = reads.query(sql, values![account, before.0, before.1, limit]).await?;
    rows.iter().map(|row| Ok((row.get("accepted_at_us")?, row.get("id")?))).collect()
}

/// Whose quick send `id` is, for the operator's tools.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn owner(reads: &mut impl Queries, id: QuickSendId) -> Result<Option<AccountId>> {
    let sql = "SELECT id, account_id FROM quick_send WHERE id = $1";
    let row = reads.query_opt(sql, values![id]).await?;
    row.map(|row| row.get("account_id")).transpose()
}

/// The attempts of a send that a trunk failed, in order; those that were not sent are left out.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn failed(reads: &mut impl Queries, id: QuickSendId) -> Result<Vec<Failed>> {
    let sql = "SELECT n AS id, trunk, cause, sip_code, q850, started_at_us, invite_at_us,
                      ended_at_us
               FROM outcome
               WHERE quick_send_id = $1 AND disposition IS NULL AND cause <> $2
               ORDER BY n";
    let failed = |row: &Row| {
        Ok(Failed {
            attempt: AttemptId { quick_send: id, n: row.get("id")? },
            trunk: row.get("trunk")?,
            failure: crate::hot::Failed {
                cause: row.get("cause")?,
                sip_code: row.get("sip_code")?,
                q850: row.get("q850")?,
                invite_at: row.get("invite_at_us")?,
            },
            started_at: row.get("started_at_us")?,
            ended_at: row.get("ended_at_us")?,
        })
    };
    reads.query(sql, values![id, crate::hot::NOT_SENT]).await?.iter().map(failed).collect()
}

/// The account's send that was accepted under this client reference.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn find_by_reference(
    reads: &mut impl Queries,
    account: AccountId,
    reference: &str,
) -> Result<Option<QuickSendId>> {
    let sql = "SELECT id FROM quick_send WHERE account_id = $1 AND client_reference = $2";
    let row = reads.query_opt(sql, values![account, reference]).await?;
    row.map(|row| row.get("id")).transpose()
}

/// Whether the destination is in an open call of another send. `of_all`: whosever it is, but for
/// those of sandboxes, which reach nobody; otherwise of the account alone.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn is_called(
    reads: &mut impl Queries,
    destination: &Destination,
    (account, of_all): (AccountId, bool),
    without: QuickSendId,
) -> Result<bool> {
    let sql = "SELECT a.quick_send_id AS id FROM attempt a
               JOIN quick_send q ON q.id = a.quick_send_id
               JOIN account c ON c.id = q.account_id
               WHERE (q.destination = $1 OR q.second_destination = $1) AND q.id <> $2
                 AND (q.account_id = $3 OR (CAST($4 AS BIGINT) = 1 AND c.sandbox_of IS NULL))
               LIMIT 1";
    let values = values![destination.as_str(), without, account, i64::from(of_all)];
    Ok(reads.query_opt(sql, values).await?.is_some())
}

/// How many sends stand in the line before one of this class, due time and identity, counting no
/// further than `limit`. They go by class and by customer; within a customer by due time.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn ahead(
    reads: &mut impl Queries,
    (class, due_at, id): (u8, Timestamp, QuickSendId),
    limit: u32,
) -> Result<u32> {
    let sql = "SELECT CAST(COUNT(*) AS BIGINT) AS sends FROM (
                   SELECT quick_send_id FROM ready
                   WHERE (due_at_us, quick_send_id) < ($1, $2) AND class <= $3 LIMIT $4
               ) AS before";
    reads.query_one(sql, values![due_at, id, class, limit]).await?.get("sends")
}

/// How many sends of the account to `destination` were accepted from `since` on, counting no
/// further than `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn count_since(
    reads: &mut impl Queries,
    account: AccountId,
    destination: &Destination,
    since: Timestamp,
    limit: u32,
) -> Result<u32> {
    let sql = "SELECT CAST(COUNT(*) AS BIGINT) AS sends FROM (
                   SELECT id FROM quick_send
                   WHERE account_id = $1 AND destination = $2 AND accepted_at_us >= $3
                   LIMIT $4
               ) AS recent";
    let values = values![account, destination.as_str(), since, limit];
    reads.query_one(sql, values).await?.get("sends")
}

/// Nobody, or who is rung second.
#[expect(clippy::option_option, reason = "the outer one says that the text is none of ours")]
pub(crate) fn second(text: Option<&str>) -> Option<Option<Destination>> {
    match text {
        None => Some(None),
        Some(text) => Destination::parse(text).map(Some),
    }
}

fn quick_send(row: &Row) -> Result<QuickSend> {
    let vote: Option<Timestamp> = row.get("vote_at_us")?;
    Ok(QuickSend {
        id: row.get("id")?,
        account: row.get("account_id")?,
        sandbox: row.get::<Option<AccountId>>("sandbox_of")?.is_some(),
        message: row.get("message_id")?,
        destination: row.parse("destination", Destination::parse)?,
        second: row.parse_opt("second_destination", second)?,
        vote: vote.is_some(),
        record_ms: row.get("record_ms")?,
        recording: recording::of_send(row)?,
        clip_ms: row.get("clip_ms")?,
        tariff: row.get("tariff_id")?,
        zone: row.parse("zone", zone_from_str)?,
        hold: row.get("hold_rials")?,
        accepted_at: row.get("accepted_at_us")?,
        expires_at: row.get("expires_at_us")?,
        state: state(row)?,
    })
}

fn state(row: &Row) -> Result<State> {
    let quick_send = row.get("id")?;
    if row.get::<Option<i64>>("ended_n")?.is_some() {
        return Ok(State::Ended(ended(row)?));
    }
    if row.get::<Option<i64>>("open_n")?.is_some() {
        return Ok(State::Attempt {
            attempt: AttemptId { quick_send, n: row.get("open_n")? },
            node: row.get("node_id")?,
            trunk: row.get("open_trunk")?,
            started_at: row.get("open_started_at_us")?,
        });
    }
    let attempts = row.get::<Option<u16>>("begun_n")?.unwrap_or(0);
    Ok(State::Ready { due_at: row.get("due_at_us")?, attempts })
}

fn ended(row: &Row) -> Result<Ended> {
    Ok(Ended {
        attempt: AttemptId { quick_send: row.get("id")?, n: row.get("ended_n")? },
        disposition: row.decode("disposition", Disposition::from_code)?,
        trunk: row.get("trunk")?,
        charge: row.get("charge_rials")?,
        facts: crate::hot::Facts {
            cause: row.get("cause")?,
            sip_code: row.get("sip_code")?,
            q850: row.get("q850")?,
            heard_ms: row.get("heard_ms")?,
            vote: if row.get::<i64>("vote")? == NO_VOTE { None } else { Some(row.get("vote")?) },
            keys: row.get::<Option<String>>("keys")?.unwrap_or_default(),
            invite_at: row.get("invite_at_us")?,
            ringing_at: row.get("ringing_at_us")?,
            answered_at: row.get("answered_at_us")?,
            first_audio_at: row.get("first_audio_at_us")?,
            quality: quality(row)?,
        },
        started_at: row.get("started_at_us")?,
        ended_at: row.get("ended_at_us")?,
    })
}

fn quality(row: &Row) -> Result<Option<Quality>> {
    let Some(sent) = row.get("rtp_sent")? else { return Ok(None) };
    Ok(Some(Quality {
        sent,
        received: row.get("rtp_received")?,
        lost: row.get("rtp_lost")?,
        jitter_us: row.get("rtp_jitter_us")?,
        peer_lost: row.get("peer_lost")?,
        peer_jitter_us: row.get("peer_jitter_us")?,
        round_trip_us: row.get("round_trip_us")?,
    }))
}

/// The stored word of a price zone.
pub(crate) fn zone_to_str(zone: Zone) -> &'static str {
    match zone {
        Zone::Internal => "internal",
        Zone::External => "external",
    }
}

/// The inverse of [`zone_to_str`].
pub(crate) fn zone_from_str(word: &str) -> Option<Zone> {
    [Zone::Internal, Zone::External].into_iter().find(|zone| zone_to_str(*zone) == word)
}

/// What stands for no vote, as in the web services.
const NO_VOTE: i64 = -1;

/// The stored number of a vote.
pub(crate) fn vote_to_code(vote: Option<u8>) -> i64 {
    vote.map_or(NO_VOTE, i64::from)
}
