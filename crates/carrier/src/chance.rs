//! Numbers that look random and depend on the secret alone.

/// SplitMix64 (Steele, Lea and Flood 2014). Decides losses and starting points of RTP; nothing
/// that must stay secret comes from here.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let seed = secret.chunks_exact(8).fold(0_u64, |seed, chunk| {
            let word = u64::from_le_bytes(chunk.try_into().expect("chunks are 8 bytes"));
            Self(seed ^ word).next()
        });
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn next_u32(&mut self) -> u32 {
        u32::try_from(self.next() >> 32).expect("the upper half has 32 bits")
    }

    /// True in `percent` of 100 cases. What never happens takes no number from the sequence.
    pub(crate) fn happens(&mut self, percent: u8) -> bool {
        percent > 0 && self.next() % 100 < u64::from(percent)
    }
}
