//! What the store keeps of subscriptions, invoices and credits, on both engines.

use domain::agreement::claim::Track;
use domain::agreement::credit::{CreditKey, DiscountLine, Move};
use domain::agreement::scope::Paths;
use domain::billing::invoice::Amounts;
use domain::billing::subscription::{Plan, State};
use domain::calendar::month::PersianMonth;
use domain::calendar::span::Span;
use domain::{AccountId, Rials};
use store::credit::{By, NewCredit};
use store::invoice::Invoice;
use store::payment::Paid;
use store::subscription::Step;
use store::{Db, Error, Tx, credit, invoice, subscription};

use crate::engines::both_engines;
use crate::world::{NOW, World};

async fn write<T>(db: &Db, body: impl AsyncFnOnce(&mut Tx) -> T) -> T {
    let mut tx = db.begin().await.unwrap();
    let value = body(&mut tx).await;
    tx.commit().await.unwrap();
    value
}

fn aban() -> PersianMonth {
    PersianMonth::new(1405, 8).unwrap()
}

fn plan() -> Plan {
    Plan {
        name: "basic".to_owned(),
        paths: Paths::ALL,
        months: 3,
        price: Rials(1000),
        tax_bp: 900,
        due_days: 7,
        grace_days: 9,
    }
}

fn step(state: State) -> Step {
    Step { state, at: NOW, actor: "Sara".to_owned(), reason: "x".to_owned() }
}

async fn subscribed(world: &World) -> (AccountId, i64) {
    let account = world.account(10).await;
    let id = write(&world.db, async |tx| {
        let plan = subscription::insert_plan(tx, &plan(), NOW).await.unwrap();
        subscription::insert(tx, account, plan, aban(), &step(State::Trial)).await.unwrap()
    });
    (account, id.await)
}

fn invoice_of(account: AccountId, subscription: i64, discount: i64) -> Invoice {
    Invoice {
        id: 0,
        subscription,
        account,
        month: aban(),
        issue: 0,
        months: 3,
        amounts: Amounts::of(Rials(1000), Rials(discount), 900).unwrap(),
        issued_at: NOW,
        due_at: NOW.plus_us(5),
        paid: None,
        noted_at: None,
        voided: None,
    }
}

