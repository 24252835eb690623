//! The thread of a shard: takes what has come, lets the engine do what is due, and sends.
//!
//! Order matters in one place: events go to the flight recorder before the datagrams of the same
//! step leave, so a call is on record as dialled before its INVITE can reach anyone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use engine::{
    Command, Engine, EngineConfig, Hop, Input, Outputs, RtcpTransmit, RtpTransmit, Transmit,
    Transport,
};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use tokio::sync::mpsc;

use super::Reported;
use super::inbox::{Commands, ShardCommand};
use super::sorter::{Door, Sorter};
use crate::backlog::EventBacklog;
use crate::clock;
use crate::flight_recorder::Recorder;
use crate::recordings::Tape;
use crate::refusals::{Refusals, SHARD_WITHOUT_ROOM};
use crate::udp::{self, BatchReceiver, BatchSender, Outgoing};

/// Commands taken in one step, for the same reason as `SIP_PER_STEP`.
const COMMANDS_PER_STEP: usize = 64;
/// SIP datagrams taken in one step, so that a flood cannot starve the audio: about a millisecond.
const SIP_PER_STEP: usize = 64;
/// How long datagrams may gather on the SIP socket once some were read, as a network card gathers
/// before it interrupts. The first one after a pause is read at once; under load each wake-up,
/// dearer than the message itself, then serves many (docs/decisions/0032-fewer-wake-ups.md).
const SIP_GATHERS: Duration = Duration::from_millis(10);
/// ICMP errors taken from the SIP socket in one step.
const ERRORS_PER_STEP: usize = 64;
/// RTP datagrams taken from one socket in one step: so many for each of its calls, and some more. A
/// flood waits, and what finds no room in the kernel's buffer is lost to whoever sent it.
const RTP_PER_CALL: usize = 4;
const RTP_PER_STEP: usize = 64;
/// How long the RTP socket of a call may go unread: a packet's time. The wheel wakes the shard on
/// the same grid, so that reading needs no wake-ups of its own while calls play.
const RTP_UNREAD: Duration = Duration::from_millis(20);
/// The same for a socket with at least so many calls whose sound is read: what waits there
/// stays in the nearest caches, and a packet costs the kernel a fifth less.
const RTP_BUSY_UNREAD: Duration = Duration::from_millis(4);
const RTP_BUSY_CALLS: usize = 64;
/// A wake-up of the wheel that comes this much early still reads.
const RTP_EARLY: Duration = Duration::from_millis(1);
/// How long what happened is gathered before the node is told: waking it for every ringing tone
/// costs more than the call's signalling.
const REPORT_EVERY: Duration = Duration::from_millis(20);
/// The longest wait when nothing is due; what strangers sent meanwhile is thrown away then.
const IDLE_WAIT: Duration = Duration::from_millis(200);
/// How often counters are published.
const COUNTERS_EVERY: Duration = Duration::from_secs(1);

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

/// An RTP socket, when it was to be read the last time, and whether sound is kept from it.
struct RtpSocket {
    socket: UdpSocket,
    read_at: Instant,
    ignores_sound: bool,
}

impl RtpSocket {
    /// How long it may go unread with so many calls.
    fn unread(&self, calls: usize) -> Duration {
        match calls {
            0 => IDLE_WAIT,
            RTP_BUSY_CALLS.. if !self.ignores_sound => RTP_BUSY_UNREAD,
            _ => RTP_UNREAD,
        }
    }

    /// Notes that it is read, on a grid of its own: ports that were all read in one step would hold
    /// up the packets that are due meanwhile.
    fn was_read(&mut self, now: Instant) {
        let passed = (now + RTP_EARLY).saturating_duration_since(self.read_at).as_micros();
        let periods = u32::try_from(passed / RTP_BUSY_UNREAD.as_micros()).unwrap_or(u32::MAX);
        self.read_at += RTP_BUSY_UNREAD.saturating_mul(periods);
    }

    /// Lets sound come, or not. A kernel that will not filter costs time, and nothing else.
    fn ignore_sound(&mut self, ignore: bool) {
        if ignore == self.ignores_sound {
            return;
        }
        self.ignores_sound = ignore;
        if let Err(error) = udp::ignore_sound(&self.socket, ignore) {
            tracing::warn!(%error, ignore, "the filter for sound");
        }
    }
}

