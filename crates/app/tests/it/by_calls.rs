//! Whom an outage of a prefix or trunk touches, found from their calls.

use app::outage::{self, LOOK_BACK_US, NewOutage};
use app::{Caller, availability, quick_send, trunk};
use domain::agreement::scope::{Paths, Scope};
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Disposition, QuickSendId, Timestamp, Trunk};

use crate::calls::call_all;
use crate::chain::bend;
use crate::engines::on_both_engines;
use crate::quick_send::new_send;
use crate::violation::go_to;
use crate::world::World;

const HOUR_US: i64 = 3_600_000_000;

async fn customer(world: &World) -> Caller {
    world.customer(10_000_000).await.0
}

async fn calls(world: &World, caller: &Caller, number: &str) {
    let message = world.message(caller, 4_000).await.id;
    quick_send::submit(&world.app, caller, new_send(message, number)).await.unwrap();
}

fn broken(scope: &str, from: Timestamp, to: Option<Timestamp>) -> NewOutage {
    NewOutage {
        paths: Paths::parse("quick-send").unwrap(),
        scope: Scope::parse(scope).unwrap(),
        from,
        to,
        cause: "the carrier".to_owned(),
        evidence: "its own notice".to_owned(),
        author: "Zahra".to_owned(),
    }
}

/// How many hours of Azar were down for an account.
async fn down_hours(world: &World, account: AccountId) -> i64 {
    let azar = PersianMonth::parse("1405-09").unwrap();
    let shown = availability::month(&world.app, Some(account), azar).await.unwrap();
    shown.judged.totals.down_us / HOUR_US
}

/// T054. Goal: a prefix that breaks is down for whoever called there in the week before or wanted
/// to meanwhile, and for nobody else; nobody has to type who that is. One that lasts, or is
/// corrected, is looked at again, and doing it again changes nothing.
async fn who_calls_there_is_touched(world: &World) {
    let app = &world.app;
    let node_until = app.now().plus_us(LOOK_BACK_US * 10);
    let node = app::dialing::take_node(app, "a", node_until).await.unwrap();
    let (gone, there, elsewhere) =
        (customer(world).await, customer(world).await, customer(world).await);
    let (wanted, later) = (customer(world).await, customer(world).await);
    calls(world, &gone, "09121230001").await;
    call_all(world, node, |_| Disposition::Delivered).await;
    go_to(world, "1405/09/10 12:00");
    calls(world, &there, "09121230002").await;
    calls(world, &elsewhere, "09351230002").await;
    call_all(world, node, |_| Disposition::Busy).await;
    go_to(world, "1405/09/11 12:00");
    let from = app.now();
    world.clock.advance_ms(HOUR_US / 1000);
    // This one waits: the call was never tried.
    calls(world, &wanted, "09121230003").await;
    let id = outage::record(app, broken("prefix:912", from, None)).await.unwrap();
    let look = async || outage::look_attempts(app).await.unwrap();
    assert_eq!(look().await, 2);
    let of = async |caller: &Caller| down_hours(world, caller.account.id).await;
    let all = async || (of(&gone).await, of(&there).await, of(&wanted).await, of(&elsewhere).await);
    assert_eq!(all().await, (0, 1, 1, 0), "who called ten days ago is not there");
    // It lasts: an hour more, and somebody else.
    world.clock.advance_ms(HOUR_US / 1000);
    calls(world, &later, "09121230004").await;
    assert_eq!((look().await, look().await), (1, 0));
    assert_eq!((all().await, of(&later).await), ((0, 2, 2, 0), 2));
    outage::close(app, id, None, "Zahra").await.unwrap();
    assert_eq!(look().await, 0);
    world.clock.advance_ms(HOUR_US / 1000);
    assert_eq!((look().await, all().await), (0, (0, 2, 2, 0)));
    // It turns out to have begun earlier.
    let longer = Span::new(from.plus_us(-2 * HOUR_US), from.plus_us(2 * HOUR_US)).unwrap();
    outage::correct(app, id, longer, "the carrier says so", "Reza").await.unwrap();
    assert_eq!(look().await, 0);
    assert_eq!(all().await, (0, 4, 4, 0));
    // What is frozen is listed, once somebody is found later.
    go_to(world, "1405/10/04 00:00");
    let azar = PersianMonth::parse("1405-09").unwrap();
    availability::freeze(app, azar).await.unwrap();
    let night = Span::new(longer.from.plus_us(-5 * HOUR_US), longer.from).unwrap();
    let late = broken("prefix:935", night.from, Some(night.to));
    outage::record(app, late).await.unwrap();
    assert_eq!(look().await, 1);
    let due = availability::touched(app, azar, AccountId(-1), 9).await.unwrap();
    let due: Vec<AccountId> = due.iter().map(|one| one.number).collect();
    assert_eq!(due, [elsewhere.account.id]);
}

