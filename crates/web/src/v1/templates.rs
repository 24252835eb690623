//! Templates of personal messages: an order of clips and of values that are said to one number
//! alone, and how it sounds with the values of somebody.

use app::template::{Heard, Made, NewTemplate, Preview, SaidRefusal, TemplateRefusal};
use app::{App, Caller, Error};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::calendar::jalali::rfc3339;
use domain::{MessageId, RecipientId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Unanswered;
use super::call::seconds;
use super::detail;
use super::listing::{id_of, page, part};
use super::lists::Values;
use super::messages::{idempotency_key, json as answer};
use super::once::{Asked, once};
use super::problem::{Kind, Problem};

/// The longest that a client may ask for, seconds.
const SECONDS_MAX: u32 = domain::message::LENGTH_MS_MAX / 1000;

/// What a client asks to be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    title: String,
    template: String,
    voice: Option<String>,
    max_seconds: Option<u32>,
}

/// Values to be heard.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    #[serde(default)]
    values: Values,
}

/// POST /v1/templates.
pub(super) async fn create(asked: Asked<'_>) -> Result<Response, Unanswered> {
    let (app, caller) = (asked.app, asked.caller);
    let New { title, template, voice, max_seconds } =
        serde_json::from_slice(asked.body).map_err(|error| Problem::unread(&error))?;
    if title.contains('\0') || voice.as_deref().is_some_and(|voice| voice.contains('\0')) {
        return Err(Problem::with(
            Kind::InvalidRequest,
            ("a text holds a zero", "متنی نویسهٔ صفر دارد"),
        )
        .into());
    }
    if max_seconds.is_some_and(|seconds| !(1..=SECONDS_MAX).contains(&seconds)) {
        let detail = (
            format!("max_seconds is from 1 to {SECONDS_MAX}"),
            format!("max_seconds از ۱ تا {SECONDS_MAX} است"),
        );
        return Err(Problem::with(Kind::InvalidRequest, detail).into());
    }
    let longest_ms = max_seconds.map(|seconds| seconds * 1000);
    let new = NewTemplate { title, written: template, voice, longest_ms };
    let work = async {
        let made = app::template::create(app, caller, new).await.map_err(not_made)?;
        Ok(answer(StatusCode::CREATED, &shown(&made)))
    };
    let again = async |id| Ok(answer(StatusCode::CREATED, &shown(&found(app, caller, id).await?)));
    once(asked, Box::pin(work), again).await
}

/// GET /v1/templates.
pub(super) async fn list(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let (limit, after) = part(query, id_of)?;
    let all = app::template::page(app, caller, after.map(MessageId), limit).await?;
    Ok(page(&all, limit, |last| last.id, shown))
}

/// GET /v1/templates/{id}.
pub(super) async fn get(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    let id = template_id(id)?;
    Ok(answer(StatusCode::OK, &shown(&found(app, caller, id.0).await?)))
}

/// DELETE /v1/templates/{id}. Campaigns that were begun with it go on.
pub(super) async fn delete(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    if app::template::delete(app, caller, template_id(id)?).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(Problem::of(Kind::NotFound).into())
    }
}

/// POST /v1/templates/{id}/preview: what somebody with these values would hear, in words. Nothing
/// is done, so that it needs no name to be done once.
pub(super) async fn preview(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    Ok(answer(StatusCode::OK, &in_words(&heard(asked, id).await?)))
}

/// POST /v1/templates/{id}/sound: the same as a WAV file.
pub(super) async fn sound(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    Ok(wav(heard(asked, id).await?))
}

async fn heard(asked: Asked<'_>, id: &str) -> Result<Preview, Unanswered> {
    // Nothing is changed, so it is done as well once as twice; a name that is none is a slip.
    idempotency_key(asked.headers)?;
    let id = template_id(id)?;
    let Given { values } =
        serde_json::from_slice(asked.body).map_err(|error| Problem::unread(&error))?;
    let heard = app::template::preview(asked.app, asked.caller, id, &values.into_pairs()).await;
    heard.map_err(not_heard)
}

