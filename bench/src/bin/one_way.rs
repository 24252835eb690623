//! Playing to who only listens, beside SIPp's `rtp_stream` to the same far end: what a packet costs
//! the whole process, and how evenly packets leave.

use std::time::Duration;

use anyhow::{Result, ensure};
use bench::caller::{self, Plan};
use bench::cpu::{Stopwatch, Whose};
use bench::far_end::{FarEnd, Packet};
use bench::say::{say, verdict};
use bench::stats::{float, median, micros, quantile};
use bench::{disk, pacing, sipp};

const CALLS: u64 = 1_000;
const CALLS_PER_SECOND: u32 = 200;
const FRAMES_PER_SECOND: u64 = 50;
/// Rounds, and seconds that a call plays.
const LONG: (usize, usize) = (3, 20);
/// What `--quick` makes of it.
const QUICK: (usize, usize) = (1, 6);

/// One run of one side.
struct Played {
    /// CPU of the process for each packet that arrived, microseconds.
    packet_us: f64,
    /// How late 99 of 100 packets were at most, milliseconds.
    late_ms: f64,
}

fn main() -> Result<()> {
    if caller::was_asked_to_call()? {
        return Ok(());
    }
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (rounds, seconds) = if quick { QUICK } else { LONG };
    say(&format!("{rounds} rounds of {CALLS} calls that play for {seconds} s, each side"));
    say("round    SIPp µs/packet   p99 late ms    ours µs/packet   p99 late ms   ratio");
    let (mut ratios, mut evens) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let (theirs, ours) = (by_sipp(seconds)?, by_us(seconds)?);
        let ratio = ours.packet_us / theirs.packet_us;
        say(&format!(
            "{round:>5}{:>18.2}{:>14.2}{:>18.2}{:>14.2}{ratio:>8.2}",
            theirs.packet_us, theirs.late_ms, ours.packet_us, ours.late_ms
        ));
        ratios.push(ratio);
        evens.push(theirs.late_ms / ours.late_ms);
    }
    let (ratio, even) = (median(&mut ratios), median(&mut evens));
    verdict(&format!("{ratio:.2} of SIPp's CPU"), ratio <= 2.0 / 3.0, "at most 0.67");
    verdict(&format!("pacing {even:.0} times as even"), even >= 20.0, "at least 20");
    Ok(())
}

fn by_sipp(seconds: usize) -> Result<Played> {
    let folder = disk::scratch()?;
    let far_end = FarEnd::start(|_| true)?;
    let cpu = Stopwatch::start(Whose::EndedChildren)?;
    let status = sipp::play(far_end.sip, (CALLS, CALLS_PER_SECOND), seconds, folder.path())?;
    let spent = cpu.spent()?;
    let heard = far_end.stop()?;
    ensure!(status.success(), "some of SIPp's own calls failed ({status})");
    played(spent, &heard.packets, seconds)
}

fn by_us(seconds: usize) -> Result<Played> {
    let far_end = FarEnd::start(|_| true)?;
    let frames = seconds * usize::try_from(FRAMES_PER_SECOND)?;
    let ran = caller::run(&Plan::of(far_end.sip, CALLS, CALLS_PER_SECOND, frames))?;
    let heard = far_end.stop()?;
    ensure!(ran.failed == 0, "{} of our calls were not heard to their end", ran.failed);
    played(ran.process, &heard.packets, seconds)
}

/// What a run that cost this came to. Both sides have to play nearly all that they should.
fn played(cpu: Duration, packets: &[Packet], seconds: usize) -> Result<Played> {
    let planned = CALLS * FRAMES_PER_SECOND * seconds as u64;
    let arrived = packets.len() as u64;
    ensure!(arrived * 100 >= planned * 98, "{arrived} of {planned} packets arrived");
    let late_ms = quantile(&mut pacing::lateness_ms(packets), 0.99);
    Ok(Played { packet_us: micros(cpu) / float(arrived), late_ms })
}
