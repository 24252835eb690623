//! PostgreSQL beside SQLite: a database that lives as long as what is measured in it, and a
//! connection of our own to it.

use anyhow::{Context as _, Result};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

use crate::say::say;

/// Where a server is named in which databases may be made and dropped.
const SERVER: &str = "AVANAK_TEST_POSTGRES";

/// Makes a database of this name on the server that the environment names, does `what` with its
/// URL, and drops it. Says so when no server is named.
///
/// # Errors
/// Those of `what`, and those of the server.
pub async fn on_postgres<W>(name: &str, what: impl FnOnce(String) -> W) -> Result<()>
where
    W: Future<Output = Result<()>>,
{
    let server = std::env::var_os(SERVER).and_then(|url| url.into_string().ok());
    let Some(server) = server else {
        say(&format!("PostgreSQL: left out, {SERVER} is not set"));
        return Ok(());
    };
    let name = format!("avanak_bench_{}_{name}", std::process::id());
    let session = Session::open(&server).await?;
    session.run(&format!("CREATE DATABASE {name} TEMPLATE template0 LOCALE 'C'")).await?;
    let (address, _) = server.rsplit_once('/').context("the URL names no database")?;
    let done = what(format!("{address}/{name}")).await;
    session.run(&format!("DROP DATABASE {name} WITH (FORCE)")).await?;
    session.close().await?;
    done
}

/// A connection of our own, beside those of the store.
pub struct Session {
    client: Client,
    driver: JoinHandle<Result<(), tokio_postgres::Error>>,
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// There is no such server.
    pub async fn open(url: &str) -> Result<Self> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        Ok(Self { client, driver: tokio::spawn(connection) })
    }

    /// Runs statements that answer nothing.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn run(&self, sql: &str) -> Result<()> {
        Ok(self.client.batch_execute(sql).await?)
    }

    /// The one number that `sql` answers with.
    ///
    /// # Errors
    /// The server refuses, or it is none.
    pub async fn number(&self, sql: &str) -> Result<i64> {
        Ok(self.client.query_one(sql, &[]).await?.try_get(0)?)
    }

    /// Bytes of the server's write-ahead log until now, those of other databases among them.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn wal_bytes(&self) -> Result<u64> {
        let sql = "SELECT CAST(pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS BIGINT)";
        Ok(self.number(sql).await?.unsigned_abs())
    }

    /// Flushes of the server's write-ahead log until now, those for other databases among them.
    /// What other connections have counted within the last second may be missing.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn wal_flushes(&self) -> Result<u64> {
        let version = self.number("SELECT current_setting('server_version_num')::BIGINT").await?;
        // Since version 18 they are counted with everything else that is read and written.
        let sql = if version >= 180_000 {
            "SELECT COALESCE(SUM(fsyncs), 0)::BIGINT FROM pg_stat_io WHERE object = 'wal'"
        } else {
            "SELECT wal_sync FROM pg_stat_wal"
        };
        Ok(self.number(sql).await?.unsigned_abs())
    }

    /// Disconnects.
    ///
    /// # Errors
    /// The connection had broken.
    pub async fn close(self) -> Result<()> {
        drop(self.client);
        Ok(self.driver.await??)
    }
}
