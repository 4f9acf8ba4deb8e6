//! From the words of a query to what is asked of the index.
//!
//! Every word is worth points, by how loudly an item says it and how surely it is the word that was meant; an item has the sum. No
//! statistics enter it (where all words are found), so an item has the same points in every process and at every moment: pages
//! fit together. Points are whole numbers that an f32 holds exactly, in whatever order they are summed.

use shoptide_models::find::{QueryWord, exact_key, parts_of, query_words};
use tantivy::query::{BooleanQuery, ConstScoreQuery, DisjunctionMaxQuery, Occur, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Searcher, Term};

use crate::expand::{beginnings, corrections, items_with};
use crate::index::{Fields, Words};
use crate::saying::{WHOLE, levels};

const TITLE_POINTS: u32 = 48;
const ABOUT_POINTS: u32 = 24;
const BODY_POINTS: u32 = 8;
/// All the characters of a Chinese word that is cut otherwise in the item.
const CHARACTERS_POINTS: u32 = 20;
const BEGINNING_POINTS: u32 = 16;
const CORRECTION_POINTS: u32 = 6;
/// The query is the whole title, or the id: more than all words together can have, and below 2^24 with them.
pub(crate) const EXACT_POINTS: u32 = 1 << 20;
/// The most that a rare word counts beside a common one, where not all words were found.
const WEIGHT_MAX: u8 = 15;

/// One word, and what of the index it may be.
struct Meaning {
    any: Vec<Box<dyn Query>>,
    /// Items that have it, at most: one with several words of it is counted several times.
    items: u64,
}

/// A query as the index is asked.
pub(crate) struct Plan {
    exact: Option<Term>,
    words: Vec<Meaning>,
    /// Of each word, 1 to [`WEIGHT_MAX`].
    weights: Vec<u8>,
}

impl Plan {
    /// - `completing`: a single letter too may be the beginning of a word
    pub fn new(text: &str, words: &Words, completing: bool) -> tantivy::Result<Self> {
        let Words { fields, searcher } = words;
        let mut meanings = Vec::new();
        for word in query_words(text) {
            meanings.extend(meaning(&word, fields, searcher, completing)?);
        }
        let all = searcher.num_docs();
        let weights = meanings.iter().map(|m| weight(all, m.items)).collect();
        let exact = exact_key(text).map(|key| Term::from_field_u64(fields.key, key));
        Ok(Self { exact, words: meanings, weights })
    }

    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// What each word counts if not all need be found.
    pub fn weights(&self) -> &[u8] {
        &self.weights
    }

    /// Every word must be found, all count the same.
    pub fn all(&self) -> Box<dyn Query> {
        self.query(self.words.len(), &[])
    }

    /// At least `least` of the words must be found; each counts by its weight.
    pub fn some(&self, least: usize, weights: &[u8]) -> Box<dyn Query> {
        self.query(least.clamp(1, self.words.len().max(1)), weights)
    }

    /// How many words must be found: all, else half of them, else any.
    pub fn levels(&self) -> [usize; 3] {
        levels(self.words.len())
    }

    /// Any of the words may be found: the points of an item are how many of them it has, and [`WHOLE`] more if the text is its title or id.
    pub fn counted(&self) -> Box<dyn Query> {
        let clauses = self.words.iter().map(|word| {
            let any = DisjunctionMaxQuery::new(word.any.iter().map(|q| q.box_clone()).collect());
            let one: Box<dyn Query> = Box::new(ConstScoreQuery::new(Box::new(any), 1.0));
            (Occur::Should, one)
        });
        let exact = self.exact.iter().map(|exact| (Occur::Should, worth(exact.clone(), WHOLE)));
        Box::new(BooleanQuery::new(clauses.chain(exact).collect()))
    }

