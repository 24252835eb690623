//! One message to one number or several, now: estimated, bounded in cost, and sent once however
//! often the request comes. Each number is a quick send of its own; a list that needs hours of the
//! day, retries or more numbers than this is a campaign.

use domain::billing::rating::rate_rounding_up;
use domain::quick_send::{Admission, Refusal};
use domain::{Account, Destination, MessageClass, MessageId, Rials};

use crate::account::hex;
use crate::class::{self, Bar, Skipped};
use crate::forecast::Expected;
use crate::ports::Speaker;
use crate::quick_send::{
    self, Accepted, NewPersonalSend, NewSend, NewTextSend, Order, PersonalRefusal, TextRefusal,
    may_be_spoken, repeated,
};
use crate::request::{self, RequestKey};
use crate::speech::{self, Script};
use crate::template::SaidRefusal;
use crate::{App, Caller, Error, Failure, Result, prices};

/// Most numbers of one request.
pub const NUMBERS_MAX: usize = 100;

/// What is played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A message that is kept already.
    Message(MessageId),
    /// A text, which is spoken, and charged, once for all numbers.
    Text {
        /// What is spoken.
        text: String,
        /// Whose voice speaks.
        speaker: Speaker,
        /// A telephone number to be spoken at the end.
        call_from_mobile: Option<String>,
    },
    /// A template, filled for each number with values of its own.
    Personal {
        /// The template.
        template: MessageId,
        /// The values of each number, by their names, in the order of the numbers.
        values: Vec<Vec<(String, String)>>,
    },
}

impl Content {
    /// The values of the number at this place.
    fn values_at(values: &[Vec<(String, String)>], place: usize) -> &[(String, String)] {
        values.get(place).map_or(&[], Vec::as_slice)
    }
}

/// What is to be sent, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBulk {
    /// What is played.
    pub content: Content,
    /// Whom to call, as the customer wrote it; the first [`NUMBERS_MAX`] are looked at.
    pub numbers: Vec<String>,
    /// Whether the first key pressed is kept.
    pub vote: bool,
    /// How long the callee's voice is recorded after the message, milliseconds, if it is.
    pub record_ms: Option<u32>,
    /// The regional server that is to call, if one is asked for.
    pub server: Option<u32>,
    /// What kind of message it is.
    pub class: MessageClass,
    /// The follow-up that is written after each call ([`crate::sms::keep`]).
    pub follow_up: Option<i64>,
    /// The most that all of it may cost; nothing is sent when it could cost more.
    pub max_cost: Option<Rials>,
    /// The client's own name for this request.
    pub request: Option<RequestKey>,
}

/// Why nothing of a request was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkRefusal {
    /// The key was used for another request.
    KeyReused,
    /// It could cost this much, which is more than was allowed.
    TooExpensive(Rials),
}

/// Why one number was not sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumberRefusal {
    /// A kept message was not sent.
    Message(Refusal),
    /// A text, or what is said to the number alone, was not sent.
    Text(TextRefusal),
    /// What is said to the number alone cannot be.
    Said(SaidRefusal),
}

impl NumberRefusal {
    fn of(refusal: Refusal, is_spoken: bool) -> Self {
        if is_spoken { Self::Text(refusal.into()) } else { Self::Message(refusal) }
    }
}

impl From<PersonalRefusal> for NumberRefusal {
    fn from(refusal: PersonalRefusal) -> Self {
        match refusal {
            PersonalRefusal::Said(refusal) => Self::Said(refusal),
            PersonalRefusal::Send(refusal) => Self::Text(refusal),
        }
    }
}

/// What a request would come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// What speaking the text costs, whatever becomes of the calls.
    pub speech: Rials,
    /// What the call to each number would cost at most, or why its send would not be taken.
    pub calls: Vec<std::result::Result<Rials, NumberRefusal>>,
    /// What would bar the call to each number when its turn comes: such a call costs nothing.
    pub barred: Vec<Option<Bar>>,
    /// What all of it would hold when it is taken: what is barred now may be called when its turn
    /// comes.
    pub held: Rials,
    /// How long the message plays, at most to anybody; nothing when nobody would be called.
    pub clip_ms: u32,
    /// What all of it will probably cost, its speech included, as far as calls that were made tell.
    pub expected: Option<Expected>,
}

