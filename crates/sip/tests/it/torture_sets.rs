//! The message sets of RFC 4475 and RFC 5118, complete: one row for each message, with its section
//! and the name it has there, and what a peer sees of it. The messages are written anew.

#![expect(clippy::too_many_lines, reason = "a table has a row for each message of its RFC")]

use sip::message::{Message, parse};
use sip::{Event, Limits, Live, Malformed, Name};

use crate::bench::Bench;

/// What becomes of a message.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Fate {
    /// A call that the owner decides about.
    Call,
    /// A request that the owner answers.
    Request,
    /// A response that is read.
    Response(u16),
    /// A request that is answered with this code at once.
    Answered(u16),
    /// Not SIP that we take: counted, and nothing sent.
    Refused(Malformed),
}

use Fate::{Answered, Call, Refused, Request, Response};

/// A message: a first line, fields in place of the usual ones (`-Name` for none), and a body.
fn message(first: &str, fields: &[&str], body: &str) -> Vec<u8> {
    let method = first.split(' ').next().unwrap_or_default();
    let method = if method.starts_with("SIP/") { "OPTIONS" } else { method };
    let name = |field: &str| field.split(':').next().unwrap_or_default().trim().to_lowercase();
    let cseq = format!("CSeq: 60 {method}");
    let length = format!("Content-Length: {}", body.len());
    let usual = [
        "To: <sip:j.user@example.com>",
        "From: <sip:caller@example.net>;tag=323",
        "Max-Forwards: 70",
        "Call-ID: torture@example.com",
        &cseq,
        "Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKkdjuw",
        &length,
    ];
    let replaced = |line: &&&str| {
        !fields.iter().any(|field| name(field.trim_start_matches('-')) == name(line))
    };
    let added = fields.iter().filter(|field| !field.starts_with('-'));
    let lines: Vec<&str> = usual.iter().filter(replaced).chain(added).copied().collect();
    format!("{first}\r\n{}\r\n\r\n{body}", lines.join("\r\n")).into_bytes()
}

/// Lets an endpoint hear a message and says what becomes of it.
fn fate(bytes: &[u8]) -> Fate {
    let read = match parse(bytes, &Limits::default()) {
        Ok(read) => read,
        Err(reason) => {
            let mut bench = Bench::new();
            bench
                .act(|e, now, out| e.receive(now, crate::pair::addr("192.0.2.2:5060"), bytes, out));
            assert!(bench.sent.is_empty() && bench.events.is_empty());
            assert_eq!(bench.endpoint.live(), Live::default());
            return Refused(reason);
        }
    };
    let mut bench = Bench::new();
    bench.act(|e, now, out| e.receive(now, crate::pair::addr("192.0.2.2:5060"), bytes, out));
    match (read, bench.events.first()) {
        (Message::Response(response), None) => {
            assert_eq!(bench.endpoint.counters().stray_responses, 1);
            Response(response.code)
        }
        (_, Some(Event::Incoming { .. })) => Call,
        (_, Some(Event::Request { .. })) => Request,
        _ => Answered(bench.codes()[0]),
    }
}

struct Row(&'static str, &'static str, Vec<u8>, Fate);

#[track_caller]
fn check(rows: &[Row], sections: usize) {
    for Row(section, name, bytes, expected) in rows {
        assert_eq!(fate(bytes), *expected, "{section} {name}");
    }
    let mut names: Vec<&str> = rows.iter().map(|Row(section, ..)| *section).collect();
    names.dedup();
    assert_eq!(names.len(), sections, "one row or more for each section");
}

const SDP: &str = "v=0\r\no=mhandley 29739 7272939 IN IP4 192.0.2.3\r\ns=-\r\n\
                   c=IN IP4 192.0.2.4\r\nt=0 0\r\nm=audio 49217 RTP/AVP 0 12\r\n";
const SDP_KIND: &str = "Content-Type: application/sdp";

