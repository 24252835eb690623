//! Calls to the support line: begun once, then only gone on with, step by step.

use domain::agreement::callback::Policy;
use domain::agreement::support_call::{Attempt, Step, SupportCall};
use domain::calendar::span::Span;
use domain::{AccountId, Timestamp};

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A call with everything that happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its number.
    pub id: i64,
    /// Whose, as far as that is known.
    pub account: Option<AccountId>,
    /// The caller's number, if it was sent.
    pub caller: Option<String>,
    /// The number to call back, once it is registered.
    pub number: Option<String>,
    /// The ticket that was made of it.
    pub ticket: Option<i64>,
    /// The node on whose line the caller waits, or did; none where another switch has the call.
    pub node: Option<String>,
    /// As its steps have left it.
    pub call: SupportCall,
    /// Its steps, the first of them first; never none.
    pub steps: Vec<Taken>,
}

impl Kept {
    /// Who calls back now.
    pub fn holder(&self) -> Option<&str> {
        let last = self.steps.last().filter(|_| self.call.is_dialing())?;
        Some(match &last.step {
            Some(Step::HandedTo(name)) => name,
            _ => &last.actor,
        })
    }
}

/// A step of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Which; `None` for the first, with which the caller came.
    pub step: Option<Step>,
    /// When.
    pub at: Timestamp,
    /// By whom it was noted.
    pub actor: String,
    /// What was noted; may be empty.
    pub note: String,
}

/// No node has this name.
pub(crate) const NOBODY: &str = "";
/// The word of the first step.
const JOINED: &str = "joined";

/// Keeps a call that comes in, with how its caller is called back. The answer is its number.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] without such an account.
pub async fn insert(
    tx: &mut Tx,
    account: Option<AccountId>,
    caller: Option<&str>,
    node: Option<&str>,
    (first, policy): (&Taken, Policy),
) -> Result<i64> {
    let sql =
        "INSERT INTO support_call (account_id, caller, joined_at_us, steps, state, node, callback)
               VALUES ($1, $2, $3, 1, 'waiting', $4, $5) RETURNING id";
    let values = values![account, caller, first.at, node, policy.to_text()];
    let id = tx.query_one(sql, values).await?.get("id")?;
    insert_step(tx, id, 0, first).await?;
    Ok(id)
}

/// The call of this number, to be changed: who else wants to change it waits.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn take(tx: &mut Tx, id: i64) -> Result<Option<Kept>> {
    let sql = "UPDATE support_call SET steps = steps WHERE id = $1";
    if tx.execute(sql, values![id]).await? == 0 {
        return Ok(None);
    }
    find(tx, id).await
}

/// Keeps the step that was taken last by a call of [`take`], and how it left it.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when the number is to be called back
/// already.
pub async fn keep(tx: &mut Tx, kept: &mut Kept, step: Taken) -> Result<()> {
    insert_step(tx, kept.id, kept.steps.len(), &step).await?;
    kept.steps.push(step);
    let sql = "UPDATE support_call SET number = $2, ticket_id = $3, state = $4,
                                       owed_since_us = $5, steps = $6
               WHERE id = $1";
    let count = i64::try_from(kept.steps.len()).unwrap_or(i64::MAX);
    let since = kept.call.owed().map(|owed| owed.since);
    let number = kept.number.as_deref();
    let values = values![kept.id, number, kept.ticket, kept.call.state.word(), since, count];
    tx.execute(sql, values).await?;
    Ok(())
}

async fn insert_step(tx: &mut Tx, id: i64, place: usize, taken: &Taken) -> Result<()> {
    let sql =
        "INSERT INTO support_call_step (support_call_id, n, step, at_us, actor, note, subject)
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let n = i64::try_from(place).unwrap_or(i64::MAX);
    let word = taken.step.as_ref().map_or(JOINED, Step::word);
    let subject = match &taken.step {
        Some(Step::Doubled(other)) => Some(other.to_string()),
        Some(Step::Attempted(attempt)) => Some(attempt.word().to_owned()),
        Some(Step::HandedTo(name)) => Some(name.clone()),
        _ => None,
    };
    let Taken { at, actor, note, .. } = taken;
    tx.execute(sql, values![id, n, word, *at, actor, note, subject]).await?;
    chain::attest(tx, Fact::SupportCall(id, place), actor, *at);
    Ok(())
}

/// The call of this number.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(reads: &mut impl Queries, id: i64) -> Result<Option<Kept>> {
    let sql = "SELECT id, account_id, caller, number, ticket_id, node, callback
               FROM support_call WHERE id = $1";
    match reads.query_opt(sql, values![id]).await? {
        None => Ok(None),
        Some(row) => Ok(Some(kept(reads, &row).await?)),
    }
}

/// The call for which a number is to be called back.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn owed_to(reads: &mut impl Queries, number: &str) -> Result<Option<i64>> {
    let sql = "SELECT id FROM support_call WHERE number = $1 AND owed_since_us IS NOT NULL";
    reads.query_opt(sql, values![number]).await?.map(|row| row.get("id")).transpose()
}

