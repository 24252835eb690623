//! Hundreds of calls at once for hours of virtual time, with loss: the real engine and a real
//! carrier, without a platform around them. Nothing may grow, nothing may be left, and both sides
//! must have counted the same.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use carrier::{Carrier, Ending, PortSlot, SendAudio};
use engine::{
    CallKey, CallSpec, Cause, Clip, Command, Engine, EngineConfig, Event, Input, Limits, Outputs,
    Script, Target,
};
use media::{Codec, FRAME_SAMPLES};

use crate::dice::Dice;

/// Where our SIP socket is, and the carrier's.
const OURS: &str = "192.0.2.1:5060";
const THEIRS: &str = "192.0.2.2:5060";
const OUR_FIRST_PORT: u16 = 30_000;
const OUR_PORTS: u16 = 20;
const THEIR_FIRST_PORT: u16 = 10_000;
/// How long SIP is under way; sound arrives at once.
const WAY: Duration = Duration::from_millis(20);
/// The shortest and the longest message, frames of 20 ms.
const FRAMES: (i64, i64) = (500, 3_000);
/// How many different messages there are.
const CLIPS: usize = 20;
/// The load and what is alive are looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Longer than anything lingers after the last call.
const AFTERMATH: Duration = Duration::from_mins(4);

/// What a soak is.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Calls at once.
    pub calls: usize,
    /// For how long new ones are started.
    pub time: Duration,
    /// Datagrams lost of a thousand, each way, SIP and sound.
    pub loss_permille: u32,
    /// What chance follows.
    pub seed: u64,
}

/// What one side counted of its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Calls begun.
    pub started: u64,
    /// Calls answered.
    pub answered: u64,
    /// Calls refused by the callee.
    pub refused: u64,
    /// Answered calls that the caller ended.
    pub ended_by_us: u64,
    /// Answered calls that the callee ended.
    pub ended_by_callee: u64,
}

/// The most that was alive at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Peak {
    calls: usize,
    sip: usize,
    media: usize,
    carrier: usize,
}

/// What a soak came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// What our side counted.
    pub ours: Counts,
    /// What the carrier counted.
    pub theirs: Counts,
    /// Packets of sound that left us, were lost, and reached the carrier.
    pub packets: [u64; 3],
    /// Everything that should not be, in words.
    pub findings: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [sent, lost, heard] = self.packets;
        writeln!(f, "ours:   {:?}", self.ours)?;
        writeln!(f, "theirs: {:?}", self.theirs)?;
        writeln!(f, "packets: {sent} sent, {lost} lost, {heard} arrived")?;
        for finding in &self.findings {
            writeln!(f, "WRONG: {finding}")?;
        }
        Ok(())
    }
}

/// Runs a soak until nothing is going on any more.
pub fn soak(load: Load) -> Report {
    let mut soak = Soak::new(load);
    let end = soak.now + load.time;
    let (early, late) = (soak.load_until(soak.now + load.time / 2), soak.load_until(end));
    soak.run_until(end + AFTERMATH);
    soak.judge(early, late);
    soak.report
}

/// A SIP datagram under way.
enum Letter {
    ToUs(Arc<[u8]>),
    ToThem(Arc<[u8]>),
}

struct Soak {
    load: Load,
    now: Instant,
    engine: Engine,
    carrier: Carrier,
    out: Outputs,
    from_carrier: carrier::Outputs,
    post: BTreeMap<(Instant, u64), Letter>,
    letters: u64,
    dice: Dice,
    clips: Vec<Arc<Script>>,
    next_call: u64,
    packet: Vec<u8>,
    report: Report,
}

impl Soak {
    fn new(load: Load) -> Self {
        let mut dice = Dice::new(load.seed, 9);
        let clip = |_| {
            let frames = usize::try_from(dice.between(FRAMES.0, FRAMES.1)).unwrap_or(500);
            let clip = Clip::from_samples(&vec![1_000; frames * FRAME_SAMPLES]);
            Arc::new(Script::message(Arc::new(clip), None))
        };
        let clips = (0..CLIPS).map(clip).collect();
        let ports = u16::try_from(load.calls * 2).unwrap_or(u16::MAX / 4);
        let ports = (0..ports).map(|at| THEIR_FIRST_PORT + 2 * at).collect();
        let mut carrier = carrier::Config::new(address(THEIRS), ports, [3; 32]);
        carrier.record = false;
        carrier.send_audio = SendAudio::Always;
        Self {
            load,
            now: crate::world::origin(),
            engine: Engine::new(engine_config()),
            carrier: Carrier::new(carrier),
            out: Outputs::default(),
            from_carrier: carrier::Outputs::default(),
            post: BTreeMap::new(),
            letters: 0,
            dice,
            clips,
            next_call: 0,
            packet: Vec::new(),
            report: Report::default(),
        }
    }

