//! Campaigns: made from a list, started, paused, stopped, looked at. `create` takes lists in,
//! `change` moves a campaign between its states, `feed` lets its recipients step into the line,
//! `recipient` tells what became of each.

mod change;
mod create;
mod estimate;
mod feed;
mod list;
mod played;
mod recipient;
mod redial;
mod rehearsal;
mod rejects;
mod workbook;

use std::collections::BTreeMap;

use domain::calendar::date_time::Period;
use domain::campaign::State;
use domain::campaign::admission::Plan;
use domain::{AccountId, CampaignId, Disposition, MessageClass, Rials};
pub use store::campaign::Campaign;

use crate::{App, Failure};

pub use change::{
    NotAPace, Start, StartPlan, StartRefusal, cancel, pause, resume, set_pace, start,
    start_as_planned, stop,
};
pub use create::{
    Added, CreateRefusal, Created, ListRefusal, NewCampaign, add_numbers, create, look_through,
};
pub use domain::dialer::pacing::CAMPAIGN_CLASS as CLASS;
pub use estimate::{Estimate, estimate, estimate_redial, estimate_start};
pub use feed::feed;
pub use list::{List, Open, Person, Recipients, Unreadable, Wanted};
pub use played::Played;
pub use recipient::{
    Recipient, recipient_of_send, recipients, recipients_by_id, recipients_of_message,
    recipients_sent,
};
pub use redial::{NewRedial, redial};
pub use rehearsal::{RehearsalRefusal, estimate_rehearsal, rehearse};
pub use rejects::{Rejects, rejects};

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
    fn of((campaign, mut results, message_title): store::campaign::WithResults) -> Self {
        if let Some(end) = end_of_uncalled(campaign.state)
            && campaign.uncalled() > 0
        {
            *results.entry(end).or_default() += campaign.uncalled();
        }
        Self { campaign, message_title, results }
    }

    /// How many recipients wait for their first call.
    pub fn waiting(&self) -> u32 {
        if self.campaign.state.is_over() { 0 } else { self.campaign.uncalled() }
    }
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
    Ok(found.map(Progress::of))
}

/// The account's campaigns whose first day starts in a period, the newest first: at most `limit`.
///
/// # Errors
/// The database failed.
pub async fn starting(
    app: &App,
    account: AccountId,
    period: Period,
    limit: u32,
) -> Result<Vec<Progress>, Failure> {
    let days = (period.from, period.to);
    let found = store::campaign::starting(&mut app.read().await?, account, days, limit).await?;
    Ok(found.into_iter().map(Progress::of).collect())
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

/// The account's campaigns, the newest first: at most `limit` that are older than `before`.
///
/// # Errors
/// The database failed.
pub async fn page(
    app: &App,
    account: AccountId,
    before: Option<CampaignId>,
    limit: u32,
) -> Result<Vec<Progress>, Failure> {
    let mut reads = app.read().await?;
    let found = store::campaign::list(&mut reads, Some(account), before, limit).await?;
    let mut page = Vec::with_capacity(found.len());
    for campaign in found {
        let progress = store::campaign::progress(&mut reads, account, campaign.id).await?;
        page.extend(progress.map(Progress::of));
    }
    Ok(page)
}

/// What becomes of recipients that were never called when their campaign is over.
fn end_of_uncalled(state: State) -> Option<Disposition> {
    match state {
        State::Finished => Some(Disposition::Expired),
        State::Cancelled => Some(Disposition::Cancelled),
        State::Draft | State::Running | State::Paused(_) | State::Stopped => None,
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
    /// What kind of message it is.
    pub class: MessageClass,
    /// The key by which callees opt out, in place of that of its class.
    pub opt_out_key: Option<char>,
    /// The most calls of it that start in a minute.
    pub calls_per_minute: Option<u32>,
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
            class: self.class,
            opt_out_key: self.opt_out_key,
            calls_per_minute: self.calls_per_minute,
        })
    }
}
