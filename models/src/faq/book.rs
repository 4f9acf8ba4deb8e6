//! The entries with their index, made anew when one of them changes: a few thousand at most.

use std::collections::{BTreeMap, HashMap};

use shoptide_schemas::FaqEntry;

use super::concepts::{Said, each_said};
use crate::content::is_han;

/// Characters of a question that are read; what is longer is a paste.
pub const QUESTION_CHARS_MAX: usize = 500;
/// Entries that one question may get.
pub const HITS_MAX: usize = 10;
/// From which confidence on an answer is known. Set on the labelled questions of `models/tests/faq`: a tenth more loses answers, a tenth
/// less answers what nobody wrote.
pub const KNOWN_MIN: f32 = 0.45;

/// BM25's saturation and normalisation by length, as usual.
const K1: f32 = 1.2;
const B: f32 = 0.75;
/// What a word of a question, of the tags and category, and of the answer weighs.
const QUESTION_WEIGHT: f32 = 3.0;
const TAG_WEIGHT: f32 = 2.0;
const ANSWER_WEIGHT: f32 = 0.4;
/// What a word that stands for no concept weighs beside one that does.
const WORD_WEIGHT: f32 = 0.3;
/// How far a word that only the answer says covers the question.
const ANSWER_COVERS: f32 = 0.35;
/// How much of the confidence is how well one wording is met as a whole; the rest is how much of the question is covered.
const WORDING_SHARE: f32 = 0.35;

/// One concept's place in an entry.
#[derive(Debug, Clone, Copy)]
struct Posting {
    entry: u32,
    /// Sum of the weights of its occurrences.
    weight: f32,
    /// Whether a question, a tag or the category says it.
    asked: bool,
}

/// A question of a shopper as the book reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// `zh` if it holds a Han character, else `en`.
    pub language: &'static str,
    /// Concepts and words, each once, with what it weighs beside its rarity.
    said: Vec<(String, f32)>,
}

impl Asked {
    /// Reads at most [`QUESTION_CHARS_MAX`] characters.
    ///
    /// ```
    /// assert_eq!(shoptide_models::faq::Asked::new("多久发货 of my order").language, "zh");
    /// ```
    pub fn new(question: &str) -> Self {
        let text: String = question.chars().take(QUESTION_CHARS_MAX).collect();
        let mut all: Vec<(String, f32)> = Vec::new();
        each_said(&text, &mut |said| {
            let (text, weight) = said_with_weight(said);
            if !all.iter().any(|(known, _)| known == text) {
                all.push((text.to_owned(), weight));
            }
        });
        Self { language: if text.chars().any(is_han) { "zh" } else { "en" }, said: all }
    }
}

/// A concept of these words counts wholly, any other word only in part: shoppers name their product and tell their story.
fn said_with_weight(said: Said<'_>) -> (&str, f32) {
    match said {
        Said::Concept(key) => (key, 1.0),
        Said::Word(word) => (word, WORD_WEIGHT),
    }
}

/// An entry that may answer a question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaqHit<'a> {
    pub entry: &'a FaqEntry,
    /// BM25, unitless; comparable within one question only.
    pub score: f32,
    /// 0 to 1: how much of the question the entry speaks of.
    pub confidence: f32,
}

impl FaqHit<'_> {
    /// Whether the answer may be given as one.
    pub fn is_known(&self) -> bool {
        KNOWN_MIN <= self.confidence
    }

    /// The answer in a language, else in the other one, with the language it is in.
    pub fn answer(&self, language: &str) -> (&str, &str) {
        let own = self.entry.answers.get_key_value(language);
        own.or_else(|| self.entry.answers.iter().next()).map_or(("", ""), |(l, a)| (l, a))
    }
}

/// What one wording says, each once, with what it weighs beside its rarity.
type Wording = Vec<(Box<str>, f32)>;

/// All entries and what they speak of.
#[derive(Debug, Clone, Default)]
pub struct FaqBook {
    revision: u64,
    entries: Vec<FaqEntry>,
    postings: HashMap<Box<str>, Vec<Posting>>,
    /// Weight of each entry's words.
    lengths: Vec<f32>,
    length_mean: f32,
    /// Of each entry, the concepts of each wording, sorted.
    wordings: Vec<Vec<Wording>>,
}

impl FaqBook {
    /// Indexes entries, in the order given. `revision` names the state of the store that they are of.
    pub fn new(revision: u64, entries: Vec<FaqEntry>) -> Self {
        let mut book = Self { revision, ..Self::default() };
        for (number, entry) in (0_u32..).zip(&entries) {
            book.add(number, entry);
        }
        book.length_mean = book.lengths.iter().sum::<f32>() / book.lengths.len().max(1) as f32;
        book.entries = entries;
        book
    }

