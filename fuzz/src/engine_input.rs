//! A whole engine under any sequence of datagrams, commands and time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{
    AbandonedCall, Binding, CallKey, CallSpec, Clip, Codec, Command, Credentials, Engine,
    EngineConfig, Event, Hop, Input, Limits, Live, Outcome, Outputs, PhoneCredential, Recorded,
    RtpTransmit, Script, Srtp, Standing, Target, Transport, TrunkCheck, TrunkRegistration,
    TrunkSource,
};
use sip::digest::{Algorithm, ha1};

use crate::peer::{self, PASSWORD, PEER, Peer, REALM, USER};
use crate::script;
use crate::talker::Talker;
use crate::tape::{Tape, origin};

/// What the engine may have alive.
const LIMITS: Limits = Limits { calls: 6, abandoned: 4, checks: 2, phones: 2 };
/// Steps of time after which an engine that is left alone must have nothing left to do.
const PATIENCE: usize = 200_000;

struct World {
    now: Instant,
    engine: Engine,
    out: Outputs,
    peer: Peer,
    talker: Talker,
    /// For each call: started and not refused as a repetition, minus ended.
    open: BTreeMap<CallKey, i32>,
    /// Calls that came in, decided about or not.
    came_in: Vec<CallKey>,
    /// Calls whose sound must be encrypted.
    encrypted: BTreeSet<CallKey>,
    /// Calls of which a recording is under way.
    recorded: BTreeSet<CallKey>,
    /// A packet that was sent.
    sent: Option<RtpTransmit>,
    /// What happened, by name.
    seen: BTreeSet<&'static str>,
}

/// Plays the tape to an engine, then leaves it alone: every call ends once, nothing stays alive.
pub fn engine_input(data: &[u8]) {
    what_happens(data);
}

/// As [`engine_input`]; gives back what happened, by name. A tape is worth only what it reaches,
/// and means something else when a byte does.
pub fn what_happens(data: &[u8]) -> BTreeSet<&'static str> {
    let mut tape = Tape::new(data);
    let mut world = World::new();
    while !tape.is_over() {
        world.step(&mut tape);
        let live = world.engine.live();
        assert!(live.calls <= LIMITS.calls && live.abandoned <= LIMITS.abandoned, "{live:?}");
        assert!(live.checks <= LIMITS.checks && live.playing <= live.calls, "{live:?}");
    }
    world.input(Input::Command(Command::SetRegistrations(Arc::new([]))));
    for call in world.open.keys().copied().collect::<Vec<_>>() {
        world.input(Input::Command(Command::HangUp { call }));
    }
    for _ in 0..PATIENCE {
        let Some(at) = world.engine.next_timeout() else { break };
        world.now = world.now.max(at);
        world.input(Input::Timeout);
    }
    assert_eq!(world.engine.live(), Live::default(), "something was left alive");
    assert!(world.open.values().all(|open| *open == 0), "every start has one end");
    assert!(world.recorded.is_empty(), "every recording has an end");
    world.seen
}

impl World {
    fn new() -> Self {
        let mut engine = Engine::new(EngineConfig {
            sip_local: ([192, 0, 2, 1], 5060).into(),
            rtp: [30_000, 30_002].map(|port| ([192, 0, 2, 1], port).into()).into(),
            secret: [7; 32],
            fresh_secret: [8; 32],
            realm: REALM.into(),
            phone_digests: vec![engine::Algorithm::Md5],
            user_agent: "fuzz".into(),
            call_id_prefix: String::new(),
            limits: LIMITS,
        });
        engine.reach(Transport::Tls, ([192, 0, 2, 1], 5061).into());
        Self {
            now: origin(),
            engine,
            out: Outputs::default(),
            peer: Peer::default(),
            talker: Talker::default(),
            open: BTreeMap::new(),
            came_in: Vec::new(),
            encrypted: BTreeSet::new(),
            recorded: BTreeSet::new(),
            sent: None,
            seen: BTreeSet::new(),
        }
    }

