//! Quick sends: one message to one number, now. Facts are read, `domain` decides, `store` accepts
//! (one commit, shared with others), the dialer is told.

use std::sync::Arc;

use domain::billing::rating::{Rate, rate_call_rounding_up};
use domain::class::Policies;
use domain::message::LENGTH_MS_MIN;
use domain::quick_send::{Admission, Facts, Refusal, Request, START_WITHIN_MS, admit, zone_of};
use domain::{
    Account, AccountId, Approval, Destination, Message, MessageClass, MessageId, QuickSendId,
    Rials, Status, Tariff, Timestamp,
};
use sha2::{Digest, Sha256};
use store::hot::{Accept, AcceptRefusal, LeaseStamp, Played};
use store::quick_send::{QuickSend, State};

use crate::account::hex;
use crate::dialing::{ReadyJob, callees};
use crate::{App, Caller, Error, Failure, Result, class, identity, message, phone, prices};

mod personal;
mod spoken;
mod story;

pub(crate) use personal::judged as judge_personal;
pub(crate) use personal::submit_with_key as submit_personal_with_key;
pub use personal::{NewPersonalSend, PersonalRefusal, submit_personal};
pub use spoken::{NewTextSend, submit_text};
pub(crate) use spoken::{judge_speech, send_judged, send_speech};
pub use story::{FailedAttempt, Step, Story, story};

/// Longest client reference that is kept as it is, in bytes.
const REFERENCE_MAX: usize = 200;

/// A stored message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSend {
    /// What to play.
    pub message: MessageId,
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

/// Why a text was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextRefusal {
    /// The operator switched quick sends off.
    Disabled,
    /// The operator asks who the account's owner is, and that is not proven.
    NotIdentified,
    /// The account's messages must be listened to before they are sent.
    MustBeApproved,
    /// Not a number that can be called.
    WrongNumber,
    /// The available balance does not cover the speech and the hold.
    InsufficientCredit,
    /// Longer than a text may be.
    TextTooLong,
    /// More sound than a message may have.
    TooLong,
    /// Messages of this class are not taken, or not from this account.
    ClassNotAllowed,
    /// Outside the hours in which calls may be placed.
    TimeNotAllowed,
    /// Nothing that can be spoken.
    NotSpoken,
    /// The number to be spoken is none.
    WrongMobile,
    /// Less sound than a message must have.
    TooShort,
    /// Nothing but spaces.
    EmptyText,
    /// The number was sent to too often within the operator's interval.
    RepeatedTooOften,
    /// The account may not record callees.
    RecordingNotPermitted,
}

/// A send that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Its identity.
    pub id: QuickSendId,
    /// What will be played.
    pub message: MessageId,
    /// How long that plays.
    pub clip_ms: u32,
    /// What is held for it.
    pub hold: Rate,
    /// Whether it had been accepted before under the same reference.
    pub repeated: bool,
}

/// Where a send stands, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Which send.
    pub id: QuickSendId,
    /// Where it stands or how it ended.
    pub status: Status,
    /// Whom it calls.
    pub destination: Destination,
    /// When it was accepted.
    pub started_at: Timestamp,
    /// How much of the message was heard.
    pub heard_ms: u32,
    /// The key that was pressed first.
    pub vote: Option<u8>,
    /// What was charged; nothing before the end.
    pub charge: Rials,
}

/// Sends a stored message.
///
/// # Errors
/// Refused as [`Refusal`] says.
pub async fn submit(app: &App, caller: &Caller, new: NewSend) -> Result<Accepted, Refusal> {
    submit_with_key(app, caller, new, None).await
}

/// Sends a stored message; its callee opts out by this key, if one is given, in place of that of
/// its class.
pub(crate) async fn submit_with_key(
    app: &App,
    caller: &Caller,
    new: NewSend,
    opt_out_key: Option<char>,
) -> Result<Accepted, Refusal> {
    if let Some(first) = repeated(app, caller, new.reference.as_deref()).await? {
        return Ok(first);
    }
    let request =
        request(app, &new.number, new.vote, new.record_ms, new.server).map_err(Error::Refused)?;
    let mut order = Order::new(app, caller, request, new.reference, new.class).await?;
    order.follow_up = new.follow_up;
    order.opt_out_key = opt_out_key.or(order.opt_out_key);
    let mut reads = app.read().await?;
    let message = store::message::find(&mut reads, caller.account.id, new.message).await?;
    drop(reads);
    let admission = order.admit(app, message.as_ref());
    if matches!(admission, Err(Refusal::WrongMessage)) && order.needs_approval() {
        message::want_heard(app, caller.account.id, [new.message]).await?;
    }
    let admission = admission.map_err(Error::Refused)?;
    let message = message.expect("nothing is admitted without a message");
    accept(app, order, Played::Kept(message.id), message.blob, admission).await
}

