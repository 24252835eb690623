//! Where requests go (RFC 3263): from the name in an address to the servers behind it, in the
//! order in which they are to be tried.
//!
//! [`Search`] says which question DNS is to be asked next and takes the answer; [`order`] draws an
//! order for one request. It asks nobody itself and knows no cache. Answers are hostile: what is
//! beyond the limits below is not looked at.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use crate::transport::{Hop, Transport};

/// Records of one answer that are looked at.
const RECORDS_MAX: usize = 16;
/// Servers that one search finds at most.
const FOUND_MAX: usize = 32;
/// Addresses of one server that are kept.
const ADDRESSES_MAX: usize = 8;
/// Questions of one search at most: NAPTR, an SRV for each of its records, addresses.
const QUESTIONS_MAX: usize = 1 + RECORDS_MAX + FOUND_MAX;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// A name, or an IP address without brackets.
    pub host: String,
    /// The port, when the address has one: then the name is a machine's.
    pub port: Option<u16>,
    /// What is to carry requests; `None` leaves it to the other side's records. TLS stands for
    /// `sips`, too, which allows nothing else.
    pub transport: Option<Transport>,
}

/// A question for DNS. Names have no dot at their end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Which services does this domain have (RFC 3403)?
    Naptr(String),
    /// Which servers does this service have (RFC 2782)?
    Srv(String),
    /// Which addresses does this machine have: A and AAAA?
    Addresses(String),
}

/// The answer to a [`Question`]; no records are an answer, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`Question::Naptr`].
    Naptr(Vec<Naptr>),
    /// To [`Question::Srv`].
    Srv(Vec<Srv>),
    /// To [`Question::Addresses`].
    Addresses(Vec<IpAddr>),
}

/// A NAPTR record, as far as it matters (RFC 3403 §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naptr {
    /// The lowest first.
    pub order: u16,
    /// Among equal orders the lowest first.
    pub preference: u16,
    /// `s` when the replacement is a name with SRV records.
    pub flags: String,
    /// Like `SIP+D2U`.
    pub service: String,
    /// Where to ask next.
    pub replacement: String,
}

/// An SRV record (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    /// The lowest first.
    pub priority: u16,
    /// Its share among equal priorities.
    pub weight: u16,
    /// The server's port.
    pub port: u16,
    /// The server's machine; empty when the service is decidedly not there.
    pub target: String,
}

/// A server that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// What carries requests to it.
    pub transport: Transport,
    /// Its addresses, to be tried one after another from any of them on.
    pub addresses: Vec<SocketAddr>,
    /// The lowest first.
    pub rank: u32,
    /// Its share among equal ranks.
    pub weight: u16,
}

impl Located {
    /// A server with one address.
    pub fn at(hop: Hop) -> Self {
        Self { transport: hop.transport, addresses: vec![hop.address], rank: 0, weight: 0 }
    }

    /// Its addresses with what carries requests there.
    pub fn hops(&self) -> impl Iterator<Item = Hop> + Clone + '_ {
        self.addresses.iter().map(|&address| Hop { transport: self.transport, address })
    }
}

/// A service of NAPTR records and the name before the domain where it has none (§4.1).
struct Service {
    naptr: &'static str,
    prefix: &'static str,
    transport: Transport,
}

/// What we can use, the preferred first where the other side has no preference.
const SERVICES: [Service; 3] = [
    Service { naptr: "SIP+D2U", prefix: "_sip._udp.", transport: Transport::Udp },
    Service { naptr: "SIP+D2T", prefix: "_sip._tcp.", transport: Transport::Tcp },
    Service { naptr: "SIPS+D2T", prefix: "_sips._tcp.", transport: Transport::Tls },
];

/// What an open question is asked for.
#[derive(Debug, Clone, Copy)]
struct Purpose {
    transport: Transport,
    port: u16,
    rank: u32,
    weight: u16,
}

/// A search under way.
#[derive(Debug)]
pub struct Search {
    wanted: Wanted,
    open: VecDeque<(Question, Purpose)>,
    asked: usize,
    found: Vec<Located>,
    /// An SRV record was seen, and be it one that says no: there is nothing to fall back to.
    has_records: bool,
    /// The name's own addresses were asked for.
    fell_back: bool,
}

impl Search {
    /// Begins a search.
    pub fn new(wanted: Wanted) -> Self {
        let transport = wanted.transport.unwrap_or_default();
        let port = wanted.port.unwrap_or(transport.default_port());
        let purpose = Purpose { transport, port, rank: 0, weight: 0 };
        let mut search = Self {
            wanted,
            open: VecDeque::new(),
            asked: 0,
            found: Vec::new(),
            has_records: false,
            fell_back: false,
        };
        let host = search.wanted.host.trim_end_matches('.').to_owned();
        if let Ok(ip) = host.parse::<IpAddr>() {
            // §4.2: an IP address is where it goes.
            search.fell_back = true;
            search.found.push(Located::at(Hop { transport, address: SocketAddr::new(ip, port) }));
        } else if search.wanted.port.is_some() {
            search.fell_back = true;
            search.ask(Question::Addresses(host), purpose);
        } else if let Some(service) =
            SERVICES.iter().find(|s| Some(s.transport) == search.wanted.transport)
        {
            search.ask(Question::Srv(format!("{}{host}", service.prefix)), purpose);
        } else {
            search.ask(Question::Naptr(host), purpose);
        }
        search
    }

