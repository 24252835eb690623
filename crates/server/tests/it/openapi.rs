//! The modern API against its own description: a published tester makes requests of whatever the
//! description allows and forbids, and holds the answers to it.

use std::process::Command;

use serde_json::{Value, json};

use crate::platform::{Customer, Options, Platform, config, rising_tone, v1_request};
use crate::python_client::interpreter;

/// Things that the tester finds when it asks for number 1 of their kind.
fn stock(platform: &Platform, customer: &Customer) {
    let audio = platform.upload(customer, &rising_tone(4_000));
    let make = |path: &str, body: Value| {
        let answer =
            v1_request(platform.http(), &customer.token, "POST", path, &body).unwrap().json();
        assert_eq!(answer["id"], "1", "{path}: {answer}");
    };
    let template = json!({ "title": "t", "template": "{clip 1} {digits code}" });
    v1_request(platform.http(), &customer.token, "POST", "/v1/templates", &template).unwrap();
    make("/v1/messages", json!({ "to": "09121234567", "audio_id": audio }));
    make("/v1/codes", json!({ "to": "09121234569" }));
    make("/v1/webhooks", json!({ "url": "https://hooks.invalid/avanak" }));
    let (starts, ends) = ("2026-01-01 00:00", "2100-01-01 23:00");
    let list = json!({ "title": "t", "audio_id": audio, "to": ["09121234568"], "start": false,
                       "starts": starts, "ends": ends });
    make("/v1/campaigns", list);
    make("/v1/tickets", json!({ "subject": "s", "text": "t" }));
    make("/v1/error_reports", json!({ "title": "t", "description": "d", "ticket_id": "1" }));
    let ask = ["remote-session", "ask", "1", "--purpose", "p", "--by", "Reza"];
    assert!(platform.run(&ask).status.success());
    let account = customer.account.to_string();
    let entry = [
        "violation",
        "record",
        "--account",
        &account,
        "--clause",
        "payment",
        "--from",
        "1405/01/01",
        "--to",
        "1405/01/02",
        "--reference",
        "invoice:1",
        "--by",
        "Reza",
        "--evidence",
        "invoice 1",
    ];
    assert!(platform.run(&entry).status.success());
}

/// Lets the tester ask in these phases, without those checks.
fn ask(platform: &Platform, customer: &Customer, config: &str, [phases, without]: [&str; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("schemathesis.toml");
    std::fs::write(&settings, config).unwrap();
    let output = Command::new(interpreter().with_file_name("schemathesis"))
        .current_dir(folder.path())
        .arg("--config-file")
        .arg(&settings)
        .arg("run")
        .arg(format!("http://{}/v1/openapi.json", platform.http()))
        .arg("--header")
        .arg(format!("Authorization: Bearer {}", customer.token))
        .args(["--phases", phases])
        // What is a number, a day or an address is not all that a schema says of a text.
        .args(["--exclude-checks", without])
        .args(["--seed", "20261129", "--max-examples", "20", "--no-color"])
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .expect("Python with the tester is installed (cargo x test installs it)");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("test cases") || told.contains("Test cases"), "{told}");
}

/// Goal: every operation answers as the description says, whatever is asked; what was made is found
/// where the answer says; nothing of it is a failure of ours, and the books add up afterwards.
#[test]
fn the_modern_api_is_as_it_is_described() {
    let unlimited = "[http]\nwrong_per_minute = 0\n";
    let platform = Platform::start(Options { config: config(unlimited), ..Options::default() });
    let customer = platform.customer(10_000_000);
    stock(&platform, &customer);
    // Each operation by itself asks for number 1: an id that is made up finds nothing, and then
    // only its 404 would be tested. Number 1 may have been deleted, whatever was just made.
    let pin = "[parameters]\n\"path.id\" = \"1\"\n";
    let alone = "positive_data_acceptance,ensure_resource_availability";
    ask(&platform, &customer, pin, ["examples,coverage,fuzzing", alone]);
    // One after the other: the ids are those of what was made before, by the links of the answers.
    ask(&platform, &customer, "", ["stateful", "positive_data_acceptance"]);
    assert!(!platform.log().contains("request failed"), "a failure of ours");
    let audit = platform.cli(&["account", "audit", "--json"]);
    assert_eq!(audit["violations"], json!([]), "{audit}");
}
