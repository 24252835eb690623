//! Personal messages: templates, what is said to one recipient alone, and speaking it ahead of the
//! calls. What is played is never one file for each recipient: it is named by its parts, of which
//! the clips are the customer's and the words are in the cache of speech, and joined when the call
//! is prepared.

use std::collections::BTreeMap;

use audio::text::{Speakable, digits, normalise};
use domain::message::{LENGTH_MS_MAX, LENGTH_MS_MIN, TITLE_CHARS_MAX};
use domain::template::{BadValue, Filled, Kind, Segment, SyntaxRefusal, Template, ValueRefusal};
use domain::{
    Account, AccountId, Approval, CampaignId, Message, MessageId, RecipientId, Timestamp,
};
use store::Queries;
use store::template::{Kept, NewTemplate as Row, Personal};

use crate::account::never_refused;
use crate::ports::Speaker;
use crate::speech::{self, PARTS_GAP_MS, Part, Recording, RecordingRefusal};
use crate::{App, Caller, Error, Failure, Result, message, request};

/// How far ahead of the line the values of a campaign's recipients are spoken.
const AHEAD: u32 = 2_000;
/// Recipients of one campaign that are spoken to before the next campaign has its turn, and that
/// are kept in one commit.
const TURN: u32 = 20;
/// How long a campaign is left alone in which something failed, milliseconds.
const PAUSE_MS: i64 = 10_000;
/// Campaigns that are looked after at a time.
const CAMPAIGNS_MAX: u32 = 10_000;

/// A template to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTemplate {
    /// The customer's title for it.
    pub title: String,
    /// The template as it is written ([`Template::parse`]).
    pub written: String,
    /// Who speaks its values: as [`message::speaker`] takes it; the vendor's default without one.
    pub voice: Option<String>,
    /// The longest that it may play to anybody, milliseconds. Without it: its clips, and what such
    /// values usually take.
    pub longest_ms: Option<u32>,
}

/// A template that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its identity among the account's messages.
    pub id: MessageId,
    /// Its title.
    pub title: String,
    /// What it plays.
    pub template: Template,
    /// Who speaks its values, as the customer named the voice.
    pub voice: Option<String>,
    /// The longest that it plays to anybody, milliseconds.
    pub longest_ms: u32,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Why a template was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateRefusal {
    /// Longer than [`TITLE_CHARS_MAX`].
    TitleTooLong,
    /// What is written is none.
    Written(SyntaxRefusal),
    /// The account has no such message, or it may not be sent.
    NoSuchClip(MessageId),
    /// There is no such voice.
    NoSuchVoice,
    /// It cannot play within the time it may, or a message must have; this is the least in
    /// milliseconds.
    WrongLength(u32),
    /// Words of this account must be listened to before they are sent.
    TextNotAllowed,
}

/// Why a message to one recipient cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaidRefusal {
    /// The account has no such template, or such a recipient of a campaign.
    NotFound,
    /// A value is none.
    Value(BadValue),
    /// The engine made nothing that can be heard, or less than a message must have.
    NotSpoken,
    /// It plays longer than the template may.
    TooLong,
}

/// What one recipient hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Its parts, in their order.
    pub parts: Vec<Heard>,
    /// How long all of it plays, milliseconds.
    pub length_ms: u32,
    /// All of it, as a WAV file.
    pub wav: Vec<u8>,
}

/// A part of what one recipient hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A message of the account.
    Clip(MessageId),
    /// A value.
    Value {
        /// Its name.
        name: String,
        /// The value, in the form in which it was taken.
        value: String,
        /// The words that are spoken.
        spoken: String,
    },
}