    /// Keeps the calls at their number until then; the most that was alive meanwhile.
    fn load_until(&mut self, end: Instant) -> Peak {
        let mut peak = Peak::default();
        while self.now < end {
            while self.engine.live_calls() < self.load.calls {
                self.start();
            }
            // Calls that end are made good within this time; the first ones begin over it.
            self.run_until((self.now + LOOK_EVERY / 10).min(end));
            let (ours, theirs) = (self.engine.live(), self.carrier.live());
            peak = Peak {
                calls: peak.calls.max(ours.calls),
                sip: peak.sip.max(ours.sip_transactions + ours.sip_legs),
                media: peak.media.max(ours.playing + ours.rtp_sources + ours.deadlines),
                carrier: peak.carrier.max(theirs.calls + theirs.timers + theirs.sip.timers),
            };
        }
        peak
    }

    fn start(&mut self) {
        let key = self.next_call;
        self.next_call += 1;
        let user = match key % 20 {
            6 => format!("{}486", carrier::numbers::PREFIX),
            13 => format!("{}002", carrier::numbers::PREFIX),
            _ => format!("0912{:07}", key % 10_000_000),
        };
        let spec = CallSpec {
            call: CallKey(key),
            call_id: format!("soak-{key}"),
            target: Target::Address {
                address: address(THEIRS),
                request_uri: format!("sip:{user}@{THEIRS}"),
                to: format!("sip:{user}@{THEIRS}"),
            },
            from_uri: format!("sip:soak@{OURS}"),
            credentials: None,
            codecs: vec![Codec::Pcma],
            srtp: engine::Srtp::Off,
            symmetric_rtp: false,
            script: Arc::clone(self.dice.pick(&self.clips)),
            ring_timeout_ms: 60_000,
            max_duration_ms: 600_000,
        };
        self.ours(Input::Command(Command::Start(Box::new(spec))));
    }

    fn run_until(&mut self, until: Instant) {
        loop {
            let post = self.post.keys().next().map(|(at, _)| *at);
            let (ours, theirs) = (self.engine.next_timeout(), self.carrier.next_timeout());
            let next = [post, ours, theirs].into_iter().flatten().min();
            let Some(next) = next.filter(|at| *at <= until) else { break };
            self.now = self.now.max(next);
            if post.is_some_and(|at| at <= self.now)
                && let Some((_, letter)) = self.post.pop_first()
            {
                match letter {
                    Letter::ToUs(bytes) => {
                        self.ours(Input::Sip { source: address(THEIRS), bytes: &bytes });
                    }
                    Letter::ToThem(bytes) => {
                        let source = address(OURS);
                        self.theirs(carrier::Input::Sip { source, bytes: &bytes });
                    }
                }
            }
            if ours.is_some_and(|at| at <= self.now) {
                self.ours(Input::Timeout);
            }
            if theirs.is_some_and(|at| at <= self.now) {
                self.theirs(carrier::Input::Timeout);
            }
        }
        self.now = until;
    }

    fn is_lost(&mut self) -> bool {
        self.dice.chance(self.load.loss_permille)
    }

    fn post(&mut self, letter: Letter) {
        if !self.is_lost() {
            self.letters += 1;
            self.post.insert((self.now + WAY, self.letters), letter);
        }
    }

    /// Our side takes something; what comes of it goes to the carrier.
    fn ours(&mut self, input: Input<'_>) {
        let mut out = std::mem::take(&mut self.out);
        self.engine.handle(self.now, input, &mut out);
        for event in out.events.drain(..) {
            self.note(&event);
        }
        for transmit in out.sip.drain(..) {
            self.post(Letter::ToThem(transmit.bytes));
        }
        let mut packet = std::mem::take(&mut self.packet);
        for sent in out.rtp.drain(..) {
            self.report.packets[0] += 1;
            packet.clear();
            packet.extend_from_slice(&sent.header);
            packet.extend_from_slice(sent.payload());
            if self.is_lost() {
                self.report.packets[1] += 1;
            } else {
                self.sound(sent.slot, sent.destination, &packet);
            }
        }
        for report in out.rtcp.drain(..) {
            if !self.is_lost() {
                self.sound(report.slot, report.destination, &report.bytes);
            }
        }
        out.recorded.clear();
        self.packet = packet;
        self.out = out;
    }

