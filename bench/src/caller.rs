//! Our side without a database: a shard with its engine, its sockets and its flight recorder,
//! placing calls on a schedule. It runs in a process of its own, so that its CPU is its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use engine::{
    CallKey, CallSpec, Clip, Command as Order, EngineConfig, Event, Limits, Outcome, Script, Target,
};
use serde_json::{Value, json};
use server::shard::{self, Bound, FIRST, Reported, ShardCommand, Shards, ShardsConfig};
use server::{clock, flight_recorder, telemetry};
use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::error::TryRecvError;

use crate::cores;
use crate::cpu::{self, Stopwatch, Whose};
use crate::disk;

/// The first argument of a process that is to be the caller.
const CHILD: &str = "--be-the-caller";
/// Samples in a frame of 20 ms.
const FRAME_SAMPLES: usize = 160;
/// There are never more alive.
const CALLS_AT_ONCE: u64 = 20_000;
/// Turns of 20 ms in which a node leases the calls of campaigns.
const TURNS_PER_SECOND: u32 = 50;
/// How often what the shard reports is looked at, when there is nothing else to do.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Beyond this a call has got lost.
const CALL_MS: u32 = 120_000;

/// The calls to place.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Whom to call.
    pub callee: SocketAddr,
    /// How many calls.
    pub calls: u64,
    /// How many in a second.
    pub per_second: u32,
    /// How many are started together: 1, or all that fall into a turn of the node.
    pub together: u32,
    /// How long the clip is, in frames of 20 ms.
    pub frames: usize,
    /// Whether what the callees say is thrown away by the kernel.
    pub ignore_sound: bool,
    /// Between which seconds from the first call on CPU is measured once more; not at all when both
    /// are the same, since looking costs as much as a call.
    pub window_s: (u32, u32),
    /// Whether it has a core for itself.
    pub alone: bool,
    /// Whether it runs before everything else on its core.
    pub realtime: bool,
}

impl Plan {
    /// Calls whose callees say nothing.
    pub fn of(callee: SocketAddr, calls: u64, per_second: u32, frames: usize) -> Self {
        Self {
            callee,
            calls,
            per_second,
            together: 1,
            frames,
            ignore_sound: false,
            window_s: (0, 0),
            alone: false,
            realtime: false,
        }
    }

    /// Started as a campaign's are: all that are due in a turn together (docs/decisions/0076).
    #[must_use]
    pub fn in_turns(self) -> Self {
        Self { together: (self.per_second / TURNS_PER_SECOND).max(1), ..self }
    }
}

/// What became of them.
#[derive(Debug, Clone, Default)]
pub struct Ran {
    /// Calls heard to their end.
    pub heard: u64,
    /// Calls that ended in another way.
    pub failed: u64,
    /// CPU of the shard's thread.
    pub shard: Duration,
    /// CPU of the whole process, from the first call on.
    pub process: Duration,
    /// Datagrams sent, SIP and RTP.
    pub sent: u64,
    /// Datagrams that the kernel would not take.
    pub dropped: u64,
    /// Frames that were moved back because the shard came too late for them.
    pub late_frames: u64,
    /// RTP packets that the engine took.
    pub received: u64,
    /// CPU of the shard's thread and of the whole process in the window of the plan.
    pub in_window: (Duration, Duration),
    /// When that began and ended, microseconds of UTC.
    pub window_us: (u64, u64),
}

/// Runs the plan in a process of its own and waits for it.
///
/// # Errors
/// It could not be started, or failed.
pub fn run(plan: &Plan) -> Result<Ran> {
    let program = std::env::current_exe().context("asking where this program is")?;
    let numbers = [
        plan.calls,
        plan.per_second.into(),
        plan.together.into(),
        plan.frames as u64,
        plan.ignore_sound.into(),
        plan.realtime.into(),
        plan.window_s.0.into(),
        plan.window_s.1.into(),
    ];
    let mut child = if plan.alone { cores::on_our_core(program) } else { Command::new(program) };
    let output = child
        .arg(CHILD)
        .arg(plan.callee.to_string())
        .args(numbers.map(|number| number.to_string()))
        .stderr(Stdio::inherit())
        .output()
        .context("starting the caller")?;
    if !output.status.success() {
        bail!("the caller failed");
    }
    let ran: Value = serde_json::from_slice(&output.stdout).context("reading what it said")?;
    let number = |key: &str| ran[key].as_u64().with_context(|| format!("it said no {key}"));
    Ok(Ran {
        heard: number("heard")?,
        failed: number("failed")?,
        shard: Duration::from_nanos(number("shard_ns")?),
        process: Duration::from_nanos(number("process_ns")?),
        sent: number("sent")?,
        dropped: number("dropped")?,
        late_frames: number("late_frames")?,
        received: number("received")?,
        in_window: (
            Duration::from_nanos(number("window_shard_ns")?),
            Duration::from_nanos(number("window_process_ns")?),
        ),
        window_us: (number("window_from_us")?, number("window_until_us")?),
    })
}

