//! Calls of a former life are ended, whatever had become of them.

use std::time::Duration;

use sip::{Abandoned, DialogSnapshot, Event, Invite, LastWord, Stage};

use crate::bench::Bench;
use crate::pair::{Pair, Side, addr, invite};

/// The peer said so much of the call.
fn done(word: LastWord) -> Event {
    Event::AbandonDone { token: 5, word }
}

const UNHEARD: Event = Event::AbandonDone { token: 5, word: LastWord::Silent };

fn calling(tries: u8) -> Abandoned {
    let call = invite();
    Abandoned {
        token: 5,
        stage: Stage::Calling {
            destination: call.destination,
            symmetric: false,
            request_uri: call.request_uri,
            from: call.from,
            to: call.to,
            call_id: call.call_id,
            local_tag: "tag1".into(),
            branch: "z9hG4bKfirst".into(),
            tries,
        },
        credentials: None,
    }
}

/// Goal: kill the caller at any moment of a call; the next life ends it on the callee, too.
#[test]
fn killed_at_any_moment() {
    for at in (0..2000).step_by(50) {
        for loss in [0, 20] {
            let mut pair = Pair::new(at + 1, loss);
            let call = Invite {
                local_tag: Some("tag1".into()),
                branch: Some("z9hG4bKfirst".into()),
                ..invite()
            };
            pair.call(call);
            let end = pair.now + Duration::from_millis(at);
            while pair.now < end && pair.step() {}
            let known = pair.caller_events.iter().find_map(|event| match event {
                Event::Answered { dialog, .. } => Some((**dialog).clone()),
                _ => None,
            });
            let mut next = crate::pair::config(crate::pair::CALLER, 999);
            next.secret[20] = 1;
            pair.caller = sip::Endpoint::new(next);
            pair.caller_events.clear();
            let written = known.map(|dialog| DialogSnapshot::decode(&dialog.encode()).unwrap());
            let abandoned = match written {
                Some(dialog) => {
                    let stage = Stage::Answered(dialog);
                    Abandoned { token: 5, stage, credentials: None }
                }
                None => calling(1),
            };
            pair.with(Side::Caller, |e, now, out| e.abandon(now, abandoned, out).unwrap());
            let done = |e: &Event| matches!(e, Event::AbandonDone { token: 5, .. });
            pair.until(Duration::from_secs(100), done);
            let calls = |e: &&Event| matches!(e, Event::Incoming { .. });
            let legs = pair.callee_events.iter().filter(calls).count();
            let deadline = pair.now + Duration::from_secs(200);
            while pair.now < deadline && pair.step() {}
            if loss == 0 {
                assert!(!pair.caller_events.contains(&UNHEARD), "killed at {at} ms");
                assert_eq!(crate::pair::ends(&pair.callee_events).len(), legs, "killed at {at} ms");
                pair.drain();
            }
            assert_eq!(pair.caller_events.len(), 1);
            assert_eq!(pair.caller.live(), sip::Live::default());
        }
    }
}

/// Goal: with credentials both possible INVITEs are cancelled, each with its branch and number.
#[test]
fn both_tries_are_cancelled() {
    let mut bench = Bench::new();
    bench.act(|e, now, out| e.abandon(now, calling(2), out)).unwrap();
    let line = |index: usize| {
        let sip::Message::Request(request) = &bench.sent[index].1 else { panic!() };
        let get = |name| String::from_utf8_lossy(request.headers.get(name).unwrap()).into_owned();
        (get(sip::Name::CSeq), get(sip::Name::Via))
    };
    assert_eq!(line(0).0, "1 CANCEL");
    assert!(line(0).1.ends_with("branch=z9hG4bKfirst"));
    assert_eq!(line(1).0, "2 CANCEL");
    assert!(line(1).1.ends_with("branch=z9hG4bKfirst.2"));
    assert_eq!(bench.sent.len(), 2);
    bench.wait(Duration::from_secs(33));
    assert_eq!(bench.events, [UNHEARD], "nobody said that it is over");
    bench.rest();
}

