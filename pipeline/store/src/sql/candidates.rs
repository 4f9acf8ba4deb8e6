//! Trainings that were not published: rows beside the versions, with a counter of their own.

use super::batch::{self, Rows};
use super::commit::at_rest;
use super::conn::SqlConn;
use super::tables;
use super::value::{Row, Value};
use crate::rows::CANDIDATE_PARTS;
use crate::{CandidateRow, StoreError};

/// The pointer that counts candidates.
const COUNTER: &[u8] = b"model_candidate";

async fn last<C: SqlConn>(conn: &mut C, lock: bool) -> Result<u64, StoreError> {
    let lock = if lock { conn.dialect().for_update() } else { "" };
    let sql = format!("SELECT value FROM pointer WHERE name = ?{lock}");
    conn.query(&sql, &[Value::Bytes(COUNTER)]).await?.first().map_or(Ok(0), |row| row.number(0))
}

/// Wants a read transaction.
pub(super) async fn all<C: SqlConn>(conn: &mut C) -> Result<(u64, Vec<CandidateRow>), StoreError> {
    let sql = "SELECT number, parent, file, bytes, created_ms, lineage, report FROM model_candidate ORDER BY number";
    let candidate = |mut row: Row| {
        Ok(CandidateRow {
            number: row.number(0)?,
            parent: row.optional_int(1)?.map(|_| row.number(1)).transpose()?,
            file: row.text(2)?,
            bytes: row.number(3)?,
            created_ms: row.int(4)?,
            lineage: row.take_bytes(5)?,
            report: row.take_bytes(6)?,
        })
    };
    let rows = conn.query(sql, &[]).await?.into_iter().map(candidate).collect::<Result<_, StoreError>>()?;
    Ok((last(conn, false).await?, rows))
}

pub(super) async fn put<C: SqlConn>(conn: &mut C, row: &CandidateRow) -> Result<(), StoreError> {
    let expected = last(conn, true).await?.saturating_add(1);
    if row.number != expected {
        let message = format!("the candidate has number {}, expected {expected}", row.number);
        return Err(StoreError::Unusable(message));
    }
    let number = at_rest("candidate", row.number)?;
    let parent = row.parent.map_or(Ok(Value::Null), |parent| at_rest("parent version", parent))?;
    let mut rows = Rows::with_capacity(tables::CANDIDATE.columns.len(), 1);
    rows.push([
        number,
        parent,
        Value::Bytes(row.file.as_bytes()),
        at_rest("model size", row.bytes)?,
        Value::Int(row.created_ms),
        Value::Bytes(&row.lineage),
        Value::Bytes(&row.report),
    ]);
    batch::upsert(conn, &tables::CANDIDATE, &rows).await?;
    let mut rows = Rows::with_capacity(tables::POINTER.columns.len(), 1);
    rows.push([Value::Bytes(COUNTER), number]);
    batch::upsert(conn, &tables::POINTER, &rows).await?;
    // Parts of those that never came to a row.
    let sql = "DELETE FROM model_file WHERE version > ? AND version <= ? AND NOT EXISTS \
        (SELECT 1 FROM model_candidate WHERE model_candidate.file = model_file.file)";
    let from = at_rest("candidate", CANDIDATE_PARTS)?;
    let to = at_rest("candidate", CandidateRow::parts_version(row.number))?;
    conn.execute(sql, &[from, to]).await.map(drop)
}

pub(super) async fn forget<C: SqlConn>(conn: &mut C, numbers: &[u64]) -> Result<(), StoreError> {
    let (mut keys, mut parts) =
        (Rows::with_capacity(1, numbers.len()), Rows::with_capacity(1, numbers.len()));
    for number in numbers {
        keys.push([at_rest("candidate", *number)?]);
        parts.push([at_rest("candidate", CandidateRow::parts_version(*number))?]);
    }
    batch::execute_among(conn, "DELETE FROM model_candidate WHERE", &[], &["number"], &keys).await?;
    batch::execute_among(conn, "DELETE FROM model_file WHERE", &[], &["version"], &parts).await
}
