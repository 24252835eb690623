//! Claims of an account: what it asks of the committee, and what that decides.

use app::claim::{ClaimRefusal, Kept, OPEN_MAX, OpenDay, Queued, Shown};
use app::{App, Caller, Error};
use axum::http::StatusCode;
use axum::response::Response;
use domain::agreement::claim::{Refusal, TEXT_MAX, Track};
use domain::agreement::support_call::Step;
use domain::calendar::date_time::Written;
use domain::calendar::jalali::rfc3339;
use domain::calendar::opening_hours::DayType;
use domain::calendar::span::Span;
use serde::Deserialize;
use serde_json::{Value, json};

use super::calendar::date;
use super::listing::{id_of, page, part};
use super::messages::json as answer;
use super::once::{Asked, once};
use super::problem::{Kind, Problem};
use super::{Unanswered, invoices, violations};

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
pub(super) async fn file(asked: Asked<'_>) -> Result<Response, Unanswered> {
    let (app, caller) = (asked.app, asked.caller);
    let new: NewClaim =
        serde_json::from_slice(asked.body).map_err(|error| Problem::unread(&error))?;
    let track = Track::parse(&new.track).ok_or_else(|| {
        Problem::with(
            Kind::InvalidRequest,
            (
                "track is support, availability or other",
                "track یکی از support، availability و other است",
            ),
        )
    })?;
    let written = Written::parse(&new.event_at);
    let event_at = written.and_then(|one| one.at_second(one.second().unwrap_or(0)));
    let event_at = event_at.ok_or_else(|| {
        Problem::with(
            Kind::InvalidRequest,
            (
                "event_at is a moment like 2026-12-01 10:30",
                "event_at لحظه‌ای مانند 2026-12-01 10:30 است",
            ),
        )
    })?;
    let claim = app::claim::Asked { track, event_at, statement: new.statement };
    let created = async |id| Ok(answer(StatusCode::CREATED, &found(app, caller, id).await?));
    let work = async {
        let id = app::claim::file(app, caller, &claim).await.map_err(not_done)?;
        created(id).await
    };
    once(asked, Box::pin(work), created).await
}

/// GET /v1/claims.
pub(super) async fn list(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let (limit, before) = part(query, id_of)?;
    let all = app::claim::list(app, Some(caller.account.id), before, limit).await?;
    Ok(page(&all, limit, |last| last.kept.id, shown))
}

/// GET /v1/claims/{id}.
pub(super) async fn get(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    Ok(answer(StatusCode::OK, &found(app, caller, claim_id(id)?).await?))
}

/// POST /v1/claims/{id}/evidence.
pub(super) async fn evidence(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let (app, account) = (asked.app, asked.caller.account.id);
    let (id, text) = (claim_id(id)?, words(asked.body)?);
    changed(asked, id, app::claim::answer(app, account, id, &text)).await
}

/// POST /v1/claims/{id}/appeal.
pub(super) async fn appeal(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let (app, account) = (asked.app, asked.caller.account.id);
    let (id, text) = (claim_id(id)?, words(asked.body)?);
    changed(asked, id, app::claim::appeal(app, account, id, &text)).await
}

/// POST /v1/claims/{id}/withdraw.
pub(super) async fn withdraw(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let (app, account) = (asked.app, asked.caller.account.id);
    let id = claim_id(id)?;
    changed(asked, id, app::claim::withdraw(app, account, id)).await
}

/// Changes a claim once, and shows it.
async fn changed(
    asked: Asked<'_>,
    id: i64,
    change: impl Future<Output = app::Result<Kept, ClaimRefusal>>,
) -> Result<Response, Unanswered> {
    let (app, caller) = (asked.app, asked.caller);
    let now = async |_| Ok(answer(StatusCode::OK, &found(app, caller, id).await?));
    let work = async {
        let kept = change.await.map_err(not_done)?;
        now(kept.id).await
    };
    once(asked, Box::pin(work), now).await
}

async fn found(app: &App, caller: &Caller, id: i64) -> Result<Value, Unanswered> {
    let found = app::claim::find(app, Some(caller.account.id), id).await?;
    Ok(shown(&found.ok_or_else(|| Problem::of(Kind::NotFound))?))
}

