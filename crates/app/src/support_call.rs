//! Calls to the support line as its switch and its experts tell of them: who came, what was offered
//! when, who is to be called back, and what came of that. Misses are entered in the commit that
//! ends them, or found by [`look`].

use domain::agreement::callback::{OfferVerdict, offer_at, offer_verdict};
use domain::agreement::support_call::{
    Attempt, NOTE_MAX, Refusal, State, Step, SupportCall, callable_number, in_hours,
};
pub use domain::agreement::support_line::SupportLine;
use domain::agreement::ticket::Channel;
use domain::agreement::violation::Clause;
use domain::calendar::opening_hours::CalendarKind;
use domain::calendar::span::Span;
use domain::calendar::working_time::Timetable;
use domain::{AccountId, Timestamp};
pub use store::support_call::{Kept, Taken};
use store::{Tx, chain};

use crate::agreement::{Held, first_timetable, timetable};
use crate::ticket::{Asked, NAME_MAX, SETTLED_US, Who, take_in};
use crate::violation::{MACHINE, NewViolation};
use crate::{App, Error, Failure, Result};

/// Most calls on a page.
pub const PAGE_MAX: u32 = 1_000;
/// Calls that are looked at in one transaction.
const BATCH: u32 = 100;

/// Why nothing was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SupportCallRefusal {
    /// The rules of the line speak against it.
    Rule(Refusal),
    /// There is no such call.
    NoSuchCall,
    /// There is no such account.
    NoSuchAccount,
    /// A text is missing or too long.
    Text(&'static str),
    /// Something else happened to it at this moment.
    Meanwhile,
}

/// The line as it is at this moment, with its number, for who cannot be served otherwise. `None`
/// when it does not open for a year.
pub fn line(app: &App, phone: Option<&str>) -> Option<SupportLine> {
    let rules = crate::class::known_rules(app);
    let support = rules.map_or_else(first_timetable, |rules| rules.support.clone());
    SupportLine::at(app.now(), &support, phone)
}

/// The line as it is at this moment, with its number (C31). `None` when it does not open for a
/// year.
///
/// # Errors
/// The database failed.
pub async fn line_now(
    app: &App,
    phone: Option<&str>,
) -> std::result::Result<Option<SupportLine>, Failure> {
    let support = timetable(&mut app.read().await?, CalendarKind::Support).await?;
    Ok(SupportLine::at(app.now(), &support, phone))
}

/// Somebody calls the line, with a number if it is sent. The answer is the call's number.
///
/// # Errors
/// Refused as [`SupportCallRefusal`] says.
pub async fn joined(
    app: &App,
    account: Option<AccountId>,
    caller: Option<&str>,
    actor: &str,
) -> Result<i64, SupportCallRefusal> {
    joined_at(app, account, caller, None, actor).await
}

/// As [`joined`], on the line of this node.
pub(crate) async fn joined_at(
    app: &App,
    account: Option<AccountId>,
    caller: Option<&str>,
    node: Option<&str>,
    actor: &str,
) -> Result<i64, SupportCallRefusal> {
    said(actor, NAME_MAX, "name")?;
    // What is no number that we could call is kept as one that was not sent.
    let caller = caller.and_then(|text| callable_number(text).ok());
    let now = app.now();
    let held = Held::read(&mut app.read().await?).await?;
    in_hours(None, now, held.support()).map_err(rule)?;
    let policy = held.at(now).draft.parameters.callback();
    app.write(async |tx| {
        if let Some(account) = account
            && store::account::find(tx, account).await?.is_none()
        {
            return Err(Error::Refused(SupportCallRefusal::NoSuchAccount));
        }
        let at = chain::now(tx, now).await?;
        let first = Taken { step: None, at, actor: actor.to_owned(), note: String::new() };
        let caller = caller.as_ref().map(domain::PhoneNumber::national);
        Ok(store::support_call::insert(tx, account, caller, node, (&first, policy)).await?)
    })
    .await
}

/// The offer to call back begins to play.
///
/// # Errors
/// Refused as [`SupportCallRefusal`] says.
pub async fn offered(app: &App, id: i64, actor: &str) -> Result<Kept, SupportCallRefusal> {
    change(app, id, Step::Offered, actor, "").await
}

/// An expert answers.
///
/// # Errors
/// Refused as [`SupportCallRefusal`] says.
pub async fn answered(app: &App, id: i64, actor: &str) -> Result<Kept, SupportCallRefusal> {
    change(app, id, Step::Answered, actor, "").await
}

/// The caller is gone.
///
/// # Errors
/// Refused as [`SupportCallRefusal`] says.
pub async fn left(app: &App, id: i64, actor: &str) -> Result<Kept, SupportCallRefusal> {
    change(app, id, Step::Left, actor, "").await
}

