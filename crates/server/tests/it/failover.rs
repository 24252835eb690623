//! Real trunks that fail, and one that stands in for them: who is called by it, and who is not.

use std::net::UdpSocket;

use serde_json::{Value, json};

use crate::far_end::FarEnd;
use crate::platform::{Options, Platform, config, eventually, rising_tone};
use crate::sipp::Sipp;

/// The trunks that fail, by the scenario that SIPp plays; the silent one is a socket that nobody
/// reads.
const FAILING: [(&str, &str); 3] = [
    ("refuses", "uas_unavailable.xml"),
    ("busy", "uas_busy.xml"),
    ("late", "uas_fails_after_early_media.xml"),
];

/// Goal: a send whose trunk refuses or is silent is carried by the next trunk, within its hold; one
/// whose callee is busy, or who heard anything, is not. What the first trunk said can be read
/// later, and a silent trunk shows to the operator and takes no more calls.
#[test]
fn the_next_trunk_carries_what_the_first_one_failed() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let reserve = FarEnd::start(8);
    let mut peers: Vec<Sipp> = FAILING.iter().map(|(_, scenario)| Sipp::start(scenario)).collect();
    let trunk = |n: usize, name: &str, address: &str, more: &str| {
        format!("[[trunk]]\nname = '{name}'\naddress = '{address}'\nprefixes = ['091{n}']\n{more}")
    };
    let mut trunks =
        trunk(0, "silent", &silent.local_addr().unwrap().to_string(), "ping_interval_s = 5\n");
    for ((n, (name, _)), peer) in (1..).zip(FAILING).zip(&peers) {
        let address = format!("127.0.0.1:{}", peer.port);
        trunks.push_str(&trunk(n, name, &address, "ping_interval_s = 0\n"));
    }
    let all = "prefixes = ['0910', '0911', '0912', '0913']";
    let address = reserve.address;
    let second =
        format!("[[trunk]]\nname = 'reserve'\naddress = '{address}'\npriority = 1\n{all}\n");
    trunks.push_str(&second);
    let platform = Platform::start(Options { config: config(&trunks), ..Options::default() });
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(4_000));
    let number = |n: usize| format!("091{n}1234567");
    let sends: Vec<i64> = (0..4).map(|n| platform.send(&customer, message, &number(n))).collect();
    let ends = |story: &Value| (story["reason"].clone(), story["trunk"].clone());
    let failed = |story: &Value| {
        let of = story["failed_trunks"].as_array().unwrap();
        let signs = |one: &Value| json!([one["trunk"], one["cause"], one["sip_code"]]);
        of.iter().map(signs).collect::<Vec<_>>()
    };

    let refused = platform.story_of_ended(&customer, sends[1]);
    assert_eq!(ends(&refused), (json!(10), json!("reserve")), "{refused}");
    assert_eq!(failed(&refused), [json!(["refuses", "failed", 503])]);
    assert_eq!(refused["charged_rials"], refused["held_rials"]);

    let busy = platform.story_of_ended(&customer, sends[2]);
    assert_eq!(ends(&busy), (json!(21), json!("busy")), "{busy}");
    let late = platform.story_of_ended(&customer, sends[3]);
    assert_eq!(ends(&late), (json!(30), json!("late")), "{late}");

    let condition = "avanak_trunk_condition{trunk=\"silent\",condition=\"silent\"} 1";
    eventually("the silent trunk shows", || {
        platform.get("/metrics").contains(condition).then_some(())
    });
    eventually("the operator is told", || {
        let shown = platform.cli(&["trunk", "show", "silent", "--json"]);
        (shown["health"][0]["condition"] == "silent").then_some(())
    });
    let next = platform.send(&customer, message, "09107654321");
    let passed_over = platform.story_of_ended(&customer, next);
    assert_eq!(ends(&passed_over), (json!(10), json!("reserve")));
    assert_eq!(passed_over["failed_trunks"], json!([]), "nobody had to find out");
    let given_up = platform.story_of_ended(&customer, sends[0]);
    assert_eq!(ends(&given_up), (json!(10), json!("reserve")), "{given_up}");
    assert_eq!(failed(&given_up), [json!(["silent", "no_response", null])]);

    let seen = reserve.seen();
    let started = |number: &str| seen.get(number).map_or(0, |seen| seen.started);
    let calls: Vec<u32> = (0..4).map(|n| started(&number(n))).collect();
    assert_eq!(calls, [1, 1, 0, 0]);
    for (peer, (name, _)) in peers.iter_mut().zip(FAILING) {
        assert!(peer.passed(), "{name}");
    }
    let said = "the trunk takes no calls trunk=\"silent\"";
    assert_eq!(platform.log().matches(said).count(), 1, "once, and not for each ping");
}
