//! How messages travel: by datagram or over a connection, and to which address.
//!
//! A connection has no name of its own: between two hosts there is one for each pair of ports at
//! any time, so the peer's address names it. Knows no sockets.

use std::net::SocketAddr;

/// What carries a message (RFC 3261 §18, §26.2.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams, which may be lost.
    #[default]
    Udp,
    /// A connection.
    Tcp,
    /// An encrypted connection.
    Tls,
}

impl Transport {
    /// Whether what was sent arrives, or the connection breaks: nothing is sent twice (§17).
    pub fn is_reliable(self) -> bool {
        self != Self::Udp
    }

    /// The name in a Via field.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// The transport of this name, in any case, as in Via or in a URI's `transport` parameter.
    pub fn named(name: &[u8]) -> Option<Self> {
        [Self::Udp, Self::Tcp, Self::Tls]
            .into_iter()
            .find(|transport| name.eq_ignore_ascii_case(transport.name().as_bytes()))
    }

    /// The port where none is written (§19.1.2).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }
}

/// Where a message goes to or came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hop {
    /// What carries it.
    pub transport: Transport,
    /// The peer's address.
    pub address: SocketAddr,
}

impl Hop {
    /// An address that is reached by datagram.
    pub fn udp(address: SocketAddr) -> Self {
        Self { transport: Transport::Udp, address }
    }
}
