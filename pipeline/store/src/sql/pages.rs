//! Pages of whole tables, for questions over all of them. Each page is a read of its own and lends no connection to the next: a
//! slow reader holds nothing, and pages of a table that moves need not agree with each other.

use shoptide_schemas::{ItemId, Topic, UserId};

use super::commit::code;
use super::conn::SqlConn;
use super::reads::limit_of;
use super::reports::{dead_letter, item_row};
use super::value::{Row, Value};
use crate::{CountPlace, CountRow, DeadLetter, ItemRow, StoreError};

/// At most `limit` rows behind `after`, the values of the key of the last row of the page before, or the first ones without
/// them. Comparing a key of several columns as one uses no index in every dialect, so each of its ends is a range by itself.
async fn behind<C: SqlConn, T>(
    conn: &mut C,
    select: &str,
    keys: &[&str],
    after: &[Value<'_>],
    limit: usize,
    read: impl Fn(Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let order = keys.join(", ");
    let mut found = Vec::new();
    if after.is_empty() {
        let sql = format!("{select} ORDER BY {order} LIMIT ?");
        let rows = conn.query(&sql, &[limit_of(limit)]).await?;
        return rows.into_iter().map(read).collect();
    }
    for same in (0..keys.len().min(after.len())).rev() {
        if limit <= found.len() {
            break;
        }
        let (fixed, rest) = keys.split_at(same);
        let mut conditions: Vec<String> = fixed.iter().map(|key| format!("{key} = ?")).collect();
        conditions.extend(rest.first().map(|key| format!("{key} > ?")));
        let sql = format!("{select} WHERE {} ORDER BY {order} LIMIT ?", conditions.join(" AND "));
        let mut args: Vec<Value<'_>> = after.iter().take(same + 1).copied().collect();
        args.push(limit_of(limit - found.len()));
        for row in conn.query(&sql, &args).await? {
            found.push(read(row)?);
        }
    }
    Ok(found)
}

pub(super) async fn items<C: SqlConn>(
    conn: &mut C,
    after: Option<u32>,
    limit: usize,
) -> Result<Vec<ItemRow>, StoreError> {
    let after: Vec<Value<'_>> = after.into_iter().map(Value::from).collect();
    behind(conn, "SELECT num, item_id, from_off, data FROM item", &["num"], &after, limit, item_row).await
}

pub(super) async fn lists<C: SqlConn>(
    conn: &mut C,
    after: Option<&(u32, UserId)>,
    limit: usize,
) -> Result<Vec<(u32, UserId, Vec<u8>)>, StoreError> {
    let after: Vec<Value<'_>> = match after {
        Some((shard, user)) => vec![Value::from(*shard), Value::Bytes(user.as_bytes())],
        None => Vec::new(),
    };
    let select = "SELECT shard, user_id, data FROM user_list";
    behind(conn, select, &["shard", "user_id"], &after, limit, |mut row| {
        Ok((row.number(0)?, UserId::from_trusted(row.bytes(1)?), row.take_bytes(2)?))
    })
    .await
}

pub(super) async fn dead_letters<C: SqlConn>(
    conn: &mut C,
    after: Option<(u32, Topic, i64)>,
    limit: usize,
) -> Result<Vec<DeadLetter>, StoreError> {
    let after: Vec<Value<'_>> = match after {
        Some((shard, topic, off)) => vec![Value::from(shard), Value::Int(code(topic)), Value::Int(off)],
        None => Vec::new(),
    };
    let select =
        "SELECT shard, topic, off, append_ms, reason, field, message, record_key, payload FROM dead_letter";
    behind(conn, select, &["shard", "topic", "off"], &after, limit, dead_letter).await
}

pub(super) async fn counts<C: SqlConn>(
    conn: &mut C,
    after: Option<&CountPlace>,
    limit: usize,
) -> Result<Vec<(u32, CountRow)>, StoreError> {
    let after: Vec<Value<'_>> = match after {
        Some(place) => vec![
            Value::from(place.shard),
            Value::Bytes(place.item.as_bytes()),
            Value::from(place.day),
            Value::Int(i64::from(place.kind)),
        ],
        None => Vec::new(),
    };
    let select = "SELECT shard, item_id, day, type, n FROM item_count";
    behind(conn, select, &["shard", "item_id", "day", "type"], &after, limit, |row| {
        let item = ItemId::from_trusted(row.bytes(1)?);
        Ok((row.number(0)?, CountRow { item, day: row.number(2)?, kind: row.number(3)?, n: row.int(4)? }))
    })
    .await
}
