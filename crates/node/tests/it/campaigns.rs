//! A campaign in the hands of a node: who steps into the line, who goes first, what a kill leaves.

use app::Caller;
use app::campaign::{self, NewCampaign, Person, Recipients, WrittenPlan};
use app::template::{self, NewTemplate};
use domain::campaign::State;
use domain::{CampaignId, Disposition, MessageClass, MessageId, RecipientId};

use crate::fixture::{World, busy, config, ended, heard_out};

async fn start(world: &World, of: &(Caller, MessageId), recipients: usize) -> CampaignId {
    let numbers: Vec<String> = (0..recipients).map(|n| format!("0912{n:07}")).collect();
    start_for(world, of, numbers.join(",").into()).await
}

async fn start_for(world: &World, of: &(Caller, MessageId), recipients: Recipients) -> CampaignId {
    let plan = WrittenPlan {
        title: String::from("c"),
        start: String::from("2026-11-22 00:00:00"),
        end: String::from("2026-11-22 10:30:00"),
        max_tries: 2,
        minutes_between_tries: 1,
        vote: false,
        record_ms: None,
        server: None,
        priority: 0,
        max_cost: None,
        class: MessageClass::Service,
        opt_out_key: None,
    };
    let new = NewCampaign {
        message: of.1.into(),
        numbers: Some(recipients),
        sms: None,
        plan,
        auto_start: true,
        request: None,
    };
    campaign::create(&world.app, &of.0, new).await.unwrap().id
}

async fn progress(world: &World, of: &(Caller, MessageId), id: CampaignId) -> campaign::Progress {
    campaign::find(&world.app, of.0.account.id, id).await.unwrap().unwrap()
}

/// Ends the calls that were started from `first` on: even ones heard, odd ones busy.
fn end_calls(world: &mut World, first: usize) {
    let calls: Vec<_> = world.started[first..].iter().map(|spec| spec.call).collect();
    for (place, call) in calls.into_iter().enumerate() {
        let outcome = if place % 2 == 0 { heard_out() } else { busy() };
        world.tell(ended(call, outcome));
    }
}

/// From the start to the end, through a kill -9 in the middle of the calls.
#[tokio::test]
async fn a_campaign_is_called_to_its_end_and_survives_a_kill() {
    let mut world = World::new(config(20, 1_000)).await;
    let customer = world.account(1_000_000).await;
    let id = start(&world, &customer, 10).await;
    world.pass_ms(1_500).await;
    assert_eq!(world.called().len(), 10);
    end_calls(&mut world, 0);
    world.pass_ms(2_000).await;
    assert_eq!(progress(&world, &customer, id).await.campaign.retrying, 5);
    world.pass_ms(60_000).await;
    assert_eq!(world.called().len(), 15, "the busy ones are called again a minute later");
    world.kill();
    world.start().await;
    world.pass_ms(50_000).await;
    assert!(world.called().is_empty(), "what was dialled is not dialled again");
    world.pass_ms(60_000).await;
    let progress = progress(&world, &customer, id).await;
    assert_eq!(progress.campaign.state, State::Finished);
    let results: Vec<_> = progress.results.into_iter().collect();
    assert_eq!(results, [(Disposition::Delivered, 5), (Disposition::NetworkFailure, 5)]);
    world.audit().await;
}

/// A quick send passes a campaign that fills the line, and finds a channel although the campaign
/// could use them all.
#[tokio::test]
async fn a_quick_send_passes_a_campaign() {
    let mut world = World::new(config(10, 1_000)).await;
    let large = world.account(1_000_000).await;
    let small = world.account(100_000).await;
    start(&world, &large, 400).await;
    world.pass_ms(1_500).await;
    assert_eq!(world.started.len(), 9, "one channel is kept free");
    let send = world.submit(&small, "09350000001").await;
    let leased = world.state(&small, send).await;
    assert!(matches!(leased, store::quick_send::State::Attempt { .. }), "{leased:?}");
    world.run().await;
    assert_eq!(world.called().last().map(String::as_str), Some("09350000001"));
    world.submit(&small, "09350000002").await;
    world.tell(ended(world.started[0].call, busy()));
    world.pass_ms(10).await;
    assert_eq!(world.called().last().map(String::as_str), Some("09350000002"));
    assert_eq!(world.started.len(), 11);
    world.audit().await;
}

