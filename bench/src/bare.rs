//! The yardstick of media: a loop of `sendmmsg` with one socket, one payload, and nothing to
//! decide. Its packets go in turns to the ports to which those of calls go, and are read there, so
//! that the kernel has the same work with each. It runs on our core, as our side does.
//!
//! A second form of it also reads: a far end that talks gives each of its packets back.

use std::io::IoSlice;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use nix::poll::ppoll;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};
use nix::sys::time::TimeSpec;
use server::clock;
use server::shard::precedence;
use server::udp::{self, BATCH, BatchReceiver};

use crate::cores;
use crate::cpu::{Stopwatch, Whose};
use crate::stats::{float, micros, quantile};

/// The first argument of a process that is to be the yardstick.
const CHILD: &str = "--be-the-yardstick";
/// How often it sends at the pace of calls, how many of these pass between two times of reading (as
/// with our busy ports), and how many it waits for the last to come back.
const TICK: Duration = Duration::from_millis(1);
const READ_EVERY_TICKS: u32 = 4;
const PATIENCE_TICKS: u32 = 200;

/// CPU of one packet, in microseconds, when nothing is done but sending full batches.
///
/// # Errors
/// A packet could not be sent.
pub fn flat_out(to: &[SocketAddr], packets: u64) -> Result<f64> {
    let mut bare = Bare::new(to, SSRC)?;
    let cpu = Stopwatch::start(Whose::ThisThread)?;
    while bare.sent < packets {
        bare.send(BATCH)?;
    }
    Ok(micros(cpu.spent()?) / float(bare.sent))
}

/// A loop that keeps the pace of calls: so many packets every millisecond.
#[derive(Debug, Clone, Copy)]
pub struct Paced {
    /// CPU of one packet, in microseconds.
    pub cpu_us: f64,
    /// How late the last packet of a millisecond left, in milliseconds: at most, of 99 in a hundred
    /// and of 999 in a thousand. What the machine does not let a loop do, nobody can.
    pub late_ms: [f64; 2],
}

/// The same with a wait after each batch.
///
/// # Errors
/// A packet could not be sent.
pub fn paced(to: &[SocketAddr], packets: u64, per_ms: usize) -> Result<Paced> {
    let mut bare = Bare::new(to, SSRC)?;
    let cpu = Stopwatch::start(Whose::ThisThread)?;
    let mut due = clock::instant();
    let mut late = Vec::new();
    while bare.sent < packets {
        bare.send(per_ms)?;
        late.push((clock::instant() - due).as_secs_f64() * 1e3);
        due += TICK;
        wait_until(due);
    }
    let cpu_us = micros(cpu.spent()?) / float(bare.sent);
    Ok(Paced { cpu_us, late_ms: [0.99, 0.999].map(|q| quantile(&mut late, q)) })
}

/// The same to a far end that gives each packet back, with what comes back read as we read calls:
/// CPU of a packet each way, in microseconds.
///
/// # Errors
/// A packet could not be sent, or a hundredth of them did not come back.
pub fn both_ways(to: &[SocketAddr], packets: u64, per_ms: usize) -> Result<f64> {
    let mut bare = Bare::new(to, ECHOED_SSRC)?;
    let mut receiver = BatchReceiver::new(BATCH, HEAD.len() + BODY.len());
    let cpu = Stopwatch::start(Whose::ThisThread)?;
    let (mut due, mut came_back, mut ticks) = (clock::instant(), 0, 0);
    // What was sent last comes back within a few of these.
    let mut patience = PATIENCE_TICKS;
    while came_back < packets && patience > 0 {
        if bare.sent < packets {
            bare.send(per_ms)?;
        } else {
            patience -= 1;
        }
        ticks += 1;
        if ticks % READ_EVERY_TICKS == 0 {
            came_back += receiver.drain(&bare.socket, usize::MAX, |_, _| {}) as u64;
        }
        due += TICK;
        wait_until(due);
    }
    let cpu_us = micros(cpu.spent()?) / float(bare.sent);
    ensure!(came_back * 100 >= bare.sent * 99, "only {came_back} of {} came back", bare.sent);
    Ok(cpu_us)
}

/// An interrupted wait is a short one.
fn wait_until(due: Instant) {
    let wait = due.saturating_duration_since(clock::instant());
    let _ = ppoll(&mut [], Some(TimeSpec::from_duration(wait)), None);
}

