//! The story of a call that support reads later: exact, bounded, and without a number or a secret.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use engine::limits::{MAX_LADDER_BYTES, MAX_MESSAGES, MAX_RUNGS};
use engine::{Cause, Input, Ladder, Outcome, Turn};
use proptest::prelude::*;
use sip::{Message, Method, Name};

use crate::peer::{Act, CALLEE_SIP, Callee, Outbox, Peer, description, usual_description};
use crate::world::{
    CARRIER_SIP, ENGINE_SIP, World, address, call, call_to, clip_of_frames, playing, voting,
};

/// The story as support reads it, in whole milliseconds.
fn told(outcome: &Outcome) -> Vec<String> {
    let rungs = outcome.ladder.rungs().iter();
    rungs.map(|rung| format!("{} {rung}", rung.at_us() / 1_000)).collect()
}

/// Goal: an answered call is told from its INVITE to the answer to its BYE, each message once.
#[test]
fn the_whole_story_of_an_answered_call() {
    let mut world = World::new();
    world.start(call(1, "09121234567"));
    world.run_until_quiet();
    assert_eq!(
        told(world.outcome(1)),
        [
            "0 sent INVITE 1",
            "10 received 180 to INVITE 1",
            "10 sent PRACK 2",
            "20 received 200 to PRACK 2",
            "1010 received 200 to INVITE 1",
            "1010 sent ACK 1",
            "1010 answered",
            "1010 codec PCMA",
            "1030 first audio",
            "3010 clip played to its end",
            "3230 we hung up",
            "3230 sent BYE 3",
            "3240 received 200 to BYE 3",
            "3240 end",
        ]
    );
}

/// Goal: when the callee was first heard is kept, whether its sound is listened to or only counted,
/// and once.
#[test]
fn the_first_sound_of_the_callee_is_told() {
    for script in [playing(clip_of_frames(200)), voting(clip_of_frames(200), 1_000)] {
        let callee = Callee::new(usual_description()).say(700, &[900; 8_000]);
        let mut world = World::new();
        world.add_peer(callee);
        let mut spec = call_to(1, "callee", address(CALLEE_SIP));
        spec.script = script;
        world.start(spec);
        world.run_until_quiet();
        let outcome = world.outcome(1);
        let timeline = outcome.timeline;
        let after_us = timeline.first_received_us.unwrap() - timeline.answered_us.unwrap();
        assert!((690_000..760_000).contains(&after_us), "{after_us}");
        assert_eq!(outcome.rtp.received, 50, "the first one is counted as the others");
        let heard = outcome.ladder.rungs().iter().filter(|rung| rung.turn() == Turn::FirstReceived);
        assert_eq!(heard.count(), 1);
    }
}

/// Goal: a refusal is told with its code and the network's own cause, a challenge with the INVITE
/// that answers it.
#[test]
fn a_refusal_is_told_with_its_cause() {
    let mut world = World::new();
    world.start(call(1, "09990000486"));
    world.start(call(2, "09990000401"));
    world.run_until_quiet();
    let busy = told(world.outcome(1));
    let end = ["sent ACK 1", "Q.850 cause 17", "end"];
    assert!(busy.iter().any(|line| line.ends_with("received 486 to INVITE 1")), "{busy:#?}");
    assert!(busy[busy.len() - 3..].iter().zip(end).all(|(line, end)| line.ends_with(end)));
    let challenged = told(world.outcome(2)).join("\n");
    for line in ["received 401 to INVITE 1", "sent ACK 1", "sent INVITE 2", "sent ACK 2"] {
        assert!(challenged.contains(line), "{challenged}");
    }
}

/// Goal: a phone that rings on is told with the ring timeout, the CANCEL and what came of it.
#[test]
fn a_ring_timeout_is_told_with_its_cancel() {
    let mut world = World::new();
    let mut spec = call(1, "09990000180");
    spec.ring_timeout_ms = 8_000;
    world.start(spec);
    world.run_until_quiet();
    let story = told(world.outcome(1));
    let end: Vec<&str> =
        story.iter().skip_while(|line| !line.contains("timeout")).map(|s| &**s).collect();
    assert_eq!(
        end,
        [
            "8000 the ring timeout passed",
            "8000 sent CANCEL 1",
            "8010 received 200 to CANCEL 1",
            "8010 received 487 to INVITE 1",
            "8010 sent ACK 1",
            "8010 end",
        ]
    );
}

