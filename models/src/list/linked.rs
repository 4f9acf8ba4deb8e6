//! A model bound to a catalogue: model index to catalogue number and back, and what may be listed at all.

use std::sync::Arc;

use shoptide_schemas::ItemId;

use crate::catalogue::Catalogue;
use crate::snapshot::Snapshot;

/// No number: the catalogue does not know the item (yet), or it must not be listed.
pub const UNNUMBERED: u32 = u32::MAX;

/// Immutable; made anew when the model or the catalogue moves.
#[derive(Debug, Clone)]
pub struct Linked {
    model: Option<Arc<Snapshot>>,
    catalogue: Arc<Catalogue>,
    /// By model index: the catalogue number, whether listable or not.
    numbers: Vec<u32>,
    /// By model index.
    listable: Vec<bool>,
    /// By catalogue number: the model index.
    indices: Vec<u32>,
}

impl Linked {
    /// Cost: one look-up an item of the model; what `last` (of the same model) knew is taken over.
    pub fn new(model: Option<Arc<Snapshot>>, catalogue: Arc<Catalogue>, last: Option<&Linked>) -> Self {
        let same = last.filter(|l| match (&l.model, &model) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        });
        let mut numbers = same.map(|l| l.numbers.clone()).unwrap_or_default();
        let ids = model.as_ref().map_or(&[][..], |m| m.item_ids());
        numbers.resize(ids.len(), UNNUMBERED);
        let mut indices = vec![UNNUMBERED; catalogue.len() as usize];
        let mut listable = vec![false; ids.len()];
        for (index, id) in ids.iter().enumerate() {
            let Some(number) = numbers.get_mut(index) else { continue };
            if *number == UNNUMBERED {
                *number = catalogue.number(&ItemId::from_trusted(id)).unwrap_or(UNNUMBERED);
            }
            if let Some(slot) = indices.get_mut(*number as usize) {
                *slot = index as u32;
            }
            if let (Some((_, row)), Some(slot)) = (catalogue.row(*number), listable.get_mut(index)) {
                *slot = row.listable();
            }
        }
        Self { model, catalogue, numbers, listable, indices }
    }

    pub fn model(&self) -> Option<&Arc<Snapshot>> {
        self.model.as_ref()
    }

    /// 0 before the first model.
    pub fn model_version(&self) -> u64 {
        self.model.as_ref().map_or(0, |m| m.version())
    }

    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// Catalogue number of a model index.
    pub fn number(&self, index: u32) -> u32 {
        self.numbers.get(index as usize).copied().unwrap_or(UNNUMBERED)
    }

    /// Model index of a catalogue number.
    pub fn index(&self, number: u32) -> Option<u32> {
        self.indices.get(number as usize).copied().filter(|i| *i != UNNUMBERED)
    }

    /// Whether a list may hold the item at a model index.
    pub fn listable(&self, index: u32) -> bool {
        self.listable.get(index as usize).copied().unwrap_or(false)
    }
}
