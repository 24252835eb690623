//! What messages play, as its customer keeps it: how long it is, and whether it may be sent.

use app::message::{NewSpeech, NewUpload, SpeechRefusal, UploadRefusal};
use app::{App, Caller, Error};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::calendar::jalali::rfc3339;
use domain::{Approval, MessageId};
use serde::{Deserialize, Serialize};

use super::Unanswered;
use super::call::seconds;
use super::listing::{id_of, listed, next_page, part};
use super::messages::{json, query_of, speaker};
use super::once::{Asked, once};
use super::problem::{Kind, Problem};
use super::routes::BODY_BYTES_MAX;

/// A text to make audio of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spoken {
    title: String,
    text: String,
    voice: Option<String>,
    append_number: Option<String>,
}

/// A piece of audio as it is shown.
#[derive(Serialize)]
struct Audio {
    object: &'static str,
    id: i64,
    title: String,
    state: &'static str,
    refused_because: Option<String>,
    clip_seconds: f64,
    created_at: String,
}

/// GET /v1/audio.
pub(super) async fn list(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let (limit, after) = part(query, id_of)?;
    let found = app::message::page(app, caller.account.id, after.map(MessageId), limit).await?;
    let next_page = next_page(&found, limit, |last| last.id);
    let data: Vec<Audio> = found.into_iter().map(Audio::of).collect();
    Ok(listed(&data, next_page.as_deref()))
}

/// POST /v1/audio: a file as it is, with its title in the query, or in JSON a text to be spoken.
pub(super) async fn upload(asked: Asked<'_>, query: &str) -> Result<Response, Unanswered> {
    let (app, caller) = (asked.app, asked.caller);
    let again = async |id| {
        let message = app::message::find(app, caller, MessageId(id)).await?;
        let message = message.ok_or_else(|| Problem::of(Kind::NotFound))?;
        Ok(json(StatusCode::CREATED, &Audio::of(message)))
    };
    if is_json(asked.headers) {
        query_of(query, &[])?;
        let new = text(app, asked.body)?;
        let work = async {
            let made = app::message::generate(app, caller, new).await.map_err(not_spoken)?;
            Ok(json(StatusCode::CREATED, &Audio::of(made)))
        };
        return once(asked, Box::pin(work), again).await;
    }
    let params = query_of(query, &["title", "append_number"])?;
    let title = params.text("title").unwrap_or_default().to_owned();
    if title.trim().is_empty() || title.contains('\0') {
        return Err(Problem::with(
            Kind::InvalidRequest,
            ("title is missing, or no text", "title نیست یا متن نیست"),
        )
        .into());
    }
    let call_from_mobile = params.text("append_number").map(str::to_owned);
    let bytes = asked.body.to_vec();
    let new = NewUpload { title, bytes, persistent: true, call_from_mobile };
    let work = async {
        let made = app::message::upload(app, caller, new).await.map_err(not_taken)?;
        Ok(json(StatusCode::CREATED, &Audio::of(made)))
    };
    once(asked, Box::pin(work), again).await
}

/// What is said of a title that is too long.
const TITLE: (&str, &str) = ("title has up to 200 characters.", "title تا ۲۰۰ نویسه دارد.");

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.unwrap_or_default().split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

fn text(app: &App, body: &[u8]) -> Result<NewSpeech, Problem> {
    if body.len() > BODY_BYTES_MAX {
        return Err(Problem::of(Kind::TooLarge));
    }
    let Spoken { title, text, voice, append_number } =
        serde_json::from_slice(body).map_err(|error| Problem::unread(&error))?;
    if title.trim().is_empty() || [&title, &text].iter().any(|text| text.contains('\0')) {
        return Err(Problem::with(
            Kind::InvalidRequest,
            ("title is missing, or a text holds a zero", "title نیست یا متنی نویسهٔ صفر دارد"),
        ));
    }
    let speaker = speaker(app, voice.as_deref())?;
    Ok(NewSpeech { title, text, speaker, call_from_mobile: append_number })
}

