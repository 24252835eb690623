//! Vantage points and their samples: what is seen of the covered paths, each look once.

use domain::agreement::measurement::Sample;
use domain::agreement::scope::CoveredPath;
use domain::agreement::vantage::Look;
use domain::calendar::span::Span;
use domain::{Timestamp, TokenId, VantageId};

use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A place from which the service is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vantage {
    /// Its identity.
    pub id: VantageId,
    /// The operator's name for it.
    pub name: String,
    /// The token by which it is known.
    pub token: TokenId,
    /// Since when it is one.
    pub added_at: Timestamp,
    /// Since when it is none any more.
    pub removed_at: Option<Timestamp>,
    /// When it last reported.
    pub heard_at: Option<Timestamp>,
    /// How far its clock was ahead of ours then, microseconds.
    pub clock_offset_us: Option<i64>,
}

/// A sample as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSample {
    /// The run of the probe that it is of, and which of its looks: its name.
    pub name: (i64, i64),
    /// What counts of it.
    pub sample: Sample,
    /// Of which path.
    pub path: CoveredPath,
    /// How long the look took, microseconds.
    pub latency_us: i64,
    /// What went wrong.
    pub error: Option<String>,
    /// When it came.
    pub received_at: Timestamp,
}

/// Makes the holder of a token a vantage point.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when the name is taken.
pub async fn add_vantage(
    tx: &mut Tx,
    name: &str,
    token: TokenId,
    at: Timestamp,
) -> Result<VantageId> {
    let sql = "INSERT INTO vantage (name, token_id, added_at_us) VALUES ($1, $2, $3) RETURNING id";
    tx.query_one(sql, values![name, token, at]).await?.get("id")
}

/// Ends that a place is a vantage point, and switches its token off. `false`: it was none.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn remove_vantage(tx: &mut Tx, id: VantageId, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE vantage SET removed_at_us = $2 WHERE id = $1 AND removed_at_us IS NULL";
    if tx.execute(sql, values![id, at]).await? == 0 {
        return Ok(false);
    }
    let sql = "UPDATE token SET disabled_at_us = $2
               WHERE id = (SELECT token_id FROM vantage WHERE id = $1) AND disabled_at_us IS NULL";
    tx.execute(sql, values![id, at]).await?;
    Ok(true)
}

/// Every vantage point that there ever was.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn vantages(reads: &mut impl Queries) -> Result<Vec<Vantage>> {
    let sql = "SELECT id, name, token_id, added_at_us, removed_at_us, heard_at_us, clock_offset_us
               FROM vantage ORDER BY id";
    reads.query(sql, values![]).await?.iter().map(vantage).collect()
}

fn vantage(row: &Row) -> Result<Vantage> {
    Ok(Vantage {
        id: row.get("id")?,
        name: row.get("name")?,
        token: row.get("token_id")?,
        added_at: row.get("added_at_us")?,
        removed_at: row.get("removed_at_us")?,
        heard_at: row.get("heard_at_us")?,
        clock_offset_us: row.get("clock_offset_us")?,
    })
}

/// Notes that the holder of a token reported, with the clock over there so far ahead. `None`: the
/// token is of no vantage point.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn heard(
    tx: &mut Tx,
    token: TokenId,
    at: Timestamp,
    clock_offset_us: i64,
) -> Result<Option<VantageId>> {
    let sql = "UPDATE vantage SET heard_at_us = $2, clock_offset_us = $3
               WHERE token_id = $1 AND removed_at_us IS NULL RETURNING id";
    let row = tx.query_opt(sql, values![token, at, clock_offset_us]).await?;
    row.map(|row| row.get("id")).transpose()
}

/// Keeps a sample. `false`: it is kept already.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert_sample(
    tx: &mut Tx,
    vantage: VantageId,
    look: &Look,
    (at, clock_offset_us): (Timestamp, i64),
    received_at: Timestamp,
) -> Result<bool> {
    let sql = "INSERT INTO sample (vantage_id, run, number, path, at_us, clock_offset_us, worked,
                                   latency_us, error, received_at_us)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
               ON CONFLICT (vantage_id, run, number) DO NOTHING";
    let values = values![
        vantage,
        look.run,
        look.number,
        look.path.word(),
        at,
        clock_offset_us,
        i64::from(look.worked),
        look.latency_us,
        look.error.as_ref(),
        received_at,
    ];
    Ok(tx.execute(sql, values).await? == 1)
}

