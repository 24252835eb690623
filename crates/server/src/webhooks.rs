//! Events on their way to customers' endpoints: looked for, posted and written down. Many at a
//! time, few to one endpoint, so that a slow one delays nobody else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use app::App;
use app::webhook::{self, Delivery, PATIENCE_MS};
use domain::{AccountId, WebhookId};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};

use crate::outbound::{Method, Outbound, Request};

/// How often it is looked for what is to be posted.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Deliveries that are made at the same time.
const DELIVERIES_MAX: usize = 128;

/// Starts the task. It ends when it is told to stop, after the deliveries that were begun.
pub fn start(app: Arc<App>, sites: Outbound, stop: watch::Receiver<bool>) -> JoinHandle<()> {
    let posting = Posting { app, sites, at_work: JoinSet::new(), endpoints: BTreeMap::new() };
    tokio::spawn(posting.run(stop))
}

/// Deliveries under way.
struct Posting {
    app: Arc<App>,
    sites: Outbound,
    at_work: JoinSet<()>,
    endpoints: BTreeMap<Id, (AccountId, WebhookId)>,
}

impl Posting {
    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            if let Err(failure) = webhook::advance(&self.app).await {
                let error = failure.chain();
                tracing::warn!(error, "events could not get on their ways");
            }
            if self.begin().await > 0 {
                continue;
            }
            tokio::select! {
                Some(ended) = self.at_work.join_next_with_id() => self.forget(&ended),
                () = tokio::time::sleep(LOOK_EVERY) => {}
                changed = stop.changed() => if changed.is_err() { break },
            }
        }
        self.at_work.join_all().await;
    }

    /// A delivery is over, and makes room.
    fn forget(&mut self, ended: &Result<(Id, ()), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        self.endpoints.remove(&id);
    }

    /// Begins what is due; tells how many deliveries that were.
    async fn begin(&mut self) -> usize {
        while let Some(ended) = self.at_work.try_join_next_with_id() {
            self.forget(&ended);
        }
        let room = DELIVERIES_MAX - self.at_work.len();
        if room == 0 {
            return 0;
        }
        let busy: Vec<_> = self.endpoints.values().copied().collect();
        let room = u32::try_from(room).expect("a small number");
        let due = match webhook::due(&self.app, &busy, room).await {
            Ok(due) => due,
            Err(failure) => {
                tracing::warn!(error = failure.chain(), "deliveries could not be looked for");
                return 0;
            }
        };
        let count = due.len();
        for delivery in due {
            let endpoint = delivery.webhook();
            let made =
                self.at_work.spawn(post(Arc::clone(&self.app), self.sites.clone(), delivery));
            self.endpoints.insert(made.id(), endpoint);
        }
        count
    }
}

/// Makes one delivery and writes down how it went.
async fn post(app: Arc<App>, sites: Outbound, delivery: Delivery) {
    let posted = web::posted(&delivery, app.now());
    let request = Request {
        method: Method::POST,
        url: &delivery.url,
        target: delivery.url.target(),
        headers: &posted.headers,
        body: posted.body.into(),
        patience: Duration::from_millis(PATIENCE_MS),
        limit_bytes: 0,
    };
    let began_at = app.now();
    let answer = sites.ask(request).await;
    let answer = answer.map(|answer| answer.status).map_err(|error| format!("{error:#}"));
    let took_ms = u32::try_from(app.now().us_since(began_at) / 1_000).unwrap_or(u32::MAX);
    let arrived = answer.as_ref().is_ok_and(|status| (200..300).contains(status));
    let outcome = if arrived { "arrived" } else { "failed" };
    metrics::counter!("avanak_webhook_deliveries_total", "outcome" => outcome).increment(1);
    if let Err(failure) = webhook::told(&app, &delivery, answer, took_ms).await {
        tracing::warn!(error = failure.chain(), "a delivery is made again: it is not written down");
    }
}
