//! What was seen of the covered paths: outages, times in which they worked, and who shared a fate
//! with whom. A wrong outage is reversed and stays to be seen.

mod found;

use domain::agreement::availability::{Evidence, Seen};
use domain::agreement::cause::Cause;
use domain::agreement::scope::{Group, Paths, Scope};
use domain::calendar::span::Span;
use domain::{AccountId, Timestamp};

pub use self::found::{
    Attempted, Joined, Unsearched, attempts, attest_found, before, found, join_found, latest_end,
    searched, unsearched,
};
use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// An outage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Its number.
    pub id: i64,
    /// What was down.
    pub paths: Paths,
    /// For whom.
    pub scope: Scope,
    /// Since its first failing sample.
    pub from: Timestamp,
    /// Until the first success; `None` while it lasts.
    pub to: Option<Timestamp>,
    /// What broke, in a few words.
    pub cause: String,
    /// What proves it.
    pub evidence: String,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// When it was found to be wrong, and why.
    pub reversed: Option<(Timestamp, String)>,
    /// Whether it was derived from what was measured.
    pub measured: bool,
    /// What it said before it was corrected, the oldest first.
    pub revisions: Vec<Revision>,
    /// Where it came from, as it was said, the oldest first: the last one counts.
    pub causes: Vec<Traced>,
}

impl Outage {
    /// Where it came from, as far as anybody has said.
    pub fn traced_to(&self) -> Option<Cause> {
        self.causes.last().map(|traced| traced.to)
    }
}

/// Where an outage came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// Where.
    pub to: Cause,
    /// What says so.
    pub because: String,
    /// Who says so.
    pub author: String,
    /// When.
    pub at: Timestamp,
}

/// What an outage said before it was corrected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Since when it was said to have been.
    pub from: Timestamp,
    /// Until when.
    pub to: Option<Timestamp>,
    /// When it was corrected.
    pub revised_at: Timestamp,
    /// Why.
    pub because: String,
    /// By whom.
    pub author: String,
}

/// Adds an outage that somebody records; its `id` is not looked at, and it is not reversed.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert(tx: &mut Tx, outage: &Outage, author: &str) -> Result<i64> {
    let sql = "INSERT INTO outage (paths, scope, from_us, to_us, cause, evidence, recorded_at_us)
               VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id";
    let values = values![
        &outage.paths.to_string(),
        &outage.scope.to_string(),
        outage.from,
        outage.to,
        &outage.cause,
        &outage.evidence,
        outage.recorded_at
    ];
    let id = tx.query_one(sql, values).await?.get("id")?;
    chain::attest(tx, Fact::Outage(id), author, outage.recorded_at);
    Ok(id)
}

/// Ends an outage that lasts, by the word of a person. `false`: there is none of that number that
/// lasts and began before.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn close(
    tx: &mut Tx,
    id: i64,
    to: Timestamp,
    (at, author): (Timestamp, &str),
) -> Result<bool> {
    let sql = "UPDATE outage SET to_us = $2, by_hand_at_us = $3
               WHERE id = $1 AND to_us IS NULL AND reversed_at_us IS NULL AND from_us < $2";
    let closed = tx.execute(sql, values![id, to, at]).await? == 1;
    if closed {
        chain::attest(tx, Fact::Outage(id), author, at);
    }
    Ok(closed)
}

/// Corrects the time of an outage; what it said before is kept, and measurement changes it no more.
/// `false`: there is none of that number that stands.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn correct(
    tx: &mut Tx,
    id: i64,
    time: Span,
    at: Timestamp,
    (because, author): (&str, &str),
) -> Result<bool> {
    let sql = "INSERT INTO outage_revision (outage_id, from_us, to_us, revised_at_us, because,
                                            author)
               SELECT id, from_us, to_us, CAST($2 AS BIGINT), CAST($3 AS TEXT), CAST($4 AS TEXT)
               FROM outage WHERE id = $1 AND reversed_at_us IS NULL";
    if tx.execute(sql, values![id, at, because, author]).await? == 0 {
        return Ok(false);
    }
    let sql = "UPDATE outage SET from_us = $2, to_us = $3, by_hand_at_us = $4,
                                 attempts_until_us = NULL
               WHERE id = $1";
    chain::attest(tx, Fact::Outage(id), author, at);
    Ok(tx.execute(sql, values![id, time.from, time.to, at]).await? == 1)
}

