//! A trunk as the operator describes it: what makes a description usable, and how numbers are
//! written towards the carrier. It knows no address of a machine and resolves nothing.

use crate::{Network, PhoneNumber};

/// Longest name, in bytes.
pub const NAME_MAX: usize = 60;
/// Longest of the other texts, in bytes.
const TEXT_MAX: usize = 255;
/// The most prefixes of one trunk.
const PREFIXES_MAX: usize = 500;
/// Longest prefix: a whole national number.
const PREFIX_MAX: usize = 11;
/// The most networks that one trunk calls from.
const NETWORKS_MAX: usize = 100;
/// How often a trunk is pinged when nothing else is said, seconds.
pub const PING_INTERVAL_S: u32 = 30;
/// How often a trunk may be pinged at most and at least, seconds.
const PING_INTERVALS_S: std::ops::RangeInclusive<u32> = 5..=3_600;
/// The most numbers that a trunk lets be shown in place of its own.
const SHOWN_MAX: usize = 500;
/// The most regional servers that one trunk is of.
const SERVERS_MAX: usize = 50;
/// The highest number of a regional server.
const SERVER_MAX: u32 = 9_999;
/// Codecs that calls can be offered with.
pub const CODECS: [&str; 3] = ["pcma", "pcmu", "g722"];
/// What carries SIP to a trunk; `auto` leaves it to the carrier's DNS (RFC 3263).
pub const TRANSPORTS: [&str; 4] = ["udp", "tcp", "tls", "auto"];
/// For how long we may register at a time, seconds.
const REGISTER_EXPIRES_S: std::ops::RangeInclusive<u32> = 60..=86_400;
/// For how long we register when nothing else is said, seconds.
pub const REGISTER_EXPIRES_DEFAULT_S: u32 = 3_600;
/// What stands for the whole national number (`09121234567`) in a number format.
const NATIONAL: &str = "{national}";
/// What stands for the national number without its 0 (`9121234567`) in a number format.
const SUBSCRIBER: &str = "{subscriber}";

/// Whether calls on a trunk are encrypted (SRTP with keys in the description, RFC 4568).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Srtp {
    /// They are not.
    #[default]
    Off,
    /// If the carrier wants it, too.
    Optional,
    /// Always; a carrier that does not gets no call.
    Required,
    /// Always, and even where the keys travel in the open.
    Forced,
}

impl Srtp {
    /// All of them with their names.
    const NAMED: [(Self, &str); 4] = [
        (Self::Off, "off"),
        (Self::Optional, "optional"),
        (Self::Required, "required"),
        (Self::Forced, "forced"),
    ];

    /// Reads `off`, `optional`, `required` or `forced`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::NAMED.into_iter().find(|(_, name)| *name == text).map(|(srtp, _)| srtp)
    }
}

impl std::fmt::Display for Srtp {
    /// What [`Self::parse`] reads.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = Self::NAMED.into_iter().find(|(srtp, _)| srtp == self);
        f.write_str(named.map_or("off", |(_, name)| name))
    }
}

/// A secret: it never shows in logs or messages.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Password(pub String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// That we register with a trunk, which takes calls of ours only then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// The domain that we register in; empty when it is the host of the trunk's address.
    pub registrar: String,
    /// For how long at a time, seconds.
    pub expires_s: u32,
}

