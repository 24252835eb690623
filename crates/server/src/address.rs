//! Addresses of both sides: the parts of a carrier's; and our own, as Via, Contact and SDP say it.
//! Sockets may listen at all addresses of the machine, but a peer must be told one. Asks the
//! kernel, and sends nothing to a peer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use anyhow::{Context as _, Result, bail};

use crate::config::{Side, Sip};

/// An address of nobody (RFC 5737, RFC 3849): the way there is the way out of the machine.
const NOBODY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const NOBODY_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// The addresses that peers are told, by their family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Those of the family of `sip.listen`.
    pub first: IpAddr,
    /// Those of IPv6 beside it.
    pub v6: Option<IpAddr>,
}

impl Told {
    /// The address that a peer is told.
    pub fn to(&self, peer: SocketAddr) -> IpAddr {
        self.v6.filter(|_| peer.is_ipv6()).unwrap_or(self.first)
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.v6 {
            Some(v6) => write!(f, "{} and {v6}", self.first),
            None => self.first.fmt(f),
        }
    }
}

/// The addresses that peers are told when these are the trunks.
///
/// # Errors
/// No address of ours works for all of them; the message says which key to set.
pub fn advertised_to(sip: &Sip, trunks: &[(&str, SocketAddr)]) -> Result<Told> {
    for (name, trunk) in trunks {
        can_reach(sip, name, *trunk)?;
    }
    let mut told = sip.sides().map(|side| {
        let its = |peer: &SocketAddr| peer.is_ipv4() == side.listen.is_ipv4();
        let its: Vec<_> = trunks.iter().filter(|(_, peer)| its(peer)).copied().collect();
        told_by(side, &its)
    });
    let first = told.next().context("sip.listen is always set")??;
    let needed = trunks.iter().any(|(_, peer)| peer.is_ipv6());
    let v6 = match told.next() {
        Some(Err(error)) if !needed => {
            let error = format!("{error:#}");
            tracing::warn!(error, "sip.listen_v6 is of no use: this machine has no IPv6");
            None
        }
        v6 => v6.transpose()?,
    };
    Ok(Told { first, v6 })
}

/// The address that one peer is told, when it is the only one of its family.
///
/// # Errors
/// No address of ours works for it; the message says which key to set.
pub fn told_to(sip: &Sip, name: &str, peer: SocketAddr) -> Result<IpAddr> {
    can_reach(sip, name, peer)?;
    told_by(sip.side_for(peer), &[(name, peer)])
}

fn can_reach(sip: &Sip, name: &str, trunk: SocketAddr) -> Result<()> {
    let plain = trunk.ip().to_canonical();
    if plain != trunk.ip() {
        bail!("trunk '{name}' at {trunk} is {plain}, an address of IPv4: write it so");
    }
    let Side { listen, .. } = sip.side_for(trunk);
    let (key, all) = match (trunk.is_ipv4(), sip.listen.is_ipv4()) {
        (false, true) => ("sip.listen_v6", "[::]"),
        (false, false) => ("sip.listen", "[::]"),
        (true, _) => ("sip.listen", "0.0.0.0"),
    };
    let port = sip.listen.port();
    if trunk.is_ipv4() != listen.is_ipv4() {
        bail!(
            "trunk '{name}' at {trunk} and sip.listen are not both IPv4 or both IPv6: set {key} = \
             \"{all}:{port}\"{}",
            if trunk.is_ipv4() { " and move the other to sip.listen_v6" } else { "" }
        );
    }
    if listen.ip().is_loopback() && !trunk.ip().is_loopback() {
        bail!(
            "trunk '{name}' at {trunk} cannot be reached from {key} = \"{listen}\", which is this \
             machine only: set {key} = \"{all}:{}\"",
            listen.port()
        );
    }
    Ok(())
}

/// The address that peers of one family are told when these are its trunks.
fn told_by(side: Side, trunks: &[(&str, SocketAddr)]) -> Result<IpAddr> {
    let Side { listen, public } = side;
    if let Some(public) = public {
        return Ok(public);
    }
    if !listen.ip().is_unspecified() {
        return Ok(listen.ip());
    }
    let v6 = if listen.is_ipv4() { "" } else { "_v6" };
    let nobody = if listen.is_ipv4() { NOBODY.into() } else { NOBODY_V6.into() };
    let mut ways = trunks.iter().map(|(name, trunk)| (*name, way_to(*trunk)));
    let Some((name, way)) = ways.next() else {
        let way = way_to(SocketAddr::new(nobody, listen.port().max(1)));
        return way.with_context(|| {
            format!("this machine has no way out: set sip.public_address{v6} to what phones reach")
        });
    };
    let way = way.with_context(|| format!("trunk '{name}' cannot be reached"))?;
    for (other, another) in ways {
        let another = another.with_context(|| format!("trunk '{other}' cannot be reached"))?;
        if way != another {
            bail!(
                "trunk '{name}' is reached from {way}, trunk '{other}' from {another}: set \
                 sip.public_address{v6} to the address at which both reach us"
            );
        }
    }
    Ok(way)
}

