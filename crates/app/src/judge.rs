//! The judge's session: everything that is stored of what was allowed and of what became of it is
//! read, and the verdict is told. It works beside a running server and changes nothing.

use std::collections::BTreeMap;

use domain::calendar::day::Day;
use domain::campaign::numbers::{CompactNumber, NumberSet};
use domain::judge::{Fact, Judge, Permission, Report};
use domain::{AccountId, CampaignId, Timestamp};
use store::Reader;

use crate::{App, Error, Failure, Result};

/// Rows of the log that are read at a time.
const PAGE: u32 = 5_000;

/// Judges what was logged from `since` on: for each campaign, and for all sends that are of none.
///
/// # Errors
/// The database failed.
pub async fn judge(
    app: &App,
    since: Timestamp,
) -> std::result::Result<BTreeMap<Option<CampaignId>, Report>, Failure> {
    let mut reads = app.read().await?;
    let mut judge = informed(&mut reads).await?;
    hear(&mut reads, &mut judge, (0, i64::MAX, since), |_| true).await?;
    for (campaign, send, n) in store::decision::unlogged(&mut reads, since).await? {
        judge.hear_of_unlogged(campaign, send, n);
    }
    Ok(judge.close())
}

/// A judge who knows every policy, permission and holiday.
async fn informed(reads: &mut Reader) -> std::result::Result<Judge, Failure> {
    let policies = store::class::all(reads).await?;
    let permissions = store::class::permissions(reads).await?.into_iter().map(|one| Permission {
        account: one.account,
        granted_at: one.granted_at,
        revoked_at: one.revoked_at,
    });
    let holidays = crate::holiday::read(reads).await?;
    Ok(Judge::new(policies, permissions.collect(), holidays))
}

/// Lets the judge hear the rows from one behind `after` to `last`, of those that were written from
/// `since` on, whose facts concern it.
async fn hear(
    reads: &mut Reader,
    judge: &mut Judge,
    (mut after, last_row, since): (i64, i64, Timestamp),
    concerns: impl Fn(&Fact) -> bool,
) -> std::result::Result<(), Failure> {
    while after < last_row {
        let page = store::decision::page(reads, after, since, PAGE).await?;
        let (Some((first, _)), Some((last, _))) = (page.first(), page.last()) else { break };
        after = *last;
        let listed = store::decision::listed(reads, (*first, *last)).await?;
        for (row, fact) in page.iter().filter(|(row, fact)| *row <= last_row && concerns(fact)) {
            if let Some(campaign) = fact.campaign.filter(|campaign| !judge.knows(*campaign)) {
                judge.learn(campaign, store::campaign::schedules(reads, campaign).await?);
            }
            judge.hear(fact, listed.get(row).map_or(&[], Vec::as_slice));
        }
    }
    Ok(())
}

/// What was found of a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// What the judge found.
    pub report: Report,
    /// Whether nothing more can be called of it, so that nothing is missing.
    pub is_complete: bool,
    /// When it was judged.
    pub at: Timestamp,
}

/// Why a campaign was not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotJudged {
    /// The account has no such campaign.
    NoSuchCampaign,
    /// Another one is being judged.
    Busy,
}

/// Judges an account's campaign. Calls of everybody to its numbers are heard, from the day before
/// its first call on: they count for a cap, and may have been under way. One at a time in a
/// process, since all its calls are in memory.
///
/// # Errors
/// Refused as [`NotJudged`] says.
pub async fn of_campaign(
    app: &App,
    account: AccountId,
    id: CampaignId,
) -> Result<Judged, NotJudged> {
    static ONE_AT_A_TIME: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(1);
    let mut reads = app.read().await?;
    let campaign = store::campaign::find(&mut reads, account, id).await?;
    let campaign = campaign.ok_or(Error::Refused(NotJudged::NoSuchCampaign))?;
    let turn = ONE_AT_A_TIME.try_acquire();
    let _turn = turn.map_err(|_| Error::Refused(NotJudged::Busy))?;
    let mut judge = informed(&mut reads).await?;
    if let Some(stretch) = store::decision::stretch(&mut reads, id).await? {
        let numbers = numbers(&mut reads, id).await?;
        let since = Day::of(stretch.from).plus(-1).start();
        let after = store::decision::before(&mut reads, since, stretch.first).await?;
        let concerns = |fact: &Fact| {
            fact.campaign == Some(id)
                || CompactNumber::parse(&fact.number).is_some_and(|one| numbers.contains(one))
        };
        hear(&mut reads, &mut judge, (after, stretch.last, since), concerns).await?;
    }
    for (send, n) in store::decision::unlogged_of(&mut reads, id).await? {
        judge.hear_of_unlogged(Some(id), send, n);
    }
    let report = judge.close().remove(&Some(id)).unwrap_or_default();
    let is_complete = campaign.state.is_over() && campaign.open == 0;
    Ok(Judged { report, is_complete, at: app.now() })
}

/// The numbers of a campaign.
async fn numbers(reads: &mut Reader, id: CampaignId) -> std::result::Result<NumberSet, Failure> {
    let (mut numbers, mut count) = (NumberSet::default(), 0);
    loop {
        let page = store::campaign::numbers(reads, id, count, PAGE).await?;
        if page.is_empty() {
            return Ok(numbers);
        }
        count += u32::try_from(page.len()).unwrap_or(u32::MAX);
        numbers.extend(page);
    }
}
