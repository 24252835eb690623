//! SIP over TCP and TLS for the shards: listens, connects, and keeps one connection for each peer
//! address. Lives on the runtime, so that the thread with the audio only sees whole messages in
//! its inbox.
//!
//! Decides nothing about SIP: where a message goes and by what is the engine's affair, and a
//! connection that ends is only told.

mod certificate;
mod connection;
mod tls;

pub use tls::{authorities, connector, server_name};

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use engine::{Hop, Transmit, Transport};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub use certificate::Certificate;

use crate::clock;
use crate::config::Sip;
use crate::shard::{ShardCommand, Sorter};
use crate::udp;
use connection::{Connection, End, Patience};

/// Messages from the shards that may wait for the hub.
const ORDERS: usize = 4_096;
/// Messages that may wait to be written to one peer that connected to us, and to one that we
/// connect to, which may be a trunk with thousands of calls.
const OUTBOX: usize = 64;
const OUR_OUTBOX: usize = 2_048;
/// Messages of all connections that may wait for the shards.
const ROOM: usize = 1_024;
/// Connections at once, and how many of them may have come to us: the others are left for trunks.
const CONNECTIONS: usize = 2_000;
const CONNECTIONS_TO_US: usize = 1_800;
/// Connections at once that came from one address; of IPv6, from one network of 64 bits.
const CONNECTIONS_OF_ONE: usize = 100;
/// Connections that may wait to be accepted.
const WAITING: u32 = 1_024;
/// How often a free port is tried.
const PORT_TRIES: u8 = 16;
/// How long connecting may take, and then as long again for the handshake of TLS.
const CONNECT_TIME: Duration = Duration::from_secs(4);

/// How often the log has a line about a peer that cannot be connected to, and about how many of
/// them in that time.
const TELL_EVERY: Duration = Duration::from_secs(10);
const TOLD: usize = 64;

/// The channel by which the shards' messages for connections reach the hub.
pub fn order_channel() -> (mpsc::Sender<Transmit>, mpsc::Receiver<Transmit>) {
    mpsc::channel(ORDERS)
}

/// What a hub stands on.
pub struct Parts {
    /// What the configuration says of SIP.
    pub sip: Sip,
    /// What [`listen`] has bound.
    pub listening: Listening,
    /// What the shards send over connections.
    pub orders: mpsc::Receiver<Transmit>,
    /// Where messages and ends go.
    pub shards: Arc<Sorter>,
    /// The host names of trunks, which their certificates must have.
    pub names: watch::Receiver<BTreeMap<SocketAddr, String>>,
}

/// The sockets of a hub.
pub struct Listening {
    tcp: Vec<TcpListener>,
    tls: Vec<TcpListener>,
    /// Where SIP listens, by UDP and, if at all, by TCP: for each of [`Sip::sides`].
    pub sip: Vec<SocketAddr>,
}

/// Binds the sockets of the configuration. For port 0, a port is taken that UDP can have, too.
///
/// # Errors
/// A port is taken.
pub fn listen(sip: &Sip) -> Result<Listening> {
    let mut listening = Listening { tcp: Vec::new(), tls: Vec::new(), sip: Vec::new() };
    for side in sip.sides() {
        if sip.tls_port != 0 {
            listening.tls.push(bind(SocketAddr::new(side.listen.ip(), sip.tls_port))?);
        }
        if !sip.tcp {
            listening.sip.push(side.listen);
            continue;
        }
        let (tcp, address) = bind_for_both(side.listen)?;
        listening.tcp.push(tcp);
        listening.sip.push(address);
    }
    Ok(listening)
}

/// Listens at a port that is free for UDP, too, where any will do.
fn bind_for_both(listen: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    for _ in 0..PORT_TRIES {
        let tcp = bind(listen)?;
        let address = tcp.local_addr().context("asking for the SIP port")?;
        if listen.port() != 0 || udp::bind(address).is_ok() {
            return Ok((tcp, address));
        }
    }
    bail!("no port for SIP is free for both UDP and TCP at {}", listen.ip())
}

/// One of IPv6 takes nothing of IPv4, which has a listener of its own.
fn bind(address: SocketAddr) -> Result<TcpListener> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if address.is_ipv6() {
            socket2::SockRef::from(&socket).set_only_v6(true)?;
        }
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(WAITING)
    };
    listen().with_context(|| format!("binding SIP over TCP at {address}"))
}

