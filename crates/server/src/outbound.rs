//! What we ask others over HTTP: one request each, over a connection of its own (RFC 9112), in
//! bounded time, of whose answer a bounded part is read. Redirections are not followed.
//!
//! A customer must not make us call a machine that only we can reach: of customers' sites only
//! public addresses are called, or hosts that the operator named, and the address that was judged
//! is the one that is connected to. The operator's own peers may be anywhere.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use domain::verification::{CallbackUrl, is_public, percent_encoded};
use domain::webhook::is_named;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::config::Config;
use crate::{USER_AGENT, streams};

pub use hyper::Method;
pub use hyper::body::Bytes;

/// Bytes of the head of an answer, at most; also how much is read at once.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Addresses of a host that are tried.
const ADDRESSES_MAX: usize = 4;
/// Characters of an answer that are told when it was not expected.
const TOLD_CHARS: usize = 120;

/// How others are asked. Clones share everything.
#[derive(Clone)]
pub struct Outbound {
    reach: Reach,
    /// Makes encrypted connections; without it there are none, and why.
    tls: Arc<Result<TlsConnector>>,
}

/// Which addresses may be called.
#[derive(Clone)]
enum Reach {
    /// Any: the operator names who is asked.
    Anywhere,
    /// Public ones, and those of hosts with these names.
    Public(Arc<[String]>),
}

/// A request.
pub struct Request<'a> {
    /// What is to be done.
    pub method: Method,
    /// Who is asked.
    pub url: &'a CallbackUrl,
    /// Path and query.
    pub target: String,
    /// Header fields beside those that every request has.
    pub headers: &'a [(&'a str, String)],
    /// What is sent along; empty for nothing.
    pub body: Bytes,
    /// How long it may take, from the look-up of the name to the last byte of the answer.
    pub patience: Duration,
    /// The largest body that is taken as an answer, bytes; 0: nothing of it is read.
    pub limit_bytes: usize,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body, as far as it was to be read.
    pub body: Vec<u8>,
}

/// Why there is no way to whom is asked: nothing was asked.
#[derive(Debug)]
pub struct NoWay(String);

impl std::fmt::Display for NoWay {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for NoWay {}

/// A connection, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Outbound {
    /// Asks whom the operator names, wherever that is.
    pub fn to_anywhere(config: &Config) -> Self {
        Self { reach: Reach::Anywhere, tls: Arc::new(streams::connector(&config.sip)) }
    }

    /// Asks customers' sites, as far as the operator lets them be anywhere but in public.
    pub fn to_customers(config: &Config) -> Self {
        let callbacks = &config.callbacks;
        let reach = if callbacks.private_addresses {
            Reach::Anywhere
        } else {
            Reach::Public(callbacks.private_hosts.clone().into())
        };
        Self { reach, ..Self::to_anywhere(config) }
    }

    /// The answer to a request.
    ///
    /// # Errors
    /// There is no way to whom is asked ([`NoWay`]), or no whole answer of HTTP in time, or it is
    /// too large. What is said of it names neither header fields nor the target, in which secrets
    /// may be.
    pub async fn ask(&self, request: Request<'_>) -> Result<Answer> {
        let end = Instant::now() + request.patience;
        let late = || anyhow!("no answer in time");
        let stream = tokio::time::timeout_at(end, self.connect(request.url)).await;
        let stream = stream
            .unwrap_or_else(|_| Err(late()))
            .map_err(|error| anyhow::Error::new(NoWay(format!("{error:#}"))))?;
        let asked = tokio::time::timeout_at(end, exchange(stream, request)).await;
        asked.unwrap_or_else(|_| Err(late()))
    }

    async fn connect(&self, url: &CallbackUrl) -> Result<Box<dyn Stream>> {
        let addresses = self.addresses(url).await?;
        let stream = TcpStream::connect(&*addresses).await.context("connecting")?;
        if !url.is_https() {
            return Ok(Box::new(stream));
        }
        let tls = self.tls()?;
        let name = streams::server_name(url.host()).context("naming the host")?;
        Ok(Box::new(tls.connect(name, stream).await.context("encrypting")?))
    }