    fn step(&mut self, tape: &mut Tape<'_>) {
        let what = tape.byte() % 25;
        match what {
            0 => {
                let source = if tape.byte() == 0 { "203.0.113.9:9" } else { PEER };
                let source = source.parse().expect("a literal address");
                self.input(Input::Sip { source, bytes: tape.bytes() });
            }
            1 | 2 => self.start(tape),
            3 | 4 => {
                let reply = self.peer.reply(tape);
                self.receive(reply);
            }
            5 => {
                let request = self.peer.request(tape);
                self.receive(request);
            }
            6 => {
                let call = self.peer.call(tape);
                self.receive(Some(call));
            }
            7 => {
                let (slot, port) = (tape.byte() % 3, 20_000 + u16::from(tape.byte() % 2));
                let source = ([192, 0, 2, 2], port).into();
                self.input(Input::Rtp { slot, source, bytes: tape.bytes() });
            }
            8 => {
                let call = CallKey(u64::from(tape.byte() % 8));
                self.input(Input::Command(Command::HangUp { call }));
            }
            9 => self.wait(Duration::from_millis(u64::from(tape.word()) / 4)),
            10 => self.command(tape),
            11 => self.input(Input::Undeliverable { destination: peer::address() }),
            _ => self.step_further(what, tape),
        }
    }

    fn step_further(&mut self, what: u8, tape: &mut Tape<'_>) {
        match what {
            12 => self.over_a_connection(tape),
            13 => {
                let transport = tape.one_of(&[Transport::Tcp, Transport::Tls]);
                let peer = Hop { transport, address: peer::address() };
                self.input(Input::Disconnected { peer });
            }
            14 => {
                if let Some(packet) = self.sent.take() {
                    self.input(Input::RtpRefused(&packet));
                }
            }
            15 => self.answer(tape),
            16 => {
                let call = self.one_that_came_in(tape);
                let sip_code = tape.word();
                self.input(Input::Command(Command::Reject { call, sip_code }));
            }
            17 => self.set(tape),
            18 | 19 => self.start_any(tape),
            20 | 21 => self.talk(tape),
            22 => {
                let report = self.talker.report(tape);
                let (slot, source) = (tape.byte() % 2, media_source(tape));
                self.input(Input::Rtp { slot, source, bytes: &report });
            }
            23 => self.engine.drops_sound(tape.byte() % 3, tape.coin()),
            _ => self.follow(tape),
        }
    }

    /// Gives a call another script, whatever it does at the moment.
    fn follow(&mut self, tape: &mut Tape<'_>) {
        let call = if tape.coin() {
            self.one_that_came_in(tape)
        } else {
            CallKey(u64::from(tape.byte() % 8))
        };
        let script = Arc::new(script::script(tape, true));
        self.input(Input::Command(Command::Follow { call, script }));
    }

    /// What the peer says, over a connection: noise, or what it would say by datagram.
    fn over_a_connection(&mut self, tape: &mut Tape<'_>) {
        let transport = tape.one_of(&[Transport::Tcp, Transport::Tls]);
        let peer = Hop { transport, address: peer::address() };
        self.peer.transport = transport;
        let said = match tape.byte() % 4 {
            0 => Some(tape.bytes().to_vec()),
            1 => self.peer.reply(tape),
            2 => self.peer.request(tape),
            _ => Some(self.peer.call(tape)),
        };
        self.peer.transport = Transport::Udp;
        if let Some(bytes) = said {
            self.input(Input::SipOver { peer, bytes: &bytes });
        }
    }

    /// One of the calls that came in, or one that never did.
    fn one_that_came_in(&self, tape: &mut Tape<'_>) -> CallKey {
        let at = usize::from(tape.byte());
        let known = at.checked_rem(self.came_in.len()).map(|at| self.came_in[at]);
        known.unwrap_or(CallKey(1 << 63))
    }

