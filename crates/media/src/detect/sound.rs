//! What ten milliseconds sound like: how loud, and whether they are one pure tone.

use crate::SAMPLE_RATE_HZ;

/// Samples of a block.
pub(super) const BLOCK: usize = 80;
/// How long a block is, milliseconds.
pub(super) const BLOCK_MS: u32 = 10;
/// The least share of a block's energy that one frequency has in a pure tone.
const PURE_LEAST: f32 = 0.8;

/// One block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sound {
    /// The mean of the samples' magnitudes.
    pub(super) level: f32,
    /// The frequency, hertz, when four fifths of the energy are in one.
    pub(super) tone_hz: Option<f32>,
}

impl Sound {
    pub(super) fn of(block: &[f32; BLOCK], silence_level: u16) -> Self {
        let level = block.iter().map(|sample| sample.abs()).sum::<f32>() / 80.0;
        let loud = level >= f32::from(silence_level);
        Self { level, tone_hz: if loud { pure_tone_hz(block) } else { None } }
    }
}

/// A sine obeys x[n] + x[n-2] = 2·cos(ω)·x[n-1]: the cosine that fits best names a frequency, and
/// one resonator (Goertzel) tells how much of the energy is there.
fn pure_tone_hz(block: &[f32; BLOCK]) -> Option<f32> {
    let (mut with, mut own) = (0.0_f32, 0.0_f32);
    for trio in block.windows(3) {
        with += trio[1] * (trio[0] + trio[2]);
        own += trio[1] * trio[1];
    }
    let twice_cosine = with / own.max(1.0);
    if twice_cosine.abs() >= 2.0 {
        return None;
    }
    let (mut s1, mut s2) = (0.0_f32, 0.0_f32);
    for sample in block {
        (s1, s2) = (sample + twice_cosine * s1 - s2, s1);
    }
    let found = s1 * s1 + s2 * s2 - twice_cosine * s1 * s2;
    let energy = block.iter().map(|sample| sample * sample).sum::<f32>();
    // A sine of amplitude A has |X|² = (A/2 · 80)² and the energy 80 · A²/2.
    if found / (energy.max(1.0) * 40.0) < PURE_LEAST {
        return None;
    }
    let rate = f32::from(u16::try_from(SAMPLE_RATE_HZ).expect("8000 has 16 bits"));
    Some((twice_cosine / 2.0).acos() / std::f32::consts::TAU * rate)
}
