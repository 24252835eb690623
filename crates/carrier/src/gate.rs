//! Who may call: digest, asked for by a number or by the configuration.

use std::time::Instant;

use sip::digest::{self, Algorithm, Verdict};
use sip::{Headers, Name, Request};

use crate::config::Auth;

/// The realm of our challenges.
const REALM: &str = "sandbox";
/// How the configuration asks; numbers choose for themselves.
const DEFAULT_CODE: u16 = 407;

/// Checks callers.
pub(crate) struct Gate {
    digest: digest::Server,
    everybody: Option<Auth>,
}

/// How to ask a caller who it is.
pub(crate) struct Challenge {
    pub(crate) code: u16,
    pub(crate) headers: Headers,
}

impl Gate {
    pub(crate) fn new(secret: [u8; 32], everybody: Option<Auth>) -> Self {
        Self { digest: digest::Server::new(REALM, secret), everybody }
    }

    /// Whether the caller has shown who it is, where that is asked for: by everybody, or by the
    /// number with this status code.
    pub(crate) fn check(
        &mut self,
        now: Instant,
        request: &Request,
        code: Option<u16>,
    ) -> Result<(), Challenge> {
        let auth = match (&self.everybody, code) {
            (None, None) => return Ok(()),
            (Some(auth), _) => auth.clone(),
            (None, Some(_)) => Auth::default(),
        };
        let lookup = |user: &str, algorithm| {
            let wanted = auth.algorithm.is_none_or(|only| only == algorithm);
            let known = user == auth.user && wanted;
            known.then(|| digest::ha1(algorithm, user, REALM, &auth.password))
        };
        match self.digest.check(now, &with_proxy_answer(request), lookup) {
            Verdict::Accepted { .. } => Ok(()),
            Verdict::Challenge { stale } => Err(self.challenge(now, code, auth.algorithm, stale)),
            Verdict::Wrong { .. } => Err(self.challenge(now, code, auth.algorithm, false)),
        }
    }

    fn challenge(
        &mut self,
        now: Instant,
        code: Option<u16>,
        only: Option<Algorithm>,
        stale: bool,
    ) -> Challenge {
        let code = code.unwrap_or(DEFAULT_CODE);
        let field = if code == 401 { Name::WwwAuthenticate } else { Name::ProxyAuthenticate };
        let named = only.map_or(String::new(), |only| format!("algorithm={},", only.name()));
        let mut headers = Headers::new();
        for challenge in self.digest.challenges(now, stale) {
            if challenge.contains(&named) {
                headers.push(field, challenge.as_bytes());
            }
        }
        Challenge { code, headers }
    }
}

/// The digest server reads Authorization, but a 407 is answered in Proxy-Authorization
/// (RFC 3261 §22.3): the same words under another name.
fn with_proxy_answer(request: &Request) -> Request {
    let mut copy = request.clone();
    for answer in request.headers.all(Name::ProxyAuthorization) {
        copy.headers.push(Name::Authorization, answer);
    }
    copy
}