/// As [`left`], with a note.
pub(crate) async fn left_noting(
    app: &App,
    id: i64,
    (actor, note): (&str, &str),
) -> Result<Kept, SupportCallRefusal> {
    change(app, id, Step::Left, actor, note).await
}

/// The caller wants to be called back: at the number that was sent (T112), or at another one
/// (T113). Who is to be called back already at that number is called back once, for the earlier
/// call (T119, I14). An account's gets a ticket.
///
/// # Errors
/// Refused as [`SupportCallRefusal`] says.
pub async fn register(
    app: &App,
    id: i64,
    number: Option<&str>,
    actor: &str,
) -> Result<Kept, SupportCallRefusal> {
    register_noting(app, id, number, (actor, "")).await
}

/// As [`register`], with a note.
pub(crate) async fn register_noting(
    app: &App,
    id: i64,
    number: Option<&str>,
    (actor, note): (&str, &str),
) -> Result<Kept, SupportCallRefusal> {
    said(actor, NAME_MAX, "name")?;
    let now = app.now();
    let held = Held::read(&mut app.read().await?).await?;
    app.write(async |tx| {
        let mut kept = taken(tx, id).await?;
        let text = number.or(kept.caller.as_deref()).unwrap_or_default();
        let number = callable_number(text).map_err(rule)?;
        let at = chain::now(tx, now).await?.max(kept.call.last_at());
        if let Some(earlier) = store::support_call::owed_to(tx, number.national()).await? {
            step(tx, &mut kept, (at, &held), Step::Doubled(earlier), (actor, note)).await?;
            return Ok(kept);
        }
        kept.number = Some(number.national().to_owned());
        if let Some(account) = kept.account {
            let asked = Asked {
                channel: Channel::Phone,
                subject: String::from("درخواست تماس"),
                text: format!("درخواست تماس با شمارهٔ {}", number.national()),
                about: None,
                context: Vec::new(),
            };
            let opened = take_in(tx, account, Who::Staff(actor), &asked, at).await;
            let (ticket, _) =
                opened.map_err(|error| error.map(|_| SupportCallRefusal::NoSuchAccount))?;
            kept.ticket = Some(ticket);
        }
        step(tx, &mut kept, (at, &held), Step::Registered, (actor, note)).await?;
        Ok(kept)
    })
    .await
}

/// Takes the callback whose turn it is: that of who came first, of those who may be called now
/// (A09, I13). `None`: nobody is to be called back at this moment, as while the line is closed.
///
/// # Errors
/// Refused as [`SupportCallRefusal`] says.
pub async fn next(app: &App, actor: &str) -> Result<Option<Kept>, SupportCallRefusal> {
    said(actor, NAME_MAX, "name")?;
    let held = Held::read(&mut app.read().await?).await?;
    let mut after = (Timestamp(i64::MIN), 0);
    loop {
        let now = app.now();
        if !held.support().is_open(now) {
            return Ok(None);
        }
        let open = store::support_call::open(&mut app.read().await?, after, BATCH).await?;
        let Some(last) = open.last() else { return Ok(None) };
        after = (last.call.joined_at, last.id);
        for waiting in open.iter().filter(|kept| kept.call.is_callable(now)) {
            let dialed = app.write(async |tx| {
                let mut kept = taken(tx, waiting.id).await?;
                let at = chain::now(tx, now).await?.max(kept.call.last_at());
                if !kept.call.is_callable(at) {
                    return Ok(None);
                }
                step(tx, &mut kept, (at, &held), Step::Dialing, (actor, "")).await?;
                Ok(Some(kept))
            });
            if let Some(kept) = dialed.await? {
                return Ok(Some(kept));
            }
        }
    }
}

/// The customer answered who called back, and is not called by another meanwhile.
///
/// # Errors
/// Refused as [`SupportCallRefusal`] says.
pub async fn talking(app: &App, id: i64, actor: &str) -> Result<Kept, SupportCallRefusal> {
    change(app, id, Step::Talking, actor, "").await
}

/// What came of calling somebody back. Who was tried as often as it is was not reachable, which is
/// a duty of the customer's (C20, T121).
///
/// # Errors
/// Refused as [`SupportCallRefusal`] says.
pub async fn attempted(
    app: &App,
    id: i64,
    attempt: Attempt,
    actor: &str,
    note: &str,
) -> Result<Kept, SupportCallRefusal> {
    if !note.is_empty() {
        said(note, NOTE_MAX, "note")?;
    }
    change(app, id, Step::Attempted(attempt), actor, note).await
}

