//! Many at once: what only real concurrency shows.

use std::collections::BTreeSet;

use domain::{AttemptId, Rials};
use store::hot::{Accept, Leased, SettleResult};

use crate::engines::both_engines;
use crate::world::{NOW, delivered, leased, send, spoken, stamp};

both_engines! {
    /// Two processes drain one account: it is spent to the last rial and not beyond.
    async fn an_account_is_drained_by_many(world) {
        let account = world.account(450 * 40).await;
        let message = world.message(account).await;
        let databases = [world.db.clone(), world.other_process().await];
        let tasks: Vec<_> = (0..80)
            .map(|i| {
                let db = databases[i % 2].clone();
                tokio::spawn(async move { db.accept_one(send(account, message)).await.unwrap() })
            })
            .collect();
        let mut ids = BTreeSet::new();
        for task in tasks {
            if let Ok(accepted) = task.await.unwrap() {
                ids.insert(accepted.quick_send);
            }
        }
        assert_eq!(ids.len(), 40);
        assert_eq!(world.funds(account).await, (18_000, 18_000));
    }

    /// Two processes speak on one account until it is empty: as many charges and messages as sends.
    async fn an_account_is_drained_by_speech(world) {
        let account = world.account(480 * 20 + 479).await;
        let databases = [world.db.clone(), world.other_process().await];
        let tasks: Vec<_> = (0..60)
            .map(|i| {
                let db = databases[i % 2].clone();
                tokio::spawn(async move { db.accept_one(spoken(account)).await.unwrap() })
            })
            .collect();
        let mut sends = BTreeSet::new();
        let mut messages = BTreeSet::new();
        for task in tasks {
            if let Ok(accepted) = task.await.unwrap() {
                sends.insert(accepted.quick_send);
                messages.insert(accepted.message);
            }
        }
        assert_eq!((sends.len(), messages.len()), (20, 20));
        assert_eq!(world.funds(account).await, (480 * 20 + 479 - 600, 9_000));
        let mut reader = world.db.read().await.unwrap();
        let kept = store::message::list(&mut reader, account, None, 99).await.unwrap();
        assert_eq!(kept.len(), 20);
    }

    /// Two nodes want the same sends: each send is leased to one of them.
    async fn two_nodes_lease_the_same_sends(world) {
        let element = Accept { hold: Rials(0), ..world.send().await };
        let answers = world.db.accept(vec![element; 200]).await.unwrap();
        let sends: Vec<_> = answers.into_iter().map(|a| a.unwrap().quick_send).collect();
        let databases = [world.db.clone(), world.other_process().await];
        let nodes = [world.node("a").await, world.node("b").await];
        let mut tasks = Vec::new();
        for i in 0..20 {
            let (db, node) = (databases[i % 2].clone(), nodes[i % 2]);
            // Half of them ask in the opposite order, which is how deadlocks are made.
            let mut wanted = sends.clone();
            if i % 4 < 2 {
                wanted.reverse();
            }
            let wanted = wanted.into_iter().skip(i).map(|s| (s, stamp(node, NOW))).collect();
            tasks.push(tokio::spawn(async move { db.lease(wanted).await.unwrap() }));
        }
        let mut leases: Vec<AttemptId> = Vec::new();
        for task in tasks {
            leases.extend(task.await.unwrap().into_iter().filter_map(Leased::attempt));
        }
        let different: BTreeSet<_> = leases.iter().collect();
        assert_eq!((leases.len(), different.len()), (200, 200));
    }

    /// Two processes settle the same attempts: each moves money once.
    async fn two_nodes_settle_the_same_attempts(world) {
        let node = world.node("a").await;
        let accounts = [world.send().await, world.send().await];
        let mut ends = Vec::new();
        for i in 0..20 {
            let accepted = world.accept(&leased(accounts[i % 2].clone(), node)).await;
            ends.push(delivered(AttemptId { quick_send: accepted.quick_send, n: 1 }, 100));
        }
        let databases = [world.db.clone(), world.other_process().await];
        let mut tasks = Vec::new();
        for i in 0..16 {
            let (db, mut batch) = (databases[i % 2].clone(), ends.clone());
            if i % 4 < 2 {
                batch.reverse();
            }
            tasks.push(tokio::spawn(async move { db.settle(batch).await.unwrap() }));
        }
        let mut settled = 0;
        for task in tasks {
            let results = task.await.unwrap();
            assert!(results.iter().all(|result| *result != SettleResult::Unknown));
            settled += results.iter().filter(|result| **result == SettleResult::Settled).count();
        }
        assert_eq!(settled, 20);
        for element in &accounts {
            assert_eq!(world.funds(element.account).await, (9_000, 0));
        }
    }

    /// The same reference from everywhere at once is one send.
    async fn a_reference_from_everywhere(world) {
        let element =
            Accept { client_reference: Some(String::from("one")), ..world.send().await };
        let databases = [world.db.clone(), world.other_process().await];
        let tasks: Vec<_> = (0..20)
            .map(|i| {
                let (db, element) = (databases[i % 2].clone(), element.clone());
                tokio::spawn(async move { db.accept_one(element).await.unwrap().unwrap() })
            })
            .collect();
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.unwrap());
        }
        assert_eq!(answers.iter().filter(|answer| !answer.repeated).count(), 1);
        assert!(answers.iter().all(|answer| answer.quick_send == answers[0].quick_send));
        assert_eq!(world.funds(element.account).await, (10_000, 450));
    }

    /// Cold transactions and hot verbs share the writer; none is lost.
    async fn cold_and_hot_together(world) {
        let element = world.send().await;
        let tasks: Vec<_> = (0..40)
            .map(|i| {
                let (db, element) = (world.db.clone(), element.clone());
                tokio::spawn(async move {
                    if i % 2 == 0 {
                        db.accept_one(Accept { hold: Rials(1), ..element }).await.unwrap().unwrap();
                    } else {
                        let mut tx = db.begin().await.unwrap();
                        let new = crate::world::new_account(1);
                        store::account::create(&mut tx, &new).await.unwrap();
                        tx.commit().await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(world.ready().await.len(), 20);
        assert_eq!(world.funds(element.account).await, (10_000, 20));
    }
}
