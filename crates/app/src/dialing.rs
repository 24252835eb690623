//! What a node does with sends that were accepted: takes its name, leases, settles, recovers. The
//! node chooses when and how many; whether a call is allowed and what it costs is decided here.

use std::sync::Arc;

use audio::Clip;
use domain::agreement::scope::CoveredPath;
use domain::billing::rating::rate_call_rounding_up;
use domain::calendar::day::Day;
use domain::dialer::disposition::NO_TRUNK;
use domain::dialer::pacing::CAMPAIGN_CLASS;
use domain::{
    AccountId, AttemptId, CallFacts, Callee, Destination, Disposition, Extension, Fault, Rials,
    TariffId, Timestamp,
};
use domain::{NodeId, QuickSendId, Zone};

pub use store::hot::{
    Company, EXPIRED, Facts as CallRecord, Failed, Leased, NodeStamp, OpenAttempt, Orphan, PutBack,
    Quality, ReadyJob, SettleResult,
};

use store::hot::LeaseStamp;
pub use store::ladder::Ladder;

use crate::account::never_refused;
use crate::speech::{PARTS_GAP_MS, THEN};
use crate::{App, Failure, class, interval, prices};

/// One start that the dialer wants to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Which send.
    pub job: ReadyJob,
    /// Whether its call reaches a person.
    pub person: bool,
    /// The trunk that has room for it; a registered phone's call names [`PHONES`].
    pub trunk: String,
    /// When it starts.
    pub at: Timestamp,
}

/// The trunk's name in attempts that call a registered phone, where no trunk is used.
pub const PHONES: &str = "phones";

/// A call that ended, with what its settlement needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedCall {
    /// Which attempt.
    pub attempt: AttemptId,
    /// The prices it was accepted with.
    pub tariff: TariffId,
    /// The price zone it was accepted with.
    pub zone: Zone,
    /// The zone of the second leg of a secure call.
    pub second: Option<Zone>,
    /// What was reserved; it is never charged more.
    pub hold: Rials,
    /// What the call means, or the disposition itself when no call can tell (recovery).
    pub meaning: Meaning,
    /// What is kept of the call. Its `heard_ms` is what is charged for.
    pub record: CallRecord,
    /// Its story, for support.
    pub ladder: Option<Ladder>,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Whose it is, as evidence of whether customers are served; nothing of a sandbox's call, nor
    /// of one whose process is gone.
    pub asker: Option<Asker>,
}

/// Who asked for a call, and on which covered path (definition 1 of the agreement).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// The customer.
    pub account: AccountId,
    /// Quick sends or campaigns.
    pub path: CoveredPath,
}

impl Asker {
    /// Who asked for a send; nobody when it is a sandbox's, or goes to a phone of the account's
    /// own, which uses no trunk and fails as its owner likes.
    pub fn of(job: &ReadyJob) -> Option<Self> {
        let own = matches!(job.destination, Destination::Extension(_));
        let campaign = job.class >= CAMPAIGN_CLASS;
        let path = if campaign { CoveredPath::Campaign } else { CoveredPath::QuickSend };
        (!job.sandbox && !own).then_some(Self { account: job.account, path })
    }
}

/// Where the disposition of an attempt comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The facts of the call, which the rules read.
    Call(CallFacts),
    /// Decided by the node: a call that was lost with its process, or never began.
    Decided(Disposition),
}

/// Takes the node `name` until `until` under a new epoch, which fences off whoever had it.
///
/// # Errors
/// The database failed.
pub async fn take_node(app: &App, name: &str, until: Timestamp) -> Result<NodeStamp, Failure> {
    Ok(join(app, name, until).await?.0)
}

/// The same, and tells whom it lives with.
///
/// # Errors
/// The database failed.
pub async fn join(
    app: &App,
    name: &str,
    until: Timestamp,
) -> Result<(NodeStamp, Company), Failure> {
    Ok(app.hot().take_node(name, app.now(), until).await?)
}

