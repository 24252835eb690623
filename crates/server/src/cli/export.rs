//! `avanak export …`: what a customer could export, written by the operator into a file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use app::export::{ExportRefusal, Of, Sink};
use app::{App, Error, Failure};
use clap::{Args, Subcommand};
use domain::calendar::date_time::Period;
use domain::export::Style;
use domain::{AccountId, CampaignId};
use serde_json::json;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use super::{open, private_file, say};
use crate::config::Config;

/// What can be exported, as comma-separated values.
#[derive(Debug, Subcommand)]
pub enum Export {
    /// The numbers of a campaign, and what became of each.
    Campaign {
        /// The campaign.
        id: i64,
        #[command(flatten)]
        to: To,
    },
    /// An account's messages by the time at which they were accepted, those of campaigns included.
    Messages {
        #[command(flatten)]
        days: Days,
        #[command(flatten)]
        to: To,
    },
    /// What changed an account's balance, the oldest first.
    Statement {
        #[command(flatten)]
        days: Days,
        #[command(flatten)]
        to: To,
    },
}

/// Of whom and when.
#[derive(Debug, Args)]
pub struct Days {
    /// The account.
    #[arg(long)]
    account: i64,
    /// The first day or moment, on Tehran's clock.
    #[arg(long, value_name = "DAY")]
    from: String,
    /// The last day or moment.
    #[arg(long, value_name = "DAY")]
    to: String,
}

/// Where to, and how.
#[derive(Debug, Args)]
pub struct To {
    /// The file, which must not be there yet.
    #[arg(long)]
    file: PathBuf,
    /// Write dates of the Persian calendar.
    #[arg(long)]
    jalali: bool,
    /// Leave out the mark by which Excel knows UTF-8.
    #[arg(long)]
    no_bom: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn run(config: &Config, command: Export) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Export::Campaign { id, to } => {
            let id = CampaignId(id);
            let account = app::campaign::owner(&app, id).await.map_err(open::failed)?;
            let account = account.with_context(|| format!("there is no campaign {id}"))?;
            export(&app, account, Of::CampaignNumbers(id), &to).await?;
        }
        Export::Messages { days, to } => {
            let (account, period) = days.read()?;
            export(&app, account, Of::Messages(period), &to).await?;
        }
        Export::Statement { days, to } => {
            let (account, period) = days.read()?;
            export(&app, account, Of::Statement(period), &to).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Days {
    fn read(&self) -> Result<(AccountId, Period)> {
        let days = Period::parse(&self.from, &self.to);
        let days = days.context("from and to are two days, the last not before")?;
        Ok((AccountId(self.account), days))
    }
}

async fn export(app: &App, account: AccountId, of: Of, to: &To) -> Result<()> {
    if app::account::status(app, account).await.map_err(open::failed)?.is_none() {
        bail!("there is no account {account}");
    }
    let what = match app::export::what(app, account, of).await {
        Ok(what) => what,
        Err(Error::Refused(ExportRefusal::NoCampaign | ExportRefusal::TooMany)) => {
            bail!("there is no such campaign")
        }
        Err(Error::Failed(failure)) => return Err(open::failed(failure)),
    };
    let style = Style { bom: !to.no_bom, jalali: to.jalali };
    let mut sink = ToFile::new(&to.file)?;
    let (rows, bytes) =
        app::export::write(app, account, (what, style), &mut sink).await.map_err(open::failed)?;
    sink.file.sync_all().await.with_context(|| format!("writing {}", to.file.display()))?;
    if to.json {
        return say(&json!({ "rows": rows, "bytes": bytes }).to_string());
    }
    say(&format!("{rows} lines, {bytes} bytes in {}", to.file.display()))
}

/// Writes parts behind each other.
struct ToFile {
    file: File,
}

impl ToFile {
    fn new(path: &Path) -> Result<Self> {
        Ok(Self { file: File::from_std(private_file(path)?) })
    }
}

impl Sink for ToFile {
    async fn take(&mut self, part: Vec<u8>) -> std::result::Result<(), Failure> {
        let written = self.file.write_all(&part).await;
        written.map_err(|error| Failure::because("writing the file", error))
    }
}