/// Nothing came of calling somebody back, and not for the customer's sake: it is owed as before.
///
/// # Errors
/// Refused as [`SupportCallRefusal`] says.
pub async fn returned(
    app: &App,
    id: i64,
    actor: &str,
    note: &str,
) -> Result<Kept, SupportCallRefusal> {
    said(note, NOTE_MAX, "note")?;
    change(app, id, Step::Returned, actor, note).await
}

/// A step of a callback by who has looked at it: refused when something happened to it since.
pub(crate) async fn goes_on(
    app: &App,
    seen: &Kept,
    next: Step,
    (actor, note): (&str, &str),
) -> Result<Kept, SupportCallRefusal> {
    let now = app.now();
    let held = Held::read(&mut app.read().await?).await?;
    app.write(async |tx| {
        let mut kept = taken(tx, seen.id).await?;
        if kept.steps.len() != seen.steps.len() {
            return Err(Error::Refused(SupportCallRefusal::Meanwhile));
        }
        let at = chain::now(tx, now).await?.max(kept.call.last_at());
        step(tx, &mut kept, (at, &held), next.clone(), (actor, note)).await?;
        Ok(kept)
    })
    .await
}

/// The customer needs no call any more, as was told for this reason.
///
/// # Errors
/// Refused as [`SupportCallRefusal`] says.
pub async fn withdrawn(
    app: &App,
    id: i64,
    actor: &str,
    reason: &str,
) -> Result<Kept, SupportCallRefusal> {
    said(reason, NOTE_MAX, "reason")?;
    change(app, id, Step::Withdrawn, actor, reason).await
}

/// Gives a callback that somebody has taken to another expert, in the transaction in which the
/// first leaves. `false`: it is not his.
pub(crate) async fn give(
    tx: &mut Tx,
    id: i64,
    (from, to): (&str, &str),
    (by, now): (&str, Timestamp),
) -> Result<bool, SupportCallRefusal> {
    let mut kept = taken(tx, id).await?;
    if kept.holder() != Some(from) {
        return Ok(false);
    }
    let held = Held::read(tx).await?;
    let at = now.max(kept.call.last_at());
    step(tx, &mut kept, (at, &held), Step::HandedTo(to.to_owned()), (by, "")).await?;
    Ok(true)
}

/// The call of this number.
///
/// # Errors
/// The database failed.
pub async fn find(app: &App, id: i64) -> std::result::Result<Option<Kept>, Failure> {
    Ok(store::support_call::find(&mut app.read().await?, id).await?)
}

/// The calls before a number, the newest first.
///
/// # Errors
/// The database failed.
pub async fn list(
    app: &App,
    before: Option<i64>,
    limit: u32,
) -> std::result::Result<Vec<Kept>, Failure> {
    let limit = limit.min(PAGE_MAX);
    Ok(store::support_call::list(&mut app.read().await?, before, limit).await?)
}

/// By when each callback has to be made, of those that are owed, and whether the moon may still
/// move that (T011).
///
/// # Errors
/// The database failed.
pub async fn due(
    app: &App,
    calls: impl IntoIterator<Item = &SupportCall>,
) -> std::result::Result<Vec<Option<(Timestamp, bool)>>, Failure> {
    let now = app.now();
    let support = timetable(&mut app.read().await?, CalendarKind::Support).await?;
    let due = |call: &SupportCall| {
        let owed = call.owed()?;
        let due = owed.due(&support)?;
        Some((due, support.due_may_move(owed.since, Some(due), now)))
    };
    Ok(calls.into_iter().map(due).collect())
}

/// Enters offers and callbacks that are missed and that nothing has ended. Looking again, or on
/// two nodes at once, enters nothing twice. The answer is how many were entered.
///
/// # Errors
/// The database failed.
pub async fn look(app: &App) -> std::result::Result<u64, Failure> {
    let held = Held::read(&mut app.read().await?).await?;
    let (mut after, mut entered) = ((Timestamp(i64::MIN), 0), 0);
    loop {
        let open = store::support_call::open(&mut app.read().await?, after, BATCH).await?;
        let Some(last) = open.last() else { return Ok(entered) };
        after = (last.call.joined_at, last.id);
        let until = app.now().plus_us(-SETTLED_US);
        let mut missed = Vec::new();
        for kept in &open {
            missed.extend(missed_offer(kept, until, &held));
            missed.extend(missed_callback(kept, until, held.support()));
        }
        entered += crate::violation::enter_all(app, &missed).await?;
    }
}

