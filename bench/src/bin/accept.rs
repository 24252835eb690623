//! Durable accepts: 256 clients at the same time through the store, whose callers share commits,
//! beside one transaction a request on the same database.
//!
//! The yardstick is a connection and a transaction for every client, on both engines. On SQLite a
//! bare loop without clients, threads or queues stands beside it: the most that one transaction a
//! request can reach on this disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use bench::cpu::{Stopwatch, Whose};
use bench::database::on_postgres;
use bench::say::{say, verdict};
use bench::stats::{float, median, micros};
use bench::wal::Commits;
use bench::{customer, disk};
use domain::{AccountId, Destination, MessageId, Rials, TariffId, Zone};
use rusqlite::{Connection, params};
use server::clock;
use store::hot::{Accept, Played};
use store::{Db, Options, Tx, Value};
use tokio::task::JoinSet;

const CLIENTS: usize = 256;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);
const HOLD: Rials = Rials(450);
const CLIP_MS: u32 = 10_000;
const NUMBER: &str = "09121234567";
const TARGET: f64 = 20.0;

fn main() -> Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (rounds, span) = if quick { (2, ROUND / 3) } else { (ROUNDS, ROUND) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ratios = runtime.block_on(on_sqlite(rounds, span))?;
    ratios.judge("SQLite");
    runtime.block_on(on_postgres("one", |url| compare_on_postgres(url, rounds, span)))
}

/// How much better each round was together than alone.
#[derive(Default)]
struct Ratios {
    rates: Vec<f64>,
    cpu: Vec<f64>,
}

impl Ratios {
    fn add(&mut self, alone: &Done, together: &Done) {
        self.rates.push(together.rate() / alone.rate());
        self.cpu.push(alone.cpu_each() / together.cpu_each());
    }

    /// The rate and the CPU of our process, against one transaction a request.
    fn judge(mut self, engine: &str) {
        let (rate, cpu) = (median(&mut self.rates), median(&mut self.cpu));
        let target = "at least 20 times the rate of one transaction a request";
        verdict(&format!("{engine}: {rate:.1} times"), rate >= TARGET, target);
        let target = "at most a twentieth of its CPU";
        verdict(&format!("{engine}: a {cpu:.1}th"), cpu >= TARGET, target);
    }
}

/// Who sends what, one entry a client.
#[derive(Clone)]
struct Senders(Arc<Vec<(AccountId, MessageId)>>);

impl Senders {
    async fn create(db: &Db) -> Result<Self> {
        let mut tx = db.begin().await?;
        let mut senders = Vec::new();
        for _ in 0..CLIENTS {
            senders.push(customer::insert(&mut tx, CLIP_MS).await?);
        }
        tx.commit().await?;
        Ok(Self(Arc::new(senders)))
    }
}

async fn on_sqlite(rounds: usize, span: Duration) -> Result<Ratios> {
    let folder = disk::scratch()?;
    let path = folder.path().join("avanak.db");
    let url = format!("sqlite:{}", path.display());
    let db = Db::open(&url, Options::default()).await?;
    let senders = Senders::create(&db).await?;
    say("SQLite: accepts a second");
    say("round  bare loop  each alone   together   ratio to each (bare)   accepts/commit   \
         CPU µs each   together");
    let mut ratios = Ratios::default();
    for round in 1..=rounds {
        let (bare_path, first) = (path.clone(), senders.0[0]);
        let bare = tokio::task::spawn_blocking(move || bare_loop(&bare_path, first, span));
        let bare = bare.await??;
        let naive = naive_sqlite(&path, &senders, span).await?;
        let commits = Commits::of(&path)?;
        let grouped = together(&db, &senders, span).await?;
        let commits = commits.since()?;
        let ratio = grouped.rate() / naive.rate();
        say(&format!(
            "{round:>5}{:>11.0}{:>12.0}{:>11.0}{ratio:>16.1} ({:.1}){:>15.1}{:>14.1}{:>11.1}",
            bare.rate(),
            naive.rate(),
            grouped.rate(),
            grouped.rate() / bare.rate(),
            float(grouped.accepts) / float(commits),
            naive.cpu_each(),
            grouped.cpu_each(),
        ));
        ratios.add(&naive, &grouped);
    }
    let audit = db.audit().await?;
    ensure!(audit.violations.is_empty(), "the books do not balance: {:?}", audit.violations);
    db.close().await;
    Ok(ratios)
}

