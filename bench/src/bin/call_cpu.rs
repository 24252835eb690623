//! CPU of a call from INVITE to BYE, ours beside SIPp's, both against the same SIPp as callee.
//!
//! Without media: the callee says that it only sends, and the clip is empty. Our side is a whole
//! process: the shard's thread with engine, sockets and flight recorder, and what starts the
//! calls. It is at a disadvantage that is left to it: its calls are recorded and reported step by
//! step, SIPp keeps its in memory.
//!
//! Ours are measured twice: placed as a campaign's are, all that fall into a turn together, and one
//! by one, as quick sends are when each comes alone.
//!
//! What a process takes to start is left out on both sides: ours is counted from the first call
//! on, and of SIPp's a run with a single call is taken away.

use std::time::Duration;

use anyhow::{Result, ensure};
use bench::caller::{self, Plan, Ran};
use bench::cpu::{Stopwatch, Whose};
use bench::say::{say, verdict};
use bench::sipp;
use bench::stats::{float, median, micros};

const CALLS_PER_SECOND: u32 = 200;
const ROUNDS: usize = 5;
const SECONDS: u32 = 20;
/// What `--quick` makes of it.
const QUICK: (usize, u32) = (1, 4);

fn main() -> Result<()> {
    if caller::was_asked_to_call()? {
        return Ok(());
    }
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (rounds, seconds) = if quick { QUICK } else { (ROUNDS, SECONDS) };
    let calls = u64::from(CALLS_PER_SECOND * seconds);
    say(&format!("{rounds} rounds of {calls} calls, {CALLS_PER_SECOND} a second, each side"));
    let start = sipp_calls(1)?;
    say("round    SIPp µs/call    ours µs/call   (shard alone)   ratio   one by one   ratio");
    let (mut ratios, mut shards, mut singles) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        let theirs = micros(sipp_calls(calls)?.saturating_sub(start)) / float(calls);
        let ran = our_calls(calls, true)?;
        let [ours, shard] = [ran.process, ran.shard].map(|spent| micros(spent) / float(calls));
        let single = micros(our_calls(calls, false)?.process) / float(calls);
        let (ratio, alone) = (ours / theirs, single / theirs);
        let first = format!("{round:>5}{theirs:>16.1}{ours:>16.1}{shard:>16.1}{ratio:>8.2}");
        say(&format!("{first}{single:>13.1}{alone:>8.2}"));
        ratios.push(ratio);
        shards.push(shard / theirs);
        singles.push(alone);
    }
    let ratio = median(&mut ratios);
    say(&format!("the shard's thread alone: {:.2} of SIPp", median(&mut shards)));
    say(&format!("one by one: {:.2} of SIPp", median(&mut singles)));
    verdict(&format!("{ratio:.2} of SIPp's CPU per call"), ratio <= 1.0, "at most 1.0");
    Ok(())
}

/// CPU that SIPp used for `calls` calls.
fn sipp_calls(calls: u64) -> Result<Duration> {
    let callee = sipp::Callee::start()?;
    let cpu = Stopwatch::start(Whose::EndedChildren)?;
    let status = sipp::call(callee.address, calls, CALLS_PER_SECOND)?;
    ensure!(status.success(), "some of SIPp's own calls failed ({status})");
    cpu.spent()
}

/// Our process, with `calls` calls, placed in turns or one by one.
fn our_calls(calls: u64, in_turns: bool) -> Result<Ran> {
    let callee = sipp::Callee::start()?;
    let plan = Plan::of(callee.address, calls, CALLS_PER_SECOND, 0);
    let ran = caller::run(&if in_turns { plan.in_turns() } else { plan })?;
    ensure!(ran.failed == 0, "{} of our calls failed", ran.failed);
    Ok(ran)
}
