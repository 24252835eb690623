//! Who customers are, between `/v1`, the operator's registry over HTTP and staff at the command
//! line.

use std::time::Duration;

use serde_json::{Value, json};

use crate::announcements::network;
use crate::commands::{done, refused};
use crate::platform::{
    Customer, Options, PATIENCE, Platform, config, eventually, free_udp_port, now, rising_tone,
    v1_request,
};

const CASES: &str = "/v1/identity_verifications";

fn v1(platform: &Platform, customer: &Customer, verb: &str, path: &str, body: &Value) -> Value {
    v1_request(platform.http(), &customer.token, verb, path, body).unwrap().json()
}

/// Begins a case and hands it in; the answer is its path. It stands at `state` then.
fn handed_in(platform: &Platform, customer: &Customer, state: &str) -> String {
    let stated = json!({ "national_code": "0499370899", "first_name": "علی", "last_name": "کریمی",
                         "birth_day": "1370-02-31", "mobile": "09121234567" });
    let begun = v1(platform, customer, "POST", CASES, &stated);
    let path = format!("{CASES}/{}", begun["id"].as_str().unwrap());
    let submitted = v1(platform, customer, "POST", &format!("{path}/submit"), &Value::Null);
    assert_eq!(submitted["state"], state, "{submitted}");
    path
}

fn eventually_is(platform: &Platform, customer: &Customer, path: &str, state: &str) -> Value {
    eventually("a case is decided", || {
        let case = v1(platform, customer, "GET", path, &Value::Null);
        (case["state"] == state).then_some(case)
    })
}

/// Goal: the registry that the operator names is asked, also after a kill; whom it knows is proven
/// without anybody of staff; no log says who was asked for.
#[test]
fn the_registry_of_the_configuration_is_asked() {
    let (registry, got) = network(&["502 x|away", r#"200 OK|{"matches":true}"#]);
    let settings = format!(
        "[identity]\nproofs = 'registry'\nregistry = 'http://{registry}/persons?v=1'\n\
         registry_token = 's3cret'\nvalid_days = 365\n"
    );
    let mut platform = Platform::start(Options { config: config(&settings), ..Options::default() });
    let customer = platform.customer(0);
    let path = handed_in(&platform, &customer, "submitted");
    let (line, body) = got.recv_timeout(PATIENCE).unwrap();
    let asked: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(line, "POST /persons?v=1 HTTP/1.1");
    assert_eq!(asked["national_code"], "0499370899");
    assert_eq!((&asked["birth_day"], &asked["first_name"]), (&"1370-02-31".into(), &"علی".into()));
    eventually("the silence is noted", || {
        platform.log().contains("registry of persons does not answer").then_some(())
    });
    platform.kill();
    platform.restart();
    let case = eventually_is(&platform, &customer, &path, "verified");
    assert!(case["valid_until"].is_string(), "{case}");
    let log = platform.log();
    for word in ["0499370899", "09121234567", "کریمی", "s3cret"] {
        assert!(!log.contains(word), "{word} is in the log");
    }
    let why = ["identity", "revoke", "1", "--reason", "an error", "--by", "Maryam"];
    assert!(done(&platform, &why).contains("revoked"));
    let shown = platform.cli(&["identity", "show", "1"]);
    assert_eq!(shown["person"]["national_code"], "0499370899", "{shown}");
    done(&platform, &["identity", "forget", "1", "--reason", "asked", "--by", "Maryam"]);
    assert_eq!(platform.cli(&["identity", "show", "1"])["person"], Value::Null);
    let verified = platform.cli(&["chain", "verify", "--json"]);
    assert_eq!(verified["wrong"].as_array().unwrap().len(), 0, "{verified}");
}

/// Goal: a registry that answers nothing does not keep the process from stopping, and is asked
/// again by the next one.
#[test]
fn a_silent_registry_keeps_nobody_from_stopping() {
    let (registry, got) = network(&["", r#"200 OK|{"matches":true}"#]);
    let settings = format!("[identity]\nproofs = 'registry'\nregistry = 'http://{registry}/'\n");
    let options = Options { config: config(&settings), ..Options::default() };
    let mut platform = Platform::start(options);
    let customer = platform.customer(0);
    let path = handed_in(&platform, &customer, "submitted");
    got.recv_timeout(PATIENCE).unwrap();
    let since = now();
    platform.terminate();
    assert!(platform.ended().success());
    // The registry has ten seconds for its answer.
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
    let rows = rusqlite::Connection::open(platform.data_dir().join("avanak.db")).unwrap();
    rows.execute("UPDATE identity_case SET ask_at_us = 1 WHERE ask_at_us IS NOT NULL", ()).unwrap();
    drop(rows);
    platform.restart();
    eventually_is(&platform, &customer, &path, "verified");
}

/// Goal: whom the registry does not know waits for one of staff, who sees who it is and decides.
#[test]
fn whom_the_registry_does_not_know_is_seen_by_staff() {
    let (registry, _got) = network(&[r#"200 OK|{"matches":false}"#]);
    let settings = format!("[identity]\nproofs = 'registry'\nregistry = 'http://{registry}/'\n");
    let platform = Platform::start(Options { config: config(&settings), ..Options::default() });
    let customer = platform.customer(0);
    let path = handed_in(&platform, &customer, "submitted");
    eventually_is(&platform, &customer, &path, "needs_manual");
    let waiting = platform.cli(&["identity", "list", "--waiting", "--json"]);
    assert_eq!(waiting["cases"][0]["person"], Value::Null, "{waiting}");
    let reject = ["identity", "reject", "1", "--reason", "another name", "--by", "Maryam"];
    assert!(done(&platform, &reject).contains("(049*****99) is rejected"));
    assert!(refused(&platform, &reject).contains("does not follow"));
    let case = v1(&platform, &customer, "GET", &path, &Value::Null);
    assert_eq!(case["history"][3]["text"], "another name", "{case}");
}

/// Goal: where the configuration asks for it, a customer is refused until one of staff is sure who
/// it is; its sandbox is not.
#[test]
fn who_is_not_known_calls_nobody_where_that_is_asked() {
    let nobody = format!("127.0.0.1:{}", free_udp_port()).parse().unwrap();
    let more = "[sandbox]\nbeside_trunks = true\n[identity]\nrequired = true\nproofs = ''\n";
    let platform = Platform::with_trunk(nobody, more);
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(4_000));
    let send = |customer: &Customer, message| {
        let sent = platform.try_send(customer, message, "09121234567").json();
        sent["QuickSendID"].as_i64().unwrap()
    };
    assert_eq!(send(&customer, message), -102);
    let account = customer.account.to_string();
    let made = platform.cli(&["account", "token", "--account", &account, "--sandbox", "--json"]);
    let token = made["token"].as_str().unwrap().to_owned();
    let sandbox = Customer { token, ..customer.clone() };
    let plays = platform.upload(&sandbox, &rising_tone(4_000));
    assert!(send(&sandbox, plays) > 0);
    handed_in(&platform, &customer, "needs_manual");
    assert_eq!(send(&customer, message), -102);
    done(&platform, &["identity", "verify", "1", "--by", "Maryam"]);
    assert!(send(&customer, message) > 0);
}
