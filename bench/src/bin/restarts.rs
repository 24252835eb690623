//! A campaign of a million numbers, whose process is killed two hundred times at random instants:
//! how soon after each kill the next process dials, whether anybody is called twice, and whether
//! what was told of the calls is what the far end saw. On SQLite and, where a server is named, on
//! PostgreSQL.
//!
//! The callees are busy: what is asked here is of the store and the dialer, and a call that ends at
//! once lets most of them be at some other instant of their life when the process dies.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bench::database::on_postgres;
use bench::disk;
use bench::far_end::{FarEnd, Invite};
use bench::platform::{Client, Platform};
use bench::say::{say, verdict};
use bench::stats::{float, quantile};
use domain::Timestamp;
use nix::poll::ppoll;
use nix::sys::time::TimeSpec;
use serde_json::{Value, json};
use server::clock;

/// Numbers in the line, and kills; and what `--quick` makes of them.
const NUMBERS: (u64, u64) = (1_000_000, 20_000);
const KILLS: (u32, u32) = (200, 10);
const CALLS_PER_SECOND: u32 = 1_000;
/// A process lives for at most so long after its first call, milliseconds.
const LIFE_MS: u64 = 1_000;
/// From a kill to the next call, milliseconds.
const WITHIN_MS: f64 = 1_000.0;
/// The longest time without a call.
const PATIENCE: Duration = Duration::from_mins(1);

fn main() -> Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (numbers, kills) = if quick { (NUMBERS.1, KILLS.1) } else { (NUMBERS.0, KILLS.0) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    say("SQLite:");
    measure(numbers, kills, "")?;
    runtime.block_on(on_postgres("restarts", |url| {
        say("PostgreSQL:");
        let measured = measure(numbers, kills, &format!("[database]\nurl = \"{url}\"\n"));
        std::future::ready(measured)
    }))
}

fn measure(numbers: u64, kills: u32, database: &str) -> Result<()> {
    let folder = disk::scratch()?;
    let far_end = FarEnd::start(|_| false)?;
    let mut platform = Platform::start_at(folder.path(), far_end.sip, CALLS_PER_SECOND, database)?;
    let campaign = start_campaign(&mut platform.client()?, numbers)?;
    let mut dialled = Dialled::default();
    dialled.after(&far_end, Timestamp(0))?;
    let (mut waits_ms, mut chance) = (Vec::new(), Chance(0x2026_1130));
    for _ in 0..kills {
        pause(Duration::from_millis(chance.below(LIFE_MS)))?;
        dialled.so_far(&far_end);
        let killed_at = clock::timestamp();
        platform.kill()?;
        let dead_at = clock::timestamp();
        platform.restart()?;
        let next = dialled.after(&far_end, dead_at)?;
        waits_ms.push(float(u64::try_from(next.us_since(killed_at))?) / 1e3);
    }
    let mut client = platform.client()?;
    client.modern(&format!("campaigns/{campaign}/cancel"), Some(&json!({})))?;
    let told = wait_for_end(&mut client, &campaign)?;
    dialled.so_far(&far_end);
    judge_calls(&told, &dialled, numbers, kills)?;
    ensure!(platform.spent()? == 0, "a call that nobody took was paid for");
    let audit = platform.audit()?;
    ensure!(audit.is_empty(), "the books do not balance: {audit:?}");
    let judged = platform.judged()?;
    ensure!(judged.is_empty(), "the judge found: {judged:?}");
    let in_time = waits_ms.iter().filter(|ms| **ms <= WITHIN_MS).count();
    let [p50, worst] = [0.5, 1.0].map(|q| quantile(&mut waits_ms, q));
    let figure = format!("{in_time} of {kills}, p50 {p50:.0} ms, at most {worst:.0} ms");
    verdict(&figure, worst <= WITHIN_MS, &format!("the next call within {WITHIN_MS} ms of a kill"));
    far_end.stop()?;
    Ok(())
}

/// How often each number was called.
#[derive(Default)]
struct Dialled(BTreeMap<String, u32>);

impl Dialled {
    fn note(&mut self, invite: Invite) -> Timestamp {
        *self.0.entry(invite.number).or_default() += 1;
        Timestamp(invite.at_ns / 1_000)
    }

    /// Notes what has arrived.
    fn so_far(&mut self, far_end: &FarEnd) {
        for invite in far_end.invites.try_iter() {
            self.note(invite);
        }
    }

    /// Waits for a call that arrived after this, and says when.
    fn after(&mut self, far_end: &FarEnd, moment: Timestamp) -> Result<Timestamp> {
        loop {
            let invite = far_end.invites.recv_timeout(PATIENCE).context("no more calls come")?;
            let at = self.note(invite);
            if at > moment {
                return Ok(at);
            }
        }
    }
}

/// Nobody twice, and each whom we say we called was called, but for those whose INVITE was about to
/// leave when the process died: they are told as failed, and never called again.
fn judge_calls(told: &Value, dialled: &Dialled, numbers: u64, kills: u32) -> Result<()> {
    let results = told["numbers"]["results"].as_object().context("a campaign has results")?;
    let count = |name: &str| results.get(name).and_then(Value::as_u64).unwrap_or(0);
    let all: u64 = results.values().filter_map(Value::as_u64).sum();
    say(&format!("{} numbers were called; told: {}", dialled.0.len(), told["numbers"]));
    ensure!(all == numbers, "{all} of {numbers} numbers have a result");
    let tried = all - count("cancelled");
    let called = u64::try_from(dialled.0.len())?;
    let twice = dialled.0.values().filter(|times| **times > 1).count();
    verdict(&format!("{twice} called twice"), twice == 0, "nobody");
    let lost = called.saturating_sub(tried);
    verdict(&format!("{lost} calls that nobody knows of"), lost == 0, "none");
    let never = tried.saturating_sub(called);
    let figure = format!("{never} told as tried that were never called");
    verdict(&figure, never <= kills.into(), &format!("at most one a kill, {kills}"));
    Ok(())
}

fn start_campaign(client: &mut Client, numbers: u64) -> Result<String> {
    let audio = client.upload(3)?;
    let list: Vec<String> = (0..numbers).map(|n| format!("0912{n:07}")).collect();
    let plan = json!({
        "title": "bench", "audio_id": audio, "to": list, "tries": 1, "minutes_between_tries": 0,
        "starts": "2026-01-01", "ends": "2099-12-30",
    });
    let made = client.modern("campaigns", Some(&plan))?;
    made["id"].as_str().map(str::to_owned).with_context(|| format!("no campaign: {made}"))
}

/// Waits until no call of the campaign is left; what is told of it then.
fn wait_for_end(client: &mut Client, campaign: &str) -> Result<Value> {
    let deadline = clock::instant() + PATIENCE;
    loop {
        let told = client.modern(&format!("campaigns/{campaign}"), None)?;
        let (waiting, open) = (&told["numbers"]["waiting"], &told["numbers"]["open"]);
        if *waiting == 0 && *open == 0 {
            return Ok(told);
        }
        if clock::instant() > deadline {
            bail!("the campaign does not end: {told}");
        }
        pause(Duration::from_millis(200))?;
    }
}

fn pause(time: Duration) -> Result<()> {
    ppoll(&mut [], Some(TimeSpec::from_duration(time)), None)?;
    Ok(())
}

/// Numbers that look random and are the same in each run (Knuth's MMIX).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
