//! Two legs: both have their room at once, or neither has, and nobody behind them waits for that.

use app::account::{Permission, set_permission};
use app::secure_call::{NewSecureCall, submit};
use domain::{MessageId, QuickSendId};
use store::quick_send::State;

use crate::fixture::{World, busy, config, ended, heard_out};

const OTHER: &str = "09129999999";

pub async fn customer(world: &World) -> (app::Caller, MessageId) {
    let customer = world.account(10_000_000).await;
    let id = customer.0.account.id;
    set_permission(&world.app, id, Permission::SecureCalls, true).await.unwrap();
    customer
}

pub async fn join(world: &World, of: &(app::Caller, MessageId), first: &str) -> QuickSendId {
    let new = NewSecureCall {
        first: first.to_owned(),
        second: OTHER.to_owned(),
        hold_message: of.1,
        server: None,
        reference: None,
    };
    let caller = world.caller(of.0.account.id).await;
    submit(&world.app, &caller, new).await.unwrap()
}

#[tokio::test]
async fn who_waits_for_the_second_one_is_passed_by_the_others() {
    let mut world = World::new(config(10, 1_000)).await;
    let customer = customer(&world).await;
    join(&world, &customer, "09120000001").await;
    world.run().await;
    assert_eq!(world.called(), ["09120000001"]);
    let first = world.last_call();
    let waits = join(&world, &customer, "09120000002").await;
    world.run().await;
    world.submit(&customer, "09120000003").await;
    world.pass_ms(3_000).await;
    assert_eq!(world.called(), ["09120000001", "09120000003"], "nobody waits behind it");
    assert!(matches!(world.state(&customer, waits).await, State::Ready { .. }));
    // The number of its first leg was given back meanwhile: somebody else may call it.
    world.submit(&customer, "09120000002").await;
    world.pass_ms(1_000).await;
    assert_eq!(world.called().last().unwrap(), "09120000002");
    world.tell(ended(world.last_call(), busy()));
    world.tell(ended(first, heard_out()));
    world.pass_ms(3_000).await;
    assert_eq!(world.called().len(), 4, "both of its numbers are free");
    world.audit().await;
}

#[tokio::test]
async fn two_legs_take_two_channels_or_none() {
    let mut world = World::new(config(2, 1_000)).await;
    let customer = customer(&world).await;
    world.submit(&customer, "09120000003").await;
    world.run().await;
    join(&world, &customer, "09120000001").await;
    world.pass_ms(1_000).await;
    assert_eq!(world.called(), ["09120000003"], "one channel is not enough");
    world.submit(&customer, "09120000004").await;
    world.pass_ms(1_000).await;
    assert_eq!(world.called(), ["09120000003", "09120000004"], "and it is left to others");
    let last = world.last_call();
    for spec in world.started.iter().map(|spec| spec.call).collect::<Vec<_>>() {
        world.tell(ended(spec, busy()));
    }
    assert_ne!(last, world.started[0].call);
    world.pass_ms(1_000).await;
    assert_eq!(world.called().len(), 3);
    world.submit(&customer, "09120000005").await;
    world.pass_ms(1_000).await;
    assert_eq!(world.called().len(), 3, "it has both channels");
}