/// Notes where an outage came from; what was noted before stays to be seen. `false`: there is none
/// of that number that stands.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when somebody else notes it just now.
pub async fn trace(tx: &mut Tx, id: i64, traced: &Traced) -> Result<bool> {
    let sql = "INSERT INTO outage_cause (outage_id, n, cause, because, author, at_us)
               SELECT id, (SELECT COUNT(*) FROM outage_cause WHERE outage_id = $1),
                      CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS BIGINT)
               FROM outage WHERE id = $1 AND reversed_at_us IS NULL RETURNING n";
    let Traced { to, because, author, at } = traced;
    let row = tx.query_opt(sql, values![id, to.word(), because, author, *at]).await?;
    let Some(row) = row else { return Ok(false) };
    chain::attest(tx, Fact::OutageCause(id, row.get("n")?), author, *at);
    Ok(true)
}

/// Where the outages that had a part of this time came from.
async fn causes(reads: &mut impl Queries, time: Span) -> Result<Vec<(i64, Traced)>> {
    let sql = "SELECT outage_id, c.cause AS traced_to, because, author, at_us
               FROM outage_cause c JOIN outage ON outage.id = outage_id
               WHERE outage.from_us < $2 AND (outage.to_us IS NULL OR outage.to_us > $1)
               ORDER BY outage_id, n";
    let traced = |row: &Row| {
        let traced = Traced {
            to: row.parse("traced_to", Cause::parse)?,
            because: row.get("because")?,
            author: row.get("author")?,
            at: row.get("at_us")?,
        };
        Ok((row.get("outage_id")?, traced))
    };
    reads.query(sql, values![time.from, time.to]).await?.iter().map(traced).collect()
}

/// What the outages that had a part of this time said before they were corrected.
async fn revisions(reads: &mut impl Queries, time: Span) -> Result<Vec<(i64, Revision)>> {
    let sql = "SELECT outage_id, r.from_us AS from_us, r.to_us AS to_us, revised_at_us, because,
                      author
               FROM outage_revision r JOIN outage ON outage.id = outage_id
               WHERE outage.from_us < $2 AND (outage.to_us IS NULL OR outage.to_us > $1)
               ORDER BY r.id";
    let revision = |row: &Row| {
        let revision = Revision {
            from: row.get("from_us")?,
            to: row.get("to_us")?,
            revised_at: row.get("revised_at_us")?,
            because: row.get("because")?,
            author: row.get("author")?,
        };
        Ok((row.get("outage_id")?, revision))
    };
    reads.query(sql, values![time.from, time.to]).await?.iter().map(revision).collect()
}

/// Marks an outage as wrong. `false`: there is none of that number that stands.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn reverse(
    tx: &mut Tx,
    id: i64,
    at: Timestamp,
    (because, author): (&str, &str),
) -> Result<bool> {
    let sql = "UPDATE outage SET reversed_at_us = $2, reversed_because = $3, by_hand_at_us = $2
               WHERE id = $1 AND reversed_at_us IS NULL";
    let reversed = tx.execute(sql, values![id, at, because]).await? == 1;
    if reversed {
        chain::attest(tx, Fact::Outage(id), author, at);
    }
    Ok(reversed)
}

/// Every outage that had a part of this time, by its start; at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn within(reads: &mut impl Queries, time: Span, limit: u32) -> Result<Vec<Outage>> {
    let sql = "SELECT id, paths, scope, from_us, to_us, cause, evidence, recorded_at_us,
                      reversed_at_us, reversed_because, measured_path
               FROM outage WHERE from_us < $2 AND (to_us IS NULL OR to_us > $1)
               ORDER BY from_us, id LIMIT $3";
    let rows = reads.query(sql, values![time.from, time.to, limit]).await?;
    let mut outages = rows.iter().map(outage).collect::<Result<Vec<Outage>>>()?;
    for (id, revision) in revisions(reads, time).await? {
        if let Some(outage) = outages.iter_mut().find(|outage| outage.id == id) {
            outage.revisions.push(revision);
        }
    }
    for (id, traced) in causes(reads, time).await? {
        if let Some(outage) = outages.iter_mut().find(|outage| outage.id == id) {
            outage.causes.push(traced);
        }
    }
    Ok(outages)
}

