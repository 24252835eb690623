//! Three thousand calls that play and are talked to at the same time, by one shard on one core, and
//! the far end on the other: what a packet costs beside a bare loop of `sendmmsg`, and how evenly
//! the packets leave. Once with what the callees say read, once with it left to the kernel to throw
//! away.
//!
//! CPU is that of the seconds in which all calls play. It is divided by the packets that the far
//! end got of us in them; what we receive is in the price of what we send.

use anyhow::{Result, ensure};
use bench::bare::{self, Yardstick};
use bench::caller::{self, Plan, Ran};
use bench::far_end::{FarEnd, Manner, Packet};
use bench::say::{say, verdict};
use bench::stats::{float, micros, quantile};
use bench::{cores, pacing};

const CALLS: u64 = 3_000;
const CALLS_PER_SECOND: u32 = 300;
const FRAMES_PER_SECOND: usize = 50;
/// Seconds that a call plays, and between which of them all play.
const SECONDS: usize = 30;
const WINDOW_S: (u32, u32) = (13, 28);
/// Packets of the bare loop, and of its every millisecond.
const BARE_PACKETS: u64 = 1_000_000;
const BARE_PER_MS: usize = 150;
/// What counts as late.
const LATE_MS: f64 = 1.0;
/// The same while calls are set up, as of a thousand calls (`media_pacing`).
const LATE_WHILE_BEGINNING_MS: f64 = 2.0;
/// A tenth of what Asterisk took on this machine for a two-way call (the design's figure).
const CALL_SECOND_MS: f64 = 0.29;

/// What is asked of the two forms: CPU of the media thread and of the process beside the loop.
const TARGETS: [(&str, bool, f64, f64); 2] =
    [("returns read", false, 1.5, 1.7), ("returns ignored", true, 1.15, 1.3)];
/// And beside a loop that reads as many: what sending alone may cost beside one that only sends.
const BESIDE_READING: f64 = 1.15;

fn main() -> Result<()> {
    if caller::was_asked_to_call()? || bare::was_asked()? {
        return Ok(());
    }
    let quick = std::env::args().any(|argument| argument == "--quick");
    let calls = if quick { CALLS / 3 } else { CALLS };
    cores::take_theirs()?;
    for (name, ignore_sound, thread, process) in TARGETS {
        say(&format!("-- {calls} calls, {name}"));
        let far_end = FarEnd::with(|_| true, Manner::Talks)?;
        let before = bare::on_our_core(&far_end.media, BARE_PACKETS, BARE_PER_MS)?;
        let plan = Plan {
            ignore_sound,
            window_s: WINDOW_S,
            alone: true,
            realtime: true,
            ..Plan::of(far_end.sip, calls, CALLS_PER_SECOND, SECONDS * FRAMES_PER_SECOND)
        };
        let ran = caller::run(&plan)?;
        let after = bare::on_our_core(&far_end.media, BARE_PACKETS, BARE_PER_MS)?;
        let heard = far_end.stop()?;
        ensure!(ran.failed == 0, "{} of {calls} calls were not heard to their end", ran.failed);
        let loops = [&before, &after];
        say_loops(loops);
        let bare_sent = 6 * BARE_PACKETS;
        say(&format!("of the loop's {bare_sent} packets {} arrived", heard.of_yardsticks));
        let [ours, whole] = cpu_us(&heard.packets, &ran);
        judge_cpu([ours, whole], loops, [thread, process]);
        if !ignore_sound {
            judge_beside_reading(ours, mean(loops, |it| it.both_us));
        }
        let packets = pacing::while_all_play(&heard.packets);
        let seconds = pacing::late_seconds(&packets, LATE_MS);
        say(&format!(
            "seconds with a hundredth of the packets later than {LATE_MS} ms: {seconds:?}"
        ));
        judge_pacing(&mut pacing::lateness_ms(&packets));
        judge_beginning(&mut pacing::lateness_ms(&pacing::while_they_begin(&heard.packets)));
        judge_loss(&ran, heard.said, ignore_sound);
    }
    Ok(())
}

fn mean(loops: [&Yardstick; 2], of: fn(&Yardstick) -> f64) -> f64 {
    f64::midpoint(of(loops[0]), of(loops[1]))
}

