//! Offers of ours within a call, and what becomes of them.

use std::time::Duration;

use sip::message::Message;
use sip::{Credentials, Event, Invite, Name, Party};

use crate::bench::Bench;
use crate::pair::{Pair, Side, addr, ends, invite, ms};
use crate::scenarios::{is_end, storm};

fn offer(bench: &mut Bench, leg: sip::LegId) -> bool {
    bench.act(|e, now, out| e.offer(now, leg, b"v=0 hold", out))
}

fn outcome(event: &Event) -> Option<&Event> {
    matches!(event, Event::OfferAnswered { .. } | Event::OfferRefused { .. }).then_some(event)
}

const SDP: &str = "Content-Type: application/sdp\nContact: <sip:new@10.0.0.7>\n\
                   Content-Length: 5\n\nv=0 h";

fn answer(bench: &mut Bench, code: u16, extra: &str) {
    let text = bench.response("INVITE", code, "", extra);
    let whole = !extra.contains("\n\n");
    let cut = text.trim_end_matches("Content-Length: 0\n\n");
    bench.answer("INVITE", if whole { &text } else { cut });
}

/// Goal: an offer of ours arrives, is answered and acknowledged, with every message lost at times,
/// and the call goes on.
#[test]
fn offers_of_both_sides_survive_loss() {
    storm(|pair, loss| {
        let leg = pair.call(invite());
        let first = pair.until(Duration::from_secs(70), |event| {
            is_end(event) || matches!(event, Event::Answered { .. })
        });
        assert!(matches!(first, Event::Answered { .. }));
        let theirs = pair.callee_leg();
        pair.offer_at(Side::Caller, leg, b"v=0 hold", ms(2_000));
        pair.offer_at(Side::Callee, theirs, b"v=0 resume", Duration::from_mins(2));
        pair.hang_up_at(Side::Caller, leg, Duration::from_mins(4));
        pair.until(Duration::from_mins(6), is_end);
        pair.drain();
        let answered = |events: &[Event]| events.iter().filter_map(outcome).count();
        if loss == 0 {
            assert_eq!(pair.sent(Side::Caller, "INVITE sip"), 2);
            assert_eq!(pair.sent(Side::Caller, "ACK sip"), 2);
        }
        // At 20 % loss seven INVITEs and eleven 200s get through.
        assert_eq!(answered(&pair.caller_events), 1, "{:#?}", pair.ladder);
        assert!(answered(&pair.callee_events) == 1 || loss == 20, "{:#?}", pair.ladder);
    });
}

/// Goal: both sides offer at the same moment: both get 491, back off for different times, and
/// both offers are answered in the end; the owner of the Call-ID waits longer.
#[test]
fn glare_is_resolved() {
    for seed in 1..200 {
        let mut pair = Pair::new(seed, 0);
        let leg = pair.call(invite());
        pair.until(Duration::from_secs(10), |e| matches!(e, Event::Answered { .. }));
        pair.run_for(ms(1_000));
        let theirs = pair.callee_leg();
        let start = pair.ladder.len();
        pair.offer_at(Side::Caller, leg, b"v=0 ours", ms(0));
        pair.offer_at(Side::Callee, theirs, b"v=0 theirs", ms(0));
        pair.run_for(Duration::from_secs(30));
        let invites: Vec<Side> = pair.ladder[start..]
            .iter()
            .filter(|(_, line)| line.starts_with("INVITE"))
            .map(|(side, _)| *side)
            .collect();
        assert_eq!(invites[..3], [Side::Caller, Side::Callee, Side::Callee], "{:#?}", pair.ladder);
        for events in [&pair.caller_events, &pair.callee_events] {
            let found: Vec<_> = events.iter().filter_map(outcome).collect();
            assert!(matches!(found[..], [Event::OfferAnswered { sdp: Some(_), .. }]), "{found:?}");
        }
        assert!(pair.caller.counters().offers_crossed >= 2);
        pair.hang_up(Side::Caller, leg);
        pair.drain();
    }
}

/// Goal: back-off is 2.1 to 4 s for the owner of the Call-ID, and it ends after eight tries with
/// 491 and an unharmed call.
#[test]
fn crossed_for_ever() {
    let (mut bench, leg) = Bench::answered("");
    assert!(offer(&mut bench, leg));
    assert!(!offer(&mut bench, leg), "one at a time");
    for tries in 1..=9 {
        assert_eq!(bench.requests("INVITE"), 1 + tries);
        bench.respond("INVITE", 491, "", "");
        bench.wait(ms(2_099));
        assert_eq!(bench.requests("INVITE"), 1 + tries);
        bench.wait(ms(1_901));
    }
    assert_eq!(bench.events.last(), Some(&Event::OfferRefused { leg, code: 491 }));
    assert!(offer(&mut bench, leg), "the next one may begin");
    answer(&mut bench, 200, SDP);
    assert!(matches!(bench.events.last(), Some(Event::OfferAnswered { sdp: Some(_), .. })));
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    bench.rest();
}

/// Goal: the 200's Contact is the new target, a repeated 200 is acknowledged again.
#[test]
fn target_refresh_and_repeats() {
    let (mut bench, leg) = Bench::answered("Contact: <sip:old@10.0.0.1>\n");
    offer(&mut bench, leg);
    let (to, request) = bench.request();
    assert_eq!((to, &*request.body), (addr("10.0.0.1:5060"), b"v=0 hold".as_slice()));
    for _ in 0..3 {
        answer(&mut bench, 200, SDP);
    }
    assert_eq!(bench.methods()[2..], ["INVITE", "ACK", "ACK", "ACK"]);
    assert_eq!(bench.request().0, addr("10.0.0.7:5060"));
    assert_eq!(bench.events.iter().filter_map(outcome).count(), 1);
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    assert_eq!(bench.request().1.uri.to_string(), "sip:new@10.0.0.7");
    bench.rest();
}

