//! Reliable provisional responses (RFC 3262) as the other side sees them.

use std::time::Duration;

use sip::message::Message;
use sip::{Credentials, Event, Extensions, Invite, Name, Party};

use crate::bench::Bench;
use crate::pair::{CALLEE, CALLER, Pair, Policy, Side, addr, ends, invite, ms};
use crate::scenarios::{is_end, storm};

/// The fields of a reliable provisional response.
fn rseq(number: u32) -> String {
    format!("Require: 100rel\nRSeq: {number}\nContact: <sip:far@10.0.0.9>\n")
}

fn racks(bench: &Bench) -> Vec<String> {
    let rack = |(_, message): &(_, Message)| match message {
        Message::Request(r) => {
            r.headers.get(Name::RAck).map(String::from_utf8_lossy).map(Into::into)
        }
        Message::Response(_) => None,
    };
    bench.sent.iter().filter_map(rack).collect()
}

/// An INVITE to the bench that supports or requires 100rel, with an offer unless told otherwise.
fn incoming(extra: &str, body: &str) -> String {
    format!(
        "INVITE sip:100@{CALLER} SIP/2.0\nVia: SIP/2.0/UDP {CALLEE};rport;branch=z9hG4bKr\n\
         From: <sip:peer@{CALLEE}>;tag=their\nTo: <sip:100@{CALLER}>\nCall-ID: rel\n\
         CSeq: 7 INVITE\nContact: <sip:peer@{CALLEE}>\n{extra}Content-Length: {}\n\n{body}",
        body.len()
    )
}

const SUPPORTED: &str = "Supported: timer, 100rel\n";

/// A PRACK of the peer with this RAck.
fn prack(bench: &Bench, cseq: u32, rack: &str, body: &str) -> String {
    let to = bench.sent.iter().rev().find_map(|(_, message)| match message {
        Message::Response(r) if r.code > 100 => r.headers.get(Name::To),
        _ => None,
    });
    let to = String::from_utf8_lossy(to.unwrap()).into_owned();
    format!(
        "PRACK sip:100@{CALLER} SIP/2.0\nVia: SIP/2.0/UDP {CALLEE};branch=z9hG4bKp{cseq}\n\
         From: <sip:peer@{CALLEE}>;tag=their\nTo: {to}\nCall-ID: rel\nCSeq: {cseq} PRACK\n\
         RAck: {rack}\nContent-Length: {}\n\n{body}",
        body.len()
    )
}

/// The RSeq of the last response.
fn last_rseq(bench: &Bench) -> u32 {
    let (_, Message::Response(last)) = bench.sent.last().unwrap() else { panic!("a request") };
    assert_eq!(last.headers.get(Name::Require), Some(b"100rel".as_slice()));
    String::from_utf8_lossy(last.headers.get(Name::RSeq).unwrap()).parse().unwrap()
}

/// Goal: with every loss of 180, 183 and PRACK the caller hears that it rings before the answer,
/// early media come once, and BYE is numbered after the PRACKs.
#[test]
fn every_provisional_is_heard() {
    for code in [180, 183] {
        storm(|pair, loss| {
            pair.policy = Policy {
                ring_code: code,
                // Long enough for repeats at 0.5, 1, 2, 4 … s.
                answer_after: Some(Duration::from_secs(31)),
                hang_up_after: Some(ms(500)),
                ..Policy::default()
            };
            pair.call(invite());
            pair.until(Duration::from_secs(200), is_end);
            pair.drain();
            let rang = |e: &&Event| matches!(e, Event::Provisional { code: c, .. } if *c == code);
            assert_eq!(pair.caller_events.iter().filter(rang).count(), 1, "{:#?}", pair.ladder);
            if loss == 0 {
                assert_eq!(pair.sent(Side::Caller, "PRACK sip"), 1);
                assert_eq!(pair.sent(Side::Callee, "200 OK | CSeq: 2 PRACK"), 1);
                let answers = pair.caller_events.iter().find_map(|event| match event {
                    Event::Answered { sdp, .. } => sdp.clone(),
                    _ => None,
                });
                let wanted = if code == 183 { "v=0 early" } else { "v=0 answer" };
                assert_eq!(answers.as_deref(), Some(wanted.as_bytes()));
            }
        });
    }
}

