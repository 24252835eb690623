//! One handle for two engines: opening, transactions, reads.

use crate::{Applied, Result, Row, Value};

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
}

impl Default for Options {
    fn default() -> Self {
        Self { connections: 8, queue: 4096 }
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
#[derive(Debug, Clone)]
pub struct Db {}

/// A write transaction. Dropping it without [`Tx::commit`] undoes it.
///
/// Await nothing but functions of this crate while it is open, and no [`Db`] verb: on SQLite every
/// other writer waits for it.
#[derive(Debug)]
pub struct Tx {}

/// The read side. Each query sees what was committed before it.
#[derive(Debug)]
pub struct Reader {}

/// What may be asked of a transaction and of the read side alike.
pub trait Queries: Send {
    /// The rows that `sql` answers with. `$1`, `$2`, … stand for `values`.
    fn query(
        &mut self,
        sql: &'static str,
        values: &[Value],
    ) -> impl Future<Output = Result<Vec<Row>>> + Send;

    /// The first row, if there is one.
    fn query_opt(
        &mut self,
        sql: &'static str,
        values: &[Value],
    ) -> impl Future<Output = Result<Option<Row>>> + Send {
        async move { Ok(self.query(sql, values).await?.into_iter().next()) }
    }

    /// The one row of a statement that always answers with one.
    fn query_one(
        &mut self,
        sql: &'static str,
        values: &[Value],
    ) -> impl Future<Output = Result<Row>> + Send {
        async move {
            let row = self.query(sql, values).await?.into_iter().next();
            row.ok_or_else(|| crate::Error::Conflict("no row where there is always one".into()))
        }
    }
}

impl Db {
    /// Opens `sqlite:PATH`, `sqlite::memory:` or `postgres://…`. SQLite is migrated at once, after
    /// copying the file if it holds data; PostgreSQL by [`Db::migrate`].
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], also for a URL that means nothing.
    pub async fn open(url: &str, options: Options) -> Result<Self> {
        unimplemented!("{url} {options:?}")
    }

    /// The engine.
    pub fn kind(&self) -> Kind {
        unimplemented!()
    }

    /// Brings the schema up to date.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn migrate(&self) -> Result<Applied> {
        unimplemented!()
    }

    /// Looks at the database for `doctor`.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when it cannot even be asked.
    pub async fn check(&self) -> Result<Health> {
        unimplemented!()
    }

    /// Starts a write transaction.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn begin(&self) -> Result<Tx> {
        unimplemented!()
    }

    /// The read side.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn read(&self) -> Result<Reader> {
        unimplemented!()
    }

    /// Ends what was accepted and closes the database. Clones that are left are unavailable.
    pub async fn close(self) {
        unimplemented!()
    }
}

impl Tx {
    /// How many rows `sql` changed.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] and [`crate::Error::Conflict`].
    pub async fn execute(&mut self, sql: &'static str, values: &[Value]) -> Result<u64> {
        unimplemented!("{sql} {values:?}")
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`]; then it was undone, unless the connection broke meanwhile.
    pub async fn commit(self) -> Result<()> {
        unimplemented!()
    }
}

impl Queries for Tx {
    async fn query(&mut self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>> {
        unimplemented!("{sql} {values:?}")
    }
}

impl Queries for Reader {
    async fn query(&mut self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>> {
        unimplemented!("{sql} {values:?}")
    }
}
