//! What a call hears where its script listens: keys in the sound, persons and machines, beeps, the
//! network's tones, and recordings that end properly however the call does.

use std::sync::Arc;
use std::time::Duration;

use carrier::sounds;
use engine::{
    CallKey, Cause, Clip, Command, Gather, KeySet, MachineDetection, NetworkTone, OnMachine,
    Outcome, Play, Progress, Record, Recorded, Script, Step, Verdict, limits,
};
use media::telephone_event::Key;
use media::{Codec, FRAME_SAMPLES};

use crate::peer::{Act, CALLEE_SIP, Callee, description, usual_description};
use crate::world::{World, address, call, call_to, clip_of_frames};

fn without_events() -> String {
    description("192.0.2.50", "40000 RTP/AVP 8", "")
}

fn tones(name: char, ms: u32) -> Vec<i16> {
    sounds::key(Key::from_char(name).unwrap(), ms)
}

fn run(script: Script, callee: Callee) -> (World, std::rc::Rc<std::cell::RefCell<Callee>>) {
    let mut world = World::new();
    let callee = world.add_peer(callee);
    let mut spec = call_to(1, "callee", address(CALLEE_SIP));
    spec.script = Arc::new(script);
    spec.max_duration_ms = 60_000;
    world.start(spec);
    world.run_until_quiet();
    (world, callee)
}

fn outcome(script: Script, callee: Callee) -> Outcome {
    run(script, callee).0.outcome(1).clone()
}

fn clip(frames: usize) -> Arc<Clip> {
    clip_of_frames(frames)
}

#[test]
fn keys_are_found_in_the_sound_of_a_peer_that_sends_no_events() {
    let vote = || Script::message(clip(100), Some(3_000));
    let voice = [tones('7', 100), sounds::silence(100), tones('#', 80)].concat();
    let heard = outcome(vote(), Callee::new(without_events()).say(1_000, &voice));
    assert_eq!((heard.keys.to_string().as_str(), heard.vote), ("7#", Some(7)));
    // A peer that has agreed on events is believed to send them.
    let heard = outcome(vote(), Callee::new(usual_description()).say(1_000, &voice));
    assert_eq!((heard.keys.len(), heard.vote), (0, None));
    let asked = vote().with_in_band_keys();
    let heard = outcome(asked, Callee::new(usual_description()).say(1_000, &voice));
    assert_eq!(heard.keys.to_string(), "7#");
    // Nobody waits for a key, so nobody listens for one.
    let plain = Script::message(clip(100), None);
    let heard = outcome(plain, Callee::new(without_events()).say(1_000, &voice));
    assert!(heard.keys.is_empty());
}

#[test]
fn one_press_that_comes_as_event_and_as_tones_counts_once() {
    let script = Script::message(clip(100), Some(3_000)).with_in_band_keys();
    let mut callee = Callee::new(usual_description())
        .press(1_000, '5')
        .press(1_500, '5')
        .say(1_010, &tones('5', 80));
    callee.acts.make_contiguous().sort_by_key(|(at, _)| *at);
    let (world, _) = run(script, callee);
    assert_eq!(world.outcome(1).keys.to_string(), "55");
    assert_eq!(world.counter("keys_repeated"), 1);
}

/// Plays a second, then records.
fn recording(record: Record) -> Script {
    Script::new(vec![Step::Message(Play::whole(clip(50))), Step::Record(record)]).unwrap()
}

fn until(max_ms: u32, silence_ms: u32, terminators: &str) -> Record {
    Record {
        beep: Play { clips: Vec::new(), barge_in: KeySet::NONE },
        max_ms,
        silence_ms,
        terminators: KeySet::of(terminators).unwrap(),
    }
}

/// The one recording of a world, whole; proves that it has a beginning, an end and a right length.
fn tape(world: &World) -> Vec<i16> {
    let parts: Vec<&Recorded> = world.recorded.iter().map(|(_, part)| part).collect();
    let call = CallKey(1);
    assert_eq!(*parts[0], Recorded::Started { call });
    let mut tape = Vec::new();
    for part in &parts[1..parts.len() - 1] {
        let Recorded::Audio { call: CallKey(1), samples } = part else { panic!("{part:?}") };
        assert!(!samples.is_empty() && samples.len() < limits::RECORDED_SAMPLES + 1_000);
        tape.extend_from_slice(samples);
    }
    let length_ms = u32::try_from(tape.len() / 8).unwrap();
    assert_eq!(**parts.last().unwrap(), Recorded::Ended { call, length_ms });
    tape
}

fn as_heard(samples: &[i16]) -> Vec<i16> {
    Codec::Pcma.decode_all(&Codec::Pcma.encode_all(samples))
}

