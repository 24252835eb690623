//! `avanak ticket …`: what customers ask of the desk, and what it answers.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use app::App;
use app::ticket::{Asked, Kept, NewFile, Shown, TicketRefusal, Who};
use clap::{Args, Subcommand};
use domain::AccountId;
use domain::agreement::attachment::{self, COUNT_MAX};
use domain::agreement::ticket::{About, Channel, Refusal, Step as Done};
use domain::calendar::day::due_text;
use domain::calendar::jalali::gregorian_date_time;
use serde_json::{Value, json};

use super::{may_move, open, say, write_private};
use crate::config::Config;

/// How many are listed.
const LISTED: u32 = 100;

/// What can be done with tickets. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum Ticket {
    /// Open one for a customer.
    Open(Open),
    /// Answer one; the customer is told.
    Answer(Said),
    /// Ask the customer for something; the ticket waits for it.
    Ask(Said),
    /// Note something that the customer does not see.
    Note(Said),
    /// Give one to an expert.
    Assign {
        /// To whom.
        #[arg(long)]
        to: String,
        #[command(flatten)]
        step: Step,
    },
    /// Close one; the customer reads why.
    Close(Said),
    /// Open a closed one again; the customer reads why.
    Reopen(Said),
    /// Let one go on in another one of the same account.
    Merge {
        /// The number of the other one.
        #[arg(long)]
        into: i64,
        #[command(flatten)]
        step: Step,
    },
    /// Add a file that the customer can fetch.
    Attach {
        /// Which.
        #[arg(long)]
        file: PathBuf,
        #[command(flatten)]
        step: Step,
    },
    /// Write a file of a ticket.
    File {
        /// The number of the file.
        file: i64,
        /// Where to.
        #[arg(long)]
        out: PathBuf,
    },
    /// Show one with everything it went through.
    Show {
        /// Its number.
        id: i64,
    },
    /// Show the newest, and which are overdue.
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

/// A ticket, and who does something with it.
#[derive(Debug, Args)]
pub struct Step {
    /// The number of the ticket.
    id: i64,
    /// Who does it.
    #[arg(long)]
    by: String,
}

/// A ticket, and what somebody says.
#[derive(Debug, Args)]
pub struct Said {
    /// The number of the ticket.
    id: i64,
    /// What.
    #[arg(long)]
    text: String,
    /// Who.
    #[arg(long)]
    by: String,
}

/// A ticket to be opened.
#[derive(Debug, Args)]
pub struct Open {
    /// Whose.
    #[arg(long)]
    account: i64,
    /// What it is about, in a line.
    #[arg(long)]
    subject: String,
    /// What is asked.
    #[arg(long)]
    text: String,
    /// What of the customer's it is about: message:7, campaign:3 or call:7/2.
    #[arg(long)]
    about: Option<String>,
    /// The customer asked on the telephone.
    #[arg(long)]
    phone: bool,
    /// Who opens it.
    #[arg(long)]
    by: String,
}

