//! Goal: each row of the table, as a caller lives through it.

use carrier::{Auth, CallReport, Ending, Event};
use media::detect::answering_machine::{AnsweringMachine, Heard as HeardOnLine, Timing, Verdict};
use media::detect::progress::{Progress, ProgressListener, TONES_425};
use media::detect::tone::ToneKeys;
use media::rtp::Packet;
use media::telephone_event::{KeyReceiver, TelephoneEvent};
use media::{Codec, EncodedClip};
use sip::Credentials;

use crate::world::{Caller, World, clip, config};

fn call(number: &str) -> World {
    World::called(number, Caller::default())
}

fn sandbox(password: &str) -> Credentials {
    Credentials { username: "sandbox".into(), password: password.into() }
}

fn ending(world: &World) -> Ending {
    world
        .events
        .iter()
        .find_map(|event| match event {
            Event::CallEnded { ending, .. } => Some(*ending),
            _ => None,
        })
        .unwrap()
}

#[test]
fn any_other_number_answers_after_a_second_and_hears_everything() {
    let world = call("09121234567");
    assert_eq!(world.said(), ["180", "answered", "caller hung up"]);
    assert_eq!((world.at_ms("180"), world.at_ms("answered")), (2, 1_002));
    let heard = world.heard();
    assert_eq!(heard.audio, world.caller.clip.encoded(), "every byte, from the first on");
    assert_eq!((heard.duration_ms(), heard.truncated), (2_000, false));
    assert_eq!(heard.ending, Ending::CallerHungUp);
    let report = heard.report;
    assert_eq!((report.received.received, report.received.lost), (100, 0));
    assert_eq!((report.longest_gap_ms, report.first_audio_after_ms), (20, Some(2)));
    assert_eq!((report.before_answer, report.refused), (0, 0));
    assert_eq!(media::wav::read(&heard.wav()).unwrap(), heard.samples());
    assert!(world.received.is_empty(), "nothing is sent back unless asked for");
    let kinds: Vec<_> = world.events.iter().map(std::mem::discriminant).collect();
    assert_eq!(kinds.len(), 4, "started, answered, ended, heard");
}

#[test]
fn events_carry_number_and_call_id() {
    let world = call("+989121234567");
    let Event::CallStarted { call, sip_call_id, number, at } = &world.events[0] else {
        panic!("{:?}", world.events)
    };
    assert_eq!((number.as_str(), sip_call_id.as_str()), ("+989121234567", "call-0@caller"));
    assert_eq!(at.duration_since(world.start).as_millis(), 1);
    let Event::CallAnswered { call: answered, at } = &world.events[1] else {
        panic!("{:?}", world.events)
    };
    assert_eq!((answered, at.duration_since(world.start).as_millis()), (call, 1_001));
}

#[test]
fn refusals_say_their_code_and_cause() {
    for (number, story, last_ms) in [
        ("09990000404", vec!["404 cause 1"], 2),
        ("09990000480", vec!["480 cause 20"], 1_002),
        ("09990000486", vec!["486 cause 17"], 2),
        ("09990000503", vec!["503 cause 34 retry 5"], 2),
        ("09990000603", vec!["180", "603 cause 21"], 1_002),
    ] {
        let world = call(number);
        assert_eq!(world.said(), story, "{number}");
        assert_eq!(world.story.last().unwrap().0, last_ms, "{number}");
        let code = number[8..].parse().unwrap();
        assert_eq!(ending(&world), Ending::Refused(code), "{number}");
        assert_eq!(world.events.len(), 2, "started and ended");
    }
}

#[test]
fn nobody_answers_180() {
    let world = call("09990000180");
    assert_eq!(world.said(), ["180", "NoAnswer"]);
    assert_eq!(ending(&world), Ending::Cancelled);
}

#[test]
fn ringing_does_not_outlive_the_limit() {
    let caller = Caller { ring_timeout_ms: 3_600_000, ..Caller::default() };
    let mut world = World::new(config(), caller);
    world.dial("09990000180");
    world.run_until_ms(181_000);
    assert_eq!(world.said(), ["180", "480"]);
    assert_eq!(ending(&world), Ending::Refused(480));
    world.run_to_the_end();
}

#[test]
fn nothing_at_all_comes_from_408() {
    let caller = Caller { ring_timeout_ms: 60_000, ..Caller::default() };
    let world = World::called("09990000408", caller);
    assert_eq!(world.said(), ["Timeout"]);
    assert_eq!(world.at_ms("Timeout"), 32_000);
    assert!(world.events.is_empty());
    assert_eq!(world.carrier.counters().ignored, 7, "timer A: 0 0.5 1.5 3.5 7.5 15.5 31.5 s");
}

