//! Goal: a phone behind NAT hears us at the address that its packets come from, and nobody else
//! gets its audio, however well the packets are made.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use engine::{CallSpec, Cause, Target};

use crate::peer::{Act, CALLEE_SIP, Callee, description};
use crate::world::{World, address, call_to, clip_of_frames, playing};

/// Where the phone's packets seem to come from; its description names an address behind NAT.
const SEEN_AT: &str = "192.0.2.50:40000";
const DESCRIBED: &str = "10.0.0.7:40000";

fn packet(ssrc: u32, sequence: u16) -> Vec<u8> {
    let timestamp = u32::from(sequence) * 160;
    let header = media::rtp::Header { marker: false, payload_type: 8, sequence, timestamp, ssrc };
    [&header.write()[..], &[0xD5; 160]].concat()
}

/// A phone that says it is at 10.0.0.7 and sends a packet each 20 ms from `from_ms` on.
fn phone(from_ms: u64, packets: u16) -> Callee {
    let mut callee = Callee::new(description("10.0.0.7", "40000 RTP/AVP 8", ""));
    for sequence in 0..packets {
        let at = from_ms + 20 * u64::from(sequence);
        callee = callee.then(at, Act::Rtp(packet(7, 65_530_u16.wrapping_add(sequence))));
    }
    callee
}

fn to_phone(key: u64) -> CallSpec {
    let mut spec = call_to(key, "callee", address(CALLEE_SIP));
    let contact_uri = "sip:callee@10.0.0.7:5060".to_owned();
    spec.target = Target::Phone { address: address(CALLEE_SIP), contact_uri };
    spec.script = playing(clip_of_frames(500));
    spec
}

fn world_with(callee: Callee) -> (World, Rc<RefCell<Callee>>) {
    let mut world = World::new();
    world.keep_sent_rtp = true;
    let callee = world.add_peer(callee);
    (world, callee)
}

/// How many packets of ours went to an address.
fn sent_to(world: &World, to: &str) -> usize {
    world.sent_rtp.iter().filter(|(_, destination, _)| *destination == address(to)).count()
}

/// Sends well-made packets from `from` to every RTP port for two seconds.
fn flood(world: &mut World, from: &str) {
    for sequence in 0..100 {
        for slot in 0..20 {
            let to = SocketAddr::new(address("192.0.2.1:0").ip(), 30_000 + 2 * slot);
            world.post(address(from), to, packet(66, sequence));
        }
        world.run_for(Duration::from_millis(20));
    }
}

#[test]
fn a_phone_behind_nat_is_followed_to_where_its_packets_come_from() {
    let (mut world, _callee) = world_with(phone(500, 400));
    world.start(to_phone(1));
    world.run_until_quiet();
    let outcome = world.outcome(1);
    assert_eq!((outcome.cause, outcome.heard_ms), (Cause::Played, 10_000));
    assert_eq!(world.counter("rtp_followed"), 1);
    // Half a second of silence and five packets: what came before was sent into the dark.
    let lost = sent_to(&world, DESCRIBED);
    assert!((25..=35).contains(&lost), "{lost}");
    assert_eq!(lost + sent_to(&world, SEEN_AT), world.sent_rtp.len());
    assert_eq!(outcome.rtp.received, 400 - 4, "all but those that it was known by");
}

#[test]
fn a_stranger_elsewhere_gets_nothing_even_while_the_phone_is_silent() {
    let (mut world, _callee) = world_with(phone(0, 0));
    world.start(to_phone(1));
    world.run_for(Duration::from_secs(1));
    flood(&mut world, "203.0.113.66:4000");
    world.run_until_quiet();
    assert_eq!(world.counter("rtp_followed"), 0);
    assert_eq!(sent_to(&world, "203.0.113.66:4000"), 0);
    assert_eq!(world.counter("rtp_strangers"), 2_000);
}

#[test]
fn a_phone_that_is_heard_is_not_left_for_another_port_of_its_ip() {
    let (mut world, _callee) = world_with(phone(100, 450));
    world.start(to_phone(1));
    world.run_for(Duration::from_secs(2));
    flood(&mut world, "192.0.2.50:41000");
    world.run_until_quiet();
    assert_eq!((world.counter("rtp_followed"), sent_to(&world, "192.0.2.50:41000")), (1, 0));
}

#[test]
fn a_phone_whose_nat_gives_it_another_port_is_followed_after_three_seconds() {
    let (mut world, _callee) = world_with(phone(100, 50));
    world.start(to_phone(1));
    world.run_for(Duration::from_millis(1_500));
    flood(&mut world, "192.0.2.50:41000");
    assert_eq!(world.counter("rtp_followed"), 1, "less than three seconds of silence");
    flood(&mut world, "192.0.2.50:41000");
    assert_eq!(world.counter("rtp_followed"), 2);
    world.run_until_quiet();
    assert!(sent_to(&world, "192.0.2.50:41000") > 100);
}

#[test]
fn packets_that_no_one_source_numbered_are_not_followed() {
    let mut callee = Callee::new(description("10.0.0.7", "40000 RTP/AVP 8", ""));
    for at in 0..100_u16 {
        // Repeated numbers, jumping numbers, changing sources and a payload that was not agreed.
        let bytes = match at {
            0..30 => packet(7, 5),
            30..60 => packet(7, at * 100),
            60..80 => packet(at.into(), at),
            _ => {
                let mut bytes = packet(7, at);
                bytes[1] = 18;
                bytes
            }
        };
        callee = callee.then(100 + 20 * u64::from(at), Act::Rtp(bytes));
    }
    let (mut world, _callee) = world_with(callee);
    world.start(to_phone(1));
    world.run_until_quiet();
    assert_eq!((world.counter("rtp_followed"), sent_to(&world, SEEN_AT)), (0, 0));
}

fn to_trunk(symmetric_rtp: bool) -> CallSpec {
    let target = call_to(1, "callee", address(CALLEE_SIP)).target;
    CallSpec { target, symmetric_rtp, ..to_phone(1) }
}

#[test]
fn a_trunk_is_followed_only_if_its_settings_say_so() {
    for symmetric_rtp in [false, true] {
        let (mut world, _callee) = world_with(phone(100, 400));
        world.start(to_trunk(symmetric_rtp));
        world.run_until_quiet();
        let followed = sent_to(&world, SEEN_AT) > 400;
        assert_eq!(
            (world.counter("rtp_followed"), followed),
            (symmetric_rtp.into(), symmetric_rtp)
        );
    }
}

#[test]
fn a_stranger_cannot_steal_the_sound_of_a_symmetric_trunk() {
    // The trunk sends from where it is followed to; then it is silent for longer than a peer may
    // be before it is looked for elsewhere. The stranger is there all the time.
    let (mut world, _callee) = world_with(phone(100, 50));
    world.start(to_trunk(true));
    world.run_for(Duration::from_millis(200));
    for _ in 0..4 {
        flood(&mut world, "203.0.113.66:4000");
    }
    world.run_until_quiet();
    assert_eq!(world.counter("rtp_followed"), 1);
    assert_eq!(sent_to(&world, "203.0.113.66:4000"), 0);
    assert!(sent_to(&world, SEEN_AT) > 400);
}