/// A route to the telephone network, as the operator describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trunk {
    /// Its name in logs, metrics and records.
    pub name: String,
    /// The carrier's SIP server: a domain (whose records say where its servers are), or
    /// `HOST:PORT`.
    pub address: String,
    /// What carries SIP: one of [`TRANSPORTS`].
    pub transport: String,
    /// User name for digest authentication; empty when the carrier knows us by address.
    pub username: String,
    /// Password for digest authentication. Kept as it is, since a digest is made from it.
    pub password: Password,
    /// Whether and how we register with it.
    pub register: Option<Register>,
    /// Networks that it calls us from, beside its servers' own addresses.
    pub accept_from: Vec<Network>,
    /// The number shown to the callee.
    pub caller_id: String,
    /// The numbers that accounts and classes may show in its place; empty: any that the operator
    /// gives them.
    pub may_show: Vec<String>,
    /// How numbers are written towards it.
    pub number_format: NumberFormat,
    /// Of [`CODECS`] in the order of the offer; empty leaves it to us.
    pub codecs: Vec<String>,
    /// Whether calls are encrypted.
    pub srtp: Srtp,
    /// Whether sound is sent to where it comes from, when that is not what was described.
    pub symmetric_rtp: bool,
    /// Beginnings of the national numbers it takes; empty takes all.
    pub prefixes: Vec<String>,
    /// Most calls at the same time.
    pub max_channels: u32,
    /// Most calls started in a second.
    pub max_cps: u32,
    /// Among trunks with equally long prefixes the lowest is tried first.
    pub priority: u32,
    /// Its share of the calls among trunks of equal priority.
    pub weight: u32,
    /// How often it is asked whether it is there, seconds; 0 for never.
    pub ping_interval_s: u32,
    /// The regional servers (ServerID of the web services) that it is one of. A client that asks
    /// for one of them gets this trunk only; who asks for none may get it, too.
    pub server_ids: Vec<u32>,
}

impl Default for Trunk {
    /// What holds when the operator says nothing else. Name and address have no default.
    fn default() -> Self {
        Self {
            name: String::new(),
            address: String::new(),
            transport: String::from("udp"),
            username: String::new(),
            password: Password::default(),
            register: None,
            accept_from: Vec::new(),
            caller_id: String::from("avanak"),
            may_show: Vec::new(),
            number_format: NumberFormat::default(),
            codecs: Vec::new(),
            srtp: Srtp::Off,
            symmetric_rtp: false,
            prefixes: Vec::new(),
            max_channels: 30,
            max_cps: 10,
            priority: 0,
            weight: 1,
            ping_interval_s: PING_INTERVAL_S,
            server_ids: Vec::new(),
        }
    }
}

/// What is wrong with a description; each names a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrunkFault {
    /// The name is empty, too long, or not of plain characters.
    Name,
    /// There is no address, or one that cannot be.
    Address,
    /// Calls cannot be carried over it.
    Transport,
    /// A user name or password that cannot be sent.
    Credentials,
    /// A registration of nobody, in no domain, or for too short or too long.
    Register,
    /// More networks than are looked through for each call, or all of the internet.
    AcceptFrom,
    /// Not a caller's number.
    CallerId,
    /// Not callers' numbers, twice the same, or too many.
    MayShow,
    /// Not a codec of ours, or twice the same.
    Codecs,
    /// Keys would travel in the open.
    Srtp,
    /// A prefix that is not of digits.
    Prefix(String),
    /// More prefixes than are looked through for each call.
    TooManyPrefixes,
    /// A trunk that takes no call is disabled, not capped at nothing.
    Caps,
    /// Outside what a share is told by.
    Weight,
    /// Too often, or too rarely to say anything.
    PingInterval,
    /// Not a number of a regional server, twice the same, or too many.
    ServerIds,
}

impl std::fmt::Display for TrunkFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name => write!(f, "name: between 1 and {NAME_MAX} letters, digits and ._-"),
            Self::Address => f.write_str(
                "address: the carrier's SIP server, like 192.0.2.10 or sip.example:5060",
            ),
            Self::Transport => f.write_str("transport: udp, tcp, tls or auto"),
            Self::Credentials => {
                write!(f, "username and password: at most {TEXT_MAX} printable characters")
            }
            Self::Register => write!(
                f,
                "register: it wants a username, a registrar that is a domain, and between {} and \
                 {} seconds",
                REGISTER_EXPIRES_S.start(),
                REGISTER_EXPIRES_S.end()
            ),
            Self::AcceptFrom => {
                write!(f, "accept_from: at most {NETWORKS_MAX} networks, and never everybody")
            }
            Self::CallerId => f.write_str("caller_id: letters, digits and +._- only"),
            Self::MayShow => {
                write!(f, "may_show: at most {SHOWN_MAX} numbers as for caller_id, each once")
            }
            Self::Codecs => f.write_str("codecs: each of pcma, pcmu and g722 at most once"),
            Self::Srtp => f.write_str(
                "srtp: without tls its keys travel in the open; 'forced' does it nevertheless",
            ),
            Self::Prefix(prefix) => {
                write!(f, "prefixes: '{prefix}' is not 1 to {PREFIX_MAX} digits")
            }
            Self::TooManyPrefixes => write!(f, "prefixes: at most {PREFIXES_MAX}"),
            Self::Caps => f.write_str("max_channels and max_cps must be at least 1"),
            Self::Weight => f.write_str("weight: between 1 and 1000"),
            Self::PingInterval => write!(
                f,
                "ping_interval_s: 0 for never, or {} to {} seconds",
                PING_INTERVALS_S.start(),
                PING_INTERVALS_S.end()
            ),
            Self::ServerIds => {
                write!(f, "server_ids: at most {SERVERS_MAX} numbers, 1 to {SERVER_MAX}, each once")
            }
        }
    }
}

