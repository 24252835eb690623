//! The close of a month, whatever happens to those who do it: killed, two at once, on a full disk,
//! by clocks that are stepped.

use std::io::Write as _;
use std::time::Duration;

use app::availability::{self, MonthRefusal};
use app::{App, Settings, credit, invoice, outage, subscription, violation};
use domain::agreement::scope::{Paths, Scope};
use domain::agreement::violation::{Clause, Party};
use domain::billing::subscription::Plan;
use domain::calendar::span::Span;
use domain::{AccountId, Rials};
use store::{Queries as _, Value};

use crate::engines::{on_both_engines, postgres, remove, say};
use crate::killing::kill_again_and_again;
use crate::money::{PRICE, each_has_one, hour, many_breached, plan, publish_now};
use crate::refusal;
use crate::violation::{go_to, month, seen, span};
use crate::world::{NOON, World};

/// Accounts of a month that is frozen in several transactions.
const ACCOUNTS: usize = 1_500;

/// So many accounts whose Azar was breached, on the day when it is frozen.
async fn a_month_of_many(world: &World) {
    let mut tx = world.db.begin().await.unwrap();
    for _ in 0..ACCOUNTS {
        let new = store::account::NewAccount {
            name: "n".to_owned(),
            mobile: "09120000001".to_owned(),
            opening_credit: Rials::ZERO,
            expires_at: None,
            approves_own_messages: true,
            records_callees: false,
            created_at: NOON,
            sandbox_of: None,
        };
        store::account::create(&mut tx, &new).await.unwrap();
    }
    tx.commit_at(NOON).await.unwrap();
    go_to(world, "1405/10/03 23:00");
    let down = span("1405/09/10 00:00", "1405/09/10 04:00");
    seen(world, span("1405/09/01 00:00", "1405/10/01 00:00"), "api", &[down]).await;
    go_to(world, "1405/10/04 00:00");
}

/// How many statements there are.
async fn written(db: store::Db) -> usize {
    let sql = "SELECT COUNT(*) AS n FROM month_statement";
    let mut reads = db.read().await.unwrap();
    let count = reads.query_one(sql, &[]).await.unwrap().get::<i64>("n").unwrap();
    usize::try_from(count).unwrap()
}

/// Every account and the platform have one statement of Azar, and one entry of the ledger.
async fn each_is_written_once(world: &World) {
    assert_eq!(written(world.db.clone()).await, ACCOUNTS + 1);
    let mut reads = world.db.read().await.unwrap();
    for account in 0..=ACCOUNTS {
        let account = AccountId(i64::try_from(account).unwrap());
        let account = (account.0 > 0).then_some(account);
        let azar = month("1405-09");
        let of_month = store::month_statement::of_month(&mut reads, account, azar).await.unwrap();
        assert_eq!(of_month.iter().map(|one| one.revision).collect::<Vec<_>>(), [0]);
    }
    drop(reads);
    let counts = violation::counts(&world.app, month("1405-09")).await.unwrap();
    let all = u64::try_from(ACCOUNTS).unwrap() + 1;
    assert_eq!(counts, [(Party::Provider, Clause::Availability, Some(all))]);
    assert_eq!(world.db.audit().await.unwrap().violations, []);
    assert!(app::chain::verify(&world.app, &[]).await.unwrap().wrong.is_empty());
}

/// Where the process that is to be killed finds its database.
const WORKER_URL: &str = "AVANAK_TEST_MONTH_URL";

/// The process that is to be killed: freezes the month.
#[tokio::test]
#[ignore = "started and killed by the tests below"]
#[expect(clippy::disallowed_methods, reason = "the parent says where the database is")]
async fn a_worker_that_is_killed() {
    let Ok(url) = std::env::var(WORKER_URL) else { return };
    let world = World::at(&url, Settings::default()).await;
    go_to(&world, "1405/10/04 00:00");
    loop {
        availability::freeze(&world.app, month("1405-09")).await.unwrap();
    }
}

