//! The catalogue in memory: chunks of rows behind `Arc`, so that a change copies one chunk and readers keep what they hold.

use std::collections::HashMap;
use std::sync::Arc;

use shoptide_schemas::{CatalogueEvent, ItemId};

use super::item::{CatalogueItem, apply};

/// Rows of one chunk: a change copies this many pointers.
const CHUNK_ROWS: usize = 256;
/// Buckets of the id index: a new item copies one of them.
const BUCKETS: usize = 256;

type Row = Arc<(ItemId, CatalogueItem)>;

/// The catalogue before `offset`.
#[derive(Debug, Clone)]
pub struct Catalogue {
    offset: i64,
    len: u32,
    chunks: Vec<Arc<Vec<Row>>>,
    index: Vec<Arc<HashMap<ItemId, u32>>>,
}

impl Default for Catalogue {
    fn default() -> Self {
        Self { offset: 0, len: 0, chunks: Vec::new(), index: vec![Arc::default(); BUCKETS] }
    }
}

impl Catalogue {
    /// Next offset of the catalogue topic that is not in this snapshot.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    pub fn len(&self) -> u32 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn number(&self, item: &ItemId) -> Option<u32> {
        self.index.get(bucket(item))?.get(item).copied()
    }

    pub fn row(&self, number: u32) -> Option<(&ItemId, &CatalogueItem)> {
        let row = self.chunks.get(number as usize / CHUNK_ROWS)?.get(number as usize % CHUNK_ROWS)?;
        Some((&row.0, &row.1))
    }

    /// Numbers whose row is another one than in `before`, an older snapshot of the same catalogue, in order. What both share is
    /// passed over unread, so the cost is a pointer for each chunk and 256 for each that changed.
    pub fn changed_since<'a>(&'a self, before: &'a Catalogue) -> impl Iterator<Item = u32> + 'a {
        let changed = |(chunk, rows): (usize, &'a Arc<Vec<Row>>)| {
            let known = before.chunks.get(chunk).filter(|known| !Arc::ptr_eq(known, rows));
            let fresh = chunk >= before.chunks.len();
            let rows = rows.iter().enumerate().filter(move |(place, row)| {
                let old = known.and_then(|known| known.get(*place));
                fresh || (known.is_some() && old.is_none_or(|old| !Arc::ptr_eq(old, row)))
            });
            rows.map(move |(place, _)| (chunk * CHUNK_ROWS + place) as u32)
        };
        self.chunks.iter().enumerate().flat_map(changed)
    }

    pub fn rows(&self) -> impl DoubleEndedIterator<Item = (u32, &ItemId, &CatalogueItem)> {
        (0..self.len).filter_map(|n| self.row(n).map(|(id, item)| (n, id, item)))
    }
}

fn bucket(item: &ItemId) -> usize {
    (xxhash_rust::xxh3::xxh3_64(item.as_bytes()) % BUCKETS as u64) as usize
}

/// Makes the next snapshot from the last one.
#[derive(Debug, Default)]
pub struct CatalogueBuilder(Catalogue);

impl CatalogueBuilder {
    pub fn from(catalogue: &Catalogue) -> Self {
        Self(catalogue.clone())
    }

    /// Puts a row of the store; rows come in order of number, without gaps.
    pub fn put(&mut self, item: ItemId, row: CatalogueItem, number: u32) {
        let catalogue = &mut self.0;
        let row = Arc::new((item.clone(), row));
        let (chunk, place) = (number as usize / CHUNK_ROWS, number as usize % CHUNK_ROWS);
        if catalogue.len <= number {
            catalogue.len = number + 1;
            if let Some(bucket) = catalogue.index.get_mut(bucket(&item)) {
                Arc::make_mut(bucket).insert(item, number);
            }
            if catalogue.chunks.len() <= chunk {
                catalogue.chunks.push(Arc::default());
            }
        }
        let Some(chunk) = catalogue.chunks.get_mut(chunk) else { return };
        let chunk = Arc::make_mut(chunk);
        match chunk.get_mut(place) {
            Some(slot) => *slot = row,
            None => chunk.push(row),
        }
    }

    /// Folds one event and returns the number and bytes of the row it changed.
    pub fn fold(&mut self, event: &CatalogueEvent) -> Option<(u32, Vec<u8>)> {
        let known = self.0.number(&event.item);
        let before = known.and_then(|n| self.0.row(n)).map(|(_, row)| row);
        let after = apply(before, &event.change)?;
        let number = known.unwrap_or(self.0.len);
        let bytes = after.encode();
        self.put(event.item.clone(), after, number);
        Some((number, bytes))
    }

    /// The snapshot, as of the catalogue topic's next offset.
    pub fn finish(mut self, offset: i64) -> Catalogue {
        self.0.offset = offset;
        self.0
    }

    pub fn so_far(&self) -> &Catalogue {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn titled(title: &str) -> CatalogueItem {
        CatalogueItem { title: title.to_owned(), ..CatalogueItem::default() }
    }

    proptest! {
        #[test]
        fn what_changed_is_what_was_put(start in 0u32..700, puts in prop::collection::vec(0u32..900, 0..20)) {
            let id = |n: u32| ItemId::from_trusted(format!("i{n}").as_bytes());
            let mut builder = CatalogueBuilder::default();
            (0..start).for_each(|n| builder.put(id(n), titled("a"), n));
            let before = builder.finish(1);
            let mut builder = CatalogueBuilder::from(&before);
            let mut expected = std::collections::BTreeSet::new();
            for put in puts {
                // Numbers are given out without gaps.
                let number = put.min(builder.so_far().len());
                builder.put(id(number), titled("b"), number);
                expected.insert(number);
            }
            let after = builder.finish(2);
            let changed: Vec<u32> = after.changed_since(&before).collect();
            prop_assert_eq!(changed, expected.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(after.changed_since(&Catalogue::default()).count(), after.len() as usize);
        }
    }
}
