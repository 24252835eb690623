//! Values on their way in and out of either engine, and the only place where a stored value is
//! found to be unreadable.

use std::sync::Arc;

use domain::{Rials, Timestamp};

use crate::{Error, Result};

/// A value of one of the three column types that both engines share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// `BIGINT`.
    Int(i64),
    /// `TEXT`.
    Text(String),
    /// `BYTEA`.
    Bytes(Vec<u8>),
}

/// One row of an answer.
#[derive(Debug, Clone)]
pub struct Row {
    pub(crate) shape: Arc<Shape>,
    pub(crate) values: Vec<Value>,
}

/// What the rows of one answer have in common.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) sql: &'static str,
    pub(crate) columns: Vec<String>,
}

/// A Rust type that a column can be read as.
pub trait Column: Sized {
    /// The value as this type, or `None` when it is none of it.
    fn read(value: &Value) -> Option<Self>;
}

impl Row {
    /// Reads `column`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the value is not one of `T`.
    pub fn get<T: Column>(&self, column: &str) -> Result<T> {
        self.read(column, T::read)
    }

    /// Reads an integer `column` through `decode`, for codes that stand for something.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it is no integer or `decode` does not know it.
    pub fn decode<T>(&self, column: &str, decode: impl Fn(i64) -> Option<T>) -> Result<T> {
        self.read(column, |value| i64::read(value).and_then(&decode))
    }

    /// Reads a nullable text `column` through `parse`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it is no text or `parse` does not know it.
    pub fn parse_opt<T>(
        &self,
        column: &str,
        parse: impl Fn(Option<&str>) -> Option<T>,
    ) -> Result<T> {
        self.read(column, |value| match value {
            Value::Text(text) => parse(Some(text)),
            Value::Null => parse(None),
            _ => None,
        })
    }

    /// Reads a text `column` through `parse`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it is no text or `parse` does not know it.
    pub fn parse<T>(&self, column: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
        self.read(column, |value| match value {
            Value::Text(text) => parse(text),
            _ => None,
        })
    }

    fn read<T>(&self, column: &str, read: impl Fn(&Value) -> Option<T>) -> Result<T> {
        let position = self.shape.columns.iter().position(|name| name == column);
        let value = position.and_then(|position| self.values.get(position));
        value.and_then(read).ok_or_else(|| self.corrupt(column))
    }

    /// The names of its columns with their values, in their order.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.shape.columns.iter().map(String::as_str).zip(&self.values)
    }

    /// The error that names `column` of this row.
    fn corrupt(&self, column: &str) -> Error {
        let mut words = self.shape.sql.split_whitespace().skip_while(|word| *word != "FROM");
        let table = words.nth(1).unwrap_or("?").to_owned();
        let id = self.values.first().and_then(i64::read).unwrap_or(0);
        Error::Corrupt { table, column: column.to_owned(), id }
    }
}

impl Column for i64 {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }
}

impl Column for u32 {
    fn read(value: &Value) -> Option<Self> {
        i64::read(value)?.try_into().ok()
    }
}

impl Column for u16 {
    fn read(value: &Value) -> Option<Self> {
        i64::read(value)?.try_into().ok()
    }
}

impl Column for u8 {
    fn read(value: &Value) -> Option<Self> {
        i64::read(value)?.try_into().ok()
    }
}

impl Column for String {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl Column for Vec<u8> {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }
}

impl Column for Timestamp {
    fn read(value: &Value) -> Option<Self> {
        i64::read(value).map(Self)
    }
}

impl Column for Rials {
    fn read(value: &Value) -> Option<Self> {
        i64::read(value).map(Self)
    }
}

