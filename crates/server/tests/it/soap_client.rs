//! A published SOAP library, unmodified, as a customer: every method that our WSDL names, by SOAP
//! 1.1 and 1.2, until messages were heard to their ends.

use std::process::Command;

use serde_json::Value;

use crate::platform::{Platform, peer_file};
use crate::python_client::interpreter;

/// A number of the sandbox that answers after a second and listens to the end.
const NUMBER: &str = "09121234567";

/// Goal: zeep, given nothing but the WSDL's address, calls every method; its password never reaches
/// the log, and the books add up.
#[test]
fn a_published_soap_library_works_by_the_wsdl_alone() {
    let platform = Platform::with_sandbox();
    let customer = platform.customer(1_000_000);
    let account = customer.account.to_string();
    let map = platform.data_dir().join("map.csv");
    std::fs::write(&map, "09121234567,35.7,51.35\n09171234567,29.6,52.5\n").unwrap();
    let imported = platform.cli(&["map", "import", map.to_str().unwrap(), "--json"]);
    assert_eq!((&imported["numbers"], &imported["bad"]), (&2.into(), &0.into()));
    let permit = ["account", "secure-calls", "--account", &account, "--permitted", "true"];
    assert!(platform.run(&permit).status.success());
    let permit = ["account", "regions", "--account", &account, "--permitted", "true"];
    assert!(platform.run(&permit).status.success());
    let login = ["account", "password", "--account", &account, "--user-name", "Shop.1", "--json"];
    let login = platform.cli(&login);
    let password = login["password"].as_str().unwrap();
    let output = Command::new(interpreter())
        .arg(peer_file("soap_client.py"))
        .arg(format!("http://{}", platform.http()))
        .args(["shop.1", password, NUMBER])
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .expect("Python with the clients is installed (cargo x test installs it)");
    let told = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}{complaint}");
    let result: Value = serde_json::from_str(told.trim()).unwrap();
    assert!(result["methods"].as_u64().unwrap() >= 34, "{result}");
    let audit = platform.cli(&["account", "audit", "--json"]);
    assert_eq!(audit["violations"].as_array().unwrap().len(), 0, "{audit}");
    assert!(platform.run(&["map", "remove"]).status.success());
    assert_eq!(platform.cli(&["map", "show", "--json"])["numbers"], 0);
    let log = platform.log();
    assert!(!log.contains(password), "a password never reaches the log");
    assert!(!log.contains(NUMBER), "a number is never logged in full");
}
