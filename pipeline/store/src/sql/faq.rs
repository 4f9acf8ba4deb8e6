//! Questions and answers: few rows, changed by people, read whole by every process that answers. A pointer counts the changes.

use super::batch::{self, Rows};
use super::conn::SqlConn;
use super::tables;
use super::value::Value;
use crate::{FaqChange, FaqRow, StoreError};

/// The pointer that every change raises.
const FAQ_POINTER: &[u8] = b"faq";

/// Carries out a change; the pointer first, so that two who change wait for each other there.
pub(super) async fn change<C: SqlConn>(conn: &mut C, change: &FaqChange) -> Result<(), StoreError> {
    let mut pointer = Rows::with_capacity(tables::POINTER_COUNT.columns.len(), 1);
    pointer.push([Value::Bytes(FAQ_POINTER), Value::Int(1)]);
    batch::upsert(conn, &tables::POINTER_COUNT, &pointer).await?;
    if change.replace {
        conn.execute("DELETE FROM faq", &[]).await?;
    }
    let mut gone = Rows::with_capacity(1, change.gone.len());
    change.gone.iter().for_each(|id| gone.push([Value::Bytes(id.as_bytes())]));
    batch::execute_among(conn, "DELETE FROM faq WHERE", &[], &["entry_id"], &gone).await?;
    let mut put: Vec<&FaqRow> = change.put.iter().collect();
    put.sort_by(|a, b| a.id.cmp(&b.id));
    let mut rows = Rows::with_capacity(tables::FAQ.columns.len(), put.len());
    put.iter().for_each(|row| rows.push([Value::Bytes(row.id.as_bytes()), Value::Bytes(&row.data)]));
    batch::upsert(conn, &tables::FAQ, &rows).await?;
    let count = conn.query("SELECT COUNT(*) FROM faq", &[]).await?.first().map_or(Ok(0), |row| row.int(0))?;
    let max = i64::try_from(change.entries_max).unwrap_or(i64::MAX);
    if max < count {
        let reason = format!("there would be {count} questions, expected at most {max}");
        return Err(StoreError::Full { store: "the truth", reason });
    }
    Ok(())
}

/// How often the questions were changed.
pub(super) async fn revision<C: SqlConn>(conn: &mut C) -> Result<u64, StoreError> {
    let sql = "SELECT value FROM pointer WHERE name = ?";
    conn.query(sql, &[Value::Bytes(FAQ_POINTER)]).await?.first().map_or(Ok(0), |row| row.number(0))
}

/// All of them by id, and their revision. Wants a read transaction.
pub(super) async fn all<C: SqlConn>(conn: &mut C) -> Result<(u64, Vec<FaqRow>), StoreError> {
    let revision = revision(conn).await?;
    let rows = conn.query("SELECT entry_id, data FROM faq ORDER BY entry_id", &[]).await?;
    let row = |mut row: super::value::Row| Ok(FaqRow { id: row.text(0)?, data: row.take_bytes(1)? });
    Ok((revision, rows.into_iter().map(row).collect::<Result<_, StoreError>>()?))
}