/// GET /v1/campaign_numbers/{id}/preview: what a number of a campaign hears, in words.
pub(super) async fn number(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    Ok(answer(StatusCode::OK, &in_words(&of_number(app, caller, id).await?)))
}

/// GET /v1/campaign_numbers/{id}/sound: the same as a WAV file.
pub(super) async fn number_sound(
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<Response, Unanswered> {
    Ok(wav(of_number(app, caller, id).await?))
}

async fn of_number(app: &App, caller: &Caller, id: &str) -> Result<Preview, Unanswered> {
    let id = RecipientId::unpack(id_of(id).ok_or_else(|| Problem::of(Kind::NotFound))?);
    app::template::preview_of_recipient(app, caller, id).await.map_err(not_heard)
}

async fn found(app: &App, caller: &Caller, id: i64) -> Result<Made, Unanswered> {
    let found = app::template::find(app, caller, MessageId(id)).await?;
    Ok(found.ok_or_else(|| Problem::of(Kind::NotFound))?)
}

fn template_id(text: &str) -> Result<MessageId, Problem> {
    id_of(text).map(MessageId).ok_or(Problem::of(Kind::NotFound))
}

fn shown(made: &Made) -> Value {
    let value =
        |slot: &domain::template::Slot| json!({ "name": slot.name, "type": slot.kind.word() });
    json!({
        "object": "template",
        "id": made.id.0,
        "title": made.title,
        "template": made.template.to_string(),
        "values": made.template.values().iter().map(value).collect::<Vec<Value>>(),
        "voice": made.voice,
        "max_seconds": seconds(made.longest_ms),
        "created_at": rfc3339(made.created_at),
    })
}

fn in_words(preview: &Preview) -> Value {
    let part = |part: &Heard| match part {
        Heard::Clip(id) => json!({ "object": "clip", "audio_id": id.0 }),
        Heard::Value { name, value, spoken } => {
            json!({ "object": "value", "name": name, "value": value, "spoken": spoken })
        }
    };
    json!({
        "object": "preview",
        "parts": preview.parts.iter().map(part).collect::<Vec<Value>>(),
        "clip_seconds": seconds(preview.length_ms),
    })
}

fn wav(preview: Preview) -> Response {
    ([(header::CONTENT_TYPE, "audio/x-wav")], preview.wav).into_response()
}

fn not_made(error: Error<TemplateRefusal>) -> Unanswered {
    let refusal = match error {
        Error::Refused(refusal) => refusal,
        Error::Failed(failure) => return failure.into(),
    };
    let not_like_this = |en: &str, fa: &str| Problem::with(Kind::TemplateNotAllowed, (en, fa));
    match refusal {
        TemplateRefusal::TitleTooLong => {
            not_like_this("title has up to 200 characters.", "title تا ۲۰۰ نویسه دارد.")
        }
        TemplateRefusal::Written(syntax) => not_like_this(
            &format!("template: {syntax}."),
            &format!("template: {}.", detail::syntax(&syntax)),
        ),
        TemplateRefusal::NoSuchClip(id) => Problem::with(
            Kind::WrongMessage,
            (
                format!("The clip {} is not usable.", id.0),
                format!("clip {} قابل استفاده نیست.", id.0),
            ),
        ),
        TemplateRefusal::NoSuchVoice => not_like_this(
            "voice is male, female, or an id of /v1/voices.",
            "voice یا male است یا female یا شناسه‌ای از /v1/voices.",
        ),
        TemplateRefusal::WrongLength(least_ms) => {
            let least = least_ms.div_ceil(1000);
            not_like_this(
                &format!("max_seconds is from {least} to {SECONDS_MAX} here."),
                &format!("max_seconds اینجا از {least} تا {SECONDS_MAX} است."),
            )
        }
        TemplateRefusal::TextNotAllowed => Problem::of(Kind::MustBeApproved),
    }
    .into()
}

fn not_heard(error: Error<SaidRefusal>) -> Unanswered {
    match error {
        Error::Refused(SaidRefusal::NotFound) => Problem::of(Kind::NotFound).into(),
        Error::Refused(refusal) => Problem::of_said(&refusal).into(),
        Error::Failed(failure) => failure.into(),
    }
}
