//! A process dies with calls in every phase; the next one clears them and calls nobody.

use std::time::Duration;

use carrier::Ending;
use engine::{AbandonedCall, CallKey, CallSpec, Command, DialogSnapshot, Event, Target, record_of};

use crate::world::{World, address, call, clip_of_frames, playing};

fn left_behind(spec: &CallSpec, answered: Option<DialogSnapshot>) -> Command {
    Command::Abandon(Box::new(AbandonedCall {
        call: spec.call,
        call_id: spec.call_id.clone(),
        target: spec.target.clone(),
        from_uri: spec.from_uri.clone(),
        credentials: spec.credentials.clone(),
        answered,
    }))
}

fn recorded_dialog(world: &World) -> Option<DialogSnapshot> {
    world.events.iter().find_map(|(_, event)| match event {
        Event::Answered { dialog, .. } => {
            let bytes = record_of(dialog).expect("a dialog without routes is small");
            DialogSnapshot::decode(&bytes)
        }
        _ => None,
    })
}

fn abandoned_events(world: &World) -> usize {
    let done = |event: &Event| matches!(event, Event::Abandoned { call: CallKey(1), .. });
    world.events.iter().filter(|(_, event)| done(event)).count()
}

#[test]
fn a_ringing_call_is_cancelled_by_the_next_process() {
    for number in ["09990000180", "09990000401", "09990000407"] {
        let mut world = World::new();
        let spec = call(1, number);
        world.start(spec.clone());
        world.run_for(Duration::from_millis(600));
        assert_eq!(world.carrier.live().calls, 1);
        world.restart_engine();
        world.command(left_behind(&spec, None));
        world.command(left_behind(&spec, None));
        world.run_until_quiet();
        assert_eq!(abandoned_events(&world), 1, "{number}");
        assert_eq!(world.carrier.live().calls, 0, "{number}");
    }
}

#[test]
fn an_answered_call_is_hung_up_by_the_next_process() {
    let mut world = World::new();
    let mut spec = call(1, "09121234567");
    spec.script = playing(clip_of_frames(1_000));
    world.start(spec.clone());
    world.run_for(Duration::from_secs(3));
    let dialog = recorded_dialog(&world);
    assert!(dialog.is_some());
    world.restart_engine();
    world.command(left_behind(&spec, dialog));
    world.run_until_quiet();
    assert_eq!(abandoned_events(&world), 1);
    assert_eq!(world.carrier.live().calls, 0);
    assert_eq!(world.heard[0].ending, Ending::CallerHungUp);
}

#[test]
fn a_call_whose_invite_never_left_is_cleared_too() {
    let mut world = World::new();
    world.command(left_behind(&call(1, "09121234567"), None));
    world.run_until_quiet();
    assert_eq!(abandoned_events(&world), 1);
    assert!(world.heard.is_empty(), "nobody was called");
}

#[test]
fn what_cannot_be_cleared_is_said_to_be_over() {
    let mut world = World::new();
    let mut spec = call(1, "09121234567");
    spec.target =
        Target::Phone { address: address("192.0.2.99:5060"), contact_uri: "nowhere".to_owned() };
    world.command(left_behind(&spec, None));
    assert_eq!(abandoned_events(&world), 1);
    assert_eq!(world.counter("abandons_refused"), 1);
    // A trunk that is gone: the attempt ends by itself.
    let mut gone = call(1, "09121234567");
    gone.target = Target::Address {
        address: address("192.0.2.99:5060"),
        request_uri: "sip:a@192.0.2.99".to_owned(),
        to: "sip:a@192.0.2.99".to_owned(),
    };
    world.command(left_behind(&gone, None));
    world.run_until_quiet();
    assert_eq!(abandoned_events(&world), 2);
}

#[test]
fn abandoning_survives_loss() {
    for seed in 0..10 {
        let mut world = World::new();
        world.dice.0 = seed;
        let spec = call(1, "09990000180");
        world.start(spec.clone());
        world.run_for(Duration::from_secs(1));
        world.loss_percent = 10;
        world.restart_engine();
        world.command(left_behind(&spec, None));
        world.run_until_quiet();
        assert_eq!(abandoned_events(&world), 1);
        assert_eq!(world.carrier.live().calls, 0, "seed {seed}");
    }
}