fn not_taken(error: Error<UploadRefusal>) -> Unanswered {
    let refusal = match error {
        Error::Refused(refusal) => refusal,
        Error::Failed(failure) => return failure.into(),
    };
    let not_taken = |en: &str, fa: &str| Problem::with(Kind::AudioNotTaken, (en, fa));
    match refusal {
        UploadRefusal::TitleTooLong => not_taken(TITLE.0, TITLE.1),
        UploadRefusal::WrongMobile => Problem::of(Kind::WrongMobile),
        UploadRefusal::NotAudio => not_taken(
            "It is in no format of audio that is read.",
            "در هیچ قالب صوتی‌ای نیست که خوانده می‌شود.",
        ),
        UploadRefusal::TooLarge => Problem::of(Kind::TooLarge),
        UploadRefusal::Broken => {
            not_taken("It contradicts its own format.", "با قالب خودش نمی‌خواند.")
        }
        UploadRefusal::OutOfTime => {
            not_taken("Reading it takes too long.", "خواندن آن بیش از حد طول می‌کشد.")
        }
        UploadRefusal::TooLong => {
            not_taken("It plays longer than ten minutes.", "پخش آن بیش از ده دقیقه است.")
        }
        UploadRefusal::TooShort => not_taken(
            "It has less than three seconds to be heard.",
            "کمتر از سه ثانیه صدای شنیدنی دارد.",
        ),
        UploadRefusal::InsufficientCredit => Problem::of(Kind::InsufficientCredit),
    }
    .into()
}

fn not_spoken(error: Error<SpeechRefusal>) -> Unanswered {
    let refusal = match error {
        Error::Refused(refusal) => refusal,
        Error::Failed(failure) => return failure.into(),
    };
    match refusal {
        SpeechRefusal::TitleTooLong => Problem::with(Kind::AudioNotTaken, TITLE),
        SpeechRefusal::WrongMobile => Problem::of(Kind::WrongMobile),
        SpeechRefusal::InsufficientCredit => Problem::of(Kind::InsufficientCredit),
        SpeechRefusal::TextTooLong
        | SpeechRefusal::EmptyText
        | SpeechRefusal::TooShort
        | SpeechRefusal::TooLong
        | SpeechRefusal::NotSpoken => Problem::of(Kind::TextNotUsable),
    }
    .into()
}

/// GET /v1/audio/{id}.
pub(super) async fn get(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    let message = app::message::find(app, caller, audio_id(id)?).await?;
    let message = message.ok_or_else(|| Problem::of(Kind::NotFound))?;
    Ok(json(StatusCode::OK, &Audio::of(message)))
}

/// GET /v1/audio/{id}/sound.
pub(super) async fn sound(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    let wav = app::message::download(app, caller, audio_id(id)?).await?;
    let wav = wav.ok_or_else(|| Problem::of(Kind::NotFound))?;
    Ok(([(header::CONTENT_TYPE, "audio/x-wav")], wav).into_response())
}

/// GET /v1/voices.
pub(super) fn voices(app: &App) -> Response {
    let named = app::message::voices(app);
    let all = ["male", "female"].into_iter().map(String::from).chain(named);
    let data: Vec<_> = all.map(|id| serde_json::json!({ "object": "voice", "id": id })).collect();
    listed(&data, None)
}

fn audio_id(text: &str) -> Result<MessageId, Problem> {
    id_of(text).map(MessageId).ok_or(Problem::of(Kind::NotFound))
}

impl Audio {
    fn of(message: domain::Message) -> Self {
        Self {
            object: "audio",
            id: message.id.0,
            title: message.title,
            state: match message.approval {
                Approval::Waiting | Approval::WaitingByPhone => "waiting",
                Approval::Approved => "approved",
                Approval::Rejected => "refused",
            },
            refused_because: message.refused_because,
            clip_seconds: seconds(message.length_ms),
            created_at: rfc3339(message.created_at),
        }
    }
}
