//! Keys in the sound within the limits of ITU-T Q.24, who answered, and what a network says. All
//! sounds are made here and go through A-law, as on a line.

use std::f32::consts::TAU;

use media::codec::pcma;
use media::detect::answering_machine::{AnsweringMachine, Heard, Timing, Verdict};
use media::detect::progress::{Progress, ProgressListener, TONES_425};
use media::detect::tone::ToneKeys;

const KEYS: &str = "123A456B789C*0#D";
const ROWS_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS_HZ: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const RATE: f32 = 8_000.0;

/// Numbers that look random: SplitMix64.
struct Dice(u64);

impl Dice {
    /// Between -1 and 1.
    fn roll(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        f32::from(u16::try_from((mixed ^ (mixed >> 31)) >> 48).unwrap()) / 32_767.5 - 1.0
    }

    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + f32::midpoint(self.roll(), 1.0) * (high - low)
    }
}

/// The amplitude of a sine of so many dBm0 (G.711: full scale is +3.14 dBm0).
fn amplitude(dbm0: f32) -> f32 {
    22_800.0 * 10.0_f32.powf(dbm0 / 20.0)
}

fn count(ms: u32) -> usize {
    usize::try_from(ms * 8).unwrap()
}

/// The time of each of so many samples, seconds.
fn times(samples: usize) -> impl Iterator<Item = f32> {
    (0..samples).map(|at| f32::from(u16::try_from(at % 40_000).unwrap()) / RATE)
}

fn sines(parts: &[(f32, f32)], ms: u32) -> Vec<f32> {
    let value = |t: f32| parts.iter().map(|(hz, level)| level * (TAU * hz * t).sin()).sum();
    times(count(ms)).map(value).collect()
}

fn silence(ms: u32) -> Vec<f32> {
    vec![0.0; count(ms)]
}

/// A key with its tones off by these parts, and at these levels.
fn key(name: char, off: (f32, f32), dbm0: (f32, f32), ms: u32) -> Vec<f32> {
    let at = KEYS.find(name).unwrap();
    let (row, column) = (ROWS_HZ[at / 4] * (1.0 + off.0), COLUMNS_HZ[at % 4] * (1.0 + off.1));
    sines(&[(row, amplitude(dbm0.0)), (column, amplitude(dbm0.1))], ms)
}

#[expect(clippy::cast_possible_truncation, reason = "rounded and within 16 bits")]
fn line(sound: &[f32]) -> Vec<i16> {
    let linear = sound.iter().map(|value| value.clamp(-32_768.0, 32_767.0).round() as i16);
    linear.map(|sample| pcma::decode(pcma::encode(sample))).collect()
}

fn keys(sound: &[f32]) -> String {
    let mut found = String::new();
    let mut detector = ToneKeys::new();
    for portion in line(sound).chunks(160) {
        detector.listen(portion, |key| found.push(key.as_char()));
    }
    found
}

/// Silence of an odd length, a key, and silence again.
fn pressed(name: char, off: (f32, f32), dbm0: (f32, f32), ms: u32, shift: usize) -> String {
    let mut sound = vec![0.0; 800 + shift];
    sound.extend(key(name, off, dbm0, ms));
    sound.extend(silence(100));
    keys(&sound)
}

#[test]
fn every_key_of_40_ms_is_found_at_all_levels_and_within_a_frequency_of_one_and_a_half_percent() {
    for name in KEYS.chars() {
        for level in [-3.0, -10.0, -20.0, -30.0] {
            for off in [(0.0, 0.0), (0.015, 0.015), (-0.015, -0.015), (0.015, -0.015)] {
                for shift in (0..60).step_by(7) {
                    let found = pressed(name, off, (level, level), 40, shift);
                    assert_eq!(found, name.to_string(), "{level} dBm0, {off:?}, {shift}");
                }
            }
        }
    }
}

#[test]
fn a_tone_that_is_three_and_a_half_percent_off_is_no_key() {
    for name in KEYS.chars() {
        for off in [(0.035, 0.0), (-0.035, 0.0), (0.0, 0.035), (0.0, -0.035), (0.035, 0.035)] {
            for ms in [40, 100, 1_000] {
                assert_eq!(pressed(name, off, (-10.0, -10.0), ms, 13), "", "{name} {off:?} {ms}");
            }
        }
    }
}

#[test]
fn twist_is_tolerated_up_to_8_db_and_4_db_and_no_further() {
    for name in KEYS.chars() {
        for dbm0 in [(-10.0, -17.0), (-10.0, -7.0)] {
            assert_eq!(pressed(name, (0.0, 0.0), dbm0, 60, 3), name.to_string(), "{dbm0:?}");
        }
        for dbm0 in [(-10.0, -19.5), (-10.0, -4.5)] {
            assert_eq!(pressed(name, (0.0, 0.0), dbm0, 60, 3), "", "{dbm0:?}");
        }
        assert_eq!(pressed(name, (0.0, 0.0), (-40.0, -40.0), 100, 3), "", "too quiet");
        assert_eq!(pressed(name, (0.0, 0.0), (-10.0, -90.0), 100, 3), "", "one tone alone");
    }
}

