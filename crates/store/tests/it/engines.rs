//! Runs a test on both engines.
//!
//! PostgreSQL takes part when `AVANAK_TEST_POSTGRES` is the URL of a superuser of a server that
//! may be filled with databases. Each test gets one of its own, copied from a migrated template.

use std::io::Write as _;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use store::{Db, Options};
use tokio_postgres::NoTls;

/// Makes a test for each engine from one function.
macro_rules! both_engines {
    ($($(#[$doc:meta])* async fn $name:ident($world:ident) $body:block)*) => {$(
        $(#[$doc])*
        mod $name {
            use super::*;

            async fn check($world: &mut $crate::world::World) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let mut world = $crate::world::World::sqlite().await;
                check(&mut world).await;
                world.end().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let Some(mut world) = $crate::world::World::postgres().await else { return };
                check(&mut world).await;
                world.end().await;
            }
        }
    )*};
}
pub(crate) use both_engines;

/// The server to test on; a loud skip when there is none.
///
/// The runner keeps what a passing test prints to itself, but not what is written to the error
/// output: a skipped test must not look like one that passed.
#[expect(clippy::disallowed_methods, reason = "a test is told by its runner where the server is")]
pub fn postgres_url() -> Option<String> {
    static SAID: Once = Once::new();
    let url = std::env::var("AVANAK_TEST_POSTGRES").ok();
    if url.is_none() {
        let skip = "SKIPPED ON POSTGRESQL, all of them: AVANAK_TEST_POSTGRES is not set";
        SAID.call_once(|| writeln!(std::io::stderr(), "{skip}").expect("somebody listens"));
    }
    url
}

/// A connection that says `sql` to the server at `url`.
pub async fn say(url: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let driver = tokio::spawn(connection);
    let said = client.batch_execute(sql).await;
    drop(client);
    driver.await.expect("the driver does not panic")?;
    said
}

/// A new, migrated database. Returns its URL.
pub async fn fresh_postgres(server: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let template = template(server).await;
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("avanak_test_{}_{count}", std::process::id());
    say(server, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
    say(server, &format!("CREATE DATABASE {name} TEMPLATE {template}")).await.unwrap();
    with_database(server, &name)
}

/// Drops the database behind `url`.
pub async fn drop_postgres(server: &str, url: &str) {
    let name = url.rsplit('/').next().unwrap();
    say(server, &format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
}

/// An empty database, not migrated. Returns its URL.
pub async fn empty_postgres(server: &str, name: &str, options: &str) -> String {
    let name = format!("avanak_{name}_{}", std::process::id());
    say(server, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.unwrap();
    say(server, &format!("CREATE DATABASE {name} TEMPLATE template0 {options}")).await.unwrap();
    with_database(server, &name)
}

fn with_database(server: &str, name: &str) -> String {
    let (address, _) = server.rsplit_once('/').expect("the URL names a database");
    format!("{address}/{name}")
}

/// The template for this process, made by whoever asks first.
async fn template(server: &str) -> String {
    static MADE: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();
    let make = || async {
        let name = format!("avanak_template_{}", std::process::id());
        let url = empty_postgres(server, "template", "LOCALE 'C'").await;
        let db = Db::open(&url, Options::default()).await.unwrap();
        db.migrate().await.unwrap();
        db.close().await;
        name
    };
    MADE.get_or_init(make).await.clone()
}
