//! A clip encoded once and shared by every call that plays it.
//!
//! A thousand calls play one message: they share its bytes by pointer and each keeps only the
//! number of its next frame.

use std::sync::Arc;

use crate::{Codec, FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ};

/// Encoded audio cut into frames of 20 ms. Cloning it copies a pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedClip {
    codec: Codec,
    frames: Arc<[u8]>,
    samples: usize,
}

impl EncodedClip {
    /// Encodes linear samples at 8 kHz. The last frame is filled up with silence.
    pub fn from_samples(codec: Codec, samples: &[i16]) -> Self {
        Self::from_encoded(codec, codec.encode_all(samples))
    }

    /// Takes bytes that are already encoded with `codec`, one a sample.
    pub fn from_encoded(codec: Codec, mut bytes: Vec<u8>) -> Self {
        let samples = bytes.len();
        bytes.resize(samples.next_multiple_of(FRAME_SAMPLES), codec.silence());
        Self { codec, frames: bytes.into(), samples }
    }

    /// The codec of the bytes.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The 160 bytes of frame `n`, or `None` after the end.
    pub fn frame(&self, n: usize) -> Option<&[u8]> {
        let start = n.checked_mul(FRAME_SAMPLES)?;
        self.frames.get(start..start.checked_add(FRAME_SAMPLES)?)
    }

    /// How many frames there are.
    pub fn frame_count(&self) -> usize {
        self.frames.len() / FRAME_SAMPLES
    }

    /// How long it takes to play every frame, the padding of the last one included.
    pub fn duration_ms(&self) -> u64 {
        self.frame_count() as u64 * u64::from(FRAME_MS)
    }

    /// How long the given samples last without padding, rounded up to a millisecond.
    pub fn len_ms(&self) -> u64 {
        (self.samples as u64 * 1_000).div_ceil(u64::from(SAMPLE_RATE_HZ))
    }

    /// The encoded bytes as they were given, without padding.
    pub fn encoded(&self) -> &[u8] {
        &self.frames[..self.samples]
    }
}
