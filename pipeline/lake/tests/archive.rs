//! The archiver over a log in memory and over the embedded one.

mod common;

use std::sync::Arc;

use common::*;
use shoptide_lake::{Archiver, FileKind, Lake, LakeError, LakeOptions};
use shoptide_log::{Log, SqliteLog, SqliteLogOptions};
use shoptide_schemas::{EventType, Topic};

#[tokio::test]
async fn every_record_is_in_the_lake_once() {
    let (time, folder) = (Time::new(), tempfile::tempdir().unwrap());
    let log = memory_log(4, &time);
    fill(&*log, 0, 2_000, 40).await;
    let lake = Lake::open(&LakeOptions::local(folder.path())).await.unwrap();
    let first = archiver(&lake, &log, &time).run().await.unwrap();
    assert_eq!((first.records, first.rows, first.drained), (2_000, 2_000, true));
    assert!(3 < first.commits && first.commits < first.files, "{first:?}");

    fill(&*log, 2_000, 500, 40).await;
    let seen = std::sync::Mutex::new(vec![(0, 500)]);
    let watch = |read, all| seen.lock().unwrap().push((read, all));
    let second = archiver(&lake, &log, &time).run_with(&watch).await.unwrap();
    assert_eq!((second.records, second.rows), (500, 500));
    let seen = seen.into_inner().unwrap();
    assert!(seen.windows(2).all(|w| w[0].0 < w[1].0 && w[1].1 == 500), "how far it is: {seen:?}");
    assert_eq!(seen.last(), Some(&(500, 500)));
    let nothing = archiver(&lake, &log, &time).run().await.unwrap();
    assert_eq!((nothing.records, nothing.commits), (0, 0));

    // Another process sees the same.
    let again = Lake::open(&LakeOptions::local(folder.path())).await.unwrap();
    let snapshot = again.snapshot().await.unwrap();
    assert_eq!(snapshot, lake.snapshot().await.unwrap());
    assert_whole(&again, &snapshot).await;
    assert_eq!(rows(&again, &snapshot).await.len(), 2_500);
    for (topic, partition, cut) in &snapshot.cut {
        assert_eq!(*cut, log.watermarks(*topic, *partition).await.unwrap().next);
    }
    let dates: std::collections::BTreeSet<&str> = events(&snapshot).map(|f| f.date.as_str()).collect();
    assert_eq!(dates.into_iter().collect::<Vec<_>>(), ["2026-05-01", "2026-05-02", "2026-05-03"]);
    for file in &snapshot.files {
        let in_path = file.event_type.map_or(file.topic.name(), EventType::name);
        assert!(file.path.contains(in_path) && file.path.contains(&file.date), "{}", file.path);
        assert!(file.rows <= 60);
    }
    let others: u64 = snapshot.files.iter().filter(|f| f.kind == FileKind::Records).map(|f| f.rows).sum();
    assert_eq!(others, 100);
    // The past is there too.
    let past = again.snapshot_at(first.commits).await.unwrap();
    assert_eq!(rows(&again, &past).await.len(), 2_000);
}

/// Restored from a copy of before: what it gets next would stand under offsets that the lake has already.
#[tokio::test]
async fn a_log_that_ends_before_the_lake_is_refused() {
    let (time, folder) = (Time::new(), tempfile::tempdir().unwrap());
    let (log, older) = (memory_log(2, &time), memory_log(2, &time));
    fill(&*log, 0, 200, 10).await;
    fill(&*older, 0, 100, 10).await;
    let lake = Lake::open(&LakeOptions::local(folder.path())).await.unwrap();
    archiver(&lake, &log, &time).run().await.unwrap();
    let before = lake.snapshot().await.unwrap();
    let error = archiver(&lake, &older, &time).run().await.unwrap_err();
    assert!(matches!(error, LakeError::Older { cut, next, .. } if next < cut), "{error}");
    assert!(!error.passes());
    assert_eq!(lake.snapshot().await.unwrap(), before);
}

#[tokio::test]
async fn the_embedded_log_is_archived_too() {
    let (time, folder) = (Time::new(), tempfile::tempdir().unwrap());
    let log =
        SqliteLog::open(SqliteLogOptions::new(folder.path().join("log.db"), 2, time.clock())).await.unwrap();
    fill(&*log, 0, 1_000, 40).await;
    let lake = Lake::open(&LakeOptions::local(folder.path().join("lake"))).await.unwrap();
    let archiver =
        Archiver { lake: lake.clone(), log: log.clone(), clock: time.clock(), limits: Default::default() };
    let done = archiver.run().await.unwrap();
    assert_eq!((done.records, done.commits), (1_000, 1));
    assert_whole(&lake, &lake.snapshot().await.unwrap()).await;
    log.close().await;
}

