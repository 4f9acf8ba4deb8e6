//! The file itself: whose it is, of which version, damaged, full, shared by processes, killed in the middle.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod rows;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rows::*;
use shoptide_schemas::{Currency, Micros, Topic};
use shoptide_store::{
    Budget, OffsetMove, RatingRow, RatingsSeen, SqliteTruth, SqliteTruthOptions, StoreError, Truth,
};
use sqlx::{Connection, Executor, SqliteConnection};

async fn open(path: &Path) -> Result<Arc<SqliteTruth>, StoreError> {
    SqliteTruth::open(SqliteTruthOptions::new(path)).await
}

async fn open_read_only(path: &Path) -> Result<Arc<SqliteTruth>, StoreError> {
    SqliteTruth::open_read_only(SqliteTruthOptions::new(path)).await
}

/// Runs SQL on the file behind the store's back.
async fn meddle(path: &Path, sql: &'static str) {
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let mut conn = SqliteConnection::connect(&url).await.unwrap();
    conn.execute(sql).await.unwrap();
    conn.close().await.unwrap();
}

async fn refused(path: &Path, expected: &str) {
    let before = std::fs::read(path).ok();
    for opened in [open(path).await, open_read_only(path).await] {
        match opened.err() {
            Some(StoreError::Unusable(message)) => assert!(message.contains(expected), "{message}"),
            other => panic!("expected unusable, found {other:?}"),
        }
    }
    assert_eq!(before, std::fs::read(path).ok(), "the file was changed");
}

#[tokio::test]
async fn files_that_are_not_ours_to_change_stay_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let newer = dir.path().join("newer.db");
    open(&newer).await.unwrap().close().await;
    meddle(&newer, "PRAGMA user_version = 999").await;
    refused(&newer, "newer.db was written by a newer version (999), expected at most 9").await;

    let foreign = dir.path().join("foreign.db");
    meddle(&foreign, "CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)").await;
    refused(&foreign, "is a database of another program").await;
    let marked = dir.path().join("marked.db");
    meddle(&marked, "PRAGMA application_id = 77").await;
    refused(&marked, "is a database of another program").await;

    let text = dir.path().join("text.db");
    std::fs::write(&text, "a letter, not a database, and long enough to be read as one ".repeat(100))
        .unwrap();
    refused(&text, "damaged").await;
}

/// No commit does it itself: that would be at 128 MiB.
#[tokio::test]
async fn the_write_ahead_log_goes_into_the_file_beside_the_commits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("truth.db");
    let truth = open(&path).await.unwrap();
    let epoch = assigned(&*truth, &[Topic::Browse]).await;
    let bytes = |name: &str| std::fs::metadata(dir.path().join(name)).map_or(0, |file| file.len() >> 20);
    let mut from = 0;
    while bytes("truth.db") < 16 {
        let mut next = commit(epoch, &[step(Topic::Browse, from, from + 1)]);
        next.parts =
            (0..64).map(|n| part(&user(format!("u{from}-{n}")), Topic::Browse, from, &[7; 16_000])).collect();
        truth.commit(next).await.unwrap();
        from += 1;
        assert!(bytes("truth.db-wal") < 120, "after {from} commits nothing is in the file");
    }
    truth.close().await;
    assert!(!dir.path().join("truth.db-wal").exists(), "somebody still has the file open");
    let truth = open_read_only(&path).await.unwrap();
    assert_eq!(truth.count_users().await.unwrap(), 64 * u64::try_from(from).unwrap());
    truth.close().await;
}

/// Before it a log could begin anew under a checkpoint of another connection: <https://www.sqlite.org/wal.html>.
#[tokio::test]
async fn sqlite_is_one_whose_checkpoints_may_run_beside_commits() {
    let mut conn = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut conn).await.unwrap();
    let numbers: Vec<u32> = version.split('.').map(|part| part.parse().unwrap()).collect();
    assert!(vec![3, 51, 3] <= numbers, "{version}");
}

#[tokio::test]
async fn a_damaged_page_is_unusable_not_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("truth.db");
    let truth = open(&path).await.unwrap();
    let epoch = assigned(&*truth, &[Topic::Browse]).await;
    let mut next = commit(epoch, &[step(Topic::Browse, 0, 1)]);
    next.parts = (0..400).map(|n| part(&user(format!("u{n}")), Topic::Browse, 0, &[7; 900])).collect();
    truth.commit(next).await.unwrap();
    truth.close().await;
    let mut bytes = std::fs::read(&path).unwrap();
    let from = bytes.len() / 2; // behind the schema, within the parts
    bytes[from..].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let truth = open(&path).await.unwrap();
    let error = truth.scan_parts(&[], &mut |_| {}).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unusable(message) if message.contains("damaged")), "{error}");
    truth.close().await;
}

