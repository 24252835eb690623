//! Money that follows from months: credits and invoices, exactly once, whatever is repeated, killed
//! or done on two nodes at once.

use app::claim::{self, ClaimRefusal};
use app::credit::{self, CreditRefusal, Step};
use app::invoice::{self, Invoice, InvoiceRefusal};
use app::subscription::{self, SubscriptionRefusal};
use app::{App, Caller, Settings, agreement, availability, compensation, outage, violation};
use domain::agreement::claim::{Decision, Outcome, Track};
use domain::agreement::credit::State as Credit;
use domain::agreement::scope::Paths;
use domain::agreement::violation::{Clause, Status};
use domain::billing::subscription::{Plan, PlanRefusal, State};
use domain::{AccountId, Rials};

use crate::claim::{committee, decision, file};
use crate::engines::{on_both_engines, postgres, remove};
use crate::killing::kill_again_and_again;
use crate::refusal;
use crate::violation::{SCHEDULE, go_to, month, seen, span};
use crate::world::World;

pub const PRICE: i64 = 1_234_567;
/// A tenth of the price, rounded up (T144).
const TENTH: i64 = 123_457;

pub fn plan(paths: &str, months: u16, price: i64) -> Plan {
    Plan {
        name: "basic".to_owned(),
        paths: Paths::parse(paths).unwrap(),
        months,
        price: Rials(price),
        tax_bp: 1000,
        due_days: 7,
        grace_days: 5,
    }
}

async fn publish(app: &App, text: &str) {
    let number = compensation::draft(app, text, "Maryam").await.unwrap();
    compensation::publish(app, number, "Reza", month("1405-09")).await.unwrap();
}

pub async fn publish_now(app: &App) {
    publish(app, &SCHEDULE.replace("review_hours = 24", "review_hours = 0")).await;
}

pub async fn subscribe(app: &App, account: AccountId, plan: &Plan) -> i64 {
    let plan = subscription::add_plan(app, plan).await.unwrap();
    subscription::start(app, account, plan, month("1405-09"), "Sara").await.unwrap()
}

/// All that the server does each hour.
pub async fn hour(app: &App) -> [u64; 4] {
    availability::freeze_due(app).await.unwrap();
    availability::review_due(app).await.unwrap();
    violation::look(app).await.unwrap();
    [
        credit::propose_due(app).await.unwrap(),
        credit::post_due(app).await.unwrap(),
        {
            let issued = invoice::issue_due(app).await.unwrap();
            credit::hand_over_due(app).await.unwrap();
            issued
        },
        invoice::lapse_due(app).await.unwrap(),
    ]
}

/// The first invoices are made and paid; then the API is away for four hours of a month of which
/// everything else is known, and that month is frozen.
pub async fn a_breached_azar(world: &World) {
    let app = &world.app;
    go_to(world, "1405/09/04 00:00");
    hour(app).await;
    for account in 1..=accounts(app).await {
        for one in invoice::list(app, AccountId(account), None, 100).await.unwrap() {
            invoice::pay(app, one.id, (&format!("bank {}", one.id), None), "Sara").await.unwrap();
        }
    }
    go_to(world, "1405/10/03 23:00");
    let down = span("1405/09/10 00:00", "1405/09/10 04:00");
    seen(world, span("1405/09/01 00:00", "1405/10/01 00:00"), "api", &[down]).await;
    hour(app).await;
    go_to(world, "1405/10/04 00:00");
}

/// How many accounts there are: numbers are given out one by one.
async fn accounts(app: &App) -> i64 {
    let mut count = 0;
    while app::account::status(app, AccountId(count + 1)).await.unwrap().is_some() {
        count += 1;
    }
    count
}

pub async fn newest(app: &App, account: AccountId) -> Invoice {
    invoice::list(app, account, None, 1).await.unwrap().remove(0)
}

pub async fn state(app: &App, subscription: i64) -> State {
    subscription::find(app, subscription).await.unwrap().unwrap().state()
}

