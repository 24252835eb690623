//! Asks DNS where trunks are. Which questions are to be asked, and what the answers mean, is
//! [`sip::locate`]'s affair; names of this machine's hosts file need no DNS.
//!
//! Answers are kept as long as they say, that there is none for a minute.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use domain::Trunk;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use sip::locate::{Answer, Located, Naptr, Question, Search, Srv, Wanted};

use crate::address;
use crate::clock;
use crate::config::Sip;
use crate::trunks;

/// How long a name server may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(2);
/// How often it is asked.
const TRIES: usize = 2;
/// How long all questions about one trunk may take together.
const SEARCH_TIME: Duration = Duration::from_secs(15);
/// How long it is remembered that a name has no records.
const NOTHING_TIME: Duration = Duration::from_mins(1);
/// Answers kept.
const CACHE: u64 = 1_024;
/// A trunk's servers are asked for again after so long, whatever its records say.
const LONGEST: Duration = Duration::from_hours(1);
/// And not before.
const SHORTEST: Duration = Duration::from_secs(5);

/// Who is asked.
#[derive(Clone)]
pub struct Resolver {
    dns: TokioResolver,
    /// What our sockets speak, as kinds of records; the other addresses are of no use.
    families: Vec<RecordType>,
}

/// Where a trunk is.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its servers, the lowest rank first; one at least.
    pub servers: Vec<Located>,
    /// How long that holds.
    pub valid_for: Duration,
    /// Nothing was kept from us: every name server that was asked has answered.
    pub complete: bool,
}

/// A question and what came of it, for whoever wants to know how a trunk was found.
pub struct Asked {
    /// Such as `SRV _sip._udp.example.com`.
    pub question: String,
    /// The records, or why there are none.
    pub answer: std::result::Result<Vec<String>, String>,
}

impl Resolver {
    /// A resolver as the configuration has it.
    ///
    /// # Errors
    /// The resolver cannot be set up.
    pub fn new(sip: &Sip) -> Result<Self> {
        let provider = TokioRuntimeProvider::default();
        let mut builder = if sip.name_servers.is_empty() {
            TokioResolver::builder_tokio().unwrap_or_else(|error| {
                tracing::warn!(%error, "this machine names no name servers");
                let nobody = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
                TokioResolver::builder_with_config(nobody, provider)
            })
        } else {
            let servers = sip.name_servers.iter().map(|server| name_server(*server)).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(config, provider)
        };
        let options = builder.options_mut();
        options.timeout = ANSWER_TIME;
        options.attempts = TRIES;
        options.cache_size = CACHE;
        options.negative_max_ttl = Some(NOTHING_TIME);
        let dns = builder.build().context("setting up the resolver")?;
        let record = |at: SocketAddr| if at.is_ipv4() { RecordType::A } else { RecordType::AAAA };
        Ok(Self { dns, families: sip.sides().map(|side| record(side.listen)).collect() })
    }

    /// Finds the servers of a trunk.
    ///
    /// # Errors
    /// Nobody answers, or there is no server.
    pub async fn locate(&self, trunk: &Trunk) -> Result<Found> {
        self.locate_and_tell(trunk, &mut Vec::new()).await
    }

    /// Finds the servers of a trunk, and tells what was asked.
    ///
    /// # Errors
    /// Nobody answers, or there is no server.
    pub async fn locate_and_tell(&self, trunk: &Trunk, told: &mut Vec<Asked>) -> Result<Found> {
        match tokio::time::timeout(SEARCH_TIME, self.search(trunk, told)).await {
            Ok(found) => found,
            Err(_) => bail!("DNS took too long to find {}", trunk.address),
        }
    }

    async fn search(&self, trunk: &Trunk, told: &mut Vec<Asked>) -> Result<Found> {
        let (host, port) = address::parts_of(&trunk.address)?;
        let transport = trunks::transport(trunk);
        let mut search = Search::new(Wanted { host: host.to_owned(), port, transport });
        let began_at = clock::instant();
        let mut until = began_at + LONGEST;
        let mut failure = None;
        while let Some(question) = search.question() {
            let asked = self.ask(question, &mut failure).await;
            told.push(tell(question, &asked));
            let answer = match asked {
                Ok((answer, valid_until)) => {
                    until = until.min(valid_until);
                    answer
                }
                // One machine of several that is not known leaves the others.
                Err(error) if matches!(question, Question::Addresses(_)) => {
                    failure = Some(error);
                    until = until.min(began_at + NOTHING_TIME);
                    Answer::Addresses(Vec::new())
                }
                Err(error) => return Err(error),
            };
            search.answer(answer);
        }
        let mut servers = search.found();
        for server in &mut servers {
            // Name servers turn the order of addresses with each answer; that is no change.
            server.addresses.sort_unstable();
        }
        if servers.is_empty() {
            let nothing = || anyhow!("{} has no {} address", trunk.address, self.family());
            return Err(failure.unwrap_or_else(nothing));
        }
        let valid_for = until.saturating_duration_since(clock::instant());
        let valid_for = valid_for.clamp(SHORTEST, LONGEST);
        Ok(Found { servers, valid_for, complete: failure.is_none() })
    }