/// The calls that wait or are to be called back, in the order in which they came, after a place:
/// when it came, and which. At most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn open(
    reads: &mut impl Queries,
    after: (Timestamp, i64),
    limit: u32,
) -> Result<Vec<Kept>> {
    let sql = "SELECT id, account_id, caller, number, ticket_id, node, callback FROM support_call
               WHERE state IN ('waiting', 'registered', 'dialing')
                     AND (joined_at_us > $1 OR (joined_at_us = $1 AND id > $2))
               ORDER BY joined_at_us, id LIMIT $3";
    let rows = reads.query(sql, values![after.0, after.1, limit]).await?;
    all_kept(reads, rows).await
}

/// The callers who wait on a line that is no more: of a node whose lease ended before `now`, and
/// of this node, `own`, where it `began` just now, or else not of this node. At most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn on_lost_lines(
    reads: &mut impl Queries,
    (own, began): (&str, bool),
    now: Timestamp,
    limit: u32,
) -> Result<Vec<i64>> {
    let sql = "SELECT id FROM support_call
               WHERE state = 'waiting' AND node IS NOT NULL
                     AND (node = $1
                          OR (node != $2
                              AND node IN (SELECT name FROM node WHERE until_us < $3)))
               ORDER BY joined_at_us, id LIMIT $4";
    let values = values![if began { own } else { NOBODY }, own, now, limit];
    reads.query(sql, values).await?.iter().map(|row| row.get("id")).collect()
}

/// The calls before number `before`, the newest first: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(reads: &mut impl Queries, before: Option<i64>, limit: u32) -> Result<Vec<Kept>> {
    let sql = "SELECT id, account_id, caller, number, ticket_id, node, callback FROM support_call
               WHERE id < $1 ORDER BY id DESC LIMIT $2";
    let rows = reads.query(sql, values![before.unwrap_or(i64::MAX), limit]).await?;
    all_kept(reads, rows).await
}

/// The calls that came within a time, in the order in which they came: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn joined_within(reads: &mut impl Queries, time: Span, limit: u32) -> Result<Vec<Kept>> {
    let sql = "SELECT id, account_id, caller, number, ticket_id, node, callback FROM support_call
               WHERE joined_at_us >= $1 AND joined_at_us < $2
               ORDER BY joined_at_us, id LIMIT $3";
    let rows = reads.query(sql, values![time.from, time.to, limit]).await?;
    all_kept(reads, rows).await
}

async fn all_kept(reads: &mut impl Queries, rows: Vec<Row>) -> Result<Vec<Kept>> {
    let mut calls = Vec::with_capacity(rows.len());
    for row in &rows {
        calls.push(kept(reads, row).await?);
    }
    Ok(calls)
}

async fn kept(reads: &mut impl Queries, row: &Row) -> Result<Kept> {
    let id: i64 = row.get("id")?;
    let sql = "SELECT support_call_id, step, at_us, actor, note, subject FROM support_call_step
               WHERE support_call_id = $1 ORDER BY n";
    let rows = reads.query(sql, values![id]).await?;
    let steps = rows.iter().map(taken).collect::<Result<Vec<Taken>>>()?;
    // What was kept is gone through again by the rules; what does not follow is corrupt.
    let policy = row.parse("callback", Policy::parse)?;
    let call = row.decode("id", |_| again(&steps, policy))?;
    Ok(Kept {
        id,
        account: row.get("account_id")?,
        caller: row.get("caller")?,
        number: row.get("number")?,
        ticket: row.get("ticket_id")?,
        node: row.get("node")?,
        call,
        steps,
    })
}

fn taken(row: &Row) -> Result<Taken> {
    let subject: Option<String> = row.get("subject")?;
    Ok(Taken {
        step: row.parse("step", |word| step(word, subject.as_deref()))?,
        at: row.get("at_us")?,
        actor: row.get("actor")?,
        note: row.get("note")?,
    })
}

#[expect(clippy::option_option, reason = "the first step and an unknown one are two things")]
fn step(word: &str, subject: Option<&str>) -> Option<Option<Step>> {
    Some(Some(match word {
        JOINED => return Some(None),
        "offered" => Step::Offered,
        "answered" => Step::Answered,
        "left" => Step::Left,
        "registered" => Step::Registered,
        "doubled" => Step::Doubled(subject?.parse().ok()?),
        "dialing" => Step::Dialing,
        "talking" => Step::Talking,
        "attempted" => Step::Attempted(Attempt::parse(subject?)?),
        "handed_to" => Step::HandedTo(subject?.to_owned()),
        "returned" => Step::Returned,
        "withdrawn" => Step::Withdrawn,
        _ => return None,
    }))
}

/// Goes through a call's steps again; `None` when they do not follow each other.
fn again(steps: &[Taken], policy: Policy) -> Option<SupportCall> {
    let (first, later) = steps.split_first()?;
    let mut call = SupportCall::joined(first.at, policy);
    for taken in later {
        call.take(taken.step.as_ref()?, taken.at).ok()?;
    }
    first.step.is_none().then_some(call)
}
