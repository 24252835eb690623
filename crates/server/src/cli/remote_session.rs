//! `avanak remote-session …`: remote help in a ticket, with its consent and outcome.

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use app::remote_session::{Kept, RemoteSessionRefusal};
use app::ticket::Who;
use clap::{Args, Subcommand};
use domain::AccountId;
use domain::agreement::remote_session::{Refusal, Step as Taken};
use domain::calendar::day::due_text;
use domain::calendar::jalali::gregorian_date_time;
use serde_json::{Value, json};

use super::{moment, open, say};
use crate::config::Config;

/// How many are listed.
const LISTED: u32 = 100;

/// What can be done with remote sessions. Only the customer consents, declines and takes a consent
/// back. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum RemoteSession {
    /// Ask the customer of a ticket for one.
    Ask {
        /// The number of the ticket.
        ticket: i64,
        /// What for.
        #[arg(long)]
        purpose: String,
        /// The expert who helps.
        #[arg(long)]
        by: String,
    },
    /// Agree on a time and a program; it has to be consented to afterwards.
    Agree {
        /// When, on Tehran's clock.
        #[arg(long, value_name = "MOMENT")]
        at: String,
        /// With which program, such as AnyDesk, TeamViewer or RustDesk.
        #[arg(long)]
        tool: String,
        #[command(flatten)]
        step: Step,
    },
    /// Begin one that the customer consents to.
    Start(Step),
    /// End one.
    End(Step),
    /// Note what came of one.
    Note(Said),
    /// The customer was not there at the time that was agreed on.
    Missed(Said),
    /// It is not needed any more.
    Cancel(Said),
    /// Show one with everything that happened to it.
    Show {
        /// Its number.
        id: i64,
    },
    /// Show the newest.
    List {
        /// Of this account; without it, all.
        #[arg(long)]
        account: Option<i64>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// A session, and who does something with it.
#[derive(Debug, Args)]
pub struct Step {
    /// The number of the session.
    id: i64,
    /// Who does it.
    #[arg(long)]
    by: String,
}

/// A session, and what somebody says.
#[derive(Debug, Args)]
pub struct Said {
    /// The number of the session.
    id: i64,
    /// What.
    #[arg(long)]
    text: String,
    /// Who.
    #[arg(long)]
    by: String,
}

/// Runs the command.
pub async fn run(config: &Config, command: RemoteSession) -> Result<ExitCode> {
    use app::remote_session as sessions;
    let app = open::app(config).await?;
    let changed = match command {
        RemoteSession::Ask { ticket, purpose, by } => {
            let asked = sessions::ask(&app, ticket, &by, &purpose).await.map_err(refused)?;
            say(&format!("remote session {asked}"))?;
            return Ok(ExitCode::SUCCESS);
        }
        RemoteSession::Agree { at, tool, step } => {
            let at = moment(&at)?;
            sessions::agree(&app, step.id, Who::Staff(&step.by), at, &tool).await
        }
        RemoteSession::Start(Step { id, by }) => sessions::start(&app, id, &by).await,
        RemoteSession::End(Step { id, by }) => sessions::end(&app, id, &by).await,
        RemoteSession::Note(Said { id, text, by }) => sessions::note(&app, id, &by, &text).await,
        RemoteSession::Missed(Said { id, text, by }) => {
            sessions::missed(&app, id, &by, &text).await
        }
        RemoteSession::Cancel(Said { id, text, by }) => {
            sessions::cancel(&app, id, &by, &text).await
        }
        RemoteSession::Show { id } => {
            let found = sessions::find(&app, None, id).await.map_err(open::failed)?;
            say(&as_json(&found.context("there is no session of that number")?).to_string())?;
            return Ok(ExitCode::SUCCESS);
        }
        RemoteSession::List { account, json } => {
            let all = sessions::list(&app, account.map(AccountId), None, LISTED).await;
            let all = all.map_err(open::failed)?;
            if json {
                let shown: Vec<_> = all.iter().map(as_json).collect();
                say(&json!({ "remote_sessions": shown }).to_string())?;
            } else {
                all.iter().try_for_each(|kept| say(&line(kept)))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
    };
    say(&line(&changed.map_err(refused)?))?;
    Ok(ExitCode::SUCCESS)
}

fn line(kept: &Kept) -> String {
    let agreed = kept
        .session
        .agreed
        .as_ref()
        .map_or(String::new(), |(at, tool)| format!("  {tool} at {}", due_text(*at)));
    let state = kept.session.state.word();
    format!("remote session {} of ticket {} is {state}{agreed}", kept.id, kept.new.ticket)
}

fn as_json(kept: &Kept) -> Value {
    let (session, new) = (&kept.session, &kept.new);
    let steps: Vec<Value> = kept
        .steps
        .iter()
        .map(|taken| {
            json!({
                "step": taken.step.as_ref().map_or("requested", Taken::word),
                "side": taken.side.word(),
                "at": gregorian_date_time(taken.at),
                "by": taken.actor,
                "text": taken.said,
            })
        })
        .collect();
    json!({
        "remote_session": kept.id,
        "ticket": new.ticket,
        "account": new.account.0,
        "expert": kept.expert(),
        "purpose": new.purpose,
        "state": session.state.word(),
        "agreed_at": session.agreed.as_ref().map(|(at, _)| gregorian_date_time(*at)),
        "tool": session.agreed.as_ref().map(|(_, tool)| tool),
        "consented_at": session.consented_at.map(gregorian_date_time),
        "started_at": session.started_at.map(gregorian_date_time),
        "ended_at": session.ended_at.map(gregorian_date_time),
        "history": steps,
    })
}

fn refused(error: app::Error<RemoteSessionRefusal>) -> anyhow::Error {
    use RemoteSessionRefusal as R;
    open::refused(error, |refusal| match refusal {
        R::Rule(Refusal::WrongState) => {
            anyhow!("that does not follow where the session stands; nothing starts without consent")
        }
        R::Rule(Refusal::WrongSide) => anyhow!("that is the customer's alone"),
        R::Rule(Refusal::Tool) => anyhow!("the program is not named"),
        R::Rule(Refusal::Time) => {
            anyhow!("that is not of the time that is agreed on, or it lies in the past")
        }
        R::Rule(Refusal::OutOfOrder) => anyhow!("something else happened to it at this moment"),
        R::Rule(Refusal::TooMany) | R::TooMany => anyhow!("there are too many; end one first"),
        R::NoSuchSession => anyhow!("there is no session of that number"),
        R::Ticket => anyhow!("there is no ticket of that number, or it is over (T102)"),
        R::Text(what) => anyhow!("the {what} is missing or too long"),
    })
}
