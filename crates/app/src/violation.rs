//! The ledger of both sides' violations: entered with evidence, told, accepted or disputed by whose
//! duty it was, decided by somebody else, and never changed or removed.

use domain::agreement::availability::{Figures, Verdict};
use domain::agreement::statement::{evidence_until, standing_verdict};
use domain::agreement::violation::{
    Clause, Party, Refusal, Status, TEXT_MAX, Violation, public_counts,
};
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Timestamp};
use store::month_statement::MonthStatement;
pub use store::violation::{Kept, Step};
use store::{Tx, chain};

use crate::agreement::Held;
use crate::availability::months_back;
use crate::{App, Error, Failure, Result, request};

/// Who enters what the machine finds by itself.
pub const MACHINE: &str = "avanak";
/// Longest reference, bytes.
pub const REFERENCE_MAX: usize = 200;
/// Entries that are looked at in one transaction.
const BATCH: u32 = 200;

/// Why nothing was entered or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViolationRefusal {
    /// The rules of the ledger speak against it.
    Rule(Refusal),
    /// There is no such account.
    NoSuchAccount,
    /// There is no such entry, or it is not the caller's to answer.
    NoSuchViolation,
    /// A duty of customers is one customer's.
    WhoseDuty,
    /// A text is missing or too long.
    Text(&'static str),
    /// It lies in the future.
    Time,
    /// Something else is entered under this reference.
    Reference,
    /// Somebody else changed it at this moment.
    Meanwhile,
}

/// What is to be entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewViolation {
    /// Whose; `None` for the platform, which concerns everybody.
    pub account: Option<AccountId>,
    /// Which duty.
    pub clause: Clause,
    /// When it was not kept.
    pub span: Span,
    /// What proves it, a line each.
    pub evidence: Vec<String>,
    /// What it is about: the same is entered once.
    pub reference: String,
    /// Who enters it.
    pub actor: String,
}

/// What its party says to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// It agrees.
    Accept,
    /// It does not, and why.
    Dispute(&'a str),
}

/// Enters something, once under its reference. The answer is its number, also when it was entered
/// before.
///
/// # Errors
/// Refused as [`ViolationRefusal`] says.
pub async fn record(app: &App, new: NewViolation) -> Result<i64, ViolationRefusal> {
    let refused = |refusal| Err(Error::Refused(refusal));
    said(&new.actor, "name")?;
    if new.reference.trim().is_empty() || new.reference.len() > REFERENCE_MAX {
        return refused(ViolationRefusal::Text("reference"));
    }
    let now = app.now();
    if new.span.to > now {
        return refused(ViolationRefusal::Time);
    }
    if new.clause.party() == Party::Customer && new.account.is_none() {
        return refused(ViolationRefusal::WhoseDuty);
    }
    app.write(async |tx| {
        if let Some(account) = new.account
            && store::account::find(tx, account).await?.is_none()
        {
            return Err(Error::Refused(ViolationRefusal::NoSuchAccount));
        }
        let now = chain::now(tx, now).await?;
        if let Some(id) = enter(tx, now, &new).await? {
            return Ok(id);
        }
        let kept = store::violation::under(tx, &new.reference).await?;
        let same = kept.filter(|kept| {
            let entry = &kept.violation;
            (kept.account, entry.clause(), entry.span()) == (new.account, new.clause, new.span)
        });
        same.map(|kept| kept.id).ok_or(Error::Refused(ViolationRefusal::Reference))
    })
    .await
}

/// Enters something in the transaction in which it was found. `None`: it is entered already. What
/// we did not keep ourselves, we know of at once; a customer is told apart.
pub(crate) async fn enter(
    tx: &mut Tx,
    now: Timestamp,
    new: &NewViolation,
) -> Result<Option<i64>, ViolationRefusal> {
    let version = crate::agreement::at(tx, new.span.from).await?.number;
    let violation = Violation::new(new.clause, version, new.span, new.evidence.clone())
        .map_err(|refusal| Error::Refused(ViolationRefusal::Rule(refusal)))?;
    let step = |status| Step { status, at: now, actor: new.actor.clone(), reason: String::new() };
    let recorded = step(Status::Recorded);
    let id =
        store::violation::insert(tx, new.account, &new.reference, &violation, &recorded).await?;
    if let (Some(id), Party::Provider) = (id, violation.party()) {
        store::violation::insert_step(tx, id, 1, &step(Status::Notified)).await?;
    }
    Ok(id)
}