async fn compare_on_postgres(url: String, rounds: usize, span: Duration) -> Result<()> {
    let options = Options { connections: CLIENTS, ..Options::default() };
    let db = Db::open(&url, options).await?;
    db.migrate().await?;
    let senders = Senders::create(&db).await?;
    say("PostgreSQL: accepts a second (our CPU only, the server's is not in it)");
    say("round     alone   together   ratio   CPU µs alone   together");
    let mut ratios = Ratios::default();
    for round in 1..=rounds {
        let naive = naive_postgres(&db, &senders, span).await?;
        let grouped = together(&db, &senders, span).await?;
        say(&format!(
            "{round:>5}{:>10.0}{:>11.0}{:>8.1}{:>15.1}{:>11.1}",
            naive.rate(),
            grouped.rate(),
            grouped.rate() / naive.rate(),
            naive.cpu_each(),
            grouped.cpu_each(),
        ));
        ratios.add(&naive, &grouped);
    }
    db.close().await;
    ratios.judge("PostgreSQL");
    Ok(())
}

/// What one side did in its round.
struct Done {
    accepts: u64,
    took: Duration,
    cpu: Duration,
}

impl Done {
    fn rate(&self) -> f64 {
        float(self.accepts) / self.took.as_secs_f64()
    }

    fn cpu_each(&self) -> f64 {
        micros(self.cpu) / float(self.accepts)
    }
}

/// Our way: every client calls the hot verb and waits for its answer.
async fn together(db: &Db, senders: &Senders, span: Duration) -> Result<Done> {
    let db = db.clone();
    clients(senders, span, move |sender| {
        let db = db.clone();
        async move {
            let answer = db.accept_one(element(sender)?).await?;
            answer.map(drop).map_err(|refusal| anyhow!("refused: {refusal:?}"))
        }
    })
    .await
}

/// Each client with a transaction of its own, on a connection of its own.
async fn naive_postgres(db: &Db, senders: &Senders, span: Duration) -> Result<Done> {
    let db = db.clone();
    clients(senders, span, move |sender| {
        let db = db.clone();
        async move {
            let mut tx = db.begin().await?;
            accept_in(&mut tx, sender).await?;
            Ok(tx.commit().await?)
        }
    })
    .await
}

