//! Remote sessions: asked for once, then only gone on with, step by step.

use domain::agreement::remote_session::{RemoteSession, Step};
use domain::agreement::ticket::Side;
use domain::{AccountId, Timestamp};

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx, history};

/// A session to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// In which ticket.
    pub ticket: i64,
    /// Whose.
    pub account: AccountId,
    /// The expert who helps.
    pub expert: String,
    /// What for.
    pub purpose: String,
}

/// A session with everything that happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its number.
    pub id: i64,
    /// As it was asked for.
    pub new: NewSession,
    /// As its steps have left it.
    pub session: RemoteSession,
    /// Its steps, the first of them first; never none.
    pub steps: Vec<Taken>,
}

impl Kept {
    /// The expert who helps: who was asked for, or to whom it was given last.
    pub fn expert(&self) -> &str {
        let given = self.steps.iter().rev().find_map(|taken| match &taken.step {
            Some(Step::HandedTo(name)) => Some(name.as_str()),
            _ => None,
        });
        given.unwrap_or(&self.new.expert)
    }
}

/// A step that was taken.
pub type Taken = history::Taken<Step>;

/// The word of the first step.
const REQUESTED: &str = "requested";

/// Asks for a session with its first step. The answer is its number.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] without such a ticket.
pub async fn insert(tx: &mut Tx, new: &NewSession, first: &Taken) -> Result<i64> {
    let sql = "INSERT INTO remote_session (ticket_id, account_id, expert, purpose, steps, state)
               VALUES ($1, $2, $3, $4, 1, 'requested') RETURNING id";
    let values = values![new.ticket, new.account, &new.expert, &new.purpose];
    let id = tx.query_one(sql, values).await?.get("id")?;
    insert_step(tx, id, 0, first).await?;
    Ok(id)
}

/// The session of this number, to be changed: who else wants to change it waits.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn take(tx: &mut Tx, id: i64) -> Result<Option<Kept>> {
    let sql = "UPDATE remote_session SET steps = steps WHERE id = $1";
    if tx.execute(sql, values![id]).await? == 0 {
        return Ok(None);
    }
    find(tx, id).await
}

/// Keeps the step that was taken last by a session of [`take`], and how it left it.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn keep(tx: &mut Tx, kept: &mut Kept, step: Taken) -> Result<()> {
    insert_step(tx, kept.id, kept.steps.len(), &step).await?;
    kept.steps.push(step);
    let sql = "UPDATE remote_session SET state = $2, steps = $3 WHERE id = $1";
    let count = history::count(&kept.steps);
    tx.execute(sql, values![kept.id, kept.session.state.word(), count]).await?;
    Ok(())
}

async fn insert_step(tx: &mut Tx, id: i64, place: usize, taken: &Taken) -> Result<()> {
    let sql = "INSERT INTO remote_session_step (remote_session_id, n, step, side, at_us, actor,
                                                said, tool, agreed_us)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let n = i64::try_from(place).unwrap_or(i64::MAX);
    let word = taken.step.as_ref().map_or(REQUESTED, Step::word);
    let (agreed, tool) = match &taken.step {
        Some(Step::Agreed(at, tool)) => (Some(*at), Some(tool.as_str())),
        // Who helps instead stands where a program does.
        Some(Step::HandedTo(name)) => (None, Some(name.as_str())),
        _ => (None, None),
    };
    let Taken { side, at, actor, said, .. } = taken;
    let values = values![id, n, word, side.word(), *at, actor, said, tool, agreed];
    tx.execute(sql, values).await?;
    chain::attest(tx, Fact::RemoteSession(id, place), actor, *at);
    Ok(())
}

/// The session of this number.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(reads: &mut impl Queries, id: i64) -> Result<Option<Kept>> {
    let sql = "SELECT id, ticket_id, account_id, expert, purpose FROM remote_session
               WHERE id = $1";
    match reads.query_opt(sql, values![id]).await? {
        None => Ok(None),
        Some(row) => Ok(Some(kept(reads, &row).await?)),
    }
}

