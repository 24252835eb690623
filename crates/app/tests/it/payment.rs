//! Payments: taken in once, whoever asks how often, whatever the gateway does.

use app::payment::{self, Looks, Payment, PaymentRefusal, Purpose};
use app::ports::{Opened, Verdict};
use app::{App, Caller, invoice};
use domain::agreement::attachment;
use domain::agreement::violation::Clause;
use domain::billing::payment::{LIFE_MS, OPEN_MAX, OPENING_MS, RECEIPT_LIFE_MS, State};
use domain::{AccountId, Rials};
use store::entry::{EntryKind, NewEntry, Posted};
use store::payment::NewPayment;

use crate::chain::bend;
use crate::engines::on_postgres;
use crate::money::{hour, newest, plan, subscribe};
use crate::refusal;
use crate::violation::{at, go_to};
use crate::world::{PATIENCE, World};

const ROUNDS: usize = 8;
const PDF: &[u8] = b"%PDF-1.7 a receipt";

fn paid(reference: &str) -> Verdict {
    Verdict::Paid { reference: reference.to_owned(), paid_at: None }
}

fn not_paid() -> Verdict {
    Verdict::NotPaid("-51: nobody".to_owned())
}

/// What the gateway says next; `None`: it does not answer.
fn says(world: &World, verdicts: &[Option<Verdict>]) {
    world.gateways.verdicts.lock().unwrap().extend(verdicts.iter().cloned());
}

async fn begin(world: &World, caller: &Caller, amount: i64, gateway: &str) -> Payment {
    let purpose = Purpose::Credit(Rials(amount));
    payment::begin(&world.app, caller, purpose, gateway).await.unwrap()
}

async fn come_back(world: &World, payment: &Payment) -> State {
    payment::come_back(&world.app, &payment.token).await.unwrap().unwrap().state
}

/// Looks at all payments whose time it is. How many those were.
async fn look(app: &App) -> usize {
    let mut looks = Looks::new(app);
    let begun = looks.begin().await.unwrap();
    while !looks.is_empty() {
        looks.ended().await;
    }
    begun
}

async fn balance(world: &World, account: AccountId) -> i64 {
    app::account::status(&world.app, account).await.unwrap().unwrap().balance.0
}

/// A customer who comes back is believed nothing: the gateway is asked, silence decides nothing,
/// and what it says is taken in once, also when two ask at the same moment.
#[tokio::test]
async fn a_payment_is_taken_in_once() {
    let world = World::new().await;
    let (caller, _) = world.customer(1_000).await;
    let account = caller.account.id;
    let one = begin(&world, &caller, 50_000, "zarinpal").await;
    assert_eq!((one.state, one.url.as_deref()), (State::Waiting, Some("https://pay/1")));
    says(&world, &[Some(not_paid()), None]);
    assert_eq!(come_back(&world, &one).await, State::Waiting);
    assert_eq!(come_back(&world, &one).await, State::Waiting);
    assert_eq!(balance(&world, account).await, 1_000);
    says(&world, &[Some(paid("7")), Some(paid("7"))]);
    let both = tokio::join!(come_back(&world, &one), come_back(&world, &one));
    assert_eq!(both, (State::Paid, State::Paid));
    assert_eq!(balance(&world, account).await, 51_000);
    world.gateways.verdicts.lock().unwrap().clear();
    assert_eq!(come_back(&world, &one).await, State::Paid);
    assert_eq!(look(&world.app).await, 0);
    let kept = payment::find(&world.app, Some(account), one.id).await.unwrap().unwrap();
    assert_eq!(kept.reference.as_deref(), Some("7"));
    assert_eq!(payment::come_back(&world.app, "x").await.unwrap(), None);
    // Another payment under the bank's same reference is no other money.
    let two = begin(&world, &caller, 60_000, "zarinpal").await;
    says(&world, &[Some(paid("7"))]);
    assert_eq!(come_back(&world, &two).await, State::Failed);
    assert_eq!(balance(&world, account).await, 51_000);
}

