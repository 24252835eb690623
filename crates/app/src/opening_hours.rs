//! The hours of the desk's calendars: those of the agreement, as the operator has changed them in
//! versions that hold from a day on.

use domain::calendar::day::Day;
use domain::calendar::opening_hours::{CalendarKind, HoursRefusal, OpeningHours, read_rest_days};
use domain::class::read_windows;
use store::Queries;
pub use store::opening_hours::Entered;

use crate::{App, Error, Failure, Result};

/// Longest name of who writes hours down, bytes.
const NAME_MAX: usize = 200;

/// Why hours were not written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpeningHoursRefusal {
    /// What is written is no hours, or no days of the week.
    Unreadable,
    /// They cannot be hours, or not from that day on.
    Rule(HoursRefusal),
    /// A name is missing or too long.
    Name,
    /// Somebody else wrote some down at this moment.
    Meanwhile,
}

/// What is to hold from a day on, as the operator writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHours {
    /// From which day on.
    pub valid_from: Day,
    /// The weekly days of rest, with commas between; or `none`.
    pub rest_days: String,
    /// The windows of ordinary days, like `08:30-14:00,14:45-24:00`; or `none`.
    pub ordinary: String,
    /// The windows of off days.
    pub off: String,
}

/// The versions of a calendar, that of the agreement first.
///
/// # Errors
/// The database failed.
pub async fn list(app: &App, kind: CalendarKind) -> std::result::Result<Vec<Entered>, Failure> {
    Ok(entered(&mut app.read().await?, kind).await?)
}

/// Writes hours down.
///
/// # Errors
/// Refused as [`OpeningHoursRefusal`] says.
pub async fn add(
    app: &App,
    kind: CalendarKind,
    new: &NewHours,
    actor: &str,
) -> Result<OpeningHours, OpeningHoursRefusal> {
    let refused = |refusal| Error::Refused(refusal);
    if !crate::error::is_said(actor, NAME_MAX) {
        return Err(refused(OpeningHoursRefusal::Name));
    }
    let rest_days = read_rest_days(&new.rest_days);
    let windows = read_windows(&new.ordinary).zip(read_windows(&new.off));
    let read = rest_days.zip(windows);
    let (rest_days, (ordinary, off)) = read.ok_or(refused(OpeningHoursRefusal::Unreadable))?;
    let now = app.now();
    app.write(async |tx| {
        let rule = |rule| Error::Refused(OpeningHoursRefusal::Rule(rule));
        let before = versions(tx, kind).await?;
        let number = before.last().map_or(1, OpeningHours::number) + 1;
        let hours = OpeningHours::new(number, new.valid_from, &rest_days, &ordinary, &off);
        let hours = hours.map_err(rule)?;
        hours.may_follow(&before, now).map_err(rule)?;
        match store::opening_hours::insert(tx, kind, &hours, (now, actor)).await {
            Err(store::Error::Conflict(_)) => Err(Error::Refused(OpeningHoursRefusal::Meanwhile)),
            inserted => {
                inserted?;
                Ok(hours)
            }
        }
    })
    .await
}

async fn entered(reads: &mut impl Queries, kind: CalendarKind) -> store::Result<Vec<Entered>> {
    let mut all = vec![Entered { hours: OpeningHours::of_the_agreement(kind), by: None }];
    all.extend(store::opening_hours::of_kind(reads, kind).await?);
    Ok(all)
}

/// The versions of a calendar, in order.
pub(crate) async fn versions(
    reads: &mut impl Queries,
    kind: CalendarKind,
) -> store::Result<Vec<OpeningHours>> {
    Ok(entered(reads, kind).await?.into_iter().map(|one| one.hours).collect())
}
