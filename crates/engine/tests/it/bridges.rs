//! Goal: two legs hear each other as if they had called each other, wait with music, and each end
//! of the conversation is as the scripts say; nothing is left behind, whoever hangs up when.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use carrier::sounds;
use engine::{
    Bridge, CallKey, Cause, Clip, Command, Event, Flaw, KeySet, Label, Limits, Outcome, Play,
    Recorded, Refusal, Script, SecondLeg, Srtp, Step,
};
use media::{Codec, FRAME_SAMPLES};

use crate::peer::{Act, CALLEE_SIP, Callee, description, usual_description};
use crate::world::{World, address, call, call_to, carrier_config, clip_of_frames};

const OTHER_SIP: &str = "192.0.2.60:5060";
const OTHER_MEDIA: &str = "192.0.2.60:40000";

/// How the other callee describes itself.
fn other_description(format: &str) -> String {
    description("192.0.2.60", &format!("40000 RTP/AVP {format}"), "")
}

fn other(format: &str) -> Callee {
    Callee::at(OTHER_SIP, OTHER_MEDIA, other_description(format))
}

fn clip(samples: &[i16]) -> Arc<Clip> {
    Arc::new(Clip::from_samples(samples))
}

fn music() -> Arc<Clip> {
    clip(&sounds::tone(500.0, 400))
}

/// What the second leg hears before it joins: a second.
fn whisper() -> Arc<Clip> {
    clip_of_frames(50)
}

fn farewell() -> Arc<Clip> {
    clip(&sounds::tone(620.0, 600))
}

fn goodbye() -> Arc<Clip> {
    clip(&sounds::tone(830.0, 800))
}

fn sorry() -> Arc<Clip> {
    clip(&sounds::tone(1_130.0, 700))
}

fn play(clip: Arc<Clip>) -> Step {
    Step::Play(Play::whole(clip))
}

/// A second leg that is whispered to, joins, and is told goodbye.
fn second(to: &str) -> SecondLeg {
    let target = call_to(9, "other", address(to)).target;
    second_to(target)
}

fn second_to(target: engine::Target) -> SecondLeg {
    let steps = vec![play(whisper()), Step::Join, play(farewell())];
    SecondLeg {
        target,
        from_uri: "sip:982100000000@192.0.2.1".to_owned(),
        credentials: None,
        codecs: vec![Codec::Pcma, Codec::Pcmu, Codec::G722],
        srtp: Srtp::Off,
        symmetric_rtp: false,
        script: Arc::new(Script::new(steps).unwrap()),
        ring_timeout_ms: 3_000,
        max_duration_ms: 60_000,
    }
}

fn bridge(leg: SecondLeg) -> Bridge {
    Bridge {
        leg: Arc::new(leg),
        hold: music(),
        max_ms: 30_000,
        leave: KeySet::of("#").unwrap(),
        record: false,
        on_ended: None,
        on_failed: Some(Label(3)),
    }
}

/// Bridges, then says goodbye; or is sorry when there is nobody.
fn script(bridge: Bridge) -> Arc<Script> {
    let steps = vec![Step::Bridge(bridge), play(goodbye()), Step::HangUp, play(sorry())];
    Arc::new(Script::new(steps).unwrap())
}

type Handle = Rc<RefCell<Callee>>;

fn start(first: Callee, other: Callee, bridge: Bridge) -> (World, Handle, Handle) {
    let mut world = World::new();
    let (first, other) = (world.add_peer(first), world.add_peer(other));
    let mut spec = call_to(1, "callee", address(CALLEE_SIP));
    spec.script = script(bridge);
    world.start(spec);
    (world, first, other)
}

/// What came to a callee, as bytes of its codec.
fn heard(callee: &Handle) -> Vec<u8> {
    callee.borrow().rtp.iter().flat_map(|(_, _, bytes)| bytes[12..].to_vec()).collect()
}

fn place_of(part: &[u8], whole: &[u8]) -> Option<usize> {
    whole.windows(part.len()).position(|window| window == part)
}

