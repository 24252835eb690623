//! SQLite: one writer thread with group commit, and short reads on read-only connections.
//!
//! Nobody else in the process may write: two writers would wait for each other by polling.

mod checkpoint;
mod connection;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{OpenFlags, Statement};
use tokio::sync::oneshot;

use crate::value::Shape;
use crate::{Error, Options, Result, Row, Value, dialect, migrate};
use checkpoint::Checkpoints;
pub(crate) use connection::{Connection, execute, query};
pub(crate) use writer::Transaction;
use writer::Writer;

/// How long a connection waits for a writer of another process, such as the command line.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements kept by a connection of a reader.
const STATEMENTS_MAX: usize = 128;
/// Read connections kept for the next reader.
const READERS_MAX: usize = 8;

/// An open SQLite database.
pub(crate) struct Sqlite {
    writer: Writer,
    readers: Option<Readers>,
}

/// The pool of read-only connections; a database in memory has none and reads through the writer.
#[derive(Clone)]
struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<rusqlite::Connection>>>,
}

/// The read side of a SQLite database.
pub(crate) enum Reader {
    /// A connection of its own; taken for each query, `None` after one was lost.
    Own(OwnReader),
    /// A database in memory: the writer answers between two groups.
    Writer(Writer),
}

/// A pooled connection that goes back when it is dropped.
pub(crate) struct OwnReader {
    readers: Readers,
    connection: Option<rusqlite::Connection>,
}

impl Sqlite {
    /// Opens and migrates the database at `path`, or one in memory.
    pub(crate) async fn open(path: Option<&Path>, options: Options) -> Result<Self> {
        let owned = path.map(Path::to_path_buf);
        let (connection, checkpoints) = blocking(move || {
            let mut connection = open_for_writing(owned.as_deref())?;
            let of = |path: PathBuf| Checkpoints::of(&path, &mut connection);
            let checkpoints = owned.map(of).transpose()?;
            Ok((connection, checkpoints))
        })
        .await?;
        let readers = path.map(|path| Readers { path: path.to_path_buf(), idle: Arc::default() });
        Ok(Self { writer: Writer::start(connection, checkpoints, options.queue)?, readers })
    }

    /// Runs `work` in a savepoint of the writer's next group; answers after its commit.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer.write(work).await
    }

    /// Opens a transaction in the writer's next group.
    pub(crate) async fn begin(&self) -> Result<Transaction> {
        self.writer.begin().await
    }

    /// The read side.
    pub(crate) fn read(&self) -> Reader {
        match &self.readers {
            Some(readers) => Reader::Own(OwnReader { readers: readers.clone(), connection: None }),
            None => Reader::Writer(self.writer.clone()),
        }
    }

    /// Ends the writer's last group and its thread.
    pub(crate) async fn close(&self) {
        self.writer.close().await;
        if let Some(readers) = &self.readers {
            readers.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}

impl Reader {
    /// The first row of a look-up by key. It touches a handful of pages that are in memory as a
    /// rule, so it runs where it is asked: handing it to another thread and back would take
    /// several times as long as the look-up itself.
    pub(crate) async fn look_up(
        &mut self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<Option<Row>> {
        if let Self::Own(own) = self
            && let Some(connection) = own.connection.take().or_else(|| own.readers.take_idle())
        {
            let rows = read(&connection, sql, values);
            own.connection = Some(connection);
            return Ok(rows?.into_iter().next());
        }
        Ok(self.query(sql, values).await?.into_iter().next())
    }

    /// The rows of a reading statement.
    pub(crate) async fn query(&mut self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>> {
        let values = values.to_vec();
        match self {
            Self::Writer(writer) => writer.query(sql, values).await,
            Self::Own(own) => {
                let kept = own.connection.take();
                let readers = own.readers.clone();
                let (connection, rows) = blocking(move || {
                    let connection = kept.map_or_else(|| readers.take(), Ok)?;
                    let rows = read(&connection, sql, &values);
                    Ok((connection, rows))
                })
                .await?;
                own.connection = Some(connection);
                rows
            }
        }
    }
}

impl Drop for OwnReader {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let mut idle = self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < READERS_MAX {
            idle.push(connection);
        }
    }
}

impl Readers {
    fn take_idle(&self) -> Option<rusqlite::Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn take(&self) -> Result<rusqlite::Connection> {
        if let Some(connection) = self.take_idle() {
            return Ok(connection);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        keep_plans(&connection)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        Ok(connection)
    }
}

/// Runs `work`, which may wait for the disk, where it delays nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Unavailable(error.into()))?
}

fn open_for_writing(path: Option<&Path>) -> Result<rusqlite::Connection> {
    let mut connection = match path {
        Some(path) => rusqlite::Connection::open(path)?,
        None => rusqlite::Connection::open_in_memory()?,
    };
    connection.busy_timeout(BUSY_TIMEOUT)?;
    keep_plans(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    migrate::sqlite(&mut connection, path, &migrate::files())?;
    Ok(connection)
}

/// A plan does not depend on the values that are looked for. Otherwise SQLite plans a statement
/// anew each time such a value changes, which costs more than running it.
fn keep_plans(connection: &rusqlite::Connection) -> Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// The rows that `sql` answers with on a connection of a reader.
fn read(
    connection: &rusqlite::Connection,
    sql: &'static str,
    values: &[Value],
) -> Result<Vec<Row>> {
    let mut statement = connection.prepare_cached(&dialect::lower_statement(sql))?;
    let shape = shape(sql, &statement);
    Ok(rows(&mut statement, &shape, values)?)
}

/// What the rows of a statement have in common.
fn shape(sql: &'static str, statement: &Statement<'_>) -> Arc<Shape> {
    let columns = statement.column_names().map(str::to_owned).collect();
    Arc::new(Shape { sql, columns })
}

/// Runs a statement to its end.
fn rows(
    statement: &mut Statement<'_>,
    shape: &Arc<Shape>,
    values: &[Value],
) -> rusqlite::Result<Vec<Row>> {
    let mut found = statement.query(rusqlite::params_from_iter(values))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let values: rusqlite::Result<Vec<Value>> =
            (0..shape.columns.len()).map(|column| row.get(column)).collect();
        rows.push(Row { shape: Arc::clone(shape), values: values? });
    }
    Ok(rows)
}

/// Waits for an answer of the writer thread.
async fn answer<T>(reply: oneshot::Receiver<Result<T>>) -> Result<T> {
    reply.await.unwrap_or_else(|_| Err(Error::unavailable("the writer has stopped")))
}
