//! A small shop's log, and what is in a lake.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use bytes::Bytes;
use futures::TryStreamExt;
use shoptide_lake::{ArchiveLimits, Archiver, FileKind, Lake, LakeFile, Snapshot};
use shoptide_log::{Clock, Log, MemoryLog, MemoryLogOptions, NewRecord};
use shoptide_schemas::Topic;

/// 2026-05-03T00:00:00Z.
pub const START_MS: i64 = 1_777_766_400_000;

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub struct Time(pub Arc<AtomicI64>);

impl Time {
    pub fn new() -> Self {
        Time(Arc::new(AtomicI64::new(START_MS)))
    }

    pub fn set(&self, ms: i64) {
        self.0.store(ms, Ordering::SeqCst);
    }

    pub fn clock(&self) -> Clock {
        let time = Arc::clone(&self.0);
        Arc::new(move || time.load(Ordering::SeqCst))
    }
}

pub fn memory_log(partitions: u32, time: &Time) -> Arc<MemoryLog> {
    MemoryLog::new(MemoryLogOptions { partitions, clock: time.clock(), queue_records_max: 100_000 })
}

/// An event of a user, as the log has it.
pub fn event(topic: Topic, user: &str, json: &str) -> NewRecord {
    NewRecord {
        topic,
        key: Bytes::copy_from_slice(user.as_bytes()),
        value: Bytes::copy_from_slice(json.as_bytes()),
    }
}

pub fn view(n: usize, user: &str, at_ms: i64) -> NewRecord {
    let json = format!(
        r#"{{"event_id":"v{n}","type":"view_item","user_id":"{user}","occurred_at":{at_ms},"item_id":"i{}","historical":true}}"#,
        n % 97
    );
    event(Topic::Browse, user, &json)
}

pub fn cart(n: usize, user: &str, at_ms: i64) -> NewRecord {
    let json = format!(
        r#"{{"event_id":"c{n}","type":"add_to_cart","user_id":"{user}","occurred_at":{at_ms},"item_id":"i{}","quantity":2,"price":"3.50","currency":"EUR"}}"#,
        n % 97
    );
    event(Topic::Cart, user, &json)
}

pub fn erased(topic: Topic, user: &str, at_ms: i64) -> NewRecord {
    let json = format!(
        r#"{{"event_id":"erase {user}","type":"user_erased","user_id":"{user}","occurred_at":{at_ms},"session_id":"{user}"}}"#
    );
    event(topic, user, &json)
}

pub fn identify(topic: Topic, anonymous: &str, known: &str, at_ms: i64) -> NewRecord {
    let json = format!(
        r#"{{"event_id":"id-{anonymous}-{known}","type":"identify","user_id":"{anonymous}","occurred_at":{at_ms},"known_user_id":"{known}"}}"#
    );
    event(topic, anonymous, &json)
}

/// Some days of views and carts by `users` users, a record that is no event and one of the catalogue.
pub async fn fill(log: &dyn Log, from: usize, count: usize, users: usize) {
    let mut records = Vec::new();
    for n in from..from + count {
        let at = START_MS - (n as i64 % 3) * 86_400_000 + n as i64;
        let user = format!("user-{}", (n * 7) % users);
        records.push(match n % 50 {
            13 => event(Topic::Browse, &user, "no event"),
            14 => event(Topic::Catalogue, "i1", r#"{"type":"nothing that we know"}"#),
            k if k % 5 == 0 => cart(n, &user, at),
            _ => view(n, &user, at),
        });
    }
    for some in records.chunks(500) {
        log.append(some.to_vec()).await.unwrap();
    }
}

/// Small steps and files, so that little data makes many.
pub fn small() -> ArchiveLimits {
    ArchiveLimits {
        portion_rows: 100,
        portion_bytes: 1 << 20,
        step_records: 300,
        file_rows: 60,
        file_bytes: 1 << 20,
    }
}

pub fn archiver(lake: &Lake, log: &Arc<MemoryLog>, time: &Time) -> Archiver {
    Archiver {
        lake: lake.clone(),
        log: Arc::clone(log) as Arc<dyn Log>,
        clock: time.clock(),
        limits: small(),
    }
}

/// One row, as text of all columns.
pub type Rows = BTreeMap<(Topic, u32, i64), String>;

pub async fn batches(lake: &Lake, file: &LakeFile) -> Vec<RecordBatch> {
    lake.read(file, None).await.unwrap().try_collect().await.unwrap()
}

/// All rows by their place in the log. Panics if a place is there twice, or a row lies outside its file's range.
pub async fn rows(lake: &Lake, snapshot: &Snapshot) -> Rows {
    let mut rows = Rows::new();
    for file in &snapshot.files {
        let mut counted = 0;
        let mut last = i64::MIN;
        for batch in batches(lake, file).await {
            let offsets = batch.column_by_name("offset").unwrap().as_primitive::<Int64Type>().clone();
            for row in 0..batch.num_rows() {
                let offset = offsets.value(row);
                assert!(
                    last < offset && (file.first..file.next).contains(&offset),
                    "{} at {offset}",
                    file.path
                );
                last = offset;
                let text = format!("{:?}", batch.slice(row, 1).columns());
                let before = rows.insert((file.topic, file.partition, offset), text);
                assert!(
                    before.is_none(),
                    "{} partition {} offset {offset} twice",
                    file.topic,
                    file.partition
                );
                counted += 1;
            }
        }
        assert_eq!(counted, file.rows, "{}", file.path);
    }
    rows
}

/// Every offset of every partition from the lake's base to its cut is there once.
pub async fn assert_whole(lake: &Lake, snapshot: &Snapshot) {
    let rows = rows(lake, snapshot).await;
    for tally in &snapshot.tallies {
        for offset in tally.base..tally.cut {
            let place = (tally.topic, tally.partition, offset);
            assert!(rows.contains_key(&place) || 0 < tally.erased + tally.retired, "a gap at {place:?}");
        }
        let own = rows.keys().filter(|(t, p, _)| (*t, *p) == (tally.topic, tally.partition)).count() as u64;
        assert_eq!(own, tally.rows(), "{} partition {}", tally.topic, tally.partition);
    }
}

pub fn events(snapshot: &Snapshot) -> impl Iterator<Item = &LakeFile> {
    snapshot.files.iter().filter(|f| f.kind == FileKind::Events)
}
