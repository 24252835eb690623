//! What a breached month pays back to whom, what the committee has of it, and what follows from a
//! month that was frozen late.

use app::claim::{self, ClaimRefusal};
use app::credit::{self, Step};
use app::{Caller, availability, board, compensation, invoice, subscription, violation};
use domain::agreement::availability::Verdict;
use domain::agreement::board::{Subject, Urgency};
use domain::agreement::claim::{Decision, Outcome, Refusal, State as Claim};
use domain::agreement::credit::State as Credit;
use domain::agreement::scope::{Paths, Scope};
use domain::agreement::violation::Clause;
use domain::billing::subscription::State;
use domain::{AccountId, Rials};

use crate::claim::{committee, decision, file};
use crate::engines::on_both_engines;
use crate::money::{
    PRICE, a_breached_azar, assigned, capped, grant, hour, newest, plan, publish_now, state,
    subscribe,
};
use crate::refusal;
use crate::violation::{at, go_to, month, seen, span};
use crate::world::World;

/// What each credit of an account is for, and comes to: the oldest first.
async fn credits(world: &World, account: AccountId) -> Vec<credit::Kept> {
    let mut all = credit::list(&world.app, Some(account), None, 99).await.unwrap();
    all.reverse();
    all
}

/// C07, C29. Goal: who has a subscription for the panel and one for the API, each away for two
/// hours of their own, has a month that is breached: both are paid back by what they missed
/// together, and the credit says so. Which was not away pays nothing.
async fn what_breaches_together_is_paid_together(world: &World) {
    let app = &world.app;
    publish_now(app).await;
    let account = world.customer(0).await.0.account.id;
    let panel = subscribe(app, account, &plan("panel", 1, 1_000_000)).await;
    let api = subscribe(app, account, &plan("api", 1, 2_000_001)).await;
    subscribe(app, account, &plan("campaign", 1, 5_000_000)).await;
    let alone = world.customer(0).await.0.account.id;
    subscribe(app, alone, &plan("api", 1, PRICE)).await;
    go_to(world, "1405/09/04 00:00");
    hour(app).await;
    for account in [account, alone] {
        for one in invoice::list(app, account, None, 9).await.unwrap() {
            let reference = format!("bank {}", one.id);
            invoice::pay(app, one.id, (&reference, None), "Sara").await.unwrap();
        }
    }
    go_to(world, "1405/10/03 23:00");
    let azar = span("1405/09/01 00:00", "1405/10/01 00:00");
    let away = |day: &str| span(&format!("1405/09/{day} 01:00"), &format!("1405/09/{day} 03:00"));
    seen(world, azar, "panel", &[away("10")]).await;
    seen(world, azar, "api", &[away("12")]).await;
    go_to(world, "1405/10/04 00:00");
    hour(app).await;
    let own = availability::month(app, Some(account), month("1405-09")).await.unwrap();
    assert_eq!(own.verdict, Some(Verdict::Breached));
    assert_eq!(own.judged.totals.down_us, 4 * 3_600_000_000);
    let found = credits(world, account).await;
    let paid: Vec<(i64, i64)> =
        found.iter().map(|one| (one.new.key.subscription, one.credit.amount().0)).collect();
    assert_eq!(paid, [(panel, 100_000), (api, 200_001)], "a tenth of each, and no more of others");
    for one in &found {
        assert!(credit::is_of_whole_month(app, one).await.unwrap());
        let (_, measured) = credit::reckoned(app, one).await.unwrap().unwrap();
        assert_eq!(measured.down_us, 4 * 3_600_000_000);
    }
    assert_eq!(credits(world, alone).await, [], "two hours are no breach by themselves");
    assert_eq!(hour(app).await, [0, 0, 0, 0], "once");
}

