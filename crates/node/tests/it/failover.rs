//! A trunk that fails: another one tries, exactly once, and the failing one is left alone.

use domain::dialer::disposition::NO_TRUNK;
use domain::{Disposition, QuickSendId};
use engine::{Cause, Event, LastWord, Outcome, Standing};
use node::{Caps, NodeConfig, Trunk};
use store::quick_send::State;

use crate::dialling::requests;
use crate::fixture::{World, busy, config, ended, heard_out, refused, silence};

const WIDE: Caps = Caps { max_channels: 100, max_cps: 1_000 };

/// Trunk `n` of a route, tried in their order.
fn trunk(n: u8) -> Trunk {
    let address = format!("192.0.2.{n}:5060").parse().unwrap();
    Trunk { priority: n.into(), ..Trunk::new(&format!("t{n}"), address, "021", WIDE) }
}

async fn world(trunks: u8) -> World {
    let trunks = (1..=trunks).map(trunk).collect();
    World::new(NodeConfig { trunks, ..config(1, 1) }).await
}

fn number(n: usize) -> String {
    format!("0912{n:07}")
}

/// A refusal with Retry-After.
fn later(seconds: u32) -> Outcome {
    Outcome { retry_after_s: Some(seconds), ..refused(503) }
}

impl World {
    /// The last call that was started ends like this.
    async fn last_ends(&mut self, outcome: Outcome) {
        let call = self.last_call();
        self.tell(ended(call, outcome));
        self.run().await;
    }

    /// The trunks that failed a send: their names and codes.
    async fn failed(&self, send: QuickSendId) -> Vec<(String, Option<u16>)> {
        let story = app::quick_send::story(&self.app, send).await.unwrap().unwrap();
        story.failed.into_iter().map(|one| (one.trunk, one.failure.sip_code)).collect()
    }
}

/// Goal: the customer hears nothing of a trunk that refuses; the next one calls within the same
/// hold, and what the first said is kept.
#[tokio::test]
async fn what_one_trunk_refuses_the_next_one_calls() {
    for code in [401, 403, 500, 503, 302, 488] {
        let mut world = world(2).await;
        let customer = world.account(1_000).await;
        let send = world.submit(&customer, &number(1)).await;
        world.run().await;
        world.last_ends(refused(code)).await;
        assert_eq!(world.called_at(), ["192.0.2.1", "192.0.2.2"], "{code}");
        assert_ne!(world.started[0].call_id, world.started[1].call_id);
        assert_eq!(world.balance(&customer).await, (1_000, 450), "one hold");
        world.last_ends(heard_out()).await;
        let end = world.ended(&customer, send).await;
        let sign = (end.disposition, end.trunk.as_deref(), end.charge.0);
        assert_eq!(sign, (Disposition::Delivered, Some("t2"), 450));
        assert_eq!(world.failed(send).await, [(String::from("t1"), Some(code))]);
        assert!(world.recorder.as_ref().unwrap().is_empty());
        world.audit().await;
    }
}

/// Goal: whom a trunk has asked, no other trunk asks again: neither after a callee's refusal nor
/// when anything rang before the failure.
#[tokio::test]
async fn a_callee_is_asked_once() {
    for code in [404, 408, 480, 486, 487, 600, 603, 606] {
        let mut world = world(2).await;
        let customer = world.account(1_000).await;
        let send = world.submit(&customer, &number(1)).await;
        world.run().await;
        world.last_ends(refused(code)).await;
        world.pass_s(40).await;
        assert_eq!(world.called_at(), ["192.0.2.1"], "{code}");
        assert!(matches!(world.state(&customer, send).await, State::Ended(_)));
    }
    let mut world = world(2).await;
    let customer = world.account(1_000).await;
    let send = world.submit(&customer, &number(1)).await;
    world.run().await;
    let mut rang = refused(503);
    rang.timeline.ringing_us = Some(50_000);
    world.tell(Event::EarlyMedia { call: world.last_call() });
    world.last_ends(rang).await;
    world.pass_s(40).await;
    assert_eq!(world.called_at(), ["192.0.2.1"]);
    assert_eq!(world.ended(&customer, send).await.disposition, Disposition::NetworkFailure);
}

