//! Rows for the tests, and the dump of a whole truth.
#![allow(dead_code, reason = "each test file uses some of them")]

use std::sync::Arc;

use shoptide_schemas::{ItemId, Topic, UserId};
use shoptide_store::{
    Commit, CountRow, DeadLetter, FoldedTable, ItemRow, ListRow, OffsetMove, OrderLineRow, OutboxRow,
    PartRow, Tally, Truth,
};

pub const SHARD: u32 = 3;

pub fn user(id: impl AsRef<[u8]>) -> UserId {
    UserId::from_trusted(id.as_ref())
}

pub fn item(id: impl AsRef<[u8]>) -> ItemId {
    ItemId::from_trusted(id.as_ref())
}

/// A step that applies each record.
pub fn step(topic: Topic, from: i64, to: i64) -> OffsetMove {
    let tally = Tally { logged: to - from, applied: to - from, ..Tally::default() };
    OffsetMove { topic, from, to, append_ms: 1_000 + to, tally }
}

pub fn commit(epoch: i64, steps: &[OffsetMove]) -> Commit {
    Commit { shard: SHARD, epoch, offsets: steps.to_vec(), ..Commit::default() }
}

pub fn part(user: &UserId, topic: Topic, upto: i64, data: &[u8]) -> PartRow {
    PartRow { shard: SHARD, user: user.clone(), topic, upto, data: data.to_vec() }
}

pub fn line(user: &UserId, order: &str, line: &str) -> OrderLineRow {
    OrderLineRow { user: user.clone(), kind: 20, order: order.into(), line: line.into() }
}

pub fn count(id: &str, day: u32, n: i64) -> CountRow {
    CountRow { item: item(id), day, kind: 1, n }
}

pub fn dead(topic: Topic, offset: i64, key: &UserId) -> DeadLetter {
    DeadLetter {
        shard: SHARD,
        topic,
        offset,
        append_ms: 1_000 + offset,
        reason: if offset % 2 == 0 { "malformed" } else { "too_long" }.into(),
        field: "body".into(),
        message: format!("record {offset} is no event"),
        key: Some(key.as_bytes().to_vec()),
        payload: Some(vec![0, 255, b'{']),
    }
}

pub fn list(user: &UserId, revision: i64, model_version: u64) -> ListRow {
    let data = Arc::from(format!("list {revision} of model {model_version}").as_bytes());
    ListRow { user: user.clone(), revision, model_version, last_ms: 5_000 + revision, data }
}

pub fn outbox(off: i64) -> OutboxRow {
    OutboxRow { topic: Topic::Feedback, off, key: b"known".to_vec(), payload: vec![off as u8; 3] }
}

pub fn item_row(num: u32, from_off: i64, data: &str) -> ItemRow {
    ItemRow { num, item: item(format!("item {num}")), from_off, data: data.as_bytes().to_vec() }
}

/// Takes the suite's shard over in these topics, from 0; gives the epoch.
pub async fn assigned(truth: &dyn Truth, topics: &[Topic]) -> i64 {
    let bases: Vec<_> = topics.iter().map(|topic| (*topic, 0)).collect();
    truth.assign(SHARD, &bases).await.unwrap()[0].epoch
}

/// Every folded table, as verification sees it.
pub async fn dumped(truth: &dyn Truth) -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let mut tables = Vec::new();
    for table in FoldedTable::ALL {
        let mut rows = Vec::new();
        truth.dump(table, &mut |row| rows.push(row.to_vec())).await.unwrap();
        tables.push((table.name(), rows));
    }
    tables
}

pub async fn parts_of(truth: &dyn Truth) -> Vec<PartRow> {
    let mut parts = Vec::new();
    truth.scan_parts(&[], &mut |part| parts.push(part)).await.unwrap();
    parts
}
