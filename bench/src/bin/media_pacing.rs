//! A thousand calls that play at the same time: how evenly their packets leave, and what one
//! packet costs beside a bare loop of `sendmmsg`.
//!
//! The moment of a packet is the kernel's stamp at the receiving socket. A call's ideal grid is
//! laid through its earliest packet, so every error counts as lateness.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use anyhow::{Result, ensure};
use bench::caller::{self, Plan};
use bench::cpu::{Stopwatch, Whose};
use bench::far_end::{FarEnd, Packet};
use bench::say::{say, verdict};
use bench::stats::{float, micros, quantile};
use nix::poll::ppoll;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};
use nix::sys::time::TimeSpec;
use server::clock;
use server::udp::{self, BATCH};

const CALLS: u64 = 1000;
const CALLS_PER_SECOND: u32 = 200;
const SECONDS: usize = 30;
const FRAMES_PER_SECOND: usize = 50;
/// Nanoseconds of one RTP timestamp unit.
const UNIT_NS: i64 = 125_000;
/// Packets of one run of the bare loop.
const BARE_PACKETS: u64 = 500_000;
/// Packets that leave in the bare loop's every millisecond when it keeps the calls' pace.
const BARE_PER_MS: usize = 50;

fn main() -> Result<()> {
    if caller::was_asked_to_call()? {
        return Ok(());
    }
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (seconds, bare) = if quick { (8, BARE_PACKETS / 5) } else { (SECONDS, BARE_PACKETS) };
    let far_end = FarEnd::start(|_| true)?;
    let bare_before = bare_loop(far_end.drain, bare)?;
    let paced_before = paced_loop(far_end.drain, bare / 2)?;
    let frames = seconds * FRAMES_PER_SECOND;
    let plan = Plan { callee: far_end.sip, calls: CALLS, per_second: CALLS_PER_SECOND, frames };
    let ran = caller::run(&plan)?;
    let bare_after = bare_loop(far_end.drain, bare)?;
    let paced_after = paced_loop(far_end.drain, bare / 2)?;
    let packets = far_end.stop()?;

    ensure!(ran.failed == 0, "{} of {CALLS} calls were not heard to their end", ran.failed);
    let received = packets.len() as u64;
    let mut errors = lateness_ms(&packets);
    say(&format!(
        "{CALLS} calls of {seconds} s: {} datagrams sent, {} refused by the kernel, {} frames \
         moved back; {received} RTP packets received",
        ran.sent, ran.dropped, ran.late_frames
    ));
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|q| quantile(&mut errors, q));
    let worst = quantile(&mut errors, 1.0);
    say(&format!(
        "pacing error: p50 {p50:.3} ms, p99 {p99:.3} ms, p99.9 {p999:.3} ms, max {worst:.1} ms"
    ));
    let ours = micros(ran.shard) / float(ran.sent);
    let bare = f64::midpoint(bare_before, bare_after);
    let paced = f64::midpoint(paced_before, paced_after);
    say(&format!(
        "CPU of a packet: shard {ours:.2} µs; bare sendmmsg of {BATCH}, flat out {bare:.2} µs \
         ({bare_before:.2} before, {bare_after:.2} after), at our pace {paced:.2} µs \
         ({paced_before:.2}, {paced_after:.2})"
    ));
    say(&format!("shard beside bare: {:.2} flat out, {:.2} at pace", ours / bare, ours / paced));
    verdict(&format!("p99 {p99:.3} ms"), p99 < 2.0, "below 2 ms");
    verdict(&format!("{} dropped by us", ran.dropped), ran.dropped == 0, "none");
    Ok(())
}

/// How late each packet was, in milliseconds, against the earliest of its call.
fn lateness_ms(packets: &[Packet]) -> Vec<f64> {
    let mut calls: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
    let mut first: BTreeMap<u32, u32> = BTreeMap::new();
    for packet in packets {
        let origin = *first.entry(packet.ssrc).or_insert(packet.timestamp);
        // A stream's packets may be read out of order, by a few frames at most.
        let units = packet.timestamp.wrapping_sub(origin).cast_signed();
        let shift = packet.at_ns - i64::from(units) * UNIT_NS;
        calls.entry(packet.ssrc).or_default().push(shift);
    }
    let mut lateness = Vec::with_capacity(packets.len());
    for shifts in calls.values() {
        let earliest = shifts.iter().min().copied().unwrap_or(0);
        lateness.extend(shifts.iter().map(|shift| {
            let ns = u64::try_from(shift - earliest).unwrap_or(0);
            Duration::from_nanos(ns).as_secs_f64() * 1e3
        }));
    }
    lateness
}

/// CPU of one packet, in microseconds, when nothing is done but sending full batches.
fn bare_loop(to: SocketAddr, packets: u64) -> Result<f64> {
    let mut bare = Bare::new(to, BATCH)?;
    let cpu = Stopwatch::start(Whose::ThisThread)?;
    while bare.sent < packets {
        bare.send()?;
    }
    Ok(micros(cpu.spent()?) / float(bare.sent))
}

/// The same with a wait after each batch, as calls make it: fifty packets every millisecond.
fn paced_loop(to: SocketAddr, packets: u64) -> Result<f64> {
    let mut bare = Bare::new(to, BARE_PER_MS)?;
    let cpu = Stopwatch::start(Whose::ThisThread)?;
    let mut due = clock::instant();
    while bare.sent < packets {
        bare.send()?;
        due += Duration::from_millis(1);
        let wait = due.saturating_duration_since(clock::instant());
        // An interrupted wait is a short one.
        let _ = ppoll(&mut [], Some(TimeSpec::from_duration(wait)), None);
    }
    Ok(micros(cpu.spent()?) / float(bare.sent))
}

/// The yardstick: one socket, one payload, one destination, everything made ready once.
struct Bare {
    socket: UdpSocket,
    headers: MultiHeaders<SockaddrStorage>,
    addresses: Vec<Option<SockaddrStorage>>,
    sent: u64,
}

const HEAD: [u8; 12] = [0x80; 12];
const BODY: [u8; 160] = [0xD5; 160];

impl Bare {
    fn new(to: SocketAddr, batch: usize) -> Result<Self> {
        Ok(Self {
            socket: udp::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?,
            headers: MultiHeaders::preallocate(batch, None),
            addresses: vec![Some(SockaddrStorage::from(to)); batch],
            sent: 0,
        })
    }

    fn send(&mut self) -> Result<()> {
        let pieces = [IoSlice::new(&HEAD), IoSlice::new(&BODY)];
        let slices = [pieces; BATCH];
        let no_control: &[ControlMessage<'_>] = &[];
        let sent = sendmmsg(
            self.socket.as_raw_fd(),
            &mut self.headers,
            &slices[..self.addresses.len()],
            &self.addresses,
            no_control,
            MsgFlags::empty(),
        )?;
        self.sent += sent.count() as u64;
        Ok(())
    }
}
