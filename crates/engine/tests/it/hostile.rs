//! Noise on every port changes nothing but counters.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use engine::{CallSpec, Cause, Command, Input, Limits};

use crate::peer::Phone;
use crate::phones::credential;
use crate::world::{
    CARRIER_SIP, Dice, ENGINE_SIP, World, address, call, carrier_config, clip_of_frames,
    engine_config, playing,
};

const VICTIM: &str = "203.0.113.5:5060";

/// The requests that cost something elsewhere: well-formed, as short as they may be, and each a
/// transaction of its own.
fn unwanted(number: u64, source: SocketAddr) -> Vec<u8> {
    let method = ["OPTIONS", "REGISTER", "INVITE", "BYE", "CANCEL", "SUBSCRIBE", "DANCE"];
    let method = method[usize::try_from(number % 7).unwrap()];
    format!(
        "{method} sip:alice@{ENGINE_SIP} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {source};branch=z9hG4bK{number}\r\n\
         From: <sip:a@b>;tag={number}\r\nTo: <sip:alice@{ENGINE_SIP}>\r\n\
         Call-ID: {number}\r\nCSeq: 1 {method}\r\nContact: <sip:a@{source}>\r\n\
         Max-Forwards: 70\r\nAuthorization: Digest username=\"alice\", realm=\"phones.example\", \
         nonce=\"1\", uri=\"sip:alice@{ENGINE_SIP}\", response=\"2\"\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

#[test]
fn garbage_on_both_ports_disturbs_no_call() {
    let mut world = World::new();
    let mut dice = Dice(5);
    for key in 0..10 {
        world.start(call(key, "09121234567"));
    }
    for _ in 0..2_000 {
        let bytes: Vec<u8> =
            (0..dice.roll(300)).map(|_| u8::try_from(dice.roll(256)).unwrap()).collect();
        let slot = u8::try_from(dice.roll(256)).unwrap();
        let stranger = address("203.0.113.5:9999");
        world.engine_input(Input::Sip { source: stranger, bytes: &bytes });
        world.engine_input(Input::Sip { source: address(CARRIER_SIP), bytes: &bytes });
        world.engine_input(Input::Rtp { slot, source: stranger, bytes: &bytes });
        world.run_for(Duration::from_millis(1));
    }
    assert_eq!(world.counter("rtp_strangers"), 2_000);
    world.run_until_quiet();
    for key in 0..10 {
        let outcome = world.outcome(key);
        assert_eq!((outcome.cause, outcome.heard_ms), (Cause::Played, 2_000));
    }
    assert!(world.heard.iter().all(|heard| heard.report.received.lost == 0));
}

#[test]
fn damaged_copies_of_real_messages_never_panic_and_every_call_ends_once() {
    for seed in 0..50 {
        let mut world = World::new();
        world.damage = true;
        world.dice.0 = seed;
        for (key, number) in
            [(1, "09121234567"), (2, "09990000486"), (3, "09990000401"), (4, "09990000180")]
        {
            world.start(call(key, number));
        }
        world.run_until_quiet();
        for key in 1..=4 {
            world.outcome(key);
        }
    }
}

/// Goal: 10 000 well-formed requests a second from anywhere cost no state, and every call that is
/// placed meanwhile is placed and played.
#[test]
fn a_well_formed_flood_costs_no_state_and_stops_no_call() {
    let [flooded, quiet] = [true, false].map(|flood| {
        let mut world = World::new();
        let mut received = 0;
        for number in 0..100_000_u32 {
            if number % 5_000 == 0 {
                world.start(call(u64::from(number), "09121234567"));
            }
            if flood {
                let ip = Ipv4Addr::from(u32::from(Ipv4Addr::new(203, 0, 113, 0)) + number % 4_000);
                let source = SocketAddr::from((ip, 5060));
                let bytes = unwanted(u64::from(number), source);
                received += bytes.len();
                world.engine_input(Input::Sip { source, bytes: &bytes });
            }
            world.run_for(Duration::from_micros(100));
        }
        let live = world.engine.live();
        if flood {
            let trusted = address(CARRIER_SIP).ip();
            let sent: usize =
                world.sip_bytes.iter().filter(|(ip, _)| **ip != trusted).map(|(_, b)| *b).sum();
            assert!(sent > 0 && sent <= received, "{sent} bytes for {received}");
            assert!(world.counter("refused_sources_busy") > 50_000);
        }
        world.run_until_quiet();
        for number in (0..100_000).step_by(5_000) {
            let outcome = world.outcome(number);
            assert_eq!((outcome.cause, outcome.heard_ms), (Cause::Played, 2_000));
        }
        live
    });
    assert_eq!(flooded, quiet);
}

/// Goal: ten thousand hostile datagrams, well-formed and not, cost not one byte of memory once the
/// engine's own buffers have their room: what one of them allocates is free again after it.
#[test]
fn ten_thousand_hostile_datagrams_leave_no_byte_allocated() {
    let mut world = World::new();
    world.command(Command::SetPhones(Arc::from([credential("alice", "secret")])));
    let mut out = engine::Outputs::default();
    let mut dice = Dice(9);
    let datagrams: Vec<(SocketAddr, Vec<u8>)> = (0..10_000_u32)
        .map(|number| {
            let source = SocketAddr::from((Ipv4Addr::from(0xcb00_7100 + number % 4_000), 5060));
            let mut bytes = unwanted(u64::from(number), source);
            if number % 3 == 0 {
                for _ in 0..=dice.roll(20) {
                    let at = usize::try_from(dice.roll(bytes.len() as u64)).unwrap();
                    bytes[at] = u8::try_from(dice.roll(256)).unwrap();
                }
            }
            (source, bytes)
        })
        .collect();
    let (engine, now) = (&mut world.engine, &mut world.now);
    let mut flood = || {
        for (source, bytes) in &datagrams {
            *now += Duration::from_micros(500);
            engine.handle(*now, Input::Sip { source: *source, bytes }, &mut out);
            engine.handle(*now, Input::Rtp { slot: 3, source: *source, bytes }, &mut out);
            engine.handle(*now, Input::Timeout, &mut out);
            out.clear();
        }
    };
    // The first flood gives the buffers their room.
    flood();
    let cost = allocation_counter::measure(&mut flood);
    assert!(cost.count_total > 10_000, "the flood did not reach the parser: {cost:?}");
    assert_eq!((cost.count_current, cost.bytes_current), (0, 0), "{cost:?}");
    assert_eq!(world.engine.live(), engine::Live::default());
}

/// Goal: whoever forges an address cannot make us send its owner more than was sent to us, beyond
/// the credit that each address has.
#[test]
fn nobody_is_sent_more_than_came_from_there() {
    for pause in [Duration::from_millis(1), Duration::from_millis(50)] {
        let mut world = World::new();
        let victim = address(VICTIM);
        let mut received = 0;
        for number in 0..2_000 {
            let bytes = unwanted(number, victim);
            received += bytes.len();
            world.engine_input(Input::Sip { source: victim, bytes: &bytes });
            assert_eq!(world.engine.live(), engine::Live::default(), "it left something behind");
            world.run_for(pause);
        }
        let credit = 2_048 + 256 * (usize::try_from(world.elapsed().as_secs()).unwrap() + 1);
        let sent = world.sip_bytes[&victim.ip()];
        assert!(sent > 1_000 && sent <= received + credit, "{sent} bytes for {received}");
        let dropped = world.counter("dropped_source_too_fast");
        assert_eq!(dropped > 0, pause < Duration::from_millis(20), "{dropped}");
    }
}

/// Goal: a phone that is told apart from the flood by its address registers through it.
#[test]
fn a_phone_registers_while_another_address_floods() {
    let mut world = World::new();
    world.command(Command::SetPhones(Arc::from([credential("alice", "secret")])));
    let phone = world.add_peer(Phone::new("alice", "secret", "198.51.100.7:6000"));
    for number in 0..10_000 {
        let bytes = unwanted(number, address(VICTIM));
        world.engine_input(Input::Sip { source: address(VICTIM), bytes: &bytes });
        if number == 5_000 {
            phone.borrow_mut().register(world.now, &["<sip:alice@10.0.0.7>"], Some("300"));
        }
        world.run_for(Duration::from_micros(100));
    }
    assert_eq!(phone.borrow().replies.last().unwrap().0, 200);
    assert!(world.sip_bytes.contains_key(&IpAddr::from([198, 51, 100, 7])));
}

/// Goal: memory is bounded by the calls that are alive, and each of them is small. What is counted
/// is what the engine gives back when it is dropped, clips left out.
#[test]
fn a_live_call_is_small() {
    // While it rings, and while the INVITE waits for repetitions of its answer (RFC 6026: 64 × T1);
    // with media a place on the wheel, the reports, and the addresses from which packets are taken.
    const MOST: i64 = 4_096;
    for (number, playing, second) in
        [("09990000020", 0, 10), ("09121234567", CALLS, 10), ("09121234567", CALLS, 45)]
    {
        let each = bytes_of_a_call(number, playing, Duration::from_secs(second));
        writeln!(std::io::stderr(), "{each} bytes after {second} s").expect("somebody listens");
        assert!((500..=MOST).contains(&each), "{each} bytes after {second} s");
    }
}

/// Calls of whose heap the mean is taken.
const CALLS: u64 = 400;

/// The heap of a call to this number after so long, with all that the engine keeps of it; so many
/// of them play by then.
fn bytes_of_a_call(number: &str, playing_then: u64, time: Duration) -> i64 {
    let clip = clip_of_frames(3_000);
    let held = |calls: u64| {
        let mut world = World::with(20, Limits::default(), carrier_config(512));
        for key in 0..calls {
            world.start(CallSpec {
                script: playing(Arc::clone(&clip)),
                max_duration_ms: 100_000,
                ..call(key + 1, number)
            });
        }
        world.run_for(time);
        let live = world.engine.live();
        assert_eq!((live.calls as u64, live.playing as u64), (calls, playing_then.min(calls)));
        let engine = std::mem::replace(
            &mut world.engine,
            engine::Engine::new(engine_config(20, Limits::default())),
        );
        world.events.clear();
        -allocation_counter::measure(|| drop(engine)).bytes_current
    };
    (held(CALLS) - held(0)) / i64::try_from(CALLS).unwrap()
}
