//! Reading and writing messages: what is printed reads back the same, nothing panics.

use proptest::prelude::*;
use sip::message::header::call_id;
use sip::message::{Message, parse};
use sip::{Endpoint, Headers, Limits, Malformed, Method, Name, NameAddr, Outputs, Request, Uri};

use crate::pair::{CALLER, addr, config, epoch};

fn limits() -> Limits {
    Limits::default()
}

const PLAIN: &str = "INVITE sip:bob@192.0.2.1 SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bKabc;rport\r\n\
    Max-Forwards: 70\r\nFrom: \"A, \\\"B\\\"\" <sip:alice@example.com>;tag=1\r\n\
    To: <sip:bob@example.com>\r\nCall-ID: x@y\r\nCSeq: 1 INVITE\r\n\
    Contact: <sip:alice@192.0.2.4>, <tel:+98912>;q=0.5\r\nRecord-Route: <sip:p;lr>\r\n\
    Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n";

fn value() -> impl Strategy<Value = Vec<u8>> {
    // Any bytes but line ends, without outer white space.
    proptest::collection::vec(any::<u8>(), 0..40).prop_map(|mut bytes| {
        bytes.retain(|byte| !matches!(byte, b'\r' | b'\n'));
        bytes.trim_ascii().to_vec()
    })
}

const METHODS: [&str; 6] = ["INVITE", "BYE", "REGISTER", "OPTIONS", "ACK", "CANCEL"];

/// Where, with what, and how a message is spoilt.
fn edit() -> impl Strategy<Value = (prop::sample::Index, u8, u8)> {
    (any::<prop::sample::Index>(), any::<u8>(), 0_u8..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// parse ∘ print = id.
    #[test]
    fn print_then_parse(
        others in proptest::collection::vec(("X-[a-z]{1,8}", value()), 0..20),
        user in "[a-z0-9]{1,10}",
        tag in "[a-zA-Z0-9.!%*_+`'~-]{1,20}",
        body in proptest::collection::vec(any::<u8>(), 0..300),
        cseq in 0_u32..1 << 31,
        code in 100_u16..700,
        response in any::<bool>(),
    ) {
        let mut headers = Headers::new();
        headers.push(Name::Via, b"SIP/2.0/UDP [2001:db8::9]:5060;branch=z9hG4bK1");
        headers.push(Name::From, format!("<sip:{user}@h>;tag={tag}").as_bytes());
        headers.push(Name::To, b"<sip:t@h>");
        headers.push(Name::CallId, tag.as_bytes());
        headers.push(Name::CSeq, format!("{cseq} OPTIONS").as_bytes());
        for (name, value) in &others {
            headers.push_named(name.as_bytes(), value);
        }
        let mut message = if response {
            let reason = b"Caf\xe9".to_vec();
            Message::Response(sip::Response { code, reason, headers, body: body.clone() })
        } else {
            let uri = format!("sip:{user}@h:1;lr").parse().unwrap();
            Message::Request(Request {
                method: Method::Options, uri, headers, body: body.clone(),
            })
        };
        let printed = message.print();
        let read = parse(&printed, &limits()).unwrap();
        let (Message::Request(Request { headers, .. })
            | Message::Response(sip::Response { headers, .. })) = &mut message;
        headers.push(Name::ContentLength, body.len().to_string().as_bytes());
        prop_assert_eq!(&read, &message);
        prop_assert_eq!(read.print(), printed.clone());
        prop_assert_eq!(call_id(&printed), Some(tag.as_bytes()));
    }

    /// No bytes make the parser or an endpoint panic, and what is sent is valid SIP.
    #[test]
    fn mutated_messages(
        edits in proptest::collection::vec(edit(), 1..8),
        method in prop::sample::select(METHODS.to_vec()),
    ) {
        let mut bytes = PLAIN.replace("INVITE", method).into_bytes();
        for (index, byte, how) in edits {
            let at = index.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => bytes.truncate(at.max(1)),
                _ => { bytes.remove(at); if bytes.is_empty() { bytes.push(byte) } }
            }
        }
        let mut endpoint = Endpoint::new(config(CALLER, 1));
        let mut out = Outputs::default();
        let now = epoch();
        endpoint.receive(now, addr("192.0.2.4:5060"), &bytes, &mut out);
        for event in std::mem::take(&mut out.events) {
            if let sip::Event::Incoming { leg, .. } = event {
                endpoint.answer(now, leg, b"v=0", &mut out);
            }
        }
        for transmit in &out.transmits {
            prop_assert!(parse(&transmit.bytes, &limits()).is_ok());
        }
    }

    /// URIs read back as they were written.
    #[test]
    fn uris(text in "(sip|sips|tel|x):[ -~]{0,30}") {
        if let Ok(uri) = Uri::parse(text.as_bytes()) {
            prop_assert_eq!(uri.as_bytes(), text.as_bytes());
            prop_assert_eq!(Uri::parse(uri.to_string().as_bytes()), Ok(uri));
        }
    }

    /// Any user makes a valid address.
    #[test]
    fn escaped_users(user in "\\PC{0,20}") {
        let uri = Uri::sip(&user, addr("[::1]:5060"));
        prop_assert_eq!(uri.socket_addr(), Some(addr("[::1]:5060")));
    }
}

