//! Persian text as a speech engine should read it. See [`normalise()`].

use sha2::{Digest, Sha256};

mod date;
pub mod digits;
mod figure;
mod letters;
mod normalise;
pub mod number;

pub use normalise::{MAX_INPUT_CHARS, Speakable, TextRefusal, normalise};

/// The key under which a synthesised clip is cached: SHA-256 over engine, voice, rate in words per
/// minute, and text. Over what was asked, never over the audio, which differs from run to run.
///
/// Each field is preceded by its length, so that no two different requests share a key.
pub fn cache_key(engine: &str, voice: &str, rate: u16, text: &Speakable) -> [u8; 32] {
    let mut hash = Sha256::new();
    for field in
        [engine.as_bytes(), voice.as_bytes(), &rate.to_be_bytes(), text.as_str().as_bytes()]
    {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    hash.finalize().into()
}
