//! Idempotency keys, and the pages in which sends are listed.

use domain::{QuickSendId, Timestamp};
use store::hot::Accept;
use store::quick_send::page;
use store::request::{
    Answer, Done, NewRequest, claim, done, forget_answers, keep_answer, set_done, set_undone,
};

use crate::engines::both_engines;
use crate::world::NOW;

both_engines! {
    /// A key belongs to the body that came first, for each account by itself.
    async fn a_key_is_taken_for_one_body(world) {
        let account = world.send().await.account;
        let neighbour = world.send().await.account;
        assert_ne!(account, neighbour);
        let new = NewRequest { account, key_hash: [1; 32], body_hash: [2; 32], asked_at: NOW };
        let other = NewRequest { body_hash: [3; 32], ..new };
        let theirs = NewRequest { account: neighbour, ..other };
        for (request, expected) in [(new, true), (new, true), (other, false), (theirs, true)] {
            let mut tx = world.db.begin().await.unwrap();
            assert_eq!(claim(&mut tx, &request).await.unwrap(), expected, "{request:?}");
            tx.commit().await.unwrap();
        }
    }

    /// What was done under a key is done once; its answer is kept for a while, what it was done to
    /// for good.
    async fn what_was_done_is_known_with_its_answer(world) {
        let account = world.send().await.account;
        let (key, now) = ([1; 32], NOW);
        let standing = async || {
            done(&mut world.db.read().await.unwrap(), account, &key).await.unwrap()
        };
        let mut tx = world.db.begin().await.unwrap();
        assert!(!set_done(&mut tx, account, &key, (7, now)).await.unwrap(), "nobody asked");
        let new = NewRequest { account, key_hash: key, body_hash: [2; 32], asked_at: NOW };
        claim(&mut tx, &new).await.unwrap();
        assert!(set_done(&mut tx, account, &key, (6, now)).await.unwrap());
        set_undone(&mut tx, account, &key).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(standing().await, None);
        let mut tx = world.db.begin().await.unwrap();
        assert!(set_done(&mut tx, account, &key, (7, now)).await.unwrap());
        assert!(!set_done(&mut tx, account, &key, (8, now)).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(standing().await, Some(Done { subject: 7, answer: None }));
        let (first, second) = (
            Answer { status: 201, body: b"{}".to_vec() },
            Answer { status: 409, body: Vec::new() },
        );
        let mut tx = world.db.begin().await.unwrap();
        keep_answer(&mut tx, account, &key, (&first, now)).await.unwrap();
        keep_answer(&mut tx, account, &key, (&second, now)).await.unwrap();
        assert_eq!(forget_answers(&mut tx, now, 10).await.unwrap(), 0);
        tx.commit().await.unwrap();
        assert_eq!(standing().await, Some(Done { subject: 7, answer: Some(first) }));
        let mut tx = world.db.begin().await.unwrap();
        assert_eq!(forget_answers(&mut tx, now.plus_ms(1), 10).await.unwrap(), 1);
        tx.commit().await.unwrap();
        assert_eq!(standing().await, Some(Done { subject: 7, answer: None }));
    }

    /// Pages go from the newest send to the oldest, also among those of one moment.
    async fn pages_go_back_in_time(world) {
        let first = world.send().await;
        let mut sends = Vec::new();
        for ms in [0, 0, 1, 1] {
            let element = Accept { at: NOW.plus_ms(ms), ..first.clone() };
            sends.push((element.at, world.accept(&element).await.quick_send));
        }
        sends.reverse();
        let mut reader = world.db.read().await.unwrap();
        let mut place = (Timestamp(i64::MAX), QuickSendId(i64::MAX));
        let mut seen = Vec::new();
        while let [.., last] = page(&mut reader, first.account, place, 3).await.unwrap()[..] {
            seen.extend(page(&mut reader, first.account, place, 3).await.unwrap());
            place = last;
        }
        assert_eq!(seen, sends);
    }
}