    fn answer(&mut self, tape: &mut Tape<'_>) {
        let call = self.one_that_came_in(tape);
        let script = Arc::new(script::script(tape, true));
        let max_duration_ms = tape.word().into();
        // What is due ends calls; then only this answer changes how many there are.
        self.wait(Duration::ZERO);
        let before = self.engine.live().calls;
        self.input(Input::Command(Command::Answer { call, script, max_duration_ms }));
        if self.engine.live().calls > before {
            self.seen.insert("answered a call that came in");
            *self.open.entry(call).or_default() += 1;
        }
    }

    /// Replaces what the engine knows of phones, numbers and trunks.
    fn set(&mut self, tape: &mut Tape<'_>) {
        let some = tape.coin();
        let command = match tape.byte() % 4 {
            0 => Command::SetPhones(some.then(|| phone(tape)).into_iter().collect()),
            1 => Command::SetServices(some.then(|| USER.to_owned()).into_iter().collect()),
            2 => {
                let ip: IpAddr = peer::address().ip();
                let source = TrunkSource {
                    trunk: "trunk".into(),
                    ranges: vec![ip..=ip],
                    codecs: Vec::new(),
                    srtp: Srtp::Off,
                    symmetric_rtp: false,
                };
                Command::SetTrunks(some.then_some(source).into_iter().collect())
            }
            _ => {
                let one = some.then(|| registration(tape));
                Command::SetRegistrations(one.into_iter().collect())
            }
        };
        self.input(Input::Command(command));
    }

    /// The peer says something for a while.
    fn talk(&mut self, tape: &mut Tape<'_>) {
        let (count, slot, source) = (1 + tape.byte() % 16, tape.byte() % 2, media_source(tape));
        for _ in 0..count {
            let packet = self.talker.packet(tape);
            self.input(Input::Rtp { slot, source, bytes: &packet });
            self.wait(Duration::from_millis(20));
        }
    }

    fn receive(&mut self, bytes: Option<Vec<u8>>) {
        if let Some(bytes) = bytes {
            self.input(Input::Sip { source: peer::address(), bytes: &bytes });
        }
    }

