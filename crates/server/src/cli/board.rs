//! `avanak board`: every clock of the desk that runs.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use domain::agreement::board::{Entry, Urgency};
use domain::calendar::day::due_text;
use domain::calendar::jalali::gregorian_date_time;
use serde_json::{Value, json};

use super::{may_move, open, say};
use crate::config::Config;

/// The manager's board: every clock that runs, of tickets, reported errors, callbacks, claims,
/// notices of maintenance and disputes, by when it is due, with who has it.
#[derive(Debug, Args)]
pub struct Board {
    /// Only what this expert has.
    #[arg(long)]
    holder: Option<String>,
    /// Only what is missed, or has a quarter of its time left or less.
    #[arg(long)]
    urgent: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn run(config: &Config, command: Board) -> Result<ExitCode> {
    let app = open::app(config).await?;
    let all = app::board::show(&app).await.map_err(open::failed)?;
    let of = |entry: &&Entry| {
        let theirs = command.holder.is_none() || entry.holder == command.holder;
        let close = matches!(entry.urgency, Urgency::Missed | Urgency::Soon);
        theirs && (close || !command.urgent)
    };
    let shown = all.iter().filter(of);
    if command.json {
        let shown: Vec<Value> = shown.map(as_json).collect();
        say(&json!({ "clocks": shown }).to_string())?;
    } else {
        shown.clone().try_for_each(|entry| say(&line(entry)))?;
        if shown.count() == 0 {
            say("no clock runs")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(entry: &Entry) -> String {
    let whose = entry.account.map_or(String::new(), |account| format!("  account {account}"));
    let holder = entry.holder.as_deref().map_or(String::new(), |name| format!("  {name}"));
    let due = entry.due.map_or(String::from("  no deadline"), |at| format!("  {}", due_text(at)));
    let act_by = entry.act_by.filter(|by| Some(*by) != entry.due);
    let act_by = act_by.map_or(String::new(), |at| format!(" (act by {})", due_text(at)));
    let (urgency, subject) = (entry.urgency.word(), entry.subject.word());
    let moves = may_move(entry.may_move);
    format!("{urgency}  {subject} {}{due}{act_by}{moves}{whose}{holder}", entry.id)
}

fn as_json(entry: &Entry) -> Value {
    json!({
        "clock": entry.subject.word(),
        "id": entry.id,
        "account": entry.account.map(|account| account.0),
        "holder": entry.holder,
        "state": entry.urgency.word(),
        "since": gregorian_date_time(entry.since),
        "due_at": entry.due.map(gregorian_date_time),
        "may_move": entry.may_move,
        "act_by": entry.act_by.map(gregorian_date_time),
    })
}