fn encoded(codec: Codec, clip: &Clip) -> Vec<u8> {
    clip.encoded(codec).encoded().to_vec()
}

/// What was said, as a listener with another codec gets it.
fn as_passed(said: &[i16], from: Codec, to: Codec) -> Vec<u8> {
    to.encode_all(&from.decode_all(&from.encode_all(said)))
}

/// The key of the second leg of call 1, and its outcome.
fn second_of(world: &World) -> (CallKey, Outcome) {
    let mut legs = world.events.iter().filter_map(|(_, event)| match event {
        Event::SecondLeg { call: CallKey(1), leg } => Some(*leg),
        _ => None,
    });
    let leg = legs.next().expect("a second leg was rung");
    assert!(legs.next().is_none() && !leg.is_incoming());
    (leg, world.outcome(leg.0).clone())
}

fn sorted(mut callee: Callee) -> Callee {
    callee.acts.make_contiguous().sort_by_key(|(at, _)| *at);
    callee
}

#[test]
fn one_waits_with_music_and_then_each_hears_every_sample_of_the_other() {
    for codec in [Codec::Pcma, Codec::Pcmu] {
        let (ours, theirs) = (sounds::talk(1, 8_000), sounds::talk(2, 8_000));
        let first = Callee::new(usual_description()).say(0, &ours).then(6_000, Act::Bye(""));
        let mut second_callee = other(&codec.payload_type().to_string()).say(0, &theirs);
        for (_, act) in &mut second_callee.acts {
            // It says in its codec what `say` has put into PCMA.
            let Act::Rtp(bytes) = act else { unreachable!() };
            let payload = codec.encode_all(&Codec::Pcma.decode_all(&bytes[12..]));
            bytes.splice(12.., payload);
            bytes[1] = bytes[1] & 0x80 | codec.payload_type();
        }
        let (mut world, first, other) =
            start(sorted(first), second_callee, bridge(second(OTHER_SIP)));
        world.run_until_quiet();
        let (first_heard, other_heard) = (heard(&first), heard(&other));
        // The music loops without a gap until the other leg has heard its whisper.
        let song = encoded(Codec::Pcma, &music());
        assert_eq!(place_of(&song.repeat(2), &first_heard), Some(0));
        assert_eq!(place_of(&encoded(codec, &whisper()), &other_heard), Some(0));
        // From second two to five nothing is missing and nothing is added.
        let span = |said: &[i16]| said[16_000..40_000].to_vec();
        let theirs = Codec::Pcma.decode_all(&Codec::Pcma.encode_all(&span(&theirs)));
        let to_first = as_passed(&theirs, codec, Codec::Pcma);
        let to_other = as_passed(&span(&ours), Codec::Pcma, codec);
        let from = place_of(&to_first, &first_heard).expect("the first hears the other");
        assert!(from < 16_000 + 8 * 200, "{} ms after it was said", from / 8 - 2_000);
        assert!(place_of(&to_other, &other_heard).is_some(), "the other hears the first");
        // The first hung up: the other is told so.
        let (_, outcome) = second_of(&world);
        assert_eq!((world.outcome(1).cause, outcome.cause), (Cause::CalleeHungUp, Cause::Played));
        assert!(place_of(&encoded(codec, &farewell()), &other_heard).is_some());
        assert_eq!(outcome.codec, Some(codec));
    }
}

#[test]
fn a_leg_in_wide_band_is_understood_by_one_that_has_none() {
    let first = Callee::new(usual_description())
        .say(0, &sounds::tone(700.0, 6_000))
        .then(5_000, Act::Bye(""));
    let (mut world, _first, other) = start(sorted(first), other("9"), bridge(second(OTHER_SIP)));
    world.run_until_quiet();
    assert_eq!(second_of(&world).1.codec, Some(Codec::G722));
    let samples = Codec::G722.decode_all(&heard(&other));
    // A tone of 700 Hz crosses zero 1400 times a second.
    let second = &samples[24_000..32_000];
    let crossings = second.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
    assert!((1_390..=1_410).contains(&crossings), "{crossings}");
}

