//! Reported errors: made by customers, by us or by probes, looked at, fixed or announced and
//! delivered, each within its time. What a step shows to be missed is entered in the commit of that
//! step; what nobody does is found by [`look`].

use domain::agreement::error_report::{Finding, Refusal, Source, State, Step, TEXT_MAX, TITLE_MAX};
use domain::agreement::ticket::{Channel, Side, Step as Said};
use domain::calendar::span::Span;
use domain::{AccountId, EventKind, Timestamp};
pub use store::error_report::{Kept, NewReport, Taken};
use store::{Tx, chain};

use crate::outage::Groups;
use crate::ticket::{self, Asked, NAME_MAX, SETTLED_US, Who};
use crate::{App, Error, Failure, Result, request};

mod clocks;
mod contact;
mod twin;

pub(crate) use clocks::Judge;
pub use clocks::Running;
pub use contact::{contacted, pause, resume};

/// Most reports on a page.
pub const PAGE_MAX: u32 = 100;
/// The most reports of an account of which a clock runs.
pub const OPEN_MAX: i64 = 50;
/// Reports that are looked at in one transaction.
const BATCH: u32 = 100;

/// What is said in the duplicates of a report when it is fixed, or was not fixed after all, and
/// when the work for it is announced or delivered: they are other customers', who do not read what
/// was written to its own.
const TWIN_FIXED: &str = "خطایی که گزارش شما نیز دربارهٔ آن است برطرف شد.";
const TWIN_VERIFIED: &str = "برطرف شدن این خطا بررسی و تأیید شد.";
const TWIN_NOT_VERIFIED: &str = "برطرف شدن این خطا تأیید نشد و کار روی آن ادامه دارد.";

const TWIN_COMMITTED: &str = "برای کاری که خطای گزارش شما نیز به آن نیاز دارد تاریخی اعلام شد.";
const TWIN_PROPOSED: &str =
    "برای کاری که خطای گزارش شما نیز به آن نیاز دارد تاریخ دیگری پیشنهاد شد.";
const TWIN_DELIVERED: &str =
    "کاری که خطای گزارش شما نیز به آن نیاز دارد تحویل شد؛ نتیجهٔ آزمون‌هایش نزد ماست.";

/// Why nothing was made or done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorReportRefusal {
    /// The rules of reports speak against it.
    Rule(Refusal),
    /// There is no such report, or it is another's.
    NoSuchReport,
    /// There is no such account.
    NoSuchAccount,
    /// There is no such ticket, it is another's, or it is over.
    Ticket,
    /// What it is to be a duplicate of is no fault of ours that is being fixed or worked on.
    Original,
    /// There is no outage of that number that stands and that its customer felt (A32).
    Outage,
    /// The account has [`OPEN_MAX`] reports of which a clock runs.
    TooMany,
    /// Nothing proves that the customer cannot be reached (C20, T031).
    NoEvidence,
    /// The report concerns the platform: it has no customer.
    NoCustomer,
    /// It is its customer's to say.
    Customers,
    /// Who is to have it has left.
    Gone,
    /// A text is missing or too long.
    Text(&'static str),
}

/// An error as it is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// The ticket in which it is spoken of.
    pub ticket: Option<i64>,
    /// What it is, in a line.
    pub title: String,
    /// What happens.
    pub description: String,
}

/// A report as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The report.
    pub kept: Kept,
    /// Its clocks.
    pub clocks: Vec<Running>,
}

/// Reports an error of the caller's, in a ticket of its own or in one that is there.
///
/// # Errors
/// Refused as [`ErrorReportRefusal`] says.
pub async fn report(
    app: &App,
    account: AccountId,
    reported: &Reported,
) -> Result<i64, ErrorReportRefusal> {
    judge(reported)?;
    let now = app.now();
    let make = async |tx: &mut Tx| {
        // Two reports at once are counted one after the other.
        if !store::account::lock(tx, account).await? {
            return Err(Error::Refused(ErrorReportRefusal::NoSuchAccount));
        }
        let now = chain::now(tx, now).await?;
        let ticket = if let Some(id) = reported.ticket {
            the_ticket(tx, Some(account), id).await?
        } else {
            let (subject, text) = (reported.title.clone(), reported.description.clone());
            let context = Vec::new();
            let asked = Asked { channel: Channel::Form, subject, text, about: None, context };
            let opened = ticket::take_in(tx, account, Who::Customer(account), &asked, now).await;
            opened.map_err(|error| error.map(of_ticket))?.0
        };
        if store::error_report::open(tx, account).await? >= OPEN_MAX {
            return Err(Error::Refused(ErrorReportRefusal::TooMany));
        }
        let whose = (Some(account), Some(ticket));
        insert(tx, whose, Source::Customer, reported, (now, &format!("account {account}"))).await
    };
    request::write(app, |&id| Some(id), make).await
}

