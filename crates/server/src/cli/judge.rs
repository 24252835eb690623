//! `avanak judge`: whether every call was lawful, by the log.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use app::{App, Error};
use clap::Args;
use domain::calendar::date_time::Written;
use domain::judge::Report;
use domain::{AccountId, CampaignId, Timestamp};
use serde_json::{Value, json};

use super::{open, say};
use crate::config::Config;

/// Judge what was called: that no call left the hours of its class, or the days and hours that its
/// campaign had then, none went to a number that had opted out,
/// caps were held and nobody was called twice at once. Reads the log and what is stored, and shares
/// no decision with the dialer. Fails when it finds a violation.
#[derive(Debug, Args)]
pub struct Judge {
    /// Tell of this campaign alone; calls of others to its numbers are heard all the same.
    #[arg(long)]
    campaign: Option<i64>,
    /// Judge what was decided from this moment on, on Tehran's clock, like `2026-12-01 00:00`;
    /// without it, everything.
    #[arg(long, value_name = "MOMENT")]
    since: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Violations of a report that are shown as text.
const SHOWN: usize = 20;

/// Runs the command.
pub async fn run(config: &Config, asked: &Judge) -> Result<ExitCode> {
    let app = open::app(config).await?;
    let since = match &asked.since {
        None => Timestamp(0),
        Some(text) => {
            let written = Written::parse(text);
            let at = written.and_then(|written| written.at_second(written.second().unwrap_or(0)));
            at.with_context(|| format!("{text} is no moment; write it like 2026-12-01 00:00"))?
        }
    };
    let reports = match asked.campaign.map(CampaignId) {
        // Of a part of its time, all is gone through; else the log is read from its first call on.
        Some(campaign) if asked.since.is_none() => of_campaign(&app, campaign).await?,
        Some(campaign) => {
            owner(&app, campaign).await?;
            let mut reports = app::judge::judge(&app, since).await.map_err(open::failed)?;
            let report = reports.remove(&Some(campaign)).unwrap_or_default();
            BTreeMap::from([(Some(campaign), report)])
        }
        None => app::judge::judge(&app, since).await.map_err(open::failed)?,
    };
    let clean = reports.values().all(Report::is_clean);
    if asked.json {
        let shown: Vec<Value> = reports.iter().map(|(of, report)| as_json(*of, report)).collect();
        say(&json!({ "clean": clean, "reports": shown }).to_string())?;
    } else {
        reports.iter().try_for_each(|(of, report)| as_text(*of, report))?;
        say(if clean { "no violation" } else { "there are violations" })?;
    }
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn owner(app: &App, campaign: CampaignId) -> Result<AccountId> {
    let owner = app::campaign::owner(app, campaign).await.map_err(open::failed)?;
    owner.with_context(|| format!("there is no campaign {campaign}"))
}

async fn of_campaign(
    app: &App,
    campaign: CampaignId,
) -> Result<BTreeMap<Option<CampaignId>, Report>> {
    let account = owner(app, campaign).await?;
    match app::judge::of_campaign(app, account, campaign).await {
        Ok(judged) => Ok(BTreeMap::from([(Some(campaign), judged.report)])),
        Err(Error::Failed(failure)) => Err(open::failed(failure)),
        Err(Error::Refused(refusal)) => bail!("it was not judged: {refusal:?}"),
    }
}

fn as_json(of: Option<CampaignId>, report: &Report) -> Value {
    let violations: serde_json::Map<String, Value> = report
        .violations
        .iter()
        .map(|(kind, count)| (kind.word().to_owned(), json!(count)))
        .collect();
    let told: Vec<Value> = report
        .told
        .iter()
        .map(|(send, n, kind)| json!({ "send": send.0, "attempt": n, "violation": kind.word() }))
        .collect();
    json!({
        "campaign_id": of.map(|campaign| campaign.0),
        "clean": report.is_clean(),
        "allowed": report.allowed,
        "lost": report.lost,
        "barred": report.barred,
        "violations": violations,
        "told": told,
    })
}

fn as_text(of: Option<CampaignId>, report: &Report) -> Result<()> {
    let of = of.map_or_else(
        || String::from("sends of no campaign"),
        |campaign| format!("campaign {campaign}"),
    );
    let barred: Vec<String> =
        report.barred.iter().map(|(cause, count)| format!(", {count} {cause}")).collect();
    let verdict = if report.is_clean() { "clean" } else { "VIOLATIONS" };
    let lost = match report.lost {
        0 => String::new(),
        lost => format!(", {lost} of them lost with their process and unknown"),
    };
    say(&format!("{of}: {verdict}; {} attempts{lost}{}", report.allowed, barred.concat()))?;
    for (kind, count) in &report.violations {
        say(&format!("{count:>9}  {}", kind.word()))?;
    }
    for (send, n, kind) in report.told.iter().take(SHOWN) {
        say(&format!("           send {send}, attempt {n}: {}", kind.word()))?;
    }
    Ok(())
}