/// C29, I10. Goal: of two subscriptions that were breached together one is away for longer, as a
/// revision says: it is paid back more, and the other loses nothing of what it was owed.
async fn more_downtime_takes_nothing_from_the_other(world: &World) {
    let app = &world.app;
    publish_now(app).await;
    let account = world.customer(0).await.0.account.id;
    // Of a year: no invoice comes that takes what is owed.
    let panel = subscribe(app, account, &plan("panel", 12, 12_000_000)).await;
    let api = subscribe(app, account, &plan("api", 12, 24_000_000)).await;
    go_to(world, "1405/09/04 00:00");
    hour(app).await;
    for one in invoice::list(app, account, None, 9).await.unwrap() {
        let reference = format!("bank {}", one.id);
        invoice::pay(app, one.id, (&reference, None), "Sara").await.unwrap();
    }
    go_to(world, "1405/10/03 23:00");
    let azar = span("1405/09/01 00:00", "1405/10/01 00:00");
    seen(world, azar, "panel", &[span("1405/09/10 01:00", "1405/09/10 03:00")]).await;
    seen(world, azar, "api", &[span("1405/09/12 01:00", "1405/09/12 03:00")]).await;
    go_to(world, "1405/10/04 00:00");
    hour(app).await;
    let owed = async || {
        let all = credits(world, account).await;
        let of = |one: &credit::Kept| {
            assert_eq!(one.credit.state(), Credit::Posted);
            (one.new.key.subscription, one.credit.amount().0)
        };
        all.iter().map(of).collect::<Vec<_>>()
    };
    let mut both = vec![(panel, 100_000), (api, 200_000)];
    assert_eq!(owed().await, both, "a tenth of each");
    let more = span("1405/09/14 01:00", "1405/09/14 07:00");
    seen(world, more, "api", &[more]).await;
    let why = "another outage";
    availability::revise(app, Some(account), month("1405-09"), why, "Maryam").await.unwrap();
    hour(app).await;
    // Ten hours are a quarter for both; the API has that by its own eight as well.
    both.extend([(panel, 150_000), (api, 300_000)]);
    assert_eq!(owed().await, both);
    let of_whole = credit::is_of_whole_month;
    let all = credits(world, account).await;
    assert!(of_whole(app, &all[2]).await.unwrap() && !of_whole(app, &all[3]).await.unwrap());
}

/// I09, T061. Goal: a node that read a statement before another revised it and followed that does
/// nothing more: what the revision brought stays.
async fn a_statement_that_is_not_the_last_is_not_followed(world: &World) {
    let app = &world.app;
    publish_now(app).await;
    let account = world.customer(0).await.0.account.id;
    subscribe(app, account, &plan("all", 12, 12_000_000)).await;
    a_breached_azar(world).await;
    availability::freeze_due(app).await.unwrap();
    let (azar, first) = (month("1405-09"), AccountId(0));
    let mut reads = world.db.read().await.unwrap();
    let terms = store::month_statement::Terms { schedule: 1, is_late: false };
    let of = (azar, terms);
    let stale = store::month_statement::to_credit(&mut reads, of, first, 9).await.unwrap();
    drop(reads);
    assert_eq!(stale.len(), 1);
    let more = span("1405/09/12 00:00", "1405/09/12 06:00");
    seen(world, more, "api", &[more]).await;
    availability::revise(app, Some(account), azar, "another outage", "Maryam").await.unwrap();
    hour(app).await;
    let before = credits(world, account).await;
    let owed = |all: &[credit::Kept]| {
        all.iter().map(|one| (one.credit.state(), one.credit.amount().0)).collect::<Vec<_>>()
    };
    assert_eq!(owed(&before), [(Credit::Posted, 250_000)]);
    assert_eq!(credit::propose_of(app, azar, &stale).await.unwrap(), 0);
    hour(app).await;
    assert_eq!(owed(&credits(world, account).await), [(Credit::Posted, 250_000)]);
}

/// I09. Goal: staff reverse the first of two credits of a month; it does not come back when a grant
/// is no more, though the second one stands.
async fn what_staff_reversed_stays_reversed(world: &World) {
    let app = &world.app;
    capped(app).await;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    subscribe(app, account, &plan("all", 12, 12_000_000)).await;
    a_breached_azar(world).await;
    let claim = assigned(app, &caller, "t1 t2 o1").await;
    grant(app, claim, "t1 t2 o1", Outcome::Accepted, 30_000).await.unwrap();
    claim::announce(app, claim, "Sara").await.unwrap();
    claim::settle(app, claim, "as a discount", "Sara").await.unwrap();
    hour(app).await;
    let more = span("1405/09/12 00:00", "1405/09/12 06:00");
    seen(world, more, "api", &[more]).await;
    let why = "another outage";
    availability::revise(app, Some(account), month("1405-09"), why, "Maryam").await.unwrap();
    hour(app).await;
    let owed = async || {
        let all = credits(world, account).await;
        all.iter().map(|one| (one.credit.state(), one.credit.amount().0)).collect::<Vec<_>>()
    };
    // 15 % of a month are 150 000, of which 30 000 were granted.
    let posted = |rials| (Credit::Posted, rials);
    assert_eq!(owed().await, [posted(30_000), posted(100_000), posted(20_000)]);
    let all = credits(world, account).await;
    world.clock.advance_ms(1_000);
    for (place, why) in [(1, "they asked for it"), (0, "a slip")] {
        credit::change(app, all[place].id, Step::Reverse, "Sara", why).await.unwrap();
    }
    let reversed = |rials| (Credit::Reversed, rials);
    for _ in 0..2 {
        hour(app).await;
        assert_eq!(owed().await, [reversed(30_000), reversed(100_000), posted(20_000)]);
    }
}

