//! Payments through the whole program, to real HTTP servers that speak as Zarinpal (version 4) and
//! Zibal (version 1) publish it, with their refusals and silences.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use serde_json::{Value, json};

use crate::announcements::network;
use crate::commands::{done, refused};
use crate::platform::{Customer, Options, PATIENCE, Platform, config, now, v1_request, v1_text};

fn v1(platform: &Platform, customer: &Customer, verb: &str, path: &str, body: &Value) -> Value {
    v1_request(platform.http(), &customer.token, verb, path, body).unwrap().json()
}

fn pay(platform: &Platform, customer: &Customer, gateway: &str) -> Value {
    let body = json!({ "gateway": gateway, "amount_rials": 50_000 });
    v1(platform, customer, "POST", "/v1/payments", &body)
}

/// The next request that a gateway got: its line and what it says.
fn asked(got: &Receiver<(String, String)>) -> (String, Value) {
    let (line, body) = got.recv_timeout(PATIENCE).unwrap();
    (line, serde_json::from_str(&body).unwrap())
}

/// Where a gateway sends its customer back, as the path here.
fn way_back(asked: &Value, name: &str) -> String {
    asked[name].as_str().unwrap().strip_prefix("https://avanak.test").unwrap().to_owned()
}

fn balance(platform: &Platform, customer: &Customer) -> Value {
    platform.account(customer)["balance_rials"].clone()
}

/// Goal: Zarinpal opens a payment; nobody has paid; it is silent; we are killed between its yes and
/// our commit; then it was verified before: the money is there once, however often the customer
/// comes back, and no key of ours is told.
#[test]
fn a_payment_by_zarinpal_is_taken_in_once() {
    let (zarinpal, got) = network(&[
        r#"200 OK|{"data":{"code":100,"message":"Success","authority":"A0001"},"errors":[]}"#,
        r#"200 OK|{"data":[],"errors":{"code":-51,"message":"Session is not valid"}}"#,
        "502 Bad|gateway",
        "",
        r#"200 OK|{"data":{"code":101,"message":"Verified","ref_id":4711,"fee":0},"errors":[]}"#,
        r#"200 OK|{"data":[],"errors":{"code":-10,"message":"Terminal m-s3cret is none"}}"#,
    ]);
    let settings = format!(
        "[payment]\npublic_url = 'https://avanak.test'\nzarinpal_merchant = 'm-s3cret'\n\
         zarinpal_address = 'http://{zarinpal}'\n"
    );
    let options = Options { config: config(&settings), ..Options::default() };
    let mut platform = Platform::start(options);
    let customer = platform.customer(1_000);
    let made = pay(&platform, &customer, "zarinpal");
    assert_eq!(made["url"], format!("http://{zarinpal}/pg/StartPay/A0001"), "{made}");
    let (line, opened) = asked(&got);
    assert_eq!(line, "POST /pg/v4/payment/request.json HTTP/1.1");
    assert_eq!((&opened["amount"], &opened["currency"]), (&json!(50_000), &json!("IRR")));
    let back = way_back(&opened, "callback_url");
    let come_back =
        |platform: &Platform| platform.get(&format!("{back}?Authority=A0001&Status=OK"));
    assert!(come_back(&platform).contains("هنوز"));
    let (line, verified) = asked(&got);
    assert_eq!(line, "POST /pg/v4/payment/verify.json HTTP/1.1");
    assert_eq!((&verified["amount"], &verified["authority"]), (&json!(50_000), &json!("A0001")));
    assert!(come_back(&platform).contains("هنوز"));
    asked(&got);
    // It has verified the payment, and its answer is on the way to a process that is no more.
    let (http, token, path) = (platform.http(), customer.token.clone(), back.clone());
    let asking = std::thread::spawn(move || {
        v1_request(http, &token, "GET", &path, &Value::Null).unwrap_err();
    });
    asked(&got);
    platform.kill();
    asking.join().unwrap();
    platform.restart();
    assert_eq!(balance(&platform, &customer), 1_000);
    for _ in 0..3 {
        assert!(come_back(&platform).contains("انجام شد"));
    }
    assert_eq!(balance(&platform, &customer), 51_000);
    let shown = v1(&platform, &customer, "GET", "/v1/payments/1", &Value::Null);
    assert_eq!((&shown["state"], &shown["reference"]), (&json!("paid"), &json!("4711")));
    let failed = pay(&platform, &customer, "zarinpal");
    assert_eq!((&failed["state"], &failed["url"]), (&json!("failed"), &Value::Null));
    assert_eq!(failed["reason"], "-10: Terminal … is none");
    assert!(platform.get("/payments/0000").contains("404"));
    assert!(!platform.log().contains("s3cret"));
}

