//! `avanak violation …`: what either side did not keep, in one ledger.

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use app::App;
use app::violation::{Answer, Kept, NewViolation, ViolationRefusal};
use clap::{Args, Subcommand};
use domain::AccountId;
use domain::agreement::violation::{Clause, Party, Refusal};
use domain::calendar::jalali::gregorian_date_time;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use serde_json::json;

use super::{moment, open, say};
use crate::config::Config;

/// How many entries are listed.
const LISTED: u32 = 1000;

/// What can be done with the ledger. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum Violation {
    /// Enter what was not kept, with what proves it.
    Record {
        /// Whose duty it was, if a customer's; or whom it concerned.
        #[arg(long)]
        account: Option<i64>,
        /// Which duty: see `avanak violation clauses`.
        #[arg(long)]
        clause: String,
        /// Since when, on Tehran's clock.
        #[arg(long, value_name = "MOMENT")]
        from: String,
        /// Until when.
        #[arg(long, value_name = "MOMENT")]
        to: String,
        /// What proves it; may be given often.
        #[arg(long, required = true)]
        evidence: Vec<String>,
        /// What it is about, like `ticket:17`: the same is entered once.
        #[arg(long)]
        reference: String,
        /// Who enters it.
        #[arg(long)]
        by: String,
    },
    /// Note that the customer was told of an entry.
    Told {
        /// How.
        #[arg(long)]
        how: String,
        #[command(flatten)]
        step: Step,
    },
    /// Agree with an entry of a duty of ours.
    Accept {
        #[command(flatten)]
        step: Step,
    },
    /// Dispute an entry of a duty of ours.
    Dispute {
        /// Why.
        #[arg(long)]
        because: String,
        #[command(flatten)]
        step: Step,
    },
    /// Decide that a disputed entry stands; by somebody else than who entered it.
    Uphold {
        /// Why.
        #[arg(long)]
        because: String,
        #[command(flatten)]
        step: Step,
    },
    /// Mark an entry as wrong; it stays to be seen.
    Reverse {
        /// Why.
        #[arg(long)]
        because: String,
        #[command(flatten)]
        step: Step,
    },
    /// Note what followed from an entry.
    Done {
        /// What was done.
        #[arg(long)]
        what: String,
        #[command(flatten)]
        step: Step,
    },
    /// Enter what was missed of a month that was written down, or of the last two without one.
    Look {
        /// The month, like `1405-08`.
        #[arg(long)]
        month: Option<String>,
    },
    /// Show the newest entries.
    List {
        /// Of this account and the platform; without it, all.
        #[arg(long)]
        account: Option<i64>,
        /// Those before this number.
        #[arg(long)]
        before: Option<i64>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show an entry with everything it went through.
    Show {
        /// Its number.
        id: i64,
    },
    /// Show the duties that can be entered.
    Clauses,
}

/// An entry, and who does something with it.
#[derive(Debug, Args)]
pub struct Step {
    /// The number of the entry.
    id: i64,
    /// Who does it.
    #[arg(long)]
    by: String,
}

