//! What the operator has set for a node. Read from the configuration by `server`; plain values
//! here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use app::dialing::Company;
use domain::AccountId;
use domain::dialer::trunk::NumberFormat;
use engine::limits::SESSION_MS;
use engine::{Codec, Credentials, Hop, Located, MachineDetection, Srtp};

/// 64·T1 (RFC 3261 §17.1.1.2), for how long a peer repeats what nobody hears, milliseconds.
const UNHEARD_MS: i64 = 32_000;

/// A node's settings.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Its name among the nodes that share a database; its lease and its calls are kept under it.
    pub name: String,
    /// How many shards place calls; [`crate::shard_of`] says which one has a call.
    pub shards: usize,
    /// The routes to the telephone network, in order; `Node::set_trunks` replaces them.
    pub trunks: Vec<Trunk>,
    /// The caps of calls to registered phones.
    pub phones: Caps,
    /// The host part of our own URIs (`sip:caller@HOST`), and what makes a Call-ID ours.
    pub host: String,
    /// The port in our Via, as it is configured.
    pub sip_port: u16,
    /// Both for peers of IPv6, when others are reached by IPv4.
    pub v6: Option<(String, u16)>,
    /// How long a phone may ring, milliseconds.
    pub ring_timeout_ms: u32,
    /// Whether it is found out who answered, and what is done about machines.
    pub machine_detection: Option<Arc<MachineDetection>>,
    /// How long the node row is ours after it was renewed, milliseconds. Renewed at a third of it;
    /// at two thirds without success the node stops dialling.
    pub lease_ms: i64,
    /// How long a number is left alone after a call to it, so that the far end has seen the old
    /// call's end before the new INVITE comes, milliseconds.
    pub number_rest_ms: i64,
    /// How long a call that a killed process left behind unanswered may be up while nobody says
    /// that it is over, milliseconds: networks let a phone ring for three minutes at most (the
    /// least that a proxy has to, RFC 3261 §16.6 step 11, timer C), and who answers then hangs up
    /// when nothing acknowledges that for 64·T1 (§13.3.1.4). Its number is not called until then.
    pub unanswered_ms: i64,
    /// How often the table of waiting jobs is read even if nobody woke us, milliseconds.
    pub reread_ms: i64,
    /// How often this epoch's open attempts are compared with the calls in hand, milliseconds. What
    /// is unknown twice in a row was leased by a request that died, and goes back to the queue.
    pub reconcile_ms: i64,
    /// How long a call that may have been answered may be up while nobody says that it is over,
    /// milliseconds: for the session interval that it was placed with, after which the far end
    /// hangs up (RFC 4028 §10), and 64·T1 for its BYE; for a secure call, the time that both may
    /// talk comes on top. Until then no number of a killed process's call is called, and calls of
    /// a node that is gone are not settled without it, counted from the end of its lease.
    pub orphan_after_ms: i64,
    /// How long the stories of attempts are kept, milliseconds; `None` keeps them for ever.
    pub ladder_keep_ms: Option<i64>,
    /// The most jobs that are kept waiting in memory; the others wait in the table.
    pub waiting_max: usize,
    /// The most calls started in one step.
    pub batch_max: usize,
    /// Room for encoded clips, bytes.
    pub clip_cache_bytes: usize,
}

impl NodeConfig {
    /// Where we are reached: with another host, calls have other Call-IDs, and with another port,
    /// CANCELs match nothing.
    pub(crate) fn reached_at(&self) -> String {
        let first = format!("{}:{}", self.host, self.sip_port);
        match &self.v6 {
            Some((host, port)) => format!("{first} {host}:{port}"),
            None => first,
        }
    }

    /// The host part of our URIs for a peer.
    pub(crate) fn host_for(&self, peer: SocketAddr) -> &str {
        match &self.v6 {
            Some((host, _)) if peer.is_ipv6() => host,
            _ => &self.host,
        }
    }
}

