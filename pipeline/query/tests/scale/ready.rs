//! The ready questions that the lake alone answers, in one process and on a cluster.

use std::sync::Arc;

use arrow_array::RecordBatch;
use datafusion::arrow::util::pretty::pretty_format_batches;
use futures::TryStreamExt;
use shoptide_lake::{Archiver, Lake, LakeOptions};
use shoptide_log::{Log, MemoryLog, MemoryLogOptions, NewRecord};
use shoptide_query::lake::LakeKind;
use shoptide_query::ready::READY;
use shoptide_query::scale::{ClusterShop, lake_parts};
use shoptide_query::{Answer, LakeSource, STORE_TABLES, SessionOptions, Sources, Statement, functions, open};

use crate::cluster::{PATIENCE, start};
use crate::interactions::records;

async fn archived(folder: &std::path::Path) -> Lake {
    let clock: shoptide_log::Clock = Arc::new(|| 1_781_000_000_000);
    let options = MemoryLogOptions { partitions: 1, clock: clock.clone(), queue_records_max: 100_000 };
    let log = MemoryLog::new(options);
    for some in records().chunks(200) {
        let record = |r: &crate::interactions::Record| NewRecord {
            topic: r.topic,
            key: r.event.user.as_bytes().to_vec().into(),
            value: r.json.clone().into_bytes().into(),
        };
        log.append(some.iter().map(record).collect()).await.unwrap();
    }
    let lake = Lake::open(&LakeOptions::local(folder)).await.unwrap();
    Archiver { lake: lake.clone(), log, clock, limits: Default::default() }.run().await.unwrap();
    lake
}

async fn shown(answer: Answer) -> String {
    let rows: Vec<RecordBatch> = answer.batches.try_collect().await.unwrap();
    pretty_format_batches(&rows).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ready_questions_have_the_same_answers_on_a_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let lake = archived(folder.path()).await;
    let snapshot = lake.snapshot().await.unwrap();
    let running = start(folder, functions::all()).await;
    let remote =
        ClusterShop::open(&running.cluster, &running.scheduler.url(), PATIENCE, &snapshot).await.unwrap();
    let source = LakeSource {
        store: lake.store(),
        events: lake_parts(&snapshot, LakeKind::Events).unwrap(),
        records: lake_parts(&snapshot, LakeKind::Records).unwrap(),
    };
    let local = open(&SessionOptions::default(), Sources { lake: Some(source), truth: None }).unwrap();
    let mut asked: Vec<String> = READY
        .iter()
        .filter(|ready| !STORE_TABLES.iter().any(|table| ready.sql.contains(&format!("FROM {table}"))))
        .map(|ready| ready.sql.to_owned())
        .collect();
    assert_eq!(asked.len(), 4);
    let ours = [
        "SELECT type, count(*) AS n, round(sum(decay(3600000.0 * \"offset\", 30.0)), 6) AS s FROM events GROUP BY type ORDER BY 1",
        "SELECT round(cosine([1.0, n], [n, 2.0]), 9) AS c FROM (SELECT count(*) * 1.0 AS n FROM events GROUP BY type) t ORDER BY c",
        "SELECT text(user_id) AS u, count(*) AS n FROM events WHERE user_id LIKE 'u1%' GROUP BY 1 ORDER BY 1",
        "SELECT date, count(DISTINCT user_id) FROM events WHERE type = 'purchase' GROUP BY date ORDER BY date",
        "SELECT item_id, query, occurred_at FROM events WHERE type = 'search' ORDER BY occurred_at, \"offset\" LIMIT 5",
    ];
    asked.extend(ours.map(str::to_owned));
    for sql in &asked {
        let statement = || Statement::all(sql).unwrap().remove(0);
        let want = shown(local.run(statement()).await.unwrap()).await;
        let got = async { shown(remote.run(statement()).await.unwrap()).await };
        let got =
            tokio::time::timeout(PATIENCE, got).await.unwrap_or_else(|_| panic!("no answer in time: {sql}"));
        assert_eq!(got, want, "{sql}");
        assert!(5 <= want.lines().count(), "{sql} has no rows: {want}");
    }
    for refused in [
        "SELECT 1 FROM profiles, models, events",
        "SELECT 1 FROM events WHERE item_id IN (SELECT item_id FROM catalogue)",
    ] {
        let error = remote.run(Statement::all(refused).unwrap().remove(0)).await.err().unwrap();
        assert!(error.is_refusal() && error.to_string().contains("run it without --scheduler"), "{error}");
    }
}
