//! Announcements through the whole program, to real HTTP and SMTP servers that play the networks.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::commands::{done, refused};
use crate::connections::{Certificates, terminate_tls};
use crate::platform::{Options, PATIENCE, Platform, config, eventually, pause};

/// A network that answers each request with the next of these, the last one for ever; it tells the
/// request line and the body that it got. An empty answer is none: the connection stays, and
/// nothing comes.
pub fn network(answers: &'static [&'static str]) -> (SocketAddr, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for (n, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            let got = read(&stream);
            let answer = answers[n.min(answers.len() - 1)];
            let Some((status, body)) = answer.split_once('|') else {
                silent.push(stream);
                let _ = tell.send(got);
                continue;
            };
            let length = body.len();
            write!(&stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
            // The test may have seen enough.
            let _ = tell.send(got);
        }
    });
    (address, told)
}

fn read(stream: &TcpStream) -> (String, String) {
    let (head, body) = read_whole(stream);
    (head[0].clone(), body)
}

/// The lines of the head of a request, and its body.
fn read_whole(stream: &TcpStream) -> (Vec<String>, String) {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim_end().is_empty() {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let length = field(&head, "content-length").unwrap_or_default();
    let mut body = vec![0; length.parse().unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

/// A field of a head, whose names have no case.
fn field(head: &[String], name: &str) -> Option<String> {
    let mut fields = head.iter().filter_map(|line| line.split_once(": "));
    fields.find(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

/// A program of the operator's, which tells the whole of what it got.
fn program() -> (SocketAddr, Receiver<(Vec<String>, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let got = read_whole(&stream);
            write!(&stream, "HTTP/1.1 204 None\r\n\r\n").unwrap();
            let _ = tell.send(got);
        }
    });
    (address, told)
}

/// A server of e-mail (RFC 5321) that takes whatever comes, and tells envelope and message; but
/// nothing for `gone@…`, and for `busy@…` the second time.
fn mail_server() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut is_busy = true;
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            write!(stream, "220 mail.test ESMTP\r\n").unwrap();
            let (mut got, mut in_data) = (String::new(), false);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    break;
                }
                got.push_str(&line);
                let answer = match line.trim_end() {
                    "." if in_data => {
                        in_data = false;
                        let _ = tell.send(std::mem::take(&mut got));
                        "250 queued as 4711"
                    }
                    _ if in_data => continue,
                    "DATA" => {
                        in_data = true;
                        "354 go on"
                    }
                    "QUIT" => "221 bye",
                    line if line.starts_with("RCPT TO:<gone@") => "550 no such user",
                    line if line.starts_with("RCPT TO:<busy@") && is_busy => {
                        is_busy = false;
                        "450 later"
                    }
                    _ => "250 ok",
                };
                write!(stream, "{answer}\r\n").unwrap();
            }
        }
    });
    (address, told)
}

/// A secret of the operator's program, and the bytes that it stands for, from the specification of
/// Standard Webhooks.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SECRET_BYTES: [u8; 24] = [
    0x31, 0xf2, 0x90, 0xf6, 0xbf, 0x06, 0x29, 0x8a, 0xab, 0x4f, 0x08, 0xd4, 0x3c, 0x3f, 0x08, 0x2c,
    0xf6, 0x48, 0xa3, 0x62, 0xda, 0x2d, 0xa4, 0xb0,
];

/// The signature that a post must have.
fn signature(head: &[String], body: &str) -> String {
    let (id, seconds) = (field(head, "webhook-id"), field(head, "webhook-timestamp"));
    let (id, seconds) = (id.unwrap(), seconds.unwrap().parse().unwrap());
    let signature = app::webhook::signature(&SECRET_BYTES, &id, seconds, body);
    format!("v1,{}", STANDARD.encode(signature))
}

/// The only announcement's way to a place, once it is like this.
fn way(platform: &Platform, place: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually("an announcement is where it should be", || {
        let listed = platform.cli(&["announcement", "list", "--json"]);
        let ways = listed["announcements"][0]["ways"].as_array()?.clone();
        ways.into_iter().find(|way| way["channel"] == place && is_so(way))
    })
}

fn is_told(way: &Value) -> bool {
    way["told_at"].is_string()
}

