//! A campaign in the hands of a node: who steps into the line, who goes first, what a kill leaves.

use app::Caller;
use app::campaign::{self, NewCampaign, Person, Recipients, WrittenPlan};
use app::template::{self, NewTemplate};
use domain::campaign::State;
use domain::{AttemptId, CampaignId, Disposition, MessageClass, MessageId, RecipientId};
use node::Trunk;

use crate::fixture::{World, busy, config, ended, heard_out};

async fn start(world: &World, of: &(Caller, MessageId), recipients: usize) -> CampaignId {
    let numbers: Vec<String> = (0..recipients).map(|n| format!("0912{n:07}")).collect();
    start_for(world, of, numbers.join(",").into(), None).await
}

/// A warning to so many, by an account that has the document for it.
async fn warn(world: &World, of: &(Caller, MessageId), recipients: usize) -> CampaignId {
    let document = Some("A-12");
    assert!(app::class::set_hours_document(&world.app, of.0.account.id, document).await.unwrap());
    let numbers: Vec<String> = (0..recipients).map(|n| format!("0913{n:07}")).collect();
    let recipients = numbers.join(",").into();
    start_as(world, of, (recipients, MessageClass::Emergency), None).await
}

pub async fn start_for(
    world: &World,
    of: &(Caller, MessageId),
    recipients: Recipients,
    calls_per_minute: Option<u32>,
) -> CampaignId {
    start_as(world, of, (recipients, MessageClass::Service), calls_per_minute).await
}

