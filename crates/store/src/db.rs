//! One handle for two engines: opening, transactions, reads.

use std::path::Path;
use std::sync::Arc;

use domain::Timestamp;

use crate::chain::{self, Waiting};
use crate::postgres::{self, Postgres};
use crate::sqlite::{self, Sqlite};
use crate::value::values;
use crate::{Applied, Error, Result, Row, Value, dialect, migrate};

/// Which engine is behind a [`Db`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Embedded; serves one node.
    Sqlite,
    /// Serves many nodes.
    Postgres,
}

/// Settings of a [`Db`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// PostgreSQL connections for everything but the hot verbs.
    pub connections: usize,
    /// Requests to the writer that may wait; one more is refused as unavailable.
    pub queue: usize,
    /// Whether PostgreSQL's clock says when evidence was written, and how far a node's clock may
    /// be off from it, microseconds. `None`: the clocks of nodes are believed.
    pub clock_limit_us: Option<i64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { connections: 8, queue: 4096, clock_limit_us: None }
    }
}

/// What `doctor` wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The engine.
    pub kind: Kind,
    /// Its version, in its own words.
    pub version: String,
    /// The version of our schema; `None` before the first migration.
    pub schema: Option<u32>,
    /// The newest schema that this program knows.
    pub newest_schema: u32,
    /// Whether text is compared bytewise, as our queries expect.
    pub bytewise_order: bool,
    /// Whether a write reached the disk just now.
    pub writable: bool,
}

/// The database. Clones share everything.
#[derive(Clone)]
pub struct Db {
    engine: Arc<Engine>,
    clock_limit_us: Option<i64>,
}

/// The engine behind a [`Db`].
pub(crate) enum Engine {
    /// Embedded.
    Sqlite(Sqlite),
    /// A server.
    Postgres(Box<Postgres>),
}

/// A write transaction. Dropping it without [`Tx::commit`] undoes it. After an error of one of its
/// statements it can only be dropped, on either engine.
///
/// Await nothing but functions of this crate while it is open, and no [`Db`] verb: on SQLite every
/// other writer waits for it, and it is undone when it is idle for five seconds.
pub struct Tx {
    inner: Inner,
    failed: bool,
    raced: bool,
    no_turn: bool,
    /// What is added to the chain of evidence when it commits.
    chained: Vec<Waiting>,
    clock_limit_us: Option<i64>,
}

enum Inner {
    Sqlite(sqlite::Transaction),
    Postgres(Box<postgres::Transaction>),
}

/// The read side. Each query sees what was committed before it.
pub struct Reader {
    inner: ReaderInner,
}

enum ReaderInner {
    Sqlite(sqlite::Reader),
    Postgres(deadpool_postgres::Object),
}

/// What may be asked of a transaction and of the read side alike.
pub trait Queries: Send {
    /// The rows that `sql` answers with. `$1`, `$2`, … stand for `values`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and, for what writes, [`Error::Conflict`].
    fn query(
        &mut self,
        sql: &'static str,
        values: &[Value],
    ) -> impl Future<Output = Result<Vec<Row>>> + Send;

    /// The first row, if there is one. For look-ups by key: the read side of SQLite runs them
    /// where they are asked, so they must not search.
    ///
    /// # Errors
    /// As [`Self::query`].
    fn query_opt(
        &mut self,
        sql: &'static str,
        values: &[Value],
    ) -> impl Future<Output = Result<Option<Row>>> + Send {
        async move { Ok(self.query(sql, values).await?.into_iter().next()) }
    }

    /// The one row of a statement that always answers with one.
    ///
    /// # Errors
    /// As [`Self::query`]; [`Error::Conflict`] when there is none after all.
    fn query_one(
        &mut self,
        sql: &'static str,
        values: &[Value],
    ) -> impl Future<Output = Result<Row>> + Send {
        async move {
            let row = self.query(sql, values).await?.into_iter().next();
            row.ok_or_else(|| Error::Conflict("no row where there is always one".into()))
        }
    }
}

