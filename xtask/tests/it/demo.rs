//! Goal: the demo understands its switches and draws a call as people tell it.

use serde_json::json;
use xtask::demo::{Options, To, host_of};
use xtask::ladder;

fn options(arguments: &[&str]) -> anyhow::Result<Options> {
    Options::parse(&arguments.iter().map(|&a| a.to_owned()).collect::<Vec<_>>())
}

#[test]
fn switches_are_understood() {
    let machine = options(&["--once", "--json"]).unwrap();
    assert!(machine.once && machine.json && machine.to == To::Sandbox);
    let address = options(&["--to", "sip:me@192.0.2.1"]).unwrap();
    assert_eq!(address.to, To::Address("sip:me@192.0.2.1".into()));
    assert_eq!(options(&["--to", "phone"]).unwrap().to, To::Registered);
    for bad in [&["--to"][..], &["--to", "me"], &["--twice"], &["--data-dir"]] {
        assert!(options(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_call_is_a_ladder() {
    let steps = ladder::parse(&json!([
        {"at_ms": 0.0, "event": "accepted"},
        {"at_ms": 1.25, "event": "INVITE"},
        {"at_ms": 1002.5, "event": "answered"},
        {"at_ms": 9000, "event": "end"},
    ]));
    let drawn = ladder::draw(&steps.unwrap(), "09121234567");
    let expected = [
        "             you                    Avanak                    09121234567",
        "     0.0 ms   │────── accepted ───────>│                        │",
        "     1.2 ms   │                        │─────── INVITE ────────>│",
    ];
    for (drawn, expected) in drawn.lines().zip(expected) {
        assert_eq!(drawn, expected);
    }
}

#[test]
fn a_ladder_without_times_is_an_error() {
    assert!(ladder::parse(&json!([{"event": "accepted"}])).is_err());
    assert!(ladder::parse(&json!({})).is_err());
}

#[test]
fn the_host_of_a_phone_is_found() {
    let host = |uri: &str| host_of(uri).map(|address| address.to_string());
    assert_eq!(host("sip:me@192.0.2.1").unwrap(), "192.0.2.1:5060");
    assert_eq!(host("sip:me@192.0.2.1:5080;transport=udp").unwrap(), "192.0.2.1:5080");
    assert!(host("sip:me@192.0.2.1:port").is_err());
    assert!(host("sip:").is_err());
}
