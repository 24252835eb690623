//! Two campaigns at the same time over real SIP, their callees played by SIPp, with every outcome
//! in them that a callee or a network can bring about, but for machines, whose sound SIPp sends
//! from the port of all its calls: how many calls a minute, whether
//! both sides counted the same, and what a call costs. On SQLite and, where a server is named, on
//! PostgreSQL.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bench::database::on_postgres;
use bench::disk;
use bench::platform::{Client, Platform};
use bench::say::{say, verdict};
use bench::sipp::{self, Callee};
use bench::stats::{float, micros};
use nix::poll::ppoll;
use nix::sys::time::TimeSpec;
use serde_json::{Map, Value, json};
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
/// How often a number is called whose calls the network fails for reasons that are not the trunk's.
const FAILED_TRIES: u64 = 4;
/// How the numbers begin that go by a trunk which is congested now and then; another one takes
/// those for which it is.
const CONGESTED: &str = "0914";
const SETTINGS: &str = "[calls]\nring_timeout_ms = 3000\n";

/// What becomes of those numbers of a hundred whose last digits `uas_campaign.xml` gives a fate.
struct Fate {
    /// What SIPp counts.
    counted: &'static str,
    /// How many of a hundred.
    of_hundred: u64,
    /// How often SIPp is called for each.
    calls: u64,
    /// What we call it, where keys are asked for.
    asked: &'static str,
    /// What we call it, where none is.
    unasked: &'static str,
    /// Whether the call is answered, and so paid for.
    is_paid: bool,
}

const fn fate(counted: &'static str, of_hundred: u64, result: &'static str, is_paid: bool) -> Fate {
    Fate { counted, of_hundred, calls: 1, asked: result, unasked: result, is_paid }
}

const FATES: [Fate; 11] = [
    fate("heard", 54, "delivered", true),
    fate("busy", 10, "busy", false),
    fate("off", 10, "unreachable", false),
    fate("unanswered", 10, "no_answer", false),
    fate("left", 10, "heard_in_part", true),
    fate("declined", 1, "rejected", false),
    fate("none", 1, "invalid_number", false),
    fate("voted", 1, "delivered", true),
    // Whoever opts out is let go at once; a key that nobody asks for does nothing.
    Fate { asked: "heard_in_part", ..fate("optedout", 1, "delivered", true) },
    // The second trunk takes what the first has no room for.
    fate("congested", 1, "delivered", true),
    Fate { calls: FAILED_TRIES, ..fate("incapable", 1, "network_failure", false) },
];

fn main() -> Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let numbers = if quick { NUMBERS.1 } else { NUMBERS.0 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    say("SQLite:");
    let mut slowest = measure(numbers, "")?;
    let on_postgres = on_postgres("by_sip", |url| {
        say("PostgreSQL:");
        let rate = measure(numbers, &format!("[database]\nurl = \"{url}\"\n"));
        std::future::ready(rate.map(|rate| slowest = slowest.min(rate)))
    });
    runtime.block_on(on_postgres)?;
    verdict(&format!("{slowest:.0} calls a minute"), slowest >= ASKED, "at least 6 000 a minute");
    Ok(())
}

