//! Campaigns: one message to a list, within hours of days, tried again where that is worth it.

use std::num::NonZeroI64;

use app::campaign::{
    CreateRefusal, Created, Estimate, NewCampaign, NotAPace, Played, Progress, Recipient,
    WrittenPlan,
};
use app::request::RequestKey;
use app::sms::Kept;
use app::{App, Caller, Error};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::calendar::calling_window::CallingWindow;
use domain::calendar::jalali::rfc3339;
use domain::campaign::State;
use domain::campaign::admission::is_pace;
use domain::{CampaignId, MessageClass, MessageId, Rials};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Unanswered;
use super::call::{Call, seconds};
use super::detail;
use super::forecast::expected;
use super::listing::{id_of, listed, next_page, page, part};
use super::lists::{Rows, list_report};
use super::messages::{RECORD_SECONDS, idempotency_key, json as answer, left_out, speaker};
use super::once::replayed;
use super::problem::{Kind, Problem};
use super::sms::{NewFollowUp, counted, follow_up};
use crate::rest::apart;

/// Tries at each number, and minutes between two, when a client names none.
const TRIES: u32 = 1;
const MINUTES_BETWEEN_TRIES: u32 = 10;

/// Keys by which callees may opt out.
const OPT_OUT_KEYS: &str = "0123456789*#";

const PACE: (&str, &str) =
    ("calls_per_minute is from 1 to 600000", "calls_per_minute از ۱ تا ۶۰۰۰۰۰ است");

/// What a client asks to be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewList {
    title: String,
    audio_id: Option<NonZeroI64>,
    template_id: Option<NonZeroI64>,
    text: Option<String>,
    voice: Option<String>,
    append_number: Option<String>,
    to: Option<Rows>,
    starts: String,
    ends: String,
    tries: Option<u32>,
    minutes_between_tries: Option<u32>,
    #[serde(default)]
    collect_key: bool,
    record_seconds: Option<u32>,
    server_id: Option<u32>,
    #[serde(default)]
    priority: i64,
    max_cost: Option<u64>,
    class: Option<String>,
    opt_out_key: Option<char>,
    calls_per_minute: Option<u32>,
    sms: Option<NewFollowUp>,
    start: Option<bool>,
    #[serde(default)]
    dry_run: bool,
}

/// What can be changed of a campaign at any time.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    #[serde(deserialize_with = "Option::deserialize")]
    calls_per_minute: Option<u32>,
}

