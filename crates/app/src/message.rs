//! Voice messages: taken from a file, spoken from a text, looked at, downloaded, deleted.

use domain::billing::tariff::Zone;
use domain::message::{Decision, LENGTH_MS_MIN, TITLE_CHARS_MAX};
use domain::{AccountId, Approval, Message, MessageId, Rials};

use crate::account::never_refused;
use crate::ports::Speaker;
use crate::speech::{self, Recording, RecordingRefusal, Script, ScriptRefusal};
use crate::{App, Caller, Error, Failure, Result, prices, request};

pub use store::message::GalleryPage;

/// A file to make a message of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUpload {
    /// The customer's title for it.
    pub title: String,
    /// The audio file, in any format that `audio` reads.
    pub bytes: Vec<u8>,
    /// Whether to keep it in the gallery.
    pub persistent: bool,
    /// A telephone number to be spoken at the end.
    pub call_from_mobile: Option<String>,
}

/// A text to make a message of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSpeech {
    /// The customer's title for it.
    pub title: String,
    /// What is spoken.
    pub text: String,
    /// Whose voice speaks.
    pub speaker: Speaker,
    /// A telephone number to be spoken at the end.
    pub call_from_mobile: Option<String>,
}

/// Why an upload did not become a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadRefusal {
    /// Longer than [`TITLE_CHARS_MAX`].
    TitleTooLong,
    /// The number to be spoken is none.
    WrongMobile,
    /// Not audio in a format that is read.
    NotAudio,
    /// More bytes than the operator allows.
    TooLarge,
    /// The file contradicts its own format.
    Broken,
    /// Decoding took longer than the operator allows.
    OutOfTime,
    /// More sound than a message may have.
    TooLong,
    /// Less audible sound than a message must have.
    TooShort,
    /// The balance does not cover speaking the number.
    InsufficientCredit,
}

/// Why a text did not become a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpeechRefusal {
    /// Longer than [`TITLE_CHARS_MAX`].
    TitleTooLong,
    /// Longer than a text may be.
    TextTooLong,
    /// Nothing but spaces.
    EmptyText,
    /// Less sound than a message must have.
    TooShort,
    /// More sound than a message may have.
    TooLong,
    /// The number to be spoken is none.
    WrongMobile,
    /// Nothing that can be spoken.
    NotSpoken,
    /// The balance does not cover the speech.
    InsufficientCredit,
}

/// Makes a message of a file.
///
/// # Errors
/// Refused as [`UploadRefusal`] says.
pub async fn upload(app: &App, caller: &Caller, new: NewUpload) -> Result<Message, UploadRefusal> {
    if is_too_long(&new.title) {
        return Err(Error::Refused(UploadRefusal::TitleTooLong));
    }
    let mobile = new.call_from_mobile.as_deref().map(speech::spoken_number).transpose();
    let mobile = mobile.map_err(|_| Error::Refused(UploadRefusal::WrongMobile))?;
    let clip = speech::decode_upload(app, new.bytes).await.map_err(|error| {
        error.map(|refusal| {
            tracing::info!(account = caller.account.id.0, %refusal, "upload refused");
            UploadRefusal::of(&refusal)
        })
    })?;
    let recording = speech::with_number(app, clip, mobile.as_ref())
        .await
        .map_err(|error| error.map(UploadRefusal::from))?;
    let kept = keep(app, caller, new.title, &recording, new.persistent).await;
    let kept = recording.kept_unless_refused(app, kept).await;
    kept.map_err(|error| error.map(|NotCovered| UploadRefusal::InsufficientCredit))
}

/// Makes a message of a text. Speech that is already known costs the same: the customer pays for
/// a message, not for our work.
///
/// # Errors
/// Refused as [`SpeechRefusal`] says.
pub async fn generate(
    app: &App,
    caller: &Caller,
    new: NewSpeech,
) -> Result<Message, SpeechRefusal> {
    if is_too_long(&new.title) {
        return Err(Error::Refused(SpeechRefusal::TitleTooLong));
    }
    let script = Script::new(&new.text, new.call_from_mobile.as_deref(), new.speaker)
        .map_err(|refusal| Error::Refused(refusal.into()))?;
    let recording = speech::speak(app, &script).await.map_err(|error| error.map(Into::into))?;
    let kept = spoken_message(app, caller, new.title, &recording).await;
    recording.kept_unless_refused(app, kept).await
}

async fn spoken_message(
    app: &App,
    caller: &Caller,
    title: String,
    recording: &Recording,
) -> Result<Message, SpeechRefusal> {
    if recording.length_ms < LENGTH_MS_MIN {
        return Err(Error::Refused(SpeechRefusal::TooShort));
    }
    let kept = keep(app, caller, title, recording, false).await;
    kept.map_err(|error| error.map(|NotCovered| SpeechRefusal::InsufficientCredit))
}