impl std::error::Error for TrunkFault {}

impl Trunk {
    /// Whether calls can be placed by this description.
    ///
    /// # Errors
    /// The first field that is unusable.
    pub fn check(&self) -> Result<(), TrunkFault> {
        let plain = |text: &str, more: &[u8]| {
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
        };
        let printable = |text: &str| text.len() <= TEXT_MAX && !text.chars().any(char::is_control);
        if self.name.is_empty() || self.name.len() > NAME_MAX || !plain(&self.name, b"._-") {
            return Err(TrunkFault::Name);
        }
        let host = !self.address.is_empty() && self.address.len() <= TEXT_MAX;
        if !host || !plain(&self.address, b".:-[]") {
            return Err(TrunkFault::Address);
        }
        if !TRANSPORTS.contains(&self.transport.as_str()) {
            return Err(TrunkFault::Transport);
        }
        if !printable(&self.username) || !printable(&self.password.0) {
            return Err(TrunkFault::Credentials);
        }
        let usable = |register: &Register| {
            !self.username.is_empty()
                && register.registrar.len() <= TEXT_MAX
                && plain(&register.registrar, b".:-[]")
                && REGISTER_EXPIRES_S.contains(&register.expires_s)
        };
        if !self.register.as_ref().is_none_or(usable) {
            return Err(TrunkFault::Register);
        }
        let everybody = |network: &Network| {
            let (first, last) = network.range().into_inner();
            first.is_unspecified() && (last.is_ipv6() || first != last)
        };
        if self.accept_from.len() > NETWORKS_MAX || self.accept_from.iter().any(everybody) {
            return Err(TrunkFault::AcceptFrom);
        }
        if !is_caller_id(&self.caller_id) {
            return Err(TrunkFault::CallerId);
        }
        let usable = |(at, number): (usize, &String)| {
            is_caller_id(number) && !self.may_show[..at].contains(number)
        };
        if self.may_show.len() > SHOWN_MAX || !self.may_show.iter().enumerate().all(usable) {
            return Err(TrunkFault::MayShow);
        }
        let twice = |(at, codec)| self.codecs[..at].contains(codec);
        let known = |codec: &String| CODECS.contains(&codec.as_str());
        if !self.codecs.iter().all(known) || self.codecs.iter().enumerate().any(twice) {
            return Err(TrunkFault::Codecs);
        }
        let guarded = matches!(self.srtp, Srtp::Optional | Srtp::Required);
        if guarded && self.transport != "tls" {
            return Err(TrunkFault::Srtp);
        }
        self.check_routing()
    }

