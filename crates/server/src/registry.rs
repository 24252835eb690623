//! The registry of persons, by way of the operator's own program over HTTP. What is said of a
//! failure never names who was asked for.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use app::identity::{Person, Registry};
use app::ports::BoxFuture;
use app::{App, Failure};
use domain::verification::CallbackUrl;
use serde_json::json;
use tokio::sync::watch;

use crate::config::{Config, Secret};
use crate::outbound::{Method, Outbound, Request};

/// How often it is looked for somebody to ask about.
const EVERY: Duration = Duration::from_secs(2);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest answer, bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The operator's program.
pub struct HttpRegistry {
    url: CallbackUrl,
    token: Secret,
    outbound: Outbound,
}

impl HttpRegistry {
    /// The registry of the configuration, if there is one.
    ///
    /// # Errors
    /// Its address cannot be used.
    pub fn new(config: &Config) -> Result<Option<Self>> {
        let Some(url) = config.identity.registry()? else { return Ok(None) };
        let outbound = Outbound::to_anywhere(config);
        outbound.check(&url)?;
        Ok(Some(Self { url, token: config.identity.registry_token.clone(), outbound }))
    }

    async fn ask(&self, person: &Person) -> Result<bool> {
        let (year, month, day) = person.born.to_jalali();
        let body = json!({
            "national_code": person.code.as_str(),
            "first_name": person.first_name,
            "last_name": person.last_name,
            "birth_day": format!("{year:04}-{month:02}-{day:02}"),
            "mobile": person.mobile.national(),
        });
        let mut headers = vec![("Content-Type", String::from("application/json"))];
        if !self.token.0.is_empty() {
            headers.push(("Authorization", format!("Bearer {}", self.token.0)));
        }
        let request = Request {
            method: Method::POST,
            url: &self.url,
            target: self.url.target(),
            headers: &headers,
            body: body.to_string().into(),
            patience: PATIENCE,
            limit_bytes: ANSWER_BYTES_MAX,
        };
        let answer = self.outbound.ask(request).await?;
        ensure!(answer.status == 200, "it answers with status {}", answer.status);
        let told = answer.json().ok_or_else(|| anyhow!("it answers no JSON"))?;
        told["matches"].as_bool().ok_or_else(|| anyhow!("it does not say whether it matches"))
    }
}

impl Registry for HttpRegistry {
    fn knows<'a>(&'a self, person: &'a Person) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async {
            let asked = self.ask(person).await;
            asked.map_err(|error| Failure::of(format!("asking the registry: {error:#}")))
        })
    }
}

/// Asks about those who wait for it, until it is told to stop.
pub async fn run(app: Arc<App>, registry: HttpRegistry, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        // A silent registry does not keep us from stopping: who is asked about is asked again.
        let looked = tokio::select! {
            looked = app::identity::look(&app, &registry) => looked,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        if let Err(failure) = looked {
            let error = failure.chain();
            tracing::warn!(error, "who waits for the registry could not be looked for");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            changed = stop.changed() => if changed.is_err() { return },
        }
    }
}
