//! `avanak hours …`: when the desk and its line are open, and how business days are counted.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use app::opening_hours::{Entered, NewHours, OpeningHoursRefusal};
use clap::Subcommand;
use domain::calendar::day::Day;
use domain::calendar::jalali::gregorian_date_time;
use domain::calendar::opening_hours::{CalendarKind, DayType, HoursRefusal, OpeningHours};
use domain::class::hours_text;
use serde_json::{Value, json};

use super::{open, say};
use crate::config::Config;

/// What can be done with the hours of the desk's two calendars: `support`, when the line and the
/// desk are open, and `business`, by which business days are counted. The hours in which messages
/// are called out are those of their classes. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum Hours {
    /// Write down hours that hold from a day on, which begins a day from now at the earliest.
    Set {
        /// Which calendar: support or business.
        #[arg(value_parser = kind)]
        kind: CalendarKind,
        /// From which day on, like 2026-12-01 or 1405/09/10.
        #[arg(long, value_parser = day)]
        from: Day,
        /// The hours of ordinary days, like `08:30-14:00,14:45-24:00`, or `none`.
        #[arg(long)]
        ordinary: String,
        /// The hours of off days: of weekly rest and of public holidays.
        #[arg(long)]
        off: String,
        /// The weekly days of rest, with commas between, or `none`.
        #[arg(long, default_value = "friday")]
        rest: String,
        /// Who writes it down.
        #[arg(long)]
        actor: String,
    },
    /// Take a version back that begins a day from now at the earliest. It stays to be seen.
    Withdraw {
        /// Which calendar: support or business.
        #[arg(value_parser = kind)]
        kind: CalendarKind,
        /// Its number, as listed.
        number: u32,
        /// Who takes it back.
        #[arg(long)]
        actor: String,
    },
    /// Show every version of both calendars, in order.
    List {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

fn kind(text: &str) -> Result<CalendarKind, String> {
    CalendarKind::parse(text).ok_or_else(|| String::from("a calendar is support or business"))
}

fn day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| String::from("a day is written like 2026-12-01 or 1405/09/10"))
}

/// Runs the command.
pub async fn run(config: &Config, command: Hours) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Hours::Set { kind, from, ordinary, off, rest, actor } => {
            let new = NewHours { valid_from: from, rest_days: rest, ordinary, off };
            let hours = app::opening_hours::add(&app, kind, &new, &actor).await.map_err(refused)?;
            say(&line(kind, &hours))?;
        }
        Hours::Withdraw { kind, number, actor } => {
            let done = app::opening_hours::withdraw(&app, kind, number, &actor).await;
            done.map_err(refused)?;
            say(&format!("{} {number} is taken back", kind.word()))?;
        }
        Hours::List { json } => {
            let mut all = Vec::new();
            for kind in CalendarKind::OF_THE_DESK {
                let versions = app::opening_hours::list(&app, kind).await.map_err(open::failed)?;
                all.extend(versions.into_iter().map(|entered| (kind, entered)));
            }
            if json {
                let shown: Vec<Value> = all.iter().map(|(kind, one)| as_json(*kind, one)).collect();
                say(&json!({ "hours": shown }).to_string())?;
            } else {
                let back =
                    |one: &Entered| if one.withdrawn.is_some() { "  taken back" } else { "" };
                all.iter().try_for_each(|(kind, one)| {
                    say(&format!("{}{}", line(*kind, &one.hours), back(one)))
                })?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn line(kind: CalendarKind, hours: &OpeningHours) -> String {
    let (kind, number, from) = (kind.word(), hours.number(), hours.valid_from());
    let (ordinary, off) = (hours_text(hours, DayType::Ordinary), hours_text(hours, DayType::Off));
    let rest = hours.rest_days_text();
    format!("{kind} {number}  from {from}  ordinary {ordinary}  off {off}  rest {rest}")
}

fn as_json(kind: CalendarKind, entered: &Entered) -> Value {
    let Entered { hours, by, withdrawn } = entered;
    json!({
        "kind": kind.word(),
        "number": hours.number(),
        "from": hours.valid_from().to_string(),
        "ordinary": hours_text(hours, DayType::Ordinary),
        "off": hours_text(hours, DayType::Off),
        "rest_days": hours.rest_days_text(),
        "entered_at": by.as_ref().map(|(at, _)| gregorian_date_time(*at)),
        "actor": by.as_ref().map(|(_, actor)| actor),
        "withdrawn_at": withdrawn.as_ref().map(|(at, _)| gregorian_date_time(*at)),
        "withdrawn_by": withdrawn.as_ref().map(|(_, actor)| actor),
    })
}

fn refused(error: app::Error<OpeningHoursRefusal>) -> anyhow::Error {
    use OpeningHoursRefusal as R;
    open::refused(error, |refusal| match refusal {
        R::Unreadable => anyhow!("hours are like 08:30-14:00,14:45-24:00, days like friday"),
        R::Promised(day) => anyhow!(
            "from {day} on the agreement promises more than that (hours.support) or deadlines that \
             end sooner (hours.business); publish a version that says so first"
        ),
        R::Name => anyhow!("it needs a name of who writes it down"),
        R::Meanwhile => anyhow!("somebody else wrote hours down at this moment"),
        R::Rule(HoursRefusal::NeverOpen) => anyhow!("no day would ever open"),
        R::Rule(HoursRefusal::Overlap(_)) => anyhow!("windows of one type of day overlap"),
        R::Rule(HoursRefusal::TooMany(_)) => anyhow!("a day has too many windows"),
        R::Rule(HoursRefusal::TooSoon) => anyhow!("that begins less than a day from now"),
        R::Rule(HoursRefusal::TooFar) => anyhow!("that day is more than a year ahead"),
        R::Rule(HoursRefusal::Unknown) => anyhow!("no such version was written down, or stands"),
        R::Rule(HoursRefusal::NotAfter(day)) => anyhow!("a version begins on {day}, or later"),
        R::Rule(HoursRefusal::Full) => anyhow!("that calendar has too many versions"),
    })
}
