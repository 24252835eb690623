//! What campaigns say to each of their recipients alone is spoken ahead of the calls, one recipient
//! after the other: beside calls and requests, and with one place at the speech engine.

use std::sync::Arc;
use std::time::Duration;

use app::App;
use app::template::Ahead;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often it is looked for recipients to be spoken to.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a database that failed is left alone.
const PAUSE: Duration = Duration::from_secs(10);

/// Starts the task. It ends when it is told to stop; what it is at is spoken again some time.
pub fn start(app: Arc<App>, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut ahead = Ahead::default();
        while !*stop.borrow() {
            let spoken = tokio::select! {
                spoken = ahead.speak(&app) => spoken,
                changed = stop.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
            };
            let pause = match spoken {
                Ok(true) => continue,
                Ok(false) => LOOK_EVERY,
                Err(failure) => {
                    let error = failure.chain();
                    tracing::warn!(error, "personal messages wait to be spoken");
                    PAUSE
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                changed = stop.changed() => if changed.is_err() { return },
            }
        }
    })
}
