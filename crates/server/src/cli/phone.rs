//! `avanak phone …`: phones that are called by a short number.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Result, bail};
use app::App;
use app::phone::{NewPhone, PhoneRefusal};
use clap::Subcommand;
use domain::{AccountId, Extension};
use serde_json::json;

use super::{open, say};
use crate::config::Config;
use crate::trunks;

/// What can be done with phones. All of it works while the server runs.
#[derive(Debug, Subcommand)]
pub enum Phone {
    /// Add a phone to an account: one that registers with us, or one at a fixed address.
    Add {
        /// The account.
        #[arg(long)]
        account: i64,
        /// Its short number, 3 to 6 digits.
        #[arg(long)]
        extension: String,
        /// Where it is called without registering, like `sip:me@192.0.2.1`.
        #[arg(long, value_name = "URI")]
        contact: Option<String>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show a phone and whether it can be reached.
    Show {
        /// The account.
        #[arg(long)]
        account: i64,
        /// Its short number.
        extension: String,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
pub async fn run(config: &Config, command: Phone) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Phone::Add { account, extension, contact, json } => {
            let new = NewPhone { account: AccountId(account), extension, fixed_contact: contact };
            add(&app, config, new, json).await?;
        }
        Phone::Show { account, extension, json } => {
            show(&app, AccountId(account), &extension, json).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(app: &App, config: &Config, new: NewPhone, json: bool) -> Result<()> {
    let phone = app::phone::add(app, new).await.map_err(refused)?;
    if json {
        let shown = json!({
            "phone_id": phone.id.0,
            "username": phone.username,
            "password": phone.password,
        });
        return say(&shown.to_string());
    }
    let told = trunks::advertised_by(config).await?;
    for listen in config.sip.sides().map(|side| side.listen) {
        let registrar = SocketAddr::new(told.to(listen), listen.port());
        // A machine without IPv6 has none to tell.
        if registrar.is_ipv4() == listen.is_ipv4() {
            say(&format!("registrar  {registrar}"))?;
        }
    }
    say(&format!("user name  {}", phone.username))?;
    say(&format!("password   {}   (shown only now)", phone.password))
}

async fn show(app: &App, account: AccountId, extension: &str, json: bool) -> Result<()> {
    let Some(wanted) = Extension::parse(extension) else {
        bail!("'{extension}' is not a short number of 3 to 6 digits");
    };
    let phones = app::phone::list(app, account).await.map_err(open::failed)?;
    let Some(phone) = phones.into_iter().find(|phone| phone.extension == wanted) else {
        bail!("account {account} has no phone {extension}");
    };
    let now = app.now();
    let registered = phone.binding.as_ref().is_some_and(|binding| binding.until > now);
    if json {
        let shown = json!({
            "phone_id": phone.id.0,
            "username": phone.username,
            "registered": registered,
            "contact": phone.fixed_contact.or(phone.binding.map(|binding| binding.contact)),
        });
        return say(&shown.to_string());
    }
    let state = match (&phone.fixed_contact, registered) {
        (Some(contact), _) => format!("at {contact}"),
        (None, true) => String::from("registered"),
        (None, false) => String::from("not registered"),
    };
    say(&format!("phone {} ({}): {state}", wanted.as_str(), phone.username))
}

fn refused(error: app::Error<PhoneRefusal>) -> anyhow::Error {
    open::refused(error, |why| {
        anyhow::anyhow!(match why {
            PhoneRefusal::WrongExtension => "a short number has 3 to 6 digits and no leading 0",
            PhoneRefusal::WrongContact => "the contact must be a URI like sip:me@192.0.2.1",
            PhoneRefusal::NotPossible => "there is no such account, or it has that short number",
        })
    })
}
