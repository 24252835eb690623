//! The platform as a vantage point calls it: one request over a connection of its own, with a limit
//! on its answer and its time.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use domain::verification::CallbackUrl;

use crate::config::{Config, Secret};
use crate::outbound::{Answer, Bytes, Method, Outbound, Request};

/// The largest answer that is read, bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// A platform and the token by which we are known there.
pub struct Site {
    url: CallbackUrl,
    token: Secret,
    outbound: Outbound,
}

impl Site {
    /// The platform at an address like `https://avanak.example`, which may have a path.
    ///
    /// # Errors
    /// It is no address, the token is none, or there is no way to encrypt.
    pub fn new(url: &str, token: Secret, config: &Config) -> Result<Self> {
        let parsed = CallbackUrl::parse(url);
        let url = parsed.with_context(|| format!("'{url}' is no address of http or https"))?;
        let usable = !token.0.is_empty() && token.0.bytes().all(|byte| byte.is_ascii_graphic());
        if !usable {
            bail!("the token of a vantage point is missing; 'avanak vantage add' makes one");
        }
        let outbound = Outbound::to_anywhere(config);
        outbound.check(&url)?;
        Ok(Self { url, token, outbound })
    }

    /// Asks for a path; JSON is posted.
    ///
    /// # Errors
    /// There is no whole answer in time.
    pub async fn ask(
        &self,
        method: Method,
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
        method: Method,
        path: &str,
        body: Option<(&str, &str)>,
        patience: Duration,
    ) -> Result<Answer> {
        let mut headers = vec![("Authorization", format!("Bearer {}", self.token.0))];
        let body = body.map_or_else(Bytes::new, |(media_type, body)| {
            headers.push(("Content-Type", media_type.to_owned()));
            Bytes::copy_from_slice(body.as_bytes())
        });
        let request = Request {
            method,
            url: &self.url,
            target: format!("{}{path}", self.url.path().trim_end_matches('/')),
            headers: &headers,
            body,
            patience,
            limit_bytes: ANSWER_BYTES_MAX,
        };
        self.outbound.ask(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_none_of_two_lines() {
        let site = |url, token: &str| Site::new(url, Secret(token.to_owned()), &Config::default());
        assert!(site("http://h:8/base/", "abc").is_ok());
        assert!(site("http://h:8/", "").is_err() && site("http://h:8/", "a\r\nb: c").is_err());
        assert!(site("ftp://h/", "abc").is_err());
    }
}
