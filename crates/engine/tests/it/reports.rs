//! Goal: both ends of a call learn how the other hears them, by reports that leave in time, go to
//! the host of the sound alone, and are believed from nobody else.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use engine::{Cause, Command, PeerView};
use media::rtp::{Packet, Receiver, Reporter, rtcp};

use crate::peer::{Act, CALLEE_MEDIA, CALLEE_SIP, Callee, Outbox, Peer, description};
use crate::world::{World, address, call_to, clip_of_frames, origin, playing};

/// The source that every callee of these tests is.
const THEIRS: u32 = 77;
/// Where a callee sends its reports from that has a port of their own for them.
const ABOVE: &str = "192.0.2.50:40001";

/// A callee that reports, and to which every so-manieth packet of ours never comes.
struct Reporting {
    callee: Callee,
    reporter: Option<Reporter>,
    receiver: Receiver,
    loses_each: usize,
    packets: usize,
    sends_from: SocketAddr,
    /// The reports that came to it, when and where.
    reports: Vec<(Instant, SocketAddr, Vec<u8>)>,
    engine_media: Option<SocketAddr>,
}

impl Reporting {
    fn new(callee: Callee, loses_each: usize, sends_from: &str) -> Self {
        Self {
            callee,
            reporter: None,
            receiver: Receiver::new(),
            loses_each,
            packets: 0,
            sends_from: address(sends_from),
            reports: Vec::new(),
            engine_media: None,
        }
    }

    /// The last report about it that came.
    fn last_about_them(&self) -> Option<rtcp::ReportBlock> {
        let block = |(_, _, bytes): &(_, _, Vec<u8>)| rtcp::parse(bytes, THEIRS)?.about_us;
        self.reports.iter().rev().find_map(block)
    }
}

impl Peer for Reporting {
    fn address(&self) -> SocketAddr {
        self.callee.address()
    }

    fn receive(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if to != self.address() && rtcp::is_rtcp(bytes) {
            self.reports.push((now, to, bytes.to_vec()));
            if let Some(reporter) = &mut self.reporter {
                reporter.received(now, &rtcp::parse(bytes, THEIRS).unwrap());
            }
            return;
        }
        if let Ok(packet) = Packet::parse(bytes)
            && to != self.address()
        {
            self.engine_media = Some(from);
            self.reporter.get_or_insert_with(|| Reporter::new(now, THEIRS, 5));
            self.packets += 1;
            if self.loses_each > 0 && self.packets.is_multiple_of(self.loses_each) {
                return;
            }
            self.receiver.receive(now, &packet.header);
        }
        self.callee.receive(now, from, to, bytes);
    }

    fn next_timeout(&self) -> Option<Instant> {
        let reports = self.reporter.as_ref().map(Reporter::next_at).filter(|_| {
            // It falls silent with the call.
            self.callee.log.last().is_none_or(|last| last != "BYE")
        });
        [self.callee.next_timeout(), reports].into_iter().flatten().min()
    }

    fn expire(&mut self, now: Instant) {
        if self.callee.next_timeout().is_some_and(|at| at <= now) {
            return self.callee.expire(now);
        }
        let (Some(reporter), Some(to)) = (&mut self.reporter, self.engine_media) else { return };
        let bytes = reporter.report(now, 0, 0, &self.receiver, "they", false);
        self.callee.outbox().push((self.sends_from, to, bytes));
    }

    fn outbox(&mut self) -> &mut Outbox {
        self.callee.outbox()
    }
}

fn answering(attributes: &str) -> Callee {
    Callee::new(description("192.0.2.50", "40000 RTP/AVP 8", attributes))
}

/// Talks for so long, a packet in so many missing, and each third 8 ms late.
fn talking(mut callee: Callee, packets: u16, loses_each: u16) -> Callee {
    for sequence in (0..packets).filter(|at| at % loses_each != 3) {
        let timestamp = 160 * u32::from(sequence);
        let header = media::rtp::Header {
            marker: false,
            payload_type: 8,
            sequence,
            timestamp,
            ssrc: THEIRS,
        };
        let late = if sequence % 3 == 0 { 8 } else { 0 };
        let bytes = [&header.write()[..], &[0xD5; 160]].concat();
        callee = callee.then(20 * u64::from(sequence) + late, Act::Rtp(bytes));
    }
    callee
}

fn start(peer: Reporting, frames: usize) -> (World, Rc<RefCell<Reporting>>) {
    let mut world = World::new();
    let peer = world.add_peer(peer);
    let mut spec = call_to(1, "callee", address(CALLEE_SIP));
    spec.script = playing(clip_of_frames(frames));
    world.start(spec);
    (world, peer)
}

#[test]
fn each_end_learns_what_the_other_lost_and_how_far_it_is() {
    let callee = talking(answering(""), 1_500, 25);
    let (mut world, peer) = start(Reporting::new(callee, 20, ABOVE), 1_500);
    world.run_until_quiet();
    let rtp = world.outcome(1).rtp;
    let PeerView { lost, jitter_us, round_trip_us } = rtp.peer.unwrap();
    // Its last report came some seconds before the end.
    assert!((50..=75).contains(&lost), "{lost} of 1500, one in twenty");
    assert!(jitter_us < 1_000, "{jitter_us}");
    let round_trip_us = round_trip_us.unwrap();
    assert!((9_900..=10_100).contains(&round_trip_us), "5 ms there, 5 ms back: {round_trip_us}");
    assert_eq!((rtp.received, rtp.lost), (1_440, Some(60)));
    assert!((2_000..8_000).contains(&rtp.jitter_us.unwrap()), "{rtp:?}");
    let about_them = peer.borrow().last_about_them().unwrap();
    assert_eq!((about_them.lost, about_them.fraction_lost > 0), (60, true));
    assert!(about_them.jitter > 0);
    let theirs = peer.borrow().reporter.as_ref().unwrap().view().unwrap();
    let round_trip_us = theirs.round_trip_us;
    assert!(round_trip_us.is_none(), "it sent no sound, so its reports have no clock");
}

