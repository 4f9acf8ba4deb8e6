//! A row that somebody else holds stops a commit in its middle: there it can lose its lock, or its caller.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shoptide_schemas::Topic;
use shoptide_store::{Commit, StoreError, Truth};
use sqlx::{Connection, Executor, MySqlConnection, Row};

use crate::rows::{SHARD, commit, count, list, part, step, user};
use crate::server;

/// Five tries of five seconds each, and a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at who waits.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A truth with one list, whose row a person's session holds.
struct Held {
    database: server::Database,
    truth: Arc<dyn Truth>,
    person: MySqlConnection,
    watch: MySqlConnection,
    epoch: i64,
}

impl Held {
    async fn new() -> Option<Self> {
        let database = server::Database::new().await?;
        let truth: Arc<dyn Truth> = database.truth().await;
        let epoch = truth.assign(SHARD, &[(Topic::Browse, 0)]).await.unwrap()[0].epoch;
        let mut first = commit(epoch, &[step(Topic::Browse, 0, 1)]);
        first.lists = vec![list(&user("busy"), 1, 0)];
        truth.commit(first).await.unwrap();
        let mut person = database.connection().await;
        person.execute("BEGIN").await.unwrap();
        person.execute("SELECT * FROM user_list WHERE user_id = 'busy' FOR UPDATE").await.unwrap();
        let watch = database.connection().await;
        Some(Self { database, truth, person, watch, epoch })
    }

    /// Writes a part and a count, and then needs the row.
    fn second(&self) -> Commit {
        let busy = user("busy");
        let mut second = commit(self.epoch, &[step(Topic::Browse, 1, 2)]);
        second.parts = vec![part(&busy, Topic::Browse, 1, b"part")];
        second.counts = vec![count("x", 1, 1)];
        second.lists = vec![list(&busy, 2, 0)];
        second
    }

    /// Connections to this database that have waited for the row for a second: a lost one is closed, so each try is another.
    async fn waiting(&mut self) -> BTreeSet<String> {
        let rows = sqlx::query(
            "SELECT CAST(id AS CHAR) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID() \
             AND command <> 'Sleep' AND info LIKE '%user_list%' AND 1 <= time",
        );
        rows.fetch_all(&mut self.watch).await.unwrap().iter().map(|row| row.get::<String, _>(0)).collect()
    }

    /// All of the second commit is there, once.
    async fn proves_whole(mut self) {
        let now = self.truth.offsets().await.unwrap().remove(0);
        assert_eq!((now.next_off, now.tally.applied), (2, 2), "what was answered as done is done");
        assert_eq!(self.truth.item_counts(&[], 0, 9).await.unwrap()[0].n, 1, "counted once");
        let held = self.truth.users(SHARD, &[user("busy")]).await.unwrap().remove(0);
        assert!(held.parts.iter().flatten().count() == 1 && held.list.is_some());
        self.watch.execute("SELECT 1").await.unwrap();
        self.person.close().await.unwrap();
        self.watch.close().await.unwrap();
        self.truth.close().await;
        self.database.drop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_not_had_in_time_leaves_no_half_batch() {
    let Some(mut held) = Held::new().await else { return };
    let (truth, second) = (Arc::clone(&held.truth), held.second());
    let done = tokio::spawn(async move { truth.commit(second).await });
    // The first try has lost once another transaction waits for the same row.
    let (mut tries, began) = (BTreeSet::new(), Instant::now());
    while tries.len() < 2 && !done.is_finished() {
        assert!(began.elapsed() < PATIENCE, "no second try: {tries:?}");
        tries.extend(held.waiting().await);
        tokio::time::sleep(LOOK_EVERY).await;
    }
    held.person.execute("ROLLBACK").await.unwrap();
    done.await.unwrap().unwrap();
    held.proves_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_goes_away_leaves_no_half_transaction() {
    let Some(mut held) = Held::new().await else { return };
    let (truth, second) = (Arc::clone(&held.truth), held.second());
    let caller = tokio::spawn(async move { truth.commit(second).await });
    let began = Instant::now();
    while held.waiting().await.is_empty() {
        assert!(began.elapsed() < PATIENCE, "the commit never came to the row");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    // The caller's future is dropped in the middle of the transaction.
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    held.person.execute("ROLLBACK").await.unwrap();
    // It goes on without him, or it never was; brought again it is there once.
    match held.truth.commit(held.second()).await {
        Ok(()) | Err(StoreError::Fenced { expected: 1, .. }) => {}
        Err(error) => panic!("{error}"),
    }
    held.proves_whole().await;
}
