//! The shop's words: the built-in dictionary, and what the live catalogue teaches. A brand, a category, a tag or a title is understood as soon
//! as its row was learned.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::atoms::{Atom, Kind, atoms};
use super::dictionary::{Cue, Part, Phrases, Sense, dictionary};
use super::slots::Language;
use super::spans::spans;
use crate::catalogue::{Catalogue, CatalogueItem};
use crate::content::levels;

/// Phrases that the catalogue may teach; more are passed over. A million names are more than any shop has brands, tags and categories.
pub const LEARNED_MAX: usize = 1 << 20;
/// Products kept for one word of their titles: a word of more of them names none.
const TITLES_PER_WORD_MAX: usize = 64;
/// A name in Latin letters up to this is an abbreviation, which Chinese speakers use as it is.
const SHORT_NAME_BYTES: usize = 4;
/// Spellings of one brand, paths of one category.
const SPELLINGS_MAX: usize = 64;

/// Spans before a word in which a "no" is of it: the no itself and one word between (`不支持 NFC`).
const NEGATION_SPANS_MAX: usize = 2;

/// Something that a text says of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trait {
    /// Of a feature, an occasion, a person, or a size such as `256gb`.
    pub key: String,
    /// The words that say it, folded, with the "no" before them if there is one.
    pub written: String,
    /// Whether a "no" stands before it.
    pub negated: bool,
}

/// The words that [`understand()`](super::understand()) knows. Learning is idempotent; what is no longer sold stays a word.
#[derive(Debug, Clone, Default)]
pub struct Lexicon {
    pub(super) learned: Phrases,
    /// Spellings of the catalogue by the brand's key.
    brands: HashMap<String, BTreeSet<String>>,
    /// The brand's key by the catalogue's spelling, folded.
    brand_keys: HashMap<String, String>,
    /// Paths of the catalogue, folded, by the category's key.
    categories: HashMap<String, BTreeSet<String>>,
    /// Items by the words of their titles that have a figure or are rare, by number.
    titles: HashMap<Box<str>, Vec<u32>>,
    /// Items by their ids, folded.
    ids: HashMap<String, u32>,
    /// The brand's key of each item.
    item_brands: HashMap<u32, Box<str>>,
    /// Tags, paths and beginnings of titles that were learned, as they were written: most rows teach nothing new.
    known: HashSet<Box<str>>,
    /// How often each path was seen with each category of its tags.
    tagged: HashMap<String, BTreeMap<String, u32>>,
}

impl Lexicon {
    /// The words of every listable row. Cost: a pass over titles, brands, categories and tags.
    pub fn of(catalogue: &Catalogue) -> Self {
        let mut all = Self::default();
        for (number, id, item) in catalogue.rows().filter(|(_, _, item)| item.listable()) {
            all.learn(number, &id.to_string(), item);
        }
        all
    }

    /// Learns one row; `id` is how people may name it.
    pub fn learn(&mut self, number: u32, id: &str, item: &CatalogueItem) {
        let brand = self.learn_brand(item);
        self.learn_category(item);
        for tag in &item.tags {
            self.learn_tag(tag, brand.as_deref());
        }
        for title in std::iter::once(&item.title).chain(item.titles.values()).map(String::as_str) {
            self.learn_title(number, title);
        }
        self.ids.insert(folded(id), number);
        if let Some(brand) = brand {
            self.item_brands.insert(number, brand.into());
        }
    }

    fn add(&mut self, name: &str, sense: &Sense) {
        if self.learned.len() < LEARNED_MAX {
            self.learned.add(name, sense, matches!(sense, Sense::Brand(_)));
        }
    }

    /// Whether a text of this kind was not learned before.
    fn is_new(&mut self, kind: char, text: &str) -> bool {
        let text = format!("{kind}{text}");
        !self.known.contains(text.as_str()) && self.known.insert(text.into())
    }

    fn learn_brand(&mut self, item: &CatalogueItem) -> Option<String> {
        let brand = item.brand.trim();
        if folded(brand).is_empty() {
            return None;
        }
        let begin = |title: &String| title.split_whitespace().next().map(str::to_owned);
        let begins: Vec<String> =
            std::iter::once(&item.title).chain(item.titles.values()).filter_map(begin).collect();
        let new = begins
            .iter()
            .fold(self.is_new('b', brand), |new, first| self.is_new('f', &format!("{brand}/{first}")) || new);
        if !new {
            return self.brand_keys.get(&folded(brand)).cloned();
        }
        // `小米/MI`, `Huawei（华为）`: several names of one.
        let names: Vec<&str> =
            brand.split(['/', '(', '（', ')', '）', '|']).map(str::trim).filter(|n| !n.is_empty()).collect();
        let known = names.iter().find_map(|name| sense_of(name, |s| matches!(s, Sense::Brand(_))));
        let brand_key = match known {
            Some(Sense::Brand(key)) => key.into_string(),
            _ => folded(names.first()?),
        };
        let sense = Sense::Brand(brand_key.as_str().into());
        for name in &names {
            self.add(name, &sense);
        }
        // A title that begins with a tag and does not hold the brand's name has it in another language.
        let titles = std::iter::once(&item.title).chain(item.titles.values());
        for title in titles.filter(|t| names.iter().all(|n| !folded(t).contains(&folded(n)))) {
            let Some(first) = title.split_whitespace().next() else { continue };
            let is_tag = item.tags.iter().any(|t| folded(t) == folded(first));
            if is_tag && sense_of(first, |_| true).is_none() {
                self.add(first, &sense);
            }
        }
        let spellings = self.brands.entry(brand_key.clone()).or_default();
        if spellings.len() < SPELLINGS_MAX {
            spellings.insert(folded(brand));
        }
        self.brand_keys.insert(folded(brand), brand_key.clone());
        Some(brand_key)
    }

