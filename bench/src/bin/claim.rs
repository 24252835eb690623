//! Whether taking sends out of the line costs the same however many stand in it and however many
//! were called before; and what it costs while another connection holds an old snapshot, so that
//! nothing that was taken out can be forgotten.
//!
//! A claim is what the node does: the next page of the line is read, and its sends are leased.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bench::database::{Session, on_postgres};
use bench::say::{say, verdict};
use bench::stats::median;
use bench::{customer, disk};
use domain::class::Basis;
use domain::{
    AccountId, AttemptId, Disposition, MessageClass, MessageId, PolicyId, QuickSendId, Rials,
    Timestamp,
};
use rusqlite::Connection;
use server::clock;
use store::hot::{Facts, LeaseStamp, Leased, NodeStamp, Permit, ReadyJob, Settle, SettleResult};
use store::{Db, Options};
use tokio::time::MissedTickBehavior;

/// Sends in the line at first, in the line later, and ended later; `--quick` has a tenth.
const SIZES: Sizes = Sizes { few: 1_000_000, many: 5_000_000, ended: 10_000_000 };
/// Sends of one claim, and how often there is one: a thousand calls a second.
const CLAIM: u32 = 100;
const CLAIM_EVERY: Duration = Duration::from_millis(100);
/// How long claims are measured without a snapshot, and how old one becomes.
const SPAN: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(6));
const PINNED: (Duration, Duration) = (Duration::from_mins(1), Duration::from_secs(10));
/// Of what is done beside an old snapshot the last sixth counts, when it is oldest.
const LAST: usize = 6;
/// How often the line is read from its beginning, as a node does when it has called all it read.
const FROM_START_EVERY: usize = 20;
/// Rows that are filled in with one statement.
const FILL: i64 = 500_000;
/// The identities of sends that stand in the line begin here, those that ended at one.
const WAITING_FROM: i64 = 20_000_000;
const HOLD: Rials = Rials(450);
/// What is filled in takes this much, and this much of the disk stays free.
const BYTES_A_SEND: u64 = 1_000;
const FREE: u64 = 12_000_000_000;

/// How many sends there are.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    few: i64,
    many: i64,
    ended: i64,
}

fn main() -> Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let part = if quick { 10 } else { 1 };
    let Sizes { few, many, ended } = SIZES;
    let sizes = Sizes { few: few / part, many: many / part, ended: ended / part };
    let pick = |(long, short): (Duration, Duration)| if quick { short } else { long };
    let spans = (pick(SPAN), pick(PINNED));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(on_postgres("few", |few| async move {
        on_postgres("many", |many| async move {
            let lines = [Line::on_postgres(&few).await?, Line::on_postgres(&many).await?];
            compare(lines, sizes, spans, "PostgreSQL").await
        })
        .await
    }))?;
    let folder = disk::scratch()?;
    runtime.block_on(async {
        let path = |name: &str| folder.path().join(name);
        let lines = [Line::on_sqlite(path("few")).await?, Line::on_sqlite(path("many")).await?];
        compare(lines, sizes, spans, "SQLite").await
    })
}

async fn compare(
    [mut few, mut many]: [Line; 2],
    sizes: Sizes,
    (span, pinned): (Duration, Duration),
    engine: &str,
) -> Result<()> {
    let needed = (sizes.few + sizes.many + sizes.ended).unsigned_abs() * BYTES_A_SEND + FREE;
    let free = disk::free(&std::env::temp_dir())?.min(disk::free(&disk::beside()?)?);
    ensure!(free >= needed, "the disk has {free} bytes free, of {needed} that are asked for");
    few.fill(sizes.few, 0).await?;
    many.fill(sizes.many, sizes.ended).await?;
    let short = format!("{engine}: {} in the line, none ended", sizes.few);
    let long = format!("{engine}: {} in the line, {} ended", sizes.many, sizes.ended);

    let (of_few, of_many) = in_turns(&mut few, &mut many, span).await?;
    of_few.say(&short);
    of_many.say(&long);
    let figure = format!("{engine}: {:.2} times", of_many.claim() / of_few.claim());
    let holds = of_many.claim() <= 1.3 * of_few.claim();
    verdict(&figure, holds, "a claim of the long line, at most 1.3 times of the short one");

    let snapshot = many.filler.snapshot().await?;
    let (of_few, of_many) = in_turns(&mut few, &mut many, pinned).await?;
    snapshot.end(&many.filler).await?;
    let (of_few, of_many) = (of_few.last(), of_many.last());
    of_few.say(&short);
    of_many.say(&format!("{long}, beside a snapshot of {} s", pinned.as_secs()));
    let figure = format!("{engine}: {:.2} times", of_many.claim() / of_few.claim());
    let holds = of_many.claim() <= 1.5 * of_few.claim();
    verdict(&figure, holds, "beside an old snapshot, at most 1.5 times of the short one");
    few.db.close().await;
    many.db.close().await;
    Ok(())
}