    /// Time passes, and the engine is asked whenever it wants to be.
    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.engine.next_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.input(Input::Timeout);
        }
        self.now = until;
    }

    fn start(&mut self, tape: &mut Tape<'_>) {
        let call = CallKey(u64::from(tape.byte() % 8));
        let samples = vec![1_000; usize::from(tape.byte()) * 40];
        let vote_ms = tape.coin().then_some(1_500);
        let spec = CallSpec {
            call,
            call_id: format!("call-{}", call.0),
            target: plain_target(),
            from_uri: "sip:us@192.0.2.1".into(),
            credentials: tape
                .coin()
                .then(|| Credentials { username: "u".into(), password: "p".into() }),
            codecs: vec![Codec::Pcma, Codec::Pcmu],
            srtp: Srtp::Off,
            symmetric_rtp: false,
            script: Arc::new(Script::message(Arc::new(Clip::from_samples(&samples)), vote_ms)),
            ring_timeout_ms: u32::from(tape.word()),
            max_duration_ms: u32::from(tape.word()),
        };
        self.begin(spec);
    }

    /// A call of any kind.
    fn start_any(&mut self, tape: &mut Tape<'_>) {
        let call = CallKey(u64::from(tape.byte() % 8));
        let spec = CallSpec {
            call,
            call_id: format!("call-{}", call.0),
            target: target(tape),
            from_uri: tape.one_of(&["sip:us@192.0.2.1", "tel:+982112345678", "nobody"]).into(),
            credentials: tape
                .coin()
                .then(|| Credentials { username: "u".into(), password: "p".into() }),
            codecs: script::codecs(tape),
            srtp: script::srtp(tape),
            symmetric_rtp: tape.coin(),
            script: Arc::new(script::script(tape, true)),
            ring_timeout_ms: u32::from(tape.word()),
            max_duration_ms: u32::from(tape.word()),
        };
        self.begin(spec);
    }

    fn begin(&mut self, spec: CallSpec) {
        let (call, encrypted) = (spec.call, spec.srtp == Srtp::Required);
        let before = self.repetitions();
        // A call that is refused ends within this very input.
        *self.open.entry(call).or_default() += 1;
        self.input(Input::Command(Command::Start(Box::new(spec))));
        if self.repetitions() > before {
            *self.open.entry(call).or_default() -= 1;
        } else if encrypted && self.open[&call] > 0 {
            // It was not refused within this very input.
            self.encrypted.insert(call);
        }
    }

    fn repetitions(&self) -> u64 {
        let counter = self.engine.counters().find(|(name, _)| *name == "starts_repeated");
        counter.expect("the engine counts repeated starts").1
    }

    fn command(&mut self, tape: &mut Tape<'_>) {
        let command = if tape.coin() {
            let call = CallKey(u64::from(tape.byte() % 16));
            Command::Abandon(Box::new(AbandonedCall {
                call,
                call_id: format!("call-{}", call.0),
                target: plain_target(),
                from_uri: "sip:us@192.0.2.1".into(),
                credentials: tape
                    .coin()
                    .then(|| Credentials { username: "u".into(), password: "p".into() }),
                answered: None,
            }))
        } else {
            Command::CheckTrunk(Box::new(TrunkCheck {
                check: u64::from(tape.byte()),
                address: peer::address(),
                request_uri: format!("sip:{PEER}"),
                from_uri: "sip:us@192.0.2.1".into(),
                credentials: None,
            }))
        };
        self.input(Input::Command(command));
    }

    fn input(&mut self, input: Input<'_>) {
        self.engine.handle(self.now, input, &mut self.out);
        let mut out = std::mem::take(&mut self.out);
        for transmit in &out.sip {
            self.peer.hear(&transmit.bytes);
        }
        for recorded in &out.recorded {
            self.recorded(recorded);
        }
        for event in &out.events {
            self.told(event);
        }
        for packet in &out.rtp {
            let sealed = packet.sealed.is_some();
            let tag = packet.payload().len().checked_sub(media::FRAME_SAMPLES);
            assert_eq!(tag, Some(if sealed { 10 } else { 0 }), "a frame, and a tag if sealed");
            self.seen.insert(if sealed { "sealed" } else { "in the clear" });
            assert!(sealed || !self.encrypted.contains(&packet.call), "it was heard in the clear");
            self.talker.hear(packet);
        }
        self.sent = out.rtp.pop().or(self.sent.take());
        out.clear();
        self.out = out;
    }

    fn recorded(&mut self, recorded: &Recorded) {
        match recorded {
            Recorded::Started { call } => {
                assert!(self.recorded.insert(*call), "two recordings of a call at once");
            }
            Recorded::Audio { call, samples } => {
                self.seen.insert("recorded");
                assert!(self.recorded.contains(call), "sound of no recording");
                assert!(!samples.is_empty(), "a part without sound");
            }
            Recorded::Ended { call, .. } => {
                assert!(self.recorded.remove(call), "the end of no recording");
            }
        }
    }

    fn told(&mut self, event: &Event) {
        let name = match event {
            Event::Incoming { call, .. } => {
                self.came_in.push(*call);
                "came in"
            }
            Event::SecondLeg { leg, .. } => {
                *self.open.entry(*leg).or_default() += 1;
                "second leg"
            }
            Event::Ended { call, outcome } => {
                *self.open.entry(*call).or_default() -= 1;
                self.encrypted.remove(call);
                assert!(!self.recorded.contains(call), "it ended and is still recorded");
                assert!(outcome.heard_ms <= outcome.clip_ms, "more was heard than there is");
                assert!(outcome.answered || outcome.heard_ms == 0, "heard without an answer");
                self.note_end(outcome);
                "ended"
            }
            Event::Answered { .. } => "answered",
            Event::EarlyMedia { .. } => "early media",
            Event::Key { .. } => "key",
            Event::Abandoned { .. } => "abandoned",
            Event::PhoneRegistered { .. } => "phone registered",
            Event::TrunkRegistration { standing, .. } => match standing {
                Standing::Registered { .. } => "registered with a trunk",
                _ => "not registered with a trunk",
            },
            Event::TrunkLeft { .. } => "left a trunk",
            Event::TrunkChecked { .. } => "checked a trunk",
            _ => "something else",
        };
        self.seen.insert(name);
    }

    /// What an outcome says beside how it ended.
    fn note_end(&mut self, outcome: &Outcome) {
        if outcome.codec == Some(Codec::G722) {
            self.seen.insert("G.722");
        }
        if outcome.vote.is_some() {
            self.seen.insert("vote");
        }
        if outcome.answered_by.is_some() {
            self.seen.insert("machine or person");
        }
        if outcome.rtp.peer.is_some() {
            self.seen.insert("report of the peer");
        }
        if outcome.answered && outcome.rtp.lost.is_none() {
            self.seen.insert("loss not known");
        }
        if outcome.rtp.refused > 0 {
            self.seen.insert("packet refused");
        }
    }
}