/// Goal: our own failures say nothing of a trunk and are not tried again.
#[tokio::test]
async fn our_own_failures_are_not_tried_again() {
    for outcome in [refused(400), Outcome { cause: Cause::HungUpByUs, ..silence() }] {
        let mut world = world(2).await;
        let customer = world.account(1_000).await;
        let send = world.submit(&customer, &number(1)).await;
        world.run().await;
        world.last_ends(outcome).await;
        assert_eq!(world.called_at(), ["192.0.2.1"]);
        let end = world.ended(&customer, send).await;
        assert_eq!((end.disposition, end.charge.0), (Disposition::NetworkFailure, 0));
    }
}

/// Goal: a dead trunk does not take the message with it, but one that answers others and not this
/// call may have rung the phone.
#[tokio::test]
async fn only_a_trunk_that_is_silent_about_everything_is_given_up() {
    let mut world = world(2).await;
    let customer = world.account(10_000).await;
    world.submit(&customer, &number(1)).await;
    world.run().await;
    world.pass_s(32).await;
    world.last_ends(silence()).await;
    assert_eq!(world.called_at(), ["192.0.2.1", "192.0.2.2"]);

    let mut world = self::world(2).await;
    let customer = world.account(10_000).await;
    let silent = world.submit(&customer, &number(1)).await;
    world.submit(&customer, &number(2)).await;
    world.run().await;
    world.pass_s(10).await;
    let (first, second) = (world.started[0].call, world.started[1].call);
    world.tell(Event::Ringing { call: second });
    world.pass_s(22).await;
    world.tell(ended(first, silence()));
    world.pass_s(10).await;
    assert_eq!(world.called_at(), ["192.0.2.1", "192.0.2.1"]);
    assert_eq!(world.ended(&customer, silent).await.disposition, Disposition::NetworkFailure);
    world.submit(&customer, &number(3)).await;
    world.run().await;
    assert_eq!(world.called_at()[2], "192.0.2.1", "and it is not left alone, either");
}

