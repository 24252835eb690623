//! What is withdrawn ends once, costs nothing, and is not called again.

use domain::dialer::disposition::WITHDRAWN;
use domain::{AttemptId, Disposition, QuickSendId, Status};
use store::cancellation::{self, Withdrawn};
use store::hot::{Failed, NodeStamp, PutBack, SettleResult};
use store::quick_send::State;

use crate::engines::both_engines;
use crate::world::{NOW, World, delivered};

async fn withdraw(world: &World, account: domain::AccountId, id: QuickSendId) -> Withdrawn {
    let mut tx = world.db.begin().await.unwrap();
    let done = cancellation::withdraw(&mut tx, account, id, NOW.plus_ms(1)).await.unwrap();
    tx.commit().await.unwrap();
    done
}

async fn marked(world: &World, node: NodeStamp) -> Vec<AttemptId> {
    let mut reads = world.db.read().await.unwrap();
    let marked = cancellation::marked(&mut reads, node.node, QuickSendId(0)).await.unwrap();
    if let Some(last) = marked.last() {
        let more = cancellation::marked(&mut reads, node.node, last.quick_send).await.unwrap();
        assert_eq!(more, []);
    }
    marked
}

both_engines! {
    /// A send that waits ends at once; again, or by a stranger, nothing happens.
    async fn what_waits_ends_at_once(world) {
        let element = world.send().await;
        let account = element.account;
        let id = world.accept(&element).await.quick_send;
        let stranger = world.account(0).await;
        assert_eq!(withdraw(world, stranger, id).await, Withdrawn::Gone);
        assert_eq!(world.funds(account).await, (10_000, 450));
        assert_eq!(withdraw(world, account, id).await, Withdrawn::Ended);
        assert_eq!(withdraw(world, account, id).await, Withdrawn::Over);
        assert_eq!(world.funds(account).await, (10_000, 0));
        assert_eq!(world.ready().await, []);
        let State::Ended(ended) = world.state(account, id).await else { panic!("not ended") };
        assert_eq!((ended.disposition, &*ended.facts.cause), (Disposition::Cancelled, WITHDRAWN));
        let node = world.node("a").await;
        assert_eq!(world.try_lease(node, id).await, None);
        assert_eq!(marked(world, node).await, []);
    }

    /// A send that is called is marked until its call ends, and is settled as that did; when the
    /// call came to nothing and it would be called again, it ends instead.
    async fn what_is_called_is_marked(world) {
        let element = world.send().await;
        let (account, node) = (element.account, world.node("a").await);
        let id = world.accept(&element).await.quick_send;
        let attempt = world.lease(node, id).await;
        assert_eq!(withdraw(world, account, id).await, Withdrawn::Marked);
        assert_eq!(withdraw(world, account, id).await, Withdrawn::Marked);
        assert_eq!(marked(world, node).await, [attempt]);
        let other = world.node("b").await;
        assert_eq!(marked(world, other).await, [], "another node has none of it");
        let settled = world.db.settle(vec![delivered(attempt, 225)]).await.unwrap();
        assert_eq!((settled, marked(world, node).await), (vec![SettleResult::Settled], vec![]));
        assert_eq!(world.funds(account).await, (9_775, 0));
        assert_eq!(withdraw(world, account, id).await, Withdrawn::Over);

        let other = world.accept(&element).await.quick_send;
        let attempt = world.lease(node, other).await;
        assert_eq!(withdraw(world, account, other).await, Withdrawn::Marked);
        let failure = Failed { cause: String::from("failed"), ..Failed::default() };
        let back = PutBack { attempt, ended_at: NOW, due_at: NOW, failure, ladder: None };
        assert_eq!(world.db.put_back(vec![back]).await.unwrap(), [true]);
        let jobs = world.ready().await;
        assert_eq!((jobs.len(), jobs[0].withdrawn), (1, true));
        assert_eq!(world.db.expire(vec![(other, WITHDRAWN)], NOW).await.unwrap(), [true]);
        let status = world.state(account, other).await.status();
        assert_eq!(status, Status::Ended(Disposition::Cancelled));
        assert_eq!(world.funds(account).await, (9_775, 0));
    }
}