/// Goal: the INVITE that was in force is over, so the call is: a proxy that drops the CANCEL of the
/// one that was never sent holds nothing up. One that was challenged says nothing of the next.
#[test]
fn the_invite_in_force_decides() {
    let over = done(LastWord::Unanswered);
    for (code, at_once, in_the_end) in [(487, true, over), (407, false, UNHEARD)] {
        let mut bench = Bench::new();
        bench.act(|e, now, out| e.abandon(now, calling(2), out)).unwrap();
        let first = bench.response("CANCEL", code, "far", "");
        let first = first.replace("2 CANCEL", "1 INVITE").replace("first.2", "first");
        bench.hear(&first);
        assert_eq!(bench.methods(), ["CANCEL", "CANCEL", "ACK"]);
        assert_eq!(!bench.events.is_empty(), at_once, "{code}");
        bench.wait(Duration::from_mins(1));
        assert_eq!(bench.events, [in_the_end], "{code}");
        bench.rest();
    }
}

/// Goal: a 200 that comes after the CANCEL was refused is acknowledged and hung up.
#[test]
fn answer_after_all() {
    let mut bench = Bench::new();
    bench.act(|e, now, out| e.abandon(now, calling(1), out)).unwrap();
    let ok = bench.response("CANCEL", 200, "far", "").replace("1 CANCEL", "1 INVITE");
    bench.respond("CANCEL", 481, "", "");
    bench.wait(Duration::from_secs(4));
    assert_eq!(bench.events, [], "the answer may be on its way");
    bench.hear(&ok);
    assert_eq!(bench.methods(), ["CANCEL", "ACK", "BYE"]);
    assert_eq!(bench.events, [], "the BYE is not answered yet");
    bench.respond("BYE", 200, "", "");
    assert_eq!(bench.events, [done(LastWord::HungUp)]);
    bench.rest();
}

/// Goal: who does not know the INVITE, and answers it no more, has no call of ours.
#[test]
fn unknown_to_the_peer() {
    let mut bench = Bench::new();
    bench.act(|e, now, out| e.abandon(now, calling(2), out)).unwrap();
    bench.respond("CANCEL", 481, "", "");
    bench.wait(Duration::from_secs(9));
    assert_eq!(bench.events, [], "of one INVITE nothing was said yet");
    bench.wait(Duration::from_mins(1));
    assert_eq!(bench.events, [UNHEARD]);
    let mut bench = Bench::new();
    bench.act(|e, now, out| e.abandon(now, calling(1), out)).unwrap();
    bench.respond("CANCEL", 481, "", "");
    bench.wait(Duration::from_secs(9));
    assert_eq!(bench.events, [done(LastWord::Unknown)]);
    bench.rest();
}

/// Goal: a CANCEL that is refused, or followed by nothing, says nothing of the phone that rings.
#[test]
fn a_cancel_without_its_end() {
    for code in [200, 500, 405] {
        let mut bench = Bench::new();
        bench.act(|e, now, out| e.abandon(now, calling(1), out)).unwrap();
        bench.respond("CANCEL", code, "", "");
        bench.wait(Duration::from_secs(33));
        assert_eq!(bench.events, [UNHEARD], "{code}");
        bench.rest();
    }
}

fn answered(credentials: Option<sip::Credentials>) -> Abandoned {
    let dialog = DialogSnapshot {
        transport: sip::Transport::Udp,
        destination: addr(crate::pair::CALLEE),
        call_id: b"call-1".to_vec(),
        local: b"<sip:a@b>;tag=1".to_vec(),
        remote: b"<sip:c@d>;tag=2".to_vec(),
        remote_target: b"sip:c@d".to_vec(),
        route_set: Vec::new(),
        next_cseq: 2,
    };
    Abandoned { token: 5, stage: Stage::Answered(dialog), credentials }
}

