//! What vantage points saw, on both engines: each look is kept once.

use domain::agreement::scope::CoveredPath;
use domain::agreement::vantage::Look;
use domain::calendar::span::Span;
use domain::{AccountId, Timestamp, TokenId, VantageId};
use store::token::NewToken;
use store::{Db, Error, Tx, measurement};

use crate::engines::both_engines;
use crate::world::NOW;

async fn write<T>(db: &Db, body: impl AsyncFnOnce(&mut Tx) -> T) -> T {
    let mut tx = db.begin().await.unwrap();
    let value = body(&mut tx).await;
    tx.commit().await.unwrap();
    value
}

fn second(n: i64) -> Timestamp {
    NOW.plus_us(n * 1_000_000)
}

fn look(number: i64, worked: bool) -> Look {
    Look {
        run: 9,
        number,
        path: CoveredPath::Api,
        at: second(number),
        clock_offset_us: None,
        worked,
        latency_us: 7,
        error: (!worked).then(|| String::from("خراب")),
    }
}

async fn token(tx: &mut Tx, account: AccountId, hash: u8) -> TokenId {
    let new = NewToken {
        account,
        hash: vec![hash; 32],
        label: String::from("vantage"),
        created_at: NOW,
        expires_at: None,
        allowed: domain::access::Allowed::default(),
    };
    store::token::create(tx, &new).await.unwrap()
}

async fn keep(db: &Db, vantage: VantageId, look: &Look) -> bool {
    write(db, async |tx| {
        let kept = measurement::insert_sample(tx, vantage, look, (look.at, 5), second(100));
        kept.await.unwrap()
    })
    .await
}

both_engines! {
    /// Samples are read in the order of their time, whatever the order in which they came, and one
    /// that comes twice is there once.
    async fn a_sample_is_kept_once(world) {
        let account = world.account(0).await;
        let (vantage, token) = write(&world.db, async |tx| {
            let token = token(tx, account, 1).await;
            (measurement::add_vantage(tx, "a", token, NOW).await.unwrap(), token)
        })
        .await;
        for (number, is_new) in [(3, true), (1, true), (3, false), (2, true), (1, false)] {
            assert_eq!(keep(&world.db, vantage, &look(number, number != 2)).await, is_new);
        }
        let mut reads = world.db.read().await.unwrap();
        let of = |from, to| Span::new(second(from), second(to)).unwrap();
        let api = (CoveredPath::Api, None);
        let read = measurement::samples(&mut reads, api, of(1, 3), 10).await.unwrap();
        let seen: Vec<_> = read.iter().map(|one| (one.sample.at, one.sample.worked)).collect();
        assert_eq!(seen, [(second(1), true), (second(2), false)]);
        assert_eq!(read[1].error.as_deref(), Some("خراب"));
        assert_eq!((read[0].sample.clock_offset_us, read[0].received_at), (5, second(100)));
        let own = (CoveredPath::Api, Some(vantage));
        assert_eq!(measurement::samples(&mut reads, own, of(1, 3), 10).await.unwrap(), read);
        let stranger = VantageId(vantage.0 + 1);
        for of_none in [(CoveredPath::Panel, None), (CoveredPath::Api, Some(stranger))] {
            let none = measurement::samples(&mut reads, of_none, of(0, 9), 10);
            assert_eq!(none.await.unwrap(), []);
        }
        let forget = async |tx: &mut Tx| {
            measurement::forget_samples(tx, CoveredPath::Api, second(3), 1).await.unwrap()
        };
        for forgotten in [1, 1, 0] {
            assert_eq!(write(&world.db, forget).await, forgotten);
        }
        drop(reads);
        let heard = write(&world.db, async |tx| {
            measurement::heard(tx, token, second(4), -3).await.unwrap()
        });
        assert_eq!(heard.await, Some(vantage));
    }

    /// A name is of one vantage point at a time; one that was removed is heard no more, and its
    /// token is off.
    async fn a_vantage_point_is_known_by_its_token(world) {
        let account = world.account(0).await;
        let (one, two) = write(&world.db, async |tx| {
            (token(tx, account, 1).await, token(tx, account, 2).await)
        })
        .await;
        let vantage = write(&world.db, async |tx| {
            measurement::add_vantage(tx, "a", one, NOW).await.unwrap()
        })
        .await;
        let mut twice = world.db.begin().await.unwrap();
        let again = measurement::add_vantage(&mut twice, "a", two, NOW).await;
        assert!(matches!(again, Err(Error::Conflict(_))));
        drop(twice);
        write(&world.db, async |tx| {
            assert!(measurement::heard(tx, two, NOW, 0).await.unwrap().is_none());
            assert!(measurement::remove_vantage(tx, vantage, second(1)).await.unwrap());
            assert!(!measurement::remove_vantage(tx, vantage, second(2)).await.unwrap());
            assert!(measurement::heard(tx, one, second(3), 0).await.unwrap().is_none());
            measurement::add_vantage(tx, "a", two, second(4)).await.unwrap();
        })
        .await;
        let mut reads = world.db.read().await.unwrap();
        let listed = measurement::vantages(&mut reads).await.unwrap();
        let removed: Vec<_> = listed.iter().map(|one| one.removed_at).collect();
        assert_eq!(removed, [Some(second(1)), None]);
        let tokens = store::token::list(&mut reads, account).await.unwrap();
        let off: Vec<_> = tokens.iter().map(|token| token.disabled_at).collect();
        assert_eq!(off, [Some(second(1)), None]);
    }
}
