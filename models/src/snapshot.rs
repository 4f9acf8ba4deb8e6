//! One published model version: everything that ranking needs from other users, immutable and numbered.

use crate::als::ItemSide;
use crate::item_item::Neighbours;
use crate::popularity::Popularity;
use crate::segments::ServedSegments;
use std::collections::BTreeMap;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// How a version was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// By a full training.
    Full,
    /// From its parent, by solving some items anew.
    Delta,
}

/// What a version was made from.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Lineage {
    /// (topic, partition, first offset that is not in the model).
    pub cut: Vec<(String, u32, i64)>,
    /// The model's "now" for decay: greatest append time at the cut, ms since 1970.
    pub now_ms: i64,
    /// Hash of the configuration that shaped it.
    pub config_hash: String,
    /// Version of the program that made it.
    pub code_version: String,
    /// Measured at training, finite numbers only (others are dropped when it becomes a snapshot).
    pub metrics: BTreeMap<String, f64>,
}

/// What a [`Snapshot`] is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotParts {
    /// Number of this version.
    pub version: u64,
    /// The version it was made from.
    pub parent: Option<u64>,
    pub kind: Kind,
    pub meta: Lineage,
    /// Opaque id of each item; the place is the item's index in the model, and stays so along a chain of deltas.
    pub item_ids: Vec<Vec<u8>>,
    pub side: ItemSide,
    pub neighbours: Neighbours,
    pub popularity: Popularity,
    /// Of the run of segments that counted when the version was made.
    pub segments: Arc<ServedSegments>,
}

/// A checked model version. Each of `side`, `neighbours` and `popularity` knows either all items or none.
#[derive(Debug, Clone)]
pub struct Snapshot {
    parts: SnapshotParts,
    /// Open-addressing table of item indices by hash of their id; [`FREE`] where empty.
    slots: Vec<u32>,
}

/// An empty slot.
const FREE: u32 = u32::MAX;