/// POST /v1/campaigns.
pub(super) async fn create(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Unanswered> {
    let key = idempotency_key(headers)?;
    let asked: NewList = read(body).await?;
    let dry_run = asked.dry_run;
    let request = key.map(|key| RequestKey { key, body: body.to_vec() });
    let new = new_campaign(app, asked, request)?;
    if dry_run {
        let estimate = app::campaign::estimate(app, caller, new).await.map_err(not_made)?;
        return Ok(answer(StatusCode::OK, &foretold(&estimate)));
    }
    let Created { id, added, repeated } =
        app::campaign::create(app, caller, new).await.map_err(not_made)?;
    let mut shown = shown(app, caller, id).await?;
    shown["list"] = list_report(&added);
    Ok(made_answer(&shown, repeated))
}

/// GET /v1/campaigns.
pub(super) async fn list(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let (limit, before) = part(query, id_of)?;
    let before = before.map(CampaignId);
    let found = app::campaign::page(app, caller.account.id, before, limit).await?;
    let mut data = Vec::with_capacity(found.len());
    for one in &found {
        let mut shown = campaign(one);
        if let Some(kept) = written_after(app, caller, one).await? {
            shown["sms"] = follow_up(&kept);
        }
        data.push(shown);
    }
    let next_page = next_page(&found, limit, |last| last.campaign.id);
    Ok(listed(&data, next_page.as_deref()))
}

/// GET /v1/campaigns/{id}.
pub(super) async fn get(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    Ok(answer(StatusCode::OK, &shown(app, caller, campaign_id(id)?).await?))
}

/// GET /v1/campaigns/{id}/numbers.
pub(super) async fn numbers(
    app: &App,
    caller: &Caller,
    id: &str,
    query: &str,
) -> Result<Response, Unanswered> {
    let (limit, after) = part(query, |text| u32::try_from(id_of(text)?).ok())?;
    let (account, id) = (caller.account.id, campaign_id(id)?);
    let found = app::campaign::recipients(app, account, id, after.unwrap_or(0), limit as usize);
    let found = found.await?;
    let found = found.ok_or_else(|| Problem::of(Kind::NotFound))?;
    Ok(page(&found, limit, |last| last.stored.id.n, Number::of))
}

/// PATCH /v1/campaigns/{id}.
pub(super) async fn patch(
    app: &App,
    caller: &Caller,
    id: &str,
    body: &[u8],
) -> Result<Response, Unanswered> {
    let (account, id) = (caller.account.id, campaign_id(id)?);
    let progress = app::campaign::find(app, account, id).await?;
    let progress = progress.ok_or_else(|| Problem::of(Kind::NotFound))?;
    let Changes { calls_per_minute } = read(body).await?;
    match app::campaign::set_pace(app, account, id, calls_per_minute).await {
        Ok(true) => Ok(answer(StatusCode::OK, &shown(app, caller, id).await?)),
        Ok(false) => Err(in_its_state(progress.campaign.state).into()),
        Err(Error::Refused(NotAPace)) => Err(Problem::with(Kind::InvalidRequest, PACE).into()),
        Err(Error::Failed(failure)) => Err(failure.into()),
    }
}

/// What may not be asked of a campaign in this state.
pub(super) fn in_its_state(state: State) -> Problem {
    let en = format!("It is {}.", shown_state(state).0);
    Problem::with(Kind::WrongState, (en, format!("وضعیت آن: {}.", detail::campaign(state))))
}

/// The answer to who has made a campaign, now or before.
pub(super) fn made_answer(shown: &Value, repeated: bool) -> Response {
    let response = answer(StatusCode::CREATED, shown);
    if repeated { replayed(response) } else { response }
}

/// An amount that is given; more than there can be is as much as there can be.
pub(super) fn rials(given: u64) -> Rials {
    Rials(i64::try_from(given).unwrap_or(i64::MAX))
}

/// Reads a body; a long one where it keeps nobody waiting.
pub(super) async fn read<T: for<'a> Deserialize<'a> + Send + 'static>(
    body: &[u8],
) -> Result<T, Unanswered> {
    let owned = body.to_vec();
    let parsed = apart(body.len(), move || serde_json::from_slice(&owned)).await?;
    Ok(parsed.map_err(|error: serde_json::Error| Problem::unread(&error))?)
}

fn new_campaign(
    app: &App,
    mut asked: NewList,
    request: Option<RequestKey>,
) -> Result<NewCampaign, Problem> {
    if asked.record_seconds.is_some_and(|seconds| !RECORD_SECONDS.contains(&seconds)) {
        return Err(Problem::with(
            Kind::InvalidRequest,
            ("record_seconds is from 1 to 300", "record_seconds از ۱ تا ۳۰۰ است"),
        ));
    }
    let class = asked.class.as_deref().map_or(Some(MessageClass::Service), campaign_class);
    let class = class.ok_or_else(|| {
        Problem::with(
            Kind::InvalidRequest,
            (
                "class is service, advertising or emergency",
                "class یکی از service، advertising و emergency است",
            ),
        )
    })?;
    if !asked.calls_per_minute.is_none_or(is_pace) {
        return Err(Problem::with(Kind::InvalidRequest, PACE));
    }
    if asked.opt_out_key.is_some_and(|key| !OPT_OUT_KEYS.contains(key)) {
        return Err(Problem::with(
            Kind::InvalidRequest,
            ("opt_out_key is one of 0 to 9, * and #", "opt_out_key یکی از 0 تا 9، * و # است"),
        ));
    }
    let message = played(app, &mut asked)?;
    Ok(NewCampaign {
        message,
        numbers: asked.to.map(Rows::into_recipients),
        plan: WrittenPlan {
            title: asked.title,
            start: asked.starts,
            end: asked.ends,
            max_tries: asked.tries.unwrap_or(TRIES),
            minutes_between_tries: asked.minutes_between_tries.unwrap_or(MINUTES_BETWEEN_TRIES),
            vote: asked.collect_key,
            record_ms: asked.record_seconds.map(|seconds| seconds * 1000),
            server: asked.server_id.filter(|&server| server > 0),
            priority: asked.priority,
            max_cost: asked.max_cost.map(rials),
            class,
            opt_out_key: asked.opt_out_key,
            calls_per_minute: asked.calls_per_minute,
        },
        sms: asked.sms.map(NewFollowUp::written),
        auto_start: asked.start.unwrap_or(true),
        request,
    })
}

