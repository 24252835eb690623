//! The modern API, `/v1`: JSON in and out, refusals as problems of RFC 9457. Finds the caller,
//! reads the body within its limits, lets `app` answer, logs once. Decides nothing.

mod agreement;
mod campaigns;
mod codes;
mod docs_page;
mod events;
mod explain;
mod messages;
mod opt_outs;
mod problem;
mod seats;
mod webhooks;

use std::sync::Arc;

use app::{Caller, Failure};
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post};
use tracing::Instrument;

use crate::arrival;
use crate::rest;
use crate::router::Web;
use campaigns::Verb;
use problem::{Kind, Problem};

pub(crate) use seats::Seats;
pub use webhooks::{Posted, posted};

/// Under which name a request is found in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// The document that describes this API; a test holds it to the routes.
const OPENAPI: &str = include_str!("openapi.json");
/// Its path.
const OPENAPI_PATH: &str = "/v1/openapi.json";

/// What a request may be for: a token that is bound to methods must name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    SendMessages,
    ReadMessages,
    ReadEvents,
    ManageWebhooks,
    ManageOptOuts,
    ReadAvailability,
    ManageCampaigns,
    ReadCampaigns,
    SendCodes,
    CheckCodes,
}

impl Operation {
    const ALL: [Self; 10] = [
        Self::SendMessages,
        Self::ReadMessages,
        Self::ReadEvents,
        Self::ManageWebhooks,
        Self::ManageOptOuts,
        Self::ReadAvailability,
        Self::ManageCampaigns,
        Self::ReadCampaigns,
        Self::SendCodes,
        Self::CheckCodes,
    ];

    /// How permissions call it.
    fn name(self) -> &'static str {
        match self {
            Self::SendMessages => "v1.SendMessages",
            Self::ReadMessages => "v1.ReadMessages",
            Self::ReadEvents => "v1.ReadEvents",
            Self::ManageWebhooks => "v1.ManageWebhooks",
            Self::ManageOptOuts => "v1.ManageOptOuts",
            Self::ReadAvailability => "v1.ReadAvailability",
            Self::ManageCampaigns => "v1.ManageCampaigns",
            Self::ReadCampaigns => "v1.ReadCampaigns",
            Self::SendCodes => "v1.SendCodes",
            Self::CheckCodes => "v1.CheckCodes",
        }
    }
}

/// The spelling of an operation that permissions know, written in any case.
pub(crate) fn operation_name(written: &str) -> Option<&'static str> {
    let mut names = Operation::ALL.into_iter().map(Operation::name);
    names.find(|name| name.eq_ignore_ascii_case(written))
}

/// The paths under `/v1`.
pub(crate) fn routes() -> Router<Arc<Web>> {
    Router::new()
        .route("/v1/messages", get(list_messages).post(send_messages))
        .route("/v1/messages/{id}", get(get_message))
        .route("/v1/messages/{id}/recording", get(get_recording))
        .route("/v1/messages/{id}/explain", get(explain_message))
        .route("/v1/campaign_numbers/{id}/explain", get(explain_number))
        .route("/v1/campaigns", get(list_campaigns).post(create_campaign))
        .route("/v1/campaigns/{id}", get(get_campaign))
        .route("/v1/campaigns/{id}/numbers", get(list_numbers).post(add_numbers))
        .route("/v1/campaigns/{id}/start", post(start_campaign))
        .route("/v1/campaigns/{id}/pause", post(pause_campaign))
        .route("/v1/campaigns/{id}/resume", post(resume_campaign))
        .route("/v1/campaigns/{id}/stop", post(stop_campaign))
        .route("/v1/campaigns/{id}/cancel", post(cancel_campaign))
        .route("/v1/campaigns/{id}/redial", post(redial_campaign))
        .route("/v1/events", get(list_events))
        .route("/v1/events/{id}", get(get_event))
        .route("/v1/webhooks", get(list_webhooks).post(create_webhook))
        .route("/v1/webhooks/{id}", get(get_webhook).delete(delete_webhook))
        .route("/v1/webhooks/{id}/secret", post(rotate_secret))
        .route("/v1/webhooks/{id}/enable", post(enable_webhook))
        .route("/v1/webhooks/{id}/test", post(test_webhook))
        .route("/v1/webhooks/{id}/replay", post(replay_event))
        .route("/v1/webhooks/{id}/deliveries", get(list_deliveries))
        .route("/v1/availability", get(get_availability))
        .route("/v1/agreement", get(get_agreement))
        .route("/v1/agreement/{id}", get(get_agreement_version))
        .route("/v1/codes", post(start_code))
        .route("/v1/codes/{id}", get(get_code))
        .route("/v1/codes/{id}/resend", post(resend_code))
        .route("/v1/codes/{id}/check", post(check_code))
        .route("/v1/opt-outs", get(list_opt_outs).post(add_opt_outs))
        .route("/v1/opt-outs/{id}", delete(remove_opt_out))
        .route(OPENAPI_PATH, get(openapi))
        .route("/v1/docs", get(docs_page::docs))
        .route("/v1", any(nothing_here))
        .route("/v1/{*rest}", any(nothing_here))
        .method_not_allowed_fallback(not_by_this_verb)
}