fn say_loops(loops: [&Yardstick; 2]) {
    let both = |of: fn(&Yardstick) -> f64| {
        let [before, after] = loops.map(of);
        format!("{:.2} µs ({before:.2} before, {after:.2} after)", mean(loops, of))
    };
    let late = loops.map(|yardstick| yardstick.paced.late_ms);
    say(&format!(
        "bare sendmmsg: flat out {}, {BARE_PER_MS} a millisecond {}, with as many read {}; its \
         last packet of a millisecond left late by p99 {:.2} and {:.2} ms, p99.9 {:.2} and {:.2} ms",
        both(|it| it.flat_us),
        both(|it| it.paced.cpu_us),
        both(|it| it.both_us),
        late[0][0],
        late[1][0],
        late[0][1],
        late[1][1],
    ));
}

/// CPU of a packet that the far end got while all calls played: of the thread and the process.
fn cpu_us(heard: &[Packet], ran: &Ran) -> [f64; 2] {
    let seconds = f64::from(WINDOW_S.1 - WINDOW_S.0);
    let (from, until) = ran.window_us;
    let in_window = |packet: &&Packet| {
        u64::try_from(packet.at_ns / 1_000).is_ok_and(|us| (from..until).contains(&us))
    };
    let packets = float(heard.iter().filter(in_window).count() as u64);
    let busy = ran.in_window.0.as_secs_f64() / seconds * 100.0;
    say(&format!("the thread is busy {busy:.0} % of its core"));
    [ran.in_window.0, ran.in_window.1].map(|cpu| micros(cpu) / packets)
}

fn judge_cpu([ours, whole]: [f64; 2], loops: [&Yardstick; 2], [thread, process]: [f64; 2]) {
    let [flat, paced] = [mean(loops, |it| it.flat_us), mean(loops, |it| it.paced.cpu_us)];
    say(&format!(
        "CPU of a packet: thread {ours:.2} µs, process {whole:.2} µs. Beside the loop at our pace: \
         {:.2}, {:.2}",
        ours / paced,
        whole / paced
    ));
    for (what, cost, most) in [("thread", ours, thread), ("process", whole, process)] {
        let ratio = cost / flat;
        verdict(
            &format!("{what} {ratio:.2} of the loop"),
            ratio <= most,
            &format!("at most {most}"),
        );
    }
    let call_second_ms = whole * 50.0 / 1e3;
    let figure = format!("{call_second_ms:.3} ms CPU for a second of a call");
    let holds = call_second_ms <= CALL_SECOND_MS;
    verdict(&figure, holds, &format!("at most {CALL_SECOND_MS} ms"));
}

/// Beside a loop that sends and reads as many packets as we do, and does nothing else.
fn judge_beside_reading(ours: f64, both: f64) {
    let ratio = ours / both;
    let holds = ratio <= BESIDE_READING;
    verdict(
        &format!("thread {ratio:.2} of the loop that also reads ({both:.2} µs)"),
        holds,
        &format!("at most {BESIDE_READING}"),
    );
}

fn judge_pacing(errors: &mut [f64]) {
    let [p50, p99, p999, worst] = [0.5, 0.99, 0.999, 1.0].map(|q| quantile(errors, q));
    say(&format!("pacing error: p50 {p50:.3} ms, max {worst:.1} ms, of {} packets", errors.len()));
    verdict(&format!("p99 {p99:.3} ms"), p99 < 1.0, "below 1 ms");
    verdict(&format!("p99.9 {p999:.3} ms"), p999 < 1.5, "below 1.5 ms");
}

/// The same thread sets calls up and keeps their pace: how even they are meanwhile.
fn judge_beginning(errors: &mut [f64]) {
    let [p99, p999] = [0.99, 0.999].map(|q| quantile(errors, q));
    say(&format!("while {CALLS_PER_SECOND} calls a second begin: p99.9 {p999:.3} ms"));
    let figure = format!("p99 {p99:.3} ms while calls begin");
    verdict(&figure, p99 < LATE_WHILE_BEGINNING_MS, &format!("below {LATE_WHILE_BEGINNING_MS} ms"));
}

fn judge_loss(ran: &Ran, said: u64, ignored: bool) {
    let lost = ran.dropped + ran.late_frames;
    let figure = format!("{} refused by the kernel, {} moved back", ran.dropped, ran.late_frames);
    verdict(&figure, lost == 0, "none of either");
    say(&format!("the callees said {said} packets, {} were read", ran.received));
    if ignored {
        verdict(&format!("{} read", ran.received), ran.received * 100 < said, "below 1 %");
    }
}
