//! Goal: callers that write their messages by hand, where our own caller cannot: no offer in the
//! INVITE, hold, re-offers, audio out of order, a crowd of calls.

use carrier::{Event, Heard, Input, Outputs, PortSlot, SendAudio};
use media::rtp::Header;
use media::sdp::{self, Description, Direction};

use crate::world::{CALLER_RTP, CALLER_SIP, CARRIER_SIP, Caller, World, address, config};

const A_LAW: &str = "m=audio 30000 RTP/AVP 8\r\n";
const MU_LAW: &str = "m=audio 30000 RTP/AVP 0\r\n";
/// The bits of the payload type in the second byte of an RTP header; µ-law is 0.
const PAYLOAD_TYPE: u8 = 0x7F;

fn world(config: carrier::Config) -> World {
    World::new(config, Caller::default())
}

fn body(media: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n{media}")
}

/// A request of call `n`; an empty `body` is none.
fn request(method: &str, number: &str, n: u32, cseq: u32, to_tag: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} sip:{number}@{CARRIER_SIP} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {CALLER_SIP};branch=z9hG4bK{method}{n}-{cseq}\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:2100@{CALLER_SIP}>;tag=t{n}\r\n\
         To: <sip:{number}@{CARRIER_SIP}>{to_tag}\r\n\
         Call-ID: raw-{n}\r\n\
         CSeq: {cseq} {method}\r\n\
         Contact: <sip:{CALLER_SIP}>\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn invite(number: &str, media: &str, n: u32) -> Vec<u8> {
    request("INVITE", number, n, 1, "", &body(media))
}

fn send(world: &mut World, bytes: &[u8]) -> Outputs {
    let mut out = world.feed(Input::Sip { source: address(CALLER_SIP), bytes });
    world.events.append(&mut out.events);
    out
}

