//! Finds where a recording begins and ends to be audible.

use std::ops::Range;

/// Samples of one judged frame: 20 ms at 8 kHz.
const FRAME: usize = 160;
/// What is kept on either side of the audible part: 100 ms, so that no soft consonant is cut.
const MARGIN: usize = 800;
/// A frame at or below this is silence, in dBFS (RMS).
const SILENCE_DBFS: f32 = -45.0;
/// In a quiet recording silence is this far below the loudest frame, in dB, so that low gain at the
/// microphone does not swallow the speech.
const SILENCE_BELOW_PEAK_DB: f32 = 30.0;
/// When even the loudest frame is below this, in dBFS, nobody would hear the recording.
const INAUDIBLE_DBFS: f32 = -60.0;

/// The part of 8 kHz audio to keep, or `None` when all of it is silent.
pub(crate) fn audible(samples: &[f32]) -> Option<Range<usize>> {
    let levels: Vec<f32> = samples.chunks(FRAME).map(level_dbfs).collect();
    let loudest = levels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if loudest < INAUDIBLE_DBFS {
        return None;
    }
    let threshold = SILENCE_DBFS.min(loudest - SILENCE_BELOW_PEAK_DB);
    let first = levels.iter().position(|&level| level > threshold)?;
    let last = levels.iter().rposition(|&level| level > threshold)?;
    let start = (first * FRAME).saturating_sub(MARGIN);
    let end = ((last + 1) * FRAME).saturating_add(MARGIN).min(samples.len());
    Some(start..end)
}

/// RMS level of a frame in dB relative to full scale.
fn level_dbfs(frame: &[f32]) -> f32 {
    let energy: f64 = frame.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
    #[expect(clippy::cast_precision_loss, reason = "a frame has at most 160 samples")]
    let mean = energy / frame.len() as f64;
    #[expect(clippy::cast_possible_truncation, reason = "decibels need no more than f32")]
    let level = (10.0 * mean.log10()) as f32;
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(amplitude: f32, len: usize) -> impl Iterator<Item = f32> {
        (0..len).map(move |i| if i % 2 == 0 { amplitude } else { -amplitude })
    }

    #[test]
    fn silence_is_cut_but_for_100_ms() {
        let mut samples = vec![0.0; 8_000];
        samples.extend(tone(0.3, 4_000));
        samples.extend(vec![0.001; 16_000]);
        assert_eq!(audible(&samples), Some(7_200..12_800));
    }

    #[test]
    fn a_quiet_recording_is_judged_by_its_own_level() {
        let mut samples: Vec<f32> = tone(0.000_1, 8_000).collect();
        samples.extend(tone(0.004, 4_000));
        assert_eq!(audible(&samples), Some(7_200..12_000));
    }

    #[test]
    fn silence_alone_is_nothing() {
        assert_eq!(audible(&[]), None);
        assert_eq!(audible(&vec![0.0; 8_000]), None);
        assert_eq!(audible(&tone(0.000_5, 8_000).collect::<Vec<_>>()), None);
    }
}
