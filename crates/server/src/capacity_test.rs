//! Tests the load when a month's demand did not, and goes on with a test that is under way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use app::{App, Failure};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock;

/// How often it is looked after a test.
const EVERY: Duration = Duration::from_secs(5);
/// How often it is looked whether one is to begin, for which a month's sends are read.
const BEGIN_EVERY: Duration = Duration::from_hours(1);

/// Starts the task, which begins no test when sandboxes have no carrier beside the trunks. It ends
/// when it is told to stop; a test goes on with the next process.
pub fn start(
    app: Arc<App>,
    sandbox_beside: bool,
    mut stop: watch::Receiver<bool>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut begin_at = clock::instant();
        while !*stop.borrow() {
            look(&app, sandbox_beside, &mut begin_at).await;
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                changed = stop.changed() => if changed.is_err() { break },
            }
        }
    })
}

async fn look(app: &App, sandbox_beside: bool, begin_at: &mut Instant) {
    match app::capacity_test::look(app).await {
        Ok(None) => {}
        Ok(Some(test)) => {
            let (month, starts) = (test.month.to_string(), test.end.map(|end| end.minute.starts));
            tracing::info!(month, n = test.n, starts, "a test of the load has ended");
        }
        Err(failure) => tell(&failure),
    }
    let now = clock::instant();
    if now < *begin_at {
        return;
    }
    *begin_at = now + BEGIN_EVERY;
    if let Err(failure) = begin(app, sandbox_beside).await {
        tell(&failure);
    }
}

async fn begin(app: &App, sandbox_beside: bool) -> Result<(), Failure> {
    let has_sink = sandbox_beside || app::trunk::list(app).await?.is_empty();
    if has_sink && app::capacity_test::begin_if_due(app).await? {
        tracing::info!("a test of the load has begun: the month's demand never was high enough");
    }
    Ok(())
}

fn tell(failure: &Failure) {
    tracing::warn!(error = failure.chain(), "the load could not be tested; trying again");
}