/// Enters what the machine found, in the transaction in which it was found. Whether it was entered
/// before is all the same. Nothing is entered of a sandbox, for which nobody works and which owes
/// nothing.
pub(crate) async fn enter_found<R>(
    tx: &mut Tx,
    now: Timestamp,
    new: &NewViolation,
) -> Result<bool, R> {
    if let Some(account) = new.account
        && store::account::find(tx, account).await?.is_some_and(|found| found.is_sandbox())
    {
        return Ok(false);
    }
    Ok(enter(tx, now, new).await.map_err(by_the_machine)?.is_some())
}

/// Enters what the machine found in a transaction of its own. The answer is how much was new.
pub(crate) async fn enter_all(
    app: &App,
    found: &[NewViolation],
) -> std::result::Result<u64, Failure> {
    if found.is_empty() {
        return Ok(0);
    }
    let now = app.now();
    let entered = app.write(async |tx| {
        let (now, mut count) = (chain::now(tx, now).await?, 0);
        for new in found {
            count += u64::from(enter_found(tx, now, new).await?);
        }
        Ok(count)
    });
    entered.await.map_err(crate::account::never_refused)
}

/// Notes that the customer was told of an entry, and how.
///
/// # Errors
/// Refused as [`ViolationRefusal`] says.
pub async fn tell(app: &App, id: i64, actor: &str, how: &str) -> Result<Kept, ViolationRefusal> {
    said(how, "way")?;
    change(app, id, actor, how, |kept| Ok(kept.violation.become_status(Status::Notified)?)).await
}

/// The customer's answer to an entry of its own duties. Who answers knows of it.
///
/// # Errors
/// Refused as [`ViolationRefusal`] says.
pub async fn answer(
    app: &App,
    account: AccountId,
    id: i64,
    answer: Answer<'_>,
) -> Result<Kept, ViolationRefusal> {
    let reason = reason_of(answer)?;
    let actor = format!("account {account}");
    change(app, id, &actor, reason, |kept| {
        if (kept.account, kept.violation.party()) != (Some(account), Party::Customer) {
            return Err(Refused::NotThere);
        }
        if kept.violation.status() == Status::Recorded {
            kept.violation.become_status(Status::Notified)?;
        }
        Ok(kept.violation.become_status(status_of(answer))?)
    })
    .await
}

/// Our own answer to an entry of our duties.
///
/// # Errors
/// Refused as [`ViolationRefusal`] says.
pub async fn answer_for_us(
    app: &App,
    id: i64,
    actor: &str,
    answer: Answer<'_>,
) -> Result<Kept, ViolationRefusal> {
    let reason = reason_of(answer)?;
    change(app, id, actor, reason, |kept| {
        if kept.violation.party() != Party::Provider {
            return Err(Refused::NotThere);
        }
        Ok(kept.violation.become_status(status_of(answer))?)
    })
    .await
}

/// Decides a dispute, by somebody else than who entered it.
///
/// # Errors
/// Refused as [`ViolationRefusal`] says.
pub async fn decide(
    app: &App,
    id: i64,
    stays: bool,
    actor: &str,
    reason: &str,
) -> Result<Kept, ViolationRefusal> {
    said(reason, "reason")?;
    change(app, id, actor, reason, |kept| {
        let recorder = kept.steps[0].actor.clone();
        Ok(kept.violation.decide(stays, &recorder, actor)?)
    })
    .await
}

/// Marks an entry as wrong; it stays to be seen.
///
/// # Errors
/// Refused as [`ViolationRefusal`] says.
pub async fn reverse(
    app: &App,
    id: i64,
    actor: &str,
    reason: &str,
) -> Result<Kept, ViolationRefusal> {
    said(reason, "reason")?;
    change(app, id, actor, reason, |kept| Ok(kept.violation.become_status(Status::Reversed)?)).await
}

