//! `avanak alerts`: what has to be told at once.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use domain::calendar::jalali::gregorian_date_time;
use serde_json::json;

use super::{open, say};
use crate::config::Config;

/// Days of alerts that are over which are shown.
const DAYS: i64 = 30;
/// A day, microseconds.
const DAY_US: i64 = 86_400_000_000;

/// What has to be told at once: the budget of downtime burns too fast, nobody looks at a path any
/// more, a clock is wrong, something of the desk is missed or due soon. It is judged at this
/// moment, also when no server runs, and fails when something holds; so a timer on another machine
/// can watch the watch.
#[derive(Debug, Args)]
pub struct Alerts {
    /// Show those of the last 30 days, too.
    #[arg(long)]
    all: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn run(config: &Config, command: Alerts) -> Result<ExitCode> {
    let app = open::app(config).await?;
    let holds = app::alert::now(&app).await.map_err(open::failed)?;
    let since = if command.all { app.now().plus_us(-DAYS * DAY_US) } else { app.now() };
    let kept = app::alert::since(&app, since).await.map_err(open::failed)?;
    let began = |name: &str| {
        let open = kept.iter().find(|alert| alert.name == name && alert.ended_at.is_none());
        open.map(|alert| gregorian_date_time(alert.began_at))
    };
    let over = kept.iter().filter(|alert| command.all && alert.ended_at.is_some());
    if command.json {
        let holding: Vec<_> = holds
            .iter()
            .map(|(name, detail)| json!({ "name": name, "detail": detail, "since": began(name) }))
            .collect();
        let over: Vec<_> = over
            .map(|alert| {
                json!({ "name": alert.name, "detail": alert.detail,
                        "since": gregorian_date_time(alert.began_at),
                        "until": alert.ended_at.map(gregorian_date_time) })
            })
            .collect();
        say(&json!({ "holding": holding, "over": over }).to_string())?;
    } else {
        for (name, detail) in &holds {
            let since = began(name).map_or(String::new(), |at| format!("  since {at}"));
            say(&format!("{name}  {detail}{since}"))?;
        }
        for alert in over {
            let until = alert.ended_at.map_or(String::new(), gregorian_date_time);
            let (name, detail) = (&alert.name, &alert.detail);
            say(&format!("over  {name}  {detail}  until {until}"))?;
        }
        if holds.is_empty() {
            say("nothing has to be told")?;
        }
    }
    Ok(if holds.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