/// What is to be played: one of what may be.
fn played(app: &App, asked: &mut NewList) -> Result<Played, Problem> {
    let invalid = |en: &str, fa: &str| Err(Problem::with(Kind::InvalidRequest, (en, fa)));
    let (kept, text) = (asked.audio_id.xor(asked.template_id), asked.text.take());
    let is_one = asked.audio_id.is_none() || asked.template_id.is_none();
    match (kept, text) {
        (Some(_), None) if asked.voice.is_some() || asked.append_number.is_some() => {
            invalid("append_number and voice go with text", "append_number و voice همراه text است")
        }
        (Some(id), None) => Ok(MessageId(id.get()).into()),
        (None, Some(text)) if is_one && text.contains('\0') => {
            invalid("text holds a zero", "text نویسهٔ صفر دارد")
        }
        (None, Some(text)) if is_one => Ok(Played::Text {
            text,
            speaker: speaker(app, asked.voice.as_deref())?,
            call_from_mobile: asked.append_number.take(),
        }),
        _ => invalid(
            "give one of text, audio_id and template_id",
            "یکی از text، audio_id و template_id را بدهید",
        ),
    }
}

/// The class of a campaign; nobody waits for a code from one.
fn campaign_class(word: &str) -> Option<MessageClass> {
    MessageClass::from_word(word).filter(|class| *class != MessageClass::OneTimeCode)
}

pub(super) fn not_made(error: Error<CreateRefusal>) -> Unanswered {
    let refusal = match error {
        Error::Refused(refusal) => refusal,
        Error::Failed(failure) => return failure.into(),
    };
    let plan = |en: &str, fa: &str| Problem::with(Kind::PlanNotAllowed, (en, fa));
    match refusal {
        CreateRefusal::WrongMessage
        | CreateRefusal::MessageWaiting
        | CreateRefusal::MessageRejected => Problem::of(Kind::WrongMessage),
        CreateRefusal::NoRegion => plan(
            "The map of numbers has nobody in the region.",
            "نقشهٔ شماره‌ها در این محدوده کسی ندارد.",
        ),
        CreateRefusal::TriesNotAllowed => plan("tries is from 1 to 10.", "tries از ۱ تا ۱۰ است."),
        CreateRefusal::RecordingNotPermitted => Problem::of(Kind::RecordingNotPermitted),
        CreateRefusal::EndsBeforeItStarts => {
            plan("The last day is before the first.", "روز آخر پیش از روز اول است.")
        }
        CreateRefusal::HoursEndBeforeTheyStart => plan(
            "The hour at which days end is not after the one they start at.",
            "ساعت پایان روز پس از ساعت آغاز آن نیست.",
        ),
        CreateRefusal::Invalid => plan(
            "No number, a date that is none or over, a pause above a week, a long title. \
                  Without `to`, start is false.",
            "شماره‌ای نیست، تاریخ نادرست یا گذشته است، فاصله بیش از یک هفته یا عنوان بلند است. \
                  بدون to، start برابر false است.",
        ),
        CreateRefusal::InsufficientCredit => Problem::of(Kind::InsufficientCredit),
        CreateRefusal::CannotStart => {
            plan("It was made and cannot start.", "ساخته شد و نمی‌تواند آغاز شود.")
        }
        CreateRefusal::KeyReused => Problem::of(Kind::KeyReused),
        CreateRefusal::Text(refusal) => Problem::of_text(refusal),
        CreateRefusal::Sms(refusal) => Problem::of_sms(refusal),
        CreateRefusal::NotIdentified => Problem::of(Kind::IdentityNotProven),
    }
    .into()
}

