//! A soak on the wire: `cargo x soak`. The whole product is asked for calls by its web services,
//! keeps hundreds of them up at once towards a far end that loses datagrams each way, and must end
//! with nothing alive, no memory gained, and the same counts at the far end, in the engine and in
//! the ledger. Exit code 1 when it does not.

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bench::disk;
use bench::lossy_end::{Counts, LossyEnd};
use bench::platform::{Client, Platform};
use bench::say::say;
use clap::Parser;
use nix::poll::ppoll;
use nix::sys::time::TimeSpec;
use server::clock;

/// How long the message is, and what it costs: six pulses of 5 s at 45 rials a second.
const MESSAGE_SECONDS: u32 = 30;
const RIALS: i64 = 1_350;
/// Calls started in a second, so that they end spread out, too.
const STARTS_PER_SECOND: u32 = 25;
/// The process is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The caches fill and every call has been placed once before memory counts, seconds.
const WARM_UP: Duration = Duration::from_mins(1);
/// By how much the process may grow after that, kB.
const GROWTH_KB: u64 = 16 * 1_024;
/// After the last send everything must be over within this time: ringing, the message, SIP's 32 s.
const PATIENCE: Duration = Duration::from_mins(3);

/// Many calls at once, for long, with loss.
#[derive(Debug, Parser)]
struct Arguments {
    /// Minutes in which calls are begun.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Calls at once.
    #[arg(long, default_value_t = 500)]
    calls: u64,
    /// Datagrams lost of a thousand, each way, SIP and sound.
    #[arg(long, default_value_t = 20)]
    loss_permille: u32,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let folder = disk::scratch()?;
    let far_end = LossyEnd::start(arguments.loss_permille)?;
    let platform = Platform::start(folder.path(), far_end.sip)?;
    let mut soak =
        Soak { client: platform.client()?, platform, far_end, sends: 0, rss: Vec::new() };
    soak.run(&arguments)?;
    let findings = soak.judge()?;
    for finding in &findings {
        say(&format!("WRONG: {finding}"));
    }
    say(if findings.is_empty() { "the soak holds" } else { "the soak does not hold" });
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Soak {
    client: Client,
    platform: Platform,
    far_end: LossyEnd,
    sends: u64,
    /// Memory of the process over time, kB.
    rss: Vec<(Duration, u64)>,
}

impl Soak {
    /// Keeps the calls at their number for the time, then lets all of them end.
    fn run(&mut self, arguments: &Arguments) -> Result<()> {
        let message = self.client.upload(MESSAGE_SECONDS)?;
        let began = clock::instant();
        let end = began + Duration::from_secs(arguments.minutes * 60);
        let mut next_start = began;
        while clock::instant() < end {
            let up = self.sends - self.far_end.counts.ended.load(Ordering::Relaxed);
            if up < arguments.calls && clock::instant() >= next_start {
                next_start += Duration::from_secs(1) / STARTS_PER_SECOND;
                let number = format!("0912{:07}", self.sends % 10_000_000);
                self.client.quick_send(message, &number)?;
                self.sends += 1;
            }
            self.look(began)?;
            rest();
        }
        let last = clock::instant() + PATIENCE;
        while self.alive()? > 0 {
            if clock::instant() > last {
                bail!("{} calls never end", self.alive()?);
            }
            self.look(began)?;
            rest();
        }
        self.rss.push((clock::instant() - began, self.platform.resident_kb()?));
        Ok(())
    }

    fn look(&mut self, began: Instant) -> Result<()> {
        let since = clock::instant() - began;
        if self.rss.last().is_none_or(|(at, _)| since >= *at + LOOK_EVERY) {
            self.rss.push((since, self.platform.resident_kb()?));
        }
        Ok(())
    }

    /// Calls and sends that the process says it has in hand, and those of the far end.
    fn alive(&mut self) -> Result<u64> {
        let counts = &self.far_end.counts;
        let [started, ended] =
            [&counts.started, &counts.ended].map(|count| count.load(Ordering::Relaxed));
        let mut alive = self.sends.max(started) - ended;
        for gauge in ["avanak_engine_live_calls", "avanak_calls_in_hand", "avanak_calls_unsettled"]
        {
            alive += self.client.figure(gauge)?;
        }
        Ok(alive + self.client.figure("avanak_sends_waiting")?)
    }

    /// What is not as it must be.
    fn judge(mut self) -> Result<Vec<String>> {
        let mut findings = Vec::new();
        let sends = self.sends;
        let [dialled, answered] = ["calls_started", "calls_answered"]
            .map(|event| self.client.figure(&format!("avanak_engine_total{{event=\"{event}\"}}")));
        let (dialled, answered) = (dialled?, answered?);
        let spent = self.platform.spent()?;
        let Counts { started, ended, heard, lost, .. } = &*self.far_end.counts;
        let [started, ended, heard, lost] =
            [started, ended, heard, lost].map(|count| count.load(Ordering::Relaxed));
        say(&format!("{sends} sends, {spent} rials; engine: {dialled} begun, {answered} answered"));
        say(&format!(
            "far end: {started} begun, {ended} ended, {heard} packets heard, {lost} datagrams lost"
        ));
        if [dialled, answered, started, ended] != [sends; 4] {
            findings.push(String::from("not everybody counted as many calls as were sent"));
        }
        if i64::try_from(sends).ok().and_then(|sends| sends.checked_mul(RIALS)) != Some(spent) {
            findings.push(format!("{sends} messages of {RIALS} rials cost {spent}"));
        }
        findings.extend(self.platform.audit()?);
        self.judge_memory(&mut findings)?;
        self.far_end.stop()?;
        Ok(findings)
    }

    fn judge_memory(&self, findings: &mut Vec<String>) -> Result<()> {
        let warm = self.rss.iter().find(|(at, _)| *at >= WARM_UP);
        let (_, warm_kb) = warm.context("the soak was shorter than its warm-up")?;
        let most_kb = self.rss.iter().map(|(_, kb)| *kb).max().unwrap_or_default();
        let (_, last_kb) = self.rss.last().context("memory was looked at")?;
        say(&format!(
            "memory: {warm_kb} kB after a minute, {most_kb} at most, {last_kb} at the end"
        ));
        if most_kb > warm_kb + GROWTH_KB {
            findings.push(format!("the process grew by {} kB", most_kb - warm_kb));
        }
        Ok(())
    }
}

fn rest() {
    // An interrupted wait is a short one.
    let _ = ppoll(&mut [], Some(TimeSpec::from_duration(Duration::from_millis(5))), None);
}
