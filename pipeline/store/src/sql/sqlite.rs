//! The truth in one SQLite file: one task owns the connection that writes, reads go through a few others. Work on the
//! database runs in tasks of its own, so a caller that goes away never leaves a transaction half done.

mod checkpoints;
mod conn;
mod open;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::sync::{mpsc, oneshot};

use self::conn::SqliteConn;
use super::conn::Connect;
use super::pool::{Pool, closed};
use super::truth::Backend;
use super::writes::{Write, Written};
use crate::StoreError;

/// How errors call this store.
const STORE: &str = "sqlite truth";
/// Writes that wait for the writer. Each holds a commit's rows, a few MiB at most; shards have one commit under way each,
/// so the queue is as long as the shards are many, and a fuller one makes them wait.
const WRITES_WAITING_MAX: usize = 16;

/// Where the file is and how it is opened.
#[derive(Debug, Clone)]
pub struct SqliteTruthOptions {
    pub path: PathBuf,
    /// Reads at a time; each is a connection with its own page cache.
    pub read_connections: usize,
    /// Page cache of the connection that writes; filled as pages are touched.
    pub write_cache_bytes: usize,
    /// Page cache of each connection that reads.
    pub read_cache_bytes: usize,
    /// A bound on the file, in pages of 4 KiB: beyond it commits fail as on a full disk.
    pub pages_max: Option<u32>,
    /// Nobody else opens the file before it is whole, and whoever is stopped half way begins anew: no journal and no syncing.
    pub unjournaled: bool,
}

impl SqliteTruthOptions {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            read_connections: 4,
            write_cache_bytes: 32 * 1024 * 1024,
            read_cache_bytes: 4 * 1024 * 1024,
            pages_max: None,
            unjournaled: false,
        }
    }

    /// For a store that is made in one go and synced as a whole.
    pub fn rebuilt(path: impl Into<PathBuf>) -> Self {
        Self { unjournaled: true, write_cache_bytes: 128 * 1024 * 1024, ..Self::new(path) }
    }
}

/// The embedded truth.
pub struct SqliteTruth {
    /// Absent in a store that was opened to be read.
    writer: Option<mpsc::Sender<Job>>,
    readers: Arc<Pool<Reader>>,
}

/// What the writer is asked for.
enum Job {
    Write { write: Write, answer: oneshot::Sender<Result<Written, StoreError>> },
    Close { answer: oneshot::Sender<()> },
}

impl SqliteTruth {
    /// Opens the file, makes it or brings it to this version's schema.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] for a foreign or damaged file or one of a newer version, which stays as it is;
    /// [`StoreError::Unavailable`] if it cannot be opened now.
    pub async fn open(options: SqliteTruthOptions) -> Result<Arc<Self>, StoreError> {
        let writer = open::for_writing(&options).await?;
        let (sender, jobs) = mpsc::channel(WRITES_WAITING_MAX);
        let readers = Pool::new(Reader(open::reader_options(&options, false)), options.read_connections);
        tokio::spawn(writer::run(options, writer, jobs));
        Ok(Arc::new(Self { writer: Some(sender), readers }))
    }

    /// Opens the file of another process, or of one that is not running, to be read only; never changes it.
    ///
    /// # Errors
    /// As [`SqliteTruth::open`], and [`StoreError::Unusable`] if it is of an older version. Writes are
    /// [`StoreError::Unusable`].
    pub async fn open_read_only(options: SqliteTruthOptions) -> Result<Arc<Self>, StoreError> {
        open::check_readable(&options).await?;
        let readers = Pool::new(Reader(open::reader_options(&options, true)), options.read_connections);
        Ok(Arc::new(Self { writer: None, readers }))
    }
}

/// Opens connections that read.
pub struct Reader(SqliteConnectOptions);

#[async_trait]
impl Connect for Reader {
    type Conn = SqliteConn;
    const STORE: &'static str = STORE;

    async fn connect(&self) -> Result<SqliteConn, StoreError> {
        SqliteConn::connect(&self.0).await
    }
}

#[async_trait]
impl Backend for SqliteTruth {
    type Connect = Reader;

    fn readers(&self) -> &Arc<Pool<Reader>> {
        &self.readers
    }

    async fn write(&self, write: Write) -> Result<Written, StoreError> {
        let Some(writer) = &self.writer else {
            return Err(StoreError::Unusable("the truth was opened to be read only".into()));
        };
        let (answer, answered) = oneshot::channel();
        writer.send(Job::Write { write, answer }).await.map_err(|_| closed::<Reader>())?;
        let lost =
            |_| StoreError::Unknown { store: STORE, reason: "the writer ended before it answered".into() };
        answered.await.map_err(lost)?
    }