    fn learn_category(&mut self, item: &CatalogueItem) {
        let path = item.category.trim().trim_matches('/').to_lowercase();
        // A path that no dictionary names goes by its rows' tags, of which each row counts.
        if !self.is_new('c', &path) && !self.tagged.contains_key(&path) {
            return;
        }
        for level in levels(&path) {
            let leaf = level.rsplit('/').next().unwrap_or(level).replace(['-', '_'], " ");
            let key = match sense_of(&leaf, |s| matches!(s, Sense::Category(_))) {
                Some(Sense::Category(key)) => key.into_string(),
                _ => self.category_by_tags(level, item).unwrap_or_else(|| folded(&leaf)),
            };
            self.add(&leaf, &Sense::Category(key.as_str().into()));
            let paths = self.categories.entry(key).or_default();
            if paths.len() < SPELLINGS_MAX {
                paths.insert(level.to_owned());
            }
        }
    }

    /// The built-in category that most of a path's rows have among their tags, for paths whose own name is none.
    fn category_by_tags(&mut self, level: &str, item: &CatalogueItem) -> Option<String> {
        let leaf = item.category.trim().trim_matches('/').to_lowercase() == level;
        if !leaf {
            return None;
        }
        let counts = self.tagged.entry(level.to_owned()).or_default();
        for tag in &item.tags {
            if let Some(Sense::Category(key)) = sense_of(tag, |s| matches!(s, Sense::Category(_))) {
                *counts.entry(key.into_string()).or_default() += 1;
            }
        }
        counts.iter().max_by_key(|(_, n)| **n).map(|(key, _)| key.clone())
    }

    fn learn_tag(&mut self, tag: &str, brand: Option<&str>) {
        if !self.is_new('t', tag) {
            return;
        }
        let name = folded(tag);
        let taken = self.learned.get(&name, &name).is_some() || sense_of(tag, |_| true).is_some();
        // `16GB` is read as a size wherever it stands.
        let size = atoms(tag).first().is_some_and(|a| a.kind == Kind::Number);
        if !taken && !size && brand != Some(&name) && 1 < name.chars().count() {
            self.add(tag, &Sense::Feature(name.into()));
        }
    }

    fn learn_title(&mut self, number: u32, title: &str) {
        for word in title_words(&atoms(title)) {
            let items = self.titles.entry(word).or_default();
            // One beyond the bound is kept, so that it is seen to be too common.
            if items.len() <= TITLES_PER_WORD_MAX && !items.contains(&number) {
                items.push(number);
            }
        }
    }

    /// How the catalogue writes a brand, folded as [`folded`] does; nothing for a brand that it does not have.
    pub fn brand_spellings(&self, key: &str) -> impl Iterator<Item = &str> {
        self.brands.get(key).into_iter().flatten().map(String::as_str)
    }

    /// The catalogue's paths for a category and those within it.
    pub fn category_paths(&self, key: &str) -> BTreeSet<&str> {
        let within = self.categories.iter().filter(|(own, _)| *own == key || dictionary().within(own, key));
        within.flat_map(|(_, paths)| paths).map(String::as_str).collect()
    }

