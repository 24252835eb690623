//! The race conditions of RFC 5407, one test for each of its sections.
//!
//! "Moratorium" is the time between the 200 and its ACK, "mortal" the time after a BYE was sent
//! or received.

use std::time::Duration;

use sip::{Event, Party};

use crate::bench::Bench;
use crate::pair::{CALLEE, CALLER, Pair, Side, ends, invite, ms};
use crate::scenarios::is_end;

/// A peer that calls the bench.
struct Caller {
    bench: Bench,
    leg: sip::LegId,
    to: String,
}

impl Caller {
    /// It has sent an INVITE, with an offer or without, and was answered with 200.
    fn in_moratorium(body: &str) -> Self {
        let mut bench = Bench::new();
        bench.hear(&Self::message("INVITE", 1, "first", "<sip:100@h>", body));
        let Event::Incoming { leg, .. } = bench.events[0] else { panic!() };
        bench.act(|e, now, out| e.answer(now, leg, b"v=0 answer", out));
        let (_, sip::Message::Response(ok)) = bench.sent.last().unwrap() else { panic!() };
        let to = String::from_utf8_lossy(ok.headers.get(sip::Name::To).unwrap()).into_owned();
        Self { bench, leg, to }
    }

    fn message(method: &str, cseq: u32, branch: &str, to: &str, body: &str) -> String {
        format!(
            "{method} sip:100@{CALLER} SIP/2.0\nVia: SIP/2.0/UDP {CALLEE};branch=z9hG4bK{branch}\n\
             From: <sip:peer@{CALLEE}>;tag=their\nTo: {to}\nCall-ID: race\nCSeq: {cseq} {method}\n\
             Contact: <sip:peer@{CALLEE}>\nContent-Length: {}\n\n{body}",
            body.len()
        )
    }

    fn sends(&mut self, method: &str, cseq: u32, branch: &str, body: &str) {
        self.bench.hear(&Self::message(method, cseq, branch, &self.to, body));
    }
}

/// §3.1.1: the INVITE comes again after the 200: nothing but the 200's own repeats answers it.
#[test]
fn s3_1_1_invite_repeated_in_moratorium() {
    let mut caller = Caller::in_moratorium("v=0");
    caller.bench.hear(&Caller::message("INVITE", 1, "first", "<sip:100@h>", "v=0"));
    assert_eq!(caller.bench.codes(), [200]);
    assert_eq!(caller.bench.events.len(), 1);
    caller.bench.wait(ms(500));
    assert_eq!(caller.bench.codes(), [200, 200]);
}

/// §3.1.2: the CANCEL crosses the 200: it is answered and ends nothing; the caller hangs up.
#[test]
fn s3_1_2_cancel_in_moratorium() {
    let mut caller = Caller::in_moratorium("v=0");
    caller.bench.hear(&Caller::message("CANCEL", 1, "first", "<sip:100@h>", ""));
    assert_eq!(caller.bench.codes(), [200, 200]);
    caller.sends("ACK", 1, "ack", "");
    caller.sends("BYE", 2, "bye", "");
    assert!(matches!(ends(&caller.bench.events)[..], [Event::Ended { by: Party::Peer, .. }]));
    caller.bench.rest();
}

/// §3.1.3 and §3.1.6: a BYE before the ACK, sent in the early dialog or after the 200: answered,
/// the call is over, the 200 is not repeated, the late ACK harms nothing.
#[test]
fn s3_1_3_and_6_bye_in_moratorium() {
    let mut caller = Caller::in_moratorium("v=0");
    caller.sends("BYE", 2, "bye", "");
    caller.sends("ACK", 1, "ack", "");
    assert!(matches!(ends(&caller.bench.events)[..], [Event::Ended { by: Party::Peer, .. }]));
    caller.bench.wait(Duration::from_secs(5));
    assert_eq!(caller.bench.codes(), [200, 200]);
    caller.bench.rest();
}

/// §3.1.4: a re-INVITE overtakes the ACK, and the first offer was answered: it proves that the 200
/// arrived and is taken; the late ACK harms nothing.
#[test]
fn s3_1_4_reinvite_in_moratorium() {
    let mut caller = Caller::in_moratorium("v=0");
    caller.sends("INVITE", 2, "again", "v=0 hold");
    let leg = caller.leg;
    assert_eq!(caller.bench.events[1..].len(), 2, "Acked, Reoffer");
    caller.bench.act(|e, now, out| e.answer_reoffer(now, leg, b"v=0 held", out));
    caller.sends("ACK", 1, "ack1", "");
    caller.sends("ACK", 2, "ack2", "");
    caller.bench.wait(Duration::from_secs(40));
    assert_eq!(caller.bench.codes(), [200, 200], "no 200 is repeated");
    caller.sends("BYE", 3, "bye", "");
    caller.bench.rest();
}

