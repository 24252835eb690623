//! `avanak agreement …`: the versions of the service agreement.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use app::App;
use app::agreement::{Acceptance, AgreementRefusal, Kept, NewVersion};
use clap::{Subcommand, ValueEnum};
use domain::AccountId;
use domain::agreement::parameter::{self, Language};
use domain::agreement::version::{BODY_MAX, Change, Refusal, Version, diff};
use domain::calendar::jalali::{gregorian_date_time, jalali_date, rfc3339};
use domain::calendar::month::PersianMonth;
use domain::calendar::opening_hours::CalendarKind;
use serde_json::json;

use super::{moment, open, opening_hours, say};
use crate::config::Config;

/// What can be done with the agreement. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum Agreement {
    /// Show a version: its text, its parameters and where each comes from, its checksum.
    Show {
        /// Its number; without it, the one in force.
        #[arg(long)]
        version: Option<u32>,
        /// The language of the text.
        #[arg(long, value_enum, default_value_t = Text::Fa)]
        language: Text,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show every version and when it holds.
    List {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Publish a version: the last one, with what is given here changed.
    Publish {
        /// From when on it holds: a month like `1405-10`, or a moment on Tehran's clock. What
        /// changes a parameter starts with a month.
        #[arg(long, value_name = "MONTH|MOMENT")]
        from: String,
        /// A file with the text in Persian.
        #[arg(long, value_name = "FILE")]
        fa: Option<PathBuf>,
        /// A file with the text in English.
        #[arg(long, value_name = "FILE")]
        en: Option<PathBuf>,
        /// A parameter that changes, like `report.fix_days=2`; may be given often.
        #[arg(long = "set", value_name = "NAME=VALUE")]
        set: Vec<String>,
    },
    /// Print the objective of a version in OpenSLO (v1), for tools that read it.
    Openslo {
        /// Its number; without it, the one in force.
        #[arg(long)]
        version: Option<u32>,
    },
    /// Show which versions an account accepted, and when.
    Acceptances {
        /// The account's number.
        #[arg(long)]
        account: i64,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Take back a version that does not hold yet.
    Withdraw {
        /// Its number.
        version: u32,
    },
    /// Show what changed from one version to another.
    Diff {
        /// The older one.
        older: u32,
        /// The newer one.
        newer: u32,
        /// The language of the text.
        #[arg(long, value_enum, default_value_t = Text::Fa)]
        language: Text,
    },
}

/// A language of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Text {
    /// Persian.
    Fa,
    /// English.
    En,
}

/// Runs the command.
pub async fn run(config: &Config, command: Agreement) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Agreement::Show { version, language, json } => show(&app, version, language, json).await?,
        Agreement::List { json } => list(&app, json).await?,
        Agreement::Publish { from, fa, en, set } => {
            let from = match PersianMonth::parse(&from) {
                Some(month) => month.start(),
                None => moment(&from)?,
            };
            let pair = |text: &String| {
                let (name, value) = text.split_once('=').context("write it as NAME=VALUE")?;
                Ok((name.trim().to_owned(), value.to_owned()))
            };
            let new = NewVersion {
                body_fa: fa.as_deref().map(text_file).transpose()?,
                body_en: en.as_deref().map(text_file).transpose()?,
                parameters: set.iter().map(pair).collect::<Result<_>>()?,
                effective_from: from,
            };
            let kept = app::agreement::publish(&app, new).await.map_err(refused)?;
            say(&line(&kept, None))?;
            hours_that_came(&app, kept.version.number).await?;
        }
        Agreement::Withdraw { version } => {
            app::agreement::withdraw(&app, version).await.map_err(refused)?;
            say(&format!("version {version} is withdrawn"))?;
        }
        Agreement::Acceptances { account, json } => acceptances(&app, account, json).await?,
        Agreement::Openslo { version } => {
            let kept = one(&app, version).await?;
            let parameters = &kept.version.draft.parameters;
            let text = domain::agreement::openslo::document(kept.version.number, parameters);
            say(text.trim_end())?;
        }
        Agreement::Diff { older, newer, language } => compare(&app, older, newer, language).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A file of text that is not longer than a version may be.
fn text_file(path: &Path) -> Result<String> {
    let doing = || format!("reading {}", path.display());
    let length = std::fs::metadata(path).with_context(doing)?.len();
    if length > BODY_MAX as u64 {
        bail!("{} has more than {BODY_MAX} bytes", path.display());
    }
    std::fs::read_to_string(path).with_context(doing)
}

async fn versions(app: &App) -> Result<Vec<Kept>> {
    app::agreement::versions(app).await.map_err(open::failed)
}

/// The number of the version in force.
fn in_force(app: &App, versions: &[Kept]) -> Option<u32> {
    let all: Vec<Version> = versions.iter().map(|kept| kept.version.clone()).collect();
    domain::agreement::version::in_force(&all, app.now()).map(|held| held.number)
}

async fn one(app: &App, number: Option<u32>) -> Result<Kept> {
    let versions = versions(app).await?;
    let in_force = in_force(app, &versions);
    let number = number.or(in_force).context("no version is in force")?;
    let found = versions.into_iter().find(|kept| kept.version.number == number);
    found.with_context(|| format!("there is no version {number}"))
}

fn body(version: &Version, language: Text) -> &str {
    match language {
        Text::Fa => &version.draft.body_fa,
        Text::En => &version.draft.body_en,
    }
}

async fn show(app: &App, number: Option<u32>, language: Text, json: bool) -> Result<()> {
    let kept = one(app, number).await?;
    if json {
        return say(&as_json(&kept).to_string());
    }
    say(&line(&kept, in_force(app, &versions(app).await?)))?;
    say(kept.version.draft.parameters.shown().trim_end())?;
    say(&format!("\n{}", body(&kept.version, language)))
}

async fn acceptances(app: &App, account: i64, as_json: bool) -> Result<()> {
    let accepted = app::agreement::accepted(app, AccountId(account)).await.map_err(open::failed)?;
    let one = |acceptance: &Acceptance| {
        let Acceptance { version, at, address } = acceptance;
        let address = address.as_deref().unwrap_or("an unknown address");
        format!("version {version}: accepted {} from {address}", gregorian_date_time(*at))
    };
    if as_json {
        let one = |acceptance: &Acceptance| {
            let Acceptance { version, at, address } = acceptance;
            json!({ "version": version, "accepted_at": rfc3339(*at), "address": address })
        };
        let all: Vec<_> = accepted.acceptances.iter().map(one).collect();
        let told = json!({ "in_force": accepted.in_force, "changed": accepted.is_changed(),
                           "acceptances": all });
        return say(&told.to_string());
    }
    for acceptance in &accepted.acceptances {
        say(&one(acceptance))?;
    }
    let changed = if accepted.is_changed() { "not accepted" } else { "accepted" };
    say(&format!("version {} is in force: {changed}", accepted.in_force))
}

async fn list(app: &App, json: bool) -> Result<()> {
    let versions = versions(app).await?;
    if json {
        let shown: Vec<_> = versions.iter().map(as_json).collect();
        return say(&json!({ "versions": shown }).to_string());
    }
    let in_force = in_force(app, &versions);
    versions.iter().try_for_each(|kept| say(&line(kept, in_force)))
}

/// One line: number, when it holds, checksum, and whether that is still the version's own.
fn line(kept: &Kept, in_force: Option<u32>) -> String {
    let Version { number, draft, withdrawn_at, .. } = &kept.version;
    let from = match draft.effective_from.0 {
        0 => "since ever".to_owned(),
        _ => format!("from {}", gregorian_date_time(draft.effective_from)),
    };
    let state = match withdrawn_at {
        Some(at) => format!("withdrawn {}", jalali_date(*at)),
        None if in_force == Some(*number) => "in force".to_owned(),
        None => "published".to_owned(),
    };
    let intact = if is_intact(kept) { "" } else { "  CHECKSUM DOES NOT MATCH" };
    format!(
        "version {number}  {from}  {state}  sha256 {}{intact}",
        app::agreement::checksum_in_hex(kept)
    )
}

fn is_intact(kept: &Kept) -> bool {
    app::agreement::checksum(&kept.version) == kept.checksum
}

fn as_json(kept: &Kept) -> serde_json::Value {
    let Version { number, draft, published_at, withdrawn_at } = &kept.version;
    let parameters: Vec<_> = draft
        .parameters
        .iter()
        .map(|one| json!({ "name": one.name, "value": one.value, "source": one.source.word() }))
        .collect();
    json!({
        "version": number,
        "effective_from": gregorian_date_time(draft.effective_from),
        "published_at": gregorian_date_time(*published_at),
        "withdrawn_at": withdrawn_at.map(gregorian_date_time),
        "sha256": app::agreement::checksum_in_hex(kept),
        "intact": is_intact(kept),
        "parameters": parameters,
        "text_fa": draft.body_fa,
        "text_en": draft.body_en,
    })
}

async fn compare(app: &App, older: u32, newer: u32, language: Text) -> Result<()> {
    let (older, newer) = (one(app, Some(older)).await?, one(app, Some(newer)).await?);
    let parameters = |kept: &Kept| kept.version.draft.parameters.shown();
    let (before, after) = (parameters(&older), parameters(&newer));
    let texts = (body(&older.version, language), body(&newer.version, language));
    let lines = diff(&before, &after).into_iter().chain(diff(texts.0, texts.1));
    for (change, line) in lines {
        match change {
            Change::Same => {}
            Change::Removed => say(&format!("- {line}"))?,
            Change::Added => say(&format!("+ {line}"))?,
        }
    }
    Ok(())
}

/// Tells which hours of the desk a version brought.
async fn hours_that_came(app: &App, number: u32) -> Result<()> {
    for kind in CalendarKind::OF_THE_DESK {
        for one in app::opening_hours::list(app, kind).await.map_err(open::failed)? {
            if one.came_with(number) {
                say(&format!("with it come the hours {}", opening_hours::line(kind, &one.hours)))?;
            }
        }
    }
    Ok(())
}

fn refused(error: app::Error<AgreementRefusal>) -> anyhow::Error {
    open::refused(error, |refusal| match refusal {
        AgreementRefusal::Meanwhile => anyhow!("another version was published at this moment"),
        AgreementRefusal::Parameter(parameter::Refusal::Name(name)) => {
            anyhow!("no parameter is called {name}; `avanak agreement show` has them all")
        }
        AgreementRefusal::Parameter(parameter::Refusal::Value(name)) => {
            anyhow!("{name} cannot be that")
        }
        AgreementRefusal::Hours(kind, day) => anyhow!(
            "on {day} the hours of the desk give less than that promises; change them first, with \
             `avanak hours set {} --from {day}`",
            kind.word()
        ),
        AgreementRefusal::Version(refusal) => version_refused(refusal),
    })
}

fn version_refused(refusal: Refusal) -> anyhow::Error {
    match refusal {
        Refusal::Body => anyhow!("a version needs a text in Persian, of at most {BODY_MAX} bytes"),
        Refusal::Unchanged => anyhow!("it says what the last version says"),
        Refusal::Retroactive => anyhow!("a version holds from now on or later"),
        Refusal::NotMonthStart(month) => {
            anyhow!("what changes a parameter starts with a month; the next one is {month}")
        }
        Refusal::NotAfter(number) => anyhow!("version {number} starts that day, or later"),
        Refusal::Text(name, language) => {
            let language = if language == Language::Persian { "Persian" } else { "English" };
            anyhow!("the text in {language} does not say {name} as it is")
        }
        Refusal::InForce => anyhow!("it holds already, or was withdrawn"),
        Refusal::Unknown => anyhow!("there is no such version"),
    }
}
