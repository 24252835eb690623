//! Invoices: one for each billed month of a subscription, however often and on however many nodes
//! they are made; with what is owed to it taken off before tax.

use domain::agreement::credit::{DiscountLine, Move, State as CreditState};
use domain::agreement::statement::frozen_at;
use domain::agreement::violation::Clause;
use domain::billing::invoice::Amounts;
use domain::billing::plan_change::{billed, term_at};
use domain::billing::subscription::{State, coverage, repair, resumption, was_billed};
use domain::calendar::jalali::rfc3339;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Rials, Timestamp};
use store::credit::By;
pub use store::credit::Line;
pub use store::invoice::{Invoice, Rest};
use store::month_statement::Review;
use store::payment::Paid;
use store::subscription::{Change, Subscription};
use store::{Tx, chain};

use crate::agreement::Held;
use crate::availability;
use crate::credit::{self, Lost, lost, or_lost};
use crate::subscription::{go, step};
use crate::violation::{self, MACHINE, NewViolation};
use crate::{App, Error, Failure, Result};

/// Longest name, reason or reference, bytes.
pub const TEXT_MAX: usize = 2000;
/// Subscriptions or invoices that are read at once.
const BATCH: u32 = 200;

/// Why nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvoiceRefusal {
    /// There is no subscription of that number.
    NoSuchSubscription,
    /// There is no invoice of that number.
    NoSuchInvoice,
    /// The subscription is not billed with that month, or not any more.
    NotBilled,
    /// It has an invoice of that month which stands.
    Already,
    /// It is paid, or it was voided.
    Closed,
    /// It cannot have been paid at that moment: before it was made, or still to come.
    Time,
    /// Another invoice was paid under that reference.
    Reference,
    /// A text is missing or too long.
    Text(&'static str),
    /// Something else happened to it at this moment.
    Meanwhile,
}

/// Makes the invoices that are to be made. A month's wait until the month before is frozen, so that
/// what it pays back is on them; those of months that were frozen late are made late, and are due
/// as long after that. The answer is how many were made.
///
/// # Errors
/// The database failed.
pub async fn issue_due(app: &App) -> std::result::Result<u64, Failure> {
    let now = app.now();
    let mut reads = app.read().await?;
    let (held, frozen) =
        (Held::read(&mut reads).await?, store::month_statement::platform_months(&mut reads).await?);
    drop(reads);
    let mut issued = 0;
    for before in availability::months_back(now) {
        let parameters = &held.at(before.start()).draft.parameters;
        if now >= frozen_at(before, parameters) && frozen.contains(&before) {
            issued += issue_month(app, before.next()).await?;
        }
    }
    Ok(issued)
}

async fn issue_month(app: &App, month: PersianMonth) -> std::result::Result<u64, Failure> {
    let now = app.now();
    let (mut after, mut issued) = (0, 0);
    loop {
        let mut reads = app.read().await?;
        let found = store::subscription::without_invoice(&mut reads, month, after, BATCH).await?;
        drop(reads);
        let Some(last) = found.last() else { return Ok(issued) };
        after = last.id;
        for subscription in found.iter().filter(|one| may_be_billed(one, month)) {
            let tried = app.write(async |tx| {
                // Nobody else puts the same rest on another invoice meanwhile.
                store::subscription::lock(tx, subscription.id).await?;
                let found = store::subscription::find(tx, subscription.id).await?;
                let Some(subscription) = found.filter(|one| may_be_billed(one, month)) else {
                    return Ok(0);
                };
                let made = make(tx, subscription, month, 0, now).await?;
                Ok(u64::from(made.is_some()))
            });
            issued += or_lost(tried.await)?;
        }
    }
}

/// Whether a month may have an invoice: a period begins with it, or the rest of one was asked for
/// when the plan changed in a month before. A month in all of which the service was stopped for
/// want of money has none, however late it is looked at.
fn may_be_billed(subscription: &Subscription, month: PersianMonth) -> bool {
    let asks = |change: &Change| change.rest > Rials::ZERO && change.term.from < month.start();
    let has_rest = || subscription.plans.iter().any(asks);
    let begins = billed(&subscription.terms(), month).is_some();
    let time = Span { from: month.start(), to: month.end() };
    let is_billed = subscription.state().is_billed() && was_billed(&subscription.history(), time);
    is_billed && (begins || has_rest())
}

