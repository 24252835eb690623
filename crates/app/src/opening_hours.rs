//! The hours of the desk's calendars: those of the agreement, as the operator has changed them in
//! versions that hold from a day on.

use domain::Timestamp;
use domain::agreement::version::{Version, falls_short};
use domain::calendar::day::Day;
use domain::calendar::opening_hours::{CalendarKind, HoursRefusal, OpeningHours, read_rest_days};
use domain::class::read_windows;
pub use store::opening_hours::Entered;
use store::opening_hours::of_agreement;
use store::{Queries, Tx};

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
    /// From this day on the agreement promises more, or deadlines that end sooner. A version of it
    /// that says so is published first.
    Promised(Day),
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

/// The versions of a calendar, that of the agreement first; also what was taken back.
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
        let known = entered(tx, kind).await?;
        let number = known.last().map_or(1, |last| last.hours.number()) + 1;
        let mut standing = standing(known);
        let hours = OpeningHours::new(number, new.valid_from, &rest_days, &ordinary, &off);
        let hours = hours.map_err(rule)?;
        hours.may_follow(&standing, now).map_err(rule)?;
        standing.push(hours.clone());
        keeps(tx, kind, &standing, new.valid_from).await?;
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

/// Takes a version back that begins a day from now at the earliest: then those before it go on.
///
/// # Errors
/// Refused when it begins sooner, there is none of that number that stands, or the agreement
/// promises more than those before it.
pub async fn withdraw(
    app: &App,
    kind: CalendarKind,
    number: u32,
    actor: &str,
) -> Result<(), OpeningHoursRefusal> {
    if !crate::error::is_said(actor, NAME_MAX) {
        return Err(Error::Refused(OpeningHoursRefusal::Name));
    }
    let now = app.now();
    app.write(async |tx| {
        let rule = |rule| Error::Refused(OpeningHoursRefusal::Rule(rule));
        let mut standing = standing(entered(tx, kind).await?);
        // That of the agreement is the program's.
        let place = standing.iter().skip(1).position(|hours| hours.number() == number);
        let hours = standing.remove(1 + place.ok_or(rule(HoursRefusal::Unknown))?);
        hours.may_be_withdrawn(now).map_err(rule)?;
        keeps(tx, kind, &standing, hours.valid_from()).await?;
        if store::opening_hours::withdraw(tx, kind, number, (now, actor)).await? {
            Ok(())
        } else {
            Err(Error::Refused(OpeningHoursRefusal::Meanwhile))
        }
    })
    .await
}

/// Refuses hours that give less than the agreement promises from a day on.
async fn keeps(
    reads: &mut impl Queries,
    kind: CalendarKind,
    standing: &[OpeningHours],
    from: Day,
) -> Result<(), OpeningHoursRefusal> {
    let agreements: Vec<Version> =
        crate::agreement::all(reads).await?.into_iter().map(|kept| kept.version).collect();
    let short = falls_short(&agreements, kind, standing, from.start());
    short.map_or(Ok(()), |day| Err(Error::Refused(OpeningHoursRefusal::Promised(day))))
}

/// Writes down the hours that a version of the agreement says, from its first day on, if those
/// that stand give less. The answer is the first day on which they would do so all the same.
pub(crate) async fn follow(
    tx: &mut Tx,
    kind: CalendarKind,
    versions: &[Version],
    version: &Version,
    now: Timestamp,
) -> store::Result<Option<Day>> {
    let begins = version.draft.effective_from;
    let known = entered(tx, kind).await?;
    let number = known.last().map_or(1, |last| last.hours.number()) + 1;
    let mut standing = standing(known);
    let short = falls_short(versions, kind, &standing, begins);
    let (Some(_), day) = (short, Day::of(begins)) else { return Ok(None) };
    let hours = version.draft.parameters.hours(kind).beginning(number, day);
    if day.start() != begins || hours.may_follow(&standing, now).is_err() {
        return Ok(short);
    }
    let actor = of_agreement(version.number);
    store::opening_hours::insert(tx, kind, &hours, (now, &actor)).await?;
    standing.push(hours);
    Ok(falls_short(versions, kind, &standing, begins))
}

/// Takes the hours back that came with a version of the agreement, which is taken back. The answer
/// is the first day on which the others give less than those versions that stand promise.
pub(crate) async fn go_back(
    tx: &mut Tx,
    kind: CalendarKind,
    versions: &[Version],
    version: &Version,
    now: Timestamp,
) -> store::Result<Option<Day>> {
    let actor = of_agreement(version.number);
    let mut known = entered(tx, kind).await?;
    let theirs = known.iter_mut().find(|one| one.came_with(version.number));
    if let Some(theirs) = theirs.filter(|one| one.hours.may_be_withdrawn(now).is_ok()) {
        theirs.withdrawn = Some((now, actor.clone()));
        let number = theirs.hours.number();
        store::opening_hours::withdraw(tx, kind, number, (now, &actor)).await?;
    }
    Ok(falls_short(versions, kind, &standing(known), version.draft.effective_from))
}

/// Those that were not taken back.
fn standing(entered: Vec<Entered>) -> Vec<OpeningHours> {
    let standing = entered.into_iter().filter(|one| one.withdrawn.is_none());
    standing.map(|one| one.hours).collect()
}

async fn entered(reads: &mut impl Queries, kind: CalendarKind) -> store::Result<Vec<Entered>> {
    let hours = OpeningHours::of_the_agreement(kind);
    let mut all = vec![Entered { hours, by: None, withdrawn: None }];
    all.extend(store::opening_hours::of_kind(reads, kind).await?);
    Ok(all)
}

/// The versions of a calendar that stand, in order.
pub(crate) async fn versions(
    reads: &mut impl Queries,
    kind: CalendarKind,
) -> store::Result<Vec<OpeningHours>> {
    Ok(standing(entered(reads, kind).await?))
}
