//! Point and page reads. Each runs on a connection of its caller's; those that need one consistent state say so and are
//! run within a read transaction.

use std::collections::BTreeMap;

use shoptide_schemas::topic::PARTS;
use shoptide_schemas::{Topic, USER_TOPICS, UserId};

use super::batch::{self, Rows};
use super::conn::SqlConn;
use super::dialect::Target;
use super::erase::user_keys;
use super::value::{Row, Value};
use super::writes::MODEL_POINTER;
use crate::{ListHead, OffsetRow, OrderLineRow, OutboxRow, StoreError, Tally, UserRow, user_hash};

pub(super) fn topic_of(code: i64) -> Result<Topic, StoreError> {
    Topic::from_code(code)
        .ok_or_else(|| StoreError::Unusable(format!("stored topic is {code}, expected 0 to 5")))
}

/// The place of a user topic's part.
fn part_of(code: i64) -> Result<usize, StoreError> {
    let topic = topic_of(code)?;
    USER_TOPICS
        .iter()
        .position(|t| *t == topic)
        .ok_or_else(|| StoreError::Unusable(format!("{topic} has no part of users")))
}

/// SQL takes limits as signed integers; more than that is no limit.
pub(super) fn limit_of(limit: usize) -> Value<'static> {
    Value::Int(i64::try_from(limit).unwrap_or(i64::MAX))
}

/// Offset rows of one shard or all, in order; `lock` holds them until the transaction ends.
pub(super) async fn offsets_of<C: SqlConn>(
    conn: &mut C,
    shard: Option<u32>,
    lock: bool,
) -> Result<Vec<OffsetRow>, StoreError> {
    let sql = format!(
        "SELECT shard, topic, next_off, epoch, base_off, append_ms, logged, applied, duplicate, late, erased, dead, \
         published_off FROM stream_offset {} ORDER BY shard, topic{}",
        if shard.is_some() { "WHERE shard = ?" } else { "" },
        if lock { conn.dialect().for_update() } else { "" },
    );
    let args: Vec<Value<'_>> = shard.into_iter().map(Value::from).collect();
    conn.query(&sql, &args).await?.iter().map(offset_row).collect()
}

pub(super) fn offset_row(row: &Row) -> Result<OffsetRow, StoreError> {
    Ok(OffsetRow {
        shard: row.number(0)?,
        topic: topic_of(row.int(1)?)?,
        next_off: row.int(2)?,
        epoch: row.int(3)?,
        base_off: row.int(4)?,
        append_ms: row.int(5)?,
        tally: Tally {
            logged: row.int(6)?,
            applied: row.int(7)?,
            duplicate: row.int(8)?,
            late: row.int(9)?,
            erased: row.int(10)?,
            dead: row.int(11)?,
        },
        published_off: row.int(12)?,
    })
}

/// What is known of one user, while it is put together.
#[derive(Default, Clone)]
struct Known {
    parts: [Option<(i64, Vec<u8>)>; PARTS],
    erased: [Option<i64>; PARTS],
    list: Option<Vec<u8>>,
}

