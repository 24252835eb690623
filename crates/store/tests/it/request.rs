//! Idempotency keys, and the pages in which sends are listed.

use domain::{QuickSendId, Timestamp};
use store::hot::Accept;
use store::quick_send::page;
use store::request::{NewRequest, claim};

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
