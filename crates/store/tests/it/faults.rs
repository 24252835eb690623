//! A full disk, a lost connection, a stalled caller, a closed database.

use domain::AttemptId;
use store::{Applied, Db, Error, Options, Queries as _, account};

use crate::engines::{both_engines, empty_postgres, postgres_url, say};
use crate::world::{NOW, World, delivered, leased, new_account, send, spoken};

async fn pragma(world: &World, sql: &'static str) -> i64 {
    let mut tx = world.db.begin().await.unwrap();
    let row = tx.query_one(sql, &[]).await.unwrap();
    tx.commit().await.unwrap();
    row.get("n").or_else(|_| row.get("max_page_count")).unwrap()
}

/// A full disk is an error for each who asks, leaves nothing half-done, and is over when there is
/// room again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk() {
    let world = World::sqlite().await;
    let element = world.send().await;
    let node = world.node("a").await;
    let accepted = world.accept(&leased(element.clone(), node)).await;
    let attempt = AttemptId { quick_send: accepted.quick_send, n: 1 };
    // The limit cannot go below what the file holds already: it may not grow any more.
    pragma(&world, "PRAGMA max_page_count = 1").await;
    let mut taken = 0;
    let error = loop {
        let speech = spoken(element.account);
        let batch = vec![element.clone(), speech.clone(), element.clone(), speech];
        match world.db.accept(batch).await {
            Ok(answers) => taken += answers.iter().filter(|answer| answer.is_ok()).count(),
            Err(error) => break error,
        }
        let refill = store::entry::NewEntry {
            account: element.account,
            kind: store::entry::EntryKind::Credit,
            amount: domain::Rials(1_860),
            at: NOW,
            reference: None,
            note: String::new(),
        };
        let mut tx = world.db.begin().await.unwrap();
        let posted = store::entry::post(&mut tx, &refill).await;
        if let Err(error) = posted {
            break error;
        }
        if let Err(error) = tx.commit().await {
            break error;
        }
    };
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert_eq!(world.db.audit().await.unwrap().violations, []);
    let left = world.ready().await.len();
    assert_eq!(left, taken);

    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (db, batch) = (world.db.clone(), vec![element.clone(); 200]);
            tokio::spawn(async move { db.accept(batch).await })
        })
        .collect();
    for task in tasks {
        // Those that find no credit any more need no room.
        if let Ok(answers) = task.await.unwrap() {
            assert!(answers.iter().all(Result::is_err));
        }
    }
    assert_eq!(world.db.audit().await.unwrap().violations, []);
    assert_eq!(world.ready().await.len(), left);

    pragma(&world, "PRAGMA max_page_count = 1000000").await;
    world.account(1).await;
    world.db.settle(vec![delivered(attempt, 450)]).await.unwrap();
    world.end().await;
}

/// A transaction that stalls is undone, so that it cannot stop the others for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_transaction() {
    let world = World::sqlite().await;
    let mut stalled = world.db.begin().await.unwrap();
    account::create(&mut stalled, &new_account(7)).await.unwrap();
    world.account(1).await;
    assert!(matches!(stalled.commit().await, Err(Error::Unavailable(_))));
    let mut reader = world.db.read().await.unwrap();
    let all = account::list(&mut reader, domain::AccountId(0), 9).await.unwrap();
    assert_eq!(all.len(), 1);
    world.end().await;
}

/// A queue that is full refuses at once instead of growing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue() {
    let db = Db::open("sqlite::memory:", Options { queue: 2, ..Options::default() }).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                let stamp = store::hot::NodeStamp { node: domain::NodeId(1), epoch: 1 };
                db.renew(stamp, NOW, NOW).await
            })
        })
        .collect();
    // Two wait for the transaction, the other eight are refused before it ends.
    let (mut refused, mut waiting) = (0, Vec::new());
    for task in tasks {
        waiting.push(task);
    }
    while refused < 8 {
        tokio::task::yield_now().await;
        let finished = waiting.iter().position(tokio::task::JoinHandle::is_finished);
        if let Some(place) = finished {
            let answer = waiting.remove(place).await.unwrap();
            assert!(matches!(answer, Err(Error::Unavailable(_))));
            refused += 1;
        }
    }
    tx.execute("DELETE FROM ready", &[]).await.unwrap();
    tx.commit().await.unwrap();
    for task in waiting {
        assert_eq!(task.await.unwrap().unwrap(), None);
    }
    db.close().await;
}