/// I07, T061: kill -9 in the middle of the close of a month, again and again.
async fn what_is_killed_in_the_middle_is_frozen_once(url: &str) {
    let world = World::at(url, Settings::default()).await;
    a_month_of_many(&world).await;
    world.close_database().await;
    let worker = ("month_close::a_worker_that_is_killed", WORKER_URL);
    kill_again_and_again(worker, url, ACCOUNTS + 1, written).await;
    let world = World::at(url, Settings::default()).await;
    go_to(&world, "1405/10/04 00:00");
    let again = availability::freeze(&world.app, month("1405-09")).await.unwrap();
    assert_eq!(again.written, 0);
    each_is_written_once(&world).await;
    world.close_database().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_killed_in_the_middle_is_frozen_once_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("a.db").display());
    what_is_killed_in_the_middle_is_frozen_once(&url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_killed_in_the_middle_is_frozen_once_on_postgres() {
    let Some((server, url)) = postgres().await else { return };
    what_is_killed_in_the_middle_is_frozen_once(&url).await;
    remove(&server, &url).await;
}

/// T061: two nodes freeze the same month at once, each with its own connections.
async fn two_nodes_freeze(url: &str) {
    let world = World::at(url, Settings::default()).await;
    a_month_of_many(&world).await;
    let other = World::at(url, Settings::default()).await;
    go_to(&other, "1405/10/04 00:00");
    let azar = month("1405-09");
    let (one, two) = tokio::join!(
        availability::freeze(&world.app, azar),
        availability::freeze(&other.app, azar),
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    let all = u64::try_from(ACCOUNTS).unwrap() + 1;
    assert_eq!((one.written + two.written, one.already + two.already), (all, all));
    each_is_written_once(&world).await;
    for world in [other, world] {
        world.books_are_away();
        world.db.clone().close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_freeze_one_month_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    two_nodes_freeze(&format!("sqlite:{}", folder.path().join("a.db").display())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_freeze_one_month_on_postgres() {
    let Some((server, url)) = postgres().await else { return };
    two_nodes_freeze(&url).await;
    remove(&server, &url).await;
}

/// How many pages the database may have; the limit does not go below what there are.
async fn limit_pages(world: &World, sql: &'static str) {
    let mut tx = world.db.begin().await.unwrap();
    tx.query_one(sql, &[]).await.unwrap();
    tx.commit().await.unwrap();
}

/// The disk is full in the middle of the close of a month: what was written stays, nothing is
/// half-written, and it goes on when there is room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_at_the_close_of_a_month_loses_nothing() {
    let world = World::new().await;
    a_month_of_many(&world).await;
    limit_pages(&world, "PRAGMA max_page_count = 1").await;
    let freeze = async || availability::freeze(&world.app, month("1405-09")).await;
    let failed = freeze().await;
    assert!(matches!(failed, Err(app::Error::Failed(_))), "{failed:?}");
    let before = written(world.db.clone()).await;
    assert!(before < ACCOUNTS, "{before}");
    assert_eq!(world.db.audit().await.unwrap().violations, []);
    assert!(app::chain::verify(&world.app, &[]).await.unwrap().wrong.is_empty());
    limit_pages(&world, "PRAGMA max_page_count = 1000000").await;
    let frozen = freeze().await.unwrap();
    assert_eq!(usize::try_from(frozen.written).unwrap(), ACCOUNTS + 1 - before);
    each_is_written_once(&world).await;
}

/// Has the server say that its disk is full when it would write one more statement than these.
const FULL: &str = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF (SELECT COUNT(*) FROM month_statement) >= 450 THEN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON month_statement
    FOR EACH ROW EXECUTE FUNCTION full_disk();";

/// As above. The disk of the server is not ours to fill, so it says by itself what it would say
/// then, in the middle of a transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_disk_is_full_at_the_close_of_a_month_loses_nothing() {
    let Some((server, url)) = postgres().await else { return };
    let world = World::at(&url, Settings::default()).await;
    a_month_of_many(&world).await;
    say(&url, FULL).await;
    let freeze = async || availability::freeze(&world.app, month("1405-09")).await;
    for _ in 0..2 {
        let failed = freeze().await;
        assert!(matches!(failed, Err(app::Error::Failed(_))), "{failed:?}");
        // Whole transactions, of 200 accounts each, and with them what they are attested by.
        assert_eq!(written(world.db.clone()).await, 400);
        assert_eq!(world.db.audit().await.unwrap().violations, []);
        assert!(app::chain::verify(&world.app, &[]).await.unwrap().wrong.is_empty());
    }
    say(&url, "DROP TRIGGER full_disk ON month_statement").await;
    let frozen = freeze().await.unwrap();
    assert_eq!(usize::try_from(frozen.written).unwrap(), ACCOUNTS + 1 - 400);
    each_is_written_once(&world).await;
    world.close_database().await;
    remove(&server, &url).await;
}

/// Who closes in minutes on two cores, and in how many groups (T063).
const CROWD: usize = 100_000;
/// Says how many it is to be instead, for a first look.
const CROWD_IS: &str = "AVANAK_BENCH_CROWD";
const GROUPS: usize = 40;
const OUTAGES: usize = 300;
/// So long each part may take: the months, and then the credits and invoices.
const MINUTES: Duration = Duration::from_mins(10);

/// An outage: of which group, and its minutes of the month.
fn outage_of(n: usize) -> (usize, std::ops::Range<usize>) {
    let from = n * 7919 % 43_000;
    (n % GROUPS, from..from + n % 50 + 1)
}

/// How many a crowd is.
#[expect(clippy::disallowed_methods, reason = "whoever runs the benchmark says how many")]
fn crowd() -> usize {
    std::env::var(CROWD_IS).ok().and_then(|text| text.parse().ok()).unwrap_or(CROWD)
}

/// A line of the benchmark: what took how long, and whether that is within its time.
fn tell(what: &str, took: Duration) {
    let word = if took <= MINUTES { "HOLDS" } else { "MISSED" };
    let (seconds, most) = (took.as_secs_f64(), MINUTES.as_secs());
    let line = format!("{word}: {what} took {seconds:.1} s (target: at most {most} s)");
    writeln!(std::io::stderr(), "{line}").expect("somebody listens");
}

/// A crowd, each in two of the groups.
async fn a_crowd(world: &World, count: usize) {
    let accounts =
        "INSERT INTO account (name, mobile, balance_rials, reserved_rials, created_at_us)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < CAST($1 AS BIGINT))
        SELECT 'n', '09120000001', 0, 0, 1795293000000000 FROM n";
    let first = "INSERT INTO group_member (group_name, account_id, from_us)
        SELECT 'cohort:' || (id % 40 + 1), id, 0 FROM account";
    let second = "INSERT INTO group_member (group_name, account_id, from_us)
        SELECT 'cohort:' || (id / 40 % 40 + 1), id, 0 FROM account
        WHERE id / 40 % 40 <> id % 40";
    // Whoever pays late is not suspended for it here.
    publish_now(&world.app).await;
    let terms = Plan { due_days: 60, ..plan("all", 1, PRICE) };
    subscription::add_plan(&world.app, &terms).await.unwrap();
    let subscribed = "INSERT INTO subscription (account_id, plan_id, first_month)
        SELECT account.id, plan.id, '1405-09' FROM account CROSS JOIN plan";
    let trial = "INSERT INTO subscription_state (subscription_id, n, state, at_us, actor, reason)
        SELECT id, 0, 'trial', 1795293000000000, 'Sara', '' FROM subscription";
    let mut tx = world.db.begin().await.unwrap();
    tx.execute(accounts, &[Value::Int(i64::try_from(count).unwrap())]).await.unwrap();
    for sql in [first, second, subscribed, trial] {
        tx.execute(sql, &[]).await.unwrap();
    }
    tx.commit_at(NOON).await.unwrap();
    go_to(world, "1405/10/03 23:00");
    let azar = month("1405-09");
    seen(world, Span { from: azar.start(), to: azar.end() }, "api", &[]).await;
    for n in 0..OUTAGES {
        let (group, minutes) = outage_of(n);
        let at = |minute: usize| azar.start().plus_us(i64::try_from(minute).unwrap() * 60_000_000);
        let new = outage::NewOutage {
            paths: Paths::parse("api,panel").unwrap(),
            scope: Scope::parse(&format!("cohort:{}", group + 1)).unwrap(),
            from: at(minutes.start),
            to: Some(at(minutes.end)),
            cause: "power".to_owned(),
            evidence: "log 7".to_owned(),
            author: "Zahra".to_owned(),
        };
        outage::record(&world.app, new).await.unwrap();
    }
    go_to(world, "1405/10/04 00:00");
}

/// What is owed for so many minutes, in hundredths of a percent of the price: the schedule, as a
/// person reads it.
fn owed_bp(down_minutes: i64) -> i64 {
    match down_minutes {
        // 99 and 99.58 % of 43 200 minutes; a value on the border is of the lower row.
        432.. => 2_500,
        182.. => 1_000,
        _ => 0,
    }
}

/// Makes credits and invoices of the month until there is nothing more to make. The answer is how
/// many there were of each: proposed, posted, issued.
async fn settle(app: &App) -> [u64; 3] {
    let mut sums = [0; 3];
    loop {
        let begun = tokio::time::Instant::now();
        let did = [
            credit::propose_due(app).await.unwrap(),
            credit::post_due(app).await.unwrap(),
            invoice::issue_due(app).await.unwrap(),
        ];
        let took = begun.elapsed();
        writeln!(std::io::stderr(), "{did:?} in {took:?}").expect("somebody listens");
        if did == [0; 3] {
            return sums;
        }
        for (sum, count) in sums.iter_mut().zip(did) {
            *sum += count;
        }
    }
}

/// T063: 100 000 subscribers with 300 outages of 40 groups are written down in minutes, each as a
/// walk minute by minute says; then each has a credit and an invoice with it, to the rial; and
/// nothing is done when it is done again. `cargo x bench crowd` runs it in release.
async fn a_crowd_is_closed_in_minutes(url: &str) {
    let world = World::at(url, Settings::default()).await;
    let count = crowd();
    a_crowd(&world, count).await;
    let begun = tokio::time::Instant::now();
    let freeze = availability::freeze(&world.app, month("1405-09"));
    let frozen = tokio::time::timeout(MINUTES, freeze).await.expect("it takes too long").unwrap();
    tell(&format!("freezing the month of {count} subscribers"), begun.elapsed());
    assert_eq!(usize::try_from(frozen.written).unwrap(), count + 1);

    let mut down = vec![vec![false; 43_200]; GROUPS];
    for n in 0..OUTAGES {
        let (group, minutes) = outage_of(n);
        down[group][minutes].fill(true);
    }
    let of_two = |one: usize, two: usize| {
        let both = down[one].iter().zip(&down[two]);
        i64::try_from(both.filter(|(one, two)| **one || **two).count()).unwrap()
    };
    let minutes: Vec<Vec<i64>> =
        (0..GROUPS).map(|one| (0..GROUPS).map(|two| of_two(one, two)).collect()).collect();
    let sql = "SELECT account_id, down_us, up_us FROM month_statement WHERE account_id > 0";
    let mut reads = world.db.read().await.unwrap();
    let rows = reads.query(sql, &[]).await.unwrap();
    assert_eq!(rows.len(), count);
    for row in rows {
        let id = usize::try_from(row.get::<i64>("account_id").unwrap()).unwrap();
        let expected = minutes[id % GROUPS][id / GROUPS % GROUPS] * 60_000_000;
        assert_eq!(row.get::<i64>("down_us").unwrap(), expected, "account {id}");
        assert_eq!(row.get::<i64>("up_us").unwrap(), 43_200 * 60_000_000 - expected);
    }
    drop(reads);
    let again = availability::freeze(&world.app, month("1405-09")).await.unwrap();
    assert_eq!(again.written, 0);

    let owed = |id: usize| {
        let bp = owed_bp(minutes[id % GROUPS][id / GROUPS % GROUPS]);
        (PRICE * bp + 9_999) / 10_000
    };
    let creditors = (1..=count).filter(|id| owed(*id) > 0).count() as u64;
    let begun = tokio::time::Instant::now();
    assert_eq!(settle(&world.app).await, [creditors, creditors, count as u64]);
    tell(&format!("{creditors} credits and {count} invoices"), begun.elapsed());
    let sql = "SELECT account_id, discount_rials FROM invoice WHERE month = '1405-10'";
    let mut reads = world.db.read().await.unwrap();
    let rows = reads.query(sql, &[]).await.unwrap();
    assert_eq!(rows.len(), count);
    for row in rows {
        let id = usize::try_from(row.get::<i64>("account_id").unwrap()).unwrap();
        let discount: i64 = row.get("discount_rials").unwrap();
        assert_eq!(discount, owed(id), "account {id}");
    }
    drop(reads);
    world.close_database().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: cargo x bench crowd"]
async fn a_crowd_is_closed_in_minutes_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("a.db").display());
    a_crowd_is_closed_in_minutes(&url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: cargo x bench crowd"]
async fn a_crowd_is_closed_in_minutes_on_postgres() {
    let Some((server, url)) = postgres().await else { return };
    a_crowd_is_closed_in_minutes(&url).await;
    remove(&server, &url).await;
}

/// Clocks that are stepped back and forth by an hour and by a second, from the very moment of the
/// freeze on: nothing is done too early, nothing twice, and nothing is lost.
async fn stepped_clocks_close_a_month_once(world: &World) {
    many_breached(world).await;
    let early = refusal(availability::freeze(&world.app, month("1405-10")).await);
    assert!(matches!(early, MonthRefusal::NotFinal(_)));
    let mut did = [0; 4];
    for step_s in [0, -1, 1, -3600, 0, 3600, 3600, -3600, -1, 0, 1] {
        world.clock.advance_ms(step_s * 1000);
        for (sum, count) in did.iter_mut().zip(hour(&world.app).await) {
            *sum += count;
        }
    }
    let customers = 40;
    assert_eq!(did, [customers, customers, customers, 0]);
    each_has_one(world).await;
}

on_both_engines!(stepped_clocks_close_a_month_once);
