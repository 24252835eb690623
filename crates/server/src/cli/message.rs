//! `avanak message …`: customers' messages, for the member of staff who listens to them before
//! they may be sent.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use app::App;
use clap::Subcommand;
use domain::message::{Decision, REASON_CHARS_MAX, Reason};
use domain::{AccountId, Approval, Message as Clip, MessageId};
use serde_json::json;

use super::{open, say, write_private};
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
    /// Show what waits to be listened to, of all accounts, the oldest first.
    Waiting {
        /// Only those after this message.
        #[arg(long, default_value_t = 0)]
        after: i64,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Write the sound of a message into a file, to listen to it.
    Listen {
        /// The message.
        id: i64,
        /// The WAV file to make; one that is there already is left alone.
        #[arg(long)]
        file: PathBuf,
    },
    /// Let a message be sent.
    Approve {
        /// The message.
        id: i64,
    },
    /// Say that the customer of a message is to be called about it before it is decided.
    ByPhone {
        /// The message.
        id: i64,
    },
    /// Keep a message from being sent, and say why: its customer reads it.
    Refuse {
        /// The message.
        id: i64,
        /// Why, on one line of up to 500 characters.
        #[arg(long)]
        reason: String,
    },
}

/// Messages shown at most.
const SHOWN: u32 = 100;

/// Runs the command.
pub async fn run(config: &Config, command: Message) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Message::List { account, json } => {
            let account = AccountId(account);
            let found = app::message::page(&app, account, None, SHOWN).await;
            show(&found.map_err(open::failed)?, &format!("messages of account {account}"), json)?;
        }
        Message::Waiting { after, json } => {
            let found = app::message::waiting(&app, MessageId(after), SHOWN).await;
            show(&found.map_err(open::failed)?, "messages wait to be listened to", json)?;
        }
        Message::Listen { id, file } => listen(&app, MessageId(id), &file).await?,
        Message::Approve { id } => decide(&app, MessageId(id), Decision::Approve).await?,
        Message::ByPhone { id } => decide(&app, MessageId(id), Decision::AskByPhone).await?,
        Message::Refuse { id, reason } => {
            let reason = Reason::new(&reason).ok_or_else(|| {
                anyhow!("the reason is one line of 1 to {REASON_CHARS_MAX} characters")
            })?;
            decide(&app, MessageId(id), Decision::Refuse(reason)).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(messages: &[Clip], what: &str, json: bool) -> Result<()> {
    if json {
        let shown: Vec<_> = messages
            .iter()
            .map(|message| {
                json!({
                    "message_id": message.id.0,
                    "account_id": message.account.0,
                    "title": message.title,
                    "length_ms": message.length_ms,
                    "state": standing(message),
                    "refused_because": message.refused_because,
                })
            })
            .collect();
        return say(&json!({ "messages": shown }).to_string());
    }
    for message in messages {
        let Clip { id, account, title, length_ms, .. } = message;
        let state = standing(message);
        let reason = message.refused_because.as_ref();
        let because = reason.map(|reason| format!("  because: {reason}")).unwrap_or_default();
        say(&format!(
            "message {id}  account {account}  {state}  {length_ms} ms  {title}{because}"
        ))?;
    }
    let more = if messages.len() >= SHOWN as usize { ", there may be more" } else { "" };
    say(&format!("{} {what}{more}", messages.len()))
}

async fn listen(app: &App, id: MessageId, path: &Path) -> Result<()> {
    let found = app::message::listen(app, id).await.map_err(open::failed)?;
    let Some((message, wav)) = found else { bail!("there is no message {id}") };
    write_private(path, &wav)?;
    let Clip { account, title, length_ms, .. } = message;
    let path = path.display();
    say(&format!("message {id} of account {account}, {length_ms} ms, is in {path}: {title}"))
}

async fn decide(app: &App, id: MessageId, decision: Decision) -> Result<()> {
    if !app::message::decide(app, id, &decision).await.map_err(open::failed)? {
        bail!("there is no message {id}");
    }
    say(&format!("message {id} is {}", word(decision.approval())))
}

/// How a message stands with staff, who may be asked to listen to what is approved.
fn standing(message: &Clip) -> &'static str {
    match message.approval {
        Approval::Approved if message.decided_at.is_none() => "approved by its account",
        approval => word(approval),
    }
}

fn word(approval: Approval) -> &'static str {
    match approval {
        Approval::Waiting => "waiting",
        Approval::Approved => "approved",
        Approval::Rejected => "refused",
        Approval::WaitingByPhone => "waiting by phone",
    }
}
