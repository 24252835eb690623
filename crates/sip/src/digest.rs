//! Digest authentication (RFC 7616, RFC 8760): the client's answers and the server's challenges.
//!
//! Algorithms are MD5 and SHA-256, without `-sess`; qop is absent (RFC 2069 style, still common),
//! `auth` or `auth-int`. Texts inside quotes are used as they came, escapes included, which is
//! what RFC 7616 calls `unq`.

mod client;
mod server;

use std::fmt;

pub(crate) use client::{Answers, Asked, Session};
pub use server::{Server, Verdict};

use md5::Md5;
use sha2::{Digest, Sha256};

/// A user name and password. The password never shows in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// A digest algorithm, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// MD5, the only one many phones know.
    Md5,
    /// SHA-256 (RFC 8760).
    Sha256,
}

impl Algorithm {
    /// The name in `algorithm=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// The algorithm of that name, in any case; an absent name means MD5.
    fn named(text: Option<&[u8]>) -> Option<Self> {
        let Some(text) = text else { return Some(Self::Md5) };
        [Self::Md5, Self::Sha256]
            .into_iter()
            .find(|algorithm| algorithm.name().as_bytes().eq_ignore_ascii_case(text))
    }

    /// The hash of the parts joined by colons, in lower-case hex.
    fn hash(self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Md5 => hash::<Md5>(parts),
            Self::Sha256 => hash::<Sha256>(parts),
        }
    }
}

fn hash<H: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut hasher = H::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hasher.update(b":");
        }
        hasher.update(part);
    }
    hex(&hasher.finalize())
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS[usize::from(nibble)];
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// H(user:realm:password) in hex for one algorithm: what a server keeps instead of the password.
pub fn ha1(algorithm: Algorithm, username: &str, realm: &str, password: &str) -> String {
    let hash = algorithm.hash(&[username.as_bytes(), realm.as_bytes(), password.as_bytes()]);
    String::from_utf8(hash).expect("hex digits are ASCII")
}

/// The quality of protection of one answer, with what goes into its hash.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Protection<'a> {
    /// No `qop`: only the nonce goes in.
    None,
    /// `auth` or, with `body`, `auth-int`.
    Counted { qop: &'a [u8], nc: &'a [u8], cnonce: &'a [u8], body: Option<&'a [u8]> },
}

/// What the `response` parameter is computed from (RFC 7616 §3.4.1).
pub(crate) struct Proof<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) ha1: &'a [u8],
    pub(crate) nonce: &'a [u8],
    pub(crate) method: &'a [u8],
    pub(crate) uri: &'a [u8],
    pub(crate) protection: Protection<'a>,
}

impl Proof<'_> {
    /// The `response` parameter in hex.
    pub(crate) fn response(&self) -> Vec<u8> {
        let algorithm = self.algorithm;
        let plain = || algorithm.hash(&[self.method, self.uri]);
        match self.protection {
            Protection::None => algorithm.hash(&[self.ha1, self.nonce, &plain()]),
            Protection::Counted { qop, nc, cnonce, body } => {
                let ha2 = match body {
                    None => plain(),
                    Some(body) => {
                        algorithm.hash(&[self.method, self.uri, &algorithm.hash(&[body])])
                    }
                };
                algorithm.hash(&[self.ha1, self.nonce, nc, cnonce, qop, &ha2])
            }
        }
    }
}

/// The text between the quotes, escapes left as they are; text without quotes as it is.
fn unq(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(text)
}

/// The parameters after `Digest`; `None` for another scheme.
fn digest_params(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at(value.iter().position(u8::is_ascii_whitespace)?);
    scheme.eq_ignore_ascii_case(b"Digest").then_some(rest)
}

/// One parameter of a challenge or an answer, without its quotes.
fn param<'a>(params: &'a [u8], name: &str) -> Option<&'a [u8]> {
    crate::message::header::params(params, b',')
        .find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
        .and_then(|(_, value)| value.map(unq))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 2617 §3.5.
    #[test]
    fn rfc_2617_vector() {
        let ha1 = ha1(Algorithm::Md5, "Mufasa", "testrealm@host.com", "Circle Of Life");
        assert_eq!(ha1, "939e7578ed9e3c518a452acee763bce9");
        let proof = Proof {
            algorithm: Algorithm::Md5,
            ha1: ha1.as_bytes(),
            nonce: b"dcd98b7102dd2f0e8b11d0f600bfb0c093",
            method: b"GET",
            uri: b"/dir/index.html",
            protection: Protection::Counted {
                qop: b"auth",
                nc: b"00000001",
                cnonce: b"0a4f113b",
                body: None,
            },
        };
        assert_eq!(proof.response(), b"6629fae49393a05397450978507c4ef1");
        let old = Proof { protection: Protection::None, ..proof };
        assert_eq!(old.response(), b"670fd8c2df070c60b045671b8b24ff02");
    }

    /// The examples of RFC 7616 §3.9.1.
    #[test]
    fn rfc_7616_vectors() {
        let response = |algorithm: Algorithm| {
            let ha1 = ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life");
            let proof = Proof {
                algorithm,
                ha1: ha1.as_bytes(),
                nonce: b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
                method: b"GET",
                uri: b"/dir/index.html",
                protection: Protection::Counted {
                    qop: b"auth",
                    nc: b"00000001",
                    cnonce: b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
                    body: None,
                },
            };
            String::from_utf8(proof.response()).unwrap()
        };
        assert_eq!(response(Algorithm::Md5), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            response(Algorithm::Sha256),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }
}
