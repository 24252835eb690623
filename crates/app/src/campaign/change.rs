//! A campaign moves from one state to another. What stands in line when it stops calling steps out
//! in the same transaction, and its holds are released; calls that are up go on to their end, but
//! for those of one that is cancelled, which are hung up.

use std::sync::Arc;

use domain::campaign::admission::{CallPrices, Plan, Zones, check_message, is_covered, is_pace};
use domain::campaign::{PauseReason, State, Verb};
use domain::class::{Opening, Policies};
use domain::{AccountId, CampaignId, EventKind, Rials, Tariff, Timestamp};
use store::campaign::{Campaign, Snapshot};
use store::{Queries, Tx};

use super::{CLASS, WrittenPlan};
use crate::account::never_refused;
use crate::template::{may_say, playable};
use crate::{App, Error, Failure, Result, class, identity, prices, request};

/// How a campaign goes on when it is started again. What is absent stays as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartPlan {
    /// Another title.
    pub title: Option<String>,
    /// The first day and the hour at which each day starts.
    pub start: String,
    /// The last day and the hour at which each day ends.
    pub end: String,
    /// Tries at each recipient.
    pub max_tries: u32,
    /// The pause between two tries, minutes.
    pub minutes_between_tries: u32,
    /// Another regional server.
    pub server: Option<u32>,
    /// Another ceiling for what it costs.
    pub max_cost: Option<Rials>,
}

/// How a campaign is to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Under the plan that it has, with another ceiling for what it costs if one is given.
    AsPlanned(Option<Rials>),
    /// Under another plan.
    Under(StartPlan),
}

/// Why a campaign was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartRefusal {
    /// There is none, it runs or is over, has no numbers, or the plan is not allowed.
    CannotStart,
    /// The available balance does not cover calling everybody who is left once.
    InsufficientCredit,
    /// Its message was deleted or is not approved.
    WrongMessage,
    /// The operator asks who the account's owner is, and that is not proven.
    NotIdentified,
    /// It costs this much already, which is more than its new ceiling.
    CostsMore(Rials),
}

/// A pace is from 1 to `domain::dialer::pacing::CALLS_PER_MINUTE_MAX` calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAPace;

/// Starts a campaign with a new snapshot of message and prices.
///
/// # Errors
/// Refused as [`StartRefusal`] says.
pub async fn start(
    app: &App,
    account: AccountId,
    id: CampaignId,
    how: Start,
) -> Result<(), StartRefusal> {
    let started = started(app, account, id, how).await?;
    if started { Ok(()) } else { Err(Error::Refused(StartRefusal::CannotStart)) }
}

/// Starts a campaign under the plan that it has.
///
/// # Errors
/// Refused as [`StartRefusal`] says.
pub async fn start_as_planned(
    app: &App,
    account: AccountId,
    id: CampaignId,
) -> Result<(), StartRefusal> {
    start(app, account, id, Start::AsPlanned(None)).await
}

impl Start {
    /// The ceiling that it brings, if it does.
    fn max_cost(&self) -> Option<Rials> {
        match self {
            Self::AsPlanned(max_cost) => *max_cost,
            Self::Under(new) => new.max_cost,
        }
    }

    /// The plan that it makes of the old one.
    fn plan(self, old: &Plan) -> Option<Plan> {
        let new = match self {
            Self::AsPlanned(max_cost) => {
                return Some(Plan { max_cost: max_cost.or(old.max_cost), ..old.clone() });
            }
            Self::Under(new) => new,
        };
        let written = WrittenPlan {
            title: new.title.unwrap_or_else(|| old.title.clone()),
            start: new.start,
            end: new.end,
            max_tries: new.max_tries,
            minutes_between_tries: new.minutes_between_tries,
            vote: old.vote,
            record_ms: old.record_ms,
            server: new.server.or(old.server),
            priority: old.priority,
            max_cost: new.max_cost.or(old.max_cost),
            class: old.class,
            opt_out_key: old.opt_out_key,
            calls_per_minute: old.calls_per_minute,
        };
        written.read().ok()
    }
}

/// `false`: it cannot start.
async fn started(
    app: &App,
    account: AccountId,
    id: CampaignId,
    how: Start,
) -> Result<bool, StartRefusal> {
    let now = app.now();
    let rules = rules(app, account, now).await?;
    request::write(
        app,
        |&started: &bool| started.then_some(id.0),
        async |tx| {
            let Some((_, campaign)) = store::campaign::lock(tx, account, id).await? else {
                return Ok(false);
            };
            let beginning = prepared(tx, &campaign, how.clone(), &rules, now).await?;
            let Some(Beginning { plan, snapshot, is_covered, .. }) = beginning else {
                return Ok(false);
            };
            if !is_covered {
                return Err(Error::Refused(StartRefusal::InsufficientCredit));
            }
            let from = campaign.state;
            let started = store::campaign::start(tx, id, from, &plan, &snapshot, now).await?;
            if started {
                tell(tx, &campaign, State::Running, now).await?;
            }
            Ok(started)
        },
    )
    .await
}