    fn sound(&mut self, slot: u8, to: SocketAddr, bytes: &[u8]) {
        let source = SocketAddr::new(address(OURS).ip(), OUR_FIRST_PORT + 2 * u16::from(slot));
        let port = PortSlot(usize::from((to.port() - THEIR_FIRST_PORT) / 2));
        self.theirs(carrier::Input::Rtp { port, source, bytes });
    }

    /// The carrier takes something. What it says comes to us later, its sound at the next turn.
    fn theirs(&mut self, input: carrier::Input<'_>) {
        let mut out = std::mem::take(&mut self.from_carrier);
        self.carrier.handle(self.now, input, &mut out);
        for event in out.events.drain(..) {
            self.note_theirs(&event);
        }
        for transmit in out.sip.drain(..) {
            self.post(Letter::ToUs(transmit.bytes));
        }
        let heard: Vec<_> = out.rtp.drain(..).collect();
        self.from_carrier = out;
        for packet in heard {
            if self.is_lost() {
                continue;
            }
            let port = THEIR_FIRST_PORT + u16::try_from(2 * packet.port.0).unwrap_or_default();
            let source = SocketAddr::new(address(THEIRS).ip(), port);
            let slot = u8::try_from((packet.destination.port() - OUR_FIRST_PORT) / 2);
            let slot = slot.unwrap_or_default();
            self.ours(Input::Rtp { slot, source, bytes: &packet.bytes });
        }
    }

    fn note(&mut self, event: &Event) {
        let ours = &mut self.report.ours;
        match event {
            Event::Dialling { .. } => ours.started += 1,
            Event::Ended { call, outcome } => {
                ours.answered += u64::from(outcome.answered);
                match outcome.cause {
                    Cause::Played if outcome.heard_to_end => ours.ended_by_us += 1,
                    Cause::CalleeHungUp => ours.ended_by_callee += 1,
                    Cause::Failed if outcome.sip_code == Some(486) => ours.refused += 1,
                    cause => self.report.findings.push(format!("{call:?} ended by {cause:?}")),
                }
            }
            _ => {}
        }
    }

    fn note_theirs(&mut self, event: &carrier::Event) {
        let theirs = &mut self.report.theirs;
        match event {
            carrier::Event::CallStarted { .. } => theirs.started += 1,
            carrier::Event::CallAnswered { .. } => theirs.answered += 1,
            carrier::Event::CallEnded { ending, report, .. } => {
                self.report.packets[2] += report.received.received + report.before_answer;
                match ending {
                    Ending::Refused(_) => theirs.refused += 1,
                    Ending::CallerHungUp => theirs.ended_by_us += 1,
                    Ending::WeHungUp => theirs.ended_by_callee += 1,
                    Ending::Cancelled => {
                        self.report.findings.push(String::from("a call was cancelled"));
                    }
                }
            }
            carrier::Event::Heard(_) => {}
        }
    }

    /// What must hold at the end.
    fn judge(&mut self, early: Peak, late: Peak) {
        let (ours, theirs) = (self.engine.live(), self.carrier.live());
        let findings = &mut self.report.findings;
        if ours != engine::Live::default() {
            findings.push(format!("we keep {ours:?}"));
        }
        if theirs != carrier::Live::default() {
            findings.push(format!("the carrier keeps {theirs:?}"));
        }
        if self.report.ours != self.report.theirs {
            findings.push(String::from("the two sides counted differently"));
        }
        let [sent, lost, heard] = self.report.packets;
        if sent != lost + heard {
            findings.push(format!("{sent} packets left us, {lost} were lost, {heard} arrived"));
        }
        let half = |peak: Peak| [peak.calls, peak.sip, peak.media, peak.carrier];
        if half(late).into_iter().zip(half(early)).any(|(late, early)| late > early + early / 10) {
            findings.push(format!("it grew from {early:?} to {late:?}"));
        }
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("a literal")
}

fn engine_config() -> EngineConfig {
    EngineConfig {
        sip_local: address(OURS),
        rtp: (0..OUR_PORTS)
            .map(|at| SocketAddr::new(address(OURS).ip(), OUR_FIRST_PORT + 2 * at))
            .collect(),
        secret: [7; 32],
        fresh_secret: [8; 32],
        realm: String::from("avanak"),
        phone_digests: vec![engine::Algorithm::Md5],
        user_agent: String::from("soak"),
        call_id_prefix: String::new(),
        limits: Limits::default(),
    }
}
