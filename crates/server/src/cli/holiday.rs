//! `avanak holiday …`: the public holidays, as the operator has changed them.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use app::App;
use app::holiday::HolidayRefusal;
use clap::Subcommand;
use domain::calendar::day::Day;
use domain::calendar::holiday::{Holiday, HolidayBasis, HolidayStatus, read};
use serde_json::{Value, json};

use super::{open, say};
use crate::config::Config;

/// The largest file of holidays, bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What can be done with public holidays: days on which classes and the desk have the hours of
/// Fridays. A running server knows of a change within a second or two; calls and times before it
/// are judged by what was known then. A day is written like 2026-12-01 or 1405/09/10.
#[derive(Debug, Subcommand)]
pub enum Holidays {
    /// Enter a holiday, or change the one of its day and name.
    Add {
        /// The day.
        #[arg(value_parser = day)]
        day: Day,
        /// Its name in Persian.
        name: String,
        /// Its name in English.
        #[arg(long, default_value = "")]
        name_en: String,
        /// It may still move.
        #[arg(long)]
        provisional: bool,
        /// A decision of the government for this day alone says so.
        #[arg(long)]
        decree: bool,
    },
    /// Say that a day is no holiday by this name, though it stands there.
    Withdraw {
        /// The day.
        #[arg(value_parser = day)]
        day: Day,
        /// Its name in Persian, as it is listed.
        name: String,
    },
    /// Enter the holidays of a file that nothing here speaks against, and tell the others: one a
    /// line, with tabs between day, status, basis, name in Persian and name in English.
    Import {
        /// The file.
        #[arg(long)]
        file: PathBuf,
        /// Enter none, and tell what would be entered.
        #[arg(long)]
        dry_run: bool,
    },
    /// Show the holidays of a year, in their order; also what was withdrawn.
    List {
        /// The year, of the solar calendar.
        year: i32,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

fn day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| String::from("a day is written like 2026-12-01 or 1405/09/10"))
}

/// Runs the command.
pub async fn run(config: &Config, command: Holidays) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Holidays::Add { day, name, name_en, provisional, decree } => {
            let status =
                if provisional { HolidayStatus::Provisional } else { HolidayStatus::Confirmed };
            let basis = if decree { HolidayBasis::Decree } else { HolidayBasis::Operator };
            let holiday = Holiday { day, name: name.trim().to_owned(), name_en, status, basis };
            app::holiday::put(&app, &holiday).await.map_err(refused)?;
            say(&line(&holiday))?;
        }
        Holidays::Withdraw { day, name } => {
            app::holiday::withdraw(&app, day, name.trim()).await.map_err(refused)?;
            say(&format!("{day} is no holiday as {}", name.trim()))?;
        }
        Holidays::Import { file, dry_run } => import(&app, &file, dry_run).await?,
        Holidays::List { year, json } => {
            let all = app::holiday::list(&app).await.map_err(open::failed)?;
            let mut of_year = all.iter().filter(|holiday| holiday.day.to_jalali().0 == year);
            if json {
                let shown: Vec<Value> = of_year.map(as_json).collect();
                say(&json!({ "holidays": shown }).to_string())?;
            } else {
                of_year.try_for_each(|holiday| say(&line(holiday)))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn import(app: &App, file: &std::path::Path, dry_run: bool) -> Result<()> {
    let told = || format!("reading {}", file.display());
    if std::fs::metadata(file).with_context(told)?.len() > FILE_BYTES_MAX {
        bail!("{} is larger than {FILE_BYTES_MAX} bytes", file.display());
    }
    let text = std::fs::read_to_string(file).with_context(told)?;
    let list = read(&text);
    let list = list.map_err(|error| anyhow!("line {} has no {}", error.line, error.field))?;
    let plan = app::holiday::import(app, list, dry_run).await.map_err(open::failed)?;
    plan.new.iter().try_for_each(|holiday| say(&line(holiday)))?;
    for conflict in &plan.conflicts {
        let (imported, here) = (line(&conflict.imported), line(&conflict.here));
        say(&format!("not entered: {imported}; here is {here}"))?;
    }
    let (new, same, not) = (plan.new.len(), plan.unchanged, plan.conflicts.len());
    let entered = if dry_run { "to be entered" } else { "entered" };
    say(&format!("{new} {entered}, {same} as they are here, {not} for a person to decide"))
}

fn line(holiday: &Holiday) -> String {
    let Holiday { day, name, status, basis, .. } = holiday;
    format!("{day}  {}  {}  {name}", status.word(), basis.word())
}

fn as_json(holiday: &Holiday) -> Value {
    json!({
        "day": holiday.day.to_string(),
        "status": holiday.status.word(),
        "basis": holiday.basis.word(),
        "name": holiday.name,
        "name_en": holiday.name_en,
    })
}

fn refused(error: app::Error<HolidayRefusal>) -> anyhow::Error {
    open::refused(error, |refusal| match refusal {
        HolidayRefusal::WrongName => anyhow!("a holiday has a name of 1 to 200 bytes"),
        HolidayRefusal::NoSuchHoliday => anyhow!("there is no such holiday on that day"),
    })
}
