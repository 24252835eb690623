//! Looks at the clocks of the desk: what was missed and nobody has ended is entered.

use std::sync::Arc;
use std::time::Duration;

use app::{App, Failure};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(30);

/// Starts the task. It ends when it is told to stop.
pub fn start(app: Arc<App>, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !*stop.borrow() {
            tell("tickets", app::ticket::look(&app).await);
            tell("error reports", app::error_report::look(&app).await);
            tell("support calls", app::support_call::look(&app).await);
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                changed = stop.changed() => if changed.is_err() { return },
            }
        }
    })
}

/// Logs what was missed; what could not be looked at is looked at again.
fn tell(what: &'static str, entered: Result<u64, Failure>) {
    match entered {
        Ok(0) => {}
        Ok(missed) => tracing::warn!(missed, what, "clocks of the desk were missed"),
        Err(failure) => {
            let error = failure.chain();
            tracing::warn!(error, what, "the desk's clocks could not be looked at");
        }
    }
}
