//! SMS that follow calls: what is written, and where each of them stands.

use app::sms::{Kept, Sms, State, WrittenFollowUp};
use app::{App, Caller};
use axum::http::StatusCode;
use axum::response::Response;
use domain::calendar::jalali::rfc3339;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Unanswered;
use super::listing::{id_of, page, part};
use super::messages::json as answer;
use super::problem::{Kind, Problem};

/// What a client wants to be written after calls.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewFollowUp {
    text: String,
    after: Vec<String>,
}

impl NewFollowUp {
    /// As `app` takes it.
    pub(super) fn written(self) -> WrittenFollowUp {
        WrittenFollowUp { text: self.text, after: self.after }
    }
}

/// GET /v1/sms.
pub(super) async fn list(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let (limit, after) = part(query, id_of)?;
    let all = app::sms::page(app, caller, after, limit).await?;
    Ok(page(&all, limit, |last| last.id, shown))
}

/// GET /v1/sms/{id}.
pub(super) async fn get(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    let id = id_of(id).ok_or_else(|| Problem::of(Kind::NotFound))?;
    let found = app::sms::find(app, caller, id).await?;
    Ok(answer(StatusCode::OK, &shown(&found.ok_or_else(|| Problem::of(Kind::NotFound))?)))
}

/// What is written after the calls of a campaign.
pub(super) fn follow_up(kept: &Kept) -> Value {
    json!({
        "text": kept.text,
        "after": kept.after.iter().map(|end| end.word()).collect::<Vec<&str>>(),
        "price": kept.price.0,
    })
}

/// The same, and how many of these SMS there are in each state.
pub(super) async fn counted(app: &App, kept: &Kept) -> Result<Value, Unanswered> {
    let mut shown = follow_up(kept);
    let counts = app::sms::counts(app, kept).await?;
    for state in [State::Due, State::Sent, State::Failed] {
        let count = counts.iter().find(|(of, _)| *of == state).map_or(0, |(_, count)| *count);
        shown[state.word()] = count.into();
    }
    Ok(shown)
}

fn shown(sms: &Sms) -> Value {
    json!({
        "object": "sms",
        "id": sms.id.to_string(),
        "message_id": sms.send.0.to_string(),
        "campaign_number_id": sms.recipient.map(|recipient| recipient.pack().to_string()),
        "to": sms.number,
        "text": sms.text,
        "state": sms.state.word(),
        "tries": sms.tries,
        "next_try": (sms.state == State::Due).then(|| rfc3339(sms.due_at)),
        "charged": sms.charge.0,
        "provider": sms.provider,
        "provider_id": sms.provider_id,
        "problem": sms.problem,
        "created_at": rfc3339(sms.created_at),
        "ended_at": sms.ended_at.map(rfc3339),
    })
}