/// Starts the task that keeps the connections. It ends with the shards.
///
/// # Errors
/// A certificate cannot be used.
pub fn start(parts: Parts) -> Result<()> {
    let Parts { sip, listening, orders, shards, names } = parts;
    let Listening { tcp, tls, .. } = listening;
    let acceptor = tls::acceptor(&sip)?;
    let (report, ended) = mpsc::channel(CONNECTIONS);
    let room = Arc::new(Semaphore::new(ROOM));
    let hang_up = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
    let listeners = Listeners { tcp, tls, acceptor };
    let (connections, told) = (BTreeMap::new(), BTreeMap::new());
    let hub = Hub { sip, shards, names, connections, told, serial: 0, room, report };
    tokio::spawn(hub.run(listeners, orders, ended, hang_up));
    Ok(())
}

struct Listeners {
    tcp: Vec<TcpListener>,
    tls: Vec<TcpListener>,
    acceptor: Option<TlsAcceptor>,
}

/// The next connection of listeners, of which there are two at most; never, without one.
async fn next_of(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    match listeners {
        [] => std::future::pending().await,
        [only] => only.accept().await,
        [first, second, ..] => tokio::select! {
            accepted = first.accept() => accepted,
            accepted = second.accept() => accepted,
        },
    }
}

/// A connection, as the hub sees it.
struct Line {
    serial: u64,
    ours: bool,
    outbox: mpsc::Sender<Arc<[u8]>>,
}

struct Hub {
    sip: Sip,
    shards: Arc<Sorter>,
    names: watch::Receiver<BTreeMap<SocketAddr, String>>,
    connections: BTreeMap<Hop, Line>,
    /// Peers that were connected to of late.
    told: BTreeMap<SocketAddr, Instant>,
    /// The number of the last connection: a peer's address may come again.
    serial: u64,
    room: Arc<Semaphore>,
    report: mpsc::Sender<(Hop, u64)>,
}

