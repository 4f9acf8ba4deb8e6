//! Items as rows of an Arrow IPC file. A null is a part that the model does not have, or that a delta leaves as it was.

use super::header::Header;
use super::{FORMAT, corrupt, seal};
use crate::snapshot::{Snapshot, SnapshotError};
use arrow_array::builder::{BinaryBuilder, Float32Builder, ListBuilder, UInt32Builder};
use arrow_array::types::{ArrowPrimitiveType, Float32Type, UInt32Type};
use arrow_array::{Array, ArrayRef, BinaryArray, ListArray, PrimitiveArray, RecordBatch};
use arrow_ipc::MetadataVersion;
use arrow_ipc::reader::FileReader;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use std::collections::HashMap;
use std::sync::Arc;

/// Rows per record batch, some megabytes: a reader holds one beside the model that it builds. The 32-bit offsets of its lists are far from
/// their end at any rank.
const BATCH_ROWS: usize = 2_048;

const FORMAT_KEY: &str = "shoptide.format";
const HEADER_KEY: &str = "shoptide.model";

/// One item of a model, by reference.
pub(super) struct Row<'a> {
    item: u32,
    id: Option<&'a [u8]>,
    pub factors: Option<&'a [f32]>,
    neighbours: Option<Near<'a>>,
    pub popularity: Option<(f32, f32)>,
}

/// One item as read from a file.
pub(super) struct OwnedRow {
    pub item: u32,
    pub id: Option<Vec<u8>>,
    pub factors: Option<Vec<f32>>,
    pub neighbours: Option<Vec<(u32, f32)>>,
    pub popularity: Option<(f32, f32)>,
}

/// An item's neighbours and their similarities.
type Near<'a> = (&'a [u32], &'a [f32]);

