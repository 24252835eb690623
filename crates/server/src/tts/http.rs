//! Speech by a service that is asked over HTTP, as the operator describes it: one request for each
//! text, whose answer is an audio file of any format that we read. The address is the operator's
//! own, so that it may be of his network. Redirections are not followed.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use domain::verification::CallbackUrl;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

use crate::config::{Config, SpeechHttp, SpeechMethod};
use crate::streams;

/// How voices of this engine begin.
pub(super) const NAME: &str = "http";
/// Requests at once; others wait for their turn.
const MAX_RUNNING: usize = 8;
/// Bytes of the answer's head, at most.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// What is told of an answer that is no audio, in bytes.
const COMPLAINT_BYTES: usize = 200;

/// The service and how it is asked.
#[derive(Clone)]
pub(super) struct HttpSpeech {
    settings: SpeechHttp,
    url: CallbackUrl,
    words_per_minute: u16,
    /// Makes encrypted connections; without it there are none, and why.
    tls: Arc<Result<TlsConnector>>,
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
            tls: Arc::new(streams::connector(&config.sip)),
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
        let url = &self.url;
        let address = (url.host(), url.port());
        let mut stream = TcpStream::connect(address).await.context("reaching the service")?;
        let request = self.request(text, voice);
        if !url.is_https() {
            return exchange(&mut stream, &request, self.settings.limit_bytes).await;
        }
        let tls = self.tls.as_ref().as_ref();
        let tls = tls.map_err(|error| anyhow!("no encryption: {error:#}"))?;
        let name = streams::server_name(url.host()).context("naming the host")?;
        let mut stream = tls.connect(name, stream).await.context("encrypting")?;
        exchange(&mut stream, &request, self.settings.limit_bytes).await
    }

    /// The request as it is sent (RFC 9112).
    fn request(&self, text: &str, voice: &str) -> String {
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
        let (target, host) = (fill(&self.url.target(), percent_encoded), self.url.authority());
        let method = match settings.method {
            SpeechMethod::Get => "GET",
            SpeechMethod::Post => "POST",
        };
        let mut request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: avanak\r\nAccept: audio/*, \
             */*;q=0.1\r\nConnection: close\r\n"
        );
        if !settings.header.0.is_empty() {
            write!(request, "{}\r\n", settings.header.0).expect("a String grows");
        }
        let body = match settings.method {
            SpeechMethod::Get => String::new(),
            SpeechMethod::Post => {
                let kind = &settings.content_type;
                let body = fill(
                    &settings.body,
                    match () {
                        () if kind.contains("json") => json_escaped,
                        () if kind.contains("urlencoded") => percent_encoded,
                        () => str::to_owned,
                    },
                );
                let length = body.len();
                write!(request, "Content-Type: {kind}\r\nContent-Length: {length}\r\n")
                    .expect("a String grows");
                body
            }
        };
        request.push_str("\r\n");
        request + &body
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

/// Everything but unreserved characters as `%XX` (RFC 3986 section 2).
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a String grows");
        }
    }
    encoded
}

/// Sends the request and reads the answer's body, at most `limit` bytes of it.
async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: &str,
    limit: usize,
) -> Result<Vec<u8>> {
    stream.write_all(request.as_bytes()).await.context("asking the service")?;
    stream.flush().await.context("asking the service")?;
    // Chunks cost a few bytes each; a sixteenth more is room for small ones.
    let most = HEAD_BYTES_MAX + limit + limit / 16;
    let mut answer = Vec::new();
    let mut bounded = stream.take(most as u64 + 1);
    match bounded.read_to_end(&mut answer).await {
        // Some end TLS without saying goodbye; whether the body is whole is told below.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {}
        read => drop(read.context("reading the answer")?),
    }
    ensure!(answer.len() <= most, "the answer is larger than {limit} bytes");
    let body = body_of(&answer)?;
    ensure!(body.len() <= limit, "the answer is larger than {limit} bytes");
    Ok(body)
}

