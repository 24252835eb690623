//! How each covered path is looked at: as a customer would use it, to the end.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::agreement::scope::CoveredPath;
use domain::calendar::jalali::gregorian_date_time;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::site::Site;
use crate::clock;
use crate::outbound::{Answer, Method};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a call may take until it is over: the promise of 15 seconds, and the message.
const CALL_PATIENCE: Duration = Duration::from_secs(20);
/// How often it is asked how a call goes.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// How long the message is that is played, samples of 8 kHz: hardly longer than it must be.
const CLIP_SAMPLES: i16 = 25_600;
/// A day, microseconds.
const DAY_US: i64 = 86_400_000_000;

/// What a look saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It worked.
    Worked,
    /// It did not, and whose fault that is can only be theirs.
    Failed(String),
    /// Nothing: we asked wrongly, or were not let in.
    Nothing(String),
}

/// What the looks share: the message that their calls play, and whom they call.
pub struct Looking {
    clip_file: PathBuf,
    /// Seven digits of phones of the sandbox carrier that answer (docs/SANDBOX.md). Each run has
    /// its own, and the paths have different ones: nobody is called twice at a time.
    digits: String,
    clip: Mutex<Option<i64>>,
}

impl Looking {
    /// With the message that an earlier process uploaded, if one did.
    pub async fn new(clip_file: PathBuf, run: i64) -> Self {
        let digits = format!("{:07}", run.rem_euclid(10_000_000));
        let text = tokio::fs::read_to_string(&clip_file).await.unwrap_or_default();
        Self { clip_file, digits, clip: Mutex::new(text.trim().parse().ok()) }
    }

    /// Looks at a path.
    pub async fn at(&self, site: &Site, path: CoveredPath) -> Seen {
        let seen = match path {
            CoveredPath::Panel => panel(site).await,
            CoveredPath::Api => api(site).await,
            CoveredPath::QuickSend => self.quick_send(site).await,
            CoveredPath::Campaign => self.campaign(site).await,
        };
        seen.unwrap_or_else(|error| Seen::Failed(format!("{error:#}")))
    }

    async fn quick_send(&self, site: &Site) -> Result<Seen> {
        let clip = match self.clip(site).await? {
            Ok(clip) => clip,
            Err(seen) => return Ok(seen),
        };
        let wanted = json!({ "to": format!("0912{}", self.digits), "audio_id": clip }).to_string();
        let sent = site.ask(Method::POST, "/v1/messages", Some(&wanted), PATIENCE).await?;
        let Some(id) = made(&sent, 202) else { return Ok(self.not_made(&sent).await) };
        ended(site, &format!("/v1/messages/{id}"), Value::clone).await
    }

    async fn campaign(&self, site: &Site) -> Result<Seen> {
        let clip = match self.clip(site).await? {
            Ok(clip) => clip,
            Err(seen) => return Ok(seen),
        };
        let now = clock::timestamp();
        let day = |days: i64| gregorian_date_time(now.plus_us(days * DAY_US))[..10].to_owned();
        let wanted = json!({
            "title": "probe", "audio_id": clip, "to": [format!("0913{}", self.digits)],
            "starts": day(-1), "ends": day(2), "start": true,
        });
        let wanted = wanted.to_string();
        let made_one = site.ask(Method::POST, "/v1/campaigns", Some(&wanted), PATIENCE).await?;
        let Some(id) = made(&made_one, 201) else { return Ok(self.not_made(&made_one).await) };
        let path = format!("/v1/campaigns/{id}/numbers");
        ended(site, &path, |told| told["data"][0].clone()).await
    }

    /// The message that calls play, uploaded if that was not done; or why there is none.
    async fn clip(&self, site: &Site) -> Result<std::result::Result<i64, Seen>> {
        let mut clip = self.clip.lock().await;
        if let Some(id) = *clip {
            return Ok(Ok(id));
        }
        let wav = media::wav::write_pcm16(&tone());
        let audio: String = STANDARD.encode(wav).bytes().fold(String::new(), form_encoded);
        let form = format!("Title=probe&Base64={audio}");
        let media_type = "application/x-www-form-urlencoded";
        let path = "/Rest/UploadMessageBase64";
        let answer = site.ask_with(Method::POST, path, Some((media_type, &form)), PATIENCE).await?;
        let id = answer.json().and_then(|told| told["Id"].as_i64());
        let id = match id.filter(|_| answer.status == 200) {
            Some(id) if id > 0 => id,
            // A code of the vendor's: they did what they had to.
            Some(_) => {
                let why = format!("no message was taken: {}", answer.described());
                return Ok(Err(Seen::Nothing(why)));
            }
            None => return Ok(Err(refused_or_failed(&answer))),
        };
        if let Err(error) = tokio::fs::write(&self.clip_file, id.to_string()).await {
            // The next process uploads another one.
            tracing::warn!(%error, "the number of the uploaded message could not be kept");
        }
        *clip = Some(id);
        Ok(Ok(id))
    }

