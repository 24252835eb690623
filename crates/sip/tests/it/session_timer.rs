//! Session timers (RFC 4028): who refreshes, how, and what happens when nobody does.

use std::time::Duration;

use sip::message::Message;
use sip::{Event, Extensions, Name, Party};

use crate::bench::Bench;
use crate::pair::{CALLEE, CALLER, Pair, Side, config, ends, invite, ms};
use crate::scenarios::is_end;

fn interval(session_expires_s: Option<u32>, min_se_s: u32) -> Extensions {
    Extensions { session_expires_s, min_se_s, reliable: true }
}

fn field(bench: &Bench, name: Name) -> Option<String> {
    let (_, last) = bench.sent.last().unwrap();
    let (Message::Request(sip::Request { headers, .. })
    | Message::Response(sip::Response { headers, .. })) = last;
    headers.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
}

fn bench(extensions: Extensions) -> Bench {
    let mut bench = Bench::new();
    bench.endpoint = sip::Endpoint::new(sip::Config { extensions, ..config(CALLER, 1) });
    bench
}

/// A call of ours that is up, with these fields in its 200.
fn up(extensions: Extensions, extra: &str) -> (Bench, sip::LegId) {
    let mut bench = bench(extensions);
    let leg = bench.call(invite());
    bench.respond("INVITE", 200, "far", extra);
    (bench, leg)
}

fn count(bench: &Bench, method: &str) -> usize {
    bench.requests(method)
}

/// Goal: a call of an hour and a half over networks that lose much is refreshed by whoever has to
/// and ends only when it is hung up, whatever the two sides want.
#[test]
fn long_calls_are_kept() {
    let wishes = [Some(90), Some(300), None];
    for (a, b) in wishes.iter().flat_map(|a| wishes.iter().map(move |b| (*a, *b))) {
        for (loss, seeds) in [(0, 1), (10, 8)] {
            for seed in 1..=seeds {
                let extensions = [interval(a, 90), interval(b, 90)];
                let mut pair = Pair::with_extensions(seed, loss, extensions);
                let leg = pair.call(invite());
                pair.until(Duration::from_mins(2), |e| matches!(e, Event::Answered { .. }));
                pair.run_for(Duration::from_mins(90));
                assert!(ends(&pair.caller_events).is_empty(), "{a:?} {b:?}: {:#?}", pair.ladder);
                assert!(ends(&pair.callee_events).is_empty());
                let refreshed = pair.caller.counters().sessions_refreshed
                    + pair.callee.counters().sessions_refreshed;
                match a.into_iter().chain(b).min() {
                    Some(shortest) => assert!(refreshed >= u64::from(80 * 60 / shortest)),
                    None => assert_eq!(refreshed, 0),
                }
                pair.hang_up(Side::Caller, leg);
                pair.drain();
            }
        }
    }
}

/// Goal: the line goes dead in the middle: both sides hang up by themselves and tell why.
#[test]
fn dead_lines_end() {
    for side in [Side::Caller, Side::Callee] {
        let mut pair = Pair::with_extensions(1, 0, [interval(Some(120), 90); 2]);
        pair.call(invite());
        pair.until(Duration::from_mins(1), |e| matches!(e, Event::Answered { .. }));
        pair.run_for(Duration::from_mins(10));
        // One side falls silent.
        pair.dropper = Box::new(move |from, _| from == side);
        let before = pair.now;
        let end = pair.until(Duration::from_mins(5), is_end);
        assert!(pair.now - before <= Duration::from_secs(120 + 64));
        assert!(matches!(end, Event::Ended { .. }));
        pair.drain();
        let expired =
            pair.caller.counters().sessions_expired + pair.callee.counters().sessions_expired;
        assert!(expired >= 1);
        assert!(
            pair.caller_events
                .iter()
                .chain(&pair.callee_events)
                .any(|event| matches!(event, Event::Ended { by: Party::Us, q850: Some(102), .. }))
        );
    }
}

