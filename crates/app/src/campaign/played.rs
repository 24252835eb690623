//! What a campaign plays: what is kept already, or a text. A text is spoken once all else is
//! judged; its message and the charge for its speech are in the commit that makes the campaign.

use domain::campaign::admission::{CallPrices, Plan, check_message};
use domain::message::LENGTH_MS_MIN;
use domain::template::Template;
use domain::{Account, Approval, MessageId, Rials, Timestamp};
use store::Tx;
use store::message::NewMessage;

use super::create::CreateRefusal;
use crate::ports::Speaker;
use crate::quick_send::TextRefusal;
use crate::speech::{self, Recording, Script};
use crate::template::{may_say, playable};
use crate::{App, Error, Failure, Result, class, message, prices};

/// What a campaign is to play.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Played {
    /// A message, or a template.
    Kept(MessageId),
    /// A text, which becomes a message under the title of the campaign.
    Text {
        /// What is spoken.
        text: String,
        /// Whose voice speaks.
        speaker: Speaker,
        /// A telephone number to be spoken at the end.
        call_from_mobile: Option<String>,
    },
}

impl From<MessageId> for Played {
    fn from(message: MessageId) -> Self {
        Self::Kept(message)
    }
}

/// What may be played.
pub(super) enum Judged {
    Kept(MessageId, Option<Template>),
    Script(Script),
}

impl Judged {
    /// The template that is filled for each number, if one is.
    pub(super) fn template(&self) -> Option<&Template> {
        match self {
            Self::Kept(_, template) => template.as_ref(),
            Self::Script(_) => None,
        }
    }
}

/// What can be played: it is there, and how long it plays is known.
pub(super) struct Sound {
    /// How long it plays.
    pub(super) clip_ms: u32,
    /// What speaking it costs.
    pub(super) speech: Rials,
    source: Source,
}

enum Source {
    Kept(MessageId),
    Spoken(Recording),
}

/// Judges all that can be judged before the list is gone through and anything is spoken.
pub(super) async fn judge(
    app: &App,
    account: &Account,
    played: &Played,
    plan: &Plan,
) -> Result<Judged, CreateRefusal> {
    let now = app.now();
    plan.check(account, now).map_err(|refusal| Error::Refused(refusal.into()))?;
    let policies = class::policies(app, now).await?;
    let approval = policies.of(plan.class).needs_approval && !account.is_sandbox();
    let message = match played {
        Played::Kept(message) => *message,
        Played::Text { text, speaker, call_from_mobile } => {
            let script = Script::new(text, call_from_mobile.as_deref(), *speaker)
                .map_err(|refusal| text_refused(refusal.into()))?;
            if approval || !account.approves_own_messages {
                return Err(text_refused(TextRefusal::MustBeApproved));
            }
            return Ok(Judged::Script(script));
        }
    };
    let found = playable(&mut app.read().await?, account.id, message).await?;
    let (found, template) = found.unzip();
    let template = template.flatten();
    if let Err(refusal) = check_message(found.as_ref(), approval) {
        if approval {
            want_heard(app, account, (message, template.as_ref())).await?;
        }
        return Err(Error::Refused(refusal.into()));
    }
    if !may_say(template.as_ref(), account, approval) {
        return Err(Error::Refused(CreateRefusal::WrongMessage));
    }
    Ok(Judged::Kept(message, template))
}

/// Asks staff to listen to what a campaign is to play.
pub(super) async fn want_heard(
    app: &App,
    account: &Account,
    (message, template): (MessageId, Option<&Template>),
) -> std::result::Result<(), Failure> {
    match template {
        Some(template) => message::want_heard(app, account.id, template.clips()).await,
        None => message::want_heard(app, account.id, [message]).await,
    }
}

/// Makes what was judged into what can be played. What was spoken has to be kept or
/// [removed](Sound::remove).
pub(super) async fn sound(
    app: &App,
    account: &Account,
    judged: Judged,
) -> Result<Sound, CreateRefusal> {
    let script = match judged {
        Judged::Kept(message, _) => {
            let found = playable(&mut app.read().await?, account.id, message).await?;
            let clip_ms = found.ok_or(Error::Refused(CreateRefusal::WrongMessage))?.0.length_ms;
            let source = Source::Kept(message);
            return Ok(Sound { clip_ms, speech: Rials::ZERO, source });
        }
        Judged::Script(script) => script,
    };
    let recording = speech::speak(app, &script).await;
    let recording = recording.map_err(|error| error.map(|it| CreateRefusal::Text(it.into())))?;
    let (clip_ms, price) = (recording.length_ms, recording.price(app, app.now()).await?);
    let refused = if clip_ms < LENGTH_MS_MIN {
        TextRefusal::TooShort
    } else if let Some(speech) = price {
        return Ok(Sound { clip_ms, speech, source: Source::Spoken(recording) });
    } else {
        TextRefusal::InsufficientCredit
    };
    recording.remove(app).await;
    Err(text_refused(refused))
}

impl Sound {
    /// What a call costs at most.
    pub(super) async fn prices(&self, app: &App) -> Result<CallPrices, CreateRefusal> {
        let tariff = prices::in_force(app, app.now()).await?;
        CallPrices::of(&tariff, self.clip_ms)
            .ok_or(Error::Refused(CreateRefusal::InsufficientCredit))
    }

    /// The account as it is when the speech is paid.
    pub(super) fn paid_by(&self, account: &Account) -> Account {
        let balance = Rials(account.balance.0.saturating_sub(self.speech.0));
        Account { balance, ..account.clone() }
    }

    /// The message that is played, in the transaction that makes the campaign: what was spoken
    /// becomes one and is charged.
    pub(super) async fn message(
        &self,
        tx: &mut Tx,
        account: &Account,
        (title, now): (&str, Timestamp),
    ) -> Result<MessageId, CreateRefusal> {
        let recording = match &self.source {
            Source::Kept(message) => return Ok(*message),
            Source::Spoken(recording) => recording,
        };
        if !recording.post(tx, account.id, self.speech, now).await? {
            return Err(Error::Refused(CreateRefusal::InsufficientCredit));
        }
        let new = NewMessage {
            account: account.id,
            title: title.to_owned(),
            approval: Approval::Approved,
            length_ms: recording.length_ms,
            blob: recording.blob.clone(),
            persistent: false,
            created_at: now,
        };
        Ok(store::message::insert(tx, &new).await?)
    }

    /// Passes `made` on; what was spoken for what was refused is removed.
    pub(super) async fn kept_unless_refused<T>(
        &self,
        app: &App,
        made: Result<T, CreateRefusal>,
    ) -> Result<T, CreateRefusal> {
        match &self.source {
            Source::Kept(_) => made,
            Source::Spoken(recording) => recording.kept_unless_refused(app, made).await,
        }
    }

    /// Removes what was spoken, which nobody plays.
    pub(super) async fn remove(&self, app: &App) {
        if let Source::Spoken(recording) = &self.source {
            recording.remove(app).await;
        }
    }
}

fn text_refused(refusal: TextRefusal) -> Error<CreateRefusal> {
    Error::Refused(CreateRefusal::Text(refusal))
}
