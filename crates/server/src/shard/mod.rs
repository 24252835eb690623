//! The shards: threads that own an engine, its RTP sockets and its part of the flight recorder
//! each. A call never leaves its shard, so there are no locks. They move datagrams, commands and
//! events and decide nothing.
//!
//! All send through the SIP sockets, one for each family of addresses, which the first of them
//! reads for all (docs/decisions/0026-shards-share-the-sip-address.md).

mod inbox;
pub mod precedence;
mod sorter;
mod worker;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result};
use engine::{EngineConfig, Event, Limits, Transmit};
use tokio::sync::mpsc;

pub use inbox::{Inbox, ShardCommand};
pub use sorter::Sorter;

use crate::clock;
use crate::flight_recorder::Recorder;
use crate::recordings::Tape;
use crate::udp;
use worker::{Parts, Worker};

/// Batches of events that may wait for the node before they do in a shard's backlog.
const OUTBOX: usize = 4_096;

/// The shard that has phones, registrations, checks of trunks, and calls that come in.
pub const FIRST: usize = 0;

/// What a shard tells the node.
#[derive(Debug)]
pub struct Reported {
    /// Which shard.
    pub shard: usize,
    /// What happened, in order.
    pub events: Vec<Event>,
}

/// A channel for the events of shards.
pub fn event_channel() -> (mpsc::Sender<Reported>, mpsc::Receiver<Reported>) {
    mpsc::channel(OUTBOX)
}

/// An address of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Where SIP listens; the RTP sockets are bound to the same address.
    pub listen: SocketAddr,
    /// The address at which peers reach both.
    pub advertised: IpAddr,
}

/// What shards need to start.
pub struct ShardsConfig {
    /// How many.
    pub shards: usize,
    /// Our addresses: one, or one of IPv4 and one of IPv6.
    pub sides: Vec<Bound>,
    /// First RTP port, or 0 for free ones.
    pub media_port_first: u16,
    /// How many RTP sockets they have in all at each address; at least one each.
    pub media_ports: u16,
    /// Whether sound that no call listens to is left to the kernel to throw away.
    pub ignore_sound: bool,
    /// Whether their threads run before everything else on the machine, where the system lets them.
    pub realtime: bool,
    /// Where messages for connections go; without it there are no connections.
    pub connections: Option<mpsc::Sender<Transmit>>,
    /// The port at which peers reach us over TLS, when they do.
    pub tls_port: Option<u16>,
    /// Completed from the bound sockets, with a fresh secret for each shard and its share of the
    /// calls.
    pub engine: EngineConfig,
}

impl ShardsConfig {
    /// How many calls each shard has room for.
    pub fn calls_each(&self) -> usize {
        self.engine.limits.calls.div_ceil(self.shards)
    }

    fn engine_of(
        &self,
        shard: usize,
        sip_local: SocketAddr,
        rtp: &[UdpSocket],
    ) -> Result<EngineConfig> {
        let reached = rtp.iter().map(|socket| Ok(self.reached(socket.local_addr()?)));
        Ok(EngineConfig {
            sip_local,
            rtp: reached.collect::<std::io::Result<_>>().context("asking for the media ports")?,
            // Two engines with one secret would draw the same tags and branches.
            fresh_secret: clock::random_secret(),
            call_id_prefix: node::shard_prefix(shard),
            limits: Limits { calls: self.calls_each(), ..self.engine.limits },
            ..self.engine.clone()
        })
    }

    /// Where peers reach a socket of ours that is bound there.
    fn reached(&self, bound: SocketAddr) -> SocketAddr {
        let its = |side: &&Bound| side.listen.is_ipv4() == bound.is_ipv4();
        let side = self.sides.iter().find(its);
        SocketAddr::new(side.map_or(bound.ip(), |side| side.advertised), bound.port())
    }

    /// Binds the SIP sockets.
    fn bind_sip(&self) -> Result<Vec<UdpSocket>> {
        let bind = |side: &Bound| {
            let listen = side.listen;
            let sip = udp::bind(listen).with_context(|| format!("binding SIP at {listen}"))?;
            udp::watch_errors(&sip).context("asking for ICMP errors of the SIP socket")?;
            Ok(sip)
        };
        self.sides.iter().map(bind).collect()
    }

    /// Binds the RTP sockets of one of our addresses.
    fn bind_media(&self, side: Bound) -> Result<Vec<UdpSocket>> {
        (0..self.media_ports)
            .map(|n| {
                let port = match self.media_port_first {
                    0 => 0,
                    first => first + n,
                };
                let address = SocketAddr::new(side.listen.ip(), port);
                udp::bind(address).with_context(|| format!("binding media at {address}"))
            })
            .collect()
    }
}

