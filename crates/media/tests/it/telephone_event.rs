//! Goal: one press of a key is one key, whatever is lost, repeated or late on the way.

use media::telephone_event::{Key, KeyPress, KeyReceiver, TelephoneEvent};
use proptest::prelude::*;

fn key(name: char) -> Key {
    Key::from_char(name).unwrap()
}

fn packets(name: char, timestamp: u32) -> Vec<(u32, [u8; 4])> {
    KeyPress::new(key(name), timestamp, 5).map(|p| (p.timestamp, p.payload)).collect()
}

fn heard(packets: &[(u32, [u8; 4])]) -> String {
    let mut receiver = KeyReceiver::new();
    packets
        .iter()
        .filter_map(|(timestamp, payload)| receiver.receive(7, *timestamp, payload))
        .map(Key::as_char)
        .collect()
}

#[test]
fn a_press_grows_by_frames_and_ends_three_times() {
    let press: Vec<_> = KeyPress::new(key('5'), 1_000, 5).collect();
    let events: Vec<_> = press.iter().map(|p| TelephoneEvent::parse(&p.payload).unwrap()).collect();
    assert_eq!(press.len(), 7);
    assert_eq!(
        events.iter().map(|e| (e.duration, e.end)).collect::<Vec<_>>(),
        [
            (160, false),
            (320, false),
            (480, false),
            (640, false),
            (800, true),
            (800, true),
            (800, true)
        ]
    );
    assert!(events.iter().all(|e| e.event == 5 && e.volume == 10));
    assert!(press.iter().all(|p| p.timestamp == 1_000));
    assert_eq!(press.iter().filter(|p| p.marker).count(), 1);
    assert!(press[0].marker);
}

#[test]
fn every_key_has_its_event_code_and_name() {
    for (event, name) in "0123456789*#ABCD".chars().enumerate() {
        let key = key(name);
        assert_eq!(usize::from(key.event()), event);
        assert_eq!(key.as_char(), name);
        assert_eq!(Key::from_event(key.event()), Some(key));
    }
    assert_eq!(Key::from_event(16), None);
    assert_eq!(Key::from_char('x'), None);
    assert_eq!(Key::from_char('a'), Key::from_char('A'));
}

#[test]
fn any_one_packet_of_a_press_is_enough() {
    let press = packets('7', 640);
    for packet in &press {
        assert_eq!(heard(std::slice::from_ref(packet)), "7");
    }
    assert_eq!(heard(&press), "7");
}

#[test]
fn the_same_key_pressed_twice_is_two_keys() {
    let mut both = packets('1', 0);
    both.extend(packets('1', 1_600));
    assert_eq!(heard(&both), "11");
}

#[test]
fn late_packets_of_an_earlier_press_are_not_another_one() {
    let (first, second) = (packets('1', 0), packets('2', 1_600));
    assert_eq!(heard(&[first[0], second[0], first[6], second[6]]), "12");
}

#[test]
fn a_key_held_over_a_segment_is_one_key() {
    let payload = |duration, end| TelephoneEvent { event: 3, end, volume: 0, duration }.write();
    let held = [(0, payload(u16::MAX, false)), (65_535, payload(160, false))];
    assert_eq!(heard(&held), "3");
    let released = [(0, payload(u16::MAX, true)), (65_535, payload(160, false))];
    assert_eq!(heard(&released), "33");
    let later = [held[0], released[0], held[1]];
    assert_eq!(heard(&later), "33", "the release may come in a packet of its own");
}

/// Goal: senders end a segment at the last step of theirs that fits, not at the last tick; a key
/// that is let go and pressed again is another, be its release lost.
#[test]
fn a_segment_ends_at_a_step_of_its_sender() {
    let payload = |duration| TelephoneEvent { event: 3, end: false, volume: 0, duration }.write();
    let again = |heard_to, ahead| heard(&[(0, payload(heard_to)), (ahead, payload(160))]);
    for step in [80, 160, 240, 480, 800_u16] {
        let full = u16::MAX / step * step;
        assert_eq!(again(full, u32::from(full)), "3", "{step}");
        assert_eq!(again(full - 2 * step, u32::from(full)), "3", "{step}: its last two were lost");
    }
    assert_eq!(again(800, 1_600), "33");
    assert_eq!(again(800, 65_440), "33");
    assert_eq!(again(65_440, 67_000), "33");
}

#[test]
fn tones_that_are_not_keys_and_cut_payloads_are_ignored() {
    let flash = TelephoneEvent { event: 16, end: true, volume: 0, duration: 1 }.write();
    assert_eq!(heard(&[(0, flash)]), "");
    assert_eq!(KeyReceiver::new().receive(7, 0, &[1, 2, 3]), None);
}

#[test]
fn a_new_source_begins_anew() {
    let mut receiver = KeyReceiver::new();
    let (timestamp, payload) = packets('4', 100)[0];
    assert_eq!(receiver.receive(1, timestamp, &payload), Some(key('4')));
    assert_eq!(receiver.receive(2, timestamp, &payload), Some(key('4')));
}

proptest! {
    #[test]
    fn payloads_survive_the_wire(event: u8, end: bool, volume in 0_u8..64, duration: u16) {
        let sent = TelephoneEvent { event, end, volume, duration };
        prop_assert_eq!(TelephoneEvent::parse(&sent.write()), Some(sent));
    }

    #[test]
    fn presses_are_heard_once_each_through_loss_and_repetition(
        names in "[0-9*#]{1,8}", fate in prop::collection::vec(0_u8..4, 56),
    ) {
        let mut sent = vec![];
        let mut fate = fate.into_iter().cycle();
        let mut timestamp = u32::MAX - 4_000;
        for name in names.chars() {
            let press = packets(name, timestamp);
            let before = sent.len();
            for packet in &press {
                for _ in 1..fate.next().unwrap() {
                    sent.push(*packet);
                }
            }
            if sent.len() == before {
                sent.push(press[3]);
            }
            timestamp = timestamp.wrapping_add(1_600);
        }
        prop_assert_eq!(heard(&sent), names);
    }

    #[test]
    fn noise_never_panics(packets: Vec<(u32, u32, Vec<u8>)>) {
        let mut receiver = KeyReceiver::new();
        for (ssrc, timestamp, payload) in packets {
            let _ = receiver.receive(ssrc % 2, timestamp, &payload);
        }
    }
}

#[test]
fn keys_are_read_in_the_bodies_of_info() {
    for (body, key) in [
        ("Signal=5\r\nDuration=160\r\n", Some('5')),
        ("Duration=160\nSIGNAL = * \n", Some('*')),
        ("Signal=10", Some('*')),
        ("signal=11", Some('#')),
        ("Signal=15", Some('D')),
        ("Signal=16", None),
        ("Signal=!", None),
        ("Signal=", None),
        (" 7\r\n", Some('7')),
        ("d", Some('D')),
        ("12", Some('A')),
        ("05", None),
        ("300", None),
        ("", None),
    ] {
        assert_eq!(Key::in_info(body.as_bytes()).map(Key::as_char), key, "{body:?}");
    }
    assert_eq!(Key::in_info(b"\xff5"), None);
}
