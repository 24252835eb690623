//! The server's side: nonces that prove their own age, and a bounded memory against replays.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{Algorithm, Proof, Protection, digest_params, hex, param};
use crate::message::{Name, Request, Uri, header};

/// How long a nonce is good for.
const NONCE_LIFE: Duration = Duration::from_mins(5);

/// The most used nonces that are remembered. Beyond that the oldest count as expired.
const MAX_USED: usize = 65_536;

/// Whether a request is who it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The credentials are right and fresh.
    Accepted {
        /// The user name as given to the lookup.
        username: String,
    },
    /// No usable credentials, or an expired or replayed nonce: challenge (again).
    Challenge {
        /// The password was right, only the nonce is not fresh: the client may retry by itself.
        stale: bool,
    },
    /// Wrong user or password: challenge again or refuse with 403.
    Wrong {
        /// The user name that was tried.
        username: String,
    },
}

/// The server's side of one realm. State per client is one replay count per live used nonce,
/// bounded.
pub struct Server {
    realm: String,
    /// What is offered, the preferred first (RFC 8760 §2.4).
    offered: Vec<Algorithm>,
    mac: Hmac<Sha256>,
    /// The instant that nonce times are counted from: the first one seen.
    epoch: Option<Instant>,
    serial: u64,
    /// Serial of a used nonce to its highest count so far.
    used: BTreeMap<u64, u64>,
    /// Nonces up to this serial have been forgotten and count as expired.
    forgotten: u64,
}

/// What a nonce of ours says.
struct Nonce {
    made_s: u64,
    serial: u64,
}

/// The parameters of an Authorization value.
struct Answer<'a> {
    username: String,
    nonce: &'a [u8],
    uri: &'a [u8],
    response: &'a [u8],
    algorithm: Algorithm,
    /// The count, as number and as written, when there is a qop.
    count: Option<(u64, &'a [u8])>,
    qop: &'a [u8],
    cnonce: &'a [u8],
}

impl<'a> Answer<'a> {
    fn parse(value: &'a [u8], realm: &str) -> Option<Self> {
        let params = digest_params(value)?;
        let get = |name| param(params, name);
        let qop = get("qop").unwrap_or_default();
        let count = match qop {
            b"" => None,
            _ => Some(get("nc").and_then(|nc| Some((hex_number(nc)?, nc)))?),
        };
        // The lookup sees the name without the escapes of its quoted string.
        let quoted = [b"\"", get("username")?, b"\""].concat();
        let answer = Self {
            username: String::from_utf8(header::unquote(&quoted)).ok()?,
            nonce: get("nonce")?,
            uri: get("uri")?,
            response: get("response")?,
            algorithm: Algorithm::named(get("algorithm"))?,
            count,
            qop,
            cnonce: get("cnonce").unwrap_or_default(),
        };
        (get("realm")? == realm.as_bytes()).then_some(answer)
    }

    /// Whether the answer was computed from `ha1`.
    fn proves(&self, ha1: &[u8], request: &Request) -> bool {
        let protection = match self.count {
            None => Protection::None,
            Some((_, nc)) => Protection::Counted {
                qop: self.qop,
                nc,
                cnonce: self.cnonce,
                body: self.qop.eq_ignore_ascii_case(b"auth-int").then_some(&request.body),
            },
        };
        let expected = Proof {
            algorithm: self.algorithm,
            ha1,
            nonce: self.nonce,
            method: request.method.as_bytes(),
            uri: self.uri,
            protection,
        }
        .response();
        let given = self.response.to_ascii_lowercase();
        // Every byte is looked at, so that the time taken says nothing about the right answer.
        let difference = expected.iter().zip(&given).fold(0, |sum, (a, b)| sum | (a ^ b));
        expected.len() == given.len() && difference == 0
    }
}

impl Server {
    /// A server for one realm; `secret` makes its nonces unguessable.
    ///
    /// Quotes, backslashes and control characters are left out of the realm.
    pub fn new(realm: &str, secret: [u8; 32]) -> Self {
        let plain = |c: &char| !matches!(c, '"' | '\\') && !c.is_control();
        Self {
            realm: realm.chars().filter(plain).collect(),
            offered: vec![Algorithm::Sha256, Algorithm::Md5],
            mac: Hmac::new_from_slice(&secret).expect("HMAC takes a key of any length"),
            epoch: None,
            serial: 0,
            used: BTreeMap::new(),
            forgotten: 0,
        }
    }

    /// The same, challenging only with `algorithms`, in this order. Some phones give up when they
    /// see an algorithm they do not know, even beside one they do.
    #[must_use]
    pub fn offering(mut self, algorithms: &[Algorithm]) -> Self {
        self.offered = algorithms.to_vec();
        self
    }