/// T144, T147, T159, A24, A26, I18: a breached month is a discount before tax on the next month's
/// invoice, which opens to all that it was computed from, and comes back when that is voided.
async fn a_breached_month_is_taken_off_the_next_invoice(world: &World) {
    let app = &world.app;
    publish_now(app).await;
    let account = world.customer(0).await.0.account.id;
    let id = subscribe(app, account, &plan("all", 1, PRICE)).await;
    assert_eq!(hour(app).await, [0, 0, 0, 0], "the month before is not frozen yet");
    a_breached_azar(world).await;
    assert_eq!(state(app, id).await, State::Active);
    assert_eq!(hour(app).await, [1, 1, 1, 0]);
    assert_eq!(hour(app).await, [0, 0, 0, 0]);

    let issued = newest(app, account).await;
    let amounts = issued.amounts;
    assert_eq!((issued.month, amounts.discount), (month("1405-10"), Rials(TENTH)));
    assert_eq!((amounts.tax, amounts.total), (Rials(111_111), Rials(1_222_221)));
    let (_, lines) = invoice::find(app, issued.id).await.unwrap().unwrap();
    assert_eq!(
        (lines[0].month, lines[0].revision, lines[0].schedule, lines[0].amount),
        (month("1405-09"), 0, Some(1), Rials(TENTH))
    );
    let owed = credit::find(app, lines[0].credit).await.unwrap().unwrap();
    assert_eq!((owed.credit.state(), owed.credit.left()), (Credit::Closed, Rials::ZERO));
    let (inputs, measured) = credit::reckoned(app, &owed).await.unwrap().unwrap();
    assert_eq!((inputs.month, measured.down_us), (month("1405-09"), 4 * 3_600_000_000));
    let mut bent = owed.clone();
    bent.new.computed = Rials(TENTH + 1);
    assert!(credit::reckoned(app, &bent).await.is_err());

    invoice::void(app, issued.id, "Sara", "the address was wrong").await.unwrap();
    let restored = credit::find(app, owed.id).await.unwrap().unwrap();
    assert_eq!((restored.credit.state(), restored.credit.left()), (Credit::Posted, Rials(TENTH)));
    assert_eq!(hour(app).await, [0, 0, 0, 0], "what was voided is not made anew by itself");
    let twice = invoice::void(app, issued.id, "Sara", "again").await;
    assert_eq!(refusal(twice), InvoiceRefusal::Closed);
    let again = invoice::issue(app, id, month("1405-10")).await.unwrap();
    let (second, lines) = invoice::find(app, again).await.unwrap().unwrap();
    assert_eq!((second.issue, second.amounts, lines.len()), (1, amounts, 1));
    let third = invoice::issue(app, id, month("1405-10")).await;
    assert_eq!(refusal(third), InvoiceRefusal::Already);
    let early = invoice::issue(app, id, month("1405-11")).await;
    assert_eq!(refusal(early), InvoiceRefusal::NotBilled);

    let pay = async |id, reference: &str| invoice::pay(app, id, (reference, None), "Sara").await;
    assert_eq!(refusal(pay(again, "bank 1").await), InvoiceRefusal::Reference);
    pay(again, "bank 9").await.unwrap();
    pay(again, "bank 9").await.unwrap();
    assert_eq!(refusal(pay(again, "bank 10").await), InvoiceRefusal::Closed);
    assert_eq!(refusal(pay(99, "bank 10").await), InvoiceRefusal::NoSuchInvoice);
    let paid = invoice::void(app, again, "Sara", "too late").await;
    assert_eq!(refusal(paid), InvoiceRefusal::Closed);
}

/// A27: what the committee grants for a month and what the month pays back by itself come to no
/// more than the schedule's total, whichever is first.
async fn both_tracks_together_keep_the_total_cap(world: &World) {
    let app = &world.app;
    capped(app).await;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    subscribe(app, account, &plan("all", 1, PRICE)).await;
    a_breached_azar(world).await;
    let claimed = async |caller: &Caller| assigned(app, caller, "t1 t2 o1").await;
    let decide = async |id, rials| grant(app, id, "t1 t2 o1", Outcome::Accepted, rials).await;
    // 15 % of the price are 185 185.
    let (first, second) = (claimed(&caller).await, claimed(&caller).await);
    decide(first, 100_000).await.unwrap();
    let more = refusal(decide(second, 85_186).await);
    assert_eq!(more, ClaimRefusal::MoreThanLeft(Rials(85_185)));

    // What was granted is not taken back: the month pays by itself what is left.
    assert_eq!(hour(app).await, [1, 1, 1, 0]);
    let automatic = credit::list(app, Some(account), None, 9).await.unwrap().remove(0);
    assert_eq!(
        (automatic.new.computed, automatic.new.amount),
        (Rials(TENTH), Rials(85_185)),
        "what it was computed to stays to be read"
    );
    assert!(credit::reckoned(app, &automatic).await.unwrap().is_some());
    assert_eq!(refusal(decide(second, 1).await), ClaimRefusal::MoreThanLeft(Rials::ZERO));

    // A settled claim is counted once, and what is taken back leaves room again.
    claim::announce(app, first, "Sara").await.unwrap();
    claim::settle(app, first, "as a discount", "Sara").await.unwrap();
    assert_eq!(refusal(decide(second, 1).await), ClaimRefusal::MoreThanLeft(Rials::ZERO));
    let granted = credit::list(app, Some(account), None, 1).await.unwrap().remove(0);
    assert_eq!((granted.new.key.track, granted.credit.left()), (Track::Support, Rials(100_000)));
    credit::change(app, granted.id, Step::Reverse, "Sara", "it was wrong").await.unwrap();
    assert_eq!(refusal(decide(second, 100_001).await), ClaimRefusal::MoreThanLeft(Rials(100_000)));
    decide(second, 100_000).await.unwrap();

    // Who pays nothing by the month has no price that the total could be a part of.
    let (prepaid, _) = world.customer(0).await;
    decide(claimed(&prepaid).await, 5_000_000).await.unwrap();
}

