//! The hours of the desk's calendars as the operator has written them down, after those of the
//! agreement. A version never changes.

use domain::Timestamp;
use domain::calendar::day::Day;
use domain::calendar::opening_hours::{CalendarKind, DayType, OpeningHours, read_rest_days};
use domain::class::{hours_text, read_windows};

use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A version, and who wrote it down when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    /// The version.
    pub hours: OpeningHours,
    /// When it was written down; `None` for that of the agreement.
    pub by: Option<(Timestamp, String)>,
}

/// Adds a version.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when somebody else added one just now.
pub async fn insert(
    tx: &mut Tx,
    kind: CalendarKind,
    hours: &OpeningHours,
    (at, actor): (Timestamp, &str),
) -> Result<()> {
    let sql = "INSERT INTO opening_hours (kind, number, valid_from_us, rest_days, ordinary_hours,
                                          off_hours, entered_at_us, actor)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let values = values![
        kind.word(),
        hours.number(),
        hours.valid_from().start(),
        &hours.rest_days_text(),
        &hours_text(hours, DayType::Ordinary),
        &hours_text(hours, DayType::Off),
        at,
        actor
    ];
    tx.execute(sql, values).await.map(drop)
}

/// The versions of a calendar that were written down, in order.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn of_kind(reads: &mut impl Queries, kind: CalendarKind) -> Result<Vec<Entered>> {
    let sql = "SELECT number, valid_from_us, rest_days, ordinary_hours, off_hours, entered_at_us,
                      actor
               FROM opening_hours WHERE kind = $1 ORDER BY number";
    reads.query(sql, values![kind.word()]).await?.iter().map(entered).collect()
}

fn entered(row: &Row) -> Result<Entered> {
    let rest_days = row.parse("rest_days", read_rest_days)?;
    let ordinary = row.parse("ordinary_hours", read_windows)?;
    let off = row.parse("off_hours", read_windows)?;
    let valid_from = Day::of(row.get("valid_from_us")?);
    let number: u32 = row.get("number")?;
    let hours = row.decode("number", |_: i64| {
        OpeningHours::new(number, valid_from, &rest_days, &ordinary, &off).ok()
    })?;
    Ok(Entered { hours, by: Some((row.get("entered_at_us")?, row.get("actor")?)) })
}
