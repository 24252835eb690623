//! Phones that call us: only those that prove themselves, only the numbers we serve, and what
//! becomes of it is the caller of the engine's to say.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use engine::{
    CallKey, Caller, Cause, Codec, Command, Event, Gather, KeySet, Limits, Play, Script, Srtp,
    Step, TrunkSource, limits,
};

use crate::peer::Phone;
use crate::phones::{AT, credential, set, world_with_phone};
use crate::world::{ENGINE_SIP, World, address, call, carrier_config, clip_of_frames};

const ECHO: &str = "*43";

fn serving(password: &str) -> (World, Rc<RefCell<Phone>>) {
    let (mut world, phone) = world_with_phone(password);
    world.command(Command::SetServices([ECHO.to_owned()].into()));
    (world, phone)
}

/// The calls that came in: key, phone and number.
fn incoming(world: &World) -> Vec<(CallKey, &str, &str)> {
    let came = |(_, event): &'_ (Duration, Event)| -> Option<CallKey> {
        if let Event::Incoming { call, .. } = event { Some(*call) } else { None }
    };
    let who = |call| {
        world.events.iter().find_map(move |(_, event)| match event {
            Event::Incoming { call: key, caller: Caller::Phone(name), number, .. }
                if *key == call =>
            {
                Some((call, name.as_str(), number.as_str()))
            }
            _ => None,
        })
    };
    world.events.iter().filter_map(came).filter_map(who).collect()
}

fn answer(world: &mut World, call: CallKey) {
    let play = Play::whole(clip_of_frames(100));
    let script = Arc::new(Script::new(vec![Step::Play(play)]).unwrap());
    world.command(Command::Answer { call, script, max_duration_ms: 60_000 });
}

fn dial(world: &mut World, phone: &Rc<RefCell<Phone>>, number: &str) {
    phone.borrow_mut().dial(world.now, number, true);
    world.run_for(Duration::from_millis(100));
}

/// Answers whatever comes in until nothing is going on.
fn answer_all(world: &mut World) {
    let mut answered = 0;
    for _ in 0..1_500 {
        world.run_for(Duration::from_millis(100));
        let new: Vec<CallKey> =
            incoming(world)[answered..].iter().map(|(call, ..)| *call).collect();
        answered += new.len();
        for call in new {
            answer(world, call);
        }
    }
    world.run_until_quiet();
}

#[test]
fn a_phone_that_proves_itself_is_answered_and_hears_the_clip() {
    for md5_only in [false, true] {
        let (mut world, phone) = serving("secret");
        phone.borrow_mut().md5_only = md5_only;
        dial(&mut world, &phone, ECHO);
        let [(call, "alice", ECHO)] = incoming(&world)[..] else { panic!("{:?}", world.events) };
        assert!(call.is_incoming() && !CallKey(1).is_incoming());
        assert_eq!(phone.borrow().story, ["180"]);
        answer(&mut world, call);
        world.run_until_quiet();
        assert_eq!(phone.borrow().story, ["180", "answered", "ended by Peer"]);
        assert!(phone.borrow().rtp_packets >= 100);
        let outcome = world.outcome(call.0);
        assert_eq!((outcome.cause, outcome.answered), (Cause::Played, true));
        let challenge = phone.borrow().received.iter().any(|text| text.starts_with(b"SIP/2.0 407"));
        assert!(challenge, "nobody is believed without a password");
        assert!(world.outcome(call.0).rtp.sent >= 100);
    }
}

