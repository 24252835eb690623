//! A node whose carrier is simulated: the real node, use cases and store, and calls that end the
//! moment they are placed, some heard, some not. For what planning, leasing and settling cost.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use app::ports::{BoxFuture, NoSpeech, Speaker, Tts, Voice};
use app::{App, Failure, LiveCalls, Ports, Settings};
use audio::text::Speakable;
use engine::{
    CallSpec, Cause, Command, Event, Keys, Ladder, Outcome, RtpSummary, Target, Timeline,
};
use node::{Caps, Done, Gate, Moment, Node, NodeConfig, Trunk};
use server::blob::FileBlobs;
use server::clock::{self, Clocks, SystemClock, SystemRng};
use server::flight_recorder;
use server::sms::Spool;
use store::Db;
use tokio::sync::{Notify, mpsc};

/// The trunk that all calls take.
const TRUNK: &str = "simulated";
/// Answers of the database that may wait.
const ANSWERS: usize = 1_024;
/// The longest sleep.
const SLEEP: Duration = Duration::from_millis(50);
/// How often the shard's thread tells the node what has happened.
const REPORT_EVERY: Duration = Duration::from_millis(20);
/// Calls that the flight recorder would have room for.
const SLOTS: u32 = 1_000;

/// Nobody speaks here.
struct Mute;

impl Tts for Mute {
    fn identity(&self, _: Speaker) -> Voice {
        Voice { engine: String::from("mute"), name: String::new(), words_per_minute: 150 }
    }

    fn voices(&self) -> Vec<String> {
        Vec::new()
    }

    fn speak<'a>(
        &'a self,
        _: &'a Speakable,
        _: Speaker,
    ) -> BoxFuture<'a, Result<Vec<u8>, NoSpeech>> {
        Box::pin(async { Err(Failure::of("speaking in a benchmark").into()) })
    }
}

/// The node and what it has done.
pub struct Line {
    /// Its use cases.
    pub app: Arc<App>,
    /// Where it has its audio.
    pub blobs: FileBlobs,
    node: Node,
    clocks: Clocks,
    bell: Arc<Notify>,
    answers: (mpsc::Sender<Done>, mpsc::Receiver<Done>),
    placed: u64,
    /// What the node was not told yet, and when it is to be told.
    events: (Vec<Event>, Instant),
    /// When each of the numbers that are watched was called.
    watched: BTreeMap<String, Instant>,
    /// What the numbers begin with that are watched.
    watch: &'static str,
}

