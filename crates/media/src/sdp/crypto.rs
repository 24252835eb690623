//! `a=crypto` lines: keys of SRTP in a description (RFC 4568), which is why descriptions with them
//! travel over TLS only.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::srtp::{MASTER_BYTES, MasterKey, Suite};

/// The most lines of one media line that are read.
pub(super) const MAX_CRYPTO: usize = 16;

/// One line, with one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CryptoLine {
    /// Its number, which the answer repeats.
    pub tag: u32,
    /// What the key is for.
    pub suite: Suite,
    /// With what its sender encrypts.
    pub key: MasterKey,
}

impl CryptoLine {
    /// Reads `1 AES_CM_128_HMAC_SHA1_80 inline:…`. `None` for what we cannot follow to the letter:
    /// other suites, key identifiers, several keys, and session parameters that change the packets
    /// (§6.3 allows only those to be passed over that begin with a dash).
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next().filter(|tag| tag.len() <= 9)?.parse().ok()?;
        let name = words.next()?;
        let suite = Suite::ALL.into_iter().find(|suite| name.eq_ignore_ascii_case(suite.name()))?;
        let (method, key) = words.next()?.split_once(':')?;
        if !method.eq_ignore_ascii_case("inline") || key.contains(';') {
            return None;
        }
        let harmless = |word: &str| word.starts_with('-') || word.starts_with("WSH=");
        if !words.all(harmless) {
            return None;
        }
        let mut parts = key.split('|');
        let key = parts.next()?;
        // What follows is a lifetime, which no call here outlives, or the identifier of a key.
        if parts.any(|part| part.contains(':')) {
            return None;
        }
        let bytes = STANDARD.decode(key).or_else(|_| STANDARD_NO_PAD.decode(key)).ok()?;
        let bytes = <[u8; MASTER_BYTES]>::try_from(bytes).ok()?;
        Some(Self { tag, suite, key: MasterKey::new(bytes) })
    }
}

impl std::fmt::Display for CryptoLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = STANDARD.encode(self.key.bytes());
        write!(f, "a=crypto:{} {} inline:{key}", self.tag, self.suite.name())
    }
}
