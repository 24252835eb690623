//! One-time codes that the platform keeps: it makes the code, speaks it, and says whether what a
//! customer's user typed is right. The customer never has the code, and of it only a salted hash
//! is kept; its sound is in no gallery and is removed when the code can be spoken no more.

use std::convert::Infallible;

use domain::kept_code::{CHECKS_MAX, KEPT_MS, RESEND_PAUSE_MS, SENDS_MAX, State, velocity_keys};
use domain::one_time_code::OneTimeCode;
use domain::{
    Account, AccountId, CodeId, Destination, MessageClass, MessageId, QuickSendId, Rials, Timestamp,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use store::Tx;
use store::kept_code::{KeptCode, NewCode as NewRow};

use crate::account::{hex, never_refused};
use crate::ports::Speaker;
use crate::quick_send::{
    Listing, Order, Owner, TextRefusal, judge_speech, may_be_spoken, send_again, send_judged,
};
use crate::request::{self, RequestKey};
use crate::speech::{self, Recording};
use crate::{App, Caller, Error, Failure, Result, identity, quick_send};

mod estimate;
mod wanted;
mod words;

pub use estimate::estimate;
use wanted::{Wanted, wanted};
use words::words;

/// Silence between two words, milliseconds: so that each digit can be typed as it is heard.
const GAP_MS: u16 = 350;
/// Random bytes of a salt, and of a reference.
const SALT_BYTES: usize = 20;
/// How long after a code's end its last call may still begin, milliseconds.
const LAST_CALL_MS: i64 = 15 * 60_000;
/// Codes that are looked at in one go.
const BLOCK: u32 = 100;

/// A code to be made and spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCode {
    /// Whom to call, as the customer wrote it.
    pub number: String,
    /// How many digits it has; not with digits of the customer's own.
    pub length: Option<u32>,
    /// The customer's own digits, in place of ones that we make.
    pub own: Option<String>,
    /// How long it is good, seconds.
    pub life_seconds: Option<u32>,
    /// A text with `{code}` in it, in place of our words.
    pub template: Option<String>,
    /// Whose voice speaks.
    pub speaker: Speaker,
    /// The regional server that is to call, if one is asked for.
    pub server: Option<u32>,
    /// The most that speaking it this time may cost.
    pub max_cost: Option<Rials>,
    /// The client's own name for this request.
    pub request: Option<RequestKey>,
}

/// A code as its customer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Its identity.
    pub id: CodeId,
    /// Whether it is of a sandbox.
    pub sandbox: bool,
    /// Whom it is spoken to.
    pub destination: Destination,
    /// Where it stands.
    pub state: State,
    /// How often it may still be tried.
    pub checks_left: u32,
    /// How often it may still be spoken.
    pub sends_left: u32,
    /// The last call that speaks it, once that is accepted.
    pub send: Option<QuickSendId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// From when on it may be spoken again.
    pub resend_at: Timestamp,
}

/// Why a code was not spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendRefusal {
    /// It cannot be sent as any text.
    Text(TextRefusal),
    /// Not 4 to 8 digits.
    LengthNotAllowed,
    /// Not a minute to an hour.
    LifeNotAllowed,
    /// No text with `{code}` in it, once, or a long one.
    WrongTemplate,
    /// The key was used for another request.
    KeyReused,
    /// The account has no such code.
    NoSuchCode,
    /// It is not waiting to be tried any more.
    Over(State),
    /// It was spoken as often as it may be.
    SaidTooOften,
    /// It was spoken a moment ago, or its number was called for codes too often; from when on it
    /// may be.
    TooSoon(Timestamp),
    /// Numbers beside this one were called for codes too often; from when on they may be.
    NeighboursTooSoon(Timestamp),
    /// It could cost this, which is more than is allowed.
    TooExpensive(Rials),
}

/// Why what was typed is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckRefusal {
    /// Not 4 to 8 digits; this does not count as a try.
    NoCode,
    /// The account has no such code.
    NoSuchCode,
    /// It is wrong; so many tries are left.
    Wrong(u32),
    /// The code is not waiting to be tried any more.
    Over(State),
}

