//! Fixtures, WAV files made on the spot, and comparing sounds.
//!
//! The fixtures are one Persian sentence (2.4 s, with silence before and after), spoken by
//! espeak-ng at 48 kHz and encoded by ffmpeg 5.1; `reference.wav` is the same through another
//! resampler (soxr), as the truth to compare with. How they were made: `tests/fixtures/README.md`.

use std::path::Path;

/// A file from `tests/fixtures`.
pub fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every fixture that is an upload.
pub const UPLOADS: [&str; 13] = [
    "reference.wav",
    "mulaw.wav",
    "alaw.wav",
    "ima.wav",
    "speech.flac",
    "cbr.mp3",
    "vbr.mp3",
    "speech.m4a",
    "fragmented.mp4",
    "speech.aac",
    "vorbis.ogg",
    "opus.ogg",
    "live.webm",
];

/// A WAV file with the given `fmt ` fields and data.
pub fn wav(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let block = channels * bits / 8;
    let mut file = Vec::new();
    file.extend(b"RIFF");
    file.extend((36 + u32::try_from(data.len()).expect("small")).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0");
    file.extend(tag.to_le_bytes());
    file.extend(channels.to_le_bytes());
    file.extend(rate.to_le_bytes());
    file.extend(rate.saturating_mul(u32::from(block)).to_le_bytes());
    file.extend(block.to_le_bytes());
    file.extend(bits.to_le_bytes());
    file.extend(b"data");
    file.extend(u32::try_from(data.len()).expect("small").to_le_bytes());
    file.extend(data);
    file
}

/// A sine of half full scale as 16-bit samples, the same on each channel.
pub fn tone(hertz: f64, rate: u32, channels: u16, seconds: f64) -> Vec<u8> {
    let frames = (f64::from(rate) * seconds) as u32;
    (0..frames)
        .flat_map(|i| {
            let phase = std::f64::consts::TAU * hertz * f64::from(i) / f64::from(rate);
            let sample = (phase.sin() * 16_384.0) as i16;
            std::iter::repeat_n(sample.to_le_bytes(), usize::from(channels)).flatten()
        })
        .collect()
}

/// How alike two sounds are when shifted to match best.
#[derive(Debug)]
pub struct Likeness {
    /// Normalised cross-correlation at the best shift; 1 is equal but for the level.
    pub correlation: f64,
    /// Signal to noise of `b` as a scaled copy of `a`, in dB.
    pub snr_db: f64,
    /// The best shift, in samples.
    pub shift: i64,
}

/// Compares `b` with `a`, shifting by at most 25 ms.
pub fn likeness(a: &[i16], b: &[i16]) -> Likeness {
    let at = |samples: &[i16], i: i64| {
        usize::try_from(i).ok().and_then(|i| samples.get(i)).map_or(0.0, |&s| f64::from(s))
    };
    let energy = |samples: &[i16]| samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>();
    let length = i64::try_from(a.len()).expect("small");
    let (product, shift) = (-200..=200)
        .map(|shift| ((0..length).map(|i| at(a, i) * at(b, i + shift)).sum::<f64>(), shift))
        .max_by(|x, y| x.0.total_cmp(&y.0))
        .expect("some shift");
    let correlation = product / (energy(a) * energy(b)).sqrt();
    let snr_db = -10.0 * (1.0 - correlation.powi(2)).max(1e-12).log10();
    Likeness { correlation, snr_db, shift }
}
