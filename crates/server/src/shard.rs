//! One shard: a thread that owns an engine, its sockets and its flight recorder. It moves
//! datagrams, commands and events and decides nothing.
//!
//! Order matters in one place: events go to the flight recorder before the datagrams of the same
//! step leave, so a call is on record as dialled before its INVITE can reach anyone.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use engine::{
    CallKey, Command, Engine, EngineConfig, Event, Hop, Input, Outputs, RtcpTransmit, RtpTransmit,
    Transmit, Transport,
};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::backlog::EventBacklog;
use crate::clock;
use crate::flight_recorder::Recorder;
use crate::recordings::Tape;
use crate::refusals::Refusals;
use crate::udp::{self, BatchReceiver, BatchSender, Outgoing};

/// Commands that may wait for the shard; more is refused by the sender's side.
const INBOX: usize = 16_384;
/// Batches of events that may wait for the node before they do in the shard's backlog.
const OUTBOX: usize = 4_096;
/// SIP datagrams taken in one step, so that a flood cannot starve the audio.
const SIP_PER_STEP: usize = 256;
/// How long datagrams may gather on the SIP socket once some were read, as a network card gathers
/// before it interrupts. The first one after a pause is read at once; under load each wake-up,
/// dearer than the message itself, then serves many (docs/decisions/0032-fewer-wake-ups.md).
const SIP_GATHERS: Duration = Duration::from_millis(10);
/// ICMP errors taken from the SIP socket in one step.
const ERRORS_PER_STEP: usize = 64;
/// RTP datagrams taken from one socket in one step.
const RTP_PER_STEP: usize = 1_024;
/// How long the RTP socket of a call may go unread: a packet's time. The wheel wakes the shard on
/// the same grid, so that reading needs no wake-ups of its own while calls play.
const RTP_UNREAD: Duration = Duration::from_millis(20);
/// A wake-up of the wheel that comes this much early still reads.
const RTP_EARLY: Duration = Duration::from_millis(1);
/// How long what happened is gathered before the node is told: waking it for every ringing tone
/// costs more than the call's signalling.
const REPORT_EVERY: Duration = Duration::from_millis(20);
/// The longest wait when nothing is due; what strangers sent meanwhile is thrown away then.
const IDLE_WAIT: Duration = Duration::from_millis(200);
/// How often counters are published.
const COUNTERS_EVERY: Duration = Duration::from_secs(1);

/// What a shard can be told.
pub enum ShardCommand {
    /// For the engine.
    Engine(Command),
    /// A message came over a connection.
    SipOver {
        /// From whom.
        peer: Hop,
        /// The whole message.
        bytes: Vec<u8>,
        /// Its place among the messages that may wait; free again when it was handled.
        permit: OwnedSemaphorePermit,
    },
    /// A connection is gone, or could not be made.
    Disconnected {
        /// With whom.
        peer: Hop,
    },
    /// The call is settled: its place in the flight recorder is free.
    Release(CallKey),
    /// End the thread. Calls that are alive are left to recovery.
    Stop,
}

/// Where a running shard takes its commands from; for whoever has something to say to it.
#[derive(Clone)]
pub struct Inbox {
    queue: SyncSender<ShardCommand>,
    wake: Arc<EventFd>,
    /// Set when the thread has ended.
    ended: Arc<AtomicBool>,
}

impl Inbox {
    /// Hands a command over.
    ///
    /// # Errors
    /// The command, when the shard is so far behind that its inbox is full, or has ended.
    pub fn send(&self, command: ShardCommand) -> std::result::Result<(), ShardCommand> {
        // A place that becomes free is no hurry: the next command or packet wakes the shard.
        let hurry = !matches!(command, ShardCommand::Release(_));
        match self.queue.try_send(command) {
            Ok(()) => {
                if hurry {
                    // A full counter wakes just as well.
                    let _ = self.wake.write(1);
                }
                Ok(())
            }
            Err(TrySendError::Full(command) | TrySendError::Disconnected(command)) => Err(command),
        }
    }

