//! The truth in one SQLite file: one task owns the connection that writes, reads go through a few others. Work on the
//! database runs in tasks of its own, so a caller that goes away never leaves a transaction half done.

mod conn;
mod open;
mod readers;
mod truth;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use self::readers::Readers;
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
}

impl SqliteTruthOptions {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            read_connections: 4,
            write_cache_bytes: 32 * 1024 * 1024,
            read_cache_bytes: 4 * 1024 * 1024,
            pages_max: None,
        }
    }
}

/// The embedded truth.
pub struct SqliteTruth {
    /// Absent in a store that was opened to be read.
    writer: Option<mpsc::Sender<Job>>,
    readers: Arc<Readers>,
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
        let readers = Readers::new(open::reader_options(&options, false), options.read_connections);
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
        let readers = Readers::new(open::reader_options(&options, true), options.read_connections);
        Ok(Arc::new(Self { writer: None, readers }))
    }

    async fn write(&self, write: Write) -> Result<Written, StoreError> {
        let Some(writer) = &self.writer else {
            return Err(StoreError::Unusable("the truth was opened to be read only".into()));
        };
        let (answer, answered) = oneshot::channel();
        writer.send(Job::Write { write, answer }).await.map_err(|_| closed())?;
        let lost =
            |_| StoreError::Unknown { store: STORE, reason: "the writer ended before it answered".into() };
        answered.await.map_err(lost)?
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable { store: STORE, reason: "it is closed".into() }
}
