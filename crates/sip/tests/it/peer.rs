//! One endpoint against a hand-written peer that does what no endpoint of ours would.

use std::time::Duration;

use sip::message::Message;
use sip::{
    Endpoint, Event, Failure, Full, Headers, Invite, Limits, Live, Name, OutOfDialog, Outputs,
    Party, Reply,
};

use crate::bench::Bench;
use crate::pair::{CALLEE, CALLER, addr, config, epoch, invite, ms};

fn incoming(branch: &str, extra: &str) -> String {
    format!(
        "INVITE sip:100@{CALLER} SIP/2.0\nVia: SIP/2.0/UDP {CALLEE};rport;branch=z9hG4bK{branch}\n\
         From: <sip:peer@{CALLEE}>;tag=their\nTo: <sip:100@{CALLER}>\nCall-ID: in-{branch}\n\
         CSeq: 7 INVITE\nContact: <sip:peer@{CALLEE}>\n{extra}Content-Length: 0\n\n"
    )
}

/// The To tag of the last response sent.
fn our_tag(bench: &Bench) -> String {
    let found = bench.sent.iter().rev().find_map(|(_, message)| match message {
        Message::Response(r) if r.code > 100 => r.headers.get(Name::To),
        _ => None,
    });
    let to = String::from_utf8_lossy(found.unwrap()).into_owned();
    to.split(";tag=").nth(1).unwrap().to_string()
}

/// Goal: a 200 without Contact still gives a call we can end.
#[test]
fn answer_without_contact() {
    let (mut bench, leg) = Bench::answered("");
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    let (to, bye) = bench.request();
    assert_eq!(bye.uri, invite().request_uri);
    assert_eq!(to, addr(CALLEE));
    bench.respond("BYE", 200, "", "");
    assert!(matches!(bench.events.last(), Some(Event::Ended { by: Party::Us, .. })));
    bench.rest();
}

/// Goal: the route set is reversed, the first hop gets the datagram, loose routing keeps the
/// target in the Request-URI.
#[test]
fn record_route_loose() {
    let (bench, _) = Bench::answered(
        "Record-Route: <sip:10.0.0.1;lr>, <sip:10.0.0.2:5070;lr>\n\
         Record-Route: <sip:p3.example;lr>\n\
         Contact: <sip:gw@10.9.9.9:5099>\n",
    );
    let (to, ack) = bench.request();
    assert_eq!(ack.uri.to_string(), "sip:gw@10.9.9.9:5099");
    let routes: Vec<_> = ack.headers.all(Name::Route).map(String::from_utf8_lossy).collect();
    assert_eq!(routes, ["<sip:p3.example;lr>", "<sip:10.0.0.2:5070;lr>", "<sip:10.0.0.1;lr>"]);
    // The first hop is a name, which nobody here resolves: it goes where the INVITE went.
    assert_eq!(to, addr(CALLEE));
    let (bench, _) = Bench::answered(
        "Record-Route: <sip:10.0.0.1;lr>, <sip:10.0.0.2:5070;lr>\nContact: <sip:gw@10.9.9.9>\n",
    );
    assert_eq!(bench.request().0, addr("10.0.0.2:5070"));
}

/// Goal: a strict first hop becomes the Request-URI and the target goes last.
#[test]
fn record_route_strict() {
    let (bench, _) = Bench::answered(
        "Record-Route: <sip:10.0.0.1;lr>, <sip:10.0.0.2>\nContact: <sip:gw@10.9.9.9>\n",
    );
    let (to, ack) = bench.request();
    assert_eq!((to, ack.uri.to_string().as_str()), (addr("10.0.0.2:5060"), "sip:10.0.0.2"));
    let routes: Vec<_> = ack.headers.all(Name::Route).map(String::from_utf8_lossy).collect();
    assert_eq!(routes, ["<sip:10.0.0.1;lr>", "<sip:gw@10.9.9.9>"]);
}

/// Goal: without routes the ACK goes to the Contact; a symmetric call stays where it began.
#[test]
fn contact_or_symmetric() {
    let (bench, _) = Bench::answered("Contact: \"x\" <sip:gw@10.9.9.9:5099>;expires=5\n");
    assert_eq!(bench.request().0, addr("10.9.9.9:5099"));
    let mut bench = Bench::new();
    bench.call(Invite { symmetric: true, ..invite() });
    bench.respond("INVITE", 200, "far", "Contact: <sip:gw@10.9.9.9:5099>\n");
    let (to, ack) = bench.request();
    assert_eq!((to, ack.uri.to_string().as_str()), (addr(CALLEE), "sip:gw@10.9.9.9:5099"));
}