/// Three statements for up to 256 users; wants a read transaction.
pub(super) async fn users<C: SqlConn>(
    conn: &mut C,
    shard: u32,
    users: &[UserId],
) -> Result<Vec<UserRow>, StoreError> {
    let mut known: BTreeMap<&[u8], Known> =
        users.iter().map(|user| (user.as_bytes(), Known::default())).collect();
    let keys = user_keys(users);
    let shard_first = [Value::from(shard)];

    let parts = ("SELECT user_id, topic, upto, data FROM user_part WHERE shard = ? AND", "");
    for mut row in batch::query_among(conn, parts, &shard_first, &["user_id"], &keys).await? {
        let (part, upto, data) = (part_of(row.int(1)?)?, row.int(2)?, row.take_bytes(3)?);
        if let Some(place) = known.get_mut(row.bytes(0)?).and_then(|user| user.parts.get_mut(part)) {
            *place = Some((upto, data));
        }
    }

    let hashes: BTreeMap<[u8; 16], &[u8]> =
        users.iter().map(|user| (user_hash(user), user.as_bytes())).collect();
    let mut hash_keys = Rows::with_capacity(1, hashes.len());
    hashes.keys().for_each(|hash| hash_keys.push([Value::Bytes(hash)]));
    let tombstones = ("SELECT user_hash, topic, off FROM tombstone WHERE shard = ? AND", "");
    for row in batch::query_among(conn, tombstones, &shard_first, &["user_hash"], &hash_keys).await? {
        let (part, off) = (part_of(row.int(1)?)?, row.int(2)?);
        let user = hashes.get(row.bytes(0)?).and_then(|user| known.get_mut(user));
        if let Some(place) = user.and_then(|user| user.erased.get_mut(part)) {
            *place = Some(off);
        }
    }

    let lists = ("SELECT user_id, data FROM user_list WHERE shard = ? AND", "");
    for mut row in batch::query_among(conn, lists, &shard_first, &["user_id"], &keys).await? {
        let data = row.take_bytes(1)?;
        if let Some(user) = known.get_mut(row.bytes(0)?) {
            user.list = Some(data);
        }
    }

    let mut rows = Vec::with_capacity(users.len());
    for user in users {
        let Known { parts, erased, list } = known.get(user.as_bytes()).cloned().unwrap_or_default();
        rows.push(UserRow { user: user.clone(), parts, erased, list });
    }
    Ok(rows)
}

pub(super) async fn known_lines<C: SqlConn>(
    conn: &mut C,
    shard: u32,
    lines: &[OrderLineRow],
) -> Result<Vec<bool>, StoreError> {
    let mut sorted: Vec<&OrderLineRow> = lines.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut keys = Rows::with_capacity(4, sorted.len());
    for line in sorted {
        keys.push([
            Value::Bytes(line.user.as_bytes()),
            Value::Int(i64::from(line.kind)),
            Value::Bytes(line.order.as_bytes()),
            Value::Bytes(line.line.as_bytes()),
        ]);
    }
    let columns = ["user_id", "kind", "order_id", "line_id"];
    let select = ("SELECT user_id, kind, order_id, line_id FROM order_line WHERE shard = ? AND", "");
    let mut found = Vec::new();
    for row in batch::query_among(conn, select, &[shard.into()], &columns, &keys).await? {
        found.push(OrderLineRow {
            user: UserId::from_trusted(row.bytes(0)?),
            kind: row.number(1)?,
            order: String::from_utf8_lossy(row.bytes(2)?).into_owned(),
            line: String::from_utf8_lossy(row.bytes(3)?).into_owned(),
        });
    }
    found.sort_unstable();
    Ok(lines.iter().map(|line| found.binary_search(line).is_ok()).collect())
}

pub(super) async fn list<C: SqlConn>(
    conn: &mut C,
    shard: u32,
    user: &UserId,
) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT data FROM user_list WHERE shard = ? AND user_id = ?";
    let mut rows = conn.query(sql, &[shard.into(), Value::Bytes(user.as_bytes())]).await?;
    rows.first_mut().map(|row| row.take_bytes(0)).transpose()
}

/// The first users of a table that has nothing but their key.
pub(super) async fn first_users<C: SqlConn>(
    conn: &mut C,
    table: &Target,
    shard: u32,
    limit: usize,
) -> Result<Vec<UserId>, StoreError> {
    let sql = format!("SELECT user_id FROM {} WHERE shard = ? ORDER BY user_id LIMIT ?", table.table);
    let rows = conn.query(&sql, &[shard.into(), limit_of(limit)]).await?;
    rows.iter().map(|row| row.bytes(0).map(UserId::from_trusted)).collect()
}

pub(super) async fn lists_after<C: SqlConn>(
    conn: &mut C,
    shard: u32,
    after: Option<&UserId>,
    limit: usize,
) -> Result<Vec<ListHead>, StoreError> {
    let sql = format!(
        "SELECT user_id, revision, model_version, last_ms FROM user_list WHERE shard = ?{} ORDER BY user_id LIMIT ?",
        if after.is_some() { " AND user_id > ?" } else { "" }
    );
    let mut args = vec![Value::from(shard)];
    args.extend(after.map(|user| Value::Bytes(user.as_bytes())));
    args.push(limit_of(limit));
    let head = |row: &Row| {
        Ok(ListHead {
            user: UserId::from_trusted(row.bytes(0)?),
            revision: row.int(1)?,
            model_version: row.number(2)?,
            last_ms: row.int(3)?,
        })
    };
    conn.query(&sql, &args).await?.iter().map(head).collect()
}

