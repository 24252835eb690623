//! What is given back is a row, once for its name, and shown beside the charge.

use domain::{AttemptId, QuickSendId, Rials, Timestamp};
use store::refund::{self, Charged, Refund};

use crate::engines::both_engines;
use crate::world::{NOW, World, delivered, leased};

async fn give(world: &World, new: &Refund) -> Option<i64> {
    let mut tx = world.db.begin().await.unwrap();
    refund::lock(&mut tx, new.quick_send).await.unwrap();
    let id = refund::insert(&mut tx, new).await.unwrap();
    tx.commit().await.unwrap();
    id
}

both_engines! {
    async fn a_refund_is_a_row_beside_the_charge(world) {
        let (element, node) = (world.send().await, world.node("a").await);
        let account = element.account;
        let send = world.accept(&leased(element, node)).await.quick_send;
        let attempt = AttemptId { quick_send: send, n: 1 };
        world.db.settle(vec![delivered(attempt, 450)]).await.unwrap();
        let charged = async |id| {
            let mut tx = world.db.begin().await.unwrap();
            refund::lock(&mut tx, id).await.unwrap()
        };
        let sums = |refunded| {
            Some(Charged { account, charged: Rials(450), refunded: Rials(refunded) })
        };
        assert_eq!(charged(send).await, sums(0));
        assert_eq!(charged(QuickSendId(99)).await, None);
        let new = Refund {
            id: 0,
            account,
            quick_send: send,
            amount: Rials(300),
            at: NOW.plus_ms(9),
            reference: String::from("r1"),
            actor: String::from("Sara"),
            reason: String::from("صدا قطع شد"),
        };
        let id = give(world, &new).await.unwrap();
        assert_eq!(give(world, &new).await, None, "its name is taken");
        assert_eq!((charged(send).await, world.funds(account).await), (sums(300), (9_850, 0)));
        let mut reads = world.db.read().await.unwrap();
        let kept = refund::by_reference(&mut reads, "r1").await.unwrap();
        assert_eq!(kept, Some(Refund { id, ..new }));
        assert_eq!(refund::by_reference(&mut reads, "r2").await.unwrap(), None);
        let ever = (Timestamp(0), Timestamp(i64::MAX));
        let lines = store::entry::statement(&mut reads, account, ever.0, ever.1, 9).await.unwrap();
        let told = lines.iter().map(|one| (&*one.kind, one.amount.0, one.quick_send));
        let told: Vec<_> = told.collect();
        let send = Some(send);
        assert_eq!(told, [("refund", 300, send), ("call", -450, send), ("credit", 10_000, None)]);
        let from = store::export::Place { at: Timestamp(0), source: 0, n: 0 };
        let to = NOW.plus_ms(10);
        let lines = store::ledger::lines(&mut reads, account, from, to, 9).await.unwrap();
        let last = lines.last().unwrap();
        assert_eq!((&*last.kind, &*last.note, lines.len()), ("refund", "صدا قطع شد", 3));
        drop(reads);
        // An audit that does not look would prove nothing.
        for wrong in [
            "UPDATE refund SET amount_rials = 451",
            "UPDATE account SET balance_rials = balance_rials - 300",
        ] {
            let mut tx = world.db.begin().await.unwrap();
            tx.execute(wrong, &[]).await.unwrap();
            tx.commit().await.unwrap();
            assert!(!world.db.audit().await.unwrap().is_clean(), "{wrong}");
        }
        let mut tx = world.db.begin().await.unwrap();
        tx.execute("UPDATE refund SET amount_rials = 300", &[]).await.unwrap();
        tx.execute("UPDATE account SET balance_rials = balance_rials + 300", &[]).await.unwrap();
        tx.commit().await.unwrap();
    }
}
