//! SIP over TCP, TLS and IPv6: real peers, and bytes as no well-behaved peer would send them.

use std::io::{ErrorKind, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, Stream,
};

use crate::baresip::{Baresip, EXTENSION, is_registered, with_phone_and};
use crate::garbage::resident_kb;
use crate::platform::{
    Options, Platform, config, correlation, eventually, free_udp_port, random, rising_tone,
};
use crate::sipp::{Sipp, TCP, TCP_V6, UDP_V6};

/// An authority, a certificate that it gave to 127.0.0.1, and the certificate's key, as files.
pub struct Certificates {
    dir: TempDir,
}

impl Certificates {
    pub fn new() -> Self {
        let made = Self { dir: tempfile::tempdir().unwrap() };
        made.renew();
        made
    }

    /// Takes a new authority and all that follows.
    fn renew(&self) {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let ours = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = ours.signed_by(&key, &issuer).unwrap();
        for (name, pem) in [
            ("authority.pem", authority_pem),
            ("certificate.pem", certificate.pem()),
            ("key.pem", key.serialize_pem()),
        ] {
            std::fs::write(self.dir.path().join(name), pem).unwrap();
        }
    }

    pub fn file(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// The lines that tell a platform of them.
    pub fn keys(&self, tls_port: u16) -> String {
        format!(
            "tls_port = {tls_port}\ntls_certificate = '{}'\ntls_key = '{}'\n\
             tls_authorities = '{}'\n",
            self.file("certificate.pem"),
            self.file("key.pem"),
            self.file("authority.pem"),
        )
    }
}

fn certificates(file: impl AsRef<Path>) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(file).unwrap().map(Result::unwrap).collect()
}

