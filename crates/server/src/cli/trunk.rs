//! `avanak trunk …`: routes to the telephone network, changed while the server runs.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use app::App;
use app::trunk::{Kept, Source, TrunkHealth};
use clap::{Args, Subcommand};
use domain::calendar::jalali;
use domain::dialer::health::Condition;
use domain::dialer::trunk::{NumberFormat, Password, REGISTER_EXPIRES_DEFAULT_S, Register, Srtp};
use domain::{AccountId, PhoneNumber, Trunk as Described};
use serde_json::json;

use super::{open, say, trunk_check};
use crate::config::{self, Config};
use crate::resolver::Resolver;
use crate::{address, trunks};

/// What a node has written of a trunk.
type Seen = (String, TrunkHealth);

/// What can be done with trunks. All of it works while the server runs, which takes it up within
/// seconds; live calls go on undisturbed.
#[derive(Debug, Subcommand)]
pub enum Trunk {
    /// Add a trunk. While there is any, no call goes to the sandbox carrier.
    Add {
        /// Its name in logs, metrics and records.
        name: String,
        /// The carrier's SIP server, as HOST or HOST:PORT.
        #[arg(long)]
        address: String,
        #[command(flatten)]
        fields: Box<Fields>,
    },
    /// Change a trunk; what is not named stays as it is.
    Set {
        /// Its name.
        name: String,
        /// The carrier's SIP server, as HOST or HOST:PORT.
        #[arg(long)]
        address: Option<String>,
        #[command(flatten)]
        fields: Box<Fields>,
    },
    /// Show all trunks.
    List {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show a trunk; its password is never shown.
    Show {
        /// Its name.
        name: String,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Let a trunk take calls again.
    Enable {
        /// Its name.
        name: String,
    },
    /// Let a trunk take no new calls.
    Disable {
        /// Its name.
        name: String,
    },
    /// Remove a trunk. Its live calls go on to their end.
    Remove {
        /// Its name.
        name: String,
    },
    /// Let an account show a number of its own on a trunk. No other account may show it.
    CallerId {
        /// The trunk's name.
        name: String,
        /// The account.
        #[arg(long)]
        account: i64,
        /// The number; without it, the account shows the trunk's own again.
        #[arg(long)]
        number: Option<String>,
    },
    /// Explain a trunk end to end: its DNS records, connection, certificate, answer, registration,
    /// codecs. Fails when a step failed.
    Check {
        /// The trunk's name; without it, all of them.
        name: Option<String>,
        /// Also call this number over the trunk, and play three beeps. It is a real call.
        #[arg(long, value_name = "NUMBER", requires = "name")]
        call: Option<String>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// What a trunk is described by beside name and address.
#[derive(Debug, Args)]
pub struct Fields {
    /// What carries SIP: udp, tcp, tls, or auto, as the carrier's DNS says.
    #[arg(long)]
    transport: Option<String>,
    /// User name for digest authentication; empty when the carrier knows us by address.
    #[arg(long)]
    username: Option<String>,
    /// Password for digest authentication; `-` reads it from standard input, unseen by others.
    /// The database keeps it as it is, since a digest is made from it.
    #[arg(long)]
    password: Option<String>,
    /// Whether we register with it, which takes calls of ours only then.
    #[arg(long, value_name = "true|false")]
    register: Option<bool>,
    /// The domain that we register in; empty when it is the host of the address.
    #[arg(long)]
    registrar: Option<String>,
    /// For how long at a time we register, in seconds.
    #[arg(long)]
    register_expires_s: Option<u32>,
    /// Networks that it calls us from, like 192.0.2.0/24, beside its servers' own addresses.
    #[arg(long, value_delimiter = ',', value_name = "NETWORKS")]
    accept_from: Option<Vec<String>>,
    /// The number shown to the callee.
    #[arg(long)]
    caller_id: Option<String>,
    /// The numbers that accounts and classes may show in its place, which show no other; empty:
    /// any that they are given.
    #[arg(long, value_delimiter = ',', value_name = "NUMBERS")]
    may_show: Option<Vec<String>>,
    /// How numbers are written towards it: national (09…), e164 (+989…), 0098, 98, or a pattern
    /// around {national} (09…) or {subscriber} (9…), like 77{national}.
    #[arg(long, value_name = "FORMAT")]
    number_format: Option<String>,
    /// Codecs in the order of the offer, like pcma,g722; empty leaves it to us.
    #[arg(long, value_delimiter = ',')]
    codecs: Option<Vec<String>>,
    /// Whether calls are encrypted: off, optional, required, or forced, which does it even without
    /// tls, where the keys travel in the open.
    #[arg(long)]
    srtp: Option<String>,
    /// Whether sound is sent to where it comes from, when that is not what the carrier described.
    #[arg(long, value_name = "true|false")]
    symmetric_rtp: Option<bool>,
    /// Beginnings of the national numbers it takes, like 0912,021; empty takes all.
    #[arg(long, value_delimiter = ',')]
    prefixes: Option<Vec<String>>,
    /// Most calls at the same time, of all nodes together.
    #[arg(long)]
    max_channels: Option<u32>,
    /// Most calls started in a second, of all nodes together.
    #[arg(long)]
    max_cps: Option<u32>,
    /// Among trunks with equally long prefixes the lowest is tried first; the next takes what it
    /// has no room for.
    #[arg(long)]
    priority: Option<u32>,
    /// Its share of the calls among trunks of equal priority, 1 to 1000.
    #[arg(long)]
    weight: Option<u32>,
    /// How often it is asked by OPTIONS whether it is there, 5 to 3600 seconds; 0 for never.
    #[arg(long, value_name = "SECONDS")]
    ping_interval: Option<u32>,
    /// The regional servers that it is one of, like 20,25: clients that ask for one of these as
    /// ServerID get such trunks only. Empty: none.
    #[arg(long)]
    server_ids: Option<String>,
}

/// Runs the command. A check fails when a trunk did not pass.
pub async fn run(config: &Config, command: Trunk) -> Result<ExitCode> {
    let app = open::app(config).await?;
    match command {
        Trunk::Add { name, address, fields } => {
            let described = Described { name, address, ..Described::default() };
            let trunk = fields.over(described)?;
            trunk.check()?;
            check_reach(config, &trunk).await?;
            let name = trunk.name.clone();
            app::trunk::add(&app, trunk).await.map_err(trunks::refused)?;
            say(&format!("trunk {name} is added; 'avanak trunk check {name}' asks it"))?;
        }
        Trunk::Set { name, address, fields } => set(config, &app, name, address, fields).await?,
        Trunk::List { json } => list(&app, json).await?,
        Trunk::Show { name, json } => show(&app, &name, json).await?,
        Trunk::Enable { name } => {
            app::trunk::switch(&app, &name, true).await.map_err(trunks::refused)?;
            say(&format!("trunk {name} takes calls"))?;
        }
        Trunk::Disable { name } => {
            app::trunk::switch(&app, &name, false).await.map_err(trunks::refused)?;
            say(&format!("trunk {name} takes no new calls"))?;
        }
        Trunk::Remove { name } => {
            app::trunk::remove(&app, &name).await.map_err(trunks::refused)?;
            say(&format!("trunk {name} is removed"))?;
        }
        Trunk::CallerId { name, account, number } => {
            let number = number.as_deref();
            let shown = app::trunk::show_number(&app, &name, AccountId(account), number);
            shown.await.map_err(trunks::refused)?;
            let number = number.unwrap_or("the trunk's own number");
            say(&format!("account {account} shows {number} on trunk {name}"))?;
        }
        Trunk::Check { name, call, json } => {
            return check(config, &app, name.as_deref(), call.as_deref(), json).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Fields {
    /// Lays what was said over a description.
    fn over(self, trunk: Described) -> Result<Described> {
        let number_format = match self.number_format {
            None => trunk.number_format,
            Some(text) => NumberFormat::parse(&text).with_context(|| {
                format!("number_format: '{text}' is none; see 'avanak trunk add --help'")
            })?,
        };
        let srtp = match self.srtp {
            None => trunk.srtp,
            Some(text) => Srtp::parse(&text).with_context(|| {
                format!("srtp: '{text}' is not off, optional, required or forced")
            })?,
        };
        let register =
            registering(self.register, self.registrar, self.register_expires_s, trunk.register)?;
        let named = |list: Vec<String>| -> Vec<String> {
            list.into_iter().filter(|item| !item.is_empty()).collect()
        };
        let password = match self.password.as_deref() {
            None => trunk.password,
            Some("-") => Password(password_from_input()?),
            Some(password) => Password(password.to_owned()),
        };
        Ok(Described {
            name: trunk.name,
            address: trunk.address,
            transport: self.transport.unwrap_or(trunk.transport),
            username: self.username.unwrap_or(trunk.username),
            password,
            register,
            accept_from: match self.accept_from {
                None => trunk.accept_from,
                Some(list) => config::networks(&named(list))
                    .context("accept_from: addresses or ranges like 192.0.2.0/24")?,
            },
            caller_id: self.caller_id.unwrap_or(trunk.caller_id),
            may_show: self.may_show.map_or(trunk.may_show, named),
            number_format,
            codecs: self.codecs.map_or(trunk.codecs, named),
            srtp,
            symmetric_rtp: self.symmetric_rtp.unwrap_or(trunk.symmetric_rtp),
            prefixes: self.prefixes.map_or(trunk.prefixes, named),
            max_channels: self.max_channels.unwrap_or(trunk.max_channels),
            max_cps: self.max_cps.unwrap_or(trunk.max_cps),
            priority: self.priority.unwrap_or(trunk.priority),
            weight: self.weight.unwrap_or(trunk.weight),
            ping_interval_s: self.ping_interval.unwrap_or(trunk.ping_interval_s),
            server_ids: match self.server_ids {
                Some(text) => server_ids(&text)?,
                None => trunk.server_ids,
            },
        })
    }
}

fn server_ids(text: &str) -> Result<Vec<u32>> {
    let parts = text.split(',').filter(|part| !part.is_empty());
    let number = |part: &str| part.parse().with_context(|| format!("server_ids: '{part}'"));
    parts.map(number).collect()
}

/// Lays what was said about registering over what was there.
fn registering(
    wanted: Option<bool>,
    registrar: Option<String>,
    expires_s: Option<u32>,
    before: Option<Register>,
) -> Result<Option<Register>> {
    if !wanted.unwrap_or(before.is_some()) {
        if registrar.is_some() || expires_s.is_some() {
            bail!("register: nobody registers; add --register true");
        }
        return Ok(None);
    }
    let default = Register { registrar: String::new(), expires_s: REGISTER_EXPIRES_DEFAULT_S };
    let before = before.unwrap_or(default);
    Ok(Some(Register {
        registrar: registrar.unwrap_or(before.registrar),
        expires_s: expires_s.unwrap_or(before.expires_s),
    }))
}

fn password_from_input() -> Result<String> {
    let mut text = String::new();
    let longest = 4_096;
    std::io::stdin().take(longest).read_to_string(&mut text).context("reading the password")?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Refuses a trunk that could not be called from here.
async fn check_reach(config: &Config, trunk: &Described) -> Result<()> {
    let found = Resolver::new(&config.sip)?.locate(trunk).await?;
    let address = trunks::first_of(&found.servers).address;
    address::told_to(&config.sip, &trunk.name, address).map(drop)
}

async fn set(
    config: &Config,
    app: &App,
    name: String,
    address: Option<String>,
    fields: Box<Fields>,
) -> Result<()> {
    let (kept, _) = find(app, &name).await?;
    let moved = address.is_some();
    let address = address.unwrap_or_else(|| kept.trunk.address.clone());
    let trunk = fields.over(Described { address, ..kept.trunk })?;
    trunk.check()?;
    if moved {
        check_reach(config, &trunk).await?;
    }
    app::trunk::set(app, trunk).await.map_err(trunks::refused)?;
    say(&format!("trunk {name} is changed"))
}

/// The trunk of this name; one that can be changed comes first.
async fn find(app: &App, name: &str) -> Result<(Kept, BTreeMap<AccountId, String>)> {
    let mut listed = app::trunk::list(app).await.map_err(open::failed)?;
    listed.retain(|(kept, _)| kept.trunk.name == name);
    listed.sort_by(|(one, _), (other, _)| one.source.cmp(&other.source));
    listed.into_iter().next().with_context(|| format!("there is no trunk '{name}'"))
}

async fn list(app: &App, json: bool) -> Result<()> {
    let listed = app::trunk::list(app).await.map_err(open::failed)?;
    let health = app::trunk::health(app).await.map_err(open::failed)?;
    if json {
        let shown: Vec<_> = listed.iter().map(|(kept, own)| as_json(kept, own, &health)).collect();
        return say(&json!({ "trunks": shown }).to_string());
    }
    for (kept, _) in &listed {
        let Described { name, address, max_channels, max_cps, prefixes, .. } = &kept.trunk;
        let takes = if prefixes.is_empty() { String::from("all") } else { prefixes.join(",") };
        say(&format!(
            "{name:<16} {:<3} {:<12} {address:<24} {takes:<12} {max_channels} calls, {max_cps}/s, \
             priority {}, weight {}, from {}",
            state(kept),
            worst(kept, &health),
            kept.trunk.priority,
            kept.trunk.weight,
            origin(&kept.source)
        ))?;
    }
    say(&format!("{} trunks", listed.len()))
}

async fn show(app: &App, name: &str, json: bool) -> Result<()> {
    let (kept, own) = find(app, name).await?;
    let health = app::trunk::health(app).await.map_err(open::failed)?;
    let shown = as_json(&kept, &own, &health);
    if json {
        return say(&shown.to_string());
    }
    let fields = shown.as_object().expect("it was made as one");
    for (key, value) in fields {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        say(&format!("{key:<16} {text}"))?;
    }
    Ok(())
}

fn state(kept: &Kept) -> &'static str {
    if kept.disabled_at.is_some() { "off" } else { "on" }
}

fn origin(source: &Source) -> String {
    match source {
        Source::Table => String::from("table"),
        Source::File(node) => format!("file of node {node}"),
    }
}

/// What the nodes that use a trunk have written of it.
fn seen<'a>(kept: &'a Kept, health: &'a [Seen]) -> impl Iterator<Item = &'a Seen> {
    health.iter().filter(|(node, seen)| {
        let used = match &kept.source {
            Source::Table => true,
            Source::File(of) => of == node,
        };
        used && seen.trunk == kept.trunk.name
    })
}

/// How a trunk stands, for the node that sees it worst.
fn worst(kept: &Kept, health: &[Seen]) -> &'static str {
    let seen = seen(kept, health).map(|(_, seen)| seen.condition);
    seen.max().map_or("not watched", Condition::word)
}

fn as_json(kept: &Kept, own: &BTreeMap<AccountId, String>, health: &[Seen]) -> serde_json::Value {
    let trunk = &kept.trunk;
    let seen: Vec<_> = seen(kept, health)
        .map(|(node, seen)| {
            let time = jalali::gregorian_date_time;
            json!({
                "node": node,
                "condition": seen.condition.word(),
                "since": time(seen.since),
                "until": seen.until.map(time),
            })
        })
        .collect();
    let own: BTreeMap<String, &String> =
        own.iter().map(|(account, number)| (account.to_string(), number)).collect();
    json!({
        "name": trunk.name,
        "state": state(kept),
        "health": seen,
        "source": origin(&kept.source),
        "address": trunk.address,
        "transport": trunk.transport,
        "username": trunk.username,
        "has_password": !trunk.password.0.is_empty(),
        "register": trunk.register.is_some(),
        "registrar": trunk.register.as_ref().map(|register| &register.registrar),
        "register_expires_s": trunk.register.as_ref().map(|register| register.expires_s),
        "accept_from": trunk.accept_from.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "caller_id": trunk.caller_id,
        "caller_ids": own,
        "may_show": trunk.may_show,
        "number_format": trunk.number_format.to_string(),
        "codecs": trunk.codecs,
        "srtp": trunk.srtp.to_string(),
        "symmetric_rtp": trunk.symmetric_rtp,
        "prefixes": trunk.prefixes,
        "max_channels": trunk.max_channels,
        "max_cps": trunk.max_cps,
        "priority": trunk.priority,
        "weight": trunk.weight,
        "ping_interval_s": trunk.ping_interval_s,
        "server_ids": trunk.server_ids,
    })
}

/// The trunks of this node's configuration as it is now, and those of the table.
pub async fn all(config: &Config, app: &App) -> Result<Vec<Described>> {
    let listed = app::trunk::list(app).await.map_err(open::failed)?;
    let table = listed.into_iter().filter(|(kept, _)| kept.source == Source::Table);
    Ok(config.trunks()?.into_iter().chain(table.map(|(kept, _)| kept.trunk)).collect())
}

async fn check(
    config: &Config,
    app: &App,
    name: Option<&str>,
    call: Option<&str>,
    json: bool,
) -> Result<ExitCode> {
    let number = match call {
        None => None,
        Some(text) => Some(
            PhoneNumber::parse(text)
                .with_context(|| format!("'{text}' is no number that can be called"))?,
        ),
    };
    let mut trunks = all(config, app).await?;
    trunks.retain(|trunk| name.is_none_or(|name| *name == trunk.name));
    if trunks.is_empty() && name.is_some() {
        bail!("there is no trunk '{}'", name.unwrap_or_default());
    }
    let mut reports = Vec::new();
    for trunk in &trunks {
        let report = trunk_check::check(config, trunk, number.as_ref()).await?;
        if !json {
            say(&format!("trunk {}", trunk.name))?;
            report.lines().iter().try_for_each(|line| say(&format!("  {line}")))?;
        }
        reports.push((&trunk.name, report));
    }
    if json {
        let shown: Vec<_> = reports.iter().map(|(name, report)| report.json(name)).collect();
        say(&json!({ "trunks": shown }).to_string())?;
    } else if trunks.is_empty() {
        say("there is no trunk: calls go to the sandbox carrier")?;
    }
    let passed = reports.iter().all(|(_, report)| report.passed());
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
