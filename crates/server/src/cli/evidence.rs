//! `avanak availability evidence`: what a figure opens to.

use anyhow::{Context as _, Result};
use app::App;
use app::interval::PathEvidence;
use app::outage::Outage;
use domain::agreement::state_interval::PathState;
use domain::calendar::date_time::Period;
use domain::calendar::jalali::rfc3339;
use domain::calendar::span::Span;
use serde_json::{Value, json};

use super::{open, say};

/// Shows the intervals of each path in a time, the outages of it, and what they were made of.
pub async fn show(app: &App, from: &str, to: &str, json: bool) -> Result<()> {
    let period = Period::parse(from, to).context("it ends after it begins; 2026-12-01 10:00")?;
    let time = Span { from: period.from, to: period.to };
    let paths = app::interval::evidence(app, time).await.map_err(open::failed)?;
    let outages = app::outage::list(app, time).await.map_err(open::failed)?;
    if json {
        let paths: Vec<Value> = paths.iter().map(path_json).collect();
        let outages: Vec<Value> = outages.iter().map(super::outage::as_json).collect();
        return say(&json!({ "paths": paths, "outages": outages }).to_string());
    }
    for path in &paths {
        path_lines(path)?;
    }
    outages.iter().try_for_each(|outage: &Outage| say(&super::outage::line(outage)))
}

fn path_lines(evidence: &PathEvidence) -> Result<()> {
    let path = evidence.path.word();
    for state in PathState::ALL {
        for span in evidence.intervals.of(state) {
            let (from, to) = (rfc3339(span.from), rfc3339(span.to));
            say(&format!("{path}  {}  {from} – {to}", state.word()))?;
        }
    }
    for tally in &evidence.tallies {
        let (vantage, worked, failed) = (tally.vantage, tally.worked, tally.failed);
        say(&format!("{path}  vantage {vantage} saw {worked} times that it worked, {failed} not"))?;
    }
    let failed: u64 = evidence.failing().map(|minute| minute.failed).sum();
    let served = evidence.served();
    say(&format!("{path}  {served} requests of customers were served, {failed} failed"))
}

fn path_json(evidence: &PathEvidence) -> Value {
    let spans = |state: PathState| -> Vec<Value> {
        let spans = evidence.intervals.of(state).iter();
        spans.map(|one| json!({ "from": rfc3339(one.from), "to": rfc3339(one.to) })).collect()
    };
    let tallies = evidence.tallies.iter().map(|tally| {
        json!({ "vantage": tally.vantage.0, "worked": tally.worked, "failed": tally.failed })
    });
    let failing = evidence
        .failing()
        .map(|minute| json!({ "minute": rfc3339(minute.from), "failed": minute.failed }));
    json!({
        "path": evidence.path.word(),
        "up": spans(PathState::Up),
        "down": spans(PathState::Down),
        "suspect": spans(PathState::Suspect),
        "vantages": tallies.collect::<Vec<_>>(),
        "requests_served": evidence.served(),
        "requests_failing": failing.collect::<Vec<_>>(),
    })
}
