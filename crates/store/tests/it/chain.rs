//! The chain of evidence, on both engines: whoever writes at once, whatever is undone, and whatever
//! the clocks say.

use std::time::{SystemTime, UNIX_EPOCH};

use domain::Timestamp;
use domain::agreement::violation::{Clause, Status, Violation};
use domain::calendar::span::Span;
use domain::chain::{Fault, Head};
use store::chain::{self, Kept};
use store::violation::{self, Step};
use store::{Db, Error, Kind, Options, Tx};

use crate::engines::both_engines;
use crate::world::NOW;

fn step(status: Status) -> Step {
    Step { status, at: NOW, actor: "Reza".to_owned(), reason: String::new() }
}

/// Enters something under this name; its number.
async fn enter(tx: &mut Tx, reference: &str) -> i64 {
    let span = Span::new(NOW, NOW.plus_us(60_000_000)).unwrap();
    let entry = Violation::new(Clause::Capacity, 1, span, vec!["log 7".to_owned()]).unwrap();
    let first = step(Status::Recorded);
    violation::insert(tx, None, reference, &entry, &first).await.unwrap().unwrap()
}

async fn entered_at(db: &Db, reference: &str, now: Timestamp) -> store::Result<()> {
    let mut tx = db.begin().await.unwrap();
    enter(&mut tx, reference).await;
    tx.commit_at(now).await
}

async fn entries(db: &Db) -> Vec<Kept> {
    chain::after(&mut db.read().await.unwrap(), 0, 10_000).await.unwrap()
}

/// Whether each entry follows the one before it, up to the head that is kept.
async fn follow_each_other(db: &Db) -> Result<(), (i64, Fault)> {
    let (mut head, mut at) = (Head::start(), Timestamp(i64::MIN));
    for Kept { entry, .. } in entries(db).await {
        entry.follows(&head, at, chain::hash).map_err(|fault| (entry.number, fault))?;
        (head, at) = (entry.head(), entry.at);
    }
    assert_eq!(chain::head(&mut db.read().await.unwrap()).await.unwrap(), head);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "PostgreSQL's clock is compared with this one")]
fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(since.as_micros()).unwrap())
}

