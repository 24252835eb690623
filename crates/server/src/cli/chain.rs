//! `avanak chain …`: the chain of evidence, and what staff did.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use app::Error;
use app::chain::{Kept, ResumeRefusal, STAFF, Verified, Wrong};
use clap::Subcommand;
use domain::calendar::jalali::gregorian_date_time;
use domain::chain::{Fault, Head};
use serde_json::{Value, json};

use super::{open, say};
use crate::chain::{self, Found};
use crate::config::Config;

/// How many are listed.
const LISTED: u32 = 1000;

/// What can be done with the chain of evidence. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum Chain {
    /// Print where it stands, as `NUMBER:SEAL`: kept anywhere else, it proves everything up to
    /// there.
    Head,
    /// Go through all of it: each entry, what it attests, and what this node has seen of it. It
    /// fails when something was bent, and says what.
    Verify {
        /// A head that was kept elsewhere, as `head` prints it; may be given often.
        #[arg(long = "head", value_name = "NUMBER:SEAL")]
        heads: Vec<String>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show the newest entries.
    List {
        /// Only those of a kind: staff, violation, claim, credit, …
        #[arg(long)]
        kind: Option<String>,
        /// Only what staff did.
        #[arg(long, conflicts_with = "kind")]
        staff: bool,
        /// Before this number.
        #[arg(long)]
        before: Option<i64>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Go on with a chain that does not have what this node has seen of it, as after a backup was
    /// put back. That stays in the chain for ever.
    Resume {
        /// Why.
        #[arg(long)]
        because: String,
        /// Who says so.
        #[arg(long)]
        by: String,
    },
}

/// Runs the command.
pub async fn run(config: &Config, command: Chain) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Chain::Head => say(&app::chain::head(&app).await.map_err(open::failed)?.to_string())?,
        Chain::Verify { heads, json } => {
            let mut known = Vec::new();
            for text in &heads {
                let head = Head::parse(text);
                known.push(head.with_context(|| format!("{text} is not what 'head' prints"))?);
            }
            known.extend(chain::seen(&config.chain_head())?);
            let verified = app::chain::verify(&app, &known).await.map_err(open::failed)?;
            return verify(&verified, json);
        }
        Chain::List { kind, staff, before, json } => {
            let kind = if staff { Some(STAFF.to_owned()) } else { kind };
            let listed = app::chain::list(&app, kind.as_deref(), before, LISTED).await;
            list(&listed.map_err(open::failed)?, json)?;
        }
        Chain::Resume { because, by } => {
            let path = config.chain_head();
            let seen = chain::seen(&path)?.unwrap_or_else(Head::start);
            let head = app::chain::resume(&app, &seen, &because, &by).await.map_err(refused)?;
            chain::keep(&path, &head).await?;
            say(&format!("gone on with at {head}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn verify(verified: &Verified, as_json: bool) -> Result<ExitCode> {
    let Verified { head, facts, wrong, resumed } = verified;
    if as_json {
        let wrong: Vec<Value> = wrong
            .iter()
            .map(|(number, (wrong, said))| {
                json!({ "number": number, "wrong": words(*wrong), "about": said })
            })
            .collect();
        let resumed: Vec<Value> = resumed.iter().map(entry).collect();
        let told = json!({ "head": head.to_string(), "entries": head.number, "facts": facts,
                           "wrong": wrong, "resumed": resumed });
        say(&told.to_string())?;
    } else {
        for kept in resumed {
            let note = kept.note.as_deref().unwrap_or("(blanked)");
            say(&format!(
                "entry {}: gone on with by {}: {note}",
                kept.entry.number, kept.entry.actor
            ))?;
        }
        for (number, (wrong, said)) in wrong {
            say(&format!("WRONG entry {number}: {}: {said}", words(*wrong)))?;
        }
        let count = head.number;
        if wrong.is_empty() {
            say(&format!("{count} entries follow each other, {facts} facts say what they said"))?;
        }
        say(&format!("head  {head}"))?;
    }
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn words(wrong: Wrong) -> &'static str {
    match wrong {
        Wrong::Entry(Fault::Number) => "entries before it are missing",
        Wrong::Entry(Fault::Time) => "it is earlier than the one before it",
        Wrong::Entry(Fault::Seal) => "it, or the one before it, was changed",
        Wrong::Fact => "what it attests was changed or removed",
        Wrong::Note => "its note was changed",
        Wrong::End => "the end of the chain is missing or another",
        Wrong::Seen => "another entry of this number was seen",
    }
}

fn list(listed: &[Kept], as_json: bool) -> Result<()> {
    if as_json {
        let entries: Vec<Value> = listed.iter().map(entry).collect();
        return say(&json!({ "entries": entries }).to_string());
    }
    for Kept { entry, note } in listed {
        let at = gregorian_date_time(entry.at);
        let note = note.as_deref().map_or(String::new(), |note| format!("  {note}"));
        let (number, actor, subject) = (entry.number, &entry.actor, &entry.subject);
        say(&format!("{number}  {at}  {actor}  {subject}{note}"))?;
    }
    Ok(())
}

fn entry(Kept { entry, note }: &Kept) -> Value {
    json!({ "number": entry.number, "at_us": entry.at.0, "at": gregorian_date_time(entry.at),
            "kind": entry.kind, "subject": entry.subject, "actor": entry.actor, "note": note,
            "digest": entry.digest, "seal": entry.seal })
}

/// What `doctor` says of the chain.
///
/// # Errors
/// It does not have what this node has seen of it.
pub async fn check(config: &Config, app: &app::App) -> Result<String> {
    match chain::look(app, &config.chain_head()).await? {
        Found::Holds(head) => Ok(format!("the chain has {} entries", head.number)),
        Found::Broken(why) => {
            bail!("{why}. If that backup is to be gone on with: 'avanak chain resume'")
        }
    }
}

/// Keeps where the chain stands after somebody of staff did something, since no server may run to
/// do so. What is wrong is told, and nothing more.
pub async fn look(config: &Config) {
    let looked = async {
        let app = open::app(config).await?;
        chain::look(&app, &config.chain_head()).await
    };
    let told = match looked.await {
        Ok(Found::Holds(_)) => return,
        Ok(Found::Broken(why)) => why,
        Err(error) => format!("{error:#}"),
    };
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "avanak: the chain of evidence: {told}");
}

fn refused(error: Error<ResumeRefusal>) -> anyhow::Error {
    open::refused(error, |refusal| match refusal {
        ResumeRefusal::Holds => {
            anyhow!("the chain has all that this node has seen of it: there is nothing to resume")
        }
        ResumeRefusal::Unsigned => {
            anyhow!("--because and --by are needed, of up to 500 bytes")
        }
    })
}
