//! RFC 3263: which questions are asked of DNS, and in which order servers are tried. The records
//! stand in a small zone, written as in a zone file.

use std::collections::BTreeMap;
use std::net::IpAddr;

use proptest::prelude::*;
use sip::locate::{Answer, Located, Naptr, Question, Search, Srv, Wanted, order};
use sip::{Hop, Transport};

/// Records by type and name.
struct Zone(Vec<[String; 3]>);

impl Zone {
    /// Lines of `name TYPE data`.
    fn new(text: &str) -> Self {
        let line = |line: &str| {
            let (name, rest) = line.trim().split_once(' ').unwrap();
            let (kind, data) = rest.trim().split_once(' ').unwrap();
            [name.to_owned(), kind.to_owned(), data.trim().to_owned()]
        };
        Self(text.lines().filter(|text| !text.trim().is_empty()).map(line).collect())
    }

    fn data(&self, name: &str, kind: &str) -> Vec<Vec<&str>> {
        let same = |line: &&[String; 3]| line[0] == name && line[1] == kind;
        self.0.iter().filter(same).map(|line| line[2].split(' ').collect()).collect()
    }

    fn answer(&self, question: &Question) -> Answer {
        let dotless = |name: &str| name.trim_end_matches('.').to_owned();
        match question {
            Question::Naptr(name) => {
                let record = |data: Vec<&str>| Naptr {
                    order: data[0].parse().unwrap(),
                    preference: data[1].parse().unwrap(),
                    flags: data[2].to_owned(),
                    service: data[3].to_owned(),
                    replacement: dotless(data[4]),
                };
                Answer::Naptr(self.data(name, "NAPTR").into_iter().map(record).collect())
            }
            Question::Srv(name) => {
                let record = |data: Vec<&str>| Srv {
                    priority: data[0].parse().unwrap(),
                    weight: data[1].parse().unwrap(),
                    port: data[2].parse().unwrap(),
                    target: dotless(data[3]),
                };
                Answer::Srv(self.data(name, "SRV").into_iter().map(record).collect())
            }
            Question::Addresses(name) => {
                let all = [self.data(name, "A"), self.data(name, "AAAA")].concat();
                Answer::Addresses(all.iter().map(|data| data[0].parse().unwrap()).collect())
            }
        }
    }
}

fn wanted(host: &str, port: Option<u16>, transport: Option<Transport>) -> Wanted {
    Wanted { host: host.to_owned(), port, transport }
}

/// The questions that were asked, and what was found.
fn search(zone: &Zone, wanted: Wanted) -> (Vec<String>, Vec<Located>) {
    let mut search = Search::new(wanted);
    let mut asked = Vec::new();
    while let Some(question) = search.question() {
        asked.push(match question {
            Question::Naptr(name) => format!("NAPTR {name}"),
            Question::Srv(name) => format!("SRV {name}"),
            Question::Addresses(name) => format!("A {name}"),
        });
        let answer = zone.answer(question);
        search.answer(answer);
    }
    (asked, search.found())
}

/// The first order that comes out when chance always draws 0.
fn tried(zone: &Zone, wanted: Wanted) -> Vec<String> {
    let (_, found) = search(zone, wanted);
    order(&found, |_| 0).iter().map(shown).collect()
}

fn shown(hop: &Hop) -> String {
    format!("{} {}", hop.transport.name(), hop.address)
}

/// The records of the example in RFC 3263 §4.1 and §4.2, with addresses.
const EXAMPLE: &str = "
    example.com NAPTR 50 50 s SIPS+D2T _sips._tcp.example.com.
    example.com NAPTR 90 50 s SIP+D2T _sip._tcp.example.com.
    example.com NAPTR 100 50 s SIP+D2U _sip._udp.example.com.
    _sip._tcp.example.com SRV 0 1 5060 server1.example.com.
    _sip._tcp.example.com SRV 0 2 5060 server2.example.com.
    _sip._udp.example.com SRV 0 1 5060 server1.example.com.
    server1.example.com A 192.0.2.1
    server2.example.com A 192.0.2.2
";

