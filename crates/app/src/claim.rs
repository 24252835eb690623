//! Claims: filed by customers, decided by a committee in amount and method, appealed once, and
//! settled.

mod grounds;
mod handlers;
mod settlement;

use domain::agreement::claim::{
    self, Claimant, Decision, Member, Refusal, State, TEXT_MAX, Track, admit, decision_due,
};
use domain::agreement::violation::Clause;
use domain::billing::subscription::coverage;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Rials, Timestamp};
use store::claim::NewClaim;
pub use store::claim::{Kept, Step};
use store::credit::By;
use store::{Queries, Tx};

pub use self::grounds::{Grounds, LINE_MAX, OpenDay, Queued, grounds};
pub use self::handlers::Handled;
pub(crate) use self::settlement::granted_without_credit;
use self::settlement::{granted, within_total};
pub use self::settlement::{settle, to_pay};
use crate::agreement::Held;
use crate::post::Staff;
use crate::{App, Caller, Error, Failure, Result, credit, request};

/// The most claims of an account that are not settled.
pub const OPEN_MAX: i64 = 20;
/// The method that makes a decision a discount on the next month's invoice.
pub const DISCOUNT: &str = "discount";

/// Why nothing was filed or done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimRefusal {
    /// The rules of claims speak against it.
    Rule(Refusal),
    /// There is no such claim, or it is another's.
    NoSuchClaim,
    /// There is no such account.
    NoSuchAccount,
    /// The account has [`OPEN_MAX`] claims that are not settled.
    TooMany,
    /// A text is missing or too long.
    Text(&'static str),
    /// A discount needs a subscription, and the account never had one.
    NoSubscription,
    /// The month pays back no more than this, together with what it pays by itself (A27).
    MoreThanLeft(Rials),
    /// Something else happened to it at this moment.
    Meanwhile,
}

/// What a customer asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What it is about.
    pub track: Track,
    /// When that happened.
    pub event_at: Timestamp,
    /// What the customer says.
    pub statement: String,
}

/// A claim as it stands, with by when its decision is to be told while that time runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The claim.
    pub kept: Kept,
    /// Since when that time runs: its filing or its appeal; `None` when it does not.
    pub since: Option<Timestamp>,
    /// When the decision is to be told; `None` unless the customer waits for that.
    pub due: Option<Timestamp>,
    /// Whether the moon may still move that (T011).
    pub may_move: bool,
    /// Whether that moment has passed (T156).
    pub overdue: bool,
}

/// Files a claim of the caller's. The answer is its number.
///
/// # Errors
/// Refused as [`ClaimRefusal`] says.
pub async fn file(app: &App, caller: &Caller, asked: &Asked) -> Result<i64, ClaimRefusal> {
    said(&asked.statement, "statement")?;
    let account = caller.account.id;
    let actor = format!("account {account}");
    let filed = app.now();
    let required = app.settings().identity.required;
    let file = async |tx: &mut Tx| {
        let filed = store::chain::now(tx, filed).await?;
        take(tx, account, asked, (filed, &actor, None), required).await
    };
    request::write(app, |&id| Some(id), file).await
}

/// Files a claim that is late, with the committee's reason to take it all the same (T152).
///
/// # Errors
/// Refused as [`ClaimRefusal`] says.
pub async fn file_late(
    app: &App,
    account: AccountId,
    asked: &Asked,
    reason: &str,
    actor: &str,
) -> Result<i64, ClaimRefusal> {
    said(&asked.statement, "statement")?;
    said(reason, "reason")?;
    said(actor, "name")?;
    let now = app.now();
    let required = app.settings().identity.required;
    app.write(async |tx| {
        let now = store::chain::now(tx, now).await?;
        take(tx, account, asked, (now, actor, Some(reason)), required).await
    })
    .await
}

/// Takes a claim, if its claimant could make it when it happened; where the operator wants to know
/// who customers are, `identity_required`, that was to be proven then (C18).
async fn take(
    tx: &mut Tx,
    account: AccountId,
    asked: &Asked,
    (now, actor, late_reason): (Timestamp, &str, Option<&str>),
    identity_required: bool,
) -> Result<i64, ClaimRefusal> {
    if store::account::find(tx, account).await?.is_none() {
        return Err(Error::Refused(ClaimRefusal::NoSuchAccount));
    }
    let mut claimant = claimant(tx, account, asked.event_at).await?;
    if identity_required {
        claimant.verified &= store::identity::was_proven(tx, account, asked.event_at).await?;
    }
    let months = Held::read(tx).await?.at(asked.event_at).draft.parameters.claim_months();
    admit(claimant, (asked.event_at, months), now, late_reason).map_err(rule)?;
    if store::claim::open(tx, account).await? >= OPEN_MAX {
        return Err(Error::Refused(ClaimRefusal::TooMany));
    }
    let new = NewClaim {
        account,
        track: asked.track,
        event_at: asked.event_at,
        statement: asked.statement.clone(),
        late_reason: late_reason.map(str::to_owned),
    };
    let first = step(State::Filed, now, actor, "");
    Ok(store::claim::insert(tx, &new, &first).await?)
}