/// Makes a code and speaks it. Asked again under the same key, it is told the same again.
///
/// # Errors
/// Refused as [`SendRefusal`] says.
pub async fn start(app: &App, caller: &Caller, new: NewCode) -> Result<(Code, bool), SendRefusal> {
    let Wanted { digits, life_seconds, template } =
        wanted(app, caller, &new).map_err(Error::Refused)?;
    if !request::claim(app, caller, new.request.as_ref()).await? {
        return Err(Error::Refused(SendRefusal::KeyReused));
    }
    let reference = reference(app, new.request.as_ref());
    if let Some(first) = known(app, caller, &reference).await? {
        return Ok((first, true));
    }
    let order = order(app, caller, &new, said(&reference, 1)).await?;
    let words = words(&digits, template.as_ref())?;
    let recording = speech::assembled(app, &words, new.speaker, GAP_MS)
        .await
        .map_err(|error| error.map(|refusal| SendRefusal::Text(refusal.into())))?;
    let row = NewRow {
        own_words: new.says_own(),
        ..row(app, &order, &digits, &recording, (reference.clone(), life_seconds))
    };
    let sent = keep_and_send(app, (order, new.max_cost), row, &recording).await;
    let lost = || Failure::of("reading a new code back: it is not there");
    let Some(id) = recording.kept_unless_refused(app, sent).await? else {
        // The same request, asked at the same moment, was faster; its calls play its own sound.
        recording.remove(app).await;
        return Ok((known(app, caller, &reference).await?.ok_or_else(lost)?, true));
    };
    Ok((find(app, caller, id).await?.ok_or_else(lost)?, false))
}

/// The caller's code `id`.
///
/// # Errors
/// The database failed.
pub async fn find(
    app: &App,
    caller: &Caller,
    id: CodeId,
) -> std::result::Result<Option<Code>, Failure> {
    let account = caller.account.id;
    let kept = store::kept_code::find(&mut app.read().await?, account, id).await?;
    match kept {
        Some(kept) => shown(app, &caller.account, &kept).await.map(Some),
        None => Ok(None),
    }
}

/// Speaks a code once more: the same digits.
///
/// # Errors
/// Refused as [`SendRefusal`] says.
pub async fn resend(app: &App, caller: &Caller, id: CodeId) -> Result<Code, SendRefusal> {
    let refused = |refusal| Err(Error::Refused(refusal));
    let account = caller.account.id;
    let kept = store::kept_code::find(&mut app.read().await?, account, id).await?;
    let Some(kept) = kept else { return refused(SendRefusal::NoSuchCode) };
    let now = app.now();
    may_be_said_again(&kept, now).map_err(Error::Refused)?;
    let Some(message) = spoken_message(app, account, &kept).await? else {
        return refused(SendRefusal::NoSuchCode);
    };
    let request = quick_send::request(app, kept.destination.as_str(), false, None, None)
        .map_err(|refusal| Error::Refused(SendRefusal::Text(refusal.into())))?;
    let reference = said(&kept.reference, kept.sends + 1);
    let mut order =
        Order::new(app, caller, request, Some(reference), MessageClass::OneTimeCode).await?;
    may_be_proof(app, &mut order, kept.own_words).await?;
    // Before anything is counted.
    order
        .admit(app, Some(&order.draft(kept.clip_ms)))
        .map_err(|refusal| Error::Refused(SendRefusal::Text(refusal.into())))?;
    request::write(
        app,
        |()| Some(id.0),
        async |tx| {
            spend(app, tx, &caller.account, (&kept.destination, now)).await?;
            if store::kept_code::say_again(tx, &kept, now).await? {
                Ok(())
            } else {
                // Somebody else had it said again this moment.
                Err(Error::Refused(SendRefusal::TooSoon(now.plus_ms(RESEND_PAUSE_MS))))
            }
        },
    )
    .await?;
    match send_again(app, order, message, (kept.blob.clone(), kept.clip_ms)).await {
        Ok(_) => {}
        Err(Error::Refused(refusal)) => {
            app.write(async |tx| {
                // In the order in which they were counted, so that nobody waits in a circle.
                give_back(app, tx, &caller.account, (&kept.destination, now)).await?;
                request::undone(tx).await?;
                Ok(store::kept_code::not_said(tx, &kept).await?)
            })
            .await
            .map_err(never_refused)?;
            return refused(SendRefusal::Text(refusal.into()));
        }
        Err(Error::Failed(failure)) => return Err(failure.into()),
    }
    let gone = || Failure::of(format!("reading code {id} back: it is not there"));
    Ok(find(app, caller, id).await?.ok_or_else(gone)?)
}