/// C29, A26. Goal: a month before the first one that is paid for pays nothing back, since nothing
/// was asked for it; it is breached all the same, and the account is told why it gets nothing.
async fn a_month_on_trial_pays_nothing_back(world: &World) {
    let app = &world.app;
    publish_now(app).await;
    let (trial, left) =
        (world.customer(0).await.0.account.id, world.customer(0).await.0.account.id);
    let offered = subscription::add_plan(app, &plan("all", 1, PRICE)).await.unwrap();
    let first = month("1405-10");
    subscription::start(app, trial, offered, first, "Sara").await.unwrap();
    // Its first month was to be paid for; it ends before anything was asked.
    let short = subscription::start(app, left, offered, month("1405-09"), "Sara").await.unwrap();
    go_to(world, "1405/09/02 12:00");
    subscription::end(app, short, "Sara", "the customer left").await.unwrap();
    go_to(world, "1405/10/03 23:00");
    let (azar, ours) = (
        span("1405/09/01 00:00", "1405/10/01 00:00"),
        [
            span("1405/09/01 13:00", "1405/09/01 14:00"),
            span("1405/09/10 00:00", "1405/09/10 04:00"),
        ],
    );
    seen(world, azar, "api", &ours).await;
    go_to(world, "1405/10/04 00:00");
    assert_eq!(hour(app).await, [0, 0, 1, 0], "only the invoice of Dey is made");
    for account in [trial, left] {
        let entries = violation::list(app, Some(account), None, 9).await.unwrap();
        let own = |one: &&violation::Kept| one.account == Some(account);
        let clauses: Vec<Clause> =
            entries.iter().filter(own).map(|one| one.violation.clause()).collect();
        assert_eq!(clauses, [Clause::Availability], "account {account}");
        assert_eq!(credits(world, account).await, []);
        let unpaid = credit::unpaid(app, account).await.unwrap();
        assert_eq!(unpaid.nothing_asked_for, [month("1405-09")], "account {account}");
        assert_eq!(unpaid.awaiting_schedule, []);
    }
    assert_eq!(newest(app, trial).await.amounts.discount, Rials::ZERO);
}

/// C08. Goal: nobody was there for half a year. Then in one hour every month is frozen, its miss is
/// in the ledger, what it pays back is owed, and each month is billed; a month in which the service
/// was stopped for want of money is not.
async fn what_follows_from_a_month_follows_however_late(world: &World) {
    let app = &world.app;
    publish_now(app).await;
    let account = world.customer(0).await.0.account.id;
    let id = subscribe(app, account, &plan("all", 1, PRICE)).await;
    let stopped = world.customer(0).await.0.account.id;
    let unpaid = subscribe(app, stopped, &plan("all", 1, PRICE)).await;
    go_to(world, "1405/09/04 00:00");
    hour(app).await;
    let first = newest(app, account).await;
    invoice::pay(app, first.id, ("bank 1", None), "Sara").await.unwrap();
    go_to(world, "1405/09/20 00:00");
    hour(app).await;
    hour(app).await;
    assert_eq!(state(app, unpaid).await, State::Suspended);
    go_to(world, "1406/03/03 23:00");
    let all = span("1405/09/01 00:00", "1406/03/01 00:00");
    seen(world, all, "api", &[span("1405/10/10 00:00", "1405/10/10 04:00")]).await;
    // It is paid for before anybody looks at the months that it was stopped in.
    let owed = newest(app, stopped).await;
    invoice::pay(app, owed.id, ("bank 2", None), "Sara").await.unwrap();
    assert_eq!(state(app, unpaid).await, State::Active);
    go_to(world, "1406/03/04 00:00");
    hour(app).await;
    let of = async |account| {
        let all = invoice::list(app, account, None, 99).await.unwrap();
        all.iter().rev().map(|one| one.month.to_string()).collect::<Vec<_>>()
    };
    let months = ["1405-09", "1405-10", "1405-11", "1405-12", "1406-01", "1406-02", "1406-03"];
    assert_eq!(of(account).await, months);
    assert_eq!(of(stopped).await, ["1405-09", "1406-03"], "it was stopped in between");
    let entries = violation::list(app, Some(account), None, 99).await.unwrap();
    let missed = entries.iter().filter(|one| one.account == Some(account));
    let missed = missed.filter(|one| one.violation.clause() == Clause::Availability);
    assert_eq!(missed.count(), 1);
    let owed = credits(world, account).await;
    assert_eq!((owed.len(), owed[0].new.key.month), (1, month("1405-10")));
    assert_eq!(owed[0].credit.state(), Credit::Closed, "a late invoice took it");
    assert_eq!(state(app, id).await, State::Active);
    assert_eq!(hour(app).await[..3], [0, 0, 0], "once");
}

