//! Reads for people, readers and the trainer: dead letters, counts, quality, catalogue, budgets, models.

use std::collections::BTreeMap;

use shoptide_schemas::{Currency, ItemId, Micros, Topic, UserId};

use super::batch::{self, Rows};
use super::commit::code;
use super::conn::SqlConn;
use super::reads::{limit_of, next_shard, offset_row, topic_of};
use super::value::{Row, Value};
use crate::{Budget, DeadLetter, DeadPage, ItemCount, ItemRow, ItemVersion, ModelRow, OffsetRow, StoreError};

pub(super) async fn dead_letters<C: SqlConn>(
    conn: &mut C,
    page: &DeadPage,
) -> Result<Vec<DeadLetter>, StoreError> {
    let mut sql = String::from(
        "SELECT shard, topic, off, append_ms, reason, field, message, record_key, payload FROM dead_letter WHERE 1 = 1",
    );
    let mut args = Vec::new();
    if let Some((shard, topic, off)) = page.at {
        sql.push_str(" AND shard = ? AND topic = ? AND off = ?");
        args.extend([Value::from(shard), Value::Int(code(topic)), Value::Int(off)]);
    }
    if let Some(reason) = &page.reason {
        sql.push_str(" AND reason = ?");
        args.push(Value::Bytes(reason.as_bytes()));
    }
    sql.push_str(" ORDER BY append_ms DESC, shard, topic, off DESC LIMIT ?");
    args.push(limit_of(page.limit));
    conn.query(&sql, &args).await?.into_iter().map(dead_letter).collect()
}

pub(super) fn dead_letter(mut row: Row) -> Result<DeadLetter, StoreError> {
    Ok(DeadLetter {
        shard: row.number(0)?,
        topic: topic_of(row.int(1)?)?,
        offset: row.int(2)?,
        append_ms: row.int(3)?,
        reason: row.text(4)?,
        field: row.text(5)?,
        message: row.text(6)?,
        key: row.take_optional_bytes(7)?,
        payload: row.take_optional_bytes(8)?,
    })
}

/// In order of item and type; what adds up to nothing is left out. Wants a read transaction.
pub(super) async fn item_counts<C: SqlConn>(
    conn: &mut C,
    items: &[ItemId],
    from_day: u32,
    to_day: u32,
) -> Result<Vec<ItemCount>, StoreError> {
    let sum = conn.dialect().sum("n");
    let days = [Value::from(from_day), Value::from(to_day)];
    let mut sums: BTreeMap<(Vec<u8>, u8), i64> = BTreeMap::new();
    let mut add = |row: &mut Row| -> Result<(), StoreError> {
        let (kind, n) = (row.number(1)?, row.int(2)?);
        *sums.entry((row.take_bytes(0)?, kind)).or_default() += n;
        Ok(())
    };
    if items.is_empty() {
        let sql = format!(
            "SELECT item_id, type, {sum} FROM item_count WHERE day BETWEEN ? AND ? GROUP BY item_id, type"
        );
        conn.query(&sql, &days).await?.iter_mut().try_for_each(&mut add)?;
    } else {
        let mut sorted: Vec<_> = items.iter().map(ItemId::as_bytes).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let mut keys = Rows::with_capacity(1, sorted.len());
        sorted.into_iter().for_each(|item| keys.push([Value::Bytes(item)]));
        let head = format!(
            "SELECT item_id, type, {sum} FROM item_count WHERE day BETWEEN ? AND ? AND shard = ? AND"
        );
        let mut above = None;
        // Shard by shard, so that the primary key finds the items.
        while let Some(shard) = next_shard(conn, "item_count", above).await? {
            let fixed = [days.as_slice(), &[shard.into()]].concat();
            let select = (head.as_str(), "GROUP BY item_id, type");
            batch::query_among(conn, select, &fixed, &["item_id"], &keys)
                .await?
                .iter_mut()
                .try_for_each(&mut add)?;
            above = Some(shard);
        }
    }
    let count =
        |((item, kind), n): ((Vec<u8>, u8), i64)| ItemCount { item: ItemId::from_trusted(&item), kind, n };
    Ok(sums.into_iter().filter(|(_, n)| *n != 0).map(count).collect())
}

