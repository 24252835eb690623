//! SIPp as the far end of a trunk: an independent SIP stack with its own idea of the standard.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::NamedTempFile;

use crate::platform::{Customer, Platform, eventually, free_udp_port, peer_file, rising_tone};

/// A running SIPp.
pub struct Sipp {
    child: Child,
    /// Where it takes calls, on loopback.
    pub port: u16,
    statistics: NamedTempFile,
}

/// Where a SIPp takes calls, and by what.
#[derive(Clone, Copy)]
pub struct Line {
    pub ip: &'static str,
    /// SIPp's name of the transport.
    pub mode: &'static str,
    /// The kernel's table in which its port stands.
    pub table: &'static str,
}

/// The usual line.
pub const UDP: Line = Line { ip: "127.0.0.1", mode: "u1", table: "udp" };
/// Over connections.
pub const TCP: Line = Line { ip: "127.0.0.1", mode: "t1", table: "tcp" };
/// Over connections and IPv6.
pub const TCP_V6: Line = Line { ip: "::1", mode: "t1", table: "tcp6" };
/// The usual line over IPv6.
pub const UDP_V6: Line = Line { ip: "::1", mode: "u1", table: "udp6" };

impl Sipp {
    /// Starts `scenario` for one call, and waits until its port is taken.
    pub fn start(scenario: &str) -> Self {
        Self::at(1, scenario, UDP)
    }

    /// Starts `scenario` for this many calls at an address and by a transport, and waits until
    /// its port is taken.
    pub fn at(calls: usize, scenario: &str, line: Line) -> Self {
        // A port that was free may be taken by a test beside us; SIPp then ends at once.
        eventually("SIPp starts", || {
            let mut sipp = Self::spawn(calls, scenario, line);
            let bound = eventually("SIPp takes its port", || {
                let ended = sipp.child.try_wait().unwrap().is_some();
                (ended || is_bound(line.table, sipp.port)).then_some(!ended)
            });
            bound.then_some(sipp)
        })
    }