/// Goal: who announces a maintenance does nothing more: it stands on the first page and in the
/// feed, each network, mailbox and program is told, also one that asks to wait, and what they
/// confirm makes the notice complete.
#[test]
fn a_maintenance_is_told_everywhere_and_proven() {
    let ok = r#"200 OK|{"ok":true,"result":{"message_id":42,"chat":{"id":7}}}"#;
    let wait = r#"429 x|{"ok":false,"description":"slow","parameters":{"retry_after":1}}"#;
    let (bale, bale_got) = network(Box::leak(Box::new([wait, ok])));
    let (eitaa, eitaa_got) = network(Box::leak(Box::new([ok])));
    let (hook, hook_got) = program();
    let (mail, mail_got) = mail_server();
    let channels = format!(
        "[[channel]]\nname = 'bale'\nkind = 'bale'\naddress = 'http://{bale}'\ntoken = '1:s3cret'\n\
         chat = '@avanak'\n[[channel]]\nname = 'eitaa'\nkind = 'eitaa'\ntoken = 'bot7:s3cret'\n\
         address = 'http://{eitaa}/api'\nchat = 'avanak'\n[[channel]]\nname = 'program'\n\
         kind = 'webhook'\naddress = 'http://{hook}/news?a=1'\ntoken = '{SECRET}'\n\
         [[channel]]\n\
         name = 'mail'\nkind = 'email'\naddress = '{mail}'\nsecurity = 'off'\n\
         from = 'آوانک <news@avanak.test>'\nto = ['all@list.test', 'one@else.test']\n"
    );
    let platform = Platform::start(Options { config: config(&channels), ..Options::default() });
    let plan = ["--title", "دیسک & <b>", "--from", "1480/01/10 02:00", "--to", "1480/01/10 04:00"];
    let announce = [&["maintenance", "announce", "--author", "Reza"], &plan[..]].concat();
    done(&platform, &announce);
    let told = way(&platform, "bale", is_told);
    assert_eq!((&told["reference"], &told["tries"]), (&"@avanak/42".into(), &2.into()), "{told}");
    for _ in 0..2 {
        let (line, body) = bale_got.recv_timeout(PATIENCE).unwrap();
        assert_eq!(line, "POST /bot1:s3cret/sendMessage HTTP/1.1");
        assert!(body.starts_with("chat_id=%40avanak&text=%D9%86"), "{body}");
    }
    assert_eq!(way(&platform, "eitaa", is_told)["reference"], "avanak/42");
    let (line, _) = eitaa_got.recv_timeout(PATIENCE).unwrap();
    assert_eq!(line, "POST /api/bot7:s3cret/sendMessage HTTP/1.1");
    way(&platform, "program", is_told);
    let (head, body) = hook_got.recv_timeout(PATIENCE).unwrap();
    let posted: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((head[0].as_str(), &posted["maintenance"]), ("POST /news?a=1 HTTP/1.1", &1.into()));
    assert_eq!(field(&head, "webhook-id").as_deref(), posted["id"].as_str());
    assert_eq!(field(&head, "webhook-signature"), Some(signature(&head, &body)));
    let reference = way(&platform, "mail", is_told)["reference"].clone();
    assert!(reference.as_str().unwrap().contains("@avanak.test>; queued as 4711"), "{reference}");
    for to in ["all@list.test", "one@else.test"] {
        let got = mail_got.recv_timeout(PATIENCE).unwrap();
        assert!(got.contains(&format!("RCPT TO:<{to}>")) && got.contains("Message-ID: <"), "{got}");
    }
    assert_eq!(way(&platform, "panel", is_told)["reference"], "/#announcement-1");
    let page = platform.get("/");
    assert!(page.contains("دیسک &amp; &lt;b&gt;") && page.contains("ساعت ۰۲:۰۰"), "{page}");
    let feed = platform.get("/feed.atom");
    assert!(feed.contains("application/atom+xml") && feed.contains("<entry>"), "{feed}");
    let listed = platform.cli(&["maintenance", "list", "--month", "1480-01", "--json"]);
    let maintenance = &listed["maintenance"][0];
    assert_eq!(maintenance["state"], "noticed", "{listed}");
    assert_eq!(maintenance["notices"].as_array().unwrap().len(), 3, "{listed}");
    assert!(!platform.log().contains("s3cret"));
    // A post that is deleted is noted, and stays a proof (T086).
    done(&platform, &["announcement", "gone", "1", "--channel", "bale", "--by", "Reza"]);
    let gone = way(&platform, "bale", |way| way["gone_at"].is_string());
    assert_eq!(gone["reference"], "@avanak/42", "{gone}");
    // What is taken off the first page proves nothing any more (T080).
    done(&platform, &["announcement", "withdraw", "1", "--by", "Reza"]);
    assert!(!platform.get("/").contains("دیسک"));
    let listed = platform.cli(&["maintenance", "list", "--month", "1480-01", "--json"]);
    assert_eq!(listed["maintenance"][0]["state"], "announced", "{listed}");
    let verified = platform.cli(&["chain", "verify", "--json"]);
    assert_eq!(verified["wrong"].as_array().unwrap().len(), 0, "{verified}");
}