/// T054. Goal: a trunk that breaks is down for those whose calls went by it.
async fn who_calls_by_a_trunk_is_touched(world: &World) {
    let app = &world.app;
    // What the calls of these tests go by.
    for name in ["main", "other"] {
        let name = name.to_owned();
        let described = Trunk { name, address: String::from("192.0.2.10"), ..Trunk::default() };
        trunk::add(app, described).await.unwrap();
    }
    let all = trunk::list(app).await.unwrap();
    let id = |name: &str| all.iter().find(|kept| kept.0.trunk.name == name).unwrap().0.id;
    let node_until = app.now().plus_us(LOOK_BACK_US * 10);
    let node = app::dialing::take_node(app, "a", node_until).await.unwrap();
    let (called, waits) = (customer(world).await, customer(world).await);
    calls(world, &called, "09121230001").await;
    call_all(world, node, |_| Disposition::Delivered).await;
    calls(world, &waits, "09121230002").await;
    world.clock.advance_ms(HOUR_US / 1000);
    let from = app.now();
    world.clock.advance_ms(HOUR_US / 1000);
    for name in ["main", "other"] {
        let scope = format!("trunk:{}", id(name));
        outage::record(app, broken(&scope, from, Some(app.now()))).await.unwrap();
    }
    assert_eq!(outage::look_attempts(app).await.unwrap(), 1);
    let (called, waits) = (called.account.id, waits.account.id);
    assert_eq!((down_hours(world, called).await, down_hours(world, waits).await), (1, 0));
}

/// T054. Goal: outages of one prefix that began at one moment, or are corrected to, are each down
/// for who called there, for all of its time; and none keeps another from being looked at.
async fn outages_that_began_together_are_all_felt(world: &World) {
    let app = &world.app;
    go_to(world, "1405/09/11 10:00");
    let (caller, other) = (customer(world).await, customer(world).await);
    calls(world, &caller, "09121230001").await;
    calls(world, &other, "09351230001").await;
    go_to(world, "1405/09/11 12:00");
    let from = app.now();
    let hours = |first, last| {
        Span::new(from.plus_us(first * HOUR_US), from.plus_us(last * HOUR_US)).unwrap()
    };
    let ended = |scope, time: Span| broken(scope, time.from, Some(time.to));
    world.clock.advance_ms(9 * HOUR_US / 1000);
    let first = outage::record(app, ended("prefix:912", hours(0, 1))).await.unwrap();
    outage::record(app, ended("prefix:912", hours(0, 3))).await.unwrap();
    let look = async || outage::look_attempts(app).await.unwrap();
    let down = async || down_hours(world, caller.account.id).await;
    assert_eq!((look().await, down().await), (1, 3));
    // The first was another time; the second stays what it was.
    outage::correct(app, first, hours(-2, -1), "the log", "Reza").await.unwrap();
    assert_eq!((look().await, down().await), (0, 4));
    let third = outage::record(app, ended("prefix:912", hours(4, 5))).await.unwrap();
    assert_eq!((look().await, down().await), (1, 5));
    // It began with the second; one that is looked at after it is looked at.
    outage::correct(app, third, hours(0, 5), "the log", "Reza").await.unwrap();
    outage::record(app, ended("prefix:935", hours(6, 7))).await.unwrap();
    assert_eq!((look().await, down().await), (1, 6));
    assert_eq!(down_hours(world, other.account.id).await, 1);
    assert_eq!((look().await, down().await), (0, 6));
    assert!(app::chain::verify(app, &[]).await.unwrap().wrong.is_empty());
}

