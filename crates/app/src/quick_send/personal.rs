//! Sends of what is said to one number alone: a template filled with its values, spoken before it
//! is accepted, so that its length and hold are the real ones.

use domain::template::Filled;
use domain::{MessageClass, MessageId};

use super::{
    Accepted, Order, TextRefusal, may_be_sent, may_be_spoken, repeated, request, send_speech,
};
use crate::speech::Recording;
use crate::template::{SaidRefusal, Script, playable};
use crate::{App, Caller, Error, Result, message};

/// A personal message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPersonalSend {
    /// The template.
    pub template: MessageId,
    /// Its values by their names, as the customer wrote them.
    pub values: Vec<(String, String)>,
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

/// Why a personal message was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonalRefusal {
    /// It cannot be said.
    Said(SaidRefusal),
    /// It may not be sent.
    Send(TextRefusal),
}

/// Speaks a personal message and sends it. Whatever can be refused without speaking is refused
/// first.
///
/// # Errors
/// Refused as [`PersonalRefusal`] says.
pub async fn submit_personal(
    app: &App,
    caller: &Caller,
    new: NewPersonalSend,
) -> Result<Accepted, PersonalRefusal> {
    submit_with_key(app, caller, new, None).await
}

/// The same; its callee opts out by this key, if one is given, in place of that of its class.
pub(crate) async fn submit_with_key(
    app: &App,
    caller: &Caller,
    new: NewPersonalSend,
    opt_out_key: Option<char>,
) -> Result<Accepted, PersonalRefusal> {
    if let Some(first) = repeated(app, caller, new.reference.as_deref()).await? {
        return Ok(first);
    }
    let request = request(app, &new.number, new.vote, new.record_ms, new.server)
        .map_err(|refusal| Error::Refused(PersonalRefusal::Send(refusal.into())))?;
    let mut order = Order::new(app, caller, request, new.reference, new.class).await?;
    order.follow_up = new.follow_up;
    order.opt_out_key = opt_out_key.or(order.opt_out_key);
    let recording = judged(app, caller, &order, new.template, &new.values).await?;
    let sent = send_speech(app, order, &recording).await;
    sent.map_err(|error| error.map(PersonalRefusal::Send))
}

/// Speaks what an order is to play, provided that it may be sent.
pub(crate) async fn judged(
    app: &App,
    caller: &Caller,
    order: &Order,
    template: MessageId,
    values: &[(String, String)],
) -> Result<Recording, PersonalRefusal> {
    let said = |refusal| Error::Refused(PersonalRefusal::Said(refusal));
    let script = Script::find(app, caller.account.id, template).await?;
    let script = script.ok_or_else(|| said(SaidRefusal::NotFound))?;
    // A clip may have been refused or deleted since the template was made of it.
    let played = playable(&mut app.read().await?, caller.account.id, template).await?;
    if played.is_none_or(|(message, _)| !message.may_be_sent(order.needs_approval())) {
        if order.needs_approval() {
            message::want_heard(app, caller.account.id, script.template().clips()).await?;
        }
        return Err(Error::Refused(PersonalRefusal::Send(TextRefusal::MustBeApproved)));
    }
    let given = values.iter().map(|(name, value)| (&**name, &**value));
    let filled = script.template().fill(given);
    let filled = filled.map_err(|bad| said(SaidRefusal::Value(bad)))?;
    let may_be = if script.template().has_text() {
        may_be_spoken(app, order).await
    } else {
        may_be_sent(app, order).await
    };
    may_be.map_err(|error| error.map(PersonalRefusal::Send))?;
    spoken(app, &script, &filled).await
}

async fn spoken(app: &App, script: &Script, filled: &Filled) -> Result<Recording, PersonalRefusal> {
    let recording = script.speak(app, filled).await;
    recording.map_err(|error| error.map(PersonalRefusal::Said))
}