/// Goal: Zibal says how much was paid; another amount is not taken, and what it verified before is
/// asked for.
#[test]
fn a_payment_by_zibal_is_what_was_asked_for() {
    let open = r#"200 OK|{"trackId":3714061657,"result":100,"message":"success"}"#;
    let open_too = r#"200 OK|{"trackId":3714061658,"result":100,"message":"success"}"#;
    let (zibal, got) = network(Box::leak(Box::new([
        open,
        r#"200 OK|{"message":"transaction failed","result":202}"#,
        r#"200 OK|{"message":"previously verifed","result":201}"#,
        r#"200 OK|{"message":"success","result":100,"status":1,"amount":50000,"refNumber":"99"}"#,
        open_too,
        r#"200 OK|{"message":"success","result":100,"status":1,"amount":5000,"refNumber":98}"#,
    ])));
    let settings = format!(
        "[payment]\npublic_url = 'https://avanak.test/'\nzibal_merchant = 'zibal'\n\
         zibal_address = 'http://{zibal}'\nreceipts = true\n"
    );
    let options = Options { config: config(&settings), ..Options::default() };
    let platform = Platform::start(options);
    let customer = platform.customer(0);
    let gateways = v1(&platform, &customer, "GET", "/v1/payments/gateways", &Value::Null);
    assert_eq!(gateways["data"], json!(["zibal", "receipt"]));
    let made = pay(&platform, &customer, "zibal");
    assert_eq!(made["url"], format!("http://{zibal}/start/3714061657"), "{made}");
    let (line, opened) = asked(&got);
    assert_eq!(
        (line.as_str(), &opened["merchant"]),
        ("POST /v1/request HTTP/1.1", &json!("zibal"))
    );
    let back = way_back(&opened, "callbackUrl");
    assert!(platform.get(&back).contains("هنوز"));
    assert_eq!(asked(&got).1["trackId"], 3_714_061_657_i64);
    assert!(platform.get(&back).contains("انجام شد"));
    asked(&got);
    assert_eq!(asked(&got).0, "POST /v1/inquiry HTTP/1.1");
    assert_eq!(balance(&platform, &customer), 50_000);
    pay(&platform, &customer, "zibal");
    let back = way_back(&asked(&got).1, "callbackUrl");
    assert!(platform.get(&back).contains("ناموفق"));
    assert_eq!(balance(&platform, &customer), 50_000);
    let listed = platform.cli(&["payment", "list", "--json"]);
    assert_eq!(listed["payments"][0]["reason"], "5000 rials were paid under 98", "{listed}");
    assert!(done(&platform, &["payment", "list"]).contains("by zibal is paid  99"));
    // What it has is taken in by one of us, and the whole of it is evidence.
    assert!(platform.log().contains("money at a gateway could not be taken in"));
    let accept = ["payment", "accept", "2", "--amount", "5000", "--reference", "98"];
    let accept = [&accept[..], &["--by", "Sara"]].concat();
    assert!(done(&platform, &accept).contains("5000 rials by zibal is paid  98"));
    assert!(refused(&platform, &accept).contains("does not follow"));
    assert_eq!(balance(&platform, &customer), 55_000);
    let verified = platform.cli(&["chain", "verify", "--json"]);
    assert_eq!(verified["wrong"], json!([]), "{verified}");
}