/// Says whether what was typed is the code. Each try counts before it is judged; the right digits
/// are taken once.
///
/// # Errors
/// Refused as [`CheckRefusal`] says.
pub async fn check(
    app: &App,
    caller: &Caller,
    id: CodeId,
    typed: &str,
) -> Result<Code, CheckRefusal> {
    let typed = OneTimeCode::parse(typed).ok_or(Error::Refused(CheckRefusal::NoCode))?;
    let (account, now) = (caller.account.id, app.now());
    let counts = |verdict: &Verdict| match verdict {
        Verdict::Right | Verdict::Refused(CheckRefusal::Wrong(_)) => Some(id.0),
        Verdict::Refused(_) => None,
    };
    let judge = async |tx: &mut Tx| judge(tx, account, id, (&typed, now)).await;
    let judged = request::write(app, counts, judge).await?;
    match judged {
        Verdict::Right => {
            let gone = || Failure::of(format!("reading code {id} back: it is not there"));
            Ok(find(app, caller, id).await?.ok_or_else(gone)?)
        }
        Verdict::Refused(refusal) => Err(Error::Refused(refusal)),
    }
}

/// What a try came to. A refusal, too, is committed: the try counts.
enum Verdict {
    Right,
    Refused(CheckRefusal),
}

async fn judge(
    tx: &mut Tx,
    account: AccountId,
    id: CodeId,
    (typed, now): (&OneTimeCode, Timestamp),
) -> Result<Verdict, CheckRefusal> {
    let counted = store::kept_code::try_one(tx, account, id, CHECKS_MAX, now).await?;
    let Some(kept) = store::kept_code::find(tx, account, id).await? else {
        return Ok(Verdict::Refused(CheckRefusal::NoSuchCode));
    };
    if !counted {
        let state = kept.state.at(kept.expires_at, now);
        return Ok(Verdict::Refused(CheckRefusal::Over(state)));
    }
    if is_right(&kept, typed) {
        store::kept_code::decide(tx, id, State::Approved, now).await?;
        return Ok(Verdict::Right);
    }
    let left = CHECKS_MAX.saturating_sub(kept.checks);
    if left == 0 {
        store::kept_code::decide(tx, id, State::Exhausted, now).await?;
        return Ok(Verdict::Refused(CheckRefusal::Over(State::Exhausted)));
    }
    Ok(Verdict::Refused(CheckRefusal::Wrong(left)))
}

/// Removes the sound of codes that can be spoken no more, and forgets old codes.
///
/// # Errors
/// The database or the blob store failed; what is left goes another time.
pub async fn look_after(app: &App) -> std::result::Result<(), Failure> {
    let now = app.now();
    loop {
        let before = now.plus_ms(-LAST_CALL_MS);
        let left = store::kept_code::sounds_left(&mut app.read().await?, before, BLOCK).await?;
        if left.is_empty() {
            break;
        }
        for (id, blob) in left {
            app.blobs().delete(&blob).await?;
            app.write(async |tx| Ok(store::kept_code::silence(tx, id).await?))
                .await
                .map_err(never_refused)?;
        }
    }
    let before = now.plus_ms(-KEPT_MS);
    let forget = async || {
        app.write(async |tx| Ok(store::kept_code::forget(tx, before, now, BLOCK).await?)).await
    };
    while forget().await.map_err(never_refused)? > 0 {}
    Ok(())
}

impl NewCode {
    /// Whether its customer says the digits or the words around them: who hears such a code, and
    /// types it, proves nothing to us.
    fn says_own(&self) -> bool {
        self.template.is_some() || self.own.is_some()
    }
}

/// A name of a code that nobody can guess, or that of the request.
fn reference(app: &App, request: Option<&RequestKey>) -> String {
    if let Some(request) = request {
        return format!("code:{}", hex(&request.hash()));
    }
    let mut random = [0; SALT_BYTES];
    app.rng().fill(&mut random);
    format!("code:{}", hex(&random))
}

/// The client reference of the `n`-th call that speaks a code.
fn said(reference: &str, n: u32) -> String {
    format!("{reference}:{n}")
}

