//! The fast clean run writes the same bytes as the slow one, whatever the stretches: every kind of event, repeats, dead letters, erasures, known
//! users who were anonymous, refunds, and a poison.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use shoptide_live::fold::{Inspect, LogFeed, Stretch, WholeRun, first_bases, replay};
use shoptide_log::{Log as _, MemoryLog, MemoryLogOptions};
use shoptide_schemas::topic::ALL_TOPICS;
use shoptide_schemas::{EventType, Topic};
use shoptide_store::{FoldedTable, SqliteTruth, SqliteTruthOptions, Truth};
use tempfile::TempDir;

use crate::events::{NOW_MS, any_log, broadcast};

const LOGS: usize = 60;

async fn put(log: &MemoryLog, topic: Topic, key: Option<Vec<u8>>, value: Option<Vec<u8>>) {
    log.append_foreign(topic, 0, key.map(Bytes::from), value.map(Bytes::from)).await.unwrap();
}

/// Many small logs behind one another, and what their folds owe to the known users.
async fn everything(dir: &TempDir) -> Arc<MemoryLog> {
    let now = AtomicI64::new(NOW_MS);
    let clock: shoptide_log::Clock = Arc::new(move || now.fetch_add(1_000, Ordering::Relaxed));
    let log = MemoryLog::new(MemoryLogOptions { partitions: 1, clock, queue_records_max: 100_000 });
    let mut runner = TestRunner::deterministic();
    for n in 0..LOGS {
        // Erasures are for ever: most users live until late.
        let drafts = any_log().new_tree(&mut runner).unwrap().current();
        for draft in drafts {
            let text = String::from_utf8_lossy(draft.value.as_deref().unwrap_or_default()).into_owned();
            if n < LOGS - 10 && text.contains("user_erased") {
                continue;
            }
            put(&log, draft.topic, draft.key, draft.value).await;
        }
    }
    for _ in 0..20 {
        let draft = broadcast().new_tree(&mut runner).unwrap().current();
        put(&log, draft.topic, draft.key, draft.value).await;
    }
    let mut relayed = BTreeSet::new();
    for round in 0.. {
        let truth = truth(dir, &format!("relay-{round}")).await;
        slowly(&log, &truth, None).await;
        let owed = truth.outbox(0, 100_000).await.unwrap();
        truth.close().await;
        if owed.len() == relayed.len() {
            break;
        }
        for row in owed.into_iter().filter(|row| relayed.insert((row.topic, row.off))) {
            put(&log, row.topic, Some(row.key), Some(row.payload)).await;
        }
    }
    assert!(10 < relayed.len(), "{} records were owed", relayed.len());
    log
}

async fn truth(dir: &TempDir, name: &str) -> Arc<SqliteTruth> {
    SqliteTruth::open(SqliteTruthOptions::rebuilt(dir.path().join(name))).await.unwrap()
}

async fn ends(log: &MemoryLog) -> BTreeMap<u8, i64> {
    let mut ends = BTreeMap::new();
    for topic in ALL_TOPICS {
        ends.insert(topic.code(), log.watermarks(topic, 0).await.unwrap().next);
    }
    ends
}

async fn slowly(log: &MemoryLog, truth: &SqliteTruth, inspect: Option<Inspect>) {
    replay(log, truth, 0, &first_bases(0, |_| 0), &ends(log).await, inspect).await.unwrap();
}

async fn whole(log: &MemoryLog, truth: &SqliteTruth, inspect: Option<Inspect>, stretch: Stretch) -> u64 {
    let (bases, until) = (first_bases(0, |_| 0), ends(log).await);
    let feed = LogFeed { log };
    let run = WholeRun {
        feed: &feed,
        truth,
        shard: 0,
        partitions: 1,
        bases: &bases,
        until: &until,
        inspect,
        stretch,
    };
    run.run().await.unwrap()
}

async fn dump(truth: &SqliteTruth) -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let mut tables = Vec::new();
    for table in FoldedTable::ALL {
        let mut rows = Vec::new();
        truth.dump(table, &mut |row| rows.push(row.to_vec())).await.unwrap();
        tables.push((table.name(), rows));
    }
    // Not compared by the proof, but owed all the same.
    let owed = truth.outbox(0, 100_000).await.unwrap();
    tables.push(("outbox", owed.into_iter().map(|row| format!("{row:?}").into_bytes()).collect()));
    tables
}

#[tokio::test]
async fn the_fast_run_writes_the_same_bytes() {
    let dir = TempDir::new().unwrap();
    let log = everything(&dir).await;
    let slow = truth(&dir, "slow").await;
    slowly(&log, &slow, None).await;
    let expected = dump(&slow).await;
    for (name, rows) in &expected {
        assert!(!rows.is_empty(), "{name} is empty: nothing is shown of it");
    }
    let logged = ends(&log).await.values().sum::<i64>();
    let bytes = usize::MAX;
    for (records, bytes) in
        [(1, bytes), (37, bytes), (1_000, bytes), (usize::MAX, 2_000), (usize::MAX, bytes)]
    {
        let fast = truth(&dir, &format!("fast-{records}-{bytes}")).await;
        let folded = whole(&log, &fast, None, Stretch { records, bytes }).await;
        assert_eq!(folded, logged as u64);
        assert!(dump(&fast).await == expected, "stretches of {records} records, {bytes} bytes");
        fast.close().await;
    }
    slow.close().await;
}

#[tokio::test]
async fn a_poison_is_buried_as_ever() {
    let dir = TempDir::new().unwrap();
    let log = everything(&dir).await;
    let poison: Inspect = Arc::new(|event| {
        assert!(event.event_type != EventType::RateItem || event.id.as_bytes() != b"e7", "poison");
    });
    let slow = truth(&dir, "slow").await;
    slowly(&log, &slow, Some(poison.clone())).await;
    let expected = dump(&slow).await;
    let panicked = |row: &Vec<u8>| row.windows(8).any(|w| w == b"panicked");
    assert!(expected.iter().any(|(name, rows)| *name == "dead_letter" && rows.iter().any(panicked)));
    for records in [10, usize::MAX] {
        let fast = truth(&dir, &format!("fast-{records}")).await;
        whole(&log, &fast, Some(poison.clone()), Stretch { records, bytes: usize::MAX }).await;
        assert!(dump(&fast).await == expected, "stretches of {records} records");
        fast.close().await;
    }
    slow.close().await;
}
