//! A campaign of a million numbers, whose process is killed two hundred times at random instants:
//! how soon after each kill the next process dials, whether anybody is called twice, and whether
//! what was told and charged of each number is what the far end saw of it. On SQLite and, where a
//! server is named, on PostgreSQL.
//!
//! Most callees are busy: what is asked here is of the store and the dialer, and a call that ends
//! at once lets most of them be at some other instant of their life when the process dies. One in
//! twenty listens to the message and costs something, so that kills meet money on its way, too.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bench::database::on_postgres;
use bench::disk;
use bench::far_end::{FarEnd, Invite};
use bench::platform::{Client, Platform};
use bench::say::{say, verdict};
use bench::stats::{float, quantile};
use domain::Timestamp;
use nix::poll::ppoll;
use nix::sys::time::TimeSpec;
use serde_json::json;
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
/// How long a list of a million numbers may be written.
const WRITING: Duration = Duration::from_mins(10);
/// One callee in so many answers.
const ANSWERS_ONE_IN: u64 = 20;
/// The price of a message that was heard, in whole or in part: 5 s at 45 rials a second.
const PULSE: i64 = 225;

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
    let far_end = FarEnd::start(answers)?;
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
    // What is up ends by itself, so that nothing is cut but by kills.
    client.modern(&format!("campaigns/{campaign}/pause"), Some(&json!({})))?;
    wait_for(&mut client, &campaign, "open")?;
    client.modern(&format!("campaigns/{campaign}/cancel"), Some(&json!({})))?;
    wait_for(&mut client, &campaign, "waiting")?;
    dialled.so_far(&far_end);
    let told = told(&mut client, &campaign)?;
    let charged = judge_calls(&told, &dialled, numbers, kills)?;
    let spent = platform.spent()?;
    ensure!(spent == charged, "{spent} rials are gone, {charged} are told of numbers");
    ledger_is_closed(&mut client, spent)?;
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

/// Whether a callee takes the call.
fn answers(number: &str) -> bool {
    number.parse::<u64>().is_ok_and(|number| number.is_multiple_of(ANSWERS_ONE_IN))
}

/// What is told of a number.
struct Told {
    number: String,
    result: String,
    charged: i64,
}

/// What is told of every number, from the list that a customer fetches.
fn told(client: &mut Client, campaign: &str) -> Result<Vec<Told>> {
    let wanted = json!({ "kind": "campaign_numbers", "campaign_id": campaign, "bom": false });
    let made = client.modern("exports", Some(&wanted))?;
    let id = made["id"].as_str().with_context(|| format!("no export: {made}"))?;
    let deadline = clock::instant() + WRITING;
    loop {
        let export = client.modern(&format!("exports/{id}"), None)?;
        if export["state"] == "ready" {
            break;
        }
        ensure!(export["state"] != "failed", "the list could not be written: {export}");
        ensure!(clock::instant() < deadline, "the list is not written: {export}");
        pause(Duration::from_millis(500))?;
    }
    let file = String::from_utf8(client.fetch(&format!("exports/{id}/file"), None)?)?;
    let mut lines = file.lines();
    let heads: Vec<&str> = lines.next().context("the list is empty")?.split(',').collect();
    let place = |name: &str| heads.iter().position(|head| *head == name).context("a column");
    let (number, result, charged) = (place("number")?, place("result")?, place("charged_rials")?);
    let one = |line: &str| -> Result<Told> {
        let fields: Vec<&str> = line.split(',').collect();
        let field = |place: usize| fields.get(place).copied().context("a line is short");
        let (number, result) = (field(number)?.to_owned(), field(result)?.to_owned());
        Ok(Told { number, result, charged: field(charged)?.parse()? })
    };
    lines.map(one).collect()
}

