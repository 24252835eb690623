//! Several shards behind one address: peers see one SIP port, calls spread, and a process with
//! another number of shards finds what the one before has left.

use domain::{AttemptId, QuickSendId};
use engine::CallKey;
use server::shard::{ShardCommand, Shards, ShardsConfig, event_channel};

use crate::baresip::{Baresip, EXTENSION, is_registered, with_phone_and};
use crate::far_end::FarEnd;
use crate::platform::{Options, Platform, config, eventually, rising_tone};
use crate::sipp::{Sipp, TCP};

fn sharded(shards: usize, more: &str) -> Options {
    let config = config(more).replace("[sip]\n", &format!("[sip]\nshards = {shards}\n"));
    Options { config, ..Options::default() }
}

/// The shard that has the first attempt of a send when there are two.
fn shard_of(send: i64) -> usize {
    let attempt = AttemptId { quick_send: QuickSendId(send), n: 1 };
    node::shard_of(CallKey(attempt.pack()), 2)
}

/// Goal: calls are spread over both shards, all leave from the one port that peers know, and each
/// is settled.
#[test]
fn calls_spread_over_shards_behind_one_port() {
    const CALLS: usize = 40;
    let far_end = FarEnd::start(CALLS);
    let trunk = format!("[[trunk]]\nname = 'far'\naddress = '{}'\n", far_end.address);
    let platform = Platform::start(sharded(2, &trunk));
    let customer = platform.customer(1_000_000);
    let message = platform.upload(&customer, &rising_tone(8_000));
    let sends: Vec<i64> =
        (0..CALLS).map(|n| platform.send(&customer, message, &format!("0912{n:07}"))).collect();
    eventually("both shards have their share", || {
        let live =
            |shard| platform.figure(&format!("avanak_shard_live_calls{{shard=\"{shard}\"}}"));
        (live(0) > 12.0 && live(1) > 12.0).then_some(())
    });
    for send in &sends {
        let story = platform.story_of_ended(&customer, *send);
        assert_eq!((&story["reason"], &story["charged_rials"]), (&10.into(), &450.into()));
    }
    let here = ([127, 0, 0, 1], platform.sip_port()).into();
    assert_eq!(far_end.sources(), [here].into());
    let started = platform.figure("avanak_engine_total{event=\"calls_started\"}");
    assert!((started - 40.0).abs() < 0.5, "the counters are those of both: {started}");
}

/// Goal: whatever number of shards the next process has, nobody is called twice, calls that were
/// up are hung up, and what still waited is called.
#[test]
fn another_number_of_shards_recovers_the_calls() {
    let far_end = FarEnd::start(200);
    let trunk = format!("[[trunk]]\nname = 'far'\naddress = '{}'\nmax_cps = 10\n", far_end.address);
    let mut platform = Platform::start(sharded(2, &trunk));
    let customer = platform.customer(1_000_000);
    let message = platform.upload(&customer, &rising_tone(5_000));
    let mut sends = Vec::new();
    for (round, shards) in [1, 3, 2].into_iter().enumerate() {
        for n in 0..20 {
            let number = format!("0912{round:03}{n:04}");
            sends.push((platform.send(&customer, message, &number), number));
        }
        let so_far = 20 * round + 10;
        eventually("half of them were called", || (far_end.seen().len() >= so_far).then_some(()));
        platform.kill();
        platform.configure(sharded(shards, &trunk).config);
        platform.restart();
    }
    for (send, number) in &sends {
        let story = platform.story_of_ended(&customer, *send);
        let reason = story["reason"].as_i64().unwrap();
        assert!([10, 11, 30].contains(&reason), "{number}: {story}");
    }
    eventually("the carrier has no call left", || {
        far_end.seen().values().all(|seen| seen.live == 0).then_some(())
    });
    let seen = far_end.seen();
    for (_, number) in &sends {
        assert_eq!(seen.get(number).map(|seen| seen.started), Some(1), "{number}");
    }
    let audit = platform.cli(&["account", "audit", "--json"]);
    assert_eq!(audit["violations"], serde_json::json!([]), "{audit}");
}

/// Goal: what comes back over a connection that the shards share reaches the shard of its call.
#[test]
fn shards_share_a_connection() {
    const CALLS: usize = 4;
    let mut sipp = Sipp::at(CALLS, "uas_answer.xml", TCP);
    let trunk = format!(
        "[[trunk]]\nname = 'peer'\naddress = '127.0.0.1:{}'\ntransport = 'tcp'\n",
        sipp.port
    );
    let platform = Platform::start(sharded(2, &trunk));
    let customer = platform.customer(100_000);
    let message = platform.upload(&customer, &rising_tone(4_000));
    let sends: Vec<i64> =
        (0..CALLS).map(|n| platform.send(&customer, message, &format!("0912000000{n}"))).collect();
    for send in &sends {
        let story = platform.story_of_ended(&customer, *send);
        assert_eq!(story["reason"], 10, "{story}");
    }
    assert!(sipp.passed(), "SIPp saw what its scenario wants");
    for shard in [0, 1] {
        assert!(sends.iter().any(|send| shard_of(*send) == shard), "both had calls: {sends:?}");
    }
}

/// Goal: a phone registers with the first shard, and both can call it.
#[test]
fn every_shard_calls_a_registered_phone() {
    let (platform, registrar, customer, username, password) = with_phone_and("shards = 2\n");
    let _phone = Baresip::start(registrar, &username, &password);
    eventually("baresip registers", || is_registered(&platform, &customer).then_some(()));
    let message = platform.upload(&customer, &rising_tone(4_000));
    let mut called = [false; 2];
    while called != [true; 2] {
        let send = platform.send(&customer, message, EXTENSION);
        let story = platform.story_of_ended(&customer, send);
        assert_eq!(story["reason"], 10, "{story}");
        called[shard_of(send)] = true;
    }
}

/// Goal: one thread that ends is noticed, whichever it is, so that the program can end and settle
/// its calls at the next start.
#[test]
fn a_shard_that_ends_is_noticed() {
    for victim in [0, 1] {
        let dir = tempfile::tempdir().unwrap();
        let recorder =
            server::flight_recorder::open(&dir.path().join("slots"), 8, "a test").unwrap();
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let (report, _events) = event_channel();
        let config = ShardsConfig { shards: 2, ..crate::bridge::shards_config(any) };
        let mut shards = Shards::start(&config, recorder, None, &report).unwrap();
        assert!(!shards.has_ended());
        assert!(shards.send(victim, ShardCommand::Stop).is_ok());
        eventually("the end of one is the end", || shards.has_ended().then_some(()));
        let other = shards.sorter();
        assert!(!other.inboxes()[1 - victim].has_ended());
        shards.stop();
        assert!(other.inboxes()[1 - victim].has_ended());
    }
}
