//! Staff gives back what a send was charged, or a part of it, with a reason.

use domain::billing::refund::{RefundRefusal, TEXT_CHARS_MAX, refund};
use domain::{QuickSendId, Rials};
pub use store::refund::Refund;

use crate::{App, Error, Result};

/// What is to be given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRefund {
    /// Of which send's charge.
    pub quick_send: QuickSendId,
    /// How much; `None` for all that is left.
    pub amount: Option<Rials>,
    /// A name, under which it is done once.
    pub reference: String,
    /// Who gives it back.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// Why nothing was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRefunded {
    /// There is no such send.
    NoSuchSend,
    /// The rules refuse it.
    Refused(RefundRefusal),
    /// Another refund has the name.
    ReferenceTaken,
    /// Reason, name or person is empty or longer than 200 characters.
    WrongText,
}

/// Gives it back, and tells what was given; asked for again under its name, what was given then.
///
/// # Errors
/// Refused as [`NotRefunded`] says; then nothing was changed.
pub async fn give(app: &App, new: &NewRefund) -> Result<Refund, NotRefunded> {
    let (reference, reason) = (new.reference.trim(), new.reason.trim());
    let is_text = |text: &str| !text.is_empty() && text.chars().nth(TEXT_CHARS_MAX).is_none();
    if ![reference, reason, new.actor.trim()].into_iter().all(is_text) {
        return Err(Error::Refused(NotRefunded::WrongText));
    }
    let at = app.now();
    app.write(async |tx| {
        let charged = store::refund::lock(tx, new.quick_send).await?;
        let charged = charged.ok_or(Error::Refused(NotRefunded::NoSuchSend))?;
        // Read under the lock: whoever asks twice at once finds the first one here.
        if let Some(given) = store::refund::by_reference(tx, reference).await? {
            return same(given, new);
        }
        let amount = refund(charged.charged, charged.refunded, new.amount)
            .map_err(|refusal| Error::Refused(NotRefunded::Refused(refusal)))?;
        let given = Refund {
            id: 0,
            account: charged.account,
            quick_send: new.quick_send,
            amount,
            at,
            reference: reference.to_owned(),
            actor: new.actor.trim().to_owned(),
            reason: reason.to_owned(),
        };
        let id = store::refund::insert(tx, &given).await?;
        let id = id.ok_or(Error::Refused(NotRefunded::ReferenceTaken))?;
        Ok(Refund { id, ..given })
    })
    .await
}

/// The refund that has the name, if it is the one that is asked for.
fn same(given: Refund, new: &NewRefund) -> Result<Refund, NotRefunded> {
    let amount = new.amount.is_none_or(|amount| amount == given.amount);
    if given.quick_send == new.quick_send && amount {
        return Ok(given);
    }
    Err(Error::Refused(NotRefunded::ReferenceTaken))
}