#[tokio::test]
async fn reading_needs_a_truth_of_this_version() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("truth.db");
    let error = open_read_only(&path).await.err().unwrap().to_string();
    assert!(error.contains("holds no truth yet") && !path.exists(), "{error}");
    open(&path).await.unwrap().close().await;
    meddle(&path, "PRAGMA user_version = 0").await;
    let error = open_read_only(&path).await.err().unwrap().to_string();
    assert!(error.contains("was written by an older version (0), expected 9"), "{error}");
}

/// A store of before there were ratings gets their table, keeps what it has, and says that its shards have summed up nothing.
#[tokio::test]
async fn an_older_file_is_brought_up_and_its_shards_have_no_sums() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("truth.db");
    let truth = open(&path).await.unwrap();
    let epoch = assigned(&*truth, &[Topic::Feedback]).await;
    let mut next = commit(epoch, &[step(Topic::Feedback, 0, 3)]);
    next.parts = vec![part(&user("u"), Topic::Feedback, 2, b"rated")];
    truth.commit(next).await.unwrap();
    truth.close().await;
    // What later migrations made.
    meddle(&path, "DROP TABLE segment_run; DROP TABLE segment; DROP TABLE user_segment").await;
    meddle(&path, "DROP TABLE job_lease; DROP TABLE job_schedule; DROP TABLE job_run").await;
    meddle(&path, "DROP TABLE model_candidate; ALTER TABLE model DROP COLUMN report").await;
    meddle(&path, "DROP TABLE item_rating; DELETE FROM pointer; PRAGMA user_version = 5").await;
    let truth = open(&path).await.unwrap();
    assert_eq!(parts_of(&*truth).await.len(), 1);
    let epoch = assigned(&*truth, &[Topic::Feedback]).await;
    assert_eq!(truth.rated_from(SHARD).await.unwrap(), None);
    // Whoever looked before the shard was summed up sees it then, though the sums lie below what was folded.
    let seen = truth.ratings_since(&RatingsSeen::default(), 9).await.unwrap().seen;
    let mut summed = commit(
        epoch,
        &[OffsetMove { from: 3, to: 3, tally: Default::default(), ..step(Topic::Feedback, 3, 3) }],
    );
    summed.ratings = vec![RatingRow { item: item("i"), n: 1, hundredths: 450, upto: 2 }];
    summed.rated_from = Some(3);
    truth.commit(summed).await.unwrap();
    assert_eq!(truth.ratings_since(&seen, 9).await.unwrap().ratings.len(), 1);
    assert_eq!(truth.rated_from(SHARD).await.unwrap(), Some(3));
    assert_eq!(truth.item_ratings(&[item("i")]).await.unwrap()[0].hundredths, 450);
    assigned(&*truth, &[Topic::Feedback]).await;
    assert_eq!(truth.rated_from(SHARD).await.unwrap(), Some(3), "the owner before counted too");
    truth.close().await;
    // An older program had the shard in between, as in a rolling upgrade: nobody knows what it folded.
    meddle(&path, "UPDATE stream_offset SET epoch = epoch + 1").await;
    let truth = open(&path).await.unwrap();
    assigned(&*truth, &[Topic::Feedback]).await;
    assert_eq!(truth.rated_from(SHARD).await.unwrap(), None);
    assert_eq!(truth.item_ratings(&[item("i")]).await.unwrap(), []);
    truth.close().await;
}

#[tokio::test]
async fn a_full_disk_writes_nothing_and_works_again_later() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("truth.db");
    let truth =
        SqliteTruth::open(SqliteTruthOptions { pages_max: Some(200), ..SqliteTruthOptions::new(&path) })
            .await
            .unwrap();
    let epoch = assigned(&*truth, &[Topic::Browse]).await;
    let fill = |from: i64| {
        let mut next = commit(epoch, &[step(Topic::Browse, from, from + 1)]);
        next.parts =
            (0..20).map(|n| part(&user(format!("u{from}.{n}")), Topic::Browse, from, &[1; 3000])).collect();
        next.counts = vec![count("x", 1, 1)];
        next
    };
    let mut from = 0;
    let error = loop {
        match truth.commit(fill(from)).await {
            Ok(()) => from += 1,
            Err(error) => break error,
        }
        assert!(from < 100, "the bound was never met");
    };
    assert!(
        matches!(&error, StoreError::Unavailable { reason, .. } if reason.contains("no space is left")),
        "{error}"
    );
    for _ in 0..3 {
        assert!(truth.commit(fill(from)).await.is_err());
    }
    let counted = truth.item_counts(&[], 0, 9).await.unwrap()[0].n;
    assert_eq!((truth.offsets().await.unwrap()[0].next_off, counted), (from, from));
    assert_eq!(truth.count_users().await.unwrap(), 20 * from as u64);

    let mut erasure = commit(epoch, &[step(Topic::Browse, from, from)]);
    erasure.parts_gone = (0..20).map(|n| (user(format!("u0.{n}")), Topic::Browse)).collect();
    truth.commit(erasure).await.unwrap();
    truth.commit(fill(from)).await.unwrap();
    assert_eq!(truth.offsets().await.unwrap()[0].next_off, from + 1);
    truth.close().await;
}

