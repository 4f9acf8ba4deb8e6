//! Model versions as bytes: an Arrow IPC file whose rows are items and whose schema metadata says what it is.
//!
//! A full file has every item; a delta has only the rows that differ from its parent. Any Arrow reader can look
//! inside: columns `item`, `id`, `factors`, `neighbours`, `similarities`, `popularity`, `trending`. A checksum over the
//! whole file is checked before anything else is believed.

mod header;
mod rows;
mod seal;

use crate::als::ItemSide;
use crate::item_item::Neighbours;
use crate::popularity::Popularity;
use crate::snapshot::{Snapshot, SnapshotError, SnapshotParts};
use header::{File, Header};
use ndarray::Array2;
use rows::Row;
use std::sync::Arc;

/// Format written by this program and the newest it reads. A newer one must keep the checksum rule of `seal`.
pub const FORMAT: u32 = 1;

/// The whole model version as a file. The same version gives the same bytes.
///
/// # Errors
/// [`SnapshotError::Encode`] if a column outgrows what Arrow can address.
pub fn encode(model: &Snapshot) -> Result<Vec<u8>, SnapshotError> {
    let items = 0..model.n_items() as u32;
    let rows = items.map(|item| Row::of(model, item)).collect::<Vec<_>>();
    rows::write(&Header::of(model, File::Full), &rows)
}

/// What turns `parent` into `model`: new items, and of the others whatever changed by a single bit.
///
/// # Errors
/// [`SnapshotError::WrongParent`] if `model` does not name `parent`; [`SnapshotError::NotADelta`] if it dropped or
/// renumbered items; [`SnapshotError::Encode`].
pub fn encode_delta(parent: &Snapshot, model: &Snapshot) -> Result<Vec<u8>, SnapshotError> {
    let named = model.parent().ok_or(SnapshotError::NotADelta { reason: "it names no parent" })?;
    if named != parent.version() {
        return Err(SnapshotError::WrongParent { found: named, expected: parent.version() });
    }
    if !model.item_ids().starts_with(parent.item_ids()) {
        return Err(SnapshotError::NotADelta { reason: "items were dropped or renumbered" });
    }
    let items = 0..model.n_items() as u32;
    let changed = items.filter_map(|item| Row::of(model, item).unless_same(&Row::of(parent, item)));
    let header = Header::of(model, File::Delta).without_same_segments(parent);
    rows::write(&header, &changed.collect::<Vec<_>>())
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// [`SnapshotError::Foreign`], [`SnapshotError::Corrupt`], [`SnapshotError::NewerFormat`], or
/// [`SnapshotError::WrongKind`] for a delta.
pub fn decode_full(bytes: &[u8]) -> Result<Snapshot, SnapshotError> {
    let (header, rows) = rows::read(bytes)?;
    header.expect(File::Full)?;
    let mut build = Build::default();
    rows.each(|row| build.put(row))?;
    build.finish(header)
}

/// Reads what [`encode_delta`] wrote and carries it out: equal to the version that was encoded, bit for bit on the
/// same CPU target.
///
/// # Errors
/// As [`decode_full`], with [`SnapshotError::WrongKind`] for a full file; [`SnapshotError::WrongParent`] if the delta
/// continues another version.
pub fn apply_delta(parent: &Snapshot, bytes: &[u8]) -> Result<Snapshot, SnapshotError> {
    let (header, rows) = rows::read(bytes)?;
    header.expect(File::Delta)?;
    match header.parent() {
        Some(found) if found == parent.version() => {}
        Some(found) => return Err(SnapshotError::WrongParent { found, expected: parent.version() }),
        None => return Err(SnapshotError::NotADelta { reason: "it names no parent" }),
    }
    let mut build = Build::upon(parent);
    rows.each(|row| build.put(row))?;
    build.finish(header)
}

/// A model's columns while they are filled row by row.
#[derive(Default)]
struct Build<'a> {
    /// Has what no row of a delta gives: nothing of it is copied before it is known to stay.
    parent: Option<&'a Snapshot>,
    ids: Vec<Vec<u8>>,
    factors: Vec<Option<Vec<f32>>>,
    neighbours: Vec<Option<Vec<(u32, f32)>>>,
    popularity: Vec<Option<(f32, f32)>>,
}

