//! Which trunk carries a call, and what happens when the operator changes them while calls live.

use domain::Disposition;
use domain::dialer::trunk::NumberFormat;
use engine::Srtp;
use node::{Caps, NodeConfig, Serves, Trunk};
use store::quick_send::State;

use crate::fixture::{World, busy, config, ended, heard_out, number_of};

const WIDE: Caps = Caps { max_channels: 100, max_cps: 1_000 };

fn trunk(name: &str, host: u8, caps: Caps) -> Trunk {
    Trunk::new(name, format!("192.0.2.{host}:5060").parse().unwrap(), "02100000000", caps)
}

fn number(n: usize) -> String {
    format!("0912{n:07}")
}

async fn world(trunks: Vec<Trunk>) -> World {
    World::new(NodeConfig { trunks, ..config(1, 1) }).await
}

/// Goal: the second priority takes what the first has no channel for, and nothing else.
#[tokio::test]
async fn a_full_trunk_overflows_to_the_next_priority_and_only_then() {
    let narrow = Caps { max_channels: 2, max_cps: 1_000 };
    let second = Trunk { priority: 1, ..trunk("second", 2, WIDE) };
    let mut world = world(vec![second, trunk("first", 1, narrow)]).await;
    let customer = world.account(1_000_000).await;
    for n in 0..3 {
        world.submit(&customer, &number(n)).await;
        world.run().await;
    }
    assert_eq!(world.called_at(), ["192.0.2.1", "192.0.2.1", "192.0.2.2"]);
    let first = world.started[0].call;
    world.tell(ended(first, busy()));
    world.run().await;
    world.submit(&customer, &number(3)).await;
    world.run().await;
    assert_eq!(world.called_at()[3], "192.0.2.1", "it has a channel again");
    world.audit().await;
}

/// Goal: a trunk that may not start another call this moment does not hold up what the next can
/// carry.
#[tokio::test]
async fn a_trunk_out_of_pace_overflows_too() {
    let slow = Caps { max_channels: 100, max_cps: 1 };
    let second = Trunk { priority: 1, ..trunk("second", 2, WIDE) };
    let mut world = world(vec![trunk("first", 1, slow), second]).await;
    let customer = world.account(1_000_000).await;
    for n in 0..2 {
        world.submit(&customer, &number(n)).await;
    }
    world.run().await;
    assert_eq!(world.called_at(), ["192.0.2.1", "192.0.2.2"]);
}

