//! Personal messages on a real call: each phone hears its own values between the customer's clips,
//! by a message of its own and by a campaign that speaks ahead.

use serde_json::{Value, json};

use crate::platform::{
    Customer, Options, Platform, config, correlation, eventually, rising_tone, v1_request,
};

/// Numbers of the sandbox that listen to the end.
const NUMBERS: [&str; 2] = ["09121234567", "09121234568"];
/// How often a call is placed whose sound came late on a machine that is too busy.
const TRIES: usize = 3;

fn ask(platform: &Platform, customer: &Customer, method: &str, path: &str, body: &Value) -> Value {
    v1_request(platform.http(), &customer.token, method, path, body).unwrap().json()
}

fn sound(
    platform: &Platform,
    customer: &Customer,
    method: &str,
    path: &str,
    body: &Value,
) -> Vec<i16> {
    let wav = v1_request(platform.http(), &customer.token, method, path, body).unwrap().body;
    media::wav::read(&wav).unwrap()
}

/// A template with an amount between two clips.
fn template(platform: &Platform, customer: &Customer) -> Value {
    let clip = platform.upload(customer, &rising_tone(3_500));
    let written = format!("{{clip {clip}}} {{amount:rial debt}} {{clip {clip}}}");
    let wanted = json!({ "title": "بدهی", "template": written });
    let made = ask(platform, customer, "POST", "/v1/templates", &wanted);
    assert!(made["id"].is_i64(), "{made}");
    made["id"].clone()
}

fn ended(platform: &Platform, customer: &Customer, send: &str) -> Value {
    let path = format!("/v1/messages/{send}");
    eventually("the message is heard", || {
        let shown = ask(platform, customer, "GET", &path, &Value::Null);
        (shown["state"] == "ended").then_some(shown)
    })
}

/// The first second of the value, which stands behind a clip and a pause.
fn value(sound: &[i16]) -> &[i16] {
    &sound[3_600 * 8..4_600 * 8]
}

/// How alike what a phone heard is, and the value in it.
fn likeness(expected: &[i16], heard: &[i16]) -> f64 {
    let (said, _) = correlation(value(expected), heard);
    let (all, _) = correlation(expected, heard);
    said.min(all)
}

/// Goal: a phone hears the customer's clips with its own value between them, and the call is
/// charged by what was heard of it.
#[test]
fn a_phone_hears_its_own_value() {
    let platform = Platform::with_sandbox();
    let customer = platform.customer(1_000_000);
    let template = template(&platform, &customer);
    let path = format!("/v1/templates/{template}/sound");
    let [expected, other] = ["1250000", "77"].map(|debt| {
        let values = json!({ "values": { "debt": debt } });
        sound(&platform, &customer, "POST", &path, &values)
    });
    assert!(correlation(value(&other), &expected).0 < 0.7, "two values sound alike");
    let person = json!({ "number": NUMBERS[0], "values": { "debt": "۱٬۲۵۰٬۰۰۰" } });
    let wanted = json!({ "to": person, "template_id": template });
    let mut best = 0.0;
    for _ in 0..TRIES {
        let sent = ask(&platform, &customer, "POST", "/v1/messages", &wanted);
        let send = sent["id"].as_str().unwrap_or_else(|| panic!("{sent}")).to_owned();
        let shown = ended(&platform, &customer, &send);
        assert_eq!(shown["result"], "delivered", "{shown}");
        let pulses = (shown["clip_seconds"].as_f64().unwrap() / 5.0).ceil();
        assert_eq!(shown["charged"].as_f64(), Some(pulses * 225.0), "{shown}");
        assert_eq!(shown["clip_seconds"], shown["heard_seconds"], "{shown}");
        best = likeness(&expected, &platform.heard(send.parse().unwrap())).max(best);
        if best > 0.95 {
            return;
        }
    }
    panic!("the phone heard something else: {best}");
}

/// Goal: digits that take longer than a message may are refused, and are no failure of ours.
#[test]
fn a_thousand_digits_are_refused() {
    let platform = Platform::with_sandbox();
    let customer = platform.customer(1_000_000);
    let text = json!({ "title": "t", "text": "1234567890".repeat(100) });
    let refused = ask(&platform, &customer, "POST", "/v1/audio", &text);
    assert_eq!(refused["code"], "text_not_speakable", "{refused}");
    // These are said faster, so that only the engine knows how long they take.
    let text = json!({ "title": "t", "text": "1".repeat(1000) });
    let made = ask(&platform, &customer, "POST", "/v1/audio", &text);
    assert!(made["object"] == "audio" || made["code"] == "text_not_speakable", "{made}");
}

/// Goal: a campaign speaks ahead and calls each number with its own value; one that cannot be
/// spoken in the time it may take is not called, costs nothing, and says why.
#[test]
fn a_campaign_says_something_else_to_each() {
    let text = "[sandbox]\nrecord = true\n";
    let platform = Platform::start(Options { config: config(text), ..Options::default() });
    let customer = platform.customer(1_000_000);
    let clip = platform.upload(&customer, &rising_tone(3_500));
    let written = format!("{{clip {clip}}} {{digits code}} {{clip {clip}}}");
    let wanted = json!({ "title": "کد", "template": written, "max_seconds": 14 });
    let template = ask(&platform, &customer, "POST", "/v1/templates", &wanted)["id"].clone();
    let long = "12345678901234567890123456789012";
    let person = |number: &str, code: &str| json!({ "number": number, "values": { "code": code } });
    let mut alike = [0.0_f64; 2];
    for _ in 0..TRIES {
        let plan = json!({
            "title": "t", "template_id": template, "starts": "2026-01-01",
            "ends": "2100-01-01",
            "to": [person(NUMBERS[0], "12"), person("09121234569", long), person(NUMBERS[1], "98")],
        });
        let made = ask(&platform, &customer, "POST", "/v1/campaigns", &plan);
        let id = made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        let numbers = eventually("everybody was called", || {
            let path = format!("/v1/campaigns/{id}/numbers");
            let numbers = ask(&platform, &customer, "GET", &path, &Value::Null)["data"].clone();
            let all = numbers.as_array().unwrap();
            all.iter().all(|one| one["state"] == "ended").then(|| all.clone())
        });
        for (n, place) in [(0, 0), (2, 1)] {
            let number = &numbers[n];
            assert_eq!(number["result"], "delivered", "{number}");
            let path = format!("/v1/campaign_numbers/{}/sound", number["id"].as_str().unwrap());
            let expected = sound(&platform, &customer, "GET", &path, &Value::Null);
            let send: i64 = number["message_id"].as_str().unwrap().parse().unwrap();
            alike[place] = likeness(&expected, &platform.heard(send)).max(alike[place]);
        }
        let unspoken = &numbers[1];
        assert_eq!((&unspoken["result"], &unspoken["charged"]), (&json!("cancelled"), &json!(0)));
        let shown = ended(&platform, &customer, unspoken["message_id"].as_str().unwrap());
        assert_eq!(shown["reason"]["cause"], "not_spoken", "{shown}");
        if alike.iter().all(|alike| *alike > 0.95) {
            let audit = platform.cli(&["account", "audit", "--json"]);
            assert_eq!(audit["violations"], json!([]), "{audit}");
            return;
        }
    }
    panic!("the phones heard something else: {alike:?}");
}
