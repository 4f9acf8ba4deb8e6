//! One connection to MySQL or MariaDB behind [`SqlConn`], and what its error codes mean to a caller.

use std::future::Future;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt};
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlDatabaseError, MySqlRow};
use sqlx::{
    Arguments, AssertSqlSafe, ConnectOptions, Connection, Executor, MySqlConnection, Row as _, TypeInfo,
    ValueRef,
};

use super::STORE;
use crate::StoreError;
use crate::sql::conn::SqlConn;
use crate::sql::dialect::Dialect;
use crate::sql::value::{OwnedValue, Row, Value};

/// Statement texts of one connection: 19 tables by 13 row counts, and the reads. With 16 connections that is a third of the
/// 16,382 prepared statements that a server holds by default.
const STATEMENTS_CACHED: usize = 320;
/// How long goodbye may take.
const CLOSE_MAX: Duration = Duration::from_secs(1);
/// What every connection of ours relies on: a value that does not fit is an error, not cut.
const SESSION: &str = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO', \
    SESSION innodb_lock_wait_timeout = 5";
const READ_COMMITTED: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// Reads an address; its errors never repeat it, for it holds a password.
pub(super) fn connect_options(url: &str) -> Result<MySqlConnectOptions, StoreError> {
    let malformed = |_| {
        StoreError::Unusable(
            "the address of the truth is malformed, expected mysql://user:password@host:port/database with special \
             characters of the password percent-encoded"
                .into(),
        )
    };
    let options = MySqlConnectOptions::from_str(url).map_err(malformed)?;
    if options.get_database().is_none_or(str::is_empty) {
        return Err(StoreError::Unusable(
            "the address of the truth names no database after its last slash".into(),
        ));
    }
    Ok(options)
}

pub(super) fn settled(options: MySqlConnectOptions) -> MySqlConnectOptions {
    options
        .statement_cache_capacity(STATEMENTS_CACHED)
        // Statements of hundreds of rows would fill the log; failures are reported by whoever handles them.
        .disable_statement_logging()
}

/// An open connection.
pub struct MysqlConn {
    conn: MySqlConnection,
    patience: Duration,
    lost: bool,
}

impl MysqlConn {
    pub(super) async fn connect(
        options: &MySqlConnectOptions,
        within: Duration,
        patience: Duration,
    ) -> Result<Self, StoreError> {
        let conn = match tokio::time::timeout(within, options.connect()).await {
            Ok(connected) => connected.map_err(store_error)?,
            Err(_) => return Err(unavailable(format!("no connection within {} ms", within.as_millis()))),
        };
        let mut conn = Self { conn, patience, lost: false };
        conn.run(SESSION).await?;
        conn.run(READ_COMMITTED).await?;
        Ok(conn)
    }

    /// A statement that changes the schema; its error comes with its number.
    pub(super) async fn change(&mut self, sql: &str) -> Result<(), (Option<u16>, StoreError)> {
        let answer = tokio::time::timeout(self.patience, self.conn.execute(AssertSqlSafe(sql.to_owned())));
        match answer.await {
            Ok(answer) => answer.map(drop).map_err(|error| (number(&error), store_error(error))),
            Err(_) => Err((None, unavailable("the schema could not be changed in time".into()))),
        }
    }

    /// Whether the last error was a deadlock or a lock that could not be had in time.
    pub(super) fn lost_against_another(&self) -> bool {
        self.lost
    }

    async fn patient<T>(
        lost: &mut bool,
        patience: Duration,
        answer: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(patience, answer).await {
            Ok(answer) => answer.map_err(|error| {
                *lost = matches!(number(&error), Some(code::LOCK_WAIT | code::DEADLOCK));
                store_error(error)
            }),
            Err(_) => Err(unavailable(format!("no answer within {} ms", patience.as_millis()))),
        }
    }
}

#[async_trait]
impl SqlConn for MysqlConn {
    fn dialect(&self) -> Dialect {
        Dialect::Mysql
    }

    async fn run(&mut self, sql: &str) -> Result<(), StoreError> {
        let answer = self.conn.execute(AssertSqlSafe(sql.to_owned()));
        Self::patient(&mut self.lost, self.patience, answer).await.map(drop)
    }