/// Goal: whoever holds a caller with music may say something else at any moment, and ring somebody
/// for the caller; keys are told all the while, and those of before are not those of now.
#[test]
fn another_script_takes_the_place_of_the_present_one() {
    let (mut world, phone) = serving("secret");
    dial(&mut world, &phone, ECHO);
    let call = incoming(&world)[0].0;
    let music = Step::Loop { clip: clip_of_frames(50), for_ms: 600_000, barge_in: KeySet::NONE };
    let waits = Arc::new(Script::new(vec![music]).unwrap());
    // Nobody has answered yet: nothing to go on with.
    world.command(Command::Follow { call, script: Arc::clone(&waits) });
    world.command(Command::Answer { call, script: waits, max_duration_ms: 600_000 });
    world.run_for(Duration::from_secs(90));
    let heard = phone.borrow().rtp_packets;
    assert!((4_400..4_600).contains(&heard), "{heard}");
    let gather = Gather { vote: false, ..Gather::vote(60_000) };
    let asks = Script::new(vec![Step::Play(Play::whole(clip_of_frames(20))), Step::Gather(gather)]);
    world.command(Command::Follow { call, script: Arc::new(asks.unwrap()) });
    world.run_for(Duration::from_secs(10));
    let now_heard = phone.borrow().rtp_packets - heard;
    assert!(now_heard < 600, "no music: {now_heard}");
    let ends = Script::new(vec![Step::Play(Play::whole(clip_of_frames(10)))]).unwrap();
    world.command(Command::Follow { call, script: Arc::new(ends) });
    world.run_until_quiet();
    assert_eq!(world.outcome(call.0).cause, Cause::Played);
    assert_eq!(phone.borrow().story, ["180", "answered", "ended by Peer"]);
    // It is over: nothing happens.
    let late = Script::new(vec![Step::HangUp]).unwrap();
    world.command(Command::Follow { call, script: Arc::new(late) });
    world.run_until_quiet();
}

