//! Opening a file: whose is it, of which version, and what are its settings. A file that is not ours is never changed.

use std::time::Duration;

use shoptide_schemas::migrations;
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

use super::conn::SqliteConn;
use super::{STORE, SqliteTruthOptions};
use crate::StoreError;
use crate::sql::conn::SqlConn;
use crate::sql::dialect::Dialect;
use crate::sql::schema::{latest, statements};

/// Marks our files ("ShTi"), so that another program's database is refused.
const APPLICATION_ID: i64 = 0x5368_5469;
/// A commit touches other users' pages than the last one, so small pages write less: with one shard, 8 KiB was about 10 %
/// and 16 KiB about 30 % slower (`examples/commit_rate.rs`).
const PAGE_BYTES: u32 = 4096;
/// Pages in the write-ahead log before they are moved into the file: 32 MiB. Half of it cost about a tenth of the rate; twice
/// of it gained nothing.
pub(super) const WAL_PAGES: u32 = 8192;
/// Pages before a commit moves them itself: never, while whoever moves them beside the commits does.
const WAL_PAGES_MAX: u32 = 4 * WAL_PAGES;
/// What the log is cut to after a long read kept it from being moved.
const WAL_BYTES_KEPT: u32 = 64 * 1024 * 1024;
/// How long SQLite itself waits for another process' transaction, which is milliseconds long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Two processes that make the same file at once: the switch to WAL does not wait.
const OPEN_TRIES_MAX: u32 = 20;
const OPEN_PAUSE: Duration = Duration::from_millis(50);
/// Statement texts: 19 tables by 13 row counts, and the reads.
const STATEMENTS_CACHED: usize = 320;

fn base_options(options: &SqliteTruthOptions) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(&options.path)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENTS_CACHED)
        // Statements of hundreds of rows would fill the log; failures are reported by whoever handles them.
        .disable_statement_logging()
}

fn cache_size(bytes: usize) -> String {
    // Negative means KiB.
    format!("-{}", bytes / 1024)
}

pub(super) fn writer_options(options: &SqliteTruthOptions) -> SqliteConnectOptions {
    let base = base_options(options)
        .create_if_missing(true)
        .page_size(PAGE_BYTES)
        .journal_mode(SqliteJournalMode::Wal)
        // A power cut may lose the last commits, never half of one: states and offsets go back together, the log still has
        // the records, and replaying them gives the same bytes.
        .synchronous(SqliteSynchronous::Normal)
        .pragma("wal_autocheckpoint", WAL_PAGES_MAX.to_string())
        .pragma("journal_size_limit", WAL_BYTES_KEPT.to_string())
        // Statements of many rows note what they change, to undo a statement alone: in memory, since a file for it took 20 % of
        // a commit. It is bounded by the pages of one statement.
        .pragma("temp_store", "MEMORY")
        .pragma("cache_size", cache_size(options.write_cache_bytes));
    let base = match options.unjournaled {
        true => base.journal_mode(SqliteJournalMode::Off).synchronous(SqliteSynchronous::Off),
        false => base,
    };
    match options.pages_max {
        Some(pages) => base.pragma("max_page_count", pages.to_string()),
        None => base,
    }
}

/// For the connection that moves the write-ahead log into the file.
pub(super) fn checkpoint_options(options: &SqliteTruthOptions) -> SqliteConnectOptions {
    base_options(options).synchronous(SqliteSynchronous::Normal)
}

pub(super) fn reader_options(options: &SqliteTruthOptions, read_only: bool) -> SqliteConnectOptions {
    base_options(options)
        .read_only(read_only)
        .pragma("query_only", "ON")
        .pragma("cache_size", cache_size(options.read_cache_bytes))
}

/// What a file holds before it is touched.
enum Found {
    Nothing,
    Ours { version: i64 },
}

async fn pragma(conn: &mut SqliteConn, sql: &str) -> Result<i64, StoreError> {
    conn.query(sql, &[]).await?.first().map_or(Ok(0), |row| row.int(0))
}

/// Looks at a file without changing it.
async fn look(options: &SqliteTruthOptions) -> Result<Found, StoreError> {
    let path = options.path.display();
    if !options.path.exists() {
        return Ok(Found::Nothing);
    }
    let mut conn = SqliteConn::connect(&base_options(options).read_only(true)).await?;
    // One state for all three: another process may be making the file.
    conn.run("BEGIN").await?;
    let owner = pragma(&mut conn, "PRAGMA application_id").await?;
    let version = pragma(&mut conn, "PRAGMA user_version").await?;
    let tables = pragma(&mut conn, "SELECT COUNT(*) FROM sqlite_schema").await?;
    conn.close().await;
    match owner {
        0 if version == 0 && tables == 0 => Ok(Found::Nothing),
        APPLICATION_ID if version <= latest() => Ok(Found::Ours { version }),
        APPLICATION_ID => Err(StoreError::Unusable(format!(
            "{path} was written by a newer version ({version}), expected at most {}",
            latest()
        ))),
        _ => Err(StoreError::Unusable(format!("{path} is a database of another program"))),
    }
}

/// Checks that a file can be read as it is.
pub(super) async fn check_readable(options: &SqliteTruthOptions) -> Result<(), StoreError> {
    let path = options.path.display();
    match look(options).await? {
        Found::Ours { version } if version == latest() => Ok(()),
        Found::Ours { version } => Err(StoreError::Unusable(format!(
            "{path} was written by an older version ({version}), expected {}: start the service once",
            latest()
        ))),
        Found::Nothing => Err(StoreError::Unusable(format!("{path} holds no truth yet"))),
    }
}

/// Opens the connection that writes, with the schema at its newest version.
pub(super) async fn for_writing(options: &SqliteTruthOptions) -> Result<SqliteConn, StoreError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let opened = match look(options).await {
            Ok(_) => migrated(options).await,
            Err(error) => Err(error),
        };
        match opened {
            Err(StoreError::Unavailable { .. }) if tries < OPEN_TRIES_MAX => {
                tokio::time::sleep(OPEN_PAUSE).await
            }
            other => return other,
        }
    }
}

async fn migrated(options: &SqliteTruthOptions) -> Result<SqliteConn, StoreError> {
    let mut conn = SqliteConn::connect(&writer_options(options)).await?;
    for migration in migrations::STORE {
        if pragma(&mut conn, "PRAGMA user_version").await? < migration.version {
            conn.run(Dialect::Sqlite.begin_write()).await?;
            // Another process may have done it while this one waited.
            if pragma(&mut conn, "PRAGMA user_version").await? < migration.version {
                for statement in statements(&Dialect::Sqlite.ddl(migration.sql)) {
                    conn.run(&statement).await?;
                }
                conn.run(&format!("PRAGMA application_id = {APPLICATION_ID}")).await?;
                conn.run(&format!("PRAGMA user_version = {}", migration.version)).await?;
                tracing::info!(
                    store = STORE,
                    version = migration.version,
                    name = migration.name,
                    "schema migrated"
                );
            }
            conn.run("COMMIT").await?;
        }
    }
    Ok(conn)
}