/// Goal: every fork is acknowledged; the second is hung up; repeats are acknowledged again.
#[test]
fn forked_answers() {
    let (mut bench, leg) = Bench::answered("Contact: <sip:a@10.0.0.1>\n");
    bench.respond("INVITE", 200, "other", "Contact: <sip:b@10.0.0.2>\n");
    bench.respond("INVITE", 200, "far", "Contact: <sip:a@10.0.0.1>\n");
    bench.respond("INVITE", 200, "other", "Contact: <sip:b@10.0.0.2>\n");
    assert_eq!(bench.methods(), ["INVITE", "ACK", "ACK", "BYE", "ACK", "ACK"]);
    assert_eq!(bench.endpoint.counters().forks, 1);
    assert_eq!(bench.events.len(), 1);
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    bench.rest();
}

/// Goal: a hundred forks cost no more than a few.
#[test]
fn forks_are_bounded() {
    let (mut bench, _) = Bench::answered("");
    for fork in 0..100 {
        bench.respond("INVITE", 200, &format!("f{fork}"), "");
    }
    assert!(bench.endpoint.live().client_transactions < 12);
}

/// Goal: a response from a stranger, with a wrong branch or two Vias changes nothing.
#[test]
fn responses_are_checked() {
    let mut bench = Bench::new();
    bench.call(invite());
    let text = bench.response("INVITE", 200, "far", "");
    bench.hear_from("198.51.100.7:5060", &text);
    bench.hear(&text.replace("branch=z9hG4bK", "branch=z9hG4bKx"));
    bench.hear(&text.replace("From:", "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKy\nFrom:"));
    bench.hear(&text.replace("CSeq: 1", "CSeq: 2"));
    assert!(bench.events.is_empty());
    assert_eq!(bench.endpoint.counters().wrong_source, 1);
    assert_eq!(bench.endpoint.counters().stray_responses, 3);
    // Another port of the same host is a common way of load sharing.
    bench.hear_from("192.0.2.2:6060", &text);
    assert!(matches!(bench.events[..], [Event::Answered { .. }]));
}

/// Goal: a BYE that comes before our ACK arrived, and one that overtakes its 200.
#[test]
fn early_byes() {
    let (mut bench, _) = Bench::answered("");
    bench.in_dialog("BYE", 1, "b1", "far", "Reason: Q.850;cause=31\n");
    assert_eq!(bench.codes(), [200]);
    assert!(matches!(
        bench.events.last(),
        Some(Event::Ended { by: Party::Peer, q850: Some(31), .. })
    ));
    bench.rest();

    let mut bench = Bench::new();
    bench.call(invite());
    bench.respond("INVITE", 180, "far", "");
    bench.in_dialog("BYE", 1, "b1", "far", "");
    assert_eq!(bench.codes(), [200]);
    bench.respond("INVITE", 200, "far", "");
    assert!(matches!(
        bench.events[1..],
        [Event::Answered { .. }, Event::Ended { by: Party::Peer, .. }]
    ));
    assert_eq!(bench.methods(), ["INVITE", "ACK"]);
    bench.rest();
}

/// Goal: before the answer each fork counts its requests by itself: the BYE of one is heeded
/// whatever another one has sent.
#[test]
fn forks_count_their_requests_apart() {
    let mut bench = Bench::new();
    bench.call(invite());
    bench.respond("INVITE", 180, "near", "");
    bench.respond("INVITE", 180, "far", "");
    bench.in_dialog("INFO", 100, "b1", "near", "");
    bench.in_dialog("BYE", 1, "b2", "far", "");
    assert_eq!(bench.codes().last(), Some(&200));
    bench.respond("INVITE", 200, "far", "");
    assert!(
        bench.events.iter().any(|event| matches!(event, Event::Ended { by: Party::Peer, .. })),
        "{:?}",
        bench.events
    );
}

