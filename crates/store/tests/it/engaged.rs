//! Nobody is in two calls at once, whichever process places them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use domain::dialer::share::{Other, Share};
use domain::{AccountId, AttemptId, QuickSendId, Timestamp};
use store::Db;
use store::hot::{
    Accept, DailyCap, Failed, LeaseStamp, Leased, NodeStamp, Permit, PutBack, Settle,
};

use crate::engines::both_engines;
use crate::world::{NOW, World, delivered, send, stamp};

/// A lease of a call that reaches these.
fn reaching(node: NodeStamp, callee: &str, second: Option<&str>) -> LeaseStamp {
    let second_callee = second.map(str::to_owned);
    LeaseStamp { callee: callee.to_owned(), second_callee, ..stamp(node, NOW) }
}

async fn lease(db: &Db, send: QuickSendId, stamp: LeaseStamp) -> Leased {
    db.lease(vec![(send, stamp)]).await.unwrap()[0]
}

/// A send that waits.
async fn waiting(world: &World, account: AccountId) -> QuickSendId {
    let message = world.message(account).await;
    world.accept(&send(account, message)).await.quick_send
}

fn unsent(attempt: AttemptId) -> PutBack {
    PutBack { attempt, ended_at: NOW, due_at: NOW, failure: Failed::default(), ladder: None }
}

both_engines! {
    /// A node is told of the calls that its part of a trunk has to leave room for: those of others
    /// which were begun before all knew of each other, and whatever a node that is gone left open.
    async fn a_node_is_told_which_calls_of_others_it_has_to_reckon_with(world) {
        let account = world.account(100_000).await;
        let (a, b) = (world.node("a").await, world.node("b").await);
        let later = NOW.plus_ms(20_000);
        for (callee, second, at) in
            [("ali", None, NOW), ("babak", Some("sara"), NOW), ("dara", None, later)]
        {
            let stamp = LeaseStamp { at, ..reaching(b, callee, second) };
            let send = waiting(world, account).await;
            assert!(lease(&world.db, send, stamp).await.attempt().is_some());
        }
        let renewed_at = async |now: Timestamp| {
            let until = now.plus_ms(15_000);
            world.db.renew(a, now, until).await.unwrap().unwrap()
        };
        let other = |place, calls| Other {
            place,
            calls: BTreeMap::from([(stamp(b, NOW).trunk, calls)]),
            second_legs: 1,
        };
        let company = renewed_at(NOW).await;
        assert_eq!(company.share, Share { place: 0, nodes: 2 });
        assert_eq!(company.others, [other(Some(1), 2)], "the third one is of its part");
        let company = renewed_at(NOW.plus_ms(3_600_000)).await;
        assert_eq!((company.share, company.others), (Share::WHOLE, vec![other(None, 3)]));
    }

    /// A send to somebody who is in a call of another node waits; it is called when that call ends,
    /// or has turned out not to have been placed.
    async fn a_callee_of_another_node_is_left_alone(world) {
        let account = world.account(100_000).await;
        let (a, b) = (world.node("a").await, world.node("b").await);
        let other = world.other_process().await;
        let sends = [waiting(world, account).await, waiting(world, account).await];
        let first = lease(&world.db, sends[0], reaching(a, "ali", None)).await.attempt().unwrap();
        let again = || lease(&other, sends[1], reaching(b, "ali", None));
        assert_eq!(again().await, Leased::Engaged);
        assert_eq!(world.ready().await.len(), 1, "it waits on");
        let elsewhere = waiting(world, account).await;
        let free = lease(&other, elsewhere, reaching(b, "babak", None)).await;
        assert!(free.attempt().is_some(), "others are called");
        assert_eq!(world.db.put_back(vec![unsent(first)]).await.unwrap(), [true]);
        let second = again().await.attempt().unwrap();
        assert_eq!(lease(&world.db, sends[0], reaching(a, "ali", None)).await, Leased::Engaged);
        world.db.settle(vec![delivered(second, 100)]).await.unwrap();
        let back = lease(&world.db, sends[0], reaching(a, "ali", None)).await;
        assert_eq!(back, Leased::Attempt(AttemptId { quick_send: sends[0], n: 2 }));
        assert_eq!(again().await, Leased::Gone, "what has ended does not wait");
    }

    /// So does one that was to be dialled while it is accepted; and what did not come to a call is
    /// not counted against its callee's day.
    async fn who_is_in_a_call_is_accepted_and_waits(world) {
        let account = world.account(100_000).await;
        let message = world.message(account).await;
        let (a, b) = (world.node("a").await, world.node("b").await);
        let cap = Some(DailyCap { day: NOW, most: 2 });
        let stamped = |node| {
            let usual = reaching(node, "ali", None);
            LeaseStamp { permit: Permit { cap, ..usual.permit }, ..usual }
        };
        let element = |node| Accept { lease: Some(stamped(node)), ..send(account, message) };
        // The second of a batch meets the first.
        let told = world.db.accept(vec![element(a), element(a)]).await.unwrap();
        let told: Vec<_> = told.into_iter().map(Result::unwrap).collect();
        assert_eq!([told[0].leased, told[1].leased], [true, false]);
        let other = world.other_process().await;
        let third = other.accept_one(element(b)).await.unwrap().unwrap();
        assert!(!third.leased);
        assert_eq!(lease(&other, third.quick_send, stamped(b)).await, Leased::Engaged);
        assert_eq!(world.ready().await.len(), 2);
        let first = AttemptId { quick_send: told[0].quick_send, n: 1 };
        world.db.settle(vec![delivered(first, 100)]).await.unwrap();
        let second = lease(&other, third.quick_send, stamped(b)).await;
        assert!(second.attempt().is_some(), "one of two is left of the day: {second:?}");
    }

    /// A call of two legs keeps everybody from both of its callees, and is kept from either.
    async fn both_legs_of_a_call_are_left_alone(world) {
        let account = world.account(100_000).await;
        let (a, b) = (world.node("a").await, world.node("b").await);
        let other = world.other_process().await;
        let mut sends = Vec::new();
        for _ in 0..5 {
            sends.push(waiting(world, account).await);
        }
        let joined = reaching(a, "ali", Some("babak"));
        let joined = lease(&world.db, sends[0], joined).await.attempt().unwrap();
        for (callee, second) in [
            ("ali", None),
            ("babak", None),
            ("cyrus", Some("ali")),
            ("cyrus", Some("babak")),
            ("ali", Some("cyrus")),
            ("babak", Some("cyrus")),
        ] {
            let told = lease(&other, sends[1], reaching(b, callee, second)).await;
            assert_eq!(told, Leased::Engaged, "{callee} and {second:?}");
        }
        // In one batch the first one has its way.
        let batch = vec![
            (sends[1], reaching(b, "cyrus", None)),
            (sends[2], reaching(b, "dara", Some("cyrus"))),
            (sends[3], reaching(b, "elham", Some("farid"))),
            (sends[4], reaching(b, "farid", None)),
        ];
        let told = other.lease(batch).await.unwrap();
        let began: Vec<bool> = told.iter().map(|leased| leased.attempt().is_some()).collect();
        assert_eq!(began, [true, false, true, false], "{told:?}");
        assert_eq!([told[1], told[3]], [Leased::Engaged; 2]);
        world.db.settle(vec![delivered(joined, 100)]).await.unwrap();
        let free = lease(&other, sends[2], reaching(b, "babak", Some("ali"))).await;
        assert!(free.attempt().is_some());
    }

    /// Two processes lease, settle and accept for the same few people at once, in opposite orders,
    /// calls of two legs among them: nobody is ever in two calls, nothing hangs, everything ends.
    async fn two_nodes_never_call_one_person_at_once(world) {
        let account = world.account(10_000_000).await;
        let message = world.message(account).await;
        let databases = [world.db.clone(), world.other_process().await];
        let nodes = [world.node("a").await, world.node("b").await];
        let mut sends = BTreeMap::new();
        for n in 0..60_u32 {
            let id = world.accept(&send(account, message)).await.quick_send;
            let second = (n % 10 == 0).then(|| format!("person {}", (n + 3) % 7));
            sends.insert(id, (format!("person {}", n % 7), second));
        }
        let (mut tasks, in_calls) = (Vec::new(), InCalls::default());
        for side in 0..4 {
            let (db, node) = (databases[side % 2].clone(), nodes[side % 2]);
            let mut wanted: Vec<_> = sends.clone().into_iter().collect();
            if side < 2 {
                wanted.reverse();
            }
            tasks.push(tokio::spawn(drain(db, node, wanted, in_calls.clone())));
        }
        let mut called = 0;
        for task in tasks {
            called += task.await.unwrap();
        }
        assert_eq!(called, sends.len(), "each send was called once");
        assert_eq!(world.ready().await, []);
    }
}

