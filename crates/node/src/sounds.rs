//! Sounds that are made and not spoken: the tone of a phone that rings, and music for who waits.

use std::f64::consts::TAU;

/// Samples in a second.
const RATE: usize = 8_000;
/// The loudest sample: about -16 dBm0, as speech is.
const LOUD: f64 = 5_000.0;
/// How fast a note of the music fades: to a third in so many seconds.
const FADE_S: f64 = 0.6;
/// The notes of the music, hertz: a pentatonic scale, up and down.
const NOTES: [f64; 16] = [
    440.0, 523.25, 587.33, 659.26, 783.99, 659.26, 587.33, 523.25, 440.0, 392.0, 440.0, 523.25,
    659.26, 587.33, 523.25, 392.0,
];
/// How long each note sounds, samples.
const NOTE: usize = RATE / 2;

/// A period of the tone of a phone that rings in Iran: a second of 425 Hz, four of silence.
pub(crate) fn ringback() -> Vec<i16> {
    let tone = (0..RATE).map(|n| sample(LOUD * (TAU * 425.0 * seconds(n)).sin()));
    tone.chain(std::iter::repeat_n(0, 4 * RATE)).collect()
}

/// Eight seconds of a plucked melody, to be played over and over.
pub(crate) fn music() -> Vec<i16> {
    let note = |hertz: f64| {
        (0..NOTE).map(move |n| {
            let at = seconds(n);
            let swell = (at * 80.0).min(1.0) * (-at / FADE_S).exp();
            let wave = (TAU * hertz * at).sin() + 0.3 * (TAU * 2.0 * hertz * at).sin();
            sample(LOUD * 0.75 * swell * wave)
        })
    };
    NOTES.into_iter().flat_map(note).collect()
}

fn seconds(samples: usize) -> f64 {
    let samples = u32::try_from(samples).expect("a sound is a few seconds");
    f64::from(samples) / 8_000.0
}

#[expect(clippy::cast_possible_truncation, reason = "no sound is louder than a sample may be")]
fn sample(level: f64) -> i16 {
    level as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: neither clips, and what is heard is a tone and a melody, not silence.
    #[test]
    fn sounds_are_heard_and_not_too_loud() {
        for sound in [ringback(), music()] {
            let loudest = sound.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
            assert!((2_000..=5_000).contains(&loudest), "{loudest}");
        }
        assert_eq!((ringback().len(), music().len()), (5 * RATE, 8 * RATE));
        assert!(ringback()[RATE..].iter().all(|sample| *sample == 0));
    }
}
