//! `avanak oversight …`: what the manager who oversees the agreement is told of.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use app::oversight::{NotManager, Notice};
use clap::Subcommand;
use domain::calendar::day::due_text;
use domain::calendar::jalali::gregorian_date_time;
use serde_json::{Value, json};

use super::{open, say};
use crate::config::Config;

/// What the manager receives: each clock of the board that comes near its end or misses it, and
/// each entry of the ledger of violations, with who oversaw then. The running server notes it each
/// half minute; a list goes on after the last number that was read, so that nothing is read twice
/// and nothing is missed.
#[derive(Debug, Subcommand)]
pub enum Oversight {
    /// Show what was noted, in order.
    List {
        /// What came after this number.
        #[arg(long, default_value_t = 0)]
        after: i64,
        /// Only what nobody has said to have seen.
        #[arg(long)]
        unseen: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Say that everything up to a number was seen.
    Seen {
        /// The number.
        #[arg(long)]
        up_to: i64,
        /// The manager, or his deputy within his time.
        #[arg(long)]
        by: String,
    },
}

/// Runs the command.
pub async fn run(config: &Config, command: Oversight) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Oversight::List { after, unseen, json } => {
            let limit = app::oversight::PAGE_MAX;
            let mut all = app::oversight::after(&app, after, limit).await.map_err(open::failed)?;
            all.retain(|notice| !unseen || notice.seen.is_none());
            if json {
                let shown: Vec<Value> = all.iter().map(as_json).collect();
                say(&json!({ "notices": shown }).to_string())?;
            } else {
                all.iter().try_for_each(|notice| say(&line(notice)))?;
                if all.is_empty() {
                    say("nothing was noted after that")?;
                }
            }
        }
        Oversight::Seen { up_to, by } => {
            let seen = app::oversight::see(&app, up_to, &by).await;
            let seen = seen.map_err(|error| {
                open::refused(error, |NotManager| {
                    anyhow!("only the manager says so, or his deputy; see `avanak staff list`")
                })
            })?;
            say(&format!("{seen} are seen"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(notice: &Notice) -> String {
    let Notice { id, kind, subject, item, .. } = notice;
    let due = notice.due.map_or(String::new(), |at| format!("  {}", due_text(at)));
    let whose = notice.account.map_or(String::new(), |account| format!("  account {account}"));
    let holder = notice.holder.as_deref().map_or(String::new(), |name| format!("  {name}"));
    let told = if notice.told.is_empty() { "nobody" } else { &notice.told };
    let seen = notice.seen.as_ref().map_or(String::new(), |(_, by)| format!("  seen by {by}"));
    // An entry is shown by its number in the ledger, with its clause.
    let what = match kind.as_str() {
        "entered" => format!("violation {item} ({subject})"),
        _ => format!("{subject} {item}"),
    };
    format!("{id}  {kind}  {what}{due}{whose}{holder}  told {told}{seen}")
}

fn as_json(notice: &Notice) -> Value {
    json!({
        "id": notice.id,
        "kind": notice.kind,
        "subject": notice.subject,
        "item": notice.item,
        "account": notice.account.map(|account| account.0),
        "holder": notice.holder,
        "due_at": notice.due.map(gregorian_date_time),
        "noted_at": gregorian_date_time(notice.noted_at),
        "told": notice.told,
        "seen_at": notice.seen.as_ref().map(|(at, _)| gregorian_date_time(*at)),
        "seen_by": notice.seen.as_ref().map(|(_, by)| by),
    })
}
