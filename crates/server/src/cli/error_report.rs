//! `avanak error-report …`: what does not work, what it was found to be, and how it ends.

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use app::App;
use app::error_report::{ErrorReportRefusal, Kept, Reported, Shown};
use app::ticket::Who;
use clap::{Args, Subcommand, ValueEnum};
use domain::AccountId;
use domain::agreement::contact::{Channel, Outcome};
use domain::agreement::error_report::{Finding, Refusal, Source, Step as Taken, Whose};
use domain::calendar::day::due_text;
use domain::calendar::jalali::gregorian_date_time;
use serde_json::{Value, json};

use super::{moment, open, say};
use crate::config::Config;

/// How many are listed.
const LISTED: u32 = 100;

/// What can be done with reported errors. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum ErrorReport {
    /// Report one that we or a probe have seen.
    Open(Open),
    /// Give one to an expert.
    Assign {
        /// To whom.
        #[arg(long)]
        to: String,
        #[command(flatten)]
        step: Step,
    },
    /// Tell what one is, and whose: the result of triage.
    Found(Box<Found>),
    /// Tell that one is fixed, and all that are the same with it.
    Fixed(Said),
    /// Note how somebody made sure that one is fixed.
    Verified(Said),
    /// Note how somebody saw that one is not fixed: it never was.
    NotFixed(Said),
    /// Announce a date for structural work, or another one without the customer's consent.
    Commit(Dated),
    /// Ask the customer to agree to another date.
    Propose(Dated),
    /// Deliver structural work; the text is the evidence of its tests.
    Deliver(Said),
    /// Take what was delivered for the platform; a customer's the customer takes.
    Accept(Step),
    /// What was delivered for the platform fails our tests.
    Reject(Said),
    /// Open one again that came back.
    Reopen(Said),
    /// Ask the customer to make something available; the clock of the fix stands from then on.
    Ask(Dated),
    /// What was asked for is available.
    Provided(Said),
    /// Note a try to reach the customer.
    Contact(Contact),
    /// Let its clocks stand: two tries within support's hours have failed.
    Pause(Step),
    /// Let them run again.
    Resume(Said),
    /// Show one with its clocks and everything it went through.
    Show {
        /// Its number.
        id: i64,
    },
    /// Show the newest with their clocks.
    List {
        /// Of this account; without it, all.
        #[arg(long)]
        account: Option<i64>,
        /// Older ones than this.
        #[arg(long)]
        before: Option<i64>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// A report to be made.
#[derive(Debug, Args)]
pub struct Open {
    /// Whose; without it, it concerns the platform.
    #[arg(long)]
    account: Option<i64>,
    /// In which ticket it is spoken of.
    #[arg(long)]
    ticket: Option<i64>,
    /// A probe saw it.
    #[arg(long)]
    probe: bool,
    /// What it is, in a line.
    #[arg(long)]
    title: String,
    /// What happens.
    #[arg(long)]
    text: String,
    /// Who reports it.
    #[arg(long)]
    by: String,
}

/// A report, and who does something with it.
#[derive(Debug, Args)]
pub struct Step {
    /// The number of the report.
    id: i64,
    /// Who does it.
    #[arg(long)]
    by: String,
}

/// A report, and what somebody says.
#[derive(Debug, Args)]
pub struct Said {
    /// The number of the report.
    id: i64,
    /// What.
    #[arg(long)]
    text: String,
    /// Who.
    #[arg(long)]
    by: String,
}

/// A report, and what somebody says of a date.
#[derive(Debug, Args)]
pub struct Dated {
    /// The number of the report.
    id: i64,
    /// By when, on Tehran's clock.
    #[arg(long, value_name = "MOMENT")]
    due: String,
    /// What.
    #[arg(long)]
    text: String,
    /// Who.
    #[arg(long)]
    by: String,
}

/// What an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// A fault of ours, to be fixed.
    Minor,
    /// It needs changes to the programs.
    Structural,
    /// Access was lost.
    Outage,
    /// It is the customer's own.
    Customer,
    /// It is somebody else's.
    ThirdParty,
    /// It was a question.
    Question,
    /// It is known already.
    Duplicate,
}

/// A finding.
#[derive(Debug, Args)]
pub struct Found {
    /// The number of the report.
    id: i64,
    /// What it is.
    #[arg(long)]
    is: What,
    /// Of which report it is a duplicate; or the number of the outage that it was, as
    /// `avanak outage list` tells: one that nobody recorded is recorded first.
    #[arg(long)]
    of: Option<i64>,
    /// What the customer is told; for what is not ours, why it is not.
    #[arg(long)]
    text: String,
    /// Who found it.
    #[arg(long)]
    by: String,
}