#[test]
fn it_hangs_up_two_seconds_after_the_answer() {
    let caller = Caller { clip: clip(Codec::Pcma, 500), ..Caller::default() };
    let world = World::called("09990000002", caller);
    assert_eq!(world.said(), ["180", "answered", "carrier hung up"]);
    assert_eq!((world.at_ms("answered"), world.at_ms("carrier hung up")), (1_002, 3_002));
    let heard = world.heard();
    assert_eq!(heard.ending, Ending::WeHungUp);
    assert!((1_950..=2_000).contains(&heard.duration_ms()), "{}", heard.duration_ms());
}

#[test]
fn it_answers_late() {
    let world = call("09990000020");
    assert_eq!(world.said(), ["180", "answered", "caller hung up"]);
    assert_eq!(world.at_ms("answered"), 20_002);
    assert_eq!(world.heard().duration_ms(), 2_000);
}

#[test]
fn it_answers_at_once() {
    let world = call("09990000200");
    assert_eq!(world.said(), ["answered", "caller hung up"]);
    assert_eq!(world.at_ms("answered"), 2);
}

#[test]
fn early_media_is_a_tone_and_not_an_answer() {
    let world = call("09990000183");
    assert_eq!(world.said(), ["183 with media", "answered", "caller hung up"]);
    assert_eq!((world.at_ms("183 with media"), world.at_ms("answered")), (2, 2_002));
    let loud = |bytes: &[u8]| {
        let samples = Codec::Pcma.decode_all(Packet::parse(bytes).unwrap().payload);
        samples.iter().any(|sample| sample.abs() > 4_000)
    };
    let (early, late): (Vec<_>, Vec<_>) =
        world.received.iter().partition(|(at_ms, _)| *at_ms < 2_002);
    assert_eq!(early.len(), 100, "20 ms apart for two seconds");
    assert!(early.iter().all(|(_, bytes)| loud(bytes)));
    assert!(late.iter().all(|(_, bytes)| !loud(bytes)), "silence after the answer");
}

#[test]
fn each_key_is_pressed_once_a_second_after_the_answer() {
    for digit in '0'..='9' {
        let world = call(&format!("0999000011{digit}"));
        let mut receiver = KeyReceiver::new();
        let mut pressed = vec![];
        let mut ends = 0;
        let mut sequence = None;
        for (at_ms, bytes) in &world.received {
            let packet = Packet::parse(bytes).unwrap();
            let header = packet.header;
            assert!(sequence.is_none_or(|last: u16| last.wrapping_add(1) == header.sequence));
            sequence = Some(header.sequence);
            if header.payload_type == 101 {
                let key = receiver.receive(header.ssrc, header.timestamp, packet.payload);
                pressed.extend(key.map(|key| (*at_ms, key.as_char())));
                ends += usize::from(TelephoneEvent::parse(packet.payload).unwrap().end);
            }
        }
        assert_eq!(pressed.len(), 1);
        let (at_ms, key) = pressed[0];
        assert_eq!(key, digit);
        assert!((2_002..=2_022).contains(&at_ms), "pressed at {at_ms} ms");
        assert_eq!(ends, 3);
    }
}

#[test]
fn a_tenth_is_lost_and_the_call_lives() {
    let caller = Caller { clip: clip(Codec::Pcma, 3_000), ..Caller::default() };
    let world = World::called("09990000010", caller);
    assert_eq!(world.said().last(), Some(&"caller hung up"));
    let report = world.heard().report.received;
    assert!((200..=400).contains(&report.lost), "{report:?}");
    assert!(world.heard().duration_ms() >= 59_000, "the lost is silence, not missing");
    let again = World::called(
        "09990000010",
        Caller { clip: clip(Codec::Pcma, 3_000), ..Caller::default() },
    );
    assert_eq!(again.story, world.story, "the same secret loses the same datagrams");
    assert_eq!(again.heard().audio, world.heard().audio);
}

