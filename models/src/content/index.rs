//! The content index: every item as a unit vector of terms, and for every term its items, so that the items nearest to
//! any vector are found by walking the lists of its terms only.

use rayon::prelude::*;

use super::item::{ItemText, say};
use super::params::ContentParams;
use super::price::PriceBands;
use super::terms::{TermBounds, Vocabulary, count, idf, row_of, unit};
use crate::model::{Scored, best};

/// Items that one task compares; only for speed, no sum depends on it.
const ITEMS_PER_TASK: usize = 64;

/// Items as TF-IDF vectors (unit length), with an inverted index. Items are dense indices; an item that says nothing has
/// an empty vector and is nobody's neighbour.
#[derive(Debug, Clone)]
pub struct ContentIndex {
    params: ContentParams,
    vocabulary: Vocabulary,
    bands: PriceBands,
    /// Items at the last fit: inverse document frequencies keep to it.
    n_fitted: usize,
    idf: Vec<f32>,
    items: Vec<Vec<(u32, f32)>>,
    /// By term: `(item, weight)`, items ascending.
    lists: Vec<Vec<(u32, f32)>>,
}

/// Working memory of a query, 4 bytes an item.
#[derive(Debug, Default, Clone)]
pub struct ContentScratch {
    sums: Vec<f32>,
    touched: Vec<u32>,
}

