//! An account's subscriptions and invoices, and what is owed to it for months that were breached.

use app::credit::Kept;
use app::invoice::{Invoice, Line};
use app::subscription::Subscription;
use app::{App, Caller};
use axum::http::StatusCode;
use axum::response::Response;
use domain::calendar::jalali::rfc3339;
use serde_json::{Value, json};

use super::Unanswered;
use super::listing::{id_of, listed, next_page, page, part};
use super::messages::json as answer;
use super::problem::{Kind, Problem};

/// GET /v1/subscriptions.
pub(super) async fn subscriptions(app: &App, caller: &Caller) -> Result<Response, Unanswered> {
    let all = app::subscription::of_account(app, caller.account.id).await?;
    let data: Vec<Value> = all.iter().map(subscription).collect();
    Ok(listed(&data, None))
}

/// GET /v1/invoices.
pub(super) async fn list(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let (limit, before) = part(query, id_of)?;
    let found = app::invoice::list(app, caller.account.id, before, limit).await?;
    Ok(page(&found, limit, |last| last.id, invoice))
}

/// GET /v1/invoices/{id}: with its discounts.
pub(super) async fn get(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    let id = id_of(id).ok_or_else(|| Problem::of(Kind::NotFound))?;
    let found = app::invoice::find(app, id).await?;
    let found = found.filter(|(invoice, _)| invoice.account == caller.account.id);
    let (found, lines) = found.ok_or_else(|| Problem::of(Kind::NotFound))?;
    let mut shown = invoice(&found);
    shown["discounts"] = lines.iter().map(discount).collect();
    Ok(answer(StatusCode::OK, &shown))
}

/// GET /v1/credits.
pub(super) async fn credits(
    app: &App,
    caller: &Caller,
    query: &str,
) -> Result<Response, Unanswered> {
    let (limit, before) = part(query, id_of)?;
    let found = app::credit::list(app, Some(caller.account.id), before, limit).await?;
    let awaiting = app::credit::awaiting(app, caller.account.id).await?;
    let awaiting: Vec<String> = awaiting.iter().map(ToString::to_string).collect();
    let next_page = next_page(&found, limit, |last| last.id);
    let data: Vec<Value> = found.iter().map(credit).collect();
    let page = json!({
        "object": "list",
        "data": data,
        "next_page": next_page,
        "awaiting_schedule": awaiting,
    });
    Ok(answer(StatusCode::OK, &page))
}

/// GET /v1/credits/{id}: with what it is computed from.
pub(super) async fn get_credit(
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<Response, Unanswered> {
    let id = id_of(id).ok_or_else(|| Problem::of(Kind::NotFound))?;
    let found = app::credit::find(app, id).await?;
    let found = found.filter(|kept| kept.new.key.account == caller.account.id);
    let kept = found.ok_or_else(|| Problem::of(Kind::NotFound))?;
    let mut shown = credit(&kept);
    let reckoned = app::credit::reckoned(app, &kept).await?;
    shown["computed_from"] = reckoned.map_or(Value::Null, |(inputs, measured)| {
        json!({
            "availability_percent": measured.availability.to_string(),
            "down_seconds": measured.down_us / 1_000_000,
            "excess_seconds": measured.excess_us / 1_000_000,
            "inputs": inputs.to_text(),
        })
    });
    Ok(answer(StatusCode::OK, &shown))
}

fn subscription(kept: &Subscription) -> Value {
    let history: Vec<Value> = kept
        .steps
        .iter()
        .map(|step| {
            json!({ "state": step.state.word(), "at": rfc3339(step.at), "reason": step.reason })
        })
        .collect();
    json!({
        "object": "subscription",
        "id": kept.id.to_string(),
        "plan": kept.plan.name,
        "paths": kept.plan.paths.to_string(),
        "months": kept.plan.months,
        "price": kept.plan.price.0,
        "tax_bp": kept.plan.tax_bp,
        "first_month": kept.first.to_string(),
        "state": kept.state().word(),
        "history": history,
    })
}

fn invoice(one: &Invoice) -> Value {
    let amounts = one.amounts;
    let state = match (&one.voided, &one.paid) {
        (Some(_), _) => "voided",
        (None, Some(_)) => "paid",
        (None, None) => "open",
    };
    json!({
        "object": "invoice",
        "id": one.id.to_string(),
        "subscription": one.subscription.to_string(),
        "month": one.month.to_string(),
        "months": one.months,
        "state": state,
        "price": amounts.price.0,
        "discount": amounts.discount.0,
        "tax_bp": amounts.tax_bp,
        "tax": amounts.tax.0,
        "total": amounts.total.0,
        "issued_at": rfc3339(one.issued_at),
        "due_at": rfc3339(one.due_at),
        "paid_at": one.paid.as_ref().map(|(at, _)| rfc3339(*at)),
        "noted_at": one.noted_at.map(rfc3339),
        "voided_because": one.voided.as_ref().map(|(.., because)| because),
    })
}

fn discount(line: &Line) -> Value {
    json!({
        "credit": line.credit.to_string(),
        "month": line.month.to_string(),
        "statement_revision": line.revision,
        "track": line.track.word(),
        "schedule": line.schedule,
        "amount": line.amount.0,
    })
}

fn credit(kept: &Kept) -> Value {
    let (key, basis) = (kept.new.key, kept.new.basis.as_ref());
    let history: Vec<Value> = kept
        .moves
        .iter()
        .map(|moved| {
            json!({
                "move": moved.done.word(),
                "at": rfc3339(moved.at),
                "amount": moved.posting.as_ref().map(|(.., amount)| amount.0),
                "reason": moved.reason,
            })
        })
        .collect();
    json!({
        "object": "credit",
        "id": kept.id.to_string(),
        "subscription": key.subscription.to_string(),
        "month": key.month.to_string(),
        "track": key.track.word(),
        "statement_revision": key.revision,
        "state": kept.credit.state().word(),
        "amount": kept.credit.amount().0,
        "left": kept.credit.left().0,
        "month_pays_back": kept.new.computed.0,
        "month_price": basis.map(|basis| basis.price.0),
        "schedule": basis.map(|basis| basis.schedule),
        "figure": basis.map(|basis| basis.figure.word()),
        "owed_from": rfc3339(kept.new.owed_from),
        "history": history,
    })
}
