//! A month as it was written down, opened: every number of it down to what it was computed from
//! (I18).

use domain::AccountId;
use domain::agreement::availability::Window;
use domain::agreement::scope::CoveredPath;
use domain::agreement::statement::{Inputs, Judged};
use domain::calendar::month::PersianMonth;
use domain::calendar::span::{self, Span};
use store::Queries;
use store::maintenance::Kept;
use store::month_statement::MonthStatement;
use store::signature::Signature;

use crate::agreement::Held;
use crate::availability::reproduce;
use crate::outage::{Groups, SHOWN_MAX};
use crate::{App, Error, Failure, Result};

/// Why a statement is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenRefusal {
    /// Nothing of that month and revision was written down for the account.
    NoSuchStatement,
}

/// A statement with all that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// As it was written down.
    pub statement: MonthStatement,
    /// What it was computed from, and what that comes to; `None` when it no longer does, so that
    /// something was tampered with.
    pub computed: Option<(Inputs, Judged)>,
    /// What the manager has signed of it.
    pub signature: Option<Signature>,
}

/// A part of a list: what comes after this number, and how much of it.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// After which number.
    pub after: i64,
    /// At most so many.
    pub limit: u32,
}

/// Maintenance, and how it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its versions and notices.
    pub kept: Kept,
    /// What of it counts as planned.
    pub valid: Vec<Window>,
    /// When its notice stood on the first page and the account could not open the panel. That makes
    /// no notice invalid; a committee that judges the month has to see it (T081).
    pub unreadable: Vec<Span>,
}

/// Opens a statement of an account, or of the platform: the last one of the month, or that of a
/// revision.
///
/// # Errors
/// Refused when there is none.
pub async fn open(
    app: &App,
    account: Option<AccountId>,
    month: PersianMonth,
    revision: Option<u32>,
) -> Result<Opened, OpenRefusal> {
    let mut reads = app.read().await?;
    let statement = written(&mut reads, account, month, revision).await?;
    let signatures = store::signature::of_month(&mut reads, account, month).await?;
    drop(reads);
    let signature = signatures.into_iter().find(|one| one.revision == statement.revision);
    let computed = reproduce(app, &statement).await?;
    Ok(Opened { statement, computed, signature })
}

async fn written(
    reads: &mut impl Queries,
    account: Option<AccountId>,
    month: PersianMonth,
    revision: Option<u32>,
) -> Result<MonthStatement, OpenRefusal> {
    let written = store::month_statement::of_month(reads, account, month).await?;
    let wanted = |one: &MonthStatement| revision.is_none_or(|revision| one.revision == revision);
    let statement = written.into_iter().rfind(wanted);
    statement.ok_or(Error::Refused(OpenRefusal::NoSuchStatement))
}

/// The maintenance of a month of which there is a statement: what concerned the account (without
/// one, everybody), and how it was told, for who judges that month (T081).
///
/// # Errors
/// Refused when there is no statement.
pub async fn maintenance(
    app: &App,
    account: Option<AccountId>,
    (month, revision): (PersianMonth, Option<u32>),
    part: Part,
) -> Result<Vec<Told>, OpenRefusal> {
    let mut reads = app.read().await?;
    written(&mut reads, account, month, revision).await?;
    let time = Span { from: month.start(), to: month.end() };
    Ok(told(&mut reads, account, time, part).await?)
}

/// All maintenance of a month that concerned an account, and how it was told.
///
/// # Errors
/// The database failed.
pub async fn all_maintenance(
    app: &App,
    account: AccountId,
    month: PersianMonth,
) -> std::result::Result<Vec<Told>, Failure> {
    let all = Part { after: 0, limit: u32::MAX };
    let time = Span { from: month.start(), to: month.end() };
    told(&mut app.read().await?, Some(account), time, all).await
}

/// The maintenance of a time that concerned an account, by number, and how it was told to it.
async fn told(
    reads: &mut impl Queries,
    account: Option<AccountId>,
    time: Span,
    part: Part,
) -> std::result::Result<Vec<Told>, Failure> {
    let held = Held::read(reads).await?;
    let groups = Groups::of(reads, account, time).await?;
    let mut all = Vec::new();
    for kept in store::maintenance::within(reads, time).await? {
        if kept.id <= part.after {
            continue;
        }
        if u32::try_from(all.len()).is_ok_and(|count| count >= part.limit) {
            break;
        }
        let versions = &kept.maintenance.versions;
        let mut plans = versions.iter().filter_map(|version| version.plan.as_ref());
        if !plans.any(|plan| groups.feel(&plan.scope)) {
            continue;
        }
        let start = kept.maintenance.plan().map_or(time.from, |plan| plan.span.from);
        let mut valid = kept.maintenance.valid(held.at(start).draft.parameters.lead_us());
        valid.retain(|window| groups.feel(&window.scope));
        let mut unreadable = Vec::new();
        for stood in kept.maintenance.on_the_first_page() {
            unreadable.extend(without_panel(reads, account, stood).await?);
        }
        let unreadable = span::union(unreadable);
        all.push(Told { kept, valid, unreadable });
    }
    Ok(all)
}

/// When an account could not open the panel, or nobody could.
async fn without_panel(
    reads: &mut impl Queries,
    account: Option<AccountId>,
    time: Span,
) -> std::result::Result<Vec<Span>, Failure> {
    let groups = Groups::of(reads, account, time).await?;
    let outages = store::outage::within(reads, time, SHOWN_MAX).await?;
    let down = outages.into_iter().filter(|outage| {
        outage.reversed.is_none()
            && outage.paths.contains(CoveredPath::Panel)
            && groups.feel(&outage.scope)
    });
    let spans = down.filter_map(|outage| {
        Span::new(outage.from, outage.to.unwrap_or(time.to)).and_then(|down| down.within(time))
    });
    Ok(span::union(spans.collect()))
}
