//! Configuration: one TOML file, overridden by the environment, overridden by the command line.
//!
//! Every key has its default and its explanation here; `config.example.toml` and
//! `docs/CONFIG.md` are made from it. Unknown keys are refused.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use domain::Network;
use domain::calendar::calling_window::CallingWindow;
use domain::secure_call::TALK_MS_MAX;
use figment::Figment;
use figment::providers::{Env, Format as _, Serialized, Toml};
use serde::{Deserialize, Serialize};

/// A secret of the configuration: it never shows in logs or messages.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// One key as the generated documents show it.
pub struct Key {
    /// Its name inside the section.
    pub name: &'static str,
    /// What it means, with units.
    pub doc: &'static [&'static str],
}

/// Defines a section: the struct, its defaults and its documentation from one text.
macro_rules! section {
    ($(#[doc = $section_doc:literal])* $section:ident {
        $($(#[doc = $doc:literal])* $name:ident : $type:ty = $default:expr,)*
    }) => {
        $(#[doc = $section_doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $section { $($(#[doc = $doc])* pub $name: $type,)* }

        impl Default for $section {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl $section {
            /// What the section is for.
            pub const DOC: &'static [&'static str] = &[$($section_doc),*];
            /// Its keys in order.
            pub const KEYS: &'static [Key] =
                &[$(Key { name: stringify!($name), doc: &[$($doc),*] }),*];
        }
    };
}

mod addresses;
mod channel;
mod codes;
mod database;
mod identity;
mod measurement;
mod payment;
mod sms;
mod speech;
mod support;
mod trunk;

pub use addresses::{ListenV6, PublicAddress, Side};
pub use channel::{Announcements, Channel, ChannelAudience, ChannelKind, MailSecurity};
pub use codes::Codes;
pub use database::Database;
pub use identity::Identity;
pub use measurement::{Measurement, Probe};
pub use payment::Payment;
pub use sms::{Sms, SmsService};
pub use speech::{Speech, SpeechEngine, SpeechHttp, SpeechMethod};
pub use support::Support;
pub use trunk::{Srtp, Transport, Trunk, TrunkCodec};

section! {
    /// This running process.
    Node {
        /// Its name among the nodes that share a database.
        name: String = String::from("avanak"),
        /// Where the database file, the audio and the flight recorder live.
        data_dir: PathBuf = PathBuf::from("var"),
        /// Where the audio lives. Empty: `audio` in the data directory. Nodes that share a database
        /// share it, too: name a directory that all of them see.
        audio_dir: PathBuf = PathBuf::new(),
        /// How long live calls may go on after a stop was asked for, in seconds.
        /// What is left then is ended by the next start.
        drain_seconds: u64 = 60,
    }
}

section! {
    /// The web services.
    Http {
        /// Address and port to listen on; port 0 takes a free one.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8080)),
        /// Largest request body, in bytes. Base64 makes audio a third larger.
        body_limit_bytes: usize = 32 * 1024 * 1024,
        /// Whether the web services answer at all; when false every call gets code -300.
        enabled: bool = true,
        /// Reverse proxies, as addresses or ranges (`10.0.0.0/8`), whose `X-Forwarded-For` and
        /// `X-Forwarded-Proto` are believed. We speak plain HTTP: that a client came by HTTPS is
        /// known from a proxy that stands here.
        trusted_proxies: Vec<String> = Vec::new(),
        /// Requests a second from one address (or one /64 of IPv6); more get HTTP 429 with
        /// `Retry-After`. 0 for no limit.
        requests_per_address: u32 = 4_000,
        /// Requests a second of one token, or of one user name. 0 for no limit.
        requests_per_caller: u32 = 2_000,
        /// Wrong tokens and passwords a minute from one address, before HTTP 429. 0 for no limit.
        wrong_per_minute: u32 = 60,
    }
}

section! {
    /// Audio that customers upload.
    Audio {
        /// Largest audio file, in bytes; a larger one gets code -10. Its request is a third larger
        /// and must fit into `http.body_limit_bytes`, too.
        upload_limit_bytes: usize = 20 * 1024 * 1024,
        /// How long decoding one file may take, in milliseconds, before code -30.
        decode_limit_ms: u32 = 20_000,
    }
}

section! {
    /// Signalling and media of calls.
    Sip {
        /// Address and UDP port for SIP; port 0 takes a free one. Audio uses the same address.
        /// This machine only, until you set it; trunks elsewhere need `0.0.0.0:5060`, all
        /// addresses of the machine, or one of them. `[::]:5060` is IPv6 alone.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 5060)),
        /// The same for IPv6, beside `listen` for IPv4: `[::]:5060` or one of the machine's
        /// addresses. Empty: one family, that of `listen`.
        listen_v6: ListenV6 = ListenV6::default(),
        /// Whether SIP over TCP is taken, too, at the same address and port.
        tcp: bool = true,
        /// Port for SIP over TLS, at the same address; 0 takes none.
        tls_port: u16 = 0,
        /// Our certificate and those that vouch for it (PEM). Read again at SIGHUP.
        tls_certificate: PathBuf = PathBuf::from("sip-certificate.pem"),
        /// The private key of our certificate (PEM).
        tls_key: PathBuf = PathBuf::from("sip-key.pem"),
        /// The authorities that vouch for trunks (PEM).
        tls_authorities: PathBuf = PathBuf::from("/etc/ssl/certs/ca-certificates.crt"),
        /// The name servers that are asked where trunks are, as `ADDRESS:PORT`. Empty: those of
        /// this machine.
        name_servers: Vec<SocketAddr> = Vec::new(),
        /// The IP address at which trunks and phones reach us, when it is not one of this machine:
        /// the outer address of a NAT. Empty: the one of `listen`, or the one from which the
        /// machine reaches its trunks.
        public_address: PublicAddress = PublicAddress::default(),
        /// The same for `listen_v6`.
        public_address_v6: PublicAddress = PublicAddress::default(),
        /// How many threads carry calls, each with its share of the calls and of the ports for
        /// audio. 0 for one on each core of the machine, up to 16. To peers they are one: all
        /// signalling uses the port of `listen`.
        shards: u16 = 0,
        /// First UDP port for audio; `media_ports` ports from here on. 0 takes free ones.
        media_port_first: u16 = 0,
        /// How many UDP ports share the calls; at least one for each shard, best 20.
        media_ports: u16 = 20,
        /// Whether the sound of callees is thrown away unread while no call on its port listens
        /// (to record, to tell machines from people, to follow a phone). Keys and reports still
        /// come; how much of that sound was lost is then not known. Spares up to a third of a
        /// call's CPU.
        ignore_sound: bool = false,
        /// Whether the threads that carry calls run before everything else on the machine
        /// (`SCHED_FIFO`), so that sound stays even whatever else runs there. It takes
        /// `CAP_SYS_NICE`, or `LimitRTPRIO=1` in a unit of systemd; refused, it is logged and calls
        /// go on. Leave a core to the rest: fewer `shards` than cores.
        realtime: bool = false,
        /// How phones prove their password: `md5`, `sha256`, or `both`. Old phones give up when
        /// they are offered SHA-256, even beside MD5; our passwords are 96 random bits.
        phone_digests: PhoneDigests = PhoneDigests::Md5,
        /// Most calls at the same time on this node, in equal parts on its shards.
        max_calls: usize = 4000,
    }
}

section! {
    /// What is dialled, when and for how long.
    Calls {
        /// Whether quick sends are taken; when false they get code -25.
        quick_sends: bool = true,
        /// How long two people may talk in a secure call (MakeSecureCall), in minutes, up to 120;
        /// 0 switches these calls off: they get code 0.
        secure_call_minutes: u32 = 30,
        /// Hours of the day in which calls may be placed, Tehran time. Service messages to the
        /// public belong between 07:00 and 23:00.
        window: String = String::from("00:00-24:00"),
        /// How long a phone may ring before we give up, in milliseconds.
        ring_timeout_ms: u32 = 45_000,
        /// Sends of spoken text to one number from one account within `repeat_window_s` before
        /// code -11; 0 for no limit.
        repeat_limit: u32 = 0,
        /// The window of `repeat_limit`, in seconds.
        repeat_window_s: u32 = 60,
        /// How long the story of each attempt is kept, which `avanak quick-send show` tells, in
        /// days; 0 keeps it for ever. What the call came to and cost is always kept.
        ladder_days: u32 = 90,
    }
}

section! {
    /// Finding out whether a person or a machine answered. It runs while the message plays and
    /// delays nothing. Lengths are in milliseconds.
    Detection {
        /// What is done about machines: `off` (nobody listens), `report`, `hang_up` (status 25), or
        /// `leave_message` (the message begins anew after the beep).
        machines: Machines = Machines::Off,
        /// Nobody speaks for so long from the answer on: not sure.
        initial_silence_ms: u32 = 2_500,
        /// A greeting longer than this is a machine's.
        greeting_ms: u32 = 1_500,
        /// Silence after a greeting: a person waits for us.
        after_greeting_silence_ms: u32 = 800,
        /// When deciding is given up.
        total_ms: u32 = 5_000,
        /// What is shorter is no word.
        min_word_ms: u32 = 100,
        /// Silence that parts words.
        between_words_ms: u32 = 50,
        /// So many words are a machine's.
        max_words: u32 = 3,
        /// A longer word is a machine's.
        max_word_ms: u32 = 5_000,
        /// What is quieter is silence, as the mean magnitude of 16-bit samples.
        silence_level: u16 = 256,
        /// How long a beep is waited for after the message.
        beep_wait_ms: u32 = 20_000,
        /// The network's tones: what it means (`ringing`, `busy` or `congestion`), its frequency in
        /// hertz, how long it sounds, and how long it is silent. They are no beeps.
        tones: Vec<String> = ["ringing 425 1000 4000", "busy 425 500 500", "congestion 425 250 250"]
            .map(String::from)
            .to_vec(),
    }
}

section! {
    /// Customers' addresses that are called: back (SendOCV), and with events (webhooks).
    Callbacks {
        /// Whether addresses are called that are not public: those of your own network. For tests,
        /// and for customers within it.
        private_addresses: bool = false,
        /// Hosts of your own network, as addresses name them, that are called although they are
        /// not public. Events may be posted to them in the clear; to others only by https.
        private_hosts: Vec<String> = Vec::new(),
    }
}

section! {
    /// The sandbox carrier: a SIP peer on this machine with magic numbers (docs/SANDBOX.md).
    Sandbox {
        /// Where it listens; port 0 takes a free one. Loopback only.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 0)),
        /// Most calls it takes at the same time.
        max_calls: usize = 1500,
        /// Most calls we start towards it in a second.
        max_cps: u32 = 200,
        /// Whether calls to it keep the hours of their message class. They reach nobody, so that
        /// they need not.
        /// Sends of sandbox tokens keep none either way.
        keeps_hours: bool = false,
        /// Whether it runs beside trunks as well, for the calls of sandbox tokens
        /// (`avanak account token --sandbox`); without it they find no way while there are trunks.
        /// Peers must be told an address of this machine for its sound to come back.
        beside_trunks: bool = false,
        /// Whether it keeps what its phones heard, as `heard/ID.wav` in the data directory.
        record: bool = false,
    }
}

section! {
    /// Logs, on standard error.
    Log {
        /// Filter, as `info` or `info,engine=debug`.
        filter: String = String::from("info"),
        /// `text` for people, `json` for machines.
        format: LogFormat = LogFormat::Text,
    }
}

/// The most shards that are made of themselves.
const SHARDS_MAX: usize = 16;

impl Sip {
    /// How many shards there are.
    pub fn shards(&self) -> usize {
        match self.shards {
            0 => {
                // A machine that does not tell has one.
                let cores = std::thread::available_parallelism().map_or(1, usize::from);
                cores.min(SHARDS_MAX).min(self.media_ports.into())
            }
            set => set.into(),
        }
    }
}

/// How phones prove their password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhoneDigests {
    /// MD5 alone, which every phone knows.
    Md5,
    /// SHA-256 alone (RFC 8760).
    Sha256,
    /// Both, SHA-256 first.
    Both,
}

impl PhoneDigests {
    /// The algorithms to offer, the preferred first.
    pub fn algorithms(self) -> Vec<engine::Algorithm> {
        match self {
            Self::Md5 => vec![engine::Algorithm::Md5],
            Self::Sha256 => vec![engine::Algorithm::Sha256],
            Self::Both => vec![engine::Algorithm::Sha256, engine::Algorithm::Md5],
        }
    }
}

/// What is done about answering machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Machines {
    /// Nobody listens.
    Off,
    /// It is reported.
    Report,
    /// We hang up.
    HangUp,
    /// The message begins anew after the beep.
    LeaveMessage,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// The whole configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// This process.
    pub node: Node,
    /// Where state is kept.
    pub database: Database,
    /// The web services.
    pub http: Http,
    /// Audio that customers upload.
    pub audio: Audio,
    /// Signalling and media.
    pub sip: Sip,
    /// What is dialled.
    pub calls: Calls,
    /// Who answered.
    pub detection: Detection,
    /// Speech from text.
    pub speech: Speech,
    /// A speech service.
    pub speech_http: SpeechHttp,
    /// SMS.
    pub sms: Sms,
    /// Customers' addresses.
    pub callbacks: Callbacks,
    /// One-time codes.
    pub codes: Codes,
    /// How the service is measured.
    pub measurement: Measurement,
    /// A vantage point of its own.
    pub probe: Probe,
    /// The sandbox carrier.
    pub sandbox: Sandbox,
    /// Logs.
    pub log: Log,
    /// Who customers are.
    pub identity: Identity,
    /// How customers reach people.
    pub support: Support,
    /// How customers pay.
    pub payment: Payment,
    /// What everybody is told.
    pub announcements: Announcements,
    /// Where that is told.
    pub channel: Vec<Channel>,
    /// Routes, in order.
    pub trunk: Vec<Trunk>,
}

/// What the command line may override.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Overrides {
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Directory of database, audio and flight recorder.
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// Database: sqlite:PATH or postgres://…
    #[arg(long, value_name = "URL", global = true)]
    pub database: Option<String>,
}