/// Reports an error that we or a probe have seen: of an account, or of the platform.
///
/// # Errors
/// Refused as [`ErrorReportRefusal`] says.
pub async fn open(
    app: &App,
    account: Option<AccountId>,
    source: Source,
    reported: &Reported,
    actor: &str,
) -> Result<i64, ErrorReportRefusal> {
    judge(reported)?;
    said(actor, NAME_MAX, "name")?;
    let now = app.now();
    app.write(async |tx| {
        if let Some(account) = account
            && store::account::find(tx, account).await?.is_none()
        {
            return Err(Error::Refused(ErrorReportRefusal::NoSuchAccount));
        }
        let ticket = match reported.ticket {
            Some(id) if account.is_some() => Some(the_ticket(tx, account, id).await?),
            Some(_) => return Err(Error::Refused(ErrorReportRefusal::Ticket)),
            None => None,
        };
        let now = chain::now(tx, now).await?;
        insert(tx, (account, ticket), source, reported, (now, actor)).await
    })
    .await
}

/// The ticket in which an error is to be spoken of.
async fn the_ticket(
    tx: &mut Tx,
    account: Option<AccountId>,
    id: i64,
) -> Result<i64, ErrorReportRefusal> {
    let found = store::ticket::going_on(tx, id).await?;
    let found = found.filter(|kept| account == Some(kept.new.account));
    let found = found.filter(|kept| !kept.ticket.state().is_over());
    found.map(|kept| kept.id).ok_or(Error::Refused(ErrorReportRefusal::Ticket))
}

async fn insert(
    tx: &mut Tx,
    (account, ticket): (Option<AccountId>, Option<i64>),
    source: Source,
    reported: &Reported,
    (at, actor): (Timestamp, &str),
) -> Result<i64, ErrorReportRefusal> {
    let side = if source == Source::Customer { Side::Customer } else { Side::Staff };
    let new = NewReport {
        account,
        ticket,
        source,
        title: reported.title.trim().to_owned(),
        description: reported.description.clone(),
        reported_at: at,
    };
    let said = String::new();
    let first = Taken { step: None, side, at, actor: actor.to_owned(), said };
    Ok(store::error_report::insert(tx, &new, &first).await?)
}

/// Gives a report to an expert.
///
/// # Errors
/// Refused as [`ErrorReportRefusal`] says.
pub async fn assign(app: &App, id: i64, by: &str, to: &str) -> Result<Kept, ErrorReportRefusal> {
    said(to, NAME_MAX, "expert")?;
    if crate::post::list(app).await?.has_left(to.trim(), app.now()) {
        return Err(Error::Refused(ErrorReportRefusal::Gone));
    }
    change(app, id, Who::Staff(by), Step::Assigned(to.trim().to_owned()), "").await
}

/// Gives a report to an expert in the transaction in which another one leaves.
pub(crate) async fn give(
    tx: &mut Tx,
    id: i64,
    (by, to): (&str, &str),
    now: Timestamp,
) -> Result<(), ErrorReportRefusal> {
    let who = Who::Staff(by);
    let mut kept = taken(tx, id, who).await?;
    let at = now.max(kept.report.last_at());
    step(tx, &mut kept, (who, at), Step::Assigned(to.to_owned()), "").await
}

/// Tells the customer what an error is, and whose. What is not ours has its reason in the text
/// (T095); a duplicate is one of a fault that is being fixed or worked on (T097); what belongs to
/// availability names its outage (A32).
///
/// # Errors
/// Refused as [`ErrorReportRefusal`] says.
pub async fn found(
    app: &App,
    id: i64,
    by: &str,
    finding: Finding,
    text: &str,
) -> Result<Kept, ErrorReportRefusal> {
    said(text, TEXT_MAX, "text")?;
    let finding = match finding {
        Finding::NotOurs(whose, _) => Finding::NotOurs(whose, text.to_owned()),
        finding => finding,
    };
    change(app, id, Who::Staff(by), Step::Found(finding), text).await
}