both_engines! {
    /// A subscription is read with its plan and states, and each place of them is taken once.
    async fn a_subscription_only_goes_on(world) {
        let (account, id) = subscribed(world).await;
        let (_, other) = subscribed(world).await;
        let add = async |place| {
            let mut tx = world.db.begin().await.unwrap();
            let done = subscription::insert_step(&mut tx, id, place, &step(State::Active)).await;
            if done.is_ok() {
                tx.commit().await.unwrap();
            }
            done
        };
        add(1).await.unwrap();
        assert!(matches!(add(1).await, Err(Error::Conflict(_))));
        let mut reads = world.db.read().await.unwrap();
        let kept = subscription::find(&mut reads, id).await.unwrap().unwrap();
        let holds = &kept.plans[0].term.plan;
        assert_eq!((kept.account, holds, kept.first), (account, &plan(), aban()));
        assert_eq!((kept.steps[0].clone(), kept.state()), (step(State::Trial), State::Active));
        let of = subscription::of_accounts(&mut reads, account, account).await.unwrap();
        assert_eq!(of, [kept]);
        let page = async |reads: &mut _, month: PersianMonth, after, limit| {
            let found = subscription::without_invoice(reads, month, after, limit).await.unwrap();
            found.iter().map(|one| one.id).collect::<Vec<_>>()
        };
        assert_eq!(page(&mut reads, aban(), 0, 9).await, [id, other]);
        assert_eq!(page(&mut reads, aban(), id, 1).await, [other]);
        let before = PersianMonth::new(1405, 7).unwrap();
        assert_eq!(page(&mut reads, before, 0, 9).await, []);
        drop(reads);
        let retire = async || {
            write(&world.db, async |tx| subscription::retire_plan(tx, 1, NOW).await.unwrap()).await
        };
        assert_eq!((retire().await, retire().await), (true, false));
        let plans = subscription::plans(&mut world.db.read().await.unwrap()).await.unwrap();
        assert_eq!((plans[0].retired_at, plans[1].retired_at), (Some(NOW), None));
    }

    /// An invoice of a month is made once, paid once, and voided only when it is not paid.
    async fn an_invoice_is_made_and_closed_once(world) {
        let (account, id) = subscribed(world).await;
        let new = invoice_of(account, id, 0);
        let insert = async |new: &Invoice| {
            write(&world.db, async |tx| invoice::insert(tx, new).await.unwrap()).await
        };
        let one = insert(&new).await.unwrap();
        assert_eq!(insert(&new).await, None);
        let void = async |id| {
            let void = async |tx: &mut Tx| {
                invoice::void(tx, id, NOW.plus_us(9), "Sara", "a slip").await.unwrap()
            };
            write(&world.db, void).await
        };
        assert_eq!((void(one).await, void(one).await), (true, false));
        let two = insert(&Invoice { issue: 1, ..new.clone() }).await.unwrap();
        let pay = async |id| {
            let mut tx = world.db.begin().await.unwrap();
            let (reference, paid_at, at) = ("bank 1", NOW.plus_us(6), NOW.plus_us(7));
            let paid = Paid { reference, paid_at, at, by: "gateway x" };
            let done = invoice::pay(&mut tx, id, paid).await;
            if done.is_ok() {
                tx.commit().await.unwrap();
            }
            done
        };
        assert!(!pay(one).await.unwrap());
        let mut reads = world.db.read().await.unwrap();
        let overdue = invoice::overdue(&mut reads, NOW.plus_us(6), 0, 9).await.unwrap();
        let ids: Vec<i64> = overdue.iter().map(|one| one.id).collect();
        assert_eq!(ids, [two]);
        assert!(invoice::is_overdue(&mut reads, id, NOW.plus_us(6)).await.unwrap());
        assert!(!invoice::is_overdue(&mut reads, id, NOW.plus_us(5)).await.unwrap());
        drop(reads);
        let locked = async |id| {
            write(&world.db, async |tx| invoice::lock_unpaid(tx, id).await.unwrap()).await
        };
        assert_eq!((locked(one).await, locked(two).await), (false, true));
        assert!(pay(two).await.unwrap());
        assert_eq!((pay(two).await.unwrap(), void(two).await), (false, false));
        assert!(!locked(two).await);
        let (_, other) = subscribed(world).await;
        let third = insert(&invoice_of(account, other, 0)).await.unwrap();
        assert!(matches!(pay(third).await, Err(Error::Conflict(_))));
        let mut reads = world.db.read().await.unwrap();
        let last = invoice::of_month(&mut reads, id, aban()).await.unwrap().unwrap();
        let paid = Some((NOW.plus_us(6), Some("bank 1".to_owned())));
        let noted_at = Some(NOW.plus_us(7));
        assert_eq!(last, Invoice { id: two, issue: 1, paid, noted_at, ..new.clone() });
        // Both are due at 5; the first was voided at 9, the second was paid at 6.
        for (before, after, ends) in [(5, 0, &[][..]), (6, 5, &[9, 6]), (6, 6, &[9])] {
            let (before, after) = (NOW.plus_us(before), NOW.plus_us(after));
            let times = invoice::overdue_times(&mut reads, id, (before, after)).await.unwrap();
            let from = NOW.plus_us(5);
            let expected = ends.iter().map(|end| Span { from, to: NOW.plus_us(*end) });
            assert_eq!(times, expected.collect::<Vec<_>>());
        }
        let first = invoice::find(&mut reads, one).await.unwrap().unwrap();
        let voided = Some((NOW.plus_us(9), "Sara".to_owned(), "a slip".to_owned()));
        assert_eq!(first, Invoice { id: one, voided, ..new });
        let listed = invoice::of_account(&mut reads, account, Some(third), 9).await.unwrap();
        assert_eq!(listed, [last, first]);
    }

    /// A credit is there once for what it is for, and each place of its moves is taken once; what
    /// it gave is on the invoice, and the books say so.
    async fn a_credit_is_there_once_and_only_moves(world) {
        let (account, id) = subscribed(world).await;
        let key = CreditKey {
            account,
            subscription: id,
            month: aban(),
            paths: Paths::ALL,
            track: Track::Availability,
            revision: 0,
        };
        let new = NewCredit {
            key,
            amount: Rials(40),
            computed: Rials(40),
            basis: None,
            proposed_at: NOW,
            owed_from: NOW.plus_us(5),
        };
        let insert = async || {
            write(&world.db, async |tx| credit::insert(tx, &new).await.unwrap()).await
        };
        let number = insert().await.unwrap();
        assert_eq!(insert().await, None);
        let due = async |at, after| {
            let mut reads = world.db.read().await.unwrap();
            credit::due(&mut reads, NOW.plus_us(at), after, 9).await.unwrap()
        };
        assert_eq!((due(4, 0).await, due(5, 0).await, due(5, number).await),
                   (vec![], vec![number], vec![]));
        let by = By { at: NOW, actor: "avanak", reason: "" };
        let mut kept = write(&world.db, async |tx| {
            let mut kept = credit::find(tx, number).await.unwrap().unwrap();
            let posting = kept.credit.post().unwrap();
            credit::insert_move(tx, number, 0, Move::Post, Some(posting), by).await.unwrap();
            kept
        })
        .await;
        let mut tx = world.db.begin().await.unwrap();
        let again = credit::insert_move(&mut tx, number, 0, Move::Hold, None, by).await;
        assert!(matches!(again, Err(Error::Conflict(_))));
        drop(tx);
        assert_eq!(due(5, 0).await, []);
        write(&world.db, async |tx| {
            let made = invoice::insert(tx, &invoice_of(account, id, 40)).await.unwrap().unwrap();
            let posting = kept.credit.apply(made, Rials(1000)).unwrap();
            let line = Move::Apply(DiscountLine { invoice: made, amount: Rials(40) });
            credit::insert_move(tx, number, 1, line, posting, by).await.unwrap();
        })
        .await;
        let mut reads = world.db.read().await.unwrap();
        let found = credit::find(&mut reads, number).await.unwrap().unwrap();
        assert_eq!((&found.credit, &found.new), (&kept.credit, &new));
        let books = ("owed:1".to_owned(), "discounts".to_owned(), Rials(40));
        assert_eq!(found.moves[1].posting, Some(books));
        let lines = credit::lines(&mut reads, 1).await.unwrap();
        assert_eq!((lines.len(), lines[0].credit, lines[0].amount), (1, number, Rials(40)));
        let of = credit::of_subscription(&mut reads, id).await.unwrap();
        assert_eq!(of, std::slice::from_ref(&found));
        assert_eq!(credit::list(&mut reads, Some(account), None, 9).await.unwrap().len(), 1);
        assert_eq!(credit::list(&mut reads, None, Some(number), 9).await.unwrap(), []);
        let stranger = credit::list(&mut reads, Some(AccountId(77)), None, 9).await.unwrap();
        assert_eq!(stranger, []);
    }
}
