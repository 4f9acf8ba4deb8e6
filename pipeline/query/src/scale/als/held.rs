//! The side that a half-step holds fixed, as it lies in the store.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt32Type};
use arrow_array::{Array, FixedSizeListArray, Float32Array, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::async_writer::AsyncArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::WriterProperties;
use shoptide_models::als::AlsParams;
use xxhash_rust::xxh3::Xxh3Default;

use crate::scale::ScaleError;

/// Rows of one batch that is written or read: of 128 dimensions 4 MiB.
const BATCH_ROWS: usize = 8_192;

/// Names a held side, and says what it must be. Travels with the query.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldRef {
    /// In the lake's store. Never written twice.
    pub path: String,
    /// Rows of the side, those without interactions included.
    pub rows: u32,
    /// XXH3 of all factors, row by row.
    pub hash: u64,
    pub params: AlsParams,
}

fn schema(rank: usize) -> SchemaRef {
    let number = Arc::new(Field::new("item", DataType::Float32, false));
    let list = DataType::FixedSizeList(number, i32::try_from(rank).unwrap_or(i32::MAX));
    Arc::new(Schema::new(vec![
        Field::new("row", DataType::UInt32, false),
        Field::new("factors", list, false),
    ]))
}

fn hash(factors: &[f32]) -> u64 {
    let mut hash = Xxh3Default::new();
    let mut bytes = Vec::with_capacity(BATCH_ROWS * 4);
    for some in factors.chunks(BATCH_ROWS) {
        bytes.clear();
        some.iter().for_each(|x| bytes.extend(x.to_le_bytes()));
        hash.update(&bytes);
    }
    hash.digest()
}

/// A list column of `rank` numbers a row.
pub(super) fn list_of(numbers: Vec<f32>, rank: usize) -> Result<FixedSizeListArray, ScaleError> {
    let field = Arc::new(Field::new("item", DataType::Float32, false));
    let rank = i32::try_from(rank).unwrap_or(i32::MAX);
    FixedSizeListArray::try_new(field, rank, Arc::new(Float32Array::from(numbers)), None)
        .map_err(|e| ScaleError::Failed(e.to_string()))
}

/// Writes `factors` `(rows, rank)` to `path`, which must not exist.
pub(super) async fn write(
    store: &Arc<dyn ObjectStore>,
    path: &str,
    factors: &[f32],
    params: &AlsParams,
) -> Result<HeldRef, ScaleError> {
    let rank = params.rank();
    let rows = u32::try_from(factors.len() / rank)
        .map_err(|_| ScaleError::Refused("a side has at most 2^32 - 1 rows".to_owned()))?;
    let held = HeldRef { path: path.to_owned(), rows, hash: hash(factors), params: *params };
    // The name is taken first: a run that goes on writing after another took its place is told.
    let once = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    store.put_opts(&Path::from(format!("{path}.begun")), PutPayload::new(), once).await?;
    // Factors are noise to a compressor: as they are, they are read at the speed of the store.
    let properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::PLAIN)
        .build();
    let schema = schema(rank);
    let sink = BufWriter::new(store.clone(), Path::from(path));
    let mut writer = AsyncArrowWriter::try_new(sink, schema.clone(), Some(properties))?;
    for (i, some) in factors.chunks(BATCH_ROWS * rank).enumerate() {
        let from = (i * BATCH_ROWS) as u32;
        let row = UInt32Array::from_iter_values(from..from + (some.len() / rank) as u32);
        let batch = RecordBatch::try_new(
            schema.clone(),
            vec![Arc::new(row), Arc::new(list_of(some.to_vec(), rank)?)],
        )
        .map_err(|e| ScaleError::Failed(e.to_string()))?;
        writer.write(&batch).await?;
    }
    writer.close().await?;
    Ok(held)
}

/// Reads factors, `(rows, rank)` row by row, if they are what the reference says.
///
/// # Errors
/// [`ScaleError::Failed`] naming the file if its columns, rows or content are others.
pub async fn read(store: &Arc<dyn ObjectStore>, held: &HeldRef) -> Result<Vec<f32>, ScaleError> {
    let bytes = store.get(&Path::from(held.path.as_str())).await?.bytes().await?;
    let of = held.clone();
    // Seconds for a large one: not on a thread that answers others.
    let read = tokio::task::spawn_blocking(move || unpacked(bytes, &of));
    read.await.map_err(|e| ScaleError::Failed(e.to_string()))?
}

fn unpacked(bytes: bytes::Bytes, held: &HeldRef) -> Result<Vec<f32>, ScaleError> {
    let rank = held.params.rank();
    let wrong =
        |what: &str| ScaleError::Failed(format!("{} is not the side that was meant: {what}", held.path));
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
    if builder.schema().fields() != schema(rank).fields() {
        return Err(wrong("its columns"));
    }
    let mut factors = vec![0f32; held.rows as usize * rank];
    let mut read = 0u64;
    for batch in builder.with_batch_size(BATCH_ROWS).build()? {
        let batch = batch.map_err(|e| wrong(&e.to_string()))?;
        place(&batch, rank, &mut factors).ok_or_else(|| wrong("its rows"))?;
        read += batch.num_rows() as u64;
    }
    if read != u64::from(held.rows) {
        return Err(wrong(&format!("it has {read} rows, expected {}", held.rows)));
    }
    if hash(&factors) != held.hash {
        return Err(wrong("its content"));
    }
    Ok(factors)
}

/// Puts rows of `(row, factors)` where they belong; none if one belongs nowhere.
pub(super) fn place(batch: &RecordBatch, rank: usize, factors: &mut [f32]) -> Option<()> {
    let rows = batch.column(0).as_primitive_opt::<UInt32Type>()?;
    let lists = batch.column(1).as_fixed_size_list_opt()?;
    if rows.null_count() + lists.null_count() != 0 || lists.value_length() as usize != rank {
        return None;
    }
    let values = lists.values().as_primitive_opt::<Float32Type>()?;
    let from = lists.value_offset(0) as usize;
    let values = values.values().get(from..from + batch.num_rows() * rank)?;
    for (row, values) in rows.values().iter().zip(values.chunks_exact(rank)) {
        let at = *row as usize * rank;
        factors.get_mut(at..at + rank)?.copy_from_slice(values);
    }
    Some(())
}
