//! Exports that customers asked for are written, one after the other.

use std::sync::Arc;
use std::time::Duration;

use app::App;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often it is looked for what is to be written.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Starts the task. It ends when it is told to stop; what it is at is left to the next process.
pub fn start(app: Arc<App>, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !*stop.borrow() {
            let written = tokio::select! {
                written = app::export::write_next(&app) => written,
                changed = stop.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
            };
            match written {
                Ok(true) => continue,
                Ok(false) => {}
                Err(failure) => {
                    tracing::warn!(error = failure.chain(), "an export could not be written");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                changed = stop.changed() => if changed.is_err() { return },
            }
        }
    })
}
