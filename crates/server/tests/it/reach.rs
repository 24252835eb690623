//! How we are reached and whom we reach: the addresses that peers are told, trunks that are not
//! there, and audio that cannot leave. Loopback addresses only.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::platform::{
    Options, Platform, binary, data_dir, eventually, free_udp_port, rising_tone, run,
};

/// A trunk written by hand: it answers every call and keeps what was said to it.
pub struct ByHand {
    pub address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ByHand {
    /// It wants its audio sent to `media`.
    pub fn start(media: SocketAddr) -> Self {
        let sip = UdpSocket::bind(if media.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }).unwrap();
        sip.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let address = sip.local_addr().unwrap();
        let (heard, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (notes, told) = (Arc::clone(&heard), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut buffer = vec![0; 65_535];
            while !told.load(Ordering::Relaxed) {
                let Ok((length, source)) = sip.recv_from(&mut buffer) else { continue };
                let request = String::from_utf8(buffer[..length].to_vec()).unwrap();
                if !request.starts_with("ACK ") {
                    sip.send_to(answer(&request, address, media).as_bytes(), source).unwrap();
                }
                notes.lock().unwrap().push(request);
            }
        });
        Self { address, heard, stop, thread: Some(thread) }
    }

    /// Whether it was called at all.
    pub fn was_called(&self) -> bool {
        self.heard.lock().unwrap().iter().any(|text| text.starts_with("INVITE "))
    }