/// Goal: each way of writing an address leads where RFC 3263 §4 says.
#[test]
fn an_address_leads_to_its_servers() {
    use Transport::{Tcp, Tls, Udp};
    let services = format!("{EXAMPLE} _sips._tcp.example.com SRV 0 0 5061 server1.example.com.");
    let plain = "host.example.com A 192.0.2.9\n host.example.com AAAA 2001:db8::9";
    let no_naptr = "
        _sip._tcp.example.com SRV 0 0 5070 a.example.com.
        _sips._tcp.example.com SRV 0 0 5071 a.example.com.
        a.example.com A 192.0.2.3";
    let refused = "_sip._udp.example.com SRV 0 0 0 .\n example.com A 192.0.2.4";
    let strange = "
        example.com NAPTR 1 1 u E2U+sip nowhere.example.com.
        example.com NAPTR 2 1 s SIP+D2S _sip._sctp.example.com.
        example.com NAPTR 3 1 a SIP+D2U a.example.com.
        example.com A 192.0.2.5";
    let cases: [(&str, &str, Wanted, &[&str]); 16] = [
        ("IPv4", "", wanted("192.0.2.7", None, None), &["UDP 192.0.2.7:5060"]),
        ("IPv4, tls", "", wanted("192.0.2.7", None, Some(Tls)), &["TLS 192.0.2.7:5061"]),
        ("IPv6, port", "", wanted("2001:db8::1", Some(7), None), &["UDP [2001:db8::1]:7"]),
        (
            "the RFC's example",
            &services,
            wanted("example.com", None, None),
            &[
                "TLS 192.0.2.1:5061",
                "TCP 192.0.2.1:5060",
                "TCP 192.0.2.2:5060",
                "UDP 192.0.2.1:5060",
            ],
        ),
        (
            "a service without servers",
            EXAMPLE,
            wanted("example.com.", None, None),
            &["TCP 192.0.2.1:5060", "TCP 192.0.2.2:5060", "UDP 192.0.2.1:5060"],
        ),
        (
            "a transport skips NAPTR",
            EXAMPLE,
            wanted("example.com", None, Some(Udp)),
            &["UDP 192.0.2.1:5060"],
        ),
        ("sips", &services, wanted("example.com", None, Some(Tls)), &["TLS 192.0.2.1:5061"]),
        ("sips without servers", EXAMPLE, wanted("example.com", None, Some(Tls)), &[]),
        (
            "a port makes it a machine",
            plain,
            wanted("host.example.com", Some(5080), Some(Tcp)),
            &["TCP 192.0.2.9:5080", "TCP [2001:db8::9]:5080"],
        ),
        (
            "a machine without services",
            plain,
            wanted("host.example.com", None, None),
            &["UDP 192.0.2.9:5060", "UDP [2001:db8::9]:5060"],
        ),
        (
            "a machine, tls",
            plain,
            wanted("host.example.com", None, Some(Tls)),
            &["TLS 192.0.2.9:5061", "TLS [2001:db8::9]:5061"],
        ),
        (
            "no NAPTR: ours by turn",
            no_naptr,
            wanted("example.com", None, None),
            &["TCP 192.0.2.3:5070", "TLS 192.0.2.3:5071"],
        ),
        ("the service is not there", refused, wanted("example.com", None, Some(Udp)), &[]),
        ("others may be", refused, wanted("example.com", None, Some(Tcp)), &["TCP 192.0.2.4:5060"]),
        (
            "services we do not know",
            strange,
            wanted("example.com", None, None),
            &["UDP 192.0.2.5:5060"],
        ),
        ("nothing", "", wanted("example.com", None, None), &[]),
    ];
    for (case, zone, wanted, expected) in cases {
        assert_eq!(tried(&Zone::new(zone), wanted), expected, "{case}");
    }
}