/// The samples of a path in a time, of all vantage points or one, by their time; at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn samples(
    reads: &mut impl Queries,
    (path, vantage): (CoveredPath, Option<VantageId>),
    time: Span,
    limit: u32,
) -> Result<Vec<KeptSample>> {
    let sql = "SELECT vantage_id, run, number, path, at_us, clock_offset_us, worked, latency_us,
                      error, received_at_us
               FROM sample WHERE path = $1 AND at_us >= $2 AND at_us < $3
                     AND vantage_id BETWEEN $4 AND $5
               ORDER BY at_us, vantage_id, run, number LIMIT $6";
    let (first, last) = vantage.map_or((VantageId(0), VantageId(i64::MAX)), |one| (one, one));
    let values = values![path.word(), time.from, time.to, first, last, limit];
    reads.query(sql, values).await?.iter().map(sample).collect()
}

/// What counts of the samples of a path in a time; at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn plain_samples(
    reads: &mut impl Queries,
    path: CoveredPath,
    time: Span,
    limit: u32,
) -> Result<Vec<Sample>> {
    let sql = "SELECT vantage_id, at_us, clock_offset_us, worked FROM sample
               WHERE path = $1 AND at_us >= $2 AND at_us < $3 LIMIT $4";
    let values = values![path.word(), time.from, time.to, limit];
    reads.query(sql, values).await?.iter().map(plain).collect()
}

fn plain(row: &Row) -> Result<Sample> {
    Ok(Sample {
        vantage: row.get("vantage_id")?,
        at: row.get("at_us")?,
        clock_offset_us: row.get("clock_offset_us")?,
        worked: row.decode("worked", |worked| Some(worked == 1))?,
    })
}

/// How many samples of a path in a time worked, and how many failed, for each vantage point.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn tallies(
    reads: &mut impl Queries,
    path: CoveredPath,
    time: Span,
) -> Result<Vec<(VantageId, i64, i64)>> {
    let sql = "SELECT vantage_id, CAST(SUM(worked) AS BIGINT) AS worked, COUNT(*) AS looks
               FROM sample WHERE path = $1 AND at_us >= $2 AND at_us < $3
               GROUP BY vantage_id ORDER BY vantage_id";
    let tally = |row: &Row| {
        let (worked, looks): (i64, i64) = (row.get("worked")?, row.get("looks")?);
        Ok((row.get("vantage_id")?, worked, looks - worked))
    };
    let values = values![path.word(), time.from, time.to];
    reads.query(sql, values).await?.iter().map(tally).collect()
}

fn sample(row: &Row) -> Result<KeptSample> {
    Ok(KeptSample {
        name: (row.get("run")?, row.get("number")?),
        sample: plain(row)?,
        path: row.parse("path", CoveredPath::parse)?,
        latency_us: row.get("latency_us")?,
        error: row.get("error")?,
        received_at: row.get("received_at_us")?,
    })
}

/// When a path was last looked at.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn last_look(reads: &mut impl Queries, path: CoveredPath) -> Result<Option<Timestamp>> {
    let sql = "SELECT MAX(at_us) AS at_us FROM sample WHERE path = $1";
    reads.query_one(sql, values![path.word()]).await?.get("at_us")
}

/// The first look at a path that is kept.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn first_look(reads: &mut impl Queries, path: CoveredPath) -> Result<Option<Timestamp>> {
    let sql = "SELECT MIN(at_us) AS at_us FROM sample WHERE path = $1";
    reads.query_one(sql, values![path.word()]).await?.get("at_us")
}

/// Forgets samples of before a moment, at most `limit` of them; how many those were.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn forget_samples(
    tx: &mut Tx,
    path: CoveredPath,
    before: Timestamp,
    limit: u32,
) -> Result<u64> {
    let sql = "DELETE FROM sample WHERE (vantage_id, run, number) IN
                   (SELECT vantage_id, run, number FROM sample
                    WHERE path = $1 AND at_us < $2 ORDER BY at_us LIMIT $3)";
    tx.execute(sql, values![path.word(), before, limit]).await
}
