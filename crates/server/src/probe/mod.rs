//! A vantage point: looks at each covered path again and again, keeps what it saw in a spool, and
//! reports it in order. It speaks to the platform as a customer does, over HTTP; the same code runs
//! beside the web services and, as `avanak probe`, anywhere else.

mod look;
mod site;
mod spool;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use domain::Timestamp;
use domain::agreement::scope::CoveredPath;
use domain::agreement::vantage::cut_error;
use serde_json::{Value, json};
use tokio::sync::{Mutex as AsyncMutex, Notify, watch};
use tokio::task::{JoinHandle, JoinSet};

use self::look::{Looking, Seen};
pub use self::site::Site;
use self::spool::{Spool, Spooled};
use crate::clock;
use crate::outbound::Method;

/// How long a report may take.
const REPORT_PATIENCE: Duration = Duration::from_secs(20);
/// How long the first wait for a collector that is away is, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Samples of one report.
const BATCH: usize = 200;

/// How a vantage point works.
pub struct Settings {
    /// What it looks at, and where it reports.
    pub site: Site,
    /// Where it keeps its spool.
    pub directory: PathBuf,
    /// The most that the spool may hold, bytes.
    pub spool_bytes_max: u64,
    /// The time between two looks at each path.
    pub interval: Duration,
    /// The same for campaigns.
    pub campaign_interval: Duration,
}

/// What a look at a path came to, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Which path.
    pub path: CoveredPath,
    /// Whether it worked; `None` when the look proves nothing.
    pub worked: Option<bool>,
    /// How long it took.
    pub took: Duration,
    /// What went wrong.
    pub why: Option<String>,
}

/// A moment at which both clocks were read: ours, and that of the collector.
#[derive(Clone, Copy)]
struct Compared {
    steady: Instant,
    collectors: Timestamp,
}

impl Compared {
    /// How far our clock is ahead at a moment, as the steady clock has gone since.
    fn offset_us(self, steady: Instant, wall: Timestamp) -> i64 {
        wall.us_since(self.collectors.plus_us(us_between(self.steady, steady)))
    }
}

/// What the tasks of a vantage point share.
struct Probe {
    settings: Settings,
    looking: Looking,
    spool: AsyncMutex<Spool>,
    compared: Mutex<Option<Compared>>,
    spooled: Notify,
    run: i64,
}

/// Starts a vantage point. It ends when it is told to stop, after one last try to report.
///
/// # Errors
/// Its directory cannot be used.
pub async fn start(settings: Settings, stop: watch::Receiver<bool>) -> Result<JoinHandle<()>> {
    let probe = Arc::new(Probe::new(settings).await?);
    Ok(tokio::spawn(probe.run(stop)))
}

/// Looks at each path once, reports, and tells what was seen.
///
/// # Errors
/// The directory cannot be used, or the collector is away.
pub async fn look_once(settings: Settings) -> Result<Vec<Told>> {
    let probe = Probe::new(settings).await?;
    let mut told = Vec::new();
    for path in CoveredPath::ALL {
        told.push(probe.look(path).await);
    }
    while probe.report().await? {}
    Ok(told)
}

impl Probe {
    async fn new(settings: Settings) -> Result<Self> {
        tokio::fs::create_dir_all(&settings.directory)
            .await
            .with_context(|| format!("making {}", settings.directory.display()))?;
        let spool = Spool::open(&settings.directory, settings.spool_bytes_max).await?;
        let run = random_run();
        let looking = Looking::new(settings.directory.join("clip"), run).await;
        Ok(Self {
            settings,
            looking,
            spool: AsyncMutex::new(spool),
            compared: Mutex::default(),
            spooled: Notify::new(),
            run,
        })
    }

