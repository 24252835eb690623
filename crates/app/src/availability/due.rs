//! Months whose time has come: those that are to be frozen, also while nobody was there to do it,
//! and those that only evidence can decide any more.

use domain::agreement::statement::{evidence_until, frozen_at};
use domain::calendar::month::PersianMonth;
use domain::{AccountId, Timestamp};
use store::Queries;

use super::{Frozen, freeze};
use crate::agreement::Held;
use crate::{App, Error, Failure};

/// How long ago a month may be that is frozen by itself, months.
pub const MONTHS_BACK_MAX: usize = 24;
/// How long ago a month may be that evidence can still decide, months: the most that an agreement
/// can say, in business days.
const EVIDENCE_MONTHS: usize = 20;
/// Statements of a month that wait for evidence are counted up to this.
const UNDECIDED_MAX: u32 = 1_000;

/// Freezes every month that is to be frozen and was not, the oldest first, since the month before
/// the first account came, which its first invoices wait for, and for [`MONTHS_BACK_MAX`] months:
/// also those whose time came while nobody was there to do it. The answer is which.
///
/// # Errors
/// The first that failed, after all others; it is tried again when this is asked for again.
pub async fn freeze_due(app: &App) -> std::result::Result<Vec<(PersianMonth, Frozen)>, Failure> {
    let this = PersianMonth::of(app.now());
    let mut reads = app.read().await?;
    let first = store::month_statement::lifetimes(&mut reads, AccountId(0), 1).await?;
    let Some(first) = first.first().map(|one| PersianMonth::of(one.created_at)) else {
        return Ok(Vec::new());
    };
    let written = store::month_statement::platform_months(&mut reads).await?;
    drop(reads);
    let mut month = (0..MONTHS_BACK_MAX).fold(this, |month, _| before(month)).max(before(first));
    let (mut done, mut failed) = (Vec::new(), None);
    while month < this {
        if !written.contains(&month) {
            match freeze(app, month).await {
                Ok(frozen) => done.push((month, frozen)),
                Err(Error::Refused(_)) => {}
                Err(Error::Failed(failure)) => {
                    failed.get_or_insert(Failure::because(format!("freezing {month}"), failure));
                }
            }
        }
        month = month.next();
    }
    failed.map_or(Ok(done), Err)
}

/// The month before another one.
pub(super) fn before(month: PersianMonth) -> PersianMonth {
    PersianMonth::of(month.start().plus_us(-1))
}

/// A frozen month that evidence can still decide.
pub(crate) struct Undecided {
    /// Which.
    pub month: PersianMonth,
    /// When it was to be frozen.
    pub since: Timestamp,
    /// When the time for evidence ends, and the low figures stand.
    pub until: Timestamp,
}

/// The frozen months of which statements are undetermined, while evidence can still decide them.
pub(crate) async fn undecided(
    reads: &mut impl Queries,
    now: Timestamp,
) -> Result<Vec<Undecided>, Failure> {
    let held = Held::read(reads).await?;
    let (mut month, mut found) = (PersianMonth::of(now), Vec::new());
    for _ in 0..EVIDENCE_MONTHS {
        month = before(month);
        let parameters = &held.at(month.start()).draft.parameters;
        let until = evidence_until(month, parameters, held.business()).filter(|at| *at > now);
        let Some(until) = until else { continue };
        if store::month_statement::undetermined(reads, month, UNDECIDED_MAX).await? > 0 {
            found.push(Undecided { month, since: frozen_at(month, parameters), until });
        }
    }
    Ok(found)
}
