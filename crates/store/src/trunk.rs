//! Trunks and the numbers that accounts show on them. Every change is counted, so that a running
//! node sees it.

use domain::dialer::trunk::{NumberFormat, PING_INTERVAL_S, Password, Register, Srtp, Trunk};
use domain::{AccountId, Network, Timestamp, TrunkId};

use crate::value::{Value, values};
use crate::{Queries, Result, Row, Tx};

/// Where a trunk was described.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// By a command; every node uses it.
    Table,
    /// In the configuration of this node, which alone uses it.
    File(String),
}

/// A trunk with what the table knows beside its description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its identity.
    pub id: TrunkId,
    /// Where it was described.
    pub source: Source,
    /// Since when it takes no new calls.
    pub disabled_at: Option<Timestamp>,
    /// Its description.
    pub trunk: Trunk,
}

/// The number that an account shows on a trunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerId {
    /// On which.
    pub trunk: TrunkId,
    /// Whose.
    pub account: AccountId,
    /// The number.
    pub number: String,
}

impl Source {
    fn to_text(&self) -> String {
        match self {
            Self::Table => String::from("table"),
            Self::File(node) => format!("file:{node}"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let file = || text.strip_prefix("file:").map(|node| Self::File(node.to_owned()));
        if text == "table" { Some(Self::Table) } else { file() }
    }
}

/// Adds a trunk.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when the source has one of that name.
pub async fn insert(tx: &mut Tx, source: &Source, trunk: &Trunk) -> Result<TrunkId> {
    let sql = "INSERT INTO trunk (source, name, address, transport, username, password, caller_id,
                                  number_format, codecs, prefixes, max_channels, max_cps, priority,
                                  weight, srtp, symmetric_rtp, registrar, register_expires_s,
                                  ping_interval_s, server_ids, accept_from, may_show)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                       $18, $19, $20, $21, $22)
               RETURNING id";
    let named = values![&source.to_text(), &trunk.name];
    let values = [named.as_slice(), &description(trunk)].concat();
    let id = tx.query_one(sql, &values).await?.get("id")?;
    count_change(tx).await?;
    Ok(id)
}

/// What describes a trunk, from `address` to `may_show`, as both statements list it.
fn description(trunk: &Trunk) -> Vec<Value> {
    values![
        &trunk.address,
        &trunk.transport,
        &trunk.username,
        &trunk.password.0,
        &trunk.caller_id,
        &trunk.number_format.to_string(),
        &trunk.codecs.join(","),
        &trunk.prefixes.join(","),
        trunk.max_channels,
        trunk.max_cps,
        trunk.priority,
        trunk.weight,
        &trunk.srtp.to_string(),
        on_or_off(trunk.symmetric_rtp),
        trunk.register.as_ref().map(|register| &register.registrar),
        trunk.register.as_ref().map(|register| register.expires_s),
        trunk.ping_interval_s,
        &numbers(&trunk.server_ids),
        &networks(&trunk.accept_from),
        &trunk.may_show.join(","),
    ]
    .to_vec()
}

/// Describes a trunk anew; its name stays. `false`: there is no such trunk.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn update(tx: &mut Tx, id: TrunkId, trunk: &Trunk) -> Result<bool> {
    let sql = "UPDATE trunk
               SET address = $2, transport = $3, username = $4, password = $5, caller_id = $6,
                   number_format = $7, codecs = $8, prefixes = $9, max_channels = $10,
                   max_cps = $11, priority = $12, weight = $13, srtp = $14, symmetric_rtp = $15,
                   registrar = $16, register_expires_s = $17, ping_interval_s = $18,
                   server_ids = $19, accept_from = $20, may_show = $21
               WHERE id = $1";
    let values = [values![id].as_slice(), &description(trunk)].concat();
    let changed = tx.execute(sql, &values).await? == 1;
    count_change(tx).await?;
    Ok(changed)
}

/// Switches a trunk off (since when) or on again. `false`: there is no such trunk.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn set_disabled(tx: &mut Tx, id: TrunkId, since: Option<Timestamp>) -> Result<bool> {
    let sql = "UPDATE trunk SET disabled_at_us = $2 WHERE id = $1";
    let changed = tx.execute(sql, values![id, since]).await? == 1;
    count_change(tx).await?;
    Ok(changed)
}

/// Removes a trunk and the numbers that were shown on it. `false`: there is no such trunk.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn delete(tx: &mut Tx, id: TrunkId) -> Result<bool> {
    tx.execute("DELETE FROM caller_id WHERE trunk_id = $1", values![id]).await?;
    let gone = tx.execute("DELETE FROM trunk WHERE id = $1", values![id]).await? == 1;
    count_change(tx).await?;
    Ok(gone)
}

/// Every trunk by id.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn list(reads: &mut impl Queries) -> Result<Vec<Kept>> {
    let sql = "SELECT id, source, name, disabled_at_us, address, transport, username, password,
                      caller_id, number_format, codecs, prefixes, max_channels, max_cps, priority,
                      weight, srtp, symmetric_rtp, registrar, register_expires_s,
                      ping_interval_s, server_ids, accept_from, may_show
               FROM trunk ORDER BY id";
    reads.query(sql, values![]).await?.iter().map(kept).collect()
}

