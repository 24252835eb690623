//! Goal: what we encrypt, others open, and the reverse; nothing that was changed, repeated or made
//! by a stranger is taken.

use media::rtp::Header;
use media::srtp::{MASTER_BYTES, MasterKey, Rejected, SrtpReceiver, SrtpSender, Suite};
use proptest::prelude::*;

/// The key of the worked examples of libsrtp, which implementations test each other with
/// (`test/srtp_driver.c`, `srtp_validate`; compared byte by byte with version 2.8). RFC 3711 has
/// none of whole packets; its examples of parts are beside the code.
const MASTER: [u8; MASTER_BYTES] = [
    0xE1, 0xF9, 0x7A, 0x0D, 0x3E, 0x01, 0x8B, 0xE0, 0xD6, 0x4F, 0xA3, 0x2C, 0x06, 0xDE, 0x41, 0x39,
    0x0E, 0xC6, 0x75, 0xAD, 0x49, 0x8A, 0xFE, 0xEB, 0xB6, 0x96, 0x0B, 0x3A, 0xAB, 0xE6,
];

fn master() -> MasterKey {
    MasterKey::new(MASTER)
}

fn header(sequence: u16) -> [u8; 12] {
    Header { marker: false, payload_type: 8, sequence, timestamp: 7, ssrc: 0x0102_0304 }.write()
}

fn sealed(sender: &mut SrtpSender, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let header = header(sequence);
    [&header[..], &sender.protect(&header, payload)].concat()
}

#[test]
fn a_packet_is_encrypted_as_others_do_it() {
    let header = *b"\x80\x0F\x12\x34\xDE\xCA\xFB\xAD\xCA\xFE\xBA\xBE";
    let expected = [
        0x4E, 0x55, 0xDC, 0x4C, 0xE7, 0x99, 0x78, 0xD8, 0x8C, 0xA4, 0xD2, 0x15, 0x94, 0x9D, 0x24,
        0x02, 0xB7, 0x8D, 0x6A, 0xCC, 0x99, 0xEA, 0x17, 0x9B, 0x8D, 0xBB,
    ];
    let sealed = SrtpSender::new(Suite::Sha1Tag80, &master()).protect(&header, &[0xAB; 16]);
    assert_eq!(sealed[..], expected);
    let packet = [&header[..], &expected].concat();
    let opened = SrtpReceiver::new(Suite::Sha1Tag80, &master()).open(&packet).unwrap();
    assert_eq!(opened, [&header[..], &[0xAB; 16]].concat());
    let short = SrtpSender::new(Suite::Sha1Tag32, &master()).protect(&header, &[0xAB; 16]);
    assert_eq!(short[..], expected[..20]);
}

#[test]
fn a_report_is_encrypted_as_others_do_it() {
    let plain = [&b"\x81\xC8\x00\x0B\xCA\xFE\xBA\xBE"[..], &[0xAB; 16]].concat();
    // Of the packet with index 1, which is our second.
    let expected = [
        0x81, 0xC8, 0x00, 0x0B, 0xCA, 0xFE, 0xBA, 0xBE, 0x71, 0x28, 0x03, 0x5B, 0xE4, 0x87, 0xB9,
        0xBD, 0xBE, 0xF8, 0x90, 0x41, 0xF9, 0x77, 0xA5, 0xA8, 0x80, 0x00, 0x00, 0x01, 0x99, 0x3E,
        0x08, 0xCD, 0x54, 0xD6, 0xC1, 0x23, 0x07, 0x98,
    ];
    let mut sender = SrtpSender::new(Suite::Sha1Tag80, &master());
    let first = sender.protect_rtcp(&plain).unwrap();
    assert_eq!(sender.protect_rtcp(&plain).unwrap(), expected);
    assert_eq!(sender.protect_rtcp(&plain[..7]), None);
    let mut receiver = SrtpReceiver::new(Suite::Sha1Tag80, &master());
    assert_eq!(receiver.open_rtcp(&expected).as_deref(), Ok(&plain[..]));
    assert_eq!(receiver.open_rtcp(&first).as_deref(), Ok(&plain[..]));
    assert_eq!(receiver.open_rtcp(&first), Err(Rejected::Replayed));
    let mut changed = sender.protect_rtcp(&plain).unwrap();
    changed[10] ^= 1;
    assert_eq!(receiver.open_rtcp(&changed), Err(Rejected::Tag));
    assert_eq!(receiver.open_rtcp(&changed[..9]), Err(Rejected::Short));
    assert_eq!(receiver.open_rtcp(&changed[..21]), Err(Rejected::Short));
}

