//! The platform as a vantage point calls it: one request over a connection of its own, in HTTP/1.0,
//! so that no answer comes in chunks (RFC 9112 section 6.1), with a limit on its size and its time.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use domain::verification::CallbackUrl;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config::{Secret, Sip};
use crate::customer_site::status;
use crate::streams;

/// The largest answer that is read, bytes.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;
/// Characters of an answer that are told when it was not expected.
const TOLD_CHARS: usize = 120;

/// A platform and the token by which we are known there.
pub struct Site {
    url: CallbackUrl,
    token: Secret,
    tls: Option<TlsConnector>,
}

/// What it answered.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Site {
    /// The platform at an address like `https://avanak.example`, which may have a path.
    ///
    /// # Errors
    /// It is no address, or there is no way to encrypt.
    pub fn new(url: &str, token: Secret, sip: &Sip) -> Result<Self> {
        let parsed = CallbackUrl::parse(url);
        let url = parsed.with_context(|| format!("'{url}' is no address of http or https"))?;
        let usable = !token.0.is_empty() && token.0.bytes().all(|byte| byte.is_ascii_graphic());
        if !usable {
            bail!("the token of a vantage point is missing; 'avanak vantage add' makes one");
        }
        let tls = url.is_https().then(|| streams::connector(sip)).transpose()?;
        Ok(Self { url, token, tls })
    }

    /// Asks for a path; JSON is posted.
    ///
    /// # Errors
    /// There is no whole answer in time.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
        patience: Duration,
    ) -> Result<Answer> {
        let json = "application/json";
        self.ask_with(method, path, body.map(|body| (json, body)), patience).await
    }

    /// Asks for a path, with a body of this media type.
    ///
    /// # Errors
    /// There is no whole answer in time.
    pub async fn ask_with(
        &self,
        method: &str,
        path: &str,
        body: Option<(&str, &str)>,
        patience: Duration,
    ) -> Result<Answer> {
        let text = self.text(method, path, body);
        let asked = tokio::time::timeout(patience, self.exchange(&text)).await;
        asked.context("no answer in time")?
    }

    fn text(&self, method: &str, path: &str, body: Option<(&str, &str)>) -> String {
        let (base, host) = (self.url.path().trim_end_matches('/'), self.url.authority());
        let body = body.map_or_else(String::new, |(media_type, body)| {
            let length = body.len();
            format!("Content-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n{body}")
        });
        let end = if body.is_empty() { "\r\n" } else { "" };
        let token = &self.token.0;
        format!(
            "{method} {base}{path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: avanak-probe\r\n\
             Authorization: Bearer {token}\r\nAccept: */*\r\nConnection: close\r\n{body}{end}"
        )
    }

    async fn exchange(&self, text: &str) -> Result<Answer> {
        let connecting = TcpStream::connect((self.url.host(), self.url.port()));
        let mut stream = connecting.await.context("connecting")?;
        let Some(tls) = &self.tls else { return exchange(&mut stream, text).await };
        let name = streams::server_name(self.url.host())?;
        let mut stream = tls.connect(name, stream).await.context("encrypting")?;
        exchange(&mut stream, text).await
    }
}

async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    text: &str,
) -> Result<Answer> {
    stream.write_all(text.as_bytes()).await.context("sending the request")?;
    stream.flush().await.context("sending the request")?;
    let mut answer = Vec::new();
    let mut limited = stream.take(ANSWER_BYTES_MAX);
    limited.read_to_end(&mut answer).await.context("reading the answer")?;
    Answer::read(&answer)
}

impl Answer {
    fn read(answer: &[u8]) -> Result<Self> {
        let status = status(answer).context("the answer is not HTTP")?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.context("the answer has no end of its head")?;
        let (head, body) = (String::from_utf8_lossy(&answer[..end]), &answer[end + 4..]);
        let field = |line: &str| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())
        };
        if let Some(length) = head.lines().find_map(field)
            && length != Some(body.len())
        {
            bail!("the answer is not whole");
        }
        Ok(Self { status, body: body.to_vec() })
    }

    /// The body as JSON; `None` when it is none.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The status and the beginning of the body, for people.
    pub fn described(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let beginning: String = text.chars().take(TOLD_CHARS).collect();
        format!("{} {beginning}", self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_or_none() {
        let read =
            |text: &str| Answer::read(text.as_bytes()).ok().map(|one| (one.status, one.body));
        let whole = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        assert_eq!(read(whole), Some((200, b"ok".to_vec())));
        assert_eq!(read("HTTP/1.0 503 x\r\n\r\nbusy"), Some((503, b"busy".to_vec())));
        for broken in [
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nok",
            "HTTP/1.1 200 OK\r\n",
            "SSH-2.0\r\n\r\n",
            "",
        ] {
            assert_eq!(read(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_request_is_whole_and_a_token_is_none_of_two_lines() {
        let sip = Sip::default();
        let site = |token: &str| Site::new("http://h:8/base/", Secret(token.to_owned()), &sip);
        let text = site("abc").unwrap().text("GET", "/healthz", None);
        assert!(text.starts_with("GET /base/healthz HTTP/1.0\r\nHost: h:8\r\n"), "{text}");
        assert!(text.ends_with("Connection: close\r\n\r\n"), "{text}");
        let text = site("abc").unwrap().text("POST", "/x", Some(("text/plain", "hi")));
        assert!(text.ends_with("Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"));
        assert!(site("").is_err() && site("a\r\nb: c").is_err());
    }
}