/// What was begun under this reference before. A row without a call is left of a process that was
/// killed before it could speak: its digits are lost, and it makes room.
async fn known(
    app: &App,
    caller: &Caller,
    reference: &str,
) -> std::result::Result<Option<Code>, Failure> {
    let account = caller.account.id;
    let mut reads = app.read().await?;
    let kept = store::kept_code::find_by_reference(&mut reads, account, reference).await?;
    drop(reads);
    let Some(kept) = kept else { return Ok(None) };
    let code = shown(app, &caller.account, &kept).await?;
    if code.send.is_some() || app.now() < kept.created_at.plus_ms(RESEND_PAUSE_MS) {
        return Ok(Some(code));
    }
    app.write(async |tx| Ok(store::kept_code::delete(tx, account, kept.id).await?))
        .await
        .map_err(never_refused)?;
    Ok(None)
}

/// The order for a code's first call, judged as far as it can be before anything is spoken.
async fn order(
    app: &App,
    caller: &Caller,
    new: &NewCode,
    reference: String,
) -> Result<Order, SendRefusal> {
    let request = quick_send::request(app, &new.number, false, None, new.server)
        .map_err(|refusal| Error::Refused(SendRefusal::Text(refusal.into())))?;
    let mut order =
        Order::new(app, caller, request, Some(reference), MessageClass::OneTimeCode).await?;
    order.listing = Listing::Hidden;
    may_be_proof(app, &mut order, new.says_own()).await?;
    // Our words need nobody's approval, and digits need none.
    order.account.approves_own_messages |= new.template.is_none();
    may_be_spoken(app, &order).await.map_err(|error| error.map(SendRefusal::Text))?;
    Ok(order)
}

/// Lets a code of ours through, in our words, that is to prove who the account's owner is.
async fn may_be_proof(
    app: &App,
    order: &mut Order,
    own_words: bool,
) -> std::result::Result<(), Failure> {
    let (account, destination) = (order.account.id, order.destination());
    if order.owner == Owner::Unknown
        && !own_words
        && identity::may_prove_by_code(app, account, destination).await?
    {
        order.owner = Owner::Known;
    }
    Ok(())
}

/// The code as it is kept.
fn row(
    app: &App,
    order: &Order,
    digits: &OneTimeCode,
    recording: &Recording,
    (reference, life_seconds): (String, u32),
) -> NewRow {
    let mut salt = vec![0; SALT_BYTES];
    app.rng().fill(&mut salt);
    let created_at = app.now();
    NewRow {
        account: order.account.id,
        reference,
        destination: order.destination().clone(),
        hash: keyed(&salt, digits).finalize().into_bytes().to_vec(),
        salt,
        blob: recording.blob.clone(),
        clip_ms: recording.length_ms,
        own_words: false,
        created_at,
        expires_at: created_at.plus_ms(i64::from(life_seconds) * 1_000),
    }
}

/// Keeps a code, then speaks it; without a call it is not kept, nothing is counted, and those that
/// wait for the same number stay. `None`: there is one with this reference.
async fn keep_and_send(
    app: &App,
    (order, max_cost): (Order, Option<Rials>),
    row: NewRow,
    recording: &Recording,
) -> Result<Option<CodeId>, SendRefusal> {
    let payer = order.account.clone();
    let text = |error: Error<TextRefusal>| error.map(SendRefusal::Text);
    let judged = judge_speech(app, order, recording).await.map_err(text)?;
    if max_cost.is_some_and(|max| judged.cost_max() > max) {
        return Err(Error::Refused(SendRefusal::TooExpensive(judged.cost_max())));
    }
    let kept = app.write(async |tx| {
        let id = store::kept_code::insert(tx, &row).await?;
        if id.is_some() {
            spend(app, tx, &payer, (&row.destination, row.created_at)).await?;
        }
        Ok(id)
    });
    let Some(id) = kept.await? else { return Ok(None) };
    let refusal = match send_judged(app, judged, recording).await.map_err(text) {
        Ok(accepted) if !accepted.repeated => {
            app.write(async |tx| Ok(store::kept_code::replace_older(tx, &row, id).await?))
                .await
                .map_err(never_refused)?;
            return Ok(Some(id));
        }
        // Other digits were spoken under this key, by a process that was taken for dead.
        Ok(_) => SendRefusal::KeyReused,
        Err(Error::Refused(refusal)) => refusal,
        // The answer alone may be lost: then the code is spoken, and can be checked.
        Err(failed) => return Err(failed),
    };
    let now = app.now();
    app.write(async |tx| {
        give_back(app, tx, &payer, (&row.destination, now)).await?;
        Ok(store::kept_code::delete(tx, payer.id, id).await?)
    })
    .await
    .map_err(never_refused)?;
    Err(Error::Refused(refusal))
}