/// A claim that was decided to pay so much, and told.
async fn told(world: &World, caller: &Caller, rials: i64) -> i64 {
    let id = assigned(&world.app, caller, "t1 t2 o1").await;
    grant(&world.app, id, "t1 t2 o1", Outcome::Accepted, rials).await.unwrap();
    claim::announce(&world.app, id, "Sara").await.unwrap();
    id
}

/// T148, A26. Goal: what is owed to who gets no invoice any more is with the committee, on its list
/// and on the manager's board until it is paid out: what a customer was granted who has left, and
/// what is owed to one whose subscription is stopped, once it was carried for its time.
async fn what_no_invoice_takes_is_the_committees(world: &World) {
    let app = &world.app;
    publish_now(app).await;
    let (caller, _) = world.customer(0).await;
    let left = caller.account.id;
    let ended = subscribe(app, left, &plan("all", 1, PRICE)).await;
    let stopped = world.customer(0).await.0.account.id;
    let suspended = subscribe(app, stopped, &plan("all", 1, PRICE)).await;
    a_breached_azar(world).await;
    hour(app).await;
    let with_committee = async || {
        let all = credit::with_committee(app, 0, 9).await.unwrap();
        all.iter().map(|one| (one.id, one.credit.left().0)).collect::<Vec<_>>()
    };
    assert_eq!(with_committee().await, []);
    let id = told(world, &caller, 300_000).await;
    subscription::end(app, ended, "Sara", "the customer left").await.unwrap();
    claim::settle(app, id, "as a discount", "Sara").await.unwrap();
    let granted = credits(world, left).await.pop().unwrap();
    assert_eq!((granted.new.key.claim(), granted.credit.left()), (Some(id), Rials(300_000)));
    assert_eq!(granted.credit.state(), Credit::WithCommittee);
    assert_eq!(with_committee().await, [(granted.id, 300_000)]);
    let on_board = board::show(app).await.unwrap();
    let entry = on_board.iter().find(|entry| entry.subject == Subject::Payout).unwrap();
    assert_eq!((entry.id, entry.account, entry.due), (granted.id, Some(left), None));

    // Another month is breached of who pays nothing more, so that no invoice comes.
    seen(
        world,
        span("1405/10/01 00:00", "1405/10/04 00:00"),
        "api",
        &[span("1405/10/02 00:00", "1405/10/02 06:00")],
    )
    .await;
    go_to(world, "1405/11/03 23:00");
    seen(world, span("1405/10/04 00:00", "1405/11/01 00:00"), "api", &[]).await;
    hour(app).await;
    hour(app).await;
    assert_eq!(state(app, suspended).await, State::Suspended);
    go_to(world, "1405/11/04 00:00");
    hour(app).await;
    let owed = credits(world, stopped).await.pop().unwrap();
    assert_eq!((owed.new.key.month, owed.credit.state()), (month("1405-10"), Credit::Posted));
    // It is carried for a year, in which it may be in force again.
    go_to(world, "1406/10/20 00:00");
    assert_eq!(credit::hand_over_due(app).await.unwrap(), 0);
    go_to(world, "1406/11/01 01:00");
    assert_eq!(credit::hand_over_due(app).await.unwrap(), 1);
    assert_eq!(credit::hand_over_due(app).await.unwrap(), 0);
    let amount = owed.credit.amount().0;
    // Of who left, his last days were breached, too.
    let last_days = credits(world, left).await.pop().unwrap();
    let others = [(granted.id, 300_000), (last_days.id, last_days.credit.left().0)];
    assert_eq!(with_committee().await, [others[0], others[1], (owed.id, amount)]);
    let late = credit::find(app, owed.id).await.unwrap().unwrap();
    assert_eq!(late.moves.last().unwrap().reason, "no invoice took it in time");
    credit::change(app, granted.id, Step::PayOut, "Reza", "to the bank").await.unwrap();
    assert_eq!(with_committee().await, [others[1], (owed.id, amount)]);
    // Who never had a subscription has no invoice that a discount could be on.
    let (prepaid, _) = world.customer(0).await;
    let claimed = claim::file(app, &prepaid, &crate::claim::asked("1406/11/01 00:30")).await;
    let claimed = claimed.unwrap();
    claim::complete(app, claimed, &[], "Sara").await.unwrap();
    claim::assign(app, claimed, &committee("t1 t2 o1"), "Sara").await.unwrap();
    grant(app, claimed, "t1 t2 o1", Outcome::Accepted, 1_000).await.unwrap();
    claim::announce(app, claimed, "Sara").await.unwrap();
    let none = claim::settle(app, claimed, "as a discount", "Sara").await;
    assert_eq!(refusal(none), ClaimRefusal::NoSubscription);
}

