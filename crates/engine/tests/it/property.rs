//! Whatever happens in whatever order: every `Start` has exactly one `Ended`, and nothing is
//! left alive.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engine::{AbandonedCall, CallKey, Command, Event, Input, Script};
use proptest::prelude::*;

use crate::world::{World, address, call, clip_of_frames};

const NUMBERS: [&str; 14] = [
    "09121234567",
    "09990000002",
    "09990000010",
    "09990000020",
    "09990000113",
    "09990000180",
    "09990000183",
    "09990000200",
    "09990000401",
    "09990000407",
    "09990000408",
    "09990000480",
    "09990000486",
    "09990000603",
];

#[derive(Debug, Clone)]
enum Move {
    Start { key: u64, number: usize, frames: usize, gather: bool, ring_ms: u32, max_ms: u32 },
    HangUp { key: u64 },
    Undeliverable,
    EarlyTimeout,
    Noise { slot: u8, bytes: Vec<u8> },
    Loss { percent: u64 },
    Damage { on: bool },
    Stall { ms: u64 },
    Abandon { key: u64, number: usize },
    Wait { ms: u64 },
}

fn moves() -> impl Strategy<Value = Move> {
    let start =
        (0..12_u64, 0..NUMBERS.len(), 0..200_usize, any::<bool>(), 0..9_000_u32, 0..20_000_u32)
            .prop_map(|(key, number, frames, gather, ring_ms, max_ms)| Move::Start {
                key,
                number,
                frames,
                gather,
                ring_ms,
                max_ms,
            });
    prop_oneof![
        4 => start,
        2 => (0..12_u64).prop_map(|key| Move::HangUp { key }),
        1 => Just(Move::Undeliverable),
        1 => Just(Move::EarlyTimeout),
        1 => (any::<u8>(), prop::collection::vec(any::<u8>(), 0..64))
            .prop_map(|(slot, bytes)| Move::Noise { slot, bytes }),
        1 => (0..40_u64).prop_map(|percent| Move::Loss { percent }),
        1 => any::<bool>().prop_map(|on| Move::Damage { on }),
        1 => (0..5_000_u64).prop_map(|ms| Move::Stall { ms }),
        1 => (0..24_u64, 0..NUMBERS.len())
            .prop_map(|(key, number)| Move::Abandon { key, number }),
        6 => (0..3_000_u64).prop_map(|ms| Move::Wait { ms }),
    ]
}

/// Plays the moves; gives back how many starts each key had that should end.
fn play(world: &mut World, moves: &[Move]) -> BTreeMap<u64, usize> {
    let mut wanted: BTreeMap<u64, usize> = BTreeMap::new();
    for one in moves {
        match one {
            Move::Start { key, number, frames, gather, ring_ms, max_ms } => {
                let mut spec = call(*key, NUMBERS[*number]);
                let vote_ms = gather.then_some(1_500);
                spec.script = Arc::new(Script::message(clip_of_frames(*frames), vote_ms));
                spec.ring_timeout_ms = *ring_ms;
                spec.max_duration_ms = *max_ms;
                let repeated = world.counter("starts_repeated");
                world.start(spec);
                let begun = usize::from(world.counter("starts_repeated") == repeated);
                *wanted.entry(*key).or_default() += begun;
            }
            Move::HangUp { key } => world.command(Command::HangUp { call: CallKey(*key) }),
            Move::Undeliverable => {
                let destination = address(crate::world::CARRIER_SIP);
                world.engine_input(Input::Undeliverable { destination });
            }
            Move::EarlyTimeout => world.engine_input(Input::Timeout),
            Move::Noise { slot, bytes } => {
                let source = address("203.0.113.5:9999");
                world.engine_input(Input::Sip { source, bytes });
                world.engine_input(Input::Rtp { slot: *slot, source, bytes });
            }
            Move::Loss { percent } => world.loss_percent = *percent,
            Move::Damage { on } => world.damage = *on,
            // The thread was not run for a while; everything then comes late.
            Move::Stall { ms } => world.now += Duration::from_millis(*ms),
            Move::Abandon { key, number } => {
                let spec = call(*key, NUMBERS[*number]);
                world.command(Command::Abandon(Box::new(AbandonedCall {
                    call: spec.call,
                    call_id: spec.call_id,
                    target: spec.target,
                    from_uri: spec.from_uri,
                    credentials: spec.credentials,
                    answered: None,
                })));
            }
            Move::Wait { ms } => world.run_for(Duration::from_millis(*ms)),
        }
    }
    wanted
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn exactly_one_ended_per_start(
        seed in any::<u64>(),
        moves in prop::collection::vec(moves(), 1..40),
    ) {
        let mut world = World::new();
        world.dice.0 = seed;
        let wanted = play(&mut world, &moves);
        world.run_until_quiet();
        let mut ended: BTreeMap<u64, usize> = wanted.keys().map(|key| (*key, 0)).collect();
        for (_, event) in &world.events {
            if let Event::Ended { call, outcome } = event {
                *ended.get_mut(&call.0).expect("a call that nobody started") += 1;
                prop_assert!(outcome.heard_ms <= outcome.clip_ms);
                prop_assert!(outcome.timeline.ended_us.is_some());
                prop_assert!(outcome.answered || outcome.heard_ms == 0);
            }
        }
        prop_assert_eq!(ended, wanted);
    }
}
