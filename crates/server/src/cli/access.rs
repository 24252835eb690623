//! The options of `avanak account …` that say from where, how and for what the web services may be
//! used.

use anyhow::{Context as _, Result};
use app::account::AccessChange;
use clap::Args;
use domain::Network;
use domain::access::{AccountAccess, Allowed};

/// Allow-lists of a token.
#[derive(Debug, Default, Args)]
pub struct Lists {
    /// Address or range (192.0.2.0/24) it may be used from; may be given several times.
    #[arg(long, value_name = "ADDRESS", value_parser = network)]
    allow_ip: Vec<Network>,
    /// Method (QuickSend, GetQuickSend, …) it may be used for; may be given several times.
    #[arg(long, value_name = "METHOD", value_parser = method)]
    method: Vec<String>,
}

impl Lists {
    /// What a token is made with; empty lists allow all.
    pub fn allowed(self) -> Result<Allowed> {
        Allowed::new(self.allow_ip, self.method).context("an allow-list has at most 64 entries")
    }
}

/// What an account may do with the web services. What is not given stays as it is.
#[derive(Debug, Default, Args)]
pub struct Access {
    #[command(flatten)]
    lists: Lists,
    /// Lift the list of addresses.
    #[arg(long, conflicts_with = "allow_ip")]
    any_ip: bool,
    /// Lift the list of methods.
    #[arg(long, conflicts_with = "method")]
    any_method: bool,
    /// Whether it has the permission for the web services (code -106 without).
    #[arg(long, value_name = "true|false")]
    web_service: Option<bool>,
    /// Whether its use of the web services is blocked (code -105).
    #[arg(long, value_name = "true|false")]
    blocked: Option<bool>,
    /// Whether its mobile number is verified (code -102 without).
    #[arg(long, value_name = "true|false")]
    mobile_verified: Option<bool>,
    /// Whether it must come by HTTPS (code -109 otherwise), as http.trusted_proxies tell it.
    #[arg(long, value_name = "true|false")]
    https_only: Option<bool>,
}

impl Access {
    /// What is to change.
    pub fn change(self) -> AccessChange {
        AccessChange {
            mobile_verified: self.mobile_verified,
            permitted: self.web_service,
            blocked: self.blocked,
            https_only: self.https_only,
            networks: listed(self.lists.allow_ip, self.any_ip),
            methods: listed(self.lists.method, self.any_method),
        }
    }
}

/// The new list, if there is one.
fn listed<T>(list: Vec<T>, any: bool) -> Option<Vec<T>> {
    (any || !list.is_empty()).then_some(list)
}

/// How an account's access is shown to machines.
pub fn as_json(access: &AccountAccess) -> serde_json::Value {
    let networks = access.allowed.networks().iter().map(Network::to_string);
    serde_json::json!({
        "web_service": access.denied_at.is_none(),
        "blocked": access.blocked_at.is_some(),
        "mobile_verified": access.mobile_unverified_at.is_none(),
        "https_only": access.https_only_at.is_some(),
        "allow_ip": networks.collect::<Vec<_>>(),
        "method": access.allowed.methods(),
    })
}

/// How an account's access is shown to people: its restrictions only.
pub fn as_text(access: &AccountAccess) -> String {
    let mut words = Vec::new();
    let flags = [
        (access.denied_at.is_some(), "no permission for the web services"),
        (access.blocked_at.is_some(), "blocked"),
        (access.mobile_unverified_at.is_some(), "mobile not verified"),
        (access.https_only_at.is_some(), "HTTPS only"),
    ];
    words.extend(flags.into_iter().filter(|(set, _)| *set).map(|(_, word)| word.to_owned()));
    let (networks, methods) = access.allowed.texts();
    words.extend(networks.map(|list| format!("from {list}")));
    words.extend(methods.map(|list| format!("for {list}")));
    if words.is_empty() { String::from("not restricted") } else { words.join("; ") }
}

fn network(text: &str) -> Result<Network, String> {
    Network::parse(text).ok_or_else(|| String::from("not like 192.0.2.7 or 192.0.2.0/24"))
}

fn method(text: &str) -> Result<String, String> {
    let name = web::method_name(text).ok_or_else(|| String::from("there is no such method"))?;
    Ok(name.to_owned())
}