#[test]
fn the_sequence_number_may_wrap_again_and_again_and_packets_overtake_at_the_seam() {
    let mut sender = SrtpSender::new(Suite::Sha1Tag32, &master());
    let mut receiver = SrtpReceiver::new(Suite::Sha1Tag32, &master());
    let mut sequence = 65_000_u16;
    for round in 0..40_000_u32 {
        let payload = round.to_be_bytes();
        let first = sealed(&mut sender, sequence, &payload);
        let second = sealed(&mut sender, sequence.wrapping_add(1), &payload);
        assert_eq!(receiver.open(&second).unwrap()[12..], payload, "{sequence}");
        assert_eq!(receiver.open(&first).unwrap()[12..], payload, "{sequence}");
        assert_eq!(receiver.open(&first), Err(Rejected::Replayed));
        sequence = sequence.wrapping_add(2);
    }
}

#[test]
fn what_is_older_than_the_window_is_not_taken() {
    let mut sender = SrtpSender::new(Suite::Sha1Tag80, &master());
    let mut receiver = SrtpReceiver::new(Suite::Sha1Tag80, &master());
    let packets: Vec<Vec<u8>> = (0..100).map(|at| sealed(&mut sender, at, b"x")).collect();
    assert!(receiver.open(&packets[99]).is_ok());
    assert!(receiver.open(&packets[36]).is_ok(), "63 behind");
    assert_eq!(receiver.open(&packets[35]), Err(Rejected::Replayed), "64 behind");
}

#[test]
fn a_stranger_moves_neither_the_window_nor_the_rollover() {
    let mut sender = SrtpSender::new(Suite::Sha1Tag80, &master());
    let mut receiver = SrtpReceiver::new(Suite::Sha1Tag80, &master());
    receiver.open(&sealed(&mut sender, 1, b"one")).unwrap();
    let mut stranger = SrtpSender::new(Suite::Sha1Tag80, &MasterKey::new([9; MASTER_BYTES]));
    for sequence in [2, 30_000, 60_000, 3] {
        let forged = sealed(&mut stranger, sequence, b"forged");
        assert_eq!(receiver.open(&forged), Err(Rejected::Tag));
    }
    assert!(receiver.open(&sealed(&mut sender, 2, b"two")).is_ok());
}

#[test]
fn sources_and_extensions_of_a_header_stay_readable() {
    // A peer's packet with one contributing source and an extension of one word: its own key
    // stream begins behind them.
    let head =
        [&b"\x91\x08\x00\x01\x00\x00\x00\x07\x01\x02\x03\x04"[..], b"csrc\xBE\xDE\0\x01ext."]
            .concat();
    let receiver = || SrtpReceiver::new(Suite::Sha1Tag80, &master());
    let cut = [&head[..18], &[0; 10]].concat();
    assert_eq!(receiver().open(&cut), Err(Rejected::Short), "its extension is cut off");
    let no_room = [&head[..], &[0; 10]].concat();
    assert_eq!(receiver().open(&no_room), Err(Rejected::Tag), "long enough, but not signed");
}

proptest! {
    #[test]
    fn any_changed_bit_is_noticed(
        payload in prop::collection::vec(any::<u8>(), 0..200), at: u16, bit in 0..8_u8,
    ) {
        for suite in Suite::ALL {
            let mut packet = sealed(&mut SrtpSender::new(suite, &master()), 5, &payload);
            let at = usize::from(at) % packet.len();
            packet[at] ^= 1 << bit;
            prop_assert!(SrtpReceiver::new(suite, &master()).open(&packet).is_err());
        }
    }

    #[test]
    fn noise_is_refused_without_a_panic(bytes: Vec<u8>) {
        let mut receiver = SrtpReceiver::new(Suite::Sha1Tag80, &master());
        prop_assert!(receiver.open(&bytes).is_err());
        prop_assert!(receiver.open_rtcp(&bytes).is_err());
    }
}