/// Makes the invoice of a month, by staff: the first, or another one after it was voided.
///
/// # Errors
/// Refused as [`InvoiceRefusal`] says.
pub async fn issue(
    app: &App,
    subscription: i64,
    month: PersianMonth,
) -> Result<i64, InvoiceRefusal> {
    let now = app.now();
    let made = app.write(async |tx| {
        store::subscription::lock(tx, subscription).await?;
        let found = store::subscription::find(tx, subscription).await?;
        let found = found.ok_or(Error::Refused(InvoiceRefusal::NoSuchSubscription))?;
        if !may_be_billed(&found, month) || month > PersianMonth::of(now) {
            return Err(Error::Refused(InvoiceRefusal::NotBilled));
        }
        let issue = match store::invoice::of_month(tx, subscription, month).await? {
            None => 0,
            Some(last) if last.voided.is_some() => last.issue + 1,
            Some(_) => return Err(Error::Refused(InvoiceRefusal::Already)),
        };
        let made = make(tx, found, month, issue, now).await;
        made.map_err(|error| error.map(|Lost| InvoiceRefusal::Meanwhile))
    });
    made.await?.ok_or(Error::Refused(InvoiceRefusal::NotBilled))
}

/// Makes an invoice with its discounts, in one transaction: for the period that begins, and for
/// rests of periods that were asked for. `None`: it is made already, or there is nothing to ask
/// for.
async fn make(
    tx: &mut Tx,
    mut subscription: Subscription,
    month: PersianMonth,
    issue: u32,
    now: Timestamp,
) -> Result<Option<i64>, Lost> {
    let terms = subscription.terms();
    let plan = &term_at(&terms, month.start()).plan;
    let begins = billed(&terms, month).is_some();
    let rests = store::subscription::rests(tx, subscription.id, month.start()).await?;
    if !begins && rests.is_empty() {
        return Ok(None);
    }
    let of_period = if begins { plan.price } else { Rials::ZERO };
    let price = rests.iter().try_fold(of_period, |sum, (_, rest)| sum.checked_add(*rest));
    let price = price.ok_or(Failure::of("adding the rests of periods up"))?;
    let by = By { at: now, actor: MACHINE, reason: "" };
    let mut owed = carried_to(tx, subscription.id, month, by).await?;
    let sum = owed.iter().fold(0_i64, |sum, kept| sum.saturating_add(kept.credit.left().0));
    let amounts =
        Amounts::of(price, Rials(sum), plan.tax_bp).ok_or(Failure::of("reckoning an invoice"))?;
    let new = Invoice {
        id: 0,
        subscription: subscription.id,
        account: subscription.account,
        month,
        issue,
        months: if begins { plan.months } else { 0 },
        amounts,
        issued_at: now,
        due_at: plan.due_at(now),
        paid: (amounts.total == Rials::ZERO).then_some((now, None)),
        noted_at: (amounts.total == Rials::ZERO).then_some(now),
        voided: None,
    };
    let Some(id) = store::invoice::insert(tx, &new).await? else { return Ok(None) };
    for (change, amount) in rests {
        store::invoice::insert_rest(tx, id, Rest { change, amount }).await.map_err(lost)?;
    }
    let mut left = amounts.price;
    for kept in &mut owed {
        let applied = kept.credit.apply(id, left);
        let Some(posting) = applied.expect("it is owed, and the invoice is new") else { continue };
        left.0 -= posting.amount.0;
        let line = Move::Apply(DiscountLine { invoice: id, amount: posting.amount });
        credit::keep(tx, kept, line, Some(posting), by).await.map_err(lost)?;
    }
    if subscription.state() == State::Trial {
        let reason = format!("invoice {id}");
        let active = step(State::Active, now, MACHINE, &reason);
        go(tx, &mut subscription, active).await.map_err(lost)?;
    }
    Ok(Some(id))
}

/// What is owed to a subscription and may be on the invoice of a month, as the agreement of the
/// month that each credit is for says (A26). What no invoice took in time goes to the committee.
async fn carried_to(
    tx: &mut Tx,
    subscription: i64,
    month: PersianMonth,
    by: By<'_>,
) -> Result<Vec<credit::Kept>, Lost> {
    let held = Held::read(tx).await?;
    let mut owed = Vec::new();
    for mut kept in store::credit::of_subscription(tx, subscription).await? {
        if kept.credit.state() != CreditState::Posted {
            continue;
        }
        let months = held.at(kept.new.key.month.start()).draft.parameters.carried_months();
        if kept.credit.is_carried_to(month, months) {
            owed.push(kept);
        } else {
            let by = By { reason: credit::NOT_IN_TIME, ..by };
            kept.credit.hand_over().expect("what is posted can be handed over");
            credit::keep(tx, &mut kept, Move::HandOver, None, by).await.map_err(lost)?;
        }
    }
    Ok(owed)
}

