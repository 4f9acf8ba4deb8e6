//! A log put into a new file as it is: the same offsets and append times. For a shop that is rebuilt as it once was.

use std::path::Path;

use shoptide_schemas::Topic;
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection};

use super::failure::Failure;
use super::schema;
use crate::{LogError, Record};

/// Rows of one statement: six values each, far below what SQLite takes.
const ROWS: usize = 256;
/// Records of one transaction: some megabytes in memory.
const TRANSACTION: usize = 50_000;

/// A log's file while records are put into it. It is no log before [`LogCopy::finish`].
pub struct LogCopy {
    connection: SqliteConnection,
    many: String,
    open: usize,
}

impl LogCopy {
    /// Makes the file.
    ///
    /// # Errors
    /// [`LogError::Unusable`] if it is there already, or cannot be made.
    pub async fn create(path: &Path, partitions: u32) -> Result<Self, LogError> {
        if path.exists() {
            return Err(LogError::Unusable(format!("{} is there already", path.display())));
        }
        schema::prepare(path, partitions).await?;
        // Nobody opens it before it is finished, and whoever is stopped half way begins anew: no journal is needed.
        let options = schema::writing(path, false)
            .journal_mode(SqliteJournalMode::Off)
            .synchronous(SqliteSynchronous::Off)
            .pragma("cache_size", "-65536");
        let connection = options.connect().await.map_err(failed)?;
        let many = format!("{INSERT} {}", vec!["(?, ?, ?, ?, ?, ?)"; ROWS].join(", "));
        Ok(Self { connection, many, open: 0 })
    }

    /// Puts records; one that is there stays.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] if the disk refuses.
    pub async fn put(&mut self, records: &[Record]) -> Result<(), LogError> {
        if self.open == 0 {
            self.run("BEGIN").await?;
        }
        for some in records.chunks(ROWS) {
            if some.len() == ROWS {
                let query = bound(sqlx::query(AssertSqlSafe(self.many.clone())), some);
                query.execute(&mut self.connection).await.map_err(failed)?;
                continue;
            }
            for one in some.chunks(1) {
                let sql = format!("{INSERT} (?, ?, ?, ?, ?, ?)");
                bound(sqlx::query(AssertSqlSafe(sql)), one)
                    .execute(&mut self.connection)
                    .await
                    .map_err(failed)?;
            }
        }
        self.open += records.len().max(1);
        if TRANSACTION <= self.open { self.commit().await } else { Ok(()) }
    }

    /// Says where a partition begins and ends, and the greatest append time of it.
    ///
    /// # Errors
    /// As [`LogCopy::put`].
    pub async fn head(
        &mut self,
        topic: Topic,
        partition: u32,
        first: i64,
        next: i64,
        last_ms: i64,
    ) -> Result<(), LogError> {
        const SQL: &str =
            "UPDATE head SET first_off = ?, next_off = ?, last_ms = ? WHERE topic = ? AND part = ?";
        let query = sqlx::query(SQL).bind(first).bind(next).bind(last_ms);
        let query = query.bind(i64::from(topic.code())).bind(i64::from(partition));
        query.execute(&mut self.connection).await.map(drop).map_err(failed)
    }

    /// Makes it a log that anybody may open.
    ///
    /// # Errors
    /// As [`LogCopy::put`].
    pub async fn finish(mut self) -> Result<(), LogError> {
        if self.open != 0 {
            self.commit().await?;
        }
        self.run("PRAGMA journal_mode = WAL").await?;
        self.connection.close().await.map_err(failed)
    }

    async fn commit(&mut self) -> Result<(), LogError> {
        self.open = 0;
        self.run("COMMIT").await
    }

    async fn run(&mut self, sql: &'static str) -> Result<(), LogError> {
        sqlx::query(sql).execute(&mut self.connection).await.map(drop).map_err(failed)
    }
}

const INSERT: &str = "INSERT OR IGNORE INTO record (topic, part, off, append_ms, record_key, payload) VALUES";

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

fn bound<'q>(mut query: Query<'q>, records: &[Record]) -> Query<'q> {
    for record in records {
        query = query
            .bind(i64::from(record.topic.code()))
            .bind(i64::from(record.partition))
            .bind(record.offset)
            .bind(record.appended.0)
            .bind(record.key.as_ref().map(|key| key.to_vec()))
            .bind(record.value.as_ref().map(|value| value.to_vec()));
    }
    query
}

fn failed(error: sqlx::Error) -> LogError {
    Failure::from(error).to_error()
}
