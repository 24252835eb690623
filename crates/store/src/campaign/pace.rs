//! The pace of a campaign, which its row keeps for all nodes together.

use domain::dialer::pacing::{Grant, Pace};
use domain::{CampaignId, Timestamp};

use crate::value::values;
use crate::{Queries as _, Result, Tx};

/// Sets the pace of a campaign, or lifts it. Its next call waits for what an older, slower one has
/// given away no longer than the new one asks.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn set_pace(
    tx: &mut Tx,
    id: CampaignId,
    per_minute: Option<u32>,
    now: Timestamp,
) -> Result<()> {
    let pace = per_minute.map(|per_minute| Pace { campaign: id, per_minute });
    let due = pace.map_or(now, |pace| pace.slots(now, now).after(1).first);
    let sql = "UPDATE campaign
               SET calls_per_minute = $2,
                   pace_due_us = CASE WHEN pace_due_us < $3 THEN pace_due_us ELSE $3 END,
                   pace_free_us = CASE WHEN pace_free_us < $3 THEN pace_free_us ELSE $3 END
               WHERE id = $1";
    tx.execute(sql, values![id, per_minute, due]).await.map(drop)
}

/// Takes as many of so many starts as the pace of a campaign allows at `now`, from all nodes
/// together; `None` when it has no pace any more. Nothing else may be locked by the transaction: a
/// campaign is locked before what stands in its line.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn take_pace(
    tx: &mut Tx,
    campaign: CampaignId,
    now: Timestamp,
    wanted: u32,
) -> Result<Option<Grant>> {
    let sql = "UPDATE campaign SET pace_free_us = pace_free_us WHERE id = $1
               RETURNING pace_free_us, calls_per_minute";
    let Some(row) = tx.query_opt(sql, values![campaign]).await? else { return Ok(None) };
    let Some(per_minute) = row.get("calls_per_minute")? else { return Ok(None) };
    let grant = Pace { campaign, per_minute }.grant(row.get("pace_free_us")?, now, wanted);
    if grant.count > 0 {
        let sql = "UPDATE campaign SET pace_free_us = $2 WHERE id = $1";
        tx.execute(sql, values![campaign, grant.free]).await?;
    }
    Ok(Some(grant))
}
