//! Files made to harm: each ends in a clip or a refusal, soon, and never in a panic.

use audio::{Limits, Refusal, telephone_clip, telephone_clip_while};

use crate::support::{UPLOADS, fixture, tone, wav};

/// Files of each format that are cut and changed.
const CUTS: usize = 40;
const MUTANTS: u64 = 120;
/// Files whose header tells how long they are, so that a cut is noticed.
const TELLING_THEIR_LENGTH: [&str; 6] =
    ["reference.wav", "mulaw.wav", "alaw.wav", "ima.wav", "speech.flac", "speech.m4a"];

/// A small generator of our own (SplitMix64), so that a failing seed stays the same file for ever.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// Runs one file: coming back is the test.
fn survive(bytes: &[u8]) -> Result<(), Refusal> {
    let limits = Limits { max_seconds: 30, ..Limits::default() };
    telephone_clip(bytes, &limits).map(|_| ())
}

#[test]
fn cut_files_are_refused_or_shorter() {
    for name in UPLOADS {
        let file = fixture(name);
        let mut clips = 0;
        for cut in 0..CUTS {
            // Every byte of the start, where headers are, then even steps.
            let length = if cut < 20 { cut } else { file.len() * (cut - 19) / (CUTS - 18) };
            clips += usize::from(survive(&file[..length]).is_ok());
        }
        if TELLING_THEIR_LENGTH.contains(&name) {
            assert!(clips <= 6, "{name}: {clips} cut files were taken for whole");
        }
    }
}

/// Changes each file at random, many times; gives how many became clips all the same.
fn mutate(names: &[&str]) -> usize {
    let mut clips = 0;
    for name in names {
        let file = fixture(name);
        for seed in 0..MUTANTS {
            clips += usize::from(survive(&mutant(&file, &mut Random(seed))).is_ok());
        }
    }
    clips
}

/// Up to a dozen changed bytes and, in a quarter of the cases, a piece cut out.
fn mutant(file: &[u8], random: &mut Random) -> Vec<u8> {
    let mut mutant = file.to_vec();
    for _ in 0..=random.below(12) {
        // Half of the changes in the first kilobyte, where the structure is.
        let reach = if random.below(2) == 0 { 1_024 } else { mutant.len() };
        let at = random.below(reach.min(mutant.len()));
        mutant[at] = match random.below(4) {
            0 => 0,
            1 => 0xff,
            2 => mutant[at] ^ (1 << random.below(8)),
            _ => random.next() as u8,
        };
    }
    if random.below(4) == 0 {
        let at = random.below(mutant.len());
        let length = random.below(64).min(mutant.len() - at);
        mutant.drain(at..at + length);
    }
    mutant
}

#[test]
fn changed_wav_and_flac_files_do_no_harm() {
    let clips = mutate(&["reference.wav", "mulaw.wav", "alaw.wav", "ima.wav", "speech.flac"]);
    assert!(clips > 300, "{clips}: a small fault should not cost the message");
}

#[test]
fn changed_mp3_and_aac_files_do_no_harm() {
    let clips = mutate(&["cbr.mp3", "vbr.mp3", "speech.m4a", "fragmented.mp4", "speech.aac"]);
    assert!(clips > 200, "{clips}: a small fault should not cost the message");
}

#[test]
fn changed_ogg_and_webm_files_do_no_harm() {
    let clips = mutate(&["vorbis.ogg", "opus.ogg", "live.webm"]);
    assert!(clips > 20, "{clips}: a small fault should not cost the message");
}

/// A WebM file whose only cluster holds `count` Opus packets of one byte, each of which is 120 ms
/// of "nothing was sent" (RFC 6716, 3.2.3: two empty frames).
fn webm_of_nothing(track: u8, count: usize) -> Vec<u8> {
    let live = fixture("live.webm");
    let cluster_id = [0x1f, 0x43, 0xb6, 0x75];
    let cluster = live.windows(4).position(|bytes| bytes == cluster_id).expect("a cluster");
    let mut file = live[..cluster].to_vec();
    file.extend(cluster_id);
    file.extend([0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    file.extend([0xe7, 0x81, 0x00]);
    for _ in 0..count {
        file.extend([0xa3, 0x85, 0x80 | track, 0x00, 0x00, 0x80, 0x19]);
    }
    file
}

#[test]
fn hours_in_a_small_file_stop_at_the_limit() {
    let bomb = webm_of_nothing(1, 100_000);
    assert!(bomb.len() < 1_000_000, "more than three hours in less than a megabyte");
    let asked = std::cell::Cell::new(0);
    let keep_going = || {
        asked.set(asked.get() + 1);
        true
    };
    let limits = Limits { max_seconds: 60, ..Limits::default() };
    let refusal = telephone_clip_while(&bomb, &limits, &keep_going);
    assert_eq!(refusal, Err(Refusal::TooLong { limit_seconds: 60 }));
    assert!(asked.get() < 510, "{} packets for 60 s of 120 ms", asked.get());

    let slow = wav(1, 1, 4_000, 8, &vec![0x55; 4_000 * 70]);
    assert_eq!(telephone_clip(&slow, &limits), Err(Refusal::TooLong { limit_seconds: 60 }));
}

#[test]
fn packets_of_a_track_that_is_not_there_are_no_audio() {
    let answer = survive(&webm_of_nothing(2, 100_000));
    assert!(matches!(answer, Err(Refusal::Broken { .. })), "{answer:?}");
}

#[test]
fn absurd_wav_headers_are_refused() {
    let data = tone(440.0, 8_000, 1, 0.5);
    for (tag, channels, rate, bits) in [
        (1, 0, 8_000, 16),
        (1, 1, 0, 16),
        (1, 1, u32::MAX, 16),
        (1, 1, 8_000, 0),
        (1, 1, 8_000, 65_528),
        (1, 255, 8_000, 16),
        (0x11, 1, 8_000, 4),
        (0xffff, 1, 8_000, 16),
        (1, 1, 1_000, 16),
        (1, 1, 500_000, 16),
    ] {
        let name = format!("tag {tag}, {channels} channels, {rate} Hz, {bits} bits");
        let file = wav_unchecked(tag, channels, rate, bits, &data);
        let answer = survive(&file);
        assert!(answer.is_err(), "{name}");
    }
}

/// [`wav`] for fields that cannot be multiplied.
fn wav_unchecked(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let mut file = wav(tag, 1, rate, 16, data);
    file[22..24].copy_from_slice(&channels.to_le_bytes());
    file[32..34].copy_from_slice(&channels.wrapping_mul(bits / 8).to_le_bytes());
    file[34..36].copy_from_slice(&bits.to_le_bytes());
    file
}

#[test]
fn floats_that_are_no_numbers_are_silence() {
    let mut data = Vec::new();
    for i in 0..8_000_u16 {
        let sample = match i % 4 {
            0 => f32::NAN,
            1 => f32::INFINITY,
            2 => f32::MAX,
            _ => -0.3,
        };
        data.extend(sample.to_le_bytes());
    }
    survive(&wav(3, 1, 8_000, 32, &data)).expect("the rest is sound");
    let answer = survive(&wav(3, 1, 8_000, 32, &vec![0xff; 32_000]));
    assert_eq!(answer, Err(Refusal::Silent));
}

#[test]
fn a_rate_that_shares_nothing_with_ours_is_still_quick() {
    // 191,999 is prime: the filter is as large as it gets.
    let file = wav(1, 1, 191_999, 16, &tone(440.0, 191_999, 1, 1.0));
    survive(&file).expect("odd but honest");
}
