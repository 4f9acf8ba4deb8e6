//! What only a file can do: be foreign, newer, locked, damaged, shared between processes.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use shoptide_log::{Log, LogError, SqliteLog, SqliteLogOptions, Watermarks};
use shoptide_schemas::{EventMs, Topic};
use sqlx::{AssertSqlSafe, Connection};

use crate::subject::{
    PARTITIONS, PLENTY, T0_MS, clock_of, fixed_clock, mixed, next, options, raw, read_all, reader, record,
    write_lock,
};

async fn open(path: &std::path::Path) -> Arc<dyn Log> {
    SqliteLog::open(options(path)).await.unwrap()
}

async fn refusal(options: SqliteLogOptions) -> String {
    match SqliteLog::open(options).await {
        Err(LogError::Unusable(message)) => message,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("opened"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reopened_log_holds_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.sqlite");
    let log = open(&path).await;
    log.append(mixed(3_000)).await.unwrap();
    let before = read_all(&log).await;
    log.close().await;
    drop(log);
    let now = Arc::new(AtomicI64::new(T0_MS - 1_000));
    let log: Arc<dyn Log> =
        SqliteLog::open(SqliteLogOptions::new(&path, PARTITIONS, clock_of(&now))).await.unwrap();
    assert_eq!(read_all(&log).await, before);
    let at = log.append(vec![record(Topic::Cart, 1, 1)]).await.unwrap()[0];
    let own = log.read(Topic::Cart, at.partition, at.offset, PLENTY).await.unwrap();
    assert_eq!(own[0].appended, EventMs(T0_MS), "the clock went back while the log was closed");
    assert_eq!(
        at.offset as usize,
        before.iter().filter(|r| (r.topic, r.partition) == (at.topic, at.partition)).count()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_partition_count_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.sqlite");
    open(&path).await.close().await;
    let message = refusal(SqliteLogOptions::new(&path, 8, fixed_clock())).await;
    assert!(message.contains("has 4 partitions") && message.contains("says 8"), "{message}");
    for (name, wrong) in [
        ("partitions", SqliteLogOptions::new(&path, 0, fixed_clock())),
        ("queue_records_max", SqliteLogOptions { queue_records_max: 0, ..options(&path) }),
        ("group_commit_max", SqliteLogOptions { group_commit_max: 0, ..options(&path) }),
    ] {
        let message = refusal(wrong).await;
        assert!(message.contains(name) && message.contains("is 0, expected 1 to"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_version_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.sqlite");
    open(&path).await.close().await;
    let mut connection = raw(&path).await;
    sqlx::raw_sql("PRAGMA user_version = 7; DROP TABLE head").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let before = std::fs::read(&path).unwrap();
    let message = refusal(options(&path)).await;
    assert!(message.contains("version 7") && message.contains("up to 1"), "{message}");
    assert!(message.contains("log.sqlite"), "{message}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_not_ours_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.sqlite");
    for setup in ["CREATE TABLE note (text)", "PRAGMA application_id = 5", "PRAGMA user_version = 1"] {
        let _absent = std::fs::remove_file(&path).is_err();
        let mut connection = raw(&path).await;
        sqlx::raw_sql(AssertSqlSafe(setup)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let before = std::fs::read(&path).unwrap();
        let message = refusal(options(&path)).await;
        assert!(message.contains("not a log of shoptide"), "{setup}: {message}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
    let text = directory.path().join("text.txt");
    std::fs::write(&text, "hello ".repeat(1_000)).unwrap();
    refusal(options(&text)).await;
    assert_eq!(std::fs::read(&text).unwrap(), "hello ".repeat(1_000).as_bytes());
    let nowhere = directory.path().join("absent").join("log.sqlite");
    assert!(matches!(SqliteLog::open(options(&nowhere)).await, Err(LogError::Unavailable { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_make_the_file_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.sqlite");
    let opening: Vec<_> = (0..6).map(|_| tokio::spawn(SqliteLog::open(options(&path)))).collect();
    for opened in opening {
        opened.await.unwrap().unwrap().append(mixed(10)).await.unwrap();
    }
    assert_eq!(read_all(&open(&path).await).await.len(), 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_handle_produces_while_another_reads() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.sqlite");
    let (near, far) = (open(&path).await, open(&path).await);
    let shard = near.append(vec![record(Topic::Cart, 5, 0)]).await.unwrap()[0].partition;
    let (_member, mut reader) = reader(&near, shard).await;
    let producers = [near, far].map(|log| {
        tokio::spawn(async move {
            for call in 0..60 {
                let records = vec![record(Topic::Cart, 5, call), record(Topic::Forum, 5, call)];
                log.append(records).await.unwrap();
            }
        })
    });
    let mut offsets = (Vec::new(), Vec::new());
    while offsets.0.len() + offsets.1.len() < 1 + 2 * 2 * 60 {
        for record in next(&mut reader, PLENTY).await.records {
            if record.topic == Topic::Cart { &mut offsets.0 } else { &mut offsets.1 }.push(record.offset);
        }
    }
    for producer in producers {
        producer.await.unwrap();
    }
    assert_eq!(offsets, ((0..121).collect(), (0..120).collect()));
    assert_eq!(reader.lag(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_stays_is_reported_and_then_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.sqlite");
    let log = open(&path).await;
    log.append(mixed(10)).await.unwrap();
    let lock = write_lock(&path).await;
    let refused = log.append(mixed(20)).await.unwrap_err();
    assert!(matches!(&refused, LogError::Unavailable { reason } if reason.contains("locked")), "{refused}");
    assert_eq!(read_all(&log).await.len(), 10);
    lock.close().await.unwrap();
    log.append(mixed(20)).await.unwrap();
    assert_eq!(read_all(&log).await.len(), 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hole_in_the_file_stops_the_reader() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.sqlite");
    let log = open(&path).await;
    let at = log.append(vec![record(Topic::Cart, 5, 0); 6]).await.unwrap()[0].partition;
    log.close().await;
    let mut connection = raw(&path).await;
    sqlx::raw_sql("DELETE FROM record WHERE off = 3").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let log = open(&path).await;
    assert_eq!(log.read(Topic::Cart, at, 0, PLENTY).await.unwrap_err().to_string(), hole(at));
    let (_member, mut reader) = reader(&log, at).await;
    assert!(reader.next(PLENTY).await.is_err());
    assert_eq!(log.read(Topic::Cart, at, 4, PLENTY).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_has_no_gap_where_another_handle_appended() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.sqlite");
    let (near, far) = (open(&path).await, open(&path).await);
    for call in 0..9 {
        let log = if call % 3 == 1 { &far } else { &near };
        let at = log.append(vec![record(Topic::Cart, 5, call)]).await.unwrap()[0];
        assert_eq!(at.offset, i64::from(call));
    }
    let read = read_all(&near).await;
    assert_eq!(read.iter().map(|r| r.offset).collect::<Vec<_>>(), (0..9).collect::<Vec<_>>());
    assert_eq!(read, read_all(&far).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_deletes_more_than_one_step() {
    let directory = tempfile::tempdir().unwrap();
    let log = SqliteLog::open(options(directory.path().join("log.sqlite"))).await.unwrap();
    let at = log.append(vec![record(Topic::Cart, 5, 0); 12_000]).await.unwrap()[0].partition;
    log.truncate_below(Topic::Cart, at, 11_000).await.unwrap();
    assert_eq!(log.watermarks(Topic::Cart, at).await.unwrap(), Watermarks { first: 11_000, next: 12_000 });
    log.truncate_below(Topic::Cart, at, 10).await.unwrap();
    assert_eq!(log.read(Topic::Cart, at, 11_000, PLENTY).await.unwrap().len(), 1_000, "never backwards");
}

fn hole(partition: u32) -> String {
    format!("shop.cart partition {partition} lacks offset 3, though it should hold 0 to 6")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_append_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.sqlite");
    let log = open(&path).await;
    log.append(mixed(10)).await.unwrap();
    // The last of many rows fails; none of the others may stay.
    let mut connection = raw(&path).await;
    let fail = "CREATE TRIGGER fail BEFORE INSERT ON record WHEN NEW.payload = CAST('poison' AS BLOB) BEGIN SELECT RAISE(FAIL, 'no'); END";
    sqlx::raw_sql(fail).execute(&mut connection).await.unwrap();
    let mut records = mixed(700);
    records.last_mut().unwrap().value = "poison".into();
    let refused = log.append(records).await.unwrap_err();
    assert!(matches!(&refused, LogError::Unavailable { .. }), "{refused}");
    assert_eq!(read_all(&log).await.len(), 10);
    sqlx::raw_sql("DROP TRIGGER fail").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    log.append(mixed(700)).await.unwrap();
    assert_eq!(read_all(&log).await.len(), 710);
}