impl Db {
    /// Opens `sqlite:PATH`, `sqlite::memory:` or `postgres://…`. SQLite is migrated at once, after
    /// copying the file if it holds data; PostgreSQL by [`Db::migrate`].
    ///
    /// # Errors
    /// [`Error::Unavailable`], also for a URL that means nothing.
    pub async fn open(url: &str, options: Options) -> Result<Self> {
        let engine = if let Some(path) = url.strip_prefix("sqlite:") {
            let path = (path != ":memory:").then(|| Path::new(path));
            Engine::Sqlite(Sqlite::open(path, options).await?)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Engine::Postgres(Box::new(Postgres::open(url, options).await?))
        } else {
            let why = "a database is sqlite:PATH, sqlite::memory: or postgres://…";
            return Err(Error::unavailable(why));
        };
        let is_shared = matches!(engine, Engine::Postgres(_));
        let clock_limit_us = options.clock_limit_us.filter(|_| is_shared);
        Ok(Self { engine: Arc::new(engine), clock_limit_us })
    }

    /// The engine.
    pub fn kind(&self) -> Kind {
        match self.engine() {
            Engine::Sqlite(_) => Kind::Sqlite,
            Engine::Postgres(_) => Kind::Postgres,
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Brings the schema up to date. SQLite was when it was opened.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn migrate(&self) -> Result<Applied> {
        match self.engine() {
            Engine::Sqlite(_) => Ok(Applied { count: 0, version: migrate::newest() }),
            Engine::Postgres(postgres) => postgres.migrate().await,
        }
    }

    /// Looks at the database for `doctor`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it cannot even be asked.
    pub async fn check(&self) -> Result<Health> {
        let mut reader = self.read().await?;
        let version_sql = match self.kind() {
            Kind::Sqlite => "SELECT sqlite_version() AS version",
            Kind::Postgres => "SELECT version() AS version",
        };
        let version = reader.query_one(version_sql, &[]).await?.get("version")?;
        let bytewise: i64 =
            reader.query_one(dialect::BYTEWISE_ORDER, &[]).await?.get("bytewise")?;
        // No history is what a database looks like before the first migration.
        let schema = reader.query_one(dialect::SCHEMA_VERSION, &[]).await;
        let schema = schema.ok().and_then(|row| row.get("version").ok());
        Ok(Health {
            kind: self.kind(),
            version,
            schema,
            newest_schema: migrate::newest(),
            bytewise_order: bytewise == 1,
            writable: schema.is_some() && self.try_write().await.is_ok(),
        })
    }

    /// Writes something and takes it away again, through the disk.
    async fn try_write(&self) -> Result<()> {
        let mut tx = self.begin().await?;
        let sql = "INSERT INTO speech_cache (key, blob, length_ms, created_at_us)
                   VALUES ($1, '', 0, 0) ON CONFLICT DO NOTHING";
        tx.execute(sql, values![b"doctor".as_slice()]).await?;
        let sql = "DELETE FROM speech_cache WHERE key = $1";
        tx.execute(sql, values![b"doctor".as_slice()]).await?;
        tx.commit().await
    }

    /// Starts a write transaction.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn begin(&self) -> Result<Tx> {
        let inner = match self.engine() {
            Engine::Sqlite(sqlite) => Inner::Sqlite(sqlite.begin().await?),
            Engine::Postgres(postgres) => Inner::Postgres(Box::new(postgres.begin().await?)),
        };
        let clock_limit_us = self.clock_limit_us;
        Ok(Tx {
            inner,
            failed: false,
            raced: false,
            no_turn: false,
            chained: Vec::new(),
            clock_limit_us,
        })
    }

    /// The read side.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn read(&self) -> Result<Reader> {
        let inner = match self.engine() {
            Engine::Sqlite(sqlite) => ReaderInner::Sqlite(sqlite.read()),
            Engine::Postgres(postgres) => ReaderInner::Postgres(postgres.read().await?),
        };
        Ok(Reader { inner })
    }