#[test]
fn shorter_than_20_ms_is_no_key_and_a_gap_of_10_ms_is_no_pause() {
    for name in KEYS.chars() {
        for shift in (0..60).step_by(4) {
            assert_eq!(pressed(name, (0.0, 0.0), (-10.0, -10.0), 20, shift), "", "{shift}");
        }
        let half = || key(name, (0.0, 0.0), (-10.0, -10.0), 60);
        let broken = [silence(50), half(), silence(10), half(), silence(50)].concat();
        assert_eq!(keys(&broken), name.to_string(), "one press with a gap");
        let twice = [silence(50), half(), silence(40), half(), silence(50)].concat();
        assert_eq!(keys(&twice), format!("{name}{name}"), "two presses");
    }
    let long = [key('5', (0.0, 0.0), (-10.0, -10.0), 5_000), silence(50)].concat();
    assert_eq!(keys(&long), "5", "a key that is held is pressed once");
}

#[test]
fn a_number_dialled_as_fast_as_allowed_is_read_in_noise() {
    let mut dice = Dice(7);
    for _ in 0..20 {
        let mut sound = silence(55);
        for name in KEYS.chars() {
            let level = dice.between(-20.0, -5.0);
            sound.extend(key(name, (0.008, -0.008), (level, level), 50));
            sound.extend(silence(45));
        }
        // Both tones together are 3 dB above one; the noise is 15 dB below both. Uniform noise of
        // peak P has the energy P²/3, a sine of amplitude A has A²/2.
        let peak = (3.0_f32 / 2.0).sqrt() * amplitude(-20.0 + 3.0 - 15.0);
        for sample in &mut sound {
            *sample += peak * dice.roll();
        }
        assert_eq!(keys(&sound), KEYS);
    }
}

/// Talk: voiced syllables with three formants, hisses, and pauses.
fn talk(dice: &mut Dice, ms: u32) -> Vec<f32> {
    let mut sound = Vec::with_capacity(count(ms));
    while sound.len() < count(ms) {
        let syllable = count(80) + usize::from(dice.roll() > 0.0) * count(120);
        let voiced = dice.roll() > -0.6;
        let pitch = dice.between(85.0, 320.0);
        let glide = dice.between(-0.3, 0.3);
        let formants = [
            (dice.between(280.0, 900.0), 90.0),
            (dice.between(850.0, 2_300.0), 120.0),
            (dice.between(2_300.0, 3_300.0), 180.0),
        ];
        let mut filters = formants.map(|(hz, width)| {
            let radius = (-std::f32::consts::PI * width / RATE).exp();
            (2.0 * radius * (TAU * hz / RATE).cos(), radius * radius, 0.0_f32, 0.0_f32)
        });
        let (mut phase, loudness) = (0.0_f32, dice.between(2_000.0, 9_000.0));
        for t in times(syllable) {
            phase += pitch * (1.0 + glide * t * 5.0) / RATE;
            let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
            phase -= phase.floor();
            let source = if voiced { pulse } else { 0.3 * dice.roll() };
            let mut voice = 0.0;
            for (a, b, y1, y2) in &mut filters {
                let y0 = source + *a * *y1 - *b * *y2;
                (*y2, *y1) = (*y1, y0);
                voice += y0;
            }
            sound.push((loudness * voice).clamp(-30_000.0, 30_000.0));
        }
        sound.extend(vec![0.0; count(10) * usize::from(dice.roll() > 0.3)]);
    }
    sound.truncate(count(ms));
    sound
}

#[test]
fn four_minutes_of_talk_and_of_noise_hold_no_key() {
    let mut dice = Dice(11);
    let talked = talk(&mut dice, 180_000);
    let loud = talked.iter().filter(|sample| sample.abs() > 500.0).count();
    assert!(loud > talked.len() / 5, "it is loud enough to matter: {loud}");
    assert_eq!(keys(&talked), "");
    let noise: Vec<f32> = (0..count(60_000)).map(|_| 12_000.0 * dice.roll()).collect();
    assert_eq!(keys(&noise), "");
}

#[test]
fn any_bytes_are_only_noise() {
    let mut detector = ToneKeys::new();
    let mut machine = AnsweringMachine::new(Timing::default(), vec![]);
    let mut progress = ProgressListener::new(TONES_425.to_vec());
    let extremes: Vec<i16> =
        (0..8_000).map(|at| if at % 2 == 0 { i16::MIN } else { i16::MAX }).collect();
    for samples in [&extremes[..], &[i16::MIN; 8_000], &[0; 8_000], &[]] {
        detector.listen(samples, |key| panic!("{key:?}"));
        machine.listen(samples, |_| {});
        progress.listen(samples);
    }
    assert!(matches!(progress.heard(), None | Some(Progress::Announcement)));
}