/// The outages that had a part of this time, or were said to have one before they were corrected,
/// with for whom: at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn ever_within(
    reads: &mut impl Queries,
    time: Span,
    limit: u32,
) -> Result<Vec<(i64, Scope)>> {
    let sql = "SELECT id, scope FROM outage o
               WHERE (from_us < $2 AND (to_us IS NULL OR to_us > $1))
                     OR EXISTS (SELECT 1 FROM outage_revision r
                                WHERE r.outage_id = o.id AND r.from_us < $2
                                      AND (r.to_us IS NULL OR r.to_us > $1))
               ORDER BY id LIMIT $3";
    let one = |row: &Row| Ok((row.get("id")?, row.parse("scope", Scope::parse)?));
    reads.query(sql, values![time.from, time.to, limit]).await?.iter().map(one).collect()
}

/// Who recorded, ended, corrected, traced or reversed an outage, as it was sealed and kept.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn authors(reads: &mut impl Queries, id: i64) -> Result<Vec<String>> {
    let sql = "SELECT actor AS author FROM chain_entry WHERE subject = $2
               UNION SELECT author FROM outage_revision WHERE outage_id = $1
               UNION SELECT author FROM outage_cause WHERE outage_id = $1
               ORDER BY author";
    let values = values![id, &Fact::Outage(id).subject()];
    reads.query(sql, values).await?.iter().map(|row| row.get("author")).collect()
}

/// The groups that an account was ever put into before a moment, as the rows say now, since when,
/// and who put it there or took it out, as it was sealed.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn ever_in(
    reads: &mut impl Queries,
    account: AccountId,
    before: Timestamp,
) -> Result<Vec<(Group, Vec<String>)>> {
    let sql = "SELECT account_id, group_name, from_us FROM group_member
               WHERE account_id = $1 AND from_us < $2 ORDER BY group_name, from_us";
    let mut all = Vec::new();
    for row in reads.query(sql, values![account, before]).await? {
        let group = row.parse("group_name", Group::parse)?;
        let subject = Fact::Membership(group, account, row.get("from_us")?).subject();
        let sql = "SELECT actor FROM chain_entry WHERE subject = $1 ORDER BY n";
        let rows = reads.query(sql, values![&subject]).await?;
        all.push((group, rows.iter().map(|row| row.get("actor")).collect::<Result<_>>()?));
    }
    Ok(all)
}

/// The outage of this number, without what it said before and where it came from.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(reads: &mut impl Queries, id: i64) -> Result<Option<Outage>> {
    let sql = "SELECT id, paths, scope, from_us, to_us, cause, evidence, recorded_at_us,
                      reversed_at_us, reversed_because, measured_path
               FROM outage WHERE id = $1";
    reads.query_opt(sql, values![id]).await?.as_ref().map(outage).transpose()
}

fn outage(row: &Row) -> Result<Outage> {
    let reversed: (Option<Timestamp>, Option<String>) =
        (row.get("reversed_at_us")?, row.get("reversed_because")?);
    Ok(Outage {
        id: row.get("id")?,
        paths: row.parse("paths", Paths::parse)?,
        scope: row.parse("scope", Scope::parse)?,
        from: row.get("from_us")?,
        to: row.get("to_us")?,
        cause: row.get("cause")?,
        evidence: row.get("evidence")?,
        recorded_at: row.get("recorded_at_us")?,
        reversed: reversed.0.zip(reversed.1),
        measured: row.get::<Option<String>>("measured_path")?.is_some(),
        revisions: Vec::new(),
        causes: Vec::new(),
    })
}

