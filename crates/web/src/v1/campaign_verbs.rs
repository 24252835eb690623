//! What is asked of a campaign that is there: that it starts, pauses and goes on, stops, is given
//! up, is heard first, or is made anew for those whom it did not reach. What costs something can be
//! asked for as a dry run, and be bounded.

use app::bulk::NumberRefusal;
use app::campaign::{
    CreateRefusal, NewRedial, Progress, RehearsalRefusal, Start, StartPlan, StartRefusal,
};
use app::request::RequestKey;
use app::{App, Caller, Error};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::campaign::State;
use domain::{CampaignId, Rials};
use serde::Deserialize;

use super::Unanswered;
use super::campaigns::{
    campaign_id, foretold, in_its_state, made_answer, not_made, read, rials, shown, shown_state,
};
use super::detail;
use super::lists::list_report;
use super::messages::{self, accepted_message, idempotency_key, json as answer};
use super::once::{Asked, once, replayed};
use super::problem::{Kind, Problem};

/// Days and hours to call anew, and for how much.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewHours {
    starts: String,
    ends: String,
    max_cost: Option<u64>,
    #[serde(default)]
    dry_run: bool,
}

/// How a campaign is to start; without hours under those that it has.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct HowToStart {
    starts: Option<String>,
    ends: Option<String>,
    max_cost: Option<u64>,
    #[serde(default)]
    dry_run: bool,
}

/// Who hears a campaign before it calls anybody.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listener {
    to: String,
    max_cost: Option<u64>,
    #[serde(default)]
    dry_run: bool,
}

/// What may be asked of a campaign that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Pause,
    Resume,
    Stop,
    Cancel,
}

/// POST /v1/campaigns/{id}/pause, resume, stop and cancel.
pub(super) async fn change(asked: Asked<'_>, id: &str, verb: Verb) -> Result<Response, Unanswered> {
    let (app, caller, id) = (asked.app, asked.caller, campaign_id(id)?);
    let again = async |_| Ok(answer(StatusCode::OK, &shown(app, caller, id).await?));
    once(asked, Box::pin(changed(app, caller, (id, verb))), again).await
}

async fn changed(
    app: &App,
    caller: &Caller,
    (id, verb): (CampaignId, Verb),
) -> Result<Response, Unanswered> {
    let account = caller.account.id;
    let state = found(app, caller, id).await?.campaign.state;
    let done = match verb {
        Verb::Pause => app::campaign::pause(app, account, id).await?,
        Verb::Resume => app::campaign::resume(app, account, id)
            .await
            .map_err(|error| not_started(error, state))?,
        Verb::Stop => app::campaign::stop(app, account, id).await?,
        Verb::Cancel => app::campaign::cancel(app, account, id).await?,
    };
    if !done {
        return Err(in_its_state(state).into());
    }
    Ok(answer(StatusCode::OK, &shown(app, caller, id).await?))
}

/// POST /v1/campaigns/{id}/start, which may bring other hours and another ceiling.
pub(super) async fn start(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let (app, caller, id) = (asked.app, asked.caller, campaign_id(id)?);
    let how = match asked.body.trim_ascii() {
        [] => HowToStart::default(),
        body => read(body).await?,
    };
    if how.dry_run {
        let progress = found(app, caller, id).await?;
        let state = progress.campaign.state;
        let estimate = app::campaign::estimate_start(app, &caller.account, id, how.of(&progress)?);
        let estimate = estimate.await.map_err(|error| not_started(error, state))?;
        let estimate = estimate.ok_or_else(|| Problem::of(Kind::NotFound))?;
        return Ok(answer(StatusCode::OK, &foretold(&estimate)));
    }
    let again = async |_| Ok(answer(StatusCode::OK, &shown(app, caller, id).await?));
    let work = async {
        let progress = found(app, caller, id).await?;
        let state = progress.campaign.state;
        let started = app::campaign::start(app, caller.account.id, id, how.of(&progress)?).await;
        started.map_err(|error| not_started(error, state))?;
        Ok(answer(StatusCode::OK, &shown(app, caller, id).await?))
    };
    once(asked, Box::pin(work), again).await
}

impl HowToStart {
    fn of(self, progress: &Progress) -> Result<Start, Problem> {
        let max_cost = self.max_cost.map(rials);
        let (start, end) = match (self.starts, self.ends) {
            (None, None) => return Ok(Start::AsPlanned(max_cost)),
            (Some(start), Some(end)) => (start, end),
            (Some(_), None) | (None, Some(_)) => {
                let detail = ("starts and ends go together", "starts و ends با هم داده می‌شوند");
                return Err(Problem::with(Kind::InvalidRequest, detail));
            }
        };
        let plan = &progress.campaign.plan;
        Ok(Start::Under(StartPlan {
            title: None,
            start,
            end,
            max_tries: plan.max_tries,
            minutes_between_tries: plan.minutes_between_tries,
            server: None,
            max_cost,
        }))
    }
}

