//! What a process that died left behind.

use domain::{AttemptId, Status, Timestamp};
use store::hot::{EXPIRED, Failed, NodeStamp, ORPHANS_MAX, PutBack, SettleResult};
use store::quick_send::{self, State};

use crate::engines::both_engines;
use crate::world::{NOW, delivered, ladder, leased, send};

/// An attempt whose INVITE was never sent.
fn back(attempt: AttemptId, due_at: Timestamp) -> PutBack {
    PutBack { attempt, ended_at: due_at, due_at, failure: Failed::default(), ladder: None }
}

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
        // Since when nobody has it in hand is told by who came first.
        let lost_at = attempt.lost_at.unwrap();
        let later = lost_at.plus_ms(60_000);
        let (third, _) = world.db.take_node("a", later, later).await.unwrap();
        let lost: Vec<_> = world.db.open_attempts(third).await.unwrap();
        let lost: Vec<_> = lost.iter().map(|open| open.lost_at).collect();
        assert_eq!(lost, [Some(lost_at), Some(later)]);

        // What node b has open is an orphan once b's lease has ended, for every node but b.
        assert_eq!(world.db.orphans(new.node, NOW).await.unwrap(), []);
        world.db.renew(other, NOW, NOW).await.unwrap();
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
        let one = |_| leased(send(account, message), lost);
        let sends = (0..=ORPHANS_MAX).map(one).collect();
        let accepted = world.db.accept(sends).await.unwrap();
        assert!(accepted.iter().all(Result::is_ok));
        let own = world.node("own").await;
        world.db.renew(lost, NOW, NOW).await.unwrap();
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
            world.db.put_back(vec![back(attempt, NOW)]).await.unwrap();
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
        let other = AttemptId { n: 2, ..first };
        let twice = vec![back(first, at), back(first, at), back(other, at)];
        assert_eq!(world.db.put_back(twice).await.unwrap(), [true, false, false]);
        assert_eq!(world.db.put_back(vec![back(first, at)]).await.unwrap(), [false]);
        assert_eq!(world.funds(element.account).await, (10_000, 450));
        assert_eq!(world.ready().await[0].due_at, at);

        let second = world.lease(node, accepted.quick_send).await;
        assert_eq!(second.n, 2);
        let ends = vec![delivered(first, 225), delivered(second, 225)];
        let expected = [SettleResult::AlreadySettled, SettleResult::Settled];
        assert_eq!(world.db.settle(ends).await.unwrap(), expected);
        assert_eq!(world.funds(element.account).await, (9_775, 0));
    }

    /// What a trunk failed is called again, counts as a trunk's failure, keeps its codes, and is
    /// charged once like any other.
    async fn what_a_trunk_failed_is_called_again_and_remembered(world) {
        let element = world.send().await;
        let node = world.node("a").await;
        let send = world.accept(&element).await.quick_send;
        world.lease(node, send).await;
        let first = AttemptId { quick_send: send, n: 1 };
        let failure = Failed {
            cause: String::from("failed"),
            sip_code: Some(503),
            q850: Some(34),
            invite_at: Some(NOW.plus_ms(1)),
        };
        let (ended_at, due_at) = (NOW.plus_ms(5), NOW.plus_ms(-7));
        let ladder = Some(ladder(1));
        let element_back =
            PutBack { attempt: first, ended_at, due_at, failure: failure.clone(), ladder };
        assert_eq!(world.db.put_back(vec![element_back]).await.unwrap(), [true]);
        assert_eq!(world.funds(element.account).await, (10_000, 450), "the hold stays");
        let ready = &world.ready().await[0];
        assert_eq!((ready.trunks_failed, ready.due_at), (1, due_at), "it keeps its place");
        let second = world.lease(node, send).await;
        let open = world.db.open_attempts(NodeStamp { epoch: 99, ..node }).await.unwrap();
        assert_eq!((open[0].attempt, open[0].trunks_failed), (second, 1));
        let unsent = world.db.put_back(vec![back(second, NOW)]).await.unwrap();
        assert_eq!((unsent, world.ready().await[0].trunks_failed), (vec![true], 1));
        let third = world.lease(node, send).await;
        let settled = world.db.settle(vec![delivered(third, 225)]).await.unwrap();
        assert_eq!(settled, [SettleResult::Settled]);
        assert_eq!(world.funds(element.account).await, (9_775, 0));
        let mut reader = world.db.read().await.unwrap();
        let failed = quick_send::failed(&mut reader, send).await.unwrap();
        let [one] = &failed[..] else { panic!("{failed:?}") };
        assert_eq!((one.attempt, &*one.trunk, &one.failure), (first, "sandbox", &failure));
        assert_eq!((one.started_at, one.ended_at), (NOW, ended_at));
        drop(reader);
        assert!(world.db.audit().await.unwrap().is_clean());
    }

    /// A send is not tried for ever: the number of an attempt must fit in a byte.
    async fn attempts_are_bounded(world) {
        let element = world.send().await;
        let node = world.node("a").await;
        let send = world.accept(&element).await.quick_send;
        for n in 1..=255 {
            let attempt = world.lease(node, send).await;
            assert_eq!(attempt.n, n);
            world.db.put_back(vec![back(attempt, NOW)]).await.unwrap();
        }
        assert_eq!(world.try_lease(node, send).await, None);
        let expired = world.db.expire(vec![(send, EXPIRED)], element.expires_at).await.unwrap();
        assert_eq!(expired, [true]);
    }
}
