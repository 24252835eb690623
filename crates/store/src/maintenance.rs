//! Maintenance, its versions and what proves that they were told. Nothing here is ever removed.

use std::collections::BTreeMap;

use domain::Timestamp;
use domain::agreement::availability::Window;
use domain::agreement::maintenance::{Channel, Maintenance, Proof, Version};
use domain::agreement::scope::{Paths, Scope};
use domain::calendar::span::Span;

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A maintenance as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its number.
    pub id: i64,
    /// What is done.
    pub title: String,
    /// Why it is essential, if somebody said so (A31).
    pub essential_because: Option<String>,
    /// Who saved the version in force.
    pub author: String,
    /// Its versions and proofs.
    pub maintenance: Maintenance,
    /// Where each proof stands, in the order of the proofs.
    pub notices: Vec<Notice>,
}

/// Where a notice stands, beside what it proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its number.
    pub id: i64,
    /// Where it was told: the name of a network, or the first page.
    pub place: String,
    /// What the place calls it.
    pub reference: String,
    /// The SHA-256 of its text.
    pub content_hash: Vec<u8>,
}

/// Adds a maintenance without any version.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert(tx: &mut Tx, title: &str, essential_because: Option<&str>) -> Result<i64> {
    let sql = "INSERT INTO maintenance (title, essential_because) VALUES ($1, $2) RETURNING id";
    tx.query_one(sql, values![title, essential_because]).await?.get("id")
}

/// Adds the version of this place.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when somebody else added one just now.
pub async fn insert_version(
    tx: &mut Tx,
    id: i64,
    place: usize,
    author: &str,
    version: &Version,
) -> Result<()> {
    let sql = "INSERT INTO maintenance_version (maintenance_id, version, saved_at_us, author,
                                                paths, scope, from_us, to_us)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let plan = version.plan.as_ref();
    let (paths, scope) =
        (plan.map(|plan| plan.paths.to_string()), plan.map(|plan| plan.scope.to_string()));
    let values = values![
        id,
        stored(place),
        version.saved_at,
        author,
        paths.as_deref(),
        scope.as_deref(),
        plan.map(|plan| plan.span.from),
        plan.map(|plan| plan.span.to)
    ];
    tx.execute(sql, values).await?;
    chain::attest(tx, Fact::Maintenance(id, place), author, version.saved_at);
    Ok(())
}

/// Adds what proves that a version was told.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert_notice(tx: &mut Tx, id: i64, proof: &Proof, notice: &Notice) -> Result<i64> {
    let sql = "INSERT INTO maintenance_notice (maintenance_id, version, channel, place, reference,
                                               content_hash, paths, published_at_us)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id";
    let values = values![
        id,
        stored(proof.version),
        proof.channel.word(),
        &notice.place,
        &notice.reference,
        notice.content_hash.as_slice(),
        &proof.paths.to_string(),
        proof.published_at
    ];
    let number = tx.query_one(sql, values).await?.get("id")?;
    chain::attest(tx, Fact::Notice(number), chain::OPERATOR, proof.published_at);
    Ok(number)
}

/// Notes that a notice can no longer be read. `false`: there is none of that number that could.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn withdraw_notice(tx: &mut Tx, notice: i64, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE maintenance_notice SET withdrawn_at_us = $2
               WHERE id = $1 AND withdrawn_at_us IS NULL";
    let withdrawn = tx.execute(sql, values![notice, at]).await? == 1;
    if withdrawn {
        chain::attest(tx, Fact::Notice(notice), chain::OPERATOR, at);
    }
    Ok(withdrawn)
}

/// Notes that somebody made sure of the service. `false`: it was noted before.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn verify(tx: &mut Tx, id: i64, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE maintenance SET verified_at_us = $2
               WHERE id = $1 AND verified_at_us IS NULL";
    let verified = tx.execute(sql, values![id, at]).await? == 1;
    if verified {
        chain::attest(tx, Fact::MaintenanceEnd(id), chain::OPERATOR, at);
    }
    Ok(verified)
}

/// Adds a social network. `false`: it is there.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert_channel(tx: &mut Tx, name: &str, at: Timestamp) -> Result<bool> {
    let sql = "INSERT INTO social_channel (name, added_at_us) VALUES ($1, $2)
               ON CONFLICT (name) DO NOTHING";
    Ok(tx.execute(sql, values![name, at]).await? == 1)
}

/// The social networks in which notices can be told.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn channels(reads: &mut impl Queries) -> Result<Vec<String>> {
    let sql = "SELECT name FROM social_channel ORDER BY name";
    reads.query(sql, values![]).await?.iter().map(|row| row.get("name")).collect()
}

