//! Schedules of compensation: drafted, then published once by somebody else, and never changed.

use domain::Timestamp;
use domain::agreement::compensation::{Draft, Schedule};
use domain::calendar::month::PersianMonth;

use crate::chain::{self, Fact};
use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// A schedule as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its number.
    pub number: u32,
    /// What it says, and who wrote it.
    pub draft: Draft,
    /// When it was written.
    pub drafted_at: Timestamp,
    /// Since it was published: the schedule, and its place among those that are.
    pub published: Option<(Schedule, u32)>,
}

/// Adds a draft. The answer is its number.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn insert(tx: &mut Tx, draft: &Draft, at: Timestamp) -> Result<u32> {
    let sql = "INSERT INTO compensation_schedule (body, author, drafted_at_us)
               VALUES ($1, $2, $3) RETURNING number";
    tx.query_one(sql, values![&draft.to_text(), &draft.author, at]).await?.get("number")
}

/// Publishes a draft at a place among the published. `false`: it is none any more.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when the place was taken meanwhile.
pub async fn publish(tx: &mut Tx, number: u32, schedule: &Schedule, place: u32) -> Result<bool> {
    let sql = "UPDATE compensation_schedule
               SET place = $2, approver = $3, effective_from = $4, published_at_us = $5
               WHERE number = $1 AND place IS NULL";
    let values = values![
        number,
        place,
        schedule.approver(),
        &schedule.effective_from().to_string(),
        schedule.published_at()
    ];
    let published = tx.execute(sql, values).await? == 1;
    if published {
        let (approver, at) = (schedule.approver(), schedule.published_at());
        chain::attest(tx, Fact::Schedule(number), approver, at);
    }
    Ok(published)
}

/// Every schedule and draft, by number.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(reads: &mut impl Queries) -> Result<Vec<Kept>> {
    let sql = "SELECT number, body, author, drafted_at_us, place, approver, effective_from,
                      published_at_us
               FROM compensation_schedule ORDER BY number";
    reads.query(sql, values![]).await?.iter().map(kept).collect()
}

fn kept(row: &Row) -> Result<Kept> {
    let author: String = row.get("author")?;
    let draft = row.parse("body", |text| Draft::parse(text, &author).ok())?;
    let place: Option<u32> = row.get("place")?;
    let published = match place {
        None => None,
        Some(place) => {
            let from = row.parse("effective_from", PersianMonth::parse)?;
            let (approver, at) = (row.get("approver")?, row.get("published_at_us")?);
            Some((Schedule::kept(draft.clone(), approver, from, at), place))
        }
    };
    Ok(Kept { number: row.get("number")?, draft, drafted_at: row.get("drafted_at_us")?, published })
}
