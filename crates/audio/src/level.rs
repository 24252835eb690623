//! Brings speech to the loudness of a telephone call (EBU R 128 measurement).

use ebur128::{EbuR128, Mode};

use crate::SAMPLE_RATE;

/// Integrated loudness aimed at, in LUFS (for clips too short to measure: RMS in dBFS).
const AIM_LUFS: f64 = -19.0;
/// Highest true peak left, in dBTP. G.711 clips at +3.14 dBm0; the margin is for resampling on the
/// way and for the 3 dB that A-law adds in the far end's decoder.
const PEAK_DBTP: f64 = -3.0;
/// Loudest amplification, in dB: beyond it we would only raise the room's noise.
const MAX_GAIN_DB: f64 = 30.0;

/// The samples at the aimed loudness, as 16-bit integers. The peak limit wins over the aim, so a
/// clip with one loud click stays quieter rather than clipped.
pub(crate) fn levelled(samples: &[f32]) -> Vec<i16> {
    let gain = gain(samples);
    samples
        .iter()
        .map(|&sample| {
            let scaled = f64::from(sample) * gain * f64::from(i16::MAX);
            #[expect(clippy::cast_possible_truncation, reason = "clamped to i16's range")]
            let integer = scaled.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16;
            integer
        })
        .collect()
}

/// The factor that brings `samples` to the aim, as far as the peak allows.
fn gain(samples: &[f32]) -> f64 {
    let (loudness, peak) = measure(samples).unwrap_or_else(|| plain_measure(samples));
    if !loudness.is_finite() || !peak.is_finite() || peak <= 0.0 {
        return 1.0;
    }
    let wanted_db = (AIM_LUFS - loudness).min(MAX_GAIN_DB);
    let allowed_db = PEAK_DBTP - 20.0 * peak.log10();
    10_f64.powf(wanted_db.min(allowed_db) / 20.0)
}

/// Integrated loudness in LUFS and the true peak as a factor of full scale; `None` when the clip
/// is too short for one gating block (400 ms) or wholly below the gate.
fn measure(samples: &[f32]) -> Option<(f64, f64)> {
    let mut meter = EbuR128::new(1, SAMPLE_RATE, Mode::I | Mode::TRUE_PEAK).ok()?;
    meter.add_frames_f32(samples).ok()?;
    let loudness = meter.loudness_global().ok().filter(|loudness| loudness.is_finite())?;
    Some((loudness, meter.true_peak(0).ok()?))
}

/// RMS in dBFS and the sample peak, for clips too short for the standard's measure.
fn plain_measure(samples: &[f32]) -> (f64, f64) {
    let energy: f64 = samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
    let peak = samples.iter().fold(0.0_f64, |peak, &s| peak.max(f64::from(s).abs()));
    #[expect(clippy::cast_precision_loss, reason = "clips are far shorter than 2^52 samples")]
    let mean = energy / samples.len().max(1) as f64;
    (10.0 * mean.log10(), peak)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(amplitude: f32, hertz: f32, len: u16) -> Vec<f32> {
        (0..len)
            .map(|i| amplitude * (std::f32::consts::TAU * hertz * f32::from(i) / 8000.0).sin())
            .collect()
    }

    fn as_f32(samples: &[i16]) -> Vec<f32> {
        samples.iter().map(|&s| f32::from(s) / 32_767.0).collect()
    }

    #[test]
    fn loud_and_quiet_clips_meet_at_the_aim() {
        for amplitude in [0.9, 0.1, 0.02] {
            let out = as_f32(&levelled(&sine(amplitude, 500.0, 16_000)));
            let (loudness, peak) = measure(&out).expect("two seconds are enough");
            assert!((loudness - AIM_LUFS).abs() < 0.2, "{amplitude}: {loudness} LUFS");
            assert!(20.0 * peak.log10() <= PEAK_DBTP + 0.05);
        }
    }

    #[test]
    fn the_peak_wins_over_the_aim() {
        let mut samples = sine(0.01, 500.0, 16_000);
        samples[8_000] = 0.9;
        let out = as_f32(&levelled(&samples));
        let (_, peak) = measure(&out).expect("two seconds are enough");
        assert!(20.0 * peak.log10() <= PEAK_DBTP + 0.05, "{peak}");
    }

    #[test]
    fn a_short_clip_is_levelled_by_rms() {
        let out = as_f32(&levelled(&sine(0.01, 500.0, 1_600)));
        let (rms, _) = plain_measure(&out);
        assert!((rms - AIM_LUFS).abs() < 0.2, "{rms}");
    }

    #[test]
    fn silence_and_nothing_stay_as_they_are() {
        assert_eq!(levelled(&[]), Vec::<i16>::new());
        assert_eq!(levelled(&[0.0; 100]), vec![0; 100]);
    }
}