/// Goal: an INVITE that nobody answers is one line however often it was sent, then timer B.
#[test]
fn repeated_messages_are_counted_not_repeated() {
    let mut world = World::new();
    let mut spec = call(1, "09990000408");
    spec.ring_timeout_ms = 60_000;
    world.start(spec);
    world.run_until_quiet();
    assert_eq!(
        told(world.outcome(1)),
        ["0 sent INVITE 1, 7 times", "32000 timer B: no answer to our INVITE", "32000 end",]
    );
}

/// Goal: with a third of all datagrams lost, what was sent again is counted, and nothing that
/// happened once stands there twice.
#[test]
fn on_a_lossy_network_nothing_stands_there_twice() {
    let mut repeated = 0;
    for seed in 0..20 {
        let mut world = World::new();
        world.loss_percent = 30;
        world.dice.0 = seed;
        world.start(call(1, "09121234567"));
        world.run_until_quiet();
        let ladder = &world.outcome(1).ladder;
        let turns: Vec<Turn> = ladder.rungs().iter().map(engine::Rung::turn).collect();
        for (at, turn) in turns.iter().enumerate() {
            assert!(!turns[..at].contains(turn), "seed {seed}: {ladder:#?}");
        }
        repeated += ladder.rungs().iter().filter(|rung| rung.times() > 1).count();
        assert!(ladder.rungs().is_sorted_by_key(engine::Rung::at_us), "seed {seed}: {ladder:#?}");
    }
    assert!(repeated > 20, "{repeated}");
}

/// Goal: what the callee does in the call is told: keys without their digit, hold, another codec,
/// and who hung up why.
#[test]
fn the_turns_of_a_call_are_told() {
    let on_hold = description("192.0.2.50", "40000 RTP/AVP 8 101", "a=sendonly\r\n");
    let in_pcmu = description("192.0.2.50", "40000 RTP/AVP 0", "");
    let callee = Callee::new(usual_description())
        .press(500, '7')
        .then(1_000, Act::Reinvite(Some(on_hold)))
        .then(2_000, Act::Reinvite(Some(in_pcmu)))
        .then(3_000, Act::Bye("Reason: Q.850;cause=31\r\n"));
    let mut world = World::new();
    world.add_peer(callee);
    let mut spec = call_to(1, "callee", address(CALLEE_SIP));
    spec.script = voting(clip_of_frames(1_000), 10_000);
    world.start(spec);
    world.run_until_quiet();
    let story = told(world.outcome(1));
    let lines = |part: &str| story.iter().filter(|line| line.ends_with(part)).count();
    for part in [
        "key pressed",
        "received INVITE 101",
        "sent 200 to INVITE 101",
        "received ACK 101",
        "held by the peer",
        "codec PCMU",
        "resumed by the peer",
        "received BYE 103",
        "sent 200 to BYE 103",
        "the peer hung up",
        "Q.850 cause 31",
    ] {
        assert_eq!(lines(part), 1, "{part}: {story:#?}");
    }
    assert!(!story.iter().any(|line| line.contains('7') && line.contains("key")), "{story:#?}");
}

/// Rings ten thousand times, in as many ways as there are codes, then answers and hangs up.
struct Ringer {
    invite: Option<sip::Request>,
    left: u32,
    next_at: Option<Instant>,
    outbox: Outbox,
}

impl Ringer {
    fn respond(&mut self, code: u32, body: &str) {
        let request = self.invite.as_ref().unwrap();
        let mut text = format!("SIP/2.0 {code} 09121234567 secret\r\n");
        for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
            let tag = if name == Name::To { ";tag=ringer" } else { "" };
            let value = String::from_utf8_lossy(request.headers.get(name).unwrap());
            write!(text, "{}: {value}{tag}\r\n", name.text()).unwrap();
        }
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let length = body.len();
        write!(
            text,
            "Contact: <sip:r@{CALLEE_SIP}>\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        self.outbox.push((address(CALLEE_SIP), address(ENGINE_SIP), text.into_bytes()));
    }
}

impl Peer for Ringer {
    fn address(&self) -> SocketAddr {
        address(CALLEE_SIP)
    }

    fn receive(&mut self, now: Instant, _from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if to != address(CALLEE_SIP) {
            return;
        }
        if let Message::Request(request) =
            sip::message::parse(bytes, &sip::Limits::default()).unwrap()
        {
            let method = request.method.clone();
            match method {
                Method::Invite => {
                    self.invite = Some(request);
                    self.next_at = Some(now);
                }
                Method::Bye => {
                    self.invite = Some(request);
                    self.respond(200, "");
                }
                _ => {}
            }
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.next_at
    }

    fn expire(&mut self, now: Instant) {
        self.left -= 1;
        if self.left == 0 {
            self.next_at = None;
            return self.respond(200, &usual_description());
        }
        self.next_at = Some(now + Duration::from_millis(1));
        self.respond(101 + self.left % 99, "");
    }

    fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }
}