/// T156, A28. Goal: a claim is due from the moment when the customer handed it in until he is told
/// what was decided, whoever sat on it meanwhile; and is on the board for as long.
async fn a_claim_is_due_until_its_customer_is_told(world: &World) {
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let id = file(app, &caller, "1405/09/01 10:00").await;
    let on_board = async || {
        let all = board::show(app).await.unwrap();
        let entry = all.into_iter().find(|entry| entry.subject == Subject::Claim);
        entry.map(|entry| (entry.id, entry.due, entry.urgency))
    };
    let shown = async || claim::find(app, None, id).await.unwrap().unwrap();
    let due = Some(at("1405/09/11 21:00"));
    assert_eq!(on_board().await, Some((id, due, Urgency::Running)));
    go_to(world, "1405/09/08 12:00");
    claim::complete(app, id, &[], "Sara").await.unwrap();
    assert_eq!(shown().await.due, due, "that it lay for a week is not the customer's affair");
    claim::assign(app, id, &committee("t1 t2 o1"), "Sara").await.unwrap();
    let votes = [("t1", true), ("t2", true), ("o1", true)];
    claim::decide(app, id, decision(Outcome::Accepted, &votes), "Sara").await.unwrap();
    assert_eq!((shown().await.kept.claim.state(), shown().await.due), (Claim::Decided, due));
    go_to(world, "1405/09/12 00:00");
    assert!(shown().await.overdue, "nobody told what was decided in time");
    assert_eq!(on_board().await, Some((id, due, Urgency::Missed)));
    let told = app::alert::now(app).await.unwrap();
    assert_eq!(told["desk:claim"], format!("1 missed, 0 due soon, the first of them {id}"));
    claim::announce(app, id, "Sara").await.unwrap();
    assert_eq!((on_board().await, shown().await.due), (None, None));
    claim::appeal(app, caller.account.id, id, "It was an hour.").await.unwrap();
    assert_eq!(shown().await.due, Some(at("1405/09/22 21:00")), "it runs anew");
}

/// T157, decision 9. Goal: who is paid may appeal still. What the second decision grants more is
/// owed beside what was paid; if it grants less, what was not had yet is taken back; and the total
/// of the month counts all of it once.
async fn what_was_settled_is_appealed_and_only_the_difference_is_owed(world: &World) {
    let app = &world.app;
    crate::money::capped(app).await;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    subscribe(app, account, &plan("all", 1, PRICE)).await;
    a_breached_azar(world).await;
    let again = async |id, outcome, rials| {
        claim::appeal(app, account, id, "It was an hour.").await.unwrap();
        claim::assign(app, id, &committee("t3 t4 o2"), "Sara").await.unwrap();
        grant(app, id, "t3 t4 o2", outcome, rials).await
    };
    let settle = async |id| claim::settle(app, id, "as a discount", "Sara").await.unwrap();
    // 15 % of the price are 185 185.
    let id = told(world, &caller, 100_000).await;
    settle(id).await;
    let open = store::claim::open(&mut world.db.read().await.unwrap(), account).await.unwrap();
    assert_eq!(open, 0);
    let more = again(id, Outcome::Accepted, 185_186).await;
    assert_eq!(refusal(more), ClaimRefusal::MoreThanLeft(Rials(185_185)));
    let open = store::claim::open(&mut world.db.read().await.unwrap(), account).await.unwrap();
    assert_eq!(open, 1, "it is open again");
    grant(app, id, "t3 t4 o2", Outcome::Accepted, 150_000).await.unwrap();
    claim::announce(app, id, "Sara").await.unwrap();
    settle(id).await;
    let twice = claim::appeal(app, account, id, "More.").await;
    assert_eq!(refusal(twice), ClaimRefusal::Rule(Refusal::WrongState));
    let states = async || {
        let all = credits(world, account).await;
        let of =
            |one: &credit::Kept| (one.new.key.claim(), one.credit.amount().0, one.credit.state());
        all.iter().map(of).collect::<Vec<_>>()
    };
    let both = [(Some(id), 100_000, Credit::Posted), (Some(id), 50_000, Credit::Posted)];
    assert_eq!(states().await, both);
    let kept = claim::find(app, None, id).await.unwrap().unwrap().kept.claim;
    assert_eq!(kept.decisions()[0].amount, Some(Rials(100_000)), "the first stays to be read");

    // Of another one less is left on appeal: all of it is still coming, and is taken back.
    let other = told(world, &caller, 35_000).await;
    settle(other).await;
    again(other, Outcome::Partly, 10_000).await.unwrap();
    claim::announce(app, other, "Sara").await.unwrap();
    settle(other).await;
    assert_eq!(
        states().await[2..],
        [(Some(other), 35_000, Credit::Reversed), (Some(other), 10_000, Credit::Posted)]
    );
    // The month pays by itself what is left of its total: 185 185 less 150 000 less 10 000.
    hour(app).await;
    let automatic = credits(world, account).await.pop().unwrap();
    assert_eq!((automatic.new.key.claim(), automatic.credit.amount()), (None, Rials(25_185)));
    assert!(compensation::list(app).await.unwrap().len() == 1);
}

