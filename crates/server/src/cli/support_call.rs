//! `avanak support-call …`: what the switch and the experts of the support line tell.

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use app::App;
use app::support_call::{Kept, SupportCallRefusal};
use clap::{Args, Subcommand};
use domain::agreement::support_call::{Attempt, Refusal, Step as Done};
use domain::calendar::day::due_text;
use domain::calendar::jalali::gregorian_date_time;
use domain::{AccountId, Timestamp};
use serde_json::{Value, json};

use super::{may_move, open, say};
use crate::config::Config;

/// How many are listed.
const LISTED: u32 = 1000;

/// What can be told of calls to the support line, as it happens. All of it works while the server
/// runs.
#[derive(Debug, Subcommand)]
pub enum SupportCall {
    /// Somebody calls and waits.
    Joined {
        /// Whose call it is, if that is known.
        #[arg(long)]
        account: Option<i64>,
        /// The number that was sent, if one was.
        #[arg(long)]
        caller: Option<String>,
        /// Who tells it.
        #[arg(long, default_value = "switch")]
        by: String,
    },
    /// The offer to call back begins to play.
    Offered(Step),
    /// An expert answers.
    Answered(Step),
    /// The caller is gone.
    Left(Step),
    /// The caller wants to be called back, and keeps the place.
    Register {
        /// At this number; without it, at the one that was sent.
        #[arg(long)]
        number: Option<String>,
        #[command(flatten)]
        step: Step,
    },
    /// Take the callback whose turn it is.
    Next {
        /// Who calls back.
        #[arg(long)]
        by: String,
    },
    /// The customer answered the expert who calls back; nobody else calls meanwhile.
    Talking(Step),
    /// Tell what came of calling back: connected, no_answer, voicemail or wrong_number.
    Attempted {
        /// What.
        #[arg(long)]
        result: String,
        /// A note.
        #[arg(long, default_value = "")]
        note: String,
        #[command(flatten)]
        step: Step,
    },
    /// Nothing came of calling back, and that was not the customer's doing: it is owed as before.
    Returned {
        /// Why.
        #[arg(long)]
        because: String,
        #[command(flatten)]
        step: Step,
    },
    /// The customer needs no call any more.
    Withdrawn {
        /// How that is known.
        #[arg(long)]
        because: String,
        #[command(flatten)]
        step: Step,
    },
    /// Show one with everything that happened to it.
    Show {
        /// Its number.
        id: i64,
    },
    /// Show the newest.
    List {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// A call, and who tells something of it.
#[derive(Debug, Args)]
pub struct Step {
    /// The number of the call.
    id: i64,
    /// Who tells it.
    #[arg(long, default_value = "switch")]
    by: String,
}

/// Runs the command.
pub async fn run(config: &Config, command: SupportCall) -> Result<ExitCode> {
    use app::support_call as calls;
    let app = open::app(config).await?;
    let changed = match command {
        SupportCall::Joined { account, caller, by } => {
            let account = account.map(AccountId);
            let joined = calls::joined(&app, account, caller.as_deref(), &by).await;
            say(&format!("support call {}", joined.map_err(refused)?))?;
            return Ok(ExitCode::SUCCESS);
        }
        SupportCall::Offered(step) => calls::offered(&app, step.id, &step.by).await,
        SupportCall::Answered(step) => calls::answered(&app, step.id, &step.by).await,
        SupportCall::Left(step) => calls::left(&app, step.id, &step.by).await,
        SupportCall::Register { number, step } => {
            calls::register(&app, step.id, number.as_deref(), &step.by).await
        }
        SupportCall::Next { by } => {
            let next = calls::next(&app, &by).await.map_err(refused)?;
            let next = next.context("nobody is to be called back at this moment")?;
            say(&line(&next, due(&app, &next).await?))?;
            return Ok(ExitCode::SUCCESS);
        }
        SupportCall::Talking(step) => calls::talking(&app, step.id, &step.by).await,
        SupportCall::Attempted { result, note, step } => {
            let attempt = Attempt::parse(&result)
                .context("write connected, no_answer, voicemail or wrong_number")?;
            calls::attempted(&app, step.id, attempt, &step.by, &note).await
        }
        SupportCall::Returned { because, step } => {
            calls::returned(&app, step.id, &step.by, &because).await
        }
        SupportCall::Withdrawn { because, step } => {
            calls::withdrawn(&app, step.id, &step.by, &because).await
        }
        SupportCall::Show { id } => {
            let found = calls::find(&app, id).await.map_err(open::failed)?;
            let found = found.context("there is no call of that number")?;
            say(&as_json(&found, due(&app, &found).await?).to_string())?;
            return Ok(ExitCode::SUCCESS);
        }
        SupportCall::List { json } => {
            let all = calls::list(&app, None, LISTED).await.map_err(open::failed)?;
            let due = calls::due(&app, all.iter().map(|kept| &kept.call)).await;
            let mut shown = all.iter().zip(due.map_err(open::failed)?);
            if json {
                let shown: Vec<_> = shown.map(|(kept, due)| as_json(kept, due)).collect();
                say(&json!({ "support_calls": shown }).to_string())?;
            } else {
                shown.try_for_each(|(kept, due)| say(&line(kept, due)))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
    };
    let changed = changed.map_err(refused)?;
    say(&line(&changed, due(&app, &changed).await?))?;
    Ok(ExitCode::SUCCESS)
}

async fn due(app: &App, kept: &Kept) -> Result<Option<(Timestamp, bool)>> {
    let due = app::support_call::due(app, [&kept.call]).await.map_err(open::failed)?;
    Ok(due.into_iter().flatten().next())
}

fn line(kept: &Kept, due: Option<(Timestamp, bool)>) -> String {
    let number = kept.number.as_deref().map_or(String::new(), |number| format!("  {number}"));
    let due = due.map_or(String::new(), |(at, moves)| {
        format!("  call back by {}{}", due_text(at), may_move(moves))
    });
    format!("support call {} is {}{number}{due}", kept.id, kept.call.state.word())
}

fn as_json(kept: &Kept, due: Option<(Timestamp, bool)>) -> Value {
    let steps: Vec<Value> = kept
        .steps
        .iter()
        .map(|taken| {
            let (result, other) = match &taken.step {
                Some(Done::Attempted(attempt)) => (Some(attempt.word()), None),
                Some(Done::Doubled(id)) => (None, Some(id)),
                _ => (None, None),
            };
            json!({
                "step": taken.step.as_ref().map_or("joined", Done::word),
                "at": gregorian_date_time(taken.at),
                "by": taken.actor,
                "note": taken.note,
                "result": result,
                "support_call": other,
            })
        })
        .collect();
    json!({
        "support_call": kept.id,
        "account": kept.account.map(|account| account.0),
        "caller": kept.caller,
        "number": kept.number,
        "ticket": kept.ticket,
        "state": kept.call.state.word(),
        "joined_at": gregorian_date_time(kept.call.joined_at),
        "due_at": due.map(|(at, _)| gregorian_date_time(at)),
        "may_move": due.is_some_and(|(_, may_move)| may_move),
        "history": steps,
    })
}

fn refused(error: app::Error<SupportCallRefusal>) -> anyhow::Error {
    use SupportCallRefusal as R;
    open::refused(error, |refusal| match refusal {
        R::Rule(Refusal::WrongState) => anyhow!("that does not follow where the call stands"),
        R::Rule(Refusal::Closed) => anyhow!("the line is closed at this hour"),
        R::Rule(Refusal::TooSoon) => anyhow!("somebody calls back now, or it is too soon"),
        R::Rule(Refusal::TooMany) => anyhow!("so much happened to it; begin another"),
        R::Rule(Refusal::Number) => {
            anyhow!("no number of Iran that is called back; the caller has to give one")
        }
        R::Rule(Refusal::OutOfOrder) | R::Meanwhile => {
            anyhow!("something else happened to it at this moment; look at it again")
        }
        R::NoSuchCall => anyhow!("there is no call of that number"),
        R::NoSuchAccount => anyhow!("there is no such account"),
        R::Text(what) => anyhow!("the {what} is missing or too long"),
    })
}