/// Goal: a PRACK that never arrives ends the call with 504 after 32 s of repeats.
#[test]
fn prack_never_arrives() {
    let mut pair = Pair::new(1, 0);
    pair.policy = Policy { ring_code: 183, ..Policy::default() };
    pair.dropper = Box::new(|_, text| text.starts_with("PRACK"));
    pair.call(invite());
    let end = pair.until(Duration::from_mins(1), is_end);
    let Event::Failed { failure: sip::Failure::Rejected { code: 504, .. }, .. } = end else {
        panic!("{end:?}")
    };
    // At 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s.
    assert_eq!(pair.sent(Side::Callee, "183"), 7);
    assert_eq!(pair.callee.counters().unpracked, 1);
    assert!(matches!(ends(&pair.callee_events)[..], [Event::Cancelled { .. }]));
    pair.drain();
}

/// Goal: the answer waits for the PRACK of early media, and is not described a second time.
#[test]
fn answer_waits_for_the_prack() {
    let mut pair = Pair::new(1, 0);
    pair.policy = Policy { ring_code: 183, ring_after: Some(ms(0)), ..Policy::default() };
    pair.policy.answer_after = Some(ms(1));
    pair.policy.hang_up_after = Some(ms(500));
    let mut lost = false;
    pair.dropper =
        Box::new(move |_, text| text.starts_with("PRACK") && !std::mem::replace(&mut lost, true));
    pair.call(invite());
    pair.until(Duration::from_secs(10), is_end);
    let line = |part: &str| pair.ladder.iter().rposition(|(_, line)| line.contains(part)).unwrap();
    let ok = pair.ladder.iter().position(|(_, line)| line.contains("200 OK | CSeq: 1 INVITE"));
    assert!(line("PRACK sip") < ok.unwrap(), "{:#?}", pair.ladder);
    pair.drain();
}

/// Goal: PRACK goes the early dialog's way, once for each, in order; a gap waits for the missing
/// one; the number of the BYE is past theirs.
#[test]
fn pracks_in_order() {
    let mut bench = Bench::new();
    let leg = bench.call(invite());
    let route = "Record-Route: <sip:10.0.0.1;lr>\n";
    bench.respond("INVITE", 180, "far", &format!("{}{route}", rseq(10)));
    let (to, request) = bench.request();
    assert_eq!((to, request.uri.to_string().as_str()), (addr("10.0.0.1:5060"), "sip:far@10.0.0.9"));
    assert_eq!(request.headers.get(Name::CSeq), Some(b"2 PRACK".as_slice()));
    assert!(request.headers.get(Name::To).unwrap().ends_with(b";tag=far"));
    bench.respond("INVITE", 180, "far", &rseq(10));
    bench.respond("INVITE", 183, "far", &rseq(12));
    assert_eq!(racks(&bench), ["10 1 INVITE"]);
    bench.respond("INVITE", 183, "far", &rseq(11));
    bench.respond("INVITE", 183, "far", &rseq(12));
    bench.respond("INVITE", 180, "fork", &rseq(4_294_967_295));
    bench.respond("INVITE", 180, "fork", &rseq(0));
    let all = ["10 1 INVITE", "11 1 INVITE", "12 1 INVITE", "4294967295 1 INVITE"];
    assert_eq!(racks(&bench), all);
    assert_eq!(bench.events.len(), 4);
    bench.respond("INVITE", 200, "far", "");
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    assert_eq!(bench.request().1.headers.get(Name::CSeq), Some(b"5 BYE".as_slice()));
    bench.rest();
}

