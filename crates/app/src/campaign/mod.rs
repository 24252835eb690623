//! Campaigns: made from a list, started, paused, stopped, looked at. `create` takes lists in,
//! `change` moves a campaign between its states, `feed` lets its recipients step into the line.

mod change;
mod create;
mod feed;

use std::collections::BTreeMap;

use domain::campaign::admission::Plan;
use domain::campaign::{RecipientStatus, State};
use domain::{
    AccountId, CampaignId, Disposition, QuickSendId, RecipientId, Rials, Status, Timestamp, Zone,
};
pub use store::campaign::Campaign;
use store::recipient::Standing;

use crate::{App, Failure};

pub use change::{StartPlan, StartRefusal, cancel, pause, resume, start, stop};
pub use create::{
    Added, CreateRefusal, Created, ListRefusal, NewCampaign, add_numbers, create, redial,
};
pub use domain::dialer::pacing::CAMPAIGN_CLASS as CLASS;
pub use feed::feed;

/// Recipients that are read at a time.
const PAGE: u32 = 2_000;

/// A campaign and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The campaign.
    pub campaign: Campaign,
    /// The title of its message; empty when it was deleted.
    pub message_title: String,
    /// How many recipients ended, by disposition; when it is over, everybody did.
    pub results: BTreeMap<Disposition, u32>,
}

impl Progress {
    /// How many recipients wait for their first call.
    pub fn waiting(&self) -> u32 {
        if self.campaign.state.is_over() { 0 } else { self.campaign.uncalled() }
    }
}

/// A recipient as its campaign's owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Its identity.
    pub id: RecipientId,
    /// Its number.
    pub number: String,
    /// Its price zone.
    pub zone: Zone,
    /// Where it stands.
    pub status: RecipientStatus,
    /// Its last call.
    pub send: Option<QuickSendId>,
    /// Calls that were made.
    pub tries: u32,
    /// What they cost.
    pub charge: Rials,
    /// What was heard of the last one.
    pub heard_ms: u32,
    /// The first key pressed in it.
    pub vote: Option<u8>,
    /// When it began.
    pub called_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// The account's campaign `id`.
///
/// # Errors
/// The database failed.
pub async fn find(
    app: &App,
    account: AccountId,
    id: CampaignId,
) -> Result<Option<Progress>, Failure> {
    let mut reads = app.read().await?;
    let found = store::campaign::progress(&mut reads, account, id).await?;
    let Some((campaign, mut results)) = found else { return Ok(None) };
    let message = store::message::find(&mut reads, account, campaign.message).await?;
    if let Some(end) = end_of_uncalled(campaign.state)
        && campaign.uncalled() > 0
    {
        *results.entry(end).or_default() += campaign.uncalled();
    }
    let message_title = message.map(|message| message.title).unwrap_or_default();
    Ok(Some(Progress { campaign, message_title, results }))
}

/// Whose campaign `id` is, for the operator.
///
/// # Errors
/// The database failed.
pub async fn owner(app: &App, id: CampaignId) -> Result<Option<AccountId>, Failure> {
    Ok(store::campaign::owner(&mut app.read().await?, id).await?)
}

/// The newest campaigns, of one account or of all.
///
/// # Errors
/// The database failed.
pub async fn newest(
    app: &App,
    account: Option<AccountId>,
    limit: u32,
) -> Result<Vec<Campaign>, Failure> {
    Ok(store::campaign::list(&mut app.read().await?, account, None, limit).await?)
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
    let Some(campaign) = store::campaign::find(&mut reads, account, id).await? else {
        return Ok(None);
    };
    let (mut told, mut after) = (Vec::new(), after);
    while told.len() < limit {
        let page = store::recipient::page(&mut reads, account, id, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.id.n;
        told.extend(page.into_iter().map(|one| Recipient::of(app, &campaign, one)));
    }
    told.truncate(limit);
    Ok(Some(told))
}

/// What becomes of recipients that were never called when their campaign is over.
fn end_of_uncalled(state: State) -> Option<Disposition> {
    match state {
        State::Finished => Some(Disposition::Expired),
        State::Cancelled => Some(Disposition::Cancelled),
        State::Draft | State::Running | State::Paused(_) | State::Stopped => None,
    }
}

impl Recipient {
    fn of(app: &App, campaign: &Campaign, stored: store::recipient::Recipient) -> Self {
        let live = stored.send.and_then(|send| app.live().get(send));
        let status = match stored.standing {
            Standing::Uncalled => RecipientStatus::Of(
                end_of_uncalled(campaign.state).map_or(Status::Queued, Status::Ended),
            ),
            Standing::InLine => RecipientStatus::Of(Status::Queued),
            Standing::Calling => {
                RecipientStatus::Of(live.map_or(Status::Calling, |live| live.max(Status::Calling)))
            }
            Standing::Retrying { .. } => RecipientStatus::Retrying,
            Standing::Ended(disposition) => RecipientStatus::Of(Status::Ended(disposition)),
        };
        Self {
            id: stored.id,
            number: stored.number,
            zone: stored.zone,
            status,
            send: stored.send,
            tries: stored.tries,
            charge: stored.charge,
            heard_ms: stored.heard_ms,
            vote: stored.vote,
            called_at: stored.called_at,
            ended_at: stored.ended_at,
        }
    }
}

/// What a plan is made of when it comes from a client: days and hours as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenPlan {
    /// The customer's title.
    pub title: String,
    /// The first day and the hour at which each day starts.
    pub start: String,
    /// The last day and the hour at which each day ends.
    pub end: String,
    /// Tries at each recipient.
    pub max_tries: u32,
    /// The pause between two tries, minutes.
    pub minutes_between_tries: u32,
    /// Whether the first key pressed is kept.
    pub vote: bool,
    /// How long the callee's voice is recorded after the message, milliseconds, if it is.
    pub record_ms: Option<u32>,
    /// The regional server that is to call, if one is asked for.
    pub server: Option<u32>,
    /// Campaigns of a customer with a higher one step into the line first.
    pub priority: i64,
    /// The most that it may cost.
    pub max_cost: Option<Rials>,
}

impl WrittenPlan {
    fn read(self) -> Result<Plan, domain::campaign::schedule::ScheduleRefusal> {
        let schedule = domain::campaign::Schedule::between(&self.start, &self.end)?;
        Ok(Plan {
            title: self.title,
            schedule,
            max_tries: self.max_tries,
            minutes_between_tries: self.minutes_between_tries,
            vote: self.vote,
            record_ms: self.record_ms,
            server: self.server,
            priority: self.priority,
            max_cost: self.max_cost,
        })
    }
}