#[test]
fn what_is_said_after_the_message_is_recorded_sample_by_sample() {
    let said = sounds::talk(1, 4_000);
    let callee = Callee::new(usual_description()).say(1_200, &said);
    let (world, _) = run(recording(until(10_000, 1_500, "")), callee);
    let outcome = world.outcome(1);
    assert_eq!((outcome.cause, outcome.heard_ms), (Cause::Played, 1_000));
    assert_eq!(tape(&world), as_heard(&said));
    let audio = |part: &Recorded| matches!(part, Recorded::Audio { .. });
    assert!(world.recorded.iter().filter(|(_, part)| audio(part)).count() >= 8, "in portions");
    // It ended 1.5 s after the last word, which came 5.2 s after the answer.
    let ended = world.recorded.last().unwrap().0;
    assert!((6_600..=6_900).contains(&ended.as_millis()), "{ended:?}");
}

#[test]
fn a_beep_comes_before_the_recording_and_is_not_in_it() {
    let beep = Play::whole(Arc::new(Clip::from_samples(&sounds::tone(1_000.0, 200))));
    let record = Record { beep, ..until(1_000, 0, "") };
    let said = sounds::talk(2, 5_000);
    let (world, callee) = run(recording(record), Callee::new(usual_description()).say(0, &said));
    assert!((990..=1_000).contains(&(tape(&world).len() / 8)), "{}", tape(&world).len());
    assert!(callee.borrow().rtp.len() >= 60 + 50, "silence is sent meanwhile");
}

#[test]
fn a_recording_ends_with_a_key_the_call_or_its_length() {
    let said = sounds::talk(3, 9_000);
    let talking = || Callee::new(usual_description()).say(1_200, &said);
    let mut with_key = talking().press(3_200, '#').press(4_000, '1');
    with_key.acts.make_contiguous().sort_by_key(|(at, _)| *at);
    let (world, _) = run(recording(until(60_000, 0, "#")), with_key);
    assert!((1_900..=2_100).contains(&(tape(&world).len() / 8)), "{}", tape(&world).len());
    let mut hung_up = talking().then(3_210, Act::Bye(""));
    hung_up.acts.make_contiguous().sort_by_key(|(at, _)| *at);
    let (world, _) = run(recording(until(60_000, 0, "#")), hung_up);
    assert_eq!(world.outcome(1).cause, Cause::CalleeHungUp);
    assert!((1_900..=2_100).contains(&(tape(&world).len() / 8)), "{}", tape(&world).len());
    let (world, _) = run(recording(until(1_500, 0, "")), talking());
    assert!((1_200..=1_500).contains(&(tape(&world).len() / 8)), "{}", tape(&world).len());
}

#[test]
fn a_recording_is_ended_by_our_own_hang_up_and_by_the_deadline() {
    for deadline in [false, true] {
        let mut world = World::new();
        world.add_peer(Callee::new(usual_description()).say(1_200, &sounds::talk(3, 9_000)));
        let mut spec = call_to(1, "callee", address(CALLEE_SIP));
        spec.script = Arc::new(recording(until(60_000, 0, "")));
        spec.max_duration_ms = if deadline { 4_000 } else { 60_000 };
        world.start(spec);
        world.run_for(Duration::from_secs(4));
        if !deadline {
            world.command(Command::HangUp { call: CallKey(1) });
        }
        world.run_until_quiet();
        let cause = if deadline { Cause::DeadlineReached } else { Cause::HungUpByUs };
        assert_eq!(world.outcome(1).cause, cause);
        assert!((2_700..=2_800).contains(&(tape(&world).len() / 8)), "{}", tape(&world).len());
    }
}

#[test]
fn what_is_lost_is_silence_in_the_recording_and_what_overtakes_is_put_back() {
    let said = sounds::talk(4, 3_000);
    let mut callee = Callee::new(usual_description()).say(1_200, &said);
    // Packets 10 and 11 change places, 20 to 22 are lost, 30 comes twice.
    let ten = callee.acts[10].1.clone();
    callee.acts[10].1 = callee.acts[11].1.clone();
    callee.acts[11].1 = ten;
    let again = callee.acts[30].clone();
    callee.acts.insert(31, again);
    callee.acts.drain(20..23);
    let (world, _) = run(recording(until(10_000, 1_000, "")), callee);
    let mut wanted = as_heard(&said);
    wanted[20 * FRAME_SAMPLES..23 * FRAME_SAMPLES].fill(0);
    assert!(tape(&world) == wanted, "{} {}", tape(&world).len(), wanted.len());
}

fn detecting(on_machine: OnMachine, frames: usize) -> Script {
    Script::message(clip(frames), None).with_machine_detection(MachineDetection::new(on_machine))
}

fn person() -> Callee {
    let voice = [sounds::talk(5, 400), sounds::silence(9_000)].concat();
    Callee::new(usual_description()).say(500, &voice)
}