fn options(number: u32) -> String {
    format!(
        "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK{number}\r\n\
         From: <sip:t@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: {number}\r\n\
         CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Reads until `wanted` answers of 200 came.
fn answers(stream: &mut impl std::io::Read, wanted: usize) -> String {
    let mut text = String::new();
    while text.matches("SIP/2.0 200").count() < wanted || !text.ends_with("\r\n\r\n") {
        let mut some = [0; 4096];
        let count = stream.read(&mut some).unwrap();
        assert!(count > 0, "the connection was closed after {text}");
        text.push_str(std::str::from_utf8(&some[..count]).unwrap());
    }
    text
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(crate::platform::PATIENCE)).unwrap();
    stream
}

/// Whether the peer closes it, whatever it says before.
fn is_closed(stream: &mut impl Read) -> bool {
    match std::io::copy(stream, &mut std::io::sink()) {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

/// Goal: whatever pieces a message arrives in, it is answered on its own connection; a ping has
/// its pong; what is no SIP ends that connection, and no other.
#[test]
fn bytes_over_tcp_are_understood_or_refused() {
    let platform = Platform::with_sandbox();
    let port = platform.sip_port();
    let mut stream = connect(port);
    for byte in options(1).bytes() {
        stream.write_all(&[byte]).unwrap();
    }
    stream.write_all((options(2) + &options(3)).as_bytes()).unwrap();
    let text = answers(&mut stream, 3);
    for number in 1..=3 {
        assert!(
            text.contains(&format!("branch=z9hG4bK{number}\r\n"))
                || text.contains(&format!("branch=z9hG4bK{number};")),
            "{text}"
        );
    }
    stream.write_all(b"\r\n\r\n").unwrap();
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"\r\n");

    for garbage in
        ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS sip:a SIP/2.0\r\nl: 99999999999\r\n\r\n"]
    {
        let mut other = connect(port);
        other.write_all(garbage.as_bytes()).unwrap();
        assert!(is_closed(&mut other), "{garbage}");
    }
    stream.write_all(options(4).as_bytes()).unwrap();
    answers(&mut stream, 1);
    assert!(platform.figure("avanak_sip_connections_ended_total{why=\"Garbage\"}") >= 2.0);
}

/// Goal: one address cannot take all connections; those beyond its share are closed at once.
#[test]
fn one_address_has_its_share_of_connections() {
    let platform = Platform::with_sandbox();
    let port = platform.sip_port();
    let mut streams: Vec<TcpStream> = (0..110).map(|_| connect(port)).collect();
    let refused = eventually("the last ones are refused", || {
        let refused = platform.figure("avanak_sip_connections_refused_total");
        (refused >= 10.0).then_some(refused)
    });
    assert!(refused < 11.0, "{refused}");
    assert!(is_closed(streams.last_mut().unwrap()));
    let first = &mut streams[0];
    first.write_all(options(1).as_bytes()).unwrap();
    answers(first, 1);
}

fn play_to(mut sipp: Sipp, config: String) {
    let platform = Platform::start(Options { config, ..Options::default() });
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(4_000));
    let send = platform.send(&customer, message, "09121234567");
    let story = platform.story_of_ended(&customer, send);
    assert_eq!(story["reason"], 10, "{story}");
    assert!(sipp.passed(), "SIPp saw what its scenario wants");
}

/// Goal: a trunk over TCP, with SIPp's idea of the standard.
#[test]
fn a_trunk_over_tcp() {
    let sipp = Sipp::at(1, "uas_answer.xml", TCP);
    let trunk = format!(
        "[[trunk]]\nname = 'peer'\naddress = '127.0.0.1:{}'\ntransport = 'tcp'\n",
        sipp.port
    );
    play_to(sipp, config(&trunk));
}

/// Goal: a whole call over IPv6.
#[test]
fn a_trunk_over_ipv6() {
    let sipp = Sipp::at(1, "uas_answer.xml", UDP_V6);
    let trunk = format!("[[trunk]]\nname = 'peer'\naddress = '[::1]:{}'\n", sipp.port);
    play_to(sipp, config(&trunk).replace("127.0.0.1:0", "[::1]:0"));
}

/// Goal: the same over a connection.
#[test]
fn a_trunk_over_tcp_and_ipv6() {
    let sipp = Sipp::at(1, "uas_answer.xml", TCP_V6);
    let port = sipp.port;
    let trunk = format!("[[trunk]]\nname = 'peer'\naddress = '[::1]:{port}'\ntransport = 'tcp'\n");
    play_to(sipp, config(&trunk).replace("127.0.0.1:0", "[::1]:0"));
}

/// Goal: the kernel's filter sees the same bytes at a socket of IPv6: sound is thrown away, a key
/// comes.
#[test]
fn sound_is_ignored_over_ipv6() {
    let [ours, theirs] = [(); 2].map(|()| UdpSocket::bind("[::1]:0").unwrap());
    ours.set_read_timeout(Some(crate::platform::PATIENCE)).unwrap();
    let rtp = |kind: u8| [0x80, kind, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xD5, 0xD5];
    let first_of = |kinds: [u8; 5]| {
        for kind in kinds {
            theirs.send_to(&rtp(kind), ours.local_addr().unwrap()).unwrap();
        }
        let mut bytes = [0; 64];
        let (count, _) = ours.recv_from(&mut bytes).unwrap();
        assert_eq!(count, rtp(0).len());
        bytes[1]
    };
    server::udp::ignore_sound(&ours, true).unwrap();
    assert_eq!(first_of([8, 0, 9, 13, 101]), 101);
    server::udp::ignore_sound(&ours, false).unwrap();
    assert_eq!(first_of([8, 0, 9, 13, 101]), 8);
}

/// Takes so many connections over TLS, one after the other, and passes their bytes on to `to`, both
/// ways. The first that is none ends it.
pub fn terminate_tls(files: &Certificates, to: u16, count: usize) -> (u16, JoinHandle<()>) {
    let key = PrivateKeyDer::from_pem_file(files.file("key.pem")).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates(files.file("certificate.pem")), key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(config);
    let thread = std::thread::spawn(move || {
        for (mut outer, _) in (0..count).map(|_| listener.accept().unwrap()) {
            let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            while tls.is_handshaking() {
                if tls.complete_io(&mut outer).is_err() {
                    return;
                }
            }
            pass_on(&mut tls, &mut outer, TcpStream::connect(("127.0.0.1", to)).unwrap());
        }
    });
    (port, thread)
}

fn pass_on(tls: &mut ServerConnection, outer: &mut TcpStream, mut inner: TcpStream) {
    // Both are asked in turn: this is one call, not a benchmark.
    outer.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    inner.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    let mut buffer = [0; 8192];
    loop {
        match Stream::new(tls, outer).read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => inner.write_all(&buffer[..count]).unwrap(),
            Err(error) if is_timeout(&error) => {}
            Err(_) => return,
        }
        match inner.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => Stream::new(tls, outer).write_all(&buffer[..count]).unwrap(),
            Err(error) if is_timeout(&error) => {}
            Err(_) => return,
        }
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

fn tls_trunk(port: u16, files: &Certificates) -> String {
    let trunk =
        format!("[[trunk]]\nname = 'peer'\naddress = '127.0.0.1:{port}'\ntransport = 'tls'\n");
    let authorities = format!("[sip]\ntls_authorities = '{}'\n", files.file("authority.pem"));
    config(&trunk).replace("[sip]\n", &authorities)
}

/// Goal: a trunk over TLS, whose certificate an authority of ours vouches for.
#[test]
fn a_trunk_over_tls() {
    let files = Certificates::new();
    let sipp = Sipp::at(1, "uas_answer.xml", TCP);
    let (port, thread) = terminate_tls(&files, sipp.port, 1);
    play_to(sipp, tls_trunk(port, &files));
    thread.join().unwrap();
}

/// Goal: over TLS the keys of SRTP travel in secret, and baresip hears what was uploaded; its own
/// sound comes encrypted, too.
#[test]
fn a_trunk_over_tls_has_its_sound_encrypted() {
    let files = Certificates::new();
    let both = ["certificate.pem", "key.pem"].map(|name| std::fs::read_to_string(files.file(name)));
    let both = both.map(Result::unwrap).concat();
    std::fs::write(files.file("both.pem"), both).unwrap();
    let (number, listen) = ("09121234567", SocketAddr::from(([127, 0, 0, 1], free_udp_port())));
    let more = format!("module srtp.so\nsip_certificate {}\n", files.file("both.pem"));
    let settings = ";transport=tls;mediaenc=srtp-mand";
    let mut phone = Baresip::as_trunk(number, listen, settings, &more, &[]);
    // baresip takes TLS at the port after the one for the rest.
    let config = tls_trunk(listen.port() + 1, &files) + "srtp = 'required'\n";
    let platform = Platform::start(Options { config, ..Options::default() });
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(4_000));
    eventually("baresip takes connections", || {
        TcpStream::connect(("127.0.0.1", listen.port() + 1)).ok()
    });
    let send = platform.send(&customer, message, number);
    let story = platform.story_of_ended(&customer, send);
    assert_eq!(story["reason"], 10, "{story}");
    phone.stop();
    let (alike, offset) = correlation(&platform.clip(&customer, message), &phone.heard());
    assert!(alike > 0.95, "baresip heard something else: {alike} at {offset}");
    let opened = "avanak_engine_total{event=\"rtp_received\"}";
    eventually("what it sent was opened", || (platform.figure(opened) > 100.0).then_some(()));
}

