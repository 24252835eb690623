//! `avanak account token`: the tokens of an account.

use anyhow::{Result, bail};
use app::App;
use app::account::Token as Known;
use clap::Args;
use domain::calendar::jalali::gregorian_date_time;
use domain::{AccountId, Timestamp, TokenId};
use serde_json::json;

use super::access::Lists;
use super::account::{after_days, ended, refused};
use super::{open, say};

/// Make another token for an account; or show its tokens, or switch one off or on.
#[derive(Debug, Args)]
pub struct Token {
    /// The account.
    #[arg(long)]
    account: i64,
    /// Show the account's tokens, without their secrets.
    #[arg(long, conflicts_with_all = ["revoke", "enable"])]
    list: bool,
    /// Switch this token off.
    #[arg(long, value_name = "ID", conflicts_with = "enable")]
    revoke: Option<i64>,
    /// Switch this token on again.
    #[arg(long, value_name = "ID")]
    enable: Option<i64>,
    /// Make it for the account's sandbox: an account of its own with play money, whose calls go to
    /// the sandbox carrier alone. It is made with its first token.
    #[arg(long, conflicts_with_all = ["list", "revoke", "enable"])]
    sandbox: bool,
    /// What it is for.
    #[arg(long, default_value = "cli")]
    label: String,
    /// It stops working after this many days; without it, never.
    #[arg(long, value_name = "DAYS")]
    days: Option<u32>,
    #[command(flatten)]
    lists: Lists,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn run(app: &App, asked: Token) -> Result<()> {
    let account = AccountId(asked.account);
    if asked.list {
        return show(app, account, asked.json).await;
    }
    match (asked.revoke, asked.enable) {
        (Some(token), _) => revoke(app, account, TokenId(token), asked.json).await,
        (None, Some(token)) => enable(app, account, TokenId(token), asked.json).await,
        (None, None) => create(app, account, asked).await,
    }
}

async fn create(app: &App, account: AccountId, asked: Token) -> Result<()> {
    let expires_at: Option<Timestamp> = asked.days.map(|days| after_days(app, days));
    let allowed = asked.lists.allowed()?;
    let label = asked.label;
    let (account, token) = if asked.sandbox {
        app::account::create_sandbox_token(app, account, label, expires_at, allowed)
            .await
            .map_err(refused)?
    } else {
        let made = app::account::create_token(app, account, label, expires_at, allowed).await;
        (account, made.map_err(refused)?)
    };
    if asked.json {
        let shown =
            json!({ "account_id": account.0, "token_id": token.id.0, "token": token.secret });
        return say(&shown.to_string());
    }
    if asked.sandbox {
        say(&format!("sandbox account {account}"))?;
    }
    say(&format!("token   {}   (shown only now)", token.secret))
}

async fn show(app: &App, account: AccountId, json: bool) -> Result<()> {
    let tokens = app::account::tokens(app, account).await.map_err(open::failed)?;
    let now = app.now();
    let state = |token: &Known| ended(token.disabled_at, token.expires_at, now);
    if json {
        let shown: Vec<_> = tokens
            .iter()
            .map(|token| {
                json!({
                    "token_id": token.id.0,
                    "label": token.label,
                    "state": state(token),
                    "last_used": token.last_used_at.map(gregorian_date_time),
                })
            })
            .collect();
        return say(&json!({ "account_id": account.0, "tokens": shown }).to_string());
    }
    for token in &tokens {
        let (id, state, made) = (token.id, state(token), gregorian_date_time(token.created_at));
        let used = token.last_used_at.map_or(String::from("never"), gregorian_date_time);
        say(&format!("token {id}  {state}  made {made}  used {used}  {}", token.label))?;
    }
    say(&format!("{} tokens of account {account}", tokens.len()))
}

async fn revoke(app: &App, account: AccountId, token: TokenId, json: bool) -> Result<()> {
    if !app::account::disable_token(app, account, token).await.map_err(open::failed)? {
        bail!("account {account} has no token {token}, or it was off already");
    }
    if json {
        return say(&json!({ "account_id": account.0, "revoked": token.0 }).to_string());
    }
    say(&format!("token {token} is off"))
}

async fn enable(app: &App, account: AccountId, token: TokenId, json: bool) -> Result<()> {
    if !app::account::enable_token(app, account, token).await.map_err(open::failed)? {
        bail!("account {account} has no token {token}, or it is on");
    }
    if json {
        return say(&json!({ "account_id": account.0, "enabled": token.0 }).to_string());
    }
    say(&format!("token {token} is on"))
}