/// A27, I09, decision 9: what a grant took from the credit of a month is paid when the grant is
/// decided otherwise on appeal, or taken back: by another credit, of a revision that is signed by
/// who did it. Nothing that was there changes, and nothing is paid twice.
#[tokio::test]
async fn what_a_grant_took_is_paid_when_it_is_no_more() {
    for way in ["decided otherwise", "withdrawn", "reversed"] {
        let world = World::new().await;
        let app = &world.app;
        capped(app).await;
        let (caller, _) = world.customer(0).await;
        let account = caller.account.id;
        subscribe(app, account, &plan("all", 1, PRICE)).await;
        a_breached_azar(&world).await;
        let id = assigned(app, &caller, "t1 t2 o1").await;
        grant(app, id, "t1 t2 o1", Outcome::Accepted, 100_000).await.unwrap();
        assert_eq!(hour(app).await, [1, 1, 1, 0]);
        let automatic = async || {
            let all = credit::list(app, Some(account), None, 9).await.unwrap();
            let of_month = |kept: &credit::Kept| kept.new.key.track == Track::Availability;
            all.into_iter().filter(of_month).collect::<Vec<_>>()
        };
        let first = automatic().await.remove(0);
        assert_eq!(first.new.amount, Rials(85_185));
        claim::announce(app, id, "Sara").await.unwrap();
        if way != "reversed" {
            claim::appeal(app, account, id, "It was more.").await.unwrap();
            claim::assign(app, id, &committee("t3 t4 o2"), "Sara").await.unwrap();
        }
        if way == "withdrawn" {
            claim::withdraw(app, account, id).await.unwrap();
        } else if way == "decided otherwise" {
            grant(app, id, "t3 t4 o2", Outcome::Rejected, 0).await.unwrap();
        } else {
            claim::settle(app, id, "as a discount", "Sara").await.unwrap();
            assert_eq!(hour(app).await, [0, 0, 0, 0]);
            let granted = credit::list(app, Some(account), None, 1).await.unwrap().remove(0).id;
            credit::change(app, granted, Step::Reverse, "Sara", "a slip").await.unwrap();
        }
        assert_eq!(hour(app).await, [1, 1, 0, 0]);
        assert_eq!(hour(app).await, [0, 0, 0, 0]);
        let credits = automatic().await;
        let amounts: Vec<i64> = credits.iter().map(|kept| kept.new.amount.0).collect();
        assert_eq!(amounts, [TENTH - 85_185, 85_185], "{way}");
        assert_eq!(credits[1].new, first.new);
        let keys = credits.iter().map(|kept| kept.new.key.revision).collect::<Vec<_>>();
        assert_eq!(keys, [1, 0]);
        let azar = availability::month(app, Some(account), month("1405-09")).await.unwrap();
        let signer = azar.written[1].signed.as_ref().map(|(_, signer)| signer.as_str());
        let customer = format!("account {account}");
        let by = if way == "withdrawn" { &*customer } else { "Sara" };
        assert_eq!((azar.written.len(), signer), (2, Some(by)));
        assert!(credit::reckoned(app, &credits[0]).await.unwrap().is_some());
    }
}

