//! What happens at the desk at the same moment: each comes after another, and nothing is lost
//! between them. On PostgreSQL two connections really are at it at once.

use std::time::Duration;

use app::claim::ClaimRefusal;
use app::error_report::{self, ErrorReportRefusal, OPEN_MAX, Reported};
use app::ticket::{self, Asked, NewFile, TicketRefusal, Who};
use app::{App, Error, Settings, availability};
use app::{credit, invoice};
use domain::AccountId;
use domain::agreement::attachment::ACCOUNT_BYTES_MAX;
use domain::agreement::claim::Outcome;
use domain::agreement::error_report::{Finding, State};
use domain::agreement::ticket::Channel;
use domain::billing::subscription::{Plan, State as Stands};
use store::Queries as _;

use crate::engines::{on_postgres, postgres, remove};
use crate::money;
use crate::violation::go_to;
use crate::world::{PATIENCE, World};

const ROUNDS: usize = 8;

async fn open(app: &App, account: AccountId) -> i64 {
    let (subject, text) = ("s".to_owned(), "t".to_owned());
    let asked = Asked { channel: Channel::Form, subject, text, about: None, context: Vec::new() };
    ticket::open(app, account, Who::Customer(account), &asked).await.unwrap().0
}

async fn report(
    app: &App,
    account: AccountId,
    ticket: i64,
) -> app::Result<i64, ErrorReportRefusal> {
    let (title, description) = ("empty".to_owned(), "Nothing is shown.".to_owned());
    error_report::report(app, account, &Reported { ticket: Some(ticket), title, description }).await
}

