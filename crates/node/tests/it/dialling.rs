//! Which send is dialled and when: fairness, pace, channels, numbers, time limits.

use std::sync::atomic::Ordering;

use app::dialing::EXPIRED;
use domain::agreement::scope::CoveredPath;
use domain::calendar::span::Span;
use domain::dialer::disposition::{NO_TRUNK, OUTSIDE_HOURS};
use domain::{Disposition, Status};
use engine::{CallKey, Event, Target};
use store::quick_send::State;

use crate::fixture::{START, World, busy, config, ended, heard_out, number_of};

fn number(n: usize) -> String {
    format!("0912{n:07}")
}

#[tokio::test]
async fn a_send_with_a_free_channel_is_dialled_without_another_commit() {
    let mut world = World::new(config(10, 50)).await;
    let customer = world.account(100_000).await;
    let send = world.submit(&customer, "09121234567").await;
    assert!(matches!(world.state(&customer, send).await, State::Attempt { .. }));
    world.run().await;
    assert_eq!(world.called(), ["09121234567"]);
    let spec = &world.started[0];
    assert_eq!(spec.call, CallKey(send.0.cast_unsigned() << 8 | 1));
    assert_eq!(spec.call_id, format!("{send}-1@avanak.invalid"));
    assert_eq!(spec.from_uri, "sip:02100000000@avanak.invalid");
    assert!(matches!(&spec.target, Target::Address { address, .. }
        if address.to_string() == "192.0.2.1:5060"));
}

#[tokio::test]
async fn never_more_calls_than_channels_and_the_rest_follows() {
    let mut world = World::new(config(3, 1_000)).await;
    let customer = world.account(1_000_000).await;
    for n in 0..8 {
        world.submit(&customer, &number(n)).await;
    }
    world.run().await;
    assert_eq!(world.started.len(), 3);
    world.pass_ms(2_000).await;
    assert_eq!(world.started.len(), 3);
    world.tell(ended(world.last_call(), busy()));
    world.run().await;
    assert_eq!(world.started.len(), 4);
    let calls: Vec<CallKey> = world.started.iter().map(|spec| spec.call).collect();
    for call in calls {
        world.tell(ended(call, busy()));
    }
    world.pass_ms(100).await;
    assert_eq!(world.started.len(), 7, "three channels are free again");
    world.audit().await;
}

#[tokio::test]
async fn the_pace_of_a_trunk_is_kept_to_the_second() {
    let mut world = World::new(config(1_000, 10)).await;
    let customer = world.account(10_000_000).await;
    for n in 0..60 {
        world.submit(&customer, &number(n)).await;
    }
    world.run().await;
    world.pass_ms(3_000).await;
    let started = world.started.len();
    assert!((30..=32).contains(&started), "{started} in three seconds");
}

#[tokio::test]
async fn a_wall_clock_that_is_set_back_neither_stops_nor_hurries_the_dialler() {
    let mut world = World::new(config(1_000, 10)).await;
    let customer = world.account(10_000_000).await;
    for n in 0..60 {
        world.submit(&customer, &number(n)).await;
    }
    world.pass_ms(1_000).await;
    let before = world.started.len();
    world.set_wall(START.plus_ms(-5_000));
    world.pass_ms(1_000).await;
    let more = world.started.len() - before;
    assert!((9..=11).contains(&more), "{more} in the second after the step");
}

#[tokio::test]
async fn customers_take_turns_however_much_one_of_them_sends() {
    let mut world = World::new(config(1, 1_000)).await;
    let large = world.account(10_000_000).await;
    let small = world.account(10_000_000).await;
    for n in 0..20 {
        world.submit(&large, &number(n)).await;
    }
    world.submit(&small, "09350000001").await;
    world.submit(&small, "09350000002").await;
    world.run().await;
    for _ in 0..5 {
        world.tell(ended(world.last_call(), busy()));
        world.run().await;
    }
    let called = world.called();
    assert!(called[1..4].contains(&String::from("09350000001")), "{called:?}");
    assert!(called[1..6].contains(&String::from("09350000002")), "{called:?}");
}

