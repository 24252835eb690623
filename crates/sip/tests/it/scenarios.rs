//! The nasty scenarios, each at several rates of loss and with many seeds.

use std::time::Duration;

use sip::{Credentials, Event, Failure, Headers, LegId, Name, Party};

use crate::pair::{Challenge, Pair, Policy, Side, ends, invite, ms};

/// Runs a scenario without loss once, and with 5 % and 20 % loss for many seeds.
pub fn storm(scenario: impl Fn(&mut Pair, u64)) {
    for (loss, seeds) in [(0, 1), (5, 150), (20, 150)] {
        for seed in 1..=seeds {
            let mut pair = Pair::new(seed, loss);
            scenario(&mut pair, loss);
        }
    }
}

pub fn is_end(event: &Event) -> bool {
    matches!(event, Event::Failed { .. } | Event::Ended { .. })
}

fn failure(pair: &mut Pair, limit: Duration) -> Failure {
    match pair.until(limit, is_end) {
        Event::Failed { failure, .. } => failure,
        other => panic!("not a failure: {other:?}"),
    }
}

fn code_of(failure: &Failure) -> u16 {
    match failure {
        Failure::Rejected { code, .. } => *code,
        other => panic!("not rejected: {other:?}"),
    }
}

/// Goal: a whole call, we hang up; INVITE, 180, 200, ACK and BYE may each be lost.
#[test]
fn answered_and_hung_up_by_us() {
    storm(|pair, loss| {
        let leg = pair.call(invite());
        // Seven INVITEs and eleven 200s: at these rates of loss every call is answered.
        let first = pair.until(Duration::from_secs(70), |event| {
            is_end(event) || matches!(event, Event::Answered { .. })
        });
        let Event::Answered { sdp, dialog, .. } = first else { panic!("{first:?}") };
        assert_eq!(sdp.as_deref(), Some(b"v=0 answer".as_slice()));
        // INVITE, and PRACK where the 180 came before the 200.
        assert!((2..=3).contains(&dialog.next_cseq));
        pair.hang_up_at(Side::Caller, leg, ms(5000));
        pair.until(Duration::from_secs(80), is_end);
        pair.drain();
        assert_eq!(ends(&pair.caller_events).len(), 1);
        let calls = pair.callee_events.iter().filter(|e| matches!(e, Event::Incoming { .. }));
        assert_eq!(ends(&pair.callee_events).len(), calls.count());
        if loss == 0 {
            assert!(matches!(
                ends(&pair.caller_events)[0],
                Event::Ended { by: Party::Us, q850: Some(16), .. }
            ));
            assert!(matches!(
                ends(&pair.callee_events)[0],
                Event::Ended { by: Party::Peer, q850: Some(16), .. }
            ));
            assert_eq!(pair.sent(Side::Caller, "INVITE sip"), 1);
            assert_eq!(pair.sent(Side::Caller, "ACK sip"), 1);
            assert_eq!(pair.sent(Side::Caller, "BYE sip"), 1);
        }
    });
}

/// Goal: the callee hangs up; early media is not taken for an answer.
#[test]
fn early_media_then_hung_up_by_the_callee() {
    storm(|pair, loss| {
        pair.policy = Policy { ring_code: 183, hang_up_after: Some(ms(2000)), ..Policy::default() };
        pair.call(invite());
        pair.until(Duration::from_secs(140), is_end);
        pair.drain();
        assert_eq!(ends(&pair.caller_events).len(), 1);
        if loss == 0 {
            assert!(matches!(
                &pair.caller_events[0],
                Event::Provisional { code: 183, sdp: Some(_), .. }
            ));
            assert!(matches!(ends(&pair.caller_events)[0], Event::Ended { by: Party::Peer, .. }));
        }
    });
}