/// Where the peer's media come from: as described, from another port, or from elsewhere.
fn media_source(tape: &mut Tape<'_>) -> SocketAddr {
    let known = ["192.0.2.2:20000", "192.0.2.2:20001", "10.0.0.7:40000", "203.0.113.9:9"];
    tape.one_of(&known).parse().expect("a literal address")
}

fn plain_target() -> Target {
    Target::Address {
        address: peer::address(),
        request_uri: format!("sip:1@{PEER}"),
        to: format!("sip:1@{PEER}"),
    }
}

/// Any target at the peer.
pub fn target(tape: &mut Tape<'_>) -> Target {
    let address = peer::address();
    match tape.byte() % 6 {
        0 => Target::Phone { address, contact_uri: "sip:us@10.0.0.7:5060".into() },
        1 => {
            let uri = format!("sip:1@{PEER};transport=tcp");
            Target::Address { address, request_uri: uri.clone(), to: uri }
        }
        2 => {
            let uri = format!("sips:1@{PEER};transport=tls");
            Target::Address { address, request_uri: uri.clone(), to: uri }
        }
        3 => {
            let uri = "tel:+989121234567".to_owned();
            Target::Address { address, request_uri: uri.clone(), to: uri }
        }
        _ => plain_target(),
    }
}

/// The phone that the peer can be.
fn phone(tape: &mut Tape<'_>) -> PhoneCredential {
    let binding = Binding {
        contact_uri: "sip:us@10.0.0.7".into(),
        address: peer::address(),
        expires_in_s: tape.byte().into(),
    };
    PhoneCredential {
        username: USER.into(),
        ha1_md5: hashed(Algorithm::Md5),
        ha1_sha256: hashed(Algorithm::Sha256),
        binding: tape.coin().then_some(binding),
    }
}

fn hashed<const N: usize>(algorithm: Algorithm) -> [u8; N] {
    let text = ha1(algorithm, USER, REALM, PASSWORD);
    let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16);
    std::array::from_fn(|at| byte(at).expect("hex digits"))
}

fn registration(tape: &mut Tape<'_>) -> TrunkRegistration {
    let transport = tape.one_of(&["", ";transport=tcp", ";transport=tls"]);
    TrunkRegistration {
        trunk: tape.one_of(&["one", "two"]).into(),
        address: peer::address(),
        registrar: format!("sip:{PEER}{transport}"),
        address_of_record: format!("sip:{USER}@{PEER}"),
        username: USER.into(),
        credentials: tape
            .coin()
            .then(|| Credentials { username: USER.into(), password: PASSWORD.into() }),
        expires_s: tape.word().into(),
    }
}