/// Goal: a refusal leaves the call as it was, and its ACK goes the way of the re-INVITE.
#[test]
fn refused_offers() {
    let route = "Record-Route: <sip:10.0.0.2;lr>\nContact: <sip:old@10.0.0.1>\n";
    let (mut bench, leg) = Bench::answered(route);
    offer(&mut bench, leg);
    bench.respond("INVITE", 488, "", "Contact: <sip:evil@10.6.6.6>\n");
    let (to, ack) = bench.request();
    assert_eq!((to, ack.uri.to_string().as_str()), (addr("10.0.0.2:5060"), "sip:old@10.0.0.1"));
    assert_eq!(ack.headers.get(Name::Route), Some(b"<sip:10.0.0.2;lr>".as_slice()));
    assert_eq!(ack.headers.get(Name::CSeq), Some(b"2 ACK".as_slice()));
    assert_eq!(bench.events.last(), Some(&Event::OfferRefused { leg, code: 488 }));
    bench.in_dialog("INFO", 9, "still-there", "far", "");
    assert!(matches!(bench.events.last(), Some(Event::Request { leg: Some(_), .. })));
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    bench.rest();
}

/// Goal: a challenge is answered, a wrong password is a refusal; Retry-After of a 500 is kept to.
#[test]
fn challenged_and_delayed() {
    let mut bench = Bench::new();
    let credentials = Some(Credentials { username: "u".into(), password: "p".into() });
    let leg = bench.call(Invite { credentials, ..invite() });
    bench.respond("INVITE", 200, "far", "");
    offer(&mut bench, leg);
    let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"\n";
    bench.respond("INVITE", 401, "", challenge);
    assert!(bench.request().1.headers.get(Name::Authorization).is_some());
    bench.respond("INVITE", 500, "", "Retry-After: 7\n");
    let before = bench.methods().len();
    bench.wait(ms(6_900));
    assert_eq!(bench.methods().len(), before);
    bench.wait(ms(200));
    assert_eq!(bench.methods()[before..], ["INVITE"]);
    bench.respond("INVITE", 401, "", challenge);
    assert_eq!(bench.events.last(), Some(&Event::OfferRefused { leg, code: 401 }));
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    bench.rest();
}

/// Goal: a peer that knows nothing of the call any more, or is silent, ends it (§12.2.1.2).
#[test]
fn gone_peers() {
    for code in [Some(481), Some(408), None] {
        let (mut bench, leg) = Bench::answered("");
        offer(&mut bench, leg);
        match code {
            Some(code) => bench.respond("INVITE", code, "", ""),
            None => bench.wait(Duration::from_secs(32)),
        }
        assert_eq!(bench.methods().last().unwrap(), "BYE");
        bench.respond("BYE", 481, "", "");
        assert_eq!(ends(&bench.events).len(), 1, "{code:?}");
        bench.rest();
    }
    // A peer that says 100 and nothing more is silent, too.
    let (mut bench, leg) = Bench::answered("");
    offer(&mut bench, leg);
    bench.respond("INVITE", 100, "", "");
    bench.wait(Duration::from_secs(33));
    assert_eq!(bench.methods().last().unwrap(), "BYE");
    bench.rest();
}

/// Goal: hanging up while our offer is open ends the call, and the late 200 is still acknowledged.
#[test]
fn hung_up_with_an_open_offer() {
    let (mut bench, leg) = Bench::answered("");
    offer(&mut bench, leg);
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    answer(&mut bench, 200, SDP);
    assert_eq!(bench.methods()[2..], ["INVITE", "BYE", "ACK"]);
    bench.respond("BYE", 200, "", "");
    assert!(matches!(ends(&bench.events)[..], [Event::Ended { by: Party::Us, .. }]));
    assert_eq!(bench.events.iter().filter_map(outcome).count(), 0);
    assert!(!offer(&mut bench, leg), "the leg is gone");
    bench.rest();
}

/// Goal: no offer leaves while the peer's is open, or before our 200 is acknowledged.
#[test]
fn offers_wait_for_the_peers() {
    let (mut bench, leg) = Bench::answered("");
    bench.in_dialog("INVITE", 2, "r1", "far", "");
    assert!(offer(&mut bench, leg));
    let invites = |bench: &Bench| bench.requests("INVITE");
    assert_eq!(invites(&bench), 1);
    bench.act(|e, now, out| e.answer_reoffer(now, leg, b"v=0 answer", out));
    bench.wait(ms(4_000));
    assert_eq!(invites(&bench), 1);
    bench.in_dialog("ACK", 2, "a1", "far", "");
    bench.wait(ms(4_000));
    assert_eq!(invites(&bench), 2);
    // And the peer's next one gets 491 while ours is open; an UPDATE without offer does not.
    bench.in_dialog("INVITE", 3, "r2", "far", SDP);
    bench.in_dialog("UPDATE", 4, "u1", "far", SDP);
    bench.in_dialog("UPDATE", 5, "u2", "far", "");
    assert_eq!(bench.codes()[2..].iter().filter(|code| **code == 491).count(), 2);
    assert_eq!(bench.codes().last(), Some(&200));
    let (_, Message::Response(_)) = bench.sent.last().unwrap() else { panic!() };
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    bench.rest();
}
