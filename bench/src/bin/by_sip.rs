//! Two campaigns at the same time over real SIP, their callees played by SIPp, with every outcome
//! in them: how many calls a minute, whether both sides counted the same, and what a call costs.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bench::disk;
use bench::platform::{Client, Platform};
use bench::say::{say, verdict};
use bench::sipp::{self, Callee};
use bench::stats::{float, micros};
use nix::poll::ppoll;
use nix::sys::time::TimeSpec;
use serde_json::{Value, json};
use server::clock;

/// Numbers in each of the two campaigns: five minutes of calls; and what `--quick` makes of it.
const NUMBERS: (u64, u64) = (30_000, 1_000);
/// Twice what is asked for.
const CALLS_PER_SECOND: u32 = 200;
/// What is asked for, calls a minute.
const ASKED: f64 = 6_000.0;
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The longest time without a call that ends.
const PATIENCE: Duration = Duration::from_mins(1);
/// What a call costs that is heard, for a message of three seconds: one pulse.
const RIALS: i64 = 225;

/// What SIPp counts, what we call it, and how many of ten numbers it becomes of
/// (`uas_campaign.xml`).
const OUTCOMES: [(&str, &str, u64); 5] = [
    ("heard", "delivered", 6),
    ("busy", "busy", 1),
    ("off", "unreachable", 1),
    ("unanswered", "no_answer", 1),
    ("left", "heard_in_part", 1),
];

fn main() -> Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let numbers = if quick { NUMBERS.1 } else { NUMBERS.0 };
    let folder = disk::scratch()?;
    let statistics = folder.path().join("sipp.csv");
    let mut callee = Callee::of_campaigns(2 * numbers, &statistics)?;
    let settings = "[calls]\nring_timeout_ms = 3000\n";
    let platform = Platform::start_at(folder.path(), callee.address, CALLS_PER_SECOND, settings)?;
    let mut client = platform.client()?;
    let audio = client.upload(3)?;
    let cpu = platform.cpu()?;
    let began = clock::instant();
    let campaigns = [2, 3].map(|operator| start_campaign(&mut client, audio, operator, numbers));
    let campaigns = campaigns.into_iter().collect::<Result<Vec<String>>>()?;
    let last_dialled = wait_for_all(&mut client, 2 * numbers)?;
    let cpu = platform.cpu()?.saturating_sub(cpu);
    let minutes = (last_dialled - began).as_secs_f64() / 60.0;
    let rate = float(2 * numbers) / minutes;
    say(&format!(
        "{} calls in {minutes:.2} minutes, {:.0} µs CPU of the whole program for each, sound \
         included",
        2 * numbers,
        micros(cpu) / float(2 * numbers)
    ));
    compare(&mut client, &campaigns, numbers)?;
    compare_sipp(&mut callee, &statistics, 2 * numbers)?;
    let spent = platform.spent()?;
    let heard = i64::try_from(2 * numbers * 7 / 10)?;
    ensure!(spent == heard * RIALS, "{spent} rials for {heard} calls that were heard");
    let audit = platform.audit()?;
    ensure!(audit.is_empty(), "the books do not balance: {audit:?}");
    say("both sides counted the same, and the money fits");
    verdict(&format!("{rate:.0} calls a minute"), rate >= ASKED, "at least 6 000 a minute");
    Ok(())
}

fn start_campaign(client: &mut Client, audio: i64, operator: u64, numbers: u64) -> Result<String> {
    let list: Vec<String> = (0..numbers).map(|n| format!("091{operator}{n:07}")).collect();
    let plan = json!({
        "title": "bench", "audio_id": audio, "to": list, "tries": 1,
        "starts": "2026-01-01", "ends": "2099-12-30",
    });
    let made = client.modern("campaigns", Some(&plan))?;
    made["id"].as_str().map(str::to_owned).with_context(|| format!("no campaign: {made}"))
}

/// Waits until all calls are settled; returns when the last of them was dialled.
fn wait_for_all(client: &mut Client, calls: u64) -> Result<Instant> {
    let (mut dialled, mut settled) = (0, 0);
    let (mut last_dialled, mut last_change) = (clock::instant(), clock::instant());
    while settled < calls {
        ppoll(&mut [], Some(TimeSpec::from_duration(LOOK_EVERY)), None)?;
        let now = clock::instant();
        let placed = client.figure("avanak_calls_dialled_total")?;
        let ended = client.figure("avanak_calls_settled_total")?;
        if placed > dialled {
            (dialled, last_dialled) = (placed, now);
        }
        if ended > settled {
            (settled, last_change) = (ended, now);
        }
        if now - last_change > PATIENCE {
            bail!("{settled} of {calls} calls have ended, and no more do");
        }
    }
    Ok(last_dialled)
}

/// What we say of each campaign.
fn compare(client: &mut Client, campaigns: &[String], numbers: u64) -> Result<()> {
    for campaign in campaigns {
        let told = client.modern(&format!("campaigns/{campaign}"), None)?;
        let mut wanted = serde_json::Map::new();
        for (_, name, of_ten) in OUTCOMES {
            wanted.insert(name.to_owned(), json!(numbers * of_ten / 10));
        }
        let results = &told["numbers"]["results"];
        ensure!(*results == Value::Object(wanted), "campaign {campaign} ended so: {told}");
    }
    Ok(())
}

/// What SIPp says of both.
fn compare_sipp(callee: &mut Callee, statistics: &Path, calls: u64) -> Result<()> {
    let deadline = clock::instant() + PATIENCE;
    let status = loop {
        if let Some(status) = callee.ended()? {
            break status;
        }
        ensure!(clock::instant() < deadline, "SIPp waits for more calls");
        ppoll(&mut [], Some(TimeSpec::from_duration(LOOK_EVERY)), None)?;
    };
    ensure!(status.success(), "calls of SIPp went otherwise than they should ({status})");
    for (name, _, of_ten) in OUTCOMES {
        let counted = sipp::counted(statistics, name)?;
        ensure!(counted == calls * of_ten / 10, "SIPp counted {counted} times '{name}'");
    }
    Ok(())
}