/// Who is in a call, of whichever process.
type InCalls = Arc<Mutex<BTreeSet<String>>>;

/// Leases these until all are gone, and ends each batch at once. Tells how many it called.
async fn drain(
    db: Db,
    node: NodeStamp,
    mut wanted: Vec<(QuickSendId, (String, Option<String>))>,
    in_calls: InCalls,
) -> usize {
    let mut called = 0;
    while !wanted.is_empty() {
        let one = |(send, (callee, second)): &(QuickSendId, (String, Option<String>))| {
            (*send, reaching(node, callee, second.as_deref()))
        };
        let told = db.lease(wanted.iter().map(one).collect()).await.unwrap();
        let began: Vec<AttemptId> = told.iter().copied().filter_map(Leased::attempt).collect();
        let reached: Vec<&String> = wanted
            .iter()
            .zip(&told)
            .filter(|(_, told)| told.attempt().is_some())
            .flat_map(|((_, (callee, second)), _)| std::iter::once(callee).chain(second))
            .collect();
        for callee in &reached {
            let alone = in_calls.lock().unwrap().insert((*callee).clone());
            assert!(alone, "{callee} is in two calls");
        }
        called += began.len();
        tokio::task::yield_now().await;
        for callee in reached {
            in_calls.lock().unwrap().remove(callee);
        }
        let ends: Vec<Settle> = began.into_iter().map(|attempt| delivered(attempt, 1)).collect();
        db.settle(ends).await.unwrap();
        let mut told = told.into_iter();
        wanted.retain(|_| told.next() == Some(Leased::Engaged));
    }
    called
}
