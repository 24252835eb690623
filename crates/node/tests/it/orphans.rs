//! What becomes of calls of a node that does not come back, or comes back under another name.

use app::Caller;
use app::dialing::{self, NodeStamp, Start};
use domain::{Disposition, MessageId, QuickSendId, Timestamp};
use store::quick_send::State;

use crate::fixture::{World, config};

/// How long a node's lease must have ended before others end its calls, and the looks after that.
const LONG_S: i64 = 30 * 60 + 32 + 90;

#[tokio::test]
async fn a_node_under_a_new_name_gives_back_what_the_old_name_had_on_hold() {
    let mut world = World::new(config(10, 50)).await;
    let customer = world.account(10_000).await;
    let send = world.submit(&customer, "09121234567").await;
    world.run().await;
    assert_eq!(world.started.len(), 1);
    world.kill();
    world.config.name = String::from("renamed");
    world.start().await;
    // The call may still be up as far as anyone knows.
    world.pass_s(30 * 60).await;
    assert!(matches!(world.state(&customer, send).await, State::Attempt { .. }));
    world.pass_s(LONG_S - 30 * 60).await;
    let end = world.ended(&customer, send).await;
    assert_eq!((end.disposition, end.charge.0), (Disposition::NetworkFailure, 0));
    assert_eq!(end.facts.cause, "node_lost");
    assert_eq!(world.balance(&customer).await, (10_000, 0));
    assert!(world.started.is_empty(), "it may have been dialled");
    assert!(world.node.as_ref().unwrap().is_idle());
    world.audit().await;
}

/// A call that node `b`, which is no part of this world, has open. Our own node has no channel.
async fn call_of_b(world: &mut World) -> ((Caller, MessageId), QuickSendId, NodeStamp) {
    let customer = world.account(10_000).await;
    let send = world.submit(&customer, "09121234567").await;
    let until = world.now.wall.plus_ms(15_000);
    let b = dialing::take_node(&world.app, "b", until).await.unwrap();
    let from = (Timestamp(i64::MIN), QuickSendId(0));
    let job = dialing::load_ready(&world.app, from, 1).await.unwrap().remove(0);
    assert_eq!(job.quick_send, send);
    let start = Start { job, person: true, trunk: String::from("north"), at: world.now.wall };
    let leased = dialing::lease(&world.app, b, vec![start]).await.unwrap();
    assert!(leased[0].attempt().is_some());
    (customer, send, b)
}

#[tokio::test]
async fn a_node_that_stays_dead_keeps_no_hold_for_ever() {
    let mut world = World::new(config(0, 50)).await;
    let (customer, send, _) = call_of_b(&mut world).await;
    world.pass_s(LONG_S + 15).await;
    let end = world.ended(&customer, send).await;
    assert_eq!((end.disposition, end.charge.0), (Disposition::NetworkFailure, 0));
    assert_eq!(world.balance(&customer).await, (10_000, 0));
    assert!(world.started.is_empty());
    world.audit().await;
}

#[tokio::test]
async fn a_node_that_renews_its_lease_keeps_its_calls_however_wrong_our_clock_is() {
    let mut world = World::new(config(0, 50)).await;
    let (customer, send, b) = call_of_b(&mut world).await;
    let theirs = world.now.wall;
    world.set_wall(theirs.plus_ms(3_600_000));
    for round in 1..=20 {
        world.pass_s(10).await;
        let until = theirs.plus_ms(round * 10_000 + 15_000);
        assert!(dialing::renew(&world.app, b, until).await.unwrap().is_some());
    }
    assert!(matches!(world.state(&customer, send).await, State::Attempt { .. }));
}