/// Lets both campaigns be called, and then once more whoever opted out of the first; compares what
/// both sides count. How many calls were begun in a minute.
fn measure(numbers: u64, database: &str) -> Result<f64> {
    let folder = disk::scratch()?;
    let (first, second) = (folder.path().join("first.csv"), folder.path().join("second.csv"));
    let calls: u64 = FATES.iter().map(|fate| of(2 * numbers, fate) * fate.calls).sum();
    let congested = of(2 * numbers, &FATES[9]);
    let mut callee = Callee::of_campaigns(calls, &first)?;
    let mut other = Callee::counted_to(congested, &second)?;
    let settings = format!(
        "{SETTINGS}{database}{}{}",
        trunk("congested", callee.address, 0),
        trunk("second", other.address, 1)
    );
    let platform = Platform::start_at(folder.path(), callee.address, CALLS_PER_SECOND, &settings)?;
    let mut client = platform.client()?;
    let audio = client.upload(3)?;
    let cpu = platform.cpu()?;
    let began = clock::instant();
    let asked = start_campaign(&mut client, audio, &list(2, numbers), true)?;
    let unasked = start_campaign(&mut client, audio, &list(3, numbers), false)?;
    let last_dialled = wait_for_all(&mut client, [&asked, &unasked])?;
    let cpu = platform.cpu()?.saturating_sub(cpu);
    let minutes = (last_dialled - began).as_secs_f64() / 60.0;
    let rate = float(calls + congested) / minutes;
    say(&format!(
        "{} calls in {minutes:.2} minutes, {rate:.0} a minute, {:.0} µs CPU of the whole program \
         for each, sound included",
        calls + congested,
        micros(cpu) / float(calls + congested)
    ));
    compare(&mut client, &asked, numbers, |fate| fate.asked)?;
    compare(&mut client, &unasked, numbers, |fate| fate.unasked)?;
    compare_keys(&mut client, &asked, numbers)?;
    let opted_out: Vec<String> =
        list(2, numbers).into_iter().filter(|number| number.ends_with("45")).collect();
    opted_out_are_not_called(&mut client, audio, &opted_out)?;
    wait_for_end(&mut callee, &first)?;
    wait_for_end(&mut other, &second)?;
    for fate in &FATES {
        let counted = sipp::counted(&first, fate.counted)?;
        let expected = of(2 * numbers, fate) * fate.calls;
        ensure!(counted == expected, "SIPp counted {counted} times '{}'", fate.counted);
    }
    let taken = sipp::counted(&second, "SuccessfulCall")?;
    ensure!(taken == congested, "the second SIPp took {taken} calls");
    let paid: u64 =
        FATES.iter().filter(|fate| fate.is_paid).map(|fate| of(2 * numbers, fate)).sum();
    let spent = platform.spent()?;
    ensure!(spent == i64::try_from(paid)? * RIALS, "{spent} rials for {paid} calls");
    let audit = platform.audit()?;
    ensure!(audit.is_empty(), "the books do not balance: {audit:?}");
    let judged = platform.judged()?;
    ensure!(judged.is_empty(), "the judge found: {judged:?}");
    say("both sides counted the same, the money fits, and the judge finds each call lawful");
    Ok(rate)
}

/// A trunk of the numbers of [`CONGESTED`] alone, so that it stands in for no other.
fn trunk(name: &str, address: SocketAddr, priority: u8) -> String {
    format!(
        "[[trunk]]\nname = \"{name}\"\naddress = \"{address}\"\nprefixes = [\"{CONGESTED}\"]\n\
         caller_id = \"02191000000\"\nmax_channels = 2000\nmax_cps = 2000\n\
         ping_interval_s = 0\npriority = {priority}\n"
    )
}

/// How many of so many numbers have this fate.
fn of(numbers: u64, fate: &Fate) -> u64 {
    numbers / 100 * fate.of_hundred
}

fn list(operator: u64, numbers: u64) -> Vec<String> {
    // Ten of a hundred go by the trunk that is congested for one of them: a trunk that fails every
    // call is left alone.
    let number = |n: u64| match n % 100 / 10 {
        5 => format!("{CONGESTED}{operator}{n:06}"),
        _ => format!("091{operator}{n:07}"),
    };
    (0..numbers).map(number).collect()
}

/// Starts a campaign; one that asks for keys takes votes, and 9 opts out.
fn start_campaign(client: &mut Client, audio: i64, list: &[String], keys: bool) -> Result<String> {
    let plan = json!({
        "title": "bench", "audio_id": audio, "to": list, "tries": 1, "minutes_between_tries": 0,
        "starts": "2026-01-01", "ends": "2099-12-30",
        "collect_key": keys, "opt_out_key": keys.then_some("9"),
    });
    let made = client.modern("campaigns", Some(&plan))?;
    made["id"].as_str().map(str::to_owned).with_context(|| format!("no campaign: {made}"))
}

/// Waits until both campaigns have ended; returns when the last call was dialled.
fn wait_for_all(client: &mut Client, campaigns: [&str; 2]) -> Result<Instant> {
    let (mut dialled, mut settled) = (0, 0);
    let (mut last_dialled, mut last_change) = (clock::instant(), clock::instant());
    while !have_ended(client, campaigns)? {
        ppoll(&mut [], Some(TimeSpec::from_duration(LOOK_EVERY)), None)?;
        let now = clock::instant();
        let placed = client.figure("avanak_calls_dialled_total")?;
        let ended = client.figure("avanak_calls_settled_total")?;
        if placed > dialled {
            (dialled, last_dialled, last_change) = (placed, now, now);
        }
        if ended > settled {
            (settled, last_change) = (ended, now);
        }
        if now - last_change > PATIENCE {
            let told = campaigns.map(|campaign| fates(client, campaign));
            bail!("{dialled} calls were begun, {settled} have ended, and no more do: {told:?}");
        }
    }
    Ok(last_dialled)
}

