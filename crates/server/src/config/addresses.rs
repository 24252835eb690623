//! Where we listen for calls, and what peers are told: an address for each family, IPv4 and IPv6.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::Sip;

/// An IP address, or nothing: the empty text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicAddress(pub Option<IpAddr>);

impl TryFrom<String> for PublicAddress {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let usable = |ip: &IpAddr| !ip.is_unspecified() && !ip.is_multicast() && is_plain(*ip);
        let address = text.parse().ok().filter(usable);
        address
            .map(|address| Self(Some(address)))
            .ok_or_else(|| format!("'{text}' is not an IP address that others can reach"))
    }
}

impl From<PublicAddress> for String {
    fn from(address: PublicAddress) -> Self {
        address.0.map(|address| address.to_string()).unwrap_or_default()
    }
}

/// Whether an address is of one family and needs no interface beside it: neither one of IPv4
/// written as IPv6, nor one of a single link.
fn is_plain(ip: IpAddr) -> bool {
    let of_link = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    !of_link && ip.to_canonical() == ip
}

/// An address of IPv6 with a port, or nothing: the empty text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListenV6(pub Option<SocketAddrV6>);

impl TryFrom<String> for ListenV6 {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let usable = |at: &SocketAddrV6| is_plain((*at.ip()).into());
        let address = text.parse().ok().filter(usable);
        address
            .map(|address| Self(Some(address)))
            .ok_or_else(|| format!("'{text}' is not an address of IPv6 like [::]:5060"))
    }
}

impl From<ListenV6> for String {
    fn from(address: ListenV6) -> Self {
        address.0.map(|address| address.to_string()).unwrap_or_default()
    }
}

/// Ports for audio of both families together that a shard can use.
const PORTS_OF_BOTH: u16 = 128;

/// Where sockets of a family are bound, and at which address peers reach them if that is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// Address and port for SIP.
    pub listen: SocketAddr,
    /// `public_address` or `public_address_v6`.
    pub public: Option<IpAddr>,
}

impl Sip {
    /// That of `listen`, and then that of `listen_v6`.
    pub fn sides(&self) -> impl Iterator<Item = Side> {
        let second = self
            .listen_v6
            .0
            .map(|listen| Side { listen: listen.into(), public: self.public_address_v6.0 });
        [Side { listen: self.listen, public: self.public_address.0 }].into_iter().chain(second)
    }

    /// The side that a peer is reached from, by its family; that of `listen` where none is.
    pub fn side_for(&self, peer: SocketAddr) -> Side {
        let first = Side { listen: self.listen, public: self.public_address.0 };
        self.sides().find(|side| side.listen.is_ipv4() == peer.is_ipv4()).unwrap_or(first)
    }

    pub(super) fn check_families(&self) -> Result<()> {
        for (key, Side { listen, public }) in ["", "_v6"].into_iter().zip(self.sides()) {
            if public.is_some_and(|public| public.is_ipv4() != listen.is_ipv4()) {
                bail!("sip.public_address{key} and sip.listen{key} must both be IPv4 or both IPv6");
            }
        }
        if !is_plain(self.listen.ip()) {
            bail!("sip.listen: {} is no address that peers of one family reach", self.listen);
        }
        if self.listen_v6.0.is_none() {
            if self.public_address_v6.0.is_some() {
                bail!("sip.public_address_v6: it belongs to sip.listen_v6, which is not set");
            }
            return Ok(());
        }
        if self.listen.is_ipv6() {
            bail!("sip.listen_v6: sip.listen is an address of IPv6 itself");
        }
        if self.media_ports > PORTS_OF_BOTH {
            bail!("sip.media_ports: at most {PORTS_OF_BOTH} of each family beside sip.listen_v6");
        }
        Ok(())
    }
}
