//! Messages: one call to one number each, sent alone or together.

use std::num::NonZeroI64;

use app::bulk::{BulkRefusal, Content, Estimate, NUMBERS_MAX, NewBulk, NumberRefusal};
use app::campaign::Person;
use app::class::{Bar, Skipped};
use app::ports::Speaker;
use app::quick_send::Accepted;
use app::report::{PAGE_MAX, Place, Report};
use app::request::RequestKey;
use app::sms::SmsRefusal;
use app::{App, Caller, Error, Failure};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::calendar::jalali::rfc3339;
use domain::{MessageClass, MessageId, QuickSendId, Rials, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};

use super::Unanswered;
use super::call::{Call, seconds};
use super::forecast::expected;
use super::listing::{id_of, page, part};
use super::lists::To;
use super::once::replayed;
use super::problem::{Body as ProblemBody, Kind, Problem};
use super::sms::NewFollowUp;
use crate::params::Params;

/// The client's own name for a request.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Longest such name, in bytes.
const KEY_MAX: usize = 200;
/// Says that nothing was sent now: what was accepted had been accepted before.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Lengths of a recording of the callee, seconds.
pub(super) const RECORD_SECONDS: std::ops::RangeInclusive<u32> = 1..=300;
/// Things on a page, if the client does not say how many.
const PAGE: u32 = 20;

/// What a client asks to be sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMessages {
    to: Numbers,
    audio_id: Option<NonZeroI64>,
    template_id: Option<NonZeroI64>,
    text: Option<String>,
    voice: Option<String>,
    append_number: Option<String>,
    #[serde(default)]
    collect_key: bool,
    record_seconds: Option<u32>,
    server_id: Option<u32>,
    #[serde(default)]
    class: Class,
    sms: Option<NewFollowUp>,
    max_cost: Option<u64>,
    #[serde(default)]
    dry_run: bool,
}

/// One number, or several.
#[derive(Debug)]
enum Numbers {
    One(Person),
    Several(Vec<Person>),
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "`to` is a number, one with values, or a list of such")]
        enum Written {
            One(To),
            Several(Vec<To>),
        }
        Ok(match Written::deserialize(from)? {
            Written::One(to) => Self::One(to.into_person()),
            Written::Several(all) => Self::Several(all.into_iter().map(To::into_person).collect()),
        })
    }
}

/// Whose voice is asked for; a man's when none is named.
pub(super) fn speaker(app: &App, voice: Option<&str>) -> Result<Speaker, Problem> {
    let Some(voice) = voice else { return Ok(Speaker::default()) };
    app::message::speaker(app, voice).ok_or_else(|| {
        let detail = (
            "voice is male, female, or an id of /v1/voices",
            "voice یا male است یا female یا شناسه‌ای از /v1/voices",
        );
        Problem::with(Kind::InvalidRequest, detail)
    })
}

/// What kind of message it is.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Class {
    #[default]
    Service,
    Advertising,
    Emergency,
}

/// A message as it is shown.
#[derive(Serialize)]
pub(super) struct Message {
    object: &'static str,
    id: String,
    /// Whether it is no play of a sandbox.
    live: bool,
    to: String,
    audio_id: i64,
    #[serde(flatten)]
    call: Call,
    held: i64,
    created_at: String,
    expires_at: String,
}