/// Goal: a trunk whose certificate nobody vouches for is not called, and nothing is charged.
#[test]
fn a_trunk_that_nobody_vouches_for() {
    let (theirs, ours) = (Certificates::new(), Certificates::new());
    let (port, thread) = terminate_tls(&theirs, 9, 1);
    let config = tls_trunk(port, &ours);
    let platform = Platform::start(Options { config, ..Options::default() });
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(4_000));
    let send = platform.send(&customer, message, "09121234567");
    eventually("the trunk is refused", || {
        let log = platform.log();
        (log.contains("no connection for SIP") && log.contains("certificate")).then_some(())
    });
    let story = platform.story_of_ended(&customer, send);
    assert_eq!(story["charged_rials"], 0, "{story}");
    thread.join().unwrap();
}

/// What a client of TLS needs that trusts one authority.
fn client_of(authority: &Path) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(authority));
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    ClientConnection::new(Arc::new(config), name).unwrap()
}

/// One OPTIONS over TLS, trusting one authority.
fn ask_over_tls(port: u16, authority: &Path) -> bool {
    let (mut tls, mut stream) = (client_of(authority), connect(port));
    let mut tls = Stream::new(&mut tls, &mut stream);
    if tls.write_all(options(1).as_bytes()).is_err() {
        return false;
    }
    answers(&mut tls, 1);
    true
}

/// Goal: what is no TLS, or no SIP within it, ends its own connection, and no other.
#[test]
fn nonsense_at_the_port_of_tls_ends_its_own_connection() {
    let files = Certificates::new();
    let authority = files.dir.path().join("authority.pem");
    let port = free_udp_port();
    let text = config("").replace("[sip]\n", &format!("[sip]\n{}", files.keys(port)));
    let platform = Platform::start(Options { config: text, ..Options::default() });
    let (mut tls, mut stream) = (client_of(&authority), connect(port));
    let mut good = Stream::new(&mut tls, &mut stream);
    good.write_all(options(1).as_bytes()).unwrap();
    answers(&mut good, 1);

    let mut seed = 11;
    let noise: Vec<u8> =
        (0..4_000).map(|_| u8::try_from(random(&mut seed) % 256).unwrap()).collect();
    // A record of the handshake that claims 16 kB of nothing, and one that is longer than any.
    let empty = [&[22, 3, 1, 64, 0][..], &[0; 16_384]].concat();
    let longest = [&[22, 3, 3, 255, 255][..], &noise].concat();
    for bytes in [options(2).as_bytes(), &noise, &empty, &longest] {
        let mut other = connect(port);
        // It may be closed while we still write.
        let _ = other.write_all(bytes);
        assert!(is_closed(&mut other), "{:?}", &bytes[..bytes.len().min(20)]);
    }
    assert!(is_closed(&mut connect(port)), "who says nothing is not waited for");
    let (mut inner, mut stream) = (client_of(&authority), connect(port));
    let mut inner = Stream::new(&mut inner, &mut stream);
    inner.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(is_closed(&mut inner));

    good.write_all(options(2).as_bytes()).unwrap();
    answers(&mut good, 1);
    assert!(platform.figure("avanak_sip_connections_ended_total{why=\"Garbage\"}") >= 1.0);
    assert!(platform.figure("avanak_sip_connections_ended_total{why=\"NoHandshake\"}") >= 4.0);
}

