//! What has to be forgotten from time to time: sounds of codes, old codes, old events, old answers,
//! old samples, old exports.

use std::sync::Arc;
use std::time::Duration;

use app::{App, Failure};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often the sounds of codes are looked at.
const EVERY: Duration = Duration::from_mins(1);
/// Every how many of these looks old events and answers are forgotten.
const EVENTS_EVERY: u32 = 60;

/// Starts the task. It ends when it is told to stop.
pub fn start(app: Arc<App>, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut looks = 0;
        while !*stop.borrow() {
            said("codes", app::kept_code::look_after(&app).await);
            if looks % EVENTS_EVERY == 0 {
                said("events", app::event::look_after(&app).await);
                said("answers", app::request::look_after(&app).await);
                said("samples", app::measurement::forget_old_samples(&app).await);
                said("exports", app::export::look_after(&app).await);
            }
            looks = (looks + 1) % EVENTS_EVERY;
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                changed = stop.changed() => if changed.is_err() { return },
            }
        }
    })
}

fn said(what: &str, done: Result<(), Failure>) {
    if let Err(failure) = done {
        tracing::warn!(what, error = failure.chain(), "what is old could not be forgotten");
    }
}
