//! Customers' sites, as we call them: one request each, over a connection of its own. A customer
//! must not make us call a machine that only we can reach, so only public addresses are called, or
//! hosts that the operator named, and the address that was judged is the one that is connected to.
//! Redirections are not followed, and nothing is read of an answer but its status.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use domain::verification::{CallbackUrl, is_public};
use domain::webhook::is_named;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use crate::config::Config;
use crate::streams;

/// Bytes of an answer that are read for its status line.
const ANSWER_BYTES_MAX: usize = 1_024;
/// Addresses of a host that are tried.
const ADDRESSES_MAX: usize = 4;

/// How sites are called. Clones share everything.
#[derive(Clone)]
pub struct CustomerSites {
    /// Whether addresses that are not public are called, too.
    private: bool,
    /// Hosts that are called wherever they are.
    private_hosts: Arc<[String]>,
    /// Makes encrypted connections; without it there are none, and why.
    tls: Arc<Result<TlsConnector>>,
}

/// A request to a site.
pub struct Request<'a> {
    /// GET or POST.
    pub method: &'static str,
    /// The site.
    pub url: &'a CallbackUrl,
    /// Path and query.
    pub target: String,
    /// Header fields beside those that every request has.
    pub headers: &'a [(&'static str, String)],
    /// What is posted.
    pub body: Option<&'a str>,
}

impl CustomerSites {
    /// As the operator wants them to be called.
    pub fn new(config: &Config) -> Self {
        Self {
            private: config.callbacks.private_addresses,
            private_hosts: config.callbacks.private_hosts.clone().into(),
            tls: Arc::new(streams::connector(&config.sip)),
        }
    }

    /// The status of the answer.
    ///
    /// # Errors
    /// The site cannot be called, or answers no HTTP.
    pub async fn ask(&self, request: &Request<'_>) -> Result<u16> {
        let url = request.url;
        let mut stream =
            TcpStream::connect(&*self.addresses(url).await?).await.context("connecting")?;
        let text = request.text();
        if !url.is_https() {
            return exchange(&mut stream, &text).await;
        }
        let tls = self.tls.as_ref().as_ref();
        let tls = tls.map_err(|error| anyhow::anyhow!("no encryption: {error:#}"))?;
        let name = streams::server_name(url.host()).context("naming the host")?;
        let mut stream = tls.connect(name, stream).await.context("encrypting")?;
        exchange(&mut stream, &text).await
    }

    /// Where a site is, as far as it may be called there.
    async fn addresses(&self, url: &CallbackUrl) -> Result<Vec<SocketAddr>> {
        let found = lookup_host((url.host(), url.port())).await.context("looking up the host")?;
        let anywhere = self.private || is_named(url.host(), &self.private_hosts);
        let usable = |address: &SocketAddr| anywhere || is_public(address.ip());
        let addresses: Vec<SocketAddr> = found.filter(usable).take(ADDRESSES_MAX).collect();
        if addresses.is_empty() {
            bail!("the host has no public address");
        }
        Ok(addresses)
    }
}

impl Request<'_> {
    /// As it is sent (RFC 9112).
    fn text(&self) -> String {
        let (method, target, host) = (self.method, &self.target, self.url.authority());
        let mut text = format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: avanak\r\nAccept: */*\r\n"
        );
        let mut field =
            |name: &str, value: &str| write!(text, "{name}: {value}\r\n").expect("a String grows");
        for (name, value) in self.headers {
            field(name, value);
        }
        if let Some(body) = self.body {
            field("Content-Length", &body.len().to_string());
        }
        text.push_str("Connection: close\r\n\r\n");
        text.push_str(self.body.unwrap_or_default());
        text
    }
}

/// Sends the request and reads the status line.
async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: &str,
) -> Result<u16> {
    stream.write_all(request.as_bytes()).await.context("sending the request")?;
    stream.flush().await.context("sending the request")?;
    let mut answer = Vec::new();
    while !answer.contains(&b'\n') && answer.len() < ANSWER_BYTES_MAX {
        let mut part = [0; ANSWER_BYTES_MAX];
        match stream.read(&mut part).await.context("reading the answer")? {
            0 => break,
            length => answer.extend_from_slice(&part[..length]),
        }
    }
    status(&answer).context("the answer is not HTTP")
}

/// The code of a status line (RFC 9112 section 4).
pub fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let code = line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.trim_end();
    code.parse().ok().filter(|code| (100..600).contains(code) && line.len() > 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_line_is_read_and_nothing_else() {
        for (answer, code) in [
            ("HTTP/1.1 200 OK\r\n", Some(200)),
            ("HTTP/1.0 404 \r\nX: y", Some(404)),
            ("HTTP/1.1 204\r\n", Some(204)),
            ("HTTP/2 200 OK\r\n", None),
            ("HTTP/1.1 99 x\r\n", None),
            ("HTTP/1.1 OK 200\r\n", None),
            ("", None),
            ("\u{fffd}", None),
        ] {
            assert_eq!(status(answer.as_bytes()), code, "{answer}");
        }
    }
}