both_engines! {
    /// Two processes write evidence at once: one chain without gaps, an entry for each fact.
    async fn two_processes_write_one_chain(world) {
        let databases = [world.db.clone(), world.other_process().await];
        let tasks: Vec<_> = (0..60)
            .map(|n| {
                let db = databases[n % 2].clone();
                tokio::spawn(async move {
                    let mut tx = db.begin().await.unwrap();
                    let id = enter(&mut tx, &format!("test:{n}")).await;
                    let told = step(Status::Notified);
                    violation::insert_step(&mut tx, id, 1, &told).await.unwrap();
                    // What is undone leaves nothing.
                    if n % 5 != 0 {
                        tx.commit_at(NOW.plus_us(i64::try_from(n).unwrap())).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        follow_each_other(&world.db).await.unwrap();
        let all = entries(&world.db).await;
        assert_eq!(all.len(), 48 * 2);
        for Kept { entry, note } in &all {
            let mut reads = world.db.read().await.unwrap();
            let digest = chain::digest_of(&mut reads, &entry.subject).await.unwrap();
            assert_eq!(digest.as_ref(), Some(&entry.digest), "{entry:?}");
            assert_eq!((entry.actor.as_str(), note), ("Reza", &None));
            assert!(entry.at >= NOW && entry.at < NOW.plus_us(60), "{entry:?}");
        }
        let [_, other] = databases;
        other.close().await;
    }

    /// What is bent shows where it is bent, whether it is the fact or the chain.
    async fn what_is_bent_shows(world) {
        let db = world.db.clone();
        for n in 0..4 {
            entered_at(&db, &format!("test:{n}"), NOW).await.unwrap();
        }
        let second = entries(&db).await.remove(1).entry;
        let bend = async |sql: &'static str| {
            let mut tx = db.begin().await.unwrap();
            assert_eq!(tx.execute(sql, &[]).await.unwrap(), 1, "{sql}");
            tx.commit().await.unwrap();
        };
        let digest = async || {
            chain::digest_of(&mut db.read().await.unwrap(), &second.subject).await.unwrap()
        };
        bend("UPDATE violation SET to_us = to_us + 1 WHERE reference = 'test:1'").await;
        assert_ne!(digest().await.unwrap(), second.digest);
        bend("UPDATE violation SET to_us = to_us - 1 WHERE reference = 'test:1'").await;
        assert_eq!(digest().await.unwrap(), second.digest);
        follow_each_other(&db).await.unwrap();
        bend("UPDATE chain_entry SET at_us = at_us + 1 WHERE n = 2").await;
        assert_eq!(follow_each_other(&db).await, Err((2, Fault::Seal)));
        bend("UPDATE chain_entry SET at_us = at_us - 2 WHERE n = 2").await;
        assert_eq!(follow_each_other(&db).await, Err((2, Fault::Time)));
        bend("DELETE FROM chain_entry WHERE n = 2").await;
        assert_eq!(follow_each_other(&db).await, Err((3, Fault::Number)));
        bend("DELETE FROM violation_status WHERE violation_id = (
                  SELECT id FROM violation WHERE reference = 'test:1')").await;
        assert_eq!(digest().await, None);
    }

    /// Time never goes back in the chain, whatever a node's clock does.
    async fn a_clock_that_is_set_back_takes_nothing_back(world) {
        for (n, ahead_us) in [(0, 5_000_000), (1, -3_600_000_000), (2, 7_000_000)] {
            let now = NOW.plus_us(ahead_us);
            entered_at(&world.db, &format!("test:{n}"), now).await.unwrap();
        }
        follow_each_other(&world.db).await.unwrap();
        let times: Vec<i64> =
            entries(&world.db).await.iter().map(|kept| kept.entry.at.us_since(NOW)).collect();
        assert_eq!(times, [5_000_000, 5_000_000, 7_000_000]);
    }

    /// Where nodes share a database, its clock is the authority, and a node that is further off
    /// than it may be writes no evidence.
    async fn a_node_whose_clock_is_off_writes_no_evidence(world) {
        let options = Options { clock_limit_us: Some(2_000_000), ..Options::default() };
        let shared = world.db.kind() == Kind::Postgres;
        let db = Db::open(&world.url, options).await.unwrap();
        let before = wall_clock();
        entered_at(&db, "test:right", before).await.unwrap();
        for off_us in [-3_000_000, 3_000_000] {
            let now = wall_clock().plus_us(off_us);
            let done = entered_at(&db, &format!("test:{off_us}"), now).await;
            let refused = matches!(&done, Err(Error::Unavailable(why))
                                   if why.to_string().contains("the clock of this node"));
            assert_eq!(refused, shared, "{done:?}");
        }
        let all = entries(&db).await;
        assert_eq!(all.len(), if shared { 1 } else { 3 });
        // It is no time that a client gave, but that of the database.
        assert!(all[0].entry.at >= before, "{all:?}");
        let ahead_us = db.ahead_us(|| wall_clock().plus_us(10_000_000)).await.unwrap();
        let expected = if shared { 10_000_000 } else { 0 };
        assert!((ahead_us - expected).abs() < 1_000_000, "{ahead_us}");
        follow_each_other(&db).await.unwrap();
        db.close().await;
    }

    /// A node's finding is its last one.
    async fn a_node_tells_what_it_finds(world) {
        let node = |heard_us, broken: Option<&str>| chain::Node {
            name: "a".to_owned(),
            heard_at: NOW.plus_us(heard_us),
            ahead_us: -7,
            broken: broken.map(str::to_owned),
        };
        for told in [node(0, None), node(1, Some("entry 7"))] {
            let mut tx = world.db.begin().await.unwrap();
            chain::tell(&mut tx, &told).await.unwrap();
            tx.commit().await.unwrap();
        }
        let mut reads = world.db.read().await.unwrap();
        let known = chain::nodes(&mut reads, NOW.plus_us(1)).await.unwrap();
        assert_eq!(known, [node(1, Some("entry 7"))]);
        assert_eq!(chain::nodes(&mut reads, NOW.plus_us(2)).await.unwrap(), []);
    }
}
