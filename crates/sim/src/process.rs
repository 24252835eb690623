//! One life of our program: node, use cases, engine and flight recorder, put together as the
//! server does it, without its sockets and threads.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use app::{App, Failure, LiveCalls, Ports, Settings};
use engine::{CallKey, Command, Engine, EngineConfig, Event, Input, Limits, Outputs};
use node::{Gate, Moment, Node, NodeConfig, Recorder, Steps};

use crate::ports::{MemoryBlobs, MemoryFile, Mute, NoSecrets, NoSms, WallClock};

/// Where our SIP socket is.
pub(crate) const OUR_SIP: &str = "192.0.2.1:5060";
/// Our RTP ports.
pub(crate) const OUR_RTP: std::ops::Range<u16> = 30_000..30_020;
/// What outlives a process.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) db: store::Db,
    pub(crate) clock: WallClock,
    pub(crate) blobs: MemoryBlobs,
    pub(crate) file: MemoryFile,
    pub(crate) config: NodeConfig,
    /// Calls that the engine takes at once.
    pub(crate) calls_max: u32,
}

impl Ground {
    /// Calls that the flight recorder has room for.
    fn slots(&self) -> u32 {
        self.calls_max + self.calls_max / 2
    }
}

/// A running process.
pub(crate) struct Process {
    pub(crate) node: Node,
    pub(crate) gate: Gate,
    pub(crate) app: Arc<App>,
    pub(crate) recorder: Recorder<MemoryFile>,
    pub(crate) engine: Engine,
    pub(crate) out: Outputs,
    /// Placed calls that should have been written down and are not yet.
    unopened: Vec<(CallKey, u32)>,
    /// When the node wants to step, by the steady clock.
    pub(crate) wake_at: i64,
    woken: Arc<AtomicBool>,
}

impl Process {
    /// Starts as `avanak serve` does. `life` makes what must differ between two lives differ.
    pub(crate) async fn start(
        ground: &Ground,
        now: Moment,
        boot_id: &str,
        life: u32,
    ) -> Result<Self, Failure> {
        let mut recorder = Recorder::open_file(ground.file.clone(), boot_id, ground.slots())
            .map_err(|error| Failure::because("opening the flight recorder", error))?;
        let woken = Arc::new(AtomicBool::new(false));
        let wake = Arc::clone(&woken);
        let gate = Gate::new(&ground.config, Box::new(move || wake.store(true, Ordering::Relaxed)));
        let app = assemble(ground, &gate);
        let (shared, config) = (Arc::clone(&app), ground.config.clone());
        let node = Node::start(now, shared, gate.clone(), config, &mut recorder).await?;
        let engine = Engine::new(engine_config(life, ground.calls_max as usize));
        let (out, wake_at) = (Outputs::default(), now.steady.0);
        let unopened = Vec::new();
        Ok(Self { node, gate, app, recorder, engine, out, unopened, wake_at, woken })
    }

    /// One step of the node; its next wake-up is noted.
    pub(crate) fn step(&mut self, now: Moment) -> Steps {
        self.woken.store(false, Ordering::Relaxed);
        let steps = self.node.step(now);
        self.wake_at = steps.next_wakeup.0;
        for released in &steps.released {
            self.recorder.release(released.call);
        }
        steps
    }

    /// Whether somebody asked for a step.
    pub(crate) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Relaxed)
    }

    /// What the shard does with a command. `late`: a call is not written down before it is placed,
    /// as it should be, but with the events of its step.
    pub(crate) fn command(&mut self, instant: Instant, command: Command, late: bool) {
        if let Command::Start(spec) = &command {
            let (call, clip_ms) = (spec.call, spec.script.subject_ms());
            if late {
                self.unopened.push((call, clip_ms));
            } else if let Err(refused) = self.recorder.open(call, clip_ms) {
                self.out.events.push(refused);
                return;
            }
        }
        self.engine.handle(instant, Input::Command(command), &mut self.out);
    }

    /// Writes the events of the step down, before its datagrams leave.
    pub(crate) fn record(&mut self) {
        for (call, clip_ms) in self.unopened.drain(..) {
            self.recorder.open(call, clip_ms).expect("there are more slots than calls");
        }
        self.recorder.note(&self.out.events);
    }

    /// Whether nothing is in hand any more.
    pub(crate) fn is_idle(&self) -> bool {
        self.node.is_idle() && self.engine.live_calls() == 0 && self.node.stats().waiting == 0
    }
}

/// The address of one of our RTP ports.
pub(crate) fn rtp_address(slot: u8) -> SocketAddr {
    let mut address: SocketAddr = OUR_SIP.parse().expect("a literal");
    address.set_port(OUR_RTP.start + u16::from(slot));
    address
}

/// The call whose end is told here, if it is one.
pub(crate) fn ended_call(event: &Event) -> Option<CallKey> {
    match event {
        Event::Ended { call, .. } => Some(*call),
        _ => None,
    }
}

fn assemble(ground: &Ground, gate: &Gate) -> Arc<App> {
    let ports = Ports {
        clock: Arc::new(ground.clock.clone()),
        rng: Arc::new(NoSecrets),
        tts: Arc::new(Mute),
        blobs: Arc::new(ground.blobs.clone()),
        dispatch: Arc::new(gate.clone()),
        sms: Arc::new(NoSms),
        gateways: Arc::new(app::ports::NoGateways),
    };
    let live = Arc::new(LiveCalls::default());
    Arc::new(App::new(ground.db.clone(), ports, live, Settings::default()))
}

fn engine_config(life: u32, calls: usize) -> EngineConfig {
    let sip_local: SocketAddr = OUR_SIP.parse().expect("a literal");
    let mut fresh_secret = [1; 32];
    fresh_secret[..4].copy_from_slice(&life.to_le_bytes());
    EngineConfig {
        sip_local,
        rtp: OUR_RTP.map(|port| SocketAddr::new(sip_local.ip(), port)).collect(),
        secret: [42; 32],
        fresh_secret,
        realm: String::from("avanak"),
        phone_digests: vec![engine::Algorithm::Sha256, engine::Algorithm::Md5],
        user_agent: String::from("sim"),
        call_id_prefix: String::new(),
        limits: Limits { calls, ..Limits::default() },
    }
}
