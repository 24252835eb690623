//! One engine, one carrier, hand-made peers, and the network between them: seeded, lossy on
//! request, and without a clock of its own.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use carrier::{Carrier, Heard};
use engine::{
    CallKey, CallSpec, Clip, Command, Credentials, Engine, EngineConfig, Event, Hop, Input, Limits,
    Outcome, Outputs, Recorded, Script, Target, Transport,
};
use media::{Codec, FRAME_SAMPLES};

use crate::peer::Peer;

pub const ENGINE_SIP: &str = "192.0.2.1:5060";
pub const CARRIER_SIP: &str = "192.0.2.2:5060";
pub const SECRET: [u8; 32] = [7; 32];
const CARRIER_FIRST_PORT: u16 = 20_000;
const ENGINE_FIRST_PORT: u16 = 30_000;

pub fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Where every world's time begins.
pub fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "any instant does as the origin")]
    *ORIGIN.get_or_init(Instant::now)
}

/// A small generator of numbers that looks random enough to lose packets by.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }
}

struct Datagram {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

pub struct World {
    pub now: Instant,
    pub engine: Engine,
    pub carrier: Carrier,
    pub peers: Vec<Rc<RefCell<dyn Peer>>>,
    pub events: Vec<(Duration, Event)>,
    pub heard: Vec<Heard>,
    pub recorded: Vec<(Duration, Recorded)>,
    /// RTP that left the engine, by destination: when, header, frame.
    pub sent_rtp: Vec<(Duration, SocketAddr, Vec<u8>)>,
    pub keep_sent_rtp: bool,
    /// Bytes of SIP that left the engine, by destination.
    pub sip_bytes: BTreeMap<IpAddr, usize>,
    /// Frames that the engine's operating system does not take.
    pub refused_frames: std::ops::Range<u32>,
    /// Peers whose SIP comes over a connection, and must be sent so.
    pub connected: BTreeSet<SocketAddr>,
    /// Where datagrams went at whose address nobody is.
    pub strays: Vec<SocketAddr>,
    pub loss_percent: u64,
    /// What is due is done before each packet of RTP, as in a step that reads many.
    pub due_before_rtp: bool,
    /// Every tenth SIP datagram to the engine arrives with some bytes changed.
    pub damage: bool,
    pub dice: Dice,
    wire: BTreeMap<(Instant, u64), Datagram>,
    sequence: u64,
    ports: u16,
    outputs: Outputs,
    from_carrier: carrier::Outputs,
}

impl World {
    pub fn new() -> Self {
        Self::with(20, Limits::default(), carrier_config(64))
    }

    pub fn with(ports: u16, limits: Limits, carrier: carrier::Config) -> Self {
        Self {
            now: origin(),
            engine: Engine::new(engine_config(ports, limits)),
            carrier: Carrier::new(carrier),
            peers: Vec::new(),
            events: Vec::new(),
            heard: Vec::new(),
            recorded: Vec::new(),
            sent_rtp: Vec::new(),
            keep_sent_rtp: false,
            sip_bytes: BTreeMap::new(),
            refused_frames: 0..0,
            connected: BTreeSet::new(),
            strays: Vec::new(),
            loss_percent: 0,
            due_before_rtp: true,
            damage: false,
            dice: Dice(1),
            wire: BTreeMap::new(),
            sequence: 0,
            ports,
            outputs: Outputs::default(),
            from_carrier: carrier::Outputs::default(),
        }
    }

    /// The process dies and another takes its place: same secret, no memory.
    pub fn restart_engine(&mut self) {
        let config =
            EngineConfig { fresh_secret: [9; 32], ..engine_config(self.ports, Limits::default()) };
        self.engine = Engine::new(config);
        self.events.clear();
    }

    pub fn elapsed(&self) -> Duration {
        self.now - origin()
    }

    pub fn command(&mut self, command: Command) {
        self.engine_input(Input::Command(command));
    }

    pub fn start(&mut self, spec: CallSpec) {
        self.command(Command::Start(Box::new(spec)));
    }

    pub fn engine_input(&mut self, input: Input<'_>) {
        let mut out = std::mem::take(&mut self.outputs);
        self.engine.handle(self.now, input, &mut out);
        let at = self.elapsed();
        self.events.extend(out.events.drain(..).map(|event| (at, event)));
        self.recorded.extend(out.recorded.drain(..).map(|part| (at, part)));
        for transmit in out.sip.drain(..) {
            let connected = self.connected.contains(&transmit.destination);
            assert_eq!(transmit.transport.is_reliable(), connected, "{}", transmit.destination);
            *self.sip_bytes.entry(transmit.destination.ip()).or_default() += transmit.bytes.len();
            self.post(address(ENGINE_SIP), transmit.destination, transmit.bytes.to_vec());
        }
        let mut refused = Vec::new();
        for packet in out.rtp.drain(..) {
            if self.refused_frames.contains(&packet.frame) {
                refused.push(packet);
                continue;
            }
            let from = SocketAddr::new(
                address(ENGINE_SIP).ip(),
                ENGINE_FIRST_PORT + 2 * u16::from(packet.slot),
            );
            let bytes = [&packet.header[..], packet.payload()].concat();
            if self.keep_sent_rtp {
                self.sent_rtp.push((at, packet.destination, bytes.clone()));
            }
            self.post(from, packet.destination, bytes);
        }
        for report in out.rtcp.drain(..) {
            let port = ENGINE_FIRST_PORT + 2 * u16::from(report.slot);
            let from = SocketAddr::new(address(ENGINE_SIP).ip(), port);
            self.post(from, report.destination, report.bytes);
        }
        self.outputs = out;
        for packet in &refused {
            self.engine_input(Input::RtpRefused(packet));
        }
    }

