//! SRTP and SRTCP (RFC 3711) with the transforms that SDES negotiates (RFC 4568): AES-128 in
//! counter mode, HMAC-SHA1 with a tag of 80 or 32 bits.
//!
//! A master key protects one direction. Keys are arguments; nothing here is random. Keys never
//! appear in what `Debug` prints.

mod receiver;
mod sender;
mod session_keys;

pub use receiver::{Rejected, SrtpReceiver};
pub use sender::SrtpSender;

/// Bytes of a master key and its salt, as SDES carries them (RFC 4568 §6.2).
pub const MASTER_BYTES: usize = 30;

const MASTER_KEY_BYTES: usize = 16;
/// Bytes of a tag of SRTCP, with every suite here (RFC 4568 §6.2).
const RTCP_TAG_BYTES: usize = 10;
/// Bytes of the index that SRTCP puts before the tag, its top bit telling that it is encrypted.
const RTCP_INDEX_BYTES: usize = 4;
const ENCRYPTED: u32 = 0x8000_0000;

/// What protects a stream (RFC 4568 §6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suite {
    /// `AES_CM_128_HMAC_SHA1_80`, which everybody has.
    Sha1Tag80,
    /// `AES_CM_128_HMAC_SHA1_32`: shorter tags on RTP.
    Sha1Tag32,
}

impl Suite {
    /// Every suite, the one to prefer first.
    pub const ALL: [Self; 2] = [Self::Sha1Tag80, Self::Sha1Tag32];

    /// Its name in an `a=crypto` line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Self::Sha1Tag32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// Bytes of the tag of an RTP packet.
    const fn tag_bytes(self) -> usize {
        match self {
            Self::Sha1Tag80 => 10,
            Self::Sha1Tag32 => 4,
        }
    }
}

/// A master key with its salt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MasterKey([u8; MASTER_BYTES]);

impl MasterKey {
    /// From 16 bytes of key and 14 of salt, which nobody else must know.
    pub const fn new(bytes: [u8; MASTER_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes for an `a=crypto` line.
    pub const fn bytes(&self) -> &[u8; MASTER_BYTES] {
        &self.0
    }

    fn split(&self) -> (&[u8], &[u8]) {
        self.0.split_at(MASTER_KEY_BYTES)
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(***)")
    }
}
