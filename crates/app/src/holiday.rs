//! The public holidays: those of the program, as the operator has changed them. Whatever judges by
//! days reads them here, or from the rules in memory (`class`).

use domain::calendar::day::Day;
use domain::calendar::holiday::{
    Holiday, HolidayBasis, HolidayStatus, Holidays, ImportPlan, NAME_MAX,
};
use store::Queries;

use crate::account::never_refused;
use crate::{App, Error, Failure, Result};

/// Why a holiday was not entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HolidayRefusal {
    /// A name is missing, longer than 200 bytes, or has something in it that is not written.
    WrongName,
    /// There is none of that day and name to be withdrawn.
    NoSuchHoliday,
}

/// The holidays as they are now.
///
/// # Errors
/// The database failed.
pub async fn list(app: &App) -> std::result::Result<Holidays, Failure> {
    Ok(read(&mut app.read().await?).await?)
}

/// The holidays, with when each was entered.
pub(crate) async fn read(reads: &mut impl Queries) -> store::Result<Holidays> {
    Ok(Holidays::shipped_with(store::holiday::all(reads).await?))
}

/// Enters a holiday from now on, or changes the one of its day and name. Running servers know
/// within a second or two; what was judged before stays as it was.
///
/// # Errors
/// Refused when its name is none.
pub async fn put(app: &App, holiday: &Holiday) -> Result<(), HolidayRefusal> {
    let is_written = |name: &str| name.len() <= NAME_MAX && !name.contains(char::is_control);
    let named = !holiday.name.trim().is_empty();
    if !named || !is_written(&holiday.name) || !is_written(&holiday.name_en) {
        return Err(Error::Refused(HolidayRefusal::WrongName));
    }
    let now = app.now();
    app.write(async |tx| Ok(store::holiday::insert(tx, holiday, now).await?)).await
}

/// Says that a day is no holiday by this name from now on; that it was entered stays to be seen.
///
/// # Errors
/// Refused when there is none.
pub async fn withdraw(app: &App, day: Day, name: &str) -> Result<(), HolidayRefusal> {
    let now = app.now();
    app.write(async |tx| {
        let holidays = read(tx).await?;
        let known = holidays.on(day).into_iter().find(|holiday| holiday.name == name);
        let known = known.filter(|holiday| holiday.status != HolidayStatus::Withdrawn);
        let known = known.ok_or(Error::Refused(HolidayRefusal::NoSuchHoliday))?;
        let (status, basis) = (HolidayStatus::Withdrawn, HolidayBasis::Operator);
        let withdrawn = Holiday { status, basis, ..known.clone() };
        Ok(store::holiday::insert(tx, &withdrawn, now).await?)
    })
    .await
}

/// Enters those of a list that nothing here speaks against, and tells which others a person has to
/// decide; `dry_run` enters none.
///
/// # Errors
/// The database failed.
pub async fn import(
    app: &App,
    list: Vec<Holiday>,
    dry_run: bool,
) -> std::result::Result<ImportPlan, Failure> {
    let now = app.now();
    let done = app.write(async |tx| {
        let plan = read(tx).await?.plan_import(list.clone());
        if !dry_run {
            for holiday in &plan.new {
                store::holiday::insert(tx, holiday, now).await?;
            }
        }
        Ok(plan)
    });
    done.await.map_err(never_refused)
}
