//! The recipients of campaigns as their owner sees them: of one campaign, of a message, of some
//! days, or by their identities.

use domain::calendar::date_time::Period;
use domain::campaign::RecipientStatus;
use domain::{AccountId, CampaignId, MessageId, QuickSendId, RecipientId, Status};
use store::Reader;
use store::recipient::Standing;

use super::{PAGE, end_of_uncalled};
use crate::report::{End, Recorded};
use crate::{App, Failure};

/// Campaigns that are looked up at a time.
const CAMPAIGNS: u32 = 100;

/// A recipient as its campaign's owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// What is stored of it.
    pub stored: store::recipient::Recipient,
    /// Where it stands, a call that goes on now included.
    pub status: RecipientStatus,
    /// Where the recording of its last call stands, if one is asked for.
    pub recording: Option<Recorded>,
    /// How that call ended, if it has.
    pub end: Option<End>,
}

/// The recipients of the account's campaign after the `after`-th one, at most `limit`; `None` when
/// there is no such campaign.
///
/// # Errors
/// The database failed.
pub async fn recipients(
    app: &App,
    account: AccountId,
    id: CampaignId,
    after: u32,
    limit: usize,
) -> Result<Option<Vec<Recipient>>, Failure> {
    let mut reads = app.read().await?;
    if store::campaign::find(&mut reads, account, id).await?.is_none() {
        return Ok(None);
    }
    let mut told = Vec::new();
    extend(app, &mut reads, (account, id, after), &mut told, limit).await?;
    Ok(Some(told))
}

/// Adds recipients of a campaign after the `after`-th one, until there are `limit` or no more.
async fn extend(
    app: &App,
    reads: &mut Reader,
    (account, id, mut after): (AccountId, CampaignId, u32),
    told: &mut Vec<Recipient>,
    limit: usize,
) -> Result<(), Failure> {
    while told.len() < limit {
        let page = store::recipient::page(reads, account, id, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.id.n;
        told.extend(page.into_iter().map(|one| Recipient::of(app, one)));
    }
    told.truncate(limit);
    Ok(())
}

/// The recipients of all campaigns of the account that play a message, from the one after `last`
/// on, at most `limit`.
///
/// # Errors
/// The database failed.
pub async fn recipients_of_message(
    app: &App,
    account: AccountId,
    message: MessageId,
    last: Option<RecipientId>,
    limit: usize,
) -> Result<Vec<Recipient>, Failure> {
    let mut reads = app.read().await?;
    let (mut from, mut after) = last.map_or((CampaignId(0), 0), |last| (last.campaign, last.n));
    let mut told = Vec::new();
    while told.len() < limit {
        let campaigns =
            store::campaign::playing(&mut reads, account, message, from, CAMPAIGNS).await?;
        let Some(next) = campaigns.last().map(|last| CampaignId(last.0 + 1)) else { break };
        for id in campaigns {
            let after = if id == from { after } else { 0 };
            extend(app, &mut reads, (account, id, after), &mut told, limit).await?;
        }
        (from, after) = (next, 0);
    }
    Ok(told)
}

/// The recipients of the account's campaigns that stepped into the line in a period, from the one
/// after `last` on, at most `limit`.
///
/// # Errors
/// The database failed.
pub async fn recipients_sent(
    app: &App,
    account: AccountId,
    period: Period,
    last: Option<RecipientId>,
    limit: usize,
) -> Result<Vec<Recipient>, Failure> {
    let mut reads = app.read().await?;
    let (days, after) = ((period.from, period.to), last.map_or(0, RecipientId::pack));
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let found = store::recipient::sent(&mut reads, account, days, after, limit).await?;
    Ok(found.into_iter().map(|one| Recipient::of(app, one)).collect())
}

/// The recipients with these identities, each in its place; `None` for one that is none of the
/// account's.
///
/// # Errors
/// The database failed.
pub async fn recipients_by_id(
    app: &App,
    account: AccountId,
    ids: &[Option<RecipientId>],
) -> Result<Vec<Option<Recipient>>, Failure> {
    let mut reads = app.read().await?;
    let mut told = Vec::with_capacity(ids.len());
    for id in ids {
        let found = match id {
            Some(id) => store::recipient::find(&mut reads, account, *id).await?,
            None => None,
        };
        told.push(found.map(|one| Recipient::of(app, one)));
    }
    Ok(told)
}

/// Whom the account's call of a campaign is for; `None` when it is none.
///
/// # Errors
/// The database failed.
pub async fn recipient_of_send(
    app: &App,
    account: AccountId,
    send: QuickSendId,
) -> Result<Option<Recipient>, Failure> {
    let id = store::recipient::of_send(&mut app.read().await?, account, send).await?;
    Ok(recipients_by_id(app, account, &[id]).await?.pop().flatten())
}

impl Recipient {
    fn of(app: &App, stored: store::recipient::Recipient) -> Self {
        let live = stored.send.and_then(|send| app.live().get(send));
        let status = match stored.standing {
            Standing::Uncalled => RecipientStatus::Of(
                end_of_uncalled(stored.campaign).map_or(Status::Queued, Status::Ended),
            ),
            Standing::InLine => RecipientStatus::Of(Status::Queued),
            Standing::Calling => {
                RecipientStatus::Of(live.map_or(Status::Calling, |live| live.max(Status::Calling)))
            }
            Standing::Retrying { .. } => RecipientStatus::Retrying,
            Standing::Ended(disposition) => RecipientStatus::Of(Status::Ended(disposition)),
        };
        let is_over = matches!(status, RecipientStatus::Retrying)
            || matches!(status, RecipientStatus::Of(Status::Ended(_)));
        let recording = Recorded::of(stored.record_ms, stored.recording.as_ref(), is_over);
        let end = stored.end.as_ref().map(|end| End {
            cause: end.cause.clone(),
            sip_code: end.sip_code,
            q850: end.q850,
            answered_at: end.answered_at,
            keys: end.keys.clone(),
            at: end.at,
        });
        Self { stored, status, recording, end }
    }
}