/// Goal: a peer that sends ten thousand provisional responses of a hundred kinds fills its share of
/// the story and no more; what is left out is counted, and the answer and the end are there.
#[test]
fn a_hostile_peer_finds_the_bound() {
    const SENT: u32 = 10_000;
    let mut world = World::new();
    let outbox = Vec::new();
    world.add_peer(Ringer { invite: None, left: SENT, next_at: None, outbox });
    let mut spec = call_to(1, "callee", address(CALLEE_SIP));
    spec.script = playing(clip_of_frames(50));
    world.start(spec);
    world.run_until_ended();
    let outcome = world.outcome(1);
    assert_eq!(outcome.cause, Cause::Played);
    let rungs = outcome.ladder.rungs();
    assert!(rungs.len() <= MAX_RUNGS, "{rungs:#?}");
    let is_message = |turn: Turn| matches!(turn, Turn::Message(_));
    let messages = rungs.iter().filter(|rung| is_message(rung.turn()));
    assert_eq!(messages.clone().count(), MAX_MESSAGES);
    let kept: u32 = messages.map(|rung| u32::from(rung.times())).sum();
    let left_out: u32 = rungs
        .iter()
        .find_map(|rung| match rung.turn() {
            Turn::LeftOut(count) => Some(count),
            _ => None,
        })
        .unwrap();
    // The INVITE, all that the peer sent, our ACK and BYE, and the answer to that.
    assert_eq!(kept + left_out, 1 + SENT + 3);
    let told = told(outcome).join("\n");
    for turn in ["answered", "first audio", "clip played to its end", "we hung up", "end"] {
        assert!(told.contains(turn), "{turn}: {told}");
    }
    assert!(outcome.ladder.encode().len() <= MAX_LADDER_BYTES);
}

/// Goal: neither the number, nor a password, nor anything else of a message's text is in what is
/// kept, whatever the peer writes into its own.
#[test]
fn no_number_and_no_secret_is_kept() {
    let mut world = World::new();
    let outbox = Vec::new();
    world.add_peer(Ringer { invite: None, left: 3, next_at: None, outbox });
    world.start(call_to(1, "09121234567", address(CALLEE_SIP)));
    world.start(call(2, "09990000401"));
    world.run_until_ended();
    for key in [1, 2] {
        let outcome = world.outcome(key);
        let bytes = outcome.ladder.encode();
        let words = format!("{:?} {}", outcome.ladder, told(outcome).join("\n"));
        for kept in [String::from_utf8_lossy(&bytes).into_owned(), words] {
            let credential = carrier::numbers::SANDBOX_CREDENTIAL;
            for secret in ["0912", "1234567", "0999", "2100000", "secret", credential] {
                assert!(!kept.contains(secret), "{secret}: {kept}");
            }
        }
    }
}

/// Goal: what is kept reads back as it was; a usual call takes few bytes.
#[test]
fn the_story_survives_the_disk() {
    let mut world = World::new();
    for (key, number) in [(1, "09121234567"), (2, "09990000486"), (3, "09990000180")] {
        world.start(call(key, number));
    }
    world.run_for(Duration::from_millis(300));
    let destination = address(CARRIER_SIP);
    world.start(call(4, "09990000408"));
    world.engine_input(Input::Undeliverable { destination });
    world.run_until_quiet();
    for key in 1..=4 {
        let ladder = &world.outcome(key).ladder;
        let bytes = ladder.encode();
        assert_eq!(Ladder::decode(&bytes).as_ref(), Some(ladder));
        assert!(bytes.len() <= 80, "{} bytes", bytes.len());
    }
    let undeliverable = told(world.outcome(4));
    assert!(undeliverable.iter().any(|line| line.ends_with("not deliverable")));
}

proptest! {
    /// Goal: nothing that may stand on a disk panics or grows beyond the bound.
    #[test]
    fn any_bytes_are_a_story_or_none(bytes: Vec<u8>) {
        if let Some(ladder) = Ladder::decode(&bytes) {
            prop_assert!(ladder.rungs().len() <= MAX_RUNGS);
            prop_assert_eq!(Ladder::decode(&ladder.encode()), Some(ladder));
        }
    }
}