    /// Whether nobody takes commands any more.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

/// The other side of a running shard.
pub struct Shard {
    inbox: Inbox,
    thread: Option<JoinHandle<()>>,
    live: Arc<AtomicU64>,
    /// Where peers reach its SIP socket.
    pub sip_address: SocketAddr,
}

/// What a shard needs to start.
pub struct ShardConfig {
    /// Where SIP listens; the RTP sockets are bound to the same address.
    pub listen: SocketAddr,
    /// The address at which peers reach both.
    pub advertised: IpAddr,
    /// First RTP port, or 0 for free ones.
    pub media_port_first: u16,
    /// How many RTP sockets.
    pub media_ports: u16,
    /// Where messages for connections go; without it there are no connections.
    pub connections: Option<mpsc::Sender<Transmit>>,
    /// The port at which peers reach us over TLS, when they do.
    pub tls_port: Option<u16>,
    /// Completes the engine's configuration from the bound sockets.
    pub engine: EngineConfig,
}

impl Shard {
    /// Binds the sockets and starts the thread. Events come out of `events`.
    ///
    /// # Errors
    /// A port is taken.
    pub fn start(
        config: ShardConfig,
        recorder: Recorder,
        tape: Option<Tape>,
        events: mpsc::Sender<Vec<Event>>,
    ) -> Result<Self> {
        let listen = config.listen;
        let sip = udp::bind(listen).with_context(|| format!("binding SIP at {listen}"))?;
        udp::watch_errors(&sip).context("asking for ICMP errors of the SIP socket")?;
        let port = sip.local_addr().context("asking for the SIP port")?.port();
        let sip_address = SocketAddr::new(config.advertised, port);
        let rtp = bind_media(&config)?;
        let mut engine = config.engine;
        engine.sip_local = sip_address;
        engine.media_address = config.advertised;
        engine.rtp_ports = rtp
            .iter()
            .map(|socket| Ok(socket.local_addr()?.port()))
            .collect::<std::io::Result<_>>()
            .context("asking for the media ports")?;
        let (queue, commands) = sync_channel(INBOX);
        let wake = Arc::new(wake_up()?);
        let live = Arc::new(AtomicU64::new(0));
        let (bell, count) = (Arc::clone(&wake), Arc::clone(&live));
        let tls = config.tls_port.map(|port| SocketAddr::new(config.advertised, port));
        let end = SetAtEnd::default();
        let ended = Arc::clone(&end.0);
        // Made inside the thread: the batches' headers hold pointers and stay where they are.
        let work = move || {
            let (_end, start) = (end, clock::instant());
            let mut engine = Engine::new(engine);
            if let Some(tls) = tls {
                engine.reach(Transport::Tls, tls);
            }
            let worker = Worker {
                engine: Guarded(engine),
                connections: config.connections,
                disconnected: BTreeSet::new(),
                sip,
                rtp: rtp.into_iter().map(|socket| RtpSocket { socket, read_at: start }).collect(),
                recorder,
                tape,
                commands,
                wake: bell,
                events,
                backlog: EventBacklog::default(),
                report_at: None,
                sender: BatchSender::new(),
                receiver: BatchReceiver::new(udp::BATCH),
                out: Outputs::default(),
                sip_errors: false,
                sip_waits: false,
                sip_gathers_until: start,
                woken: false,
                undeliverable: BTreeSet::new(),
                rtp_refused: Vec::new(),
                live: count,
                counters_due: start,
                refusals: Refusals::new(start),
            };
            worker.run();
        };
        let thread = std::thread::Builder::new()
            .name(String::from("shard"))
            .spawn(work)
            .context("starting the shard's thread")?;
        let inbox = Inbox { queue, wake, ended };
        Ok(Self { inbox, thread: Some(thread), live, sip_address })
    }

    /// Hands a command over.
    ///
    /// # Errors
    /// The command, when the shard is so far behind that its inbox is full, or has ended.
    pub fn send(&self, command: ShardCommand) -> std::result::Result<(), ShardCommand> {
        self.inbox.send(command)
    }

    /// A way to it for others.
    pub fn inbox(&self) -> Inbox {
        self.inbox.clone()
    }

    /// How many calls are alive.
    pub fn live_calls(&self) -> u64 {
        self.live.load(Ordering::Relaxed)
    }

