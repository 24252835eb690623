//! `avanak compensation …`: what breached months pay back, written by one person and published by
//! another.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use app::App;
use app::compensation::{Kept, ScheduleRefusal, Stage};
use clap::Subcommand;
use domain::Rials;
use domain::agreement::availability::Fraction;
use domain::agreement::compensation::{Measured, Refusal, Schedule, TEXT_MAX, Unread};
use domain::calendar::jalali::gregorian_date_time;
use domain::calendar::month::PersianMonth;
use serde_json::json;

use super::{open, say};
use crate::config::Config;

/// What can be done with schedules of compensation. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum Compensation {
    /// Write a draft down. It is checked: every value has one answer, and more downtime never a
    /// smaller one.
    Draft {
        /// A file with `name = value` on each line: shape, border, `cap_bp`, `least_rials`,
        /// `review_hours`, perhaps `total_cap_bp`, and a `row = FROM TO RATE` for each row, or
        /// `times_hundredths`.
        file: PathBuf,
        /// Who wrote it.
        #[arg(long)]
        author: String,
    },
    /// Publish a draft, as a second person.
    Publish {
        /// Its number.
        number: u32,
        /// Who approves it; not who wrote it.
        #[arg(long)]
        approver: String,
        /// The first month it is in force, like `1405-10`.
        #[arg(long, value_name = "MONTH")]
        from: String,
    },
    /// Show every schedule and where it stands.
    List {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show what a schedule says.
    Show {
        /// Its number.
        number: u32,
    },
    /// Reckon what a schedule would pay back of a month; nothing is kept.
    Try {
        /// Its number.
        number: u32,
        /// The month, like `1405-08`.
        #[arg(long)]
        month: String,
        /// How long the service was down, seconds.
        #[arg(long)]
        down_seconds: u32,
        /// How long it may have been down, seconds.
        #[arg(long, default_value_t = 0)]
        allowed_seconds: u32,
        /// What the month costs, rials.
        #[arg(long)]
        price: u32,
    },
}

