//! The ledger of the account: what changed its balance, where each rial comes from, and what the
//! balance was before and after.

use app::ledger::{Line, Page, Place, Start};
use app::{App, Caller};
use axum::http::StatusCode;
use axum::response::Response;
use domain::calendar::date_time::Period;
use domain::calendar::jalali::rfc3339;
use domain::{Rials, Timestamp};
use serde_json::{Value, json};

use super::Unanswered;
use super::call::seconds;
use super::listing::next_page;
use super::messages::{json as answer, limit, query_of};
use super::problem::{Kind, Problem};

/// GET /v1/ledger.
pub(super) async fn list(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let params = query_of(query, &["from", "to", "limit", "after"])?;
    let limit = limit(&params)?;
    let time = match (params.text("from"), params.text("to")) {
        (None, None) => (None, None),
        (Some(from), Some(to)) => {
            let period = Period::parse(from, to).ok_or_else(no_days)?;
            (Some(period.from), Some(period.to))
        }
        (Some(_), None) | (None, Some(_)) => return Err(no_days().into()),
    };
    let after = params.text("after").map(|text| behind(text).ok_or_else(no_page)).transpose()?;
    let start = after.unwrap_or(Start::First);
    let page = app::ledger::page(app, caller.account.id, time, start, limit).await?;
    let page = page.ok_or_else(|| Problem::of(Kind::NotFound))?;
    let next = next_page(&page.lines, limit, |last| written(last.place, &page));
    Ok(answer(StatusCode::OK, &shown(&page, next.as_deref())))
}

fn no_days() -> Problem {
    let detail = (
        "from and to go together: two days or moments, the last not before",
        "from و to با هم داده می‌شوند: دو روز یا دو لحظه که دومی پیش از اولی نیست",
    );
    Problem::with(Kind::InvalidRequest, detail)
}

fn no_page() -> Problem {
    let detail = ("after is no next_page of ours", "after هیچ next_page ما نیست");
    Problem::with(Kind::InvalidRequest, detail)
}

/// The place behind which the next page begins, with what it needs to know of the pages before: so
/// no page adds up anew what stands in them.
fn written(Place { at, source, n }: Place, page: &Page) -> String {
    format!("{}.{source}.{n}.{}.{}", at.0, page.opening.0, page.after().0)
}

fn behind(text: &str) -> Option<Start> {
    let mut numbers = text.split('.').map(str::parse::<i64>);
    let mut next = || numbers.next()?.ok();
    let place = Place { at: Timestamp(next()?), source: next()?, n: next()? };
    let (opening, before) = (Rials(next()?), Rials(next()?));
    let is_place = place.at.0 >= 0 && place.source >= 0 && place.n >= 0;
    (is_place && numbers.next().is_none()).then_some(Start::Behind { place, opening, before })
}

fn shown(page: &Page, next_page: Option<&str>) -> Value {
    let mut balance = page.before.0;
    let line = |line: &Line| {
        balance = balance.saturating_add(line.amount.0);
        let is_entry = line.quick_send.is_none();
        json!({
            "object": "posting",
            "id": format!("{}:{}", line.kind, line.place.n),
            "kind": line.kind,
            "at": rfc3339(line.place.at),
            "amount": line.amount.0,
            "balance": balance,
            "message_id": line.quick_send.map(|send| send.0.to_string()),
            "campaign_id": line.campaign.map(|campaign| campaign.0.to_string()),
            "to": (line.kind == "call" || line.kind == "sms").then_some(&line.note),
            "heard_seconds": line.heard_ms.map(seconds),
            "note": (is_entry || line.kind == "refund").then_some(&line.note),
        })
    };
    let data: Vec<Value> = page.lines.iter().map(line).collect();
    json!({
        "object": "list",
        "data": data,
        "next_page": next_page,
        "opening_balance": page.opening.0,
        "closing_balance": page.closing.0,
        "balance_before": page.before.0,
        "balance_after": page.after().0,
        "balance": page.balance.0,
        "held": page.reserved.0,
    })
}
