//! `avanak message …`: customers' messages, for the member of staff who listens to them before
//! they may be sent.

use std::process::ExitCode;

use anyhow::{Result, bail};
use app::App;
use clap::Subcommand;
use domain::{AccountId, Approval, Message as Clip, MessageId};
use serde_json::json;

use super::{open, say};
use crate::config::Config;

/// What can be done with messages. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum Message {
    /// Show the newest messages of an account, and whether they may be sent.
    List {
        /// The account.
        #[arg(long)]
        account: i64,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Let a message be sent.
    Approve {
        /// The message.
        id: i64,
    },
    /// Keep a message from being sent.
    Reject {
        /// The message.
        id: i64,
    },
}

/// Messages shown at most.
const SHOWN: u32 = 100;

/// Runs the command.
pub async fn run(config: &Config, command: Message) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Message::List { account, json } => list(&app, AccountId(account), json).await?,
        Message::Approve { id } => decide(&app, MessageId(id), Approval::Approved).await?,
        Message::Reject { id } => decide(&app, MessageId(id), Approval::Rejected).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(app: &App, account: AccountId, json: bool) -> Result<()> {
    let messages = app::message::newest(app, account, SHOWN).await.map_err(open::failed)?;
    if json {
        let shown: Vec<_> = messages
            .iter()
            .map(|message| {
                json!({
                    "message_id": message.id.0,
                    "title": message.title,
                    "length_ms": message.length_ms,
                    "state": state(message),
                })
            })
            .collect();
        return say(&json!({ "account_id": account.0, "messages": shown }).to_string());
    }
    for message in &messages {
        let Clip { id, title, length_ms, .. } = message;
        say(&format!("message {id}  {}  {length_ms} ms  {title}", state(message)))?;
    }
    say(&format!("{} messages of account {account}", messages.len()))
}

async fn decide(app: &App, id: MessageId, approval: Approval) -> Result<()> {
    if !app::message::decide(app, id, approval).await.map_err(open::failed)? {
        bail!("there is no message {id}");
    }
    say(&format!("message {id} is {}", word(approval)))
}

fn state(message: &Clip) -> &'static str {
    word(message.approval)
}

fn word(approval: Approval) -> &'static str {
    match approval {
        Approval::Waiting => "waiting",
        Approval::Approved => "approved",
        Approval::Rejected => "rejected",
        Approval::WaitingByPhone => "waiting by phone",
    }
}
