//! Payments: noted, opened at a gateway outside of any transaction, and taken in once by whoever is
//! first told that the money is there: the customer who comes back, the task that asks, or staff. A
//! process that is killed in between leaves a row that the next one goes on with.

mod looks;

use domain::agreement::attachment;
use domain::billing::payment::{
    AMOUNTS, LIFE_MS, OPEN_MAX, OPENING_MS, RECEIPT, RECEIPT_LIFE_MS, State, ask_again_ms, paid_at,
    reference as reference_of,
};
use domain::{AccountId, Rials, Timestamp};
pub use looks::Looks;
use sha2::{Digest as _, Sha256};
use store::entry::{EntryKind, NewEntry, Posted};
pub use store::payment::Payment;
use store::payment::{NewPayment, Paid};
use store::{Tx, chain};

use crate::account::{hex, never_refused};
use crate::ports::{Opened, Opening, Verdict};
use crate::{App, Caller, Error, Failure, Result, availability, invoice, request};

/// Most payments on a page.
pub const PAGE_MAX: u32 = 100;
/// Longest name of somebody of staff, reference or reason, bytes.
const TEXT_MAX: usize = 500;
/// Random bytes of a token.
const TOKEN_BYTES: usize = 20;
/// Kinds of files that a receipt may be.
const KINDS: [&str; 3] = ["image/png", "image/jpeg", "application/pdf"];

/// What is to be paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// So much into the balance.
    Credit(Rials),
    /// An invoice of the account.
    Invoice(i64),
}

/// Why nothing was begun or done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentRefusal {
    /// Not from [`AMOUNTS`].
    Amount,
    /// There is no such gateway here.
    Gateway,
    /// There is no such invoice of the account, or it is paid or voided.
    Invoice,
    /// Play money is not paid.
    Sandbox,
    /// The account has [`OPEN_MAX`] that are not over.
    TooMany,
    /// There is no such payment, or it is another's.
    NoSuchPayment,
    /// It does not stand where that can be done.
    WrongState,
    /// The receipt is not taken: its size or its kind.
    Receipt(attachment::Refusal),
    /// Another payment was taken in under that reference.
    Reference,
    /// It is for another amount than what is in the bank.
    OtherAmount,
    /// It cannot have been paid at that moment: before it was begun (by receipt, before its
    /// invoice was made), or still to come.
    Time,
    /// A name, a reference or a reason is missing, too long or none.
    Text(&'static str),
}

/// The gateways that there are, and `receipt` where one of us looks at receipts.
pub fn gateways(app: &App) -> Vec<String> {
    app.gateways().names()
}

/// Begins a payment and opens it at its gateway; by receipt it waits for that.
///
/// # Errors
/// Refused as [`PaymentRefusal`] says.
pub async fn begin(
    app: &App,
    caller: &Caller,
    purpose: Purpose,
    gateway: &str,
) -> Result<Payment, PaymentRefusal> {
    let refused = |refusal| Err(Error::Refused(refusal));
    if caller.account.is_sandbox() {
        return refused(PaymentRefusal::Sandbox);
    }
    if !app.gateways().names().iter().any(|name| name == gateway) {
        return refused(PaymentRefusal::Gateway);
    }
    let mut random = [0; TOKEN_BYTES];
    app.rng().fill(&mut random);
    let (account, token, now) = (caller.account.id, hex(&random), app.now());
    let begin = async |tx: &mut Tx| {
        let (amount, invoice) = match purpose {
            Purpose::Credit(amount) => (amount, None),
            Purpose::Invoice(id) => (due(tx, account, id).await?, Some(id)),
        };
        if !AMOUNTS.contains(&amount) {
            return Err(Error::Refused(PaymentRefusal::Amount));
        }
        // Two who count at once would both find room.
        store::account::lock(tx, account).await?;
        if store::payment::open(tx, account).await? >= OPEN_MAX {
            return Err(Error::Refused(PaymentRefusal::TooMany));
        }
        let patience_ms = if gateway == RECEIPT { RECEIPT_LIFE_MS } else { OPENING_MS };
        let new = NewPayment {
            account,
            invoice,
            amount,
            gateway: gateway.to_owned(),
            token: token.clone(),
            made_at: now,
            ask_at: now.plus_ms(patience_ms),
        };
        let id = store::payment::insert(tx, &new).await?;
        Ok(store::payment::find(tx, id).await?.ok_or_else(|| lost(id))?)
    };
    let made = request::write(app, |made: &Payment| Some(made.id), begin).await?;
    if gateway != RECEIPT {
        open(app, &made).await?;
    }
    Ok(find(app, Some(account), made.id).await?.ok_or_else(|| lost(made.id))?)
}