/// Who did what to payments, as the chain of evidence has it, which is whole.
async fn deciders(world: &World) -> Vec<String> {
    let verified = app::chain::verify(&world.app, &[]).await.unwrap();
    assert!(verified.wrong.is_empty(), "{:?}", verified.wrong);
    let entries = app::chain::list(&world.app, Some("payment"), None, 9).await.unwrap();
    let mut actors: Vec<_> = entries.into_iter().map(|kept| kept.entry.actor).collect();
    actors.sort_unstable();
    actors
}

/// Money that a gateway has settled and we cannot take in is evidence, and one of us takes it in,
/// once, as much as there is.
#[tokio::test]
async fn what_cannot_be_taken_in_is_evidence_and_taken_in_by_hand() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    let first = begin(&world, &caller, 50_000, "zarinpal").await;
    let less = begin(&world, &caller, 60_000, "zarinpal").await;
    let same = begin(&world, &caller, 70_000, "zarinpal").await;
    let other = Verdict::OtherAmount { paid: Rials(6_000), reference: "8".to_owned() };
    says(&world, &[Some(paid("7")), Some(other), Some(paid("7"))]);
    for payment in [&first, &less, &same] {
        come_back(&world, payment).await;
    }
    let reason = async |id| payment::find(app, None, id).await.unwrap().unwrap().reason.unwrap();
    assert_eq!(reason(less.id).await, "6000 rials were paid under 8");
    let collides = "another payment was taken in under its reference 7";
    assert_eq!(reason(same.id).await, collides);
    assert_eq!(deciders(&world).await, ["gateway zarinpal"; 3]);
    // Asked again, a gateway that has forgotten it changes nothing of that.
    says(&world, &[Some(not_paid()), Some(Verdict::Wrong("-54: unknown".to_owned()))]);
    payment::check(app, less.id).await.unwrap();
    world.clock.advance_ms(LIFE_MS);
    payment::check(app, same.id).await.unwrap();
    assert_eq!(reason(same.id).await, collides);
    assert_eq!(balance(&world, account).await, 50_000);
    let accept = async |id, amount, reference: &str| {
        payment::accept(app, id, (Rials(amount), reference, None), "Sara").await
    };
    for none in [0, -6_000, 1_000_000_001] {
        assert_eq!(refusal(accept(less.id, none, "8").await), PaymentRefusal::Amount, "{none}");
    }
    let taken = accept(less.id, 6_000, "8").await.unwrap();
    assert_eq!((taken.state, taken.amount), (State::Paid, Rials(6_000)));
    assert_eq!(refusal(accept(less.id, 6_000, "9").await), PaymentRefusal::WrongState);
    assert_eq!(refusal(accept(same.id, 70_000, "7").await), PaymentRefusal::Reference);
    accept(same.id, 70_000, &format!("zarinpal {}", same.id)).await.unwrap();
    assert_eq!(balance(&world, account).await, 126_000);
    let gateway = "gateway zarinpal";
    assert_eq!(deciders(&world).await, ["Sara", "Sara", gateway, gateway, gateway]);
    // What never was at a gateway has no money there.
    *world.gateways.opens.lock().unwrap() = Some(Opened::Refused("-11".to_owned()));
    let closed = begin(&world, &caller, 50_000, "zarinpal").await;
    assert_eq!(refusal(accept(closed.id, 50_000, "10").await), PaymentRefusal::WrongState);
}