    /// Whether the thread has ended; only a bug ends it before [`Self::stop`].
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends the thread and waits for it.
    pub fn stop(&mut self) {
        while self.send(ShardCommand::Stop).is_err() && !self.has_ended() {
            std::thread::yield_now();
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the shard's thread had panicked");
        }
    }
}

fn wake_up() -> Result<EventFd> {
    EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)
        .context("making the shard's wake-up")
}

fn bind_media(config: &ShardConfig) -> Result<Vec<UdpSocket>> {
    (0..config.media_ports)
        .map(|n| {
            let port = match config.media_port_first {
                0 => 0,
                first => first + n,
            };
            let address = SocketAddr::new(config.listen.ip(), port);
            udp::bind(address).with_context(|| format!("binding media at {address}"))
        })
        .collect()
}

/// An engine whose bugs cost one input and at most one call, not the thread with all of them.
struct Guarded(Engine);

impl Guarded {
    fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Outputs) {
        // The engine says itself how it goes on with what a panic left behind.
        let handled = catch_unwind(AssertUnwindSafe(|| self.0.handle(now, input, out)));
        if handled.is_err() {
            tracing::error!(
                "the engine has panicked, which is a bug; it goes on without the input"
            );
            self.0.recover(now, out);
        }
    }
}

/// Tells that a thread has ended, however it did.
#[derive(Default)]
struct SetAtEnd(Arc<AtomicBool>);

impl Drop for SetAtEnd {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// An RTP socket and when it was last read.
struct RtpSocket {
    socket: UdpSocket,
    read_at: Instant,
}

struct Worker {
    engine: Guarded,
    connections: Option<mpsc::Sender<Transmit>>,
    /// Peers to whose connections a message of the last step could not be handed.
    disconnected: BTreeSet<Hop>,
    sip: UdpSocket,
    rtp: Vec<RtpSocket>,
    recorder: Recorder,
    /// Where recordings go; without one they are dropped.
    tape: Option<Tape>,
    commands: Receiver<ShardCommand>,
    wake: Arc<EventFd>,
    events: mpsc::Sender<Vec<Event>>,
    /// Events that the node was not told yet, and when it is to be told.
    backlog: EventBacklog,
    report_at: Option<Instant>,
    sender: BatchSender,
    receiver: BatchReceiver,
    out: Outputs,
    /// ICMP errors wait at the SIP socket.
    sip_errors: bool,
    /// Datagrams wait on the SIP socket.
    sip_waits: bool,
    /// Until then the SIP socket wakes nobody.
    sip_gathers_until: Instant,
    /// Somebody has written to `wake`.
    woken: bool,
    /// Where datagrams of the last step could not be sent.
    undeliverable: BTreeSet<SocketAddr>,
    /// The packets of the last step that the kernel did not take.
    rtp_refused: Vec<RtpTransmit>,
    live: Arc<AtomicU64>,
    counters_due: Instant,
    refusals: Refusals,
}

impl Worker {
    fn run(mut self) {
        loop {
            let now = clock::instant();
            if !self.take_commands(now) {
                self.report_at = Some(now);
                self.report(now);
                self.publish_counters();
                return;
            }
            self.take_refused(now);
            self.take_sip(now);
            self.take_rtp(now);
            if self.engine.0.next_timeout().is_some_and(|due| due <= now) {
                self.engine.handle(now, Input::Timeout, &mut self.out);
            }
            self.flush(now);
            self.report(now);
            self.publish(now);
            self.wait();
        }
    }

    /// Returns whether to go on.
    fn take_commands(&mut self, now: Instant) -> bool {
        if std::mem::take(&mut self.woken) {
            // Whoever wrote to it meant the inbox; what is read from it has no meaning of its own.
            let _ = self.wake.read();
        }
        loop {
            match self.commands.try_recv() {
                Ok(ShardCommand::Engine(command)) => self.take_command(now, command),
                Ok(ShardCommand::SipOver { peer, bytes, permit }) => {
                    let input = Input::SipOver { peer, bytes: &bytes };
                    self.engine.handle(now, input, &mut self.out);
                    drop(permit);
                }
                Ok(ShardCommand::Disconnected { peer }) => {
                    self.engine.handle(now, Input::Disconnected { peer }, &mut self.out);
                }
                Ok(ShardCommand::Release(call)) => self.recorder.release(call),
                Ok(ShardCommand::Stop) | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => return true,
            }
        }
    }