impl Estimate {
    /// The same, with what it will probably cost when these are the calls that are made.
    pub(crate) async fn foretold(
        self,
        app: &App,
        account: &Account,
        calls: &[Admission],
    ) -> std::result::Result<Self, Failure> {
        let tariff = prices::in_force(app, app.now()).await?;
        let expected = Expected::of(app, account, |history| {
            let heard = |call: &Admission| {
                let heard_ms = history.heard_of(call.clip_ms);
                rate_rounding_up(&tariff, call.zone, heard_ms).map(|it| it.price)
            };
            let mut part = calls.iter().map(heard);
            let part = part.try_fold(Rials::ZERO, |sum, it| sum.checked_add(it?))?;
            let whole = self.cost_max().checked_sub(self.speech)?;
            let count = u32::try_from(calls.len()).ok()?;
            history.range(count, 1, (part, whole))?.beside(self.speech)
        });
        let expected = expected.await?;
        Ok(Self { expected, ..self })
    }

    /// The most that all of it can cost.
    pub fn cost_max(&self) -> Rials {
        let calls = self.calls.iter().flatten().map(|price| price.0);
        Rials(calls.fold(self.speech.0, i64::saturating_add))
    }

    /// How many sends would be taken whose calls would be barred.
    pub fn skipped(&self) -> Skipped {
        let taken = self.barred.iter().zip(&self.calls).filter(|(_, call)| call.is_ok());
        Skipped::of(taken.filter_map(|(bar, _)| *bar))
    }
}

/// What a request would come to, if it were made now. Nothing is sent, held or charged.
///
/// # Errors
/// The database, or the speech engine, failed.
pub async fn estimate(
    app: &App,
    caller: &Caller,
    new: &NewBulk,
) -> std::result::Result<Estimate, Failure> {
    let (estimate, calls) = judged(app, caller, new).await?;
    estimate.foretold(app, &caller.account, &calls).await
}

/// What a request would come to at most, and the calls that would be made.
async fn judged(
    app: &App,
    caller: &Caller,
    new: &NewBulk,
) -> std::result::Result<(Estimate, Vec<Admission>), Failure> {
    let mut orders = Vec::with_capacity(new.numbers.len());
    for number in &new.numbers {
        orders.push(order(app, caller, new, number).await?);
    }
    let barred = barred(app, caller, new.class, &orders).await?;
    let sounds = match &new.content {
        Content::Message(id) => vec![kept(app, caller, *id).await?],
        Content::Text { .. } if orders.iter().all(std::result::Result::is_err) => {
            vec![Sound::Unknown]
        }
        Content::Text { text, speaker, call_from_mobile } => {
            vec![match Script::new(text, call_from_mobile.as_deref(), *speaker) {
                Ok(script) => spoken(app, &script).await?,
                Err(refusal) => Sound::Refused(NumberRefusal::Text(refusal.into())),
            }]
        }
        Content::Personal { template, values } => {
            let mut sounds = Vec::with_capacity(orders.len());
            for (place, order) in orders.iter().enumerate() {
                let values = Content::values_at(values, place);
                sounds.push(match order {
                    Ok(order) => said(app, caller, order, (*template, values)).await?,
                    Err(_) => Sound::Unknown,
                });
            }
            sounds
        }
    };
    Ok(added_up(app, orders, &sounds, barred))
}

/// What would bar the call of each order, if it were begun now.
pub(crate) async fn barred(
    app: &App,
    caller: &Caller,
    message_class: MessageClass,
    orders: &[std::result::Result<Order, NumberRefusal>],
) -> std::result::Result<Vec<Option<Bar>>, Failure> {
    let mut barred = vec![None; orders.len()];
    if caller.account.is_sandbox() {
        return Ok(barred);
    }
    let of_person = |order: &Order| match order.destination() {
        Destination::Number(number) => Some(number.national().to_owned()),
        Destination::Extension(_) => None,
    };
    let placed = orders.iter().enumerate();
    let placed =
        placed.filter_map(|(place, order)| Some((place, of_person(order.as_ref().ok()?)?)));
    let (places, numbers): (Vec<usize>, Vec<String>) = placed.unzip();
    let (account, now) = (caller.account.id, app.now());
    let policies = class::policies(app, now).await?;
    let policy = policies.of(message_class);
    let bars = class::bars(app, policy, account, &numbers, now).await?;
    for (place, bar) in places.into_iter().zip(bars) {
        barred[place] = bar;
    }
    Ok(barred)
}

/// What one number alone would hear.
async fn said(
    app: &App,
    caller: &Caller,
    order: &Order,
    (template, values): (MessageId, &[(String, String)]),
) -> std::result::Result<Sound, Failure> {
    match quick_send::judge_personal(app, caller, order, template, values).await {
        Ok(recording) => Ok(Sound::Spoken(recording.length_ms, Rials::ZERO)),
        Err(Error::Refused(refusal)) => Ok(Sound::Refused(refusal.into())),
        Err(Error::Failed(failure)) => Err(failure),
    }
}