/// Talks for three seconds, beeps half a second later, then records.
fn machine() -> Callee {
    let greeting = [sounds::talk(6, 3_000), sounds::silence(500)].concat();
    let beep = [sounds::tone(1_000.0, 400), sounds::silence(20_000)].concat();
    Callee::new(usual_description()).say(300, &[greeting, beep].concat())
}
/// When the machine's beep is over, milliseconds after its answer.
const BEEP_OVER_MS: u64 = 300 + 3_000 + 500 + 400;

#[test]
fn a_person_and_a_machine_are_told_apart_while_the_message_plays() {
    for on_machine in [OnMachine::Report, OnMachine::HangUp, OnMachine::LeaveMessage] {
        let heard = outcome(detecting(on_machine, 200), person());
        assert_eq!((heard.answered_by, heard.cause), (Some(Verdict::Person), Cause::Played));
        assert_eq!((heard.heard_ms, heard.heard_to_end), (4_000, true), "{on_machine:?}");
    }
    let heard = outcome(detecting(OnMachine::Report, 300), machine());
    assert_eq!((heard.answered_by, heard.cause), (Some(Verdict::Machine), Cause::Played));
    let heard = outcome(detecting(OnMachine::HangUp, 300), machine());
    assert_eq!(heard.cause, Cause::AnsweringMachine);
    assert_eq!(heard.answered_by, Some(Verdict::Machine));
    assert!(heard.heard_ms < 3_000, "{}", heard.heard_ms);
    let plain = outcome(Script::message(clip(300), None), machine());
    assert_eq!((plain.answered_by, plain.cause), (None, Cause::Played));
}

#[test]
fn the_message_begins_anew_after_the_beep_from_its_first_sample() {
    // Longer than the greeting, shorter than it, and over before anything is known.
    for frames in [400, 190, 20] {
        let message = clip(frames);
        let wanted = message.encoded(Codec::Pcma).encoded().to_vec();
        let (world, callee) = run(detecting(OnMachine::LeaveMessage, frames), machine());
        let outcome = world.outcome(1);
        assert_eq!((outcome.cause, outcome.answered_by), (Cause::Played, Some(Verdict::Machine)));
        assert!(outcome.heard_to_end);
        let callee = callee.borrow();
        let over = callee.rtp[0].0 + Duration::from_millis(BEEP_OVER_MS);
        let after: Vec<u8> = callee
            .rtp
            .iter()
            .filter(|(at, _, _)| *at >= over)
            .flat_map(|(_, _, bytes)| bytes[12..].to_vec())
            .collect();
        let begins = after.windows(wanted.len()).position(|part| part == wanted).unwrap();
        assert!(begins / 8 <= 160, "{frames}: {} ms after the beep", begins / 8);
        let rest = &after[begins + wanted.len()..];
        assert!(rest.iter().all(|byte| *byte == Codec::Pcma.silence()), "and then no more");
    }
}

#[test]
fn a_machine_without_a_beep_is_waited_for_only_so_long() {
    let detection =
        MachineDetection { beep_wait_ms: 3_000, ..MachineDetection::new(OnMachine::LeaveMessage) };
    let script = Script::message(clip(200), None).with_machine_detection(detection);
    let talker = Callee::new(usual_description()).say(300, &sounds::talk(7, 20_000));
    let heard = outcome(script, talker);
    assert_eq!((heard.cause, heard.answered_by), (Cause::Played, Some(Verdict::Machine)));
    let ended_us = heard.timeline.ended_us.unwrap();
    assert!((7_000_000..7_500_000).contains(&ended_us), "{ended_us}");
}

#[test]
fn whoever_presses_a_key_is_a_person() {
    let mut callee = machine().press(1_000, '1');
    callee.acts.make_contiguous().sort_by_key(|(at, _)| *at);
    let heard = outcome(detecting(OnMachine::HangUp, 300), callee);
    assert_eq!((heard.cause, heard.answered_by), (Cause::Played, Some(Verdict::Person)));
    let gather = Gather { max: 1, ..Gather::vote(2_000) };
    let steps = vec![Step::Message(Play::whole(clip(300))), Step::Gather(gather)];
    let detection = MachineDetection::new(OnMachine::LeaveMessage);
    let script = Script::new(steps).unwrap().with_machine_detection(detection);
    let mut late = machine().press(4_000, '1');
    late.acts.make_contiguous().sort_by_key(|(at, _)| *at);
    let heard = outcome(script, late);
    assert_eq!((heard.answered_by, heard.vote), (Some(Verdict::Person), Some(1)));
    assert!(heard.timeline.ended_us.unwrap() < 7_000_000, "the beep changed nothing any more");
}

