//! Goal: we agree with every trunk that can be agreed with, say exactly what we mean, and no body
//! of a stranger panics or grows.

use std::net::SocketAddr;

use media::Codec;
use media::sdp::{
    Connection, Description, Direction, Local, MAX_BODY_BYTES, MAX_FORMATS, MAX_LINES, MAX_MEDIA,
    Malformed, Negotiated, Refusal, answer_offer, read_answer,
};
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
        let remote = address(remote);
        Ok(Negotiated { codec, payload_type, telephone_event_pt: events, remote, direction })
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
