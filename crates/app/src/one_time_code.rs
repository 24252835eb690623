//! One-time codes: a code is made or taken, assembled from words that were spoken once, and sent
//! ahead of everything else. Its audio is its own: the cache of speech never has a code.

use audio::text::{Speakable, digits, normalise};
use domain::one_time_code::{OneTimeCode, RANDOM_BYTES};
use domain::{MessageClass, QuickSendId};

use crate::ports::Speaker;
use crate::quick_send::{Order, TextRefusal, may_be_spoken, request, send_speech};
use crate::speech::{self, RecordingRefusal};
use crate::{App, Caller, Error, Failure, Result};

/// What is said before the code, and before it is said again.
const BEFORE: &str = "کد شما";
const AGAIN: &str = "تکرار می‌کنم";
/// Silence between two words, milliseconds: so that each digit can be typed as it is heard.
const GAP_MS: u16 = 350;

/// A code to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCode {
    /// How many digits a code that we make has.
    pub length: Option<i64>,
    /// A code of the customer's own, in place of one that we make.
    pub own: Option<String>,
    /// Whom to call, as the customer wrote it.
    pub number: String,
    /// The regional server that is to call, if one is asked for.
    pub server: Option<u32>,
}

/// A code that is on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The send.
    pub send: QuickSendId,
    /// The code.
    pub code: OneTimeCode,
}

/// Why a code was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeRefusal {
    /// Not 4 to 8 digits.
    LengthNotAllowed,
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

/// Sends a code. It needs no approval: its words are ours.
///
/// # Errors
/// Refused as [`CodeRefusal`] says.
pub async fn submit(app: &App, caller: &Caller, new: NewCode) -> Result<Sent, CodeRefusal> {
    let NewCode { length, own, number, server } = new;
    let code = code(app, length, own.as_deref());
    let code = code.ok_or(Error::Refused(CodeRefusal::LengthNotAllowed))?;
    let request = request(app, &number, false, None, server)
        .map_err(|refusal| Error::Refused(TextRefusal::from(refusal).into()))?;
    let mut order = Order::new(app, caller, request, None, MessageClass::OneTimeCode).await?;
    // Our words need nobody's approval.
    order.account.approves_own_messages = true;
    may_be_spoken(app, &order).await.map_err(|error| error.map(Into::into))?;
    let words = words(&code)?;
    let recording = speech::assembled(app, &words, Speaker::default(), GAP_MS)
        .await
        .map_err(|error| error.map(CodeRefusal::from))?;
    let sent = send_speech(app, order, &recording).await;
    let sent = recording.kept_unless_refused(app, sent).await;
    let accepted = sent.map_err(|error| error.map(CodeRefusal::from))?;
    Ok(Sent { send: accepted.id, code })
}

/// The customer's code or a new one; `None` when it has a wrong length.
fn code(app: &App, length: Option<i64>, own: Option<&str>) -> Option<OneTimeCode> {
    if let Some(own) = own {
        return OneTimeCode::parse(own);
    }
    let length = usize::try_from(length?).ok()?;
    let mut random = [0; RANDOM_BYTES];
    app.rng().fill(&mut random);
    OneTimeCode::random(length, random)
}

/// The words in their order: the code twice.
fn words(code: &OneTimeCode) -> std::result::Result<Vec<Speakable>, Failure> {
    let ours = |error| Failure::because("speaking a one-time code", error);
    let mut words = Vec::new();
    for before in [BEFORE, AGAIN] {
        words.push(normalise(before).map_err(ours)?);
        for digit in code.as_str().chars() {
            words.push(digits::spoken(&digit.to_string()).map_err(ours)?);
        }
    }
    Ok(words)
}

impl From<TextRefusal> for CodeRefusal {
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

impl From<RecordingRefusal> for CodeRefusal {
    fn from(refusal: RecordingRefusal) -> Self {
        match refusal {
            RecordingRefusal::NotSpoken | RecordingRefusal::TooLong => Self::NotSpoken,
        }
    }
}
