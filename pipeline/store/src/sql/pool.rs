//! A few connections that are lent. What is asked runs in a task of its own on a connection it holds alone; a connection
//! whose question failed is dropped, not lent again.

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::conn::{Connect, SqlConn};
use crate::{Connections, StoreError};

/// The connections that nobody uses now; made when first needed.
pub struct Pool<C: Connect> {
    connect: C,
    count: usize,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<C::Conn>>,
}

/// A question: what it does on the connection it is given.
pub trait Ask<C, T>: for<'c> FnOnce(&'c mut C) -> BoxFuture<'c, Result<T, StoreError>> {}
impl<C, T, F> Ask<C, T> for F where F: for<'c> FnOnce(&'c mut C) -> BoxFuture<'c, Result<T, StoreError>> {}

impl<C: Connect> Pool<C> {
    /// `count`: connections at a time; more questions wait.
    pub fn new(connect: C, count: usize) -> Arc<Self> {
        let count = count.max(1);
        let idle = Mutex::new(Vec::with_capacity(count));
        Arc::new(Self { connect, count, permits: Arc::new(Semaphore::new(count)), idle })
    }

    /// Runs one statement or several that need not agree.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl Ask<C::Conn, T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(false, read).await
    }

    /// Runs several statements that all see one state.
    pub async fn consistent<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl Ask<C::Conn, T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(true, read).await
    }

    async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        consistent: bool,
        read: impl Ask<C::Conn, T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self.permit().await?;
        let pool = Arc::clone(self);
        let task = tokio::spawn(async move {
            let _permit = permit;
            let mut conn = pool.connection().await?;
            if consistent {
                for sql in conn.dialect().begin_read() {
                    conn.run(sql).await?;
                }
            }
            let answer = read(&mut conn).await?;
            if consistent {
                conn.run("COMMIT").await?;
            }
            pool.give_back(conn);
            Ok(answer)
        });
        let ended = |_| StoreError::Unavailable {
            store: C::STORE,
            reason: "the read ended before it answered".into(),
        };
        task.await.map_err(ended)?
    }

    /// An idle connection, else a new one.
    pub async fn connection(&self) -> Result<C::Conn, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(conn) => Ok(conn),
            None => self.connect.connect().await,
        }
    }

    /// Takes back a connection that has no transaction open and has not failed.
    pub fn give_back(&self, conn: C::Conn) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
    }

    /// The right to one connection, held while it is used.
    pub async fn permit(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        Arc::clone(&self.permits).acquire_owned().await.map_err(|_| closed::<C>())
    }

    /// Connections at work now, and the most there may be.
    pub fn used(&self) -> Connections {
        Connections { busy: self.count.saturating_sub(self.permits.available_permits()), max: self.count }
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

pub fn closed<C: Connect>() -> StoreError {
    StoreError::Unavailable { store: C::STORE, reason: "it is closed".into() }
}
