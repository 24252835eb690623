//! The ledger of both sides' violations: an account sees its own and the platform's entries, and
//! answers those of its own duties. Everybody sees how many there are.

use app::violation::{Answer, Kept, ViolationRefusal};
use app::{App, Caller, Error, Failure};
use axum::http::StatusCode;
use axum::response::Response;
use domain::agreement::violation::TEXT_MAX;
use domain::calendar::jalali::rfc3339;
use domain::calendar::month::PersianMonth;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Unanswered;
use super::agreement::month_of;
use super::listing::{id_of, page, part};
use super::messages::{json as answer, query_of};
use super::once::{Asked, once};
use super::problem::{Kind, Problem};

/// Why an entry is disputed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: String,
}

/// GET /v1/violations.
pub(super) async fn list(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let (limit, before) = part(query, id_of)?;
    let found = app::violation::list(app, Some(caller.account.id), before, limit).await?;
    Ok(page(&found, limit, |last| last.id, shown))
}

/// GET /v1/violations/{id}.
pub(super) async fn get(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    let id = id_of(id).ok_or_else(|| Problem::of(Kind::NotFound))?;
    let found = app::violation::find_for(app, caller.account.id, id).await?;
    Ok(answer(StatusCode::OK, &shown(&found.ok_or_else(|| Problem::of(Kind::NotFound))?)))
}

/// POST /v1/violations/{id}/accept.
pub(super) async fn accept(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let (app, caller) = (asked.app, asked.caller);
    let again = async |_| get(app, caller, id).await;
    once(asked, Box::pin(say(app, caller, id, Answer::Accept)), again).await
}

/// POST /v1/violations/{id}/dispute.
pub(super) async fn dispute(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let (app, caller) = (asked.app, asked.caller);
    let Reason { reason } =
        serde_json::from_slice(asked.body).map_err(|error| Problem::unread(&error))?;
    let again = async |_| get(app, caller, id).await;
    once(asked, Box::pin(say(app, caller, id, Answer::Dispute(&reason))), again).await
}

async fn say(
    app: &App,
    caller: &Caller,
    id: &str,
    said: Answer<'_>,
) -> Result<Response, Unanswered> {
    let id = id_of(id).ok_or_else(|| Problem::of(Kind::NotFound))?;
    let kept = app::violation::answer(app, caller.account.id, id, said).await.map_err(|error| {
        let refusal = match error {
            Error::Refused(refusal) => refusal,
            Error::Failed(failure) => return Unanswered::from(failure),
        };
        match refusal {
            ViolationRefusal::Text(_) => {
                let detail = (
                    format!("reason is a text of 1 to {TEXT_MAX} bytes"),
                    format!("reason متنی از ۱ تا {TEXT_MAX} بایت است"),
                );
                Problem::with(Kind::InvalidRequest, detail)
            }
            ViolationRefusal::Rule(_) | ViolationRefusal::Meanwhile => {
                Problem::of(Kind::WrongState)
            }
            _ => Problem::of(Kind::NotFound),
        }
        .into()
    })?;
    Ok(answer(StatusCode::OK, &shown(&kept)))
}

/// GET /v1/violations/counts: a month of the platform, for everybody.
pub(super) async fn counts(app: &App, query: &str) -> Result<Response, Unanswered> {
    let params = query_of(query, &["month"])?;
    let month = month_of(app, &params)?;
    let counts = counted(app, month).await?;
    let told = json!({ "object": "violation_counts", "month": month.to_string(), "data": counts });
    Ok(answer(StatusCode::OK, &told))
}

/// How often either side did not keep each duty, as everybody may read it.
pub(super) async fn counted(app: &App, month: PersianMonth) -> Result<Vec<Value>, Failure> {
    let counts = app::violation::counts(app, month).await?;
    let shown = counts.into_iter().map(|(party, clause, count)| {
        json!({
            "party": party.word(),
            "clause": clause.word(),
            "clause_number": clause.number(),
            "count": count,
        })
    });
    Ok(shown.collect())
}

/// An entry as it is told.
pub(super) fn shown(kept: &Kept) -> Value {
    let entry = &kept.violation;
    let history: Vec<Value> = kept
        .steps
        .iter()
        .map(|step| {
            json!({
                "status": step.status.word(),
                "at": rfc3339(step.at),
                "by": step.actor,
                "reason": step.reason,
            })
        })
        .collect();
    json!({
        "object": "violation",
        "id": kept.id.to_string(),
        "concerns": if kept.account.is_some() { "account" } else { "platform" },
        "party": entry.party().word(),
        "clause": entry.clause().word(),
        "clause_number": entry.clause().number(),
        "agreement": entry.version(),
        "from": rfc3339(entry.span().from),
        "to": rfc3339(entry.span().to),
        "status": entry.status().word(),
        "evidence": entry.evidence(),
        "history": history,
    })
}
