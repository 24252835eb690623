//! The vendor's REST services: `/Rest/<Method>`, GET or POST, names in any case. Finds the caller
//! and the method, lets `app` answer, logs once. No rule of the product stands here.

mod account;
mod billing;
mod campaign;
mod codes;
mod dispositions_page;
mod errors_page;
mod fa;
mod listing;
mod message;
mod method;
mod one_time_code;
mod quick_send;
mod recipient;
mod reply;
mod secure_call;
mod verification;

use app::caller::CallerRefusal;
use app::{Caller, Error, Failure};
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::access::{AccessRefusal, Arrival};
use domain::agreement::scope::CoveredPath;
use tracing::Instrument;

use crate::arrival;
use crate::params::{self, Params};
use crate::router::Web;
pub(crate) use codes::{UNKNOWN_ERROR, access_meaning};
pub use dispositions_page::dispositions_page;
pub use errors_page::errors_page;
pub use fa::status_label;
pub(crate) use listing::Form;
pub(crate) use method::Method;
pub(crate) use recipient::written as number_written;
pub(crate) use reply::{Content, Reply};

/// The first segment of every path, in any case.
pub(crate) const SERVICE: &str = "rest";
/// From how many bytes on reading a body may take milliseconds.
const LARGE_BODY: usize = 256 * 1024;
/// Where a client finds the number of our failure, to ask us with.
pub(crate) const X_REFERENCE: &str = "x-reference";
/// Longest `Idempotency-Key`, in bytes.
const REFERENCE_MAX: usize = 200;

/// The vendor's spelling of a method, written in any case; `None` when there is no such method.
pub(crate) fn method_name(written: &str) -> Option<&'static str> {
    Method::named(written).map(Method::name)
}

