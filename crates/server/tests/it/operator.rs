//! What an operator sets, by the command line and the configuration, as a customer meets it.

use crate::platform::{Customer, Options, Platform, config, rising_tone};

/// The code that a customer's AccountStatus is refused with; `None` when it is answered.
fn refusal(platform: &Platform, customer: &Customer) -> Option<i64> {
    platform.call(customer, "AccountStatus", &[])["Result"].as_i64()
}

#[test]
fn access_is_what_the_operator_sets_while_the_server_runs() {
    let platform = Platform::with_sandbox();
    let customer = platform.customer(1_000);
    let id = customer.account.to_string();
    let set = |arguments: &[&str]| {
        let command = [&["account", "set", "--account", &id, "--json"], arguments].concat();
        platform.cli(&command)["access"].clone()
    };
    assert_eq!(refusal(&platform, &customer), None);
    for (flag, set_to, lifted, code) in [
        ("--web-service", "false", "true", -106),
        ("--blocked", "true", "false", -105),
        ("--mobile-verified", "false", "true", -102),
        ("--https-only", "true", "false", -109),
    ] {
        set(&[flag, set_to]);
        assert_eq!(refusal(&platform, &customer), Some(code), "{flag}");
        set(&[flag, lifted]);
    }
    set(&["--allow-ip", "192.0.2.0/24", "--allow-ip", "2001:db8::/32"]);
    assert_eq!(refusal(&platform, &customer), Some(-107));
    set(&["--any-ip", "--method", "quicksend"]);
    assert_eq!(refusal(&platform, &customer), Some(-108));
    let access = set(&["--method", "quicksend", "--method", "accountstatus"]);
    assert_eq!(access["method"], serde_json::json!(["QuickSend", "AccountStatus"]));
    assert_eq!(access["allow_ip"], serde_json::json!([]));
    assert_eq!(refusal(&platform, &customer), None);
    set(&["--any-method"]);

    let token = |arguments: &[&str]| {
        let command = [&["account", "token", "--account", &id, "--json"], arguments].concat();
        let token = platform.cli(&command)["token"].as_str().unwrap().to_owned();
        Customer { account: customer.account, token }
    };
    let away = token(&["--allow-ip", "192.0.2.1"]);
    assert_eq!(refusal(&platform, &away), Some(-207));
    let send_only = token(&["--allow-ip", "127.0.0.0/8", "--method", "QuickSend"]);
    assert_eq!(refusal(&platform, &send_only), Some(-208));
    assert_eq!(platform.call(&send_only, "QuickSend", &[])["QuickSendID"], -2);

    for wrong in [&["--method", "Nothing"][..], &["--allow-ip", "here"], &["--blocked", "maybe"]] {
        let output = platform.run(&[&["account", "set", "--account", &id], wrong].concat());
        assert!(!output.status.success(), "{wrong:?}");
    }
}

#[test]
fn uploads_are_as_large_and_slow_as_the_configuration_allows() {
    let limits = "[audio]\nupload_limit_bytes = 60000\n";
    let options = Options { config: config(limits), ..Options::default() };
    let platform = Platform::start(options);
    let customer = platform.customer(0);
    assert!(platform.upload(&customer, &rising_tone(3_200)) > 0);
    assert_eq!(uploaded(&platform, &customer, &rising_tone(4_000)), -10);

    let options =
        Options { config: config("[audio]\ndecode_limit_ms = 0\n"), ..Options::default() };
    let platform = Platform::start(options);
    let customer = platform.customer(0);
    assert_eq!(uploaded(&platform, &customer, &rising_tone(3_200)), -30);
}

/// What UploadMessageBase64 answers in `Id`.
fn uploaded(platform: &Platform, customer: &Customer, wav: &[u8]) -> i64 {
    use base64::Engine as _;
    let audio = base64::engine::general_purpose::STANDARD.encode(wav);
    let answer = platform.call(customer, "UploadMessageBase64", &[("Base64", &audio)]);
    answer["Id"].as_i64().unwrap()
}