/// Claims from one line and then from the other, for `span`.
async fn in_turns(few: &mut Line, many: &mut Line, span: Duration) -> Result<(Times, Times)> {
    let (mut of_few, mut of_many) = (Times::default(), Times::default());
    let mut clock = tokio::time::interval(CLAIM_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let until = clock::instant() + span;
    while clock::instant() < until {
        clock.tick().await;
        // Whoever comes first finds the machine asleep.
        if of_few.read.len().is_multiple_of(2) {
            few.claim(&mut of_few).await?;
            many.claim(&mut of_many).await?;
        } else {
            many.claim(&mut of_many).await?;
            few.claim(&mut of_few).await?;
        }
    }
    Ok((of_few, of_many))
}

/// How long things took, milliseconds.
#[derive(Debug, Clone, Default)]
struct Times {
    read: Vec<f64>,
    lease: Vec<f64>,
    from_start: Vec<f64>,
}

impl Times {
    /// The median of a claim.
    fn claim(&self) -> f64 {
        let both = self.read.iter().zip(&self.lease).map(|(read, lease)| read + lease);
        median(&mut both.collect::<Vec<f64>>())
    }

    /// What was measured last.
    fn last(&self) -> Self {
        let last = |times: &[f64]| times[times.len() - times.len().div_ceil(LAST)..].to_vec();
        let (read, lease) = (last(&self.read), last(&self.lease));
        Self { read, lease, from_start: last(&self.from_start) }
    }

    fn say(&self, what: &str) {
        let p50 = |times: &[f64]| median(&mut times.to_vec());
        say(&format!(
            "{what}: a claim of {CLAIM} p50 {:.2} ms (read {:.2}, lease {:.2}); read from the \
             beginning {:.2} ms",
            self.claim(),
            p50(&self.read),
            p50(&self.lease),
            p50(&self.from_start),
        ));
    }
}

/// A line, who takes sends out of it, and whose they are.
struct Line {
    db: Db,
    filler: Filler,
    node: NodeStamp,
    account: AccountId,
    message: MessageId,
    /// When the first send was accepted.
    began: Timestamp,
    /// How far the line was read.
    after: (Timestamp, QuickSendId),
}

impl Line {
    async fn on_postgres(url: &str) -> Result<Self> {
        let db = Db::open(url, Options::default()).await?;
        db.migrate().await?;
        Self::start(db, Filler::Postgres(Box::new(Session::open(url).await?))).await
    }

    async fn on_sqlite(path: PathBuf) -> Result<Self> {
        let db = Db::open(&format!("sqlite:{}", path.display()), Options::default()).await?;
        Self::start(db, Filler::Sqlite(path)).await
    }

    async fn start(db: Db, filler: Filler) -> Result<Self> {
        let now = clock::timestamp();
        let mut tx = db.begin().await?;
        let (account, message) = customer::insert(&mut tx, 10_000).await?;
        tx.commit().await?;
        let (node, _) = db.take_node("bench", now, now.plus_ms(86_400_000)).await?;
        let (began, after) = (now.plus_ms(-60_000), (Timestamp(0), QuickSendId(0)));
        Ok(Self { db, filler, node, account, message, began, after })
    }

    /// So many sends that wait, and so many that have ended.
    async fn fill(&self, waiting: i64, ended: i64) -> Result<()> {
        self.filler.ended(self, ended).await?;
        self.filler.waiting(self, waiting).await?;
        let all = waiting * HOLD.0;
        self.filler.run(&format!("UPDATE account SET reserved_rials = {all}")).await?;
        self.filler.settle_down().await
    }

    /// Claims once, and ends at once what was claimed.
    async fn claim(&mut self, times: &mut Times) -> Result<()> {
        if times.read.len().is_multiple_of(FROM_START_EVERY) {
            let page = self.read((Timestamp(0), QuickSendId(0)), &mut times.from_start).await?;
            ensure!(page.len() == CLAIM as usize, "the line is too short");
        }
        let jobs = self.read(self.after, &mut times.read).await?;
        let last = jobs.last().context("the line is empty")?;
        self.after = (last.due_at, last.quick_send);
        let began = clock::instant();
        let leased = self.db.lease(jobs.iter().map(|job| self.stamped(job)).collect()).await?;
        times.lease.push(ms_since(began));
        let attempts: Vec<AttemptId> = leased.into_iter().filter_map(Leased::attempt).collect();
        ensure!(attempts.len() == CLAIM as usize, "a send was not leased");
        let settled = self.db.settle(attempts.into_iter().map(ended).collect()).await?;
        ensure!(settled.iter().all(|one| *one == SettleResult::Settled), "one was not settled");
        Ok(())
    }

    async fn read(
        &self,
        (due_at, send): (Timestamp, QuickSendId),
        times: &mut Vec<f64>,
    ) -> Result<Vec<ReadyJob>> {
        let began = clock::instant();
        let page = self.db.load_ready(due_at, send, CLAIM).await?;
        times.push(ms_since(began));
        Ok(page)
    }

    fn stamped(&self, job: &ReadyJob) -> (QuickSendId, LeaseStamp) {
        let permit = Permit {
            account: self.account,
            class: MessageClass::Service,
            number: Some(job.destination.as_str().to_owned()),
            second: None,
            policy: PolicyId(2),
            basis: Basis::Hours,
            cap: None,
        };
        let (node, at, trunk) = (self.node, clock::timestamp(), String::from("bench"));
        // As long as a number, and another for each send.
        let (callee, second_callee) = (format!("{:011}", job.quick_send.0), None);
        (job.quick_send, LeaseStamp { node, trunk, at, permit, callee, second_callee })
    }
}

fn ms_since(began: std::time::Instant) -> f64 {
    (clock::instant() - began).as_secs_f64() * 1e3
}

fn ended(attempt: AttemptId) -> Settle {
    Settle {
        attempt,
        disposition: Disposition::Busy,
        charge: Rials::ZERO,
        facts: Facts { cause: String::from("failed"), ..Facts::default() },
        ladder: None,
        ended_at: clock::timestamp(),
    }
}

/// A connection beside the store's, which fills its tables and holds snapshots.
enum Filler {
    Sqlite(PathBuf),
    Postgres(Box<Session>),
}

/// A transaction that sees what was, until it ends.
enum Snapshot {
    Sqlite(Connection),
    Postgres,
}

impl Filler {
    async fn run(&self, sql: &str) -> Result<()> {
        match self {
            Self::Sqlite(path) => {
                let (path, sql) = (path.clone(), sql.to_owned());
                tokio::task::spawn_blocking(move || run_on_sqlite(&path, &sql)).await?
            }
            Self::Postgres(session) => session.run(sql).await,
        }
    }

    /// Sends that wait.
    async fn waiting(&self, line: &Line, count: i64) -> Result<()> {
        for (first, last) in chunks(WAITING_FROM, WAITING_FROM + count) {
            self.fill(&sends(line, first, last)).await?;
            let due = line.began.0;
            self.fill(&format!(
                "INSERT INTO ready (quick_send_id, class, due_at_us) {}
                 SELECT id, 1, {due} + id - {WAITING_FROM} FROM n",
                numbers(first, last)
            ))
            .await?;
        }
        Ok(())
    }

    /// Sends that were called and have ended, with the log of what allowed it.
    async fn ended(&self, line: &Line, count: i64) -> Result<()> {
        for (first, last) in chunks(0, count) {
            self.fill(&sends(line, first, last)).await?;
            let at = line.began.0;
            self.fill(&format!(
                "INSERT INTO outcome (quick_send_id, n, disposition, cause, trunk, sip_code,
                                      heard_ms, charge_rials, release_rials, vote, started_at_us,
                                      invite_at_us, ringing_at_us, answered_at_us,
                                      first_audio_at_us, ended_at_us) {}
                 SELECT id, 1, {}, 'played', 'bench', 200, 10000, 450, 0, -1, {at}, {at}, {at},
                        {at}, {at}, {at}
                 FROM n",
                numbers(first, last),
                Disposition::Delivered.code(),
            ))
            .await?;
            self.fill(&format!(
                "INSERT INTO decision (quick_send_id, n, at_us, verdict, basis, policy_id,
                                       opt_out_version) {}
                 SELECT id, 1, {at}, 'allowed', 'hours', 2, 0 FROM n",
                numbers(first, last)
            ))
            .await?;
        }
        Ok(())
    }

    /// Without what keeps rows together and what makes each commit durable: the rows are right, and
    /// they are made anew when the machine fails.
    async fn fill(&self, sql: &str) -> Result<()> {
        match self {
            Self::Sqlite(_) => self.run(sql).await,
            Self::Postgres(session) => {
                session.run("SET session_replication_role = replica").await?;
                session.run("SET synchronous_commit = off").await?;
                session.run(sql).await
            }
        }
    }

    /// What the engine would have done by itself after a while.
    async fn settle_down(&self) -> Result<()> {
        match self {
            Self::Sqlite(path) => {
                self.run("PRAGMA wal_checkpoint(TRUNCATE)").await?;
                // What was written without flushes must not be in the way of those that count.
                Ok(std::fs::File::open(path)?.sync_all()?)
            }
            Self::Postgres(session) => {
                session.run("VACUUM (ANALYZE) quick_send").await?;
                session.run("VACUUM (ANALYZE) ready").await?;
                session.run("VACUUM (ANALYZE) outcome").await?;
                session.run("VACUUM (ANALYZE) decision").await?;
                session.run("CHECKPOINT").await
            }
        }
    }

    async fn snapshot(&self) -> Result<Snapshot> {
        match self {
            Self::Sqlite(path) => {
                let connection = Connection::open(path)?;
                connection.execute_batch("BEGIN")?;
                connection.query_row("SELECT COUNT(*) FROM node", [], |_| Ok(()))?;
                Ok(Snapshot::Sqlite(connection))
            }
            Self::Postgres(session) => {
                session.run("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
                session.number("SELECT COUNT(*) FROM node").await?;
                Ok(Snapshot::Postgres)
            }
        }
    }
}