/// Goal: a flood of requests that cost something elsewhere, over many connections of TCP and TLS,
/// answers unread, leaves no connection, no call and no memory behind.
#[test]
fn a_flood_over_connections_leaves_nothing_behind() {
    const CONNECTIONS: usize = 60;
    const REQUESTS: usize = 200;
    /// Kibibytes, of the millions of bytes that are thrown.
    const GROWTH_KB_MAX: u64 = 24 * 1024;
    let files = Certificates::new();
    let authority = files.dir.path().join("authority.pem");
    let tls_port = free_udp_port();
    let text = config("").replace("[sip]\n", &format!("[sip]\n{}", files.keys(tls_port)));
    let platform = Platform::start(Options { config: text, ..Options::default() });
    let port = platform.sip_port();
    let flood = |round: usize| {
        for number in (0..CONNECTIONS).map(|number| round * CONNECTIONS + number) {
            let all = number * REQUESTS..(number + 1) * REQUESTS;
            let requests: Vec<String> = all.map(unwanted).collect();
            let requests = requests.concat();
            // They are closed while we still write, or never read: both are to be endured.
            if number % 2 == 0 {
                let _ = connect(port).write_all(requests.as_bytes());
            } else {
                let (mut tls, mut stream) = (client_of(&authority), connect(tls_port));
                let _ = Stream::new(&mut tls, &mut stream).write_all(requests.as_bytes());
            }
        }
        eventually("no connection is left", || {
            let told = platform.get("/metrics").contains("\navanak_sip_connections ");
            (told && platform.figure("avanak_sip_connections ") < 0.5).then_some(())
        });
    };
    // The first flood gives buffers their room.
    flood(1);
    let before_kb = resident_kb(platform.pid());
    (2..5).for_each(flood);
    let grown_kb = resident_kb(platform.pid()).saturating_sub(before_kb);
    assert!(grown_kb < GROWTH_KB_MAX, "the process grew by {grown_kb} kB");
    assert!(platform.figure("avanak_shard_live_calls") < 0.5, "nobody was called");
    // Counters are told once a second.
    eventually("the flood came in", || {
        let name = "avanak_engine_total{event=\"dropped_source_too_fast\"}";
        (platform.figure(name) > 1_000.0).then_some(())
    });
    // This address may ask again when it has been quiet for a while.
    eventually("it is served again", || {
        let mut stream = connect(port);
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        // While it is refused, the connection may be closed before we have written.
        stream.write_all(options(1).as_bytes()).ok()?;
        let mut some = [0; 64];
        let count = stream.read(&mut some).unwrap_or(0);
        some[..count].starts_with(b"SIP/2.0 200").then_some(())
    });
}

