//! `avanak outage …`: what was seen of the service, and who shared a fate with whom.

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use app::App;
use app::outage::{NewOutage, Outage as Kept, OutageRefusal};
use clap::Subcommand;
use domain::agreement::cause::Cause;
use domain::agreement::scope::Group;
use domain::calendar::jalali::gregorian_date_time;
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Timestamp};
use serde_json::json;

use super::{Reach, moment, open, say};
use crate::config::Config;

/// What can be done with outages. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum Outage {
    /// Record an outage.
    Record {
        /// Since its first failure, on Tehran's clock, like `1405/08/10 10:00`.
        #[arg(long, value_name = "MOMENT")]
        from: String,
        /// Until the first success; without it, it lasts.
        #[arg(long, value_name = "MOMENT")]
        to: Option<String>,
        #[command(flatten)]
        reach: Reach,
        /// What broke.
        #[arg(long)]
        cause: String,
        /// What proves it.
        #[arg(long)]
        evidence: String,
        /// Who says so.
        #[arg(long)]
        author: String,
    },
    /// End one that lasts.
    Close {
        /// Its number.
        id: i64,
        /// When it ended; without it, now.
        #[arg(long, value_name = "MOMENT")]
        to: Option<String>,
        /// Who says so.
        #[arg(long)]
        author: String,
    },
    /// Correct the time of one. What it said before stays to be seen, and measurement changes it no
    /// more.
    Correct {
        /// Its number.
        id: i64,
        /// Since when it was down.
        #[arg(long, value_name = "MOMENT")]
        from: String,
        /// Until when.
        #[arg(long, value_name = "MOMENT")]
        to: String,
        /// Why.
        #[arg(long)]
        because: String,
        /// Who says so.
        #[arg(long)]
        author: String,
    },
    /// Say where one came from. It counts all the same, unless the agreement that holds when its
    /// month begins excludes that: `availability.exclusions`. What was said before stays to be
    /// seen.
    Trace {
        /// Its number.
        id: i64,
        /// Where from: ours, carrier, power, internet, force-majeure, customer-equipment,
        /// customer-request or agreed-downtime.
        #[arg(long, value_parser = cause)]
        to: Cause,
        /// What says so.
        #[arg(long)]
        because: String,
        /// Who says so.
        #[arg(long)]
        author: String,
    },
    /// Mark one as wrong. It stays to be seen.
    Reverse {
        /// Its number.
        id: i64,
        /// Why it is wrong.
        #[arg(long)]
        because: String,
        /// Who says so.
        #[arg(long)]
        author: String,
    },
    /// Note that a source saw paths work. Without such notes nothing is known to be up.
    Worked {
        /// Who saw it: the name of a monitor.
        #[arg(long)]
        source: String,
        /// Since when.
        #[arg(long, value_name = "MOMENT")]
        from: String,
        /// Until when.
        #[arg(long, value_name = "MOMENT")]
        to: String,
        #[command(flatten)]
        reach: Reach,
    },
    /// Put an account into a group, like `cohort:1` or `trunk:3`.
    Join {
        /// The group.
        group: String,
        /// The account.
        #[arg(long)]
        account: i64,
        /// From when on; without it, now.
        #[arg(long, value_name = "MOMENT")]
        from: Option<String>,
        /// Who says so.
        #[arg(long)]
        author: String,
    },
    /// Take an account out of a group.
    Leave {
        /// The group.
        group: String,
        /// The account.
        #[arg(long)]
        account: i64,
        /// When it left; without it, now.
        #[arg(long, value_name = "MOMENT")]
        to: Option<String>,
        /// Who says so.
        #[arg(long)]
        author: String,
    },
    /// Show the outages of a month.
    List {
        /// The month, like `1405-08`; without it, this one.
        #[arg(long, value_name = "MONTH")]
        month: Option<String>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
pub async fn run(config: &Config, command: Outage) -> Result<ExitCode> {
    let app = open::app(config).await?;
    let or_now = |text: Option<&str>| text.map_or(Ok(app.now()), moment);
    match command {
        Outage::Record { from, to, reach, cause, evidence, author } => {
            let (paths, scope) = reach.read()?;
            let new = NewOutage {
                paths,
                scope,
                from: moment(&from)?,
                to: to.as_deref().map(moment).transpose()?,
                cause,
                evidence,
                author,
            };
            let id = app::outage::record(&app, new).await.map_err(refused)?;
            say(&format!("outage {id}"))?;
            found(&app).await?;
        }
        Outage::Close { id, to, author } => {
            let to = to.as_deref().map(moment).transpose()?;
            app::outage::close(&app, id, to, &author).await.map_err(refused)?;
            say(&format!("outage {id} is over"))?;
            found(&app).await?;
        }
        Outage::Correct { id, from, to, because, author } => {
            let span = Span::new(moment(&from)?, moment(&to)?);
            let span = span.context("it ends after it begins")?;
            let corrected = app::outage::correct(&app, id, span, &because, &author).await;
            corrected.map_err(refused)?;
            say(&format!("outage {id} is corrected"))?;
            found(&app).await?;
        }
        Outage::Trace { id, to, because, author } => {
            let traced = app::outage::trace(&app, id, to, &because, &author).await;
            traced.map_err(refused)?;
            say(&format!("outage {id} came from {}", to.word()))?;
        }
        Outage::Reverse { id, because, author } => {
            app::outage::reverse(&app, id, &because, &author).await.map_err(refused)?;
            say(&format!("outage {id} is reversed"))?;
        }
        Outage::Worked { source, from, to, reach } => {
            let span = Span::new(moment(&from)?, moment(&to)?);
            let span = span.context("it ends after it begins")?;
            let (paths, scope) = reach.read()?;
            let noted = app::outage::saw_working(&app, &source, paths, &scope, span).await;
            noted.map_err(refused)?;
            say("noted")?;
        }
        Outage::Join { group: name, account, from, author } => {
            let (group, from) = (group(&name)?, or_now(from.as_deref())?);
            let of = (from, author.as_str());
            let joined = app::outage::join(&app, group, AccountId(account), of).await;
            joined.map_err(refused)?;
            say(&format!("account {account} is in {group}"))?;
        }
        Outage::Leave { group: name, account, to, author } => {
            let (group, to) = (group(&name)?, or_now(to.as_deref())?);
            let of = (to, author.as_str());
            let left = app::outage::leave(&app, group, AccountId(account), of).await;
            left.map_err(refused)?;
            say(&format!("account {account} has left {group}"))?;
        }
        Outage::List { month, json } => list(&app, month.as_deref(), json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Says who was found to be touched by an outage of a prefix or trunk.
async fn found(app: &App) -> Result<()> {
    match app::outage::look_attempts(app).await.map_err(open::failed)? {
        0 => Ok(()),
        count => say(&format!("{count} accounts are in its group now, by their calls")),
    }
}

fn cause(text: &str) -> Result<Cause, String> {
    let words: Vec<&str> = Cause::ALL.into_iter().map(Cause::word).collect();
    Cause::parse(text).ok_or_else(|| format!("it is one of {}", words.join(", ")))
}

fn group(text: &str) -> Result<Group> {
    Group::parse(text).with_context(|| format!("{text} is no group; write it like cohort:1"))
}

async fn list(app: &App, month: Option<&str>, json: bool) -> Result<()> {
    let month = match month {
        Some(text) => PersianMonth::parse(text).context("write a month like 1405-08")?,
        None => PersianMonth::of(app.now()),
    };
    let time = Span { from: month.start(), to: month.end() };
    let outages = app::outage::list(app, time).await.map_err(open::failed)?;
    if json {
        let shown: Vec<_> = outages.iter().map(as_json).collect();
        return say(&json!({ "outages": shown }).to_string());
    }
    outages.iter().try_for_each(|outage| say(&line(outage)))
}

pub fn line(outage: &Kept) -> String {
    let Kept { id, paths, scope, from, to, cause, reversed, .. } = outage;
    let to = to.map_or("still".to_owned(), gregorian_date_time);
    let reversed = reversed.as_ref().map_or(String::new(), |(_, why)| format!("  REVERSED: {why}"));
    let corrected = match outage.revisions.len() {
        0 => String::new(),
        count => format!("  corrected {count} times"),
    };
    let from = gregorian_date_time(*from);
    let traced = outage.traced_to().map_or(String::new(), |cause| format!("  [{}]", cause.word()));
    format!("{id}  {from} – {to}  {paths}; {scope}  {cause}{traced}{corrected}{reversed}")
}

pub fn as_json(outage: &Kept) -> serde_json::Value {
    let at = |at: &Timestamp| gregorian_date_time(*at);
    let revisions = outage.revisions.iter().map(|one| {
        json!({ "from": at(&one.from), "to": one.to.as_ref().map(at), "because": one.because,
                "author": one.author, "revised_at": at(&one.revised_at) })
    });
    let traced = outage.causes.iter().map(|one| {
        json!({ "to": one.to.word(), "because": one.because, "author": one.author,
                "at": at(&one.at) })
    });
    json!({
        "outage": outage.id,
        "paths": outage.paths.to_string(),
        "scope": outage.scope.to_string(),
        "from": at(&outage.from),
        "to": outage.to.as_ref().map(at),
        "cause": outage.cause,
        "evidence": outage.evidence,
        "recorded_at": at(&outage.recorded_at),
        "measured": outage.measured,
        "revisions": revisions.collect::<Vec<_>>(),
        "traced": traced.collect::<Vec<_>>(),
        "reversed_at": outage.reversed.as_ref().map(|(reversed, _)| at(reversed)),
        "reversed_because": outage.reversed.as_ref().map(|(_, why)| why),
    })
}

fn refused(error: app::Error<OutageRefusal>) -> anyhow::Error {
    use OutageRefusal as R;
    open::refused(error, |refusal| match refusal {
        R::NoPath => anyhow!("it names no part of the service"),
        R::Time => anyhow!("it lies in the future, or ends before it begins"),
        R::Text(what) => anyhow!("the {what} is missing or too long"),
        R::NoSuchOutage => anyhow!("there is no outage of that number with which this can be done"),
        R::NoSuchAccount => anyhow!("there is no such account"),
        R::Group => anyhow!("nobody is put into that group"),
        R::Member => anyhow!("it is in that group already, or is not in it"),
    })
}
