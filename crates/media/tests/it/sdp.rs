//! Goal: we agree with every trunk that can be agreed with, say exactly what we mean, and no body
//! of a stranger panics or grows.

use std::net::SocketAddr;

use media::Codec;
use media::sdp::{
    Connection, Description, Direction, Local, LocalSrtp, MAX_BODY_BYTES, MAX_FORMATS, MAX_LINES,
    MAX_MEDIA, Malformed, Negotiated, Refusal, answer_offer, read_answer,
};
use media::srtp::{MASTER_BYTES, MasterKey, Suite};
use proptest::prelude::*;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn local() -> Local {
    Local::new(42, address("198.51.100.7:40000"), &[Codec::Pcma, Codec::Pcmu])
}

fn crlf(text: &str) -> Vec<u8> {
    text.trim_start().replace('\n', "\r\n").into_bytes()
}

fn text(body: Vec<u8>) -> String {
    String::from_utf8(body).unwrap().replace("\r\n", "\n")
}

#[test]
fn the_offer_says_what_we_can_in_our_order() {
    let expected = "\
v=0
o=- 42 42 IN IP4 198.51.100.7
s=-
c=IN IP4 198.51.100.7
t=0 0
m=audio 40000 RTP/AVP 8 0 101
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=sendrecv
";
    assert_eq!(text(local().print_offer()), expected);
    let mut other = Local::new(1, address("[2001:db8::7]:4000"), &[Codec::Pcmu]);
    other.telephone_event = None;
    other.direction = Direction::SendOnly;
    let other = text(other.print_offer());
    assert!(other.contains("c=IN IP6 2001:db8::7\n"));
    assert!(other.contains("m=audio 4000 RTP/AVP 0\n"));
    assert!(other.ends_with("a=sendonly\n"));
    assert!(!other.contains("101"));
}

/// Answers as trunks really send them, each with what must come out of it.
#[test]
fn answers_of_real_trunks() {
    let agreed = |codec: Codec, events, remote, direction| {
        let payload_type = codec.payload_type();
        let (remote, srtp) = (address(remote), None);
        let rtcp = Some(SocketAddr::new(remote.ip(), remote.port() + 1));
        let telephone_event_pt = events;
        Ok(Negotiated { codec, payload_type, telephone_event_pt, remote, direction, rtcp, srtp })
    };
    let both = Direction::SendRecv;
    let plain = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n";
    for (name, body, expected) in [
        (
            "a softswitch without s=, with private lines and a long session id",
            "v=0\no=HuaweiSoftX3000 18446744073709551699 18446744073709551700 IN IP4 10.1.2.3\n\
             c=IN IP4 192.0.2.1\nb=X-YZ:128\nt=0 0\nm=audio 20000 RTP/AVP 8 97\n\
             a=rtpmap:8 PCMA/8000/1\na=rtpmap:97 telephone-event/8000\na=fmtp:97 0-15\n\
             a=maxptime:20\na=X-nat:0\n"
                .to_owned(),
            agreed(Codec::Pcma, Some(97), "192.0.2.1:20000", both),
        ),
        (
            "a gateway that answers with its own preference and no maps",
            format!("{plain}m=audio 20000 RTP/AVP 0 8\n"),
            agreed(Codec::Pcmu, None, "192.0.2.1:20000", both),
        ),
        (
            "an Asterisk with its own connection line under the media",
            format!(
                "{plain}m=audio 11322 RTP/AVP 8 101\nc=IN IP4 192.0.2.9\na=rtpmap:8 pcma/8000\n\
                 a=rtpmap:101 Telephone-Event/8000\na=ptime:20\na=maxptime:150\na=sendrecv\n"
            ),
            agreed(Codec::Pcma, Some(101), "192.0.2.9:11322", both),
        ),
        (
            "hold by sendonly",
            format!("{plain}a=sendonly\nm=audio 20000 RTP/AVP 8\n"),
            agreed(Codec::Pcma, None, "192.0.2.1:20000", Direction::RecvOnly),
        ),
        (
            "hold by the zero address",
            format!("{plain}m=audio 20000 RTP/AVP 8\nc=IN IP4 0.0.0.0\n"),
            agreed(Codec::Pcma, None, "0.0.0.0:20000", Direction::RecvOnly),
        ),
        (
            "IPv6, and a telephone-event at another clock rate that is not ours",
            "v=0\no=- 1 1 IN IP6 ::1\ns=-\nc=IN IP6 2001:db8::1\nt=0 0\n\
             m=audio 20000 RTP/AVP 8 101\na=rtpmap:101 telephone-event/16000\na=inactive\n"
                .to_owned(),
            agreed(Codec::Pcma, None, "[2001:db8::1]:20000", Direction::Inactive),
        ),
        ("refused", format!("{plain}m=audio 0 RTP/AVP 8\n"), Err(Refusal::NoAudio)),
        ("fax", format!("{plain}m=image 4000 udptl t38\n"), Err(Refusal::NoAudio)),
        ("encrypted", format!("{plain}m=audio 4000 RTP/SAVP 8\n"), Err(Refusal::NoAudio)),
        ("G.729 only", format!("{plain}m=audio 4000 RTP/AVP 18\n"), Err(Refusal::NoCommonCodec)),
        (
            "a static number mapped to something else",
            format!("{plain}m=audio 4000 RTP/AVP 8\na=rtpmap:8 G729/8000\n"),
            Err(Refusal::NoCommonCodec),
        ),
        (
            "a host name",
            "v=0\nc=IN IP4 media.example\nm=audio 4000 RTP/AVP 8\n".to_owned(),
            Err(Refusal::NoAddress),
        ),
        ("no media", plain.to_owned(), Err(Refusal::NoAudio)),
        ("not SDP", "hello".to_owned(), Err(Refusal::Malformed(Malformed::NotSdp))),
    ] {
        assert_eq!(read_answer(&local(), &crlf(&body)), expected, "{name}");
        assert_eq!(read_answer(&local(), body.as_bytes()), expected, "{name}, bare LF");
    }
}