/// Follows what is not paid in time: overdue invoices make a subscription past due, with an entry
/// of the ledger, and after the plan's grace suspended. The answer is how many steps were made.
///
/// # Errors
/// The database failed.
pub async fn lapse_due(app: &App) -> std::result::Result<u64, Failure> {
    let now = app.now();
    let (mut after, mut steps) = (0, 0);
    loop {
        let mut reads = app.read().await?;
        let overdue = store::invoice::overdue(&mut reads, now, after, BATCH).await?;
        drop(reads);
        let Some(last) = overdue.last() else { return Ok(steps) };
        after = last.id;
        for invoice in &overdue {
            let tried = app.write(async |tx| lapse(tx, invoice, now).await).await;
            steps += or_lost(tried)?;
        }
    }
}

async fn lapse(tx: &mut Tx, invoice: &Invoice, now: Timestamp) -> Result<u64, Lost> {
    // The row is locked: who pays at this moment sees what is written here, or is seen.
    if !store::invoice::lock_unpaid(tx, invoice.id).await? {
        return Ok(0);
    }
    let found = store::subscription::find(tx, invoice.subscription).await?;
    let Some(mut subscription) = found else { return Ok(0) };
    let reason = format!("invoice {} is not paid", invoice.id);
    let mut steps = 0;
    let is_first = subscription.state() == State::Active;
    if is_first {
        let overdue = step(State::PastDue, now, MACHINE, &reason);
        go(tx, &mut subscription, overdue).await.map_err(lost)?;
    }
    // Each invoice is a breach of its own, whatever else is overdue; it is entered once.
    if subscription.state() != State::Ended {
        let new = NewViolation {
            account: Some(invoice.account),
            clause: Clause::Payment,
            span: Span { from: invoice.due_at, to: now },
            evidence: vec![format!(
                "invoice {} of {}, {} rials, was due and is not paid",
                invoice.id, invoice.month, invoice.amounts.total.0
            )],
            reference: entry_of(invoice.id),
            actor: MACHINE.to_owned(),
        };
        let entered = violation::enter_found(tx, now, &new).await?;
        steps += u64::from(is_first || entered);
    }
    let plan = &subscription.plan_at(invoice.month.start()).term.plan;
    let stops_at = plan.stops_at(invoice.due_at);
    if subscription.state() == State::PastDue && stops_at <= now {
        let stopped = step(State::Suspended, now, MACHINE, &reason);
        go(tx, &mut subscription, stopped).await.map_err(lost)?;
        steps += 1;
    }
    Ok(steps)
}

/// The name of the entry that an invoice was not paid in time.
fn entry_of(invoice: i64) -> String {
    format!("invoice:{invoice}")
}

/// Notes that an invoice was paid, under the reference of the payment, at a moment or just now.
/// Noting it again does nothing.
///
/// # Errors
/// Refused as [`InvoiceRefusal`] says.
pub async fn pay(
    app: &App,
    id: i64,
    (reference, paid_at): (&str, Option<Timestamp>),
    actor: &str,
) -> Result<(), InvoiceRefusal> {
    said(reference, "reference")?;
    said(actor, "name")?;
    let now = app.now();
    let paid_at = paid_at.unwrap_or(now);
    app.write(async |tx| {
        let issued = store::invoice::find(tx, id).await?.map(|invoice| invoice.issued_at);
        if paid_at > now || issued.is_some_and(|issued| paid_at < issued) {
            return Err(Error::Refused(InvoiceRefusal::Time));
        }
        let paid = Paid { reference, paid_at, at: now, by: chain::OPERATOR };
        match store::invoice::pay(tx, id, paid).await {
            Ok(true) => {}
            Ok(false) => {
                let invoice = store::invoice::find(tx, id).await?;
                let invoice = invoice.ok_or(Error::Refused(InvoiceRefusal::NoSuchInvoice))?;
                let before = invoice.paid.and_then(|(_, reference)| reference);
                let same = before.as_deref() == Some(reference);
                return if same { Ok(()) } else { Err(Error::Refused(InvoiceRefusal::Closed)) };
            }
            Err(store::Error::Conflict(_)) => {
                return Err(Error::Refused(InvoiceRefusal::Reference));
            }
            Err(error) => return Err(error.into()),
        }
        after_pay(tx, id, Paid { by: actor, ..paid }).await
    })
    .await?;
    review_now(app, id).await;
    Ok(())
}