#[tokio::test]
async fn reopening_finds_what_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("truth.db");
    let mut held = Vec::new();
    for round in 1..=3 {
        let truth = open(&path).await.unwrap();
        if round > 1 {
            assert_eq!(dumped(&*truth).await, held);
        }
        assert_eq!(assigned(&*truth, &[Topic::Browse]).await, round);
        let mut next = commit(round, &[step(Topic::Browse, round - 1, round)]);
        next.parts = vec![part(&user("ann"), Topic::Browse, round, &[round as u8])];
        truth.commit(next).await.unwrap();
        held = dumped(&*truth).await;
        truth.close().await;
    }
    assert!(!path.with_extension("db-wal").exists(), "closing moves the log into the file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_handles_see_each_other_at_once_and_both_write() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("truth.db");
    let (one, two) = tokio::join!(open(&path), open(&path));
    let (one, two) = (one.unwrap(), two.unwrap());
    let epoch = assigned(&*one, &[Topic::Browse]).await;
    let reader = open_read_only(&path).await.unwrap();
    for from in 0..50 {
        let mut next = commit(epoch, &[step(Topic::Browse, from, from + 1)]);
        next.lists = vec![list(&user("ann"), from, 1)];
        let budget = Budget { month: Micros(from), currency: Currency(*b"EUR"), updated_ms: from };
        let bob = user("bob");
        let (committed, set) = tokio::join!(one.commit(next), two.set_budget(SHARD, &bob, Some(budget)));
        committed.unwrap();
        set.unwrap();
        for handle in [&two, &reader] {
            let list = handle.list(SHARD, &user("ann")).await.unwrap().unwrap();
            assert_eq!(list, format!("list {from} of model 1").into_bytes());
            assert_eq!(handle.offsets().await.unwrap()[0].next_off, from + 1);
        }
        assert_eq!(one.budget(SHARD, &user("bob")).await.unwrap(), Some(budget));
    }
    let error = reader.set_budget(SHARD, &user("bob"), None).await.unwrap_err();
    assert!(matches!(error, StoreError::Unusable(_)), "{error}");
    // The other process takes the shard over: this one is fenced.
    assigned(&*two, &[Topic::Browse]).await;
    let late = one.commit(commit(epoch, &[step(Topic::Browse, 50, 51)])).await.unwrap_err();
    assert!(matches!(late, StoreError::Fenced { .. }), "{late}");
    for handle in [reader, one, two] {
        handle.close().await;
    }
}

const CHILD_PATH: &str = "SHOPTIDE_STORE_TEST_CHILD";

/// Not a test by itself: the process that the next test kills. Says each offset it was told is committed.
#[tokio::test]
async fn child_commits_until_killed() {
    let Ok(path) = std::env::var(CHILD_PATH) else { return };
    let truth = open(Path::new(&path)).await.unwrap();
    let rows = truth.assign(SHARD, &[(Topic::Browse, 0)]).await.unwrap();
    for from in rows[0].next_off..i64::MAX {
        let mut next = commit(rows[0].epoch, &[step(Topic::Browse, from, from + 1)]);
        next.parts =
            (0..50).map(|n| part(&user(format!("u{n}")), Topic::Browse, from, &[from as u8; 700])).collect();
        next.counts = vec![count("x", 1, 1)];
        truth.commit(next).await.unwrap();
        println!("committed {}", from + 1);
    }
}

#[tokio::test]
async fn a_killed_process_leaves_whole_commits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("truth.db");
    for commits_seen in [1, 3, 10, 40, 7, 150] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_commits_until_killed", "--nocapture"])
            .env(CHILD_PATH, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let told = |line: String| line.rsplit_once("committed ").and_then(|(_, n)| n.parse::<i64>().ok());
        let told = lines.filter_map(told).nth(commits_seen - 1);
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        let told = told.expect("the child ended by itself");

        let truth = open(&path).await.unwrap();
        let offset = &truth.offsets().await.unwrap()[0];
        assert!(told <= offset.next_off, "told {told}, found {}", offset.next_off);
        assert_eq!(offset.tally.applied, offset.next_off);
        assert_eq!(truth.item_counts(&[], 0, 9).await.unwrap()[0].n, offset.next_off);
        let parts = parts_of(&*truth).await;
        assert_eq!(parts.len(), 50);
        assert!(parts.iter().all(|p| p.upto == offset.next_off - 1 && p.data == [p.upto as u8; 700]));
        truth.close().await;
    }
}