/// Runs the command.
pub async fn run(config: &Config, command: Violation) -> Result<ExitCode> {
    use app::violation as ledger;
    let app = open::app(config).await?;
    let changed = match command {
        Violation::Record { account, clause, from, to, evidence, reference, by } => {
            let span = Span::new(moment(&from)?, moment(&to)?);
            let new = NewViolation {
                account: account.map(AccountId),
                clause: Clause::parse(&clause).context("see `avanak violation clauses`")?,
                span: span.context("it ends after it begins")?,
                evidence,
                reference,
                actor: by,
            };
            let id = ledger::record(&app, new).await.map_err(refused)?;
            say(&format!("violation {id}"))?;
            return Ok(ExitCode::SUCCESS);
        }
        Violation::Told { how, step } => ledger::tell(&app, step.id, &step.by, &how).await,
        Violation::Accept { step } => {
            ledger::answer_for_us(&app, step.id, &step.by, Answer::Accept).await
        }
        Violation::Dispute { because, step } => {
            let answer = Answer::Dispute(&because);
            ledger::answer_for_us(&app, step.id, &step.by, answer).await
        }
        Violation::Uphold { because, step } => {
            ledger::decide(&app, step.id, true, &step.by, &because).await
        }
        Violation::Reverse { because, step } => {
            ledger::reverse(&app, step.id, &step.by, &because).await
        }
        Violation::Done { what, step } => ledger::done(&app, step.id, &step.by, &what).await,
        Violation::Look { month } => {
            let entered = match month {
                None => ledger::look(&app).await,
                Some(text) => {
                    let month = PersianMonth::parse(&text).context("write a month like 1405-08")?;
                    ledger::look_at_month(&app, month).await
                }
            };
            say(&format!("{} entered", entered.map_err(open::failed)?))?;
            return Ok(ExitCode::SUCCESS);
        }
        Violation::List { account, before, json } => {
            list(&app, account.map(AccountId), before, json).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Violation::Show { id } => {
            let found = ledger::find(&app, id).await.map_err(open::failed)?;
            show(&found.context("there is no entry of that number")?)?;
            return Ok(ExitCode::SUCCESS);
        }
        Violation::Clauses => {
            for clause in Clause::all() {
                let (number, party) = (clause.number(), clause.party().word());
                say(&format!("{}  {number}  {party}", clause.word()))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
    };
    show(&changed.map_err(refused)?)?;
    Ok(ExitCode::SUCCESS)
}

async fn list(
    app: &App,
    account: Option<AccountId>,
    before: Option<i64>,
    json: bool,
) -> Result<()> {
    let entries = app::violation::list(app, account, before, LISTED).await;
    let entries = entries.map_err(open::failed)?;
    if json {
        let shown: Vec<_> = entries.iter().map(as_json).collect();
        return say(&json!({ "violations": shown }).to_string());
    }
    entries.iter().try_for_each(|kept| say(&line(kept)))
}

fn line(kept: &Kept) -> String {
    let entry = &kept.violation;
    let whose = kept.account.map_or("platform".to_owned(), |account| format!("account {account}"));
    format!(
        "{}  {}  {} {} of the {}  {whose}  {} – {}",
        kept.id,
        entry.status().word(),
        entry.clause().number(),
        entry.clause().word(),
        entry.party().word(),
        gregorian_date_time(entry.span().from),
        gregorian_date_time(entry.span().to),
    )
}

fn show(kept: &Kept) -> Result<()> {
    say(&line(kept))?;
    for piece in kept.violation.evidence() {
        say(&format!("  evidence: {piece}"))?;
    }
    for step in &kept.steps {
        let at = gregorian_date_time(step.at);
        let reason =
            if step.reason.is_empty() { String::new() } else { format!(": {}", step.reason) };
        say(&format!("  {at}  {} by {}{reason}", step.status.word(), step.actor))?;
    }
    Ok(())
}

fn as_json(kept: &Kept) -> serde_json::Value {
    let entry = &kept.violation;
    let steps: Vec<_> = kept
        .steps
        .iter()
        .map(|step| {
            json!({
                "status": step.status.word(),
                "at": gregorian_date_time(step.at),
                "by": step.actor,
                "reason": step.reason,
            })
        })
        .collect();
    json!({
        "violation": kept.id,
        "account": kept.account.map(|account| account.0),
        "party": entry.party().word(),
        "clause": entry.clause().word(),
        "clause_number": entry.clause().number(),
        "agreement": entry.version(),
        "from": gregorian_date_time(entry.span().from),
        "to": gregorian_date_time(entry.span().to),
        "status": entry.status().word(),
        "reference": kept.reference,
        "evidence": entry.evidence(),
        "history": steps,
    })
}

fn refused(error: app::Error<ViolationRefusal>) -> anyhow::Error {
    use ViolationRefusal as R;
    open::refused(error, |refusal| match refusal {
        R::Rule(Refusal::Evidence) => {
            anyhow!("evidence is one to a hundred lines of at most 2000 bytes")
        }
        R::Rule(Refusal::Status) => anyhow!("that does not follow where the entry stands"),
        R::Rule(Refusal::Partial) => anyhow!("who entered it does not decide about it"),
        R::NoSuchAccount => anyhow!("there is no such account"),
        R::NoSuchViolation => {
            let (ours, party) = (Party::Provider.word(), Party::Customer.word());
            anyhow!("there is no such entry, or it is not one of the {ours}: a {party} answers own")
        }
        R::WhoseDuty => anyhow!("it is a customer's duty: whose? give --account"),
        R::Text(what) => anyhow!("the {what} is missing or too long"),
        R::Time => anyhow!("it lies in the future"),
        R::Reference => anyhow!("something else is entered under that reference"),
        R::Meanwhile => anyhow!("somebody else changed it at this moment; look at it again"),
    })
}