#[tokio::test]
async fn a_number_is_never_in_two_calls_and_rests_between_them() {
    let mut world = World::new(config(10, 1_000)).await;
    let one = world.account(1_000_000).await;
    let other = world.account(1_000_000).await;
    world.submit(&one, "09121234567").await;
    world.submit(&other, "+98 912 123 4567").await;
    world.submit(&one, "09121234567").await;
    world.submit(&one, "09127654321").await;
    world.pass_ms(100).await;
    assert_eq!(world.called(), ["09121234567", "09127654321"]);
    let first = world.started[0].call;
    world.tell(ended(first, heard_out()));
    world.pass_ms(500).await;
    assert_eq!(world.started.len(), 2, "the number rests");
    world.pass_ms(600).await;
    assert_eq!(number_of(&world.started[2]), "09121234567");
    world.pass_ms(3_000).await;
    assert_eq!(world.started.len(), 3, "the third send waits for the second");
}

#[tokio::test]
async fn a_send_that_waited_too_long_expires_and_its_hold_is_released() {
    let mut world = World::new(config(1, 1_000)).await;
    let customer = world.account(100_000).await;
    let first = world.submit(&customer, &number(1)).await;
    let second = world.submit(&customer, &number(2)).await;
    world.run().await;
    assert_eq!(world.balance(&customer).await, (100_000, 900));
    world.set_wall(START.plus_ms(10 * 60_000));
    world.pass_ms(1_000).await;
    let end = world.ended(&customer, second).await;
    assert_eq!((end.disposition, end.charge.0), (Disposition::Expired, 0));
    assert_eq!(world.balance(&customer).await, (100_000, 450));
    assert!(matches!(world.state(&customer, first).await, State::Attempt { .. }));
    world.audit().await;
}

#[tokio::test]
async fn what_an_earlier_process_accepted_is_found_in_the_table() {
    let mut world = World::new(config(1, 1_000)).await;
    let customer = world.account(1_000_000).await;
    world.submit(&customer, &number(1)).await;
    for n in 2..5 {
        world.submit(&customer, &number(n)).await;
    }
    world.run().await;
    world.tell(ended(world.last_call(), busy()));
    world.kill();
    world.start().await;
    for _ in 0..3 {
        world.pass_ms(100).await;
        let call = world.last_call();
        world.tell(ended(call, busy()));
    }
    world.pass_ms(100).await;
    assert_eq!(world.called(), [number(2), number(3), number(4)]);
    world.audit().await;
}

#[tokio::test]
async fn a_full_disk_keeps_calls_from_being_placed_and_nothing_is_lost() {
    let mut world = World::new(config(10, 1_000)).await;
    let customer = world.account(100_000).await;
    world.file.full.store(true, Ordering::SeqCst);
    let send = world.submit(&customer, &number(1)).await;
    world.pass_ms(1_000).await;
    assert!(world.started.is_empty());
    assert!(world.recorder.as_ref().unwrap().write_errors() > 0);
    assert!(matches!(world.state(&customer, send).await, State::Ready { .. }));
    world.file.full.store(false, Ordering::SeqCst);
    world.pass_ms(6_000).await;
    assert_eq!(world.called(), [number(1)]);
    assert_eq!(world.started[0].call_id, format!("{send}-2@avanak.invalid"));
}

#[tokio::test]
async fn a_phone_is_called_at_its_contact_and_one_without_is_unreachable() {
    let mut world = World::new(config(10, 1_000)).await;
    let customer = world.account(100_000).await;
    for (extension, contact) in [("201", "sip:desk@192.0.2.7:5070"), ("202", "sip:d@host.example")]
    {
        let new = app::phone::NewPhone {
            account: customer.0.account.id,
            extension: String::from(extension),
            fixed_contact: Some(String::from(contact)),
        };
        app::phone::add(&world.app, new).await.unwrap();
    }
    let there = world.submit(&customer, "201").await;
    let nowhere = world.submit(&customer, "202").await;
    world.pass_ms(50).await;
    assert_eq!(world.started.len(), 1);
    assert!(matches!(&world.started[0].target, Target::Address { address, request_uri, .. }
        if address.to_string() == "192.0.2.7:5070" && request_uri == "sip:desk@192.0.2.7:5070"));
    let end = world.ended(&customer, nowhere).await;
    assert_eq!((end.disposition, end.charge.0), (Disposition::NetworkFailure, 0));
    world.tell(Event::Ringing { call: world.started[0].call });
    assert_eq!(world.app.live().get(there), Some(domain::Status::Ringing));
    world.audit().await;
}