/// Goal: nobody answers: CANCEL with the same branch, 487 acknowledged, `NoAnswer`.
#[test]
fn no_answer_is_cancelled() {
    storm(|pair, loss| {
        pair.policy = Policy { answer_after: None, ..Policy::default() };
        let mut call = invite();
        call.ring_timeout = Duration::from_secs(20);
        pair.call(call);
        let failure = failure(pair, Duration::from_secs(140));
        assert!(matches!(failure, Failure::NoAnswer | Failure::Timeout));
        if loss == 0 {
            assert_eq!(failure, Failure::NoAnswer);
            assert_eq!(pair.sent(Side::Caller, "CANCEL sip"), 1);
            assert_eq!(pair.sent(Side::Callee, "487"), 1);
        }
        // A callee that was never told to stop keeps ringing: its owner's affair.
        let ringing: Vec<LegId> = pair
            .callee_events
            .iter()
            .filter_map(|e| if let Event::Incoming { leg, .. } = e { Some(*leg) } else { None })
            .collect();
        for leg in ringing {
            pair.hang_up_at(Side::Callee, leg, Duration::from_mins(1));
        }
        pair.drain();
    });
}

/// Goal: hanging up at every moment of a call, with and without loss, ends both sides.
#[test]
fn hung_up_at_any_moment() {
    for at in (0..2600).step_by(13) {
        for loss in [0, 20] {
            let mut pair = Pair::new(at, loss);
            let leg = pair.call(invite());
            pair.hang_up_at(Side::Caller, leg, ms(at));
            pair.until(Duration::from_secs(140), is_end);
            let early = pair.ladder.iter().position(|(_, line)| line.starts_with("CANCEL"));
            let heard = pair.ladder.iter().position(|(_, line)| line.contains("100 Trying"));
            assert!(early.is_none() || heard < early, "CANCEL only after a 1xx");
            for event in pair.callee_events.clone() {
                if let Event::Incoming { leg, .. } = event {
                    pair.hang_up_at(Side::Callee, leg, Duration::from_secs(100));
                }
            }
            pair.drain();
            assert_eq!(ends(&pair.caller_events).len(), 1);
        }
    }
}

/// Goal: the 200 crosses our CANCEL: acknowledged and hung up, never an answer.
#[test]
fn late_200_after_cancel() {
    storm(|pair, loss| {
        pair.policy.answer_after = Some(ms(1000));
        let leg = pair.call(invite());
        // The 200 leaves at 1010 ms and arrives at 1020 ms; the CANCEL leaves at 1015 ms.
        pair.hang_up_at(Side::Caller, leg, ms(1015));
        let failure = failure(pair, Duration::from_secs(70));
        pair.drain();
        assert!(!pair.caller_events.iter().any(|e| matches!(e, Event::Answered { .. })));
        assert_eq!(ends(&pair.caller_events).len(), 1);
        if loss == 0 {
            assert_eq!(failure, Failure::Cancelled);
            assert_eq!(pair.caller.counters().glares, 1);
            assert_eq!(pair.sent(Side::Caller, "ACK sip"), 1);
            assert_eq!(pair.sent(Side::Caller, "BYE sip"), 1);
        }
        // Whatever was lost, nobody is left in a call.
        assert!(ends(&pair.callee_events).len() <= 1, "{:#?}", pair.ladder);
    });
}

/// Goal: a CANCEL asked for before any response waits for the first 1xx.
#[test]
fn cancel_waits_for_a_provisional() {
    let mut pair = Pair::new(1, 0);
    let mut lost = 0;
    pair.dropper = Box::new(move |_, text| {
        lost += u32::from(text.starts_with("INVITE"));
        text.starts_with("INVITE") && lost <= 2
    });
    let leg = pair.call(invite());
    pair.hang_up(Side::Caller, leg);
    assert_eq!(pair.sent(Side::Caller, "CANCEL"), 0);
    assert_eq!(failure(&mut pair, Duration::from_secs(30)), Failure::Cancelled);
    pair.drain();
    assert_eq!(pair.sent(Side::Caller, "CANCEL"), 1);
    assert!(matches!(ends(&pair.callee_events)[..], [Event::Cancelled { .. }]));
}

/// Goal: a 200 without any 1xx before it is an answer.
#[test]
fn answer_without_provisional() {
    storm(|pair, loss| {
        pair.policy = Policy {
            ring_after: None,
            answer_after: Some(ms(0)),
            hang_up_after: Some(ms(500)),
            ..Policy::default()
        };
        let provisional = |side, text: &str| side == Side::Callee && text.contains(" 100 ");
        pair.dropper = Box::new(provisional);
        pair.call(invite());
        pair.until(Duration::from_secs(140), is_end);
        pair.drain();
        // Ten losses of the 200 in a row are rare at 20 %.
        let answered = pair.caller_events.iter().any(|e| matches!(e, Event::Answered { .. }));
        assert!(answered, "at a loss of {loss} %");
    });
}

