//! Exports: files that are asked for, written meanwhile, and fetched.

use std::sync::Arc;
use std::time::Duration;

use app::export::{Export, ExportRefusal, Of, PAGE_MAX, What};
use app::{App, Caller, Error, Failure};
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::calendar::date_time::Period;
use domain::calendar::jalali::rfc3339;
use domain::export::{State, Style};
use domain::{AccountId, CampaignId, ExportId};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Unanswered;
use super::listing::{id_of, page, part};
use super::messages::json as answer;
use super::once::{Asked, once};
use super::problem::{Kind, Problem};
use super::stream::{Stream, sent};
use crate::router::Web;

/// How long fetching a file may take.
const LASTS: Duration = Duration::from_mins(30);
/// Parts of a file that may wait for a slow client.
const PARTS: usize = 2;

/// What a client asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    kind: String,
    campaign_id: Option<String>,
    from: Option<String>,
    to: Option<String>,
    #[serde(default = "yes")]
    bom: bool,
    #[serde(default)]
    dates: Dates,
}

fn yes() -> bool {
    true
}

#[derive(Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Dates {
    #[default]
    Gregorian,
    Jalali,
}

/// POST /v1/exports.
pub(super) async fn create(asked: Asked<'_>) -> Result<Response, Unanswered> {
    let (app, account) = (asked.app, asked.caller.account.id);
    let wanted: Wanted =
        serde_json::from_slice(asked.body).map_err(|error| Problem::unread(&error))?;
    let style = Style { bom: wanted.bom, jalali: wanted.dates == Dates::Jalali };
    let of = of(&wanted)?;
    let work = async {
        match app::export::create(app, account, of, style).await {
            Ok(export) => Ok(answer(StatusCode::ACCEPTED, &shown(&export))),
            Err(Error::Refused(ExportRefusal::NoCampaign)) => {
                Err(Problem::of(Kind::NotFound).into())
            }
            Err(Error::Refused(ExportRefusal::TooMany)) => {
                Err(Problem::of(Kind::TooManyExports).into())
            }
            Err(Error::Failed(failure)) => Err(failure.into()),
        }
    };
    let again = async |id| {
        let found = found(app, account, ExportId(id)).await?;
        Ok(answer(StatusCode::ACCEPTED, &shown(&found)))
    };
    once(asked, work, again).await
}

/// GET /v1/exports.
pub(super) async fn list(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let (limit, before) = part(query, id_of)?;
    let (limit, before) = (limit.min(PAGE_MAX), before.map(ExportId));
    let exports = app::export::page(app, caller.account.id, before, limit).await?;
    Ok(page(&exports, limit, |last| last.id, shown))
}

/// GET /v1/exports/{id}.
pub(super) async fn get(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    let found = found(app, caller.account.id, export_id(id)?).await?;
    Ok(answer(StatusCode::OK, &shown(&found)))
}

/// GET /v1/exports/{id}/file.
pub(super) async fn file(
    web: &Arc<Web>,
    caller: &Caller,
    id: &str,
) -> Result<Response, Unanswered> {
    let account = caller.account.id;
    let export = found(&web.app, account, export_id(id)?).await?;
    match export.state {
        State::Ready => {}
        State::Expired => return Err(Problem::of(Kind::ExportExpired).into()),
        state @ (State::Waiting | State::Writing | State::Failed) => {
            let detail = (
                format!("It is {}.", state.word()),
                format!("وضعیت آن: {}.", state_in_persian(state)),
            );
            return Err(Problem::with(Kind::WrongState, detail).into());
        }
    }
    let seat = web.seats.take(account).ok_or(Problem::of(Kind::TooManyStreams))?;
    let (parts, received) = mpsc::channel(PARTS);
    let (kind, bytes) = (export.what.kind().word(), export.bytes);
    let (web, span) = (Arc::clone(web), tracing::Span::current());
    tokio::spawn(async move {
        if let Err(failure) = fetched(&web.app, &export, parts).await {
            span.in_scope(|| tracing::error!(error = failure.chain(), "a file ended early"));
        }
    });
    let named = format!("attachment; filename=\"{kind}-{id}.csv\"");
    let named = HeaderValue::from_str(&named).expect("a word and digits");
    let mut response = Body::new(Stream::new(received, seat)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(header::CONTENT_DISPOSITION, named);
    // What is cut off is shorter than this, which the client notices.
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    Ok(response)
}

/// Sends a file, part by part, until its end or that of the client's patience.
async fn fetched(app: &App, export: &Export, parts: mpsc::Sender<Bytes>) -> Result<(), Failure> {
    let ends_at = Instant::now() + LASTS;
    for n in 0..app::export::parts(export) {
        let part = app::export::part(app, export, n).await?;
        if !sent(&parts, Bytes::from(part), ends_at).await {
            break;
        }
    }
    Ok(())
}

async fn found(app: &App, account: AccountId, id: ExportId) -> Result<Export, Unanswered> {
    let found = app::export::find(app, account, id).await?;
    Ok(found.ok_or(Problem::of(Kind::NotFound))?)
}

fn state_in_persian(state: State) -> &'static str {
    match state {
        State::Waiting => "در انتظار",
        State::Writing => "در حال نوشته شدن",
        State::Ready => "آماده",
        State::Failed => "ناموفق",
        State::Expired => "پاک‌شده",
    }
}