    fn query(&self, least: usize, weights: &[u8]) -> Box<dyn Query> {
        let weights = weights.iter().map(|w| (*w).clamp(1, WEIGHT_MAX)).chain(std::iter::repeat(1));
        let every = least == self.words.len();
        let occur = if every { Occur::Must } else { Occur::Should };
        let clauses = self.words.iter().zip(weights).map(|(word, weight)| {
            let any = word.any.iter().map(|q| q.box_clone()).collect();
            let any: Box<dyn Query> = Box::new(DisjunctionMaxQuery::new(any));
            let counted: Box<dyn Query> = Box::new(tantivy::query::BoostQuery::new(any, f32::from(weight)));
            (occur, counted)
        });
        let mut either: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        if !self.words.is_empty() {
            let clauses = clauses.collect();
            let least = if every { 0 } else { least };
            let words = BooleanQuery::with_minimum_required_clauses(clauses, least);
            either.push((Occur::Should, Box::new(words)));
        }
        if let Some(exact) = &self.exact {
            either.push((Occur::Should, worth(exact.clone(), EXACT_POINTS)));
        }
        Box::new(BooleanQuery::new(either))
    }
}

/// Rare words say more: the logarithm of how many items there are for each that has it.
fn weight(all: u64, with: u64) -> u8 {
    let log = ((all + 1) / (with + 1)).max(1).ilog2();
    u8::try_from(log).unwrap_or(WEIGHT_MAX).clamp(1, WEIGHT_MAX)
}

fn worth(term: Term, points: u32) -> Box<dyn Query> {
    let term = Box::new(TermQuery::new(term, IndexRecordOption::Basic));
    Box::new(ConstScoreQuery::new(term, points as f32))
}

/// What a word may be; several where it must be taken apart.
fn meaning(
    word: &QueryWord,
    fields: &Fields,
    searcher: &Searcher,
    completing: bool,
) -> tantivy::Result<Vec<Meaning>> {
    let mut meaning = as_written(&word.term, fields, searcher)?;
    let long_enough = completing || word.is_han() || 2 <= word.form.chars().count();
    // A number that is there is meant; all that begin with its digits are not.
    let number = word.form.chars().any(char::is_numeric) && 0 < meaning.items;
    if word.open && long_enough && !number {
        let longer = beginnings(searcher, fields.form, &word.form)?;
        meaning.add(&longer, fields.form, BEGINNING_POINTS, searcher)?;
    }
    if 0 < meaning.items {
        return Ok(vec![meaning]);
    }
    let parts: Vec<&str> = parts_of(&word.form).collect();
    if !parts.is_empty() {
        let parts: tantivy::Result<Vec<Meaning>> =
            parts.into_iter().map(|part| as_written(part, fields, searcher)).collect();
        let parts = parts?;
        if parts.iter().all(|part| 0 < part.items) {
            return Ok(parts);
        }
    }
    if word.is_han() && 1 < word.form.chars().count() {
        meaning.add_characters(&word.form, fields.form, searcher)?;
    }
    let near = corrections(searcher, fields.form, &word.form, word.open, word.is_han())?;
    meaning.add(&near, fields.form, CORRECTION_POINTS, searcher)?;
    Ok(vec![meaning])
}

fn as_written(term: &str, fields: &Fields, searcher: &Searcher) -> tantivy::Result<Meaning> {
    let mut meaning = Meaning { any: Vec::new(), items: 0 };
    for (field, points) in
        [(fields.title, TITLE_POINTS), (fields.about, ABOUT_POINTS), (fields.body, BODY_POINTS)]
    {
        let items = items_with(searcher, &[field], term)?;
        if 0 < items {
            meaning.any.push(worth(Term::from_field_text(field, term), points));
            meaning.items += items;
        }
    }
    Ok(meaning)
}

impl Meaning {
    fn add(
        &mut self,
        words: &[String],
        field: Field,
        points: u32,
        searcher: &Searcher,
    ) -> tantivy::Result<()> {
        for word in words {
            self.any.push(worth(Term::from_field_text(field, word), points));
            self.items += items_with(searcher, &[field], word)?;
        }
        Ok(())
    }

    fn add_characters(&mut self, word: &str, field: Field, searcher: &Searcher) -> tantivy::Result<()> {
        let mut all: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        let mut items = u64::MAX;
        for c in word.chars() {
            let c = c.to_string();
            items = items.min(items_with(searcher, &[field], &c)?);
            all.push((Occur::Must, worth(Term::from_field_text(field, &c), 1)));
        }
        if 0 < items {
            let all = Box::new(BooleanQuery::new(all));
            self.any.push(Box::new(ConstScoreQuery::new(all, CHARACTERS_POINTS as f32)));
            self.items += items;
        }
        Ok(())
    }
}
