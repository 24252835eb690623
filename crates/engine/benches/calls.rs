//! What one engine costs in CPU, without sockets: a call's signalling from `Start` to `Ended`, and
//! one packet on the wheel. Time is virtual; only what the engine itself does is measured.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{
    CallKey, CallSpec, Clip, Command, Engine, EngineConfig, Event, Input, Limits, Outputs, Script,
    Target,
};
use media::{Codec, FRAME_SAMPLES, sdp};
use sip::Endpoint;

const ROUNDS: usize = 5;
const CALLS: u64 = 4_000;
const CALLS_PER_SECOND: u64 = 2_000;
const PLAYING: u64 = 1_000;
const PLAYED_SECONDS: u64 = 20;
const TALKED_FRAMES: u64 = 200;

/// Where to, and what.
type Datagram = (SocketAddr, Arc<[u8]>);

/// One engine, a callee that answers at once, and the stopwatch.
struct Bench {
    now: Instant,
    engine: Engine,
    callee: Endpoint,
    callee_out: sip::Outputs,
    out: Outputs,
    direction: sdp::Direction,
    spent: Duration,
    inputs: u64,
    packets: u64,
    ended: u64,
    ports: u16,
    wire: BTreeMap<(Instant, u64), Datagram>,
}

impl Bench {
    fn new(direction: sdp::Direction) -> Self {
        let limits = Limits { calls: 100_000, ..Limits::default() };
        let config = EngineConfig {
            sip_local: ours(),
            rtp: (0..20).map(|slot| SocketAddr::new(ours().ip(), 30_000 + 2 * slot)).collect(),
            secret: [1; 32],
            fresh_secret: [2; 32],
            realm: "bench".to_owned(),
            phone_digests: vec![engine::Algorithm::Sha256, engine::Algorithm::Md5],
            user_agent: "bench".to_owned(),
            call_id_prefix: String::new(),
            limits,
        };
        let callee = Endpoint::new(sip::Config {
            local: theirs(),
            secret: [3; 32],
            user_agent: "callee".to_owned(),
            registrar: false,
            // The plain call of seven messages that other programs are compared by.
            extensions: sip::Extensions { reliable: false, ..sip::Extensions::default() },
            limits: sip::Limits {
                legs: 200_000,
                client_transactions: 2_000_000,
                server_transactions: 2_000_000,
                ..Default::default()
            },
        });
        Self {
            now: real_now(),
            engine: Engine::new(config),
            callee,
            callee_out: sip::Outputs::default(),
            out: Outputs::default(),
            direction,
            spent: Duration::ZERO,
            inputs: 0,
            packets: 0,
            ended: 0,
            ports: 0,
            wire: BTreeMap::new(),
        }
    }

    fn input(&mut self, input: Input<'_>) {
        let before = real_now();
        self.engine.handle(self.now, input, &mut self.out);
        self.spent += real_now() - before;
        self.inputs += 1;
        for transmit in self.out.sip.drain(..) {
            let at = (self.now + Duration::from_micros(100), self.inputs);
            self.wire.insert(at, (transmit.destination, transmit.bytes));
            self.inputs += 1;
        }
        self.packets += self.out.rtp.drain(..).count() as u64;
        self.out.rtcp.clear();
        let ended = |event: &Event| matches!(event, Event::Ended { .. });
        self.ended += self.out.events.drain(..).filter(ended).count() as u64;
    }

    fn run_until(&mut self, until: Instant) {
        loop {
            let wire = self.wire.keys().next().map(|(at, _)| *at);
            let (engine, callee) = (self.engine.next_timeout(), self.callee.next_timeout());
            let next = [wire, engine, callee].into_iter().flatten().min();
            let Some(next) = next.filter(|at| *at <= until) else { break };
            self.now = next;
            if wire == Some(next) {
                let (_, (to, bytes)) = self.wire.pop_first().expect("it was just seen");
                if to == ours() {
                    self.input(Input::Sip { source: theirs(), bytes: &bytes });
                } else {
                    self.callee.receive(next, ours(), &bytes, &mut self.callee_out);
                }
            }
            if engine == Some(next) {
                self.input(Input::Timeout);
            }
            self.callee.expire(next, &mut self.callee_out);
            self.answer();
        }
        self.now = until;
    }

    fn answer(&mut self) {
        let now = self.now;
        while !self.callee_out.events.is_empty() {
            for event in std::mem::take(&mut self.callee_out.events) {
                let sip::Event::Incoming { leg, request, .. } = event else { continue };
                self.ports = (self.ports + 2) % 20_000;
                let media = SocketAddr::new(theirs().ip(), 40_000 + self.ports);
                let mut local = sdp::Local::new(1, media, &[Codec::Pcma]);
                local.direction = self.direction;
                let answer = sdp::answer_offer(&local, &request.body).expect("a usual offer").1;
                self.callee.ring(now, leg, 180, None, &mut self.callee_out);
                self.callee.answer(now, leg, &answer, &mut self.callee_out);
            }
        }
        for transmit in self.callee_out.transmits.drain(..) {
            let at = (now + Duration::from_micros(100), self.inputs);
            self.wire.insert(at, (transmit.destination, transmit.bytes));
            self.inputs += 1;
        }
    }