/// Goal: the answer in a reliable response counts, whatever the 200 says; each fork has its own.
#[test]
fn reliable_answers_stand() {
    let body = "Content-Type: application/sdp\nContent-Length: 5\n\nv=0 a";
    let mut bench = Bench::new();
    bench.call(invite());
    let with = |number, body: &str| format!("{}{body}", rseq(number));
    let early = bench.response("INVITE", 183, "far", &with(1, body));
    bench.hear(early.trim_end_matches("Content-Length: 0\n\n"));
    let other = bench.response("INVITE", 183, "fork", &with(1, &body.replace("0 a", "0 b")));
    bench.hear(other.trim_end_matches("Content-Length: 0\n\n"));
    let last = bench.response("INVITE", 200, "fork", &body.replace("0 a", "0 c"));
    bench.hear(last.trim_end_matches("Content-Length: 0\n\n"));
    let Some(Event::Answered { sdp, .. }) = bench.events.last() else { panic!() };
    assert_eq!(sdp.as_deref(), Some(b"v=0 b".as_slice()));
}

/// Goal: a PRACK that is challenged is sent again with credentials.
#[test]
fn prack_is_challenged() {
    let mut bench = Bench::new();
    let credentials = Some(Credentials { username: "u".into(), password: "p".into() });
    bench.call(Invite { credentials, ..invite() });
    bench.respond("INVITE", 180, "far", &rseq(1));
    let challenge = "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\"\n";
    bench.respond("PRACK", 407, "", challenge);
    assert_eq!(racks(&bench), ["1 1 INVITE", "1 1 INVITE"]);
    let (_, request) = bench.request();
    assert!(request.headers.get(Name::ProxyAuthorization).is_some());
    assert_eq!(request.headers.get(Name::CSeq), Some(b"3 PRACK".as_slice()));
    bench.respond("PRACK", 407, "", challenge);
    assert_eq!(racks(&bench).len(), 2, "a wrong password is not tried again");
}

/// Goal: a stream of reliable responses is not answered for ever, nor are endless forks.
#[test]
fn pracks_are_bounded() {
    let mut bench = Bench::new();
    bench.call(invite());
    for number in 1..200 {
        bench.respond("INVITE", 183, "far", &rseq(number));
        bench.respond("INVITE", 183, &format!("fork{number}"), &rseq(1));
    }
    assert_eq!(racks(&bench).len(), 32 + 7);
}

/// Goal: who requires 100rel gets it and no 420; each response waits for the PRACK before it; a
/// PRACK for something else is 481, its repeat gets its 200 again.
#[test]
fn responses_are_reliable_where_required() {
    let mut bench = Bench::new();
    bench.hear(&incoming("Require: 100rel\n", "v=0"));
    let Event::Incoming { leg, .. } = bench.events[0] else { panic!() };
    bench.act(|e, now, out| e.ring(now, leg, 180, None, out));
    let number = last_rseq(&bench);
    bench.act(|e, now, out| e.ring(now, leg, 183, Some(b"v=0 early"), out));
    bench.act(|e, now, out| e.ring(now, leg, 182, None, out));
    assert_eq!(bench.codes(), [180]);
    bench.wait(ms(600));
    assert_eq!(bench.codes(), [180, 180]);
    for wrong in [format!("{} 7 INVITE", number + 1), format!("{number} 8 INVITE"), "x".into()] {
        let cseq = 8 + u32::try_from(bench.codes().len()).unwrap();
        bench.hear(&prack(&bench, cseq, &wrong, ""));
    }
    assert_eq!(bench.codes(), [180, 180, 481, 481, 481]);
    let right = prack(&bench, 20, &format!("{number} 7 INVITE"), "");
    bench.hear(&right);
    // The newest state, with the description of the one it overtook.
    assert_eq!(bench.codes()[5..], [200, 182]);
    assert_eq!(last_rseq(&bench), number + 1);
    bench.hear(&right);
    assert_eq!(bench.codes()[5..], [200, 182, 200]);
    bench.act(|e, now, out| e.answer(now, leg, b"v=0 answer", out));
    assert_eq!(bench.codes().len(), 8, "the answer waits");
    bench.hear(&prack(&bench, 21, &format!("{} 7 INVITE", number + 1), ""));
    assert_eq!(bench.codes()[8..], [200, 200]);
    let (_, Message::Response(ok)) = bench.sent.last().unwrap() else { panic!() };
    assert!(ok.body.is_empty(), "the offer was answered before");
    bench.rest();
}

