//! The catalogue as a space of terms, and a user's place in it.

use rayon::prelude::*;
use shoptide_schemas::Topic;

use crate::catalogue::{Catalogue, CatalogueItem};
use crate::content::{Emit, TermBounds, Vocabulary, count, idf, levels, tokeniser, unit};
use crate::sparse::SparseRows;
use crate::state::{TasteParams, UserState};

/// A taste is first a category, for that is how people name it; what lies in the category, who made it and what it is called tell
/// apart those who share it.
const CATEGORY: f32 = 3.0;
const CATEGORY_BELOW: f32 = 1.0;
const BRAND: f32 = 0.5;
const WORD: f32 = 0.5;
/// Terms kept, those of the most items: a segment is no matter of rare words, and the reduction holds 200 bytes for each.
const TERMS_MAX: usize = 20_000;
/// From so many items on, a word of one item alone (a model's number) is left out: it is nobody's taste but the item's.
const ITEMS_FOR_RARE: usize = 20;
/// Items of one user that count, the strongest.
const TASTES_MAX: usize = 256;

/// Every item of a catalogue as a unit vector of terms, by its number.
#[derive(Debug, Clone)]
pub struct ItemSpace {
    vocabulary: Vocabulary,
    idf: Vec<f32>,
    rows: SparseRows,
}

impl ItemSpace {
    /// Reads the catalogue. Cost: tokenising the titles, on all threads; memory about 100 bytes an item.
    pub fn of(catalogue: &Catalogue) -> Self {
        let n = catalogue.len() as usize;
        let texts_min = if ITEMS_FOR_RARE <= n { 2 } else { 1 };
        let counted = count(n, TermBounds { texts_min, texts_max: u32::MAX }, |item, emit| {
            if let Some((_, row)) = catalogue.row(item as u32) {
                say(row, emit);
            }
        });
        let mut by_use: Vec<u32> = (0..counted.vocabulary.len() as u32).collect();
        let with = |term: &u32| counted.texts_with.get(*term as usize).copied().unwrap_or(0);
        by_use.sort_by_key(|term| (std::cmp::Reverse(with(term)), *term));
        by_use.truncate(TERMS_MAX);
        by_use.sort_unstable();
        let mut vocabulary = Vocabulary::default();
        let mut numbers = vec![None; counted.vocabulary.len()];
        for term in &by_use {
            if let Some(number) = numbers.get_mut(*term as usize) {
                *number = vocabulary.take(counted.vocabulary.term(*term));
            }
        }
        let idf: Vec<f32> = by_use.iter().map(|term| idf(n, with(term))).collect();
        let number = |term: u32| numbers.get(term as usize).copied().flatten();
        let made: Vec<Vec<(u32, f32)>> = (0..n)
            .into_par_iter()
            .map(|item| {
                let (terms, weights) = counted.weights.row(item);
                let kept = terms.iter().zip(weights).filter_map(|(term, w)| {
                    let term = number(*term)?;
                    Some((term, w * idf.get(term as usize)?))
                });
                unit(kept.collect())
            })
            .collect();
        let mut rows = SparseRows::empty(vocabulary.len());
        made.into_iter().for_each(|row| rows.push(row.into_iter()));
        Self { vocabulary, idf, rows }
    }

    pub fn n_terms(&self) -> usize {
        self.vocabulary.len()
    }

    /// As [`readable`](crate::content::readable) reads it.
    pub fn term(&self, number: u32) -> &str {
        self.vocabulary.term(number)
    }

    /// Where a user stands: the items he likes, each by the root of its strength, at length 1. Who has touched nothing that says
    /// anything is known by the words he searched for. Empty without either.
    pub fn taste(&self, user: &UserState, catalogue: &Catalogue, params: &TasteParams) -> Vec<(u32, f32)> {
        let tastes = user.tastes(params);
        let mut liked: Vec<(f32, u32)> = tastes
            .items
            .iter()
            .filter(|taste| 0.0 < taste.strength)
            .filter_map(|taste| Some((taste.strength, catalogue.number(taste.item)?)))
            .collect();
        liked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        liked.truncate(TASTES_MAX);
        let mut sum: Vec<(u32, f32)> = Vec::new();
        for (strength, item) in liked.into_iter().filter(|(_, item)| (*item as usize) < self.rows.n_rows()) {
            let (terms, weights) = self.rows.row(item as usize);
            sum.extend(terms.iter().zip(weights).map(|(term, w)| (*term, w * strength.sqrt())));
        }
        if sum.is_empty() {
            self.searched(user, &mut sum);
        }
        unit(summed(sum))
    }

    fn searched(&self, user: &UserState, sum: &mut Vec<(u32, f32)>) {
        let queries = user.parts.get(usize::from(Topic::Browse.code())).map_or(&[][..], |part| &part.queries);
        for query in queries {
            tokeniser().each_term(&query.text, &mut |word| {
                let term = self.vocabulary.number(&format!("w{word}"));
                sum.extend(term.and_then(|term| Some((term, *self.idf.get(term as usize)?))));
            });
        }
    }
}

/// Equal terms added up in the order in which they stand.
fn summed(mut row: Vec<(u32, f32)>) -> Vec<(u32, f32)> {
    row.sort_by_key(|(term, _)| *term);
    row.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    row
}

/// The terms of an item, with their weights.
fn say(item: &CatalogueItem, emit: &mut Emit<'_>) {
    for (level, category) in levels(&item.category).enumerate() {
        emit(&format!("c{category}"), if level == 0 { CATEGORY } else { CATEGORY_BELOW });
    }
    let brand = item.brand.trim().to_lowercase();
    if !brand.is_empty() {
        emit(&format!("b{brand}"), BRAND);
    }
    let mut words: Vec<String> = Vec::new();
    let texts = item.titles.values().chain(&item.tags).chain(std::iter::once(&item.title));
    texts.for_each(|text| tokeniser().each_term(text, &mut |word| words.push(format!("w{word}"))));
    words.sort_unstable();
    words.dedup();
    words.iter().for_each(|word| emit(word, WORD));
}