/// Notes that `source` saw paths work, for a scope and a time. What continues an earlier note of
/// the same source, with at most `gap_us` between, extends it.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn saw_working(
    tx: &mut Tx,
    source: &str,
    paths: Paths,
    scope: &Scope,
    span: Span,
    gap_us: i64,
) -> Result<()> {
    let (paths, scope) = (paths.to_string(), scope.to_string());
    let sql = "UPDATE watch SET to_us = $5
               WHERE id = (SELECT id FROM watch
                           WHERE source = $1 AND paths = $2 AND scope = $3
                                 AND from_us <= $4 AND to_us >= $6
                           ORDER BY to_us DESC LIMIT 1)
                     AND to_us < $5
               RETURNING id";
    let reached = span.from.plus_us(-gap_us);
    let values = values![source, &paths, &scope, span.from, span.to, reached];
    let row = if let Some(row) = tx.query_opt(sql, values).await? {
        row
    } else {
        let sql = "INSERT INTO watch (source, paths, scope, from_us, to_us)
                   VALUES ($1, $2, $3, $4, $5) RETURNING id";
        tx.query_one(sql, values![source, &paths, &scope, span.from, span.to]).await?
    };
    chain::attest(tx, Fact::Worked(row.get("id")?), source, span.to);
    Ok(())
}

/// What a source saw to work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Who says so.
    pub source: String,
    /// What, by whom, and when.
    pub evidence: Evidence,
}

/// What was seen to work in this time; at most `limit` notes.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn working(reads: &mut impl Queries, time: Span, limit: u32) -> Result<Vec<Note>> {
    let sql = "SELECT id, source, paths, scope, from_us, to_us FROM watch
               WHERE to_us > $1 AND from_us < $2 ORDER BY from_us, id LIMIT $3";
    let note = |row: &Row| {
        let evidence = Evidence {
            seen: Seen::Up,
            paths: row.parse("paths", Paths::parse)?,
            scope: row.parse("scope", Scope::parse)?,
            span: Span { from: row.get("from_us")?, to: row.get("to_us")? },
        };
        Ok(Note { source: row.get("source")?, evidence })
    };
    reads.query(sql, values![time.from, time.to, limit]).await?.iter().map(note).collect()
}

/// Puts an account into a group from a moment on. `false`: it is in it.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when there is no such account.
pub async fn join(
    tx: &mut Tx,
    (group, account): (Group, AccountId),
    from: Timestamp,
    author: &str,
) -> Result<bool> {
    let sql = "INSERT INTO group_member (group_name, account_id, from_us)
               SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), CAST($3 AS BIGINT)
               WHERE NOT EXISTS (SELECT 1 FROM group_member
                                 WHERE group_name = $1 AND account_id = $2
                                       AND (to_us IS NULL OR to_us > $3))";
    let joined = tx.execute(sql, values![&group.to_string(), account, from]).await? == 1;
    if joined {
        chain::attest(tx, Fact::Membership(group, account, from), author, from);
    }
    Ok(joined)
}

/// Takes an account out of a group. `false`: it is not in it, or joined later.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn leave(
    tx: &mut Tx,
    (group, account): (Group, AccountId),
    to: Timestamp,
    author: &str,
) -> Result<bool> {
    let sql = "UPDATE group_member SET to_us = $3
               WHERE group_name = $1 AND account_id = $2 AND to_us IS NULL AND from_us < $3
               RETURNING from_us";
    let left = tx.query_opt(sql, values![&group.to_string(), account, to]).await?;
    let Some(row) = left else { return Ok(false) };
    let fact = Fact::Membership(group, account, row.get("from_us")?);
    chain::attest(tx, fact, author, to);
    Ok(true)
}

/// Who was in which group in this time, of the accounts from one to another.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn members(
    reads: &mut impl Queries,
    time: Span,
    first: AccountId,
    last: AccountId,
) -> Result<Vec<(AccountId, Group, Span)>> {
    let sql = "SELECT account_id, group_name, from_us, to_us FROM group_member
               WHERE account_id BETWEEN $3 AND $4
                     AND from_us < $2 AND (to_us IS NULL OR to_us > $1)
               ORDER BY account_id, group_name, from_us";
    let member = |row: &Row| {
        let to: Option<Timestamp> = row.get("to_us")?;
        let span = Span { from: row.get("from_us")?, to: to.unwrap_or(Timestamp(i64::MAX)) };
        Ok((row.get("account_id")?, row.parse("group_name", Group::parse)?, span))
    };
    reads.query(sql, values![time.from, time.to, first, last]).await?.iter().map(member).collect()
}