/// Goal: an answer need not wait for the PRACK of a plain 180, which is still welcome after it.
#[test]
fn late_prack() {
    let mut bench = Bench::new();
    bench.hear(&incoming(SUPPORTED, "v=0"));
    let Event::Incoming { leg, .. } = bench.events[0] else { panic!() };
    bench.act(|e, now, out| e.ring(now, leg, 180, None, out));
    let number = last_rseq(&bench);
    bench.act(|e, now, out| e.answer(now, leg, b"v=0 answer", out));
    bench.hear(&prack(&bench, 8, &format!("{number} 7 INVITE"), ""));
    assert_eq!(bench.codes(), [180, 200, 200]);
    bench.wait(ms(400));
    assert_eq!(bench.codes().len(), 3, "the 180 is not repeated after the answer");
    bench.rest();
}

/// Goal: an offer in a PRACK is answered in its 200, or refused and the call goes on.
#[test]
fn offer_in_a_prack() {
    for refused in [false, true] {
        let mut bench = Bench::new();
        bench.hear(&incoming(SUPPORTED, "v=0"));
        let Event::Incoming { leg, .. } = bench.events[0] else { panic!() };
        bench.act(|e, now, out| e.ring(now, leg, 183, Some(b"v=0 early"), out));
        let rack = format!("{} 7 INVITE", last_rseq(&bench));
        bench.hear(&prack(&bench, 8, &rack, "v=0 second"));
        assert!(matches!(bench.events.last(), Some(Event::Reoffer { sdp: Some(_), .. })));
        if refused {
            bench.act(|e, now, out| e.refuse_reoffer(now, leg, 488, out));
        } else {
            bench.act(|e, now, out| e.answer_reoffer(now, leg, b"v=0 third", out));
        }
        let (_, Message::Response(reply)) = bench.sent.last().unwrap().clone() else { panic!() };
        assert_eq!((reply.code, reply.body.is_empty()), (if refused { 488 } else { 200 }, refused));
        bench.act(|e, now, out| e.answer(now, leg, b"v=0 answer", out));
        assert_eq!(bench.codes().last(), Some(&200));
        bench.rest();
    }
}

/// An UPDATE of who called the bench, with this offer or none.
fn update(bench: &Bench, cseq: u32, body: &str) -> String {
    prack(bench, cseq, "1 1 INVITE", body)
        .replace("PRACK", "UPDATE")
        .replace("RAck: 1 1 INVITE", "Contact: <sip:moved@10.0.0.7>")
}

/// Goal: who called us may change its offer once ours is acknowledged, and not before (RFC 3311
/// §5.2); without an offer only the target moves; the answer then describes nothing.
#[test]
fn a_caller_updates_before_the_answer() {
    let mut bench = Bench::new();
    bench.hear(&incoming(SUPPORTED, "v=0"));
    let Event::Incoming { leg, .. } = bench.events[0] else { panic!() };
    bench.act(|e, now, out| e.ring(now, leg, 183, Some(b"v=0 early"), out));
    let rack = format!("{} 7 INVITE", last_rseq(&bench));
    bench.hear(&update(&bench, 8, "v=0 too soon"));
    let (_, Message::Response(reply)) = bench.sent.last().unwrap() else { panic!() };
    assert_eq!((reply.code, reply.headers.get(Name::RetryAfter)), (500, Some(b"1".as_slice())));
    bench.hear(&update(&bench, 9, ""));
    bench.hear(&prack(&bench, 10, &rack, ""));
    bench.hear(&update(&bench, 11, "v=0 second"));
    assert_eq!(bench.codes(), [183, 500, 200, 200], "the owner has not answered");
    bench.hear(&update(&bench, 12, "v=0 third"));
    bench.act(|e, now, out| e.answer_reoffer(now, leg, b"v=0 ours", out));
    let (_, Message::Response(reply)) = bench.sent.last().unwrap() else { panic!() };
    assert_eq!((reply.code, &*reply.body), (200, b"v=0 ours".as_slice()));
    assert_eq!(bench.codes()[4..], [500, 200]);
    bench.act(|e, now, out| e.answer(now, leg, b"v=0 answer", out));
    let (_, Message::Response(ok)) = bench.sent.last().unwrap() else { panic!() };
    assert_eq!((ok.code, ok.body.is_empty()), (200, true));
    let ack = update(&bench, 7, "").replace("UPDATE", "ACK").replace("p7", "a7");
    bench.hear(&ack);
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    assert_eq!(bench.request().0, addr("10.0.0.7:5060"));
    bench.rest();
}