/// Prolongs the node's lease, and tells whom it lives with. `None`: another process took it, stop
/// dialling.
///
/// # Errors
/// The database failed.
pub async fn renew(
    app: &App,
    stamp: NodeStamp,
    until: Timestamp,
) -> Result<Option<Company>, Failure> {
    Ok(app.hot().renew(stamp, app.now(), until).await?)
}

/// Waiting sends in the order of (due, id), from the one after `after` on.
///
/// # Errors
/// The database failed.
pub async fn load_ready(
    app: &App,
    after: (Timestamp, QuickSendId),
    limit: u32,
) -> Result<Vec<ReadyJob>, Failure> {
    class::policies(app, app.now()).await?;
    Ok(app.hot().load_ready(after.0, after.1, limit).await?)
}

/// Whether calls may be placed at `at`. Asked again when a send leaves the queue, since the
/// window may have closed while it waited.
pub fn window_open(app: &App, at: Timestamp) -> bool {
    app.settings().window.allows(at)
}

/// Takes sends out of the queue and records an attempt for each, in one commit, or ends those whose
/// callee opted out or was called often enough. Only those that come back with an attempt may be
/// dialled. A send whose class may not call at that moment is [`Leased::Gone`] and waits on; so
/// does one whose callee is in a call, of this node or another, as [`Leased::Engaged`].
///
/// # Errors
/// The database failed; nothing was leased.
pub async fn lease(
    app: &App,
    stamp: NodeStamp,
    starts: Vec<Start>,
) -> Result<Vec<Leased>, Failure> {
    let rules = class::rules(app, app.now()).await?;
    let (mut elements, mut allowed) = (Vec::with_capacity(starts.len()), Vec::new());
    for Start { job, person, trunk, at } in starts {
        let permit = class::permit(&rules, &job, person, at);
        allowed.push(permit.is_some());
        elements.extend(permit.map(|permit| {
            let (callee, second_callee) = callees(&job);
            let node = stamp;
            (job.quick_send, LeaseStamp { node, trunk, at, permit, callee, second_callee })
        }));
    }
    let mut leased = app.hot().lease(elements).await?.into_iter();
    let answer = |allowed: bool| if allowed { leased.next() } else { None };
    Ok(allowed.into_iter().map(answer).map(|leased| leased.unwrap_or(Leased::Gone)).collect())
}

/// Whom a send's call reaches, as the database keeps them from being called twice at once.
pub(crate) fn callees(job: &ReadyJob) -> (String, Option<String>) {
    let of = |destination| Callee::of((job.account, job.sandbox), destination).key();
    (of(&job.destination), job.second.as_ref().map(of))
}

/// Turns ended calls into outcomes: disposition, charge by pulses heard, release of the rest, in
/// one commit. Answers stand in the order of the calls; settling again changes nothing.
///
/// # Errors
/// The database failed; nothing was settled, and trying again is safe.
pub async fn settle(app: &App, calls: Vec<EndedCall>) -> Result<Vec<SettleResult>, Failure> {
    let (mut elements, mut askers) = (Vec::with_capacity(calls.len()), Vec::new());
    for call in calls {
        let (asker, meaning) = (call.asker, call.meaning);
        let element = settlement(app, call).await?;
        let tried_at = element.facts.invite_at.unwrap_or(element.ended_at);
        let placed = placed(meaning, element.disposition);
        askers.push(asker.zip(placed).map(|(asker, placed)| (asker, placed, tried_at)));
        elements.push(element);
    }
    let results = app.hot().settle(elements).await?;
    let settled = askers.into_iter().zip(&results);
    let settled = settled.filter(|(_, result)| **result == SettleResult::Settled);
    for (asker, placed, tried_at) in settled.filter_map(|(asker, _)| asker) {
        interval::called(app, asker, placed, tried_at);
    }
    Ok(results)
}

