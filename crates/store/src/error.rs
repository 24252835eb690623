//! What can go wrong in the store. Not found is never an error, and neither is a refusal: both are
//! values of the functions that can meet them.

use std::sync::Arc;

use tokio_postgres::error::SqlState;

/// The error underneath, for the log. `Display` of [`Error`] never includes it.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database could not be asked, is overloaded or has no room. Nothing of the request was
    /// kept, unless the connection broke while it was being committed. Trying again may help.
    #[error("the database is not available")]
    Unavailable(#[source] Source),
    /// The request contradicts what is stored (a constraint, or a race that was lost too often).
    #[error("the request contradicts what is stored")]
    Conflict(#[source] Source),
    /// A stored value is none that this version knows.
    #[error("{table}.{column} of row {id} cannot be understood")]
    Corrupt {
        /// The table it stands in.
        table: String,
        /// The column it stands in.
        column: String,
        /// The row's identity; 0 when it has none.
        id: i64,
    },
}

/// What functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::Unavailable`] that we found ourselves.
    pub(crate) fn unavailable(why: &'static str) -> Self {
        Self::Unavailable(why.into())
    }

    /// Whether it is a race of transactions that was lost (a deadlock, or an order that cannot be:
    /// class 40 of SQL's states). Nothing of the transaction was kept, and the same may work the
    /// next time.
    pub fn is_race(&self) -> bool {
        self.of_server().and_then(class).is_some_and(|class| class == RACE)
    }

    /// Whether another transaction kept this one waiting for longer than anybody waits. Nothing of
    /// it was kept. SQLite has no queue: who writes one transaction after the other may keep each
    /// turn from who waits.
    pub fn is_no_turn(&self) -> bool {
        let Self::Unavailable(source) = self else { return false };
        let is_busy = |error: &Arc<rusqlite::Error>| {
            error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
        };
        source.downcast_ref().is_some_and(is_busy)
            || self.of_server().and_then(tokio_postgres::Error::code)
                == Some(&SqlState::LOCK_NOT_AVAILABLE)
    }

    fn of_server(&self) -> Option<&tokio_postgres::Error> {
        let (Self::Unavailable(source) | Self::Conflict(source)) = self else { return None };
        source.downcast_ref()
    }

    /// The same failure for another caller who was part of the same batch.
    pub(crate) fn for_another(&self) -> Self {
        let source = |source: &Source| Source::from(chain(source.as_ref()));
        match self {
            Self::Unavailable(inner) => Self::Unavailable(source(inner)),
            Self::Conflict(inner) => Self::Conflict(source(inner)),
            Self::Corrupt { table, column, id } => {
                Self::Corrupt { table: table.clone(), column: column.clone(), id: *id }
            }
        }
    }
}

/// An error and all that is underneath, in one line: some only say what they are in their source.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The class of errors that say that a race was lost.
pub(crate) const RACE: &str = "40";

/// The class of the server's error code; `None` when the error is not the server's.
pub(crate) fn class(error: &tokio_postgres::Error) -> Option<&str> {
    error.code().and_then(|state| state.code().get(..2))
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => Self::Conflict(error.into()),
            _ => Self::Unavailable(error.into()),
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        // Class 22 is a value out of range, 23 a violated constraint.
        match class(&error) {
            Some("22" | "23" | RACE) => Self::Conflict(error.into()),
            _ => Self::Unavailable(error.into()),
        }
    }
}

impl From<deadpool_postgres::PoolError> for Error {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        Self::Unavailable(error.into())
    }
}