/// What a shard is made of.
pub(super) struct Parts {
    pub(super) shard: usize,
    pub(super) engine: EngineConfig,
    /// Where peers reach each SIP socket.
    pub(super) reached: Vec<SocketAddr>,
    /// The port at which they reach us over TLS.
    pub(super) tls_port: Option<u16>,
    /// The SIP sockets that all shards send through: one, or one of IPv4 and one of IPv6.
    pub(super) sip: Arc<[UdpSocket]>,
    pub(super) rtp: Vec<UdpSocket>,
    /// Sound that no call listens to is not read.
    pub(super) ignore_sound: bool,
    /// What makes this shard the one that reads the SIP sockets.
    pub(super) sorter: Option<Arc<Sorter>>,
    pub(super) connections: Option<mpsc::Sender<Transmit>>,
    pub(super) recorder: Recorder,
    pub(super) tape: Option<Tape>,
    pub(super) commands: Commands,
    pub(super) events: mpsc::Sender<Reported>,
    pub(super) live: Arc<AtomicU64>,
}

/// The thread's own state.
pub(super) struct Worker {
    engine: Guarded,
    connections: Option<mpsc::Sender<Transmit>>,
    /// Peers to whose connections a message of the last step could not be handed.
    disconnected: BTreeSet<Hop>,
    sip: Arc<[UdpSocket]>,
    /// For the shard that reads the SIP sockets.
    door: Option<Door>,
    rtp: Vec<RtpSocket>,
    /// The socket that is looked at first.
    next_rtp: usize,
    ignore_sound: bool,
    recorder: Recorder,
    /// Where recordings go; without one they are dropped.
    tape: Option<Tape>,
    commands: Commands,
    /// More commands wait than one step takes.
    commands_wait: bool,
    events: mpsc::Sender<Reported>,
    /// Events that the node was not told yet, and when it is to be told.
    backlog: EventBacklog,
    report_at: Option<Instant>,
    sender: BatchSender,
    /// Reads SIP, of any length.
    receiver: BatchReceiver,
    rtp_receiver: BatchReceiver,
    out: Outputs,
    /// Somebody has written to the wake-up.
    woken: bool,
    /// Where datagrams of the last step could not be sent.
    undeliverable: BTreeSet<SocketAddr>,
    /// The packets of the last step that the kernel did not take.
    rtp_refused: Vec<RtpTransmit>,
    live: Arc<AtomicU64>,
    counters_due: Instant,
    totals: Totals,
    refusals: Refusals,
}

impl Worker {
    /// To be called in the thread.
    pub(super) fn new(parts: Parts) -> Self {
        let now = clock::instant();
        let mut engine = Engine::new(parts.engine);
        for at in parts.reached {
            engine.reach(Transport::Udp, at);
            engine.reach(Transport::Tcp, at);
            if let Some(port) = parts.tls_port {
                engine.reach(Transport::Tls, SocketAddr::new(at.ip(), port));
            }
        }
        // Their turns are spread over a packet's time.
        let turns = u32::try_from(parts.rtp.len()).unwrap_or(u32::MAX).max(1);
        let rtp = (0..).zip(parts.rtp).map(|(turn, socket)| {
            let read_at = now + RTP_UNREAD * turn / turns;
            RtpSocket { socket, read_at, ignores_sound: false }
        });
        Self {
            engine: Guarded(engine),
            connections: parts.connections,
            disconnected: BTreeSet::new(),
            sip: parts.sip,
            door: parts.sorter.map(|sorter| Door::new(sorter, now)),
            rtp: rtp.collect(),
            next_rtp: 0,
            ignore_sound: parts.ignore_sound,
            recorder: parts.recorder,
            tape: parts.tape,
            commands: parts.commands,
            commands_wait: false,
            events: parts.events,
            backlog: EventBacklog::of(parts.shard),
            report_at: None,
            sender: BatchSender::new(),
            receiver: BatchReceiver::new(udp::BATCH, udp::ANY_DATAGRAM),
            rtp_receiver: BatchReceiver::new(udp::BATCH, udp::RTP_DATAGRAM),
            out: Outputs::default(),
            woken: false,
            undeliverable: BTreeSet::new(),
            rtp_refused: Vec::new(),
            live: parts.live,
            counters_due: now,
            totals: Totals::default(),
            refusals: Refusals::new(now),
        }
    }