/// The body of an answer that says 200 (RFC 9112 section 6).
fn body_of(answer: &[u8]) -> Result<Vec<u8>> {
    let end = answer.windows(4).take(HEAD_BYTES_MAX).position(|bytes| bytes == b"\r\n\r\n");
    let end = end.context("the answer is no HTTP")?;
    let (head, body) = (String::from_utf8_lossy(&answer[..end]), &answer[end + 4..]);
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.")?.split(' ').nth(1));
    let status = status.context("the answer is no HTTP")?;
    let field = |name: &str| {
        let fields = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        let mut named = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim().to_owned())
    };
    let chunked = field("transfer-encoding").is_some_and(|coding| coding.contains("chunked"));
    let body = if chunked {
        dechunked(body).context("the answer ends too early")?
    } else {
        let length = field("content-length").map(|length| length.parse::<usize>());
        let length = length.transpose().context("the answer has no length")?;
        ensure!(length.is_none_or(|length| length <= body.len()), "the answer ends too early");
        body[..length.unwrap_or(body.len())].to_vec()
    };
    if status != "200" {
        let told = String::from_utf8_lossy(&body[..body.len().min(COMPLAINT_BYTES)]).into_owned();
        bail!("the service answers {status}: {}", told.escape_debug());
    }
    ensure!(!body.is_empty(), "the answer is empty");
    Ok(body)
}

/// The chunks of a body joined (RFC 9112 section 7.1); `None` when the last one is missing.
fn dechunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line_end = rest.windows(2).position(|bytes| bytes == b"\r\n")?;
        let line = std::str::from_utf8(&rest[..line_end]).ok()?;
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        rest = &rest[line_end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
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

    fn service(port: u16, change: impl FnOnce(&mut SpeechHttp)) -> HttpSpeech {
        let mut config = Config::default();
        config.speech_http.url = format!("http://127.0.0.1:{port}/v1/speech?speed={{rate}}");
        config.speech_http.header = crate::config::Secret("Authorization: Bearer s3cret".into());
        change(&mut config.speech_http);
        HttpSpeech::new(&config).unwrap().unwrap()
    }

    /// Goal: the text arrives as JSON, whatever is in it, with the operator's header; the body of
    /// the answer comes back, by length, in chunks or to the end.
    #[tokio::test]
    async fn a_service_is_asked_as_the_operator_says() {
        let answers = [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsound",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nso\r\n3;x=y\r\nund\r\n0\r\n\r\n",
            "HTTP/1.0 200 Fine\r\n\r\nsound",
        ];
        for answer in answers {
            let (port, told) = answering(answer.into()).await;
            let spoken = service(port, |_| ()).speak("او گفت: \"{voice}\"\n", "ava").await.unwrap();
            assert_eq!(spoken, b"sound", "{answer}");
            let asked = told.await.unwrap();
            let (head, body) = asked.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("POST /v1/speech?speed=150 HTTP/1.1\r\n"), "{head}");
            assert!(head.contains("\r\nAuthorization: Bearer s3cret\r\n"), "{head}");
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(body["input"], "او گفت: \"{voice}\"\n");
            assert_eq!(body["voice"], "ava");
        }
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

    /// Goal: whatever a service does instead of answering costs bounded time and memory, and says
    /// what was wrong.
    #[tokio::test]
    async fn a_service_that_does_not_answer_well_is_told() {
        let large = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![7; 300_000]].concat();
        let cases = [
            ("answers 401: no \\n key", b"HTTP/1.1 401 No\r\n\r\nno \n key".to_vec()),
            ("ends too early", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsound".to_vec()),
            (
                "ends too early",
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nso\r\n".to_vec(),
            ),
            ("larger than 1000 bytes", large),
            ("no HTTP", b"SIP/2.0 200 OK\r\n\r\nsound".to_vec()),
            ("no HTTP", vec![b'x'; 2_000]),
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
