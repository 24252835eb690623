//! The map of numbers: where numbers are, as the operator knows it. A customer calls a region of it
//! and sees whom only as the recipients of a campaign; there is no other way to ask it anything.

use domain::campaign::numbers::{CompactNumber, RECIPIENTS_MAX};
use domain::campaign::table::Csv;
pub use domain::campaign::table::Unreadable;
pub use domain::map::{BadRow, ToldRow};
use domain::map::{Position, Region, Survey};
pub use store::map::Map;
use store::map::Placed;
use tokio::sync::Semaphore;

use crate::account::never_refused;
use crate::campaign::Open;
use crate::{App, Error, Failure, Result};

/// Bytes of a file that are read at a time; its rows are kept in one commit, and are not many more
/// than that for one statement each.
const PART: usize = 64 * 1024;
/// Numbers that are removed in one commit.
const REMOVED: u32 = 10_000;
/// Numbers that are read at a time.
const PAGE: u32 = 2_000;
/// Regions are gone through one at a time: each may be as large as the map.
static REGIONS: Semaphore = Semaphore::const_new(1);
/// Regions that are gone through or wait for it. Whoever comes then is to come again, and holds up
/// no request of another kind.
static ASKED: Semaphore = Semaphore::const_new(8);

/// A map that was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Numbers that it has.
    pub numbers: usize,
    /// Rows that are none.
    pub bad: u64,
    /// The first of them.
    pub bad_rows: Vec<ToldRow>,
}

/// Why a map was not imported; the one before it is in force still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportRefusal {
    /// The file is no table.
    Unreadable(Unreadable),
    /// It has no row with a number and its place.
    Empty,
    /// Another import began meanwhile.
    Overtaken,
}

/// Reads a file with a number, its latitude and its longitude in each row, and puts it in force in
/// place of the map before it, all of it at once.
///
/// # Errors
/// Refused as [`ImportRefusal`] says. The file cannot be read; the database failed. Doing it again
/// is safe.
pub async fn import(app: &App, open: &Open) -> Result<Imported, ImportRefusal> {
    let now = app.now();
    let map = app.write(async |tx| Ok(store::map::begin(tx, now).await?)).await;
    let map = map.map_err(never_refused)?;
    tidy(app, map - 1).await?;
    let filled = filled(app, map, open).await;
    if filled.is_err() {
        tidy(app, map).await?;
    }
    let survey = filled?;
    Ok(Imported { numbers: survey.len(), bad: survey.bad, bad_rows: survey.bad_rows })
}

/// Takes the map out of force and removes all its numbers: a map with nobody in it takes its place.
///
/// # Errors
/// Refused with [`ImportRefusal::Overtaken`]; the database failed. Doing it again is safe.
pub async fn remove(app: &App) -> Result<(), ImportRefusal> {
    let now = app.now();
    let removed = app.write(async |tx| {
        let map = store::map::begin(tx, now).await?;
        overtaken(store::map::put_in_force(tx, map, now).await?)?;
        Ok(map)
    });
    tidy(app, removed.await? - 1).await?;
    Ok(())
}

/// Fills in a map from a file and puts it in force.
async fn filled(app: &App, map: i64, open: &Open) -> Result<Survey, ImportRefusal> {
    let failed = |error| Failure::because("reading a map of numbers", error);
    let (mut file, mut csv, mut part) = (open().map_err(failed)?, Csv::default(), vec![0; PART]);
    let mut survey = Survey::default();
    loop {
        let length = file.read(&mut part).map_err(failed)?;
        if length == 0 {
            break;
        }
        csv.feed(&part[..length], &mut |row, cells| survey.push(row, cells));
        add(app, map, survey.take()).await?;
    }
    let ended = csv.finish(&mut |row, cells| survey.push(row, cells));
    ended.map_err(|why| Error::Refused(ImportRefusal::Unreadable(why)))?;
    add(app, map, survey.take()).await?;
    if survey.is_empty() {
        return Err(Error::Refused(ImportRefusal::Empty));
    }
    let now = app.now();
    app.write(async |tx| overtaken(store::map::put_in_force(tx, map, now).await?)).await?;
    Ok(survey)
}

async fn add(
    app: &App,
    map: i64,
    found: Vec<(CompactNumber, Position)>,
) -> Result<(), ImportRefusal> {
    if found.is_empty() {
        return Ok(());
    }
    let placed = |(number, position)| Placed { number, position };
    let found: Vec<Placed> = found.into_iter().map(placed).collect();
    app.write(async |tx| overtaken(store::map::add(tx, map, &found).await?)).await
}

fn overtaken(done: bool) -> Result<(), ImportRefusal> {
    if done { Ok(()) } else { Err(Error::Refused(ImportRefusal::Overtaken)) }
}

/// Removes what is needed no more of the versions up to `last`.
async fn tidy(app: &App, last: i64) -> std::result::Result<(), Failure> {
    loop {
        let more = app.write(async |tx| Ok(store::map::tidy(tx, last, REMOVED).await?)).await;
        if !more.map_err(never_refused)? {
            return Ok(());
        }
    }
}

/// The map in force, of which only its time and its size are told.
///
/// # Errors
/// The database failed.
pub async fn current(app: &App) -> std::result::Result<Option<Map>, Failure> {
    Ok(store::map::current(&mut app.read().await?).await?)
}

/// The numbers within a region of the map in force, from south to north; none without a map.
///
/// # Errors
/// The database failed.
pub(crate) async fn within(
    app: &App,
    region: &Region,
) -> std::result::Result<Vec<CompactNumber>, Failure> {
    let _few_wait = ASKED
        .try_acquire()
        .map_err(|error| Failure::because("finding a region beside so many others", error))?;
    let _one_at_a_time = REGIONS
        .acquire()
        .await
        .map_err(|error| Failure::because("waiting for another region to be found", error))?;
    let mut reads = app.read().await?;
    let Some(map) = store::map::current(&mut reads).await? else { return Ok(Vec::new()) };
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store::map::around(&mut reads, map.id, region, after, PAGE).await?;
        let inside = page.iter().filter(|placed| region.contains(placed.position));
        found.extend(inside.map(|placed| placed.number));
        after = page.last().copied();
        // More than a campaign takes are as many as too many.
        if page.len() < PAGE as usize || found.len() > RECIPIENTS_MAX as usize {
            break;
        }
    }
    // Two imports later its rows are removed, and a region of what is left is none.
    if !store::map::is_whole(&mut reads, &map).await? {
        return Err(Failure::of("finding a region: the map was replaced twice meanwhile"));
    }
    Ok(found)
}