fn tell<'a>(title: &'a str, until: &'a str) -> [&'a str; 10] {
    ["announcement", "tell", "--title", title, "--text", "t", "--until", until, "--by", "R"]
}

/// A moment of which it is worth telling something until.
fn in_a_month() -> String {
    let date = Command::new("date").args(["-d", "+30 days", "+%Y-%m-%d"]).output().unwrap();
    String::from_utf8(date.stdout).unwrap().trim().to_owned()
}

/// Goal: a network that is down proves nothing; it is told when it is back, whatever was killed
/// meanwhile, and once, whatever it calls what it shows.
#[test]
fn a_network_that_is_down_is_told_later() {
    let ok = r#"200 OK|{"ok":true,"result":{"message_id":"x9"}}"#;
    let answers = ["502 x|bad gateway", ok, r#"200 OK|{"ok":true,"result":{}}"#];
    let (bale, got) = network(Box::leak(Box::new(answers)));
    let channels = format!(
        "[[channel]]\nname = 'bale'\nkind = 'bale'\naddress = 'http://{bale}'\ntoken = 't'\n\
         chat = '@a'\n"
    );
    let options = Options { config: config(&channels), ..Options::default() };
    let mut platform = Platform::start(options);
    assert!(refused(&platform, &tell("خبر", "1400/01/01")).contains("from now on"));
    done(&platform, &tell("خبر", &in_a_month()));
    let failed = way(&platform, "bale", |way| way["error"].is_string());
    assert!(failed["error"].as_str().unwrap().contains("yes nor no, with status 502"), "{failed}");
    assert_eq!((&failed["told_at"], &failed["reference"]), (&Value::Null, &Value::Null));
    platform.kill();
    platform.restart();
    let told = way(&platform, "bale", is_told);
    assert_eq!(told["reference"], "@a/x9", "{told}");
    done(&platform, &tell("دیگر", &in_a_month()));
    let told = way(&platform, "bale", |way| is_told(way) && way["reference"] == "");
    assert_eq!(told["tries"], 1, "{told}");
    assert_eq!(got.try_iter().count(), 3);
    done(&platform, &["announcement", "withdraw", "1", "--by", "R"]);
    assert!(refused(&platform, &["announcement", "withdraw", "1", "--by", "R"]).contains("before"));
}

/// C03. Goal: what the manager is told goes to his channel and to no other, once, whatever was
/// killed meanwhile, and with what his channel called it; what everybody is told never goes there.
#[test]
fn the_manager_is_told_in_a_channel_of_his() {
    let ok = r#"200 OK|{"ok":true,"result":{"message_id":42}}"#;
    let (public, public_got) = network(Box::leak(Box::new([ok])));
    let (managers, managers_got) = network(Box::leak(Box::new(["502 x|bad gateway", ok])));
    let channel = |name: &str, address: SocketAddr, audience: &str| {
        format!(
            "[[channel]]\nname = '{name}'\nkind = 'bale'\naddress = 'http://{address}'\n\
             token = 't'\nchat = '@{name}'\naudience = '{audience}'\n"
        )
    };
    let channels = channel("news", public, "public") + &channel("oversight", managers, "manager");
    let options = Options { config: config(&channels), ..Options::default() };
    let mut platform = Platform::start(options);
    let entry = ["violation", "record", "--clause", "callback", "--reference", "callback:7"];
    let when = ["--from", "1405/01/01 10:00", "--to", "1405/01/01 11:00", "--by", "Reza"];
    done(&platform, &[&entry[..], &when, &["--evidence", "the queue's log"]].concat());
    platform.kill();
    platform.restart();
    let told = way(&platform, "oversight", is_told);
    assert_eq!((&told["reference"], &told["tries"]), (&"@oversight/42".into(), &2.into()));
    for _ in 0..2 {
        let (_, body) = managers_got.recv_timeout(PATIENCE).unwrap();
        assert!(body.starts_with("chat_id=%40oversight&text="), "{body}");
    }
    platform.kill();
    platform.restart();
    done(&platform, &tell("خبر", &in_a_month()));
    way(&platform, "news", is_told);
    let (_, body) = public_got.recv_timeout(PATIENCE).unwrap();
    assert!(body.starts_with("chat_id=%40news"), "{body}");
    let listed = platform.cli(&["announcement", "list", "--json"]);
    let of = |one: &Value| (one["audience"].clone(), one["ways"].as_array().unwrap().len());
    let all: Vec<_> = listed["announcements"].as_array().unwrap().iter().map(of).collect();
    assert_eq!(all, [("public".into(), 2), ("manager".into(), 1)], "{listed}");
    assert_eq!(public_got.try_iter().count() + managers_got.try_iter().count(), 0);
    assert!(!platform.get("/").contains("توافق‌نامه"), "it stands on no page");
}

/// Goal: mail goes over TLS to a server that an authority of ours vouches for, and to no other.
#[test]
fn mail_is_for_a_server_that_somebody_vouches_for() {
    let (known, unknown) = (Certificates::new(), Certificates::new());
    let (mail, mail_got) = mail_server();
    // One that is greeted, one that brings the mail.
    let (good, _thread) = terminate_tls(&known, mail.port(), 2);
    let (bad, _thread) = terminate_tls(&unknown, mail.port(), 1);
    let channel = |name: &str, port: u16| {
        format!(
            "[[channel]]\nname = '{name}'\nkind = 'email'\naddress = '127.0.0.1:{port}'\n\
             security = 'tls'\nfrom = 'news@avanak.test'\nto = ['all@list.test']\n"
        )
    };
    let authorities = format!("[sip]\ntls_authorities = '{}'\n", known.file("authority.pem"));
    let config = config(&(channel("good", good) + &channel("bad", bad)));
    let config = config.replace("[sip]\n", &authorities);
    let platform = Platform::start(Options { config, ..Options::default() });
    done(&platform, &tell("خبر", &in_a_month()));
    let reference = way(&platform, "good", is_told)["reference"].clone();
    assert!(reference.as_str().unwrap().contains("queued as 4711"), "{reference}");
    assert!(mail_got.recv_timeout(PATIENCE).unwrap().contains("RCPT TO:<all@list.test>"));
    let failed = way(&platform, "bad", |way| way["error"].is_string());
    assert!(failed["error"].as_str().unwrap().contains("certificate"), "{failed}");
    assert_eq!(failed["told_at"], Value::Null, "{failed}");
}

/// Goal: an address that is refused or busy harms nobody else, and nobody gets a mail twice.
#[test]
fn everybody_is_written_to_once() {
    let (mail, mail_got) = mail_server();
    let channel = format!(
        "[[channel]]\nname = 'mail'\nkind = 'email'\naddress = '{mail}'\nsecurity = 'off'\n\
         from = 'news@avanak.test'\n\
         to = ['gone@x.test', 'busy@y.test', 'a@z.test', 'b@z.test']\n"
    );
    let platform = Platform::start(Options { config: config(&channel), ..Options::default() });
    done(&platform, &tell("خبر", &in_a_month()));
    let waits = way(&platform, "mail", |way| way["error"].is_string());
    assert!(waits["error"].as_str().unwrap().starts_with("1 wait, first at y.test"), "{waits}");
    let told = way(&platform, "mail", is_told);
    assert_eq!(told["tries"], 2, "{told}");
    let reference = told["reference"].as_str().unwrap();
    assert!(reference.contains("4711; 1 refused, first at x.test"), "{reference}");
    let got: Vec<String> = mail_got.try_iter().collect();
    assert_eq!(got.len(), 3, "{got:?}");
    for (mail, to) in got.iter().zip(["a@z.test", "b@z.test", "busy@y.test"]) {
        assert!(mail.contains(&format!("RCPT TO:<{to}>")), "{mail}");
    }
}

/// Goal: a server that is told to stop ends what it has begun, and begins nothing more.
#[test]
fn a_server_that_stops_tells_nothing_more() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let bale = listener.local_addr().unwrap();
    let channel = format!(
        "[[channel]]\nname = 'bale'\nkind = 'bale'\naddress = 'http://{bale}'\ntoken = 't'\n\
         chat = '@a'\n"
    );
    let options = Options { config: config(&channel), ..Options::default() };
    let mut platform = Platform::start(options);
    platform.kill();
    for _ in 0..3 {
        done(&platform, &tell("خبر", &in_a_month()));
    }
    platform.restart();
    let (stream, _) = listener.accept().unwrap();
    read(&stream);
    platform.terminate();
    eventually("it is told to stop", || platform.log().contains("stopping: no").then_some(()));
    // From that line on there is little to wait for.
    pause(Duration::from_secs(2));
    write!(&stream, "HTTP/1.1 502 x\r\nContent-Length: 0\r\n\r\n").unwrap();
    drop(stream);
    assert!(platform.ended().success());
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "another one was told");
}