/// What an account was at a moment, by the ledger of violations and its subscriptions.
async fn claimant(
    reads: &mut impl Queries,
    account: AccountId,
    at: Timestamp,
) -> std::result::Result<Claimant, Failure> {
    let instant = Span { from: at, to: at.plus_us(1) };
    let mut breached = async |clause| {
        let entries = store::violation::within(reads, Some(account), clause, instant).await?;
        Ok::<_, store::Error>(entries.iter().any(|kept| kept.violation.stands()))
    };
    let (unverified, unpaid) =
        (breached(Clause::Identity).await?, breached(Clause::Payment).await?);
    let subscriptions = store::subscription::of_accounts(reads, account, account).await?;
    let covered = subscriptions.iter().any(|one| !coverage(&one.history(), instant).is_empty());
    let paid = if subscriptions.is_empty() { !unpaid } else { covered };
    Ok(Claimant { verified: !unverified, paid })
}

/// Takes note that a claim has all that is needed, and of who handled its case beside those whom
/// the records name: they do not decide.
///
/// # Errors
/// Refused as [`ClaimRefusal`] says.
pub async fn complete(
    app: &App,
    id: i64,
    handled_by: &[String],
    actor: &str,
) -> Result<Kept, ClaimRefusal> {
    handled_by.iter().try_for_each(|name| said(name, "name"))?;
    let handled_by: Vec<String> = handled_by.iter().map(|name| name.trim().to_owned()).collect();
    change(app, None, id, actor, "", async |tx, kept| {
        kept.claim.step(State::Complete).map_err(rule)?;
        for name in &handled_by {
            store::claim::insert_handler(tx, id, name).await?;
        }
        Ok(())
    })
    .await
}

/// Gives a claim to a committee, of which nobody handled the case by what staff noted or by the
/// records of the desk (A29, I16).
///
/// # Errors
/// Refused as [`ClaimRefusal`] says.
pub async fn assign(
    app: &App,
    id: i64,
    committee: &[Member],
    actor: &str,
) -> Result<Kept, ClaimRefusal> {
    committee.iter().try_for_each(|member| said(&member.name, "name"))?;
    let now = app.now();
    change(app, None, id, actor, "", async |tx, kept| {
        let round = kept.claim.decisions().len();
        let least = Held::read(tx).await?.at(kept.event_at).draft.parameters.committee_min();
        add_handlers(tx, kept).await?;
        kept.claim.assign(committee.to_vec(), least).map_err(rule)?;
        own_voices(tx, kept, now).await?;
        for member in committee {
            store::claim::insert_member(tx, id, round, member).await.map_err(meanwhile)?;
        }
        Ok(())
    })
    .await
}

/// Adds those to who handled a case whom the records name. It is asked again at each step and kept
/// nowhere: the records are.
async fn add_handlers(tx: &mut Tx, kept: &mut Kept) -> Result<(), ClaimRefusal> {
    let handled = handlers::by_records(tx, kept).await?;
    kept.claim.handled_by.extend(handled.into_iter().map(|one| one.name));
    Ok(())
}

/// Refuses a committee in which one speaks for another at this moment, or has left (C03).
async fn own_voices(tx: &mut Tx, kept: &Kept, now: Timestamp) -> Result<(), ClaimRefusal> {
    let at = store::chain::now(tx, now).await?;
    let staff = Staff::read(tx).await?;
    let gone = kept.claim.committee().iter().find(|member| staff.has_left(&member.name, at));
    if let Some(member) = gone {
        return Err(rule(Refusal::Gone(member.name.clone())));
    }
    let (committee, handled_by) = (kept.claim.committee(), &kept.claim.handled_by);
    claim::own_voices(committee, handled_by, &staff.pairs(at)).map_err(rule)
}

