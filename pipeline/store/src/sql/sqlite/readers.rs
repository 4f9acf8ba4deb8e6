//! A few connections for reads. A read runs in a task of its own on a connection it holds alone; a connection whose read
//! failed is dropped, not lent again.

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::sync::Semaphore;

use super::conn::SqliteConn;
use super::{STORE, closed};
use crate::StoreError;
use crate::sql::dialect::Dialect;

/// The connections that nobody uses now; made when first needed.
pub(super) struct Readers {
    options: SqliteConnectOptions,
    count: usize,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<SqliteConn>>,
}

/// A read: what it does on the connection it is given.
pub(super) trait Read<T>:
    for<'c> FnOnce(&'c mut SqliteConn) -> BoxFuture<'c, Result<T, StoreError>>
{
}
impl<T, F> Read<T> for F where F: for<'c> FnOnce(&'c mut SqliteConn) -> BoxFuture<'c, Result<T, StoreError>> {}

impl Readers {
    pub fn new(options: SqliteConnectOptions, count: usize) -> Arc<Self> {
        let count = count.max(1);
        let idle = Mutex::new(Vec::with_capacity(count));
        Arc::new(Self { options, count, permits: Arc::new(Semaphore::new(count)), idle })
    }

    /// Runs one statement or several that need not agree.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl Read<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(false, read).await
    }

    /// Runs several statements that all see one state.
    pub async fn consistent<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl Read<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(true, read).await
    }

    async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        consistent: bool,
        read: impl Read<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| closed())?;
        let readers = Arc::clone(self);
        let task = tokio::spawn(async move {
            let _permit = permit;
            let mut conn = readers.connection().await?;
            if consistent {
                conn.run(Dialect::Sqlite.begin_read()).await?;
            }
            let answer = read(&mut conn).await?;
            if consistent {
                conn.run("COMMIT").await?;
            }
            readers.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
            Ok(answer)
        });
        let ended =
            |_| StoreError::Unavailable { store: STORE, reason: "the read ended before it answered".into() };
        task.await.map_err(ended)?
    }

    async fn connection(&self) -> Result<SqliteConn, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(conn) => Ok(conn),
            None => SqliteConn::connect(&self.options).await,
        }
    }

    /// Waits for the reads under way and closes the connections.
    pub async fn close(&self) {
        let count = u32::try_from(self.count).unwrap_or(u32::MAX);
        let Ok(_all) = self.permits.acquire_many(count).await else { return };
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for conn in idle {
            conn.close().await;
        }
    }
}