/// What staff waived does not come back when the total leaves more.
async fn what_staff_waived_stays_waived_when_a_grant_is_no_more(world: &World) {
    let app = &world.app;
    // Staff have a day to look at what is proposed.
    publish(app, &capped_schedule()).await;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    subscribe(app, account, &plan("all", 1, PRICE)).await;
    a_breached_azar(world).await;
    let id = assigned(app, &caller, "t1 t2 o1").await;
    grant(app, id, "t1 t2 o1", Outcome::Accepted, 100_000).await.unwrap();
    assert_eq!(hour(app).await[0], 1);
    let first = credit::list(app, Some(account), None, 1).await.unwrap().remove(0).id;
    credit::change(app, first, Step::Waive, "Sara", "they asked for it").await.unwrap();
    claim::announce(app, id, "Sara").await.unwrap();
    claim::appeal(app, account, id, "It was more.").await.unwrap();
    claim::assign(app, id, &committee("t3 t4 o2"), "Sara").await.unwrap();
    grant(app, id, "t3 t4 o2", Outcome::Rejected, 0).await.unwrap();
    hour(app).await;
    assert_eq!(credit::list(app, Some(account), None, 9).await.unwrap().len(), 1);
}

/// I09: what staff waived is not brought back by a revision that was there before, nor by one that
/// the machine makes; whoever signs one after it asks for it again.
async fn what_staff_waived_is_not_brought_back_by_the_hour(world: &World) {
    let app = &world.app;
    publish(app, SCHEDULE).await;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    subscribe(app, account, &plan("all", 1, PRICE)).await;
    a_breached_azar(world).await;
    assert_eq!(hour(app).await[0], 1);
    let revise = async |why: &str| {
        availability::revise(app, Some(account), month("1405-09"), why, "Maryam").await.unwrap();
    };
    let away = async |from: &str, to: &str| {
        let more = span(from, to);
        seen(world, more, "api", &[more]).await;
    };
    // It changes nothing of the amount, so no credit is of this revision.
    away("1405/09/12 00:00", "1405/09/12 00:20").await;
    revise("another outage").await;
    assert_eq!(hour(app).await[0], 0);
    let first = credit::list(app, Some(account), None, 1).await.unwrap().remove(0).id;
    world.clock.advance_ms(1_000);
    credit::change(app, first, Step::Waive, "Sara", "they asked for it").await.unwrap();
    for _ in 0..3 {
        assert_eq!(hour(app).await[0], 0, "nobody asked for it again");
        world.clock.advance_ms(3_600_000);
    }
    away("1405/09/13 00:00", "1405/09/13 00:20").await;
    revise("a third one, and they want it after all").await;
    assert_eq!(hour(app).await[0], 1);
    let states: Vec<_> = credit::list(app, Some(account), None, 9).await.unwrap();
    let states: Vec<_> = states.iter().map(|one| one.credit.state()).collect();
    assert_eq!(states, [Credit::Proposed, Credit::Waived]);
}

/// The same of two subscriptions, of which one was waived: it is not raised by itself, and the
/// other is.
async fn of_two_subscriptions_a_waiver_holds_for_its_own(world: &World) {
    let app = &world.app;
    publish(app, &capped_schedule()).await;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    for _ in 0..2 {
        subscribe(app, account, &plan("all", 1, PRICE)).await;
    }
    a_breached_azar(world).await;
    // 15 % of two prices are 370 370; the second credit gets what is left of them.
    let id = assigned(app, &caller, "t1 t2 o1").await;
    grant(app, id, "t1 t2 o1", Outcome::Accepted, 200_000).await.unwrap();
    assert_eq!(hour(app).await[0], 2);
    let amounts = async || {
        let all = credit::list(app, Some(account), None, 9).await.unwrap();
        all.iter().rev().map(|one| (one.new.amount.0, one.credit.state())).collect::<Vec<_>>()
    };
    let left = 370_370 - 200_000 - TENTH;
    assert_eq!(amounts().await, [(TENTH, Credit::Proposed), (left, Credit::Proposed)]);
    let first = credit::list(app, Some(account), None, 9).await.unwrap().pop().unwrap();
    credit::change(app, first.id, Step::Waive, "Sara", "they asked for it").await.unwrap();
    claim::announce(app, id, "Sara").await.unwrap();
    claim::appeal(app, account, id, "It was more.").await.unwrap();
    claim::assign(app, id, &committee("t3 t4 o2"), "Sara").await.unwrap();
    grant(app, id, "t3 t4 o2", Outcome::Rejected, 0).await.unwrap();
    hour(app).await;
    let waived = (TENTH, Credit::Waived);
    let [before, more] = [left, TENTH - left].map(|rials| (rials, Credit::Proposed));
    assert_eq!(amounts().await, [waived, before, more]);
    assert_eq!(hour(app).await[0], 0);
}

