//! What messages play, as its customer keeps it: how long it is, and whether it may be sent.

use app::{App, Caller};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::calendar::jalali::rfc3339;
use domain::{Approval, MessageId};
use serde::Serialize;

use super::Unanswered;
use super::messages::{json, limit, query_of, seconds};
use super::problem::{Kind, Problem};

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
    let params = query_of(query, &["limit", "after"])?;
    let limit = limit(&params)?;
    let no_page = || Problem::with(Kind::InvalidRequest, "after is no next_page of ours");
    let after = params.text("after").map(|text| audio_id(text).map_err(|_| no_page()));
    let after = after.transpose()?;
    let found = app::message::page(app, caller.account.id, after, limit).await?;
    let is_full = u32::try_from(found.len()).is_ok_and(|count| count == limit);
    let next_page = found.last().filter(|_| is_full).map(|last| last.id.0.to_string());
    let data: Vec<Audio> = found.into_iter().map(Audio::of).collect();
    let page = serde_json::json!({ "object": "list", "data": data, "next_page": next_page });
    Ok(json(StatusCode::OK, &page))
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
    let list = serde_json::json!({ "object": "list", "data": data, "next_page": null });
    json(StatusCode::OK, &list)
}

fn audio_id(text: &str) -> Result<MessageId, Problem> {
    let id = text.parse().ok().filter(|&id| id > 0);
    id.map(MessageId).ok_or(Problem::of(Kind::NotFound))
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