    async fn shut(&self) {
        self.readers.close().await;
        if let Some(writer) = &self.writer {
            let (answer, answered) = oneshot::channel();
            if writer.send(Job::Close { answer }).await.is_ok() {
                // An answer that never comes means that the writer has ended, which is what was asked for.
                let _ = answered.await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use shoptide_schemas::{Topic, UserId};

    use super::*;
    use crate::sql::conn::SqlConn;
    use crate::sql::scan::{self, Chunks};
    use crate::{Commit, OffsetMove, PartRow, Tally, Truth};

    async fn truth(dir: &tempfile::TempDir) -> Arc<SqliteTruth> {
        let truth = SqliteTruth::open(SqliteTruthOptions::new(dir.path().join("truth.db"))).await.unwrap();
        let epoch = truth.assign(1, &[(Topic::Browse, 0)]).await.unwrap()[0].epoch;
        let step = OffsetMove { topic: Topic::Browse, from: 0, to: 1, append_ms: 1, tally: Tally::default() };
        let part = |n: i64, topic| {
            let user = UserId::from_trusted(format!("u{}", n * 7 % 50).as_bytes());
            PartRow { shard: 1, user, topic, upto: n, data: vec![n as u8; 5] }
        };
        let parts = (0..50).flat_map(|n| [part(n, Topic::Browse), part(n, Topic::Order)]).collect();
        truth
            .commit(Commit { shard: 1, epoch, offsets: vec![step], parts, ..Commit::default() })
            .await
            .unwrap();
        truth
    }

    #[tokio::test]
    async fn changes_too_many_to_hold_are_the_same_changes() {
        let dir = tempfile::tempdir().unwrap();
        let truth = truth(&dir).await;
        let mut ways = Vec::new();
        for keys_max in [1000, 24, 0] {
            let since = scan::since_of(&[(1, Topic::Browse, 30), (1, Topic::Order, 45)]);
            let (sender, mut chunks) = mpsc::channel(4);
            let readers = &truth.readers;
            readers
                .consistent(move |c| {
                    Box::pin(async move { scan::parts(c, &since, keys_max, &mut Chunks::new(sender)).await })
                })
                .await
                .unwrap();
            ways.push(chunks.recv().await.unwrap());
        }
        assert_eq!(ways[0].len(), 25);
        assert!(ways[0] == ways[1] && ways[0] == ways[2]);
        truth.close().await;
    }

    /// What grows with users is found by an index, never by reading a table from its start.
    #[tokio::test]
    async fn no_statement_of_the_stream_reads_a_whole_table() {
        let dir = tempfile::tempdir().unwrap();
        let truth = truth(&dir).await;
        for sql in [
            "SELECT data FROM user_part WHERE shard = ? AND user_id IN (?, ?)",
            "SELECT data FROM user_part WHERE shard = ? AND (user_id, topic) IN (VALUES (?, ?), (?, ?))",
            "SELECT user_id FROM user_part WHERE shard = ? AND topic = ? AND upto >= ? LIMIT ?",
            "SELECT user_id, data FROM user_part WHERE shard = ? ORDER BY user_id, topic",
            "SELECT DISTINCT user_id FROM user_part WHERE shard = ? AND user_id > ? ORDER BY user_id LIMIT ?",
            "SELECT MIN(shard) FROM user_part WHERE shard > ?",
            "SELECT MIN(model_version) FROM user_list WHERE shard = ? AND model_version > 0",
            "SELECT user_id FROM user_list WHERE shard = ? AND user_id > ? ORDER BY user_id LIMIT ?",
            "SELECT 1 FROM order_line WHERE shard = ? AND (user_id, kind, order_id, line_id) IN (VALUES (?, ?, ?, ?))",
            "DELETE FROM item_count WHERE shard = ? AND n = 0 AND (item_id, day, type) IN (VALUES (?, ?, ?))",
            "DELETE FROM order_line WHERE shard = ? AND user_id IN (?)",
            "UPDATE dead_letter SET payload = NULL WHERE shard = ? AND topic = ? AND off < ? AND record_key = ?",
        ] {
            let explain = format!("EXPLAIN QUERY PLAN {sql}");
            let plan = truth
                .readers
                .read(move |c| Box::pin(async move { c.query(&explain, &[]).await }))
                .await
                .unwrap();
            let steps: Vec<String> = plan.into_iter().map(|mut row| row.text(3).unwrap()).collect();
            let table =
                steps.iter().find(|s| s.contains("SEARCH")).unwrap_or_else(|| panic!("{sql}: {steps:?}"));
            assert!(table.contains("(shard"), "{sql}: {steps:?}");
            assert!(!steps.iter().any(|s| s.contains("TEMP B-TREE")), "{sql}: {steps:?}");
        }
        truth.close().await;
    }
}
