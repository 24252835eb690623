//! `avanak opt-out …`: who is not to be called.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use app::App;
use app::opt_out::{ListId, OptOut, list_of, list_of_all};
use clap::{Args, Subcommand};
use domain::calendar::jalali::gregorian_date_time;
use domain::opt_out::OptOutList;
use domain::{AccountId, PhoneNumber};
use serde_json::{Value, json};

use super::{open, say};
use crate::config::Config;

/// What can be done with the lists of those who are not called. A running server heeds a change
/// with the next call.
#[derive(Debug, Subcommand)]
pub enum OptOuts {
    /// Put numbers on a list.
    Add {
        #[command(flatten)]
        which: Which,
        /// The numbers.
        #[arg(required = true)]
        numbers: Vec<String>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Take numbers off a list.
    Remove {
        #[command(flatten)]
        which: Which,
        /// The numbers.
        #[arg(required = true)]
        numbers: Vec<String>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Put the numbers of a file on a list: one a line, or with commas between them.
    Import {
        #[command(flatten)]
        which: Which,
        /// The file.
        #[arg(long)]
        file: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show the numbers on a list, in their order.
    List {
        #[command(flatten)]
        which: Which,
        /// Only those after this one.
        #[arg(long, default_value = "")]
        after: String,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show everything that there ever was about a number, on any list.
    Show {
        /// The number.
        number: String,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Which list.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// The country's: no advertising.
    #[arg(long)]
    national: bool,
    /// The operator's: nothing but warnings, from nobody.
    #[arg(long)]
    operator: bool,
    /// An account's own: nothing that it sends of its own accord.
    #[arg(long)]
    account: Option<i64>,
}

/// Entries shown at most.
const SHOWN: u32 = 1_000;
/// The largest file of numbers, bytes.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// How numbers come on a list by these commands.
const SOURCE: &str = "command line";

impl Which {
    async fn id(&self, app: &App) -> Result<ListId> {
        let Some(account) = self.account else {
            let list = if self.national { OptOutList::National } else { OptOutList::Operator };
            return Ok(list_of_all(list));
        };
        let account = AccountId(account);
        let found = app::account::status(app, account).await.map_err(open::failed)?;
        found.with_context(|| format!("there is no account {account}"))?;
        Ok(list_of(account))
    }
}

/// Runs the command.
pub async fn run(config: &Config, command: OptOuts) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        OptOuts::Add { which, numbers, json } => {
            let (of, numbers) = (which.id(&app).await?, read(&numbers)?);
            let added = app::opt_out::add(&app, of, &numbers, SOURCE).await;
            told("added", added.map_err(open::failed)?, numbers.len(), json)?;
        }
        OptOuts::Remove { which, numbers, json } => {
            let (of, numbers) = (which.id(&app).await?, read(&numbers)?);
            let removed = app::opt_out::remove(&app, of, &numbers).await;
            told("removed", removed.map_err(open::failed)?, numbers.len(), json)?;
        }
        OptOuts::Import { which, file, json } => {
            import(&app, which.id(&app).await?, &file, json).await?;
        }
        OptOuts::List { which, after, json } => {
            let of = which.id(&app).await?;
            let found = app::opt_out::list(&app, of, &after, SHOWN).await.map_err(open::failed)?;
            show(&found, json)?;
        }
        OptOuts::Show { number, json } => {
            let number = read(&[number])?.remove(0);
            let found = app::opt_out::history(&app, &number).await.map_err(open::failed)?;
            show(&found, json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(numbers: &[String]) -> Result<Vec<PhoneNumber>> {
    let number = |text: &String| {
        PhoneNumber::parse(text).with_context(|| format!("{text} is no telephone number"))
    };
    numbers.iter().map(number).collect()
}

fn told(done: &str, changed: usize, asked: usize, json: bool) -> Result<()> {
    let unchanged = asked - changed;
    if json {
        return say(&json!({ done: changed, "unchanged": unchanged }).to_string());
    }
    say(&format!("{changed} numbers {done}, {unchanged} stood so already"))
}

async fn import(app: &App, of: ListId, file: &Path, json: bool) -> Result<()> {
    let size = std::fs::metadata(file).with_context(|| format!("reading {}", file.display()))?;
    if size.len() > FILE_BYTES_MAX {
        bail!("{} is larger than {FILE_BYTES_MAX} bytes", file.display());
    }
    let bytes = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let written = String::from_utf8_lossy(&bytes).into_owned();
    let imported = app::opt_out::import(app, of, written, "import").await;
    let (added, sifted) = imported.map_err(open::failed)?;
    if json {
        let rows: Vec<Value> = sifted
            .invalid_rows
            .iter()
            .map(|row| json!({ "row": row.row, "excerpt": row.excerpt }))
            .collect();
        let told = json!({
            "added": added,
            "unchanged": sifted.numbers.len() - added,
            "duplicates": sifted.duplicates,
            "invalid": sifted.invalid,
            "invalid_rows": rows,
            "overflowed": sifted.overflowed,
        });
        return say(&told.to_string());
    }
    for row in &sifted.invalid_rows {
        say(&format!("row {}: not a number: {}", row.row, row.excerpt))?;
    }
    if sifted.overflowed {
        say("the file has too many numbers; the rest was left out")?;
    }
    let (duplicates, invalid) = (sifted.duplicates, sifted.invalid);
    say(&format!("{added} numbers added, {duplicates} duplicates, {invalid} invalid rows"))
}

fn show(found: &[OptOut], json: bool) -> Result<()> {
    if json {
        let shown: Vec<Value> = found.iter().map(as_json).collect();
        return say(&json!({ "opt_outs": shown }).to_string());
    }
    for one in found {
        let account = one.of.account;
        let list = match one.of.list {
            OptOutList::Account => format!("account {account}"),
            list => list.word().to_owned(),
        };
        let until = one
            .removed
            .map_or_else(String::new, |(at, _)| format!(" until {}", gregorian_date_time(at)));
        let (number, source) = (&one.number, &one.source);
        let since = gregorian_date_time(one.added.0);
        say(&format!("{number}  {list}  since {since}{until}  by {source}"))?;
    }
    say(&format!("{} entries", found.len()))
}

fn as_json(one: &OptOut) -> Value {
    json!({
        "number": one.number,
        "list": one.of.list.word(),
        "account_id": (one.of.list == OptOutList::Account).then_some(one.of.account.0),
        "since": gregorian_date_time(one.added.0),
        "version": one.added.1,
        "source": one.source,
        "until": one.removed.map(|(at, _)| gregorian_date_time(at)),
    })
}
