//! The far end of the calls: a thread that rings and answers at once, and notes when each INVITE
//! and each RTP packet arrived.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use media::{Codec, sdp};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use server::clock;
use server::udp::{BatchSender, Outgoing};
use sip::{Endpoint, Headers, LegId, Request};

use crate::arrivals::{self, Arrivals};
use crate::bare;
use crate::talkers::Talkers;

/// Media ports; one thread reads them all.
const MEDIA_PORTS: usize = 150;
/// So many calls in a row have the same one. Our side gives each of them another port of its own,
/// so that two addresses name one call, as they do with real callees.
const CALLS_IN_A_ROW: usize = 20;
/// How often the media ports are read. The kernel's stamps do not depend on it.
const READ_EVERY: Duration = Duration::from_millis(4);
/// Bytes of an RTP header without extensions (RFC 3550 §5.1).
const HEADER_BYTES: usize = 12;

/// An INVITE that arrived.
#[derive(Debug, Clone)]
pub struct Invite {
    /// When the kernel had it, nanoseconds of UTC.
    pub at_ns: i64,
    /// The user part of its Request-URI.
    pub number: String,
}

/// An RTP packet that arrived.
#[derive(Debug, Clone, Copy)]
pub struct Packet {
    /// When the kernel had it, nanoseconds of UTC.
    pub at_ns: i64,
    /// Whose it is.
    pub ssrc: u32,
    /// Where in its stream it stands, in units of 125 µs.
    pub timestamp: u32,
}

/// What it does in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It says nothing.
    Listens,
    /// It sends a packet every 20 ms, as a phone does.
    Talks,
    /// It says that it only sends, and sends nothing: a call without media.
    Refuses,
}

/// What was heard, and said.
pub struct Heard {
    /// The RTP packets in the order in which they were read.
    pub packets: Vec<Packet>,
    /// How many it sent.
    pub said: u64,
    /// Packets of yardsticks that arrived; nothing else is known of them.
    pub of_yardsticks: u64,
}

/// The running far end.
pub struct FarEnd {
    /// Where it takes calls.
    pub sip: SocketAddr,
    /// Where it hears calls; yardsticks send there, too.
    pub media: Vec<SocketAddr>,
    /// INVITEs as they arrive.
    pub invites: Receiver<Invite>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Heard>>,
}

impl FarEnd {
    /// Starts the thread. Calls to numbers for which `answers` says no are refused as busy.
    ///
    /// # Errors
    /// Sockets could not be made.
    pub fn start(answers: fn(&str) -> bool) -> Result<Self> {
        Self::with(answers, Manner::Listens)
    }

    /// The same, with another manner.
    ///
    /// # Errors
    /// Sockets could not be made.
    pub fn with(answers: fn(&str) -> bool, manner: Manner) -> Result<Self> {
        let socket = arrivals::bind()?;
        let media = (0..MEDIA_PORTS).map(|_| arrivals::bind()).collect::<Result<Vec<_>>>()?;
        let sip = socket.local_addr()?;
        let addresses = media.iter().map(UdpSocket::local_addr).collect::<Result<Vec<_>, _>>()?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let (tell, invites) = channel();
        let work = move || {
            let endpoint = Endpoint::new(sip::Config {
                local: sip,
                secret: clock::random_secret(),
                user_agent: String::from("far end"),
                registrar: false,
                // The plain call of seven messages that other programs are compared by.
                extensions: sip::Extensions { reliable: false, ..sip::Extensions::default() },
                limits: sip::Limits {
                    legs: 100_000,
                    server_transactions: 1_000_000,
                    ..Default::default()
                },
            });
            let worker = Worker {
                endpoint,
                out: sip::Outputs::default(),
                socket,
                media,
                calls: 0,
                answers,
                manner,
                talkers: (manner == Manner::Talks).then(|| Talkers::new(clock::instant())),
                sender: BatchSender::new(),
                tell,
                packets: Vec::new(),
                of_yardsticks: 0,
            };
            worker.run(&told)
        };
        let thread = std::thread::Builder::new().name(String::from("far-end")).spawn(work)?;
        Ok(Self { sip, media: addresses, invites, stop, thread })
    }

    /// Ends the thread.
    ///
    /// # Errors
    /// What ended the thread before.
    pub fn stop(self) -> Result<Heard> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the far end panicked"))?
    }
}

struct Worker {
    endpoint: Endpoint,
    out: sip::Outputs,
    socket: UdpSocket,
    media: Vec<UdpSocket>,
    calls: usize,
    answers: fn(&str) -> bool,
    manner: Manner,
    talkers: Option<Talkers>,
    sender: BatchSender,
    tell: Sender<Invite>,
    packets: Vec<Packet>,
    of_yardsticks: u64,
}

