//! Alerts: looked for again and again, begun and ended in the store, so that every node and the
//! command line tell the same.

use std::collections::BTreeMap;

use domain::Timestamp;
use domain::agreement::alert::{LOOK_BACK_US, NodeWatched, Watched, firing};
use domain::agreement::availability::{Class, Standing, sweep};
use domain::agreement::scope::CoveredPath;
use domain::calendar::span::Span;
pub use store::alert::Alert;

use crate::account::never_refused;
use crate::agreement::at as agreement_at;
use crate::availability::facts;
use crate::chain::{self, Node};
use crate::{App, Failure, Settings};

/// The most alerts that are shown.
const SHOWN_MAX: u32 = 1_000;
/// A part of the whole, parts per million.
const MILLION: u32 = 1_000_000;

/// What holds at this moment, with what it is about, by name. Nothing is written down, so it can
/// also be asked where no server runs any more.
///
/// # Errors
/// The database failed.
pub async fn now(app: &App) -> Result<BTreeMap<String, String>, Failure> {
    Ok(firing(&watched(app, app.settings()).await?))
}

/// Looks what holds, and begins and ends alerts accordingly. Any node may do it; each change is
/// told once, by the node that made it. The answer is the names of those that hold.
///
/// # Errors
/// The database failed.
pub async fn look(app: &App) -> Result<Vec<String>, Failure> {
    let at = app.now();
    let firing = now(app).await?;
    let open = store::alert::since(&mut app.read().await?, Timestamp(i64::MAX), SHOWN_MAX).await?;
    let over = |alert: &&Alert| !firing.contains_key(&alert.name);
    let over: Vec<&str> = open.iter().filter(over).map(|alert| alert.name.as_str()).collect();
    let is_open = |name: &String| open.iter().any(|alert| alert.name == *name);
    let new: Vec<_> = firing.iter().filter(|(name, _)| !is_open(name)).collect();
    if !over.is_empty() || !new.is_empty() {
        let changed = app.write(async |tx| {
            let (mut began, mut ended) = (Vec::new(), Vec::new());
            for (name, detail) in &new {
                if store::alert::begin(tx, name, detail, at).await? {
                    began.push((*name, *detail));
                }
            }
            for name in &over {
                if store::alert::end(tx, name, at).await? {
                    ended.push(*name);
                }
            }
            Ok((began, ended))
        });
        let (began, ended) = changed.await.map_err(never_refused)?;
        for (alert, detail) in began {
            tracing::error!(alert, "an alert: {detail}");
        }
        for alert in ended {
            tracing::warn!(alert, "an alert is over");
        }
    }
    Ok(firing.into_keys().collect())
}

/// The alerts that hold, or held since a moment, the latest first.
///
/// # Errors
/// The database failed.
pub async fn since(app: &App, at: Timestamp) -> Result<Vec<Alert>, Failure> {
    Ok(store::alert::since(&mut app.read().await?, at, SHOWN_MAX).await?)
}

async fn watched(app: &App, settings: &Settings) -> Result<Watched, Failure> {
    let now = app.now();
    let time = Span { from: now.plus_us(-LOOK_BACK_US), to: now };
    let desk = crate::board::alerts(app).await?;
    let mut reads = app.read().await?;
    let parameters = agreement_at(&mut reads, now).await?.draft.parameters;
    let facts = facts(&mut reads, time, &parameters).await?;
    let platform =
        Standing { entitlements: vec![(parameters.paths(), time)], ..Standing::full(None, time) };
    let timeline = sweep(time, &platform, &facts);
    let down = timeline.stretches().iter().filter(|(_, class)| *class == Class::Down);
    let down = down.map(|(span, _)| *span).collect();
    let mut vantages = store::measurement::vantages(&mut reads).await?;
    vantages.retain(|vantage| vantage.removed_at.is_none());
    let mut looked = Vec::new();
    for path in CoveredPath::ALL.into_iter().filter(|_| !vantages.is_empty()) {
        let last = store::measurement::last_look(&mut reads, path).await?;
        // Who was added just now has some time to begin.
        let added = vantages.iter().map(|vantage| vantage.added_at).max();
        looked.push((path, last.max(added), settings.measurement.rules(path).fresh_us));
    }
    let clocks = vantages.iter().filter_map(|one| Some((one.id, one.clock_offset_us?))).collect();
    let node = |node: Node| {
        let Node { name, ahead_us, broken, .. } = node;
        NodeWatched { name, ahead_us, broken }
    };
    let books = store::ledger_audit::last(&mut reads).await?;
    let books = books
        .filter(|audit| audit.violations > 0)
        .map(|audit| format!("{} things do not add up: {}", audit.violations, audit.detail));
    let nodes = chain::nodes(app).await?.into_iter().map(node).collect();
    let budget_ppm = MILLION.saturating_sub(parameters.terms().threshold_ppm);
    Ok(Watched { now, down, budget_ppm, looked, clocks, desk, nodes, books })
}