/// The voices that a text may be spoken by, beside a man's and a woman's.
pub fn voices(app: &App) -> Vec<String> {
    app.tts().voices()
}

/// Whose voice a customer asks for: `male`, `female`, or one of [`voices`]. `None`: there is no
/// such voice.
pub fn speaker(app: &App, name: &str) -> Option<Speaker> {
    match name {
        "male" => Some(Speaker::Male),
        "female" => Some(Speaker::Female),
        other => {
            let place = app.tts().voices().iter().position(|voice| voice == other)?;
            u16::try_from(place).ok().map(Speaker::Listed)
        }
    }
}

/// The caller's message `id`.
///
/// # Errors
/// The database failed.
pub async fn find(
    app: &App,
    caller: &Caller,
    id: MessageId,
) -> std::result::Result<Option<Message>, Failure> {
    Ok(store::message::find(&mut app.read().await?, caller.account.id, id).await?)
}

/// What one hearing of a message costs, by zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessagePrices {
    /// Towards landlines.
    pub internal: Rials,
    /// Towards mobiles.
    pub external: Rials,
}

/// What hearing `message` to its end costs now.
///
/// # Errors
/// The database failed.
pub async fn prices(app: &App, message: &Message) -> std::result::Result<MessagePrices, Failure> {
    let tariff = prices::in_force(app, app.now()).await?;
    let price = |zone| {
        domain::billing::rating::rate_rounding_up(&tariff, zone, message.length_ms)
            .map(|rate| rate.price)
            .ok_or_else(|| Failure::of("rating a message: the price is beyond 64 bits"))
    };
    Ok(MessagePrices { internal: price(Zone::Internal)?, external: price(Zone::External)? })
}

/// The audio of the caller's message as a WAV file; `None` when there is no such message.
///
/// # Errors
/// The database or the blob store failed.
pub async fn download(
    app: &App,
    caller: &Caller,
    id: MessageId,
) -> std::result::Result<Option<Vec<u8>>, Failure> {
    let Some(message) = find(app, caller, id).await? else { return Ok(None) };
    audio_of(app, &message).await.map(Some)
}

async fn audio_of(app: &App, message: &Message) -> std::result::Result<Vec<u8>, Failure> {
    if message.blob.contains(speech::THEN) {
        return crate::dialing::wav(app, &message.blob).await;
    }
    let wav = app.blobs().get(&message.blob).await?;
    wav.ok_or_else(|| Failure::of(format!("reading the audio of message {}: gone", message.id)))
}

/// Deletes the caller's message. `false`: there is none. Its audio stays in the blob store, since
/// sends that were accepted still play it.
///
/// # Errors
/// The database failed.
pub async fn delete(
    app: &App,
    caller: &Caller,
    id: MessageId,
) -> std::result::Result<bool, Failure> {
    let (account, now) = (caller.account.id, app.now());
    let done = app.write(async |tx| Ok(store::message::delete(tx, account, id, now).await?)).await;
    done.map_err(never_refused)
}

/// A part of the caller's gallery, and how many messages the whole of it has.
///
/// # Errors
/// The database failed.
pub async fn gallery(
    app: &App,
    caller: &Caller,
    page: GalleryPage,
) -> std::result::Result<(Vec<Message>, u32), Failure> {
    let mut reads = app.read().await?;
    Ok(store::message::gallery(&mut reads, caller.account.id, page).await?)
}

/// Messages of an account, those of one send alone included, the newest first: at most `limit` that
/// are older than `before`.
///
/// # Errors
/// The database failed.
pub async fn page(
    app: &App,
    account: AccountId,
    before: Option<MessageId>,
    limit: u32,
) -> std::result::Result<Vec<Message>, Failure> {
    Ok(store::message::list(&mut app.read().await?, account, before, limit).await?)
}

/// The messages of all accounts that wait to be listened to, the oldest first: at most `limit`
/// after `after`. Those that are approved were so by their accounts, which want them sent in a
/// class that asks a member of staff to listen.
///
/// # Errors
/// The database failed.
pub async fn waiting(
    app: &App,
    after: MessageId,
    limit: u32,
) -> std::result::Result<Vec<Message>, Failure> {
    Ok(store::message::waiting(&mut app.read().await?, after, limit).await?)
}

