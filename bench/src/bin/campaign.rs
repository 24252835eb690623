//! A campaign of a million numbers beside one-time codes: what it costs to take the list in, to
//! plan, lease and settle its calls, and what the codes notice of both. The carrier is simulated,
//! and once each engine of the store is behind it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use app::campaign::{NewCampaign, WrittenPlan};
use app::ports::Blobs as _;
use app::quick_send::NewSend;
use app::{App, Caller};
use bench::database::{Session, on_postgres};
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
const QUICK: &str = "--quick";
const LONGEST: Duration = Duration::from_mins(20);

/// What a list is made of.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Numbers one after another.
    Dense,
    /// Numbers from all over the mobile networks.
    Scattered,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Dense, Self::Scattered];

    fn word(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Scattered => "scattered",
        }
    }

    fn list(self, numbers: u32) -> Result<String> {
        let mut list = String::with_capacity(numbers as usize * 12);
        for n in (0..numbers).map(u64::from) {
            let number = match self {
                Self::Dense => 9_120_000_000 + n,
                // Each once: the step has no factor in common with the count of their places.
                Self::Scattered => 9_000_000_000 + n * 618_033_989 % 1_000_000_000,
            };
            write!(list, "0{number},")?;
        }
        Ok(list)
    }
}

/// What is asked of an engine when the rest of a campaign is called as fast as it goes.
struct Targets {
    engine: &'static str,
    calls_a_second: f64,
    bytes: f64,
    what_bytes: &'static str,
}

const ON_SQLITE: Targets = Targets {
    engine: "SQLite",
    calls_a_second: 30_000.0,
    bytes: 700.0,
    what_bytes: "bytes written each",
};
const ON_POSTGRES: Targets = Targets {
    engine: "PostgreSQL",
    calls_a_second: 10_000.0,
    bytes: 600.0,
    what_bytes: "bytes of its write-ahead log each",
};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == QUICK);
    let pick = |(long, short): (u32, u32)| if quick { short } else { long };
    let (numbers, codes) = (pick(NUMBERS), pick(CODES));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(kind) = Kind::ALL.iter().find(|kind| arguments.iter().any(|one| one == kind.word()))
    {
        return runtime.block_on(take_in(*kind, numbers));
    }
    for kind in Kind::ALL {
        // What a list takes is asked of a process that has not taken one in before.
        let mut itself = Command::new(std::env::current_exe()?);
        let taken = itself.arg(kind.word()).args(quick.then_some(QUICK)).status()?;
        ensure!(taken.success(), "a list of {} numbers was not taken in", kind.word());
    }
    runtime.block_on(on_sqlite(numbers, codes))?;
    runtime.block_on(on_postgres("one", |url| async move {
        let db = Db::open(&url, Options::default()).await?;
        db.migrate().await?;
        let log = Log::Postgres(Session::open(&url).await?);
        let folder = disk::scratch()?;
        compare(&db, folder.path(), log, (numbers, codes), &ON_POSTGRES).await?;
        db.close().await;
        Ok(())
    }))
}

async fn on_sqlite(numbers: u32, codes: u32) -> Result<()> {
    let folder = disk::scratch()?;
    let path = folder.path().join("avanak.db");
    let db = open_sqlite(&path).await?;
    let log = Log::Sqlite(path);
    compare(&db, folder.path(), log, (numbers, codes), &ON_SQLITE).await?;
    db.close().await;
    Ok(())
}

/// Who sends what.
#[derive(Clone)]
struct Customer {
    caller: Caller,
    message: MessageId,
}

async fn open_sqlite(path: &Path) -> Result<Db> {
    Ok(Db::open(&format!("sqlite:{}", path.display()), Options::default()).await?)
}

/// What an engine writes.
enum Log {
    Sqlite(PathBuf),
    Postgres(Session),
}

impl Log {
    /// Bytes until now: of SQLite what this process has handed to the kernel to write, of
    /// PostgreSQL those of its write-ahead log.
    async fn bytes(&self) -> Result<u64> {
        match self {
            Self::Sqlite(_) => figure("/proc/self/io", "wchar:"),
            Self::Postgres(session) => session.wal_bytes().await,
        }
    }

