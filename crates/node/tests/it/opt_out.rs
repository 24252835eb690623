//! A callee presses the key that opts out.

use domain::class::Policy;
use domain::{Disposition, MessageClass, PhoneNumber};
use engine::Event;

use crate::fixture::{World, busy, config, ended};

const NUMBER: &str = "09121234567";

/// A world in which service has a key to opt out by.
async fn world() -> World {
    let mut world = World::new(config(10, 50)).await;
    let with_key = |policy: Policy| Ok(Policy { opt_out_key: Some('9'), ..policy });
    app::class::set(&world.app, MessageClass::Service, with_key).await.unwrap();
    // What was read before is believed for a second.
    world.pass_ms(1_500).await;
    world
}

async fn is_listed(world: &World, customer: &app::Caller) -> bool {
    let of = app::opt_out::list_of(customer.account.id);
    !app::opt_out::list(&world.app, of, "", 10).await.unwrap().is_empty()
}

/// Goal: the wish is on disk before the call is hung up, and what waits for the number already is
/// not called any more, without a charge.
#[tokio::test]
async fn who_presses_the_key_is_not_called_again() {
    let mut world = world().await;
    let customer = world.account(100_000).await;
    world.submit(&customer, NUMBER).await;
    let waits = world.submit(&customer, NUMBER).await;
    world.run().await;
    let call = world.last_call();
    world.database_is_there = false;
    world.tell(Event::Key { call, digit: '1' });
    world.tell(Event::Key { call, digit: '9' });
    world.run().await;
    assert!(world.hung_up.is_empty() && !is_listed(&world, &customer.0).await);
    world.database_is_there = true;
    world.pass_ms(2_000).await;
    assert_eq!(world.hung_up, [call], "it is written as soon as that can be");
    let number = PhoneNumber::parse(NUMBER).unwrap();
    let history = app::opt_out::history(&world.app, &number).await.unwrap();
    assert_eq!(history.len(), 1);
    assert!(history[0].source.starts_with("key:"), "{}", history[0].source);
    world.tell(ended(call, busy()));
    world.pass_ms(3_000).await;
    assert_eq!(world.started.len(), 1);
    let barred = world.ended(&customer, waits).await;
    assert_eq!((barred.disposition, barred.charge.0), (Disposition::OptedOut, 0));
    world.audit().await;
}

/// Goal: a class that has a number of its own shows it in place of the trunk's.
#[tokio::test]
async fn a_class_shows_its_number() {
    let mut world = World::new(config(10, 50)).await;
    let number = Some(String::from("02191000000"));
    let change = |policy: Policy| Ok(Policy { caller_id: number, ..policy });
    app::class::set(&world.app, MessageClass::Service, change).await.unwrap();
    world.pass_ms(1_500).await;
    let customer = world.account(100_000).await;
    world.submit(&customer, NUMBER).await;
    world.run().await;
    assert_eq!(world.started[0].from_uri, "sip:02191000000@avanak.invalid");
}
