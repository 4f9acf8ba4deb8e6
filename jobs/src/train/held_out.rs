//! How good the served list would have been: the last fifth of each user's items is hidden, a model is trained on the
//! rest, and every list is ranked over the full catalogue. No negatives are sampled.

use shoptide_models::blend::{BlendParams, Candidate, Scorer, Scratch, Taste};
use shoptide_models::evaluate::{Mean, Quality, quality};
use shoptide_models::hybrid::Shown;
use shoptide_models::snapshot::Snapshot;

use super::feedback::SOURCES;
use super::gate::twin;
use super::tables::Tables;
use super::{TrainError, TrainParams};
use crate::schedule::Progress;

/// Places of a list that count.
pub(super) const K: usize = 20;
/// Of a user's items, in the order he met them, the share that is trained on.
pub(super) const TRAIN_SHARE: f64 = 0.8;

/// Mean quality at 20 of the served blend and, beside it, of its parts alone.
#[derive(Debug, Clone)]
pub struct HeldOut {
    /// Users with something hidden.
    pub users: usize,
    pub blend: Quality,
    pub popularity: Quality,
    pub item_item: Quality,
    pub factors: Quality,
}

/// A model of what users did before a cut, and what they did after it.
pub(super) struct Cut {
    model: Snapshot,
    /// What was trained on, by user.
    rows: Vec<Vec<(u32, f32)>>,
    hidden: Vec<Vec<u32>>,
}

impl Cut {
    /// Hides the last fifth of each row and trains on the rest.
    ///
    /// # Errors
    /// [`TrainError::Nothing`] if no row has enough items to hide one.
    pub(super) fn of(
        tables: &Tables,
        params: &TrainParams,
        mut rows: Vec<Vec<(u32, f32)>>,
    ) -> Result<Self, TrainError> {
        let mut hidden: Vec<Vec<u32>> = Vec::with_capacity(rows.len());
        for row in &mut rows {
            let kept = (row.len() as f64 * TRAIN_SHARE).ceil() as usize;
            hidden.push(row.split_off(kept).into_iter().map(|(item, _)| item).collect());
        }
        if hidden.iter().all(Vec::is_empty) {
            return Err(TrainError::Nothing);
        }
        let model = twin(tables, params, rows.iter().cloned(), &Progress::default())?;
        Ok(Self { model, rows, hidden })
    }

    /// What was trained on: a cut within it sees nothing of what this one hides.
    pub(super) fn rows(&self) -> &[Vec<(u32, f32)>] {
        &self.rows
    }

    /// Users with something hidden.
    pub(super) fn users(&self) -> usize {
        self.hidden.iter().filter(|hidden| !hidden.is_empty()).count()
    }

    /// The lists of all users with something hidden, `n` places each, as if they had been shown: what each source gave an
    /// item under even weights, and whether it was among the hidden ones.
    pub(super) fn shown(&self, blend: &BlendParams, n: usize) -> Vec<Shown> {
        let scorer = Scorer::new(&self.model, blend);
        let mut scratch = Scratch::default();
        let mut shown = Vec::new();
        for (row, hidden) in self.rows.iter().zip(&self.hidden).filter(|(_, hidden)| !hidden.is_empty()) {
            shown.extend(list(&scorer, row, n, &mut scratch).into_iter().map(|place| Shown {
                scores: place.parts.into_iter().take(SOURCES.len()).collect(),
                taken: hidden.contains(&place.item),
            }));
        }
        shown
    }

    /// Mean quality over every so many users.
    pub(super) fn quality(&self, blend: &BlendParams, every: usize) -> Quality {
        let some = |of: usize| (0..self.rows.len()).step_by(of.max(1));
        mean(&self.model, blend, some(every).map(|user| (&self.rows[user], &self.hidden[user])))
    }
}

/// Measures on what the tables hold.
///
/// # Errors
/// [`TrainError::Nothing`] if no user has enough items to hide one.
pub fn held_out(tables: &Tables, params: &TrainParams) -> Result<HeldOut, TrainError> {
    let cut = Cut::of(tables, params, tables.rows(&params.taste).collect())?;
    let alone = |f, i, p| BlendParams::new(f, i, p, 0.0).map_err(|e| TrainError::Numbers(e.to_string()));
    let run = |blend: &BlendParams| cut.quality(blend, 1);
    Ok(HeldOut {
        users: cut.users(),
        blend: run(&params.lists.blend),
        popularity: run(&alone(0.0, 0.0, 1.0)?),
        item_item: run(&alone(0.0, 1.0, 0.0)?),
        factors: run(&alone(1.0, 0.0, 0.0)?),
    })
}

fn mean<'a>(
    model: &Snapshot,
    blend: &BlendParams,
    users: impl Iterator<Item = (&'a Vec<(u32, f32)>, &'a Vec<u32>)>,
) -> Quality {
    let scorer = Scorer::new(model, blend);
    let mut scratch = Scratch::default();
    let mut mean = Mean::default();
    for (row, targets) in users.filter(|(_, t)| !t.is_empty()) {
        let ranked: Vec<u32> = list(&scorer, row, K, &mut scratch).iter().map(|c| c.item).collect();
        mean.add(quality(&ranked, targets, K));
    }
    mean.get()
}

/// The best `n` items for a history, without its own.
pub(super) fn list(
    scorer: &Scorer<'_>,
    row: &[(u32, f32)],
    n: usize,
    scratch: &mut Scratch,
) -> Vec<Candidate> {
    let history: Vec<Taste> = row.iter().map(|(item, s)| Taste { item: *item, strength: *s }).collect();
    let mut items: Vec<u32> = row.iter().map(|(item, _)| *item).collect();
    items.sort_unstable();
    scorer.candidates(&history, n, &|item| items.binary_search(&item).is_ok(), scratch)
}