#[test]
fn only_what_we_offered_may_be_answered() {
    let only_a_law = Local::new(1, address("198.51.100.7:40000"), &[Codec::Pcma]);
    let body = b"v=0\nc=IN IP4 192.0.2.1\nm=audio 9000 RTP/AVP 0\n";
    assert_eq!(read_answer(&only_a_law, body), Err(Refusal::NoCommonCodec));
}

#[test]
fn an_answer_keeps_the_offered_numbers_and_refuses_the_other_lines() {
    let offer = "\
v=0
o=caller 20518 0 IN IP4 203.0.113.1
s= 
c=IN IP4 203.0.113.1
t=0 0
m=video 5002 RTP/AVP 31 34
m=audio 5004 RTP/AVP 18 96 100
a=rtpmap:96 PCMU/8000
a=rtpmap:100 telephone-event/8000
a=fmtp:100 0-15,66
m=audio 5006 RTP/AVP 8
m=image 5008 udptl t38
";
    let (negotiated, answer) = answer_offer(&local(), &crlf(offer)).unwrap();
    assert_eq!(negotiated.codec, Codec::Pcmu);
    assert_eq!((negotiated.payload_type, negotiated.telephone_event_pt), (96, Some(100)));
    assert_eq!(negotiated.remote, address("203.0.113.1:5004"));
    let expected = "\
v=0
o=- 42 42 IN IP4 198.51.100.7
s=-
c=IN IP4 198.51.100.7
t=0 0
m=video 0 RTP/AVP 31 34
m=audio 40000 RTP/AVP 96 100
a=rtpmap:96 PCMU/8000
a=rtpmap:100 telephone-event/8000
a=fmtp:100 0-15
a=ptime:20
a=sendrecv
m=audio 0 RTP/AVP 8
m=image 0 udptl t38
";
    assert_eq!(text(answer), expected);
}