/// RFC 4475 §3.1.1: strange and valid. (The To of wsinv has a tag, of no call that we know.)
#[test]
fn rfc_4475_valid() {
    let unusual = "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d\
                   _too.(doesn't-it)@example.com";
    let odd_method = "!interesting-Method0123456789_*+`.%indeed'~";
    let long = |text: &str, count: usize| text.repeat(count);
    let mut long_fields: Vec<String> = (1..34)
        .map(|hop| format!("Via: SIP/2.0/TCP sip{hop}.example.com;branch=z9hG4bK{hop}"))
        .collect();
    long_fields.insert(0, format!("v: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK{}", long("long", 50)));
    long_fields.push("-Via:".into());
    long_fields.push(format!("To: \"I have a user name of {}\" <sip:u@h>", long("extreme", 20)));
    long_fields.push(format!(
        "F: sip:{}name@example.net;tag=12{}",
        long("long", 40),
        long("982", 50)
    ));
    long_fields.push("-From:".into());
    long_fields.push(format!("Call-ID: longreq.one{}longcallid", long("really", 20)));
    long_fields.push(format!(
        "Unknown-{}-Name: unknown-{}-value",
        long("Long", 20),
        long("long", 20)
    ));
    long_fields.push(format!("Contact: <sip:{}@host5.example.net>", long("amazingly", 20)));
    let long_fields: Vec<&str> = long_fields.iter().map(String::as_str).collect();
    let vias = "Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw,\r\n \
                SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf, SIP/2.0/TLS t3.example.com;\
                branch=z9hG4bK2980unddj, SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en, \
                SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee";
    let register = "REGISTER sip:example.com SIP/2.0";
    let twice = [message(register, &[], ""), message("INVITE sip:j@example.com SIP/2.0", &[], SDP)]
        .concat();
    let parts = "--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b\r\n\
                 Content-Type: application/octet-stream\r\n\r\n\u{1}\u{2}\r\n--b--\r\n";
    let escaped = "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0";
    let fancy = "SIP/2.0 200 = 2**3 * 5**2 \u{43d}\u{43e} \u{441}\u{442}\u{43e} \u{434}\u{435}";
    let rows = [
        Row("3.1.1.1", "wsinv", crate::torture::wsinv().into_bytes(), Answered(481)),
        Row(
            "3.1.1.2",
            "intmeth",
            message(
                &format!("{odd_method} {unusual} SIP/2.0"),
                &[
                    "To: \"BEL:\u{7}NUL:\u{0}DEL:\u{7f}\" <sip:1_unusual@example.com>",
                    "From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;\
                     fromParam''~+*_!.-%=\
             \"\u{440}\u{430}\u{431}\";tag=_token~1'+`*%!-.",
                ],
                "",
            ),
            Answered(501),
        ),
        Row(
            "3.1.1.3",
            "esc01",
            message(
                escaped,
                &[
                    "To: sip:%75se%72@example.com",
                    "From: <sip:I%20have%20spaces@example.net>;tag=938",
                    "Contact: <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>",
                    SDP_KIND,
                ],
                SDP,
            ),
            Call,
        ),
        Row(
            "3.1.1.4",
            "escnull",
            message(
                register,
                &[
                    "To: sip:null-%00-null@example.com",
                    "From: sip:null-%00-null@example.com;tag=839923423",
                    "Contact: <sip:%00@host5.example.com>\r\n\
                     Contact: <sip:%00%00@host5.example.com>",
                ],
                "",
            ),
            Request,
        ),
        Row(
            "3.1.1.5",
            "esc02",
            message(
                "RE%47IST%45R sip:registrar.example.com SIP/2.0",
                &[
                    "To: \"%Z%45\" <sip:resource@example.com>",
                    "From: \"%Z%45\" <sip:resource@example.com>;tag=f232jadfj23",
                ],
                "",
            ),
            Answered(501),
        ),
        Row(
            "3.1.1.6",
            "lwsdisp",
            message(
                "OPTIONS sip:user@example.com SIP/2.0",
                &["From: caller<sip:caller@example.com>;tag=323"],
                "",
            ),
            Request,
        ),
        Row(
            "3.1.1.7",
            "longreq",
            message("INVITE sip:user@example.com SIP/2.0", &long_fields, ""),
            Call,
        ),
        Row("3.1.1.8", "dblreq", twice, Request),
        Row(
            "3.1.1.9",
            "semiuri",
            message("OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0", &[], ""),
            Request,
        ),
        Row(
            "3.1.1.10",
            "transports",
            message("OPTIONS sip:user@example.com SIP/2.0", &[vias], ""),
            Request,
        ),
        Row(
            "3.1.1.11",
            "mpart01",
            message(
                "MESSAGE sip:kumiko@example.org SIP/2.0",
                &["Content-Type: multipart/signed;boundary=b"],
                parts,
            ),
            Answered(405),
        ),
        Row("3.1.1.12", "unreason", message(fancy, &[], ""), Response(200)),
        Row("3.1.1.13", "noreason", message("SIP/2.0 100 ", &[], ""), Response(100)),
    ];
    check(&rows, 13);
    let Ok(Message::Request(semi)) = parse(&rows[8].2, &Limits::default()) else { panic!() };
    assert_eq!(semi.uri.user(), b"user;par=u%40example.net");
}

