//! The way from an uploaded file to a clip: decode, resample, trim, level, in this order.

use crate::{SAMPLE_RATE, decode, level, resample::ToTelephone, trim};

/// Telephone audio: 8 kHz, mono, signed 16-bit. What the engine plays and the store keeps.
#[derive(Clone, PartialEq, Eq)]
pub struct Clip {
    samples: Vec<i16>,
}

impl Clip {
    /// Takes samples that are already at [`SAMPLE_RATE`], as they are.
    pub fn from_samples(samples: Vec<i16>) -> Self {
        Self { samples }
    }

    /// The samples, first to last, at [`SAMPLE_RATE`].
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// Gives the samples away.
    pub fn into_samples(self) -> Vec<i16> {
        self.samples
    }

    /// Length in milliseconds, rounded down. Billing rounds by its own rule.
    pub fn duration_ms(&self) -> u64 {
        self.samples.len() as u64 * 1000 / u64::from(SAMPLE_RATE)
    }
}

impl std::fmt::Debug for Clip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clip").field("duration_ms", &self.duration_ms()).finish_non_exhaustive()
    }
}

/// How much an upload may ask of us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest input file, in bytes.
    pub max_input_bytes: usize,
    /// Longest decoded audio, in seconds, before trimming. Checked while decoding, so a small file
    /// that unfolds to hours stops here, not at the end of memory.
    pub max_seconds: u32,
    /// Shortest clip left after trimming, in milliseconds; 0 takes any.
    pub min_ms: u32,
}

impl Default for Limits {
    /// 20 MiB and ten minutes, any length above nothing.
    fn default() -> Self {
        Self { max_input_bytes: 20 * 1024 * 1024, max_seconds: 600, min_ms: 0 }
    }
}

/// Why a file did not become a clip: the customer's affair, plain data for the edge to translate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// More bytes than [`Limits::max_input_bytes`].
    #[error("the file is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit that was passed, in bytes.
        limit_bytes: usize,
    },
    /// No known audio container was found.
    #[error("the file is not in a known audio format")]
    UnknownFormat,
    /// The format is known but not decoded here.
    #[error("{what} is not supported")]
    Unsupported {
        /// The format, codec or feature.
        what: String,
    },
    /// The file claims a known format and contradicts itself.
    #[error("the file is broken: {detail}")]
    Broken {
        /// What was wrong, for the log.
        detail: String,
    },
    /// More audio than [`Limits::max_seconds`].
    #[error("the audio is longer than {limit_seconds} seconds")]
    TooLong {
        /// The limit that was passed, in seconds.
        limit_seconds: u32,
    },
    /// Less audio than [`Limits::min_ms`] after the silence was cut.
    #[error("the audio is {actual_ms} ms long after trimming, the least is {minimum_ms} ms")]
    TooShort {
        /// What is left, in milliseconds.
        actual_ms: u64,
        /// The limit that was missed, in milliseconds.
        minimum_ms: u32,
    },
    /// Nothing a listener could hear.
    #[error("the audio is silent")]
    Silent,
    /// `keep_going` said no.
    #[error("decoding took longer than allowed")]
    OutOfTime,
}

/// Turns an uploaded file into telephone audio.
///
/// WAV (integer, float, µ-law, A-law, IMA ADPCM), MP3, M4A/AAC-LC, OGG Vorbis and Opus, WebM Opus
/// and FLAC are read. Speech is brought to −19 LUFS with a true peak of at most −3 dBTP, silence
/// is cut from both ends but for 100 ms.
///
/// It is all computation, milliseconds to seconds of it: call it where blocking is allowed.
///
/// # Errors
/// A [`Refusal`] says what is wrong with the file. No input makes it panic.
pub fn telephone_clip(bytes: &[u8], limits: &Limits) -> Result<Clip, Refusal> {
    telephone_clip_while(bytes, limits, &|| true)
}

/// [`telephone_clip`] that stops when `keep_going` says no. It is asked once per packet, so the
/// answer comes within milliseconds; the caller owns the clock.
///
/// # Errors
/// As [`telephone_clip`], and [`Refusal::OutOfTime`].
pub fn telephone_clip_while(
    bytes: &[u8],
    limits: &Limits,
    keep_going: &dyn Fn() -> bool,
) -> Result<Clip, Refusal> {
    if bytes.is_empty() {
        return Err(Refusal::Empty);
    }
    if bytes.len() > limits.max_input_bytes {
        return Err(Refusal::TooLarge { limit_bytes: limits.max_input_bytes });
    }
    let mut telephone = ToTelephone::default();
    decode::decode(bytes, limits.max_seconds, keep_going, &mut telephone)?;
    let samples = telephone.finish()?;
    let speech = trim::audible(&samples).ok_or(Refusal::Silent)?;
    let clip = Clip::from_samples(level::levelled(&samples[speech]));
    let actual_ms = clip.duration_ms();
    if actual_ms < u64::from(limits.min_ms) {
        return Err(Refusal::TooShort { actual_ms, minimum_ms: limits.min_ms });
    }
    Ok(clip)
}
