//! Recordings of callees: where each stands. The audio itself is in the blob store; here is only
//! its name.

use domain::{AccountId, AttemptId, EventKind, QuickSendId, Timestamp};

use crate::value::values;
use crate::{Error, Queries, Result, Row, Tx};

/// A recording that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecording {
    /// The attempt that was answered.
    pub attempt: AttemptId,
    /// The node where the audio lies until it is kept.
    pub node: String,
    /// The name that the audio will have in the blob store.
    pub blob: String,
    /// When it began.
    pub started_at: Timestamp,
}

/// A recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// The attempt that was answered.
    pub attempt: AttemptId,
    /// Where it stands.
    pub state: State,
    /// The name of the audio in the blob store, which has it once it is ready.
    pub blob: String,
    /// When it began.
    pub started_at: Timestamp,
}

/// Where a recording stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It began and is not kept yet.
    Started,
    /// It can be listened to.
    Ready {
        /// How long it is.
        length_ms: u32,
    },
    /// There is none, and why.
    Failed {
        /// For the operator.
        error: String,
    },
}

/// Writes down that a recording began. `false`: the send has one already.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn start(tx: &mut Tx, new: &NewRecording) -> Result<bool> {
    let sql =
        "INSERT INTO recording (quick_send_id, n, node, state, blob, length_ms, started_at_us)
               VALUES ($1, $2, $3, 'started', $4, 0, $5) ON CONFLICT DO NOTHING";
    let AttemptId { quick_send, n } = new.attempt;
    let values = values![quick_send, n, &new.node, &new.blob, new.started_at];
    Ok(tx.execute(sql, values).await? == 1)
}

/// Writes down how a started recording ended. `false`: it is not started, or ended before.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] for an end that is none.
pub async fn end(tx: &mut Tx, send: QuickSendId, end: &State, at: Timestamp) -> Result<bool> {
    let (state, length_ms, error) = match end {
        State::Started => return Err(Error::Conflict("a recording cannot end as begun".into())),
        State::Ready { length_ms } => ("ready", *length_ms, None),
        State::Failed { error } => ("failed", 0, Some(error.as_str())),
    };
    let sql = "UPDATE recording SET state = $2, length_ms = $3, error = $4, ended_at_us = $5
               WHERE quick_send_id = $1 AND state = 'started'";
    if tx.execute(sql, values![send, state, length_ms, error, at]).await? == 0 {
        return Ok(false);
    }
    if let Some(account) = crate::quick_send::owner(tx, send).await? {
        let ready = matches!(end, State::Ready { .. });
        let kind = if ready { EventKind::RecordingReady } else { EventKind::RecordingFailed };
        crate::event::tell(tx, account, kind, send.0, at).await?;
    }
    Ok(true)
}

/// The recording of the account's send.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(
    reads: &mut impl Queries,
    account: AccountId,
    send: QuickSendId,
) -> Result<Option<Recording>> {
    let sql = "SELECT r.quick_send_id AS quick_send_id, r.n AS n, r.state AS state, r.blob AS blob,
                      r.length_ms AS length_ms, r.error AS error,
                      r.started_at_us AS started_at_us
               FROM recording r JOIN quick_send q ON q.id = r.quick_send_id
               WHERE r.quick_send_id = $2 AND q.account_id = $1";
    reads.query_opt(sql, values![account, send]).await?.as_ref().map(recording).transpose()
}

/// Recordings that a node began and did not end, the oldest first.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn started(reads: &mut impl Queries, node: &str, limit: u32) -> Result<Vec<Recording>> {
    let sql = "SELECT quick_send_id, n, state, blob, length_ms, error, started_at_us
               FROM recording WHERE node = $1 AND state = 'started'
               ORDER BY quick_send_id LIMIT $2";
    reads.query(sql, values![node, limit]).await?.iter().map(recording).collect()
}

/// Where the recording of the send in a row stands, if it was begun: a LEFT JOIN, with
/// `recording_` before the names of its columns.
pub(crate) fn of_send(row: &Row) -> Result<Option<State>> {
    let state: Option<String> = row.get("recording_state")?;
    let Some(_) = state else { return Ok(None) };
    let length_ms = row.get("recording_ms")?;
    let error: Option<String> = row.get("recording_error")?;
    row.parse("recording_state", |word| state_of(word, length_ms, error.as_ref())).map(Some)
}

fn state_of(word: &str, length_ms: u32, error: Option<&String>) -> Option<State> {
    match word {
        "started" => Some(State::Started),
        "ready" => Some(State::Ready { length_ms }),
        "failed" => Some(State::Failed { error: error.cloned().unwrap_or_default() }),
        _ => None,
    }
}

fn recording(row: &Row) -> Result<Recording> {
    let error: Option<String> = row.get("error")?;
    let length_ms = row.get("length_ms")?;
    Ok(Recording {
        attempt: AttemptId { quick_send: row.get("quick_send_id")?, n: row.get("n")? },
        state: row.parse("state", |word| state_of(word, length_ms, error.as_ref()))?,
        blob: row.get("blob")?,
        started_at: row.get("started_at_us")?,
    })
}
