//! Payments of an account: into its balance or for an invoice, by a gateway or against a receipt.

use app::payment::{Payment, PaymentRefusal, Purpose};
use app::{App, Caller, Error};
use axum::http::StatusCode;
use axum::response::Response;
use domain::Rials;
use domain::agreement::attachment::{BYTES_MAX, Refusal as File};
use domain::billing::payment::{AMOUNTS, OPEN_MAX, State};
use domain::calendar::jalali::rfc3339;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Unanswered;
use super::codes::read;
use super::listing::{id_of, page, part};
use super::messages::json as answer;
use super::once::{Asked, changed, one};
use super::problem::{Kind, Problem};

/// The largest body with a receipt: the receipt.
pub(super) const FILE_BYTES_MAX: usize = BYTES_MAX;

/// What a client wants to pay.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    gateway: String,
    amount_rials: Option<i64>,
    invoice_id: Option<String>,
}

/// GET /v1/payments.
pub(super) async fn list(app: &App, caller: &Caller, query: &str) -> Result<Response, Unanswered> {
    let (limit, before) = part(query, id_of)?;
    let all = app::payment::list(app, Some(caller.account.id), false, before, limit).await?;
    Ok(page(&all, limit, |last| last.id, shown))
}

/// GET /v1/payments/gateways: by whom can be paid here.
pub(super) fn gateways(app: &App) -> Response {
    answer(StatusCode::OK, &json!({ "object": "gateways", "data": app::payment::gateways(app) }))
}

/// GET /v1/payments/{id}.
pub(super) async fn get(app: &App, caller: &Caller, id: &str) -> Result<Response, Unanswered> {
    let id = id_of(id).ok_or_else(|| Problem::of(Kind::NotFound))?;
    let found = app::payment::find(app, Some(caller.account.id), id).await?;
    one(StatusCode::OK, found.as_ref().map(shown))
}

/// POST /v1/payments.
pub(super) async fn begin(asked: Asked<'_>) -> Result<Response, Unanswered> {
    let (app, caller) = (asked.app, asked.caller);
    let invalid = |en: &str, fa: &str| Problem::with(Kind::InvalidRequest, (en, fa));
    let new: New = read(asked.body)?;
    let purpose = match (new.amount_rials, new.invoice_id) {
        (Some(amount), None) => Purpose::Credit(Rials(amount)),
        (None, Some(id)) => {
            let id = id_of(&id).ok_or_else(|| not_done(Error::Refused(PaymentRefusal::Invoice)))?;
            Purpose::Invoice(id)
        }
        _ => {
            return Err(invalid(
                "either amount_rials or invoice_id is paid",
                "یا amount_rials پرداخت می‌شود یا invoice_id",
            )
            .into());
        }
    };
    let begun = app::payment::begin(app, caller, purpose, &new.gateway);
    payment(asked, StatusCode::CREATED, begun).await
}

/// POST /v1/payments/{id}/receipt: the file is the body.
pub(super) async fn receipt(asked: Asked<'_>, id: &str) -> Result<Response, Unanswered> {
    let id = id_of(id).ok_or_else(|| Problem::of(Kind::NotFound))?;
    let (account, bytes) = (asked.caller.account.id, asked.body.to_vec());
    payment(asked, StatusCode::OK, app::payment::add_receipt(asked.app, account, id, bytes)).await
}

/// Changes a payment once, and shows it.
async fn payment(
    asked: Asked<'_>,
    status: StatusCode,
    change: impl Future<Output = app::Result<Payment, PaymentRefusal>>,
) -> Result<Response, Unanswered> {
    let (app, account) = (asked.app, asked.caller.account.id);
    let change = Box::pin(async { change.await.map_err(not_done) });
    let found = async |id| app::payment::find(app, Some(account), id).await;
    changed(asked, status, change, found, shown).await
}

fn shown(payment: &Payment) -> Value {
    let url = payment.url.as_ref().filter(|_| payment.state == State::Waiting);
    json!({
        "object": "payment",
        "id": payment.id.to_string(),
        "state": payment.state.word(),
        "gateway": payment.gateway,
        "amount_rials": payment.amount.0,
        "invoice_id": payment.invoice.map(|id| id.to_string()),
        "url": url,
        "reference": payment.reference,
        "reason": payment.reason,
        "made_at": rfc3339(payment.made_at),
        "paid_at": payment.paid_at.map(rfc3339),
        "decided_at": payment.decided.as_ref().map(|(at, _)| rfc3339(*at)),
    })
}

fn not_done(error: Error<PaymentRefusal>) -> Unanswered {
    let refusal = match error {
        Error::Refused(refusal) => refusal,
        Error::Failed(failure) => return failure.into(),
    };
    let not_taken = |en: &str, fa: &str| Problem::with(Kind::PaymentNotTaken, (en, fa));
    match refusal {
        PaymentRefusal::NoSuchPayment => Problem::of(Kind::NotFound),
        PaymentRefusal::Amount => {
            let (least, most) = (AMOUNTS.start(), AMOUNTS.end());
            not_taken(
                &format!("amounts are from {least} to {most} rials."),
                &format!("مبلغ از {least} تا {most} ریال است."),
            )
        }
        PaymentRefusal::Gateway => not_taken(
            "There is no such gateway; see /v1/payments/gateways.",
            "چنین درگاهی نیست؛ /v1/payments/gateways را ببینید.",
        ),
        PaymentRefusal::Invoice => not_taken(
            "There is no such invoice, or it is paid or voided.",
            "چنین فاکتوری نیست یا پرداخت یا باطل شده است.",
        ),
        PaymentRefusal::Sandbox => {
            not_taken("Play money is not paid.", "برای پول آزمایشی پرداختی نیست.")
        }
        PaymentRefusal::TooMany => not_taken(
            &format!("The account has {OPEN_MAX} that are not over."),
            &format!("حساب {OPEN_MAX} پرداخت ناتمام دارد."),
        ),
        PaymentRefusal::Receipt(refusal) => match refusal {
            File::Empty => not_taken("It is empty.", "خالی است."),
            File::TooLarge => not_taken(
                &format!("It has more than {BYTES_MAX} bytes."),
                &format!("بیش از {BYTES_MAX} بایت دارد."),
            ),
            File::Name | File::Kind | File::TooMany => {
                not_taken("It is neither PNG, JPEG nor PDF.", "PNG، JPEG یا PDF نیست.")
            }
        },
        PaymentRefusal::WrongState
        | PaymentRefusal::Reference
        | PaymentRefusal::OtherAmount
        | PaymentRefusal::Time
        | PaymentRefusal::Text(_) => Problem::of(Kind::WrongState),
    }
    .into()
}