/// The caller's send `id`. An open call of this process is told as it stands this moment.
///
/// # Errors
/// The database failed.
pub async fn find(
    app: &App,
    caller: &Caller,
    id: QuickSendId,
) -> std::result::Result<Option<Progress>, Failure> {
    // The live status first: a call that ends in between is then found ended in the store.
    let live = app.live().get(id);
    let found = store::quick_send::find(&mut app.read().await?, caller.account.id, id).await?;
    Ok(found.map(|send| Progress::of(&send, live)))
}

impl Progress {
    pub(crate) fn of(send: &QuickSend, live: Option<Status>) -> Self {
        let stored = send.state.status();
        let ended = match &send.state {
            State::Ended(ended) => Some(ended),
            State::Ready { .. } | State::Attempt { .. } => None,
        };
        Self {
            id: send.id,
            status: match (stored, live) {
                (Status::Ended(_), _) | (_, None) => stored,
                (_, Some(live)) => stored.max(live),
            },
            destination: send.destination.clone(),
            started_at: send.accepted_at,
            heard_ms: ended.map_or(0, |ended| ended.facts.heard_ms),
            vote: ended.and_then(|ended| ended.facts.vote),
            charge: ended.map_or(Rials::ZERO, |ended| ended.charge),
        }
    }
}

/// Who finds the message that is spoken for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    /// Its customer.
    Shown,
    /// Nobody: only its sends play it.
    Hidden,
}

/// Whether the operator knows enough of who the owner of an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// It does, or does not ask.
    Known,
    /// It does not.
    Unknown,
}

/// A customer's order and the facts to judge it by.
pub(crate) struct Order {
    pub(crate) account: Account,
    class: MessageClass,
    policies: Arc<Policies>,
    /// Whether the account may call at any hour.
    any_hour: bool,
    /// Whether the call reaches a person.
    person: bool,
    pub(crate) listing: Listing,
    request: Request,
    reference: Option<String>,
    /// The follow-up that is written after its call.
    pub(crate) follow_up: Option<i64>,
    /// The key by which its callee opts out.
    opt_out_key: Option<char>,
    tariff: Tariff,
    reachable: bool,
    pub(crate) owner: Owner,
    now: Timestamp,
}

impl Order {
    pub(crate) async fn new(
        app: &App,
        caller: &Caller,
        request: Request,
        reference: Option<String>,
        class: MessageClass,
    ) -> std::result::Result<Self, Failure> {
        let now = app.now();
        let account = caller.account.clone();
        let reachable = match &request.destination {
            Destination::Number(_) => {
                let sandbox = account.is_sandbox();
                app.dispatch().routes(&request.destination, request.server, sandbox)
            }
            Destination::Extension(extension) => {
                phone::reachable(app, account.id, extension, now).await?
            }
        };
        let tariff = prices::in_force(app, now).await?;
        let policies = class::policies(app, now).await?;
        let opt_out_key = policies.of(class).opt_out_key;
        let person = class::reaches_person(app, &request.destination, account.is_sandbox());
        let may_call = identity::may_call(app, account.id, person).await?;
        let owner = if may_call { Owner::Known } else { Owner::Unknown };
        // Whoever may call for as long as the send waits is not asked for a document.
        let last = now.plus_ms(START_WITHIN_MS);
        let by_day = policies.opening(class, (false, person), now).is_open_at(last);
        let any_hour = !by_day && class::hours_document(app, account.id).await?.is_some();
        Ok(Self {
            account,
            class,
            policies,
            any_hour,
            person,
            listing: Listing::Shown,
            request,
            reference,
            follow_up: None,
            opt_out_key,
            tariff,
            reachable,
            owner,
            now,
        })
    }

    /// Whom it calls.
    pub(crate) fn destination(&self) -> &Destination {
        &self.request.destination
    }

    /// What the rules say.
    pub(crate) fn admit(
        &self,
        app: &App,
        message: Option<&Message>,
    ) -> std::result::Result<Admission, Refusal> {
        let facts = Facts {
            account: &self.account,
            message,
            tariff: &self.tariff,
            window: &app.settings().window,
            opening: self.policies.opening(self.class, (self.any_hour, self.person), self.now),
            policy: self.policies.of(self.class),
            enabled: app.settings().quick_send_enabled,
            identified: self.owner == Owner::Known,
            reachable: self.reachable,
        };
        admit(&facts, &self.request, self.now)
    }

    /// Whether its class asks that a member of staff has listened. Not to what reaches nobody.
    pub(crate) fn needs_approval(&self) -> bool {
        self.policies.of(self.class).needs_approval && !self.account.is_sandbox()
    }