#[test]
fn hold_is_answered_with_the_mirrored_direction() {
    for (offered, answered) in [
        ("sendonly", Direction::RecvOnly),
        ("recvonly", Direction::SendOnly),
        ("inactive", Direction::Inactive),
        ("sendrecv", Direction::SendRecv),
    ] {
        let offer =
            format!("v=0\nc=IN IP4 192.0.2.1\nm=audio 9000 RTP/AVP 8\na=SENDRECV\na={offered}\n");
        let (negotiated, answer) = answer_offer(&local(), offer.as_bytes()).unwrap();
        assert_eq!(negotiated.direction, answered);
        assert!(text(answer).ends_with(&format!("a={}\n", answered.name())));
    }
    let listener = Local { direction: Direction::RecvOnly, ..local() };
    let offer = b"v=0\nc=IN IP4 192.0.2.1\nm=audio 9000 RTP/AVP 8\n";
    assert_eq!(answer_offer(&listener, offer).unwrap().0.direction, Direction::RecvOnly);
}

#[test]
fn a_second_audio_line_is_taken_when_the_first_is_of_no_use() {
    let offer = b"v=0\nc=IN IP4 192.0.2.1\nm=audio 9000 RTP/SAVP 8\nm=audio 9002 RTP/AVP 8\n";
    let (negotiated, answer) = answer_offer(&local(), offer).unwrap();
    assert_eq!(negotiated.remote.port(), 9002);
    assert!(text(answer).contains("m=audio 0 RTP/SAVP 8\nm=audio 40000 RTP/AVP 8\n"));
}

#[test]
fn bytes_that_are_not_utf8_hide_nothing() {
    let body = b"v=0\ns=\xFF\xFE\nc=IN IP4 192.0.2.1\ni=\xC3\nm=audio 9000 RTP/AVP 8\n";
    assert_eq!(read_answer(&local(), body).unwrap().remote, address("192.0.2.1:9000"));
}

#[test]
fn odd_lines_are_skipped_and_odd_details_understood() {
    let body = b"v=0\no=broken\nnonsense\n=\na=\na=rtpmap\nc=IN IP4 233.252.0.1/127\n\
                 m=audio 9000/2 RTP/AVP 8 banana 300\na=rtpmap:8\na=rtpmap:300 X/1\na=ptime:20.5\n";
    let description = Description::parse(body).unwrap();
    let connection = Some(Connection::Address("233.252.0.1".parse().unwrap()));
    assert_eq!(description.connection, connection);
    assert_eq!(description.session_id, "");
    let media = &description.media[0];
    assert_eq!((media.port, media.ptime_ms, media.maps.len()), (9000, None, 0));
}

#[test]
fn too_much_of_anything_is_refused() {
    let repeated = |line: &str, count| format!("v=0\n{}", line.repeat(count));
    let formats = format!("v=0\nm=audio 1 RTP/AVP{}\n", " 8".repeat(MAX_FORMATS + 1));
    let maps =
        format!("v=0\nm=audio 1 RTP/AVP 8\n{}", "a=rtpmap:9 X/8000\n".repeat(MAX_FORMATS + 1));
    for body in [
        repeated("a=x\n", MAX_LINES + 1),
        repeated("m=audio 1 RTP/AVP 8\n", MAX_MEDIA + 1),
        repeated("", 0) + &"x".repeat(MAX_BODY_BYTES),
        formats,
        maps,
    ] {
        assert_eq!(Description::parse(body.as_bytes()), Err(Malformed::TooLarge));
    }
    for line in ["m=\n", "m=audio\n", "m=audio 1\n", "m=audio x RTP/AVP 8\n", "m=a 70000 b c\n"] {
        let body = repeated(line, 1);
        assert_eq!(Description::parse(body.as_bytes()), Err(Malformed::MediaLine), "{line}");
    }
}

