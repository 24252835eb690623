//! Sounds that far ends make: talk, beeps, the tones of keys and of networks. Made by arithmetic,
//! so that the same call sounds the same each time; nobody understands a word of it.

use std::f32::consts::{PI, TAU};

use media::SAMPLE_RATE_HZ;
use media::telephone_event::Key;

/// Rows and columns of the keys `123A456B789C*0#D`, hertz (ITU-T Q.23).
const ROWS_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS_HZ: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEYS: &str = "123A456B789C*0#D";
/// A sine of about -10 dBm0.
const AMPLITUDE: f32 = 7_000.0;

/// Nothing.
pub fn silence(ms: u32) -> Vec<i16> {
    vec![0; samples(ms)]
}

/// A pure tone.
pub fn tone(hz: f32, ms: u32) -> Vec<i16> {
    sines(&[hz], ms)
}

/// A tone and silence, so many times.
pub fn cadence(hz: f32, on_ms: u32, off_ms: u32, times: usize) -> Vec<i16> {
    [tone(hz, on_ms), silence(off_ms)].concat().repeat(times)
}

/// A key as two tones.
pub fn key(key: Key, ms: u32) -> Vec<i16> {
    let at = KEYS.find(key.as_char()).unwrap_or(0);
    sines(&[ROWS_HZ[at / 4], COLUMNS_HZ[at % 4]], ms)
}

/// Somebody talks without a pause longer than a breath: voiced syllables with two formants, the
/// pitch and the vowels drawn from `seed`.
pub fn talk(seed: u32, ms: u32) -> Vec<i16> {
    let (mut dice, mut sound) = (seed | 1, Vec::with_capacity(samples(ms)));
    let mut roll = |low: f32, high: f32| {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let sixteen = u16::try_from(dice >> 16).unwrap_or(0);
        low + f32::from(sixteen) / 65_536.0 * (high - low)
    };
    while sound.len() < samples(ms) {
        let (pitch, vowel) = (roll(100.0, 220.0), [roll(300.0, 800.0), roll(900.0, 2_200.0)]);
        let mut throat = vowel.map(|hz| Formant::new(hz, 120.0));
        let mut phase = 0.0_f32;
        for _ in 0..samples(140) {
            phase += pitch / rate();
            let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
            phase -= phase.floor();
            let voice: f32 = throat.iter_mut().map(|formant| formant.sound(pulse)).sum();
            sound.push(sample(5_000.0 * voice));
        }
        sound.extend(silence(20));
    }
    sound.truncate(samples(ms));
    sound
}

/// A resonance of the throat.
struct Formant {
    near: f32,
    far: f32,
    last: f32,
    before: f32,
}

impl Formant {
    fn new(hz: f32, width_hz: f32) -> Self {
        let radius = (-PI * width_hz / rate()).exp();
        let near = 2.0 * radius * (TAU * hz / rate()).cos();
        Self { near, far: radius * radius, last: 0.0, before: 0.0 }
    }

    fn sound(&mut self, source: f32) -> f32 {
        let next = source + self.near * self.last - self.far * self.before;
        (self.before, self.last) = (self.last, next);
        next
    }
}

fn sines(parts_hz: &[f32], ms: u32) -> Vec<i16> {
    // Phases are added up, so that a long tone stays exact.
    let mut phases = vec![0.0_f32; parts_hz.len()];
    let mut next = || {
        let mut sum = 0.0;
        for (phase, hz) in phases.iter_mut().zip(parts_hz) {
            sum += (TAU * *phase).sin();
            *phase = (*phase + hz / rate()).fract();
        }
        sample(AMPLITUDE * sum)
    };
    (0..samples(ms)).map(|_| next()).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "it was cut to 16 bits")]
fn sample(value: f32) -> i16 {
    value.clamp(-32_768.0, 32_767.0) as i16
}

fn samples(ms: u32) -> usize {
    usize::try_from(ms).unwrap_or(0) * 8
}

fn rate() -> f32 {
    f32::from(u16::try_from(SAMPLE_RATE_HZ).expect("8000 has 16 bits"))
}
