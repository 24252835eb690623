//! Tariffs in memory. A tariff never changes once it is stored, so one that is known by its id is
//! known for good; which one is in force is asked again every few seconds, since a new one may be
//! stored by another process, and a charge always uses the tariff that its send was accepted with.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::{Tariff, TariffId, Timestamp};

use crate::{App, Failure};

/// How long the answer "this tariff is in force" is believed, in milliseconds. A tariff stored
/// with a start in the past or within this time takes effect up to this much later.
const FRESH_MS: i64 = 5_000;

/// What is known of tariffs.
#[derive(Debug, Default)]
pub(crate) struct Prices {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_id: BTreeMap<TariffId, Tariff>,
    in_force: Option<(Tariff, Timestamp)>,
}

impl Prices {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tariff in force at `now`, which is about the present.
pub(crate) async fn in_force(app: &App, now: Timestamp) -> Result<Tariff, Failure> {
    if let Some((tariff, asked_at)) = app.prices().known().in_force
        && (0..FRESH_MS * 1000).contains(&now.us_since(asked_at))
    {
        return Ok(tariff);
    }
    let mut reads = app.read().await?;
    let tariff = store::tariff::current(&mut reads, now)
        .await?
        .ok_or_else(|| Failure::of("looking for the tariff in force: there is none"))?;
    app.prices().known().in_force = Some((tariff, now));
    Ok(tariff)
}

/// The tariff `id`, which a send refers to.
pub(crate) async fn by_id(app: &App, id: TariffId) -> Result<Tariff, Failure> {
    if let Some(tariff) = app.prices().known().by_id.get(&id) {
        return Ok(*tariff);
    }
    let mut reads = app.read().await?;
    let tariff = store::tariff::find(&mut reads, id)
        .await?
        .ok_or_else(|| Failure::of(format!("looking for tariff {id}: there is none")))?;
    app.prices().known().by_id.insert(id, tariff);
    Ok(tariff)
}