/// Goal: gaps in CSeq are fine, going back is not; a repeat gets the same response.
#[test]
fn cseq_rules() {
    let (mut bench, _) = Bench::answered("");
    bench.in_dialog("INFO", 50, "i1", "far", "");
    bench.in_dialog("INFO", 4000, "i2", "far", "");
    bench.in_dialog("INFO", 49, "i3", "far", "");
    assert_eq!(bench.codes(), [500]);
    let ids: Vec<_> = bench
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Request { id, leg: Some(_), .. } => Some(*id),
            _ => None,
        })
        .collect();
    assert_eq!(ids.len(), 2);
    let reply = Reply { code: 200, ..Reply::default() };
    bench.act(|e, now, out| e.reply(now, ids[1], &reply, out));
    bench.act(|e, now, out| e.reply(now, ids[1], &reply, out));
    assert_eq!(bench.codes(), [500, 200]);
    bench.in_dialog("INFO", 4000, "i2", "far", "");
    bench.in_dialog("INFO", 50, "i1", "far", "");
    assert_eq!(bench.codes(), [500, 200, 200]);
    let first = bench.sent.len();
    assert_eq!(bench.sent[first - 1], bench.sent[first - 2]);
}

/// Goal: hold by re-INVITE and by UPDATE; a second offer waits; a stranger's tag is unknown.
#[test]
fn reoffers() {
    let (mut bench, leg) = Bench::answered("");
    let hold = "Content-Type: application/sdp\nContact: <sip:moved@10.0.0.5>\n\
                Content-Length: 8\n\na=inacti";
    bench.in_dialog("INVITE", 2, "r1", "far", hold);
    assert!(matches!(bench.events.last(), Some(Event::Reoffer { sdp: Some(_), .. })));
    bench.in_dialog("INVITE", 3, "r2", "far", hold);
    bench.in_dialog("INVITE", 4, "r3", "stranger", hold);
    assert_eq!(bench.codes(), [500, 481]);
    bench.act(|e, now, out| e.answer_reoffer(now, leg, b"a=recvonly", out));
    bench.in_dialog("ACK", 2, "a1", "far", "");
    bench.wait(Duration::from_secs(3));
    assert_eq!(bench.codes(), [500, 481, 200]);
    bench.in_dialog("UPDATE", 5, "u1", "far", hold);
    bench.act(|e, now, out| e.refuse_reoffer(now, leg, 488, out));
    bench.in_dialog("UPDATE", 6, "u2", "far", "");
    assert_eq!(bench.codes(), [500, 481, 200, 488, 200]);
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    let (to, bye) = bench.request();
    assert_eq!((to, bye.uri.to_string().as_str()), (addr("10.0.0.5:5060"), "sip:moved@10.0.0.5"));
    bench.respond("BYE", 481, "", "");
    bench.rest();
}

/// Goal: a call that ends while an offer waits answers that offer, too.
#[test]
fn bye_during_a_reoffer() {
    let (mut bench, _) = Bench::answered("");
    bench.in_dialog("INVITE", 2, "r1", "far", "");
    assert!(matches!(bench.events.last(), Some(Event::Reoffer { sdp: None, .. })));
    bench.in_dialog("BYE", 3, "r2", "far", "");
    assert_eq!(bench.codes(), [200, 487]);
    bench.rest();
}

/// Goal: BYE challenged in the call is answered with the credentials; a lost one still ends.
#[test]
fn bye_is_challenged() {
    let mut bench = Bench::new();
    let credentials = Some(sip::Credentials { username: "u".into(), password: "p".into() });
    let leg = bench.call(Invite { credentials, ..invite() });
    let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\n";
    bench.respond("INVITE", 401, "x", challenge);
    bench.respond("INVITE", 200, "far", "");
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    let value = |bench: &Bench| {
        let value = bench.request().1.headers.get(Name::Authorization).unwrap();
        String::from_utf8_lossy(value).into_owned()
    };
    assert!(value(&bench).contains("nc=00000002"), "the nonce is used again");
    bench.respond("BYE", 401, "", &challenge.replace("\"n\"", "\"m\""));
    assert!(value(&bench).contains("nonce=\"m\"") && value(&bench).contains("nc=00000001"));
    bench.wait(Duration::from_secs(33));
    assert!(matches!(bench.events.last(), Some(Event::Ended { by: Party::Us, .. })));
    bench.rest();
}

