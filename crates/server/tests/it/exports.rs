//! Exports through the whole program: asked for, killed in the middle, whole afterwards, and the
//! same by the command line.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::commands::done;
use crate::platform::{Customer, Platform, eventually, pause, v1_request};

fn ask(platform: &Platform, customer: &Customer, method: &str, path: &str, body: &Value) -> Value {
    v1_request(platform.http(), &customer.token, method, path, body).unwrap().json()
}

/// Goal: wherever the process is killed while it writes, the file is there in the end, once and
/// whole, and is what the command line writes, too.
#[test]
fn a_killed_export_is_written_anew() {
    let mut platform = Platform::with_sandbox();
    let customer = platform.customer(100_000);
    let account = customer.account.to_string();
    for n in 0..20 {
        let reference = format!("واریز {n}");
        let credit = [
            "account",
            "credit",
            "--account",
            &account,
            "--rials",
            "10",
            "--reference",
            &reference,
        ];
        done(&platform, &credit);
    }
    let wanted =
        json!({ "kind": "statement", "from": "2026-01-01", "to": "2100-01-01", "dates": "jalali" });
    let made = ask(&platform, &customer, "POST", "/v1/exports", &wanted);
    assert_eq!(made["state"], "waiting", "{made}");
    for ms in [0, 300, 700] {
        pause(std::time::Duration::from_millis(ms));
        platform.kill();
        platform.restart();
    }
    let path = format!("/v1/exports/{}", made["id"].as_str().unwrap());
    let ready = eventually("it is written", || {
        let shown = ask(&platform, &customer, "GET", &path, &Value::Null);
        (shown["state"] == "ready").then_some(shown)
    });
    assert_eq!(ready["rows"], 21, "{ready}");
    let file = ready["file"].as_str().unwrap();
    let answer = v1_request(platform.http(), &customer.token, "GET", file, &Value::Null).unwrap();
    assert_eq!(answer.field("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(json!(answer.body.len()), ready["bytes"]);
    let by_hand = platform.data_dir().join("statement.csv");
    let by_hand = by_hand.to_str().unwrap();
    let export = ["export", "statement", "--account", &account, "--from", "2026-01-01", "--to"];
    let to = ["2100-01-01", "--file", by_hand, "--jalali", "--json"];
    let told = platform.cli(&[&export[..], &to[..]].concat());
    assert_eq!((&told["rows"], &told["bytes"]), (&ready["rows"], &ready["bytes"]));
    assert_eq!(std::fs::read(by_hand).unwrap(), answer.body);
    let mode = std::fs::metadata(by_hand).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it is read by its owner alone");
    let again = platform.run(&[&export[..], &to[..]].concat());
    assert!(!again.status.success(), "a file that is there is not written over");
}