/// Lets another one sit in a committee, on the same side, instead of a member who has left, or who
/// handled the case by the records: neither decides anything.
///
/// # Errors
/// Refused as [`ClaimRefusal`] says.
pub async fn replace(
    app: &App,
    id: i64,
    (gone, by): (&str, &str),
    actor: &str,
) -> Result<Kept, ClaimRefusal> {
    said(by, "name")?;
    let (gone, by, now) = (gone.trim(), by.trim(), app.now());
    let why = if crate::post::list(app).await?.has_left(gone, now) {
        "has left"
    } else {
        "handled the case"
    };
    change(app, None, id, actor, &format!("{gone} {why}; {by} sits instead"), async |tx, kept| {
        let at = store::chain::now(tx, now).await?;
        add_handlers(tx, kept).await?;
        let is_partial = kept.claim.partial().is_some_and(|partial| partial == gone);
        if !is_partial && !Staff::read(tx).await?.has_left(gone, at) {
            return Err(rule(Refusal::Stays(gone.to_owned())));
        }
        let round = kept.claim.decisions().len();
        kept.claim.replace(gone, by).map_err(rule)?;
        own_voices(tx, kept, now).await?;
        store::claim::replace_member(tx, id, round, (gone, by)).await.map_err(meanwhile)
    })
    .await
}

/// Asks the customer for evidence; the time for a decision stands meanwhile.
///
/// # Errors
/// Refused as [`ClaimRefusal`] says.
pub async fn ask(app: &App, id: i64, what: &str, actor: &str) -> Result<Kept, ClaimRefusal> {
    said(what, "question")?;
    go(app, None, id, State::EvidenceAsked, actor, what).await
}

/// The customer's evidence.
///
/// # Errors
/// Refused as [`ClaimRefusal`] says.
pub async fn answer(
    app: &App,
    account: AccountId,
    id: i64,
    evidence: &str,
) -> Result<Kept, ClaimRefusal> {
    said(evidence, "evidence")?;
    let actor = format!("account {account}");
    change(app, Some(account), id, &actor, evidence, async |_, kept| {
        if kept.claim.state() != State::EvidenceAsked {
            return Err(rule(Refusal::WrongState));
        }
        kept.claim.step(State::UnderReview).map_err(rule)
    })
    .await
}

/// Decides a claim.
///
/// # Errors
/// Refused as [`ClaimRefusal`] says.
pub async fn decide(
    app: &App,
    id: i64,
    decision: Decision,
    actor: &str,
) -> Result<Kept, ClaimRefusal> {
    decision.method.as_deref().map_or(Ok(()), |method| said(method, "method"))?;
    let decision = Decision { at: app.now(), ..decision };
    change(app, None, id, actor, "", async |tx, kept| {
        let round = kept.claim.decisions().len();
        add_handlers(tx, kept).await?;
        if let Some(partial) = kept.claim.partial() {
            return Err(rule(Refusal::Partial(partial.to_owned())));
        }
        own_voices(tx, kept, decision.at).await?;
        kept.claim.decide(decision.clone()).map_err(rule)?;
        within_total(tx, kept, granted(&kept.claim)).await?;
        store::claim::insert_decision(tx, id, round, &decision).await.map_err(meanwhile)
    })
    .await
}

/// Tells the customer of the decision. What was granted as a discount before and is paid in another
/// way by it is no discount any more, as far as it is still coming.
///
/// # Errors
/// Refused as [`ClaimRefusal`] says.
pub async fn announce(app: &App, id: i64, actor: &str) -> Result<Kept, ClaimRefusal> {
    let now = app.now();
    change(app, None, id, actor, "", async |tx, kept| {
        kept.claim.step(State::Announced).map_err(rule)?;
        settlement::told(tx, kept, By { at: now, actor, reason: "" }).await
    })
    .await
}

/// The customer's appeal: other members decide again, once (T157).
///
/// # Errors
/// Refused as [`ClaimRefusal`] says.
pub async fn appeal(
    app: &App,
    account: AccountId,
    id: i64,
    reason: &str,
) -> Result<Kept, ClaimRefusal> {
    said(reason, "reason")?;
    go(app, Some(account), id, State::Appealed, &format!("account {account}"), reason).await
}

/// The customer takes a claim back.
///
/// # Errors
/// Refused as [`ClaimRefusal`] says.
pub async fn withdraw(app: &App, account: AccountId, id: i64) -> Result<Kept, ClaimRefusal> {
    go(app, Some(account), id, State::Withdrawn, &format!("account {account}"), "").await
}

/// The claim of this number, of this account if one is given.
///
/// # Errors
/// The database failed.
pub async fn find(
    app: &App,
    account: Option<AccountId>,
    id: i64,
) -> std::result::Result<Option<Shown>, Failure> {
    let now = app.now();
    let mut reads = app.read().await?;
    let found = store::claim::find(&mut reads, id).await?;
    match found.filter(|kept| account.is_none_or(|account| kept.account == account)) {
        None => Ok(None),
        Some(kept) => Ok(Some(shown(&mut reads, kept, now).await?)),
    }
}