/// RFC 4475 §3.1.2: against the grammar. Where the RFC leaves the choice, a field that is none of
/// our concern (baddate) harms nobody.
#[test]
fn rfc_4475_invalid() {
    use Malformed as M;
    let options = "OPTIONS sip:user@example.com SIP/2.0";
    let invite = "INVITE sip:user@example.com SIP/2.0";
    let large = "36893488147419103232";
    let rows = [
        Row(
            "3.1.2.1",
            "badinv01",
            message(
                invite,
                &[
                    "Via: SIP/2.0/UDP 192.0.2.15;;,;,,",
                    "Contact: \"Joe\" <sip:joe@example.org>;;;;",
                ],
                "",
            ),
            Refused(M::Value(Name::Via)),
        ),
        Row(
            "3.1.2.2",
            "clerr",
            message(invite, &["Content-Length: 9999", SDP_KIND], SDP),
            Refused(M::ContentLength),
        ),
        Row(
            "3.1.2.3",
            "ncl",
            message(invite, &["Content-Length: -999", SDP_KIND], SDP),
            Refused(M::ContentLength),
        ),
        Row(
            "3.1.2.4",
            "scalar02",
            message(
                "REGISTER sip:example.com SIP/2.0",
                &[
                    &format!("CSeq: {large} REGISTER"),
                    "Max-Forwards: 300",
                    "Expires: 10000000000000000000",
                    "Contact: <sip:user@host129>;expires=280297596632815",
                ],
                "",
            ),
            Refused(M::Value(Name::CSeq)),
        ),
        Row(
            "3.1.2.5",
            "scalarlg",
            message(
                "SIP/2.0 503 Service Unavailable",
                &[
                    "CSeq: 9292394834772304023312 OPTIONS",
                    "Retry-After: 949302838503028349304023988",
                    "Warning: 1812 overture \"In Progress\"",
                ],
                "",
            ),
            Refused(M::Value(Name::CSeq)),
        ),
        Row(
            "3.1.2.6",
            "quotbal",
            message(invite, &["To: \"Mr. J. User <sip:j.user@example.com>"], ""),
            Refused(M::Value(Name::To)),
        ),
        Row(
            "3.1.2.7",
            "ltgtruri",
            message("INVITE <sip:user@example.com> SIP/2.0", &[], ""),
            Refused(M::Uri),
        ),
        Row(
            "3.1.2.8",
            "lwsruri",
            message("INVITE sip:user@example.com; lr SIP/2.0", &[], ""),
            Refused(M::StartLine),
        ),
        Row(
            "3.1.2.9",
            "lwsstart",
            message("INVITE  sip:user@example.com  SIP/2.0", &[], ""),
            Refused(M::StartLine),
        ),
        Row(
            "3.1.2.10",
            "trws",
            message("OPTIONS sip:remote@example.com SIP/2.0  ", &[], ""),
            Refused(M::StartLine),
        ),
        Row(
            "3.1.2.11",
            "escruri",
            message("INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0", &[], ""),
            Refused(M::Uri),
        ),
        Row(
            "3.1.2.12",
            "baddate",
            message(invite, &["Date: Fri, 01 Jan 2010 16:00:00 EST", SDP_KIND], SDP),
            Call,
        ),
        Row(
            "3.1.2.13",
            "regbadct",
            message(
                "REGISTER sip:example.com SIP/2.0",
                &["Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E"],
                "",
            ),
            Refused(M::Value(Name::Contact)),
        ),
        Row(
            "3.1.2.14",
            "badaspec",
            message(options, &["To: \"Watson, Thomas\" < sip:t.watson@example.org >"], ""),
            Refused(M::Value(Name::To)),
        ),
        Row(
            "3.1.2.15",
            "baddn",
            message(options, &["From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43"], ""),
            Refused(M::Value(Name::From)),
        ),
        Row(
            "3.1.2.16",
            "badvers",
            message(
                "OPTIONS sip:t.watson@example.org SIP/7.0",
                &["Via: SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw"],
                "",
            ),
            Refused(M::Version),
        ),
        Row(
            "3.1.2.17",
            "mismatch01",
            message(options, &["CSeq: 8 INVITE"], ""),
            Refused(M::MethodMismatch),
        ),
        Row(
            "3.1.2.18",
            "mismatch02",
            message("NEWMETHOD sip:user@example.com SIP/2.0", &["CSeq: 8 INVITE", SDP_KIND], SDP),
            Refused(M::MethodMismatch),
        ),
        Row(
            "3.1.2.19",
            "bigcode",
            message("SIP/2.0 4294967301 better not break the receiver", &[], ""),
            Refused(M::StartLine),
        ),
    ];
    check(&rows, 19);
}

