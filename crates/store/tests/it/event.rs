//! Events: written with what they tell, in the order of commits, and only where they are wanted.

use std::sync::Arc;

use domain::{AccountId, EventId, EventKind, Timestamp};
use store::event::{self, Event, Log};
use store::hot::{Accept, EXPIRED};
use store::recording::{self, NewRecording, State};

use crate::engines::both_engines;
use crate::world::{NOW, World, delivered, send, stamp};

/// Long after every story.
const LATER: Timestamp = Timestamp(NOW.0 + 3_600_000_000);

pub async fn want(world: &World, account: AccountId) {
    let mut tx = world.db.begin().await.unwrap();
    event::want(&mut tx, account, LATER).await.unwrap();
    tx.commit().await.unwrap();
}

pub async fn events(world: &World, account: AccountId) -> Vec<Event> {
    let mut reader = world.db.read().await.unwrap();
    event::after(&mut reader, account, 0, 10_000).await.unwrap()
}

/// What is told of which subject.
pub fn told(events: &[Event]) -> Vec<(EventKind, i64)> {
    events.iter().map(|event| (event.kind, event.subject)).collect()
}

both_engines! {
    /// Who does not listen pays for nothing.
    async fn nobody_listens(world) {
        let element = world.send().await;
        let node = world.node("a").await;
        let accepted = world.accept(&element).await;
        let attempt = world.lease(node, accepted.quick_send).await;
        world.db.settle(vec![delivered(attempt, 100)]).await.unwrap();
        let late = world.accept(&element).await.quick_send;
        let expired = world.db.expire(vec![(late, EXPIRED)], element.expires_at).await.unwrap();
        assert_eq!(expired, [true]);
        assert_eq!(events(world, element.account).await, []);
        let mut reader = world.db.read().await.unwrap();
        let log = event::log(&mut reader, element.account).await.unwrap();
        assert_eq!(log, Some(Log { until: None, last_n: 0 }));
        assert_eq!(event::log(&mut reader, AccountId(999)).await.unwrap(), None);
    }

    /// Each step of a send is told once, whatever is repeated, and beside a neighbour's.
    async fn the_steps_of_a_send(world) {
        let element = Accept { client_reference: Some("r".into()), ..world.send().await };
        let neighbour = world.send().await;
        want(world, element.account).await;
        let node = world.node("a").await;
        let batch = vec![element.clone(), neighbour.clone(), element.clone()];
        let accepted = world.db.accept(batch).await.unwrap();
        let sends: Vec<_> = accepted.iter().map(|one| one.unwrap().quick_send).collect();
        let attempt = world.lease(node, sends[0]).await;
        let theirs = world.lease(node, sends[1]).await;
        let ends = vec![delivered(attempt, 100), delivered(theirs, 100), delivered(attempt, 100)];
        world.db.settle(ends.clone()).await.unwrap();
        world.db.settle(ends).await.unwrap();
        let late = Accept { client_reference: None, ..element.clone() };
        let late = world.accept(&late).await.quick_send;
        assert_eq!(world.db.expire(vec![(late, EXPIRED); 2], element.expires_at).await.unwrap(),
                   [true, false]);
        let events = events(world, element.account).await;
        let (first, late) = (sends[0].0, late.0);
        assert_eq!(told(&events), [
            (EventKind::MessageAccepted, first),
            (EventKind::MessageEnded, first),
            (EventKind::MessageAccepted, late),
            (EventKind::MessageEnded, late),
        ]);
        let ids: Vec<i64> = events.iter().map(|event| event.id.n).collect();
        assert_eq!(ids, [1, 2, 3, 4]);
        let of_call: Vec<_> = events.iter().map(|event| event.n_of_call).collect();
        assert_eq!(of_call, [Some(1), Some(2), Some(1), Some(2)], "each call counts its own");
        assert_eq!(events[1].at, NOW.plus_ms(5));
        assert_eq!(self::events(world, neighbour.account).await, []);
        let mut reader = world.db.read().await.unwrap();
        let found = event::find(&mut reader, events[2].id).await.unwrap();
        assert_eq!(found, Some(events[2]));
        let stranger = EventId { account: neighbour.account, ..events[2].id };
        assert_eq!(event::find(&mut reader, stranger).await.unwrap(), None);
    }

    /// What is refused is not told, nor what happens when nobody listens any more.
    async fn neither_refused_nor_too_late(world) {
        let element = world.send().await;
        want(world, element.account).await;
        let dear = Accept { hold: domain::Rials(1_000_000), ..element.clone() };
        world.try_accept(&dear).await.unwrap_err();
        let late = Accept { at: LATER, expires_at: LATER.plus_ms(1), ..element.clone() };
        world.accept(&late).await;
        world.accept(&element).await;
        let events = events(world, element.account).await;
        assert_eq!((events.len(), events[0].id.n, events[0].at), (1, 1, NOW));
    }

    /// A recording is told when it has ended, once.
    async fn a_recording(world) {
        let element = world.send().await;
        want(world, element.account).await;
        let send = world.accept(&element).await.quick_send;
        let attempt = domain::AttemptId { quick_send: send, n: 1 };
        let new = NewRecording {
            attempt, node: "a".into(), blob: "r".into(), started_at: NOW,
        };
        for _ in 0..2 {
            let mut tx = world.db.begin().await.unwrap();
            recording::start(&mut tx, &new).await.unwrap();
            let ready = State::Ready { length_ms: 4 };
            recording::end(&mut tx, send, &ready, NOW).await.unwrap();
            tx.commit().await.unwrap();
        }
        let events = events(world, element.account).await;
        assert_eq!(told(&events)[1..], [(EventKind::RecordingReady, send.0)]);
        assert_eq!(events[1].n_of_call, Some(2), "it is of the same call");
    }

    /// Whoever follows the numbers while two processes write misses nothing.
    async fn a_follower_misses_nothing(world) {
        const EACH: usize = 40;
        let account = world.account(10_000_000).await;
        let element = send(account, world.message(account).await);
        want(world, account).await;
        let node = world.node("a").await;
        let others = [world.db.clone(), world.other_process().await];
        let writers: Vec<_> = others.into_iter().map(|db| {
            let element = element.clone();
            tokio::spawn(async move {
                for _ in 0..EACH {
                    let accepted = db.accept_one(element.clone()).await.unwrap().unwrap();
                    let lease = vec![(accepted.quick_send, stamp(node, NOW))];
                    let attempt = db.lease(lease).await.unwrap().remove(0).attempt().unwrap();
                    db.settle(vec![delivered(attempt, 1)]).await.unwrap();
                }
            })
        }).collect();
        let db = Arc::new(world.db.clone());
        let follower = tokio::spawn(async move {
            let (mut cursor, mut seen) = (0, Vec::new());
            while seen.len() < 4 * EACH {
                let mut reader = db.read().await.unwrap();
                let page = event::after(&mut reader, account, cursor, 7).await.unwrap();
                cursor = page.last().map_or(cursor, |last| last.id.n);
                seen.extend(page);
            }
            seen
        });
        for writer in writers {
            writer.await.unwrap();
        }
        let patience = std::time::Duration::from_mins(1);
        let seen = tokio::time::timeout(patience, follower).await.unwrap().unwrap();
        let numbers: Vec<i64> = seen.iter().map(|event| event.id.n).collect();
        let all = i64::try_from(4 * EACH).unwrap();
        assert_eq!(numbers, (1..=all).collect::<Vec<_>>());
        assert_eq!(seen, events(world, account).await);
    }

    /// What is old is forgotten, and nothing else.
    async fn what_is_old_is_forgotten(world) {
        let element = world.send().await;
        want(world, element.account).await;
        for ms in [0, 1, 2] {
            let at = NOW.plus_ms(ms);
            world.accept(&Accept { at, ..element.clone() }).await;
        }
        let mut tx = world.db.begin().await.unwrap();
        let before = NOW.plus_ms(2);
        assert_eq!(event::accounts(&mut tx, AccountId(0), 9).await.unwrap(), [element.account]);
        assert_eq!(event::forget(&mut tx, element.account, before).await.unwrap(), 2);
        assert_eq!(event::forget(&mut tx, element.account, before).await.unwrap(), 0);
        tx.commit().await.unwrap();
        let left: Vec<i64> =
            events(world, element.account).await.iter().map(|event| event.id.n).collect();
        assert_eq!(left, [3]);
    }
}