/// Goal: a sandbox's calls take the sandbox carrier alone and a real account's never do, even when
/// there is no other way left; and one does not keep the other from a number.
#[tokio::test]
async fn sandboxes_and_real_accounts_never_share_a_trunk() {
    let narrow = Caps { max_channels: 2, max_cps: 1_000 };
    let played = Trunk { serves: Serves::Sandboxes, ..trunk("sandbox", 2, narrow) };
    let mut world = world(vec![trunk("real", 1, narrow), played.clone()]).await;
    let customer = world.account(1_000_000).await;
    let sandbox = world.sandbox_of(&customer).await;
    assert_ne!(sandbox.0.account.id, customer.0.account.id);
    for _ in 0..2 {
        for who in [&customer, &sandbox] {
            world.submit(who, &number(1)).await;
            world.submit(who, &number(2)).await;
            world.submit(who, &number(3)).await;
        }
    }
    world.pass_ms(1_000).await;
    let mut called = world.called_at();
    called.sort();
    assert_eq!(called, ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.2"]);
    let only = |trunk| World::new(NodeConfig { trunks: vec![trunk], ..config(1, 1) });
    let real = only(trunk("real", 1, WIDE)).await;
    let customer = real.account(1_000_000).await;
    let sandbox = real.sandbox_of(&customer).await;
    assert!(real.submit_by(&sandbox, &number(1), None).await.is_none());
    let carrier = only(played).await;
    let customer = carrier.account(1_000_000).await;
    assert!(carrier.submit_by(&customer, &number(1), None).await.is_none());
    let sandbox = carrier.sandbox_of(&customer).await;
    assert!(carrier.submit_by(&sandbox, &number(1), Some(7)).await.is_some());
}

/// Goal: equal priorities share by weight, exactly.
#[tokio::test]
async fn weights_share_the_calls() {
    let three = Trunk { weight: 3, ..trunk("three", 3, WIDE) };
    let mut world = world(vec![three, trunk("one", 1, WIDE)]).await;
    let customer = world.account(10_000_000).await;
    for n in 0..40 {
        world.submit(&customer, &number(n)).await;
    }
    world.pass_ms(1_000).await;
    let three = world.called_at().iter().filter(|host| *host == "192.0.2.3").count();
    assert_eq!((world.started.len(), three), (40, 30));
}

/// Goal: a longer prefix is never overflown into the trunks of a shorter one.
#[tokio::test]
async fn only_equally_long_prefixes_stand_in_for_each_other() {
    let one = Caps { max_channels: 1, max_cps: 1_000 };
    let own = Trunk { prefixes: vec![String::from("0912")], ..trunk("own", 1, one) };
    let mut world = world(vec![own, trunk("all", 2, WIDE)]).await;
    let customer = world.account(1_000_000).await;
    for number in ["09121111111", "09122222222", "09351111111"] {
        world.submit(&customer, number).await;
    }
    world.pass_ms(500).await;
    assert_eq!(world.called(), ["09121111111", "09351111111"]);
    world.tell(ended(world.started[0].call, busy()));
    world.run().await;
    assert_eq!(world.called()[2], "09122222222");
}

/// Goal: the live call on a removed trunk ends and is settled as if nothing had happened; the
/// waiting ones find the trunk that took its place.
#[tokio::test]
async fn a_removed_trunk_keeps_its_live_calls_and_gets_no_new_ones() {
    let one = Caps { max_channels: 1, max_cps: 1_000 };
    let mut world = world(vec![trunk("old", 1, one)]).await;
    let customer = world.account(1_000_000).await;
    let live = world.submit(&customer, &number(1)).await;
    world.submit(&customer, &number(2)).await;
    world.run().await;
    assert_eq!(world.started.len(), 1);
    world.set_trunks(vec![trunk("new", 2, one)]).await;
    assert_eq!(world.called_at(), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(world.gate.channels_in_use().iter().map(|(_, used)| used).sum::<u32>(), 2);
    world.tell(ended(world.started[0].call, heard_out()));
    world.run().await;
    let ended = world.ended(&customer, live).await;
    assert_eq!((ended.disposition, ended.trunk.as_deref()), (Disposition::Delivered, Some("old")));
    let shown = world.gate.channels_in_use();
    assert!(!shown.iter().any(|(name, _)| name == "old"), "{shown:?}");
    world.audit().await;
}

/// Goal: new caps hold from this moment, in both directions.
#[tokio::test]
async fn caps_change_at_once() {
    let caps = |max_channels| Caps { max_channels, max_cps: 1_000 };
    let mut world = world(vec![trunk("north", 1, caps(1))]).await;
    let customer = world.account(1_000_000).await;
    for n in 0..6 {
        world.submit(&customer, &number(n)).await;
    }
    world.run().await;
    assert_eq!(world.started.len(), 1);
    world.set_trunks(vec![trunk("north", 1, caps(4))]).await;
    assert_eq!(world.started.len(), 4);
    world.set_trunks(vec![trunk("north", 1, caps(2))]).await;
    world.tell(ended(world.started[0].call, busy()));
    world.pass_ms(500).await;
    assert_eq!(world.started.len(), 4, "three are up and two may be");
}

/// Goal: without a trunk sends wait; the first one that takes them dials them.
#[tokio::test]
async fn what_no_trunk_takes_waits_until_one_does() {
    let mut world = world(vec![trunk("north", 1, WIDE)]).await;
    let customer = world.account(1_000_000).await;
    let send = world.submit(&customer, &number(1)).await;
    let off = Trunk { enabled: false, ..trunk("north", 1, WIDE) };
    world.set_trunks(vec![off]).await;
    world.pass_ms(1_000).await;
    assert_eq!(world.called(), [""; 0]);
    assert!(matches!(world.state(&customer, send).await, State::Ready { .. }));
    world.set_trunks(vec![trunk("north", 1, WIDE)]).await;
    world.pass_ms(6_000).await;
    assert_eq!(world.called(), [number(1)]);
    world.audit().await;
}

/// Goal: a call carries its trunk's word about how sound travels.
#[tokio::test]
async fn a_call_has_its_trunks_media_settings() {
    let guarded = Trunk { srtp: Srtp::Required, symmetric_rtp: true, ..trunk("t", 1, WIDE) };
    let mut world = world(vec![guarded]).await;
    let account = world.account(1_000_000).await;
    world.submit(&account, &number(1)).await;
    world.run().await;
    let spec = &world.started[0];
    assert_eq!((spec.srtp, spec.symmetric_rtp), (Srtp::Required, true));
    world.set_trunks(vec![trunk("t", 1, WIDE)]).await;
    world.submit(&account, &number(2)).await;
    world.run().await;
    let spec = &world.started[1];
    assert_eq!((spec.srtp, spec.symmetric_rtp), (Srtp::Off, false));
}

/// Goal: numbers and the caller's number are written as the trunk and the account have it.
#[tokio::test]
async fn a_trunk_has_its_own_form_of_numbers_and_an_account_its_own_number() {
    let mut world = world(Vec::new()).await;
    let one = world.account(1_000_000).await;
    let other = world.account(1_000_000).await;
    let caller_ids = [(one.0.account.id, String::from("02188888888"))].into();
    let number_format = NumberFormat::parse("77{national}").unwrap();
    world.set_trunks(vec![Trunk { caller_ids, number_format, ..trunk("t", 1, WIDE) }]).await;
    world.submit(&one, &number(1)).await;
    world.submit(&other, &number(2)).await;
    world.run().await;
    let from: Vec<&str> = world.started.iter().map(|spec| &*spec.from_uri).collect();
    assert_eq!(from, ["sip:02188888888@avanak.invalid", "sip:02100000000@avanak.invalid"]);
    assert_eq!(number_of(&world.started[0]), format!("77{}", number(1)));
}

/// Goal: a number that may not be shown on a trunk (any more) is not shown on it.
#[tokio::test]
async fn a_trunk_shows_the_numbers_of_its_list_alone() {
    let mut world = world(Vec::new()).await;
    let (one, other) = (world.account(1_000_000).await, world.account(1_000_000).await);
    let (allowed, forbidden) = (String::from("02188888888"), String::from("02177777777"));
    let caller_ids = [(one.0.account.id, allowed.clone()), (other.0.account.id, forbidden)].into();
    let may_show = vec![String::from("02166666666"), allowed];
    world.set_trunks(vec![Trunk { caller_ids, may_show, ..trunk("t", 1, WIDE) }]).await;
    world.submit(&one, &number(1)).await;
    world.submit(&other, &number(2)).await;
    world.run().await;
    let from: Vec<&str> = world.started.iter().map(|spec| &*spec.from_uri).collect();
    assert_eq!(from, ["sip:02188888888@avanak.invalid", "sip:02100000000@avanak.invalid"]);
}