/// A database in memory works like one in a file, for simulations.
#[tokio::test]
async fn a_database_in_memory() {
    let db = Db::open("sqlite::memory:", Options::default()).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    let id = account::create(&mut tx, &new_account(5)).await.unwrap();
    tx.commit().await.unwrap();
    let mut reader = db.read().await.unwrap();
    assert!(account::find(&mut reader, id).await.unwrap().is_some());
    assert!(db.audit().await.unwrap().is_clean());
    assert!(db.check().await.unwrap().writable);
    db.close().await;
}

/// An address that means nothing, a folder that is not there, a server that is not there.
#[tokio::test]
async fn a_database_that_cannot_be_opened() {
    for url in
        ["mysql://x", "sqlite:/nowhere/at/all/x.db", "postgres://x@127.0.0.1:1/x", "postgres://"]
    {
        let error = Db::open(url, Options::default()).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)), "{url}");
        assert_eq!(error.to_string(), "the database is not available");
    }
}

/// Who asks for an encrypted connection is told that there is none, and what to do instead. Other
/// modes that ask for one are no modes to the library.
#[tokio::test]
async fn an_encrypted_connection_is_refused() {
    let url = "postgres://x@127.0.0.1:1/x?sslmode=";
    let error = Db::open(&format!("{url}require"), Options::default()).await.unwrap_err();
    let Error::Unavailable(why) = error else { panic!("{error:?}") };
    assert!(why.to_string().contains("private network or a tunnel"), "{why}");
    for mode in ["verify-ca", "verify-full"] {
        let refused = Db::open(&format!("{url}{mode}"), Options::default()).await.unwrap_err();
        let Error::Unavailable(why) = refused else { panic!("{refused:?}") };
        let chain = why.source().map_or_else(|| why.to_string(), ToString::to_string);
        assert!(chain.contains("sslmode"), "{mode}: {chain}");
    }
}

both_engines! {
    /// After closing, clones are told so.
    async fn a_closed_database(world) {
        let element = world.send().await;
        let other = world.other_process().await;
        let clone = other.clone();
        clone.accept_one(element.clone()).await.unwrap().unwrap();
        other.close().await;
        assert!(matches!(clone.begin().await, Err(Error::Unavailable(_))));
        assert!(matches!(clone.accept_one(element).await, Err(Error::Unavailable(_))));
        clone.close().await;
    }

    /// `doctor` sees a healthy database.
    async fn a_healthy_database(world) {
        let health = world.db.check().await.unwrap();
        assert_eq!(health.kind, world.db.kind());
        let newest = health.newest_schema;
        assert_eq!(health.schema, Some(newest));
        assert!(health.bytewise_order && health.writable && !health.version.is_empty());
        assert_eq!(world.db.migrate().await.unwrap(), Applied { count: 0, version: newest });
    }
}

/// Connections that the server ends are replaced; nothing is lost or done twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection() {
    let Some(world) = World::postgres().await else { return };
    let server = postgres_url().unwrap();
    let account = world.account(1_000_000).await;
    let message = world.message(account).await;
    let name = world.url.rsplit('/').next().unwrap().to_owned();
    let kill =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    let (mut durable, mut unsure) = (0, 0);
    for _ in 0..10 {
        let senders: Vec<_> = (0..20)
            .map(|_| {
                let db = world.db.clone();
                tokio::spawn(async move { db.accept_one(send(account, message)).await })
            })
            .collect();
        say(&server, &kill).await.unwrap();
        for sender in senders {
            match sender.await.unwrap() {
                Ok(answer) => {
                    answer.unwrap();
                    durable += 1;
                }
                Err(Error::Unavailable(_)) => unsure += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    assert!(durable > 0, "{unsure}");
    let there = world.ready().await.len();
    assert!(there >= durable && there <= durable + unsure, "{there} {durable} {unsure}");

    let mut tx = world.db.begin().await.unwrap();
    account::create(&mut tx, &new_account(1)).await.unwrap();
    say(&server, &kill).await.unwrap();
    assert!(matches!(tx.commit().await, Err(Error::Unavailable(_))));
    world.accept(&send(account, message)).await;
    world.end().await;
}

/// A database that sorts like a dictionary is refused before anything is written to it.
#[tokio::test]
async fn a_database_in_another_order() {
    let Some(server) = postgres_url() else { return };
    let options = "LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C' ENCODING UTF8";
    let url = empty_postgres(&server, "sorted", options).await;
    let db = Db::open(&url, Options::default()).await.unwrap();
    assert!(matches!(db.migrate().await, Err(Error::Unavailable(_))));
    let health = db.check().await.unwrap();
    assert_eq!((health.bytewise_order, health.schema, health.writable), (false, None, false));
    db.close().await;
    crate::engines::drop_postgres(&server, &url).await;
}
