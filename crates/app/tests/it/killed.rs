//! Processes that are killed between two transactions that belong together: a payment and what its
//! month comes to by it, a change of plan and the invoice that asks for it.

use app::invoice::{self, Invoice};
use app::{App, Settings, availability, credit, subscription};
use domain::AccountId;
use domain::agreement::credit::State as Credit;
use domain::billing::plan_change::When;
use store::Queries as _;

use crate::engines::{postgres, remove};
use crate::killing::kill_again_and_again;
use crate::money::{hour, newest, plan, publish_now};
use crate::violation::{at, go_to, month, seen, span};
use crate::world::World;

const CUSTOMERS: i64 = 20;
const CHEAP: i64 = 1_000_000;
const DEAR: i64 = 1_600_001;

/// Customers with a subscription each from Azar on, and their first invoices. The answer is the
/// number of a dearer plan.
async fn subscribed(world: &World) -> i64 {
    let app = &world.app;
    publish_now(app).await;
    let cheap = subscription::add_plan(app, &plan("all", 1, CHEAP)).await.unwrap();
    for _ in 0..CUSTOMERS {
        let account = world.customer(0).await.0.account.id;
        subscription::start(app, account, cheap, month("1405-09"), "Sara").await.unwrap();
    }
    let dear = subscription::add_plan(app, &plan("all", 1, DEAR)).await.unwrap();
    go_to(world, "1405/09/04 00:00");
    hour(app).await;
    dear
}

async fn pay(app: &App, invoice: &Invoice, paid_at: Option<&str>) {
    let reference = format!("bank {}", invoice.id);
    invoice::pay(app, invoice.id, (&reference, paid_at.map(at)), "Sara").await.unwrap();
}

async fn count(db: store::Db, sql: &'static str) -> usize {
    let mut reads = db.read().await.unwrap();
    let count = reads.query_one(sql, &[]).await.unwrap().get::<i64>("n").unwrap();
    usize::try_from(count).unwrap()
}

/// Where a process that is to be killed finds its database.
const PAYER_URL: &str = "AVANAK_TEST_PAYER_URL";

/// The process that is to be killed: takes in what is not paid.
#[tokio::test]
#[ignore = "started and killed by the tests below"]
#[expect(clippy::disallowed_methods, reason = "the parent says where the database is")]
async fn a_payer_that_is_killed() {
    let Ok(url) = std::env::var(PAYER_URL) else { return };
    let world = World::at(&url, Settings::default()).await;
    go_to(&world, "1405/10/04 01:00");
    loop {
        for account in 1..=CUSTOMERS {
            let owed = newest(&world.app, AccountId(account)).await;
            if owed.paid.is_none() {
                pay(&world.app, &owed, Some("1405/09/10 13:00")).await;
            }
        }
    }
}

/// C19, 0108. Kill -9 between a payment that we learn of late and the revision of its month, again
/// and again: what was paid is paid, and each month is revised, and pays back, once.
async fn a_payment_is_followed_by_its_month(url: &str) {
    let world = World::at(url, Settings::default()).await;
    subscribed(&world).await;
    for now in ["1405/09/11 01:00", "1405/09/16 00:00"] {
        go_to(&world, now);
        hour(&world.app).await;
    }
    go_to(&world, "1405/10/03 23:00");
    let down = span("1405/09/20 00:00", "1405/09/20 04:00");
    seen(&world, span("1405/09/01 00:00", "1405/10/01 00:00"), "api", &[down]).await;
    go_to(&world, "1405/10/04 00:00");
    assert_eq!(hour(&world.app).await[0], 0, "nothing was covered when it was away");
    world.close_database().await;
    let worker = ("killed::a_payer_that_is_killed", PAYER_URL);
    let paid = "SELECT COUNT(*) AS n FROM invoice WHERE paid_at_us IS NOT NULL";
    let steps = usize::try_from(CUSTOMERS).unwrap();
    kill_again_and_again(worker, url, steps, async |db| count(db, paid).await).await;

    let world = World::at(url, Settings::default()).await;
    let noted = "SELECT COUNT(*) AS n FROM month_review";
    let noted = count(world.db.clone(), noted).await;
    assert!(noted > 0, "no kill came between a payment and its month");
    go_to(&world, "1405/10/04 02:00");
    assert_eq!(availability::review_due(&world.app).await.unwrap(), noted as u64);
    for _ in 0..2 {
        hour(&world.app).await;
    }
    for account in 1..=CUSTOMERS {
        let account = Some(AccountId(account));
        let azar = availability::month(&world.app, account, month("1405-09")).await.unwrap();
        let hours: Vec<i64> =
            azar.written.iter().map(|one| one.totals.down_us / 3_600_000_000).collect();
        assert_eq!(hours, [0, 4]);
        let credits = credit::list(&world.app, account, None, 9).await.unwrap();
        assert_eq!(credits.len(), 1, "{account:?}");
        assert_eq!(credits[0].credit.state(), Credit::Closed, "the invoice of Dey took it");
    }
    world.close_database().await;
}

