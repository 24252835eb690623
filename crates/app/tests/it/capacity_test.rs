//! Tests of the load in months whose demand says nothing of the capacity.

use app::availability::{self, MonthRefusal};
use app::capacity_test::{self, CapacityTest, TestRefusal};
use app::dialing::NodeStamp;
use app::{campaign, dialing, promise};
use domain::calendar::month::PersianMonth;
use domain::{AccountId, Disposition};

use crate::calls::call_all;
use crate::engines::on_both_engines;
use crate::refusal;
use crate::world::World;

const HOUR_MS: i64 = 3_600_000;

async fn tests(world: &World) -> Vec<CapacityTest> {
    let month = PersianMonth::of(world.app.now());
    capacity_test::of_month(&world.app, month).await.unwrap()
}

async fn node(world: &World) -> NodeStamp {
    let until = world.app.now().plus_ms(9_000_000_000);
    dialing::take_node(&world.app, "a", until).await.unwrap()
}

/// To three in the night of the month's last day but one.
fn to_the_last_night(world: &World) {
    let now = world.app.now();
    let night = PersianMonth::of(now).end().plus_us(-(24 + 21) * HOUR_MS * 1000);
    world.clock.advance_ms(night.us_since(now) / 1000);
}

/// Goal: a month without demand is tested once, in its last nights, by calls that go through the
/// dialer like all others; whoever asks for the promise is told by what.
#[tokio::test]
async fn a_month_without_demand_is_tested_once() {
    let world = World::new().await;
    let node = node(&world).await;
    assert!(!capacity_test::begin_if_due(&world.app).await.unwrap(), "it is not time");
    to_the_last_night(&world);
    assert!(capacity_test::begin_if_due(&world.app).await.unwrap());
    assert!(!capacity_test::begin_if_due(&world.app).await.unwrap(), "it has begun");
    assert_eq!(refusal(capacity_test::begin(&world.app).await), TestRefusal::UnderWay);
    // A process that is killed before it keeps the campaign is followed by one that finds it.
    assert_eq!(capacity_test::look(&world.app).await.unwrap(), None);
    let [test] = tests(&world).await[..] else { panic!("one test") };
    let campaign = test.campaign.unwrap();
    let called = campaign::find(&world.app, test.account, campaign).await.unwrap().unwrap();
    assert_eq!(called.campaign.recipients.total(), 2000);

    let mut started = 0;
    while started < 1000 {
        assert_eq!(capacity_test::look(&world.app).await.unwrap(), None, "{started} started");
        campaign::feed(&world.app, world.app.now()).await.unwrap();
        started += call_all(&world, node, |_| Disposition::Delivered).await;
    }
    let ended = capacity_test::look(&world.app).await.unwrap().unwrap();
    let minute = ended.end.unwrap().minute;
    assert_eq!((minute.startable, minute.starts), (2000, u64::try_from(started).unwrap()));
    assert_eq!(tests(&world).await, [ended]);
    assert!(!capacity_test::begin_if_due(&world.app).await.unwrap(), "once a month");
    let month = PersianMonth::of(world.app.now());
    let judged = promise::month(&world.app, month).await.unwrap();
    assert_eq!((judged.capacity.met(), judged.capacity_met()), (None, Some(true)));
    // What a sandbox calls says nothing of what customers got.
    assert_eq!((judged.delivery.raw, judged.capacity.qualifying), (None, 0));
    let left = campaign::find(&world.app, test.account, campaign).await.unwrap().unwrap();
    assert!(!left.campaign.state.takes_numbers(), "the rest is not called: {:?}", left.campaign);
    assert_eq!(capacity_test::begin(&world.app).await.unwrap().n, 2, "by hand as often as asked");
    assert_eq!(capacity_test::look(&world.app).await.unwrap(), None);
    assert_eq!(tests(&world).await[1].account, test.account);
}