#[test]
fn digest_is_asked_for_and_understood() {
    for (number, code) in [("09990000401", "401"), ("09990000407", "407")] {
        let world = World::called(
            number,
            Caller { credentials: Some(sandbox("sandbox")), ..Caller::default() },
        );
        assert_eq!(world.said(), ["180", "answered", "caller hung up"], "{number}");
        assert_eq!(world.carrier.counters().challenged, 1, "{number}");
        let world = call(number);
        assert_eq!(world.said(), [code], "{number} without credentials");
        assert!(world.events.is_empty(), "no call has started");
        let wrong = Some(sandbox("wrong"));
        let world = World::called(number, Caller { credentials: wrong, ..Caller::default() });
        assert_eq!(world.said(), [code], "{number} with a wrong password");
    }
}

#[test]
fn a_carrier_may_ask_every_caller() {
    use sip::digest::Algorithm;
    for algorithm in [None, Some(Algorithm::Md5), Some(Algorithm::Sha256)] {
        let auth = Auth { user: "trunk".into(), password: "s3cret".into(), algorithm };
        let config = carrier::Config { require_auth: Some(auth), ..config() };
        let credentials = Some(Credentials { username: "trunk".into(), password: "s3cret".into() });
        let mut world = World::new(config, Caller { credentials, ..Caller::default() });
        world.dial("09121234567");
        world.run_to_the_end();
        assert_eq!(world.said(), ["180", "answered", "caller hung up"], "{algorithm:?}");
    }
}

#[test]
fn mu_law_is_spoken_too() {
    let caller =
        Caller { codecs: vec![Codec::Pcmu], clip: clip(Codec::Pcmu, 50), ..Caller::default() };
    let world = World::called("09121234567", caller);
    assert_eq!(world.heard().codec, Codec::Pcmu);
    assert_eq!(world.heard().audio, world.caller.clip.encoded());
}

#[test]
fn a_call_without_audio_has_heard_nothing() {
    let caller = Caller { clip: EncodedClip::from_samples(Codec::Pcma, &[]), ..Caller::default() };
    let world = World::called("09990000200", caller);
    assert_eq!(world.heard().audio, []);
    assert_eq!(world.heard().report, CallReport::default());
}

/// The samples of what came, in the order sent; what is not audio is left out.
fn received(world: &World, from_ms: u64) -> Vec<i16> {
    let packets = world.received.iter().filter(|(at_ms, _)| *at_ms >= from_ms);
    packets
        .map(|(_, bytes)| Packet::parse(bytes).unwrap())
        .filter(|packet| packet.header.payload_type == 8)
        .flat_map(|packet| Codec::Pcma.decode_all(packet.payload))
        .collect()
}

#[test]
fn each_key_in_the_sound_is_pressed_once_a_second_after_the_answer() {
    for digit in '0'..='9' {
        let world = call(&format!("0999000012{digit}"));
        assert_eq!(world.negotiated.unwrap().telephone_event_pt, None);
        let mut pressed = String::new();
        ToneKeys::new().listen(&received(&world, 0), |key| pressed.push(key.as_char()));
        assert_eq!(pressed, digit.to_string());
    }
}

#[test]
fn voices_and_tones_are_what_they_are_said_to_be() {
    let listen = |number: &str, from_ms| {
        let caller = Caller { clip: clip(Codec::Pcma, 400), ..Caller::default() };
        let world = World::called(number, caller);
        let samples = received(&world, from_ms);
        let (mut early, mut found) = (ProgressListener::new(TONES_425.to_vec()), vec![]);
        early.listen(&samples);
        let mut detector = AnsweringMachine::new(Timing::default(), vec![425]);
        detector.listen(&samples, |heard| found.push(heard));
        (world, early.heard(), found)
    };
    let (world, early, _) = listen("09990000184", 0);
    assert_eq!(early, Some(Progress::Ringing));
    assert_eq!(world.said(), ["183 with media", "answered", "caller hung up"]);
    let (world, early, _) = listen("09990000185", 0);
    assert_eq!(early, Some(Progress::Announcement));
    assert_eq!(world.said(), ["183 with media", "480 cause 20"]);
    assert_eq!(ending(&world), Ending::Refused(480));
    let (_, _, found) = listen("09990000301", 1_000);
    assert_eq!(found, [HeardOnLine::Verdict(Verdict::Machine), HeardOnLine::Beep]);
    let (_, _, found) = listen("09990000302", 1_000);
    assert_eq!(found, [HeardOnLine::Verdict(Verdict::Person)]);
    let (world, _, _) = listen("09990000303", 1_000);
    let loud = received(&world, 1_000).chunks(1_600).all(|part| part.iter().any(|s| s.abs() > 500));
    assert!(loud, "it talks on until the caller hangs up");
}
