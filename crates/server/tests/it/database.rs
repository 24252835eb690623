//! A PostgreSQL database of a test's own, on the server that `cargo x test` started.

use std::process::Command;

/// The database.
pub struct Database {
    pub url: String,
    /// Where it can be spoken of while nobody may connect to it.
    server: String,
    name: String,
}

impl Database {
    /// An empty database whose name begins with `prefix`; `None`, said aloud, without a server.
    #[expect(clippy::disallowed_methods, reason = "cargo x test says where PostgreSQL is")]
    pub fn fresh(prefix: &str) -> Option<Self> {
        let Ok(server) = std::env::var("AVANAK_TEST_POSTGRES") else {
            eprintln!("SKIPPED: no PostgreSQL (AVANAK_TEST_POSTGRES); cargo x test starts one");
            return None;
        };
        let name = format!("{prefix}_{}", std::process::id());
        let (address, _) = server.rsplit_once('/').expect("the URL names a database");
        let database = Self { url: format!("{address}/{name}"), server, name };
        database.server_says(&format!(
            "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C'",
            database.name
        ));
        Some(database)
    }

    /// Breaks every connection to it and lets nobody in, as a server that is gone does.
    pub fn lose(&self) {
        let name = &self.name;
        self.server_says(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
        self.server_says(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        ));
    }

    /// Lets everybody in again.
    pub fn give_back(&self) {
        self.server_says(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", self.name));
    }

    /// Runs a statement in it, as whoever has its password may.
    pub fn says(&self, sql: &str) {
        say(&self.url, sql);
    }

    fn server_says(&self, sql: &str) {
        say(&self.server, sql);
    }
}

fn say(url: &str, sql: &str) {
    let output = Command::new("psql").arg(url).args(["-qXc", sql]).output().unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
}
