//! What a process that died left behind.

use domain::AttemptId;
use store::hot::SettleResult;

use crate::engines::both_engines;
use crate::world::{NOW, delivered, leased};

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

        assert_eq!(world.db.orphans(NOW).await.unwrap(), []);
        world.db.renew(other, NOW).await.unwrap();
        let orphans = world.db.orphans(NOW).await.unwrap();
        assert_eq!(orphans.len(), 1);
        assert_eq!(orphans[0].attempt.quick_send, elsewhere.quick_send);
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
