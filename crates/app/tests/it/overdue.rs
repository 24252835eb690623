//! Invoices that are not paid in time, several at once, and what we learn of that afterwards.

use app::{availability, invoice, violation};
use domain::AccountId;
use domain::agreement::violation::Clause;
use domain::billing::subscription::{Plan, State};

use crate::engines::on_postgres;
use crate::money::{PRICE, hour, newest, plan, publish_now, state, subscribe};
use crate::violation::{at, go_to, month, seen, span};
use crate::world::World;

/// A subscription of which two invoices are overdue: its service goes on longer than a month.
async fn past_due_twice(world: &World, account: AccountId) -> i64 {
    let patient = Plan { grace_days: 60, ..plan("all", 1, PRICE) };
    let id = subscribe(&world.app, account, &patient).await;
    for now in ["1405/09/04 00:00", "1405/09/11 01:00", "1405/10/04 00:00", "1405/10/11 01:00"] {
        go_to(world, now);
        hour(&world.app).await;
    }
    id
}

/// C19, decision 9: a month that was written down before we learned that its invoice was paid in
/// time is revised by that, signed by the machine, with all that follows; what was written stays.
async fn a_payment_learned_after_its_month_revises_it(world: &World) {
    let app = &world.app;
    publish_now(app).await;
    let account = world.customer(0).await.0.account.id;
    subscribe(app, account, &plan("all", 1, PRICE)).await;
    for now in ["1405/09/04 00:00", "1405/09/11 01:00", "1405/09/16 00:00"] {
        go_to(world, now);
        hour(app).await;
    }
    let owed = newest(app, account).await.id;
    go_to(world, "1405/10/03 23:00");
    let down = span("1405/09/20 00:00", "1405/09/20 04:00");
    seen(world, span("1405/09/01 00:00", "1405/10/01 00:00"), "api", &[down]).await;
    go_to(world, "1405/10/04 00:00");
    hour(app).await;
    let azar =
        async || availability::month(app, Some(account), month("1405-09")).await.unwrap().written;
    let frozen = azar().await;
    assert_eq!((frozen.len(), frozen[0].totals.down_us), (1, 0), "it was not covered then");
    let paid_at = Some(at("1405/09/10 13:00"));
    invoice::pay(app, owed, ("bank 1", paid_at), "Sara").await.unwrap();
    invoice::pay(app, owed, ("bank 1", paid_at), "Sara").await.unwrap();
    let written = azar().await;
    assert_eq!((written.len(), &written[0]), (2, &frozen[0]));
    let totals = written[1].totals;
    let hours = [totals.down_us, totals.not_covered_us].map(|us| us / 3_600_000_000);
    assert_eq!(hours, [4, 12]);
    assert_eq!(written[1].signed.as_ref().unwrap().1, "avanak");
    let standing = violation::list(app, Some(account), None, 9).await.unwrap();
    let standing = standing.iter().filter(|kept| kept.violation.stands() && kept.account.is_some());
    let clauses: Vec<Clause> = standing.map(|kept| kept.violation.clause()).collect();
    assert_eq!(clauses, [Clause::Availability]);
    assert_eq!(hour(app).await[0], 1, "what it pays back is proposed");
    assert!(app::chain::verify(app, &[]).await.unwrap().wrong.is_empty());
}

#[tokio::test]
async fn a_payment_learned_after_its_month_revises_it_on_sqlite() {
    a_payment_learned_after_its_month_revises_it(&World::new().await).await;
}

#[tokio::test]
async fn a_payment_learned_after_its_month_revises_it_on_postgres() {
    on_postgres(a_payment_learned_after_its_month_revises_it).await;
}

/// C19: a month in which nothing was covered, and of which nothing was written down, is written
/// when it turns out that it was paid in time.
async fn a_month_wholly_past_due_is_written_when_it_was_paid(world: &World) {
    let app = &world.app;
    publish_now(app).await;
    let account = world.customer(0).await.0.account.id;
    past_due_twice(world, account).await;
    go_to(world, "1405/11/03 23:00");
    let down = span("1405/10/20 00:00", "1405/10/20 04:00");
    seen(world, span("1405/10/01 00:00", "1405/11/01 00:00"), "api", &[down]).await;
    go_to(world, "1405/11/04 00:00");
    hour(app).await;
    let dey =
        async || availability::month(app, Some(account), month("1405-10")).await.unwrap().written;
    assert_eq!(dey().await, [], "nothing was covered");
    let mut owed = invoice::list(app, account, None, 9).await.unwrap();
    owed.retain(|invoice| invoice.due_at < app.now());
    for (invoice, paid_at) in owed.iter().rev().zip(["1405/09/10 13:00", "1405/10/10 13:00"]) {
        let bank = format!("bank {}", invoice.id);
        invoice::pay(app, invoice.id, (&bank, Some(at(paid_at))), "Sara").await.unwrap();
    }
    let written = dey().await;
    assert_eq!(written.len(), 1);
    let totals = written[0].totals;
    assert_eq!((totals.down_us / 3_600_000_000, totals.not_covered_us), (4, 0));
    assert_eq!(written[0].signed.as_ref().unwrap().1, "avanak");
    let standing = violation::list(app, Some(account), None, 9).await.unwrap();
    let of_dey = standing.iter().filter(|kept| {
        let entry = &kept.violation;
        entry.stands() && entry.clause() == Clause::Availability && kept.account.is_some()
    });
    assert!(of_dey.count() >= 1, "its miss is entered");
    assert!(hour(app).await[0] >= 1, "what it pays back is proposed");
    assert!(app::chain::verify(app, &[]).await.unwrap().wrong.is_empty());
}