/// Notes that what follows from an entry was done, and what that was.
///
/// # Errors
/// Refused as [`ViolationRefusal`] says.
pub async fn done(app: &App, id: i64, actor: &str, what: &str) -> Result<Kept, ViolationRefusal> {
    said(what, "consequence")?;
    change(app, id, actor, what, |kept| Ok(kept.violation.become_status(Status::Done)?)).await
}

/// The entry of this number.
///
/// # Errors
/// The database failed.
pub async fn find(app: &App, id: i64) -> std::result::Result<Option<Kept>, Failure> {
    Ok(store::violation::find(&mut app.read().await?, id).await?)
}

/// The entry of this number, if the account may see it: its own, or one of the platform.
///
/// # Errors
/// The database failed.
pub async fn find_for(
    app: &App,
    account: AccountId,
    id: i64,
) -> std::result::Result<Option<Kept>, Failure> {
    let found = find(app, id).await?;
    Ok(found.filter(|kept| kept.account.is_none_or(|of| of == account)))
}

/// The entries of an account and of the platform before a number, or of everybody: the newest
/// first.
///
/// # Errors
/// The database failed.
pub async fn list(
    app: &App,
    account: Option<AccountId>,
    before: Option<i64>,
    limit: u32,
) -> std::result::Result<Vec<Kept>, Failure> {
    let mut reads = app.read().await?;
    Ok(match account {
        Some(account) => store::violation::of_account(&mut reads, account, before, limit).await?,
        None => store::violation::all(&mut reads, before, limit).await?,
    })
}

/// How many entries of a month stand for each duty, as everybody may read it: `None` is fewer than
/// five.
///
/// # Errors
/// The database failed.
pub async fn counts(
    app: &App,
    month: PersianMonth,
) -> std::result::Result<Vec<(Party, Clause, Option<u64>)>, Failure> {
    let time = Span { from: month.start(), to: month.end() };
    let standing = store::violation::standing(&mut app.read().await?, time).await?;
    let counts = public_counts(standing);
    Ok(counts.into_iter().map(|((party, clause), count)| (party, clause, count)).collect())
}

/// Why a change is not made, said inside of it.
enum Refused {
    Rule(Refusal),
    NotThere,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Rule(refusal)
    }
}

/// Changes an entry by its rules, and keeps each status that it got.
async fn change(
    app: &App,
    id: i64,
    actor: &str,
    reason: &str,
    by: impl FnOnce(&mut Kept) -> std::result::Result<(), Refused> + Clone,
) -> Result<Kept, ViolationRefusal> {
    said(actor, "name")?;
    let now = app.now();
    request::write(
        app,
        |kept: &Kept| Some(kept.id),
        async |tx| {
            let kept = store::violation::find(tx, id).await?;
            let mut kept = kept.ok_or(Error::Refused(ViolationRefusal::NoSuchViolation))?;
            by(&mut kept).map_err(|refused| {
                Error::Refused(match refused {
                    Refused::Rule(rule) => ViolationRefusal::Rule(rule),
                    Refused::NotThere => ViolationRefusal::NoSuchViolation,
                })
            })?;
            let now = chain::now(tx, now).await?;
            keep_steps(tx, &mut kept, now, actor, reason).await?;
            Ok(kept)
        },
    )
    .await
}

/// Keeps the statuses that an entry got since it was read; the reason goes with the last of them.
async fn keep_steps(
    tx: &mut Tx,
    kept: &mut Kept,
    now: Timestamp,
    actor: &str,
    reason: &str,
) -> Result<(), ViolationRefusal> {
    let history = kept.violation.history().to_vec();
    for (place, status) in history.iter().enumerate().skip(kept.steps.len()) {
        let last = place + 1 == history.len();
        let reason = if last { reason.to_owned() } else { String::new() };
        let step = Step { status: *status, at: now, actor: actor.to_owned(), reason };
        match store::violation::insert_step(tx, kept.id, place, &step).await {
            Err(store::Error::Conflict(_)) => {
                return Err(Error::Refused(ViolationRefusal::Meanwhile));
            }
            inserted => inserted?,
        }
        kept.steps.push(step);
    }
    Ok(())
}