/// What an invoice of the account comes to that is neither paid nor voided.
async fn due(tx: &mut Tx, account: AccountId, id: i64) -> Result<Rials, PaymentRefusal> {
    let found = store::invoice::find(tx, id).await?;
    let found = found.filter(|invoice| {
        invoice.account == account && invoice.paid.is_none() && invoice.voided.is_none()
    });
    found.map(|invoice| invoice.amounts.total).ok_or(Error::Refused(PaymentRefusal::Invoice))
}

/// Opens a payment at its gateway. Who was sent nowhere can pay nothing: what cannot be opened has
/// failed.
async fn open(app: &App, made: &Payment) -> std::result::Result<(), Failure> {
    let opening = Opening {
        gateway: made.gateway.clone(),
        number: made.id,
        amount: made.amount,
        token: made.token.clone(),
    };
    let opened = app.gateways().open(&opening).await;
    let now = app.now();
    let by = format!("gateway {}", made.gateway);
    let reason = match opened {
        Ok(Opened::At { authority, url }) => {
            let next = now.plus_ms(ask_again_ms(0));
            let noted = app.write(async |tx| {
                Ok(store::payment::opened(tx, made.id, (&authority, &url), next).await?)
            });
            return noted.await.map(drop).map_err(never_refused);
        }
        Ok(Opened::Refused(reason)) => reason,
        Err(failure) => {
            let (payment, error) = (made.id, failure.chain());
            tracing::warn!(payment, error, "a payment could not be opened at its gateway");
            "the gateway does not answer".to_owned()
        }
    };
    let noted = app.write(async |tx| {
        Ok(store::payment::failed(tx, made.id, State::Made, &reason, (now, &by)).await?)
    });
    noted.await.map(drop).map_err(never_refused)
}

/// Somebody comes back from a gateway to the address with this token: the gateway is asked, and
/// only what it says counts. `None`: there is none.
///
/// # Errors
/// The database failed.
pub async fn come_back(app: &App, token: &str) -> std::result::Result<Option<Payment>, Failure> {
    let found = store::payment::by_token(&mut app.read().await?, token).await?;
    let Some(found) = found else { return Ok(None) };
    if found.state == State::Waiting {
        ask(app, &found).await?;
    }
    find(app, None, found.id).await
}

/// Looks at one payment. What is wrong with it is no reason to let others wait; it comes again.
async fn look_at(app: &App, payment: &Payment) {
    let looked = match payment.state {
        State::Made if payment.gateway == RECEIPT => {
            give_up(app, payment, "no receipt came", app.now()).await
        }
        // Whoever made it was killed before it was opened.
        State::Made => give_up(app, payment, "it was never opened", app.now()).await,
        State::Waiting => ask(app, payment).await,
        State::Review | State::Paid | State::Failed => Ok(()),
    };
    if let Err(failure) = looked {
        let (payment, error) = (payment.id, failure.chain());
        tracing::error!(payment, error, "a payment could not be looked at");
    }
}

/// Staff lets a gateway be asked now, also about what was given up.
///
/// # Errors
/// Refused as [`PaymentRefusal`] says.
pub async fn check(app: &App, id: i64) -> Result<Payment, PaymentRefusal> {
    let found = find(app, None, id).await?;
    let found = found.ok_or(Error::Refused(PaymentRefusal::NoSuchPayment))?;
    let can = matches!(found.state, State::Waiting | State::Failed) && found.authority.is_some();
    if !can {
        return Err(Error::Refused(PaymentRefusal::WrongState));
    }
    ask(app, &found).await?;
    Ok(find(app, None, id).await?.ok_or_else(|| lost(id))?)
}

