//! Networks that are spoken to as Telegram's bots speak (Telegram, Bale), and Eitaa by way of
//! Eitaayar, which answers in the same form. The token is a part of the path: what is said of a
//! failure never names it.

use anyhow::{Context as _, Result};
use app::announcement::{Job, Untold};
use domain::announcement::is_line;
use domain::verification::CallbackUrl;
use serde_json::Value;

use super::{ANSWER_BYTES_MAX, PATIENCE, UNCLEAR_MAX};
use crate::config::{Channel, ChannelKind};
use crate::outbound::{Method, NoWay, Outbound, Request, form};

/// Characters of a complaint that are kept.
const TOLD_CHARS: usize = 200;
/// Longest number of a message, bytes.
const NUMBER_MAX: usize = 100;

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

    /// Tells something in the chat; the answer is the number that the network gave it, if it gave
    /// one.
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
        let answer = match self.outbound.ask(request).await {
            Ok(answer) => answer,
            Err(error) if error.is::<NoWay>() => return Err(Untold::because(error.to_string())),
            Err(error) => return Err(unclear(job, format!("{error:#}"))),
        };
        let told = answer.json().unwrap_or_default();
        match told["ok"].as_bool() {
            Some(true) => Ok(self.reference(&told["result"])),
            Some(false) => Err(refused(&told, answer.status)),
            None => {
                let why = format!("it says neither yes nor no, with status {}", answer.status);
                let may_show = matches!(answer.status, 200..300 | 500..600);
                Err(if may_show { unclear(job, why) } else { Untold::because(why) })
            }
        }
    }

    /// What the network calls the message; empty when it has no name. It shows it all the same, and
    /// must not be told again.
    fn reference(&self, message: &Value) -> String {
        let number = match &message["message_id"] {
            Value::Number(number) => number.to_string(),
            Value::String(text) if text.len() <= NUMBER_MAX && is_line(text) => text.clone(),
            _ => String::new(),
        };
        if number.is_empty() { number } else { format!("{}/{number}", self.chat) }
    }
}

/// Nobody knows whether the network shows it now. That is kept for the next tries, which are few,
/// so that nobody is told something for ever.
fn unclear(job: &Job, why: String) -> Untold {
    let before = job.delivery.reference.as_deref().and_then(|count| count.parse::<u32>().ok());
    let count = before.unwrap_or(0) + 1;
    let is_final = count >= UNCLEAR_MAX;
    Untold { memory: Some(count.to_string()), is_final, ..Untold::because(why) }
}

/// What the network complains about, and how long it wants us to wait.
fn refused(told: &Value, status: u16) -> Untold {
    let why = told["description"].as_str().unwrap_or("it does not say why");
    let why: String = why.chars().take(TOLD_CHARS).collect();
    let seconds = told["parameters"]["retry_after"].as_i64();
    Untold {
        pause_ms: seconds.map(|seconds| seconds.clamp(0, 86_400) * 1_000),
        ..Untold::because(format!("refused with {status}: {}", why.escape_debug()))
    }
}

#[cfg(test)]
mod tests {
    use app::announcement::{Announcement, Delivery};
    use domain::Timestamp;
    use domain::announcement::{Audience, Text};
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    fn job(memory: Option<&str>) -> Job {
        let (text, at) = (Text::new("a", "b").unwrap(), Timestamp(0));
        let author = String::from("Reza");
        let new = app::announcement::NewAnnouncement {
            text,
            author,
            audience: Audience::Public,
            maintenance: None,
            made_at: at,
            until: at,
        };
        let delivery = Delivery {
            id: 1,
            announcement: 1,
            channel: String::from("bale"),
            proves: None,
            tries: 9,
            next_at: None,
            delivered_at: None,
            reference: memory.map(str::to_owned),
            content_hash: None,
            gone_at: None,
            error: None,
        };
        Job { announcement: Announcement { id: 1, new, withdrawn_at: None }, delivery }
    }

    /// Goal: a message that may be shown already is posted a few times, not for a year.
    #[test]
    fn what_may_be_shown_is_posted_few_times() {
        let mut memory = None;
        for n in 1..=UNCLEAR_MAX {
            let untold = unclear(&job(memory.as_deref()), String::from("no answer in time"));
            assert_eq!(untold.is_final, n == UNCLEAR_MAX, "{n}");
            memory = untold.memory;
        }
    }

    /// Goal: a message is called by whatever name its network gave it.
    #[test]
    fn a_message_may_have_any_name_or_none() {
        let chat = String::from("@a");
        let channel =
            Channel { chat, token: crate::config::Secret("t".into()), ..Channel::default() };
        let bot = Bot::new(&channel, Outbound::to_anywhere(&Config::default())).unwrap();
        for (id, expected) in [
            (json!(42), "@a/42"),
            (json!("x-7"), "@a/x-7"),
            (json!(18_446_744_073_709_551_615_u64), "@a/18446744073709551615"),
            (json!(""), ""),
            (json!("a\nb"), ""),
            (json!(null), ""),
        ] {
            assert_eq!(bot.reference(&json!({ "message_id": id })), expected);
        }
        assert_eq!(bot.reference(&json!(true)), "");
    }
}