    fn take_command(&mut self, now: Instant, command: Command) {
        if let Command::Start(spec) = &command
            && let Err(refused) = self.recorder.open(spec.call, spec.script.message_ms())
        {
            self.out.events.push(refused);
            return;
        }
        self.engine.handle(now, Input::Command(command), &mut self.out);
    }

    /// Tells the engine what did not leave: first of all, so that no call ends without knowing.
    fn take_refused(&mut self, now: Instant) {
        if std::mem::take(&mut self.sip_errors) {
            let undeliverable = &mut self.undeliverable;
            udp::take_errors(&self.sip, ERRORS_PER_STEP, |destination| {
                undeliverable.insert(destination);
            });
        }
        while let Some(peer) = self.disconnected.pop_first() {
            self.engine.handle(now, Input::Disconnected { peer }, &mut self.out);
        }
        for packet in self.rtp_refused.drain(..) {
            self.engine.handle(now, Input::RtpRefused(&packet), &mut self.out);
        }
        while let Some(destination) = self.undeliverable.pop_first() {
            tracing::debug!(%destination, "SIP cannot be delivered");
            self.engine.handle(now, Input::Undeliverable { destination }, &mut self.out);
        }
    }

    fn take_sip(&mut self, now: Instant) {
        if !self.sip_waits {
            return;
        }
        let (engine, out) = (&mut self.engine, &mut self.out);
        let taken = self.receiver.drain(&self.sip, SIP_PER_STEP, |source, bytes| {
            engine.handle(now, Input::Sip { source, bytes }, out);
        });
        if (1..SIP_PER_STEP).contains(&taken) {
            self.sip_gathers_until = now + SIP_GATHERS;
        }
    }

    /// Reads the RTP sockets whose turn it is, those of calls once in a packet's time.
    fn take_rtp(&mut self, now: Instant) {
        let (engine, out) = (&mut self.engine, &mut self.out);
        for (slot, rtp) in (0..=u8::MAX).zip(&mut self.rtp) {
            let pause = if engine.0.calls_on_port(slot) > 0 { RTP_UNREAD } else { IDLE_WAIT };
            if now + RTP_EARLY < rtp.read_at + pause {
                continue;
            }
            rtp.read_at = now;
            self.receiver.drain(&rtp.socket, RTP_PER_STEP, |source, bytes| {
                engine.handle(now, Input::Rtp { slot, source, bytes }, out);
            });
        }
    }

    /// Records, sends and reports what the step brought, in this order.
    fn flush(&mut self, now: Instant) {
        self.recorder.note(&self.out.events);
        self.hand_to_connections();
        let (datagrams, undeliverable) = (&self.out.sip, &mut self.undeliverable);
        self.sender.send(
            &self.sip,
            datagrams.iter().map(|t| Outgoing {
                destination: t.destination,
                head: &t.bytes,
                body: &[],
            }),
            |place, errno| {
                if udp::is_unreachable(errno) {
                    undeliverable.insert(datagrams[place].destination);
                }
            },
        );
        send_rtp(&mut self.sender, &self.rtp, &self.out.rtp, &mut self.rtp_refused);
        send_rtcp(&mut self.sender, &self.rtp, &self.out.rtcp);
        if let Some(tape) = &mut self.tape {
            tape.take(&mut self.out.recorded);
        }
        if !self.out.events.is_empty() {
            self.backlog.extend(self.out.events.drain(..));
            self.report_at.get_or_insert(now + REPORT_EVERY);
        }
        self.out.clear();
    }

    /// Takes what goes over connections out of the messages to send.
    fn hand_to_connections(&mut self) {
        for transmit in self.out.sip.extract_if(.., |message| message.transport.is_reliable()) {
            let peer = Hop { transport: transmit.transport, address: transmit.destination };
            let sender = self.connections.as_ref();
            if sender.is_none_or(|sender| sender.try_send(transmit).is_err()) {
                self.disconnected.insert(peer);
            }
        }
    }

    /// Tells the node what has happened, all at once, when that is due and it has room.
    fn report(&mut self, now: Instant) {
        if self.report_at.is_none_or(|at| now < at) {
            return;
        }
        self.backlog.report(&self.events);
        self.report_at = (!self.backlog.is_empty()).then(|| now + REPORT_EVERY);
    }

