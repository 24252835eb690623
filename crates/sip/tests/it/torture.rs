//! Odd but valid messages are read, broken ones are refused for the right reason: what
//! `torture_sets` has a row of is looked into here, and there is more of the kind.

use sip::message::{Message, parse};
use sip::{Limits, Malformed, Name, NameAddr, Scheme};

fn read(text: &[u8]) -> Result<Message, Malformed> {
    parse(text, &Limits::default())
}

/// A request with one line replaced or added.
fn with(from: &str, to: &str) -> Vec<u8> {
    let text = "OPTIONS sip:user@example.com SIP/2.0\r\nTo: <sip:j.user@example.com>\r\n\
        From: <sip:caller@example.net>;tag=323\r\nMax-Forwards: 70\r\nCall-ID: a.1@example.com\r\n\
        CSeq: 60 OPTIONS\r\nVia: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw\r\nl: 0\r\n\r\n";
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1).into_bytes()
}

/// §3.1.1.1: every liberty with white space, case, folding, lists and compact names.
pub fn wsinv() -> String {
    let text = "INVITE sip:nima@desk.example.com;unknownparam SIP/2.0\r\n\
        TO :\r\n sip:nima@desk.example.com ;   tag    = 55n\r\n\
        from   : \"Roya N \\\\\\\"\"       <sip:roya@example.com>\r\n  ;\r\n\
        \x20 tag = 77qw3\r\n\
        MaX-fOrWaRdS: 0068\r\nCall-ID: space.1@192.0.2.1\r\nContent-Length   : 150\r\n\
        cseq: 0009\r\n  INVITE\r\nVia  : SIP  /   2.0\r\n /UDP\r\n\
        \x20   192.0.2.2;branch=390xyz\r\n\
        s :\r\nNeverSeenBefore:   first half\r\n second half\r\n\
        UnknownHeaderWithUnusualValue: ;;,,;;,;\r\nContent-Type: application/sdp\r\n\
        Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n\
        v:  SIP  / 2.0  / TCP     loom.example.com   ;\r\n  branch  =   z9hG4bK9abc  ,\r\n \
        SIP  /    2.0   / UDP  192.168.200.1   ; branch=\r\n z9hG4bK30239\r\n\
        m:\"Quoted string \\\"\\\"\" <sip:roya@example.com> ; newparam =\r\n      newvalue ;\r\n\
        \x20 secondparam ; q = 0.33\r\n\r\n";
    format!("{text}{}", "x".repeat(150))
}

/// Goal: what stands in the tortuous INVITE is read as it is meant.
#[test]
fn a_short_tortuous_invite() {
    let text = wsinv();
    let Ok(Message::Request(request)) = read(text.as_bytes()) else {
        panic!("{:?}", read(text.as_bytes()))
    };
    let to = NameAddr::parse(request.headers.get(Name::To).unwrap(), Name::To).unwrap();
    assert_eq!(to.tag(), Some(b"55n".as_slice()));
    assert_eq!(request.headers.get(Name::CSeq), Some(b"0009 INVITE".as_slice()));
    assert_eq!(request.headers.elements(Name::Via).count(), 3);
    assert_eq!(request.headers.find("neverseenbefore"), Some(b"first half second half".as_slice()));
    assert_eq!(request.headers.get(Name::Subject), Some(b"".as_slice()));
}

/// Beyond the sets: messages that must be read.
#[test]
fn valid() {
    let cases: &[(&str, &str, &str)] = &[
        ("ipv6 in a URI", "sip:user@example.com", "sip:user@[2001:db8::10]:5070"),
        ("no length", "l: 0\r\n", ""),
        ("line ends before", "OPTIONS", "\r\n\r\nOPTIONS"),
    ];
    for (name, from, to) in cases {
        let text = with(from, to);
        assert!(read(&text).is_ok(), "{name}: {:?}", read(&text));
    }
    let Ok(Message::Request(request)) = read(&with("sip:user@example.com", "nobody:x")) else {
        panic!()
    };
    assert_eq!(request.uri.scheme(), Scheme::Other);
}

