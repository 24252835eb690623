//! The published Python client, unmodified, as a customer: every method that it
//! has, until messages, codes and a campaign were heard to their ends.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::platform::{Platform, peer_file};

/// A number of the sandbox that answers after a second and listens to the end.
const NUMBER: &str = "09121234567";

/// The interpreter that has the client.
fn interpreter() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/python/bin/python");
    std::env::var_os("AVANAK_TEST_PYTHON").map_or(own, PathBuf::from)
}

#[test]
fn the_published_python_client_works_unmodified() {
    let platform = Platform::with_sandbox();
    let customer = platform.customer(100_000);
    let output = Command::new(interpreter())
        .arg(peer_file("avanak_client.py"))
        .arg(format!("http://{}/Rest", platform.http()))
        .args([&customer.token, NUMBER])
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .expect("Python with the client is installed (cargo x test installs it)");
    let told = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}{complaint}");
    let result: Value = serde_json::from_str(told.trim()).unwrap();
    let money = |send: &str| result["sends"][send]["held_rials"].as_i64().unwrap();
    // Both were heard to the end, so what was held is what was paid; speech came on top.
    let paid = result["before_rials"].as_f64().unwrap() - result["after_rials"].as_f64().unwrap();
    #[expect(clippy::cast_precision_loss, reason = "a few hundred rials")]
    let calls = (money("stored") + money("spoken")) as f64;
    let campaign = result["campaign_rials"].as_f64().unwrap();
    assert!(campaign > 0.0 && paid > calls + campaign, "{result}");

    for send in ["stored", "spoken"] {
        let id = result["sends"][send]["id"].to_string();
        let story = platform.cli(&["quick-send", "show", &id, "--json"]);
        assert_eq!(story["reason"], 10, "{story}");
        assert_eq!(story["status"], result["sends"][send]["status"], "{story}");
        assert_eq!(story["charged_rials"].as_i64(), Some(money(send)), "{story}");
        let heard = story["heard_seconds"].as_f64().unwrap();
        assert!(heard >= story["clip_seconds"].as_f64().unwrap(), "{story}");
    }
    let log = platform.log();
    assert!(!log.contains(&customer.token), "a token never reaches the log");
    assert!(!log.contains(NUMBER), "a number is never logged in full");
}