/// §3.1.5: a re-INVITE overtakes the ACK that answers our offer: 491, then the ACK counts.
#[test]
fn s3_1_5_reinvite_before_the_answer_in_the_ack() {
    let mut caller = Caller::in_moratorium("");
    caller.sends("INVITE", 2, "again", "v=0 hold");
    assert_eq!(caller.bench.codes(), [200, 491]);
    caller.sends("ACK", 1, "ack1", "v=0 answer");
    assert!(matches!(caller.bench.events.last(), Some(Event::Acked { sdp: Some(_), .. })));
    caller.sends("BYE", 3, "bye", "");
    caller.bench.rest();
}

/// §3.2.1: both sides hang up at once: each BYE is answered, each side ends once.
#[test]
fn s3_2_1_bye_in_the_mortal_state() {
    let mut pair = Pair::new(1, 0);
    let leg = pair.call(invite());
    pair.until(Duration::from_secs(10), |e| matches!(e, Event::Answered { .. }));
    pair.run_for(ms(1_000));
    let theirs = pair.callee_leg();
    pair.hang_up(Side::Caller, leg);
    pair.hang_up(Side::Callee, theirs);
    pair.drain();
    for (side, events) in [(Side::Caller, &pair.caller_events), (Side::Callee, &pair.callee_events)]
    {
        assert!(matches!(ends(events)[..], [Event::Ended { by: Party::Us, .. }]));
        assert_eq!(pair.sent(side, "BYE sip"), 1);
    }
}

/// §3.2.2: a re-INVITE meets our BYE: 481, and the call ends as it was to.
#[test]
fn s3_2_2_reinvite_in_the_mortal_state() {
    let mut pair = Pair::new(1, 0);
    let leg = pair.call(invite());
    pair.until(Duration::from_secs(10), |e| matches!(e, Event::Answered { .. }));
    pair.run_for(ms(1_000));
    let theirs = pair.callee_leg();
    pair.hang_up_at(Side::Caller, leg, ms(0));
    pair.offer_at(Side::Callee, theirs, b"v=0 hold", ms(5));
    pair.drain();
    assert_eq!(pair.sent(Side::Caller, "481"), 1);
    assert!(matches!(ends(&pair.caller_events)[..], [Event::Ended { by: Party::Us, .. }]));
    assert!(matches!(ends(&pair.callee_events)[..], [Event::Ended { by: Party::Peer, .. }]));
}

/// §3.2.3: the 200 to our re-INVITE meets our BYE: acknowledged all the same.
#[test]
fn s3_2_3_answer_to_a_reinvite_in_the_mortal_state() {
    let mut pair = Pair::new(1, 0);
    let leg = pair.call(invite());
    pair.until(Duration::from_secs(10), |e| matches!(e, Event::Answered { .. }));
    pair.run_for(ms(1_000));
    pair.offer_at(Side::Caller, leg, b"v=0 hold", ms(0));
    pair.hang_up_at(Side::Caller, leg, ms(15));
    pair.drain();
    assert_eq!(pair.sent(Side::Caller, "ACK sip"), 2);
    assert_eq!(ends(&pair.caller_events).len(), 1);
    assert_eq!(ends(&pair.callee_events).len(), 1);
    assert_eq!(pair.callee.counters().unacknowledged, 0);
}

/// §3.2.4: the callee is told to hang up before the ACK came: it waits for that, then says BYE.
#[test]
fn s3_2_4_ack_and_the_callees_bye() {
    let mut caller = Caller::in_moratorium("v=0");
    let leg = caller.leg;
    caller.bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    assert!(caller.bench.methods().is_empty());
    caller.sends("ACK", 1, "ack", "");
    assert_eq!(caller.bench.methods(), ["BYE"]);
    caller.sends("ACK", 1, "ack", "");
    caller.bench.respond("BYE", 200, "", "");
    assert!(matches!(ends(&caller.bench.events)[..], [Event::Ended { by: Party::Us, .. }]));
    caller.bench.rest();
}

/// §3.3.1: re-INVITEs cross: 491 both ways, both are answered later, over any loss.
#[test]
fn s3_3_1_reinvites_cross() {
    for (loss, seeds) in [(0, 20), (10, 60)] {
        for seed in 1..=seeds {
            let mut pair = Pair::new(seed, loss);
            let leg = pair.call(invite());
            pair.until(Duration::from_mins(1), |e| matches!(e, Event::Answered { .. }));
            pair.run_for(Duration::from_secs(10));
            let theirs = pair.callee_leg();
            pair.offer_at(Side::Caller, leg, b"v=0 ours", ms(0));
            pair.offer_at(Side::Callee, theirs, b"v=0 theirs", ms(3));
            pair.run_for(Duration::from_mins(3));
            for events in [&pair.caller_events, &pair.callee_events] {
                assert!(
                    events.iter().any(|e| matches!(e, Event::OfferAnswered { .. })),
                    "{:#?}",
                    pair.ladder
                );
            }
            pair.hang_up(Side::Caller, leg);
            pair.drain();
        }
    }
}