/// Goal: a refusal arrives with its code, cause and Retry-After.
#[test]
fn refusals() {
    for (code, extra) in [(486, ""), (503, "Retry-After"), (404, "Reason"), (603, "")] {
        storm(|pair, loss| {
            let mut headers = Headers::new();
            match extra {
                "Retry-After" => headers.push(Name::RetryAfter, b"30 (busy hour);duration=5"),
                "Reason" => headers.push(Name::Reason, b"SIP;cause=404, Q.850;cause=1;text=\"x\""),
                _ => {}
            }
            pair.policy.reject = Some((code, headers));
            pair.call(invite());
            let failure = failure(pair, Duration::from_secs(70));
            if loss == 0 || failure != Failure::Timeout {
                assert_eq!(code_of(&failure), code);
                let Failure::Rejected { q850, retry_after_seconds, .. } = failure else { return };
                assert_eq!(q850, (extra == "Reason").then_some(1));
                assert_eq!(retry_after_seconds, (extra == "Retry-After").then_some(30));
            }
            pair.drain();
        });
    }
}

/// Goal: nobody there: timer B after 32 s, INVITE sent seven times.
#[test]
fn nobody_there() {
    let mut pair = Pair::new(1, 0);
    pair.dropper = Box::new(|_, _| true);
    pair.call(invite());
    assert_eq!(failure(&mut pair, Duration::from_secs(33)), Failure::Timeout);
    assert_eq!(pair.now - pair.start, Duration::from_secs(32));
    assert_eq!(pair.sent(Side::Caller, "INVITE"), 7);
    pair.drain();
}

/// Goal: the socket reports an unreachable peer.
#[test]
fn undeliverable() {
    let mut pair = Pair::new(1, 0);
    pair.dropper = Box::new(|_, _| true);
    pair.call(invite());
    let to = invite().destination;
    pair.with(Side::Caller, |e, now, out| e.undeliverable(now, to, out));
    assert_eq!(failure(&mut pair, Duration::from_secs(1)), Failure::Transport);
    pair.drain();
}

const FORMS: &[(&str, Challenge)] = &[
    ("both, 401", Challenge { code: 401, replace: &[], send: &[0, 1] }),
    ("MD5 first, 407", Challenge { code: 407, replace: &[], send: &[1, 0] }),
    ("MD5 only", Challenge { code: 401, replace: &[], send: &[1] }),
    ("SHA-256 only", Challenge { code: 407, replace: &[], send: &[0] }),
    (
        "auth-int",
        Challenge { code: 401, replace: &[("qop=\"auth\"", "qop=\"auth-int\"")], send: &[0] },
    ),
    (
        "auth,auth-int",
        Challenge { code: 407, replace: &[("qop=\"auth\"", "qop=\"auth,auth-int\"")], send: &[1] },
    ),
    (
        "no qop, no algorithm",
        Challenge {
            code: 401,
            replace: &[(", qop=\"auth\"", ""), (", algorithm=MD5", "")],
            send: &[1],
        },
    ),
    (
        "unknown algorithm beside MD5",
        Challenge { code: 401, replace: &[("SHA-256", "SHA-512-256")], send: &[0, 1] },
    ),
];

/// Goal: every form of challenge is answered, with loss, and the callee's check passes.
#[test]
fn challenges_are_answered() {
    for (name, challenge) in FORMS {
        for (loss, seeds) in [(0, 1), (20, 20)] {
            for seed in 1..=seeds {
                let mut pair = Pair::new(seed, loss);
                pair.policy.challenge = Some(*challenge);
                pair.policy.hang_up_after = Some(ms(300));
                let mut call = invite();
                call.credentials =
                    Some(Credentials { username: "trunk".into(), password: "secret".into() });
                pair.call(call);
                let end = pair.until(Duration::from_secs(140), is_end);
                if loss == 0 {
                    assert!(matches!(end, Event::Ended { .. }), "{name}: {end:?}");
                    assert_eq!(pair.caller.counters().challenges, 1, "{name}");
                }
                pair.drain();
            }
        }
    }
}

