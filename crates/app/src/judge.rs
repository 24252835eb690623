//! The judge's session: everything that is stored of what was allowed and of what became of it is
//! read, and the verdict is told. It works beside a running server and changes nothing.

use std::collections::BTreeMap;

use domain::judge::{Judge, Permission, Report};
use domain::{CampaignId, Timestamp};

use crate::{App, Failure};

/// Rows of the log that are read at a time.
const PAGE: u32 = 5_000;

/// Judges what was logged from `since` on: for each campaign, and for all sends that are of none.
///
/// # Errors
/// The database failed.
pub async fn judge(
    app: &App,
    since: Timestamp,
) -> Result<BTreeMap<Option<CampaignId>, Report>, Failure> {
    let mut reads = app.read().await?;
    let policies = store::class::all(&mut reads).await?;
    let permissions = store::class::permissions(&mut reads).await?.into_iter().map(|one| {
        Permission { account: one.account, granted_at: one.granted_at, revoked_at: one.revoked_at }
    });
    let holidays = crate::holiday::read(&mut reads).await?;
    let mut judge = Judge::new(policies, permissions.collect(), holidays);
    let mut after = 0;
    loop {
        let page = store::decision::page(&mut reads, after, since, PAGE).await?;
        let (Some((first, _)), Some((last, _))) = (page.first(), page.last()) else { break };
        after = *last;
        let listed = store::decision::listed(&mut reads, (*first, *last)).await?;
        for (row, fact) in &page {
            if let Some(campaign) = fact.campaign.filter(|campaign| !judge.knows(*campaign)) {
                judge.learn(campaign, store::campaign::schedules(&mut reads, campaign).await?);
            }
            judge.hear(fact, listed.get(row).map_or(&[], Vec::as_slice));
        }
    }
    for (campaign, send, n) in store::decision::unlogged(&mut reads, since).await? {
        judge.hear_of_unlogged(campaign, send, n);
    }
    Ok(judge.close())
}