/// Goal: an offer in a PRACK while that of the INVITE is open has no answer that could be meant.
#[test]
fn a_prack_may_not_offer_too_soon() {
    let mut bench = Bench::new();
    bench.hear(&incoming(SUPPORTED, "v=0"));
    let Event::Incoming { leg, .. } = bench.events[0] else { panic!() };
    bench.act(|e, now, out| e.ring(now, leg, 180, None, out));
    let rack = format!("{} 7 INVITE", last_rseq(&bench));
    bench.hear(&prack(&bench, 8, &rack, "v=0 second"));
    assert_eq!(bench.codes(), [180, 488]);
    assert_eq!(bench.events.len(), 1);
    bench.act(|e, now, out| e.answer(now, leg, b"v=0 answer", out));
    assert_eq!(bench.codes(), [180, 488, 200]);
    bench.rest();
}

/// Goal: a callee may change its description before it answers, once its answer to ours came
/// reliably: what was agreed then counts, whatever the 200 repeats, and a refresh describes it.
/// Before that, from another fork, beside a second fork or after our CANCEL it gets 491.
#[test]
fn a_callee_updates_before_the_answer() {
    const SDP: &str = "Content-Type: application/sdp\nContent-Length: 5\n\nv=0 a";
    let ring = |bench: &mut Bench, tag: &str| {
        let text = bench.response("INVITE", 183, tag, &format!("{}{SDP}", rseq(1)));
        bench.hear(text.trim_end_matches("Content-Length: 0\n\n"));
    };
    let mut bench = Bench::new();
    let leg = bench.call(invite());
    bench.respond("INVITE", 180, "far", "");
    bench.in_dialog("UPDATE", 1, "u1", "far", SDP);
    bench.in_dialog("UPDATE", 2, "u2", "far", "");
    assert_eq!(bench.codes(), [491, 200]);
    ring(&mut bench, "far");
    bench.in_dialog("UPDATE", 3, "u3", "fork", SDP);
    bench.in_dialog("INVITE", 4, "u4", "far", SDP);
    bench.in_dialog("UPDATE", 5, "u5", "far", &format!("Contact: <sip:moved@10.0.0.8>\n{SDP}"));
    assert_eq!(bench.codes()[2..], [491, 491]);
    assert!(matches!(bench.events.last(), Some(Event::Reoffer { sdp: Some(_), .. })));
    bench.act(|e, now, out| e.answer_reoffer(now, leg, b"v=0 ours", out));
    assert_eq!(bench.codes()[4..], [200]);
    // Its numbers go up, before the answer and beyond it.
    bench.in_dialog("UPDATE", 4, "u6", "far", "");
    let timer = "Session-Expires: 200;refresher=uac\nRequire: timer\n";
    let ok = bench.response("INVITE", 200, "far", &format!("{timer}{SDP}"));
    bench.hear(ok.trim_end_matches("Content-Length: 0\n\n"));
    let Some(Event::Answered { sdp: None, .. }) = bench.events.last() else { panic!() };
    bench.in_dialog("BYE", 4, "u7", "far", "");
    assert_eq!(bench.codes()[5..], [500, 500]);
    bench.wait(Duration::from_secs(100));
    assert_eq!((bench.requests("INVITE"), &*bench.request().1.body), (2, &b"v=0 ours"[..]));

    let mut bench = Bench::new();
    let leg = bench.call(invite());
    ring(&mut bench, "far");
    ring(&mut bench, "fork");
    bench.in_dialog("UPDATE", 1, "u1", "far", SDP);
    assert_eq!(bench.codes(), [491]);
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    bench.in_dialog("UPDATE", 2, "u2", "far", SDP);
    assert_eq!(bench.codes(), [491, 491]);
}