/// The campaign as it stands.
pub(super) async fn shown(app: &App, caller: &Caller, id: CampaignId) -> Result<Value, Unanswered> {
    let progress = app::campaign::find(app, caller.account.id, id).await?;
    let progress = progress.ok_or_else(|| Problem::of(Kind::NotFound))?;
    let mut shown = campaign(&progress);
    if let Some(kept) = written_after(app, caller, &progress).await? {
        shown["sms"] = counted(app, &kept).await?;
    }
    Ok(shown)
}

/// What is written after the calls of a campaign, if anything is.
async fn written_after(
    app: &App,
    caller: &Caller,
    progress: &Progress,
) -> Result<Option<Kept>, Unanswered> {
    if progress.campaign.follow_up.is_none() {
        return Ok(None);
    }
    Ok(app::sms::of_campaign(app, caller.account.id, progress.campaign.id).await?)
}

fn campaign(progress: &Progress) -> Value {
    let it = &progress.campaign;
    let (state, reason) = shown_state(it.state);
    let results: serde_json::Map<String, Value> =
        progress.results.iter().map(|(end, count)| (end.word().into(), (*count).into())).collect();
    json!({
        "object": "campaign",
        "id": it.id.0.to_string(),
        "title": it.plan.title,
        "audio_id": (!it.is_personal).then_some(it.message.0),
        "template_id": it.is_personal.then_some(it.message.0),
        "state": state,
        "paused_because": reason,
        "starts_at": rfc3339(it.plan.schedule.starts_at),
        "ends_at": rfc3339(it.plan.schedule.ends_at),
        "hours": hours(it.plan.schedule.daily),
        "tries": it.plan.max_tries,
        "minutes_between_tries": it.plan.minutes_between_tries,
        "collect_key": it.plan.vote,
        "priority": it.plan.priority,
        "max_cost": it.plan.max_cost.map(|rials| rials.0),
        "class": it.plan.class.word(),
        "opt_out_key": it.plan.opt_out_key,
        "calls_per_minute": it.plan.calls_per_minute,
        "sms": null,
        "numbers": {
            "total": it.recipients.total(),
            "waiting": progress.waiting(),
            "open": it.open,
            "retrying": it.retrying,
            "results": results,
        },
        "held": it.held.0,
        "charged": it.charged.0,
        "created_at": rfc3339(it.created_at),
        "started_at": it.started_at.map(rfc3339),
    })
}

/// Like `09:00-21:00`.
fn hours(daily: CallingWindow) -> String {
    let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    format!("{}-{}", clock(daily.from_minute()), clock(daily.to_minute()))
}

/// The state, and why it pauses.
pub(super) fn shown_state(state: State) -> (&'static str, Option<&'static str>) {
    let word = state.word();
    match word.strip_prefix("paused") {
        Some("") => ("paused", Some("asked")),
        Some(reason) => ("paused", Some(reason.trim_start_matches('_'))),
        None => (word, None),
    }
}

/// A number of a campaign as it is shown, with its last call.
#[derive(Serialize)]
struct Number {
    object: &'static str,
    id: String,
    to: String,
    message_id: Option<String>,
    tries: u32,
    #[serde(flatten)]
    call: Call,
    called_at: Option<String>,
}

impl Number {
    fn of(recipient: &Recipient) -> Self {
        let it = &recipient.stored;
        Self {
            object: "campaign_number",
            id: it.id.pack().to_string(),
            to: it.number.clone(),
            message_id: it.send.map(|send| send.to_string()),
            tries: it.tries,
            call: Call::of_number(recipient),
            called_at: it.called_at.map(rfc3339),
        }
    }
}

pub(super) fn foretold(estimate: &Estimate) -> Value {
    json!({
        "object": "dry_run",
        "to_call": estimate.added.accepted.saturating_sub(estimate.skipped.total()),
        "list": list_report(&estimate.added),
        "skipped": left_out(estimate.skipped),
        "clip_seconds": seconds(estimate.clip_ms),
        "cost_min": estimate.speech.0,
        "cost_max": estimate.cost_max.0,
        "covered": estimate.is_covered,
        "ceiling": estimate.ceiling.map(|rials| rials.0),
        "sms_price": estimate.sms_price.map(|price| price.0),
        "expected": estimate.expected.as_ref().map(expected),
    })
}

pub(super) fn campaign_id(text: &str) -> Result<CampaignId, Problem> {
    id_of(text).map(CampaignId).ok_or(Problem::of(Kind::NotFound))
}