impl Worker {
    fn run(mut self, stop: &AtomicBool) -> Result<Heard> {
        let mut arrivals = Arrivals::new();
        let mut read_at = clock::instant();
        while !stop.load(Ordering::Relaxed) {
            let mut sip = Vec::new();
            arrivals.drain(&self.socket, |at_ns, source, bytes| {
                sip.push((at_ns, source, bytes.to_vec()));
            })?;
            for (at_ns, source, bytes) in sip {
                self.receive(at_ns, source, &bytes)?;
            }
            let now = clock::instant();
            self.endpoint.expire(now, &mut self.out);
            self.react(now, 0)?;
            if now >= read_at {
                read_at = now + READ_EVERY;
                self.hear(&mut arrivals)?;
            }
            let mut next = read_at;
            if let Some(talkers) = &mut self.talkers {
                next = next.min(talkers.talk(now, &self.media, &mut self.sender));
            }
            self.wait(next.saturating_duration_since(clock::instant()));
        }
        let said = self.talkers.map_or(0, |talkers| talkers.said());
        Ok(Heard { packets: self.packets, said, of_yardsticks: self.of_yardsticks })
    }

    /// Reads the media ports, and gives back what is to come back.
    fn hear(&mut self, arrivals: &mut Arrivals) -> Result<()> {
        for socket in &self.media {
            let (packets, others) = (&mut self.packets, &mut self.of_yardsticks);
            let mut echoed = Vec::new();
            arrivals.drain(socket, |at_ns, source, bytes| match packet(at_ns, bytes) {
                Some(Packet { ssrc: bare::SSRC, .. }) => *others += 1,
                Some(Packet { ssrc: bare::ECHOED_SSRC, .. }) => echoed.push(source),
                packet => packets.extend(packet),
            })?;
            *others += echoed.len() as u64;
            let echoes = echoed.into_iter().map(|destination| Outgoing {
                destination,
                head: &bare::HEAD,
                body: &bare::BODY,
            });
            self.sender.send(socket, echoes, |_, _| {});
        }
        Ok(())
    }

    fn receive(&mut self, at_ns: i64, source: SocketAddr, bytes: &[u8]) -> Result<()> {
        let now = clock::instant();
        self.endpoint.receive(now, source, bytes, &mut self.out);
        self.react(now, at_ns)
    }

    fn react(&mut self, now: Instant, at_ns: i64) -> Result<()> {
        for event in std::mem::take(&mut self.out.events) {
            match event {
                sip::Event::Incoming { leg, request, .. } => {
                    self.take_call(now, at_ns, leg, &request)?;
                }
                sip::Event::Ended { leg, .. } => {
                    if let Some(talkers) = &mut self.talkers {
                        talkers.remove(leg);
                    }
                }
                _ => {}
            }
        }
        for transmit in self.out.transmits.drain(..) {
            self.socket.send_to(&transmit.bytes, transmit.destination).context("answering")?;
        }
        Ok(())
    }

    fn take_call(&mut self, now: Instant, at_ns: i64, leg: LegId, request: &Request) -> Result<()> {
        let number = String::from_utf8_lossy(request.uri.user()).into_owned();
        if (self.answers)(&number) {
            self.calls += 1;
            let port = self.calls / CALLS_IN_A_ROW % MEDIA_PORTS;
            let mut local = sdp::Local::new(1, self.media[port].local_addr()?, &[Codec::Pcma]);
            if self.manner == Manner::Refuses {
                local.direction = sdp::Direction::SendOnly;
            }
            let (agreed, answer) = sdp::answer_offer(&local, &request.body)
                .map_err(|why| anyhow::anyhow!("the offer cannot be answered: {why:?}"))?;
            if let Some(talkers) = &mut self.talkers {
                talkers.add(leg, port, agreed.remote);
            }
            self.endpoint.ring(now, leg, 180, None, &mut self.out);
            self.endpoint.answer(now, leg, &answer, &mut self.out);
        } else {
            self.endpoint.reject(now, leg, 486, "", &Headers::new(), &mut self.out);
        }
        // Nobody may be interested in numbers; then the other end is gone.
        let _ = self.tell.send(Invite { at_ns, number });
        Ok(())
    }

    /// Media alone does not wake: a thousand calls would leave no time to anybody else.
    fn wait(&self, longest: Duration) {
        let mut watched = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        // An interrupted wait is a short one.
        let _ = ppoll(&mut watched, Some(TimeSpec::from_duration(longest)), None);
    }
}

fn packet(at_ns: i64, bytes: &[u8]) -> Option<Packet> {
    let header: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
    if media::rtp::rtcp::is_rtcp(bytes) {
        return None;
    }
    let word = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    Some(Packet { at_ns, ssrc: word(8), timestamp: word(4) })
}