fn have_ended(client: &mut Client, campaigns: [&str; 2]) -> Result<bool> {
    for campaign in campaigns {
        if client.modern(&format!("campaigns/{campaign}"), None)?["state"] != "finished" {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What we say of a campaign.
fn compare(
    client: &mut Client,
    campaign: &str,
    numbers: u64,
    result: fn(&Fate) -> &'static str,
) -> Result<()> {
    let mut wanted = BTreeMap::<&str, u64>::new();
    for fate in &FATES {
        *wanted.entry(result(fate)).or_default() += of(numbers, fate);
    }
    let wanted: Map<String, Value> =
        wanted.into_iter().map(|(name, count)| (name.to_owned(), json!(count))).collect();
    let told = client.modern(&format!("campaigns/{campaign}"), None)?;
    let results = &told["numbers"]["results"];
    if *results != Value::Object(wanted) {
        bail!("campaign {campaign} ended so: {told}; {:?}", fates(client, campaign)?);
    }
    Ok(())
}

/// What became of the numbers with the same last two digits.
fn fates(client: &mut Client, campaign: &str) -> Result<BTreeMap<String, u64>> {
    let (mut fates, mut after) = (BTreeMap::new(), String::new());
    loop {
        let page = format!("campaigns/{campaign}/numbers?limit=100{after}");
        let page = client.modern(&page, None)?;
        for number in page["data"].as_array().context("a page has data")? {
            let to = number["to"].as_str().unwrap_or_default();
            let digits = to.get(to.len().saturating_sub(2)..).unwrap_or_default();
            let digit = if digits.ends_with('5') { digits } else { &digits[1..] };
            let told = format!("{digit} {} {}", number["result"], number["reason"]);
            *fates.entry(told).or_default() += 1;
        }
        let Some(next) = page["next_page"].as_str() else { return Ok(fates) };
        after = format!("&after={next}");
    }
}

/// The keys that were pressed, number by number.
fn compare_keys(client: &mut Client, campaign: &str, numbers: u64) -> Result<()> {
    let (mut votes, mut opt_outs, mut after) = (0, 0, String::new());
    loop {
        let page = format!("campaigns/{campaign}/numbers?limit=100{after}");
        let page = client.modern(&page, None)?;
        for number in page["data"].as_array().context("a page has data")? {
            votes += u64::from(number["key"] == 5 && number["keys"] == json!(["5"]));
            opt_outs += u64::from(number["key"].is_null() && number["keys"] == json!(["9"]));
        }
        let Some(next) = page["next_page"].as_str() else { break };
        after = format!("&after={next}");
    }
    let expected = (of(numbers, &FATES[7]), of(numbers, &FATES[8]));
    ensure!((votes, opt_outs) == expected, "{votes} pressed 5, {opt_outs} pressed 9");
    Ok(())
}

/// Whoever has opted out by a key is in another campaign, and is not called.
fn opted_out_are_not_called(client: &mut Client, audio: i64, list: &[String]) -> Result<()> {
    let dialled = client.figure("avanak_calls_dialled_total")?;
    let campaign = start_campaign(client, audio, list, true)?;
    let deadline = clock::instant() + PATIENCE;
    loop {
        let told = client.modern(&format!("campaigns/{campaign}"), None)?;
        if told["state"] == "finished" {
            let expected = json!({ "opted_out": list.len() });
            ensure!(told["numbers"]["results"] == expected, "it ended so: {told}");
            break;
        }
        ensure!(clock::instant() < deadline, "it does not end: {told}");
        ppoll(&mut [], Some(TimeSpec::from_duration(LOOK_EVERY)), None)?;
    }
    let called = client.figure("avanak_calls_dialled_total")? - dialled;
    ensure!(called == 0, "{called} were called");
    let numbers = client.modern(&format!("campaigns/{campaign}/numbers?limit=100"), None)?;
    let numbers = numbers["data"].as_array().context("a page has data")?;
    ensure!(numbers.iter().all(|number| number["tries"] == 0), "one was called: {numbers:?}");
    Ok(())
}

/// Waits until SIPp has had its calls, all of which went as its scenario says.
fn wait_for_end(callee: &mut Callee, statistics: &Path) -> Result<()> {
    let deadline = clock::instant() + PATIENCE;
    let status = loop {
        if let Some(status) = callee.ended()? {
            break status;
        }
        ensure!(clock::instant() < deadline, "SIPp waits for more calls");
        ppoll(&mut [], Some(TimeSpec::from_duration(LOOK_EVERY)), None)?;
    };
    if !status.success() {
        let failures = sipp::failures(statistics)?;
        bail!("calls of SIPp went otherwise than they should ({status}): {failures:?}");
    }
    Ok(())
}
