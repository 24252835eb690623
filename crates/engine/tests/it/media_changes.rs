//! What answers and re-INVITEs may say: unusable media, hold and resume, another codec, keys in
//! odd packets, a BYE with a cause.

use std::time::Duration;

use engine::{Cause, Event, Limits};
use media::Codec;
use media::rtp::Packet;
use media::telephone_event::{Key, KeyPress};

use crate::peer::{Act, CALLEE_SIP, Callee, Peer, description, usual_description};
use crate::world::{World, address, call_to, carrier_config, clip_of_frames, playing};

fn audio_line(direction: &str) -> String {
    let more = format!("a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n");
    description("192.0.2.50", "40000 RTP/AVP 8 101", &more)
}

/// A packet of the callee.
fn packet(payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let header = media::rtp::Header { marker: false, payload_type, sequence, timestamp, ssrc: 77 };
    [&header.write()[..], payload].concat()
}

#[test]
fn an_answer_without_usable_media_is_acknowledged_and_hung_up() {
    for answer in [
        String::new(),
        "rubbish".to_owned(),
        description("192.0.2.50", "0 RTP/AVP 8", ""),
        description("192.0.2.50", "40000 RTP/AVP 18", ""),
        description("192.0.2.50", "40000 RTP/SAVP 8", ""),
        description("media.example", "40000 RTP/AVP 8", ""),
        description("224.0.0.1", "40000 RTP/AVP 8", ""),
    ] {
        let mut world = World::new();
        let callee = world.add_peer(Callee::new(answer.clone()));
        world.start(call_to(1, "callee", address(CALLEE_SIP)));
        world.run_until_quiet();
        let outcome = world.outcome(1);
        assert_eq!((outcome.cause, outcome.answered), (Cause::NoMediaAgreed, true), "{answer}");
        assert_eq!((outcome.heard_ms, outcome.sip_code), (0, Some(200)));
        assert_eq!(callee.borrow().log, ["INVITE", "ACK", "BYE"]);
        assert!(callee.borrow().rtp.is_empty());
    }
}

#[test]
fn an_answer_in_a_183_counts_when_the_200_repeats_none() {
    let mut world = World::new();
    let mut callee = Callee::new(String::new());
    callee.early = Some(usual_description());
    world.add_peer(callee);
    world.start(call_to(1, "callee", address(CALLEE_SIP)));
    world.run_until_quiet();
    assert_eq!(world.outcome(1).cause, Cause::Played);
}

/// RFC 3311 §5.2: a callee that moves before it answers is played to where it moved, in the codec
/// that our answer chose, whatever the 200 repeats; one whose move we cannot follow stays.
#[test]
fn a_callee_may_move_before_it_answers() {
    let elsewhere = description("192.0.2.50", "40000 RTP/AVP 0", "");
    let unusable = description("192.0.2.50", "40000 RTP/AVP 18", "");
    for (moved, answer, code, payload_type) in [
        (&elsewhere, String::new(), "200", 0),
        (&elsewhere, usual_description(), "200", 0),
        (&unusable, String::new(), "488", 8),
    ] {
        let mut world = World::new();
        let mut callee = Callee::new(answer);
        callee.early = Some(usual_description());
        callee.moves = Some(moved.clone());
        let callee = world.add_peer(callee);
        world.start(call_to(1, "callee", address(CALLEE_SIP)));
        world.run_until_quiet();
        assert_eq!(world.outcome(1).cause, Cause::Played);
        let callee = callee.borrow();
        assert_eq!(callee.log[..4], ["INVITE", "PRACK", code, "ACK"]);
        assert!(!callee.rtp.is_empty());
        for (_, _, bytes) in &callee.rtp {
            assert_eq!(Packet::parse(bytes).unwrap().header.payload_type, payload_type);
        }
    }
}