    /// The first INVITE.
    pub fn invite(&self) -> String {
        self.heard.lock().unwrap().iter().find(|text| text.starts_with("INVITE ")).unwrap().clone()
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// 200 to whatever was asked, with a description when it was an INVITE.
fn answer(request: &str, contact: SocketAddr, media: SocketAddr) -> String {
    let copied = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
    let mut headers = String::new();
    for line in request.lines().take_while(|line| !line.is_empty()) {
        if copied.iter().any(|name| line.starts_with(name)) {
            headers.push_str(line);
            if line.starts_with("To:") && !line.contains("tag=") {
                headers.push_str(";tag=hand");
            }
            headers.push_str("\r\n");
        }
    }
    let (kind, body) = if request.starts_with("INVITE ") {
        let (ip, port) = (media.ip(), media.port());
        let family = if media.is_ipv4() { "IP4" } else { "IP6" };
        let body = format!(
            "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 8\r\n"
        );
        ("Content-Type: application/sdp\r\n", body)
    } else {
        ("", String::new())
    };
    format!(
        "SIP/2.0 200 OK\r\n{headers}Contact: <sip:hand@{contact}>\r\n{kind}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A configuration with these lines of `[sip]` and one trunk.
fn with_trunk(sip: &str, trunk: &str) -> Options {
    let config = format!("[sip]\n{sip}\n[[trunk]]\nname = 'peer'\naddress = '{trunk}'\n");
    Options { config, ..Options::default() }
}

/// One message of 4 s: the story of its send, and what the customer has left of 100,000 rials.
fn call(platform: &Platform) -> (Value, i64) {
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(4_000));
    let send = platform.send(&customer, message, "09121234567");
    let story = platform.story_of_ended(&customer, send);
    (story, platform.settled_balance(&customer))
}

/// Goal: sockets at all addresses, the usual setting, tell the trunk one that works.
#[test]
fn a_socket_at_all_addresses_tells_the_one_that_leads_to_the_trunk() {
    for (sip, told) in [
        ("listen = '0.0.0.0:0'", "127.0.0.1"),
        ("listen = '0.0.0.0:0'\npublic_address = '127.0.0.2'", "127.0.0.2"),
    ] {
        let media = UdpSocket::bind("127.0.0.1:0").unwrap();
        media.set_nonblocking(true).unwrap();
        let trunk = ByHand::start(media.local_addr().unwrap());
        let platform = Platform::start(with_trunk(sip, &trunk.address.to_string()));
        let (story, _) = call(&platform);
        assert_eq!(story["reason"], 10, "{story}");
        let invite = trunk.invite();
        let port = platform.sip_port();
        for part in [
            format!("Via: SIP/2.0/UDP {told}:{port};"),
            format!("@{told}:{port}>"),
            format!("c=IN IP4 {told}\r\n"),
        ] {
            assert!(invite.contains(&part), "{part} is not in\n{invite}");
        }
        assert!(!invite.contains("0.0.0.0"), "{invite}");
        let mut buffer = [0; 2_048];
        let packets = std::iter::from_fn(|| media.recv(&mut buffer).ok()).count();
        assert!(packets >= 200, "4 s of audio are 200 packets, and {packets} came");
    }
}

/// Goal: beside IPv4 there may be IPv6: each trunk is told an address of its own family, in SIP as
/// in sound, and who connects finds us at both.
#[test]
fn trunks_of_both_families_are_called_from_one_process() {
    let medias = ["127.0.0.1:0", "[::1]:0"].map(|at| UdpSocket::bind(at).unwrap());
    let trunks = medias.each_ref().map(|media| ByHand::start(media.local_addr().unwrap()));
    let [four, six] = trunks.each_ref().map(|trunk| trunk.address);
    let config = format!(
        "[sip]\nlisten = '127.0.0.1:0'\nlisten_v6 = '[::1]:0'\n\
         [[trunk]]\nname = 'four'\naddress = '{four}'\nprefixes = ['0912']\n\
         [[trunk]]\nname = 'six'\naddress = '{six}'\nprefixes = ['0935']\n"
    );
    let platform = Platform::start(Options { config, ..Options::default() });
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(4_000));
    for (number, at, trunk, media) in [
        ("09121234567", ["127.0.0.1", "IP4 127.0.0.1"], &trunks[0], &medias[0]),
        ("09351234567", ["[::1]", "IP6 ::1"], &trunks[1], &medias[1]),
    ] {
        let send = platform.send(&customer, message, number);
        let story = platform.story_of_ended(&customer, send);
        assert_eq!(story["reason"], 10, "{story}");
        let (invite, [host, connection]) = (trunk.invite(), at);
        let (_, port) = invite.split_once(&format!("Via: SIP/2.0/UDP {host}:")).expect(&invite);
        let port = port.split(';').next().unwrap();
        let contact = format!("@{host}:{port}>");
        let from = format!("@{host}>;tag=");
        for part in [contact, from, format!("c=IN {connection}\r\n")] {
            assert!(invite.contains(&part), "{part} is not in\n{invite}");
        }
        media.set_nonblocking(true).unwrap();
        let mut buffer = [0; 2_048];
        let packets = std::iter::from_fn(|| media.recv(&mut buffer).ok()).count();
        assert!(packets >= 200, "4 s of audio are 200 packets, and {packets} came");
        let answer = over_tcp(&format!("{host}:{port}"));
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    }
}

/// What is answered to an OPTIONS over a connection.
fn over_tcp(address: &str) -> String {
    let mut line = TcpStream::connect(address).unwrap();
    line.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let from = line.local_addr().unwrap();
    let request = format!(
        "OPTIONS sip:us@{address} SIP/2.0\r\nVia: SIP/2.0/TCP {from};branch=z9hG4bKo\r\n\
         From: <sip:a@b.example>;tag=1\r\nTo: <sip:us@{address}>\r\nCall-ID: o\r\n\
         CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    );
    line.write_all(request.as_bytes()).unwrap();
    let mut buffer = [0; 4_096];
    let length = line.read(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

/// Goal: a trunk on whose port nobody listens fails the call at once, not after 32 s.
#[test]
fn a_closed_port_is_told_by_the_kernel() {
    let nobody = format!("127.0.0.1:{}", free_udp_port());
    let platform = Platform::start(with_trunk("listen = '127.0.0.1:0'", &nobody));
    let (story, balance) = call(&platform);
    assert_eq!((story["reason"].as_i64(), balance), (Some(30), 100_000), "{story}");
    let end = story["ladder"].as_array().unwrap().last().unwrap();
    assert_eq!(end["event"], "end", "{story}");
    assert!(end["at_ms"].as_f64().unwrap() < 10_000.0, "{story}");
}

/// Goal: audio that the kernel refuses is not heard, and not paid for.
#[test]
fn audio_that_never_left_costs_nothing() {
    // From a socket at 127.0.0.1 the kernel sends nothing elsewhere.
    let trunk = ByHand::start("192.0.2.9:4000".parse().unwrap());
    let options = with_trunk("listen = '127.0.0.1:0'", &trunk.address.to_string());
    let platform = Platform::start(options);
    let (story, balance) = call(&platform);
    assert_eq!((story["reason"].as_i64(), balance), (Some(30), 100_000), "{story}");
    assert_eq!(story["played_seconds"], 0.0, "{story}");
    let name = "avanak_engine_total{event=\"rtp_refused\"}";
    eventually("the refused packets are counted", || {
        (platform.figure(name) >= 200.0).then_some(())
    });
}

/// Goal: addresses that cannot work together are refused at the start, with what to set.
#[test]
fn a_trunk_elsewhere_is_not_called_from_loopback() {
    for (sip, trunk, why) in [
        ("", "192.0.2.10:5060", "set sip.listen = \"0.0.0.0:5060\""),
        ("listen = '0.0.0.0:0'", "[2001:db8::1]:5060", "not both IPv4 or both IPv6"),
        ("public_address = '0.0.0.0'", "127.0.0.1:9", "not an IP address that others can reach"),
        ("public_address = '::1'", "127.0.0.1:9", "both be IPv4 or both IPv6"),
        ("listen = '0.0.0.0:0'", "[2001:db8::1]:5060", "set sip.listen_v6 = \"[::]:0\""),
        ("listen_v6 = '[::1]:0'", "[2001:db8::1]:5060", "set sip.listen_v6 = \"[::]:0\""),
        ("listen_v6 = '127.0.0.1:0'", "127.0.0.1:9", "not an address of IPv6"),
        ("listen = '[::1]:0'\nlisten_v6 = '[::1]:0'", "[::1]:9", "an address of IPv6 itself"),
        ("public_address_v6 = '::1'", "127.0.0.1:9", "which is not set"),
        ("listen_v6 = '[::1]:0'\nmedia_ports = 129", "127.0.0.1:9", "at most 128 of each family"),
    ] {
        let options = with_trunk(sip, trunk);
        let dir = data_dir(&options);
        let errors = std::fs::File::create(dir.path().join("errors")).unwrap();
        let mut serve = binary()
            .args(["serve", "--http", "127.0.0.1:0"])
            .arg(format!("--config={}", dir.path().join("avanak.toml").display()))
            .arg(format!("--data-dir={}", dir.path().display()))
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .unwrap();
        let status = eventually("serve gives up", || serve.try_wait().unwrap());
        let said = std::fs::read_to_string(dir.path().join("errors")).unwrap();
        assert!(!status.success() && said.contains(why), "{sip}: {said}");
        let doctor = run(dir.path(), &options, &["doctor"]);
        let said = [doctor.stdout, doctor.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(!doctor.status.success() && said.contains(why), "{sip}: {said}");
    }
}
