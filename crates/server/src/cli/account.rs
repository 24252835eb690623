//! `avanak account …`: customers' accounts.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use app::App;
use app::account::{AccountRefusal, NewAccount, Permission};
use clap::{Args, Subcommand};
use domain::access::Allowed;
use domain::calendar::jalali::gregorian_date_time;
use domain::{AccountId, Rials, Timestamp};
use serde_json::json;

use super::access::{self, Access};
use super::{class, open, refund, say, statement, token};
use crate::config::Config;

/// What can be done with accounts, beside what the arguments of each say. All of it works while
/// the server runs.
#[derive(Debug, Subcommand)]
pub enum Account {
    /// Create an account and its first token.
    Create(Box<Create>),
    /// Change from where, how and for what an account may use the web services.
    Set {
        /// The account.
        #[arg(long)]
        account: i64,
        #[command(flatten)]
        access: Access,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Add credit to an account.
    Credit {
        /// The account.
        #[arg(long)]
        account: i64,
        /// How much, in rials.
        #[arg(long)]
        rials: i64,
        /// Your reference: the same reference never credits twice.
        #[arg(long)]
        reference: Option<String>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    Refund(refund::Refund),
    Token(token::Token),
    /// Give an account a user name and a password, which the SOAP services ask for. A password is
    /// made and shown once, unless yours is read from standard input.
    Password {
        /// The account.
        #[arg(long)]
        account: i64,
        /// The user name: 3 to 64 Latin letters, digits and . _ - @ +, in any case.
        #[arg(long, required_unless_present = "remove")]
        user_name: Option<String>,
        /// Read the password, 8 to 128 characters, from the first line of standard input.
        #[arg(long)]
        stdin: bool,
        /// Take user name and password away.
        #[arg(long, conflicts_with_all = ["user_name", "stdin"])]
        remove: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show all accounts.
    List {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Switch an account off: none of its tokens works until it is switched on again.
    Disable {
        /// The account.
        #[arg(long)]
        account: i64,
    },
    /// Switch an account on again.
    Enable {
        /// The account.
        #[arg(long)]
        account: i64,
    },
    /// Move the end of an account's subscription.
    Expire {
        /// The account.
        #[arg(long)]
        account: i64,
        /// It ends after this many days; 0 ends it now.
        #[arg(long, value_name = "DAYS", required_unless_present = "never")]
        days: Option<u32>,
        /// It does not end.
        #[arg(long, conflicts_with = "days")]
        never: bool,
    },
    /// Let an account call at any hour by a document (rescue, warnings), or not any more; or show
    /// whether it may. Advertising keeps its hours.
    Hours {
        /// The account.
        #[arg(long)]
        account: i64,
        /// The document: its number and where it is filed.
        #[arg(long, conflicts_with = "revoke")]
        document: Option<String>,
        /// It may not any more.
        #[arg(long)]
        revoke: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Let an account record callees, or not any more.
    Recording {
        /// The account.
        #[arg(long)]
        account: i64,
        /// Whether it may.
        #[arg(long, action = clap::ArgAction::Set)]
        permitted: bool,
    },
    /// Let an account join two people by telephone (MakeSecureCall), or not any more.
    SecureCalls {
        /// The account.
        #[arg(long)]
        account: i64,
        /// Whether it may.
        #[arg(long, action = clap::ArgAction::Set)]
        permitted: bool,
    },
    /// Let an account call regions of the map of numbers (CreateCampaignGIS), or not any more: it
    /// sees the numbers that are there.
    Regions {
        /// The account.
        #[arg(long)]
        account: i64,
        /// Whether it may.
        #[arg(long, action = clap::ArgAction::Set)]
        permitted: bool,
    },
    /// Set how far an account may owe: how far what is available may go below zero. A debt above a
    /// lowered limit stays, and nothing more is spent until it is below.
    DebtLimit {
        /// The account.
        #[arg(long)]
        account: i64,
        /// How far, in rials; 0 for not at all.
        #[arg(long)]
        rials: i64,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Make a new secret that callbacks of an account are signed with (SendOCV).
    CallbackSecret {
        /// The account.
        #[arg(long)]
        account: i64,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    Statement(statement::Statement),
    /// Check that the books of all accounts add up.
    Audit {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show an account and its money.
    Show {
        /// The account.
        #[arg(long)]
        account: i64,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// An account to be made.
#[derive(Debug, Args)]
pub struct Create {
    /// The customer's name.
    #[arg(long)]
    name: String,
    /// The customer's own mobile number.
    #[arg(long)]
    mobile: String,
    /// Opening credit, in rials.
    #[arg(long, default_value_t = 0)]
    credit: i64,
    /// The subscription ends after this many days; without it, never.
    #[arg(long, value_name = "DAYS")]
    days: Option<u32>,
    /// Messages wait for a member of staff to approve them.
    #[arg(long)]
    require_approval: bool,
    /// It may record callees (RecordVoice).
    #[arg(long)]
    may_record: bool,
    /// It may call at any hour, by this document.
    #[arg(long, value_name = "DOCUMENT")]
    any_hour: Option<String>,
    #[command(flatten)]
    access: Access,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Accounts read at once.
const PAGE: u32 = 500;

/// Runs the command.
pub async fn run(config: &Config, command: Account) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Account::Create(new) => create(&app, *new).await?,
        Account::Set { account, access, json } => {
            let account = AccountId(account);
            let changed = app::account::change_access(&app, account, access.change()).await;
            changed.map_err(refused)?;
            show(&app, account, json).await?;
        }
        Account::Credit { account, rials, reference, json } => {
            credit(&app, AccountId(account), Rials(rials), reference, json).await?;
        }
        Account::Refund(asked) => refund::run(&app, asked).await?,
        Account::Token(asked) => token::run(&app, asked).await?,
        Account::Password { account, user_name: Some(user_name), stdin, json, .. } => {
            password(&app, AccountId(account), &user_name, stdin, json).await?;
        }
        Account::Password { account, json, .. } => {
            remove_password(&app, AccountId(account), json).await?;
        }
        Account::List { json } => list(&app, json).await?,
        Account::Disable { account } => set_disabled(&app, AccountId(account), true).await?,
        Account::Enable { account } => set_disabled(&app, AccountId(account), false).await?,
        Account::Expire { account, days, never: _ } => {
            let at = days.map(|days| after_days(&app, days));
            expire(&app, AccountId(account), at).await?;
        }
        Account::Hours { account, document, revoke, json } => {
            class::hours(&app, AccountId(account), document, revoke, json).await?;
        }
        Account::Recording { account, permitted } => {
            permit(&app, AccountId(account), Permission::Recording, permitted).await?;
        }
        Account::SecureCalls { account, permitted } => {
            permit(&app, AccountId(account), Permission::SecureCalls, permitted).await?;
        }
        Account::Regions { account, permitted } => {
            permit(&app, AccountId(account), Permission::Regions, permitted).await?;
        }
        Account::DebtLimit { account, rials, json } => {
            let (account, limit) = (AccountId(account), Rials(rials));
            app::account::set_debt_limit(&app, account, limit).await.map_err(refused)?;
            show(&app, account, json).await?;
        }
        Account::CallbackSecret { account, json } => callback_secret(&app, account, json).await?,
        Account::Statement(asked) => statement::show(&app, &asked).await?,
        Account::Audit { json } => return audit(&app, json).await,
        Account::Show { account, json } => show(&app, AccountId(account), json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn permit(app: &App, account: AccountId, what: Permission, permitted: bool) -> Result<()> {
    app::account::set_permission(app, account, what, permitted).await.map_err(refused)
}

/// The moment so many days from now.
pub(super) fn after_days(app: &App, days: u32) -> Timestamp {
    app.now().plus_ms(i64::from(days) * 24 * 60 * 60 * 1000)
}

/// The access is set before there is a token that could be used without it.
async fn create(app: &App, asked: Create) -> Result<()> {
    let new = NewAccount {
        name: asked.name,
        mobile: asked.mobile,
        credit: Rials(asked.credit),
        expires_at: asked.days.map(|days| after_days(app, days)),
        approves_own_messages: !asked.require_approval,
        records_callees: asked.may_record,
    };
    let id = app::account::create(app, new).await.map_err(refused)?;
    if let Some(document) = &asked.any_hour {
        class::set_hours(app, id, Some(document)).await?;
    }
    app::account::change_access(app, id, asked.access.change()).await.map_err(refused)?;
    let (label, allowed) = (String::from("first"), Allowed::default());
    let token = app::account::create_token(app, id, label, None, allowed).await.map_err(refused)?;
    if asked.json {
        return say(&json!({ "account_id": id.0, "token": token.secret }).to_string());
    }
    say(&format!("account {id}"))?;
    say(&format!("token   {}   (shown only now)", token.secret))
}

async fn credit(
    app: &App,
    account: AccountId,
    amount: Rials,
    reference: Option<String>,
    json: bool,
) -> Result<()> {
    let note = String::from("credit by the operator's command line");
    app::account::credit(app, account, amount, reference, note).await.map_err(refused)?;
    show(app, account, json).await
}

async fn password(
    app: &App,
    account: AccountId,
    user_name: &str,
    stdin: bool,
    json: bool,
) -> Result<()> {
    let given = if stdin { Some(first_line()?) } else { None };
    let made = app::account::set_password(app, account, user_name, given).await;
    let password = made.map_err(refused)?;
    if json {
        let shown = json!({
            "account_id": account.0,
            "user_name": user_name,
            "password": (!stdin).then_some(password),
        });
        return say(&shown.to_string());
    }
    if stdin {
        return say(&format!("account {account} comes as {user_name} with that password"));
    }
    say(&format!("user name {user_name}"))?;
    say(&format!("password  {password}   (shown only now)"))
}

/// What stands on the first line of standard input. A password is no argument: those are seen by
/// everybody on the machine.
fn first_line() -> Result<String> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("reading the password")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

async fn remove_password(app: &App, account: AccountId, json: bool) -> Result<()> {
    if !app::account::remove_password(app, account).await.map_err(open::failed)? {
        bail!("there is no account {account}");
    }
    if json {
        return say(&json!({ "account_id": account.0, "user_name": null }).to_string());
    }
    say(&format!("account {account} has no user name any more"))
}

/// Why something works no more, in a word.
pub(super) fn ended(
    off: Option<Timestamp>,
    end: Option<Timestamp>,
    now: Timestamp,
) -> &'static str {
    if off.is_some() {
        "off"
    } else if end.is_some_and(|end| end <= now) {
        "expired"
    } else {
        "on"
    }
}

async fn list(app: &App, json: bool) -> Result<()> {
    let mut accounts = Vec::new();
    loop {
        let after = accounts.last().map_or(AccountId(0), |last: &domain::Account| last.id);
        let page = app::account::list(app, after, PAGE).await.map_err(open::failed)?;
        if page.is_empty() {
            break;
        }
        accounts.extend(page);
    }
    let now = app.now();
    let state = |account: &domain::Account| ended(account.disabled_at, account.expires_at, now);
    if json {
        let shown: Vec<_> = accounts
            .iter()
            .map(|account| {
                json!({
                    "account_id": account.id.0,
                    "name": account.name,
                    "mobile": account.mobile,
                    "available_rials": account.available().0,
                    "state": state(account),
                })
            })
            .collect();
        return say(&json!({ "accounts": shown }).to_string());
    }
    for account in &accounts {
        let available = account.available();
        let (id, state) = (account.id, state(account));
        say(&format!(
            "account {id}  {state}  {available} rials available  {}  {}",
            account.mobile, account.name
        ))?;
    }
    say(&format!("{} accounts", accounts.len()))
}

async fn set_disabled(app: &App, account: AccountId, disabled: bool) -> Result<()> {
    if !app::account::set_disabled(app, account, disabled).await.map_err(open::failed)? {
        bail!("there is no account {account}");
    }
    say(&format!("account {account} is {}", if disabled { "off" } else { "on" }))
}

async fn expire(app: &App, account: AccountId, at: Option<Timestamp>) -> Result<()> {
    if !app::account::set_expiry(app, account, at).await.map_err(open::failed)? {
        bail!("there is no account {account}");
    }
    match at {
        Some(at) => {
            let at = gregorian_date_time(at);
            say(&format!("the subscription of account {account} ends at {at}, Tehran time"))
        }
        None => say(&format!("the subscription of account {account} does not end")),
    }
}

async fn show(app: &App, id: AccountId, json: bool) -> Result<()> {
    let Some(account) = app::account::status(app, id).await.map_err(open::failed)? else {
        bail!("there is no account {id}");
    };
    let access = app::account::access(app, id).await.map_err(open::failed)?.unwrap_or_default();
    let user_name = app::account::user_name(app, id).await.map_err(open::failed)?;
    if json {
        let shown = json!({
            "account_id": id.0,
            "name": account.name,
            "mobile": account.mobile,
            "balance_rials": account.balance.0,
            "reserved_rials": account.reserved.0,
            "available_rials": account.available().0,
            "debt_limit_rials": account.debt_limit.0,
            "user_name": user_name.map(|name| name.to_string()),
            "sandbox_of": account.sandbox_of.map(|owner| owner.0),
            "access": access::as_json(&access),
        });
        return say(&shown.to_string());
    }
    say(&format!("account   {id}  {}  {}", account.name, account.mobile))?;
    say(&format!("balance   {} rials", account.balance))?;
    say(&format!("reserved  {} rials by calls under way", account.reserved))?;
    say(&format!("available {} rials", account.available()))?;
    if account.debt_limit > Rials::ZERO {
        say(&format!("may owe   {} rials", account.debt_limit))?;
    }
    if let Some(owner) = account.sandbox_of {
        say(&format!("sandbox   of account {owner}: play money, and calls that reach nobody"))?;
    }
    if let Some(name) = user_name {
        say(&format!("user name {name}"))?;
    }
    say(&format!("access    {}", access::as_text(&access)))
}

/// Fails when something does not add up.
async fn audit(app: &App, json: bool) -> Result<ExitCode> {
    let audit = app::billing::audit(app).await.map_err(open::failed)?;
    if json {
        let violations: Vec<_> = audit
            .violations
            .iter()
            .map(|v| {
                json!({
                    "rule": v.rule,
                    "subject": v.subject,
                    "expected": v.expected,
                    "found": v.found,
                })
            })
            .collect();
        say(&json!({ "violations": violations }).to_string())?;
    } else {
        for v in &audit.violations {
            say(&format!(
                "{} of {}: {} expected, {} found",
                v.rule, v.subject, v.expected, v.found
            ))?;
        }
        say(&format!("{} violations", audit.violations.len()))?;
    }
    Ok(if audit.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn callback_secret(app: &App, account: i64, json: bool) -> Result<()> {
    let made = app::verification::new_secret(app, AccountId(account)).await;
    let Some(secret) = made.map_err(open::failed)? else { bail!("there is no account {account}") };
    if json {
        return say(&json!({ "account_id": account, "callback_secret": secret }).to_string());
    }
    say(&format!("callbacks of account {account} are signed with {secret} (shown only now)"))
}

/// Why an account was not changed, in words.
pub(super) fn refused(error: app::Error<AccountRefusal>) -> anyhow::Error {
    open::refused(error, |why| {
        anyhow::anyhow!(match why {
            AccountRefusal::WrongName => "the name is empty or longer than 200 characters",
            AccountRefusal::WrongMobile => "that is not an Iranian mobile number, like 09121234567",
            AccountRefusal::WrongAmount => "the amount is not between 0 and 1,000,000,000,000,000",
            AccountRefusal::NoSuchAccount => "there is no such account",
            AccountRefusal::WrongAllowList => "an allow-list has at most 64 entries",
            AccountRefusal::WrongUserName => {
                "a user name has 3 to 64 Latin letters, digits and . _ - @ +"
            }
            AccountRefusal::UserNameTaken => "another account has that user name",
            AccountRefusal::WrongPassword => "a password has 8 to 128 characters",
            AccountRefusal::CreditedBefore => {
                "a credit with that reference was posted before; nothing was changed"
            }
        })
    })
}