/// Offers as the devices of others write them: the device, its offer, lines of our answer, and
/// where audio is then sent.
const DEVICES: [(&str, &str, &str, &str); 12] = [
    (
        "Asterisk, with every codec and a long ptime",
        "v=0\no=- 1839207466 1839207466 IN IP4 203.0.113.5\ns=Asterisk\nc=IN IP4 203.0.113.5\n\
             t=0 0\nm=audio 15772 RTP/AVP 0 8 9 101\na=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\n\
             a=rtpmap:9 G722/8000\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\n\
             a=ptime:20\na=maxptime:150\na=sendrecv\n",
        "m=audio 40000 RTP/AVP 0 101",
        "203.0.113.5:15772",
    ),
    (
        "FreeSWITCH, with a port for RTCP",
        "v=0\no=FreeSWITCH 1700000000 1700000001 IN IP4 203.0.113.6\ns=FreeSWITCH\n\
             c=IN IP4 203.0.113.6\nt=0 0\nm=audio 29410 RTP/AVP 8 101 13\n\
             a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\na=rtpmap:13 CN/8000\n\
             a=rtcp:29411 IN IP4 203.0.113.6\na=ptime:20\n",
        "m=audio 40000 RTP/AVP 8 101",
        "203.0.113.6:29410",
    ),
    (
        "a Cisco gateway, with fax beside the voice",
        "v=0\no=CiscoSystemsSIP-GW-UserAgent 4237 3112 IN IP4 203.0.113.7\ns=SIP Call\n\
             c=IN IP4 203.0.113.7\nt=0 0\nm=audio 18096 RTP/AVP 18 8 101\n\
             c=IN IP4 203.0.113.8\na=rtpmap:18 G729/8000\na=fmtp:18 annexb=no\n\
             a=rtpmap:8 PCMA/8000\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\n\
             m=image 18098 udptl t38\na=T38FaxVersion:0\n",
        "m=audio 40000 RTP/AVP 8 101|m=image 0 udptl t38",
        "203.0.113.8:18096",
    ),
    (
        "a Huawei softswitch, without a name of the session",
        "v=0\no=HuaweiSoftX3000 18446744073709551699 18446744073709551700 IN IP4 203.0.113.9\n\
             c=IN IP4 203.0.113.9\nb=X-YZ:128\nt=0 0\nm=audio 20000 RTP/AVP 8 97\n\
             a=rtpmap:8 PCMA/8000/1\na=rtpmap:97 telephone-event/8000\na=X-nat:0\n",
        "m=audio 40000 RTP/AVP 8 97",
        "203.0.113.9:20000",
    ),
    (
        "a Sonus border controller, with a direction of the session",
        "v=0\no=Sonus_UAC 12345 1 IN IP4 203.0.113.10\ns=SIP Media Capabilities\n\
             c=IN IP4 203.0.113.10\nt=0 0\na=sendonly\nm=audio 5004 RTP/AVP 8 100\n\
             a=rtpmap:8 PCMA/8000\na=rtpmap:100 telephone-event/8000\na=maxptime:20\n",
        "m=audio 40000 RTP/AVP 8 100|a=recvonly",
        "203.0.113.10:5004",
    ),
    (
        "a proxy's media relay, with candidates of ICE",
        "v=0\no=- 1 2 IN IP4 203.0.113.11\ns=-\nt=0 0\nm=audio 30002 RTP/AVP 8 0 101\n\
             c=IN IP4 203.0.113.11\na=rtpmap:101 telephone-event/8000\na=rtcp:30003\na=rtcp-mux\n\
             a=ice-ufrag:abcd\na=candidate:1 1 UDP 2130706431 203.0.113.11 30002 typ host\n",
        "m=audio 40000 RTP/AVP 8 101|a=rtcp-mux",
        "203.0.113.11:30002",
    ),
    (
        "a phone behind NAT, with video",
        "v=0\no=user 3747 461 IN IP4 10.0.0.7\ns=Talk\nc=IN IP4 10.0.0.7\nb=AS:380\nt=0 0\n\
             a=rtcp-xr:rcvr-rtt=all\nm=audio 7078 RTP/AVP 96 97 8 101\n\
             a=rtpmap:96 opus/48000/2\na=rtpmap:97 speex/16000\n\
             a=rtpmap:101 telephone-event/8000\nm=video 9078 RTP/AVP 98\na=rtpmap:98 VP8/90000\n",
        "m=audio 40000 RTP/AVP 8 101|m=video 0 RTP/AVP 98",
        "10.0.0.7:7078",
    ),
    (
        "a gateway that says 16 kHz for G.722 and offers nothing else",
        "v=0\no=- 1 1 IN IP4 203.0.113.12\ns=-\nc=IN IP4 203.0.113.12\nt=0 0\n\
             m=audio 6000 RTP/AVP 9\na=rtpmap:9 G722/16000\n",
        "m=audio 40000 RTP/AVP 9|a=rtpmap:9 G722/8000",
        "203.0.113.12:6000",
    ),
    (
        "feedback profile of a browser's gateway",
        "v=0\no=mozilla 1 0 IN IP4 0.0.0.0\ns=-\nt=0 0\na=group:BUNDLE 0\n\
             m=audio 9000 RTP/AVPF 109 0 8\nc=IN IP4 203.0.113.13\na=mid:0\na=rtcp-mux\n\
             a=rtpmap:109 opus/48000/2\na=rtcp-fb:109 nack\na=ssrc:1 cname:x\n",
        "m=audio 40000 RTP/AVPF 0|a=rtcp-mux",
        "203.0.113.13:9000",
    ),
    (
        "IPv6, with keys that we do not use",
        "v=0\no=- 1 1 IN IP6 2001:db8::9\ns=-\nc=IN IP6 2001:db8::9\nt=0 0\n\
             m=audio 7000 RTP/AVP 8\n\
             a=crypto:1 AES_CM_128_HMAC_SHA1_80 \
             inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\n",
        "m=audio 40000 RTP/AVP 8",
        "[2001:db8::9]:7000",
    ),
    (
        "old hold, in the manner of RFC 2543",
        "v=0\no=- 1 2 IN IP4 203.0.113.14\ns=-\nc=IN IP4 0.0.0.0\nt=0 0\n\
             m=audio 8000 RTP/AVP 8\n",
        "m=audio 40000 RTP/AVP 8|a=recvonly",
        "0.0.0.0:8000",
    ),
    (
        "two voices, of which the first is encrypted",
        "v=0\no=- 1 1 IN IP4 203.0.113.15\ns=-\nc=IN IP4 203.0.113.15\nt=0 0\n\
             m=audio 7100 RTP/SAVP 8\nm=audio 7102 RTP/AVP 8\n",
        "m=audio 0 RTP/SAVP 8|m=audio 40000 RTP/AVP 8",
        "203.0.113.15:7102",
    ),
];

