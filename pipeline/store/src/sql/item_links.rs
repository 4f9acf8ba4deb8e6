//! What users' acts say of items: one row an item, made anew by each full training, read one at a time.

use shoptide_schemas::ItemId;

use super::batch::{self, Rows};
use super::commit::at_rest;
use super::conn::SqlConn;
use super::tables;
use super::value::Value;
use crate::{ItemLinksRow, StoreError};

pub(super) async fn put<C: SqlConn>(
    conn: &mut C,
    version: u64,
    links: &[ItemLinksRow],
) -> Result<(), StoreError> {
    let version = at_rest("model version", version)?;
    let mut sorted: Vec<&ItemLinksRow> = links.iter().collect();
    sorted.sort_by(|a, b| a.item.cmp(&b.item));
    let mut rows = Rows::with_capacity(tables::ITEM_LINKS.columns.len(), sorted.len());
    for row in sorted {
        rows.push([Value::Bytes(row.item.as_bytes()), version, Value::Bytes(&row.data)]);
    }
    batch::upsert(conn, &tables::ITEM_LINKS, &rows).await
}

/// Takes away what was made before a version.
pub(super) async fn drop_before<C: SqlConn>(conn: &mut C, version: u64) -> Result<(), StoreError> {
    let sql = "DELETE FROM item_links WHERE version < ?";
    conn.execute(sql, &[at_rest("model version", version)?]).await.map(drop)
}

pub(super) async fn of<C: SqlConn>(conn: &mut C, item: &ItemId) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT data FROM item_links WHERE item_id = ?";
    let rows = conn.query(sql, &[Value::Bytes(item.as_bytes())]).await?;
    rows.into_iter().next().map(|mut row| row.take_bytes(0)).transpose()
}
