//! Unguessable names (tags, branches, Call-IDs, client nonces) and the keyed hash that indexes
//! what peers send. Both come from the endpoint's secret alone: the same secret gives the same
//! run again.

use std::hash::{DefaultHasher, Hasher};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The magic cookie that starts every RFC 3261 branch (§8.1.1.7).
pub(crate) const COOKIE: &[u8] = b"z9hG4bK";

/// An index of a transaction or dialog: 64 bits that peers cannot make collide on purpose, since
/// they do not know the secret, and that do not by chance at the numbers an endpoint holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(pub(crate) u64);

/// A name of 80 unguessable bits in base 32.
pub(crate) type Token = [u8; 16];

pub(crate) struct Tokens {
    mac: Hmac<Sha256>,
    counter: u64,
    block: [u8; 32],
    /// How many tokens of `block` are spent; each takes ten bytes.
    spent: usize,
    hasher: DefaultHasher,
}

impl Tokens {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
        let mut tokens =
            Self { mac, counter: 0, block: [0; 32], spent: 3, hasher: DefaultHasher::new() };
        tokens.hasher.write(&tokens.mac_of(b"index"));
        tokens
    }

    fn mac_of(&self, text: &[u8]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        mac.update(text);
        mac.finalize().into_bytes().into()
    }

    /// The next name; never the same twice.
    pub(crate) fn next(&mut self) -> Token {
        if self.spent == 3 {
            self.block = self.mac_of(&self.counter.to_be_bytes());
            self.counter += 1;
            self.spent = 0;
        }
        let raw = &self.block[self.spent * 10..self.spent * 10 + 10];
        self.spent += 1;
        base32(raw)
    }

    /// A number below `bound` that nobody can guess; `bound` is small against 2⁶⁴.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let name = self.next();
        u32::try_from(self.key(&[&name]).0 % u64::from(bound)).expect("less than a u32")
    }

    /// A fresh branch with its cookie.
    pub(crate) fn branch(&mut self) -> Box<[u8]> {
        [COOKIE, self.next().as_slice()].concat().into()
    }

    /// The index of a list of names. Peers cannot provoke collisions without the secret.
    pub(crate) fn key(&self, parts: &[&[u8]]) -> Key {
        let mut hasher = self.hasher.clone();
        for part in parts {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        Key(hasher.finish())
    }

    /// A tag that depends on nothing but its input: stateless responses repeat it.
    pub(crate) fn stateless_tag(&self, parts: &[&[u8]]) -> Token {
        let mut raw = [0; 10];
        raw[..8].copy_from_slice(&self.key(parts).0.to_be_bytes());
        base32(&raw)
    }
}

fn base32(raw: &[u8]) -> Token {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let value = raw.iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
    let mut text = [0; 16];
    for (index, digit) in text.iter_mut().enumerate() {
        *digit = DIGITS[usize::try_from(value >> (75 - 5 * index) & 31).expect("five bits")];
    }
    text
}