#[test]
fn offers_of_real_devices_get_the_answer_that_fits() {
    for (name, offer, lines, remote) in DEVICES {
        let mut ours = Local::new(42, address("198.51.100.7:40000"), &Codec::ALL);
        ours.rtcp_mux = true;
        let (negotiated, answer) = answer_offer(&ours, &crlf(offer)).unwrap();
        assert_eq!(negotiated.remote, address(remote), "{name}");
        let answer = text(answer);
        for line in lines.split('|') {
            assert!(
                answer.lines().any(|found| found == line),
                "{name}: {line} is not in\n{answer}"
            );
        }
        let muxed = offer.contains("a=rtcp-mux");
        assert_eq!(answer.contains("a=rtcp-mux"), muxed, "{name}");
        assert_eq!(answer.contains("a=rtcp:40000"), !muxed, "{name}");
        assert_eq!(negotiated.rtcp == Some(negotiated.remote), muxed, "{name}");
        assert!(!answer.contains("crypto"), "{name}");
    }
}

#[test]
fn rtcp_goes_to_the_port_that_is_named_or_to_the_one_above() {
    for (port, line, expected) in [
        (7000, "a=rtcp:7009\n", Some("203.0.113.1:7009")),
        (7000, "a=rtcp:7009 IN IP4 203.0.113.2\n", Some("203.0.113.2:7009")),
        (7000, "a=rtcp:0\n", Some("203.0.113.1:7001")),
        (7000, "a=rtcp:x\n", Some("203.0.113.1:7001")),
        (7000, "", Some("203.0.113.1:7001")),
        // We did not offer that.
        (7000, "a=rtcp-mux\n", Some("203.0.113.1:7001")),
        (65535, "", None),
    ] {
        let body = format!("v=0\nc=IN IP4 203.0.113.1\nm=audio {port} RTP/AVP 8\n{line}");
        let rtcp = read_answer(&local(), body.as_bytes()).unwrap().rtcp;
        assert_eq!(rtcp, expected.map(address), "{line}");
    }
    let offer = text(Local { rtcp_mux: true, ..local() }.print_offer());
    assert!(offer.contains("\na=rtcp:40000\na=rtcp-mux\n"), "{offer}");
}

