//! Who carries the agreement out and who oversees it: posts and deputies, begun and ended, never
//! changed; and what somebody has at the desk.

use domain::Timestamp;
use domain::agreement::staff::{Deputyship, Post, Role};
use domain::calendar::span::Span;

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A post as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPost {
    /// Its number.
    pub id: i64,
    /// The post.
    pub post: Post,
    /// Who gave it.
    pub named_by: String,
    /// Who ended it.
    pub ended_by: Option<String>,
}

/// A deputy as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDeputy {
    /// Its number.
    pub id: i64,
    /// Whose, and when.
    pub deputyship: Deputyship,
    /// When it was named.
    pub named_at: Timestamp,
    /// Who named it.
    pub named_by: String,
    /// Who ended it before its time.
    pub ended_by: Option<String>,
}

/// Gives somebody a post. The answer is its number.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when he has it.
pub async fn begin(
    tx: &mut Tx,
    name: &str,
    role: Role,
    (at, by): (Timestamp, &str),
) -> Result<i64> {
    let sql = "INSERT INTO staff_post (name, role, from_us, named_by) VALUES ($1, $2, $3, $4)
               RETURNING id";
    let id = tx.query_one(sql, values![name, role.word(), at, by]).await?.get("id")?;
    chain::attest(tx, Fact::Post(id), by, at);
    Ok(id)
}

/// Ends a post that somebody has. `false`: he does not have it.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn end(tx: &mut Tx, name: &str, role: Role, (at, by): (Timestamp, &str)) -> Result<bool> {
    let sql = "UPDATE staff_post SET until_us = $3, ended_by = $4
               WHERE name = $1 AND role = $2 AND until_us IS NULL RETURNING id";
    let row = tx.query_opt(sql, values![name, role.word(), at, by]).await?;
    let Some(row) = row else { return Ok(false) };
    chain::attest(tx, Fact::Post(row.get("id")?), by, at);
    Ok(true)
}

/// Keeps all others from changing what somebody has as a manager until this commits.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn lock_manager(tx: &mut Tx, name: &str) -> Result<()> {
    let sql = "UPDATE staff_post SET name = name
               WHERE name = $1 AND role = 'manager' AND until_us IS NULL";
    tx.execute(sql, values![name]).await.map(drop)
}

/// Every post that anybody has or had, in order.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn posts(reads: &mut impl Queries) -> Result<Vec<KeptPost>> {
    let sql = "SELECT id, name, role, from_us, named_by, until_us, ended_by FROM staff_post
               ORDER BY id";
    let post = |row: &Row| {
        Ok(KeptPost {
            id: row.get("id")?,
            post: Post {
                name: row.get("name")?,
                role: row.parse("role", Role::parse)?,
                from: row.get("from_us")?,
                until: row.get("until_us")?,
            },
            named_by: row.get("named_by")?,
            ended_by: row.get("ended_by")?,
        })
    };
    reads.query(sql, &[]).await?.iter().map(post).collect()
}

/// Names a deputy. The answer is its number.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn name_deputy(
    tx: &mut Tx,
    new: &Deputyship,
    (at, by): (Timestamp, &str),
) -> Result<i64> {
    let sql = "INSERT INTO deputy (manager, deputy, from_us, until_us, named_at_us, named_by)
               VALUES ($1, $2, $3, $4, $5, $6) RETURNING id";
    let values = values![&new.manager, &new.deputy, new.span.from, new.span.to, at, by];
    let id = tx.query_one(sql, values).await?.get("id")?;
    chain::attest(tx, Fact::Deputy(id), by, at);
    Ok(id)
}

/// Ends a deputy's time. `false`: there is none of that number whose time is not over.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn end_deputy(tx: &mut Tx, id: i64, (at, by): (Timestamp, &str)) -> Result<bool> {
    let sql = "UPDATE deputy SET ended_at_us = $2, ended_by = $3
               WHERE id = $1 AND ended_at_us IS NULL AND until_us > $2";
    let ended = tx.execute(sql, values![id, at, by]).await? == 1;
    if ended {
        chain::attest(tx, Fact::Deputy(id), by, at);
    }
    Ok(ended)
}

/// Every deputy that was named, in order.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn deputies(reads: &mut impl Queries) -> Result<Vec<KeptDeputy>> {
    let sql = "SELECT id, manager, deputy, from_us, until_us, named_at_us, named_by, ended_at_us,
                      ended_by
               FROM deputy ORDER BY id";
    let deputy = |row: &Row| {
        let from: Timestamp = row.get("from_us")?;
        let span = row.decode("until_us", |until: i64| Span::new(from, Timestamp(until)))?;
        Ok(KeptDeputy {
            id: row.get("id")?,
            deputyship: Deputyship {
                manager: row.get("manager")?,
                deputy: row.get("deputy")?,
                span,
                ended_at: row.get("ended_at_us")?,
            },
            named_at: row.get("named_at_us")?,
            named_by: row.get("named_by")?,
            ended_by: row.get("ended_by")?,
        })
    };
    reads.query(sql, &[]).await?.iter().map(deputy).collect()
}

/// The tickets that somebody has and that are not over, by number.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn tickets_of(reads: &mut impl Queries, name: &str) -> Result<Vec<i64>> {
    let sql = "SELECT id FROM ticket WHERE holder = $1 AND state NOT IN ('closed', 'merged')
               ORDER BY id";
    ids(reads.query(sql, values![name]).await?.as_slice())
}

/// The error reports that somebody has and that are not over, by number.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn reports_of(reads: &mut impl Queries, name: &str) -> Result<Vec<i64>> {
    let sql = "SELECT id FROM error_report
               WHERE holder = $1
                     AND state IN ('triaging', 'fixing', 'fixed', 'structural', 'committed',
                                   'delivered')
               ORDER BY id";
    ids(reads.query(sql, values![name]).await?.as_slice())
}

/// The callbacks that somebody has taken, by number.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn callbacks(reads: &mut impl Queries) -> Result<Vec<i64>> {
    let sql = "SELECT id FROM support_call WHERE state = 'dialing' ORDER BY id";
    ids(reads.query(sql, &[]).await?.as_slice())
}

fn ids(rows: &[Row]) -> Result<Vec<i64>> {
    rows.iter().map(|row| row.get("id")).collect()
}