pub(super) async fn quality<C: SqlConn>(
    conn: &mut C,
    from_day: u32,
) -> Result<Vec<(u32, u32, i64)>, StoreError> {
    let sum = conn.dialect().sum("n");
    let sql = format!(
        "SELECT day, metric, {sum} FROM quality WHERE day >= ? GROUP BY day, metric ORDER BY day, metric"
    );
    let rows = conn.query(&sql, &[from_day.into()]).await?;
    rows.iter().map(|row| Ok((row.number(0)?, row.number(1)?, row.int(2)?))).collect()
}

pub(super) fn item_row(mut row: Row) -> Result<ItemRow, StoreError> {
    Ok(ItemRow {
        num: row.number(0)?,
        item: ItemId::from_trusted(row.bytes(1)?),
        from_off: row.int(2)?,
        data: row.take_bytes(3)?,
    })
}

/// Wants a read transaction.
pub(super) async fn catalogue<C: SqlConn>(
    conn: &mut C,
) -> Result<(Vec<ItemRow>, Option<OffsetRow>), StoreError> {
    let sql = "SELECT shard, topic, next_off, epoch, base_off, append_ms, logged, applied, duplicate, late, erased, dead, \
        published_off FROM stream_offset WHERE topic = ? ORDER BY shard LIMIT 1";
    let offset = conn.query(sql, &[Value::Int(code(Topic::Catalogue))]).await?;
    let offset = offset.first().map(offset_row).transpose()?;
    let rows = conn.query("SELECT num, item_id, from_off, data FROM item ORDER BY num", &[]).await?;
    Ok((rows.into_iter().map(item_row).collect::<Result<_, _>>()?, offset))
}

pub(super) async fn catalogue_at<C: SqlConn>(conn: &mut C, offset: i64) -> Result<Vec<ItemRow>, StoreError> {
    const SQL: &str = "SELECT v.num, i.item_id, v.from_off, v.data \
        FROM (SELECT num, MAX(from_off) AS newest FROM item_version WHERE from_off < ? GROUP BY num) AS n \
        JOIN item_version v ON v.num = n.num AND v.from_off = n.newest JOIN item i ON i.num = v.num ORDER BY v.num";
    conn.query(SQL, &[Value::Int(offset)]).await?.into_iter().map(item_row).collect()
}

pub(super) async fn item_versions<C: SqlConn>(
    conn: &mut C,
    number: u32,
    limit: usize,
) -> Result<Vec<ItemVersion>, StoreError> {
    let sql = "SELECT from_off, data FROM item_version WHERE num = ? ORDER BY from_off DESC LIMIT ?";
    let rows = conn.query(sql, &[number.into(), limit_of(limit)]).await?;
    let version = |mut row: Row| Ok(ItemVersion { from_off: row.int(0)?, data: row.take_bytes(1)? });
    rows.into_iter().map(version).collect()
}

pub(super) async fn budget<C: SqlConn>(
    conn: &mut C,
    shard: u32,
    user: &UserId,
) -> Result<Option<Budget>, StoreError> {
    let sql = "SELECT month_micros, currency, updated_ms FROM user_budget WHERE shard = ? AND user_id = ?";
    let rows = conn.query(sql, &[shard.into(), Value::Bytes(user.as_bytes())]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let currency = <[u8; 3]>::try_from(row.bytes(1)?)
        .map_err(|_| StoreError::Unusable("stored currency is not three letters".into()))?;
    Ok(Some(Budget { month: Micros(row.int(0)?), currency: Currency(currency), updated_ms: row.int(2)? }))
}

pub(super) async fn models<C: SqlConn>(conn: &mut C) -> Result<Vec<ModelRow>, StoreError> {
    let sql =
        "SELECT version, parent, kind, file, bytes, created_ms, lineage, report FROM model ORDER BY version";
    let model = |mut row: Row| {
        Ok(ModelRow {
            version: row.number(0)?,
            parent: row.optional_int(1)?.map(|_| row.number(1)).transpose()?,
            kind: row.text(2)?,
            file: row.text(3)?,
            bytes: row.number(4)?,
            created_ms: row.int(5)?,
            lineage: row.take_bytes(6)?,
            report: row.take_optional_bytes(7)?.unwrap_or_default(),
        })
    };
    conn.query(sql, &[]).await?.into_iter().map(model).collect()
}
