//! One-click verification: a call that asks for a key which the customer's site shows, and the
//! callback that tells the customer which one was pressed.

use domain::verification::{CallbackUrl, VerificationEnd, code, pause_after};
use domain::{AccountId, MessageClass, QuickSendId};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use store::verification::{Due, NewVerification};

use crate::account::{hex, never_refused};
use crate::ports::Speaker;
use crate::quick_send::{Order, TextRefusal, may_be_spoken, request, send_speech};
use crate::speech::{self, RecordingRefusal, Script};
use crate::{App, Caller, Error, Failure, Result};

/// What is said. The key is shown by the customer's site and never spoken.
const WORDS: &str = "برای تأیید، عددی را که روی صفحه می‌بینید روی تلفن فشار دهید. \
    تکرار می‌کنم، عددی را که روی صفحه می‌بینید روی تلفن فشار دهید.";
/// Random bytes in a reference and in a secret.
const RANDOM_BYTES: usize = 20;
/// Callbacks that are made at a time.
const DUE_MAX: u32 = 64;
/// How long a callback that was begun is left to whoever began it, milliseconds.
const CLAIM_MS: i64 = 60_000;

/// A verification to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCall {
    /// Whom to call, as the customer wrote it.
    pub number: String,
    /// Whom to tell.
    pub callback_url: String,
    /// The regional server that is to call, if one is asked for.
    pub server: Option<u32>,
}

/// A verification that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Its send.
    pub send: QuickSendId,
    /// The key to be pressed.
    pub code: u8,
}

/// Why a verification was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyRefusal {
    /// The address is none that could be called back.
    WrongCallback,
    /// The operator switched sends off.
    Disabled,
    /// The operator asks who the account's owner is, and that is not proven.
    NotIdentified,
    /// Not a number that can be called.
    WrongNumber,
    /// Outside the hours in which calls may be placed.
    TimeNotAllowed,
    /// The available balance does not cover the speech and the call.
    InsufficientCredit,
    /// The speech engine made nothing of use.
    NotSpoken,
}

/// Calls a number and asks for a key. Its words need no approval: they are ours.
///
/// # Errors
/// Refused as [`VerifyRefusal`] says.
pub async fn submit(app: &App, caller: &Caller, new: NewCall) -> Result<Made, VerifyRefusal> {
    let url = CallbackUrl::parse(&new.callback_url);
    let url = url.ok_or(Error::Refused(VerifyRefusal::WrongCallback))?;
    let request = request(app, &new.number, true, None, new.server)
        .map_err(|refusal| Error::Refused(TextRefusal::from(refusal).into()))?;
    let mut random = [0; RANDOM_BYTES];
    app.rng().fill(&mut random);
    let code = code(u64::from_be_bytes(random[..8].try_into().expect("eight of twenty")));
    app.rng().fill(&mut random);
    let reference = format!("verification:{}", hex(&random));
    let class = MessageClass::OneTimeCode;
    let mut order = Order::new(app, caller, request, Some(reference.clone()), class).await?;
    order.account.approves_own_messages = true;
    may_be_spoken(app, &order).await.map_err(|error| error.map(Into::into))?;
    let script = Script::new(WORDS, None, Speaker::default())
        .map_err(|refusal| Error::Refused(TextRefusal::from(refusal).into()))?;
    let recording = speech::speak(app, &script).await.map_err(|error| error.map(Into::into))?;
    let (account, created_at) = (caller.account.id, app.now());
    let callback_url = url.as_str().to_owned();
    let kept = NewVerification { reference, account, code, callback_url, created_at };
    app.write(async |tx| Ok(store::verification::insert(tx, &kept).await?)).await?;
    match send_speech(app, order, &recording).await {
        Ok(accepted) => Ok(Made { send: accepted.id, code }),
        Err(Error::Refused(refusal)) => {
            app.write(async |tx| Ok(store::verification::delete(tx, &kept.reference).await?))
                .await?;
            Err(Error::Refused(refusal.into()))
        }
        // The answer alone may be lost: then the send is called, and its end is told.
        Err(Error::Failed(failure)) => Err(failure.into()),
    }
}

