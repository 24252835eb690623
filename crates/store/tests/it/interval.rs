//! Intervals, counts of requests, derived outages and alerts, on both engines.

use domain::Timestamp;
use domain::agreement::measurement::Observed;
use domain::agreement::scope::CoveredPath;
use domain::agreement::state_interval::RequestMinute;
use domain::calendar::span::Span;
use store::{Db, Tx, alert, interval, outage};

use crate::engines::both_engines;
use crate::world::NOW;

const API: CoveredPath = CoveredPath::Api;

async fn write<T>(db: &Db, body: impl AsyncFnOnce(&mut Tx) -> T) -> T {
    let mut tx = db.begin().await.unwrap();
    let value = body(&mut tx).await;
    tx.commit().await.unwrap();
    value
}

fn minute(n: i64) -> Timestamp {
    NOW.plus_us(n * 60_000_000)
}

fn span(from: i64, to: i64) -> Span {
    Span::new(minute(from), minute(to)).unwrap()
}

both_engines! {
    /// A path is to be judged since the earliest thing that is new, until it was judged.
    async fn what_is_new_is_noted_until_it_is_judged(world) {
        let waiting = async || {
            interval::waiting(&mut world.db.read().await.unwrap()).await.unwrap()
        };
        assert_eq!(waiting().await, []);
        for (at, since) in [(5, 5), (7, 5), (3, 3)] {
            let noted = write(&world.db, async |tx| {
                interval::is_new(tx, API, minute(at)).await.unwrap();
                interval::begin(tx, API, minute(9)).await.unwrap()
            });
            assert_eq!(noted.await, Some(minute(since)));
        }
        assert_eq!(waiting().await, [API]);
        let left = write(&world.db, async |tx| {
            interval::is_judged(tx, API).await.unwrap();
            interval::begin(tx, API, minute(10)).await.unwrap()
        });
        assert_eq!(left.await, None);
        assert_eq!(waiting().await, []);
    }

    /// Intervals are replaced by others, and found by every moment that they touch.
    async fn intervals_are_replaced(world) {
        let old = Observed { up: vec![span(0, 5), span(7, 9)], ..Observed::default() };
        let new = Observed {
            up: vec![span(0, 6), span(7, 9)],
            down: vec![span(7, 8)],
            ..Observed::default()
        };
        write(&world.db, async |tx| {
            interval::replace(tx, API, &Observed::default(), &old).await.unwrap();
            interval::replace(tx, API, &old, &new).await.unwrap();
        })
        .await;
        let mut reads = world.db.read().await.unwrap();
        let mut found = async |from, to| {
            interval::intervals(&mut reads, API, span(from, to), 10).await.unwrap()
        };
        assert_eq!(found(0, 20).await, new);
        assert_eq!(found(9, 20).await, Observed { up: vec![span(7, 9)], ..Observed::default() });
        assert_eq!(found(10, 20).await, Observed::default());
    }

    /// What a node counted twice in a minute is added, and nodes are added up.
    async fn requests_are_added_up(world) {
        let counted = |failed: u64, first, last| RequestMinute {
            from: minute(1),
            served: 10,
            customers: 2,
            failed,
            failed_at: (failed > 0).then(|| (minute(first), minute(last))),
        };
        write(&world.db, async |tx| {
            for (node, of) in [
                ("a", counted(0, 0, 0)),
                ("a", counted(2, 3, 4)),
                ("a", counted(1, 5, 5)),
                ("b", counted(1, 2, 2)),
            ] {
                interval::add_requests(tx, API, node, &of).await.unwrap();
            }
        })
        .await;
        let mut reads = world.db.read().await.unwrap();
        let all = interval::requests(&mut reads, API, span(0, 9), 10).await.unwrap();
        assert_eq!(all, [RequestMinute {
            from: minute(1),
            served: 40,
            customers: 2,
            failed: 4,
            failed_at: Some((minute(2), minute(5))),
        }]);
        assert_eq!(interval::requests(&mut reads, API, span(2, 9), 10).await.unwrap(), []);
        drop(reads);
        let forget = async |tx: &mut Tx| {
            interval::forget_requests(tx, API, minute(2)).await.unwrap()
        };
        assert_eq!(write(&world.db, forget).await, 2);
    }

    /// A derived outage moves with what is measured until a person speaks; then what was measured
    /// is noted, and what counts stays.
    async fn a_derived_outage_moves_until_a_person_speaks(world) {
        let id = write(&world.db, async |tx| {
            let texts = ("api did not work", "samples");
            interval::open_outage(tx, API, (span(5, 7), true), texts, minute(7)).await.unwrap()
        })
        .await;
        let shown = async || {
            let mut reads = world.db.read().await.unwrap();
            outage::within(&mut reads, span(0, 100), 10).await.unwrap().remove(0)
        };
        assert_eq!((shown().await.from, shown().await.to), (minute(5), None));
        let moves = async |measured: Span, lasts| {
            write(&world.db, async |tx| {
                interval::move_outage(tx, id, measured, lasts, minute(20)).await.unwrap();
            })
            .await;
        };
        moves(span(5, 8), true).await;
        moves(span(5, 9), false).await;
        assert_eq!((shown().await.to, shown().await.revisions), (Some(minute(9)), vec![]));
        moves(span(4, 9), false).await;
        let moved = shown().await;
        assert_eq!((moved.from, moved.revisions.len()), (minute(4), 1));
        assert_eq!(moved.revisions[0].from, minute(5));
        write(&world.db, async |tx| {
            let why = ("not ours", "Reza");
            let corrected = outage::correct(tx, id, span(6, 7), minute(30), why).await.unwrap();
            assert!(corrected && !outage::correct(tx, 99, span(6, 7), NOW, why).await.unwrap());
        })
        .await;
        moves(span(4, 12), true).await;
        let corrected = shown().await;
        assert_eq!((corrected.from, corrected.to), (minute(6), Some(minute(7))));
        assert_eq!(corrected.revisions.len(), 2);
        let mut reads = world.db.read().await.unwrap();
        let derived = interval::derived(&mut reads, API, minute(11)).await.unwrap();
        assert_eq!((derived[0].measured, derived[0].by_hand), (span(4, 12), true));
        drop(reads);
        write(&world.db, async |tx| interval::drop_outage(tx, id, minute(40)).await.unwrap()).await;
        assert_eq!(shown().await.reversed, None, "a person has spoken");
    }

    /// Of a name one alert holds at a time.
    async fn an_alert_begins_once_and_ends_once(world) {
        write(&world.db, async |tx| {
            assert!(alert::begin(tx, "silent:api", "for 109 s", minute(1)).await.unwrap());
            assert!(!alert::begin(tx, "silent:api", "for 119 s", minute(2)).await.unwrap());
            assert!(alert::end(tx, "silent:api", minute(3)).await.unwrap());
            assert!(!alert::end(tx, "silent:api", minute(4)).await.unwrap());
            assert!(alert::begin(tx, "silent:api", "again", minute(5)).await.unwrap());
        })
        .await;
        let mut reads = world.db.read().await.unwrap();
        let open = alert::since(&mut reads, minute(3), 10).await.unwrap();
        assert_eq!(open.len(), 1);
        assert_eq!((open[0].detail.as_str(), open[0].ended_at), ("again", None));
        let all = alert::since(&mut reads, minute(2), 10).await.unwrap();
        assert_eq!(all[1].ended_at, Some(minute(3)));
    }
}
