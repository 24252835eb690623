//! Making audio before any transaction is opened: decoding uploads, speaking texts, joining both.
//! Work on samples runs where blocking is allowed, a bounded number of jobs at a time.

use audio::text::{Speakable, cache_key, digits, normalise};
use audio::{Clip, Limits};
use domain::billing::rating::rate_speech_rounding_up;
use domain::message::{LENGTH_MS_MAX, LENGTH_MS_MIN, TEXT_CHARS_MAX};
use domain::{AccountId, PhoneNumber, Rials, Timestamp};
use store::Tx;
use store::entry::{EntryKind, NewEntry, Posted};
use store::speech::Speech;

use crate::account::hex;
use crate::ports::{NoSpeech, Speaker};
use crate::{App, Error, Failure, Result, prices};

/// Silence between a message and the number spoken after it, in milliseconds.
const GAP_MS: u16 = 600;
/// Silence between two parts of a personal message, in milliseconds: their ends are quiet already.
pub(crate) const PARTS_GAP_MS: u16 = 100;
/// What stands between the names of audio that is played one after the other.
pub(crate) const THEN: char = '+';
/// How long a character and a pause take a slow voice, in milliseconds: what would be too long by
/// far is not given to an engine at all.
const CHAR_MS: usize = 70;
const PAUSE_MS: usize = 300;
/// Most bytes that are taken from the speech engine: ten minutes at 48 kHz, which is our own
/// program's bound and not the customer's.
const SPEECH_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What every engine speaks that works. A voice of another language spells it, which will do.
const PLAIN: &str = "سلام";
/// Random bytes in the name of a message's audio.
const NAME_BYTES: usize = 16;

/// What is to be spoken, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    text: Speakable,
    mobile: Option<Speakable>,
    speaker: Speaker,
}

/// Why a script cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScriptRefusal {
    EmptyText,
    TextTooLong,
    WrongMobile,
    NotSpoken,
}

impl Script {
    /// Checks a text and the number to be spoken after it.
    pub(crate) fn new(
        text: &str,
        mobile: Option<&str>,
        speaker: Speaker,
    ) -> std::result::Result<Self, ScriptRefusal> {
        if text.trim().is_empty() {
            return Err(ScriptRefusal::EmptyText);
        }
        if text.chars().nth(TEXT_CHARS_MAX).is_some() {
            return Err(ScriptRefusal::TextTooLong);
        }
        let mobile = mobile.map(spoken_number).transpose()?;
        let text = normalise(text).map_err(|_| ScriptRefusal::NotSpoken)?;
        if takes_too_long(&text) {
            return Err(ScriptRefusal::TextTooLong);
        }
        Ok(Self { text, mobile, speaker })
    }
}

/// Whether speaking a text takes longer than a message may play, at any speed that is usual: digits
/// become many words.
fn takes_too_long(text: &Speakable) -> bool {
    let ms = |letter: char| match letter {
        '،' | '؛' | '.' | '؟' | '!' => CHAR_MS + PAUSE_MS,
        _ => CHAR_MS,
    };
    text.as_str().chars().map(ms).sum::<usize>() > LENGTH_MS_MAX as usize
}

/// The number as it is read out.
pub(crate) fn spoken_number(mobile: &str) -> std::result::Result<Speakable, ScriptRefusal> {
    let number = PhoneNumber::parse(mobile).ok_or(ScriptRefusal::WrongMobile)?;
    digits::spoken(number.national()).map_err(|_| ScriptRefusal::WrongMobile)
}

/// Audio that is in the blob store and has no message yet.
#[derive(Debug)]
pub(crate) struct Recording {
    /// The name of the audio.
    pub(crate) blob: String,
    /// How long it plays.
    pub(crate) length_ms: u32,
    /// How much of it was spoken by us, which is charged.
    pub(crate) speech_ms: u32,
    /// Whether the audio belongs to one message only, so that it goes when that one fails.
    own: bool,
}

/// Why there is no recording.
#[derive(Debug)]
pub(crate) enum RecordingRefusal {
    /// The engine made nothing that can be heard.
    NotSpoken,
    /// Longer than a message may be.
    TooLong,
}

/// One piece of speech: what the cache holds and, if it was made just now, the samples.
struct Piece {
    speech: Speech,
    clip: Option<Clip>,
}

/// Speaks a script, from the cache where it can.
pub(crate) async fn speak(app: &App, script: &Script) -> Result<Recording, RecordingRefusal> {
    let text = piece(app, &script.text, script.speaker).await?;
    let Some(mobile) = &script.mobile else {
        return Ok(Recording {
            blob: text.speech.blob.clone(),
            length_ms: text.speech.length_ms,
            speech_ms: text.speech.length_ms,
            own: false,
        });
    };
    let mobile = piece(app, mobile, script.speaker).await?;
    let speech_ms = text.speech.length_ms.saturating_add(mobile.speech.length_ms);
    let clip = audio::join(&[&samples(app, &text).await?, &samples(app, &mobile).await?], GAP_MS);
    kept(app, clip, speech_ms).await
}