/// GET /v1/claims/{id}/grounds: what its committee has before it (T153). Of the line it says which
/// calls were the account's own and how many others were before them, and of the experts when one
/// was on duty and not who.
pub(super) async fn grounds(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    let (account, id) = (caller.account.id, claim_id(id)?);
    let found = app::claim::find(app, Some(account), id).await?;
    let found = found.ok_or_else(|| Problem::of(Kind::NotFound))?;
    let grounds = app::claim::grounds(app, &found).await?;
    let own = grounds.line.iter().filter(|one| one.call.account == Some(account));
    let duty = grounds
        .duty
        .iter()
        .map(|turn| json!({ "from": rfc3339(turn.since), "to": turn.until.map(rfc3339) }));
    let told = json!({
        "object": "claim_grounds",
        "claim": id.to_string(),
        "looked_at": span(&grounds.time),
        "calls": own.map(queued).collect::<Vec<_>>(),
        "calls_of_all": grounds.line.len(),
        "on_duty": duty.collect::<Vec<_>>(),
        "hours": grounds.days.iter().map(open_day).collect::<Vec<_>>(),
        "agreement": grounds.agreement.version.number,
        "agreement_checksum": app::agreement::checksum_in_hex(&grounds.agreement),
        "violations": grounds.entries.iter().map(violations::shown).collect::<Vec<_>>(),
        "credits": grounds.credits.iter().map(invoices::credit).collect::<Vec<_>>(),
    });
    Ok(answer(StatusCode::OK, &told))
}

fn span(span: &Span) -> Value {
    json!({ "from": rfc3339(span.from), "to": rfc3339(span.to) })
}

fn queued(queued: &Queued) -> Value {
    let steps = queued.call.steps.iter().map(|taken| {
        json!({
            "step": taken.step.as_ref().map_or("joined", Step::word),
            "at": rfc3339(taken.at),
            "result": match &taken.step {
                Some(Step::Attempted(attempt)) => Some(attempt.word()),
                _ => None,
            },
        })
    });
    json!({
        "call": queued.call.id.to_string(),
        "ahead": queued.ahead,
        "state": queued.call.call.state.word(),
        "history": steps.collect::<Vec<_>>(),
    })
}

fn open_day(day: &OpenDay) -> Value {
    json!({
        "day": date(day.day),
        "day_fa": day.day.to_string(),
        "is_off": day.day_type == DayType::Off,
        "open": day.open.iter().map(span).collect::<Vec<_>>(),
    })
}

fn words(body: &[u8]) -> Result<String, Problem> {
    let Words { text } = serde_json::from_slice(body).map_err(|error| Problem::unread(&error))?;
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
        "may_move": shown.may_move,
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
    let not_taken = |en: &str, fa: &str| Problem::with(Kind::ClaimNotTaken, (en, fa));
    match refusal {
        ClaimRefusal::Rule(Refusal::Unverified) => not_taken(
            "The identity was not proven when it happened (C18).",
            "هویت هنگام رویداد احراز نشده بود (C18).",
        ),
        ClaimRefusal::Rule(Refusal::Unpaid) => not_taken(
            "The subscription was not paid when it happened (C19).",
            "حق اشتراک هنگام رویداد پرداخت نشده بود (C19).",
        ),
        ClaimRefusal::Rule(Refusal::Late(months)) => not_taken(
            &format!("It is later than the end of {months} Persian months after the event."),
            &format!("از پایان {months} ماه شمسی پس از رویداد گذشته است."),
        ),
        ClaimRefusal::Rule(Refusal::NotYet) => {
            not_taken("The event lies in the future.", "رویداد در آینده است.")
        }
        ClaimRefusal::TooMany => not_taken(
            &format!("The account has {OPEN_MAX} claims that are not settled."),
            &format!("حساب {OPEN_MAX} درخواست تسویه‌نشده دارد."),
        ),
        ClaimRefusal::Rule(_)
        | ClaimRefusal::Meanwhile
        | ClaimRefusal::NoSubscription
        | ClaimRefusal::MoreThanLeft(_) => Problem::of(Kind::WrongState),
        ClaimRefusal::Text(what) => {
            let detail = (
                format!("the {what} is a text of 1 to {TEXT_MAX} bytes"),
                format!("{what} متنی از ۱ تا {TEXT_MAX} بایت است"),
            );
            Problem::with(Kind::InvalidRequest, detail)
        }
        ClaimRefusal::NoSuchClaim | ClaimRefusal::NoSuchAccount => Problem::of(Kind::NotFound),
    }
    .into()
}

fn claim_id(text: &str) -> Result<i64, Problem> {
    id_of(text).ok_or(Problem::of(Kind::NotFound))
}