/// A gateway that is silent for ever keeps its payments until one of us gives them up, which is
/// evidence; its yes counts all the same.
#[tokio::test]
async fn one_of_us_ends_what_a_gateway_does_not() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let mut ids = Vec::new();
    for _ in 0..OPEN_MAX {
        ids.push(begin(&world, &caller, 50_000, "zarinpal").await.id);
    }
    let give_up = async |id, by| payment::wait_no_longer(app, id, by).await;
    assert_eq!(refusal(give_up(ids[0], " ").await), PaymentRefusal::Text("name"));
    assert_eq!(refusal(give_up(99, "Sara").await), PaymentRefusal::NoSuchPayment);
    let given_up = give_up(ids[0], "Sara").await.unwrap();
    assert_eq!((given_up.state, given_up.decided.unwrap().1.as_str()), (State::Failed, "Sara"));
    assert_eq!(refusal(give_up(ids[0], "Sara").await), PaymentRefusal::WrongState);
    let next = begin(&world, &caller, 50_000, "receipt").await;
    assert_eq!(refusal(give_up(next.id, "Sara").await), PaymentRefusal::WrongState);
    assert_eq!(deciders(&world).await, ["Sara"]);
    says(&world, &[Some(paid("7"))]);
    assert_eq!(payment::check(app, ids[0]).await.unwrap().state, State::Paid);
    assert_eq!(balance(&world, caller.account.id).await, 50_000);
    assert_eq!(deciders(&world).await, ["Sara", "gateway zarinpal"]);
}

/// Gateways are asked at the same time: who waits for a silent one keeps nobody else waiting.
#[tokio::test]
async fn a_silent_gateway_keeps_nobody_else_waiting() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let silent = begin(&world, &caller, 50_000, "zarinpal").await;
    let other = begin(&world, &caller, 60_000, "zarinpal").await;
    *world.gateways.silent.lock().unwrap() = silent.authority.clone();
    world.clock.advance_ms(30_000);
    says(&world, &[Some(paid("7")), Some(paid("8"))]);
    let state = async |id| payment::find(app, None, id).await.unwrap().unwrap().state;
    let mut looks = Looks::new(app);
    assert_eq!(looks.begin().await.unwrap(), 2);
    tokio::time::timeout(PATIENCE, looks.ended()).await.unwrap();
    assert_eq!((state(other.id).await, state(silent.id).await), (State::Paid, State::Waiting));
    // What comes later is looked at beside it, as far as there is room at that gateway.
    let mut later = Vec::new();
    for _ in 0..9 {
        later.push(begin(&world, &caller, 70_000, "zarinpal").await.id);
    }
    let receipt = begin(&world, &world.customer(0).await.0, 70_000, "receipt").await.id;
    world.clock.advance_ms(RECEIPT_LIFE_MS);
    *world.gateways.verdicts.lock().unwrap() = vec![Some(not_paid()); 9];
    // The silent one, too, would be asked again; nine beside it are all that its gateway has room
    // for, and the receipt waits for none of them.
    assert_eq!(looks.begin().await.unwrap(), 10);
    while state(receipt).await != State::Failed {
        tokio::time::timeout(PATIENCE, looks.ended()).await.unwrap();
    }
    assert!(!looks.is_empty(), "the silent one is never answered about");
}

/// Of payments that are begun at the same moment, only one is the last that is allowed.
async fn two_at_once_are_not_too_many(world: &World) {
    for _ in 0..ROUNDS {
        let (caller, _) = world.customer(0).await;
        for _ in 1..OPEN_MAX {
            begin(world, &caller, 10_000, "receipt").await;
        }
        let one = || payment::begin(&world.app, &caller, Purpose::Credit(Rials(10_000)), "receipt");
        let (one, two) = tokio::join!(one(), one());
        let refused = if one.is_ok() { two } else { one };
        assert_eq!(refusal(refused), PaymentRefusal::TooMany);
        let account = Some(caller.account.id);
        let all = payment::list(&world.app, account, false, None, 99).await.unwrap();
        assert_eq!(i64::try_from(all.len()).unwrap(), OPEN_MAX);
    }
}

#[tokio::test]
async fn two_at_once_are_not_too_many_on_sqlite() {
    two_at_once_are_not_too_many(&World::new().await).await;
}