fn secured(required: bool) -> Local {
    let keys = [MasterKey::new([1; MASTER_BYTES]), MasterKey::new([2; MASTER_BYTES])];
    Local { srtp: Some(Box::new(LocalSrtp { required, agreed: None, keys })), ..local() }
}

/// Forty characters: thirty bytes of 3.
const THEIR_KEY: &str = "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMD";

#[test]
fn keys_are_offered_and_the_answers_key_opens_what_comes_back() {
    let offer = text(secured(true).print_offer());
    assert!(offer.contains("m=audio 40000 RTP/SAVP 8 0 101\n"));
    let first = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";
    let second = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC";
    assert!(offer.contains(&format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{first}\n")));
    assert!(offer.contains(&format!("a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:{second}\n")));
    assert!(text(secured(false).print_offer()).contains("m=audio 40000 RTP/AVP 8 0 101\n"));
    let body = format!(
        "v=0\nc=IN IP4 192.0.2.1\nm=audio 9000 RTP/SAVP 8\n\
         a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:{THEIR_KEY}|2^20\n"
    );
    let srtp = read_answer(&secured(true), body.as_bytes()).unwrap().srtp.unwrap();
    assert_eq!(srtp.suite, Suite::Sha1Tag32);
    assert_eq!((srtp.ours.bytes(), srtp.theirs.bytes()), (&[2; 30], &[3; 30]));
    assert_eq!(format!("{srtp:?}").matches("***").count(), 2, "keys are not printed");
}

#[test]
fn encryption_is_refused_dropped_or_insisted_on_as_configured() {
    let answer = |protocol: &str, crypto: &str| {
        format!("v=0\nc=IN IP4 192.0.2.1\nm=audio 9000 {protocol} 8\n{crypto}").into_bytes()
    };
    let key = |more: &str| format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{THEIR_KEY}{more}\n");
    let plain = answer("RTP/AVP", "");
    assert_eq!(read_answer(&secured(true), &plain), Err(Refusal::NoKeys));
    assert_eq!(read_answer(&secured(false), &plain).unwrap().srtp, None);
    assert!(read_answer(&secured(false), &answer("RTP/AVP", &key(""))).unwrap().srtp.is_some());
    assert_eq!(read_answer(&local(), &answer("RTP/SAVP", &key(""))), Err(Refusal::NoAudio));
    for useless in [
        String::new(),
        key("|2^20|1:4"),
        key(&format!("|2^20|1:4;inline:{THEIR_KEY}|2^20|2:4")),
        key(" UNENCRYPTED_SRTP"),
        key(" KDR=3"),
        key("x"),
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AwMD\n".to_owned(),
        format!("a=crypto:1 F8_128_HMAC_SHA1_80 inline:{THEIR_KEY}\n"),
        format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 mikey:{THEIR_KEY}\n"),
        "a=crypto:1\n".to_owned(),
    ] {
        let body = answer("RTP/SAVP", &useless);
        assert_eq!(read_answer(&secured(true), &body), Err(Refusal::NoKeys), "{useless}");
    }
    for harmless in [key("|2^20"), key(" WSH=64"), key(" -FUTURE"), key("").to_lowercase()] {
        let body = answer("RTP/SAVP", &harmless);
        let lower = harmless.starts_with("a=crypto:1 aes");
        assert!(read_answer(&secured(true), &body).is_ok() || lower, "{harmless}");
    }
}

#[test]
fn an_offer_with_keys_is_answered_with_one_of_ours_under_its_number() {
    let offer = format!(
        "v=0\nc=IN IP4 192.0.2.1\nm=audio 9000 RTP/SAVP 8\n\
         a=crypto:1 AEAD_AES_256_GCM inline:{THEIR_KEY}\n\
         a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:{THEIR_KEY}\n"
    );
    let (negotiated, answer) = answer_offer(&secured(false), offer.as_bytes()).unwrap();
    let srtp = negotiated.srtp.unwrap();
    assert_eq!((srtp.ours.bytes(), srtp.theirs.bytes()), (&[1; 30], &[3; 30]));
    let answer = text(answer);
    assert!(answer.contains("m=audio 40000 RTP/SAVP 8\n"));
    let ours = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";
    assert!(answer.contains(&format!("a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:{ours}\n")));
    assert_eq!(answer.matches("a=crypto").count(), 1);
}

/// Lines that look like SDP, so that the generator reaches the depths of the parser.
fn sdp_like() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "[a-z]=[ -~]{0,30}",
        "m=(audio|image) [0-9]{1,6}(/2)? (RTP/AVP|udptl)( [0-9]{1,3}){0,5}",
        "a=(rtpmap|fmtp|ptime):[0-9]{1,4}[ /][a-zA-Z/0-9-]{0,20}",
        "c=IN IP[46] [0-9a-f.:/\\[\\]]{0,20}",
        "a=(sendrecv|sendonly|recvonly|inactive)",
        "\\PC{0,20}",
    ];
    prop::collection::vec(line, 0..30).prop_map(|lines| format!("v=0\r\n{}", lines.join("\r\n")))
}

