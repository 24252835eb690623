//! What an operator's tools ask: is it alive, is it ready, what does it count.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::router::Web;

/// Says whether this node leads; the reason when it does not.
pub type Readiness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// How long the database may take to answer before it counts as away.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(2);

/// The process runs.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// The database answers and the node leads; 503 with the reason otherwise. What has to be known
/// all the same is on a line of its own.
pub(crate) async fn ready(State(web): State<Arc<Web>>) -> Response {
    let reason = match tokio::time::timeout(DATABASE_TIMEOUT, web.app.database_answers()).await {
        Err(_) => Some(String::from("the database does not answer in time")),
        Ok(Err(failure)) => {
            tracing::warn!(error = failure.chain(), "not ready");
            Some(failure.to_string())
        }
        Ok(Ok(())) => (web.settings.readiness)().err(),
    };
    if let Some(reason) = reason {
        return (StatusCode::SERVICE_UNAVAILABLE, reason + "\n").into_response();
    }
    let remark = (web.settings.remark)();
    let remark = remark.map_or(String::new(), |remark| format!("but: {remark}\n"));
    format!("ready\n{remark}").into_response()
}

/// Counters and gauges for Prometheus.
pub(crate) async fn metrics(State(web): State<Arc<Web>>) -> Response {
    let media_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (media_type, (web.settings.metrics)()).into_response()
}
