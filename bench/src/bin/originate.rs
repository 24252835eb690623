//! Calls set up and taken down as fast as a large campaign wants them, without media: whether the
//! pace is kept for a minute, and what a call costs the whole process. Then as many as a core can
//! carry, where caches are warm and every system call serves many.

use anyhow::{Result, ensure};
use bench::caller::{self, Plan};
use bench::cores;
use bench::far_end::{FarEnd, Manner};
use bench::say::{say, verdict};
use bench::stats::{float, micros};

/// Calls a second, and for how many seconds.
const PACE: (u32, u32) = (2_000, 60);
const SATURATED: (u32, u32) = (6_000, 10);
const QUICK_SECONDS: u32 = 5;
const MOST_US: f64 = 300.0;
const SATURATED_US: f64 = 35.0;

fn main() -> Result<()> {
    if caller::was_asked_to_call()? {
        return Ok(());
    }
    let quick = std::env::args().any(|argument| argument == "--quick");
    cores::take_theirs()?;
    for (per_second, seconds) in [PACE, SATURATED] {
        let seconds = if quick { seconds.min(QUICK_SECONDS) } else { seconds };
        let calls = u64::from(per_second * seconds);
        let far_end = FarEnd::with(|_| true, Manner::Refuses)?;
        let plan = Plan { alone: true, ..Plan::of(far_end.sip, calls, per_second, 0).in_turns() };
        let begun = server::clock::instant();
        let ran = caller::run(&plan)?;
        let took = (server::clock::instant() - begun).as_secs_f64();
        far_end.stop()?;
        ensure!(ran.failed == 0, "{} of {calls} calls failed", ran.failed);
        let [shard, process] = [ran.shard, ran.process].map(|cpu| micros(cpu) / float(calls));
        say(&format!(
            "{calls} calls, {per_second} a second, done after {took:.1} s: {shard:.1} µs CPU of \
             the shard and {process:.1} µs of the process for each"
        ));
        if (per_second, quick) == (PACE.0, false) {
            // The start of the process and the last calls take their time, too.
            verdict(&format!("{took:.1} s"), took < f64::from(seconds) + 3.0, "as long as planned");
            verdict(&format!("{process:.0} µs"), process <= MOST_US, "at most 300 µs");
        } else if per_second == SATURATED.0 {
            verdict(&format!("{shard:.1} µs"), shard <= SATURATED_US, "at most 35 µs");
        }
    }
    Ok(())
}