#[tokio::test]
async fn two_at_once_are_not_too_many_on_postgres() {
    on_postgres(two_at_once_are_not_too_many).await;
}

/// Who never comes back is asked about; what nobody paid in an hour is given up, and staff may ask
/// once more. What was never opened is given up.
#[tokio::test]
async fn who_does_not_come_back_is_asked_about() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    let one = begin(&world, &caller, 50_000, "zarinpal").await;
    assert_eq!(look(app).await, 0);
    world.clock.advance_ms(30_000);
    says(&world, &[None]);
    assert_eq!(look(app).await, 1);
    assert_eq!(look(app).await, 0);
    world.clock.advance_ms(LIFE_MS);
    says(&world, &[Some(not_paid())]);
    assert_eq!(look(app).await, 1);
    let given_up = payment::find(app, None, one.id).await.unwrap().unwrap();
    assert_eq!((given_up.state, given_up.reason.as_deref()), (State::Failed, Some("-51: nobody")));
    says(&world, &[Some(paid("8"))]);
    assert_eq!(payment::check(app, one.id).await.unwrap().state, State::Paid);
    assert_eq!(balance(&world, account).await, 50_000);
    assert_eq!(refusal(payment::check(app, one.id).await), PaymentRefusal::WrongState);
    let refused = Opened::Refused("-11: not active".to_owned());
    *world.gateways.opens.lock().unwrap() = Some(refused);
    let closed = begin(&world, &caller, 50_000, "zarinpal").await;
    assert_eq!((closed.state, closed.reason.as_deref()), (State::Failed, Some("-11: not active")));
    *world.gateways.opens.lock().unwrap() = None;
    // As a process leaves it that is killed before it opens anything.
    let mut tx = world.db.begin().await.unwrap();
    let new = NewPayment {
        account,
        invoice: None,
        amount: Rials(50_000),
        gateway: "zarinpal".to_owned(),
        token: "t".to_owned(),
        made_at: app.now(),
        ask_at: app.now().plus_ms(OPENING_MS),
    };
    let left = store::payment::insert(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    world.clock.advance_ms(OPENING_MS);
    assert_eq!(look(app).await, 1);
    let left = payment::find(app, None, left).await.unwrap().unwrap();
    assert_eq!((left.state, left.url), (State::Failed, None));
}

/// An invoice is paid by its payment; one that was paid meanwhile leaves the money to the balance.
#[tokio::test]
async fn an_invoice_is_paid_or_the_money_is_kept() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let (other, _) = world.customer(0).await;
    let account = caller.account.id;
    subscribe(app, account, &plan("all", 1, 1_000_000)).await;
    go_to(&world, "1405/09/04 00:00");
    hour(app).await;
    let due = newest(app, account).await;
    let by = async |caller: &Caller| {
        payment::begin(app, caller, Purpose::Invoice(due.id), "zarinpal").await
    };
    assert_eq!(refusal(by(&other).await), PaymentRefusal::Invoice);
    let (one, two) = (by(&caller).await.unwrap(), by(&caller).await.unwrap());
    assert_eq!((one.amount, two.amount), (due.amounts.total, due.amounts.total));
    says(&world, &[Some(paid("7")), Some(paid("8"))]);
    assert_eq!(come_back(&world, &one).await, State::Paid);
    let (kept, _) = invoice::find(app, due.id).await.unwrap().unwrap();
    assert_eq!(kept.paid.unwrap().1.as_deref(), Some("payment:1"));
    assert_eq!(balance(&world, account).await, 0);
    assert_eq!(come_back(&world, &two).await, State::Paid);
    assert_eq!(balance(&world, account).await, due.amounts.total.0);
    assert_eq!(refusal(by(&caller).await), PaymentRefusal::Invoice);
}