/// What was missed and is entered nowhere, of every month that is frozen by itself: months whose
/// time for evidence has passed, those that were frozen before there was a ledger or long after
/// their end, and maintenance that was not told in time. Looking again, or on two nodes at once,
/// enters nothing twice. The answer is how much was entered.
///
/// # Errors
/// The database failed.
pub async fn look(app: &App) -> std::result::Result<u64, Failure> {
    let now = app.now();
    let months = months_back(now);
    let mut entered = 0;
    for month in &months {
        entered += look_at_month(app, *month).await?;
    }
    let time = Span { from: months.first().map_or(now, |oldest| oldest.start()), to: now };
    Ok(entered + look_at_maintenance(app, time).await?)
}

/// Enters what was missed of a month that was written down.
///
/// # Errors
/// The database failed.
pub async fn look_at_month(app: &App, month: PersianMonth) -> std::result::Result<u64, Failure> {
    let now = app.now();
    let (mut after, mut entered) = (AccountId(-1), 0);
    loop {
        let mut reads = app.read().await?;
        let held = Held::read(&mut reads).await?;
        let missed = store::month_statement::not_followed(&mut reads, month, after, BATCH).await?;
        drop(reads);
        let Some(last) = missed.last() else { return Ok(entered) };
        after = last.number();
        let written = app.write(async |tx| {
            let (now, mut count) = (chain::now(tx, now).await?, 0);
            for statement in &missed {
                if standing(&held, statement, now)? == Some(Verdict::Breached) {
                    count += u64::from(enter_miss(tx, now, statement).await?);
                }
            }
            Ok(count)
        });
        entered += written.await.map_err(crate::account::never_refused)?;
    }
}

/// The verdict of a statement that stands at a moment.
pub(crate) fn standing(
    held: &Held,
    statement: &MonthStatement,
    now: Timestamp,
) -> std::result::Result<Option<Verdict>, Failure> {
    let month = statement.month;
    let parameters = &held.at(month.start()).draft.parameters;
    let in_time = in_time(held, month, now)?;
    let figures = Figures::of(month, statement.totals, parameters.terms());
    Ok(figures.map(|one| standing_verdict(&one, parameters, in_time)))
}

/// Whether evidence can still decide a month at a moment.
pub(crate) fn in_time(
    held: &Held,
    month: PersianMonth,
    now: Timestamp,
) -> std::result::Result<bool, Failure> {
    let parameters = &held.at(month.start()).draft.parameters;
    let until = evidence_until(month, parameters, held.business())
        .ok_or(Failure::of("counting business days after a month"))?;
    Ok(now < until)
}

/// Enters the miss that a statement says. `false`: it is entered already.
pub(crate) async fn enter_miss<R>(
    tx: &mut Tx,
    now: Timestamp,
    statement: &MonthStatement,
) -> Result<bool, R> {
    let MonthStatement { account, month, revision, digest, totals, .. } = statement;
    let seconds = |us: i64| us / 1_000_000;
    let whose = account.map_or("platform".to_owned(), |account| format!("account {account}"));
    let new = NewViolation {
        account: *account,
        clause: Clause::Availability,
        span: Span { from: month.start(), to: month.end() },
        evidence: vec![
            format!("month {month} of {whose}, revision {revision}"),
            format!("computed from inputs {}", crate::account::hex(digest)),
            format!(
                "covered {} s, planned {} s, down {} s, unknown {} s",
                seconds(totals.covered_us()),
                seconds(totals.planned_us),
                seconds(totals.down_us),
                seconds(totals.unknown_us)
            ),
        ],
        reference: format!("availability:{}:{month}:{revision}", statement.number()),
        actor: MACHINE.to_owned(),
    };
    enter_found(tx, now, &new).await
}

