//! Terms get numbers, texts become rows of them: counting and TF-IDF, in parallel and in an order that the texts
//! alone decide.
//!
//! Salton & Buckley, *Term-weighting approaches in automatic text retrieval*, 1988; the smoothed inverse document
//! frequency and the unit rows are those of scikit-learn's `TfidfVectorizer`.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use rayon::prelude::*;
use xxhash_rust::xxh3::Xxh3Default;

use crate::sparse::SparseRows;

/// Texts whose terms are numbered by one task before the numbers of all tasks are brought together. Fixed, because the
/// numbers follow from it.
const TEXTS_PER_TASK: usize = 512;

/// Faster than the standard hasher, which defends against chosen keys; a vocabulary is rebuilt from its own texts, and
/// [`Vocabulary::TERMS_MAX`] bounds it.
pub(crate) type TermHasher = BuildHasherDefault<Xxh3Default>;

/// Terms and their numbers, in order of first appearance.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    numbers: HashMap<Box<str>, u32, TermHasher>,
    terms: Vec<Box<str>>,
}

impl Vocabulary {
    /// Terms beyond this many are passed over: 16 million words are more than any shop uses, and fit 1 GiB.
    pub const TERMS_MAX: usize = 1 << 24;

    pub fn len(&self) -> usize {
        self.terms.len()
    }

    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    pub fn number(&self, term: &str) -> Option<u32> {
        self.numbers.get(term).copied()
    }

    /// Empty for a number that was not given out.
    pub fn term(&self, number: u32) -> &str {
        self.terms.get(number as usize).map_or("", |t| t)
    }

    /// The number of a term, a new one if it has none; nothing once the vocabulary is full.
    pub(crate) fn take(&mut self, term: &str) -> Option<u32> {
        if let Some(&number) = self.numbers.get(term) {
            return Some(number);
        }
        if Self::TERMS_MAX <= self.terms.len() {
            return None;
        }
        let number = self.terms.len() as u32;
        self.terms.push(term.into());
        self.numbers.insert(term.into(), number);
        Some(number)
    }
}

/// How often a term must and may appear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TermBounds {
    /// Terms of fewer texts are dropped; 0 and 1 keep all.
    pub texts_min: u32,
    /// Terms of more texts are dropped.
    pub texts_max: u32,
}

impl Default for TermBounds {
    fn default() -> Self {
        Self { texts_min: 1, texts_max: u32::MAX }
    }
}

/// Counted texts: a row a text, a column a term.
#[derive(Debug, Clone)]
pub struct Counted {
    pub vocabulary: Vocabulary,
    /// `(n_texts, n_terms)`: the sum of the weights that the term was emitted with.
    pub weights: SparseRows,
    /// `(n_terms,)`: texts with the term.
    pub texts_with: Vec<u32>,
}

/// What a text says through: called once for each occurrence of a term with its weight (1 for plain counting).
pub type Emit<'a> = dyn FnMut(&str, f32) + 'a;

/// One text: `(term, weight)`.
type Row = Vec<(u32, f32)>;