/// RFC 4475 §3.2 to §3.4: valid for the parser; what transactions and applications make of it.
#[test]
fn rfc_4475_semantics() {
    use Malformed as M;
    let options = "OPTIONS sip:user@example.com SIP/2.0";
    let invite = "INVITE sip:user@example.com SIP/2.0";
    let register = "REGISTER sip:example.com SIP/2.0";
    let rows = [
        Row(
            "3.2.1",
            "badbranch",
            message(options, &["Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"], ""),
            Request,
        ),
        Row(
            "3.3.1",
            "insuf",
            message(invite, &["-Call-ID:", "-From:", "-To:"], ""),
            Refused(M::Missing(Name::From)),
        ),
        Row(
            "3.3.2",
            "unkscm",
            message("OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0", &[], ""),
            Answered(416),
        ),
        Row(
            "3.3.3",
            "novelsc",
            message("OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0", &[], ""),
            Answered(416),
        ),
        Row(
            "3.3.4",
            "unksm2",
            message(
                register,
                &[
                    "To: isbn:2983792873",
                    "From: <http://www.example.com>;tag=3234233",
                    "Contact: <name:John_Smith>",
                ],
                "",
            ),
            Request,
        ),
        Row(
            "3.3.5",
            "bext01",
            message(
                options,
                &[
                    "Require: nothingSupportsThis, nothingSupportsThisEither",
                    "Proxy-Require: noProxiesSupportThis",
                ],
                "",
            ),
            Answered(420),
        ),
        Row(
            "3.3.6",
            "invut",
            message(invite, &["Content-Type: application/unknownformat"], "<audio>"),
            Answered(415),
        ),
        Row(
            "3.3.7",
            "regaut01",
            message(register, &["Authorization: NoOneKnowsThisScheme opaque-data=here"], ""),
            Request,
        ),
        Row(
            "3.3.8",
            "multi01",
            message(
                invite,
                &[
                    "CSeq: 5 INVITE\r\nCSeq: 59 INVITE",
                    "Call-ID: one\r\nCall-ID: two",
                    "To: <sip:a@b>\r\nTo: <sip:c@d>",
                    "From: <sip:a@b>;tag=1\r\nFrom: <sip:c@d>;tag=2",
                ],
                "",
            ),
            Refused(M::Duplicate(Name::CSeq)),
        ),
        Row(
            "3.3.9",
            "mcl01",
            message(options, &["Content-Length: 13\r\nContent-Length: 5"], "There's no way"),
            Refused(M::Duplicate(Name::ContentLength)),
        ),
        Row(
            "3.3.10",
            "bcast",
            message(
                "SIP/2.0 200 OK",
                &["Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\r\n\
             Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23"],
                "",
            ),
            Response(200),
        ),
        Row("3.3.11", "zeromf", message(options, &["Max-Forwards: 0"], ""), Request),
        Row(
            "3.3.12",
            "cparam01",
            message(register, &["Contact: sip:+19725552222@gw1.example.net;unknownparam"], ""),
            Request,
        ),
        Row(
            "3.3.13",
            "cparam02",
            message(register, &["Contact: <sip:+19725552222@gw1.example.net;unknownparam>"], ""),
            Request,
        ),
        Row(
            "3.3.14",
            "regescrt",
            message(
                register,
                &["Contact: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>"],
                "",
            ),
            Request,
        ),
        Row(
            "3.3.15",
            "sdp01",
            message(invite, &["Accept: text/nobodyKnowsThis", SDP_KIND], SDP),
            Call,
        ),
        Row(
            "3.4.1",
            "inv2543",
            message(
                "INVITE sip:UserB@example.com SIP/2.0",
                &[
                    "-Max-Forwards:",
                    "-Content-Length:",
                    "Via: SIP/2.0/UDP iftgw.example.com",
                    "From: <sip:+13035551111@ift.client.example.net;user=phone>",
                    "Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>",
                    SDP_KIND,
                ],
                SDP,
            ),
            Call,
        ),
    ];
    check(&rows, 17);
}