impl ContentIndex {
    /// Reads all items. Cost: tokenising dominates, about 10 MB of text a second and thread.
    pub fn fit(items: &[ItemText<'_>], params: &ContentParams) -> Self {
        let bands = PriceBands::of_items(items.iter().copied());
        let bounds = TermBounds { texts_min: 1, texts_max: params.items_per_term_max };
        let counted = count(items.len(), bounds, |item, emit| say(&items[item], params, &bands, emit));
        let idf: Vec<f32> = counted.texts_with.iter().map(|&with| idf(items.len(), with)).collect();
        let weigh = |item: usize| {
            let (terms, weights) = counted.weights.row(item);
            unit(terms.iter().zip(weights).map(|(&t, &w)| (t, w * idf[t as usize])).collect())
        };
        let vectors: Vec<Vec<(u32, f32)>> = (0..items.len()).into_par_iter().map(weigh).collect();
        let mut lists = vec![Vec::new(); counted.vocabulary.len()];
        for (vector, item) in vectors.iter().zip(0u32..) {
            vector.iter().for_each(|&(term, weight)| lists[term as usize].push((item, weight)));
        }
        Self {
            params: *params,
            vocabulary: counted.vocabulary,
            bands,
            n_fitted: items.len(),
            idf,
            items: vectors,
            lists,
        }
    }

    /// Items known, removed and empty ones included.
    pub fn n_items(&self) -> usize {
        self.items.len()
    }

    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// An item's vector: `(term, weight)` by term; empty for one that is not known.
    pub fn item(&self, item: u32) -> &[(u32, f32)] {
        self.items.get(item as usize).map_or(&[], |v| v)
    }

    /// Items at most: 64 Mi, so that one wrong number cannot ask for all memory.
    pub const ITEMS_MAX: usize = 1 << 26;

    /// Takes in what an item says now, be it new or changed; gaps before a new number become empty items.
    /// Returns whether it could: `false` beyond [`Self::ITEMS_MAX`].
    ///
    /// Inverse document frequencies and price bands stay those of the last [`Self::fit`]; a term that is new since then
    /// counts as one of a single item, as it was when first seen. So the order of upserts cannot be seen in the
    /// vectors. Cost: the item's terms, each with a shift of its list.
    pub fn upsert(&mut self, item: u32, text: &ItemText<'_>) -> bool {
        if Self::ITEMS_MAX <= item as usize {
            return false;
        }
        self.remove(item);
        let Self { params, vocabulary, bands, .. } = &mut *self;
        let row = row_of(vocabulary, |emit| say(text, params, bands, emit));
        self.idf.resize(self.vocabulary.len(), idf(self.n_fitted, 1));
        self.lists.resize(self.vocabulary.len(), Vec::new());
        let weighed = unit(row.into_iter().map(|(t, w)| (t, w * self.idf[t as usize])).collect());
        for &(term, weight) in &weighed {
            let list = &mut self.lists[term as usize];
            let at = list.partition_point(|&(other, _)| other < item);
            list.insert(at, (item, weight));
        }
        if self.items.len() <= item as usize {
            self.items.resize(item as usize + 1, Vec::new());
        }
        self.items[item as usize] = weighed;
        true
    }

    /// Forgets what an item said; its number stays.
    pub fn remove(&mut self, item: u32) {
        let Some(vector) = self.items.get_mut(item as usize) else { return };
        for (term, _) in std::mem::take(vector) {
            let list = &mut self.lists[term as usize];
            if let Ok(at) = list.binary_search_by_key(&item, |&(other, _)| other) {
                list.remove(at);
            }
        }
    }

    /// The vector of a text that is no item, such as a query; terms that no item has are left out.
    pub fn vector(&self, text: &ItemText<'_>) -> Vec<(u32, f32)> {
        let mut local = Vocabulary::default();
        let row = row_of(&mut local, |emit| say(text, &self.params, &self.bands, emit));
        let known = row.into_iter().filter_map(|(term, w)| {
            let number = self.vocabulary.number(local.term(term))?;
            Some((number, w * self.idf.get(number as usize)?))
        });
        let mut known: Vec<(u32, f32)> = known.collect();
        known.sort_unstable_by_key(|&(term, _)| term);
        unit(known)
    }

    /// The cosine (0 to 1, of a vector of length 1) between `vector` and every item that shares a term with it, into `out`
    /// (cleared first), by first shared term. Cost: the lists of its terms.
    pub fn score(&self, vector: &[(u32, f32)], scratch: &mut ContentScratch, out: &mut Scored) {
        out.clear();
        let ContentScratch { sums, touched } = scratch;
        sums.resize(self.items.len().max(sums.len()), 0.0);
        touched.clear();
        for &(term, weight) in vector {
            let list = self.lists.get(term as usize).map_or(&[][..], |l| l);
            // A list that upserts have grown past the bound says as little as one that was too long at the fit.
            if weight == 0.0 || !weight.is_finite() || self.params.items_per_term_max < list.len() as u32 {
                continue;
            }
            for &(item, of_item) in list {
                let sum = &mut sums[item as usize];
                if *sum == 0.0 {
                    touched.push(item);
                }
                *sum += weight * of_item;
            }
        }
        for &item in touched.iter() {
            // An item whose sum passed through 0 is in `touched` twice; the second time it is 0.
            let score = std::mem::take(&mut sums[item as usize]);
            if 0.0 < score && score.is_finite() {
                out.push((item, score));
            }
        }
    }

    /// The `k` items nearest to an item, nearest first, itself not among them; equal ones by number.
    pub fn neighbours(&self, item: u32, k: usize, scratch: &mut ContentScratch) -> Scored {
        let mut scored = Scored::new();
        self.score(self.item(item), scratch, &mut scored);
        best(scored, &[item], k)
    }

    /// [`Self::neighbours`] of every item, on all threads.
    pub fn all_neighbours(&self, k: usize) -> Vec<Scored> {
        (0..self.items.len() as u32)
            .into_par_iter()
            .with_min_len(ITEMS_PER_TASK)
            .map_init(ContentScratch::default, |scratch, item| self.neighbours(item, k, scratch))
            .collect()
    }

    /// What a user looks for, by what they turned to: `Σ strength^exponent · item`, over its length. Strengths that are
    /// not finite and above 0 are passed over.
    pub fn profile(&self, liked: &[(u32, f32)]) -> Vec<(u32, f32)> {
        let mut sum: Vec<(u32, f32)> = Vec::new();
        for &(item, strength) in liked {
            if !(0.0 < strength && strength.is_finite()) {
                continue;
            }
            let weight = f64::from(strength).powf(self.params.strength_exponent).min(1e18) as f32;
            sum.extend(self.item(item).iter().map(|&(term, w)| (term, weight * w)));
        }
        sum.sort_by_key(|&(term, _)| term); // stable: equal terms stay in the order of `liked`
        sum.dedup_by(|next, sum| {
            let same = next.0 == sum.0;
            if same {
                sum.1 += next.1;
            }
            same
        });
        unit(sum)
    }
}