/// C19: an invoice is paid when its money was, whenever we learn of it. What was paid in time was
/// never missed, and is covered throughout; what was not, since it was paid. Both times are kept,
/// and the chain says whose word it was.
#[tokio::test]
async fn an_invoice_is_paid_when_its_money_was() {
    for (paid_at, stands, not_covered_h) in
        [("1405/09/10 13:00", false, 12), ("1405/09/12 00:00", true, 12 + 23)]
    {
        let world = World::new().await;
        let app = &world.app;
        let (caller, _) = world.customer(0).await;
        let account = caller.account.id;
        subscribe(app, account, &plan("all", 1, 1_000_000)).await;
        go_to(&world, "1405/09/04 00:00");
        hour(app).await;
        let due = newest(app, account).await;
        go_to(&world, "1405/09/10 12:00");
        let purpose = Purpose::Invoice(due.id);
        let begun = payment::begin(app, &caller, purpose, "zarinpal").await.unwrap();
        // Its gateway says nothing, so it is past due, and stopped.
        for now in ["1405/09/11 01:00", "1405/09/16 00:00"] {
            go_to(&world, now);
            hour(app).await;
        }
        let entry = async || {
            let all = app::violation::list(app, Some(account), None, 9).await.unwrap();
            let of_payment =
                |kept: &app::violation::Kept| kept.violation.clause() == Clause::Payment;
            all.into_iter().find(of_payment).unwrap().violation
        };
        assert!(entry().await.stands());
        let told = Verdict::Paid { reference: "7".to_owned(), paid_at: Some(at(paid_at)) };
        says(&world, &[Some(told)]);
        assert_eq!(come_back(&world, &begun).await, State::Paid);
        let kept = newest(app, account).await;
        let times = (kept.paid.map(|(at, _)| at), kept.noted_at);
        assert_eq!(times, (Some(at(paid_at)), Some(app.now())));
        let kept = payment::find(app, None, begun.id).await.unwrap().unwrap();
        assert_eq!(kept.paid_at, Some(at(paid_at)));
        assert_eq!(entry().await.stands(), stands, "{paid_at}");
        let sealed = app::chain::list(app, Some("invoice"), None, 1).await.unwrap().remove(0);
        assert_eq!(sealed.entry.actor, "gateway zarinpal");
        go_to(&world, "1405/10/01 00:00");
        let month = domain::calendar::month::PersianMonth::parse("1405-09").unwrap();
        let month = app::availability::month(app, Some(account), month).await.unwrap();
        let not_covered_us = month.judged.totals.not_covered_us;
        assert_eq!(not_covered_us / 3_600_000_000, not_covered_h, "{paid_at}");
    }
}

