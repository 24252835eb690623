//! The days and hours of campaigns: those that are in force stand with the campaign, and every one
//! there ever was in a log, which the judge goes by.

use domain::calendar::calling_window::CallingWindow;
use domain::campaign::Schedule;
use domain::{CampaignId, Timestamp};

use crate::value::values;
use crate::{Queries, Result, Row, Tx};

/// Writes down that these are the days and hours of a campaign from a moment on.
pub(super) async fn log(
    tx: &mut Tx,
    id: CampaignId,
    schedule: &Schedule,
    from: Timestamp,
) -> Result<()> {
    let sql = "INSERT INTO campaign_schedule (campaign_id, from_us, starts_at_us, ends_at_us,
                                              from_minute, to_minute)
               VALUES ($1, $2, $3, $4, $5, $6)";
    let (from_minute, to_minute) = (schedule.daily.from_minute(), schedule.daily.to_minute());
    let values = values![
        id,
        from,
        schedule.starts_at,
        schedule.ends_at,
        u32::from(from_minute),
        u32::from(to_minute),
    ];
    tx.execute(sql, values).await.map(drop)
}

/// The days and hours that a campaign has had, each from a moment on, the oldest first.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn schedules(
    reads: &mut impl Queries,
    id: CampaignId,
) -> Result<Vec<(Timestamp, Schedule)>> {
    let sql = "SELECT id, from_us, starts_at_us, ends_at_us, from_minute, to_minute
               FROM campaign_schedule WHERE campaign_id = $1 ORDER BY id";
    let rows = reads.query(sql, values![id]).await?;
    rows.iter().map(|row| Ok((row.get("from_us")?, of_row(row)?))).collect()
}

/// The days and hours in a row.
pub(super) fn of_row(row: &Row) -> Result<Schedule> {
    let from_minute = row.decode("from_minute", |minute| u16::try_from(minute).ok())?;
    let daily = |to| CallingWindow::new(from_minute, u16::try_from(to).ok()?);
    Ok(Schedule {
        starts_at: row.get("starts_at_us")?,
        ends_at: row.get("ends_at_us")?,
        daily: row.decode("to_minute", daily)?,
    })
}
