//! Audits the books once a day, on whichever node is first, and shows what the last audit found.

use std::sync::Arc;
use std::time::Duration;

use app::{App, Failure};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::rounds;

/// How often it is looked whether an audit is due.
const EVERY: Duration = Duration::from_mins(10);

/// How soon one is tried again that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(20);

/// Starts the task. It ends when it is told to stop, also in the middle of an audit: another node,
/// or the next start, begins that anew.
pub fn start(app: Arc<App>, stop: watch::Receiver<bool>) -> JoinHandle<()> {
    rounds::start(app, EVERY, stop, |app| async move { look(&app).await })
}

async fn look(app: &App) {
    while let Err(failure) = audited(app).await {
        let error = failure.chain();
        tracing::warn!(error, "the books could not be audited; trying again");
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

async fn audited(app: &App) -> Result<(), Failure> {
    match app::ledger_audit::run_due(app).await? {
        None => {}
        Some(ended) if ended.violations == 0 => tracing::info!("the books add up"),
        Some(ended) => {
            let (violations, detail) = (ended.violations, ended.detail);
            tracing::error!(violations, "the books do not add up: {detail}");
        }
    }
    // Of whichever node did it, so that each shows the same.
    if let Some(last) = app::ledger_audit::last(app).await? {
        metrics::gauge!("avanak_ledger_violations").set(last.violations);
        // Prometheus counts time in seconds.
        let seconds = std::time::Duration::from_micros(u64::try_from(last.at.0).unwrap_or(0));
        metrics::gauge!("avanak_ledger_audited_timestamp_seconds").set(seconds.as_secs_f64());
    }
    Ok(())
}