/// Why a snapshot could not be made, read or extended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    #[error("the {part} know {found} items, expected {n_items} or none")]
    ItemCount { part: &'static str, found: usize, n_items: usize },
    #[error("segment {segment} names item {item}, expected below {n_items}")]
    UnknownItem { segment: u32, item: u32, n_items: usize },
    #[error("items {first} and {second} have the same id")]
    DuplicateId { first: usize, second: usize },
    #[error("the model has {found} items, expected at most 4294967294")]
    TooManyItems { found: usize },
    #[error("not a model file: {reason}")]
    Foreign { reason: String },
    #[error("the model file has format {found}, expected at most {known}: it was written by a newer program")]
    NewerFormat { found: u32, known: u32 },
    #[error("the model file is damaged: {reason}")]
    Corrupt { reason: String },
    #[error("the model file is a {found}, expected a {expected}")]
    WrongKind { found: &'static str, expected: &'static str },
    #[error("the delta continues version {found}, expected {expected}")]
    WrongParent { found: u64, expected: u64 },
    #[error("a delta cannot continue this model: {reason}")]
    NotADelta { reason: &'static str },
    #[error("the model file could not be written: {reason}")]
    Encode { reason: String },
}

impl Snapshot {
    /// Checks that the parts belong together.
    ///
    /// # Errors
    /// [`SnapshotError::ItemCount`], [`SnapshotError::DuplicateId`], [`SnapshotError::TooManyItems`].
    pub fn new(mut parts: SnapshotParts) -> Result<Self, SnapshotError> {
        let n_items = parts.item_ids.len();
        if u32::try_from(n_items).is_err() || n_items == FREE as usize {
            return Err(SnapshotError::TooManyItems { found: n_items });
        }
        for (part, found) in [
            ("factors", parts.side.n_items()),
            ("neighbours", parts.neighbours.n_items()),
            ("popularity scores", parts.popularity.n_items()),
        ] {
            if found != 0 && found != n_items {
                return Err(SnapshotError::ItemCount { part, found, n_items });
            }
        }
        for segment in &parts.segments.segments {
            if let Some((item, _)) = segment.popular.iter().find(|(item, _)| n_items <= *item as usize) {
                return Err(SnapshotError::UnknownItem { segment: segment.id, item: *item, n_items });
            }
        }
        // JSON, in which the lineage is kept, has no other numbers.
        parts.meta.metrics.retain(|_, value| value.is_finite());
        let slots = index(&parts.item_ids)?;
        Ok(Self { parts, slots })
    }

    pub fn version(&self) -> u64 {
        self.parts.version
    }
    pub fn parent(&self) -> Option<u64> {
        self.parts.parent
    }
    pub fn kind(&self) -> Kind {
        self.parts.kind
    }
    pub fn meta(&self) -> &Lineage {
        &self.parts.meta
    }
    /// Id of each item, by index.
    pub fn item_ids(&self) -> &[Vec<u8>] {
        &self.parts.item_ids
    }
    pub fn side(&self) -> &ItemSide {
        &self.parts.side
    }
    pub fn neighbours(&self) -> &Neighbours {
        &self.parts.neighbours
    }
    pub fn popularity(&self) -> &Popularity {
        &self.parts.popularity
    }
    pub fn segments(&self) -> &Arc<ServedSegments> {
        &self.parts.segments
    }
    pub fn n_items(&self) -> usize {
        self.parts.item_ids.len()
    }
    /// The parts, to make the next version of.
    pub fn parts(&self) -> &SnapshotParts {
        &self.parts
    }
    /// The parts themselves.
    pub fn into_parts(self) -> SnapshotParts {
        self.parts
    }

    /// Id of an item; none if the index is unknown.
    pub fn id_of(&self, item: u32) -> Option<&[u8]> {
        self.parts.item_ids.get(item as usize).map(Vec::as_slice)
    }

    /// Index of the item with exactly these bytes as id.
    pub fn index_of(&self, id: &[u8]) -> Option<u32> {
        let mut slot = xxh3_64(id) as usize;
        loop {
            let item = *self.slots.get(slot & (self.slots.len() - 1))?;
            if item == FREE {
                return None;
            }
            if self.id_of(item) == Some(id) {
                return Some(item);
            }
            slot = slot.wrapping_add(1);
        }
    }
}

impl PartialEq for Snapshot {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

/// The table of [`Snapshot::index_of`]: a power of two, at most half full, so that a search always ends.
fn index(ids: &[Vec<u8>]) -> Result<Vec<u32>, SnapshotError> {
    let mut slots = vec![FREE; (ids.len() * 2).next_power_of_two().max(2)];
    let mask = slots.len() - 1;
    for (item, id) in ids.iter().enumerate() {
        let mut slot = xxh3_64(id) as usize & mask;
        while slots[slot] != FREE {
            let first = slots[slot] as usize;
            if ids[first] == *id {
                return Err(SnapshotError::DuplicateId { first, second: item });
            }
            slot = (slot + 1) & mask;
        }
        slots[slot] = item as u32;
    }
    Ok(slots)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::als::AlsParams;
    use crate::item_item::ItemItemParams;
    use crate::matrix::Interactions;
    use crate::popularity::PopularityParams;

    pub(crate) fn ids(n: usize) -> Vec<Vec<u8>> {
        (0..n).map(|i| format!("TECH{i}").into_bytes()).collect()
    }

    /// A small trained model of `n` items in two groups.
    pub(crate) fn trained(n: usize) -> SnapshotParts {
        let rows = (0..40).map(|u| {
            let mine = (0..n).filter(move |i| i % 2 == u % 2 && (u * 31 + i * 17) % 5 < 3);
            mine.map(|i| (i as u32, 1.0 + ((u + i) % 4) as f32)).collect()
        });
        let data = Interactions::from_rows(n, rows).unwrap();
        let params = AlsParams::new(6, 3, 2.0, 0.1, 0.05, 1.0, 42).unwrap();
        let factors = crate::als::fit(&data, &params, None, &mut |_| ()).unwrap();
        let near = ItemItemParams::new(5, 1.0, 0.5, 0.5, 1000).unwrap();
        let events = (0..n as u32).map(|i| (i, 1.0, f64::from(i)));
        let popularity = PopularityParams::new(30.0, 1.0, 5.0).unwrap();
        SnapshotParts {
            version: 7,
            parent: None,
            kind: Kind::Full,
            meta: Lineage {
                cut: vec![("shop.cart".into(), 3, 99), ("shop.order".into(), 0, -1)],
                now_ms: 1_700_000_000_000,
                config_hash: "c0ffee".into(),
                code_version: "0.1.0".into(),
                metrics: [("loss".to_owned(), 0.1 + 0.2), ("bad".to_owned(), f64::NAN)].into(),
            },
            item_ids: ids(n),
            side: ItemSide::new(factors.items, params).unwrap(),
            neighbours: Neighbours::fit(&data, &near),
            popularity: Popularity::from_events(n, events, &popularity).unwrap(),
            segments: Arc::default(),
        }
    }

    #[test]
    fn an_item_is_found_by_exactly_its_bytes() {
        let mut parts = trained(50);
        parts.item_ids[3] = b"User1".to_vec();
        parts.item_ids[4] = b"user1".to_vec();
        parts.item_ids[5] = b"user1 ".to_vec();
        parts.item_ids[6] = Vec::new();
        let model = Snapshot::new(parts).unwrap();
        for (i, id) in model.item_ids().iter().enumerate() {
            assert_eq!(model.index_of(id), Some(i as u32));
            assert_eq!(model.id_of(i as u32), Some(id.as_slice()));
        }
        assert_eq!(model.index_of(b"USER1"), None);
        assert_eq!(model.id_of(50), None);
        assert_eq!(model.meta().metrics.len(), 1);
    }

    #[test]
    fn parts_that_do_not_belong_together_are_refused() {
        let mut parts = trained(10);
        parts.item_ids = ids(11);
        let error = Snapshot::new(parts.clone()).unwrap_err();
        assert_eq!(error, SnapshotError::ItemCount { part: "factors", found: 10, n_items: 11 });
        parts.item_ids = ids(10);
        parts.item_ids[9] = b"TECH2".to_vec();
        assert_eq!(
            Snapshot::new(parts.clone()).unwrap_err(),
            SnapshotError::DuplicateId { first: 2, second: 9 }
        );
        parts.item_ids = ids(10);
        parts.popularity = Popularity::empty();
        assert!(Snapshot::new(parts).is_ok());
    }
}
