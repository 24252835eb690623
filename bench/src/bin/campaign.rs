//! A campaign of a million numbers beside one-time codes: what it costs to take the list in, to
//! plan, lease and settle its calls, and what the codes notice of it. The carrier is simulated.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use app::campaign::{NewCampaign, WrittenPlan};
use app::ports::Blobs as _;
use app::quick_send::NewSend;
use app::{App, Caller};
use bench::disk::{self, RawLog};
use bench::line::{Line, measured};
use bench::say::{say, verdict};
use bench::stats::{float, median, micros, quantile};
use bench::wal::Commits;
use domain::{AccountId, Approval, MessageClass, MessageId, Rials, TokenId};
use node::Caps;
use server::clock;
use store::{Db, Options};

/// Numbers in the list, and what `--quick` makes of it.
const NUMBERS: (u32, u32) = (1_000_000, 60_000);
/// Codes that are timed in each part, a hundred a second.
const CODES: (u32, u32) = (1_000, 200);
const CODE_EVERY: Duration = Duration::from_millis(10);
/// The numbers that codes are sent to begin with this, those of the campaign do not.
const CODE_NUMBERS: &str = "0935";
const CLIP_MS: u32 = 2_000;
const CREDIT: Rials = Rials(1_000_000_000_000);
/// What the agreement is a hundredth of: calls a second that are planned.
const PACED: Caps = Caps { max_channels: 100_000, max_cps: 1_000 };
const FLAT_OUT: Caps = Caps { max_channels: 100_000, max_cps: 10_000_000 };
const LONGEST: Duration = Duration::from_mins(20);

fn main() -> Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let pick = |(long, short): (u32, u32)| if quick { short } else { long };
    let (numbers, codes) = (pick(NUMBERS), pick(CODES));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(on_sqlite(numbers, codes))
}

/// Who sends what.
#[derive(Clone)]
struct Customer {
    caller: Caller,
    message: MessageId,
}

async fn on_sqlite(numbers: u32, codes: u32) -> Result<()> {
    let folder = disk::scratch()?;
    let path = folder.path().join("avanak.db");
    let db = Db::open(&format!("sqlite:{}", path.display()), Options::default()).await?;
    let mut line = Line::start(db.clone(), folder.path(), PACED, CODE_NUMBERS).await?;
    let [one, other] = [customer(&line, &db).await?, customer(&line, &db).await?];
    let flush = median(&mut raw_flushes(folder.path())?);

    let mut alone = time_codes(&mut line, &other, 0, codes).await?;
    let alone_p50 = median(&mut alone);
    say(&format!("a code, alone: p50 {alone_p50:.2} ms; a flush of the disk {flush:.2} ms"));
    verdict_of_codes(alone_p50, 2.0 * flush + 0.5, "2 flushes + 0.5 ms");

    import(&line.app, &one, numbers).await?;
    let commits = Commits::of(&path)?;
    let before = line.placed();
    let paced = measured(time_codes(&mut line, &other, codes, codes));
    let (mut beside, _, cpu) = paced.await?;
    let calls = line.placed() - before;
    let beside_p50 = median(&mut beside);
    let each_us = micros(cpu) / float(calls);
    let flushes = float(commits.since()?) / float(calls);
    say(&format!(
        "{calls} calls at 1000 a second with the codes among them: {each_us:.1} µs CPU and \
         {flushes:.2} commits each; a code p50 {beside_p50:.2} ms, p99 {:.2} ms",
        quantile(&mut beside, 0.99)
    ));
    verdict(&format!("{each_us:.1} µs"), each_us <= 60.0, "at most 60 µs");
    verdict(&format!("{flushes:.2} commits"), flushes <= 0.2, "at most 0.2");
    verdict_of_codes(beside_p50, 1.3 * alone_p50, "1.3 times that alone");

    flat_out(&mut line, numbers, codes).await?;
    let audit = db.audit().await?;
    ensure!(audit.violations.is_empty(), "the books do not balance: {:?}", audit.violations);
    db.close().await;
    Ok(())
}

fn verdict_of_codes(p50: f64, most: f64, target: &str) {
    verdict(&format!("{p50:.2} ms of {most:.2} ms"), p50 <= most, target);
}

/// The rest of the campaign, as fast as it goes.
async fn flat_out(line: &mut Line, numbers: u32, codes: u32) -> Result<()> {
    let all = u64::from(numbers + 2 * codes);
    let written = bytes_written()?;
    let before = line.settled();
    line.allow(FLAT_OUT);
    let rest = measured(line.work(LONGEST, |line| line.settled() == all));
    let ((), took, cpu) = rest.await?;
    ensure!(line.settled() == all, "{} of {all} calls were settled", line.settled());
    let calls = float(line.settled() - before);
    let (rate, each_us) = (calls / took.as_secs_f64(), micros(cpu) / calls);
    let bytes = float(bytes_written()? - written) / calls;
    say(&format!(
        "{calls} calls flat out: {rate:.0} a second, {each_us:.1} µs CPU and {bytes:.0} bytes each"
    ));
    verdict(&format!("{rate:.0} calls/s"), rate >= 1_000.0, "at least 60 000 a minute");
    verdict(&format!("{rate:.0} calls/s"), rate >= 30_000.0, "at least 30 000 a second");
    verdict(&format!("{each_us:.1} µs"), each_us <= 8.0, "at most 8 µs, saturated");
    verdict(&format!("{bytes:.0} bytes"), bytes <= 700.0, "at most 700 bytes written each");
    Ok(())
}

