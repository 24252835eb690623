//! Trunks between the database, DNS and the node. What the operator changes is taken up within a
//! second, what DNS says when its records run out; a trunk that is not found is looked for until it
//! is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::address::Told;
use crate::cli::open;
use crate::config::{Config, Sip};
use crate::resolver::{Found, Resolver};
use crate::{address, clock, registrations, sandbox};
use anyhow::{Context as _, Result, bail};
use app::trunk::{TrunkRefusal, UsedTrunk};
use app::{App, Failure};
use engine::{
    Codec, Credentials, Hop, Located, Srtp, Transport, TrunkRegistration, TrunkSource, locate,
};
use node::{Caps, Serves, Sharing, Trunk};
use store::Db;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// How often the count of changes is read.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a look waits for DNS before it goes on without.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long the start does.
pub const START_PATIENCE: Duration = Duration::from_secs(15);
/// When a trunk that was not found is looked for again.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// What decides whether and how a trunk is reached from here.
pub struct Reach {
    /// How we listen.
    pub sip: Sip,
    /// The addresses that peers are told; fixed at the start.
    pub advertised: Told,
    /// Where calls go while there is no trunk at all.
    pub sandbox: Option<Trunk>,
    /// Whether calls of sandboxes go there beside trunks, too.
    pub sandbox_beside: bool,
    /// Who knows where trunks are.
    pub resolver: Resolver,
}

/// What is to be done about trunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InUse {
    /// For the node: those that can be used.
    pub trunks: Vec<Trunk>,
    /// For the engine: where we register, at one of the servers of each trunk.
    pub registrations: Arc<[Vec<TrunkRegistration>]>,
    /// For the engine: from where trunks call us.
    pub sources: Arc<[TrunkSource]>,
    /// For connections: the host names of servers, which certificates must have.
    pub names: BTreeMap<SocketAddr, String>,
}

/// Where one trunk is, as far as it is known.
struct Place {
    /// Of which address and transport that holds.
    of: (String, String),
    /// Its servers that can be reached from here; none while it is not known.
    servers: Vec<Located>,
    /// When it is to be asked for again.
    until: Instant,
}

/// Where all trunks are. What was known stays in use while DNS is down.
pub struct Places {
    reach: Arc<Reach>,
    known: BTreeMap<String, Place>,
    /// What is being asked, and for which addresses.
    searches: JoinSet<(domain::Trunk, Result<Found>)>,
    asked: BTreeSet<(String, String)>,
}

impl Reach {
    /// The servers of a trunk that can be reached from here, and how long that holds.
    async fn servers_of(&self, trunk: &domain::Trunk) -> Result<Found> {
        let Found { mut servers, valid_for, complete } = self.resolver.locate(trunk).await?;
        let mut why = None;
        for server in &mut servers {
            server.addresses.retain(|address| match self.reaches(trunk, *address) {
                Ok(()) => true,
                Err(error) => {
                    let (trunk, error) = (&trunk.name, why.insert(error));
                    tracing::debug!(trunk, %address, %error, "a server is left out");
                    false
                }
            });
        }
        servers.retain(|server| !server.addresses.is_empty());
        match why {
            Some(why) if servers.is_empty() => Err(why),
            _ => Ok(Found { servers, valid_for, complete }),
        }
    }

    /// The way to the sandbox carrier, if it runs, for these calls.
    fn sandbox(&self, serves: Serves) -> Option<Trunk> {
        self.sandbox.clone().map(|sandbox| Trunk { serves, ..sandbox })
    }

    fn reaches(&self, trunk: &domain::Trunk, address: SocketAddr) -> Result<()> {
        let told = address::told_to(&self.sip, &trunk.name, address)?;
        let advertised = self.advertised.to(address);
        if told != advertised {
            bail!(
                "it is reached from {told}, and peers are told {advertised}: set \
                 sip.public_address, or restart"
            );
        }
        Ok(())
    }
}

impl Places {
    /// Nothing is known yet.
    pub fn new(reach: Reach) -> Self {
        Self {
            reach: Arc::new(reach),
            known: BTreeMap::new(),
            searches: JoinSet::new(),
            asked: BTreeSet::new(),
        }
    }

