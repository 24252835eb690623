//! The speech codecs: G.711 A-law and µ-law, one byte a sample at 8 kHz.

pub mod pcma;
pub mod pcmu;

/// A codec we can send and understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// G.711 A-law, `PCMA/8000` (RFC 3551 §4.5.14).
    Pcma,
    /// G.711 µ-law, `PCMU/8000` (RFC 3551 §4.5.14).
    Pcmu,
}

impl Codec {
    /// The static RTP payload type (RFC 3551 table 4).
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcma => 8,
            Self::Pcmu => 0,
        }
    }

    /// The codec of a static payload type, if it is one of ours.
    pub const fn of_payload_type(payload_type: u8) -> Option<Self> {
        match payload_type {
            8 => Some(Self::Pcma),
            0 => Some(Self::Pcmu),
            _ => None,
        }
    }

    /// The encoding name in `a=rtpmap`, without the clock rate.
    pub const fn encoding_name(self) -> &'static str {
        match self {
            Self::Pcma => "PCMA",
            Self::Pcmu => "PCMU",
        }
    }

    /// The byte that stands for a sample of silence.
    pub const fn silence(self) -> u8 {
        match self {
            Self::Pcma => pcma::SILENCE,
            Self::Pcmu => pcmu::SILENCE,
        }
    }

    /// One linear 16-bit sample as one byte.
    pub const fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Pcma => pcma::encode(sample),
            Self::Pcmu => pcmu::encode(sample),
        }
    }

    /// One byte as one linear 16-bit sample.
    pub const fn decode(self, byte: u8) -> i16 {
        match self {
            Self::Pcma => pcma::decode(byte),
            Self::Pcmu => pcmu::decode(byte),
        }
    }

    /// Encodes a run of samples.
    pub fn encode_all(self, samples: &[i16]) -> Vec<u8> {
        samples.iter().map(|&sample| self.encode(sample)).collect()
    }

    /// Decodes a run of bytes.
    pub fn decode_all(self, bytes: &[u8]) -> Vec<i16> {
        bytes.iter().map(|&byte| self.decode(byte)).collect()
    }
}