impl Snapshot {
    async fn end(self, filler: &Filler) -> Result<()> {
        match self {
            Self::Sqlite(connection) => Ok(connection.execute_batch("COMMIT")?),
            Self::Postgres => filler.run("COMMIT").await,
        }
    }
}

fn run_on_sqlite(path: &Path, sql: &str) -> Result<()> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_mins(1))?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    Ok(connection.execute_batch(sql)?)
}

/// From the one after `from` to `to`, in parts.
fn chunks(from: i64, to: i64) -> impl Iterator<Item = (i64, i64)> {
    let starts = (from..to).step_by(usize::try_from(FILL).unwrap_or(1));
    starts.map(move |start| (start + 1, to.min(start + FILL)))
}

/// Numbers, as both engines make them.
fn numbers(first: i64, last: i64) -> String {
    format!(
        "WITH RECURSIVE n (id) AS (
             SELECT CAST({first} AS BIGINT) UNION ALL SELECT id + 1 FROM n WHERE id < {last}
         )"
    )
}

fn sends(line: &Line, first: i64, last: i64) -> String {
    let (account, message, at) = (line.account.0, line.message.0, line.began.0);
    format!(
        "INSERT INTO quick_send (id, account_id, message_id, tariff_id, class, clip_ms,
                                 destination, zone, hold_rials, accepted_at_us, expires_at_us) {}
         SELECT id, {account}, {message}, 1, 1, 10000, '09' || CAST(100000000 + id AS TEXT),
                'external', {}, {at} + id - {WAITING_FROM}, {at} + 86400000000
         FROM n",
        numbers(first, last),
        HOLD.0
    )
}