/// A try to reach a customer.
#[derive(Debug, Args)]
pub struct Contact {
    /// The number of the report.
    id: i64,
    /// phone, sms, email or messenger.
    #[arg(long)]
    channel: String,
    /// The number or address.
    #[arg(long)]
    to: String,
    /// reached, `no_answer`, busy or off.
    #[arg(long)]
    result: String,
    /// A note.
    #[arg(long, default_value = "")]
    note: String,
    /// Who tried.
    #[arg(long)]
    by: String,
}

/// Runs the command.
pub async fn run(config: &Config, command: ErrorReport) -> Result<ExitCode> {
    use app::error_report as reports;
    let app = open::app(config).await?;
    let changed = match command {
        ErrorReport::Assign { to, step } => reports::assign(&app, step.id, &step.by, &to).await,
        ErrorReport::Found(told) => {
            let finding = finding(&told)?;
            reports::found(&app, told.id, &told.by, finding, &told.text).await
        }
        ErrorReport::Fixed(Said { id, text, by }) => reports::fixed(&app, id, &by, &text).await,
        ErrorReport::Verified(Said { id, text, by }) => {
            reports::verified(&app, id, &by, true, &text).await
        }
        ErrorReport::NotFixed(Said { id, text, by }) => {
            reports::verified(&app, id, &by, false, &text).await
        }
        ErrorReport::Commit(Dated { id, due, text, by }) => {
            reports::commit(&app, id, &by, moment(&due)?, &text).await
        }
        ErrorReport::Propose(Dated { id, due, text, by }) => {
            reports::propose(&app, id, &by, moment(&due)?, &text).await
        }
        ErrorReport::Deliver(Said { id, text, by }) => reports::deliver(&app, id, &by, &text).await,
        ErrorReport::Accept(Step { id, by }) => reports::accept(&app, id, Who::Staff(&by)).await,
        ErrorReport::Reject(Said { id, text, by }) => {
            reports::reject(&app, id, Who::Staff(&by), &text).await
        }
        ErrorReport::Reopen(Said { id, text, by }) => {
            reports::reopen(&app, id, Who::Staff(&by), &text).await
        }
        ErrorReport::Ask(Dated { id, due, text, by }) => {
            reports::ask(&app, id, &by, moment(&due)?, &text).await
        }
        ErrorReport::Provided(Said { id, text, by }) => {
            reports::provide(&app, id, Who::Staff(&by), &text).await
        }
        ErrorReport::Contact(contact) => return contacted(&app, contact).await,
        ErrorReport::Pause(Step { id, by }) => reports::pause(&app, id, &by).await,
        ErrorReport::Resume(Said { id, text, by }) => reports::resume(&app, id, &by, &text).await,
        ErrorReport::Open(new) => return opened(&app, new).await,
        ErrorReport::Show { id } => {
            let found = reports::find(&app, None, id).await.map_err(open::failed)?;
            say(&as_json(&found.context("there is no report of that number")?).to_string())?;
            return Ok(ExitCode::SUCCESS);
        }
        ErrorReport::List { account, before, json } => {
            let all = reports::list(&app, account.map(AccountId), before, LISTED).await;
            list(&all.map_err(open::failed)?, json)?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let kept = changed.map_err(refused)?;
    say(&format!("error report {} is {}", kept.id, kept.report.state.word()))?;
    Ok(ExitCode::SUCCESS)
}

fn finding(told: &Found) -> Result<Finding> {
    Ok(match told.is {
        What::Minor => Finding::Minor,
        What::Structural => Finding::Structural,
        What::Outage => Finding::Outage(told.of.context("write which outage it was, with --of")?),
        What::Customer => Finding::NotOurs(Whose::Customer, told.text.clone()),
        What::ThirdParty => Finding::NotOurs(Whose::ThirdParty, told.text.clone()),
        What::Question => Finding::Question,
        What::Duplicate => Finding::DuplicateOf(told.of.context("write of which, with --of")?),
    })
}

async fn opened(app: &App, new: Open) -> Result<ExitCode> {
    let Open { account, ticket, probe, title, text, by } = new;
    let source = if probe { Source::Probe } else { Source::Staff };
    let reported = Reported { ticket, title, description: text };
    let account = account.map(AccountId);
    let opened = app::error_report::open(app, account, source, &reported, &by).await;
    say(&format!("error report {}", opened.map_err(refused)?))?;
    Ok(ExitCode::SUCCESS)
}

async fn contacted(app: &App, contact: Contact) -> Result<ExitCode> {
    let Contact { id, channel, to, result, note, by } = contact;
    let channel = Channel::parse(&channel).context("write phone, sms, email or messenger")?;
    let outcome = Outcome::parse(&result).context("write reached, no_answer, busy or off")?;
    let kept = app::error_report::contacted(app, id, &by, (channel, &to), (outcome, &note)).await;
    let tries = kept.map_err(refused)?.contacts.len();
    say(&format!("error report {id}: {tries} tries to reach the customer"))?;
    Ok(ExitCode::SUCCESS)
}

fn list(all: &[Shown], json: bool) -> Result<()> {
    if json {
        let shown: Vec<_> = all.iter().map(as_json).collect();
        return say(&json!({ "error_reports": shown }).to_string());
    }
    all.iter().try_for_each(|shown| say(&line(shown)))
}

fn line(shown: &Shown) -> String {
    let Kept { id, new, report, .. } = &shown.kept;
    let whose = new.account.map_or("platform".to_owned(), |account| format!("account {account}"));
    let clocks = shown.clocks.iter().fold(String::new(), |text, clock| {
        let due = clock.due.map_or(String::new(), |at| format!(" by {}", due_text(at)));
        format!("{text}  {} {}{due}", clock.metric.word(), clock.state.word())
    });
    format!("{id}  {}  {whose}{clocks}  {}", report.state.word(), new.title)
}

fn as_json(shown: &Shown) -> Value {
    let Kept { id, new, report, steps, contacts } = &shown.kept;
    let clocks: Vec<Value> = shown
        .clocks
        .iter()
        .map(|clock| {
            json!({ "clock": clock.metric.word(), "state": clock.state.word(),
                    "due_at": clock.due.map(gregorian_date_time) })
        })
        .collect();
    let steps: Vec<Value> = steps
        .iter()
        .map(|taken| {
            json!({
                "step": taken.step.as_ref().map_or("reported", Taken::word),
                "side": taken.side.word(),
                "at": gregorian_date_time(taken.at),
                "by": taken.actor,
                "text": taken.said,
            })
        })
        .collect();
    let contacts: Vec<Value> = contacts
        .iter()
        .map(|one| {
            json!({ "at": gregorian_date_time(one.at), "by": one.actor, "to": one.address,
                    "channel": one.channel.word(), "result": one.outcome.word(),
                    "note": one.note })
        })
        .collect();
    let dates: Vec<Value> = report
        .commitments
        .iter()
        .map(|date| {
            json!({ "announced_at": gregorian_date_time(date.announced_at),
                    "due_at": gregorian_date_time(date.due), "agreed": date.agreed })
        })
        .collect();
    json!({
        "error_report": id,
        "account": new.account.map(|account| account.0),
        "ticket": new.ticket,
        "source": new.source.word(),
        "title": new.title,
        "description": new.description,
        "state": report.state.word(),
        "holder": report.holder,
        "round": report.cycle,
        "finding": report.finding.as_ref().map(Finding::word),
        "fault": report.finding.as_ref().and_then(Finding::whose).map(Whose::word),
        "same_as": report.finding.as_ref().and_then(Finding::original),
        "outage": report.finding.as_ref().and_then(Finding::outage),
        "dates": dates,
        "proposed_at": report.proposal.map(gregorian_date_time),
        "asked_until": report.asked_until.map(gregorian_date_time),
        "clocks": clocks,
        "contacts": contacts,
        "history": steps,
    })
}

fn refused(error: app::Error<ErrorReportRefusal>) -> anyhow::Error {
    use ErrorReportRefusal as R;
    open::refused(error, |refusal| match refusal {
        R::Rule(rule) => rule_refused(rule),
        R::NoSuchReport => anyhow!("there is no report of that number"),
        R::NoSuchAccount => anyhow!("there is no such account"),
        R::Ticket => anyhow!("there is no such ticket of that account, or it is over"),
        R::Original => anyhow!("that is no fault of ours that is being fixed or worked on"),
        R::Outage => anyhow!(
            "there is no outage of that number that stands and that its customer felt; record it \
             first, with `avanak outage`"
        ),
        R::Gone => anyhow!("who is to have it has left; `avanak staff list` tells who is there"),
        R::TooMany => anyhow!("the account has too many reports that are open"),
        R::NoEvidence => anyhow!(
            "nothing proves it: two tries within support's hours, ten minutes apart or more, that \
             did not reach the customer (C20)"
        ),
        R::NoCustomer => anyhow!("it concerns the platform and has no customer"),
        R::Customers => anyhow!("that is its customer's to say"),
        R::Text(what) => anyhow!("the {what} is missing or too long"),
    })
}

fn rule_refused(rule: Refusal) -> anyhow::Error {
    match rule {
        Refusal::WrongState => anyhow!("that does not follow where the report stands"),
        Refusal::NoText => anyhow!("the reason or evidence is missing or too long"),
        Refusal::Date => anyhow!(
            "a date lies ahead, and is never earlier than the one before it; what is asked for is \
             asked for at least four hours ahead"
        ),
        Refusal::TooLate => anyhow!("it ended more than a week ago; report it anew"),
        Refusal::OutOfOrder => anyhow!("something else happened to it at this moment"),
        Refusal::Itself => anyhow!("it is no duplicate of itself"),
        Refusal::Whose => anyhow!("what is not ours is somebody else's"),
        Refusal::TooMany => anyhow!("so much happened to it; report it anew"),
    }
}
