//! Sends of what was spoken a moment ago: judged with its real length and price, then accepted.

use domain::Rials;
use domain::message::LENGTH_MS_MIN;
use domain::quick_send::Admission;
use store::hot::{Played, Spoken};

use super::{Accepted, Listing, Order, TextRefusal, accept};
use crate::speech::{Recording, RecordingRefusal, ScriptRefusal};
use crate::{App, Error, Result};

/// An order for what was spoken that may be sent.
pub(crate) struct Judged {
    order: Order,
    price: Rials,
    admission: Admission,
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