/// Goal: requests for nothing we know: 481, 405, 501, 420, 416, each without keeping anything.
#[test]
fn stateless_refusals() {
    let cases = [
        ("BYE", "sip:100@192.0.2.1", ";tag=none", "", 481),
        ("CANCEL", "sip:100@192.0.2.1", "", "", 481),
        ("INFO", "sip:100@192.0.2.1", "", "", 481),
        ("SUBSCRIBE", "sip:100@192.0.2.1", "", "", 405),
        ("FROBNICATE", "sip:100@192.0.2.1", "", "", 501),
        ("INVITE", "sip:100@192.0.2.1", "", "Require: 100rel, x\n", 420),
        ("INVITE", "unknown:100", "", "", 416),
    ];
    for (method, uri, tag, extra, code) in cases {
        let mut bench = Bench::new();
        let text = format!(
            "{method} {uri} SIP/2.0\nv: SIP/2.0/UDP {CALLEE};branch=z9hG4bKq\nf: <sip:a@b>;tag=1\n\
             t: <sip:100@192.0.2.1>{tag}\ni: q\nCSeq: 1 {method}\n{extra}l: 0\n\n"
        );
        bench.hear(&text);
        bench.hear(&text);
        assert_eq!(bench.codes(), [code, code], "{method}");
        assert_eq!(bench.sent[0], bench.sent[1]);
        assert_eq!(bench.endpoint.live(), Live::default());
        assert!(bench.events.is_empty());
    }
}

/// Goal: responses go where the Via says (RFC 3581), with `received` filled in.
#[test]
fn via_decides_the_way_back() {
    let cases = [
        ("10.1.1.1:5080;rport", "192.0.2.9:4000", "192.0.2.9:4000", true),
        ("10.1.1.1:5080", "192.0.2.9:4000", "192.0.2.9:5080", true),
        ("192.0.2.9", "192.0.2.9:4000", "192.0.2.9:5060", false),
        ("[2001:db8::1]:5070", "[2001:db8::1]:4000", "[2001:db8::1]:5070", false),
    ];
    for (sent_by, source, expected, marked) in cases {
        let mut bench = Bench::new();
        bench.hear_from(
            source,
            &format!(
                "OPTIONS sip:192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP {sent_by};branch=z9hG4bKo;\
                 received=6.6.6.6, SIP/2.0/TCP proxy;branch=z9hG4bKp\nFrom: <sip:a@b>;tag=1\n\
                 To: <sip:192.0.2.1>\nCall-ID: o\nCSeq: 1 OPTIONS\n\n"
            ),
        );
        let Event::Request { id, leg: None, .. } = bench.events[0] else { panic!() };
        let reply = Reply { code: 200, ..Reply::default() };
        bench.act(|e, now, out| e.reply(now, id, &reply, out));
        let (to, Message::Response(response)) = &bench.sent[0] else { panic!() };
        assert_eq!(*to, addr(expected));
        let via = String::from_utf8_lossy(response.headers.get(Name::Via).unwrap());
        assert!(!via.contains("6.6.6.6") && via.ends_with("SIP/2.0/TCP proxy;branch=z9hG4bKp"));
        assert_eq!(via.contains(";received="), marked, "{via}");
        assert!(response.headers.get(Name::To).unwrap().windows(5).any(|w| w == b";tag="));
        bench.rest();
    }
}

/// Goal: an incoming call that is cancelled; CANCEL after the answer changes nothing.
#[test]
fn incoming_cancel() {
    let mut bench = Bench::new();
    let text = incoming("c1", "");
    bench.hear(&text);
    bench.hear(&text);
    let Event::Incoming { leg, .. } = bench.events[0] else { panic!() };
    bench.act(|e, now, out| e.ring(now, leg, 180, None, out));
    let cancel = text.replace("INVITE", "CANCEL");
    bench.hear(&cancel);
    assert_eq!(bench.codes(), [180, 200, 487]);
    assert!(matches!(bench.events[1..], [Event::Cancelled { .. }]));
    bench.hear(&cancel);
    bench.hear(&text.replace("7 INVITE", "7 ACK").replacen("INVITE", "ACK", 1));
    bench.rest();
    assert_eq!(bench.codes(), [180, 200, 487, 200]);

    let mut bench = Bench::new();
    bench.hear(&text);
    let Event::Incoming { leg, .. } = bench.events[0] else { panic!() };
    bench.act(|e, now, out| e.answer(now, leg, b"v=0", out));
    bench.hear(&cancel);
    assert_eq!(bench.codes(), [200, 200]);
    assert_eq!(bench.events.len(), 1);
    bench.rest();
}