/// Whether a call was placed, whatever the callee or his network did with it, or broken by a trunk
/// or a node of ours; `None` when nobody tried.
fn placed(meaning: Meaning, disposition: Disposition) -> Option<bool> {
    match disposition {
        Disposition::Expired | Disposition::Cancelled | Disposition::OptedOut => None,
        Disposition::NetworkFailure => Some(match meaning {
            Meaning::Call(facts) => facts.unanswered_reading().fault == Fault::Callee,
            Meaning::Decided(_) => false,
        }),
        Disposition::Delivered
        | Disposition::HeardInPart
        | Disposition::NoAnswer
        | Disposition::Busy
        | Disposition::Rejected
        | Disposition::Unreachable
        | Disposition::InvalidNumber
        | Disposition::AnsweringMachine => Some(true),
    }
}

/// A send that is not called any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Untried {
    /// Which send.
    pub quick_send: QuickSendId,
    /// Why.
    pub cause: &'static str,
    /// Whose it was, as evidence of whether customers are served.
    pub asker: Option<Asker>,
}

impl Untried {
    /// One that is no evidence of anything.
    pub fn of(quick_send: QuickSendId, cause: &'static str) -> Self {
        Self { quick_send, cause, asker: None }
    }
}

/// Ends those of `sends` that still wait although their time is over, without a charge, each by its
/// cause. Tells for each whether it was ended. Those for which there was no trunk all the time are
/// requests of customers that we failed.
///
/// # Errors
/// The database failed; none was ended.
pub async fn expire(app: &App, sends: Vec<Untried>, now: Timestamp) -> Result<Vec<bool>, Failure> {
    let elements = sends.iter().map(|one| (one.quick_send, one.cause)).collect();
    let ended = app.hot().expire(elements, now).await?;
    for (one, ended) in sends.iter().zip(&ended) {
        if let Some(asker) = one.asker.filter(|_| *ended && one.cause == NO_TRUNK) {
            interval::called(app, asker, false, now);
        }
    }
    Ok(ended)
}

/// What earlier processes of this node left open.
///
/// # Errors
/// The database failed.
pub async fn open_attempts(app: &App, stamp: NodeStamp) -> Result<Vec<OpenAttempt>, Failure> {
    class::policies(app, app.now()).await?;
    Ok(app.hot().open_attempts(stamp).await?)
}

/// What other nodes than `own`, whose lease ended by `ended_by`, left open. A part at a time: once
/// these are settled, the next call tells of more.
///
/// # Errors
/// The database failed.
pub async fn orphans(app: &App, own: NodeId, ended_by: Timestamp) -> Result<Vec<Orphan>, Failure> {
    Ok(app.hot().orphans(own, ended_by).await?)
}

/// Closes attempts before anything could ring, without money, and puts their sends back into the
/// queue. Tells for each whether it was open.
///
/// # Errors
/// The database failed; nothing was changed.
pub async fn put_back(app: &App, attempts: Vec<PutBack>) -> Result<Vec<bool>, Failure> {
    Ok(app.hot().put_back(attempts).await?)
}

/// Stories, or counts of a day, that are forgotten in one transaction.
const FORGOTTEN_AT_ONCE: u32 = 1_000;

/// Forgets the oldest stories of attempts that began before `before`. Tells whether there may be
/// more: then it is to be asked again.
///
/// # Errors
/// The database failed; asking again is safe.
pub async fn forget_ladders(app: &App, before: Timestamp) -> Result<bool, Failure> {
    let forgotten =
        app.write(async |tx| Ok(store::ladder::forget(tx, before, FORGOTTEN_AT_ONCE).await?));
    let forgotten = forgotten.await.map_err(never_refused)?;
    Ok(forgotten >= FORGOTTEN_AT_ONCE.into())
}