#[test]
fn a_held_call_waits_and_then_goes_on_where_it_was() {
    // The callee also puts an answer into the ACK that nobody asked for: it must not resume.
    for hold in [
        audio_line("sendonly"),
        audio_line("inactive"),
        description("0.0.0.0", "40000 RTP/AVP 8", ""),
    ] {
        let mut world = World::new();
        let callee = world.add_peer(
            Callee::new(usual_description())
                .then(500, Act::Reinvite(Some(hold)))
                .then(3_500, Act::Reinvite(Some(audio_line("sendrecv")))),
        );
        let mut spec = call_to(1, "callee", address(CALLEE_SIP));
        spec.script = playing(clip_of_frames(100));
        let wanted = clip_of_frames(100).encoded(media::Codec::Pcma).encoded().to_vec();
        world.start(spec);
        world.run_until_quiet();
        let outcome = world.outcome(1);
        assert_eq!((outcome.cause, outcome.heard_ms), (Cause::Played, 2_000));
        let callee = callee.borrow();
        let heard: Vec<u8> =
            callee.rtp.iter().flat_map(|(_, _, bytes)| bytes[12..].to_vec()).collect();
        assert_eq!(&heard[..wanted.len()], wanted);
        let gaps: Vec<(Duration, u32)> = callee
            .rtp
            .windows(2)
            .map(|pair| {
                let stamp = |at: usize| Packet::parse(&pair[at].2).unwrap().header.timestamp;
                (pair[1].0 - pair[0].0, stamp(1).wrapping_sub(stamp(0)))
            })
            .filter(|(gap, _)| *gap > Duration::from_millis(20))
            .collect();
        assert_eq!(gaps.len(), 1, "one pause");
        let paused_ms = u32::try_from(gaps[0].0.as_millis()).unwrap();
        assert!((2_900..3_100).contains(&paused_ms), "{paused_ms}");
        assert_eq!(gaps[0].1, paused_ms * 8, "the timestamp tells how long the pause was");
    }
}

#[test]
fn a_reinvite_may_change_codec_and_address_and_may_ask_for_our_offer() {
    let moved = description("192.0.2.50", "40002 RTP/AVP 0", "");
    let mut world = World::new();
    let callee = world.add_peer(
        Callee::new(usual_description())
            .then(400, Act::Reinvite(Some(moved)))
            .then(800, Act::Reinvite(None))
            .then(1_200, Act::Reinvite(Some(description("192.0.2.50", "40000 RTP/AVP 18", "")))),
    );
    world.start(call_to(1, "callee", address(CALLEE_SIP)));
    world.run_until_quiet();
    assert_eq!((world.outcome(1).cause, world.outcome(1).heard_ms), (Cause::Played, 2_000));
    let callee = callee.borrow();
    let kinds: Vec<u8> = callee.rtp.iter().map(|(_, _, bytes)| bytes[1] & 0x7F).collect();
    assert!(kinds.contains(&0) && kinds.contains(&8), "both codecs were used");
    assert!(callee.log.contains(&"488".to_owned()), "{:?}", callee.log);
    assert_eq!(callee.address(), address(CALLEE_SIP));
}

#[test]
fn keys_survive_loss_repetition_and_foreign_payload_types() {
    let answer =
        description("192.0.2.50", "40000 RTP/AVP 8 96", "a=rtpmap:96 telephone-event/8000\r\n");
    let mut callee = Callee::new(answer);
    let mut sequence = 0;
    for (at_ms, kind, key) in [(500, 101, '7'), (900, 96, '*'), (1_300, 101, '#')] {
        let stamp = u32::try_from(at_ms * 8).unwrap();
        let press = KeyPress::new(Key::from_char(key).unwrap(), stamp, 5);
        for (index, event) in (0_u64..).zip(press).filter(|(index, _)| index % 3 != 0) {
            for copy in 0..2 {
                sequence += 1;
                let bytes = packet(kind, sequence, event.timestamp, &event.payload);
                callee = callee.then(at_ms + 20 * index + copy, Act::Rtp(bytes));
            }
        }
    }
    callee = callee.then(1_600, Act::Rtp(packet(18, 999, 0, &[0; 20])));
    callee = callee.then(1_601, Act::Rtp(b"not rtp".to_vec()));
    let mut world = World::new();
    world.add_peer(callee);
    world.start(call_to(1, "callee", address(CALLEE_SIP)));
    world.run_until_quiet();
    let outcome = world.outcome(1);
    assert_eq!(outcome.keys.to_string(), "7*#");
    assert_eq!(outcome.rtp.strangers, 2);
    assert!(outcome.rtp.received > 20 && !outcome.rtp.ambiguous);
    let digits: Vec<char> = world
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Key { digit, .. } => Some(*digit),
            _ => None,
        })
        .collect();
    assert_eq!(digits, ['7', '*', '#']);
}