/// Reads addresses and ranges; `None` when one of them is neither.
pub fn networks(list: &[String]) -> Option<Vec<Network>> {
    list.iter().map(|text| Network::parse(text)).collect()
}

/// The prefix of environment variables; `AVANAK_HTTP__LISTEN` is `listen` of `[http]`, and
/// `AVANAK_TRUNK` is all trunks.
const ENV_PREFIX: &str = "AVANAK_";

/// Refuses a section followed by one underscore: it would be read by nobody. Other names with our
/// prefix are of other programs.
fn refuse_slips(env: &Env) -> Result<()> {
    let sections = toml::Value::try_from(Config::default()).expect("the defaults are plain values");
    for (key, _) in env.iter().filter(|(key, _)| !key.as_str().contains("__")) {
        let Some((section, name)) = key.as_str().split_once('_') else { continue };
        if sections.get(section).is_some() {
            let key = key.as_str().to_uppercase();
            let meant = format!("{section}__{name}").to_uppercase();
            bail!("{ENV_PREFIX}{key} is not known: did you mean {ENV_PREFIX}{meant}?");
        }
    }
    Ok(())
}

impl Config {
    /// Reads file, environment and command line, in rising order of weight.
    ///
    /// # Errors
    /// An unreadable file, an unknown key, a value of the wrong kind, or values that make no
    /// sense together; the message names the key.
    pub fn load(overrides: &Overrides) -> Result<Self> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(file) = &overrides.config {
            if !file.is_file() {
                bail!("there is no configuration file {}", file.display());
            }
            figment = figment.merge(Toml::file_exact(file));
        }
        refuse_slips(&Env::prefixed(ENV_PREFIX))?;
        // Only names with a section are ours: other programs use the prefix for their own ends.
        let env = Env::prefixed(ENV_PREFIX)
            .filter(|key| key.as_str().contains("__") || key == "trunk" || key == "channel")
            .split("__");
        let mut config: Self =
            figment.merge(env).extract().map_err(Box::new).context("reading the configuration")?;
        if let Some(dir) = &overrides.data_dir {
            config.node.data_dir.clone_from(dir);
        }
        if let Some(url) = &overrides.database {
            config.database.url = Secret(url.clone());
        }
        config.check()?;
        Ok(config)
    }

    /// The database URL, with the default in the data directory.
    pub fn database_url(&self) -> String {
        if self.database.url.0.is_empty() {
            format!("sqlite:{}", self.node.data_dir.join("avanak.db").display())
        } else {
            self.database.url.0.clone()
        }
    }

    /// The window in which calls may be placed.
    pub fn window(&self) -> Option<CallingWindow> {
        CallingWindow::parse(&self.calls.window)
    }

    /// The proxies that are believed; `None` when one is no address or range.
    pub fn trusted_proxies(&self) -> Option<Vec<Network>> {
        networks(&self.http.trusted_proxies)
    }

    /// The file with the last entry of the chain of evidence that this node saw.
    pub fn chain_head(&self) -> PathBuf {
        self.named_or(&self.database.chain_head, "chain-head")
    }

    /// Where the audio lives.
    pub fn audio_dir(&self) -> PathBuf {
        self.named_or(&self.node.audio_dir, "audio")
    }

    fn named_or(&self, named: &Path, usual: &str) -> PathBuf {
        let is_named = !named.as_os_str().is_empty();
        if is_named { named.to_owned() } else { self.node.data_dir.join(usual) }
    }

    /// Where the sandbox keeps what its phones heard.
    pub fn heard_dir(&self) -> PathBuf {
        self.node.data_dir.join("heard")
    }

    /// The trunks of the configuration.
    ///
    /// # Errors
    /// None, once the configuration was loaded: that is where they are checked.
    pub fn trunks(&self) -> Result<Vec<domain::Trunk>> {
        self.trunk.iter().map(Trunk::described).collect()
    }

    /// How long two people may talk, milliseconds.
    pub fn secure_call_ms(&self) -> u32 {
        self.calls.secure_call_minutes.saturating_mul(60_000)
    }

    fn check(&self) -> Result<()> {
        if self.window().is_none() {
            bail!("calls.window: '{}' is not like 07:00-23:00", self.calls.window);
        }
        if self.secure_call_ms() > TALK_MS_MAX {
            bail!("calls.secure_call_minutes: at most {}", TALK_MS_MAX / 60_000);
        }
        if self.trusted_proxies().is_none() {
            bail!("http.trusted_proxies: addresses or ranges like 10.0.0.1 or 10.0.0.0/8");
        }
        if self.codes.number_limit == 0 || self.codes.prefix_limit == 0 {
            bail!("codes.number_limit and codes.prefix_limit: at least 1");
        }
        self.measurement.check()?;
        if !self.sandbox.listen.ip().is_loopback() {
            bail!("sandbox.listen: the sandbox carrier answers to anyone; keep it on loopback");
        }
        self.sip.check_families()?;
        if self.sip.media_ports == 0 || self.sip.media_ports > 200 {
            bail!("sip.media_ports: between 1 and 200");
        }
        if self.sip.shards > self.sip.media_ports {
            bail!("sip.shards: each needs a port of sip.media_ports");
        }
        if self.sip.media_port_first.checked_add(self.sip.media_ports).is_none() {
            bail!("sip.media_port_first: too high for {} ports", self.sip.media_ports);
        }
        self.detection.engine()?;
        self.speech_http.check()?;
        channel::check(&self.channel)?;
        self.identity.check()?;
        self.payment.check()?;
        self.support.check()?;
        self.sms.check()?;
        trunk::check(&self.trunk)
    }
}
