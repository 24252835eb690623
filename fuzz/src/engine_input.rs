//! A whole engine under any sequence of datagrams, commands and time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{
    AbandonedCall, CallKey, CallSpec, Clip, Codec, Command, Credentials, Engine, EngineConfig,
    Event, Input, Limits, Live, Outputs, Script, Target, TrunkCheck,
};

use crate::peer::{self, PEER, Peer};
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
    /// For each call: started and not refused as a repetition, minus ended.
    open: BTreeMap<CallKey, i32>,
}

/// Plays the tape to an engine, then leaves it alone: every call ends once, nothing stays alive.
pub fn engine_input(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut world = World::new();
    while !tape.is_over() {
        world.step(&mut tape);
        let live = world.engine.live();
        assert!(live.calls <= LIMITS.calls && live.abandoned <= LIMITS.abandoned, "{live:?}");
        assert!(live.checks <= LIMITS.checks && live.playing <= live.calls, "{live:?}");
    }
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
}

impl World {
    fn new() -> Self {
        let engine = Engine::new(EngineConfig {
            sip_local: ([192, 0, 2, 1], 5060).into(),
            media_address: [192, 0, 2, 1].into(),
            rtp_ports: vec![30_000, 30_002],
            secret: [7; 32],
            fresh_secret: [8; 32],
            realm: "fuzz".into(),
            phone_digests: vec![engine::Algorithm::Md5],
            user_agent: "fuzz".into(),
            call_id_prefix: String::new(),
            limits: LIMITS,
        });
        Self {
            now: origin(),
            engine,
            out: Outputs::default(),
            peer: Peer::default(),
            open: BTreeMap::new(),
        }
    }

    fn step(&mut self, tape: &mut Tape<'_>) {
        match tape.byte() % 12 {
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
            _ => self.input(Input::Undeliverable { destination: peer::address() }),
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
            target: target(),
            from_uri: "sip:us@192.0.2.1".into(),
            credentials: tape
                .coin()
                .then(|| Credentials { username: "u".into(), password: "p".into() }),
            codecs: vec![Codec::Pcma, Codec::Pcmu],
            srtp: engine::Srtp::Off,
            symmetric_rtp: false,
            script: Arc::new(Script::message(Arc::new(Clip::from_samples(&samples)), vote_ms)),
            ring_timeout_ms: u32::from(tape.word()),
            max_duration_ms: u32::from(tape.word()),
        };
        let before = self.repetitions();
        // A call that is refused ends within this very input.
        *self.open.entry(call).or_default() += 1;
        self.input(Input::Command(Command::Start(Box::new(spec))));
        if self.repetitions() > before {
            *self.open.entry(call).or_default() -= 1;
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
                target: target(),
                from_uri: "sip:us@192.0.2.1".into(),
                had_credentials: tape.coin(),
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
        for transmit in &self.out.sip {
            self.peer.hear(&transmit.bytes);
        }
        for event in &self.out.events {
            if let Event::Ended { call, outcome } = event {
                *self.open.entry(*call).or_default() -= 1;
                assert!(outcome.heard_ms <= outcome.clip_ms, "more was heard than there is");
                assert!(outcome.answered || outcome.heard_ms == 0, "heard without an answer");
            }
        }
        for packet in &self.out.rtp {
            assert_eq!(packet.payload().len(), media::FRAME_SAMPLES);
        }
        self.out.clear();
    }
}

fn target() -> Target {
    Target::Address {
        address: peer::address(),
        request_uri: format!("sip:1@{PEER}"),
        to: format!("sip:1@{PEER}"),
    }
}