/// Runs the command.
pub async fn run(config: &Config, command: Compensation) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Compensation::Draft { file, author } => {
            let text = text_file(&file)?;
            let number = app::compensation::draft(&app, &text, &author).await.map_err(refused)?;
            say(&format!("schedule {number} is a draft; a second person publishes it"))?;
        }
        Compensation::Publish { number, approver, from } => {
            let from = month(&from)?;
            let published = app::compensation::publish(&app, number, &approver, from).await;
            let schedule = published.map_err(refused)?;
            say(&format!("schedule {number} is in force from {}", schedule.effective_from()))?;
        }
        Compensation::List { json } => list(&app, json).await?,
        Compensation::Show { number } => {
            let (kept, stage) = one(&app, number).await?;
            say(&line(&kept, stage))?;
            say(kept.draft.to_text().trim_end())?;
        }
        Compensation::Try { number, month: text, down_seconds, allowed_seconds, price } => {
            let (kept, _) = one(&app, number).await?;
            let month = month(&text)?;
            let us = |seconds: u32| i64::from(seconds) * 1_000_000;
            let down_us = us(down_seconds).min(month.length_us());
            let up_us = month.length_us() - down_us;
            let availability = Fraction::new(up_us, month.length_us()).context("an empty month")?;
            let excess_us = (down_us - us(allowed_seconds)).max(0);
            let measured = Measured { availability, down_us, excess_us, month };
            let amount = kept.draft.amount(Rials(i64::from(price)), &measured);
            say(&format!("{availability} % available: {} rials", amount.0))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn month(text: &str) -> Result<PersianMonth> {
    PersianMonth::parse(text).context("write a month like 1405-10")
}

/// A file that is not longer than a schedule may be.
fn text_file(path: &Path) -> Result<String> {
    let doing = || format!("reading {}", path.display());
    if std::fs::metadata(path).with_context(doing)?.len() > TEXT_MAX as u64 {
        bail!("{} has more than {TEXT_MAX} bytes", path.display());
    }
    std::fs::read_to_string(path).with_context(doing)
}

async fn one(app: &App, number: u32) -> Result<(Kept, Stage)> {
    let all = app::compensation::list(app).await.map_err(open::failed)?;
    let found = all.into_iter().find(|(kept, _)| kept.number == number);
    found.with_context(|| format!("there is no schedule {number}"))
}

async fn list(app: &App, json: bool) -> Result<()> {
    let all = app::compensation::list(app).await.map_err(open::failed)?;
    if json {
        let shown: Vec<_> = all.iter().map(|(kept, stage)| as_json(kept, *stage)).collect();
        return say(&json!({ "schedules": shown }).to_string());
    }
    if !all.iter().any(|(_, stage)| *stage == Stage::Effective) {
        say("no schedule is in force: a breached month pays back nothing yet")?;
    }
    all.iter().try_for_each(|(kept, stage)| say(&line(kept, *stage)))
}

fn line(kept: &Kept, stage: Stage) -> String {
    let Kept { number, draft, published, .. } = kept;
    let who = match published {
        None => format!("by {}", draft.author),
        Some((schedule, _)) => format!(
            "from {}, by {} and {}",
            schedule.effective_from(),
            draft.author,
            schedule.approver()
        ),
    };
    format!("schedule {number}  {}  {who}", stage.word())
}

fn as_json(kept: &Kept, stage: Stage) -> serde_json::Value {
    let published = kept.published.as_ref().map(|(schedule, _)| schedule);
    json!({
        "schedule": kept.number,
        "state": stage.word(),
        "author": kept.draft.author,
        "drafted_at": gregorian_date_time(kept.drafted_at),
        "approver": published.map(Schedule::approver),
        "effective_from": published.map(|schedule| schedule.effective_from().to_string()),
        "published_at": published.map(|schedule| gregorian_date_time(schedule.published_at())),
        "text": kept.draft.to_text(),
    })
}

fn refused(error: app::Error<ScheduleRefusal>) -> anyhow::Error {
    use ScheduleRefusal as R;
    open::refused(error, |refusal| match refusal {
        R::Unread(Unread::TooLong) => anyhow!("it has more than {TEXT_MAX} bytes"),
        R::Unread(Unread::Line(line)) => {
            anyhow!("line {line} is not understood, or said before: write NAME = VALUE")
        }
        R::Unread(Unread::Missing(name)) => anyhow!("it does not say {name}"),
        R::Unread(Unread::Stray(name)) => anyhow!("a schedule of its shape has no {name}"),
        R::Rule(rule) => rule_refused(rule),
        R::NoSuchDraft => anyhow!("there is no draft of that number, or it is published"),
        R::Name => anyhow!("a name is missing or too long"),
        R::Meanwhile => anyhow!("somebody else published one at this moment; look again"),
    })
}

fn rule_refused(rule: Refusal) -> anyhow::Error {
    match rule {
        Refusal::Rows => anyhow!("it has no rows, or too many"),
        Refusal::EmptyRow(place) => anyhow!("row {} ends before it begins", place + 1),
        Refusal::Hole(from) => anyhow!("from {from} on no row says anything"),
        Refusal::Overlap(from) => anyhow!("at {from} two rows say something"),
        Refusal::Decreasing(place) => {
            anyhow!("in row {} more downtime pays back less", place + 1)
        }
        Refusal::TooMuch(place) => anyhow!("row {} pays back more than there is", place + 1),
        Refusal::Cap => anyhow!("cap_bp is from 1 to 10000, hundredths of a percent"),
        Refusal::TotalCap => anyhow!("total_cap_bp is from cap_bp to 10000"),
        Refusal::Min => anyhow!("least_rials is negative"),
        Refusal::Review => anyhow!("review_hours is at most 720"),
        Refusal::SamePerson => anyhow!("who wrote it may not approve it"),
        Refusal::LowersThePast => {
            anyhow!("it would pay back less for a month that has begun; begin with the next one")
        }
    }
}