/// Goal: fields read by long and compact name, lists over lines, folds as one space.
#[test]
fn fields() {
    let text = PLAIN
        .replace(
            "Record-Route: <sip:p;lr>",
            "Record-Route: <sip:p;lr>,\r\n\t <sip:q,r>\r\nrecord-route:<sip:s>",
        )
        .replace("Call-ID", "i")
        .replace("Via", "v");
    let Ok(Message::Request(request)) = parse(text.as_bytes(), &limits()) else { panic!() };
    let routes: Vec<_> = request.headers.elements(Name::RecordRoute).collect();
    assert_eq!(routes, [b"<sip:p;lr>".as_slice(), b"<sip:q,r>", b"<sip:s>"]);
    assert_eq!(request.headers.get(Name::CallId), Some(b"x@y".as_slice()));
    assert_eq!(request.sdp(), Some(b"v=0\r\n".as_slice()));
    let from = NameAddr::parse(request.headers.get(Name::From).unwrap(), Name::From).unwrap();
    assert_eq!(from.tag(), Some(b"1".as_slice()));
    assert_eq!(from.display, b"\"A, \\\"B\\\"\"");
}

/// Goal: the limits hold, at the limit and one past it.
#[test]
fn bounds() {
    let lines = |count: usize| {
        let more = "X-n: y\r\n".repeat(count);
        PLAIN.replace("Max-Forwards", &format!("{more}Max-Forwards"))
    };
    assert!(parse(lines(118).as_bytes(), &limits()).is_ok());
    assert_eq!(parse(lines(119).as_bytes(), &limits()), Err(Malformed::TooManyFields));
    let big = [PLAIN.as_bytes(), &vec![b'x'; 64 * 1024]].concat();
    assert_eq!(parse(&big, &limits()), Err(Malformed::TooLong));
    let length = |value: &str| {
        let text = PLAIN.replace("Content-Length: 5", &format!("Content-Length: {value}"));
        parse(text.as_bytes(), &limits()).map(|_| ())
    };
    assert_eq!(length("5"), Ok(()));
    assert_eq!(length("3"), Ok(()));
    for wrong in ["6", "-1", "5 5", "+5", "", "99999999999999999999999999"] {
        assert_eq!(length(wrong), Err(Malformed::ContentLength), "{wrong}");
    }
}