/// Forgets how often numbers were called on the days before yesterday, in Tehran: a call counts on
/// the day on which it starts, and clocks may differ. Tells whether there may be more: then it is
/// to be asked again.
///
/// # Errors
/// The database failed; asking again is safe.
pub async fn forget_daily_calls(app: &App, now: Timestamp) -> Result<bool, Failure> {
    let yesterday = Day::of(Day::of(now).start().plus_ms(-1)).start();
    let most = FORGOTTEN_AT_ONCE;
    let forgotten =
        app.write(async |tx| Ok(store::class::forget_daily_calls(tx, yesterday, most).await?));
    let forgotten = forgotten.await.map_err(never_refused)?;
    Ok(forgotten >= most.into())
}

/// The samples of a message's audio, 8 kHz mono: of several names with `+` between them, all of it,
/// one after the other.
///
/// # Errors
/// The blob store failed, or has no such audio, or it is not what we put there.
pub async fn clip(app: &App, blob: &str) -> Result<Arc<[i16]>, Failure> {
    if !blob.contains(THEN) {
        return Ok(part(app, blob).await?.into_samples().into());
    }
    Ok(joined(app, blob).await?.into_samples().into())
}

/// The same as a WAV file.
pub(crate) async fn wav(app: &App, blob: &str) -> Result<Vec<u8>, Failure> {
    Ok(joined(app, blob).await?.to_wav())
}

async fn joined(app: &App, blob: &str) -> Result<Clip, Failure> {
    let mut parts = Vec::new();
    for name in blob.split(THEN) {
        parts.push(part(app, name).await?);
    }
    Ok(audio::join(&parts.iter().collect::<Vec<_>>(), PARTS_GAP_MS))
}

async fn part(app: &App, blob: &str) -> Result<Clip, Failure> {
    let wav = app
        .blobs()
        .get(blob)
        .await?
        .ok_or_else(|| Failure::of(format!("reading the audio {blob}: it is not there")))?;
    Clip::from_wav(&wav)
        .map_err(|error| Failure::because(format!("reading the audio {blob}"), error))
}

/// Where a registered phone is now; `None` when the account has none with that short number or it
/// is not registered.
///
/// # Errors
/// The database failed.
pub async fn phone_contact(
    app: &App,
    account: AccountId,
    extension: &Extension,
    now: Timestamp,
) -> Result<Option<PhoneContact>, Failure> {
    let mut reads = app.read().await?;
    let phone = store::phone::find_by_extension(&mut reads, account, extension).await?;
    Ok(phone.and_then(|phone| PhoneContact::of(phone, now)))
}

/// Where to send the INVITE for a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneContact {
    /// The URI to call.
    pub uri: String,
    /// The address to send to, `IP:port`, when it differs from what the URI says (a phone behind
    /// a NAT registers from elsewhere); `None` for a fixed contact.
    pub address: Option<String>,
}

impl PhoneContact {
    /// The operator's fixed contact wins over a registration.
    pub(crate) fn of(phone: store::phone::Phone, now: Timestamp) -> Option<Self> {
        if let Some(uri) = phone.fixed_contact {
            return Some(Self { uri, address: None });
        }
        let binding = phone.binding.filter(|binding| binding.until > now)?;
        Some(Self { uri: binding.contact, address: Some(binding.address) })
    }
}

/// The disposition and the charge of one call.
async fn settlement(app: &App, call: EndedCall) -> Result<store::hot::Settle, Failure> {
    let disposition = match call.meaning {
        Meaning::Call(facts) => Disposition::of(facts),
        Meaning::Decided(disposition) => disposition,
    };
    let tariff = prices::by_id(app, call.tariff).await?;
    // An amount beyond 64 bits is certainly beyond the hold.
    let charge = rate_call_rounding_up(&tariff, call.zone, call.second, call.record.heard_ms)
        .map_or(call.hold, |rate| rate.price.min(call.hold));
    Ok(store::hot::Settle {
        attempt: call.attempt,
        disposition,
        charge,
        facts: call.record,
        ladder: call.ladder,
        ended_at: call.ended_at,
    })
}