/// A schedule of which both tracks together pay back at most 15 % of a month.
fn capped_schedule() -> String {
    SCHEDULE.replace("cap_bp = 10000", "cap_bp = 1500\ntotal_cap_bp = 1500")
}

/// The same, and nobody has to look at what it proposes.
pub async fn capped(app: &App) {
    publish(app, &capped_schedule().replace("hours = 24", "hours = 0")).await;
}

/// A claim of the breached month that these are to decide.
pub async fn assigned(app: &App, caller: &Caller, names: &str) -> i64 {
    let id = file(app, caller, "1405/09/11 10:00").await;
    claim::complete(app, id, &[], "Sara").await.unwrap();
    claim::assign(app, id, &committee(names), "Sara").await.unwrap();
    id
}

/// All of these grant so much.
pub async fn grant(
    app: &App,
    id: i64,
    names: &str,
    outcome: Outcome,
    rials: i64,
) -> app::Result<claim::Kept, ClaimRefusal> {
    let votes: Vec<(&str, bool)> = names.split(' ').map(|name| (name, true)).collect();
    let decided = decision(outcome, &votes);
    let granted = outcome != Outcome::Rejected;
    let (amount, method) = (granted.then_some(Rials(rials)), decided.method.clone());
    let decided = Decision { amount, method: method.filter(|_| granted), ..decided };
    claim::decide(app, id, decided, "Sara").await
}

/// T140, T142: without a schedule there is no number; when one is published for the month, what
/// waited is proposed, and is owed when it could be looked at.
async fn a_breached_month_waits_for_a_schedule(world: &World) {
    let app = &world.app;
    let account = world.customer(0).await.0.account.id;
    subscribe(app, account, &plan("all", 1, PRICE)).await;
    a_breached_azar(world).await;
    assert_eq!(hour(app).await, [0, 0, 1, 0]);
    let awaiting = async || credit::unpaid(app, account).await.unwrap().awaiting_schedule;
    assert_eq!(awaiting().await, [month("1405-09")]);
    publish(app, SCHEDULE).await;
    assert_eq!(awaiting().await, []);
    assert_eq!(hour(app).await, [1, 0, 0, 0]);
    let kept = credit::list(app, Some(account), None, 9).await.unwrap().remove(0);
    assert_eq!((kept.credit.state(), kept.credit.amount()), (Credit::Proposed, Rials(TENTH)));
    let hold = credit::change(app, kept.id, Step::Hold, "Reza", "a doubt").await.unwrap();
    assert_eq!(hold.credit.state(), Credit::Held);
    let unsaid = credit::change(app, kept.id, Step::Waive, "Reza", " ").await;
    assert_eq!(refusal(unsaid), CreditRefusal::Text("reason"));
    let unowed = credit::change(app, kept.id, Step::PayOut, "Reza", "by card").await;
    assert!(matches!(refusal(unowed), CreditRefusal::Rule(_)));
    go_to(world, "1405/10/05 01:00");
    assert_eq!(hour(app).await, [0, 0, 0, 0], "what is held waits");
    credit::change(app, kept.id, Step::Post, "Reza", "the doubt was wrong").await.unwrap();
    let open = newest(app, account).await;
    assert_eq!(open.amounts.discount, Rials::ZERO, "that invoice was there before");
}

