//! Factors of iALS as a model of histories: the user's vector is folded in, exactly as training would have solved it.

use crate::als::{AlsParams, FitError, FoldScratch, ItemSide, Training, train};
use crate::matrix::Interactions;
use crate::model::Progress;
use crate::ranking::{History, ScoreItems, known};

/// Item factors, with what a fold-in needs.
#[derive(Debug, Clone)]
pub struct Factorized {
    items: ItemSide,
}

impl Factorized {
    /// Trains on `data`.
    ///
    /// # Errors
    /// As [`train`].
    pub fn fit(
        data: &Interactions,
        params: &AlsParams,
        observe: &mut dyn FnMut(Progress),
    ) -> Result<Self, FitError> {
        let factors = train(data, params, Training { warm: None, losses: false }, observe)?;
        let items = ItemSide::new(factors.items, *params);
        Ok(Self { items: items.map_err(|_| FitError::Singular { side: "item", row: 0 })? })
    }
}

impl ScoreItems for Factorized {
    fn n_items(&self) -> usize {
        self.items.n_items()
    }

    fn score(&self, histories: &[History<'_>], out: &mut [f32]) {
        out.fill(0.0);
        let n_items = self.n_items().max(1);
        let (mut scratch, mut scores) = (FoldScratch::default(), Vec::new());
        for (history, out) in histories.iter().zip(out.chunks_exact_mut(n_items)) {
            let mut entries: Vec<(u32, f32)> =
                known(history, n_items).map(|(item, s)| (item as u32, s)).collect();
            entries.sort_by_key(|entry| entry.0);
            entries.dedup_by(|later, first| {
                let same = later.0 == first.0;
                if same {
                    first.1 = first.1.max(later.1);
                }
                same
            });
            // Strengths too far apart to be solved for say nothing.
            if let Ok(user) = self.items.fold_in(&entries, &mut scratch) {
                self.items.score_all(&user, &mut scores);
                out.copy_from_slice(&scores);
            }
        }
    }
}
