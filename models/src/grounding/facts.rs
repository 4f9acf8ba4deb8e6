//! What is known in a turn: the products that tools brought, sentences that may be repeated, and what the shopper asked for.

use std::collections::BTreeSet;

use shoptide_schemas::{Currency, Micros};

use crate::catalogue::CatalogueItem;
use crate::chat::atoms::{Atom, Kind, atoms};
use crate::chat::dictionary::{Sense, dictionary};
use crate::chat::spans::{Span, spans};
use crate::chat::specs::spec;
use crate::chat::{Conditions, Lexicon};

/// Products of a turn that are held against a reply; more are passed over, and what is said of them is refused.
pub const PRODUCTS_MAX: usize = 50;
/// Sentences that may be repeated.
pub const QUOTES_MAX: usize = 64;

/// All that a reply may rest on.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// In the order in which they are shown: "the second one" is the second of these.
    pub products: Vec<Product>,
    /// What the shop itself says, in whole sentences: answers of the FAQ, reasons, price history, the shopper's own budget and orders. A reply may
    /// repeat a sentence of these, whole; a part of one could say the opposite.
    pub quotes: Vec<String>,
    /// What the shopper asked for; a reply may say it back.
    pub wanted: Conditions,
    /// Whether every product shown meets every condition. False after one was given up.
    pub all_met: bool,
}

/// A product as a tool brought it.
#[derive(Debug, Clone, Default)]
pub struct Product {
    pub id: String,
    /// How it may be called; see [`Product::of`].
    pub names: Vec<String>,
    /// Key of its brand.
    pub brand: String,
    pub price: Option<(Micros, Currency)>,
    /// Pieces; `None` is not counted and can be had.
    pub stock: Option<i64>,
    /// 0 to 5.
    pub rating: Option<f32>,
    /// Keys of what it is, has, and is for: categories, features, sizes, people, occasions.
    pub keys: BTreeSet<String>,
    /// Keys of what it is known not to have.
    pub lacks: BTreeSet<String>,
    /// Its tags, brand and category as the shop writes them.
    pub phrases: Vec<String>,
}

impl Product {
    /// What a catalogue row says. Its description is left out: it is prose of whoever sells, and no fact of this shop.
    pub fn of(id: &str, item: &CatalogueItem, lexicon: &Lexicon, rating: Option<f32>) -> Self {
        let brand = lexicon.brand_of(item);
        let mut names: Vec<String> = Vec::new();
        let mut keys = lexicon.traits_of(item);
        for title in std::iter::once(&item.title).chain(item.titles.values()).filter(|t| !t.trim().is_empty())
        {
            names.push(title.clone());
            names.extend(short_names(title, lexicon));
            keys.extend(categories_in(title, lexicon));
        }
        names.sort_unstable();
        names.dedup();
        let leaf = item.category.rsplit('/').next().unwrap_or_default().replace(['-', '_'], " ");
        for text in item.tags.iter().chain([&leaf]) {
            keys.extend(categories_in(text, lexicon));
        }
        let mut phrases: Vec<String> = item.tags.clone();
        phrases.extend([item.brand.clone(), leaf]);
        phrases.retain(|p| !p.trim().is_empty());
        Self {
            id: id.to_owned(),
            names,
            brand,
            price: item.price,
            stock: item.stock,
            rating,
            keys,
            lacks: BTreeSet::new(),
            phrases,
        }
    }

    pub(crate) fn in_stock(&self) -> bool {
        self.stock != Some(0)
    }

    /// Whether it is of a category or of one within it.
    pub(crate) fn is_a(&self, category: &str) -> bool {
        self.keys.iter().any(|own| dictionary().within(own, category))
    }
}

fn categories_in(text: &str, lexicon: &Lexicon) -> Vec<String> {
    let atoms = atoms(text);
    let senses = spans(&atoms, lexicon).into_iter().flat_map(|s| s.senses);
    senses.filter_map(|s| if let Sense::Category(key) = s { Some(key.into_string()) } else { None }).collect()
}

/// The beginning of a title that names the model: up to the first size, colour, property or bracket; with and without its brand.
/// A name of one word is none, for other products begin with it too.
fn short_names(title: &str, lexicon: &Lexicon) -> Vec<String> {
    let atoms = atoms(title);
    let spans = spans(&atoms, lexicon);
    let describes = |span: &Span| {
        let brand = span.senses.iter().any(|s| matches!(s, Sense::Brand(_)));
        let mark = atoms.get(span.from).is_some_and(|a| a.kind == Kind::Mark && !"-.'&+".contains(&*a.text));
        mark || spec(&atoms, span).is_some() || !brand && span.is_content()
    };
    let Some(end) = spans.iter().skip(1).find(|s| describes(s)).map(|s| s.from) else { return Vec::new() };
    let model = spans
        .iter()
        .take_while(|s| s.senses.iter().any(|s| matches!(s, Sense::Brand(_))))
        .map(|s| s.to)
        .next();
    let mut names = Vec::new();
    let mut add = |from: usize| {
        let part = atoms.get(from..end).unwrap_or(&[]);
        let named = part.iter().any(|a| matches!(a.kind, Kind::Number | Kind::Word));
        if 2 <= part.len() && named {
            names.push(written(part));
        }
    };
    add(0);
    if let Some(model) = model {
        add(model);
    }
    names
}

fn written(atoms: &[Atom]) -> String {
    let mut text = String::new();
    for atom in atoms {
        if !text.is_empty() && !atom.glued {
            text.push(' ');
        }
        text.push_str(&atom.text);
    }
    text
}
