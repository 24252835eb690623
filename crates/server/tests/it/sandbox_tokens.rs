//! Tokens of a sandbox beside a real trunk: everything works, and the trunk never hears of it.

use std::net::UdpSocket;

use serde_json::{Value, json};

use crate::platform::{Customer, PATIENCE, Platform, eventually, rising_tone, v1_request};

/// A number of the sandbox carrier that presses 7.
const PRESSES_SEVEN: &str = "09990000117";
/// One that listens to the end.
const NUMBER: &str = "09121234567";

fn ask(platform: &Platform, customer: &Customer, method: &str, path: &str, body: &Value) -> Value {
    v1_request(platform.http(), &customer.token, method, path, body).unwrap().json()
}

/// Waits until a message has ended; the message.
fn ended(platform: &Platform, customer: &Customer, message: &Value) -> Value {
    let path =
        format!("/v1/messages/{}", message["id"].as_str().unwrap_or_else(|| panic!("{message}")));
    eventually("the message ends", || {
        let shown = ask(platform, customer, "GET", &path, &Value::Null);
        (shown["state"] == "ended").then_some(shown)
    })
}

/// Goal: with a sandbox token the magic numbers answer, events and codes work and play money is
/// spent; nothing reaches the trunk, and the real account is untouched. A real token does reach it.
#[test]
fn a_sandbox_beside_a_real_trunk() {
    let trunk = UdpSocket::bind("127.0.0.1:0").unwrap();
    trunk.set_read_timeout(Some(PATIENCE)).unwrap();
    let beside = "[sandbox]\nbeside_trunks = true\n";
    let platform = Platform::with_trunk(trunk.local_addr().unwrap(), beside);
    let customer = platform.customer(100_000);
    let account = customer.account.to_string();
    let token = ["account", "token", "--account", &account, "--sandbox", "--json"];
    let made = platform.cli(&token);
    let sandbox = Customer {
        account: made["account_id"].as_i64().unwrap(),
        token: made["token"].as_str().unwrap().to_owned(),
    };
    assert_ne!(sandbox.account, customer.account);
    assert_eq!(platform.cli(&token)["account_id"], sandbox.account, "there is one sandbox");
    assert_eq!(ask(&platform, &sandbox, "GET", "/v1/events", &Value::Null)["data"], json!([]));
    let audio = platform.upload(&sandbox, &rising_tone(3_000));
    let wanted = json!({ "to": PRESSES_SEVEN, "audio_id": audio, "collect_key": true });
    let sent = ask(&platform, &sandbox, "POST", "/v1/messages", &wanted);
    let message = ended(&platform, &sandbox, &sent);
    assert_eq!(
        (&message["result"], &message["key"], &message["live"]),
        (&json!("delivered"), &json!(7), &json!(false))
    );
    assert!(message["charged"].as_i64().unwrap() > 0);
    let events = ask(&platform, &sandbox, "GET", "/v1/events", &Value::Null);
    assert_eq!(events["data"][1]["data"], message);
    let started = ask(&platform, &sandbox, "POST", "/v1/codes", &json!({ "to": NUMBER }));
    assert_eq!(started["live"], false, "{started}");
    let path = format!("/v1/codes/{}/check", started["id"].as_str().unwrap());
    let wrong = ask(&platform, &sandbox, "POST", &path, &json!({ "code": "654321" }));
    assert_eq!(wrong["code"], "code_wrong");
    let right = ask(&platform, &sandbox, "POST", &path, &json!({ "code": "123456" }));
    assert_eq!(right["state"], "approved");
    let spoken = ended(&platform, &sandbox, &json!({ "id": started["message_id"] }));
    assert_eq!(spoken["result"], "delivered");
    assert_eq!(platform.settled_balance(&customer), 100_000);
    assert!(platform.settled_balance(&sandbox) < 1_000_000_000);
    trunk.set_nonblocking(true).unwrap();
    assert!(trunk.recv(&mut [0; 2_000]).is_err(), "the trunk heard of the sandbox");
    trunk.set_nonblocking(false).unwrap();
    let audio = platform.upload(&customer, &rising_tone(3_000));
    let wanted = json!({ "to": NUMBER, "audio_id": audio });
    let sent = ask(&platform, &customer, "POST", "/v1/messages", &wanted);
    assert_eq!(sent["live"], true, "{sent}");
    let mut invite = [0; 2_000];
    let length = trunk.recv(&mut invite).unwrap();
    assert!(String::from_utf8_lossy(&invite[..length]).starts_with("INVITE sip:"));
    let refused = ask(
        &platform,
        &customer,
        "GET",
        &format!("/v1/messages/{}", message["id"].as_str().unwrap()),
        &Value::Null,
    );
    assert_eq!(refused["code"], "not_found", "the sandbox's messages are apart");
}