/// Goal: 422 is answered with a longer interval and the Min-SE, in a new INVITE of the same call.
#[test]
fn interval_too_small() {
    let mut bench = bench(interval(Some(120), 90));
    bench.call(invite());
    assert_eq!(field(&bench, Name::SessionExpires).unwrap(), "120");
    assert_eq!(field(&bench, Name::MinSe), None);
    let first = bench.request().1.headers.get(Name::CallId).unwrap().to_vec();
    bench.respond("INVITE", 422, "far", "Min-SE: 600\n");
    assert_eq!(bench.methods(), ["INVITE", "ACK", "INVITE"]);
    assert_eq!(field(&bench, Name::SessionExpires).unwrap(), "600");
    assert_eq!(field(&bench, Name::MinSe).unwrap(), "600");
    assert_eq!(field(&bench, Name::CSeq).unwrap(), "2 INVITE");
    assert_eq!(bench.request().1.headers.get(Name::CallId), Some(first.as_slice()));
    bench.respond("INVITE", 422, "far", "Min-SE: 600\n");
    assert!(matches!(
        bench.events.last(),
        Some(Event::Failed { failure: sip::Failure::Rejected { code: 422, .. }, .. })
    ));
    bench.rest();
    // Nonsense in a 422 is a refusal like any other.
    for wrong in ["", "Min-SE: 4000000000\n", "Min-SE: 10\n", "Min-SE: x\n"] {
        let mut bench = self::bench(interval(Some(120), 90));
        bench.call(invite());
        bench.respond("INVITE", 422, "far", wrong);
        assert!(matches!(bench.events.last(), Some(Event::Failed { .. })), "{wrong}");
    }
}

/// Goal: two of ours with different minima find an interval by 422 by themselves.
#[test]
fn interval_agreed_by_422() {
    for loss in [0, 20] {
        for seed in 1..60 {
            let mut pair =
                Pair::with_extensions(seed, loss, [interval(Some(100), 90), interval(None, 200)]);
            let leg = pair.call(invite());
            pair.until(Duration::from_mins(2), |e| matches!(e, Event::Answered { .. }));
            pair.run_for(Duration::from_secs(95));
            if loss == 0 {
                assert_eq!(pair.sent(Side::Callee, "422"), 1);
                assert_eq!(pair.caller.counters().sessions_refreshed, 0);
                pair.run_for(Duration::from_secs(10));
                assert_eq!(pair.caller.counters().sessions_refreshed, 1, "at half of 200 s");
            }
            pair.hang_up(Side::Caller, leg);
            pair.drain();
        }
    }
}

/// Goal: refreshed by UPDATE where the peer takes it, else by re-INVITE with the same description;
/// a peer that refuses UPDATE after all gets a re-INVITE at once.
#[test]
fn ways_to_refresh() {
    let session = "Session-Expires: 200;refresher=uac\nRequire: timer\n";
    let takes = format!("{session}Allow: INVITE, ACK, UPDATE\n");
    let (mut bench, leg) = up(interval(Some(200), 90), &takes);
    bench.wait(Duration::from_secs(99));
    assert_eq!(count(&bench, "UPDATE"), 0);
    bench.wait(Duration::from_secs(1));
    assert_eq!(field(&bench, Name::SessionExpires).unwrap(), "200;refresher=uac");
    assert!(bench.request().1.body.is_empty());
    bench.respond("UPDATE", 200, "", session);
    bench.wait(Duration::from_secs(100));
    assert_eq!(count(&bench, "UPDATE"), 2);
    bench.respond("UPDATE", 405, "", "");
    assert_eq!((count(&bench, "INVITE"), &*bench.request().1.body), (2, &*invite().sdp));
    bench.respond("INVITE", 200, "", session);
    bench.wait(Duration::from_secs(100));
    assert_eq!((count(&bench, "UPDATE"), count(&bench, "INVITE")), (2, 3));
    bench.respond("INVITE", 200, "", session);
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    bench.respond("BYE", 200, "", "");
    bench.rest();
    assert_eq!(bench.endpoint.counters().sessions_refreshed, 3);
}

