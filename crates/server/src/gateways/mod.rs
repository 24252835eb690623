//! Payment gateways over HTTP, as their operators publish them. What is said of a failure never
//! names a merchant's key.

mod zarinpal;
mod zibal;

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use app::Failure;
use app::ports::{BoxFuture, Gateways, Opened, Opening, Verdict};
use domain::Rials;
use domain::billing::payment::{RECEIPT, reference};
use domain::verification::CallbackUrl;
use serde_json::Value;

use crate::config::Config;
use crate::outbound::{Method, Outbound, Request};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The largest answer, bytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Characters of a complaint that are kept.
const TOLD_CHARS: usize = 200;

/// The gateways of the configuration.
pub struct HttpGateways {
    zarinpal: Option<zarinpal::Zarinpal>,
    zibal: Option<zibal::Zibal>,
    receipts: bool,
    public_url: String,
}

impl HttpGateways {
    /// The gateways that have a merchant.
    ///
    /// # Errors
    /// An address cannot be used.
    pub fn new(config: &Config) -> Result<Self> {
        let payment = &config.payment;
        let peer = |address: &str| Peer::new(address, config);
        let zarinpal = match payment.zarinpal_merchant.0.as_str() {
            "" => None,
            merchant => {
                let peer = peer(&payment.zarinpal_address).context("payment.zarinpal_address")?;
                Some(zarinpal::Zarinpal::new(merchant, peer))
            }
        };
        let zibal = match payment.zibal_merchant.0.as_str() {
            "" => None,
            merchant => {
                let peer = peer(&payment.zibal_address).context("payment.zibal_address")?;
                Some(zibal::Zibal::new(merchant, peer))
            }
        };
        let public_url = payment.public_url.trim_end_matches('/').to_owned();
        Ok(Self { zarinpal, zibal, receipts: payment.receipts, public_url })
    }

    async fn opened(&self, opening: &Opening) -> Result<Opened> {
        let back = format!("{}/payments/{}", self.public_url, opening.token);
        match (opening.gateway.as_str(), &self.zarinpal, &self.zibal) {
            (zarinpal::NAME, Some(zarinpal), _) => zarinpal.open(opening, &back).await,
            (zibal::NAME, _, Some(zibal)) => zibal.open(opening, &back).await,
            (name, ..) => Err(anyhow!("there is no gateway {name}")),
        }
    }

    async fn verified(&self, gateway: &str, authority: &str, amount: Rials) -> Result<Verdict> {
        match (gateway, &self.zarinpal, &self.zibal) {
            (zarinpal::NAME, Some(zarinpal), _) => zarinpal.verify(authority, amount).await,
            (zibal::NAME, _, Some(zibal)) => zibal.verify(authority, amount).await,
            (name, ..) => Err(anyhow!("there is no gateway {name}")),
        }
    }
}

impl Gateways for HttpGateways {
    fn names(&self) -> Vec<String> {
        let zarinpal = self.zarinpal.as_ref().map(|_| zarinpal::NAME);
        let zibal = self.zibal.as_ref().map(|_| zibal::NAME);
        let receipt = self.receipts.then_some(RECEIPT);
        [zarinpal, zibal, receipt].into_iter().flatten().map(str::to_owned).collect()
    }

    fn open<'a>(&'a self, opening: &'a Opening) -> BoxFuture<'a, Result<Opened, Failure>> {
        Box::pin(async move { self.opened(opening).await.map_err(|error| failed(&error)) })
    }

    fn verify<'a>(
        &'a self,
        gateway: &'a str,
        authority: &'a str,
        amount: Rials,
    ) -> BoxFuture<'a, Result<Verdict, Failure>> {
        Box::pin(async move {
            self.verified(gateway, authority, amount).await.map_err(|error| failed(&error))
        })
    }
}

fn failed(error: &anyhow::Error) -> Failure {
    Failure::of(format!("asking a gateway: {error:#}"))
}

/// Whom requests go to.
struct Peer {
    url: CallbackUrl,
    outbound: Outbound,
}

impl Peer {
    fn new(address: &str, config: &Config) -> Result<Self> {
        let url = CallbackUrl::parse(address).context("it is no http or https address")?;
        let outbound = Outbound::to_anywhere(config);
        outbound.check(&url)?;
        Ok(Self { url, outbound })
    }

    /// Posts JSON to a path, and reads the JSON of the answer, whatever its status is.
    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let headers = [
            ("Content-Type", String::from("application/json")),
            ("Accept", String::from("application/json")),
        ];
        let request = Request {
            method: Method::POST,
            url: &self.url,
            target: format!("{}{path}", self.url.path().trim_end_matches('/')),
            headers: &headers,
            body: body.to_string().into(),
            patience: PATIENCE,
            limit_bytes: ANSWER_BYTES_MAX,
        };
        let answer = self.outbound.ask(request).await?;
        ensure!(answer.status < 500, "it answers with status {}", answer.status);
        answer.json().ok_or_else(|| anyhow!("it answers no JSON, with status {}", answer.status))
    }

    /// An address where people go.
    fn page(&self, path: &str) -> String {
        let scheme = if self.url.is_https() { "https" } else { "http" };
        let base = self.url.path().trim_end_matches('/');
        format!("{scheme}://{}{base}{path}", self.url.authority())
    }
}

/// A complaint as it is kept, shown to its customer and told in logs: short, in a line, and without
/// the merchant's key, should the gateway repeat that.
fn complaint(code: i64, message: &Value, merchant: &str) -> String {
    let message = message.as_str().unwrap_or_default();
    // The whole of it is bounded, as the answer is.
    let message = message.replace(merchant, "…");
    let message: String = message.chars().take(TOLD_CHARS).collect();
    format!("{code}: {}", message.escape_debug())
}

/// What the bank calls a payment, in digits or letters. `None`: nothing that can be kept.
fn told_reference(told: &Value) -> Option<String> {
    match told {
        Value::String(text) => reference(text),
        Value::Number(number) => reference(&number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: whatever a gateway says, what we keep of it is short, in a line, and no secret.
    #[test]
    fn what_a_gateway_says_is_kept_short_and_without_secrets() {
        let said = Value::from("merchant_id m-s3cret\nis not\u{202e} active".to_owned());
        let told = complaint(-10, &said, "m-s3cret");
        assert_eq!(told, "-10: merchant_id …\\nis not\\u{202e} active");
        assert!(complaint(1, &Value::from("س".repeat(5_000)), "m").chars().count() < 210);
        assert_eq!(complaint(-1, &Value::Null, "m"), "-1: ");
        assert_eq!(told_reference(&Value::from("12 ab")).as_deref(), Some("12AB"));
        assert_eq!(told_reference(&Value::from(4_711)).as_deref(), Some("4711"));
        for none in [Value::from("<b>"), Value::from("9".repeat(500)), Value::Null] {
            assert_eq!(told_reference(&none), None, "{none}");
        }
    }
}
