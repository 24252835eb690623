//! Speech from text: the engines behind one port. Which of them speaks for a man and a woman is
//! configuration; a message may name any voice of any of them instead.

mod espeak;
mod http;
mod piper;
mod program;

use anyhow::{Context as _, Result, bail, ensure};
use app::Failure;
use app::ports::{BoxFuture, NoSpeech, Speaker, Tts, Voice};
use audio::text::Speakable;
use audio::{Limits, telephone_clip};
use sha2::{Digest as _, Sha256};

use crate::config::{Config, SpeechEngine};

pub use espeak::EspeakNg;
use http::{HttpSpeech, Refused};
use piper::{Model, Piper};
use program::TtsError;

/// What is spoken to try a voice. A voice of another language spells it, which will do.
const TRIAL: &str = "سلام. این یک آزمایش است.";

/// All engines that are configured.
#[derive(Debug)]
pub struct Engines {
    words_per_minute: u16,
    espeak: EspeakNg,
    piper: Option<Piper>,
    http: Option<HttpSpeech>,
    /// Who speaks for a man and for a woman.
    house: [Chosen; 2],
    /// Every voice that may be named.
    all: Vec<Chosen>,
    /// What makes speech of one service another than that of a second one.
    http_identity: String,
}

/// A voice of one of the engines.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Chosen {
    Espeak(&'static str),
    Piper(Model),
    Http(String),
}

impl Chosen {
    /// How a message names it.
    fn name(&self) -> String {
        match self {
            Self::Espeak(voice) => format!("{}/{voice}", espeak::NAME),
            Self::Piper(model) => format!("{}/{}", piper::NAME, model.name),
            Self::Http(voice) => format!("{}/{voice}", http::NAME),
        }
    }
}

impl Engines {
    /// The engines of the configuration. Starts and asks nothing yet.
    ///
    /// # Errors
    /// Piper's folder cannot be read; the chosen engine is not set up, or lacks a voice that the
    /// configuration names.
    pub fn new(config: &Config) -> Result<Self> {
        let (piper, http) = (piper_of(config)?, HttpSpeech::new(config)?);
        let house = match config.speech.engine {
            SpeechEngine::EspeakNg => [Speaker::Male, Speaker::Female]
                .map(|speaker| Chosen::Espeak(espeak::voice(speaker))),
            SpeechEngine::Piper => piper_house(config, piper.as_ref())?,
            SpeechEngine::Http => {
                let http = http.as_ref().context("speech.engine is http: set speech_http.url")?;
                [false, true].map(|female| Chosen::Http(http.voice(female).to_owned()))
            }
        };
        let models = piper.iter().flat_map(|piper| piper.models.iter().cloned());
        let served = http.iter().flat_map(|http| http.voices().iter().cloned());
        let all = espeak::VOICES
            .map(Chosen::Espeak)
            .into_iter()
            .chain(models.map(Chosen::Piper))
            .chain(served.map(Chosen::Http))
            .collect();
        Ok(Self {
            words_per_minute: config.speech.rate,
            espeak: espeak_of(config),
            piper,
            http,
            house,
            all,
            http_identity: http_identity(config),
        })
    }

    /// The voice of a speaker; a place beyond the list is a slip of ours, and the house speaks.
    fn chosen(&self, speaker: Speaker) -> &Chosen {
        match speaker {
            Speaker::Male => &self.house[0],
            Speaker::Female => &self.house[1],
            Speaker::Listed(place) => self.all.get(usize::from(place)).unwrap_or(&self.house[0]),
        }
    }

    async fn speak_by(&self, chosen: &Chosen, text: &str) -> Result<Vec<u8>> {
        match chosen {
            Chosen::Espeak(voice) => Ok(self.espeak.speak(text, voice).await?),
            Chosen::Piper(model) => {
                let piper = self.piper.as_ref().context("Piper is not set up")?;
                Ok(piper.speak(text, model).await?)
            }
            Chosen::Http(voice) => {
                let http = self.http.as_ref().context("the speech service is not set up")?;
                http.speak(text, voice).await
            }
        }
    }

    /// Speaks a few words by a voice, as a call would.
    async fn try_voice(&self, chosen: &Chosen) -> Result<()> {
        let said = audio::text::normalise(TRIAL).context("reading the words of the trial")?;
        let name = chosen.name();
        let sound = self.speak_by(chosen, said.as_str()).await.with_context(|| name.clone())?;
        let clip = telephone_clip(&sound, &Limits { min_ms: 0, ..Limits::default() });
        let clip = clip.with_context(|| format!("{name} made no usable sound"))?;
        ensure!(clip.duration_ms() > 0, "{name} made no sound");
        Ok(())
    }
}

fn espeak_of(config: &Config) -> EspeakNg {
    EspeakNg::new(config.speech.espeak.clone(), config.speech.rate)
}

fn piper_of(config: &Config) -> Result<Option<Piper>> {
    let (program, folder) = (&config.speech.piper, &config.speech.piper_voices);
    if folder.as_os_str().is_empty() {
        return Ok(None);
    }
    let piper = Piper::new(program.clone(), folder, config.speech.rate);
    let piper = piper.with_context(|| format!("speech.piper_voices: {}", folder.display()))?;
    Ok(Some(piper))
}

