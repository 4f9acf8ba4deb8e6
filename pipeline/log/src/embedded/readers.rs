//! Connections that read records. SQLite is called from the thread that waits for it: a record that goes through a channel, as
//! every row of sqlx does, costs a fifth of what a replay does with it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::failure::{Failure, lost_task};
use super::reads::ACQUIRE_TIMEOUT;
use super::schema::BUSY_TIMEOUT;
use crate::LogError;
use crate::slots::closed;

/// Readers that miss memory at the same time: shards that catch up, a verification, a tail.
const CONNECTIONS_MAX: u32 = 4;

/// At most [`CONNECTIONS_MAX`] connections, made when they are needed and kept.
pub(super) struct Readers {
    path: PathBuf,
    seats: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            seats: Arc::new(Semaphore::new(CONNECTIONS_MAX as usize)),
            idle: Arc::default(),
        }
    }

    /// Does something with a connection, in a thread that may wait. A caller who goes away cuts nothing.
    pub async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, LogError> {
        let seat = tokio::time::timeout(ACQUIRE_TIMEOUT, Arc::clone(&self.seats).acquire_owned())
            .await
            .map_err(|_| LogError::Unavailable {
                reason: "no connection for reading became free in time".to_owned(),
            })?
            .map_err(|_| closed())?;
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
        let working = tokio::task::spawn_blocking(move || {
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = match kept {
                Some(connection) => connection,
                None => open(&path)?,
            };
            let done = work(&connection)?;
            // One that has failed is not kept.
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(seat);
            Ok(done)
        });
        match working.await {
            Ok(done) => done.map_err(|failure: Failure| failure.to_error()),
            Err(lost) => Err(lost_task(&lost)),
        }
    }

    /// Ends when nobody reads any more and the file is let go.
    pub async fn close(&self) {
        // An error says that it was closed already.
        let all = self.seats.acquire_many(CONNECTIONS_MAX).await;
        self.seats.close();
        drop(all);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn open(path: &Path) -> Result<Connection, Failure> {
    // Writable, or whoever comes first after a power cut could not bring the write-ahead log back; `query_only` keeps it from writing.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}
