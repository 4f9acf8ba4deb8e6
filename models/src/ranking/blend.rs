//! Several models as one: their scores, brought to one scale, in a weighted sum.

use crate::params::{BadParam, check};
use crate::ranking::{History, ScoreItems, top_of};

/// A model's scores for a history are divided by the mean of this many best ones (of items that are not in the history), so
/// that one outlier does not shrink all others.
pub(crate) const LEVEL_ITEMS: usize = 20;

/// Models with their weights.
pub(crate) type WeighedParts = Vec<(f32, Box<dyn ScoreItems>)>;

/// A weighted sum of models.
pub struct Blend {
    n_items: usize,
    parts: Vec<(f32, Box<dyn ScoreItems>)>,
}

impl Blend {
    /// - `parts`: weights (finite, 0 or more) and models of the same items
    ///
    /// # Errors
    /// [`BadParam`] for a weight out of its bounds, or models of different catalogues.
    pub fn new(parts: Vec<(f64, Box<dyn ScoreItems>)>) -> Result<Self, BadParam> {
        let (n_items, parts) = check_parts(parts)?;
        Ok(Self { n_items, parts })
    }
}

/// The models' common catalogue, and the weights as they are used.
pub(crate) fn check_parts(parts: Vec<(f64, Box<dyn ScoreItems>)>) -> Result<(usize, WeighedParts), BadParam> {
    let n_items = parts.first().map_or(0, |part| part.1.n_items());
    let mut checked = Vec::with_capacity(parts.len());
    for (weight, model) in parts {
        let n = model.n_items();
        check("mix.n_items", n, n == n_items, "the same for all models")?;
        let weight = check("mix.weight", weight, (0.0..=1e6).contains(&weight), "0 to 1e6")?;
        checked.push((weight as f32, model));
    }
    Ok((n_items, checked))
}

/// What the scores of one history are divided by; 1 if there are none. Scores of the history are lost, and what is not finite.
pub(crate) fn level(scores: &mut [f32], history: History<'_>) -> f32 {
    let skip: Vec<u32> = history.iter().map(|entry| entry.0).collect();
    let top = top_of(scores, &skip, LEVEL_ITEMS);
    let mean = top.iter().map(|x| f64::from(x.1.max(0.0))).sum::<f64>() / top.len().max(1) as f64;
    let usable = f64::from(f32::MIN_POSITIVE) < mean && mean.is_finite();
    if usable { mean as f32 } else { 1.0 }
}

impl ScoreItems for Blend {
    fn n_items(&self) -> usize {
        self.n_items
    }

    fn score(&self, histories: &[History<'_>], out: &mut [f32]) {
        out.fill(0.0);
        if self.n_items == 0 {
            return;
        }
        let mut scores = vec![0f32; out.len()];
        for (weight, model) in &self.parts {
            model.score(histories, &mut scores);
            let rows = scores.chunks_exact_mut(self.n_items).zip(out.chunks_exact_mut(self.n_items));
            for ((scores, out), history) in rows.zip(histories) {
                let scale = weight / level(scores, history);
                for (out, score) in out.iter_mut().zip(scores) {
                    if score.is_finite() {
                        *out += scale * *score;
                    }
                }
            }
        }
    }
}
