//! Trunks as data: the operator changes them beside a running server, and calls follow.

use std::net::UdpSocket;

use serde_json::json;

use crate::platform::{Options, Platform, config, eventually, rising_tone};
use crate::reach::ByHand;

/// What a command printed; it must succeed, or fail.
fn said(platform: &Platform, succeeds: bool, arguments: &[&str]) -> String {
    let output = platform.run(arguments);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.success(), succeeds, "{arguments:?}: {text}");
    text
}

fn done(platform: &Platform, arguments: &[&str]) -> String {
    said(platform, true, arguments)
}

fn refused(platform: &Platform, arguments: &[&str]) -> String {
    said(platform, false, arguments)
}

/// Waits until the running server has taken up a change: it says so in its log.
fn taken_up(platform: &Platform, changes: usize) {
    let news = "the trunks are as the operator wants them";
    eventually("the change is taken up", || {
        (platform.log().matches(news).count() >= changes).then_some(())
    });
}

/// Goal: from the sandbox to a carrier, to another, to none, without a restart and without
/// disturbing a live call.
#[test]
fn trunks_are_changed_while_the_server_runs() {
    let media = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (one, other) = (media.local_addr().unwrap(), media.local_addr().unwrap());
    let (one, other) = (ByHand::start(one), ByHand::start(other));
    let platform = Platform::start(Options { config: config(""), ..Options::default() });
    let customer = platform.customer(1_000_000);
    let message = platform.upload(&customer, &rising_tone(6_000));
    let trunk_of = |send| platform.story(send)["trunk"].as_str().unwrap().to_owned();
    taken_up(&platform, 1);

    let address = one.address.to_string();
    let add = ["trunk", "add", "one", "--address", &address, "--number-format", "e164"];
    done(&platform, &[&add[..], &["--username", "u", "--password", "s3cret"]].concat());
    taken_up(&platform, 2);
    let live = platform.send(&customer, message, "09121234567");
    platform.wait_for_answer(&customer, live);
    assert!(one.invite().starts_with("INVITE sip:+989121234567@"), "{}", one.invite());

    let address = other.address.to_string();
    done(&platform, &["trunk", "add", "other", "--address", &address, "--caller-id", "0211"]);
    let account = customer.account.to_string();
    let own = ["trunk", "caller-id", "other", "--account", &account, "--number", "0212"];
    done(&platform, &own);
    done(&platform, &["trunk", "remove", "one"]);
    eventually("calls take the other trunk", || {
        let shown = platform.get("/metrics");
        shown.contains("avanak_trunk_channels_in_use{trunk=\"other\"}").then_some(())
    });
    let send = platform.send(&customer, message, "09127654321");
    assert_eq!(platform.story_of_ended(&customer, send)["reason"], 10);
    assert_eq!(trunk_of(send), "other");
    assert!(other.invite().contains("From: <sip:0212@"), "{}", other.invite());
    assert_eq!(platform.story_of_ended(&customer, live)["reason"], 10);
    assert_eq!(trunk_of(live), "one", "its live call came to its end");
    assert!(!platform.log().contains("s3cret"));
}

/// The numbers that a trunk's carrier lets be shown.
const SHOWN: [&str; 2] = ["02188888888", "02199999999"];

/// Goal: what the command line shows, what it refuses, and that it gives no secret away.
#[test]
fn the_command_line_shows_and_refuses() {
    let file = "[[trunk]]\nname = 'filed'\naddress = '127.0.0.1:9'\n";
    let platform = Platform::start(Options { config: config(file), ..Options::default() });
    let add = |name: &str, more: &[&str]| {
        [&["trunk", "add", name, "--address", "127.0.0.1:9"], more]
            .concat()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let add = |name: &str, more: &[&str], succeeds: bool| {
        let arguments = add(name, more);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        said(&platform, succeeds, &arguments)
    };
    add("north", &["--password", "s3cret", "--username", "u", "--prefixes", "0912,021"], true);
    done(&platform, &["trunk", "set", "north", "--max-cps", "7", "--codecs", "pcmu"]);
    done(&platform, &["trunk", "disable", "north"]);
    let listed = platform.cli(&["trunk", "list", "--json"]);
    let names: Vec<_> = listed["trunks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trunk| (trunk["name"].clone(), trunk["source"].clone(), trunk["state"].clone()))
        .collect();
    assert_eq!(
        names,
        [
            (json!("filed"), json!("file of node avanak"), json!("on")),
            (json!("north"), json!("table"), json!("off")),
        ]
    );
    let north = platform.cli(&["trunk", "show", "north", "--json"]);
    assert_eq!((&north["max_cps"], &north["codecs"]), (&json!(7), &json!(["pcmu"])));
    assert_eq!(
        (&north["prefixes"], &north["has_password"]),
        (&json!(["0912", "021"]), &json!(true))
    );
    for shown in [done(&platform, &["trunk", "list"]), done(&platform, &["trunk", "show", "north"])]
    {
        assert!(shown.contains("north") && !shown.contains("s3cret"), "{shown}");
    }
    let srtp = ["trunk", "set", "north", "--srtp", "required"];
    assert!(refused(&platform, &srtp).contains("keys travel in the open"));
    let over_tls = ["--transport", "tls", "--symmetric-rtp", "true"];
    done(&platform, &[&srtp[..], &over_tls].concat());
    let north = platform.cli(&["trunk", "show", "north", "--json"]);
    assert_eq!((&north["srtp"], &north["symmetric_rtp"]), (&json!("required"), &json!(true)));
    done(&platform, &["trunk", "enable", "north"]);
    done(&platform, &["trunk", "set", "north", "--may-show", "02188888888,02199999999"]);
    let north = platform.cli(&["trunk", "show", "north", "--json"]);
    assert_eq!((&north["state"], &north["may_show"]), (&json!("on"), &json!(SHOWN)));
    let account = platform.customer(0).account.to_string();
    let show = ["trunk", "caller-id", "north", "--account", &account, "--number"];
    assert!(refused(&platform, &[&show[..], &["02177777777"]].concat()).contains("may_show"));
    done(&platform, &[&show[..], &["02199999999"]].concat());
    let north = platform.cli(&["trunk", "show", "north", "--json"]);
    assert_eq!(north["caller_ids"][&account], "02199999999");

    for command in ["remove", "disable", "enable"] {
        let why = refused(&platform, &["trunk", command, "filed"]);
        assert!(why.contains("configuration of node 'avanak'"), "{why}");
    }
    let why = refused(&platform, &["trunk", "set", "filed", "--max-cps", "1"]);
    assert!(why.contains("configuration of node 'avanak'"), "{why}");
    assert!(add("filed", &[], false).contains("there is a trunk of that name"));
    assert!(add("x", &["--prefixes", "09x"], false).contains("'09x'"));
    assert!(add("x", &["--number-format", "local"], false).contains("number_format"));
    let far = refused(&platform, &["trunk", "add", "far", "--address", "192.0.2.10"]);
    assert!(far.contains("set sip.listen"), "{far}");
    assert!(refused(&platform, &["trunk", "show", "x"]).contains("there is no trunk 'x'"));
    done(&platform, &["trunk", "remove", "north"]);
    assert!(done(&platform, &["trunk", "list"]).contains("1 trunks"));
}
