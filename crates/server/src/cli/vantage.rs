//! `avanak vantage …`: the places from which the service is looked at.

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use app::App;
use app::measurement::{KeptSample, Vantage as Kept, VantageRefusal};
use clap::Subcommand;
use domain::agreement::scope::CoveredPath;
use domain::calendar::jalali::{gregorian_date_time, rfc3339};
use domain::calendar::span::Span;
use domain::{AccountId, VantageId};
use serde_json::json;

use super::{moment, open, say};
use crate::config::Config;

/// What can be done with vantage points. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum Vantage {
    /// Add one, with a token of its own: for `probe.token` there, or for `measurement.token` of
    /// this server.
    Add {
        /// Its name, like `tehran-1`.
        name: String,
        /// The account in whose sandbox it calls: one of your own.
        #[arg(long)]
        account: i64,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Remove one: its token opens nothing any more. What it saw stays.
    Remove {
        /// Its number.
        id: i64,
    },
    /// Show what they saw of a path in a time, look by look.
    Samples {
        /// The path: panel, api, quick-send or campaign.
        #[arg(long)]
        path: String,
        /// Since when, on Tehran's clock, like `1405/08/10 10:00`.
        #[arg(long, value_name = "MOMENT")]
        from: String,
        /// Until when; without it, now.
        #[arg(long, value_name = "MOMENT")]
        to: Option<String>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show them, and when each was last heard.
    List {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
pub async fn run(config: &Config, command: Vantage) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Vantage::Add { name, account, json } => add(&app, &name, AccountId(account), json).await?,
        Vantage::Remove { id } => {
            let removed = app::measurement::remove_vantage(&app, VantageId(id)).await;
            if !removed.map_err(open::failed)? {
                bail!("there is no vantage point {id}");
            }
            say(&format!("vantage point {id} is removed"))?;
        }
        Vantage::Samples { path, from, to, json } => {
            let path = CoveredPath::parse(&path);
            let path = path.context("a path is panel, api, quick-send or campaign")?;
            let to = to.as_deref().map_or(Ok(app.now().plus_us(1)), moment)?;
            let time = Span::new(moment(&from)?, to).context("it ends after it begins")?;
            samples(&app, path, time, json).await?;
        }
        Vantage::List { json } => list(&app, json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(app: &App, name: &str, account: AccountId, json: bool) -> Result<()> {
    let added = app::measurement::add_vantage(app, account, name).await;
    let why = |refusal| match refusal {
        VantageRefusal::Name => anyhow!("that is no name"),
        VantageRefusal::NameTaken => anyhow!("{name} is there already"),
        VantageRefusal::NoSuchAccount => anyhow!("there is no such account"),
    };
    let added = added.map_err(|error| open::refused(error, why))?;
    let (id, account, token) = (added.id, added.account, added.token.secret);
    if json {
        let shown = json!({ "vantage": id.0, "account_id": account.0, "token": token });
        return say(&shown.to_string());
    }
    say(&format!("vantage point {id}, sandbox account {account}"))?;
    say(&format!("token   {token}   (shown only now)"))
}

async fn samples(app: &App, path: CoveredPath, time: Span, json: bool) -> Result<()> {
    let samples = app::measurement::samples(app, (path, None), time).await.map_err(open::failed)?;
    if json {
        let shown: Vec<_> = samples.iter().map(sample_json).collect();
        return say(&json!({ "samples": shown }).to_string());
    }
    samples.iter().try_for_each(|one| {
        let (at, vantage) = (rfc3339(one.sample.at), one.sample.vantage);
        let came = if one.sample.worked { "worked" } else { "FAILED" };
        let why = one.error.as_deref().map_or(String::new(), |why| format!("  {why}"));
        say(&format!("{at}  vantage {vantage}  {came} after {} ms{why}", one.latency_us / 1_000))
    })
}

fn sample_json(one: &KeptSample) -> serde_json::Value {
    json!({
        "vantage": one.sample.vantage.0,
        "run": one.name.0,
        "number": one.name.1,
        "path": one.path.word(),
        "at": rfc3339(one.sample.at),
        "at_us": one.sample.at.0,
        "worked": one.sample.worked,
        "latency_ms": one.latency_us / 1_000,
        "clock_offset_ms": one.sample.clock_offset_us / 1_000,
        "error": one.error,
        "received_at": rfc3339(one.received_at),
        "received_at_us": one.received_at.0,
    })
}

async fn list(app: &App, json: bool) -> Result<()> {
    let mut vantages = app::measurement::vantages(app).await.map_err(open::failed)?;
    vantages.retain(|vantage| vantage.removed_at.is_none());
    if json {
        let shown: Vec<_> = vantages.iter().map(as_json).collect();
        return say(&json!({ "vantages": shown }).to_string());
    }
    vantages.iter().try_for_each(|vantage| {
        let heard = vantage.heard_at.map_or(String::from("never"), gregorian_date_time);
        let clock = vantage
            .clock_offset_us
            .map_or(String::new(), |us| format!("  its clock is {} ms ahead", us / 1_000));
        say(&format!("{}  {}  last heard {heard}{clock}", vantage.id, vantage.name))
    })
}

fn as_json(vantage: &Kept) -> serde_json::Value {
    json!({
        "vantage": vantage.id.0,
        "name": vantage.name,
        "added_at": gregorian_date_time(vantage.added_at),
        "heard_at": vantage.heard_at.map(gregorian_date_time),
        "clock_offset_ms": vantage.clock_offset_us.map(|us| us / 1_000),
    })
}