/// A callback to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    reference: String,
    tries: u32,
    /// Whom to call.
    pub url: CallbackUrl,
    /// The query to call it with.
    pub query: String,
    /// The signature of the query, hex, when the account has a secret.
    pub signature: Option<String>,
}

/// What is to be told now. Whoever is given a callback makes it, and says how it went.
///
/// # Errors
/// The database failed.
pub async fn due(app: &App) -> std::result::Result<Vec<Callback>, Failure> {
    let now = app.now();
    let found = store::verification::due(&mut app.read().await?, now, DUE_MAX).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let until = now.plus_ms(CLAIM_MS);
    let claimed = app.write(async |tx| {
        let mut claimed = Vec::new();
        for due in found {
            if store::verification::claim(tx, &due, until).await? {
                claimed.push(due);
            }
        }
        Ok(claimed)
    });
    let claimed: Vec<Due> = claimed.await.map_err(never_refused)?;
    Ok(claimed.into_iter().filter_map(callback).collect())
}

fn callback(due: Due) -> Option<Callback> {
    let url = CallbackUrl::parse(&due.callback_url)?;
    let (send, number) = (due.send.0, due.number.as_str());
    let end = VerificationEnd { send, number, code: due.code, vote: due.vote };
    let query = url.query_with(&end);
    let signature = due.secret.as_deref().map(|secret| signature(secret, &query));
    Some(Callback { reference: due.reference, tries: due.tries, url, query, signature })
}

/// HMAC-SHA256 of a query, hex.
fn signature(secret: &str, query: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(query.as_bytes());
    hex(&mac.finalize().into_bytes())
}

/// Writes down how a callback went: `Ok` for an answer of 2xx. One that failed is made again after
/// a while, up to a day.
///
/// # Errors
/// The database failed; it is made again in a minute.
pub async fn told(
    app: &App,
    callback: &Callback,
    answer: std::result::Result<u16, String>,
) -> std::result::Result<(), Failure> {
    let now = app.now();
    let (words, next) = match answer {
        Ok(code) => (code.to_string(), None),
        Err(why) => (why, pause_after(callback.tries.saturating_add(1))),
    };
    let next = next.map(|pause_ms| now.plus_ms(pause_ms));
    let reference = &callback.reference;
    let done =
        app.write(async |tx| Ok(store::verification::tried(tx, reference, &words, next).await?));
    done.await.map_err(never_refused)
}

/// Makes a new secret that callbacks of the account are signed with. `None`: there is no such
/// account.
///
/// # Errors
/// The database failed.
pub async fn new_secret(
    app: &App,
    account: AccountId,
) -> std::result::Result<Option<String>, Failure> {
    let mut random = [0; RANDOM_BYTES];
    app.rng().fill(&mut random);
    let secret = hex(&random);
    let set = app
        .write(async |tx| Ok(store::verification::set_secret(tx, account, &secret).await?))
        .await
        .map_err(never_refused)?;
    Ok(set.then_some(secret))
}

impl From<TextRefusal> for VerifyRefusal {
    fn from(refusal: TextRefusal) -> Self {
        match refusal {
            TextRefusal::Disabled | TextRefusal::ClassNotAllowed => Self::Disabled,
            TextRefusal::WrongNumber => Self::WrongNumber,
            TextRefusal::TimeNotAllowed => Self::TimeNotAllowed,
            TextRefusal::NotIdentified => Self::NotIdentified,
            TextRefusal::InsufficientCredit => Self::InsufficientCredit,
            TextRefusal::MustBeApproved
            | TextRefusal::TextTooLong
            | TextRefusal::TooLong
            | TextRefusal::NotSpoken
            | TextRefusal::WrongMobile
            | TextRefusal::TooShort
            | TextRefusal::EmptyText
            | TextRefusal::RepeatedTooOften
            | TextRefusal::RecordingNotPermitted => Self::NotSpoken,
        }
    }
}

impl From<RecordingRefusal> for VerifyRefusal {
    fn from(refusal: RecordingRefusal) -> Self {
        match refusal {
            RecordingRefusal::NotSpoken | RecordingRefusal::TooLong => Self::NotSpoken,
        }
    }
}
