//! Payments on both engines: opened, taken in and given up once, whoever is faster.

use domain::Rials;
use domain::billing::payment::State;
use store::payment::{self, NewPayment};
use store::{Db, Error, Tx};

use crate::engines::both_engines;
use crate::world::{NOW, World};

async fn write<T>(db: &Db, body: impl AsyncFnOnce(&mut Tx) -> store::Result<T>) -> T {
    let mut tx = db.begin().await.unwrap();
    let value = body(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    value
}

async fn made(world: &World, token: &str) -> i64 {
    let new = NewPayment {
        account: world.account(0).await,
        invoice: None,
        amount: Rials(50_000),
        gateway: "zarinpal".to_owned(),
        token: token.to_owned(),
        made_at: NOW,
        ask_at: NOW.plus_us(10),
    };
    write(&world.db, async |tx| payment::insert(tx, &new).await).await
}

both_engines! {
    /// Each step is taken once and from where the payment stands; names are taken once.
    async fn a_payment_goes_on_once(world) {
        let db = &world.db;
        let (one, two) = (made(world, "a").await, made(world, "b").await);
        let open = async |id, authority: &str| {
            let mut tx = db.begin().await.unwrap();
            let opened =
                payment::opened(&mut tx, id, (authority, "https://pay"), NOW.plus_us(20)).await;
            if opened.is_ok() {
                tx.commit().await.unwrap();
            }
            opened
        };
        assert!(open(one, "A1").await.unwrap());
        assert!(!open(one, "A2").await.unwrap());
        assert!(matches!(open(two, "A1").await, Err(Error::Conflict(_))));
        assert!(open(two, "A2").await.unwrap());
        let pay = async |id, from, reference: &str| {
            let mut tx = db.begin().await.unwrap();
            let from = (from, State::Failed);
            let paid = payment::paid(&mut tx, id, from, reference, (NOW, "gateway")).await;
            if paid.is_ok() {
                tx.commit().await.unwrap();
            }
            paid
        };
        assert!(!pay(one, State::Made, "r").await.unwrap());
        assert!(pay(one, State::Waiting, "r").await.unwrap());
        assert!(!pay(one, State::Waiting, "r").await.unwrap());
        assert!(matches!(pay(two, State::Waiting, "r").await, Err(Error::Conflict(_))));
        let fail = async |id, from| {
            let fail = async |tx: &mut Tx| payment::failed(tx, id, from, "x", (NOW, "g")).await;
            write(db, fail).await
        };
        assert!(!fail(one, State::Waiting).await);
        assert!(fail(two, State::Waiting).await);
        assert!(!fail(two, State::Waiting).await);
        // What was given up is there after all: the gateway's yes counts, once.
        assert!(pay(two, State::Waiting, "r2").await.unwrap());
        assert!(!pay(two, State::Waiting, "r2").await.unwrap());
        let mut reads = db.read().await.unwrap();
        let kept = payment::by_token(&mut reads, "a").await.unwrap().unwrap();
        assert_eq!((kept.state, kept.reference.as_deref()), (State::Paid, Some("r")));
        assert_eq!(kept.decided, Some((NOW, "gateway".to_owned())));
        assert_eq!(payment::find(&mut reads, one).await.unwrap(), Some(kept.clone()));
        assert_eq!(payment::by_token(&mut reads, "c").await.unwrap(), None);
        let mine = payment::list(&mut reads, Some(kept.account), false, None, 9).await.unwrap();
        assert_eq!(mine, [kept]);
        let all = payment::list(&mut reads, None, false, Some(two), 9).await.unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(payment::list(&mut reads, None, true, None, 9).await.unwrap(), []);
    }

    /// A payment is looked at by one process at a time, and not any more when it is over.
    async fn one_process_looks_at_a_payment(world) {
        let (one, other) = (&world.db, &world.other_process().await);
        let id = made(world, "a").await;
        let due = async |db: &Db, at: i64| {
            let now = NOW.plus_us(at);
            let take = async |tx: &mut Tx| payment::take_due(tx, now, now.plus_us(10), 5).await;
            write(db, take).await.iter().map(|one| one.tries).collect::<Vec<_>>()
        };
        assert_eq!(due(one, 9).await, [0; 0]);
        assert_eq!(due(one, 10).await, [1]);
        assert_eq!(due(other, 19).await, [0; 0]);
        assert_eq!(due(other, 20).await, [2]);
        write(one, async |tx| payment::received(tx, id, ("payment/1/a", "image/png")).await).await;
        write(one, async |tx| payment::ask_at(tx, id, NOW).await).await;
        let mut reads = one.read().await.unwrap();
        let kept = payment::find(&mut reads, id).await.unwrap().unwrap();
        let receipt = Some(("payment/1/a".to_owned(), "image/png".to_owned()));
        assert_eq!((kept.state, kept.receipt, kept.ask_at), (State::Review, receipt, None));
        assert_eq!(payment::open(&mut reads, kept.account).await.unwrap(), 1);
        assert_eq!(payment::list(&mut reads, None, true, None, 9).await.unwrap().len(), 1);
    }
}