/// Runs the command.
pub async fn run(config: &Config, command: Ticket) -> Result<ExitCode> {
    use app::ticket as tickets;
    let app = open::app(config).await?;
    let changed = match command {
        Ticket::Answer(Said { id, text, by }) => tickets::answer(&app, id, &by, &text).await,
        Ticket::Ask(Said { id, text, by }) => tickets::ask(&app, id, &by, &text).await,
        Ticket::Note(Said { id, text, by }) => tickets::note(&app, id, &by, &text).await,
        Ticket::Assign { to, step } => tickets::assign(&app, step.id, &step.by, &to).await,
        Ticket::Close(Said { id, text, by }) => {
            tickets::close(&app, id, Who::Staff(&by), &text).await
        }
        Ticket::Reopen(Said { id, text, by }) => {
            tickets::reopen(&app, id, Who::Staff(&by), &text).await
        }
        Ticket::Merge { into, step } => tickets::merge(&app, step.id, into, &step.by).await,
        Ticket::Open(new) => return opened(&app, new).await,
        Ticket::Attach { file, step } => return attached(&app, &file, step).await,
        Ticket::File { file, out } => {
            let found = tickets::attachment(&app, None, file).await.map_err(open::failed)?;
            let (_, bytes) = found.context("there is no file of that number")?;
            write_private(&out, &bytes)?;
            return Ok(ExitCode::SUCCESS);
        }
        Ticket::Show { id } => {
            let found = tickets::find(&app, None, id).await.map_err(open::failed)?;
            say(&as_json(&found.context("there is no ticket of that number")?).to_string())?;
            return Ok(ExitCode::SUCCESS);
        }
        Ticket::List { account, before, json } => {
            let all = tickets::list(&app, account.map(AccountId), before, LISTED).await;
            list(&all.map_err(open::failed)?, json)?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let kept = changed.map_err(refused)?;
    say(&format!("ticket {} is {}", kept.id, kept.ticket.state().word()))?;
    Ok(ExitCode::SUCCESS)
}

async fn opened(app: &App, new: Open) -> Result<ExitCode> {
    let Open { account, subject, text, about, phone, by } = new;
    let about =
        about.map(|text| About::parse(&text).context("write message:7, campaign:3 or call:7/2"));
    let channel = if phone { Channel::Phone } else { Channel::Staff };
    let asked = Asked { channel, subject, text, about: about.transpose()?, context: Vec::new() };
    let opened = app::ticket::open(app, AccountId(account), Who::Staff(&by), &asked).await;
    say(&format!("ticket {}", opened.map_err(refused)?.0))?;
    Ok(ExitCode::SUCCESS)
}

async fn attached(app: &App, path: &Path, step: Step) -> Result<ExitCode> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = NewFile { name, bytes };
    let attached = app::ticket::attach(app, step.id, Who::Staff(&step.by), file).await;
    say(&format!("file {}", attached.map_err(refused)?.id))?;
    Ok(ExitCode::SUCCESS)
}

fn list(all: &[Shown], json: bool) -> Result<()> {
    if json {
        let shown: Vec<_> = all.iter().map(as_json).collect();
        return say(&json!({ "tickets": shown }).to_string());
    }
    all.iter().try_for_each(|shown| say(&line(shown)))
}

fn line(shown: &Shown) -> String {
    let Kept { id, new, ticket, .. } = &shown.kept;
    let holder = ticket.holder().map_or(String::new(), |name| format!("  {name}"));
    let due = match shown.due {
        None => String::new(),
        Some(at) if shown.overdue => format!("  OVERDUE since {}", due_text(at)),
        Some(at) => format!("  due {}{}", due_text(at), may_move(shown.may_move)),
    };
    let (state, subject) = (ticket.state().word(), &new.subject);
    format!("{id}  {state}  account {}{holder}{due}  {subject}", new.account)
}

fn as_json(shown: &Shown) -> Value {
    let Kept { id, new, ticket, steps, attachments } = &shown.kept;
    let steps: Vec<Value> = steps
        .iter()
        .map(|taken| {
            let (to, other) = match &taken.step {
                Some(Done::Assigned(name)) => (Some(name), None),
                Some(Done::Merged(id) | Done::Absorbed(id, _)) => (None, Some(id)),
                _ => (None, None),
            };
            json!({
                "step": taken.step.as_ref().map_or("opened", Done::word),
                "side": taken.side.word(),
                "at": gregorian_date_time(taken.at),
                "by": taken.actor,
                "text": taken.said,
                "to": to,
                "ticket": other,
            })
        })
        .collect();
    let files: Vec<Value> = attachments
        .iter()
        .map(|file| {
            json!({ "file": file.id, "name": file.name, "type": file.media_type,
                    "bytes": file.bytes })
        })
        .collect();
    let context = new.context.iter().map(|(name, value)| (name.clone(), json!(value)));
    json!({
        "ticket": id,
        "account": new.account.0,
        "channel": new.channel.word(),
        "subject": new.subject,
        "about": new.about.map(|about| about.to_string()),
        "context": context.collect::<serde_json::Map<_, _>>(),
        "state": ticket.state().word(),
        "holder": ticket.holder(),
        "opened_at": gregorian_date_time(new.opened_at),
        "due_at": shown.due.map(gregorian_date_time),
        "may_move": shown.may_move,
        "overdue": shown.overdue,
        "files": files,
        "history": steps,
    })
}

fn refused(error: app::Error<TicketRefusal>) -> anyhow::Error {
    use TicketRefusal as R;
    open::refused(error, |refusal| match refusal {
        R::Rule(Refusal::WrongState) => anyhow!("that does not follow where the ticket stands"),
        R::Rule(Refusal::WrongSide) => anyhow!("that is for its customer to do"),
        R::Rule(Refusal::TooLate) => anyhow!("it was closed more than 30 days ago; open a new one"),
        R::Rule(Refusal::TooMany) => anyhow!("so much was said in it; close it and open another"),
        R::Rule(Refusal::Itself) => anyhow!("it cannot go on in itself"),
        R::Rule(Refusal::OutOfOrder) => anyhow!("something else happened to it at this moment"),
        R::NoSuchTicket => anyhow!("there is no ticket of that number, or it is another account's"),
        R::NoSuchAccount => anyhow!("there is no such account"),
        R::About => anyhow!("the account has nothing like that"),
        R::Gone => anyhow!("who is to have it has left; `avanak staff list` tells who is there"),
        R::TooMany => anyhow!("the account has too many tickets that are not closed"),
        R::Text(what) => anyhow!("the {what} is missing or too long"),
        R::NoRoom => anyhow!("the account's files would be too large together"),
        R::File(refusal) => match refusal {
            attachment::Refusal::Name => anyhow!("that is no name of a file"),
            attachment::Refusal::Empty => anyhow!("there is nothing in the file"),
            attachment::Refusal::TooLarge => anyhow!("the file is too large"),
            attachment::Refusal::Kind => {
                anyhow!("the file is neither text, nor a picture, a PDF or a sound")
            }
            attachment::Refusal::TooMany => anyhow!("the ticket has {COUNT_MAX} files"),
        },
    })
}
