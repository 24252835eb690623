//! Events through the whole program, to real HTTP servers: signed, at least once, and never to
//! where they must not go.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use crate::platform::{
    Customer, Options, PATIENCE, Platform, config, eventually, rising_tone, v1_request,
};

/// A number of the sandbox that listens to the end.
const NUMBER: &str = "09121234567";

fn platform() -> Platform {
    let named = "[callbacks]\nprivate_hosts = ['127.0.0.1']\n";
    Platform::start(Options { config: config(named), ..Options::default() })
}

/// What a customer's site does with a request.
#[derive(Clone, Copy)]
enum Does {
    /// It answers with this status line and header fields.
    Answers(&'static str),
    /// It keeps the connection and says nothing.
    Hangs,
}

/// A request that a site got: the lines of its head, and its body.
type Got = (Vec<String>, String);

/// A site that does these things, one with each request, and tells what it got.
fn site(does: &'static [Does]) -> (SocketAddr, Receiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for does in does {
            let (mut stream, _) = listener.accept().unwrap();
            let got = read(&stream);
            match does {
                Does::Answers(head) => {
                    write!(stream, "HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n").unwrap();
                }
                Does::Hangs => kept.push(stream),
            }
            // The test may have ended.
            let _ = tell.send(got);
        }
        // Whoever comes later waits, too, for as long as the test lasts.
        kept.extend(listener.incoming().map_while(Result::ok));
    });
    (address, told)
}

fn read(stream: &TcpStream) -> Got {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        head.push(line);
    }
    let length = field(&head, "Content-Length").parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

fn field(head: &[String], name: &str) -> String {
    let fields = head.iter().filter_map(|line| line.split_once(": "));
    let mut named = fields.filter(|(found, _)| found.eq_ignore_ascii_case(name));
    named.next().unwrap_or_else(|| panic!("no {name} in {head:?}")).1.to_owned()
}

/// Asks the modern API; the JSON that it answers with.
fn ask(platform: &Platform, customer: &Customer, method: &str, path: &str, body: &Value) -> Value {
    v1_request(platform.http(), &customer.token, method, path, body).unwrap().json()
}

/// Makes an endpoint at this address; its path.
fn endpoint(platform: &Platform, customer: &Customer, url: &str) -> (String, Value) {
    let made = ask(platform, customer, "POST", "/v1/webhooks", &json!({ "url": url }));
    (format!("/v1/webhooks/{}", made["id"].as_str().unwrap_or_else(|| panic!("{made}"))), made)
}

/// Lets a test event happen for an endpoint; its id.
fn test(platform: &Platform, customer: &Customer, path: &str) -> String {
    let told = ask(platform, customer, "POST", &format!("{path}/test"), &Value::Null);
    told["event_id"].as_str().unwrap().to_owned()
}

/// Waits until an event's delivery to an endpoint is like this.
fn delivery(
    platform: &Platform,
    customer: &Customer,
    (path, event): (&str, &str),
    is_so: impl Fn(&Value) -> bool,
) -> Value {
    eventually("a delivery is as expected", || {
        let list = ask(platform, customer, "GET", &format!("{path}/deliveries"), &Value::Null);
        let found = list["data"].as_array().unwrap().iter().find(|one| one["event_id"] == event);
        found.filter(|found| is_so(found)).cloned()
    })
}

fn was_tried(delivery: &Value) -> bool {
    delivery["tries"][0].is_object()
}

fn has_arrived(delivery: &Value) -> bool {
    delivery["delivered_at"].is_string()
}

/// The receiver of the documentation, as a customer would start it.
struct Sample(Child);