/// Makes a template. Its clips are messages that may be sent.
///
/// # Errors
/// Refused as [`TemplateRefusal`] says.
pub async fn create(app: &App, caller: &Caller, new: NewTemplate) -> Result<Made, TemplateRefusal> {
    let refused = |refusal| Err(Error::Refused(refusal));
    let NewTemplate { title, written, voice, longest_ms } = new;
    let account = &caller.account;
    if title.chars().nth(TITLE_CHARS_MAX).is_some() {
        return refused(TemplateRefusal::TitleTooLong);
    }
    let template = Template::parse(&written)
        .map_err(|syntax| Error::Refused(TemplateRefusal::Written(syntax)))?;
    if voice.as_deref().is_some_and(|voice| message::speaker(app, voice).is_none()) {
        return refused(TemplateRefusal::NoSuchVoice);
    }
    if template.has_text() && !account.approves_own_messages {
        return refused(TemplateRefusal::TextNotAllowed);
    }
    let clips_ms = clips_ms(app, account.id, &template).await?;
    let values_ms = template.segments().iter().map(|segment| match segment {
        Segment::Clip(_) => 0,
        Segment::Value(place) => template.values()[*place].kind.usual_ms(),
    });
    let usual_ms = values_ms.fold(clips_ms, u32::saturating_add);
    let longest_ms = longest_ms.unwrap_or(usual_ms.clamp(LENGTH_MS_MIN, LENGTH_MS_MAX));
    let least_ms = clips_ms.max(LENGTH_MS_MIN);
    if !(least_ms..=LENGTH_MS_MAX).contains(&longest_ms) {
        return refused(TemplateRefusal::WrongLength(least_ms));
    }
    let row = Row {
        account: account.id,
        title,
        written: template.to_string(),
        voice,
        longest_ms,
        created_at: app.now(),
    };
    let insert = async |tx: &mut store::Tx| Ok(store::template::insert(tx, &row).await?);
    let id = request::write(app, |id: &MessageId| Some(id.0), insert).await?;
    let Row { title, voice, created_at, .. } = row;
    Ok(Made { id, title, template, voice, longest_ms, created_at })
}

/// How long the clips of a template play, with the pauses between its parts, milliseconds.
async fn clips_ms(
    app: &App,
    account: AccountId,
    template: &Template,
) -> Result<u32, TemplateRefusal> {
    let mut reads = app.read().await?;
    let gaps = u32::try_from(template.segments().len() - 1).unwrap_or(u32::MAX);
    let mut clips_ms = gaps.saturating_mul(u32::from(PARTS_GAP_MS));
    for id in template.clips() {
        let clip = store::message::find(&mut reads, account, id).await?;
        let clip = clip.filter(|clip| clip.approval == Approval::Approved);
        let clip = clip.ok_or(Error::Refused(TemplateRefusal::NoSuchClip(id)))?;
        clips_ms = clips_ms.saturating_add(clip.length_ms);
    }
    Ok(clips_ms)
}

/// The caller's template `id`.
///
/// # Errors
/// The database failed.
pub async fn find(
    app: &App,
    caller: &Caller,
    id: MessageId,
) -> std::result::Result<Option<Made>, Failure> {
    let found = store::template::find(&mut app.read().await?, caller.account.id, id).await?;
    found.map(Made::of).transpose()
}

/// The caller's templates, the newest first: at most `limit` that are older than `before`.
///
/// # Errors
/// The database failed.
pub async fn page(
    app: &App,
    caller: &Caller,
    before: Option<MessageId>,
    limit: u32,
) -> std::result::Result<Vec<Made>, Failure> {
    let mut reads = app.read().await?;
    let found = store::template::list(&mut reads, caller.account.id, before, limit).await?;
    found.into_iter().map(Made::of).collect()
}

/// Deletes the caller's template. `false`: there is none. Campaigns that were begun with it go on.
///
/// # Errors
/// The database failed.
pub async fn delete(
    app: &App,
    caller: &Caller,
    id: MessageId,
) -> std::result::Result<bool, Failure> {
    let (account, now) = (caller.account.id, app.now());
    let done = app.write(async |tx| Ok(store::template::delete(tx, account, id, now).await?)).await;
    done.map_err(never_refused)
}

impl Made {
    fn of(kept: Kept) -> std::result::Result<Self, Failure> {
        let Row { title, written, voice, longest_ms, created_at, .. } = kept.new;
        let template = parsed(kept.id, &written)?;
        Ok(Self { id: kept.id, title, template, voice, longest_ms, created_at })
    }
}

/// A template that was written by us.
fn parsed(id: MessageId, written: &str) -> std::result::Result<Template, Failure> {
    let broken = |syntax| Failure::of(format!("reading the template {id}: {syntax}"));
    Template::parse(written).map_err(broken)
}

/// What a campaign plays: a message, or a template, which is one whose length is the most that it
/// may have, and which waits for approval as long as one of its clips is not there to be sent.
pub(crate) async fn playable(
    reads: &mut impl Queries,
    account: AccountId,
    id: MessageId,
) -> std::result::Result<Option<(Message, Option<Template>)>, Failure> {
    if let Some(message) = store::message::find(reads, account, id).await? {
        return Ok(Some((message, None)));
    }
    let Some(Kept { new, .. }) = store::template::find(reads, account, id).await? else {
        return Ok(None);
    };
    let template = parsed(id, &new.written)?;
    // The words around the clips are ours: staff has decided when it has about every clip.
    let (mut approval, mut decided_at) = (Approval::Approved, Some(new.created_at));
    for clip in template.clips() {
        let clip = store::message::find(reads, account, clip).await?;
        decided_at = clip.as_ref().and_then(|clip| clip.decided_at.and(decided_at));
        if clip.is_none_or(|clip| !clip.may_be_sent(false)) {
            approval = Approval::Rejected;
        }
    }
    let message = Message {
        id,
        account,
        title: new.title,
        approval,
        decided_at,
        refused_because: None,
        length_ms: new.longest_ms,
        blob: String::new(),
        persistent: false,
        created_at: new.created_at,
    };
    Ok(Some((message, Some(template))))
}

