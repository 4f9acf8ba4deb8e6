//! The file itself: whose it is, of which version, and the steps from there to the version of today.

use std::path::Path;
use std::time::Duration;

use shoptide_schemas::Topic;
use shoptide_schemas::migrations::LOG;
use shoptide_schemas::topic::ALL_TOPICS;
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection};

use super::failure::Failure;
use crate::LogError;

/// `STLG`, in the place of the file where SQLite keeps its application's mark.
const APPLICATION_ID: i64 = 0x5354_4c47;
/// SQLite itself waits this long for another connection's lock; a group commit holds it for some milliseconds.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(1);
/// Attempts beyond that, with [`backoff`] in between: some 4 s in all, then the producer hears of it.
pub(super) const BUSY_TRIES_MAX: u32 = 4;
/// Pages in the write-ahead log before it is folded into the file: 8 MiB, so that one fold stays short.
const CHECKPOINT_PAGES: u32 = 2_048;
/// A write-ahead log that readers made longer is cut back to this.
const WAL_BYTES_MAX: u32 = 64 * 1024 * 1024;

/// Connections that read.
pub(super) fn reading(path: &Path) -> SqliteConnectOptions {
    plain(path).pragma("query_only", "ON")
}

/// The connection that writes.
pub(super) fn writing(path: &Path, fsync: bool) -> SqliteConnectOptions {
    plain(path)
        .synchronous(if fsync { SqliteSynchronous::Full } else { SqliteSynchronous::Normal })
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
        .pragma("journal_size_limit", WAL_BYTES_MAX.to_string())
}

/// Waits longer with each try.
pub(super) async fn backoff(tries: u32) {
    tokio::time::sleep(Duration::from_millis(10 << tries.min(6))).await;
}

/// Makes the file or brings it to the version of today.
pub(super) async fn prepare(path: &Path, partitions: u32) -> Result<(), LogError> {
    let mut tries = 0;
    loop {
        match attempt(path, partitions).await {
            // Two processes may meet while making the file.
            Err(failure) if failure.busy && tries < BUSY_TRIES_MAX => tries += 1,
            done => return done.map_err(|failure| failure.at(path).to_error()),
        }
        backoff(tries).await;
    }
}

async fn attempt(path: &Path, partitions: u32) -> Result<(), Failure> {
    let options = plain(path).create_if_missing(true).synchronous(SqliteSynchronous::Full);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let prepared = bring_up(&mut connection, partitions).await;
    // Closed in any case, so that a transaction left open by a failure ends here.
    let closed = connection.close().await;
    prepared?;
    Ok(closed?)
}

async fn bring_up(connection: &mut SqliteConnection, partitions: u32) -> Result<(), Failure> {
    let newest = LOG.iter().map(|m| m.version).max().unwrap_or(0);
    // In one transaction, or another process could make the file between two looks at it.
    let mut looking = connection.begin().await?;
    let found = version(&mut looking).await?;
    looking.rollback().await?;
    if newest < found {
        return Err(Failure::unusable(format!(
            "this log has version {found}, this program knows up to {newest}: use the newer program"
        )));
    }
    if 0 < found {
        check_partitions(connection, partitions).await?;
    }
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(Failure::unusable(format!(
            "journal mode is {mode}, expected wal: is this a network disk?"
        )));
    }
    if found < newest {
        migrate(connection, partitions).await?;
        check_partitions(connection, partitions).await?;
    }
    Ok(())
}

/// The version of our file, 0 for an empty one.
async fn version(connection: &mut SqliteConnection) -> Result<i64, Failure> {
    let application: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await?;
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *connection).await?;
    match application {
        APPLICATION_ID => Ok(version),
        0 if version == 0 && tables == 0 => Ok(0),
        _ => Err(Failure::unusable("this SQLite file is not a log of shoptide")),
    }
}

async fn migrate(connection: &mut SqliteConnection, partitions: u32) -> Result<(), Failure> {
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    // Once more, now that nobody else can: another process may have been faster.
    let found = version(&mut tx).await?;
    for step in LOG.iter().filter(|m| found < m.version) {
        let sql = step.sql.replace("{BYTES}", "BLOB").replace("{END}", " WITHOUT ROWID");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *tx).await?;
        let mark =
            format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}", step.version);
        sqlx::raw_sql(AssertSqlSafe(mark)).execute(&mut *tx).await?;
    }
    if found == 0 {
        for topic in ALL_TOPICS {
            let count = if topic.is_user() { partitions } else { 1 };
            for partition in 0..count {
                sqlx::query(
                    "INSERT INTO head (topic, part, first_off, next_off, last_ms) VALUES (?, ?, 0, 0, 0)",
                )
                .bind(i64::from(topic.code()))
                .bind(i64::from(partition))
                .execute(&mut *tx)
                .await?;
            }
        }
    }
    Ok(tx.commit().await?)
}

async fn check_partitions(connection: &mut SqliteConnection, partitions: u32) -> Result<(), Failure> {
    let counts = sqlx::query("SELECT topic, count(*) FROM head GROUP BY topic").fetch_all(connection).await?;
    for row in counts {
        let (code, found): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let expected = if code == i64::from(Topic::Catalogue.code()) { 1 } else { i64::from(partitions) };
        if found != expected {
            return Err(Failure::unusable(format!(
                "this log has {found} partitions a topic, the configuration says {expected}: a log's count never changes"
            )));
        }
    }
    Ok(())
}

/// Touches nothing in the file by itself, so that a file of somebody else stays as it is.
fn plain(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging()
}