    fn publish(&mut self, now: Instant) {
        let live = self.engine.0.live_calls() as u64;
        self.live.store(live, Ordering::Relaxed);
        if now < self.counters_due {
            return;
        }
        self.counters_due = now + COUNTERS_EVERY;
        self.publish_counters();
        for (reason, count) in self.refusals.since(now, self.engine.0.counters()) {
            tracing::warn!(reason, count, "peers were refused in the last ten seconds");
        }
    }

    fn publish_counters(&self) {
        for (name, value) in self.engine.0.counters() {
            metrics::counter!("avanak_engine_total", "event" => name).absolute(value);
        }
        metrics::counter!("avanak_datagrams_sent_total").absolute(self.sender.sent);
        metrics::counter!("avanak_datagrams_dropped_total").absolute(self.sender.dropped);
        metrics::counter!("avanak_events_dropped_total").absolute(self.backlog.dropped());
        metrics::counter!("avanak_recorder_failures_total").absolute(self.recorder.write_errors());
    }

    /// Waits for a datagram, a command or the next thing that is due.
    fn wait(&mut self) {
        let now = clock::instant();
        let longest = if !self.undeliverable.is_empty() || !self.disconnected.is_empty() {
            Duration::ZERO
        } else if self.engine.0.live_calls() > 0 {
            RTP_UNREAD
        } else {
            IDLE_WAIT
        };
        let gathers = now < self.sip_gathers_until;
        let due = [self.engine.0.next_timeout(), self.report_at]
            .into_iter()
            .chain([gathers.then_some(self.sip_gathers_until)])
            .flatten()
            .min();
        let wait = due.map_or(longest, |due| due.saturating_duration_since(now).min(longest));
        let timeout = TimeSpec::from_duration(wait);
        let mut descriptors = [
            PollFd::new(self.wake.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.sip.as_fd(), PollFlags::POLLIN),
        ];
        let watched = if gathers { 1 } else { 2 };
        // An interrupted wait is a short one.
        let _ = ppoll(&mut descriptors[..watched], Some(timeout), None);
        let [wake, sip] = descriptors.map(|descriptor| descriptor.revents());
        let told = |revents: Option<PollFlags>, what| revents.is_some_and(|all| all.contains(what));
        self.sip_errors = told(sip, PollFlags::POLLERR);
        // Whatever has woken it, what has gathered is read on the way.
        self.sip_waits = gathers || told(sip, PollFlags::POLLIN);
        self.woken = told(wake, PollFlags::POLLIN);
    }
}

/// Sends packets, one batch per run of the same socket, and notes those that were refused.
fn send_rtp(
    sender: &mut BatchSender,
    sockets: &[RtpSocket],
    packets: &[RtpTransmit],
    refused: &mut Vec<RtpTransmit>,
) {
    for run in packets.chunk_by(|a, b| a.slot == b.slot) {
        let Some(RtpSocket { socket, .. }) = sockets.get(usize::from(run[0].slot)) else {
            continue;
        };
        let datagrams = run.iter().map(|packet| Outgoing {
            destination: packet.destination,
            head: &packet.header,
            body: packet.payload(),
        });
        sender.send(socket, datagrams, |place, _| refused.push(run[place].clone()));
    }
}

/// Sends reports. One that is refused is counted by the sender; the next comes in seconds.
fn send_rtcp(sender: &mut BatchSender, sockets: &[RtpSocket], reports: &[RtcpTransmit]) {
    for run in reports.chunk_by(|a, b| a.slot == b.slot) {
        let Some(RtpSocket { socket, .. }) = sockets.get(usize::from(run[0].slot)) else {
            continue;
        };
        let datagrams = run.iter().map(|report| Outgoing {
            destination: report.destination,
            head: &report.bytes,
            body: &[],
        });
        sender.send(socket, datagrams, |_, _| {});
    }
}

/// A channel for the events of a shard.
pub fn event_channel() -> (mpsc::Sender<Vec<Event>>, mpsc::Receiver<Vec<Event>>) {
    mpsc::channel(OUTBOX)
}
