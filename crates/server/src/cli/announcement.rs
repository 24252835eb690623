//! `avanak announcement …`: what everybody is told, and where it is told.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use app::announcement::{Announcement, AnnouncementRefusal, Delivery};
use clap::Subcommand;
use domain::AccountId;
use domain::announcement::{Audience, Refusal, TITLE_MAX, WHOLE_MAX};
use domain::calendar::jalali::gregorian_date_time;
use serde_json::{Value, json};

use super::{moment, open, say};
use crate::config::Config;

/// How many are listed.
const LISTED: u32 = 100;

/// What can be done with announcements. A server that runs tells them.
#[derive(Debug, Subcommand)]
pub enum Announcements {
    /// Tell something on the first page, in the feed and in every channel of the public.
    Tell {
        /// One line.
        #[arg(long)]
        title: String,
        /// The rest.
        #[arg(long)]
        text: String,
        /// Until when it stands on the first page, on Tehran's clock.
        #[arg(long, value_name = "MOMENT")]
        until: String,
        /// Who tells it.
        #[arg(long)]
        by: String,
    },
    /// Take one back. The notice of a maintenance proves nothing on the first page any more.
    Withdraw {
        /// Its number.
        id: i64,
        /// Who takes it back.
        #[arg(long)]
        by: String,
    },
    /// Note that a channel shows one no more, or not as it was told there. Its proof stays.
    Gone {
        /// Its number.
        id: i64,
        /// The channel.
        #[arg(long)]
        channel: String,
        /// Who saw that.
        #[arg(long)]
        by: String,
    },
    /// Show which accounts were shown one, and when first.
    Views {
        /// Its number.
        id: i64,
        /// Whether this account was.
        #[arg(long, conflicts_with = "after")]
        account: Option<i64>,
        /// After this account.
        #[arg(long, default_value_t = 0)]
        after: i64,
    },
    /// Show the newest, what the manager alone was told, too, and how each got where.
    List {
        /// Before this number.
        #[arg(long)]
        before: Option<i64>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
pub async fn run(config: &Config, command: Announcements) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Announcements::Tell { title, text, until, by } => {
            let until = moment(&until)?;
            let told = app::announcement::announce(&app, (&title, &text), until, &by).await;
            say(&format!("announcement {}", told.map_err(refused)?))?;
        }
        Announcements::Withdraw { id, by } => {
            app::announcement::withdraw(&app, id, &by).await.map_err(refused)?;
            say(&format!("announcement {id} is taken back"))?;
        }
        Announcements::Gone { id, channel, by } => {
            app::announcement::gone(&app, id, &channel, &by).await.map_err(refused)?;
            say(&format!("announcement {id} is gone from {channel}"))?;
        }
        Announcements::Views { id, account, after } => views(&app, id, account, after).await?,
        Announcements::List { before, json } => {
            let listed = app::announcement::list(&app, before, LISTED).await;
            list(&listed.map_err(open::failed)?, json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn views(app: &app::App, id: i64, account: Option<i64>, after: i64) -> Result<()> {
    if let Some(account) = account {
        let told = app::announcement::find_for(app, AccountId(account), id).await;
        let told = told.map_err(open::failed)?.ok_or_else(|| anyhow!("there is no such one"))?;
        let viewed = told.viewed_at.map_or_else(|| "not viewed".to_owned(), gregorian_date_time);
        return say(&format!("{account}  {viewed}"));
    }
    let views = app::announcement::views(app, id, AccountId(after), LISTED).await;
    for (account, at) in views.map_err(open::failed)? {
        say(&format!("{account}  {}", gregorian_date_time(at)))?;
    }
    Ok(())
}

fn list(listed: &[(Announcement, Vec<Delivery>)], as_json: bool) -> Result<()> {
    if as_json {
        let shown: Vec<Value> = listed.iter().map(|(one, ways)| announcement(one, ways)).collect();
        return say(&json!({ "announcements": shown }).to_string());
    }
    for (one, ways) in listed {
        let (at, title) = (gregorian_date_time(one.new.made_at), &one.new.text.title);
        let withdrawn = if one.withdrawn_at.is_some() { "  taken back" } else { "" };
        let whom = if one.new.audience == Audience::Manager { "  for the manager" } else { "" };
        say(&format!("{}  {at}  {title}{whom}{withdrawn}", one.id))?;
        for way in ways {
            say(&format!("    {}", way_of(way)))?;
        }
    }
    Ok(())
}

fn way_of(way: &Delivery) -> String {
    let Delivery { channel, tries, error, .. } = way;
    match (way.delivered_at, &way.reference, way.next_at) {
        (Some(at), Some(reference), _) => {
            let gone = if way.gone_at.is_some() { "  gone from there" } else { "" };
            format!("{channel}  told at {} as {reference}{gone}", gregorian_date_time(at))
        }
        (_, _, Some(_)) => {
            let error = error.as_deref().unwrap_or("on its way");
            format!("{channel}  tried {tries} times: {error}")
        }
        _ => match error {
            Some(error) => format!("{channel}  not told: {error}"),
            None => format!("{channel}  not told"),
        },
    }
}

fn announcement(one: &Announcement, ways: &[Delivery]) -> Value {
    let ways: Vec<Value> = ways
        .iter()
        .map(|way| {
            json!({ "channel": way.channel, "tries": way.tries,
                    "told_at": way.delivered_at.map(gregorian_date_time),
                    "reference": way.delivered_at.and(way.reference.as_ref()), "error": way.error,
                    "gone_at": way.gone_at.map(gregorian_date_time),
                    "waits": way.next_at.is_some() })
        })
        .collect();
    let new = &one.new;
    json!({ "announcement": one.id, "title": new.text.title, "text": new.text.body,
            "by": new.author, "audience": new.audience.word(),
            "maintenance": new.maintenance.map(|(id, _)| id),
            "at": gregorian_date_time(new.made_at), "until": gregorian_date_time(new.until),
            "withdrawn_at": one.withdrawn_at.map(gregorian_date_time), "ways": ways })
}

fn refused(error: app::Error<AnnouncementRefusal>) -> anyhow::Error {
    use AnnouncementRefusal as R;
    open::refused(error, |refusal| match refusal {
        R::Rule(Refusal::Title) => {
            anyhow!("the title is one line of up to {TITLE_MAX} bytes")
        }
        R::Rule(Refusal::Body) => {
            anyhow!("title and text have up to {WHOLE_MAX} UTF-16 units together")
        }
        R::Rule(Refusal::Time) => {
            anyhow!("it is told from now on, for a year at most")
        }
        R::Author => anyhow!("--by is missing or too long"),
        R::NotThere => {
            anyhow!("it was not told there, or that it is gone was noted before")
        }
        R::NoSuchAnnouncement => {
            anyhow!("there is no such announcement, or it was taken back before")
        }
    })
}
