//! The experts of the support line: when each is on duty, at which phone, and which call each has.

use domain::calendar::span::Span;
use domain::{AccountId, Extension, PhoneId, Timestamp};

use crate::support_call::NOBODY;
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// An expert on duty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// The number of this turn of duty.
    pub id: i64,
    /// Who.
    pub name: String,
    /// The phone that is rung.
    pub phone: PhoneId,
    /// Whose phone it is, and its short number.
    pub extension: (AccountId, Extension),
    /// The name that the phone registers with.
    pub username: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when, once that is over: the last conversation may go on.
    pub until: Option<Timestamp>,
    /// The call that the expert has or is rung for.
    pub busy_with: Option<i64>,
    /// The node that rings.
    pub busy_node: Option<String>,
    /// No further call before then.
    pub rests_until: Timestamp,
}

impl Agent {
    /// Whether another call may ring.
    pub fn is_free(&self, now: Timestamp) -> bool {
        self.until.is_none() && self.busy_with.is_none() && self.rests_until <= now
    }
}

/// Begins a turn of duty, or goes on with the one in whose last conversation the expert still is.
/// The answer is its number; `None` when another conversation goes on, of the expert or at the
/// phone.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when the expert or the phone is on
/// duty already.
pub async fn begin(tx: &mut Tx, name: &str, phone: PhoneId, at: Timestamp) -> Result<Option<i64>> {
    let sql = "UPDATE support_agent SET until_us = NULL
               WHERE name = $1 AND phone_id = $2 AND until_us IS NOT NULL
                     AND busy_with IS NOT NULL
               RETURNING id";
    if let Some(row) = tx.query_opt(sql, values![name, phone]).await? {
        return row.get("id").map(Some);
    }
    let sql = "INSERT INTO support_agent (name, phone_id, since_us, rests_until_us)
               SELECT $1, $2, $3, $3
               WHERE NOT EXISTS (SELECT 1 FROM support_agent
                                 WHERE (name = $1 OR phone_id = $2) AND busy_with IS NOT NULL)
               RETURNING id";
    tx.query_opt(sql, values![name, phone, at]).await?.map(|row| row.get("id")).transpose()
}

/// Ends the turn of duty of this expert. `false`: there is none.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn end(tx: &mut Tx, name: &str, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE support_agent SET until_us = $2 WHERE name = $1 AND until_us IS NULL";
    Ok(tx.execute(sql, values![name, at]).await? == 1)
}

/// Ends this turn of duty, if it goes on. `false`: it does not.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn end_turn(tx: &mut Tx, agent: i64, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE support_agent SET until_us = $2 WHERE id = $1 AND until_us IS NULL";
    Ok(tx.execute(sql, values![agent, at]).await? == 1)
}

/// The experts on duty or still in a call, who is free the longest first. At most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn on_duty(reads: &mut impl Queries, limit: u32) -> Result<Vec<Agent>> {
    let sql = "SELECT a.id AS id, a.name AS name, a.phone_id AS phone_id,
                      p.account_id AS account_id, p.extension AS extension,
                      p.username AS username, a.since_us AS since_us, a.until_us AS until_us,
                      a.busy_with AS busy_with, a.busy_node AS busy_node,
                      a.rests_until_us AS rests_until_us
               FROM support_agent a JOIN phone p ON p.id = a.phone_id
               WHERE a.until_us IS NULL OR a.busy_with IS NOT NULL ORDER BY a.rests_until_us, a.id LIMIT $1";
    reads.query(sql, values![limit]).await?.iter().map(agent).collect()
}

/// Gives a call to an expert who has none. `false`: has one, or is not on duty any more.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn claim(tx: &mut Tx, agent: i64, call: i64, node: &str) -> Result<bool> {
    let sql = "UPDATE support_agent SET busy_with = $2, busy_node = $3
               WHERE id = $1 AND until_us IS NULL AND busy_with IS NULL";
    Ok(tx.execute(sql, values![agent, call, node]).await? == 1)
}

/// An expert has this call no more, and rests until then. `false`: did not have it.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn release(tx: &mut Tx, agent: i64, call: i64, rests_until: Timestamp) -> Result<bool> {
    let sql = "UPDATE support_agent SET busy_with = NULL, busy_node = NULL, rests_until_us = $3
               WHERE id = $1 AND busy_with = $2";
    Ok(tx.execute(sql, values![agent, call, rests_until]).await? == 1)
}

/// Experts who had a caller on a line that is no more are free again: of a node whose lease ended
/// before `now`, and of this node, `own`, where it `began` just now. Callbacks are of no line, and
/// stay.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn release_lost(tx: &mut Tx, (own, began): (&str, bool), now: Timestamp) -> Result<u64> {
    let sql = "UPDATE support_agent SET busy_with = NULL, busy_node = NULL
               WHERE busy_with IS NOT NULL
                     AND (busy_node = $1
                          OR (busy_node != $2
                              AND busy_node IN (SELECT name FROM node WHERE until_us < $3)))
                     AND busy_with IN (SELECT id FROM support_call WHERE state != 'dialing')";
    tx.execute(sql, values![if began { own } else { NOBODY }, own, now]).await
}

/// A turn of duty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duty {
    /// Who.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when, once that is over.
    pub until: Option<Timestamp>,
}

/// The turns of duty that had a part of a time, in the order in which they began: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn duty(reads: &mut impl Queries, within: Span, limit: u32) -> Result<Vec<Duty>> {
    let sql = "SELECT name, since_us, until_us FROM support_agent
               WHERE since_us < $2 AND (until_us IS NULL OR until_us > $1)
               ORDER BY since_us, id LIMIT $3";
    let turn = |row: &Row| {
        let (since, until) = (row.get("since_us")?, row.get("until_us")?);
        Ok(Duty { name: row.get("name")?, since, until })
    };
    reads.query(sql, values![within.from, within.to, limit]).await?.iter().map(turn).collect()
}

/// When somebody was on duty within a time, and when anybody was for the first time ever. `None`:
/// nobody ever was.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn staffed(
    reads: &mut impl Queries,
    within: Span,
) -> Result<Option<(Timestamp, Vec<Span>)>> {
    let sql = "SELECT MIN(since_us) AS since_us FROM support_agent";
    let first: Option<Timestamp> = reads.query_one(sql, values![]).await?.get("since_us")?;
    let Some(first) = first else { return Ok(None) };
    let sql = "SELECT since_us, until_us FROM support_agent
               WHERE since_us < $2 AND (until_us IS NULL OR until_us > $1)";
    let rows = reads.query(sql, values![within.from, within.to]).await?;
    let mut spans = Vec::with_capacity(rows.len());
    for row in &rows {
        let (from, until): (Timestamp, Option<Timestamp>) =
            (row.get("since_us")?, row.get("until_us")?);
        spans.extend(Span::new(from.max(within.from), until.unwrap_or(within.to).min(within.to)));
    }
    Ok(Some((first, spans)))
}

fn agent(row: &Row) -> Result<Agent> {
    Ok(Agent {
        id: row.get("id")?,
        name: row.get("name")?,
        phone: row.get("phone_id")?,
        extension: (row.get("account_id")?, row.parse("extension", Extension::parse)?),
        username: row.get("username")?,
        since: row.get("since_us")?,
        until: row.get("until_us")?,
        busy_with: row.get("busy_with")?,
        busy_node: row.get("busy_node")?,
        rests_until: row.get("rests_until_us")?,
    })
}
