//! RTCP: what is read of a report is what was written, and any report can be answered.

use std::time::Duration;

use media::rtp::rtcp::{self, Report, ReportBlock, SenderInfo};
use media::rtp::{Header, Receiver, Reporter};

use crate::tape::{Tape, origin};

/// The source that reports are about.
const OURS: u32 = 0x0102_0304;

/// Reports of a peer to one call, among packets and our own reports.
pub fn rtcp(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut now = origin();
    let mut receiver = Receiver::new();
    let mut reporter = Reporter::new(now, OURS, tape.byte().into());
    let mut packets = 0;
    while !tape.is_over() {
        now += Duration::from_millis(u64::from(tape.byte()) * 16);
        match tape.byte() % 4 {
            0 => {
                let datagram = tape.bytes();
                let Some(received) = rtcp::parse(datagram, OURS) else { continue };
                assert!(rtcp::is_rtcp(datagram), "what is read as a report looks like one");
                reporter.received(now, &received);
            }
            1 => {
                let header = Header {
                    marker: false,
                    payload_type: 8,
                    sequence: tape.word(),
                    timestamp: word(&mut tape),
                    ssrc: u32::from(tape.byte() % 2),
                };
                receiver.receive(now, &header);
            }
            2 => {
                let written = ours(&mut tape);
                let read = rtcp::parse(&written, OURS).expect("what we write can be read");
                reporter.received(now, &read);
            }
            _ => {
                packets += u32::from(tape.byte());
                let told = reporter.report(now, packets, packets * 160, &receiver, "us", false);
                let read = rtcp::parse(&told, u32::from(tape.byte() % 2));
                let read = read.expect("what we report can be read");
                assert_eq!(read.sender.is_some(), packets > 0);
                assert!(read.about_us.is_none() || receiver.source().is_some());
                assert!(reporter.next_at() > now, "the next report is later");
            }
        }
        if let Some(view) = reporter.view() {
            assert!(view.round_trip_us.is_none_or(|micros| micros <= 10_000_000), "{view:?}");
        }
    }
}

/// A report with any content, read again.
fn ours(tape: &mut Tape<'_>) -> Vec<u8> {
    let sender = tape.coin().then(|| SenderInfo {
        ntp: u64::from(word(tape)) << 32 | u64::from(word(tape)),
        timestamp: word(tape),
        packets: word(tape),
        bytes: word(tape),
    });
    let block = tape.coin().then(|| ReportBlock {
        ssrc: OURS,
        fraction_lost: tape.byte(),
        lost: word(tape).cast_signed(),
        highest: word(tape),
        jitter: word(tape),
        last_report: word(tape),
        delay: word(tape),
    });
    let (ssrc, bye) = (word(tape), tape.coin());
    let bytes = Report { ssrc, sender, block, cname: "a@b", bye }.write();
    let read = rtcp::parse(&bytes, OURS).expect("what we write can be read");
    let middle = sender.map(|info| u32::try_from(info.ntp >> 16 & 0xFFFF_FFFF).expect("masked"));
    assert_eq!(read.sender, middle.map(|middle| (ssrc, middle)));
    // A count of losses has 24 bits on the wire.
    let kept =
        |block: ReportBlock| ReportBlock { lost: block.lost.clamp(-0x80_0000, 0x7F_FFFF), ..block };
    assert_eq!(read.about_us, block.map(kept));
    assert_eq!(read.bye, bye);
    bytes
}

fn word(tape: &mut Tape<'_>) -> u32 {
    u32::from(tape.word()) << 16 | u32::from(tape.word())
}