#[tokio::test]
async fn a_month_wholly_past_due_is_written_when_it_was_paid_on_sqlite() {
    a_month_wholly_past_due_is_written_when_it_was_paid(&World::new().await).await;
}

#[tokio::test]
async fn a_month_wholly_past_due_is_written_when_it_was_paid_on_postgres() {
    on_postgres(a_month_wholly_past_due_is_written_when_it_was_paid).await;
}

/// C19, T176: of two invoices each that is not paid in time is a breach of its own, and a time in
/// which both are overdue counts once; between two such times the subscription is in force.
async fn two_overdue_invoices_count_once(world: &World) {
    let app = &world.app;
    let account = world.customer(0).await.0.account.id;
    let id = past_due_twice(world, account).await;
    let own = async || {
        let all = violation::list(app, Some(account), None, 9).await.unwrap();
        all.into_iter().filter(|kept| kept.account.is_some()).collect::<Vec<_>>()
    };
    let entered = own().await;
    let clauses: Vec<Clause> = entered.iter().map(|kept| kept.violation.clause()).collect();
    assert_eq!(clauses, [Clause::Payment; 2]);
    assert_eq!(hour(app).await[3], 0, "each is entered once");
    // The first was paid a day late, the second is: both are learned of only now.
    go_to(world, "1405/10/20 00:00");
    let invoices = invoice::list(app, account, None, 9).await.unwrap();
    let pay = async |place: usize, moment: &str| {
        let paid_at = Some(at(moment));
        let reference = format!("bank {place}");
        invoice::pay(app, invoices[place].id, (&reference, paid_at), "Sara").await.unwrap();
    };
    pay(1, "1405/09/12 01:00").await;
    assert_eq!(state(app, id).await, State::PastDue);
    pay(0, "1405/10/13 00:00").await;
    assert_eq!(state(app, id).await, State::Active);
    assert!(own().await.iter().all(|kept| kept.violation.stands()));
    go_to(world, "1405/11/01 00:00");
    let not_covered = async |of: &str| {
        let shown = availability::month(app, Some(account), month(of)).await.unwrap();
        shown.judged.totals.not_covered_us / 3_600_000_000
    };
    // Azar: half a day before it began and the day from 11th 01:00; Dey: two days from the 11th.
    assert_eq!((not_covered("1405-09").await, not_covered("1405-10").await), (12 + 24, 48));
}

#[tokio::test]
async fn two_overdue_invoices_count_once_on_sqlite() {
    two_overdue_invoices_count_once(&World::new().await).await;
}

#[tokio::test]
async fn two_overdue_invoices_count_once_on_postgres() {
    on_postgres(two_overdue_invoices_count_once).await;
}

/// Of two overdue invoices that are paid at the same time one payment sees that nothing is owed any
/// more, and puts the subscription in force again.
async fn two_that_are_paid_at_once_end_the_wait(world: &World) {
    let app = &world.app;
    let account = world.customer(0).await.0.account.id;
    let id = past_due_twice(world, account).await;
    assert_eq!(state(app, id).await, State::PastDue);
    let owed = invoice::list(app, account, None, 9).await.unwrap();
    let pay = async |place: usize| {
        let reference = format!("bank {place}");
        invoice::pay(app, owed[place].id, (&reference, None), "Sara").await.unwrap();
    };
    tokio::join!(pay(0), pay(1));
    assert_eq!(state(app, id).await, State::Active);
}

#[tokio::test]
async fn two_that_are_paid_at_once_end_the_wait_on_sqlite() {
    two_that_are_paid_at_once_end_the_wait(&World::new().await).await;
}

#[tokio::test]
async fn two_that_are_paid_at_once_end_the_wait_on_postgres() {
    on_postgres(two_that_are_paid_at_once_end_the_wait).await;
}
