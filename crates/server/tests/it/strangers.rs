//! RTP that nobody asked for, at the very port a call uses: it presses no keys, disturbs nothing,
//! and is counted.

use std::net::{Ipv4Addr, UdpSocket};

use crate::platform::{
    Options, Platform, config, eventually, free_udp_port, rising_tone, similarity,
};

/// The payload type of telephone events in the platform's offers.
const TELEPHONE_EVENT: u8 = 101;

#[test]
fn rtp_from_strangers_presses_no_key_and_disturbs_nothing() {
    let port = free_udp_port();
    let text = config("[sandbox]\nrecord = true\nmax_calls = 4\n")
        .replace("[sip]\n", &format!("[sip]\nmedia_port_first = {port}\nmedia_ports = 1\n"));
    let platform = Platform::start(Options { config: text, ..Options::default() });
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(4_000));
    let clip = platform.clip(&customer, message);
    let message = message.to_string();
    // The first phone presses 7 itself one second after the answer, the second presses nothing.
    let sends = ["09990000117", "09121234568"].map(|number| {
        let parameters = [("MessageID", &*message), ("Number", number), ("Vote", "true")];
        let sent = platform.call(&customer, "QuickSend", &parameters);
        sent["QuickSendID"].as_i64().unwrap()
    });
    for send in sends {
        platform.wait_for_answer(&customer, send);
    }

    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut sent = 0;
    eventually("the calls end under a stream of strange packets", || {
        for packet in packets(sent) {
            stranger.send_to(&packet, (Ipv4Addr::LOCALHOST, port)).unwrap();
            sent += 1;
        }
        sends
            .iter()
            .all(|send| platform.state(&customer, *send)["reason"].as_i64() >= Some(10))
            .then_some(())
    });
    assert!(sent > 100, "the strangers spoke all the time: {sent}");
    for (send, key) in sends.into_iter().zip([7, -1]) {
        let state = platform.state(&customer, send);
        assert_eq!((&state["reason"], &state["vote"]), (&10.into(), &key.into()), "{state}");
        let heard = platform.heard(send);
        assert!(similarity(&clip, &heard[..clip.len()]) > 0.98, "the message was disturbed");
    }
    let name = "avanak_engine_total{event=\"rtp_strangers\"}";
    eventually("the strangers are counted", || {
        (platform.figure(name) >= f64::from(sent) * 0.9).then_some(())
    });
    let keys = platform.figure("avanak_engine_total{event=\"keys_pressed\"}");
    assert!((keys - 1.0).abs() < 0.5, "only the phone's own key counts: {keys}");
}

/// A key 3 as RFC 4733 writes its end, and a packet of loud PCMA, with numbers that go on.
fn packets(count: u32) -> [Vec<u8>; 2] {
    let number = u16::try_from(count % 65_536).expect("it was cut to 16 bits");
    let header = |payload_type: u8| {
        let mut bytes = vec![0x80, payload_type];
        bytes.extend(number.to_be_bytes());
        bytes.extend((count * 160).to_be_bytes());
        bytes.extend(0xdead_beef_u32.to_be_bytes());
        bytes
    };
    let mut key = header(TELEPHONE_EVENT);
    key.extend([3, 0x8a, 0x03, 0x20]);
    let mut loud = header(8);
    loud.extend([0x2a; 160]);
    [key, loud]
}