    fn add(&mut self, number: u32, entry: &FaqEntry) {
        let mut weights: BTreeMap<String, (f32, bool)> = BTreeMap::new();
        let mut say = |text: &str, weight: f32, asked: bool| {
            each_said(text, &mut |said| {
                let slot = weights.entry(said_with_weight(said).0.to_owned()).or_default();
                *slot = (slot.0 + weight, slot.1 || asked);
            });
        };
        let mut wordings = Vec::new();
        for questions in entry.questions.values() {
            // Many wordings of a question must not drown one of another entry.
            let weight = QUESTION_WEIGHT / (questions.len().max(1) as f32).sqrt();
            for question in questions {
                say(question, weight, true);
                let mut wording = Wording::new();
                each_said(question, &mut |said| {
                    let (text, weight) = said_with_weight(said);
                    if !wording.iter().any(|(known, _)| **known == *text) {
                        wording.push((text.into(), weight));
                    }
                });
                wordings.push(wording);
            }
        }
        entry.tags.iter().for_each(|tag| say(tag, TAG_WEIGHT, true));
        say(&entry.category, TAG_WEIGHT, true);
        entry.answers.values().for_each(|answer| say(answer, ANSWER_WEIGHT, false));
        self.lengths.push(weights.values().map(|(weight, _)| weight).sum());
        for (concept, (weight, asked)) in weights {
            let posting = Posting { entry: number, weight, asked };
            self.postings.entry(concept.into()).or_default().push(posting);
        }
        self.wordings.push(wordings);
    }

    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// In the order given.
    pub fn entries(&self) -> &[FaqEntry] {
        &self.entries
    }

    /// `ln(1 + (n - with + 0.5) / (with + 0.5))`, above 0 always; for a concept that nobody has, the greatest.
    fn idf(&self, concept: &str) -> f32 {
        let (n, with) = (self.entries.len() as f32, self.postings.get(concept).map_or(0, Vec::len) as f32);
        (1.0 + (n - with + 0.5) / (with + 0.5)).ln()
    }

    /// The `n` best entries, at most [`HITS_MAX`], best first, of equals in the order given; empty for a question that says nothing. An answer is known
    /// if its [`FaqHit::is_known`].
    pub fn ask(&self, asked: &Asked, n: usize) -> Vec<FaqHit<'_>> {
        // Scores and covered weight by entry.
        let mut found: BTreeMap<u32, (f32, f32)> = BTreeMap::new();
        let mut all = 0.0_f32;
        for (concept, weight) in &asked.said {
            let idf = weight * self.idf(concept);
            all += idf;
            for posting in self.postings.get(concept.as_str()).into_iter().flatten() {
                let length = self.lengths.get(posting.entry as usize).copied().unwrap_or_default();
                let norm = K1 * (1.0 - B + B * length / self.length_mean.max(f32::MIN_POSITIVE));
                let slot = found.entry(posting.entry).or_default();
                slot.0 += idf * posting.weight * (K1 + 1.0) / (posting.weight + norm);
                slot.1 += idf * if posting.asked { 1.0 } else { ANSWER_COVERS };
            }
        }
        let hit = |(number, (score, covered)): (u32, (f32, f32))| {
            let entry = self.entries.get(number as usize)?;
            let coverage = covered / all.max(f32::MIN_POSITIVE);
            let wording = self.wording(number as usize, asked, all);
            let confidence = (1.0 - WORDING_SHARE) * coverage + WORDING_SHARE * wording;
            // A wording met as a whole is what BM25's sum over all wordings cannot see.
            Some(FaqHit { entry, score: score * (1.0 + wording), confidence: confidence.min(1.0) })
        };
        let mut hits: Vec<FaqHit<'_>> = found.into_iter().filter_map(hit).collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score));
        hits.truncate(n.min(HITS_MAX));
        hits
    }

    /// How well the best wording of an entry is met: twice what both say by what each says, weighted (Dice).
    fn wording(&self, number: usize, asked: &Asked, asked_weight: f32) -> f32 {
        let dice = |wording: &Wording| {
            let sum = |all: &mut dyn Iterator<Item = &(Box<str>, f32)>| -> f32 {
                all.map(|(text, weight)| weight * self.idf(text)).sum()
            };
            let weight = sum(&mut wording.iter());
            let both = |(text, _): &&(Box<str>, f32)| asked.said.iter().any(|(known, _)| **known == **text);
            let both = sum(&mut wording.iter().filter(both));
            2.0 * both / (weight + asked_weight).max(f32::MIN_POSITIVE)
        };
        self.wordings.get(number).into_iter().flatten().map(dice).fold(0.0, f32::max)
    }
}
