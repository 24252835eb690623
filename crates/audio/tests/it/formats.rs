//! Every format we promise gives the same telephone audio, and a file that does not fit is refused
//! with the reason.

use audio::{Clip, Limits, Refusal, telephone_clip, telephone_clip_while};
use ebur128::{EbuR128, Mode};

use crate::support::{UPLOADS, fixture, likeness, tone, wav};

fn clip(bytes: &[u8]) -> Clip {
    telephone_clip(bytes, &Limits::default()).expect("a good file")
}

/// The least signal to noise against the reference, in dB. Codecs made for ears do not keep the
/// waveform (AAC also keeps a delay of half a sample), so each is held to what it gave when the
/// fixtures were made, less a little: a decoder that goes wrong falls to nothing.
fn least_snr_db(name: &str) -> f64 {
    match name {
        "reference.wav" => 100.0,
        "mulaw.wav" | "alaw.wav" | "speech.flac" => 35.0,
        "ima.wav" | "cbr.mp3" | "vbr.mp3" => 22.0,
        "vorbis.ogg" => 19.0,
        "speech.m4a" | "fragmented.mp4" | "speech.aac" => 12.0,
        "opus.ogg" | "live.webm" => 8.0,
        other => panic!("no bound for {other}"),
    }
}

#[test]
fn each_format_gives_the_sentence_that_was_spoken() {
    let reference = clip(&fixture("reference.wav"));
    for name in UPLOADS {
        let clip = clip(&fixture(name));
        let alike = likeness(reference.samples(), clip.samples());
        assert!(alike.snr_db >= least_snr_db(name), "{name}: {alike:?}");
        assert!(alike.correlation > 0.9 && alike.shift.abs() <= 40, "{name}: {alike:?}");
        let difference = clip.duration_ms().abs_diff(reference.duration_ms());
        assert!(difference <= 40, "{name}: {difference} ms");
    }
}

#[test]
fn each_clip_is_as_loud_as_the_others_and_never_clips() {
    for name in UPLOADS {
        let clip = clip(&fixture(name));
        let mut meter = EbuR128::new(1, 8_000, Mode::I | Mode::TRUE_PEAK).unwrap();
        let samples: Vec<f32> =
            clip.samples().iter().map(|&sample| f32::from(sample) / 32_767.0).collect();
        meter.add_frames_f32(&samples).unwrap();
        let loudness = meter.loudness_global().unwrap();
        let peak_db = 20.0 * meter.true_peak(0).unwrap().log10();
        assert!(peak_db <= -2.95, "{name}: {peak_db} dBTP");
        let at_aim = (loudness + 19.0).abs() < 0.3;
        let at_peak = (peak_db + 3.0).abs() < 0.1 && loudness < -19.0;
        assert!(at_aim || at_peak, "{name}: {loudness} LUFS, {peak_db} dBTP");
    }
}

#[test]
fn every_wav_encoding_is_read() {
    let reference = fixture("reference.wav");
    let samples = Clip::from_wav(&reference).unwrap().into_samples();
    let expected = clip(&reference);
    let as_bytes = |encode: &dyn Fn(i16) -> Vec<u8>| -> Vec<u8> {
        samples.iter().flat_map(|&sample| encode(sample)).collect()
    };
    let float = |sample: i16| f32::from(sample) / 32_768.0;
    let files = [
        ("u8", 20.0, wav(1, 1, 8_000, 8, &as_bytes(&|s| vec![((s >> 8) + 128) as u8]))),
        ("s16 stereo", 90.0, {
            let both = |s: i16| [s.to_le_bytes(), s.to_le_bytes()].concat();
            wav(1, 2, 8_000, 16, &as_bytes(&both))
        }),
        ("s24", 90.0, {
            let shifted = |s: i16| (i32::from(s) << 8).to_le_bytes()[..3].to_vec();
            wav(1, 1, 8_000, 24, &as_bytes(&shifted))
        }),
        ("s32", 90.0, {
            wav(1, 1, 8_000, 32, &as_bytes(&|s| (i32::from(s) << 16).to_le_bytes().to_vec()))
        }),
        ("f32", 90.0, wav(3, 1, 8_000, 32, &as_bytes(&|s| float(s).to_le_bytes().to_vec()))),
        ("f64", 90.0, {
            wav(3, 1, 8_000, 64, &as_bytes(&|s| f64::from(float(s)).to_le_bytes().to_vec()))
        }),
        ("quiet f32", 70.0, {
            let quiet = |s: i16| (float(s) * 0.05).to_le_bytes().to_vec();
            wav(3, 1, 8_000, 32, &as_bytes(&quiet))
        }),
    ];
    for (name, least_db, file) in files {
        let alike = likeness(expected.samples(), clip(&file).samples());
        assert!(alike.snr_db > least_db, "{name}: {alike:?}");
    }
}

