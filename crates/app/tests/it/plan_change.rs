//! Another plan for a subscription that runs: what is billed, covered and paid back.

use app::invoice::{self, Invoice};
use app::subscription::{self, SubscriptionRefusal};
use app::{App, availability, credit};
use domain::AccountId;
use domain::Rials;
use domain::billing::plan_change::{Refusal, When};
use domain::billing::subscription::{Plan, State};

use crate::engines::on_both_engines;
use crate::money::{hour, newest, plan, publish_now, state, subscribe};
use crate::refusal;
use crate::violation::{at, go_to, month, seen, span};
use crate::world::World;

/// A price of which half a month is whole.
const CHEAP: i64 = 1_000_000;
const DEAR: i64 = 1_600_001;

async fn offer(app: &App, plan: &Plan) -> i64 {
    subscription::add_plan(app, plan).await.unwrap()
}

async fn change(
    app: &App,
    id: i64,
    plan: i64,
    when: When,
) -> app::Result<subscription::Subscription, SubscriptionRefusal> {
    subscription::change_plan(app, None, id, (plan, when), "Sara").await
}

async fn pay_all(app: &App, account: AccountId) {
    for one in invoice::list(app, account, None, 9).await.unwrap() {
        if one.paid.is_none() && one.voided.is_none() {
            let bank = format!("bank {}", one.id);
            invoice::pay(app, one.id, (&bank, None), "Sara").await.unwrap();
        }
    }
}

fn priced(invoice: &Invoice) -> (i64, u16) {
    (invoice.amounts.price.0, invoice.months)
}

/// A26, C29: what costs more is had at once. The rest of the month is on the next invoice, in a
/// line of its own, also when the first one that had it is voided; before and after it each plan
/// covers what it gives; and the month pays back by the price of each for its time.
async fn a_dearer_plan_is_had_at_once(world: &World) {
    let app = &world.app;
    publish_now(app).await;
    let account = world.customer(0).await.0.account.id;
    let id = subscribe(app, account, &plan("quick-send", 1, CHEAP)).await;
    let dear = offer(app, &plan("all", 1, DEAR)).await;
    go_to(world, "1405/09/04 00:00");
    hour(app).await;
    pay_all(app, account).await;
    // Half of Azar is left.
    go_to(world, "1405/09/16 00:00");
    let changed = change(app, id, dear, When::Now).await.unwrap();
    assert_eq!(changed.plan_at(app.now()).rest, Rials(300_000));
    let again = refusal(change(app, id, dear, When::Now).await);
    assert_eq!(again, SubscriptionRefusal::Change(Refusal::Same));
    go_to(world, "1405/10/03 23:00");
    // The API was had in the second half alone, and only there its outage counts.
    let outages = [
        span("1405/09/10 00:00", "1405/09/10 06:00"),
        span("1405/09/20 00:00", "1405/09/20 04:00"),
    ];
    seen(world, span("1405/09/01 00:00", "1405/10/01 00:00"), "api", &outages).await;
    hour(app).await;
    go_to(world, "1405/10/04 00:00");
    assert_eq!(hour(app).await[0], 1);
    let azar = availability::month(app, Some(account), month("1405-09")).await.unwrap();
    assert_eq!(azar.written[0].totals.down_us / 3_600_000_000, 4);
    let kept = credit::list(app, Some(account), None, 9).await.unwrap().remove(0);
    let tenth = (((CHEAP + DEAR + 1) / 2) + 9) / 10;
    assert_eq!((kept.new.computed, kept.new.key.paths.to_string()), (Rials(tenth), "all".into()));
    let (_, measured) = credit::reckoned(app, &kept).await.unwrap().unwrap();
    assert_eq!(measured.down_us / 3_600_000_000, 4);

    let first = newest(app, account).await;
    assert_eq!(priced(&first), (DEAR + 300_000, 1));
    assert_eq!(first.amounts.discount, Rials(tenth));
    let rests = invoice::rests(app, &first).await.unwrap();
    assert_eq!((rests.len(), rests[0].0.amount, rests[0].1.plan_id), (1, Rials(300_000), dear));
    invoice::void(app, first.id, "Sara", "the address was wrong").await.unwrap();
    let second = invoice::issue(app, id, month("1405-10")).await.unwrap();
    let (second, _) = invoice::find(app, second).await.unwrap().unwrap();
    assert_eq!((second.amounts, second.months), (first.amounts, 1));
    pay_all(app, account).await;
    go_to(world, "1405/11/04 00:00");
    hour(app).await;
    assert_eq!(priced(&newest(app, account).await), (DEAR, 1), "a rest is asked for once");
    assert!(app::chain::verify(app, &[]).await.unwrap().wrong.is_empty());
}

