//! Numbers that a stranger cannot guess, derived from the engine's secret and the call's key.
//!
//! The engine has no source of randomness: the same secret and key give the same numbers, which
//! is what makes a run repeatable. SHA-256 over inputs of fixed lengths needs no HMAC: there is
//! nothing to extend.

use std::net::IpAddr;

use media::srtp::{MasterKey, Suite};
use sha2::{Digest, Sha256};

use crate::io::{CallKey, EngineConfig};
use crate::playout::RtpStart;

/// What every branch begins with (RFC 3261 §8.1.1.7).
const BRANCH_COOKIE: &str = "z9hG4bK";

/// What is derived for the media of one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MediaNumbers {
    pub(crate) rtp: RtpStart,
    /// Our name in reports: 96 bits that mean nothing (RFC 7022 §4.2).
    pub(crate) name: [u8; 12],
    /// Spreads our reports.
    pub(crate) spread: u32,
    /// The session id of `o=` (RFC 8866 §5.2), small enough for peers that keep 32 bits of it.
    pub(crate) session_id: u64,
}

pub(crate) fn media_numbers(secret: &[u8; 32], call: CallKey) -> MediaNumbers {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(secret)
        .chain_update(b"rtp.")
        .chain_update(call.0.to_be_bytes())
        .finalize()
        .into();
    let word = |at: usize| {
        u32::from_be_bytes([digest[at], digest[at + 1], digest[at + 2], digest[at + 3]])
    };
    MediaNumbers {
        rtp: RtpStart {
            ssrc: word(0),
            timestamp: word(4),
            sequence: u16::from_be_bytes([digest[8], digest[9]]),
        },
        name: std::array::from_fn(|at| digest[16 + at]),
        spread: word(28),
        session_id: u64::from(word(12) >> 1),
    }
}

/// With what a call encrypts its packets. The secret must be one that is new at each start: a key
/// that came back would give the same key stream to other sound.
pub(crate) fn srtp_keys(fresh_secret: &[u8; 32], call: CallKey) -> [MasterKey; Suite::ALL.len()] {
    [0_u8, 1].map(|number| {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(fresh_secret)
            .chain_update(b"srtp")
            .chain_update(call.0.to_be_bytes())
            .chain_update([number])
            .finalize()
            .into();
        MasterKey::new(std::array::from_fn(|at| digest[at]))
    })
}

/// The From tag of a call (RFC 3261 §19.3) and the Via branch of its first INVITE (§8.1.1.7).
pub(crate) fn sip_tokens(secret: &[u8; 32], call: CallKey) -> (String, String) {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(secret)
        .chain_update(b"sip.")
        .chain_update(call.0.to_be_bytes())
        .finalize()
        .into();
    let (tag, branch) = digest.split_at(12);
    let mut named = String::with_capacity(BRANCH_COOKIE.len() + 32);
    named.push_str(BRANCH_COOKIE);
    push_hex(&branch[..16], &mut named);
    (hex(tag), named)
}

/// The Call-ID of a call that the engine begins of itself (RFC 3261 §8.1.1.4).
pub(crate) fn call_id(config: &EngineConfig, call: CallKey) -> String {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(config.secret)
        .chain_update(b"cid.")
        .chain_update(call.0.to_be_bytes())
        .finalize()
        .into();
    let (prefix, name) = (&config.call_id_prefix, hex(&digest[..16]));
    match config.sip_local.ip() {
        IpAddr::V4(host) => format!("{prefix}{name}@{host}"),
        IpAddr::V6(host) => format!("{prefix}{name}@[{host}]"),
    }
}

/// A secret of its own for one use, so that what one part shows does not help against another.
pub(crate) fn subkey(secret: &[u8; 32], label: [u8; 4]) -> [u8; 32] {
    Sha256::new().chain_update(secret).chain_update(label).finalize().into()
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    push_hex(bytes, &mut text);
    text
}

fn push_hex(bytes: &[u8], text: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for digit in bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        text.push(char::from(DIGITS[usize::from(digit)]));
    }
}
