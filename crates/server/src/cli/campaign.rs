//! `avanak campaign …`: the operator sees campaigns and acts on them, while the server runs.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use app::campaign::{
    Added, CreateRefusal, List, ListRefusal, NewRedial, NotAPace, Progress, RehearsalRefusal,
    Unreadable, Wanted,
};
use app::{App, Caller, Error};
use clap::Subcommand;
use domain::calendar::jalali::gregorian_date_time;
use domain::{AccountId, CampaignId, Rials, Status};
use serde_json::{Value, json};

use super::{open, say};
use crate::config::Config;

/// What can be done with campaigns. All of it works while the server runs, which notices within a
/// second.
#[derive(Debug, Subcommand)]
pub enum Campaign {
    /// Show the newest campaigns.
    List {
        /// Of this account alone.
        #[arg(long)]
        account: Option<i64>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show a campaign: its plan, how far it is, what it cost.
    Show {
        /// The campaign.
        id: i64,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Call a number of your own as it would, to hear it before it calls anybody. The running
    /// server makes the call; the campaign counts nothing of it.
    Test {
        /// The campaign.
        id: i64,
        /// The number.
        #[arg(long)]
        number: String,
        /// Call nobody when the call could cost more than so many rials.
        #[arg(long, value_name = "RIALS")]
        max_cost: Option<u64>,
        /// Call nobody; say what the call would cost at most.
        #[arg(long)]
        dry_run: bool,
    },
    /// Set how many of its calls start in a minute at the most; beside it, trunks have a pace, too.
    Pace {
        /// The campaign.
        id: i64,
        /// How many, from 1 to 600000.
        #[arg(long, value_name = "CALLS", required_unless_present = "none")]
        per_minute: Option<u32>,
        /// As many as there is room for.
        #[arg(long, conflicts_with = "per_minute")]
        none: bool,
    },
    /// Dial nothing more of it until it is resumed; calls that are up go on.
    Pause {
        /// The campaign.
        id: i64,
    },
    /// Let a paused campaign go on.
    Resume {
        /// The campaign.
        id: i64,
    },
    /// Stop it; its customer can start it again.
    Stop {
        /// The campaign.
        id: i64,
    },
    /// Give it up for good: whoever was not called is not called any more, and calls that are up
    /// are hung up.
    Cancel {
        /// The campaign.
        id: i64,
    },
    /// Add the numbers of a file: a table (.csv, .tsv), a workbook of Excel (.xlsx), or anything
    /// else with one number a line or commas between them.
    AddNumbers {
        /// The campaign.
        id: i64,
        /// The file.
        #[arg(long)]
        file: PathBuf,
        /// Which column of a table has the numbers: its heading, or its number from 1.
        #[arg(long, default_value = "", hide_default_value = true)]
        column: String,
        /// Which sheet of a workbook, in place of the first.
        #[arg(long)]
        sheet: Option<String>,
        /// Add nothing; say what would become of the file.
        #[arg(long)]
        dry_run: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Call those whom it did not reach, by a new campaign that starts at once.
    Redial {
        /// The campaign.
        id: i64,
        /// The first day and the hour at which each day starts: 2026-11-22 08:00.
        #[arg(long)]
        start: String,
        /// The last day and the hour at which each day ends.
        #[arg(long)]
        end: String,
        /// The most rials that it may cost; without it as much as the campaign before it.
        #[arg(long, value_name = "RIALS")]
        max_cost: Option<u64>,
        /// Call nobody; say whom it would call, and what that would cost.
        #[arg(long)]
        dry_run: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Campaigns shown at most.
const SHOWN: u32 = 100;
/// The largest file of numbers that is no table, bytes.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Runs the command.
pub async fn run(config: &Config, command: Campaign) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Campaign::List { account, json } => list(&app, account.map(AccountId), json).await?,
        Campaign::Show { id, json } => show(&app, CampaignId(id), json).await?,
        Campaign::Test { id, number, max_cost, dry_run } => {
            rehearse(&app, id, (&number, max_cost.map(rials)), dry_run).await?;
        }
        Campaign::Pace { id, per_minute, none: _ } => {
            let (id, account) = found(&app, id).await?;
            let paced = match app::campaign::set_pace(&app, account, id, per_minute).await {
                Err(Error::Refused(NotAPace)) => bail!("--per-minute is from 1 to 600000"),
                Err(Error::Failed(failure)) => Err(failure),
                Ok(paced) => Ok(paced),
            };
            told(id, "paced", paced)?;
        }
        Campaign::Pause { id } => {
            let (id, account) = found(&app, id).await?;
            told(id, "paused", app::campaign::pause(&app, account, id).await)?;
        }
        Campaign::Resume { id } => {
            let (id, account) = found(&app, id).await?;
            let resumed = match app::campaign::resume(&app, account, id).await {
                Err(Error::Refused(_)) => bail!(why(CreateRefusal::NotIdentified)),
                Err(Error::Failed(failure)) => Err(failure),
                Ok(resumed) => Ok(resumed),
            };
            told(id, "resumed", resumed)?;
        }
        Campaign::Stop { id } => {
            let (id, account) = found(&app, id).await?;
            told(id, "stopped", app::campaign::stop(&app, account, id).await)?;
        }
        Campaign::Cancel { id } => {
            let (id, account) = found(&app, id).await?;
            told(id, "cancelled", app::campaign::cancel(&app, account, id).await)?;
        }
        Campaign::AddNumbers { id, file, column, sheet, dry_run, json } => {
            let list = list_of(&file, Wanted::parse(&column), sheet)?;
            add(&app, id, (&file, list), dry_run, json).await?;
        }
        Campaign::Redial { id, start, end, max_cost, dry_run, json } => {
            let new = NewRedial { start, end, max_cost: max_cost.map(rials) };
            redial(&app, id, &new, dry_run, json).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The campaign and whose it is.
async fn found(app: &App, id: i64) -> Result<(CampaignId, AccountId)> {
    let id = CampaignId(id);
    let account = app::campaign::owner(app, id).await.map_err(open::failed)?;
    account.map(|account| (id, account)).with_context(|| format!("there is no campaign {id}"))
}

/// An amount as it is given.
fn rials(given: u64) -> Rials {
    Rials(i64::try_from(given).unwrap_or(i64::MAX))
}

/// The campaign, and its customer as a caller.
async fn on_behalf(app: &App, id: i64) -> Result<(CampaignId, Caller)> {
    let (id, account) = found(app, id).await?;
    let account = app::account::status(app, account).await.map_err(open::failed)?;
    let account = account.context("reading the campaign's account: it is gone")?;
    Ok((id, Caller { account, token: None }))
}

async fn rehearse(
    app: &App,
    id: i64,
    (number, max_cost): (&str, Option<Rials>),
    dry_run: bool,
) -> Result<()> {
    let (id, caller) = on_behalf(app, id).await?;
    if dry_run {
        let told = app::campaign::estimate_rehearsal(app, &caller, id, number).await;
        let (_, estimate) = told.map_err(open::failed)?.context("there is no such campaign")?;
        if let Some(Err(refusal)) = estimate.calls.first() {
            bail!("it cannot call {number} now: {refusal:?}");
        }
        return say(&format!(
            "calling {number} would cost {} rials at most",
            estimate.cost_max().0
        ));
    }
    match app::campaign::rehearse(app, &caller, id, (number, max_cost), None).await {
        Ok(Some(sent)) => say(&format!("quick send {} calls {number} in a moment", sent.id)),
        Ok(None) => bail!("there is no campaign {id}"),
        Err(Error::Refused(RehearsalRefusal::TooExpensive(cost))) => {
            bail!("the call could cost {} rials; nobody was called", cost.0)
        }
        Err(Error::Refused(refusal)) => bail!("it cannot call {number} now: {refusal:?}"),
        Err(Error::Failed(failure)) => Err(open::failed(failure)),
    }
}

/// Says what was done, or that its state does not allow it.
fn told(id: CampaignId, done: &str, was: Result<bool, app::Failure>) -> Result<()> {
    if !was.map_err(open::failed)? {
        bail!("campaign {id} cannot be {done} in its state; `campaign show {id}` tells it");
    }
    say(&format!("campaign {id} is {done}"))
}

async fn list(app: &App, account: Option<AccountId>, json: bool) -> Result<()> {
    let campaigns = app::campaign::newest(app, account, SHOWN).await.map_err(open::failed)?;
    if json {
        let shown: Vec<Value> = campaigns
            .iter()
            .map(|one| {
                json!({
                    "campaign_id": one.id.0,
                    "account_id": one.account.0,
                    "title": one.plan.title,
                    "state": one.state.word(),
                    "recipients": one.recipients.total(),
                    "stepped_in": one.cursor,
                    "charged_rials": one.charged.0,
                })
            })
            .collect();
        return say(&json!({ "campaigns": shown }).to_string());
    }
    for one in &campaigns {
        let (id, account, state) = (one.id, one.account, one.state.word());
        let (done, all, title) = (one.cursor, one.recipients.total(), &one.plan.title);
        say(&format!("campaign {id}  account {account}  {state}  {done} of {all}  {title}"))?;
    }
    say(&format!("{} campaigns", campaigns.len()))
}

async fn show(app: &App, id: CampaignId, json: bool) -> Result<()> {
    let (id, account) = found(app, id.0).await?;
    let progress = app::campaign::find(app, account, id).await.map_err(open::failed)?;
    let progress = progress.with_context(|| format!("there is no campaign {id}"))?;
    if json { say(&as_json(&progress).to_string()) } else { as_text(&progress) }
}

fn as_json(progress: &Progress) -> Value {
    let campaign = &progress.campaign;
    let (plan, schedule) = (&campaign.plan, campaign.plan.schedule);
    let results: serde_json::Map<String, Value> = progress
        .results
        .iter()
        .map(|(end, count)| (end.code().to_string(), json!(count)))
        .collect();
    json!({
        "campaign_id": campaign.id.0,
        "account_id": campaign.account.0,
        "title": plan.title,
        "message_id": campaign.message.0,
        "state": campaign.state.word(),
        "starts_at": gregorian_date_time(schedule.starts_at),
        "ends_at": gregorian_date_time(schedule.ends_at),
        "hours_minutes": [schedule.daily.from_minute(), schedule.daily.to_minute()],
        "max_tries": plan.max_tries,
        "minutes_between_tries": plan.minutes_between_tries,
        "priority": plan.priority,
        "max_cost_rials": plan.max_cost.map(|cost| cost.0),
        "calls_per_minute": plan.calls_per_minute,
        "recipients": campaign.recipients.total(),
        "waiting": progress.waiting(),
        "open": campaign.open,
        "retrying": campaign.retrying,
        "results": results,
        "held_rials": campaign.held.0,
        "charged_rials": campaign.charged.0,
    })
}

fn as_text(progress: &Progress) -> Result<()> {
    let campaign = &progress.campaign;
    let (plan, schedule) = (&campaign.plan, campaign.plan.schedule);
    let (id, account) = (campaign.id, campaign.account);
    say(&format!("campaign {id} of account {account}: {}", plan.title))?;
    say(&format!("state       {}", campaign.state.word()))?;
    let minute = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let (from, to) = (minute(schedule.daily.from_minute()), minute(schedule.daily.to_minute()));
    let starts = gregorian_date_time(schedule.starts_at);
    let ends = gregorian_date_time(schedule.ends_at);
    say(&format!("schedule    {starts} to {ends}, each day {from} to {to}"))?;
    let (tries, pause) = (plan.max_tries, plan.minutes_between_tries);
    say(&format!("tries       {tries}, {pause} minutes apart"))?;
    if let Some(per_minute) = plan.calls_per_minute {
        say(&format!("pace        {per_minute} calls a minute at the most"))?;
    }
    let (waiting, open, retrying) = (progress.waiting(), campaign.open, campaign.retrying);
    let all = campaign.recipients.total();
    say(&format!("recipients  {all}: {waiting} wait, {open} in line or called, {retrying} again"))?;
    for (end, count) in &progress.results {
        say(&format!("{count:>11}  {}", web::status_label(Status::Ended(*end))))?;
    }
    let (held, charged) = (campaign.held, campaign.charged);
    say(&format!("money       {charged} rials charged, {held} rials held"))
}

/// The list in a file. A table is read a part at a time; the others are small or compressed.
fn list_of(file: &Path, column: Wanted, sheet: Option<String>) -> Result<List> {
    let reading = || format!("reading {}", file.display());
    let size = std::fs::metadata(file).with_context(reading)?.len();
    let kind = file.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
    let kind = kind.to_ascii_lowercase();
    if !matches!(kind.as_str(), "csv" | "tsv") && size > FILE_BYTES_MAX {
        bail!("{} is larger than {FILE_BYTES_MAX} bytes", file.display());
    }
    Ok(match kind.as_str() {
        "csv" | "tsv" => {
            let file = file.to_owned();
            let open =
                move || -> std::io::Result<Box<dyn Read>> { Ok(Box::new(File::open(&file)?)) };
            List::Csv { open: Box::new(open), column }
        }
        "xlsx" => {
            let bytes = std::fs::read(file).with_context(reading)?.into();
            List::Workbook { bytes, sheet, column }
        }
        _ => {
            let bytes = std::fs::read(file).with_context(reading)?;
            List::Written(String::from_utf8_lossy(&bytes).into_owned())
        }
    })
}

async fn add(
    app: &App,
    id: i64,
    (file, list): (&Path, List),
    dry_run: bool,
    json: bool,
) -> Result<()> {
    let (id, account) = found(app, id).await?;
    let added = if dry_run {
        app::campaign::look_through(app, account, id, list).await
    } else {
        app::campaign::add_numbers(app, account, id, list).await
    };
    match added {
        Ok(added) => told_of_list(added, dry_run, json),
        Err(Error::Refused(ListRefusal::NoCampaign)) => bail!("there is no campaign {id}"),
        Err(Error::Refused(ListRefusal::Over)) => bail!("campaign {id} is over"),
        Err(Error::Refused(ListRefusal::NotIdentified)) => {
            bail!(why(CreateRefusal::NotIdentified))
        }
        Err(Error::Refused(ListRefusal::NoNumber)) => {
            bail!("{} has no number that campaign {id} does not have", file.display())
        }
        Err(Error::Refused(ListRefusal::Unreadable(why))) => {
            bail!("{} {}", file.display(), unreadable(why))
        }
        Err(Error::Failed(failure)) => Err(open::failed(failure)),
    }
}

/// Why a file is no table of numbers.
fn unreadable(why: Unreadable) -> String {
    match why {
        Unreadable::Broken => String::from("is no workbook of Excel, or a broken one"),
        Unreadable::TooLarge => String::from("is too large when unpacked; save it as .csv"),
        Unreadable::NoSuchSheet => String::from("has no such sheet"),
        Unreadable::NoSuchColumn => String::from("has no such column in its first row"),
        Unreadable::NoValueColumn => {
            String::from("does not name a column for each value of the template in its first row")
        }
        Unreadable::OpenQuote(row) => {
            format!("has a quotation mark in row {row} that is never closed")
        }
    }
}

fn told_of_list(added: Added, dry_run: bool, json: bool) -> Result<()> {
    let (accepted, rest) = (added.accepted, added.rest);
    if json {
        let rows: Vec<Value> = rest
            .invalid_rows
            .iter()
            .map(|row| json!({ "row": row.row, "excerpt": row.excerpt }))
            .collect();
        let told = json!({
            "added": accepted,
            "duplicates": rest.duplicates,
            "invalid": rest.invalid,
            "invalid_rows": rows,
            "overflowed": rest.overflowed,
        });
        return say(&told.to_string());
    }
    for row in &rest.invalid_rows {
        let why = match &row.value {
            Some(bad) => format!("{} is {}", bad.name, bad.why.word()),
            None => String::from("not a number"),
        };
        say(&format!("row {}: {why}: {}", row.row, row.excerpt))?;
    }
    if rest.overflowed {
        say("the campaign is full; the rest was left out")?;
    }
    let (duplicates, invalid) = (rest.duplicates, rest.invalid);
    let done = if dry_run { "would be added" } else { "added" };
    say(&format!("{accepted} numbers {done}, {duplicates} duplicates, {invalid} invalid rows"))
}

async fn redial(app: &App, id: i64, new: &NewRedial, dry_run: bool, json: bool) -> Result<()> {
    let (id, caller) = on_behalf(app, id).await?;
    let refused = |error| match error {
        Error::Refused(refusal) => anyhow::anyhow!("{}", why(refusal)),
        Error::Failed(failure) => open::failed(failure),
    };
    if dry_run {
        let estimate = app::campaign::estimate_redial(app, &caller, id, new).await;
        let estimate = estimate.map_err(refused)?;
        let (count, cost_max) = (estimate.added.accepted, estimate.cost_max.0);
        let skipped = estimate.skipped;
        let skipped = (skipped.opted_out, skipped.capped);
        if json {
            let skipped = json!({ "opted_out": skipped.0, "capped": skipped.1 });
            let told = json!({
                "recipients": count, "skipped": skipped, "cost_max": cost_max,
                "covered": estimate.is_covered,
            });
            return say(&told.to_string());
        }
        let covered = if estimate.is_covered { "covers" } else { "does not cover" };
        return say(&format!(
            "it would call {count}, of whom {} opted out and {} are capped, for {cost_max} rials \
             at most; the balance {covered} it",
            skipped.0, skipped.1
        ));
    }
    let created = app::campaign::redial(app, &caller, id, new, None).await;
    let created = created.map_err(refused)?;
    let (new, count) = (created.id, created.added.accepted);
    if json {
        return say(&json!({ "campaign_id": new.0, "recipients": count }).to_string());
    }
    say(&format!("campaign {new} calls the {count} whom campaign {id} did not reach"))
}

/// A refusal in the operator's words.
fn why(refusal: CreateRefusal) -> &'static str {
    match refusal {
        CreateRefusal::WrongMessage => "its message was deleted",
        CreateRefusal::MessageWaiting => "its message waits for approval",
        CreateRefusal::MessageRejected => "its message was rejected",
        CreateRefusal::TriesNotAllowed => "its number of tries is not allowed any more",
        CreateRefusal::RecordingNotPermitted => "its account may not record callees any more",
        CreateRefusal::EndsBeforeItStarts => "--end is a day before --start",
        CreateRefusal::HoursEndBeforeTheyStart => "the hour of --end is not after that of --start",
        CreateRefusal::NoRegion => "the map of numbers has nobody in its region",
        CreateRefusal::Invalid => "a moment cannot be read or is over, or everybody was reached",
        CreateRefusal::InsufficientCredit => "the balance does not cover calling them",
        CreateRefusal::CannotStart => "it was made and cannot start",
        CreateRefusal::KeyReused => "the name of the request was used before",
        CreateRefusal::Text(_) => "its text cannot be spoken",
        CreateRefusal::Sms(_) => "its SMS has no price any more",
        CreateRefusal::NotIdentified => "it is not proven who its account's owner is",
    }
}