async fn send_messages(State(web): State<Arc<Web>>, request: Request) -> Response {
    answer(&web, Operation::SendMessages, request, async |caller, head, body| {
        let Ok(_heavy) = web.heavy_places.try_acquire() else { return Err(busy()) };
        messages::send(&web.app, caller, head, body).await
    })
    .await
}

async fn list_messages(State(web): State<Arc<Web>>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    answer(&web, Operation::ReadMessages, request, async |caller, _, _| {
        messages::list(&web.app, caller, &query).await
    })
    .await
}

async fn get_message(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answer(&web, Operation::ReadMessages, request, async |caller, _, _| {
        messages::get(&web.app, caller, &id).await
    })
    .await
}

async fn get_recording(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answer(&web, Operation::ReadMessages, request, async |caller, _, _| {
        messages::recording(&web.app, caller, &id).await
    })
    .await
}

async fn list_events(State(web): State<Arc<Web>>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    answer(&web, Operation::ReadEvents, request, async |caller, head, _| {
        events::list(&web, caller, head, &query).await
    })
    .await
}

async fn get_event(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answer(&web, Operation::ReadEvents, request, async |caller, _, _| {
        events::get(&web, caller, &id).await
    })
    .await
}

async fn list_webhooks(State(web): State<Arc<Web>>, request: Request) -> Response {
    answer(&web, Operation::ManageWebhooks, request, async |caller, _, _| {
        webhooks::list(&web.app, caller).await
    })
    .await
}

async fn create_webhook(State(web): State<Arc<Web>>, request: Request) -> Response {
    answer(&web, Operation::ManageWebhooks, request, async |caller, _, body| {
        webhooks::create(&web.app, caller, body).await
    })
    .await
}

/// Handlers of what is done to one endpoint.
macro_rules! of_one_webhook {
    ($(
        $handler:ident => |$app:ident, $caller:ident, $id:ident, $body:pat_param| $work:expr;
    )*) => {$(
        async fn $handler(
            State(web): State<Arc<Web>>,
            Path($id): Path<String>,
            request: Request,
        ) -> Response {
            answer(&web, Operation::ManageWebhooks, request, async |$caller, _, $body| {
                let ($app, $id) = (&web.app, $id.as_str());
                $work.await
            })
            .await
        }
    )*};
}

of_one_webhook! {
    get_webhook => |app, caller, id, _| webhooks::get(app, caller, id);
    delete_webhook => |app, caller, id, _| webhooks::delete(app, caller, id);
    rotate_secret => |app, caller, id, _| webhooks::rotate(app, caller, id);
    enable_webhook => |app, caller, id, _| webhooks::enable(app, caller, id);
    test_webhook => |app, caller, id, _| webhooks::test(app, caller, id);
    replay_event => |app, caller, id, body| webhooks::replay(app, caller, id, body);
}

async fn list_deliveries(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    answer(&web, Operation::ManageWebhooks, request, async |caller, _, _| {
        webhooks::deliveries(&web.app, caller, &id, &query).await
    })
    .await
}

async fn get_availability(State(web): State<Arc<Web>>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    answer(&web, Operation::ReadAvailability, request, async |caller, _, _| {
        let Ok(_heavy) = web.heavy_places.try_acquire() else { return Err(busy()) };
        agreement::month(&web.app, caller, &query).await
    })
    .await
}

async fn create_campaign(State(web): State<Arc<Web>>, request: Request) -> Response {
    answer(&web, Operation::ManageCampaigns, request, async |caller, head, body| {
        let Ok(_heavy) = web.heavy_places.try_acquire() else { return Err(busy()) };
        campaigns::create(&web.app, caller, head, body).await
    })
    .await
}

async fn list_campaigns(State(web): State<Arc<Web>>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    answer(&web, Operation::ReadCampaigns, request, async |caller, _, _| {
        campaigns::list(&web.app, caller, &query).await
    })
    .await
}

async fn get_campaign(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answer(&web, Operation::ReadCampaigns, request, async |caller, _, _| {
        campaigns::get(&web.app, caller, &id).await
    })
    .await
}