/// The last message sent, as text, with its body.
fn last(out: &Outputs) -> (String, String) {
    let text = String::from_utf8(out.sip.last().unwrap().bytes.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn to_tag(head: &str) -> String {
    let line = head.lines().find(|line| line.starts_with("To:")).unwrap();
    line[line.find(";tag=").unwrap()..].to_owned()
}

/// Calls the number that answers at once and acknowledges; gives the To tag and our answer.
fn answered(world: &mut World, media: &str) -> (String, String) {
    let out = send(world, &invite("09990000200", media, 1));
    let (head, body) = last(&out);
    assert!(head.starts_with("SIP/2.0 200 "), "{head}");
    let tag = to_tag(&head);
    send(world, &request("ACK", "09990000200", 1, 1, &tag, ""));
    (tag, body)
}

/// Frame `n` of a source, filled with one byte.
fn rtp(world: &mut World, ssrc: u32, payload_type: u8, timestamp: u32, byte: u8) {
    let sequence = u16::try_from(timestamp / 160 % 65_536).unwrap();
    let header = Header { marker: false, payload_type, sequence, timestamp, ssrc };
    let bytes = [&header.write()[..], &[byte; 160]].concat();
    let source = address(CALLER_RTP);
    world.feed(Input::Rtp { port: PortSlot(0), source, bytes: &bytes });
}

fn bye(world: &mut World, cseq: u32, tag: &str) -> Heard {
    let out = send(world, &request("BYE", "09990000200", 1, cseq, tag, ""));
    assert!(last(&out).0.starts_with("SIP/2.0 200 "));
    let heard = world.heard().clone();
    world.run_to_the_end();
    heard
}

/// The first byte of each frame that was kept.
fn frames(heard: &Heard) -> Vec<u8> {
    heard.audio.chunks(160).map(|frame| frame[0]).collect()
}

#[test]
fn an_offer_with_nothing_for_us_is_refused() {
    let mut world = world(config());
    let out = send(&mut world, &invite("09121234567", "m=audio 30000 RTP/AVP 18\r\n", 1));
    assert!(last(&out).0.starts_with("SIP/2.0 488 "));
    assert!(world.events.is_empty());
    assert_eq!(world.carrier.counters().refused_offer, 1);
    let live = world.carrier.live();
    assert_eq!((live.calls, live.ports), (0, 0));
    world.run_to_the_end();
}

#[test]
fn no_more_calls_are_answered_than_there_are_ports() {
    let mut world = world(config());
    for n in 0..6 {
        let out = send(&mut world, &invite("09121234567", A_LAW, n));
        let (head, _) = last(&out);
        let expected = if n < 4 { "SIP/2.0 180 " } else { "SIP/2.0 503 " };
        assert!(head.starts_with(expected), "call {n}: {head}");
        assert_eq!(head.contains("Retry-After: 2"), n >= 4);
    }
    assert_eq!(world.carrier.live().ports, 4);
    assert_eq!(world.carrier.counters().refused_full, 2);
    // Nobody acknowledges the answers: every call ends by itself.
    world.run_to_the_end();
    assert_eq!(world.events.len(), 4 * 4, "started, answered, ended, heard");
}

#[test]
fn a_freed_port_rests_while_others_are_free() {
    let mut world = world(config());
    let (tag, first) = answered(&mut world, A_LAW);
    bye(&mut world, 2, &tag);
    let (head, second) = last(&send(&mut world, &invite("09990000200", A_LAW, 2)));
    let port = |body: &str| Description::parse(body.as_bytes()).unwrap().media[0].port;
    assert_ne!(port(&first), port(&second), "late packets of the last call find nobody");
    send(&mut world, &request("ACK", "09990000200", 2, 1, &to_tag(&head), ""));
    world.run_to_the_end();
}

#[test]
fn numbers_that_refuse_need_no_port() {
    let mut world = world(carrier::Config { media_ports: vec![], ..config() });
    let out = send(&mut world, &invite("09990000486", A_LAW, 1));
    assert!(last(&out).0.starts_with("SIP/2.0 486 "));
    world.run_to_the_end();
}

#[test]
fn answers_of_a_lossy_number_are_lost_too() {
    let ports = (0..400).map(|n| 20_000 + 2 * n).collect();
    let mut world = world(carrier::Config { media_ports: ports, ..config() });
    let mut sent = 0;
    for n in 0..300 {
        sent += send(&mut world, &invite("09990000010", A_LAW, n)).sip.len();
    }
    // Each call that got in sends 180.
    let (started, lost) = (world.events.len(), world.events.len() - sent);
    assert!((250..290).contains(&started), "{started} of 300 came in");
    assert!((15..45).contains(&lost), "{lost} of {started} were lost going out");
}

#[test]
fn an_answer_in_the_ack_is_understood() {
    let mut world = world(carrier::Config { send_audio: SendAudio::Always, ..config() });
    let out = send(&mut world, &request("INVITE", "09990000200", 1, 1, "", ""));
    let (head, offer) = last(&out);
    let offer = Description::parse(offer.as_bytes()).unwrap();
    assert_eq!(offer.media[0].formats, "8 0 101");
    world.run_until_ms(100);
    assert!(world.received.is_empty(), "nobody has said where to");
    let tag = to_tag(&head);
    send(&mut world, &request("ACK", "09990000200", 1, 1, &tag, &body(MU_LAW)));
    world.run_until_ms(200);
    assert!(!world.received.is_empty());
    rtp(&mut world, 1, 0, 0, 7);
    assert_eq!(frames(&bye(&mut world, 2, &tag)), [7]);
}

#[test]
fn a_caller_on_hold_gets_no_audio_until_it_comes_back() {
    let mut world = world(carrier::Config { send_audio: SendAudio::Always, ..config() });
    let (tag, answer) = answered(&mut world, &format!("{A_LAW}a=sendonly\r\n"));
    let negotiated = sdp::read_answer(&world.local(), answer.as_bytes()).unwrap();
    assert_eq!(negotiated.direction, Direction::SendOnly, "seen from the caller");
    world.run_until_ms(1_000);
    assert!(world.received.is_empty());
    // It comes back with another codec.
    let again = request("INVITE", "09990000200", 1, 2, &tag, &body(MU_LAW));
    let out = send(&mut world, &again);
    let (head, second) = last(&out);
    assert!(head.starts_with("SIP/2.0 200 "), "{head}");
    send(&mut world, &request("ACK", "09990000200", 1, 2, &tag, ""));
    let version =
        |body: &str| Description::parse(body.as_bytes()).unwrap().session_version.parse::<u64>();
    assert_eq!(version(&second).unwrap(), version(&answer).unwrap() + 1);
    world.run_until_ms(1_500);
    assert!((24..=35).contains(&world.received.len()), "{}", world.received.len());
    let is_silence = |bytes: &[u8]| bytes[1] & PAYLOAD_TYPE == 0 && bytes[12] == 0xFF;
    assert!(world.received.iter().all(|(_, bytes)| is_silence(bytes)));
    bye(&mut world, 3, &tag);
}

#[test]
fn a_re_offer_with_nothing_for_us_leaves_the_call_as_it_was() {
    let mut world = world(config());
    let (tag, _) = answered(&mut world, A_LAW);
    let again = request("INVITE", "09990000200", 1, 2, &tag, &body("m=image 9 udptl t38\r\n"));
    let out = send(&mut world, &again);
    assert!(last(&out).0.starts_with("SIP/2.0 488 "));
    send(&mut world, &request("ACK", "09990000200", 1, 2, &tag, ""));
    rtp(&mut world, 1, 8, 0, 9);
    assert_eq!(frames(&bye(&mut world, 3, &tag)), [9]);
}

#[test]
fn a_caller_on_hold_may_be_silent_for_long() {
    let mut world = world(config());
    let (tag, _) = answered(&mut world, &format!("{A_LAW}a=inactive\r\n"));
    world.run_until_ms(600_000);
    assert_eq!(world.carrier.live().calls, 1);
    bye(&mut world, 2, &tag);
}

#[test]
fn audio_stands_where_its_timestamp_says() {
    let mut world = world(config());
    let (tag, _) = answered(&mut world, A_LAW);
    let first = u32::MAX - 159;
    for (frame, byte) in [(1, 1), (0, 99), (3, 3), (2, 2), (6, 6)] {
        rtp(&mut world, 1, 8, first.wrapping_add(160 * frame), byte);
    }
    let heard = bye(&mut world, 2, &tag);
    // Frame 0 came after frame 1, with which the recording had begun.
    assert_eq!(frames(&heard), [1, 2, 3, 0xD5, 0xD5, 6]);
    assert_eq!(heard.report.received.received, 5);
}

#[test]
fn another_source_or_a_jumping_clock_goes_on_where_the_audio_ends() {
    let mut world = world(config());
    let (tag, _) = answered(&mut world, A_LAW);
    for (ssrc, timestamp, byte) in [(1, 0, 1), (2, 777, 2), (2, 937, 3), (2, 3_000_000_000, 4)] {
        rtp(&mut world, ssrc, 8, timestamp, byte);
    }
    for (ssrc, timestamp, byte) in [(2, 3_000_000_160, 5), (2, 3_000_100_160, 6)] {
        rtp(&mut world, ssrc, 8, timestamp, byte);
    }
    let heard = bye(&mut world, 2, &tag);
    assert_eq!(frames(&heard), [1, 2, 3, 4, 5, 6]);
    assert_eq!(heard.report.received.restarts, 2);
}

#[test]
fn a_recording_keeps_the_codec_it_began_with() {
    let mut world = world(config());
    let (tag, _) = answered(&mut world, A_LAW);
    rtp(&mut world, 1, 8, 0, 0x2A);
    let again = request("INVITE", "09990000200", 1, 2, &tag, &body(MU_LAW));
    send(&mut world, &again);
    send(&mut world, &request("ACK", "09990000200", 1, 2, &tag, ""));
    rtp(&mut world, 1, 0, 160, 0x00);
    let heard = bye(&mut world, 3, &tag);
    assert_eq!(frames(&heard), [0x2A, 0x2A], "the loudest of A-law, then the loudest of µ-law");
    assert!(world.events.iter().any(|event| matches!(event, Event::CallEnded { .. })));
}