/// Computes the months again that an invoice's payment has changed. What was paid stays so, and the
/// months stay noted, whatever fails here.
async fn review_now(app: &App, id: i64) {
    let of = async || {
        let invoice = store::invoice::find(&mut app.read().await?, id).await?;
        Ok::<_, Failure>(invoice.map(|invoice| invoice.account))
    };
    match of().await {
        Ok(Some(account)) => availability::review_now(app, account).await,
        Ok(None) => {}
        Err(failure) => {
            let error = failure.chain();
            tracing::error!(error, "months of an invoice wait to be computed again for an hour");
        }
    }
}

/// As [`pay`], in the transaction of the payment, by whoever has its money. `false`: it was paid or
/// voided meanwhile.
pub(crate) async fn take_in<R>(tx: &mut Tx, id: i64, paid: Paid<'_>) -> Result<bool, R> {
    if !store::invoice::pay(tx, id, paid).await? {
        return Ok(false);
    }
    match after_pay(tx, id, paid).await {
        Ok(()) => Ok(true),
        Err(Error::Failed(failure)) => Err(Error::Failed(failure)),
        Err(Error::Refused(refusal)) => {
            Err(Failure::of(format!("paying invoice {id}: {refusal:?}")).into())
        }
    }
}

/// What follows when an invoice was paid. What was entered before we learned that it was paid in
/// time is taken back.
async fn after_pay(tx: &mut Tx, id: i64, paid: Paid<'_>) -> Result<(), InvoiceRefusal> {
    let invoice = store::invoice::find(tx, id).await?;
    let invoice = invoice.ok_or(Error::Refused(InvoiceRefusal::NoSuchInvoice))?;
    let reason = format!("invoice {id} is paid");
    if paid.paid_at <= invoice.due_at {
        let in_time = format!("invoice {id} was paid at {}", rfc3339(paid.paid_at));
        violation::take_back_under(tx, &entry_of(id), paid.at, &in_time).await?;
    }
    resume(tx, invoice.subscription, paid.at, paid.by, &reason).await
}

/// Puts a subscription in force again, once nothing of it is overdue now: but for the times in
/// which something was, which may end before we learned of it, and even before we stopped it (C19).
async fn resume(
    tx: &mut Tx,
    subscription: i64,
    now: Timestamp,
    actor: &str,
    reason: &str,
) -> Result<(), InvoiceRefusal> {
    // Of two that are paid at once the later one sees that both are.
    store::subscription::lock(tx, subscription).await?;
    let found = store::subscription::find(tx, subscription).await?;
    let Some(mut found) = found else { return Ok(()) };
    let before = found.history();
    match found.state() {
        State::Ended => return make_up(tx, &mut found, (now, actor, reason)).await,
        State::PastDue | State::Suspended => {}
        State::Trial | State::Active => return Ok(()),
    }
    if store::invoice::is_overdue(tx, subscription, now).await? {
        return Ok(());
    }
    let not_covered = before.iter().rev().take_while(|(state, _)| !state.is_covered());
    let stopped_at = not_covered.map(|(_, at)| *at).min().unwrap_or(now);
    let late = store::invoice::overdue_times(tx, subscription, (now, stopped_at)).await?;
    for (state, at) in resumption(stopped_at, &late) {
        go(tx, &mut found, step(state, at, actor, reason)).await.map_err(meanwhile)?;
    }
    note_reviews(tx, &found, &before, (stopped_at, now), reason).await?;
    Ok(())
}

/// As [`resume`], of a subscription that is over: it is made up for the times of its own in which
/// nothing was overdue. What is never paid counts as overdue until its end.
async fn make_up(
    tx: &mut Tx,
    subscription: &mut Subscription,
    (now, actor, reason): (Timestamp, &str, &str),
) -> Result<(), InvoiceRefusal> {
    let before = subscription.history();
    let (Some((_, first)), Some((_, ended))) = (before.first(), before.last()) else {
        return Ok(());
    };
    let late = store::invoice::overdue_times(tx, subscription.id, (*ended, *first)).await?;
    for (state, at) in repair(&before, &late) {
        let step = step(state, at, actor, reason);
        crate::subscription::add(tx, subscription, step).await.map_err(meanwhile)?;
    }
    note_reviews(tx, subscription, &before, (*first, now), reason).await?;
    Ok(())
}