/// One of two was done, and the other refused for this reason.
fn one_of_two<T, R: PartialEq + std::fmt::Debug>(
    (one, two): (app::Result<T, R>, app::Result<T, R>),
    because: &R,
) {
    let refused = match (one, two) {
        (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
        (Ok(_), Ok(_)) => panic!("both were done"),
        (Err(_), Err(_)) => panic!("none was done"),
    };
    assert!(matches!(&refused, Error::Refused(why) if why == because), "{refused:?}");
}

/// Goal: nobody has more than there may be because two were counted at once.
async fn bounds_hold_for_two_at_once(world: &World) {
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    let ticket = open(app, account).await;
    for _ in 1..OPEN_MAX {
        report(app, account, ticket).await.unwrap();
    }
    let two = tokio::join!(report(app, account, ticket), report(app, account, ticket));
    one_of_two(two, &ErrorReportRefusal::TooMany);

    let other = open(app, account).await;
    let mut tx = world.db.begin().await.unwrap();
    let kept = store::ticket::Attachment {
        id: 0,
        ticket,
        name: "much.png".to_owned(),
        media_type: "image/png".to_owned(),
        bytes: ACCOUNT_BYTES_MAX - 5,
        blob: "ticket/1/much".to_owned(),
    };
    store::ticket::insert_attachment(&mut tx, &kept).await.unwrap();
    tx.commit().await.unwrap();
    let attach = async |to| {
        let file = NewFile { name: "a.txt".to_owned(), bytes: b"12345".to_vec() };
        ticket::attach(app, to, Who::Customer(account), file).await
    };
    let two = tokio::join!(attach(ticket), attach(other));
    one_of_two(two, &TicketRefusal::NoRoom);
}

/// Goal: what is found to be the same as something that is fixed at that moment is fixed with it,
/// or is not found so.
async fn no_duplicate_is_left_behind(world: &World) {
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    let ticket = open(app, account).await;
    let state =
        async |id| error_report::find(app, None, id).await.unwrap().unwrap().kept.report.state;
    for _ in 0..ROUNDS {
        let original = report(app, account, ticket).await.unwrap();
        let twin = report(app, account, ticket).await.unwrap();
        let found =
            async |id, finding| error_report::found(app, id, "Sara", finding, "Seen.").await;
        found(original, Finding::Minor).await.unwrap();
        let (same, fixed) = tokio::join!(
            found(twin, Finding::DuplicateOf(original)),
            error_report::fixed(app, original, "Ali", "Mended."),
        );
        fixed.unwrap();
        match same {
            Ok(_) => assert_eq!(state(twin).await, State::Fixed),
            Err(Error::Refused(why)) => {
                assert_eq!(
                    (why, state(twin).await),
                    (ErrorReportRefusal::Original, State::Triaging)
                );
                let theirs = "It is a question.";
                error_report::found(app, twin, "Sara", Finding::Question, theirs).await.unwrap();
            }
            Err(Error::Failed(failure)) => panic!("{failure:?}"),
        }
        error_report::verified(app, original, "Sara", true, "Seen to work.").await.unwrap();
    }
}

/// Goal: what is said to a ticket that is merged at that moment is said in one of the two.
async fn nothing_said_is_lost_in_a_merge(world: &World) {
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    let whole = open(app, account).await;
    for n in 0..ROUNDS {
        let one = open(app, account).await;
        let said = format!("Round {n}.");
        let (written, merged) = tokio::join!(
            ticket::write(app, account, one, &said),
            ticket::merge(app, one, whole, "Sara"),
        );
        merged.unwrap();
        let written = written.unwrap().id;
        assert!(written == one || written == whole, "{written}");
        let kept = ticket::find(app, Some(account), written).await.unwrap().unwrap().kept;
        assert_eq!(kept.steps.iter().filter(|step| step.said == said).count(), 1);
    }
}

/// Goal: who loses a race for locks is not told of it: what was asked is done all the same.
async fn a_lost_race_is_run_again(world: &World) {
    let app = &world.app;
    let account = world.customer(0).await.0.account.id;
    let (ticket, other) = (open(app, account).await, open(app, account).await);
    for _ in 0..ROUNDS {
        let original = report(app, account, ticket).await.unwrap();
        let twin = report(app, account, other).await.unwrap();
        let found =
            async |id, finding| error_report::found(app, id, "Sara", finding, "Seen.").await;
        found(original, Finding::Minor).await.unwrap();
        found(twin, Finding::DuplicateOf(original)).await.unwrap();
        // Somebody has the twin and wants the original, while the fix has it and wants the twin.
        let mut theirs = world.db.begin().await.unwrap();
        store::error_report::take(&mut theirs, twin).await.unwrap();
        let take_both = async {
            wait_for_a_waiter(world).await;
            let taken = store::error_report::take(&mut theirs, original).await;
            drop(theirs);
            taken
        };
        let (fixed, taken) =
            tokio::join!(error_report::fixed(app, original, "Ali", "Mended."), take_both);
        fixed.unwrap();
        let kept = error_report::find(app, None, twin).await.unwrap().unwrap().kept;
        assert_eq!(kept.report.state, State::Fixed);
        match taken {
            // The fix lost, as whoever waits first does, and was done again.
            Ok(_) => return,
            // On a busy machine it may be the other one.
            Err(error) => assert!(error.is_race(), "{error:?}"),
        }
    }
    panic!("the fix never lost");
}

/// Goal: a lost race that a use case made a refusal of is run again as well. Following what is not
/// paid takes a conflict for another node that was faster; a deadlock is none.
async fn a_lost_race_that_looks_like_a_refusal_is_run_again(world: &World) {
    let app = &world.app;
    let rounds = ["1405/09/11 01:00", "1405/09/12 01:00", "1405/09/13 01:00", "1405/09/14 01:00"];
    let mut accounts = Vec::new();
    for due_days in (7..).take(rounds.len()) {
        let account = world.customer(0).await.0.account.id;
        let plan = money::plan("all", 1, money::PRICE);
        money::subscribe(app, account, &Plan { due_days, ..plan }).await;
        accounts.push(account);
    }
    go_to(world, "1405/09/04 00:00");
    money::hour(app).await;
    for (now, account) in rounds.into_iter().zip(accounts) {
        go_to(world, now);
        let unpaid = money::newest(app, account).await;
        let (id, at) = (unpaid.subscription, app.now());
        let next = store::subscription::Step {
            state: Stands::PastDue,
            at,
            actor: "x".to_owned(),
            reason: String::new(),
        };
        // Somebody has the next step and wants the invoice, while we have that and want the step.
        let mut theirs = world.db.begin().await.unwrap();
        store::subscription::insert_step(&mut theirs, id, 2, &next).await.unwrap();
        let take_both = async {
            wait_for_a_waiter(world).await;
            let taken = store::invoice::lock_unpaid(&mut theirs, unpaid.id).await;
            drop(theirs);
            taken
        };
        let (lapsed, taken) = tokio::join!(invoice::lapse_due(app), take_both);
        assert!(lapsed.unwrap() >= 1);
        assert_eq!(money::state(app, id).await, next.state);
        match taken {
            // We lost, as whoever waits first does, took it for a refusal, and did it again.
            Ok(_) => return,
            Err(error) => assert!(error.is_race(), "{error:?}"),
        }
    }
    panic!("it never lost");
}

/// T061. Goal: a month whose freeze waits for another one that writes for longer than anybody waits
/// is written down all the same, once that one is done.
async fn a_freeze_that_waits_for_its_turn_gets_it(url: &str) {
    let world = World::at(url, Settings::default()).await;
    let other = store::Db::open(url, store::Options::default()).await.unwrap();
    world.customer(0).await;
    go_to(&world, "1405/10/04 00:00");
    let mut theirs = other.begin().await.unwrap();
    let hold = async {
        for _ in 0..14 {
            // On PostgreSQL all wait for the end of the chain; on SQLite they wait to begin.
            let sql = "UPDATE chain_head SET n = n WHERE id = 1";
            theirs.execute(sql, &[]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        theirs.commit().await.unwrap();
    };
    let azar = crate::violation::month("1405-09");
    let (frozen, ()) = tokio::join!(availability::freeze(&world.app, azar), hold);
    assert_eq!(frozen.unwrap().written, 2);
    other.close().await;
    world.books_are_away();
    world.db.clone().close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freeze_that_waits_for_its_turn_gets_it_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("a.db").display());
    a_freeze_that_waits_for_its_turn_gets_it(&url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freeze_that_waits_for_its_turn_gets_it_on_postgres() {
    let Some((server, url)) = postgres().await else { return };
    a_freeze_that_waits_for_its_turn_gets_it(&url).await;
    remove(&server, &url).await;
}

/// Waits until some transaction waits for another one.
async fn wait_for_a_waiter(world: &World) {
    let waits = async || {
        let sql = "SELECT COUNT(*) AS waiting FROM pg_locks WHERE NOT granted";
        let mut reads = world.db.read().await.unwrap();
        reads.query_one(sql, &[]).await.unwrap().get::<i64>("waiting").unwrap() > 0
    };
    let wait = async {
        while !waits().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the fix waits for the twin");
}

/// Goal (A27): whatever is granted and paid by itself at the same moment comes to no more than the
/// total of its month.
async fn the_total_of_a_month_holds_for_all_at_once(world: &World) {
    let app = &world.app;
    money::capped(app).await;
    let mut customers = Vec::new();
    for _ in 0..ROUNDS {
        let (caller, _) = world.customer(0).await;
        let plan = money::plan("all", 1, money::PRICE);
        money::subscribe(app, caller.account.id, &plan).await;
        customers.push(caller);
    }
    money::a_breached_azar(world).await;
    let total = money::PRICE * 15 / 100;
    for caller in &customers {
        let account = caller.account.id;
        let names = "t1 t2 o1";
        let claims =
            [money::assigned(app, caller, names).await, money::assigned(app, caller, names).await];
        let grant = async |id| money::grant(app, id, names, Outcome::Accepted, 100_000).await;
        let (one, two, proposed) =
            tokio::join!(grant(claims[0]), grant(claims[1]), credit::propose_due(app));
        proposed.unwrap();
        let mut granted = 0;
        for decided in [one, two] {
            match decided {
                Ok(_) => granted += 100_000,
                Err(Error::Refused(ClaimRefusal::MoreThanLeft(_))) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        let credits = credit::list(app, Some(account), None, 9).await.unwrap();
        let paid: i64 = credits.iter().map(|kept| kept.new.amount.0).sum();
        assert!(granted <= 100_000 && granted + paid <= total, "{granted} and {paid}");
        assert!(granted + paid > 0, "somebody was first");
    }
}

async fn all(world: &World) {
    bounds_hold_for_two_at_once(world).await;
    no_duplicate_is_left_behind(world).await;
    nothing_said_is_lost_in_a_merge(world).await;
    the_total_of_a_month_holds_for_all_at_once(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_at_once_on_sqlite() {
    all(&World::new().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_at_once_on_postgres() {
    on_postgres(all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_race_that_is_lost_is_run_again_on_postgres() {
    on_postgres(a_lost_race_is_run_again).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_race_that_looks_like_a_refusal_is_run_again_on_postgres() {
    on_postgres(a_lost_race_that_looks_like_a_refusal_is_run_again).await;
}
