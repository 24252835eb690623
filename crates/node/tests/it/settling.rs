//! What a call's end does to the send and the money, with and without the database.

use domain::Disposition;
use engine::{Cause, Event, Outcome, RtpSummary};
use store::quick_send::State;

use crate::fixture::{World, busy, config, dialog, ended, heard_out};

#[tokio::test]
async fn a_message_heard_to_its_end_is_charged_whole_and_the_record_is_freed() {
    let mut world = World::new(config(10, 50)).await;
    let customer = world.account(10_000).await;
    let send = world.submit(&customer, "09121234567").await;
    world.run().await;
    let call = world.last_call();
    world.tell(Event::Answered { call, dialog: dialog() });
    assert_eq!(world.recorder.as_ref().unwrap().len(), 1);
    world.tell(ended(call, heard_out()));
    world.run().await;
    let end = world.ended(&customer, send).await;
    assert_eq!((end.disposition, end.charge.0), (Disposition::Delivered, 450));
    assert_eq!(world.balance(&customer).await, (9_550, 0));
    assert_eq!(world.released, [call]);
    assert!(world.recorder.as_ref().unwrap().is_empty());
    assert!(world.app.live().is_empty());
    assert!(world.node.as_ref().unwrap().is_idle());
    world.audit().await;
}

#[tokio::test]
async fn a_message_heard_in_part_is_charged_by_started_pulses() {
    let mut world = World::new(config(10, 50)).await;
    let customer = world.account(10_000).await;
    let send = world.submit(&customer, "09121234567").await;
    world.run().await;
    let outcome =
        Outcome { cause: Cause::CalleeHungUp, heard_ms: 1_980, heard_to_end: false, ..heard_out() };
    world.tell(ended(world.last_call(), outcome));
    world.run().await;
    let end = world.ended(&customer, send).await;
    assert_eq!((end.disposition, end.charge.0), (Disposition::HeardInPart, 225));
    assert_eq!(end.facts.cause, "callee_hung_up");
    assert_eq!(world.balance(&customer).await, (9_775, 0));
    world.audit().await;
}

#[tokio::test]
async fn a_message_that_never_left_our_machine_is_our_failure_and_costs_nothing() {
    // A call that was hung up before the message began is nobody's failure.
    for (cause, refused, disposition) in [
        (Cause::Played, 500, Disposition::NetworkFailure),
        (Cause::CalleeHungUp, 3, Disposition::NetworkFailure),
        (Cause::CalleeHungUp, 0, Disposition::HeardInPart),
    ] {
        let mut world = World::new(config(10, 50)).await;
        let customer = world.account(10_000).await;
        let send = world.submit(&customer, "09121234567").await;
        world.run().await;
        let rtp = RtpSummary { refused, ..RtpSummary::default() };
        let outcome = Outcome { cause, heard_ms: 0, heard_to_end: false, rtp, ..heard_out() };
        world.tell(ended(world.last_call(), outcome));
        world.run().await;
        let end = world.ended(&customer, send).await;
        assert_eq!((end.disposition, end.charge.0), (disposition, 0));
        assert_eq!(world.balance(&customer).await, (10_000, 0));
        world.audit().await;
    }
}

#[tokio::test]
async fn an_end_told_twice_is_settled_once() {
    let mut world = World::new(config(10, 50)).await;
    let customer = world.account(10_000).await;
    let send = world.submit(&customer, "09121234567").await;
    world.run().await;
    let call = world.last_call();
    world.tell(ended(call, heard_out()));
    world.tell(ended(call, busy()));
    world.run().await;
    world.tell(ended(call, busy()));
    world.run().await;
    assert_eq!(world.ended(&customer, send).await.disposition, Disposition::Delivered);
    assert_eq!(world.balance(&customer).await, (9_550, 0));
    world.audit().await;
}

#[tokio::test]
async fn while_the_database_is_away_ends_are_kept_and_nothing_new_is_dialled() {
    let mut world = World::new(config(1, 50)).await;
    let customer = world.account(10_000).await;
    let send = world.submit(&customer, "09121234567").await;
    let other = world.submit(&customer, "09127654321").await;
    world.run().await;
    let call = world.last_call();
    world.database_is_there = false;
    world.tell(ended(call, heard_out()));
    world.pass_ms(3_000).await;
    assert_eq!(world.started.len(), 1);
    assert!(world.released.is_empty(), "the record stays until the settlement is durable");
    assert!(matches!(world.state(&customer, send).await, State::Attempt { .. }));
    world.database_is_there = true;
    world.pass_ms(1_500).await;
    assert_eq!(world.ended(&customer, send).await.disposition, Disposition::Delivered);
    assert_eq!(world.released, [call]);
    assert!(matches!(world.state(&customer, other).await, State::Attempt { .. }));
    assert_eq!(world.started.len(), 2);
    world.audit().await;
}

#[tokio::test]
async fn a_node_that_cannot_renew_its_lease_stops_dialling_in_time() {
    let mut world = World::new(config(10, 50)).await;
    let customer = world.account(100_000).await;
    world.database_is_there = false;
    world.pass_ms(10_000).await;
    assert!(!world.node.as_ref().unwrap().stats().leads);
    world.submit(&customer, "09121234567").await;
    world.pass_ms(100).await;
    assert!(world.started.is_empty());
    world.database_is_there = true;
    world.pass_ms(2_000).await;
    assert_eq!(world.started.len(), 1);
}

#[tokio::test]
async fn a_node_whose_name_was_taken_is_fenced_for_good() {
    let mut world = World::new(config(10, 50)).await;
    let customer = world.account(100_000).await;
    let until = world.now.wall.plus_ms(60_000);
    app::dialing::take_node(&world.app, &world.config.name, until).await.unwrap();
    let send = world.submit(&customer, "09121234567").await;
    world.pass_ms(6_000).await;
    assert!(world.started.is_empty());
    let now = world.now;
    assert!(world.node.as_mut().unwrap().step(now).fenced);
    assert!(matches!(world.state(&customer, send).await, State::Ready { .. }));
}