/// What the month pays back by itself: for which subscription, by which revision, how much.
async fn automatic(world: &World, account: AccountId) -> Vec<(i64, u32, i64)> {
    let all = credits(world, account).await;
    let of = all.iter().filter_map(|one| {
        let key = one.new.key;
        Some((key.subscription, key.statement_revision()?, one.credit.amount().0))
    });
    of.collect()
}

/// Whose month of Azar is still to be looked at, as an hour finds it.
async fn looked_at(world: &World, schedule: u32, is_late: bool) -> usize {
    let of = (month("1405-09"), store::month_statement::Terms { schedule, is_late });
    let mut reads = world.db.read().await.unwrap();
    store::month_statement::to_credit(&mut reads, of, AccountId(0), 9).await.unwrap().len()
}

/// C29, I10, 1.5. Goal: what is unknown counts once the time for evidence is over, also for a
/// second subscription that nothing was known of while another was paid back at once, and also
/// where the month was a breach without it; and when what was unknown turns out to be down, nothing
/// is less.
async fn what_stays_unknown_counts_once_its_time_is_over(world: &World) {
    let app = &world.app;
    publish_now(app).await;
    let account = world.customer(0).await.0.account.id;
    let panel = subscribe(app, account, &plan("panel", 12, 12_000_000)).await;
    let api = subscribe(app, account, &plan("api", 12, 24_000_000)).await;
    let other = world.customer(0).await.0.account.id;
    let alone = subscribe(app, other, &plan("api", 12, 12_000_000)).await;
    go_to(world, "1405/09/04 00:00");
    hour(app).await;
    for account in [account, other] {
        for one in invoice::list(app, account, None, 9).await.unwrap() {
            let reference = format!("bank {}", one.id);
            invoice::pay(app, one.id, (&reference, None), "Sara").await.unwrap();
        }
    }
    go_to(world, "1405/10/03 23:00");
    let away = span("1405/09/10 01:00", "1405/09/10 07:00");
    seen(world, span("1405/09/01 00:00", "1405/09/12 00:00"), "panel", &[away]).await;
    seen(world, span("1405/09/12 10:00", "1405/10/01 00:00"), "panel", &[]).await;
    // Of the API nothing is known for ten hours.
    let (paths, scope) = (Paths::parse("panel").unwrap(), Scope::everyone());
    let night = span("1405/09/12 00:00", "1405/09/12 10:00");
    app::outage::saw_working(app, "m", paths, &scope, night).await.unwrap();
    go_to(world, "1405/10/04 00:00");
    hour(app).await;
    assert_eq!(automatic(world, account).await, [(panel, 0, 100_000)], "a tenth, for six hours");
    assert_eq!(automatic(world, other).await, []);
    assert_eq!(looked_at(world, 1, false).await, 1, "one waits for evidence");
    go_to(world, "1405/10/15 00:00");
    assert_eq!(hour(app).await[0], 3);
    let late = [(panel, 0, 100_000), (panel, 1, 150_000), (api, 1, 500_000)];
    assert_eq!(automatic(world, account).await, late, "a quarter, for sixteen");
    assert_eq!(automatic(world, other).await, [(alone, 0, 250_000)]);
    for one in credits(world, account).await {
        credit::reckoned(app, &one).await.unwrap().unwrap();
    }
    let azar = month("1405-09");
    let shown = availability::month(app, Some(account), azar).await.unwrap();
    let reason = "the time for evidence is over, so what is unknown counts".to_owned();
    assert_eq!(shown.written[1].signed, Some((reason, "avanak".to_owned())));
    assert_eq!(shown.written[1].digest, shown.written[0].digest);
    assert_eq!(hour(app).await[0], 0, "once");
    assert_eq!(looked_at(world, 1, true).await, 0);

    let known = span("1405/09/12 00:00", "1405/09/12 04:00");
    seen(world, known, "api", &[known]).await;
    for account in [account, other] {
        availability::revise(app, Some(account), azar, "late logs", "Maryam").await.unwrap();
    }
    assert_eq!(hour(app).await[0], 0);
    assert_eq!(automatic(world, account).await, late);
    for account in [account, other] {
        let all = credits(world, account).await;
        assert!(all.iter().all(|one| one.credit.state() != Credit::Reversed), "{all:?}");
    }
}