/// A well-formed request of somebody who is nobody here.
fn unwanted(number: usize) -> String {
    let method = ["INVITE", "REGISTER", "BYE", "OPTIONS", "SUBSCRIBE"][number % 5];
    format!(
        "{method} sip:*43@127.0.0.1 SIP/2.0\r\n\
         Via: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKf{number}\r\nFrom: <sip:a@b>;tag={number}\r\n\
         To: <sip:*43@127.0.0.1>\r\nCall-ID: flood-{number}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:a@127.0.0.1:9>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Goal: SIP over TLS at an address of IPv6. The certificate is for another name, which the client
/// asks for all the same.
#[test]
fn tls_is_spoken_over_ipv6() {
    let files = Certificates::new();
    let port = free_udp_port();
    let text = config("").replace("[sip]\n", &format!("[sip]\n{}", files.keys(port)));
    let text = text.replace("127.0.0.1:0", "[::1]:0");
    let _platform = Platform::start(Options { config: text, ..Options::default() });
    let mut stream = TcpStream::connect(("::1", port)).unwrap();
    stream.set_read_timeout(Some(crate::platform::PATIENCE)).unwrap();
    let mut tls = client_of(&files.dir.path().join("authority.pem"));
    let mut tls = Stream::new(&mut tls, &mut stream);
    tls.write_all(options(1).as_bytes()).unwrap();
    answers(&mut tls, 1);
}

/// Goal: a new certificate is taken at SIGHUP, without a restart; a broken one is not.
#[test]
fn certificates_are_read_again() {
    let files = Certificates::new();
    let authority = files.dir.path().join("authority.pem");
    let port = free_udp_port();
    let text = config("").replace("[sip]\n", &format!("[sip]\n{}", files.keys(port)));
    let platform = Platform::start(Options { config: text, ..Options::default() });
    assert!(ask_over_tls(port, &authority));
    let old_authority = files.dir.path().join("old.pem");
    std::fs::copy(&authority, &old_authority).unwrap();
    files.renew();
    let hang_up = || {
        let pid = platform.pid().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    };
    hang_up();
    eventually("the new certificate is used", || ask_over_tls(port, &authority).then_some(()));
    assert!(!ask_over_tls(port, &old_authority));
    std::fs::write(files.file("key.pem"), "nonsense").unwrap();
    hang_up();
    eventually("the broken key is told", || {
        platform.log().contains("the old certificate for SIP stays in use").then_some(())
    });
    assert!(ask_over_tls(port, &authority));
}

fn a_phone_is_called_over(transport: &str) {
    let files = Certificates::new();
    let tls_port = free_udp_port();
    let (platform, registrar, customer, username, password) = with_phone_and(&files.keys(tls_port));
    let registrar = match transport {
        "tls" => SocketAddr::from(([127, 0, 0, 1], tls_port)),
        _ => registrar,
    };
    let more = format!("sip_cafile {}\nsip_verify_server yes\n", files.file("authority.pem"));
    let mut phone = Baresip::over(transport, registrar, &username, &password, &more);
    eventually("baresip registers", || is_registered(&platform, &customer).then_some(()));
    let message = platform.upload(&customer, &rising_tone(4_000));
    let send = platform.send(&customer, message, EXTENSION);
    let story = platform.story_of_ended(&customer, send);
    assert_eq!(story["reason"], 10, "{story}");
    phone.stop();
}

/// Goal: a phone registers over TCP and is called over the same connection.
#[test]
fn a_phone_over_tcp() {
    a_phone_is_called_over("tcp");
}

/// Goal: the same over TLS; baresip checks our certificate.
#[test]
fn a_phone_over_tls() {
    a_phone_is_called_over("tls");
}

/// Goal: a connection that dies while a call is up costs the call nothing: its BYE finds another
/// way to the peer.
#[test]
fn a_call_outlives_its_connection() {
    let mut sipp = Sipp::at(1, "uas_answer.xml", TCP);
    let (port, cut) = cuttable(sipp.port);
    let trunk =
        format!("[[trunk]]\nname = 'peer'\naddress = '127.0.0.1:{port}'\ntransport = 'tcp'\n");
    let platform = Platform::start(Options { config: config(&trunk), ..Options::default() });
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(4_000));
    let send = platform.send(&customer, message, "09121234567");
    platform.wait_for_answer(&customer, send);
    cut.send(()).unwrap();
    let story = platform.story_of_ended(&customer, send);
    assert_eq!((&story["reason"], &story["charged_rials"]), (&10.into(), &225.into()), "{story}");
    assert!(sipp.passed(), "the BYE came to the address in SIPp's Contact");
}

/// A way to `to` that is cut when told so.
fn cuttable(to: u16) -> (u16, std::sync::mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let (cut, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (outer, _) = listener.accept().unwrap();
        let inner = TcpStream::connect(("127.0.0.1", to)).unwrap();
        for (mut from, mut into) in [
            (outer.try_clone().unwrap(), inner.try_clone().unwrap()),
            (inner.try_clone().unwrap(), outer.try_clone().unwrap()),
        ] {
            // It ends when either side does.
            std::thread::spawn(move || drop(std::io::copy(&mut from, &mut into)));
        }
        if told.recv().is_ok() {
            outer.shutdown(std::net::Shutdown::Both).unwrap();
            // SIPp keeps its side: it waits for the BYE over another connection.
        }
        std::mem::forget(inner);
    });
    (address.port(), cut)
}
