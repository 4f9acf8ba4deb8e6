//! Walks over whole tables: the trainer's parts at a cut, and the canonical bytes that verification compares. Rows go to
//! the caller in bounded chunks, so that neither a large table nor a slow caller costs memory.

use std::collections::BTreeMap;

use futures::StreamExt;
use shoptide_schemas::{Topic, UserId};
use tokio::sync::mpsc;

use super::batch::{self, Rows};
use super::commit::code;
use super::conn::SqlConn;
use super::reads::{next_shard, topic_of};
use super::value::{OwnedValue, Row, Value};
use crate::{FoldedTable, PartRow, StoreError};

/// Rows and bytes handed over at once: large enough that the channel costs nothing, small enough to hold several.
const CHUNK_ROWS_MAX: usize = 256;
const CHUNK_BYTES_MAX: usize = 1024 * 1024;
/// Chunks between the reading task and the caller.
pub(super) const CHUNKS_MAX: usize = 4;
/// Changed parts of one shard that are looked up one by one, at about 64 bytes a key. Beyond it the whole shard is read in
/// order: that needs no memory, and so many changes are a large share of the shard anyway.
pub(super) const SCAN_KEYS_MAX: usize = 100_000;

/// Where a walk leaves its rows. A caller who is gone ends it.
pub(super) struct Chunks<T> {
    sender: mpsc::Sender<Vec<T>>,
    held: Vec<T>,
    held_bytes: usize,
}

impl<T> Chunks<T> {
    pub fn new(sender: mpsc::Sender<Vec<T>>) -> Self {
        Self { sender, held: Vec::new(), held_bytes: 0 }
    }

    async fn push(&mut self, row: T, bytes: usize) -> Result<(), StoreError> {
        self.held.push(row);
        self.held_bytes += bytes;
        if CHUNK_ROWS_MAX <= self.held.len() || CHUNK_BYTES_MAX <= self.held_bytes {
            return self.flush().await;
        }
        Ok(())
    }

    pub async fn flush(&mut self) -> Result<(), StoreError> {
        self.held_bytes = 0;
        let chunk = std::mem::take(&mut self.held);
        if chunk.is_empty() {
            return Ok(());
        }
        let gone =
            |_| StoreError::Unavailable { store: "the reader", reason: "it went away during a walk".into() };
        self.sender.send(chunk).await.map_err(gone)
    }
}

/// The changes that are asked for: by shard and topic code, the first offset that counts.
pub(super) type Since = BTreeMap<u32, BTreeMap<i64, i64>>;

pub(super) fn since_of(since: &[(u32, Topic, i64)]) -> Since {
    let mut by_shard = Since::new();
    for (shard, topic, offset) in since {
        by_shard.entry(*shard).or_default().insert(code(*topic), *offset);
    }
    by_shard
}

/// Wants a read transaction.
pub(super) async fn parts<C: SqlConn>(
    conn: &mut C,
    since: &Since,
    keys_max: usize,
    chunks: &mut Chunks<PartRow>,
) -> Result<(), StoreError> {
    if since.is_empty() {
        let mut above = None;
        while let Some(shard) = next_shard(conn, "user_part", above).await? {
            shard_parts(conn, shard, None, chunks).await?;
            above = Some(shard);
        }
    }
    for (shard, topics) in since {
        match changed_keys(conn, *shard, topics, keys_max).await? {
            Some(keys) => looked_up_parts(conn, *shard, &keys, chunks).await?,
            None => shard_parts(conn, *shard, Some(topics), chunks).await?,
        }
    }
    // Shards that the cut does not know came with a larger generation of topics, behind those that it knows.
    let mut above = since.keys().last().copied();
    while let (Some(known), Some(shard)) = (above, next_shard(conn, "user_part", above).await?) {
        debug_assert!(known < shard, "shards are walked in order");
        shard_parts(conn, shard, None, chunks).await?;
        above = Some(shard);
    }
    chunks.flush().await
}

/// The keys of what changed, in order, from the index alone; `None` if they are too many to hold.
async fn changed_keys<C: SqlConn>(
    conn: &mut C,
    shard: u32,
    topics: &BTreeMap<i64, i64>,
    keys_max: usize,
) -> Result<Option<Vec<(UserId, i64)>>, StoreError> {
    let mut keys = Vec::new();
    for (topic, upto) in topics {
        let sql = "SELECT user_id FROM user_part WHERE shard = ? AND topic = ? AND upto >= ? LIMIT ?";
        let room = i64::try_from(keys_max + 1 - keys.len()).unwrap_or(i64::MAX);
        let args = [shard.into(), Value::Int(*topic), Value::Int(*upto), Value::Int(room)];
        let mut rows = conn.stream(sql, &args);
        while let Some(row) = rows.next().await {
            keys.push((UserId::from_trusted(row?.bytes(0)?), *topic));
        }
        drop(rows);
        if keys_max < keys.len() {
            return Ok(None);
        }
    }
    keys.sort_unstable();
    Ok(Some(keys))
}

