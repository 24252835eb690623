//! The connection that writes, with the statements that were prepared on it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{PrepFlags, Statement};

use crate::value::Shape;
use crate::{Result, Row, Value, dialect};

/// A connection whose statements are prepared once and then found by where their text lies in the
/// program: text that is looked at again for each of a few statements that a call takes would cost
/// as much as running them.
///
/// There are as many statements as this crate has literals.
pub(crate) struct Connection<'c> {
    raw: &'c rusqlite::Connection,
    prepared: RefCell<HashMap<Place, Prepared<'c>>>,
}

/// Where a literal lies, and its length: equal places are equal texts.
type Place = (usize, usize);

struct Prepared<'c> {
    statement: Statement<'c>,
    shape: Arc<Shape>,
}

impl<'c> Connection<'c> {
    pub(crate) fn new(raw: &'c rusqlite::Connection) -> Self {
        Self { raw, prepared: RefCell::default() }
    }

    /// The connection itself, for what is no statement of ours.
    pub(crate) fn raw(&self) -> &'c rusqlite::Connection {
        self.raw
    }

    /// Whether no transaction is open.
    pub(crate) fn is_autocommit(&self) -> bool {
        self.raw.is_autocommit()
    }

    /// The identity of the row that was inserted last.
    pub(crate) fn last_insert_rowid(&self) -> i64 {
        self.raw.last_insert_rowid()
    }

    /// How many rows `sql` changed.
    pub(crate) fn execute(&self, sql: &'static str, values: &[Value]) -> rusqlite::Result<usize> {
        self.with(sql, |prepared| prepared.statement.execute(rusqlite::params_from_iter(values)))
    }

    /// The rows that `sql` answers with.
    pub(crate) fn query(&self, sql: &'static str, values: &[Value]) -> rusqlite::Result<Vec<Row>> {
        self.with(sql, |prepared| super::rows(&mut prepared.statement, &prepared.shape, values))
    }

    fn with<T>(
        &self,
        sql: &'static str,
        run: impl FnOnce(&mut Prepared<'c>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut prepared = self.prepared.borrow_mut();
        let place = (sql.as_ptr().addr(), sql.len());
        if let Some(found) = prepared.get_mut(&place) {
            return run(found);
        }
        let text = dialect::lower_statement(sql);
        let flags = PrepFlags::SQLITE_PREPARE_PERSISTENT;
        let statement = self.raw.prepare_with_flags(&text, flags)?;
        let shape = super::shape(sql, &statement);
        run(prepared.entry(place).or_insert(Prepared { statement, shape }))
    }
}

/// How many rows `sql` changed.
pub(crate) fn execute(
    connection: &Connection<'_>,
    sql: &'static str,
    values: &[Value],
) -> Result<u64> {
    Ok(connection.execute(sql, values)? as u64)
}

/// The rows that `sql` answers with.
pub(crate) fn query(
    connection: &Connection<'_>,
    sql: &'static str,
    values: &[Value],
) -> Result<Vec<Row>> {
    Ok(connection.query(sql, values)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::values;

    /// The columns of a statement are those of its own text, also when it is run again.
    #[test]
    fn statements_are_told_apart() {
        let raw = rusqlite::Connection::open_in_memory().unwrap();
        let connection = Connection::new(&raw);
        let both = "SELECT $1 AS one; SELECT $2 AS two";
        let (one, two) = both.split_at("SELECT $1 AS one; ".len());
        let one = &one[..one.len() - 2];
        for n in 0..3_i64 {
            let rows = query(&connection, one, values![n]).unwrap();
            assert_eq!(rows[0].get::<i64>("one").unwrap(), n);
            let rows = query(&connection, two, values![0_i64, n]).unwrap();
            assert_eq!(rows[0].get::<i64>("two").unwrap(), n);
        }
        assert_eq!(connection.prepared.borrow().len(), 2);
    }

    /// What fails leaves a statement that can be run again.
    #[test]
    fn a_statement_that_failed_is_run_again() {
        let raw = rusqlite::Connection::open_in_memory().unwrap();
        let connection = Connection::new(&raw);
        execute(&connection, "CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT", &[]).unwrap();
        let sql = "INSERT INTO t (id) VALUES ($1)";
        assert_eq!(execute(&connection, sql, values![1_i64]).unwrap(), 1);
        assert!(execute(&connection, sql, values![1_i64]).is_err());
        assert_eq!(execute(&connection, sql, values![2_i64]).unwrap(), 1);
    }
}
