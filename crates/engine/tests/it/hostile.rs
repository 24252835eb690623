//! Noise on every port changes nothing but counters.

use std::time::Duration;

use engine::{Cause, Input};

use crate::world::{CARRIER_SIP, Dice, World, address, call};

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