/// Goal: the short way of sound that nobody listens to counts what the long way counts, and lets
/// nothing else by: keys, reports, noise, foreign types, another source.
#[test]
fn sound_is_counted_alike_by_both_ways() {
    let run = |due_before_rtp| {
        let mut callee = Callee::new(usual_description());
        for at in 0..80_u16 {
            let (frame, late) = (u64::from(at), u64::from(at * 7 % 13));
            let bytes = match at {
                // Lost; a key; comfort noise; then what is no sound, and missing in the numbering.
                10 | 11 | 40 => continue,
                20 => packet(101, at, 3_200, &[5, 0x0A, 0, 160]),
                21 => packet(101, at, 3_200, &[5, 0x8A, 1, 64]),
                30 => packet(13, at, u32::from(at) * 160, &[40]),
                31 => packet(18, at, u32::from(at) * 160, &[0; 20]),
                32 => b"\x80\x08 not rtp".to_vec(),
                33 => vec![0x80, 200, 0, 1, 0, 0, 0, 77],
                // The numbering begins anew.
                50.. => packet(8, 20_000 + at, u32::from(at) * 160, &[0xD5; 160]),
                _ => packet(8, at, u32::from(at) * 160, &[0xD5; 160]),
            };
            callee = callee.then(100 + 20 * frame + late, Act::Rtp(bytes));
        }
        let mut world = World::new();
        world.due_before_rtp = due_before_rtp;
        world.add_peer(callee);
        world.start(call_to(1, "callee", address(CALLEE_SIP)));
        world.run_until_quiet();
        let counted = world.engine.counters().collect::<Vec<_>>();
        let outcome = world.outcome(1);
        assert_eq!((outcome.keys.to_string().as_str(), outcome.rtp.strangers), ("5", 2));
        assert!(
            outcome.rtp.lost == Some(6) && outcome.rtp.jitter_us > Some(0),
            "{:?}",
            outcome.rtp
        );
        (format!("{outcome:?}"), counted)
    };
    assert_eq!(run(true), run(false));
}

/// Goal: what was thrown away before it came here is not taken for lost, not even when it comes
/// again: how much was lost is then not known. Without that it would be taken for lost.
#[test]
fn sound_that_is_dropped_on_purpose_is_not_lost() {
    let lost = |drops: bool| {
        let mut callee = Callee::new(usual_description());
        for at in (0..20_u16).chain(60..80) {
            let bytes = packet(8, at, u32::from(at) * 160, &[0xD5; 160]);
            callee = callee.then(100 + 20 * u64::from(at), Act::Rtp(bytes));
        }
        let mut world = World::with(1, Limits::default(), carrier_config(1));
        world.add_peer(callee);
        world.start(call_to(1, "callee", address(CALLEE_SIP)));
        world.run_for(Duration::from_millis(900));
        world.engine.drops_sound(0, drops);
        world.run_for(Duration::from_millis(300));
        world.engine.drops_sound(0, false);
        world.run_until_quiet();
        let outcome = world.outcome(1);
        assert_eq!(outcome.rtp.received, 40);
        assert_eq!(outcome.rtp.jitter_us.is_none(), drops, "known as the loss is");
        outcome.rtp.lost
    };
    assert_eq!((lost(true), lost(false)), (None, Some(40)));
}

#[test]
fn a_bye_with_a_cause_keeps_it() {
    let mut world = World::new();
    world.add_peer(
        Callee::new(usual_description())
            .then(1_000, Act::Bye("Reason: Q.850;cause=31;text=\"normal\"\r\n")),
    );
    world.start(call_to(1, "callee", address(CALLEE_SIP)));
    world.run_until_quiet();
    let outcome = world.outcome(1);
    assert_eq!((outcome.cause, outcome.q850), (Cause::CalleeHungUp, Some(31)));
    assert!((960..=1_040).contains(&outcome.heard_ms), "{}", outcome.heard_ms);
}

#[test]
fn two_calls_with_one_remote_address_on_one_port_are_counted_as_ambiguous() {
    let mut world = World::with(1, engine::Limits::default(), crate::world::carrier_config(4));
    world.add_peer(Callee::new(usual_description()));
    world.start(call_to(1, "callee", address(CALLEE_SIP)));
    world.run_for(Duration::from_millis(100));
    world.start(call_to(2, "callee", address(CALLEE_SIP)));
    world.run_until_quiet();
    assert!(!world.outcome(1).rtp.ambiguous);
    assert!(world.outcome(2).rtp.ambiguous);
    assert_eq!(world.counter("rtp_ambiguous_sources"), 1);
    assert_eq!(world.outcome(2).heard_ms, 2_000);
}

