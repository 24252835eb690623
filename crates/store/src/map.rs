//! The map of numbers, in versions: of those in force the one that was begun last counts, whatever
//! clocks say. A version is filled in parts, of which nobody sees any before it is in force.

use domain::Timestamp;
use domain::campaign::numbers::CompactNumber;
use domain::map::{Position, Region};

use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A version of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Map {
    /// Its identity.
    pub id: i64,
    /// When it came in force.
    pub in_force_at: Timestamp,
    /// How many numbers it has.
    pub numbers: u32,
}

/// A number and where it is, as the map has them in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// The number.
    pub number: CompactNumber,
    /// Where it is.
    pub position: Position,
}

/// The version in force.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn current(reads: &mut impl Queries) -> Result<Option<Map>> {
    let sql = "SELECT id, in_force_at_us, numbers FROM map WHERE in_force_at_us IS NOT NULL
               ORDER BY id DESC LIMIT 1";
    let row = reads.query_opt(sql, values![]).await?;
    let map = |row: &Row| {
        Ok(Map {
            id: row.get("id")?,
            in_force_at: row.get("in_force_at_us")?,
            numbers: row.get("numbers")?,
        })
    };
    row.as_ref().map(map).transpose()
}

/// Whether all numbers of a version are still there.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn is_whole(reads: &mut impl Queries, map: &Map) -> Result<bool> {
    let sql = "SELECT numbers FROM map WHERE id = $1";
    let row = reads.query_opt(sql, values![map.id]).await?;
    let numbers = row.map(|row| row.get("numbers")).transpose()?;
    Ok(numbers == Some(map.numbers))
}

/// The numbers of a version in the smallest rectangle around a region, from the one after `after`
/// on, at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn around(
    reads: &mut impl Queries,
    map: i64,
    region: &Region,
    after: Option<Placed>,
    limit: u32,
) -> Result<Vec<Placed>> {
    let (south_west, north_east) = region.bounds();
    let (lat, lng, number) = match after {
        Some(Placed { number, position }) => {
            (position.lat_udeg(), position.lng_udeg(), number.national())
        }
        None => (south_west.lat_udeg(), i64::MIN, String::new()),
    };
    let sql = "SELECT map_id AS id, lat_udeg, lng_udeg, number FROM map_number
               WHERE map_id = $1 AND (lat_udeg, lng_udeg, number) > ($2, $3, $4)
                 AND lat_udeg <= $5 AND lng_udeg >= $6 AND lng_udeg <= $7
               ORDER BY lat_udeg, lng_udeg, number LIMIT $8";
    let (west, east) = (south_west.lng_udeg(), north_east.lng_udeg());
    let values = values![map, lat, lng, &number, north_east.lat_udeg(), west, east, limit];
    reads.query(sql, values).await?.iter().map(placed).collect()
}

fn placed(row: &Row) -> Result<Placed> {
    let lng: i64 = row.get("lng_udeg")?;
    Ok(Placed {
        number: row.parse("number", CompactNumber::parse)?,
        position: row.decode("lat_udeg", |lat| Position::new(lat, lng))?,
    })
}

/// Begins a version that nobody sees. Whoever was filling in another one cannot go on.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn begin(tx: &mut Tx, now: Timestamp) -> Result<i64> {
    let sql = "INSERT INTO map (begun_at_us, numbers) VALUES ($1, 0) RETURNING id";
    tx.query_one(sql, values![now]).await?.get("id")
}

/// Adds numbers to a version that is being filled in. `false`: it is not any more, and nothing was
/// added.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] for a number that is there already.
pub async fn add(tx: &mut Tx, map: i64, numbers: &[Placed]) -> Result<bool> {
    let sql = "UPDATE map SET numbers = numbers + $2
               WHERE id = $1 AND in_force_at_us IS NULL
                 AND NOT EXISTS (SELECT 1 FROM map later WHERE later.id > $1)";
    let count = i64::try_from(numbers.len()).expect("a part is small");
    if tx.execute(sql, values![map, count]).await? == 0 {
        return Ok(false);
    }
    let sql = "INSERT INTO map_number (map_id, lat_udeg, lng_udeg, number)
               VALUES ($1, $2, $3, $4)";
    for Placed { number, position } in numbers {
        let values = values![map, position.lat_udeg(), position.lng_udeg(), &number.national()];
        tx.execute(sql, values).await?;
    }
    Ok(true)
}

/// Puts a version that was filled in in force. `false`: it is gone.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn put_in_force(tx: &mut Tx, map: i64, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE map SET in_force_at_us = $2
               WHERE id = $1 AND in_force_at_us IS NULL
                 AND NOT EXISTS (SELECT 1 FROM map later WHERE later.id > $1)";
    Ok(tx.execute(sql, values![map, now]).await? == 1)
}

/// Removes up to `limit` numbers of versions up to `last`: of those that never came in force, and
/// of those that came in force before the one that is. Those that have none left go, too. Tells
/// whether there is more to do.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn tidy(tx: &mut Tx, last: i64, limit: u32) -> Result<bool> {
    let current = current(tx).await?.map_or(0, |map| map.id);
    let sql = "SELECT id FROM map
               WHERE id <= $1 AND (in_force_at_us IS NULL OR id < $2) ORDER BY id LIMIT 1";
    let Some(row) = tx.query_opt(sql, values![last, current]).await? else { return Ok(false) };
    let old: i64 = row.get("id")?;
    // Locked, and looked at again: it may have come in force meanwhile.
    let sql = "UPDATE map SET numbers = 0
               WHERE id = $1 AND (in_force_at_us IS NULL OR id < $2)";
    if tx.execute(sql, values![old, current]).await? == 0 {
        return Ok(true);
    }
    let sql = "DELETE FROM map_number
               WHERE map_id = $1 AND (lat_udeg, lng_udeg, number) IN (
                   SELECT lat_udeg, lng_udeg, number FROM map_number WHERE map_id = $1
                   ORDER BY lat_udeg, lng_udeg, number LIMIT $2)";
    if tx.execute(sql, values![old, limit]).await? == 0 {
        tx.execute("DELETE FROM map WHERE id = $1", values![old]).await?;
    }
    Ok(true)
}