proptest! {
    #[test]
    fn noise_never_panics(bytes: Vec<u8>) {
        let _ = Description::parse(&bytes);
        let _ = answer_offer(&local(), &bytes);
    }

    #[test]
    fn what_looks_like_sdp_never_panics_and_answers_are_readable(body in sdp_like()) {
        let _ = read_answer(&local(), body.as_bytes());
        if let Ok((negotiated, answer)) = answer_offer(&local(), body.as_bytes()) {
            let offer = Description::parse(body.as_bytes()).unwrap();
            let answer = Description::parse(&answer).unwrap();
            prop_assert_eq!(answer.media.len(), offer.media.len());
            let accepted = answer.media.iter().filter(|media| media.port != 0).count();
            prop_assert_eq!(accepted, 1);
            prop_assert!(negotiated.remote.port() != 0);
        }
    }

    #[test]
    fn two_of_us_always_agree(
        a_law: bool, events: bool, port in 1_u16.., sends: bool, receives: bool, v6: bool,
    ) {
        let ip = if v6 { "2001:db8::5" } else { "192.0.2.5" };
        let remote = SocketAddr::new(ip.parse().unwrap(), port);
        let codecs: &[Codec] =
            if a_law { &[Codec::Pcma, Codec::Pcmu] } else { &[Codec::Pcmu, Codec::Pcma] };
        let mut caller = Local::new(u64::MAX, remote, codecs);
        caller.direction = Direction::of(sends, receives);
        caller.telephone_event = events.then_some(101);
        let (ours, answer) = answer_offer(&local(), &caller.print_offer()).unwrap();
        prop_assert_eq!(ours.codec, codecs[0]);
        prop_assert_eq!(ours.remote, remote);
        prop_assert_eq!(ours.telephone_event_pt, events.then_some(101));
        let theirs = read_answer(&caller, &answer).unwrap();
        prop_assert_eq!(theirs.codec, ours.codec);
        prop_assert_eq!(theirs.direction, ours.direction.mirrored());
        prop_assert_eq!(theirs.remote, address("198.51.100.7:40000"));
    }
}
