//! Judges what was measured, as it comes: counts of requests are written down, samples become
//! intervals, intervals become outages, and what burns too fast becomes an alert.

use std::sync::Arc;
use std::time::Duration;

use app::{App, Failure};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often it is looked what came, at the most seldom.
const EVERY_MAX: Duration = Duration::from_secs(10);

/// Starts the task. It ends when it is told to stop, after the last counts are written down.
pub fn start(app: Arc<App>, node: String, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
    let interval_s = u64::from(app.settings().measurement.interval_s);
    let every = EVERY_MAX.min(Duration::from_secs(interval_s.max(1)));
    tokio::spawn(async move {
        while !*stop.borrow() {
            look(&app, &node, false).await;
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                changed = stop.changed() => if changed.is_err() { break },
            }
        }
        look(&app, &node, true).await;
    })
}

async fn look(app: &App, node: &str, at_end: bool) {
    said("requests could not be counted", app::interval::keep_requests(app, node, at_end).await);
    said("what was measured could not be judged", app::interval::judge_new(app).await);
    match app::alert::look(app).await {
        Ok(holding) => publish(&holding),
        Err(failure) => said("alerts could not be looked for", Err(failure)),
    }
    match app::interval::states(app).await {
        Ok(states) => {
            for (path, up) in states {
                let value = up.map_or(f64::NAN, |up| f64::from(u8::from(up)));
                metrics::gauge!("avanak_path_up", "path" => path.word()).set(value);
            }
        }
        Err(failure) => said("the state of the paths is not known", Err(failure)),
    }
}

/// One figure for each kind of alert: how many of it hold.
fn publish(holding: &[String]) {
    for kind in ["burn", "silent", "clock", "chain"] {
        let of_kind = |name: &&String| name.split(':').next() == Some(kind);
        let count = u32::try_from(holding.iter().filter(of_kind).count()).unwrap_or(u32::MAX);
        metrics::gauge!("avanak_alerts", "kind" => kind).set(count);
    }
}

fn said(what: &str, done: Result<(), Failure>) {
    if let Err(failure) = done {
        tracing::warn!(error = failure.chain(), "{what}");
    }
}