/// The template that a campaign was begun with, also when it was deleted since; `None` when it
/// plays a message for all.
pub(crate) async fn of_campaign(
    reads: &mut impl Queries,
    campaign: &store::campaign::Campaign,
) -> std::result::Result<Option<Template>, Failure> {
    let found = store::template::begun(reads, campaign.account, campaign.message).await?;
    found.map(|kept| parsed(kept.id, &kept.new.written)).transpose()
}

/// Whether an account may send what a template may say: words that nobody has listened to are for
/// accounts that need no approval, in classes that need none.
pub(crate) fn may_say(template: Option<&Template>, account: &Account, approval: bool) -> bool {
    let has_text = template.is_some_and(Template::has_text);
    !has_text || (account.approves_own_messages && !approval)
}

/// A template and what speaking by it needs.
pub(crate) struct Script {
    made: Made,
    account: AccountId,
    speaker: Speaker,
}

impl Script {
    /// The account's template `id`.
    pub(crate) async fn find(
        app: &App,
        account: AccountId,
        id: MessageId,
    ) -> std::result::Result<Option<Self>, Failure> {
        Self::of(app, store::template::find(&mut app.read().await?, account, id).await?)
    }

    /// The template that a campaign of the account's was begun with, also when it was deleted
    /// since.
    async fn begun(
        app: &App,
        account: AccountId,
        id: MessageId,
    ) -> std::result::Result<Option<Self>, Failure> {
        Self::of(app, store::template::begun(&mut app.read().await?, account, id).await?)
    }

    fn of(app: &App, found: Option<Kept>) -> std::result::Result<Option<Self>, Failure> {
        let account = found.as_ref().map(|kept| kept.new.account);
        let Some((account, made)) = account.zip(found.map(Made::of).transpose()?) else {
            return Ok(None);
        };
        let speaker = match &made.voice {
            None => Speaker::default(),
            Some(voice) => message::speaker(app, voice).ok_or_else(|| {
                let id = made.id;
                Failure::of(format!("speaking by the template {id}: there is no voice {voice}"))
            })?,
        };
        Ok(Some(Self { made, account, speaker }))
    }

    /// What it plays.
    pub(crate) fn template(&self) -> &Template {
        &self.made.template
    }

    /// The values of a recipient as they are kept.
    fn filled(&self, given: &str) -> std::result::Result<Filled, Failure> {
        let count = self.template().values().len();
        Filled::from_text(given, count)
            .ok_or_else(|| Failure::of("reading the values of a recipient: they are not all there"))
    }

    /// What is heard by who has these values, part by part.
    fn heard(&self, filled: &Filled) -> std::result::Result<Vec<Heard>, BadValue> {
        let heard = self.template().segments().iter().map(|segment| match *segment {
            Segment::Clip(id) => Ok(Heard::Clip(id)),
            Segment::Value(place) => {
                let (slot, value) = (&self.template().values()[place], &filled.values()[place]);
                let refused = |why| BadValue { name: slot.name.clone(), why };
                let spoken = words(slot.kind, value).map_err(refused)?;
                let (name, value) = (slot.name.clone(), value.clone());
                Ok(Heard::Value { name, value, spoken: spoken.as_str().to_owned() })
            }
        });
        heard.collect()
    }

    /// Speaks to who has these values, from the cache where it can.
    pub(crate) async fn speak(&self, app: &App, filled: &Filled) -> Result<Recording, SaidRefusal> {
        let mut parts = Vec::with_capacity(self.template().segments().len());
        for segment in self.template().segments() {
            parts.push(match *segment {
                Segment::Clip(id) => {
                    let mut reads = app.read().await?;
                    let sound = store::template::sound(&mut reads, self.account, id).await?;
                    let gone = || Failure::of(format!("playing the clip {id}: it is not there"));
                    let (blob, length_ms) = sound.ok_or_else(gone)?;
                    Part::Kept { blob, length_ms }
                }
                Segment::Value(place) => {
                    let slot = &self.template().values()[place];
                    let refused = |why| {
                        let name = slot.name.clone();
                        Error::Refused(SaidRefusal::Value(BadValue { name, why }))
                    };
                    Part::Words(words(slot.kind, &filled.values()[place]).map_err(refused)?)
                }
            });
        }
        let recording = speech::in_parts(app, &parts, self.speaker).await;
        let recording = recording.map_err(|error| error.map(SaidRefusal::from))?;
        match recording.length_ms {
            short if short < LENGTH_MS_MIN => Err(Error::Refused(SaidRefusal::NotSpoken)),
            long if long > self.made.longest_ms => Err(Error::Refused(SaidRefusal::TooLong)),
            _ => Ok(recording),
        }
    }

