//! What an item says of itself, and how it becomes weighted terms.
//!
//! Terms of different kinds have their own first byte: `w` words, whatever field they stand in, `b` brands and `c`
//! categories as a whole, `p` price bands.

use shoptide_schemas::{Currency, Micros};

use super::params::ContentParams;
use super::price::PriceBands;
use super::terms::Emit;
use super::tokens::tokeniser;
use crate::catalogue::CatalogueItem;

/// The fields that are read. Empty ones say nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ItemText<'a> {
    pub title: &'a str,
    pub brand: &'a str,
    /// Levels separated by `/`.
    pub category: &'a str,
    pub tags: &'a [String],
    pub description: &'a str,
    pub price: Option<(Micros, Currency)>,
}

impl<'a> From<&'a CatalogueItem> for ItemText<'a> {
    fn from(item: &'a CatalogueItem) -> Self {
        Self {
            title: &item.title,
            brand: &item.brand,
            category: &item.category,
            tags: &item.tags,
            description: &item.description,
            price: item.price,
        }
    }
}

/// A term as people read it: `(kind, text)`.
///
/// ```
/// use shoptide_models::content::{TermKind, readable};
/// assert_eq!(readable("w手机"), (TermKind::Word, "手机"));
/// ```
pub fn readable(term: &str) -> (TermKind, &str) {
    let kind = match term.bytes().next() {
        Some(b'b') => TermKind::Brand,
        Some(b'c') => TermKind::Category,
        Some(b'p') => TermKind::PriceBand,
        _ => TermKind::Word,
    };
    (kind, term.get(1..).unwrap_or(""))
}

/// What a term is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TermKind {
    Word,
    Brand,
    Category,
    PriceBand,
}

/// Says an item's terms. A word weighs `weight of field · (1 + ln(times in the field))` by the field where that is most: what
/// the title and the tags both say is not said twice. Half of what brand and category weigh goes to their words, half to
/// the brand as a whole and to each level of the category. The price's weight is shared between the two nearest bands.
pub(super) fn say(item: &ItemText<'_>, params: &ContentParams, bands: &PriceBands, emit: &mut Emit<'_>) {
    let mut key = String::new();
    let mut tagged = |prefix: char, text: &str, weight: f32, emit: &mut Emit<'_>| {
        key.clear();
        key.push(prefix);
        key.push_str(text);
        emit(&key, weight);
    };
    let mut words: Vec<(String, f32)> = Vec::new();
    let mut field = |texts: &mut dyn Iterator<Item = &str>, weight: f32| {
        if weight == 0.0 {
            return;
        }
        let mut here: Vec<String> = Vec::new();
        for text in texts {
            tokeniser().each_term(text, &mut |term| here.push(format!("w{term}")));
        }
        here.sort_unstable();
        let counted = here.chunk_by(|a, b| a == b);
        words.extend(counted.map(|same| (same[0].clone(), weight * (1.0 + (same.len() as f32).ln()))));
    };
    field(&mut std::iter::once(item.title), params.title);
    field(&mut item.category.split('/'), params.category / 2.0);
    field(&mut std::iter::once(item.brand), params.brand / 2.0);
    field(&mut item.tags.iter().map(String::as_str), params.tags);
    field(&mut std::iter::once(item.description), params.description);
    words.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
    words.dedup_by(|next, kept| next.0 == kept.0);
    words.iter().for_each(|(word, weight)| emit(word, *weight));
    let brand = item.brand.trim();
    if !brand.is_empty() && 0.0 < params.brand {
        tagged('b', &brand.to_lowercase(), params.brand / 2.0, emit);
    }
    if 0.0 < params.category {
        for prefix in levels(item.category) {
            tagged('c', prefix, params.category / 2.0, emit);
        }
    }
    if let (Some((price, currency)), true) = (item.price, 0.0 < params.price) {
        for (band, share) in bands.of(item.category, price, currency) {
            tagged('p', &band, params.price * share, emit);
        }
    }
}

/// The category and all it lies in, the widest first: `a/b/c` gives `a`, `a/b`, `a/b/c`.
pub fn levels(category: &str) -> impl Iterator<Item = &str> {
    let ends = category.match_indices('/').map(|(at, _)| at).chain(std::iter::once(category.len()));
    ends.map(|end| &category[..end]).filter(|level| !level.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_terms_with_weights() {
        let tags = ["快充".to_owned()];
        let item = ItemText {
            title: "手机 手机 fast",
            brand: " 小米 ",
            category: "technology/phone",
            tags: &tags,
            description: "快充",
            price: None,
        };
        let mut said = Vec::new();
        say(&item, &ContentParams::default(), &PriceBands::default(), &mut |t, w| {
            said.push((t.to_owned(), w))
        });
        let weight = |term: &str| said.iter().filter(|(t, _)| t == term).map(|(_, w)| w).sum::<f32>();
        assert!((weight("w手机") - (1.0 + 2f32.ln())).abs() < 1e-6);
        assert_eq!((weight("w快充"), weight("wphone"), weight("w小米")), (1.0, 0.5, 0.5));
        assert_eq!((weight("b小米"), weight("ctechnology"), weight("ctechnology/phone")), (0.5, 0.5, 0.5));
        say(&ItemText::default(), &ContentParams::default(), &PriceBands::default(), &mut |t, _| {
            unreachable!("{t}")
        });
    }

    #[test]
    fn levels_of_odd_categories() {
        let of = |c| levels(c).collect::<Vec<_>>();
        assert_eq!(of("a/b/c"), ["a", "a/b", "a/b/c"]);
        assert_eq!((of(""), of("/"), of("a/")), (vec![], vec!["/"], vec!["a", "a/"]));
    }
}