/// T142, A24. Goal: a schedule that raises a past month pays the difference to those whose month
/// was credited before, once; what staff took back stays so.
async fn a_schedule_that_raises_a_past_month_pays_the_difference(world: &World) {
    let app = &world.app;
    publish_now(app).await;
    let account = world.customer(0).await.0.account.id;
    let id = subscribe(app, account, &plan("all", 12, 12_000_000)).await;
    let other = world.customer(0).await.0.account.id;
    subscribe(app, other, &plan("all", 12, 12_000_000)).await;
    a_breached_azar(world).await;
    hour(app).await;
    let wrong = credits(world, other).await.pop().unwrap();
    credit::change(app, wrong.id, Step::Reverse, "Sara", "it was wrong").await.unwrap();
    let more = crate::violation::SCHEDULE.replace("995800 1000", "995800 2000");
    let draft = compensation::draft(app, &more, "Maryam").await.unwrap();
    compensation::publish(app, draft, "Reza", month("1405-09")).await.unwrap();
    assert_eq!(looked_at(world, 2, false).await, 2);
    assert_eq!(hour(app).await[0], 1);
    assert_eq!(automatic(world, account).await, [(id, 0, 100_000), (id, 1, 100_000)]);
    let all = credits(world, account).await;
    let by = |one: &credit::Kept| one.new.basis.as_ref().map(|basis| basis.schedule);
    assert_eq!((by(&all[0]), by(&all[1])), (Some(1), Some(2)));
    credit::reckoned(app, &all[1]).await.unwrap().unwrap();
    let shown = availability::month(app, Some(account), month("1405-09")).await.unwrap();
    let reason = shown.written[1].signed.as_ref().map(|(reason, _)| reason.as_str());
    assert_eq!(reason, Some("schedule 2 pays more"));
    assert_eq!(credits(world, other).await.len(), 1);
    assert_eq!(hour(app).await[0], 0);
    assert_eq!(looked_at(world, 2, false).await, 0);
}

/// I09. Goal: what staff took back of one subscription is not raised with the other, however often
/// that is, until a person asks for it again; from then on it is.
async fn what_staff_took_back_is_not_raised_with_another(world: &World) {
    let app = &world.app;
    publish_now(app).await;
    let account = world.customer(0).await.0.account.id;
    let [one, other] = [
        subscribe(app, account, &plan("all", 12, 12_000_000)).await,
        subscribe(app, account, &plan("all", 12, 12_000_000)).await,
    ];
    a_breached_azar(world).await;
    hour(app).await;
    let wrong = credits(world, account).await.pop().unwrap();
    assert_eq!(wrong.new.key.subscription, other);
    credit::change(app, wrong.id, Step::Reverse, "Sara", "it was wrong").await.unwrap();
    let mut paid = vec![(one, 0, 100_000), (other, 0, 100_000)];
    let raise = async |to: &str| {
        let more = crate::violation::SCHEDULE.replace("995800 1000", &format!("995800 {to}"));
        let draft = compensation::draft(app, &more, "Maryam").await.unwrap();
        compensation::publish(app, draft, "Reza", month("1405-09")).await.unwrap();
        hour(app).await;
    };
    for (revision, percent) in [(1, "1500"), (2, "2000")] {
        raise(percent).await;
        paid.push((one, revision, 50_000));
        assert_eq!(automatic(world, account).await, paid);
    }
    world.clock.advance_ms(1_000);
    let more = span("1405/09/13 00:00", "1405/09/13 00:10");
    seen(world, more, "api", &[more]).await;
    let azar = month("1405-09");
    availability::revise(app, Some(account), azar, "it was right", "Maryam").await.unwrap();
    hour(app).await;
    paid.push((other, 3, 200_000));
    assert_eq!(automatic(world, account).await, paid);
    raise("2500").await;
    paid.extend([(one, 3, 50_000), (other, 4, 50_000)]);
    assert_eq!(automatic(world, account).await, paid);
}

/// Goal: a breached month that pays nothing is reckoned once, and not each hour.
async fn what_comes_to_nothing_is_reckoned_once(world: &World) {
    let app = &world.app;
    publish_now(app).await;
    let account = world.customer(0).await.0.account.id;
    subscribe(app, account, &plan("all", 12, 0)).await;
    go_to(world, "1405/09/04 00:00");
    hour(app).await;
    go_to(world, "1405/10/03 23:00");
    let down = span("1405/09/10 00:00", "1405/09/10 04:00");
    seen(world, span("1405/09/01 00:00", "1405/10/01 00:00"), "api", &[down]).await;
    go_to(world, "1405/10/04 00:00");
    availability::freeze_due(app).await.unwrap();
    assert_eq!(looked_at(world, 1, false).await, 1);
    hour(app).await;
    assert_eq!(looked_at(world, 1, false).await, 0);
    assert_eq!(credits(world, account).await, []);
}