/// Goal: only a peer that has hung up, or that says that nobody of the dialog is there, tells of
/// its end; one that refuses says nothing of it.
#[test]
fn what_a_bye_is_answered() {
    let cases = [
        (LastWord::HungUp, &[200, 202][..]),
        (LastWord::Unknown, &[404, 408, 410, 480, 481, 484, 485, 604]),
        (LastWord::Silent, &[302, 400, 401, 403, 405, 483, 500, 502, 503, 603]),
    ];
    for (word, codes) in cases {
        for &code in codes {
            let mut bench = Bench::new();
            bench.act(|e, now, out| e.abandon(now, answered(None), out)).unwrap();
            bench.respond("BYE", code, "", "");
            assert_eq!(bench.events, [done(word)], "{code}");
            bench.rest();
        }
    }
}

/// Goal: who hangs up while we do has done so, whatever it makes of our BYE then.
#[test]
fn a_bye_that_crosses_ours() {
    let mut bench = Bench::new();
    bench.act(|e, now, out| e.abandon(now, answered(None), out)).unwrap();
    bench.hear(
        "BYE sip:us SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKtheirs\n\
         From: <sip:c@d>;tag=2\nTo: <sip:a@b>;tag=1\nCall-ID: call-1\nCSeq: 7 BYE\n\
         Content-Length: 0\n\n",
    );
    bench.respond("BYE", 481, "", "");
    assert_eq!(bench.events, [done(LastWord::HungUp)]);
    bench.rest();
}

/// Goal: a trunk that wants credentials for a BYE, too, gets them from the next life.
#[test]
fn a_challenged_bye() {
    let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=MD5\n";
    let mut bench = Bench::new();
    bench.act(|e, now, out| e.abandon(now, answered(None), out)).unwrap();
    bench.respond("BYE", 401, "", challenge);
    assert_eq!(bench.events, [UNHEARD]);
    let credentials = sip::Credentials { username: "u".into(), password: "p".into() };
    let mut bench = Bench::new();
    bench.act(|e, now, out| e.abandon(now, answered(Some(credentials)), out)).unwrap();
    bench.respond("BYE", 401, "", challenge);
    assert_eq!(bench.methods(), ["BYE", "BYE"]);
    bench.respond("BYE", 200, "", "");
    assert_eq!(bench.events, [done(LastWord::HungUp)]);
    bench.rest();
}

/// Goal: so is one of a phone behind NAT, whose Contact cannot be reached.
#[test]
fn answer_after_all_from_behind_nat() {
    let mut bench = Bench::new();
    let mut abandoned = calling(1);
    let Stage::Calling { symmetric, .. } = &mut abandoned.stage else { panic!() };
    *symmetric = true;
    bench.act(|e, now, out| e.abandon(now, abandoned, out)).unwrap();
    let more = "Contact: <sip:alice@10.9.9.9:5099>\n";
    let ok = bench.response("CANCEL", 200, "far", more).replace("1 CANCEL", "1 INVITE");
    bench.respond("CANCEL", 481, "", "");
    bench.hear(&ok);
    assert_eq!(bench.methods(), ["CANCEL", "ACK", "BYE"]);
    assert!(bench.sent.iter().all(|(to, _)| *to == invite().destination));
    bench.respond("BYE", 200, "", "");
    bench.rest();
}

/// Goal: snapshots survive writing down, and nothing else is taken for one.
#[test]
fn snapshots() {
    let snapshot = DialogSnapshot {
        transport: sip::Transport::Tcp,
        destination: addr("[2001:db8::1]:5060"),
        call_id: b"c".to_vec(),
        local: b"\"\xff\" <sip:a@b>;tag=1".to_vec(),
        remote: b"<sip:c@d>;tag=2".to_vec(),
        remote_target: b"sip:c@d".to_vec(),
        route_set: vec![b"<sip:r;lr>".to_vec(), b"<sip:s;lr>".to_vec()],
        next_cseq: 9,
    };
    let bytes = snapshot.encode();
    assert_eq!(DialogSnapshot::decode(&bytes), Some(snapshot));
    for end in 0..bytes.len() - 30 {
        assert!(end > 60 || DialogSnapshot::decode(&bytes[..end]).is_none());
    }
    assert_eq!(DialogSnapshot::decode(b"dialog 2\nx"), None);
}
