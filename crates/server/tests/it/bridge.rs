//! Two phones of an independent make, joined by a script of ours on real sockets: each hears the
//! other, in its own codec.

use std::net::SocketAddr;
use std::sync::Arc;

use engine::{
    Bridge, CallKey, CallSpec, Cause, Clip, Codec, Command, EngineConfig, Event, KeySet, Limits,
    Outcome, Script, SecondLeg, Srtp, Step, Target,
};
use server::flight_recorder;
use server::shard::{Bound, FIRST, Reported, ShardCommand, Shards, ShardsConfig, event_channel};

use crate::baresip::Baresip;
use crate::platform::{correlation, eventually, free_udp_port, rising_samples};

fn listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_udp_port()))
}

fn shard(dir: &std::path::Path) -> (Shards, tokio::sync::mpsc::Receiver<Reported>) {
    let recorder = flight_recorder::open(&dir.join("slots"), 8, "a test").unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let (report, events) = event_channel();
    (Shards::start(&shards_config(any), recorder, None, &report).unwrap(), events)
}

/// One shard for eight calls.
pub fn shards_config(any: SocketAddr) -> ShardsConfig {
    ShardsConfig {
        shards: 1,
        sides: vec![Bound { listen: any, advertised: any.ip() }],
        media_port_first: 0,
        media_ports: 20,
        ignore_sound: false,
        realtime: false,
        connections: None,
        tls_port: None,
        engine: EngineConfig {
            sip_local: any,
            rtp: Vec::new(),
            secret: [1; 32],
            fresh_secret: [2; 32],
            realm: String::from("phones.example"),
            phone_digests: vec![engine::Algorithm::Md5],
            user_agent: String::from("test"),
            call_id_prefix: String::new(),
            limits: Limits { calls: 8, ..Limits::default() },
        },
    }
}

fn target(number: &str, address: SocketAddr) -> Target {
    let uri = format!("sip:{number}@{address}");
    Target::Address { address, request_uri: uri.clone(), to: uri }
}

/// The first talks with the second for five seconds.
fn spec(first: SocketAddr, second: SocketAddr) -> CallSpec {
    let from_uri = String::from("sip:test@127.0.0.1");
    let leg = SecondLeg {
        target: target("200", second),
        from_uri: from_uri.clone(),
        credentials: None,
        codecs: vec![Codec::Pcmu],
        srtp: Srtp::Off,
        symmetric_rtp: false,
        script: Arc::new(Script::new(vec![Step::Join]).unwrap()),
        ring_timeout_ms: 10_000,
        max_duration_ms: 60_000,
    };
    let bridge = Bridge {
        leg: Arc::new(leg),
        hold: Arc::new(Clip::from_samples(&[])),
        max_ms: 5_000,
        leave: KeySet::NONE,
        record: false,
        on_ended: None,
        on_failed: None,
    };
    CallSpec {
        call: CallKey(1),
        call_id: String::from("bridge@test"),
        target: target("100", first),
        from_uri,
        credentials: None,
        codecs: vec![Codec::Pcma],
        srtp: Srtp::Off,
        symmetric_rtp: false,
        script: Arc::new(Script::new(vec![Step::Bridge(bridge)]).unwrap()),
        ring_timeout_ms: 10_000,
        max_duration_ms: 60_000,
    }
}

/// How often a call is placed again whose phones could not keep up with it.
const CONVERSATIONS: usize = 5;

#[test]
fn two_phones_hear_each_other() {
    // A phone on a busy machine sends late and drops what it hears: such a call is placed again.
    let mut wrong = Vec::new();
    for _ in 0..CONVERSATIONS {
        match conversation() {
            Ok(()) => return,
            Err(why) => wrong.push(why),
        }
    }
    panic!("the phones never heard each other: {wrong:#?}");
}

/// One call whose legs must end as they should; what its phones failed to hear.
fn conversation() -> Result<(), String> {
    let (first_at, second_at) = (listen(), listen());
    let tone = rising_samples(10_000);
    let backwards: Vec<i16> = tone.iter().rev().copied().collect();
    let mut first = Baresip::as_trunk("100", first_at, "", "", &tone);
    let mut second = Baresip::as_trunk("200", second_at, "", "", &backwards);
    let outcomes = both_legs(first_at, second_at);
    for outcome in &outcomes {
        assert_eq!(outcome.cause, Cause::Played, "{outcome:?}");
    }
    let mut codecs: Vec<Option<Codec>> = outcomes.iter().map(|outcome| outcome.codec).collect();
    codecs.sort_unstable();
    assert_eq!(codecs, [Some(Codec::Pcma), Some(Codec::Pcmu)]);
    first.stop();
    second.stop();
    if let Some(outcome) = outcomes.iter().find(|outcome| outcome.rtp.received <= 200) {
        return Err(format!("a phone said too little: {outcome:?}"));
    }
    heard(&second, &tone)?;
    heard(&first, &backwards)
}

/// Places the call and waits for the end of both its legs.
fn both_legs(first_at: SocketAddr, second_at: SocketAddr) -> Vec<Outcome> {
    let dir = tempfile::tempdir().unwrap();
    let (mut shard, mut events) = shard(dir.path());
    let start = Command::Start(Box::new(spec(first_at, second_at)));
    assert!(shard.send(FIRST, ShardCommand::Engine(start)).is_ok(), "its inbox has room");
    let mut ended: Vec<Outcome> = Vec::new();
    let outcomes = eventually("both legs end", || {
        let batch = events.try_recv().map(|told| told.events).unwrap_or_default();
        ended.extend(batch.into_iter().filter_map(|event| match event {
            Event::Ended { outcome, .. } => Some(*outcome),
            _ => None,
        }));
        (ended.len() == 2).then(|| std::mem::take(&mut ended))
    });
    shard.stop();
    outcomes
}

/// Whether a phone heard, in their order, two seconds out of the middle of what the other said. In
/// tenths of a second: a frame that is dropped or repeated moves what follows and changes nothing
/// else.
fn heard(phone: &Baresip, said: &[i16]) -> Result<(), String> {
    let heard = phone.heard();
    let pieces = said[16_000..32_000].chunks(800);
    let found: Vec<(f64, usize)> = pieces.map(|piece| correlation(piece, &heard)).collect();
    let places: Vec<usize> =
        found.iter().filter(|(alike, _)| *alike > 0.9).map(|(_, offset)| *offset).collect();
    if places.len() >= 12 && places.is_sorted() {
        return Ok(());
    }
    Err(format!("a phone heard something else, or out of order: {found:?}"))
}