/// A running shard.
struct Shard {
    inbox: Inbox,
    thread: Option<JoinHandle<()>>,
    live: Arc<AtomicU64>,
}

/// The other side of running shards.
pub struct Shards {
    running: Vec<Shard>,
    sorter: Arc<Sorter>,
    /// Where peers reach each SIP socket.
    pub reached: Vec<SocketAddr>,
}

impl Shards {
    /// Binds the sockets and starts the threads. Events come out of `events`.
    ///
    /// # Errors
    /// A port is taken.
    pub fn start(
        config: &ShardsConfig,
        recorder: Recorder,
        tape: Option<&Tape>,
        events: &mpsc::Sender<Reported>,
    ) -> Result<Self> {
        let sip: Arc<[UdpSocket]> = config.bind_sip()?.into();
        let reached = sip.iter().map(|socket| Ok(config.reached(socket.local_addr()?)));
        let reached: Vec<SocketAddr> =
            reached.collect::<std::io::Result<_>>().context("asking for the SIP port")?;
        let sip_local = *reached.first().context("an address to listen at")?;
        let sides = config.sides.iter().map(|side| config.bind_media(*side));
        let mut media: Vec<Vec<UdpSocket>> = sides.collect::<Result<_>>()?;
        let each = u32::try_from(config.calls_each()).context("so many calls at once")?;
        let mut ends = Vec::new();
        let mut inboxes = Vec::new();
        for recorder in recorder.split(config.shards, each) {
            let (inbox, commands) = inbox::inbox()?;
            inboxes.push(inbox);
            ends.push((recorder, commands));
        }
        let sorter = Arc::new(Sorter::new(inboxes));
        let mut running = Vec::new();
        for (shard, (recorder, commands)) in ends.into_iter().enumerate() {
            let mut rtp = Vec::new();
            for all in &mut media {
                let share = all.len() / (config.shards - shard);
                rtp.extend(all.drain(..share));
            }
            let live = Arc::new(AtomicU64::new(0));
            let inbox = sorter.inboxes()[shard].clone();
            let parts = Parts {
                shard,
                engine: config.engine_of(shard, sip_local, &rtp)?,
                reached: reached.clone(),
                tls_port: config.tls_port,
                sip: Arc::clone(&sip),
                rtp,
                ignore_sound: config.ignore_sound,
                sorter: (shard == FIRST).then(|| Arc::clone(&sorter)),
                connections: config.connections.clone(),
                recorder,
                tape: tape.cloned(),
                commands,
                events: events.clone(),
                live: Arc::clone(&live),
            };
            // Made inside the thread: the batches' headers hold pointers and stay where they are.
            let realtime = config.realtime;
            let thread = std::thread::Builder::new()
                .name(format!("shard-{shard}"))
                .spawn(move || {
                    if realtime && let Err(error) = precedence::take() {
                        let error = format!("{error:#}");
                        tracing::warn!(shard, error, "sound will be less even under load");
                    }
                    Worker::new(parts).run();
                })
                .context("starting a shard's thread")?;
            running.push(Shard { inbox, thread: Some(thread), live });
        }
        Ok(Self { running, sorter, reached })
    }

    /// Hands a command over.
    ///
    /// # Errors
    /// The command, when the shard is so far behind that its inbox is full, or has ended.
    pub fn send(
        &self,
        shard: usize,
        command: ShardCommand,
    ) -> std::result::Result<(), ShardCommand> {
        self.running[shard].inbox.send(command)
    }

    /// A way to them for whoever receives SIP.
    pub fn sorter(&self) -> Arc<Sorter> {
        Arc::clone(&self.sorter)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.running.len()
    }

    /// How many calls are alive in each.
    pub fn live_calls(&self) -> impl Iterator<Item = u64> {
        self.running.iter().map(|shard| shard.live.load(Ordering::Relaxed))
    }

    /// Whether one of the threads has ended; only a bug ends it before [`Self::stop`].
    pub fn has_ended(&self) -> bool {
        self.running.iter().any(Shard::has_ended)
    }

    /// Ends the threads and waits for them.
    pub fn stop(&mut self) {
        self.running.iter_mut().for_each(Shard::stop);
    }
}

impl Shard {
    fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn stop(&mut self) {
        while self.inbox.send(ShardCommand::Stop).is_err() && !self.has_ended() {
            std::thread::yield_now();
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a shard's thread had panicked");
        }
    }
}
