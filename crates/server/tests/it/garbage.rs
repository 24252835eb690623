//! Nonsense on every port while a call is up: the call is heard to its end, what was refused is
//! counted, and neither memory nor connections run out.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};

use crate::platform::{
    Customer, Options, PATIENCE, Platform, config, eventually, random, rising_tone, similarity,
};

/// Rounds of nonsense; each sends every kind to every port.
const ROUNDS: usize = 40;
/// Frames that left us too late, and datagrams that left us.
const LATE: &str = "avanak_engine_total{event=\"rtp_late_frames\"}";
const SENT: &str = "avanak_datagrams_sent_total";
/// Connections that never finish their request.
const SLOW: usize = 300;
/// By how much the process may grow, in kibibytes.
const GROWTH_KB_MAX: u64 = 48 * 1024;

#[test]
fn garbage_on_every_port_harms_no_call() {
    let text = "[sandbox]\nrecord = true\nmax_calls = 8\n";
    let platform = Platform::start(Options { config: config(text), ..Options::default() });
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(8_000));
    let clip = platform.clip(&customer, message);
    let (before_kb, mut calls, mut sent_to_each) = (resident_kb(platform.pid()), 0, 0);
    loop {
        calls += 1;
        assert!(calls <= 5, "no call is sent on time amid the garbage");
        let late = platform.figure(LATE);
        let (sent, heard) = heard_amid_garbage(&platform, &customer, message);
        sent_to_each += sent;
        // On a machine that is too busy the phone hears pauses: such a call is placed again.
        if platform.figure(LATE) <= late {
            let alike = similarity(&clip, &heard[..clip.len()]);
            assert!(alike > 0.98, "something else was heard: {alike}");
            break;
        }
    }

    let counted = |event: &str| {
        let name = format!("avanak_engine_total{{event=\"{event}\"}}");
        eventually(event, || Some(platform.figure(&name)).filter(|figure| *figure > 0.0))
    };
    for event in ["refused_start_line", "refused_fields", "refused_too_many_fields"] {
        assert!(counted(event) > 0.0, "{event}");
    }
    assert!(counted("stray_responses") > 0.0);
    // A datagram may be lost at a full socket, but not most of them.
    let strangers = counted("rtp_strangers");
    assert!(strangers > f64::from(sent_to_each), "{strangers} of {sent_to_each} to each port");
    let grown_kb = resident_kb(platform.pid()).saturating_sub(before_kb);
    assert!(grown_kb < GROWTH_KB_MAX, "the process grew by {grown_kb} kB");
    assert_eq!(platform.settled_balance(&customer), 100_000 - calls * 450);
}

/// One call that lives through all of the garbage: how many datagrams went to each port, and what
/// the phone heard.
fn heard_amid_garbage(platform: &Platform, customer: &Customer, message: i64) -> (u32, Vec<i16>) {
    let before = platform.figure(SENT);
    let send = platform.send(customer, message, "09121234567");
    platform.wait_for_answer(customer, send);
    // The phone listens to whoever speaks first, as phones do behind a NAT.
    eventually("the message is heard", || (platform.figure(SENT) > before + 20.0).then_some(()));
    let slow = slow_clients(platform.http());
    let ports = platform.udp_ports();
    assert!(ports.len() > 20, "SIP, RTP and the sandbox: {ports:?}");
    let sent_to_each = throw_datagrams(platform, &ports);
    rude_clients(platform.http());
    assert_eq!(platform.state(customer, send)["reason"], 3, "the call outlived all of it");
    let story = platform.story_of_ended(customer, send);
    assert_eq!((&story["reason"], &story["charged_rials"]), (&10.into(), &450.into()), "{story}");
    drop(slow);
    let heard = platform.heard(send);
    // Figures are published once a second.
    eventually("the figures have counted the call", || {
        (platform.figure(SENT) >= before + 400.0).then_some(())
    });
    (sent_to_each, heard)
}

/// Memory of a process that is in RAM, in kibibytes.
pub fn resident_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Sends every kind of nonsense to every UDP port; how many datagrams went to each.
fn throw_datagrams(platform: &Platform, ports: &[u16]) -> u32 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut seed = 0x2026_1125;
    let mut sent_to_each = 0;
    for _ in 0..ROUNDS {
        let datagrams = nonsense(&mut seed);
        sent_to_each += u32::try_from(datagrams.len()).unwrap();
        for port in ports {
            for bytes in &datagrams {
                socket.send_to(bytes, (Ipv4Addr::LOCALHOST, *port)).unwrap();
            }
        }
        // The answer shows that the web services live, and leaves the others time to read.
        assert!(platform.get("/healthz").starts_with("HTTP/1.1 200"));
    }
    sent_to_each
}

/// A datagram of each kind.
fn nonsense(seed: &mut u32) -> Vec<Vec<u8>> {
    let invite = "INVITE sip:1@127.0.0.1 SIP/2.0\r\n\
                  Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n\
                  To: <sip:1@127.0.0.1>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\
                  Content-Length: 0\r\n\r\n";
    let cut = usize::try_from(*seed).unwrap() % invite.len();
    let broken = invite.replace("CSeq: 1 INVITE", "CSeq: one INVITE");
    let many =
        invite.replace("Content-Length", &format!("{}Content-Length", "X: y\r\n".repeat(500)));
    let huge = invite.replace("Call-ID: x", &format!("Call-ID: {}", "x".repeat(30_000)));
    let stray = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKnobody\r\n\
                 From: <sip:a@b>;tag=1\r\nTo: <sip:1@127.0.0.1>;tag=2\r\nCall-ID: x\r\n\
                 CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
    let length = random(seed) % 1_400;
    let noise = (0..length).map(|_| u8::try_from(random(seed) % 256).unwrap()).collect();
    let texts = [&invite[..cut], &broken, &many, &huge, stray];
    texts.into_iter().map(|text| text.as_bytes().to_vec()).chain([noise, Vec::new()]).collect()
}

/// Clients that begin a request and never end it.
fn slow_clients(http: SocketAddr) -> Vec<TcpStream> {
    (0..SLOW)
        .map(|_| {
            let mut stream = TcpStream::connect(http).unwrap();
            stream.write_all(b"POST /Rest/QuickSend HTTP/1.1\r\nHost: t\r\nX-Slow").unwrap();
            stream
        })
        .collect()
}

/// Clients that speak nonsense get an error or the door, at once.
fn rude_clients(http: SocketAddr) {
    let mut seed = 7;
    let noise: Vec<u8> =
        (0..4_000).map(|_| u8::try_from(random(&mut seed) % 256).unwrap()).collect();
    let huge = format!("GET / HTTP/1.1\r\nHost: t\r\nX-Huge: {}\r\n\r\n", "x".repeat(200_000));
    let many = format!("GET / HTTP/1.1\r\nHost: t\r\n{}\r\n", "X: y\r\n".repeat(5_000));
    for bytes in [&noise[..], huge.as_bytes(), many.as_bytes(), b"\r\n\0\0\0"] {
        let mut stream = TcpStream::connect(http).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = Vec::new();
        // The server may hang up before all of it was sent, or while we read.
        let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(std::net::Shutdown::Write));
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
}
