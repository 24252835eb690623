//! Public holidays as the operator has entered them, over those of the program.

use domain::Timestamp;
use domain::calendar::day::Day;
use domain::calendar::holiday::{Holiday, HolidayBasis, HolidayStatus};

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Tx};

/// Enters a holiday at this moment, or, when a clock was ahead that entered one before, just after
/// that: what is entered later counts from a later moment, whatever clocks say.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert(tx: &mut Tx, new: &Holiday, now: Timestamp) -> Result<()> {
    let sql = "SELECT MAX(entered_at_us) AS last FROM holiday";
    let last: Option<Timestamp> = tx.query_one(sql, &[]).await?.get("last")?;
    let at = last.map_or(now, |last| now.max(last.plus_us(1)));
    let sql = "INSERT INTO holiday (day_us, name, name_en, status, basis, entered_at_us)
               VALUES ($1, $2, $3, $4, $5, $6) RETURNING id";
    let (status, basis) = (new.status.word(), new.basis.word());
    let values = values![new.day.start(), &new.name, &new.name_en, status, basis, at];
    let id = tx.query_one(sql, values).await?.get("id")?;
    chain::attest(tx, Fact::Holiday(id), chain::OPERATOR, at);
    Ok(())
}

/// What was entered, and when, in that order.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn all(reads: &mut impl Queries) -> Result<Vec<(Timestamp, Holiday)>> {
    let sql = "SELECT day_us, name, name_en, status, basis, entered_at_us FROM holiday
               ORDER BY id";
    let rows = reads.query(sql, &[]).await?;
    rows.iter()
        .map(|row| {
            let holiday = Holiday {
                day: Day::of(row.get("day_us")?),
                name: row.get("name")?,
                name_en: row.get("name_en")?,
                status: row.parse("status", HolidayStatus::parse)?,
                basis: row.parse("basis", HolidayBasis::parse)?,
            };
            Ok((row.get("entered_at_us")?, holiday))
        })
        .collect()
}