/// Counts a call for a code to this destination, if there may be one.
async fn spend(
    app: &App,
    tx: &mut Tx,
    account: &Account,
    (destination, now): (&Destination, Timestamp),
) -> Result<(), SendRefusal> {
    let (number, prefix) = velocity_keys((account.id, account.is_sandbox()), destination);
    let settings = app.settings();
    let again = store::kept_code::spend(tx, &number, settings.codes_per_number, now).await?;
    if let Some(at) = again {
        return Err(Error::Refused(SendRefusal::TooSoon(at)));
    }
    let Some(prefix) = prefix else { return Ok(()) };
    match store::kept_code::spend(tx, &prefix, settings.codes_per_prefix, now).await? {
        Some(at) => Err(Error::Refused(SendRefusal::NeighboursTooSoon(at))),
        None => Ok(()),
    }
}

/// Takes back what [`spend`] counted, when it came to no call.
async fn give_back(
    app: &App,
    tx: &mut Tx,
    account: &Account,
    (destination, now): (&Destination, Timestamp),
) -> Result<(), Infallible> {
    let (number, prefix) = velocity_keys((account.id, account.is_sandbox()), destination);
    let settings = app.settings();
    store::kept_code::give_back(tx, &number, settings.codes_per_number, now).await?;
    if let Some(prefix) = prefix {
        store::kept_code::give_back(tx, &prefix, settings.codes_per_prefix, now).await?;
    }
    Ok(())
}

/// What a code's first call plays; `None` when there was no call.
async fn spoken_message(
    app: &App,
    account: AccountId,
    kept: &KeptCode,
) -> std::result::Result<Option<MessageId>, Failure> {
    let mut reads = app.read().await?;
    let first = said(&kept.reference, 1);
    let first = store::quick_send::find_by_reference(&mut reads, account, &first).await?;
    let Some(first) = first else { return Ok(None) };
    let send = store::quick_send::find(&mut reads, account, first).await?;
    Ok(send.map(|send| send.message))
}

fn may_be_said_again(kept: &KeptCode, now: Timestamp) -> std::result::Result<(), SendRefusal> {
    let state = kept.state.at(kept.expires_at, now);
    if state != State::Pending {
        return Err(SendRefusal::Over(state));
    }
    if kept.sends >= SENDS_MAX {
        return Err(SendRefusal::SaidTooOften);
    }
    let at = kept.sent_at.plus_ms(RESEND_PAUSE_MS);
    if now < at { Err(SendRefusal::TooSoon(at)) } else { Ok(()) }
}

async fn shown(
    app: &App,
    account: &Account,
    kept: &KeptCode,
) -> std::result::Result<Code, Failure> {
    let last = said(&kept.reference, kept.sends);
    let send =
        store::quick_send::find_by_reference(&mut app.read().await?, account.id, &last).await?;
    Ok(Code {
        id: kept.id,
        sandbox: account.is_sandbox(),
        destination: kept.destination.clone(),
        state: kept.state.at(kept.expires_at, app.now()),
        checks_left: CHECKS_MAX.saturating_sub(kept.checks),
        sends_left: SENDS_MAX.saturating_sub(kept.sends),
        send,
        created_at: kept.created_at,
        expires_at: kept.expires_at,
        resend_at: kept.sent_at.plus_ms(RESEND_PAUSE_MS),
    })
}

/// The hash of digits, not finished yet.
fn keyed(salt: &[u8], digits: &OneTimeCode) -> Hmac<Sha256> {
    let mut mac = Hmac::new_from_slice(salt).expect("HMAC takes a key of any length");
    mac.update(digits.as_str().as_bytes());
    mac
}

/// Compares in the same time whatever was typed.
fn is_right(kept: &KeptCode, typed: &OneTimeCode) -> bool {
    keyed(&kept.salt, typed).verify_slice(&kept.hash).is_ok()
}
