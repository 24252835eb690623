//! Whom an outage of a prefix or trunk touches, found from their calls.

use app::outage::{self, LOOK_BACK_US, NewOutage};
use app::{Caller, availability, quick_send, trunk};
use domain::agreement::scope::{Paths, Scope};
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Disposition, Timestamp, Trunk};

use crate::calls::call_all;
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
    outage::close(app, id, None).await.unwrap();
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

on_both_engines!(who_calls_there_is_touched, who_calls_by_a_trunk_is_touched);
