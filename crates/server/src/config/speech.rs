//! Who speaks texts.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Result, bail};
use domain::verification::CallbackUrl;
use serde::{Deserialize, Serialize};

use super::{Key, Secret};

section! {
    /// Speech from text.
    Speech {
        /// Who speaks when a message names no voice but a man's or a woman's: `espeak-ng`, `piper`
        /// or `http`. A message of the modern API may name any voice of any of them that is set up
        /// (`/v1/voices`); what was spoken before is kept for each voice by itself.
        engine: SpeechEngine = SpeechEngine::EspeakNg,
        /// The espeak-ng program. It stays a program of its own.
        espeak: PathBuf = PathBuf::from("espeak-ng"),
        /// Words a minute.
        rate: u16 = 150,
        /// The Piper program. It stays a program of its own.
        piper: PathBuf = PathBuf::from("piper"),
        /// The folder that Piper's voices are dropped into: `NAME.onnx` with `NAME.onnx.json`. It
        /// is looked at when the program starts. Empty: Piper is not used.
        piper_voices: PathBuf = PathBuf::new(),
        /// Piper's voice of a man, as its file is called without `.onnx`. Empty: the first.
        piper_male: String = String::new(),
        /// Piper's voice of a woman. Empty: the first.
        piper_female: String = String::new(),
    }
}

section! {
    /// A speech service that is asked over HTTP: it gets a request for each text, and answers with
    /// an audio file (WAV, MP3, Ogg, …). In address and body `{text}`, `{voice}` and `{rate}` stand
    /// for what is asked, escaped as the place needs it.
    SpeechHttp {
        /// Its address, with its path and query; one of your own network may be called. Empty:
        /// there is none.
        url: String = String::new(),
        /// `get` or `post`.
        method: SpeechMethod = SpeechMethod::Post,
        /// A header field of each request, for one `Authorization: Bearer …`.
        header: Secret = Secret::default(),
        /// What is posted.
        body: String = String::from(OPENAI_BODY),
        /// Its kind. Texts are escaped for JSON, for forms (`application/x-www-form-urlencoded`),
        /// or not at all, as it says.
        content_type: String = String::from("application/json"),
        /// The voices that messages may name.
        voices: Vec<String> = Vec::new(),
        /// The voice of a man.
        male: String = String::from("male"),
        /// The voice of a woman.
        female: String = String::from("female"),
        /// Largest audio file that is taken, in bytes.
        limit_bytes: usize = 20 * 1024 * 1024,
        /// How long one text may take, the wait for its turn included, in milliseconds.
        timeout_ms: u32 = 20_000,
    }
}

/// What the commonest kind of service is posted.
const OPENAI_BODY: &str = r#"{"input": "{text}", "voice": "{voice}", "response_format": "wav"}"#;
/// Largest audio file of a service, in bytes.
const BYTES_MAX: usize = 64 * 1024 * 1024;

impl SpeechHttp {
    /// The service's address, if there is one.
    ///
    /// # Errors
    /// It is no address.
    pub fn url(&self) -> Result<Option<CallbackUrl>> {
        if self.url.is_empty() {
            return Ok(None);
        }
        match CallbackUrl::parse(&self.url) {
            Some(url) => Ok(Some(url)),
            None => bail!("speech_http.url: '{}' is no http or https address", self.url),
        }
    }

    /// Whether its values make sense.
    pub(super) fn check(&self) -> Result<()> {
        self.url()?;
        let clean = |text: &str| !text.chars().any(char::is_control);
        let header = &self.header.0;
        if !clean(header) || (!header.is_empty() && !header.contains(": ")) {
            bail!("speech_http.header: like 'Authorization: Bearer …', on one line");
        }
        if !clean(&self.content_type) {
            bail!("speech_http.content_type: one line");
        }
        let voices = self.voices.iter().chain([&self.male, &self.female]);
        for voice in voices {
            if voice.len() > 80 || !clean(voice) {
                bail!("speech_http: a voice has up to 80 characters");
            }
        }
        if self.voices.len() > 100 {
            bail!("speech_http.voices: at most 100");
        }
        if !(1..=BYTES_MAX).contains(&self.limit_bytes) {
            bail!("speech_http.limit_bytes: from 1 to {BYTES_MAX}");
        }
        if !(1..=300_000).contains(&self.timeout_ms) {
            bail!("speech_http.timeout_ms: from 1 to 300000");
        }
        Ok(())
    }
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpeechEngine {
    /// The espeak-ng program.
    #[serde(rename = "espeak-ng")]
    EspeakNg,
    /// The Piper program.
    #[serde(rename = "piper")]
    Piper,
    /// A service.
    #[serde(rename = "http")]
    Http,
}

impl fmt::Display for SpeechEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EspeakNg => "espeak-ng",
            Self::Piper => "piper",
            Self::Http => "the speech service",
        })
    }
}

/// How a service is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpeechMethod {
    /// By its address alone.
    Get,
    /// With a body.
    Post,
}
