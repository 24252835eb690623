//! An account's subscriptions and invoices, and what is owed to it for months that were breached.

use app::credit::{Kept, Moved};
use app::invoice::{Invoice, Line, Rest};
use app::subscription::{Change, KeptPlan, Subscription, SubscriptionRefusal};
use app::{App, Caller, Error};
use axum::http::StatusCode;
use axum::response::Response;
use domain::Timestamp;
use domain::agreement::credit::claim_of;
use domain::billing::plan_change::{Refusal, When};
use domain::billing::subscription::Plan;
use domain::calendar::jalali::rfc3339;
use domain::calendar::month::PersianMonth;
use domain::chain::hex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Unanswered;
use super::codes::read;
use super::listing::{id_of, listed, next_page, page, part};
use super::messages::json as answer;
use super::once::{Asked, changed};
use super::problem::{Kind, Problem};

/// What was done to a credit last: so much of it is told with the credit, all of it in pages.
const MOVES_MAX: usize = 20;

/// GET /v1/subscriptions.
pub(super) async fn subscriptions(app: &App, caller: &Caller) -> Result<Response, Unanswered> {
    let all = app::subscription::of_account(app, caller.account.id).await?;
    let data: Vec<Value> = all.iter().map(|kept| subscription(kept, app.now())).collect();
    Ok(listed(&data, None))
}

/// GET /v1/plans: what all may take.
pub(super) async fn plans(app: &App) -> Result<Response, Unanswered> {
    let all = app::subscription::plans(app).await?;
    let is_offered = |kept: &&KeptPlan| kept.retired_at.is_none() && kept.offered_at.is_some();
    let offered = all.iter().filter(is_offered);
    let data: Vec<Value> = offered
        .map(|kept| {
            let mut shown = plan(kept.id, &kept.plan);
            shown["object"] = json!("plan");
            shown
        })
        .collect();
    Ok(listed(&data, None))
}

/// Which plan is wanted, and when.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    plan_id: String,
    when: String,
}

/// POST /v1/subscriptions/{id}/plan: another plan, now or from the next period on.
pub(super) async fn change_plan(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let (app, account) = (asked.app, asked.caller.account.id);
    let id = id_of(id).ok_or_else(|| Problem::of(Kind::NotFound))?;
    let wanted: Wanted = read(asked.body)?;
    let invalid = |en: &str, fa: &str| Problem::with(Kind::InvalidRequest, (en, fa));
    let when = When::parse(&wanted.when)
        .ok_or_else(|| invalid("when is now or next_period", "when یا now است یا next_period"))?;
    let plan = id_of(&wanted.plan_id)
        .ok_or_else(|| invalid("plan_id is the id of a plan", "plan_id شناسهٔ یک طرح است"))?;
    let actor = format!("account {account}");
    let change = Box::pin(async {
        let changed =
            app::subscription::change_plan(app, Some(account), id, (plan, when), &actor).await;
        changed.map_err(not_changed)
    });
    let found = async |id| {
        let found = app::subscription::find(app, id).await?;
        Ok(found.filter(|kept| kept.account == account))
    };
    let shown = |kept: &Subscription| subscription(kept, app.now());
    changed(asked, StatusCode::OK, change, found, shown).await
}