#[test]
fn when_the_second_leg_hangs_up_the_script_of_the_first_goes_on() {
    let other = other("8").then(3_000, Act::Bye(""));
    let (mut world, first, _) =
        start(Callee::new(usual_description()), other, bridge(second(OTHER_SIP)));
    world.run_until_quiet();
    assert_eq!(world.outcome(1).cause, Cause::Played);
    assert_eq!(second_of(&world).1.cause, Cause::CalleeHungUp);
    let heard = heard(&first);
    assert!(place_of(&encoded(Codec::Pcma, &goodbye()), &heard).is_some());
    assert!(place_of(&encoded(Codec::Pcma, &sorry()), &heard).is_none());
}

#[test]
fn the_time_and_a_key_end_the_conversation_and_the_scripts_go_on() {
    let short = Bridge { max_ms: 2_000, ..bridge(second(OTHER_SIP)) };
    for (key, bridge) in [(Some('#'), bridge(second(OTHER_SIP))), (None, short)] {
        let mut first = Callee::new(usual_description());
        if let Some(key) = key {
            first = first.press(3_000, '1').press(3_500, key);
        }
        let (mut world, first, other) = start(first, other("8"), bridge);
        world.run_until_quiet();
        assert_eq!(world.outcome(1).cause, Cause::Played);
        assert!(place_of(&encoded(Codec::Pcma, &goodbye()), &heard(&first)).is_some());
        assert!(place_of(&encoded(Codec::Pcma, &farewell()), &heard(&other)).is_some());
        let ended_us = world.outcome(1).timeline.ended_us.unwrap();
        assert!((3_800_000..5_000_000).contains(&ended_us), "{ended_us}");
    }
}

/// Goal: another script for the first leg lets the second one go, whether it was rung, whispered to
/// or talked with; and the new script may ring somebody again.
#[test]
fn another_script_leaves_the_second_leg() {
    for after_ms in [50, 600, 3_000] {
        let other = other("8");
        let (mut world, first, other) =
            start(Callee::new(usual_description()), other, bridge(second(OTHER_SIP)));
        world.run_for(Duration::from_millis(after_ms));
        let says = Script::new(vec![play(sorry())]).unwrap();
        world.command(Command::Follow { call: CallKey(1), script: Arc::new(says) });
        world.run_until_quiet();
        assert_eq!(world.outcome(1).cause, Cause::Played, "{after_ms} ms");
        let outcome = second_of(&world).1;
        let talked = after_ms == 3_000;
        let cause = if talked { Cause::Played } else { Cause::HungUpByUs };
        assert_eq!(outcome.cause, cause, "{after_ms} ms");
        assert!(place_of(&encoded(Codec::Pcma, &sorry()), &heard(&first)).is_some());
        assert!(place_of(&encoded(Codec::Pcma, &goodbye()), &heard(&first)).is_none());
        let told = place_of(&encoded(Codec::Pcma, &farewell()), &heard(&other)).is_some();
        assert_eq!(told, talked, "{after_ms} ms");
    }
}

/// What a call without a message is for is the conversation: how long that was is told while it
/// lasts and at its end, without the music and the whisper before it.
#[test]
fn a_conversation_is_measured_where_there_is_no_message() {
    for (bye_after_ms, max_ms, to_end) in [(6_000, 30_000, false), (60_000, 4_000, true)] {
        let first = Callee::new(usual_description()).then(bye_after_ms, Act::Bye(""));
        let bridge = Bridge { max_ms, on_failed: None, ..bridge(second(OTHER_SIP)) };
        let mut world = World::new();
        let (first, _other) = (world.add_peer(first), world.add_peer(other("8")));
        let mut spec = call_to(1, "callee", address(CALLEE_SIP));
        spec.script = Arc::new(Script::new(vec![Step::Bridge(bridge)]).unwrap());
        world.start(spec);
        world.run_until_quiet();
        let outcome = world.outcome(1);
        assert_eq!((outcome.clip_ms, outcome.heard_to_end), (max_ms, to_end));
        let music_and_talk_ms = u32::try_from(heard(&first).len() / 8).unwrap();
        // The whisper takes a second, and the music plays meanwhile.
        let expected_ms = if to_end { max_ms } else { music_and_talk_ms - 1_000 };
        assert!(outcome.heard_ms.abs_diff(expected_ms) <= 100, "{} ms", outcome.heard_ms);
        let told = world.events.iter().filter_map(|(_, event)| match event {
            Event::Progress { call: CallKey(1), heard_ms } => Some(*heard_ms),
            _ => None,
        });
        let seconds: Vec<u32> = (1..=outcome.heard_ms / 1_000).map(|s| s * 1_000).collect();
        assert_eq!(told.collect::<Vec<u32>>(), seconds);
        assert_eq!(second_of(&world).1.heard_ms, 0, "it is counted once");
    }
}