    /// Whether there is a way to encrypt, if this address needs it.
    ///
    /// # Errors
    /// There is none, and why.
    pub fn check(&self, url: &CallbackUrl) -> Result<()> {
        if url.is_https() { self.tls().map(drop) } else { Ok(()) }
    }

    fn tls(&self) -> Result<&TlsConnector> {
        let tls = self.tls.as_ref().as_ref();
        tls.map_err(|error| anyhow!("no encryption: {error:#}"))
    }

    /// Where a host is, as far as it may be called there.
    async fn addresses(&self, url: &CallbackUrl) -> Result<Vec<SocketAddr>> {
        let found = lookup_host((url.host(), url.port())).await.context("looking up the host")?;
        let usable = |address: &SocketAddr| match &self.reach {
            Reach::Anywhere => true,
            Reach::Public(names) => is_named(url.host(), names) || is_public(address.ip()),
        };
        let addresses: Vec<SocketAddr> = found.filter(usable).take(ADDRESSES_MAX).collect();
        if addresses.is_empty() {
            bail!("the host has no public address");
        }
        Ok(addresses)
    }
}

impl Request<'_> {
    /// As it is sent.
    fn whole(self) -> Result<hyper::Request<Full<Bytes>>> {
        let (host, target) = (self.url.authority(), acceptable(&self.target));
        let mut request = hyper::Request::builder()
            .method(&self.method)
            .uri(target)
            .header(header::HOST, host)
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::CONNECTION, "close");
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept")) {
            request = request.header(header::ACCEPT, "*/*");
        }
        for (name, value) in self.headers {
            request = request.header(*name, value.as_bytes());
        }
        // RFC 9110 section 8.6: a method that may have a body says that there is none.
        if self.body.is_empty() && self.method != Method::GET {
            request = request.header(header::CONTENT_LENGTH, 0);
        }
        request.body(Full::new(self.body)).context("writing the request")
    }
}

/// Fields as a form has them (`application/x-www-form-urlencoded`).
pub fn form(fields: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| {
        format!("{}={}", percent_encoded(name), percent_encoded(value))
    };
    fields.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// A path and query with those characters escaped that neither has (RFC 3986 sections 3.3 and 3.4)
/// and that the library does not let pass.
fn acceptable(target: &str) -> String {
    let end = target.find('?').unwrap_or(target.len());
    let (path, query) = target.split_at(end);
    let path = path.replace('<', "%3C").replace('>', "%3E").replace('`', "%60");
    path + &query.replace('"', "%22").replace('<', "%3C").replace('>', "%3E")
}

/// Sends the request and reads the answer.
async fn exchange(stream: Box<dyn Stream>, request: Request<'_>) -> Result<Answer> {
    let limit_bytes = request.limit_bytes;
    let mut connection = http1::Builder::new();
    // As people write them, for servers that compare letters although names have no case.
    connection.title_case_headers(true).max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, connection) =
        connection.handshake(TokioIo::new(stream)).await.map_err(told)?;
    // It is driven until this function ends, however it does.
    let mut driving = JoinSet::new();
    driving.spawn(connection);
    let response = sender.send_request(request.whole()?).await.map_err(told)?;
    let status = response.status().as_u16();
    let body = match limit_bytes {
        0 => Vec::new(),
        limit => read(response.into_body(), limit).await?,
    };
    Ok(Answer { status, body })
}

/// A whole body, which has no more bytes than this.
async fn read(mut body: Incoming, limit_bytes: usize) -> Result<Vec<u8>> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        // What follows the body is of no use to us (RFC 9110 section 6.5).
        let Ok(data) = frame.map_err(told)?.into_data() else { continue };
        if data.len() > limit_bytes - whole.len() {
            bail!("the answer is larger than {limit_bytes} bytes");
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole)
}