    /// A call or campaign was not taken. Perhaps the message is gone: then the next look uploads
    /// another one.
    async fn not_made(&self, answer: &Answer) -> Seen {
        let code = answer.json().map(|told| told["code"].clone());
        if code.as_ref().and_then(Value::as_str) == Some("audio_not_usable") {
            *self.clip.lock().await = None;
        }
        refused_or_failed(answer)
    }
}

/// The front page, and that the process is alive. Once there is a panel, its first page is this.
async fn panel(site: &Site) -> Result<Seen> {
    let front = site.ask(Method::GET, "/", None, PATIENCE).await?;
    let is_page = String::from_utf8_lossy(&front.body).contains("</html>");
    if front.status != 200 || !is_page {
        return Ok(Seen::Failed(format!("the front page answers {}", front.described())));
    }
    let alive = site.ask(Method::GET, "/healthz", None, PATIENCE).await?;
    if alive.status == 200 {
        return Ok(Seen::Worked);
    }
    Ok(Seen::Failed(format!("/healthz answers {}", alive.described())))
}

/// A request of a customer, which is let in and reads the database.
async fn api(site: &Site) -> Result<Seen> {
    let answer = site.ask(Method::GET, "/v1/messages?limit=1", None, PATIENCE).await?;
    let is_list = answer.json().is_some_and(|told| told["object"] == "list");
    if answer.status == 200 && is_list {
        return Ok(Seen::Worked);
    }
    Ok(refused_or_failed(&answer))
}

/// The identity of what was made.
fn made(answer: &Answer, status: u16) -> Option<String> {
    let told = answer.json().filter(|_| answer.status == status)?;
    let id = told["id"].as_str()?;
    // It becomes a part of a path.
    (!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())).then(|| id.to_owned())
}

/// Waits until what is told of a call says that it was delivered.
async fn ended(site: &Site, path: &str, of: impl Fn(&Value) -> Value) -> Result<Seen> {
    let waiting = async {
        loop {
            let answer = site.ask(Method::GET, path, None, PATIENCE).await?;
            if answer.status != 200 {
                return Ok(refused_or_failed(&answer));
            }
            let call = of(&answer.json().context("the answer is not JSON")?);
            match (call["state"].as_str(), call["result"].as_str()) {
                (Some("ended"), Some("delivered")) => return Ok(Seen::Worked),
                (Some("ended"), result) => {
                    let result = result.unwrap_or("nothing");
                    return Ok(Seen::Failed(format!("the call came to {result}")));
                }
                _ => tokio::time::sleep(ASK_EVERY).await,
            }
        }
    };
    let late = || Ok(Seen::Failed(String::from("the call was not over in time")));
    tokio::time::timeout(CALL_PATIENCE, waiting).await.unwrap_or_else(|_| late())
}

/// What an answer means that was not hoped for. A refusal is ours: a token that is switched off, no
/// credit, too many requests. Only what nobody could have asked better is a failure of theirs.
fn refused_or_failed(answer: &Answer) -> Seen {
    let told = answer.described();
    if (400..500).contains(&answer.status) {
        return Seen::Nothing(format!("refused: {told}"));
    }
    Seen::Failed(format!("it answers {told}"))
}

/// A few seconds of a tone that is no silence.
fn tone() -> Vec<i16> {
    (0..CLIP_SAMPLES).map(|n| if n % 20 < 10 { 4_000 } else { -4_000 }).collect()
}

/// Adds a byte of Base64 to a form.
fn form_encoded(mut form: String, byte: u8) -> String {
    match byte {
        b'+' => form.push_str("%2B"),
        b'/' => form.push_str("%2F"),
        b'=' => form.push_str("%3D"),
        plain => form.push(char::from(plain)),
    }
    form
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_ours_and_a_failure_is_theirs() {
        let answer = |status| Answer { status, body: b"x".to_vec() };
        for status in [401, 403, 422, 429] {
            assert!(matches!(refused_or_failed(&answer(status)), Seen::Nothing(_)), "{status}");
        }
        for status in [200, 302, 500, 503] {
            assert!(matches!(refused_or_failed(&answer(status)), Seen::Failed(_)), "{status}");
        }
        let told = |text: &str| Answer { status: 202, body: text.as_bytes().to_vec() };
        assert_eq!(made(&told(r#"{"id":"12"}"#), 202).as_deref(), Some("12"));
        assert_eq!(made(&told(r#"{"id":"../1"}"#), 202), None);
        assert_eq!(made(&told(r#"{"id":"12"}"#), 201), None);
    }
}