/// §3.1.1.5: a display name in bytes that are no UTF-8 hides nothing behind it.
#[test]
fn bytes_that_are_no_text() {
    let mut text = with("<sip:caller@example.net>", "\"????\" <sip:caller@example.net>");
    let at = text.windows(4).position(|w| w == b"????").unwrap();
    text[at..at + 4].copy_from_slice(b"\xc3\x28\xff\xfe");
    let Ok(Message::Request(request)) = read(&text) else { panic!() };
    assert!(request.headers.get(Name::From).unwrap().starts_with(b"\"\xc3\x28\xff\xfe\" <"));
    assert_eq!(request.headers.get(Name::CallId), Some(b"a.1@example.com".as_slice()));
    assert_eq!(Message::Request(request.clone()).print(), request.print());
}

/// §3.1.1.7, §3.1.1.12, §3.1.1.13: a long message, a phrase in Cyrillic, and none at all.
#[test]
fn responses() {
    let long = format!("Unknown-{}: {}\r\nl: 0", "long".repeat(40), "value ".repeat(2000));
    assert!(read(&with("l: 0", &long)).is_ok());
    let head = "OPTIONS sip:user@example.com SIP/2.0";
    for (line, code) in [
        ("SIP/2.0 200 = 2**3 * 5**2 \u{43d}\u{43e} \u{441}\u{442}\u{43e}", 200),
        ("SIP/2.0 100 ", 100),
        ("SIP/2.0 100", 100),
        ("sip/2.0 699 x", 699),
    ] {
        let Ok(Message::Response(response)) = read(&with(head, line)) else { panic!("{line}") };
        assert_eq!(response.code, code);
    }
    for line in
        ["SIP/2.0 4294967301 better not break the receiver", "SIP/2.0 99 x", "SIP/2.0 700 x"]
    {
        assert_eq!(read(&with(head, line)), Err(Malformed::StartLine), "{line}");
    }
    assert_eq!(read(&with(head, "SIP/7.0 200 OK")), Err(Malformed::Version));
}

/// §3.1.1.9: two requests in one datagram: the second is not ours to read.
#[test]
fn bytes_after_the_message() {
    let text = [with("l: 0", "l: 0"), with("l: 0", "l: 5")].concat();
    let Ok(Message::Request(request)) = read(&text) else { panic!() };
    assert!(request.body.is_empty());
}

/// Beyond the sets: messages that must be refused.
#[test]
fn invalid() {
    use Malformed as M;
    let cases: &[(&str, &str, &str, M)] = &[
        ("scalar02b", "70", "300", M::Value(Name::MaxForwards)),
        ("two From", "l: 0", "f: <sip:x@y>;tag=1\r\nl: 0", M::Duplicate(Name::From)),
        ("ipv6-bad", "t1.example.com", "[2001:db8::9:1", M::Value(Name::Via)),
        ("port", "t1.example.com", "t1.example.com:99999", M::Value(Name::Via)),
        ("no colon", "Max-Forwards: 70", "Max-Forwards 70", M::Line),
        ("lone LF", "Max-Forwards: 70", "Subject: a\nX: b", M::Line),
        ("lone CR", "Max-Forwards: 70", "Subject: a\rX: b", M::Line),
        ("bad name", "Max-Forwards: 70", "Max Forwards: 70", M::Line),
        ("no end", "l: 0\r\n\r\n", "l: 0\r\n", M::Line),
        ("empty", "OPTIONS ", " ", M::StartLine),
    ];
    for (name, from, to, reason) in cases {
        assert_eq!(read(&with(from, to)).map(|_| ()), Err(*reason), "{name}");
    }
    assert_eq!(read(b""), Err(M::StartLine));
    assert_eq!(read(b"\r\n\r\n"), Err(M::StartLine));
}
