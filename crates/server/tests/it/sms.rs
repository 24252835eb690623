//! SMS after calls, by Kavenegar's published web service on a real HTTP server, and by the spool.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::platform::{Customer, Options, Platform, config, eventually, rising_tone, v1_request};

/// A number of the sandbox that listens to the end.
const NUMBER: &str = "09121234567";

/// What was asked of the service: its path and the form.
type Asked = Arc<Mutex<Vec<(String, BTreeMap<String, String>)>>>;

/// A service like Kavenegar's. It takes every SMS, but says nothing to the first: that answer is
/// lost. It knows an SMS again by its `localid`, and tells the same name for it.
fn service() -> (u16, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked: Asked = Arc::default();
    let seen = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut names: Vec<String> = Vec::new();
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut first, mut length) = (String::new(), 0);
            stream.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                let line = line.trim_end().to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let form = form(&String::from_utf8(body).unwrap());
            let name = form["localid"].clone();
            seen.lock().unwrap().push((first.trim_end().to_owned(), form.clone()));
            let place = names.iter().position(|known| *known == name);
            let Some(place) = place else {
                names.push(name);
                // The connection is closed without an answer.
                continue;
            };
            let answer = json!({
                "return": { "status": 200, "message": "تایید شد" },
                "entries": [{ "messageid": 8_792_343 + place, "receptor": form["receptor"],
                              "status": 1, "statustext": "در صف ارسال", "cost": 120 }],
            })
            .to_string();
            let stream = stream.get_mut();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len())
                .unwrap();
        }
    });
    (port, asked)
}

fn form(text: &str) -> BTreeMap<String, String> {
    let decoded = |text: &str| {
        let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
        while let [first, tail @ ..] = rest {
            rest = tail;
            match (first, tail) {
                (b'%', [high, low, tail @ ..]) => {
                    let hex = [*high, *low];
                    let hex = std::str::from_utf8(&hex).unwrap();
                    bytes.push(u8::from_str_radix(hex, 16).unwrap());
                    rest = tail;
                }
                (b'+', _) => bytes.push(b' '),
                (other, _) => bytes.push(*other),
            }
        }
        String::from_utf8(bytes).unwrap()
    };
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (decoded(k), decoded(v))).collect()
}

fn ask(platform: &Platform, customer: &Customer, method: &str, path: &str, body: &Value) -> Value {
    v1_request(platform.http(), &customer.token, method, path, body).unwrap().json()
}

/// A platform with a price for SMS, whose calls go to the sandbox carrier.
fn platform(more: &str) -> Platform {
    let text = format!("[sandbox]\nrecord = true\n{more}");
    let platform = Platform::start(Options { config: config(&text), ..Options::default() });
    let prices = ["--pulse-seconds", "5", "--internal", "45", "--external", "45", "--tts", "10"];
    let add = [&["tariff", "add"][..], &prices, &["--sms-part", "900"]].concat();
    assert!(platform.run(&add).status.success());
    platform
}

/// Sends a message that an SMS follows when it was heard; the SMS once it is sent.
fn followed(platform: &Platform, customer: &Customer) -> Value {
    let audio = platform.upload(customer, &rising_tone(3_500));
    let wanted = json!({
        "to": NUMBER, "audio_id": audio, "sms": { "text": "پیام ما را شنیدید؟ بله & خیر", "after": ["heard"] },
    });
    eventually("the new price is known", || {
        let sent = ask(platform, customer, "POST", "/v1/messages", &wanted);
        (sent["code"] != "sms_not_taken").then(|| assert_eq!(sent["state"], "queued", "{sent}"))
    });
    crate::platform::eventually_within(
        std::time::Duration::from_mins(3),
        "the SMS is sent",
        || {
            let all = ask(platform, customer, "GET", "/v1/sms", &Value::Null);
            let one = all["data"][0].clone();
            (one["state"] == "sent").then_some(one)
        },
    )
}

/// Goal: after a call that was heard, the service is asked as it is published; an answer that is lost
/// is asked for again under the same name, so that one SMS is sent and one is paid.
#[test]
fn kavenegar_is_asked_until_it_answers() {
    let (port, asked) = service();
    let platform = platform(&format!(
        "[sms]\nservice = 'kavenegar'\nkavenegar_key = 'k3y'\nkavenegar_sender = '10004346'\n\
         kavenegar_url = 'http://127.0.0.1:{port}'\n"
    ));
    let customer = platform.customer(1_000_000);
    let sms = followed(&platform, &customer);
    assert_eq!((&sms["provider"], &sms["provider_id"]), (&json!("kavenegar"), &json!("8792343")));
    assert_eq!((&sms["tries"], &sms["charged"]), (&json!(2), &json!(900)), "{sms}");
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0], asked[1], "the same is asked again");
    let (line, form) = &asked[0];
    assert_eq!(line, "POST /v1/k3y/sms/send.json HTTP/1.1");
    assert_eq!(form["receptor"], NUMBER);
    assert_eq!(form["message"], "پیام ما را شنیدید؟ بله & خیر");
    assert_eq!((&*form["sender"], &*form["localid"]), ("10004346", sms["id"].as_str().unwrap()));
    assert!(!platform.log().contains("k3y"), "the key is in the log");
    let audit = platform.cli(&["account", "audit", "--json"]);
    assert_eq!(audit["violations"], json!([]), "{audit}");
}

/// Goal: without a service an SMS is a file in the data directory.
#[test]
fn without_a_service_sms_are_spooled() {
    let platform = platform("");
    let customer = platform.customer(1_000_000);
    let sms = followed(&platform, &customer);
    assert_eq!(sms["provider"], "spool");
    let file = platform.data_dir().join("sms").join(sms["provider_id"].as_str().unwrap());
    let kept: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!((&kept["to"], &kept["text"]), (&json!(NUMBER), &sms["text"]));
}