/// How a campaign would start now, whether the balance covers it or not. `None`: it cannot.
pub(super) async fn to_be_started(
    app: &App,
    account: AccountId,
    id: CampaignId,
    how: Start,
) -> Result<Option<Beginning>, StartRefusal> {
    let now = app.now();
    let rules = rules(app, account, now).await?;
    let mut reads = app.read().await?;
    let Some(campaign) = store::campaign::find(&mut reads, account, id).await? else {
        return Ok(None);
    };
    prepared(&mut reads, &campaign, how, &rules, now).await
}

/// What a start is judged by, for somebody who may call.
async fn rules(
    app: &App,
    account: AccountId,
    now: Timestamp,
) -> Result<(Tariff, Arc<Policies>), StartRefusal> {
    let tariff = prices::in_force(app, now).await?;
    let policies = class::policies(app, now).await?;
    if identity::may_call_many(app, account).await? {
        Ok((tariff, policies))
    } else {
        Err(Error::Refused(StartRefusal::NotIdentified))
    }
}

/// A start that was judged.
pub(super) struct Beginning {
    pub(super) plan: Plan,
    pub(super) snapshot: Snapshot,
    /// What may still be spent, if there is a ceiling.
    pub(super) left: Option<Rials>,
    /// Whether the balance covers calling everybody who is left once.
    pub(super) is_covered: bool,
}

/// The plan with no more tries, nor sooner ones, than its class may have; `None` when its class may
/// not call at all.
fn allowed(plan: Plan, policies: &Policies, any_hour: bool, now: Timestamp) -> Option<Plan> {
    let never = Opening::Closed { opens_at: None };
    if policies.opening(plan.class, (any_hour, true), now) == never {
        return None;
    }
    let policy = policies.of(plan.class);
    let max_tries = plan.max_tries.min(policy.tries_max);
    let minutes_between_tries = plan.minutes_between_tries.max(policy.retry_minutes);
    Some(Plan { max_tries, minutes_between_tries, ..plan })
}

/// Judges a start. `None`: it cannot be.
async fn prepared(
    reads: &mut impl Queries,
    campaign: &Campaign,
    how: Start,
    (tariff, policies): &(Tariff, Arc<Policies>),
    now: Timestamp,
) -> Result<Option<Beginning>, StartRefusal> {
    if campaign.state.after(Verb::Start).is_none() {
        return Ok(None);
    }
    let new_ceiling = how.max_cost();
    let Some(plan) = how.plan(&campaign.plan) else { return Ok(None) };
    let id = campaign.account;
    let any_hour = store::class::hours_document(reads, id).await?.is_some();
    let Some(plan) = allowed(plan, policies, any_hour, now) else { return Ok(None) };
    let owner = store::account::find(reads, id).await?;
    let owner = owner.ok_or_else(|| Failure::of("starting a campaign: its account is gone"))?;
    if plan.check(&owner, now).is_err() || campaign.recipients.total() == 0 {
        return Ok(None);
    }
    let wrong = || Error::Refused(StartRefusal::WrongMessage);
    let (message, template) = playable(reads, id, campaign.message).await?.unzip();
    let approval = policies.of(plan.class).needs_approval && !owner.is_sandbox();
    let message = check_message(message.as_ref(), approval).map_err(|_| wrong())?;
    if !may_say(template.flatten().as_ref(), &owner, approval) {
        return Err(wrong());
    }
    let poor = || Error::Refused(StartRefusal::InsufficientCredit);
    let holds = CallPrices::of(tariff, message.length_ms).ok_or_else(poor)?;
    let planned = Campaign { plan: plan.clone(), ..campaign.clone() };
    let (left, _) = super::feed::below_ceiling(reads, &planned, holds.most()).await?;
    if let (Some(ceiling), Some(left)) = (new_ceiling, left)
        && left < Rials::ZERO
    {
        let cost = Rials(ceiling.0.saturating_sub(left.0));
        return Err(Error::Refused(StartRefusal::CostsMore(cost)));
    }
    let is_covered = is_covered(&owner, &holds, still_to_call(campaign), left);
    let snapshot = Snapshot { tariff: Some(tariff.id), clip_ms: message.length_ms, holds };
    Ok(Some(Beginning { plan, snapshot, left, is_covered }))
}