    /// Works until it is told to stop.
    pub(super) fn run(mut self) {
        loop {
            let now = clock::instant();
            self.take_refused(now);
            // Then sound: what is due has left before anything else is looked at.
            if self.engine.0.next_timeout().is_some_and(|due| due <= now) {
                self.engine.handle(now, Input::Timeout, &mut self.out);
                self.flush(now);
            }
            if !self.take_commands(now) {
                // What came before the order to stop has been done.
                self.flush(now);
                self.report_at = Some(now);
                self.report(now);
                self.publish_counters();
                return;
            }
            self.take_sip(now);
            self.take_rtp(now);
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
            let _ = self.commands.wake.read();
        }
        self.commands_wait = false;
        for _ in 0..COMMANDS_PER_STEP {
            match self.commands.queue.try_recv() {
                Ok(ShardCommand::Engine(command)) => self.take_command(now, command),
                Ok(ShardCommand::Sip { source, bytes, permit }) => {
                    self.engine.handle(now, Input::Sip { source, bytes: &bytes }, &mut self.out);
                    drop(permit);
                }
                Ok(ShardCommand::SipOver { peer, bytes, permit }) => {
                    let input = Input::SipOver { peer, bytes: &bytes };
                    self.engine.handle(now, input, &mut self.out);
                    drop(permit);
                }
                Ok(ShardCommand::Disconnected { peer }) => {
                    self.engine.handle(now, Input::Disconnected { peer }, &mut self.out);
                }
                Ok(ShardCommand::Undeliverable { destination }) => {
                    self.undeliverable.insert(destination);
                }
                Ok(ShardCommand::Release(call)) => self.recorder.release(call),
                Ok(ShardCommand::Stop) | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => return true,
            }
        }
        self.commands_wait = true;
        true
    }

    fn take_command(&mut self, now: Instant, command: Command) {
        if let Command::Start(spec) = &command
            && let Err(refused) = self.recorder.open(spec.call, spec.script.subject_ms())
        {
            self.out.events.push(refused);
            return;
        }
        self.engine.handle(now, Input::Command(command), &mut self.out);
    }

