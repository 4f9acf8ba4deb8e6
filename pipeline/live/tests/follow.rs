//! The live view follows the catalogue's topic.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use shoptide_live::{Live, Metrics};
use shoptide_log::{Log, MemoryLog, MemoryLogOptions, NewRecord};
use shoptide_schemas::{ItemId, Topic};
use shoptide_store::{SqliteTruth, SqliteTruthOptions};

#[tokio::test]
async fn a_single_change_is_seen_at_once() {
    let dir = tempfile::TempDir::new().unwrap();
    let log =
        MemoryLog::new(MemoryLogOptions { partitions: 1, clock: Arc::new(|| 1), queue_records_max: 10 });
    let truth = SqliteTruth::open(SqliteTruthOptions::new(dir.path().join("truth.db"))).await.unwrap();
    let metrics = Arc::new(Metrics::new().unwrap());
    let live = Live::start(log.clone(), truth, dir.path().join("models"), metrics).await.unwrap();
    let mut fastest = Duration::MAX;
    for n in 0..4_u32 {
        // Let the follower come to rest first.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let value = format!(
            r#"{{"event_id":"c","type":"item_upsert","item_id":"i{n}","title":"t","occurred_at":1777896000000}}"#
        );
        let key = format!("i{n}").into_bytes();
        let began = Instant::now();
        log.append(vec![NewRecord {
            topic: Topic::Catalogue,
            key: key.into(),
            value: value.into_bytes().into(),
        }])
        .await
        .unwrap();
        while live.catalogue().len() <= n {
            tokio::task::yield_now().await;
        }
        fastest = fastest.min(began.elapsed());
        assert_eq!(live.catalogue().number(&ItemId::from_trusted(format!("i{n}").as_bytes())), Some(n));
        assert_eq!(live.catalogue().offset(), i64::from(n) + 1);
    }
    // One that waits for the second change sees each of them after a second, a crowded machine only some.
    assert!(fastest < Duration::from_millis(700), "seen after {fastest:?} at the earliest");
    live.stop();
}