    /// What is heard by who has these values.
    async fn preview(&self, app: &App, filled: &Filled) -> Result<Preview, SaidRefusal> {
        let refused = |bad| Error::Refused(SaidRefusal::Value(bad));
        let parts = self.heard(filled).map_err(refused)?;
        let recording = self.speak(app, filled).await?;
        let wav = crate::dialing::wav(app, &recording.blob).await?;
        Ok(Preview { parts, length_ms: recording.length_ms, wav })
    }
}

/// The words of a value that was taken, as the engine reads them right.
fn words(kind: Kind, value: &str) -> std::result::Result<Speakable, ValueRefusal> {
    let spoken = match kind {
        Kind::Digits => digits::spoken(value),
        // Without the groups a long number would be read as a code.
        Kind::Number => normalise(&grouped(value)),
        Kind::AmountRial => normalise(&format!("{} ریال", grouped(value))),
        Kind::DateJalali | Kind::Text => normalise(value),
    };
    spoken.map_err(|_| ValueRefusal::NotSpoken)
}

/// A number with commas between its groups of three digits.
fn grouped(number: &str) -> String {
    let (whole, decimals) = match number.split_once('.') {
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (number, None),
    };
    let (sign, whole) = match whole.strip_prefix('-') {
        Some(whole) => ("-", whole),
        None => ("", whole),
    };
    let mut text = String::from(sign);
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(decimals) = decimals {
        text.push('.');
        text.push_str(decimals);
    }
    text
}

/// What somebody with these values would hear.
///
/// # Errors
/// Refused as [`SaidRefusal`] says.
pub async fn preview(
    app: &App,
    caller: &Caller,
    id: MessageId,
    values: &[(String, String)],
) -> Result<Preview, SaidRefusal> {
    let script = Script::find(app, caller.account.id, id).await?;
    let script = script.ok_or(Error::Refused(SaidRefusal::NotFound))?;
    let given = values.iter().map(|(name, value)| (&**name, &**value));
    let filled = script.template().fill(given);
    let filled = filled.map_err(|bad| Error::Refused(SaidRefusal::Value(bad)))?;
    script.preview(app, &filled).await
}

/// What a recipient of a campaign of the caller's hears.
///
/// # Errors
/// Refused as [`SaidRefusal`] says.
pub async fn preview_of_recipient(
    app: &App,
    caller: &Caller,
    recipient: RecipientId,
) -> Result<Preview, SaidRefusal> {
    let account = caller.account.id;
    let said = store::template::said(&mut app.read().await?, account, recipient).await?;
    let said = said.ok_or(Error::Refused(SaidRefusal::NotFound))?;
    let script = Script::begun(app, account, said.template).await?;
    let script = script.ok_or_else(|| Failure::of("previewing: the template is gone"))?;
    let filled = script.filled(&said.given)?;
    script.preview(app, &filled).await
}

/// The template and the values, by their names, of a recipient of a campaign of the account's that
/// plays one.
pub(crate) async fn values_of(
    app: &App,
    account: AccountId,
    recipient: RecipientId,
) -> std::result::Result<Option<(MessageId, Vec<(String, String)>)>, Failure> {
    let said = store::template::said(&mut app.read().await?, account, recipient).await?;
    let Some(said) = said else { return Ok(None) };
    let Some(script) = Script::begun(app, account, said.template).await? else { return Ok(None) };
    let filled = script.filled(&said.given)?;
    let names = script.template().values().iter().map(|slot| slot.name.clone());
    Ok(Some((said.template, names.zip(filled.values().iter().cloned()).collect())))
}

/// Speaks ahead, and leaves a campaign alone for a while in which something fails.
#[derive(Debug, Default)]
pub struct Ahead {
    /// When the turn of a campaign that failed comes again.
    not_before: BTreeMap<CampaignId, Timestamp>,
}

