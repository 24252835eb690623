//! Speech by a service that is asked over HTTP, as the operator describes it: one request for each
//! text, whose answer is an audio file of any format that we read. The address is the operator's
//! own, so that it may be of his network. Redirections are not followed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use domain::verification::{CallbackUrl, percent_encoded};
use tokio::sync::Semaphore;

use crate::config::{Config, SpeechHttp, SpeechMethod};
use crate::outbound::{Bytes, Method, Outbound, Request};

/// How voices of this engine begin.
pub(super) const NAME: &str = "http";
/// Requests at once; others wait for their turn.
const MAX_RUNNING: usize = 8;

/// What a service answers to a text that it does not take (RFC 9110 section 15.5): that it is
/// wrong, too large or too long, or cannot be processed. All else may be another matter the next
/// time.
const REFUSALS: [u16; 4] = [400, 413, 414, 422];

/// A service did not take a text, with this status.
#[derive(Debug)]
pub(super) struct Refused(u16);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the service answers {}", self.0)
    }
}

impl std::error::Error for Refused {}

/// The service and how it is asked.
#[derive(Clone)]
pub(super) struct HttpSpeech {
    settings: SpeechHttp,
    url: CallbackUrl,
    words_per_minute: u16,
    outbound: Outbound,
    turns: Arc<Semaphore>,
}

impl std::fmt::Debug for HttpSpeech {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpSpeech").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

impl HttpSpeech {
    /// The service of the configuration, if it has one.
    ///
    /// # Errors
    /// The address is none.
    pub(super) fn new(config: &Config) -> Result<Option<Self>> {
        let settings = config.speech_http.clone();
        let Some(url) = settings.url()? else { return Ok(None) };
        Ok(Some(Self {
            settings,
            url,
            words_per_minute: config.speech.rate,
            outbound: Outbound::to_anywhere(config),
            turns: Arc::new(Semaphore::new(MAX_RUNNING)),
        }))
    }

    /// The names of its voices.
    pub(super) fn voices(&self) -> &[String] {
        &self.settings.voices
    }

    /// The voice that stands for a man, or for a woman.
    pub(super) fn voice(&self, female: bool) -> &str {
        if female { &self.settings.female } else { &self.settings.male }
    }

    /// Speaks `text` into a file of audio.
    pub(super) async fn speak(&self, text: &str, voice: &str) -> Result<Vec<u8>> {
        let limit = Duration::from_millis(self.settings.timeout_ms.into());
        let asking = async {
            let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
            self.ask(text, voice).await
        };
        let answer = tokio::time::timeout(limit, asking).await;
        answer.unwrap_or_else(|_| Err(anyhow!("the speech service took more than {limit:?}")))
    }

    async fn ask(&self, text: &str, voice: &str) -> Result<Vec<u8>> {
        let mut headers = vec![("Accept", String::from("audio/*, */*;q=0.1"))];
        if let Some((name, value)) = self.settings.header.0.split_once(": ") {
            headers.push((name, value.to_owned()));
        }
        if self.settings.method == SpeechMethod::Post {
            headers.push(("Content-Type", self.settings.content_type.clone()));
        }
        let answer = self.outbound.ask(self.request(text, voice, &headers)).await?;
        if REFUSALS.contains(&answer.status) {
            return Err(Refused(answer.status).into());
        }
        // What it says may repeat what was to be spoken, which is told to nobody.
        ensure!(answer.status == 200, "the service answers {}", answer.status);
        ensure!(!answer.body.is_empty(), "the answer is empty");
        Ok(answer.body)
    }

    /// The request with the text in it.
    fn request<'a>(
        &'a self,
        text: &str,
        voice: &str,
        headers: &'a [(&'a str, String)],
    ) -> Request<'a> {
        let settings = &self.settings;
        let fill = |template: &str, escaped: fn(&str) -> String| {
            filled(
                template,
                &[
                    ("{text}", escaped(text)),
                    ("{voice}", escaped(voice)),
                    ("{rate}", self.words_per_minute.to_string()),
                ],
            )
        };
        let kind = &settings.content_type;
        let escaped: fn(&str) -> String = match () {
            () if kind.contains("json") => json_escaped,
            () if kind.contains("urlencoded") => percent_encoded,
            () => str::to_owned,
        };
        let (method, body) = match settings.method {
            SpeechMethod::Get => (Method::GET, Bytes::new()),
            SpeechMethod::Post => (Method::POST, fill(&settings.body, escaped).into()),
        };
        Request {
            method,
            url: &self.url,
            target: fill(&self.url.target(), percent_encoded),
            headers,
            body,
            // The time is kept where the wait for a turn counts, too.
            patience: Duration::MAX,
            limit_bytes: settings.limit_bytes,
        }
    }
}

/// Puts values in the place of their names. What a value holds is not looked at again.
fn filled(template: &str, values: &[(&str, String)]) -> String {
    let (mut filled, mut rest) = (String::new(), template);
    while let Some(start) = rest.find('{') {
        filled.push_str(&rest[..start]);
        rest = &rest[start..];
        let known = values.iter().find(|(name, _)| rest.starts_with(name));
        let (put, used) = known.map_or(("{", 1), |(name, value)| (value.as_str(), name.len()));
        filled.push_str(put);
        rest = &rest[used..];
    }
    filled + rest
}