    /// A message of this account that could be sent, of the given length.
    pub(crate) fn draft(&self, length_ms: u32) -> Message {
        Message {
            id: MessageId(0),
            account: self.account.id,
            title: String::new(),
            approval: Approval::Approved,
            decided_at: Some(self.now),
            refused_because: None,
            length_ms,
            blob: String::new(),
            persistent: false,
            created_at: self.now,
        }
    }
}

/// Reads the number. That quick sends are switched off is told before that the number is wrong.
pub(crate) fn request(
    app: &App,
    number: &str,
    vote: bool,
    record_ms: Option<u32>,
    server: Option<u32>,
) -> std::result::Result<Request, Refusal> {
    match Destination::parse(number) {
        Some(destination) => Ok(Request { destination, vote, record_ms, server }),
        None if app.settings().quick_send_enabled => Err(Refusal::WrongNumber),
        None => Err(Refusal::Disabled),
    }
}

/// Refuses what the shortest possible speech would be refused for as well.
pub(crate) async fn may_be_spoken(app: &App, order: &Order) -> Result<(), TextRefusal> {
    let heard = !order.account.approves_own_messages || order.needs_approval();
    may_be(app, order, heard).await
}

/// As [`may_be_spoken`], of what holds no words that nobody has listened to.
pub(crate) async fn may_be_sent(app: &App, order: &Order) -> Result<(), TextRefusal> {
    may_be(app, order, false).await
}

/// `heard`: whether somebody has to listen to it first.
async fn may_be(app: &App, order: &Order, heard: bool) -> Result<(), TextRefusal> {
    let admitted = order.admit(app, Some(&order.draft(LENGTH_MS_MIN)));
    admitted.map_err(|refusal| Error::Refused(refusal.into()))?;
    if heard {
        return Err(Error::Refused(TextRefusal::MustBeApproved));
    }
    let Some(limit) = app.settings().repeats else { return Ok(()) };
    let since = order.now.plus_ms(-limit.interval_ms);
    let (account, destination) = (order.account.id, &order.request.destination);
    let mut reads = app.read().await?;
    let sends =
        store::quick_send::count_since(&mut reads, account, destination, since, limit.count)
            .await?;
    if sends >= limit.count {
        return Err(Error::Refused(TextRefusal::RepeatedTooOften));
    }
    Ok(())
}

/// Sends what was spoken for an earlier send: its message, the name of the audio and its length.
pub(crate) async fn send_again(
    app: &App,
    order: Order,
    message: MessageId,
    (blob, length_ms): (String, u32),
) -> Result<Accepted, Refusal> {
    let admission = order.admit(app, Some(&order.draft(length_ms))).map_err(Error::Refused)?;
    accept(app, order, Played::Kept(message), blob, admission).await
}

/// Makes an admitted send durable.
async fn accept(
    app: &App,
    order: Order,
    played: Played,
    blob: String,
    admission: Admission,
) -> Result<Accepted, Refusal> {
    let job = job(&order, blob, &admission);
    let (account, clip_ms, hold) = (job.account, admission.clip_ms, admission.hold);
    match commit(app, job, played, (order.reference.as_deref(), order.follow_up)).await? {
        Ok(kept) if kept.repeated => {
            first_send(app, account, kept.quick_send).await.map_err(Error::Failed)
        }
        Ok(store::hot::Accepted { quick_send: id, message, .. }) => {
            Ok(Accepted { id, message, clip_ms, hold, repeated: false })
        }
        // An account that was switched off this moment cannot pay either.
        Err(AcceptRefusal::InsufficientCredit | AcceptRefusal::AccountGone) => {
            Err(Error::Refused(Refusal::InsufficientCredit))
        }
    }
}

/// Makes a send durable and tells the dialer. Runs to its end even if nobody waits for the
/// answer any more: a lease that is committed and never dialled would be a lost call.
pub(crate) async fn commit(
    app: &App,
    job: ReadyJob,
    played: Played,
    (reference, follow_up): (Option<&str>, Option<i64>),
) -> std::result::Result<std::result::Result<store::hot::Accepted, AcceptRefusal>, Failure> {
    let (dispatch, at) = (app.dispatch().clone(), job.accepted_at);
    let permit = class::permit_of(app, &job, at).await?;
    let reservation = if permit.is_some() { dispatch.reserve(&job, at) } else { None };
    let (callee, second_callee) = callees(&job);
    let lease = reservation.as_ref().zip(permit).map(|(reservation, permit)| LeaseStamp {
        node: reservation.node,
        trunk: reservation.trunk.clone(),
        at,
        permit,
        callee,
        second_callee,
    });
    let element = element(&job, played, (reference, follow_up), lease);
    let db = app.hot().clone();
    let committing = tokio::spawn(async move {
        let accepted = db.accept_one(element).await?;
        if let Ok(accepted) = &accepted
            && !accepted.repeated
        {
            let (quick_send, message) = (accepted.quick_send, accepted.message);
            let job = ReadyJob { quick_send, message, ..job };
            dispatch.accepted(job, reservation.filter(|_| accepted.leased));
        }
        Ok::<_, store::Error>(accepted)
    });
    let accepted = committing.await.map_err(|error| Failure::because("accepting a send", error))?;
    Ok(accepted?)
}