/// The voices of Piper that speak for a man and a woman: those that are named, or the first.
fn piper_house(config: &Config, piper: Option<&Piper>) -> Result<[Chosen; 2]> {
    let piper = piper.context("speech.engine is piper: set speech.piper_voices")?;
    let find = |name: &str| {
        let mut models = piper.models.iter();
        let found = models.find(|model| name.is_empty() || model.name == name).cloned();
        found.map(Chosen::Piper).with_context(|| {
            let folder = config.speech.piper_voices.display();
            format!("there is no voice '{name}' (NAME.onnx with its NAME.onnx.json) in {folder}")
        })
    };
    Ok([find(&config.speech.piper_male)?, find(&config.speech.piper_female)?])
}

/// A short name of the service and of what is asked of it: another one speaks differently.
fn http_identity(config: &Config) -> String {
    let asked = &config.speech_http;
    let hash = Sha256::digest([asked.url.as_str(), "\n", &asked.body].concat());
    let short = hash.iter().take(8).fold(0_u64, |short, byte| (short << 8) | u64::from(*byte));
    format!("{} {short:016x}", http::NAME)
}

/// What `doctor` finds of each engine that is set up. The one that speaks for the house must work;
/// espeak-ng need not be there when another one does.
pub async fn check(config: &Config) -> Vec<(&'static str, Result<String>)> {
    let mut found = vec![("speech", check_espeak(config).await)];
    if !config.speech.piper_voices.as_os_str().is_empty() {
        found.push(("speech piper", check_piper(config).await));
    }
    if !config.speech_http.url.is_empty() {
        found.push(("speech http", check_http(config).await));
    }
    if let Err(error) = Engines::new(config) {
        found.push(("speech engine", Err(error)));
    }
    found
}

async fn check_espeak(config: &Config) -> Result<String> {
    let version = espeak_of(config).check().await;
    let version = version.context("install espeak-ng (Debian: apt-get install espeak-ng)");
    match (version, config.speech.engine) {
        (Ok(version), SpeechEngine::EspeakNg) => Ok(version),
        (Ok(version), other) => {
            Ok(format!("espeak-ng {version}, for who asks for it; {other} speaks"))
        }
        (Err(error), SpeechEngine::EspeakNg) => Err(error),
        (Err(error), other) => Ok(format!("no espeak-ng, which {other} stands in for ({error:#})")),
    }
}

async fn check_piper(config: &Config) -> Result<String> {
    // Alone, so that what is wrong with another engine is told there.
    let alone = Config {
        speech_http: crate::config::SpeechHttp::default(),
        speech: crate::config::Speech { engine: SpeechEngine::Piper, ..config.speech.clone() },
        ..config.clone()
    };
    let engines = Engines::new(&alone)?;
    for voice in &engines.house {
        engines.try_voice(voice).await?;
    }
    let names = engines.piper.iter().flat_map(|piper| &piper.models).map(|model| &*model.name);
    let names: Vec<&str> = names.collect();
    Ok(format!("{} speaks; voices: {}", engines.house[0].name(), names.join(", ")))
}

async fn check_http(config: &Config) -> Result<String> {
    let alone = Config {
        speech: crate::config::Speech {
            engine: SpeechEngine::Http,
            piper_voices: std::path::PathBuf::new(),
            ..config.speech.clone()
        },
        ..config.clone()
    };
    let engines = Engines::new(&alone)?;
    for voice in &engines.house {
        engines.try_voice(voice).await?;
    }
    let named: Vec<String> = engines.all.iter().map(Chosen::name).collect();
    let named: Vec<&str> = named.iter().filter_map(|name| name.strip_prefix("http/")).collect();
    if named.is_empty() {
        bail!("it speaks, and no message can name a voice of it: set speech_http.voices");
    }
    Ok(format!("the service speaks; voices: {}", named.join(", ")))
}

impl Tts for Engines {
    /// An engine goes by its name alone: clips made before an upgrade stay good.
    fn identity(&self, speaker: Speaker) -> Voice {
        let (engine, name) = match self.chosen(speaker) {
            Chosen::Espeak(voice) => (espeak::NAME.to_owned(), (*voice).to_owned()),
            Chosen::Piper(model) => (piper::NAME.to_owned(), model.identity()),
            Chosen::Http(voice) => (self.http_identity.clone(), voice.clone()),
        };
        Voice { engine, name, words_per_minute: self.words_per_minute }
    }

    fn voices(&self) -> Vec<String> {
        self.all.iter().map(Chosen::name).collect()
    }

    fn speak<'a>(
        &'a self,
        text: &'a Speakable,
        speaker: Speaker,
    ) -> BoxFuture<'a, Result<Vec<u8>, NoSpeech>> {
        Box::pin(async move {
            let spoken = self.speak_by(self.chosen(speaker), text.as_str()).await;
            spoken.map_err(|error| {
                let why = format!("speaking a text: {error:#}");
                if is_refusal(&error) {
                    NoSpeech::Refused(why)
                } else {
                    NoSpeech::Failed(Failure::of(why))
                }
            })
        })
    }
}

/// Whether an engine that works did not take the text.
fn is_refusal(error: &anyhow::Error) -> bool {
    error.downcast_ref::<TtsError>().is_some_and(TtsError::is_refusal)
        || error.downcast_ref::<Refused>().is_some()
}