/// Two customers' campaigns take turns, however long the list of one of them is.
#[tokio::test]
async fn campaigns_of_two_customers_take_turns() {
    let mut world = World::new(config(3, 1_000)).await;
    let large = world.account(1_000_000).await;
    let small = world.account(1_000_000).await;
    let long = start(&world, &large, 300).await;
    let short = start(&world, &small, 4).await;
    world.pass_ms(1_500).await;
    for _ in 0..8 {
        world.tell(ended(world.last_call(), heard_out()));
        world.pass_ms(50).await;
    }
    assert_eq!(progress(&world, &small, short).await.campaign.state, State::Running);
    let called = progress(&world, &small, short).await.results.len();
    assert!(called > 0, "the short list is under way");
    world.pass_ms(3_000).await;
    let left = progress(&world, &small, short).await.campaign;
    assert!(left.open <= 2, "{left:?}");
    assert!(progress(&world, &large, long).await.campaign.open > 200);
}

/// When the hours end, nobody more is called, and nothing stays held.
#[tokio::test]
async fn nobody_is_called_after_the_hours() {
    let mut world = World::new(config(2, 1_000)).await;
    let customer = world.account(1_000_000).await;
    let id = start(&world, &customer, 50).await;
    world.pass_ms(1_500).await;
    world.set_wall(crate::fixture::START.plus_ms(30 * 60_000));
    end_calls(&mut world, 0);
    world.pass_ms(5_000).await;
    assert_eq!(world.started.len(), 1, "only the two channels' calls, one of them kept free");
    let progress = progress(&world, &customer, id).await;
    assert_eq!(progress.campaign.state, State::Finished);
    let results: Vec<_> = progress.results.into_iter().collect();
    assert_eq!(results, [(Disposition::Delivered, 1), (Disposition::Expired, 49)]);
    assert_eq!(world.balance(&customer).await.1, 0);
    world.audit().await;
}

/// Goal: who cannot be spoken to ends once, however often it comes by while that cannot be kept.
#[tokio::test]
async fn who_cannot_be_spoken_to_ends_once() {
    let mut world = World::new(config(2, 1_000)).await;
    let customer = world.account(1_000_000).await;
    let new = NewTemplate {
        title: String::from("t"),
        written: format!("{{clip {}}}{{text name}}", customer.1),
        voice: None,
        longest_ms: None,
    };
    let made = template::create(&world.app, &customer.0, new).await.unwrap();
    let values = vec![(String::from("name"), String::from("علی"))];
    let person = Person { number: String::from("09120000001"), values };
    let of = (customer.0.clone(), made.id);
    let id = start_for(&world, &of, Recipients::People(vec![person])).await;
    let mut tx = world.db.begin().await.unwrap();
    store::template::set_sound(&mut tx, RecipientId { campaign: id, n: 1 }, None).await.unwrap();
    tx.commit().await.unwrap();
    world.failing = Some("expire");
    world.pass_s(60).await;
    assert_eq!(world.node.as_ref().unwrap().stats().expired, 0);
    world.failing = None;
    world.pass_s(30).await;
    assert_eq!(world.node.as_ref().unwrap().stats().expired, 1);
    assert!(world.called().is_empty());
    let progress = progress(&world, &customer, id).await;
    assert_eq!(progress.campaign.state, State::Finished);
    let results: Vec<_> = progress.results.into_iter().collect();
    assert_eq!(results, [(Disposition::Cancelled, 1)]);
    assert_eq!(world.balance(&customer).await.1, 0);
    world.audit().await;
}