/// What an export is about.
fn of(wanted: &Wanted) -> Result<Of, Problem> {
    let invalid = |en: &str, fa: &str| Problem::with(Kind::InvalidRequest, (en, fa));
    let days = || {
        let (from, to) = (wanted.from.as_deref(), wanted.to.as_deref());
        let days = from.zip(to).and_then(|(from, to)| Period::parse(from, to));
        days.ok_or_else(|| {
            invalid(
                "from and to are two days or moments, the last not before",
                "from و to دو روز یا دو لحظه‌اند و دومی پیش از اولی نیست",
            )
        })
    };
    if wanted.kind == "campaign_numbers" {
        if wanted.from.is_some() || wanted.to.is_some() {
            return Err(invalid(
                "campaign_numbers has no from and to",
                "campaign_numbers from و to ندارد",
            ));
        }
        let id = wanted
            .campaign_id
            .as_deref()
            .ok_or_else(|| invalid("campaign_id is missing", "campaign_id نیست"))?;
        let id = id.parse().ok().filter(|&id| id > 0).ok_or(Problem::of(Kind::NotFound))?;
        return Ok(Of::CampaignNumbers(CampaignId(id)));
    }
    if wanted.campaign_id.is_some() {
        return Err(invalid(
            "campaign_id goes with campaign_numbers",
            "campaign_id همراه campaign_numbers است",
        ));
    }
    match wanted.kind.as_str() {
        "messages" => Ok(Of::Messages(days()?)),
        "statement" => Ok(Of::Statement(days()?)),
        _ => Err(invalid(
            "kind is campaign_numbers, messages or statement",
            "kind یکی از campaign_numbers، messages و statement است",
        )),
    }
}

fn shown(export: &Export) -> Value {
    let (campaign, from, to) = match export.what {
        What::CampaignNumbers(id) => (Some(id.0.to_string()), None, None),
        What::Messages(from, to) | What::Statement(from, to) => (None, Some(from), Some(to)),
    };
    let is_ready = export.state == State::Ready;
    json!({
        "object": "export",
        "id": export.id.to_string(),
        "kind": export.what.kind().word(),
        "campaign_id": campaign,
        "from": from.map(rfc3339),
        "to": to.map(rfc3339),
        "bom": export.style.bom,
        "dates": if export.style.jalali { "jalali" } else { "gregorian" },
        "state": export.state.word(),
        "rows": is_ready.then_some(export.rows),
        "bytes": is_ready.then_some(export.bytes),
        "file": is_ready.then(|| format!("/v1/exports/{}/file", export.id)),
        "error": export.error.as_deref().filter(|_| export.state == State::Failed),
        "created_at": rfc3339(export.created_at),
        "ended_at": export.ended_at.map(rfc3339),
        "expires_at": export.expires_at.map(rfc3339),
    })
}

fn export_id(text: &str) -> Result<ExportId, Problem> {
    id_of(text).map(ExportId).ok_or(Problem::of(Kind::NotFound))
}
