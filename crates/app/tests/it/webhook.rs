//! Deliveries to customers' endpoints: whose turn it is.

use app::webhook::{create, due, test};
use domain::{AccountId, WebhookId};

use crate::world::World;

/// An endpoint with so many events on their way to it.
async fn endpoint(world: &World, account: AccountId, events: u32) -> WebhookId {
    let url = "https://endpoint.example/events";
    let id = create(&world.app, account, url, &[]).await.unwrap().id;
    for _ in 0..events {
        test(&world.app, account, id).await.unwrap().unwrap();
    }
    id
}

/// Goal: endpoints that answer nothing have a bounded part of what is made at the same time, and
/// delay nobody else.
#[tokio::test]
async fn silent_endpoints_starve_nobody() {
    let world = World::new().await;
    let (silent, _) = world.customer(0).await;
    let (other, _) = world.customer(0).await;
    for _ in 0..8 {
        endpoint(&world, silent.account.id, 20).await;
    }
    let begun = due(&world.app, &[], 128).await.unwrap();
    assert_eq!(begun.len(), 32);
    let busy: Vec<_> = begun.iter().map(app::webhook::Delivery::webhook).collect();
    world.clock.advance_ms(1_000);
    let well = endpoint(&world, other.account.id, 1).await;
    let next = due(&world.app, &busy, 8).await.unwrap();
    let next: Vec<_> = next.iter().map(app::webhook::Delivery::webhook).collect();
    assert_eq!(next, [(other.account.id, well)]);
}