    /// Why a part of the answer is missing comes out of `missed`.
    async fn ask(
        &self,
        question: &Question,
        missed: &mut Option<anyhow::Error>,
    ) -> Result<(Answer, Instant)> {
        match question {
            Question::Naptr(name) => self.ask_for(question, name, RecordType::NAPTR).await,
            Question::Srv(name) => self.ask_for(question, name, RecordType::SRV).await,
            Question::Addresses(name) => self.ask_for_addresses(question, name, missed).await,
        }
    }

    /// The addresses of every family of ours. One that cannot be asked for leaves the others.
    async fn ask_for_addresses(
        &self,
        question: &Question,
        name: &str,
        missed: &mut Option<anyhow::Error>,
    ) -> Result<(Answer, Instant)> {
        let (mut all, mut until, mut failure) = (Vec::new(), clock::instant() + LONGEST, None);
        for kind in &self.families {
            match self.ask_for(question, name, *kind).await {
                Ok((Answer::Addresses(addresses), valid_until)) => {
                    all.extend(addresses);
                    until = until.min(valid_until);
                }
                Ok(_) => {}
                Err(error) => failure = Some(error),
            }
        }
        if let Some(error) = failure {
            if all.is_empty() {
                return Err(error);
            }
            *missed = Some(error);
            until = until.min(clock::instant() + NOTHING_TIME);
        }
        Ok((Answer::Addresses(all), until))
    }

    async fn ask_for(
        &self,
        question: &Question,
        name: &str,
        kind: RecordType,
    ) -> Result<(Answer, Instant)> {
        // A name with a dot is whole; no search list is tried.
        let whole = if name.contains('.') { format!("{name}.") } else { name.to_owned() };
        match self.dns.lookup(whole, kind).await {
            Ok(found) => Ok((answer(question, &found), found.valid_until())),
            Err(error) if is_nothing(&error) => {
                Ok((nothing(question), clock::instant() + NOTHING_TIME))
            }
            Err(error) => Err(error).with_context(|| format!("asking DNS for {kind} of {name}")),
        }
    }

    fn family(&self) -> &'static str {
        match self.families[..] {
            [RecordType::A] => "IPv4",
            [RecordType::AAAA] => "IPv6",
            _ => "IPv4 or IPv6",
        }
    }
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    server.connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()]
        .map(|mut connection| {
            connection.port = address.port();
            connection
        })
        .into();
    server
}

fn is_nothing(error: &NetError) -> bool {
    error.is_no_records_found() || error.is_nx_domain()
}

fn nothing(question: &Question) -> Answer {
    match question {
        Question::Naptr(_) => Answer::Naptr(Vec::new()),
        Question::Srv(_) => Answer::Srv(Vec::new()),
        Question::Addresses(_) => Answer::Addresses(Vec::new()),
    }
}

fn answer(question: &Question, found: &Lookup) -> Answer {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let records = found.answers().iter().map(|record| &record.data);
    match question {
        Question::Naptr(_) => Answer::Naptr(
            records
                .filter_map(|data| match data {
                    // One with a pattern names no service by itself (RFC 3403 §4.1).
                    RData::NAPTR(naptr) if naptr.regexp.is_empty() => Some(Naptr {
                        order: naptr.order,
                        preference: naptr.preference,
                        flags: text(&naptr.flags),
                        service: text(&naptr.services),
                        replacement: dotless(&naptr.replacement.to_string()),
                    }),
                    _ => None,
                })
                .collect(),
        ),
        Question::Srv(_) => Answer::Srv(
            records
                .filter_map(|data| match data {
                    RData::SRV(srv) => Some(Srv {
                        priority: srv.priority,
                        weight: srv.weight,
                        port: srv.port,
                        target: dotless(&srv.target.to_string()),
                    }),
                    _ => None,
                })
                .collect(),
        ),
        Question::Addresses(_) => Answer::Addresses(
            records
                .filter_map(|data| match data {
                    RData::A(address) => Some(IpAddr::V4(address.0)),
                    RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                    _ => None,
                })
                .collect(),
        ),
    }
}

fn dotless(name: &str) -> String {
    name.trim_end_matches('.').to_owned()
}

fn tell(question: &Question, asked: &Result<(Answer, Instant)>) -> Asked {
    let question = match question {
        Question::Naptr(name) => format!("NAPTR {name}"),
        Question::Srv(name) => format!("SRV {name}"),
        Question::Addresses(name) => format!("addresses of {name}"),
    };
    let answer = match asked {
        Ok((answer, _)) => Ok(lines(answer)),
        Err(error) => Err(format!("{error:#}")),
    };
    Asked { question, answer }
}

/// The records of an answer as people write them.
fn lines(answer: &Answer) -> Vec<String> {
    match answer {
        Answer::Naptr(records) => {
            let line = |one: &Naptr| {
                let Naptr { order, preference, flags, service, replacement } = one;
                format!("{order} {preference} \"{flags}\" \"{service}\" {replacement}")
            };
            records.iter().map(line).collect()
        }
        Answer::Srv(records) => {
            let line = |one: &Srv| {
                let Srv { priority, weight, port, target } = one;
                format!("{priority} {weight} {port} {target}")
            };
            records.iter().map(line).collect()
        }
        Answer::Addresses(addresses) => addresses.iter().map(IpAddr::to_string).collect(),
    }
}
