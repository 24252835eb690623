//! What everybody is told, as an account reads it: where each was told, and whether somebody of the
//! account was shown it.

use app::announcement::{AnnouncementRefusal, Delivery, Told};
use app::{App, Caller, Error};
use axum::http::StatusCode;
use axum::response::Response;
use domain::calendar::jalali::rfc3339;
use serde_json::{Value, json};

use super::Unanswered;
use super::listing::{id_of, page, part};
use super::messages::json as answer;
use super::once::{Asked, once};
use super::problem::{Kind, Problem};

/// GET /v1/announcements.
pub(super) async fn list(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let (limit, before) = part(query, id_of)?;
    let found = app::announcement::list_for(app, caller.account.id, before, limit).await?;
    Ok(page(&found, limit, |last| last.announcement.id, shown))
}

/// GET /v1/announcements/{id}.
pub(super) async fn get(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    let id = id_of(id).ok_or_else(|| Problem::of(Kind::NotFound))?;
    let found = app::announcement::find_for(app, caller.account.id, id).await?;
    Ok(answer(StatusCode::OK, &shown(&found.ok_or_else(|| Problem::of(Kind::NotFound))?)))
}

/// POST /v1/announcements/{id}/view: somebody of the account was shown it.
pub(super) async fn view(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let (app, caller) = (asked.app, asked.caller);
    let again = async |_| get(app, caller, id).await;
    let note = async {
        let id = id_of(id).ok_or_else(|| Problem::of(Kind::NotFound))?;
        match app::announcement::view(app, caller.account.id, id).await {
            Ok(told) => Ok(answer(StatusCode::OK, &shown(&told))),
            Err(Error::Failed(failure)) => Err(failure.into()),
            Err(Error::Refused(
                AnnouncementRefusal::NoSuchAnnouncement
                | AnnouncementRefusal::NotThere
                | AnnouncementRefusal::Author
                | AnnouncementRefusal::Rule(_),
            )) => Err(Problem::of(Kind::NotFound).into()),
        }
    };
    once(asked, Box::pin(note), again).await
}

/// Who of staff wrote it is not for customers, nor what a mail server or a program of the
/// operator's said; what a network or the first page calls it is.
fn shown(told: &Told) -> Value {
    let (one, new) = (&told.announcement, &told.announcement.new);
    let ways: Vec<Value> = told.ways.iter().filter_map(way).collect();
    json!({
        "object": "announcement",
        "id": one.id.to_string(),
        "title": new.text.title,
        "text": new.text.body,
        "maintenance": new.maintenance.map(|(id, _)| id.to_string()),
        "announced_at": rfc3339(new.made_at),
        "until": rfc3339(new.until),
        "withdrawn_at": one.withdrawn_at.map(rfc3339),
        "viewed_at": told.viewed_at.map(rfc3339),
        "told": ways,
    })
}

fn way(way: &Delivery) -> Option<Value> {
    let told_at = way.delivered_at?;
    let reference = way.reference.as_ref().filter(|_| way.proves.is_some());
    Some(json!({
        "place": way.channel,
        "at": rfc3339(told_at),
        "reference": reference,
        "gone_at": way.gone_at.map(rfc3339),
    }))
}