fn not_changed(error: Error<SubscriptionRefusal>) -> Unanswered {
    let refusal = match error {
        Error::Refused(refusal) => refusal,
        Error::Failed(failure) => return failure.into(),
    };
    let invalid = |en: &str, fa: &str| Problem::with(Kind::InvalidRequest, (en, fa));
    match refusal {
        SubscriptionRefusal::NoSuchSubscription => Problem::of(Kind::NotFound),
        SubscriptionRefusal::NoSuchPlan => invalid(
            "There is no such plan, or it is not offered any more; see /v1/plans.",
            "چنین طرحی نیست یا دیگر ارائه نمی‌شود؛ /v1/plans را ببینید.",
        ),
        SubscriptionRefusal::Change(Refusal::Same) => {
            invalid("It has that plan by then.", "تا آن زمان همین طرح را دارد.")
        }
        SubscriptionRefusal::Change(Refusal::OnlyNextPeriod) => invalid(
            "A plan that costs less, or is for other months, comes with the next period.",
            "طرح ارزان‌تر، یا با شمار ماه دیگر، از دورهٔ بعد آغاز می‌شود.",
        ),
        SubscriptionRefusal::Plan(_)
        | SubscriptionRefusal::NoSuchAccount
        | SubscriptionRefusal::Past
        | SubscriptionRefusal::WrongState
        | SubscriptionRefusal::Text(_)
        | SubscriptionRefusal::Meanwhile => Problem::of(Kind::WrongState),
    }
    .into()
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
    let rests = app::invoice::rests(app, &found).await?;
    shown["rests"] = rests.iter().map(|(rest, change)| rest_of(*rest, change)).collect();
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
    let unpaid = app::credit::unpaid(app, caller.account.id).await?;
    let months = |months: &[PersianMonth]| -> Vec<String> {
        months.iter().map(ToString::to_string).collect()
    };
    let next_page = next_page(&found, limit, |last| last.id);
    let data: Vec<Value> = found.iter().map(credit).collect();
    let page = json!({
        "object": "list",
        "data": data,
        "next_page": next_page,
        "awaiting_schedule": months(&unpaid.awaiting_schedule),
        "nothing_asked_for": months(&unpaid.nothing_asked_for),
    });
    Ok(answer(StatusCode::OK, &page))
}