/// A revision that lowers what a month pays back takes back what is coming, and nothing that was
/// given; one that raises it brings the difference (decision 9).
async fn a_revision_is_followed_by_opposite_entries(world: &World) {
    let app = &world.app;
    publish(app, SCHEDULE).await;
    let account = world.customer(0).await.0.account.id;
    subscribe(app, account, &plan("all", 1, PRICE)).await;
    a_breached_azar(world).await;
    assert_eq!(hour(app).await, [1, 0, 1, 0]);
    let more = span("1405/09/12 00:00", "1405/09/12 06:00");
    seen(world, more, "api", &[more]).await;
    let revise = async |why: &str| {
        availability::revise(app, Some(account), month("1405-09"), why, "Maryam").await.unwrap();
        hour(app).await
    };
    assert_eq!(revise("another outage").await, [1, 0, 0, 0]);
    let amounts = async || {
        let all = credit::list(app, Some(account), None, 9).await.unwrap();
        let of = |kept: &credit::Kept| (kept.credit.state(), kept.credit.amount().0);
        all.iter().rev().map(of).collect::<Vec<_>>()
    };
    // A quarter is 308 642, of which a tenth was proposed.
    let proposed = [(Credit::Proposed, TENTH), (Credit::Proposed, 308_642 - TENTH)];
    assert_eq!(amounts().await, proposed);
    for outage in outage::list(app, span("1405/09/01 00:00", "1405/10/01 00:00")).await.unwrap() {
        outage::reverse(app, outage.id, "the monitor was wrong", "Zahra").await.unwrap();
    }
    assert_eq!(revise("a wrong monitor").await, [0, 0, 0, 0]);
    assert_eq!(amounts().await, [(Credit::Waived, TENTH), (Credit::Waived, 308_642 - TENTH)]);
    let entries = violation::list(app, Some(account), None, 20).await.unwrap();
    let own = entries.iter().filter(|one| one.account.is_some());
    assert!(own.map(|one| one.violation.status()).all(|status| status == Status::Reversed));
}

/// T149, T151: of two subscriptions only the one whose paths were away, by a twelfth of its year.
async fn only_the_subscription_that_was_away_is_paid_back(world: &World) {
    let app = &world.app;
    publish_now(app).await;
    let account = world.customer(0).await.0.account.id;
    let yearly = subscribe(app, account, &plan("api", 12, 12_000_000)).await;
    subscribe(app, account, &plan("quick-send,campaign", 1, PRICE)).await;
    a_breached_azar(world).await;
    assert_eq!(hour(app).await, [1, 1, 1, 0]);
    let kept = credit::list(app, Some(account), None, 9).await.unwrap().remove(0);
    assert_eq!((kept.new.key.subscription, kept.credit.amount()), (yearly, Rials(100_000)));
    assert_eq!(kept.credit.state(), Credit::Posted, "its next invoice comes with the next year");
    assert_eq!(newest(app, account).await.amounts.discount, Rials::ZERO);

    // T148: it ends before that, so the committee decides.
    subscription::end(app, yearly, "Sara", "the customer left").await.unwrap();
    let again = subscription::end(app, yearly, "Sara", "again").await;
    assert_eq!(refusal(again), SubscriptionRefusal::WrongState);
    let kept = credit::change(app, kept.id, Step::PayOut, "Reza", "to the bank").await.unwrap();
    assert_eq!((kept.credit.state(), kept.credit.left()), (Credit::Closed, Rials::ZERO));
    assert_eq!(kept.moves.last().unwrap().posting.as_ref().unwrap().1, "payouts");
}

/// C19, T176: what is not paid in time is an entry of the ledger, stops, is not covered meanwhile,
/// and goes on when it is paid.
async fn what_is_not_paid_stops_and_goes_on(world: &World) {
    let app = &world.app;
    let account = world.customer(0).await.0.account.id;
    let id = subscribe(app, account, &plan("all", 1, PRICE)).await;
    go_to(world, "1405/09/04 00:00");
    assert_eq!(hour(app).await, [0, 0, 1, 0]);
    go_to(world, "1405/09/11 00:00");
    assert_eq!(hour(app).await, [0, 0, 0, 0], "due, and not over it");
    go_to(world, "1405/09/11 01:00");
    assert_eq!(hour(app).await, [0, 0, 0, 1]);
    assert_eq!((state(app, id).await, hour(app).await), (State::PastDue, [0, 0, 0, 0]));
    let entry = violation::list(app, Some(account), None, 1).await.unwrap().remove(0);
    assert_eq!((entry.violation.clause(), entry.account), (Clause::Payment, Some(account)));
    go_to(world, "1405/09/16 00:00");
    assert_eq!((hour(app).await, state(app, id).await), ([0, 0, 0, 1], State::Suspended));
    go_to(world, "1405/09/21 01:00");
    let owed = newest(app, account).await;
    invoice::pay(app, owed.id, ("bank 1", None), "Sara").await.unwrap();
    assert_eq!(state(app, id).await, State::Active);
    go_to(world, "1405/10/01 00:00");
    let shown = availability::month(app, Some(account), month("1405-09")).await.unwrap();
    // Half a day before it began, and ten days unpaid.
    assert_eq!(shown.judged.totals.not_covered_us, (12 + 240) * 3_600_000_000);
}