impl Ahead {
    /// Speaks to some recipients of each campaign that calls. Tells whether there may be more now.
    /// What fails of one campaign is logged, and keeps no other from its turn.
    ///
    /// # Errors
    /// The database failed.
    pub async fn speak(&mut self, app: &App) -> std::result::Result<bool, Failure> {
        let calling = store::template::calling(&mut app.read().await?, CAMPAIGNS_MAX).await?;
        let now = app.now();
        self.not_before.retain(|_, at| *at > now);
        let mut more = false;
        for personal in calling {
            if self.not_before.contains_key(&personal.campaign) {
                continue;
            }
            match speak_to_some(app, personal).await {
                Ok(is_full) => more |= is_full,
                Err(failure) => {
                    let (campaign, error) = (personal.campaign.0, failure.chain());
                    tracing::warn!(campaign, error, "personal messages wait to be spoken");
                    let at = app.now().plus_ms(PAUSE_MS);
                    self.not_before.insert(personal.campaign, at);
                }
            }
        }
        Ok(more)
    }
}

/// One campaign's turn. Tells whether there may be more of it.
async fn speak_to_some(app: &App, personal: Personal) -> std::result::Result<bool, Failure> {
    let Personal { campaign, account, template, cursor } = personal;
    let mut reads = app.read().await?;
    let waiting = store::template::unspoken(&mut reads, campaign, (cursor, AHEAD), TURN).await?;
    drop(reads);
    if waiting.is_empty() {
        return Ok(false);
    }
    let script = Script::begun(app, account, template).await?;
    let script = script.ok_or_else(|| Failure::of("speaking ahead: the template is gone"))?;
    let (mut sounds, mut failed) = (Vec::with_capacity(waiting.len()), None);
    for (recipient, given) in &waiting {
        let filled = script.filled(given)?;
        match script.speak(app, &filled).await {
            Ok(recording) => sounds.push((*recipient, Some(recording))),
            Err(Error::Refused(refusal)) => {
                let (recipient_id, campaign) = (recipient.pack(), campaign.0);
                tracing::info!(
                    campaign,
                    recipient_id,
                    why = without_values(&refusal),
                    "not spoken"
                );
                sounds.push((*recipient, None));
            }
            Err(Error::Failed(failure)) => {
                failed = Some(failure);
                break;
            }
        }
    }
    let kept = app.write(async |tx| {
        for (recipient, recording) in &sounds {
            let sound = recording.as_ref().map(|one| (&*one.blob, one.length_ms));
            store::template::set_sound(tx, *recipient, sound).await?;
        }
        Ok(())
    });
    kept.await.map_err(never_refused)?;
    match failed {
        Some(failure) => Err(failure),
        None => Ok(waiting.len() == TURN as usize),
    }
}

/// What may stand in a log: no value, and no name of one.
fn without_values(refusal: &SaidRefusal) -> &'static str {
    match refusal {
        SaidRefusal::NotFound => "not_found",
        SaidRefusal::Value(bad) => bad.why.word(),
        SaidRefusal::NotSpoken => "not_spoken",
        SaidRefusal::TooLong => "too_long",
    }
}

impl From<RecordingRefusal> for SaidRefusal {
    fn from(refusal: RecordingRefusal) -> Self {
        match refusal {
            RecordingRefusal::NotSpoken => Self::NotSpoken,
            RecordingRefusal::TooLong => Self::TooLong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: each kind of value is read out as what it is.
    #[test]
    fn values_are_read_out_by_their_kind() {
        let said = |kind: Kind, value: &str| words(kind, value).unwrap().as_str().to_owned();
        assert_eq!(said(Kind::Digits, "2103"), "دو، یک، صفر، سه");
        assert_eq!(said(Kind::Number, "0"), "صفر");
        assert_eq!(said(Kind::Number, "-12.5"), "منفی دوازده ممیز پنج");
        assert_eq!(
            said(Kind::Number, "12345678901"),
            "دوازده میلیاردُ سیصدُ چهلُ پنج میلیونُ ششصدُ هفتادُ هشت هزارُ نهصدُ یک"
        );
        assert_eq!(said(Kind::AmountRial, "1250000"), "یک میلیونُ دویستُ پنجاه هزار ریال");
        assert_eq!(said(Kind::AmountRial, "500"), "پانصد ریال");
        assert_eq!(said(Kind::DateJalali, "1405/09/08"), "هشتمِ آذرِ هزارُ چهارصدُ پنج");
        assert_eq!(said(Kind::Text, "علی رضایی"), "علی رضایی");
        assert_eq!(
            words(Kind::Text, "\u{1f600}a\u{1f600}").map(|it| it.to_string()),
            Ok("a".into())
        );
    }
}