/// Goal: an address that one call names for its reports (its port and one, as nothing else is said)
/// and another for its sound is the latter's: its keys are its own.
#[test]
fn an_address_of_reports_is_not_one_of_sound() {
    let mut world = World::with(1, engine::Limits::default(), crate::world::carrier_config(4));
    let (sip, media) = ("192.0.2.51:5060", "192.0.2.50:40001");
    let other = usual_description().replace("40000", "40001");
    world.add_peer(Callee::new(usual_description()));
    world.add_peer(Callee::at(sip, media, other).press(500, '5'));
    world.start(call_to(1, "callee", address(CALLEE_SIP)));
    world.run_for(Duration::from_millis(100));
    world.start(call_to(2, "callee", address(sip)));
    world.run_until_quiet();
    assert!(!world.outcome(2).rtp.ambiguous);
    let keys = [1, 2].map(|call| world.outcome(call).keys.to_string());
    assert_eq!(keys, ["", "5"]);
}

#[test]
fn a_trunk_that_prefers_g722_hears_the_message_in_it_to_the_last_sample() {
    let answer = "40000 RTP/AVP 9";
    let callee = Callee::new(description("192.0.2.50", answer, "a=rtpmap:9 G722/8000\r\n"));
    let mut world = World::new();
    let callee = world.add_peer(callee);
    let mut spec = call_to(1, "callee", address(CALLEE_SIP));
    spec.codecs = vec![Codec::G722, Codec::Pcma];
    let clip = clip_of_frames(100);
    world.start(spec);
    world.run_until_quiet();
    let outcome = world.outcome(1);
    assert_eq!((outcome.cause, outcome.codec), (Cause::Played, Some(Codec::G722)));
    let rtp = &callee.borrow().rtp;
    assert!(rtp.iter().all(|(_, _, bytes)| bytes[1] & 0x7F == 9 && bytes.len() == 172));
    let heard: Vec<u8> = rtp.iter().flat_map(|(_, _, bytes)| bytes[12..].to_vec()).collect();
    let wanted = clip.encoded(Codec::G722).encoded();
    assert_eq!(&heard[..wanted.len()], wanted);
    assert!(heard[wanted.len()..].iter().all(|&byte| byte == Codec::G722.silence()));
    // Frames are 20 ms of the clock that RFC 3551 §4.5.2 asks for, not of the true one.
    let stamp = |at: usize| Packet::parse(&rtp[at].2).unwrap().header.timestamp;
    assert_eq!(stamp(1).wrapping_sub(stamp(0)), 160);
}

#[test]
fn keys_come_by_info_too_and_count_once_when_they_come_both_ways() {
    let relay = "application/dtmf-relay";
    let mut callee = Callee::new(usual_description())
        .then(300, Act::Info(relay, "Signal=5\r\nDuration=160\r\n"))
        .then(500, Act::Info(relay, "signal = 11\n"))
        .then(700, Act::Info("Application/DTMF; x=y", "*"))
        .then(800, Act::Info("application/dtmf", "15"))
        .then(810, Act::Info("application/dtmf", "flash"))
        .then(820, Act::Info("text/plain", "5"))
        .then(830, Act::Info("text/plain", ""));
    // The 9 comes by RTP and, 60 ms later, by INFO; then again by INFO alone.
    for (index, event) in (0_u16..).zip(KeyPress::new(Key::from_char('9').unwrap(), 7_200, 3)) {
        let bytes = packet(101, 50 + index, event.timestamp, &event.payload);
        callee = callee.then(900 + 20 * u64::from(index), Act::Rtp(bytes));
        if index == 3 {
            callee = callee.then(960, Act::Info(relay, "Signal=9"));
        }
    }
    callee = callee.then(1_200, Act::Info(relay, "Signal=9"));
    let mut world = World::new();
    let callee = world.add_peer(callee);
    world.start(call_to(1, "callee", address(CALLEE_SIP)));
    world.run_until_quiet();
    assert_eq!(world.outcome(1).keys.to_string(), "5#*D99");
    let log = callee.borrow().log.clone();
    let codes: Vec<&str> =
        log.iter().map(String::as_str).filter(|line| line.parse::<u16>().is_ok()).collect();
    assert_eq!(codes, ["200", "200", "200", "200", "400", "415", "200", "200", "200"]);
}