/// Follows a revision: a miss that it takes back is reversed, one that it says is entered.
pub(crate) async fn follow_revision<R>(
    tx: &mut Tx,
    now: Timestamp,
    statement: &MonthStatement,
    verdict: Option<Verdict>,
) -> Result<(), R> {
    let time = Span { from: statement.month.start(), to: statement.month.end() };
    let entries =
        store::violation::within(tx, statement.account, Clause::Availability, time).await?;
    let prefix = format!("availability:{}:{}:", statement.number(), statement.month);
    let standing: Vec<Kept> = entries
        .into_iter()
        .filter(|kept| kept.violation.stands() && kept.reference.starts_with(&prefix))
        .collect();
    if verdict == Some(Verdict::Breached) {
        if standing.is_empty() {
            enter_miss::<R>(tx, now, statement).await?;
        }
        return Ok(());
    }
    let reason = format!("revision {} of the month", statement.revision);
    for kept in &standing {
        take_back(tx, kept, now, &reason).await?;
    }
    Ok(())
}

/// Reverses an entry that what came later shows to be wrong.
async fn take_back(
    tx: &mut Tx,
    kept: &Kept,
    at: Timestamp,
    reason: &str,
) -> std::result::Result<(), store::Error> {
    let (actor, reason) = (MACHINE.to_owned(), reason.to_owned());
    let step = Step { status: Status::Reversed, at, actor, reason };
    store::violation::insert_step(tx, kept.id, kept.steps.len(), &step).await
}

/// Reverses the entry of this reference, if there is one that stands.
pub(crate) async fn take_back_under(
    tx: &mut Tx,
    reference: &str,
    now: Timestamp,
    reason: &str,
) -> std::result::Result<(), store::Error> {
    let found = store::violation::under(tx, reference).await?;
    match found.filter(|kept| kept.violation.stands()) {
        Some(kept) => take_back(tx, &kept, now, reason).await,
        None => Ok(()),
    }
}

/// Enters maintenance that began in this time and was not told in time.
async fn look_at_maintenance(app: &App, time: Span) -> std::result::Result<u64, Failure> {
    let mut reads = app.read().await?;
    let held = Held::read(&mut reads).await?;
    let mut late = Vec::new();
    for kept in store::maintenance::within(&mut reads, time).await? {
        let Some(plan) = kept.maintenance.plan() else { continue };
        let lead_us = held.at(plan.span.from).draft.parameters.lead_us();
        let counted_us = kept.maintenance.counted_us(lead_us);
        if counted_us > 0 && plan.span.from <= time.to {
            late.push(late_maintenance(&kept, plan.span, counted_us));
        }
    }
    drop(reads);
    enter_all(app, &late).await
}

/// Maintenance of which a part counts; whom it concerned is not said, since everybody reads it.
fn late_maintenance(kept: &store::maintenance::Kept, span: Span, counted_us: i64) -> NewViolation {
    let (id, versions) = (kept.id, kept.maintenance.versions.len());
    let notices = kept.maintenance.proofs.len();
    NewViolation {
        account: None,
        clause: Clause::Maintenance,
        span,
        evidence: vec![
            format!("maintenance {id}, {versions} versions, {notices} notices"),
            format!("{} s of it lay outside what was told in time", counted_us / 1_000_000),
        ],
        reference: format!("maintenance:{id}:{}", span.from.0),
        actor: MACHINE.to_owned(),
    }
}

/// What the machine enters is never refused: it brings evidence, and names what it is about.
fn by_the_machine<R>(error: Error<ViolationRefusal>) -> Error<R> {
    match error {
        Error::Failed(failure) => Error::Failed(failure),
        Error::Refused(refusal) => {
            Error::Failed(Failure::of(format!("entering a violation: {refusal:?}")))
        }
    }
}

fn status_of(answer: Answer<'_>) -> Status {
    match answer {
        Answer::Accept => Status::Accepted,
        Answer::Dispute(_) => Status::Disputed,
    }
}

fn reason_of(answer: Answer<'_>) -> Result<&str, ViolationRefusal> {
    match answer {
        Answer::Accept => Ok(""),
        Answer::Dispute(reason) => said(reason, "reason").map(|()| reason),
    }
}

fn said(text: &str, what: &'static str) -> Result<(), ViolationRefusal> {
    if !crate::error::is_said(text, TEXT_MAX) {
        return Err(Error::Refused(ViolationRefusal::Text(what)));
    }
    Ok(())
}
