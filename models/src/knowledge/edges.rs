//! Edges of one product, and the questions that they answer.

use crate::catalogue::{Catalogue, CatalogueItem};
use crate::chat::{Lexicon, Trait, folded, opposite};
use crate::content::levels;
use crate::faq::FaqBook;

use super::compatible::compatible;
use super::links::ItemLinks;

/// Edges of one product: a page.
pub const EDGES_MAX: usize = 100;
/// Of a text that is shown as evidence.
pub const QUOTE_CHARS_MAX: usize = 160;
/// Wishes of one question that are answered.
const WISHES_MAX: usize = 8;

/// How two things belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    IsA,
    MadeBy,
    Has,
    CompatibleWith,
    BoughtWith,
    DiscussedIn,
}

impl Relation {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IsA => "is-a",
            Self::MadeBy => "made-by",
            Self::Has => "has",
            Self::CompatibleWith => "compatible-with",
            Self::BoughtWith => "bought-with",
            Self::DiscussedIn => "discussed-in",
        }
    }
}

/// What an edge leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// By its number in the catalogue.
    Product(u32),
    /// As the catalogue writes it.
    Brand(String),
    Category(String),
    /// A feature, an occasion, a person or a size, by its key.
    Attribute(String),
    Thread(String),
    /// An entry of the shop's questions, by its id.
    Question(String),
}

/// What says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// The words of a field of the product's row.
    Field { field: &'static str, text: String },
    /// Baskets with both.
    Baskets(u32),
    /// Users who wrote there of it.
    Users(u32),
    /// A tag of the entry.
    Tag(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    pub relation: Relation,
    pub to: Node,
    pub evidence: Evidence,
}

/// Whether a product has something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Yes,
    /// The row says that it has not, or that it has the opposite.
    No,
    /// The row says nothing of it.
    Unknown,
}

/// One wish of a question, and what the product's row says to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Has {
    /// By its key.
    pub wish: String,
    pub answer: Answer,
    /// What says so; absent if nothing does.
    pub edge: Option<Edge>,
}

/// A wish as two products meet it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weighed {
    pub one: Has,
    pub other: Has,
}

/// Which of two products meets more of what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    pub wishes: Vec<Weighed>,
    /// 1 or 2; absent if what is known does not decide it.
    pub better: Option<u8>,
}

/// The graph, as of a catalogue, the words learned from it, and the shop's questions.
#[derive(Debug, Clone, Copy)]
pub struct Knowledge<'a> {
    pub catalogue: &'a Catalogue,
    pub lexicon: &'a Lexicon,
    pub faq: &'a FaqBook,
}

impl<'a> Knowledge<'a> {
    /// The edges of a product, at most [`EDGES_MAX`], by relation; none for a number that is not known.
    pub fn edges(&self, number: u32, links: &ItemLinks) -> Vec<Edge> {
        let Some((id, item)) = self.catalogue.row(number).filter(|(_, item)| !item.removed) else {
            return Vec::new();
        };
        let mut edges = Vec::new();
        let field = |relation, to, field, text: &str| Edge { relation, to, evidence: quoted(field, text) };
        let path = item.category.trim().trim_matches('/');
        for level in levels(path) {
            edges.push(field(Relation::IsA, Node::Category(level.to_owned()), "category", path));
        }
        if !item.brand.trim().is_empty() {
            edges.push(field(Relation::MadeBy, Node::Brand(item.brand.clone()), "brand", &item.brand));
        }
        let mut known: Vec<String> = Vec::new();
        for (name, text) in texts(item) {
            for Trait { key, written, negated } in self.lexicon.traits_in(text) {
                if !negated && !known.contains(&key) {
                    edges.push(field(Relation::Has, Node::Attribute(key.clone()), name, &written));
                    known.push(key);
                }
            }
        }
        edges.extend(self.goes_with(number, links));
        edges.extend(links.threads.iter().map(|(thread, users)| Edge {
            relation: Relation::DiscussedIn,
            to: Node::Thread(thread.clone()),
            evidence: Evidence::Users(*users),
        }));
        edges.extend(self.questions(&id.to_string(), item));
        edges.sort_by_key(|edge| edge.relation);
        edges.truncate(EDGES_MAX);
        edges
    }

    /// "Does it have NFC": each thing that a text asks for, at most eight; empty if it asks for nothing that is known.
    pub fn has(&self, number: u32, asked: &str) -> Vec<Has> {
        self.has_each(number, self.wishes(asked))
    }

    /// The same for wishes by their keys, of which eight are answered.
    pub fn has_each(&self, number: u32, wishes: impl IntoIterator<Item = String>) -> Vec<Has> {
        let Some((_, item)) = self.catalogue.row(number) else { return Vec::new() };
        wishes.into_iter().take(WISHES_MAX).map(|wish| self.meets(item, wish)).collect()
    }