async fn start_as(
    world: &World,
    of: &(Caller, MessageId),
    (recipients, class): (Recipients, MessageClass),
    calls_per_minute: Option<u32>,
) -> CampaignId {
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
        class,
        opt_out_key: None,
        calls_per_minute,
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
    for call in world.abandoned.clone() {
        world.tell(engine::Event::Abandoned { call, word: engine::LastWord::Unknown });
    }
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

/// Goal: however many quick sends there are, one start in twenty is the campaign's that waits, and
/// no more; one-time codes stand before both. It holds for sends that wait, and for those that find
/// room the moment they are accepted.
#[tokio::test]
async fn campaigns_have_their_part_beside_quick_sends() {
    let mut world = World::new(config(10, 1_000)).await;
    let large = world.account(10_000_000).await;
    let busy = world.account(10_000_000).await;
    for n in 0..12 {
        world.submit(&busy, &format!("0935000{n:04}")).await;
    }
    world.run().await;
    start(&world, &large, 40).await;
    world.pass_ms(1_500).await;
    assert_eq!(world.started.len(), 10, "all channels are taken");
    let is_campaign = |number: &String| number.starts_with("0912");
    // Each time a call ends, two more quick sends come.
    let (mut next, mut ended_calls) = (100, 0);
    for _ in 0..200 {
        let call = world.started[ended_calls].call;
        ended_calls += 1;
        world.tell(ended(call, heard_out()));
        for _ in 0..2 {
            world.submit(&busy, &format!("0935001{next:04}")).await;
            next += 1;
        }
        world.pass_ms(10).await;
    }
    let called = world.called();
    let campaigns = called.iter().filter(|number| is_campaign(number)).count();
    assert_eq!((called.len(), campaigns), (210, 10), "a twentieth of 200");
    let code = world.submit_code(&busy, "09360000001").await;
    world.tell(ended(world.started[ended_calls].call, heard_out()));
    world.pass_ms(10).await;
    assert_eq!(world.called().last().map(String::as_str), Some("09360000001"));
    assert!(matches!(world.state(&busy, code).await, store::quick_send::State::Attempt { .. }));
    world.audit().await;
}

/// Goal: the same when the line has no quick send, since each finds room as it is accepted.
#[tokio::test]
async fn campaigns_have_their_part_beside_sends_that_never_wait() {
    let mut world = World::new(config(4, 1_000)).await;
    let large = world.account(10_000_000).await;
    let busy = world.account(10_000_000).await;
    start(&world, &large, 40).await;
    world.pass_ms(1_500).await;
    assert_eq!(world.started.len(), 3, "one is kept free");
    world.submit(&busy, "09350019999").await;
    world.run().await;
    for next in 0..120 {
        let call = world.started[next].call;
        world.tell(ended(call, heard_out()));
        // The channel that came free is taken before the campaign is asked.
        world.submit(&busy, &format!("0935001{next:04}")).await;
        world.pass_ms(10).await;
    }
    let campaigns = world.called().iter().filter(|number| number.starts_with("0912")).count();
    let all = world.called().len();
    assert!((campaigns - 3) * 20 + 20 >= all - 3, "{campaigns} of {all}");
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

/// Goal: who cancels a campaign hangs up its calls, that ring or play, and those alone; what was
/// heard is paid. A stop lets calls end by themselves.
#[tokio::test]
async fn a_cancel_hangs_up_and_a_stop_does_not() {
    let mut world = World::new(config(10, 1_000)).await;
    let customer = world.account(1_000_000).await;
    let id = start(&world, &customer, 3).await;
    world.pass_ms(1_500).await;
    let calls: Vec<_> = world.started.iter().map(|spec| spec.call).collect();
    assert_eq!(calls.len(), 3);
    let account = customer.0.account.id;
    assert!(campaign::stop(&world.app, account, id).await.unwrap());
    world.pass_ms(2_500).await;
    assert!(world.hung_up.is_empty(), "a stop hangs nobody up");
    assert!(campaign::cancel(&world.app, account, id).await.unwrap());
    world.pass_ms(2_500).await;
    let mut hung_up = world.hung_up.clone();
    hung_up.sort();
    assert_eq!(hung_up, calls, "each is told once");
    let cut = |heard_ms: u32| engine::Outcome {
        cause: engine::Cause::HungUpByUs,
        heard_ms,
        heard_to_end: false,
        ..heard_out()
    };
    let ringing = engine::Outcome { answered: false, sip_code: None, ..cut(0) };
    world.tell(ended(calls[0], ringing));
    world.tell(ended(calls[1], cut(4_000)));
    // It ended by itself in the same moment.
    world.tell(ended(calls[2], heard_out()));
    world.pass_ms(3_000).await;
    let told = progress(&world, &customer, id).await;
    assert_eq!((told.campaign.state, told.campaign.open), (State::Cancelled, 0));
    let results: Vec<_> = told.results.into_iter().collect();
    let one = |end| (end, 1);
    let ends = [Disposition::Delivered, Disposition::HeardInPart, Disposition::Cancelled];
    assert_eq!(results, ends.map(one));
    let mut causes = Vec::new();
    for call in &calls {
        let send = AttemptId::unpack(call.0).quick_send;
        let ended = world.ended(&customer, send).await;
        causes.push((ended.facts.cause, ended.charge.0));
    }
    let told = [("cancelled", 0), ("cancelled", 225), ("played", 450)];
    assert_eq!(causes, told.map(|(cause, charge)| (cause.to_owned(), charge)));
    world.audit().await;
}

/// Goal: a send is withdrawn while it waits, before its INVITE has left, and while it is called; a
/// trunk that fails it then does not have it called again.
#[tokio::test]
async fn a_send_is_withdrawn_wherever_it_is() {
    let mut world = World::new(config(1, 1_000)).await;
    let customer = world.account(1_000_000).await;
    let called = world.submit(&customer, "09350000001").await;
    world.run().await;
    let waits = world.submit(&customer, "09350000002").await;
    let withdraw = async |world: &World, send| {
        app::cancellation::withdraw(&world.app, &customer.0, send).await.map_err(|_| ())
    };
    withdraw(&world, waits).await.unwrap();
    withdraw(&world, waits).await.unwrap_err();
    assert_eq!(world.ended(&customer, waits).await.disposition, Disposition::Cancelled);
    withdraw(&world, called).await.unwrap();
    world.pass_ms(1_500).await;
    assert_eq!(world.hung_up, [world.last_call()]);
    world.kill();
    world.start().await;
    world.pass_s(220).await;
    assert!(world.called().is_empty(), "nobody is called again");
    assert_eq!(world.balance(&customer).await, (1_000_000, 0));
    world.audit().await;
}

/// Goal: a campaign starts as many calls a minute as it was asked to, evenly; neither a restart nor
/// a trunk that was away brings a burst; a new pace holds soon; and another customer's send does
/// not wait for any of it.
#[tokio::test]
async fn a_campaign_keeps_its_pace() {
    let mut world = World::new(config(100, 1_000)).await;
    let customer = world.account(1_000_000).await;
    let other = world.account(1_000_000).await;
    let numbers: Vec<String> = (0..200).map(|n| format!("0912{n:07}")).collect();
    let id = start_for(&world, &customer, numbers.join(",").into(), Some(60)).await;
    // Starts in each second: none of them has two.
    let watched = async |world: &mut World, seconds: usize| {
        let mut starts = Vec::new();
        for _ in 0..seconds {
            let before = world.started.len();
            world.pass_ms(1_000).await;
            starts.push(world.started.len() - before);
        }
        (starts.iter().sum::<usize>(), starts.into_iter().max())
    };
    let (all, most) = watched(&mut world, 12).await;
    assert!((11..=13).contains(&all) && most <= Some(2), "{all} {most:?}");
    world.submit(&other, "09350000001").await;
    world.run().await;
    assert_eq!(world.called().last().map(String::as_str), Some("09350000001"));
    world.kill();
    world.start().await;
    let (all, most) = watched(&mut world, 10).await;
    assert!((9..=11).contains(&all) && most <= Some(2), "after a restart: {all} {most:?}");

    let trunks = world.config.trunks.clone();
    let off = trunks.iter().map(|trunk| Trunk { enabled: false, ..trunk.clone() });
    world.set_trunks(off.collect()).await;
    assert_eq!(watched(&mut world, 20).await.0, 0);
    let open = progress(&world, &customer, id).await.campaign.open;
    assert!(open > 30, "many have stepped in meanwhile: {open}");
    world.set_trunks(trunks).await;
    let (all, most) = watched(&mut world, 10).await;
    assert!((8..=11).contains(&all) && most <= Some(2), "after a pause: {all} {most:?}");

    let account = customer.0.account.id;
    assert!(campaign::set_pace(&world.app, account, id, Some(600)).await.unwrap());
    world.pass_ms(3_000).await;
    for spec in std::mem::take(&mut world.started) {
        world.tell(ended(spec.call, heard_out()));
    }
    let (all, most) = watched(&mut world, 3).await;
    assert!((27..=31).contains(&all) && most <= Some(12), "ten a second: {all} {most:?}");
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
    let id = start_for(&world, &of, Recipients::People(vec![person]), None).await;
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

/// Goal: a warning to the public passes service messages, those to single numbers that wait and a
/// campaign that fills the line; a one-time code passes the warning. Neither waits for the campaign
/// that came first to end.
#[tokio::test]
async fn a_warning_passes_all_but_codes() {
    let mut world = World::new(config(10, 1_000)).await;
    let large = world.account(10_000_000).await;
    let busy = world.account(10_000_000).await;
    let authority = world.account(10_000_000).await;
    start(&world, &large, 400).await;
    world.pass_ms(1_500).await;
    // The channel that a campaign leaves free, and two who wait for another.
    for n in 0..3 {
        world.submit(&busy, &format!("0935000{n:04}")).await;
    }
    world.run().await;
    assert_eq!(world.started.len(), 10, "all channels are taken");
    warn(&world, &authority, 3).await;
    world.pass_ms(1_500).await;
    assert_eq!(world.started.len(), 10, "nobody is hung up for it");
    world.submit_code(&busy, "09360000001").await;
    // Two of the ten, since a campaign leaves one free, whatever it says.
    world.tell(ended(world.started[0].call, heard_out()));
    for next in 1..=7 {
        world.tell(ended(world.started[next].call, heard_out()));
        world.pass_ms(10).await;
    }
    let called = world.called();
    let order: Vec<&str> = called[10..].iter().map(|number| &number[..4]).collect();
    assert_eq!(order[..6], ["0936", "0913", "0913", "0913", "0935", "0935"], "{called:?}");
    assert!(order[6..].iter().all(|prefix| *prefix == "0912"), "{called:?}");
    world.audit().await;
}