/// Goal: a peer that knows nothing of session timers is refreshed by us; one that refreshes itself
/// and forgets to is hung up in time (§10: a third of the interval, at most 32 s, before its end).
#[test]
fn who_refreshes() {
    let (mut bench, _) = up(interval(Some(200), 90), "");
    bench.wait(Duration::from_secs(100));
    assert_eq!(count(&bench, "INVITE"), 2);
    let (mut bench, _) = up(interval(Some(200), 90), "Session-Expires: 150;refresher=uas\n");
    bench.wait(Duration::from_secs(117));
    assert_eq!(bench.methods().len(), 2);
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.methods()[2..], ["BYE"]);
    assert_eq!(field(&bench, Name::Reason).unwrap(), "Q.850;cause=102");
    // Without a wish of our own there is no timer, and absurd ones are kept within bounds.
    let (mut bench, _) = up(interval(None, 90), "");
    let next = bench.endpoint.next_timeout().map(|at| at - bench.now);
    assert_eq!(next, Some(ms(32_500)), "the INVITE is kept for repeats of its answer");
    bench.wait(Duration::from_hours(30));
    assert_eq!(bench.methods().len(), 2);
    let (mut bench, _) = up(interval(None, 90), "Session-Expires: 0;refresher=uac\n");
    bench.wait(Duration::from_secs(44));
    assert_eq!(bench.methods().len(), 2);
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.methods().len(), 3);
}

/// Goal: 408, 481 and silence end the call; another refusal is tried again and ends it only when
/// the session does; 491 backs off; 422 raises the interval.
#[test]
fn refreshes_that_fail() {
    for code in [Some(481), Some(408), None] {
        let (mut bench, _) = up(interval(Some(200), 90), "");
        bench.wait(Duration::from_secs(100));
        match code {
            Some(code) => bench.respond("INVITE", code, "", ""),
            None => bench.wait(Duration::from_secs(33)),
        }
        assert_eq!(bench.methods().last().unwrap(), "BYE", "{code:?}");
        bench.rest();
    }
    let (mut bench, _) = up(interval(Some(200), 90), "");
    bench.wait(Duration::from_secs(100));
    bench.respond("INVITE", 488, "", "");
    bench.wait(Duration::from_secs(40));
    assert_eq!(count(&bench, "INVITE"), 3, "tried again while there is time");
    bench.respond("INVITE", 491, "", "");
    bench.wait(ms(4_000));
    assert_eq!(count(&bench, "INVITE"), 4);
    bench.respond("INVITE", 422, "", "Min-SE: 1000\n");
    assert_eq!(field(&bench, Name::SessionExpires).unwrap(), "1000;refresher=uac");
    bench.respond("INVITE", 500, "", "");
    bench.wait(Duration::from_secs(23));
    assert_eq!(count(&bench, "BYE"), 0);
    bench.wait(Duration::from_secs(2));
    assert_eq!(count(&bench, "BYE"), 1, "168 s after the answer");
    bench.rest();
}

/// Goal: an offer of the owner that comes during a refresh follows it.
#[test]
fn offer_during_a_refresh() {
    let (mut bench, leg) = up(interval(Some(200), 90), "Allow: UPDATE\n");
    bench.wait(Duration::from_secs(100));
    let offer = |bench: &mut Bench| bench.act(|e, now, out| e.offer(now, leg, b"v=0 hold", out));
    assert!(offer(&mut bench) && !offer(&mut bench));
    assert_eq!(bench.methods().last().unwrap(), "UPDATE");
    bench.respond("UPDATE", 200, "", "");
    assert_eq!(&*bench.request().1.body, b"v=0 hold");
    bench.respond("INVITE", 200, "", "");
    assert!(matches!(bench.events.last(), Some(Event::OfferAnswered { .. })));
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    bench.rest();
}