/// Goal: addresses of every form give their parts.
#[test]
fn addresses() {
    let uri: Uri = "sip:+98912;ext=1:pw@[2001:db8::1]:5070;transport=udp;lr?x=y".parse().unwrap();
    assert_eq!(uri.user(), b"+98912;ext=1");
    assert_eq!(uri.host(), b"[2001:db8::1]");
    assert_eq!(uri.port(), Some(5070));
    assert_eq!(uri.param("LR"), Some(b"".as_slice()));
    assert_eq!(uri.param("transport"), Some(b"udp".as_slice()));
    assert_eq!(uri.socket_addr(), Some(addr("[2001:db8::1]:5070")));
    let uri: Uri = "tel:+98-912-345;phone-context=x".parse().unwrap();
    assert_eq!((uri.user(), uri.host()), (b"+98-912-345".as_slice(), b"".as_slice()));
    for wrong in [
        "",
        "sip:",
        "sip:@h",
        "sip:u@",
        "sip:h:70000",
        "sip:[::1",
        "tel:",
        "tel:abz!",
        "sip:a b@h",
        "sip:h:x",
        "sip:a@b@c",
    ] {
        assert!(wrong.parse::<Uri>().is_err(), "{wrong}");
    }
    let shown = NameAddr::new("sip:h".parse().unwrap()).with_display("a\"b\\c\r\n");
    let mut text = Vec::new();
    shown.write(&mut text);
    assert_eq!(text, b"\"a\\\"b\\\\c\" <sip:h>");
    assert_eq!(NameAddr::parse(&text, Name::To).unwrap(), shown);
}

/// Goal: whose a message is can be told before it is read, from any that could be read and from
/// nothing in its body.
#[test]
fn the_call_id_is_found_before_the_message_is_read() {
    for (message, expected) in [
        (PLAIN, Some("x@y")),
        ("SIP/2.0 200 OK\r\ni:  a-1@b \r\n\r\n", Some("a-1@b")),
        ("\r\n\r\nSIP/2.0 200 OK\r\nCALL-id\t: a\r\nCall-ID: b\r\n\r\n", Some("a")),
        ("SIP/2.0 200 OK\r\nTo: x\r\n\r\nCall-ID: body\r\n", None),
        ("Call-ID: first\r\nTo: x\r\n\r\n", None),
        ("SIP/2.0 200 OK\r\nX-Call-ID: a\r\nCall-ID", None),
        ("", None),
    ] {
        assert_eq!(call_id(message.as_bytes()), expected.map(str::as_bytes), "{message}");
    }
}

/// Goal: whose a message is can be told before it is read, however its Call-ID is written, and a
/// request that begins something is nobody's yet.
#[test]
fn whose_a_message_is() {
    use sip::message::header::{call_id, is_for_us};
    let response = |field: &str| format!("SIP/2.0 200 OK\r\nVia: x\r\n{field}\r\n\r\n Call-ID: b");
    for field in ["Call-ID: 1-1@h", "i:1-1@h", "call-id :\t1-1@h", "Call-ID:\r\n  1-1@h"] {
        assert_eq!(call_id(response(field).as_bytes()), Some(&b"1-1@h"[..]), "{field:?}");
        let after_a_ping = format!("\r\n\r\n{}", response(field));
        assert_eq!(call_id(after_a_ping.as_bytes()), Some(&b"1-1@h"[..]), "{field:?}");
        assert!(is_for_us(after_a_ping.as_bytes()));
    }
    assert_eq!(call_id(response("Subject: x").as_bytes()), None, "a body is no header");
    assert_eq!(call_id(b""), None);
    let request = |to: &str| format!("BYE sip:a@b SIP/2.0\r\n{to}\r\nCall-ID: 1-1@h\r\n\r\n");
    assert!(is_for_us(request("To: <sip:a@b>;tag=1").as_bytes()));
    assert!(is_for_us(request("t: <sip:a@b>\r\n ;tag=1").as_bytes()));
    assert!(!is_for_us(request("To: <sip:a@b;tag=1>").as_bytes()));
}