/// Tells the customer that it is fixed; with it are those that are the same.
///
/// # Errors
/// Refused as [`ErrorReportRefusal`] says.
pub async fn fixed(app: &App, id: i64, by: &str, text: &str) -> Result<Kept, ErrorReportRefusal> {
    said(text, TEXT_MAX, "text")?;
    change(app, id, Who::Staff(by), Step::Fixed, text).await
}

/// Notes whether somebody made sure that it is fixed, and how.
///
/// # Errors
/// Refused as [`ErrorReportRefusal`] says.
pub async fn verified(
    app: &App,
    id: i64,
    by: &str,
    is_fixed: bool,
    how: &str,
) -> Result<Kept, ErrorReportRefusal> {
    said(how, TEXT_MAX, "reason")?;
    let step = if is_fixed { Step::Verified } else { Step::NotVerified(how.to_owned()) };
    change(app, id, Who::Staff(by), step, how).await
}

/// Announces a date for structural work: the first, or another one without the customer's consent.
///
/// # Errors
/// Refused as [`ErrorReportRefusal`] says.
pub async fn commit(
    app: &App,
    id: i64,
    by: &str,
    due: Timestamp,
    text: &str,
) -> Result<Kept, ErrorReportRefusal> {
    said(text, TEXT_MAX, "text")?;
    change(app, id, Who::Staff(by), Step::Committed(due), text).await
}

/// Asks the customer to agree to another date.
///
/// # Errors
/// Refused as [`ErrorReportRefusal`] says.
pub async fn propose(
    app: &App,
    id: i64,
    by: &str,
    due: Timestamp,
    text: &str,
) -> Result<Kept, ErrorReportRefusal> {
    said(text, TEXT_MAX, "text")?;
    change(app, id, Who::Staff(by), Step::Proposed(due), text).await
}

/// The customer agrees to the date that was proposed.
///
/// # Errors
/// Refused as [`ErrorReportRefusal`] says.
pub async fn agree(app: &App, account: AccountId, id: i64) -> Result<Kept, ErrorReportRefusal> {
    change(app, id, Who::Customer(account), Step::Agreed, "").await
}

/// Delivers structural work, with the evidence of its tests (T101).
///
/// # Errors
/// Refused as [`ErrorReportRefusal`] says.
pub async fn deliver(
    app: &App,
    id: i64,
    by: &str,
    evidence: &str,
) -> Result<Kept, ErrorReportRefusal> {
    change(app, id, Who::Staff(by), Step::Delivered(evidence.to_owned()), evidence).await
}

/// What was delivered is taken: by the customer, or by us when it concerns the platform.
///
/// # Errors
/// Refused as [`ErrorReportRefusal`] says.
pub async fn accept(app: &App, id: i64, who: Who<'_>) -> Result<Kept, ErrorReportRefusal> {
    change(app, id, who, Step::Accepted, "").await
}

/// What was delivered fails the tests of who would take it: it was not delivered.
///
/// # Errors
/// Refused as [`ErrorReportRefusal`] says.
pub async fn reject(
    app: &App,
    id: i64,
    who: Who<'_>,
    reason: &str,
) -> Result<Kept, ErrorReportRefusal> {
    change(app, id, who, Step::Rejected(reason.to_owned()), reason).await
}

/// It came back, or the customer does not believe what it was found to be, or that it is fixed.
///
/// # Errors
/// Refused as [`ErrorReportRefusal`] says.
pub async fn reopen(
    app: &App,
    id: i64,
    who: Who<'_>,
    why: &str,
) -> Result<Kept, ErrorReportRefusal> {
    said(why, TEXT_MAX, "reason")?;
    change(app, id, who, Step::Reopened, why).await
}

/// Asks the customer to make something available by a moment, such as a program for remote help
/// (C21). From then on until it is, the clock of its fix stands; the result is told all the same.
///
/// # Errors
/// Refused as [`ErrorReportRefusal`] says.
pub async fn ask(
    app: &App,
    id: i64,
    by: &str,
    until: Timestamp,
    what: &str,
) -> Result<Kept, ErrorReportRefusal> {
    said(what, TEXT_MAX, "text")?;
    change(app, id, Who::Staff(by), Step::Asked(until), what).await
}

/// What was asked for is available, as the customer says or as we see.
///
/// # Errors
/// Refused as [`ErrorReportRefusal`] says.
pub async fn provide(
    app: &App,
    id: i64,
    who: Who<'_>,
    text: &str,
) -> Result<Kept, ErrorReportRefusal> {
    said(text, TEXT_MAX, "text")?;
    change(app, id, who, Step::Provided, text).await
}