/// To be asked first in `main`: whether this process was started to be the caller, and has been.
///
/// # Errors
/// The calls could not be placed.
pub fn was_asked_to_call() -> Result<bool> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mark, callee, calls, per_second, together, frames, ignore, realtime, from, until] =
        arguments.as_slice()
    else {
        return Ok(false);
    };
    if mark != CHILD {
        return Ok(false);
    }
    let plan = Plan {
        together: together.parse()?,
        ignore_sound: ignore == "1",
        realtime: realtime == "1",
        window_s: (from.parse()?, until.parse()?),
        ..Plan::of(callee.parse()?, calls.parse()?, per_second.parse()?, frames.parse()?)
    };
    let ran = place_calls(&plan)?;
    crate::say::say(
        &json!({
            "heard": ran.heard,
            "failed": ran.failed,
            "shard_ns": nanos(ran.shard),
            "process_ns": nanos(ran.process),
            "sent": ran.sent,
            "dropped": ran.dropped,
            "late_frames": ran.late_frames,
            "received": ran.received,
            "window_shard_ns": nanos(ran.in_window.0),
            "window_process_ns": nanos(ran.in_window.1),
            "window_from_us": ran.window_us.0,
            "window_until_us": ran.window_us.1,
        })
        .to_string(),
    );
    Ok(true)
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Places the calls on their schedule. What the shard reports is looked at between them, since
/// being woken for it would be this loop's cost and not the call's.
fn place_calls(plan: &Plan) -> Result<Ran> {
    let metrics = telemetry::start_metrics()?;
    let folder = disk::scratch()?;
    let (report, mut events) = shard::event_channel();
    let recorder = recorder(folder.path(), plan)?;
    let mut shard = Shards::start(&shard_config(plan), recorder, None, &report)?;
    let clip = Arc::new(Clip::from_samples(&vec![1000; plan.frames * FRAME_SAMPLES]));
    // From here on: a process that is to run for months may take a moment to start.
    let process = Stopwatch::start(Whose::ThisProcess)?;
    let together = u64::from(plan.together);
    let pause = Duration::from_secs(1) * plan.together / plan.per_second;
    let (first, mut ran) = (clock::instant(), Ran::default());
    let (mut turn, mut placed) = (0, 0);
    let mut window = Window::of(plan, first, process);
    while ran.heard + ran.failed < plan.calls {
        turn += 1;
        // When all calls are placed, it looks as often as the node does.
        let rest = if placed == plan.calls { LOOK_EVERY } else { Duration::ZERO };
        sleep_until((first + pause * turn).max(clock::instant() + rest));
        for number in placed + 1..=plan.calls.min(placed + together) {
            order(&shard, ShardCommand::Engine(start(plan, &clip, number)))?;
            placed = number;
        }
        take_reports(&shard, &mut events, &mut ran)?;
        window.look()?;
    }
    (ran.in_window, ran.window_us) = (window.spent, window.us);
    ran.shard = cpu::of_thread("shard-0")?;
    ran.process = process.spent()?;
    shard.stop();
    let figures = metrics.render();
    ran.sent = figure(&figures, "avanak_datagrams_sent_total")?;
    ran.dropped = figure(&figures, "avanak_datagrams_dropped_total")?;
    ran.received = figure(&figures, "avanak_engine_total{event=\"rtp_received\"}")?;
    ran.late_frames = figure(&figures, "avanak_engine_total{event=\"rtp_late_frames\"}")?;
    Ok(ran)
}

/// CPU between two moments.
struct Window {
    from: Instant,
    until: Instant,
    process: Stopwatch,
    before: Option<(Duration, Duration)>,
    spent: (Duration, Duration),
    us: (u64, u64),
}