    fn carrier_input(&mut self, input: carrier::Input<'_>) {
        let mut out = std::mem::take(&mut self.from_carrier);
        self.carrier.handle(self.now, input, &mut out);
        let ip = address(CARRIER_SIP).ip();
        for transmit in out.sip.drain(..) {
            self.post(address(CARRIER_SIP), transmit.destination, transmit.bytes.to_vec());
        }
        for packet in out.rtp.drain(..) {
            let port = CARRIER_FIRST_PORT + u16::try_from(2 * packet.port.0).unwrap();
            self.post(SocketAddr::new(ip, port), packet.destination, packet.bytes);
        }
        for event in out.events.drain(..) {
            if let carrier::Event::Heard(heard) = event {
                self.heard.push(heard);
            }
        }
        self.from_carrier = out;
    }

    /// Puts a datagram on the wire; it takes 5 ms, or is lost.
    pub fn post(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        if self.loss_percent > 0 && self.dice.roll(100) < self.loss_percent {
            return;
        }
        let mut bytes = bytes;
        if self.damage && to == address(ENGINE_SIP) && self.dice.roll(10) == 0 {
            for _ in 0..=self.dice.roll(8) {
                let at = self.dice.roll(bytes.len() as u64);
                bytes[usize::try_from(at).unwrap()] = u8::try_from(self.dice.roll(256)).unwrap();
            }
        }
        self.sequence += 1;
        let at = self.now + Duration::from_millis(5);
        self.wire.insert((at, self.sequence), Datagram { from, to, bytes });
    }

    fn deliver(&mut self, datagram: &Datagram) {
        let Datagram { from, to, bytes } = datagram;
        if *to == address(ENGINE_SIP) {
            if self.connected.contains(from) {
                let peer = Hop { transport: Transport::Tcp, address: *from };
                self.engine_input(Input::SipOver { peer, bytes });
            } else {
                self.engine_input(Input::Sip { source: *from, bytes });
            }
        } else if to.ip() == address(ENGINE_SIP).ip() {
            let slot = u8::try_from((to.port() - ENGINE_FIRST_PORT) / 2).unwrap();
            if self.due_before_rtp {
                self.engine_input(Input::Timeout);
            }
            self.engine_input(Input::Rtp { slot, source: *from, bytes });
        } else if *to == address(CARRIER_SIP) {
            self.carrier_input(carrier::Input::Sip { source: *from, bytes });
        } else if to.ip() == address(CARRIER_SIP).ip() {
            let port = carrier::PortSlot(usize::from((to.port() - CARRIER_FIRST_PORT) / 2));
            self.carrier_input(carrier::Input::Rtp { port, source: *from, bytes });
        } else {
            let peer = self.peers.iter().find(|peer| peer.borrow().address().ip() == to.ip());
            match peer {
                Some(peer) => peer.borrow_mut().receive(self.now, *from, *to, bytes),
                None => self.strays.push(*to),
            }
        }
    }

    /// Adds a hand-made peer; the test keeps a hand on it.
    pub fn add_peer<P: Peer + 'static>(&mut self, peer: P) -> Rc<RefCell<P>> {
        let peer = Rc::new(RefCell::new(peer));
        self.peers.push(peer.clone());
        peer
    }

    fn collect_from_peers(&mut self) {
        let mut out = Vec::new();
        self.peers.iter().for_each(|peer| out.append(peer.borrow_mut().outbox()));
        for (from, to, bytes) in out {
            self.post(from, to, bytes);
        }
    }

    /// Moves time to the next thing that happens, unless that is after `until`.
    fn step(&mut self, until: Instant) -> bool {
        self.collect_from_peers();
        let wire = self.wire.keys().next().map(|(at, _)| *at);
        let engine = self.engine.next_timeout();
        let carrier = self.carrier.next_timeout();
        let peers = self.peers.iter().filter_map(|peer| peer.borrow().next_timeout()).min();
        let Some(next) = [wire, engine, carrier, peers].into_iter().flatten().min() else {
            return false;
        };
        if next > until {
            return false;
        }
        self.now = self.now.max(next);
        if wire.is_some_and(|at| at <= self.now) {
            let (_, datagram) = self.wire.pop_first().unwrap();
            self.deliver(&datagram);
        }
        if engine.is_some_and(|at| at <= self.now) {
            self.engine_input(Input::Timeout);
        }
        if carrier.is_some_and(|at| at <= self.now) {
            self.carrier_input(carrier::Input::Timeout);
        }
        for peer in &self.peers {
            let mut peer = peer.borrow_mut();
            if peer.next_timeout().is_some_and(|at| at <= self.now) {
                peer.expire(self.now);
            }
        }
        true
    }