impl Sample {
    fn start(port: u16, secret: &str) -> (Self, Receiver<Value>) {
        let sample =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/samples/webhook_receiver.py");
        let mut child = Command::new("python3")
            .arg(sample)
            .arg(port.to_string())
            .env("WEBHOOK_SECRET", secret)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for line in lines {
                let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
                // The test may have seen enough.
                let _ = tell.send(event);
            }
        });
        (Self(child), told)
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Goal: the sample of the documentation believes what we post, during a rotation, too, and gets a
/// call's whole story; and not what is signed with another secret.
#[test]
fn the_sample_receives_a_calls_story() {
    let platform = platform();
    let customer = platform.customer(100_000);
    let port = free_port();
    let (path, made) = endpoint(&platform, &customer, &format!("http://127.0.0.1:{port}/hook"));
    let (_sample, told) = Sample::start(port, made["secret"].as_str().unwrap());
    let rotated = ask(&platform, &customer, "POST", &format!("{path}/secret"), &Value::Null);
    assert_ne!(rotated["secret"], made["secret"]);
    let message = platform.upload(&customer, &rising_tone(3_000));
    let send = platform.send(&customer, message, NUMBER);
    let mut events = [told.recv_timeout(PATIENCE).unwrap(), told.recv_timeout(PATIENCE).unwrap()];
    events.sort_by_key(|event| event["sequence"].as_i64());
    let [accepted, ended] = events;
    assert_eq!(
        (&accepted["type"], &ended["type"]),
        (&json!("message.accepted"), &json!("message.ended"))
    );
    assert_eq!(ended["data"]["id"], json!(send.to_string()));
    assert_eq!(ended["data"]["result"], "delivered");
    let shown = ask(&platform, &customer, "GET", &format!("/v1/messages/{send}"), &Value::Null);
    assert_eq!(ended["data"], shown);
    let page = ask(&platform, &customer, "GET", "/v1/events", &Value::Null);
    assert_eq!(page["data"], json!([accepted, ended]));
    eventually("both are written down", || {
        let list = ask(&platform, &customer, "GET", &format!("{path}/deliveries"), &Value::Null);
        let arrived = |one: &Value| one["delivered_at"].is_string();
        list["data"].as_array().unwrap().iter().all(arrived).then_some(())
    });
    let (other, _) = endpoint(&platform, &customer, &format!("http://127.0.0.1:{port}/"));
    let event = test(&platform, &customer, &other);
    let refused = delivery(&platform, &customer, (&other, &event), was_tried);
    assert_eq!(refused["tries"][0]["status"], 401);
    assert!(told.try_recv().is_err());
}

/// Goal (clause 11 of the sandbox): endpoints of a sandbox are told as real ones are, signed and
/// marked as play; the account beside it is told nothing.
#[test]
fn an_endpoint_of_a_sandbox_is_told() {
    let platform = platform();
    let customer = platform.customer(100_000);
    let account = customer.account.to_string();
    let made = platform.cli(&["account", "token", "--account", &account, "--sandbox", "--json"]);
    let sandbox = Customer {
        account: made["account_id"].as_i64().unwrap(),
        token: made["token"].as_str().unwrap().to_owned(),
    };
    let (ports, audio) =
        ([free_port(), free_port()], platform.upload(&sandbox, &rising_tone(3_000)));
    let url = |port: u16| format!("http://127.0.0.1:{port}/hook");
    let (_, real) = endpoint(&platform, &customer, &url(ports[0]));
    let (_, play) = endpoint(&platform, &sandbox, &url(ports[1]));
    let (_real, told_real) = Sample::start(ports[0], real["secret"].as_str().unwrap());
    let (_play, told) = Sample::start(ports[1], play["secret"].as_str().unwrap());
    let wanted = json!({ "to": NUMBER, "audio_id": audio });
    let sent = ask(&platform, &sandbox, "POST", "/v1/messages", &wanted);
    let mut events = [told.recv_timeout(PATIENCE).unwrap(), told.recv_timeout(PATIENCE).unwrap()];
    events.sort_by_key(|event| event["call_sequence"].as_i64());
    for (event, kind) in events.iter().zip(["message.accepted", "message.ended"]) {
        assert_eq!((&event["type"], &event["data"]["id"]), (&json!(kind), &sent["id"]));
        assert_eq!(event["data"]["live"], false, "{event}");
    }
    let path = format!("/v1/messages/{}", sent["id"].as_str().unwrap());
    assert_eq!(events[1]["data"], ask(&platform, &sandbox, "GET", &path, &Value::Null));
    assert!(told_real.try_recv().is_err(), "the real account is told nothing");
}