/// Asks a gateway whether a payment was paid, outside of any transaction, and takes it in if so.
async fn ask(app: &App, payment: &Payment) -> std::result::Result<(), Failure> {
    let Some(authority) = &payment.authority else { return Ok(()) };
    let (gateway, amount) = (&payment.gateway, payment.amount);
    let verdict = app.gateways().verify(gateway, authority, amount).await;
    let now = app.now();
    match verdict {
        Ok(Verdict::Paid { reference, paid_at: told }) => {
            let by = format!("gateway {gateway}");
            // Its yes counts, too, when somebody gave the payment up while it was asked.
            let from = (State::Waiting, State::Failed);
            let paid_at = paid_at(told, payment.made_at, now);
            let paid = Paid { reference: &reference, paid_at, at: now, by: &by };
            match take_in(app, payment, from, paid).await {
                Ok(_) => Ok(()),
                Err(Error::Refused(_)) => {
                    let reason = "another payment was taken in under its reference";
                    not_taken_in(app, payment, &format!("{reason} {reference}"), now).await
                }
                Err(Error::Failed(failure)) => Err(failure),
            }
        }
        Ok(Verdict::OtherAmount { paid, reference }) => {
            let reason = format!("{paid} rials were paid under {reference}");
            not_taken_in(app, payment, &reason, now).await
        }
        Ok(Verdict::Wrong(reason)) => give_up(app, payment, &reason, now).await,
        Ok(Verdict::NotPaid(reason)) => {
            if now >= payment.made_at.plus_ms(LIFE_MS) {
                return give_up(app, payment, &reason, now).await;
            }
            ask_later(app, payment, now).await
        }
        Err(failure) => {
            let (number, error) = (payment.id, failure.chain());
            tracing::warn!(payment = number, error, "a gateway does not say whether it was paid");
            ask_later(app, payment, now).await
        }
    }
}

async fn ask_later(
    app: &App,
    payment: &Payment,
    now: Timestamp,
) -> std::result::Result<(), Failure> {
    let next = now.plus_ms(ask_again_ms(payment.tries));
    app.write(async |tx| Ok(store::payment::ask_at(tx, payment.id, next).await?))
        .await
        .map_err(never_refused)
}

/// A gateway has settled it, and we cannot take it in: one of us has to (see [`accept`]).
async fn not_taken_in(
    app: &App,
    payment: &Payment,
    reason: &str,
    now: Timestamp,
) -> std::result::Result<(), Failure> {
    let (id, gateway) = (payment.id, &payment.gateway);
    let by = format!("gateway {gateway}");
    // It is told, too, of what somebody gave up while it was asked.
    let from = (State::Waiting, State::Failed);
    let noted =
        app.write(async |tx| Ok(store::payment::given_up(tx, id, from, reason, (now, &by)).await?));
    if noted.await.map_err(never_refused)? {
        tracing::error!(payment = id, gateway, "money at a gateway could not be taken in");
    }
    Ok(())
}

/// Gives a payment up that nobody has paid; what was given up before stays as it was noted then.
async fn give_up(
    app: &App,
    payment: &Payment,
    reason: &str,
    now: Timestamp,
) -> std::result::Result<(), Failure> {
    if payment.state == State::Failed {
        return Ok(());
    }
    let by = match payment.gateway.as_str() {
        RECEIPT => chain::MACHINE.to_owned(),
        gateway => format!("gateway {gateway}"),
    };
    let noted = app.write(async |tx| {
        Ok(store::payment::failed(tx, payment.id, payment.state, reason, (now, &by)).await?)
    });
    noted.await.map(drop).map_err(never_refused)
}

/// Takes the money of a payment in that stands at one of these states: one transaction, whose
/// first statement only one can win. An invoice that was paid or voided meanwhile leaves it to the
/// balance. `false`: it was taken in.
async fn take_in(
    app: &App,
    payment: &Payment,
    from: (State, State),
    paid: Paid<'_>,
) -> Result<bool, PaymentRefusal> {
    let ours = ours(payment);
    let is_taken_in = app.write(async |tx| {
        if !won(store::payment::paid(tx, payment.id, from, paid).await)? {
            return Ok(false);
        }
        if let Some(number) = payment.invoice
            && invoice::take_in(tx, number, Paid { reference: &ours, ..paid }).await?
        {
            return Ok(true);
        }
        post(tx, payment, payment.amount, paid.at).await?;
        Ok(true)
    });
    let is_taken_in = is_taken_in.await?;
    if is_taken_in && payment.invoice.is_some() {
        availability::review_now(app, payment.account).await;
    }
    Ok(is_taken_in)
}

/// Whether the row went to paid; two may not have one reference.
fn won(paid: store::Result<bool>) -> Result<bool, PaymentRefusal> {
    match paid {
        Err(store::Error::Conflict(_)) => Err(Error::Refused(PaymentRefusal::Reference)),
        paid => Ok(paid?),
    }
}

