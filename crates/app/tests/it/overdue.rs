//! Invoices that are not paid in time, several at once, and what we learn of that afterwards.

use app::{availability, credit, invoice, subscription, violation};
use domain::AccountId;
use domain::agreement::credit::State as Credit;
use domain::agreement::violation::Clause;
use domain::billing::subscription::{Plan, State};

use crate::engines::on_both_engines;
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

/// C19, T151: of two subscriptions to the same, one was paid in time and we learn of it late. What
/// was promised in that month stays the same, and so does what it was computed from; but what it
/// pays back is each subscription's own.
async fn of_two_subscriptions_the_one_that_is_paid_late_is_paid_back_too(world: &World) {
    let app = &world.app;
    publish_now(app).await;
    let account = world.customer(0).await.0.account.id;
    let late = subscribe(app, account, &plan("all", 1, PRICE)).await;
    let other = subscribe(app, account, &plan("all", 1, PRICE)).await;
    go_to(world, "1405/09/04 00:00");
    hour(app).await;
    let invoices = invoice::list(app, account, None, 9).await.unwrap();
    let of = |id: i64| invoices.iter().find(|one| one.subscription == id).unwrap().id;
    invoice::pay(app, of(other), ("bank 1", None), "Sara").await.unwrap();
    go_to(world, "1405/09/11 01:00");
    hour(app).await;
    go_to(world, "1405/10/03 23:00");
    let down = span("1405/09/20 00:00", "1405/09/20 04:00");
    seen(world, span("1405/09/01 00:00", "1405/10/01 00:00"), "api", &[down]).await;
    go_to(world, "1405/10/04 00:00");
    assert_eq!(hour(app).await[0], 1, "the one that was in force is paid back");
    let paid_at = Some(at("1405/09/10 13:00"));
    invoice::pay(app, of(late), ("bank 2", paid_at), "Sara").await.unwrap();
    let azar = availability::month(app, Some(account), month("1405-09")).await.unwrap().written;
    assert_eq!((azar.len(), &azar[1].digest), (2, &azar[0].digest));
    assert_eq!(hour(app).await[0], 1, "and so is the other");
    assert_eq!(hour(app).await[0], 0);
    let credits = credit::list(app, Some(account), None, 9).await.unwrap();
    let paid: Vec<(i64, u32)> =
        credits.iter().map(|kept| (kept.new.key.subscription, kept.new.key.revision)).collect();
    assert_eq!(paid, [(late, 1), (other, 0)]);
    assert_eq!(availability::review_due(app).await.unwrap(), 0, "it is done once");
}

/// C19, T148: a subscription that was stopped and ended for want of money turns out to have been
/// paid in time: it stays over, and was in force until then, with all that follows.
async fn what_is_over_is_made_up_for(world: &World) {
    let app = &world.app;
    publish_now(app).await;
    let account = world.customer(0).await.0.account.id;
    let id = subscribe(app, account, &plan("all", 1, PRICE)).await;
    for now in ["1405/09/04 00:00", "1405/09/11 01:00", "1405/09/16 00:00"] {
        go_to(world, now);
        hour(app).await;
    }
    go_to(world, "1405/09/25 00:00");
    subscription::end(app, id, "Sara", "it is not paid").await.unwrap();
    let owed = newest(app, account).await.id;
    go_to(world, "1405/10/03 23:00");
    let down = span("1405/09/20 00:00", "1405/09/20 04:00");
    seen(world, span("1405/09/01 00:00", "1405/10/01 00:00"), "api", &[down]).await;
    go_to(world, "1405/10/04 00:00");
    assert_eq!(hour(app).await, [0, 0, 0, 0]);
    let paid_at = Some(at("1405/09/10 13:00"));
    invoice::pay(app, owed, ("bank 1", paid_at), "Sara").await.unwrap();
    assert_eq!(state(app, id).await, State::Ended);
    let azar = availability::month(app, Some(account), month("1405-09")).await.unwrap().written;
    let hours = |us: i64| us / 3_600_000_000;
    let totals: Vec<(i64, i64)> = azar
        .iter()
        .map(|one| (hours(one.totals.down_us), hours(one.totals.not_covered_us)))
        .collect();
    // Before it began and after its end; until then also from the 11th at one o'clock on.
    let after = 12 + 6 * 24;
    assert_eq!(totals, [(0, after + 13 * 24 + 23), (4, after)]);
    assert_eq!(hour(app).await, [1, 1, 0, 0]);
    let kept = credit::list(app, Some(account), None, 9).await.unwrap().remove(0);
    assert_eq!(kept.credit.state(), Credit::WithCommittee, "it has no next invoice");
    assert!(app::chain::verify(app, &[]).await.unwrap().wrong.is_empty());
}

/// Goal: what a month is computed from cannot be read when we learn of a payment. The payment is
/// kept, and the month is computed again when it can be.
async fn a_month_that_cannot_be_read_undoes_no_payment(world: &World) {
    let app = &world.app;
    publish_now(app).await;
    let account = world.customer(0).await.0.account.id;
    let id = subscribe(app, account, &plan("all", 1, PRICE)).await;
    for now in ["1405/09/04 00:00", "1405/09/11 01:00"] {
        go_to(world, now);
        hour(app).await;
    }
    let owed = newest(app, account).await.id;
    go_to(world, "1405/10/03 23:00");
    let down = span("1405/09/20 00:00", "1405/09/20 04:00");
    seen(world, span("1405/09/01 00:00", "1405/10/01 00:00"), "api", &[down]).await;
    go_to(world, "1405/10/04 00:00");
    hour(app).await;
    let written = async || {
        let of = store::month_statement::of_month;
        of(&mut world.db.read().await.unwrap(), Some(account), month("1405-09")).await.unwrap()
    };
    let change = async |sql: &'static str| {
        let mut tx = world.db.begin().await.unwrap();
        tx.execute(sql, &[]).await.unwrap();
        tx.commit().await.unwrap();
    };
    change("UPDATE outage SET scope = 'nobody at all'").await;
    let paid_at = Some(at("1405/09/10 13:00"));
    invoice::pay(app, owed, ("bank 1", paid_at), "Sara").await.unwrap();
    assert!(newest(app, account).await.subscription == id && state(app, id).await == State::Active);
    let invoices = invoice::list(app, account, None, 9).await.unwrap();
    assert!(invoices.iter().any(|one| one.id == owed && one.paid.is_some()));
    assert!(availability::review_due(app).await.is_err(), "it stays noted");
    assert_eq!(written().await.len(), 1);
    change("UPDATE outage SET scope = 'everyone'").await;
    assert_eq!(availability::review_due(app).await.unwrap(), 1);
    let hours: Vec<i64> =
        written().await.iter().map(|one| one.totals.down_us / 3_600_000_000).collect();
    assert_eq!(hours, [0, 4]);
}

on_both_engines!(
    a_payment_learned_after_its_month_revises_it,
    a_month_wholly_past_due_is_written_when_it_was_paid,
    two_overdue_invoices_count_once,
    two_that_are_paid_at_once_end_the_wait,
    of_two_subscriptions_the_one_that_is_paid_late_is_paid_back_too,
    what_is_over_is_made_up_for,
    a_month_that_cannot_be_read_undoes_no_payment,
);
