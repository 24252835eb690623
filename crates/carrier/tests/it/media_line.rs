//! Goal: offers of every kind, re-offers, limits of ports and recording.

use carrier::{Ending, Event, Input, Limits, PortSlot, SendAudio};
use media::Codec;
use media::rtp::Header;
use sip::{Credentials, Headers};

use crate::world::{CALLER_RTP, CALLER_SIP, CARRIER_SIP, Caller, World, address, config};

#[test]
fn silence_comes_back_when_asked_for() {
    let config = carrier::Config { send_audio: SendAudio::Always, ..config() };
    let mut world = World::new(config, Caller::default());
    world.dial("09121234567");
    world.run_to_the_end();
    assert!((99..=102).contains(&world.received.len()), "{}", world.received.len());
    let silence = [Codec::Pcma.silence(); 160];
    assert!(world.received.iter().all(|(_, bytes)| bytes[12..] == silence));
}

#[test]
fn an_invite_without_offer_gets_one() {
    let mut world = World::new(config(), Caller { offers: false, ..Caller::default() });
    world.dial("09990000200");
    world.run_until_ms(100);
    assert_eq!(world.said()[0], "answered");
    world.hang_up();
    world.run_to_the_end();
}

#[test]
fn strangers_are_not_heard() {
    let mut world = World::new(config(), Caller::default());
    world.dial("09990000200");
    let header = Header { marker: false, payload_type: 8, sequence: 1, timestamp: 0, ssrc: 1 };
    let packet = [&header.write()[..], &[1; 160]].concat();
    // Before the caller's own first packet, and later.
    world.run_until_ms(2);
    let source = address("203.0.113.9:30000");
    world.feed(Input::Rtp { port: PortSlot(0), source, bytes: &packet });
    world.run_until_ms(500);
    let other_type = [&Header { payload_type: 18, ..header }.write()[..], &[1; 20]].concat();
    for (source, bytes) in [
        ("203.0.113.9:30000", &packet[..]),
        ("192.0.2.1:30002", &packet[..]),
        (CALLER_RTP, &other_type[..]),
        (CALLER_RTP, b"garbage"),
    ] {
        world.feed(Input::Rtp { port: world.port(), source: address(source), bytes });
    }
    for port in [PortSlot(3), PortSlot(4), PortSlot(usize::MAX)] {
        world.feed(Input::Rtp { port, source: address(CALLER_RTP), bytes: &packet });
    }
    world.run_to_the_end();
    assert_eq!(world.heard().audio, world.caller.clip.encoded());
    assert_eq!(world.heard().report.refused, 5);
    assert_eq!(world.carrier.counters().rtp_without_call, 3);
}

#[test]
fn audio_before_the_answer_is_counted_and_not_kept() {
    let mut world = World::new(config(), Caller::default());
    world.dial("09121234567");
    world.run_until_ms(500);
    let header = Header { marker: false, payload_type: 8, sequence: 1, timestamp: 0, ssrc: 1 };
    let packet = [&header.write()[..], &[1; 160]].concat();
    let source = address(CALLER_RTP);
    world.feed(Input::Rtp { port: PortSlot(0), source, bytes: &packet });
    world.run_to_the_end();
    assert_eq!(world.heard().report.before_answer, 1);
    assert_eq!(world.heard().audio, world.caller.clip.encoded());
}

#[test]
fn recording_stops_at_its_limits_and_counting_does_not() {
    let one_call = Limits { recorded_ms: 500, ..Limits::default() };
    let all_calls = Limits { recorded_bytes: 4_000, ..Limits::default() };
    for limits in [one_call, all_calls] {
        let mut world = World::new(carrier::Config { limits, ..config() }, Caller::default());
        world.dial("09121234567");
        world.run_to_the_end();
        let heard = world.heard();
        assert_eq!((heard.duration_ms(), heard.truncated), (500, true));
        assert_eq!(heard.report.received.received, 100);
    }
}

#[test]
fn nothing_is_kept_when_recording_is_off() {
    let mut world = World::new(carrier::Config { record: false, ..config() }, Caller::default());
    world.dial("09121234567");
    world.run_until_ms(2_000);
    assert_eq!(world.carrier.live().recorded_bytes, 0);
    world.run_to_the_end();
    assert!(!world.events.iter().any(|event| matches!(event, Event::Heard(_))));
    let received = world.events.iter().find_map(|event| match event {
        Event::CallEnded { report, .. } => Some(report.received.received),
        _ => None,
    });
    assert_eq!(received, Some(100));
}

#[test]
fn keys_of_the_caller_are_heard() {
    use media::telephone_event::{Key, KeyPress};
    let mut world = World::new(config(), Caller { hangs_up: false, ..Caller::default() });
    world.dial("09990000200");
    world.run_until_ms(100);
    for (n, name) in "19#".chars().enumerate() {
        let timestamp = 1_600 * u32::try_from(n).unwrap();
        for (m, packet) in KeyPress::new(Key::from_char(name).unwrap(), timestamp, 4).enumerate() {
            let sequence = u16::try_from(n * 10 + m).unwrap();
            let header =
                Header { marker: packet.marker, payload_type: 101, sequence, timestamp, ssrc: 5 };
            let bytes = [&header.write()[..], &packet.payload].concat();
            let source = address(CALLER_RTP);
            world.feed(Input::Rtp { port: world.port(), source, bytes: &bytes });
        }
    }
    world.hang_up();
    world.run_to_the_end();
    assert_eq!(world.heard().keys, "19#");
}

#[test]
fn options_are_answered() {
    let mut world = World::new(config(), Caller::default());
    let mut out = sip::Outputs::default();
    let uri = sip::Uri::sip("", address(CARRIER_SIP));
    let request = sip::OutOfDialog {
        method: sip::Method::Options,
        destination: address(CARRIER_SIP),
        uri: uri.clone(),
        from: uri.clone().into(),
        to: uri.into(),
        call_id: None,
        cseq: 1,
        headers: Headers::new(),
        body: vec![],
        credentials: None::<Credentials>,
    };
    world.uac.request(world.now, request, &mut out).unwrap();
    let bytes = out.transmits[0].bytes.clone();
    let out = world.feed(Input::Sip { source: address(CALLER_SIP), bytes: &bytes });
    assert!(out.sip[0].bytes.starts_with(b"SIP/2.0 200 "));
    world.after_carrier(out);
    world.run_to_the_end();
}

#[test]
fn a_call_ends_once_however_it_goes() {
    for hang_up_at_ms in [1, 2, 3, 500, 1_000, 1_001, 1_002, 1_003, 1_500] {
        let mut world = World::new(config(), Caller { hangs_up: false, ..Caller::default() });
        world.dial("09121234567");
        world.run_until_ms(hang_up_at_ms);
        world.hang_up();
        world.run_to_the_end();
        let endings: Vec<_> = world
            .events
            .iter()
            .filter_map(|event| match event {
                Event::CallEnded { ending, .. } => Some(*ending),
                _ => None,
            })
            .collect();
        assert_eq!(endings.len(), 1, "hung up at {hang_up_at_ms} ms");
        let answered = world.events.iter().any(|event| matches!(event, Event::CallAnswered { .. }));
        let expected = if answered { Ending::CallerHungUp } else { Ending::Cancelled };
        assert_eq!(endings[0], expected, "hung up at {hang_up_at_ms} ms");
    }
}