/// Goal: a send does not wander through all trunks of the world.
#[tokio::test]
async fn three_trunks_try_one_send_and_no_more() {
    let mut world = world(5).await;
    let customer = world.account(1_000).await;
    let send = world.submit(&customer, &number(1)).await;
    world.run().await;
    for _ in 0..3 {
        world.last_ends(refused(500)).await;
    }
    world.pass_s(30).await;
    assert_eq!(world.called_at(), ["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    let end = world.ended(&customer, send).await;
    assert_eq!((end.disposition, end.attempt.n), (Disposition::NetworkFailure, 3));
    assert_eq!(world.balance(&customer).await, (1_000, 0));
}

/// Goal: what comes after the send's time is not called any more.
#[tokio::test]
async fn no_trunk_tries_what_is_too_late() {
    let mut world = world(2).await;
    let customer = world.account(1_000).await;
    let send = world.submit(&customer, &number(1)).await;
    world.run().await;
    world.pass_s(601).await;
    world.last_ends(refused(503)).await;
    assert_eq!(world.called_at(), ["192.0.2.1"]);
    assert_eq!(world.ended(&customer, send).await.disposition, Disposition::NetworkFailure);
}

/// Goal: what waits for another trunk because one failed it, and expires as that has no room, is a
/// request that we failed, once, like one that was never tried; it costs nothing.
#[tokio::test]
async fn a_retry_that_expires_for_want_of_a_trunk_is_a_request_that_we_failed() {
    let narrow = Caps { max_channels: 1, ..WIDE };
    let trunks = (1..=2).map(|n| Trunk { caps: narrow, ..trunk(n) }).collect();
    let mut world = World::new(NodeConfig { trunks, ..config(1, 1) }).await;
    let (one, two) = (world.account(1_000).await, world.account(1_000).await);
    let holder = world.account(1_000).await;
    let mut sends = Vec::new();
    for (n, customer) in [&one, &two].into_iter().enumerate() {
        sends.push(world.submit(customer, &number(n)).await);
        world.run().await;
        let call = world.last_call();
        if n == 0 {
            // The second trunk is taken for as long as it lasts.
            world.submit(&holder, &number(9)).await;
            world.run().await;
            world.pass_s(2).await;
        }
        world.tell(ended(call, refused(503)));
        world.run().await;
        world.pass_s(2).await;
    }
    assert_eq!(world.called_at(), ["192.0.2.1", "192.0.2.2", "192.0.2.1"]);
    world.pass_s(601).await;
    for (customer, send) in [&one, &two].into_iter().zip(sends) {
        assert_eq!(world.failed(send).await, [(String::from("t1"), Some(503))]);
        let end = world.ended(customer, send).await;
        assert_eq!((end.disposition, &*end.facts.cause), (Disposition::Expired, NO_TRUNK));
        assert_eq!(world.balance(customer).await, (1_000, 0));
    }
    assert_eq!(requests(&world).await, (0, 2));
    world.audit().await;
}

/// Goal: kill -9 anywhere between the two INVITEs: the second is placed once, or never when it may
/// have left already.
#[tokio::test]
async fn a_kill_between_two_trunks_calls_nobody_twice() {
    // The refusal is recorded and not committed.
    let mut world = world(2).await;
    let customer = world.account(1_000).await;
    let send = world.submit(&customer, &number(1)).await;
    world.run().await;
    world.database_is_there = false;
    world.last_ends(refused(503)).await;
    world.kill();
    world.database_is_there = true;
    world.start().await;
    world.pass_s(2).await;
    assert_eq!(world.called_at(), ["192.0.2.2"]);
    assert_eq!(world.failed(send).await, [(String::from("t1"), Some(503))]);
    // The second INVITE may have left.
    world.kill();
    world.start().await;
    world.pass_s(60).await;
    assert_eq!(world.called_at(), [""; 0]);
    assert_eq!(world.abandoned_at.len(), 1);
    world.tell(Event::Abandoned { call: world.abandoned[0], word: LastWord::Unknown });
    world.run().await;
    assert_eq!(world.ended(&customer, send).await.disposition, Disposition::NetworkFailure);
    world.audit().await;
}

/// Goal: the second trunk has its lease and was not dialled when the process died: it is dialled
/// by the next one.
#[tokio::test]
async fn a_lease_for_the_second_trunk_that_was_not_used_is_used_later() {
    let mut world = world(2).await;
    let customer = world.account(1_000).await;
    let send = world.submit(&customer, &number(1)).await;
    world.run().await;
    let call = world.last_call();
    world.tell(ended(call, refused(503)));
    // Up to the commit of the lease, and no step after it.
    let leased = |state| matches!(state, State::Attempt { attempt, .. } if attempt.n == 2);
    while !leased(world.state(&customer, send).await) {
        let steps = world.node.as_mut().unwrap().step(world.now);
        for work in steps.work {
            let done = work.run().await;
            world.node.as_mut().unwrap().on_done(world.now, done);
        }
    }
    world.kill();
    world.start().await;
    world.pass_s(2).await;
    // The new process does not know who failed it: any trunk may try.
    assert_eq!(world.started.len(), 1);
    world.last_ends(heard_out()).await;
    assert_eq!(world.ended(&customer, send).await.disposition, Disposition::Delivered);
    world.audit().await;
}

/// Goal: silence that is only recorded, and not judged any more, is never tried again.
#[tokio::test]
async fn silence_before_a_kill_is_not_tried_again() {
    let mut world = world(2).await;
    let customer = world.account(1_000).await;
    let send = world.submit(&customer, &number(1)).await;
    world.run().await;
    world.database_is_there = false;
    world.pass_s(32).await;
    world.last_ends(silence()).await;
    world.kill();
    world.database_is_there = true;
    world.start().await;
    world.pass_s(60).await;
    assert_eq!(world.called_at(), [""; 0]);
    assert_eq!(world.ended(&customer, send).await.disposition, Disposition::NetworkFailure);
}

/// Goal: who asks to be left alone is, and then one call tries.
#[tokio::test]
async fn a_trunk_is_left_alone_as_long_as_it_asks_and_then_tried_by_one_call() {
    let mut world = world(2).await;
    let customer = world.account(100_000).await;
    world.submit(&customer, &number(1)).await;
    world.run().await;
    world.last_ends(later(10)).await;
    for n in 2..5 {
        world.submit(&customer, &number(n)).await;
    }
    world.pass_s(9).await;
    assert_eq!(world.called_at()[1..], ["192.0.2.2"; 4], "the first, and three more");
    world.pass_s(2).await;
    for n in 5..8 {
        world.submit(&customer, &number(n)).await;
        world.run().await;
    }
    assert_eq!(world.called_at()[5..], ["192.0.2.1", "192.0.2.2", "192.0.2.2"], "one tries");
    world.tell(Event::Ringing { call: world.started[5].call });
    world.submit(&customer, &number(8)).await;
    world.run().await;
    assert_eq!(world.called_at()[8], "192.0.2.1", "it rings: the trunk is open");
}

/// Goal: a lone trunk that fails is not hammered, and what waits for it is called when it is back.
#[tokio::test]
async fn sends_wait_for_a_lone_trunk_to_come_back() {
    let mut world = world(1).await;
    let customer = world.account(100_000).await;
    world.submit(&customer, &number(1)).await;
    world.run().await;
    let nobody = Outcome { cause: Cause::Undeliverable, ..silence() };
    world.last_ends(nobody.clone()).await;
    for n in 2..6 {
        world.submit(&customer, &number(n)).await;
    }
    world.pass_ms(900).await;
    assert_eq!(world.started.len(), 1);
    world.pass_ms(200).await;
    assert_eq!(world.started.len(), 2, "one call tries");
    world.last_ends(nobody).await;
    world.pass_ms(1_800).await;
    assert_eq!(world.started.len(), 2, "the second quarantine is longer");
    world.pass_ms(400).await;
    assert_eq!(world.started.len(), 3);
    world.tell(Event::Answered { call: world.last_call(), dialog: crate::fixture::dialog() });
    world.run().await;
    assert_eq!(world.started.len(), 5, "it is back: all are called");
    world.audit().await;
}

/// Goal: a trunk that refuses call after call is left alone, also when it does not ask for it.
#[tokio::test]
async fn five_failures_in_a_row_are_one_too_many() {
    let mut world = world(1).await;
    let customer = world.account(100_000).await;
    for n in 1..=5 {
        world.submit(&customer, &number(n)).await;
        world.run().await;
        assert_eq!(world.started.len(), n);
        world.last_ends(refused(500)).await;
    }
    world.submit(&customer, &number(6)).await;
    world.pass_ms(900).await;
    assert_eq!(world.started.len(), 5);
    world.pass_ms(200).await;
    assert_eq!(world.started.len(), 6);
    world.last_ends(busy()).await;
    world.submit(&customer, &number(7)).await;
    world.run().await;
    assert_eq!(world.started.len(), 7, "a busy callee proves that the trunk is there");
}

/// Goal: a trunk that answers no pings is passed over before any call has to find out, and is back
/// with its first answer; the command line is told.
#[tokio::test]
async fn a_trunk_that_misses_two_pings_takes_no_calls_until_it_answers() {
    let pinged = Trunk { ping_interval_s: 10, ..trunk(1) };
    let mut world = world(0).await;
    world.set_trunks(vec![pinged, trunk(2)]).await;
    let customer = world.account(100_000).await;
    let conditions = async |world: &World| -> Vec<String> {
        let told = app::trunk::health(&world.app).await.unwrap();
        told.into_iter().map(|(_, seen)| seen.condition.word().to_owned()).collect()
    };
    world.pass_s(15).await;
    assert_eq!(world.pings.len(), 2, "{:?}", world.pings);
    assert!(world.pings.iter().all(|(_, to)| to.to_string() == "192.0.2.1:5060"));
    assert_eq!(conditions(&world).await, ["good", "good"]);
    world.submit(&customer, &number(1)).await;
    world.pass_s(7).await;
    assert_eq!(conditions(&world).await, ["silent", "good"]);
    world.submit(&customer, &number(2)).await;
    world.run().await;
    assert_eq!(world.called_at(), ["192.0.2.1", "192.0.2.2"]);
    let answer = |world: &World, code| Event::TrunkChecked {
        check: world.pings.last().unwrap().0,
        sip_code: code,
        round_trip_us: 1,
    };
    world.tell(answer(&world, Some(503)));
    world.submit(&customer, &number(3)).await;
    world.run().await;
    assert_eq!(world.called_at()[2], "192.0.2.2", "503 is no answer");
    world.pass_s(10).await;
    world.tell(answer(&world, Some(405)));
    world.submit(&customer, &number(4)).await;
    world.run().await;
    assert_eq!(world.called_at()[3], "192.0.2.1", "405 is one");
    assert_eq!(conditions(&world).await, ["good", "good"]);
}

/// Goal: a registrar that does not take us takes no calls of ours.
#[tokio::test]
async fn a_trunk_takes_no_calls_while_its_registrar_refuses_us() {
    let mut world = world(2).await;
    let customer = world.account(100_000).await;
    let stands = |standing| Event::TrunkRegistration { trunk: String::from("t1"), standing };
    for (n, standing, called_at) in [
        (1, Standing::Refused { code: Some(403), retry_s: 30 }, "192.0.2.2"),
        (2, Standing::Asking, "192.0.2.2"),
        (3, Standing::Registered { expires_s: 600 }, "192.0.2.1"),
        (4, Standing::Refused { code: None, retry_s: 30 }, "192.0.2.2"),
    ] {
        world.tell(stands(standing));
        world.submit(&customer, &number(n)).await;
        world.run().await;
        assert_eq!(world.called_at().last().unwrap(), called_at, "{standing:?}");
    }
}

/// Goal: what the operator mends is tried at once.
#[tokio::test]
async fn a_trunk_that_is_changed_is_tried_at_once() {
    let mut world = world(1).await;
    let customer = world.account(100_000).await;
    world.submit(&customer, &number(1)).await;
    world.run().await;
    world.last_ends(later(300)).await;
    world.submit(&customer, &number(2)).await;
    world.pass_s(10).await;
    assert_eq!(world.started.len(), 1);
    world.set_trunks(vec![Trunk { caller_id: String::from("0212"), ..trunk(1) }]).await;
    world.pass_s(6).await;
    assert_eq!(world.started.len(), 2);
}

/// Goal: who asks for a regional server gets a trunk of it or is refused at once, also when one of
/// its trunks fails; who asks for none gets any.
#[tokio::test]
async fn a_regional_server_is_its_own_trunks() {
    let of = |n, server_ids: &[u32]| Trunk { server_ids: server_ids.to_vec(), ..trunk(n) };
    let mut world = world(0).await;
    world.set_trunks(vec![of(1, &[]), of(2, &[20, 25]), of(3, &[25])]).await;
    let customer = world.account(100_000).await;
    for (n, server, called_at) in
        [(1, None, "192.0.2.1"), (2, Some(20), "192.0.2.2"), (3, Some(25), "192.0.2.2")]
    {
        assert!(world.submit_by(&customer, &number(n), server).await.is_some());
        world.run().await;
        assert_eq!(world.called_at().last().unwrap(), called_at, "{server:?}");
    }
    world.last_ends(refused(503)).await;
    assert_eq!(world.called_at().last().unwrap(), "192.0.2.3", "the other one of server 25");
    world.last_ends(refused(503)).await;
    assert_eq!(world.started.len(), 4, "and no trunk of none");
    assert_eq!(world.submit_by(&customer, &number(4), Some(30)).await, None);
    world.set_trunks(vec![of(1, &[])]).await;
    assert!(world.submit_by(&customer, &number(5), Some(30)).await.is_some(), "nobody has servers");
}