    async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        for path in CoveredPath::ALL {
            let probe = Arc::clone(&self);
            tasks.spawn(async move { probe.watch(path).await });
        }
        let reporter = Arc::clone(&self);
        tasks.spawn(async move { reporter.keep_reporting().await });
        // The sender lives as long as the program; its end is a stop, too.
        let _ = stop.wait_for(|stop| *stop).await;
        // What is being looked at now would fail because we stop, and prove nothing.
        tasks.shutdown().await;
        if let Err(error) = self.report().await {
            tracing::info!("the last samples stay in the spool: {error:#}");
        }
    }

    async fn watch(&self, path: CoveredPath) {
        let every = match path {
            CoveredPath::Campaign => self.settings.campaign_interval,
            _ => self.settings.interval,
        };
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look(path).await;
        }
    }

    /// Looks at a path and spools what was seen.
    async fn look(&self, path: CoveredPath) -> Told {
        let (steady, wall) = (clock::instant(), clock::timestamp());
        let seen = self.looking.at(&self.settings.site, path).await;
        let took = clock::instant().duration_since(steady);
        let (worked, why) = match seen {
            Seen::Worked => (Some(true), None),
            Seen::Failed(why) => (Some(false), Some(cut_error(&why))),
            Seen::Nothing(why) => (None, Some(cut_error(&why))),
        };
        if let Some(why) = &why {
            let path = path.word();
            tracing::warn!(path, failed = worked.is_some(), "a look did not succeed: {why}");
        }
        if let Some(worked) = worked {
            let compared = *self.compared.lock().unwrap_or_else(PoisonError::into_inner);
            let mut spool = self.spool.lock().await;
            let sample = Spooled {
                run: self.run,
                number: spool.next_number(),
                path: path.word().to_owned(),
                at_us: wall.0,
                clock_offset_us: compared.map(|compared| compared.offset_us(steady, wall)),
                worked,
                latency_us: us(took),
                error: why.clone(),
                began: Some(steady),
            };
            spool.push(sample).await;
        }
        self.spooled.notify_one();
        Told { path, worked, took, why }
    }

    /// Reports what comes into the spool, and gives a sign of life when nothing does.
    async fn keep_reporting(&self) {
        let (first, longest) = PAUSES;
        let mut pause = first;
        loop {
            match self.report().await {
                Ok(true) => {}
                Ok(false) => {
                    pause = first;
                    tokio::select! {
                        () = self.spooled.notified() => {}
                        () = tokio::time::sleep(self.settings.interval) => {}
                    }
                }
                Err(error) => {
                    let waiting = self.spool.lock().await.len();
                    tracing::warn!(waiting, "the collector is away: {error:#}");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(longest);
                }
            }
        }
    }

    /// Reports the oldest samples. `true`: there are more.
    async fn report(&self) -> Result<bool> {
        let batch = self.spool.lock().await.oldest(BATCH);
        let (began, sent_at) = (clock::instant(), clock::timestamp());
        let samples: Vec<Value> = batch.iter().map(|one| one.as_json(began, sent_at)).collect();
        let body = json!({ "sent_at_us": sent_at.0, "samples": samples }).to_string();
        let site = &self.settings.site;
        let answer = site.ask(Method::POST, "/v1/samples", Some(&body), REPORT_PATIENCE).await?;
        if answer.status != 200 {
            bail!("it answers {}", answer.described());
        }
        let told = answer.json().context("reading its answer")?;
        let received_at = told["received_at_us"].as_i64().context("it does not say when")?;
        self.compare(began, Timestamp(received_at));
        if told["disbelieved"].as_i64().is_some_and(|count| count > 0) {
            tracing::warn!("the collector does not believe some samples: is the clock right?");
        }
        let mut spool = self.spool.lock().await;
        spool.delivered(&batch).await;
        Ok(spool.len() > 0)
    }

    /// The collector read its clock between our question and its answer.
    fn compare(&self, asked: Instant, received_at: Timestamp) {
        let middle = asked + clock::instant().duration_since(asked) / 2;
        let compared = Compared { steady: middle, collectors: received_at };
        *self.compared.lock().unwrap_or_else(PoisonError::into_inner) = Some(compared);
    }
}

/// A name for this run that no other has. It is exact in every reader of JSON.
fn random_run() -> i64 {
    let mut bytes = [0; 8];
    clock::fill_random(&mut bytes);
    i64::from_le_bytes(bytes) & 0x1f_ffff_ffff_ffff
}

/// Microseconds from one steady moment to another, in either direction.
fn us_between(from: Instant, to: Instant) -> i64 {
    us(to.saturating_duration_since(from)) - us(from.saturating_duration_since(to))
}

fn us(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
