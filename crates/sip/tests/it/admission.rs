//! What strangers are let do, and what it costs.

use std::time::Duration;

use sip::message::Message;
use sip::{Event, Limits, Live, Name, Rates, Reply};

use crate::bench::Bench;
use crate::pair::{CALLER, ms};

const RATES: Rates = Rates { per_source: 10, in_all: 40 };

fn guarded() -> Bench {
    Bench::with_limits(Limits { strangers: Some(RATES), ..Limits::default() })
}

fn request(method: &str, branch: &str) -> String {
    format!(
        "{method} sip:100@{CALLER} SIP/2.0\n\
         Via: SIP/2.0/UDP 10.0.0.9;rport;branch=z9hG4bK{branch}\n\
         From: <sip:peer@10.0.0.9>;tag=their\nTo: <sip:100@{CALLER}>\nCall-ID: in-{branch}\n\
         CSeq: 7 {method}\nContact: <sip:peer@10.0.0.9>\nContent-Length: 0\n\n"
    )
}

/// The To field of an answer, with its tag.
fn answered_to(bench: &Bench, index: usize) -> Vec<u8> {
    let (_, Message::Response(response)) = &bench.sent[index] else { panic!() };
    response.headers.get(Name::To).unwrap().to_vec()
}

/// Goal: a call turned away leaves nothing behind, and its repeat gets the very same answer.
#[test]
fn turned_away() {
    let mut bench = guarded();
    for _ in 0..2 {
        bench.hear(&request("INVITE", "a"));
        let Some(Event::Incoming { leg, .. }) = bench.events.pop() else { panic!() };
        bench.act(|e, now, out| e.turn_away(now, leg, 404, &sip::Headers::new(), out));
        assert_eq!(bench.endpoint.live(), Live::default());
    }
    assert_eq!(bench.codes(), [404, 404]);
    assert_eq!(answered_to(&bench, 0), answered_to(&bench, 1));
    bench.hear(&request("ACK", "a"));
    assert_eq!(bench.endpoint.live(), Live::default());
}

/// Goal: a call that rang is refused with care even when it is turned away.
#[test]
fn turned_away_after_ringing() {
    let mut bench = guarded();
    bench.hear(&request("INVITE", "a"));
    let Event::Incoming { leg, .. } = bench.events[0] else { panic!() };
    bench.act(|e, now, out| e.ring(now, leg, 180, None, out));
    bench.act(|e, now, out| e.turn_away(now, leg, 486, &sip::Headers::new(), out));
    assert_eq!(bench.codes(), [180, 486]);
    assert_eq!(bench.endpoint.live().server_transactions, 1);
    bench.rest();
}

/// Goal: 100 is sent to a caller whose call nobody decides about for 200 ms.
#[test]
fn trying_when_undecided() {
    let mut bench = guarded();
    bench.hear(&request("INVITE", "a"));
    bench.wait(ms(199));
    assert_eq!(bench.codes(), [0; 0]);
    bench.wait(ms(1));
    assert_eq!(bench.codes(), [100]);
    bench.hear(&request("INVITE", "a"));
    assert_eq!(bench.codes(), [100, 100]);
    let Event::Incoming { leg, .. } = bench.events[0] else { panic!() };
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    bench.rest();
}

/// Goal: a reply is kept when its owner says so, and then a repeat is not asked about again.
#[test]
fn kept_and_unkept_replies() {
    for keep in [false, true] {
        let mut bench = guarded();
        for _ in 0..2 {
            bench.hear(&request("REGISTER", "r"));
            if let Some(Event::Request { id, .. }) = bench.events.last().cloned() {
                let reply = Reply { code: 200, keep, ..Reply::default() };
                bench.act(|e, now, out| e.reply(now, id, &reply, out));
            }
        }
        assert_eq!(bench.codes(), [200, 200]);
        assert_eq!(bench.events.len(), if keep { 1 } else { 2 });
        assert_eq!(bench.endpoint.live().server_transactions, usize::from(keep));
        bench.rest();
    }
}

/// Goal: the rate of one source, then that of all of them, then the credit of an address.
#[test]
fn rates() {
    let mut bench = guarded();
    let ask = |bench: &mut Bench, source: &str, number: usize| {
        bench.hear_from(source, &request("SUBSCRIBE", &format!("s{number}")));
    };
    for number in 0..100 {
        ask(&mut bench, "10.0.0.9:5060", number);
    }
    let counters = bench.endpoint.counters();
    assert_eq!(counters.dropped_source_too_fast, 80, "twice a second's worth at once");
    for source in 0..100 {
        ask(&mut bench, &format!("10.0.1.{source}:5060"), source);
    }
    let counters = bench.endpoint.counters();
    assert_eq!(counters.refused_sources_busy, 40, "of 80, 20 had been taken");
    let (_, Message::Response(busy)) = bench.sent.last().unwrap() else { panic!() };
    assert_eq!((busy.code, busy.headers.get(Name::RetryAfter)), (503, Some(&b"2"[..])));
    bench.wait(Duration::from_secs(1));
    let before = bench.endpoint.counters().dropped_source_too_fast;
    for number in 0..20 {
        ask(&mut bench, "10.0.0.9:5060", number);
    }
    let after = bench.endpoint.counters().dropped_source_too_fast;
    assert_eq!(after - before, 10, "a second's worth has come back");
}

/// Goal: what strangers ask too much leaves room for a peer that we know, which has its own limit.
#[test]
fn a_known_peer_is_not_crowded_out() {
    let mut bench = guarded();
    let ip = |text: &str| text.parse::<std::net::IpAddr>().unwrap();
    bench.endpoint.know(vec![ip("10.0.2.1")..=ip("10.0.2.9"), ip("::1")..=ip("::1")]);
    let ask = |bench: &mut Bench, source: &str, number: usize| {
        bench.hear_from(source, &request("SUBSCRIBE", &format!("k{number}")));
    };
    for source in 0..100 {
        ask(&mut bench, &format!("10.0.1.{source}:5060"), source);
    }
    let busy = bench.endpoint.counters().refused_sources_busy;
    assert!(busy > 0);
    let admitted = bench.events.len();
    ask(&mut bench, "10.0.2.5:5060", 200);
    assert_eq!(bench.endpoint.counters().refused_sources_busy, busy);
    assert_eq!(bench.events.len(), admitted + 1);
    ask(&mut bench, "10.0.2.10:5060", 201);
    assert_eq!(bench.endpoint.counters().refused_sources_busy, busy + 1, "it is a stranger");
    for number in 0..100 {
        ask(&mut bench, "10.0.2.5:5060", 300 + number);
    }
    assert!(bench.endpoint.counters().dropped_source_too_fast > 0);
}