/// Equal to the bit, which for -0.0 is more than equal in value.
fn same_bits(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

impl<'a> Row<'a> {
    pub(super) fn of(model: &'a Snapshot, item: u32) -> Self {
        let (popularity, neighbours) = (model.popularity(), model.neighbours());
        let score = popularity.score().get(item as usize);
        Self {
            item,
            id: model.id_of(item),
            factors: model.side().item(item),
            neighbours: ((item as usize) < neighbours.n_items()).then(|| neighbours.row(item)),
            popularity: score.zip(popularity.trending().get(item as usize)).map(|(a, b)| (*a, *b)),
        }
    }

    /// Only what differs from `before`; nothing if all is the same.
    pub(super) fn unless_same(mut self, before: &Self) -> Option<Self> {
        let same_factors = |(a, b): (&[f32], &[f32])| same_bits(a, b);
        let same_neighbours = |(a, b): (Near<'_>, Near<'_>)| a.0 == b.0 && same_bits(a.1, b.1);
        let same_scores = |(a, b): ((f32, f32), (f32, f32))| same_bits(&[a.0, a.1], &[b.0, b.1]);
        self.id = self.id.filter(|_| before.id.is_none());
        if self.factors.zip(before.factors).is_some_and(same_factors) {
            self.factors = None;
        }
        if self.neighbours.zip(before.neighbours).is_some_and(same_neighbours) {
            self.neighbours = None;
        }
        if self.popularity.zip(before.popularity).is_some_and(same_scores) {
            self.popularity = None;
        }
        let nothing = self.id.is_none()
            && self.factors.is_none()
            && self.neighbours.is_none()
            && self.popularity.is_none();
        (!nothing).then_some(self)
    }

    pub(super) fn owned_neighbours(&self) -> Option<Vec<(u32, f32)>> {
        self.neighbours.map(|(items, sims)| pairs(items, sims))
    }
}

fn pairs(items: &[u32], sims: &[f32]) -> Vec<(u32, f32)> {
    items.iter().copied().zip(sims.iter().copied()).collect()
}

fn schema(metadata: HashMap<String, String>) -> Schema {
    let list = |name: &str, of: DataType| Field::new_list(name, Field::new_list_field(of, true), true);
    let fields = vec![
        Field::new("item", DataType::UInt32, false),
        Field::new("id", DataType::Binary, true),
        list("factors", DataType::Float32),
        list("neighbours", DataType::UInt32),
        list("similarities", DataType::Float32),
        Field::new("popularity", DataType::Float32, true),
        Field::new("trending", DataType::Float32, true),
    ];
    Schema::new_with_metadata(fields, metadata)
}

/// Writes rows, in the order given, under a header, and seals the file.
pub(super) fn write(header: &Header, rows: &[Row<'_>]) -> Result<Vec<u8>, SnapshotError> {
    let failed = |reason: String| SnapshotError::Encode { reason };
    let header = serde_json::to_string(header).map_err(|e| failed(e.to_string()))?;
    let metadata = HashMap::from([
        (FORMAT_KEY.to_owned(), FORMAT.to_string()),
        (HEADER_KEY.to_owned(), header),
        (seal::KEY.to_owned(), seal::placeholder()),
    ]);
    let mut bytes = write_batches(&Arc::new(schema(metadata)), rows).map_err(|e| failed(e.to_string()))?;
    seal::seal(&mut bytes)?;
    Ok(bytes)
}

fn write_batches(schema: &Arc<Schema>, rows: &[Row<'_>]) -> Result<Vec<u8>, ArrowError> {
    // Aligned to 8 bytes, the least the format allows, so that the schema begins where `seal` looks for it.
    let options = IpcWriteOptions::try_new(8, false, MetadataVersion::V5)?;
    let mut writer = FileWriter::try_new_with_options(Vec::new(), schema, options)?;
    for rows in rows.chunks(BATCH_ROWS) {
        writer.write(&RecordBatch::try_new(schema.clone(), columns(rows))?)?;
    }
    writer.finish()?;
    writer.into_inner()
}

fn columns(rows: &[Row<'_>]) -> Vec<ArrayRef> {
    let mut item = UInt32Builder::with_capacity(rows.len());
    let mut id = BinaryBuilder::new();
    let mut factors = ListBuilder::new(Float32Builder::new());
    let mut neighbours = ListBuilder::new(UInt32Builder::new());
    let mut similarities = ListBuilder::new(Float32Builder::new());
    let (mut popularity, mut trending) = (Float32Builder::new(), Float32Builder::new());
    for row in rows {
        item.append_value(row.item);
        id.append_option(row.id);
        factors.values().append_slice(row.factors.unwrap_or_default());
        factors.append(row.factors.is_some());
        let (near, sims) = row.neighbours.unwrap_or_default();
        neighbours.values().append_slice(near);
        neighbours.append(row.neighbours.is_some());
        similarities.values().append_slice(sims);
        similarities.append(row.neighbours.is_some());
        popularity.append_option(row.popularity.map(|x| x.0));
        trending.append_option(row.popularity.map(|x| x.1));
    }
    vec![
        Arc::new(item.finish()),
        Arc::new(id.finish()),
        Arc::new(factors.finish()),
        Arc::new(neighbours.finish()),
        Arc::new(similarities.finish()),
        Arc::new(popularity.finish()),
        Arc::new(trending.finish()),
    ]
}

/// A sealed file, whose rows come batch by batch: all of them at once would be one more model in memory.
pub(super) struct SealedRows<'a>(FileReader<std::io::Cursor<&'a [u8]>>);

impl SealedRows<'_> {
    /// Gives each row to `put`, in their order.
    pub(super) fn each(
        self,
        mut put: impl FnMut(OwnedRow) -> Result<(), SnapshotError>,
    ) -> Result<(), SnapshotError> {
        self.0.into_iter().try_for_each(|batch| read_batch(&batch.map_err(corrupt)?, &mut put))
    }
}

/// Opens a sealed file: its header and its rows.
pub(super) fn read(bytes: &[u8]) -> Result<(Header, SealedRows<'_>), SnapshotError> {
    seal::verify(bytes)?;
    let reader = FileReader::try_new(std::io::Cursor::new(bytes), None).map_err(corrupt)?;
    let metadata = reader.schema().metadata().clone();
    let format: u32 = metadata
        .get(FORMAT_KEY)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| corrupt("it does not say its format"))?;
    if FORMAT < format {
        return Err(SnapshotError::NewerFormat { found: format, known: FORMAT });
    }
    let header = metadata.get(HEADER_KEY).ok_or_else(|| corrupt("it has no header"))?;
    let header = serde_json::from_str(header).map_err(corrupt)?;
    if reader.schema().fields() != schema(HashMap::new()).fields() {
        return Err(corrupt("its columns are not those of a model"));
    }
    Ok((header, SealedRows(reader)))
}

fn column<'a, T: 'static>(batch: &'a RecordBatch, name: &str) -> Result<&'a T, SnapshotError> {
    let column = batch.column_by_name(name).and_then(|column| column.as_any().downcast_ref());
    column.ok_or_else(|| corrupt(format!("column {name} is missing or of another type")))
}

/// The numbers of one list; none for a null.
fn list<T: ArrowPrimitiveType>(
    lists: &ListArray,
    row: usize,
) -> Result<Option<PrimitiveArray<T>>, SnapshotError> {
    if lists.is_null(row) {
        return Ok(None);
    }
    let values = lists.value(row);
    match values.as_any().downcast_ref::<PrimitiveArray<T>>() {
        Some(values) if values.null_count() == 0 => Ok(Some(values.clone())),
        _ => Err(corrupt("a list has a null or numbers of another type")),
    }
}

fn read_batch(
    batch: &RecordBatch,
    put: &mut impl FnMut(OwnedRow) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    let items: &PrimitiveArray<UInt32Type> = column(batch, "item")?;
    let ids: &BinaryArray = column(batch, "id")?;
    let factors: &ListArray = column(batch, "factors")?;
    let neighbours: &ListArray = column(batch, "neighbours")?;
    let similarities: &ListArray = column(batch, "similarities")?;
    let popularity: &PrimitiveArray<Float32Type> = column(batch, "popularity")?;
    let trending: &PrimitiveArray<Float32Type> = column(batch, "trending")?;
    for row in 0..batch.num_rows() {
        let near = list::<UInt32Type>(neighbours, row)?;
        let sims = list::<Float32Type>(similarities, row)?;
        if near.as_ref().map(Array::len) != sims.as_ref().map(Array::len) {
            return Err(corrupt("neighbours and similarities differ in length"));
        }
        let score = |of: &PrimitiveArray<Float32Type>| of.is_valid(row).then(|| of.value(row));
        put(OwnedRow {
            item: items.value(row),
            id: ids.is_valid(row).then(|| ids.value(row).to_vec()),
            factors: list::<Float32Type>(factors, row)?.map(|values| values.values().to_vec()),
            neighbours: near.zip(sims).map(|(near, sims)| pairs(near.values(), sims.values())),
            popularity: score(popularity).zip(score(trending)),
        })?;
    }
    Ok(())
}