#[test]
fn a_second_leg_that_never_joins_fails_the_bridge() {
    let to_carrier = |number: &str| {
        let spec = call(9, number);
        SecondLeg { credentials: spec.credentials, ..second_to(spec.target) }
    };
    // Busy, silent until the ring timeout, and one who hangs up during the whisper.
    for (number, cause) in [("09990000486", Cause::Failed), ("09990000180", Cause::NoAnswer)] {
        let (mut world, first, _) =
            start(Callee::new(usual_description()), other("8"), bridge(to_carrier(number)));
        world.run_until_quiet();
        assert_eq!((world.outcome(1).cause, second_of(&world).1.cause), (Cause::Played, cause));
        let heard = heard(&first);
        assert!(place_of(&encoded(Codec::Pcma, &sorry()), &heard).is_some(), "{number}");
        assert!(place_of(&encoded(Codec::Pcma, &goodbye()), &heard).is_none());
    }
    let leaves = other("8").then(500, Act::Bye(""));
    let (mut world, first, _) =
        start(Callee::new(usual_description()), leaves, bridge(second(OTHER_SIP)));
    world.run_until_quiet();
    assert_eq!(second_of(&world).1.cause, Cause::CalleeHungUp);
    assert!(place_of(&encoded(Codec::Pcma, &sorry()), &heard(&first)).is_some());
}

#[test]
fn whoever_is_still_rung_or_whispered_to_is_let_go_when_the_first_hangs_up() {
    for (number, after_ms) in [(None, 500), (Some("09990000180"), 400), (Some("09990000200"), 30)] {
        let leg = match number {
            None => second(OTHER_SIP),
            Some(number) => {
                let spec = call(9, number);
                SecondLeg { credentials: spec.credentials, ..second_to(spec.target) }
            }
        };
        let first = Callee::new(usual_description()).then(after_ms, Act::Bye(""));
        let (mut world, _, other) = start(first, other("8"), bridge(leg));
        world.run_until_quiet();
        assert_eq!(world.outcome(1).cause, Cause::CalleeHungUp);
        assert_eq!(second_of(&world).1.cause, Cause::HungUpByUs, "{number:?}");
        if number.is_none() {
            assert_eq!(other.borrow().log.last().unwrap(), "BYE");
            assert!(place_of(&encoded(Codec::Pcma, &farewell()), &heard(&other)).is_none());
        }
    }
}

