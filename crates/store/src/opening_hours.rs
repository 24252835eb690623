//! The hours of the desk's calendars as the operator has written them down, after those of the
//! agreement. A version never changes; it can be taken back before it holds.

use domain::Timestamp;
use domain::calendar::day::Day;
use domain::calendar::opening_hours::{CalendarKind, DayType, OpeningHours, read_rest_days};
use domain::class::{hours_text, read_windows};

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A version, and who wrote it down when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    /// The version.
    pub hours: OpeningHours,
    /// When it was written down; `None` for that of the agreement.
    pub by: Option<(Timestamp, String)>,
    /// When it was taken back, and by whom.
    pub withdrawn: Option<(Timestamp, String)>,
}

impl Entered {
    /// Whether it stands and came with the version of the agreement of this number.
    pub fn came_with(&self, agreement: u32) -> bool {
        let by = self.by.as_ref().filter(|_| self.withdrawn.is_none());
        by.is_some_and(|(_, by)| *by == of_agreement(agreement))
    }
}

/// Who writes down hours that come with a version of the agreement.
pub fn of_agreement(number: u32) -> String {
    format!("agreement {number}")
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
    tx.execute(sql, values).await?;
    chain::attest(tx, Fact::OpeningHours(kind, hours.number()), actor, at);
    Ok(())
}

/// Takes a version back. `false`: there is none of that number that stands.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn withdraw(
    tx: &mut Tx,
    kind: CalendarKind,
    number: u32,
    (at, actor): (Timestamp, &str),
) -> Result<bool> {
    let sql = "UPDATE opening_hours SET withdrawn_at_us = $3, withdrawn_by = $4
               WHERE kind = $1 AND number = $2 AND withdrawn_at_us IS NULL";
    let done = tx.execute(sql, values![kind.word(), number, at, actor]).await? == 1;
    if done {
        chain::attest(tx, Fact::OpeningHours(kind, number), actor, at);
    }
    Ok(done)
}

/// The versions of a calendar that were written down, in order, also what was taken back.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn of_kind(reads: &mut impl Queries, kind: CalendarKind) -> Result<Vec<Entered>> {
    let sql = "SELECT number, valid_from_us, rest_days, ordinary_hours, off_hours, entered_at_us,
                      actor, withdrawn_at_us, withdrawn_by
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
    let withdrawn: (Option<Timestamp>, Option<String>) =
        (row.get("withdrawn_at_us")?, row.get("withdrawn_by")?);
    let by = Some((row.get("entered_at_us")?, row.get("actor")?));
    Ok(Entered { hours, by, withdrawn: withdrawn.0.zip(withdrawn.1) })
}