/// One request to `/Rest/<name>`.
pub(crate) async fn call(web: &Web, name: &str, request: Request) -> Response {
    let Some(method) = Method::named(name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Ok(_place) = web.places.try_acquire() else {
        return busy();
    };
    let started_at = web.app.now();
    let span =
        tracing::info_span!("request", method = method.name(), account = tracing::field::Empty);
    let answered = answer(web, method, request).instrument(span.clone()).await;
    let took_us = web.app.now().us_since(started_at);
    let _entered = span.enter();
    match answered {
        Ok(reply) => {
            let code = reply.refused;
            tracing::info!(took_us, code, "request answered");
            reply.into_response()
        }
        Err(Unanswered::Transport(response)) => {
            tracing::info!(took_us, http_status = response.status().as_u16(), "request not taken");
            response
        }
        Err(Unanswered::Denied(denied)) => not_let_in(web, method, denied),
        Err(Unanswered::Failed(failure)) => failed(web, method, UNKNOWN_ERROR, &failure),
        Err(Unanswered::FailedInMethod(failure)) => {
            failed(web, method, method.failure_code(), &failure)
        }
    }
}

/// The answer to who may not come in.
fn not_let_in(web: &Web, method: Method, denied: Denied) -> Response {
    let response = match denied {
        Denied::Access(refusal) => {
            let reply = Reply::no_access(method, refusal);
            tracing::info!(code = reply.refused, "not let in");
            return reply.into_response();
        }
        Denied::Failed(failure) => return failed(web, method, UNKNOWN_ERROR, &failure),
        Denied::Busy => busy(),
        Denied::TooOften(wait_s) => too_often(wait_s),
    };
    tracing::info!(http_status = response.status().as_u16(), "not let in");
    response
}

/// Why there is no reply of the method's own.
pub(crate) enum Unanswered {
    /// Nobody was let in.
    Denied(Denied),
    /// Too large, too slow, too many: HTTP says it.
    Transport(Response),
    /// Our failure, before the method was reached.
    Failed(Failure),
    /// Our failure in the method, which may have a code of its own for it.
    FailedInMethod(Failure),
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Denied> for Unanswered {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

/// Authenticates, reads the parameters and lets the method answer. A token outside the body is
/// judged before the body is read, so that strangers cannot make us read 28 megabytes.
async fn answer(web: &Web, method: Method, request: Request) -> Result<Reply, Unanswered> {
    if is_multipart(request.headers()) {
        let response = StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
        return Err(Unanswered::Transport(response));
    }
    let (head, body) = request.into_parts();
    let query = head.uri.query().unwrap_or_default();
    let arrival = arrival::of(&head, method.name(), &web.settings.trusted_proxies);
    let early_token =
        header_token(&head.headers).or_else(|| Params::read(query, b"").take("token"));
    let early_caller = match &early_token {
        Some(token) => Some(authenticated(web, token, &arrival).await?),
        None => None,
    };
    let (body, _memory) =
        web.read_body(&head.headers, body).await.map_err(Unanswered::Transport)?;
    let params = read_params(query, body).await?;
    let caller = match early_caller {
        Some(caller) => caller,
        None => authenticated(web, params.text("token").unwrap_or_default(), &arrival).await?,
    };
    tracing::Span::current().record("account", caller.account.id.0);
    let reference = idempotency_key(&head.headers);
    perform(web, method, &caller, params, reference).await
}

/// Lets a method answer a caller who may use it, in its turn if it is one of the heavy ones.
pub(crate) async fn perform(
    web: &Web,
    method: Method,
    caller: &Caller,
    params: Params,
    reference: Option<String>,
) -> Result<Reply, Unanswered> {
    let Ok(_heavy) = method.is_heavy().then(|| web.heavy_places.try_acquire()).transpose() else {
        return Err(Unanswered::Transport(busy()));
    };
    let reply = dispatch(web, method, caller, params, reference).await;
    let reply = reply.map_err(Unanswered::FailedInMethod)?;
    app::interval::served(&web.app, &caller.account, CoveredPath::Api);
    Ok(reply)
}

/// Reads the parameters.
pub(crate) async fn read_params(query: &str, body: Bytes) -> Result<Params, Failure> {
    let query = query.to_owned();
    apart(body.len(), move || Params::read(&query, &body)).await
}

/// Reads so many bytes; many of them where blocking is allowed, so that nobody waits for it.
pub(crate) async fn apart<T: Send + 'static>(
    bytes: usize,
    read: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    if bytes <= LARGE_BODY {
        return Ok(read());
    }
    let reading = tokio::task::spawn_blocking(read);
    reading.await.map_err(|error| Failure::because("reading the parameters", error))
}

async fn dispatch(
    web: &Web,
    method: Method,
    caller: &Caller,
    params: Params,
    reference: Option<String>,
) -> Result<Reply, Failure> {
    let app = &*web.app;
    match method {
        Method::AccountStatus => Ok(account::status(caller)),
        Method::SendOtp => one_time_code::send(app, caller, params).await,
        Method::SendOcv => verification::send(app, caller, params).await,
        Method::UploadMessageBase64 => message::upload(app, caller, params).await,
        Method::GenerateTts => message::generate(app, caller, params).await,
        Method::GetMessage => message::get(app, caller, params).await,
        Method::DownloadMessage => message::download(app, caller, params).await,
        Method::DeleteMessage => message::delete(app, caller, params).await,
        Method::QuickSend => quick_send::send(app, caller, params, reference).await,
        Method::QuickSendWithTts => quick_send::send_text(app, caller, params, reference).await,
        Method::GetQuickSend => quick_send::get(app, caller, params).await,
        Method::DownloadRecord => quick_send::download_record(app, caller, params).await,
        Method::GetMessages => message::gallery(app, caller, params).await,
        Method::GetQuickSendStatistics => quick_send::statistics(app, caller, params).await,
        Method::StartCampaign => campaign::start(app, caller, params).await,
        Method::StopCampaign => campaign::stop(app, caller, params).await,
        Method::GetCampaign => campaign::get(app, caller, params).await,
        Method::GetCampaignNumbers => recipient::of_campaign(web, caller, params).await,
        Method::GetProfile => account::profile(app, caller).await,
        Method::GetPrices => billing::prices(app, caller).await,
        Method::GetTransactions => billing::transactions(app, caller).await,
        Method::GetTotalCostByDate => billing::total_cost(app, caller, params).await,
        Method::GetCampaignsByDate => campaign::starting(app, caller, params).await,
        Method::GetMessagesByPage => message::page(app, caller, params).await,
        Method::GetCampaignNumbersByMessageId => recipient::of_message(web, caller, params).await,
        Method::GetCampaignNumbersBySendDate => recipient::sent(web, caller, params).await,
        Method::GetCampaignNumbersBySubscribeId => recipient::of_send(app, caller, params).await,
        Method::GetCampaignNumbersDataByIds => recipient::listed(app, caller, params).await,
        Method::GetCampaignNumberStatusById => recipient::status(app, caller, params).await,
        Method::GetCampaignNumbersStatusByIds => recipient::statuses(app, caller, params).await,
        Method::CreateCampaign | Method::CreateCampaignGis => {
            campaign::create(app, caller, method, params).await
        }
        Method::MakeSecureCall => secure_call::make(app, caller, params, reference).await,
    }
}

/// Why nobody was let in.
pub(crate) enum Denied {
    /// The method's own code says it.
    Access(AccessRefusal),
    /// Too many wait: to come back in a second.
    Busy,
    /// Came too often: to come back after so many seconds.
    TooOften(u32),
    /// Our failure.
    Failed(Failure),
}

impl From<Error<CallerRefusal>> for Denied {
    fn from(error: Error<CallerRefusal>) -> Self {
        match error {
            Error::Refused(CallerRefusal::Access(refusal)) => Self::Access(refusal),
            Error::Refused(CallerRefusal::Busy) => Self::Busy,
            Error::Refused(CallerRefusal::TooOften { wait_s }) => Self::TooOften(wait_s),
            Error::Failed(failure) => Self::Failed(failure),
        }
    }
}

/// The caller, or why the token opens nothing.
pub(crate) async fn authenticated(
    web: &Web,
    token: &str,
    arrival: &Arrival<'_>,
) -> Result<Caller, Denied> {
    Ok(app::caller::authenticate(&web.app, token.trim(), arrival).await?)
}

/// `Authorization: <token>`, with or without the word Bearer. An empty header is no token; one of
/// another scheme is a wrong one.
pub(crate) fn header_token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().unwrap_or("not text").trim();
    let token = match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => value,
    };
    (!token.is_empty()).then(|| token.to_owned())
}