    /// The trunks as they are used, after waiting for DNS so long at most. One that cannot be
    /// reached is left out, with a warning, and one whose name nobody knows just now stays where it
    /// was.
    pub async fn in_use(&mut self, used: &[UsedTrunk], patience: Duration) -> InUse {
        if used.is_empty() {
            self.known.clear();
            let trunks = self.reach.sandbox(Serves::Everybody).into_iter().collect();
            let (registrations, sources) = (Arc::from([]), Arc::from([]));
            return InUse { trunks, registrations, sources, names: BTreeMap::new() };
        }
        self.look_up(used, patience).await;
        let (mut trunks, mut registrations, mut sources) = (Vec::new(), Vec::new(), Vec::new());
        let mut names = BTreeMap::new();
        for one in used {
            let place = self.known.get(&one.trunk.name).filter(|place| !place.servers.is_empty());
            let Some(place) = place else { continue };
            trunks.push(node_trunk(one, place.servers.clone()));
            for hop in place.servers.iter().flat_map(Located::hops) {
                names.insert(hop.address, address::host_of(&one.trunk.address).to_owned());
            }
            if one.disabled_at.is_some() {
                continue;
            }
            sources.push(source(&one.trunk, &place.servers));
            match registrations::of(&one.trunk, &place.servers) {
                Ok(servers) if servers.is_empty() => {}
                Ok(servers) => registrations.push(servers),
                Err(error) => {
                    let (trunk, error) = (&one.trunk.name, format!("{error:#}"));
                    tracing::warn!(trunk, error, "we cannot register with a trunk");
                }
            }
        }
        if self.reach.sandbox_beside && used.iter().all(|one| one.trunk.name != sandbox::TRUNK) {
            trunks.extend(self.reach.sandbox(Serves::Sandboxes));
        }
        let (registrations, sources) = (registrations.into(), sources.into());
        InUse { trunks, registrations, sources, names }
    }

    /// Whether something is to be asked for again, or was asked and is awaited.
    fn is_due(&self) -> bool {
        let now = clock::instant();
        !self.searches.is_empty() || self.known.values().any(|place| place.until <= now)
    }

    /// Asks for what is not known, or not any more; all at the same time. What DNS has not told
    /// when patience is over comes with a later look: one name must not keep the others waiting.
    async fn look_up(&mut self, used: &[UsedTrunk], patience: Duration) {
        self.known.retain(|name, place| {
            let same = |one: &UsedTrunk| one.trunk.name == *name && of(&one.trunk) == place.of;
            used.iter().any(same)
        });
        let now = clock::instant();
        for one in used {
            let known = self.known.get(&one.trunk.name).is_some_and(|place| place.until > now);
            if known || !self.asked.insert(of(&one.trunk)) {
                continue;
            }
            let (reach, trunk) = (Arc::clone(&self.reach), one.trunk.clone());
            self.searches.spawn(async move {
                let found = reach.servers_of(&trunk).await;
                (trunk, found)
            });
        }
        let all = async {
            while let Some(searched) = self.searches.join_next().await {
                if let Ok((trunk, found)) = searched {
                    let Self { known, asked, .. } = self;
                    take(known, asked, used, (&trunk, found));
                } else {
                    tracing::error!("looking for a trunk has panicked, which is a bug");
                    self.asked.clear();
                }
            }
        };
        // What is still under way is waited for at the next look.
        let _ = tokio::time::timeout(patience, all).await;
    }
}

/// Notes what DNS told of a trunk, for every trunk that is used with that address.
fn take(
    known: &mut BTreeMap<String, Place>,
    asked: &mut BTreeSet<(String, String)>,
    used: &[UsedTrunk],
    (trunk, found): (&domain::Trunk, Result<Found>),
) {
    asked.remove(&of(trunk));
    let now = clock::instant();
    let again = found.as_ref().map_or(RETRY_AFTER, |found| found.valid_for);
    for same in used.iter().filter(|one| of(&one.trunk) == of(trunk)) {
        let name = &same.trunk.name;
        let servers = match &found {
            Ok(found) if found.complete => found.servers.clone(),
            Ok(found) => {
                let before = known.remove(name).map(|place| place.servers);
                beside(found.servers.clone(), before.unwrap_or_default())
            }
            Err(error) => {
                let before = known.remove(name).map(|place| place.servers);
                still(&same.trunk, before, error)
            }
        };
        known.insert(name.clone(), Place { of: of(trunk), servers, until: now + again });
    }
}