/// The entry of an offer that came late or never. The platform's entries are read by everybody, so
/// it says nothing of the caller.
fn missed_offer(kept: &Kept, until: Timestamp, held: &Held) -> Option<NewViolation> {
    let SupportCall { joined_at, offered_at, left_at, .. } = kept.call;
    let after_us = held.at(joined_at).draft.parameters.offer_after_us();
    let offer_at = offer_at(joined_at, after_us, held.support())?;
    let verdict = offer_verdict(offer_at, offered_at, left_at, until);
    let seconds = |at: Timestamp| at.us_since(joined_at) / 1_000_000;
    let end = offered_at.or(left_at).unwrap_or(until).max(offer_at);
    (verdict == OfferVerdict::Missed).then(|| NewViolation {
        account: kept.account,
        clause: Clause::CallbackOffer,
        span: Span { from: offer_at, to: end },
        evidence: vec![
            format!("support call {}", kept.id),
            format!("to be offered after {} s, waited {} s", seconds(offer_at), seconds(end)),
        ],
        reference: format!("call:{}:offer", kept.id),
        actor: MACHINE.to_owned(),
    })
}

/// The entry of a callback that was not made by its time.
fn missed_callback(kept: &Kept, until: Timestamp, support: &Timetable) -> Option<NewViolation> {
    let (owed, due) = (kept.call.owed()?, kept.call.missed_at(until, support)?);
    Some(NewViolation {
        account: kept.account,
        clause: Clause::Callback,
        span: Span { from: due, to: until },
        evidence: vec![
            format!("support call {}, try {}", kept.id, owed.n),
            format!("not made {} s after it was owed", until.us_since(owed.since) / 1_000_000),
        ],
        reference: format!("call:{}:callback:{}", kept.id, owed.n),
        actor: MACHINE.to_owned(),
    })
}

/// The entry of a customer who could not be reached, if it is known whose call it was.
fn unreachable(kept: &Kept) -> Option<NewViolation> {
    let failed = &kept.call.failed_at;
    let span = Span { from: *failed.first()?, to: *failed.last()? };
    (kept.call.state == State::Unreachable && kept.account.is_some()).then(|| NewViolation {
        account: kept.account,
        clause: Clause::Reachable,
        span,
        evidence: vec![format!("support call {}: {} tries to call back", kept.id, failed.len())],
        reference: format!("call:{}:unreachable", kept.id),
        actor: MACHINE.to_owned(),
    })
}

/// Changes a call by its rules, and keeps the step.
async fn change(
    app: &App,
    id: i64,
    next: Step,
    actor: &str,
    note: &str,
) -> Result<Kept, SupportCallRefusal> {
    said(actor, NAME_MAX, "name")?;
    let now = app.now();
    let held = Held::read(&mut app.read().await?).await?;
    app.write(async |tx| {
        let mut kept = taken(tx, id).await?;
        let at = chain::now(tx, now).await?.max(kept.call.last_at());
        step(tx, &mut kept, (at, &held), next, (actor, note)).await?;
        Ok(kept)
    })
    .await
}

async fn taken(tx: &mut Tx, id: i64) -> Result<Kept, SupportCallRefusal> {
    let found = store::support_call::take(tx, id).await?;
    found.ok_or(Error::Refused(SupportCallRefusal::NoSuchCall))
}

/// Takes a step of the call of this number within a transaction.
pub(crate) async fn step_of(
    tx: &mut Tx,
    id: i64,
    (now, held): (Timestamp, &Held),
    next: Step,
    actor: &str,
) -> Result<(), SupportCallRefusal> {
    let mut kept = taken(tx, id).await?;
    let at = chain::now(tx, now).await?.max(kept.call.last_at());
    step(tx, &mut kept, (at, held), next, (actor, "")).await
}

/// Takes a step, and enters what it shows to be missed.
async fn step(
    tx: &mut Tx,
    kept: &mut Kept,
    (at, held): (Timestamp, &Held),
    next: Step,
    (actor, note): (&str, &str),
) -> Result<(), SupportCallRefusal> {
    in_hours(Some((&kept.call, &next)), at, held.support()).map_err(rule)?;
    let (before, late) = (kept.call.owed(), missed_callback(kept, at, held.support()));
    kept.call.take(&next, at).map_err(rule)?;
    let mut found = Vec::new();
    found.extend(late.filter(|_| before != kept.call.owed()));
    found.extend(missed_offer(kept, at, held));
    found.extend(unreachable(kept));
    for new in &found {
        crate::violation::enter_found::<SupportCallRefusal>(tx, at, new).await?;
    }
    let step = Taken { step: Some(next), at, actor: actor.to_owned(), note: note.to_owned() };
    match store::support_call::keep(tx, kept, step).await {
        Err(store::Error::Conflict(_)) => Err(Error::Refused(SupportCallRefusal::Meanwhile)),
        kept => Ok(kept?),
    }
}

crate::error::refusals!(SupportCallRefusal);