    /// All names of a brand, a category or a feature: what a full-text search may look for, in both languages.
    pub fn names_of(&self, key: &str) -> impl Iterator<Item = &'static str> {
        let parts = [Part::Category, Part::Brand, Part::Feature, Part::Whom, Part::Occasion];
        parts.into_iter().flat_map(move |part| {
            dictionary().names.get(&(part, key.into())).into_iter().flatten().map(|n| &**n)
        })
    }

    /// What a category or a brand is called in a language: by the dictionary, else as the catalogue spells it, else the key itself.
    pub fn name_in(&self, key: &str, language: Language) -> String {
        self.named(key, language, &[Part::Category, Part::Brand])
    }

    /// As [`Lexicon::name_in`], for a feature, for whom something is, or when.
    pub fn trait_in(&self, key: &str, language: Language) -> String {
        self.named(key, language, &[Part::Feature, Part::Whom, Part::Occasion])
    }

    fn named(&self, key: &str, language: Language, parts: &[Part]) -> String {
        let han = |name: &str| name.chars().any(|c| ('\u{3400}'..='\u{9fff}').contains(&c));
        let names = || parts.iter().filter_map(|part| dictionary().names.get(&(*part, key.into()))).flatten();
        // `NFC` is that in Chinese too.
        let short = |name: &str| name.len() <= SHORT_NAME_BYTES && !name.contains(' ');
        let first = names().next().filter(|name| language == Language::Chinese && short(name));
        let own = first.or_else(|| names().find(|name| han(name) == (language == Language::Chinese)));
        let own = own.or_else(|| names().next()).map(|name| &**name);
        let own = own.or_else(|| self.brand_spellings(key).next());
        own.map_or_else(|| key.replace('_', " "), str::to_owned)
    }

    /// The brand's key of a catalogue row.
    pub fn brand_of(&self, item: &CatalogueItem) -> String {
        let brand = folded(&item.brand);
        self.brand_keys.get(&brand).cloned().unwrap_or(brand)
    }

    /// What a row says that it is and has: keys of features, people and occasions in title, tags and category, but for those that it says it has not.
    pub fn traits_of(&self, item: &CatalogueItem) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let texts = std::iter::once(&item.title).chain(item.titles.values()).chain(&item.tags);
        for text in texts.chain([&item.category]) {
            all.extend(self.traits_in(text).into_iter().filter(|said| !said.negated).map(|said| said.key));
        }
        all
    }

    /// What a text says that something is, has or is for, in its order.
    pub fn traits_in(&self, text: &str) -> Vec<Trait> {
        let atoms = atoms(text);
        let spans = spans(&atoms, self);
        let mut all = Vec::new();
        for (place, span) in spans.iter().enumerate() {
            let before = spans.get(place.saturating_sub(NEGATION_SPANS_MAX)..place).unwrap_or_default();
            let no = before.iter().rfind(|span| span.has(Cue::Not));
            let negated = no.is_some();
            let mut written = String::new();
            let words = atoms.get(no.map_or(span.from, |no| no.from)..span.to).unwrap_or_default();
            super::atoms::key(words.iter(), false, &mut written);
            let said = |key: String| Trait { key, written: written.clone(), negated };
            for sense in &span.senses {
                match sense {
                    Sense::Feature(key) | Sense::Whom(key) | Sense::Occasion(key) => {
                        all.push(said(key.to_string()));
                    }
                    _ => {}
                }
            }
            all.extend(super::specs::spec(&atoms, span).map(said));
        }
        all
    }

    /// The brand that a name holds, by its key.
    pub(crate) fn brand_in(&self, atoms: &[Atom]) -> Option<String> {
        let brand = |sense: &Sense| match sense {
            Sense::Brand(key) => Some(key.to_string()),
            _ => None,
        };
        spans(atoms, self).iter().find_map(|span| span.senses.iter().find_map(brand))
    }

    /// The item with an id, else the items of a brand (if one was named) whose titles hold all of some words; empty if no word is rare enough to name
    /// an item.
    pub(crate) fn items_named(&self, whole: &str, words: &[&str], brand: Option<&str>) -> Vec<u32> {
        if let Some(item) = self.ids.get(whole) {
            return vec![*item];
        }
        let of_brand = |n: &u32| brand.is_none_or(|b| self.item_brands.get(n).is_some_and(|own| **own == *b));
        let mut postings: Vec<&Vec<u32>> = Vec::new();
        for word in words {
            match self.titles.get(*word) {
                Some(items) if items.len() <= TITLES_PER_WORD_MAX => postings.push(items),
                Some(_) => {}
                None => return Vec::new(),
            }
        }
        let Some((first, rest)) = postings.split_first() else { return Vec::new() };
        first.iter().filter(|n| of_brand(n) && rest.iter().all(|items| items.contains(n))).copied().collect()
    }
}

/// A name as it is compared.
pub fn folded(name: &str) -> String {
    let mut text = String::new();
    super::atoms::key(atoms(name).iter(), false, &mut text);
    text
}

/// Words of a title that may name it: Latin words and numbers, each Han brand or noun being too common.
pub(crate) fn title_words(atoms: &[Atom]) -> BTreeSet<Box<str>> {
    let worded = atoms.iter().filter(|a| matches!(a.kind, Kind::Word | Kind::Number) && a.text.len() <= 32);
    worded.map(|a| a.text.clone()).collect()
}

/// What the built-in dictionary says of a whole name.
fn sense_of(name: &str, wanted: impl Fn(&Sense) -> bool) -> Option<Sense> {
    let atoms = atoms(name);
    let (mut written, mut stemmed) = (String::new(), String::new());
    super::atoms::key(atoms.iter(), false, &mut written);
    super::atoms::key(atoms.iter(), true, &mut stemmed);
    let senses = dictionary().phrases.get(&written, &stemmed)?;
    senses.iter().find(|s| wanted(s) && !matches!(s, Sense::Cue(Cue::Filler))).cloned()
}
