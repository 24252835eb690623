//! Trunks between the database and the node. What the operator changes is taken up within a
//! second; a trunk whose name has no address just now is tried again until it has one.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use app::trunk::{TrunkRefusal, UsedTrunk};
use app::{App, Failure};
use engine::{Codec, Credentials, Srtp, Transport};
use node::{Caps, Trunk};
use store::Db;
use tokio::sync::{mpsc, watch};

use crate::address;
use crate::cli::open;
use crate::config::{Config, Sip};

/// How often the count of changes is read.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After so many looks, names that had no address are asked for again.
const RETRY_LOOKS: u32 = 30;

/// What decides whether and how a trunk is reached from here.
pub struct Reach {
    /// How we listen.
    pub sip: Sip,
    /// The address that peers are told; fixed at the start.
    pub advertised: IpAddr,
    /// Where calls go while there is no trunk at all.
    pub sandbox: Option<Trunk>,
}

/// Trunks for the node, and whether some are missing.
pub struct NodeTrunks {
    /// Those that can be used.
    pub trunks: Vec<Trunk>,
    /// The host names of their addresses, which certificates must have.
    pub names: BTreeMap<SocketAddr, String>,
    /// Whether one could not be used, for now.
    pub incomplete: bool,
}

impl Reach {
    /// The trunks as the node takes them. One that cannot be reached is left out, with a warning.
    /// Asks the resolver, which may take its time.
    pub fn node_trunks(&self, used: &[UsedTrunk]) -> NodeTrunks {
        if used.is_empty() {
            let trunks = self.sandbox.iter().cloned().collect();
            return NodeTrunks { trunks, names: BTreeMap::new(), incomplete: false };
        }
        let (mut trunks, mut names) = (Vec::new(), BTreeMap::new());
        for one in used {
            match self.address_of(&one.trunk) {
                Ok(address) => {
                    trunks.push(node_trunk(one, address));
                    names.insert(address, address::host_of(&one.trunk.address).to_owned());
                }
                Err(error) => {
                    let (trunk, error) = (&one.trunk.name, format!("{error:#}"));
                    tracing::warn!(trunk, error, "a trunk cannot be used");
                }
            }
        }
        NodeTrunks { incomplete: trunks.len() < used.len(), trunks, names }
    }

    fn address_of(&self, trunk: &domain::Trunk) -> Result<SocketAddr> {
        let address = address::resolve(trunk)?;
        let told = address::advertised_to(&self.sip, &[(&trunk.name, address)])?;
        if told != self.advertised {
            bail!(
                "it is reached from {told}, and peers are told {}: set sip.public_address, or \
                 restart",
                self.advertised
            );
        }
        Ok(address)
    }
}

/// Copies the trunks of the configuration to the table, and reads all that this node uses.
///
/// # Errors
/// The database failed, or a trunk of the file has the name of one that was added by a command.
pub async fn take_over(config: &Config, db: Db) -> Result<Vec<UsedTrunk>> {
    let app = open::app_over(config, db)?;
    let name = &config.node.name;
    app::trunk::sync_file(&app, name, &config.trunks()?)
        .await
        .map_err(refused)
        .context("taking over the trunks of the configuration")?;
    app::trunk::used_by(&app, name).await.map_err(open::failed).context("reading the trunks")
}

/// The address that peers are told: the configuration's trunks must agree on it; without those,
/// the trunks of the table that are switched on.
///
/// # Errors
/// No address of ours works for all of them; the message says which key to set.
pub fn advertised(config: &Config, used: &[UsedTrunk]) -> Result<IpAddr> {
    if !config.trunk.is_empty() {
        return address::advertised(config);
    }
    let on = used.iter().filter(|one| one.disabled_at.is_none());
    let known: Vec<(&str, SocketAddr)> =
        on.filter_map(|one| Some((&*one.trunk.name, address::resolve(&one.trunk).ok()?))).collect();
    address::advertised_to(&config.sip, &known)
}

/// Starts to watch the table. Whenever something changes, all trunks come out, and their host names
/// go to `names`.
pub fn watch(
    app: Arc<App>,
    node: String,
    reach: Reach,
    names: watch::Sender<BTreeMap<SocketAddr, String>>,
) -> mpsc::Receiver<Vec<Trunk>> {
    let (sender, trunks) = mpsc::channel(1);
    let reach = Arc::new(reach);
    let mut watcher = Watcher { app, node, reach, names, seen: None, told: None, looks_left: None };
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        loop {
            tick.tick().await;
            match watcher.look().await {
                Ok(Some(trunks)) => {
                    // The node's loop has ended when nobody listens, and so does this task.
                    if sender.send(trunks).await.is_err() {
                        return;
                    }
                }
                Ok(None) => {}
                Err(failure) => {
                    let error = failure.chain();
                    tracing::warn!(error, "the trunks could not be read; trying again");
                }
            }
        }
    });
    trunks
}