    /// Runs for this long.
    pub fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
        self.now = until;
    }

    /// Runs until nothing is going on, at most for an hour.
    pub fn run_until_quiet(&mut self) {
        let until = self.now + Duration::from_hours(1);
        while self.step(until) {}
        assert_eq!(self.engine.live(), engine::Live::default(), "something was left alive");
    }

    /// Runs until every started call has ended, at most for an hour.
    pub fn run_until_ended(&mut self) {
        let until = self.now + Duration::from_hours(1);
        while self.engine.live_calls() > 0 && self.step(until) {}
        assert_eq!(self.engine.live_calls(), 0, "a call never ended");
    }

    /// The outcome of a call that ended exactly once.
    pub fn outcome(&self, call: u64) -> &Outcome {
        let mut found = self.events.iter().filter_map(|(_, event)| match event {
            Event::Ended { call: key, outcome } if *key == CallKey(call) => Some(&**outcome),
            _ => None,
        });
        let outcome = found.next().expect("the call has not ended");
        assert!(found.next().is_none(), "the call ended twice");
        outcome
    }

    /// The names of a call's events in order, those of one second merged.
    pub fn ladder(&self, call: u64) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = Vec::new();
        for (_, event) in &self.events {
            let (key, name) = match event {
                Event::Dialling { call } => (call, "dialling"),
                Event::Ringing { call } => (call, "ringing"),
                Event::EarlyMedia { call } => (call, "early media"),
                Event::Answered { call, .. } => (call, "answered"),
                Event::FirstAudio { call } => (call, "first audio"),
                Event::Progress { call, .. } => (call, "progress"),
                Event::Key { call, .. } => (call, "key"),
                Event::Ended { call, .. } => (call, "ended"),
                _ => continue,
            };
            if *key == CallKey(call) && names.last() != Some(&name) {
                names.push(name);
            }
        }
        names
    }

    pub fn counter(&self, name: &str) -> u64 {
        self.engine.counters().find(|(known, _)| *known == name).unwrap().1
    }
}

pub fn carrier_config(ports: u16) -> carrier::Config {
    let ports = (0..ports).map(|at| CARRIER_FIRST_PORT + 2 * at).collect();
    carrier::Config::new(address(CARRIER_SIP), ports, [3; 32])
}

pub fn engine_config(ports: u16, limits: Limits) -> EngineConfig {
    EngineConfig {
        sip_local: address(ENGINE_SIP),
        rtp: (0..ports)
            .map(|at| SocketAddr::new(address(ENGINE_SIP).ip(), ENGINE_FIRST_PORT + 2 * at))
            .collect(),
        secret: SECRET,
        fresh_secret: [8; 32],
        realm: "phones.example".to_owned(),
        phone_digests: vec![engine::Algorithm::Sha256, engine::Algorithm::Md5],
        user_agent: "engine test".to_owned(),
        call_id_prefix: String::new(),
        limits,
    }
}

/// A clip in which every frame differs, and whose first sample is not silence.
pub fn clip_of_frames(frames: usize) -> Arc<Clip> {
    let samples: Vec<i16> = (0..frames * FRAME_SAMPLES)
        .map(|at| i16::try_from((at * 37 + 1_000) % 20_000).unwrap() - 8_000)
        .collect();
    Arc::new(Clip::from_samples(&samples))
}

/// Plays a message.
pub fn playing(clip: Arc<Clip>) -> Arc<Script> {
    Arc::new(Script::message(clip, None))
}

/// Plays a message and waits for a vote.
pub fn voting(clip: Arc<Clip>, wait_ms: u32) -> Arc<Script> {
    Arc::new(Script::message(clip, Some(wait_ms)))
}

/// A call to a number of the carrier, playing two seconds.
pub fn call(key: u64, number: &str) -> CallSpec {
    call_to(key, number, address(CARRIER_SIP))
}

pub fn call_to(key: u64, user: &str, address: SocketAddr) -> CallSpec {
    CallSpec {
        call: CallKey(key),
        call_id: format!("call-{key}@engine.test"),
        target: Target::Address {
            address,
            request_uri: format!("sip:{user}@{address}"),
            to: format!("sip:{user}@{address}"),
        },
        from_uri: "sip:982100000000@192.0.2.1".to_owned(),
        credentials: Some(Credentials {
            username: carrier::numbers::SANDBOX_CREDENTIAL.to_owned(),
            password: carrier::numbers::SANDBOX_CREDENTIAL.to_owned(),
        }),
        codecs: vec![Codec::Pcma, Codec::Pcmu],
        srtp: engine::Srtp::Off,
        symmetric_rtp: false,
        script: playing(clip_of_frames(100)),
        ring_timeout_ms: 30_000,
        max_duration_ms: 120_000,
    }
}
