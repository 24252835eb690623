//! The other engine, for what only two connections at once can show.

use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

use app::Settings;

use crate::world::World;

/// Tests that are the same on both engines: each of these is a check of a [`World`].
macro_rules! on_both_engines {
    ($($check:ident),* $(,)?) => {
        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $check() {
                    super::$check(&$crate::world::World::new().await).await;
                }
            )*
        }

        mod on_postgres {
            $(
                #[tokio::test]
                async fn $check() {
                    $crate::engines::on_postgres(super::$check).await;
                }
            )*
        }
    };
}
pub(crate) use on_both_engines;

/// Runs a test on PostgreSQL, if the suite has started one.
pub async fn on_postgres(check: impl AsyncFnOnce(&World)) {
    let Some((server, url)) = postgres().await else { return };
    let world = World::at(&url, Settings::default()).await;
    check(&world).await;
    assert_eq!(world.db.audit().await.unwrap().violations, []);
    // The books were checked just now.
    world.books_are_away();
    world.db.clone().close().await;
    remove(&server, &url).await;
}

/// A new database of the server that the suite starts, and the server; none without one.
#[expect(clippy::disallowed_methods, reason = "a test is told by its runner where the server is")]
pub async fn postgres() -> Option<(String, String)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let Ok(server) = std::env::var("AVANAK_TEST_POSTGRES") else {
        let skip = "SKIPPED ON POSTGRESQL: AVANAK_TEST_POSTGRES is not set";
        writeln!(std::io::stderr(), "{skip}").expect("somebody listens");
        return None;
    };
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("avanak_app_{}_{count}", std::process::id());
    say(&server, &format!("CREATE DATABASE {name} TEMPLATE template0 LOCALE 'C'")).await;
    let (address, _) = server.rsplit_once('/').unwrap();
    let url = format!("{address}/{name}");
    let db = store::Db::open(&url, store::Options::default()).await.unwrap();
    db.migrate().await.unwrap();
    db.close().await;
    Some((server, url))
}

/// Removes such a database.
pub async fn remove(server: &str, url: &str) {
    let name = url.rsplit('/').next().unwrap();
    say(server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
}

/// Has a server do something.
pub async fn say(server: &str, sql: &str) {
    let (client, connection) =
        tokio_postgres::connect(server, tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
}