/// Goal: too few starts in the minute are a test that failed, and count.
#[tokio::test]
async fn a_test_that_is_too_slow_fails() {
    let world = World::new().await;
    let node = node(&world).await;
    capacity_test::begin(&world.app).await.unwrap();
    let look = async || capacity_test::look(&world.app).await.unwrap();
    assert_eq!(look().await, None);
    campaign::feed(&world.app, world.app.now()).await.unwrap();
    let started = call_all(&world, node, |_| Disposition::Delivered).await;
    assert!((1..1000).contains(&started), "{started}");
    world.clock.advance_ms(59_999);
    assert_eq!(look().await, None);
    world.clock.advance_ms(1);
    campaign::feed(&world.app, world.app.now()).await.unwrap();
    assert!(call_all(&world, node, |_| Disposition::Delivered).await > 0, "too late");
    let ended = look().await.unwrap().end.unwrap();
    assert_eq!(ended.minute.starts, u64::try_from(started).unwrap());
    let month = PersianMonth::of(world.app.now());
    let met = async || promise::month(&world.app, month).await.unwrap().capacity_met();
    assert_eq!(met().await, Some(false));
    // C25: what the month missed stands in the ledger once the month is frozen, once.
    let ledger = async || app::violation::list(&world.app, None, None, 10).await.unwrap();
    assert!(ledger().await.is_empty(), "the month goes on");
    let over = month.end().plus_us(4 * 24 * HOUR_MS * 1000);
    world.clock.advance_ms(over.us_since(world.app.now()) / 1000);
    for _ in 0..2 {
        availability::freeze(&world.app, month).await.unwrap();
    }
    let missed: Vec<_> = ledger().await.into_iter().map(|kept| kept.violation).collect();
    let capacity = |one: &&domain::agreement::violation::Violation| {
        one.clause() == domain::agreement::violation::Clause::Capacity
    };
    assert_eq!(missed.iter().filter(capacity).count(), 1, "{missed:?}");
}

/// Goal: a test that called nobody, as nobody was there to call it, says nothing of the capacity,
/// and another one is made.
#[tokio::test]
async fn a_test_that_called_nobody_tells_nothing() {
    let world = World::new().await;
    to_the_last_night(&world);
    assert!(capacity_test::begin_if_due(&world.app).await.unwrap());
    let look = async || capacity_test::look(&world.app).await.unwrap();
    assert_eq!(look().await, None);
    world.clock.advance_ms(31 * 60_000);
    let ended = look().await.unwrap().end.unwrap();
    assert_eq!((ended.minute_from, ended.minute.starts), (None, 0));
    let month = PersianMonth::of(world.app.now());
    let judged = promise::month(&world.app, month).await.unwrap();
    assert_eq!(judged.capacity_met(), None);
    assert!(capacity_test::begin_if_due(&world.app).await.unwrap());
    assert_eq!(tests(&world).await.len(), 2);
}

/// Goal: whoever is killed after making the campaign and before keeping which it is, and followed
/// by nobody for so long that the test is given up, leaves no campaign that calls on.
async fn a_campaign_that_was_not_kept_is_found_and_stopped(world: &World) {
    capacity_test::begin(&world.app).await.unwrap();
    let look = async || capacity_test::look(&world.app).await.unwrap();
    assert_eq!(look().await, None);
    let [made] = tests(world).await[..] else { panic!("one test") };
    let mut tx = world.db.begin().await.unwrap();
    tx.execute("UPDATE capacity_test SET campaign_id = NULL", &[]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(tests(world).await[0].campaign, None);
    world.clock.advance_ms(31 * 60_000);
    let ended = look().await.unwrap();
    assert_eq!((ended.campaign, ended.end.unwrap().minute_from), (made.campaign, None));
    let found = campaign::find(&world.app, made.account, made.campaign.unwrap()).await.unwrap();
    assert!(!found.unwrap().campaign.state.takes_numbers());
    assert_eq!(tests(world).await, [ended]);
}

/// Goal: nobody is promised anything by the accounts that test the load, nor by a sandbox: they
/// have no statement, and nobody can write one.
async fn who_is_promised_nothing_has_no_statement(world: &World) {
    let caller = world.customer(0).await.0;
    let account = caller.account.id;
    let played = world.sandbox(&caller).await.0.account.id;
    let test = capacity_test::begin(&world.app).await.unwrap();
    let sandbox = app::account::status(&world.app, test.account).await.unwrap().unwrap();
    let nobodys = [sandbox.sandbox_of.unwrap(), test.account, played];
    world.clock.advance_ms(HOUR_MS);
    let month = PersianMonth::of(world.app.now());
    let shown = async |account| availability::month(&world.app, Some(account), month).await;
    for none in nobodys {
        let empty = shown(none).await.unwrap();
        assert_eq!((empty.judged.totals.covered_us(), empty.verdict), (0, None));
    }
    assert!(shown(account).await.unwrap().judged.totals.covered_us() > 0);
    assert_eq!(refusal(shown(AccountId(77)).await), MonthRefusal::NoSuchAccount);
    let past = month.end().plus_us(73 * HOUR_MS * 1000).us_since(world.app.now());
    world.clock.advance_ms(past / 1000);
    let frozen = availability::freeze(&world.app, month).await.unwrap();
    assert_eq!(frozen.written, 2, "the customer's and the platform's");
    for none in nobodys {
        assert_eq!(shown(none).await.unwrap().written, []);
        let forced = availability::revise(&world.app, Some(none), month, "why", "Sara").await;
        assert_eq!(refusal(forced), MonthRefusal::NotFrozen);
    }
}

on_both_engines!(
    a_campaign_that_was_not_kept_is_found_and_stopped,
    who_is_promised_nothing_has_no_statement,
);