pub(crate) fn idempotency_key(headers: &HeaderMap) -> Option<String> {
    let key = headers.get("idempotency-key")?.to_str().ok()?.trim();
    (!key.is_empty() && key.len() <= REFERENCE_MAX).then(|| key.to_owned())
}

pub(crate) fn is_multipart(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media_type.is_some_and(|text| text.trim().to_ascii_lowercase().starts_with("multipart/"))
}

/// All places are taken: the client may try again in a second.
pub(crate) fn busy() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")]).into_response()
}

/// The caller or his address came too often.
pub(crate) fn too_often(wait_s: u32) -> Response {
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, wait_s.to_string())]).into_response()
}

fn failed(web: &Web, method: Method, code: i32, failure: &Failure) -> Response {
    let mut response = Reply::refused(method, code).into_response();
    response.headers_mut().insert(X_REFERENCE, logged(web, code, failure));
    response
}

/// The failure goes to the log with its whole chain, once; the client gets the number to ask with.
pub(crate) fn logged(web: &Web, code: i32, failure: &Failure) -> HeaderValue {
    app::interval::failed(&web.app, CoveredPath::Api);
    let reference = web.next_reference();
    tracing::error!(code, reference, error = failure.chain(), "request failed");
    HeaderValue::from_str(&reference).expect("the reference is hex digits and a dash")
}

/// What [`Web::read_body`] gives: the bytes, and the permit for the memory they take.
pub(crate) type ReadBody<'a> = (Bytes, tokio::sync::SemaphorePermit<'a>);