fn request(method: &str, cseq: u32, to: &str, extra: &str) -> String {
    format!(
        "{method} sip:100@{CALLER} SIP/2.0\n\
         Via: SIP/2.0/UDP {CALLEE};branch=z9hG4bK{method}{cseq}\n\
         From: <sip:peer@{CALLEE}>;tag=their\nTo: {to}\nCall-ID: timed\nCSeq: {cseq} {method}\n\
         Contact: <sip:peer@{CALLEE}>\n{extra}Content-Length: 0\n\n"
    )
}

/// Goal: what a caller asks for is granted within our bounds, and the 200 says who refreshes.
#[test]
fn what_callers_get() {
    for (wanted, extra, expected) in [
        (Some(1_800), "k: timer\nx: 600\n", Some(("600;refresher=uac", true))),
        (Some(300), "k: timer\nx: 600\nMin-SE: 400\n", Some(("400;refresher=uac", true))),
        (Some(300), "k: timer\nx: 600;refresher=uas\n", Some(("300;refresher=uas", false))),
        (None, "k: timer\nx: 600\n", Some(("600;refresher=uac", true))),
        (None, "k: timer\n", None),
        (Some(300), "k: timer\n", Some(("300;refresher=uac", true))),
        // No caller's own wish, or one that a proxy added: we refresh.
        (Some(300), "", Some(("300;refresher=uas", false))),
        (Some(300), "x: 80\n", Some(("200;refresher=uas", false))),
        (Some(300), "x: nonsense\n", Some(("300;refresher=uas", false))),
    ] {
        let mut bench = bench(interval(wanted, 200));
        bench.hear(&request("INVITE", 7, "<sip:100@h>", extra));
        let Event::Incoming { leg, .. } = bench.events[0] else { panic!() };
        bench.act(|e, now, out| e.answer(now, leg, b"v=0", out));
        let said = field(&bench, Name::SessionExpires);
        assert_eq!(said.as_deref(), expected.map(|(value, _)| value), "{extra}");
        let required = field(&bench, Name::Require).is_some();
        assert_eq!(required, expected.is_some_and(|(_, required)| required), "{extra}");
    }
    let mut bench = bench(interval(None, 200));
    bench.hear(&request("INVITE", 7, "<sip:100@h>", "k: timer\nx: 100\n"));
    assert_eq!((bench.codes(), field(&bench, Name::MinSe)), (vec![422], Some("200".into())));
    assert_eq!(bench.endpoint.live(), sip::Live::default());
}

/// Goal: the caller refreshes by UPDATE and re-INVITE: the call goes on and roles stay; it stops:
/// the call is hung up.
#[test]
fn refreshed_by_the_caller() {
    let mut bench = bench(interval(None, 90));
    let fields = "k: timer\nx: 90;refresher=uac\n";
    bench.hear(&request("INVITE", 7, "<sip:100@h>", fields));
    let Event::Incoming { leg, .. } = bench.events[0] else { panic!() };
    bench.act(|e, now, out| e.answer(now, leg, b"v=0", out));
    let to = field(&bench, Name::To).unwrap();
    bench.hear(&request("ACK", 7, &to, ""));
    for round in 0..10 {
        bench.wait(Duration::from_secs(45));
        if round % 2 == 0 {
            bench.hear(&request("UPDATE", 8 + round, &to, "k: timer\n"));
        } else {
            bench.hear(&request("INVITE", 8 + round, &to, fields));
            bench.act(|e, now, out| e.answer_reoffer(now, leg, b"v=0", out));
        }
        assert_eq!(field(&bench, Name::SessionExpires).unwrap(), "90;refresher=uac");
        bench.hear(&request("ACK", 8 + round, &to, ""));
    }
    bench.wait(Duration::from_secs(59));
    assert_eq!(count(&bench, "BYE"), 0);
    bench.wait(Duration::from_secs(2));
    assert_eq!(count(&bench, "BYE"), 1);
    bench.rest();
}
