//! The one thing a database must offer to hold the truth; everything above it is shared by all dialects.

use async_trait::async_trait;
use futures::stream::BoxStream;

use super::dialect::Dialect;
use super::value::{Row, Value};
use crate::StoreError;

/// A connection. After any error it must be dropped, not used again: a server may have rolled back behind our back.
#[async_trait]
pub trait SqlConn: Send + Sized + 'static {
    fn dialect(&self) -> Dialect;

    /// Runs a statement without parameters or answer.
    async fn run(&mut self, sql: &str) -> Result<(), StoreError>;

    /// Runs a statement and says how many rows it touched (matched, for an update).
    async fn execute(&mut self, sql: &str, args: &[Value<'_>]) -> Result<u64, StoreError>;

    /// All rows of an answer that is known to be small.
    async fn query(&mut self, sql: &str, args: &[Value<'_>]) -> Result<Vec<Row>, StoreError>;

    /// Rows one by one, as fast as they are taken, in bounded memory.
    fn stream<'a>(&'a mut self, sql: &str, args: &[Value<'_>]) -> BoxStream<'a, Result<Row, StoreError>>;

    /// Says goodbye. A connection that is only dropped is closed as well, less politely.
    async fn close(self);
}

/// Where connections to one database come from.
#[async_trait]
pub trait Connect: Send + Sync + 'static {
    type Conn: SqlConn;

    /// How errors call this store.
    const STORE: &'static str;

    async fn connect(&self) -> Result<Self::Conn, StoreError>;
}
