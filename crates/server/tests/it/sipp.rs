//! SIPp as the far end of a trunk: an independent SIP stack with its own idea of the standard.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::platform::{Customer, Platform, eventually, free_udp_port, peer_file, rising_tone};

/// A running SIPp.
pub struct Sipp {
    child: Child,
    pub port: u16,
}

impl Sipp {
    /// Starts `scenario` for one call, and waits until its port is taken.
    pub fn start(scenario: &str) -> Self {
        Self::at(scenario, "127.0.0.1", "u1", "udp")
    }

    /// As [`Self::start`], at `ip` and by SIPp's transport `mode`, whose ports stand in the
    /// kernel's `table`.
    pub fn at(scenario: &str, ip: &str, mode: &str, table: &str) -> Self {
        let port = free_udp_port();
        let child = Command::new("sipp")
            .arg("-sf")
            .arg(peer_file("sipp").join(scenario))
            .args(["-i", ip, "-p", &port.to_string(), "-t", mode, "-m", "1", "-nostdin"])
            .args(["-rtp_echo", "-mp", &free_udp_port().to_string(), "-timeout", "50"])
            .args(["-watchdog_minor_maxtriggers", "999999"])
            .args(["-watchdog_major_maxtriggers", "999999"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .stdin(Stdio::null())
            .spawn()
            .expect("SIPp is installed (cargo x test installs it)");
        eventually("SIPp takes its port", || is_bound(table, port).then_some(()));
        Self { child, port }
    }

    /// Waits for SIPp's own verdict: success when the call went as its scenario says.
    pub fn passed(mut self) -> bool {
        let status = eventually("SIPp ends", || self.child.try_wait().unwrap());
        status.success()
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        // It has ended by itself when the test passed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a local port is taken, from the kernel's table: binding it to find out would
/// disturb the one we wait for.
fn is_bound(table: &str, port: u16) -> bool {
    let table = std::fs::read_to_string(format!("/proc/net/{table}")).unwrap();
    table.lines().any(|line| {
        line.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&format!(":{port:04X}")))
    })
}

/// One call to SIPp: the story of the send, whether SIPp was content, and the customer's balance.
fn call(scenario: &str, trunk: &str) -> (Value, bool, i64) {
    let sipp = Sipp::start(scenario);
    let address = ([127, 0, 0, 1], sipp.port).into();
    let platform = Platform::with_trunk(address, trunk);
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(4_000));
    let send = platform.send(&customer, message, "09121234567");
    let story = platform.story_of_ended(&customer, send);
    let passed = sipp.passed();
    (story, passed, balance(&platform, &customer))
}

fn balance(platform: &Platform, customer: &Customer) -> i64 {
    let id = customer.account.to_string();
    let account = platform.cli(&["account", "show", "--account", &id, "--json"]);
    assert_eq!(account["reserved_rials"], 0, "no hold is left open");
    account["balance_rials"].as_i64().unwrap()
}

/// 4 s of message are one pulse of 5 s at 45 rials a second.
const WHOLE: i64 = 225;

#[test]
fn an_answered_call_plays_to_its_end_and_is_charged() {
    let (story, passed, balance) = call("uas_answer.xml", "");
    assert_eq!(story["reason"], 10, "{story}");
    assert!(passed, "SIPp saw what its scenario wants");
    assert_eq!((story["charged_rials"].as_i64(), balance), (Some(WHOLE), 100_000 - WHOLE));
}

#[test]
fn a_busy_line_costs_nothing() {
    let (story, passed, balance) = call("uas_busy.xml", "");
    assert_eq!((story["reason"].as_i64(), story["sip_code"].as_i64()), (Some(21), Some(486)));
    assert!(passed);
    assert_eq!(balance, 100_000);
}

#[test]
fn a_phone_that_rings_out_is_cancelled_and_costs_nothing() {
    let sipp = Sipp::start("uas_no_answer.xml");
    let address: std::net::SocketAddr = ([127, 0, 0, 1], sipp.port).into();
    let trunk = format!("[[trunk]]\nname = 'peer'\naddress = '{address}'\n");
    let config = crate::platform::config(&format!("[calls]\nring_timeout_ms = 2500\n{trunk}"));
    let platform = Platform::start(crate::platform::Options { config, ..Default::default() });
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(4_000));
    let send = platform.send(&customer, message, "09121234567");
    let story = platform.story_of_ended(&customer, send);
    assert_eq!(story["reason"], 20, "{story}");
    assert!(sipp.passed(), "CANCEL came and 487 was acknowledged");
    assert_eq!(balance(&platform, &customer), 100_000);
}

#[test]
fn a_trunk_that_asks_by_401_gets_its_digest() {
    let (story, passed, _) =
        call("uas_auth_401.xml", "username = 'avanak'\npassword = 'open-sesame'\n");
    assert_eq!(story["reason"], 10, "{story}");
    assert!(passed, "SIPp proved the digest");
}

#[test]
fn a_trunk_that_offers_sha256_gets_it() {
    let (story, passed, _) =
        call("uas_auth_401_sha256.xml", "username = 'avanak'\npassword = 'open-sesame'\n");
    assert_eq!(story["reason"], 10, "{story}");
    assert!(passed);
}

#[test]
fn a_trunk_that_asks_by_407_gets_its_digest() {
    let (story, passed, _) =
        call("uas_auth_407.xml", "username = 'avanak'\npassword = 'open-sesame'\n");
    assert_eq!(story["reason"], 10, "{story}");
    assert!(passed);
}

#[test]
fn a_wrong_password_is_the_trunks_failure_and_costs_nothing() {
    let (story, _, balance) = call("uas_auth_401.xml", "username = 'avanak'\npassword = 'wrong'\n");
    assert_eq!(balance, 100_000, "{story}");
    assert_eq!((story["reason"].as_i64(), story["sip_code"].as_i64()), (Some(30), Some(403)));
}

#[test]
fn a_callee_who_hangs_up_pays_for_what_was_heard() {
    let (story, passed, balance) = call("uas_bye_from_callee.xml", "");
    assert_eq!(story["reason"], 11, "{story}");
    assert!(passed, "the BYE was answered");
    let played = story["played_seconds"].as_f64().unwrap();
    assert!((1.5..2.5).contains(&played), "{played}");
    assert_eq!(balance, 100_000 - WHOLE, "one started pulse");
}

#[test]
fn one_datagram_in_ten_lost_is_made_good() {
    let (story, _, balance) = call("uas_loss.xml", "");
    assert_eq!(story["reason"], 10, "{story}");
    assert_eq!(balance, 100_000 - WHOLE);
}
