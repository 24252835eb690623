//! A campaign moves from one state to another. What stands in line when it stops calling steps out
//! in the same transaction, and its holds are released; calls that are up go on to their end, but
//! for those of one that is cancelled, which are hung up.

use domain::campaign::admission::{CallPrices, Plan, Zones, check_message, is_covered, is_pace};
use domain::campaign::{PauseReason, State, Verb};
use domain::class::{Opening, Policies};
use domain::{AccountId, CampaignId, EventKind, Tariff, Timestamp};
use store::Tx;
use store::campaign::{Campaign, Snapshot};

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
}

/// A pace is from 1 to `domain::dialer::pacing::CALLS_PER_MINUTE_MAX` calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAPace;

/// Starts a campaign under a new plan, with a new snapshot of message and prices.
///
/// # Errors
/// Refused as [`StartRefusal`] says.
pub async fn start(
    app: &App,
    account: AccountId,
    id: CampaignId,
    new: StartPlan,
) -> Result<CampaignId, StartRefusal> {
    let cannot = || Error::Refused(StartRefusal::CannotStart);
    let StartPlan { title, start, end, max_tries, minutes_between_tries, server } = new;
    started(app, account, id, move |old: &Plan| {
        let written = WrittenPlan {
            title: title.unwrap_or_else(|| old.title.clone()),
            start,
            end,
            max_tries,
            minutes_between_tries,
            vote: old.vote,
            record_ms: old.record_ms,
            server: server.or(old.server),
            priority: old.priority,
            max_cost: old.max_cost,
            class: old.class,
            opt_out_key: old.opt_out_key,
            calls_per_minute: old.calls_per_minute,
        };
        written.read().ok()
    })
    .await?
    .then_some(id)
    .ok_or_else(cannot)
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
    let started = started(app, account, id, |old: &Plan| Some(old.clone())).await?;
    if started { Ok(()) } else { Err(Error::Refused(StartRefusal::CannotStart)) }
}

/// Starts a campaign under the plan that `plan` makes of its old one. `false`: it cannot start.
async fn started(
    app: &App,
    account: AccountId,
    id: CampaignId,
    plan: impl FnOnce(&Plan) -> Option<Plan> + Clone,
) -> Result<bool, StartRefusal> {
    let now = app.now();
    let tariff = prices::in_force(app, now).await?;
    let policies = class::policies(app, now).await?;
    if !identity::may_call_many(app, account).await? {
        return Err(Error::Refused(StartRefusal::NotIdentified));
    }
    request::write(
        app,
        |&started: &bool| started.then_some(id.0),
        async |tx| {
            let Some((_, campaign)) = store::campaign::lock(tx, account, id).await? else {
                return Ok(false);
            };
            if campaign.state.after(Verb::Start).is_none() {
                return Ok(false);
            }
            let Some(plan) = plan(&campaign.plan) else { return Ok(false) };
            let any_hour = store::class::hours_document(tx, account).await?.is_some();
            let Some(plan) = allowed(plan, &policies, any_hour, now) else { return Ok(false) };
            begin(tx, &campaign, &plan, (&tariff, &policies), now).await
        },
    )
    .await
}

/// The plan with no more tries than its class may have; `None` when its class may not call at all.
fn allowed(plan: Plan, policies: &Policies, any_hour: bool, now: Timestamp) -> Option<Plan> {
    let never = Opening::Closed { opens_at: None };
    if policies.opening(plan.class, (any_hour, true), now) == never {
        return None;
    }
    let max_tries = plan.max_tries.min(policies.of(plan.class).tries_max);
    Some(Plan { max_tries, ..plan })
}

/// Judges the plan and makes the start durable.
async fn begin(
    tx: &mut Tx,
    campaign: &Campaign,
    plan: &Plan,
    (tariff, policies): (&Tariff, &Policies),
    now: Timestamp,
) -> Result<bool, StartRefusal> {
    let id = campaign.account;
    let owner = store::account::find(tx, id).await?;
    let owner = owner.ok_or_else(|| Failure::of("starting a campaign: its account is gone"))?;
    if plan.check(&owner, now).is_err() || campaign.recipients.total() == 0 {
        return Ok(false);
    }
    let wrong = || Error::Refused(StartRefusal::WrongMessage);
    let (message, template) = playable(tx, id, campaign.message).await?.unzip();
    let approval = policies.of(plan.class).needs_approval && !owner.is_sandbox();
    let message = check_message(message.as_ref(), approval).map_err(|_| wrong())?;
    if !may_say(template.flatten().as_ref(), &owner, approval) {
        return Err(wrong());
    }
    let poor = || Error::Refused(StartRefusal::InsufficientCredit);
    let holds = CallPrices::of(tariff, message.length_ms).ok_or_else(poor)?;
    let planned = Campaign { plan: plan.clone(), ..campaign.clone() };
    let (max_cost, _) = super::feed::below_ceiling(tx, &planned, holds.most()).await?;
    let left = Plan { max_cost, ..plan.clone() };
    if !is_covered(&owner, &holds, still_to_call(campaign), left.max_cost) {
        return Err(poor());
    }
    let snapshot = Snapshot { tariff: Some(tariff.id), clip_ms: message.length_ms, holds };
    let from = campaign.state;
    let started = store::campaign::start(tx, campaign.id, from, plan, &snapshot, now).await?;
    if started {
        tell(tx, campaign, State::Running, now).await?;
    }
    Ok(started)
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
