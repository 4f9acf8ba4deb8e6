//! The task that owns the connection that writes. Callers only wait for its answers, so nothing they do can stop a
//! transaction in its middle.

use tokio::sync::mpsc;

use super::checkpoints::Checkpoints;
use super::conn::SqliteConn;
use super::{Job, STORE, SqliteTruthOptions, open};
use crate::StoreError;
use crate::sql::conn::SqlConn;
use crate::sql::points;
use crate::sql::writes::{self, Write, Written};

/// Another process may hold the file for longer than SQLite itself waits; after that many waits the caller decides.
const BEGIN_TRIES_MAX: u32 = 3;

/// Serves jobs until the store is closed or dropped.
pub(super) async fn run(options: SqliteTruthOptions, first: SqliteConn, mut jobs: mpsc::Receiver<Job>) {
    let mut conn = Some(first);
    let mut checkpoints = Checkpoints::begin(options.clone());
    let mut closing = Vec::new();
    while let Some(job) = jobs.recv().await {
        match job {
            Job::Write { write, answer } => {
                let done = carry_out(&options, &mut conn, &write).await;
                // A caller that went away does not need the answer.
                let _ = answer.send(done);
                if let Some(conn) = &mut conn {
                    checkpoints.committed(conn).await;
                }
            }
            Job::Close { answer } => {
                // What waits already is still written.
                jobs.close();
                closing.push(answer);
            }
        }
    }
    checkpoints.end().await;
    if let Some(conn) = conn.take() {
        conn.close().await;
    }
    for answer in closing {
        let _ = answer.send(());
    }
}

/// One write in one transaction, all of it or nothing. A connection that failed is dropped, which rolls back whatever it
/// had begun, and the next write opens another.
async fn carry_out(
    options: &SqliteTruthOptions,
    held: &mut Option<SqliteConn>,
    write: &Write,
) -> Result<Written, StoreError> {
    let mut conn = match held.take() {
        Some(conn) => conn,
        None => SqliteConn::connect(&open::writer_options(options)).await?,
    };
    begin(&mut conn).await?;
    let outcome = match writes::run(&mut conn, write).await {
        Ok(written) => points::written(STORE, write).await.map(|()| written),
        Err(error) => Err(error),
    };
    match outcome {
        Ok(written) => {
            points::commit(&mut conn, STORE, write).await.map_err(lost_in_commit)?;
            *held = Some(conn);
            Ok(written)
        }
        Err(error) => {
            if conn.run("ROLLBACK").await.is_ok() {
                *held = Some(conn);
            }
            Err(error)
        }
    }
}

async fn begin(conn: &mut SqliteConn) -> Result<(), StoreError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match conn.run(conn.dialect().begin_write()).await {
            Err(StoreError::Unavailable { reason, .. }) if tries < BEGIN_TRIES_MAX => {
                tracing::warn!(store = STORE, reason, tries, "a transaction could not begin, trying again");
            }
            other => return other,
        }
    }
}

/// A disk may fail after the commit's mark was written: then only the offsets can tell.
fn lost_in_commit(error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable { store, reason } => StoreError::Unknown { store, reason },
        other => other,
    }
}
