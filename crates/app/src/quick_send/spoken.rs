//! Sends of texts, and of whatever was spoken a moment ago: judged with its real length and price,
//! then accepted.

use domain::message::LENGTH_MS_MIN;
use domain::quick_send::Admission;
use domain::{MessageClass, Rials};
use store::hot::{Played, Spoken};

use super::{Accepted, Listing, Order, TextRefusal, accept, may_be_spoken, repeated, request};
use crate::ports::Speaker;
use crate::speech::{self, Recording, RecordingRefusal, Script, ScriptRefusal};
use crate::{App, Caller, Error, Result};

/// A text to be spoken and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTextSend {
    /// What is spoken.
    pub text: String,
    /// Whose voice speaks.
    pub speaker: Speaker,
    /// A telephone number to be spoken at the end.
    pub call_from_mobile: Option<String>,
    /// Whom to call, as the customer wrote it.
    pub number: String,
    /// Whether the first key pressed is kept as a vote.
    pub vote: bool,
    /// How long the callee's voice is recorded after the message, milliseconds, if it is.
    pub record_ms: Option<u32>,
    /// The regional server that is to call, if one is asked for.
    pub server: Option<u32>,
    /// The customer's own name for this send: asking again returns the first one.
    pub reference: Option<String>,
    /// What kind of message it is.
    pub class: MessageClass,
    /// The follow-up that is written after its call ([`crate::sms::keep`]).
    pub follow_up: Option<i64>,
}

/// Speaks a text and sends it. Whatever can be refused without speaking is refused first. The
/// message, the charge for its speech and the send are one commit: there is no speech that was paid
/// for and not sent.
///
/// # Errors
/// Refused as [`TextRefusal`] says.
pub async fn submit_text(
    app: &App,
    caller: &Caller,
    new: NewTextSend,
) -> Result<Accepted, TextRefusal> {
    if let Some(first) = repeated(app, caller, new.reference.as_deref()).await? {
        return Ok(first);
    }
    let request = request(app, &new.number, new.vote, new.record_ms, new.server)
        .map_err(|refusal| Error::Refused(refusal.into()))?;
    let script = Script::new(&new.text, new.call_from_mobile.as_deref(), new.speaker)
        .map_err(|refusal| Error::Refused(refusal.into()))?;
    let mut order = Order::new(app, caller, request, new.reference, new.class).await?;
    order.follow_up = new.follow_up;
    may_be_spoken(app, &order).await?;
    let recording = speech::speak(app, &script).await.map_err(|error| error.map(Into::into))?;
    let sent = send_speech(app, order, &recording).await;
    let accepted = recording.kept_unless_refused(app, sent).await?;
    if accepted.repeated {
        // Another request with this reference was faster; its send plays its own audio.
        recording.remove(app).await;
    }
    Ok(accepted)
}

/// An order for what was spoken that may be sent.
pub(crate) struct Judged {
    order: Order,
    price: Rials,
    admission: Admission,
}

impl Judged {
    /// What speaking costs, and the call.
    pub(crate) fn costs(&self) -> (Rials, &Admission) {
        (self.price, &self.admission)
    }

    /// The most that all of it can cost.
    pub(crate) fn cost_max(&self) -> Rials {
        Rials(self.price.0.saturating_add(self.admission.hold.price.0))
    }

    /// The order.
    pub(crate) fn order(self) -> Order {
        self.order
    }
}

/// Judges an order with what was spoken for it, provided that the balance covers the speech and
/// the call together.
pub(crate) async fn judge_speech(
    app: &App,
    mut order: Order,
    recording: &Recording,
) -> Result<Judged, TextRefusal> {
    if recording.length_ms < LENGTH_MS_MIN {
        return Err(Error::Refused(TextRefusal::TooShort));
    }
    order.now = app.now();
    let not_covered = || Error::Refused(TextRefusal::InsufficientCredit);
    let price = recording.price(app, order.now).await?.ok_or_else(not_covered)?;
    let left = order.account.balance.checked_sub(price);
    order.account.balance = left.ok_or_else(not_covered)?;
    let admission = order
        .admit(app, Some(&order.draft(recording.length_ms)))
        .map_err(|refusal| Error::Refused(refusal.into()))?;
    Ok(Judged { order, price, admission })
}

/// Sends what was judged; the books may have changed since and refuse it.
pub(crate) async fn send_judged(
    app: &App,
    judged: Judged,
    recording: &Recording,
) -> Result<Accepted, TextRefusal> {
    let Judged { order, price, admission } = judged;
    let blob = recording.blob.clone();
    let (note, hidden) = (recording.note(), order.listing == Listing::Hidden);
    let played = Played::Spoken(Spoken { blob: blob.clone(), price, note, hidden });
    let accepted = accept(app, order, played, blob, admission).await;
    accepted.map_err(|error| error.map(Into::into))
}

/// Judges what was spoken and sends it.
pub(crate) async fn send_speech(
    app: &App,
    order: Order,
    recording: &Recording,
) -> Result<Accepted, TextRefusal> {
    let judged = judge_speech(app, order, recording).await?;
    send_judged(app, judged, recording).await
}

impl From<ScriptRefusal> for TextRefusal {
    fn from(refusal: ScriptRefusal) -> Self {
        match refusal {
            ScriptRefusal::EmptyText => Self::EmptyText,
            ScriptRefusal::TextTooLong => Self::TextTooLong,
            ScriptRefusal::WrongMobile => Self::WrongMobile,
            ScriptRefusal::NotSpoken => Self::NotSpoken,
        }
    }
}

impl From<RecordingRefusal> for TextRefusal {
    fn from(refusal: RecordingRefusal) -> Self {
        match refusal {
            RecordingRefusal::NotSpoken => Self::NotSpoken,
            RecordingRefusal::TooLong => Self::TooLong,
        }
    }
}
