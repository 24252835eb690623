//! The speech codecs: G.711 A-law and µ-law, and G.722. All of them take one byte for a sample at
//! 8 kHz, so packets, clips and clocks are the same for each.

pub mod g722;
pub mod pcma;
pub mod pcmu;

use crate::FRAME_SAMPLES;

/// A codec we can send and understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// G.711 A-law, `PCMA/8000` (RFC 3551 §4.5.14).
    Pcma,
    /// G.711 µ-law, `PCMU/8000` (RFC 3551 §4.5.14).
    Pcmu,
    /// G.722 at 64 kbit/s, `G722/8000`: the clock rate is half the true one, by an old mistake
    /// that everybody keeps (RFC 3551 §4.5.2).
    G722,
}

impl Codec {
    /// Every codec.
    pub const ALL: [Self; 3] = [Self::Pcma, Self::Pcmu, Self::G722];

    /// What is offered where nothing else is said: what every telephone network takes as it is.
    pub const DEFAULT_ORDER: &[Self] = &[Self::Pcma, Self::Pcmu];

    /// The static RTP payload type (RFC 3551 table 4).
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcma => 8,
            Self::Pcmu => 0,
            Self::G722 => 9,
        }
    }

    /// The codec of a static payload type, if it is one of ours.
    pub const fn of_payload_type(payload_type: u8) -> Option<Self> {
        match payload_type {
            8 => Some(Self::Pcma),
            0 => Some(Self::Pcmu),
            9 => Some(Self::G722),
            _ => None,
        }
    }

    /// The encoding name in `a=rtpmap`, without the clock rate.
    pub const fn encoding_name(self) -> &'static str {
        match self {
            Self::Pcma => "PCMA",
            Self::Pcmu => "PCMU",
            Self::G722 => "G722",
        }
    }

    /// The byte that stands for a sample of silence.
    pub const fn silence(self) -> u8 {
        self.silent_frame()[0]
    }

    /// A packet's worth of silence.
    pub const fn silent_frame(self) -> &'static [u8; FRAME_SAMPLES] {
        static PCMA: [u8; FRAME_SAMPLES] = [pcma::SILENCE; FRAME_SAMPLES];
        static PCMU: [u8; FRAME_SAMPLES] = [pcmu::SILENCE; FRAME_SAMPLES];
        static G722: [u8; FRAME_SAMPLES] = [g722::SILENCE; FRAME_SAMPLES];
        match self {
            Self::Pcma => &PCMA,
            Self::Pcmu => &PCMU,
            Self::G722 => &G722,
        }
    }

    /// Encodes linear samples at 8 kHz from their first on, one byte each.
    pub fn encode_all(self, samples: &[i16]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(samples.len());
        Encoder::new(self).encode(samples, &mut bytes);
        bytes
    }

    /// Decodes bytes from the beginning of their sound on, one sample at 8 kHz each.
    pub fn decode_all(self, bytes: &[u8]) -> Vec<i16> {
        let mut samples = Vec::with_capacity(bytes.len());
        Decoder::new(self).decode(bytes, &mut samples);
        samples
    }
}

/// Encodes sound that comes in pieces.
#[derive(Debug, Clone)]
pub struct Encoder(EncoderState);

#[derive(Debug, Clone)]
enum EncoderState {
    Pcma,
    Pcmu,
    G722(Box<g722::Encoder>),
}

impl Encoder {
    /// At the beginning of the sound.
    pub fn new(codec: Codec) -> Self {
        Self(match codec {
            Codec::Pcma => EncoderState::Pcma,
            Codec::Pcmu => EncoderState::Pcmu,
            Codec::G722 => EncoderState::G722(Box::default()),
        })
    }

    /// Appends the bytes of the samples that come next.
    pub fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        let samples = samples.iter().copied();
        match &mut self.0 {
            EncoderState::Pcma => out.extend(samples.map(pcma::encode)),
            EncoderState::Pcmu => out.extend(samples.map(pcmu::encode)),
            EncoderState::G722(state) => out.extend(samples.map(|sample| state.encode(sample))),
        }
    }
}

/// Decodes sound that comes in pieces.
#[derive(Debug, Clone)]
pub struct Decoder(DecoderState);

#[derive(Debug, Clone)]
enum DecoderState {
    Pcma,
    Pcmu,
    G722(Box<g722::Decoder>),
}

impl Decoder {
    /// At the beginning of the sound.
    pub fn new(codec: Codec) -> Self {
        Self(match codec {
            Codec::Pcma => DecoderState::Pcma,
            Codec::Pcmu => DecoderState::Pcmu,
            Codec::G722 => DecoderState::G722(Box::default()),
        })
    }

    /// Appends the samples of the bytes that come next.
    pub fn decode(&mut self, bytes: &[u8], out: &mut Vec<i16>) {
        let bytes = bytes.iter().copied();
        match &mut self.0 {
            DecoderState::Pcma => out.extend(bytes.map(pcma::decode)),
            DecoderState::Pcmu => out.extend(bytes.map(pcmu::decode)),
            DecoderState::G722(state) => out.extend(bytes.map(|byte| state.decode(byte))),
        }
    }
}
