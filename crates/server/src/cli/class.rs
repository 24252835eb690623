//! `avanak class …`: what each kind of message may do.

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use app::App;
use clap::{Args, Subcommand};
use domain::calendar::jalali::gregorian_date_time;
use domain::calendar::opening_hours::DayType;
use domain::class::{Policy, PolicyRefusal, hours_text};
use domain::{AccountId, MessageClass};
use serde_json::{Value, json};

use super::{open, say};
use crate::config::Config;

/// What can be done with message classes: `one_time_code`, `service`, `advertising`, `emergency`. A
/// running server knows of a change within a second or two; what was decided before stays logged
/// with the version that it was decided by.
#[derive(Debug, Subcommand)]
pub enum Class {
    /// Show all classes.
    List {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show a class.
    Show {
        /// The class.
        #[arg(value_parser = class)]
        class: MessageClass,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Change a class from now on. What is not given stays as it is.
    Set(Box<Set>),
}

/// What is to change.
#[derive(Debug, Clone, Args)]
pub struct Set {
    /// The class.
    #[arg(value_parser = class)]
    class: MessageClass,
    /// Whether its messages are taken and called at all.
    #[arg(long, value_name = "true|false")]
    allowed: Option<bool>,
    /// Whether only accounts with a document (`account hours`) may send them.
    #[arg(long, value_name = "true|false")]
    needs_document: Option<bool>,
    /// Whether staff must have listened to a message, also of accounts that approve their own.
    #[arg(long, value_name = "true|false")]
    needs_approval: Option<bool>,
    /// The hours of ordinary days, on Tehran's clock: `09:30-14:00,16:30-22:00`, or `none`.
    #[arg(long)]
    hours: Option<String>,
    /// The hours of Fridays and public holidays, written alike.
    #[arg(long)]
    off_hours: Option<String>,
    /// The most sends of the class to one number in a day, of all accounts together; 0 for any
    /// number.
    #[arg(long)]
    daily_cap: Option<u32>,
    /// The most tries at each recipient of a campaign.
    #[arg(long)]
    tries_max: Option<u32>,
    /// The shortest pause between two of them, minutes: a campaign that starts with a shorter one
    /// gets this.
    #[arg(long)]
    retry_minutes: Option<u32>,
    /// The number shown to callees in place of the trunk's; `none` leaves it to the trunk.
    #[arg(long)]
    caller_id: Option<String>,
    /// The key by which callees opt out during the call: 0 to 9, `*` or `#`; `none` for no key.
    #[arg(long)]
    opt_out_key: Option<String>,
    /// 0 goes before 1. Emergency messages go behind 0 and before 1, those of campaigns included;
    /// other campaigns go last in any case.
    #[arg(long)]
    priority: Option<u8>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Reads the word of a class.
pub fn class(word: &str) -> Result<MessageClass, String> {
    MessageClass::from_word(word).ok_or_else(|| {
        let words = MessageClass::ALL.map(MessageClass::word).join(", ");
        format!("a class is one of {words}")
    })
}

/// Runs the command.
pub async fn run(config: &Config, command: Class) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Class::List { json } => {
            let policies = app::class::list(&app).await.map_err(open::failed)?;
            if json {
                let shown: Vec<Value> = policies.iter().map(as_json).collect();
                say(&json!({ "classes": shown }).to_string())?;
            } else {
                policies.iter().try_for_each(as_text)?;
            }
        }
        Class::Show { class, json } => {
            let policies = app::class::list(&app).await.map_err(open::failed)?;
            let found = policies.iter().find(|policy| policy.class == class);
            let policy = found.with_context(|| format!("{} has no policy", class.word()))?;
            show(policy, json)?;
        }
        Class::Set(set) => {
            let json = set.json;
            let changed = app::class::set(&app, set.class, |policy| set.change(policy)).await;
            show(&changed.map_err(refused)?, json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Set {
    fn change(self, old: Policy) -> Result<Policy, PolicyRefusal> {
        let hours =
            |new: Option<String>, day_type| new.unwrap_or_else(|| hours_text(&old.hours, day_type));
        let ordinary = hours(self.hours, DayType::Ordinary);
        let off = hours(self.off_hours, DayType::Off);
        let hours = Policy::read_hours(&ordinary, &off)?;
        let given = |text: Option<String>| text.map(|text| (text != "none").then_some(text));
        let opt_out_key = match given(self.opt_out_key) {
            None => old.opt_out_key,
            Some(None) => None,
            Some(Some(text)) => Some(one_key(&text).ok_or(PolicyRefusal::WrongKey)?),
        };
        let cap = self.daily_cap.map(|cap| (cap > 0).then_some(cap));
        Ok(Policy {
            allowed: self.allowed.unwrap_or(old.allowed),
            needs_document: self.needs_document.unwrap_or(old.needs_document),
            needs_approval: self.needs_approval.unwrap_or(old.needs_approval),
            hours,
            daily_cap: cap.unwrap_or(old.daily_cap),
            tries_max: self.tries_max.unwrap_or(old.tries_max),
            retry_minutes: self.retry_minutes.unwrap_or(old.retry_minutes),
            caller_id: given(self.caller_id).unwrap_or(old.caller_id),
            opt_out_key,
            priority: self.priority.unwrap_or(old.priority),
            ..old
        })
    }
}

fn one_key(text: &str) -> Option<char> {
    let mut keys = text.chars();
    keys.next().filter(|_| keys.next().is_none())
}

fn show(policy: &Policy, json: bool) -> Result<()> {
    if json { say(&as_json(policy).to_string()) } else { as_text(policy) }
}

fn as_json(policy: &Policy) -> Value {
    json!({
        "class": policy.class.word(),
        "version": policy.id.0,
        "from": gregorian_date_time(policy.effective_from),
        "allowed": policy.allowed,
        "needs_document": policy.needs_document,
        "needs_approval": policy.needs_approval,
        "hours": hours_text(&policy.hours, DayType::Ordinary),
        "off_hours": hours_text(&policy.hours, DayType::Off),
        "daily_cap": policy.daily_cap,
        "tries_max": policy.tries_max,
        "retry_minutes": policy.retry_minutes,
        "caller_id": policy.caller_id,
        "opt_out_key": policy.opt_out_key,
        "priority": policy.priority,
    })
}

fn as_text(policy: &Policy) -> Result<()> {
    let Policy { id, class, tries_max, retry_minutes, priority, .. } = policy;
    let state = if policy.allowed { "allowed" } else { "not allowed" };
    let only = if policy.needs_document { ", with a document only" } else { "" };
    let heard = if policy.needs_approval { ", messages must be listened to" } else { "" };
    say(&format!("{}: {state}{only}{heard} (version {id})", class.word()))?;
    let ordinary = hours_text(&policy.hours, DayType::Ordinary);
    let off = hours_text(&policy.hours, DayType::Off);
    say(&format!("  hours {ordinary}; on Fridays and public holidays {off}"))?;
    let cap = policy.daily_cap.map_or_else(|| String::from("any number"), |cap| cap.to_string());
    say(&format!(
        "  to a number in a day {cap}; tries {tries_max}, {retry_minutes} minutes between them at \
         least; priority {priority}"
    ))?;
    let caller = policy.caller_id.as_deref().unwrap_or("as the trunk says");
    let key = policy.opt_out_key.map_or_else(|| String::from("none"), String::from);
    say(&format!("  caller's number {caller}; key to opt out {key}"))
}

/// Lets an account call at any hour by a document, or not any more, and tells how it stands.
pub async fn hours(
    app: &App,
    account: AccountId,
    document: Option<String>,
    revoke: bool,
    json: bool,
) -> Result<()> {
    if revoke || document.is_some() {
        set_hours(app, account, document.as_deref()).await?;
    }
    let document = app::class::hours_document(app, account).await.map_err(open::failed)?;
    if json {
        return say(&json!({ "account_id": account.0, "document": document }).to_string());
    }
    match document {
        Some(document) => say(&format!("account {account} may call at any hour: {document}")),
        None => say(&format!("account {account} calls within the hours of each class")),
    }
}

/// Lets an account call at any hour by a document, or not any more.
pub async fn set_hours(app: &App, account: AccountId, document: Option<&str>) -> Result<()> {
    let set = app::class::set_hours_document(app, account, document).await;
    if !set.map_err(open::failed)? {
        bail!("there is no account {account}, or the document has no name of 1 to 200 letters");
    }
    Ok(())
}

fn refused(error: app::Error<PolicyRefusal>) -> anyhow::Error {
    open::refused(error, |refusal| {
        anyhow!(match refusal {
            PolicyRefusal::WrongHours => {
                "hours are windows like 09:30-14:00,16:30-22:00 that do not overlap, or none, and \
                 some day has some"
            }
            PolicyRefusal::WrongCap => "a cap is between 1 and 1000 sends; 0 lifts it",
            PolicyRefusal::WrongTries => "tries are between 1 and 10",
            PolicyRefusal::WrongPause => "the pause between tries is a week at most",
            PolicyRefusal::WrongCallerId => "the caller's number is no telephone number",
            PolicyRefusal::WrongKey => "a key is 0 to 9, * or #",
            PolicyRefusal::WrongPriority => "the priority is 0 or 1",
        })
    })
}