/// The report of this number, of this account if one is given.
///
/// # Errors
/// The database failed.
pub async fn find(
    app: &App,
    account: Option<AccountId>,
    id: i64,
) -> std::result::Result<Option<Shown>, Failure> {
    let mut reads = app.read().await?;
    let found = store::error_report::find(&mut reads, id).await?;
    let found = found.filter(|kept| account.is_none() || kept.new.account == account);
    let Some(kept) = found else { return Ok(None) };
    let judge = Judge::read(&mut reads).await?;
    Ok(Some(Shown { clocks: judge.clocks(&kept.report, app.now()), kept }))
}

/// The reports of an account, or all of them, before a number: the newest first.
///
/// # Errors
/// The database failed.
pub async fn list(
    app: &App,
    account: Option<AccountId>,
    before: Option<i64>,
    limit: u32,
) -> std::result::Result<Vec<Shown>, Failure> {
    let mut reads = app.read().await?;
    let limit = limit.min(PAGE_MAX);
    let all = store::error_report::list(&mut reads, account, before, limit).await?;
    let (judge, now) = (Judge::read(&mut reads).await?, app.now());
    let shown = |kept: Kept| Shown { clocks: judge.clocks(&kept.report, now), kept };
    Ok(all.into_iter().map(shown).collect())
}

/// Enters what is missed of reports and that nobody has ended. Looking again, or on two nodes at
/// once, enters nothing twice. The answer is how many were entered.
///
/// # Errors
/// The database failed.
pub async fn look(app: &App) -> std::result::Result<u64, Failure> {
    let (mut after, mut entered) = (0, 0);
    loop {
        let mut reads = app.read().await?;
        let running = store::error_report::running(&mut reads, after, BATCH).await?;
        let Some(last) = running.last() else { return Ok(entered) };
        after = last.id;
        let judge = Judge::read(&mut reads).await?;
        drop(reads);
        let until = app.now().plus_us(-SETTLED_US);
        let missed = running.iter().flat_map(|kept| judge.misses(kept, until));
        entered += crate::violation::enter_all(app, &missed.collect::<Vec<_>>()).await?;
    }
}

/// Changes a report by its rules, and keeps the step.
async fn change(
    app: &App,
    id: i64,
    who: Who<'_>,
    next: Step,
    text: &str,
) -> Result<Kept, ErrorReportRefusal> {
    if let Who::Staff(name) = who {
        said(name, NAME_MAX, "name")?;
    }
    let now = app.now();
    let change = async |tx: &mut Tx| {
        // What it is a duplicate of is taken before it, as who fixes that does, too.
        let (next, date) = match next.clone() {
            Step::Found(finding) if finding.original().is_some_and(|other| other != id) => {
                let (finding, date) = twin::of(tx, &finding).await?;
                (Step::Found(finding), date)
            }
            next => (next, None),
        };
        let mut kept = taken(tx, id, who).await?;
        let at = chain::now(tx, now).await?.max(kept.report.last_at());
        let next = of_side(&kept, who, next, text)?;
        if next == Step::Paused {
            contact::prove(tx, &kept, at).await?;
        }
        if let Step::Found(Finding::Outage(outage)) = next {
            of_outage(tx, &kept, outage).await?;
        }
        step(tx, &mut kept, (who, at), next.clone(), text).await?;
        // The date that was announced for the work is its own, too, unless it has passed.
        if let Some(due) = date.filter(|due| *due > at) {
            step(tx, &mut kept, (who, at), Step::Committed(due), TWIN_COMMITTED).await?;
        }
        if let Who::Staff(_) = who {
            twin::follow(tx, id, (who, at), &next).await?;
        }
        Ok(kept)
    };
    request::write(app, |kept: &Kept| Some(kept.id), change).await
}

/// The step that is taken for the one that is asked for, if it is for this side to take.
fn of_side(kept: &Kept, who: Who<'_>, next: Step, text: &str) -> Result<Step, ErrorReportRefusal> {
    let (state, is_customers) = (kept.report.state, kept.new.account.is_some());
    match (who, &next) {
        // What nobody made sure of, and its customer sees to fail, never was fixed: its time runs
        // on. A new round would begin it anew.
        (Who::Customer(_), Step::Reopened) if state == State::Fixed => {
            Ok(Step::NotVerified(text.to_owned()))
        }
        (Who::Staff(_), Step::Reopened) if state == State::Fixed => Err(rule(Refusal::WrongState)),
        (Who::Staff(_), Step::Reopened) if is_customers && state != State::Answered => {
            Err(Error::Refused(ErrorReportRefusal::Customers))
        }
        (Who::Staff(_), Step::Accepted | Step::Rejected(_)) if is_customers => {
            Err(Error::Refused(ErrorReportRefusal::Customers))
        }
        (_, Step::Asked(_)) if !is_customers => Err(Error::Refused(ErrorReportRefusal::NoCustomer)),
        _ => Ok(next),
    }
}

