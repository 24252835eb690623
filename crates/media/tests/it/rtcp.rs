//! Goal: both sides of a call learn how the other hears them, and no packet of a stranger panics.

use std::time::{Duration, Instant};

use media::rtp::rtcp::{Received, Report, ReportBlock, SenderInfo, is_rtcp, parse};
use media::rtp::{Header, Receiver, Reporter};
use proptest::prelude::*;

const OURS: u32 = 0xAABB_CCDD;
const THEIRS: u32 = 0x1122_3344;

fn origin() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "any instant does as the origin")]
    Instant::now()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_sender_report_has_the_bytes_of_the_standard() {
    let report = Report {
        ssrc: OURS,
        sender: Some(SenderInfo {
            ntp: 0x0102_0304_0506_0708,
            timestamp: 9,
            packets: 2,
            bytes: 320,
        }),
        block: Some(ReportBlock {
            ssrc: THEIRS,
            fraction_lost: 64,
            lost: -2,
            highest: 0x0001_0002,
            jitter: 5,
            last_report: 6,
            delay: 7,
        }),
        cname: "abcd",
        bye: true,
    };
    let expected = [
        &b"\x81\xC8\x00\x0C\xAA\xBB\xCC\xDD\x01\x02\x03\x04\x05\x06\x07\x08"[..],
        b"\x00\x00\x00\x09\x00\x00\x00\x02\x00\x00\x01\x40",
        b"\x11\x22\x33\x44\x40\xFF\xFF\xFE\x00\x01\x00\x02\x00\x00\x00\x05",
        b"\x00\x00\x00\x06\x00\x00\x00\x07",
        b"\x81\xCA\x00\x03\xAA\xBB\xCC\xDD\x01\x04abcd\x00\x00",
        b"\x81\xCB\x00\x01\xAA\xBB\xCC\xDD",
    ]
    .concat();
    assert_eq!(report.write(), expected);
    let received = parse(&expected, THEIRS).unwrap();
    assert_eq!(received.sender, Some((OURS, 0x0304_0506)));
    assert_eq!((received.about_us, received.bye), (report.block, true));
    assert_eq!(parse(&expected, 1).unwrap().about_us, None, "another source is meant");
}

#[test]
fn what_is_no_report_is_told_apart() {
    let packet = Header { marker: true, payload_type: 8, sequence: 1, timestamp: 1, ssrc: 1 };
    assert!(!is_rtcp(&packet.write()));
    assert_eq!(parse(b"\x81\xCB\x00\x01\xAA\xBB\xCC\xDD", OURS), None, "a goodbye alone");
    assert_eq!(parse(b"\x80\xC9\x00\x01\x00\x00", OURS), None, "too short");
    // A report whose blocks are cut off, and one whose length goes beyond the datagram.
    let cut = b"\x82\xC9\x00\x01\x00\x00\x00\x01";
    assert_eq!(parse(cut, OURS), Some(Received::default()));
    assert_eq!(parse(b"\x81\xC9\xFF\xFF\x00\x00\x00\x01", OURS), Some(Received::default()));
}

/// Two callers with a network between them that takes 30 ms one way and 50 ms the other, and loses
/// every `lost`th packet on the first.
#[test]
fn the_round_trip_and_the_loss_are_those_of_the_network() {
    let start = origin();
    for lost in [0_u16, 10, 4] {
        let (mut we, mut they) = (Reporter::new(start, OURS, 1), Reporter::new(start, THEIRS, 2));
        let mut heard_by_them = Receiver::new();
        for sequence in 0..1_000_u16 {
            let sent = start + ms(20 * u64::from(sequence));
            if lost == 0 || sequence % lost != 1 {
                let timestamp = 160 * u32::from(sequence);
                let header =
                    Header { marker: false, payload_type: 8, sequence, timestamp, ssrc: OURS };
                heard_by_them.receive(sent + ms(30), &header);
            }
        }
        let silent = Receiver::new();
        let now = start + ms(20_100);
        let first = we.report(now, 1_000, 160_000, &silent, "we", false);
        they.received(now + ms(30), &parse(&first, THEIRS).unwrap());
        let answered = now + ms(30) + ms(700);
        let second = they.report(answered, 0, 0, &heard_by_them, "they", false);
        assert_eq!(second[1], 201, "it sent nothing");
        let received = parse(&second, OURS).unwrap();
        we.received(answered + ms(50), &received);
        let view = we.view().unwrap();
        let expected = u32::from(1_000_u16.checked_div(lost).unwrap_or(0));
        assert_eq!(view.lost, expected);
        let round_trip = view.round_trip_us.unwrap();
        assert!((79_900..=80_100).contains(&round_trip), "{round_trip}");
        let fraction = u32::from(received.about_us.unwrap().fraction_lost);
        assert!(fraction.abs_diff(expected * 256 / 1_000) <= 1, "{fraction}");
        // Nothing was lost since.
        let third = they.report(answered + ms(5_000), 0, 0, &heard_by_them, "they", false);
        assert_eq!(parse(&third, OURS).unwrap().about_us.unwrap().fraction_lost, 0);
    }
}

