//! Trunks that ask for digest, played by a peer that shares no code with us and computes every
//! response itself.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::platform::{Platform, eventually, peer_file, rising_tone};

/// The running peer.
struct Peer {
    child: Child,
    says: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Peer {
    fn start(settings: &Value) -> Self {
        let mut child = Command::new("python3")
            .arg(peer_file("digest_uas.py"))
            .arg(settings.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python is installed (cargo x test installs it)");
        let mut says = BufReader::new(child.stdout.take().unwrap());
        let mut port = String::new();
        says.read_line(&mut port).unwrap();
        let address = ([127, 0, 0, 1], port.trim().parse().unwrap()).into();
        Self { child, says, address }
    }

    /// What it saw, once its call is over.
    fn verdict(mut self) -> Value {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        let status = eventually("the peer ends", || self.child.try_wait().unwrap());
        assert!(status.success(), "{status}");
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It has ended by itself when the test passed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One call to a peer with these settings over the usual ones, with `password` on our side: the
/// send's story, what the peer saw, and the balance that is left of 100,000 rials.
fn call(settings: &Value, password: &str) -> (Value, Value, i64) {
    let mut all = json!({
        "status": 407, "algorithm": "SHA-256", "qop": "auth", "user": "avanak",
        "password": "open, \"sesame\"", "stale": 0, "refusal": 403, "challenge_bye": false,
    });
    for (name, value) in settings.as_object().unwrap() {
        all[name] = value.clone();
    }
    let peer = Peer::start(&all);
    let trunk = format!("username = 'avanak'\npassword = '{password}'\n");
    let platform = Platform::with_trunk(peer.address, &trunk);
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(3_000));
    let send = platform.send(&customer, message, "09121234567");
    let story = platform.story_of_ended(&customer, send);
    let verdict = peer.verdict();
    (story, verdict, platform.settled_balance(&customer))
}

/// The password that the peer wants.
const PASSWORD: &str = "open, \"sesame\"";

fn proves_itself(settings: &Value, expected: &Value, challenges: u32) {
    let (story, verdict, balance) = call(settings, PASSWORD);
    assert_eq!(story["reason"], 10, "{story} {verdict}");
    let right = json!({"right": expected, "wrong": [], "challenges": challenges});
    assert_eq!(verdict, right, "{settings}");
    assert_eq!(balance, 100_000 - 225);
}

/// One use of credentials as the peer reports it.
fn used(method: &str, algorithm: &str, qop: &str, count: &str) -> Value {
    json!({"method": method, "algorithm": algorithm, "qop": qop, "nc": count})
}

#[test]
fn every_algorithm_and_protection_that_is_asked_for_is_right() {
    std::thread::scope(|scope| {
        for status in [401, 407] {
            for algorithm in ["MD5", "SHA-256"] {
                for qop in ["auth", "auth-int"] {
                    scope.spawn(move || {
                        let asked = json!({"status": status, "algorithm": algorithm, "qop": qop});
                        let invite = used("INVITE", algorithm, qop, "00000001");
                        proves_itself(&asked, &json!([invite]), 1);
                    });
                }
            }
        }
    });
}

#[test]
fn a_stale_nonce_is_exchanged_without_asking_for_another_password() {
    let invite = used("INVITE", "SHA-256", "auth", "00000001");
    proves_itself(&json!({"stale": 1}), &json!([invite]), 2);
}

#[test]
fn the_goodbye_proves_itself_with_the_nonce_it_knows() {
    let uses = ["INVITE", "BYE"].into_iter().zip(["00000001", "00000002"]);
    let uses: Vec<Value> =
        uses.map(|(method, count)| used(method, "SHA-256", "auth-int", count)).collect();
    proves_itself(&json!({"qop": "auth-int", "challenge_bye": true}), &json!(uses), 1);
}

#[test]
fn a_wrong_password_is_the_trunks_failure_and_costs_nothing() {
    // Some trunks refuse, others ask again; we do not try the same password forever.
    for refusal in [403, 0] {
        let (story, verdict, balance) = call(&json!({"refusal": refusal}), "wrong");
        assert_eq!(story["reason"], 30, "{story}");
        assert_eq!(verdict["right"], json!([]), "{verdict}");
        assert_eq!(verdict["wrong"], json!(["the response is wrong"]), "{verdict}");
        assert_eq!(balance, 100_000);
    }
}