#[tokio::test]
async fn a_log_that_dropped_what_was_not_archived_is_an_honest_error() {
    let (time, folder) = (Time::new(), tempfile::tempdir().unwrap());
    let log = memory_log(1, &time);
    fill(&*log, 0, 100, 10).await;
    log.truncate_below(Topic::Browse, 0, 7).await.unwrap();
    let lake = Lake::open(&LakeOptions::local(folder.path())).await.unwrap();
    archiver(&lake, &log, &time).run().await.unwrap();
    let before = lake.snapshot().await.unwrap();
    // What was gone before the lake began is no gap.
    let tally = *before.tally(Topic::Browse, 0).unwrap();
    assert_eq!(tally.base, 7);

    fill(&*log, 100, 100, 10).await;
    log.truncate_below(Topic::Browse, 0, tally.cut + 5).await.unwrap();
    let error = archiver(&lake, &log, &time).run().await.unwrap_err();
    let LakeError::Gap { topic: Topic::Browse, partition: 0, cut, first } = error else { panic!("{error}") };
    assert_eq!((cut, first), (tally.cut, tally.cut + 5));
    assert_eq!(lake.snapshot().await.unwrap(), before, "nothing was published");
}

#[tokio::test]
async fn of_two_archivers_one_wins_each_step() {
    let (time, folder) = (Time::new(), tempfile::tempdir().unwrap());
    let log = memory_log(2, &time);
    fill(&*log, 0, 1_500, 40).await;
    let open = || async { Lake::open(&LakeOptions::local(folder.path())).await.unwrap() };
    let (one, two) = (open().await, open().await);
    let (a, b) = (archiver(&one, &log, &time), archiver(&two, &log, &time));
    let (a, b) = tokio::join!(a.run(), b.run());
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(a.records + b.records, 1_500, "{a:?} {b:?}");
    let lake = open().await;
    let snapshot = lake.snapshot().await.unwrap();
    assert_eq!(snapshot.commit, a.commits + b.commits);
    assert_whole(&lake, &snapshot).await;
    assert!(Arc::strong_count(&log) >= 1);
}

#[tokio::test]
async fn a_step_made_from_an_old_snapshot_is_refused() {
    let (time, folder) = (Time::new(), tempfile::tempdir().unwrap());
    let log = memory_log(1, &time);
    fill(&*log, 0, 50, 10).await;
    let lake = Lake::open(&LakeOptions::local(folder.path())).await.unwrap();
    archiver(&lake, &log, &time).run().await.unwrap();
    let commit = lake.commit(1).await.unwrap();
    let error = lake.publish(&commit.change, 0).await.unwrap_err();
    assert!(matches!(error, LakeError::Conflict { commit: 1, .. }), "{error}");
}

#[tokio::test]
async fn rows_of_erased_users_are_in_no_file_that_is_written_after() {
    let (time, folder) = (Time::new(), tempfile::tempdir().unwrap());
    let log = memory_log(1, &time);
    let at = START_MS;
    log.append(vec![view(1, "anna", at), view(2, "ben", at), identify(Topic::Browse, "device", "anna", at)])
        .await
        .unwrap();
    log.append(vec![erased(Topic::Browse, "anna", at), view(3, "anna", at), cart(4, "anna", at)])
        .await
        .unwrap();
    let lake = Lake::open(&LakeOptions::local(folder.path())).await.unwrap();
    let done = archiver(&lake, &log, &time).run().await.unwrap();
    assert_eq!((done.records, done.rows), (6, 4));
    log.append(vec![event(Topic::Browse, "anna", "no event of anna"), view(5, "anna", at)]).await.unwrap();
    archiver(&lake, &log, &time).run().await.unwrap();
    let snapshot = lake.snapshot().await.unwrap();
    let rows = rows(&lake, &snapshot).await;
    let places: Vec<(Topic, i64)> = rows.keys().map(|(topic, _, offset)| (*topic, *offset)).collect();
    // Ben's view, the device that was somebody, the erasure without a name, a record without content; the cart's topic has heard of no
    // erasure.
    let browse = [1, 2, 3, 5].map(|offset| (Topic::Browse, offset));
    assert_eq!(places, [&browse[..], &[(Topic::Cart, 0)]].concat());
    for ((topic, _, offset), row) in &rows {
        assert!(*topic == Topic::Cart || !row.contains(&format!("{:?}", b"anna")), "{offset}: {row}");
    }
    assert!(
        snapshot.erased.contains(Topic::Browse, b"anna") && !snapshot.erased.contains(Topic::Cart, b"anna")
    );
    let tally = snapshot.tally(Topic::Browse, 0).unwrap();
    assert_eq!((tally.records, tally.erased, tally.rows()), (7, 3, 4));
}