/// What is wrong with an answer, for people.
fn told(error: hyper::Error) -> anyhow::Error {
    let cause = std::error::Error::source(&error);
    let cause = cause.and_then(|cause| cause.downcast_ref::<io::Error>());
    let is_cut = cause.is_some_and(|cause| cause.kind() == io::ErrorKind::UnexpectedEof);
    if error.is_incomplete_message() || is_cut {
        return anyhow!("the answer ends too early");
    }
    if error.is_parse_too_large() {
        return anyhow!("the head of the answer is larger than {HEAD_BYTES_MAX} bytes");
    }
    if error.is_parse() {
        return anyhow!("the answer is no HTTP");
    }
    anyhow::Error::new(error).context("asking")
}

impl Answer {
    /// The body as JSON; `None` when it is none.
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The status and the beginning of the body, for people.
    pub fn described(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let beginning: String = text.chars().take(TOLD_CHARS).collect();
        format!("{} {}", self.status, beginning.escape_debug())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::oneshot;

    use super::*;

    /// A peer that answers one request of this length with these bytes, then closes; what it was
    /// asked.
    async fn answering(answer: Vec<u8>) -> (CallbackUrl, oneshot::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/a/<b>?c=`\"<d>\"", listener.local_addr().unwrap());
        let (tell, told) = oneshot::channel();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") && !asked.ends_with(b"that is all") {
                assert!(stream.read_buf(&mut asked).await.unwrap() > 0, "the request is cut");
            }
            // The test may not want to know, and whoever asked may have read enough.
            let _ = tell.send(String::from_utf8(asked).unwrap());
            let _ = stream.write_all(&answer).await;
        });
        (CallbackUrl::parse(&url).unwrap(), told)
    }

    fn request<'a>(url: &'a CallbackUrl, headers: &'a [(&'a str, String)]) -> Request<'a> {
        Request {
            method: Method::GET,
            url,
            target: url.target(),
            headers,
            body: Bytes::new(),
            patience: Duration::from_secs(20),
            limit_bytes: 1_000,
        }
    }

    fn outbound() -> Outbound {
        Outbound::to_anywhere(&Config::default())
    }

    /// Goal: an answer's body comes by its length, in chunks or to the end, and what came before
    /// the answer proper is passed over.
    #[tokio::test]
    async fn a_body_is_read_however_it_comes() {
        for answer in [
            "HTTP/1.1 201 OK\r\nContent-Length: 5\r\n\r\nsound",
            "HTTP/1.1 201 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nso\r\n3;x=y\r\nund\r\n0\r\n\
             Checksum: 7\r\n\r\n",
            "HTTP/1.0 201 Fine\r\n\r\nsound",
            "HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 201\r\n\r\nsound",
        ] {
            let (url, asked) = answering(answer.into()).await;
            let told = outbound().ask(request(&url, &[])).await.unwrap();
            assert_eq!(told, Answer { status: 201, body: b"sound".to_vec() }, "{answer}");
            let asked = asked.await.unwrap();
            assert!(
                asked.starts_with("GET /a/%3Cb%3E?c=`%22%3Cd%3E%22 HTTP/1.1\r\nHost: 127.0.0.1:"),
                "{asked}"
            );
            assert!(asked.contains("\r\nConnection: close\r\n"), "{asked}");
            assert!(asked.contains("\r\nAccept: */*\r\n"), "{asked}");
        }
    }

    /// Goal: what is posted arrives whole, with its fields; a post of nothing says so.
    #[tokio::test]
    async fn a_post_has_its_fields_and_its_length() {
        let ok = b"HTTP/1.1 204 None\r\n\r\n".to_vec();
        let headers = [("X-Signature", "ab".into()), ("accept", "audio/*".into())];
        let (url, asked) = answering(ok.clone()).await;
        let body = Bytes::from_static("سلام, that is all".as_bytes());
        let posted = Request { method: Method::POST, body, ..request(&url, &headers) };
        outbound().ask(posted).await.unwrap();
        let asked = asked.await.unwrap();
        assert!(asked.contains("\r\nX-Signature: ab\r\nAccept: audio/*\r\n"), "{asked}");
        assert!(asked.contains("\r\nContent-Length: 21\r\n"), "{asked}");
        assert!(asked.ends_with("\r\n\r\nسلام, that is all"), "{asked}");

        let (url, asked) = answering(ok).await;
        let posted = Request { method: Method::POST, ..request(&url, &[]) };
        outbound().ask(posted).await.unwrap();
        assert!(asked.await.unwrap().contains("\r\nContent-Length: 0\r\n"));

        let two_lines = [("X-A", String::from("a\r\nB: c"))];
        let error = outbound().ask(request(&url, &two_lines)).await.unwrap_err();
        assert!(!format!("{error:#}").contains("B: c"), "{error:#}");
    }

    /// Goal: whatever a peer does instead of answering costs bounded time and memory, and is told.
    #[tokio::test]
    async fn what_is_no_answer_is_told() {
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nso\r\n";
        let endless = ["HTTP/1.1 200 OK\r\nA: ", &"b".repeat(40_000)].concat();
        let large = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![7; 300_000]].concat();
        for (expected, answer) in [
            ("ends too early", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsound".to_vec()),
            ("ends too early", chunks.into()),
            ("ends too early", b"HTTP/1.1 200 OK\r\nA".to_vec()),
            ("ends too early", Vec::new()),
            ("larger than 16384 bytes", endless.into()),
            ("larger than 1000 bytes", large.clone()),
            ("no HTTP", b"SIP/2.0 200 OK\r\n\r\nsound".to_vec()),
            ("no HTTP", b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nok".to_vec()),
            ("no HTTP", vec![b'x'; 2_000]),
        ] {
            let (url, _) = answering(answer).await;
            let error = outbound().ask(request(&url, &[])).await.unwrap_err();
            assert!(format!("{error:#}").contains(expected), "{expected}: {error:#}");
        }
        // Whose body is of no use is not read, however long it is.
        let (url, _) = answering(large).await;
        let asked = Request { limit_bytes: 0, ..request(&url, &[]) };
        let expected = Answer { status: 200, body: Vec::new() };
        assert_eq!(outbound().ask(asked).await.unwrap(), expected);
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let url = CallbackUrl::parse(&url).unwrap();
        let hasty = Request { patience: Duration::from_millis(200), ..request(&url, &[]) };
        let error = outbound().ask(hasty).await.unwrap_err();
        assert_eq!(error.to_string(), "no answer in time");
    }

    /// Goal: a customer's word leads to no address that is not public, by number or by name, unless
    /// the operator says so.
    #[tokio::test]
    async fn customers_are_asked_in_public_only() {
        let ok = || b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec();
        let with = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            Outbound::to_customers(&config)
        };
        let (url, asked) = answering(ok()).await;
        let by_name = CallbackUrl::parse(&url.as_str().replace("127.0.0.1", "localhost")).unwrap();
        for url in [&url, &by_name] {
            let error = with(|_| ()).ask(request(url, &[])).await.unwrap_err();
            assert_eq!(error.to_string(), "the host has no public address");
        }
        let named = with(|config| config.callbacks.private_hosts = vec!["127.0.0.1".into()]);
        assert!(named.ask(request(&by_name, &[])).await.is_err());
        named.ask(request(&url, &[])).await.unwrap();
        asked.await.unwrap();
        let (url, _) = answering(ok()).await;
        let anywhere = with(|config| config.callbacks.private_addresses = true);
        anywhere.ask(request(&url, &[])).await.unwrap();
    }
}
