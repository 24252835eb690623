//! What a process that died left behind.

use domain::{AttemptId, Status};
use store::hot::{ORPHANS_MAX, SettleResult};
use store::quick_send::State;

use crate::engines::both_engines;
use crate::world::{NOW, delivered, leased, send};

both_engines! {
    /// The next process of the node finds what is open, and only that.
    async fn open_attempts_are_found(world) {
        let element = world.send().await;
        let old = world.node("a").await;
        let other = world.node("b").await;
        let open = world.accept(&leased(element.clone(), old)).await;
        let closed = world.accept(&leased(element.clone(), old)).await;
        let elsewhere = world.accept(&leased(element.clone(), other)).await;
        let closed = AttemptId { quick_send: closed.quick_send, n: 1 };
        world.db.settle(vec![delivered(closed, 0)]).await.unwrap();
        let new = world.node("a").await;
        world.accept(&leased(element.clone(), new)).await;

        let found = world.db.open_attempts(new).await.unwrap();
        assert_eq!(found.len(), 1);
        let attempt = &found[0];
        assert_eq!(attempt.attempt, AttemptId { quick_send: open.quick_send, n: 1 });
        assert_eq!((attempt.node, attempt.epoch), (old.node, old.epoch));
        assert_eq!((attempt.trunk.as_str(), attempt.started_at), ("sandbox", NOW));
        assert_eq!((attempt.account, attempt.message), (element.account, open.message));
        assert_eq!((attempt.clip_ms, attempt.hold), (10_000, element.hold));
        assert_eq!(attempt.destination, element.destination);

        // What node b has open is an orphan once b's lease has ended, for every node but b.
        assert_eq!(world.db.orphans(new.node, NOW).await.unwrap(), []);
        world.db.renew(other, NOW).await.unwrap();
        let orphans = world.db.orphans(new.node, NOW).await.unwrap();
        assert_eq!(orphans.len(), 1);
        assert_eq!(orphans[0].open.attempt.quick_send, elsewhere.quick_send);
        assert_eq!(orphans[0].open.node, other.node);
        assert_eq!(orphans[0].lease_until, NOW);
        assert_eq!(world.db.orphans(new.node, NOW.plus_ms(-1)).await.unwrap(), []);
        assert_eq!(world.db.orphans(other.node, NOW).await.unwrap(), []);
    }

    /// However many a lost node left open, they are told a part at a time.
    async fn orphans_are_told_a_part_at_a_time(world) {
        let account = world.account(10_000_000).await;
        let message = world.message(account).await;
        let lost = world.node("lost").await;
        let element = leased(send(account, message), lost);
        let sends = vec![element; ORPHANS_MAX as usize + 1];
        let accepted = world.db.accept(sends).await.unwrap();
        assert!(accepted.iter().all(Result::is_ok));
        let own = world.node("own").await;
        world.db.renew(lost, NOW).await.unwrap();
        let told = world.db.orphans(own.node, NOW).await.unwrap();
        assert_eq!(told.len(), ORPHANS_MAX as usize);
        let ends = told.iter().map(|orphan| delivered(orphan.open.attempt, 0)).collect();
        let settled = world.db.settle(ends).await.unwrap();
        assert!(settled.iter().all(|result| *result == SettleResult::Settled));
        assert_eq!(world.db.orphans(own.node, NOW).await.unwrap().len(), 1);
    }

    /// A customer is never told that a send waits again once it was being called.
    async fn what_goes_back_to_the_queue_is_being_called_for_its_owner(world) {
        let element = world.send().await;
        let node = world.node("a").await;
        let send = world.accept(&element).await.quick_send;
        assert_eq!(world.state(element.account, send).await.status(), Status::Queued);
        for n in 1..=2 {
            let attempt = world.lease(node, send).await;
            assert_eq!(world.state(element.account, send).await.status(), Status::Calling);
            world.db.not_sent(vec![attempt], NOW).await.unwrap();
            let state = world.state(element.account, send).await;
            assert_eq!(state, State::Ready { due_at: NOW, attempts: n });
            assert_eq!(state.status(), Status::Calling);
        }
    }

    /// An attempt whose INVITE was never sent costs nothing and is called again.
    async fn not_sent_is_called_again(world) {
        let element = world.send().await;
        let node = world.node("a").await;
        let accepted = world.accept(&leased(element.clone(), node)).await;
        let first = AttemptId { quick_send: accepted.quick_send, n: 1 };
        let at = NOW.plus_ms(1);
        let twice = vec![first, first, AttemptId { n: 2, ..first }];
        assert_eq!(world.db.not_sent(twice, at).await.unwrap(), [true, false, false]);
        assert_eq!(world.db.not_sent(vec![first], at).await.unwrap(), [false]);
        assert_eq!(world.funds(element.account).await, (10_000, 450));
        assert_eq!(world.ready().await[0].due_at, at);

        let second = world.lease(node, accepted.quick_send).await;
        assert_eq!(second.n, 2);
        let ends = vec![delivered(first, 225), delivered(second, 225)];
        let expected = [SettleResult::AlreadySettled, SettleResult::Settled];
        assert_eq!(world.db.settle(ends).await.unwrap(), expected);
        assert_eq!(world.funds(element.account).await, (9_775, 0));
    }

    /// A send is not tried for ever: the number of an attempt must fit in a byte.
    async fn attempts_are_bounded(world) {
        let element = world.send().await;
        let node = world.node("a").await;
        let send = world.accept(&element).await.quick_send;
        for n in 1..=255 {
            let attempt = world.lease(node, send).await;
            assert_eq!(attempt.n, n);
            world.db.not_sent(vec![attempt], NOW).await.unwrap();
        }
        assert_eq!(world.try_lease(node, send).await, None);
        let expired = world.db.expire(vec![send], element.expires_at).await.unwrap();
        assert_eq!(expired, [true]);
    }
}
