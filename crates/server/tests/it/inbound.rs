//! Trunks that call us, known by where they call from, and strangers who try the same.

use std::net::SocketAddr;

use crate::platform::{Options, Platform, config, eventually};
use crate::sipp::Sipp;

const ECHO: &str = server::echo_test::NUMBER;

/// A platform and where it takes calls.
fn started(trunk: &str) -> (Platform, SocketAddr) {
    let platform = Platform::start(Options { config: config(trunk), ..Options::default() });
    let address = ([127, 0, 0, 1], platform.sip_port()).into();
    (platform, address)
}

fn line_tests(platform: &Platform) -> f64 {
    platform.figure("avanak_line_tests_total")
}

/// Goal: a trunk reaches the echo test from its own address without a password, and other numbers
/// get a plain 404; from any other address the same call is a stranger's.
#[test]
fn a_trunk_calls_from_its_address_and_strangers_get_nowhere() {
    let (platform, us) = started(
        "[[trunk]]\nname = 'north'\naddress = '127.0.0.2:5060'\naccept_from = ['127.0.9.0/28']\n",
    );
    eventually("the trunk's call is answered", || {
        Sipp::calls("uac_line_test.xml", "127.0.0.2", ECHO, us).then_some(())
    });
    eventually("it is counted", || (line_tests(&platform) > 0.5).then_some(()));
    assert!(Sipp::calls("uac_odd_caller.xml", "127.0.0.2", ECHO, us), "whoever it says it is");
    eventually("it is counted, too", || (line_tests(&platform) > 1.5).then_some(()));
    let line = "a trunk tests its line trunk=\"north\"";
    assert!(platform.log().contains(line), "{}", platform.log());
    assert!(Sipp::calls("uac_unknown_number.xml", "127.0.0.2", "02188888888", us));
    assert!(Sipp::calls("uac_options.xml", "127.0.0.2", ECHO, us));
    for stranger in ["127.0.0.3", "127.0.9.16"] {
        assert!(Sipp::calls("uac_unproven.xml", stranger, ECHO, us), "{stranger}");
    }
    assert!(Sipp::calls("uac_unknown_number.xml", "127.0.0.3", "02188888888", us));
    assert!((line_tests(&platform) - 2.0).abs() < 0.5, "the strangers were not answered");
    assert!(Sipp::calls("uac_line_test.xml", "127.0.9.15", ECHO, us), "its network is its own");
}

/// Goal: a trunk that the operator adds may call at once, and one that is switched off may not.
#[test]
fn the_operator_says_who_may_call() {
    let (platform, us) = started("");
    let trunk = |arguments: &[&str]| {
        let output = platform.run(&[&["trunk"], arguments].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    assert!(Sipp::calls("uac_unproven.xml", "127.0.0.2", ECHO, us));
    trunk(&["add", "north", "--address", "127.0.0.2"]);
    eventually("the new trunk calls", || {
        Sipp::calls("uac_line_test.xml", "127.0.0.2", ECHO, us).then_some(())
    });
    trunk(&["set", "north", "--accept-from", "127.0.9.1,127.0.9.2"]);
    eventually("it calls from its other address", || {
        Sipp::calls("uac_line_test.xml", "127.0.9.2", ECHO, us).then_some(())
    });
    trunk(&["disable", "north"]);
    eventually("it is a stranger again", || {
        Sipp::calls("uac_unproven.xml", "127.0.0.2", ECHO, us).then_some(())
    });
}