    fn spawn(calls: usize, scenario: &str, line: Line) -> Self {
        let port = free_udp_port();
        let statistics = NamedTempFile::new().unwrap();
        let child = Command::new("sipp")
            .arg("-sf")
            .arg(peer_file("sipp").join(scenario))
            .args(["-i", line.ip, "-p", &port.to_string(), "-m", &calls.to_string()])
            .args(["-t", line.mode, "-nostdin", "-trace_stat", "-fd", "1", "-stf"])
            .arg(statistics.path())
            .args(["-rtp_echo", "-mp", &free_udp_port().to_string(), "-timeout", "50"])
            .args(["-watchdog_minor_maxtriggers", "999999"])
            .args(["-watchdog_major_maxtriggers", "999999"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .stdin(Stdio::null())
            .spawn()
            .expect("SIPp is installed (cargo x test installs it)");
        Self { child, port, statistics }
    }

    /// Calls `number` at `to` from this address of the machine, once; whether all went as the
    /// scenario says.
    pub fn calls(scenario: &str, from: &str, number: &str, to: SocketAddr) -> bool {
        let port = free_udp_port();
        let mut command = Command::new("sipp");
        command
            .arg("-sf")
            .arg(peer_file("sipp").join(scenario))
            .args(["-i", from, "-p", &port.to_string(), "-m", "1", "-s", number, "-t", "u1"])
            .args(["-nostdin", "-mp", &free_udp_port().to_string(), "-timeout", "40"])
            .args(["-watchdog_minor_maxtriggers", "999999"])
            .args(["-watchdog_major_maxtriggers", "999999"])
            .arg(to.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .stdin(Stdio::null());
        command.status().expect("SIPp is installed (cargo x test installs it)").success()
    }

    /// Waits for SIPp's own verdict: success when the call went as its scenario says.
    pub fn passed(&mut self) -> bool {
        let status = eventually("SIPp ends", || self.child.try_wait().unwrap());
        status.success()
    }

    /// A total of its statistics, which it writes each second and at its end.
    fn total(&self, name: &str) -> u64 {
        let text = std::fs::read_to_string(self.statistics.path()).unwrap();
        let mut lines = text.lines().map(|line| line.split(';').collect::<Vec<_>>());
        let names = lines.next().expect("SIPp names its columns");
        let column = names.iter().position(|column| *column == name).expect("a name SIPp knows");
        lines.next_back().expect("SIPp wrote its last line")[column].parse().unwrap()
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
pub fn is_bound(table: &str, port: u16) -> bool {
    let table = std::fs::read_to_string(format!("/proc/net/{table}")).unwrap();
    table.lines().any(|line| {
        line.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&format!(":{port:04X}")))
    })
}

/// One call to SIPp: the story of the send, whether SIPp was content, and the customer's balance.
fn call(scenario: &str, trunk: &str) -> (Value, bool, i64) {
    let mut sipp = Sipp::start(scenario);
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
    let mut sipp = Sipp::start("uas_no_answer.xml");
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

/// Goal: a callee who answers in the clear where the trunk must be encrypted hears nothing, is hung
/// up on at once, is not called again, and costs nothing.
#[test]
fn an_answer_without_keys_is_a_failure_that_costs_nothing() {
    let (story, passed, balance) = call("uas_answer.xml", "srtp = 'forced'\n");
    assert_eq!((&story["reason"], &story["sip_code"]), (&30.into(), &200.into()), "{story}");
    assert_eq!(story["attempts"][0]["cause"], "not_encrypted", "{story}");
    assert_eq!(story["attempts"].as_array().unwrap().len(), 1, "{story}");
    assert!(passed, "ACK and BYE came");
    assert_eq!(balance, 100_000);
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
fn one_datagram_in_ten_lost_is_made_good_in_forty_calls_at_once() {
    const CALLS: usize = 40;
    let mut sipp = Sipp::at(CALLS, "uas_loss.xml", UDP);
    let address = ([127, 0, 0, 1], sipp.port).into();
    let platform = Platform::with_trunk(address, "max_channels = 40\nmax_cps = 200\n");
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(4_000));
    let sends: Vec<i64> =
        (0..CALLS).map(|n| platform.send(&customer, message, &format!("0912{n:07}"))).collect();
    for send in &sends {
        let story = platform.story_of_ended(&customer, *send);
        assert_eq!(story["reason"], 10, "{story}");
        assert_eq!(story["charged_rials"], WHOLE, "{story}");
        assert_eq!(story["played_seconds"], story["clip_seconds"], "{story}");
    }
    assert!(sipp.passed(), "every call went as SIPp's scenario says");
    assert_eq!(sipp.total("SuccessfulCall(C)"), CALLS as u64);
    assert_eq!(sipp.total("FailedCall(C)"), 0);
    assert!(sipp.total("Retransmissions(C)") > 0, "SIPp had to say things again");
    let repeated = "avanak_engine_total{event=\"retransmits_out\"}";
    eventually("we had to say things again", || (platform.figure(repeated) > 0.0).then_some(()));
    let charged = i64::try_from(CALLS).unwrap() * WHOLE;
    assert_eq!(platform.settled_balance(&customer), 100_000 - charged);
}

/// A scenario, the SIP code we keep, the reason the customer reads, and what it costs.
type Row = (&'static str, Option<i64>, i64, i64);

/// The row in which the callee votes.
const KEY_ROW: &str = "uas_info_key.xml";

/// What stands between the INVITE and the end differs; what the customer reads must not.
const ROWS: &[Row] = &[
    ("uas_early_media.xml", Some(200), 10, WHOLE),
    ("uas_no_provisional.xml", Some(200), 10, WHOLE),
    ("uas_hold.xml", Some(200), 10, WHOLE),
    ("uas_update.xml", Some(200), 10, WHOLE),
    ("uas_forked_answer.xml", Some(200), 10, WHOLE),
    ("uas_odd_names.xml", Some(200), 10, WHOLE),
    ("uas_no_contact.xml", Some(200), 10, WHOLE),
    ("uas_record_route.xml", Some(200), 10, WHOLE),
    ("uas_strict_route.xml", Some(200), 10, WHOLE),
    ("uas_session_interval.xml", Some(200), 10, WHOLE),
    ("uas_reliable.xml", Some(200), 10, WHOLE),
    (KEY_ROW, Some(200), 10, WHOLE),
    ("uas_glare.xml", Some(200), 10, WHOLE),
    ("uas_cseq_gap.xml", Some(200), 11, WHOLE),
    ("uas_no_codec.xml", Some(200), 30, 0),
    ("uas_late_answer.xml", None, 20, 0),
    ("uas_never_ends.xml", None, 20, 0),
    ("uas_reject.xml", Some(603), 22, 0),
    ("uas_cause.xml", Some(480), 21, 0),
    ("uas_redirect.xml", Some(302), 30, 0),
    ("uas_unavailable.xml", Some(503), 30, 0),
];

#[test]
fn every_row_ends_as_it_should_for_the_customer_and_for_the_peer() {
    let mut peers: Vec<Sipp> = ROWS.iter().map(|(scenario, ..)| Sipp::start(scenario)).collect();
    let trunk = |(row, peer): (usize, &Sipp)| {
        let address = format!("127.0.0.1:{}", peer.port);
        format!("[[trunk]]\nname = 'p{row}'\naddress = '{address}'\nprefixes = ['0912{row:02}']\n")
    };
    let trunks: String = peers.iter().enumerate().map(trunk).collect();
    let config = crate::platform::config(&format!("[calls]\nring_timeout_ms = 2500\n{trunks}"));
    let platform = Platform::start(crate::platform::Options { config, ..Default::default() });
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(4_000)).to_string();
    let send = |(row, (name, ..)): (usize, &Row)| {
        let number = format!("0912{row:02}34567");
        let vote = if *name == KEY_ROW { "true" } else { "false" };
        let parameters = [("MessageID", &*message), ("Number", &*number), ("Vote", vote)];
        let sent = platform.call(&customer, "QuickSend", &parameters);
        sent["QuickSendID"].as_i64().unwrap()
    };
    let sends: Vec<i64> = ROWS.iter().enumerate().map(send).collect();
    for ((name, code, reason, cost), send) in ROWS.iter().zip(sends) {
        let story = platform.story_of_ended(&customer, send);
        assert_eq!(story["reason"], *reason, "{name}: {story}");
        assert_eq!(story["sip_code"].as_i64(), *code, "{name}: {story}");
        assert_eq!(story["charged_rials"], *cost, "{name}: {story}");
        if *reason == 10 {
            assert_eq!(story["played_seconds"], story["clip_seconds"], "{name}: {story}");
        }
        let state = platform.state(&customer, send);
        let key = if *name == KEY_ROW { 5 } else { -1 };
        assert_eq!(state["vote"], key, "{name}: {state}");
    }
    for ((name, ..), peer) in ROWS.iter().zip(&mut peers) {
        assert!(peer.passed(), "{name}: SIPp saw something else than it wants");
    }
    let charged: i64 = ROWS.iter().map(|(.., cost)| cost).sum();
    assert_eq!(platform.settled_balance(&customer), 100_000 - charged);
}