async fn list_numbers(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    answer(&web, Operation::ReadCampaigns, request, async |caller, _, _| {
        campaigns::numbers(&web.app, caller, &id, &query).await
    })
    .await
}

async fn add_numbers(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answer(&web, Operation::ManageCampaigns, request, async |caller, _, body| {
        let Ok(_heavy) = web.heavy_places.try_acquire() else { return Err(busy()) };
        campaigns::add(&web.app, caller, &id, body).await
    })
    .await
}

async fn get_agreement(State(web): State<Arc<Web>>) -> Response {
    open_to_all(&web, "v1.Agreement", async || agreement::get(&web.app, None).await).await
}

async fn get_agreement_version(State(web): State<Arc<Web>>, Path(id): Path<String>) -> Response {
    open_to_all(&web, "v1.Agreement", async || agreement::get(&web.app, Some(&id)).await).await
}

async fn redial_campaign(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answer(&web, Operation::ManageCampaigns, request, async |caller, _, body| {
        let Ok(_heavy) = web.heavy_places.try_acquire() else { return Err(busy()) };
        campaigns::redial(&web.app, caller, &id, body).await
    })
    .await
}

async fn change_campaign(web: &Web, id: &str, request: Request, verb: Verb) -> Response {
    answer(web, Operation::ManageCampaigns, request, async |caller, _, body| {
        campaigns::change(&web.app, caller, id, verb, body).await
    })
    .await
}

async fn start_campaign(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    change_campaign(&web, &id, request, Verb::Start).await
}

async fn pause_campaign(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    change_campaign(&web, &id, request, Verb::Pause).await
}

async fn resume_campaign(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    change_campaign(&web, &id, request, Verb::Resume).await
}

async fn stop_campaign(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    change_campaign(&web, &id, request, Verb::Stop).await
}

async fn cancel_campaign(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    change_campaign(&web, &id, request, Verb::Cancel).await
}

async fn start_code(State(web): State<Arc<Web>>, request: Request) -> Response {
    answer(&web, Operation::SendCodes, request, async |caller, head, body| {
        let Ok(_heavy) = web.heavy_places.try_acquire() else { return Err(busy()) };
        codes::start(&web.app, caller, head, body).await
    })
    .await
}

async fn get_code(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answer(&web, Operation::CheckCodes, request, async |caller, _, _| {
        codes::get(&web.app, caller, &id).await
    })
    .await
}

async fn resend_code(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answer(&web, Operation::SendCodes, request, async |caller, _, _| {
        codes::resend(&web.app, caller, &id).await
    })
    .await
}

async fn check_code(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answer(&web, Operation::CheckCodes, request, async |caller, _, body| {
        codes::check(&web.app, caller, &id, body).await
    })
    .await
}

async fn explain_message(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answer(&web, Operation::ReadMessages, request, async |caller, _, _| {
        explain::message(&web.app, caller, &id).await
    })
    .await
}

async fn explain_number(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answer(&web, Operation::ReadCampaigns, request, async |caller, _, _| {
        explain::number(&web.app, caller, &id).await
    })
    .await
}

async fn list_opt_outs(State(web): State<Arc<Web>>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    answer(&web, Operation::ManageOptOuts, request, async |caller, _, _| {
        opt_outs::list(&web.app, caller, &query).await
    })
    .await
}

async fn add_opt_outs(State(web): State<Arc<Web>>, request: Request) -> Response {
    answer(&web, Operation::ManageOptOuts, request, async |caller, _, body| {
        opt_outs::add(&web.app, caller, body).await
    })
    .await
}

async fn remove_opt_out(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answer(&web, Operation::ManageOptOuts, request, async |caller, _, _| {
        opt_outs::remove(&web.app, caller, &id).await
    })
    .await
}

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

/// A path that is none.
async fn nothing_here(State(web): State<Arc<Web>>) -> Response {
    Problem::of(Kind::NotFound).into_response(&web.next_reference())
}

/// A path that is there for other verbs; `Allow` says for which.
async fn not_by_this_verb(State(web): State<Arc<Web>>) -> Response {
    Problem::of(Kind::MethodNotAllowed).into_response(&web.next_reference())
}

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
    work: impl AsyncFnOnce() -> Result<Response, Unanswered>,
) -> Response {
    let placed = async || {
        let Ok(_place) = web.places.try_acquire() else { return Err(busy()) };
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
            tracing::error!(error = failure.chain(), "request failed");
            Problem::of(Kind::Failed).into_response(&id)
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
    let read = web.read_body(&head.headers, body).await;
    let (body, _memory) = read.map_err(|response| Problem::of(unread(response.status())))?;
    work(&caller, &head.headers, &body).await
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
