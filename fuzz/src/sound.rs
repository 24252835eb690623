//! RTP and telephone events: what is read lies within the datagram; a press counts once.

use std::time::Duration;

use media::rtp::{Packet, Receiver};
use media::telephone_event::{KeyReceiver, TelephoneEvent};

use crate::tape::{Tape, origin};

/// A stream of datagrams to one call's RTP port.
pub fn rtp(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut receiver = Receiver::new();
    let mut keys = KeyReceiver::new();
    let mut now = origin();
    let (mut packets, mut pressed) = (0_u64, 0_u64);
    while !tape.is_over() {
        now += Duration::from_millis(u64::from(tape.byte()));
        let datagram = tape.bytes();
        let Ok(packet) = Packet::parse(datagram) else { continue };
        assert!(packet.payload.len() + 12 <= datagram.len(), "the payload is of the datagram");
        let again = packet.header.write();
        assert_eq!(again[2..], datagram[2..12], "a header is written as it was read");
        receiver.receive(now, &packet.header);
        packets += 1;
        let header = &packet.header;
        if keys.receive(header.ssrc, header.timestamp, packet.payload).is_some() {
            pressed += 1;
            let repeated = keys.receive(header.ssrc, header.timestamp, packet.payload);
            assert_eq!(repeated, None, "a repeated packet is no second press");
        }
        if let Some(event) = TelephoneEvent::parse(packet.payload) {
            assert_eq!(TelephoneEvent::parse(&event.write()), Some(event));
        }
        let digits = media::telephone_event::Key::in_info(packet.payload);
        assert!(digits.is_none_or(|key| key.event() < 16));
    }
    assert_eq!(receiver.report().received, packets, "every packet is counted");
    assert!(pressed <= packets);
}