impl<T: Column> Column for Option<T> {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::read(value).map(Some),
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u16> for Value {
    fn from(value: u16) -> Self {
        Self::Int(value.into())
    }
}

impl From<u8> for Value {
    fn from(value: u8) -> Self {
        Self::Int(value.into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::Int(value.0)
    }
}

impl From<Rials> for Value {
    fn from(value: Rials) -> Self {
        Self::Int(value.0)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Lets identities be read and written like the integers they are.
macro_rules! identity_columns {
    ($($name:ident),*) => {$(
        impl Column for domain::$name {
            fn read(value: &Value) -> Option<Self> {
                i64::read(value).map(Self)
            }
        }

        impl From<domain::$name> for Value {
            fn from(value: domain::$name) -> Self {
                Self::Int(value.0)
            }
        }
    )*};
}

identity_columns!(
    AccountId,
    CampaignId,
    CodeId,
    ExportId,
    MessageId,
    NodeId,
    PhoneId,
    PolicyId,
    QuickSendId,
    TariffId,
    TokenId,
    TrunkId,
    VantageId,
    WebhookId
);

/// The values of a statement, in the order of `$1`, `$2`, …
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        &[$($crate::value::Value::from($value)),*]
    };
}
pub(crate) use values;

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, ValueRef};
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl rusqlite::types::FromSql for Value {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        use rusqlite::types::{FromSqlError, ValueRef};
        match value {
            ValueRef::Null => Ok(Self::Null),
            ValueRef::Integer(value) => Ok(Self::Int(value)),
            ValueRef::Text(text) => Ok(Self::Text(String::from_utf8_lossy(text).into_owned())),
            ValueRef::Blob(bytes) => Ok(Self::Bytes(bytes.to_vec())),
            ValueRef::Real(_) => Err(FromSqlError::InvalidType),
        }
    }
}

type Failure = Box<dyn std::error::Error + Sync + Send>;

impl tokio_postgres::types::ToSql for Value {
    fn to_sql(
        &self,
        kind: &tokio_postgres::types::Type,
        out: &mut bytes::BytesMut,
    ) -> std::result::Result<tokio_postgres::types::IsNull, Failure> {
        match self {
            Self::Null => Ok(tokio_postgres::types::IsNull::Yes),
            Self::Int(value) => value.to_sql(kind, out),
            Self::Text(text) => text.to_sql(kind, out),
            Self::Bytes(bytes) => bytes.to_sql(kind, out),
        }
    }

    fn accepts(kind: &tokio_postgres::types::Type) -> bool {
        use tokio_postgres::types::Type;
        [Type::INT8, Type::TEXT, Type::BYTEA].contains(kind)
    }

    fn to_sql_checked(
        &self,
        kind: &tokio_postgres::types::Type,
        out: &mut bytes::BytesMut,
    ) -> std::result::Result<tokio_postgres::types::IsNull, Failure> {
        use tokio_postgres::types::Type;
        let fits = match self {
            Self::Null => true,
            Self::Int(_) => *kind == Type::INT8,
            Self::Text(_) => *kind == Type::TEXT,
            Self::Bytes(_) => *kind == Type::BYTEA,
        };
        if !fits {
            return Err(format!("a value of another type was given for a {kind}").into());
        }
        tokio_postgres::types::ToSql::to_sql(self, kind, out)
    }
}

impl<'a> tokio_postgres::types::FromSql<'a> for Value {
    fn from_sql(
        kind: &tokio_postgres::types::Type,
        raw: &'a [u8],
    ) -> std::result::Result<Self, Failure> {
        use tokio_postgres::types::Type;
        match *kind {
            Type::INT8 => i64::from_sql(kind, raw).map(Self::Int),
            Type::TEXT => String::from_sql(kind, raw).map(Self::Text),
            Type::BYTEA => Vec::<u8>::from_sql(kind, raw).map(Self::Bytes),
            _ => Err(format!("{kind} is not a type of this store").into()),
        }
    }

    fn from_sql_null(_: &tokio_postgres::types::Type) -> std::result::Result<Self, Failure> {
        Ok(Self::Null)
    }

    fn accepts(kind: &tokio_postgres::types::Type) -> bool {
        <Self as tokio_postgres::types::ToSql>::accepts(kind)
    }
}