/// Goal: an incoming call behind two proxies: Record-Route comes back in the 200 and our BYE
/// takes that way.
#[test]
fn incoming_record_route() {
    let mut bench = Bench::new();
    bench.hear(&incoming("rr", "Record-Route: <sip:10.0.0.2;lr>, <sip:10.0.0.1;lr>\n"));
    let Event::Incoming { leg, .. } = bench.events[0] else { panic!() };
    bench.act(|e, now, out| e.answer(now, leg, b"v=0", out));
    let (_, Message::Response(ok)) = bench.sent.last().unwrap() else { panic!() };
    assert_eq!(
        ok.headers.get(Name::RecordRoute),
        Some(b"<sip:10.0.0.2;lr>, <sip:10.0.0.1;lr>".as_slice())
    );
    let tag = our_tag(&bench);
    bench.hear(&format!(
        "ACK sip:100@{CALLER} SIP/2.0\nVia: SIP/2.0/UDP {CALLEE};branch=z9hG4bKack\n\
         From: <sip:peer@{CALLEE}>;tag=their\nTo: <sip:100@{CALLER}>;tag={tag}\nCall-ID: in-rr\n\
         CSeq: 7 ACK\n\n"
    ));
    assert!(matches!(bench.events.last(), Some(Event::Acked { .. })));
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    let (to, bye) = bench.request();
    assert_eq!(to, addr("10.0.0.2:5060"));
    assert_eq!(bye.uri.to_string(), format!("sip:peer@{CALLEE}"));
    assert_eq!(bye.headers.all(Name::Route).count(), 2);
    bench.rest();
}

/// Goal: a request within the call before its answer does not spoil the ACK that follows.
#[test]
fn info_before_the_answer() {
    let mut bench = Bench::new();
    bench.hear(&incoming("i", ""));
    let Event::Incoming { leg, .. } = bench.events[0] else { panic!() };
    bench.act(|e, now, out| e.ring(now, leg, 180, None, out));
    let tag = our_tag(&bench);
    let within = |method: &str, cseq: u32| {
        format!(
            "{method} sip:100@{CALLER} SIP/2.0\nVia: SIP/2.0/UDP {CALLEE};branch=z9hG4bK{method}\n\
             From: <sip:peer@{CALLEE}>;tag=their\nTo: <sip:100@{CALLER}>;tag={tag}\n\
             Call-ID: in-i\nCSeq: {cseq} {method}\n\n"
        )
    };
    bench.hear(&within("INFO", 8));
    bench.act(|e, now, out| e.answer(now, leg, b"v=0", out));
    bench.hear(&within("ACK", 7));
    assert!(matches!(bench.events.last(), Some(Event::Acked { .. })));
    bench.hear(&within("BYE", 9));
    assert!(matches!(bench.events.last(), Some(Event::Ended { by: Party::Peer, .. })));
    bench.rest();
}

/// Goal: full means a stateless 503 with Retry-After, and nothing grows.
#[test]
fn admission() {
    let limits =
        Limits { legs: 2, client_transactions: 10, server_transactions: 10, ..Limits::default() };
    let mut bench = Bench::with_limits(limits);
    for call in 0..10_000 {
        bench.hear(&incoming(&format!("flood{call}"), ""));
    }
    assert_eq!(bench.endpoint.live().legs, 2);
    assert_eq!(bench.endpoint.counters().refused_full, 9_998);
    assert_eq!(bench.codes().iter().filter(|code| **code == 503).count(), 9_998);
    let refused = bench.act(|e, now, out| e.invite(now, invite(), out));
    assert_eq!(refused, Err(Full::Legs));
    let mut bench = Bench::new();
    bench.call(invite());
    let again = bench
        .act(|e, now, out| e.invite(now, Invite { local_tag: Some("t".into()), ..invite() }, out));
    assert!(again.is_ok(), "the same Call-ID with another tag is another call");
    let taken = bench
        .act(|e, now, out| e.invite(now, Invite { local_tag: Some("t".into()), ..invite() }, out));
    assert_eq!(taken, Err(Full::Taken));
}

/// Goal: BYEs without end from a peer within its call cost no memory beyond the limit, and each
/// is answered, whatever it requires.
#[test]
fn flood_of_byes() {
    let mut bench = Bench::with_limits(Limits { server_transactions: 20, ..Limits::default() });
    bench.call(invite());
    bench.respond("INVITE", 180, "far", "");
    for cseq in 1..=100 {
        bench.in_dialog("BYE", cseq, &format!("b{cseq}"), "far", "Require: x\n");
    }
    assert_eq!(bench.codes(), vec![200; 100]);
    assert_eq!(bench.endpoint.live().server_transactions, 20);
}

