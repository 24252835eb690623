//! Reported errors of an account: what it reports, what that is found to be, and what is promised
//! about it.

use app::error_report::{ErrorReportRefusal, Kept, OPEN_MAX, Reported, Shown};
use app::ticket::Who;
use app::{App, Caller, Error};
use axum::http::StatusCode;
use axum::response::Response;
use domain::AccountId;
use domain::agreement::error_report::{Finding, Refusal, Step, TEXT_MAX, TITLE_MAX, Whose};
use domain::agreement::ticket::Side;
use domain::calendar::jalali::rfc3339;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Unanswered;
use super::listing::{id_of, page, part};
use super::messages::json as answer;
use super::once::{Asked, once};
use super::problem::{Kind, Problem};

/// What a client reports.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewReport {
    ticket_id: Option<String>,
    title: String,
    description: String,
}

/// What a client says to a report.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    text: String,
}

/// POST /v1/error_reports.
pub(super) async fn report(asked: Asked<'_>) -> Result<Response, Unanswered> {
    let (app, caller) = (asked.app, asked.caller);
    let new: NewReport =
        serde_json::from_slice(asked.body).map_err(|error| Problem::unread(&error))?;
    let ticket = new.ticket_id.as_deref().map(report_id).transpose()?;
    let reported = Reported { ticket, title: new.title, description: new.description };
    let created = async |id| Ok(answer(StatusCode::CREATED, &found(app, caller, id).await?));
    let work = async {
        let id = app::error_report::report(app, caller.account.id, &reported).await;
        created(id.map_err(not_done)?).await
    };
    once(asked, Box::pin(work), created).await
}

/// GET /v1/error_reports.
pub(super) async fn list(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let (limit, before) = part(query, id_of)?;
    let all = app::error_report::list(app, Some(caller.account.id), before, limit).await?;
    Ok(page(&all, limit, |last| last.kept.id, shown))
}

/// GET /v1/error_reports/{id}.
pub(super) async fn get(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    Ok(answer(StatusCode::OK, &found(app, caller, report_id(id)?).await?))
}

/// What a customer does to a report.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verb {
    /// It came back, or is not what it was found to be.
    Reopen,
    /// What was asked for is available.
    Provide,
    /// The date that is proposed is agreed to.
    Agree,
    /// What was delivered is taken.
    Accept,
    /// What was delivered fails.
    Reject,
}

/// POST /v1/error_reports/{id}/…
pub(super) async fn change(asked: Asked<'_>, id: &str, verb: Verb) -> Result<Response, Unanswered> {
    let (app, caller) = (asked.app, asked.caller);
    let (id, account) = (report_id(id)?, caller.account.id);
    let text = match verb {
        Verb::Agree | Verb::Accept => String::new(),
        Verb::Reopen | Verb::Provide | Verb::Reject => words(asked.body)?,
    };
    let now = async |_| Ok(answer(StatusCode::OK, &found(app, caller, id).await?));
    let work = async {
        let kept = changed(app, account, id, (verb, &text)).await.map_err(not_done)?;
        now(kept.id).await
    };
    once(asked, Box::pin(work), now).await
}

async fn changed(
    app: &App,
    account: AccountId,
    id: i64,
    (verb, text): (Verb, &str),
) -> app::Result<Kept, ErrorReportRefusal> {
    let who = Who::Customer(account);
    match verb {
        Verb::Reopen => app::error_report::reopen(app, id, who, text).await,
        Verb::Provide => app::error_report::provide(app, id, who, text).await,
        Verb::Agree => app::error_report::agree(app, account, id).await,
        Verb::Accept => app::error_report::accept(app, id, who).await,
        Verb::Reject => app::error_report::reject(app, id, who, text).await,
    }
}

async fn found(app: &App, caller: &Caller, id: i64) -> Result<Value, Unanswered> {
    let found = app::error_report::find(app, Some(caller.account.id), id).await?;
    Ok(shown(&found.ok_or_else(|| Problem::of(Kind::NotFound))?))
}

fn words(body: &[u8]) -> Result<String, Problem> {
    let Words { text } = serde_json::from_slice(body).map_err(|error| Problem::unread(&error))?;
    Ok(text)
}

