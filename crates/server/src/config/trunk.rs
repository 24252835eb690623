//! A trunk as the configuration file describes it.

use anyhow::{Context as _, Result, bail};
use domain::dialer::trunk::{NumberFormat, Password, REGISTER_EXPIRES_DEFAULT_S, Register};
use serde::{Deserialize, Serialize};

use super::{Key, Secret};

section! {
    /// A route to the telephone network. Without any trunk, calls go to the sandbox carrier.
    /// Trunks can also be added and changed while the server runs, with `avanak trunk`; those of
    /// this file are changed here, and read at the start.
    Trunk {
        /// Its name in logs, metrics and records.
        name: String = String::new(),
        /// The carrier's SIP server: a domain, whose DNS records say where its servers are, or
        /// `HOST:PORT`. Over TLS its certificate must have this name.
        address: String = String::new(),
        /// What carries SIP: `udp`, `tcp`, `tls`, or `auto`, as the carrier's DNS says.
        transport: Transport = Transport::Udp,
        /// Whether we register with the trunk, which takes calls of ours only then.
        register: bool = false,
        /// The domain that we register in, when it is not the host of `address`.
        registrar: String = String::new(),
        /// For how long at a time we register, in seconds.
        expires_s: u32 = REGISTER_EXPIRES_DEFAULT_S,
        /// User name for digest authentication; empty when the carrier knows us by address.
        username: String = String::new(),
        /// Password for digest authentication. The database keeps it as it is, since a digest is
        /// made from it: guard both.
        password: Secret = Secret::default(),
        /// Networks that it calls us from, like `192.0.2.0/24`, beside its servers' own addresses.
        accept_from: Vec<String> = Vec::new(),
        /// The number shown to the callee.
        caller_id: String = String::from("avanak"),
        /// The numbers that the carrier lets us show in its place: accounts (`avanak trunk
        /// caller-id`) and classes (`avanak class set`) show these alone. Empty: any that they
        /// are given.
        may_show: Vec<String> = Vec::new(),
        /// How numbers are written towards it: `national` (09…), `e164` (+989…), `0098`, `98`, or
        /// a pattern around `{national}` (09…) or `{subscriber}` (9…), like `77{national}`.
        number_format: String = String::from("national"),
        /// Codecs to offer, the preferred first: `pcma`, `pcmu`, `g722`. Empty: `pcma`, `pcmu`.
        codecs: Vec<TrunkCodec> = Vec::new(),
        /// Whether calls are encrypted, with keys in the description: `off`, `optional` (if the
        /// carrier does so, too), `required`, or `forced`, which does it even without `tls`, where
        /// the keys travel in the open.
        srtp: Srtp = Srtp::Off,
        /// Whether sound is sent to where it comes from, when that is not what the carrier
        /// described.
        symmetric_rtp: bool = false,
        /// Most calls at the same time.
        max_channels: u32 = 30,
        /// Most calls started in a second.
        max_cps: u32 = 10,
        /// Beginnings of the numbers it takes, in national form; empty takes all. The longest
        /// match among all trunks wins.
        prefixes: Vec<String> = Vec::new(),
        /// Among trunks with equally long matches the lowest is tried first; the next one takes
        /// what it has no channel for or may not start yet.
        priority: u32 = 0,
        /// Its share of the calls among trunks of equal priority, 1 to 1000.
        weight: u32 = 1,
        /// How often it is asked by OPTIONS whether it is there, in seconds, 5 to 3600; 0 for
        /// never. One that misses two in a row takes no calls until it answers.
        ping_interval_s: u32 = domain::dialer::trunk::PING_INTERVAL_S,
        /// The regional servers that it is one of: the numbers that clients may give as ServerID.
        /// Such a client gets these trunks only.
        server_ids: Vec<u32> = Vec::new(),
    }
}

/// A codec as the configuration names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrunkCodec {
    /// G.711 A-law, which is what the networks outside of America and Japan use.
    Pcma,
    /// G.711 µ-law.
    Pcmu,
    /// G.722 at 64 kbit/s.
    G722,
}

impl From<TrunkCodec> for engine::Codec {
    fn from(codec: TrunkCodec) -> Self {
        match codec {
            TrunkCodec::Pcma => Self::Pcma,
            TrunkCodec::Pcmu => Self::Pcmu,
            TrunkCodec::G722 => Self::G722,
        }
    }
}

/// What carries SIP to a trunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A connection.
    Tcp,
    /// An encrypted connection.
    Tls,
    /// What the carrier's DNS says.
    Auto,
}

impl Transport {
    /// Its name in the rules.
    fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Auto => "auto",
        }
    }
}

/// Whether calls on a trunk are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Srtp {
    /// They are not.
    Off,
    /// If the carrier does so, too.
    Optional,
    /// Always.
    Required,
    /// Always, and even where the keys travel in the open.
    Forced,
}

impl From<Srtp> for domain::dialer::trunk::Srtp {
    fn from(srtp: Srtp) -> Self {
        match srtp {
            Srtp::Off => Self::Off,
            Srtp::Optional => Self::Optional,
            Srtp::Required => Self::Required,
            Srtp::Forced => Self::Forced,
        }
    }
}

/// Whether each makes sense and has a name of its own.
pub(super) fn check(trunks: &[Trunk]) -> Result<()> {
    let mut names = std::collections::BTreeSet::new();
    for trunk in trunks {
        trunk.described()?;
        if !names.insert(&trunk.name) {
            bail!("trunk.name: '{}' is there twice", trunk.name);
        }
    }
    Ok(())
}

impl Trunk {
    /// The trunk in the words of the rules.
    ///
    /// # Errors
    /// A field that makes no sense; the message names it.
    pub fn described(&self) -> Result<domain::Trunk> {
        let format = NumberFormat::parse(&self.number_format);
        let trunk = domain::Trunk {
            name: self.name.clone(),
            address: self.address.clone(),
            transport: self.transport.name().to_owned(),
            username: self.username.clone(),
            password: Password(self.password.0.clone()),
            register: self
                .register
                .then(|| Register { registrar: self.registrar.clone(), expires_s: self.expires_s }),
            accept_from: super::networks(&self.accept_from).with_context(|| {
                format!("trunk '{}': accept_from: ranges like 192.0.2.0/24", self.name)
            })?,
            caller_id: self.caller_id.clone(),
            may_show: self.may_show.clone(),
            number_format: format.with_context(|| {
                format!("trunk '{}': number_format: '{}' is none", self.name, self.number_format)
            })?,
            codecs: self
                .codecs
                .iter()
                .map(|codec| engine::Codec::from(*codec).encoding_name().to_ascii_lowercase())
                .collect(),
            srtp: self.srtp.into(),
            symmetric_rtp: self.symmetric_rtp,
            prefixes: self.prefixes.clone(),
            max_channels: self.max_channels,
            max_cps: self.max_cps,
            priority: self.priority,
            weight: self.weight,
            ping_interval_s: self.ping_interval_s,
            server_ids: self.server_ids.clone(),
        };
        trunk.check().with_context(|| format!("trunk '{}'", self.name))?;
        Ok(trunk)
    }
}
