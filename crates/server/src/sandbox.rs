//! The sandbox carrier's thread: real sockets on loopback around `carrier::Carrier`. It keeps what
//! its phones heard, when asked to.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use carrier::{Carrier, Event, Heard, Input, Outputs, PortSlot};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::clock;
use crate::config::Sandbox;
use crate::udp::{self, BatchReceiver, BatchSender, Outgoing};

/// The name of the trunk that leads here while there is no other.
pub const TRUNK: &str = "sandbox";

/// The epoll mark of the SIP socket; media ports are marked with their place.
const SIP_MARK: u64 = u64::MAX;
/// Sockets reported by one wait.
const READY_MAX: usize = 512;
/// The longest wait; also how long a stop may take.
const WAIT: Duration = Duration::from_millis(100);
/// Datagrams taken from one socket at once.
const PER_SOCKET: usize = 64;

/// The running sandbox carrier.
pub struct SandboxThread {
    /// Where it takes calls.
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl SandboxThread {
    /// Binds the sockets and starts the thread. With `heard_dir`, what each call heard is written
    /// there as `CALL-ID.wav`.
    ///
    /// # Errors
    /// Ports are taken, or there are not enough file descriptors.
    pub fn start(config: &Sandbox, heard_dir: Option<PathBuf>) -> Result<Self> {
        if let Some(dir) = &heard_dir {
            std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
        }
        let sip = udp::bind(config.listen)
            .with_context(|| format!("binding the sandbox carrier at {}", config.listen))?;
        let address = sip.local_addr().context("asking for the sandbox's address")?;
        let media = bind_media(address, config.max_calls)?;
        let ports = media
            .iter()
            .map(|socket| Ok(socket.local_addr()?.port()))
            .collect::<std::io::Result<_>>()
            .context("asking for the sandbox's media ports")?;
        let mut settings = carrier::Config::new(address, ports, clock::random_secret());
        settings.record = heard_dir.is_some();
        let stop = Arc::new(AtomicBool::new(false));
        let (epoll, told) = (watch(&sip, &media)?, Arc::clone(&stop));
        // Made inside the thread: the batches' headers hold pointers and stay where they are.
        let work = move || {
            let worker = Worker {
                carrier: Carrier::new(settings),
                epoll,
                sip,
                media,
                heard_dir,
                stop: told,
                out: Outputs::default(),
                sender: BatchSender::new(),
                receiver: BatchReceiver::new(8, udp::ANY_DATAGRAM),
            };
            worker.run();
        };
        let thread = std::thread::Builder::new()
            .name(String::from("sandbox"))
            .spawn(work)
            .context("starting the sandbox's thread")?;
        Ok(Self { address, stop, thread: Some(thread) })
    }
}

impl Drop for SandboxThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the sandbox's thread had panicked");
        }
    }
}

fn bind_media(address: SocketAddr, count: usize) -> Result<Vec<UdpSocket>> {
    let free = SocketAddr::new(address.ip(), 0);
    (0..count)
        .map(|_| udp::bind(free).context("binding a media port of the sandbox carrier"))
        .collect()
}

fn watch(sip: &UdpSocket, media: &[UdpSocket]) -> Result<Epoll> {
    let epoll =
        Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context("making the sandbox's epoll")?;
    epoll
        .add(sip.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, SIP_MARK))
        .context("watching the sandbox's SIP socket")?;
    for (place, socket) in media.iter().enumerate() {
        epoll
            .add(socket.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, place as u64))
            .context("watching the sandbox's media ports")?;
    }
    Ok(epoll)
}

struct Worker {
    carrier: Carrier,
    epoll: Epoll,
    sip: UdpSocket,
    media: Vec<UdpSocket>,
    heard_dir: Option<PathBuf>,
    stop: Arc<AtomicBool>,
    out: Outputs,
    sender: BatchSender,
    receiver: BatchReceiver,
}

impl Worker {
    fn run(mut self) {
        let mut ready = vec![EpollEvent::empty(); READY_MAX];
        while !self.stop.load(Ordering::Relaxed) {
            // An interrupted wait is a short one.
            let count = self.epoll.wait(&mut ready, self.wait()).unwrap_or(0);
            let now = clock::instant();
            for event in &ready[..count] {
                self.read(now, event.data());
            }
            if self.carrier.next_timeout().is_some_and(|due| due <= now) {
                self.carrier.handle(now, Input::Timeout, &mut self.out);
            }
            self.flush();
        }
    }

    /// Until the next timer. Epoll counts whole milliseconds: rounded up, so as not to spin.
    fn wait(&self) -> EpollTimeout {
        let due = self
            .carrier
            .next_timeout()
            .map_or(WAIT, |due| due.saturating_duration_since(clock::instant()).min(WAIT));
        let ms = if due.is_zero() { 0 } else { due.as_millis().saturating_add(1) };
        EpollTimeout::try_from(ms.min(100)).unwrap_or(EpollTimeout::ZERO)
    }

    fn read(&mut self, now: Instant, mark: u64) {
        let (carrier, out) = (&mut self.carrier, &mut self.out);
        if mark == SIP_MARK {
            self.receiver.drain(&self.sip, PER_SOCKET, |source, bytes| {
                carrier.handle(now, Input::Sip { source, bytes }, out);
            });
            return;
        }
        let Some(place) = usize::try_from(mark).ok().filter(|place| *place < self.media.len())
        else {
            return;
        };
        let port = PortSlot(place);
        self.receiver.drain(&self.media[place], PER_SOCKET, |source, bytes| {
            carrier.handle(now, Input::Rtp { port, source, bytes }, out);
        });
    }

    fn flush(&mut self) {
        let datagrams = self.out.sip.iter();
        self.sender.send(
            &self.sip,
            datagrams.map(|t| Outgoing { destination: t.destination, head: &t.bytes, body: &[] }),
            not_told,
        );
        for packet in &self.out.rtp {
            let Some(socket) = self.media.get(packet.port.0) else { continue };
            let datagram =
                Outgoing { destination: packet.destination, head: &packet.bytes, body: &[] };
            self.sender.send(socket, [datagram], not_told);
        }
        self.out.sip.clear();
        self.out.rtp.clear();
        for event in std::mem::take(&mut self.out.events) {
            self.note(event);
        }
    }

    fn note(&self, event: Event) {
        // The file is named after the Call-ID, which `CallEnded` does not repeat: `Heard` has it.
        if let (Event::Heard(heard), Some(dir)) = (event, &self.heard_dir) {
            write_heard(dir, &heard);
        }
    }
}

/// The sandbox plays a network that does not hear of what the kernel refuses.
fn not_told(_: usize, _: Errno) {}

/// Writes what a call heard, beside and then in place, so that a reader never sees half of it.
fn write_heard(dir: &Path, heard: &Heard) {
    let Some(name) = file_name(&heard.sip_call_id) else {
        tracing::warn!("a call's Call-ID cannot name a file; what it heard is not kept");
        return;
    };
    let (beside, path) = (dir.join(format!("{name}.part")), dir.join(format!("{name}.wav")));
    let written =
        std::fs::write(&beside, heard.wav()).and_then(|()| std::fs::rename(&beside, &path));
    if let Err(error) = written {
        tracing::warn!(%error, path = %path.display(), "keeping what a phone heard failed");
    }
}

/// The Call-ID as a file name: a peer's text, so only a few characters are let through.
pub fn file_name(call_id: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-@._".contains(c);
    let fits = !call_id.is_empty() && call_id.len() <= 120 && !call_id.starts_with('.');
    (fits && call_id.chars().all(plain)).then(|| call_id.to_owned())
}