/// C29: what costs less comes with the next period: nothing is paid back for the one that runs, and
/// what it was paid for is had until its end. The rest of a year is asked for in the month after.
async fn a_cheaper_plan_waits_and_a_years_rest_does_not(world: &World) {
    let app = &world.app;
    let account = world.customer(0).await.0.account.id;
    let id = subscribe(app, account, &plan("all", 1, DEAR)).await;
    let yearly = subscribe(app, account, &plan("api", 12, 12 * CHEAP)).await;
    let (cheap, other) = (
        offer(app, &plan("quick-send", 1, CHEAP)).await,
        offer(app, &plan("all", 12, 12 * CHEAP + 365)).await,
    );
    go_to(world, "1405/09/04 00:00");
    hour(app).await;
    pay_all(app, account).await;
    let only = SubscriptionRefusal::Change(Refusal::OnlyNextPeriod);
    assert_eq!(refusal(change(app, id, cheap, When::Now).await), only);
    let changed = change(app, id, cheap, When::NextPeriod).await.unwrap();
    assert_eq!(changed.plan_at(at("1405/09/30 23:59")).term.plan.price, Rials(DEAR));
    assert_eq!(changed.plan_at(at("1405/10/01 00:00")).term.plan.price, Rials(CHEAP));
    let rest = change(app, yearly, other, When::Now).await.unwrap().plans[1].rest;
    assert!((300..365).contains(&rest.0), "{rest:?}");
    go_to(world, "1405/10/04 00:00");
    hour(app).await;
    let mut made: Vec<(i64, u16)> =
        invoice::list(app, account, None, 2).await.unwrap().iter().map(priced).collect();
    made.sort_unstable();
    assert_eq!(made, [(rest.0, 0), (CHEAP, 1)]);
    assert_eq!(hour(app).await[2], 0, "each once");
}

/// Whose it is not, what is over or not paid, and what is not offered.
async fn nobody_changes_what_cannot_be(world: &World) {
    let app = &world.app;
    let account = world.customer(0).await.0.account.id;
    let stranger = world.customer(0).await.0.account.id;
    let id = subscribe(app, account, &plan("all", 1, CHEAP)).await;
    let dear = offer(app, &plan("all", 1, DEAR)).await;
    subscription::offer_plan(app, dear, true).await.unwrap();
    let by = async |account, id, plan| {
        subscription::change_plan(app, account, id, (plan, When::Now), "x").await
    };
    let none = SubscriptionRefusal::NoSuchSubscription;
    assert_eq!(refusal(by(Some(stranger), id, dear).await), none);
    assert_eq!(refusal(by(None, 77, dear).await), none);
    assert_eq!(refusal(by(None, id, 77).await), SubscriptionRefusal::NoSuchPlan);
    go_to(world, "1405/09/04 00:00");
    hour(app).await;
    go_to(world, "1405/09/11 01:00");
    hour(app).await;
    assert_eq!(state(app, id).await, State::PastDue);
    assert_eq!(refusal(by(None, id, dear).await), SubscriptionRefusal::WrongState);
    pay_all(app, account).await;
    subscription::offer_plan(app, dear, false).await.unwrap();
    assert_eq!(refusal(by(Some(account), id, dear).await), SubscriptionRefusal::NoSuchPlan);
    subscription::retire_plan(app, dear).await.unwrap();
    let gone = subscription::offer_plan(app, dear, true).await;
    assert_eq!(refusal(gone), SubscriptionRefusal::NoSuchPlan);
    assert_eq!(refusal(by(None, id, dear).await), SubscriptionRefusal::NoSuchPlan);
    subscription::end(app, id, "Sara", "the customer left").await.unwrap();
    assert_eq!(refusal(by(None, id, dear).await), SubscriptionRefusal::WrongState);
}

on_both_engines!(
    a_dearer_plan_is_had_at_once,
    a_cheaper_plan_waits_and_a_years_rest_does_not,
    nobody_changes_what_cannot_be,
);
