//! The modern API, `/v1`: JSON in and out, refusals as problems of RFC 9457. Finds the caller,
//! reads the body within its limits, lets `app` answer, logs once. Decides nothing.

mod acceptances;
mod agreement;
mod announcements;
mod audio;
mod calendar;
mod call;
mod campaign_verbs;
mod campaigns;
mod cancellations;
mod claims;
mod codes;
mod compensation;
mod compliance;
mod detail;
mod docs_page;
mod error_reports;
mod events;
mod evidence;
mod explain;
mod exports;
mod forecast;
mod identity;
mod invoices;
mod ledger;
mod listing;
mod lists;
mod messages;
mod once;
mod opt_outs;
mod payments;
mod problem;
mod promises;
mod remote_sessions;
mod routes;
mod samples;
mod seats;
mod sms;
mod statement;
mod stream;
mod templates;
mod tickets;
mod violations;
mod webhooks;

use app::{Caller, Failure};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use domain::agreement::scope::CoveredPath;
use tracing::Instrument;

use crate::arrival;
use crate::rest;
use crate::router::Web;
use problem::{Kind, Problem};
use routes::Operation;

pub(crate) use routes::{operation_name, routes};
pub(crate) use seats::{Seat, Seats};
pub(crate) use stream::{Stream, sent};
pub use webhooks::{Posted, posted, secret_of, signed};

/// Under which name a request is found in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// Why there is no answer of the operation's own.
enum Unanswered {
    Refused(Problem),
    Failed(Failure),
}

impl From<Problem> for Unanswered {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

fn busy() -> Unanswered {
    Problem::of(Kind::Busy).into()
}

/// One request: its place, its caller, its body, its answer and its line in the log.
async fn answer(
    web: &Web,
    operation: Operation,
    request: Request,
    work: impl AsyncFnOnce(&Caller, &HeaderMap, &[u8]) -> Result<Response, Unanswered>,
) -> Response {
    logged(web, operation.name(), async || admitted(web, operation, request, work).await).await
}

/// A request that needs no caller: its place, its answer and its line in the log. Its body is not
/// read.
async fn open_to_all(
    web: &Web,
    method: &'static str,
    request: Request,
    work: impl AsyncFnOnce() -> Result<Response, Unanswered>,
) -> Response {
    let placed = async || {
        let Ok(_place) = web.places.try_acquire() else { return Err(busy()) };
        let (head, _) = request.into_parts();
        let arrival = arrival::of(&head, method, &web.settings.trusted_proxies);
        let paced = app::caller::come(&web.app, &arrival);
        paced.map_err(|wait_s| Problem::to_wait(Kind::TooManyRequests, wait_s))?;
        work().await
    };
    logged(web, method, placed).await
}

/// A request with its line in the log and the reference under which it is found there.
async fn logged(
    web: &Web,
    method: &'static str,
    work: impl AsyncFnOnce() -> Result<Response, Unanswered>,
) -> Response {
    let id = web.next_reference();
    let account = tracing::field::Empty;
    let span = tracing::info_span!("request", method, account, request_id = id);
    let started_at = web.app.now();
    let answered = work().instrument(span.clone()).await;
    let took_us = web.app.now().us_since(started_at);
    let _entered = span.enter();
    let mut response = match answered {
        Ok(response) => response,
        Err(Unanswered::Refused(problem)) => problem.into_response(&id),
        Err(Unanswered::Failed(failure)) => {
            app::interval::failed(&web.app, CoveredPath::Api);
            tracing::error!(error = failure.chain(), "request failed");
            let problem = if Operation::is_of_desk(method) {
                let phone = web.settings.support_phone.as_deref();
                Problem::of_desk(app::support_call::line(&web.app, phone))
            } else {
                Problem::of(Kind::Failed)
            };
            problem.into_response(&id)
        }
    };
    tracing::info!(took_us, http_status = response.status().as_u16(), "request answered");
    let id = HeaderValue::from_str(&id).expect("the reference is hex digits and a dash");
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The caller is judged before the body is read, so that strangers cannot make us read it.
async fn admitted(
    web: &Web,
    operation: Operation,
    request: Request,
    work: impl AsyncFnOnce(&Caller, &HeaderMap, &[u8]) -> Result<Response, Unanswered>,
) -> Result<Response, Unanswered> {
    let Ok(_place) = web.places.try_acquire() else { return Err(busy()) };
    let (head, body) = request.into_parts();
    let arrival = arrival::of(&head, operation.name(), &web.settings.trusted_proxies);
    let token = rest::header_token(&head.headers).unwrap_or_default();
    let caller = rest::authenticated(web, &token, &arrival).await.map_err(not_let_in)?;
    tracing::Span::current().record("account", caller.account.id.0);
    let limit = operation.body_bytes_max().min(web.settings.body_bytes_max);
    let read = web.read_body_within(limit, &head.headers, body).await;
    let (body, _memory) = read.map_err(|response| Problem::of(unread(response.status())))?;
    let answered = work(&caller, &head.headers, &body).await;
    if !matches!(answered, Err(Unanswered::Failed(_))) {
        app::interval::served(&web.app, &caller.account, CoveredPath::Api);
    }
    answered
}

fn not_let_in(denied: rest::Denied) -> Unanswered {
    match denied {
        rest::Denied::Access(refusal) => Problem::of_access(refusal).into(),
        rest::Denied::Busy => busy(),
        rest::Denied::TooOften(wait_s) => Problem::to_wait(Kind::TooManyRequests, wait_s).into(),
        rest::Denied::Failed(failure) => failure.into(),
    }
}

/// What is said of a body that was not read.
fn unread(status: StatusCode) -> Kind {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLarge,
        StatusCode::REQUEST_TIMEOUT => Kind::TooSlow,
        _ => Kind::Busy,
    }
}