/// What was found wrong of numbers, one by one.
#[derive(Default)]
struct Wrong {
    /// Called more than once.
    twice: Vec<String>,
    /// Called, and told as if nobody had.
    lost: Vec<String>,
    /// Told as heard or busy, and not called, or not so; or charged as it cannot be.
    other: Vec<String>,
    /// Told as failed and never called: the INVITE was about to leave when the process died.
    never: u64,
    /// Told as failed, since the process died under the call.
    cut: u64,
    heard: u64,
}

/// Compares what is told of each number with what the far end saw of it. What was charged in all.
fn judge_calls(told: &[Told], dialled: &Dialled, numbers: u64, kills: u32) -> Result<i64> {
    ensure!(u64::try_from(told.len())? == numbers, "{} of {numbers} are told of", told.len());
    let mut wrong = Wrong::default();
    let mut strangers = dialled.0.clone();
    for one in told {
        let calls = strangers.remove(&one.number).unwrap_or(0);
        wrong.judge(one, calls);
    }
    ensure!(strangers.is_empty(), "strangers were called: {strangers:?}");
    let Wrong { twice, lost, other, never, cut, heard } = &wrong;
    say(&format!(
        "{} numbers were called, {heard} of them paid for; {cut} calls were cut",
        dialled.0.len()
    ));
    let first = |found: &[String]| found.first().cloned().unwrap_or_default();
    verdict(&format!("{} called twice", twice.len()), twice.is_empty(), "nobody");
    let figure = format!("{} calls that nobody knows of {}", lost.len(), first(lost));
    verdict(&figure, lost.is_empty(), "none");
    let figure = format!("{} told or charged as they were not {}", other.len(), first(other));
    verdict(&figure, other.is_empty(), "none");
    let figure = format!("{never} told as tried that were never called");
    verdict(&figure, *never <= kills.into(), &format!("at most one a kill, {kills}"));
    Ok(told.iter().map(|one| one.charged).sum())
}

impl Wrong {
    fn judge(&mut self, one: &Told, calls: u32) {
        let Told { number, result, charged } = one;
        let (answered, is_one) = (answers(number), calls == 1);
        if calls > 1 {
            self.twice.push(number.clone());
        }
        let fits = match &**result {
            "delivered" => answered && is_one && *charged == PULSE,
            // Cut by a kill; what was noted as heard may be nothing.
            "heard_in_part" => answered && is_one && [0, PULSE].contains(charged),
            "busy" => !answered && is_one && *charged == 0,
            "network_failure" => *charged == 0,
            "cancelled" => calls == 0 && *charged == 0,
            _ => false,
        };
        match &**result {
            "cancelled" if calls > 0 => self.lost.push(number.clone()),
            _ if !fits => self.other.push(format!("{number}: {result}, {charged}, {calls}")),
            "network_failure" if calls == 0 => self.never += 1,
            "network_failure" | "heard_in_part" => self.cut += 1,
            _ => {}
        }
        self.heard += u64::from(*charged > 0);
    }
}

/// The ledger leads from nothing to the balance, and what was credited is what is left and spent.
fn ledger_is_closed(client: &mut Client, spent: i64) -> Result<()> {
    let page = client.modern("ledger?limit=1", None)?;
    let credited = page["data"][0]["amount"].as_i64().context("the ledger begins by a credit")?;
    let balance = page["balance"].as_i64().context("the ledger has a balance")?;
    ensure!(page["held"] == 0, "something is held for nothing: {page}");
    ensure!(page["closing_balance"] == balance, "the ledger does not add up: {page}");
    ensure!(credited - balance == spent, "the ledger has lost {spent} of {credited}: {page}");
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

/// Waits until no number of the campaign is any more in this state.
fn wait_for(client: &mut Client, campaign: &str, state: &str) -> Result<()> {
    let deadline = clock::instant() + PATIENCE;
    loop {
        let told = client.modern(&format!("campaigns/{campaign}"), None)?;
        if told["numbers"][state] == 0 {
            return Ok(());
        }
        ensure!(clock::instant() < deadline, "there are always {state} ones: {told}");
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