impl Hub {
    async fn run(
        mut self,
        mut listeners: Listeners,
        mut orders: mpsc::Receiver<Transmit>,
        mut ended: mpsc::Receiver<(Hop, u64)>,
        mut hang_up: Signal,
    ) {
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(transmit) => self.send(transmit),
                    None => return,
                },
                Some((peer, serial)) = ended.recv() => self.forget(peer, serial).await,
                accepted = next_of(&listeners.tcp) => self.accept(accepted, None).await,
                accepted = next_of(&listeners.tls) => {
                    self.accept(accepted, listeners.acceptor.clone()).await;
                }
                _ = hang_up.recv() => self.reload(&mut listeners),
            }
            let open = u32::try_from(self.connections.len()).unwrap_or(u32::MAX);
            metrics::gauge!("avanak_sip_connections").set(open);
        }
    }

    /// New certificates for new connections; those that are there keep theirs.
    fn reload(&self, listeners: &mut Listeners) {
        match tls::acceptor(&self.sip) {
            Ok(acceptor) => {
                listeners.acceptor = acceptor;
                tracing::info!("the certificate for SIP was read anew");
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "the old certificate for SIP stays in use");
            }
        }
    }

    /// Sends a message over the connection with its peer, which is made if there is none.
    fn send(&mut self, transmit: Transmit) {
        let Transmit { destination: address, transport, bytes } = transmit;
        let peer = Hop { transport, address };
        if !self.connections.contains_key(&peer) && self.connections.len() < CONNECTIONS {
            self.connect(peer);
        }
        let reason = match self.connections.get(&peer) {
            None => "connections_full",
            Some(line) if line.outbox.try_send(bytes).is_err() => "peer_reads_too_slowly",
            Some(_) => return,
        };
        metrics::counter!("avanak_sip_messages_dropped_total", "reason" => reason).increment(1);
        if self.tells_of(address) {
            tracing::warn!(peer = %address, reason, "a message of SIP was dropped");
        }
        self.give_up(peer);
    }

    /// Nothing repeats a message over a connection, so who waits for its answer must not wait in
    /// vain: the peer is told of as gone, and its connection ends with what it still has to write.
    fn give_up(&mut self, peer: Hop) {
        self.connections.remove(&peer);
        tokio::spawn(tell_shards(Arc::clone(&self.shards), peer));
    }

    /// Everything that a new connection of its own needs.
    fn open(&mut self, peer: Hop, ours: bool) -> (Connection, u64) {
        let (outbox, waiting) = mpsc::channel(if ours { OUR_OUTBOX } else { OUTBOX });
        let (shards, room) = (Arc::clone(&self.shards), Arc::clone(&self.room));
        let own = outbox.downgrade();
        self.serial += 1;
        self.connections.insert(peer, Line { serial: self.serial, ours, outbox });
        (
            Connection {
                peer,
                ours,
                patience: Patience::USUAL,
                shards,
                room,
                outbox: own,
                waiting,
            },
            self.serial,
        )
    }

    fn connect(&mut self, peer: Hop) {
        let tells = self.tells_of(peer.address);
        let (connection, serial) = self.open(peer, true);
        let from = self.sip.side_for(peer.address).listen.ip();
        let report = self.report.clone();
        let prepared = match peer.transport {
            Transport::Tls => self.prepare_tls(peer.address).map(Some),
            Transport::Udp | Transport::Tcp => Ok(None),
        };
        tokio::spawn(async move {
            if let Err(error) = connected(connection, from, prepared).await {
                metrics::counter!("avanak_sip_connections_failed_total").increment(1);
                let error = format!("{error:#}");
                if tells {
                    tracing::warn!(peer = %peer.address, error, "no connection for SIP");
                }
            }
            // Without a hub there is nobody to be told.
            let _ = report.send((peer, serial)).await;
        });
    }

    /// Whether the log may have a line about this peer: calls to one that is gone would write one
    /// each.
    fn tells_of(&mut self, peer: SocketAddr) -> bool {
        let now = clock::instant();
        self.told.retain(|_, at| now < *at + TELL_EVERY);
        let tells = self.told.len() < TOLD && !self.told.contains_key(&peer);
        if tells {
            self.told.insert(peer, now);
        }
        tells
    }

    fn prepare_tls(&self, address: SocketAddr) -> Result<Prepared> {
        let name = tls::name_of(self.names.borrow().get(&address).map(String::as_str), address)?;
        Ok(Prepared { connector: tls::connector(&self.sip)?, name })
    }

    async fn accept(
        &mut self,
        accepted: io::Result<(TcpStream, SocketAddr)>,
        acceptor: Option<TlsAcceptor>,
    ) {
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // As a rule there are no files left; some connection will end and free one.
                tracing::warn!(%error, "a connection for SIP could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                return;
            }
        };
        let transport = if acceptor.is_some() { Transport::Tls } else { Transport::Tcp };
        let peer = Hop { transport, address };
        let to_us = self.connections.iter().filter(|(_, line)| !line.ours).map(|(hop, _)| hop);
        if !has_room(to_us, address.ip()) || self.connections.contains_key(&peer) {
            metrics::counter!("avanak_sip_connections_refused_total").increment(1);
            return;
        }
        let (connection, serial) = self.open(peer, false);
        let report = self.report.clone();
        tokio::spawn(async move {
            let end = match acceptor {
                None => Ok(connection.carry(stream).await),
                Some(acceptor) => match timeout(CONNECT_TIME, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => Ok(connection.carry(stream).await),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err(String::from("the handshake took too long")),
                },
            };
            match end {
                Ok(end) => tell(peer, end),
                Err(error) => {
                    metrics::counter!("avanak_sip_connections_ended_total", "why" => "NoHandshake")
                        .increment(1);
                    tracing::debug!(peer = %peer.address, error, "no handshake for SIP");
                }
            }
            // Without a hub there is nobody to be told.
            let _ = report.send((peer, serial)).await;
        });
    }

    /// A connection has ended: every engine must know, for any may have calls over it.
    async fn forget(&mut self, peer: Hop, serial: u64) {
        // One that was given up has been told of, and its peer may have another by now.
        if self.connections.get(&peer).is_some_and(|line| line.serial == serial) {
            self.connections.remove(&peer);
            tell_shards(Arc::clone(&self.shards), peer).await;
        }
    }
}

/// Tells every shard that the connection with a peer has ended.
async fn tell_shards(shards: Arc<Sorter>, peer: Hop) {
    for shard in shards.inboxes() {
        let mut command = ShardCommand::Disconnected { peer };
        while let Err(refused) = shard.send(command) {
            if shard.has_ended() {
                return;
            }
            command = refused;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Whether one more connection may come from this address, beside those that came to us.
fn has_room<'a>(to_us: impl Iterator<Item = &'a Hop>, from: IpAddr) -> bool {
    let (mut all, mut of_one) = (0, 0);
    for hop in to_us {
        all += 1;
        of_one += usize::from(network_of(hop.address.ip()) == network_of(from));
    }
    all < CONNECTIONS_TO_US && of_one < CONNECTIONS_OF_ONE
}

/// What one peer has: an address, or of IPv6 all of a network of 64 bits.
fn network_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
        ip @ IpAddr::V4(_) => ip,
    }
}

