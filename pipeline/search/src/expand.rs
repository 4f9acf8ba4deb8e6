//! Words of the index that a word of a query may mean: what begins with it, and what is spelt almost like it.

use std::collections::HashMap;

use tantivy::query::FuzzyTermQuery;
use tantivy::schema::Field;
use tantivy::{Searcher, Term};

/// Words that one beginning stands for, the most frequent ones: a shopper means one of a few.
const BEGINNINGS_MAX: usize = 16;
/// Words of one segment that are looked at for that; more share only a letter or two with what is meant.
const SCAN_MAX: usize = 512;
/// Words that one misspelt word stands for.
const CORRECTIONS_MAX: usize = 8;
/// Shorter words are not corrected: a letter more or less makes others of most of them.
const CORRECTED_CHARS_MIN: usize = 4;
/// From so many characters on, two errors are forgiven.
const TWICE_CHARS_MIN: usize = 8;
/// Longer ones are numbers and keys.
const CORRECTED_CHARS_MAX: usize = 32;

/// How many items have a word, in any of these fields.
pub(crate) fn items_with(searcher: &Searcher, fields: &[Field], word: &str) -> tantivy::Result<u64> {
    fields.iter().map(|field| searcher.doc_freq(&Term::from_field_text(*field, word))).sum()
}

/// Words of a field that begin with `beginning` and are longer, most frequent first.
pub(crate) fn beginnings(searcher: &Searcher, field: Field, beginning: &str) -> tantivy::Result<Vec<String>> {
    let mut counts: HashMap<String, u64> = HashMap::new();
    for segment in searcher.segment_readers() {
        let index = segment.inverted_index(field)?;
        let mut words = index.terms().range().gt(beginning).into_stream()?;
        let mut left = SCAN_MAX;
        while 0 < left && words.advance() && words.key().starts_with(beginning.as_bytes()) {
            left -= 1;
            add(&mut counts, words.key(), words.value().doc_freq);
        }
    }
    Ok(most_frequent(counts, BEGINNINGS_MAX))
}

/// Words of a field that differ from `word` by one typing error (a letter more, less, another, or two exchanged), most frequent
/// first; if there are none and the word is long, by two.
/// - `open`: whether longer words that begin so will do
/// - `han`: Chinese words are short, so only those of the same length are taken
pub(crate) fn corrections(
    searcher: &Searcher,
    field: Field,
    word: &str,
    open: bool,
    han: bool,
) -> tantivy::Result<Vec<String>> {
    let chars = word.chars().count();
    let least = if han { 2 } else { CORRECTED_CHARS_MIN };
    if !(least..=CORRECTED_CHARS_MAX).contains(&chars) {
        return Ok(Vec::new());
    }
    let distances = if TWICE_CHARS_MIN <= chars { 1..=2 } else { 1..=1 };
    for distance in distances {
        let term = Term::from_field_text(field, word);
        let query = match open {
            true => FuzzyTermQuery::new_prefix(term, distance, true),
            false => FuzzyTermQuery::new(term, distance, true),
        };
        let mut counts: HashMap<String, u64> = HashMap::new();
        for segment in searcher.segment_readers() {
            let index = segment.inverted_index(field)?;
            let mut words = index.terms().search(query.automaton()?).into_stream()?;
            let mut left = SCAN_MAX;
            while 0 < left && words.advance() {
                left -= 1;
                add(&mut counts, words.key(), words.value().doc_freq);
            }
        }
        if han {
            counts.retain(|found, _| found.chars().count() == chars);
        }
        if !counts.is_empty() {
            return Ok(most_frequent(counts, CORRECTIONS_MAX));
        }
    }
    Ok(Vec::new())
}

fn add(counts: &mut HashMap<String, u64>, word: &[u8], items: u32) {
    // Words were written as text.
    if let Ok(word) = std::str::from_utf8(word) {
        *counts.entry(word.to_owned()).or_default() += u64::from(items);
    }
}

/// Ties by the word itself, so that processes with other segments answer alike.
fn most_frequent(counts: HashMap<String, u64>, n: usize) -> Vec<String> {
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts.truncate(n);
    counts.into_iter().map(|(word, _)| word).collect()
}