    /// Tells the engine what did not leave: first of all, so that no call ends without knowing.
    fn take_refused(&mut self, now: Instant) {
        if let Some(door) = &mut self.door
            && std::mem::take(&mut door.errors)
        {
            let undeliverable = &mut self.undeliverable;
            for socket in self.sip.iter() {
                udp::take_errors(socket, ERRORS_PER_STEP, |destination| {
                    undeliverable.insert(destination);
                    door.undeliverable(destination);
                });
            }
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
        let Some(door) = self.door.as_mut().filter(|door| door.waits) else { return };
        let (engine, out) = (&mut self.engine, &mut self.out);
        let mut most = 0;
        for socket in self.sip.iter() {
            let taken = self.receiver.drain(socket, SIP_PER_STEP, |source, bytes| {
                if !door.take(source, bytes) {
                    engine.handle(now, Input::Sip { source, bytes }, out);
                }
            });
            most = taken.max(most);
        }
        door.ring();
        if (1..SIP_PER_STEP).contains(&most) {
            door.gathers_until = now + SIP_GATHERS;
        }
    }

    /// Reads the RTP sockets whose turn it is, those of calls once in a packet's time. When packets
    /// of ours are due, the rest waits for the next step, which begins with it.
    fn take_rtp(&mut self, now: Instant) {
        let (engine, out) = (&mut self.engine, &mut self.out);
        let sockets = self.rtp.len();
        for slot in (self.next_rtp..sockets).chain(0..self.next_rtp) {
            let (rtp, port) = (&mut self.rtp[slot], u8::try_from(slot).unwrap_or(u8::MAX));
            let calls = engine.0.calls_on_port(port);
            if now + RTP_EARLY < rtp.read_at + rtp.unread(calls) {
                continue;
            }
            rtp.was_read(now);
            rtp.ignore_sound(self.ignore_sound && engine.0.listeners_on_port(port) == 0);
            engine.0.drops_sound(port, rtp.ignores_sound);
            let most = RTP_PER_STEP + RTP_PER_CALL * calls;
            self.rtp_receiver.drain(&rtp.socket, most, |source, bytes| {
                engine.handle(now, Input::Rtp { slot: port, source, bytes }, out);
            });
            let due = engine.0.next_timeout();
            if due.is_some_and(|due| due <= clock::instant()) {
                self.next_rtp = (slot + 1) % sockets;
                return;
            }
        }
    }

    /// Records, sends and reports what the step brought, in this order.
    fn flush(&mut self, now: Instant) {
        self.recorder.note(&self.out.events);
        self.hand_to_connections();
        send_sip(&mut self.sender, &self.sip, &self.out.sip, &mut self.undeliverable);
        send_rtp(&mut self.sender, &self.rtp, &self.out.rtp, &mut self.rtp_refused);
        send_rtcp(&mut self.sender, &self.rtp, &self.out.rtcp);
        if let Some(tape) = &self.tape {
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
        let dropped = self.door.as_ref().map_or(0, |door| door.dropped);
        let counters = self.engine.0.counters().chain([(SHARD_WITHOUT_ROOM, dropped)]);
        for (reason, count) in self.refusals.since(now, counters) {
            tracing::warn!(reason, count, "peers were refused in the last ten seconds");
        }
    }

    /// Adds what is new to the counters, which are those of all shards.
    fn publish_counters(&mut self) {
        for (name, total) in self.engine.0.counters() {
            let more = self.totals.growth(name, total);
            metrics::counter!("avanak_engine_total", "event" => name).increment(more);
        }
        for (name, total) in [
            ("avanak_datagrams_sent_total", self.sender.sent),
            ("avanak_datagrams_dropped_total", self.sender.dropped),
            ("avanak_events_dropped_total", self.backlog.dropped()),
            ("avanak_recorder_failures_total", self.recorder.write_errors()),
        ] {
            metrics::counter!(name).increment(self.totals.growth(name, total));
        }
    }

    /// Waits for a datagram, a command or the next thing that is due.
    fn wait(&mut self) {
        let now = clock::instant();
        let hurried = !self.undeliverable.is_empty() || !self.disconnected.is_empty();
        let longest = if hurried || self.commands_wait {
            Duration::ZERO
        } else if self.engine.0.live_calls() > 0 {
            RTP_UNREAD
        } else {
            IDLE_WAIT
        };
        let gathers_until =
            self.door.as_ref().map(|door| door.gathers_until).filter(|until| now < *until);
        let due = [self.engine.0.next_timeout(), self.report_at, gathers_until];
        let due = due.into_iter().flatten().min();
        let wait = due.map_or(longest, |due| due.saturating_duration_since(now).min(longest));
        let timeout = TimeSpec::from_duration(wait);
        let readable = |descriptor| PollFd::new(descriptor, PollFlags::POLLIN);
        let (first, last) = (self.sip[0].as_fd(), self.sip[self.sip.len() - 1].as_fd());
        let mut descriptors =
            [readable(self.commands.wake.as_fd()), readable(first), readable(last)];
        let gathers = gathers_until.is_some();
        let watched = if gathers || self.door.is_none() { 1 } else { 1 + self.sip.len() };
        // An interrupted wait is a short one.
        let _ = ppoll(&mut descriptors[..watched], Some(timeout), None);
        let [wake, sip @ ..] = descriptors.map(|descriptor| descriptor.revents());
        let told = |revents: Option<PollFlags>, what| revents.is_some_and(|all| all.contains(what));
        self.woken = told(wake, PollFlags::POLLIN);
        if let Some(door) = &mut self.door {
            door.errors = sip.iter().any(|sip| told(*sip, PollFlags::POLLERR));
            // Whatever has woken it, what has gathered is read on the way.
            door.waits = gathers || sip.iter().any(|sip| told(*sip, PollFlags::POLLIN));
        }
    }
}

/// How much of each total was published.
#[derive(Default)]
struct Totals(BTreeMap<&'static str, u64>);

impl Totals {
    /// How much a total has grown since it was asked for the last time.
    fn growth(&mut self, name: &'static str, total: u64) -> u64 {
        let before = self.0.insert(name, total).unwrap_or(0);
        total.saturating_sub(before)
    }
}

/// Sends messages, one batch per run of the same family, and notes where none can be sent.
fn send_sip(
    sender: &mut BatchSender,
    sockets: &[UdpSocket],
    messages: &[Transmit],
    undeliverable: &mut BTreeSet<SocketAddr>,
) {
    let is_v4 = |message: &Transmit| message.destination.is_ipv4();
    for run in messages.chunk_by(|a, b| is_v4(a) == is_v4(b)) {
        let socket = match sockets {
            [v4, v6] => {
                if is_v4(&run[0]) {
                    v4
                } else {
                    v6
                }
            }
            // The kernel says so when it is of the other family.
            all => &all[0],
        };
        let datagrams = run.iter().map(|message| Outgoing {
            destination: message.destination,
            head: &message.bytes,
            body: &[],
        });
        sender.send(socket, datagrams, |place, errno| {
            if udp::is_unreachable(errno) {
                undeliverable.insert(run[place].destination);
            }
        });
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