/// The list is taken in, and the campaign starts.
async fn import(app: &App, customer: &Customer, numbers: u32) -> Result<()> {
    let list = list(numbers)?;
    let plan = WrittenPlan {
        title: String::from("bench"),
        start: String::from("2026-01-01"),
        end: String::from("2099-12-30"),
        max_tries: 1,
        minutes_between_tries: 1,
        vote: false,
        record_ms: None,
        server: None,
        priority: 0,
        max_cost: None,
        class: MessageClass::Service,
        opt_out_key: None,
    };
    let message = customer.message;
    let list = Some(list.into());
    let new =
        NewCampaign { message, numbers: list, plan, sms: None, auto_start: true, request: None };
    let resident = resident_kb()?;
    let made = measured(async {
        let made = app::campaign::create(app, &customer.caller, new).await;
        made.map_err(|refusal| anyhow!("the campaign was refused: {refusal:?}"))
    });
    let (_, took, cpu) = made.await?;
    let grown_mb = float(peak_kb()?.saturating_sub(resident)) / 1024.0;
    say(&format!(
        "{numbers} numbers taken in: {:.2} s, {:.2} s CPU, {grown_mb:.1} MB at most",
        took.as_secs_f64(),
        cpu.as_secs_f64()
    ));
    let most = 2.0 * f64::from(numbers) / 1e6;
    verdict(&format!("{:.2} s", cpu.as_secs_f64()), cpu.as_secs_f64() <= most, "2 s a million");
    verdict(&format!("{grown_mb:.1} MB"), grown_mb <= 20.0, "at most 20 MB");
    Ok(())
}

fn list(numbers: u32) -> Result<String> {
    let mut list = String::with_capacity(numbers as usize * 12);
    for n in 0..numbers {
        write!(list, "0912{n:07},")?;
    }
    Ok(list)
}

/// Sends codes, a hundred a second, while the line works. Returns how long each took from the
/// request to the order that places its call, milliseconds.
async fn time_codes(
    line: &mut Line,
    customer: &Customer,
    first: u32,
    codes: u32,
) -> Result<Vec<f64>> {
    let (app, customer) = (Arc::clone(&line.app), customer.clone());
    let sender = tokio::spawn(send_codes(app, customer, first, codes));
    let span = CODE_EVERY * codes + Duration::from_secs(1);
    line.work(span, |_| false).await?;
    let sent = sender.await??;
    sent.into_iter()
        .map(|(number, at)| {
            let called = line.called_at(&number).with_context(|| format!("{number} in time"))?;
            Ok((called - at).as_secs_f64() * 1e3)
        })
        .collect()
}

async fn send_codes(
    app: Arc<App>,
    customer: Customer,
    first: u32,
    codes: u32,
) -> Result<Vec<(String, Instant)>> {
    let mut sent = Vec::new();
    let mut clock = tokio::time::interval(CODE_EVERY);
    for n in first..first + codes {
        clock.tick().await;
        let number = format!("{CODE_NUMBERS}{n:07}");
        let at = clock::instant();
        let new = NewSend {
            message: customer.message,
            number: number.clone(),
            vote: false,
            record_ms: None,
            server: None,
            reference: None,
            class: MessageClass::OneTimeCode,
            follow_up: None,
        };
        let done = app::quick_send::submit(&app, &customer.caller, new).await;
        done.map_err(|refusal| anyhow!("a code was refused: {refusal:?}"))?;
        sent.push((number, at));
    }
    Ok(sent)
}

async fn customer(line: &Line, db: &Db) -> Result<Customer> {
    let app = &line.app;
    let new = app::account::NewAccount {
        name: String::from("bench"),
        mobile: String::from("09120000000"),
        credit: CREDIT,
        expires_at: None,
        approves_own_messages: true,
        records_callees: false,
    };
    let id = app::account::create(app, new).await;
    let id: AccountId = id.map_err(|refusal| anyhow!("no account: {refusal:?}"))?;
    let any_hour = app::class::set_hours_document(app, id, Some("bench")).await;
    ensure!(any_hour.map_err(|failure| anyhow!(failure.chain()))?, "calls at any hour");
    let blob = format!("bench-{id}");
    let clip = audio::Clip::from_samples(vec![1_000; CLIP_MS as usize * 8]);
    let put = line.blobs.put(&blob, clip.to_wav()).await;
    put.map_err(|failure| anyhow!(failure.chain()))?;
    let mut tx = db.begin().await?;
    let message = store::message::NewMessage {
        account: id,
        title: String::new(),
        approval: Approval::Approved,
        length_ms: CLIP_MS,
        blob,
        persistent: true,
        created_at: clock::timestamp(),
    };
    let message = store::message::insert(&mut tx, &message).await?;
    tx.commit().await?;
    let account = store::account::find(&mut db.read().await?, id).await?.context("the account")?;
    Ok(Customer { caller: Caller { account, token: Some(TokenId(1)) }, message })
}

fn raw_flushes(folder: &Path) -> Result<Vec<f64>> {
    let mut log = RawLog::new(folder)?;
    (0..200).map(|_| Ok(log.append()?.as_secs_f64() * 1e3)).collect()
}

/// What this process has handed to the kernel to write, bytes.
fn bytes_written() -> Result<u64> {
    figure("/proc/self/io", "wchar:")
}

fn resident_kb() -> Result<u64> {
    // From here on the peak is counted anew.
    std::fs::write("/proc/self/clear_refs", "5").context("forgetting the peak of memory")?;
    figure("/proc/self/status", "VmRSS:")
}

fn peak_kb() -> Result<u64> {
    figure("/proc/self/status", "VmHWM:")
}

fn figure(file: &str, name: &str) -> Result<u64> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).with_context(|| format!("{file} has no {name}"))
}