/// Goal: a wrong password fails after one try, no password after none.
#[test]
fn wrong_password() {
    for (password, invites) in [(Some("wrong"), 2), (None, 1)] {
        storm(|pair, loss| {
            pair.policy.challenge = Some(FORMS[0].1);
            let mut call = invite();
            call.credentials = password.map(|password| Credentials {
                username: "trunk".into(),
                password: password.into(),
            });
            pair.call(call);
            let failure = failure(pair, Duration::from_secs(140));
            if loss == 0 || failure != Failure::Timeout {
                assert_eq!(code_of(&failure), 401);
            }
            if loss == 0 {
                assert_eq!(pair.sent(Side::Caller, "INVITE sip"), invites);
            }
            pair.drain();
            assert!(ends(&pair.callee_events).is_empty(), "nobody was rung");
        });
    }
}

/// Goal: a display name in another encoding and a `tel:` identity go through unharmed.
#[test]
fn strange_identities() {
    let mut pair = Pair::new(1, 0);
    let mut call = invite();
    call.from.display = b"\"\xd8\xc7 latin-1 \xe9\"".to_vec();
    call.from.uri = "tel:+982188888888".parse().unwrap();
    call.to = sip::NameAddr::new("tel:09121234567;phone-context=+98".parse().unwrap());
    pair.policy.hang_up_after = Some(ms(100));
    pair.call(call);
    let end = pair.until(Duration::from_secs(10), is_end);
    assert!(matches!(end, Event::Ended { .. }));
    let Event::Incoming { request, .. } = &pair.callee_events[0] else { panic!() };
    let from = request.headers.get(Name::From).unwrap();
    assert!(from.starts_with(b"\"\xd8\xc7 latin-1 \xe9\" <tel:+982188888888>;tag="));
    pair.drain();
}

/// Goal: the ACK never arrives: the callee repeats its 200 for 32 s, then hangs up.
#[test]
fn ack_never_arrives() {
    let mut pair = Pair::new(1, 0);
    pair.dropper = Box::new(|side, text| side == Side::Caller && text.starts_with("ACK"));
    pair.call(invite());
    let end = pair.until(Duration::from_mins(1), is_end);
    assert!(matches!(end, Event::Ended { by: Party::Peer, q850: Some(102), .. }));
    assert_eq!(pair.callee.counters().unacknowledged, 1);
    // Repeats at 0.5, 1, 2, 4, 4 … s: 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5.
    assert_eq!(pair.sent(Side::Callee, "200 OK | CSeq: 1 INVITE"), 11);
    assert_eq!(pair.sent(Side::Caller, "ACK"), 11);
    pair.drain();
}

/// Goal: a callee that hangs up before the ACK waits for it first (§15).
#[test]
fn hang_up_before_the_ack() {
    storm(|pair, loss| {
        let mut lost = false;
        let first =
            move |_, text: &str| text.starts_with("ACK") && !std::mem::replace(&mut lost, true);
        pair.dropper = Box::new(first);
        pair.call(invite());
        pair.until(Duration::from_secs(70), |e| matches!(e, Event::Answered { .. }));
        let Event::Incoming { leg, .. } = pair.callee_events[0] else { panic!() };
        pair.hang_up(Side::Callee, leg);
        assert_eq!(pair.sent(Side::Callee, "BYE"), 0);
        let end = pair.until(Duration::from_secs(70), is_end);
        assert!(matches!(end, Event::Ended { by: Party::Peer, .. }), "at {loss} %: {end:?}");
        pair.drain();
        assert_eq!(ends(&pair.callee_events).len(), 1);
    });
}

/// Goal: both sides hang up at once: one end each.
#[test]
fn both_hang_up() {
    storm(|pair, _| {
        let leg = pair.call(invite());
        pair.until(Duration::from_secs(70), |e| matches!(e, Event::Answered { .. }));
        let at = pair.now + ms(1000);
        while pair.now < at && pair.step() && pair.callee_events.len() < 2 {}
        let Event::Incoming { leg: other, .. } = pair.callee_events[0] else { panic!() };
        pair.hang_up(Side::Caller, leg);
        pair.hang_up(Side::Callee, other);
        pair.drain();
        assert_eq!(ends(&pair.caller_events).len(), 1);
        assert_eq!(ends(&pair.callee_events).len(), 1);
    });
}