    /// What to ask next; `None` when the search is over.
    pub fn question(&self) -> Option<&Question> {
        self.open.front().map(|(question, _)| question)
    }

    /// Takes the answer to [`Self::question`].
    pub fn answer(&mut self, answer: Answer) {
        let Some((question, purpose)) = self.open.pop_front() else { return };
        match answer {
            Answer::Naptr(records) => self.take_naptr(records),
            Answer::Srv(records) => self.take_srv(records, purpose),
            Answer::Addresses(mut addresses) => {
                addresses.truncate(ADDRESSES_MAX);
                let port = purpose.port;
                let addresses: Vec<SocketAddr> =
                    addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
                let Purpose { transport, rank, weight, .. } = purpose;
                if !addresses.is_empty() && self.found.len() < FOUND_MAX {
                    self.found.push(Located { transport, addresses, rank, weight });
                }
            }
        }
        if matches!(question, Question::Addresses(_)) || !self.open.is_empty() {
            return;
        }
        // §4.2: without records of services, the name is a machine's.
        if !self.has_records && !std::mem::replace(&mut self.fell_back, true) {
            let transport = self.wanted.transport.unwrap_or_default();
            let port = transport.default_port();
            let host = self.wanted.host.trim_end_matches('.').to_owned();
            let purpose = Purpose { transport, port, rank: 0, weight: 0 };
            self.ask(Question::Addresses(host), purpose);
        }
    }

    /// The servers that were found, the lowest rank first. Empty: there is none.
    pub fn found(mut self) -> Vec<Located> {
        self.found.sort_by_key(|server| server.rank);
        self.found
    }

    fn ask(&mut self, question: Question, purpose: Purpose) {
        if self.asked < QUESTIONS_MAX {
            self.asked += 1;
            self.open.push_back((question, purpose));
        }
    }

    /// §4.1: the services that we know, as the other side prefers them.
    fn take_naptr(&mut self, mut records: Vec<Naptr>) {
        records.retain(|record| record.flags.eq_ignore_ascii_case("s"));
        records.sort_by_key(|record| (record.order, record.preference));
        records.truncate(RECORDS_MAX);
        let known = records.iter().filter_map(|record| {
            let same = |s: &&Service| record.service.eq_ignore_ascii_case(s.naptr);
            Some((record.replacement.clone(), SERVICES.iter().find(same)?))
        });
        let mut names: Vec<(String, &Service)> = known.collect();
        if names.is_empty() {
            let host = self.wanted.host.trim_end_matches('.');
            names = SERVICES.iter().map(|s| (format!("{}{host}", s.prefix), s)).collect();
        }
        for (rank, (name, service)) in (0_u32..).zip(names) {
            let transport = service.transport;
            // SRV priorities have 16 bits: they count within the service.
            let rank = rank << 16;
            let purpose = Purpose { transport, port: transport.default_port(), rank, weight: 0 };
            self.ask(Question::Srv(name), purpose);
        }
    }

    fn take_srv(&mut self, mut records: Vec<Srv>, purpose: Purpose) {
        records.sort_by_key(|record| record.priority);
        records.truncate(RECORDS_MAX);
        self.has_records |= !records.is_empty();
        for record in records.into_iter().filter(|record| !record.target.is_empty()) {
            let Srv { priority, weight, port, target } = record;
            let rank = purpose.rank | u32::from(priority);
            self.ask(Question::Addresses(target), Purpose { port, rank, weight, ..purpose });
        }
    }
}

/// The order in which one request tries these servers: by rank, and among equal ranks by chance,
/// with the chances that the weights say (RFC 2782). `draw` gives a number from 0 to the one it
/// is given, which included.
pub fn order(servers: &[Located], mut draw: impl FnMut(u32) -> u32) -> Vec<Hop> {
    let mut left: Vec<&Located> = servers.iter().collect();
    // Those without weight stand first, so that they have a small chance at all.
    left.sort_by_key(|server| (server.rank, server.weight > 0));
    let mut hops: Vec<Hop> = Vec::new();
    while let Some(first) = left.first() {
        let equal = left.iter().take_while(|server| server.rank == first.rank).count();
        let sum: u32 = left[..equal].iter().map(|server| u32::from(server.weight)).sum();
        let drawn = if equal > 1 { draw(sum) } else { 0 };
        let mut passed = 0;
        let chosen = left[..equal].iter().position(|server| {
            passed += u32::from(server.weight);
            passed >= drawn
        });
        let server = left.remove(chosen.unwrap_or(0));
        let last = u32::try_from(server.addresses.len().saturating_sub(1)).unwrap_or_default();
        let start = if last > 0 { usize::try_from(draw(last)).unwrap_or_default() } else { 0 };
        for hop in server.hops().cycle().skip(start).take(server.addresses.len()) {
            if !hops.contains(&hop) {
                hops.push(hop);
            }
        }
    }
    hops
}