/// A receipt waits for one of us, who takes a transfer of the bank once or says why not.
#[tokio::test]
async fn a_receipt_is_looked_at_by_one_of_us() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let made = begin(&world, &caller, 70_000, "receipt").await;
        assert_eq!(made.state, State::Made);
        ids.push(made.id);
    }
    let add = async |id, bytes: &[u8]| payment::add_receipt(app, account, id, bytes.to_vec()).await;
    let kind = PaymentRefusal::Receipt(attachment::Refusal::Kind);
    assert_eq!(refusal(add(ids[0], b"paid!").await), kind);
    let theirs = payment::add_receipt(app, AccountId(99), ids[0], PDF.to_vec()).await;
    assert_eq!(refusal(theirs), PaymentRefusal::NoSuchPayment);
    let accept = async |id, amount, reference: &str| {
        payment::accept(app, id, (Rials(amount), reference, None), "Sara").await
    };
    assert_eq!(refusal(accept(ids[0], 70_000, "tr 1").await), PaymentRefusal::WrongState);
    for id in &ids {
        assert_eq!(add(*id, PDF).await.unwrap().state, State::Review);
    }
    assert_eq!(refusal(add(ids[0], PDF).await), PaymentRefusal::WrongState);
    assert_eq!(payment::list(app, None, true, None, 9).await.unwrap().len(), 3);
    let (media_type, bytes) = payment::receipt(app, ids[0]).await.unwrap().unwrap();
    assert_eq!((media_type.as_str(), bytes.as_slice()), ("application/pdf", PDF));
    for none in [" ", "رسید"] {
        let refused = refusal(accept(ids[0], 70_000, none).await);
        assert_eq!(refused, PaymentRefusal::Text("reference"), "{none}");
    }
    assert_eq!(refusal(accept(ids[0], 69_999, "tr 1").await), PaymentRefusal::OtherAmount);
    let nobody = payment::accept(app, ids[0], (Rials(70_000), "tr 1", None), " ").await;
    assert_eq!(refusal(nobody), PaymentRefusal::Text("name"));
    for never in [-1, 1] {
        let at = Some(app.now().plus_us(never));
        let never = payment::accept(app, ids[0], (Rials(70_000), "tr 1", at), "Sara").await;
        assert_eq!(refusal(never), PaymentRefusal::Time);
    }
    assert_eq!(accept(ids[0], 70_000, "tr 1").await.unwrap().reference.as_deref(), Some("TR1"));
    assert_eq!(refusal(accept(ids[0], 70_000, "tr 1").await), PaymentRefusal::WrongState);
    // The same transfer, written otherwise.
    for again in ["tr 1", "TR-۱"] {
        let refused = refusal(accept(ids[1], 70_000, again).await);
        assert_eq!(refused, PaymentRefusal::Reference, "{again}");
    }
    let refused = payment::refuse(app, ids[1], "it was another's", "Sara").await.unwrap();
    assert_eq!(refused.decided.unwrap().1, "Sara");
    let again = payment::refuse(app, ids[1], "it was another's", "Sara").await;
    assert_eq!(refusal(again), PaymentRefusal::WrongState);
    assert_eq!(balance(&world, account).await, 70_000);
    // Both decisions are evidence, and the third one waits.
    let verified = app::chain::verify(app, &[]).await.unwrap();
    assert!(verified.wrong.is_empty(), "{:?}", verified.wrong);
    let entries = app::chain::list(app, Some("payment"), None, 9).await.unwrap();
    let actors: Vec<_> = entries.iter().map(|kept| kept.entry.actor.as_str()).collect();
    assert_eq!(actors, ["Sara", "Sara"]);
}

/// C19: who was at the bank first and sends the receipt afterwards paid when the bank says, though
/// not before there was an invoice. Both moments are sealed.
#[tokio::test]
async fn a_receipt_counts_since_the_bank_had_its_money() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    subscribe(app, account, &plan("all", 1, 1_000_000)).await;
    go_to(&world, "1405/09/04 00:00");
    hour(app).await;
    let due = newest(app, account).await;
    go_to(&world, "1405/09/12 00:00");
    let begun = payment::begin(app, &caller, Purpose::Invoice(due.id), "receipt").await.unwrap();
    payment::add_receipt(app, account, begun.id, PDF.to_vec()).await.unwrap();
    let accept = async |told| {
        let said = (due.amounts.total, "tr 1", Some(told));
        payment::accept(app, begun.id, said, "Sara").await
    };
    let early = accept(due.issued_at.plus_us(-1)).await;
    assert_eq!(refusal(early), PaymentRefusal::Time);
    let told = at("1405/09/05 10:00");
    assert_eq!(accept(told).await.unwrap().paid_at, Some(told));
    assert_eq!(newest(app, account).await.paid.map(|(at, _)| at), Some(told));
    assert!(app::chain::verify(app, &[]).await.unwrap().wrong.is_empty());
    for (bent, back) in [
        (
            "UPDATE payment SET paid_at_us = paid_at_us + 1",
            "UPDATE payment SET paid_at_us = paid_at_us - 1",
        ),
        (
            "UPDATE invoice SET noted_at_us = noted_at_us + 1",
            "UPDATE invoice SET noted_at_us = noted_at_us - 1",
        ),
    ] {
        bend(&world, bent).await;
        assert_eq!(app::chain::verify(app, &[]).await.unwrap().wrong.len(), 1, "{bent}");
        bend(&world, back).await;
    }
}

