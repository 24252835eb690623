//! The client's side: picks the strongest challenge, answers it, counts the nonce's uses.

use super::{Algorithm, Credentials, Proof, Protection, digest_params, param};
use crate::message::{Name, Response};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Qop {
    None,
    Auth,
    AuthInt,
}

/// One challenge and how often it was answered.
#[derive(Debug, Clone)]
struct Challenge {
    realm: Vec<u8>,
    nonce: Vec<u8>,
    opaque: Option<Vec<u8>>,
    algorithm: Algorithm,
    /// Whether the challenge named its algorithm; the answer then does, too.
    named: bool,
    qop: Qop,
    stale: bool,
    uses: u32,
}

impl Challenge {
    /// Reads one challenge; `None` when it is not Digest or asks for what we cannot do.
    fn parse(value: &[u8]) -> Option<Self> {
        let params = digest_params(value)?;
        let name = param(params, "algorithm");
        let offered = param(params, "qop").map(|list| {
            let has = |wanted: &[u8]| {
                let mut names = list.split(|b| *b == b',').map(<[u8]>::trim_ascii);
                names.any(|name| name.eq_ignore_ascii_case(wanted))
            };
            (has(b"auth"), has(b"auth-int"))
        });
        let qop = match offered {
            None => Qop::None,
            Some((true, _)) => Qop::Auth,
            Some((false, true)) => Qop::AuthInt,
            Some((false, false)) => return None,
        };
        Some(Self {
            realm: param(params, "realm")?.to_vec(),
            nonce: param(params, "nonce")?.to_vec(),
            opaque: param(params, "opaque").map(<[u8]>::to_vec),
            algorithm: Algorithm::named(name)?,
            named: name.is_some(),
            qop,
            stale: param(params, "stale").is_some_and(|s| s.eq_ignore_ascii_case(b"true")),
            uses: 0,
        })
    }

    /// The strongest challenge of a response we can answer; the first among equals.
    fn strongest(response: &Response, field: Name) -> Option<Self> {
        let mut best: Option<Self> = None;
        for challenge in response.headers.all(field).filter_map(Self::parse) {
            if best.as_ref().is_none_or(|best| best.algorithm < challenge.algorithm) {
                best = Some(challenge);
            }
        }
        best
    }

    fn answer(&mut self, credentials: &Credentials, asked: &Asked<'_>) -> Vec<u8> {
        self.uses = self.uses.saturating_add(1);
        let username = credentials.username.as_bytes();
        let password = credentials.password.as_bytes();
        let ha1 = self.algorithm.hash(&[username, &self.realm, password]);
        let nc = format!("{:08x}", self.uses);
        let (qop, body) = match self.qop {
            Qop::None => (None, None),
            Qop::Auth => (Some("auth"), None),
            Qop::AuthInt => (Some("auth-int"), Some(asked.body)),
        };
        let protection = qop.map_or(Protection::None, |qop| Protection::Counted {
            qop: qop.as_bytes(),
            nc: nc.as_bytes(),
            cnonce: asked.cnonce,
            body,
        });
        let response = Proof {
            algorithm: self.algorithm,
            ha1: &ha1,
            nonce: &self.nonce,
            method: asked.method,
            uri: asked.uri,
            protection,
        }
        .response();
        let mut value = b"Digest username=\"".to_vec();
        for byte in username.iter().filter(|byte| !byte.is_ascii_control()) {
            if matches!(byte, b'"' | b'\\') {
                value.push(b'\\');
            }
            value.push(*byte);
        }
        let mut add = |parts: &[&[u8]]| parts.iter().for_each(|p| value.extend_from_slice(p));
        add(&[b"\", realm=\"", &self.realm, b"\", nonce=\"", &self.nonce]);
        add(&[b"\", uri=\"", asked.uri, b"\", response=\"", &response, b"\""]);
        if self.named {
            add(&[b", algorithm=", self.algorithm.name().as_bytes()]);
        }
        if let Some(qop) = qop {
            add(&[b", qop=", qop.as_bytes(), b", nc=", nc.as_bytes()]);
            add(&[b", cnonce=\"", asked.cnonce, b"\""]);
        }
        if let Some(opaque) = &self.opaque {
            add(&[b", opaque=\"", opaque, b"\""]);
        }
        value
    }
}

/// The request an answer is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) uri: &'a [u8],
    pub(crate) body: &'a [u8],
    pub(crate) cnonce: &'a [u8],
}

/// Which challenges one request has answered so far. Bounds the tries of that request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    www: bool,
    proxy: bool,
    pub(crate) tries: u8,
}

/// The most times one request is sent again because of challenges: a proxy's, the server's, and
/// one stale nonce.
const MAX_TRIES: u8 = 3;

/// Credentials and the challenges they have met. Later requests of the call reuse the nonces.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    credentials: Credentials,
    www: Option<Challenge>,
    proxy: Option<Challenge>,
}

impl Session {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self { credentials, www: None, proxy: None }
    }

    /// Takes the challenge of a 401 or 407: whether to send the request again. The same request
    /// refused twice without `stale` means a wrong password.
    pub(crate) fn challenged(&mut self, response: &Response, answers: &mut Answers) -> bool {
        let (field, kept, answered) = match response.code {
            401 => (Name::WwwAuthenticate, &mut self.www, &mut answers.www),
            407 => (Name::ProxyAuthenticate, &mut self.proxy, &mut answers.proxy),
            _ => return false,
        };
        let Some(challenge) = Challenge::strongest(response, field) else { return false };
        if answers.tries >= MAX_TRIES || (*answered && !challenge.stale) {
            return false;
        }
        *answered = true;
        answers.tries += 1;
        *kept = Some(challenge);
        true
    }

    /// The fields to add to a request: none before the first challenge.
    pub(crate) fn answers(&mut self, asked: &Asked<'_>) -> Vec<(Name, Vec<u8>)> {
        let kept =
            [(Name::ProxyAuthorization, &mut self.proxy), (Name::Authorization, &mut self.www)];
        kept.into_iter()
            .filter_map(|(name, challenge)| {
                Some((name, challenge.as_mut()?.answer(&self.credentials, asked)))
            })
            .collect()
    }
}