#[test]
fn reports_come_every_five_seconds_and_a_goodbye_ends_them() {
    let (mut world, peer) = start(Reporting::new(answering(""), 0, ABOVE), 3_000);
    world.run_until_quiet();
    let peer = peer.borrow();
    let count = peer.reports.len();
    assert!((10..=18).contains(&count), "{count} in a minute");
    let mut last = origin();
    for (n, (at, to, bytes)) in peer.reports.iter().enumerate() {
        assert_eq!(*to, address(ABOVE));
        assert_eq!(bytes[1], 200, "we sent sound, so it is a sender report");
        let goodbye = n + 1 == count;
        assert_eq!(rtcp::parse(bytes, THEIRS).unwrap().bye, goodbye);
        let gap = *at - last;
        let shortest = if n == 0 { 1_250 } else { 2_500 };
        assert!(goodbye || gap >= Duration::from_millis(shortest), "{gap:?}");
        assert!(gap <= Duration::from_millis(7_600), "{gap:?}");
        last = *at;
    }
    // The last one counts every packet that left before it.
    let packets = peer.reports.last().unwrap().2[20..24].to_vec();
    let packets = u32::from_be_bytes(packets.try_into().unwrap());
    assert_eq!(packets, world.outcome(1).rtp.sent);
    assert_eq!(world.counter("rtcp_sent"), count as u64);
}

/// Where the reports of a call go that was answered with these attributes.
fn destinations(attributes: &str) -> Vec<SocketAddr> {
    let (mut world, peer) = start(Reporting::new(answering(attributes), 0, ABOVE), 500);
    world.run_until_quiet();
    assert_eq!(world.outcome(1).cause, Cause::Played);
    assert!(world.strays.is_empty(), "something went to a third host: {:?}", world.strays);
    peer.borrow().reports.iter().map(|(_, to, _)| *to).collect()
}

#[test]
fn reports_go_where_the_answer_wants_them_and_to_no_third_host() {
    for (attributes, to) in [
        ("a=rtcp-mux\r\n", CALLEE_MEDIA),
        ("a=rtcp:40000\r\n", CALLEE_MEDIA),
        ("a=rtcp:40777\r\n", "192.0.2.50:40777"),
        ("", ABOVE),
    ] {
        let found = destinations(attributes);
        assert!(found.len() >= 2, "{attributes}");
        assert!(found.iter().all(|at| *at == address(to)), "{attributes}: {found:?}");
    }
    assert_eq!(destinations("a=rtcp:40777 IN IP4 203.0.113.9\r\n"), []);
}

#[test]
fn a_strangers_report_is_not_believed() {
    for from in ["192.0.2.50:40002", "203.0.113.9:40001"] {
        let (mut world, peer) = start(Reporting::new(answering(""), 0, from), 1_500);
        world.run_until_quiet();
        assert_eq!(world.outcome(1).rtp.peer, None, "{from}");
        assert_eq!(world.counter("rtcp_received"), 0);
        assert!(world.counter("rtp_strangers") >= 4);
        assert!(peer.borrow().reports.len() > 4, "ours leave all the same");
    }
}

#[test]
fn what_only_begins_like_a_report_is_counted_and_changes_nothing() {
    let mut callee = answering("a=rtcp-mux\r\n");
    for (at_ms, bytes) in [
        (500, &b"\x81\xCB\x00\x01\0\0\0\x4D"[..]),
        (600, b"\x80\xC9\xFF\xFF\0\0\0\x4D"),
        (700, b"\x80\xC8\x00\x00\0\0\0\0"),
        (800, b"\x9F\xC8\x00\x06\0\0\0\x4D\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    ] {
        callee = callee.then(at_ms, Act::Rtp(bytes.to_vec()));
    }
    let (mut world, _peer) = start(Reporting::new(callee, 0, "203.0.113.9:1"), 200);
    world.run_until_quiet();
    assert_eq!((world.outcome(1).rtp.peer, world.outcome(1).rtp.strangers), (None, 0));
    assert_eq!(world.counter("rtcp_malformed"), 1, "a goodbye without a report");
    assert_eq!(world.counter("rtcp_received"), 3);
}

#[test]
fn a_held_call_goes_on_reporting_and_one_without_sound_never_does() {
    let hold = description("192.0.2.50", "40000 RTP/AVP 8", "a=sendonly\r\n");
    let callee = answering("").then(500, Act::Reinvite(Some(hold)));
    let (mut world, peer) = start(Reporting::new(callee, 0, ABOVE), 500);
    world.run_for(Duration::from_secs(40));
    world.command(Command::HangUp { call: engine::CallKey(1) });
    world.run_until_quiet();
    assert!(peer.borrow().reports.len() >= 6, "{}", peer.borrow().reports.len());
    let nothing = description("192.0.2.50", "40000 RTP/AVP 18", "");
    let (mut world, peer) = start(Reporting::new(Callee::new(nothing), 0, ABOVE), 500);
    world.run_until_quiet();
    assert_eq!(world.outcome(1).cause, Cause::NoMediaAgreed);
    assert!(peer.borrow().reports.is_empty());
}