/// §3.3.2: an UPDATE with an offer crosses our re-INVITE: 491 for the UPDATE, ours goes on.
#[test]
fn s3_3_2_update_and_reinvite_cross() {
    let (mut bench, leg) = Bench::answered("");
    bench.act(|e, now, out| e.offer(now, leg, b"v=0 hold", out));
    let body = "Content-Type: application/sdp\nContent-Length: 3\n\nv=0";
    bench.in_dialog("UPDATE", 9, "u", "far", body);
    assert_eq!(bench.codes(), [491]);
    bench.respond("INVITE", 200, "", "");
    assert!(matches!(bench.events.last(), Some(Event::OfferAnswered { .. })));
    bench.in_dialog("UPDATE", 10, "u2", "far", body);
    assert!(matches!(bench.events.last(), Some(Event::Reoffer { .. })));
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    bench.rest();
}

/// §3.3.3: a REFER meets our BYE: refused, and the call ends as it was to.
#[test]
fn s3_3_3_refer_in_the_mortal_state() {
    let (mut bench, leg) = Bench::answered("");
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    bench.in_dialog("REFER", 9, "r", "far", "Refer-To: <sip:x@y>\n");
    assert_eq!(bench.codes(), [405]);
    bench.respond("BYE", 200, "", "");
    assert_eq!(ends(&bench.events).len(), 1);
    bench.rest();
}

/// Appendix A.1: a BYE of the callee in the early dialog, then its 200: one short call.
#[test]
fn a_1_bye_in_the_early_dialog() {
    let mut bench = Bench::new();
    bench.call(invite());
    bench.respond("INVITE", 180, "far", "Require: 100rel\nRSeq: 1\n");
    bench.in_dialog("BYE", 1, "b", "far", "");
    bench.respond("INVITE", 200, "far", "");
    assert_eq!(bench.codes(), [200]);
    assert!(matches!(ends(&bench.events)[..], [Event::Ended { by: Party::Peer, .. }]));
    bench.rest();
}

/// Appendix A.2: a BYE while our own re-INVITE is open: the call is over; its 487 is acknowledged.
#[test]
fn a_2_bye_over_an_open_reinvite() {
    let (mut bench, leg) = Bench::answered("");
    bench.act(|e, now, out| e.offer(now, leg, b"v=0 hold", out));
    bench.in_dialog("BYE", 1, "b", "far", "");
    assert!(matches!(ends(&bench.events)[..], [Event::Ended { by: Party::Peer, .. }]));
    bench.respond("INVITE", 487, "", "");
    assert_eq!(bench.methods().last().unwrap(), "ACK");
    bench.rest();
}

/// Appendix A.3: a CANCEL is followed by nothing but its 487 or a 200 that is hung up; see
/// `late_200_after_cancel`. Here every moment is tried, with reliable provisional responses.
#[test]
fn a_3_cancel_at_any_moment() {
    for at in (90..1_200).step_by(7) {
        let mut pair = Pair::new(at, 0);
        pair.policy.ring_code = 183;
        let leg = pair.call(invite());
        pair.hang_up_at(Side::Caller, leg, ms(at));
        pair.until(Duration::from_secs(70), is_end);
        pair.drain();
        assert_eq!(ends(&pair.caller_events).len(), 1);
        assert_eq!(ends(&pair.callee_events).len(), 1);
    }
}

/// Appendix A.4: requests in the mortal state: INFO gets an answer, nothing starts anew.
#[test]
fn a_4_requests_in_the_mortal_state() {
    let (mut bench, leg) = Bench::answered("");
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    bench.in_dialog("UPDATE", 3, "u", "far", "");
    bench.in_dialog("BYE", 4, "b", "far", "");
    assert_eq!(bench.codes(), [481, 200]);
    bench.respond("BYE", 481, "", "");
    assert_eq!(ends(&bench.events).len(), 1);
    bench.rest();
}

/// Appendix A.5: forks: new To tags in reliable provisional responses have dialogs of their own,
/// and the 200 of one leaves the PRACKs of the other alone.
#[test]
fn a_5_forks_and_new_tags() {
    let mut bench = Bench::new();
    let leg = bench.call(invite());
    let reliable =
        |n: u32, at: &str| format!("Require: 100rel\nRSeq: {n}\nContact: <sip:{at}@10.0.0.{n}>\n");
    bench.respond("INVITE", 180, "a", &reliable(5, "a"));
    bench.respond("INVITE", 180, "b", &reliable(6, "b"));
    bench.respond("INVITE", 200, "b", "Contact: <sip:b@10.0.0.6>\n");
    bench.respond("INVITE", 200, "a", "Contact: <sip:a@10.0.0.5>\n");
    assert_eq!(bench.methods(), ["INVITE", "PRACK", "PRACK", "ACK", "ACK", "BYE"]);
    assert_eq!(bench.request().1.uri.to_string(), "sip:a@10.0.0.5");
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    assert_eq!(bench.request().1.uri.to_string(), "sip:b@10.0.0.6");
    bench.rest();
}