/// Months that are over, of which it changes what was covered that something is paid, are to be
/// computed again. That comes after the payment, which is kept whatever becomes of it.
async fn note_reviews(
    tx: &mut Tx,
    subscription: &Subscription,
    before: &[(State, Timestamp)],
    (since, now): (Timestamp, Timestamp),
    reason: &str,
) -> store::Result<()> {
    let after = subscription.history();
    let mut month = PersianMonth::of(since);
    while month.end() <= now {
        let time = Span { from: month.start(), to: month.end() };
        if coverage(before, time) != coverage(&after, time) {
            let because = reason.to_owned();
            let review = Review { account: subscription.account, month, noted_at: now, because };
            store::month_statement::note_review(tx, &review).await?;
        }
        month = month.plus(1);
    }
    Ok(())
}

/// Voids an invoice that nothing was paid for; its discounts are owed again (T147).
///
/// # Errors
/// Refused as [`InvoiceRefusal`] says.
pub async fn void(app: &App, id: i64, actor: &str, because: &str) -> Result<(), InvoiceRefusal> {
    said(actor, "name")?;
    said(because, "reason")?;
    let now = app.now();
    app.write(async |tx| {
        let invoice = store::invoice::find(tx, id).await?;
        let invoice = invoice.ok_or(Error::Refused(InvoiceRefusal::NoSuchInvoice))?;
        if !store::invoice::void(tx, id, now, actor, because).await? {
            return Err(Error::Refused(InvoiceRefusal::Closed));
        }
        let by = By { at: now, actor, reason: because };
        for mut kept in store::credit::of_subscription(tx, invoice.subscription).await? {
            if !kept.credit.lines().iter().any(|line| line.invoice == id) {
                continue;
            }
            let posting = kept.credit.restore(id).expect("the discount stands");
            let restored = credit::keep(tx, &mut kept, Move::Restore(id), Some(posting), by).await;
            restored.map_err(meanwhile)?;
        }
        let subscription = store::subscription::find(tx, invoice.subscription).await?;
        if subscription.is_some_and(|one| one.state() == State::Ended) {
            credit::hand_over(tx, invoice.subscription, now).await.map_err(meanwhile)?;
        }
        resume(tx, invoice.subscription, now, actor, because).await
    })
    .await?;
    review_now(app, id).await;
    Ok(())
}

/// The invoice of this number with its discounts.
///
/// # Errors
/// The database failed.
pub async fn find(
    app: &App,
    id: i64,
) -> std::result::Result<Option<(Invoice, Vec<Line>)>, Failure> {
    let mut reads = app.read().await?;
    let Some(invoice) = store::invoice::find(&mut reads, id).await? else { return Ok(None) };
    let lines = store::credit::lines(&mut reads, id).await?;
    Ok(Some((invoice, lines)))
}

/// What an invoice asks for the rests of periods in which the plan changed: each with the plan that
/// came.
///
/// # Errors
/// The database failed.
pub async fn rests(
    app: &App,
    invoice: &Invoice,
) -> std::result::Result<Vec<(Rest, Change)>, Failure> {
    let mut reads = app.read().await?;
    let rests = store::invoice::rests(&mut reads, invoice.id).await?;
    let found = store::subscription::find(&mut reads, invoice.subscription).await?;
    let plans = found.map(|one| one.plans).unwrap_or_default();
    let of = |rest: Rest| {
        let place = usize::try_from(rest.change).ok()?;
        Some((rest, plans.get(place)?.clone()))
    };
    Ok(rests.into_iter().filter_map(of).collect())
}

/// The invoices of an account before a number, the newest first.
///
/// # Errors
/// The database failed.
pub async fn list(
    app: &App,
    account: AccountId,
    before: Option<i64>,
    limit: u32,
) -> std::result::Result<Vec<Invoice>, Failure> {
    Ok(store::invoice::of_account(&mut app.read().await?, account, before, limit).await?)
}

fn meanwhile(error: store::Error) -> Error<InvoiceRefusal> {
    match error {
        store::Error::Conflict(_) => Error::Refused(InvoiceRefusal::Meanwhile),
        error => error.into(),
    }
}

fn said(text: &str, what: &'static str) -> Result<(), InvoiceRefusal> {
    if !crate::error::is_said(text, TEXT_MAX) {
        return Err(Error::Refused(InvoiceRefusal::Text(what)));
    }
    Ok(())
}