impl Window {
    fn of(plan: &Plan, first: Instant, process: Stopwatch) -> Self {
        let at = |second: u32| first + Duration::from_secs(second.into());
        let (from, until) = (at(plan.window_s.0), at(plan.window_s.1));
        let (spent, us) = Default::default();
        Self { from, until, process, before: None, spent, us }
    }

    /// Notes what was used when one of them has come.
    fn look(&mut self) -> Result<()> {
        let now = clock::instant();
        let begins = now >= self.from && self.before.is_none();
        let ends = now >= self.until && self.spent.0.is_zero();
        if self.from < self.until && (begins || ends) {
            let (shard, process) = (cpu::of_thread("shard-0")?, self.process.spent()?);
            let us = u64::try_from(clock::timestamp().0).unwrap_or(0);
            if self.before.is_none() {
                self.us.0 = us;
            }
            let before = *self.before.get_or_insert((shard, process));
            if ends {
                self.us.1 = us;
                self.spent = (shard.saturating_sub(before.0), process.saturating_sub(before.1));
            }
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "a schedule is what this loop is made of")]
fn sleep_until(due: Instant) {
    std::thread::sleep(due.saturating_duration_since(clock::instant()));
}

fn take_reports(shard: &Shards, events: &mut Receiver<Reported>, ran: &mut Ran) -> Result<()> {
    loop {
        let reported = match events.try_recv() {
            Ok(reported) => reported,
            Err(TryRecvError::Empty) => return Ok(()),
            Err(TryRecvError::Disconnected) => bail!("the shard has ended"),
        };
        for event in reported.events {
            let Event::Ended { call, outcome } = event else { continue };
            count(ran, &outcome);
            order(shard, ShardCommand::Release(call))?;
        }
    }
}

fn order(shard: &Shards, command: ShardCommand) -> Result<()> {
    shard.send(FIRST, command).map_err(|_| anyhow::anyhow!("the shard's inbox is full"))
}

fn count(ran: &mut Ran, outcome: &Outcome) {
    if outcome.heard_to_end {
        ran.heard += 1;
    } else {
        ran.failed += 1;
    }
}

/// The figure of this name in what Prometheus would read.
fn figure(figures: &str, name: &str) -> Result<u64> {
    let line = figures.lines().find_map(|line| line.strip_prefix(name));
    let line = line.with_context(|| format!("there is no figure {name}"))?;
    line.trim().parse().with_context(|| format!("{name} is no number"))
}

fn recorder(folder: &Path, plan: &Plan) -> Result<flight_recorder::Recorder> {
    let slots = u32::try_from(plan.calls.min(CALLS_AT_ONCE)).context("so many calls at once")?;
    flight_recorder::open(&folder.join("flight-recorder"), slots, "no database")
}

fn shard_config(plan: &Plan) -> ShardsConfig {
    let (local, ports) = (Ipv4Addr::LOCALHOST, 20);
    let sip = SocketAddr::from((local, 0));
    ShardsConfig {
        shards: 1,
        sides: vec![Bound { listen: sip, advertised: local.into() }],
        media_port_first: 0,
        media_ports: ports,
        ignore_sound: plan.ignore_sound,
        realtime: plan.realtime,
        connections: None,
        tls_port: None,
        engine: EngineConfig {
            sip_local: sip,
            rtp: Vec::new(),
            secret: clock::random_secret(),
            fresh_secret: clock::random_secret(),
            realm: String::from("bench"),
            phone_digests: vec![engine::Algorithm::Sha256, engine::Algorithm::Md5],
            user_agent: String::from(server::USER_AGENT),
            call_id_prefix: String::new(),
            limits: Limits {
                calls: usize::try_from(plan.calls.min(CALLS_AT_ONCE)).unwrap_or(usize::MAX),
                ..Limits::default()
            },
        },
    }
}

fn start(plan: &Plan, clip: &Arc<Clip>, number: u64) -> Order {
    let callee = format!("sip:98210{number:07}@{}", plan.callee);
    Order::Start(Box::new(CallSpec {
        call: CallKey(number),
        call_id: format!("{number}@bench.invalid"),
        target: Target::Address { address: plan.callee, request_uri: callee.clone(), to: callee },
        from_uri: String::from("sip:982100000000@127.0.0.1"),
        credentials: None,
        codecs: Vec::new(),
        srtp: engine::Srtp::Off,
        symmetric_rtp: false,
        script: Arc::new(Script::message(Arc::clone(clip), None)),
        ring_timeout_ms: CALL_MS,
        max_duration_ms: CALL_MS,
    }))
}