/// Goal: without an offer in the INVITE, or without support for it, nothing is reliable; and an
/// owner who wants it only where required gets that.
#[test]
fn plain_where_not_asked_for() {
    for (extra, body, reliable, codes) in [
        ("", "v=0", true, &[180][..]),
        (SUPPORTED, "", true, &[180]),
        (SUPPORTED, "v=0", false, &[180]),
        ("Require: 100rel\n", "", true, &[]),
        ("Require: 100rel, x-more\n", "v=0", true, &[420]),
    ] {
        let mut config = crate::pair::config(CALLER, 1);
        config.extensions = Extensions { reliable, ..Extensions::default() };
        let mut bench = Bench::new();
        bench.endpoint = sip::Endpoint::new(config);
        bench.hear(&incoming(extra, body));
        if let Some(Event::Incoming { leg, .. }) = bench.events.first() {
            let leg = *leg;
            bench.act(|e, now, out| e.ring(now, leg, 180, None, out));
        }
        assert_eq!(bench.codes(), codes, "{extra}{body}");
        let Some((_, Message::Response(last))) = bench.sent.last() else { continue };
        assert_eq!(last.headers.get(Name::RSeq), None);
        let unsupported = last.headers.get(Name::Unsupported);
        assert_eq!(unsupported, (codes == [420]).then_some(b"x-more".as_slice()));
    }
}

/// Goal: CANCEL, BYE and our own refusal end the repeats of a reliable response.
#[test]
fn repeats_end_with_the_call() {
    for way in ["CANCEL", "refusal", "BYE"] {
        let mut bench = Bench::new();
        let text = incoming(SUPPORTED, "v=0");
        bench.hear(&text);
        let Event::Incoming { leg, .. } = bench.events[0] else { panic!() };
        bench.act(|e, now, out| e.ring(now, leg, 180, None, out));
        match way {
            "CANCEL" => bench.hear(&text.replace("INVITE", "CANCEL")),
            "BYE" => bench.hear(&prack(&bench, 9, "1 7 INVITE", "").replace("PRACK", "BYE")),
            _ => bench.act(|e, now, out| e.reject(now, leg, 486, "", &sip::Headers::new(), out)),
        }
        let rang = |bench: &Bench| bench.codes().iter().filter(|code| **code == 180).count();
        bench.wait(Duration::from_secs(5));
        assert_eq!(rang(&bench), 1, "{way}");
        bench.rest();
    }
}

/// Goal: killed while ringing, after PRACKs nobody remembers: the BYE that follows a late 200 has
/// a number that the peer has not seen.
#[test]
fn numbers_skip_forgotten_pracks() {
    let mut pair = Pair::new(3, 0);
    pair.policy.answer_after = Some(ms(300));
    let call =
        Invite { local_tag: Some("tag1".into()), branch: Some("z9hG4bKfirst".into()), ..invite() };
    pair.call(call);
    pair.run_for(ms(305));
    let mut next = crate::pair::config(CALLER, 999);
    next.secret[20] = 1;
    pair.caller = sip::Endpoint::new(next);
    let abandoned = sip::Abandoned {
        token: 5,
        stage: sip::Stage::Calling {
            destination: addr(CALLEE),
            request_uri: invite().request_uri,
            from: invite().from,
            to: invite().to,
            call_id: "call-1".into(),
            local_tag: "tag1".into(),
            branch: "z9hG4bKfirst".into(),
            tries: 1,
            symmetric: false,
        },
        credentials: None,
    };
    pair.with(Side::Caller, |e, now, out| e.abandon(now, abandoned, out).unwrap());
    pair.drain();
    assert!(matches!(ends(&pair.callee_events)[..], [Event::Ended { by: Party::Peer, .. }]));
    assert_eq!(pair.sent(Side::Callee, "500"), 0, "{:#?}", pair.ladder);
}
