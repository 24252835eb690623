//! SMS after calls, by Kavenegar's published web service on a real HTTP server, and by the spool.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::platform::{
    Customer, Options, Platform, config, eventually, eventually_within, rising_tone, v1_request,
};

/// What is written: letters that a form must escape among them.
const TEXT: &str = "پیام ما را شنیدید؟ بله & خیر";

/// What was asked of the service: the first line of the request and the form.
type Asked = Arc<Mutex<Vec<(String, BTreeMap<String, String>)>>>;

/// Numbers of the sandbox that listen to the end. The service takes what is for the first and loses
/// its answer; it has no credit when it is asked for the second first.
const NUMBERS: [&str; 2] = ["09121234567", "09121234568"];

/// A service like Kavenegar's: it knows by its `localid` what it has taken.
fn service() -> (u16, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked: Asked = Arc::default();
    let seen = Arc::clone(&asked);
    std::thread::spawn(move || {
        let (mut has, mut is_poor) = (Vec::new(), true);
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (line, form) = request(&mut stream);
            seen.lock().unwrap().push((line.clone(), form.clone()));
            let name = &form["localid"];
            let place = has.iter().position(|known| known == name);
            let (status, entries) = if line.contains("statuslocalmessageid") {
                let (id, status) = place.map_or((0, 100), |place| (8_792_343 + place, 5));
                (200, json!([{ "messageid": id, "localid": name, "status": status }]))
            } else if form["receptor"] == NUMBERS[0] {
                assert_eq!(place, None, "given twice");
                has.push(name.clone());
                // The connection is closed without an answer.
                continue;
            } else if std::mem::take(&mut is_poor) {
                (418, Value::Null)
            } else {
                has.push(name.clone());
                let id = 8_792_342 + has.len();
                (
                    200,
                    json!([{ "messageid": id, "receptor": NUMBERS[1], "status": 1, "cost": 120 }]),
                )
            };
            let verdict = json!({ "status": status, "message": "پیام" });
            let answer = json!({ "return": verdict, "entries": entries }).to_string();
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", answer.len());
            stream.get_mut().write_all((head + &answer).as_bytes()).unwrap();
        }
    });
    (port, asked)
}

/// The first line of a request, and its form.
fn request(stream: &mut BufReader<TcpStream>) -> (String, BTreeMap<String, String>) {
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
    (first.trim_end().to_owned(), form(&String::from_utf8(body).unwrap()))
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
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(k, v)| (decoded(k), decoded(v)))
        .collect()
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

/// Sends a message that an SMS follows when it was heard.
fn send(platform: &Platform, customer: &Customer, audio: i64, number: &str) {
    let sms = json!({ "text": TEXT, "after": ["heard"] });
    let wanted = json!({ "to": number, "audio_id": audio, "sms": sms });
    eventually("the new price is known", || {
        let sent = ask(platform, customer, "POST", "/v1/messages", &wanted);
        (sent["code"] != "sms_not_taken").then(|| assert_eq!(sent["state"], "queued", "{sent}"))
    });
}

/// The SMS to a number, once it is sent.
fn sent(platform: &Platform, customer: &Customer, number: &str) -> Value {
    // The pause before a second try is a minute.
    eventually_within(Duration::from_mins(3), "the SMS is sent", || {
        let all = ask(platform, customer, "GET", "/v1/sms", &Value::Null);
        let one = all["data"].as_array()?.iter().find(|sms| sms["to"] == number)?;
        (one["state"] == "sent").then(|| one.clone())
    })
}

/// Goal: after calls that were heard the service is asked as it is published. What it has taken and
/// could not say is looked for and not sent again; what it refused for want of credit is.
#[test]
fn kavenegar_is_asked_until_it_answers() {
    let (port, asked) = service();
    let platform = platform(&format!(
        "[sms]\nservice = 'kavenegar'\nkavenegar_key = 'k3y'\nkavenegar_sender = '10004346'\n\
         kavenegar_url = 'http://127.0.0.1:{port}'\n"
    ));
    let customer = platform.customer(1_000_000);
    let audio = platform.upload(&customer, &rising_tone(3_500));
    for number in NUMBERS {
        send(&platform, &customer, audio, number);
    }
    let both = NUMBERS.map(|number| sent(&platform, &customer, number));
    for sms in &both {
        assert_eq!(sms["provider"], "kavenegar");
        assert_eq!((&sms["tries"], &sms["charged"]), (&json!(2), &json!(900)), "{sms}");
    }
    assert_ne!(both[0]["provider_id"], both[1]["provider_id"]);
    let asked = asked.lock().unwrap();
    let name_of = |number: &str| {
        let mut forms = asked.iter().map(|(_, form)| form);
        forms.find(|form| form.get("receptor").is_some_and(|to| to == number)).unwrap()["localid"]
            .clone()
    };
    let line = |method: &str| format!("POST /v1/k3y/sms/{method}.json HTTP/1.1");
    let of = |number: &str| -> Vec<String> {
        let name = name_of(number);
        asked
            .iter()
            .filter(|(_, form)| form["localid"] == name)
            .map(|(line, _)| line.clone())
            .collect()
    };
    let (give, look) = (line("send"), line("statuslocalmessageid"));
    assert_eq!(of(NUMBERS[0]), [give.clone(), look.clone()], "found, and not given again");
    assert_eq!(of(NUMBERS[1]), [give.clone(), look, give], "not found, and given again");
    let form = &asked[0].1;
    assert_eq!((&*form["message"], &*form["sender"]), (TEXT, "10004346"));
    assert!(!platform.log().contains("k3y"), "the key is in the log");
    let audit = platform.cli(&["account", "audit", "--json"]);
    assert_eq!(audit["violations"], json!([]), "{audit}");
}

/// Goal: without a service an SMS is a file in the data directory.
#[test]
fn without_a_service_sms_are_spooled() {
    let platform = platform("");
    let customer = platform.customer(1_000_000);
    let audio = platform.upload(&customer, &rising_tone(3_500));
    send(&platform, &customer, audio, NUMBERS[0]);
    let sms = sent(&platform, &customer, NUMBERS[0]);
    assert_eq!(sms["provider"], "spool");
    let file = platform.data_dir().join("sms").join(sms["provider_id"].as_str().unwrap());
    let kept: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!((&kept["to"], &kept["text"]), (&json!(NUMBERS[0]), &sms["text"]));
}