/// Writes the event of a campaign that has come to a state.
async fn tell(
    tx: &mut Tx,
    campaign: &Campaign,
    to: State,
    now: Timestamp,
) -> std::result::Result<(), store::Error> {
    if let Some(kind) = EventKind::of_campaign(to) {
        store::event::tell(tx, campaign.account, kind, campaign.id.0, now).await?;
    }
    Ok(())
}

/// Who is still to be called, at the dearest.
fn still_to_call(campaign: &Campaign) -> Zones {
    let left = campaign.uncalled().saturating_add(campaign.retrying);
    let external = campaign.recipients.external.min(left);
    Zones { external, internal: left - external }
}

/// Stops a campaign. `false`: the account has none like that which calls or pauses.
///
/// # Errors
/// The database failed.
pub async fn stop(
    app: &App,
    account: AccountId,
    id: CampaignId,
) -> std::result::Result<bool, Failure> {
    change(app, account, id, Verb::Stop).await
}

/// Pauses a campaign. `false`: the account has none like that which calls.
///
/// # Errors
/// The database failed.
pub async fn pause(
    app: &App,
    account: AccountId,
    id: CampaignId,
) -> std::result::Result<bool, Failure> {
    change(app, account, id, Verb::Pause(PauseReason::Asked)).await
}

/// Lets a campaign go on as before its pause. `false`: the account has none like that which pauses.
///
/// # Errors
/// Refused as [`StartRefusal::NotIdentified`] says, and for no other reason.
pub async fn resume(app: &App, account: AccountId, id: CampaignId) -> Result<bool, StartRefusal> {
    if !identity::may_call_many(app, account).await? {
        return Err(Error::Refused(StartRefusal::NotIdentified));
    }
    Ok(change(app, account, id, Verb::Resume).await?)
}

/// Gives a campaign up for good, and hangs its calls up. `false`: the account has none like that
/// which is not over.
///
/// # Errors
/// The database failed.
pub async fn cancel(
    app: &App,
    account: AccountId,
    id: CampaignId,
) -> std::result::Result<bool, Failure> {
    change(app, account, id, Verb::Cancel).await
}

/// Sets how many calls of a campaign start in a minute at the most, or lifts that; it holds for who
/// steps into the line from now on. `false`: the account has none like that which is not over.
///
/// # Errors
/// Refused when nobody can be asked for so many.
pub async fn set_pace(
    app: &App,
    account: AccountId,
    id: CampaignId,
    per_minute: Option<u32>,
) -> Result<bool, NotAPace> {
    if !per_minute.is_none_or(is_pace) {
        return Err(Error::Refused(NotAPace));
    }
    let now = app.now();
    app.write(async |tx| {
        let Some((_, campaign)) = store::campaign::lock(tx, account, id).await? else {
            return Ok(false);
        };
        if campaign.state.is_over() {
            return Ok(false);
        }
        store::campaign::set_pace(tx, id, per_minute, now).await?;
        Ok(true)
    })
    .await
}

async fn change(
    app: &App,
    account: AccountId,
    id: CampaignId,
    verb: Verb,
) -> std::result::Result<bool, Failure> {
    let now = app.now();
    let done = request::write(
        app,
        |&moved: &bool| moved.then_some(id.0),
        async |tx| {
            let Some((_, campaign)) = store::campaign::lock(tx, account, id).await? else {
                return Ok(false);
            };
            Ok(moved(tx, campaign, verb, now).await?)
        },
    );
    done.await.map_err(never_refused)
}

/// Moves a locked campaign. `false`: that verb may not be asked of it now.
pub(super) async fn moved(
    tx: &mut Tx,
    campaign: Campaign,
    verb: Verb,
    now: Timestamp,
) -> std::result::Result<bool, store::Error> {
    let Some(to) = campaign.state.after(verb) else { return Ok(false) };
    if !store::campaign::set_state(tx, campaign.id, campaign.state, to).await? {
        return Ok(false);
    }
    tracing::info!(campaign = campaign.id.0, to = to.word(), "a campaign has moved");
    tell(tx, &campaign, to, now).await?;
    if to == State::Running {
        store::campaign::forget_recent(tx, campaign.id).await?;
    } else {
        let campaign = Campaign { state: to, ..campaign };
        store::hot::withdraw(tx, &campaign, CLASS, now).await?;
        if to == State::Cancelled {
            store::cancellation::mark_calls(tx, campaign.id, now).await?;
            // What came back into the line while its calls were marked.
            store::hot::withdraw(tx, &campaign, CLASS, now).await?;
        }
    }
    Ok(true)
}