/// What was heard, with the milliseconds at which it was.
fn answered_by(sound: &[f32]) -> Vec<(u32, Heard)> {
    let (mut found, mut ms) = (Vec::new(), 0);
    let mut detector = AnsweringMachine::new(Timing::default(), vec![425]);
    for portion in line(sound).chunks(80) {
        ms += 10;
        detector.listen(portion, |heard| found.push((ms, heard)));
    }
    found
}

fn beep(hz: f32, ms: u32) -> Vec<f32> {
    sines(&[(hz, amplitude(-12.0))], ms)
}

#[test]
fn who_answered_is_told_from_how_they_speak() {
    let mut table = [[0_u32; 3]; 3];
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let wait = count(300) + usize::from(dice.roll() > 0.0) * count(500);
        let word = |dice: &mut Dice, low: u32| {
            let longer = dice.roll() > 0.0;
            talk(dice, low + 200 * u32::from(longer))
        };
        // A person says a word; a machine goes on; a listener says nothing.
        let person = [vec![0.0; wait], word(&mut dice, 250), silence(6_000)].concat();
        let machine = [vec![0.0; wait], word(&mut dice, 3_000), silence(700)].concat();
        let noise: Vec<f32> = (0..count(6_000)).map(|_| 150.0 * dice.roll()).collect();
        for (row, sound) in [person, machine, noise].iter().enumerate() {
            let verdict = answered_by(sound).into_iter().find_map(|(_, heard)| match heard {
                Heard::Verdict(verdict) => Some(verdict),
                Heard::Beep => None,
            });
            let column = match verdict {
                Some(Verdict::Person) => 0,
                Some(Verdict::Machine) => 1,
                Some(Verdict::Unsure) | None => 2,
            };
            table[row][column] += 1;
        }
    }
    println!("               person machine unsure");
    for (name, row) in ["a person", "a machine", "a listener"].iter().zip(table) {
        println!("{name:>12} {:>8} {:>7} {:>6}", row[0], row[1], row[2]);
    }
    assert!(table[0][0] >= 57, "persons: {table:?}");
    assert!(table[1][1] >= 57, "machines: {table:?}");
    assert_eq!(table[2], [0, 0, 60], "listeners: {table:?}");
}

#[test]
fn a_beep_is_told_when_it_is_over_and_nothing_else_is_a_beep() {
    for (hz, ms) in [(1_000.0, 150), (440.0, 400), (1_400.0, 250), (2_000.0, 1_200)] {
        let mut dice = Dice(3);
        let greeting = talk(&mut dice, 2_500);
        let sound = [greeting, silence(200), beep(hz, ms), silence(1_000)].concat();
        let heard = answered_by(&sound);
        assert_eq!(heard[0].1, Heard::Verdict(Verdict::Machine));
        let beeps: Vec<u32> =
            heard.iter().filter(|(_, heard)| *heard == Heard::Beep).map(|(at, _)| *at).collect();
        assert_eq!(beeps.len(), 1, "{hz} {heard:?}");
        assert!((60..=120).contains(&(beeps[0] - 2_700 - ms)), "{hz}: {beeps:?}");
    }
    let mut dice = Dice(5);
    let none = [
        talk(&mut dice, 60_000),
        [beep(1_000.0, 80), silence(500)].concat(),
        [beep(1_000.0, 3_000), silence(500)].concat(),
        [beep(425.0, 500), silence(500), beep(425.0, 500), silence(500)].concat(),
        [key('5', (0.0, 0.0), (-10.0, -10.0), 300), silence(500)].concat(),
        [beep(1_000.0, 300), talk(&mut dice, 2_000)].concat(),
    ];
    for (row, sound) in none.iter().enumerate() {
        let heard = answered_by(sound);
        assert!(heard.iter().all(|(_, heard)| *heard != Heard::Beep), "{row}: {heard:?}");
    }
}

#[test]
fn ringing_busy_congestion_and_announcements_are_told_apart() {
    let cadence = |on: u32, off: u32, times: usize| {
        [sines(&[(428.0, amplitude(-14.0))], on), silence(off)].concat().repeat(times)
    };
    let heard = |sound: &[f32]| {
        let mut listener = ProgressListener::new(TONES_425.to_vec());
        line(sound).chunks(160).for_each(|portion| listener.listen(portion));
        listener.heard()
    };
    assert_eq!(heard(&cadence(1_000, 4_000, 2)), Some(Progress::Ringing));
    assert_eq!(heard(&cadence(500, 500, 4)), Some(Progress::Busy));
    assert_eq!(heard(&cadence(250, 250, 6)), Some(Progress::Congestion));
    assert_eq!(heard(&sines(&[(425.0, amplitude(-14.0))], 8_000)), None, "no cadence");
    assert_eq!(heard(&cadence(700, 2_000, 3)), None, "another network's");
    assert_eq!(heard(&silence(5_000)), None);
    let mut dice = Dice(9);
    assert_eq!(heard(&talk(&mut dice, 4_000)), Some(Progress::Announcement));
    let ringing_first = [cadence(1_000, 4_000, 1), talk(&mut dice, 4_000)].concat();
    assert_eq!(heard(&ringing_first), Some(Progress::Announcement));
}