#[tokio::test]
async fn a_registered_phone_is_called_and_ended_where_its_register_came_from() {
    let mut world = World::new(config(10, 1_000)).await;
    let customer = world.account(100_000).await;
    let new = app::phone::NewPhone {
        account: customer.0.account.id,
        extension: String::from("201"),
        fixed_contact: None,
    };
    let phone = app::phone::add(&world.app, new).await.unwrap();
    let binding = app::phone::Binding {
        contact: String::from("sip:desk@10.0.0.7:5060"),
        address: String::from("198.51.100.7:6000"),
        until: world.app.now().plus_ms(300_000),
    };
    assert!(app::phone::bind(&world.app, phone.id, binding).await.unwrap());
    world.submit(&customer, "201").await;
    world.pass_ms(50).await;
    let there = Target::Phone {
        address: "198.51.100.7:6000".parse().unwrap(),
        contact_uri: String::from("sip:desk@10.0.0.7:5060"),
    };
    assert_eq!(world.started[0].target, there);
    world.kill();
    world.start().await;
    world.pass_ms(50).await;
    assert_eq!(world.abandoned_at, [there]);
    world.audit().await;
}

#[tokio::test]
async fn draining_lets_live_calls_end_and_starts_no_other() {
    let mut world = World::new(config(1, 1_000)).await;
    let customer = world.account(1_000_000).await;
    world.submit(&customer, &number(1)).await;
    let waiting = world.submit(&customer, &number(2)).await;
    world.run().await;
    let now = world.now;
    world.node.as_mut().unwrap().drain(now);
    let late = world.submit(&customer, &number(3)).await;
    world.run().await;
    assert!(!world.node.as_ref().unwrap().is_idle());
    world.tell(ended(world.last_call(), heard_out()));
    world.pass_ms(2_000).await;
    assert!(world.node.as_ref().unwrap().is_idle());
    assert_eq!(world.started.len(), 1);
    for send in [waiting, late] {
        assert!(matches!(world.state(&customer, send).await, State::Ready { .. }));
    }
    world.audit().await;
}

/// What waits for a channel when the hours of its class end is not called, and its end says why.
#[tokio::test]
async fn nobody_is_called_after_the_hours_of_the_class() {
    let mut world = World::new(config(1, 50)).await;
    let customer = world.account(100_000).await;
    let thirteen_hours_ms = 13 * 3_600_000;
    world.set_wall(START.plus_ms(thirteen_hours_ms - 60_000));
    let mut sends = Vec::new();
    for n in 0..2 {
        sends.push(world.submit(&customer, &number(n)).await);
    }
    world.run().await;
    assert_eq!(world.started.len(), 1, "there is one channel");
    world.set_wall(START.plus_ms(thirteen_hours_ms));
    world.tell(ended(world.last_call(), busy()));
    world.pass_ms(3_000).await;
    assert_eq!(world.started.len(), 1, "it is eleven at night");
    world.set_wall(START.plus_ms(thirteen_hours_ms + 600_000));
    world.pass_ms(3_000).await;
    let ended = world.ended(&customer, sends[1]).await;
    assert_eq!(
        (ended.disposition, ended.facts.cause.as_str()),
        (Disposition::Expired, OUTSIDE_HOURS)
    );
    world.audit().await;
}

/// What of their minutes customers' quick sends came to: tried, and failed by us.
pub async fn requests(world: &World) -> (u64, u64) {
    app::interval::keep_requests(&world.app, "a", true).await.unwrap();
    let time = Span { from: START, to: START.plus_ms(24 * 3_600_000) };
    let evidence = app::interval::evidence(&world.app, time).await.unwrap();
    let sends = &evidence[CoveredPath::QuickSend.index()];
    (sends.served(), sends.failing().map(|minute| minute.failed).sum())
}