/// T054. Goal: whoever turns out to have been touched in a frozen month, because an outage is
/// corrected into it, is due for review.
async fn an_outage_that_moves_into_a_frozen_month_is_noted(world: &World) {
    let app = &world.app;
    go_to(world, "1405/09/28 12:00");
    let (caller, elsewhere) = (customer(world).await, customer(world).await);
    calls(world, &caller, "09121230001").await;
    calls(world, &elsewhere, "09351230001").await;
    go_to(world, "1405/10/02 00:00");
    let from = app.now();
    go_to(world, "1405/10/04 00:00");
    let azar = PersianMonth::parse("1405-09").unwrap();
    availability::freeze(app, azar).await.unwrap();
    let night = broken("prefix:912", from, Some(from.plus_us(HOUR_US)));
    let id = outage::record(app, night).await.unwrap();
    assert_eq!(outage::look_attempts(app).await.unwrap(), 1);
    let due = async || {
        let page = availability::touched(app, azar, AccountId(-1), 9).await.unwrap();
        page.into_iter().map(|one| one.number).collect::<Vec<_>>()
    };
    assert_eq!(due().await, []);
    let day_us = 24 * HOUR_US;
    let earlier = Span::new(from.plus_us(-2 * day_us), from.plus_us(HOUR_US - 2 * day_us)).unwrap();
    outage::correct(app, id, earlier, "the carrier says so", "Reza").await.unwrap();
    assert_eq!(outage::look_attempts(app).await.unwrap(), 0);
    assert_eq!(due().await, [caller.account.id]);
}

/// Goal: what was looked through once is not read again each hour while an outage lasts; the one
/// that waits longest is looked at first, and one of which nothing can follow any more is left.
async fn calls_are_looked_through_once(world: &World) {
    let app = &world.app;
    go_to(world, "1405/09/10 12:00");
    let early = customer(world).await;
    calls(world, &early, "09351230002").await;
    go_to(world, "1405/09/11 12:00");
    let from = app.now();
    let id = outage::record(app, broken("prefix:912", from, None)).await.unwrap();
    let lasts = outage::record(app, broken("prefix:913", from, None)).await.unwrap();
    world.clock.advance_ms(HOUR_US / 1000);
    let look = async || outage::look_attempts(app).await.unwrap();
    assert_eq!(look().await, 0);
    // As if that call had gone there: nobody looks at it any more, until the outage is corrected.
    bend(world, "UPDATE quick_send SET destination = '09121230002'").await;
    world.clock.advance_ms(2 * HOUR_US / 1000);
    assert_eq!(look().await, 0);
    let time = Span::new(from, from.plus_us(HOUR_US)).unwrap();
    outage::correct(app, id, time, "the log", "Reza").await.unwrap();
    let due = async |since| {
        let due = store::outage::unsearched(&mut world.db.read().await.unwrap(), since, 9).await;
        due.unwrap().iter().map(|one| one.id).collect::<Vec<_>>()
    };
    assert_eq!(due(Timestamp(0)).await, [id, lasts]);
    assert_eq!(due(time.to).await, [lasts], "what is over is left alone");
    assert_eq!(look().await, 1);
    assert_eq!(due(Timestamp(0)).await, [lasts]);
    assert_eq!(down_hours(world, early.account.id).await, 1);
}

/// Goal: sends since a time are found without reading those before it.
async fn sends_since_a_time_are_found(world: &World) {
    let first = world.app.now();
    let caller = customer(world).await;
    let mut reads = world.db.read().await.unwrap();
    assert_eq!(store::outage::before(&mut reads, first).await.unwrap(), QuickSendId(0));
    drop(reads);
    for _ in 0..5 {
        calls(world, &caller, "09121230001").await;
        world.clock.advance_ms(HOUR_US / 1000);
    }
    let mut reads = world.db.read().await.unwrap();
    for hour in 0..7 {
        for (us, not_before) in [(0, hour), (1, hour + 1)] {
            let at = first.plus_us(hour * HOUR_US + us);
            let before = store::outage::before(&mut reads, at).await.unwrap();
            let since = store::outage::attempts(&mut reads, before, 9).await.unwrap();
            let expected = usize::try_from((5 - not_before).max(0)).unwrap();
            assert_eq!(since.len(), expected, "{hour} {us}");
        }
    }
}

on_both_engines!(
    who_calls_there_is_touched,
    who_calls_by_a_trunk_is_touched,
    outages_that_began_together_are_all_felt,
    an_outage_that_moves_into_a_frozen_month_is_noted,
    calls_are_looked_through_once,
    sends_since_a_time_are_found,
);