fn corrupt(reason: impl std::fmt::Display) -> SnapshotError {
    SnapshotError::Corrupt { reason: reason.to_string() }
}

impl<'a> Build<'a> {
    fn upon(parent: &'a Snapshot) -> Self {
        let n_items = parent.n_items();
        Self {
            parent: Some(parent),
            ids: parent.item_ids().to_vec(),
            factors: vec![None; n_items],
            neighbours: vec![None; n_items],
            popularity: vec![None; n_items],
        }
    }

    /// Adds the next item, or replaces what a row gives of an earlier one.
    fn put(&mut self, row: rows::OwnedRow) -> Result<(), SnapshotError> {
        let at = row.item as usize;
        if at == self.ids.len() {
            let id = row.id.ok_or_else(|| corrupt(format!("new item {at} has no id")))?;
            self.ids.push(id);
            self.factors.push(row.factors);
            self.neighbours.push(row.neighbours);
            self.popularity.push(row.popularity);
            return Ok(());
        }
        if self.ids.len() < at || row.id.is_some_and(|id| id != self.ids[at]) {
            return Err(corrupt(format!("item {at} is out of order")));
        }
        if row.factors.is_some() {
            self.factors[at] = row.factors;
        }
        if row.neighbours.is_some() {
            self.neighbours[at] = row.neighbours;
        }
        if row.popularity.is_some() {
            self.popularity[at] = row.popularity;
        }
        Ok(())
    }

    fn finish(self, header: Header) -> Result<Snapshot, SnapshotError> {
        let n_items = self.ids.len();
        if n_items as u64 != header.n_items() {
            return Err(corrupt(format!("it has {n_items} items, expected {}", header.n_items())));
        }
        let params = header.als()?;
        let rank = params.rank();
        let before = |item: usize| self.parent.map(|parent| Row::of(parent, item as u32));
        let factors = if header.has_factors() {
            let mut flat = Vec::with_capacity(n_items * rank);
            for (item, own) in self.factors.into_iter().enumerate() {
                let row = own.as_deref().or_else(|| before(item)?.factors);
                let row = row.ok_or_else(|| missing(item, "factors"))?;
                if row.len() != rank {
                    return Err(corrupt(format!("item {item} has {} factors, expected {rank}", row.len())));
                }
                flat.extend_from_slice(row);
            }
            Array2::from_shape_vec((n_items, rank), flat).map_err(corrupt)?
        } else {
            Array2::zeros((0, rank))
        };
        let neighbours = self.neighbours.into_iter().enumerate();
        let neighbours = neighbours.map(|(item, own)| own.or_else(|| before(item)?.owned_neighbours()));
        let rows = if header.has_neighbours() { whole(neighbours, "neighbours")? } else { Vec::new() };
        let neighbours = Neighbours::from_rows(header.k(), &rows).map_err(corrupt)?;
        drop(rows);
        let popularity = if header.has_popularity() {
            let popularity = self.popularity.into_iter().enumerate();
            let popularity = popularity.map(|(item, own)| own.or_else(|| before(item)?.popularity));
            let (score, trending) = whole(popularity, "popularity")?.into_iter().unzip();
            Popularity::from_scores(score, trending).map_err(corrupt)?
        } else {
            Popularity::empty()
        };
        let before = self.parent.map(|parent| parent.segments().clone());
        Snapshot::new(SnapshotParts {
            version: header.version(),
            parent: header.parent(),
            kind: header.kind(),
            meta: header.lineage()?,
            item_ids: self.ids,
            side: ItemSide::new(factors, params).map_err(corrupt)?,
            neighbours,
            popularity,
            segments: header.into_segments().map(Arc::new).or(before).unwrap_or_default(),
        })
        .map_err(corrupt)
    }
}

fn missing(item: usize, name: &str) -> SnapshotError {
    corrupt(format!("item {item} has no {name}"))
}

/// A column in which no item is missing.
fn whole<T>(column: impl Iterator<Item = Option<T>>, name: &str) -> Result<Vec<T>, SnapshotError> {
    column.enumerate().map(|(item, value)| value.ok_or_else(|| missing(item, name))).collect()
}

#[cfg(test)]
mod tests;
