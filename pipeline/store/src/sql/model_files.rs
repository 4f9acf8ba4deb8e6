//! Model files in the store, in parts: put before their row is published, read by processes on other machines, taken away
//! with the row.

use super::batch::{self, Rows};
use super::commit::at_rest;
use super::conn::SqlConn;
use super::tables;
use super::value::Value;
use crate::{MODEL_PART_BYTES_MAX, ModelPart, ModelRow, StoreError};

pub(super) async fn put<C: SqlConn>(conn: &mut C, part: &ModelPart) -> Result<(), StoreError> {
    if MODEL_PART_BYTES_MAX < part.data.len() {
        let bytes = part.data.len();
        let message = format!(
            "a part of model file {} has {bytes} bytes, expected at most {MODEL_PART_BYTES_MAX}",
            part.file
        );
        return Err(StoreError::Unusable(message));
    }
    let mut rows = Rows::with_capacity(tables::MODEL_FILE.columns.len(), 1);
    let version = at_rest("model version", part.version)?;
    rows.push([version, Value::Bytes(part.file.as_bytes()), part.part.into(), Value::Bytes(&part.data)]);
    batch::upsert(conn, &tables::MODEL_FILE, &rows).await
}

pub(super) async fn part<C: SqlConn>(
    conn: &mut C,
    version: u64,
    file: &str,
    part: u32,
) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT data FROM model_file WHERE version = ? AND file = ? AND part = ?";
    let key = [at_rest("model version", version)?, Value::Bytes(file.as_bytes()), part.into()];
    conn.query(sql, &key).await?.into_iter().next().map(|mut row| row.take_bytes(0)).transpose()
}

/// Takes away what nobody will publish any more: files of this version or an older one that have no row. A trainer that is
/// only just putting its parts puts those of a later version.
pub(super) async fn drop_unpublished<C: SqlConn>(
    conn: &mut C,
    published: &ModelRow,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM model_file WHERE version <= ? AND NOT EXISTS \
        (SELECT 1 FROM model WHERE model.version = model_file.version AND model.file = model_file.file)";
    conn.execute(sql, &[at_rest("model version", published.version)?]).await.map(drop)
}