/// Posts the money of a payment into the balance.
async fn post(
    tx: &mut Tx,
    payment: &Payment,
    amount: Rials,
    at: Timestamp,
) -> std::result::Result<(), Failure> {
    let entry = NewEntry {
        account: payment.account,
        kind: EntryKind::Credit,
        amount,
        at,
        reference: Some(ours(payment)),
        note: format!("payment {} by {}", payment.id, payment.gateway),
    };
    match store::entry::post(tx, &entry).await? {
        Posted::Done => Ok(()),
        posted => Err(Failure::of(format!("taking payment {} in: {posted:?}", payment.id))),
    }
}

/// The name of a payment among entries and of invoices.
fn ours(payment: &Payment) -> String {
    format!("payment:{}", payment.id)
}

/// Adds the receipt of a payment, which is stored before the row names it.
///
/// # Errors
/// Refused as [`PaymentRefusal`] says.
pub async fn add_receipt(
    app: &App,
    account: AccountId,
    id: i64,
    bytes: Vec<u8>,
) -> Result<Payment, PaymentRefusal> {
    let refused = |refusal| Error::Refused(PaymentRefusal::Receipt(refusal));
    let media_type = attachment::media_type(&bytes).map_err(refused)?;
    if !KINDS.contains(&media_type) {
        return Err(refused(attachment::Refusal::Kind));
    }
    let found = find(app, Some(account), id).await?;
    let found = found.ok_or(Error::Refused(PaymentRefusal::NoSuchPayment))?;
    if (found.gateway.as_str(), found.state) != (RECEIPT, State::Made) {
        return Err(Error::Refused(PaymentRefusal::WrongState));
    }
    let blob = format!("payment/{id}/{}", hex(&Sha256::digest(&bytes)));
    app.blobs().put(&blob, bytes).await?;
    let add = async |tx: &mut Tx| {
        if !store::payment::received(tx, id, (&blob, media_type)).await? {
            return Err(Error::Refused(PaymentRefusal::WrongState));
        }
        Ok(store::payment::find(tx, id).await?.ok_or_else(|| lost(id))?)
    };
    let added = request::write(app, |kept: &Payment| Some(kept.id), add).await;
    if let Err(Error::Refused(_)) = &added {
        drop_unnamed(app, id, &blob).await?;
    }
    added
}

/// Deletes what was stored for a payment that another receipt came for at the same moment.
async fn drop_unnamed(app: &App, id: i64, blob: &str) -> std::result::Result<(), Failure> {
    let found = find(app, None, id).await?;
    let is_named = found.and_then(|found| found.receipt).is_some_and(|(named, _)| named == blob);
    if !is_named {
        app.blobs().delete(blob).await?;
    }
    Ok(())
}

/// One of us saw the money of a receipt in the bank: so much, under this reference, there since a
/// moment or just now. Or that of a payment by a gateway that was given up, in whatever amount: it
/// goes into the balance.
///
/// # Errors
/// Refused as [`PaymentRefusal`] says.
pub async fn accept(
    app: &App,
    id: i64,
    (amount, reference, told): (Rials, &str, Option<Timestamp>),
    by: &str,
) -> Result<Payment, PaymentRefusal> {
    let reference = reference_of(reference);
    let reference = reference.ok_or(Error::Refused(PaymentRefusal::Text("reference")))?;
    let found = of_staff(app, id, by).await?;
    let now = app.now();
    let paid_at = paid_at(told, earliest(app, &found).await?, now);
    if told.is_some_and(|told| told != paid_at) {
        return Err(Error::Refused(PaymentRefusal::Time));
    }
    let paid = Paid { reference: &reference, paid_at, at: now, by: by.trim() };
    let is_taken_in = match found.state {
        State::Review if amount != found.amount => {
            return Err(Error::Refused(PaymentRefusal::OtherAmount));
        }
        State::Review => take_in(app, &found, (State::Review, State::Review), paid).await?,
        State::Failed if !(Rials(1)..=*AMOUNTS.end()).contains(&amount) => {
            return Err(Error::Refused(PaymentRefusal::Amount));
        }
        State::Failed => take_in_by_hand(app, &found, amount, paid).await?,
        State::Made | State::Waiting | State::Paid => false,
    };
    if !is_taken_in {
        return Err(Error::Refused(PaymentRefusal::WrongState));
    }
    Ok(find(app, None, id).await?.ok_or_else(|| lost(id))?)
}