#[test]
fn the_rate_and_the_pitch_are_right() {
    for (rate, channels) in [(8_000, 1), (16_000, 2), (44_100, 2), (48_000, 2), (96_000, 1)] {
        let clip = clip(&wav(1, channels, rate, 16, &tone(440.0, rate, channels, 1.5)));
        assert_eq!(clip.duration_ms(), 1_500, "{rate} Hz");
        let ups = clip.samples().windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
        assert!((658..=661).contains(&ups), "{rate} Hz: {ups} periods in 1.5 s of 440 Hz");
    }
}

#[test]
fn silence_around_the_speech_is_cut() {
    let mut data = vec![0; 3 * 16_000 * 2];
    data.extend(tone(500.0, 16_000, 1, 1.0));
    data.extend(vec![0; 5 * 16_000 * 2]);
    let length = clip(&wav(1, 1, 16_000, 16, &data)).duration_ms();
    assert!((1_190..=1_240).contains(&length), "{length} ms: one second and 100 ms either side");
}

#[test]
fn a_wav_written_to_a_pipe_has_no_length_and_is_read_to_its_end() {
    let expected = clip(&fixture("reference.wav"));
    for unknown in [u32::MAX, 0x7fff_ffff, 0x7fff_f000 + 36] {
        let mut piped = fixture("reference.wav");
        piped[4..8].copy_from_slice(&unknown.to_le_bytes());
        piped[40..44].copy_from_slice(&unknown.saturating_sub(36).to_le_bytes());
        assert_eq!(clip(&piped), expected, "{unknown:#x}");
    }
}

/// What Chromium's `MediaRecorder` wrote of the sentence, with its own clock and its Opus.
#[test]
fn a_recording_that_chromium_made_is_the_sentence_that_was_spoken() {
    let reference = clip(&fixture("reference.wav"));
    let recorded = clip(&fixture("chromium.webm"));
    let alike = likeness(reference.samples(), recorded.samples());
    assert!(alike.correlation > 0.9, "{alike:?}");
    let difference = recorded.duration_ms().abs_diff(reference.duration_ms());
    assert!(difference <= 100, "{difference} ms");
}

#[test]
fn a_recording_of_a_browser_ends_without_an_error_anywhere_it_is_cut() {
    let file = fixture("live.webm");
    let whole = clip(&file);
    let half = clip(&file[..file.len() / 2]);
    assert!(half.duration_ms() < whole.duration_ms() && half.duration_ms() > 500);
}

#[test]
fn refusals_say_what_is_wrong() {
    let refused = |bytes: &[u8], limits: &Limits| telephone_clip(bytes, limits).unwrap_err();
    let limits = Limits::default();
    let good = wav(1, 1, 8_000, 16, &tone(440.0, 8_000, 1, 2.0));

    assert_eq!(refused(&[], &limits), Refusal::Empty);
    let tiny = Limits { max_input_bytes: 1_000, ..limits.clone() };
    assert_eq!(refused(&good, &tiny), Refusal::TooLarge { limit_bytes: 1_000 });
    assert_eq!(refused(b"<html>not a sound</html>", &limits), Refusal::UnknownFormat);
    assert_eq!(refused(&vec![0; 100_000], &limits), Refusal::UnknownFormat);
    assert_eq!(refused(b"#!AMR\n\x3c\0\0", &limits), Refusal::Unsupported { what: "AMR".into() });

    let brief = Limits { max_seconds: 1, ..limits.clone() };
    assert_eq!(refused(&good, &brief), Refusal::TooLong { limit_seconds: 1 });
    let long = Limits { min_ms: 3_000, ..limits.clone() };
    let too_short = Refusal::TooShort { actual_ms: 2_000, minimum_ms: 3_000 };
    assert_eq!(refused(&good, &long), too_short);
    assert_eq!(refused(&wav(1, 1, 8_000, 16, &[0; 16_000]), &limits), Refusal::Silent);

    let cut = refused(&fixture("reference.wav")[..20_000], &limits);
    let expected = Refusal::Broken { detail: "it ends after 1.2 of 2.4 seconds".into() };
    assert_eq!(cut, expected, "half a message must not be played to people");
    assert_eq!(cut.to_string(), "the file is broken: it ends after 1.2 of 2.4 seconds");
}

#[test]
fn decoding_stops_when_the_caller_says_so() {
    let calls = std::cell::Cell::new(0);
    let keep_going = || {
        calls.set(calls.get() + 1);
        calls.get() <= 5
    };
    let answer = telephone_clip_while(&fixture("opus.ogg"), &Limits::default(), &keep_going);
    assert_eq!(answer, Err(Refusal::OutOfTime));
    assert_eq!(calls.get(), 6, "not asked again after a no");
}