/// A report as its customer sees it: with every try to reach it, and without our people's names or
/// the numbers of others' reports.
fn shown(shown: &Shown) -> Value {
    let Kept { id, new, report, steps, contacts } = &shown.kept;
    let clocks: Vec<Value> = shown
        .clocks
        .iter()
        .map(|clock| {
            json!({
                "clock": clock.metric.word(),
                "state": clock.state.word(),
                "due_at": clock.due.map(rfc3339),
            })
        })
        .collect();
    let history: Vec<Value> = steps
        .iter()
        .map(|taken| {
            json!({
                "step": taken.step.as_ref().map_or("reported", Step::word),
                "by": if taken.side == Side::Customer { "you" } else { "us" },
                "at": rfc3339(taken.at),
                "text": taken.said,
            })
        })
        .collect();
    let dates: Vec<Value> = report
        .commitments
        .iter()
        .map(|date| {
            json!({ "announced_at": rfc3339(date.announced_at), "due_at": rfc3339(date.due),
                    "agreed": date.agreed })
        })
        .collect();
    let contacts: Vec<Value> = contacts
        .iter()
        .map(|one| {
            json!({ "at": rfc3339(one.at), "channel": one.channel.word(), "to": one.address,
                    "result": one.outcome.word() })
        })
        .collect();
    let outage = report.finding.as_ref().and_then(Finding::outage);
    json!({
        "object": "error_report",
        "id": id.to_string(),
        "ticket_id": new.ticket.map(|ticket| ticket.to_string()),
        "title": new.title,
        "description": new.description,
        "state": report.state.word(),
        "round": report.cycle,
        "finding": report.finding.as_ref().map(Finding::word),
        "fault": report.finding.as_ref().and_then(Finding::whose).map(Whose::word),
        "outage_id": outage.map(|outage| outage.to_string()),
        "reported_at": rfc3339(report.reported_at),
        "clocks": clocks,
        "dates": dates,
        "proposed_at": report.proposal.map(rfc3339),
        "asked_until": report.asked_until.map(rfc3339),
        "contacts": contacts,
        "history": history,
    })
}

fn not_done(error: Error<ErrorReportRefusal>) -> Unanswered {
    let refusal = match error {
        Error::Refused(refusal) => refusal,
        Error::Failed(failure) => return failure.into(),
    };
    let invalid = |en: &str, fa: &str| Problem::with(Kind::InvalidRequest, (en, fa));
    match refusal {
        ErrorReportRefusal::Rule(Refusal::NoText) => invalid(
            &format!("text is a text of 1 to {TEXT_MAX} bytes"),
            &format!("text متنی از ۱ تا {TEXT_MAX} بایت است"),
        ),
        ErrorReportRefusal::Rule(Refusal::TooLate) => Problem::with(
            Kind::WrongState,
            (
                "It ended more than a week ago; report it anew.",
                "بیش از یک هفته پیش پایان یافته است؛ آن را از نو گزارش کنید.",
            ),
        ),
        ErrorReportRefusal::Text("title") => invalid(
            &format!("title is one line of 1 to {TITLE_MAX} bytes"),
            &format!("title یک سطر از ۱ تا {TITLE_MAX} بایت است"),
        ),
        ErrorReportRefusal::Text(what) => invalid(
            &format!("{what} is a text of 1 to {TEXT_MAX} bytes"),
            &format!("{what} متنی از ۱ تا {TEXT_MAX} بایت است"),
        ),
        ErrorReportRefusal::Ticket => invalid(
            "ticket_id names no ticket of this account that is not closed",
            "ticket_id تیکت باز این حساب را نام نمی‌برد",
        ),
        ErrorReportRefusal::TooMany => Problem::with(
            Kind::TooManyTickets,
            (
                format!("The account has {OPEN_MAX} open reports or tickets."),
                format!("حساب {OPEN_MAX} گزارش یا تیکت باز دارد."),
            ),
        ),
        ErrorReportRefusal::NoSuchReport
        | ErrorReportRefusal::NoSuchAccount
        | ErrorReportRefusal::Gone => Problem::of(Kind::NotFound),
        _ => Problem::of(Kind::WrongState),
    }
    .into()
}

fn report_id(text: &str) -> Result<i64, Problem> {
    id_of(text).ok_or(Problem::of(Kind::NotFound))
}
