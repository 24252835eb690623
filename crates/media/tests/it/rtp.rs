//! Goal: RTP of any peer is read or refused without a panic, and loss, order and jitter are
//! counted as RFC 3550 appendix A says.

use std::time::{Duration, Instant};

use media::rtp::{Header, Malformed, Packet, Receiver, Sender};
use proptest::prelude::*;

#[expect(clippy::disallowed_methods, reason = "the only way to get a first instant")]
fn epoch() -> Instant {
    Instant::now()
}

fn header(sequence: u16, timestamp: u32) -> Header {
    Header { marker: false, payload_type: 8, sequence, timestamp, ssrc: 7 }
}

#[test]
fn a_packet_with_everything_in_it_yields_its_payload() {
    let mut bytes = header(1, 2).write().to_vec();
    bytes[0] |= 0x20 | 0x10 | 2;
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&[0xBE, 0xDE, 0, 1, 9, 9, 9, 9]);
    bytes.extend_from_slice(b"audio");
    bytes.extend_from_slice(&[0, 0, 3]);
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.header, header(1, 2));
    assert_eq!(packet.payload, b"audio");
}

#[test]
fn what_is_not_rtp_is_refused_by_name() {
    let good = header(1, 2).write();
    let with_flags = |flags: u8, tail: &[u8]| {
        let mut bytes = good.to_vec();
        bytes[0] |= flags;
        bytes.extend_from_slice(tail);
        Packet::parse(&bytes).map(|packet| packet.payload.len())
    };
    assert_eq!(Packet::parse(&good[..11]), Err(Malformed::Short));
    assert_eq!(Packet::parse(&[0; 20]), Err(Malformed::Version));
    assert_eq!(with_flags(3, &[0; 11]), Err(Malformed::Short));
    assert_eq!(with_flags(0x10, &[0, 0, 0]), Err(Malformed::Short));
    assert_eq!(with_flags(0x10, &[0, 0, 0xFF, 0xFF, 1]), Err(Malformed::Short));
    assert_eq!(with_flags(0x20, &[]), Err(Malformed::Padding));
    assert_eq!(with_flags(0x20, &[1, 0]), Err(Malformed::Padding));
    assert_eq!(with_flags(0x20, &[1, 3]), Err(Malformed::Padding));
    assert_eq!(with_flags(0x20, &[1, 2]), Ok(0));
    let mut rtcp = good;
    rtcp[1] = 200;
    assert_eq!(Packet::parse(&rtcp), Err(Malformed::Rtcp));
}

#[test]
fn the_sender_marks_the_first_packet_and_wraps_its_counters() {
    let mut sender = Sender::new(7, u16::MAX, u32::MAX - 159);
    let first = sender.frame(8);
    assert!(first.marker);
    assert_eq!((first.sequence, first.timestamp), (u16::MAX, u32::MAX - 159));
    let second = sender.frame(8);
    assert!(!second.marker);
    assert_eq!((second.sequence, second.timestamp), (0, 0));
    sender.pause();
    let third = sender.frame(8);
    assert!(third.marker, "a pause begins a new talk spurt");
    assert_eq!((third.sequence, third.timestamp), (1, 320));
    let event = sender.event(101, 480, true);
    assert_eq!((event.sequence, event.timestamp, event.payload_type), (2, 480, 101));
    assert_eq!(sender.timestamp(), 640);
}

/// Feeds packets that were sent every 20 ms and took `delay_ms` each.
fn receive(packets: &[(u16, u64)]) -> Receiver {
    let start = epoch();
    let mut receiver = Receiver::new();
    for &(sequence, delay_ms) in packets {
        let sent_ms = u64::from(sequence) * 20;
        let now = start + Duration::from_millis(sent_ms + delay_ms);
        receiver.receive(now, &header(sequence, u32::from(sequence) * 160));
    }
    receiver
}

#[test]
fn loss_and_order_are_counted_by_sequence_number() {
    let report = receive(&[(10, 0), (11, 0), (13, 0), (12, 30), (16, 0)]).report();
    assert_eq!((report.received, report.lost, report.reordered), (5, 2, 1));
    let whole = receive(&[(1, 0), (2, 0), (3, 0)]).report();
    assert_eq!((whole.lost, whole.reordered, whole.jitter_samples), (0, 0, 0));
}

#[test]
fn counting_goes_on_over_the_wrap_of_the_sequence() {
    let now = epoch();
    let mut receiver = Receiver::new();
    for sequence in [65_533_u16, 65_534, 1, 0, 2] {
        receiver.receive(now, &header(sequence, 0));
    }
    let report = receiver.report();
    assert_eq!((report.received, report.lost, report.reordered), (5, 1, 1));
    assert_eq!(report.restarts, 0);
}

#[test]
fn a_new_source_or_a_jump_starts_over_and_keeps_what_was_lost() {
    let now = epoch();
    let mut receiver = Receiver::new();
    receiver.receive(now, &header(1, 0));
    receiver.receive(now, &header(3, 0));
    receiver.receive(now, &Header { ssrc: 8, ..header(500, 0) });
    receiver.receive(now, &Header { ssrc: 8, ..header(40_000, 0) });
    receiver.receive(now, &Header { ssrc: 8, ..header(40_001, 0) });
    let report = receiver.report();
    assert_eq!((report.received, report.lost, report.restarts), (5, 1, 2));
}

#[test]
fn jitter_converges_as_in_appendix_a_8() {
    // Delays alternate by 10 ms: |D| is 80 samples each time, and J tends to 80.
    let packets: Vec<(u16, u64)> =
        (0..400).map(|sequence| (sequence, u64::from(sequence % 2) * 10)).collect();
    let jitter = receive(&packets).report().jitter_samples;
    assert!((78..=80).contains(&jitter), "jitter was {jitter}");
}

proptest! {
    #[test]
    fn headers_survive_the_wire(
        marker: bool, payload_type in 0_u8..64, sequence: u16, timestamp: u32, ssrc: u32,
        payload: Vec<u8>,
    ) {
        let header = Header { marker, payload_type, sequence, timestamp, ssrc };
        let mut bytes = header.write().to_vec();
        bytes.extend_from_slice(&payload);
        let packet = Packet::parse(&bytes).unwrap();
        prop_assert_eq!(packet.header, header);
        prop_assert_eq!(packet.payload, &payload[..]);
    }

    #[test]
    fn parsing_never_panics(mut bytes: Vec<u8>, flags: u8) {
        let _ = Packet::parse(&bytes);
        if let Some(first) = bytes.first_mut() {
            *first = 0x80 | flags & 0x3F;
        }
        let _ = Packet::parse(&bytes);
    }

    #[test]
    fn counting_never_panics(packets: Vec<(u16, u32, bool, u32)>) {
        let start = epoch();
        let mut receiver = Receiver::new();
        for (sequence, timestamp, other, at_ms) in packets {
            let ssrc = u32::from(other);
            let now = start + Duration::from_millis(u64::from(at_ms));
            receiver.receive(now, &Header { ssrc, ..header(sequence, timestamp) });
        }
        let report = receiver.report();
        prop_assert!(report.reordered <= report.received);
    }
}
