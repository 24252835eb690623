//! Customers' addresses that are called back: one GET each, over a connection of its own. A
//! customer must not make us call a machine that only we can reach, so only public addresses are
//! called, and the address that was judged is the one that is connected to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use app::App;
use app::verification::{self, Callback};
use domain::verification::is_public;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsConnector;

use crate::config::Config;
use crate::streams;

/// How often it is looked for what is to be told.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a callback may take, from its name to its answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Bytes of an answer that are read for its status line.
const ANSWER_BYTES_MAX: usize = 1_024;
/// Addresses of a host that are tried.
const ADDRESSES_MAX: usize = 4;

/// How addresses are called back.
#[derive(Clone)]
struct Client {
    /// Whether addresses that are not public are called, too.
    private: bool,
    /// Makes encrypted connections; without it there are none, and why.
    tls: Arc<Result<TlsConnector>>,
}

/// Starts the task. It ends when it is told to stop, after the callbacks that it has begun.
pub fn start(app: Arc<App>, config: &Config, stop: watch::Receiver<bool>) -> JoinHandle<()> {
    let private = config.callbacks.private_addresses;
    let client = Client { private, tls: Arc::new(streams::connector(&config.sip)) };
    tokio::spawn(run(app, client, stop))
}

async fn run(app: Arc<App>, client: Client, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        match verification::due(&app).await {
            Ok(due) => {
                let mut calls = JoinSet::new();
                for callback in due {
                    calls.spawn(tell(Arc::clone(&app), client.clone(), callback));
                }
                calls.join_all().await;
            }
            Err(failure) => {
                tracing::warn!(error = failure.chain(), "callbacks could not be looked for");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            // Its end is a stop, too.
            _ = stop.changed() => {}
        }
        if stop.has_changed().is_err() {
            return;
        }
    }
}

/// Calls one address and writes down how it went.
async fn tell(app: Arc<App>, client: Client, callback: Callback) {
    let answer = match tokio::time::timeout(PATIENCE, client.get(&callback)).await {
        Ok(Ok(code)) if (200..300).contains(&code) => Ok(code),
        Ok(Ok(code)) => Err(code.to_string()),
        Ok(Err(error)) => Err(format!("{error:#}")),
        Err(_) => Err(String::from("no answer in time")),
    };
    let outcome = if answer.is_ok() { "told" } else { "failed" };
    metrics::counter!("avanak_callbacks_total", "outcome" => outcome).increment(1);
    if let Err(failure) = verification::told(&app, &callback, answer).await {
        tracing::warn!(error = failure.chain(), "a callback is made again: it is not written down");
    }
}

impl Client {
    /// The status of the answer.
    async fn get(&self, callback: &Callback) -> Result<u16> {
        let (url, query) = (&callback.url, &callback.query);
        let found = lookup_host((url.host(), url.port())).await.context("looking up the host")?;
        let usable = |address: &SocketAddr| self.private || is_public(address.ip());
        let addresses: Vec<SocketAddr> = found.filter(usable).take(ADDRESSES_MAX).collect();
        if addresses.is_empty() {
            bail!("the host has no public address");
        }
        let mut stream = TcpStream::connect(&*addresses).await.context("connecting")?;
        let signature = callback.signature.as_ref();
        let signature = signature.map_or(String::new(), |hex| format!("X-Signature: {hex}\r\n"));
        let (path, host) = (url.path(), url.authority());
        let request = format!(
            "GET {path}?{query} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: avanak\r\n\
             Accept: */*\r\n{signature}Connection: close\r\n\r\n"
        );
        if !url.is_https() {
            return exchange(&mut stream, &request).await;
        }
        let tls = self.tls.as_ref().as_ref();
        let tls = tls.map_err(|error| anyhow::anyhow!("no encryption: {error:#}"))?;
        let name = streams::server_name(url.host()).context("naming the host")?;
        let mut stream = tls.connect(name, stream).await.context("encrypting")?;
        exchange(&mut stream, &request).await
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
fn status(answer: &[u8]) -> Option<u16> {
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
