//! Calls that do not come about, or are ended before their message is: each has its cause.

use std::time::Duration;

use carrier::Ending;
use engine::{CallKey, Cause, Command, Event, Limits, Refusal, Target, TrunkCheck};

use crate::world::{CARRIER_SIP, World, address, call, carrier_config, clip_of_frames, playing};

#[test]
fn every_refusal_of_the_carrier_keeps_its_code_and_q850_cause() {
    for (number, code, q850) in [
        ("09990000404", 404, 1),
        ("09990000480", 480, 20),
        ("09990000486", 486, 17),
        ("09990000503", 503, 34),
        ("09990000603", 603, 21),
    ] {
        let mut world = World::new();
        world.start(call(1, number));
        world.run_until_quiet();
        let outcome = world.outcome(1);
        assert_eq!(outcome.cause, Cause::Failed, "{number}");
        assert_eq!((outcome.sip_code, outcome.q850), (Some(code), Some(q850)));
        assert_eq!((outcome.answered, outcome.heard_ms), (false, 0));
        assert!(outcome.sip_reason.is_some());
        assert_eq!(outcome.retry_after_s, (code == 503).then_some(5));
        assert_eq!(outcome.timeline.answered_us, None);
    }
}

#[test]
fn a_phone_that_rings_on_is_cancelled() {
    let mut world = World::new();
    let mut spec = call(1, "09990000180");
    spec.ring_timeout_ms = 8_000;
    world.start(spec);
    world.run_until_quiet();
    let outcome = world.outcome(1);
    assert_eq!((outcome.cause, outcome.answered), (Cause::NoAnswer, false));
    let ended_us = outcome.timeline.ended_us.unwrap();
    assert!((8_000_000..8_100_000).contains(&ended_us), "{ended_us}");
    assert_eq!(world.ladder(1), ["dialling", "ringing", "ended"]);
    assert_eq!(world.carrier.live().calls, 0);
}

#[test]
fn a_trunk_that_never_replies_is_no_response() {
    let mut world = World::new();
    let mut spec = call(1, "09990000408");
    spec.ring_timeout_ms = 60_000;
    world.start(spec);
    world.run_until_quiet();
    let outcome = world.outcome(1);
    assert_eq!((outcome.cause, outcome.sip_code), (Cause::NoResponse, None));
    let ended_us = outcome.timeline.ended_us.unwrap();
    assert!((32_000_000..33_000_000).contains(&ended_us), "{ended_us}");
}

#[test]
fn an_undeliverable_datagram_ends_the_call_at_once() {
    let mut world = World::new();
    world.start(call(1, "09990000408"));
    let destination = address(CARRIER_SIP);
    world.engine_input(engine::Input::Undeliverable { destination });
    assert_eq!(world.outcome(1).cause, Cause::Undeliverable);
    world.run_until_quiet();
}

#[test]
fn the_hard_deadline_ends_a_call_in_every_phase() {
    for (number, answered) in
        [("09990000408", false), ("09990000180", false), ("09121234567", true)]
    {
        let mut world = World::new();
        let mut spec = call(1, number);
        spec.max_duration_ms = 5_000;
        spec.script = playing(clip_of_frames(1_000));
        world.start(spec);
        world.run_until_ended();
        assert_eq!(world.elapsed(), Duration::from_secs(5));
        let outcome = world.outcome(1);
        assert_eq!((outcome.cause, outcome.answered), (Cause::DeadlineReached, answered));
        assert!(!outcome.heard_to_end);
        world.run_until_quiet();
        assert_eq!(world.carrier.live().calls, 0);
    }
}

