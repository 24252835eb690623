//! Networks that are spoken to as Telegram's bots speak (Telegram, Bale), and Eitaa by way of
//! Eitaayar, which answers in the same form. The token is a part of the path: what is said of a
//! failure never names it.

use anyhow::{Context as _, Result, ensure};
use app::announcement::Job;
use domain::verification::CallbackUrl;
use serde_json::Value;

use super::{ANSWER_BYTES_MAX, PATIENCE, Untold};
use crate::config::{Channel, ChannelKind};
use crate::outbound::{Method, Outbound, Request, form};

/// Characters of a complaint that are kept.
const TOLD_CHARS: usize = 200;

/// A bot and the chat that it tells things in.
pub(super) struct Bot {
    url: CallbackUrl,
    target: String,
    chat: String,
    outbound: Outbound,
}

impl Bot {
    pub(super) fn new(channel: &Channel, outbound: Outbound) -> Result<Self> {
        let url = channel.url()?;
        outbound.check(&url).with_context(|| format!("channel '{}'", channel.name))?;
        let (base, token) = (url.path().trim_end_matches('/'), &channel.token.0);
        let target = match channel.kind {
            ChannelKind::Eitaa => format!("{base}/{token}/sendMessage"),
            _ => format!("{base}/bot{token}/sendMessage"),
        };
        Ok(Self { target, chat: channel.chat.clone(), url, outbound })
    }

    /// Tells something in the chat; the answer is the number that the network gave it.
    pub(super) async fn tell(&self, job: &Job) -> Result<String, Untold> {
        let text = job.announcement.new.text.whole();
        let fields = [("chat_id", self.chat.as_str()), ("text", &text)];
        let headers = [("Content-Type", String::from("application/x-www-form-urlencoded"))];
        let request = Request {
            method: Method::POST,
            url: &self.url,
            target: self.target.clone(),
            headers: &headers,
            body: form(&fields).into(),
            patience: PATIENCE,
            limit_bytes: ANSWER_BYTES_MAX,
        };
        let answer = self.outbound.ask(request).await?;
        let Some(told) = answer.json() else {
            let why = format!("it answers no JSON, with status {}", answer.status);
            return Err(Untold { why, pause_ms: None });
        };
        if told["ok"] == true {
            return Ok(self.reference(&told["result"])?);
        }
        Err(refused(&told, answer.status))
    }

    /// What the network calls the message. Without that, nothing is proven.
    fn reference(&self, message: &Value) -> Result<String> {
        let id = message["message_id"].as_i64();
        ensure!(id.is_some(), "it confirms no message: there is no message_id");
        Ok(format!("{}/{}", self.chat, id.unwrap_or_default()))
    }
}

/// What the network complains about, and how long it wants us to wait.
fn refused(told: &Value, status: u16) -> Untold {
    let why = told["description"].as_str().unwrap_or("it does not say why");
    let why: String = why.chars().take(TOLD_CHARS).collect();
    let seconds = told["parameters"]["retry_after"].as_i64();
    Untold {
        why: format!("refused with {status}: {}", why.escape_debug()),
        pause_ms: seconds.map(|seconds| seconds.clamp(0, 86_400) * 1_000),
    }
}