/// The earliest moment at which a payment can have been made. Who sends a receipt may have been at
/// the bank before, but not before there was an invoice to pay.
async fn earliest(app: &App, payment: &Payment) -> std::result::Result<Timestamp, Failure> {
    let Some(invoice) = payment.invoice.filter(|_| payment.gateway == RECEIPT) else {
        return Ok(payment.made_at);
    };
    let found = store::invoice::find(&mut app.read().await?, invoice).await?;
    Ok(found.map_or(payment.made_at, |invoice| invoice.issued_at.min(payment.made_at)))
}

/// Takes money in that a gateway has and did not take in itself. `false`: it was taken in, or its
/// gateway never had it.
async fn take_in_by_hand(
    app: &App,
    payment: &Payment,
    amount: Rials,
    paid: Paid<'_>,
) -> Result<bool, PaymentRefusal> {
    app.write(async |tx| {
        if !won(store::payment::paid_by_hand(tx, payment.id, amount, paid).await)? {
            return Ok(false);
        }
        post(tx, payment, amount, paid.at).await?;
        Ok(true)
    })
    .await
}

/// One of us waits no longer for the answer of a gateway. A later yes counts, as it does for
/// whatever was given up: see [`check`].
///
/// # Errors
/// Refused as [`PaymentRefusal`] says.
pub async fn wait_no_longer(app: &App, id: i64, by: &str) -> Result<Payment, PaymentRefusal> {
    of_staff(app, id, by).await?;
    let from = (State::Waiting, State::Waiting);
    given_up(app, id, from, "its gateway does not answer", by).await
}

/// One of us saw no such money. The customer reads why.
///
/// # Errors
/// Refused as [`PaymentRefusal`] says.
pub async fn refuse(app: &App, id: i64, reason: &str, by: &str) -> Result<Payment, PaymentRefusal> {
    said(reason, "reason")?;
    of_staff(app, id, by).await?;
    given_up(app, id, (State::Review, State::Review), reason, by).await
}

async fn given_up(
    app: &App,
    id: i64,
    from: (State, State),
    reason: &str,
    by: &str,
) -> Result<Payment, PaymentRefusal> {
    let decided = (app.now(), by.trim());
    let noted =
        app.write(async |tx| Ok(store::payment::given_up(tx, id, from, reason, decided).await?));
    if !noted.await.map_err(never_refused)? {
        return Err(Error::Refused(PaymentRefusal::WrongState));
    }
    Ok(find(app, None, id).await?.ok_or_else(|| lost(id))?)
}

/// The payment that one of us, who has a name, decides on.
async fn of_staff(app: &App, id: i64, by: &str) -> Result<Payment, PaymentRefusal> {
    said(by, "name")?;
    find(app, None, id).await?.ok_or(Error::Refused(PaymentRefusal::NoSuchPayment))
}

/// The payment of this number, of this account if one is given.
///
/// # Errors
/// The database failed.
pub async fn find(
    app: &App,
    account: Option<AccountId>,
    id: i64,
) -> std::result::Result<Option<Payment>, Failure> {
    let found = store::payment::find(&mut app.read().await?, id).await?;
    Ok(found.filter(|found| account.is_none_or(|account| found.account == account)))
}

/// The payments of an account, of everybody, or those whose receipt waits for one of us, before a
/// number: the newest first.
///
/// # Errors
/// The database failed.
pub async fn list(
    app: &App,
    account: Option<AccountId>,
    only_review: bool,
    before: Option<i64>,
    limit: u32,
) -> std::result::Result<Vec<Payment>, Failure> {
    let (limit, mut reads) = (limit.min(PAGE_MAX), app.read().await?);
    Ok(store::payment::list(&mut reads, account, only_review, before, limit).await?)
}

/// A receipt with its media type, for who reviews it. `None`: there is none.
///
/// # Errors
/// The database or the blob store failed, or has lost it.
pub async fn receipt(
    app: &App,
    id: i64,
) -> std::result::Result<Option<(String, Vec<u8>)>, Failure> {
    let Some(found) = find(app, None, id).await? else { return Ok(None) };
    let Some((blob, media_type)) = found.receipt else { return Ok(None) };
    let bytes = app.blobs().get(&blob).await?;
    let gone = || Failure::of(format!("reading the receipt of payment {id}: it is lost"));
    Ok(Some((media_type, bytes.ok_or_else(gone)?)))
}

fn lost(id: i64) -> Failure {
    Failure::of(format!("reading payment {id} back: it is not there"))
}

fn said(text: &str, what: &'static str) -> Result<(), PaymentRefusal> {
    if !crate::error::is_said(text, TEXT_MAX) {
        return Err(Error::Refused(PaymentRefusal::Text(what)));
    }
    Ok(())
}
