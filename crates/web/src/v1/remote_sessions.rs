//! Remote help: what the account is asked for, agrees on, consents to or declines.

use app::remote_session::{Kept, RemoteSessionRefusal};
use app::ticket::Who;
use app::{App, Caller, Error};
use axum::http::StatusCode;
use axum::response::Response;
use domain::AccountId;
use domain::agreement::remote_session::{Refusal, Step, TEXT_MAX, TOOL_MAX};
use domain::agreement::ticket::Side;
use domain::calendar::date_time::Written;
use domain::calendar::jalali::rfc3339;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Unanswered;
use super::listing::{id_of, page, part};
use super::messages::json as answer;
use super::once::{Asked, once};
use super::problem::{Kind, Problem};

/// What is agreed on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Agreement {
    at: String,
    tool: String,
}

/// Why it is declined.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    #[serde(default)]
    text: String,
}

/// GET /v1/remote_sessions.
pub(super) async fn list(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let (limit, before) = part(query, id_of)?;
    let all = app::remote_session::list(app, Some(caller.account.id), before, limit).await?;
    Ok(page(&all, limit, |last| last.id, shown))
}

/// GET /v1/remote_sessions/{id}.
pub(super) async fn get(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    Ok(answer(StatusCode::OK, &found(app, caller, session_id(id)?).await?))
}

/// What a customer does to a session.
enum Deed {
    Agree(domain::Timestamp, String),
    Consent,
    Decline(String),
    Withdraw,
}

/// What it is called in a path.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verb {
    /// A time and a program are agreed on.
    Agree,
    /// It is consented to.
    Consent,
    /// It is not wanted.
    Decline,
    /// The consent is taken back.
    Withdraw,
}

/// POST /v1/remote_sessions/{id}/…
pub(super) async fn change(asked: Asked<'_>, id: &str, verb: Verb) -> Result<Response, Unanswered> {
    let (app, caller) = (asked.app, asked.caller);
    let id = session_id(id)?;
    let deed = deed(verb, asked.body)?;
    let now = async |_| Ok(answer(StatusCode::OK, &found(app, caller, id).await?));
    let work = async {
        let kept = done(app, caller.account.id, id, deed).await.map_err(not_done)?;
        now(kept.id).await
    };
    once(asked, Box::pin(work), now).await
}

fn deed(verb: Verb, body: &[u8]) -> Result<Deed, Problem> {
    let unread = |error: serde_json::Error| Problem::unread(&error);
    Ok(match verb {
        Verb::Agree => {
            let Agreement { at, tool } = serde_json::from_slice(body).map_err(unread)?;
            let written = Written::parse(&at);
            let moment = written.and_then(|one| one.at_second(one.second()?));
            let moment = moment.ok_or_else(|| {
                Problem::with(
                    Kind::InvalidRequest,
                    (
                        "at is a moment like 2026-12-01 10:30",
                        "at لحظه‌ای مانند 2026-12-01 10:30 است",
                    ),
                )
            })?;
            Deed::Agree(moment, tool)
        }
        Verb::Consent => Deed::Consent,
        Verb::Decline if body.is_empty() => Deed::Decline(String::new()),
        Verb::Decline => {
            let Words { text } = serde_json::from_slice(body).map_err(unread)?;
            Deed::Decline(text)
        }
        Verb::Withdraw => Deed::Withdraw,
    })
}

async fn done(
    app: &App,
    account: AccountId,
    id: i64,
    deed: Deed,
) -> app::Result<Kept, RemoteSessionRefusal> {
    match deed {
        Deed::Agree(at, tool) => {
            app::remote_session::agree(app, id, Who::Customer(account), at, &tool).await
        }
        Deed::Consent => app::remote_session::consent(app, account, id).await,
        Deed::Decline(why) => app::remote_session::decline(app, account, id, &why).await,
        Deed::Withdraw => app::remote_session::withdraw(app, account, id).await,
    }
}

async fn found(app: &App, caller: &Caller, id: i64) -> Result<Value, Unanswered> {
    let found = app::remote_session::find(app, Some(caller.account.id), id).await?;
    Ok(shown(&found.ok_or_else(|| Problem::of(Kind::NotFound))?))
}

/// A session as its customer sees it, with the name of the expert: whom it lets in, it knows.
fn shown(kept: &Kept) -> Value {
    let (session, new) = (&kept.session, &kept.new);
    let history: Vec<Value> = kept
        .steps
        .iter()
        .map(|taken| {
            json!({
                "step": taken.step.as_ref().map_or("requested", Step::word),
                "by": if taken.side == Side::Customer { "you" } else { "us" },
                "at": rfc3339(taken.at),
                "text": taken.said,
            })
        })
        .collect();
    json!({
        "object": "remote_session",
        "id": kept.id.to_string(),
        "ticket_id": new.ticket.to_string(),
        "expert": kept.expert(),
        "purpose": new.purpose,
        "state": session.state.word(),
        "agreed_at": session.agreed.as_ref().map(|(at, _)| rfc3339(*at)),
        "tool": session.agreed.as_ref().map(|(_, tool)| tool),
        "consented_at": session.consented_at.map(rfc3339),
        "started_at": session.started_at.map(rfc3339),
        "ended_at": session.ended_at.map(rfc3339),
        "history": history,
    })
}

fn not_done(error: Error<RemoteSessionRefusal>) -> Unanswered {
    let refusal = match error {
        Error::Refused(refusal) => refusal,
        Error::Failed(failure) => return failure.into(),
    };
    let invalid = |en: &str, fa: &str| Problem::with(Kind::InvalidRequest, (en, fa));
    match refusal {
        RemoteSessionRefusal::Rule(Refusal::Tool) => invalid(
            &format!("tool is the name of a program of 1 to {TOOL_MAX} bytes"),
            &format!("tool نام برنامه‌ای از ۱ تا {TOOL_MAX} بایت است"),
        ),
        RemoteSessionRefusal::Rule(Refusal::Time) => {
            invalid("at lies in the past", "at در گذشته است")
        }
        RemoteSessionRefusal::Text(what) => invalid(
            &format!("{what} is a text of 1 to {TEXT_MAX} bytes"),
            &format!("{what} متنی از ۱ تا {TEXT_MAX} بایت است"),
        ),
        RemoteSessionRefusal::NoSuchSession => Problem::of(Kind::NotFound),
        _ => Problem::of(Kind::WrongState),
    }
    .into()
}

fn session_id(text: &str) -> Result<i64, Problem> {
    id_of(text).ok_or(Problem::of(Kind::NotFound))
}
