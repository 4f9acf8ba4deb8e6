//! Notices what other processes append, while somebody here waits.

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use super::failure::Failure;
use super::heads;
use crate::slots::Slots;

/// How late an append of another process may be noticed. One look costs some 20 microseconds.
const POLL_EVERY: Duration = Duration::from_millis(20);

pub(super) async fn run(options: SqliteConnectOptions, slots: Arc<Slots>) {
    let mut eye = Eye { options, connection: None, seen: None };
    let mut failing = false;
    while !slots.is_closed() {
        if !slots.has_waiters() {
            slots.poll_wanted.notified().await;
            continue;
        }
        let looked = eye.look(&slots).await;
        if let (Err(failure), false) = (&looked, failing) {
            tracing::warn!(reason = %failure.to_error(), "the log cannot be watched for other processes' appends");
        }
        failing = looked.is_err();
        if failing {
            eye.connection = None;
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
    if let Some(connection) = eye.connection {
        let _closed = connection.close().await.is_ok();
    }
}

struct Eye {
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
    seen: Option<i64>,
}

impl Eye {
    async fn look(&mut self, slots: &Slots) -> Result<(), Failure> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            empty => {
                self.seen = None;
                empty.insert(SqliteConnection::connect_with(&self.options).await?)
            }
        };
        // Before the heads: a commit in between is then seen again, not missed.
        let version = heads::data_version(connection).await?;
        if self.seen != Some(version) {
            heads::teach(slots, &heads::read_all(connection).await?);
            self.seen = Some(version);
        }
        Ok(())
    }
}