struct Watcher {
    app: Arc<App>,
    node: String,
    reach: Arc<Reach>,
    names: watch::Sender<BTreeMap<SocketAddr, String>>,
    /// The count of changes at the last reading.
    seen: Option<i64>,
    /// What the node was told last.
    told: Option<Vec<Trunk>>,
    /// When a trunk was left out: how many looks until the next try.
    looks_left: Option<u32>,
}

impl Watcher {
    /// The trunks, when they are not what was told before.
    async fn look(&mut self) -> Result<Option<Vec<Trunk>>, Failure> {
        let changes = app::trunk::changes(&self.app).await?;
        self.looks_left = self.looks_left.map(|left| left.saturating_sub(1));
        if self.seen == Some(changes) && self.looks_left != Some(0) {
            return Ok(None);
        }
        let used = app::trunk::used_by(&self.app, &self.node).await?;
        let reach = Arc::clone(&self.reach);
        let found = tokio::task::spawn_blocking(move || reach.node_trunks(&used)).await;
        let found = found.map_err(|error| Failure::because("resolving the trunks", error))?;
        self.seen = Some(changes);
        self.looks_left = found.incomplete.then_some(RETRY_LOOKS);
        if self.told.as_ref() == Some(&found.trunks) {
            return Ok(None);
        }
        self.told = Some(found.trunks.clone());
        self.names.send_replace(found.names);
        tracing::info!(trunks = found.trunks.len(), "the trunks are as the operator wants them");
        Ok(Some(found.trunks))
    }
}

fn node_trunk(used: &UsedTrunk, address: SocketAddr) -> Trunk {
    let UsedTrunk { disabled_at, trunk, caller_ids } = used;
    let caps = Caps { max_channels: trunk.max_channels, max_cps: trunk.max_cps };
    Trunk {
        enabled: disabled_at.is_none(),
        caller_ids: caller_ids.clone(),
        number_format: trunk.number_format.clone(),
        transport: transport(trunk),
        credentials: credentials(trunk),
        srtp: srtp(trunk),
        symmetric_rtp: trunk.symmetric_rtp,
        codecs: trunk.codecs.iter().filter_map(|name| codec(name)).collect(),
        prefixes: trunk.prefixes.clone(),
        priority: trunk.priority,
        weight: trunk.weight,
        ping_interval_s: trunk.ping_interval_s,
        server_ids: trunk.server_ids.clone(),
        ..Trunk::new(&trunk.name, address, &trunk.caller_id, caps)
    }
}

/// The credentials of a trunk, if it has any.
pub fn credentials(trunk: &domain::Trunk) -> Option<Credentials> {
    (!trunk.username.is_empty()).then(|| Credentials {
        username: trunk.username.clone(),
        password: trunk.password.0.clone(),
    })
}

/// Whether calls on a trunk are encrypted.
fn srtp(trunk: &domain::Trunk) -> Srtp {
    use domain::dialer::trunk::Srtp as Wanted;
    match trunk.srtp {
        Wanted::Off => Srtp::Off,
        Wanted::Optional => Srtp::Optional,
        Wanted::Required | Wanted::Forced => Srtp::Required,
    }
}

/// What carries SIP to a trunk.
pub fn transport(trunk: &domain::Trunk) -> Transport {
    Transport::named(trunk.transport.as_bytes()).expect("the rules let in what the engine knows")
}

/// A codec by its name in the rules' list.
pub fn codec(name: &str) -> Option<Codec> {
    Codec::ALL.into_iter().find(|codec| codec.encoding_name().eq_ignore_ascii_case(name))
}

/// A refusal as the operator reads it.
pub fn refused(error: app::Error<TrunkRefusal>) -> anyhow::Error {
    match error {
        app::Error::Failed(failure) => open::failed(failure),
        app::Error::Refused(refusal) => match refusal {
            TrunkRefusal::Fault(fault) => anyhow::Error::new(fault),
            TrunkRefusal::NameTaken => anyhow::anyhow!("there is a trunk of that name"),
            TrunkRefusal::NoSuchTrunk => anyhow::anyhow!("there is no trunk of that name"),
            TrunkRefusal::NoSuchAccount => anyhow::anyhow!("there is no such account"),
            TrunkRefusal::InFile(node) => anyhow::anyhow!(
                "it stands in the configuration of node '{node}': change it there and restart"
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_rules_let_in_the_engine_knows() {
        for name in domain::dialer::trunk::TRANSPORTS {
            assert!(Transport::named(name.as_bytes()).is_some(), "{name}");
        }
        for name in domain::dialer::trunk::CODECS {
            assert!(codec(name).is_some(), "{name}");
        }
    }
}