    /// Ends what was taken in and closes the database. Clones that are left are unavailable.
    pub async fn close(self) {
        match self.engine() {
            Engine::Sqlite(sqlite) => sqlite.close().await,
            Engine::Postgres(postgres) => postgres.close().await,
        }
    }
}

impl Tx {
    /// How many rows `sql` changed.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Conflict`].
    pub async fn execute(&mut self, sql: &'static str, values: &[Value]) -> Result<u64> {
        self.not_failed()?;
        let changed = match &self.inner {
            Inner::Sqlite(tx) => tx.execute(sql, values).await,
            Inner::Postgres(tx) => tx.execute(sql, values).await,
        };
        self.note(changed.as_ref().err());
        changed
    }

    /// Makes it durable, with what was attested in it as of when its facts say.
    ///
    /// # Errors
    /// As [`Self::commit_at`].
    pub async fn commit(self) -> Result<()> {
        self.finish(None).await
    }

    /// Makes it durable, with what was attested in it as of now, as the node's clock says.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; then it was undone, unless the connection broke meanwhile.
    /// [`Error::Conflict`] when one of its statements had failed.
    pub async fn commit_at(self, now: Timestamp) -> Result<()> {
        self.finish(Some(now)).await
    }

    async fn finish(mut self, now: Option<Timestamp>) -> Result<()> {
        self.not_failed()?;
        let chained = std::mem::take(&mut self.chained);
        if !chained.is_empty() {
            chain::append(&mut self, chained, now).await?;
        }
        match self.inner {
            Inner::Sqlite(tx) => tx.commit().await,
            Inner::Postgres(tx) => tx.commit().await,
        }
    }

    /// What is attested when it commits.
    pub(crate) fn chained(&mut self) -> &mut Vec<Waiting> {
        &mut self.chained
    }

    pub(crate) fn clock_limit_us(&self) -> Option<i64> {
        self.clock_limit_us
    }

    /// Whether one of its statements lost a race to another transaction, whatever was made of that
    /// error: nothing of it is kept, and the whole of it may work the next time.
    pub fn lost_a_race(&self) -> bool {
        self.raced
    }

    /// Whether one of its statements waited for another transaction for longer than anybody waits:
    /// nothing of it is kept.
    pub fn got_no_turn(&self) -> bool {
        self.no_turn
    }

    fn note(&mut self, error: Option<&Error>) {
        self.failed |= error.is_some();
        self.raced |= error.is_some_and(Error::is_race);
        self.no_turn |= error.is_some_and(Error::is_no_turn);
    }

    fn not_failed(&self) -> Result<()> {
        if self.failed {
            return Err(Error::Conflict("an earlier statement of the transaction failed".into()));
        }
        Ok(())
    }
}

impl Queries for Tx {
    async fn query(&mut self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>> {
        self.not_failed()?;
        let rows = match &self.inner {
            Inner::Sqlite(tx) => tx.query(sql, values).await,
            Inner::Postgres(tx) => tx.query(sql, values).await,
        };
        self.note(rows.as_ref().err());
        rows
    }
}

impl Queries for Reader {
    async fn query(&mut self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>> {
        match &mut self.inner {
            ReaderInner::Sqlite(reader) => reader.query(sql, values).await,
            ReaderInner::Postgres(connection) => postgres::query(connection, sql, values).await,
        }
    }

    async fn query_opt(&mut self, sql: &'static str, values: &[Value]) -> Result<Option<Row>> {
        match &mut self.inner {
            ReaderInner::Sqlite(reader) => reader.look_up(sql, values).await,
            ReaderInner::Postgres(connection) => {
                let rows = postgres::query(connection, sql, values).await?;
                Ok(rows.into_iter().next())
            }
        }
    }
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx").field("failed", &self.failed).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}
