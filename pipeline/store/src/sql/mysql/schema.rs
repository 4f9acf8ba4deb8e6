//! The schema on a server: whether it is there and of this version, and the one command that changes it. DDL commits by
//! itself there, so progress is kept statement by statement and a crash in the middle is continued.

use shoptide_schemas::migrations;

use super::STORE;
use super::conn::{MysqlConn, code};
use crate::StoreError;
use crate::sql::conn::SqlConn;
use crate::sql::dialect::Dialect;
use crate::sql::schema::{latest, statements};
use crate::sql::value::Value;

/// One row a migration: how many of its statements are done, and whether that is all.
const PROGRESS: &str = "CREATE TABLE IF NOT EXISTS shoptide_migration (version BIGINT NOT NULL, done BIGINT NOT NULL, \
    complete BIGINT NOT NULL, PRIMARY KEY (version)) ENGINE=InnoDB";
/// One migration at a time; how long a second one waits for the first.
const LOCK: &str = "SELECT GET_LOCK(CONCAT(DATABASE(), '.shoptide_migration'), 60)";
const UNLOCK: &str = "SELECT RELEASE_LOCK(CONCAT(DATABASE(), '.shoptide_migration'))";
/// The largest statement is 4 MiB plus one row that goes alone.
const PACKET_BYTES_MIN: i64 = 16 * 1024 * 1024;

/// Refuses a server whose settings would cut values or refuse our batches.
pub(super) async fn check_server(conn: &mut MysqlConn) -> Result<(), StoreError> {
    let rows = conn
        .query(
            "SELECT CAST(@@max_allowed_packet AS SIGNED), CAST(@@innodb_flush_log_at_trx_commit AS SIGNED)",
            &[],
        )
        .await?;
    let Some(row) = rows.first() else {
        return Err(StoreError::Unusable("the truth's server does not tell its settings".into()));
    };
    let packet = row.int(0)?;
    if packet < PACKET_BYTES_MIN {
        return Err(StoreError::Unusable(format!(
            "the server's max_allowed_packet is {packet}, expected at least {PACKET_BYTES_MIN}"
        )));
    }
    let flush = row.int(1)?;
    if flush != 1 {
        tracing::warn!(
            store = STORE,
            innodb_flush_log_at_trx_commit = flush,
            "a crash of the server may lose budgets, which have no log; expected 1"
        );
    }
    Ok(())
}

/// The newest version that is complete, and whether one is half done.
async fn found(conn: &mut MysqlConn) -> Result<(i64, bool), StoreError> {
    let sql = "SELECT CAST(COUNT(*) AS SIGNED) FROM information_schema.tables \
        WHERE table_schema = DATABASE() AND table_name = 'shoptide_migration'";
    let there = conn.query(sql, &[]).await?.first().map_or(Ok(0), |row| row.int(0))?;
    if there == 0 {
        return Ok((0, false));
    }
    let (mut version, mut half) = (0, false);
    for row in conn.query("SELECT version, complete FROM shoptide_migration ORDER BY version", &[]).await? {
        match row.int(1)? {
            0 => half = true,
            _ => version = row.int(0)?,
        }
    }
    Ok((version, half))
}

fn newer(version: i64) -> StoreError {
    StoreError::Unusable(format!(
        "the truth's schema was made by a newer version ({version}), expected at most {}",
        latest()
    ))
}

/// Checks that the schema is the one that this program knows.
pub(super) async fn check_version(conn: &mut MysqlConn) -> Result<(), StoreError> {
    let (version, half) = found(conn).await?;
    if latest() < version {
        return Err(newer(version));
    }
    if version < latest() || half {
        return Err(StoreError::Unusable(format!(
            "the truth's schema is of version {version}{}, expected {}: run `shoptide migrate`",
            if half { " and half way to the next" } else { "" },
            latest()
        )));
    }
    Ok(())
}

/// Applies what is missing.
pub(super) async fn migrate(conn: &mut MysqlConn) -> Result<Vec<i64>, StoreError> {
    let locked = conn.query(LOCK, &[]).await?.first().is_some_and(|row| row.int(0).is_ok_and(|got| got == 1));
    if !locked {
        let reason = "another process migrates the schema and has not ended within 60 s".to_owned();
        return Err(StoreError::Unavailable { store: STORE, reason });
    }
    let applied = apply(conn).await;
    conn.query(UNLOCK, &[]).await?;
    applied
}

async fn apply(conn: &mut MysqlConn) -> Result<Vec<i64>, StoreError> {
    let (version, _) = found(conn).await?;
    if latest() < version {
        return Err(newer(version));
    }
    conn.run(PROGRESS).await?;
    let mut applied = Vec::new();
    for migration in migrations::STORE {
        let key = [Value::Int(migration.version)];
        let begin = "INSERT IGNORE INTO shoptide_migration (version, done, complete) VALUES (?, 0, 0)";
        let again = conn.execute(begin, &key).await? == 0;
        let progress = "SELECT done, complete FROM shoptide_migration WHERE version = ?";
        let rows = conn.query(progress, &key).await?;
        let (done, complete) = rows.first().map_or(Ok((0, 0)), |row| Ok((row.int(0)?, row.int(1)?)))?;
        if complete != 0 {
            continue;
        }
        for (place, statement) in (0_i64..).zip(statements(&Dialect::Mysql.ddl(migration.sql))) {
            if place < done {
                continue;
            }
            match conn.change(&statement).await {
                // The crash came between the statement and its mark.
                Err((Some(code::TABLE_EXISTS | code::COLUMN_EXISTS | code::KEY_EXISTS), _))
                    if again && place == done => {}
                Err((_, error)) => return Err(error),
                Ok(()) => {}
            }
            let mark = "UPDATE shoptide_migration SET done = ? WHERE version = ?";
            conn.execute(mark, &[Value::Int(place + 1), Value::Int(migration.version)]).await?;
        }
        conn.execute("UPDATE shoptide_migration SET complete = 1 WHERE version = ?", &key).await?;
        tracing::info!(store = STORE, version = migration.version, name = migration.name, "schema migrated");
        applied.push(migration.version);
    }
    Ok(applied)
}
