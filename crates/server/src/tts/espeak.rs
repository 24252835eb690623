//! Speech by the espeak-ng program, which stays a program of its own (it is GPL): small, quick and
//! always there, with Persian voices of both genders.

use std::path::PathBuf;
use std::time::Duration;

use app::ports::Speaker;

use super::program::{Program, TtsError};

/// How voices of this engine begin.
pub(super) const NAME: &str = "espeak-ng";
/// Longest one speech may take, the wait for its turn included. A thousand characters take about
/// 0.1 s of CPU.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// Largest WAV file taken, in bytes: nineteen minutes at 22,050 Hz, so that a message that is too
/// long is told as such by whoever reads it.
const MAX_OUTPUT_BYTES: u64 = 48 * 1024 * 1024;
/// How it is installed.
const FIX: &str = "on Debian: apt install espeak-ng";
/// The voices: fundamental about 101 Hz for the man, 195 Hz for the woman.
pub(super) const VOICES: [&str; 2] = ["fa", "fa+f2"];

/// The espeak-ng program as the voice of the house.
#[derive(Debug, Clone)]
pub struct EspeakNg {
    program: Program,
    words_per_minute: u16,
}

impl EspeakNg {
    /// The program at `program` (a bare name is looked for in `PATH`), speaking at
    /// `words_per_minute`; 150 suits a telephone, the program's own 175 is fast. Starts nothing
    /// yet.
    pub fn new(program: PathBuf, words_per_minute: u16) -> Self {
        let program = Program::new(program, FIX, TIME_LIMIT, MAX_OUTPUT_BYTES);
        Self { program, words_per_minute }
    }

    /// Speaks `text` into a WAV file (22,050 Hz, mono, with a header that tells no length, as it
    /// is written to a pipe). Dropping the future kills the program.
    ///
    /// # Errors
    /// [`TtsError`], when nothing or not all was spoken.
    pub async fn speak(&self, text: &str, voice: &str) -> Result<Vec<u8>, TtsError> {
        let rate = self.words_per_minute.to_string();
        let arguments = ["-v", voice, "-s", &rate, "-b", "1", "--stdin", "--stdout"];
        self.program.speak(&arguments, text).await
    }

    /// Whether the program works and has both voices, for `doctor`. Gives its version, "1.51".
    ///
    /// # Errors
    /// [`TtsError`] says what is missing.
    pub async fn check(&self) -> Result<String, TtsError> {
        let about = self.program.run(&["--version"], "").await?.bytes;
        // "eSpeak NG text-to-speech: 1.51  Data at: /usr/lib/…"
        let about = String::from_utf8_lossy(&about);
        let version = about.split_once(": ").map_or("", |(_, rest)| rest);
        let version = version.split_whitespace().next().unwrap_or("unknown").to_owned();

        // An unknown variant is passed over in silence, so the lists are what tells.
        let lists = [("--voices=fa", "fa", "fa"), ("--voices=variant", "f2", "fa+f2")];
        for (list, file, voice) in lists {
            let voices = self.program.run(&[list], "").await?.bytes;
            let voices = String::from_utf8_lossy(&voices);
            let mut files = voices.split_whitespace().filter_map(|word| word.rsplit('/').next());
            if !files.any(|name| name == file) {
                return Err(TtsError::NoVoice { voice: voice.to_owned() });
            }
        }
        for voice in VOICES {
            self.speak("سلام", voice).await?;
        }
        Ok(version)
    }
}

/// The voice that stands for a man or a woman.
pub(super) fn voice(speaker: Speaker) -> &'static str {
    match speaker {
        Speaker::Male | Speaker::Listed(_) => VOICES[0],
        Speaker::Female => VOICES[1],
    }
}

#[cfg(test)]
mod tests {
    use audio::{Limits, telephone_clip, text};

    use super::super::program::tests::{ALONE, script};
    use super::*;

    fn espeak() -> EspeakNg {
        EspeakNg::new(PathBuf::from("espeak-ng"), 150)
    }

    #[tokio::test]
    async fn a_text_is_spoken_by_two_voices() {
        let _alone = ALONE.lock().await;
        let said = text::normalise("رمز شما ۲۱۰۳ است").unwrap();
        let mut clips = Vec::new();
        for voice in VOICES {
            let wav = espeak().speak(said.as_str(), voice).await.unwrap();
            let clip = telephone_clip(&wav, &Limits::default()).unwrap();
            assert!((2_000..8_000).contains(&clip.duration_ms()), "{} ms", clip.duration_ms());
            clips.push(clip);
        }
        assert!(clips[0] != clips[1], "the two voices differ");
    }

    #[tokio::test]
    async fn doctor_finds_the_program_and_its_voices() {
        let _alone = ALONE.lock().await;
        let version = espeak().check().await.unwrap();
        assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{version}");
    }

    #[tokio::test]
    async fn a_text_that_looks_like_an_option_is_a_text() {
        let _alone = ALONE.lock().await;
        let wav = espeak().speak("--version", "fa").await.unwrap();
        assert!(wav.starts_with(b"RIFF") && wav.len() > 10_000);
    }

    #[tokio::test]
    async fn a_program_without_our_voices_is_told() {
        let _alone = ALONE.lock().await;
        let folder = tempfile::tempdir().unwrap();
        let path = script(folder.path(), "echo 'no such voice' >&2; cat > /dev/null");
        let mute = EspeakNg::new(path, 150);
        let error = mute.speak("سلام", "fa").await.unwrap_err();
        assert!(error.to_string().contains("no such voice"), "{error}");
        let error = mute.check().await.unwrap_err();
        assert!(matches!(&error, TtsError::NoVoice { voice } if voice == "fa"), "{error}");
    }
}
