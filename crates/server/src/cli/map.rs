//! `avanak map …`: where numbers are, for campaigns of a region.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use app::campaign::Open;
use app::map::{BadRow, ImportRefusal, Imported, ToldRow, Unreadable};
use clap::Subcommand;
use domain::calendar::jalali::gregorian_date_time;
use serde_json::{Value, json};

use super::{open, say};
use crate::config::Config;

/// The largest file, bytes: some twenty million rows.
const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// What can be done with the map of numbers. A running server uses a new one at once; its numbers
/// are shown to nobody but as the recipients of campaigns.
#[derive(Debug, Subcommand)]
pub enum Map {
    /// Put a file in place of the whole map: in each row a number, its latitude and its longitude
    /// in degrees, with commas between them. Rows that are none are told and left out.
    Import {
        /// The file.
        file: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Take the map out of force and remove all its numbers. Campaigns that were made with it keep
    /// theirs.
    Remove,
    /// Show since when there is a map, and how many numbers it has.
    Show {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
pub async fn run(config: &Config, command: Map) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Map::Import { file, json } => {
            let size = std::fs::metadata(&file);
            let size = size.with_context(|| format!("reading {}", file.display()))?;
            if size.len() > FILE_BYTES_MAX {
                bail!("{} is larger than {FILE_BYTES_MAX} bytes", file.display());
            }
            let open: Open = Box::new(move || Ok(Box::new(File::open(&file)?)));
            let imported = app::map::import(&app, &open).await.map_err(refused)?;
            told(&imported, json)?;
        }
        Map::Remove => {
            app::map::remove(&app).await.map_err(refused)?;
            say("there is no number on the map any more")?;
        }
        Map::Show { json } => {
            let map = app::map::current(&app).await.map_err(open::failed)?;
            let since = map.map(|map| gregorian_date_time(map.in_force_at));
            let numbers = map.map_or(0, |map| map.numbers);
            say(&match since {
                since if json => json!({ "since": since, "numbers": numbers }).to_string(),
                Some(since) => format!("{numbers} numbers, in force since {since}"),
                None => String::from("there is no map; `avanak map import` makes one"),
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn told(imported: &Imported, json: bool) -> Result<()> {
    if json {
        let row = |told: &ToldRow| json!({ "row": told.row, "why": why(told.why) });
        let rows: Vec<Value> = imported.bad_rows.iter().map(row).collect();
        let (numbers, bad) = (imported.numbers, imported.bad);
        return say(&json!({ "numbers": numbers, "bad": bad, "bad_rows": rows }).to_string());
    }
    for told in &imported.bad_rows {
        say(&format!("row {}: {}: {}", told.row, why(told.why), told.excerpt))?;
    }
    say(&format!("{} numbers are in force, {} rows are none", imported.numbers, imported.bad))
}

fn why(bad: BadRow) -> &'static str {
    match bad {
        BadRow::NoNumber => "not a number",
        BadRow::NoPosition => "no latitude and longitude",
        BadRow::Twice => "a number that stood before",
        BadRow::Beyond => "more numbers than a map has",
    }
}

fn refused(error: app::Error<ImportRefusal>) -> anyhow::Error {
    open::refused(error, |refusal| match refusal {
        ImportRefusal::Unreadable(Unreadable::OpenQuote(row)) => {
            anyhow!("a quotation mark that opens in row {row} is never closed")
        }
        ImportRefusal::Unreadable(_) => anyhow!("the file is no table"),
        ImportRefusal::Empty => {
            anyhow!("no row is a number, its latitude and its longitude; the map is as it was")
        }
        ImportRefusal::Overtaken => {
            anyhow!("another import began meanwhile; the map is as that one leaves it")
        }
    })
}
