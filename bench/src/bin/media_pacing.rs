//! A thousand calls that play at the same time: how evenly their packets leave, and what one
//! packet costs beside a bare loop of `sendmmsg`.
//!
//! The moment of a packet is the kernel's stamp at the receiving socket. A call's ideal grid is
//! laid through its earliest packet, so every error counts as lateness.

use anyhow::{Result, ensure};
use bench::bare;
use bench::caller::{self, Plan};
use bench::far_end::FarEnd;
use bench::pacing;
use bench::say::{say, verdict};
use bench::stats::{float, micros, quantile};
use server::udp::BATCH;

const CALLS: u64 = 1000;
const CALLS_PER_SECOND: u32 = 200;
const SECONDS: usize = 30;
const FRAMES_PER_SECOND: usize = 50;
/// Packets of one run of the bare loop.
const BARE_PACKETS: u64 = 500_000;
/// Packets that leave every millisecond.
const PER_MS: usize = 50;

fn main() -> Result<()> {
    if caller::was_asked_to_call()? {
        return Ok(());
    }
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (seconds, bare) = if quick { (8, BARE_PACKETS / 5) } else { (SECONDS, BARE_PACKETS) };
    let far_end = FarEnd::start(|_| true)?;
    let bare_before = bare::flat_out(&far_end.media, bare)?;
    let paced_before = bare::paced(&far_end.media, bare / 2, PER_MS)?.cpu_us;
    let frames = seconds * FRAMES_PER_SECOND;
    let plan = Plan::of(far_end.sip, CALLS, CALLS_PER_SECOND, frames);
    let ran = caller::run(&plan)?;
    let bare_after = bare::flat_out(&far_end.media, bare)?;
    let paced_after = bare::paced(&far_end.media, bare / 2, PER_MS)?.cpu_us;
    let (heard, bare_sent) = (far_end.stop()?, 3 * bare);
    let packets = heard.packets;

    ensure!(ran.failed == 0, "{} of {CALLS} calls were not heard to their end", ran.failed);
    let received = packets.len() as u64;
    let mut errors = pacing::lateness_ms(&packets);
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
    say(&format!("of the loop's {bare_sent} packets {} arrived", heard.of_yardsticks));
    say(&format!("shard beside bare: {:.2} flat out, {:.2} at pace", ours / bare, ours / paced));
    verdict(&format!("p99 {p99:.3} ms"), p99 < 2.0, "below 2 ms");
    verdict(&format!("{} dropped by us", ran.dropped), ran.dropped == 0, "none");
    Ok(())
}