    /// The flushes from now on: of SQLite its commits, each of which is one.
    async fn flushes(&self) -> Result<Flushes<'_>> {
        Ok(match self {
            Self::Sqlite(path) => Flushes::Sqlite(Commits::of(path)?),
            Self::Postgres(session) => Flushes::Postgres(session, session.wal_flushes().await?),
        })
    }
}

/// Flushes that are being counted.
enum Flushes<'a> {
    Sqlite(Commits),
    Postgres(&'a Session, u64),
}

impl Flushes<'_> {
    async fn since(&self) -> Result<u64> {
        match self {
            Self::Sqlite(commits) => commits.since(),
            Self::Postgres(session, before) => Ok(session.wal_flushes().await? - before),
        }
    }
}

async fn compare(
    db: &Db,
    folder: &Path,
    log: Log,
    (numbers, codes): (u32, u32),
    targets: &Targets,
) -> Result<()> {
    say(&format!("\n{}: CPU is that of this process", targets.engine));
    let mut line = Line::start(db.clone(), folder, PACED, CODE_NUMBERS).await?;
    let [one, other] = [customer(&line, db).await?, customer(&line, db).await?];
    let flush = median(&mut raw_flushes(folder)?);

    let mut alone = time_codes(&mut line, &other, 0, codes).await?;
    let (alone_p50, alone_p99) = (median(&mut alone), quantile(&mut alone, 0.99));
    say(&format!(
        "a code, alone: p50 {alone_p50:.2} ms, p99 {alone_p99:.2} ms; a flush of the disk \
         {flush:.2} ms"
    ));
    verdict_of_codes(alone_p50, 2.0 * flush + 0.5, "2 flushes + 0.5 ms");

    codes_beside_lists(&mut line, (&one, &other), (numbers, codes), alone_p99).await?;
    create(&line.app, &one, Kind::Dense.list(numbers)?, true).await?;
    codes_beside_calls(&mut line, &other, codes, alone_p50, &log).await?;
    flat_out(&mut line, numbers, codes, &log, targets).await?;
    let audit = db.audit().await?;
    ensure!(audit.violations.is_empty(), "the books do not balance: {:?}", audit.violations);
    Ok(())
}

/// Codes while list after list is taken in, none of which is called.
async fn codes_beside_lists(
    line: &mut Line,
    (one, other): (&Customer, &Customer),
    (numbers, codes): (u32, u32),
    alone_p99: f64,
) -> Result<()> {
    let enough = Arc::new(AtomicBool::new(false));
    let (app, one, until) = (Arc::clone(&line.app), one.clone(), Arc::clone(&enough));
    let list = Kind::Dense.list(numbers)?;
    let importing = tokio::spawn(async move {
        let mut lists = 0_u32;
        while !until.load(Ordering::Relaxed) {
            create(&app, &one, list.clone(), false).await?;
            lists += 1;
        }
        anyhow::Ok(lists)
    });
    let beside = time_codes(line, other, codes, codes).await;
    enough.store(true, Ordering::Relaxed);
    let lists = importing.await??;
    let mut beside = beside?;
    let (p50, p99) = (median(&mut beside), quantile(&mut beside, 0.99));
    say(&format!(
        "a code beside {lists} lists that are taken in: p50 {p50:.2} ms, p99 {p99:.2} ms"
    ));
    let most = 2.0 * alone_p99;
    let target = "beside lists that are taken in, 2 times that alone";
    verdict(&format!("p99 {p99:.2} ms of {most:.2} ms"), p99 <= most, target);
    Ok(())
}