#[test]
fn the_owner_may_refuse_and_must_decide_in_time() {
    let (mut world, phone) = serving("secret");
    dial(&mut world, &phone, ECHO);
    let call = incoming(&world)[0].0;
    world.command(Command::Reject { call, sip_code: 603 });
    world.run_until_quiet();
    assert_eq!(phone.borrow().story, ["180", "603"]);
    dial(&mut world, &phone, ECHO);
    world.run_for(Duration::from_millis(limits::DECISION_MS));
    assert_eq!(phone.borrow().story[2..], ["180", "480"]);
    let late = incoming(&world)[1].0;
    answer(&mut world, late);
    world.command(Command::Reject { call: late, sip_code: 603 });
    world.run_until_quiet();
    assert_eq!(phone.borrow().story.len(), 4);
    assert_eq!(world.counter("incoming_refused"), 2);
    let told = world.events.iter().filter_map(|(_, event)| match event {
        Event::NotAnswered { call } => Some(*call),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [call, late]);
}

#[test]
fn a_phone_may_give_up_at_any_moment() {
    for after_ms in (0..400).step_by(9) {
        let (mut world, phone) = serving("secret");
        phone.borrow_mut().dial(world.now, ECHO, true);
        world.run_for(Duration::from_millis(after_ms.min(200)));
        let came = incoming(&world).first().map(|(call, ..)| *call);
        if let Some(call) = came.filter(|_| after_ms > 200) {
            answer(&mut world, call);
            world.run_for(Duration::from_millis(after_ms - 200));
        }
        phone.borrow_mut().hang_up(world.now);
        world.run_for(Duration::from_millis(100));
        // What comes too late changes nothing.
        if let Some(call) = came.filter(|_| after_ms <= 200) {
            answer(&mut world, call);
        }
        world.run_until_quiet();
        let ends = |(_, event): &&(Duration, Event)| match event {
            Event::Ended { call, .. } | Event::NotAnswered { call } => Some(*call) == came,
            _ => false,
        };
        let told = world.events.iter().filter(ends).count();
        assert_eq!(told, usize::from(came.is_some()), "{after_ms} ms: its end is told once");
        let story = phone.borrow().story.clone();
        let last = if after_ms > 200 { "ended by Us" } else { "Cancelled" };
        assert_eq!(story.last().map(String::as_str), Some(last), "{after_ms} ms: {story:?}");
    }
}

/// The trunk that calls from where a phone is.
fn trunk() -> TrunkSource {
    let ip = address(AT).ip();
    TrunkSource {
        trunk: "north".to_owned(),
        ranges: vec![ip..=ip],
        codecs: Vec::new(),
        srtp: Srtp::Off,
        symmetric_rtp: false,
    }
}

/// Goal: what holds of a trunk's calls holds of those that it makes to us: one that must encrypt
/// does not call in the clear, and a codec that it does not have is not agreed on.
#[test]
fn a_trunks_terms_hold_for_its_own_calls() {
    let strict = TrunkSource { srtp: Srtp::Required, ..trunk() };
    let other_codec = TrunkSource { codecs: vec![Codec::G722], ..trunk() };
    for (source, last) in [(trunk(), "ended by Us"), (strict, "488"), (other_codec, "488")] {
        let (mut world, here) = serving("wrong");
        world.command(Command::SetTrunks([source.clone()].into()));
        dial(&mut world, &here, ECHO);
        let came = world.events.iter().find_map(|(_, event)| match event {
            Event::Incoming { call, .. } => Some(*call),
            _ => None,
        });
        answer(&mut world, came.unwrap());
        world.run_until_quiet();
        assert_eq!(here.borrow().story.last().map(String::as_str), Some(last), "{source:?}");
    }
}

/// Goal: a trunk is known by where it calls from, and needs no password there; elsewhere it is a
/// stranger, and so it is when it is a trunk no more.
#[test]
fn a_trunk_calls_without_a_password_from_where_it_is() {
    let (mut world, here) = serving("wrong");
    world.command(Command::SetTrunks([trunk()].into()));
    dial(&mut world, &here, ECHO);
    let call = world.events.iter().find_map(|(_, event)| match event {
        Event::Incoming { call, caller: Caller::Trunk(trunk), number, .. } => {
            assert_eq!((trunk.as_str(), number.as_str()), ("north", ECHO));
            Some(*call)
        }
        _ => None,
    });
    let call = call.unwrap();
    answer(&mut world, call);
    world.run_until_quiet();
    assert_eq!(here.borrow().story[..2], ["180", "answered"]);
    assert_eq!(world.outcome(call.0).cause, Cause::Played);
    assert_eq!(world.counter("incoming_unproven"), 0);
    dial(&mut world, &here, "02188888888");
    assert_eq!(here.borrow().story.last().unwrap(), "404", "no number but ours");
    let elsewhere = world.add_peer(Phone::new("north", "secret", "198.51.100.8:6000"));
    dial(&mut world, &elsewhere, ECHO);
    assert_eq!(elsewhere.borrow().story, ["403"]);
    world.command(Command::SetTrunks([].into()));
    dial(&mut world, &here, ECHO);
    assert_eq!(here.borrow().story.last().unwrap(), "403");
}

#[test]
fn strangers_wrong_passwords_and_other_numbers_get_nowhere() {
    let (mut world, wrong) = serving("guess");
    dial(&mut world, &wrong, ECHO);
    assert_eq!(wrong.borrow().story, ["403"]);
    let stranger = world.add_peer(Phone::new("mallory", "secret", "198.51.100.8:6000"));
    dial(&mut world, &stranger, ECHO);
    assert_eq!(stranger.borrow().story, ["403"]);
    set(&mut world, &[credential("alice", "guess"), credential("bob", "b")]);
    for (number, code) in [("bob", "480"), ("nobody", "404"), ("*44", "404")] {
        dial(&mut world, &wrong, number);
        assert_eq!(wrong.borrow().story.last().unwrap(), code, "{number}");
    }
    world.command(Command::SetServices([].into()));
    dial(&mut world, &wrong, ECHO);
    assert_eq!(wrong.borrow().story.last().unwrap(), "404");
    assert!(incoming(&world).is_empty());
    world.run_until_quiet();
}

#[test]
fn an_offer_without_anything_in_common_or_none_at_all_ends_the_call() {
    let (mut world, phone) = serving("secret");
    phone.borrow_mut().dial(world.now, ECHO, false);
    world.run_for(Duration::from_millis(100));
    let call = incoming(&world)[0].0;
    answer(&mut world, call);
    world.run_until_quiet();
    assert_eq!(world.outcome(call.0).cause, Cause::NoMediaAgreed);
    assert_eq!(phone.borrow().story, ["180", "answered", "ended by Peer"]);
}

/// Goal: what is decided about keeps no room, and an answer takes none that others have taken
/// meanwhile. Found by fuzzing: there was one call more than there may be.
#[test]
fn an_answer_finds_no_room_when_all_of_it_was_taken_meanwhile() {
    let full = Limits { calls: 1, ..Limits::default() };
    let mut world = World::with(20, full, carrier_config(64));
    set(&mut world, &[credential("alice", "secret")]);
    world.command(Command::SetServices([ECHO.to_owned()].into()));
    let phone = world.add_peer(Phone::new("alice", "secret", AT));
    dial(&mut world, &phone, ECHO);
    let came = incoming(&world)[0].0;
    world.start(call(1, "09121234567"));
    answer(&mut world, came);
    assert_eq!(world.engine.live_calls(), 1);
    world.run_until_quiet();
    assert_eq!(phone.borrow().story, ["180", "486"]);
    assert_eq!(world.outcome(1).cause, Cause::Played);
}

#[test]
fn calls_of_phones_survive_loss_and_leave_nothing() {
    let mut heard = 0;
    for seed in 1..=40 {
        let (mut world, phone) = serving("secret");
        world.dice.0 = seed;
        world.loss_percent = 15;
        phone.borrow_mut().dial(world.now, ECHO, true);
        answer_all(&mut world);
        let story = phone.borrow().story.clone();
        let ends = |word: &&String| word.starts_with("ended") || word.as_str() == "480";
        heard += usize::from(phone.borrow().rtp_packets > 60);
        assert!(story.iter().filter(ends).count() <= 1, "{story:?}");
    }
    assert!(heard >= 36, "{heard} of 40 heard the clip");
}

#[test]
fn a_flood_of_calls_keeps_nothing_and_phones_have_their_share() {
    let (mut world, phone) = serving("secret");
    for number in 0..2_000 {
        let text = format!(
            "INVITE sip:*43@192.0.2.1 SIP/2.0\r\n\
             Via: SIP/2.0/UDP 203.0.113.9:6000;branch=z9hG4bKflood{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:alice@192.0.2.1>;tag=a\r\nTo: <sip:*43@192.0.2.1>\r\n\
             Call-ID: flood-{number}\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@{AT}>\r\n\
             Content-Length: 0\r\n\r\n"
        );
        world.post(address("203.0.113.9:6000"), address(ENGINE_SIP), text.into_bytes());
        world.run_for(Duration::from_millis(7));
        assert_eq!(world.engine.live(), engine::Live::default());
    }
    for _ in 0..=limits::MAX_INCOMING {
        dial(&mut world, &phone, ECHO);
        world.run_for(Duration::from_millis(50));
        // Long enough that they are all alive together.
        if let Some((call, ..)) = incoming(&world).last() {
            let script = Script::new(vec![Step::Loop {
                clip: clip_of_frames(10),
                for_ms: 59_000,
                barge_in: engine::KeySet::NONE,
            }]);
            let (call, script) = (*call, Arc::new(script.unwrap()));
            world.command(Command::Answer { call, script, max_duration_ms: 60_000 });
        }
    }
    assert_eq!(world.engine.live_calls(), limits::MAX_INCOMING);
    assert_eq!(phone.borrow().story.last().unwrap(), "486");
    world.run_until_quiet();
}