#[test]
fn the_sandbox_presses_keys_in_the_sound_and_answers_as_person_and_as_machine() {
    let mut world = World::new();
    for (key, number) in [(1, "09990000123"), (2, "09990000301"), (3, "09990000302")] {
        let mut spec = call(key, number);
        let script = Script::message(clip(300), Some(3_000));
        let detection = MachineDetection::new(OnMachine::Report);
        spec.script = Arc::new(script.with_machine_detection(detection));
        world.start(spec);
    }
    world.run_until_quiet();
    assert_eq!((world.outcome(1).vote, world.outcome(1).answered_by), (Some(3), PERSON));
    assert_eq!(world.outcome(2).answered_by, Some(Verdict::Machine));
    assert_eq!(world.outcome(3).answered_by, PERSON);
}
const PERSON: Option<Verdict> = Some(Verdict::Person);

#[test]
fn what_a_network_says_before_the_answer_is_told() {
    let mut world = World::new();
    let numbers = [(1, "09990000183"), (2, "09990000184"), (3, "09990000185")];
    for (key, number) in numbers {
        let mut spec = call(key, number);
        spec.script = Arc::new(detecting(OnMachine::Report, 50));
        world.start(spec);
        let mut spec = call(key + 10, number);
        spec.script = Arc::new(Script::message(clip(50), None));
        world.start(spec);
    }
    world.run_until_quiet();
    let early = |key| world.outcome(key).early_media;
    assert_eq!(early(1), None, "a tone without cadence");
    assert_eq!(early(2), Some(Progress::Ringing));
    assert_eq!(early(3), Some(Progress::Announcement));
    assert_eq!(world.outcome(3).sip_code, Some(480));
    // Whoever answers after that hears the message.
    assert_eq!((world.outcome(1).cause, world.outcome(1).heard_ms), (Cause::Played, 1_000));
    assert_eq!((early(12), early(13)), (None, None), "nobody asked");
}

/// Goal: what a tone means is the operator's to say, and a tone that nobody named is none.
#[test]
fn a_networks_tones_are_those_of_the_configuration() {
    let tone = |means, hz| NetworkTone { means, hz, on_ms: 1_000, off_ms: 4_000 };
    for (tones, wanted) in [
        (vec![tone(Progress::Ringing, 425)], Some(Progress::Ringing)),
        (vec![tone(Progress::Busy, 425)], Some(Progress::Busy)),
        (vec![tone(Progress::Congestion, 620), tone(Progress::Busy, 425)], Some(Progress::Busy)),
        (vec![tone(Progress::Ringing, 620)], None),
        (Vec::new(), None),
    ] {
        let mut world = World::new();
        let mut spec = call(1, "09990000184");
        let detection =
            MachineDetection { tones: tones.clone(), ..MachineDetection::new(OnMachine::Report) };
        let script = Script::message(clip(50), None).with_machine_detection(detection);
        spec.script = Arc::new(script);
        world.start(spec);
        world.run_until_quiet();
        let told = world.outcome(1).early_media.filter(|told| *told != Progress::Announcement);
        assert_eq!(told, wanted, "{tones:?}");
    }
}

#[test]
fn a_message_is_left_with_the_sandbox_machine_after_its_beep() {
    let mut world = World::new();
    let mut spec = call(1, "09990000301");
    spec.script = Arc::new(detecting(OnMachine::LeaveMessage, 200));
    world.start(spec);
    world.run_until_quiet();
    assert_eq!(world.outcome(1).cause, Cause::Played);
    let message = clip(200);
    let wanted = message.encoded(Codec::Pcma).encoded();
    let heard = &world.heard[0].audio;
    // The beep is over 4.2 s after the answer.
    let begins = heard.windows(wanted.len()).rposition(|part| part == wanted).unwrap() / 8;
    assert!((4_200..4_400).contains(&begins), "{begins} ms");
}

/// Goal: whoever moves the datagrams knows which calls need their peer's sound, and from when to
/// when: the rest need not be read.
#[test]
fn only_calls_that_listen_are_listeners() {
    let counted = |script: Script| {
        let mut world = World::new();
        let mut spec = call(1, "09121234567");
        spec.script = Arc::new(script);
        world.start(spec);
        let mut counts = Vec::new();
        while world.engine.live_calls() > 0 {
            let on_ports: usize = (0..20).map(|slot| world.engine.listeners_on_port(slot)).sum();
            assert_eq!(on_ports, world.engine.live().listeners);
            counts.push(on_ports);
            world.run_for(Duration::from_millis(20));
        }
        world.run_until_quiet();
        counts.push(world.engine.live().listeners);
        counts.dedup();
        counts
    };
    assert_eq!(counted(Script::message(clip(100), None)), [0]);
    assert_eq!(counted(Script::message(clip(100), Some(1_000))), [0], "keys come as events");
    // It begins at the answer; of a callee that says nothing, nobody knows who it is to the end.
    assert_eq!(counted(detecting(OnMachine::Report, 500)), [0, 1, 0]);
}