/// The claims of an account, or of everybody, before a number: the newest first.
///
/// # Errors
/// The database failed.
pub async fn list(
    app: &App,
    account: Option<AccountId>,
    before: Option<i64>,
    limit: u32,
) -> std::result::Result<Vec<Shown>, Failure> {
    let now = app.now();
    let mut reads = app.read().await?;
    let mut all = Vec::new();
    for kept in store::claim::list(&mut reads, account, before, limit).await? {
        all.push(shown(&mut reads, kept, now).await?);
    }
    Ok(all)
}

/// By when a claim's decision is to be told, by its filing or appeal and the times it waited for
/// the customer. Deciding it ends nothing yet: the customer still waits (specification 3.3).
pub(crate) async fn shown(
    reads: &mut impl Queries,
    kept: Kept,
    now: Timestamp,
) -> std::result::Result<Shown, Failure> {
    let waits = matches!(
        kept.claim.state(),
        State::Filed
            | State::Complete
            | State::UnderReview
            | State::EvidenceAsked
            | State::Decided
            | State::Appealed
    );
    let begins = |step: &&Step| matches!(step.state, State::Filed | State::Appealed);
    let begun = kept.steps.iter().rfind(begins).map(|step| step.at);
    let Some(begun) = begun.filter(|_| waits) else {
        return Ok(Shown { kept, since: None, due: None, may_move: false, overdue: false });
    };
    let ends = kept.steps.iter().skip(1).map(|step| step.at).chain([now]);
    let asked: Vec<Span> = kept
        .steps
        .iter()
        .zip(ends)
        .filter(|(step, _)| step.state == State::EvidenceAsked)
        .filter_map(|(step, to)| Span::new(step.at, to))
        .collect();
    let held = Held::read(reads).await?;
    let parameters = &held.at(begun).draft.parameters;
    let days = (parameters.decision_days(), parameters.day_count());
    let due = decision_due(begun, &asked, days, held.business());
    let overdue = due.is_some_and(|due| due < now);
    let may_move = held.business().due_may_move(begun, due, now);
    Ok(Shown { kept, since: Some(begun), due, may_move, overdue })
}

/// Goes a step that needs nothing but its turn.
async fn go(
    app: &App,
    account: Option<AccountId>,
    id: i64,
    next: State,
    actor: &str,
    note: &str,
) -> Result<Kept, ClaimRefusal> {
    change(app, account, id, actor, note, async |_, kept| kept.claim.step(next).map_err(rule)).await
}

/// Changes a claim by its rules, and keeps the step.
async fn change(
    app: &App,
    account: Option<AccountId>,
    id: i64,
    actor: &str,
    note: &str,
    by: impl AsyncFnOnce(&mut Tx, &mut Kept) -> Result<(), ClaimRefusal> + Clone,
) -> Result<Kept, ClaimRefusal> {
    said(actor, "name")?;
    let now = app.now();
    let change = async |tx: &mut Tx| {
        let found = store::claim::find(tx, id).await?;
        let found = found.filter(|kept| account.is_none_or(|account| kept.account == account));
        let mut kept = found.ok_or(Error::Refused(ClaimRefusal::NoSuchClaim))?;
        let now = store::chain::now(tx, now).await?;
        let place = kept.steps.len();
        by(tx, &mut kept).await?;
        let step = step(kept.claim.state(), now, actor, note);
        store::claim::insert_step(tx, id, place, &step).await.map_err(meanwhile)?;
        kept.steps.push(step);
        // Who decides on an appeal may grant less than was granted before, and who withdraws one
        // has nothing of it.
        let decisions = kept.claim.decisions().len();
        let may_be_less = match kept.claim.state() {
            State::Decided | State::Announced | State::Settled => decisions > 1,
            State::Withdrawn => decisions > 0,
            _ => false,
        };
        if may_be_less {
            store::account::lock(tx, kept.account).await?;
            let month = PersianMonth::of(kept.event_at);
            let by = By { at: now, actor, reason: note };
            credit::reckon_anew(tx, (kept.account, month), by).await?;
        }
        Ok(kept)
    };
    request::write(app, |kept: &Kept| Some(kept.id), change).await
}

fn step(state: State, at: Timestamp, actor: &str, note: &str) -> Step {
    Step { state, at, actor: actor.to_owned(), note: note.to_owned() }
}

fn rule(refusal: Refusal) -> Error<ClaimRefusal> {
    Error::Refused(ClaimRefusal::Rule(refusal))
}

fn meanwhile(error: store::Error) -> Error<ClaimRefusal> {
    match error {
        store::Error::Conflict(_) => Error::Refused(ClaimRefusal::Meanwhile),
        error => error.into(),
    }
}

fn said(text: &str, what: &'static str) -> Result<(), ClaimRefusal> {
    if !crate::error::is_said(text, TEXT_MAX) {
        return Err(Error::Refused(ClaimRefusal::Text(what)));
    }
    Ok(())
}