/// Sends. Every number is told what became of it; asked again under the same key, numbers that were
/// accepted are told the same again, and only the others are tried.
///
/// # Errors
/// Refused as [`BulkRefusal`] says: then nothing was sent.
pub async fn send(
    app: &App,
    caller: &Caller,
    new: &NewBulk,
) -> Result<Vec<std::result::Result<Accepted, NumberRefusal>>, BulkRefusal> {
    if !request::claim(app, caller, new.request.as_ref()).await? {
        return Err(Error::Refused(BulkRefusal::KeyReused));
    }
    let known = known(app, caller, new).await?;
    bound_cost(app, caller, new, &known).await?;
    let mut message = known.iter().flatten().next().map(|first| first.message);
    let mut answers = Vec::with_capacity(known.len());
    for (place, (number, known)) in new.numbers.iter().zip(known).enumerate() {
        let answer = match known {
            Some(accepted) => Ok(accepted),
            None => send_one(app, caller, new, number, place, message).await?,
        };
        if let Ok(accepted) = &answer {
            message = Some(accepted.message);
        }
        answers.push(answer);
    }
    Ok(answers)
}

/// The reference of one number's send.
fn reference(new: &NewBulk, place: usize) -> Option<String> {
    let request = new.request.as_ref()?;
    Some(format!("request:{}:{place}", hex(&request.hash())))
}

/// What was accepted of this request before, number by number.
async fn known(
    app: &App,
    caller: &Caller,
    new: &NewBulk,
) -> std::result::Result<Vec<Option<Accepted>>, Failure> {
    let mut known = Vec::with_capacity(new.numbers.len());
    for place in 0..new.numbers.len().min(NUMBERS_MAX) {
        known.push(repeated(app, caller, reference(new, place).as_deref()).await?);
    }
    Ok(known)
}

/// Refuses what could cost more than is allowed, with the SMS that may follow each call: what was
/// accepted before counts, too.
async fn bound_cost(
    app: &App,
    caller: &Caller,
    new: &NewBulk,
    known: &[Option<Accepted>],
) -> Result<(), BulkRefusal> {
    let Some(max) = new.max_cost else { return Ok(()) };
    if known.iter().all(Option::is_some) {
        return Ok(());
    }
    let (estimate, _) = judged(app, caller, new).await?;
    let mut cost = estimate.held;
    if let Some(follow_up) = new.follow_up {
        let price = store::sms::price(&mut app.read().await?, follow_up).await?;
        let taken = estimate.calls.iter().filter(|call| call.is_ok()).count();
        let sms = i64::try_from(taken).unwrap_or(i64::MAX);
        let sms = sms.saturating_mul(price.unwrap_or(Rials::ZERO).0);
        cost = Rials(cost.0.saturating_add(sms));
    }
    if cost > max { Err(Error::Refused(BulkRefusal::TooExpensive(cost))) } else { Ok(()) }
}

/// Sends to one number: the text to the first that takes it, the message it became to the others.
async fn send_one(
    app: &App,
    caller: &Caller,
    new: &NewBulk,
    number: &str,
    place: usize,
    message: Option<MessageId>,
) -> std::result::Result<std::result::Result<Accepted, NumberRefusal>, Failure> {
    let (number, reference) = (number.to_owned(), reference(new, place));
    let (vote, record_ms, server, class) = (new.vote, new.record_ms, new.server, new.class);
    let follow_up = new.follow_up;
    let sent = match (&new.content, message) {
        (Content::Personal { template, values }, _) => {
            let values = Content::values_at(values, place).to_vec();
            let template = *template;
            let send = NewPersonalSend {
                template,
                values,
                number,
                vote,
                record_ms,
                server,
                reference,
                class,
                follow_up,
            };
            let sent = quick_send::submit_personal(app, caller, send).await;
            sent.map_err(|error| error.map(NumberRefusal::from))
        }
        (&Content::Message(message), _) | (Content::Text { .. }, Some(message)) => {
            let send =
                NewSend { message, number, vote, record_ms, server, reference, class, follow_up };
            let sent = quick_send::submit(app, caller, send).await;
            sent.map_err(|error| error.map(NumberRefusal::Message))
        }
        (Content::Text { text, speaker, call_from_mobile }, None) => {
            let send = NewTextSend {
                text: text.clone(),
                speaker: *speaker,
                call_from_mobile: call_from_mobile.clone(),
                number,
                vote,
                record_ms,
                server,
                reference,
                class,
                follow_up,
            };
            let sent = quick_send::submit_text(app, caller, send).await;
            sent.map_err(|error| error.map(NumberRefusal::Text))
        }
    };
    match sent {
        Ok(accepted) => Ok(Ok(accepted)),
        Err(Error::Refused(refusal)) => Ok(Err(refusal)),
        Err(Error::Failed(failure)) => Err(failure),
    }
}

