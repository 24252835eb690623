//! Sound in the codecs of every trunk: encoded once, played by thousands of calls.

use std::sync::{Arc, OnceLock};

use media::{Codec, EncodedClip};

/// Sound in every codec, built once and shared by every call that plays it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip {
    pcma: Arc<EncodedClip>,
    pcmu: Arc<EncodedClip>,
    /// Encoded when it is first asked for: few trunks want it.
    g722: OnceLock<Arc<EncodedClip>>,
}

impl Clip {
    /// Encodes linear samples at 8 kHz in the codecs of every trunk.
    pub fn from_samples(samples: &[i16]) -> Self {
        Self {
            pcma: Arc::new(EncodedClip::from_samples(Codec::Pcma, samples)),
            pcmu: Arc::new(EncodedClip::from_samples(Codec::Pcmu, samples)),
            g722: OnceLock::new(),
        }
    }

    /// The sound as linear samples at 8 kHz, as A-law kept it.
    pub fn samples(&self) -> Vec<i16> {
        Codec::Pcma.decode_all(self.pcma.encoded())
    }

    /// The beep before a recording: a fifth of a second of 1000 Hz.
    pub fn beep() -> Self {
        // Eight samples a period: sin(0°), sin(45°), …
        const PERIOD: [i16; 8] = [0, 5_657, 8_000, 5_657, 0, -5_657, -8_000, -5_657];
        Self::from_samples(&PERIOD.repeat(200))
    }

    /// The clip in one codec. Asked for the first time in G.722, it is encoded at some tens of
    /// nanoseconds a sample: [`Self::encode_for`] does that off the thread that paces packets.
    pub fn encoded(&self, codec: Codec) -> &Arc<EncodedClip> {
        match codec {
            Codec::Pcma => &self.pcma,
            Codec::Pcmu => &self.pcmu,
            Codec::G722 => self
                .g722
                .get_or_init(|| Arc::new(EncodedClip::from_samples(Codec::G722, &self.samples()))),
        }
    }

    /// Does all the encoding that a call with these codecs may need.
    pub fn encode_for(&self, codecs: &[Codec]) {
        for &codec in codecs {
            self.encoded(codec);
        }
    }

    /// Whether [`Self::encode_for`] has nothing left to do for these codecs.
    pub fn is_encoded(&self, codecs: &[Codec]) -> bool {
        !codecs.contains(&Codec::G722) || self.g722.get().is_some()
    }

    /// Bytes of audio that it holds now.
    pub fn bytes(&self) -> usize {
        let encoded = [Some(&self.pcma), Some(&self.pcmu), self.g722.get()];
        encoded.into_iter().flatten().map(|clip| clip.encoded().len()).sum()
    }

    /// How long it plays, milliseconds, rounded up to whole frames.
    pub fn duration_ms(&self) -> u32 {
        u32::try_from(self.pcma.duration_ms()).unwrap_or(u32::MAX)
    }
}