/// The report of this number, to be changed by somebody who may.
async fn taken(tx: &mut Tx, id: i64, who: Who<'_>) -> Result<Kept, ErrorReportRefusal> {
    let found = store::error_report::take(tx, id).await?;
    let found = found.filter(|kept| match who {
        Who::Customer(account) => kept.new.account == Some(account),
        Who::Staff(_) => true,
    });
    found.ok_or(Error::Refused(ErrorReportRefusal::NoSuchReport))
}

/// Whether a lost access is an outage that stands and that its customer felt; one that concerns the
/// platform names any (A32).
async fn of_outage(tx: &mut Tx, kept: &Kept, id: i64) -> Result<(), ErrorReportRefusal> {
    let refused = || Error::Refused(ErrorReportRefusal::Outage);
    let outage = store::outage::find(tx, id).await?;
    let outage = outage.filter(|outage| outage.reversed.is_none()).ok_or_else(refused)?;
    let Some(account) = kept.new.account else { return Ok(()) };
    let span = Span { from: outage.from, to: outage.to.unwrap_or(Timestamp(i64::MAX)) };
    let groups = Groups::of(tx, Some(account), span).await?;
    if groups.feel(&outage.scope) { Ok(()) } else { Err(refused()) }
}

/// Takes a step, enters what was missed before it and what it shows to be missed, and tells the
/// customer of what we said.
async fn step(
    tx: &mut Tx,
    kept: &mut Kept,
    (who, at): (Who<'_>, Timestamp),
    next: Step,
    text: &str,
) -> Result<(), ErrorReportRefusal> {
    let judge = Judge::read(tx).await?;
    let before = judge.misses(kept, at);
    kept.report.take(&next, at).map_err(rule)?;
    for new in before.iter().chain(&judge.misses(kept, at)) {
        crate::violation::enter_found::<ErrorReportRefusal>(tx, at, new).await?;
    }
    let (side, actor) = match who {
        Who::Customer(account) => (Side::Customer, format!("account {account}")),
        Who::Staff(name) => (Side::Staff, name.trim().to_owned()),
    };
    let (kind, said) = match &next {
        Step::Found(_) => (Some(EventKind::ErrorReportFound), Some(Said::Answered)),
        Step::Fixed => (Some(EventKind::ErrorReportFixed), Some(Said::Answered)),
        Step::Committed(_) | Step::Proposed(_) => {
            (Some(EventKind::ErrorReportCommitted), Some(Said::Answered))
        }
        Step::Delivered(_) => (Some(EventKind::ErrorReportDelivered), Some(Said::Answered)),
        Step::Asked(_) => (Some(EventKind::ErrorReportAsked), Some(Said::Asked)),
        _ => (None, None),
    };
    let taken = Taken { step: Some(next), side, at, actor, said: text.to_owned() };
    store::error_report::keep(tx, kept, taken).await?;
    if let (Some(ticket), Some(said), Who::Staff(by)) = (kept.new.ticket, said, who) {
        ticket::say::<ErrorReportRefusal>(tx, ticket, by, said, (text, at)).await?;
    }
    if let (Some(account), Some(kind)) = (kept.new.account, kind) {
        store::event::tell(tx, account, kind, kept.id, at).await?;
    }
    Ok(())
}

fn judge(reported: &Reported) -> Result<(), ErrorReportRefusal> {
    said(&reported.title, TITLE_MAX, "title")?;
    if reported.title.contains(['\n', '\r']) {
        return Err(Error::Refused(ErrorReportRefusal::Text("title")));
    }
    said(&reported.description, TEXT_MAX, "description")
}

/// Why a report has no ticket of its own.
fn of_ticket(refusal: ticket::TicketRefusal) -> ErrorReportRefusal {
    match refusal {
        ticket::TicketRefusal::TooMany => ErrorReportRefusal::TooMany,
        ticket::TicketRefusal::NoSuchAccount => ErrorReportRefusal::NoSuchAccount,
        _ => ErrorReportRefusal::Ticket,
    }
}

crate::error::refusals!(ErrorReportRefusal);