/// The order of one number, if it can be one.
async fn order(
    app: &App,
    caller: &Caller,
    new: &NewBulk,
    number: &str,
) -> std::result::Result<std::result::Result<Order, NumberRefusal>, Failure> {
    let is_spoken = !matches!(new.content, Content::Message(_));
    let request = quick_send::request(app, number, new.vote, new.record_ms, new.server);
    let request = match request {
        Ok(request) => request,
        Err(refusal) => return Ok(Err(NumberRefusal::of(refusal, is_spoken))),
    };
    let order = Order::new(app, caller, request, None, new.class).await?;
    // What is said to the number alone is judged when it is spoken.
    if !matches!(new.content, Content::Text { .. }) {
        return Ok(Ok(order));
    }
    match may_be_spoken(app, &order).await {
        Ok(()) => Ok(Ok(order)),
        Err(Error::Refused(refusal)) => Ok(Err(NumberRefusal::Text(refusal))),
        Err(Error::Failed(failure)) => Err(failure),
    }
}

/// What would be heard.
enum Sound {
    /// A message that is kept; `None` when the account has no such message.
    Kept(Option<domain::Message>),
    /// Speech of this length at this price.
    Spoken(u32, Rials),
    /// There is nothing to be heard, and this is why.
    Refused(NumberRefusal),
    /// Nobody would hear it, so it was not made.
    Unknown,
}

async fn kept(app: &App, caller: &Caller, id: MessageId) -> std::result::Result<Sound, Failure> {
    let mut reads = app.read().await?;
    Ok(Sound::Kept(store::message::find(&mut reads, caller.account.id, id).await?))
}

/// Speaks, to know how long it takes. The words stay in the cache, so that nothing is spoken twice.
async fn spoken(app: &App, script: &Script) -> std::result::Result<Sound, Failure> {
    let refused = |refusal| Ok(Sound::Refused(NumberRefusal::Text(refusal)));
    let recording = match speech::speak(app, script).await {
        Ok(recording) => recording,
        Err(Error::Refused(refusal)) => return refused(refusal.into()),
        Err(Error::Failed(failure)) => return Err(failure),
    };
    let price = recording.price(app, app.now()).await?;
    recording.remove(app).await;
    if recording.length_ms < domain::message::LENGTH_MS_MIN {
        return refused(TextRefusal::TooShort);
    }
    match price {
        Some(price) => Ok(Sound::Spoken(recording.length_ms, price)),
        None => refused(TextRefusal::InsufficientCredit),
    }
}

/// Judges the orders one after the other, each with what the ones before it have left. `sounds` is
/// one for all of them, or one for each.
fn added_up(
    app: &App,
    orders: Vec<std::result::Result<Order, NumberRefusal>>,
    sounds: &[Sound],
    barred: Vec<Option<Bar>>,
) -> (Estimate, Vec<Admission>) {
    let first = sounds.first().unwrap_or(&Sound::Unknown);
    let speech = if let Sound::Spoken(_, price) = first { *price } else { Rials::ZERO };
    let calls = Vec::with_capacity(orders.len());
    let mut estimate = Estimate { speech, calls, barred, held: speech, clip_ms: 0, expected: None };
    let mut admissions = Vec::with_capacity(orders.len());
    for (place, order) in orders.into_iter().enumerate() {
        let sound = if sounds.len() == 1 { first } else { sounds.get(place).unwrap_or(first) };
        let call = order.and_then(|mut order| {
            let left = order.account.balance.0.saturating_sub(estimate.held.0);
            order.account.balance = Rials(left);
            let (admission, is_text) = match sound {
                Sound::Kept(message) => (order.admit(app, message.as_ref()), false),
                Sound::Spoken(ms, _) => (order.admit(app, Some(&order.draft(*ms))), true),
                Sound::Refused(refusal) => return Err(refusal.clone()),
                Sound::Unknown => unreachable!("sound is made as soon as one order stands"),
            };
            admission.map_err(|refusal| NumberRefusal::of(refusal, is_text))
        });
        let is_barred = estimate.barred.get(place).is_some_and(Option::is_some);
        if let Ok(admission) = &call {
            estimate.held = Rials(estimate.held.0.saturating_add(admission.hold.price.0));
            if !is_barred {
                estimate.clip_ms = estimate.clip_ms.max(admission.clip_ms);
                admissions.push(*admission);
            }
        }
        let price =
            |admission: Admission| if is_barred { Rials::ZERO } else { admission.hold.price };
        estimate.calls.push(call.map(price));
    }
    if estimate.calls.iter().all(std::result::Result::is_err) {
        (estimate.speech, estimate.held) = (Rials::ZERO, Rials::ZERO);
    }
    (estimate, admissions)
}