/// A26, T174: for how long a credit is carried is what the agreement of its month says: the year's
/// next invoice would have taken it by the first version, and comes too late by the second.
async fn a_credit_is_carried_as_its_month_says(world: &World) {
    let app = &world.app;
    publish_now(app).await;
    let short = agreement::NewVersion {
        body_fa: None,
        body_en: None,
        parameters: vec![("credit.carried_months".to_owned(), "3".to_owned())],
        effective_from: month("1405-10").start(),
    };
    agreement::publish(app, short).await.unwrap();
    let account = world.customer(0).await.0.account.id;
    subscribe(app, account, &plan("all", 12, 12 * PRICE)).await;
    a_breached_azar(world).await;
    hour(app).await;
    go_to(world, "1405/12/03 23:00");
    let down = span("1405/11/10 00:00", "1405/11/10 04:00");
    seen(world, span("1405/10/01 00:00", "1405/11/01 00:00"), "api", &[]).await;
    seen(world, span("1405/11/01 00:00", "1405/12/01 00:00"), "api", &[down]).await;
    go_to(world, "1405/12/04 00:00");
    hour(app).await;
    let states = async || {
        let kept = credit::list(app, Some(account), None, 9).await.unwrap().into_iter();
        kept.map(|one| (one.new.key.month, one.credit.state())).collect::<Vec<_>>()
    };
    let (azar, bahman) = (month("1405-09"), month("1405-11"));
    assert_eq!(states().await, [(bahman, Credit::Posted), (azar, Credit::Posted)]);
    go_to(world, "1406/09/03 23:00");
    seen(world, span("1405/12/01 00:00", "1406/09/01 00:00"), "api", &[]).await;
    go_to(world, "1406/09/04 00:00");
    hour(app).await;
    let taken = newest(app, account).await;
    assert_eq!((taken.month, taken.amounts.discount), (month("1406-09"), Rials(TENTH)));
    assert_eq!(states().await, [(bahman, Credit::WithCommittee), (azar, Credit::Closed)]);
    assert!(app::chain::verify(app, &[]).await.unwrap().wrong.is_empty());
}

/// What cannot be offered or subscribed to.
#[tokio::test]
async fn nonsense_is_no_subscription() {
    use SubscriptionRefusal as R;
    let world = World::new().await;
    let app = &world.app;
    let account = world.customer(0).await.0.account.id;
    let free = Plan { months: 0, ..plan("all", 1, 0) };
    let rule = SubscriptionRefusal::Plan(PlanRefusal::Months);
    assert_eq!(refusal(subscription::add_plan(app, &free).await), rule);
    let offered = subscription::add_plan(app, &plan("all", 1, 0)).await.unwrap();
    let start = async |account, plan, first: &str, by: &str| {
        refusal(subscription::start(app, account, plan, month(first), by).await)
    };
    assert_eq!(start(account, offered, "1405-08", "Sara").await, R::Past);
    assert_eq!(start(account, 9, "1405-09", "Sara").await, R::NoSuchPlan);
    assert_eq!(start(AccountId(77), offered, "1405-09", "Sara").await, R::NoSuchAccount);
    assert_eq!(start(account, offered, "1405-09", "").await, R::Text("name"));
    subscription::retire_plan(app, offered).await.unwrap();
    assert_eq!(refusal(subscription::retire_plan(app, offered).await), R::NoSuchPlan);
    assert_eq!(start(account, offered, "1405-09", "Sara").await, R::NoSuchPlan);
    assert_eq!(refusal(subscription::end(app, 9, "Sara", "x").await), R::NoSuchSubscription);
}

/// How many customers the tests of concurrency have.
const CUSTOMERS: i64 = 40;

/// Customers whose month was breached and frozen, with nothing made of it yet.
pub async fn many_breached(world: &World) {
    publish_now(&world.app).await;
    let offered = subscription::add_plan(&world.app, &plan("all", 1, PRICE)).await.unwrap();
    for _ in 0..CUSTOMERS {
        let account = world.customer(0).await.0.account.id;
        let first = month("1405-09");
        subscription::start(&world.app, account, offered, first, "Sara").await.unwrap();
    }
    a_breached_azar(world).await;
    availability::freeze_due(&world.app).await.unwrap();
}