/// What was found, with what was known before of a name of which DNS tells only a part just now.
fn beside(mut found: Vec<Located>, before: Vec<Located>) -> Vec<Located> {
    for mut server in before {
        let known: Vec<Hop> = found.iter().flat_map(Located::hops).collect();
        let transport = server.transport;
        server.addresses.retain(|&address| !known.contains(&Hop { transport, address }));
        if !server.addresses.is_empty() {
            found.push(server);
        }
    }
    found
}

/// From where a trunk calls us: its servers' addresses, and the networks that it names.
fn source(trunk: &domain::Trunk, servers: &[Located]) -> TrunkSource {
    let ips: BTreeSet<IpAddr> =
        servers.iter().flat_map(Located::hops).map(|hop| hop.address.ip()).collect();
    let named = trunk.accept_from.iter().map(domain::Network::range);
    let ranges = ips.into_iter().map(|ip| ip..=ip).chain(named).collect();
    TrunkSource {
        trunk: trunk.name.clone(),
        ranges,
        codecs: trunk.codecs.iter().filter_map(|name| codec(name)).collect(),
        srtp: srtp(trunk),
        symmetric_rtp: trunk.symmetric_rtp,
    }
}

/// What holds of where a trunk is.
fn of(trunk: &domain::Trunk) -> (String, String) {
    (trunk.address.clone(), trunk.transport.clone())
}

