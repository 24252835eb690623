//! Phones that come to life after we gave the call up: nobody waits for them, so they are told.

use std::time::Duration;

use sip::{Event, Failure, Invite, Name};

use crate::bench::Bench;
use crate::pair::{Pair, Side, invite, ms};

/// A call whose INVITE nobody has responded to until timer B.
fn given_up() -> Bench {
    let mut bench = Bench::new();
    bench.call(invite());
    bench.wait(Duration::from_secs(33));
    assert!(matches!(bench.events[..], [Event::Failed { failure: Failure::Timeout, .. }]));
    bench
}

/// The values of a field in the last requests with these methods.
fn values(bench: &Bench, methods: [&str; 2], name: Name) -> Vec<Vec<u8>> {
    methods
        .into_iter()
        .map(|method| {
            let found = bench.sent.iter().rev().find_map(|(_, message)| match message {
                sip::Message::Request(r) if r.method.as_bytes() == method.as_bytes() => Some(r),
                _ => None,
            });
            found.expect("it was sent").headers.get(name).unwrap().to_vec()
        })
        .collect()
}

/// Goal: a phone that rings late is cancelled with the branch of its INVITE, once, and its 487 is
/// acknowledged; the owner hears nothing more.
#[test]
fn a_late_ringing_is_cancelled() {
    let mut bench = given_up();
    let sent = bench.sent.len();
    bench.respond("INVITE", 180, "far", "");
    bench.respond("INVITE", 180, "far", "");
    let via = values(&bench, ["INVITE", "CANCEL"], Name::Via);
    assert_eq!(via[0], via[1]);
    bench.respond("CANCEL", 200, "", "");
    bench.respond("INVITE", 487, "far", "");
    bench.respond("INVITE", 487, "far", "");
    assert_eq!(bench.methods()[sent..], ["CANCEL", "ACK", "ACK"]);
    assert_eq!(bench.endpoint.counters().late_responses, 1);
    assert_eq!(bench.events.len(), 1, "the owner has heard of its end already");
    bench.rest();
}

/// Goal: a phone that answers late, or in spite of the late CANCEL, is hung up on.
#[test]
fn a_late_answer_is_acknowledged_and_hung_up() {
    for rings in [false, true] {
        let mut bench = given_up();
        let sent = bench.sent.len();
        if rings {
            bench.respond("INVITE", 180, "far", "");
        }
        bench.respond("INVITE", 200, "far", "Contact: <sip:gw@10.9.9.9:5099>\n");
        bench.respond("BYE", 200, "", "");
        let cancel = if rings { &["CANCEL"][..] } else { &[] };
        assert_eq!(bench.methods()[sent..], [cancel, &["ACK", "BYE"]].concat());
        assert_eq!(bench.endpoint.counters().late_responses, 1 + u64::from(rings));
        assert_eq!(bench.endpoint.counters().forks, 0);
        assert_eq!(bench.events.len(), 1);
        bench.rest();
    }
}

/// Goal: a phone that still rings long after a CANCEL that never reached it is cancelled again.
#[test]
fn a_phone_that_our_cancel_did_not_reach_is_cancelled_again() {
    let mut bench = Bench::new();
    let leg = bench.call(invite());
    bench.respond("INVITE", 180, "far", "");
    bench.act(|e, now, out| e.hang_up(now, leg, None, out));
    bench.wait(Duration::from_secs(40));
    assert!(matches!(bench.events.last(), Some(Event::Failed { failure: Failure::Cancelled, .. })));
    let sent = bench.sent.len();
    bench.respond("INVITE", 180, "far", "");
    bench.respond("CANCEL", 200, "", "");
    bench.respond("INVITE", 487, "far", "");
    assert_eq!(bench.methods()[sent..], ["CANCEL", "ACK"]);
    bench.rest();
}

/// Goal: a peer that rings without end neither keeps the memory of a call nor makes us send much.
#[test]
fn endless_late_ringing_is_bounded() {
    let mut bench = given_up();
    let sent = bench.sent.len();
    let ringing = bench.response("INVITE", 180, "far", "");
    for _ in 0..300 {
        bench.hear(&ringing);
        if bench.methods().last().is_some_and(|last| last == "CANCEL") {
            bench.respond("CANCEL", 481, "", "");
        }
        bench.wait(Duration::from_secs(1));
    }
    // One CANCEL for each of its own transactions of 5 s, in 32 s.
    assert!((2..=8).contains(&(bench.sent.len() - sent)), "{:?}", &bench.methods()[sent..]);
    assert_eq!(bench.endpoint.live(), sip::Live::default());
}

/// Goal: a re-INVITE that is answered too late, when its call has been ended for its silence, is
/// acknowledged and nothing else.
#[test]
fn a_late_answer_to_a_reinvite_is_only_acknowledged() {
    let (mut bench, leg) = Bench::answered("");
    assert!(bench.act(|e, now, out| e.offer(now, leg, b"v=0 again", out)));
    bench.wait(Duration::from_secs(34));
    let sent = bench.sent.len();
    bench.respond("INVITE", 180, "far", "");
    bench.respond("INVITE", 200, "far", "");
    assert_eq!(bench.methods()[sent..], ["ACK"]);
    bench.rest();
}

/// Goal: a network that comes back after half a minute lets no phone ring on: whatever rings or
/// answers after all is ended within the time of a few round trips.
#[test]
fn a_network_that_comes_back_late_leaves_no_phone_ringing() {
    for seed in 0..40 {
        let mut pair = Pair::new(seed, 0);
        // Only the last INVITE arrives, after 31.5 s, and the phone takes its time.
        let mut invites = 0;
        pair.dropper = Box::new(move |side, text| {
            let first = text.lines().next().unwrap_or_default();
            invites += u32::from(side == Side::Caller && first.starts_with("INVITE"));
            invites < 7 || first.contains(" 100 ")
        });
        pair.policy.ring_after = Some(ms(500 + seed * 100));
        pair.policy.answer_after = Some(ms(1_000 + seed * 300));
        pair.call(Invite { ring_timeout: Duration::from_mins(2), ..invite() });
        let failed = pair.until(Duration::from_secs(40), crate::scenarios::is_end);
        assert!(matches!(failed, Event::Failed { failure: Failure::Timeout, .. }));
        pair.drain();
        let ends = crate::pair::ends(&pair.callee_events);
        assert_eq!(ends.len(), 1, "seed {seed}: {:?}", pair.ladder);
        assert_eq!(pair.caller.counters().late_responses, 1, "seed {seed}: {:?}", pair.ladder);
    }
}
