//! A tiny HTTP/1.1 client: one request, one connection, for talking to our own server.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

const TIMEOUT: Duration = Duration::from_secs(30);
/// More than any answer we ask for; a server gone wild does not fill our memory.
const MAX_ANSWER_BYTES: u64 = 16 << 20;

/// A server's address and a customer's token.
pub struct Client {
    /// `host:port`.
    pub address: String,
    /// Sent as `Authorization`, without a scheme, as the vendor's clients do.
    pub token: String,
}

impl Client {
    /// GET of a path with its query; the answer as JSON.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.request("GET", path, None)
    }

    /// POST of a form; the answer as JSON.
    pub fn post_form(&self, path: &str, form: &[(&str, &str)]) -> Result<Value> {
        let pairs: Vec<String> = form
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        self.request("POST", path, Some(&pairs.join("&")))
    }

    fn request(&self, method: &str, path: &str, body: Option<&str>) -> Result<Value> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        write!(head, "Authorization: {}\r\nConnection: close\r\n", self.token)?;
        if let Some(body) = body {
            head.push_str("Content-Type: application/x-www-form-urlencoded\r\n");
            write!(head, "Content-Length: {}\r\n", body.len())?;
        }
        head.push_str("\r\n");
        head.push_str(body.unwrap_or_default());
        let answer = exchange(&self.address, head.as_bytes())
            .with_context(|| format!("no answer to {method} {path} from {}", self.address))?;
        let (status, body) = split(&answer)?;
        if status != 200 {
            bail!("{method} {path} answered {status}: {}", String::from_utf8_lossy(&body));
        }
        serde_json::from_slice(&body).with_context(|| format!("{path} did not answer JSON"))
    }
}

fn exchange(address: &str, request: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    Ok(answer)
}

/// The status and the body of an answer that was read to the end of its connection.
pub fn split(answer: &[u8]) -> Result<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.context("the answer's head does not end")?;
    let head = std::str::from_utf8(&answer[..end]).context("the answer's head is not text")?;
    let body = &answer[end + 4..];
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.context("the answer has no status")?;
    let chunked = head.lines().any(|line| {
        let line = line.to_ascii_lowercase();
        line.starts_with("transfer-encoding:") && line.contains("chunked")
    });
    Ok((status, if chunked { dechunk(body)? } else { body.to_vec() }))
}

fn dechunk(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").context("chunk without size")?;
        let size = std::str::from_utf8(&rest[..end])?.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size.trim(), 16).context("chunk size is no number")?;
        rest = &rest[end + 2..];
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(rest.get(..size).context("chunk is cut short")?);
        rest = rest.get(size + 2..).context("chunk is cut short")?;
    }
}

/// Percent-encodes everything but unreserved characters (RFC 3986, section 2.3).
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a String cannot fail");
        }
    }
    encoded
}