    /// "A or B for running": what each has of what a text asks for.
    pub fn compare(&self, one: u32, other: u32, asked: &str) -> Comparison {
        let wishes: Vec<Weighed> = self
            .has(one, asked)
            .into_iter()
            .zip(self.has(other, asked))
            .map(|(one, other)| Weighed { one, other })
            .collect();
        let answers = |of: fn(&Weighed) -> Answer| wishes.iter().map(of).collect::<Vec<_>>();
        let better = best(&[answers(|w| w.one.answer), answers(|w| w.other.answer)]);
        Comparison { wishes, better: better.and_then(|place| u8::try_from(place + 1).ok()) }
    }

    /// "What goes with it": what it says that it fits, and what is bought with it, of what can be had now.
    pub fn goes_with(&self, number: u32, links: &ItemLinks) -> Vec<Edge> {
        let Some((_, item)) = self.catalogue.row(number) else { return Vec::new() };
        let can_be_had = |other: u32| {
            let row = self.catalogue.row(other).map(|(_, row)| row);
            other != number && row.is_some_and(|row| row.listable() && !row.unlisted && row.in_stock())
        };
        let mut edges: Vec<Edge> = Vec::new();
        for (field, text) in texts(item) {
            for (other, quote) in compatible(text, self.lexicon) {
                let to = Node::Product(other);
                if can_be_had(other) && !edges.iter().any(|edge| edge.to == to) {
                    let evidence = quoted(field, &quote);
                    edges.push(Edge { relation: Relation::CompatibleWith, to, evidence });
                }
            }
        }
        for (other, baskets) in &links.bought_with {
            if let Some(other) = self.catalogue.number(other).filter(|other| can_be_had(*other)) {
                let (relation, to) = (Relation::BoughtWith, Node::Product(other));
                edges.push(Edge { relation, to, evidence: Evidence::Baskets(*baskets) });
            }
        }
        edges
    }

    /// Keys of what a text asks for, in its order.
    fn wishes(&self, asked: &str) -> Vec<String> {
        let mut keys: Vec<String> = Vec::new();
        for Trait { key, .. } in self.lexicon.traits_in(asked) {
            if keys.len() < WISHES_MAX && !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    fn meets(&self, item: &CatalogueItem, wish: String) -> Has {
        let against = opposite(&wish);
        let mut no = None;
        for (field, text) in texts(item) {
            for Trait { key, written, negated } in self.lexicon.traits_in(text) {
                let edge = || Edge {
                    relation: Relation::Has,
                    to: Node::Attribute(key.clone()),
                    evidence: quoted(field, &written),
                };
                if key == wish && !negated {
                    return Has { answer: Answer::Yes, edge: Some(edge()), wish };
                }
                if (key == wish && negated) || (against.is_some_and(|against| against == key) && !negated) {
                    no.get_or_insert_with(edge);
                }
            }
        }
        let answer = if no.is_some() { Answer::No } else { Answer::Unknown };
        Has { wish, answer, edge: no }
    }

    /// The shop's entries that a tag ties to the product, its brand or a category of it.
    fn questions(&self, id: &str, item: &CatalogueItem) -> Vec<Edge> {
        let path = item.category.trim().trim_matches('/').to_lowercase();
        let mut names: Vec<String> = vec![folded(id), folded(&item.brand)];
        names.extend(
            levels(&path)
                .flat_map(|level| [folded(level), folded(level.rsplit('/').next().unwrap_or(level))]),
        );
        names.retain(|name| !name.is_empty());
        let tied = self.faq.entries().iter().filter_map(|entry| {
            let tag = entry.tags.iter().find(|tag| names.contains(&folded(tag)))?;
            Some(Edge {
                relation: Relation::DiscussedIn,
                to: Node::Question(entry.id.clone()),
                evidence: Evidence::Tag(tag.clone()),
            })
        });
        tied.take(EDGES_MAX).collect()
    }
}

/// The place of the one that meets most of what was asked; `None` if what is known does not decide it. What is said to be absent counts against.
pub fn best(all: &[Vec<Answer>]) -> Option<usize> {
    let points = |answers: &Vec<Answer>| -> i32 {
        answers.iter().map(|a| i32::from(*a == Answer::Yes) - i32::from(*a == Answer::No)).sum()
    };
    let points: Vec<i32> = all.iter().map(points).collect();
    let most = points.iter().max()?;
    let mut places = points.iter().enumerate().filter(|(_, own)| *own == most).map(|(place, _)| place);
    places.next().filter(|_| places.next().is_none())
}

/// The texts of a row that say what it is, the surest first.
fn texts(item: &CatalogueItem) -> impl Iterator<Item = (&'static str, &str)> {
    let titles =
        std::iter::once(&item.title).chain(item.titles.values()).map(|text| ("title", text.as_str()));
    let tags = item.tags.iter().map(|tag| ("tags", tag.as_str()));
    let rest = [("category", item.category.as_str()), ("description", item.description.as_str())];
    titles.chain(tags).chain(rest)
}

fn quoted(field: &'static str, text: &str) -> Evidence {
    Evidence::Field { field, text: text.chars().take(QUOTE_CHARS_MAX).collect() }
}