#[test]
fn a_leg_that_holds_hears_nothing_and_hears_the_other_again_when_it_resumes() {
    let talk = sounds::talk(5, 10_000);
    let first = Callee::new(usual_description()).say(0, &talk).then(8_000, Act::Bye(""));
    let told = |direction: &str| {
        Act::Reinvite(Some(format!("{}a={direction}\r\n", other_description("8"))))
    };
    for hold in ["inactive", "sendonly"] {
        let other = other("8").then(2_000, told(hold)).then(4_000, told("sendrecv"));
        let (mut world, _, other) =
            start(sorted(first_clone(&first)), other, bridge(second(OTHER_SIP)));
        world.run_until_quiet();
        assert_eq!(world.outcome(1).cause, Cause::CalleeHungUp);
        let other = other.borrow();
        let times: Vec<Duration> = other.rtp.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        let pauses: Vec<&Duration> =
            times.iter().filter(|gap| **gap > Duration::from_millis(100)).collect();
        assert_eq!(pauses.len(), 1, "{hold}");
        assert!(
            *pauses[0] > Duration::from_millis(1_900) && *pauses[0] < Duration::from_millis(2_100)
        );
        // What it hears a second after it has resumed was said just now.
        let resumed = times.iter().position(|gap| gap == pauses[0]).unwrap() + 51;
        let (at, _, bytes) = &other.rtp[resumed];
        let since = (*at - other.rtp[0].0).as_millis();
        let begin = usize::try_from(since).unwrap() * 8;
        let said = Codec::Pcma.encode_all(&talk[begin.saturating_sub(8 * 400)..begin + 800]);
        assert!(place_of(&bytes[12..], &said).is_some(), "{hold}");
    }
}

fn first_clone(callee: &Callee) -> Callee {
    let mut copy = Callee::new(callee.answer.clone());
    copy.acts.clone_from(&callee.acts);
    copy
}

#[test]
fn both_are_recorded_together() {
    let (ours, theirs) = (sounds::talk(6, 2_000), sounds::talk(7, 2_000));
    let first = Callee::new(usual_description())
        .say(1_500, &ours)
        .say(3_500, &sounds::silence(4_000))
        .then(7_000, Act::Bye(""));
    let other = other("8").say(0, &sounds::silence(4_000)).say(4_000, &theirs);
    let recorded = Bridge { record: true, ..bridge(second(OTHER_SIP)) };
    let (mut world, _, _) = start(sorted(first), other, recorded);
    world.run_until_quiet();
    let parts: Vec<&Recorded> = world.recorded.iter().map(|(_, part)| part).collect();
    assert_eq!(*parts[0], Recorded::Started { call: CallKey(1) });
    let mut tape = Vec::new();
    for part in &parts[1..parts.len() - 1] {
        let Recorded::Audio { call: CallKey(1), samples } = part else { panic!("{part:?}") };
        tape.extend_from_slice(samples);
    }
    let length_ms = u32::try_from(tape.len() / 8).unwrap();
    assert_eq!(**parts.last().unwrap(), Recorded::Ended { call: CallKey(1), length_ms });
    assert!((5_700..=6_100).contains(&length_ms), "{length_ms}");
    let quiet = Codec::Pcma.decode_all(&[Codec::Pcma.silence()])[0];
    for said in [ours, theirs] {
        let alone: Vec<i16> = Codec::Pcma
            .decode_all(&Codec::Pcma.encode_all(&said[1_600..12_000]))
            .into_iter()
            .collect();
        let near = |window: &[i16]| {
            window.iter().zip(&alone).all(|(a, b)| a.abs_diff(*b) <= quiet.unsigned_abs() + 8)
        };
        assert!(tape.windows(alone.len()).any(near), "a voice is missing");
    }
}

#[test]
fn a_full_engine_and_a_nonsensical_leg_fail_the_bridge_at_once() {
    for (calls, from_uri, refusal) in
        [(1, "sip:a@192.0.2.1", Refusal::Full), (10, "nonsense", Refusal::BadSpec)]
    {
        let limits = Limits { calls, ..Limits::default() };
        let mut world = World::with(20, limits, carrier_config(4));
        let first = world.add_peer(Callee::new(usual_description()));
        let mut spec = call_to(1, "callee", address(CALLEE_SIP));
        let leg = SecondLeg { from_uri: from_uri.to_owned(), ..second(OTHER_SIP) };
        spec.script = script(bridge(leg));
        world.start(spec);
        world.run_until_quiet();
        assert_eq!(second_of(&world).1.cause, Cause::Refused(refusal));
        assert_eq!(world.outcome(1).cause, Cause::Played);
        assert!(place_of(&encoded(Codec::Pcma, &sorry()), &heard(&first)).is_some());
    }
}