/// Lets every client do `what` again and again for `span`.
async fn clients<F, W>(senders: &Senders, span: Duration, what: F) -> Result<Done>
where
    F: Fn((AccountId, MessageId)) -> W + Clone + Send + 'static,
    W: Future<Output = Result<()>> + Send,
{
    let accepts = Arc::new(AtomicU64::new(0));
    let (began, cpu) = (clock::instant(), Stopwatch::start(Whose::ThisProcess)?);
    let mut tasks = JoinSet::new();
    for &sender in senders.0.iter() {
        let (what, accepts) = (what.clone(), Arc::clone(&accepts));
        tasks.spawn(async move {
            while clock::instant() - began < span {
                what(sender).await?;
                accepts.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let took = clock::instant() - began;
    Ok(Done { accepts: accepts.load(Ordering::Relaxed), took, cpu: cpu.spent()? })
}

fn open_naively(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_mins(1))?;
    for (key, value) in [("journal_mode", "WAL"), ("synchronous", "FULL"), ("foreign_keys", "ON")] {
        connection.pragma_update(None, key, value)?;
    }
    connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
    Ok(connection)
}

/// Each client with a transaction of its own, on a connection of its own: whoever finds the
/// database locked waits as SQLite does, by trying again later and later.
async fn naive_sqlite(path: &Path, senders: &Senders, span: Duration) -> Result<Done> {
    let connections: Vec<_> =
        senders.0.iter().map(|_| open_naively(path)).collect::<Result<_>>()?;
    let owners = senders.0.iter().copied();
    let connections = owners.zip(connections.into_iter().map(|c| Arc::new(Mutex::new(c))));
    let connections: Arc<BTreeMap<_, _>> = Arc::new(connections.collect());
    clients(senders, span, move |sender| {
        let connection = Arc::clone(&connections[&sender]);
        async move {
            let accepted = tokio::task::spawn_blocking(move || {
                let connection = connection.lock().map_err(|_| anyhow!("a client panicked"))?;
                naive_accept(&connection, sender)
            });
            accepted.await?
        }
    })
    .await
}

/// The statements of an accept, as store has them, with a commit for each. Numbers of parameters
/// rise in the text, since SQLite counts them in this order.
fn bare_loop(path: &Path, sender: (AccountId, MessageId), span: Duration) -> Result<Done> {
    let connection = open_naively(path)?;
    let (began, cpu) = (clock::instant(), Stopwatch::start(Whose::ThisThread)?);
    let mut accepts = 0;
    while clock::instant() - began < span {
        naive_accept(&connection, sender)?;
        accepts += 1;
    }
    let took = clock::instant() - began;
    Ok(Done { accepts, took, cpu: cpu.spent()? })
}

const RESERVE: &str = "UPDATE account SET reserved_rials = reserved_rials + $1
    WHERE id = $2 AND disabled_at_us IS NULL AND balance_rials - reserved_rials >= $1";
const INSERT: &str = "INSERT INTO quick_send (account_id, message_id, tariff_id, class, clip_ms,
        destination, zone, hold_rials, accepted_at_us, expires_at_us)
    VALUES ($1, $2, 1, 1, $3, $4, 'external', $5, $6, $7) RETURNING id";
const QUEUE: &str = "INSERT INTO ready (quick_send_id, class, due_at_us) VALUES ($1, 1, $2)";

fn naive_accept(connection: &Connection, sender: (AccountId, MessageId)) -> Result<()> {
    let now = clock::timestamp();
    let expires = now.plus_ms(600_000);
    let execute = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        connection.prepare_cached(sql)?.execute(values)
    };
    execute("BEGIN IMMEDIATE", &[])?;
    let reserved = execute(RESERVE, params![HOLD.0, sender.0.0])?;
    ensure!(reserved == 1, "the account has run dry");
    let send: i64 = connection.prepare_cached(INSERT)?.query_row(
        params![sender.0.0, sender.1.0, CLIP_MS, NUMBER, HOLD.0, now.0, expires.0],
        |row| row.get(0),
    )?;
    execute(QUEUE, params![send, now.0])?;
    execute("COMMIT", &[])?;
    Ok(())
}

async fn accept_in(tx: &mut Tx, sender: (AccountId, MessageId)) -> Result<()> {
    use store::Queries as _;
    let now = clock::timestamp();
    let reserved = tx.execute(RESERVE, &[Value::from(HOLD), Value::from(sender.0)]).await?;
    ensure!(reserved == 1, "the account has run dry");
    let values = [
        Value::from(sender.0),
        Value::from(sender.1),
        Value::from(CLIP_MS),
        Value::from(NUMBER),
        Value::from(HOLD),
        Value::from(now),
        Value::from(now.plus_ms(600_000)),
    ];
    let send: i64 = tx.query_one(INSERT, &values).await?.get("id")?;
    tx.execute(QUEUE, &[Value::from(send), Value::from(now)]).await?;
    Ok(())
}

fn element((account, message): (AccountId, MessageId)) -> Result<Accept> {
    let now = clock::timestamp();
    Ok(Accept {
        server: None,
        account,
        played: Played::Kept(message),
        clip_ms: CLIP_MS,
        destination: Destination::parse(NUMBER).context("a number")?,
        second: None,
        vote: false,
        record_ms: None,
        tariff: TariffId(1),
        zone: Zone::External,
        hold: HOLD,
        at: now,
        expires_at: now.plus_ms(600_000),
        class: 1,
        message_class: domain::MessageClass::Service,
        opt_out_key: None,
        follow_up: None,
        client_reference: None,
        lease: None,
    })
}