/// Counts the terms of `n_texts` texts; `emit_of(text, emit)` calls `emit` for each of a text's terms. Weights that are not
/// finite and above 0 are passed over.
///
/// Terms are numbered in order of first appearance. Cost: one hash look-up an occurrence, on all threads.
pub fn count(n_texts: usize, bounds: TermBounds, emit_of: impl Fn(usize, &mut Emit<'_>) + Sync) -> Counted {
    let tasks: Vec<(Vocabulary, Vec<Row>)> = (0..n_texts.div_ceil(TEXTS_PER_TASK))
        .into_par_iter()
        .map(|task| {
            let mut local = Vocabulary::default();
            let texts = task * TEXTS_PER_TASK..((task + 1) * TEXTS_PER_TASK).min(n_texts);
            let rows = texts.map(|text| row_of(&mut local, |emit| emit_of(text, emit))).collect();
            (local, rows)
        })
        .collect();

    let mut all = Vocabulary::default();
    let global: Vec<Vec<Option<u32>>> =
        tasks.iter().map(|(local, _)| local.terms.iter().map(|t| all.take(t)).collect()).collect();
    let mut texts_with = vec![0u32; all.len()];
    for ((_, rows), global) in tasks.iter().zip(&global) {
        for number in rows.iter().flatten().filter_map(|&(local, _)| global[local as usize]) {
            texts_with[number as usize] += 1;
        }
    }
    let kept = |number: &u32| (bounds.texts_min..=bounds.texts_max).contains(&texts_with[*number as usize]);
    let mut vocabulary = Vocabulary::default();
    let mut renumbered = vec![None; all.len()];
    if texts_with.iter().zip(0u32..).all(|(_, number)| kept(&number)) {
        renumbered = (0..all.len() as u32).map(Some).collect();
        vocabulary = all;
    } else {
        for number in (0..all.len() as u32).filter(kept) {
            renumbered[number as usize] = vocabulary.take(all.term(number));
        }
        texts_with =
            texts_with.into_iter().zip(&renumbered).filter(|(_, n)| n.is_some()).map(|(c, _)| c).collect();
    }
    let rows: Vec<Vec<Row>> = tasks
        .into_par_iter()
        .zip(global)
        .map(|((_, rows), global)| {
            let number = |local: u32| global[local as usize].and_then(|n| renumbered[n as usize]);
            let renumber = |row: Row| {
                let mut row: Row =
                    row.into_iter().filter_map(|(local, w)| Some((number(local)?, w))).collect();
                row.sort_unstable_by_key(|&(number, _)| number);
                row
            };
            rows.into_iter().map(renumber).collect()
        })
        .collect();
    let mut weights = SparseRows::empty(vocabulary.len());
    rows.iter().flatten().for_each(|row| weights.push(row.iter().copied()));
    Counted { vocabulary, weights, texts_with }
}

/// One text's terms, each once with its summed weight, by number. The sum is taken in order of appearance.
pub(crate) fn row_of(vocabulary: &mut Vocabulary, say: impl FnOnce(&mut Emit<'_>)) -> Vec<(u32, f32)> {
    let mut row: Vec<(u32, f32)> = Vec::new();
    say(&mut |term, weight| {
        if 0.0 < weight && weight.is_finite() {
            row.extend(vocabulary.take(term).map(|number| (number, weight)));
        }
    });
    row.sort_by_key(|&(number, _)| number); // stable: equal terms stay in order of appearance
    row.dedup_by(|next, sum| {
        let same = next.0 == sum.0;
        if same {
            sum.1 = (sum.1 + next.1).min(f32::MAX);
        }
        same
    });
    row
}

/// `ln((1 + n) / (1 + n_with)) + 1`: rare terms say more; a term of every text still says a little.
///
/// ```
/// assert_eq!(shoptide_models::content::idf(9, 9), 1.0);
/// ```
pub fn idf(texts: usize, texts_with: u32) -> f32 {
    (((1 + texts) as f64 / (1.0 + f64::from(texts_with))).ln() + 1.0) as f32
}

/// TF-IDF rows of length 1: each weight times its term's [`idf`], then the row over its length. A text without terms is an
/// empty row.
pub fn tf_idf(counted: &Counted) -> SparseRows {
    let n_texts = counted.weights.n_rows();
    let idfs: Vec<f32> = counted.texts_with.iter().map(|&with| idf(n_texts, with)).collect();
    let rows: Vec<Vec<(u32, f32)>> = (0..n_texts)
        .into_par_iter()
        .with_min_len(TEXTS_PER_TASK)
        .map(|text| {
            let (terms, weights) = counted.weights.row(text);
            unit(terms.iter().zip(weights).map(|(&t, &w)| (t, w * idfs[t as usize])).collect())
        })
        .collect();
    let mut made = SparseRows::empty(counted.weights.n_cols());
    rows.into_iter().for_each(|row| made.push(row.into_iter()));
    made
}

/// A row over its length; empty if that is not a usable number.
pub(crate) fn unit(mut row: Vec<(u32, f32)>) -> Vec<(u32, f32)> {
    let length = row.iter().map(|&(_, w)| f64::from(w) * f64::from(w)).sum::<f64>().sqrt();
    if !(0.0 < length && length.is_finite()) {
        return Vec::new();
    }
    row.iter_mut().for_each(|(_, w)| *w = (f64::from(*w) / length) as f32);
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(texts: &[&str], bounds: TermBounds) -> Counted {
        count(texts.len(), bounds, |text, emit| texts[text].split_whitespace().for_each(|t| emit(t, 1.0)))
    }

    #[test]
    fn terms_are_numbered_as_they_appear_and_counted() {
        let c = counted(&["b a b", "", "c a"], TermBounds::default());
        assert_eq!((0..3).map(|n| c.vocabulary.term(n)).collect::<Vec<_>>(), ["b", "a", "c"]);
        assert_eq!(c.weights.row(0), (&[0, 1][..], &[2.0, 1.0][..]));
        assert_eq!((c.texts_with.as_slice(), c.weights.row(1).0.len()), (&[1, 2, 1][..], 0));
        assert_eq!(
            (c.vocabulary.number("c"), c.vocabulary.number("d"), c.vocabulary.term(9)),
            (Some(2), None, "")
        );
    }

    #[test]
    fn too_rare_and_too_common_terms_go() {
        let c = counted(&["all two x", "all two", "all"], TermBounds { texts_min: 2, texts_max: 2 });
        assert_eq!((c.vocabulary.len(), c.vocabulary.term(0), &c.texts_with[..]), (1, "two", &[2][..]));
        assert_eq!((c.weights.row(0).0, c.weights.row(2).0), (&[0][..], &[][..]));
        assert_eq!(counted(&[], TermBounds::default()).weights.n_rows(), 0);
    }

    #[test]
    fn weights_that_are_no_weights_are_passed_over() {
        let c = count(1, TermBounds::default(), |_, emit| {
            for w in [f32::NAN, f32::INFINITY, -1.0, 0.0, f32::MAX, f32::MAX] {
                emit("a", w);
            }
        });
        assert_eq!(c.weights.row(0), (&[0][..], &[f32::MAX][..]));
        assert!(tf_idf(&c).row(0).1.iter().all(|w| w.is_finite()));
    }

    #[test]
    fn rows_are_those_of_the_textbook() {
        // tf 2 and 1, n = 2; "a" in both texts, "b" in one.
        let rows = tf_idf(&counted(&["b b a", "a"], TermBounds::default()));
        let b = 2.0 * ((3.0f64 / 2.0).ln() + 1.0);
        let length = (b * b + 1.0).sqrt();
        let close = |x: f32, y: f64| (f64::from(x) - y).abs() < 1e-6;
        assert!(close(rows.row(0).1[0], b / length) && close(rows.row(0).1[1], 1.0 / length));
        assert_eq!(rows.row(1).1, [1.0]);
    }

    #[test]
    fn threads_do_not_show() {
        let texts: Vec<String> =
            (0..2000).map(|i| format!("w{} w{} w{}", i % 7, i % 301, i * i % 997)).collect();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let c = count(texts.len(), TermBounds::default(), |t, emit| {
                    texts[t].split(' ').for_each(|w| emit(w, 1.0));
                });
                (tf_idf(&c), c.vocabulary.terms)
            })
        };
        assert_eq!(run(1), run(3));
    }
}