#[test]
fn we_can_hang_up_in_every_phase() {
    for (number, after_ms) in [
        ("09990000408", 0),
        ("09990000180", 0),
        ("09990000180", 2_000),
        ("09121234567", 1_008),
        ("09121234567", 2_000),
        ("09121234567", 3_100),
    ] {
        let mut world = World::new();
        world.start(call(1, number));
        world.run_for(Duration::from_millis(after_ms));
        world.command(Command::HangUp { call: CallKey(1) });
        world.run_until_quiet();
        let outcome = world.outcome(1);
        assert_eq!(outcome.cause, Cause::HungUpByUs, "{number} after {after_ms} ms");
        assert_eq!(world.carrier.live().calls, 0);
        world.command(Command::HangUp { call: CallKey(1) });
        assert_eq!(world.engine.live_calls(), 0);
    }
}

#[test]
fn a_wrong_password_is_a_failure_with_its_code() {
    let mut world = World::new();
    let mut spec = call(1, "09990000401");
    spec.credentials.as_mut().unwrap().password = "wrong".to_owned();
    world.start(spec);
    world.run_until_quiet();
    let outcome = world.outcome(1);
    assert_eq!((outcome.cause, outcome.sip_code), (Cause::Failed, Some(401)));
}

#[test]
fn a_full_engine_refuses_and_sends_nothing() {
    let limits = Limits { calls: 2, ..Limits::default() };
    let mut world = World::with(20, limits, carrier_config(64));
    for key in 1..=3 {
        world.start(call(key, "09121234567"));
    }
    assert_eq!(world.outcome(3).cause, Cause::Refused(Refusal::Full));
    assert_eq!(world.ladder(3), ["ended"]);
    world.run_until_quiet();
    assert_eq!(world.outcome(2).cause, Cause::Played);
}

#[test]
fn unusable_specifications_are_refused() {
    let mut world = World::new();
    let mut no_uri = call(1, "0912");
    no_uri.from_uri = "nobody".to_owned();
    let mut no_call_id = call(2, "0912");
    no_call_id.call_id = "two words".to_owned();
    let mut split = call(3, "0912");
    split.target = Target::Address {
        address: address(CARRIER_SIP),
        request_uri: "sip:a@b\r\nX: y".to_owned(),
        to: "sip:a@b".to_owned(),
    };
    for spec in [no_uri, no_call_id, split] {
        world.start(spec);
    }
    for key in 1..=3 {
        assert_eq!(world.outcome(key).cause, Cause::Refused(Refusal::BadSpec));
    }
    let mut taken = call(4, "09121234567");
    world.start(taken.clone());
    taken.call = CallKey(5);
    world.start(call(4, "09121234567"));
    assert_eq!(world.counter("starts_repeated"), 1);
    world.run_until_quiet();
    assert_eq!(world.outcome(4).cause, Cause::Played);
    assert_eq!(world.heard.len(), 1);
}

#[test]
fn a_trunk_check_tells_whether_somebody_is_there() {
    let check = |number, address: &str| {
        Command::CheckTrunk(Box::new(TrunkCheck {
            check: number,
            address: crate::world::address(address),
            request_uri: format!("sip:{address}"),
            from_uri: "sip:check@192.0.2.1".to_owned(),
            credentials: None,
        }))
    };
    let mut world = World::new();
    world.command(check(1, CARRIER_SIP));
    world.command(check(2, "192.0.2.99:5060"));
    world.run_until_quiet();
    let mut codes: Vec<_> = world
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::TrunkChecked { check, sip_code, round_trip_us } => {
                Some((*check, *sip_code, *round_trip_us))
            }
            _ => None,
        })
        .collect();
    codes.sort_unstable();
    assert_eq!(codes[0], (1, Some(200), 10_000));
    assert_eq!((codes[1].0, codes[1].1), (2, None));
}

#[test]
fn a_cancelled_call_is_known_as_such_to_the_carrier() {
    let mut world = World::new();
    let mut spec = call(1, "09990000020");
    spec.ring_timeout_ms = 3_000;
    world.start(spec);
    world.run_until_quiet();
    assert_eq!(world.outcome(1).cause, Cause::NoAnswer);
    assert!(world.heard.iter().all(|heard| heard.ending != Ending::CallerHungUp));
}