/// Goal: nothing is asked that is not needed, and in the order of §4.
#[test]
fn only_what_is_needed_is_asked() {
    let zone = Zone::new(EXAMPLE);
    let asked = |wanted| search(&zone, wanted).0;
    assert_eq!(asked(wanted("192.0.2.1", None, None)), [""; 0]);
    assert_eq!(asked(wanted("server1.example.com", Some(5060), None)), ["A server1.example.com"]);
    assert_eq!(
        asked(wanted("example.com", None, Some(Transport::Udp))),
        ["SRV _sip._udp.example.com", "A server1.example.com"]
    );
    assert_eq!(
        asked(wanted("example.com", None, None))[..4],
        [
            "NAPTR example.com",
            "SRV _sips._tcp.example.com",
            "SRV _sip._tcp.example.com",
            "SRV _sip._udp.example.com"
        ]
    );
}

/// Goal: lower priorities come first whatever their weights, and chance follows the weights.
#[test]
fn chance_follows_the_weights() {
    let zone = Zone::new(
        "_sip._udp.x SRV 1 1 1 a\n _sip._udp.x SRV 1 3 2 a\n _sip._udp.x SRV 0 0 3 a
         _sip._udp.x SRV 0 0 4 a\n a A 192.0.2.1",
    );
    let (_, found) = search(&zone, wanted("x", None, Some(Transport::Udp)));
    let mut firsts = BTreeMap::new();
    // Each number that can be drawn, once: 0 to 4 over weights 1 and 3.
    for drawn in 0..=4 {
        let hops = order(&found, |highest| drawn.min(highest));
        let ports: Vec<u16> = hops.iter().map(|hop| hop.address.port()).collect();
        assert_eq!(ports.len(), 4);
        assert!(ports[..2].iter().all(|port| *port >= 3), "{ports:?}");
        *firsts.entry(ports[2]).or_insert(0) += 1;
    }
    assert_eq!(firsts, BTreeMap::from([(1, 2), (2, 3)]));
}

fn located() -> impl Strategy<Value = Vec<Located>> {
    let one = (0_u32..3, 0_u16..4, prop::collection::vec(1_u8..20, 0..4));
    let one = one.prop_map(|(rank, weight, hosts)| Located {
        transport: Transport::Udp,
        addresses: hosts.iter().map(|host| ([192, 0, 2, *host], 5060).into()).collect(),
        rank,
        weight,
    });
    prop::collection::vec(one, 0..6)
}

proptest! {
    /// Whatever chance draws, each address is tried once, and none before one of a lower rank.
    #[test]
    fn each_is_tried_once_and_by_rank(servers in located(), draws: [u32; 8]) {
        let mut drawn = draws.into_iter().cycle();
        let hops = order(&servers, |highest| drawn.next().unwrap_or(0) % (highest + 1));
        let all: std::collections::BTreeSet<Hop> =
            servers.iter().flat_map(Located::hops).collect();
        prop_assert_eq!(hops.len(), all.len());
        let rank = |hop: &Hop| {
            let with = servers.iter().filter(|server| server.hops().any(|other| other == *hop));
            with.map(|server| server.rank).min().unwrap()
        };
        prop_assert!(hops.is_sorted_by_key(rank));
    }

    /// However many records come back, the search ends soon and finds a bounded number.
    #[test]
    fn hostile_answers_are_bounded(seed: u32) {
        let mut search = Search::new(wanted("x", None, None));
        let mut asked = 0_u32;
        while let Some(question) = search.question() {
            asked += 1;
            let name = format!("n{}", seed.wrapping_add(asked));
            let answer = match question {
                Question::Naptr(_) => Answer::Naptr(vec![
                    Naptr {
                        order: 1, preference: 1, flags: "S".into(), service: "sip+d2u".into(),
                        replacement: name,
                    };
                    1_000
                ]),
                Question::Srv(_) => Answer::Srv(vec![
                    Srv { priority: u16::MAX, weight: u16::MAX, port: 1, target: name };
                    1_000
                ]),
                Question::Addresses(_) => {
                    Answer::Addresses(vec![IpAddr::from(asked.to_be_bytes()); 1_000])
                }
            };
            search.answer(answer);
        }
        let found = search.found();
        prop_assert!(asked < 60 && found.len() <= 32);
        prop_assert!(order(&found, |highest| seed % (highest + 1)).len() <= 32 * 8);
    }
}