/// Asks staff to listen to messages that the account approved by itself, since it wants them sent
/// in a class that asks for that. Writes once for each, however often it is refused.
pub(crate) async fn want_heard(
    app: &App,
    account: AccountId,
    messages: impl IntoIterator<Item = MessageId>,
) -> std::result::Result<(), Failure> {
    let mut new = Vec::new();
    let mut reads = app.read().await?;
    for id in messages {
        if store::message::can_be_wanted(&mut reads, account, id).await? {
            new.push(id);
        }
    }
    drop(reads);
    if new.is_empty() {
        return Ok(());
    }
    let now = app.now();
    let noted = app.write(async |tx| {
        for id in &new {
            store::message::want_heard(tx, account, *id, now).await?;
        }
        Ok(())
    });
    noted.await.map_err(never_refused)
}

/// A message of any account and its audio as a WAV file, for the member of staff who listens to it;
/// `None` when there is no such message.
///
/// # Errors
/// The database or the blob store failed.
pub async fn listen(
    app: &App,
    id: MessageId,
) -> std::result::Result<Option<(Message, Vec<u8>)>, Failure> {
    let found = store::message::find_of_any(&mut app.read().await?, id).await?;
    let Some(message) = found else { return Ok(None) };
    let wav = audio_of(app, &message).await?;
    Ok(Some((message, wav)))
}

/// Decides whether a message may be sent, as a member of staff. `false`: there is none.
///
/// # Errors
/// The database failed.
pub async fn decide(
    app: &App,
    id: MessageId,
    decision: &Decision,
) -> std::result::Result<bool, Failure> {
    let now = app.now();
    let done = app.write(async |tx| Ok(store::message::decide(tx, id, decision, now).await?)).await;
    done.map_err(never_refused)
}

/// The balance does not cover what was spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NotCovered;

/// Turns a recording into a message, charging for what was spoken.
async fn keep(
    app: &App,
    caller: &Caller,
    title: String,
    recording: &Recording,
    persistent: bool,
) -> Result<Message, NotCovered> {
    let price = recording.price(app, app.now()).await?.ok_or(Error::Refused(NotCovered))?;
    insert(app, caller, title, recording, persistent, price).await
}

async fn insert(
    app: &App,
    caller: &Caller,
    title: String,
    recording: &Recording,
    persistent: bool,
    price: Rials,
) -> Result<Message, NotCovered> {
    let (account, now) = (&caller.account, app.now());
    let approval =
        if account.approves_own_messages { Approval::Approved } else { Approval::Waiting };
    let new = store::message::NewMessage {
        account: account.id,
        title,
        approval,
        length_ms: recording.length_ms,
        blob: recording.blob.clone(),
        persistent,
        created_at: now,
    };
    let insert = async |tx: &mut store::Tx| {
        if !recording.post(tx, account.id, price, now).await? {
            return Err(Error::Refused(NotCovered));
        }
        Ok(store::message::insert(tx, &new).await?)
    };
    let id = request::write(app, |id: &MessageId| Some(id.0), insert).await?;
    Ok(Message {
        id,
        account: account.id,
        title: new.title,
        approval,
        decided_at: None,
        refused_because: None,
        length_ms: new.length_ms,
        blob: new.blob,
        persistent,
        created_at: now,
    })
}

fn is_too_long(title: &str) -> bool {
    title.chars().nth(TITLE_CHARS_MAX).is_some()
}

impl UploadRefusal {
    fn of(refusal: &audio::Refusal) -> Self {
        match refusal {
            audio::Refusal::Empty
            | audio::Refusal::UnknownFormat
            | audio::Refusal::Unsupported { .. } => Self::NotAudio,
            audio::Refusal::TooLarge { .. } => Self::TooLarge,
            audio::Refusal::Broken { .. } => Self::Broken,
            audio::Refusal::OutOfTime => Self::OutOfTime,
            audio::Refusal::TooLong { .. } => Self::TooLong,
            audio::Refusal::TooShort { .. } | audio::Refusal::Silent => Self::TooShort,
        }
    }
}

impl From<RecordingRefusal> for UploadRefusal {
    fn from(refusal: RecordingRefusal) -> Self {
        match refusal {
            RecordingRefusal::NotSpoken => Self::WrongMobile,
            RecordingRefusal::TooLong => Self::TooLong,
        }
    }
}

impl From<ScriptRefusal> for SpeechRefusal {
    fn from(refusal: ScriptRefusal) -> Self {
        match refusal {
            ScriptRefusal::EmptyText => Self::EmptyText,
            ScriptRefusal::TextTooLong => Self::TextTooLong,
            ScriptRefusal::WrongMobile => Self::WrongMobile,
            ScriptRefusal::NotSpoken => Self::NotSpoken,
        }
    }
}

impl From<RecordingRefusal> for SpeechRefusal {
    fn from(refusal: RecordingRefusal) -> Self {
        match refusal {
            RecordingRefusal::NotSpoken => Self::NotSpoken,
            RecordingRefusal::TooLong => Self::TooLong,
        }
    }
}