/// Lets an account show this number on a trunk, in place of the one it showed before.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Conflict`] when there is no such trunk or
/// account.
pub async fn set_caller_id(tx: &mut Tx, shown: &CallerId) -> Result<()> {
    let sql = "INSERT INTO caller_id (trunk_id, account_id, number) VALUES ($1, $2, $3)
               ON CONFLICT (trunk_id, account_id) DO UPDATE SET number = excluded.number";
    tx.execute(sql, values![shown.trunk, shown.account, &shown.number]).await?;
    count_change(tx).await
}

/// Lets an account show the trunk's own number again. `false`: it did already.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn unset_caller_id(tx: &mut Tx, trunk: TrunkId, account: AccountId) -> Result<bool> {
    let sql = "DELETE FROM caller_id WHERE trunk_id = $1 AND account_id = $2";
    let gone = tx.execute(sql, values![trunk, account]).await? == 1;
    count_change(tx).await?;
    Ok(gone)
}

/// Every number that an account shows on a trunk, by both ids.
///
/// # Errors
/// [`crate::Error::Unavailable`] and [`crate::Error::Corrupt`].
pub async fn caller_ids(reads: &mut impl Queries) -> Result<Vec<CallerId>> {
    let sql = "SELECT trunk_id, account_id, number FROM caller_id ORDER BY trunk_id, account_id";
    let shown = |row: &Row| {
        let (trunk, account) = (row.get("trunk_id")?, row.get("account_id")?);
        Ok(CallerId { trunk, account, number: row.get("number")? })
    };
    reads.query(sql, values![]).await?.iter().map(shown).collect()
}

/// How many changes there were: another number means that the trunks are to be read again.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn changes(reads: &mut impl Queries) -> Result<i64> {
    reads.query_one("SELECT count FROM trunk_change WHERE id = 1", values![]).await?.get("count")
}

async fn count_change(tx: &mut Tx) -> Result<()> {
    tx.execute("UPDATE trunk_change SET count = count + 1 WHERE id = 1", values![]).await.map(drop)
}

fn kept(row: &Row) -> Result<Kept> {
    let registers = |expires_s| -> Result<Register> {
        let registrar = row.get::<Option<String>>("registrar")?.unwrap_or_default();
        Ok(Register { registrar, expires_s })
    };
    let trunk = Trunk {
        name: row.get("name")?,
        address: row.get("address")?,
        transport: row.get("transport")?,
        username: row.get("username")?,
        password: Password(row.get("password")?),
        register: row.get::<Option<u32>>("register_expires_s")?.map(registers).transpose()?,
        accept_from: row.parse_opt("accept_from", parse_networks)?,
        caller_id: row.get("caller_id")?,
        may_show: row.parse_opt("may_show", |text| parts(text.unwrap_or_default()))?,
        number_format: row.parse("number_format", NumberFormat::parse)?,
        codecs: row.parse("codecs", parts)?,
        srtp: row.parse_opt("srtp", |text| text.map_or(Some(Srtp::Off), Srtp::parse))?,
        symmetric_rtp: row.parse_opt("symmetric_rtp", switch)?,
        prefixes: row.parse("prefixes", parts)?,
        max_channels: row.get("max_channels")?,
        max_cps: row.get("max_cps")?,
        priority: row.get("priority")?,
        weight: row.get("weight")?,
        ping_interval_s: row.get::<Option<u32>>("ping_interval_s")?.unwrap_or(PING_INTERVAL_S),
        server_ids: match row.get::<Option<String>>("server_ids")? {
            Some(_) => row.parse("server_ids", parse_numbers)?,
            None => Vec::new(),
        },
    };
    Ok(Kept {
        id: row.get("id")?,
        source: row.parse("source", Source::parse)?,
        disabled_at: row.get("disabled_at_us")?,
        trunk,
    })
}

fn on_or_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// A switch, which is off while nobody has touched it.
fn switch(text: Option<&str>) -> Option<bool> {
    match text {
        Some("on") => Some(true),
        Some("off") | None => Some(false),
        Some(_) => None,
    }
}

/// The parts of a list with commas.
#[expect(clippy::unnecessary_wraps, reason = "the shape of a column that may be unreadable")]
fn parts(text: &str) -> Option<Vec<String>> {
    Some(text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect())
}

/// A list of networks with commas.
fn networks(list: &[Network]) -> String {
    list.iter().map(Network::to_string).collect::<Vec<_>>().join(",")
}

/// Reads a list of [`networks`], which may not be there.
fn parse_networks(text: Option<&str>) -> Option<Vec<Network>> {
    let parts = text.unwrap_or_default().split(',').filter(|part| !part.is_empty());
    parts.map(Network::parse).collect()
}

/// A list of numbers with commas.
fn numbers(list: &[u32]) -> String {
    list.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

/// Reads a list of [`numbers`].
fn parse_numbers(text: &str) -> Option<Vec<u32>> {
    text.split(',').filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect()
}