    fn start(&mut self, key: u64, clip: &Arc<Clip>) {
        let spec = CallSpec {
            call: CallKey(key),
            call_id: format!("{key}@bench"),
            target: Target::Address {
                address: theirs(),
                request_uri: format!("sip:{key}@192.0.2.2"),
                to: format!("sip:{key}@192.0.2.2"),
            },
            from_uri: "sip:982100000000@192.0.2.1".to_owned(),
            credentials: None,
            codecs: Vec::new(),
            srtp: engine::Srtp::Off,
            symmetric_rtp: false,
            script: Arc::new(Script::message(Arc::clone(clip), None)),
            ring_timeout_ms: 30_000,
            max_duration_ms: 120_000,
        };
        self.input(Input::Command(Command::Start(Box::new(spec))));
    }
}

impl Bench {
    /// The way back: every 20 ms a packet of each call to its port, as the callee would send it,
    /// and all of them read at once. Gives back what one costs, nanoseconds.
    fn talk(&mut self) -> f64 {
        let mut spent = Duration::ZERO;
        let mut header = media::rtp::Header {
            marker: false,
            payload_type: 8,
            sequence: 1,
            timestamp: 160,
            ssrc: 5,
        };
        for _ in 0..TALKED_FRAMES {
            self.run_until(self.now + Duration::from_millis(20));
            let bytes = [&header.write()[..], &[0xD5; FRAME_SAMPLES]].concat();
            let before = real_now();
            for call in 0..u16::try_from(PLAYING).expect("few calls") {
                let source = SocketAddr::new(theirs().ip(), 40_002 + 2 * call);
                let slot = u8::try_from(call % 20).expect("twenty slots");
                let input = Input::Rtp { slot, source, bytes: &bytes };
                self.engine.handle(self.now, input, &mut self.out);
            }
            spent += real_now() - before;
            (header.sequence, header.timestamp) = (header.sequence + 1, header.timestamp + 160);
        }
        let received = self.engine.counters().find(|(name, _)| *name == "rtp_received");
        assert_eq!(received, Some(("rtp_received", PLAYING * TALKED_FRAMES)));
        micros(spent) * 1_000.0 / as_f64(PLAYING * TALKED_FRAMES)
    }
}

fn ours() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 5060))
}

fn theirs() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 2], 5060))
}

#[expect(clippy::disallowed_methods, reason = "a benchmark is about real time")]
fn real_now() -> Instant {
    Instant::now()
}

/// Calls whose callee wants no audio: nothing but signalling. The stopwatch also sees what else
/// runs on the machine, so the best round is the one that counts.
fn signalling() -> f64 {
    let mut bench = Bench::new(sdp::Direction::Inactive);
    let clip = Arc::new(Clip::from_samples(&[]));
    let gap = Duration::from_secs(1) / u32::try_from(CALLS_PER_SECOND).expect("a small rate");
    for key in 0..CALLS {
        bench.start(key, &clip);
        bench.run_until(bench.now + gap);
    }
    bench.run_until(bench.now + Duration::from_mins(1));
    assert_eq!((bench.ended, bench.packets), (CALLS, 0));
    micros(bench.spent) / as_f64(CALLS)
}

/// Calls that play: the wheel's cost of one packet, its header and its place in the output.
fn playing() -> (f64, f64) {
    let mut bench = Bench::new(sdp::Direction::SendRecv);
    let clip = Arc::new(Clip::from_samples(&vec![7; FRAME_SAMPLES * 50 * 60]));
    for key in 0..PLAYING {
        bench.start(key, &clip);
    }
    bench.run_until(bench.now + Duration::from_secs(1));
    (bench.spent, bench.packets) = (Duration::ZERO, 0);
    bench.run_until(bench.now + Duration::from_secs(PLAYED_SECONDS));
    let out = micros(bench.spent) * 1_000.0 / as_f64(bench.packets);
    (out, bench.talk())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn as_f64(count: u64) -> f64 {
    f64::from(u32::try_from(count).expect("counts of a benchmark are small"))
}

#[expect(clippy::print_stdout, reason = "the figures are what a benchmark is for")]
fn main() {
    let best = (0..ROUNDS).map(|_| signalling()).fold(f64::INFINITY, f64::min);
    println!("signalling: {best:.1} µs a call, Start to Ended, best of {ROUNDS} rounds");
    let (out, back) = playing();
    println!("playing: {out:.0} ns a packet sent, {back:.0} ns a packet received");
}