/// Codes beside the calls of the campaign, a thousand a second.
async fn codes_beside_calls(
    line: &mut Line,
    other: &Customer,
    codes: u32,
    alone_p50: f64,
    log: &Log,
) -> Result<()> {
    let flushes = log.flushes().await?;
    let before = line.placed();
    let paced = measured(time_codes(line, other, 2 * codes, codes));
    let (mut beside, _, cpu) = paced.await?;
    let calls = line.placed() - before;
    let beside_p50 = median(&mut beside);
    let each_us = micros(cpu) / float(calls);
    say(&format!(
        "{calls} calls at 1000 a second with the codes among them: {each_us:.1} µs CPU each; \
         a code p50 {beside_p50:.2} ms, p99 {:.2} ms",
        quantile(&mut beside, 0.99)
    ));
    verdict(&format!("{each_us:.1} µs"), each_us <= 60.0, "at most 60 µs");
    let each = float(flushes.since().await?) / float(calls);
    verdict(&format!("{each:.3} flushes a call"), each <= 0.2, "at most 0.2");
    verdict_of_codes(beside_p50, 1.3 * alone_p50, "1.3 times that alone");
    Ok(())
}

fn verdict_of_codes(p50: f64, most: f64, target: &str) {
    verdict(&format!("{p50:.2} ms of {most:.2} ms"), p50 <= most, target);
}

/// The rest of the campaign, as fast as it goes.
async fn flat_out(
    line: &mut Line,
    numbers: u32,
    codes: u32,
    log: &Log,
    targets: &Targets,
) -> Result<()> {
    let all = u64::from(numbers + 3 * codes);
    let written = log.bytes().await?;
    let before = line.settled();
    line.allow(FLAT_OUT);
    let rest = measured(line.work(LONGEST, |line| line.settled() == all));
    let ((), took, cpu) = rest.await?;
    ensure!(line.settled() == all, "{} of {all} calls were settled", line.settled());
    let calls = float(line.settled() - before);
    let (rate, each_us) = (calls / took.as_secs_f64(), micros(cpu) / calls);
    let bytes = float(log.bytes().await? - written) / calls;
    say(&format!(
        "{calls} calls flat out: {rate:.0} a second, {each_us:.1} µs CPU and {bytes:.0} {}",
        targets.what_bytes
    ));
    verdict(&format!("{rate:.0} calls/s"), rate >= 1_000.0, "at least 60 000 a minute");
    let (least, most) = (targets.calls_a_second, targets.bytes);
    verdict(&format!("{rate:.0} calls/s"), rate >= least, &format!("at least {least} a second"));
    verdict(&format!("{each_us:.1} µs"), each_us <= 8.0, "at most 8 µs, saturated");
    let target = format!("at most {most} {}", targets.what_bytes);
    verdict(&format!("{bytes:.0} bytes"), bytes <= most, &target);
    Ok(())
}

/// Takes a list in as a campaign on SQLite, and says what that costs.
async fn take_in(kind: Kind, numbers: u32) -> Result<()> {
    let folder = disk::scratch()?;
    let db = open_sqlite(&folder.path().join("avanak.db")).await?;
    let line = Line::start(db.clone(), folder.path(), PACED, CODE_NUMBERS).await?;
    let (customer, list) = (customer(&line, &db).await?, kind.list(numbers)?);
    let resident = resident_kb()?;
    let ((), took, cpu) = measured(create(&line.app, &customer, list, true)).await?;
    let grown_mb = float(peak_kb()?.saturating_sub(resident)) / 1024.0;
    let (kind, took, cpu) = (kind.word(), took.as_secs_f64(), cpu.as_secs_f64());
    say(&format!(
        "{numbers} {kind} numbers taken in: {took:.2} s, {cpu:.2} s CPU, {grown_mb:.1} MB at most"
    ));
    let most = 2.0 * f64::from(numbers) / 1e6;
    verdict(&format!("{kind}: {cpu:.2} s"), cpu <= most, "2 s of CPU a million");
    verdict(&format!("{kind}: {grown_mb:.1} MB"), grown_mb <= 20.0, "at most 20 MB");
    db.close().await;
    Ok(())
}

/// Makes a campaign of a list, and starts it if that is wanted.
async fn create(app: &App, customer: &Customer, list: String, start: bool) -> Result<()> {
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
        calls_per_minute: None,
    };
    let new = NewCampaign {
        message: customer.message.into(),
        numbers: Some(list.into()),
        plan,
        sms: None,
        auto_start: start,
        request: None,
    };
    let made = app::campaign::create(app, &customer.caller, new).await;
    made.map(drop).map_err(|refusal| anyhow!("the campaign was refused: {refusal:?}"))
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