/// Speaks words one by one, from the cache where it can, and joins them: what they say together is
/// in no cache.
pub(crate) async fn assembled(
    app: &App,
    words: &[Speakable],
    speaker: Speaker,
    gap_ms: u16,
) -> Result<Recording, RecordingRefusal> {
    let mut spoken: Vec<(&Speakable, Clip)> = Vec::new();
    for word in words {
        if spoken.iter().all(|(known, _)| *known != word) {
            let piece = piece(app, word, speaker).await?;
            spoken.push((word, samples(app, &piece).await?));
        }
    }
    let clips = words
        .iter()
        .filter_map(|word| spoken.iter().find(|(known, _)| *known == word).map(|(_, clip)| clip));
    let clip = audio::join(&clips.collect::<Vec<_>>(), gap_ms);
    let speech_ms = length_ms(&clip)?;
    kept(app, clip, speech_ms).await
}

/// A part of a personal message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// Audio that is kept, and how long it plays.
    Kept {
        /// Its name.
        blob: String,
        /// How long it plays.
        length_ms: u32,
    },
    /// Words, which are spoken unless the cache has them.
    Words(Speakable),
}

/// Makes audio of parts that are kept apart, and joined only where they are played
/// ([`crate::dialing::clip`]). The words are no message of their own, and cost nothing: what is
/// heard of them is charged by the call.
pub(crate) async fn in_parts(
    app: &App,
    parts: &[Part],
    speaker: Speaker,
) -> Result<Recording, RecordingRefusal> {
    let (mut blob, mut length_ms) = (String::new(), 0_u32);
    for part in parts {
        let (name, part_ms) = match part {
            Part::Kept { blob, length_ms } => (blob.clone(), *length_ms),
            Part::Words(words) => {
                let Speech { blob, length_ms } = piece(app, words, speaker).await?.speech;
                (blob, length_ms)
            }
        };
        if !blob.is_empty() {
            blob.push(THEN);
            length_ms = length_ms.saturating_add(PARTS_GAP_MS.into());
        }
        blob.push_str(&name);
        length_ms = length_ms.saturating_add(part_ms);
    }
    if length_ms > LENGTH_MS_MAX {
        return Err(Error::Refused(RecordingRefusal::TooLong));
    }
    Ok(Recording { blob, length_ms, speech_ms: 0, own: false })
}

/// Keeps an uploaded clip, with a number spoken after it if there is one.
pub(crate) async fn with_number(
    app: &App,
    upload: Clip,
    mobile: Option<&Speakable>,
) -> Result<Recording, RecordingRefusal> {
    let Some(mobile) = mobile else { return kept(app, upload, 0).await };
    let mobile = piece(app, mobile, Speaker::default()).await?;
    let clip = audio::join(&[&upload, &samples(app, &mobile).await?], GAP_MS);
    kept(app, clip, mobile.speech.length_ms).await
}

/// Decodes an upload within the operator's limits.
pub(crate) async fn decode_upload(app: &App, bytes: Vec<u8>) -> Result<Clip, audio::Refusal> {
    decode(app, bytes, app.settings().upload_bytes_max, LENGTH_MS_MIN).await
}

async fn decode(
    app: &App,
    bytes: Vec<u8>,
    max_input_bytes: usize,
    min_ms: u32,
) -> Result<Clip, audio::Refusal> {
    let jobs = app.audio_jobs().clone();
    let place = jobs.acquire_owned().await.expect("the semaphore of audio jobs is never closed");
    let clock = app.clock().clone();
    let give_up_at = clock.now().plus_ms(app.settings().decode_ms_max);
    let limits = Limits { max_input_bytes, max_seconds: LENGTH_MS_MAX / 1000, min_ms };
    let work = tokio::task::spawn_blocking(move || {
        // The place is kept until the work ends, even if nobody waits for it any more.
        let _place = place;
        audio::telephone_clip_while(&bytes, &limits, &|| clock.now() < give_up_at)
    });
    let decoded = work.await.map_err(|error| Failure::because("decoding audio", error))?;
    decoded.map_err(Error::Refused)
}

impl Recording {
    /// What the speech costs; `None` past 64 bits.
    pub(crate) async fn price(
        &self,
        app: &App,
        now: Timestamp,
    ) -> std::result::Result<Option<Rials>, Failure> {
        if self.speech_ms == 0 {
            return Ok(Some(Rials::ZERO));
        }
        Ok(rate_speech_rounding_up(&prices::in_force(app, now).await?, self.speech_ms))
    }

    /// Words for the statement.
    pub(crate) fn note(&self) -> String {
        format!("{} s of speech", self.speech_ms.div_ceil(1000))
    }

    /// Charges for what was spoken. `false`: the balance does not cover it, and the transaction
    /// must not be committed.
    pub(crate) async fn post(
        &self,
        tx: &mut Tx,
        account: AccountId,
        price: Rials,
        at: Timestamp,
    ) -> std::result::Result<bool, store::Error> {
        if price == Rials::ZERO {
            return Ok(true);
        }
        let entry = NewEntry {
            account,
            kind: EntryKind::Speech,
            amount: Rials(-price.0),
            at,
            reference: None,
            note: self.note(),
        };
        Ok(store::entry::post(tx, &entry).await? == Posted::Done)
    }