/// T157, decision 9. Goal: an appeal that is paid in another way than the first decision pays what
/// its customer has not had as a discount, and of the total no more than that is taken.
async fn an_appeal_in_another_way_pays_the_difference(world: &World) {
    let app = &world.app;
    crate::money::capped(app).await;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    subscribe(app, account, &plan("all", 1, PRICE)).await;
    a_breached_azar(world).await;
    let otherwise = async |id, rials| {
        claim::appeal(app, account, id, "It was an hour.").await.unwrap();
        claim::assign(app, id, &committee("t3 t4 o2"), "Sara").await.unwrap();
        let decided = decision(Outcome::Accepted, &["t3", "t4", "o2"].map(|name| (name, true)));
        let method = Some("bank transfer".to_owned());
        let decided = Decision { amount: Some(Rials(rials)), method, ..decided };
        claim::decide(app, id, decided, "Sara").await
    };
    let to_pay = async |id| {
        let shown = claim::find(app, None, id).await.unwrap().unwrap();
        claim::to_pay(app, &shown.kept).await.unwrap()
    };
    // Still coming: it is taken back when the customer is told, and all is paid in the other way.
    let coming = told(world, &caller, 1_000).await;
    assert_eq!(to_pay(coming).await, None, "a discount pays itself");
    claim::settle(app, coming, "as a discount", "Sara").await.unwrap();
    otherwise(coming, 700).await.unwrap();
    claim::announce(app, coming, "Sara").await.unwrap();
    assert_eq!(credits(world, account).await[0].credit.state(), Credit::Reversed);
    assert_eq!(to_pay(coming).await, Some(Rials(700)));
    claim::settle(app, coming, "bank 7", "Sara").await.unwrap();
    assert_eq!(to_pay(coming).await, None);

    // 15 % of the price are 185 185; the month pays 123 457 by itself.
    let id = told(world, &caller, 60_000).await;
    claim::settle(app, id, "as a discount", "Sara").await.unwrap();
    hour(app).await;
    let given = credits(world, account).await;
    assert_eq!((given[1].credit.state(), given[1].credit.given()), (Credit::Closed, Rials(60_000)));
    let more = refusal(otherwise(id, 61_029).await);
    assert_eq!(more, ClaimRefusal::MoreThanLeft(Rials(61_028)));
    let decided = decision(Outcome::Accepted, &["t3", "t4", "o2"].map(|name| (name, true)));
    let method = Some("bank transfer".to_owned());
    let decided = Decision { amount: Some(Rials(61_000)), method, ..decided };
    claim::decide(app, id, decided, "Sara").await.unwrap();
    assert_eq!(to_pay(id).await, Some(Rials(1_000)));
    claim::announce(app, id, "Sara").await.unwrap();
    assert_eq!(to_pay(id).await, Some(Rials(1_000)), "60 000 were a discount");
    let left = async || {
        let next = assigned(app, &caller, "t1 t2 o1").await;
        refusal(grant(app, next, "t1 t2 o1", Outcome::Accepted, 99_999).await)
    };
    assert_eq!(left().await, ClaimRefusal::MoreThanLeft(Rials(28)));
    claim::settle(app, id, "bank 8", "Sara").await.unwrap();
    assert_eq!(left().await, ClaimRefusal::MoreThanLeft(Rials(28)), "both count once");
    let after = credits(world, account).await;
    assert_eq!(after[1].credit.given(), Rials(60_000), "what was given stays given");
}

on_both_engines!(
    what_stays_unknown_counts_once_its_time_is_over,
    a_schedule_that_raises_a_past_month_pays_the_difference,
    what_staff_took_back_is_not_raised_with_another,
    what_comes_to_nothing_is_reckoned_once,
    an_appeal_in_another_way_pays_the_difference,
    what_breaches_together_is_paid_together,
    more_downtime_takes_nothing_from_the_other,
    a_statement_that_is_not_the_last_is_not_followed,
    what_staff_reversed_stays_reversed,
    a_month_on_trial_pays_nothing_back,
    what_follows_from_a_month_follows_however_late,
    what_no_invoice_takes_is_the_committees,
    a_claim_is_due_until_its_customer_is_told,
    what_was_settled_is_appealed_and_only_the_difference_is_owed,
);