fn tell(peer: Hop, end: End) {
    metrics::counter!("avanak_sip_connections_ended_total", "why" => format!("{end:?}"))
        .increment(1);
    tracing::debug!(peer = %peer.address, ?end, "a connection for SIP has ended");
}

/// What a handshake of TLS needs.
struct Prepared {
    connector: TlsConnector,
    name: tokio_rustls::rustls::pki_types::ServerName<'static>,
}

/// Connects and carries until the end.
async fn connected(
    connection: Connection,
    from: IpAddr,
    prepared: Result<Option<Prepared>>,
) -> Result<()> {
    let peer = connection.peer;
    let prepared = prepared?;
    let stream = within("connecting", dial(from, peer.address)).await?;
    let end = match prepared {
        None => carry(connection, stream).await,
        Some(Prepared { connector, name }) => {
            let stream = within("the handshake", connector.connect(name, stream)).await?;
            carry(connection, stream).await
        }
    };
    tell(peer, end);
    Ok(())
}

async fn carry(connection: Connection, stream: impl AsyncRead + AsyncWrite) -> End {
    connection.carry(stream).await
}

/// A connection of whatever kind.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection of its own.
pub struct Opened {
    /// The connection.
    pub stream: Box<dyn Stream>,
    /// The peer's certificate, over TLS.
    pub certificate: Option<Certificate>,
}

/// One connection for a purpose of its own, beside those of a hub. Over TLS the peer's
/// certificate must have the name `host`.
///
/// # Errors
/// Whatever kept it from being made.
pub async fn open(sip: &Sip, peer: Hop, host: &str) -> Result<Opened> {
    let stream =
        within("connecting", dial(sip.side_for(peer.address).listen.ip(), peer.address)).await?;
    if peer.transport != Transport::Tls {
        return Ok(Opened { stream: Box::new(stream), certificate: None });
    }
    let name = tls::name_of(Some(host), peer.address)?;
    let connector = tls::connector(sip)?;
    let stream = within("the handshake", connector.connect(name, stream)).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let certificate = shown.and_then(|der| Certificate::read(der));
    Ok(Opened { stream: Box::new(stream), certificate })
}

async fn within<T>(what: &str, doing: impl Future<Output = io::Result<T>>) -> Result<T> {
    match timeout(CONNECT_TIME, doing).await {
        Ok(done) => done.with_context(|| what.to_owned()),
        Err(_) => bail!("{what} took too long"),
    }
}

/// Connects from the address that we listen at, by which peers may know us.
async fn dial(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if !from.is_unspecified() && from.is_ipv4() == to.is_ipv4() {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hops(ips: impl Iterator<Item = IpAddr>) -> Vec<Hop> {
        let hop =
            |(port, ip)| Hop { transport: Transport::Tcp, address: SocketAddr::new(ip, port) };
        (1..).zip(ips).map(hop).collect()
    }

    /// Goal: nobody takes the connections of others: not with one address, not with a network of
    /// IPv6, and all together not those that trunks need.
    #[test]
    fn no_peer_takes_the_room_of_others() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let one = ip("192.0.2.1");
        let of_one = hops(std::iter::repeat_n(one, CONNECTIONS_OF_ONE));
        assert!(!has_room(of_one.iter(), one));
        assert!(has_room(of_one.iter(), ip("192.0.2.2")));
        assert!(has_room(of_one[1..].iter(), one));
        let suffixes = 1..=u128::try_from(CONNECTIONS_OF_ONE).unwrap();
        let network = hops(suffixes.map(|n| IpAddr::V6((0x2001_0db8_u128 << 96 | n).into())));
        assert!(!has_room(network.iter(), ip("2001:db8::ffff:1")));
        assert!(has_room(network.iter(), ip("2001:db8:0:1::1")));
        let many = 0..u32::try_from(CONNECTIONS_TO_US).unwrap();
        let crowd = hops(many.map(|n| IpAddr::V4((0x0a00_0000 + n).into())));
        assert!(!has_room(crowd.iter(), one));
        const { assert!(CONNECTIONS_TO_US < CONNECTIONS) };
    }
}