/// A route to the telephone network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trunk {
    /// Its name in logs, metrics and records.
    pub name: String,
    /// Whether new calls may take it. Calls of a killed process are ended over it in any case.
    pub enabled: bool,
    /// What stands behind the `@` of its URIs: a domain or address, with a port if it has one.
    pub host: String,
    /// Where its INVITEs are sent: servers that stand in for each other.
    pub servers: Vec<Located>,
    /// The number shown to the callee: the user part of From.
    pub caller_id: String,
    /// The numbers of accounts that show one of their own.
    pub caller_ids: BTreeMap<AccountId, String>,
    /// The numbers that accounts and classes may show; empty: any.
    pub may_show: Vec<String>,
    /// How numbers are written towards it.
    pub number_format: NumberFormat,
    /// For a 401 or 407.
    pub credentials: Option<Credentials>,
    /// Codecs in the order of preference. Empty: the engine's own order.
    pub codecs: Vec<Codec>,
    /// Whether calls are encrypted.
    pub srtp: Srtp,
    /// Whether sound is sent to where it comes from, when that is not what was described.
    pub symmetric_rtp: bool,
    /// How much it takes.
    pub caps: Caps,
    /// Beginnings of the national numbers it takes; empty takes all.
    pub prefixes: Vec<String>,
    /// Among trunks with equally long prefixes the lowest is tried first.
    pub priority: u32,
    /// Its share of the calls among trunks of equal priority, at least 1.
    pub weight: u32,
    /// How often it is asked whether it is there, seconds; 0 for never.
    pub ping_interval_s: u32,
    /// The regional servers that it is one of.
    pub server_ids: Vec<u32>,
    /// Whether it is the sandbox carrier's: its calls reach nobody.
    pub sandbox: bool,
    /// Whose calls it takes.
    pub serves: Serves,
    /// Whose its caps are.
    pub sharing: Sharing,
}

/// Whose the caps of a trunk are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// This node's.
    Alone,
    /// Those of all nodes that live, which all use it.
    Together,
}

/// Whose calls a trunk takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// Those of real accounts.
    Earnest,
    /// Those of sandboxes.
    Sandboxes,
    /// Both: there is no other trunk.
    Everybody,
}

impl Serves {
    /// Whether it takes a call, of a sandbox or not.
    pub fn takes(self, sandbox: bool) -> bool {
        match self {
            Self::Earnest => !sandbox,
            Self::Sandboxes => sandbox,
            Self::Everybody => true,
        }
    }

    /// Whether real accounts call by it.
    pub fn earnest(self) -> bool {
        self.takes(false)
    }
}

impl Trunk {
    /// A trunk that takes every number, over UDP, without credentials and pings.
    pub fn new(name: &str, address: SocketAddr, caller_id: &str, caps: Caps) -> Self {
        Self {
            name: name.to_owned(),
            enabled: true,
            host: address.to_string(),
            servers: vec![Located::at(Hop::udp(address))],
            caller_id: caller_id.to_owned(),
            caller_ids: BTreeMap::new(),
            may_show: Vec::new(),
            number_format: NumberFormat::default(),
            credentials: None,
            codecs: Vec::new(),
            srtp: Srtp::Off,
            symmetric_rtp: false,
            caps,
            prefixes: Vec::new(),
            priority: 0,
            weight: 1,
            ping_interval_s: 0,
            server_ids: Vec::new(),
            sandbox: false,
            serves: Serves::Earnest,
            sharing: Sharing::Alone,
        }
    }
}

/// How much a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Most calls at the same time.
    pub max_channels: u32,
    /// Most calls started in a second.
    pub max_cps: u32,
}

impl Caps {
    /// The part of one of the nodes that have them together, of this trunk: some of both, or
    /// nothing. Without company that is known, it is nothing.
    pub(crate) fn part(self, trunk: &str, company: Option<&Company>) -> Self {
        let part = company.map(|Company { share, others, .. }| {
            let max_channels = share.of_channels(self.max_channels, trunk, others);
            (max_channels, share.of(self.max_cps))
        });
        let (max_channels, max_cps) = part.unwrap_or_default();
        let none = max_channels == 0 || max_cps == 0;
        if none { Self { max_channels: 0, max_cps: 0 } } else { Self { max_channels, max_cps } }
    }
}

impl Default for NodeConfig {
    /// A node without trunks, with the timing that production uses.
    fn default() -> Self {
        Self {
            name: String::from("avanak"),
            shards: 1,
            trunks: Vec::new(),
            phones: Caps { max_channels: 100, max_cps: 20 },
            host: String::from("avanak.invalid"),
            sip_port: 5060,
            v6: None,
            ring_timeout_ms: 45_000,
            machine_detection: None,
            lease_ms: 15_000,
            number_rest_ms: 1_000,
            unanswered_ms: 180_000 + UNHEARD_MS,
            reread_ms: 5_000,
            reconcile_ms: 30_000,
            orphan_after_ms: i64::from(SESSION_MS) + UNHEARD_MS,
            ladder_keep_ms: Some(90 * 24 * 60 * 60 * 1000),
            waiting_max: 50_000,
            batch_max: 500,
            clip_cache_bytes: 64 * 1024 * 1024,
        }
    }
}