/// POST /v1/messages.
pub(super) async fn send(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Unanswered> {
    let key = idempotency_key(headers)?;
    let asked: NewMessages =
        serde_json::from_slice(body).map_err(|error| Problem::unread(&error))?;
    let (dry_run, is_list) = (asked.dry_run, matches!(asked.to, Numbers::Several(_)));
    let request = key.map(|key| RequestKey { key, body: body.to_vec() });
    let sms = asked.sms.clone().map(NewFollowUp::written);
    let mut new = bulk(app, asked, request)?;
    if let Some(sms) = &sms {
        // Refused before anything is spoken, and kept only for what is really sent.
        app::sms::judge(app, sms).await.map_err(sms_not_taken)?;
        if !dry_run {
            new.follow_up = Some(app::sms::keep(app, caller, sms).await.map_err(sms_not_taken)?);
        }
    }
    if dry_run {
        let estimate = app::bulk::estimate(app, caller, &new).await?;
        return Ok(foretold(&new.numbers, &estimate));
    }
    let sent = app::bulk::send(app, caller, &new).await;
    if let Some(follow_up) = new.follow_up.filter(|_| has_sent_nothing(&sent)) {
        app::sms::forget(app, follow_up).await?;
    }
    let answers = match sent {
        Ok(answers) => answers,
        Err(Error::Refused(refusal)) => return Err(refused(refusal).into()),
        Err(Error::Failed(failure)) => return Err(failure.into()),
    };
    let is_replayed = is_replayed(&answers);
    let response = if is_list {
        several(app, caller, &new, answers).await?
    } else {
        one(app, caller, answers).await?
    };
    Ok(if is_replayed { replayed(response) } else { response })
}

/// GET /v1/messages/{id}.
pub(super) async fn get(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    let id = message_id(id)?;
    let report = app::report::find(app, caller, id).await?;
    let report = report.ok_or_else(|| Problem::of(Kind::NotFound))?;
    Ok(json(StatusCode::OK, &Message::of(&report)))
}

/// GET /v1/messages/{id}/recording.
pub(super) async fn recording(
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<Response, Unanswered> {
    let wav = app::recording::download(app, caller, message_id(id)?).await?;
    let wav = wav.ok_or_else(|| Problem::of(Kind::NotFound))?;
    Ok(([(header::CONTENT_TYPE, "audio/x-wav")], wav).into_response())
}

/// GET /v1/messages.
pub(super) async fn list(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let (limit, after) = part(query, place)?;
    let reports = app::report::page(app, caller, after, limit).await?;
    let written = |last: &Report| format!("{}.{}", last.progress.started_at.0, last.progress.id.0);
    Ok(page(&reports, limit, written, Message::of))
}

/// The parameters of a query; one that is not known is a slip that must not pass unseen.
pub(super) fn query_of(query: &str, known: &[&str]) -> Result<Params, Problem> {
    let params = Params::read(query, b"");
    match params.stranger(known) {
        None => Ok(params),
        Some(name) => {
            let en = format!("{name} is no parameter here; there are {}", known.join(", "));
            let fa = format!("{name} اینجا پارامتر نیست؛ پارامترها: {}", known.join("، "));
            Err(Problem::with(Kind::InvalidRequest, (en, fa)))
        }
    }
}

/// How many things a page is to have.
pub(super) fn limit(params: &Params) -> Result<u32, Problem> {
    if params.text("limit").is_none() {
        return Ok(PAGE);
    }
    let limit = params.integer("limit").and_then(|limit| u32::try_from(limit).ok());
    limit.filter(|limit| (1..=PAGE_MAX).contains(limit)).ok_or_else(|| {
        Problem::with(Kind::InvalidRequest, ("limit is from 1 to 100", "limit از ۱ تا ۱۰۰ است"))
    })
}

/// The key of a request, if it has one.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().ok().map(str::trim);
    let visible = |key: &&str| key.bytes().all(|byte| byte.is_ascii_graphic());
    let key = key.filter(|key| !key.is_empty() && key.len() <= KEY_MAX).filter(visible);
    key.map(|key| Some(key.to_owned())).ok_or(Problem::of(Kind::InvalidKey))
}

/// What is said of a request for several things to be played, or for none.
pub(super) const ONE_OF: (&str, &str) =
    ("give one of text, audio_id and template_id", "یکی از text، audio_id و template_id را بدهید");

/// What is asked for, as `app` takes it.
fn bulk(app: &App, asked: NewMessages, request: Option<RequestKey>) -> Result<NewBulk, Problem> {
    let invalid = |en: &str, fa: &str| Err(Problem::with(Kind::InvalidRequest, (en, fa)));
    let people = match asked.to {
        Numbers::One(person) => vec![person],
        Numbers::Several(people) => people,
    };
    if people.is_empty() || people.len() > NUMBERS_MAX {
        return invalid(
            "to holds 1 to 100 numbers; more are a campaign",
            "to از ۱ تا ۱۰۰ شماره دارد؛ بیشتر از آن کمپین است",
        );
    }
    let (numbers, values): (Vec<String>, Vec<_>) =
        people.into_iter().map(|person| (person.number, person.values)).unzip();
    let is_personal = asked.template_id.is_some();
    if !is_personal && values.iter().any(|values| !values.is_empty()) {
        return invalid("values go with template_id", "values همراه template_id است");
    }
    if asked.record_seconds.is_some_and(|seconds| !RECORD_SECONDS.contains(&seconds)) {
        return invalid("record_seconds is from 1 to 300", "record_seconds از ۱ تا ۳۰۰ است");
    }
    let content = match (asked.audio_id, asked.text) {
        (None, None) if is_personal => {
            if asked.append_number.is_some() || asked.voice.is_some() {
                return invalid(
                    "append_number and voice go with text",
                    "append_number و voice همراه text است",
                );
            }
            let template = asked.template_id.expect("it was just looked at");
            Content::Personal { template: MessageId(template.get()), values }
        }
        (_, _) if is_personal => {
            return invalid(ONE_OF.0, ONE_OF.1);
        }
        (Some(_), None) if asked.append_number.is_some() => {
            return invalid("append_number goes with text", "append_number همراه text است");
        }
        (Some(id), None) => Content::Message(MessageId(id.get())),
        (None, Some(text)) if text.contains('\0') => {
            return invalid("text holds a zero", "text نویسهٔ صفر دارد");
        }
        (None, Some(text)) => Content::Text {
            text,
            speaker: speaker(app, asked.voice.as_deref())?,
            call_from_mobile: asked.append_number,
        },
        (None, None) | (Some(_), Some(_)) => {
            return invalid(ONE_OF.0, ONE_OF.1);
        }
    };
    Ok(NewBulk {
        content,
        numbers,
        vote: asked.collect_key,
        record_ms: asked.record_seconds.map(|seconds| seconds * 1000),
        server: asked.server_id.filter(|&server| server > 0),
        class: match asked.class {
            Class::Service => MessageClass::Service,
            Class::Advertising => MessageClass::Advertising,
            Class::Emergency => MessageClass::Emergency,
        },
        follow_up: None,
        max_cost: asked.max_cost.map(|rials| Rials(i64::try_from(rials).unwrap_or(i64::MAX))),
        request,
    })
}

/// Whether everything that was accepted had been accepted before.
fn is_replayed(answers: &[Result<Accepted, NumberRefusal>]) -> bool {
    let mut accepted = answers.iter().flatten().peekable();
    accepted.peek().is_some() && accepted.all(|accepted| accepted.repeated)
}

/// Whether no send was made now, for sure.
fn has_sent_nothing(sent: &app::Result<Vec<Result<Accepted, NumberRefusal>>, BulkRefusal>) -> bool {
    match sent {
        Ok(answers) => answers.iter().flatten().all(|accepted| accepted.repeated),
        Err(Error::Refused(_)) => true,
        Err(Error::Failed(_)) => false,
    }
}

fn sms_not_taken(error: Error<SmsRefusal>) -> Unanswered {
    match error {
        Error::Refused(refusal) => Problem::of_sms(refusal).into(),
        Error::Failed(failure) => failure.into(),
    }
}

fn refused(refusal: BulkRefusal) -> Problem {
    match refusal {
        BulkRefusal::KeyReused => Problem::of(Kind::KeyReused),
        BulkRefusal::TooExpensive(cost) => Problem::could_cost(cost),
    }
}

/// The answer to a request for one number.
async fn one(
    app: &App,
    caller: &Caller,
    answers: Vec<Result<Accepted, NumberRefusal>>,
) -> Result<Response, Unanswered> {
    let answer = answers.into_iter().next().expect("one number has one answer");
    let accepted = answer.map_err(Problem::of_number)?;
    let message = accepted_message(app, caller, accepted.id).await?;
    Ok(json(StatusCode::ACCEPTED, &message))
}

/// The answer to a request for several numbers, in their order.
async fn several(
    app: &App,
    caller: &Caller,
    new: &NewBulk,
    answers: Vec<Result<Accepted, NumberRefusal>>,
) -> Result<Response, Unanswered> {
    let mut data = Vec::with_capacity(answers.len());
    for (number, answer) in new.numbers.iter().zip(answers) {
        data.push(match answer {
            Ok(accepted) => serde_json::json!(accepted_message(app, caller, accepted.id).await?),
            Err(refusal) => skipped(number, &Problem::of_number(refusal).body(None)),
        });
    }
    let list = serde_json::json!({ "object": "list", "data": data, "next_page": null });
    Ok(json(StatusCode::ACCEPTED, &list))
}

/// What a dry run answers: to whom, who is left out and why, and what it costs.
pub(super) fn foretold(numbers: &[String], estimate: &Estimate) -> Response {
    let calls = numbers.iter().zip(&estimate.calls).zip(&estimate.barred);
    let calls = calls.map(|((number, call), bar)| match call {
        Ok(price) => serde_json::json!({
            "object": "call",
            "to": number,
            "cost_max": price.0,
            "barred": bar.map(|bar| match bar {
                Bar::OptedOut => "opted_out",
                Bar::Capped => "capped",
            }),
        }),
        Err(refusal) => skipped(number, &Problem::of_number(refusal.clone()).body(None)),
    });
    let data: Vec<serde_json::Value> = calls.collect();
    let answer = serde_json::json!({
        "object": "dry_run",
        "data": data,
        "skipped": left_out(estimate.skipped()),
        "clip_seconds": seconds(estimate.clip_ms),
        "cost_min": estimate.speech.0,
        "cost_max": estimate.cost_max().0,
        "expected": estimate.expected.as_ref().map(expected),
    });
    json(StatusCode::OK, &answer)
}

/// How many numbers would not be called.
pub(super) fn left_out(Skipped { opted_out, capped }: Skipped) -> serde_json::Value {
    serde_json::json!({ "opted_out": opted_out, "capped": capped })
}

/// A number that is left out.
fn skipped(number: &str, problem: &ProblemBody<'_>) -> serde_json::Value {
    serde_json::json!({ "object": "skipped", "to": number, "problem": problem })
}

/// A message as it was accepted: the same whenever it is asked for again.
pub(super) async fn accepted_message(
    app: &App,
    caller: &Caller,
    id: QuickSendId,
) -> Result<Message, Failure> {
    let gone = || Failure::of(format!("reading send {id} back: it is not there"));
    let report = app::report::find(app, caller, id).await?.ok_or_else(gone)?;
    Ok(Message::of(&report.as_accepted()))
}

impl Message {
    pub(super) fn of(report: &Report) -> Self {
        let progress = &report.progress;
        Self {
            object: "message",
            id: progress.id.0.to_string(),
            live: !report.sandbox,
            to: progress.destination.as_str().to_owned(),
            audio_id: report.message.0,
            call: Call::of_message(report),
            held: if report.end.is_some() { 0 } else { report.hold.0 },
            created_at: rfc3339(progress.started_at),
            expires_at: rfc3339(report.expires_at),
        }
    }
}

pub(super) fn message_id(text: &str) -> Result<QuickSendId, Problem> {
    id_of(text).map(QuickSendId).ok_or(Problem::of(Kind::NotFound))
}

pub(super) fn place(text: &str) -> Option<Place> {
    let (at, id) = text.split_once('.')?;
    Some((Timestamp(at.parse().ok()?), QuickSendId(id.parse().ok()?)))
}

pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_string(body).expect("the answers are plain structs with text keys");
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