async fn looked_up_parts<C: SqlConn>(
    conn: &mut C,
    shard: u32,
    keys: &[(UserId, i64)],
    chunks: &mut Chunks<PartRow>,
) -> Result<(), StoreError> {
    let select = ("SELECT user_id, topic, upto, data FROM user_part WHERE shard = ? AND", "");
    for some in keys.chunks(batch::STATEMENT_ROWS_MAX) {
        let mut rows = Rows::with_capacity(2, some.len());
        some.iter().for_each(|(user, topic)| rows.push([Value::Bytes(user.as_bytes()), Value::Int(*topic)]));
        let found = batch::query_among(conn, select, &[shard.into()], &["user_id", "topic"], &rows).await?;
        let mut found = found.into_iter().map(|row| part_row(shard, row)).collect::<Result<Vec<_>, _>>()?;
        found.sort_unstable_by(|a, b| (&a.user, a.topic).cmp(&(&b.user, b.topic)));
        for part in found {
            let bytes = part.data.len();
            chunks.push(part, bytes).await?;
        }
    }
    Ok(())
}

/// All parts of a shard in the order of its key, those of `topics` before their offset left out.
async fn shard_parts<C: SqlConn>(
    conn: &mut C,
    shard: u32,
    topics: Option<&BTreeMap<i64, i64>>,
    chunks: &mut Chunks<PartRow>,
) -> Result<(), StoreError> {
    let sql = "SELECT user_id, topic, upto, data FROM user_part WHERE shard = ? ORDER BY user_id, topic";
    let mut rows = conn.stream(sql, &[shard.into()]);
    while let Some(row) = rows.next().await {
        let part = part_row(shard, row?)?;
        if topics.is_none_or(|t| t.get(&code(part.topic)).is_some_and(|since| *since <= part.upto)) {
            let bytes = part.data.len();
            chunks.push(part, bytes).await?;
        }
    }
    Ok(())
}

fn part_row(shard: u32, mut row: Row) -> Result<PartRow, StoreError> {
    Ok(PartRow {
        shard,
        user: UserId::from_trusted(row.bytes(0)?),
        topic: topic_of(row.int(1)?)?,
        upto: row.int(2)?,
        data: row.take_bytes(3)?,
    })
}

/// The select of a folded table in the order of its key. An epoch tells how often owners changed, not what was folded, so
/// it is left out.
fn dump_select(table: FoldedTable) -> &'static str {
    match table {
        FoldedTable::Offsets => {
            "SELECT shard, topic, next_off, base_off, append_ms, logged, applied, duplicate, late, erased, dead \
             FROM stream_offset ORDER BY shard, topic"
        }
        FoldedTable::Parts => {
            "SELECT shard, user_id, topic, upto, data FROM user_part ORDER BY shard, user_id, topic"
        }
        FoldedTable::OrderLines => {
            "SELECT shard, user_id, kind, order_id, line_id FROM order_line \
             ORDER BY shard, user_id, kind, order_id, line_id"
        }
        FoldedTable::Counts => {
            "SELECT shard, item_id, day, type, n FROM item_count ORDER BY shard, item_id, day, type"
        }
        FoldedTable::Ratings => {
            "SELECT shard, item_id, n, hundredths, upto FROM item_rating ORDER BY shard, item_id"
        }
        FoldedTable::DeadLetters => {
            "SELECT shard, topic, off, append_ms, reason, field, message, record_key, payload \
             FROM dead_letter ORDER BY shard, topic, off"
        }
        FoldedTable::Tombstones => {
            "SELECT shard, user_hash, topic, off FROM tombstone ORDER BY shard, user_hash, topic"
        }
        FoldedTable::Items => "SELECT num, item_id, from_off, data FROM item ORDER BY num",
        FoldedTable::ItemVersions => "SELECT num, from_off, data FROM item_version ORDER BY num, from_off",
    }
}

/// `named`: what the caller is given for a row's bytes.
pub(super) async fn dump<C: SqlConn, T>(
    conn: &mut C,
    table: FoldedTable,
    chunks: &mut Chunks<T>,
    named: impl Fn(Vec<u8>) -> T,
) -> Result<(), StoreError> {
    let mut rows = conn.stream(dump_select(table), &[]);
    while let Some(row) = rows.next().await {
        let bytes = encoded(&row?);
        let weight = bytes.len();
        chunks.push(named(bytes), weight).await?;
    }
    drop(rows);
    chunks.flush().await
}

/// A row as bytes: each column a tag, then 8 bytes little-endian, or a length and the bytes.
fn encoded(row: &Row) -> Vec<u8> {
    let mut out = Vec::new();
    for value in &row.0 {
        match value {
            OwnedValue::Null => out.push(0),
            OwnedValue::Int(value) => {
                out.push(1);
                out.extend(value.to_le_bytes());
            }
            OwnedValue::Bytes(bytes) => {
                out.push(2);
                out.extend((bytes.len() as u64).to_le_bytes());
                out.extend(bytes);
            }
        }
    }
    out
}