/// The maintenance of this number.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn find(reads: &mut impl Queries, id: i64) -> Result<Option<Kept>> {
    let sql = "SELECT id, title, essential_because, verified_at_us FROM maintenance WHERE id = $1";
    let rows = reads.query(sql, values![id]).await?;
    let sql = "SELECT maintenance_id, version, saved_at_us, author, paths, scope, from_us, to_us
               FROM maintenance_version WHERE maintenance_id = $1
               ORDER BY maintenance_id, version";
    let versions = reads.query(sql, values![id]).await?;
    let sql = "SELECT id, maintenance_id, version, channel, place, reference, content_hash, paths,
                      published_at_us, withdrawn_at_us
               FROM maintenance_notice WHERE maintenance_id = $1 ORDER BY id";
    let notices = reads.query(sql, values![id]).await?;
    Ok(assemble(&rows, &versions, &notices)?.pop())
}

/// Every maintenance that had, in any version, a part of this time; by number.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn within(reads: &mut impl Queries, time: Span) -> Result<Vec<Kept>> {
    let sql = "SELECT id, title, essential_because, verified_at_us FROM maintenance
               WHERE id IN (SELECT maintenance_id FROM maintenance_version
                            WHERE from_us < $2 AND to_us > $1)
               ORDER BY id";
    let rows = reads.query(sql, values![time.from, time.to]).await?;
    let sql = "SELECT maintenance_id, version, saved_at_us, author, paths, scope, from_us, to_us
               FROM maintenance_version
               WHERE maintenance_id IN (SELECT maintenance_id FROM maintenance_version
                                        WHERE from_us < $2 AND to_us > $1)
               ORDER BY maintenance_id, version";
    let versions = reads.query(sql, values![time.from, time.to]).await?;
    let sql = "SELECT id, maintenance_id, version, channel, place, reference, content_hash, paths,
                      published_at_us, withdrawn_at_us
               FROM maintenance_notice
               WHERE maintenance_id IN (SELECT maintenance_id FROM maintenance_version
                                        WHERE from_us < $2 AND to_us > $1)
               ORDER BY id";
    let notices = reads.query(sql, values![time.from, time.to]).await?;
    assemble(&rows, &versions, &notices)
}

/// Puts the rows of three tables together. What is there of a maintenance whose own row was read a
/// moment too early waits for the next reading.
fn assemble(rows: &[Row], versions: &[Row], notices: &[Row]) -> Result<Vec<Kept>> {
    let mut kept: BTreeMap<i64, Kept> = BTreeMap::new();
    for row in rows {
        let id = row.get("id")?;
        let maintenance =
            Maintenance { verified_at: row.get("verified_at_us")?, ..Maintenance::default() };
        let one = Kept {
            id,
            title: row.get("title")?,
            essential_because: row.get("essential_because")?,
            author: String::new(),
            maintenance,
            notices: Vec::new(),
        };
        kept.insert(id, one);
    }
    for row in versions {
        if let Some(one) = kept.get_mut(&row.get("maintenance_id")?) {
            one.maintenance.versions.push(version(row)?);
            one.author = row.get("author")?;
        }
    }
    for row in notices {
        if let Some(one) = kept.get_mut(&row.get("maintenance_id")?) {
            one.maintenance.proofs.push(proof(row)?);
            one.notices.push(Notice {
                id: row.get("id")?,
                place: row.get("place")?,
                reference: row.get("reference")?,
                content_hash: row.get("content_hash")?,
            });
        }
    }
    Ok(kept.into_values().collect())
}

fn version(row: &Row) -> Result<Version> {
    let saved_at = row.get("saved_at_us")?;
    let span: (Option<Timestamp>, Option<Timestamp>) = (row.get("from_us")?, row.get("to_us")?);
    let (Some(from), Some(to)) = span else { return Ok(Version { saved_at, plan: None }) };
    let plan = Window {
        paths: row.parse("paths", Paths::parse)?,
        scope: row.parse("scope", Scope::parse)?,
        span: Span { from, to },
    };
    Ok(Version { saved_at, plan: Some(plan) })
}

fn proof(row: &Row) -> Result<Proof> {
    Ok(Proof {
        version: row.decode("version", |version| version.try_into().ok())?,
        channel: row.parse("channel", Channel::parse)?,
        paths: row.parse("paths", Paths::parse)?,
        published_at: row.get("published_at_us")?,
        withdrawn_at: row.get("withdrawn_at_us")?,
    })
}

fn stored(place: usize) -> i64 {
    i64::try_from(place).expect("versions are counted by people")
}