/// An address as the host part of a URI.
pub fn host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// Host and port of `HOST:PORT` or `HOST`, an IPv6 address without its brackets.
///
/// # Errors
/// What stands behind the host is no port.
pub fn parts_of(address: &str) -> Result<(&str, Option<u16>)> {
    let bracketed = address.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, rest) = bracketed.unwrap_or_else(|| {
        let colon = address.find(':').unwrap_or(address.len());
        address.split_at(colon)
    });
    if rest.is_empty() {
        return Ok((host, None));
    }
    let port = rest.strip_prefix(':').and_then(|port| port.parse().ok());
    let port = port.with_context(|| format!("'{address}' is not like HOST or HOST:PORT"))?;
    Ok((host, Some(port)))
}

/// The host of `HOST:PORT` or `HOST`, an IPv6 address without its brackets.
pub fn host_of(address: &str) -> &str {
    parts_of(address).map_or(address, |(host, _)| host)
}

/// The address of ours from which datagrams to `peer` leave.
fn way_to(peer: SocketAddr) -> Result<IpAddr> {
    let any: IpAddr =
        if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).context("taking a port")?;
    socket.connect(peer).with_context(|| format!("there is no way to {peer}"))?;
    Ok(socket.local_addr().context("asking which way it goes")?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PublicAddress;

    fn at(listen: &str) -> Sip {
        Sip { listen: listen.parse().unwrap(), ..Sip::default() }
    }

    fn told(sip: &Sip, trunks: &[&str]) -> Result<String> {
        let trunks: Vec<(&str, SocketAddr)> =
            trunks.iter().map(|trunk| (*trunk, trunk.parse().unwrap())).collect();
        advertised_to(sip, &trunks).map(|address| address.to_string())
    }

    fn why(sip: &Sip, trunks: &[&str]) -> String {
        format!("{:#}", told(sip, trunks).unwrap_err())
    }

    #[test]
    fn a_socket_at_one_address_is_reached_there() {
        assert_eq!(told(&Sip::default(), &[]).unwrap(), "127.0.0.1");
        assert_eq!(told(&at("192.0.2.7:5060"), &["192.0.2.9:5060"]).unwrap(), "192.0.2.7");
    }

    #[test]
    fn a_socket_at_all_addresses_is_reached_at_the_way_to_the_trunks() {
        let all = at("0.0.0.0:5060");
        assert_eq!(told(&all, &["127.0.0.9:5060", "127.0.0.8:5060"]).unwrap(), "127.0.0.1");
    }

    #[test]
    fn a_public_address_is_told_whatever_the_sockets_are_bound_to() {
        for listen in ["0.0.0.0:5060", "192.0.2.7:5060", "127.0.0.1:5060"] {
            let public_address = PublicAddress(Some("198.51.100.1".parse().unwrap()));
            let sip = Sip { public_address, ..at(listen) };
            assert_eq!(told(&sip, &["127.0.0.9:5060"]).unwrap(), "198.51.100.1");
        }
    }

    /// Goal: where a machine has IPv6 or not is no matter to trunks of IPv4.
    #[test]
    fn each_family_is_told_its_own_address() {
        let listen_v6 = String::from("[::]:5060").try_into().unwrap();
        let both = Sip { listen_v6, ..at("0.0.0.0:5060") };
        let trunk = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (four, six) = (trunk("127.0.0.9:5060"), trunk("[::1]:5060"));
        assert_eq!(advertised_to(&both, &[("four", four)]).unwrap().first, four_of_ours());
        let told = advertised_to(&both, &[("four", four), ("six", six)]).unwrap();
        assert_eq!((told.to(four), told.to(six)), (four_of_ours(), six.ip()));
        assert_eq!(told_to(&both, "six", six).unwrap(), six.ip());
        let mapped = told_to(&both, "mapped", trunk("[::ffff:192.0.2.1]:5060")).unwrap_err();
        assert!(mapped.to_string().contains("write it so"), "{mapped}");
    }

    fn four_of_ours() -> IpAddr {
        Ipv4Addr::LOCALHOST.into()
    }

    #[test]
    fn an_address_has_a_host_and_perhaps_a_port() {
        for (address, parts) in [
            ("sip.example", ("sip.example", None)),
            ("sip.example:5070", ("sip.example", Some(5070))),
            ("192.0.2.1", ("192.0.2.1", None)),
            ("[2001:db8::1]", ("2001:db8::1", None)),
            ("[2001:db8::1]:5061", ("2001:db8::1", Some(5061))),
        ] {
            assert_eq!(parts_of(address).unwrap(), parts);
        }
        for nonsense in ["sip.example:", "sip.example:70000", "[::1]5060", "a:b:c"] {
            assert!(parts_of(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused_with_the_key_to_set() {
        let why_loopback = why(&Sip::default(), &["192.0.2.9:5060"]);
        assert!(why_loopback.contains("set sip.listen = \"0.0.0.0:5060\""), "{why_loopback}");
        let why_family = why(&at("0.0.0.0:5060"), &["[2001:db8::1]:5060"]);
        assert!(why_family.contains("not both IPv4"), "{why_family}");
    }
}
