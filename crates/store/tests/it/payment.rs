//! Payments on both engines: opened, taken in and given up once, whoever is faster.

use domain::Rials;
use domain::billing::payment::State;
use store::payment::{self, NewPayment, Paid};
use store::{Db, Error, Tx};

use crate::engines::both_engines;
use crate::world::{NOW, World};

async fn write<T>(db: &Db, body: impl AsyncFnOnce(&mut Tx) -> store::Result<T>) -> T {
    let mut tx = db.begin().await.unwrap();
    let value = body(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    value
}

/// Taken in now, and paid a moment before.
fn paid_under<'a>(reference: &'a str, by: &'a str) -> Paid<'a> {
    Paid { reference, paid_at: NOW.plus_us(-7), at: NOW, by }
}

async fn made(world: &World, token: &str) -> i64 {
    made_at(world, token, "zarinpal", 10).await
}

/// Made at this gateway, to be looked at then.
async fn made_at(world: &World, token: &str, gateway: &str, ask_us: i64) -> i64 {
    let new = NewPayment {
        account: world.account(0).await,
        invoice: None,
        amount: Rials(50_000),
        gateway: gateway.to_owned(),
        token: token.to_owned(),
        made_at: NOW,
        ask_at: NOW.plus_us(ask_us),
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
            let paid = payment::paid(&mut tx, id, from, paid_under(reference, "gateway")).await;
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
        // As one of us decides it: to give it up, and that it is there after all.
        let three = made(world, "c").await;
        let either = (State::Waiting, State::Failed);
        let give_up = async || {
            let give_up =
                async |tx: &mut Tx| payment::given_up(tx, three, either, "x", (NOW, "Sara")).await;
            write(db, give_up).await
        };
        let by_hand = async || {
            let seen = paid_under("r3", "Sara");
            let pay =
                async |tx: &mut Tx| payment::paid_by_hand(tx, three, Rials(5_000), seen).await;
            write(db, pay).await
        };
        assert!(!give_up().await && open(three, "A3").await.unwrap());
        assert!(!by_hand().await, "it waits");
        assert!(give_up().await && give_up().await && by_hand().await);
        assert!(!by_hand().await && !give_up().await);
        let mut reads = db.read().await.unwrap();
        let kept = payment::find(&mut reads, three).await.unwrap().unwrap();
        assert_eq!((kept.state, kept.amount), (State::Paid, Rials(5_000)));
        let kept = payment::by_token(&mut reads, "a").await.unwrap().unwrap();
        assert_eq!((kept.state, kept.reference.as_deref()), (State::Paid, Some("r")));
        assert_eq!(kept.decided, Some((NOW, "gateway".to_owned())));
        assert_eq!(kept.paid_at, Some(NOW.plus_us(-7)));
        assert_eq!(payment::find(&mut reads, one).await.unwrap(), Some(kept.clone()));
        assert_eq!(payment::by_token(&mut reads, "d").await.unwrap(), None);
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
            let take = async |tx: &mut Tx| {
                let mut tries = Vec::new();
                for (id, gateway) in payment::due(tx, now, 5).await? {
                    assert_eq!(gateway, "zarinpal");
                    let taken = payment::take(tx, id, now, now.plus_us(10)).await?;
                    tries.extend(taken.map(|one| one.tries));
                    assert_eq!(payment::take(tx, id, now, now.plus_us(10)).await?, None);
                }
                Ok(tries)
            };
            write(db, take).await
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

    /// However many of one gateway wait, those of another one are among what is due.
    async fn a_gateway_is_looked_at_beside_the_others(world) {
        let mut ids = Vec::new();
        for (n, gateway) in ["a", "a", "a", "b", "a"].into_iter().enumerate() {
            let n = i64::try_from(n).unwrap();
            ids.push((made_at(world, &n.to_string(), gateway, n).await, gateway.to_owned()));
        }
        let due = async |at| {
            let mut reads = world.db.read().await.unwrap();
            payment::due(&mut reads, NOW.plus_us(at), 2).await.unwrap()
        };
        assert_eq!(due(4).await, [ids[0].clone(), ids[1].clone(), ids[3].clone()]);
        assert_eq!(due(0).await, [ids[0].clone()]);
    }
}