/// Where a trunk is taken to be while it cannot be found.
fn still(
    trunk: &domain::Trunk,
    before: Option<Vec<Located>>,
    error: &anyhow::Error,
) -> Vec<Located> {
    metrics::counter!("avanak_trunk_searches_failed_total").increment(1);
    let (trunk, error) = (&trunk.name, format!("{error:#}"));
    if let Some(servers) = before.filter(|servers| !servers.is_empty()) {
        tracing::warn!(trunk, error, "a trunk is not found; it is taken to be where it was");
        return servers;
    }
    tracing::warn!(trunk, error, "a trunk cannot be used");
    Vec::new()
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

/// The addresses that peers are told: the configuration's trunks must agree on it; without those,
/// the trunks of the table that are switched on. A trunk that nobody knows has no say.
///
/// # Errors
/// No address of ours works for all of them; the message says which key to set.
pub async fn advertised(config: &Config, used: &[UsedTrunk]) -> Result<Told> {
    if !config.trunk.is_empty() {
        return advertised_by(config).await;
    }
    let on = used.iter().filter(|one| one.disabled_at.is_none());
    let trunks: Vec<domain::Trunk> = on.map(|one| one.trunk.clone()).collect();
    told_to(&config.sip, &trunks).await
}

/// The addresses that peers are told, by the trunks of the configuration alone.
///
/// # Errors
/// No address of ours works for all of them; the message says which key to set.
pub async fn advertised_by(config: &Config) -> Result<Told> {
    told_to(&config.sip, &config.trunks()?).await
}

async fn told_to(sip: &Sip, trunks: &[domain::Trunk]) -> Result<Told> {
    let resolver = Resolver::new(sip)?;
    let mut known = Vec::new();
    for trunk in trunks {
        let name = trunk.name.as_str();
        match resolver.locate(trunk).await {
            Ok(found) => {
                let first = first_of(&found.servers).address;
                let hops = found.servers.iter().flat_map(Located::hops);
                // Of the other family only what can be reached has a say.
                let other = hops.map(|hop| hop.address).find(|address| {
                    address.is_ipv4() != first.is_ipv4()
                        && address::told_to(sip, name, *address).is_ok()
                });
                known.extend([Some(first), other].into_iter().flatten().map(|at| (name, at)));
            }
            Err(error) => {
                let (trunk, error) = (&trunk.name, format!("{error:#}"));
                tracing::warn!(trunk, error, "a trunk is not found");
            }
        }
    }
    address::advertised_to(sip, &known)
}

/// The server that is asked first when nothing is left to chance.
pub fn first_of(servers: &[Located]) -> Hop {
    let order = locate::order(servers, |_| 0);
    *order.first().expect("what was found has a server")
}

/// Starts to watch the table and DNS. Whenever something changes, all trunks come out, and their
/// host names go to `names`.
pub fn watch(
    app: Arc<App>,
    node: String,
    (places, told): (Places, InUse),
    names: watch::Sender<BTreeMap<SocketAddr, String>>,
) -> mpsc::Receiver<InUse> {
    let (sender, trunks) = mpsc::channel(1);
    let mut watcher = Watcher { app, node, places, names, seen: None, told };
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
    places: Places,
    names: watch::Sender<BTreeMap<SocketAddr, String>>,
    /// The count of changes at the last reading.
    seen: Option<i64>,
    /// What was told last.
    told: InUse,
}

impl Watcher {
    /// The trunks, when they are not what was told before.
    async fn look(&mut self) -> Result<Option<InUse>, Failure> {
        let changes = app::trunk::changes(&self.app).await?;
        if self.seen == Some(changes) && !self.places.is_due() {
            return Ok(None);
        }
        let used = app::trunk::used_by(&self.app, &self.node).await?;
        let found = self.places.in_use(&used, PATIENCE).await;
        let first = self.seen.replace(changes).is_none();
        if self.told == found && !first {
            return Ok(None);
        }
        self.told = found.clone();
        self.names.send_replace(found.names.clone());
        tracing::info!(trunks = found.trunks.len(), "the trunks are as the operator wants them");
        Ok(Some(found))
    }
}

fn node_trunk(used: &UsedTrunk, servers: Vec<Located>) -> Trunk {
    let UsedTrunk { disabled_at, trunk, caller_ids, shared } = used;
    Trunk {
        name: trunk.name.clone(),
        enabled: disabled_at.is_none(),
        host: trunk.address.clone(),
        servers,
        caller_id: trunk.caller_id.clone(),
        caller_ids: caller_ids.clone(),
        may_show: trunk.may_show.clone(),
        number_format: trunk.number_format.clone(),
        credentials: credentials(trunk),
        srtp: srtp(trunk),
        symmetric_rtp: trunk.symmetric_rtp,
        codecs: trunk.codecs.iter().filter_map(|name| codec(name)).collect(),
        caps: Caps { max_channels: trunk.max_channels, max_cps: trunk.max_cps },
        prefixes: trunk.prefixes.clone(),
        priority: trunk.priority,
        weight: trunk.weight,
        ping_interval_s: trunk.ping_interval_s,
        server_ids: trunk.server_ids.clone(),
        sandbox: false,
        serves: Serves::Earnest,
        sharing: if *shared { Sharing::Together } else { Sharing::Alone },
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
pub fn srtp(trunk: &domain::Trunk) -> Srtp {
    use domain::dialer::trunk::Srtp as Wanted;
    match trunk.srtp {
        Wanted::Off => Srtp::Off,
        Wanted::Optional => Srtp::Optional,
        Wanted::Required | Wanted::Forced => Srtp::Required,
    }
}

/// What carries SIP to a trunk; `None` leaves it to the carrier's DNS.
pub fn transport(trunk: &domain::Trunk) -> Option<Transport> {
    Transport::named(trunk.transport.as_bytes())
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
            TrunkRefusal::NotShown => anyhow::anyhow!(
                "it is none of the numbers that may be shown on this trunk (may_show)"
            ),
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

    /// Goal: what DNS does not tell just now is still there.
    #[test]
    fn a_part_of_an_answer_takes_nothing_away() {
        let server = |addresses: &[&str]| Located {
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            ..Located::at(Hop::udp(SocketAddr::from(([192, 0, 2, 1], 5060))))
        };
        let (four, six) = ("192.0.2.1:5060", "[2001:db8::1]:5060");
        let all = beside(vec![server(&[six])], vec![server(&[four, six])]);
        assert_eq!(all, [server(&[six]), server(&[four])]);
        assert_eq!(beside(vec![server(&[four])], vec![server(&[four])]), [server(&[four])]);
    }

    #[test]
    fn what_the_rules_let_in_the_engine_knows() {
        for name in domain::dialer::trunk::TRANSPORTS {
            let known = Transport::named(name.as_bytes()).is_some();
            assert_eq!(known, name != "auto", "{name}");
        }
        for name in domain::dialer::trunk::CODECS {
            assert!(codec(name).is_some(), "{name}");
        }
    }
}
