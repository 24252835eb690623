//! A far end for soaks: it answers every call, sends the sound that it hears back, and loses
//! datagrams each way, SIP and sound alike. It keeps counts and nothing else, for hours.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use media::rtp::rtcp::is_rtcp;
use media::{Codec, sdp};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use server::clock;
use sip::{Endpoint, Event, LegId, Outputs, Request};

use crate::arrivals::{self, Arrivals};

/// Media ports. Calls take turns; one thread reads them all.
const MEDIA_PORTS: u64 = 20;
/// How often the media ports are read.
const READ_EVERY: Duration = Duration::from_millis(4);

/// What it saw.
#[derive(Debug, Default)]
pub struct Counts {
    /// Calls that came in and were answered.
    pub started: AtomicU64,
    /// Those that are over.
    pub ended: AtomicU64,
    /// Packets of sound that came in and were not lost.
    pub heard: AtomicU64,
    /// Datagrams lost on purpose.
    pub lost: AtomicU64,
}

/// The running far end.
pub struct LossyEnd {
    /// Where it takes calls.
    pub sip: SocketAddr,
    /// What it saw so far.
    pub counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl LossyEnd {
    /// Starts the thread; `loss_permille` of a thousand datagrams are lost each way.
    ///
    /// # Errors
    /// Sockets could not be made.
    pub fn start(loss_permille: u32) -> Result<Self> {
        let socket = arrivals::bind()?;
        let media = (0..MEDIA_PORTS).map(|_| arrivals::bind()).collect::<Result<Vec<_>>>()?;
        let sip = socket.local_addr()?;
        let (counts, stop) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
        let (noted, told) = (Arc::clone(&counts), Arc::clone(&stop));
        let work = move || {
            let endpoint = Endpoint::new(sip::Config {
                local: sip,
                secret: clock::random_secret(),
                user_agent: String::from("lossy end"),
                registrar: false,
                extensions: sip::Extensions::default(),
                limits: sip::Limits::default(),
            });
            let out = Outputs::default();
            let loss = Loss { permille: loss_permille, state: 1 };
            Worker { endpoint, out, socket, media, loss, calls: 0, counts: noted }.run(&told)
        };
        let thread = std::thread::Builder::new().name(String::from("lossy-end")).spawn(work)?;
        Ok(Self { sip, counts, stop, thread })
    }

    /// Ends the thread.
    ///
    /// # Errors
    /// What ended the thread before.
    pub fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the far end panicked"))?
    }
}

/// Which datagrams are lost: the same in each run.
struct Loss {
    permille: u32,
    state: u64,
}

impl Loss {
    fn takes(&mut self, counts: &Counts) -> bool {
        // Constants of Knuth's MMIX.
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005);
        self.state = self.state.wrapping_add(1_442_695_040_888_963_407);
        let lost = (self.state >> 33) % 1_000 < u64::from(self.permille);
        counts.lost.fetch_add(u64::from(lost), Ordering::Relaxed);
        lost
    }
}

struct Worker {
    endpoint: Endpoint,
    out: Outputs,
    socket: UdpSocket,
    media: Vec<UdpSocket>,
    loss: Loss,
    calls: usize,
    counts: Arc<Counts>,
}

impl Worker {
    fn run(mut self, stop: &AtomicBool) -> Result<()> {
        let mut arrivals = Arrivals::new();
        while !stop.load(Ordering::Relaxed) {
            let mut messages = Vec::new();
            arrivals.drain(&self.socket, |_, source, bytes| {
                messages.push((source, bytes.to_vec()));
            })?;
            let now = clock::instant();
            for (source, bytes) in messages {
                if !self.loss.takes(&self.counts) {
                    self.endpoint.receive(now, source, &bytes, &mut self.out);
                }
            }
            self.endpoint.expire(now, &mut self.out);
            self.react(now)?;
            for socket in &self.media {
                let (loss, counts) = (&mut self.loss, &self.counts);
                arrivals
                    .drain(socket, |_, source, bytes| echo(socket, source, bytes, loss, counts))?;
            }
            self.wait();
        }
        Ok(())
    }

    fn react(&mut self, now: Instant) -> Result<()> {
        for event in std::mem::take(&mut self.out.events) {
            match event {
                Event::Incoming { leg, request, .. } => self.take_call(now, leg, &request)?,
                Event::Ended { .. } | Event::Cancelled { .. } | Event::Failed { .. } => {
                    self.counts.ended.fetch_add(1, Ordering::Relaxed);
                }
                _ => {}
            }
        }
        for transmit in self.out.transmits.drain(..) {
            if !self.loss.takes(&self.counts) {
                self.socket.send_to(&transmit.bytes, transmit.destination).context("answering")?;
            }
        }
        Ok(())
    }

    fn take_call(&mut self, now: Instant, leg: LegId, request: &Request) -> Result<()> {
        self.calls += 1;
        self.counts.started.fetch_add(1, Ordering::Relaxed);
        let media = self.media[self.calls % self.media.len()].local_addr()?;
        let local = sdp::Local::new(1, media, &[Codec::Pcma]);
        let (_, answer) = sdp::answer_offer(&local, &request.body)
            .map_err(|why| anyhow::anyhow!("the offer cannot be answered: {why:?}"))?;
        self.endpoint.ring(now, leg, 180, None, &mut self.out);
        self.endpoint.answer(now, leg, &answer, &mut self.out);
        Ok(())
    }

    /// Media alone does not wake: hundreds of calls would leave no time to anybody else.
    fn wait(&self) {
        let mut watched = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        // An interrupted wait is a short one.
        let _ = ppoll(&mut watched, Some(TimeSpec::from_duration(READ_EVERY)), None);
    }
}

fn echo(socket: &UdpSocket, source: SocketAddr, bytes: &[u8], loss: &mut Loss, counts: &Counts) {
    if loss.takes(counts) {
        return;
    }
    if is_rtcp(bytes) {
        return;
    }
    counts.heard.fetch_add(1, Ordering::Relaxed);
    if !loss.takes(counts) {
        // A full buffer is one more datagram lost.
        let _ = socket.send_to(bytes, source);
    }
}