/// Goal: what expires while no trunk could take it is a request that we failed, and its end says
/// so; what its own number or the hours of its class kept is none.
#[tokio::test]
async fn what_expires_for_want_of_a_trunk_is_a_request_that_we_failed() {
    let start_ms = [("gone", 0), ("full", 0), ("closed", 13 * 3_600_000 - 60_000)];
    for (trunk, start_ms) in start_ms {
        let mut world = World::new(config(1, 50)).await;
        let (one, two) = (world.account(100_000).await, world.account(100_000).await);
        world.set_wall(START.plus_ms(start_ms));
        world.submit(&two, &number(1)).await;
        world.run().await;
        let busy = world.submit(&one, &number(1)).await;
        let sends = [world.submit(&one, &number(2)).await, world.submit(&two, &number(3)).await];
        world.pass_ms(1_000).await;
        assert_eq!(world.started.len(), 1, "there is one channel");
        if trunk == "gone" {
            world.set_trunks(Vec::new()).await;
        }
        world.set_wall(START.plus_ms(start_ms + 10 * 60_000));
        world.pass_ms(3_000).await;
        let (cause, failed) = if trunk == "closed" { (OUTSIDE_HOURS, 0) } else { (NO_TRUNK, 2) };
        for (of, send) in [&one, &two].into_iter().zip(sends) {
            let end = world.ended(of, send).await;
            assert_eq!((end.disposition, &*end.facts.cause), (Disposition::Expired, cause));
        }
        let kept = world.ended(&one, busy).await.facts.cause;
        assert_eq!(kept, if trunk == "closed" { OUTSIDE_HOURS } else { EXPIRED }, "{trunk}");
        assert_eq!(requests(&world).await, (0, failed), "{trunk}");
        world.audit().await;
    }
}

/// What is leased just before the hours of its class end, and is ready to be dialled after that,
/// waits on.
#[tokio::test]
async fn hours_that_end_before_the_invite_leaves_are_over() {
    let mut world = World::new(config(1, 50)).await;
    let customer = world.account(100_000).await;
    let eleven = START.plus_ms(13 * 3_600_000);
    world.set_wall(eleven.plus_ms(-1_000));
    world.run().await;
    let send = world.submit(&customer, &number(1)).await;
    let now = world.now;
    let reads_its_clip = world.node.as_mut().unwrap().step(now).work;
    assert_eq!(world.status(&customer, send).await, Status::Calling);
    world.set_wall(eleven.plus_ms(1_000));
    for work in reads_its_clip {
        let done = work.run().await;
        let now = world.now;
        world.node.as_mut().unwrap().on_done(now, done);
    }
    world.pass_ms(3_000).await;
    assert!(world.started.is_empty(), "it is after eleven at night");
    assert!(matches!(world.state(&customer, send).await, State::Ready { .. }));
    world.audit().await;
}

/// Who gets a permission and sends at once is called at once, though the rules were read before.
#[tokio::test]
async fn a_document_counts_for_what_comes_right_after_it() {
    let mut world = World::new(config(10, 50)).await;
    let (customer, other) = (world.account(100_000).await, world.account(100_000).await);
    world.set_wall(START.plus_ms(14 * 3_600_000));
    let document = async |world: &World, of: domain::AccountId| {
        assert!(app::class::set_hours_document(&world.app, of, Some("A-12")).await.unwrap());
    };
    document(&world, other.0.account.id).await;
    world.pass_ms(2_000).await;
    world.submit(&other, &number(1)).await;
    world.run().await;
    assert_eq!(world.started.len(), 1);
    document(&world, customer.0.account.id).await;
    world.submit(&customer, &number(2)).await;
    world.run().await;
    assert_eq!(world.started.len(), 1, "the rules that are known are older");
    world.pass_ms(2_500).await;
    assert_eq!(world.started.len(), 2);
    world.audit().await;
}

/// A document that is taken back while a send waits counts for it, and so does one that is given.
#[tokio::test]
async fn a_document_counts_for_who_stands_in_line() {
    let mut world = World::new(config(1, 50)).await;
    let customer = world.account(100_000).await;
    let account = customer.0.account.id;
    world.set_wall(START.plus_ms(14 * 3_600_000));
    let document = async |world: &World, name: Option<&str>| {
        assert!(app::class::set_hours_document(&world.app, account, name).await.unwrap());
    };
    document(&world, Some("A-12")).await;
    world.pass_ms(2_000).await;
    for n in 0..2 {
        world.submit(&customer, &number(n)).await;
    }
    world.run().await;
    assert_eq!(world.started.len(), 1, "there is one channel");
    document(&world, None).await;
    world.pass_ms(2_000).await;
    world.tell(ended(world.last_call(), busy()));
    world.pass_ms(3_000).await;
    assert_eq!(world.started.len(), 1, "it is midnight");
    document(&world, Some("A-13")).await;
    world.pass_s(61).await;
    assert_eq!(world.started.len(), 2);
    world.audit().await;
}
