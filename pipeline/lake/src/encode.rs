//! Rows as Parquet: one file at a time in memory, bounded, with encodings chosen column by column. Pure.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_select::interleave::interleave_record_batch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::file::{LakeFile, Place};
use crate::portion::Group;
use crate::read::schema_of;

/// Rows of one row group: what a reader holds of one file at a time.
pub const ROW_GROUP_ROWS: usize = 131_072;
/// Rows that are gathered at a time.
const GATHER_ROWS: usize = 8_192;
/// The level that zstd itself takes: packing must keep up with the log.
const ZSTD_LEVEL: i32 = 3;

/// A file that is not put yet.
pub struct Encoded {
    pub file: LakeFile,
    pub body: Bytes,
}

/// Bounds of one file.
#[derive(Debug, Clone, Copy)]
pub struct FileMax {
    pub rows: usize,
    pub bytes: usize,
}

/// The columns whose dictionary would be as long as the column are packed otherwise: offsets and times as differences, event
/// ids, all different, by length and bytes.
fn properties() -> WriterProperties {
    let column = |name: &str| ColumnPath::from(name);
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).unwrap_or_default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_created_by(concat!("shoptide ", env!("CARGO_PKG_VERSION")).to_owned());
    // What queries ask for; of a small file, statistics of all columns would be the larger half.
    for name in ["offset", "appended_at", "occurred_at", "user_id", "item_id"] {
        properties = properties.set_column_statistics_enabled(column(name), EnabledStatistics::Chunk);
    }
    for name in ["offset", "appended_at", "occurred_at"] {
        properties = properties
            .set_column_dictionary_enabled(column(name), false)
            .set_column_encoding(column(name), Encoding::DELTA_BINARY_PACKED);
    }
    for name in ["event_id", "key", "value", "text"] {
        properties = properties
            .set_column_dictionary_enabled(column(name), false)
            .set_column_encoding(column(name), Encoding::DELTA_LENGTH_BYTE_ARRAY);
    }
    properties.build()
}

/// One file being written.
pub struct FileWriter {
    writer: ArrowWriter<Vec<u8>>,
    place: Place,
    first: Option<i64>,
    next: i64,
    rows: usize,
    appended_max: i64,
}

impl FileWriter {
    /// # Errors
    /// [`ParquetError`] if the schema cannot be written: never.
    pub fn new(place: Place) -> Result<Self, ParquetError> {
        // Arrow's own schema says nothing that Parquet's types do not say, and takes 2 KiB of each file.
        let options = ArrowWriterOptions::new().with_properties(properties()).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), schema_of(place.kind), options)?;
        Ok(Self { writer, place, first: None, next: 0, rows: 0, appended_max: 0 })
    }

    /// Rows in order of offset, after those before.
    ///
    /// # Errors
    /// [`ParquetError`] if the rows have other columns.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        let Some((first, next, appended)) = extent(batch) else { return Ok(()) };
        self.writer.write(batch)?;
        self.first.get_or_insert(first);
        (self.next, self.rows) = (next, self.rows + batch.num_rows());
        self.appended_max = self.appended_max.max(appended);
        Ok(())
    }

    pub fn is_full(&self, max: FileMax) -> bool {
        max.rows <= self.rows || max.bytes <= self.writer.bytes_written() + self.writer.in_progress_size()
    }

    /// The file, if it has rows.
    ///
    /// # Errors
    /// [`ParquetError`] if it cannot be finished.
    pub fn finish(self, token: &str) -> Result<Option<Encoded>, ParquetError> {
        let Some(first) = self.first else { return Ok(None) };
        let body: Bytes = self.writer.into_inner()?.into();
        let Place { kind, topic, partition, ref date, event_type } = self.place;
        let hash = content_hash(&body);
        let file = LakeFile {
            path: self.place.path(first, self.next, token, &hash),
            kind,
            topic,
            partition,
            first,
            next: self.next,
            date: date.clone(),
            event_type,
            rows: self.rows as u64,
            bytes: body.len() as u64,
            appended_max: self.appended_max,
            hash,
        };
        Ok(Some(Encoded { file, body }))
    }
}

/// Writes a group's rows, in as many files as the bounds ask for. Each is handed on before the next is begun.
///
/// # Errors
/// What `put` says, or a [`ParquetError`].
pub fn encode<E: From<ParquetError>>(
    group: &Group,
    max: FileMax,
    token: &str,
    mut put: impl FnMut(Encoded) -> Result<(), E>,
) -> Result<(), E> {
    let batches: Vec<&RecordBatch> = group.batches.iter().collect();
    let mut writer = FileWriter::new(group.place.clone())?;
    for rows in group.rows.chunks(GATHER_ROWS.min(max.rows)) {
        let batch = interleave_record_batch(&batches, rows).map_err(ParquetError::from)?;
        writer.write(&batch)?;
        if writer.is_full(max) {
            let full = std::mem::replace(&mut writer, FileWriter::new(group.place.clone())?);
            full.finish(token)?.map_or(Ok(()), &mut put)?;
        }
    }
    writer.finish(token)?.map_or(Ok(()), put)
}

/// XXH3 (128 bits) of a file's bytes, hexadecimal.
pub fn content_hash(bytes: &[u8]) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(bytes))
}

/// First offset, offset after the last, greatest append time.
fn extent(batch: &RecordBatch) -> Option<(i64, i64, i64)> {
    let offsets = batch.column_by_name("offset")?.as_primitive_opt::<Int64Type>()?.values();
    let appended =
        batch.column_by_name("appended_at")?.as_primitive_opt::<TimestampMillisecondType>()?.values();
    let (first, last) = (*offsets.first()?, *offsets.last()?);
    Some((first, last.saturating_add(1), appended.iter().copied().max().unwrap_or(0)))
}