/// The text as the inside of a JSON string.
fn json_escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use app::ports::{NoSpeech, Speaker, Tts as _};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::oneshot;

    use super::*;

    /// A service that answers one request with these bytes, then closes; what it was asked.
    async fn answering(answer: Vec<u8>) -> (u16, oneshot::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, told) = oneshot::channel();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            // The texts of these tests end with a brace when they are posted.
            let is_whole = |asked: &[u8]| {
                let by_address = asked.starts_with(b"GET") && asked.ends_with(b"\r\n\r\n");
                by_address || asked.ends_with(b"}")
            };
            while !is_whole(&asked) {
                let mut part = [0; 4_096];
                let length = stream.read(&mut part).await.unwrap();
                assert!(length > 0, "the request is cut");
                asked.extend_from_slice(&part[..length]);
            }
            tell.send(String::from_utf8(asked).unwrap()).unwrap();
            // It may have hung up, having read enough.
            let _ = stream.write_all(&answer).await;
        });
        (port, told)
    }

    fn config(port: u16) -> Config {
        let mut config = Config::default();
        config.speech_http.url = format!("http://127.0.0.1:{port}/v1/speech?speed={{rate}}");
        config.speech_http.header = crate::config::Secret("Authorization: Bearer s3cret".into());
        config
    }

    fn service(port: u16, change: impl FnOnce(&mut SpeechHttp)) -> HttpSpeech {
        let mut config = config(port);
        change(&mut config.speech_http);
        HttpSpeech::new(&config).unwrap().unwrap()
    }

    /// Goal: the text arrives as JSON, whatever is in it, with the operator's header; the body of
    /// the answer comes back.
    #[tokio::test]
    async fn a_service_is_asked_as_the_operator_says() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsound";
        let (port, told) = answering(answer.into()).await;
        let spoken = service(port, |_| ()).speak("او گفت: \"{voice}\"\n", "ava").await.unwrap();
        assert_eq!(spoken, b"sound");
        let asked = told.await.unwrap();
        let (head, body) = asked.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /v1/speech?speed=150 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nAuthorization: Bearer s3cret\r\n"), "{head}");
        assert!(head.contains("\r\nContent-Type: application/json\r\n"), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["input"], "او گفت: \"{voice}\"\n");
        assert_eq!(body["voice"], "ava");
    }

    /// Goal: a service that is asked by its address alone gets the text in it, escaped.
    #[tokio::test]
    async fn a_text_may_be_part_of_the_address() {
        let (port, told) = answering(b"HTTP/1.1 200 OK\r\n\r\nsound".to_vec()).await;
        let service = service(port, |settings| {
            settings.method = SpeechMethod::Get;
            settings.url = format!("http://127.0.0.1:{port}/say?t={{text}}&v={{voice}}");
        });
        service.speak("یک & دو", "آ").await.unwrap();
        let asked = told.await.unwrap();
        let line = "GET /say?t=%DB%8C%DA%A9%20%26%20%D8%AF%D9%88&v=%D8%A2 HTTP/1.1\r\n";
        assert!(asked.starts_with(line), "{asked}");
    }

    /// Goal: that a service does not take a text is another matter than that it fails; what it says
    /// to that, which may be the text, is not told.
    #[tokio::test]
    async fn a_refused_text_is_no_failure() {
        let text = audio::text::normalise("سلام").unwrap();
        for (status, expected) in [
            (400, true),
            (413, true),
            (422, true),
            (401, false),
            (404, false),
            (429, false),
            (500, false),
            (503, false),
        ] {
            let answer = format!("HTTP/1.1 {status} No\r\n\r\n{}", text.as_str());
            let (port, _told) = answering(answer.into()).await;
            let mut config = config(port);
            config.speech.engine = crate::config::SpeechEngine::Http;
            let engines = crate::tts::Engines::new(&config).unwrap();
            let (is_refused, why) = match engines.speak(&text, Speaker::Male).await {
                Ok(_) => panic!("{status} is no sound"),
                Err(NoSpeech::Refused(why)) => (true, why),
                Err(NoSpeech::Failed(failure)) => (false, failure.chain()),
            };
            assert_eq!(is_refused, expected, "{why}");
            assert!(why.contains(&status.to_string()) && !why.contains(text.as_str()), "{why}");
        }
    }

    /// Goal: whatever a service does instead of answering costs bounded time and memory, and says
    /// what was wrong.
    #[tokio::test]
    async fn a_service_that_does_not_answer_well_is_told() {
        let large = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![7; 300_000]].concat();
        let cases = [
            ("answers 401", b"HTTP/1.1 401 No\r\n\r\nno s3cret".to_vec()),
            ("larger than 1000 bytes", large),
            ("no HTTP", b"SIP/2.0 200 OK\r\n\r\nsound".to_vec()),
            ("empty", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ];
        for (expected, answer) in cases {
            let (port, _told) = answering(answer).await;
            let service = service(port, |settings| settings.limit_bytes = 1_000);
            let error = service.speak("سلام", "ava").await.unwrap_err();
            let error = format!("{error:#}");
            assert!(error.contains(expected) && !error.contains("s3cret"), "{error}");
        }
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let service = service(port, |settings| settings.timeout_ms = 200);
        let error = service.speak("سلام", "ava").await.unwrap_err();
        assert!(error.to_string().contains("took more than 200ms"), "{error}");
    }
}