/// Goal: a challenge that crosses our wish to hang up is not answered.
#[test]
fn challenge_after_hanging_up() {
    let mut bench = Bench::new();
    let credentials = Some(sip::Credentials { username: "u".into(), password: "p".into() });
    let ring_timeout = Duration::MAX;
    let leg = bench.call(Invite { credentials, ring_timeout, ..invite() });
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    bench.respond("INVITE", 401, "x", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\n");
    assert_eq!(bench.methods(), ["INVITE", "ACK"]);
    assert!(matches!(bench.events[..], [Event::Failed { failure: Failure::Cancelled, .. }]));
    bench.rest();
}

/// Goal: the same secret gives the same datagrams, another secret others.
#[test]
fn reproducible() {
    let first = |seed: u64| {
        let mut endpoint = Endpoint::new(config(CALLER, seed));
        let mut out = Outputs::default();
        endpoint.invite(epoch(), invite(), &mut out).unwrap();
        out.transmits
    };
    assert_eq!(first(1), first(1));
    assert_ne!(first(1), first(2));
}

/// Goal: a proxy and the server behind it each want credentials; a stale nonce is replaced.
#[test]
fn two_challenges_and_a_stale_one() {
    let mut bench = Bench::new();
    let credentials = Some(sip::Credentials { username: "u".into(), password: "p".into() });
    let branch = Some("z9hG4bKb".to_string());
    bench.call(Invite { credentials, branch, ..invite() });
    let digest = "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"";
    bench.respond("INVITE", 407, "x", &format!("Proxy-Authenticate: {digest}\n"));
    bench.respond("INVITE", 401, "x", &format!("WWW-Authenticate: {digest}\n"));
    bench.respond("INVITE", 407, "x", &format!("Proxy-Authenticate: {digest}, stale=TRUE\n"));
    let (_, last) = bench.request();
    let get = |name| String::from_utf8_lossy(last.headers.get(name).unwrap()).into_owned();
    assert!(get(Name::ProxyAuthorization).contains("nc=00000001"));
    assert!(get(Name::Authorization).contains("nc=00000002"));
    assert!(get(Name::Via).ends_with("branch=z9hG4bKb.4"));
    assert_eq!(get(Name::CSeq), "4 INVITE");
    bench.respond("INVITE", 407, "x", &format!("Proxy-Authenticate: {digest}, stale=true\n"));
    assert!(matches!(bench.events[..], [Event::Failed { .. }]));
    bench.rest();
}

/// Goal: OPTIONS and REGISTER of ours: answered, challenged, unanswered.
#[test]
fn our_requests() {
    let ask = |credentials| OutOfDialog {
        method: sip::Method::Register,
        destination: addr(CALLEE),
        uri: format!("sip:{CALLEE}").parse().unwrap(),
        from: "sip:u@example.com".parse::<sip::Uri>().unwrap().into(),
        to: "sip:u@example.com".parse::<sip::Uri>().unwrap().into(),
        call_id: Some("reg".into()),
        cseq: 41,
        headers: Headers::new(),
        body: Vec::new(),
        credentials,
    };
    let credentials = sip::Credentials { username: "u".into(), password: "p".into() };
    let mut bench = Bench::new();
    bench.act(|e, now, out| e.request(now, ask(Some(credentials)), out)).unwrap();
    bench.respond("REGISTER", 100, "", "");
    bench.respond(
        "REGISTER",
        401,
        "x",
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"\n",
    );
    assert_eq!(bench.request().1.headers.get(Name::CSeq), Some(b"42 REGISTER".as_slice()));
    bench.respond("REGISTER", 200, "x", "");
    let [Event::Response { result: Ok(response), .. }] = &bench.events[..] else { panic!() };
    assert_eq!(response.code, 200);
    bench.rest();

    bench.act(|e, now, out| e.request(now, ask(None), out)).unwrap();
    bench.wait(ms(32_000));
    // Timer E: 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5 s.
    assert_eq!(bench.methods().len(), 2 + 11);
    assert!(matches!(
        bench.events.last(),
        Some(Event::Response { result: Err(Failure::Timeout), .. })
    ));
    bench.rest();
}