/// The first shard of a table above `above`, found by its index.
pub(super) async fn next_shard<C: SqlConn>(
    conn: &mut C,
    table: &str,
    above: Option<u32>,
) -> Result<Option<u32>, StoreError> {
    let sql = format!("SELECT MIN(shard) FROM {table} WHERE shard > ?");
    let above = above.map_or(-1, i64::from);
    match conn.query(&sql, &[Value::Int(above)]).await?.first() {
        Some(row) if row.optional_int(0)?.is_some() => row.number(0).map(Some),
        _ => Ok(None),
    }
}

/// Shard by shard, since a comparison of (shard, user) as a pair uses no index in every dialect.
pub(super) async fn users_after<C: SqlConn>(
    conn: &mut C,
    after: Option<&(u32, UserId)>,
    limit: usize,
) -> Result<Vec<(u32, UserId)>, StoreError> {
    const FIRST: &str = "SELECT DISTINCT user_id FROM user_part WHERE shard = ? ORDER BY user_id LIMIT ?";
    const AFTER: &str =
        "SELECT DISTINCT user_id FROM user_part WHERE shard = ? AND user_id > ? ORDER BY user_id LIMIT ?";
    let mut found = Vec::new();
    let mut above = None;
    if let Some((shard, user)) = after {
        let args = [Value::from(*shard), Value::Bytes(user.as_bytes()), limit_of(limit)];
        for row in conn.query(AFTER, &args).await? {
            found.push((*shard, UserId::from_trusted(row.bytes(0)?)));
        }
        above = Some(*shard);
    }
    while found.len() < limit {
        let Some(shard) = next_shard(conn, "user_part", above).await? else { break };
        for row in conn.query(FIRST, &[shard.into(), limit_of(limit - found.len())]).await? {
            found.push((shard, UserId::from_trusted(row.bytes(0)?)));
        }
        above = Some(shard);
    }
    Ok(found)
}

pub(super) async fn count_users<C: SqlConn>(conn: &mut C) -> Result<u64, StoreError> {
    let sql = "SELECT COUNT(*) FROM (SELECT DISTINCT shard, user_id FROM user_part) AS users";
    conn.query(sql, &[]).await?.first().map_or(Ok(0), |row| row.number(0))
}

pub(super) async fn oldest_model_in_lists<C: SqlConn>(conn: &mut C) -> Result<Option<u64>, StoreError> {
    let mut oldest: Option<u64> = None;
    let mut above = None;
    while let Some(shard) = next_shard(conn, "user_list", above).await? {
        let sql = "SELECT MIN(model_version) FROM user_list WHERE shard = ? AND model_version > 0";
        for row in conn.query(sql, &[shard.into()]).await? {
            // Lists from before the first model name none; a shard may have only those.
            let Some(version) = row.optional_int(0)?.map(i64::cast_unsigned) else { continue };
            oldest = Some(oldest.map_or(version, |oldest| oldest.min(version)));
        }
        above = Some(shard);
    }
    Ok(oldest)
}

pub(super) async fn outbox<C: SqlConn>(
    conn: &mut C,
    shard: u32,
    limit: usize,
) -> Result<Vec<OutboxRow>, StoreError> {
    let sql =
        "SELECT topic, off, record_key, payload FROM outbox WHERE shard = ? ORDER BY topic, off LIMIT ?";
    let row = |mut row: Row| {
        Ok(OutboxRow {
            topic: topic_of(row.int(0)?)?,
            off: row.int(1)?,
            key: row.take_bytes(2)?,
            payload: row.take_bytes(3)?,
        })
    };
    conn.query(sql, &[shard.into(), limit_of(limit)]).await?.into_iter().map(row).collect()
}

pub(super) async fn model_pointer<C: SqlConn>(conn: &mut C, lock: bool) -> Result<Option<u64>, StoreError> {
    let lock = if lock { conn.dialect().for_update() } else { "" };
    let sql = format!("SELECT value FROM pointer WHERE name = ?{lock}");
    conn.query(&sql, &[Value::Bytes(MODEL_POINTER)]).await?.first().map(|row| row.number(0)).transpose()
}