/// Goal: a gateway that answers nothing does not keep the process from stopping, and its payment is
/// ended by one of us.
#[test]
fn a_silent_gateway_keeps_nobody_from_stopping() {
    let open = r#"200 OK|{"trackId":3714061657,"result":100,"message":"success"}"#;
    let (zibal, got) = network(Box::leak(Box::new([open, ""])));
    let settings = format!(
        "[payment]\npublic_url = 'https://avanak.test'\nzibal_merchant = 'zibal'\n\
         zibal_address = 'http://{zibal}'\n"
    );
    let options = Options { config: config(&settings), ..Options::default() };
    let mut platform = Platform::start(options);
    let customer = platform.customer(0);
    pay(&platform, &customer, "zibal");
    asked(&got);
    let rows = rusqlite::Connection::open(platform.data_dir().join("avanak.db")).unwrap();
    rows.execute("UPDATE payment SET ask_at_us = 1", ()).unwrap();
    drop(rows);
    assert_eq!(asked(&got).0, "POST /v1/verify HTTP/1.1");
    let since = now();
    platform.terminate();
    assert!(platform.ended().success());
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    platform.restart();
    let given_up = done(&platform, &["payment", "give-up", "1", "--by", "Sara"]);
    assert!(given_up.contains("is failed  its gateway does not answer"), "{given_up}");
    let deeds = platform.cli(&["chain", "list", "--staff", "--json"]).to_string();
    assert!(deeds.contains("payment give-up 1 --by Sara"), "{deeds}");
}

/// Goal: a receipt waits for one of us, who reads it in a file that is nobody else's, takes exactly
/// its amount in under the bank's reference, once; all of it is evidence.
#[test]
fn a_receipt_is_taken_in_by_one_of_us() {
    let options = Options { config: config("[payment]\nreceipts = true\n"), ..Options::default() };
    let platform = Platform::start(options);
    let customer = platform.customer(0);
    let accept = |id, amount, reference| {
        let words = ["payment", "accept", id, "--amount", amount, "--reference", reference];
        platform.run(&[&words[..], &["--by", "Sara"]].concat())
    };
    let no = |output: &Output, why: &str| {
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(why), "{text}");
    };
    for id in ["1", "2"] {
        assert_eq!(pay(&platform, &customer, "receipt")["state"], "made");
        no(&accept(id, "50000", "tr 1"), "does not follow");
        let path = format!("/v1/payments/{id}/receipt");
        let sent = v1_text(platform.http(), &customer.token, &path, "%PDF-1.7 a receipt");
        assert_eq!(sent.unwrap().json()["state"], "review");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("receipt.pdf");
    let read = ["payment", "receipt", "1", "--to", file.to_str().unwrap()];
    assert!(done(&platform, &read).contains("application/pdf"));
    assert_eq!(std::fs::read(&file).unwrap(), b"%PDF-1.7 a receipt");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(refused(&platform, &read).contains("making "));
    no(&accept("1", "49999", "tr 1"), "another amount");
    assert!(accept("1", "50000", "tr 1").status.success());
    no(&accept("2", "50000", "TR-۱"), "another payment");
    assert_eq!(balance(&platform, &customer), 50_000);
    let refuse = ["payment", "refuse", "2", "--reason", "Ali sent it", "--by", "Sara"];
    done(&platform, &refuse);
    let shown = v1(&platform, &customer, "GET", "/v1/payments/2", &Value::Null);
    assert_eq!((&shown["state"], &shown["reason"]), (&json!("failed"), &json!("Ali sent it")));
    let deeds = platform.cli(&["chain", "list", "--staff", "--json"]).to_string();
    assert!(deeds.contains("payment accept 1 --amount 50000"), "{deeds}");
    assert!(deeds.contains("payment refuse 2 --reason … --by Sara"), "{deeds}");
    let verified = platform.cli(&["chain", "verify", "--json"]);
    assert_eq!(verified["wrong"], json!([]), "{verified}");
}
