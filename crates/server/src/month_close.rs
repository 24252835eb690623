//! Writes months of availability down when their time has come, and what follows from them.

use std::sync::Arc;
use std::time::Duration;

use app::{App, Failure};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::rounds;

/// How often it is looked whether a month is to be written down.
const EVERY: Duration = Duration::from_hours(1);

/// Starts the task. It ends when it is told to stop, also in the middle of a month: what was
/// written stays, and the next look goes on from there.
pub fn start(app: Arc<App>, stop: watch::Receiver<bool>) -> JoinHandle<()> {
    rounds::start(app, EVERY, stop, |app| async move { look(&app).await })
}

async fn look(app: &App) {
    // Before any month is frozen: whom an outage touches is in its group by then.
    tell("days of evidence were attested", app::evidence_day::look(app).await);
    tell("accounts were found by their calls", app::outage::look_attempts(app).await);
    match app::availability::freeze_due(app).await {
        Ok(done) => {
            for (month, frozen) in done {
                let (month, statements) = (month.to_string(), frozen.written);
                tracing::info!(month, statements, "the month's availability is written down");
            }
        }
        Err(failure) => {
            let error = failure.chain();
            tracing::warn!(error, "a month could not be written down; trying again in an hour");
        }
    }
    tell("months were revised", app::availability::review_due(app).await);
    tell("violations were entered", app::violation::look(app).await);
    // In this order: what a month pays back is owed before the next month's invoices are made.
    tell("credits were proposed", app::credit::propose_due(app).await);
    tell("credits are owed", app::credit::post_due(app).await);
    tell("invoices were made", app::invoice::issue_due(app).await);
    tell("subscriptions were not paid in time", app::invoice::lapse_due(app).await);
    tell("identities were not proven in time", app::identity::look_missing(app).await);
}

/// Logs what was done; what failed is tried again at the next look.
fn tell(what: &'static str, done: Result<u64, Failure>) {
    match done {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, what, "what follows from months"),
        Err(failure) => {
            let error = failure.chain();
            tracing::warn!(error, what, "failed; trying again in an hour");
        }
    }
}
