//! Kavenegar's web service, as it is published at <https://kavenegar.com/rest.html>: one POST of a
//! form to `/v1/KEY/sms/send.json` for each SMS. `localid` is our name for it, by which the service
//! keeps from sending the same twice; what it answers to a repetition is not published. So what may
//! have been given to it before is looked for first, with `statuslocalmessageid.json`, and given
//! again only when the service says that it has none of that name.

use std::time::Duration;

use anyhow::Result;
use app::ports::{BoxFuture, SmsFailure, SmsGateway, SmsOut};
use domain::verification::CallbackUrl;
use serde::Deserialize;

use crate::config::Config;
use crate::outbound::{Answer, Method, Outbound, Request, form};

/// Bytes of an answer, at most.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Its codes for what is wrong with the SMS itself: 400 and 406 for a parameter that is missing,
/// 411 for a number that is none, 413 for a text that is empty or too long, 420 for a link and 422
/// for characters that are not taken. All else may change: the credit (418), a line, a limit, the
/// key, or the service.
const FOR_GOOD: [u16; 6] = [400, 406, 411, 413, 420, 422];

/// The state of an SMS of whose name the service has none.
const UNKNOWN: i64 = 100;

/// The service.
pub(super) struct Kavenegar {
    send: CallbackUrl,
    look_up: CallbackUrl,
    sender: String,
    patience: Duration,
    outbound: Outbound,
}

/// An answer of the service, as far as it is read.
#[derive(Deserialize)]
struct Told {
    #[serde(rename = "return")]
    verdict: Verdict,
    entries: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Verdict {
    status: u16,
    #[serde(default)]
    message: String,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Entry {
    #[serde(default)]
    messageid: i64,
    status: Option<i64>,
}

impl Kavenegar {
    /// The service of the configuration.
    ///
    /// # Errors
    /// Its address is none.
    pub(super) fn new(config: &Config) -> Result<Self> {
        let settings = &config.sms;
        Ok(Self {
            send: settings.kavenegar("send")?,
            look_up: settings.kavenegar("statuslocalmessageid")?,
            sender: settings.kavenegar_sender.clone(),
            patience: Duration::from_millis(settings.timeout_ms.into()),
            outbound: Outbound::to_anywhere(config),
        })
    }

    fn form(&self, sms: SmsOut<'_>) -> String {
        let name = sms.name.to_string();
        let mut fields = vec![("receptor", sms.number), ("message", sms.text), ("localid", &name)];
        if !self.sender.is_empty() {
            fields.push(("sender", &self.sender));
        }
        form(&fields)
    }

    /// Gives it the SMS, unless it has it already.
    async fn give(&self, sms: SmsOut<'_>) -> Result<String, SmsFailure> {
        if sms.again {
            let known = self.ask(&self.look_up, format!("localid={}", sms.name)).await?;
            if known.status != Some(UNKNOWN) {
                return Ok(known.messageid.to_string());
            }
        }
        let taken = self.ask(&self.send, self.form(sms)).await?;
        Ok(taken.messageid.to_string())
    }

    async fn ask(&self, url: &CallbackUrl, form: String) -> Result<Entry, SmsFailure> {
        let kind = String::from("application/x-www-form-urlencoded");
        let request = Request {
            method: Method::POST,
            url,
            target: url.target(),
            headers: &[("Content-Type", kind)],
            body: form.into(),
            patience: self.patience,
            limit_bytes: ANSWER_BYTES_MAX,
        };
        match self.outbound.ask(request).await {
            Ok(answer) => read(&answer),
            Err(error) => Err(SmsFailure { why: format!("{error:#}"), for_good: false }),
        }
    }
}

impl SmsGateway for Kavenegar {
    fn name(&self) -> &'static str {
        "kavenegar"
    }

    fn send<'a>(&'a self, sms: SmsOut<'a>) -> BoxFuture<'a, Result<String, SmsFailure>> {
        Box::pin(self.give(sms))
    }
}

/// What the service says of the one SMS that it was asked about.
fn read(answer: &Answer) -> Result<Entry, SmsFailure> {
    let later = |why: String| Err(SmsFailure { why, for_good: false });
    let Ok(told) = serde_json::from_slice::<Told>(&answer.body) else {
        return later(format!("HTTP {} without an answer of the service", answer.status));
    };
    let Verdict { status, message } = told.verdict;
    if status != 200 {
        let why = format!("{status} {message}").trim_end().to_owned();
        return Err(SmsFailure { why, for_good: FOR_GOOD.contains(&status) });
    }
    match told.entries.unwrap_or_default().pop() {
        Some(entry) => Ok(entry),
        None => later(String::from("200 without an entry")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what the service has taken is known by its name, and of what it refuses only the SMS
    /// itself is given up.
    #[test]
    fn an_answer_is_read() {
        let of = |status, body: &str| read(&Answer { status, body: body.as_bytes().to_vec() });
        let taken = r#"{"return":{"status":200,"message":"تایید شد"},"entries":[
            {"messageid":8792343,"message":"m","status":1,"statustext":"در صف ارسال",
             "sender":"10004346","receptor":"09123456789","date":1356619709,"cost":120}]}"#;
        assert_eq!(of(200, taken), Ok(Entry { messageid: 8_792_343, status: Some(1) }));
        let unknown = r#"{"return":{"status":200,"message":"تایید شد"},"entries":[
            {"messageid":0,"localid":"450","status":100,"statustext":"x"}]}"#;
        assert_eq!(of(200, unknown).unwrap().status, Some(UNKNOWN));
        let refused = |status: u16| {
            let body =
                format!(r#"{{"return":{{"status":{status},"message":"x"}},"entries":null}}"#);
            of(status, &body).unwrap_err()
        };
        let wrong = refused(411);
        assert_eq!((&*wrong.why, wrong.for_good), ("411 x", true));
        for status in [401, 403, 409, 414, 418, 500] {
            assert!(!refused(status).for_good, "{status}");
        }
        let page = of(502, "<html>").unwrap_err();
        assert_eq!(
            (&*page.why, page.for_good),
            ("HTTP 502 without an answer of the service", false)
        );
        assert!(!of(200, r#"{"return":{"status":200},"entries":[]}"#).unwrap_err().for_good);
    }
}
