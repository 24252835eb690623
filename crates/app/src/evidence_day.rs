//! The many things that were seen on a day, attested together once it is over: the samples of each
//! path, and the intervals that were made of them (I17). What comes late is attested with its day.

use domain::Timestamp;
use domain::agreement::scope::CoveredPath;
use domain::calendar::day::Day;
use store::chain::{self, FORGOTTEN, Fact};
use store::{Queries, Tx};

use crate::account::never_refused;
use crate::{App, Failure};

/// How many days back it is looked whether one was attested: longer than a server is away.
const DAYS_BACK: i32 = 400;
/// A look's time is known to a minute or two: a day that has just ended may still be told of.
const SETTLED_US: i64 = 600_000_000;

/// The days, by their beginning, from that of a moment until a day, without it.
pub(crate) fn between(from: Timestamp, until: Timestamp) -> impl Iterator<Item = Timestamp> {
    let first = Day::of(from);
    (0..DAYS_BACK).map(move |n| first.plus(n).start()).take_while(move |day| *day < until)
}

/// Attests days when this transaction commits.
pub(crate) fn attest(tx: &mut Tx, facts: impl Iterator<Item = Fact>, at: Timestamp) {
    for fact in facts {
        chain::attest(tx, fact, chain::MACHINE, at);
    }
}

/// Attests the samples and intervals of each day that is over and was not attested, since the first
/// sample that is kept. The answer is how many days and paths those were.
///
/// # Errors
/// The database failed.
pub async fn look(app: &App) -> Result<u64, Failure> {
    let now = app.now();
    let today = Day::of(now.plus_us(-SETTLED_US)).start();
    let mut reads = app.read().await?;
    let mut due = Vec::new();
    for path in CoveredPath::ALL {
        let first = store::measurement::first_look(&mut reads, path).await?;
        let Some(first) = first else { continue };
        let from = first.max(Day::of(today).plus(-DAYS_BACK).start());
        for day in between(from, today) {
            for fact in [Fact::Samples(path, day), Fact::Intervals(path, day)] {
                if chain::last_of(&mut reads, &fact.subject()).await?.is_none() {
                    due.push(fact);
                }
            }
        }
    }
    drop(reads);
    for fact in &due {
        let note = async |tx: &mut Tx| {
            let at = chain::now(tx, now).await?;
            attest(tx, [*fact].into_iter(), at);
            Ok(())
        };
        app.write(async |tx| note(tx).await).await.map_err(never_refused)?;
    }
    Ok(due.len() as u64)
}

/// Notes, before samples of a path are forgotten, which of the days that were attested that leaves
/// without them.
pub(crate) async fn forget(app: &App, path: CoveredPath, before: Timestamp) -> Result<(), Failure> {
    let mut reads = app.read().await?;
    let first = store::measurement::first_look(&mut reads, path).await?;
    let Some(first) = first.filter(|first| *first < before) else { return Ok(()) };
    let mut days = Vec::new();
    for day in between(first, before) {
        let attested = Fact::Samples(path, day).subject();
        let subject = forgotten(&attested);
        let is_there = chain::last_of(&mut reads, &attested).await?.is_some();
        if is_there && chain::last_of(&mut reads, &subject).await?.is_none() {
            days.push(subject);
        }
    }
    drop(reads);
    if days.is_empty() {
        return Ok(());
    }
    let note = async |tx: &mut Tx| {
        for subject in &days {
            chain::note(tx, FORGOTTEN, subject, chain::MACHINE, "kept as long as is set".into());
        }
        Ok(())
    };
    app.write(async |tx| note(tx).await).await.map_err(never_refused)
}

/// Whether the samples of a day were forgotten by the rules, so that what is left of them says
/// nothing.
pub(crate) async fn is_forgotten(reads: &mut impl Queries, subject: &str) -> store::Result<bool> {
    Ok(chain::last_of(reads, &forgotten(subject)).await?.is_some())
}

fn forgotten(subject: &str) -> String {
    format!("{FORGOTTEN} {subject}")
}
