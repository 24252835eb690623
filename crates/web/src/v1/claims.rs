//! Claims of an account: what it asks of the committee, and what that decides.

use app::claim::{Asked, ClaimRefusal, OPEN_MAX, Shown};
use app::request::RequestKey;
use app::{App, Caller, Error};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use domain::agreement::claim::{Refusal, TEXT_MAX, Track};
use domain::calendar::date_time::Written;
use domain::calendar::jalali::rfc3339;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Unanswered;
use super::messages::{REPLAYED, idempotency_key, json as answer, limit, query_of};
use super::problem::{Kind, Problem};

/// What a client asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewClaim {
    #[serde(default = "support")]
    track: String,
    event_at: String,
    statement: String,
}

/// What a client says to a claim.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    text: String,
}

fn support() -> String {
    Track::Support.word().to_owned()
}

/// POST /v1/claims.
pub(super) async fn file(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Unanswered> {
    let key = idempotency_key(headers)?;
    let new: NewClaim = serde_json::from_slice(body)
        .map_err(|error| Problem::with(Kind::InvalidRequest, error.to_string()))?;
    let track = Track::parse(&new.track).ok_or_else(|| {
        Problem::with(Kind::InvalidRequest, "track is support, availability or other")
    })?;
    let written = Written::parse(&new.event_at);
    let event_at = written.and_then(|one| one.at_second(one.second().unwrap_or(0)));
    let event_at = event_at.ok_or_else(|| {
        Problem::with(Kind::InvalidRequest, "event_at is a moment like 2026-12-01 10:30")
    })?;
    let asked = Asked { track, event_at, statement: new.statement };
    let request = key.map(|key| RequestKey { key, body: body.to_vec() });
    let filed = app::claim::file(app, caller, &asked, request.as_ref()).await;
    let (id, repeated) = filed.map_err(not_done)?;
    let mut response = answer(StatusCode::CREATED, &found(app, caller, id).await?);
    if repeated {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// GET /v1/claims.
pub(super) async fn list(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let params = query_of(query, &["limit", "after"])?;
    let limit = limit(&params)?;
    let before = match params.text("after") {
        None => None,
        Some(text) => Some(number(text).ok_or_else(|| {
            Problem::with(Kind::InvalidRequest, "after is no next_page of an answer of ours")
        })?),
    };
    let all = app::claim::list(app, Some(caller.account.id), before, limit).await?;
    let is_full = u32::try_from(all.len()).is_ok_and(|count| count == limit);
    let next_page = all.last().filter(|_| is_full).map(|last| last.kept.id.to_string());
    let data: Vec<Value> = all.iter().map(shown).collect();
    let page = json!({ "object": "list", "data": data, "next_page": next_page });
    Ok(answer(StatusCode::OK, &page))
}

/// GET /v1/claims/{id}.
pub(super) async fn get(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    Ok(answer(StatusCode::OK, &found(app, caller, claim_id(id)?).await?))
}

/// POST /v1/claims/{id}/evidence.
pub(super) async fn evidence(
    app: &App,
    caller: &Caller,
    id: &str,
    body: &[u8],
) -> Result<Response, Unanswered> {
    let (id, text) = (claim_id(id)?, words(body)?);
    app::claim::answer(app, caller.account.id, id, &text).await.map_err(not_done)?;
    Ok(answer(StatusCode::OK, &found(app, caller, id).await?))
}

/// POST /v1/claims/{id}/appeal.
pub(super) async fn appeal(
    app: &App,
    caller: &Caller,
    id: &str,
    body: &[u8],
) -> Result<Response, Unanswered> {
    let (id, text) = (claim_id(id)?, words(body)?);
    app::claim::appeal(app, caller.account.id, id, &text).await.map_err(not_done)?;
    Ok(answer(StatusCode::OK, &found(app, caller, id).await?))
}

/// POST /v1/claims/{id}/withdraw.
pub(super) async fn withdraw(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    let id = claim_id(id)?;
    app::claim::withdraw(app, caller.account.id, id).await.map_err(not_done)?;
    Ok(answer(StatusCode::OK, &found(app, caller, id).await?))
}

async fn found(app: &App, caller: &Caller, id: i64) -> Result<Value, Unanswered> {
    let found = app::claim::find(app, Some(caller.account.id), id).await?;
    Ok(shown(&found.ok_or_else(|| Problem::of(Kind::NotFound))?))
}

fn words(body: &[u8]) -> Result<String, Problem> {
    let Words { text } = serde_json::from_slice(body)
        .map_err(|error| Problem::with(Kind::InvalidRequest, error.to_string()))?;
    Ok(text)
}

fn shown(shown: &Shown) -> Value {
    let kept = &shown.kept;
    let decisions: Vec<Value> = kept
        .claim
        .decisions()
        .iter()
        .map(|one| {
            json!({
                "outcome": one.outcome.word(),
                "amount": one.amount.map(|amount| amount.0),
                "method": one.method,
                "reasons": one.reasons,
                "votes_for": one.votes.iter().filter(|(_, agrees)| *agrees).count(),
                "votes_against": one.votes.iter().filter(|(_, agrees)| !*agrees).count(),
                "at": rfc3339(one.at),
            })
        })
        .collect();
    let history: Vec<Value> = kept
        .steps
        .iter()
        .map(
            |step| json!({ "state": step.state.word(), "at": rfc3339(step.at), "note": step.note }),
        )
        .collect();
    json!({
        "object": "claim",
        "id": kept.id.to_string(),
        "track": kept.track.word(),
        "event_at": rfc3339(kept.event_at),
        "statement": kept.statement,
        "state": kept.claim.state().word(),
        "decision_due_at": shown.due.map(rfc3339),
        "overdue": shown.overdue,
        "decisions": decisions,
        "history": history,
    })
}

fn not_done(error: Error<ClaimRefusal>) -> Unanswered {
    let refusal = match error {
        Error::Refused(refusal) => refusal,
        Error::Failed(failure) => return failure.into(),
    };
    let not_taken = |detail: &str| Problem::with(Kind::ClaimNotTaken, detail);
    match refusal {
        ClaimRefusal::Rule(Refusal::Unverified) => {
            not_taken("The identity was not proven when it happened (C18).")
        }
        ClaimRefusal::Rule(Refusal::Unpaid) => {
            not_taken("The subscription was not paid when it happened (C19).")
        }
        ClaimRefusal::Rule(Refusal::Late) => {
            not_taken("It is later than the end of the second Persian month after the event.")
        }
        ClaimRefusal::Rule(Refusal::NotYet) => not_taken("The event lies in the future."),
        ClaimRefusal::TooMany => {
            not_taken(&format!("The account has {OPEN_MAX} claims that are not settled."))
        }
        ClaimRefusal::Rule(_) | ClaimRefusal::Meanwhile | ClaimRefusal::NoSubscription => {
            Problem::of(Kind::WrongState)
        }
        ClaimRefusal::Text(what) => {
            let detail = format!("the {what} is a text of 1 to {TEXT_MAX} bytes");
            Problem::with(Kind::InvalidRequest, detail)
        }
        ClaimRefusal::KeyReused => Problem::of(Kind::KeyReused),
        ClaimRefusal::NoSuchClaim | ClaimRefusal::NoSuchAccount => Problem::of(Kind::NotFound),
    }
    .into()
}

fn claim_id(text: &str) -> Result<i64, Problem> {
    number(text).ok_or(Problem::of(Kind::NotFound))
}

fn number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|&id| id > 0)
}