/// The send as the dialer sees it; its id, and that of its message, are known after the commit.
fn job(order: &Order, blob: String, admission: &Admission) -> ReadyJob {
    ReadyJob {
        quick_send: QuickSendId(0),
        account: order.account.id,
        sandbox: order.account.is_sandbox(),
        class: order.policies.of(order.class).priority,
        message_class: order.class,
        opt_out_key: order.opt_out_key,
        due_at: order.now,
        destination: order.request.destination.clone(),
        second: None,
        message: MessageId(0),
        blob,
        clip_ms: admission.clip_ms,
        vote: order.request.vote,
        record_ms: order.request.record_ms,
        server: order.request.server,
        trunks_failed: 0,
        tariff: order.tariff.id,
        zone: admission.zone,
        hold: admission.hold.price,
        accepted_at: order.now,
        expires_at: admission.expires_at,
        pace: None,
        withdrawn: false,
    }
}

/// The send as the store takes it.
fn element(
    job: &ReadyJob,
    played: Played,
    (reference, follow_up): (Option<&str>, Option<i64>),
    lease: Option<LeaseStamp>,
) -> Accept {
    Accept {
        account: job.account,
        played,
        clip_ms: job.clip_ms,
        destination: job.destination.clone(),
        second: job.second.clone(),
        vote: job.vote,
        record_ms: job.record_ms,
        server: job.server,
        tariff: job.tariff,
        zone: job.zone,
        hold: job.hold,
        at: job.accepted_at,
        expires_at: job.expires_at,
        class: job.class,
        message_class: job.message_class,
        opt_out_key: job.opt_out_key,
        follow_up,
        client_reference: reference.map(bounded_reference),
        lease,
    }
}

/// The send that was accepted before under this reference, so that nothing is spoken or charged
/// for it again. Two at the same time are told apart by the store.
pub(crate) async fn repeated(
    app: &App,
    caller: &Caller,
    reference: Option<&str>,
) -> std::result::Result<Option<Accepted>, Failure> {
    let Some(reference) = reference else { return Ok(None) };
    let (account, reference) = (caller.account.id, bounded_reference(reference));
    let mut reads = app.read().await?;
    match store::quick_send::find_by_reference(&mut reads, account, &reference).await? {
        Some(id) => first_send(app, account, id).await.map(Some),
        None => Ok(None),
    }
}

/// What was answered when the send was first accepted.
async fn first_send(
    app: &App,
    account: AccountId,
    id: QuickSendId,
) -> std::result::Result<Accepted, Failure> {
    let gone = || Failure::of(format!("reading send {id} again: it is not there"));
    let send = store::quick_send::find(&mut app.read().await?, account, id).await?;
    let send = send.ok_or_else(gone)?;
    let tariff = prices::by_id(app, send.tariff).await?;
    let second = send.second.as_ref().map(zone_of);
    let hold = rate_call_rounding_up(&tariff, send.zone, second, send.clip_ms).ok_or_else(gone)?;
    Ok(Accepted { id, message: send.message, clip_ms: send.clip_ms, hold, repeated: true })
}

/// A reference of a length that is kept; a longer one is kept as its hash.
fn bounded_reference(reference: &str) -> String {
    if reference.len() <= REFERENCE_MAX {
        return reference.to_owned();
    }
    hex(&Sha256::digest(reference.as_bytes()))
}

impl From<Refusal> for TextRefusal {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Disabled => Self::Disabled,
            Refusal::WrongNumber => Self::WrongNumber,
            Refusal::ClassNotAllowed => Self::ClassNotAllowed,
            Refusal::TimeNotAllowed => Self::TimeNotAllowed,
            Refusal::NotIdentified => Self::NotIdentified,
            // The account's own new message is only missing when it waits for approval.
            Refusal::WrongMessage => Self::MustBeApproved,
            Refusal::InsufficientCredit => Self::InsufficientCredit,
            Refusal::RecordingNotPermitted => Self::RecordingNotPermitted,
        }
    }
}