/// Whoever never sends a receipt is not waited for longer than a week, and may begin anew.
#[tokio::test]
async fn a_receipt_that_never_comes_is_given_up() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let mut ids = Vec::new();
    for _ in 0..OPEN_MAX {
        ids.push(begin(&world, &caller, 70_000, "receipt").await.id);
    }
    payment::add_receipt(app, caller.account.id, ids[0], PDF.to_vec()).await.unwrap();
    let more =
        async || payment::begin(app, &caller, Purpose::Credit(Rials(70_000)), "receipt").await;
    assert_eq!(refusal(more().await), PaymentRefusal::TooMany);
    world.clock.advance_ms(RECEIPT_LIFE_MS - 1);
    assert_eq!(look(app).await, 0);
    world.clock.advance_ms(1);
    assert_eq!(look(app).await, 9);
    let state = async |id| payment::find(app, None, id).await.unwrap().unwrap().state;
    assert_eq!((state(ids[0]).await, state(ids[9]).await), (State::Review, State::Failed));
    more().await.unwrap();
    let late = payment::add_receipt(app, caller.account.id, ids[9], PDF.to_vec()).await;
    assert_eq!(refusal(late), PaymentRefusal::WrongState);
}

/// A payment that cannot be taken in, since somebody posted an entry under its name by hand, is not
/// posted twice, and keeps no other one waiting.
#[tokio::test]
async fn one_that_fails_lets_the_others_through() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let account = caller.account.id;
    let one = begin(&world, &caller, 50_000, "zarinpal").await;
    let two = begin(&world, &caller, 60_000, "zarinpal").await;
    let entry = NewEntry {
        account,
        kind: EntryKind::Credit,
        amount: Rials(50_000),
        at: app.now(),
        reference: Some(format!("payment:{}", one.id)),
        note: "by hand".to_owned(),
    };
    let mut tx = world.db.begin().await.unwrap();
    assert_eq!(store::entry::post(&mut tx, &entry).await.unwrap(), Posted::Done);
    tx.commit().await.unwrap();
    world.clock.advance_ms(30_000);
    says(&world, &[Some(paid("7")), Some(paid("8"))]);
    assert_eq!(look(app).await, 2);
    let state = async |id| payment::find(app, None, id).await.unwrap().unwrap().state;
    assert_eq!((state(one.id).await, state(two.id).await), (State::Waiting, State::Paid));
    assert_eq!(balance(&world, account).await, 110_000);
}

/// What makes no sense is not begun, and nobody has too many.
#[tokio::test]
async fn nonsense_is_no_payment() {
    let world = World::new().await;
    let app = &world.app;
    let (caller, _) = world.customer(0).await;
    let (sandbox, _) = world.sandbox(&caller).await;
    let of = async |caller: &Caller, amount, gateway| {
        refusal(payment::begin(app, caller, Purpose::Credit(Rials(amount)), gateway).await)
    };
    assert_eq!(of(&sandbox, 50_000, "zarinpal").await, PaymentRefusal::Sandbox);
    assert_eq!(of(&caller, 50_000, "zibal").await, PaymentRefusal::Gateway);
    for amount in [0, -1, 9_999, 1_000_000_001] {
        assert_eq!(of(&caller, amount, "zarinpal").await, PaymentRefusal::Amount, "{amount}");
    }
    for _ in 0..OPEN_MAX {
        begin(&world, &caller, 10_000, "zarinpal").await;
    }
    assert_eq!(of(&caller, 10_000, "zarinpal").await, PaymentRefusal::TooMany);
}