/// RFC 5118 §4: IPv6.
#[test]
fn rfc_5118() {
    let fields = [
        "Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111",
        "Contact: \"Caller\" <sip:caller@[2001:db8::1]>",
    ];
    let register = |uri: &str| message(&format!("REGISTER {uri} SIP/2.0"), &fields, "");
    let to = "To: sip:user@example.com;tag=bd76ya";
    let bye = |via: &str| {
        message("BYE sip:user@[2001:db8::10] SIP/2.0", &[&format!("Via: {via}"), to], "")
    };
    let offer = |body: &str, via: &str| {
        let via = format!("Via: {via}");
        message("INVITE sip:user@[2001:db8::10] SIP/2.0", &[&via, SDP_KIND], body)
    };
    let six = SDP.replace("IP4 192.0.2.3", "IP6 2001:db8::20").replace("IP4 192.0.2.4", "IP6 ::1");
    let both = format!("{six}m=video 51372 RTP/AVP 31\r\nc=IN IP4 192.0.2.50\r\n");
    let mapped = SDP.replace("IP4 192.0.2.4", "IP6 ::ffff:192.0.2.10");
    let plain = "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3";
    let rows = [
        Row("4.1", "ipv6-good", register("sip:[2001:db8::10]"), Request),
        Row("4.2", "ipv6-bad", register("sip:2001:db8::10"), Refused(Malformed::Uri)),
        Row("4.3", "port-ambiguous", register("sip:[2001:db8::10:5070]"), Request),
        Row("4.4", "port-unambiguous", register("sip:[2001:db8::10]:5070"), Request),
        Row(
            "4.5",
            "via-received-param-with-delim",
            bye("SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111"),
            Answered(481),
        ),
        Row(
            "4.5",
            "via-received-param-no-delim",
            bye("SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3-111"),
            Answered(481),
        ),
        Row("4.6", "ipv6-in-sdp", offer(&six, plain), Call),
        Row(
            "4.7",
            "mult-ip-in-header",
            bye("SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111\r\n\
             Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144\r\n\
             Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200"),
            Answered(481),
        ),
        Row("4.8", "mult-ip-in-sdp", offer(&both, plain), Call),
        Row(
            "4.9",
            "ipv4-mapped-ipv6",
            offer(&mapped, "SIP/2.0/UDP [::ffff:192.0.2.10]:5062;branch=z9hG4bKas3-111"),
            Call,
        ),
        Row(
            "4.10",
            "ipv6-bug-abnf-3-colons",
            message("OPTIONS sip:user@[2001:db8:::192.0.2.1] SIP/2.0", &[], ""),
            Refused(Malformed::Uri),
        ),
    ];
    check(&rows, 10);
    let ports = [2, 3].map(|row: usize| {
        let Ok(Message::Request(request)) = parse(&rows[row].2, &Limits::default()) else {
            panic!("valid")
        };
        request.uri.socket_addr().unwrap().to_string()
    });
    assert_eq!(ports, ["[2001:db8::10:5070]:5060", "[2001:db8::10]:5070"]);
}
