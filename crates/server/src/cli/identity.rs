//! `avanak identity …`: who customers are, and what one of us decides of it. What is shown here
//! says who somebody is: it is for the eyes of who decides.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use app::identity::{IdentityRefusal, Kept, Person};
use clap::{Args, Subcommand};
use domain::agreement::identity::{Refusal, Step};
use domain::calendar::jalali::gregorian_date_time;
use domain::{AccountId, Timestamp};
use serde_json::{Value, json};

use super::{open, say, write_private};
use crate::config::Config;

/// How many are listed.
const LISTED: u32 = 100;

/// What can be done with cases of identity. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum Identity {
    /// Show the newest.
    List {
        /// Of this account; without it, all.
        #[arg(long)]
        account: Option<i64>,
        /// Only those that wait for one of us.
        #[arg(long, conflicts_with = "account")]
        waiting: bool,
        /// Before this number.
        #[arg(long)]
        before: Option<i64>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show one with who it says to be and everything that happened to it.
    Show {
        /// Its number.
        id: i64,
    },
    /// Write a document of one into a file.
    Document {
        /// The number of the case.
        id: i64,
        /// The number of the document.
        document: i64,
        /// The file; it must not be there.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// It is proven.
    Verify {
        /// Its number.
        id: i64,
        /// Who is sure.
        #[arg(long)]
        by: String,
    },
    /// It is not proven.
    Reject(Why),
    /// The customer has something else to do.
    Return(Why),
    /// What was proven is not any more.
    Revoke(Why),
    /// Remove who it was, in one that is over. What was done stays.
    Forget(Why),
}

/// A case, and why something is done with it. The customer reads why.
#[derive(Debug, Args)]
pub struct Why {
    /// The number of the case.
    id: i64,
    /// Why.
    #[arg(long)]
    reason: String,
    /// Who does it.
    #[arg(long)]
    by: String,
}

/// Runs the command.
pub async fn run(config: &Config, command: Identity) -> Result<ExitCode> {
    use app::identity as cases;
    let app = open::app(config).await?;
    let now = app.now();
    let decide =
        async |why: &Why, what| cases::decide(&app, why.id, what, &why.by, &why.reason).await;
    let changed = match command {
        Identity::List { account, waiting, before, json } => {
            let account = account.map(AccountId);
            let all = cases::list(&app, account, waiting, before, LISTED).await;
            list(&all.map_err(open::failed)?, json, now)?;
            return Ok(ExitCode::SUCCESS);
        }
        Identity::Show { id } => {
            let found = cases::find(&app, None, id).await.map_err(open::failed)?;
            let found = found.context("there is no case of that number")?;
            say(&as_json(&found, now, true).to_string())?;
            return Ok(ExitCode::SUCCESS);
        }
        Identity::Document { id, document, to } => {
            let found = cases::document(&app, id, document).await.map_err(open::failed)?;
            let (document, bytes) = found.context("there is no such document")?;
            write_private(&to, &bytes)?;
            say(&format!("{} ({}) is in {}", document.name, document.media_type, to.display()))?;
            return Ok(ExitCode::SUCCESS);
        }
        Identity::Forget(why) => {
            cases::forget(&app, why.id, &why.by, &why.reason).await.map_err(refused)?;
            say(&format!("case {} says no more who it was", why.id))?;
            return Ok(ExitCode::SUCCESS);
        }
        Identity::Verify { id, by } => cases::verify(&app, id, &by).await,
        Identity::Reject(why) => decide(&why, Step::Rejected).await,
        Identity::Return(why) => decide(&why, Step::Returned).await,
        Identity::Revoke(why) => decide(&why, Step::Revoked).await,
    };
    say(&line(&changed.map_err(refused)?, now))?;
    Ok(ExitCode::SUCCESS)
}

fn list(all: &[Kept], as_one: bool, now: Timestamp) -> Result<()> {
    if as_one {
        let shown: Vec<Value> = all.iter().map(|kept| as_json(kept, now, false)).collect();
        return say(&json!({ "cases": shown }).to_string());
    }
    all.iter().try_for_each(|kept| say(&line(kept, now)))
}

fn line(kept: &Kept, now: Timestamp) -> String {
    let code = kept.person.as_ref().map(|person| person.code.masked());
    let code = code.unwrap_or_else(|| "removed".to_owned());
    let state = kept.identity.state(now).word();
    let of = if kept.sandbox { "sandbox account" } else { "account" };
    format!("case {} of {of} {} ({code}) is {state}", kept.id, kept.account)
}

fn as_json(kept: &Kept, now: Timestamp, with_person: bool) -> Value {
    let steps: Vec<Value> = kept
        .steps
        .iter()
        .map(|taken| {
            json!({
                "step": taken.step.map_or("begun", Step::word),
                "by": taken.by.word(),
                "at": gregorian_date_time(taken.at),
                "name": taken.actor,
                "text": taken.said,
            })
        })
        .collect();
    let documents: Vec<Value> = kept
        .documents
        .iter()
        .map(|one| {
            json!({ "document": one.id, "name": one.name, "media_type": one.media_type,
                    "bytes": one.bytes })
        })
        .collect();
    let asked: Vec<_> = kept.identity.asked().iter().map(|proof| proof.word()).collect();
    json!({
        "case": kept.id,
        "account": kept.account.0,
        "sandbox": kept.sandbox,
        "state": kept.identity.state(now).word(),
        "asked": asked,
        "until": kept.identity.until().map(gregorian_date_time),
        "person": kept.person.as_ref().filter(|_| with_person).map(whole),
        "documents": documents,
        "history": steps,
    })
}

fn whole(person: &Person) -> Value {
    let (year, month, day) = person.born.to_jalali();
    json!({
        "national_code": person.code.as_str(),
        "first_name": person.first_name,
        "last_name": person.last_name,
        "birth_day": format!("{year:04}-{month:02}-{day:02}"),
        "mobile": person.mobile.national(),
        "company": person.company.as_ref().map(|company| {
            json!({ "id": company.id.as_str(), "name": company.name, "role": company.role })
        }),
    })
}

fn refused(error: app::Error<IdentityRefusal>) -> anyhow::Error {
    use IdentityRefusal as R;
    open::refused(error, |refusal| match refusal {
        R::NoSuchCase => anyhow!("there is no case of that number"),
        R::Text(what) => anyhow!("the {what} is missing or too long"),
        R::Rule(Refusal::WrongState) => {
            anyhow!("that does not follow where the case stands; what is proven is revoked first")
        }
        R::Rule(Refusal::OutOfOrder) => {
            anyhow!("something else happened to it at this moment")
        }
        other => anyhow!("that cannot be done: {other:?}"),
    })
}
