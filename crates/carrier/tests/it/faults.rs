//! Goal: callers that die, and noise on every port, cost nothing that stays.

use carrier::{Ending, Event, Input, PortSlot};
use proptest::prelude::*;

use crate::world::{CALLER_RTP, CALLER_SIP, Caller, World, address, config};

#[test]
fn a_caller_that_dies_in_the_call_is_let_go_after_a_minute() {
    let mut world = World::new(config(), Caller { dies: true, ..Caller::default() });
    world.dial("09121234567");
    world.run_until_ms(40_000);
    world.run_to_the_end();
    let ended = world.events.iter().find_map(|event| match event {
        Event::CallEnded { at, ending, .. } => Some((at.duration_since(world.start), *ending)),
        _ => None,
    });
    let (after, ending) = ended.unwrap();
    assert_eq!(ending, Ending::WeHungUp);
    assert!(after.as_secs() <= 100, "{after:?}");
}

#[test]
fn a_caller_that_forgets_to_hang_up_is_hung_up_on() {
    let mut world = World::new(config(), Caller { hangs_up: false, ..Caller::default() });
    world.dial("09990000200");
    world.run_to_the_end();
    assert_eq!(world.said(), ["answered", "carrier hung up"]);
    let at_ms = world.at_ms("carrier hung up");
    assert!((61_900..=62_100).contains(&at_ms), "a minute after the last packet: {at_ms}");
    assert_eq!(world.heard().audio, world.caller.clip.encoded());
}

#[test]
fn a_call_has_a_longest_duration() {
    let limits = carrier::Limits { call_ms: 1_500, ..carrier::Limits::default() };
    let mut world = World::new(carrier::Config { limits, ..config() }, Caller::default());
    world.dial("09990000200");
    world.run_to_the_end();
    assert_eq!(world.said(), ["answered", "carrier hung up"]);
    assert_eq!(world.at_ms("carrier hung up"), 1_502);
}

/// Text that comes close to an INVITE.
fn sip_like() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "Via: SIP/2.0/UDP [0-9.]{1,12}(:[0-9]{1,6})?;branch=z9hG4bK[a-z]{0,9}",
        "(From|To|f|t): [ -~]{0,9}<sip:[a-z0-9@:]{0,20}>(;tag=[a-z]{0,5})?",
        "(Call-ID|i):[ -~]{0,20}",
        "CSeq: [0-9]{0,11} (INVITE|ACK|BYE|OPTIONS)",
        "Content-Length: [0-9]{0,5}",
        "[A-Z][a-z-]{0,9}: [ -~]{0,20}",
        "",
    ];
    (
        "(INVITE|ACK|BYE|CANCEL|OPTIONS|X) (sip|tel):[0-9+%]{0,14}(@[a-z.0-9]{1,9})? SIP/2.0",
        prop::collection::vec(line, 0..9),
    )
        .prop_map(|(first, lines)| format!("{first}\r\n{}\r\n\r\n", lines.join("\r\n")))
}

proptest! {
    #[test]
    fn noise_costs_nothing(
        datagrams: Vec<(Vec<u8>, u8)>, texts in prop::collection::vec(sip_like(), 0..8),
    ) {
        let mut world = World::new(config(), Caller::default());
        let source = address(CALLER_SIP);
        for (bytes, slot) in &datagrams {
            let out = world.feed(Input::Sip { source, bytes });
            prop_assert!(out.sip.is_empty() && out.events.is_empty());
            let port = PortSlot(usize::from(*slot));
            let out = world.feed(Input::Rtp { port, source: address(CALLER_RTP), bytes });
            prop_assert!(out.sip.is_empty() && out.rtp.is_empty());
        }
        for text in &texts {
            world.feed(Input::Sip { source, bytes: text.as_bytes() });
        }
        prop_assert_eq!(world.carrier.live().recorded_bytes, 0);
        world.run_to_the_end();
    }

    #[test]
    fn a_call_survives_noise_on_its_port(noise: Vec<Vec<u8>>) {
        let mut world = World::new(config(), Caller::default());
        world.dial("09990000200");
        world.run_until_ms(300);
        let port = world.port();
        for bytes in &noise {
            let mut bytes = bytes.clone();
            if let Some(first) = bytes.first_mut() {
                *first &= 0x7F;
            }
            world.feed(Input::Rtp { port, source: address(CALLER_RTP), bytes: &bytes });
        }
        world.run_to_the_end();
        prop_assert_eq!(&world.heard().audio, world.caller.clip.encoded());
    }
}