/// Each customer has one credit and one invoice of the month with it, to the rial.
pub async fn each_has_one(world: &World) {
    for account in 1..=CUSTOMERS {
        let account = AccountId(account);
        let credits = credit::list(&world.app, Some(account), None, 9).await.unwrap();
        assert_eq!(credits.len(), 1, "account {account}");
        assert_eq!(credits[0].credit.state(), Credit::Closed);
        let invoices = invoice::list(&world.app, account, None, 9).await.unwrap();
        let discounts: Vec<i64> = invoices.iter().map(|one| one.amounts.discount.0).collect();
        assert_eq!(discounts, [TENTH, 0], "account {account}");
    }
    assert_eq!(world.db.audit().await.unwrap().violations, []);
}

/// Two nodes do the same at once, on the database at `url`.
async fn two_nodes(url: &str) {
    let world = World::at(url, Settings::default()).await;
    many_breached(&world).await;
    let other = World::at(url, Settings::default()).await;
    go_to(&other, "1405/10/04 00:00");
    let rounds = async |app: &App| {
        let mut sums = [0; 4];
        for _ in 0..3 {
            for (sum, did) in sums.iter_mut().zip(hour(app).await) {
                *sum += did;
            }
        }
        sums
    };
    let (one, two) = tokio::join!(rounds(&world.app), rounds(&other.app));
    let both: Vec<u64> = one.iter().zip(two).map(|(one, two)| one + two).collect();
    let all = CUSTOMERS.unsigned_abs();
    assert_eq!(both, [all, all, all, 0], "{one:?} {two:?}");
    each_has_one(&world).await;
    // The books were checked just now.
    for world in [other, world] {
        world.books_are_away();
        world.db.clone().close().await;
    }
}

/// T061: two nodes at once make one credit and one invoice of each month.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_make_one_invoice_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    two_nodes(&format!("sqlite:{}", folder.path().join("a.db").display())).await;
}

/// T061, on the other engine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_make_one_invoice_on_postgres() {
    let Some((server, url)) = postgres().await else { return };
    two_nodes(&url).await;
    remove(&server, &url).await;
}

/// A credit for each customer, which is owed, then taken off an invoice.
const STEPS: usize = 3 * 40;

/// How many of these steps were made.
async fn progress(db: store::Db) -> usize {
    let mut reads = db.read().await.unwrap();
    let credits = store::credit::list(&mut reads, None, None, 100).await.unwrap();
    credits.iter().map(|kept| 1 + kept.moves.len()).sum()
}

/// Where the process that is to be killed finds its database.
const WORKER_URL: &str = "AVANAK_TEST_MONEY_URL";

/// The process that is to be killed: does what the server does each hour, without end.
#[tokio::test]
#[ignore = "started and killed by the test below"]
#[expect(clippy::disallowed_methods, reason = "the parent says where the database is")]
async fn a_worker_that_is_killed() {
    let Ok(url) = std::env::var(WORKER_URL) else { return };
    let world = World::at(&url, Settings::default()).await;
    go_to(&world, "1405/10/04 00:00");
    loop {
        hour(&world.app).await;
    }
}

/// Kill -9 in the middle of proposing, owing and invoicing, again and again: in the end each month
/// has one credit and one invoice, and every rial is where it should be (T158).
async fn what_is_killed_in_the_middle_is_done_once(url: &str) {
    let world = World::at(url, Settings::default()).await;
    many_breached(&world).await;
    world.close_database().await;
    let worker = ("money::a_worker_that_is_killed", WORKER_URL);
    kill_again_and_again(worker, url, STEPS, progress).await;
    let world = World::at(url, Settings::default()).await;
    go_to(&world, "1405/10/04 00:00");
    hour(&world.app).await;
    each_has_one(&world).await;
    world.close_database().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_killed_in_the_middle_is_done_once_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("a.db").display());
    what_is_killed_in_the_middle_is_done_once(&url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_killed_in_the_middle_is_done_once_on_postgres() {
    let Some((server, url)) = postgres().await else { return };
    what_is_killed_in_the_middle_is_done_once(&url).await;
    remove(&server, &url).await;
}

on_both_engines!(
    a_breached_month_is_taken_off_the_next_invoice,
    both_tracks_together_keep_the_total_cap,
    what_staff_waived_stays_waived_when_a_grant_is_no_more,
    what_staff_waived_is_not_brought_back_by_the_hour,
    of_two_subscriptions_a_waiver_holds_for_its_own,
    a_breached_month_waits_for_a_schedule,
    a_revision_is_followed_by_opposite_entries,
    only_the_subscription_that_was_away_is_paid_back,
    what_is_not_paid_stops_and_goes_on,
    a_credit_is_carried_as_its_month_says,
);