/// What a run of the yardstick measured.
#[derive(Debug, Clone, Copy)]
pub struct Yardstick {
    /// [`flat_out`].
    pub flat_us: f64,
    /// [`paced`].
    pub paced: Paced,
    /// [`both_ways`].
    pub both_us: f64,
}

/// All forms, in a process of its own on our core, to a far end that talks.
///
/// # Errors
/// It could not be started, or failed.
pub fn on_our_core(to: &[SocketAddr], packets: u64, per_ms: usize) -> Result<Yardstick> {
    let program = std::env::current_exe().context("asking where this program is")?;
    let to = to.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",");
    let output = cores::on_our_core(program)
        .args([CHILD, &to, &packets.to_string(), &per_ms.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .context("starting the yardstick")?;
    let told = String::from_utf8_lossy(&output.stdout);
    let told: Vec<f64> = told.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let [flat_us, cpu_us, p99, p999, both_us] = told[..] else { bail!("the yardstick failed") };
    Ok(Yardstick { flat_us, paced: Paced { cpu_us, late_ms: [p99, p999] }, both_us })
}

/// To be asked first in `main`: whether this process was started to be the yardstick, and was.
///
/// # Errors
/// A packet could not be sent.
pub fn was_asked() -> Result<bool> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mark, to, packets, per_ms] = arguments.as_slice() else { return Ok(false) };
    if mark != CHILD {
        return Ok(false);
    }
    // As the shard does beside which it stands: what a machine allows is then the same for both.
    if let Err(error) = precedence::take() {
        crate::say::complain(&format!("{error:#}; the machine's other work is in the figures"));
    }
    let to = to.split(',').map(str::parse).collect::<Result<Vec<SocketAddr>, _>>()?;
    let (packets, per_ms) = (packets.parse()?, per_ms.parse()?);
    let flat = flat_out(&to, packets)?;
    let Paced { cpu_us, late_ms: [p99, p999] } = paced(&to, packets, per_ms)?;
    let both = both_ways(&to, packets, per_ms)?;
    crate::say::say(&format!("{flat} {cpu_us} {p99} {p999} {both}"));
    Ok(true)
}

struct Bare {
    socket: UdpSocket,
    headers: MultiHeaders<SockaddrStorage>,
    /// The destinations, and those of the first batch again: any batch in turn is a slice of it.
    addresses: Vec<Option<SockaddrStorage>>,
    destinations: usize,
    /// The header of each packet.
    head: [u8; 12],
    sent: u64,
}

/// Whose its packets are.
pub const SSRC: u32 = 0x8080_8080;
/// Whose they are when they are to come back.
pub const ECHOED_SSRC: u32 = 0x8181_8181;
/// What a packet begins with.
pub const HEAD: [u8; 12] = [0x80; 12];
/// The sound of a packet.
pub const BODY: [u8; 160] = [0xD5; 160];

impl Bare {
    fn new(to: &[SocketAddr], ssrc: u32) -> Result<Self> {
        let mut head = HEAD;
        head[8..].copy_from_slice(&ssrc.to_be_bytes());
        let in_turn = to.iter().cycle().take(to.len() + BATCH);
        Ok(Self {
            socket: udp::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?,
            headers: MultiHeaders::preallocate(BATCH, None),
            addresses: in_turn.map(|to| Some(SockaddrStorage::from(*to))).collect(),
            destinations: to.len().max(1),
            head,
            sent: 0,
        })
    }

    fn send(&mut self, count: usize) -> Result<()> {
        let pieces = [IoSlice::new(&self.head), IoSlice::new(&BODY)];
        let slices = [pieces; BATCH];
        let no_control: &[ControlMessage<'_>] = &[];
        let mut left = count;
        while left > 0 {
            let batch = left.min(BATCH);
            let first = usize::try_from(self.sent)? % self.destinations;
            let sent = sendmmsg(
                self.socket.as_raw_fd(),
                &mut self.headers,
                &slices[..batch],
                &self.addresses[first..first + batch],
                no_control,
                MsgFlags::empty(),
            )?;
            self.sent += sent.count() as u64;
            left -= batch;
        }
        Ok(())
    }
}