    fn check_routing(&self) -> Result<(), TrunkFault> {
        if self.prefixes.len() > PREFIXES_MAX {
            return Err(TrunkFault::TooManyPrefixes);
        }
        let digits = |prefix: &&String| {
            !prefix.is_empty()
                && prefix.len() <= PREFIX_MAX
                && prefix.bytes().all(|byte| byte.is_ascii_digit())
        };
        if let Some(prefix) = self.prefixes.iter().find(|prefix| !digits(prefix)) {
            return Err(TrunkFault::Prefix(prefix.clone()));
        }
        if self.max_channels == 0 || self.max_cps == 0 {
            return Err(TrunkFault::Caps);
        }
        if !(1..=1000).contains(&self.weight) {
            return Err(TrunkFault::Weight);
        }
        if self.ping_interval_s != 0 && !PING_INTERVALS_S.contains(&self.ping_interval_s) {
            return Err(TrunkFault::PingInterval);
        }
        let servers = &self.server_ids;
        let usable =
            |(at, server)| (1..=SERVER_MAX).contains(server) && !servers[..at].contains(server);
        if servers.len() > SERVERS_MAX || !servers.iter().enumerate().all(usable) {
            return Err(TrunkFault::ServerIds);
        }
        Ok(())
    }
}

/// Whether an account or class may show this number, where these may be shown.
pub fn may_show(allowed: &[String], number: &str) -> bool {
    allowed.is_empty() || allowed.iter().any(|other| other == number)
}

/// Whether a text can be the user part of From: a number, or a plain word.
pub fn is_caller_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+._-".contains(&byte);
    !text.is_empty() && text.len() <= TEXT_MAX && text.bytes().all(plain)
}

/// How a national number is written towards a carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberFormat {
    before: String,
    keeps_zero: bool,
    after: String,
}

impl Default for NumberFormat {
    /// The national form, `09121234567`.
    fn default() -> Self {
        Self { before: String::new(), keeps_zero: true, after: String::new() }
    }
}

/// The forms that have a name.
const NAMED: [(&str, &str); 4] = [
    ("national", "{national}"),
    ("e164", "+98{subscriber}"),
    ("0098", "0098{subscriber}"),
    ("98", "98{subscriber}"),
];

impl NumberFormat {
    /// Reads `national` (09…), `e164` (+989…), `0098`, `98`, or a pattern: digits and `+*#` around
    /// one `{national}` (09…) or `{subscriber}` (9…), like `77{national}`.
    pub fn parse(text: &str) -> Option<Self> {
        let named = NAMED.iter().find(|(name, _)| *name == text);
        let pattern = named.map_or(text, |(_, pattern)| pattern);
        let (keeps_zero, parts) = match pattern.split_once(NATIONAL) {
            Some(parts) => (true, parts),
            None => (false, pattern.split_once(SUBSCRIBER)?),
        };
        let dialled = |byte: u8| byte.is_ascii_digit() || b"+*#".contains(&byte);
        let (before, after) = parts;
        let short = before.len() + after.len() <= 20;
        (short && before.bytes().chain(after.bytes()).all(dialled)).then(|| Self {
            before: before.to_owned(),
            keeps_zero,
            after: after.to_owned(),
        })
    }

    /// The number as this trunk wants it. A `#` is escaped, as the user part of a URI asks for
    /// (RFC 3261 section 25.1).
    pub fn apply(&self, number: &PhoneNumber) -> String {
        let digits = if self.keeps_zero { number.national() } else { &number.national()[1..] };
        format!("{}{digits}{}", self.before, self.after).replace('#', "%23")
    }
}