/// GET /v1/credits/{id}: with the figures that it is computed from.
pub(super) async fn get_credit(
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<Response, Unanswered> {
    let kept = own_credit(app, caller, id).await?;
    let mut shown = credit(&kept);
    let reckoned = app::credit::reckoned(app, &kept).await?;
    let is_of_whole_month = app::credit::is_of_whole_month(app, &kept).await?;
    shown["computed_from"] = reckoned.map_or(Value::Null, |(_, measured)| {
        json!({
            "availability_percent": measured.availability.to_string(),
            "down_seconds": measured.down_us / 1_000_000,
            "excess_seconds": measured.excess_us / 1_000_000,
            "of_whole_month": is_of_whole_month,
            "sha256": kept.new.basis.as_ref().map(|basis| hex(&basis.digest)),
        })
    });
    Ok(answer(StatusCode::OK, &shown))
}

/// GET /v1/credits/{id}/history: everything that was done to it, the first of it first.
pub(super) async fn credit_history(
    app: &App,
    caller: &Caller,
    id: &str,
    query: &str,
) -> Result<Response, Unanswered> {
    let (limit, after) = part(query, count_of)?;
    let kept = own_credit(app, caller, id).await?;
    let numbered = (1..).zip(&kept.moves).skip(after.unwrap_or(0)).take(limit as usize);
    let found: Vec<(usize, &Moved)> = numbered.collect();
    Ok(page(&found, limit, |(n, _)| *n, |(_, done)| moved(done)))
}

/// GET /v1/credits/{id}/inputs: the lines of the text that it is computed from, which its checksum
/// is of.
pub(super) async fn credit_inputs(
    app: &App,
    caller: &Caller,
    id: &str,
    query: &str,
) -> Result<Response, Unanswered> {
    let (limit, after) = part(query, count_of)?;
    let kept = own_credit(app, caller, id).await?;
    let reckoned = app::credit::reckoned(app, &kept).await?;
    let text = reckoned.map(|(inputs, _)| inputs.to_text());
    let lines = (1..).zip(text.iter().flat_map(|text| text.split('\n')));
    let found: Vec<(usize, &str)> = lines.skip(after.unwrap_or(0)).take(limit as usize).collect();
    Ok(page(&found, limit, |(n, _)| *n, |(_, line)| Value::from(*line)))
}

/// How much of what never changes came before.
fn count_of(text: &str) -> Option<usize> {
    text.parse().ok().filter(|&count| count > 0)
}

/// The caller's credit of this number.
async fn own_credit(app: &App, caller: &Caller, id: &str) -> Result<Kept, Unanswered> {
    let id = id_of(id).ok_or_else(|| Problem::of(Kind::NotFound))?;
    let found = app::credit::find(app, id).await?;
    let found = found.filter(|kept| kept.new.key.account == caller.account.id);
    Ok(found.ok_or_else(|| Problem::of(Kind::NotFound))?)
}

/// What a plan says.
fn plan(id: i64, plan: &Plan) -> Value {
    json!({
        "plan_id": id.to_string(),
        "name": plan.name,
        "paths": plan.paths.to_string(),
        "months": plan.months,
        "price": plan.price.0,
        "tax_bp": plan.tax_bp,
    })
}

/// A plan that was decided on, and what that asked for.
fn change_of(change: &Change) -> Value {
    let mut shown = plan(change.plan_id, &change.term.plan);
    shown["from"] = json!(change.decided.as_ref().map(|_| rfc3339(change.term.from)));
    shown["first_month"] = json!(change.term.first.to_string());
    shown["rest"] = json!(change.rest.0);
    shown["decided_at"] = json!(change.decided.as_ref().map(|(at, _)| rfc3339(*at)));
    shown
}

/// What an invoice asks for the rest of the period in which a plan came.
fn rest_of(rest: Rest, change: &Change) -> Value {
    json!({
        "plan_id": change.plan_id.to_string(),
        "plan": change.term.plan.name,
        "from": rfc3339(change.term.from),
        "amount": rest.amount.0,
    })
}

fn subscription(kept: &Subscription, now: Timestamp) -> Value {
    let holds = &kept.plan_at(now).term.plan;
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
        "plan": holds.name,
        "paths": holds.paths.to_string(),
        "months": holds.months,
        "price": holds.price.0,
        "tax_bp": holds.tax_bp,
        "plans": kept.plans.iter().map(change_of).collect::<Vec<_>>(),
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
    let claim = claim_of(line.track, line.revision);
    json!({
        "credit": line.credit.to_string(),
        "month": line.month.to_string(),
        "statement_revision": claim.is_none().then_some(line.revision),
        "claim": claim.map(|claim| claim.to_string()),
        "track": line.track.word(),
        "schedule": line.schedule,
        "amount": line.amount.0,
    })
}

/// A credit as it is told.
pub(super) fn credit(kept: &Kept) -> Value {
    let (key, basis) = (kept.new.key, kept.new.basis.as_ref());
    let untold = kept.moves.len().saturating_sub(MOVES_MAX);
    json!({
        "object": "credit",
        "id": kept.id.to_string(),
        "subscription": key.subscription.to_string(),
        "month": key.month.to_string(),
        "track": key.track.word(),
        "statement_revision": key.statement_revision(),
        "claim": key.claim().map(|claim| claim.to_string()),
        "state": kept.credit.state().word(),
        "amount": kept.credit.amount().0,
        "left": kept.credit.left().0,
        "month_pays_back": kept.new.computed.0,
        "month_price": basis.map(|basis| basis.price.0),
        "schedule": basis.map(|basis| basis.schedule),
        "figure": basis.map(|basis| basis.figure.word()),
        "owed_from": rfc3339(kept.new.owed_from),
        "history": kept.moves.iter().skip(untold).map(moved).collect::<Vec<_>>(),
        "moves": kept.moves.len(),
    })
}

/// Something that was done to a credit.
fn moved(done: &Moved) -> Value {
    json!({
        "move": done.done.word(),
        "at": rfc3339(done.at),
        "amount": done.posting.as_ref().map(|(.., amount)| amount.0),
        "reason": done.reason,
    })
}
