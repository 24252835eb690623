//! Customers' addresses that are called back when a verification has ended: one GET each.

use std::sync::Arc;
use std::time::Duration;

use app::App;
use app::verification::{self, Callback};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::outbound::{Bytes, Method, Outbound, Request};

/// How often it is looked for what is to be told.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a callback may take, from its name to its answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Starts the task. It ends when it is told to stop, after the callbacks that it has begun.
pub fn start(app: Arc<App>, sites: Outbound, stop: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(run(app, sites, stop))
}

async fn run(app: Arc<App>, sites: Outbound, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        match verification::due(&app).await {
            Ok(due) => {
                let mut calls = JoinSet::new();
                for callback in due {
                    calls.spawn(tell(Arc::clone(&app), sites.clone(), callback));
                }
                calls.join_all().await;
            }
            Err(failure) => {
                tracing::warn!(error = failure.chain(), "callbacks could not be looked for");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            // Its end is a stop, too.
            _ = stop.changed() => {}
        }
        if stop.has_changed().is_err() {
            return;
        }
    }
}

/// Calls one address and writes down how it went.
async fn tell(app: Arc<App>, sites: Outbound, callback: Callback) {
    let answer = match get(&sites, &callback).await {
        Ok(code) if (200..300).contains(&code) => Ok(code),
        Ok(code) => Err(code.to_string()),
        Err(error) => Err(format!("{error:#}")),
    };
    let outcome = if answer.is_ok() { "told" } else { "failed" };
    metrics::counter!("avanak_callbacks_total", "outcome" => outcome).increment(1);
    if let Err(failure) = verification::told(&app, &callback, answer).await {
        tracing::warn!(error = failure.chain(), "a callback is made again: it is not written down");
    }
}

async fn get(sites: &Outbound, callback: &Callback) -> anyhow::Result<u16> {
    let signature = callback.signature.clone().map(|hex| ("X-Signature", hex));
    let headers: Vec<(&'static str, String)> = signature.into_iter().collect();
    let request = Request {
        method: Method::GET,
        url: &callback.url,
        target: format!("{}?{}", callback.url.path(), callback.query),
        headers: &headers,
        body: Bytes::new(),
        patience: PATIENCE,
        limit_bytes: 0,
    };
    Ok(sites.ask(request).await?.status)
}