async fn found(app: &App, caller: &Caller, id: CampaignId) -> Result<Progress, Unanswered> {
    let progress = app::campaign::find(app, caller.account.id, id).await?;
    Ok(progress.ok_or_else(|| Problem::of(Kind::NotFound))?)
}

fn not_started(error: Error<StartRefusal>, state: State) -> Unanswered {
    match error {
        Error::Refused(StartRefusal::CannotStart) => {
            let (word, fa) = (shown_state(state).0, detail::campaign(state));
            let en = format!("It is {word}, or its last day is over.");
            let fa = format!("وضعیت آن: {fa}، یا روز آخر آن گذشته است.");
            Problem::with(Kind::WrongState, (en, fa)).into()
        }
        Error::Refused(StartRefusal::InsufficientCredit) => {
            Problem::of(Kind::InsufficientCredit).into()
        }
        Error::Refused(StartRefusal::CostsMore(Rials(cost))) => {
            let en = format!("It costs {cost} rials already.");
            let fa = format!("تا اینجا {cost} ریال هزینه دارد.");
            Problem::with(Kind::TooExpensive, (en, fa)).into()
        }
        Error::Refused(StartRefusal::WrongMessage) => Problem::of(Kind::WrongMessage).into(),
        Error::Refused(StartRefusal::NotIdentified) => Problem::of(Kind::IdentityNotProven).into(),
        Error::Failed(failure) => Unanswered::from(failure),
    }
}

/// POST /v1/campaigns/{id}/redial: a new campaign of those whom this one did not reach.
pub(super) async fn redial(
    app: &App,
    caller: &Caller,
    id: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Unanswered> {
    let id = campaign_id(id)?;
    let key = idempotency_key(headers)?;
    let asked = [id.0.to_string().as_bytes(), body].concat();
    let request = key.map(|key| RequestKey { key, body: asked });
    found(app, caller, id).await?;
    let NewHours { starts, ends, max_cost, dry_run } = read(body).await?;
    let new = NewRedial { start: starts, end: ends, max_cost: max_cost.map(rials) };
    if dry_run {
        let estimate = app::campaign::estimate_redial(app, caller, id, &new).await;
        return Ok(answer(StatusCode::OK, &foretold(&estimate.map_err(not_redialled)?)));
    }
    let made = app::campaign::redial(app, caller, id, &new, request.as_ref()).await;
    let made = made.map_err(not_redialled)?;
    let mut shown = shown(app, caller, made.id).await?;
    shown["list"] = list_report(&made.added);
    Ok(made_answer(&shown, made.repeated))
}

fn not_redialled(error: Error<CreateRefusal>) -> Unanswered {
    match error {
        Error::Refused(CreateRefusal::Invalid) => {
            let detail = (
                "It reached everybody so far, or the days are over.",
                "تا اینجا به همه رسیده است یا روزها گذشته‌اند.",
            );
            Problem::with(Kind::PlanNotAllowed, detail).into()
        }
        other => not_made(other),
    }
}

/// POST /v1/campaigns/{id}/test: a call to one number, as the campaign would make it.
pub(super) async fn test(
    app: &App,
    caller: &Caller,
    id: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Unanswered> {
    let id = campaign_id(id)?;
    let asked = [b"test ", id.0.to_string().as_bytes(), b"\n", body].concat();
    let request = idempotency_key(headers)?.map(|key| RequestKey { key, body: asked });
    let Listener { to, max_cost, dry_run } = read(body).await?;
    if dry_run {
        let told = app::campaign::estimate_rehearsal(app, caller, id, &to).await?;
        let (call, estimate) = told.ok_or_else(|| Problem::of(Kind::NotFound))?;
        return Ok(messages::foretold(&call.numbers, &estimate));
    }
    let listener = (&*to, max_cost.map(rials));
    let heard = app::campaign::rehearse(app, caller, id, listener, request.as_ref()).await;
    let heard = heard.map_err(not_heard)?;
    let heard = heard.ok_or_else(|| Problem::of(Kind::NotFound))?;
    let message = accepted_message(app, caller, heard.id).await?;
    let answered = answer(StatusCode::ACCEPTED, &message);
    Ok(if heard.repeated { replayed(answered) } else { answered })
}

fn not_heard(error: Error<RehearsalRefusal>) -> Unanswered {
    match error {
        Error::Failed(failure) => failure.into(),
        Error::Refused(RehearsalRefusal::KeyReused) => Problem::of(Kind::KeyReused).into(),
        Error::Refused(RehearsalRefusal::TooExpensive(cost)) => Problem::could_cost(cost).into(),
        Error::Refused(RehearsalRefusal::Message(refusal)) => {
            Problem::of_number(NumberRefusal::Message(refusal)).into()
        }
        Error::Refused(RehearsalRefusal::Personal(refusal)) => {
            Problem::of_number(refusal.into()).into()
        }
    }
}
