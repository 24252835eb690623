//! The yardstick of media: a loop of `sendmmsg` with one socket, one payload, and nothing to
//! decide. Its packets go in turns to the ports to which those of calls go, and are read there, so
//! that the kernel has the same work with each. It runs on our core, as our side does.

use std::io::IoSlice;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::poll::ppoll;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};
use nix::sys::time::TimeSpec;
use server::clock;
use server::udp::{self, BATCH};

use crate::cores;
use crate::cpu::{Stopwatch, Whose};
use crate::stats::{float, micros, quantile};

/// The first argument of a process that is to be the yardstick.
const CHILD: &str = "--be-the-yardstick";

/// CPU of one packet, in microseconds, when nothing is done but sending full batches.
///
/// # Errors
/// A packet could not be sent.
pub fn flat_out(to: &[SocketAddr], packets: u64) -> Result<f64> {
    let mut bare = Bare::new(to)?;
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
    let mut bare = Bare::new(to)?;
    let cpu = Stopwatch::start(Whose::ThisThread)?;
    let mut due = clock::instant();
    let mut late = Vec::new();
    while bare.sent < packets {
        bare.send(per_ms)?;
        late.push((clock::instant() - due).as_secs_f64() * 1e3);
        due += Duration::from_millis(1);
        let wait = due.saturating_duration_since(clock::instant());
        // An interrupted wait is a short one.
        let _ = ppoll(&mut [], Some(TimeSpec::from_duration(wait)), None);
    }
    let cpu_us = micros(cpu.spent()?) / float(bare.sent);
    Ok(Paced { cpu_us, late_ms: [0.99, 0.999].map(|q| quantile(&mut late, q)) })
}

/// Both, in a process of its own on our core.
///
/// # Errors
/// It could not be started, or failed.
pub fn on_our_core(to: &[SocketAddr], packets: u64, per_ms: usize) -> Result<(f64, Paced)> {
    let program = std::env::current_exe().context("asking where this program is")?;
    let to = to.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",");
    let output = cores::on_our_core(program)
        .args([CHILD, &to, &packets.to_string(), &per_ms.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .context("starting the yardstick")?;
    let told = String::from_utf8_lossy(&output.stdout);
    let told: Vec<f64> = told.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let [flat, cpu_us, p99, p999] = told[..] else { bail!("the yardstick failed") };
    Ok((flat, Paced { cpu_us, late_ms: [p99, p999] }))
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
    let to = to.split(',').map(str::parse).collect::<Result<Vec<SocketAddr>, _>>()?;
    let packets = packets.parse()?;
    let flat = flat_out(&to, packets)?;
    let Paced { cpu_us, late_ms: [p99, p999] } = paced(&to, packets, per_ms.parse()?)?;
    crate::say::say(&format!("{flat} {cpu_us} {p99} {p999}"));
    Ok(true)
}

struct Bare {
    socket: UdpSocket,
    headers: MultiHeaders<SockaddrStorage>,
    /// The destinations, and those of the first batch again: any batch in turn is a slice of it.
    addresses: Vec<Option<SockaddrStorage>>,
    destinations: usize,
    sent: u64,
}

/// Whose its packets are.
pub const SSRC: u32 = 0x8080_8080;
const HEAD: [u8; 12] = [0x80; 12];
const BODY: [u8; 160] = [0xD5; 160];

impl Bare {
    fn new(to: &[SocketAddr]) -> Result<Self> {
        let in_turn = to.iter().cycle().take(to.len() + BATCH);
        Ok(Self {
            socket: udp::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?,
            headers: MultiHeaders::preallocate(BATCH, None),
            addresses: in_turn.map(|to| Some(SockaddrStorage::from(*to))).collect(),
            destinations: to.len().max(1),
            sent: 0,
        })
    }

    fn send(&mut self, count: usize) -> Result<()> {
        let pieces = [IoSlice::new(&HEAD), IoSlice::new(&BODY)];
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