const CHANGER_URL: &str = "AVANAK_TEST_CHANGER_URL";

/// The process that is to be killed: gives everybody the dearer plan in the middle of Azar, then
/// does what the server does each hour of Dey.
#[tokio::test]
#[ignore = "started and killed by the tests below"]
#[expect(clippy::disallowed_methods, reason = "the parent says where the database is")]
async fn a_changer_that_is_killed() {
    let Ok(url) = std::env::var(CHANGER_URL) else { return };
    let world = World::at(&url, Settings::default()).await;
    let app = &world.app;
    go_to(&world, "1405/09/16 00:00");
    for id in 1..=CUSTOMERS {
        let found = subscription::find(app, id).await.unwrap().unwrap();
        if found.plans.len() == 1 {
            subscription::change_plan(app, None, id, (2, When::Now), "Sara").await.unwrap();
        }
    }
    go_to(&world, "1405/10/04 00:00");
    loop {
        hour(app).await;
    }
}

/// C29, 0107. Kill -9 while plans are changed and while that is billed, again and again: each has
/// the plan, and is asked for the rest of the month, once.
async fn a_change_of_plan_is_billed_once(url: &str) {
    let world = World::at(url, Settings::default()).await;
    assert_eq!(subscribed(&world).await, 2);
    for account in 1..=CUSTOMERS {
        pay(&world.app, &newest(&world.app, AccountId(account)).await, None).await;
    }
    world.close_database().await;
    let worker = ("killed::a_changer_that_is_killed", CHANGER_URL);
    let made = "SELECT (SELECT COUNT(*) FROM plan_change)
                       + (SELECT COUNT(*) FROM invoice WHERE month = '1405-10') AS n";
    let steps = usize::try_from(2 * CUSTOMERS).unwrap();
    kill_again_and_again(worker, url, steps, async |db| count(db, made).await).await;

    let world = World::at(url, Settings::default()).await;
    go_to(&world, "1405/10/04 00:00");
    assert_eq!(hour(&world.app).await[2], 0, "each is billed");
    for account in 1..=CUSTOMERS {
        let account = AccountId(account);
        let [subscription] = &subscription::of_account(&world.app, account).await.unwrap()[..]
        else {
            panic!("one subscription")
        };
        assert_eq!(subscription.plans.len(), 2);
        let billed = newest(&world.app, account).await;
        assert_eq!(billed.amounts.price.0, DEAR + 300_000, "half of Azar was left");
        assert_eq!(invoice::rests(&world.app, &billed).await.unwrap().len(), 1);
        let all = invoice::list(&world.app, account, None, 9).await.unwrap();
        assert_eq!(all.len(), 2);
    }
    world.close_database().await;
}

/// Runs such a test on SQLite, in a file.
async fn on_sqlite(check: impl AsyncFnOnce(&str)) {
    let folder = tempfile::tempdir().unwrap();
    check(&format!("sqlite:{}", folder.path().join("a.db").display())).await;
}

/// And on PostgreSQL, if the suite has started one.
async fn on_postgres(check: impl AsyncFnOnce(&str)) {
    let Some((server, url)) = postgres().await else { return };
    check(&url).await;
    remove(&server, &url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_is_followed_by_its_month_on_sqlite() {
    on_sqlite(a_payment_is_followed_by_its_month).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_is_followed_by_its_month_on_postgres() {
    on_postgres(a_payment_is_followed_by_its_month).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_plan_is_billed_once_on_sqlite() {
    on_sqlite(a_change_of_plan_is_billed_once).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_plan_is_billed_once_on_postgres() {
    on_postgres(a_change_of_plan_is_billed_once).await;
}