/// The sessions of an account before number `before`, or all of them: the newest first, at most
/// `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(
    reads: &mut impl Queries,
    account: Option<AccountId>,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Kept>> {
    let before = before.unwrap_or(i64::MAX);
    let rows = if let Some(account) = account {
        let sql = "SELECT id, ticket_id, account_id, expert, purpose FROM remote_session
                       WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
        reads.query(sql, values![account, before, limit]).await?
    } else {
        let sql = "SELECT id, ticket_id, account_id, expert, purpose FROM remote_session
                       WHERE id < $1 ORDER BY id DESC LIMIT $2";
        reads.query(sql, values![before, limit]).await?
    };
    let mut sessions = Vec::with_capacity(rows.len());
    for row in &rows {
        sessions.push(kept(reads, row).await?);
    }
    Ok(sessions)
}

/// The sessions that are not over, by number.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn all_open(reads: &mut impl Queries) -> Result<Vec<i64>> {
    let sql = "SELECT id FROM remote_session
               WHERE state IN ('requested', 'agreed', 'consented', 'running', 'ended')
               ORDER BY id";
    reads.query(sql, &[]).await?.iter().map(|row| row.get("id")).collect()
}

/// How many sessions of a ticket are not over.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn open(reads: &mut impl Queries, account: AccountId, ticket: i64) -> Result<i64> {
    let sql = "SELECT COUNT(*) AS sessions FROM remote_session
               WHERE account_id = $1 AND ticket_id = $2
                     AND state IN ('requested', 'agreed', 'consented', 'running', 'ended')";
    reads.query_one(sql, values![account, ticket]).await?.get("sessions")
}

async fn kept(reads: &mut impl Queries, row: &Row) -> Result<Kept> {
    let id: i64 = row.get("id")?;
    let sql = "SELECT remote_session_id, step, side, at_us, actor, said, tool, agreed_us
               FROM remote_session_step WHERE remote_session_id = $1 ORDER BY n";
    let rows = reads.query(sql, values![id]).await?;
    let steps = rows.iter().map(taken).collect::<Result<Vec<Taken>>>()?;
    let new = NewSession {
        ticket: row.get("ticket_id")?,
        account: row.get("account_id")?,
        expert: row.get("expert")?,
        purpose: row.get("purpose")?,
    };
    // What was kept is gone through again by the rules; what does not follow is corrupt.
    let session = row.parse("purpose", |_| again(&steps))?;
    Ok(Kept { id, new, session, steps })
}

fn taken(row: &Row) -> Result<Taken> {
    let tool: Option<String> = row.get("tool")?;
    let agreed: Option<Timestamp> = row.get("agreed_us")?;
    Taken::read(row, REQUESTED, |word| step(word, tool.as_deref(), agreed))
}

fn step(word: &str, tool: Option<&str>, agreed: Option<Timestamp>) -> Option<Step> {
    Some(match word {
        "agreed" => Step::Agreed(agreed?, tool?.to_owned()),
        "consented" => Step::Consented,
        "declined" => Step::Declined,
        "started" => Step::Started,
        "withdrawn" => Step::Withdrawn,
        "ended" => Step::Ended,
        "noted" => Step::Noted,
        "missed" => Step::Missed,
        "cancelled" => Step::Cancelled,
        "handed_to" => Step::HandedTo(tool?.to_owned()),
        _ => return None,
    })
}

/// Goes through a session's steps again; `None` when they do not follow each other.
fn again(steps: &[Taken]) -> Option<RemoteSession> {
    let (first, later) = steps.split_first()?;
    let mut session = RemoteSession::requested(first.at);
    for taken in later {
        session.take(taken.step.as_ref()?, taken.side == Side::Customer, taken.at).ok()?;
    }
    first.step.is_none().then_some(session)
}