impl std::fmt::Display for NumberFormat {
    /// What [`Self::parse`] reads.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let middle = if self.keeps_zero { NATIONAL } else { SUBSCRIBER };
        let pattern = format!("{}{middle}{}", self.before, self.after);
        let named = NAMED.iter().find(|(_, named)| *named == pattern);
        f.write_str(named.map_or(&pattern, |(name, _)| name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usable() -> Trunk {
        let (name, address) = (String::from("carrier"), String::from("192.0.2.10:5060"));
        Trunk { name, address, ..Trunk::default() }
    }

    fn lan() -> Network {
        Network::parse("10.0.0.0/8").unwrap()
    }

    fn hourly(registrar: &str) -> Register {
        Register { registrar: registrar.to_owned(), expires_s: 3_600 }
    }

    #[test]
    fn numbers_are_written_as_the_carrier_wants_them() {
        let number = PhoneNumber::parse("09121234567").unwrap();
        for (format, written) in [
            ("national", "09121234567"),
            ("e164", "+989121234567"),
            ("0098", "00989121234567"),
            ("98", "989121234567"),
            ("77{national}", "7709121234567"),
            ("9{subscriber}", "99121234567"),
            ("*1{subscriber}#", "*19121234567%23"),
        ] {
            let parsed = NumberFormat::parse(format).unwrap();
            assert_eq!(parsed.apply(&number), written);
            assert_eq!(parsed.to_string(), format);
        }
        for nonsense in ["", "local", "a{national}", "{national}{national}", "{number}", "0912"] {
            assert_eq!(NumberFormat::parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn each_field_is_checked_and_named() {
        assert_eq!(usable().check(), Ok(()));
        let text = String::from;
        for (wrong, named) in [
            (Trunk { name: text("a b"), ..usable() }, "name"),
            (Trunk { name: text(""), ..usable() }, "name"),
            (Trunk { address: text("sip host"), ..usable() }, "address"),
            (Trunk { transport: text("pigeon"), ..usable() }, "transport"),
            (Trunk { username: text("a\r\nb"), ..usable() }, "username"),
            (Trunk { password: Password(text("\0")), ..usable() }, "password"),
            (Trunk { caller_id: text("<sip>"), ..usable() }, "caller_id"),
            (Trunk { may_show: vec![text("021"), text("<sip>")], ..usable() }, "may_show"),
            (Trunk { may_show: vec![text("021"), text("021")], ..usable() }, "may_show"),
            (
                Trunk { may_show: (0..=SHOWN_MAX).map(|n| n.to_string()).collect(), ..usable() },
                "may_show",
            ),
            (Trunk { codecs: vec![text("pcma"), text("pcma")], ..usable() }, "codecs"),
            (Trunk { codecs: vec![text("MP3")], ..usable() }, "codecs"),
            (Trunk { register: Some(hourly("")), ..usable() }, "username"),
            (Trunk { register: Some(hourly("a b")), username: text("u"), ..usable() }, "registrar"),
            (
                Trunk { accept_from: Network::parse("::/0").into_iter().collect(), ..usable() },
                "accept",
            ),
            (Trunk { accept_from: vec![lan(); 101], ..usable() }, "accept_from"),
            (Trunk { srtp: Srtp::Required, ..usable() }, "srtp"),
            (Trunk { prefixes: vec![text("09x")], ..usable() }, "'09x'"),
            (Trunk { prefixes: vec![text("")], ..usable() }, "prefixes"),
            (Trunk { max_channels: 0, ..usable() }, "max_channels"),
            (Trunk { max_cps: 0, ..usable() }, "max_cps"),
            (Trunk { weight: 0, ..usable() }, "weight"),
            (Trunk { ping_interval_s: 4, ..usable() }, "ping_interval_s"),
            (Trunk { ping_interval_s: 3_601, ..usable() }, "ping_interval_s"),
            (Trunk { server_ids: vec![0], ..usable() }, "server_ids"),
            (Trunk { server_ids: vec![20, 20], ..usable() }, "server_ids"),
        ] {
            let fault = wrong.check().unwrap_err().to_string();
            assert!(fault.contains(named), "{fault}");
        }
    }

    /// Goal: encryption is asked for where it keeps a secret, or by somebody who says so.
    #[test]
    fn srtp_wants_a_transport_that_hides_its_keys() {
        for srtp in [Srtp::Off, Srtp::Optional, Srtp::Required, Srtp::Forced] {
            assert_eq!(Srtp::parse(&srtp.to_string()), Some(srtp));
            let over = |transport: &str| Trunk { srtp, transport: transport.into(), ..usable() };
            assert_eq!(over("tls").check(), Ok(()));
            let open = matches!(srtp, Srtp::Off | Srtp::Forced);
            assert_eq!(over("udp").check().is_ok(), open);
        }
        assert_eq!(Srtp::parse("on"), None);
    }

    #[test]
    fn a_password_never_shows() {
        let trunk = Trunk { password: Password(String::from("s3cret")), ..usable() };
        assert!(!format!("{trunk:?}").contains("s3cret"));
    }
}
