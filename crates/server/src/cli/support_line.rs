//! `avanak support-line …`: which expert is on duty at which phone, where this program is the
//! switch of the support line.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use app::support_line::{Agent, DutyRefusal};
use clap::Subcommand;
use domain::Timestamp;
use domain::calendar::jalali::gregorian_date_time;
use serde_json::{Value, json};

use super::{open, say};
use crate::config::Config;

/// Duty on the support line. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum SupportLine {
    /// An expert is on duty from now on, and is rung at this phone.
    On {
        /// Who.
        #[arg(long)]
        expert: String,
        /// The name that the phone registers with, like `7-100` (`avanak phone add`).
        #[arg(long)]
        phone: String,
    },
    /// An expert's duty ends. A conversation under way goes on.
    Off {
        /// Who.
        #[arg(long)]
        expert: String,
    },
    /// Show who is on duty, and which call each has.
    Show {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
pub async fn run(config: &Config, command: SupportLine) -> Result<ExitCode> {
    use app::support_line as line;
    let app = open::app(config).await?;
    match command {
        SupportLine::On { expert, phone } => {
            line::on_duty(&app, &expert, &phone).await.map_err(refused)?;
            say(&format!("{expert} is on duty at {phone}"))?;
        }
        SupportLine::Off { expert } => {
            line::off_duty(&app, &expert).await.map_err(refused)?;
            say(&format!("{expert} is off duty"))?;
        }
        SupportLine::Show { json } => {
            let (agents, now) = (line::agents(&app).await.map_err(open::failed)?, app.now());
            if json {
                let shown: Vec<_> = agents.iter().map(|agent| as_json(agent, now)).collect();
                say(&json!({ "experts": shown }).to_string())?;
            } else if agents.is_empty() {
                say("nobody is on duty")?;
            } else {
                agents.iter().try_for_each(|agent| say(&text(agent, now)))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn text(agent: &Agent, now: Timestamp) -> String {
    let Agent { name, username, .. } = agent;
    let does = match agent.busy_with {
        Some(call) => format!("has support call {call}"),
        None if agent.is_free(now) => String::from("is free"),
        None => String::from("rests"),
    };
    format!("{name} at {username} {does}")
}

fn as_json(agent: &Agent, now: Timestamp) -> Value {
    json!({
        "expert": agent.name,
        "phone": agent.username,
        "since": gregorian_date_time(agent.since),
        "until": agent.until.map(gregorian_date_time),
        "support_call": agent.busy_with,
        "is_free": agent.is_free(now),
    })
}

fn refused(error: app::Error<DutyRefusal>) -> anyhow::Error {
    open::refused(error, |refusal| match refusal {
        DutyRefusal::Name => anyhow!("the name is missing or too long"),
        DutyRefusal::NoSuchPhone => anyhow!("no phone registers with that name"),
        DutyRefusal::Sandbox => anyhow!("that phone is a sandbox's, which calls nobody"),
        DutyRefusal::OnDuty => anyhow!("the expert is on duty already, or another at that phone"),
        DutyRefusal::Gone => anyhow!("the expert has left (avanak staff list)"),
        DutyRefusal::NotOnDuty => anyhow!("the expert is not on duty"),
    })
}
