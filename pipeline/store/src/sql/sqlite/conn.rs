//! One SQLite connection behind [`SqlConn`], and what its error codes mean to a caller.

use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt};
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteRow};
use sqlx::{
    Arguments, AssertSqlSafe, ConnectOptions, Connection, Executor, Row as _, SqliteConnection, TypeInfo,
    ValueRef,
};

use super::STORE;
use crate::StoreError;
use crate::sql::conn::SqlConn;
use crate::sql::dialect::Dialect;
use crate::sql::value::{OwnedValue, Row, Value};

/// An open connection.
pub struct SqliteConn(SqliteConnection);

impl SqliteConn {
    pub async fn connect(options: &SqliteConnectOptions) -> Result<Self, StoreError> {
        options.connect().await.map(Self).map_err(store_error)
    }
}

#[async_trait]
impl SqlConn for SqliteConn {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn run(&mut self, sql: &str) -> Result<(), StoreError> {
        self.0.execute(AssertSqlSafe(sql.to_owned())).await.map(drop).map_err(store_error)
    }

    async fn execute(&mut self, sql: &str, args: &[Value<'_>]) -> Result<u64, StoreError> {
        let query = sqlx::query_with(AssertSqlSafe(sql.to_owned()), arguments(args)?);
        query.execute(&mut self.0).await.map(|done| done.rows_affected()).map_err(store_error)
    }

    async fn query(&mut self, sql: &str, args: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        let query = sqlx::query_with(AssertSqlSafe(sql.to_owned()), arguments(args)?);
        let rows = query.fetch_all(&mut self.0).await.map_err(store_error)?;
        rows.iter().map(row).collect()
    }

    fn stream<'a>(&'a mut self, sql: &str, args: &[Value<'_>]) -> BoxStream<'a, Result<Row, StoreError>> {
        let arguments = match arguments(args) {
            Ok(arguments) => arguments,
            Err(error) => return futures::stream::once(async { Err(error) }).boxed(),
        };
        let query = sqlx::query_with(AssertSqlSafe(sql.to_owned()), arguments);
        query.fetch(&mut self.0).map(|found| row(&found.map_err(store_error)?)).boxed()
    }

    async fn close(self) {
        // The file is consistent whether or not the last checkpoint succeeds.
        if let Err(error) = self.0.close().await {
            tracing::debug!(%error, "closing a connection of the truth failed");
        }
    }
}

fn arguments(args: &[Value<'_>]) -> Result<SqliteArguments, StoreError> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(args.len(), 0);
    for value in args {
        let added = match value {
            Value::Int(value) => arguments.add(*value),
            Value::Bytes(bytes) => arguments.add(*bytes),
            Value::Null => arguments.add(None::<i64>),
        };
        added.map_err(|error| StoreError::Unusable(format!("a value could not be bound: {error}")))?;
    }
    Ok(arguments)
}

fn row(row: &SqliteRow) -> Result<Row, StoreError> {
    let value = |column: usize| {
        let raw = row.try_get_raw(column).map_err(store_error)?;
        if raw.is_null() {
            return Ok(OwnedValue::Null);
        }
        if raw.type_info().name() == "INTEGER" {
            return row.try_get_unchecked(column).map(OwnedValue::Int).map_err(store_error);
        }
        row.try_get_unchecked(column).map(OwnedValue::Bytes).map_err(store_error)
    };
    (0..row.len()).map(value).collect::<Result<Vec<_>, _>>().map(Row)
}

/// The primary codes of <https://www.sqlite.org/rescode.html> that this file names.
mod code {
    pub const BUSY: i32 = 5;
    pub const LOCKED: i32 = 6;
    pub const NO_MEMORY: i32 = 7;
    pub const READ_ONLY: i32 = 8;
    pub const INTERRUPT: i32 = 9;
    pub const IO: i32 = 10;
    pub const CORRUPT: i32 = 11;
    pub const FULL: i32 = 13;
    pub const CANNOT_OPEN: i32 = 14;
    pub const PROTOCOL: i32 = 15;
    pub const NOT_A_DATABASE: i32 = 26;
}

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let extended: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

/// What a caller can do about an error of SQLite. Its messages hold names and numbers of ours, never values.
fn store_error(error: sqlx::Error) -> StoreError {
    let unavailable = |reason: String| StoreError::Unavailable { store: STORE, reason };
    match primary_code(&error) {
        Some(code::BUSY | code::LOCKED | code::PROTOCOL) => {
            unavailable(format!("another process holds the file: {error}"))
        }
        Some(code::FULL) => unavailable(format!("no space is left: {error}")),
        Some(code::IO | code::NO_MEMORY | code::READ_ONLY | code::INTERRUPT | code::CANNOT_OPEN) => {
            unavailable(error.to_string())
        }
        Some(code::CORRUPT | code::NOT_A_DATABASE) => {
            StoreError::Unusable(format!("the truth is damaged: {error}"))
        }
        Some(_) => StoreError::Unusable(format!("the truth refused a statement: {error}")),
        None => match error {
            sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => unavailable(error.to_string()),
            other => StoreError::Unusable(format!("the truth answered what is no answer: {other}")),
        },
    }
}
