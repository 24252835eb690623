//! Paths, and the limits of what a request may cost before anyone is known.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use app::App;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, get, on};
use domain::Network;
use tokio::sync::Semaphore;

use crate::probe::{self, Readiness};
use crate::rest::{self, ReadBody};
use crate::soap::{self, Service, Style};
use crate::v1::Seats;

/// What the server decides about HTTP.
#[derive(Clone)]
pub struct Settings {
    /// Largest body of one request, in bytes. Base64 makes audio a third larger.
    pub body_bytes_max: usize,
    /// Memory for all bodies that are being read or worked on, in bytes.
    pub bodies_bytes_max: usize,
    /// Requests answered at the same time; one more is told to come back.
    pub requests_max: usize,
    /// How many of them may be in methods that speak or decode: these wait for their turn at that,
    /// and would take every place from the others.
    pub heavy_requests_max: usize,
    /// The number of the support line, if there is one.
    pub support_phone: Option<String>,
    /// Proxies whose word about the client's address and encryption is taken.
    pub trusted_proxies: Vec<Network>,
    /// How long a client may take to send a body.
    pub body_timeout: Duration,
    /// Whether this node leads, for `/readyz`; the reason when it does not.
    pub readiness: Readiness,
    /// What the operator has to know although the node is ready, for `/readyz`.
    pub remark: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    /// Whether the process is about to stop, so that streams end.
    pub stopping: Arc<dyn Fn() -> bool + Send + Sync>,
    /// The text of `/metrics`, in the format of Prometheus.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// How many may come back from payment gateways at the same time.
const RETURNS_MAX: usize = 16;

/// What every request shares.
pub(crate) struct Web {
    pub(crate) app: Arc<App>,
    pub(crate) settings: Settings,
    pub(crate) places: Semaphore,
    pub(crate) heavy_places: Semaphore,
    /// For who comes back from a payment gateway, which is asked meanwhile and may be slow.
    pub(crate) return_places: Semaphore,
    pub(crate) seats: Seats,
    /// Permits are kibibytes.
    body_memory: Semaphore,
    failures: AtomicU64,
}

/// The paths of the platform over `app`.
pub fn router(app: Arc<App>, settings: Settings) -> Router {
    let web = Arc::new(Web {
        places: Semaphore::new(settings.requests_max),
        heavy_places: Semaphore::new(settings.heavy_requests_max),
        return_places: Semaphore::new(RETURNS_MAX),
        seats: Seats::default(),
        body_memory: Semaphore::new(settings.bodies_bytes_max / 1024),
        failures: AtomicU64::new(0),
        app,
        settings,
    });
    let verbs = MethodFilter::GET.or(MethodFilter::POST);
    crate::v1::routes()
        .route("/{service}/{method}", on(verbs, method).head(not_by_head))
        .route("/{service}", on(verbs, service).head(not_by_head))
        .route("/", get(crate::page::front))
        .route("/feed.atom", get(crate::page::feed))
        .route("/payments/{token}", get(crate::page::payment))
        .route("/healthz", get(probe::alive))
        .route("/readyz", get(probe::ready))
        .route("/metrics", get(probe::metrics))
        .with_state(web)
}

/// One request to a method of a service, both in any case.
async fn method(
    State(web): State<Arc<Web>>,
    Path((service, name)): Path<(String, String)>,
    request: Request,
) -> Response {
    if service.eq_ignore_ascii_case(rest::SERVICE) {
        return rest::call(&web, &name, request).await;
    }
    match Service::of(&service) {
        Some((_, style)) => soap::method(&web, style, &name, request).await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// One request to a service as a whole, which only those of SOAP answer.
async fn service(
    State(web): State<Arc<Web>>,
    Path(service): Path<String>,
    request: Request,
) -> Response {
    match Service::of(&service) {
        Some((service, Style::Asmx)) => soap::service(&web, service, request).await,
        Some((_, Style::Json)) | None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// HEAD is answered by GET's handler unless told otherwise, and a send is not for looking.
async fn not_by_head() -> StatusCode {
    StatusCode::METHOD_NOT_ALLOWED
}

impl Web {
    /// Reads a body within the limits of all services.
    pub(crate) async fn read_body(
        &self,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<ReadBody<'_>, Response> {
        self.read_body_within(self.settings.body_bytes_max, headers, body).await
    }

    /// Reads a body within its limits: size, time, and the memory of all bodies together.
    pub(crate) async fn read_body_within(
        &self,
        limit: usize,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<ReadBody<'_>, Response> {
        let told = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let expected = match told.map(str::parse::<usize>) {
            Some(Ok(length)) => length,
            Some(Err(_)) => return Err(StatusCode::PAYLOAD_TOO_LARGE.into_response()),
            None if headers.contains_key(header::TRANSFER_ENCODING) => limit,
            None => 0,
        };
        if expected > limit {
            return Err(StatusCode::PAYLOAD_TOO_LARGE.into_response());
        }
        let kibibytes = u32::try_from(expected.div_ceil(1024)).unwrap_or(u32::MAX);
        let memory = self.body_memory.try_acquire_many(kibibytes).map_err(|_| rest::busy())?;
        let reading = to_bytes(body, limit);
        match tokio::time::timeout(self.settings.body_timeout, reading).await {
            Ok(Ok(bytes)) => Ok((bytes, memory)),
            Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE.into_response()),
            Err(_) => Err(StatusCode::REQUEST_TIMEOUT.into_response()),
        }
    }

    /// A number under which a failure is found in the log: the second, and a count.
    pub(crate) fn next_reference(&self) -> String {
        let seconds = self.app.now().0 / 1_000_000;
        format!("{seconds:x}-{:x}", self.failures.fetch_add(1, Ordering::Relaxed))
    }
}