#[test]
fn the_highest_sequence_number_counts_its_wraps() {
    let now = origin();
    let mut receiver = Receiver::new();
    assert_eq!(receiver.source(), None);
    for (sequence, expected) in [(65_534, 65_534), (65_535, 65_535), (0, 65_536), (1, 65_537)] {
        let header = Header { marker: false, payload_type: 8, sequence, timestamp: 0, ssrc: 9 };
        receiver.receive(now, &header);
        assert_eq!(receiver.source(), Some((9, expected)));
    }
}

#[test]
fn reports_are_five_seconds_apart_on_average_and_no_two_calls_keep_step() {
    let start = origin();
    let silent = Receiver::new();
    let mut ends = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let mut reporter = Reporter::new(start, OURS, seed);
        let first = reporter.next_at() - start;
        assert!(first >= ms(1_250) && first < ms(3_750), "{first:?}");
        let mut at = reporter.next_at();
        for _ in 0..100 {
            reporter.report(at, 1, 0, &silent, "x", false);
            let gap = reporter.next_at() - at;
            assert!(gap >= ms(2_500) && gap < ms(7_500), "{gap:?}");
            at = reporter.next_at();
        }
        let mean = (at - (start + first)) / 100;
        assert!(mean > ms(4_500) && mean < ms(5_500), "{mean:?}");
        ends.insert(at);
    }
    assert_eq!(ends.len(), 50);
}

#[test]
fn a_round_trip_from_a_broken_clock_is_not_believed() {
    let start = origin();
    let mut we = Reporter::new(start, OURS, 1);
    let block =
        ReportBlock { ssrc: OURS, last_report: 1, delay: 0xFFFF_0000, ..Default::default() };
    we.received(start + ms(100), &Received { about_us: Some(block), ..Default::default() });
    let block = ReportBlock { lost: -3, last_report: 0, ..block };
    assert!(we.view().unwrap().round_trip_us.is_none_or(|micros| micros <= 10_000_000));
    we.received(start + ms(200), &Received { about_us: Some(block), ..Default::default() });
    assert_eq!(we.view().unwrap().lost, 0, "repeated packets are no loss");
}

proptest! {
    #[test]
    fn noise_never_panics(mut bytes: Vec<u8>, ours: u32) {
        let _ = parse(&bytes, ours);
        if let [flags, kind, ..] = &mut bytes[..] {
            (*flags, *kind) = (0x80 | (*flags & 0x3F), 200 + (*kind & 1));
        }
        let _ = parse(&bytes, ours);
    }

    #[test]
    fn a_block_is_read_as_written(
        ssrc: u32, fraction_lost: u8, lost in -0x80_0000..0x80_0000_i32, highest: u32, jitter: u32,
        last_report: u32, delay: u32,
    ) {
        let block = ReportBlock { ssrc, fraction_lost, lost, highest, jitter, last_report, delay };
        let report = Report { ssrc: 1, sender: None, block: Some(block), cname: "", bye: false };
        prop_assert_eq!(parse(&report.write(), ssrc).unwrap().about_us, Some(block));
    }
}