    async fn execute(&mut self, sql: &str, args: &[Value<'_>]) -> Result<u64, StoreError> {
        let query = sqlx::query_with(AssertSqlSafe(sql.to_owned()), arguments(args)?);
        let answer = query.execute(&mut self.conn);
        Self::patient(&mut self.lost, self.patience, answer).await.map(|done| done.rows_affected())
    }

    async fn query(&mut self, sql: &str, args: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        let query = sqlx::query_with(AssertSqlSafe(sql.to_owned()), arguments(args)?);
        let answer = query.fetch_all(&mut self.conn);
        let rows = Self::patient(&mut self.lost, self.patience, answer).await?;
        rows.iter().map(row).collect()
    }

    fn stream<'a>(&'a mut self, sql: &str, args: &[Value<'_>]) -> BoxStream<'a, Result<Row, StoreError>> {
        let arguments = match arguments(args) {
            Ok(arguments) => arguments,
            Err(error) => return futures::stream::once(async { Err(error) }).boxed(),
        };
        let query = sqlx::query_with(AssertSqlSafe(sql.to_owned()), arguments);
        query.fetch(&mut self.conn).map(|found| row(&found.map_err(store_error)?)).boxed()
    }

    async fn close(self) {
        // The server ends what was open when the socket closes, with or without goodbye.
        if !matches!(tokio::time::timeout(CLOSE_MAX, self.conn.close()).await, Ok(Ok(()))) {
            tracing::debug!(store = STORE, "a connection was closed without goodbye");
        }
    }
}

fn arguments(args: &[Value<'_>]) -> Result<MySqlArguments, StoreError> {
    let mut arguments = MySqlArguments::default();
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

fn row(row: &MySqlRow) -> Result<Row, StoreError> {
    let value = |column: usize| {
        let raw = row.try_get_raw(column).map_err(store_error)?;
        if raw.is_null() {
            return Ok(OwnedValue::Null);
        }
        if raw.type_info().name().contains("INT") {
            return row.try_get_unchecked(column).map(OwnedValue::Int).map_err(store_error);
        }
        row.try_get_unchecked(column).map(OwnedValue::Bytes).map_err(store_error)
    };
    (0..row.len()).map(value).collect::<Result<Vec<_>, _>>().map(Row)
}

/// The error numbers of <https://mariadb.com/docs/server/reference/error-codes> that this file names; MySQL's are the same.
pub(super) mod code {
    pub const ACCESS_DENIED_DATABASE: u16 = 1044;
    pub const ACCESS_DENIED: u16 = 1045;
    pub const UNKNOWN_DATABASE: u16 = 1049;
    pub const TABLE_EXISTS: u16 = 1050;
    pub const COLUMN_EXISTS: u16 = 1060;
    pub const KEY_EXISTS: u16 = 1061;
    pub const NO_SUCH_TABLE: u16 = 1146;
    pub const LOCK_WAIT: u16 = 1205;
    pub const DEADLOCK: u16 = 1213;
    pub const COMMAND_DENIED: u16 = 1142;
    pub const PACKET_TOO_LARGE: u16 = 1153;
    /// Too many connections, shutting down, out of memory, disk or table full, read only, killed, time-outs: all may pass.
    pub const MAY_PASS: &[u16] = &[
        1021, 1037, 1038, 1040, 1041, 1053, 1114, 1194, 1203, 1226, 1290, 1317, 1792, 1836, 1927, 1969, 3024,
    ];
}

pub(super) fn number(error: &sqlx::Error) -> Option<u16> {
    Some(error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?.number())
}

fn unavailable(reason: String) -> StoreError {
    StoreError::Unavailable { store: STORE, reason }
}

/// What a caller can do about an error of the server. Messages of the server may quote values, which are users' data: only
/// its numbers are passed on where it may.
pub(super) fn store_error(error: sqlx::Error) -> StoreError {
    let told = |text: String| StoreError::Unusable(text);
    match number(&error) {
        Some(code::ACCESS_DENIED | code::ACCESS_DENIED_DATABASE) => told(
            "the truth's server denies access (1045): check user, password and rights of the address, and that the database \
             exists"
                .into(),
        ),
        Some(code::UNKNOWN_DATABASE) => {
            told("the database of the truth's address does not exist (1049): create it first".into())
        }
        Some(code::NO_SUCH_TABLE) => {
            told("a table of the truth is missing (1146): run `shoptide migrate`".into())
        }
        Some(code::COMMAND_DENIED) => {
            told("the truth's user lacks a right (1142): it needs SELECT, INSERT, UPDATE, DELETE, and to migrate CREATE, INDEX, ALTER".into())
        }
        Some(code::PACKET_TOO_LARGE) => {
            told("the server's max_allowed_packet is too small (1153): expected at least 16 MiB".into())
        }
        Some(n @ (code::LOCK_WAIT | code::DEADLOCK)) => {
            unavailable(format!("a transaction lost against another ({n})"))
        }
        Some(n) if code::MAY_PASS.contains(&n) => unavailable(format!("the server cannot write now ({n})")),
        Some(n) => told(format!("the truth refused a statement ({n})")),
        None => match error {
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
                unavailable(error.to_string())
            }
            sqlx::Error::Tls(_) => told(format!("no encrypted connection: {error}")),
            other => told(format!("the truth answered what is no answer: {other}")),
        },
    }
}