    /// Passes `made` on; when the message was refused, its audio is removed. After a failure it
    /// stays, since the answer to the commit may be all that was lost: a file that no message has
    /// harms nobody, a message that was paid for and has no audio does.
    pub(crate) async fn kept_unless_refused<T, R>(
        &self,
        app: &App,
        made: Result<T, R>,
    ) -> Result<T, R> {
        if matches!(made, Err(Error::Refused(_))) {
            self.remove(app).await;
        }
        made
    }

    /// Removes the audio, which no message has. Speech stays: the cache has it.
    pub(crate) async fn remove(&self, app: &App) {
        if self.own
            && let Err(failure) = app.blobs().delete(&self.blob).await
        {
            tracing::warn!(blob = self.blob, error = failure.chain(), "audio left behind");
        }
    }
}

/// Finds or makes the speech of one text. It is noted at once: whatever becomes of the request,
/// the same words need not be spoken again.
async fn piece(app: &App, text: &Speakable, speaker: Speaker) -> Result<Piece, RecordingRefusal> {
    let voice = app.tts().identity(speaker);
    let key = cache_key(&voice.engine, &voice.name, voice.words_per_minute, text);
    if let Some(speech) = store::speech::find(&mut app.read().await?, &key).await? {
        return Ok(Piece { speech, clip: None });
    }
    let clip = match spoken(app, text, speaker).await {
        Ok(clip) => clip,
        Err(Error::Refused(unspoken)) => return Err(believed(app, unspoken, speaker).await),
        Err(Error::Failed(failure)) => return Err(failure.into()),
    };
    let blob = format!("speech/{}.wav", hex(&key));
    app.blobs().put(&blob, clip.to_wav()).await?;
    let speech = Speech { blob, length_ms: length_ms(&clip)? };
    let now = app.now();
    app.write(async |tx| Ok(store::speech::insert(tx, &key, &speech, now).await?)).await?;
    Ok(Piece { speech, clip: Some(clip) })
}

/// Why a text that was given to an engine is no clip.
enum Unspoken {
    Refused(String),
    Unusable(audio::Refusal),
}

async fn spoken(app: &App, text: &Speakable, speaker: Speaker) -> Result<Clip, Unspoken> {
    let wav = match app.tts().speak(text, speaker).await {
        Ok(wav) => wav,
        Err(NoSpeech::Failed(failure)) => return Err(failure.into()),
        Err(NoSpeech::Refused(why)) => return Err(Error::Refused(Unspoken::Refused(why))),
    };
    let clip = decode(app, wav, SPEECH_BYTES_MAX, 0).await;
    clip.map_err(|error| error.map(Unspoken::Unusable))
}

/// What it means that an engine did not speak a text. One that speaks no plain word either is
/// broken, whatever it answers, and its texts are spoken another time.
async fn believed(app: &App, unspoken: Unspoken, speaker: Speaker) -> Error<RecordingRefusal> {
    let plain = match normalise(PLAIN) {
        Ok(plain) => plain,
        Err(unreadable) => return Failure::because("reading a plain word", unreadable).into(),
    };
    match spoken(app, &plain, speaker).await {
        Ok(_) => {}
        Err(Error::Failed(failure)) => return failure.into(),
        Err(Error::Refused(why)) => {
            return Failure::of(format!("the speech engine speaks nothing at all: {why}")).into();
        }
    }
    let engine = app.tts().identity(speaker).engine;
    tracing::warn!(why = %unspoken, engine, "the speech engine did not speak a text");
    Error::Refused(match unspoken {
        Unspoken::Unusable(audio::Refusal::TooLong { .. }) => RecordingRefusal::TooLong,
        _ => RecordingRefusal::NotSpoken,
    })
}

impl std::fmt::Display for Unspoken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(why) => f.write_str(why),
            Self::Unusable(refusal) => write!(f, "no usable audio: {refusal}"),
        }
    }
}

/// The samples of a piece, from the blob store when the cache knew it.
async fn samples(app: &App, piece: &Piece) -> std::result::Result<Clip, Failure> {
    if let Some(clip) = &piece.clip {
        return Ok(clip.clone());
    }
    let samples = crate::dialing::clip(app, &piece.speech.blob).await?;
    Ok(Clip::from_samples(samples.to_vec()))
}

/// Puts a clip into the blob store under a name of its own.
async fn kept(app: &App, clip: Clip, speech_ms: u32) -> Result<Recording, RecordingRefusal> {
    let length_ms = length_ms(&clip)?;
    let mut random = [0; NAME_BYTES];
    app.rng().fill(&mut random);
    let blob = format!("message/{}.wav", hex(&random));
    app.blobs().put(&blob, clip.to_wav()).await?;
    Ok(Recording { blob, length_ms, speech_ms, own: true })
}

fn length_ms(clip: &Clip) -> Result<u32, RecordingRefusal> {
    u32::try_from(clip.duration_ms())
        .ok()
        .filter(|length_ms| *length_ms <= LENGTH_MS_MAX)
        .ok_or(Error::Refused(RecordingRefusal::TooLong))
}