#[test]
fn a_script_that_joins_nobody_goes_on_and_one_that_cannot_work_is_none() {
    let mut world = World::new();
    let first = world.add_peer(Callee::new(usual_description()));
    let mut spec = call_to(1, "callee", address(CALLEE_SIP));
    let steps = vec![Step::Join, play(goodbye()), Step::Join];
    spec.script = Arc::new(Script::new(steps).unwrap());
    world.start(spec);
    world.run_until_quiet();
    assert_eq!(world.outcome(1).cause, Cause::Played);
    assert_eq!(place_of(&encoded(Codec::Pcma, &goodbye()), &heard(&first)), Some(0));

    let flaw = |bridge: Bridge| Script::new(vec![Step::Bridge(bridge)]).unwrap_err();
    let with = |steps: Vec<Step>| {
        let script = Arc::new(Script::new(steps).unwrap());
        Bridge { on_failed: None, ..bridge(SecondLeg { script, ..second(OTHER_SIP) }) }
    };
    assert_eq!(flaw(with(vec![play(goodbye())])), Flaw::NotASecondLeg);
    let third = Bridge { on_failed: None, ..bridge(second(OTHER_SIP)) };
    assert_eq!(flaw(with(vec![Step::Join, Step::Bridge(third)])), Flaw::NotASecondLeg);
    assert_eq!(flaw(bridge(second(OTHER_SIP))), Flaw::NoSuchStep);
    let long = Bridge { record: true, max_ms: 3_600_001, ..with(vec![Step::Join]) };
    assert_eq!(flaw(long), Flaw::RecordingTooLong);
}

#[test]
fn whatever_is_lost_and_whoever_hangs_up_nothing_is_left() {
    for seed in 0..60 {
        let mut dice = crate::world::Dice(seed);
        let mut at = |most: u64| dice.roll(most);
        let mut first = Callee::new(usual_description()).say(0, &sounds::talk(1, 3_000));
        first = first.then(3_000 + at(3_000), Act::Bye(""));
        let mut second_callee = other(["8", "0", "9"][usize::try_from(at(3)).unwrap()]);
        second_callee = second_callee.then(at(5_000), Act::Bye(""));
        let hang_up_ms = at(8_000);
        let (mut world, _, _) = start(
            sorted(first),
            second_callee,
            Bridge { max_ms: 3_000, record: seed % 2 == 0, ..bridge(second(OTHER_SIP)) },
        );
        world.loss_percent = 15;
        world.dice = crate::world::Dice(seed + 1_000);
        world.run_for(Duration::from_millis(hang_up_ms));
        world.command(Command::HangUp { call: CallKey(1) });
        world.run_until_quiet();
        world.outcome(1);
        let started = |part: &Recorded| matches!(part, Recorded::Started { .. });
        let ended = |part: &Recorded| matches!(part, Recorded::Ended { .. });
        let count = |which: &dyn Fn(&Recorded) -> bool| {
            world.recorded.iter().filter(|(_, part)| which(part)).count()
        };
        assert_eq!(count(&started), count(&ended), "{seed}");
    }
}

#[test]
fn a_number_is_said_digit_by_digit() {
    let digits: [Arc<Clip>; 10] =
        std::array::from_fn(|digit| clip(&sounds::talk(40 + u32::try_from(digit).unwrap(), 200)));
    let said = Play::digits(&digits, "4-7 12x");
    let steps = vec![Step::Play(said)];
    let mut world = World::new();
    let callee = world.add_peer(Callee::new(usual_description()));
    let mut spec = call_to(1, "callee", address(CALLEE_SIP));
    spec.script = Arc::new(Script::new(steps).unwrap());
    world.start(spec);
    world.run_until_quiet();
    let wanted: Vec<u8> =
        [4, 7, 1, 2].iter().flat_map(|at| encoded(Codec::Pcma, &digits[*at])).collect();
    assert_eq!(place_of(&wanted, &heard(&callee)), Some(0));
    assert_eq!(wanted.len(), 4 * 10 * FRAME_SAMPLES);
    let long = Play::digits(&digits, &"1".repeat(100));
    assert_eq!(long.clips.len(), engine::limits::MAX_CLIPS);
}
