//! Moves the write-ahead log into the file beside the commits. SQLite's own way is to do it within a commit, which then waits for tens of MiB to reach
//! the disk; and where reads always overlap, the log is never free to begin anew, so that in the end every commit tries. Here a connection of its own
//! moves most of it while commits go on, and the writer moves the few pages that came meanwhile, between two commits.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::conn::SqliteConn;
use super::open::{self, WAL_PAGES};
use super::{STORE, SqliteTruthOptions};
use crate::StoreError;
use crate::sql::conn::SqlConn;

/// Commits between two looks at how long the log is: a look is 20 µs, and so many commits add some 3 MiB at most times.
const COMMITS_A_LOOK: u32 = 32;

/// The writer's end.
pub(super) struct Checkpoints {
    commits: u32,
    looks: mpsc::Sender<()>,
    moved: mpsc::Receiver<()>,
    task: JoinHandle<()>,
}

impl Checkpoints {
    pub fn begin(options: SqliteTruthOptions) -> Self {
        // One of each is under way: what is asked for twice is done once.
        let (looks, asked) = mpsc::channel(1);
        let (done, moved) = mpsc::channel(1);
        Self { commits: 0, looks, moved, task: tokio::spawn(follow(options, asked, done)) }
    }

    /// Counts a commit; `conn` is between two.
    pub async fn committed(&mut self, conn: &mut SqliteConn) {
        self.commits += 1;
        if COMMITS_A_LOOK <= self.commits {
            self.commits = 0;
            // Full: a look is under way.
            let _ = self.looks.try_send(());
        }
        if self.moved.try_recv().is_ok()
            && let Err(error) = moved(conn).await
        {
            tracing::debug!(store = STORE, %error, "the end of the write-ahead log stays in it");
        }
    }

    /// Ends, so that the connection that writes is the last one and takes the log away.
    pub async fn end(self) {
        drop(self.looks);
        // It falls if SQLite does; there is nothing left to end then.
        let _ = self.task.await;
    }
}

/// Looks whenever it is asked to, until the writer ends.
async fn follow(options: SqliteTruthOptions, mut asked: mpsc::Receiver<()>, done: mpsc::Sender<()>) {
    let mut held = None;
    while asked.recv().await.is_some() {
        match look(&options, &mut held).await {
            Ok(true) => {
                let _ = done.try_send(());
            }
            Ok(false) => {}
            Err(error) => {
                // The writer's own checkpoints bound the log meanwhile.
                tracing::warn!(store = STORE, %error, "the write-ahead log could not be moved into the file");
                held = None;
            }
        }
    }
    if let Some(conn) = held {
        conn.close().await;
    }
}

/// Whether the log was long and its pages are in the file now.
async fn look(options: &SqliteTruthOptions, held: &mut Option<SqliteConn>) -> Result<bool, StoreError> {
    let conn = match held {
        Some(conn) => conn,
        empty => empty.insert(SqliteConn::connect(&open::checkpoint_options(options)).await?),
    };
    if pages(conn, "NOOP").await? < i64::from(WAL_PAGES) {
        return Ok(false);
    }
    moved(conn).await.map(|()| true)
}

async fn moved(conn: &mut SqliteConn) -> Result<(), StoreError> {
    pages(conn, "PASSIVE").await.map(drop)
}

/// Pages in the log: <https://www.sqlite.org/pragma.html#pragma_wal_checkpoint>. Neither way waits for anybody.
async fn pages(conn: &mut SqliteConn, how: &str) -> Result<i64, StoreError> {
    let rows = conn.query(&format!("PRAGMA wal_checkpoint({how})"), &[]).await?;
    rows.first().map_or(Ok(0), |row| row.int(1))
}
