//! Why a number was not called yet.

use app::explain::{AHEAD_MAX, Explanation};
use app::{App, Caller};
use axum::http::StatusCode;
use axum::response::Response;
use domain::calendar::jalali::rfc3339;
use domain::campaign::RecipientStatus;
use domain::explanation::{Gate, Standing};
use domain::{RecipientId, Status};
use serde_json::{Value, json};

use super::Unanswered;
use super::call::state;
use super::listing::id_of;
use super::messages::{json as answer, message_id};
use super::problem::{Kind, Problem};

/// GET /v1/messages/{id}/explain.
pub(super) async fn message(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    let told = app::explain::send(app, caller, message_id(id)?).await?;
    Ok(answer(StatusCode::OK, &shown(&told.ok_or_else(|| Problem::of(Kind::NotFound))?)))
}

/// GET /v1/campaign_numbers/{id}/explain.
pub(super) async fn number(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    let id = id_of(id).ok_or_else(|| Problem::of(Kind::NotFound))?;
    let told = app::explain::recipient(app, caller, RecipientId::unpack(id)).await?;
    Ok(answer(StatusCode::OK, &shown(&told.ok_or_else(|| Problem::of(Kind::NotFound))?)))
}

fn shown(told: &Explanation) -> Value {
    let (state, result) = match told.status {
        RecipientStatus::Retrying => ("retrying", None),
        RecipientStatus::Of(Status::Queued) if told.gates.is_empty() => ("waiting", None),
        RecipientStatus::Of(status) => state(status),
    };
    json!({
        "object": "explanation",
        "state": state,
        "result": result,
        "gates": told.gates.iter().map(gate).collect::<Vec<Value>>(),
        "ahead": told.ahead,
        "ahead_is_more": told.ahead >= AHEAD_MAX,
        "next_try": told.next_try.map(rfc3339),
        "expires_at": told.expires_at.map(rfc3339),
    })
}

fn gate(standing: &Standing) -> Value {
    let (name, closed, closed_fa) = words(standing.gate);
    let why = |text: &'static str| (!standing.open).then_some(text);
    json!({
        "gate": name,
        "open": standing.open,
        "opens_at": standing.opens_at.map(rfc3339),
        "why": why(closed),
        "why_fa": why(closed_fa),
    })
}

/// The name of a gate, and what is said when it is closed.
fn words(gate: Gate) -> (&'static str, &'static str, &'static str) {
    match gate {
        Gate::CampaignRunning => {
            ("campaign_running", "The campaign does not call.", "کمپین در حال تماس نیست.")
        }
        Gate::CampaignHours => (
            "campaign_hours",
            "Outside the days and hours of the campaign.",
            "بیرون از روزها و ساعت‌های کمپین است.",
        ),
        Gate::ListPlace => (
            "list_place",
            "Numbers before it in the list go first.",
            "شماره‌های پیش از آن در فهرست نوبت دارند.",
        ),
        Gate::Spoken => (
            "spoken",
            "What is said to it alone has not been spoken yet.",
            "مقدارهای ویژهٔ این شماره هنوز گفته نشده است.",
        ),
        Gate::RetryPause => {
            ("retry_pause", "It waits between two tries.", "فاصلهٔ میان دو تلاش هنوز نگذشته است.")
        }
        Gate::Due => ("due", "Its time has not come.", "زمان آن نرسیده است."),
        Gate::OperatorHours => (
            "operator_hours",
            "Outside the hours in which the operator calls.",
            "بیرون از ساعت‌های تماس اپراتور است.",
        ),
        Gate::ClassHours => (
            "class_hours",
            "Outside the hours of its message class, or the class is not allowed.",
            "بیرون از ساعت‌های این نوع پیام است یا این نوع مجاز نیست.",
        ),
        Gate::Trunk => {
            ("trunk", "No trunk takes the number now.", "اکنون مسیری برای این شماره نیست.")
        }
        Gate::NumberFree => {
            ("number_free", "The number is in another call.", "این شماره در تماس دیگری است.")
        }
        Gate::Line => {
            ("line", "Others stand before it in the line.", "ارسال‌های دیگری پیش از آن در صف‌اند.")
        }
        Gate::OptOut => (
            "opt_out",
            "The number is on a list of those who are not to be called.",
            "این شماره در فهرست کسانی است که نباید با آنان تماس گرفت.",
        ),
        Gate::DailyCap => (
            "daily_cap",
            "The number was called today as often as its message class may.",
            "امروز به اندازهٔ مجاز این نوع پیام با این شماره تماس گرفته شده است.",
        ),
        Gate::Credit => (
            "credit",
            "The available balance does not cover the call.",
            "موجودی برای این تماس کافی نیست.",
        ),
    }
}