    /// The realm, as it goes into HA1.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The values of the WWW-Authenticate fields to send with a 401, strongest first: each client
    /// takes the first it knows (RFC 8760 §2.4).
    pub fn challenges(&mut self, now: Instant, stale: bool) -> Vec<String> {
        let made_s = self.seconds(now);
        self.serial += 1;
        let nonce = String::from_utf8(self.nonce(&Nonce { made_s, serial: self.serial }))
            .expect("hex digits are ASCII");
        let stale = if stale { ", stale=true" } else { "" };
        self.offered
            .iter()
            .map(|algorithm| {
                let (realm, name) = (&self.realm, algorithm.name());
                format!(
                    "Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={name}, \
                     qop=\"auth\"{stale}"
                )
            })
            .collect()
    }

    /// Checks the Authorization or Proxy-Authorization field of a request. `lookup` gives the
    /// stored HA1 (hex) of a user for an algorithm, or `None` when there is no such user.
    pub fn check(
        &mut self,
        now: Instant,
        request: &Request,
        lookup: impl FnOnce(&str, Algorithm) -> Option<String>,
    ) -> Verdict {
        let answer = request
            .headers
            .all(Name::Authorization)
            .chain(request.headers.all(Name::ProxyAuthorization))
            .find_map(|value| Answer::parse(value, &self.realm));
        let usable = |answer: &Answer<'_>| {
            self.offered.contains(&answer.algorithm) && same_target(answer.uri, &request.uri)
        };
        let Some(answer) = answer.filter(usable) else {
            return Verdict::Challenge { stale: false };
        };
        // A nonce that is not ours says nothing about the password.
        let Some(nonce) = self.read(answer.nonce) else {
            return Verdict::Challenge { stale: false };
        };
        let known = lookup(&answer.username, answer.algorithm);
        // For an unknown user the same work is done, so that the time taken does not tell.
        let ha1 = known.as_deref().unwrap_or("no such user").to_ascii_lowercase();
        let proven = answer.proves(ha1.as_bytes(), request);
        if known.is_none() || !proven {
            return Verdict::Wrong { username: answer.username };
        }
        let age_s = self.seconds(now).saturating_sub(nonce.made_s);
        // Without a count a nonce is good for one request.
        let count = answer.count.map_or(u64::MAX, |(count, _)| count);
        if age_s >= NONCE_LIFE.as_secs() || !self.spend(nonce.serial, count) {
            return Verdict::Challenge { stale: true };
        }
        Verdict::Accepted { username: answer.username }
    }

    /// Notes one use of a nonce: `false` when that count, or a higher one, was used before.
    fn spend(&mut self, serial: u64, count: u64) -> bool {
        let highest = self.used.get(&serial).copied().unwrap_or(0);
        if serial <= self.forgotten || count <= highest {
            return false;
        }
        self.used.insert(serial, count);
        if self.used.len() > MAX_USED
            && let Some((oldest, _)) = self.used.pop_first()
        {
            self.forgotten = oldest;
        }
        true
    }

    fn seconds(&mut self, now: Instant) -> u64 {
        now.saturating_duration_since(*self.epoch.get_or_insert(now)).as_secs()
    }

    /// `time serial mac`, each of 16 hex digits but the last, of 32.
    fn nonce(&self, nonce: &Nonce) -> Vec<u8> {
        let mut raw = Vec::with_capacity(32);
        raw.extend_from_slice(&nonce.made_s.to_be_bytes());
        raw.extend_from_slice(&nonce.serial.to_be_bytes());
        let mut mac = self.mac.clone();
        mac.update(&raw);
        raw.extend_from_slice(&mac.finalize().into_bytes()[..16]);
        hex(&raw)
    }

    fn read(&self, text: &[u8]) -> Option<Nonce> {
        let made_s = hex_number(text.get(..16)?)?;
        let serial = hex_number(text.get(16..32)?)?;
        let nonce = Nonce { made_s, serial };
        (self.nonce(&nonce) == text).then_some(nonce)
    }
}

/// Whether the URI that was signed names the same user and host as the Request-URI. Phones
/// differ in ports and parameters (RFC 7616 §3.4 leaves room for that).
fn same_target(signed: &[u8], asked: &Uri) -> bool {
    Uri::parse(header::trim(signed)).is_ok_and(|signed| {
        signed.user() == asked.user() && signed.host().eq_ignore_ascii_case(asked.host())
    })
}

fn hex_number(text: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(text).ok()?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if plain { u64::from_str_radix(digits, 16).ok() } else { None }
}