/// Goal: what fails is tried again under the same id, and its body is the same.
#[test]
fn a_failure_is_tried_again() {
    let platform = platform();
    let customer = platform.customer(0);
    let (address, told) = site(&[Does::Answers("500 x"), Does::Answers("204 x")]);
    let (path, _) = endpoint(&platform, &customer, &format!("http://{address}/a?b=1"));
    let event = test(&platform, &customer, &path);
    let (first, second) =
        (told.recv_timeout(PATIENCE).unwrap(), told.recv_timeout(PATIENCE).unwrap());
    assert_eq!(first.0[0], "POST /a?b=1 HTTP/1.1");
    assert_eq!(field(&first.0, "Host"), address.to_string());
    assert_eq!(field(&first.0, "Content-Type"), "application/json");
    for (head, body) in [&first, &second] {
        assert_eq!((field(head, "webhook-id"), body), (event.clone(), &first.1));
        assert!(field(head, "webhook-signature").starts_with("v1,"));
    }
    let delivered = delivery(&platform, &customer, (&path, &event), has_arrived);
    let statuses: Vec<i64> = delivered["tries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["status"].as_i64().unwrap())
        .collect();
    assert_eq!((statuses, &delivered["next_try_at"]), (vec![500, 204], &Value::Null));
}

/// Goal: one site that hangs, one that sends us elsewhere and one that is gone delay nobody, and
/// nobody makes us follow.
#[test]
fn sites_that_behave_badly() {
    let platform = platform();
    let customer = platform.customer(0);
    let (elsewhere, never) = site(&[Does::Answers("200 x")]);
    let moved = format!("302 x\r\nLocation: http://{elsewhere}/");
    let (slow, _slow) = site(&[Does::Hangs]);
    let (redirects, _redirects) = site(Box::leak(Box::new([Does::Answers(moved.leak())])));
    let (gone, _gone) = site(&[Does::Answers("410 x")]);
    let (good, arrived) = site(&[Does::Answers("200 x")]);
    let paths = [slow, redirects, gone, good]
        .map(|address| endpoint(&platform, &customer, &format!("http://{address}/")).0);
    let events = paths.each_ref().map(|path| test(&platform, &customer, path));
    let got = arrived.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
    assert_eq!(field(&got.0, "webhook-id"), events[3]);
    let elsewhere = delivery(&platform, &customer, (&paths[1], &events[1]), was_tried);
    assert_eq!(elsewhere["tries"][0]["status"], 302);
    let off = eventually("the one that is gone is off", || {
        let shown = ask(&platform, &customer, "GET", &paths[2], &Value::Null);
        shown["disabled_reason"].is_string().then_some(shown)
    });
    assert!(off["disabled_reason"].as_str().unwrap().contains("410"));
    let late = delivery(&platform, &customer, (&paths[0], &events[0]), was_tried);
    assert_eq!(late["tries"][0]["error"], "no answer in time");
    assert!(late["next_try_at"].is_string());
    let page = ask(&platform, &customer, "GET", "/v1/events?limit=100", &Value::Null);
    let disabled =
        page["data"].as_array().unwrap().iter().filter(|event| event["type"] == "webhook.disabled");
    assert_eq!(disabled.count(), 1);
    assert!(never.try_recv().is_err(), "a redirection was followed");
}

/// Goal: killed after an event has arrived and before that is written down, we post it again under
/// the same id.
#[test]
fn a_kill_between_delivery_and_mark() {
    let mut platform = platform();
    let customer = platform.customer(0);
    let (address, told) = site(&[Does::Hangs, Does::Answers("200 x")]);
    let (path, _) = endpoint(&platform, &customer, &format!("http://{address}/"));
    let event = test(&platform, &customer, &path);
    let first = told.recv_timeout(PATIENCE).unwrap();
    platform.kill();
    platform.restart();
    let second = told.recv_timeout(PATIENCE).unwrap();
    for (head, body) in [&first, &second] {
        assert_eq!((field(head, "webhook-id"), body), (event.clone(), &first.1));
    }
    delivery(&platform, &customer, (&path, &event), has_arrived);
}

/// Goal: nobody makes us post to a machine that only we can reach.
#[test]
fn private_addresses_are_not_called() {
    let platform = Platform::with_sandbox();
    let customer = platform.customer(0);
    let (address, told) = site(&[Does::Answers("200 x")]);
    let clear = json!({ "url": format!("http://{address}/") });
    let refused = ask(&platform, &customer, "POST", "/v1/webhooks", &clear);
    assert_eq!(refused["code"], "webhook_url_not_allowed");
    for host in ["127.0.0.1", "localhost", "169.254.169.254", "[::1]"] {
        let url = format!("https://{host}:{}/", address.port());
        let (path, _) = endpoint(&platform, &customer, &url);
        let event = test(&platform, &customer, &path);
        let refused = delivery(&platform, &customer, (&path, &event), was_tried);
        assert_eq!(refused["tries"][0]["error"], "the host has no public address", "{host}");
    }
    assert!(told.try_recv().is_err());
}

/// Goal: a stream tells of a call as it happens, and does not hold up a shutdown.
#[test]
fn a_stream_follows_a_call_and_ends_with_us() {
    let mut platform = platform();
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(3_000));
    let mut stream = TcpStream::connect(platform.http()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "GET /v1/events HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {}\r\n\
         Accept: text/event-stream\r\n\r\n",
        customer.token
    )
    .unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == ": still here"));
    platform.send(&customer, message, NUMBER);
    let types: Vec<String> = lines
        .by_ref()
        .filter_map(|line| line.strip_prefix("event: ").map(str::to_owned))
        .take(2)
        .collect();
    assert_eq!(types, ["message.accepted", "message.ended"]);
    platform.terminate();
    assert!(lines.all(|line| !line.starts_with("event: ")), "the stream ends");
    assert!(platform.ended().success());
    assert!(!platform.log().contains("cut off by the shutdown"));
}
