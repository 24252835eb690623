//! Goal: offers of every kind, re-offers, limits of ports and recording.

use carrier::{Ending, Event, Input, Limits, PortSlot, SendAudio};
use media::rtp::Header;
use media::sdp::Direction;
use media::{Codec, sdp};
use sip::{Credentials, Headers};

use crate::world::{CALLER_RTP, CALLER_SIP, CARRIER_SIP, Caller, World, address, clip, config};

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
fn an_offer_with_nothing_for_us_is_refused() {
    let mut world = World::new(config(), Caller::default());
    let invite = raw_invite("09121234567", "m=audio 30000 RTP/AVP 18\r\n", 1);
    let out = world.feed(Input::Sip { source: address(CALLER_SIP), bytes: &invite });
    let last = String::from_utf8(out.sip.last().unwrap().bytes.to_vec()).unwrap();
    assert!(last.starts_with("SIP/2.0 488 "), "{last}");
    assert!(out.events.is_empty());
    let live = world.carrier.live();
    assert_eq!((live.calls, live.ports), (0, 0));
}

#[test]
fn no_more_calls_are_answered_than_there_are_ports() {
    let mut world = World::new(config(), Caller::default());
    for n in 0..6 {
        let invite = raw_invite("09121234567", "m=audio 30000 RTP/AVP 8\r\n", n);
        let out = world.feed(Input::Sip { source: address(CALLER_SIP), bytes: &invite });
        let last = String::from_utf8(out.sip.last().unwrap().bytes.to_vec()).unwrap();
        let expected = if n < 4 { "SIP/2.0 180 " } else { "SIP/2.0 503 " };
        assert!(last.starts_with(expected), "call {n}: {last}");
        assert_eq!(last.contains("Retry-After: 2\r\n"), n >= 4);
    }
    assert_eq!(world.carrier.live().ports, 4);
    assert_eq!(world.carrier.counters().refused_full, 2);
    // Nobody acknowledges the answers: every call ends by itself.
    world.run_to_the_end();
}

/// An INVITE as a simple caller writes it.
fn raw_invite(number: &str, media: &str, n: u32) -> Vec<u8> {
    let body = format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n{media}");
    format!(
        "INVITE sip:{number}@{CARRIER_SIP} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {CALLER_SIP};branch=z9hG4bK{n}\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:2100@{CALLER_SIP}>;tag=t{n}\r\n\
         To: <sip:{number}@{CARRIER_SIP}>\r\n\
         Call-ID: raw-{n}\r\n\
         CSeq: 1 INVITE\r\n\
         Contact: <sip:{CALLER_SIP}>\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[test]
fn strangers_are_not_heard() {
    let mut world = World::new(config(), Caller::default());
    world.dial("09990000200");
    world.run_until_ms(500);
    let header = Header { marker: false, payload_type: 8, sequence: 1, timestamp: 0, ssrc: 1 };
    let packet = [&header.write()[..], &[1; 160]].concat();
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
    assert_eq!(world.heard().report.refused, 4);
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
fn a_caller_on_hold_gets_no_audio() {
    let config = carrier::Config { send_audio: SendAudio::Always, ..config() };
    let caller = Caller { clip: clip(Codec::Pcma, 5_000), ..Caller::default() };
    let mut world = World::new(config, caller);
    let invite = raw_invite("09990000200", "m=audio 30000 RTP/AVP 8\r\na=sendonly\r\n", 1);
    let out = world.feed(Input::Sip { source: address(CALLER_SIP), bytes: &invite });
    let answer = &out.sip.last().unwrap().bytes;
    let body = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let negotiated = sdp::read_answer(&world.local(), &answer[body..]).unwrap();
    assert_eq!(negotiated.direction, Direction::SendOnly, "seen from the caller");
    world.run_to_the_end();
    assert!(world.received.is_empty());
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