impl Line {
    /// Starts a node on this database, with its files in `folder`, that watches when numbers which
    /// begin with `watch` are called.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(db: Db, folder: &Path, caps: Caps, watch: &'static str) -> Result<Self> {
        let config = NodeConfig { trunks: vec![trunk(caps)], ..NodeConfig::default() };
        let bell = Arc::new(Notify::new());
        let ring = Arc::clone(&bell);
        let gate = Gate::new(&config, Box::new(move || ring.notify_one()));
        let blobs = FileBlobs::open(folder.join("blobs"))?;
        let ports = Ports {
            clock: Arc::new(SystemClock),
            rng: Arc::new(SystemRng),
            tts: Arc::new(Mute),
            blobs: Arc::new(blobs.clone()),
            sms: Arc::new(Spool::open(folder.join("sms"))?),
            dispatch: Arc::new(gate.clone()),
            gateways: Arc::new(app::ports::NoGateways),
        };
        let live = Arc::new(LiveCalls::default());
        let app = Arc::new(App::new(db, ports, live, Settings::default()));
        let mut recorder = flight_recorder::open(&folder.join("flight-recorder"), SLOTS, "bench")?;
        let clocks = Clocks::new();
        let node = Node::start(clocks.now(), Arc::clone(&app), gate, config, &mut recorder)
            .await
            .map_err(|failure| anyhow!(failure.chain()))?;
        let (answers, watched) = (mpsc::channel(ANSWERS), BTreeMap::new());
        let events = (Vec::new(), clock::instant());
        Ok(Self { app, blobs, node, clocks, bell, answers, placed: 0, events, watched, watch })
    }

    /// Changes how much the trunk takes.
    pub fn allow(&mut self, caps: Caps) {
        self.node.set_trunks(self.clocks.now(), vec![trunk(caps)]);
    }

    /// Calls placed and ended so far.
    pub fn placed(&self) -> u64 {
        self.placed
    }

    /// Calls whose ends are written down.
    pub fn settled(&self) -> u64 {
        self.node.stats().settled
    }

    /// When a watched number was called; each answer is given once.
    pub fn called_at(&mut self, number: &str) -> Option<Instant> {
        self.watched.remove(number)
    }

    /// Works for `span`, or until `enough`.
    ///
    /// # Errors
    /// Another process took the name of the node.
    pub async fn work(&mut self, span: Duration, enough: impl Fn(&Self) -> bool) -> Result<()> {
        let until = clock::instant() + span;
        while clock::instant() < until && !enough(self) {
            let now = self.clocks.now();
            let steps = self.node.step(now);
            ensure!(!steps.fenced, "another process has taken the name of the node");
            for work in steps.work {
                let answers = self.answers.0.clone();
                tokio::spawn(async move { drop(answers.send(work.run().await).await) });
            }
            for (_, command) in steps.commands {
                if let Command::Start(spec) = command {
                    self.place(&spec);
                }
            }
            self.wait(now, steps.next_wakeup.us_since(now.steady)).await;
            while let Ok(done) = self.answers.1.try_recv() {
                self.node.on_done(self.clocks.now(), done);
            }
            self.report();
        }
        Ok(())
    }

    async fn wait(&mut self, now: Moment, us: i64) {
        let mut longest = Duration::from_micros(u64::try_from(us).unwrap_or(0)).min(SLEEP);
        if !self.events.0.is_empty() {
            longest = longest.min(self.events.1.saturating_duration_since(clock::instant()));
        }
        tokio::select! {
            Some(done) = self.answers.1.recv() => self.node.on_done(now, done),
            () = self.bell.notified() => {}
            () = tokio::time::sleep(longest) => {}
        }
    }

    /// Tells the node what has happened, as its shard would.
    fn report(&mut self) {
        let now = clock::instant();
        if now < self.events.1 || self.events.0.is_empty() {
            return;
        }
        self.node.on_events(self.clocks.now(), 0, std::mem::take(&mut self.events.0));
        self.events.1 = now + REPORT_EVERY;
    }

    /// A call from its start to its end, in no time.
    fn place(&mut self, spec: &CallSpec) {
        self.placed += 1;
        if let Target::Address { request_uri, .. } = &spec.target {
            let number = request_uri.trim_start_matches("sip:");
            let number = number.split('@').next().unwrap_or_default();
            if number.starts_with(self.watch) {
                self.watched.insert(number.to_owned(), clock::instant());
            }
        }
        let outcome = Box::new(outcome(self.placed, spec.script.subject_ms()));
        let call = spec.call;
        let events = [Event::Dialling { call }, Event::Ringing { call }];
        self.events.0.extend(events.into_iter().chain([Event::Ended { call, outcome }]));
    }
}

fn trunk(caps: Caps) -> Trunk {
    Trunk::new(TRUNK, SocketAddr::from((Ipv4Addr::LOCALHOST, 5060)), "02191000000", caps)
}

/// Seven of ten calls are heard to their end, one each is busy, not answered, and switched off.
fn outcome(n: u64, clip_ms: u32) -> Outcome {
    let heard = n % 10 >= 3;
    let (cause, sip_code) = match n % 10 {
        0 => (Cause::Failed, Some(486)),
        1 => (Cause::NoAnswer, Some(487)),
        2 => (Cause::Failed, Some(480)),
        _ => (Cause::Played, Some(200)),
    };
    let answered_us = heard.then_some(1_000_000);
    let end_us = u64::from(clip_ms) * 1_000 + 2_000_000;
    Outcome {
        cause,
        sip_code,
        sip_reason: None,
        q850: None,
        retry_after_s: None,
        answered: heard,
        heard_ms: if heard { clip_ms } else { 0 },
        clip_ms,
        heard_to_end: heard,
        keys: Keys::default(),
        vote: None,
        answered_by: None,
        early_media: None,
        timeline: Timeline {
            invite_us: Some(0),
            ringing_us: Some(500_000),
            answered_us,
            first_audio_us: answered_us,
            first_received_us: answered_us,
            ended_us: Some(end_us),
        },
        rtp: RtpSummary::default(),
        codec: None,
        ladder: Ladder::default(),
    }
}

/// What `what` costs in time and CPU of this process.
///
/// # Errors
/// Those of `what`.
pub async fn measured<T>(what: impl Future<Output = Result<T>>) -> Result<(T, Duration, Duration)> {
    use crate::cpu::{Stopwatch, Whose};
    let (began, cpu) = (clock::instant(), Stopwatch::start(Whose::ThisProcess)?);
    let done = what.await.context("what is measured")?;
    Ok((done, clock::instant() - began, cpu.spent()?))
}
